//! Messages to a bank, good and bad.

use jiff::civil::date;

use super::samples::{IBAN, id, money};
use super::{BankAccount, BankParty, Bic, Initiation, NotWritten, Payment};
use crate::Money;

fn party(name: &str, account: &str, bic: Option<&str>) -> BankParty {
    let bic = bic.map(|bic| Bic::new(bic).expect("a BIC"));
    BankParty::new(name, BankAccount::new(account).expect("an account"), bic).expect("a party")
}

fn payment(end_to_end_id: &str, amount: Money) -> Payment {
    Payment {
        end_to_end_id: id(end_to_end_id),
        debtor: party("Harbor Hotels & Söhne", IBAN, Some("DEUTDEFF")),
        creditor: party("Entente", "GB82 WEST 1234 5698 7654 32", None),
        amount,
        on: date(2026, 4, 3),
        remittance: "Window 2026-03".to_owned(),
    }
}

fn initiation(payments: Vec<Payment>) -> Initiation {
    let created_at = "2026-04-01T09:00:00Z".parse().expect("an instant");
    let initiator = "Entente".to_owned();
    Initiation { message_id: id("2026-03-1"), created_at, initiator, payments }
}

/// The first part of this text is valid by the schema that the European Payments Council publishes of
/// pain.001.001.09; all of it by the standard's, of which the SEPA rulebooks are a subset.
#[test]
fn obligations_as_a_credit_transfer_initiation() {
    let rover = Payment {
        debtor: party("Rover Rides", "000123456789", None),
        creditor: party("Entente", "GB82WEST12345698765432", Some("WESTGB22")),
        remittance: String::new(),
        ..payment("W12-2-0-JPY", money("JPY", 83_000_000))
    };
    let euro = payment("W12-1-0-EUR", money("EUR", 780_500_000));
    let written = initiation(vec![euro, rover]).write().expect("payments");
    let expected = include_str!("../../samples/pain.001.001.09.xml");
    assert_eq!(written, expected);
}

#[test]
fn what_cannot_be_paid_is_not_written() {
    let euro = |micros| payment("W1-1-0-EUR", money("EUR", micros));
    let unpayable = || NotWritten::Amount(id("W1-1-0-EUR"));
    let long = Payment { remittance: "x".repeat(141), ..euro(10_000) };
    let control = Payment { remittance: "a\u{0}".to_owned(), ..euro(10_000) };
    for (payments, expected) in [
        (vec![], NotWritten::Empty),
        (vec![euro(0)], unpayable()),
        (vec![euro(-10_000)], unpayable()),
        (vec![euro(10_001)], unpayable()),
        (vec![euro(10_000), euro(20_000)], NotWritten::Twice(id("W1-1-0-EUR"))),
        (vec![long], NotWritten::Remittance(id("W1-1-0-EUR"))),
        (vec![control], NotWritten::Remittance(id("W1-1-0-EUR"))),
    ] {
        assert_eq!(initiation(payments).write(), Err(expected));
    }
    let long_id = Initiation { message_id: id(&"x".repeat(29)), ..initiation(vec![euro(10_000)]) };
    assert_eq!(long_id.write(), Err(NotWritten::Header));
}

#[test]
fn payments_of_one_debtor_currency_and_day_are_one_part() {
    let payments = (1..=5).map(|n| payment(&format!("W{n}-1-0-EUR"), money("EUR", 10_000)));
    let written = initiation(payments.collect()).write().expect("payments");
    assert_eq!(written.matches("<PmtInf>").count(), 1);
    assert_eq!(written.matches("<NbOfTxs>5</NbOfTxs>").count(), 2);
    assert_eq!(written.matches("<CtrlSum>0.05</CtrlSum>").count(), 2);
}
