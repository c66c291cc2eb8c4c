//! A partner's statement of a window, in the canonical form, from what was decided.

use std::collections::BTreeMap;

use entente_ledger::{AmountKind, Currency, Micros, PartnerId, Points, Unit};
use entente_loyalty::Decision;
use entente_settlement::{
    Closing, Money, Party,
    statement::{
        Direction, Moved, StatementHeader, StatementLine, StatementRecord, write_csv,
        write_csv_head, write_json,
    },
};
use entente_testkit::morning;
use jiff::tz::TimeZone;

/// Kind, who pays, counterparty and currency of what is summed up.
type Key = (AmountKind, Direction, PartnerId, Currency);

/// A statement as bytes, and what its lines and totals come to in each currency: positive where the
/// partner pays.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Told {
    pub(super) csv: String,
    json: String,
    pub(super) comes_to: BTreeMap<String, i128>,
}

/// Writes the statement of a partner.
pub(super) fn statement(
    partner: PartnerId,
    window: usize,
    decisions: &[&Decision],
    closing: &Closing,
) -> Told {
    let mut told = Told::default();
    write_csv_head(&mut told.csv);
    let (code, name) = (format!("brand-{partner}"), format!("window-{window}"));
    told.record(&StatementRecord::Header(StatementHeader {
        window: &name,
        partner: &code,
        opened_at: morning(),
        closed_at: decisions.iter().map(|d| d.operation.posted_at).max().unwrap_or(morning()),
        simulation: true,
    }));
    let mut line_count = 0;
    let mut days: BTreeMap<jiff::civil::Date, Vec<&Decision>> = BTreeMap::new();
    for decision in decisions {
        if decision.operation.partner == partner {
            line_count += told.lines(partner, decision);
        } else {
            let day = decision.operation.posted_at.to_zoned(TimeZone::UTC).date();
            days.entry(day).or_default().push(decision);
        }
    }
    for (day, decisions) in days {
        for (key, (points, micros)) in summed(partner, &decisions) {
            told.count(key, micros);
            let counterparty = key.2.to_string();
            let moved = moved(key, &counterparty, points, micros);
            told.record(&StatementRecord::Elsewhere { day, moved });
        }
    }
    for (key, (points, micros)) in summed(partner, decisions) {
        let counterparty = key.2.to_string();
        told.record(&StatementRecord::Total(moved(key, &counterparty, points, micros)));
    }
    for (Party { currency, .. }, net) in
        closing.nets.iter().filter(|(party, _)| party.partner == partner)
    {
        let (direction, micros) = Direction::of(*net).expect("small");
        let amount = Money { currency: *currency, micros };
        told.record(&StatementRecord::Closing { direction, amount, line_count });
    }
    told
}

impl Told {
    fn record(&mut self, record: &StatementRecord<'_>) {
        write_csv(&mut self.csv, record);
        write_json(&mut self.json, record);
    }

    fn count(&mut self, (_, direction, _, currency): Key, micros: i64) {
        let sum = self.comes_to.entry(currency.to_string()).or_default();
        match direction {
            Direction::Pays => *sum += i128::from(micros),
            Direction::Receives => *sum -= i128::from(micros),
            Direction::Even => {}
        }
    }

    fn lines(&mut self, partner: PartnerId, decision: &Decision) -> u64 {
        let operation = &decision.operation;
        let mut lines = 0;
        for (key, (points, micros)) in summed(partner, &[decision]) {
            lines += 1;
            self.count(key, micros);
            let counterparty = key.2.to_string();
            self.record(&StatementRecord::Line(StatementLine {
                request_id: operation.request_id,
                posted_at: operation.posted_at,
                activity_at: operation.activity_at,
                receipt_reference: &operation.receipt_reference,
                member_token: &operation.member.0.to_string(),
                terms_version: operation.terms_version,
                price: None,
                prior_period: operation.prior_period,
                moved: moved(key, &counterparty, points, micros),
            }));
        }
        lines
    }
}

fn moved(
    (kind, direction, _, currency): Key,
    counterparty: &str,
    points: i64,
    micros: i64,
) -> Moved<'_> {
    let amount = Money { currency, micros: Micros(micros) };
    Moved { kind, counterparty, points: Points(points), direction, amount }
}

/// Points and micros of each kind with each counterparty.
fn summed(partner: PartnerId, decisions: &[&Decision]) -> BTreeMap<Key, (i64, i64)> {
    let mut sums = BTreeMap::new();
    for transfer in decisions.iter().flat_map(|decision| &decision.transfers) {
        let (direction, counterparty) = match (transfer.payer, transfer.payee) {
            (payer, payee) if payer == payee => (Direction::Even, payee),
            (payer, payee) if payer == partner => (Direction::Pays, payee),
            (payer, payee) if payee == partner => (Direction::Receives, payer),
            _ => continue,
        };
        if direction == Direction::Even && counterparty != partner {
            continue;
        }
        let key = (transfer.kind, direction, counterparty, transfer.currency);
        let sum: &mut (i64, i64) = sums.entry(key).or_default();
        match transfer.unit() {
            Unit::Points { .. } => sum.0 += transfer.amount(),
            Unit::Money => sum.1 += transfer.amount(),
        }
    }
    sums
}
