//! What attackers try with link codes: guesses, used codes, races, and members who were talked into
//! something. Every bad code is the same to whoever types it.

use std::collections::BTreeSet;

use entente_client::{
    Client,
    api::{
        error::ErrorReason as R,
        member::{CreateLinkCodeRequest, RedeemLinkCodeRequest},
    },
    new_request_id,
};
use entente_hub::config::LinkingSettings;
use entente_testkit::{
    TestHub,
    cast::{self, GROCER, HARBOR, ROVER, attach},
    morning, signer,
};
use jiff::ToSpan;

use crate::{
    linking::{check, link},
    linking_codes::{Code, confirm, create, linked, typed},
    steps::reason,
};

/// Harbor's `guest` is linked; Rover is to be.
async fn with_guest() -> (TestHub, Client, Client) {
    let hub = TestHub::with_cast().await;
    let (harbor, rover) = (hub.partner(HARBOR).await, hub.partner(ROVER).await);
    link(&harbor, HARBOR, "guest").await;
    (hub, harbor, rover)
}

/// All that a refused code tells.
async fn refused(client: &Client, brand: &str, reference: &str, code: &str) -> String {
    let refused = typed(client, brand, reference, code).await.expect_err("a bad code");
    let refusal = refused.refusal().expect("a refusal").clone();
    assert_eq!(refusal.reason, R::LinkCodeRefused);
    format!("{refusal:?}")
}

