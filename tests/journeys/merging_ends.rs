//! Merges that are refused, raced and taken back.

use entente_client::{
    Client, Error,
    api::{
        error::ErrorReason as R,
        member::{
            UnlinkRequest, UnmergeMembersRequest, UnmergeMembersResponse, unlink_request::Link,
            unmerge_members_request::Merge as By,
        },
        types::OperationKind as K,
    },
    new_request_id,
};
use entente_testkit::{
    cast::{GROCER, HARBOR, ROVER, attach, burn, earn, enrol, redeem},
    morning, signer,
};
use jiff::ToSpan;

use crate::{
    linking::{check, link, unlinking},
    linking_codes::{confirm, create, typed as type_in},
    merging::{confirming, listed, merge, mergeable, two_wallets, typed},
    steps::{authorize, cents, has, reason, reverse, void},
};

fn unmerging(by: By) -> UnmergeMembersRequest {
    UnmergeMembersRequest { request_id: new_request_id(), merge: Some(by) }
}

fn by_code(id: &str) -> By {
    By::LinkCodeId(id.to_owned())
}

fn by_redemption(id: &str) -> By {
    By::RedemptionId(id.to_owned())
}

fn is_refused<T>(answer: Result<T, Error>, expected: R) -> bool {
    answer.is_err_and(|refused| reason(&refused) == expected)
}

