//! A code is typed at the brand that it is for. Every code that is not good takes the same way to the
//! same refusal; what is counted stays counted, since that refusal is kept.

use std::sync::Arc;

use entente_api::{
    error::ErrorReason,
    member::{RedeemLinkCodeRequest, RedeemLinkCodeResponse},
};
use entente_ledger::{PartnerId, RequestId};
use entente_loyalty::Catalogue;
use entente_store::{
    StoreError,
    control::{Control, NoHeads},
    linking::{self, CodeState, LinkCode, Merging, Redeemed},
    member,
};

use super::{PENDING_LIFE, after, code_refused, member_key, unless_suspended, use_up};
use crate::{
    config::LinkingSettings,
    control::{Answer, Write, events},
    error::Refused,
    linking::{Asserted, LinkKey, TypedCode},
    parse::wire_timestamp,
    personal::Vault,
};

/// Takes a code.
#[derive(Debug, Clone)]
pub struct RedeemLinkCode {
    /// The partner that calls.
    pub partner: PartnerId,
    /// The request.
    pub id: RequestId,
    /// What it asserts, of this code.
    pub asserted: Asserted,
    /// What was typed.
    pub code: TypedCode,
    /// How codes are known.
    pub key: Arc<LinkKey>,
    /// How the reference is kept.
    pub vault: Arc<Vault>,
    /// How often codes may be tried.
    pub settings: LinkingSettings,
}

impl Write for RedeemLinkCode {
    type Request = RedeemLinkCodeRequest;
    type Locks = NoHeads;

    async fn act(
        &self,
        control: &mut Control<NoHeads>,
        catalogue: &Catalogue,
    ) -> Result<Result<Answer<Self::Request>, Refused>, StoreError> {
        if let Err(refused) = unless_suspended(control, self.partner).await? {
            return Ok(Err(refused));
        }
        if let Err(refused) = use_up(control, &self.asserted).await? {
            return Ok(Err(refused));
        }
        if !self.may_try(control).await? {
            let message = "too many link codes were tried";
            return Ok(Err(Refused::new(ErrorReason::LinkTriesSpent, message)));
        }
        let now = control.now();
        let hash = self.key.hash(self.partner, &self.code);
        let code = linking::find(control.connection(), &hash).await?;
        let good = code.filter(|code| {
            code.target == self.partner && code.state == CodeState::Open && now < code.expires_at
        });
        let good = self.still_linked(control, good).await?;
        // The partner is known by now, so its issuer is in the catalogue too.
        let issuer = good.and_then(|code| {
            let issuer = catalogue.partner(code.key.0).filter(|issuer| !issuer.suspended)?;
            Some((issuer.code.to_string(), code))
        });
        let Some((issuing_partner, code)) = issuer else { return self.wrong(control).await };
        events::code_tried(control.connection(), &self.asserted.actor, (self.id, true)).await?;
        let merges = match self.own_wallet(control, &code).await? {
            Ok(merges) => merges,
            Err(refused) => return Ok(Err(refused)),
        };
        let number = self.key.number(&hash, self.id);
        let expires_at = after(now, PENDING_LIFE);
        let (vault, of) = (&self.vault, (self.partner, code.member));
        let of_member = (code.cell, code.member);
        let member_key = member_key(control.connection(), vault, of_member).await?;
        let redeemed = Redeemed {
            number,
            reference: vault.seal_reference(&member_key, of, &self.asserted.reference),
            consent: vault.seal_consent(&member_key, of, &self.asserted.consent),
            merges,
        };
        linking::redeem(control.connection(), code.key, &redeemed, expires_at).await?;
        Ok(Ok(Answer::of(RedeemLinkCodeResponse {
            number: number.into(),
            issuing_partner,
            expires_at: Some(wire_timestamp(expires_at)),
            replayed: false,
            merges: merges.is_some(),
        })))
    }
}

impl RedeemLinkCode {
    /// Counts the try of the reference, good or wrong, and looks how many wrong ones there were.
    async fn may_try(&self, control: &mut Control<NoHeads>) -> Result<bool, StoreError> {
        let now = control.now();
        let reference = self.vault.lookup(self.partner, &self.asserted.reference);
        let connection = control.connection();
        let own = linking::count_try(&mut *connection, self.partner, &reference.0, now).await?;
        let wrong = linking::tries(&mut *connection, self.partner, now).await?;
        let all = linking::tries(connection, linking::HUB, now).await?;
        let within = |tries: i32, limit: u32| i64::from(tries) < i64::from(limit);
        Ok(own <= i32::from(self.settings.tries_per_reference)
            && within(wrong, self.settings.tries_per_partner)
            && within(all, self.settings.tries_per_hub))
    }

    /// A code ends with the link that it was made for.
    async fn still_linked(
        &self,
        control: &mut Control<NoHeads>,
        code: Option<LinkCode>,
    ) -> Result<Option<LinkCode>, StoreError> {
        let Some(code) = code else { return Ok(None) };
        let (issuer, connection) = (code.key.0, control.connection());
        let link = linking::link_by_token(connection, issuer, code.member, code.issuer_token);
        Ok(link.await?.map(|_| code))
    }

    /// The refusal of whatever is not good. It is kept, and so are the counts.
    async fn wrong(
        &self,
        control: &mut Control<NoHeads>,
    ) -> Result<Result<Answer<RedeemLinkCodeRequest>, Refused>, StoreError> {
        let now = control.now();
        let connection = control.connection();
        events::code_tried(&mut *connection, &self.asserted.actor, (self.id, false)).await?;
        for whose in [self.partner, linking::HUB] {
            linking::count_try(&mut *connection, whose, &[], now).await?;
        }
        Ok(Err(code_refused()))
    }

    /// The wallet that the reference has, if it has one, and the code allows to merge it. A member that
    /// the brand knows by another reference is refused.
    async fn own_wallet(
        &self,
        control: &mut Control<NoHeads>,
        code: &LinkCode,
    ) -> Result<Result<Option<Merging>, Refused>, StoreError> {
        let reference = self.vault.lookup(self.partner, &self.asserted.reference);
        let connection = control.connection();
        let taken =
            member::taken_links(&mut *connection, self.partner, &reference, code.member).await?;
        if taken.iter().any(|taken| taken.member == code.member) {
            let message = "the member has a reference at this partner already";
            return Ok(Err(Refused::new(ErrorReason::MemberAlreadyLinked, message)));
        }
        let own = linking::find_link(connection, self.partner, &reference).await?;
        if own.is_some() && !code.allow_merge {
            let message = "the reference has a wallet of its own, and the code does not merge it";
            return Ok(Err(Refused::new(ErrorReason::MergeNotAllowed, message)));
        }
        Ok(Ok(own.map(|link| Merging { token: link.link_token, redeemed_by: self.id })))
    }
}
