//! Bank statements, as rows: which were read, and what became of their entries.

use std::collections::BTreeSet;

use entente_ledger::{Currency, Micros, RequestId};
use entente_settlement::iso20022::{BankEntry, BankStatement, EntrySide, Outcome, Suspense};
use jiff::{Timestamp, civil::Date};
use jiff_sqlx::ToSqlx;
use sqlx::{PgConnection, PgExecutor};

use crate::{StoreError, codes, control::Control};

/// The longest texts that are kept of a bank's, in characters.
const REFERENCE_CHARS: usize = 140;
const REMITTANCE_CHARS: usize = 500;
const STATEMENT_CHARS: usize = 64;

/// A statement that was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReadStatement {
    /// Its number here.
    pub number: i64,
    /// The bank's id of it.
    pub statement_id: String,
    /// How many entries it has,
    pub entry_count: i64,
    /// how many of them paid an obligation,
    pub paid_count: i64,
    /// and how many wait for a person.
    pub waiting_count: i64,
}

/// An entry to be kept, and what became of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewEntry<'e> {
    /// The entry.
    pub entry: &'e BankEntry,
    /// The obligation that it names.
    pub obligation: Option<String>,
    /// Whether it paid it, or why it waits.
    pub outcome: Outcome,
    /// The payment that was posted for it.
    pub payment: Option<RequestId>,
}

/// Why an entry waits, or that it paid.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EntryOutcome {
    /// It paid all that was left of an obligation.
    Paid,
    /// It waits, or did.
    Suspense(Suspense),
}

/// An entry that is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptEntry {
    /// Its statement's number here, and its place there.
    pub id: (i64, i32),
    /// The bank's name of it.
    pub bank_reference: String,
    /// Which way it went.
    pub side: EntrySide,
    /// How much,
    pub micros: Micros,
    /// of what.
    pub currency: Currency,
    /// The day of booking.
    pub booked_on: Option<Date>,
    /// The end-to-end id as the bank told it.
    pub named: Option<String>,
    /// The payer, as the bank told it.
    pub debtor: Option<String>,
    /// What the payer wrote.
    pub remittance: String,
    /// What became of it.
    pub outcome: EntryOutcome,
    /// The obligation that it names, or was assigned to.
    pub obligation: Option<String>,
    /// Whether a person has to decide.
    pub waits: bool,
    /// What a person decided, who and when.
    pub decided: Option<(Timestamp, String, String)>,
}

/// A statement of the hub's account that was read before.
pub async fn statement_read(
    executor: impl PgExecutor<'_>,
    (account, statement_id): (&str, &str),
) -> Result<Option<ReadStatement>, StoreError> {
    let row = sqlx::query!(
        r#"SELECT s.statement_no, s.statement_id, count(e.place) AS "entries!",
                  count(e.place) FILTER (WHERE e.outcome = 0) AS "paid!",
                  count(e.place) FILTER (WHERE e.waits) AS "waiting!"
           FROM bank_statements s LEFT JOIN bank_entries e USING (statement_no)
           WHERE s.account = $1 AND s.statement_id = $2 GROUP BY s.statement_no"#,
        account,
        cut(statement_id, STATEMENT_CHARS)
    );
    let row = row.fetch_optional(executor).await?;
    Ok(row.map(|row| ReadStatement {
        number: row.statement_no,
        statement_id: row.statement_id,
        entry_count: row.entries,
        paid_count: row.paid,
        waiting_count: row.waiting,
    }))
}

/// Which of these bank references were booked by an earlier statement of the account.
pub async fn references_seen(
    executor: impl PgExecutor<'_>,
    account: &str,
    references: &[String],
) -> Result<BTreeSet<String>, StoreError> {
    let rows = sqlx::query_scalar!(
        "SELECT DISTINCT e.bank_reference FROM bank_entries e JOIN bank_statements s USING (statement_no)
         WHERE e.booked AND s.account = $1 AND e.bank_reference = ANY ($2)",
        account,
        references
    );
    Ok(rows.fetch_all(executor).await?.into_iter().collect())
}

/// A bank's reference as it is kept.
#[must_use]
pub fn kept_reference(reference: &str) -> String {
    cut(reference, REFERENCE_CHARS)
}

