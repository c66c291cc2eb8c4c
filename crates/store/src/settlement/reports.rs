//! Reports: sums over the ledger, or over one closed window of it. What is tested is left out.
//!
//! They read as much as there is, so each is one statement, bounded in time, on connections whose plans
//! follow the statistics.

use entente_ledger::{Currency, Funding, Micros, PartnerId, Points};
use jiff_sqlx::ToSqlx;
use sqlx::{PgPool, PgTransaction};

use super::ListedWindow;
use crate::{StoreError, codes};

/// What was debited and credited on one account, all wallets being one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccountBalance {
    /// Its word.
    pub account: &'static str,
    /// Whose it is; the hub for its own and for wallets.
    pub partner: PartnerId,
    /// Of money; `None` for points.
    pub currency: Option<Currency>,
    /// In points or micros.
    pub debits: i64,
    /// In points or micros.
    pub credits: i64,
}

/// Points of one issuer that expire in one month.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outstanding {
    /// Who issued them.
    pub issuer: PartnerId,
    /// The UTC month, `2026-03`.
    pub month: String,
    /// Who pays when they are redeemed.
    pub funding: Funding,
    /// The issuer's currency.
    pub currency: Currency,
    /// How many.
    pub points: Points,
    /// How many of them are held.
    pub held: Points,
    /// At the reimbursement of the terms that they were issued by.
    pub liability: Micros,
}

/// The pool of one currency.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PoolBalance {
    /// Which.
    pub currency: Currency,
    /// What it took less what it gave.
    pub balance: Micros,
    /// The points that it stands for.
    pub points: Points,
    /// What redeeming them would cost.
    pub liability: Micros,
    /// What was sold for other currencies less what was bought: what is open on `fx`.
    pub fx: Micros,
    /// What conversions gained by their reference rates less what they lost.
    pub fx_difference: Micros,
}

/// What became of one issuer's points.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Breakage {
    /// Who issued them.
    pub issuer: PartnerId,
    /// Issued.
    pub issued: Points,
    /// Taken back.
    pub cancelled: Points,
    /// Taken back, and there again.
    pub reinstated: Points,
    /// Burned.
    pub redeemed: Points,
    /// Burned, and given back.
    pub refunded: Points,
    /// What repaid debts.
    pub repaid: Points,
    /// Expired.
    pub expired: Points,
    /// Given to charities, less what came back.
    pub donated: Points,
    /// What wallets gained by all of it.
    pub outstanding: Points,
}

/// The hub's fees from one payer in one currency.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fees {
    /// Who pays; the hub for the pool.
    pub payer: PartnerId,
    /// In which currency.
    pub currency: Currency,
    /// Charged.
    pub charged: Micros,
    /// Given back.
    pub refunded: Micros,
}

/// Debits and credits of each account.
pub async fn trial_balance(
    pool: &PgPool,
    window: Option<&ListedWindow>,
) -> Result<Vec<AccountBalance>, StoreError> {
    let mut snapshot = begin(pool).await?;
    let rows = sqlx::query!(
        r#"SELECT a.kind AS "kind!", a.partner AS "partner!", a.unit AS "unit!",
                  sum(a.debits)::bigint AS "debits!", sum(a.credits)::bigint AS "credits!"
           FROM (
               SELECT debit_kind AS kind, debit_partner AS partner,
                      CASE WHEN in_points THEN '' ELSE currency END AS unit,
                      sum(amount) AS debits, 0 AS credits
               FROM transfers
               WHERE window_id > 0 AND ($1::integer IS NULL OR window_id = $1)
                 AND posted_at BETWEEN coalesce($2::timestamptz, '-infinity')
                             AND coalesce($3::timestamptz, 'infinity')
               GROUP BY 1, 2, 3
               UNION ALL
               SELECT credit_kind, credit_partner,
                      CASE WHEN in_points THEN '' ELSE currency END, 0, sum(amount)
               FROM transfers
               WHERE window_id > 0 AND ($1::integer IS NULL OR window_id = $1)
                 AND posted_at BETWEEN coalesce($2::timestamptz, '-infinity')
                             AND coalesce($3::timestamptz, 'infinity')
               GROUP BY 1, 2, 3
               UNION ALL
               SELECT s.kind, s.partner, CASE WHEN c.in_points THEN '' ELSE c.currency END,
                      CASE WHEN s.debit THEN c.amount ELSE 0 END,
                      CASE WHEN s.debit THEN 0 ELSE c.amount END
               FROM carried c
               CROSS JOIN LATERAL (VALUES (true, c.debit_kind, c.debit_partner),
                                          (false, c.credit_kind, c.credit_partner))
                   s (debit, kind, partner)
               WHERE c.window_id > 0 AND ($1::integer IS NULL OR c.window_id = $1)
           ) a
           GROUP BY a.unit, a.kind, a.partner ORDER BY a.unit, a.kind, a.partner"#,
        window.map(|window| window.id.0),
        opened_at(window) as _,
        closed_at(window) as _
    );
    let rows = rows.fetch_all(&mut *snapshot).await?;
    snapshot.rollback().await?;
    rows.into_iter()
        .map(|row| {
            let money = !row.unit.is_empty();
            Ok(AccountBalance {
                account: codes::account_word(row.kind)?,
                partner: PartnerId(row.partner),
                currency: money.then(|| currency(&row.unit, "transfers")).transpose()?,
                debits: row.debits,
                credits: row.credits,
            })
        })
        .collect()
}

