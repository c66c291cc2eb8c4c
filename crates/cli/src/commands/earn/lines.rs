//! The lines of a file: bounded, whatever the file is, and each with its number and its request id.

use std::{
    collections::VecDeque,
    fs::File,
    io::{BufRead, BufReader, Read, Seek},
    path::Path,
};

use anyhow::{bail, ensure};
use aws_lc_rs::digest;
use entente_api::points::EarnRequest;
use uuid::Uuid;

use super::layout::{Defaults, Delimiter, Layout};
use super::row::{self, Bad};

/// The longest line, and the longest record of several lines.
const LONGEST: usize = 65_536;

/// The most lines of one record: a quoted text may have line ends in it.
const MOST_LINES: usize = 50;

/// What the ids of a file's lines are derived from, with the file's digest and the line's number.
const NAMESPACE: Uuid = Uuid::from_u128(0x6f1d_3a52_5d0e_4c1b_9a57_2f8e_1f0c_7d46);

/// The purchases of a file, in its order.
pub(super) struct Purchases<R = BufReader<File>> {
    reader: R,
    /// Lines that were read in search of the end of a quote.
    read: VecDeque<Read1>,
    layout: Layout,
    defaults: Defaults,
    file_id: Uuid,
    next: u64,
    bytes: u64,
    /// How long the file is.
    length: u64,
}

/// A line without its end, and how many bytes of the file it was.
struct Read1 {
    line: Vec<u8>,
    bytes: u64,
    too_long: bool,
    ended: bool,
}

/// One purchase, or why it cannot be sent.
pub(super) struct Purchase {
    /// The number of its first line in the file.
    pub(super) line: u64,
    /// How much of the file is read with it.
    pub(super) bytes: u64,
    pub(super) request: Result<EarnRequest, Bad>,
}

impl Purchases {
    /// Opens a file: reads all of it once, for its digest, and then its header.
    pub(super) fn open(
        path: &Path,
        delimiter: Option<Delimiter>,
        defaults: Defaults,
    ) -> anyhow::Result<Self> {
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
        let file_id = Uuid::new_v5(&NAMESPACE, digest.finish().as_ref());
        Self::read(BufReader::new(file), file_id, length, delimiter, defaults)
    }

    /// How long the file is, in bytes.
    pub(super) fn length(&self) -> u64 {
        self.length
    }
}

impl<R: BufRead> Purchases<R> {
    fn read(
        mut reader: R,
        file_id: Uuid,
        length: u64,
        delimiter: Option<Delimiter>,
        defaults: Defaults,
    ) -> anyhow::Result<Self> {
        let start = reader.fill_buf()?;
        if start.starts_with(b"\xff\xfe") || start.starts_with(b"\xfe\xff") {
            bail!("the file is UTF-16; save it as UTF-8");
        }
        if start.starts_with(b"\xef\xbb\xbf") {
            reader.consume(3);
        }
        let Some(first) = read_line(&mut reader)? else { bail!("the file is empty") };
        ensure!(!first.too_long, "the first line is longer than {LONGEST} bytes");
        let layout = Layout::of(&first.line, delimiter, &defaults)?;
        let mut purchases = Self {
            reader,
            read: VecDeque::new(),
            layout,
            defaults,
            file_id,
            next: 1,
            bytes: 0,
            length,
        };
        if purchases.layout == Layout::Json {
            purchases.read.push_back(first);
        } else {
            purchases.next = 2;
        }
        Ok(purchases)
    }

    /// The next purchase; `None` at the end. Empty lines are passed over.
    pub(super) fn next(&mut self) -> std::io::Result<Option<Purchase>> {
        while let Some(first) = self.line()? {
            let line = self.next;
            self.next += 1;
            self.bytes += first.bytes;
            if first.line.trim_ascii().is_empty() && !first.too_long {
                continue;
            }
            let ended = first.ended;
            let request = match self.record(first)? {
                Ok(record) => self.request(line, &record),
                Err(bad) => Err(bad),
            };
            // What a cut has left of a line is no purchase, and its reason is that alone.
            let request = request.map_err(|bad| {
                if ended { bad } else { "the file ends in the middle of this line" }
            });
            return Ok(Some(Purchase { line, bytes: self.bytes, request }));
        }
        Ok(None)
    }

