//! What becomes of the entries of a statement.

use entente_ledger::Micros;

use super::samples::{IBAN, camt, detail, entry, id, money, read};
use super::{EntrySide, Expected, OtherAccount, Outcome, Suspense, match_entries};

fn expected(end_to_end_id: &str, micros: i64, paid: i64) -> Expected {
    let (side, amount) = (EntrySide::Credit, money("EUR", micros));
    Expected { end_to_end_id: id(end_to_end_id), side, amount, paid: Micros(paid) }
}

#[test]
fn each_entry_pays_an_obligation_exactly_or_waits_with_a_reason() {
    use Suspense::{
        AlreadyPaid, Duplicate, NoReference, NotBooked, OtherCurrency, OtherSide, Over, Partial,
        Reversal, UnknownReference,
    };
    let waits = Outcome::Suspense;
    let paid = |amount: &str| entry("B1", "CRDT", amount, &detail("W1-1-0-EUR", "", ""));
    let named = |id: &str, text: &str| entry("B1", "CRDT", "30.00", &detail(id, "", text));
    let exact = paid("30.00");
    for (entries, outcomes) in [
        (vec![exact.clone()], vec![Outcome::Exact]),
        (vec![paid("12.00")], vec![waits(Partial { left: Micros(18_000_000) })]),
        (vec![paid("30.01")], vec![waits(Over { excess: Micros(10_000) })]),
        (vec![exact.clone(), exact.clone()], vec![Outcome::Exact, waits(Duplicate)]),
        (vec![exact.clone(), exact.replace("B1", "B2")], vec![Outcome::Exact, waits(AlreadyPaid)]),
        (vec![exact.replace("B1", "B0")], vec![waits(Duplicate)]),
        (vec![exact.replace("BOOK", "PDNG")], vec![waits(NotBooked)]),
        (vec![exact.replace("<Sts>", "<RvslInd>true</RvslInd><Sts>")], vec![waits(Reversal)]),
        (vec![exact.replace("CRDT", "DBIT")], vec![waits(OtherSide)]),
        (vec![exact.replace("\"EUR\"", "\"USD\"")], vec![waits(OtherCurrency)]),
        (vec![named("NOTPROVIDED", "thanks")], vec![waits(NoReference)]),
        (vec![named("NOTPROVIDED", "for W1-1-0-EUR, thanks")], vec![Outcome::Exact]),
        (vec![named("NOTPROVIDED", "W1-1-0-EUR W1-2-0-EUR")], vec![waits(NoReference)]),
        (vec![named("W9-9-0-EUR", "")], vec![waits(UnknownReference)]),
        (vec![named("W1-3-0-EUR", "")], vec![waits(AlreadyPaid)]),
    ] {
        let statement = read(&camt("08", &entries.concat()));
        let awaited = [
            expected("W1-1-0-EUR", 30_000_000, 0),
            expected("W1-2-0-EUR", 30_000_000, 0),
            expected("W1-3-0-EUR", 30_000_000, 30_000_000),
        ];
        let seen = |reference: &str| reference == "B0";
        let matches = match_entries(&statement, IBAN, &awaited, seen).expect("this account");
        let found: Vec<_> = matches.iter().map(|found| found.outcome).collect();
        assert_eq!(found, outcomes, "{entries:?}");
    }
}

#[test]
fn what_is_left_of_a_partial_payment_is_paid_exactly() {
    let statement = read(&camt("08", &entry("B2", "CRDT", "18.00", &detail("W1-1-0-EUR", "", ""))));
    let awaited = [expected("W1-1-0-EUR", 30_000_000, 12_000_000)];
    let matches = match_entries(&statement, IBAN, &awaited, |_| false).expect("this account");
    assert_eq!(matches[0].outcome, Outcome::Exact);
    assert_eq!(matches[0].expected, Some(id("W1-1-0-EUR")));
}

#[test]
fn the_statement_of_another_account_is_refused() {
    let statement = read(&camt("08", &entry("B1", "CRDT", "1.00", "")));
    let other = match_entries(&statement, "GB82WEST12345698765432", &[], |_| false);
    assert_eq!(other, Err(OtherAccount(IBAN.to_owned())));
}
