//! Two brands come to share a member: a code made at one, typed at the other, confirmed at the first.

use entente_client::{
    Client, Error,
    api::{
        error::ErrorReason as R,
        member::{
            ConfirmLinkRequest, ConfirmLinkResponse, CreateLinkCodeRequest, RedeemLinkCodeResponse,
            UnlinkRequest, unlink_request::Link,
        },
        partner::SuspendPartnerRequest,
    },
    new_request_id,
};
use entente_testkit::{
    TestHub,
    cast::{self, GROCER, HARBOR, ROVER, attach, burn, earn, redeem},
    morning, signer,
};
use jiff::{SignedDuration, ToSpan};

use crate::{
    linking::{check, link, unlinking},
    steps::{authorize, cents, has, reason},
};

/// A code of Harbor's, by its id.
pub(crate) struct Code {
    pub(crate) id: String,
    pub(crate) code: String,
}

pub(crate) async fn create(issuer: &Client, reference: &str, target: &str) -> Code {
    let request = CreateLinkCodeRequest {
        request_id: new_request_id(),
        member_reference: reference.to_owned(),
        target_partner: target.to_owned(),
        allow_merge: false,
    };
    let id = request.request_id.clone();
    let created = issuer.create_link_code(request).await.expect("a code");
    Code { id, code: created.code }
}

pub(crate) async fn typed(
    client: &Client,
    brand: &str,
    reference: &str,
    code: &str,
) -> Result<RedeemLinkCodeResponse, Error> {
    client.redeem_link_code(redeem(&signer(brand), reference, code)).await
}

pub(crate) async fn confirm(
    client: &Client,
    brand: &str,
    (reference, code): (&str, &Code),
    number: i32,
) -> Result<ConfirmLinkResponse, Error> {
    let signer = signer(brand);
    let member_assertion = signer.assert_member(reference, &cast::consent()).unwrap();
    let (request_id, link_code_id) = (new_request_id(), code.id.clone());
    let request = ConfirmLinkRequest { request_id, member_assertion, link_code_id, number };
    client.confirm_link(request).await
}

