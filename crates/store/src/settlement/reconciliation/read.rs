//! Reading what was found.

use std::collections::BTreeMap;

use entente_ledger::{Micros, PartnerId, Points, WindowId};
use entente_settlement::{
    Money,
    reconcile::{ControlTotals, Unreadable},
};
use sqlx::{PgConnection, PgExecutor};
use uuid::Uuid;

use super::{BreakId, BreakTotal, Found, Kept, KeptBreak, money};
use crate::{StoreError, codes};

/// Whether a reconciliation of this id is kept.
pub async fn is_kept(executor: impl PgExecutor<'_>, id: Uuid) -> Result<bool, StoreError> {
    let kept = sqlx::query_scalar!(
        r#"SELECT EXISTS (SELECT FROM reconciliations WHERE reconciliation_id = $1) AS "kept!""#,
        id
    );
    Ok(kept.fetch_one(executor).await?)
}

/// The reconciliation of an id.
pub async fn find(connection: &mut PgConnection, id: Uuid) -> Result<Option<Kept>, StoreError> {
    let row = sqlx::query!(
        r#"SELECT r.partner_id, r.window_id, r.file_sha256, r.file_name, r.reading, r.made_by,
                  r.made_at AS "made_at: jiff_sqlx::Timestamp", r.with_money, r.hub_count,
                  r.hub_points, r.file_count, r.file_points, r.unreadable_count, r.stated_count,
                  r.stated_points, r.break_count, r.supersedes, w.name AS "window_name?",
                  (SELECT count(*) FROM breaks b
                   WHERE b.reconciliation_id = r.reconciliation_id
                     AND b.continues_report IS NOT NULL) AS "carried_count!",
                  EXISTS (SELECT FROM reconciliations n
                          WHERE n.partner_id = r.partner_id AND n.window_id = r.window_id
                            AND (n.made_at, n.entry) > (r.made_at, r.entry))
                      AS "superseded!"
           FROM reconciliations r JOIN windows w ON w.window_id = r.window_id
           WHERE r.reconciliation_id = $1"#,
        id
    );
    let Some(row) = row.fetch_optional(&mut *connection).await? else { return Ok(None) };
    let totals = |count: i64, points: i64| ControlTotals {
        count: count.unsigned_abs(),
        points: Points(points),
        ..ControlTotals::default()
    };
    let stated = row.stated_count.zip(row.stated_points);
    let mut found = Found {
        id,
        partner: PartnerId(row.partner_id),
        window: WindowId(row.window_id),
        file_sha256: row.file_sha256,
        file_name: row.file_name,
        reading: row.reading,
        made_by: row.made_by,
        with_money: row.with_money,
        hub: totals(row.hub_count, row.hub_points),
        file: totals(row.file_count, row.file_points),
        stated: stated.map(|(count, points)| totals(count, points)),
        unreadable: unreadable(&mut *connection, id).await?,
    };
    found.file.unreadable = row.unreadable_count.unsigned_abs();
    control_money(connection, &mut found).await?;
    Ok(Some(Kept {
        found,
        window_name: row.window_name.unwrap_or_default(),
        made_at: row.made_at.to_jiff(),
        break_count: row.break_count,
        carried_count: row.carried_count,
        supersedes: row.supersedes,
        superseded: row.superseded,
    }))
}

async fn control_money(connection: &mut PgConnection, found: &mut Found) -> Result<(), StoreError> {
    let rows = sqlx::query!(
        "SELECT currency, hub_micros, file_micros, stated_micros FROM reconciliation_money
         WHERE reconciliation_id = $1 ORDER BY currency",
        found.id
    );
    for row in rows.fetch_all(connection).await? {
        let currency = codes::currency(&row.currency, "reconciliation_money", "currency")?;
        let add = |side: &mut ControlTotals, micros: i64| {
            if micros != 0 {
                side.money.insert(currency, Micros(micros));
            }
        };
        add(&mut found.hub, row.hub_micros);
        add(&mut found.file, row.file_micros);
        if let (Some(stated), Some(micros)) = (&mut found.stated, row.stated_micros) {
            add(stated, micros);
        }
    }
    Ok(())
}

async fn unreadable(
    executor: impl PgExecutor<'_>,
    id: Uuid,
) -> Result<Vec<Unreadable>, StoreError> {
    let rows = sqlx::query!(
        "SELECT line_row, reason FROM reconciliation_rows WHERE reconciliation_id = $1
         ORDER BY line_row",
        id
    );
    let rows = rows.fetch_all(executor).await?;
    let row = |row: i64| u32::try_from(row).unwrap_or(u32::MAX);
    let rows = rows.into_iter().map(|r| Unreadable { row: row(r.line_row), reason: r.reason });
    Ok(rows.collect())
}

