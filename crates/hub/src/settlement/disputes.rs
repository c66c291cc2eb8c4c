//! Disputes, as operators and partners read them.

use std::sync::Arc;

use entente_api::{
    error::ErrorReason,
    settlement::{
        Dispute as ApiDispute, DisputedLine as ApiLine, DisputedOperation,
        DisputedTotal as ApiTotal,
    },
};
use entente_ledger::{PartnerId, RequestId};
use entente_store::{
    StoreError,
    settlement::{
        disputes::{Dispute, DisputedLine, Said, dispute, disputes},
        statement::{Behind, BehindPlace, DayTotal, behind},
        window_by_name,
    },
};
use jiff::Timestamp;

use super::{Settlements, clearing::named, window_unknown, wire};
use crate::{
    caller::Role,
    error::{Refused, RpcError},
    parse::wire_timestamp,
    personal::Unreadable,
};

/// How many disputes of a window are told at most.
const MOST: i64 = 1_000;

/// What is sealed of a dispute.
pub(crate) const EVIDENCE: &[u8] = b"evidence";
pub(crate) const ANSWER: &[u8] = b"answer";

impl Settlements {
    /// The disputes about a window: a partner's own, or all.
    pub async fn disputes(
        &self,
        window: &str,
        (partner, role): (Option<PartnerId>, Role),
    ) -> Result<Vec<ApiDispute>, RpcError> {
        let mut connection = self.windows.totals.acquire().await.map_err(StoreError::from)?;
        let found = window_by_name(&mut *connection, window).await?;
        let id = found.ok_or_else(window_unknown)?.id;
        let found = disputes(&mut connection, id, partner, MOST).await?;
        let names = self.names().await?;
        let told = found.into_iter().map(|dispute| {
            let whose = (window, names.of(dispute.partner)?);
            let mut told =
                wire_dispute(dispute.clone(), (whose.0, &whose.1), |party| names.of(party))?;
            told.evidence = self.said((dispute.id, EVIDENCE), &dispute.evidence)?;
            if let Some(answered) = &dispute.answered {
                told.answer = self.said((dispute.id, ANSWER), &answered.answer)?;
            }
            told.actor = named(&told.actor, role);
            told.answered_by = named(&told.answered_by, role);
            Ok(told)
        });
        told.collect()
    }

    /// The operations behind a total of a dispute, as long as it is open: for the partner that disputes it,
    /// or for operators; and where the next page begins.
    pub async fn disputed_operations(
        &self,
        own: Option<PartnerId>,
        (id, total): (RequestId, usize),
        (after, size): (Option<BehindPlace>, u16),
    ) -> Result<(Vec<DisputedOperation>, Option<BehindPlace>), RpcError> {
        // Each page looks through a day's transfers, as a page of a statement does.
        let place = Arc::clone(&self.statements).try_acquire_owned();
        let _place = place.map_err(|_| Refused::overloaded())?;
        let pool = &self.windows.totals;
        let found = {
            let mut connection = pool.acquire().await.map_err(StoreError::from)?;
            dispute(&mut connection, id).await?
        };
        let told = |found: &Dispute| {
            found.answered.is_none() && own.is_none_or(|own| own == found.partner)
        };
        let open = found.filter(told).ok_or_else(dispute_unknown)?;
        let total = open.totals.get(total).ok_or_else(|| total_unknown(total))?;
        let (of, limit) = ((open.window, open.partner), i64::from(size) + 1);
        let mut found = behind(pool, of, total, (after, limit)).await?;
        let more = found.len() > usize::from(size);
        found.truncate(size.into());
        let next = found.last().filter(|_| more).map(|last| last.place);
        Ok((found.iter().map(operation).collect(), next))
    }

    /// What somebody wrote; nothing where a member was erased.
    fn said(&self, (id, part): (RequestId, &[u8]), said: &Said) -> Result<String, StoreError> {
        match said {
            Said::Plain(said) => Ok(said.clone()),
            Said::Sealed(Some(sealed)) => {
                let opened = self.vault.open_dispute((id, part), sealed);
                opened.map_err(|_| Unreadable::of("disputes", id.0))
            }
            Said::Sealed(None) => Ok(String::new()),
        }
    }
}

/// The refusal of an id that names no dispute that is open.
pub(crate) fn dispute_unknown() -> Refused {
    Refused::new(ErrorReason::DisputeUnknown, "there is no open dispute by this id")
}

fn total_unknown(total: usize) -> Refused {
    Refused::new(ErrorReason::LineUnknown, "the dispute has no such total")
        .with("line", format_args!("totals[{total}]"))
}

/// An operation behind a total: nothing that tells whose it is.
fn operation(behind: &Behind) -> DisputedOperation {
    let movement = &behind.movement;
    let posted_at = Timestamp::from_second(behind.place.operation.posted_at.as_second());
    DisputedOperation {
        posted_at: posted_at.ok().map(wire_timestamp),
        points: movement.points.0,
        direction: wire::side(movement.side).into(),
        amount: Some(wire::money(movement.currency, movement.amount)),
        price: behind.price.map(|price| wire::money(movement.currency, price)),
        terms_version: behind.terms_version.map(|version| version.0).unwrap_or_default(),
    }
}

/// A dispute of a partner about a window, on the wire, without what people wrote: requests keep what they
/// answer for ever. `code` names parties.
pub(crate) fn wire_dispute<E>(
    dispute: Dispute,
    (window, partner): (&str, &str),
    code: impl Fn(PartnerId) -> Result<String, E>,
) -> Result<ApiDispute, E> {
    let total = |total: &DayTotal| {
        Ok(ApiTotal {
            counterparty: code(total.counterparty)?,
            day: total.day.to_string(),
            kind: wire::kind(total.kind).into(),
            currency: total.currency.to_string(),
        })
    };
    let totals = dispute.totals.iter().map(total).collect::<Result<_, E>>()?;
    let line = |line: &DisputedLine| ApiLine {
        request_id: line.request_id.0.to_string(),
        kind: wire::kind(line.kind).into(),
        currency: line.currency.to_string(),
    };
    let adjustment = dispute.answered.as_ref().and_then(|answered| answered.adjustment);
    let (at, by) = match dispute.answered {
        Some(answered) => (Some(answered.at), answered.by),
        None => (None, String::new()),
    };
    Ok(ApiDispute {
        dispute: dispute.id.0.to_string(),
        window: window.to_owned(),
        partner: partner.to_owned(),
        lines: dispute.lines.iter().map(line).collect(),
        code: dispute.code.into(),
        evidence: String::new(),
        at: Some(wire_timestamp(dispute.at)),
        actor: dispute.actor,
        answered_at: at.map(wire_timestamp),
        answered_by: by,
        answer: String::new(),
        accepted: adjustment.is_some(),
        adjustment: adjustment.map(|id| id.0.to_string()).unwrap_or_default(),
        totals,
    })
}
