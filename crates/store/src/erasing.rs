//! Erasures: what is personal of a member goes for good, and a journal says of whom. What the ledger
//! says stays: its members are random ids.

use entente_ledger::{Cell, MemberId, RequestId};
use jiff::Timestamp;
use jiff_sqlx::ToSqlx;
use sqlx::{PgConnection, PgExecutor};
use uuid::Uuid;

use crate::{StoreError, settlement::disputes};

/// A line of the journal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Erasure {
    /// Who was erased.
    pub member: MemberId,
    /// Its cell.
    pub cell: Cell,
    /// When.
    pub erased_at: Timestamp,
    /// The proposal by which it was.
    pub proposal: RequestId,
}

/// A member, and everybody who was merged into it: itself first.
pub async fn whole(
    executor: impl PgExecutor<'_>,
    (cell, member): (Cell, MemberId),
) -> Result<Vec<(Cell, MemberId)>, StoreError> {
    let absorbed = sqlx::query!(
        r#"WITH RECURSIVE absorbed AS (
               SELECT cell, member_id FROM forwards
               WHERE into_cell = $1 AND into_member_id = $2
               UNION
               SELECT f.cell, f.member_id
               FROM absorbed a
               JOIN forwards f ON f.into_cell = a.cell AND f.into_member_id = a.member_id
           )
           SELECT cell AS "cell!", member_id AS "member_id!" FROM absorbed"#,
        cell.0,
        member.0
    );
    let absorbed = absorbed.fetch_all(executor).await?;
    let absorbed = absorbed.into_iter().map(|row| (Cell(row.cell), MemberId(row.member_id)));
    Ok([(cell, member)].into_iter().chain(absorbed).collect())
}

/// Whether points of a member are held for some time yet.
pub async fn has_open_holds(
    executor: impl PgExecutor<'_>,
    (cell, member): (Cell, MemberId),
    now: Timestamp,
) -> Result<bool, StoreError> {
    let held = sqlx::query_scalar!(
        r#"SELECT EXISTS (SELECT FROM holds WHERE cell = $1 AND member_id = $2 AND open
                                              AND expires_at > $3) AS "held!""#,
        cell.0,
        member.0,
        now.to_sqlx() as _
    );
    Ok(held.fetch_one(executor).await?)
}

/// Ends the life of a member's lots, so that whatever they hold, or ever get back, expires. The head
/// of its cell must be locked.
pub async fn end_lots(
    connection: &mut PgConnection,
    (cell, member): (Cell, MemberId),
    now: Timestamp,
) -> Result<(), StoreError> {
    let ended = sqlx::query!(
        "UPDATE lots SET expires_at = $3 WHERE cell = $1 AND member_id = $2 AND expires_at > $3",
        cell.0,
        member.0,
        now.to_sqlx() as _
    );
    ended.execute(&mut *connection).await?;
    let due = sqlx::query!(
        "UPDATE wallets SET next_due_at = LEAST(next_due_at, $3)
         WHERE cell = $1 AND member_id = $2 AND next_due_at IS NOT NULL",
        cell.0,
        member.0,
        now.to_sqlx() as _
    );
    due.execute(connection).await?;
    Ok(())
}

/// Nobody is erased from now on until the transaction ends: whoever keeps words about members looks
/// afterwards whether they are erased, and whoever erases one finds all that was kept.
pub async fn nobody_meanwhile(executor: impl PgExecutor<'_>) -> Result<(), StoreError> {
    let lock = sqlx::query!("SELECT pg_advisory_xact_lock_shared(hashtext('entente.erasing'))");
    lock.execute(executor).await?;
    Ok(())
}

