//! Operations of the hub itself, which no member is part of: adjustments, which move money alone and
//! are numbered in the first cell, and announcements. The caller holds all heads.

use entente_ledger::{Cell, MemberId, PartnerId, RequestId, Seq, Transfer, WindowId, positions};
use entente_loyalty::OperationKind;
use jiff::Timestamp;
use jiff_sqlx::ToSqlx;
use sqlx::PgConnection;

use crate::{
    Outcome, Place, RequestRow, StoreError,
    codes::{account_code, amount_kind_code, operation_kind_code},
    control::Control,
};

/// The cell of what no member is part of.
const HOME: Cell = Cell(0);

/// What an announcement is called in `requests`; no RPC has this code.
const ANNOUNCE_METHOD: i16 = 92;

/// An adjustment to be posted.
#[derive(Debug, Clone, Copy)]
pub(super) struct Adjustment<'a> {
    pub(super) request_id: RequestId,
    pub(super) window: WindowId,
    /// Money transfers.
    pub(super) transfers: &'a [Transfer],
}

/// Something that the hub tells partners, at an operation that moves nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Announcement {
    /// Derived from what is announced, so that it is announced once.
    pub request_id: RequestId,
    /// The cell that numbers it.
    pub cell: Cell,
    /// Whether it is told to partners that test: it falls into the window of their kind.
    pub testing: bool,
}

/// Posts an announcement with its request row; `None` when it was posted before. The notices and
/// the commit are the caller's.
pub async fn announce(
    control: &mut Control,
    announcement: Announcement,
) -> Result<Option<Place>, StoreError> {
    let Announcement { request_id, cell, testing } = announcement;
    if control.outcome(PartnerId::HUB, request_id).await?.is_some() {
        return Ok(None);
    }
    let (window, now) = (control.window_of(testing).id, control.now());
    let seq = control.next_seq(cell).await?;
    let kind = OperationKind::Announce;
    write_operation(control.connection(), (cell, seq, kind), (request_id, window), now).await?;
    let place = Place { cell, seq, member: None, authorized_by: None };
    let (fields, answer) = (Vec::new(), Vec::new());
    let outcome =
        Outcome { method: ANNOUNCE_METHOD, fields, refused: false, answer, place: Some(place) };
    control
        .record(&RequestRow { partner: PartnerId::HUB, request_id, outcome, receipt: None })
        .await?;
    Ok(Some(place))
}

/// Writes the operation and its transfers, and counts the head on. The request row is the caller's.
pub(super) async fn post(
    control: &mut Control,
    adjustment: Adjustment<'_>,
) -> Result<Place, StoreError> {
    let (cell, kind, now) = (HOME, OperationKind::Adjust, control.now());
    let seq = control.next_seq(cell).await?;
    let asked = (adjustment.request_id, adjustment.window);
    write_operation(control.connection(), (cell, seq, kind), asked, now).await?;
    write_transfers(control.connection(), seq, &adjustment, now).await?;
    Ok(Place { cell, seq, member: None, authorized_by: None })
}

/// Adds transfers to the positions of a window. Payments are in none: they settle an earlier one.
pub(super) async fn add_to_positions(
    connection: &mut PgConnection,
    window: WindowId,
    transfers: &[Transfer],
) -> Result<(), StoreError> {
    let positions = positions(transfers)
        .map_err(|_| StoreError::inconsistent("positions", "micros", "beyond the range"))?;
    let (mut currencies, mut payers, mut payees) = (Vec::new(), Vec::new(), Vec::new());
    let (mut kinds, mut points, mut micros) = (Vec::new(), Vec::new(), Vec::new());
    for (key, amount) in positions {
        currencies.push(key.currency.to_string());
        payers.push(key.payer.0);
        payees.push(key.payee.0);
        kinds.push(amount_kind_code(key.kind));
        points.push(amount.points.0);
        micros.push(amount.micros.0);
    }
    sqlx::query!(
        "INSERT INTO positions (cell, window_id, currency, payer, payee, kind, points, micros)
         SELECT $1, $2, * FROM UNNEST($3::text[], $4::integer[], $5::integer[], $6::smallint[],
             $7::bigint[], $8::bigint[])
         ON CONFLICT (cell, window_id, currency, payer, payee, kind) DO UPDATE
         SET points = positions.points + EXCLUDED.points,
             micros = positions.micros + EXCLUDED.micros",
        HOME.0,
        window.0,
        &currencies,
        &payers,
        &payees,
        &kinds,
        &points,
        &micros
    )
    .execute(connection)
    .await?;
    Ok(())
}

async fn write_operation(
    connection: &mut PgConnection,
    (cell, seq, kind): (Cell, Seq, OperationKind),
    (request_id, window): (RequestId, WindowId),
    now: Timestamp,
) -> Result<(), StoreError> {
    sqlx::query!(
        "INSERT INTO operations (cell, seq, posted_at, window_id, partner_id, request_id, kind,
             points, receipt_reference, prior_period, refused)
         VALUES ($1, $2, $3, $4, $5, $6, $7, 0, '', false, false)",
        cell.0,
        seq.0,
        now.to_sqlx() as _,
        window.0,
        PartnerId::HUB.0,
        request_id.0,
        operation_kind_code(kind)
    )
    .execute(connection)
    .await?;
    Ok(())
}

async fn write_transfers(
    connection: &mut PgConnection,
    seq: Seq,
    adjustment: &Adjustment<'_>,
    now: Timestamp,
) -> Result<(), StoreError> {
    let transfers = adjustment.transfers;
    let debits: Vec<(i16, PartnerId, Option<MemberId>)> =
        transfers.iter().map(|transfer| account_code(transfer.debit())).collect();
    let credits: Vec<(i16, PartnerId, Option<MemberId>)> =
        transfers.iter().map(|transfer| account_code(transfer.credit())).collect();
    sqlx::query!(
        "INSERT INTO transfers (cell, seq, posted_at, window_id, in_points, price_micros, ordinal,
             kind, debit_kind, debit_partner, credit_kind, credit_partner, amount, payer, payee,
             currency)
         SELECT $1, $2, $3, $4, false, 0, (t.ordinal - 1)::smallint, t.kind, t.debit_kind,
             t.debit_partner, t.credit_kind, t.credit_partner, t.amount, t.payer, t.payee, t.currency
         FROM UNNEST($5::smallint[], $6::smallint[], $7::integer[], $8::smallint[], $9::integer[],
             $10::bigint[], $11::integer[], $12::integer[], $13::text[])
             WITH ORDINALITY AS t (kind, debit_kind, debit_partner, credit_kind, credit_partner,
                 amount, payer, payee, currency, ordinal)",
        HOME.0,
        seq.0,
        now.to_sqlx() as _,
        adjustment.window.0,
        &transfers.iter().map(|t| amount_kind_code(t.kind)).collect::<Vec<_>>(),
        &debits.iter().map(|debit| debit.0).collect::<Vec<_>>(),
        &debits.iter().map(|debit| debit.1.0).collect::<Vec<_>>(),
        &credits.iter().map(|credit| credit.0).collect::<Vec<_>>(),
        &credits.iter().map(|credit| credit.1.0).collect::<Vec<_>>(),
        &transfers.iter().map(Transfer::amount).collect::<Vec<_>>(),
        &transfers.iter().map(|t| t.payer.0).collect::<Vec<_>>(),
        &transfers.iter().map(|t| t.payee.0).collect::<Vec<_>>(),
        &transfers.iter().map(|t| t.currency.to_string()).collect::<Vec<_>>()
    )
    .execute(connection)
    .await?;
    Ok(())
}
