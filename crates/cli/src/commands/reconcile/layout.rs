//! What a file's columns are: ours by their titles, or those that were mapped.

use anyhow::{Context as _, bail, ensure};
use clap::Args;
use entente_api::settlement::MemberNames;

use super::Members;
use super::number::Decimal;
use super::statement;
use super::time::Dates;
use crate::records::{self, Delimiter};

/// How to read a file.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Reading")]
pub(super) struct Reading {
    /// Which of our columns is which of the file's: `receipt=ref,points=pts`.
    #[arg(long, value_name = "OURS=THEIRS", value_delimiter = ',')]
    pub(super) map: Vec<String>,
    /// What separates the columns [default: found in the header].
    #[arg(long, value_name = "CHARACTER")]
    pub(super) delimiter: Option<Delimiter>,
    /// What separates decimals.
    #[arg(long, value_name = "SIGN", default_value = "point")]
    pub(super) decimal: Decimal,
    /// The currency of rows that name none.
    #[arg(long, value_name = "CODE")]
    pub(super) currency: Option<String>,
    /// How dates are written, as strptime has it: %d.%m.%Y [default: 2026-03-20, or with a time].
    #[arg(long, value_name = "FORMAT")]
    pub(super) date_format: Option<String>,
    /// The zone of dates that name none: Europe/Berlin.
    #[arg(long, value_name = "ZONE", default_value = "UTC")]
    pub(super) time_zone: String,
    /// How members are named.
    #[arg(long, value_name = "HOW", default_value = "reference")]
    pub(super) members: Members,
    /// What the file calls a kind or a status: `SALE=earn,VOID=reversed`.
    #[arg(long, value_name = "THEIRS=OURS", value_delimiter = ',')]
    pub(super) values: Vec<String>,
    /// Amounts have no sign: a burn, a gift, a donation and a reversed earn take points away.
    #[arg(long)]
    pub(super) unsigned: bool,
    /// How far apart two clocks may be, in seconds.
    #[arg(long, value_name = "SECONDS", default_value_t = 300)]
    pub(super) clock_tolerance: i32,
    /// How far apart a row may be that is found by member and amount, in seconds.
    #[arg(long, value_name = "SECONDS", default_value_t = 86_400)]
    pub(super) match_tolerance: i32,
}

/// A column that is ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Field {
    RequestId,
    Receipt,
    Member,
    Kind,
    Status,
    Points,
    Amount,
    Price,
    Currency,
    Date,
    /// Who pays: then the amount has no sign.
    Direction,
    /// What a record of a statement is.
    Record,
}

/// How a file tells a row.
#[derive(Clone, Debug)]
pub(super) struct Layout {
    pub(super) form: Form,
    pub(super) decimal: Decimal,
    pub(super) currency: Option<String>,
    pub(super) dates: Dates,
    pub(super) unsigned: bool,
    /// What the file calls a kind or a status, in small letters.
    pub(super) values: Vec<(String, String)>,
    /// Whether it is a statement, as the hub's own command writes it.
    pub(super) statement: bool,
    members: Members,
    told: String,
}

/// Where the fields are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// In columns, of which some are ours.
    Columns { delimiter: u8, fields: Vec<Option<Field>> },
    /// In a JSON object a line, under these names.
    Json { names: Vec<(Field, String)> },
}

impl Field {
    pub(super) const ALL: [(Self, &'static str); 11] = [
        (Self::RequestId, "request_id"),
        (Self::Receipt, "receipt"),
        (Self::Member, "member"),
        (Self::Kind, "kind"),
        (Self::Status, "status"),
        (Self::Points, "points"),
        (Self::Amount, "amount"),
        (Self::Price, "price"),
        (Self::Currency, "currency"),
        (Self::Date, "date"),
        (Self::Direction, "direction"),
    ];

    fn of_name(name: &str) -> Option<Self> {
        Self::ALL.iter().find(|(_, known)| *known == name).map(|(field, _)| *field)
    }
}

impl Layout {
    /// Reads the first line, without its end and its byte-order mark.
    pub(super) fn of(
        first: &[u8],
        delimiter: Option<Delimiter>,
        reading: &Reading,
    ) -> anyhow::Result<Self> {
        let (form, statement) = form(first, delimiter, &reading.map)?;
        let values = reading.values.iter().map(|pair| match pair.split_once('=') {
            Some((theirs, ours)) => Ok((plain(theirs), plain(ours))),
            None => bail!("{pair:?} is not THEIRS=OURS"),
        });
        let dates = Dates::of(&reading.time_zone, reading.date_format.clone())?;
        let layout = Self {
            form,
            decimal: reading.decimal,
            currency: reading.currency.clone(),
            dates,
            unsigned: reading.unsigned,
            values: values.collect::<anyhow::Result<_>>()?,
            statement,
            members: if statement { Members::Token } else { reading.members },
            told: told(reading),
        };
        ensure!(
            !layout.has(Field::Amount) || !layout.has(Field::Price),
            "the header has both amount and price; map one of them to nothing: --map price="
        );
        let no_currency = layout.currency.is_none() && !layout.has(Field::Currency);
        ensure!(
            !(layout.has_money() && no_currency),
            "the amounts have no currency: name its column by --map, or say --currency"
        );
        Ok(layout)
    }

