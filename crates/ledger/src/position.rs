//! Positions: gross amounts between two parties. Closing, netting and statements read these, never
//! operations; they follow from transfers alone.

use std::collections::BTreeMap;

use crate::{AmountKind, Currency, Micros, Overflow, PartnerId, Points, Transfer, Unit};

/// Between whom, in which currency, and what for. Payer and payee are one in a memo.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PositionKey {
    /// The currency.
    pub currency: Currency,
    /// Who owes it: a partner or the hub.
    pub payer: PartnerId,
    /// Who is owed it: a partner or the hub.
    pub payee: PartnerId,
    /// What for.
    pub kind: AmountKind,
}

/// What a position comes to; never negative, because a correction has a kind of its own.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct PositionAmount {
    /// The points moved.
    pub points: Points,
    /// The money moved; in a partner's memo, what its points would have cost.
    pub micros: Micros,
}

impl PositionAmount {
    /// The sum, or [`Overflow`].
    pub fn plus(self, other: Self) -> Result<Self, Overflow> {
        Ok(Self {
            points: self.points.plus(other.points)?,
            micros: self.micros.plus(other.micros)?,
        })
    }
}

/// What each position of a set of transfers comes to.
pub type Positions = BTreeMap<PositionKey, PositionAmount>;

/// What transfers add to positions.
pub fn positions<'t>(
    transfers: impl IntoIterator<Item = &'t Transfer>,
) -> Result<Positions, Overflow> {
    let mut positions = Positions::new();
    for transfer in transfers {
        let key = PositionKey {
            currency: transfer.currency,
            payer: transfer.payer,
            payee: transfer.payee,
            kind: transfer.kind,
        };
        let amount = positions.entry(key).or_default();
        *amount = amount.plus(position(transfer)?)?;
    }
    Ok(positions)
}

fn position(transfer: &Transfer) -> Result<PositionAmount, Overflow> {
    let is_memo = transfer.payer == transfer.payee && transfer.payer != PartnerId::HUB;
    match transfer.unit() {
        Unit::Money => {
            Ok(PositionAmount { points: Points::ZERO, micros: Micros(transfer.amount()) })
        }
        Unit::Points { .. } => {
            let points = Points(transfer.amount());
            let micros = if is_memo { points.at(transfer.price)? } else { Micros::ZERO };
            Ok(PositionAmount { points, micros })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Account, LotId, MemberId, Seq};

    const HARBOR: PartnerId = PartnerId(1);
    const ROVER: PartnerId = PartnerId(2);

    fn usd() -> Currency {
        "USD".parse().expect("ISO 4217")
    }

    fn burned(issuer: PartnerId, points: i64) -> Transfer {
        let member = MemberId(uuid::Uuid::from_u128(1));
        let lot = LotId { opened_by: Seq(1), ordinal: 0 };
        Transfer::points(
            AmountKind::Redemption,
            (Account::Wallet(member), Account::Redeemed(ROVER)),
            Points(points),
            (lot, issuer),
            (issuer, ROVER),
            (usd(), Micros(8_000)),
        )
        .expect("a transfer")
    }

    fn paid(points: i64) -> Transfer {
        let accounts = (Account::Clearing(HARBOR), Account::Clearing(ROVER));
        let amount = Points(points).at(Micros(8_000)).expect("small");
        Transfer::money(AmountKind::Redemption, accounts, amount, usd()).expect("a transfer")
    }

    fn key(payer: PartnerId) -> PositionKey {
        PositionKey { currency: usd(), payer, payee: ROVER, kind: AmountKind::Redemption }
    }

    #[test]
    fn a_position_is_the_sum_of_its_transfers() {
        let transfers = [burned(HARBOR, 5_000), paid(5_000), burned(HARBOR, 10), paid(10)];
        let sums = positions(&transfers).expect("small");
        let amount = PositionAmount { points: Points(5_010), micros: Micros(40_080_000) };
        assert_eq!(sums, Positions::from([(key(HARBOR), amount)]));
    }

    #[test]
    fn a_partners_own_points_are_a_memo_at_their_price() {
        let sums = positions(&[burned(ROVER, 1_500)]).expect("small");
        let amount = PositionAmount { points: Points(1_500), micros: Micros(12_000_000) };
        assert_eq!(sums, Positions::from([(key(ROVER), amount)]));
    }

    #[test]
    fn a_sum_beyond_the_range_is_an_overflow() {
        assert_eq!(positions(&[burned(HARBOR, i64::MAX), burned(HARBOR, 1)]), Err(Overflow));
        assert_eq!(positions(&[burned(ROVER, i64::MAX)]), Err(Overflow));
    }
}
