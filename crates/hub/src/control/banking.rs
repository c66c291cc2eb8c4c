//! Bank statements of the hub's account, and what a person decides about an entry that waits.
//!
//! A statement is read once, under all heads: each entry that pays exactly what is left of the obligation
//! which it names is a payment, with an id derived from the bank's own reference; the others wait.

use std::sync::Arc;

use aws_lc_rs::digest::{SHA256, digest};
use entente_api::{
    error::ErrorReason,
    settlement::{AssignPaymentRequest, AssignPaymentResponse},
};
use entente_ledger::{PartnerId, RequestId};
use entente_loyalty::Catalogue;
use entente_settlement::{
    Money,
    iso20022::{
        BankAccount, BankEntry, BankStatement, EntrySide, Expected, Match, Outcome, PaymentId,
        match_entries, read_camt,
    },
};
use entente_store::{
    Outcome as RequestOutcome, RequestRow, StoreError,
    control::{Control, Heads},
    settlement::{
        Obligation, Part, arrangement_in_force,
        bank::{
            EntryDecision, NewEntry, ReadStatement, bank_entry, decide_entry, keep_statement,
            kept_reference, references_seen, statement_read,
        },
        obligations_by_id, pay,
    },
};
use sqlx::PgPool;
use uuid::Uuid;

use super::{
    Answer, Controls, Ended, Write, begin,
    settlement::{payment_unknown, told},
};
use crate::{
    catalogue::CatalogueCache,
    error::{Refused, RpcError},
    settlement::HUB,
};

/// The namespace of the request ids of payments that statements tell of.
const PAYMENTS: Uuid = Uuid::from_u128(0x6cc0_1b9d_52d8_4a0e_9d0c_3a1f_77be_4e26);

/// What such a payment is called in `requests`; no RPC has this code.
const PAYMENT_METHOD: i16 = 93;

/// The most statements that one document may have.
const MOST_STATEMENTS: usize = 100;

/// What came of a statement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Imported {
    /// The statement.
    pub read: ReadStatement,
    /// Whether it had been read before, and nothing was done.
    pub already: bool,
    /// Whether its balances and entries add up, where it tells them.
    pub adds_up: Option<bool>,
}

/// Decides about an entry that waits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AssignPayment {
    /// Of this decision, which the payment's operation has too.
    pub request_id: RequestId,
    /// The entry.
    pub entry: (i64, i32),
    /// The obligation that it pays, as far as it goes; `None` sets it aside.
    pub obligation: Option<String>,
    /// Why.
    pub reason: String,
    /// Who decides.
    pub actor: String,
}

impl Controls {
    /// Reads a document of bank statements.
    pub async fn import_bank_statement(
        &self,
        document: Vec<u8>,
        actor: String,
    ) -> Result<Vec<Imported>, RpcError> {
        let sha256 = digest(&SHA256, &document);
        let sha256: [u8; 32] = sha256.as_ref().try_into().map_err(RpcError::internal)?;
        let read = tokio::task::spawn_blocking(move || read_camt(&document));
        let read = read.await.map_err(RpcError::internal)?;
        let statements = read.map_err(|error| not_taken(&error.to_string()))?;
        if statements.len() > MOST_STATEMENTS {
            return Err(not_taken("too many statements in one document").into());
        }
        let (mut all, actor) = (Vec::new(), Arc::<str>::from(actor));
        for statement in statements {
            let (pool, cache) = (self.pool.clone(), Arc::clone(&self.catalogue));
            let (statement, actor) = (Arc::new(statement), Arc::clone(&actor));
            let imported = self.run(move || {
                let (pool, cache) = (pool.clone(), Arc::clone(&cache));
                let (statement, actor) = (Arc::clone(&statement), Arc::clone(&actor));
                async move { import(&pool, &cache, (&statement, &sha256), &actor).await }
            });
            all.push(imported.await?);
        }
        Ok(all)
    }
}

