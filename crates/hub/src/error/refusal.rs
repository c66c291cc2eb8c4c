//! Refusals of the loyalty rules as published reasons.

use std::time::Duration;

use entente_api::error::ErrorReason;
use entente_loyalty::{Partner, Refusal};
use jiff::Timestamp;

use super::Refused;

impl Refused {
    /// What a partner is told of a refusal of its own command at `now`. A cap is named to the partner that
    /// it limits and to nobody else: it is that partner's affair.
    #[must_use]
    pub fn of_refusal(refusal: &Refusal, caller: &Partner, now: Timestamp) -> Self {
        let refused = Self::new(reason(refusal), refusal.to_string());
        match *refusal {
            Refusal::ReceiptCredited { request_id } => refused.with("request_id", request_id.0),
            Refusal::ActivityTooOld { late_limit_days } => {
                refused.with("late_limit_days", late_limit_days)
            }
            Refusal::ClaimTooOld { claim_limit_days } => {
                refused.with("claim_limit_days", claim_limit_days)
            }
            Refusal::ExchangeBelowMinimum { minimum } => refused.with("minimum", minimum),
            Refusal::ExchangeOffIncrement { increment } => refused.with("increment", increment),
            Refusal::CurrencyNotOfTerms { currency } => refused.with("currency", currency),
            Refusal::TransferTooLarge { most } => refused.with("most", most),
            Refusal::TransferLimitReached { rest, resets_at } => {
                refused.with("rest", rest).with("resets_at", resets_at)
            }
            Refusal::CaptureExceedsHold { held } => refused.with("held", held),
            Refusal::ReversalExceedsRest { rest } => refused.with("rest", rest),
            Refusal::PointsInsufficient { available } => refused.with("available", available),
            Refusal::BurnHeldBack { until } => refused.with("until", until),
            Refusal::FloatExhausted { left, asked } => {
                refused.with("left", left).with("asked", asked)
            }
            Refusal::NetDebitCapExceeded { partner, currency, cap } if partner == caller.id => {
                let refused = refused.with("partner", &caller.code);
                refused.with("currency", currency).with("cap_micros", cap)
            }
            Refusal::VelocityLimit { limit, rest, resets_at } => {
                let refused = refused.with("limit", limit.name()).with("rest", rest);
                let wait = Duration::try_from(resets_at.duration_since(now)).unwrap_or_default();
                refused.with("resets_at", resets_at).retried_after(wait)
            }
            Refusal::Provoked { .. } => refused.with("sandbox", true),
            Refusal::NetDebitCapExceeded { .. }
            | Refusal::LotsNotLoaded
            | Refusal::PartnerSuspended
            | Refusal::ActivityInFuture
            | Refusal::NoTermsInForce
            | Refusal::CategoryUnknown
            | Refusal::ExchangeNotAgreed
            | Refusal::NotACharity
            | Refusal::TransferNotAgreed
            | Refusal::TransferToSelf
            | Refusal::AmountTooLarge
            | Refusal::NothingToBurn
            | Refusal::NotAnAuthorization
            | Refusal::HoldCaptured
            | Refusal::HoldVoided
            | Refusal::HoldExpired
            | Refusal::NotReversible
            | Refusal::MergeNotAllowed
            | Refusal::HoldsOpen
            | Refusal::MergeNotReversible
            | Refusal::ReversalUnitWrong => refused,
        }
    }
}