    /// Whether the file tells money.
    pub(super) fn has_money(&self) -> bool {
        self.has(Field::Amount) || self.has(Field::Price)
    }

    /// How members are named.
    pub(super) fn member_names(&self) -> MemberNames {
        if self.has(Field::Member) { self.members.into() } else { MemberNames::Unspecified }
    }

    /// How the file is read, for the report: the same words make the same record.
    pub(super) fn told(&self) -> String {
        let shown = self.told.chars().filter(|c| !c.is_control());
        shown.take(1_000).collect()
    }

    fn has(&self, field: Field) -> bool {
        match &self.form {
            Form::Columns { fields, .. } => fields.contains(&Some(field)),
            Form::Json { names } => names.iter().any(|(known, _)| *known == field),
        }
    }
}

/// Where the fields are, and whether the file is a statement.
fn form(
    first: &[u8],
    delimiter: Option<Delimiter>,
    map: &[String],
) -> anyhow::Result<(Form, bool)> {
    if first.trim_ascii_start().starts_with(b"{") {
        let is_statement = map.is_empty() && first.starts_with(br#"{"record":"header","#);
        let names = if is_statement { statement::names() } else { held(first, names(map)?, map)? };
        return Ok((Form::Json { names }, is_statement));
    }
    let (delimiter, titles) = records::titles(first, delimiter)?;
    let is_statement = map.is_empty() && statement::is_one(&titles);
    let names = if is_statement { statement::names() } else { names(map)? };
    let fields = columns(&titles, &names, map)?;
    Ok((Form::Columns { delimiter, fields }, is_statement))
}

/// The name of each of our columns in the file; one that is mapped to nothing is left out.
fn names(map: &[String]) -> anyhow::Result<Vec<(Field, String)>> {
    let mut names: Vec<_> =
        Field::ALL.iter().map(|(field, name)| (*field, (*name).to_owned())).collect();
    let mut price = false;
    for pair in map {
        let Some((ours, theirs)) = pair.split_once('=') else {
            bail!("{pair:?} is not OURS=THEIRS")
        };
        let known = Field::of_name(ours.trim());
        let Some(field) = known else {
            let all = Field::ALL.map(|(_, name)| name).join(", ");
            bail!("{ours:?} is none of our columns: {all}");
        };
        price |= field == Field::Price && !theirs.is_empty();
        names.retain(|(known, _)| *known != field);
        if !theirs.is_empty() {
            names.push((field, theirs.to_owned()));
        }
    }
    // An amount is the usual; whoever maps a price means that.
    let left_out = if price { Field::Amount } else { Field::Price };
    let mapped = |field: Field| {
        map.iter()
            .any(|pair| pair.split_once('=').and_then(|(o, _)| Field::of_name(o)) == Some(field))
    };
    if !mapped(left_out) {
        names.retain(|(known, _)| *known != left_out || *known == Field::Price);
    }
    Ok(names)
}

/// The names without those of money and members that the first object has not, unless they are mapped.
fn held(
    first: &[u8],
    mut names: Vec<(Field, String)>,
    map: &[String],
) -> anyhow::Result<Vec<(Field, String)>> {
    let first: serde_json::Map<String, serde_json::Value> =
        serde_json::from_slice(first).context("the first line is no JSON object")?;
    names.retain(|(field, name)| {
        let may_be_absent = matches!(field, Field::Amount | Field::Price | Field::Member);
        let mapped = map.iter().any(|pair| pair.split_once('=').is_some_and(|(_, t)| t == name));
        !may_be_absent || mapped || first.contains_key(name)
    });
    Ok(names)
}

fn columns(
    titles: &[String],
    names: &[(Field, String)],
    map: &[String],
) -> anyhow::Result<Vec<Option<Field>>> {
    let field = |title: &String| {
        let name = names.iter().find(|(_, name)| plain(name) == plain(title));
        name.map(|(field, _)| *field)
    };
    let fields: Vec<_> = titles.iter().map(field).collect();
    for (field, name) in names {
        let count = fields.iter().filter(|found| **found == Some(*field)).count();
        ensure!(count < 2, "the header names {name} twice");
        let mapped = map.iter().any(|pair| pair.split_once('=').is_some_and(|(_, t)| t == name));
        let needed = mapped || *field == Field::Points;
        let found = titles.join(", ");
        ensure!(count == 1 || !needed, "the header has no column {name}; it has: {found}");
    }
    let keys = [Field::RequestId, Field::Receipt, Field::Member];
    ensure!(
        keys.iter().any(|key| fields.contains(&Some(*key))),
        "nothing tells rows apart: name a request_id, a receipt or a member by --map"
    );
    Ok(fields)
}

/// A title as people write it: `Request Id` is `request_id`.
pub(super) fn plain(title: &str) -> String {
    title.trim().to_lowercase().replace([' ', '-'], "_")
}

fn told(reading: &Reading) -> String {
    let mut told = vec![format!("map={}", reading.map.join(","))];
    told.push(format!("decimal={:?} zone={}", reading.decimal, reading.time_zone).to_lowercase());
    told.extend(reading.delimiter.map(|given| format!("delimiter={}", char::from(given.0))));
    told.extend(reading.currency.as_ref().map(|code| format!("currency={code}")));
    told.extend(reading.date_format.as_ref().map(|format| format!("date={format}")));
    if !reading.values.is_empty() {
        told.push(format!("values={}", reading.values.join(",")));
    }
    if reading.unsigned {
        told.push("unsigned".to_owned());
    }
    told.join(" ")
}

#[cfg(test)]
pub(super) mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        reading: Reading,
    }

