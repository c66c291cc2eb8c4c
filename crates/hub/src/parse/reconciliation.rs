//! Requests about reports and breaks.

use entente_api::settlement::{
    BreakKind as ApiKind, BreakState as ApiState, ListBreaksRequest, StepBreakRequest,
    WriteOffRequest,
};
use entente_ledger::RequestId;
use entente_loyalty::PartnerCode;
use entente_settlement::reconcile::{BreakKind, BreakState};
use entente_store::settlement::reconciliation::BreakId;

use super::{Expected, Violations, partner_code, printable, request_id, window_name};
use crate::{
    control::{Toward, WriteOff},
    error::Refused,
};

const MAX_OWNER_CHARS: usize = 64;
const MAX_REASON_CHARS: usize = 500;

/// A step that is well formed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// The request id.
    pub id: RequestId,
    /// Of which break.
    pub break_id: BreakId,
    /// Where it leads.
    pub to: Toward,
    /// Why.
    pub reason: String,
}

/// Which breaks to list, as they are named.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Breaks {
    /// Those of one report.
    pub reconciliation: Option<RequestId>,
    /// Those of one window.
    pub window: Option<String>,
    /// Those of one partner.
    pub partner: Option<PartnerCode>,
    /// Those of one kind.
    pub kind: Option<BreakKind>,
    /// Those that stand here.
    pub state: Option<BreakState>,
    /// Those of one owner.
    pub owner: Option<String>,
}

/// A reconciliation's id, a slash, and a number.
pub fn break_id(text: &str) -> Result<BreakId, Expected> {
    let parts = text.split_once('/').filter(|_| text.len() <= 47);
    let id = parts.and_then(|(reconciliation, number)| {
        let reconciliation = request_id(reconciliation).ok()?.0;
        let number = number.parse().ok().filter(|number| *number > 0)?;
        Some(BreakId { reconciliation, number })
    });
    id.filter(|id| id.to_string().eq_ignore_ascii_case(text))
        .ok_or(Expected::Borrowed("a reconciliation's id, a slash, and a break's number"))
}

/// The break of a read.
pub fn named(text: &str) -> Result<BreakId, Refused> {
    let mut violations = Violations::default();
    violations.field("break_id", break_id(text)).ok_or_else(|| violations.refused())
}

/// The window and the partner that reports are listed of.
pub fn reports(
    window: &str,
    partner: &str,
) -> Result<(Option<String>, Option<PartnerCode>), Refused> {
    let mut violations = Violations::default();
    let window = violations.optional("window", window, window_name);
    let partner = violations.optional("partner", partner, partner_code);
    window.zip(partner).ok_or_else(|| violations.refused())
}

/// Which breaks to list.
pub fn breaks(request: &ListBreaksRequest) -> Result<Breaks, Refused> {
    let mut violations = Violations::default();
    let report = violations.optional("reconciliation", &request.reconciliation, request_id);
    let window = violations.optional("window", &request.window, window_name);
    let partner = violations.optional("partner", &request.partner, partner_code);
    let kind = violations.field("kind", kind(request.kind));
    let state = violations.field("state", state(request.state));
    let owner = violations.optional("owner", &request.owner, owner);
    match (report, window, partner, kind.zip(state), owner) {
        (Some(reconciliation), Some(window), Some(partner), Some((kind, state)), Some(owner)) => {
            Ok(Breaks { reconciliation, window, partner, kind, state, owner })
        }
        _ => Err(violations.refused()),
    }
}

/// A step of a break's life.
pub fn step(request: &StepBreakRequest) -> Result<Step, Refused> {
    let mut violations = Violations::default();
    let id = violations.field("request_id", request_id(&request.request_id));
    let break_id = violations.field("break_id", break_id(&request.break_id));
    let to = toward(request, &mut violations);
    let reason = violations.field("reason", printable(&request.reason, MAX_REASON_CHARS));
    match (id, break_id, to, reason) {
        (Some(id), Some(break_id), Some(to), Some(reason)) if violations.is_empty() => {
            Ok(Step { id, break_id, to, reason })
        }
        _ => Err(violations.refused()),
    }
}

/// A write-off.
pub fn write_off(request: &WriteOffRequest) -> Result<(RequestId, WriteOff), Refused> {
    let mut violations = Violations::default();
    let id = violations.field("request_id", request_id(&request.request_id));
    let break_id = violations.field("break_id", break_id(&request.break_id));
    let reason = violations.field("reason", printable(&request.reason, MAX_REASON_CHARS));
    match (id, break_id, reason) {
        (Some(id), Some(break_id), Some(reason)) => Ok((id, WriteOff::of(break_id, reason, id))),
        _ => Err(violations.refused()),
    }
}

