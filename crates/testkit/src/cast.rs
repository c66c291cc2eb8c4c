//! The cast of every test, and how its requests are written shortly.

use entente_client::{Client, Consent, MemberSigner, Operators, api, new_request_id};
use jiff::Timestamp;

use api::{
    member::{AttachReferenceRequest, GetBalanceRequest, LinkMemberRequest, RedeemLinkCodeRequest},
    partner::{
        Agreement, CreatePartnerRequest, EarnCategory, EarnRounding, EarnRule, Funding, Gifts,
        PublishTermsRequest,
    },
    points::{BurnRequest, DonateRequest, EarnRequest, TransferRequest, burn_request},
    types::{Balances, Money},
};

/// A hotel group: settles in EUR, pays for its points when it issues them.
pub const HARBOR: &str = "harbor-hotels";
/// A ride-share: settles in USD, pays for its points when they are burned.
pub const ROVER: &str = "rover-rides";
/// A grocer: settles in EUR, pays for its points when they are burned.
pub const GROCER: &str = "green-grocer";

/// The whole cast.
pub const PARTNERS: [&str; 3] = [HARBOR, ROVER, GROCER];

/// The agreement of a partner of the cast: 1 point per 1.00, a point worth .01 at the till, gifts of
/// up to 1,000 points and 5,000 a month; the grocer is a charity too.
///
/// # Panics
/// For a partner that is not of the cast.
pub fn agreement(partner: &str) -> Agreement {
    let plain = match partner {
        HARBOR => agreement_in("EUR", Funding::AtIssue),
        ROVER => agreement_in("USD", Funding::AtRedemption),
        GROCER => agreement_in("EUR", Funding::AtRedemption),
        other => panic!("{other} is not of the cast"),
    };
    let gifts = Gifts { max_points_per_operation: 1_000, max_points_per_member_month: 5_000 };
    Agreement { gifts: Some(gifts), accepts_donations: partner == GROCER, ..plain }
}

/// A plain agreement: one point per 1.00 in every category, issue price .0100, reimbursement .0070,
/// till value .01, no fee, no caps.
pub fn agreement_in(currency: &str, funding: Funding) -> Agreement {
    Agreement {
        currency: currency.to_owned(),
        categories: vec![category("*", &[(0, 1, 1_000_000)])],
        rounding: EarnRounding::Down.into(),
        max_points_per_operation: None,
        max_points_per_member_year: None,
        issue_price_micros: 10_000,
        reimbursement_micros: 7_000,
        point_value_micros: 10_000,
        hub_fee_basis_points: 0,
        funding: funding.into(),
        lot_life_days: 365,
        hold_life_seconds: 3 * 86_400,
        late_limit_days: 7,
        ..Agreement::default()
    }
}

/// A category with rules of (minimum spend, points, per spend), in micros.
pub fn category(name: &str, rules: &[(i64, i64, i64)]) -> EarnCategory {
    let rules = rules.iter().map(|(minimum_spend_micros, points, per_spend_micros)| EarnRule {
        minimum_spend_micros: *minimum_spend_micros,
        points: *points,
        per_spend_micros: *per_spend_micros,
    });
    EarnCategory { category: name.to_owned(), rules: rules.collect() }
}

/// Creates a partner and publishes its first terms, in force long before the ledger's morning.
pub async fn onboard(operator: &Operators, partner: &str, agreement: Agreement) {
    create(operator, partner, agreement, false).await;
}

/// The same, for a partner that tests.
pub async fn onboard_testing(operator: &Operators, partner: &str, agreement: Agreement) {
    create(operator, partner, agreement, true).await;
}

async fn create(operator: &Operators, partner: &str, agreement: Agreement, testing: bool) {
    let create = CreatePartnerRequest {
        request_id: new_request_id(),
        code: partner.to_owned(),
        display_name: partner.to_owned(),
        testing,
    };
    operator.create_partner(create).await.expect("a new partner");
    let from: Timestamp = "2020-01-01T00:00:00Z".parse().expect("a time");
    publish(operator, partner, from, agreement).await;
}

