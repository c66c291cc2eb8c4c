//! Requests about disputes.

use entente_api::settlement::{
    AmountKind as ApiKind, AnswerDisputeRequest, DisputeCode, DisputeLinesRequest,
    DisputedLine as ApiLine, DisputedTotal as ApiTotal, ListDisputedOperationsRequest,
};
use entente_ledger::{AmountKind, Currency, RequestId};
use entente_loyalty::PartnerCode;
use entente_store::settlement::disputes::DisputedLine;
use jiff::civil::Date;

use super::{Expected, Violations, clearing::day, partner_code, request_id, window_name};
use crate::{control::AnswerDispute, error::Refused, settlement::HUB};

/// How many lines and totals a dispute is about at most.
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
    /// Which totals of a day.
    pub totals: Vec<Total>,
    /// What is wrong, by its number in the contract.
    pub code: i16,
    /// The partner's own words.
    pub evidence: String,
}

/// A total of a day, as a statement names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Total {
    /// The other party; `None` is the hub.
    pub counterparty: Option<PartnerCode>,
    /// The UTC day of posting.
    pub day: Date,
    /// What for.
    pub kind: AmountKind,
    /// The currency.
    pub currency: Currency,
}

/// A new dispute.
pub fn lines(request: &DisputeLinesRequest) -> Result<Disputed, Refused> {
    let mut violations = Violations::default();
    let id = violations.field("request_id", request_id(&request.request_id));
    let window = violations.field("window", window_name(&request.window));
    let partner = violations.optional("partner", &request.partner, partner_code);
    if !(1..=MAX_LINES).contains(&request.lines.len().saturating_add(request.totals.len())) {
        violations.add("lines", format!("1 to {MAX_LINES} lines and totals"));
        return Err(violations.refused());
    }
    let numbered = request.lines.iter().enumerate();
    let lines: Option<Vec<_>> =
        numbered.map(|(index, found)| line(&mut violations, index, found)).collect();
    let numbered = request.totals.iter().enumerate();
    let totals: Option<Vec<_>> =
        numbered.map(|(index, found)| total(&mut violations, index, found)).collect();
    let code = match request.code() {
        DisputeCode::Unspecified => Err(Expected::Borrowed("a DisputeCode")),
        code => i16::try_from(i32::from(code)).map_err(|_| Expected::Borrowed("a DisputeCode")),
    };
    let code = violations.field("code", code);
    let evidence = violations.field("evidence", text(&request.evidence));
    match (id, window, partner, lines.zip(totals), code.zip(evidence)) {
        (Some(id), Some(window), Some(partner), Some(what), Some((code, evidence))) => {
            let (lines, totals) = what;
            Ok(Disputed { id, window, partner, lines, totals, code, evidence })
        }
        _ => Err(violations.refused()),
    }
}

/// Which total of which dispute.
pub fn total_of(request: &ListDisputedOperationsRequest) -> Result<(RequestId, usize), Refused> {
    let mut violations = Violations::default();
    let dispute = violations.field("dispute", request_id(&request.dispute));
    let total = usize::try_from(request.total).ok().filter(|place| *place < MAX_LINES);
    let total = violations
        .field("total", total.ok_or(Expected::Borrowed("the place of a total, from 0 to 99")));
    dispute.zip(total).ok_or_else(|| violations.refused())
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
            Ok((id, AnswerDispute { dispute, adjustment, answer, actor, vault: None }))
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

fn total(violations: &mut Violations, index: usize, found: &ApiTotal) -> Option<Total> {
    let at = |field: &str| format!("totals[{index}].{field}");
    let counterparty = match found.counterparty.as_str() {
        HUB => Some(None),
        code => violations.field(&at("counterparty"), partner_code(code)).map(Some),
    };
    let day = violations.field(&at("day"), day(&found.day));
    let kind = match found.kind() {
        // Totals alone have these.
        ApiKind::Rounding => Ok(AmountKind::Rounding),
        ApiKind::Adjustment => Ok(AmountKind::Adjustment),
        ApiKind::Prepaid => Ok(AmountKind::Prepaid),
        other => kind(other),
    };
    let kind = violations.field(&at("kind"), kind);
    let currency = found.currency.parse().map_err(|_| Expected::Borrowed("an ISO 4217 code"));
    let currency = violations.field(&at("currency"), currency);
    match (counterparty, day, kind.zip(currency)) {
        (Some(counterparty), Some(day), Some((kind, currency))) => {
            Some(Total { counterparty, day, kind, currency })
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
        ApiKind::Rounding
        | ApiKind::Adjustment
        | ApiKind::Prepaid
        | ApiKind::CurrencySold
        | ApiKind::CurrencyBought
        | ApiKind::ConversionLoss
        | ApiKind::ConversionGain
        | ApiKind::Unspecified => return Err(Expected::Borrowed("the kind of a line")),
    })
}