fn reason(refusal: &Refusal) -> ErrorReason {
    match refusal {
        Refusal::Provoked { reason } => ErrorReason::try_from(*reason).unwrap_or_default(),
        // It is decided again; nobody is told.
        Refusal::LotsNotLoaded => ErrorReason::Overloaded,
        Refusal::PartnerSuspended => ErrorReason::PartnerSuspended,
        Refusal::ReceiptCredited { .. } => ErrorReason::ReceiptCredited,
        Refusal::ActivityInFuture => ErrorReason::ActivityInFuture,
        Refusal::ActivityTooOld { .. } => ErrorReason::ActivityTooOld,
        Refusal::ClaimTooOld { .. } => ErrorReason::ClaimTooOld,
        Refusal::NoTermsInForce => ErrorReason::NoTermsInForce,
        Refusal::CurrencyNotOfTerms { .. } => ErrorReason::CurrencyNotOfTerms,
        Refusal::CategoryUnknown => ErrorReason::CategoryUnknown,
        Refusal::ExchangeNotAgreed => ErrorReason::ExchangeNotAgreed,
        Refusal::ExchangeBelowMinimum { .. } => ErrorReason::ExchangeBelowMinimum,
        Refusal::ExchangeOffIncrement { .. } => ErrorReason::ExchangeOffIncrement,
        Refusal::NotACharity => ErrorReason::NotACharity,
        Refusal::TransferNotAgreed => ErrorReason::TransferNotAgreed,
        Refusal::TransferToSelf => ErrorReason::TransferToSelf,
        Refusal::AmountTooLarge => ErrorReason::AmountTooLarge,
        Refusal::TransferTooLarge { .. } => ErrorReason::TransferTooLarge,
        Refusal::NothingToBurn => ErrorReason::NothingToBurn,
        Refusal::NotAnAuthorization => ErrorReason::NotAnAuthorization,
        Refusal::HoldCaptured => ErrorReason::HoldCaptured,
        Refusal::HoldVoided => ErrorReason::HoldVoided,
        Refusal::HoldExpired => ErrorReason::HoldExpired,
        Refusal::CaptureExceedsHold { .. } => ErrorReason::CaptureExceedsHold,
        Refusal::NotReversible => ErrorReason::NotReversible,
        Refusal::MergeNotAllowed => ErrorReason::MergeNotAllowed,
        Refusal::HoldsOpen => ErrorReason::HoldsOpen,
        Refusal::MergeNotReversible => ErrorReason::MergeNotReversible,
        Refusal::ReversalUnitWrong => ErrorReason::ReversalUnitWrong,
        Refusal::ReversalExceedsRest { .. } => ErrorReason::ReversalExceedsRest,
        Refusal::PointsInsufficient { .. } => ErrorReason::PointsInsufficient,
        Refusal::BurnHeldBack { .. } => ErrorReason::BurnHeldBack,
        Refusal::TransferLimitReached { .. } => ErrorReason::TransferLimitReached,
        Refusal::VelocityLimit { .. } => ErrorReason::VelocityLimit,
        Refusal::FloatExhausted { .. } => ErrorReason::FloatExhausted,
        Refusal::NetDebitCapExceeded { .. } => ErrorReason::NetDebitCapExceeded,
    }
}

#[cfg(test)]
mod tests {
    use entente_ledger::{Micros, PartnerId, Points, RequestId};
    use entente_loyalty::Meter;

    use super::*;
    use crate::error::reason::tests::reasons;

    fn harbor() -> Partner {
        Partner {
            id: PartnerId(1),
            code: "harbor-hotels".parse().expect("a good code"),
            display_name: "Harbor Hotels".to_owned(),
            suspended: false,
            testing: false,
            created_at: Timestamp::UNIX_EPOCH,
            terms: Vec::new(),
        }
    }

    /// One of each, in order of precedence.
    fn every_refusal() -> Vec<Refusal> {
        let currency = "EUR".parse().expect("ISO 4217");
        vec![
            Refusal::PartnerSuspended,
            Refusal::ReceiptCredited { request_id: RequestId(uuid::Uuid::nil()) },
            Refusal::ActivityInFuture,
            Refusal::ActivityTooOld { late_limit_days: 30 },
            Refusal::ClaimTooOld { claim_limit_days: 0 },
            Refusal::NoTermsInForce,
            Refusal::CurrencyNotOfTerms { currency },
            Refusal::CategoryUnknown,
            Refusal::ExchangeNotAgreed,
            Refusal::ExchangeBelowMinimum { minimum: Points(3_000) },
            Refusal::ExchangeOffIncrement { increment: Points(3) },
            Refusal::NotACharity,
            Refusal::TransferNotAgreed,
            Refusal::TransferToSelf,
            Refusal::AmountTooLarge,
            Refusal::TransferTooLarge { most: Points(500) },
            Refusal::NothingToBurn,
            Refusal::NotAnAuthorization,
            Refusal::HoldCaptured,
            Refusal::HoldVoided,
            Refusal::HoldExpired,
            Refusal::CaptureExceedsHold { held: Points(7) },
            Refusal::NotReversible,
            Refusal::MergeNotAllowed,
            Refusal::HoldsOpen,
            Refusal::MergeNotReversible,
            Refusal::ReversalUnitWrong,
            Refusal::ReversalExceedsRest { rest: 9 },
            Refusal::PointsInsufficient { available: Points(3) },
            Refusal::BurnHeldBack { until: Timestamp::UNIX_EPOCH },
            Refusal::TransferLimitReached { rest: Points(8), resets_at: Timestamp::UNIX_EPOCH },
            Refusal::VelocityLimit {
                limit: Meter::Operations,
                rest: 0,
                resets_at: Timestamp::UNIX_EPOCH,
            },
            Refusal::FloatExhausted { left: Points(5), asked: Points(6) },
            Refusal::NetDebitCapExceeded { partner: PartnerId(1), currency, cap: Micros(5) },
        ]
    }

