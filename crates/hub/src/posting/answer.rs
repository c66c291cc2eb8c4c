//! Decisions as answers on the wire. Every write of points answers in the same three fields, so one
//! encoding serves them all.

use entente_api::{points::EarnResponse, types};
use entente_ledger::{Currency, Micros, PartnerId, Points, Wallet};
use entente_loyalty::{
    Catalogue, Decision, ExchangeDirection, Exchanged, Operation, OperationKind, Partner,
};
use prost::Message;
use uuid::Uuid;

use crate::parse::wire_timestamp;

/// What lots of other issuers show as.
pub const COALITION: &str = "coalition";

/// What names an operation's members to its partner.
#[derive(Debug, Clone, Copy)]
pub(super) struct Tokens {
    /// Whose points.
    pub(super) member: Uuid,
    /// Of a transfer: the other member.
    pub(super) counterparty: Option<Uuid>,
}

/// The encoded answer to a partner; what the member has is told to whom it is linked alone.
pub(super) fn of_partner(
    caller: &Partner,
    tokens: Tokens,
    decision: &Decision,
    linked: bool,
) -> Vec<u8> {
    let mut operation = operation(caller, tokens.member, &decision.operation);
    operation.counterparty_token =
        tokens.counterparty.map(|token| token.to_string()).unwrap_or_default();
    encoded(operation, linked.then_some(decision.wallet))
}

/// The encoded answer of what the hub does by itself.
pub(super) fn of_hub(catalogue: &Catalogue, decision: &Decision) -> Vec<u8> {
    let issuer = |id| catalogue.partner(id).map_or(COALITION, |partner| partner.code.as_str());
    let operation = wire(&decision.operation, "hub", String::new(), issuer);
    encoded(operation, Some(decision.wallet))
}

/// An operation as its partner sees it: lots of others are the coalition's.
#[must_use]
pub fn operation(caller: &Partner, link_token: Uuid, operation: &Operation) -> types::Operation {
    let code = caller.code.as_str();
    let issuer = |id| if id == caller.id { code } else { COALITION };
    wire(operation, code, link_token.to_string(), issuer)
}

/// A wallet on the wire.
#[must_use]
pub fn balances(wallet: Wallet) -> types::Balances {
    let Wallet { available: Points(available), held: Points(held), debt: Points(debt) } = wallet;
    types::Balances { available, held, debt }
}

fn encoded(operation: types::Operation, wallet: Option<Wallet>) -> Vec<u8> {
    let balances = wallet.map(balances);
    EarnResponse { operation: Some(operation), balances, replayed: false }.encode_to_vec()
}

fn wire<'a>(
    operation: &Operation,
    partner: &str,
    member_token: String,
    issuer: impl Fn(PartnerId) -> &'a str,
) -> types::Operation {
    let portions = operation.portions.iter().map(|portion| types::Portion {
        issuer: issuer(portion.issuer).to_owned(),
        points: portion.points.0,
        expires_at: Some(wire_timestamp(portion.expires_at)),
    });
    types::Operation {
        request_id: operation.request_id.0.to_string(),
        kind: kind(operation.kind).into(),
        partner: partner.to_owned(),
        member_token,
        posted_at: Some(wire_timestamp(operation.posted_at)),
        activity_at: operation.activity_at.map(wire_timestamp),
        terms_version: operation.terms_version.map_or(0, |version| version.0),
        points: operation.points.0,
        spend: operation.spend.map(money),
        value: operation.value.map(money),
        category: operation.category.clone(),
        receipt_reference: operation.receipt_reference.clone(),
        original_request_id: operation.original.map(|(_, id)| id.0.to_string()).unwrap_or_default(),
        hold_expires_at: operation.hold_expires_at.map(wire_timestamp),
        debt_created: operation.debt_created.0,
        debt_repaid: operation.debt_repaid.0,
        prior_period: operation.prior_period,
        portions: portions.collect(),
        retro_claim: operation.retro_claim,
        paid_in_points: operation.paid_in_points.map(money),
        exchange: operation.exchange.map(exchange),
        counterparty_token: String::new(),
        charity: operation.charity.as_ref().map(ToString::to_string).unwrap_or_default(),
    }
}

/// The token by which an answer names the operation's member; `None` for what answers no operation.
pub(super) fn member_token(answer: &[u8]) -> Option<Uuid> {
    let answer = EarnResponse::decode(answer).ok()?;
    answer.operation?.member_token.parse().ok()
}

fn money((Micros(micros), currency): (Micros, Currency)) -> types::Money {
    types::Money { currency: currency.to_string(), micros }
}

fn exchange(exchanged: Exchanged) -> types::Exchange {
    let direction = match exchanged.direction {
        ExchangeDirection::In => types::ExchangeDirection::In,
        ExchangeDirection::Out => types::ExchangeDirection::Out,
    };
    types::Exchange {
        direction: direction.into(),
        own_points: exchanged.own_points.0,
        own_points_left: exchanged.left.0,
    }
}

/// A kind of operation on the wire.
#[must_use]
pub const fn kind(kind: OperationKind) -> types::OperationKind {
    match kind {
        OperationKind::Earn => types::OperationKind::Earn,
        OperationKind::Burn => types::OperationKind::Burn,
        OperationKind::Authorize => types::OperationKind::Authorize,
        OperationKind::Capture => types::OperationKind::Capture,
        OperationKind::Void => types::OperationKind::Void,
        OperationKind::Reverse => types::OperationKind::Reverse,
        OperationKind::Expire => types::OperationKind::Expire,
        OperationKind::Adjust => types::OperationKind::Adjust,
        OperationKind::Exchange => types::OperationKind::Exchange,
        OperationKind::Transfer => types::OperationKind::Transfer,
        OperationKind::Donate => types::OperationKind::Donate,
        OperationKind::Announce => types::OperationKind::Announce,
        OperationKind::Merge => types::OperationKind::Merge,
        OperationKind::Unmerge => types::OperationKind::Unmerge,
    }
}