fn toward(request: &StepBreakRequest, violations: &mut Violations) -> Option<Toward> {
    let to = request.to();
    if to != ApiState::Assigned && !request.assignee.is_empty() {
        violations.add("assignee", "empty unless the break is assigned");
    }
    if to != ApiState::Adjusted && !request.adjustment.is_empty() {
        violations.add("adjustment", "empty unless the break is adjusted");
    }
    match to {
        ApiState::Assigned => {
            violations.optional("assignee", &request.assignee, owner).map(Toward::Assign)
        }
        ApiState::Agreed => Some(Toward::Agree),
        ApiState::Rejected => Some(Toward::Reject),
        ApiState::Adjusted => {
            violations.field("adjustment", request_id(&request.adjustment)).map(Toward::Adjust)
        }
        ApiState::Unspecified | ApiState::Open | ApiState::WrittenOff => {
            violations.add("to", "ASSIGNED, AGREED, REJECTED or ADJUSTED");
            None
        }
    }
}

fn owner(text: &str) -> Result<String, Expected> {
    printable(text, MAX_OWNER_CHARS)
}

fn kind(number: i32) -> Result<Option<BreakKind>, Expected> {
    let kind = ApiKind::try_from(number).map_err(|_| Expected::Borrowed("a BreakKind"))?;
    Ok(Some(match kind {
        ApiKind::Unspecified => return Ok(None),
        ApiKind::MissingAtHub => BreakKind::MissingAtHub,
        ApiKind::MissingAtPartner => BreakKind::MissingAtPartner,
        ApiKind::Amount => BreakKind::Amount,
        ApiKind::Rate => BreakKind::Rate,
        ApiKind::Timing => BreakKind::Timing,
        ApiKind::DuplicateInFile => BreakKind::DuplicateInFile,
        ApiKind::Status => BreakKind::Status,
        ApiKind::Member => BreakKind::Member,
        ApiKind::LateRejected => BreakKind::LateRejected,
        ApiKind::Currency => BreakKind::Currency,
    }))
}

fn state(number: i32) -> Result<Option<BreakState>, Expected> {
    let state = ApiState::try_from(number).map_err(|_| Expected::Borrowed("a BreakState"))?;
    Ok(Some(match state {
        ApiState::Unspecified => return Ok(None),
        ApiState::Open => BreakState::Open,
        ApiState::Assigned => BreakState::Assigned,
        ApiState::Agreed => BreakState::Agreed,
        ApiState::Rejected => BreakState::Rejected,
        ApiState::Adjusted => BreakState::Adjusted,
        ApiState::WrittenOff => BreakState::WrittenOff,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "7d0c1e1c-6f0b-4d1b-9c59-0d3b1f6f7a10";

    fn malformed<T: std::fmt::Debug>(parsed: Result<T, Refused>) -> String {
        let refused = parsed.expect_err("a refusal");
        refused.message().trim_start_matches("the request is malformed: ").to_owned()
    }

    #[test]
    fn a_break_is_named_by_its_report_and_its_number() {
        let id = break_id(&format!("{ID}/12")).expect("an id");
        assert_eq!((id.number, id.to_string()), (12, format!("{ID}/12")));
        for bad in ["", ID, "12", "/12", &format!("{ID}/0"), &format!("{ID}/+1"), "x/1"] {
            assert!(break_id(bad).is_err(), "{bad}");
        }
        assert!(break_id(&format!("{ID}/2147483648")).is_err(), "beyond the range");
    }

    #[test]
    fn a_step_says_what_belongs_to_it_and_nothing_else() {
        let request = |to: ApiState| StepBreakRequest {
            request_id: ID.to_owned(),
            break_id: format!("{ID}/1"),
            to: to.into(),
            reason: "the receipt says so".to_owned(),
            ..StepBreakRequest::default()
        };
        for (to, expected) in [
            (ApiState::Assigned, Toward::Assign(None)),
            (ApiState::Agreed, Toward::Agree),
            (ApiState::Rejected, Toward::Reject),
        ] {
            assert_eq!(step(&request(to)).expect("a step").to, expected);
        }
        for to in [ApiState::Open, ApiState::WrittenOff, ApiState::Unspecified] {
            assert_eq!(malformed(step(&request(to))), "to");
        }
        assert_eq!(malformed(step(&request(ApiState::Adjusted))), "adjustment");
        let assignee = "ops".to_owned();
        let agreed = StepBreakRequest { assignee, ..request(ApiState::Agreed) };
        assert_eq!(malformed(step(&agreed)), "assignee");
        let adjustment = ID.to_owned();
        let both = StepBreakRequest { adjustment, ..agreed };
        assert_eq!(malformed(step(&both)), "assignee, adjustment");
        let silent = StepBreakRequest { reason: String::new(), ..request(ApiState::Agreed) };
        assert_eq!(malformed(step(&silent)), "reason");
        let all = "request_id, break_id, to, reason";
        assert_eq!(malformed(step(&StepBreakRequest::default())), all);
        assert_eq!(
            malformed(write_off(&WriteOffRequest::default())),
            "request_id, break_id, reason"
        );
    }
}
