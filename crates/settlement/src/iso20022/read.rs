//! Reads a camt.053, the statement of a bank account. Version 001.08 is meant; what banks send of earlier and
//! later versions is laid out alike where it matters, and read as well.

use entente_ledger::{Currency, Overflow};

use super::entry::{Detail, Entry, amount, currency, side};
use super::xml::{Leaf, NotRead, Problem, Visitor, walk};
use super::{BankEntry, BankStatement, EntrySide};
use crate::Money;

const NAMESPACE: &str = "urn:iso:std:iso:20022:tech:xsd:camt.053.001.";
/// The largest file that is taken, in bytes.
const LARGEST: usize = 64 * 1024 * 1024;
/// The most payments that are taken from a file.
const MOST_ENTRIES: usize = 50_000;

/// The statements of a file, in its order.
pub fn read_camt(bytes: &[u8]) -> Result<Vec<BankStatement>, NotRead> {
    let failed = |problem| NotRead { at: 0, problem };
    if bytes.len() > LARGEST {
        return Err(failed(Problem::TooLarge));
    }
    let text = std::str::from_utf8(bytes).map_err(|_| failed(Problem::NotUtf8))?;
    let mut file = File::default();
    walk(text, NAMESPACE, &mut file)?;
    if file.statements.is_empty() {
        return Err(failed(Problem::Missing("Stmt")));
    }
    Ok(file.statements)
}

/// What has been read so far.
#[derive(Debug, Default)]
struct File {
    statements: Vec<BankStatement>,
    payments: usize,
    statement: Statement,
    balance: Balance,
    entry: Entry,
    detail: Detail,
}

#[derive(Debug, Default)]
struct Statement {
    id: String,
    account: String,
    currency: Option<Currency>,
    opening: Option<Money>,
    previous: Option<Money>,
    closing: Option<Money>,
    entries: Vec<BankEntry>,
    place: u32,
}

#[derive(Debug, Default)]
struct Balance {
    kind: String,
    amount: Option<Money>,
    side: Option<EntrySide>,
}

impl Visitor for File {
    fn open(&mut self, path: &str) -> Result<(), Problem> {
        match path.strip_prefix("/BkToCstmrStmt/Stmt") {
            Some("") => self.statement = Statement::default(),
            Some("/Bal") => self.balance = Balance::default(),
            Some("/Ntry") => self.entry = Entry::default(),
            Some("/Ntry/NtryDtls/TxDtls") => self.detail = Detail::default(),
            _ => {}
        }
        Ok(())
    }

    fn close(&mut self, path: &str, leaf: Leaf<'_>) -> Result<(), Problem> {
        let Some(path) = path.strip_prefix("/BkToCstmrStmt/Stmt") else { return Ok(()) };
        if let Some(path) = path.strip_prefix("/Ntry/NtryDtls/TxDtls/") {
            return self.detail.leaf(path, leaf);
        }
        if let Some(path) = path.strip_prefix("/Ntry/") {
            if path == "NtryDtls/TxDtls" {
                self.entry.details.push(std::mem::take(&mut self.detail));
            }
            return self.entry.leaf(path, leaf);
        }
        match path {
            "" => self.statements.push(std::mem::take(&mut self.statement).done()?),
            "/Ntry" => self.entry()?,
            "/Bal" => self.statement.balance(&self.balance)?,
            "/Bal/Tp/CdOrPrtry/Cd" => leaf.text.clone_into(&mut self.balance.kind),
            "/Bal/Amt" => self.balance.amount = Some(amount("Amt", leaf)?),
            "/Bal/CdtDbtInd" => self.balance.side = Some(side(leaf)?),
            path => self.statement.leaf(path, leaf)?,
        }
        Ok(())
    }
}

impl File {
    fn entry(&mut self) -> Result<(), Problem> {
        let statement = &mut self.statement;
        statement.place = statement.place.saturating_add(1);
        let place = (statement.id.as_str(), statement.place);
        let payments = std::mem::take(&mut self.entry).payments(place)?;
        self.payments = self.payments.saturating_add(payments.len());
        statement.entries.extend(payments);
        if self.payments > MOST_ENTRIES { Err(Problem::TooLarge) } else { Ok(()) }
    }
}

impl Statement {
    fn leaf(&mut self, path: &str, leaf: Leaf<'_>) -> Result<(), Problem> {
        match path {
            "/Id" => leaf.text.clone_into(&mut self.id),
            "/Acct/Id/IBAN" | "/Acct/Id/Othr/Id" => {
                self.account = leaf.text.split_whitespace().collect();
            }
            "/Acct/Ccy" => self.currency = Some(currency("Ccy", leaf.text)?),
            _ => {}
        }
        Ok(())
    }

    fn balance(&mut self, balance: &Balance) -> Result<(), Problem> {
        let known = match balance.kind.as_str() {
            "OPBD" => &mut self.opening,
            "PRCD" => &mut self.previous,
            "CLBD" => &mut self.closing,
            _ => return Ok(()),
        };
        let mut money = balance.amount.ok_or(Problem::Missing("Amt of a balance"))?;
        if balance.side.ok_or(Problem::Missing("CdtDbtInd of a balance"))? == EntrySide::Debit {
            money.micros = money.micros.negated().map_err(|Overflow| Problem::TooLarge)?;
        }
        *known = Some(money);
        Ok(())
    }

    fn done(self) -> Result<BankStatement, Problem> {
        if self.id.is_empty() {
            return Err(Problem::Missing("Id of a statement"));
        }
        if self.account.is_empty() {
            return Err(Problem::Missing("the account's number"));
        }
        let (opening, closing) = (self.opening.or(self.previous), self.closing);
        let Self { id, account, currency, entries, .. } = self;
        Ok(BankStatement { id, account, currency, opening, closing, entries })
    }
}
