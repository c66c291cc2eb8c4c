//! The exposure with which a cap begins.

use entente_ledger::{
    Currency, Funding, Hold, HoldLeg, HoldState, LotId, PartnerId, Points, RequestId, Seq,
    TermsVersion, WindowId,
};
use entente_loyalty::{Terms, reservation};
use entente_store::{
    catalogue::{insert_terms, track_exposure},
    control::Control,
};
use entente_testkit::morning;
use sqlx::{PgPool, Row};
use uuid::Uuid;

use crate::{Ledger, terms};

fn eur() -> Currency {
    "EUR".parse().expect("ISO 4217")
}

async fn owed(ledger: &Ledger, partner: PartnerId) -> Option<i64> {
    let row = sqlx::query("SELECT owed_micros FROM exposures WHERE partner_id = $1")
        .bind(partner.0)
        .fetch_optional(&ledger.pool)
        .await
        .expect("a read");
    row.map(|row| row.get(0))
}

async fn execute(pool: &PgPool, statement: &'static str) {
    sqlx::query(statement).execute(pool).await.expect(statement);
}

/// A hold of one leg for each number of points, on lots of `issuer`.
fn hold(number: i64, terms: &Terms, (issuer, funding): (PartnerId, Funding), legs: &[i64]) -> Hold {
    let leg = |points: &i64| HoldLeg {
        lot: LotId { opened_by: Seq(1), ordinal: 0 },
        issuer,
        funding,
        expires_at: morning(),
        points: Points(*points),
        captured: Points(0),
        refunded: Points(0),
    };
    Hold {
        authorized_by: Seq(number),
        request_id: RequestId(Uuid::from_u128(1)),
        partner: terms.partner,
        terms_version: TermsVersion(1),
        state: HoldState::Open,
        expires_at: morning(),
        legs: legs.iter().map(leg).collect(),
    }
}

async fn write(pool: &PgPool, hold: &Hold, open: bool) {
    let member = Uuid::from_u128(9);
    sqlx::query(
        "INSERT INTO holds (cell, member_id, authorized_by, request_id, partner_id, terms_version,
                            state, open, expires_at)
         VALUES (0, $1, $2, $1, $3, 1, CASE WHEN $4 THEN 1 ELSE 3 END, $4, 'infinity')",
    )
    .bind(member)
    .bind(hold.authorized_by.0)
    .bind(hold.partner.0)
    .bind(open)
    .execute(pool)
    .await
    .expect("a hold");
    for (number, leg) in (0_i16..).zip(&hold.legs) {
        sqlx::query(
            "INSERT INTO hold_legs (cell, member_id, authorized_by, leg, lot_opened_by,
                 lot_ordinal, issuer, funding, expires_at, points, captured, refunded)
             VALUES (0, $1, $2, $3, 1, 0, $4, $5, 'infinity', $6, 0, 0)",
        )
        .bind(member)
        .bind(hold.authorized_by.0)
        .bind(number)
        .bind(leg.issuer.0)
        .bind(if leg.funding == Funding::AtIssue { 1_i16 } else { 2 })
        .bind(leg.points.0)
        .execute(pool)
        .await
        .expect("a leg");
    }
}

#[tokio::test]
async fn a_cap_begins_with_what_is_owed_already() {
    let ledger = Ledger::fresh().await;
    let (harbor, rover) =
        (ledger.partner("harbor-hotels").await, ledger.partner("rover-rides").await);
    assert_eq!((harbor.0, rover.0), (1, 2));
    // Owed 700, owed to it 50; a memo, another currency, a rounding, a payment and an older window
    // count for nothing. Of obligations: 300 unpaid.
    for statement in [
        "INSERT INTO windows VALUES (0, '2026-01', '2026-01-01Z', '2026-02-01Z')",
        "INSERT INTO positions VALUES (0, 1, 'EUR', 1, 2, 3, 0, 500), (1, 1, 'EUR', 1, 0, 1, 0, 200),
             (2, 1, 'EUR', 2, 1, 3, 0, 50), (0, 1, 'EUR', 1, 1, 3, 0, 9000),
             (0, 1, 'USD', 1, 2, 3, 0, 9000), (0, 1, 'EUR', 1, 0, 9, 0, 9000),
             (0, 1, 'EUR', 1, 0, 11, 0, 9000), (0, 0, 'EUR', 1, 2, 3, 0, 9000),
             (0, 1, 'EUR', 2, 0, 3, 0, 9000)",
        "INSERT INTO obligations VALUES (0, 1, 0, 'EUR', 400, 'a', 100), (0, 0, 2, 'EUR', 400, 'b', 0),
             (0, 1, 0, 'USD', 9000, 'c', 0)",
    ] {
        execute(&ledger.pool, statement).await;
    }
    let mut control = Control::begin(&ledger.pool).await.expect("heads");
    let window = control.window().id;
    track_exposure(control.connection(), harbor, eur(), window).await.expect("an exposure");
    control.commit().await.expect("a commit");
    assert_eq!(owed(&ledger, harbor).await, Some(700 - 50 + 300));
    assert_eq!(owed(&ledger, rover).await, None);
}

#[tokio::test]
async fn a_cap_begins_with_what_open_holds_reserve() {
    let ledger = Ledger::fresh().await;
    let (harbor, rover) =
        (ledger.partner("harbor-hotels").await, ledger.partner("rover-rides").await);
    let (of_harbor, of_rover) = (terms(harbor, 1), terms(rover, 1));
    let mut control = Control::begin(&ledger.pool).await.expect("heads");
    for terms in [&of_harbor, &of_rover] {
        insert_terms(control.connection(), terms).await.expect("terms");
    }
    control.commit().await.expect("a commit");
    let at_redemption = (harbor, Funding::AtRedemption);
    // The largest leg is beyond what a division of decimals would keep exact.
    let counted = [
        hold(1, &of_rover, at_redemption, &[5_000, 1, 33, 700_000_000_000_001]),
        hold(2, &of_harbor, at_redemption, &[7, 11]),
        hold(3, &of_rover, (harbor, Funding::AtIssue), &[4_000]),
        hold(4, &of_rover, (rover, Funding::AtRedemption), &[2_000]),
    ];
    let mut expected = 0;
    for hold in &counted {
        write(&ledger.pool, hold, true).await;
        let terms = if hold.partner == harbor { &of_harbor } else { &of_rover };
        let reserved = reservation(hold, terms).expect("small");
        expected += reserved.get(&(harbor, eur())).map_or(0, |micros| micros.0);
    }
    write(&ledger.pool, &hold(5, &of_rover, at_redemption, &[900]), false).await;
    track_exposure(&ledger.pool, harbor, eur(), WindowId(1)).await.expect("an exposure");
    assert!(expected > 0);
    assert_eq!(owed(&ledger, harbor).await, Some(expected));
}

#[tokio::test]
async fn an_exposure_that_is_kept_already_stays() {
    let ledger = Ledger::fresh().await;
    let harbor = ledger.partner("harbor-hotels").await;
    execute(&ledger.pool, "INSERT INTO exposures VALUES (1, 'EUR', 42)").await;
    track_exposure(&ledger.pool, harbor, eur(), WindowId(1)).await.expect("no change");
    assert_eq!(owed(&ledger, harbor).await, Some(42));
}
