//! Obligations are paid oldest first, and exposures follow closing and paying.

use entente_ledger::{Funding, Micros, PartnerId, RequestId};
use entente_settlement::Party;
use entente_store::{
    Outcome, RequestRow,
    catalogue::track_exposure,
    control::Control,
    settlement::{ExceedsObligation, Payment, computed_exposures, record_payment},
};
use uuid::Uuid;

use crate::cast::{HARBOR, Ledger, agreement, busy, close_window, currency, uneven};

async fn ledger() -> Ledger {
    let issuer = || agreement("EUR", Funding::AtIssue);
    Ledger::with([issuer(), issuer(), issuer()]).await
}

async fn track(ledger: &Ledger, partner: PartnerId, code: &str) {
    let mut control = Control::begin(&ledger.pool).await.expect("heads");
    let window = control.window().id;
    let tracked = track_exposure(control.connection(), partner, currency(code), window);
    tracked.await.expect("an exposure");
    control.commit().await.expect("a commit");
}

/// What Harbor owes, as kept and as added up: they have to agree at every moment.
async fn exposure(ledger: &Ledger) -> Micros {
    let kept: i64 = sqlx::query_scalar(
        "SELECT owed_micros FROM exposures WHERE partner_id = 1 AND currency = 'EUR'",
    )
    .fetch_one(&ledger.pool)
    .await
    .expect("a row");
    let computed = computed_exposures(&ledger.pool, Some(HARBOR)).await.expect("exposures");
    let party = Party { partner: HARBOR, currency: currency("EUR") };
    assert_eq!(computed.get(&party).copied().unwrap_or_default(), Micros(kept));
    Micros(kept)
}

async fn pay(ledger: &Ledger, id: u128, micros: i64) -> Result<Micros, ExceedsObligation> {
    let mut control = Control::begin(&ledger.pool).await.expect("heads");
    let request_id = RequestId(Uuid::from_u128(id));
    let amount = Micros(micros);
    let (partner, actor) = (HARBOR, "operator/ops".to_owned());
    let payment = Payment { request_id, partner, amount, currency: currency("EUR"), actor };
    let paid = record_payment(&mut control, &payment).await.expect("a payment")?;
    let outcome = Outcome {
        method: 60,
        fields: Vec::new(),
        refused: false,
        answer: Vec::new(),
        place: Some(paid.place),
    };
    let row = RequestRow { partner: PartnerId::HUB, request_id, outcome, receipt: None };
    control.record(&row).await.expect("an outcome");
    control.commit().await.expect("a commit");
    Ok(paid.remaining)
}

/// E5, from the close on.
#[tokio::test]
async fn an_unpaid_obligation_stays_in_the_exposure_until_it_is_paid() {
    let ledger = ledger().await;
    let member = ledger.member(1).await;
    track(&ledger, HARBOR, "EUR").await;
    ledger.earn(HARBOR, member, 2_450_000).await;
    assert_eq!(exposure(&ledger).await, Micros(24_500_000_000));
    ledger.earn(HARBOR, member, 550_000).await;
    close_window(&ledger.pool, "2026-03").await.expect("a close");
    assert_eq!(exposure(&ledger).await, Micros(30_000_000_000), "as before the close");
    assert_eq!(pay(&ledger, 1, 12_000_000_000).await, Ok(Micros(18_000_000_000)));
    assert_eq!(exposure(&ledger).await, Micros(18_000_000_000));
}

#[tokio::test]
async fn nobody_pays_more_than_it_owes() {
    let ledger = ledger().await;
    let member = ledger.member(1).await;
    track(&ledger, HARBOR, "EUR").await;
    ledger.earn(HARBOR, member, 100).await;
    let nothing = ExceedsObligation { owed: Micros(0) };
    assert_eq!(pay(&ledger, 1, 1_000_000).await, Err(nothing), "the window is open");
    close_window(&ledger.pool, "2026-03").await.expect("a close");
    let owed = ExceedsObligation { owed: Micros(1_000_000) };
    assert_eq!(pay(&ledger, 2, 1_010_000).await, Err(owed));
    assert_eq!(exposure(&ledger).await, Micros(1_000_000));
    assert_eq!(pay(&ledger, 3, 1_000_000).await, Ok(Micros(0)));
    assert_eq!(pay(&ledger, 4, 1).await, Err(nothing));
}

#[tokio::test]
async fn the_oldest_obligation_is_paid_first() {
    let ledger = ledger().await;
    let member = ledger.member(1).await;
    for name in ["2026-01", "2026-02", "2026-03"] {
        ledger.earn(HARBOR, member, 1_000).await;
        close_window(&ledger.pool, name).await.expect("a close");
    }
    assert_eq!(pay(&ledger, 1, 15_000_000).await, Ok(Micros(15_000_000)));
    let paid: Vec<i64> =
        sqlx::query_scalar("SELECT paid_micros FROM obligations ORDER BY window_id")
            .fetch_all(&ledger.pool)
            .await
            .expect("obligations");
    assert_eq!(paid, [10_000_000, 5_000_000, 0]);
}

#[tokio::test]
async fn what_is_kept_of_an_exposure_is_what_adding_up_gives() {
    let ledger = Ledger::with(uneven()).await;
    for code in ["EUR", "USD"] {
        for partner in 1..=3 {
            track(&ledger, PartnerId(partner), code).await;
        }
    }
    busy(&ledger).await;
    exposure(&ledger).await;
    close_window(&ledger.pool, "2026-03").await.expect("a close");
    let kept = "SELECT partner_id, currency, owed_micros FROM exposures ORDER BY 1, 2";
    let kept: Vec<(i32, String, i64)> =
        sqlx::query_as(kept).fetch_all(&ledger.pool).await.expect("rows");
    let computed = computed_exposures(&ledger.pool, None).await.expect("exposures");
    assert_eq!(kept.len(), 6);
    for (partner, code, owed) in kept {
        let party = Party { partner: PartnerId(partner), currency: currency(&code) };
        assert_eq!(computed.get(&party).copied().unwrap_or_default(), Micros(owed), "{party:?}");
    }
}