    fn request(&self, line: u64, record: &[u8]) -> Result<EarnRequest, Bad> {
        let id = || Uuid::new_v5(&self.file_id, line.to_string().as_bytes()).to_string();
        row::request(record, &self.layout, &self.defaults, id)
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
        if self.layout == Layout::Json || !open(&record) {
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

    /// The line, and the member or what is wrong, of each purchase.
    fn all(text: &[u8]) -> Vec<(u64, String)> {
        let file_id = Uuid::new_v5(&NAMESPACE, text);
        // A buffer of a few bytes, so that lines cross its end.
        let reader = BufReader::with_capacity(7, text);
        let defaults = Defaults::default();
        let mut purchases = Purchases::read(reader, file_id, 0, None, defaults).expect("a header");
        let mut found = Vec::new();
        while let Some(purchase) = purchases.next().expect("a vector can be read") {
            let told = match purchase.request {
                Ok(request) => request.member_reference,
                Err(bad) => bad.to_owned(),
            };
            found.push((purchase.line, told));
        }
        found
    }

    fn owned(expected: &[(u64, &str)]) -> Vec<(u64, String)> {
        expected.iter().map(|(line, told)| (*line, (*told).to_owned())).collect()
    }

    #[test]
    fn marks_line_ends_and_quotes_are_tolerated() {
        let text = "\u{feff}member_reference,spend,currency,category,note\r\n\
                    a,1,EUR,stay,\r\n\
                    \r\n\
                    \"b\",2,EUR,stay,\"said \"\"hello\"\", twice\r\nand left\"\r\n\
                    c,3,EUR,stay,x";
        assert_eq!(all(text.as_bytes()), owned(&[(2, "a"), (4, "b"), (6, "c")]));
    }

    #[test]
    fn a_quote_that_never_ends_harms_its_own_line_alone() {
        let text = "member_reference,spend,currency,category\n\
                    \"a,1,EUR,stay\n\
                    b,2,EUR,stay\n\
                    c,3,EUR,stay\n";
        let bad = "a quote in the line does not end";
        assert_eq!(all(text.as_bytes()), owned(&[(2, bad), (3, "b"), (4, "c")]));
    }

    #[test]
    fn a_file_that_is_cut_says_so_of_its_last_line() {
        let cut = "the file ends in the middle of this line";
        let text = "member_reference,spend,currency,category\na,1,EUR,stay\nb,2,E";
        assert_eq!(all(text.as_bytes()), owned(&[(2, "a"), (3, cut)]));
        let text = "{\"member_reference\":\"a\",\"spend\":1,\"currency\":\"EUR\",\"category\":\"x\"}\n{\"mem";
        assert_eq!(all(text.as_bytes()), owned(&[(1, "a"), (2, cut)]));
    }

    #[test]
    fn a_line_without_end_is_not_kept() {
        let long = "x".repeat(3 * LONGEST);
        let text = format!("member_reference,spend,currency,category\n{long}\nb,2,EUR,stay\n");
        assert_eq!(all(text.as_bytes()), owned(&[(2, "the line is too long"), (3, "b")]));
    }

    #[test]
    fn the_ids_of_a_file_are_the_same_each_time_and_differ_by_line_and_by_file() {
        let ids = |text: &str| {
            let file_id = Uuid::new_v5(&NAMESPACE, text.as_bytes());
            let defaults = Defaults::default();
            let mut purchases =
                Purchases::read(text.as_bytes(), file_id, 0, None, defaults).expect("a header");
            let mut ids = Vec::new();
            while let Some(purchase) = purchases.next().expect("readable") {
                ids.push(purchase.request.expect("a purchase").request_id);
            }
            ids
        };
        let text = "member_reference,spend,currency,category\na,1,EUR,stay\na,1,EUR,stay\n";
        let first = ids(text);
        assert_eq!(first, ids(text));
        assert_ne!(first[0], first[1]);
        assert_ne!(first[0], ids(&format!("{text}b,1,EUR,stay\n"))[0]);
    }

    #[test]
    fn what_is_no_text_of_ours_is_refused_as_a_whole() {
        for (bytes, says) in [
            (&b""[..], "empty"),
            (b"\xff\xfem\x00", "UTF-16"),
            (b"\xef\xbb\xbf", "empty"),
            (b"member\xff,spend", "not UTF-8"),
        ] {
            let read = Purchases::read(bytes, NAMESPACE, 0, None, Defaults::default());
            let error = read.err().expect(says).to_string();
            assert!(error.contains(says), "{error}");
        }
    }
}
