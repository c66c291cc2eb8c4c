//! Requests for changes of points, parsed into what is asked.

use entente_api::{
    points::{
        AuthorizeRequest, BurnRequest, CaptureRequest, DonateRequest, EarnRequest, ExchangeRequest,
        QuoteBurnRequest, QuoteEarnRequest, ReverseRequest, TransferRequest, VoidRequest,
        authorize_request, burn_request, exchange_request, quote_burn_request, reverse_request,
    },
    types::Money,
};
use entente_ledger::{Micros, RequestId};
use entente_loyalty::{Action, Bought, BurnAmount, ExchangeAmount, ReversePart};

use super::{
    Amount, MemberReference, Violations, category, member_reference, partner_code, points_number,
    receipt_reference, request_id, timestamp,
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
    pub target: Target<MemberReference>,
    /// The partner's own reference; empty for none.
    pub receipt_reference: String,
}

/// A purchase, as earns and their quotes have it.
struct BoughtFields<'a> {
    spend: Option<&'a Money>,
    paid_in_points: Option<&'a Money>,
    category: &'a str,
    activity_at: Option<&'a prost_types::Timestamp>,
    retro_claim: bool,
}

impl BoughtFields<'_> {
    fn parse(self, violations: &mut Violations) -> Option<Bought> {
        let spend = violations.money("spend", self.spend);
        let category = violations.field("category", category(self.category));
        let activity_at = optional_time(violations, self.activity_at);
        let paid = match self.paid_in_points {
            None => Some(Micros::ZERO),
            Some(paid) => paid_in_points(violations, paid, spend),
        };
        let Amount { micros: spend, currency } = spend?;
        Some(Bought {
            spend,
            currency,
            paid_in_points: paid?,
            category: category?,
            activity_at: activity_at?,
            retro_claim: self.retro_claim,
        })
    }
}

/// A part of the spend, in its currency.
fn paid_in_points(
    violations: &mut Violations,
    paid: &Money,
    spend: Option<Amount>,
) -> Option<Micros> {
    let paid = violations.money("paid_in_points", Some(paid))?;
    let spend = spend?;
    if paid.currency != spend.currency {
        violations.add("paid_in_points.currency", "the currency of spend");
        return None;
    }
    let micros = Some(paid.micros).filter(|micros| *micros <= spend.micros);
    violations.field("paid_in_points.micros", micros.ok_or("at most spend".into()))
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
        let bought = BoughtFields {
            spend: request.spend.as_ref(),
            paid_in_points: request.paid_in_points.as_ref(),
            category: &request.category,
            activity_at: request.activity_at.as_ref(),
            retro_claim: request.retro_claim,
        };
        let bought = bought.parse(&mut violations);
        let receipt =
            violations.field("receipt_reference", receipt_reference(&request.receipt_reference));
        if request.retro_claim {
            violations.required("activity_at", request.activity_at.as_ref());
            let receipt = Some(&request.receipt_reference).filter(|receipt| !receipt.is_empty());
            violations.required("receipt_reference", receipt);
        }
        match (id, member, bought, receipt) {
            (Some(id), Some(member), Some(bought), Some(receipt)) if violations.is_empty() => {
                Ok(Self::of_member(id, Ask::Earn(bought), member, receipt))
            }
            _ => Err(violations.refused()),
        }
    }
}

impl TryFrom<&ExchangeRequest> for Asked {
    type Error = Refused;

    fn try_from(request: &ExchangeRequest) -> Result<Self, Refused> {
        let mut violations = Violations::default();
        let id = violations.field("request_id", request_id(&request.request_id));
        let member =
            violations.field("member_reference", member_reference(&request.member_reference));
        let amount = match violations.required("amount", request.amount.as_ref()) {
            None => None,
            Some(exchange_request::Amount::OwnPoints(number)) => {
                violations.field("own_points", points_number(*number)).map(ExchangeAmount::In)
            }
            Some(exchange_request::Amount::Points(number)) => {
                violations.field("points", points_number(*number)).map(ExchangeAmount::Out)
            }
        };
        let receipt =
            violations.field("receipt_reference", receipt_reference(&request.receipt_reference));
        match (id, member, amount, receipt) {
            (Some(id), Some(member), Some(amount), Some(receipt)) => {
                Ok(Self::of_member(id, Ask::Exchange(amount), member, receipt))
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

impl TryFrom<&TransferRequest> for Asked {
    type Error = Refused;

    fn try_from(request: &TransferRequest) -> Result<Self, Refused> {
        let mut violations = Violations::default();
        let id = violations.field("request_id", request_id(&request.request_id));
        let from = member_reference(&request.from_member_reference);
        let from = violations.field("from_member_reference", from);
        let to = member_reference(&request.to_member_reference);
        let to = violations.field("to_member_reference", to);
        let points = violations.field("points", points_number(request.points));
        match (id, from, to, points) {
            (Some(request_id), Some(from), Some(to), Some(points)) => Ok(Self {
                request_id,
                ask: Ask::Transfer(points),
                target: Target::Pair { from, to },
                receipt_reference: String::new(),
            }),
            _ => Err(violations.refused()),
        }
    }
}

impl TryFrom<&DonateRequest> for Asked {
    type Error = Refused;

    fn try_from(request: &DonateRequest) -> Result<Self, Refused> {
        let mut violations = Violations::default();
        let id = violations.field("request_id", request_id(&request.request_id));
        let member =
            violations.field("member_reference", member_reference(&request.member_reference));
        let charity = violations.field("charity", partner_code(&request.charity));
        let points = violations.field("points", points_number(request.points));
        let receipt =
            violations.field("receipt_reference", receipt_reference(&request.receipt_reference));
        match (id, member, charity, points, receipt) {
            (Some(id), Some(member), Some(charity), Some(points), Some(receipt)) => {
                Ok(Self::of_member(id, Ask::Donate { charity, points }, member, receipt))
            }
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
    let bought = BoughtFields {
        spend: request.spend.as_ref(),
        paid_in_points: request.paid_in_points.as_ref(),
        category: &request.category,
        activity_at: request.activity_at.as_ref(),
        retro_claim: false,
    };
    match (member, bought.parse(&mut violations)) {
        (Some(member), Some(bought)) => Ok((member, Action::Earn(bought))),
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
