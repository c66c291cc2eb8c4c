//! A code is made where the member is linked, for one other brand.

use std::sync::Arc;

use entente_api::member::{CreateLinkCodeRequest, CreateLinkCodeResponse};
use entente_ledger::{PartnerId, RequestId};
use entente_loyalty::{Catalogue, PartnerCode};
use entente_store::{
    StoreError,
    control::{Control, NoHeads},
    linking::{self, CodeState, LinkCode},
    personal::Lookup,
};

use super::{CODE_LIFE, after, unless_suspended};
use crate::{
    control::{Answer, Write, events, members::member_unknown, partner_unknown},
    error::Refused,
    linking::LinkKey,
    parse::wire_timestamp,
    security::Actor,
};

/// Makes a code.
#[derive(Debug, Clone)]
pub struct CreateLinkCode {
    /// The partner that calls,
    pub issuer: PartnerId,
    /// and by what certificate.
    pub actor: Actor,
    /// Whether it tests.
    pub testing: bool,
    /// The request, which names the code.
    pub id: RequestId,
    /// Its own reference of the member.
    pub reference: Lookup,
    /// The brand where the code is typed.
    pub target: PartnerCode,
    /// Whether a wallet there may be merged.
    pub allow_merge: bool,
    /// What the code is derived from.
    pub key: Arc<LinkKey>,
}

impl Write for CreateLinkCode {
    type Request = CreateLinkCodeRequest;
    type Locks = NoHeads;

    /// The answer is kept with the request, so it has no code: who sends it derives that.
    async fn act(
        &self,
        control: &mut Control<NoHeads>,
        catalogue: &Catalogue,
    ) -> Result<Result<Answer<Self::Request>, Refused>, StoreError> {
        let (now, issuer) = (control.now(), self.issuer);
        let link = linking::find_link(control.connection(), issuer, &self.reference).await?;
        let Some(link) = link else { return Ok(Err(member_unknown())) };
        let Some(target) = self.target(catalogue) else { return Ok(Err(partner_unknown())) };
        if let Err(refused) = unless_suspended(control, issuer).await? {
            return Ok(Err(refused));
        }
        let code = LinkCode {
            key: (issuer, self.id),
            hash: self.key.hash(target, &self.key.code(issuer, self.id)),
            target,
            member: link.member,
            cell: link.cell,
            issuer_token: link.link_token,
            allow_merge: self.allow_merge,
            expires_at: after(now, CODE_LIFE),
            state: CodeState::Open,
        };
        let connection = control.connection();
        linking::forget_expired(&mut *connection, now).await?;
        linking::forget_tries(&mut *connection, now).await?;
        if !linking::insert(&mut *connection, &code).await? {
            // Two codes in 10^11 are alike: this one is free once the other has ended.
            return Ok(Err(Refused::overloaded()));
        }
        let made = (self.id, self.target.as_str());
        events::code_created(connection, &self.actor, made).await?;
        let expires_at = Some(wire_timestamp(code.expires_at));
        let response = CreateLinkCodeResponse { expires_at, ..CreateLinkCodeResponse::default() };
        Ok(Ok(Answer::of(response)))
    }
}

impl CreateLinkCode {
    /// Another brand of the same kind. That one exists for tests is told to none that does not test.
    fn target(&self, catalogue: &Catalogue) -> Option<PartnerId> {
        let target = catalogue.by_code(self.target.as_str())?;
        let other = target.id != self.issuer && target.testing == self.testing;
        other.then_some(target.id)
    }
}
