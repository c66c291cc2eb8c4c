//! Which security events are asked for.

use entente_api::audit::{ListSecurityEventsRequest, SecurityEventKind};
use entente_store::security::EventFilter;

use super::{Expected, Violations};
use crate::error::Refused;

const MOST_KINDS: usize = 64;
const MOST_ACTOR_CHARACTERS: usize = 64;

/// The filter of a list.
pub fn filter(request: &ListSecurityEventsRequest) -> Result<EventFilter, Refused> {
    let mut violations = Violations::default();
    let kinds = violations.field("kinds", kinds(&request.kinds));
    let actor = violations.field("actor", actor(&request.actor));
    let from = violations.optional_time("from", request.from.as_ref());
    let to = violations.optional_time("to", request.to.as_ref());
    let (Some(kinds), Some(actor), Some(from), Some(to)) = (kinds, actor, from, to) else {
        return Err(violations.refused());
    };
    Ok(EventFilter { kinds, actor, from, to })
}

fn kinds(numbers: &[i32]) -> Result<Vec<i16>, Expected> {
    let known = |number: &i32| match SecurityEventKind::try_from(*number) {
        Ok(SecurityEventKind::Unspecified) | Err(_) => None,
        Ok(_) => i16::try_from(*number).ok(),
    };
    let parsed = numbers.iter().map(known).collect::<Option<Vec<_>>>();
    let parsed = parsed.filter(|kinds| kinds.len() <= MOST_KINDS);
    parsed.ok_or(Expected::Borrowed("up to 64 known kinds of events"))
}

fn actor(text: &str) -> Result<Option<String>, Expected> {
    let good =
        text.len() <= MOST_ACTOR_CHARACTERS && text.bytes().all(|byte| byte.is_ascii_graphic());
    if !good {
        return Err(Expected::Borrowed("partner/CODE, operator/NAME, hub or owner"));
    }
    Ok((!text.is_empty()).then(|| text.to_owned()))
}

#[cfg(test)]
mod tests {
    use entente_store::security;

    use super::*;

    #[test]
    fn the_contract_and_the_trail_number_kinds_alike() {
        for code in 0..=200_i16 {
            let stored = security::SecurityEventKind::of_code(code).is_some();
            let told = code != 0 && SecurityEventKind::try_from(i32::from(code)).is_ok();
            assert_eq!(stored, told, "{code}");
        }
    }

    #[test]
    fn a_bad_filter_is_refused_field_by_field() {
        let bad = ListSecurityEventsRequest {
            kinds: vec![0],
            actor: "somebody else".to_owned(),
            from: Some(prost_types::Timestamp { seconds: i64::MAX, nanos: 0 }),
            to: Some(prost_types::Timestamp { seconds: 0, nanos: -1 }),
            ..ListSecurityEventsRequest::default()
        };
        let refused = filter(&bad).expect_err("bad");
        let text = format!("{refused:?}");
        for field in ["kinds", "actor", "from", "to"] {
            assert!(text.contains(&format!("\"{field}\"")), "{field}: {text}");
        }
        for kinds in [vec![999], vec![1; 65]] {
            let bad = ListSecurityEventsRequest { kinds, ..ListSecurityEventsRequest::default() };
            assert!(filter(&bad).is_err());
        }
        assert_eq!(filter(&ListSecurityEventsRequest::default()), Ok(EventFilter::default()));
    }
}
