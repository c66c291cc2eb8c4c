//! The end of a statement: sums over the window, and what the partner pays of them.

use std::collections::BTreeSet;

use entente_ledger::{Micros, PartnerId, PositionAmount, PositionKey, WindowId};
use entente_settlement::Party;
use sqlx::PgPool;

use super::{Movement, Side, StatementNet};
use crate::{
    StoreError,
    settlement::position::{gross, nets_of_totals},
};

/// The partner's positions, seen from its side, by counterparty and kind.
pub(super) async fn totals(
    pool: &PgPool,
    partner: PartnerId,
    window: WindowId,
) -> Result<Vec<Movement>, StoreError> {
    let gross = gross(pool, window, Some(partner)).await?;
    let mut totals: Vec<_> =
        gross.into_iter().map(|(key, amount)| total(partner, &key, amount)).collect();
    totals.sort_by_key(|total| (total.counterparty, total.kind, total.side, total.currency));
    Ok(totals)
}

/// What the partner pays in each currency in which it has a position.
pub(super) async fn nets(
    pool: &PgPool,
    partner: PartnerId,
    window: WindowId,
) -> Result<Vec<StatementNet>, StoreError> {
    let gross = gross(pool, window, Some(partner)).await?;
    let currencies: BTreeSet<_> = gross.keys().map(|key| key.currency).collect();
    let nets = nets_of_totals(pool, window).await?;
    let net = |currency| nets.get(&Party { partner, currency }).copied().unwrap_or(Micros::ZERO);
    let closing = |currency| StatementNet { currency, net: net(currency) };
    Ok(currencies.into_iter().map(closing).collect())
}

fn total(partner: PartnerId, key: &PositionKey, amount: PositionAmount) -> Movement {
    let (side, counterparty) = if key.payer != partner {
        (Side::Receives, key.payer)
    } else if key.payee != partner {
        (Side::Pays, key.payee)
    } else {
        (Side::Even, partner)
    };
    Movement {
        kind: key.kind,
        side: if amount.micros.is_zero() { Side::Even } else { side },
        counterparty,
        currency: key.currency,
        points: amount.points,
        amount: amount.micros,
    }
}