/// What members hold, of one issuer or of all.
pub async fn outstanding(
    pool: &PgPool,
    issuer: Option<PartnerId>,
) -> Result<Vec<Outstanding>, StoreError> {
    let mut snapshot = begin(pool).await?;
    let rows = sqlx::query!(
        r#"SELECT l.issuer, to_char(l.expires_at AT TIME ZONE 'UTC', 'YYYY-MM') AS "month!",
                  l.funding, l.currency, sum(l.remaining)::bigint AS "points!",
                  sum(l.held)::bigint AS "held!",
                  sum(l.remaining::numeric * t.reimbursement_micros)::bigint AS "liability!"
           FROM lots l
           JOIN terms t ON t.partner_id = l.issuer AND t.version = l.terms_version
           JOIN partners p ON p.partner_id = l.issuer
           WHERE l.open AND (NOT p.testing OR l.issuer = $1)
             AND ($1::integer IS NULL OR l.issuer = $1)
           GROUP BY 1, 2, 3, 4 ORDER BY 1, 2, 3, 4"#,
        issuer.map(|issuer| issuer.0)
    );
    let rows = rows.fetch_all(&mut *snapshot).await?;
    snapshot.rollback().await?;
    rows.into_iter()
        .map(|row| {
            Ok(Outstanding {
                issuer: PartnerId(row.issuer),
                month: row.month,
                funding: codes::funding(row.funding)?,
                currency: currency(&row.currency, "lots")?,
                points: Points(row.points),
                held: Points(row.held),
                liability: Micros(row.liability),
            })
        })
        .collect()
}

/// What the pool holds, and what it stands for.
pub async fn pools(pool: &PgPool) -> Result<Vec<PoolBalance>, StoreError> {
    let mut snapshot = begin(pool).await?;
    let rows = sqlx::query!(
        r#"SELECT coalesce(b.currency, o.currency) AS "currency!",
                  coalesce(b.balance, 0)::bigint AS "balance!",
                  coalesce(o.points, 0)::bigint AS "points!",
                  coalesce(o.liability, 0)::bigint AS "liability!",
                  coalesce(b.fx, 0)::bigint AS "fx!",
                  coalesce(b.difference, 0)::bigint AS "difference!"
           FROM (
               SELECT currency, sum(CASE WHEN credit_kind = 8 THEN amount ELSE 0 END)
                                - sum(CASE WHEN debit_kind = 8 THEN amount ELSE 0 END) AS balance,
                      sum(CASE WHEN credit_kind = 12 THEN amount WHEN debit_kind = 12 THEN -amount
                               ELSE 0 END) AS fx,
                      sum(CASE kind WHEN 19 THEN amount WHEN 18 THEN -amount ELSE 0 END)
                          AS difference
               FROM all_transfers
               WHERE window_id > 0 AND (credit_kind = 8 OR debit_kind = 8)
               GROUP BY currency
           ) b
           FULL JOIN (
               SELECT l.currency, sum(l.remaining) AS points,
                      sum(l.remaining::numeric * t.reimbursement_micros) AS liability
               FROM lots l
               JOIN terms t ON t.partner_id = l.issuer AND t.version = l.terms_version
               JOIN partners p ON p.partner_id = l.issuer AND NOT p.testing
               WHERE l.open AND l.funding = 1
               GROUP BY l.currency
           ) o ON o.currency = b.currency
           ORDER BY 1"#
    );
    let rows = rows.fetch_all(&mut *snapshot).await?;
    snapshot.rollback().await?;
    rows.into_iter()
        .map(|row| {
            Ok(PoolBalance {
                currency: currency(&row.currency, "transfers")?,
                balance: Micros(row.balance),
                points: Points(row.points),
                liability: Micros(row.liability),
                fx: Micros(row.fx),
                fx_difference: Micros(row.difference),
            })
        })
        .collect()
}

