//! A sheet: a CSV file as others make them. A byte-order mark, CRLF, quotes, padding, another
//! delimiter and another order of columns are tolerated; a row that cannot be used is set aside.

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use csv::{ByteRecord, ReaderBuilder};
use uuid::Uuid;

use super::aside::{Aside, Reason};

/// A larger file is refused: it would not be played in a day.
const MOST_BYTES: u64 = 256 * 1_024 * 1_024;

/// What stands between fields.
const DELIMITERS: [u8; 4] = *b",;\t|";

/// The column that numbers rows; where it is missing, rows are numbered as they come.
const NUMBER: &str = "row";

/// A file in memory.
#[derive(Clone, Debug)]
pub(crate) struct Sheet {
    path: PathBuf,
    bytes: Vec<u8>,
}

/// What was read of a file.
#[derive(Clone, Debug)]
pub(crate) struct Rows<T> {
    /// What can be played, in the order of the file.
    pub(crate) good: Vec<Row<T>>,
    /// What cannot.
    pub(crate) aside: Aside,
}

/// One row that can be played.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Row<T> {
    /// Its number in the column `row`.
    pub(crate) number: u64,
    /// Where it begins, the file's header being line 1.
    pub(crate) line: u64,
    /// What it says.
    pub(crate) value: T,
}

/// The fields of a row, by the names of their columns.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Fields<'a> {
    columns: &'a [String],
    record: &'a ByteRecord,
}

impl Sheet {
    /// Reads a file.
    pub(crate) fn open(path: &Path) -> anyhow::Result<Self> {
        let shown = path.display();
        let size = fs::metadata(path).with_context(|| format!("cannot read {shown}"))?.len();
        if size > MOST_BYTES {
            bail!("{shown} has more than {} MiB", MOST_BYTES / 1_048_576);
        }
        let bytes = fs::read(path).with_context(|| format!("cannot read {shown}"))?;
        Ok(Self { path: path.to_owned(), bytes })
    }

    /// A file that a test wrote.
    #[cfg(test)]
    pub(crate) fn of(bytes: impl Into<Vec<u8>>) -> Self {
        Self { path: PathBuf::from("test.csv"), bytes: bytes.into() }
    }

    /// Names the file's content.
    pub(crate) fn fingerprint(&self) -> Uuid {
        Uuid::new_v5(&Uuid::NAMESPACE_OID, &self.bytes)
    }

    /// Reads every row by `parse`. Only a file without these columns is an error.
    pub(crate) fn read<T>(
        &self,
        needed: &[&str],
        parse: impl Fn(Fields<'_>) -> Result<T, Reason>,
    ) -> anyhow::Result<Rows<T>> {
        let mut reader = ReaderBuilder::new()
            .delimiter(delimiter(&self.bytes))
            .flexible(true)
            .from_reader(self.bytes.as_slice());
        let columns = self.columns(reader.byte_headers()?, needed)?;
        let mut rows = Rows { good: Vec::new(), aside: Aside::default() };
        let (mut seen, mut ordinal) = (HashSet::new(), 0);
        let mut lines = Lines { bytes: &self.bytes, at: 0, line: 1 };
        let mut record = ByteRecord::new();
        while reader.read_byte_record(&mut record)? {
            ordinal += 1;
            let line = lines.at(record.position().map_or(0, csv::Position::byte));
            let fields = Fields { columns: &columns, record: &record };
            let read = fields.number(ordinal).and_then(|number| {
                // First, so that of two rows of one number the first is played, if it can be.
                let value = parse(fields)?;
                if seen.insert(number) { Ok((number, value)) } else { Err(Reason::NumberTwice) }
            });
            match read {
                Ok((number, value)) => rows.good.push(Row { number, line, value }),
                Err(reason) => rows.aside.set(reason, line),
            }
        }
        Ok(rows)
    }

    fn columns(&self, header: &ByteRecord, needed: &[&str]) -> anyhow::Result<Vec<String>> {
        let name = |field: &[u8]| String::from_utf8_lossy(field).trim().to_lowercase();
        let columns: Vec<String> = header.iter().map(name).collect();
        let missing: Vec<&str> = needed
            .iter()
            .copied()
            .filter(|name| !columns.iter().any(|column| column == name))
            .collect();
        if !missing.is_empty() {
            let path = self.path.display();
            bail!("{path} is another file than expected: it has no column {}", missing.join(", "));
        }
        Ok(columns)
    }
}

impl<T> Rows<T> {
    /// Sets aside what does not stand this test as well.
    pub(crate) fn keep(&mut self, stands: impl Fn(&T) -> Result<(), Reason>) {
        for row in std::mem::take(&mut self.good) {
            match stands(&row.value) {
                Ok(()) => self.good.push(row),
                Err(reason) => self.aside.set(reason, row.line),
            }
        }
    }

