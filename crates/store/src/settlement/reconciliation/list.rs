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
               SELECT count(*) AS resolved FROM breaks b
               WHERE b.reconciliation_id = r.reconciliation_id AND b.state IN (4, 5, 6)
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

/// Where the breaks stand that a filter lets through.
fn states(filter: &BreakFilter) -> Vec<i16> {
    const ALL: [BreakState; 6] = [
        BreakState::Open,
        BreakState::Assigned,
        BreakState::Agreed,
        BreakState::Rejected,
        BreakState::Adjusted,
        BreakState::WrittenOff,
    ];
    let unresolved = |state: &BreakState| !filter.unresolved || !state.is_resolved();
    let asked = |state: &BreakState| filter.state.is_none_or(|asked| asked == *state);
    ALL.into_iter().filter(|s| unresolved(s) && asked(s)).map(codes::break_state_code).collect()
}

/// Breaks that a filter lets through, each with the place of its report, at most `limit`.
pub async fn list_breaks(
    executor: impl PgExecutor<'_>,
    filter: &BreakFilter,
    before: Option<BeforeBreak>,
    limit: i64,
) -> Result<Vec<(Place, ListedBreak)>, StoreError> {
    let place = before.map(|before| before.place);
    let rows = sqlx::query_as!(
        Row,
        r#"SELECT r.entry, r.made_at AS "made_at: jiff_sqlx::Timestamp", r.partner_id,
                  w.name AS "window_name?", r.reconciliation_id, b.number AS "number!",
                  b.kind AS "kind!", b.points AS "points!", b.currency, b.micros,
                  b.other_currency, b.other_micros, b.since AS "since!: jiff_sqlx::Timestamp",
                  b.sides AS "sides!", b.state AS "state!", b.owner,
                  b.changed_at AS "changed_at: jiff_sqlx::Timestamp", b.continues_report,
                  b.continues_number
           FROM reconciliations r
           JOIN windows w ON w.window_id = r.window_id
           CROSS JOIN LATERAL (
               -- By where they stand, or by who has them: either way by an index, in order of numbers.
               SELECT * FROM (
                   (SELECT f.* FROM UNNEST($5::smallint[]) s (state)
                    CROSS JOIN LATERAL (
                        SELECT * FROM breaks o
                        WHERE o.reconciliation_id = r.reconciliation_id AND o.state = s.state
                          AND o.number > CASE WHEN r.entry = $8 THEN $9::integer ELSE 0 END
                          AND ($4::smallint IS NULL OR o.kind = $4)
                        ORDER BY o.number LIMIT $10
                    ) f
                    WHERE $6::text IS NULL)
                   UNION ALL
                   (SELECT * FROM breaks o
                    WHERE o.reconciliation_id = r.reconciliation_id AND o.owner = $6
                      AND o.number > CASE WHEN r.entry = $8 THEN $9 ELSE 0 END
                      AND o.state = ANY($5)
                      AND ($4 IS NULL OR o.kind = $4)
                    ORDER BY o.number LIMIT $10)
               ) either
               ORDER BY either.number LIMIT $10
           ) b
           WHERE ($1::uuid IS NULL OR r.reconciliation_id = $1)
             AND ($2::integer IS NULL OR r.partner_id = $2)
             AND ($3::integer IS NULL OR r.window_id = $3)
             AND (r.made_at, r.entry)
                 <= (COALESCE($7::timestamptz, 'infinity'), COALESCE($8::bigint, 0))
             AND ($1 IS NOT NULL OR NOT EXISTS (
                 SELECT FROM reconciliations n
                 WHERE n.partner_id = r.partner_id AND n.window_id = r.window_id
                   AND (n.made_at, n.entry) > (r.made_at, r.entry)))
           ORDER BY r.made_at DESC, r.entry DESC, b.number LIMIT $10"#,
        filter.reconciliation,
        filter.partner.map(|partner| partner.0),
        filter.window.map(|window| window.0),
        filter.kind.map(codes::break_kind_code),
        &states(filter),
        filter.owner.as_deref(),
        place.map(|place| place.made_at.to_sqlx()) as _,
        place.map(|place| place.entry),
        before.map(|before| before.number),
        limit
    );
    let rows = rows.fetch_all(executor).await?;
    rows.into_iter().map(Row::listed).collect()
}

/// A break in a list.
struct Row {
    entry: i64,
    made_at: jiff_sqlx::Timestamp,
    partner_id: i32,
    window_name: Option<String>,
    reconciliation_id: Uuid,
    number: i32,
    kind: i16,
    points: i64,
    currency: Option<String>,
    micros: Option<i64>,
    other_currency: Option<String>,
    other_micros: Option<i64>,
    since: jiff_sqlx::Timestamp,
    sides: Vec<u8>,
    state: i16,
    owner: Option<String>,
    changed_at: Option<jiff_sqlx::Timestamp>,
    continues_report: Option<Uuid>,
    continues_number: Option<i32>,
}

impl Row {
    fn listed(self) -> Result<(Place, ListedBreak), StoreError> {
        let place = Place { made_at: self.made_at.to_jiff(), entry: self.entry };
        let (partner, window) = (PartnerId(self.partner_id), self.window_name.unwrap_or_default());
        let kept = BreakRow {
            reconciliation_id: self.reconciliation_id,
            number: self.number,
            kind: self.kind,
            points: self.points,
            currency: self.currency,
            micros: self.micros,
            other_currency: self.other_currency,
            other_micros: self.other_micros,
            since: self.since,
            sides: self.sides,
            state: self.state,
            owner: self.owner,
            changed_at: self.changed_at,
            continues_report: self.continues_report,
            continues_number: self.continues_number,
        };
        Ok((place, ListedBreak { kept: KeptBreak::try_from(kept)?, partner, window }))
    }
}
