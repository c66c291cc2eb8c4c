//! Requests for changes of points, parsed into what is asked.

use entente_api::{
    points::{
        AuthorizeRequest, BurnRequest, CaptureRequest, EarnRequest, QuoteBurnRequest,
        QuoteEarnRequest, ReverseRequest, VoidRequest, authorize_request, burn_request,
        quote_burn_request, reverse_request,
    },
    types::Money,
};
use entente_ledger::RequestId;
use entente_loyalty::{Action, BurnAmount, ReversePart};

use super::{
    MemberReference, Violations, category, member_reference, points_number, receipt_reference,
    request_id, timestamp,
};
use crate::{
    error::Refused,
    posting::{Ask, Target},
};

/// A request for a change of points, parsed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// The caller's id of it.
    pub request_id: RequestId,
    /// What is asked.
    pub ask: Ask,
    /// Whose points.
    pub target: Target,
    /// The partner's own reference; empty for none.
    pub receipt_reference: String,
}

/// How much to burn, as every request with a choice has it.
enum AmountField<'a> {
    Points(i64),
    Value(&'a Money),
}

impl TryFrom<&EarnRequest> for Asked {
    type Error = Refused;

    fn try_from(request: &EarnRequest) -> Result<Self, Refused> {
        let mut violations = Violations::default();
        let id = violations.field("request_id", request_id(&request.request_id));
        let member =
            violations.field("member_reference", member_reference(&request.member_reference));
        let spend = violations.money("spend", request.spend.as_ref());
        let category = violations.field("category", category(&request.category));
        let activity_at = optional_time(&mut violations, request.activity_at.as_ref());
        let receipt =
            violations.field("receipt_reference", receipt_reference(&request.receipt_reference));
        match (id, member, spend, category, activity_at, receipt) {
            (
                Some(id),
                Some(member),
                Some(spend),
                Some(category),
                Some(activity_at),
                Some(receipt),
            ) => {
                let (spend, currency) = (spend.micros, spend.currency);
                let ask = Ask::Earn { spend, currency, category, activity_at };
                Ok(Self::of_member(id, ask, member, receipt))
            }
            _ => Err(violations.refused()),
        }
    }
}

impl TryFrom<&BurnRequest> for Asked {
    type Error = Refused;

    fn try_from(request: &BurnRequest) -> Result<Self, Refused> {
        let amount = request.amount.as_ref().map(|amount| match amount {
            burn_request::Amount::Points(points) => AmountField::Points(*points),
            burn_request::Amount::Value(value) => AmountField::Value(value),
        });
        let BurnRequest { request_id, member_reference, receipt_reference, .. } = request;
        burn(request_id, member_reference, amount, receipt_reference, Ask::Burn)
    }
}

impl TryFrom<&AuthorizeRequest> for Asked {
    type Error = Refused;

    fn try_from(request: &AuthorizeRequest) -> Result<Self, Refused> {
        let amount = request.amount.as_ref().map(|amount| match amount {
            authorize_request::Amount::Points(points) => AmountField::Points(*points),
            authorize_request::Amount::Value(value) => AmountField::Value(value),
        });
        let AuthorizeRequest { request_id, member_reference, receipt_reference, .. } = request;
        burn(request_id, member_reference, amount, receipt_reference, Ask::Authorize)
    }
}

impl TryFrom<&CaptureRequest> for Asked {
    type Error = Refused;

    fn try_from(request: &CaptureRequest) -> Result<Self, Refused> {
        let mut violations = Violations::default();
        let ids = ids(
            &mut violations,
            &request.request_id,
            ("authorization_request_id", &request.authorization_request_id),
        );
        let asked = match request.points {
            None => Some(None),
            Some(number) => violations.field("points", points_number(number)).map(Some),
        };
        match (ids, asked) {
            (Some(ids), Some(points)) => Ok(Self::of_original(ids, Ask::Capture(points))),
            _ => Err(violations.refused()),
        }
    }
}

impl TryFrom<&VoidRequest> for Asked {
    type Error = Refused;

    fn try_from(request: &VoidRequest) -> Result<Self, Refused> {
        let mut violations = Violations::default();
        let original = ("authorization_request_id", request.authorization_request_id.as_str());
        let ids = ids(&mut violations, &request.request_id, original);
        ids.map(|ids| Self::of_original(ids, Ask::Void)).ok_or_else(|| violations.refused())
    }
}

impl TryFrom<&ReverseRequest> for Asked {
    type Error = Refused;

