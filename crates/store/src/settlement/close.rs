//! Closing a window, in one transaction under all heads: what it comes to is read from positions,
//! so the cost is that of partner pairs and cells, whatever happened in it.

use entente_ledger::{Micros, PartnerId, RequestId, WindowId};
use entente_loyalty::{Exposure, ExposureKey};
use entente_settlement::{Arrangement, Closing, Nets, Totals, owed};
use jiff::{SignedDuration, Timestamp};
use sqlx::PgConnection;
use uuid::Uuid;

use super::{
    adjust::{self, Adjustment},
    agreement::{self, WindowState},
    balances, obligations, payment,
    position::{gross, nets_of_totals},
    windows::{self, ListedWindow, Named, window_by_name},
};
use crate::{Outcome, Place, RequestRow, StoreError, batch::exposure, control::Control};

/// The namespace of the request ids of closes: that of a window is derived from its name.
const CLOSES: Uuid = Uuid::from_u128(0x2f0e_5b0c_1f6a_4f57_8a3e_6c1d_94b7_20d5);

/// What a close is called in `requests`; no RPC has this code.
const CLOSE_METHOD: i16 = 91;

/// How a window is to be closed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Close<'a> {
    /// The name that it gets.
    pub name: &'a str,
    /// The testing window, or the live one.
    pub testing: bool,
    /// Who closes it.
    pub actor: &'a str,
    /// The cut-off, where the calendar closes it.
    pub cut_off_at: Option<Timestamp>,
    /// When the calendar closes the next one.
    pub next_closes_at: Option<Timestamp>,
    /// How the coalition settles.
    pub arrangement: &'a Arrangement,
}

/// A closed window and what it came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Closed {
    /// The window.
    pub window: ListedWindow,
    /// What each party pays or receives, rounded; the hub among them.
    pub nets: Nets,
    /// What closing did; `None` when the name had been closed before.
    pub done: Option<Done>,
}

/// What a close did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Done {
    /// The operation that marks the window's end.
    pub place: Place,
    /// The kept exposures that it moved, as they are now.
    pub exposures: Vec<(ExposureKey, Exposure)>,
}

/// Closes the open window under a name and opens the next: the live one, or the testing one, of which
/// no obligation comes. A name that is closed already answers
/// what it came to, and nothing is written. The commit is the caller's.
pub async fn close_window(control: &mut Control, close: &Close<'_>) -> Result<Closed, StoreError> {
    if let Some(window) = window_by_name(control.connection(), close.name).await? {
        let nets = nets_of_totals(control.connection(), window.id).await?;
        return Ok(Closed { window, nets, done: None });
    }
    let Close { name, testing, .. } = *close;
    let (open, now) = (control.window_of(testing), control.now());
    let next = open.id.0.checked_add(if testing { -1 } else { 1 }).map(WindowId);
    let next = next.ok_or_else(|| StoreError::inconsistent("windows", "window_id", open.id.0))?;
    let positions = gross(control.connection(), open.id, None).await?;
    let closing = entente_settlement::close(positions)
        .map_err(|_| StoreError::inconsistent("positions", "micros", "beyond the range"))?;
    write_totals(control.connection(), open.id, &closing.totals).await?;
    let mut nothing_owed = false;
    if !testing {
        let owed = owed(&closing.totals, close.arrangement.netting);
        let owed =
            owed.map_err(|_| StoreError::inconsistent("totals", "rounded_micros", open.id.0))?;
        obligations::write(control.connection(), open.id, &owed).await?;
        balances::write(control.connection(), open.id).await?;
        nothing_owed = owed.is_empty();
    }
    let place = post_remainders(control, open.id, name, &closing).await?;
    let exposures = carry_exposures(control.connection(), &closing, testing).await?;
    let window = ListedWindow {
        id: open.id,
        name: Some(name.to_owned()),
        opened_at: open.opened_at,
        closed_at: Some(now),
        state: WindowState::Closed,
        cut_off_at: close.cut_off_at,
        objection_until: objection_until(close, now)?,
        netting: (!testing).then_some(close.arrangement.netting),
    };
    let named = named(&window, (next, close.next_closes_at), (name, now));
    windows::name_and_open_next(control.connection(), named).await?;
    agreement::reach(control.connection(), open.id, WindowState::Closed, (now, close.actor))
        .await?;
    if nothing_owed {
        payment::settle(control, open.id, close.actor).await?;
    }
    let done = Some(Done { place, exposures });
    Ok(Closed { window, nets: closing.nets, done })
}

