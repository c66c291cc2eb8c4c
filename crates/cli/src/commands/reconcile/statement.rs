//! A statement as `entente settle statement` writes it, read as a record: its columns are known, its other
//! records are passed over, and the lines of one operation are put together as the hub has it.

use std::collections::BTreeMap;

use entente_api::settlement::{RecordKind, RecordLine};
use entente_api::types::Money;

use super::layout::Field;

/// What a statement calls our columns, and two of its own.
const COLUMNS: [(Field, &str); 10] = [
    (Field::RequestId, "request_id"),
    (Field::Receipt, "receipt_reference"),
    (Field::Member, "member_token"),
    (Field::Kind, "kind"),
    (Field::Points, "points"),
    (Field::Amount, "amount"),
    (Field::Currency, "currency"),
    (Field::Date, "posted_at"),
    (Field::Direction, "direction"),
    (Field::Record, "record"),
];

/// The lines of a statement, operation by operation: they come one after the other.
#[derive(Debug, Default)]
pub(super) struct Operations {
    waiting: Vec<RecordLine>,
}

/// What the columns of a statement are called.
pub(super) fn names() -> Vec<(Field, String)> {
    COLUMNS.iter().map(|(field, name)| (*field, (*name).to_owned())).collect()
}

/// Whether these are the titles of a statement.
pub(super) fn is_one(titles: &[String]) -> bool {
    let has = |name: &str| titles.iter().any(|title| title == name);
    titles.first().is_some_and(|first| first == "record")
        && COLUMNS.iter().all(|(_, name)| has(name))
        && has("line_count")
}

/// What a kind of a statement does to the points of the member.
pub(super) fn sign(kind: &str) -> i64 {
    match kind {
        "issue" | "redemption_refunded" => 1,
        "issue_cancelled" | "redemption" | "gift" => -1,
        // Fees have none, and a debt was counted by what made it.
        _ => 0,
    }
}

/// What a statement's kind is to a record.
pub(super) fn kind(word: &str) -> RecordKind {
    match word {
        "issue" => RecordKind::Earn,
        "issue_cancelled" => RecordKind::EarnReversed,
        "redemption" => RecordKind::Burn,
        "redemption_refunded" => RecordKind::BurnRefunded,
        "gift" => RecordKind::Gift,
        _ => RecordKind::Unspecified,
    }
}

impl Operations {
    /// Takes the next line; what comes back is the operation before it, once it is whole.
    pub(super) fn take(&mut self, line: RecordLine) -> Vec<RecordLine> {
        let is_next = self.waiting.first().is_some_and(|first| first.request_id != line.request_id);
        let whole = if is_next { self.finish() } else { Vec::new() };
        self.waiting.push(line);
        whole
    }

    /// The last operation: a line for each currency, the first with the points.
    pub(super) fn finish(&mut self) -> Vec<RecordLine> {
        let parts = std::mem::take(&mut self.waiting);
        let Some(first) = parts.first() else { return parts };
        let points = parts.iter().fold(0, |sum: i64, part| sum.saturating_add(part.points));
        let said = |part: &RecordLine| part.kind() != RecordKind::Unspecified;
        let kind = parts.iter().find(|part| said(part)).map_or(first.kind, |part| part.kind);
        let mut sums: BTreeMap<String, i64> = BTreeMap::new();
        for amount in parts.iter().filter_map(|part| part.amount.as_ref()) {
            let sum = sums.entry(amount.currency.clone()).or_default();
            *sum = sum.saturating_add(amount.micros);
        }
        let whole = RecordLine { kind, points, amount: None, ..first.clone() };
        if sums.is_empty() {
            return vec![whole];
        }
        let rows = parts.iter().map(|part| part.row);
        let lines = rows.zip(sums).enumerate().map(|(at, (row, (currency, micros)))| RecordLine {
            row,
            points: if at == 0 { points } else { 0 },
            amount: Some(Money { currency, micros }),
            ..whole.clone()
        });
        lines.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(row: i64, id: &str, points: i64, amount: Option<(i64, &str)>) -> RecordLine {
        RecordLine {
            row,
            request_id: id.to_owned(),
            points,
            amount: amount
                .map(|(micros, currency)| Money { currency: currency.to_owned(), micros }),
            ..RecordLine::default()
        }
    }

    #[test]
    fn the_lines_of_an_operation_are_one_for_each_currency() {
        let mut operations = Operations::default();
        assert_eq!(operations.take(line(3, "a", -100, Some((-800, "USD")))), []);
        assert_eq!(operations.take(line(4, "a", 0, Some((16, "USD")))), []);
        assert_eq!(operations.take(line(5, "a", -50, Some((-400, "EUR")))), []);
        let whole = operations.take(line(6, "b", 7, None));
        let expected =
            [line(3, "a", -150, Some((-400, "EUR"))), line(4, "a", 0, Some((-784, "USD")))];
        assert_eq!(whole, expected);
        assert_eq!(operations.finish(), [line(6, "b", 7, None)]);
        assert_eq!(operations.finish(), []);
    }
}
