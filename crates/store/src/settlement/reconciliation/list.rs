//! Lists: reports, the latest first, and breaks, those of the latest report first.

use entente_ledger::{Micros, PartnerId, Points, WindowId};
use entente_settlement::{
    Money,
    reconcile::{BreakKind, BreakState},
};
use jiff::Timestamp;
use jiff_sqlx::ToSqlx;
use sqlx::PgExecutor;
use uuid::Uuid;

use super::{KeptBreak, ListedBreak, read::BreakRow};
use crate::{StoreError, codes};

/// A report in a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// What names it.
    pub id: Uuid,
    /// Where it is in the list.
    pub place: Place,
    /// Whose record it is.
    pub partner: PartnerId,
    /// The window's name.
    pub window: String,
    /// What people call the record.
    pub file_name: String,
    /// Who asked.
    pub made_by: String,
    /// The hub's points less the file's.
    pub points: Points,
    /// The hub's money less the file's, in each currency.
    pub money: Vec<Money>,
    /// How many breaks it has.
    pub break_count: i32,
    /// How many of them are open, assigned or agreed.
    pub unresolved_count: i64,
    /// Whether a later record of the window and the partner was reconciled.
    pub superseded: bool,
}

/// Where a report is in the list of all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// When it was made.
    pub made_at: Timestamp,
    /// Of two that were made at one time, the later has the greater.
    pub entry: i64,
}

/// Where a list of breaks goes on: after this number of the report at this place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BeforeBreak {
    /// The report.
    pub place: Place,
    /// The last break that was listed of it.
    pub number: i32,
}

/// Which breaks a list shows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BreakFilter {
    /// Those of one report; otherwise none of superseded ones.
    pub reconciliation: Option<Uuid>,
    /// Those of one partner.
    pub partner: Option<PartnerId>,
    /// Those of one window.
    pub window: Option<WindowId>,
    /// Those of one kind.
    pub kind: Option<BreakKind>,
    /// Those that stand here.
    pub state: Option<BreakState>,
    /// Those of one owner.
    pub owner: Option<String>,
    /// None that are rejected, adjusted or written off.
    pub unresolved: bool,
}

/// Reports of a partner and a window, or of all, the latest first, at most `limit`.
pub async fn list(
    executor: impl PgExecutor<'_>,
    (partner, window): (Option<PartnerId>, Option<WindowId>),
    before: Option<Place>,
    limit: i64,
) -> Result<Vec<Listed>, StoreError> {
    let rows = sqlx::query!(
        r#"SELECT r.reconciliation_id, r.entry, r.partner_id, w.name AS "window_name?",
                  r.file_name, r.made_by, r.made_at AS "made_at: jiff_sqlx::Timestamp",
                  r.hub_points - r.file_points AS "points!", r.break_count,
                  m.currencies AS "currencies!", m.micros AS "micros!",
                  r.break_count - s.resolved AS "unresolved!",
                  EXISTS (SELECT FROM reconciliations n
                          WHERE n.partner_id = r.partner_id AND n.window_id = r.window_id
                            AND (n.made_at, n.entry) > (r.made_at, r.entry))
                      AS "superseded!"
           FROM reconciliations r
           JOIN windows w ON w.window_id = r.window_id
           CROSS JOIN LATERAL (
               SELECT COALESCE(array_agg(currency ORDER BY currency), '{}') AS currencies,
                      COALESCE(array_agg(hub_micros - file_micros ORDER BY currency), '{}')
                          AS micros
               FROM reconciliation_money d
               WHERE d.reconciliation_id = r.reconciliation_id AND hub_micros <> file_micros
           ) m
           CROSS JOIN LATERAL (
               -- By the last step of each: few have one, however many breaks there are.
               SELECT count(*) FILTER (WHERE l.state IN (4, 5, 6)) AS resolved
               FROM (SELECT DISTINCT ON (t.number) t.state FROM break_steps t
                     WHERE t.reconciliation_id = r.reconciliation_id
                     ORDER BY t.number, t.step DESC) l
           ) s
           WHERE ($1::integer IS NULL OR r.partner_id = $1)
             AND ($2::integer IS NULL OR r.window_id = $2)
             AND ($3::timestamptz IS NULL OR (r.made_at, r.entry) < ($3, $4::bigint))
           ORDER BY r.made_at DESC, r.entry DESC LIMIT $5"#,
        partner.map(|partner| partner.0),
        window.map(|window| window.0),
        before.map(|before| before.made_at.to_sqlx()) as _,
        before.map(|before| before.entry),
        limit
    );
    let rows = rows.fetch_all(executor).await?;
    let listed = rows.into_iter().map(|row| {
        let money = row.currencies.iter().zip(&row.micros).map(|(currency, micros)| {
            let currency = codes::currency(currency, "reconciliation_money", "currency")?;
            Ok(Money { currency, micros: Micros(*micros) })
        });
        Ok(Listed {
            id: row.reconciliation_id,
            place: Place { made_at: row.made_at.to_jiff(), entry: row.entry },
            partner: PartnerId(row.partner_id),
            window: row.window_name.unwrap_or_default(),
            file_name: row.file_name,
            made_by: row.made_by,
            points: Points(row.points),
            money: money.collect::<Result<_, StoreError>>()?,
            break_count: row.break_count,
            unresolved_count: row.unresolved,
            superseded: row.superseded,
        })
    });
    listed.collect()
}

