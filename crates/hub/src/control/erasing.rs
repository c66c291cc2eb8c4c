//! Erasures. What is personal of a member goes for good, and what it still has expires, in one
//! transaction under its head; a journal of the ids is kept, and applied again to a database that was
//! restored from before.

use std::sync::Arc;

use entente_api::{
    error::ErrorReason,
    member::{EraseMemberRequest, EraseMemberResponse},
};
use entente_ledger::{Cell, MemberId, Points, RequestId};
use entente_loyalty::{Catalogue, PartnerCode};
use entente_store::{
    StoreError,
    batch::Heads,
    control::{Control, NoHeads},
    erasing::{self, Erasure},
    linking::{self, FoundLink},
    security::SecurityEventKind,
};
use sqlx::PgPool;

use super::{Answer, Controls, Write, member_unknown, partner_unknown};
use crate::{
    catalogue::CatalogueCache,
    error::Refused,
    parse::MemberReference,
    posting::erasing::expire_everything,
    security::{Actor, record},
};

/// Removes what is personal of a member.
#[derive(Debug, Clone)]
pub struct EraseMember {
    /// The brand that knows the member,
    pub partner: PartnerCode,
    /// by this reference.
    pub reference: MemberReference,
    /// Who approves it,
    pub by: Actor,
    /// and which proposal that is.
    pub proposal: RequestId,
    controls: Option<Controls>,
}

/// What was removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Erased {
    /// Points that the member still had.
    pub points: Points,
    /// How many brands knew it.
    pub links: u64,
}

/// What came of a journal.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Applied {
    /// Members that were erased again.
    pub erased: u64,
    /// Members that had been already.
    pub known: u64,
}

impl EraseMember {
    /// An erasure that nobody has approved yet.
    #[must_use]
    pub const fn of(partner: PartnerCode, reference: MemberReference, id: RequestId) -> Self {
        let by = Actor { name: String::new(), certificate: None };
        Self { partner, reference, by, proposal: id, controls: None }
    }
}

impl Write for EraseMember {
    type Request = EraseMemberRequest;
    type Locks = NoHeads;

    fn take(&mut self, controls: &Controls) {
        self.controls = Some(controls.clone());
    }

    async fn act(
        &self,
        control: &mut Control<NoHeads>,
        catalogue: &Catalogue,
    ) -> Result<Result<Answer<Self::Request>, Refused>, StoreError> {
        let controls = self.controls.as_ref().expect("whoever runs a write gives it its means");
        let Some(partner) = catalogue.by_code(self.partner.as_str()) else {
            return Ok(Err(partner_unknown()));
        };
        let reference = controls.vault().lookup(partner.id, &self.reference);
        let found = linking::find_link(control.connection(), partner.id, &reference).await?;
        let Some(FoundLink { cell, member, link_token, .. }) = found else {
            return Ok(Err(member_unknown()));
        };
        let now = control.now();
        let of = (cell, member);
        let (heads, members) = lock(control, of).await?;
        let still = linking::link_by_token(control.connection(), partner.id, member, link_token);
        if still.await?.is_none() {
            // Merged or unlinked meanwhile: another run sees.
            return Err(StoreError::Claimed);
        }
        if erasing::has_open_holds(control.connection(), of, now).await? {
            let message = "points of the member are held";
            return Ok(Err(Refused::new(ErrorReason::HoldsOpen, message)));
        }
        let Erased { points, links } =
            erase(control, controls.catalogue(), (&heads, &members), self.proposal).await?;
        let details = serde_json::json!({ "proposal": self.proposal.0.to_string() });
        let (kind, subject) = (SecurityEventKind::MemberErased, link_token.to_string());
        record(control.connection(), kind, &self.by, &subject, &details).await?;
        Ok(Ok(Answer::of(EraseMemberResponse {
            points_expired: points.0,
            links_removed: i64::try_from(links).unwrap_or(i64::MAX),
            replayed: false,
        })))
    }
}

/// A member and whoever was merged into it, itself first, each in its cell.
type Whole = Vec<(Cell, MemberId)>;

/// Locks the heads of a member's cell and of the cells of whoever was merged into it.
async fn lock(
    control: &mut Control<NoHeads>,
    of: (Cell, MemberId),
) -> Result<(Heads, Whole), StoreError> {
    let batch = control.batch();
    let members = erasing::whole(batch.connection(), of).await?;
    let cells: Vec<_> = members.iter().map(|(cell, _)| *cell).collect();
    let heads = batch.lock_heads(&cells).await?;
    if erasing::whole(batch.connection(), of).await?.len() != members.len() {
        // Somebody was merged into it meanwhile, or taken out of it: another run sees.
        return Err(StoreError::Claimed);
    }
    Ok((heads, members))
}

/// Erases a member and whoever was merged into it, under the heads of all: what comes back into a lot
/// of either expires too.
async fn erase(
    control: &mut Control<NoHeads>,
    cache: &CatalogueCache,
    (heads, members): (&Heads, &Whole),
    proposal: RequestId,
) -> Result<Erased, StoreError> {
    let batch = control.batch();
    let catalogue = cache.at_least(heads.catalogue_epoch).await?;
    let (kept, merged) = members.split_first().expect("itself first");
    let points = expire_everything(batch, heads, &catalogue, *kept).await?;
    for of in merged {
        erasing::end_lots(batch.connection(), *of, heads.now).await?;
    }
    let links = erasing::erase(batch.connection(), members, heads.now, proposal).await?;
    Ok(Erased { points, links })
}

/// Applies a journal to a database that was restored: members that are not erased there are. Held
/// points expire when their holds end.
pub async fn apply_journal(pool: &PgPool, journal: &[Erasure]) -> Result<Applied, StoreError> {
    let cache: Arc<CatalogueCache> = CatalogueCache::load(pool.clone()).await?;
    let mut applied = Applied::default();
    for erasure in journal {
        let mut control = Control::begin_without_heads(pool).await?;
        if erasing::is_erased(control.connection(), erasure.member).await? {
            control.rollback().await?;
            applied.known += 1;
            continue;
        }
        let cell = erasure.member.cell(control.ledger().cell_count);
        let (heads, members) = lock(&mut control, (cell, erasure.member)).await?;
        erase(&mut control, &cache, (&heads, &members), erasure.proposal).await?;
        control.commit().await?;
        applied.erased += 1;
    }
    Ok(applied)
}
