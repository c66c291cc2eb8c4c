//! The resolver: from what a request names to a member and its cell. It reads in batches of its
//! own, and remembers a bounded number of references.

use std::{collections::HashMap, sync::Arc, time::Duration};

use entente_ledger::{PartnerId, RequestId};
use entente_store::{
    Outcome, ResolvedLink, ResolvedOriginal, StoreError, outcomes, personal::Lookup, resolve_links,
    resolve_originals,
};
use quick_cache::sync::Cache;
use sqlx::PgPool;
use tokio::sync::{oneshot, watch};

use super::{
    answer,
    queue::{self, Queue, Via, Waiting},
    submission::{Known, Resolution, Submission, Target},
};
use crate::{
    config::PostingLimits,
    deadline::answered_within,
    error::{Refused, RpcError},
};
use entente_api::error::ErrorReason;

/// What references are remembered as. Links come and go, on any hub: so each batch reads them again
/// under the heads, and forgets here what is no longer so.
#[derive(Debug, Clone)]
pub(super) struct Remembered(Arc<Cache<(PartnerId, Lookup), ResolvedLink>>);

impl Remembered {
    /// Nothing yet.
    pub(super) fn new(capacity: usize) -> Self {
        Self(Arc::new(Cache::new(capacity)))
    }

    /// Whatever it was, it is to be looked up again.
    pub(super) fn forget(&self, partner: PartnerId, reference: Lookup) {
        self.0.remove(&(partner, reference));
    }

    fn get(&self, key: &(PartnerId, Lookup)) -> Option<ResolvedLink> {
        self.0.get(key)
    }

    fn insert(&self, key: (PartnerId, Lookup), link: ResolvedLink) {
        self.0.insert(key, link);
    }
}

/// The way to the resolver.
#[derive(Debug, Clone)]
pub(super) struct Resolver {
    links: Remembered,
    questions: Queue<Question>,
}

/// What a request comes to.
#[derive(Debug)]
pub(crate) enum Resolved {
    /// Its id already has an outcome, and what it names is no longer known.
    Answered(Outcome),
    /// It is about this member.
    Found(Resolution),
}

#[derive(Debug)]
struct Question {
    partner: PartnerId,
    request_id: RequestId,
    target: Target,
    reply: oneshot::Sender<Result<Resolved, RpcError>>,
}

impl Resolver {
    /// The resolver, and the task that answers it.
    pub(super) fn start(
        pool: PgPool,
        links: Remembered,
        limits: &PostingLimits,
        stopped: watch::Receiver<bool>,
    ) -> (Self, impl Future<Output = ()> + Send + 'static) {
        let (questions, asked) = queue::queue(limits.queue, limits.lines());
        let reads = Reads { pool, within: limits.transaction() };
        let task = answer_all(reads, links.clone(), asked, limits.batch, stopped);
        (Self { links, questions }, task)
    }

    /// What a submission comes to, if every reference in it is remembered. It costs nothing: the
    /// request id is looked up under the head, with everything else of the batch.
    pub(super) fn remembered(&self, submission: &Submission) -> Option<Resolved> {
        let link = |reference: &Lookup| self.links.get(&(submission.partner, *reference));
        let resolution = match &submission.target {
            Target::Reference(reference) => Resolution::Link(link(reference)?),
            Target::Pair { from, to } => Resolution::Pair { from: link(from)?, to: link(to)? },
            Target::Original(_) => return None,
        };
        Some(Resolved::Found(resolution))
    }

    /// Looks a reference up anew from now on.
    pub(super) fn forget(&self, partner: PartnerId, reference: Lookup) {
        self.links.forget(partner, reference);
    }

    /// Resolves a submission.
    pub(super) async fn resolve(
        &self,
        submission: &Submission,
        via: Via,
    ) -> Result<Resolved, RpcError> {
        if let Some(found) = self.remembered(submission) {
            return Ok(found);
        }
        let (reply, answer) = oneshot::channel();
        let question = Question {
            partner: submission.partner,
            request_id: submission.request_id,
            target: submission.target.clone(),
            reply,
        };
        self.questions.send(submission.partner, question, via).await?;
        answer.await.unwrap_or_else(|_| Err(Refused::overloaded().into()))
    }
}

/// Answers questions, all that wait at once, until no resolver is left.
async fn answer_all(
    reads: Reads,
    links: Remembered,
    mut asked: Waiting<Question>,
    batch: usize,
    mut stopped: watch::Receiver<bool>,
) {
    let mut questions = Vec::with_capacity(batch);
    while asked.take(&mut questions, batch, &mut stopped).await {
        let batch = std::mem::take(&mut questions);
        if let Err((error, unanswered)) = answer(&reads, &links, batch).await {
            tracing::error!(%error, "resolving failed");
            for question in unanswered {
                let _ = question.reply.send(Err(Refused::overloaded().into()));
            }
        }
    }
}

