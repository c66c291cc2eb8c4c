//! What names members to a partner, as it was at a time. A window meets the same members again and again,
//! so what was learned of one is kept for its next operation.

use std::collections::{HashMap, HashSet};

use entente_ledger::PartnerId;
use jiff::Timestamp;
use sqlx::PgPool;
use uuid::Uuid;

use crate::StoreError;

/// Of how many members it is kept, some hundred bytes each; then all is forgotten.
const KEPT: usize = 100_000;

/// What named a member, and from when until when.
#[derive(Debug, Clone, Copy)]
pub(super) struct Name {
    /// The link's.
    pub(super) token: Uuid,
    /// The first 16 bytes of what the partner's reference is looked up by, as long as the link lasts.
    pub(super) lookup: Option<Uuid>,
    from: Timestamp,
    until: Option<Timestamp>,
}

/// What was learned of members, by member. One that the partner never knew has no names.
#[derive(Debug, Default)]
pub(super) struct Names(HashMap<Uuid, Box<[Name]>>);

impl Names {
    /// Learns of those members of which nothing is known yet.
    pub(super) async fn learn(
        &mut self,
        pool: &PgPool,
        partner: PartnerId,
        members: impl Iterator<Item = Uuid> + Clone,
    ) -> Result<(), StoreError> {
        let is_unknown = |member: &Uuid| !self.0.contains_key(member);
        let mut unknown: HashSet<Uuid> = members.clone().filter(is_unknown).collect();
        if unknown.is_empty() {
            return Ok(());
        }
        if self.0.len() + unknown.len() > KEPT {
            self.0.clear();
            unknown = members.collect();
        }
        let unknown: Vec<Uuid> = unknown.into_iter().collect();
        let mut found = names(pool, partner, &unknown).await?;
        for member in unknown {
            let names = found.remove(&member).unwrap_or_default();
            self.0.insert(member, names.into());
        }
        Ok(())
    }

    /// What named a member at a time.
    pub(super) fn at(&self, member: Uuid, at: Timestamp) -> Option<Name> {
        let named = |name: &&Name| name.from <= at && name.until.is_none_or(|until| at < until);
        self.0.get(&member)?.iter().find(named).copied()
    }
}

/// The names of members: first the link that each has, then the links that it had, then that of the member
/// into which it was merged. Found by member, one by one: of a table that is all but empty, a partner's whole
/// share seems as cheap to read.
async fn names(
    pool: &PgPool,
    partner: PartnerId,
    members: &[Uuid],
) -> Result<HashMap<Uuid, Vec<Name>>, StoreError> {
    let mut rows = sqlx::query!(
        r#"SELECT n.member_id AS "member_id!", n.link_token AS "link_token!",
                  substring(n.lookup FOR 16) AS lookup,
                  GREATEST(n.linked_at, n.moved_at) AS "from!: jiff_sqlx::Timestamp",
                  NULL::timestamptz AS "until: jiff_sqlx::Timestamp", 1 AS "rank!"
           FROM UNNEST($1::uuid[]) AS k (member_id)
           CROSS JOIN LATERAL (
               SELECT * FROM links WHERE member_id = k.member_id AND partner_id = $2 LIMIT 1
           ) n
           UNION ALL
           SELECT f.member_id, f.link_token, NULL, f.linked_at, f.unlinked_at, 2
           FROM UNNEST($1::uuid[]) AS k (member_id) JOIN former_links f USING (member_id)
           WHERE f.partner_id + 0 = $2
           UNION ALL
           SELECT c.came_from, c.link_token, substring(c.lookup FOR 16), c.linked_at, NULL, 3
           FROM UNNEST($1::uuid[]) AS k (member_id) JOIN links c ON c.came_from = k.member_id
           WHERE c.partner_id + 0 = $2"#,
        members,
        partner.0
    )
    .fetch_all(pool)
    .await?;
    rows.sort_by_key(|row| row.rank);
    let mut names: HashMap<Uuid, Vec<Name>> = HashMap::with_capacity(members.len());
    for row in rows {
        let (from, until) = (row.from.to_jiff(), row.until.map(jiff_sqlx::Timestamp::to_jiff));
        let lookup = row.lookup.map(|lookup| Uuid::from_slice(&lookup)).transpose();
        let lookup =
            lookup.map_err(|_| StoreError::inconsistent("links", "lookup", row.link_token))?;
        let name = Name { token: row.link_token, lookup, from, until };
        names.entry(row.member_id).or_default().push(name);
    }
    Ok(names)
}