/// Publishes a version.
pub async fn publish(operator: &Operators, partner: &str, from: Timestamp, agreement: Agreement) {
    let request = PublishTermsRequest {
        request_id: new_request_id(),
        partner: partner.to_owned(),
        effective_from: Some(wire_time(from)),
        agreement: Some(agreement),
    };
    Box::pin(operator.publish_terms(request)).await.expect("terms are published");
}

/// Links a member by the partner's own reference.
pub async fn enrol(partner: &Client, reference: &str) {
    let linked = partner.link(new_request_id(), reference, &consent()).await;
    linked.expect("a member is linked");
}

/// A consent that a member gave just now.
pub fn consent() -> Consent {
    MemberSigner::consent("2026-03")
}

/// A link of a member of whoever signs.
///
/// # Panics
/// When the system gives no random bytes.
pub fn link(signer: &MemberSigner, reference: &str) -> LinkMemberRequest {
    let member_assertion = signer.assert_member(reference, &consent()).expect("an assertion");
    LinkMemberRequest { request_id: new_request_id(), member_assertion }
}

/// A code that was typed at the brand that signs.
///
/// # Panics
/// When the system gives no random bytes.
pub fn redeem(signer: &MemberSigner, reference: &str, code: &str) -> RedeemLinkCodeRequest {
    let member_assertion = signer.assert_code(reference, &consent(), code).expect("an assertion");
    let (request_id, code) = (new_request_id(), code.to_owned());
    RedeemLinkCodeRequest { request_id, member_assertion, code }
}

/// Gives a member of `from` the same reference at another brand.
pub async fn attach(operator: &Operators, from: &str, reference: &str, target: &str) {
    let request = AttachReferenceRequest {
        request_id: new_request_id(),
        partner: from.to_owned(),
        member_reference: reference.to_owned(),
        target_partner: target.to_owned(),
        target_member_reference: reference.to_owned(),
    };
    operator.attach_reference(request).await.expect("a reference is attached");
}

/// An earn of so many micros, now.
pub fn earn(reference: &str, micros: i64, currency: &str) -> EarnRequest {
    EarnRequest {
        request_id: new_request_id(),
        member_reference: reference.to_owned(),
        spend: Some(money(micros, currency)),
        category: "stay".to_owned(),
        activity_at: None,
        receipt_reference: String::new(),
        ..EarnRequest::default()
    }
}

/// A burn of so many points.
pub fn burn(reference: &str, points: i64) -> BurnRequest {
    BurnRequest {
        request_id: new_request_id(),
        member_reference: reference.to_owned(),
        amount: Some(burn_request::Amount::Points(points)),
        receipt_reference: String::new(),
    }
}

/// A gift of so many points.
pub fn give(from: &str, to: &str, points: i64) -> TransferRequest {
    TransferRequest {
        request_id: new_request_id(),
        from_member_reference: from.to_owned(),
        to_member_reference: to.to_owned(),
        points,
    }
}

/// A donation of so many points.
pub fn donate(reference: &str, charity: &str, points: i64) -> DonateRequest {
    DonateRequest {
        request_id: new_request_id(),
        member_reference: reference.to_owned(),
        charity: charity.to_owned(),
        points,
        receipt_reference: String::new(),
    }
}

/// What a member has.
pub async fn balances(partner: &Client, reference: &str) -> Balances {
    let request = GetBalanceRequest { member_reference: reference.to_owned() };
    let response = partner.get_balance(request).await.expect("a member's balance");
    response.balances.expect("balances are always there")
}

/// Money on the wire.
pub fn money(micros: i64, currency: &str) -> Money {
    Money { currency: currency.to_owned(), micros }
}

/// A time on the wire.
pub fn wire_time(at: Timestamp) -> prost_types::Timestamp {
    prost_types::Timestamp { seconds: at.as_second(), nanos: at.subsec_nanosecond() }
}

/// The real time, for certificates.
#[expect(clippy::disallowed_methods, reason = "certificates are of the time of day")]
pub fn real_now() -> Timestamp {
    Timestamp::now()
}
