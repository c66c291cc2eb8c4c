//! The records of a text file, line by line: bounded, whatever the file is, and each with its number. A
//! byte-order mark, CRLF, and quoted texts over several lines are tolerated.

use std::{
    collections::VecDeque,
    fs::File,
    io::{BufRead, BufReader, Read, Seek},
    path::Path,
    str::FromStr,
};

use anyhow::{Context as _, bail, ensure};
use aws_lc_rs::digest;

/// The longest line, and the longest record of several lines.
const LONGEST: usize = 65_536;

/// Fields for which there is room at once.
const FIELDS: usize = 24;

/// The most lines of one record: a quoted text may have line ends in it.
const MOST_LINES: usize = 50;

/// What is wrong with a record; the text is for people.
pub(crate) type Bad = &'static str;

/// What separates columns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Delimiter(pub(crate) u8);

/// A file that was read once, from its beginning to its end.
pub(crate) struct Seen {
    /// At its beginning again.
    pub(crate) reader: BufReader<File>,
    /// Its SHA-256.
    pub(crate) digest: Vec<u8>,
    /// How long it is, in bytes.
    pub(crate) length: u64,
}

/// The records of a file, in its order.
pub(crate) struct Records<R = BufReader<File>> {
    reader: R,
    /// Lines that were read in search of the end of a quote.
    read: VecDeque<Read1>,
    /// Whether a quote that is open at the end of a line goes on in the next.
    quotes: bool,
    next: u64,
    bytes: u64,
}

/// A record, or why it is none.
pub(crate) struct Record {
    /// The number of its first line in the file.
    pub(crate) line: u64,
    /// How much of the file is read with it.
    pub(crate) bytes: u64,
    /// Without its end.
    pub(crate) text: Result<Vec<u8>, Bad>,
    ended: bool,
}

/// A line without its end, and how many bytes of the file it was.
struct Read1 {
    line: Vec<u8>,
    bytes: u64,
    too_long: bool,
    ended: bool,
}

impl Seen {
    /// Opens a file, and reads all of it for its digest.
    pub(crate) fn open(path: &Path) -> anyhow::Result<Self> {
        let mut file = File::open(path)?;
        let mut digest = digest::Context::new(&digest::SHA256);
        let (mut buffer, mut length) = (vec![0; 65_536], 0);
        loop {
            let read = file.read(&mut buffer)?;
            if read == 0 {
                break;
            }
            digest.update(&buffer[..read]);
            length += u64::try_from(read)?;
        }
        file.rewind()?;
        let digest = digest.finish().as_ref().to_vec();
        Ok(Self { reader: BufReader::new(file), digest, length })
    }
}

impl<R: BufRead> Records<R> {
    /// Begins: the records, and the first line, which is their header where it does not begin a JSON
    /// object; then it is a record too.
    pub(crate) fn begin(mut reader: R) -> anyhow::Result<(Self, Vec<u8>)> {
        let start = reader.fill_buf()?;
        if start.starts_with(b"\xff\xfe") || start.starts_with(b"\xfe\xff") {
            bail!("the file is UTF-16; save it as UTF-8");
        }
        if start.starts_with(b"\xef\xbb\xbf") {
            reader.consume(3);
        }
        let Some(first) = read_line(&mut reader)? else { bail!("the file is empty") };
        ensure!(!first.too_long, "the first line is longer than {LONGEST} bytes");
        let line = first.line.clone();
        let is_json = line.trim_ascii_start().starts_with(b"{");
        let mut records =
            Self { reader, read: VecDeque::new(), quotes: !is_json, next: 2, bytes: 0 };
        if is_json {
            records.next = 1;
            records.read.push_back(first);
        }
        Ok((records, line))
    }

    /// The next record; `None` at the end. Empty lines are passed over.
    pub(crate) fn next(&mut self) -> std::io::Result<Option<Record>> {
        while let Some(first) = self.line()? {
            let line = self.next;
            self.next += 1;
            self.bytes += first.bytes;
            if first.line.trim_ascii().is_empty() && !first.too_long {
                continue;
            }
            let ended = first.ended;
            let text = self.record(first)?;
            return Ok(Some(Record { line, bytes: self.bytes, text, ended }));
        }
        Ok(None)
    }

    fn line(&mut self) -> std::io::Result<Option<Read1>> {
        match self.read.pop_front() {
            Some(read) => Ok(Some(read)),
            None => read_line(&mut self.reader),
        }
    }

    /// A whole record: more lines, where a quote is open at the end of one. A quote that never ends
    /// harms its own line alone.
    fn record(&mut self, first: Read1) -> std::io::Result<Result<Vec<u8>, Bad>> {
        if first.too_long {
            return Ok(Err("the line is too long"));
        }
        let mut record = first.line;
        if !self.quotes || !open(&record) {
            return Ok(Ok(record));
        }
        let mut more = VecDeque::new();
        while more.len() < MOST_LINES && record.len() < LONGEST {
            let Some(next) = self.line()? else { break };
            record.push(b'\n');
            record.extend_from_slice(&next.line);
            let ends = !next.too_long && !open(&record);
            more.push_back(next);
            if ends {
                self.next += u64::try_from(more.len()).unwrap_or(u64::MAX);
                self.bytes += more.iter().map(|read| read.bytes).sum::<u64>();
                return Ok(Ok(record));
            }
        }
        more.append(&mut self.read);
        self.read = more;
        Ok(Err("a quote in the line does not end"))
    }
}