async fn import(
    pool: &PgPool,
    cache: &CatalogueCache,
    (statement, sha256): (&BankStatement, &[u8; 32]),
    actor: &str,
) -> Result<Imported, Ended> {
    let mut control = begin(pool, cache).await?;
    let catalogue = cache.at_least(control.catalogue_epoch()).await?;
    let account = own_account(&mut control).await?;
    let adds_up = statement.adds_up().map_err(|_| not_taken("its sums are beyond the range"))?;
    let key = (account.as_str(), statement.id.as_str());
    if let Some(read) = statement_read(control.connection(), key).await? {
        control.rollback().await?;
        if statement.account != account {
            return Err(other_account().into());
        }
        return Ok(Imported { read, already: true, adds_up });
    }
    let named = names(statement);
    let obligations = obligations_by_id(control.connection(), &named).await?;
    let expected = expected(&obligations)?;
    let references: Vec<_> =
        statement.entries.iter().map(|entry| kept_reference(&entry.bank_reference)).collect();
    let seen = references_seen(control.connection(), &account, &references).await?;
    let is_seen = |reference: &str| seen.contains(&kept_reference(reference));
    let matches = match_entries(statement, &account, &expected, is_seen);
    let matches = matches.map_err(|_| other_account())?;
    let mut entries = Vec::with_capacity(matches.len());
    for found in &matches {
        let payment = post(&mut control, &catalogue, (&account, actor), (found, &obligations));
        entries.push(new_entry(found, payment.await?));
    }
    keep_statement(&mut control, (statement, sha256), actor, &entries).await?;
    let read = statement_read(control.connection(), key).await?;
    let read = read.ok_or_else(|| StoreError::inconsistent("bank_statements", "account", 0))?;
    control.commit().await?;
    Ok(Imported { read, already: false, adds_up })
}

/// Posts the payment of an entry that pays exactly what is left.
async fn post(
    control: &mut Control,
    catalogue: &Catalogue,
    (account, actor): (&str, &str),
    (found, obligations): (&Match<'_>, &[Obligation]),
) -> Result<Option<RequestId>, StoreError> {
    if found.outcome != Outcome::Exact {
        return Ok(None);
    }
    let named = found.expected.as_ref().map(PaymentId::as_str);
    let obligation = obligations.iter().find(|one| Some(one.end_to_end_id.as_str()) == named);
    let Some(obligation) = obligation.cloned() else { return Ok(None) };
    let name = format!("{account}|{}", found.entry.bank_reference);
    let request_id = RequestId(Uuid::new_v5(&PAYMENTS, name.as_bytes()));
    let part = Part { obligation, amount: found.entry.amount.micros };
    let paid = pay(control, (request_id, actor), &[part]).await?;
    told(control, catalogue, &paid).await?;
    let outcome = RequestOutcome {
        method: PAYMENT_METHOD,
        fields: Vec::new(),
        refused: false,
        answer: Vec::new(),
        place: Some(paid.place),
    };
    let partner = PartnerId::HUB;
    control.record(&RequestRow { partner, request_id, outcome, receipt: None }).await?;
    Ok(Some(request_id))
}

fn new_entry<'e>(found: &Match<'e>, payment: Option<RequestId>) -> NewEntry<'e> {
    let obligation = found.expected.as_ref().map(ToString::to_string);
    NewEntry { entry: found.entry, obligation, outcome: found.outcome, payment }
}

/// The number of the hub's own account, by the arrangement in force.
async fn own_account(control: &mut Control) -> Result<String, Ended> {
    let arrangement = arrangement_in_force(control.connection()).await?.arrangement;
    let Some(hub) = arrangement.accounts.get(&PartnerId::HUB) else {
        let message = "the hub has no bank account in the arrangement";
        return Err(Refused::new(ErrorReason::AccountUnknown, message).with("party", HUB).into());
    };
    Ok(match &hub.account {
        BankAccount::Iban(iban) => iban.as_str().to_owned(),
        BankAccount::Other(number) => number.clone(),
    })
}

