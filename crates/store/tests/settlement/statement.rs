//! A statement adds up, reads the same each time, and tells a partner nothing of others.

use std::collections::BTreeMap;

use entente_ledger::{AmountKind, Currency, Micros, PartnerId, Points};
use entente_store::settlement::{
    statement::{Elsewhere, Line, Movement, Page, Side, Statement, StatementNet},
    window_by_name,
};

use crate::cast::{GROCER, HARBOR, Ledger, ROVER, busy, close_window, uneven};

#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Read {
    pub(crate) lines: Vec<Line>,
    pub(crate) elsewhere: Vec<Elsewhere>,
    totals: Vec<Movement>,
    closing: Vec<StatementNet>,
}

pub(crate) async fn read(ledger: &Ledger, partner: PartnerId, page_size: u16) -> Read {
    let window = window_by_name(&ledger.pool, "2026-03").await.expect("read").expect("a window");
    let statement = Statement::new(ledger.windows().await, partner, window);
    let mut statement = statement.with_page_size(page_size);
    let mut read = Read::default();
    while let Some(page) = statement.page().await.expect("a page") {
        match page {
            Page::Lines(lines) => read.lines.extend(lines),
            Page::Elsewhere(elsewhere) => read.elsewhere.extend(elsewhere),
            Page::Totals(totals) => read.totals.extend(totals),
            Page::Closing(closing) => read.closing.extend(closing),
            Page::Opening(_) | Page::Balance(_) => {}
        }
    }
    read
}

async fn closed() -> Ledger {
    let ledger = Ledger::with(uneven()).await;
    busy(&ledger).await;
    close_window(&ledger.pool, "2026-03").await.expect("a close");
    ledger
}

/// Points and money by counterparty, kind and currency; what a partner pays counts against it. Of
/// points without money between the two, what others moved of its lots is in no position.
fn sums<'a>(
    movements: impl Iterator<Item = &'a Movement>,
) -> BTreeMap<(PartnerId, AmountKind, Currency), i64> {
    let mut sums = BTreeMap::new();
    for movement in movements.filter(|movement| movement.side != Side::Even) {
        let key = (movement.counterparty, movement.kind, movement.currency);
        let sign = if movement.side == Side::Pays { -1 } else { 1 };
        *sums.entry(key).or_default() += sign * movement.amount.0;
    }
    sums
}

#[tokio::test]
async fn lines_and_elsewhere_add_up_to_the_totals_and_those_to_the_net() {
    let ledger = closed().await;
    for partner in [HARBOR, ROVER, GROCER] {
        let read = read(&ledger, partner, 1_000).await;
        assert!(!read.lines.is_empty() && !read.elsewhere.is_empty(), "{partner}");
        let lines = read.lines.iter().map(|line| &line.movement);
        let all = lines.chain(read.elsewhere.iter().map(|elsewhere| &elsewhere.movement));
        assert_eq!(sums(all), sums(read.totals.iter()), "{partner}");
        for closing in &read.closing {
            let of = |movement: &&Movement| movement.currency == closing.currency;
            let received: i64 = sums(read.totals.iter().filter(of)).values().sum();
            assert_eq!(Micros(-received), closing.net, "{partner}, rounding counted");
        }
    }
}

#[tokio::test]
async fn memos_are_the_same_in_lines_and_in_totals() {
    let ledger = closed().await;
    let read = read(&ledger, GROCER, 1_000).await;
    let memo = |movement: &&Movement| movement.counterparty == GROCER && !movement.amount.is_zero();
    let in_lines: i64 =
        read.lines.iter().map(|line| &line.movement).filter(memo).map(|m| m.amount.0).sum();
    let in_totals: i64 = read.totals.iter().filter(memo).map(|m| m.amount.0).sum();
    assert!(in_lines > 0, "the rider's own points were burned at the grocer");
    assert_eq!(in_lines, in_totals);
    assert!(read.totals.iter().filter(memo).all(|total| total.side == Side::Even));
}

#[tokio::test]
async fn a_statement_is_the_same_whatever_the_size_of_its_pages() {
    let ledger = closed().await;
    for partner in [HARBOR, ROVER, GROCER] {
        let whole = read(&ledger, partner, 1_000).await;
        for page_size in [1, 2, 3] {
            assert_eq!(read(&ledger, partner, page_size).await, whole, "{partner} by {page_size}");
        }
    }
}

#[tokio::test]
async fn a_later_payment_or_operation_changes_no_statement() {
    let ledger = closed().await;
    let before = read(&ledger, HARBOR, 1_000).await;
    let member = ledger.member(9).await;
    ledger.earn(HARBOR, member, 1_000).await;
    ledger.burn(ROVER, member, 500).await;
    close_window(&ledger.pool, "2026-04").await.expect("a close");
    assert_eq!(read(&ledger, HARBOR, 1_000).await, before);
}

#[tokio::test]
async fn an_issuer_learns_of_burns_elsewhere_as_totals_per_day_alone() {
    let ledger = closed().await;
    let read = read(&ledger, HARBOR, 1_000).await;
    let burned: Vec<_> = read
        .elsewhere
        .iter()
        .filter(|elsewhere| elsewhere.movement.kind == AmountKind::Redemption)
        .collect();
    assert_eq!(burned.len(), 1, "one day, one counterparty");
    let movement = burned[0].movement;
    assert_eq!((movement.counterparty, movement.points), (ROVER, Points(1_237)));
    assert_eq!(movement.amount, Micros(0), "the pool paid Rover, and Harbor paid the pool before");
    assert_eq!(burned[0].day.to_string(), "2026-03-02");
}

#[tokio::test]
async fn a_line_names_the_partners_own_request_receipt_and_link() {
    let ledger = closed().await;
    let read = read(&ledger, HARBOR, 1_000).await;
    let earned = &read.lines[0];
    assert_eq!(earned.movement.kind, AmountKind::Issue);
    assert_eq!(earned.movement.side, Side::Pays);
    assert_eq!(earned.movement.points, Points(1_237));
    assert_eq!(earned.movement.amount, Micros(1_237 * 10_123));
    assert_eq!(earned.receipt_reference, "R-1");
    assert_eq!(earned.terms_version.map(|version| version.0), Some(1));
    assert!(earned.link_token.is_some() && earned.activity_at.is_some());
}
