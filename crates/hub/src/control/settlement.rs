//! Recording payments, under all heads.

use entente_api::{
    error::ErrorReason,
    settlement::{RecordPaymentRequest, RecordPaymentResponse},
};
use entente_ledger::{Micros, PartnerId, RequestId};
use entente_loyalty::{Catalogue, PartnerCode};
use entente_store::{
    StoreError,
    control::{Control, Heads},
    notices,
    settlement::{ExceedsObligation, Paid, Part, Payment, obligations_by_id, pay, record_payment},
};

use super::{Answer, Write, partner_unknown};
use crate::{error::Refused, notices::Anchor, parse::Amount, thresholds};

/// Records what was paid of obligations.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordPayment {
    /// The operator's id of it, which its operation has too.
    pub request_id: RequestId,
    /// What of.
    pub of: PaidFor,
    /// How much.
    pub amount: Amount,
    /// Who says so.
    pub actor: String,
}

/// What a payment is of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PaidFor {
    /// What a partner owes, the oldest first.
    Oldest(PartnerCode),
    /// One obligation, by its end-to-end id.
    Obligation(String),
}

impl Write for RecordPayment {
    type Request = RecordPaymentRequest;
    type Locks = Heads;

    async fn act(
        &self,
        control: &mut Control,
        catalogue: &Catalogue,
    ) -> Result<Result<Answer<Self::Request>, Refused>, StoreError> {
        let paid = match &self.of {
            PaidFor::Oldest(partner) => match catalogue.by_code(partner.as_str()) {
                Some(partner) => self.oldest(control, partner.id).await?,
                None => Err(partner_unknown()),
            },
            PaidFor::Obligation(id) => self.one(control, id).await?,
        };
        let paid = match paid {
            Ok(paid) => paid,
            Err(refused) => return Ok(Err(refused)),
        };
        told(control, catalogue, &paid).await?;
        let remaining = Amount { micros: paid.remaining, currency: self.amount.currency };
        let response = RecordPaymentResponse { remaining: Some(remaining.into()), replayed: false };
        Ok(Ok(Answer { response, place: Some(paid.place) }))
    }
}

impl RecordPayment {
    async fn oldest(
        &self,
        control: &mut Control,
        partner: PartnerId,
    ) -> Result<Result<Paid, Refused>, StoreError> {
        let Amount { micros: amount, currency } = self.amount;
        let (request_id, actor) = (self.request_id, self.actor.clone());
        let payment = Payment { request_id, partner, amount, currency, actor };
        let paid = record_payment(control, &payment).await?;
        Ok(paid.map_err(|ExceedsObligation { owed }| exceeds(owed)))
    }

    async fn one(
        &self,
        control: &mut Control,
        id: &String,
    ) -> Result<Result<Paid, Refused>, StoreError> {
        let found = obligations_by_id(control.connection(), std::slice::from_ref(id)).await?;
        let Amount { micros: amount, currency } = self.amount;
        let found = found.into_iter().find(|found| found.owed.currency == currency);
        let Some(obligation) = found else { return Ok(Err(payment_unknown())) };
        if amount > obligation.left() {
            return Ok(Err(exceeds(obligation.left())));
        }
        let part = Part { obligation, amount };
        pay(control, (self.request_id, &self.actor), &[part]).await.map(Ok)
    }
}

/// Tells whose exposure crossed a threshold by a payment.
pub(super) async fn told(
    control: &mut Control,
    catalogue: &Catalogue,
    paid: &Paid,
) -> Result<(), StoreError> {
    let anchor = Anchor::at(paid.place, control.now());
    let told = thresholds::told(control, catalogue, anchor, &paid.exposures).await?;
    notices::insert(control.connection(), &told).await
}

/// The refusal of what names nothing that is to be paid.
pub(crate) fn payment_unknown() -> Refused {
    let message = "there is nothing to be paid by what the request names";
    Refused::new(ErrorReason::PaymentUnknown, message)
}

/// The refusal of more than is left.
pub(super) fn exceeds(owed: Micros) -> Refused {
    let message = "less than that is owed from closed windows";
    Refused::new(ErrorReason::PaymentExceedsObligation, message).with("owed_micros", owed)
}
