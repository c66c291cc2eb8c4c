//! Entries of bank statements, as operators read them.

use entente_api::settlement::{BankEntry, EntryOutcome as ApiOutcome, ImportedStatement};
use entente_ledger::Micros;
use entente_settlement::iso20022::{EntrySide, Suspense};
use entente_store::settlement::bank::{self, EntryOutcome, KeptEntry};

use super::{Settlements, wire::money};
use crate::{control::Imported, error::RpcError, parse::wire_timestamp};

impl Settlements {
    /// Entries of bank statements, the latest first, and from where the next page goes on, if there is
    /// one.
    pub async fn bank_entries(
        &self,
        waiting: bool,
        before: Option<(i64, i32)>,
        size: u16,
    ) -> Result<(Vec<BankEntry>, Option<(i64, i32)>), RpcError> {
        let found =
            bank::bank_entries(&self.windows.totals, waiting, before, size.saturating_add(1)).await;
        let mut found = found?;
        let more = found.len() > usize::from(size);
        found.truncate(size.into());
        let next = found.last().filter(|_| more).map(|last| last.id);
        Ok((found.into_iter().map(entry).collect(), next))
    }
}

/// What came of a statement, on the wire.
pub(crate) fn imported_statement(imported: Imported) -> ImportedStatement {
    let Imported { read, already, adds_up } = imported;
    ImportedStatement {
        statement: read.statement_id,
        already_read: already,
        entry_count: read.entry_count,
        paid_count: read.paid_count,
        waiting_count: read.waiting_count,
        adds_up,
    }
}

fn entry(kept: KeptEntry) -> BankEntry {
    let (outcome, difference) = outcome(kept.outcome);
    let (decided_at, decided_by, decision) = match kept.decided {
        Some((at, by, why)) => (Some(wire_timestamp(at)), by, why),
        None => (None, String::new(), String::new()),
    };
    BankEntry {
        entry: format!("{}/{}", kept.id.0, kept.id.1),
        bank_reference: kept.bank_reference,
        credit: kept.side == EntrySide::Credit,
        amount: Some(money(kept.currency, kept.micros)),
        booked_on: kept.booked_on.map(|day| day.to_string()).unwrap_or_default(),
        end_to_end_id: kept.named.unwrap_or_default(),
        debtor: kept.debtor.unwrap_or_default(),
        remittance: kept.remittance,
        outcome: outcome.into(),
        difference: difference.map(|micros| money(kept.currency, micros)),
        obligation: kept.obligation.unwrap_or_default(),
        waiting: kept.waits,
        decided_by,
        decided_at,
        decision,
    }
}

const fn outcome(outcome: EntryOutcome) -> (ApiOutcome, Option<Micros>) {
    let EntryOutcome::Suspense(suspense) = outcome else { return (ApiOutcome::Paid, None) };
    match suspense {
        Suspense::Duplicate => (ApiOutcome::Duplicate, None),
        Suspense::NotBooked => (ApiOutcome::NotBooked, None),
        Suspense::Reversal => (ApiOutcome::Reversal, None),
        Suspense::NoReference => (ApiOutcome::NoReference, None),
        Suspense::UnknownReference => (ApiOutcome::UnknownReference, None),
        Suspense::OtherSide => (ApiOutcome::OtherSide, None),
        Suspense::OtherCurrency => (ApiOutcome::OtherCurrency, None),
        Suspense::AlreadyPaid => (ApiOutcome::PaidAlready, None),
        Suspense::Partial { left } => (ApiOutcome::Partial, Some(left)),
        Suspense::Over { excess } => (ApiOutcome::Over, Some(excess)),
    }
}
