//! Bank statements of the hub's account: what pays an obligation exactly is paid, the rest waits for a
//! person, and nothing is paid twice.

use std::fmt::Write as _;

use entente_client::{
    Client,
    api::{
        error::ErrorReason,
        settlement::{
            AssignPaymentRequest, BankEntry, EntryOutcome, ImportedStatement,
            ListBankEntriesRequest, Netting, WindowState,
        },
    },
    new_request_id,
};
use entente_testkit::cast::{HARBOR, money};

use crate::{
    obligations::{obligations, state, with_the_window_of_e4},
    steps::{cents, exposure, reason},
};

pub(crate) const HUBS: &str = "DE89370400440532013000";

/// An entry: the bank's reference, which way, how much, and the end-to-end id.
pub(crate) type Entry<'a> = (&'a str, &'a str, &'a str, &'a str);

/// A camt.053 as banks lay it out.
pub(crate) fn statement(id: &str, account: &str, entries: &[Entry<'_>]) -> Vec<u8> {
    let mut body = String::new();
    for (reference, side, amount, end_to_end_id) in entries {
        write!(
            body,
            "<Ntry><Amt Ccy=\"USD\">{amount}</Amt><CdtDbtInd>{side}</CdtDbtInd><Sts><Cd>BOOK</Cd></Sts>\
             <BookgDt><Dt>2026-04-03</Dt></BookgDt><AcctSvcrRef>{reference}</AcctSvcrRef><NtryDtls>\
             <TxDtls><Refs><EndToEndId>{end_to_end_id}</EndToEndId></Refs></TxDtls></NtryDtls></Ntry>"
        )
        .expect("memory");
    }
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\
         <Document xmlns=\"urn:iso:std:iso:20022:tech:xsd:camt.053.001.08\"><BkToCstmrStmt><GrpHdr>\
         <MsgId>M-{id}</MsgId><CreDtTm>2026-04-04T00:00:00</CreDtTm></GrpHdr><Stmt><Id>{id}</Id>\
         <Acct><Id><IBAN>{account}</IBAN></Id><Ccy>USD</Ccy></Acct>{body}</Stmt></BkToCstmrStmt></Document>"
    )
    .into_bytes()
}

