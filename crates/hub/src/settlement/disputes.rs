//! Disputes, as operators and partners read them.

use entente_api::settlement::{Dispute as ApiDispute, DisputedLine as ApiLine};
use entente_ledger::PartnerId;
use entente_store::{
    StoreError,
    settlement::{
        disputes::{Dispute, DisputedLine, disputes},
        window_by_name,
    },
};

use super::{Settlements, clearing::named, window_unknown, wire};
use crate::{caller::Role, error::RpcError, parse::wire_timestamp};

/// How many disputes of a window are told at most.
const MOST: i64 = 1_000;

impl Settlements {
    /// The disputes about a window: a partner's own, or all.
    pub async fn disputes(
        &self,
        window: &str,
        (partner, role): (Option<PartnerId>, Role),
    ) -> Result<Vec<ApiDispute>, RpcError> {
        let mut connection = self.pool.acquire().await.map_err(StoreError::from)?;
        let found = window_by_name(&mut *connection, window).await?;
        let id = found.ok_or_else(window_unknown)?.id;
        let found = disputes(&mut connection, id, partner, MOST).await?;
        let names = self.names().await?;
        let told = found.into_iter().map(|dispute| {
            let mut told = wire_dispute(dispute.clone(), (window, &names.of(dispute.partner)?));
            told.actor = named(&told.actor, role);
            told.answered_by = named(&told.answered_by, role);
            Ok(told)
        });
        told.collect()
    }
}

/// A dispute of a partner about a window, on the wire.
pub(crate) fn wire_dispute(dispute: Dispute, (window, partner): (&str, &str)) -> ApiDispute {
    let line = |line: &DisputedLine| ApiLine {
        request_id: line.request_id.0.to_string(),
        kind: wire::kind(line.kind).into(),
        currency: line.currency.to_string(),
    };
    let adjustment = dispute.answered.as_ref().and_then(|answered| answered.adjustment);
    let (at, by, answer) = match dispute.answered {
        Some(answered) => (Some(answered.at), answered.by, answered.answer),
        None => (None, String::new(), String::new()),
    };
    ApiDispute {
        dispute: dispute.id.0.to_string(),
        window: window.to_owned(),
        partner: partner.to_owned(),
        lines: dispute.lines.iter().map(line).collect(),
        code: dispute.code.into(),
        evidence: dispute.evidence,
        at: Some(wire_timestamp(dispute.at)),
        actor: dispute.actor,
        answered_at: at.map(wire_timestamp),
        answered_by: by,
        answer,
        accepted: adjustment.is_some(),
        adjustment: adjustment.map(|id| id.0.to_string()).unwrap_or_default(),
    }
}
