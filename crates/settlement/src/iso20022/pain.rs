//! Writes payments as a pain.001.001.09, an order of credit transfers to a bank.

use std::collections::{BTreeMap, HashSet};
use std::io;

use entente_ledger::{Currency, Micros, Overflow};
use jiff::{Timestamp, civil::Date};
use quick_xml::Writer;
use quick_xml::events::{BytesDecl, BytesText, Event};

use super::{BankAccount, BankParty, PaymentId};
use crate::{Money, payable};

const NAMESPACE: &str = "urn:iso:std:iso:20022:tech:xsd:pain.001.001.09";

/// One obligation's payment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Payment {
    /// The obligation's id, which the bank of the payee tells it unchanged.
    pub end_to_end_id: PaymentId,
    /// Who pays.
    pub debtor: BankParty,
    /// Who is paid.
    pub creditor: BankParty,
    /// How much: more than 0, and as it can be paid.
    pub amount: Money,
    /// The day on which it is to be paid.
    pub on: Date,
    /// What the payee reads: at most 140 characters.
    pub remittance: String,
}

/// A message to a bank.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Initiation {
    /// The message's id: at most 28 characters, since its parts append their numbers to it.
    pub message_id: PaymentId,
    /// When it was made.
    pub created_at: Timestamp,
    /// Who sends it.
    pub initiator: String,
    /// Its payments. Those of one debtor, currency and day are one part of the message.
    pub payments: Vec<Payment>,
}

/// Why there is no message.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotWritten {
    /// A message has at least one payment.
    #[error("there is nothing to pay")]
    Empty,
    /// The message's id or the initiator's name does not fit.
    #[error("the message's id has more than 28 characters, or its sender's name is not 1 to 70")]
    Header,
    /// Two payments have one end-to-end id.
    #[error("{0} names two payments")]
    Twice(PaymentId),
    /// The amount is not positive, or finer than its currency is paid in.
    #[error("the amount of {0} cannot be paid")]
    Amount(PaymentId),
    /// The remittance is too long, or has control characters.
    #[error("the remittance of {0} is longer than 140 characters, or no plain text")]
    Remittance(PaymentId),
    /// A sum is beyond the ledger's range.
    #[error(transparent)]
    Overflow(#[from] Overflow),
}

type Xml = Writer<Vec<u8>>;
type Part<'p> = (&'p BankAccount, Currency, Date);

impl Initiation {
    /// The message as XML: the same each time.
    pub fn write(&self) -> Result<String, NotWritten> {
        self.check()?;
        let mut parts = BTreeMap::<Part<'_>, Vec<&Payment>>::new();
        for payment in &self.payments {
            let part = (&payment.debtor.account, payment.amount.currency, payment.on);
            parts.entry(part).or_default().push(payment);
        }
        let header = (self.payments.len(), control_sum(self.payments.iter())?);
        let mut sums = Vec::new();
        for payments in parts.values() {
            sums.push(control_sum(payments.iter().copied())?);
        }
        let mut xml = Writer::new_with_indent(Vec::new(), b' ', 2);
        let written = self.document(&mut xml, header, parts.values().zip(sums));
        written.expect("memory takes all that is written");
        let mut text = String::from_utf8(xml.into_inner()).expect("only text was written");
        text.push('\n');
        Ok(text)
    }

    fn check(&self) -> Result<(), NotWritten> {
        let sender = self.initiator.chars();
        let fits =
            (1..=70).contains(&sender.clone().count()) && !sender.clone().any(char::is_control);
        if self.payments.is_empty() {
            return Err(NotWritten::Empty);
        }
        if self.message_id.as_str().len() > 28 || !fits {
            return Err(NotWritten::Header);
        }
        let mut ids = HashSet::new();
        for payment in &self.payments {
            let id = || payment.end_to_end_id.clone();
            if !ids.insert(&payment.end_to_end_id) {
                return Err(NotWritten::Twice(id()));
            }
            if !payment.amount.micros.is_positive() || payable(payment.amount).is_err() {
                return Err(NotWritten::Amount(id()));
            }
            let remittance = payment.remittance.chars();
            if remittance.clone().count() > 140 || remittance.clone().any(char::is_control) {
                return Err(NotWritten::Remittance(id()));
            }
        }
        Ok(())
    }

