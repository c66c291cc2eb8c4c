//! Bank statements as banks lay them out, good and bad.

use std::fmt::Write as _;

use entente_ledger::Micros;
use jiff::civil::date;
use proptest::prelude::*;

use super::{BankEntry, BankStatement, EntrySide, NotRead, PaymentId, Problem, read_camt};
use crate::Money;

pub(super) const IBAN: &str = "DE89370400440532013000";

pub(super) fn money(code: &str, micros: i64) -> Money {
    Money { currency: code.parse().expect("ISO 4217"), micros: Micros(micros) }
}

pub(super) fn id(text: &str) -> PaymentId {
    PaymentId::new(text).expect("an id")
}

pub(super) fn entry(reference: &str, side: &str, amount: &str, details: &str) -> String {
    format!(
        "<Ntry><NtryRef>{reference}</NtryRef><Amt Ccy=\"EUR\">{amount}</Amt><CdtDbtInd>{side}</CdtDbtInd>\
         <Sts><Cd>BOOK</Cd></Sts><BookgDt><Dt>2026-04-03</Dt></BookgDt><AcctSvcrRef>{reference}</AcctSvcrRef>\
         <NtryDtls>{details}</NtryDtls></Ntry>"
    )
}

pub(super) fn detail(id: &str, amount: &str, remittance: &str) -> String {
    let amount =
        if amount.is_empty() { String::new() } else { format!("<Amt Ccy=\"EUR\">{amount}</Amt>") };
    format!(
        "<TxDtls><Refs><EndToEndId>{id}</EndToEndId></Refs>{amount}<RltdPties><Dbtr><Pty><Nm>Harbor</Nm></Pty>\
         </Dbtr></RltdPties><RmtInf><Ustrd>{remittance}</Ustrd></RmtInf></TxDtls>"
    )
}

pub(super) fn camt(version: &str, body: &str) -> String {
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Document xmlns=\"urn:iso:std:iso:20022:tech:xsd:camt.053.001.{version}\">\
         <BkToCstmrStmt><GrpHdr><MsgId>M1</MsgId><CreDtTm>2026-04-04T00:00:00</CreDtTm></GrpHdr><Stmt><Id>S1</Id>\
         <Acct><Id><IBAN>{IBAN}</IBAN></Id><Ccy>EUR</Ccy></Acct>{body}</Stmt></BkToCstmrStmt></Document>"
    )
}

fn balance(kind: &str, side: &str, amount: &str) -> String {
    format!(
        "<Bal><Tp><CdOrPrtry><Cd>{kind}</Cd></CdOrPrtry></Tp><Amt Ccy=\"EUR\">{amount}</Amt>\
         <CdtDbtInd>{side}</CdtDbtInd><Dt><Dt>2026-04-03</Dt></Dt></Bal>"
    )
}

pub(super) fn read(text: &str) -> BankStatement {
    let mut statements = read_camt(text.as_bytes()).expect("a statement");
    assert_eq!(statements.len(), 1);
    statements.remove(0)
}

fn problem(bytes: &[u8]) -> Problem {
    let NotRead { problem, .. } = read_camt(bytes).expect_err("nothing to read");
    problem
}

#[test]
fn a_statement_is_read_to_the_cent() {
    let body = [
        balance("OPBD", "DBIT", "100.00"),
        balance("CLBD", "CRDT", "680.50"),
        entry(
            "B1",
            "CRDT",
            "780.50",
            &detail("W12-1-0-EUR", "", "Window 2026-03 &amp; <![CDATA[<more>]]>"),
        ),
        entry("B2", "CRDT", "1.00", ""),
        entry("B3", "DBIT", "1", &detail("NOTPROVIDED", "", "")),
    ];
    let statement = read(&camt("08", &body.concat()));
    assert_eq!((statement.id.as_str(), statement.account.as_str()), ("S1", IBAN));
    assert_eq!(statement.opening, Some(money("EUR", -100_000_000)));
    assert_eq!(statement.adds_up(), Ok(Some(true)));
    let [first, second, third] = statement.entries.as_slice() else { panic!("three entries") };
    assert_eq!(first.amount, money("EUR", 780_500_000));
    assert_eq!(first.end_to_end_id.as_deref(), Some("W12-1-0-EUR"));
    assert_eq!(first.remittance, "Window 2026-03 & <more>");
    assert_eq!(first.debtor.as_deref(), Some("Harbor"));
    assert_eq!(first.booked_on, Some(date(2026, 4, 3)));
    assert_eq!((second.end_to_end_id.as_deref(), second.side), (None, EntrySide::Credit));
    assert_eq!((third.end_to_end_id.as_deref(), third.side), (None, EntrySide::Debit));
    let one_less = read(&camt("08", &body[..4].concat()));
    assert_eq!(one_less.adds_up(), Ok(Some(false)));
}

