//! Operations, transfers and positions of a batch, each as one statement.

use entente_ledger::{Transfer, Unit, positions};
use entente_loyalty::{Decision, Operation};
use jiff_sqlx::ToSqlx;

use super::Batch;
use crate::{
    StoreError,
    codes::{account_code, amount_kind_code, inconsistent, operation_kind_code},
};

impl Batch {
    pub(super) async fn write_operations(
        &mut self,
        decisions: &[Decision],
    ) -> Result<(), StoreError> {
        let rows: Vec<&Operation> = decisions.iter().map(|decision| &decision.operation).collect();
        sqlx::query!(
            "INSERT INTO operations (cell, seq, posted_at, window_id, partner_id, request_id,
                 member_id, kind, activity_at, terms_version, points, receipt_reference,
                 prior_period, refused)
             SELECT * FROM UNNEST($1::smallint[], $2::bigint[], $3::timestamptz[], $4::integer[],
                 $5::integer[], $6::uuid[], $7::uuid[], $8::smallint[], $9::timestamptz[],
                 $10::integer[], $11::bigint[], $12::text[], $13::boolean[], $14::boolean[])",
            &column(&rows, |o| o.cell.0),
            &column(&rows, |o| o.seq.0),
            &column(&rows, |o| o.posted_at.to_sqlx()) as _,
            &column(&rows, |o| o.window.0),
            &column(&rows, |o| o.partner.0),
            &column(&rows, |o| o.request_id.0),
            &column(&rows, |o| o.member.0),
            &column(&rows, |o| operation_kind_code(o.kind)),
            &column(&rows, |o| o.activity_at.map(jiff::Timestamp::to_sqlx)) as _,
            &column(&rows, |o| o.terms_version.map(|version| version.0)) as _,
            &column(&rows, |o| o.points.0),
            &column(&rows, |o| o.receipt_reference.clone()),
            &column(&rows, |o| o.prior_period),
            &column(&rows, |o| o.refusal.is_some())
        )
        .execute(self.connection())
        .await?;
        Ok(())
    }

    pub(super) async fn write_transfers(
        &mut self,
        decisions: &[Decision],
    ) -> Result<(), StoreError> {
        let rows = transfer_rows(decisions)?;
        if rows.is_empty() {
            return Ok(());
        }
        sqlx::query!(
            "INSERT INTO transfers (cell, seq, ordinal, posted_at, window_id, kind, debit_kind,
                 debit_partner, credit_kind, credit_partner, member_id, in_points, amount,
                 lot_opened_by, lot_ordinal, issuer, payer, payee, currency, price_micros)
             SELECT * FROM UNNEST($1::smallint[], $2::bigint[], $3::smallint[], $4::timestamptz[],
                 $5::integer[], $6::smallint[], $7::smallint[], $8::integer[], $9::smallint[],
                 $10::integer[], $11::uuid[], $12::boolean[], $13::bigint[], $14::bigint[],
                 $15::smallint[], $16::integer[], $17::integer[], $18::integer[], $19::text[],
                 $20::bigint[])",
            &column(&rows, |r| r.operation.cell.0),
            &column(&rows, |r| r.operation.seq.0),
            &column(&rows, |r| r.ordinal),
            &column(&rows, |r| r.operation.posted_at.to_sqlx()) as _,
            &column(&rows, |r| r.operation.window.0),
            &column(&rows, |r| amount_kind_code(r.transfer.kind)),
            &column(&rows, |r| account_code(r.transfer.debit()).0),
            &column(&rows, |r| account_code(r.transfer.debit()).1.0),
            &column(&rows, |r| account_code(r.transfer.credit()).0),
            &column(&rows, |r| account_code(r.transfer.credit()).1.0),
            &column(&rows, TransferRow::member) as _,
            &column(&rows, |r| r.lot().is_some()),
            &column(&rows, |r| r.transfer.amount()),
            &column(&rows, |r| r.lot().map(|lot| lot.0)) as _,
            &column(&rows, |r| r.lot().map(|lot| lot.1)) as _,
            &column(&rows, |r| r.lot().map(|lot| lot.2)) as _,
            &column(&rows, |r| r.transfer.payer.0),
            &column(&rows, |r| r.transfer.payee.0),
            &column(&rows, |r| r.transfer.currency.to_string()),
            &column(&rows, |r| r.transfer.price.0)
        )
        .execute(self.connection())
        .await?;
        Ok(())
    }

    pub(super) async fn write_positions(
        &mut self,
        decisions: &[Decision],
    ) -> Result<(), StoreError> {
        let mut sums = std::collections::BTreeMap::new();
        for decision in decisions {
            let place = (decision.operation.cell, decision.operation.window);
            let sum: &mut Vec<Transfer> = sums.entry(place).or_default();
            sum.extend(&decision.transfers);
        }
        let mut rows = Vec::new();
        for ((cell, window), transfers) in sums {
            let positions = positions(&transfers)
                .map_err(|overflow| inconsistent("positions", "micros", overflow))?;
            rows.extend(positions.into_iter().map(|(key, sum)| (cell, window, key, sum)));
        }
        if rows.is_empty() {
            return Ok(());
        }
        sqlx::query!(
            "INSERT INTO positions (cell, window_id, currency, payer, payee, kind, points, micros)
             SELECT * FROM UNNEST($1::smallint[], $2::integer[], $3::text[], $4::integer[],
                 $5::integer[], $6::smallint[], $7::bigint[], $8::bigint[])
             ON CONFLICT (cell, window_id, currency, payer, payee, kind) DO UPDATE
             SET points = positions.points + EXCLUDED.points,
                 micros = positions.micros + EXCLUDED.micros",
            &column(&rows, |r| r.0.0),
            &column(&rows, |r| r.1.0),
            &column(&rows, |r| r.2.currency.to_string()),
            &column(&rows, |r| r.2.payer.0),
            &column(&rows, |r| r.2.payee.0),
            &column(&rows, |r| amount_kind_code(r.2.kind)),
            &column(&rows, |r| r.3.points.0),
            &column(&rows, |r| r.3.micros.0)
        )
        .execute(self.connection())
        .await?;
        Ok(())
    }
}

/// One column of all rows, for UNNEST.
pub(super) fn column<R, T>(rows: &[R], field: impl Fn(&R) -> T) -> Vec<T> {
    rows.iter().map(field).collect()
}

struct TransferRow<'a> {
    operation: &'a Operation,
    ordinal: i16,
    transfer: &'a Transfer,
}

impl TransferRow<'_> {
    fn lot(&self) -> Option<(i64, i16, i32)> {
        match self.transfer.unit() {
            Unit::Points { lot, issuer } => Some((lot.opened_by.0, lot.ordinal, issuer.0)),
            Unit::Money => None,
        }
    }

    fn member(&self) -> Option<uuid::Uuid> {
        let debited = account_code(self.transfer.debit()).2;
        debited.or(account_code(self.transfer.credit()).2).map(|member| member.0)
    }
}

fn transfer_rows(decisions: &[Decision]) -> Result<Vec<TransferRow<'_>>, StoreError> {
    let mut rows = Vec::new();
    for decision in decisions {
        for (ordinal, transfer) in decision.transfers.iter().enumerate() {
            let ordinal = i16::try_from(ordinal)
                .map_err(|_| inconsistent("transfers", "ordinal", ordinal))?;
            rows.push(TransferRow { operation: &decision.operation, ordinal, transfer });
        }
    }
    Ok(rows)
}