/// Harbor's `guest` with 100 points, who is Rover's `rider` since just now, by a code.
pub(crate) async fn linked() -> (TestHub, Client, Client, Code) {
    let hub = TestHub::with_cast().await;
    let (harbor, rover) = (hub.partner(HARBOR).await, hub.partner(ROVER).await);
    link(&harbor, HARBOR, "guest").await;
    harbor.earn(earn("guest", cents(10_000), "EUR")).await.unwrap();
    let code = create(&harbor, "guest", ROVER).await;
    let pending = typed(&rover, ROVER, "rider", &code.code).await.unwrap();
    confirm(&harbor, HARBOR, ("guest", &code), pending.number).await.unwrap();
    (hub, harbor, rover, code)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_code_links_the_member_once_both_brands_have_asked_it() {
    let hub = TestHub::with_cast().await;
    let (harbor, rover) = (hub.partner(HARBOR).await, hub.partner(ROVER).await);
    let at_harbor = link(&harbor, HARBOR, "guest").await;
    harbor.earn(earn("guest", cents(10_000), "EUR")).await.unwrap();
    let request = CreateLinkCodeRequest {
        request_id: new_request_id(),
        member_reference: "guest".to_owned(),
        target_partner: ROVER.to_owned(),
        allow_merge: false,
    };
    let made = harbor.create_link_code(request.clone()).await.unwrap();
    let again = harbor.create_link_code(request.clone()).await.unwrap();
    assert_eq!((&again.code, again.replayed), (&made.code, true), "a retry shows the same code");
    let code = Code { id: request.request_id, code: made.code };

    let typed = redeem(&signer(ROVER), "rider", &code.code.to_lowercase().replace('-', " "));
    let pending = rover.redeem_link_code(typed.clone()).await.unwrap();
    assert_eq!(pending.issuing_partner, HARBOR);
    assert!((10..=99).contains(&pending.number));
    assert!(!check(&rover, "rider").await.linked, "nothing is linked before it is confirmed");
    let again = rover.redeem_link_code(typed).await.unwrap();
    assert_eq!((again.number, again.replayed), (pending.number, true));

    confirm(&harbor, HARBOR, ("guest", &code), pending.number).await.unwrap();
    let linked = check(&rover, "rider").await;
    assert!(linked.linked && linked.burns_others_from.is_some());
    assert_ne!(linked.member_token, at_harbor, "each brand has a token of its own");
    assert_eq!(has(&rover, "rider").await, (100, 0, 0));
    // The database knows neither the code nor, any longer, who typed it.
    let pool = hub.database().owner_pool().await;
    let plain = code.code.replace('-', "");
    for query in [
        "SELECT count(*) FROM requests r WHERE position($1::bytea IN r.fields || r.answer) > 0",
        "SELECT count(*) FROM link_codes c WHERE position($1::bytea IN c::text::bytea) > 0",
    ] {
        for secret in [code.code.as_bytes(), plain.as_bytes()] {
            let found: i64 = sqlx::query_scalar(query).bind(secret).fetch_one(&pool).await.unwrap();
            assert_eq!(found, 0, "{query}");
        }
    }
    let left: i64 = sqlx::query_scalar("SELECT count(*) FROM link_codes WHERE lookup IS NOT NULL")
        .fetch_one(&pool)
        .await
        .unwrap();
    let consents: i64 =
        sqlx::query_scalar("SELECT count(*) FROM consents").fetch_one(&pool).await.unwrap();
    assert_eq!((left, consents), (0, 3), "linked, redeemed, confirmed");
    pool.close().await;
    hub.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_that_others_issued_is_spent_in_the_first_day_of_a_link() {
    let (hub, harbor, rover, _) = linked().await;
    for held_back in [
        rover.burn(burn("rider", 10)).await.map(drop),
        rover.authorize(authorize("rider", 10)).await.map(drop),
        rover.donate(cast::donate("rider", GROCER, 10)).await.map(drop),
    ] {
        let refused = held_back.expect_err("linked just now");
        assert_eq!(reason(&refused), R::BurnHeldBack);
        assert_eq!(refused.refusal().unwrap().metadata["until"], "2026-03-03T08:00:00Z");
    }
    rover.earn(earn("rider", cents(2_000), "USD")).await.unwrap();
    rover.burn(burn("rider", 20)).await.expect("what Rover issued itself");
    harbor.burn(burn("guest", 10)).await.expect("the other link is old");
    // Unlinked and linked again, by operators even: the time still runs.
    rover.unlink(unlinking("rider")).await.unwrap();
    attach(&hub.operator().await, HARBOR, "guest", ROVER).await;
    let burning = burn("guest", 10);
    let refused = rover.burn(burning.clone()).await.expect_err("held back as before");
    assert_eq!(reason(&refused), R::BurnHeldBack);
    hub.advance_to(morning() + 24.hours()).await;
    rover.burn(burning).await.expect("the same id, a day later");
    assert_eq!(has(&harbor, "guest").await, (80, 0, 0));
    hub.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_brand_that_confirmed_takes_a_link_back_within_the_day() {
    let (hub, harbor, rover, code) = linked().await;
    let take_back = || UnlinkRequest {
        request_id: new_request_id(),
        link: Some(Link::LinkCodeId(code.id.clone())),
    };
    let refused = rover.unlink(take_back()).await.expect_err("not Rover's code");
    assert_eq!(reason(&refused), R::LinkUnknown);
    harbor.unlink(take_back()).await.unwrap();
    assert!(!check(&rover, "rider").await.linked);
    assert!(check(&harbor, "guest").await.linked, "its own link stays");
    harbor.unlink(take_back()).await.expect("again is as once");
    hub.advance_to(morning() + 24.hours()).await;
    let refused = harbor.unlink(take_back()).await.expect_err("too late");
    assert_eq!(reason(&refused), R::LinkUnknown);
    hub.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_code_ends_with_its_time_its_link_and_its_successor() {
    let hub = TestHub::with_cast().await;
    let (harbor, rover) = (hub.partner(HARBOR).await, hub.partner(ROVER).await);
    link(&harbor, HARBOR, "guest").await;
    let first = create(&harbor, "guest", ROVER).await;
    let second = create(&harbor, "guest", ROVER).await;
    let refused = typed(&rover, ROVER, "rider", &first.code).await.expect_err("there is a newer");
    assert_eq!(reason(&refused), R::LinkCodeRefused);
    // Redeemed, and confirmed too late.
    let pending = typed(&rover, ROVER, "rider", &second.code).await.unwrap();
    hub.advance_to(morning() + SignedDuration::from_mins(10)).await;
    let refused = confirm(&harbor, HARBOR, ("guest", &second), pending.number).await;
    assert_eq!(reason(&refused.expect_err("late")), R::LinkNotPending);
    // Typed too late.
    let third = create(&harbor, "guest", ROVER).await;
    hub.advance_to(morning() + SignedDuration::from_mins(20)).await;
    let refused = typed(&rover, ROVER, "racer", &third.code).await.expect_err("late");
    assert_eq!(reason(&refused), R::LinkCodeRefused);
    // The link that it was made for is gone, though the reference is linked again.
    let fourth = create(&harbor, "guest", ROVER).await;
    harbor.unlink(unlinking("guest")).await.unwrap();
    link(&harbor, HARBOR, "guest").await;
    let refused = typed(&rover, ROVER, "racer", &fourth.code).await.expect_err("unlinked");
    assert_eq!(reason(&refused), R::LinkCodeRefused);
    hub.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_suspended_brand_makes_no_links_and_may_end_them() {
    let (hub, harbor, rover, code) = linked().await;
    let suspend = |partner: &str| SuspendPartnerRequest {
        request_id: new_request_id(),
        partner: partner.to_owned(),
    };
    let fresh = create(&harbor, "guest", GROCER).await;
    hub.operator().await.suspend_partner(suspend(HARBOR)).await.unwrap();
    for refused in [
        harbor.link_member(cast::link(&signer(HARBOR), "friend")).await.map(drop),
        confirm(&harbor, HARBOR, ("guest", &code), 42).await.map(drop),
    ] {
        assert_eq!(reason(&refused.expect_err("suspended")), R::PartnerSuspended);
    }
    let grocer = hub.partner(GROCER).await;
    let refused = typed(&grocer, GROCER, "shopper", &fresh.code).await.expect_err("suspended");
    assert_eq!(reason(&refused), R::LinkCodeRefused, "another brand's affairs are not told");
    harbor.unlink(unlinking("guest")).await.unwrap();
    assert!(check(&rover, "rider").await.linked);
    hub.close().await;
}