/// Keeps a statement with its entries. The commit is the caller's.
pub async fn keep_statement(
    control: &mut Control,
    (statement, sha256): (&BankStatement, &[u8; 32]),
    actor: &str,
    entries: &[NewEntry<'_>],
) -> Result<i64, StoreError> {
    let now = control.now();
    let number = sqlx::query_scalar!(
        "INSERT INTO bank_statements (account, statement_id, sha256, entry_count, read_at, actor)
         VALUES ($1, $2, $3, $4, $5, $6) RETURNING statement_no",
        statement.account,
        cut(&statement.id, STATEMENT_CHARS),
        sha256.as_slice(),
        i32::try_from(entries.len()).unwrap_or(i32::MAX),
        now.to_sqlx() as _,
        actor
    );
    let number = number.fetch_one(control.connection()).await?;
    keep_entries(control.connection(), number, entries).await?;
    Ok(number)
}

async fn keep_entries(
    connection: &mut PgConnection,
    number: i64,
    entries: &[NewEntry<'_>],
) -> Result<(), StoreError> {
    let texts = |text: fn(&BankEntry) -> String| -> Vec<String> {
        entries.iter().map(|new| text(new.entry)).collect()
    };
    let named: Vec<Option<String>> = entries
        .iter()
        .map(|new| new.entry.end_to_end_id.as_deref().map(|id| cut(id, REFERENCE_CHARS)))
        .collect();
    let debtors: Vec<Option<String>> = entries
        .iter()
        .map(|new| new.entry.debtor.as_deref().map(|name| cut(name, REFERENCE_CHARS)))
        .collect();
    let days: Vec<Option<jiff_sqlx::Date>> =
        entries.iter().map(|new| new.entry.booked_on.map(ToSqlx::to_sqlx)).collect();
    let obligations: Vec<Option<String>> =
        entries.iter().map(|new| new.obligation.clone()).collect();
    let payments: Vec<Option<uuid::Uuid>> =
        entries.iter().map(|new| new.payment.map(|id| id.0)).collect();
    let outcomes: Vec<(i16, i64)> = entries.iter().map(|new| outcome_code(new.outcome)).collect();
    sqlx::query!(
        "INSERT INTO bank_entries (statement_no, place, bank_reference, credit, booked, currency,
             micros, booked_on, named, debtor, remittance, outcome, obligation, difference, waits,
             payment)
         SELECT $1, n.place::integer, n.bank_reference, n.credit, n.booked, n.currency, n.micros,
                n.booked_on, n.named, n.debtor, n.remittance, n.outcome, n.obligation, n.difference,
                n.outcome <> 0, n.payment
         FROM UNNEST($2::text[], $3::boolean[], $4::boolean[], $5::text[], $6::bigint[], $7::date[],
             $8::text[], $9::text[], $10::text[], $11::smallint[], $12::text[], $13::bigint[],
             $14::uuid[]) WITH ORDINALITY
             AS n (bank_reference, credit, booked, currency, micros, booked_on, named, debtor,
                   remittance, outcome, obligation, difference, payment, place)",
        number,
        &texts(|entry| cut(&entry.bank_reference, REFERENCE_CHARS)),
        &entries.iter().map(|new| new.entry.side == EntrySide::Credit).collect::<Vec<_>>(),
        &entries.iter().map(|new| new.entry.is_booked).collect::<Vec<_>>(),
        &texts(|entry| entry.amount.currency.to_string()),
        &entries.iter().map(|new| new.entry.amount.micros.0).collect::<Vec<_>>(),
        &days as _,
        &named as &[Option<String>],
        &debtors as &[Option<String>],
        &texts(|entry| cut(&entry.remittance, REMITTANCE_CHARS)),
        &outcomes.iter().map(|(code, _)| *code).collect::<Vec<_>>(),
        &obligations as &[Option<String>],
        &outcomes.iter().map(|(_, difference)| *difference).collect::<Vec<_>>(),
        &payments as &[Option<uuid::Uuid>]
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Entries, the latest first: all, or those that wait; at most `limit` of those before `before`.
pub async fn bank_entries(
    executor: impl PgExecutor<'_>,
    waiting: bool,
    before: Option<(i64, i32)>,
    limit: u16,
) -> Result<Vec<KeptEntry>, StoreError> {
    let (statement, place) = before.unwrap_or((i64::MAX, i32::MAX));
    let rows = sqlx::query_as!(
        Row,
        r#"SELECT statement_no, place, bank_reference, credit, currency, micros,
                  booked_on AS "booked_on: jiff_sqlx::Date", named, debtor, remittance, outcome,
                  obligation, difference, waits, decided_at AS "decided_at: jiff_sqlx::Timestamp",
                  decided_by, decision
           FROM bank_entries
           WHERE (statement_no, place) < ($1, $2) AND (waits OR NOT $3)
           ORDER BY statement_no DESC, place DESC LIMIT $4"#,
        statement,
        place,
        waiting,
        i64::from(limit)
    );
    rows.fetch_all(executor).await?.into_iter().map(KeptEntry::read).collect()
}

/// One entry.
pub async fn bank_entry(
    executor: impl PgExecutor<'_>,
    (statement, place): (i64, i32),
) -> Result<Option<KeptEntry>, StoreError> {
    let row = sqlx::query_as!(
        Row,
        r#"SELECT statement_no, place, bank_reference, credit, currency, micros,
                  booked_on AS "booked_on: jiff_sqlx::Date", named, debtor, remittance, outcome,
                  obligation, difference, waits, decided_at AS "decided_at: jiff_sqlx::Timestamp",
                  decided_by, decision
           FROM bank_entries WHERE statement_no = $1 AND place = $2"#,
        statement,
        place
    );
    row.fetch_optional(executor).await?.map(KeptEntry::read).transpose()
}

/// What a person decides about an entry that waits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EntryDecision<'d> {
    /// Which entry.
    pub id: (i64, i32),
    /// The obligation that it is assigned to, with the payment that was posted, if to one.
    pub assigned: Option<(&'d str, RequestId)>,
    /// Who decides.
    pub actor: &'d str,
    /// Why.
    pub decision: &'d str,
}

/// Notes a decision; all heads are held, and nobody decides without them.
pub async fn decide_entry(
    control: &mut Control,
    decided: &EntryDecision<'_>,
) -> Result<(), StoreError> {
    let now = control.now();
    let (obligation, payment) = decided.assigned.unzip();
    sqlx::query!(
        "UPDATE bank_entries SET waits = false, decided_at = $3, decided_by = $4, decision = $5,
             obligation = COALESCE($6, obligation), payment = $7
         WHERE statement_no = $1 AND place = $2 AND waits",
        decided.id.0,
        decided.id.1,
        now.to_sqlx() as _,
        decided.actor,
        decided.decision,
        obligation,
        payment.map(|id| id.0)
    )
    .execute(control.connection())
    .await?;
    Ok(())
}

/// An entry as a row has it.
struct Row {
    statement_no: i64,
    place: i32,
    bank_reference: String,
    credit: bool,
    currency: String,
    micros: i64,
    booked_on: Option<jiff_sqlx::Date>,
    named: Option<String>,
    debtor: Option<String>,
    remittance: String,
    outcome: i16,
    obligation: Option<String>,
    difference: i64,
    waits: bool,
    decided_at: Option<jiff_sqlx::Timestamp>,
    decided_by: Option<String>,
    decision: Option<String>,
}

impl KeptEntry {
    fn read(row: Row) -> Result<Self, StoreError> {
        let decided = row.decided_at.zip(row.decided_by).zip(row.decision);
        Ok(Self {
            id: (row.statement_no, row.place),
            bank_reference: row.bank_reference,
            side: if row.credit { EntrySide::Credit } else { EntrySide::Debit },
            micros: Micros(row.micros),
            currency: codes::currency(&row.currency, "bank_entries", "currency")?,
            booked_on: row.booked_on.map(jiff_sqlx::Date::to_jiff),
            named: row.named,
            debtor: row.debtor,
            remittance: row.remittance,
            outcome: outcome(row.outcome, Micros(row.difference))?,
            obligation: row.obligation,
            waits: row.waits,
            decided: decided.map(|((at, by), why)| (at.to_jiff(), by, why)),
        })
    }
}

fn outcome_code(outcome: Outcome) -> (i16, i64) {
    match outcome {
        Outcome::Exact => (0, 0),
        Outcome::Suspense(Suspense::Duplicate) => (1, 0),
        Outcome::Suspense(Suspense::NotBooked) => (2, 0),
        Outcome::Suspense(Suspense::Reversal) => (3, 0),
        Outcome::Suspense(Suspense::NoReference) => (4, 0),
        Outcome::Suspense(Suspense::UnknownReference) => (5, 0),
        Outcome::Suspense(Suspense::OtherSide) => (6, 0),
        Outcome::Suspense(Suspense::OtherCurrency) => (7, 0),
        Outcome::Suspense(Suspense::AlreadyPaid) => (8, 0),
        Outcome::Suspense(Suspense::Partial { left }) => (9, left.0),
        Outcome::Suspense(Suspense::Over { excess }) => (10, excess.0),
    }
}

fn outcome(code: i16, difference: Micros) -> Result<EntryOutcome, StoreError> {
    Ok(EntryOutcome::Suspense(match code {
        0 => return Ok(EntryOutcome::Paid),
        1 => Suspense::Duplicate,
        2 => Suspense::NotBooked,
        3 => Suspense::Reversal,
        4 => Suspense::NoReference,
        5 => Suspense::UnknownReference,
        6 => Suspense::OtherSide,
        7 => Suspense::OtherCurrency,
        8 => Suspense::AlreadyPaid,
        9 => Suspense::Partial { left: difference },
        10 => Suspense::Over { excess: difference },
        other => return Err(codes::inconsistent("bank_entries", "outcome", other)),
    }))
}

fn cut(text: &str, chars: usize) -> String {
    text.chars().take(chars).collect()
}
