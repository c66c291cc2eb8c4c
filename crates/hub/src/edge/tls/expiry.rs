//! How long what is in force is still good: in metrics always, in the log ahead of its end.

use std::collections::BTreeMap;

use entente_identity::{
    Credentials,
    trust::{Expiry, Trust},
};
use jiff::Timestamp;

use crate::observe;

const DAY_SECONDS: i64 = 86_400;

/// From how many days before its end on something is told in the log, once a day.
const AHEAD_DAYS: i64 = 14;

/// A list lives for 30 days and is made anew in one command.
const LIST_AHEAD_DAYS: i64 = 7;

/// What was told of, and when: owner, kind, days left.
#[derive(Debug, Default)]
pub(super) struct Ends {
    told: BTreeMap<(String, &'static str), i64>,
}

impl Ends {
    /// Brings the metrics up to date, and warns of what ends soon.
    pub(super) fn tell(&mut self, hub: &Credentials, trust: &Trust, now: Timestamp) {
        if let Some(end) = hub.not_after() {
            self.one("hub".to_owned(), "hub", end, now);
        }
        for set in trust.sets() {
            for expiry in set.expiries() {
                let (kind, end) = match expiry {
                    Expiry::Roots(end) => ("ca", end),
                    Expiry::Lists(end) => ("crl", end),
                };
                self.one(set.owner().to_string(), kind, end, now);
            }
        }
    }

    fn one(&mut self, owner: String, kind: &'static str, end: Timestamp, now: Timestamp) {
        let left = end.duration_since(now).as_secs();
        observe::certificate_ends(&owner, kind, left);
        let (days, ahead) = (left.div_euclid(DAY_SECONDS), ahead(kind));
        if days >= ahead {
            self.told.remove(&(owner, kind));
        } else if self.told.insert((owner.clone(), kind), days) != Some(days) {
            if left < 0 {
                tracing::error!(owner, kind, %end, "a certificate or list has expired");
            } else {
                tracing::warn!(owner, kind, %end, days, "a certificate or list expires soon");
            }
        }
    }
}

fn ahead(kind: &str) -> i64 {
    if kind == "crl" { LIST_AHEAD_DAYS } else { AHEAD_DAYS }
}