    pub(in super::super) fn layout(header: &str, flags: &[&str]) -> anyhow::Result<Layout> {
        let line = ["entente"].into_iter().chain(flags.iter().copied());
        let reading = Line::try_parse_from(line)?.reading;
        Layout::of(header.as_bytes(), reading.delimiter, &reading)
    }

    #[test]
    fn columns_are_ours_by_their_titles_or_by_the_map() {
        use Field::{Date, Points, Receipt};
        for (header, flags) in [
            ("receipt;Points;date;note", &[][..]),
            ("Beleg;Punkte;Datum;x", &["--map", "receipt=Beleg,points=Punkte,date=Datum"]),
        ] {
            let layout = layout(header, flags).expect("a layout");
            let fields = vec![Some(Receipt), Some(Points), Some(Date), None];
            assert_eq!(layout.form, Form::Columns { delimiter: b';', fields });
            assert!(!layout.has_money());
            assert_eq!(layout.member_names(), MemberNames::Unspecified);
        }
        let priced = layout("receipt,points,rate", &["--map", "price=rate", "--currency", "USD"]);
        assert!(priced.expect("a layout").has_money());
    }

    #[test]
    fn a_file_with_other_columns_is_told_what_is_missing() {
        for (header, flags, says) in [
            ("receipt,pts", &[][..], "no column points; it has: receipt, pts"),
            ("points,note", &[], "nothing tells rows apart"),
            ("receipt,points,points", &[], "points twice"),
            ("receipt,points,amount", &[], "no currency"),
            ("receipt,points,amount,price", &["--currency", "USD"], "both amount and price"),
            ("receipt,points", &["--map", "date=when"], "no column when"),
            ("receipt,points", &["--map", "colour=red"], "none of our columns"),
            ("receipt,points", &["--map", "date"], "OURS=THEIRS"),
            ("receipt,points", &["--values", "SALE"], "THEIRS=OURS"),
            ("receipt,points", &["--time-zone", "Moon/Base"], "no time zone"),
            ("PK\u{3}\u{4}", &[], "no column points"),
        ] {
            let error = layout(header, flags).expect_err(header).to_string();
            assert!(error.contains(says), "{header}: {error}");
        }
    }
}
