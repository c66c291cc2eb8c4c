//! A member's data, for the member: every row that is kept of it, with what is sealed opened.

use std::collections::HashMap;

use entente_ledger::{Cell, MemberId};
use entente_store::{
    StoreError, erasing,
    exporting::{self, Record, Sealed},
};
use serde_json::{Value, json};
use sqlx::PgPool;

use super::{DataKey, Unreadable, Vault};

/// A page: records, each a JSON object, and whether there are more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// The records.
    pub records: Vec<String>,
    /// How many were passed by the end of it, if that is not all.
    pub next: Option<i64>,
}

/// A page of what is kept of a member and of whoever was merged into it, after so many records. Links
/// and consents come with the first.
pub(crate) async fn page(
    pool: &PgPool,
    vault: &Vault,
    member: (Cell, MemberId),
    passed: i64,
    size: u16,
) -> Result<Page, StoreError> {
    let members = erasing::whole(pool, member).await?;
    let mut records = Vec::new();
    if passed == 0 {
        let keys = keys(pool, vault, &members).await?;
        for sealed in exporting::sealed(pool, &members).await? {
            records.push(opened(&keys, &sealed)?.to_string());
        }
    }
    let mut rows = exporting::records(pool, &members, passed, size.saturating_add(1)).await?;
    let more = rows.len() > usize::from(size);
    rows.truncate(size.into());
    for row in &rows {
        records.push(told(row)?);
    }
    Ok(Page { records, next: more.then(|| passed.saturating_add(size.into())) })
}

async fn keys(
    pool: &PgPool,
    vault: &Vault,
    members: &[(Cell, MemberId)],
) -> Result<HashMap<MemberId, DataKey>, StoreError> {
    let wrapped = exporting::wrapped_keys(pool, members).await?;
    let keys = wrapped.into_iter().map(|(member, wrapped)| {
        let key = vault.unwrap(member, &wrapped);
        key.map(|key| (member, key)).map_err(|_| Unreadable::of("member_keys", member.0))
    });
    keys.collect()
}

fn opened(keys: &HashMap<MemberId, DataKey>, row: &Sealed) -> Result<Value, StoreError> {
    let of = (row.partner, row.sealed_for);
    let table = if row.consent_kind.is_some() { "consents" } else { "links" };
    let unreadable = |_| Unreadable::of(table, row.link_token);
    let key = keys.get(&row.sealed_for).ok_or(Unreadable).map_err(unreadable)?;
    let (partner, member_token) = (&row.partner_code, row.link_token.to_string());
    let at = row.at.to_string();
    Ok(match row.consent_kind {
        None => {
            let reference = key.reference(of, &row.sealed).map_err(unreadable)?;
            json!({
                "record": "link",
                "partner": partner,
                "member_reference": reference.as_str(),
                "member_token": member_token,
                "linked_at": at,
            })
        }
        Some(kind) => {
            let consent = key.consent(of, &row.sealed).map_err(unreadable)?;
            json!({
                "record": "consent",
                "partner": partner,
                "member_token": member_token,
                "to": match kind { 1 => "be linked", 2 => "a code redeemed", _ => "a code confirmed" },
                "given_at": consent.given_at.to_string(),
                "recorded_at": at,
                "wording_version": consent.wording_version,
                "assertion_sha256": hex::encode(consent.assertion_sha256),
            })
        }
    })
}

/// The row with what it is.
fn told(record: &Record) -> Result<String, StoreError> {
    let bad = |_| StoreError::inconsistent("records", "row", &record.what);
    let mut row: serde_json::Map<String, Value> = serde_json::from_str(&record.row).map_err(bad)?;
    row.insert("record".to_owned(), Value::from(record.what.clone()));
    Ok(Value::from(row).to_string())
}
