//! Blocks of points that prepaid partners buy ahead: two operators sell one, since it makes the partner
//! owe money, and points that it may issue. Runs under all heads.

use entente_api::{
    error::ErrorReason,
    settlement::{BuyBlockRequest, BuyBlockResponse},
    types::Money,
};
use entente_ledger::{Currency, Micros, Points, RequestId};
use entente_loyalty::{Catalogue, Partner, PartnerCode};
use entente_store::{
    StoreError,
    control::{Control, Heads},
    notices,
    settlement::floats::{self, ListedBlock, Purchase},
};

use super::{Answer, Write, partner_unknown};
use crate::{error::Refused, notices::Anchor, settlement::wire_block, thresholds};

/// Sells points ahead to a prepaid partner.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BuyBlock {
    /// Of the approval, which its operation has too.
    pub request_id: RequestId,
    /// Who buys,
    pub partner: PartnerCode,
    /// in which currency.
    pub currency: Currency,
    /// How many points.
    pub points: Points,
    /// What one costs.
    pub price: Micros,
    /// What all of them cost.
    pub cost: Micros,
    /// Whether it is used when the others are empty.
    pub is_reserve: bool,
}

impl Write for BuyBlock {
    type Request = BuyBlockRequest;
    type Locks = Heads;

    async fn act(
        &self,
        control: &mut Control,
        catalogue: &Catalogue,
    ) -> Result<Result<Answer<Self::Request>, Refused>, StoreError> {
        let Some(partner) = catalogue.by_code(self.partner.as_str()) else {
            return Ok(Err(partner_unknown()));
        };
        if let Some(refused) = self.refused(control, partner).await? {
            return Ok(Err(refused));
        }
        let bought = floats::buy(control, &self.purchase(partner)).await?;
        let anchor = Anchor::at(bought.place, control.now());
        let told = thresholds::told(control, catalogue, anchor, &bought.exposures).await?;
        notices::insert(control.connection(), &told).await?;
        let block = ListedBlock {
            block: bought.block,
            currency: self.currency,
            is_reserve: self.is_reserve,
            price: self.price,
            points: self.points,
            left: self.points,
            bought_at: control.now(),
            request_id: self.request_id,
        };
        let cost = Money { currency: self.currency.to_string(), micros: self.cost.0 };
        let (block, cost) = (Some(wire_block(&block)), Some(cost));
        let response = BuyBlockResponse { block, cost, replayed: false };
        Ok(Ok(Answer { response, place: Some(bought.place) }))
    }
}

impl BuyBlock {
    fn purchase(&self, partner: &Partner) -> Purchase {
        Purchase {
            request_id: self.request_id,
            partner: partner.id,
            currency: self.currency,
            points: self.points,
            price: self.price,
            amount: self.cost,
            is_reserve: self.is_reserve,
            testing: partner.testing,
        }
    }

    /// Why it cannot be bought. Terms that begin later are reason enough to buy ahead.
    async fn refused(
        &self,
        control: &mut Control,
        partner: &Partner,
    ) -> Result<Option<Refused>, StoreError> {
        let now = control.now();
        let is_agreed = partner.terms.iter().any(|terms| {
            let is_to_come = terms.effective_to.is_none_or(|end| now < end);
            is_to_come && terms.agreement.prepaid && terms.agreement.currency == self.currency
        });
        if !is_agreed {
            let message = "no terms of the partner are prepaid in this currency";
            return Ok(Some(Refused::new(ErrorReason::FloatNotAgreed, message)));
        }
        if self.is_reserve
            && floats::has_reserve(control.connection(), partner.id, self.currency).await?
        {
            let message = "the reserve has points left, and there is one at a time";
            return Ok(Some(Refused::new(ErrorReason::ReserveLeft, message)));
        }
        Ok(None)
    }
}