async fn import(operator: &Client, id: &str, entries: &[Entry<'_>]) -> ImportedStatement {
    let document = statement(id, HUBS, entries);
    let answer = operator.import_bank_statement(document).await.unwrap();
    let [imported] = answer.statements.try_into().unwrap();
    imported
}

fn counts(imported: &ImportedStatement) -> (bool, i64, i64, i64) {
    let ImportedStatement { already_read, entry_count, paid_count, waiting_count, .. } = imported;
    (*already_read, *entry_count, *paid_count, *waiting_count)
}

async fn waiting(operator: &Client) -> Vec<BankEntry> {
    let request = ListBankEntriesRequest { waiting: true, ..ListBankEntriesRequest::default() };
    let mut entries = operator.list_bank_entries(request).await.unwrap().entries;
    entries.reverse();
    entries
}

fn assignment(entry: &str, obligation: &str) -> AssignPaymentRequest {
    AssignPaymentRequest {
        request_id: new_request_id(),
        entry: entry.to_owned(),
        obligation: obligation.to_owned(),
        reason: "told by phone".to_owned(),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_window_is_settled_by_the_hubs_bank_statements_and_a_repeated_file_pays_nothing() {
    let hub = with_the_window_of_e4(Netting::Multilateral).await;
    let operator = hub.operator().await;
    let owed = obligations(&operator, "2026-03").await;
    let id = |payer: &str| {
        owed.iter().find(|one| one.payer == payer).map(|one| one.end_to_end_id.clone()).unwrap()
    };
    let harbors = id(HARBOR);
    let hubs: Vec<_> = owed.iter().filter(|one| one.payer == "hub").collect();
    assert_eq!(exposure(&operator, HARBOR, "USD").await, cents(1_000_000));
    let first = [("B1", "CRDT", "10000.00", harbors.as_str())];
    assert_eq!(counts(&import(&operator, "S1", &first).await), (false, 1, 1, 0));
    assert_eq!(exposure(&operator, HARBOR, "USD").await, 0, "what is paid lowers the exposure");
    assert_eq!(state(&operator, "2026-03").await, WindowState::Settling);
    assert_eq!(counts(&import(&operator, "S1", &first).await), (true, 1, 1, 0), "the same file");
    assert_eq!(counts(&import(&operator, "S2", &first).await), (false, 1, 0, 1), "the same entry");
    let amounts: Vec<_> = hubs
        .iter()
        .map(|one| format!("{}.00", one.amount.as_ref().unwrap().micros / 1_000_000))
        .collect();
    let paid: Vec<Entry<'_>> = hubs
        .iter()
        .zip(&amounts)
        .zip(["B2", "B3"])
        .map(|((one, amount), reference)| {
            (reference, "DBIT", amount.as_str(), one.end_to_end_id.as_str())
        })
        .collect();
    assert_eq!(counts(&import(&operator, "S3", &paid).await), (false, 2, 2, 0));
    assert_eq!(state(&operator, "2026-03").await, WindowState::Settled);
    assert!(
        obligations(&operator, "2026-03")
            .await
            .iter()
            .all(|one| one.left.as_ref().unwrap().micros == 0)
    );
    hub.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_does_not_pay_exactly_waits_with_its_reason_until_a_person_decides() {
    let hub = with_the_window_of_e4(Netting::Multilateral).await;
    let operator = hub.operator().await;
    let owed = obligations(&operator, "2026-03").await;
    let harbors = owed.iter().find(|one| one.payer == HARBOR).unwrap().end_to_end_id.clone();
    let id = harbors.as_str();
    let entries = [
        ("B1", "CRDT", "4000.00", id),
        ("B2", "CRDT", "10000.01", id),
        ("B3", "DBIT", "10000.00", id),
        ("B4", "CRDT", "10000.00", "W9-9-9-USD"),
        ("B5", "CRDT", "10000.00", "NOTPROVIDED"),
        ("B1", "CRDT", "4000.00", id),
    ];
    assert_eq!(counts(&import(&operator, "S1", &entries).await), (false, 6, 0, 6));
    let found = waiting(&operator).await;
    let outcomes: Vec<_> = found.iter().map(BankEntry::outcome).collect();
    let expected = [
        EntryOutcome::Partial,
        EntryOutcome::Over,
        EntryOutcome::OtherSide,
        EntryOutcome::UnknownReference,
        EntryOutcome::NoReference,
        EntryOutcome::Duplicate,
    ];
    assert_eq!(outcomes, expected);
    assert_eq!(found[0].difference, Some(money(cents(600_000), "USD")), "what would be left");
    assert_eq!(found[1].difference, Some(money(cents(1), "USD")), "what is too much");
    assert_eq!(exposure(&operator, HARBOR, "USD").await, cents(1_000_000), "nothing is paid");

    let partial = assignment(&found[0].entry, id);
    let paid = operator.assign_payment(partial.clone()).await.unwrap();
    assert_eq!(paid.paid, Some(money(cents(400_000), "USD")));
    assert!(operator.assign_payment(partial).await.unwrap().replayed);
    assert_eq!(exposure(&operator, HARBOR, "USD").await, cents(600_000));
    for (entry, obligation) in [
        (found[0].entry.as_str(), id),
        (found[2].entry.as_str(), id),
        (found[3].entry.as_str(), "W9-9-9-USD"),
        ("99/1", id),
    ] {
        let refused = operator.assign_payment(assignment(entry, obligation)).await.unwrap_err();
        assert_eq!(reason(&refused), ErrorReason::PaymentUnknown, "{entry} {obligation}");
    }
    let over = operator.assign_payment(assignment(&found[1].entry, id)).await.unwrap();
    assert_eq!(over.paid, Some(money(cents(600_000), "USD")), "what was left");
    for entry in &found[2..] {
        let aside = operator.assign_payment(assignment(&entry.entry, "")).await.unwrap();
        assert_eq!(aside.paid, None);
    }
    assert_eq!(waiting(&operator).await, []);
    assert_eq!(exposure(&operator, HARBOR, "USD").await, 0);
    hub.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_statement_of_another_account_or_no_statement_at_all_is_refused_whole() {
    let hub = with_the_window_of_e4(Netting::Multilateral).await;
    let operator = hub.operator().await;
    let id = obligations(&operator, "2026-03").await[0].end_to_end_id.clone();
    let entries = [("B1", "CRDT", "10000.00", id.as_str())];
    let mut cut = statement("S1", HUBS, &entries);
    cut.truncate(cut.len() / 2);
    for (document, expected) in [
        (statement("S1", "GB82WEST12345698765432", &entries), ErrorReason::BankStatementRefused),
        (cut, ErrorReason::BankStatementRefused),
        (b"pain".to_vec(), ErrorReason::BankStatementRefused),
        (vec![0xff; 300_000], ErrorReason::BankStatementRefused),
        (Vec::new(), ErrorReason::Malformed),
    ] {
        let refused = operator.import_bank_statement(document).await.unwrap_err();
        assert_eq!(reason(&refused), expected);
    }
    assert_eq!(waiting(&operator).await, []);
    hub.close().await;
}