/// All that might be an obligation's id: end-to-end ids, and words of what payers wrote.
fn names(statement: &BankStatement) -> Vec<String> {
    let of = |entry: &BankEntry| {
        let words = entry.remittance.split_whitespace();
        let words = words.map(|word| word.trim_matches(['.', ',', ';', ':']));
        let words = words.filter(|word| PaymentId::new(word).is_ok()).map(str::to_owned);
        words.chain(entry.end_to_end_id.clone()).collect::<Vec<_>>()
    };
    let mut names: Vec<String> = statement.entries.iter().flat_map(of).collect();
    names.sort_unstable();
    names.dedup();
    names
}

/// What goes through the hub's account: what it pays, and what it is paid.
fn expected(obligations: &[Obligation]) -> Result<Vec<Expected>, StoreError> {
    let mut expected = Vec::new();
    for obligation in obligations {
        let owed = &obligation.owed;
        let side = match (owed.payer, owed.payee) {
            (_, PartnerId::HUB) => EntrySide::Credit,
            (PartnerId::HUB, _) => EntrySide::Debit,
            _ => continue,
        };
        let id = PaymentId::new(&obligation.end_to_end_id).map_err(|_| {
            StoreError::inconsistent("obligations", "end_to_end_id", &obligation.end_to_end_id)
        })?;
        let amount = Money { currency: owed.currency, micros: owed.amount };
        expected.push(Expected { end_to_end_id: id, side, amount, paid: obligation.paid });
    }
    Ok(expected)
}

impl Write for AssignPayment {
    type Request = AssignPaymentRequest;
    type Locks = Heads;

    async fn act(
        &self,
        control: &mut Control,
        catalogue: &Catalogue,
    ) -> Result<Result<Answer<Self::Request>, Refused>, StoreError> {
        let entry = bank_entry(control.connection(), self.entry).await?;
        let Some(entry) = entry.filter(|entry| entry.waits) else {
            return Ok(Err(payment_unknown()));
        };
        let (mut place, mut amount) = (None, None);
        if let Some(id) = &self.obligation {
            let ids = std::slice::from_ref(id);
            let found = obligations_by_id(control.connection(), ids).await?.into_iter().next();
            let side = found.as_ref().map(|found| match found.owed.payee {
                PartnerId::HUB => EntrySide::Credit,
                _ => EntrySide::Debit,
            });
            let fits = |found: &Obligation| {
                found.owed.currency == entry.currency
                    && side == Some(entry.side)
                    && found.left().is_positive()
                    && [found.owed.payer, found.owed.payee].contains(&PartnerId::HUB)
            };
            let Some(obligation) = found.filter(fits) else { return Ok(Err(payment_unknown())) };
            let paid = entry.micros.min(obligation.left());
            let part = Part { obligation, amount: paid };
            let posted = pay(control, (self.request_id, &self.actor), &[part]).await?;
            told(control, catalogue, &posted).await?;
            (place, amount) = (Some(posted.place), Some((paid, entry.currency)));
        }
        let decided = EntryDecision {
            id: self.entry,
            assigned: self.obligation.as_deref().map(|id| (id, self.request_id)),
            actor: &self.actor,
            decision: &self.reason,
        };
        decide_entry(control, &decided).await?;
        let paid =
            amount.map(|(micros, currency)| crate::parse::Amount { micros, currency }.into());
        let response = AssignPaymentResponse { paid, replayed: false };
        Ok(Ok(Answer { response, place }))
    }
}

fn not_taken(problem: &str) -> Refused {
    let message = "the document is no bank statement that can be taken";
    Refused::new(ErrorReason::BankStatementRefused, message).with("problem", problem)
}

fn other_account() -> Refused {
    not_taken("it is of another account")
}
