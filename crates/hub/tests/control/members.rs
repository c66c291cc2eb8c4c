//! Enrolments, links and balances.

use entente_api::member::ExpiringPoints;
use entente_hub::{error::RpcError, parse};
use entente_ledger::PartnerId;
use entente_testkit::morning;
use jiff::ToSpan;

use crate::stage::{HARBOR, ROVER, Stage, attachment, enrolment, reason};

#[tokio::test]
async fn a_reference_is_enrolled_once_whatever_the_id() {
    let stage = Stage::with_partners().await;
    let first = stage.enrol(HARBOR, &enrolment("guest-1")).await.expect("enrolled");
    let again = stage.enrol(HARBOR, &enrolment("guest-1")).await.expect("known");
    assert!(first.created && !again.created && !again.replayed);
    assert_eq!(first.member_token, again.member_token);
}

#[tokio::test]
async fn a_member_gets_one_reference_at_each_brand() {
    let stage = Stage::with_partners().await;
    for reference in ["guest-1", "guest-2"] {
        stage.enrol(HARBOR, &enrolment(reference)).await.expect("enrolled");
    }
    for (from, to, expected) in [
        ("guest-9", "rider-1", Err("MEMBER_UNKNOWN")),
        ("guest-1", "rider-1", Ok(true)),
        ("guest-1", "rider-1", Ok(false)),
        ("guest-2", "rider-1", Err("REFERENCE_TAKEN")),
        ("guest-1", "rider-2", Err("MEMBER_ALREADY_LINKED")),
        ("guest-2", "rider-2", Ok(true)),
    ] {
        let attached = stage.attach(&attachment(from, to)).await.map(|answer| answer.created);
        assert_eq!(attached, expected.map_err(str::to_owned), "{from} {to}");
    }
    let mut unknown = attachment("guest-1", "rider-1");
    unknown.target_partner = "nobody".to_owned();
    assert_eq!(stage.attach(&unknown).await.expect_err("unknown"), "PARTNER_UNKNOWN");
}

#[tokio::test]
async fn an_attached_member_has_one_wallet_under_two_tokens() {
    let stage = Stage::with_partners().await;
    stage.enrol(HARBOR, &enrolment("guest-1")).await.expect("enrolled");
    stage.attach(&attachment("guest-1", "rider-1")).await.expect("attached");
    give_points(&stage).await;
    let at_harbor = balance(&stage, HARBOR, "guest-1").await.expect("a balance");
    let at_rover = balance(&stage, ROVER, "rider-1").await.expect("a balance");
    assert_eq!(at_harbor.balances, at_rover.balances);
    assert_ne!(at_harbor.member_token, at_rover.member_token);
}

#[tokio::test]
async fn a_balance_counts_what_is_due_by_now_as_expired() {
    let stage = Stage::with_partners().await;
    stage.enrol(HARBOR, &enrolment("guest-1")).await.expect("enrolled");
    give_points(&stage).await;
    let expiring = |month: &str, issuer: &str, points| ExpiringPoints {
        month: month.to_owned(),
        issuer: issuer.to_owned(),
        points,
    };
    let own = |month, points| expiring(month, "harbor-hotels", points);
    let others = |month, points| expiring(month, "coalition", points);
    for (days, available, expiries) in [
        (0, 170, vec![own("2026-03", 110), others("2026-03", 20), own("2026-05", 40)]),
        (10, 70, vec![own("2026-03", 10), others("2026-03", 20), own("2026-05", 40)]),
        (40, 40, vec![own("2026-05", 40)]),
        (400, 0, vec![]),
    ] {
        let now = morning() + (24 * days).hours();
        stage.controls.advance_clock(now).await.map_err(reason).expect("forward");
        let balance = balance(&stage, HARBOR, "guest-1").await.expect("a balance");
        let balances = balance.balances.expect("balances");
        assert_eq!((balances.available, balances.held, balances.debt), (available, 0, 0));
        assert_eq!(balance.expiries, expiries, "after {days} days");
    }
}

#[tokio::test]
async fn a_partner_reads_its_own_members_alone() {
    let stage = Stage::with_partners().await;
    stage.enrol(HARBOR, &enrolment("guest-1")).await.expect("enrolled");
    let refused = balance(&stage, ROVER, "guest-1").await.map_err(reason).expect_err("unknown");
    assert_eq!(refused, "MEMBER_UNKNOWN");
    let guest = stage.vault.lookup(ROVER, &member("guest-1"));
    let listed = stage.reading.operations(ROVER, Some(guest), None, 10).await;
    assert_eq!(listed.map_err(reason).expect_err("unknown"), "MEMBER_UNKNOWN");
}

fn member(reference: &str) -> parse::MemberReference {
    parse::member::reference(reference).expect("a good reference")
}

async fn balance(
    stage: &Stage,
    partner: PartnerId,
    reference: &str,
) -> Result<entente_api::member::GetBalanceResponse, RpcError> {
    let member = stage.vault.lookup(partner, &member(reference));
    stage.reading.balance(partner, member).await
}

/// 150 points of Harbor's and 20 of Rover's, in lots of different expiries.
async fn give_points(stage: &Stage) {
    for statement in [
        "UPDATE wallets SET available = 170, next_due_at = '2026-03-10Z'",
        "INSERT INTO lots (cell, member_id, opened_by, ordinal, issuer, funding, terms_version,
             currency, expires_at, remaining, held, expired, open, category, spend_micros,
             spend_reversed_micros, activity_at, points_earned, points_clawed)
         SELECT cell, member_id, n, 0, issuer, 2, 1, 'EUR', expires_at, points, 0, 0, true, 'room', 1,
                0, '2026-03-01Z', points, 0
         FROM wallets, (VALUES (1, 1, timestamptz '2026-03-10Z', 100), (2, 1, '2026-03-31Z', 10),
             (3, 2, '2026-03-31Z', 20), (4, 1, '2026-05-01Z', 40))
             AS l (n, issuer, expires_at, points)",
    ] {
        sqlx::query(statement).execute(&stage.pool).await.expect(statement);
    }
}
