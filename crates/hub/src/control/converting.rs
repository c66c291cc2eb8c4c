//! Conversions: what a bank exchanged for the hub's pool, booked by two operators in the open window. Runs
//! under all heads, so that the pool is what it is found to be.

use entente_api::{
    error::ErrorReason,
    settlement::{ConvertCurrencyRequest, ConvertCurrencyResponse},
};
use entente_ledger::RequestId;
use entente_loyalty::Catalogue;
use entente_settlement::Conversion;
use entente_store::{
    StoreError,
    control::{Control, Heads},
    settlement::convert::{self, Exchange},
};

use super::{Answer, Write};
use crate::{error::Refused, settlement::wire_conversion};

/// Books what a bank exchanged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConvertCurrency {
    /// Of the approval, which its operation has too.
    pub request_id: RequestId,
    /// What the bank exchanged.
    pub conversion: Conversion,
    /// By what the bank knows it.
    pub bank_reference: String,
    /// Who approves it.
    pub by: String,
}

impl Write for ConvertCurrency {
    type Request = ConvertCurrencyRequest;
    type Locks = Heads;

    async fn act(
        &self,
        control: &mut Control,
        _: &Catalogue,
    ) -> Result<Result<Answer<Self::Request>, Refused>, StoreError> {
        if let Some(refused) = self.refused(control).await? {
            return Ok(Err(refused));
        }
        let exchange = Exchange {
            request_id: self.request_id,
            conversion: self.conversion,
            bank_reference: self.bank_reference.clone(),
            approved_by: self.by.clone(),
        };
        let place = convert::convert(control, &exchange).await?;
        let conversion = wire_conversion(exchange, control.now());
        let conversion = conversion
            .map_err(|error| StoreError::inconsistent("conversions", "reference_micros", error))?;
        let response = ConvertCurrencyResponse { conversion: Some(conversion), replayed: false };
        Ok(Ok(Answer { response, place: Some(place) }))
    }
}

impl ConvertCurrency {
    async fn refused(&self, control: &mut Control) -> Result<Option<Refused>, StoreError> {
        let connection = control.connection();
        if let Some(booked) = convert::booked_by(&mut *connection, &self.bank_reference).await? {
            let message = "a conversion by this reference of the bank is booked";
            let refused = Refused::new(ErrorReason::ConversionBooked, message);
            return Ok(Some(refused.with("conversion", booked.0)));
        }
        let sold = self.conversion.sold();
        let held = convert::pool_balance(connection, sold.currency).await?;
        if held < sold.micros {
            let message = "the pool holds less of this currency";
            let refused = Refused::new(ErrorReason::PoolTooSmall, message);
            return Ok(Some(refused.with("held_micros", held)));
        }
        Ok(None)
    }
}
