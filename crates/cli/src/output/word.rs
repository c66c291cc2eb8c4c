//! The contract's enumerations in words.

use entente_api::event::{DeliveryFailure, DeliveryState, EventKind};
use entente_api::identity::OperatorRole;
use entente_api::partner::{EarnRounding, Funding, PartnerState};
use entente_api::proposal::{ActKind, ProposalState};
use entente_api::settlement::{
    AmountKind, BreakKind, BreakState, Direction, StatementState, WindowState,
};
use entente_api::types::OperationKind;

/// What a direction's number means, for people.
pub(crate) fn direction(number: i32) -> &'static str {
    match Direction::try_from(number).unwrap_or_default() {
        Direction::Pays => "pays",
        Direction::Receives => "receives",
        Direction::Even => "even",
        Direction::Unspecified => "?",
    }
}

/// What an amount is for.
pub(crate) fn amount_kind(number: i32) -> &'static str {
    match AmountKind::try_from(number).unwrap_or_default() {
        AmountKind::Issue => "issue",
        AmountKind::IssueCancelled => "issue cancelled",
        AmountKind::Redemption => "redemption",
        AmountKind::RedemptionRefunded => "redemption refunded",
        AmountKind::Fee => "fee",
        AmountKind::FeeRefunded => "fee refunded",
        AmountKind::DebtRepaid => "debt repaid",
        AmountKind::Expired => "expired",
        AmountKind::Rounding => "rounding",
        AmountKind::IssueReinstated => "issue reinstated",
        AmountKind::Gift => "gift",
        AmountKind::Adjustment => "adjustment",
        AmountKind::Prepaid => "prepaid",
        AmountKind::CurrencySold => "currency sold",
        AmountKind::CurrencyBought => "currency bought",
        AmountKind::ConversionLoss => "conversion loss",
        AmountKind::ConversionGain => "conversion gain",
        AmountKind::Unspecified => "?",
    }
}

/// What kind of difference a break is.
pub(crate) fn break_kind(number: i32) -> &'static str {
    let name = BreakKind::try_from(number).unwrap_or_default().as_str_name();
    name.strip_prefix("BREAK_KIND_").unwrap_or(name)
}

/// Where a break stands.
pub(crate) fn break_state(number: i32) -> &'static str {
    let name = BreakState::try_from(number).unwrap_or_default().as_str_name();
    name.strip_prefix("BREAK_STATE_").unwrap_or(name)
}

/// What an operation did.
pub(crate) fn operation_kind(number: i32) -> &'static str {
    match OperationKind::try_from(number).unwrap_or_default() {
        OperationKind::Earn => "earn",
        OperationKind::Burn => "burn",
        OperationKind::Authorize => "authorize",
        OperationKind::Capture => "capture",
        OperationKind::Void => "void",
        OperationKind::Reverse => "reverse",
        OperationKind::Expire => "expire",
        OperationKind::Adjust => "adjust",
        OperationKind::Exchange => "exchange",
        OperationKind::Transfer => "transfer",
        OperationKind::Donate => "donate",
        OperationKind::Announce => "announce",
        OperationKind::Merge => "merge",
        OperationKind::Unmerge => "unmerge",
        OperationKind::Unspecified => "?",
    }
}

/// Where a partner stands with its statement.
pub(crate) fn statement_state(number: i32) -> &'static str {
    match StatementState::try_from(number).unwrap_or_default() {
        StatementState::Pending => "pending",
        StatementState::Agreed => "agreed",
        StatementState::Disputed => "disputed",
        StatementState::Unspecified => "?",
    }
}

/// How far a window has come.
pub(crate) fn window_state(number: i32) -> &'static str {
    match WindowState::try_from(number).unwrap_or_default() {
        WindowState::Open => "open",
        WindowState::Closed => "closed",
        WindowState::Settling => "settling",
        WindowState::Settled => "settled",
        WindowState::Unspecified => "?",
    }
}