async fn unmerge(client: &Client, by: By) -> Result<UnmergeMembersResponse, Error> {
    client.unmerge_members(unmerging(by)).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_merge_is_taken_back_within_thirty_days_with_what_is_left() {
    let (hub, harbor, rover) = two_wallets().await;
    let grocer = hub.partner(GROCER).await;
    let ride = burn("rider", 20);
    rover.burn(ride.clone()).await.unwrap();
    let merged = merge(&harbor, &rover, ("guest", "rider")).await;
    rover.reverse(reverse(&ride.request_id)).await.unwrap();
    harbor.earn(earn("guest", cents(400), "EUR")).await.unwrap();
    hub.advance_to(morning() + 719.hours()).await;
    for (client, by) in [
        (&rover, by_code(&merged.code_id)),
        (&harbor, by_redemption(&merged.redemption_id)),
        (&grocer, by_code(&merged.code_id)),
        (&harbor, by_code(&merged.redemption_id)),
    ] {
        assert!(is_refused(unmerge(client, by).await, R::MergeNotReversible), "not the caller's");
    }
    let request = unmerging(by_code(&merged.code_id));
    let undone = harbor.unmerge_members(request.clone()).await.unwrap();
    let again = harbor.unmerge_members(request).await.unwrap();
    assert_eq!(again, UnmergeMembersResponse { replayed: true, ..undone.clone() });
    let operation = undone.operation.unwrap();
    assert_eq!((operation.kind(), operation.points), (K::Unmerge, 50));
    assert_eq!(undone.balances.map(|b| b.available), Some(104));
    assert_eq!(has(&rover, "rider").await, (50, 0, 0));
    assert_eq!(has(&harbor, "guest").await, (104, 0, 0));
    let mut found = listed(&rover, "rider").await;
    found.sort_by_key(|(kind, _)| i32::from(*kind));
    assert_eq!(found, [(K::Earn, 50), (K::Burn, 20), (K::Reverse, 20)]);
    let twice = unmerge(&rover, by_redemption(&merged.redemption_id)).await;
    assert!(is_refused(twice, R::MergeNotReversible), "it was taken back");
    // They can be merged again, by another code; Rover takes that back.
    let merged = merge(&harbor, &rover, ("guest", "rider")).await;
    assert_eq!(has(&rover, "rider").await, (154, 0, 0));
    let undone = unmerge(&rover, by_redemption(&merged.redemption_id)).await.unwrap();
    assert_eq!(undone.balances.map(|b| b.available), Some(50), "its own member's");
    hub.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_merge_stays_after_thirty_days_and_for_whom_it_no_longer_concerns() {
    let (hub, harbor, rover) = two_wallets().await;
    let merged = merge(&harbor, &rover, ("guest", "rider")).await;
    let link_of_it = Some(Link::LinkCodeId(merged.code_id.clone()));
    let unlink = UnlinkRequest { request_id: new_request_id(), link: link_of_it };
    assert!(is_refused(harbor.unlink(unlink).await, R::LinkUnknown), "no link was made");
    rover.unlink(unlinking("rider")).await.unwrap();
    let refused = unmerge(&rover, by_redemption(&merged.redemption_id)).await;
    assert!(is_refused(refused, R::MergeNotReversible), "Rover is not linked any more");
    hub.advance_to(morning() + 720.hours()).await;
    let late = unmerge(&harbor, by_code(&merged.code_id)).await;
    assert!(is_refused(late, R::MergeNotReversible));
    assert_eq!(has(&harbor, "guest").await, (150, 0, 0));
    hub.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn open_holds_of_either_member_stand_in_the_way() {
    let (hub, harbor, rover) = two_wallets().await;
    let typed = typed(&harbor, &rover, ("guest", "rider")).await;
    for (client, reference) in [(&rover, "rider"), (&harbor, "guest")] {
        let held = authorize(reference, 10);
        client.authorize(held.clone()).await.unwrap();
        let request = confirming("guest", &typed);
        assert!(is_refused(harbor.confirm_link(request.clone()).await, R::HoldsOpen));
        client.void(void(&held.request_id)).await.unwrap();
        assert!(is_refused(harbor.confirm_link(request).await, R::HoldsOpen), "that id is over");
    }
    harbor.confirm_link(confirming("guest", &typed)).await.expect("another id, and no hold");
    let held = authorize("guest", 10);
    harbor.authorize(held.clone()).await.unwrap();
    let refused = unmerge(&harbor, by_code(&typed.code.id)).await;
    assert!(is_refused(refused, R::HoldsOpen));
    harbor.void(void(&held.request_id)).await.unwrap();
    unmerge(&harbor, by_code(&typed.code.id)).await.unwrap();
    hub.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_merged_that_a_code_did_not_allow_or_a_brand_knows_twice() {
    let (hub, harbor, rover) = two_wallets().await;
    let plain = create(&harbor, "guest", ROVER).await;
    let refused = type_in(&rover, ROVER, "rider", &plain.code).await;
    assert!(is_refused(refused, R::MergeNotAllowed), "the code does not allow it");

    // Redeemed by a reference without a wallet, which gets one before it is confirmed.
    let code = mergeable(&harbor, "guest", ROVER).await;
    let pending = rover.redeem_link_code(redeem(&signer(ROVER), "racer", &code.code)).await;
    let pending = pending.unwrap();
    assert!(!pending.merges);
    enrol(&rover, "racer").await;
    let refused = confirm(&harbor, HARBOR, ("guest", &code), pending.number).await;
    assert!(is_refused(refused, R::LinkNotPending), "nobody agreed to a merge");

    // Linked anew since it was redeemed: another wallet.
    let typed_by_rider = typed(&harbor, &rover, ("guest", "rider")).await;
    rover.unlink(unlinking("rider")).await.unwrap();
    link(&rover, ROVER, "rider").await;
    let refused = harbor.confirm_link(confirming("guest", &typed_by_rider)).await;
    assert!(is_refused(refused, R::LinkNotPending));

    // A third brand knows both.
    let operator = hub.operator().await;
    attach(&operator, HARBOR, "guest", GROCER).await;
    attach(&operator, ROVER, "rider", GROCER).await;
    let known_twice = typed(&harbor, &rover, ("guest", "rider")).await;
    let refused = harbor.confirm_link(confirming("guest", &known_twice)).await;
    assert!(is_refused(refused, R::MergeNotAllowed));
    assert_eq!(has(&harbor, "guest").await, (100, 0, 0));
    hub.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_who_confirm_or_take_back_at_once_one_does_and_no_point_is_lost() {
    let (hub, harbor, rover) = two_wallets().await;
    let typed = typed(&harbor, &rover, ("guest", "rider")).await;
    let earns = (0..20).map(|number| {
        let (client, reference, currency) =
            if number % 2 == 0 { (&harbor, "guest", "EUR") } else { (&rover, "rider", "USD") };
        let client = client.clone();
        tokio::spawn(async move { client.earn(earn(reference, cents(100), currency)).await })
    });
    let earns: Vec<_> = earns.collect();
    let (one, two) = tokio::join!(
        harbor.confirm_link(confirming("guest", &typed)),
        harbor.confirm_link(confirming("guest", &typed))
    );
    assert_eq!([&one, &two].map(|answer| i32::from(answer.is_ok())).iter().sum::<i32>(), 1);
    let loser = [one, two].into_iter().find(Result::is_err).unwrap();
    assert!(is_refused(loser, R::LinkUnknown));
    let mut posted = 0;
    for earn in earns {
        match earn.await.unwrap() {
            Ok(_) => posted += 1,
            // A line of before the merge: the same id finds the right member.
            Err(refused) => assert_eq!(reason(&refused), R::Overloaded),
        }
    }
    assert_eq!(has(&harbor, "guest").await, (150 + posted, 0, 0));
    let (one, two) = tokio::join!(
        unmerge(&harbor, by_code(&typed.code.id)),
        unmerge(&rover, by_redemption(&typed.redemption_id))
    );
    assert_eq!([&one, &two].map(|answer| i32::from(answer.is_ok())).iter().sum::<i32>(), 1);
    let loser = [one, two].into_iter().find(Result::is_err).unwrap();
    assert!(is_refused(loser, R::MergeNotReversible));
    let (guest, rider) = (has(&harbor, "guest").await, has(&rover, "rider").await);
    assert_eq!(guest.0 + rider.0, 150 + posted);
    hub.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_member_confirmed_before_it_was_merged_is_still_taken_back() {
    let (hub, harbor, rover) = two_wallets().await;
    let grocer = hub.partner(GROCER).await;
    let code = create(&rover, "rider", GROCER).await;
    let pending = type_in(&grocer, GROCER, "shopper", &code.code).await.unwrap();
    confirm(&rover, ROVER, ("rider", &code), pending.number).await.unwrap();
    merge(&harbor, &rover, ("guest", "rider")).await;
    assert_eq!(has(&grocer, "shopper").await, (150, 0, 0));
    let link = Some(Link::LinkCodeId(code.id));
    let take_back = UnlinkRequest { request_id: new_request_id(), link };
    rover.unlink(take_back).await.unwrap();
    assert!(!check(&grocer, "shopper").await.linked);
    hub.close().await;
}
