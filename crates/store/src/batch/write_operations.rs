//! What a batch appends: operations, transfers, and what they come to.

use std::collections::BTreeMap;

use entente_ledger::{Cell, PositionAmount, PositionKey, Seq, Transfer, Unit, WindowId, positions};
use entente_loyalty::{Decision, Operation};
use jiff_sqlx::ToSqlx;

use super::{
    Batch, Heads,
    rows::{OperationRecord, TransferRecord},
};
use crate::{
    StoreError,
    codes::{account_code, amount_kind_code, inconsistent, operation_kind_code},
};

impl Batch {
    /// Appends operations with their transfers, adds these up into positions, and moves the heads: one
    /// statement, since at moderate load a batch costs what its round trips cost.
    pub(super) async fn write_operations(
        &mut self,
        decisions: &[Decision],
        (heads, last): (&Heads, &BTreeMap<Cell, Seq>),
    ) -> Result<(), StoreError> {
        let operations: Vec<_> =
            decisions.iter().map(|decision| record(&decision.operation)).collect();
        let transfers = transfers(decisions)?;
        let sums = position_sums(decisions)?;
        let (cells, seqs): (Vec<i16>, Vec<i64>) =
            last.iter().map(|(cell, seq)| (cell.0, seq.0)).unzip();
        sqlx::query!(
            "WITH operation AS (
                 INSERT INTO operations SELECT * FROM UNNEST($1::operations[])
             ), transfer AS (
                 INSERT INTO transfers SELECT * FROM UNNEST($2::transfers[])
             ), position AS (
                 INSERT INTO positions
                     (cell, window_id, currency, payer, payee, kind, points, micros)
                 SELECT * FROM UNNEST($3::smallint[], $4::integer[], $5::text[], $6::integer[],
                     $7::integer[], $8::smallint[], $9::bigint[], $10::bigint[])
                 ON CONFLICT (cell, window_id, currency, payer, payee, kind) DO UPDATE
                 SET points = positions.points + EXCLUDED.points,
                     micros = positions.micros + EXCLUDED.micros
             )
             UPDATE cells SET seq = n.seq, last_time = $13
             FROM UNNEST($11::smallint[], $12::bigint[]) AS n (cell, seq)
             WHERE cells.cell = n.cell",
            &operations as _,
            &transfers as _,
            &column(&sums, |r| r.0.0),
            &column(&sums, |r| r.1.0),
            &column(&sums, |r| r.2.currency.to_string()),
            &column(&sums, |r| r.2.payer.0),
            &column(&sums, |r| r.2.payee.0),
            &column(&sums, |r| amount_kind_code(r.2.kind)),
            &column(&sums, |r| r.3.points.0),
            &column(&sums, |r| r.3.micros.0),
            &cells,
            &seqs,
            heads.now.to_sqlx() as _
        )
        .execute(self.connection())
        .await?;
        Ok(())
    }
}

fn transfers(decisions: &[Decision]) -> Result<Vec<TransferRecord<'_>>, StoreError> {
    let mut rows = Vec::with_capacity(decisions.len().saturating_mul(2));
    for decision in decisions {
        for (ordinal, transfer) in decision.transfers.iter().enumerate() {
            let ordinal = i16::try_from(ordinal)
                .map_err(|_| inconsistent("transfers", "ordinal", ordinal))?;
            rows.push(transfer_record(&decision.operation, ordinal, transfer));
        }
    }
    Ok(rows)
}

/// What transfers come to, by cell and window.
fn position_sums(
    decisions: &[Decision],
) -> Result<Vec<(Cell, WindowId, PositionKey, PositionAmount)>, StoreError> {
    let mut by_place: BTreeMap<_, Vec<Transfer>> = BTreeMap::new();
    for decision in decisions {
        let place = (decision.operation.cell, decision.operation.window);
        by_place.entry(place).or_default().extend(&decision.transfers);
    }
    let mut rows = Vec::new();
    for ((cell, window), transfers) in by_place {
        let sums = positions(&transfers)
            .map_err(|overflow| inconsistent("positions", "micros", overflow))?;
        rows.extend(sums.into_iter().map(|(key, sum)| (cell, window, key, sum)));
    }
    Ok(rows)
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
