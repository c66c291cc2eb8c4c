//! A redeemed code is confirmed where it was made, by the number that the member has read at the
//! other brand. One wrong number ends the code.

use std::sync::Arc;

use entente_api::member::{ConfirmLinkRequest, ConfirmLinkResponse};
use entente_ledger::{PartnerId, RequestId};
use entente_loyalty::Catalogue;
use entente_store::{
    StoreError,
    control::{Control, NoHeads},
    linking::{self, CodeState, ConsentKind, LinkCode, Redeemed},
    member::{self, NewLink},
};
use jiff::{SignedDuration, Timestamp};
use uuid::Uuid;

use super::{after, code_refused, link_unknown, member_key, not_pending, unless_suspended, use_up};
use crate::{
    catalogue::CatalogueCache,
    control::{Answer, Write, events},
    error::Refused,
    ids,
    linking::Asserted,
    parse::wire_timestamp,
    personal::Vault,
};

/// Confirms a link.
#[derive(Debug, Clone)]
pub struct ConfirmLink {
    /// The partner that calls: the one that made the code.
    pub partner: PartnerId,
    /// The request.
    pub id: RequestId,
    /// What it asserts of the member.
    pub asserted: Asserted,
    /// The code, by the request that made it.
    pub code: RequestId,
    /// What the member typed.
    pub number: i32,
    /// For how long burning is held back, and the link can be taken back.
    pub hold_back: SignedDuration,
    /// What a merge is decided by.
    pub catalogue: Arc<CatalogueCache>,
    /// How references are found, and consents kept.
    pub vault: Arc<Vault>,
}

impl Write for ConfirmLink {
    type Request = ConfirmLinkRequest;
    type Locks = NoHeads;

    async fn act(
        &self,
        control: &mut Control<NoHeads>,
        catalogue: &Catalogue,
    ) -> Result<Result<Answer<Self::Request>, Refused>, StoreError> {
        let now = control.now();
        if let Err(refused) = unless_suspended(control, self.partner).await? {
            return Ok(Err(refused));
        }
        if let Err(refused) = use_up(control, &self.asserted).await? {
            return Ok(Err(refused));
        }
        let Some(code) = self.own_code(control).await? else { return Ok(Err(link_unknown())) };
        let is_suspended = catalogue.partner(code.target).is_none_or(|target| target.suspended);
        let redeemed = match &code.state {
            CodeState::Pending(redeemed) if now < code.expires_at && !is_suspended => redeemed,
            CodeState::Open | CodeState::Pending(_) | CodeState::Confirmed(_) => {
                return Ok(Err(not_pending()));
            }
        };
        if i32::from(redeemed.number) != self.number {
            let connection = control.connection();
            linking::end(&mut *connection, code.key).await?;
            events::number_tried(connection, &self.asserted.actor, (self.code, false)).await?;
            return Ok(Err(code_refused()));
        }
        if let Some(merging) = redeemed.merges {
            return self.merge(control, &code, (redeemed, merging)).await;
        }
        let until = after(now, self.hold_back);
        let Some(token) = self.link(control, &code, redeemed, until).await? else {
            return Ok(Err(not_pending()));
        };
        self.record(control, &code, redeemed, token).await?;
        linking::confirm(control.connection(), code.key, token, until).await?;
        let takes_back_until = Some(wire_timestamp(until));
        let response = ConfirmLinkResponse { takes_back_until, ..ConfirmLinkResponse::default() };
        Ok(Ok(Answer::of(response)))
    }
}

impl ConfirmLink {
    /// The code, if it is this partner's, of the member that it asserts, by the link that it was made
    /// for.
    async fn own_code(
        &self,
        control: &mut Control<NoHeads>,
    ) -> Result<Option<LinkCode>, StoreError> {
        let connection = control.connection();
        let reference = self.vault.lookup(self.partner, &self.asserted.reference);
        let link = linking::find_link(&mut *connection, self.partner, &reference).await?;
        let code = linking::lock(connection, (self.partner, self.code)).await?;
        let of_link = |code: &LinkCode| {
            link.is_some_and(|link| {
                (link.member, link.link_token) == (code.member, code.issuer_token)
            })
        };
        Ok(code.filter(of_link))
    }

    /// Makes the link at the other brand. `None` when that brand's links have changed meanwhile, or
    /// the member's own: under its head, nobody merges it.
    async fn link(
        &self,
        control: &mut Control<NoHeads>,
        code: &LinkCode,
        redeemed: &Redeemed,
        until: Timestamp,
    ) -> Result<Option<Uuid>, StoreError> {
        let linked_at = control.now();
        let connection = control.connection();
        linking::lock_head(&mut *connection, code.cell).await?;
        let (issuer, token) = (self.partner, code.issuer_token);
        let own = linking::link_by_token(&mut *connection, issuer, code.member, token).await?;
        if own.is_none() {
            return Ok(None);
        }
        let held_back = until > linked_at;
        if held_back {
            linking::hold_back(&mut *connection, code.target, code.member, until).await?;
        }
        let link_token = ids::link_token();
        let link = NewLink {
            partner: code.target,
            reference: &redeemed.reference,
            member: code.member,
            cell: code.cell,
            link_token,
            linked_at,
            burns_others_from: held_back.then_some(until),
        };
        Ok(member::insert_link(connection, &link).await?.then_some(link_token))
    }

    /// Both consents, and that the link was made.
    pub(super) async fn record(
        &self,
        control: &mut Control<NoHeads>,
        code: &LinkCode,
        redeemed: &Redeemed,
        token: Uuid,
    ) -> Result<(), StoreError> {
        let now = control.now();
        let connection = control.connection();
        let (there, here) = ((code.target, token), (self.partner, code.issuer_token));
        let (vault, member) = (&self.vault, code.member);
        let key = member_key(&mut *connection, vault, (code.cell, member)).await?;
        let own = vault.seal_consent(&key, (self.partner, member), &self.asserted.consent);
        for ((partner, token), kind, consent) in [
            (there, ConsentKind::Redeemed, &redeemed.consent),
            (here, ConsentKind::Confirmed, &own),
        ] {
            let of = (partner, code.member, token);
            linking::record_consent(&mut *connection, of, kind, consent, now).await?;
        }
        let actor = &self.asserted.actor;
        events::number_tried(&mut *connection, actor, (self.code, true)).await?;
        events::linked(connection, actor, (token, Some(self.code))).await
    }
}
