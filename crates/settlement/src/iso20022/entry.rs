//! One entry of a statement, and the payments that it consists of.

use entente_ledger::{Currency, Micros, Overflow};
use jiff::civil::Date;

use super::xml::{Leaf, Problem, cut};
use super::{BankEntry, EntrySide};
use crate::{Money, read_decimal};

/// An entry as far as it was read.
#[derive(Debug, Default)]
pub(super) struct Entry {
    reference: String,
    servicer_reference: String,
    amount: Option<Money>,
    side: Option<EntrySide>,
    is_reversal: bool,
    status: String,
    booked_on: Option<Date>,
    pub(super) details: Vec<Detail>,
}

/// One payment of an entry.
#[derive(Debug, Default, Clone)]
pub(super) struct Detail {
    servicer_reference: String,
    end_to_end_id: Option<String>,
    amount: Option<Money>,
    transaction_amount: Option<Money>,
    side: Option<EntrySide>,
    debtor: Option<String>,
    remittance: String,
}

impl Entry {
    pub(super) fn leaf(&mut self, path: &str, leaf: Leaf<'_>) -> Result<(), Problem> {
        match path {
            "NtryRef" => leaf.text.clone_into(&mut self.reference),
            "AcctSvcrRef" => leaf.text.clone_into(&mut self.servicer_reference),
            "Amt" => self.amount = Some(amount("Amt", leaf)?),
            "CdtDbtInd" => self.side = Some(side(leaf)?),
            "RvslInd" => self.is_reversal = flag(leaf)?,
            // A word until version 03, a code within the element since.
            "Sts" if !leaf.text.is_empty() => leaf.text.clone_into(&mut self.status),
            "Sts/Cd" => leaf.text.clone_into(&mut self.status),
            "BookgDt/Dt" | "BookgDt/DtTm" => self.booked_on = Some(day(leaf)?),
            _ => {}
        }
        Ok(())
    }

    /// The payments of the entry, which is at this place of this statement. Where there are several, each
    /// has its amount; where the amounts do not come to the entry's, or are not told, it stays one payment,
    /// and nobody's.
    pub(super) fn payments(
        self,
        (statement, place): (&str, u32),
    ) -> Result<Vec<BankEntry>, Problem> {
        let amount = self.amount.ok_or(Problem::Missing("Amt of an entry"))?;
        let side = self.side.ok_or(Problem::Missing("CdtDbtInd of an entry"))?;
        let reference = self.name((statement, place));
        let adds_up = self.adds_up(amount, side)?;
        let mut details = self.details;
        if details.len() == 1
            && let Some(only) = details.first_mut()
        {
            // What the account was credited or debited with; the payer's amount may be in another currency.
            (only.amount, only.side) = (Some(amount), None);
        } else if !adds_up {
            details = vec![Detail { amount: Some(amount), ..Detail::default() }];
        }
        let is_one = details.len() == 1;
        let payments = details.into_iter().zip(1_u32..).map(|(detail, number)| BankEntry {
            bank_reference: if is_one {
                reference.clone()
            } else {
                format!("{reference}#{number}")
            },
            side: detail.side.unwrap_or(side),
            is_reversal: self.is_reversal,
            is_booked: self.status == "BOOK",
            amount: detail.amount.or(detail.transaction_amount).unwrap_or(amount),
            booked_on: self.booked_on,
            end_to_end_id: detail.end_to_end_id,
            debtor: detail.debtor,
            remittance: detail.remittance,
        });
        Ok(payments.collect())
    }

    /// What names the entry on its account: the bank's reference of it, else its place in the statement.
    fn name(&self, (statement, place): (&str, u32)) -> String {
        let only = self.details.first().filter(|_| self.details.len() == 1);
        let of_only = only.map(|detail| detail.servicer_reference.as_str()).unwrap_or_default();
        match (self.servicer_reference.as_str(), of_only, self.reference.as_str()) {
            ("", "", "") => format!("{statement}/{place}"),
            ("", "", reference) => format!("{statement}/{reference}"),
            ("", reference, _) | (reference, _, _) => reference.to_owned(),
        }
    }

    /// Whether several payments are told with amounts that come to the entry's.
    fn adds_up(&self, amount: Money, side: EntrySide) -> Result<bool, Problem> {
        if self.details.is_empty() {
            return Ok(false);
        }
        let mut sum = Micros::ZERO;
        for detail in &self.details {
            match detail.amount.or(detail.transaction_amount) {
                Some(part) if part.currency == amount.currency => {
                    let same = detail.side.is_none_or(|own| own == side);
                    let added = if same { sum.plus(part.micros) } else { sum.minus(part.micros) };
                    sum = added.map_err(|Overflow| Problem::TooLarge)?;
                }
                Some(_) | None => return Ok(false),
            }
        }
        Ok(sum == amount.micros)
    }
}

impl Detail {
    pub(super) fn leaf(&mut self, path: &str, leaf: Leaf<'_>) -> Result<(), Problem> {
        let told = || Some(leaf.text.to_owned()).filter(|text| !text.is_empty());
        match path {
            "Refs/EndToEndId" => self.end_to_end_id = told().filter(|id| id != "NOTPROVIDED"),
            "Refs/AcctSvcrRef" => leaf.text.clone_into(&mut self.servicer_reference),
            "Amt" => self.amount = Some(amount("Amt", leaf)?),
            "AmtDtls/TxAmt/Amt" => self.transaction_amount = Some(amount("Amt", leaf)?),
            "CdtDbtInd" => self.side = Some(side(leaf)?),
            "RltdPties/Dbtr/Nm" | "RltdPties/Dbtr/Pty/Nm" => self.debtor = told(),
            "RmtInf/Ustrd" | "RmtInf/Strd/CdtrRefInf/Ref" => {
                if !self.remittance.is_empty() {
                    self.remittance.push(' ');
                }
                self.remittance.push_str(leaf.text);
            }
            _ => {}
        }
        Ok(())
    }
}

fn wrong(element: &str, value: &str) -> Problem {
    Problem::Value { element: element.to_owned(), value: cut(value) }
}

pub(super) fn amount(element: &str, leaf: Leaf<'_>) -> Result<Money, Problem> {
    let micros = read_decimal(leaf.text).ok_or_else(|| wrong(element, leaf.text))?;
    let currency = currency("Ccy", leaf.currency.ok_or(Problem::Missing("Ccy of an amount"))?)?;
    Ok(Money { currency, micros })
}

pub(super) fn currency(element: &str, text: &str) -> Result<Currency, Problem> {
    text.parse().map_err(|_| wrong(element, text))
}

pub(super) fn side(leaf: Leaf<'_>) -> Result<EntrySide, Problem> {
    match leaf.text {
        "CRDT" => Ok(EntrySide::Credit),
        "DBIT" => Ok(EntrySide::Debit),
        other => Err(wrong("CdtDbtInd", other)),
    }
}

fn flag(leaf: Leaf<'_>) -> Result<bool, Problem> {
    match leaf.text {
        "true" | "1" => Ok(true),
        "false" | "0" => Ok(false),
        other => Err(wrong("RvslInd", other)),
    }
}

/// The day of a date or of a time, whatever the time's zone: the bank's own day.
fn day(leaf: Leaf<'_>) -> Result<Date, Problem> {
    let day = leaf.text.get(..10).and_then(|day| day.parse().ok());
    day.ok_or_else(|| wrong("BookgDt", leaf.text))
}
