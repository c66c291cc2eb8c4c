//! One table: what each published reason is on the wire.

use std::time::Duration;

use entente_api::error::{ErrorReason, ErrorReason as R};
use tonic::Code;

/// What a reason is on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rule {
    /// The gRPC code.
    pub code: Code,
    /// Whether the refusal is the request id's final outcome.
    pub kept: bool,
    /// After how long the same request, under the same id, may succeed by itself.
    pub retry: Option<Duration>,
}

/// Of what ends by itself, or by somebody else's hand.
const A_MINUTE: Rule = again(Code::FailedPrecondition, 60_000);

/// What the state of things stands in the way of.
const STATE: Rule = not_kept(Code::FailedPrecondition);
/// Of a limit that resets by itself; the refusal may say when.
const AN_HOUR: Rule = again(Code::ResourceExhausted, 3_600_000);

/// Of a caller that has not proved who it is.
const UNKNOWN: Rule = not_kept(Code::Unauthenticated);

/// The rule of a reason. No wildcard: a new reason does not compile until it has one.
#[must_use]
pub const fn rule(reason: ErrorReason) -> Rule {
    use Code::{AlreadyExists, FailedPrecondition, NotFound, PermissionDenied as Denied};
    match reason {
        R::Unspecified | R::Internal => again(Code::Internal, 1_000),
        R::Malformed | R::RecordRefused => not_kept(Code::InvalidArgument),
        R::Unauthenticated | R::TokenRefused | R::TokenExpired | R::AssertionRefused => UNKNOWN,
        R::NotAllowed | R::ScopeMissing | R::RoleMissing | R::OwnProposal => not_kept(Denied),
        R::ShuttingDown => again(Code::Unavailable, 1_000),
        R::Overloaded => again(Code::Unavailable, 250),
        R::ClocksApart => again(Code::Unavailable, 5_000),
        R::TooManyStreams | R::StreamUnread => again(Code::ResourceExhausted, 1_000),
        R::DeadlinePassed => again(Code::DeadlineExceeded, 100),
        R::RequestIdReused => not_kept(AlreadyExists),
        // One to a line, they would hide the others.
        #[rustfmt::skip]
        R::PartnerUnknown | R::MemberUnknown | R::LinkUnknown | R::OperationUnknown | R::WindowUnknown |
        R::TermsUnknown | R::WebhookUnknown | R::DeliveryUnknown | R::KeyUnknown | R::OperatorUnknown |
        R::ProposalUnknown | R::PaymentUnknown | R::DisputeUnknown | R::LineUnknown | R::ReconciliationUnknown |
        R::BreakUnknown => not_kept(NotFound),
        R::PartnerSuspended | R::BurnHeldBack | R::LinkNotPending => A_MINUTE,
        #[rustfmt::skip]
        R::WindowNotClosed | R::Archived | R::StatementState | R::AccountUnknown | R::BankStatementRefused |
        R::BreakState | R::AdjustmentUnlikeBreak | R::NotASimulation | R::ClockBackwards | R::EndpointNotAllowed => STATE,
        R::TooManyWebhooks | R::TooManyKeys => not_kept(Code::ResourceExhausted),
        R::PartnerExists | R::KeyTaken => kept(AlreadyExists),
        R::NetDebitCapExceeded | R::FloatExhausted => kept(Code::ResourceExhausted),
        R::TransferLimitReached | R::VelocityLimit | R::LinkTriesSpent => AN_HOUR,
        #[rustfmt::skip]
        R::ReceiptCredited
        | R::ActivityInFuture
        | R::ActivityTooOld
        | R::ClaimTooOld
        | R::NoTermsInForce
        | R::CurrencyNotOfTerms
        | R::CategoryUnknown
        | R::ExchangeNotAgreed
        | R::ExchangeBelowMinimum
        | R::ExchangeOffIncrement
        | R::NotACharity
        | R::TransferNotAgreed
        | R::TransferToSelf
        | R::AmountTooLarge
        | R::TransferTooLarge
        | R::NothingToBurn
        | R::NotAnAuthorization
        | R::HoldCaptured
        | R::HoldVoided
        | R::HoldExpired
        | R::CaptureExceedsHold
        | R::NotReversible
        | R::MergeNotAllowed
        | R::HoldsOpen
        | R::MergeNotReversible
        | R::ReversalUnitWrong
        | R::ReversalExceedsRest
        | R::PointsInsufficient
        | R::TestingApart
        | R::MemberErased
        | R::ReferenceTaken
        | R::MemberAlreadyLinked
        | R::LinkCodeRefused
        | R::TermsInPast
        | R::TermsOverlap
        | R::ExchangeCycleGains
        | R::FloatNotAgreed | R::ReserveLeft | R::ConversionBooked | R::PoolTooSmall
        | R::PaymentExceedsObligation | R::ObjectionOver
        | R::ProposalNotOpen
        | R::ProposalExpired => kept(FailedPrecondition),
    }
}

/// The reason as `ErrorInfo` carries it: the enum's name without its prefix.
#[must_use]
pub fn name(reason: ErrorReason) -> &'static str {
    let full = reason.as_str_name();
    full.strip_prefix("ERROR_REASON_").unwrap_or(full)
}

const fn kept(code: Code) -> Rule {
    Rule { code, kept: true, retry: None }
}

const fn not_kept(code: Code) -> Rule {
    Rule { code, kept: false, retry: None }
}

const fn again(code: Code, after_ms: u64) -> Rule {
    Rule { code, kept: false, retry: Some(Duration::from_millis(after_ms)) }
}

#[cfg(test)]
pub(super) mod tests {
    use entente_api::DESCRIPTOR_SET;
    use prost::Message;
    use prost_types::{EnumDescriptorProto, FileDescriptorSet};

    use super::*;

    /// The enum as the contract publishes it.
    fn published() -> EnumDescriptorProto {
        let files = FileDescriptorSet::decode(DESCRIPTOR_SET).expect("a descriptor set").file;
        let mut enums = files.into_iter().flat_map(|file| file.enum_type);
        enums.find(|found| found.name() == "ErrorReason").expect("the contract has ErrorReason")
    }

    /// Every reason, in the order of the contract, which is that of precedence.
    pub(in crate::error) fn reasons() -> Vec<ErrorReason> {
        let numbers = published().value.into_iter().filter_map(|value| value.number);
        numbers.map(|number| ErrorReason::try_from(number).expect("a published reason")).collect()
    }

    #[test]
    fn no_reason_is_both_kept_and_worth_repeating() {
        for reason in reasons() {
            let rule = rule(reason);
            assert!(!(rule.kept && rule.retry.is_some()), "{}", name(reason));
            assert_ne!(rule.code, Code::Ok, "{}", name(reason));
        }
    }

    /// The comments of the contract are what partners read: `(CODE, kept)` or `(CODE, not kept)`.
    #[test]
    fn the_published_comment_of_each_reason_says_what_the_table_says() {
        let contract = include_str!("../../../../proto/entente/error/v1/error_reason.proto");
        let contract = contract.replace("\n  // ", " ");
        for reason in reasons().into_iter().filter(|reason| *reason != ErrorReason::Unspecified) {
            let rule = rule(reason);
            let kept = if rule.kept { "kept" } else { "not kept" };
            let code = format!("{:?}", rule.code).to_uppercase();
            let comment = format!("{} (", reason.as_str_name());
            let (_, after) = contract.split_once(&comment).expect("a documented reason");
            let (said, _) = after.split_once(')').expect("a closed parenthesis");
            let expected = format!("{code}, {kept}");
            assert_eq!(said.replace('_', ""), expected, "{}", name(reason));
        }
    }
}
