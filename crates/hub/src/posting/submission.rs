//! A command on its way: as asked, as resolved, and as answered.

use std::time::Instant;

use entente_ledger::{Cell, MemberId, PartnerId, Points, RequestId};
use entente_loyalty::{
    Action, Bought, BurnAmount, Command, ExchangeAmount, Original, PartnerCode, ReversePart,
};
use entente_store::{ResolvedLink, personal::Lookup};
use tokio::sync::oneshot;

use crate::{error::RpcError, fingerprint::Fingerprint};

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
pub enum Target<R = Lookup> {
    /// By the partner's own reference.
    Reference(R),
    /// By an earlier operation of the partner.
    Original(RequestId),
    /// Two members, each by the partner's own reference.
    Pair {
        /// Who gives.
        from: R,
        /// Who receives.
        to: R,
    },
}

impl<R> Target<R> {
    /// The same, with the references as what they are looked up by.
    pub(crate) fn looked_up(self, lookup: impl Fn(R) -> Lookup) -> Target {
        match self {
            Self::Reference(reference) => Target::Reference(lookup(reference)),
            Self::Original(id) => Target::Original(id),
            Self::Pair { from, to } => Target::Pair { from: lookup(from), to: lookup(to) },
        }
    }
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
    /// Give points to the other member.
    Transfer(Points),
    /// Give points to a charity.
    Donate {
        /// Its code.
        charity: PartnerCode,
        /// How many.
        points: Points,
    },
}

/// What the resolver found.
#[derive(Debug, Clone)]
pub(crate) enum Resolution {
    /// The member that a reference names.
    Link(ResolvedLink),
    /// The operation that a request id names.
    Original(Known),
    /// Two members.
    Pair {
        /// Who gives.
        from: ResolvedLink,
        /// Who receives.
        to: ResolvedLink,
    },
}

/// An operation that a request names, and its member as the partner knew it then.
#[derive(Debug, Clone)]
pub(crate) struct Known {
    /// The operation.
    pub(crate) original: Original,
    /// The member, by the token of that time.
    pub(crate) link: ResolvedLink,
    /// The partner's reference of the member, if the same link still stands.
    pub(crate) reference: Option<Lookup>,
    /// Whom the member was merged into, and so on.
    pub(crate) followed: Vec<(Cell, MemberId)>,
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
    /// Of a transfer: the member who receives, as the partner knows it.
    pub(super) receiver: Option<ResolvedLink>,
    /// The references to read again under the heads, and what they were: without them the command
    /// has no member.
    pub(super) references: Vec<(Lookup, ResolvedLink)>,
    /// Of a command that names an operation instead: the reference, if it is still linked. The
    /// command needs none, but without one the partner does not see what the member has.
    pub(super) sees_by: Option<Lookup>,
    /// And whom its member was merged into, and so on: where its points are now.
    pub(super) followed: Vec<(Cell, MemberId)>,
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
        let (sees_by, followed) = match &resolution {
            Resolution::Original(known) => (known.reference, known.followed.clone()),
            Resolution::Link(_) | Resolution::Pair { .. } => (None, Vec::new()),
        };
        let (link, receiver, action) = action(submission.ask, resolution);
        let references = match submission.target {
            Target::Reference(reference) => vec![(reference, link)],
            Target::Original(_) => Vec::new(),
            Target::Pair { from, to } => {
                let to = receiver.map(|receiver| (to, receiver));
                [(from, link)].into_iter().chain(to).collect()
            }
        };
        let command =
            Command { partner, request_id, member: link.member, receipt_reference, action };
        let deadline = submission.deadline;
        Self {
            command,
            fingerprint,
            link,
            receiver,
            references,
            sees_by,
            followed,
            deadline,
            reply,
        }
    }

    /// The members that the command is about, each in its cell: its own first.
    pub(super) fn members(&self) -> impl Iterator<Item = (Cell, MemberId)> {
        let own = (self.link.cell, self.link.member);
        let receiver = self.receiver.map(|link| (link.cell, link.member));
        let receiver = receiver.filter(|receiver| *receiver != own);
        [own].into_iter().chain(receiver).chain(self.followed.iter().copied())
    }

    /// The link by which the partner sees what the command's member has.
    pub(super) fn seen(&self) -> ResolvedLink {
        let last = self.followed.last();
        let (cell, member) = last.copied().unwrap_or((self.link.cell, self.link.member));
        ResolvedLink { cell, member, ..self.link }
    }
}

/// The action on what was found. A request names an original exactly when its action needs one, and
/// two members exactly when it is a transfer, which `parse` sees to.
fn action(ask: Ask, resolution: Resolution) -> (ResolvedLink, Option<ResolvedLink>, Action) {
    let (link, original, receiver) = match resolution {
        Resolution::Link(link) => (link, None, None),
        Resolution::Original(found) => (found.link, Some(found.original), None),
        Resolution::Pair { from, to } => (from, None, Some(to)),
    };
    let named = || original.expect("this action names an operation");
    let other = || receiver.expect("this action names two members").member;
    let action = match ask {
        Ask::Earn(bought) => Action::Earn(bought),
        Ask::Burn(amount) => Action::Burn(amount),
        Ask::Authorize(amount) => Action::Authorize(amount),
        Ask::Capture(points) => Action::Capture { original: named(), points },
        Ask::Void => Action::Void { original: named() },
        Ask::Reverse(part) => Action::Reverse { original: named(), part },
        Ask::Exchange(amount) => Action::Exchange(amount),
        Ask::Transfer(points) => Action::Transfer { to: other(), points },
        Ask::Donate { charity, points } => Action::Donate { charity, points },
    };
    (link, receiver, action)
}
