//! A past before anything is measured: the hub posts a few pairs of an earn and a burn of all that it
//! gave, and the database copies them, window by window, each of which the hub then closes.

use anyhow::ensure;
use entente_api::points::{BurnRequest, EarnRequest, burn_request};
use entente_api::settlement::CloseWindowRequest;
use entente_api::types::Money;
use entente_client::{Client, Operators, new_request_id};
use entente_store::history::{History, MODEL, Written};

use super::coalition::{self, CATEGORY, CURRENCY};
use super::seen::{Acknowledged, Told};
use crate::demo::progress::Progress;

/// Into how many windows the past is divided.
const WINDOWS: i64 = 10;

/// How many pairs one transaction writes: some seconds, for which the heads are locked.
const AT_ONCE: i64 = 25_000;

/// What a model's purchase costs: little, so that no cap is reached by many millions of them.
const SPEND: i64 = 1_000_000;

/// What was there before anything was measured.
#[derive(Clone, Debug, Default)]
pub(crate) struct Past {
    /// What the ledger has of it, models included.
    pub(crate) acknowledged: Acknowledged,
    /// How many operations were copied.
    pub(crate) operations: u64,
    /// The windows that were closed.
    pub(crate) windows: Vec<String>,
    /// What the whole database took then.
    pub(crate) database_bytes: u64,
}

/// Fills the ledger with so many operations, of the members that are there.
pub(crate) async fn fill(
    (operator, partners): (&Operators, &[Client]),
    (owner_url, operations): (&str, u64),
    progress: Progress,
) -> anyhow::Result<Past> {
    let mut past = Past::default();
    for home in 0..partners.len() {
        model((operator, partners), (home, home), &mut past.acknowledged).await?;
        let next = (home + 1) % partners.len();
        if next != home {
            model((operator, partners), (home, next), &mut past.acknowledged).await?;
        }
    }
    let mut history = History::open(owner_url).await?;
    let (pairs, mut written) = (i64::try_from(operations / 2)?, Written::default());
    let bar = progress.bar("history", usize::try_from(operations)?);
    for window in 1..=WINDOWS {
        let mut left = pairs * window / WINDOWS - written.operations / 2;
        while left > 0 {
            let now = left.min(AT_ONCE);
            written = written.and(history.add(now).await?);
            left -= now;
            bar.set_position(u64::try_from(written.operations)?);
        }
        let name = format!("history-{window:02}");
        operator.close_window(CloseWindowRequest { name: name.clone(), testing: false }).await?;
        past.windows.push(name);
    }
    bar.finish_and_clear();
    progress.step("vacuuming and gathering statistics");
    past.database_bytes = u64::try_from(history.close().await?)?;
    past.operations = u64::try_from(written.operations)?;
    past.acknowledged.add(Acknowledged {
        operations: past.operations,
        issued: written.issued,
        redeemed: written.redeemed,
    });
    Ok(past)
}

/// A new member earns at its partner and burns all of it, there or at the next.
async fn model(
    (operator, partners): (&Operators, &[Client]),
    (home, redeemer): (usize, usize),
    acknowledged: &mut Acknowledged,
) -> anyhow::Result<()> {
    let member_reference = format!("{MODEL}{home}-{redeemer}");
    coalition::introduce((operator, partners), home, &member_reference).await?;
    let earn = EarnRequest {
        request_id: new_request_id(),
        member_reference: member_reference.clone(),
        spend: Some(Money { currency: CURRENCY.to_owned(), micros: SPEND }),
        category: CATEGORY.to_owned(),
        receipt_reference: member_reference.clone(),
        ..EarnRequest::default()
    };
    let earned = partners[home].earn(earn).await?.operation.map_or(0, |earn| earn.points);
    ensure!(earned > 0, "a model has to earn something");
    let burn = BurnRequest {
        request_id: new_request_id(),
        member_reference: member_reference.clone(),
        amount: Some(burn_request::Amount::Points(earned)),
        receipt_reference: member_reference,
    };
    let burned = partners[redeemer].burn(burn).await?.operation.map_or(0, |burn| burn.points);
    ensure!(burned == earned, "a model has to burn what it earned");
    acknowledged.count(Told::Earned(earned));
    acknowledged.count(Told::Redeemed(burned));
    Ok(())
}
