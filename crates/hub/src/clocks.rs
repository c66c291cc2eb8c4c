//! Two clocks that have to agree. The ledger's time is the database's clock; certificates and tokens are
//! judged by this machine's. When the two are far apart, one of them is wrong, and what a wrong clock
//! does cannot be undone: lots expire, holds end, windows close, tokens that ended are good again. So the
//! hub does nothing until they agree, and says why.

use entente_store::StoreError;
use jiff::{SignedDuration, Timestamp};

use crate::security::time_of_day;

/// How far the clocks may be apart. Machines that are told the time are within a second; an answer of
/// the database may take half of this.
pub(crate) const APART: SignedDuration = SignedDuration::from_mins(1);

/// Whether a time that the database has just told is about that of this machine.
pub(crate) fn agree(database: Timestamp) -> Result<(), StoreError> {
    compare(database, time_of_day())
}

fn compare(database: Timestamp, here: Timestamp) -> Result<(), StoreError> {
    let apart = here.duration_until(database);
    metrics::gauge!("entente_clock_offset_seconds").set(apart.as_secs_f64());
    if apart.abs() > APART {
        return Err(StoreError::ClocksApart { apart });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clocks_agree_within_a_minute_either_way() {
        let here: Timestamp = "2026-03-02T09:00:00Z".parse().expect("a time");
        for (seconds, agrees) in
            [(0, true), (60, true), (-60, true), (61, false), (-61, false), (3_600, false)]
        {
            let database = here + SignedDuration::from_secs(seconds);
            assert_eq!(compare(database, here).is_ok(), agrees, "{seconds} s");
        }
        assert!(compare(Timestamp::MAX, Timestamp::MIN).is_err());
    }
}
