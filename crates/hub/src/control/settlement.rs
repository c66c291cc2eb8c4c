//! Recording payments, under all heads.

use entente_api::{
    error::ErrorReason,
    settlement::{RecordPaymentRequest, RecordPaymentResponse},
};
use entente_ledger::RequestId;
use entente_loyalty::{Catalogue, PartnerCode};
use entente_store::{
    StoreError,
    control::{Control, Heads},
    notices,
    settlement::{ExceedsObligation, Payment, record_payment},
};

use super::{Answer, Write, partner_unknown};
use crate::{error::Refused, notices::Anchor, parse::Amount, thresholds};

/// Records what a partner paid of its obligations.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordPayment {
    /// The operator's id of it, which its operation has too.
    pub request_id: RequestId,
    /// Who paid.
    pub partner: PartnerCode,
    /// What it paid.
    pub amount: Amount,
}

impl Write for RecordPayment {
    type Request = RecordPaymentRequest;
    type Locks = Heads;

    async fn act(
        &self,
        control: &mut Control,
        catalogue: &Catalogue,
    ) -> Result<Result<Answer<Self::Request>, Refused>, StoreError> {
        let Some(partner) = catalogue.by_code(self.partner.as_str()) else {
            return Ok(Err(partner_unknown()));
        };
        let Amount { micros: amount, currency } = self.amount;
        let payment =
            Payment { request_id: self.request_id, partner: partner.id, amount, currency };
        Ok(match record_payment(control, &payment).await? {
            Ok(paid) => {
                let anchor = Anchor::at(paid.place, control.now());
                let moved = paid.exposure.as_slice();
                let told = thresholds::told(control, catalogue, anchor, moved).await?;
                notices::insert(control.connection(), &told).await?;
                let remaining = Some(Amount { micros: paid.remaining, currency }.into());
                let response = RecordPaymentResponse { remaining, replayed: false };
                Ok(Answer { response, place: Some(paid.place) })
            }
            Err(exceeds) => Err(refused(exceeds)),
        })
    }
}

fn refused(ExceedsObligation { owed }: ExceedsObligation) -> Refused {
    let message = "the partner owes less than that from closed windows";
    Refused::new(ErrorReason::PaymentExceedsObligation, message).with("owed_micros", owed)
}
