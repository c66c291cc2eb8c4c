//! A command on its way: as asked, as resolved, and as answered.

use std::time::Instant;

use entente_ledger::{PartnerId, Points, RequestId};
use entente_loyalty::{Action, Bought, BurnAmount, Command, ExchangeAmount, ReversePart};
use entente_store::{ResolvedLink, ResolvedOriginal};
use tokio::sync::oneshot;

use crate::{error::RpcError, fingerprint::Fingerprint, parse::MemberReference};

/// A parsed request for a change of points.
#[derive(Debug, Clone)]
pub struct Submission {
    /// Who asks.
    pub partner: PartnerId,
    /// The caller's id of it.
    pub request_id: RequestId,
    /// What makes it the same request when sent again.
    pub fingerprint: Fingerprint,
    /// The partner's own reference of the purchase or sale; empty for none.
    pub receipt_reference: String,
    /// What is asked.
    pub ask: Ask,
    /// Whose points.
    pub target: Target,
    /// When the caller stops waiting; a command that is still queued then is not decided.
    pub deadline: Instant,
}

/// How a request names the member.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// By the partner's own reference.
    Reference(MemberReference),
    /// By an earlier operation of the partner.
    Original(RequestId),
}

/// What is asked, before it is known of whom.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ask {
    /// Credit points for a purchase.
    Earn(Bought),
    /// Spend points at once.
    Burn(BurnAmount),
    /// Set points aside.
    Authorize(BurnAmount),
    /// Spend points that the original set aside; all when absent.
    Capture(Option<Points>),
    /// Release the original.
    Void,
    /// Undo the original.
    Reverse(ReversePart),
    /// Turn the partner's own points into shared points, or back.
    Exchange(ExchangeAmount),
}

/// What the resolver found.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Resolution {
    /// The member that a reference names.
    Link(ResolvedLink),
    /// The operation that a request id names, and its member.
    Original(ResolvedOriginal),
}

/// The answer to a submission: an encoded response, as it was given the first time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Posted {
    /// The encoded response.
    pub answer: Vec<u8>,
    /// Whether the id had already been answered.
    pub replayed: bool,
}

/// A resolved command in its cell's queue.
#[derive(Debug)]
pub(super) struct Queued {
    pub(super) command: Command,
    pub(super) fingerprint: Fingerprint,
    pub(super) link: ResolvedLink,
    /// The reference to read again under the head.
    pub(super) reference: Option<String>,
    pub(super) deadline: Instant,
    pub(super) reply: oneshot::Sender<Result<Posted, RpcError>>,
}

impl Queued {
    pub(super) fn new(
        submission: Submission,
        resolution: Resolution,
        reply: oneshot::Sender<Result<Posted, RpcError>>,
    ) -> Self {
        let Submission { partner, request_id, fingerprint, receipt_reference, .. } = submission;
        let (link, action) = action(submission.ask, resolution);
        let reference = match submission.target {
            Target::Reference(reference) => Some(reference.into_string()),
            Target::Original(_) => None,
        };
        let command =
            Command { partner, request_id, member: link.member, receipt_reference, action };
        Self { command, fingerprint, link, reference, deadline: submission.deadline, reply }
    }
}

/// The action on what was found. A request names its member by a reference exactly when its action
/// needs no original, which `parse` sees to.
fn action(ask: Ask, resolution: Resolution) -> (ResolvedLink, Action) {
    let (link, original) = match resolution {
        Resolution::Link(link) => (link, None),
        Resolution::Original(found) => (found.link, Some(found.original)),
    };
    let named = || original.expect("this action names an operation");
    let action = match ask {
        Ask::Earn(bought) => Action::Earn(bought),
        Ask::Burn(amount) => Action::Burn(amount),
        Ask::Authorize(amount) => Action::Authorize(amount),
        Ask::Capture(points) => Action::Capture { original: named(), points },
        Ask::Void => Action::Void { original: named() },
        Ask::Reverse(part) => Action::Reverse { original: named(), part },
        Ask::Exchange(amount) => Action::Exchange(amount),
    };
    (link, action)
}
