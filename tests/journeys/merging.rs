//! Two wallets of one member become one: by a code that allows it, with consent at both brands. What was
//! done before is followed, and points of the one are others' for the brands of the other for a day.

use entente_client::{
    Client, Error,
    api::{
        audit::{ListSecurityEventsRequest, SecurityEventKind},
        error::ErrorReason as R,
        event::event::What,
        member::{
            ConfirmLinkRequest, ConfirmLinkResponse, CreateLinkCodeRequest, ListOperationsRequest,
        },
        points::{GetOperationRequest, get_operation_response::Outcome},
        types::{Operation, OperationKind as K},
    },
    new_request_id,
};
use entente_testkit::{
    TestHub,
    cast::{self, GROCER, HARBOR, ROVER, attach, burn, earn, redeem},
    morning, signer,
};
use jiff::{Timestamp, ToSpan};

use crate::{
    events::{caught_up, lively, since},
    linking::{check, link, unlinking},
    linking_codes::Code,
    steps::{cents, expiries, has, reason, refund_spend, reverse},
};

/// What names a merge to the two brands that asked for it.
pub(crate) struct Merge {
    pub(crate) code_id: String,
    pub(crate) redemption_id: String,
}

/// A code of Harbor's that was typed at Rover by whoever has a wallet there.
pub(crate) struct Typed {
    pub(crate) code: Code,
    pub(crate) redemption_id: String,
    pub(crate) number: i32,
}

/// A code that allows to merge.
pub(crate) async fn mergeable(issuer: &Client, reference: &str, target: &str) -> Code {
    let request = CreateLinkCodeRequest {
        request_id: new_request_id(),
        member_reference: reference.to_owned(),
        target_partner: target.to_owned(),
        allow_merge: true,
    };
    let id = request.request_id.clone();
    let code = issuer.create_link_code(request).await.expect("a code").code;
    Code { id, code }
}

pub(crate) async fn typed(harbor: &Client, rover: &Client, (guest, rider): (&str, &str)) -> Typed {
    let code = mergeable(harbor, guest, ROVER).await;
    let redemption = redeem(&signer(ROVER), rider, &code.code);
    let redemption_id = redemption.request_id.clone();
    let pending = rover.redeem_link_code(redemption).await.expect("a good code");
    assert!(pending.merges, "Rover is told, for its member to agree");
    Typed { code, redemption_id, number: pending.number }
}

pub(crate) fn confirming(guest: &str, typed: &Typed) -> ConfirmLinkRequest {
    ConfirmLinkRequest {
        request_id: new_request_id(),
        member_assertion: signer(HARBOR).assert_member(guest, &cast::consent()).unwrap(),
        link_code_id: typed.code.id.clone(),
        number: typed.number,
    }
}

/// Merges a member of Rover's into one of Harbor's.
pub(crate) async fn merge(harbor: &Client, rover: &Client, members: (&str, &str)) -> Merge {
    let typed = typed(harbor, rover, members).await;
    let confirmed = harbor.confirm_link(confirming(members.0, &typed)).await.expect("a merge");
    assert!(confirmed.merge.is_some());
    // A hub that remembers the reference says so once.
    let _ = rover.earn(earn(members.1, cents(1), "USD")).await;
    Merge { code_id: typed.code.id, redemption_id: typed.redemption_id }
}

/// Harbor's `guest` with 100 points, and Rover's `rider` with 50.
pub(crate) async fn two_wallets() -> (TestHub, Client, Client) {
    let hub = TestHub::with_cast().await;
    let (harbor, rover) = two_wallets_of(&hub).await;
    (hub, harbor, rover)
}

async fn two_wallets_of(hub: &TestHub) -> (Client, Client) {
    let (harbor, rover) = (hub.partner(HARBOR).await, hub.partner(ROVER).await);
    link(&harbor, HARBOR, "guest").await;
    link(&rover, ROVER, "rider").await;
    harbor.earn(earn("guest", cents(10_000), "EUR")).await.unwrap();
    rover.earn(earn("rider", cents(5_000), "USD")).await.unwrap();
    (harbor, rover)
}

