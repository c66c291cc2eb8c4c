//! Writes that change no points: partners, terms, links, the clock, payments, and what two operators
//! do together.
//!
//! Each runs in a task of its own that owns its transaction, so a caller that cancels cannot cut it
//! short. Their number is bounded, and one runs again when the database asks for it. Those with a
//! request id give it one outcome for ever, in `write.rs`.

mod adjusting;
mod advance_clock;
mod banking;
mod breaks;
mod buying;
mod clearing;
mod closing;
mod converting;
mod disputing;
mod erasing;
mod events;
mod linking;
mod members;
mod partners;
mod proposals;
mod security;
mod settlement;
mod terms;
mod webhooks;
mod write;

use std::{fmt, future::Future, sync::Arc, time::Duration};

use entente_ledger::PartnerId;
use entente_store::StoreError;
use sqlx::PgPool;
use tokio::sync::Semaphore;

pub use adjusting::Adjust;
pub use banking::{AssignPayment, Imported};
pub use breaks::{StepBreak, Toward, WriteOff};
pub use buying::BuyBlock;
pub use clearing::{AgreeStatement, ArrangeSettlement};
pub(crate) use closing::{begin, begin_without_heads, close_due, zone};
pub use converting::ConvertCurrency;
pub use disputing::{AnswerDispute, DisputeLines};
pub use erasing::{Applied, EraseMember, Erased, apply_journal};
pub use linking::{
    ConfirmLink, CreateLinkCode, LinkMember, RedeemLinkCode, Unlink, UnlinkBy, UnmergeMembers,
};
pub use members::AttachReference;
pub(crate) use members::{member_erased, member_unknown, testing_apart};
pub(crate) use partners::partner_unknown;
pub use partners::{CreatePartner, ResumePartner, SuspendPartner};
pub use proposals::{About, Act, AnyAct, Approval, Approve, By, Propose, Reject, Subject};
pub(crate) use proposals::{
    in_full as proposal_in_full, in_list as proposal_in_list, opened as opened_proposal,
    proposal_unknown,
};
pub use security::{GrantRoles, RegisterKey, RevokeKey, RotateKey};
pub use settlement::{PaidFor, RecordPayment};
pub use terms::PublishTerms;
pub(crate) use webhooks::webhook_unknown;
pub use webhooks::{DeleteWebhook, RegisterWebhook, ReplayDelivery};
use write::Claimed;
pub use write::{Answer, Claim, Locks, Write};

use crate::{
    caller::Role,
    catalogue::CatalogueCache,
    deadline::{ACT, given_up_after},
    error::{Refused, RpcError},
    method::WriteRequest,
    personal::Vault,
};

/// How many writes run at the same time: each holds a connection.
const RUNNING: usize = 4;
/// How many wait for that at most.
const WAITING: usize = 512;
/// How often a write runs at most, and how long it waits before the second time.
const RUNS: u32 = 6;
const PAUSE: Duration = Duration::from_millis(5);

/// Runs control writes. Clones share its bounds.
#[derive(Clone)]
pub struct Controls {
    pool: PgPool,
    catalogue: Arc<CatalogueCache>,
    vault: Arc<Vault>,
    partners: Places,
    operators: Places,
}

/// Room for writes. Partners and operators have their own, so that no partner can keep operators
/// from suspending it.
#[derive(Clone)]
struct Places {
    waiting: Arc<Semaphore>,
    running: Arc<Semaphore>,
}

impl Places {
    fn new() -> Self {
        let (waiting, running) = (Semaphore::new(WAITING), Semaphore::new(RUNNING));
        Self { waiting: Arc::new(waiting), running: Arc::new(running) }
    }
}

/// Why a run of a write ended without an answer.
#[derive(Debug)]
pub enum Ended {
    /// The caller is told this.
    Told(RpcError),
    /// The database failed; the write may run again when its error says so.
    Failed(StoreError),
}

