//! A partner links members of its own, and unlinks them: the points stay, the sight does not.

use entente_client::{
    Client, Error, MemberSigner,
    api::{
        error::ErrorReason as R,
        member::{
            CheckLinkRequest, CheckLinkResponse, LinkMemberRequest, ListOperationsRequest,
            UnlinkRequest, unlink_request::Link,
        },
        points::{GetOperationRequest, QuoteBurnRequest, quote_burn_request},
    },
    new_request_id,
};
use entente_testkit::{
    TestHub,
    cast::{self, HARBOR, ROVER, attach, balances, burn, earn},
    signer, signer_by,
};

use crate::steps::{authorize, capture, cents, has, reason, refund_spend, reverse, void};

pub(crate) async fn link(client: &Client, code: &str, reference: &str) -> String {
    let linked = client.link_member(cast::link(&signer(code), reference)).await;
    linked.expect("a member is linked").member_token
}

pub(crate) async fn check(client: &Client, reference: &str) -> CheckLinkResponse {
    let request = CheckLinkRequest { member_reference: reference.to_owned() };
    client.check_link(request).await.expect("a look at the own link")
}

pub(crate) fn unlinking(reference: &str) -> UnlinkRequest {
    let link = Some(Link::MemberReference(reference.to_owned()));
    UnlinkRequest { request_id: new_request_id(), link }
}

