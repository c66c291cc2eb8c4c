//! Parcels: points of one lot on their way from one member to another. They leave a wallet into
//! transit, and arrive in a lot of the other, which keeps issuer, funding, terms and expiry.

use std::collections::BTreeMap;

use entente_ledger::{Account, AmountKind, Lot, LotId, Micros, Overflow, PartnerId, Points, Unit};

use crate::{Decision, Member, Refusal, draft::Draft, expire};

/// Points of one lot on their way.
#[derive(Debug, Clone)]
pub(crate) struct Parcel {
    /// The lot that they left.
    pub(crate) source: LotId,
    /// The lot that they arrive in, if there is one already;
    pub(crate) into: Option<LotId>,
    /// otherwise one is opened as this. Its `expired` comes along in either case.
    pub(crate) lot: Lot,
    /// How many, perhaps none.
    pub(crate) points: Points,
}

/// What a leg sent off, with the lots that it left. They are still loaded, though some may be empty
/// now.
pub(crate) fn sent(member: &Member, leg: &Decision) -> Result<Vec<(Lot, Points)>, Refusal> {
    let in_transit = leg.transfers.iter().filter(|sent| sent.credit() == Account::InTransit);
    let sent = in_transit.filter_map(|transfer| match transfer.unit() {
        Unit::Points { lot, .. } => Some((lot, transfer.amount())),
        Unit::Money => None,
    });
    let lot = |(id, points): (LotId, i64)| {
        let lot = member.lots.get(&id).ok_or(Refusal::AmountTooLarge)?.clone();
        Ok((lot, Points(points)))
    };
    sent.map(lot).collect()
}

/// Free points leave a lot. No partner has to do with where they go.
pub(crate) fn send(draft: &mut Draft<'_>, lot: LotId, points: Points) -> Result<(), Refusal> {
    let from = draft.lot(lot)?;
    let (issuer, currency) = (from.issuer, from.currency);
    draft.take_free(lot, points)?;
    draft.book_points(
        AmountKind::Merge,
        (draft.wallet_account(), Account::InTransit),
        points,
        (lot, issuer),
        (PartnerId::HUB, PartnerId::HUB),
        (currency, Micros::ZERO),
    )
}

/// Parcels arrive; answers in which lots, by those that they left. Where a lot's time has come, the
/// points expire.
pub(crate) fn receive(
    draft: &mut Draft<'_>,
    kind: AmountKind,
    parcels: Vec<Parcel>,
) -> Result<BTreeMap<LotId, LotId>, Refusal> {
    let mut arrived = BTreeMap::new();
    let mut ordinal = 0_i16;
    for Parcel { source, into, lot, points } in parcels {
        let (issuer, currency, expires_at) = (lot.issuer, lot.currency, lot.expires_at);
        let id = if let Some(id) = into {
            let into = draft.lot_mut(id)?;
            into.expired = into.expired.plus(lot.expired)?;
            id
        } else {
            let id = open(draft, ordinal, lot);
            ordinal = ordinal.checked_add(1).ok_or(Overflow)?;
            id
        };
        draft.add_free(id, points)?;
        draft.book_points(
            kind,
            (Account::InTransit, draft.wallet_account()),
            points,
            (id, issuer),
            (PartnerId::HUB, PartnerId::HUB),
            (currency, Micros::ZERO),
        )?;
        draft.touched(issuer, points, expires_at);
        expire::expire_if_due(draft, id, points)?;
        arrived.insert(source, id);
    }
    Ok(arrived)
}

/// Opens a lot of this operation as another one, still empty.
pub(crate) fn open(draft: &mut Draft<'_>, ordinal: i16, lot: Lot) -> LotId {
    let id = LotId { opened_by: draft.operation.seq, ordinal };
    draft.open_lot(Lot { id, remaining: Points::ZERO, held: Points::ZERO, ..lot });
    id
}