#[tokio::test(flavor = "multi_thread")]
async fn all_bad_codes_are_one_to_whoever_types_them() {
    let (hub, harbor, rover) = with_guest().await;
    let grocer = hub.partner(GROCER).await;
    let used = create(&harbor, "guest", ROVER).await;
    let pending = typed(&rover, ROVER, "rider", &used.code).await.unwrap();
    let waits = refused(&rover, ROVER, "racer", &used.code).await;
    confirm(&harbor, HARBOR, ("guest", &used), pending.number).await.unwrap();
    let guessed_number = create(&harbor, "guest", ROVER).await;
    let told = [
        waits,
        refused(&rover, ROVER, "racer", &used.code).await,
        refused(&rover, ROVER, "racer", "2222-2222").await,
        refused(&rover, ROVER, "walker", "BCDF-234").await,
        refused(&rover, ROVER, "walker", "not a code, nor like one").await,
        refused(&rover, ROVER, "walker", "\u{1f600}").await,
        refused(&grocer, GROCER, "shopper", &guessed_number.code).await,
    ];
    let told: BTreeSet<_> = told.into_iter().collect();
    assert_eq!(told.len(), 1, "{told:?}");
    // It was for Rover, and is still good there.
    typed(&rover, ROVER, "racer", &guessed_number.code).await.expect_err("the member is a rider");
    hub.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_number_ends_the_code_and_with_it_what_was_phished() {
    let (hub, harbor, rover) = with_guest().await;
    // The victim typed the attacker's code, or the attacker the victim's: without the number that the
    // other side sees, whoever confirms has one guess.
    let code = create(&harbor, "guest", ROVER).await;
    let pending = typed(&rover, ROVER, "rider", &code.code).await.unwrap();
    let wrong = if pending.number == 10 { 11 } else { pending.number - 1 };
    let refused = confirm(&harbor, HARBOR, ("guest", &code), wrong).await.expect_err("a guess");
    assert_eq!(reason(&refused), R::LinkCodeRefused);
    let refused = confirm(&harbor, HARBOR, ("guest", &code), pending.number).await;
    assert_eq!(reason(&refused.expect_err("it is over")), R::LinkUnknown);
    assert!(!check(&rover, "rider").await.linked);
    hub.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_brand_and_the_member_of_a_code_confirm_it_and_only_once_redeemed() {
    let (hub, harbor, rover) = with_guest().await;
    link(&harbor, HARBOR, "other").await;
    link(&rover, ROVER, "guest").await;
    let code = create(&harbor, "guest", ROVER).await;
    let unknown = Code { id: new_request_id(), code: String::new() };
    let by = async |client: &Client, brand, reference, code| {
        reason(&confirm(client, brand, (reference, code), 42).await.expect_err("not its own"))
    };
    assert_eq!(by(&rover, ROVER, "guest", &code).await, R::LinkUnknown);
    assert_eq!(by(&harbor, HARBOR, "other", &code).await, R::LinkUnknown);
    assert_eq!(by(&harbor, HARBOR, "nobody", &code).await, R::LinkUnknown);
    assert_eq!(by(&harbor, HARBOR, "guest", &unknown).await, R::LinkUnknown);
    assert_eq!(by(&harbor, HARBOR, "guest", &code).await, R::LinkNotPending);
    let pending = typed(&rover, ROVER, "rider", &code.code).await.unwrap();
    // Meanwhile the reference got a wallet of its own.
    link(&rover, ROVER, "rider").await;
    let late = confirm(&harbor, HARBOR, ("guest", &code), pending.number).await;
    assert_eq!(reason(&late.expect_err("taken")), R::LinkNotPending);
    hub.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_who_type_a_code_at_once_one_redeems_it() {
    let (hub, harbor, rover) = with_guest().await;
    let other = hub.another().await;
    let there = hub.partner_at(ROVER, other.addresses().partners).await;
    for round in 0..3 {
        let code = create(&harbor, "guest", ROVER).await.code;
        let races = (0..8).map(|n| {
            let client = if n % 2 == 0 { rover.clone() } else { there.clone() };
            let (reference, code) = (format!("racer-{round}-{n}"), code.clone());
            tokio::spawn(async move { typed(&client, ROVER, &reference, &code).await })
        });
        let mut winners = 0;
        for race in races.collect::<Vec<_>>() {
            match race.await.unwrap() {
                Ok(_) => winners += 1,
                Err(refused) => assert_eq!(reason(&refused), R::LinkCodeRefused),
            }
        }
        assert_eq!(winners, 1);
    }
    other.drain().await;
    hub.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reference_that_is_linked_already_redeems_nothing() {
    let (hub, harbor, rover, _) = linked().await;
    link(&rover, ROVER, "walker").await;
    let code = create(&harbor, "guest", ROVER).await.code;
    for (reference, expected) in
        [("rider", R::MemberAlreadyLinked), ("racer", R::MemberAlreadyLinked)]
    {
        let refused = typed(&rover, ROVER, reference, &code).await.expect_err(reference);
        assert_eq!(reason(&refused), expected, "{reference}");
    }
    link(&harbor, HARBOR, "friend").await;
    let code = create(&harbor, "friend", ROVER).await.code;
    let refused = typed(&rover, ROVER, "walker", &code).await.expect_err("a wallet of its own");
    assert_eq!(reason(&refused), R::MergeNotAllowed);
    hub.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_assertion_redeems_the_code_that_it_was_made_for() {
    let (hub, harbor, rover) = with_guest().await;
    let code = create(&harbor, "guest", ROVER).await.code;
    let signer = signer(ROVER);
    let consent = cast::consent();
    let used = cast::redeem(&signer, "walker", "BCDF-2345");
    rover.redeem_link_code(used.clone()).await.expect_err("a bad code");
    for (says, member_assertion, code) in [
        ("of no code", signer.assert_member("rider", &consent).unwrap(), code.clone()),
        ("of another", signer.assert_code("rider", &consent, "BCDF-2345").unwrap(), code.clone()),
        ("used", used.member_assertion, "BCDF-2345".to_owned()),
    ] {
        let request =
            RedeemLinkCodeRequest { request_id: new_request_id(), member_assertion, code };
        let refused = rover.redeem_link_code(request).await.expect_err(says);
        assert_eq!(reason(&refused), R::AssertionRefused, "{says}");
    }
    typed(&rover, ROVER, "rider", &code).await.expect("none of these spent the code");
    hub.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn tries_are_counted_for_the_reference_the_partner_and_the_hub() {
    let settings = LinkingSettings {
        tries_per_reference: 3,
        tries_per_partner: 5,
        tries_per_hub: 7,
        ..LinkingSettings::default()
    };
    let hub = TestHub::linking(settings).await;
    let harbor = hub.partner(HARBOR).await;
    let (rover, grocer) = (hub.partner(ROVER).await, hub.partner(GROCER).await);
    link(&harbor, HARBOR, "guest").await;
    let code = create(&harbor, "guest", ROVER).await.code;
    let spent = async |client: &Client, brand, reference: &str, code: &str| {
        reason(&typed(client, brand, reference, code).await.expect_err("refused"))
            == R::LinkTriesSpent
    };
    for _ in 0..3 {
        assert!(!spent(&rover, ROVER, "rider", "2222-2222").await);
    }
    assert!(spent(&rover, ROVER, "rider", &code).await, "the reference, also with a good code");
    // The same request again was answered, and is no try.
    let again = cast::redeem(&signer(ROVER), "racer", "2222-2222");
    for _ in 0..4 {
        let refused = rover.redeem_link_code(again.clone()).await.expect_err("a bad code");
        assert_eq!(reason(&refused), R::LinkCodeRefused);
    }
    assert!(!spent(&rover, ROVER, "walker", "2222-2222").await);
    assert!(spent(&rover, ROVER, "runner", &code).await, "the partner");
    for reference in ["shopper", "buyer"] {
        assert!(!spent(&grocer, GROCER, reference, "2222-2222").await);
    }
    assert!(spent(&grocer, GROCER, "baker", "2222-2222").await, "the hub");
    hub.advance_to(morning() + 1.hour()).await;
    let code = create(&harbor, "guest", ROVER).await.code;
    typed(&rover, ROVER, "rider", &code).await.expect("an hour later");
    hub.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_code_is_made_for_a_member_of_ones_own_and_for_another_brand() {
    let (hub, harbor, _) = with_guest().await;
    for (reference, target, expected) in [
        ("nobody", ROVER, R::MemberUnknown),
        ("guest", HARBOR, R::PartnerUnknown),
        ("guest", "nobody-at-all", R::PartnerUnknown),
    ] {
        let request = CreateLinkCodeRequest {
            request_id: new_request_id(),
            member_reference: reference.to_owned(),
            target_partner: target.to_owned(),
            allow_merge: false,
        };
        let refused = harbor.create_link_code(request).await.expect_err(target);
        assert_eq!(reason(&refused), expected, "{reference} {target}");
    }
    // That the member is known elsewhere already, the brand that makes a code is not told.
    attach(&hub.operator().await, HARBOR, "guest", ROVER).await;
    create(&harbor, "guest", ROVER).await;
    hub.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_trail_tells_who_tried_and_linked_and_nothing_of_members() {
    let (hub, harbor, rover, code) = linked().await;
    let _ = typed(&rover, ROVER, "racer", "2222-2222").await;
    harbor.unlink(crate::linking::unlinking("guest")).await.unwrap();
    let pool = hub.database().owner_pool().await;
    let kinds: Vec<(i16, String)> = sqlx::query_as(
        "SELECT kind, actor FROM security_events WHERE kind BETWEEN 40 AND 43 ORDER BY id",
    )
    .fetch_all(&pool)
    .await
    .unwrap();
    let expected = [
        (42, HARBOR),
        (40, HARBOR),
        (41, ROVER),
        (41, HARBOR),
        (42, HARBOR),
        (41, ROVER),
        (43, HARBOR),
    ];
    let expected: Vec<_> =
        expected.iter().map(|(kind, who)| (*kind, format!("partner/{who}"))).collect();
    assert_eq!(kinds, expected);
    let plain = code.code.replace('-', "");
    let told: i64 = sqlx::query_scalar(
        "SELECT count(*) FROM security_events e
         WHERE e::text ~ 'guest|rider|racer' OR position($1 IN e::text) > 0
             OR position($2 IN e::text) > 0",
    )
    .bind(&code.code)
    .bind(&plain)
    .fetch_one(&pool)
    .await
    .unwrap();
    assert_eq!(told, 0, "neither references nor codes");
    pool.close().await;
    hub.close().await;
}
