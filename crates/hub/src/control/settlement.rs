//! Closing windows and recording payments. Both run under all heads.

use entente_api::{
    error::ErrorReason,
    settlement::{RecordPaymentRequest, RecordPaymentResponse},
};
use entente_ledger::RequestId;
use entente_loyalty::{Catalogue, PartnerCode};
use entente_store::{
    StoreError,
    control::{Control, Heads},
    settlement::{Closed, ExceedsObligation, Payment, close_window, record_payment},
};

use super::{Answer, Controls, Write, partner_unknown};
use crate::{
    error::{Refused, RpcError},
    parse::Amount,
};

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

impl Controls {
    /// Closes the open window under a name. The name stands for the close: no request id is needed.
    pub async fn close_window(&self, name: String) -> Result<Closed, RpcError> {
        let pool = self.pool.clone();
        self.run(move || {
            let (pool, name) = (pool.clone(), name.clone());
            async move { Ok(close_window(&pool, &name).await?) }
        })
        .await
    }
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
