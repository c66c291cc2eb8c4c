//! Acts about a member: what they say of it, and why, is sealed, and a proposal without it is all that
//! stays of them when the member is erased.

use std::sync::Arc;

use entente_api::proposal::{Act, ProposeRequest, act::Act as OneAct};
use entente_ledger::{Cell, MemberId, RequestId};
use entente_loyalty::{Catalogue, PartnerCode};
use entente_store::{
    StoreError, linking,
    proposals::{End, Proposal, Words},
};
use prost::Message;
use sqlx::PgConnection;

use crate::{
    parse::MemberReference,
    personal::{Unreadable, Vault},
};

/// What is sealed: the act and why, or why it was ended.
const ACT: &[u8] = b"act";
const DECISION: &[u8] = b"decision";

/// Whom an act is about: a partner, and its reference.
pub type Subject = (PartnerCode, MemberReference);

/// An act that may be about a member.
pub trait About {
    /// The member, as the act names it.
    fn about(&self) -> Option<Subject> {
        None
    }
}

/// An act about a member, encoded, without what is personal in it.
pub(super) fn redacted(act: &[u8]) -> Result<Vec<u8>, prost::DecodeError> {
    let mut act = Act::decode(act)?;
    match &mut act.act {
        Some(OneAct::AttachReference(attach)) => {
            attach.member_reference.clear();
            attach.target_member_reference.clear();
        }
        Some(OneAct::EraseMember(erase)) => erase.member_reference.clear(),
        Some(
            OneAct::PublishTerms(_)
            | OneAct::RegisterKey(_)
            | OneAct::GrantRoles(_)
            | OneAct::ArrangeSettlement(_)
            | OneAct::Adjust(_)
            | OneAct::WriteOff(_)
            | OneAct::BuyBlock(_)
            | OneAct::ConvertCurrency(_),
        )
        | None => {}
    }
    Ok(act.encode_to_vec())
}

/// The member behind a subject, if it is linked.
pub(super) async fn member(
    connection: &mut PgConnection,
    catalogue: &Catalogue,
    vault: &Vault,
    (partner, reference): &Subject,
) -> Result<Option<(Cell, MemberId)>, StoreError> {
    let Some(partner) = catalogue.by_code(partner.as_str()) else { return Ok(None) };
    let reference = vault.lookup(partner.id, reference);
    let link = linking::find_link(connection, partner.id, &reference).await?;
    Ok(link.map(|link| (link.cell, link.member)))
}

/// An act about a member, encoded, and why it is proposed.
pub(super) fn seal(
    vault: &Vault,
    id: RequestId,
    act: &[u8],
    reason: &str,
) -> Result<Vec<u8>, prost::DecodeError> {
    let (act, reason) = (Some(Act::decode(act)?), reason.to_owned());
    let said = ProposeRequest { request_id: String::new(), reason, act };
    Ok(vault.seal_act((id, ACT), &said.encode_to_vec()))
}

/// Why a proposal is ended, as it is kept.
pub(super) fn words(vault: &Arc<Vault>, proposal: &Proposal, reason: &str) -> Words {
    if !is_about_a_member(proposal) {
        return Words::Plain(reason.to_owned());
    }
    Words::Sealed(Some(vault.seal_act((proposal.made.id, DECISION), reason.as_bytes())))
}

/// Whether what it says is sealed, or was: any other has a reason.
pub(super) fn is_about_a_member(proposal: &Proposal) -> bool {
    proposal.made.reason.is_empty()
}

/// A proposal with what is sealed of it; what was erased stays away.
pub(crate) fn opened(vault: &Vault, mut proposal: Proposal) -> Result<Proposal, StoreError> {
    let id = proposal.made.id;
    let unreadable = |_| Unreadable::of("proposals", id.0);
    if let Some(sealed) = &proposal.made.sealed {
        let said = vault.open_act((id, ACT), sealed).map_err(unreadable)?;
        let said = ProposeRequest::decode(said.as_slice());
        let said = said.map_err(|_| Unreadable::of("proposals", id.0))?;
        proposal.made.act = said.act.unwrap_or_default().encode_to_vec();
        proposal.made.reason = said.reason;
    }
    if let Some(decision) = &mut proposal.decision
        && let End::Rejected(words) | End::Withdrawn(words) = &mut decision.end
        && let Words::Sealed(Some(sealed)) = words
    {
        let reason = vault.open_act((id, DECISION), sealed).map_err(unreadable)?;
        *words = Words::Plain(String::from_utf8_lossy(&reason).into_owned());
    }
    Ok(proposal)
}