/// Nobody objects to what was tested.
fn objection_until(close: &Close<'_>, now: Timestamp) -> Result<Option<Timestamp>, StoreError> {
    if close.testing {
        return Ok(None);
    }
    let days = i64::from(close.arrangement.objection_days);
    let until = now.checked_add(SignedDuration::from_hours(24 * days));
    until.map(Some).map_err(|_| StoreError::inconsistent("windows", "objection_until", now))
}

fn named<'a>(
    window: &ListedWindow,
    (next, next_closes_at): (WindowId, Option<Timestamp>),
    (name, now): (&'a str, Timestamp),
) -> Named<'a> {
    let (id, netting) = (window.id, window.netting);
    let (cut_off_at, objection_until) = (window.cut_off_at, window.objection_until);
    Named { id, next, name, now, cut_off_at, objection_until, netting, next_closes_at }
}

/// One operation per close, also when nothing was rounded: it marks the end of the window.
async fn post_remainders(
    control: &mut Control,
    window: WindowId,
    name: &str,
    closing: &Closing,
) -> Result<Place, StoreError> {
    let request_id = RequestId(Uuid::new_v5(&CLOSES, name.as_bytes()));
    let transfers = &closing.remainders;
    let place = adjust::post(control, Adjustment { request_id, window, transfers }).await?;
    adjust::add_to_positions(control.connection(), window, transfers).await?;
    control.record(&outcome(request_id, name, place)).await?;
    Ok(place)
}

/// The outcome of a close in `requests`: an operation always has one.
fn outcome(request_id: RequestId, name: &str, place: Place) -> RequestRow {
    let answer = name.as_bytes().to_vec();
    let place = Some(place);
    let outcome =
        Outcome { method: CLOSE_METHOD, fields: Vec::new(), refused: false, answer, place };
    RequestRow { partner: PartnerId::HUB, request_id, outcome, receipt: None }
}

async fn write_totals(
    connection: &mut PgConnection,
    window: WindowId,
    totals: &Totals,
) -> Result<(), StoreError> {
    sqlx::query!(
        "INSERT INTO totals (window_id, currency, payer, payee, exact_micros, rounded_micros)
         SELECT $1, * FROM UNNEST($2::text[], $3::integer[], $4::integer[], $5::bigint[],
             $6::bigint[])",
        window.0,
        &totals.keys().map(|key| key.currency.to_string()).collect::<Vec<_>>(),
        &totals.keys().map(|key| key.payer.0).collect::<Vec<_>>(),
        &totals.keys().map(|key| key.payee.0).collect::<Vec<_>>(),
        &totals.values().map(|total| total.exact.0).collect::<Vec<_>>(),
        &totals.values().map(|total| total.rounded.0).collect::<Vec<_>>()
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// The exact net of the window leaves what tracked partners owe, and what they must pay of it
/// enters. What they are to receive does not lower it: that is for the hub to pay.
async fn carry_exposures(
    connection: &mut PgConnection,
    closing: &Closing,
    testing: bool,
) -> Result<Vec<(ExposureKey, Exposure)>, StoreError> {
    let (mut partners, mut currencies, mut added) = (Vec::new(), Vec::new(), Vec::new());
    for (party, net) in &closing.nets {
        let exact = closing.exact.get(party).copied().unwrap_or_default();
        let entering = if testing { Micros::ZERO } else { (*net).max(Micros::ZERO) };
        let change = entering.minus(exact);
        let change = change
            .map_err(|_| StoreError::inconsistent("exposures", "owed_micros", party.partner))?;
        partners.push(party.partner.0);
        currencies.push(party.currency.to_string());
        added.push(change.0);
    }
    let rows = sqlx::query!(
        r#"UPDATE exposures SET owed_micros = owed_micros + n.added
           FROM UNNEST($1::integer[], $2::text[], $3::bigint[]) AS n (partner_id, currency, added)
           WHERE exposures.partner_id = n.partner_id AND exposures.currency = n.currency
           RETURNING exposures.partner_id, exposures.currency, owed_micros, told_percent"#,
        &partners,
        &currencies,
        &added
    );
    let rows = rows.fetch_all(connection).await?.into_iter();
    rows.map(|row| exposure((row.partner_id, &row.currency), (row.owed_micros, row.told_percent)))
        .collect()
}