impl Record {
    /// Why a record is none: what a cut has left of a line says that alone.
    pub(crate) const fn why(&self, bad: Bad) -> Bad {
        if self.ended { bad } else { "the file ends in the middle of this line" }
    }
}

impl FromStr for Delimiter {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> anyhow::Result<Self> {
        match text {
            "tab" | "\\t" => Ok(Self(b'\t')),
            _ => match text.as_bytes() {
                [byte] if byte.is_ascii() && !byte.is_ascii_alphanumeric() && *byte != b'"' => {
                    Ok(Self(*byte))
                }
                _ => bail!("a delimiter is one character, such as ';', or tab"),
            },
        }
    }
}

/// The titles of a header, and what separates them.
pub(crate) fn titles(
    header: &[u8],
    delimiter: Option<Delimiter>,
) -> anyhow::Result<(u8, Vec<String>)> {
    let text = std::str::from_utf8(header).context("the header is not UTF-8")?;
    let delimiter = delimiter.map_or_else(|| frequent(text), |given| given.0);
    let titles = split(header, delimiter).context("the header cannot be read")?;
    let titles = titles.iter().map(|title| String::from_utf8_lossy(title).into_owned());
    Ok((delimiter, titles.collect()))
}

/// The fields of one record, unquoted; `None` where there is no record.
pub(crate) fn split(record: &[u8], delimiter: u8) -> Option<csv::ByteRecord> {
    // Most have nothing to unquote, and a reader costs more to make than their fields to find.
    if !record.is_empty() && !record.iter().any(|byte| matches!(byte, b'"' | b'\r' | b'\n')) {
        let mut fields = csv::ByteRecord::with_capacity(record.len(), FIELDS);
        fields.extend(record.split(|byte| *byte == delimiter));
        return Some(fields);
    }
    unquoted(record, delimiter)
}

fn unquoted(record: &[u8], delimiter: u8) -> Option<csv::ByteRecord> {
    let mut reader = csv::ReaderBuilder::new()
        .delimiter(delimiter)
        .has_headers(false)
        .flexible(true)
        .buffer_capacity(record.len().max(1))
        .from_reader(record);
    let mut fields = csv::ByteRecord::new();
    reader.read_byte_record(&mut fields).ok().filter(|read| *read).map(|_| fields)
}

/// The fields of one record under so many titles, or what is wrong with it.
pub(crate) fn fields(record: &[u8], delimiter: u8, titles: usize) -> Result<csv::ByteRecord, Bad> {
    if std::str::from_utf8(record).is_err() {
        return Err("the line is not UTF-8");
    }
    let fields = split(record, delimiter).ok_or("the line cannot be read")?;
    if fields.len() < titles {
        return Err("the line has fewer columns than the header");
    }
    // A column too many is mostly a delimiter in a text: nobody knows which value is which.
    if fields.iter().skip(titles).map(<[u8]>::trim_ascii).any(|field| !field.is_empty()) {
        return Err("the line has more columns than the header");
    }
    Ok(fields)
}

/// The delimiter that is in a header most often, outside quotes; a comma where none is.
fn frequent(header: &str) -> u8 {
    let outside: String = header.split('"').step_by(2).collect();
    let count = |byte: u8| outside.bytes().filter(|found| *found == byte).count();
    let most = b",;\t|".iter().copied().rev().max_by_key(|byte| count(*byte));
    most.unwrap_or(b',')
}

/// Whether a quote is open at the end; a doubled one counts twice, and so not at all.
fn open(record: &[u8]) -> bool {
    record.iter().fold(false, |open, byte| open != (*byte == b'"'))
}

/// Reads to the end of a line, and keeps no more than the longest.
fn read_line(reader: &mut impl BufRead) -> std::io::Result<Option<Read1>> {
    let mut read = Read1 { line: Vec::new(), bytes: 0, too_long: false, ended: false };
    while !read.ended {
        let buffer = reader.fill_buf()?;
        if buffer.is_empty() {
            break;
        }
        let end = buffer.iter().position(|byte| *byte == b'\n');
        let taken = end.map_or(buffer.len(), |end| end + 1);
        let text = &buffer[..end.unwrap_or(taken)];
        read.too_long |= read.line.len() + text.len() > LONGEST;
        if !read.too_long {
            read.line.extend_from_slice(text);
        }
        read.ended = end.is_some();
        read.bytes += u64::try_from(taken).unwrap_or(u64::MAX);
        reader.consume(taken);
    }
    if read.line.last() == Some(&b'\r') {
        read.line.pop();
    }
    Ok((read.bytes > 0).then_some(read))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_those_that_a_reader_finds_whether_or_not_one_is_made() {
        for record in [
            "A1,100,1.20",
            "A1",
            ",",
            "A1,,",
            " A1 , x ",
            "Gr\u{fc}n,;\t",
            "",
            "A1\r,x",
            "\"A,1\",x",
        ] {
            for delimiter in *b",;" {
                let found = split(record.as_bytes(), delimiter);
                assert_eq!(found, unquoted(record.as_bytes(), delimiter), "{record:?}");
            }
        }
    }
}