    #[test]
    fn the_rules_and_the_contract_agree_on_precedence_and_on_what_is_kept() {
        let refusals = every_refusal();
        assert!(refusals.is_sorted());
        let published = reasons();
        let place = |refusal| published.iter().position(|found| *found == reason(refusal));
        assert!(refusals.iter().map(place).is_sorted());
        assert!(refusals.iter().all(|refusal| place(refusal).is_some()));
        for refusal in refusals {
            let refused = Refused::of_refusal(&refusal, &harbor(), Timestamp::UNIX_EPOCH);
            assert_eq!(refused.is_kept(), refusal.is_final(), "{refusal}");
        }
    }

    #[test]
    fn a_cap_is_named_to_the_partner_it_limits_alone() {
        let currency = "EUR".parse().expect("ISO 4217");
        let told = |partner| {
            let refusal = Refusal::NetDebitCapExceeded { partner, currency, cap: Micros(5) };
            Refused::of_refusal(&refusal, &harbor(), Timestamp::UNIX_EPOCH)
        };
        let own = told(PartnerId(1));
        assert_eq!(own.metadata("partner"), Some("harbor-hotels"));
        assert_eq!(own.metadata("currency"), Some("EUR"));
        assert_eq!(own.metadata("cap_micros"), Some("5"));
        let others = told(PartnerId(2));
        assert!(["partner", "currency", "cap_micros"].iter().all(|k| others.metadata(k).is_none()));
    }

    #[test]
    fn a_refusal_tells_what_cures_it() {
        let told = |refusal| Refused::of_refusal(&refusal, &harbor(), Timestamp::UNIX_EPOCH);
        let too_old = told(Refusal::ActivityTooOld { late_limit_days: 30 });
        assert_eq!(too_old.metadata("late_limit_days"), Some("30"));
        let too_few = told(Refusal::PointsInsufficient { available: Points(3) });
        assert_eq!(too_few.metadata("available"), Some("3"));
        let request_id = RequestId(uuid::Uuid::from_u128(7));
        let credited = told(Refusal::ReceiptCredited { request_id });
        let expected = "00000000-0000-0000-0000-000000000007";
        assert_eq!(credited.metadata("request_id"), Some(expected));
        let claim = told(Refusal::ClaimTooOld { claim_limit_days: 90 });
        assert_eq!(claim.metadata("claim_limit_days"), Some("90"));
        let below = told(Refusal::ExchangeBelowMinimum { minimum: Points(3_000) });
        assert_eq!(below.metadata("minimum"), Some("3000"));
        let off = told(Refusal::ExchangeOffIncrement { increment: Points(3) });
        assert_eq!(off.metadata("increment"), Some("3"));
        assert_eq!(
            told(Refusal::TransferTooLarge { most: Points(500) }).metadata("most"),
            Some("500")
        );
        let resets_at = Timestamp::UNIX_EPOCH;
        let held_back = told(Refusal::BurnHeldBack { until: resets_at });
        assert_eq!(held_back.metadata("until"), Some("1970-01-01T00:00:00Z"));
        let limit = told(Refusal::TransferLimitReached { rest: Points(8), resets_at });
        assert_eq!(limit.metadata("rest"), Some("8"));
        assert_eq!(limit.metadata("resets_at"), Some("1970-01-01T00:00:00Z"));
    }
}
