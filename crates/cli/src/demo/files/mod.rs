//! `entente demo --stays FILE --rides FILE`: real rows instead of made ones. Bookings earn when they
//! are made and are reversed when they are cancelled; rides earn, and some are paid with points. What
//! the hub says in the end is compared with what the files add up to.

mod aside;
mod plan;
mod play;
mod purse;
mod report;
mod rides;
mod seen;
mod sheet;
mod shift;
mod stays;
mod sums;
#[cfg(test)]
mod tests;

use std::path::Path;
use std::time::Instant;

use jiff::tz::TimeZone;
use jiff::{Timestamp, Zoned};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::folder::Folder;
use super::play::differing_balances;
use super::progress::Progress;
use super::stage::Stage;
use crate::commands::check;
use plan::Plan;
use report::{Moved, Report};
use rides::Ride;
use sheet::{Rows, Sheet};
use stays::Stay;

/// What is named of a file.
#[derive(Clone, Debug)]
pub(crate) struct File {
    /// Its name.
    name: String,
    /// How many rows it has.
    rows: u64,
}

/// The two files, read.
#[derive(Debug)]
pub(crate) struct Files {
    content: Content,
    stays: (File, Rows<Stay>),
    rides: (File, Rows<Ride>),
}

/// What the files hold. Other content is another demo.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Content {
    stays: String,
    rides: String,
}

impl Files {
    /// Reads both. Rows that cannot be played are set aside; only a file that is another one than
    /// expected is an error.
    pub(crate) fn read(stays: &Path, rides: &Path) -> anyhow::Result<Self> {
        let (stays_sheet, rides_sheet) = (Sheet::open(stays)?, Sheet::open(rides)?);
        let content = Content {
            stays: stays_sheet.fingerprint().to_string(),
            rides: rides_sheet.fingerprint().to_string(),
        };
        let (stay_rows, ride_rows) = (stays::read(&stays_sheet)?, rides::read(&rides_sheet)?);
        let file = |path: &Path, rows| {
            let name = path.file_name().unwrap_or(path.as_os_str());
            File { name: name.to_string_lossy().into_owned(), rows }
        };
        Ok(Self {
            content,
            stays: (file(stays, stay_rows.count()), stay_rows),
            rides: (file(rides, ride_rows.count()), ride_rows),
        })
    }

    /// Plays them, and tells how it went.
    pub(crate) async fn play(
        self,
        folder: &Folder,
        progress: Progress,
    ) -> anyhow::Result<(Stage, Report)> {
        let begun = Instant::now();
        let name = format!("entente demo files {} {}", self.content.stays, self.content.rides);
        folder.claim(&self.content)?;
        let namespace = Uuid::new_v5(&Uuid::NAMESPACE_OID, name.as_bytes());
        let plan = Plan::new(namespace, &self.stays.1, &self.rides.1)?;
        let moved = moved(&plan, &self.rides.1)?;
        let stage = Stage::build(folder, plan.start, progress).await?;
        let clients = &stage.clients;
        let (seen, windows) = play::play(&plan, clients, &progress).await?;
        let differing = differing_balances(&plan.predictions, clients, &progress).await?;
        let sums = sums::read(&windows, clients, &progress).await?;
        progress.step("verifying every invariant on the database");
        let verdicts = check::verify(&stage.owner_url()).await?;
        let report = Report {
            files: [(self.stays.0, self.stays.1.aside), (self.rides.0, self.rides.1.aside)],
            plan,
            moved,
            seen,
            windows,
            sums,
            differing,
            verdicts,
            took: begun.elapsed(),
        };
        Ok((stage, report))
    }
}

/// From when to when there are rides.
fn moved(plan: &Plan, rides: &Rows<Ride>) -> anyhow::Result<Option<Moved>> {
    let times = rides.good.iter().map(|row| &row.value.pickup);
    let (Some(first), Some(last)) = (times.clone().min(), times.max()) else { return Ok(None) };
    let there = |time: &Zoned| -> anyhow::Result<String> {
        let moved: Timestamp = plan.weeks.moved(time)?;
        let zone: TimeZone = time.time_zone().clone();
        Ok(moved.to_zoned(zone).date().to_string())
    };
    let here = |time: &Zoned| time.date().to_string();
    Ok(Some(Moved { from: [here(first), here(last)], to: [there(first)?, there(last)?] }))
}