    fn try_from(request: &ReverseRequest) -> Result<Self, Refused> {
        let mut violations = Violations::default();
        let original = ("original_request_id", request.original_request_id.as_str());
        let ids = ids(&mut violations, &request.request_id, original);
        let part = match &request.part {
            None => Some(ReversePart::Rest),
            Some(reverse_request::Part::Spend(spend)) => violations
                .money("spend", Some(spend))
                .map(|spend| ReversePart::Spend(spend.micros, spend.currency)),
            Some(reverse_request::Part::Points(number)) => {
                violations.field("points", points_number(*number)).map(ReversePart::Points)
            }
        };
        match (ids, part) {
            (Some(ids), Some(part)) => Ok(Self::of_original(ids, Ask::Reverse(part))),
            _ => Err(violations.refused()),
        }
    }
}

/// A quote, parsed: whose points, and what would be done.
pub type AskedQuote = (MemberReference, Action);

/// Parses a quote of an earn.
pub fn quote_earn(request: &QuoteEarnRequest) -> Result<AskedQuote, Refused> {
    let mut violations = Violations::default();
    let member = violations.field("member_reference", member_reference(&request.member_reference));
    let spend = violations.money("spend", request.spend.as_ref());
    let category = violations.field("category", category(&request.category));
    let activity_at = optional_time(&mut violations, request.activity_at.as_ref());
    match (member, spend, category, activity_at) {
        (Some(member), Some(spend), Some(category), Some(activity_at)) => {
            let (spend, currency) = (spend.micros, spend.currency);
            Ok((member, Action::Earn { spend, currency, category, activity_at }))
        }
        _ => Err(violations.refused()),
    }
}

/// Parses a quote of a burn.
pub fn quote_burn(request: &QuoteBurnRequest) -> Result<AskedQuote, Refused> {
    let mut violations = Violations::default();
    let member = violations.field("member_reference", member_reference(&request.member_reference));
    let amount = request.amount.as_ref().map(|amount| match amount {
        quote_burn_request::Amount::Points(points) => AmountField::Points(*points),
        quote_burn_request::Amount::Value(value) => AmountField::Value(value),
    });
    match (member, burn_amount(&mut violations, amount)) {
        (Some(member), Some(amount)) => Ok((member, Action::Burn(amount))),
        _ => Err(violations.refused()),
    }
}

impl Asked {
    fn of_member(
        request_id: RequestId,
        ask: Ask,
        member: MemberReference,
        receipt_reference: String,
    ) -> Self {
        Self { request_id, ask, target: Target::Reference(member), receipt_reference }
    }

    fn of_original((request_id, original): (RequestId, RequestId), ask: Ask) -> Self {
        let target = Target::Original(original);
        Self { request_id, ask, target, receipt_reference: String::new() }
    }
}

fn burn(
    id: &str,
    member: &str,
    amount: Option<AmountField<'_>>,
    receipt: &str,
    ask: fn(BurnAmount) -> Ask,
) -> Result<Asked, Refused> {
    let mut violations = Violations::default();
    let id = violations.field("request_id", request_id(id));
    let member = violations.field("member_reference", member_reference(member));
    let amount = burn_amount(&mut violations, amount);
    let receipt = violations.field("receipt_reference", receipt_reference(receipt));
    match (id, member, amount, receipt) {
        (Some(id), Some(member), Some(amount), Some(receipt)) => {
            Ok(Asked::of_member(id, ask(amount), member, receipt))
        }
        _ => Err(violations.refused()),
    }
}

fn burn_amount(violations: &mut Violations, amount: Option<AmountField<'_>>) -> Option<BurnAmount> {
    match violations.required("amount", amount)? {
        AmountField::Points(number) => {
            violations.field("points", points_number(number)).map(BurnAmount::Points)
        }
        AmountField::Value(value) => violations
            .money("value", Some(value))
            .map(|value| BurnAmount::Value(value.micros, value.currency)),
    }
}

fn ids(
    violations: &mut Violations,
    id: &str,
    (field, original): (&str, &str),
) -> Option<(RequestId, RequestId)> {
    let id = violations.field("request_id", request_id(id));
    let original = violations.field(field, request_id(original));
    id.zip(original)
}

/// `None` after a violation; `Some(None)` when the field is absent.
#[expect(clippy::option_option, reason = "absent and malformed differ")]
fn optional_time(
    violations: &mut Violations,
    time: Option<&prost_types::Timestamp>,
) -> Option<Option<jiff::Timestamp>> {
    match time {
        None => Some(None),
        Some(time) => violations.field("activity_at", timestamp(time)).map(Some),
    }
}