#[test]
fn statements_are_read_as_banks_lay_them_out() {
    let body = entry("B1", "CRDT", "5.00", &detail("W1-1-0-EUR", "", ""));
    let plain = read(&camt("08", &body));
    let prefixed = camt("08", &body)
        .replace("</", "</b:")
        .replace('<', "<b:")
        .replace("<b:/b:", "</b:")
        .replace("<b:?", "<?")
        .replace("xmlns=", "xmlns:b=");
    let enveloped = camt("08", &body).replace("<?xml version=\"1.0\" encoding=\"UTF-8\"?>", "");
    let enveloped =
        format!("<Envelope><AppHdr xmlns=\"urn:head\"><Document2/></AppHdr>{enveloped}</Envelope>");
    let older = camt("02", &body).replace("<Sts><Cd>BOOK</Cd></Sts>", "<Sts>BOOK</Sts>");
    let older = older.replace("<Pty>", "").replace("</Pty>", "");
    let marked = format!("\u{feff}{}", camt("08", &body));
    let spaced = camt("08", &body).replace('>', ">\r\n  ").replace("</", "\r\n</");
    let timed =
        camt("08", &body).replace("<Dt>2026-04-03</Dt>", "<DtTm>2026-04-03T23:59:59+02:00</DtTm>");
    for text in [prefixed, enveloped, older, marked, spaced, timed, camt("13", &body)] {
        assert_eq!(read(&text), plain, "{text}");
    }
}

#[test]
fn an_entry_of_several_payments_comes_as_these_if_they_add_up() {
    let two = |first, second| {
        let details = [detail("W1-1-0-EUR", first, ""), detail("W1-2-0-EUR", second, "")].concat();
        let statement = read(&camt("08", &entry("B1", "CRDT", "5.00", &details)));
        let told = |entry: &BankEntry| {
            (entry.bank_reference.clone(), entry.amount.micros.0, entry.end_to_end_id.clone())
        };
        statement.entries.iter().map(told).collect::<Vec<_>>()
    };
    let named = |id: &str| Some(id.to_owned());
    let expected = [
        ("B1#1".to_owned(), 2_000_000, named("W1-1-0-EUR")),
        ("B1#2".to_owned(), 3_000_000, named("W1-2-0-EUR")),
    ];
    assert_eq!(two("2.00", "3.00"), expected);
    for (first, second) in [("2.00", "2.00"), ("", "")] {
        assert_eq!(two(first, second), [("B1".to_owned(), 5_000_000, None)]);
    }
}

