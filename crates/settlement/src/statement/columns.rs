//! The columns of a statement, and what each record says in them.

use entente_ledger::{Currency, Micros, Points};
use jiff::{Timestamp, civil::Date};
use uuid::Uuid;

use super::{Direction, Moved, StatementHeader, StatementLine, StatementRecord, kind_word};
use crate::Money;

/// The names of the columns, in order. They only grow, at the end.
pub const COLUMNS: [&str; 22] = [
    "record",
    "window",
    "partner",
    "opened_at",
    "closed_at",
    "simulation",
    "kind",
    "counterparty",
    "day",
    "posted_at",
    "activity_at",
    "request_id",
    "receipt_reference",
    "member_token",
    "points",
    "terms_version",
    "price",
    "direction",
    "amount",
    "currency",
    "prior_period",
    "line_count",
];

const RECORD: usize = 0;
const WINDOW: usize = 1;
const PARTNER: usize = 2;
const OPENED_AT: usize = 3;
const CLOSED_AT: usize = 4;
const SIMULATION: usize = 5;
const KIND: usize = 6;
const COUNTERPARTY: usize = 7;
const DAY: usize = 8;
const POSTED_AT: usize = 9;
const ACTIVITY_AT: usize = 10;
const REQUEST_ID: usize = 11;
const RECEIPT_REFERENCE: usize = 12;
const MEMBER_TOKEN: usize = 13;
const POINTS: usize = 14;
const TERMS_VERSION: usize = 15;
const PRICE: usize = 16;
const DIRECTION: usize = 17;
const AMOUNT: usize = 18;
const CURRENCY: usize = 19;
const PRIOR_PERIOD: usize = 20;
const LINE_COUNT: usize = 21;

/// What a record says in a column.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cell<'t> {
    #[default]
    Empty,
    Text(&'t str),
    Id(Uuid),
    Whole(i64),
    Count(u64),
    Exact(Micros),
    Code(Currency),
    Yes(bool),
    At(Timestamp),
    On(Date),
}

/// A record by columns.
#[derive(Debug, Default)]
pub(super) struct Row<'t> {
    pub(super) cells: [Cell<'t>; COLUMNS.len()],
}

impl<'t> Row<'t> {
    /// What a record says in each column.
    pub(super) fn of(record: &StatementRecord<'t>) -> Self {
        let mut row = Self::default();
        match record {
            StatementRecord::Header(header) => row.header(header),
            StatementRecord::Opening { direction, amount } => {
                row.set(RECORD, Cell::Text("opening"));
                row.money(*direction, *amount);
            }
            StatementRecord::Line(line) => row.line(line),
            StatementRecord::Elsewhere { day, moved } => {
                row.set(RECORD, Cell::Text("elsewhere"));
                row.set(DAY, Cell::On(*day));
                row.moved(moved);
            }
            StatementRecord::Total(moved) => {
                row.set(RECORD, Cell::Text("total"));
                row.moved(moved);
            }
            StatementRecord::Balance { direction, amount } => {
                row.set(RECORD, Cell::Text("balance"));
                row.money(*direction, *amount);
            }
            StatementRecord::Closing { direction, amount, line_count } => {
                row.set(RECORD, Cell::Text("closing"));
                row.money(*direction, *amount);
                row.set(LINE_COUNT, Cell::Count(*line_count));
            }
        }
        row
    }

    fn header(&mut self, header: &StatementHeader<'t>) {
        self.set(RECORD, Cell::Text("header"));
        self.set(WINDOW, Cell::Text(header.window));
        self.set(PARTNER, Cell::Text(header.partner));
        self.set(OPENED_AT, Cell::At(header.opened_at));
        self.set(CLOSED_AT, Cell::At(header.closed_at));
        self.set(SIMULATION, Cell::Yes(header.simulation));
    }

    fn line(&mut self, line: &StatementLine<'t>) {
        self.set(RECORD, Cell::Text("line"));
        self.set(POSTED_AT, Cell::At(line.posted_at));
        self.set(ACTIVITY_AT, line.activity_at.map(Cell::At).unwrap_or_default());
        self.set(REQUEST_ID, Cell::Id(line.request_id.0));
        self.set(RECEIPT_REFERENCE, text(line.receipt_reference));
        self.set(MEMBER_TOKEN, text(line.member_token));
        let version = line.terms_version.map(|version| Cell::Whole(i64::from(version.0)));
        self.set(TERMS_VERSION, version.unwrap_or_default());
        self.set(PRICE, line.price.map(Cell::Exact).unwrap_or_default());
        self.set(PRIOR_PERIOD, Cell::Yes(line.prior_period));
        self.moved(&line.moved);
    }

    fn moved(&mut self, moved: &Moved<'t>) {
        let Points(points) = moved.points;
        self.set(KIND, Cell::Text(kind_word(moved.kind)));
        self.set(COUNTERPARTY, text(moved.counterparty));
        self.set(POINTS, Cell::Whole(points));
        self.money(moved.direction, moved.amount);
    }

    fn money(&mut self, direction: Direction, amount: Money) {
        self.set(DIRECTION, Cell::Text(direction.word()));
        self.set(AMOUNT, Cell::Exact(amount.micros));
        self.set(CURRENCY, Cell::Code(amount.currency));
    }

    fn set(&mut self, column: usize, cell: Cell<'t>) {
        self.cells[column] = cell;
    }
}

fn text(text: &str) -> Cell<'_> {
    if text.is_empty() { Cell::Empty } else { Cell::Text(text) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_column_has_its_place() {
        let places = [
            (RECORD, "record"),
            (WINDOW, "window"),
            (PARTNER, "partner"),
            (OPENED_AT, "opened_at"),
            (CLOSED_AT, "closed_at"),
            (SIMULATION, "simulation"),
            (KIND, "kind"),
            (COUNTERPARTY, "counterparty"),
            (DAY, "day"),
            (POSTED_AT, "posted_at"),
            (ACTIVITY_AT, "activity_at"),
            (REQUEST_ID, "request_id"),
            (RECEIPT_REFERENCE, "receipt_reference"),
            (MEMBER_TOKEN, "member_token"),
            (POINTS, "points"),
            (TERMS_VERSION, "terms_version"),
            (PRICE, "price"),
            (DIRECTION, "direction"),
            (AMOUNT, "amount"),
            (CURRENCY, "currency"),
            (PRIOR_PERIOD, "prior_period"),
            (LINE_COUNT, "line_count"),
        ];
        assert_eq!(places.len(), COLUMNS.len());
        for (place, name) in places {
            assert_eq!(COLUMNS[place], name);
        }
    }

    #[test]
    fn each_column_is_explained() {
        let dictionary = include_str!("../../../../docs/statements.md");
        let explained =
            dictionary.lines().filter_map(|line| line.strip_prefix("| `")?.split_once('`'));
        let explained: Vec<_> = explained.map(|(name, _)| name).collect();
        assert_eq!(explained, COLUMNS, "docs/statements.md tells the columns in their order");
    }
}
