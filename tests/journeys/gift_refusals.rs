//! Gifts and donations that are refused: each has one reason, and leaves both members as they were.

use entente_client::{
    Client,
    api::{
        error::ErrorReason as R,
        partner::{Agreement, Gifts, SuspendPartnerRequest},
        points::{DonateRequest, TransferRequest},
    },
    new_request_id,
};
use entente_testkit::{
    TestHub,
    cast::{self, GROCER, HARBOR, ROVER, agreement, donate, earn, enrol, give},
};
use prost::Message;

use crate::{
    published::assert_refused,
    steps::{at, authorize, cents, has},
    wire::Wire,
};

/// Harbor's members `guest` (700 points) and `friend`; gifts of 500 at most, 800 a month. Rover
/// agrees on no gifts, and knows `guest` and a member of its own, `rider`.
async fn with_limits() -> TestHub {
    let hub = TestHub::start().await;
    let operator = hub.operator().await;
    let gifts = Gifts { max_points_per_operation: 500, max_points_per_member_month: 800 };
    let harbor = Agreement { gifts: Some(gifts), ..agreement(HARBOR) };
    let rover = Agreement { gifts: None, ..agreement(ROVER) };
    for (partner, agreement) in [(HARBOR, harbor), (ROVER, rover), (GROCER, agreement(GROCER))] {
        cast::onboard(&operator, partner, agreement).await;
    }
    let harbor = hub.partner(HARBOR).await;
    for member in ["guest", "friend"] {
        enrol(&harbor, member).await;
    }
    let rover = hub.partner(ROVER).await;
    enrol(&rover, "rider").await;
    cast::attach(&operator, HARBOR, "guest", ROVER).await;
    harbor.earn(earn("guest", cents(70_000), "EUR")).await.unwrap();
    hub
}

enum Asked {
    Give(TransferRequest),
    Donate(DonateRequest),
}

type Case = (&'static str, Asked, R, &'static [(&'static str, &'static str)]);

/// Sends each case twice; nothing may change.
async fn refuse_all(hub: &TestHub, caller: &str, cases: Vec<Case>) {
    let harbor = hub.partner(HARBOR).await;
    let wire = Wire::partner(hub, caller).await;
    let before = both(&harbor).await;
    for (says, asked, reason, metadata) in cases {
        let (rpc, message) = match asked {
            Asked::Give(request) => (("points", "Transfer"), request.encode_to_vec()),
            Asked::Donate(request) => (("points", "Donate"), request.encode_to_vec()),
        };
        let refusal = wire.call(rpc, &message).await.expect_err(says);
        assert_refused(&refusal, reason, metadata, says);
        let again = wire.call(rpc, &message).await.expect_err(says);
        assert_eq!(again, refusal, "{says}, sent again");
    }
    assert_eq!(both(&harbor).await, before, "a refusal changed something");
}