impl Controls {
    /// Runs them on a database, by the key to its personal data.
    #[must_use]
    pub fn new(pool: PgPool, catalogue: Arc<CatalogueCache>, vault: Arc<Vault>) -> Self {
        Self { pool, catalogue, vault, partners: Places::new(), operators: Places::new() }
    }

    /// Runs a write under its request id, and answers after its commit.
    pub async fn write<W: Write>(
        &self,
        claim: Claim,
        mut write: W,
    ) -> Result<<W::Request as WriteRequest>::Response, RpcError> {
        let (pool, catalogue) = (self.pool.clone(), Arc::clone(&self.catalogue));
        let is_operators = claim.partner == PartnerId::HUB;
        let places = if is_operators { &self.operators } else { &self.partners };
        write.take(self);
        let what = Arc::new((Claimed::of(&claim, &self.vault), write));
        run_in(places, move || {
            let (pool, catalogue) = (pool.clone(), Arc::clone(&catalogue));
            let what = Arc::clone(&what);
            async move {
                let done = write::run(&pool, &catalogue, &what.0, &what.1).await;
                if matches!(done, Err(Ended::Failed(StoreError::CutOffDue))) {
                    // Whoever locks heads by itself met the cut-off: it runs again at once.
                    close_due(&pool, &catalogue).await?;
                }
                done
            }
        })
        .await
    }

    /// Runs an operator's write without a request id: anything that owns a transaction, in a task
    /// of its own, again while it may succeed.
    pub async fn run<T, F>(&self, once: impl FnMut() -> F + Send + 'static) -> Result<T, RpcError>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, Ended>> + Send,
    {
        self.run_for(Role::Operator, once).await
    }

    /// The same, for a caller of a role.
    pub async fn run_for<T, F>(
        &self,
        role: Role,
        once: impl FnMut() -> F + Send + 'static,
    ) -> Result<T, RpcError>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, Ended>> + Send,
    {
        let places = match role {
            Role::Partner => &self.partners,
            Role::Operator => &self.operators,
        };
        run_in(places, once).await
    }

    /// The key to personal data.
    pub(crate) const fn vault(&self) -> &Arc<Vault> {
        &self.vault
    }

    /// Who the partners are.
    pub(crate) const fn catalogue(&self) -> &Arc<CatalogueCache> {
        &self.catalogue
    }
}

async fn run_in<T, F>(
    places: &Places,
    mut once: impl FnMut() -> F + Send + 'static,
) -> Result<T, RpcError>
where
    T: Send + 'static,
    F: Future<Output = Result<T, Ended>> + Send,
{
    let waiting = places.waiting.try_acquire().map_err(|_| Refused::overloaded())?;
    let running = Arc::clone(&places.running);
    let place = running.acquire_owned().await.map_err(|_| Refused::shutting_down())?;
    drop(waiting);
    let task = tokio::spawn(async move {
        let _place = place;
        let mut pause = PAUSE;
        for _ in 1..RUNS {
            match given_up_after(ACT, once()).await {
                Ok(done) => return Ok(done),
                Err(Ended::Failed(error)) if error.is_transient() => {}
                Err(ended) => return Err(ended.into()),
            }
            tokio::time::sleep(pause).await;
            pause *= 2;
        }
        given_up_after(ACT, once()).await.map_err(RpcError::from)
    });
    task.await.map_err(RpcError::internal)?
}

impl fmt::Debug for Controls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Controls(..)")
    }
}

impl From<StoreError> for Ended {
    fn from(error: StoreError) -> Self {
        Self::Failed(error)
    }
}

impl From<RpcError> for Ended {
    fn from(error: RpcError) -> Self {
        Self::Told(error)
    }
}

impl From<Refused> for Ended {
    fn from(refused: Refused) -> Self {
        Self::Told(refused.into())
    }
}

impl From<Ended> for RpcError {
    fn from(ended: Ended) -> Self {
        match ended {
            Ended::Told(error) => error,
            Ended::Failed(error) => error.into(),
        }
    }
}
