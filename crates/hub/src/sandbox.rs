//! The sandbox: what a partner that tests can provoke, by a magic receipt reference or request id.
//! `docs/sandbox.md` lists all of it. Of other partners, the same text is nothing but text.

use std::time::Duration;

use entente_api::error::ErrorReason;
use entente_ledger::RequestId;
use entente_loyalty::Partner;

use crate::error::{Refused, Violation, name};

/// What every magic receipt reference begins with.
const PREFIX: &str = "sandbox:";

/// The longest delay: calls have no later deadline.
const LONGEST: Duration = Duration::from_secs(30);

/// The first eight digits of a magic request id.
const REFUSE: u32 = 0x5a5a_5a5a;
const DELAY: u32 = 0x5a5a_5a5b;
const OUTAGE: u32 = 0x5a5a_5a5c;
const LOST: u32 = 0x5a5a_5a5d;

/// What is provoked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Magic {
    /// A refusal, kept or not as published.
    Refuse(ErrorReason),
    /// An answer that comes late.
    Delay(Duration),
    /// A hub that cannot be used: nothing is done.
    Outage,
    /// An answer that never comes, though the command was posted.
    Lost,
}

/// What a command of a partner provokes, if anything. Unknown magic is malformed.
pub(crate) fn magic(
    caller: &Partner,
    request_id: RequestId,
    receipt_reference: &str,
) -> Result<Option<Magic>, Refused> {
    if !caller.testing {
        return Ok(None);
    }
    match receipt_reference.strip_prefix(PREFIX) {
        Some(asked) => {
            let magic = of_receipt(asked).ok_or_else(|| unknown("receipt_reference"))?;
            Ok(Some(magic))
        }
        None => of_request_id(request_id),
    }
}

/// The refusal that was asked for.
pub(crate) fn refused(reason: ErrorReason) -> Refused {
    let message = "a partner that tests asked for this refusal";
    let refused = match reason {
        ErrorReason::Malformed => malformed("receipt_reference", message.to_owned()),
        _ => Refused::new(reason, message),
    };
    refused.with("sandbox", true)
}

/// `refuse:REASON`, `delay:MILLISECONDS`, `outage` or `lost`; behind a colon anything may follow, so
/// that a receipt can be told from another.
fn of_receipt(asked: &str) -> Option<Magic> {
    let mut words = asked.split(':');
    match words.next()? {
        "refuse" => {
            let reason = words.next()?;
            reason_of(ErrorReason::from_str_name(&format!("ERROR_REASON_{reason}"))?)
        }
        "delay" => delay(words.next()?.parse().ok()?),
        "outage" => Some(Magic::Outage),
        "lost" => Some(Magic::Lost),
        _ => None,
    }
}

/// The second four digits are a decimal number: that of the reason, or of milliseconds.
fn of_request_id(id: RequestId) -> Result<Option<Magic>, Refused> {
    let (kind, number, ..) = id.0.as_fields();
    let number = || format!("{number:x}").parse::<u16>().ok();
    let magic = match kind {
        REFUSE => {
            number().and_then(|n| ErrorReason::try_from(i32::from(n)).ok()).and_then(reason_of)
        }
        DELAY => number().and_then(|n| delay(n.into())),
        OUTAGE => Some(Magic::Outage),
        LOST => Some(Magic::Lost),
        _ => return Ok(None),
    };
    magic.map(Some).ok_or_else(|| unknown("request_id"))
}

fn reason_of(reason: ErrorReason) -> Option<Magic> {
    (reason != ErrorReason::Unspecified).then_some(Magic::Refuse(reason))
}

fn delay(millis: u64) -> Option<Magic> {
    let delay = Duration::from_millis(millis);
    (delay <= LONGEST).then_some(Magic::Delay(delay))
}

fn unknown(field: &str) -> Refused {
    let description = format!(
        "magic of docs/sandbox.md, such as {PREFIX}refuse:{}",
        name(ErrorReason::PointsInsufficient)
    );
    malformed(field, description)
}

fn malformed(field: &str, description: String) -> Refused {
    Refused::malformed(vec![Violation { field: field.to_owned(), description }])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of_id(id: &str) -> Result<Option<Magic>, ()> {
        of_request_id(RequestId(id.parse().expect("a UUID"))).map_err(|_| ())
    }

    #[test]
    fn a_receipt_says_what_it_provokes_and_may_say_more() {
        let delay = |millis| Some(Magic::Delay(Duration::from_millis(millis)));
        let refuse = Some(Magic::Refuse(ErrorReason::HoldExpired));
        for (asked, expected) in [
            ("refuse:HOLD_EXPIRED", refuse),
            ("refuse:HOLD_EXPIRED:till-7", refuse),
            ("delay:0", delay(0)),
            ("delay:30000:x", delay(30_000)),
            ("delay:30001", None),
            ("delay:-1", None),
            ("delay", None),
            ("outage", Some(Magic::Outage)),
            ("lost:2", Some(Magic::Lost)),
            ("refuse:UNSPECIFIED", None),
            ("refuse:hold_expired", None),
            ("refuse", None),
            ("", None),
            ("Outage", None),
        ] {
            assert_eq!(of_receipt(asked), expected, "{asked}");
        }
    }

    #[test]
    fn a_request_id_says_it_in_its_first_digits() {
        let rest = "4a11-8b22-0123456789ab";
        let refuse = Magic::Refuse(ErrorReason::HoldExpired);
        for (first, expected) in [
            ("5a5a5a5a-0025", Ok(Some(refuse))),
            ("5a5a5a5a-0000", Err(())),
            ("5a5a5a5a-9999", Err(())),
            ("5a5a5a5a-00ab", Err(())),
            ("5a5a5a5b-0250", Ok(Some(Magic::Delay(Duration::from_millis(250))))),
            ("5a5a5a5c-0000", Ok(Some(Magic::Outage))),
            ("5a5a5a5d-1234", Ok(Some(Magic::Lost))),
            ("5a5a5a5e-0025", Ok(None)),
        ] {
            assert_eq!(of_id(&format!("{first}-{rest}")), expected, "{first}");
        }
    }
}
