//! Webhooks: where partners are told of their events, how far each has been read, and the
//! deliveries that are still to be made.
//!
//! Two clocks: what is due, and for how long it has been tried, is by the ledger's; a lease, which is
//! between processes, is by the database's.

mod attempts;
mod deliveries;

use entente_ledger::PartnerId;
use jiff::Timestamp;
use jiff_sqlx::ToSqlx;
use sqlx::{PgConnection, PgExecutor};
use uuid::Uuid;

pub use attempts::{Claim, Claimed, Failed, Lease, claim, delivered, failed, release};
pub use deliveries::{
    AfterDelivery, Delivery, DeliveryState, NewDelivery, list_deliveries, pending, prune, read_on,
    replay, replay_dead,
};

use crate::StoreError;

/// A webhook of a partner.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Webhook {
    /// Its id.
    pub webhook_id: Uuid,
    /// Whose events it is told of.
    pub partner: PartnerId,
    /// Where it is told.
    pub url: String,
    /// The kinds of events, by their numbers in the contract; none for all.
    pub kinds: Vec<i32>,
    /// Since when there is one.
    pub created_at: Timestamp,
}

/// A webhook as its partner sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedWebhook {
    /// The webhook.
    pub webhook: Webhook,
    /// How many deliveries are still to be made.
    pub pending: i64,
    /// How many have been given up.
    pub dead: i64,
}

/// A webhook as those who deliver see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StandingWebhook {
    /// The webhook.
    pub webhook: Webhook,
    /// Up to where events have become deliveries, encoded.
    pub cursor: Vec<u8>,
    /// Whether a delivery is due that nobody is at.
    pub due: bool,
}

/// How many webhooks a partner has. Two that register at once wait for one another.
pub async fn count(connection: &mut PgConnection, partner: PartnerId) -> Result<i64, StoreError> {
    sqlx::query!(
        "SELECT partner_id FROM partners WHERE partner_id = $1 FOR NO KEY UPDATE",
        partner.0
    )
    .fetch_one(&mut *connection)
    .await?;
    let count = sqlx::query_scalar!(
        r#"SELECT count(*) AS "count!" FROM webhooks WHERE partner_id = $1"#,
        partner.0
    );
    Ok(count.fetch_one(connection).await?)
}

/// Writes a new webhook, which is told of what comes behind a cursor.
pub async fn insert(
    executor: impl PgExecutor<'_>,
    webhook: &Webhook,
    cursor: &[u8],
) -> Result<(), StoreError> {
    sqlx::query!(
        "INSERT INTO webhooks (webhook_id, partner_id, url, kinds, created_at, cursor)
         VALUES ($1, $2, $3, $4, $5, $6)",
        webhook.webhook_id,
        webhook.partner.0,
        webhook.url,
        &webhook.kinds,
        webhook.created_at.to_sqlx() as _,
        cursor
    )
    .execute(executor)
    .await?;
    Ok(())
}

/// Removes a partner's webhook with all its deliveries; `false` when the partner has none by this
/// id.
pub async fn delete(
    executor: impl PgExecutor<'_>,
    partner: PartnerId,
    webhook_id: Uuid,
) -> Result<bool, StoreError> {
    let deleted = sqlx::query!(
        "DELETE FROM webhooks WHERE webhook_id = $1 AND partner_id = $2",
        webhook_id,
        partner.0
    );
    Ok(deleted.execute(executor).await?.rows_affected() == 1)
}

/// The cursors of all webhooks.
pub async fn cursors(executor: impl PgExecutor<'_>) -> Result<Vec<(Uuid, Vec<u8>)>, StoreError> {
    let rows = sqlx::query!("SELECT webhook_id, cursor FROM webhooks ORDER BY webhook_id");
    let rows = rows.fetch_all(executor).await?.into_iter();
    Ok(rows.map(|row| (row.webhook_id, row.cursor)).collect())
}

/// Whether a partner has a webhook by this id.
pub async fn exists(
    executor: impl PgExecutor<'_>,
    partner: PartnerId,
    webhook_id: Uuid,
) -> Result<bool, StoreError> {
    let found = sqlx::query!(
        "SELECT webhook_id FROM webhooks WHERE webhook_id = $1 AND partner_id = $2",
        webhook_id,
        partner.0
    );
    Ok(found.fetch_optional(executor).await?.is_some())
}

/// A partner's webhooks, the oldest first.
pub async fn list(
    executor: impl PgExecutor<'_>,
    partner: PartnerId,
) -> Result<Vec<ListedWebhook>, StoreError> {
    let rows = sqlx::query!(
        r#"SELECT w.webhook_id, w.url, w.kinds, w.created_at AS "created_at: jiff_sqlx::Timestamp",
                  count(*) FILTER (WHERE d.state = 1) AS "pending!",
                  count(*) FILTER (WHERE d.state = 2) AS "dead!"
           FROM webhooks w LEFT JOIN deliveries d USING (webhook_id)
           WHERE w.partner_id = $1
           GROUP BY w.webhook_id
           ORDER BY w.created_at, w.webhook_id"#,
        partner.0
    );
    let rows = rows.fetch_all(executor).await?.into_iter().map(|row| ListedWebhook {
        webhook: Webhook {
            webhook_id: row.webhook_id,
            partner,
            url: row.url,
            kinds: row.kinds,
            created_at: row.created_at.to_jiff(),
        },
        pending: row.pending,
        dead: row.dead,
    });
    Ok(rows.collect())
}

/// All webhooks, and which of them have something to deliver.
pub async fn standing(executor: impl PgExecutor<'_>) -> Result<Vec<StandingWebhook>, StoreError> {
    let rows = sqlx::query!(
        r#"SELECT w.webhook_id, w.partner_id, w.url, w.kinds, w.cursor,
                  w.created_at AS "created_at: jiff_sqlx::Timestamp",
                  EXISTS (
                      SELECT FROM deliveries d
                      WHERE d.webhook_id = w.webhook_id AND d.state = 1
                        AND d.next_attempt_at <= COALESCE((SELECT now FROM clock), clock_timestamp())
                        AND (d.leased_until IS NULL OR d.leased_until < clock_timestamp())
                  ) AS "due!"
           FROM webhooks w ORDER BY w.webhook_id"#
    );
    let rows = rows.fetch_all(executor).await?.into_iter().map(|row| StandingWebhook {
        webhook: Webhook {
            webhook_id: row.webhook_id,
            partner: PartnerId(row.partner_id),
            url: row.url,
            kinds: row.kinds,
            created_at: row.created_at.to_jiff(),
        },
        cursor: row.cursor,
        due: row.due,
    });
    Ok(rows.collect())
}