/// Removes what is personal of members, and says how many links there were. The head of the cell that
/// their links are in must be locked.
pub async fn erase(
    connection: &mut PgConnection,
    members: &[(Cell, MemberId)],
    now: Timestamp,
    proposal: RequestId,
) -> Result<u64, StoreError> {
    let (cells, ids): (Vec<i16>, Vec<Uuid>) =
        members.iter().map(|(cell, member)| (cell.0, member.0)).unzip();
    let alone = sqlx::query!("SELECT pg_advisory_xact_lock(hashtext('entente.erasing'))");
    alone.execute(&mut *connection).await?;
    let removed = remove_links(connection, &ids, now).await?;
    let consents = sqlx::query!(
        "DELETE FROM consents WHERE member_id = ANY ($1) OR sealed_for = ANY ($1)",
        &ids
    );
    consents.execute(&mut *connection).await?;
    let keys = sqlx::query!(
        "DELETE FROM member_keys USING UNNEST($1::smallint[], $2::uuid[]) AS m (cell, member_id)
         WHERE member_keys.cell = m.cell AND member_keys.member_id = m.member_id",
        &cells,
        &ids
    );
    keys.execute(&mut *connection).await?;
    let said = sqlx::query!(
        "UPDATE proposals SET sealed = NULL, sealed_decision = NULL WHERE member_id = ANY ($1)",
        &ids
    );
    said.execute(&mut *connection).await?;
    disputes::forget(&mut *connection, &ids).await?;
    let noted = sqlx::query!(
        "INSERT INTO erasures (cell, member_id, erased_at, request_id)
         SELECT cell, member_id, $3, $4 FROM UNNEST($1::smallint[], $2::uuid[]) AS m (cell, member_id)
         ON CONFLICT DO NOTHING",
        &cells,
        &ids,
        now.to_sqlx() as _,
        proposal.0
    );
    noted.execute(connection).await?;
    Ok(removed)
}

/// Their tokens are remembered, as of all links that were removed; their references are not, nor by
/// codes, nor by how often codes were tried.
async fn remove_links(
    connection: &mut PgConnection,
    ids: &[Uuid],
    now: Timestamp,
) -> Result<u64, StoreError> {
    let removed = sqlx::query!(
        "WITH removed AS (
             DELETE FROM links WHERE member_id = ANY ($1)
             RETURNING partner_id, member_id, link_token, lookup,
                       GREATEST(linked_at, moved_at) AS linked_at
         ), tries AS (
             DELETE FROM link_tries USING removed
             WHERE link_tries.partner_id = removed.partner_id AND link_tries.reference = removed.lookup
         ), codes AS (
             DELETE FROM link_codes
             WHERE member_id = ANY ($1) OR sealed_for = ANY ($1)
                   OR (target, lookup) IN (SELECT partner_id, lookup FROM removed)
         )
         INSERT INTO former_links (partner_id, member_id, link_token, linked_at, unlinked_at)
         SELECT partner_id, member_id, link_token, linked_at, GREATEST($2, linked_at) FROM removed
         ON CONFLICT DO NOTHING",
        ids,
        now.to_sqlx() as _
    );
    Ok(removed.execute(connection).await?.rows_affected())
}

/// Whether a member was erased.
pub async fn is_erased(
    executor: impl PgExecutor<'_>,
    member: MemberId,
) -> Result<bool, StoreError> {
    let erased = sqlx::query_scalar!(
        r#"SELECT EXISTS (SELECT FROM erasures WHERE member_id = $1) AS "erased!""#,
        member.0
    );
    Ok(erased.fetch_one(executor).await?)
}

/// The journal, oldest first: at most `limit` lines after the one of `after`.
pub async fn journal(
    executor: impl PgExecutor<'_>,
    after: Option<Erasure>,
    limit: u16,
) -> Result<Vec<Erasure>, StoreError> {
    let rows = sqlx::query!(
        r#"SELECT cell, member_id, erased_at AS "erased_at: jiff_sqlx::Timestamp", request_id
           FROM erasures
           WHERE $1::timestamptz IS NULL OR (erased_at, member_id) > ($1, $2::uuid)
           ORDER BY erased_at, member_id LIMIT $3"#,
        after.map(|after| after.erased_at.to_sqlx()) as _,
        after.map(|after| after.member.0),
        i64::from(limit)
    );
    let erasures = rows.fetch_all(executor).await?.into_iter().map(|row| Erasure {
        member: MemberId(row.member_id),
        cell: Cell(row.cell),
        erased_at: row.erased_at.to_jiff(),
        proposal: RequestId(row.request_id),
    });
    Ok(erasures.collect())
}
