//! One write under its request id:
//!
//! 1. begin, and lock all heads where the write concerns everybody; 2. answer an id that has its
//!    outcome; 3. act; 4. give the id its outcome; 5. commit; 6. load the catalogue that was made.

use std::{future::Future, sync::Arc};

use entente_api::error::ErrorReason;
use entente_ledger::{PartnerId, RequestId};
use entente_loyalty::{Catalogue, Partner};
use entente_store::{
    Outcome, Place, RequestRow, StoreError,
    control::{Control, Heads, NoHeads},
};
use prost::Message;
use sqlx::PgPool;

use super::{Controls, Ended};
use crate::{
    catalogue::CatalogueCache,
    error::{Refused, RpcError},
    fingerprint::{Fingerprint, Said},
    method::{WriteRequest, WriteResponse},
    personal::Vault,
};

/// Whose request id stands for which content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    /// Whose: a partner's, or the hub's for all operators.
    pub partner: PartnerId,
    /// The id.
    pub request_id: RequestId,
    /// The content.
    pub said: Said,
}

impl Claim {
    /// What a request of a partner stands for.
    #[must_use]
    pub fn new(partner: PartnerId, request_id: RequestId, request: &impl WriteRequest) -> Self {
        Self { partner, request_id, said: Said::of(request) }
    }

    /// What a request of an operator stands for: all operators share the hub's own ids.
    #[must_use]
    pub fn of_operator(request_id: RequestId, request: &impl WriteRequest) -> Self {
        Self::new(PartnerId::HUB, request_id, request)
    }

    /// What a request of a partner, or without one of an operator, stands for.
    #[must_use]
    pub fn of_caller(
        own: Option<&Partner>,
        request_id: RequestId,
        request: &impl WriteRequest,
    ) -> Self {
        Self::new(own.map_or(PartnerId::HUB, |own| own.id), request_id, request)
    }
}

/// The same as it is kept.
#[derive(Debug)]
pub(super) struct Claimed {
    partner: PartnerId,
    request_id: RequestId,
    fingerprint: Fingerprint,
}

impl Claimed {
    pub(super) fn of(claim: &Claim, vault: &Vault) -> Self {
        let (partner, request_id) = (claim.partner, claim.request_id);
        let fingerprint = claim.said.fingerprint(vault, (partner, request_id));
        Self { partner, request_id, fingerprint }
    }
}

/// A write: what it does between the claim of its request id and the commit.
pub trait Write: Send + Sync + 'static {
    /// The request that asks for it.
    type Request: WriteRequest;
    /// What it has to lock.
    type Locks: Locks;

    /// Takes what it needs beside the transaction, before it acts: the key to personal data, the
    /// catalogue.
    fn take(&mut self, _: &Controls) {}

    /// Acts. A refusal comes before anything is written; one that is kept may write what it leaves,
    /// which is committed with it.
    fn act(
        &self,
        control: &mut Control<Self::Locks>,
        catalogue: &Catalogue,
    ) -> impl Future<Output = Result<Result<Answer<Self::Request>, Refused>, StoreError>> + Send;
}

/// What a write answers.
#[derive(Debug)]
pub struct Answer<R: WriteRequest> {
    /// The answer itself.
    pub response: R::Response,
    /// The operation behind it, where there is one.
    pub place: Option<Place>,
}

impl<R: WriteRequest> Answer<R> {
    /// An answer without an operation behind it.
    pub fn of(response: R::Response) -> Self {
        Self { response, place: None }
    }
}

/// What a control transaction locks: all heads, or none.
pub trait Locks: Sized + Send + 'static {
    /// Begins.
    fn begin(
        pool: &PgPool,
        cache: &CatalogueCache,
    ) -> impl Future<Output = Result<Control<Self>, StoreError>> + Send;
    /// Commits.
    fn commit(control: Control<Self>) -> impl Future<Output = Result<(), StoreError>> + Send;
    /// The catalogue that the write acts by: the one under the heads, or a recent one.
    fn catalogue(
        control: &Control<Self>,
        cache: &CatalogueCache,
    ) -> impl Future<Output = Result<Arc<Catalogue>, StoreError>> + Send;
    /// The epoch that the write leaves.
    fn epoch(control: &Control<Self>) -> i64;
}