/// Breaks that a filter lets through, each with the place of its report, at most `limit`.
pub async fn list_breaks(
    executor: impl PgExecutor<'_>,
    filter: &BreakFilter,
    before: Option<BeforeBreak>,
    limit: i64,
) -> Result<Vec<(Place, ListedBreak)>, StoreError> {
    let place = before.map(|before| before.place);
    let rows = sqlx::query!(
        r#"SELECT r.entry, r.made_at AS "made_at: jiff_sqlx::Timestamp", r.partner_id,
                  w.name AS "window_name?", r.reconciliation_id, b.number AS "number!",
                  b.kind AS "kind!", b.points AS "points!", b.currency, b.micros,
                  b.other_currency, b.other_micros, b.since AS "since!: jiff_sqlx::Timestamp",
                  b.sides AS "sides!", b.state AS "state!", b.owner,
                  b.changed_at AS "changed_at: jiff_sqlx::Timestamp"
           FROM reconciliations r
           JOIN windows w ON w.window_id = r.window_id
           CROSS JOIN LATERAL (
               SELECT * FROM breaks f
               WHERE f.reconciliation_id = r.reconciliation_id
                 AND ($9::bigint IS NULL OR r.entry <> $9 OR f.number > $10::integer)
                 AND ($4::smallint IS NULL OR f.kind = $4)
                 AND ($5::smallint IS NULL OR f.state = $5)
                 AND ($6::text IS NULL OR f.owner = $6)
                 AND (NOT $7 OR f.state IN (1, 2, 3))
               ORDER BY f.number LIMIT $11
           ) b
           WHERE ($1::uuid IS NULL OR r.reconciliation_id = $1)
             AND ($2::integer IS NULL OR r.partner_id = $2)
             AND ($3::integer IS NULL OR r.window_id = $3)
             AND ($8::timestamptz IS NULL OR (r.made_at, r.entry) <= ($8, $9))
             AND ($1::uuid IS NOT NULL OR NOT EXISTS (
                 SELECT FROM reconciliations n
                 WHERE n.partner_id = r.partner_id AND n.window_id = r.window_id
                   AND (n.made_at, n.entry) > (r.made_at, r.entry)))
           ORDER BY r.made_at DESC, r.entry DESC, b.number LIMIT $11"#,
        filter.reconciliation,
        filter.partner.map(|partner| partner.0),
        filter.window.map(|window| window.0),
        filter.kind.map(codes::break_kind_code),
        filter.state.map(codes::break_state_code),
        filter.owner.as_deref(),
        filter.unresolved,
        place.map(|place| place.made_at.to_sqlx()) as _,
        place.map(|place| place.entry),
        before.map(|before| before.number),
        limit
    );
    let rows = rows.fetch_all(executor).await?;
    let listed = rows.into_iter().map(|row| {
        let place = Place { made_at: row.made_at.to_jiff(), entry: row.entry };
        let kept = BreakRow {
            reconciliation_id: row.reconciliation_id,
            number: row.number,
            kind: row.kind,
            points: row.points,
            currency: row.currency,
            micros: row.micros,
            other_currency: row.other_currency,
            other_micros: row.other_micros,
            since: row.since,
            sides: row.sides,
            state: row.state,
            owner: row.owner,
            changed_at: row.changed_at,
        };
        let (partner, window) = (PartnerId(row.partner_id), row.window_name.unwrap_or_default());
        Ok((place, ListedBreak { kept: KeptBreak::try_from(kept)?, partner, window }))
    });
    listed.collect()
}
