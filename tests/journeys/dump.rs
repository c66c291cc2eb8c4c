//! A database as whoever steals a dump of it reads it: every column of every table, as text and as the
//! bytes that the text stands for; and a dictionary to look people up in it.

use std::collections::HashSet;

use aws_lc_rs::{
    digest::{SHA256, digest},
    hmac::{self, HMAC_SHA256},
};
use base64::{
    Engine,
    engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD},
};
use sqlx::PgPool;

/// Every needle is known by its first bytes: who finds so much has found it.
const PREFIX: usize = 12;

/// Everything that a database holds.
pub(crate) async fn dump(owner: &PgPool) -> Vec<u8> {
    let tables: Vec<String> = sqlx::query_scalar(
        "SELECT format('%I.%I', table_schema, table_name) FROM information_schema.tables
         WHERE table_type = 'BASE TABLE' AND table_schema NOT IN ('pg_catalog', 'information_schema')",
    )
    .fetch_all(owner)
    .await
    .expect("the tables");
    assert!(tables.len() > 30, "{tables:?}");
    let mut dump = Vec::new();
    for table in tables {
        let rows = sqlx::AssertSqlSafe(format!("SELECT t::text FROM {table} AS t"));
        let rows: Vec<String> = sqlx::query_scalar(rows).fetch_all(owner).await.expect("rows");
        for row in rows {
            dump.extend_from_slice(row.as_bytes());
            dump.push(b'\n');
            for bytes in row.split("\\x").skip(1) {
                let digits = bytes.bytes().take_while(u8::is_ascii_hexdigit).count();
                dump.extend(decoded(&bytes.as_bytes()[..digits / 2 * 2]));
                dump.push(b'\n');
            }
        }
    }
    dump
}

fn decoded(digits: &[u8]) -> impl Iterator<Item = u8> + '_ {
    let digit = |digit: u8| u8::try_from(char::from(digit).to_digit(16).unwrap()).unwrap();
    digits.chunks_exact(2).map(move |pair| digit(pair[0]) << 4 | digit(pair[1]))
}

fn hex(bytes: &[u8]) -> Vec<u8> {
    bytes.iter().flat_map(|byte| format!("{byte:02x}").into_bytes()).collect()
}

/// Everything by which somebody who knows a reference may look for it, without the hub's keys.
fn needles(reference: &str, keys: &[&[u8]]) -> Vec<Vec<u8>> {
    let plain = reference.as_bytes();
    let mut digests = vec![digest(&SHA256, plain).as_ref().to_vec()];
    for key in keys {
        let key = hmac::Key::new(HMAC_SHA256, key);
        digests.push(hmac::sign(&key, plain).as_ref().to_vec());
    }
    let mut all = vec![plain.to_vec()];
    all.extend(digests);
    let spelled: Vec<Vec<u8>> = all
        .iter()
        .flat_map(|bytes| {
            let base64 = [STANDARD_NO_PAD.encode(bytes), URL_SAFE_NO_PAD.encode(bytes)];
            [hex(bytes), hex(bytes).to_ascii_uppercase()]
                .into_iter()
                .chain(base64.map(String::into_bytes))
        })
        .collect();
    all.extend(spelled);
    all
}

/// Which of the references somebody finds, who has nothing but the haystack and a list of them all.
pub(crate) fn found(haystack: &[u8], references: &[String], keys: &[&[u8]]) -> Vec<String> {
    let all: Vec<(&String, Vec<u8>)> = references
        .iter()
        .flat_map(|reference| needles(reference, keys).into_iter().map(move |one| (reference, one)))
        .collect();
    let prefix = |bytes: &[u8]| -> [u8; PREFIX] { bytes[..PREFIX].try_into().unwrap() };
    let prefixes: HashSet<[u8; PREFIX]> = all.iter().map(|(_, needle)| prefix(needle)).collect();
    let suspects: HashSet<[u8; PREFIX]> =
        haystack.windows(PREFIX).map(prefix).filter(|window| prefixes.contains(window)).collect();
    all.into_iter()
        .filter(|(_, needle)| suspects.contains(&prefix(needle)))
        .map(|(reference, _)| reference.clone())
        .collect()
}

#[test]
fn the_dictionary_finds_what_is_hidden_badly() {
    let reference = "planted-reference-7".to_owned();
    let list = [reference.clone()];
    let keys: &[&[u8]] = &[b"", b"harbor-hotels"];
    for needle in needles(&reference, keys) {
        let haystack = [b"before".as_slice(), &needle, b"after"].concat();
        assert!(!found(&haystack, &list, keys).is_empty(), "{needle:?}");
    }
    assert!(found(b"another reference and nothing else", &list, keys).is_empty());
}
