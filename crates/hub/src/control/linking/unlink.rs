//! A link ends: its partner removes it, or the brand that confirmed it takes it back.

use entente_api::member::{UnlinkRequest, UnlinkResponse};
use entente_ledger::{PartnerId, RequestId};
use entente_loyalty::Catalogue;
use entente_store::{
    StoreError,
    control::{Control, NoHeads},
    linking::{self, CodeState, FoundLink},
    personal::Lookup,
};

use super::link_unknown;
use crate::{
    control::{Answer, Write, events, members::member_unknown},
    error::Refused,
    security::Actor,
};

/// Ends a link.
#[derive(Debug, Clone)]
pub struct Unlink {
    /// The partner that calls,
    pub partner: PartnerId,
    /// and by what certificate.
    pub actor: Actor,
    /// Which link.
    pub by: UnlinkBy,
}

/// How a link is named.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum UnlinkBy {
    /// The partner's own, by its reference.
    Reference(Lookup),
    /// The one that a code of the partner made at another.
    Code(RequestId),
}

impl Write for Unlink {
    type Request = UnlinkRequest;
    type Locks = NoHeads;

    async fn act(
        &self,
        control: &mut Control<NoHeads>,
        _: &Catalogue,
    ) -> Result<Result<Answer<Self::Request>, Refused>, StoreError> {
        let ended = match &self.by {
            UnlinkBy::Reference(reference) => self.own(control, reference).await?,
            UnlinkBy::Code(id) => self.take_back(control, *id).await?,
        };
        Ok(ended.map(|()| Answer::of(UnlinkResponse { replayed: false })))
    }
}

impl Unlink {
    async fn own(
        &self,
        control: &mut Control<NoHeads>,
        reference: &Lookup,
    ) -> Result<Result<(), Refused>, StoreError> {
        let found = linking::find_link(control.connection(), self.partner, reference).await?;
        let Some(link) = found else { return Ok(Err(member_unknown())) };
        if self.remove(control, self.partner, &link).await? {
            Ok(Ok(()))
        } else {
            // Removed meanwhile, and perhaps made anew: another run sees.
            Err(StoreError::Claimed)
        }
    }

    /// Whether the other brand has removed it already is that brand's affair: it is not told.
    async fn take_back(
        &self,
        control: &mut Control<NoHeads>,
        id: RequestId,
    ) -> Result<Result<(), Refused>, StoreError> {
        let now = control.now();
        let code = linking::lock(control.connection(), (self.partner, id)).await?;
        let Some(code) = code.filter(|code| now < code.expires_at) else {
            return Ok(Err(link_unknown()));
        };
        let CodeState::Confirmed(token) = code.state else { return Ok(Err(link_unknown())) };
        let (target, member) = (code.target, code.member);
        let link = linking::link_by_token(control.connection(), target, member, token).await?;
        if let Some(link) = link {
            self.remove(control, target, &link).await?;
        }
        Ok(Ok(()))
    }

    /// Under the head of the member's cell: every batch that saw the link has committed, and the next
    /// one does not see it, on whichever hub.
    async fn remove(
        &self,
        control: &mut Control<NoHeads>,
        partner: PartnerId,
        link: &FoundLink,
    ) -> Result<bool, StoreError> {
        let now = control.now();
        let connection = control.connection();
        linking::lock_head(&mut *connection, link.cell).await?;
        let removed = linking::remove(&mut *connection, partner, link, now).await?;
        if removed {
            let taken_back = partner != self.partner;
            events::unlinked(connection, &self.actor, (link.link_token, taken_back)).await?;
        }
        Ok(removed)
    }
}
