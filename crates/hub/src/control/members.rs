//! References that operators attach. They lock their member's head alone, so that no merge leaves them
//! behind; until the commit nobody knows the new link.

use std::sync::Arc;

use entente_api::{
    error::ErrorReason,
    member::{AttachReferenceRequest, AttachReferenceResponse},
};
use entente_ledger::PartnerId;
use entente_loyalty::{Catalogue, PartnerCode};
use entente_store::{
    ResolvedLink, StoreError,
    control::{Control, NoHeads},
    linking,
    member::{self, NewLink},
    personal::Lookup,
    resolve_links,
};
use sqlx::PgConnection;

use super::{Answer, Controls, Write, linking::member_key, partners::partner_unknown};
use crate::{error::Refused, ids, parse::MemberReference, personal::Vault};

/// Gives a member of one brand a reference at another.
#[derive(Debug, Clone)]
pub struct AttachReference {
    /// The brand that knows the member,
    pub partner: PartnerCode,
    /// by this reference.
    pub reference: MemberReference,
    /// The brand that gets
    pub target_partner: PartnerCode,
    /// this reference.
    pub target_reference: MemberReference,
    /// How references are found and kept: of an act that is only looked at, nothing.
    pub vault: Option<Arc<Vault>>,
}

impl Write for AttachReference {
    type Request = AttachReferenceRequest;
    type Locks = NoHeads;

    fn take(&mut self, controls: &Controls) {
        self.vault = Some(Arc::clone(controls.vault()));
    }

    async fn act(
        &self,
        control: &mut Control<NoHeads>,
        catalogue: &Catalogue,
    ) -> Result<Result<Answer<Self::Request>, Refused>, StoreError> {
        let partner = |code: &PartnerCode| {
            catalogue.by_code(code.as_str()).map(|found| (found.id, found.testing))
        };
        let (Some(source), Some(target)) = (partner(&self.partner), partner(&self.target_partner))
        else {
            return Ok(Err(partner_unknown()));
        };
        let ((source, tests), (target, target_tests)) = (source, target);
        let linked_at = control.now();
        let connection = control.connection();
        let vault = self.vault.as_ref().expect("whoever runs a write gives it the vault");
        let reference = vault.lookup(source, &self.reference);
        let Some(known) = known(connection, source, reference).await? else {
            return Ok(Err(member_unknown()));
        };
        linking::lock_head(&mut *connection, known.cell).await?;
        if self::known(&mut *connection, source, reference).await? != Some(known) {
            // Merged or unlinked meanwhile: another run sees.
            return Err(StoreError::Claimed);
        }
        if tests != target_tests {
            return Ok(Err(testing_apart("one of these partners tests, and the other does not")));
        }
        let key = member_key(&mut *connection, vault, (known.cell, known.member)).await?;
        let reference = vault.seal_reference(&key, (target, known.member), &self.target_reference);
        let link = NewLink {
            partner: target,
            reference: &reference,
            member: known.member,
            cell: known.cell,
            link_token: ids::link_token(),
            linked_at,
            // Two operators have seen to it; what an earlier link holds back stays held back.
            burns_others_from: None,
        };
        let created = member::insert_link(&mut *connection, &link).await?;
        if !created && let Err(refused) = attached_before(connection, &link).await? {
            return Ok(Err(refused));
        }
        Ok(Ok(Answer::of(AttachReferenceResponse { created, replayed: false })))
    }
}

/// The refusal of a reference that the partner has no member by.
#[must_use]
pub(crate) fn member_unknown() -> Refused {
    Refused::new(ErrorReason::MemberUnknown, "this partner has no member by this reference")
}

/// The refusal to do anything about a member whose personal data is gone.
#[must_use]
pub(crate) fn member_erased() -> Refused {
    Refused::new(ErrorReason::MemberErased, "the member was erased")
}

/// The refusal to mix what is tested with what is settled.
#[must_use]
pub(crate) fn testing_apart(message: &'static str) -> Refused {
    Refused::new(ErrorReason::TestingApart, message)
}

/// Whether what stands in a link's way is the link itself.
async fn attached_before(
    connection: &mut PgConnection,
    link: &NewLink<'_>,
) -> Result<Result<(), Refused>, StoreError> {
    let (lookup, member) = (&link.reference.lookup, link.member);
    let taken = member::taken_links(connection, link.partner, lookup, member).await?;
    let of_reference = taken.iter().find(|taken| taken.same_reference);
    Ok(match of_reference {
        Some(same) if same.member == link.member => Ok(()),
        Some(_) => {
            let message = "the reference belongs to another member";
            Err(Refused::new(ErrorReason::ReferenceTaken, message))
        }
        None => {
            let message = "the member has another reference at this partner";
            Err(Refused::new(ErrorReason::MemberAlreadyLinked, message))
        }
    })
}

async fn known(
    connection: &mut PgConnection,
    partner: PartnerId,
    reference: Lookup,
) -> Result<Option<ResolvedLink>, StoreError> {
    let key = (partner, reference);
    Ok(resolve_links(connection, std::slice::from_ref(&key)).await?.remove(&key))
}
