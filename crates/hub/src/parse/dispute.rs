//! Requests about disputes.

use entente_api::settlement::{
    AmountKind as ApiKind, AnswerDisputeRequest, DisputeCode, DisputeLinesRequest,
    DisputedLine as ApiLine,
};
use entente_ledger::{AmountKind, RequestId};
use entente_loyalty::PartnerCode;
use entente_store::settlement::disputes::DisputedLine;

use super::{Expected, Violations, partner_code, request_id, window_name};
use crate::{control::AnswerDispute, error::Refused};

/// How many lines a dispute is about at most.
const MAX_LINES: usize = 100;
const MAX_TEXT_CHARS: usize = 2_000;

/// A dispute that is well formed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Disputed {
    /// Its id.
    pub id: RequestId,
    /// The closed window's name.
    pub window: String,
    /// Whose statement, where one is named.
    pub partner: Option<PartnerCode>,
    /// Which lines.
    pub lines: Vec<DisputedLine>,
    /// What is wrong, by its number in the contract.
    pub code: i16,
    /// The partner's own words.
    pub evidence: String,
}

/// A new dispute.
pub fn lines(request: &DisputeLinesRequest) -> Result<Disputed, Refused> {
    let mut violations = Violations::default();
    let id = violations.field("request_id", request_id(&request.request_id));
    let window = violations.field("window", window_name(&request.window));
    let partner = violations.optional("partner", &request.partner, partner_code);
    if !(1..=MAX_LINES).contains(&request.lines.len()) {
        violations.add("lines", format!("1 to {MAX_LINES} lines"));
        return Err(violations.refused());
    }
    let numbered = request.lines.iter().enumerate();
    let lines: Option<Vec<_>> =
        numbered.map(|(index, found)| line(&mut violations, index, found)).collect();
    let code = match request.code() {
        DisputeCode::Unspecified => Err(Expected::Borrowed("a DisputeCode")),
        code => i16::try_from(i32::from(code)).map_err(|_| Expected::Borrowed("a DisputeCode")),
    };
    let code = violations.field("code", code);
    let evidence = violations.field("evidence", text(&request.evidence));
    match (id, window, partner, lines, code.zip(evidence)) {
        (Some(id), Some(window), Some(partner), Some(lines), Some((code, evidence))) => {
            Ok(Disputed { id, window, partner, lines, code, evidence })
        }
        _ => Err(violations.refused()),
    }
}

/// An answer, and who answers.
pub fn answer(
    request: &AnswerDisputeRequest,
    actor: String,
) -> Result<(RequestId, AnswerDispute), Refused> {
    let mut violations = Violations::default();
    let id = violations.field("request_id", request_id(&request.request_id));
    let dispute = violations.field("dispute", request_id(&request.dispute));
    let adjustment = violations.optional("adjustment", &request.adjustment, request_id);
    let answer = violations.field("answer", text(&request.answer));
    match (id, dispute, adjustment, answer) {
        (Some(id), Some(dispute), Some(adjustment), Some(answer)) => {
            Ok((id, AnswerDispute { dispute, adjustment, answer, actor }))
        }
        _ => Err(violations.refused()),
    }
}

fn line(violations: &mut Violations, index: usize, found: &ApiLine) -> Option<DisputedLine> {
    let at = |field: &str| format!("lines[{index}].{field}");
    let request_id = violations.field(&at("request_id"), request_id(&found.request_id));
    let kind = violations.field(&at("kind"), kind(found.kind()));
    let currency = found.currency.parse().map_err(|_| Expected::Borrowed("an ISO 4217 code"));
    let currency = violations.field(&at("currency"), currency);
    match (request_id, kind, currency) {
        (Some(request_id), Some(kind), Some(currency)) => {
            Some(DisputedLine { request_id, kind, currency })
        }
        _ => None,
    }
}

/// 1 to 2,000 characters, in lines, but without other control characters.
fn text(text: &str) -> Result<String, Expected> {
    let plain = text.chars().all(|character| character == '\n' || !character.is_control());
    let good = plain && (1..=MAX_TEXT_CHARS).contains(&text.chars().count());
    let owned = good.then(|| text.to_owned());
    owned.ok_or(Expected::Borrowed("1 to 2000 characters of plain text"))
}

fn kind(kind: ApiKind) -> Result<AmountKind, Expected> {
    Ok(match kind {
        ApiKind::Issue => AmountKind::Issue,
        ApiKind::IssueCancelled => AmountKind::IssueCancelled,
        ApiKind::Redemption => AmountKind::Redemption,
        ApiKind::RedemptionRefunded => AmountKind::RedemptionRefunded,
        ApiKind::Fee => AmountKind::Fee,
        ApiKind::FeeRefunded => AmountKind::FeeRefunded,
        ApiKind::DebtRepaid => AmountKind::DebtRepaid,
        ApiKind::Expired => AmountKind::Expired,
        ApiKind::IssueReinstated => AmountKind::IssueReinstated,
        ApiKind::Gift => AmountKind::Gift,
        ApiKind::Rounding | ApiKind::Adjustment | ApiKind::Prepaid | ApiKind::Unspecified => {
            return Err(Expected::Borrowed("the kind of a line"));
        }
    })
}
