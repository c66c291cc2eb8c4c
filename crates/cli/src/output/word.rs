//! The contract's enumerations in words.

use entente_api::partner::{EarnRounding, Funding, PartnerState};
use entente_api::settlement::{AmountKind, Direction, WindowState};
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
        AmountKind::Unspecified => "?",
    }
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
        OperationKind::Unspecified => "?",
    }
}

/// Whether a window is final.
pub(crate) fn window_state(number: i32) -> &'static str {
    match WindowState::try_from(number).unwrap_or_default() {
        WindowState::Open => "open",
        WindowState::Closed => "closed",
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