    fn document<'p>(
        &self,
        xml: &mut Xml,
        (count, sum): (usize, String),
        parts: impl Iterator<Item = (&'p Vec<&'p Payment>, String)>,
    ) -> io::Result<()> {
        xml.write_event(Event::Decl(BytesDecl::new("1.0", Some("UTF-8"), None)))?;
        let document = xml.create_element("Document").with_attribute(("xmlns", NAMESPACE));
        document.write_inner_content(|xml| {
            within(xml, "CstmrCdtTrfInitn", |xml| {
                within(xml, "GrpHdr", |xml| {
                    leaf(xml, "MsgId", self.message_id.as_str())?;
                    leaf(xml, "CreDtTm", &self.created_at.to_string())?;
                    leaf(xml, "NbOfTxs", &count.to_string())?;
                    leaf(xml, "CtrlSum", &sum)?;
                    within(xml, "InitgPty", |xml| leaf(xml, "Nm", &self.initiator))
                })?;
                for ((payments, sum), number) in parts.zip(1_usize..) {
                    within(xml, "PmtInf", |xml| self.part(xml, number, payments, &sum))?;
                }
                Ok(())
            })
        })?;
        Ok(())
    }

    fn part(
        &self,
        xml: &mut Xml,
        number: usize,
        payments: &[&Payment],
        sum: &str,
    ) -> io::Result<()> {
        let Some(first) = payments.first() else { return Ok(()) };
        let euro = first.amount.currency.code() == "EUR";
        leaf(xml, "PmtInfId", &format!("{}-{number}", self.message_id))?;
        leaf(xml, "PmtMtd", "TRF")?;
        leaf(xml, "NbOfTxs", &payments.len().to_string())?;
        leaf(xml, "CtrlSum", sum)?;
        within(xml, "ReqdExctnDt", |xml| leaf(xml, "Dt", &first.on.to_string()))?;
        within(xml, "Dbtr", |xml| leaf(xml, "Nm", first.debtor.name()))?;
        account(xml, "DbtrAcct", &first.debtor.account)?;
        within(xml, "DbtrAgt", |xml| agent(xml, &first.debtor))?;
        leaf(xml, "ChrgBr", if euro { "SLEV" } else { "SHAR" })?;
        for payment in payments {
            within(xml, "CdtTrfTxInf", |xml| transaction(xml, payment))?;
        }
        Ok(())
    }
}

fn transaction(xml: &mut Xml, payment: &Payment) -> io::Result<()> {
    let amount = payable(payment.amount).map_err(io::Error::other)?;
    within(xml, "PmtId", |xml| leaf(xml, "EndToEndId", payment.end_to_end_id.as_str()))?;
    within(xml, "Amt", |xml| {
        let currency = ("Ccy", payment.amount.currency.code());
        let element = xml.create_element("InstdAmt").with_attribute(currency);
        element.write_text_content(BytesText::new(&amount))?;
        Ok(())
    })?;
    if payment.creditor.bic.is_some() {
        within(xml, "CdtrAgt", |xml| agent(xml, &payment.creditor))?;
    }
    within(xml, "Cdtr", |xml| leaf(xml, "Nm", payment.creditor.name()))?;
    account(xml, "CdtrAcct", &payment.creditor.account)?;
    if !payment.remittance.is_empty() {
        within(xml, "RmtInf", |xml| leaf(xml, "Ustrd", &payment.remittance))?;
    }
    Ok(())
}

fn account(xml: &mut Xml, name: &str, account: &BankAccount) -> io::Result<()> {
    within(xml, name, |xml| {
        within(xml, "Id", |xml| match account {
            BankAccount::Iban(iban) => leaf(xml, "IBAN", iban.as_str()),
            BankAccount::Other(number) => within(xml, "Othr", |xml| leaf(xml, "Id", number)),
        })
    })
}

/// The party's bank; `NOTPROVIDED` where it is not told, as the rulebooks say.
fn agent(xml: &mut Xml, party: &BankParty) -> io::Result<()> {
    within(xml, "FinInstnId", |xml| match &party.bic {
        Some(bic) => leaf(xml, "BICFI", bic.as_str()),
        None => within(xml, "Othr", |xml| leaf(xml, "Id", "NOTPROVIDED")),
    })
}

fn within(
    xml: &mut Xml,
    name: &str,
    content: impl FnOnce(&mut Xml) -> io::Result<()>,
) -> io::Result<()> {
    xml.create_element(name).write_inner_content(content)?;
    Ok(())
}

fn leaf(xml: &mut Xml, name: &str, text: &str) -> io::Result<()> {
    xml.create_element(name).write_text_content(BytesText::new(text))?;
    Ok(())
}

/// The sum of the amounts, whatever their currencies: a control, as the standard has it.
fn control_sum<'p>(payments: impl Iterator<Item = &'p Payment>) -> Result<String, Overflow> {
    let mut sum = Micros::ZERO;
    let mut finest = 0;
    for payment in payments {
        sum = sum.plus(payment.amount.micros)?;
        finest = finest.max(payment.amount.currency.exponent());
    }
    let mut text = String::new();
    crate::write_exact(&mut text, sum).map_err(|_| Overflow)?;
    let superfluous = 6_usize.checked_sub(usize::try_from(finest).map_err(|_| Overflow)?);
    let kept = text.len().checked_sub(superfluous.ok_or(Overflow)?).ok_or(Overflow)?;
    text.truncate(kept);
    Ok(text.trim_end_matches('.').to_owned())
}
