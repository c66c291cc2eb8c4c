//! The cast: three brands with their terms, and members who know one, two or all of them.

use entente_api::partner::Agreement;
use jiff::{Timestamp, ToSpan as _, Unit, civil::date, tz::TimeZone};

use crate::agreement::AgreementFile;

/// A brand of the coalition.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Brand {
    /// A hotel group.
    Harbor,
    /// A ride-share.
    Rover,
    /// A grocer.
    Grocer,
}

/// One version of a brand's terms.
#[derive(Clone, Debug)]
pub(crate) struct Version {
    /// When it is published, in hours of the month; before the month for the first.
    pub(crate) published_at_hour: Option<i64>,
    /// When it begins.
    pub(crate) from: Timestamp,
    /// What is agreed.
    pub(crate) agreement: Agreement,
}

impl Brand {
    /// All of them, in order of their codes.
    pub(crate) const ALL: [Self; 3] = [Self::Grocer, Self::Harbor, Self::Rover];

    /// What names it everywhere.
    pub(crate) const fn code(self) -> &'static str {
        match self {
            Self::Harbor => "harbor-hotels",
            Self::Rover => "rover-rides",
            Self::Grocer => "green-grocer",
        }
    }

    /// Its name for people.
    pub(crate) const fn display_name(self) -> &'static str {
        match self {
            Self::Harbor => "Harbor Hotels",
            Self::Rover => "Rover Rides",
            Self::Grocer => "Green Grocer",
        }
    }

    /// Its own reference of a member.
    pub(crate) fn reference(self, member: usize) -> String {
        let noun = match self {
            Self::Harbor => "guest",
            Self::Rover => "rider",
            Self::Grocer => "shopper",
        };
        format!("{noun}-{:04}", member + 1)
    }

    /// Its terms, oldest first.
    ///
    /// # Errors
    /// Never, as the tests show: the files are compiled in.
    pub(crate) fn versions(self) -> anyhow::Result<Vec<Version>> {
        let first = |text| {
            let agreement = AgreementFile::read(text)?.into_api();
            let from = date(2026, 1, 1).to_zoned(TimeZone::UTC)?.timestamp();
            anyhow::Ok(Version { published_at_hour: None, from, agreement })
        };
        Ok(match self {
            Self::Harbor => {
                let text = include_str!("terms/harbor-hotels-spring.toml");
                let spring = Version {
                    published_at_hour: Some(9 * 24 + 9),
                    from: at_hour(15 * 24),
                    agreement: AgreementFile::read(text)?.into_api(),
                };
                vec![first(include_str!("terms/harbor-hotels.toml"))?, spring]
            }
            Self::Rover => vec![first(include_str!("terms/rover-rides.toml"))?],
            Self::Grocer => vec![first(include_str!("terms/green-grocer.toml"))?],
        })
    }
}

/// How many hours the month has.
pub(crate) const HOURS: i64 = 31 * 24;

/// The trust domain of all certificates.
pub(crate) const TRUST_DOMAIN: &str = "entente.demo";

/// The window that the month becomes.
pub(crate) const WINDOW: &str = "2026-03";

/// The time `hour` hours into March 2026, UTC.
///
/// # Panics
/// Never within a century of that month.
pub(crate) fn at_hour(hour: i64) -> Timestamp {
    let start = date(2026, 3, 1).to_zoned(TimeZone::UTC).expect("a day of our time").timestamp();
    start.checked_add(hour.hours()).expect("a time of our century")
}

/// How busy an hour is: nights are quiet, noon and evening are not, weekends more than workdays.
pub(crate) fn busyness(hour: i64) -> u64 {
    const BY_HOUR: [u64; 24] =
        [1, 0, 0, 0, 0, 1, 3, 6, 9, 8, 7, 9, 12, 10, 7, 6, 7, 10, 13, 12, 9, 6, 4, 2];
    let time = at_hour(hour).to_zoned(TimeZone::UTC);
    let of_day = usize::try_from(time.hour()).unwrap_or_default();
    let weekend = time.weekday().to_monday_zero_offset() >= 5;
    BY_HOUR[of_day] * if weekend { 13 } else { 10 }
}

/// The day of the month, for people.
pub(crate) fn day_text(time: Timestamp) -> String {
    let time = time.to_zoned(TimeZone::UTC);
    let hour = time.round(Unit::Hour).unwrap_or(time);
    hour.strftime("%a %d %b %H:00").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_brand_has_terms_for_the_whole_month() {
        for brand in Brand::ALL {
            let versions = brand.versions().expect("terms that are compiled in");
            assert!(versions[0].from < at_hour(0), "{brand:?}");
            assert!(versions.is_sorted_by_key(|version| version.from), "{brand:?}");
        }
    }

    #[test]
    fn nights_are_quieter_than_evenings() {
        assert!(busyness(3) < busyness(18));
        // The first of March 2026 is a Sunday.
        assert!(busyness(12) > busyness(24 + 12));
    }
}
