//! What it costs to net a window of 20 partners, each owing every other in two currencies, and to
//! reconcile a record of 10,000 lines: `cargo bench -p entente-settlement`.

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use entente_ledger::{
    AmountKind, Micros, PartnerId, Points, PositionAmount, PositionKey, RequestId,
};
use entente_settlement::{
    Money, Netting, close, owed,
    reconcile::{Kind, Line, LineStatus, Matcher, Operation, Rules, Standing, Texts, When},
};
use jiff::Timestamp;
use uuid::Uuid;

const PARTNERS: i32 = 20;
const LINES: u32 = 10_000;

fn positions() -> Vec<(PositionKey, PositionAmount)> {
    let mut positions = Vec::new();
    for code in ["USD", "EUR"] {
        let currency = code.parse().expect("ISO 4217");
        for payer in 1..=PARTNERS {
            for payee in (0..=PARTNERS).filter(|payee| *payee != payer) {
                let micros = Micros(i64::from(payer * 7_919 + payee * 104_729) * 1_003);
                let amount = PositionAmount { points: Points(1), micros };
                let (payer, payee) = (PartnerId(payer), PartnerId(payee));
                let kind = AmountKind::Redemption;
                positions.push((PositionKey { currency, payer, payee, kind }, amount));
            }
        }
    }
    positions
}

fn netting(c: &mut Criterion) {
    let positions = positions();
    let totals = close(positions.iter().copied()).expect("small").totals;
    let mut group = c.benchmark_group("netting/20-partners");
    group.bench_function("close", |b| {
        b.iter(|| close(black_box(&positions).iter().copied()).expect("small"));
    });
    for (name, netting) in [
        ("gross", Netting::Gross),
        ("bilateral", Netting::Bilateral),
        ("multilateral", Netting::Multilateral),
    ] {
        group.bench_function(name, |b| {
            b.iter(|| owed(black_box(&totals), netting).expect("small"));
        });
    }
    group.finish();
}

fn instant(text: &str) -> Timestamp {
    text.parse().expect("an instant")
}

fn rules() -> Rules {
    Rules {
        opened_at: instant("2026-03-01T00:00:00Z"),
        closed_at: instant("2026-04-01T00:00:00Z"),
        with_money: true,
        clock_tolerance_s: 300,
        day_tolerance_s: 86_400,
        most_lines: 100_000,
    }
}

/// What both sides say of one purchase.
struct Purchase {
    operation: Operation,
    line: Line,
    receipt: String,
    member: String,
}

/// One line in a hundred tells another amount; one in two hundred is missing on a side.
fn purchases(with_ids: bool) -> Vec<Purchase> {
    let when = When::at(instant("2026-03-20T09:00:00Z"));
    let purchase = |row: u32| {
        let points = i64::from(row % 5_000) + 1;
        let told = if row.is_multiple_of(100) { points + 7 } else { points };
        let id = RequestId(Uuid::from_u128(u128::from(row.wrapping_mul(2_246_822_519)) << 64));
        let money = |points| Money {
            currency: "USD".parse().expect("ISO 4217"),
            micros: Micros(points * 12_000),
        };
        Purchase {
            operation: Operation {
                request_id: id,
                corrects: None,
                kind: Kind::Earn,
                standing: Standing::Posted,
                in_window: true,
                points: Points(points),
                money: money(points),
                posted: when,
                activity: when,
            },
            line: Line {
                row,
                request_id: with_ids.then_some(id),
                kind: Some(Kind::Earn),
                status: LineStatus::Posted,
                points: Points(told),
                money: money(told),
                when,
            },
            receipt: format!("BOOKING-{row:010}"),
            member: format!("MEMBER-{:08}", row.wrapping_mul(31)),
        }
    };
    (0..LINES).map(purchase).collect()
}

fn reconcile(purchases: &[Purchase]) -> usize {
    let mut matcher = Matcher::new(rules(), 7);
    for Purchase { line, receipt, member, .. } in purchases {
        if line.row % 200 != 1 {
            matcher.line(*line, Texts { receipt, member }).expect("taken");
        }
    }
    let mut matching = matcher.against();
    for Purchase { operation, line, receipt, member } in purchases {
        if line.row % 200 != 2 {
            matching.operation(*operation, Texts { receipt, member }).expect("taken");
        }
    }
    matching.finish().expect("explained").breaks().count()
}

fn matching(c: &mut Criterion) {
    let mut group = c.benchmark_group("matching/10000-lines");
    group.throughput(Throughput::Elements(u64::from(LINES)));
    for (name, with_ids) in [("by-request", true), ("by-receipt", false)] {
        let purchases = purchases(with_ids);
        group.bench_function(name, |b| {
            b.iter(|| reconcile(black_box(&purchases)));
        });
    }
    group.finish();
}

criterion_group!(benches, netting, matching);
criterion_main!(benches);
