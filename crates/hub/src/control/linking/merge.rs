//! A code is confirmed whose redeemer has a wallet of its own: with both consents, it is merged into
//! that of the code's member, in the transaction that keeps them.

use entente_api::member::{ConfirmLinkRequest, ConfirmLinkResponse};
use entente_ledger::{PartnerId, RequestId};
use entente_loyalty::reversible_until;
use entente_store::{
    Outcome, RequestRow, StoreError,
    batch::Heads,
    control::{Control, NoHeads},
    linking::{self, FoundLink, LinkCode, Merge, Merging, Redeemed},
};
use prost::Message;
use uuid::Uuid;

use super::{ConfirmLink, after, not_pending};
use crate::{
    control::{Answer, events, partner_unknown},
    error::Refused,
    method::Method,
    parse::wire_timestamp,
    posting::merging::{self, Legs, Pair},
};

/// The namespace of the request ids of merges, each derived from that of its confirmation.
const MERGES: Uuid = Uuid::from_u128(0x2f6d_11c8_9b4e_4a37_b1d0_6c83_5e9a_70f4);

/// The id of the operation that a confirmation makes.
fn operation_id(confirmed_by: RequestId) -> RequestId {
    RequestId(Uuid::new_v5(&MERGES, confirmed_by.0.as_bytes()))
}

type Confirmed = Result<Answer<ConfirmLinkRequest>, Refused>;

impl ConfirmLink {
    /// Merges, unless one of the two links has changed meanwhile. The code is over then: what it made
    /// is named by its id.
    pub(super) async fn merge(
        &self,
        control: &mut Control<NoHeads>,
        code: &LinkCode,
        (redeemed, merging): (&Redeemed, Merging),
    ) -> Result<Confirmed, StoreError> {
        let reference = &redeemed.reference;
        let link = linking::find_link(control.connection(), code.target, &reference.lookup).await?;
        let Some(link) = link.filter(|link| link.link_token == merging.token) else {
            return Ok(Err(not_pending()));
        };
        let pair = self.pair(code, &link);
        let heads = control.batch().lock_heads(&pair.cells()).await?;
        if !self.both_stand(control, code, &link).await? {
            return Ok(Err(not_pending()));
        }
        let catalogue = self.catalogue.at_least(heads.catalogue_epoch).await?;
        let Some(caller) = catalogue.partner(self.partner) else {
            return Ok(Err(partner_unknown()));
        };
        let legs = match merging::post(control.batch(), &heads, &catalogue, &pair).await? {
            Ok(legs) => legs,
            Err(refusal) => return Ok(Err(Refused::of_refusal(&refusal, caller, heads.now))),
        };
        let operation = legs.operation(caller, code.issuer_token);
        let response = ConfirmLinkResponse {
            takes_back_until: Some(wire_timestamp(reversible_until(heads.now))),
            merge: Some(operation),
            balances: Some(legs.balances_of(code.member)),
            ..ConfirmLinkResponse::default()
        };
        self.keep(control, (&pair, &legs), &response).await?;
        self.name(control, (code, merging), (&pair, &heads)).await?;
        self.record(control, code, redeemed, merging.token).await?;
        Ok(Ok(Answer::of(response)))
    }

    /// The redeemer's member goes into that of the code.
    fn pair(&self, code: &LinkCode, link: &FoundLink) -> Pair {
        Pair {
            partner: self.partner,
            request_id: operation_id(self.id),
            first: (link.cell, link.member),
            second: (code.cell, code.member),
            is_merged: false,
        }
    }

    /// Under both heads, no link of either comes or goes.
    async fn both_stand(
        &self,
        control: &mut Control<NoHeads>,
        code: &LinkCode,
        link: &FoundLink,
    ) -> Result<bool, StoreError> {
        let connection = control.connection();
        let (here, there) = ((self.partner, code.member), (code.target, link.member));
        for ((partner, member), token) in [(here, code.issuer_token), (there, link.link_token)] {
            if linking::link_by_token(&mut *connection, partner, member, token).await?.is_none() {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// The operation's own outcome, as every write of points answers: lists and events read it.
    async fn keep(
        &self,
        control: &mut Control<NoHeads>,
        (pair, legs): (&Pair, &Legs),
        response: &ConfirmLinkResponse,
    ) -> Result<(), StoreError> {
        let answer = entente_api::points::EarnResponse {
            operation: response.merge.clone(),
            balances: response.balances,
            replayed: false,
        };
        let outcome = Outcome {
            method: Method::Merge.code(),
            fields: Vec::new(),
            refused: false,
            answer: answer.encode_to_vec(),
            place: Some(legs.place()),
        };
        let (partner, request_id): (PartnerId, RequestId) = (self.partner, pair.request_id);
        control.record(&RequestRow { partner, request_id, outcome, receipt: None }).await
    }

    /// The merge is found again by what either brand knows of it. Burning is held back wherever the
    /// member is known, for points of the one are others' for the brands of the other.
    async fn name(
        &self,
        control: &mut Control<NoHeads>,
        (code, merging): (&LinkCode, Merging),
        (pair, heads): (&Pair, &Heads),
    ) -> Result<(), StoreError> {
        let merge = Merge {
            key: code.key,
            target: code.target,
            redeemed_by: merging.redeemed_by,
            issuer_token: code.issuer_token,
            target_token: merging.token,
            absorbed: pair.first,
            kept: pair.second,
        };
        let until = after(heads.now, self.hold_back);
        let connection = control.connection();
        linking::record_merge(&mut *connection, &merge).await?;
        linking::end(&mut *connection, code.key).await?;
        if until > heads.now {
            linking::hold_back_everywhere(&mut *connection, code.member, until).await?;
        }
        let merged = (code.key.1, pair.request_id);
        events::merged(connection, &self.asserted.actor, merged).await
    }
}
