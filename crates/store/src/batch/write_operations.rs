//! Operations, transfers and positions of a batch, each as one statement.

use entente_ledger::{Transfer, Unit, positions};
use entente_loyalty::{Decision, Operation};
use jiff_sqlx::ToSqlx;

use super::{
    Batch,
    rows::{OperationRecord, TransferRecord},
};
use crate::{
    StoreError,
    codes::{account_code, amount_kind_code, inconsistent, operation_kind_code},
};

impl Batch {
    pub(super) async fn write_operations(
        &mut self,
        decisions: &[Decision],
    ) -> Result<(), StoreError> {
        let rows: Vec<_> = decisions.iter().map(|decision| record(&decision.operation)).collect();
        sqlx::query!("INSERT INTO operations SELECT * FROM UNNEST($1::operations[])", &rows as _)
            .execute(self.connection())
            .await?;
        Ok(())
    }

    pub(super) async fn write_transfers(
        &mut self,
        decisions: &[Decision],
    ) -> Result<(), StoreError> {
        let mut rows = Vec::with_capacity(decisions.len().saturating_mul(2));
        for decision in decisions {
            for (ordinal, transfer) in decision.transfers.iter().enumerate() {
                let ordinal = i16::try_from(ordinal)
                    .map_err(|_| inconsistent("transfers", "ordinal", ordinal))?;
                rows.push(transfer_record(&decision.operation, ordinal, transfer));
            }
        }
        if rows.is_empty() {
            return Ok(());
        }
        sqlx::query!("INSERT INTO transfers SELECT * FROM UNNEST($1::transfers[])", &rows as _)
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

fn record(operation: &Operation) -> OperationRecord<'_> {
    OperationRecord {
        cell: operation.cell.0,
        seq: operation.seq.0,
        posted_at: operation.posted_at.to_sqlx(),
        window_id: operation.window.0,
        partner_id: operation.partner.0,
        request_id: operation.request_id.0,
        member_id: operation.member.0,
        kind: operation_kind_code(operation.kind),
        activity_at: operation.activity_at.map(jiff::Timestamp::to_sqlx),
        terms_version: operation.terms_version.map(|version| version.0),
        points: operation.points.0,
        receipt_reference: &operation.receipt_reference,
        prior_period: operation.prior_period,
        refused: operation.refusal.is_some(),
    }
}

fn transfer_record<'a>(
    operation: &Operation,
    ordinal: i16,
    transfer: &'a Transfer,
) -> TransferRecord<'a> {
    let (debit_kind, debit_partner, debited) = account_code(transfer.debit());
    let (credit_kind, credit_partner, credited) = account_code(transfer.credit());
    let lot = match transfer.unit() {
        Unit::Points { lot, issuer } => Some((lot, issuer)),
        Unit::Money => None,
    };
    TransferRecord {
        cell: operation.cell.0,
        seq: operation.seq.0,
        ordinal,
        posted_at: operation.posted_at.to_sqlx(),
        window_id: operation.window.0,
        kind: amount_kind_code(transfer.kind),
        debit_kind,
        debit_partner: debit_partner.0,
        credit_kind,
        credit_partner: credit_partner.0,
        member_id: debited.or(credited).map(|member| member.0),
        in_points: lot.is_some(),
        amount: transfer.amount(),
        lot_opened_by: lot.map(|(lot, _)| lot.opened_by.0),
        lot_ordinal: lot.map(|(lot, _)| lot.ordinal),
        issuer: lot.map(|(_, issuer)| issuer.0),
        payer: transfer.payer.0,
        payee: transfer.payee.0,
        currency: transfer.currency.code(),
        price_micros: transfer.price.0,
    }
}
