//! The purchases of a file, each with the number of its line and its request id.

use std::{
    fs::File,
    io::{BufRead, BufReader},
    path::Path,
};

use entente_api::points::EarnRequest;
use uuid::Uuid;

use super::layout::{Defaults, Layout};
use super::row;
use crate::records::{Bad, Delimiter, Records, Seen};

/// What the ids of a file's lines are derived from, with the file's digest and the line's number.
const NAMESPACE: Uuid = Uuid::from_u128(0x6f1d_3a52_5d0e_4c1b_9a57_2f8e_1f0c_7d46);

/// The purchases of a file, in its order.
pub(super) struct Purchases<R = BufReader<File>> {
    records: Records<R>,
    layout: Layout,
    defaults: Defaults,
    file_id: Uuid,
    /// How long the file is.
    length: u64,
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
        let Seen { reader, digest, length } = Seen::open(path)?;
        let file_id = Uuid::new_v5(&NAMESPACE, &digest);
        Self::read(reader, file_id, length, delimiter, defaults)
    }

    /// How long the file is, in bytes.
    pub(super) fn length(&self) -> u64 {
        self.length
    }
}

impl<R: BufRead> Purchases<R> {
    fn read(
        reader: R,
        file_id: Uuid,
        length: u64,
        delimiter: Option<Delimiter>,
        defaults: Defaults,
    ) -> anyhow::Result<Self> {
        let (records, first) = Records::begin(reader)?;
        let layout = Layout::of(&first, delimiter, &defaults)?;
        Ok(Self { records, layout, defaults, file_id, length })
    }

    /// The next purchase; `None` at the end. Empty lines are passed over.
    pub(super) fn next(&mut self) -> std::io::Result<Option<Purchase>> {
        let Some(record) = self.records.next()? else { return Ok(None) };
        let (line, bytes) = (record.line, record.bytes);
        let request = match &record.text {
            Ok(text) => self.request(line, text),
            Err(bad) => Err(*bad),
        };
        Ok(Some(Purchase { line, bytes, request: request.map_err(|bad| record.why(bad)) }))
    }

    fn request(&self, line: u64, record: &[u8]) -> Result<EarnRequest, Bad> {
        let id = || Uuid::new_v5(&self.file_id, line.to_string().as_bytes()).to_string();
        row::request(record, &self.layout, &self.defaults, id)
    }
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
        let long = "x".repeat(3 * 65_536);
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
