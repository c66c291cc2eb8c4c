//! Requests and what became of them, and the partners' references of members: what the resolver
//! reads before a command is queued.

use std::collections::HashMap;

use entente_ledger::{Cell, MemberId, PartnerId, RequestId, Seq};
use jiff::Timestamp;
use sqlx::PgConnection;
use uuid::Uuid;

use crate::{
    StoreError,
    batch::rows::RequestRecord,
    codes::{inconsistent, operation_kind},
    personal::Lookup,
};
use entente_loyalty::{OperationKind, Original, OriginalKind};

/// A request id's final outcome.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// The method that was called.
    pub method: i16,
    /// The request as sent, less its id and whatever is personal in it.
    pub fields: Vec<u8>,
    /// Whether `answer` is a refusal's status.
    pub refused: bool,
    /// The first answer.
    pub answer: Vec<u8>,
    /// The operation behind it; a write that changes no points has none.
    pub place: Option<Place>,
}

/// Where an operation is, and whose points it changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// Its cell.
    pub cell: Cell,
    /// Its number there.
    pub seq: Seq,
    /// The member; an adjustment has none.
    pub member: Option<MemberId>,
    /// Of a capture: its authorization.
    pub authorized_by: Option<Seq>,
}

/// A row of `requests` to be written.
#[derive(Debug, Clone)]
pub struct RequestRow {
    /// Whose request.
    pub partner: PartnerId,
    /// The caller's id.
    pub request_id: RequestId,
    /// Its outcome.
    pub outcome: Outcome,
    /// Of an accepted earn: the receipt that it credited.
    pub receipt: Option<String>,
}

/// What is known of requests before they are decided.
#[derive(Debug, Default)]
pub struct Earlier {
    /// The outcomes of those ids that have one.
    pub outcomes: HashMap<(PartnerId, RequestId), Outcome>,
    /// By which earn a receipt was credited, of those that were.
    pub credited: HashMap<(PartnerId, String), RequestId>,
}

/// The outcomes of request ids, for those that have one.
pub async fn outcomes(
    connection: &mut PgConnection,
    keys: &[(PartnerId, RequestId)],
) -> Result<HashMap<(PartnerId, RequestId), Outcome>, StoreError> {
    Ok(earlier(connection, keys, &[]).await?.outcomes)
}

/// The outcomes of request ids and what credited receipts, in one statement.
pub(crate) async fn earlier(
    connection: &mut PgConnection,
    keys: &[(PartnerId, RequestId)],
    receipts: &[(PartnerId, String)],
) -> Result<Earlier, StoreError> {
    let (partners, ids): (Vec<i32>, Vec<Uuid>) =
        keys.iter().map(|(partner, id)| (partner.0, id.0)).unzip();
    let (credited_by, receipts): (Vec<i32>, Vec<String>) =
        receipts.iter().map(|(partner, receipt)| (partner.0, receipt.clone())).unzip();
    let rows = sqlx::query!(
        r#"SELECT r.partner_id AS "partner_id!", r.request_id AS "request_id!",
                  r.method AS "method!", r.fields AS "fields!", r.refused AS "refused!",
                  r.answer AS "answer!", r.cell, r.seq, r.member_id, r.authorized_by,
                  NULL AS receipt
           FROM UNNEST($1::integer[], $2::uuid[]) AS k (partner_id, request_id)
           CROSS JOIN LATERAL (
               SELECT * FROM requests r
               WHERE r.partner_id = k.partner_id AND r.request_id = k.request_id OFFSET 0
           ) r
           UNION ALL
           SELECT r.partner_id, r.request_id, r.method, '', false, '', NULL, NULL, NULL, NULL,
                  r.receipt
           FROM UNNEST($3::integer[], $4::text[]) AS k (partner_id, receipt)
           CROSS JOIN LATERAL (
               SELECT * FROM requests r
               WHERE r.partner_id = k.partner_id AND r.receipt = k.receipt OFFSET 0
           ) r"#,
        &partners,
        &ids,
        &credited_by,
        &receipts
    )
    .fetch_all(connection)
    .await?;
    let outcome = |row: (i16, Vec<u8>, bool, Vec<u8>), place| Outcome {
        method: row.0,
        fields: row.1,
        refused: row.2,
        answer: row.3,
        place,
    };
    let mut earlier = Earlier::default();
    for row in rows {
        let key = (PartnerId(row.partner_id), RequestId(row.request_id));
        if let Some(receipt) = row.receipt {
            earlier.credited.insert((key.0, receipt), key.1);
            continue;
        }
        let place = row.cell.zip(row.seq).map(|(cell, seq)| Place {
            cell: Cell(cell),
            seq: Seq(seq),
            member: row.member_id.map(MemberId),
            authorized_by: row.authorized_by.map(Seq),
        });
        let found = outcome((row.method, row.fields, row.refused, row.answer), place);
        earlier.outcomes.insert(key, found);
    }
    Ok(earlier)
}