pub(crate) async fn listed(client: &Client, reference: &str) -> Vec<(K, i64)> {
    // Pages of two, so that they are put together too.
    let mut request = ListOperationsRequest {
        member_reference: reference.to_owned(),
        page_size: 2,
        page_token: String::new(),
    };
    let mut found: Vec<(K, i64)> = Vec::new();
    loop {
        let page = client.list_operations(request.clone()).await.unwrap();
        let kind = |operation: &Operation| (operation.kind(), operation.points);
        found.extend(page.operations.iter().map(kind));
        if page.next_page_token.is_empty() {
            return found;
        }
        request.page_token = page.next_page_token;
    }
}

fn is_at(at: Option<prost_types::Timestamp>, expected: Timestamp) -> bool {
    at == Some(cast::wire_time(expected))
}

fn is_held_back(refused: Result<impl Sized, Error>) -> bool {
    refused.is_err_and(|refused| reason(&refused) == R::BurnHeldBack)
}

#[tokio::test(flavor = "multi_thread")]
async fn two_wallets_become_one_with_their_lots_and_what_was_done_is_followed() {
    let (hub, harbor, rover) = two_wallets().await;
    let ride = burn("rider", 20);
    rover.burn(ride.clone()).await.unwrap();
    let token = check(&rover, "rider").await.member_token;
    let typed = typed(&harbor, &rover, ("guest", "rider")).await;
    assert_eq!(has(&rover, "rider").await, (30, 0, 0), "nothing is merged before it is confirmed");
    let request = confirming("guest", &typed);
    let confirmed = harbor.confirm_link(request.clone()).await.unwrap();
    let again = harbor.confirm_link(request).await.unwrap();
    assert_eq!(again, ConfirmLinkResponse { replayed: true, ..confirmed.clone() });
    let merge = confirmed.merge.unwrap();
    assert_eq!((merge.kind(), merge.points), (K::Merge, 30));
    assert_eq!(merge.member_token, check(&harbor, "guest").await.member_token);
    assert!(is_at(confirmed.takes_back_until, morning() + 720.hours()));
    assert_eq!(confirmed.balances.map(|b| b.available), Some(130));
    assert_eq!(check(&rover, "rider").await.member_token, token, "the link is the same");
    for (partner, reference) in [(&harbor, "guest"), (&rover, "rider")] {
        assert_eq!(has(partner, reference).await, (130, 0, 0));
    }
    let own = ("2027-03".to_owned(), ROVER.to_owned(), 30);
    let others = ("2027-03".to_owned(), "coalition".to_owned(), 100);
    assert_eq!(expiries(&rover, "rider").await, [own, others], "issued and ending as before");

    // What was done before is undone where the points are now, and each brand sees its own.
    rover.reverse(reverse(&ride.request_id)).await.unwrap();
    let fare = earn("rider", cents(700), "USD");
    let refused = rover.earn(fare.clone()).await.expect_err("this hub remembers another member");
    assert_eq!(reason(&refused), R::Overloaded);
    rover.earn(fare).await.expect("the same id again");
    assert_eq!(has(&harbor, "guest").await, (157, 0, 0));
    let of_rover = [(K::Earn, 7), (K::Reverse, 20), (K::Burn, 20), (K::Earn, 50)];
    let mut found = listed(&rover, "rider").await;
    // Of one moment, the order is that of cells.
    found.sort_by_key(|row| of_rover.iter().position(|expected| expected == row));
    assert_eq!(found, of_rover);
    assert_eq!(listed(&harbor, "guest").await, [(K::Merge, 30), (K::Earn, 100)]);
    let asked = GetOperationRequest { request_id: merge.request_id };
    let told = harbor.get_operation(asked.clone()).await.unwrap().outcome.unwrap();
    assert!(matches!(told, Outcome::Operation(told) if told.kind() == K::Merge));
    let refused = rover.get_operation(asked).await.expect_err("Harbor's operation");
    assert_eq!(reason(&refused), R::OperationUnknown);
    hub.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn debt_is_carried_and_later_refunds_find_whom_they_concern() {
    let (hub, harbor, rover) = two_wallets().await;
    let fare = earn("rider", cents(4_000), "USD");
    rover.earn(fare.clone()).await.unwrap();
    rover.burn(burn("rider", 90)).await.unwrap();
    rover.reverse(refund_spend(&fare.request_id, cents(3_000), "USD")).await.unwrap();
    assert_eq!(has(&rover, "rider").await, (0, 0, 30));
    merge(&harbor, &rover, ("guest", "rider")).await;
    assert_eq!(has(&rover, "rider").await, (70, 0, 0), "the debt came along, and was repaid");
    rover.reverse(refund_spend(&fare.request_id, cents(1_000), "USD")).await.unwrap();
    assert_eq!(
        has(&harbor, "guest").await,
        (60, 0, 0),
        "Rover's are spent: a debt, repaid at once"
    );
    hub.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_merge_points_of_others_are_held_back_for_every_brand_of_the_member() {
    let (hub, harbor, rover) = two_wallets().await;
    let grocer = hub.partner(GROCER).await;
    attach(&hub.operator().await, HARBOR, "guest", GROCER).await;
    merge(&harbor, &rover, ("guest", "rider")).await;
    assert!(check(&rover, "rider").await.burns_others_from.is_some());
    let burning = burn("rider", 60);
    assert!(is_held_back(rover.burn(burning.clone()).await));
    assert!(
        is_held_back(rover.burn(burn("rider", 1)).await),
        "whoever issued what a merge brought"
    );
    assert!(is_held_back(grocer.burn(burn("guest", 1)).await), "though that link is old");
    assert!(is_held_back(harbor.burn(burn("guest", 101)).await));
    harbor.burn(burn("guest", 10)).await.expect("what Harbor issued to its member");
    rover.earn(earn("rider", cents(500), "USD")).await.unwrap();
    rover.burn(burn("rider", 5)).await.expect("what Rover issued since");
    // Unlinked and linked again: the time still runs.
    rover.unlink(unlinking("rider")).await.unwrap();
    attach(&hub.operator().await, HARBOR, "guest", ROVER).await;
    assert!(is_held_back(rover.burn(burn("guest", 1)).await));
    hub.advance_to(morning() + 24.hours()).await;
    rover.burn(burn("guest", 60)).await.expect("a day later");
    assert_eq!(has(&harbor, "guest").await, (80, 0, 0));
    hub.close().await;
}

/// The kinds of the operations that a brand is told of, each with the member's token.
async fn told(client: &Client) -> Vec<(K, String)> {
    let mut watch = client.watch(since(morning())).await.unwrap();
    let events = caught_up(&mut watch).await.into_iter();
    let told = events.filter_map(|event| match event.what {
        Some(What::Operation(operation)) => Some((operation.kind(), operation.member_token)),
        _ => None,
    });
    told.collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_brand_that_confirmed_is_told_of_a_merge_and_operators_are() {
    let hub = lively().await;
    let (harbor, rover) = two_wallets_of(&hub).await;
    let (guest, rider) = (check(&harbor, "guest").await, check(&rover, "rider").await);
    let merged = merge(&harbor, &rover, ("guest", "rider")).await;
    let mut of_harbor = told(&harbor).await;
    of_harbor.sort();
    assert_eq!(of_harbor, [K::Earn, K::Merge].map(|kind| (kind, guest.member_token.clone())));
    assert_eq!(told(&rover).await, [(K::Earn, rider.member_token)], "not an operation of Rover's");
    let kinds = vec![SecurityEventKind::MembersMerged.into()];
    let request = ListSecurityEventsRequest { kinds, ..ListSecurityEventsRequest::default() };
    let trail = hub.operator().await.list_security_events(request).await.unwrap().events;
    assert_eq!(trail.len(), 1);
    let event = (trail[0].actor.as_str(), trail[0].subject.as_str());
    assert_eq!(event, ("partner/harbor-hotels", merged.code_id.as_str()));
    hub.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_hub_finds_the_member_that_was_kept() {
    let (hub, harbor, rover) = two_wallets().await;
    let other = hub.another().await;
    let there = hub.partner_at(ROVER, other.addresses().partners).await;
    // The other hub remembers the reference from now on.
    there.earn(earn("rider", cents(100), "USD")).await.unwrap();
    merge(&harbor, &rover, ("guest", "rider")).await;
    let earning = earn("rider", cents(300), "USD");
    let refused = there.earn(earning.clone()).await.expect_err("another member by now");
    assert_eq!(reason(&refused), R::Overloaded);
    there.earn(earning).await.expect("the same id again");
    assert_eq!(has(&there, "rider").await, (154, 0, 0));
    other.drain().await;
    hub.close().await;
}
