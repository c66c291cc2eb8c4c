//! What the hub says of each brand: its statements of all windows, added up.

use std::collections::BTreeMap;
use std::pin::pin;

use entente_api::settlement::get_statement_response::Part;
use entente_api::settlement::{
    AmountKind, Direction, GetStatementRequest, Net, StatementClosing, StatementTotal,
};
use entente_api::types::Money;
use futures::{StreamExt as _, stream};

use super::plan::BRANDS;
use super::play::Window;
use super::purse::{ByBrand, Totals};
use crate::commands::settle::{Statement, read_statement};
use crate::demo::play::Clients;
use crate::demo::progress::Progress;

/// How many statements are read at once.
const READ_AT_ONCE: usize = 8;

/// What the statements come to.
#[derive(Debug, Default)]
pub(crate) struct Sums {
    /// What became of each brand's points.
    pub(crate) totals: ByBrand,
    /// Each brand's statements in one.
    pub(crate) statements: Vec<Statement>,
    /// What each party paid or received in all windows.
    pub(crate) nets: Vec<Net>,
}

/// Each brand reads its own statement of each window.
pub(crate) async fn read(
    windows: &[Window],
    clients: &Clients,
    progress: &Progress,
) -> anyhow::Result<Sums> {
    let bar = progress.bar("statements", windows.len() * BRANDS.len());
    let mut sums = Sums { nets: summed_nets(windows), ..Sums::default() };
    for brand in BRANDS {
        let mut totals = Totals::default();
        let mut whole = Statement::default();
        let months = stream::iter(windows).map(async |window| {
            let request = GetStatementRequest {
                window: window.name.clone(),
                partner: String::new(),
                ..GetStatementRequest::default()
            };
            let mut totals = Totals::default();
            let counted = |part: &Part| {
                count(&mut totals, part);
                Ok(())
            };
            let statement = read_statement(clients.of(brand), request, counted).await?;
            anyhow::Ok((totals, statement))
        });
        let mut months = pin!(months.buffered(READ_AT_ONCE));
        while let Some(month) = months.next().await {
            let (of_month, statement) = month?;
            totals.add(&of_month);
            add(&mut whole, statement);
            bar.inc(1);
        }
        sums.totals.insert(brand, totals);
        sums.statements.push(whole);
    }
    bar.finish_and_clear();
    Ok(sums)
}

/// Counts a part of a brand's statement. Points for which the brand receives money are others' points,
/// burned at its till.
fn count(totals: &mut Totals, part: &Part) {
    let (kind, direction, points, at_own_till) = match part {
        Part::Line(line) => (line.kind(), line.direction(), line.points, true),
        Part::Elsewhere(sum) => (sum.kind(), sum.direction(), sum.points, false),
        _ => return,
    };
    let own = direction != Direction::Receives;
    match kind {
        AmountKind::Issue => totals.earned += points,
        AmountKind::IssueCancelled => totals.reversed += points,
        AmountKind::IssueReinstated => totals.reinstated += points,
        AmountKind::Redemption => {
            totals.burned += if own { points } else { 0 };
            totals.accepted += if at_own_till { points } else { 0 };
        }
        AmountKind::DebtRepaid if own => totals.repaid += points,
        _ => {}
    }
}

/// Adds a month to what was before.
fn add(whole: &mut Statement, month: Statement) {
    let key = |total: &StatementTotal| {
        (total.counterparty.clone(), total.kind, total.direction, currency(total.amount.as_ref()))
    };
    for total in month.totals {
        match whole.totals.iter_mut().find(|known| key(known) == key(&total)) {
            Some(known) => {
                known.points += total.points;
                let micros = total.amount.map_or(0, |amount| amount.micros);
                known.amount.get_or_insert_default().micros += micros;
            }
            None => whole.totals.push(total),
        }
    }
    whole.line_count += month.line_count;
    whole.prior_period_count += month.prior_period_count;
    whole.header = month.header;
    let nets = whole.closings.iter().chain(&month.closings);
    let nets = nets.map(|closing| ((), closing.direction(), closing.amount.as_ref()));
    let closings = signed(nets).into_iter().map(|(((), currency), micros)| {
        let (direction, amount) = directed(currency, micros);
        StatementClosing { direction, amount, line_count: 0 }
    });
    whole.closings = closings.collect();
}

fn summed_nets(windows: &[Window]) -> Vec<Net> {
    let nets = windows.iter().flat_map(|window| &window.nets);
    let nets = nets.map(|net| (net.party.clone(), net.direction(), net.amount.as_ref()));
    let net = |((party, currency), micros): ((String, String), i64)| {
        let (direction, amount) = directed(currency, micros);
        Net { party, direction, amount }
    };
    signed(nets).into_iter().map(net).collect()
}

/// What was received less what was paid, by party and currency.
fn signed<'a, P: Ord>(
    nets: impl Iterator<Item = (P, Direction, Option<&'a Money>)>,
) -> BTreeMap<(P, String), i64> {
    let mut sums = BTreeMap::new();
    for (party, direction, amount) in nets {
        let micros = amount.map_or(0, |amount| amount.micros);
        let sum: &mut i64 = sums.entry((party, currency(amount))).or_default();
        *sum += if direction == Direction::Pays { -micros } else { micros };
    }
    sums
}

fn directed(currency: String, micros: i64) -> (i32, Option<Money>) {
    let direction = match micros {
        ..0 => Direction::Pays,
        0 => Direction::Even,
        _ => Direction::Receives,
    };
    (direction.into(), Some(Money { currency, micros: micros.abs() }))
}

fn currency(amount: Option<&Money>) -> String {
    amount.map(|amount| amount.currency.clone()).unwrap_or_default()
}
