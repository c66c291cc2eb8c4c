//! What a part of a statement moves: money and points, seen from the partner's side.

use entente_ledger::{AmountKind, Currency, Micros, PartnerId, Points};

use crate::{StoreError, codes};

/// Who pays, seen from the partner.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Side {
    /// The partner pays.
    Pays,
    /// The partner is paid.
    Receives,
    /// Nobody pays: points alone, or a memo of the partner's own points at their price.
    Even,
}

/// Money and points of one kind, between the partner and one counterparty.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Movement {
    /// What for.
    pub kind: AmountKind,
    /// Who pays.
    pub side: Side,
    /// The other party; the partner itself in a memo.
    pub counterparty: PartnerId,
    /// The currency.
    pub currency: Currency,
    /// The points behind it.
    pub points: Points,
    /// The exact money, never negative; in a memo, what the points would have cost.
    pub amount: Micros,
}

/// A movement as rows have it: kind, side (1 pays, 2 receives, 3 neither), counterparty, currency, points,
/// micros.
pub(super) type Row = (i16, i32, i32, Currency, i64, i64);

impl TryFrom<Row> for Movement {
    type Error = StoreError;

    fn try_from(row: Row) -> Result<Self, StoreError> {
        let (kind, side, counterparty, currency, points, micros) = row;
        let side = match side {
            1 if micros != 0 => Side::Pays,
            2 if micros != 0 => Side::Receives,
            _ => Side::Even,
        };
        Ok(Self {
            kind: codes::amount_kind(kind)?,
            side,
            counterparty: PartnerId(counterparty),
            currency,
            points: Points(points),
            amount: Micros(micros),
        })
    }
}