/// Whether a partner may act.
pub(crate) fn partner_state(number: i32) -> &'static str {
    match PartnerState::try_from(number).unwrap_or_default() {
        PartnerState::Active => "active",
        PartnerState::Suspended => "suspended",
        PartnerState::Unspecified => "?",
    }
}

/// What a proposal would do.
pub(crate) fn act_kind(number: i32) -> &'static str {
    match ActKind::try_from(number).unwrap_or_default() {
        ActKind::PublishTerms => "publish terms",
        ActKind::AttachReference => "attach a reference",
        ActKind::RegisterKey => "register a key",
        ActKind::GrantRoles => "grant roles",
        ActKind::ArrangeSettlement => "arrange settlement",
        ActKind::Adjust => "adjust",
        ActKind::WriteOff => "write off",
        ActKind::BuyBlock => "buy a block",
        ActKind::ConvertCurrency => "convert currency",
        ActKind::EraseMember => "erase a member",
        ActKind::Unspecified => "?",
    }
}

/// What an operator may do.
pub(crate) fn operator_role(role: OperatorRole) -> &'static str {
    match role {
        OperatorRole::Onboarding => "onboarding",
        OperatorRole::Settlement => "settlement",
        OperatorRole::Security => "security",
        OperatorRole::Auditor => "auditor",
        OperatorRole::Unspecified => "?",
    }
}

/// What became of a proposal.
pub(crate) fn proposal_state(number: i32) -> &'static str {
    match ProposalState::try_from(number).unwrap_or_default() {
        ProposalState::Open => "open",
        ProposalState::Applied => "applied",
        ProposalState::Refused => "refused",
        ProposalState::Rejected => "rejected",
        ProposalState::Withdrawn => "withdrawn",
        ProposalState::Expired => "expired",
        ProposalState::Unspecified => "?",
    }
}

/// Who pays for points, and when.
pub(crate) fn funding(number: i32) -> &'static str {
    match Funding::try_from(number).unwrap_or_default() {
        Funding::AtIssue => "at issue",
        Funding::AtRedemption => "at redemption",
        Funding::Unspecified => "?",
    }
}

/// How an earn is rounded.
pub(crate) fn rounding(number: i32) -> &'static str {
    match EarnRounding::try_from(number).unwrap_or_default() {
        EarnRounding::Down | EarnRounding::Unspecified => "down",
        EarnRounding::HalfUp => "half up",
    }
}

/// What an event tells of: `operation`, `hold-expired`. It is how people name kinds, too.
pub(crate) fn event_kind(number: i32) -> String {
    let name = EventKind::try_from(number).unwrap_or_default().as_str_name();
    let name = name.strip_prefix("EVENT_KIND_").unwrap_or(name);
    name.to_lowercase().replace('_', "-")
}

/// Whether a delivery is still tried.
pub(crate) fn delivery_state(number: i32) -> &'static str {
    match DeliveryState::try_from(number).unwrap_or_default() {
        DeliveryState::Pending => "pending",
        DeliveryState::Dead => "dead",
        DeliveryState::Unspecified => "?",
    }
}

/// How an attempt at a delivery failed.
pub(crate) fn delivery_failure(number: i32) -> &'static str {
    match DeliveryFailure::try_from(number).unwrap_or_default() {
        DeliveryFailure::Unspecified => "",
        DeliveryFailure::EndpointNotAllowed => "endpoint not allowed",
        DeliveryFailure::HostUnresolved => "host unresolved",
        DeliveryFailure::AddressNotAllowed => "address not allowed",
        DeliveryFailure::Unreachable => "unreachable",
        DeliveryFailure::Tls => "tls",
        DeliveryFailure::Timeout => "timeout",
        DeliveryFailure::Redirect => "redirect",
        DeliveryFailure::Status => "status",
        DeliveryFailure::Broken => "broken",
    }
}