/// What became of the points of one issuer, or of each.
pub async fn breakage(
    pool: &PgPool,
    window: Option<&ListedWindow>,
    issuer: Option<PartnerId>,
) -> Result<Vec<Breakage>, StoreError> {
    let mut snapshot = begin(pool).await?;
    // Each sum is of what entered or left wallets, so that they add up to what wallets gained.
    let rows = sqlx::query!(
        r#"SELECT t.issuer AS "issuer!",
                  sum(t.amount * (t.credit_kind = 1 AND t.kind = 1)::int)::bigint AS "issued!",
                  sum(t.amount * (t.debit_kind = 1 AND t.kind = 2)::int)::bigint AS "cancelled!",
                  sum(t.amount * (t.credit_kind = 1 AND t.kind = 10)::int)::bigint AS "reinstated!",
                  sum(t.amount * (t.debit_kind = 1 AND t.kind = 3 AND t.credit_kind <> 5)::int)::bigint
                      AS "redeemed!",
                  sum(t.amount * (t.credit_kind = 1 AND t.kind = 4 AND t.debit_kind <> 5)::int)::bigint
                      AS "refunded!",
                  sum(t.amount * (t.debit_kind = 1 AND t.kind = 7)::int)::bigint AS "repaid!",
                  sum(t.amount * (t.debit_kind = 1 AND t.kind = 8)::int)::bigint AS "expired!",
                  sum(t.amount * ((t.debit_kind = 1 AND t.credit_kind = 5)::int
                                  - (t.credit_kind = 1 AND t.debit_kind = 5)::int))::bigint AS "donated!",
                  sum(t.amount * ((t.credit_kind = 1)::int - (t.debit_kind = 1)::int))::bigint
                      AS "outstanding!"
           FROM (
               SELECT window_id, kind, debit_kind, credit_kind, issuer, amount FROM transfers
               WHERE in_points AND posted_at BETWEEN coalesce($3::timestamptz, '-infinity')
                                             AND coalesce($4::timestamptz, 'infinity')
               UNION ALL
               SELECT window_id, kind, debit_kind, credit_kind, issuer, amount FROM carried
               WHERE in_points
           ) t
           WHERE ($1::integer IS NULL OR t.window_id = $1)
             AND (t.window_id > 0 OR t.issuer = $2) AND ($2::integer IS NULL OR t.issuer = $2)
           GROUP BY t.issuer ORDER BY t.issuer"#,
        window.map(|window| window.id.0),
        issuer.map(|issuer| issuer.0),
        opened_at(window) as _,
        closed_at(window) as _
    );
    let rows = rows.fetch_all(&mut *snapshot).await?;
    snapshot.rollback().await?;
    let rows = rows.into_iter().map(|row| Breakage {
        issuer: PartnerId(row.issuer),
        issued: Points(row.issued),
        cancelled: Points(row.cancelled),
        reinstated: Points(row.reinstated),
        redeemed: Points(row.redeemed),
        refunded: Points(row.refunded),
        repaid: Points(row.repaid),
        expired: Points(row.expired),
        donated: Points(row.donated),
        outstanding: Points(row.outstanding),
    });
    Ok(rows.collect())
}

/// The hub's fees, from positions: what they cost to read does not grow with operations.
pub async fn fees(
    pool: &PgPool,
    window: Option<&ListedWindow>,
    payer: Option<PartnerId>,
) -> Result<Vec<Fees>, StoreError> {
    let mut snapshot = begin(pool).await?;
    let rows = sqlx::query!(
        r#"SELECT f.payer AS "payer!", f.currency, sum(f.charged)::bigint AS "charged!",
                  sum(f.refunded)::bigint AS "refunded!"
           FROM (
               SELECT CASE kind WHEN 5 THEN payer ELSE payee END AS payer, currency,
                      CASE kind WHEN 5 THEN micros ELSE 0 END AS charged,
                      CASE kind WHEN 6 THEN micros ELSE 0 END AS refunded
               FROM positions
               WHERE kind IN (5, 6) AND ($1::integer IS NULL OR window_id = $1)
                 AND (window_id > 0 OR payer = $2 OR payee = $2)
           ) f
           WHERE $2::integer IS NULL OR f.payer = $2
           GROUP BY f.payer, f.currency ORDER BY f.payer, f.currency"#,
        window.map(|window| window.id.0),
        payer.map(|payer| payer.0)
    );
    let rows = rows.fetch_all(&mut *snapshot).await?;
    snapshot.rollback().await?;
    rows.into_iter()
        .map(|row| {
            Ok(Fees {
                payer: PartnerId(row.payer),
                currency: currency(&row.currency, "positions")?,
                charged: Micros(row.charged),
                refunded: Micros(row.refunded),
            })
        })
        .collect()
}

/// Reads alone, and gives up in time, also when nobody waits for the answer any more.
async fn begin(pool: &PgPool) -> Result<PgTransaction<'_>, StoreError> {
    let mut snapshot = pool.begin_with("BEGIN READ ONLY").await?;
    sqlx::query!("SET LOCAL statement_timeout = '30s'").execute(&mut *snapshot).await?;
    Ok(snapshot)
}

fn opened_at(window: Option<&ListedWindow>) -> Option<jiff_sqlx::Timestamp> {
    window.map(|window| window.opened_at.to_sqlx())
}

fn closed_at(window: Option<&ListedWindow>) -> Option<jiff_sqlx::Timestamp> {
    window.and_then(|window| window.closed_at).map(ToSqlx::to_sqlx)
}

fn currency(code: &str, table: &'static str) -> Result<Currency, StoreError> {
    codes::currency(code, table, "currency")
}