#[test]
fn what_is_no_statement_is_refused_and_costs_nothing() {
    let good = camt("08", &entry("B1", "CRDT", "5.00", &detail("W1-1-0-EUR", "", "")));
    let with = |from: &str, to: &str| problem(good.replacen(from, to, 1).as_bytes());
    let bomb = "<!DOCTYPE x [<!ENTITY a \"aaaa\"><!ENTITY b \"&a;&a;\">]><Document";
    let wrong = |element: &str, value: &str| Problem::Value {
        element: element.to_owned(),
        value: value.to_owned(),
    };
    assert_eq!(with("<Document", bomb), Problem::DocumentType);
    assert_eq!(with("5.00", "&a;"), Problem::Entity("a".to_owned()));
    assert_eq!(with("5.00", "&#0;"), Problem::Entity("#0".to_owned()));
    assert_eq!(
        with("camt.053", "pain.001"),
        Problem::OtherMessage("urn:iso:std:iso:20022:tech:xsd:pain.001.001.08".to_owned())
    );
    assert_eq!(with("encoding=\"UTF-8\"", "encoding=\"ISO-8859-1\""), Problem::NotUtf8);
    for amount in ["5,00", "1.000,00", "-5.00", "5e3", "", "NaN", "5.0000001"] {
        assert_eq!(with("5.00", amount), wrong("Amt", amount));
    }
    assert_eq!(with("Ccy=\"EUR\"", "Ccy=\"EURO\""), wrong("Ccy", "EURO"));
    assert_eq!(with("<Id>S1</Id>", ""), Problem::Missing("Id of a statement"));
    assert_eq!(with(" Ccy=\"EUR\"", ""), Problem::Missing("Ccy of an amount"));
    assert_eq!(with("CRDT", "crdt"), wrong("CdtDbtInd", "crdt"));
    assert_eq!(with("2026-04-03", "03.04.2026"), wrong("BookgDt", "03.04.2026"));
    assert_eq!(with("<CdtDbtInd>CRDT</CdtDbtInd>", ""), Problem::Missing("CdtDbtInd of an entry"));
    assert_eq!(with(&format!("<IBAN>{IBAN}</IBAN>"), ""), Problem::Missing("the account's number"));
    assert_eq!(with("Harbor", &"x".repeat(9_000)), Problem::TooLong);
    assert_eq!(with("Harbor", &"<a>".repeat(1_000)), Problem::TooDeep);
    assert_eq!(problem(b"<Other/>"), Problem::Missing("Document"));
    assert_eq!(problem(b""), Problem::Missing("Document"));
    let header = good.split("<Stmt>").next().expect("a head");
    let nothing = format!("{header}</BkToCstmrStmt></Document>");
    assert_eq!(problem(nothing.as_bytes()), Problem::Missing("Stmt"));
    assert_eq!(problem(b"<Document xmlns=\"\xff\"/>"), Problem::NotUtf8);
    for end in [good.len().saturating_sub(1), 400, 600] {
        assert!(matches!(problem(&good.as_bytes()[..end]), Problem::Malformed(_)), "cut at {end}");
    }
    assert!(matches!(with("</Stmt>", "</Smt>"), Problem::Malformed(_)));
}

#[test]
fn a_file_has_no_more_payments_than_are_taken() {
    let mut body = String::new();
    for n in 0..50_001 {
        let amount = "<Amt Ccy=\"EUR\">1</Amt><CdtDbtInd>CRDT</CdtDbtInd>";
        write!(body, "<Ntry><NtryRef>{n}</NtryRef>{amount}</Ntry>").expect("a string grows");
    }
    assert_eq!(problem(camt("08", &body).as_bytes()), Problem::TooLarge);
}

#[test]
fn an_entry_of_one_payment_is_what_the_account_saw() {
    let other = detail("W1-1-0-EUR", "", "").replace(
        "<RltdPties>",
        "<Amt Ccy=\"USD\">5.55</Amt><CdtDbtInd>CRDT</CdtDbtInd><RltdPties>",
    );
    let statement = read(&camt("08", &entry("B1", "DBIT", "5.00", &other)));
    let [entry] = statement.entries.as_slice() else { panic!("one entry") };
    assert_eq!((entry.side, entry.amount), (EntrySide::Debit, money("EUR", 5_000_000)));
}

proptest! {
    #[test]
    fn a_damaged_statement_is_read_or_refused(
        at in any::<prop::sample::Index>(),
        with in prop::collection::vec(any::<u8>(), 0..4),
        cut in any::<bool>(),
    ) {
        let details = detail("W1-1-0-EUR", "5.00", "Window &amp; more");
        let mut bytes = camt("08", &entry("B1", "CRDT", "5.00", &details)).into_bytes();
        let at = at.index(bytes.len());
        let until = if cut { bytes.len() } else { at };
        bytes.splice(at..until, with);
        if let Ok(statements) = read_camt(&bytes) {
            prop_assert!(statements.iter().all(|statement| !statement.account.is_empty()));
        }
    }
}