    /// How many rows the file has.
    pub(crate) fn count(&self) -> u64 {
        let good = u64::try_from(self.good.len()).unwrap_or(u64::MAX);
        good.saturating_add(self.aside.rows())
    }
}

impl<'a> Fields<'a> {
    /// What a column says; an empty field is a reason to set the row aside.
    pub(crate) fn get(self, column: &'static str) -> Result<&'a str, Reason> {
        self.find(column)?.ok_or(Reason::Empty(column))
    }

    /// What a column says; nothing where the file has no such column or the field is empty.
    pub(crate) fn find(self, column: &str) -> Result<Option<&'a str>, Reason> {
        let Some(place) = self.columns.iter().position(|name| name == column) else {
            return Ok(None);
        };
        let field = self.record.get(place).ok_or(Reason::FieldCount)?;
        let text = std::str::from_utf8(field).map_err(|_| Reason::NotText)?.trim();
        Ok((!matches!(text, "" | "NULL" | "NA")).then_some(text))
    }

    /// A whole number that is not negative.
    pub(crate) fn whole(self, column: &'static str, most: u32) -> Result<u32, Reason> {
        let text = self.get(column)?;
        let number: u64 = text.parse().map_err(|_| Reason::Unreadable(column))?;
        let number = u32::try_from(number).map_err(|_| Reason::TooLarge(column))?;
        if number > most { Err(Reason::TooLarge(column)) } else { Ok(number) }
    }

    /// An amount in micros, rounded half away from zero.
    pub(crate) fn micros(self, column: &'static str) -> Result<i64, Reason> {
        micros(self.get(column)?).ok_or(Reason::Unreadable(column))
    }

    fn number(self, ordinal: u64) -> Result<u64, Reason> {
        if self.record.len() != self.columns.len() {
            return Err(Reason::FieldCount);
        }
        if !self.columns.iter().any(|column| column == NUMBER) {
            return Ok(ordinal);
        }
        self.get(NUMBER)?.parse().map_err(|_| Reason::Unreadable(NUMBER))
    }
}

/// Counts lines, whatever ends them: the reader takes a CRLF for the end of one and a half.
struct Lines<'a> {
    bytes: &'a [u8],
    at: usize,
    line: u64,
}

impl Lines<'_> {
    /// The line of the row that begins at a byte or after line ends that follow there. Rows are asked
    /// for in order.
    fn at(&mut self, byte: u64) -> u64 {
        let rest = usize::try_from(byte).ok().and_then(|byte| self.bytes.get(byte..));
        let text = rest.and_then(|rest| rest.iter().position(|byte| !b"\r\n".contains(byte)));
        let start = self.bytes.len() - rest.map_or(0, <[u8]>::len) + text.unwrap_or_default();
        let passed = self.bytes.get(self.at..start).unwrap_or_default();
        let ends = passed.split(|byte| *byte == b'\n').count().saturating_sub(1);
        self.line = self.line.saturating_add(u64::try_from(ends).unwrap_or(u64::MAX));
        self.at = start;
        self.line
    }
}

/// The delimiter that the header has most of.
fn delimiter(bytes: &[u8]) -> u8 {
    let header = bytes.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let count = |delimiter: &u8| header.split(|byte| byte == delimiter).count();
    // Of several that occur equally often, the first.
    DELIMITERS.into_iter().rev().max_by_key(count).unwrap_or(b',')
}

