//! Compact records of both sides: fixed fields in one place, texts side by side in another, no
//! allocation per line.

use entente_ledger::Overflow;

use super::{Line, Operation, Texts};

/// Where a record's texts lie.
#[derive(Debug, Clone, Copy)]
struct Place {
    from: u32,
    receipt_bytes: u16,
    member_bytes: u16,
}

/// The texts of many records, one after the other.
#[derive(Debug, Default)]
pub(super) struct Arena(Vec<u8>);

/// What matching knows of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    /// Nothing yet.
    Free,
    /// An earlier line has its request id.
    Repeated,
    /// An operation was found.
    Matched,
}

/// A line kept.
#[derive(Debug)]
pub(super) struct LineRecord {
    pub(super) line: Line,
    pub(super) fate: Fate,
    /// Whether `line.request_id` is the operation's that it was matched with, not its own.
    pub(super) lent: bool,
    /// The next line with the same receipt, in a ring.
    pub(super) next: u32,
    place: Place,
}

/// An operation kept: one that waits for its line, or is part of a break.
#[derive(Debug)]
pub(super) struct OperationRecord {
    pub(super) operation: Operation,
    place: Place,
}

/// Everything that is kept of both sides.
#[derive(Debug, Default)]
pub(super) struct Sides {
    texts: Arena,
    pub(super) lines: Vec<LineRecord>,
    pub(super) operations: Vec<OperationRecord>,
}

impl Sides {
    /// Keeps a line; its number.
    pub(super) fn keep_line(&mut self, line: Line, texts: Texts<'_>) -> Result<u32, Overflow> {
        let number = number(self.lines.len())?;
        let place = self.texts.put(texts)?;
        self.lines.push(LineRecord { line, fate: Fate::Free, lent: false, next: number, place });
        Ok(number)
    }

    /// Keeps an operation; its number.
    pub(super) fn keep_operation(
        &mut self,
        operation: Operation,
        texts: Texts<'_>,
    ) -> Result<u32, Overflow> {
        let number = number(self.operations.len())?;
        let place = self.texts.put(texts)?;
        self.operations.push(OperationRecord { operation, place });
        Ok(number)
    }

    pub(super) fn line(&self, number: u32) -> &LineRecord {
        &self.lines[index(number)]
    }

    pub(super) fn line_mut(&mut self, number: u32) -> &mut LineRecord {
        &mut self.lines[index(number)]
    }

    pub(super) fn operation(&self, number: u32) -> &Operation {
        &self.operations[index(number)].operation
    }

    pub(super) fn operation_mut(&mut self, number: u32) -> &mut Operation {
        &mut self.operations[index(number)].operation
    }

    pub(super) fn line_texts(&self, number: u32) -> Texts<'_> {
        self.texts.get(self.line(number).place)
    }

    pub(super) fn operation_texts(&self, number: u32) -> Texts<'_> {
        self.texts.get(self.operations[index(number)].place)
    }
}

impl Arena {
    fn put(&mut self, texts: Texts<'_>) -> Result<Place, Overflow> {
        let place = Place {
            from: number(self.0.len())?,
            receipt_bytes: u16::try_from(texts.receipt.len()).map_err(|_| Overflow)?,
            member_bytes: u16::try_from(texts.member.len()).map_err(|_| Overflow)?,
        };
        self.0.extend_from_slice(texts.receipt.as_bytes());
        self.0.extend_from_slice(texts.member.as_bytes());
        Ok(place)
    }

    fn get(&self, place: Place) -> Texts<'_> {
        let text = |from: usize, bytes: u16| {
            let until = from.saturating_add(usize::from(bytes));
            std::str::from_utf8(&self.0[from..until]).expect("texts went in whole")
        };
        let from = index(place.from);
        let receipt = text(from, place.receipt_bytes);
        let member = text(from.saturating_add(receipt.len()), place.member_bytes);
        Texts { receipt, member }
    }
}

/// A record's number as an index.
pub(super) fn index(number: u32) -> usize {
    usize::try_from(number).expect("an index has at least 32 bits")
}

fn number(length: usize) -> Result<u32, Overflow> {
    u32::try_from(length).map_err(|_| Overflow)
}
