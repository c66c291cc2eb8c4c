//! Closing windows and recording payments. Both run under all heads.

use std::sync::Arc;

use entente_api::{
    error::ErrorReason,
    settlement::{RecordPaymentRequest, RecordPaymentResponse},
};
use entente_ledger::RequestId;
use entente_loyalty::{Catalogue, PartnerCode};
use entente_store::{
    Notice, StoreError,
    control::{Control, Heads},
    notices,
    settlement::{Closed, Done, ExceedsObligation, Payment, close_window, record_payment},
};

use sqlx::PgPool;

use super::{Answer, Controls, Ended, Write, partner_unknown, testing_apart};
use crate::{
    catalogue::CatalogueCache,
    error::{Refused, RpcError},
    notices::Anchor,
    parse::Amount,
    thresholds,
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
    pub async fn close_window(&self, name: String, testing: bool) -> Result<Closed, RpcError> {
        let (pool, cache) = (self.pool.clone(), Arc::clone(&self.catalogue));
        self.run(move || {
            let (pool, cache, name) = (pool.clone(), Arc::clone(&cache), name.clone());
            async move { close(&pool, &cache, &name, testing).await }
        })
        .await
    }
}

/// Closes the window, and tells every partner of its kind.
async fn close(
    pool: &PgPool,
    cache: &CatalogueCache,
    name: &str,
    testing: bool,
) -> Result<Closed, Ended> {
    let mut control = Control::begin(pool).await?;
    let catalogue = cache.at_least(control.catalogue_epoch()).await?;
    let closed = close_window(&mut control, name, testing).await?;
    let Some(Done { place, exposures }) = &closed.done else {
        control.rollback().await?;
        if closed.window.is_testing() != testing {
            let message = "a window of the other kind has this name";
            return Err(testing_apart(message).into());
        }
        return Ok(closed);
    };
    let anchor = Anchor::at(*place, control.now());
    let told = catalogue.partners().filter(|partner| partner.testing == testing);
    let windows = told.map(|told| anchor.window_closed(told.id, &closed.window));
    let mut told: Vec<Notice> = windows.collect();
    told.extend(thresholds::told(&mut control, &catalogue, anchor, exposures).await?);
    notices::insert(control.connection(), &told).await?;
    control.commit().await?;
    Ok(closed)
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