/// A decimal as files have them: `75`, `98.5`, `-6.38`, `36.949999999999996`.
fn micros(text: &str) -> Option<i64> {
    let (negative, text) = text.strip_prefix('-').map_or((false, text), |text| (true, text));
    let (units, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if !digits(units) || !digits(fraction) || units.len() > 9 {
        return None;
    }
    let kept = &fraction[..fraction.len().min(6)];
    let micros: i64 = format!("{units}{kept:0<6}").parse().ok()?;
    let rounded = micros + i64::from(fraction.as_bytes().get(6).is_some_and(|digit| *digit > b'4'));
    Some(if negative { -rounded } else { rounded })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Number, line and name of each good row, and how many rows there are of each reason.
    type Read = (Vec<(u64, u64, String)>, Vec<(String, u64)>);

    fn read(bytes: impl Into<Vec<u8>>) -> Read {
        let rows = Sheet::of(bytes)
            .read(&["name"], |fields| fields.get("name").map(str::to_owned))
            .expect("a sheet with that column");
        let good = rows.good.into_iter().map(|row| (row.number, row.line, row.value));
        let aside = rows.aside.reasons().map(|(reason, found)| (reason.text(), found.rows));
        (good.collect(), aside.collect())
    }

    fn row(number: u64, line: u64, name: &str) -> (u64, u64, String) {
        (number, line, name.to_owned())
    }

    #[test]
    fn a_sheet_is_read_whatever_program_wrote_it() {
        let good = vec![row(1, 2, "Ada"), row(2, 3, "Bob")];
        for text in [
            "row,name\n1,Ada\n2,Bob\n",
            "\u{feff}row,name\r\n1,Ada\r\n2,Bob",
            "Name ;Row\nAda;1\nBob;2\n",
            "\"name\"\t\"row\"\n\"Ada\"\t1\n\"Bob\"\t2\n",
            "name|x\n Ada |,\n Bob |,\n",
            "name\nAda\nBob",
        ] {
            assert_eq!(read(text), (good.clone(), Vec::new()), "{text:?}");
        }
    }

    #[test]
    fn a_row_that_cannot_be_used_is_set_aside_by_its_reason() {
        let (good, aside) =
            read(b"row,name\n1,Ada\n1,Bob\nx,Cid\n\n,Dan\n5,NULL\n6,\xff\n7,Eve,9\n8".as_slice());
        assert_eq!(good, [row(1, 2, "Ada")]);
        let reasons = [
            ("other number of fields than the header", 2),
            ("not UTF-8", 1),
            ("row number given before", 1),
            ("name is empty", 1),
            ("row is empty", 1),
            ("row cannot be read", 1),
        ];
        assert_eq!(aside, reasons.map(|(reason, rows)| (reason.to_owned(), rows)));
    }

    #[test]
    fn a_number_is_free_again_when_its_first_row_is_set_aside() {
        let (good, aside) = read("row,name\n1,\n1,Bob\n");
        assert_eq!((good, aside.len()), (vec![row(1, 3, "Bob")], 1));
    }

    #[test]
    fn another_file_is_an_error_that_names_what_is_missing() {
        let sheet = Sheet::of("row,title\n1,x\n");
        let error = sheet.read(&["name"], |_| Ok(())).expect_err("it has no name").to_string();
        assert!(error.ends_with("it has no column name"), "{error}");
        assert!(Sheet::of("").read(&["name"], |_| Ok(())).is_err());
    }

    #[test]
    fn an_amount_is_read_to_the_micro() {
        for (text, expected) in [
            ("75", Some(75_000_000)),
            ("98.5", Some(98_500_000)),
            ("-6.38", Some(-6_380_000)),
            ("36.949999999999996", Some(36_950_000)),
            ("0.0000004", Some(0)),
            ("", None),
            (".5", None),
            ("5.", None),
            ("--5", None),
            ("1e3", None),
            ("1,5", None),
            ("1234567890", None),
        ] {
            assert_eq!(micros(text), expected, "{text:?}");
        }
    }
}
