//! A partner links a member of its own: at first sight with a new wallet.

use std::sync::Arc;

use entente_api::member::{LinkMemberRequest, LinkMemberResponse};
use entente_ledger::PartnerId;
use entente_loyalty::Catalogue;
use entente_store::{
    StoreError,
    control::{Control, NoHeads},
    linking::{self, ConsentKind},
    member::{self, NewLink},
};
use uuid::Uuid;

use super::{member_key, unless_suspended, use_up};
use crate::{
    control::{Answer, Write, events},
    error::Refused,
    ids,
    linking::Asserted,
    personal::Vault,
};

/// Links a member of a partner.
#[derive(Debug, Clone)]
pub struct LinkMember {
    /// The partner that calls.
    pub partner: PartnerId,
    /// What it asserts.
    pub asserted: Asserted,
    /// How it is kept.
    pub vault: Arc<Vault>,
}

impl Write for LinkMember {
    type Request = LinkMemberRequest;
    type Locks = NoHeads;

    async fn act(
        &self,
        control: &mut Control<NoHeads>,
        _: &Catalogue,
    ) -> Result<Result<Answer<Self::Request>, Refused>, StoreError> {
        if let Err(refused) = unless_suspended(control, self.partner).await? {
            return Ok(Err(refused));
        }
        if let Err(refused) = use_up(control, &self.asserted).await? {
            return Ok(Err(refused));
        }
        let (link_token, created) = self.link(control).await?;
        let member_token = link_token.to_string();
        Ok(Ok(Answer::of(LinkMemberResponse { member_token, created, replayed: false })))
    }
}

impl LinkMember {
    /// The token of the reference's link, and whether it was made now.
    async fn link(&self, control: &mut Control<NoHeads>) -> Result<(Uuid, bool), StoreError> {
        let (cell_count, now) = (control.ledger().cell_count, control.now());
        let connection = control.connection();
        let (member, link_token) = (ids::member(), ids::link_token());
        let cell = member.cell(cell_count);
        let (partner, vault, mut key) = (self.partner, &self.vault, self.vault.new_key());
        let reference = vault.seal_reference(&key, (partner, member), &self.asserted.reference);
        let link = NewLink {
            partner,
            reference: &reference,
            member,
            cell,
            link_token,
            linked_at: now,
            burns_others_from: None,
        };
        let created = member::insert_link(&mut *connection, &link).await?;
        let known = if created {
            let wrapped = vault.wrap(member, &key);
            member::insert_wallet(&mut *connection, member, cell, &wrapped).await?;
            (partner, member, link_token)
        } else {
            let found = linking::find_link(&mut *connection, partner, &reference.lookup).await?;
            // Removed since: another run makes it.
            let found = found.ok_or(StoreError::Claimed)?;
            key = member_key(&mut *connection, vault, (found.cell, found.member)).await?;
            (partner, found.member, found.link_token)
        };
        let consent = vault.seal_consent(&key, (partner, known.1), &self.asserted.consent);
        let kind = ConsentKind::Linked;
        linking::record_consent(&mut *connection, known, kind, &consent, now).await?;
        if created {
            events::linked(connection, &self.asserted.actor, (link_token, None)).await?;
        }
        Ok((known.2, created))
    }
}