async fn operations(client: &Client, reference: &str) -> Result<usize, Error> {
    let member_reference = reference.to_owned();
    let request = ListOperationsRequest { member_reference, ..ListOperationsRequest::default() };
    Ok(client.list_operations(request).await?.operations.len())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_member_is_linked_at_first_sight_and_once() {
    let hub = TestHub::with_cast().await;
    let harbor = hub.partner(HARBOR).await;
    assert_eq!(check(&harbor, "guest").await, CheckLinkResponse::default());
    let request = cast::link(&signer(HARBOR), "guest");
    let first = harbor.link_member(request.clone()).await.unwrap();
    assert!(first.created && !first.replayed);
    // A retry brings the same assertion or, when that is too old, a fresh one.
    let fresh = cast::link(&signer(HARBOR), "guest").member_assertion;
    for member_assertion in [request.member_assertion.clone(), fresh] {
        let again = LinkMemberRequest { member_assertion, ..request.clone() };
        let again = harbor.link_member(again).await.unwrap();
        assert_eq!((again.member_token.as_str(), again.replayed), (&*first.member_token, true));
    }
    let known = harbor.link_member(cast::link(&signer(HARBOR), "guest")).await.unwrap();
    assert!(!known.created && !known.replayed);
    assert_eq!(known.member_token, first.member_token);
    let link = check(&harbor, "guest").await;
    assert_eq!((link.linked, link.member_token), (true, first.member_token));
    assert!(link.linked_at.is_some() && link.burns_others_from.is_none());
    // Another brand's same reference is another member, and nobody is told of it.
    let rover = hub.partner(ROVER).await;
    assert_eq!(check(&rover, "guest").await, CheckLinkResponse::default());
    hub.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_assertion_is_good_for_its_own_partner_once_and_for_what_it_says() {
    let hub = TestHub::with_cast().await;
    let harbor = hub.partner(HARBOR).await;
    let used = cast::link(&signer(HARBOR), "guest");
    harbor.link_member(used.clone()).await.unwrap();
    let consent = cast::consent();
    let sign =
        |signer: &MemberSigner| signer.assert_member("guest", &consent).expect("an assertion");
    let bad = [
        ("used before", used.member_assertion),
        ("another partner's key and name", sign(&signer(ROVER))),
        ("another partner's key", sign(&signer_by(HARBOR, ROVER))),
        ("another partner's name", sign(&signer_by(ROVER, HARBOR))),
        ("a key that nobody registered", sign(&signer_by(HARBOR, "nobody"))),
        ("made for a code", signer(HARBOR).assert_code("guest", &consent, "BCDF-2345").unwrap()),
        ("no reference", signer(HARBOR).assert_member("", &consent).unwrap()),
        (
            "an invisible reference",
            signer(HARBOR).assert_member("gu\u{200b}est", &consent).unwrap(),
        ),
        ("no JWT", "guest".to_owned()),
    ];
    for (says, member_assertion) in bad {
        let request = LinkMemberRequest { request_id: new_request_id(), member_assertion };
        let refused = harbor.link_member(request).await.expect_err(says);
        assert_eq!(reason(&refused), R::AssertionRefused, "{says}");
        let refusal = refused.refusal().unwrap();
        assert_eq!(refusal.message, "the assertion is not accepted", "{says}");
        assert!(refusal.metadata.is_empty(), "{says}");
    }
    hub.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn points_stay_with_the_member_and_sight_ends_with_the_link() {
    let hub = TestHub::with_cast().await;
    let (harbor, rover) = (hub.partner(HARBOR).await, hub.partner(ROVER).await);
    let token = link(&harbor, HARBOR, "guest").await;
    attach(&hub.operator().await, HARBOR, "guest", ROVER).await;
    harbor.earn(earn("guest", cents(10_000), "EUR")).await.unwrap();
    let request = unlinking("guest");
    assert!(!harbor.unlink(request.clone()).await.unwrap().replayed);
    assert!(harbor.unlink(request).await.unwrap().replayed);
    assert_eq!(has(&rover, "guest").await, (100, 0, 0), "the other brand still sees all of it");

    assert_eq!(check(&harbor, "guest").await, CheckLinkResponse::default());
    let quote = QuoteBurnRequest {
        member_reference: "guest".to_owned(),
        amount: Some(quote_burn_request::Amount::Points(1)),
    };
    for (says, refused) in [
        ("earn", harbor.earn(earn("guest", cents(100), "EUR")).await.expect_err("unlinked")),
        ("burn", harbor.burn(burn("guest", 1)).await.expect_err("unlinked")),
        ("quote", harbor.quote_burn(quote).await.expect_err("unlinked")),
        ("list", operations(&harbor, "guest").await.expect_err("unlinked")),
        ("unlink", harbor.unlink(unlinking("guest")).await.expect_err("unlinked")),
    ] {
        assert_eq!(reason(&refused), R::MemberUnknown, "{says}");
    }
    // The reference is free, and names somebody else from now on.
    let other = link(&harbor, HARBOR, "guest").await;
    assert_ne!(other, token);
    assert_eq!(has(&harbor, "guest").await, (0, 0, 0));
    assert_eq!(operations(&harbor, "guest").await.unwrap(), 0);
    hub.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_done_before_is_completed_for_whom_it_was_done_and_tells_no_balance() {
    let hub = TestHub::with_cast().await;
    let (harbor, rover) = (hub.partner(HARBOR).await, hub.partner(ROVER).await);
    let token = link(&harbor, HARBOR, "guest").await;
    attach(&hub.operator().await, HARBOR, "guest", ROVER).await;
    let earned = earn("guest", cents(10_000), "EUR");
    harbor.earn(earned.clone()).await.unwrap();
    let (held, dropped) = (authorize("guest", 30), authorize("guest", 10));
    harbor.authorize(held.clone()).await.unwrap();
    harbor.authorize(dropped.clone()).await.unwrap();
    harbor.unlink(unlinking("guest")).await.unwrap();
    let newcomer = link(&harbor, HARBOR, "guest").await;
    harbor.earn(earn("guest", cents(700), "EUR")).await.unwrap();

    let captured = harbor.capture(capture(&held.request_id, None)).await.unwrap();
    let voided = harbor.void(void(&dropped.request_id)).await.unwrap();
    let clawed = refund_spend(&earned.request_id, cents(2_000), "EUR");
    let clawed = harbor.reverse(clawed).await.unwrap();
    let refunded = harbor.reverse(reverse(&held.request_id)).await;
    assert_eq!(reason(&refunded.expect_err("an authorization")), R::NotReversible);
    for (operation, told) in [
        (captured.operation, captured.balances),
        (voided.operation, voided.balances),
        (clawed.operation, clawed.balances),
    ] {
        assert_eq!(told, None, "a partner that is not linked sees no balance");
        assert_eq!(operation.unwrap().member_token, token, "the member of that time");
    }
    assert_eq!(has(&rover, "guest").await, (50, 0, 0), "100 earned, 30 spent, 20 clawed back");
    assert_eq!(has(&harbor, "guest").await, (7, 0, 0), "the newcomer is another member");
    let of_newcomer = harbor.list_operations(ListOperationsRequest {
        member_reference: "guest".to_owned(),
        ..ListOperationsRequest::default()
    });
    let listed = of_newcomer.await.unwrap().operations;
    assert!(listed.iter().all(|operation| operation.member_token == newcomer));
    assert_eq!(listed.len(), 1);
    let asked = GetOperationRequest { request_id: earned.request_id };
    harbor.get_operation(asked).await.expect("a partner's operations stay its own");
    hub.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_that_comes_back_does_not_tell_of_the_time_before() {
    let hub = TestHub::with_cast().await;
    let (harbor, operator) = (hub.partner(HARBOR).await, hub.operator().await);
    let rover = hub.partner(ROVER).await;
    link(&rover, ROVER, "guest").await;
    attach(&operator, ROVER, "guest", HARBOR).await;
    let before = earn("guest", cents(10_000), "EUR");
    let told = harbor.earn(before.clone()).await.unwrap().operation.unwrap().member_token;
    harbor.unlink(unlinking("guest")).await.unwrap();
    hub.advance_to(crate::steps::at("2026-03-03T08:00:00Z")).await;
    attach(&operator, ROVER, "guest", HARBOR).await;
    assert_eq!(operations(&harbor, "guest").await.unwrap(), 0);
    // Of the operation of that time, the answer names the member as it did then, and shows nothing.
    let clawed = refund_spend(&before.request_id, cents(1_000), "EUR");
    let clawed = harbor.reverse(clawed).await.unwrap();
    assert_eq!(clawed.operation.unwrap().member_token, told);
    assert_eq!(clawed.balances, None);
    assert_eq!(balances(&harbor, "guest").await.available, 90, "the wallet is the same");
    hub.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_hub_knows_at_once_that_a_link_has_ended() {
    let hub = TestHub::with_cast().await;
    let other = hub.another().await;
    let here = hub.partner(HARBOR).await;
    let there = hub.partner_at(HARBOR, other.addresses().partners).await;
    link(&here, HARBOR, "guest").await;
    // The other hub remembers the reference from now on.
    there.earn(earn("guest", cents(10_000), "EUR")).await.unwrap();
    here.unlink(unlinking("guest")).await.unwrap();
    let refused = there.earn(earn("guest", cents(100), "EUR")).await.expect_err("unlinked");
    assert_eq!(reason(&refused), R::MemberUnknown);
    link(&here, HARBOR, "guest").await;
    there.earn(earn("guest", cents(500), "EUR")).await.unwrap();
    here.unlink(unlinking("guest")).await.unwrap();
    link(&here, HARBOR, "guest").await;
    // What it remembers is another member: it forgets, and asks for the same id again.
    let earning = earn("guest", cents(300), "EUR");
    let refused = there.earn(earning.clone()).await.expect_err("linked anew");
    assert_eq!(reason(&refused), R::Overloaded);
    there.earn(earning).await.expect("the same id again");
    assert_eq!(has(&there, "guest").await, (3, 0, 0));
    other.drain().await;
    hub.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn earns_that_race_an_unlink_are_posted_before_it_or_refused() {
    let hub = TestHub::with_cast().await;
    let (harbor, rover) = (hub.partner(HARBOR).await, hub.partner(ROVER).await);
    link(&rover, ROVER, "guest").await;
    attach(&hub.operator().await, ROVER, "guest", HARBOR).await;
    let earns = (0..40).map(|_| {
        let harbor = harbor.clone();
        tokio::spawn(async move { harbor.earn(earn("guest", cents(100), "EUR")).await })
    });
    let earns: Vec<_> = earns.collect();
    harbor.unlink(unlinking("guest")).await.unwrap();
    // Whatever was to be posted through the link has been posted by now.
    let after = has(&rover, "guest").await;
    let mut posted = 0;
    for earn in earns {
        match earn.await.unwrap() {
            Ok(_) => posted += 1,
            Err(refused) => assert_eq!(reason(&refused), R::MemberUnknown),
        }
    }
    assert_eq!(has(&rover, "guest").await, after);
    assert_eq!(after, (posted, 0, 0));
    hub.close().await;
}
