//! What partners read of their members: balances and operations. Nothing here has an effect.

use std::{collections::BTreeMap, sync::Arc};

use entente_api::{
    member::{CheckLinkResponse, ExpiringPoints, GetBalanceResponse},
    points::EarnResponse,
    types,
};
use entente_ledger::{Overflow, PartnerId, Points, Seq, Wallet};
use entente_loyalty::{Partner, PartnerCode, State, month};
use entente_store::{
    ResolvedLink, StoreError, archive,
    batch::{MemberNeeds, Snapshot, Version},
    linking::find_link,
    member::{self, LinkedTo, ListedOperation, OperationPlace},
    personal::Lookup,
    security::SecurityEventKind,
};
use jiff::{Timestamp, civil::Date};
use prost::Message;
use sqlx::PgPool;
use tokio::sync::Semaphore;

use crate::{
    catalogue::CatalogueCache,
    control::{member_unknown, partner_unknown},
    deadline::{READ, given_up_after},
    error::{Refused, RpcError},
    expiring::{Expiring, KeptSums},
    parse::{MemberReference, wire_timestamp},
    personal::{Vault, export},
    posting::{COALITION, wire_balances},
    security::{self, Actor},
};

/// How many balances are read at the same time.
const AT_ONCE: usize = 6;

/// Reads of members. Clones share its bounds.
#[derive(Debug, Clone)]
pub struct Reading {
    pool: PgPool,
    catalogue: Arc<CatalogueCache>,
    vault: Arc<Vault>,
    sums: KeptSums,
    places: Arc<Semaphore>,
}

/// A page of a partner's operations, and where the next one begins, if there is one.
pub type OperationsPage = (Vec<types::Operation>, Option<OperationPlace>);

impl Reading {
    /// Reads from a database.
    #[must_use]
    pub fn new(pool: PgPool, catalogue: Arc<CatalogueCache>, vault: Arc<Vault>) -> Self {
        let places = Arc::new(Semaphore::new(AT_ONCE));
        Self { pool, catalogue, vault, sums: KeptSums::new(), places }
    }

    /// With what batches move on of members that have many lots.
    #[must_use]
    pub(crate) fn with_sums(self, sums: KeptSums) -> Self {
        Self { sums, ..self }
    }

    /// What a partner's member has now.
    pub async fn balance(
        &self,
        partner: PartnerId,
        reference: Lookup,
    ) -> Result<GetBalanceResponse, RpcError> {
        let place = Arc::clone(&self.places).acquire_owned().await;
        let place = place.map_err(|_| Refused::shutting_down())?;
        let (pool, cache) = (self.pool.clone(), Arc::clone(&self.catalogue));
        let sums = self.sums.clone();
        // The snapshot is a transaction, so it lives in a task that no caller can cancel.
        let read = async move {
            let _place = place;
            let mut snapshot = Snapshot::begin(&pool).await?;
            let link = snapshot.link(partner, &reference).await?;
            let link = link.ok_or_else(member_unknown)?;
            let catalogue = cache.at_least(snapshot.catalogue_epoch).await?;
            let partner = catalogue.partner(partner).ok_or_else(Refused::unauthenticated)?;
            let settled = snapshot.settled_wallet(link.cell, link.member).await?;
            if let Some((wallet, version)) = settled {
                let expiring = expiring(&sums, &mut snapshot, &link, (wallet, version)).await?;
                let expiring = expiring.iter().map(|(key, points)| (*key, *points));
                return told(partner, &link, wallet, expiring);
            }
            let needs = MemberNeeds { everything_open: true, ..MemberNeeds::default() };
            let needs = BTreeMap::from([((link.cell, link.member), needs)]);
            let members = snapshot.members(&needs).await?.members;
            let state = State::new(&catalogue, snapshot.window, members);
            balance(partner, &link, state, snapshot.now)
        };
        let task = tokio::spawn(given_up_after(READ, read));
        task.await.map_err(RpcError::internal)?
    }

    /// Whether a partner's reference is linked, and by what.
    pub async fn link(
        &self,
        partner: PartnerId,
        reference: Lookup,
    ) -> Result<CheckLinkResponse, RpcError> {
        let mut connection = self.pool.acquire().await.map_err(StoreError::from)?;
        let link = find_link(&mut *connection, partner, &reference).await?;
        let Some(link) = link else { return Ok(CheckLinkResponse::default()) };
        let now = entente_store::clock::read(&mut *connection).await?.1;
        let held_back = link.burns_others_from.filter(|until| now < *until);
        Ok(CheckLinkResponse {
            linked: true,
            member_token: link.link_token.to_string(),
            linked_at: Some(wire_timestamp(link.linked_at)),
            burns_others_from: held_back.map(wire_timestamp),
        })
    }

    /// A page of everything that is kept of a partner's member, for an operator; the trail says who
    /// began to read.
    pub async fn export(
        &self,
        (code, reference): (&PartnerCode, &MemberReference),
        passed: i64,
        size: u16,
        by: Actor,
    ) -> Result<export::Page, RpcError> {
        let catalogue = self.catalogue.current().await?;
        let partner = catalogue.by_code(code.as_str()).ok_or_else(partner_unknown)?;
        let lookup = self.vault.lookup(partner.id, reference);
        let link = find_link(&self.pool, partner.id, &lookup).await?;
        let link = link.ok_or_else(member_unknown)?;
        if passed == 0 {
            let (kind, subject) = (SecurityEventKind::MemberExported, link.link_token.to_string());
            security::record(&self.pool, kind, &by, &subject, &serde_json::json!({})).await?;
        }
        let member = (link.cell, link.member);
        Ok(export::page(&self.pool, &self.vault, member, passed, size).await?)
    }