/// A member as one partner knows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ResolvedLink {
    /// The member.
    pub member: MemberId,
    /// Its cell.
    pub cell: Cell,
    /// What names the member to the partner.
    pub link_token: Uuid,
    /// Until when only points that the partner issued can be spent there; `None` where all can.
    pub burns_others_from: Option<Timestamp>,
}

impl ResolvedLink {
    /// Whether another look found the same link: it names the same member by the same token.
    #[must_use]
    pub fn is_still(&self, found: &Self) -> bool {
        (self.member, self.link_token) == (found.member, found.link_token)
    }
}

/// The members behind partners' references, for those that are linked.
pub async fn resolve_links(
    connection: &mut PgConnection,
    keys: &[(PartnerId, Lookup)],
) -> Result<HashMap<(PartnerId, Lookup), ResolvedLink>, StoreError> {
    let (partners, references): (Vec<i32>, Vec<Vec<u8>>) =
        keys.iter().map(|(partner, reference)| (partner.0, reference.0.to_vec())).unzip();
    let rows = sqlx::query!(
        r#"SELECT l.partner_id, l.lookup, l.cell, l.member_id, l.link_token,
                  l.burns_others_from AS "burns_others_from: jiff_sqlx::Timestamp"
           FROM UNNEST($1::integer[], $2::bytea[]) AS k (partner_id, lookup)
           CROSS JOIN LATERAL (
               SELECT * FROM links l
               WHERE l.partner_id = k.partner_id AND l.lookup = k.lookup OFFSET 0
           ) l"#,
        &partners,
        &references
    )
    .fetch_all(connection)
    .await?;
    let link = rows.into_iter().map(|row| {
        let link = ResolvedLink {
            cell: Cell(row.cell),
            member: MemberId(row.member_id),
            link_token: row.link_token,
            burns_others_from: row.burns_others_from.map(jiff_sqlx::Timestamp::to_jiff),
        };
        Ok(((PartnerId(row.partner_id), lookup(row.lookup)?), link))
    });
    link.collect()
}

/// An operation of a partner that another command names, and how the partner knew its member.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResolvedOriginal {
    /// The operation.
    pub original: Original,
    /// Whose points it changed: that member's for ever, linked or not.
    pub member: MemberId,
    /// The member's cell.
    pub cell: Cell,
    /// Whom that member was merged into, and so on: where its points are now.
    pub followed: Vec<(Cell, MemberId)>,
    /// The answer that it was given, which names the member by the token of that time.
    pub answer: Vec<u8>,
    /// The partner's reference of the member, or of whom it was merged into, and its token, where they
    /// are linked now.
    pub linked: Option<(Lookup, Uuid)>,
}

/// The operations behind a partner's request ids, for those that changed a member's points.
pub async fn resolve_originals(
    connection: &mut PgConnection,
    keys: &[(PartnerId, RequestId)],
) -> Result<HashMap<(PartnerId, RequestId), ResolvedOriginal>, StoreError> {
    let (partners, ids): (Vec<i32>, Vec<Uuid>) =
        keys.iter().map(|(partner, id)| (partner.0, id.0)).unzip();
    let rows = sqlx::query!(
        r#"SELECT r.partner_id, r.request_id, r.method, r.refused, r.answer, r.cell AS "cell!",
                  r.seq AS "seq!", r.member_id AS "member_id!", r.authorized_by,
                  l.lookup AS "lookup?", l.link_token AS "link_token?",
                  c.cells AS "cells?", c.members AS "members?"
         FROM UNNEST($1::integer[], $2::uuid[]) AS k (partner_id, request_id)
         CROSS JOIN LATERAL (
               SELECT * FROM requests r
               WHERE r.partner_id = k.partner_id AND r.request_id = k.request_id OFFSET 0
           ) r
         LEFT JOIN LATERAL (
               WITH RECURSIVE chain AS (
                   SELECT f.into_cell, f.into_member_id, 1 AS hops FROM forwards f
                   WHERE f.cell = r.cell AND f.member_id = r.member_id
                   UNION ALL
                   SELECT f.into_cell, f.into_member_id, chain.hops + 1
                   FROM chain
                   CROSS JOIN LATERAL (
                       SELECT * FROM forwards f
                       WHERE f.cell = chain.into_cell
                           AND f.member_id = chain.into_member_id OFFSET 0
                   ) f
                   WHERE chain.hops < 20
               )
               SELECT array_agg(into_cell ORDER BY hops) AS cells,
                      array_agg(into_member_id ORDER BY hops) AS members
               FROM chain
           ) c ON true
           -- By member: while the table is all but empty, all links of the partner seem as cheap to read.
           LEFT JOIN LATERAL (
               SELECT * FROM links l
               WHERE l.partner_id + 0 = r.partner_id
                   AND l.member_id = COALESCE(c.members[cardinality(c.members)], r.member_id)
               OFFSET 0
           ) l ON true
         WHERE r.cell IS NOT NULL AND r.member_id IS NOT NULL"#,
        &partners,
        &ids
    )
    .fetch_all(connection)
    .await?;
    let mut originals = HashMap::with_capacity(rows.len());
    for row in rows {
        let request_id = RequestId(row.request_id);
        let kind = original_kind(row.method, row.refused, row.authorized_by.map(Seq));
        let original = Original { seq: Seq(row.seq), request_id, kind };
        let resolved = ResolvedOriginal {
            original,
            member: MemberId(row.member_id),
            cell: Cell(row.cell),
            followed: followed(row.cells.unwrap_or_default(), row.members.unwrap_or_default()),
            answer: if row.refused { Vec::new() } else { row.answer },
            linked: row.lookup.map(lookup).transpose()?.zip(row.link_token),
        };
        originals.insert((PartnerId(row.partner_id), request_id), resolved);
    }
    Ok(originals)
}