/// Runs a write once.
pub(super) async fn run<W: Write>(
    pool: &PgPool,
    cache: &CatalogueCache,
    claim: &Claimed,
    write: &W,
) -> Result<<W::Request as WriteRequest>::Response, Ended> {
    let mut control = W::Locks::begin(pool, cache).await?;
    if let Some(outcome) = control.outcome(claim.partner, claim.request_id).await? {
        control.rollback().await?;
        return Ok(replay::<W::Request>(&claim.fingerprint, &outcome)?);
    }
    let catalogue = W::Locks::catalogue(&control, cache).await?;
    let answer = match write.act(&mut control, &catalogue).await? {
        Ok(answer) => answer,
        Err(refused) => {
            if refused.is_kept() {
                control.record(&row(claim, true, refused.encoded(), None)).await?;
                W::Locks::commit(control).await?;
            } else {
                control.rollback().await?;
            }
            return Err(refused.into());
        }
    };
    let encoded = answer.response.encode_to_vec();
    control.record(&row(claim, false, encoded, answer.place)).await?;
    let epoch = W::Locks::epoch(&control);
    W::Locks::commit(control).await?;
    if let Err(error) = cache.at_least(epoch).await {
        // The write is done; whoever needs the catalogue loads it again.
        tracing::warn!(%error, "the catalogue could not be loaded after a change");
    }
    Ok(answer.response)
}

fn row(claim: &Claimed, refused: bool, answer: Vec<u8>, place: Option<Place>) -> RequestRow {
    let Fingerprint { method, fields } = claim.fingerprint.clone();
    let outcome = Outcome { method: method.code(), fields, refused, answer, place };
    RequestRow { partner: claim.partner, request_id: claim.request_id, outcome, receipt: None }
}

fn replay<R: WriteRequest>(
    fingerprint: &Fingerprint,
    outcome: &Outcome,
) -> Result<R::Response, RpcError> {
    if let Some(field) = fingerprint.difference(outcome.method, &outcome.fields) {
        let message = "the request id was used for other content";
        return Err(Refused::new(ErrorReason::RequestIdReused, message)
            .with("field", field)
            .into());
    }
    if outcome.refused {
        return Err(RpcError::replayed(&outcome.answer));
    }
    let mut response =
        R::Response::decode(outcome.answer.as_slice()).map_err(RpcError::internal)?;
    response.set_replayed();
    Ok(response)
}

impl Locks for Heads {
    async fn begin(pool: &PgPool, cache: &CatalogueCache) -> Result<Control<Self>, StoreError> {
        super::begin(pool, cache).await
    }

    async fn commit(control: Control<Self>) -> Result<(), StoreError> {
        control.commit().await
    }

    async fn catalogue(
        control: &Control<Self>,
        cache: &CatalogueCache,
    ) -> Result<Arc<Catalogue>, StoreError> {
        cache.at_least(control.catalogue_epoch()).await
    }

    fn epoch(control: &Control<Self>) -> i64 {
        control.catalogue_epoch()
    }
}

impl Locks for NoHeads {
    async fn begin(pool: &PgPool, _: &CatalogueCache) -> Result<Control<Self>, StoreError> {
        super::begin_without_heads(pool).await
    }

    async fn commit(control: Control<Self>) -> Result<(), StoreError> {
        control.commit().await
    }

    async fn catalogue(
        _: &Control<Self>,
        cache: &CatalogueCache,
    ) -> Result<Arc<Catalogue>, StoreError> {
        cache.current().await
    }

    fn epoch(_: &Control<Self>) -> i64 {
        0
    }
}