async fn answer(
    reads: &Reads,
    links: &Remembered,
    questions: Vec<Question>,
) -> Result<(), (StoreError, Vec<Question>)> {
    let found = match reads.within(&questions).await {
        Ok(found) => found,
        Err(error) => return Err((error, questions)),
    };
    for question in questions {
        let (partner, reply) = (question.partner, question.reply);
        if let Some(outcome) = found.outcomes.get(&(partner, question.request_id)) {
            let _ = reply.send(Ok(Resolved::Answered(outcome.clone())));
            continue;
        }
        let link = |reference: Lookup| {
            let key = (partner, reference);
            let link = found.links.get(&key).copied().ok_or_else(member_unknown)?;
            links.insert(key, link);
            Ok(link)
        };
        let resolution = match question.target {
            Target::Reference(reference) => link(reference).map(Resolution::Link),
            Target::Pair { from, to } => {
                link(from).and_then(|from| Ok(Resolution::Pair { from, to: link(to)? }))
            }
            Target::Original(id) => found
                .originals
                .get(&(partner, id))
                .map(|original| Resolution::Original(known(original)))
                .ok_or_else(operation_unknown),
        };
        let _ = reply.send(resolution.map(Resolved::Found));
    }
    Ok(())
}

/// What was read for questions.
#[derive(Default)]
struct Found {
    links: HashMap<(PartnerId, Lookup), ResolvedLink>,
    originals: HashMap<(PartnerId, RequestId), ResolvedOriginal>,
    /// Of those whose target was not found. Of all others the batch looks for them, under the head.
    outcomes: HashMap<(PartnerId, RequestId), Outcome>,
}

/// Where it is read, and how long that may take: a database that is gone may never say so.
struct Reads {
    pool: PgPool,
    within: Duration,
}

impl Reads {
    async fn within(&self, questions: &[Question]) -> Result<Found, StoreError> {
        answered_within(self.within, read(&self.pool, questions)).await
    }
}

async fn read(pool: &PgPool, questions: &[Question]) -> Result<Found, StoreError> {
    let (mut references, mut originals) = (vec![], vec![]);
    for question in questions {
        match &question.target {
            Target::Reference(reference) => references.push((question.partner, *reference)),
            Target::Pair { from, to } => {
                references.extend([from, to].map(|of| (question.partner, *of)));
            }
            Target::Original(id) => originals.push((question.partner, *id)),
        }
    }
    let mut found = Found::default();
    let mut connection = pool.acquire().await?;
    if !references.is_empty() {
        found.links = resolve_links(&mut connection, &references).await?;
    }
    if !originals.is_empty() {
        found.originals = resolve_originals(&mut connection, &originals).await?;
    }
    let unknown: Vec<_> =
        questions.iter().filter(|question| !found.has(question)).map(Question::key).collect();
    if !unknown.is_empty() {
        found.outcomes = outcomes(&mut connection, &unknown).await?;
    }
    Ok(found)
}

impl Found {
    fn has(&self, question: &Question) -> bool {
        let linked = |of: &Lookup| self.links.contains_key(&(question.partner, *of));
        match &question.target {
            Target::Reference(reference) => linked(reference),
            Target::Pair { from, to } => linked(from) && linked(to),
            Target::Original(id) => self.originals.contains_key(&(question.partner, *id)),
        }
    }
}

impl Question {
    fn key(&self) -> (PartnerId, RequestId) {
        (self.partner, self.request_id)
    }
}

/// An operation stays its partner's, and its member's, whatever became of the link. The answer of
/// that time names the member; where the link of that time stands, its reference is told too.
fn known(found: &ResolvedOriginal) -> Known {
    let link_token = answer::member_token(&found.answer).unwrap_or_default();
    let linked = found.linked.as_ref().filter(|(_, token)| *token == link_token);
    let (member, cell) = (found.member, found.cell);
    Known {
        original: found.original,
        link: ResolvedLink { member, cell, link_token, burns_others_from: None },
        reference: linked.map(|(reference, _)| *reference),
        followed: found.followed.clone(),
    }
}

pub(super) fn member_unknown() -> RpcError {
    Refused::new(ErrorReason::MemberUnknown, "this partner has no member by this reference").into()
}

fn operation_unknown() -> RpcError {
    let message = "this partner has no operation by this request id";
    Refused::new(ErrorReason::OperationUnknown, message).into()
}