fn followed(cells: Vec<i16>, members: Vec<Uuid>) -> Vec<(Cell, MemberId)> {
    cells.into_iter().map(Cell).zip(members.into_iter().map(MemberId)).collect()
}

fn lookup(bytes: Vec<u8>) -> Result<Lookup, StoreError> {
    let lookup = bytes.try_into().map_err(|_| inconsistent("links", "lookup", "not 32 bytes"))?;
    Ok(Lookup(lookup))
}

/// The methods that change points have the numbers of the operations that they make.
fn original_kind(method: i16, refused: bool, authorized_by: Option<Seq>) -> OriginalKind {
    match (operation_kind(method), authorized_by) {
        _ if refused => OriginalKind::Other,
        (Ok(OperationKind::Earn), _) => OriginalKind::Earn,
        (Ok(OperationKind::Burn), _) => OriginalKind::Burn,
        (Ok(OperationKind::Authorize), _) => OriginalKind::Authorize,
        (Ok(OperationKind::Capture), Some(authorized_by)) => {
            OriginalKind::Capture { authorized_by }
        }
        (
            Ok(
                OperationKind::Capture
                | OperationKind::Void
                | OperationKind::Reverse
                | OperationKind::Expire
                | OperationKind::Adjust
                | OperationKind::Exchange
                | OperationKind::Transfer
                | OperationKind::Donate
                | OperationKind::Announce
                | OperationKind::Merge
                | OperationKind::Unmerge,
            )
            | Err(_),
            _,
        ) => OriginalKind::Other,
    }
}

/// Inserts outcomes by receipt, then by id, so that no two batches wait for each other. Where an id is
/// taken, or a receipt is credited, nothing is written: [`StoreError::Claimed`], roll back and run again.
pub(crate) async fn insert(
    connection: &mut PgConnection,
    rows: &[RequestRow],
) -> Result<(), StoreError> {
    let mut rows: Vec<RequestRecord<'_>> = rows.iter().map(record).collect();
    rows.sort_unstable_by_key(|row| (row.partner_id, row.receipt, row.request_id));
    let inserted =
        sqlx::query!("INSERT INTO requests SELECT * FROM UNNEST($1::requests[])", &rows as _)
            .execute(connection)
            .await;
    match inserted {
        Err(sqlx::Error::Database(error)) if error.is_unique_violation() => {
            Err(StoreError::Claimed)
        }
        inserted => Ok(inserted.map(drop)?),
    }
}

fn record(row: &RequestRow) -> RequestRecord<'_> {
    let (outcome, place) = (&row.outcome, row.outcome.place.as_ref());
    RequestRecord {
        partner_id: row.partner.0,
        request_id: row.request_id.0,
        method: outcome.method,
        fields: &outcome.fields,
        refused: outcome.refused,
        answer: &outcome.answer,
        cell: place.map(|place| place.cell.0),
        seq: place.map(|place| place.seq.0),
        member_id: place.and_then(|place| place.member).map(|member| member.0),
        authorized_by: place.and_then(|place| place.authorized_by).map(|seq| seq.0),
        receipt: row.receipt.as_deref(),
    }
}
