//! A merge is taken back by either brand that asked for it. A member may turn to either, and what each
//! needs is its own request and its own link; operators have no member in front of them.

use std::sync::Arc;

use entente_api::{
    error::ErrorReason,
    member::{UnmergeMembersRequest, UnmergeMembersResponse},
};
use entente_ledger::{MemberId, PartnerId, RequestId};
use entente_loyalty::Catalogue;
use entente_store::{
    StoreError,
    control::{Control, NoHeads},
    linking::{self, Merge, MergeBy},
};
use uuid::Uuid;

use crate::{
    catalogue::CatalogueCache,
    control::{Answer, Write, events, partner_unknown},
    error::Refused,
    posting::merging::{self, Pair},
    security::Actor,
};

/// Takes a merge back.
#[derive(Debug, Clone)]
pub struct UnmergeMembers {
    /// The partner that calls,
    pub partner: PartnerId,
    /// and by what certificate.
    pub actor: Actor,
    /// The request.
    pub id: RequestId,
    /// Which merge.
    pub by: MergeBy,
    /// What it is decided by.
    pub catalogue: Arc<CatalogueCache>,
}

impl Write for UnmergeMembers {
    type Request = UnmergeMembersRequest;
    type Locks = NoHeads;

    async fn act(
        &self,
        control: &mut Control<NoHeads>,
        _: &Catalogue,
    ) -> Result<Result<Answer<Self::Request>, Refused>, StoreError> {
        let Some(merge) = self.find(control).await? else { return Ok(Err(not_reversible())) };
        let pair = self.pair(&merge);
        let heads = control.batch().lock_heads(&pair.cells()).await?;
        // Taken back meanwhile, by the other brand perhaps.
        if self.find(control).await? != Some(merge) {
            return Ok(Err(not_reversible()));
        }
        let token = self.token(&merge);
        if self.link(control, merge.kept.1, token).await?.is_none() {
            return Ok(Err(not_reversible()));
        }
        let catalogue = self.catalogue.at_least(heads.catalogue_epoch).await?;
        let Some(caller) = catalogue.partner(self.partner) else {
            return Ok(Err(partner_unknown()));
        };
        let legs = match merging::post(control.batch(), &heads, &catalogue, &pair).await? {
            Ok(legs) => legs,
            Err(refusal) => return Ok(Err(Refused::of_refusal(&refusal, caller, heads.now))),
        };
        let of = self.link(control, merge.absorbed.1, token).await?.unwrap_or(merge.kept.1);
        let connection = control.connection();
        linking::end_merge(&mut *connection, merge.key).await?;
        events::unmerged(connection, &self.actor, (merge.key.1, self.id)).await?;
        let response = UnmergeMembersResponse {
            operation: Some(legs.operation(caller, token)),
            balances: Some(legs.balances_of(of)),
            replayed: false,
        };
        Ok(Ok(Answer { response, place: Some(legs.place()) }))
    }
}

impl UnmergeMembers {
    async fn find(&self, control: &mut Control<NoHeads>) -> Result<Option<Merge>, StoreError> {
        linking::find_merge(control.connection(), self.partner, self.by).await
    }

    fn pair(&self, merge: &Merge) -> Pair {
        Pair {
            partner: self.partner,
            request_id: self.id,
            first: merge.kept,
            second: merge.absorbed,
            is_merged: true,
        }
    }

    /// The caller's own link of the time of the merge.
    const fn token(&self, merge: &Merge) -> Uuid {
        match self.by {
            MergeBy::Code(_) => merge.issuer_token,
            MergeBy::Redemption(_) => merge.target_token,
        }
    }

    /// The member, if the caller's link is one of its.
    async fn link(
        &self,
        control: &mut Control<NoHeads>,
        member: MemberId,
        token: Uuid,
    ) -> Result<Option<MemberId>, StoreError> {
        let connection = control.connection();
        let link = linking::link_by_token(connection, self.partner, member, token);
        Ok(link.await?.map(|link| link.member))
    }
}

/// One refusal, whether there is no such merge, or the caller is no longer linked.
fn not_reversible() -> Refused {
    Refused::new(ErrorReason::MergeNotReversible, "the merge cannot be taken back")
}
