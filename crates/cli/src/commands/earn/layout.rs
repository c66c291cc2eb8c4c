//! What a file's columns are, by its first line.

use anyhow::ensure;
use clap::Args;

use crate::records::{self, Delimiter};

/// What a file does not say itself.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct Defaults {
    /// The currency of lines that name none.
    #[arg(long, value_name = "CODE")]
    pub(super) currency: Option<String>,
    /// The category of lines that name none.
    #[arg(long, value_name = "CATEGORY")]
    pub(super) category: Option<String>,
}

/// How a file tells a purchase.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Layout {
    /// Columns, of which some are ours.
    Columns { delimiter: u8, names: Vec<Option<Field>> },
    /// A JSON object a line.
    Json,
}

/// A column that is ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Field {
    RequestId,
    Member,
    Spend,
    Currency,
    Category,
    ActivityAt,
    Receipt,
    RetroClaim,
    PaidInPoints,
}

impl Field {
    pub(super) const ALL: [(Self, &'static str); 9] = [
        (Self::RequestId, "request_id"),
        (Self::Member, "member_reference"),
        (Self::Spend, "spend"),
        (Self::Currency, "currency"),
        (Self::Category, "category"),
        (Self::ActivityAt, "activity_at"),
        (Self::Receipt, "receipt_reference"),
        (Self::RetroClaim, "retro_claim"),
        (Self::PaidInPoints, "paid_in_points"),
    ];

    /// A title as people write it: `Member Reference` is `member_reference`.
    fn of_title(title: &str) -> Option<Self> {
        let plain = title.trim().to_lowercase().replace([' ', '-'], "_");
        Self::ALL.iter().find(|(_, name)| *name == plain).map(|(field, _)| *field)
    }
}

impl Layout {
    /// Reads the first line, without its end and its byte-order mark.
    pub(super) fn of(
        first: &[u8],
        delimiter: Option<Delimiter>,
        defaults: &Defaults,
    ) -> anyhow::Result<Self> {
        if first.trim_ascii_start().starts_with(b"{") {
            return Ok(Self::Json);
        }
        let (delimiter, titles) = records::titles(first, delimiter)?;
        let names: Vec<_> = titles.iter().map(|title| Field::of_title(title)).collect();
        for (field, name) in Field::ALL {
            let count = names.iter().filter(|found| **found == Some(field)).count();
            ensure!(count < 2, "the header names {name} twice");
            let absent = match field {
                Field::Member | Field::Spend => true,
                Field::Currency => defaults.currency.is_none(),
                Field::Category => defaults.category.is_none(),
                Field::RequestId
                | Field::ActivityAt
                | Field::Receipt
                | Field::RetroClaim
                | Field::PaidInPoints => false,
            };
            ensure!(
                count == 1 || !absent,
                "the header has no column {name}; it has: {}",
                titles.join(", ")
            );
        }
        Ok(Self::Columns { delimiter, names })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(header: &str) -> anyhow::Result<Layout> {
        Layout::of(header.as_bytes(), None, &Defaults::default())
    }

    #[test]
    fn the_delimiter_is_found_in_the_header() {
        let titles = ["member_reference", "Spend", "\"currency\"", "Category", "note"];
        for (delimiter, joined) in [(b',', ","), (b';', ";"), (b'\t', "\t"), (b'|', "|")] {
            let layout = of(&titles.join(joined)).expect("a header");
            let names = [Field::Member, Field::Spend, Field::Currency, Field::Category];
            let mut names: Vec<_> = names.into_iter().map(Some).collect();
            names.push(None);
            assert_eq!(layout, Layout::Columns { delimiter, names });
        }
        let quoted = "member_reference;spend;currency;category;\"a,b,c,d,e,f\"";
        assert!(matches!(of(quoted), Ok(Layout::Columns { delimiter: b';', .. })));
        assert_eq!(of("{\"spend\": \"1\"}").expect("JSON"), Layout::Json);
    }

    #[test]
    fn a_header_without_what_is_needed_says_so() {
        for (header, says) in [
            ("spend,currency,category", "no column member_reference"),
            ("member_reference,spend,category", "no column currency"),
            ("member_reference,spend,spend,currency,category", "spend twice"),
            ("PK\u{3}\u{4}", "no column member_reference"),
        ] {
            let error = of(header).expect_err(header).to_string();
            assert!(error.contains(says), "{error}");
        }
        let defaults =
            Defaults { currency: Some("EUR".to_owned()), category: Some("ride".to_owned()) };
        assert!(Layout::of(b"member_reference,spend", None, &defaults).is_ok());
    }
}
