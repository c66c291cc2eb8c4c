//! Quotes: the same decision, on a snapshot that is thrown away.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use entente_ledger::{Cell, MemberId, PartnerId, RequestId, Seq};
use entente_loyalty::{Action, Catalogue, Command, Decision, State};
use entente_store::{
    ResolvedLink, StoreError,
    batch::{MemberNeeds, Snapshot},
    personal::Lookup,
};
use sqlx::PgPool;
use tokio::sync::Semaphore;
use uuid::Uuid;

use super::{needs, resolver::member_unknown};
use crate::{
    catalogue::CatalogueCache,
    deadline::{READ, given_up_after},
    error::{Refused, RpcError},
};

/// What a command would do now.
#[derive(Debug)]
pub struct Quote {
    /// The operation as it would be; it has no request id and no number.
    pub decision: Decision,
    /// What names the member to the partner.
    pub link_token: Uuid,
}

/// Answers quotes, a bounded number at a time.
#[derive(Debug, Clone)]
pub struct Quotes {
    pool: PgPool,
    catalogue: Arc<CatalogueCache>,
    places: Arc<Semaphore>,
}

impl Quotes {
    /// Quotes from this database, `at_once` of them at most.
    #[must_use]
    pub fn new(pool: PgPool, catalogue: Arc<CatalogueCache>, at_once: usize) -> Self {
        Self { pool, catalogue, places: Arc::new(Semaphore::new(at_once)) }
    }

    /// What an action by a partner on its member would do now. It has no effect.
    pub async fn quote(
        &self,
        partner: PartnerId,
        reference: Lookup,
        action: Action,
    ) -> Result<Quote, RpcError> {
        let place = Arc::clone(&self.places);
        let place = place.acquire_owned().await.map_err(|_| Refused::shutting_down())?;
        let (pool, catalogue) = (self.pool.clone(), Arc::clone(&self.catalogue));
        // The transaction lives in a task of its own: a caller that cancels cannot cut it short.
        let task = tokio::spawn(async move {
            let _place = place;
            let quote = read_and_decide(&pool, &catalogue, partner, reference, action);
            given_up_after(READ, quote).await
        });
        task.await.map_err(RpcError::internal)?
    }
}

async fn read_and_decide(
    pool: &PgPool,
    cache: &CatalogueCache,
    partner: PartnerId,
    reference: Lookup,
    action: Action,
) -> Result<Quote, RpcError> {
    let mut snapshot = Snapshot::begin(pool).await?;
    let link = snapshot.link(partner, &reference).await?;
    let link = link.ok_or_else(member_unknown)?;
    let epoch = snapshot.catalogue_epoch;
    let catalogue = cache.at_least(epoch).await?;
    let caller = catalogue.partner(partner).ok_or_else(Refused::unauthenticated)?;
    let command = Command {
        partner,
        request_id: RequestId(Uuid::nil()),
        member: link.member,
        receipt_reference: String::new(),
        action,
    };
    let now = snapshot.now;
    let state = read(&mut snapshot, &catalogue, &link, &command);
    let mut state = state.await?;
    state.bring_to(link.member, Seq(1 << 60), now).map_err(RpcError::internal)?;
    let decided = state
        .decide(&command, |_| Seq(i64::MAX), now)
        .map_err(|refusal| Refused::of_refusal(&refusal, caller, now))?;
    Ok(Quote { decision: decided.decision, link_token: link.link_token })
}

/// The state that a snapshot holds of one member.
async fn read<'a>(
    snapshot: &mut Snapshot,
    catalogue: &'a Catalogue,
    link: &ResolvedLink,
    command: &Command,
) -> Result<State<'a>, StoreError> {
    let mut needs = MemberNeeds::default();
    needs::add(&mut needs, command, catalogue, snapshot.now);
    let needs: BTreeMap<(Cell, MemberId), MemberNeeds> =
        BTreeMap::from([((link.cell, link.member), needs)]);
    let mut loaded = snapshot.members(&needs).await?;
    let member = loaded.members.get_mut(&link.member);
    if let Some((member, until)) = member.zip(link.burns_others_from) {
        member.held_back.insert(command.partner, until);
    }
    let counted = needs::of_command(command, catalogue, &loaded, snapshot.now);
    let counted = snapshot.counted(&mut loaded, &counted, command.partner).await?;
    let partners: BTreeSet<PartnerId> =
        loaded.partners().into_iter().chain([command.partner]).collect();
    Ok(State {
        exposures: snapshot.exposures(&partners).await?,
        floats: snapshot.floats(&needs::floats_of(command, catalogue)).await?,
        counted,
        ..State::new(catalogue, snapshot.window, loaded.members)
    })
}