async fn both(harbor: &Client) -> [(i64, i64, i64); 2] {
    [has(harbor, "guest").await, has(harbor, "friend").await]
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_gift_has_one_reason_and_leaves_both_members_as_they_were() {
    let hub = with_limits().await;
    let harbor = hub.partner(HARBOR).await;
    harbor.authorize(authorize("guest", 300)).await.unwrap();
    let gift = |from: &str, to: &str, points| Asked::Give(give(from, to, points));
    let cases: Vec<Case> = vec![
        ("from nobody", gift("nobody", "friend", 1), R::MemberUnknown, &[]),
        ("to nobody", gift("guest", "nobody", 1), R::MemberUnknown, &[]),
        ("to another brand's member", gift("guest", "rider", 1), R::MemberUnknown, &[]),
        ("nobody to oneself", gift("nobody", "nobody", 1), R::MemberUnknown, &[]),
        ("to oneself", gift("guest", "guest", 1), R::TransferToSelf, &[]),
        ("too large", gift("guest", "friend", 501), R::TransferTooLarge, &[("most", "500")]),
        ("beyond range", gift("guest", "friend", i64::MAX), R::AmountTooLarge, &[]),
        ("held", gift("guest", "friend", 401), R::PointsInsufficient, &[("available", "400")]),
        ("of nothing", gift("friend", "guest", 1), R::PointsInsufficient, &[("available", "0")]),
    ];
    refuse_all(&hub, HARBOR, cases).await;
    let cases: Vec<Case> =
        vec![("not agreed", gift("guest", "rider", 1), R::TransferNotAgreed, &[])];
    refuse_all(&hub, ROVER, cases).await;
    hub.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_month_of_gifts_is_limited_and_its_ids_stay_free() {
    let hub = with_limits().await;
    let harbor = hub.partner(HARBOR).await;
    harbor.earn(earn("guest", cents(70_000), "EUR")).await.unwrap();
    harbor.transfer(give("guest", "friend", 500)).await.unwrap();
    let request = give("guest", "friend", 301);
    let told: &[_] = &[("resets_at", "2026-04-01T00:00:00Z"), ("rest", "300")];
    let case = ("the limit", Asked::Give(request.clone()), R::TransferLimitReached, told);
    refuse_all(&hub, HARBOR, vec![case]).await;
    harbor.transfer(give("guest", "friend", 300)).await.unwrap();
    harbor.transfer(give("friend", "guest", 1)).await.expect("each giver has a limit of its own");
    hub.advance_to(at("2026-04-01T00:00:00Z")).await;
    assert!(!harbor.transfer(request).await.unwrap().replayed);
    assert_eq!(both(&harbor).await, [(300, 0, 0), (1_100, 0, 0)]);
    hub.close().await;
}

/// The lots are a year old: what is due expires first, and the rest is too little.
#[tokio::test(flavor = "multi_thread")]
async fn points_whose_time_has_come_expire_before_a_gift() {
    let hub = with_limits().await;
    let harbor = hub.partner(HARBOR).await;
    harbor.transfer(give("guest", "friend", 100)).await.unwrap();
    hub.advance_to(at("2027-04-01T00:00:00Z")).await;
    harbor.earn(earn("guest", cents(5_000), "EUR")).await.unwrap();
    let gone = |says, asked, available| -> Case { (says, asked, R::PointsInsufficient, available) };
    let cases = vec![
        gone("of a guest", Asked::Give(give("guest", "friend", 51)), &[("available", "50")]),
        gone("of a friend", Asked::Give(give("friend", "guest", 1)), &[("available", "0")]),
        gone("to a charity", Asked::Donate(donate("guest", GROCER, 51)), &[("available", "50")]),
    ];
    refuse_all(&hub, HARBOR, cases).await;
    harbor.transfer(give("guest", "friend", 50)).await.unwrap();
    assert_eq!(both(&harbor).await, [(0, 0, 0), (50, 0, 0)]);
    hub.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_donation_has_one_reason_and_tells_no_brand_who_takes_part() {
    let hub = with_limits().await;
    let gift = |charity: &str, points| Asked::Donate(donate("guest", charity, points));
    let cases: Vec<Case> = vec![
        ("nobody's", Asked::Donate(donate("nobody", GROCER, 1)), R::MemberUnknown, &[]),
        ("to nobody", gift("nobody-at-all", 1), R::NotACharity, &[]),
        ("to a brand", gift(ROVER, 1), R::NotACharity, &[]),
        ("to oneself", gift(HARBOR, 1), R::NotACharity, &[]),
        ("too much", gift(GROCER, 701), R::PointsInsufficient, &[("available", "700")]),
    ];
    refuse_all(&hub, HARBOR, cases).await;
    hub.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_suspended_partner_gives_nothing_and_its_ids_stay_free() {
    let hub = with_limits().await;
    let (request_id, partner) = (new_request_id(), HARBOR.to_owned());
    let operator = hub.operator().await;
    operator.suspend_partner(SuspendPartnerRequest { request_id, partner }).await.unwrap();
    let cases: Vec<Case> = vec![
        ("a gift", Asked::Give(give("guest", "friend", 1)), R::PartnerSuspended, &[]),
        ("a donation", Asked::Donate(donate("guest", GROCER, 1)), R::PartnerSuspended, &[]),
    ];
    refuse_all(&hub, HARBOR, cases).await;
    hub.close().await;
}