    /// A partner's accepted operations, newest first, of one member or of all.
    pub async fn operations(
        &self,
        partner: PartnerId,
        member: Option<Lookup>,
        after: Option<OperationPlace>,
        size: u16,
    ) -> Result<OperationsPage, RpcError> {
        let member = match member {
            Some(reference) => {
                // Given back before the next is asked for: whoever holds one never waits for two.
                let mut connection = self.pool.acquire().await.map_err(StoreError::from)?;
                let link = find_link(&mut *connection, partner, &reference).await?;
                let link = link.ok_or_else(member_unknown)?;
                let (at, since) = ((link.cell, link.member), link.linked_at);
                let own = vec![LinkedTo { member: link.member, cell: link.cell, since }];
                Some(match link.came_from {
                    Some(from) => member::linked_to(&mut *connection, from, at, since).await?,
                    None => own,
                })
            }
            None => None,
        };
        let listed = self.list(partner, member.as_deref(), after, size + 1).await?;
        page(&listed, size.into())
    }

    /// The time before which no operation is listed, because they are archived.
    pub async fn archived_before(&self) -> Result<Option<Timestamp>, StoreError> {
        archive::kept_from(&self.pool).await
    }

    async fn list(
        &self,
        partner: PartnerId,
        members: Option<&[LinkedTo]>,
        after: Option<OperationPlace>,
        limit: u16,
    ) -> Result<Vec<ListedOperation>, StoreError> {
        match members {
            Some([LinkedTo { member, cell, since }]) => {
                let one = (*cell, *member, *since);
                member::operations_of_member(&self.pool, partner, one, after, limit).await
            }
            Some(several) => {
                member::operations_of_merged(&self.pool, partner, several, after, limit).await
            }
            None => member::operations_of_partner(&self.pool, partner, after, limit).await,
        }
    }
}

/// What is due by now has expired, though the operation that says so may not be posted yet: it is
/// posted on a state that is thrown away.
fn balance(
    partner: &Partner,
    link: &ResolvedLink,
    mut state: State<'_>,
    now: Timestamp,
) -> Result<GetBalanceResponse, RpcError> {
    if !state.members.contains_key(&link.member) {
        return Err(RpcError::fault("a linked member has no wallet"));
    }
    state.bring_to(link.member, Seq(1), now).map_err(RpcError::internal)?;
    let member = &state.members[&link.member];
    let lots = member.lots.values().filter(|lot| lot.remaining.is_positive());
    let expiring = lots.map(|lot| ((month(lot.expires_at), lot.issuer), lot.remaining));
    told(partner, link, member.wallet, expiring)
}

/// A member may have thousands of lots: the database adds them up, unless what they come to is kept.
async fn expiring(
    sums: &KeptSums,
    snapshot: &mut Snapshot,
    link: &ResolvedLink,
    stored: (Wallet, Version),
) -> Result<Arc<Expiring>, RpcError> {
    if let Some(expiring) = sums.get(link.member, stored) {
        return Ok(expiring);
    }
    let lots = snapshot.expiring(link.cell, link.member).await?;
    sums.read(link.member, stored.1, &lots).map_err(RpcError::internal)
}

fn told(
    partner: &Partner,
    link: &ResolvedLink,
    wallet: Wallet,
    expiring: impl IntoIterator<Item = ((Date, PartnerId), Points)>,
) -> Result<GetBalanceResponse, RpcError> {
    Ok(GetBalanceResponse {
        balances: Some(wire_balances(wallet)),
        expiries: expiries(partner, expiring).map_err(RpcError::internal)?,
        member_token: link.link_token.to_string(),
    })
}

/// Points by UTC month of expiry, and in each the partner's own before those of all others.
fn expiries(
    partner: &Partner,
    expiring: impl IntoIterator<Item = ((Date, PartnerId), Points)>,
) -> Result<Vec<ExpiringPoints>, Overflow> {
    let mut months = BTreeMap::<(i16, i8, bool), Points>::new();
    for ((month, issuer), remaining) in expiring {
        let kind = (month.year(), month.month(), issuer != partner.id);
        let points = months.entry(kind).or_default();
        *points = points.plus(remaining)?;
    }
    let expiring = months.into_iter().map(|((year, month, others), points)| {
        let issuer = if others { COALITION } else { partner.code.as_str() };
        let month = format!("{year:04}-{month:02}");
        ExpiringPoints { month, issuer: issuer.to_owned(), points: points.0 }
    });
    Ok(expiring.collect())
}

/// The operations of a page; one more than its size says that there is another page.
fn page(listed: &[ListedOperation], size: usize) -> Result<OperationsPage, RpcError> {
    let shown = &listed[..listed.len().min(size)];
    let next = if listed.len() > size { shown.last().map(|last| last.place) } else { None };
    let operations = shown.iter().map(|listed| operation(&listed.answer));
    Ok((operations.collect::<Result<_, _>>()?, next))
}

/// Every write of points answers in the same fields, whichever it is.
fn operation(answer: &[u8]) -> Result<types::Operation, RpcError> {
    let answer = EarnResponse::decode(answer).map_err(RpcError::internal)?;
    answer.operation.ok_or_else(|| RpcError::fault("an accepted write has no operation"))
}