/// A break as its row has it.
pub(super) struct BreakRow {
    pub(super) reconciliation_id: Uuid,
    pub(super) number: i32,
    pub(super) kind: i16,
    pub(super) points: i64,
    pub(super) currency: Option<String>,
    pub(super) micros: Option<i64>,
    pub(super) other_currency: Option<String>,
    pub(super) other_micros: Option<i64>,
    pub(super) since: jiff_sqlx::Timestamp,
    pub(super) sides: Vec<u8>,
    pub(super) state: i16,
    pub(super) owner: Option<String>,
    pub(super) changed_at: Option<jiff_sqlx::Timestamp>,
    pub(super) continues_report: Option<Uuid>,
    pub(super) continues_number: Option<i32>,
}

/// Breaks of a reconciliation after a number, in order, at most `limit`.
pub async fn breaks(
    executor: impl PgExecutor<'_>,
    id: Uuid,
    after: i32,
    limit: u16,
) -> Result<Vec<KeptBreak>, StoreError> {
    let rows = sqlx::query_as!(
        BreakRow,
        r#"SELECT reconciliation_id, number, kind, points, currency, micros, other_currency,
                  other_micros, since AS "since: jiff_sqlx::Timestamp", sides, state, owner,
                  changed_at AS "changed_at: jiff_sqlx::Timestamp", continues_report,
                  continues_number
           FROM breaks WHERE reconciliation_id = $1 AND number > $2 ORDER BY number LIMIT $3"#,
        id,
        after,
        i64::from(limit)
    );
    let rows = rows.fetch_all(executor).await?;
    rows.into_iter().map(KeptBreak::try_from).collect()
}

impl TryFrom<BreakRow> for KeptBreak {
    type Error = StoreError;

    fn try_from(row: BreakRow) -> Result<Self, StoreError> {
        let first = money((row.currency, row.micros), "currency")?;
        let other = money((row.other_currency, row.other_micros), "other_currency")?;
        let continues = row.continues_report.zip(row.continues_number);
        Ok(Self {
            reconciliation: row.reconciliation_id,
            number: row.number,
            kind: codes::break_kind(row.kind)?,
            points: Points(row.points),
            money: first.into_iter().chain(other).collect(),
            since: row.since.to_jiff(),
            sides: row.sides,
            state: codes::break_state(row.state)?,
            owner: row.owner,
            changed_at: row.changed_at.map(jiff_sqlx::Timestamp::to_jiff),
            continues: continues.map(|(reconciliation, number)| BreakId { reconciliation, number }),
        })
    }
}

/// What the breaks of a reconciliation come to, by kind, state and owner.
pub async fn totals(
    connection: &mut PgConnection,
    id: Uuid,
) -> Result<Vec<BreakTotal>, StoreError> {
    let rows = sqlx::query!(
        r#"SELECT kind, state, owner, count(*) AS "count!", sum(points)::bigint AS "points!",
                  min(since) AS "oldest!: jiff_sqlx::Timestamp"
           FROM breaks WHERE reconciliation_id = $1
           GROUP BY kind, state, owner ORDER BY kind, state, owner NULLS FIRST"#,
        id
    );
    let rows = rows.fetch_all(&mut *connection).await?;
    let mut money = money_totals(connection, id).await?;
    let total = rows.into_iter().map(|row| {
        let key = (row.kind, row.state, row.owner);
        Ok(BreakTotal {
            kind: codes::break_kind(row.kind)?,
            state: codes::break_state(row.state)?,
            count: row.count,
            points: Points(row.points),
            money: money.remove(&key).unwrap_or_default(),
            oldest_since: row.oldest.to_jiff(),
            owner: key.2,
        })
    });
    total.collect()
}

type Key = (i16, i16, Option<String>);

async fn money_totals(
    connection: &mut PgConnection,
    id: Uuid,
) -> Result<BTreeMap<Key, Vec<Money>>, StoreError> {
    let rows = sqlx::query!(
        r#"SELECT b.kind, b.state, b.owner, m.currency AS "currency!",
                  sum(m.micros)::bigint AS "micros!"
           FROM breaks b
           CROSS JOIN LATERAL (VALUES (b.currency, b.micros), (b.other_currency, b.other_micros))
               m (currency, micros)
           WHERE b.reconciliation_id = $1 AND m.currency IS NOT NULL
           GROUP BY b.kind, b.state, b.owner, m.currency
           HAVING sum(m.micros) <> 0
           ORDER BY b.kind, b.state, b.owner, m.currency"#,
        id
    );
    let mut sums: BTreeMap<Key, Vec<Money>> = BTreeMap::new();
    for row in rows.fetch_all(connection).await? {
        let currency = codes::currency(&row.currency, "breaks", "currency")?;
        let money = Money { currency, micros: Micros(row.micros) };
        sums.entry((row.kind, row.state, row.owner)).or_default().push(money);
    }
    Ok(sums)
}
