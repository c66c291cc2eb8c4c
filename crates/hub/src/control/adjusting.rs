//! Adjustments: money that two operators move between parties in the open window, to correct a closed
//! one. Runs under all heads.

use entente_api::{
    error::ErrorReason,
    settlement::{AdjustRequest, AdjustResponse},
};
use entente_ledger::{PartnerId, RequestId, WindowId};
use entente_loyalty::{Catalogue, PartnerCode};
use entente_settlement::reconcile::{Movement, Resolution, Step};
use entente_store::{
    StoreError,
    control::{Control, Heads},
    notices,
    settlement::{
        Correction, correct,
        reconciliation::{BreakId, LivingBreak, take_step},
        window_by_name,
    },
};

use super::{
    Answer, Write,
    breaks::{corrects, standing, stepped},
    partner_unknown, testing_apart,
};
use crate::{
    error::Refused,
    notices::Anchor,
    parse::{Amount, wire_timestamp},
    settlement::window_unknown,
    thresholds,
};

/// Moves money between two parties.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Adjust {
    /// Of the approval, which its operation has too.
    pub request_id: RequestId,
    /// The closed window that it corrects.
    pub window: String,
    /// The operation that it corrects, if a single one.
    pub corrects: Option<RequestId>,
    /// Who owes it; `None` is the hub.
    pub payer: Option<PartnerCode>,
    /// Who is owed it; `None` is the hub.
    pub payee: Option<PartnerCode>,
    /// How much.
    pub amount: Amount,
    /// Why.
    pub reason: String,
    /// The break that it corrects, and with that ends.
    pub break_id: Option<BreakId>,
    /// Who approves it.
    pub by: String,
}

impl Write for Adjust {
    type Request = AdjustRequest;
    type Locks = Heads;

    async fn act(
        &self,
        control: &mut Control,
        catalogue: &Catalogue,
    ) -> Result<Result<Answer<Self::Request>, Refused>, StoreError> {
        let correction = match self.correction(control, catalogue).await? {
            Ok(correction) => correction,
            Err(refused) => return Ok(Err(refused)),
        };
        let closed = match self.closed(control, &correction).await? {
            Ok(closed) => closed,
            Err(refused) => return Ok(Err(refused)),
        };
        let corrected = correct(control, &correction).await?;
        if let Some((id, closed)) = &closed {
            take_step(control.connection(), *id, &closed.life).await?;
        }
        let anchor = Anchor::at(corrected.place, control.now());
        let told = thresholds::told(control, catalogue, anchor, &corrected.exposures).await?;
        notices::insert(control.connection(), &told).await?;
        let response = AdjustResponse {
            adjustment: self.request_id.0.to_string(),
            posted_at: Some(wire_timestamp(control.now())),
            replayed: false,
        };
        Ok(Ok(Answer { response, place: Some(corrected.place) }))
    }
}

impl Adjust {
    /// The break that it corrects as it ends by this, or why it does not.
    async fn closed(
        &self,
        control: &mut Control,
        correction: &Correction,
    ) -> Result<Result<Option<(BreakId, LivingBreak)>, Refused>, StoreError> {
        let Some(id) = self.break_id else { return Ok(Ok(None)) };
        let when = control.now();
        let stands = match standing(control.connection(), id, None).await? {
            Ok(stands) => stands,
            Err(refused) => return Ok(Err(refused)),
        };
        let resolution = Resolution::Adjust { operation: self.request_id };
        let (who, why) = (self.by.clone(), self.reason.clone());
        let stands = match stepped(stands, Step { resolution, who, when, why })? {
            Ok(stands) => stands,
            Err(refused) => return Ok(Err(refused)),
        };
        let Correction { corrects_window, payer, payee, currency, micros, .. } = *correction;
        let moved = Movement { payer, payee, currency, micros };
        Ok(corrects(&stands, corrects_window, &moved).map(|()| Some((id, stands))))
    }

    /// What is to be written, or why not.
    async fn correction(
        &self,
        control: &mut Control,
        catalogue: &Catalogue,
    ) -> Result<Result<Correction, Refused>, StoreError> {
        let parties = [&self.payer, &self.payee].map(|code| party(catalogue, code.as_ref()));
        let [Some(payer), Some(payee)] = parties else { return Ok(Err(partner_unknown())) };
        if catalogue.is_testing(payer) || catalogue.is_testing(payee) {
            return Ok(Err(testing_apart("nobody settles what was tested")));
        }
        let window = window_by_name(control.connection(), &self.window).await?;
        let Some(corrects_window) = window.map(|window| window.id) else {
            return Ok(Err(window_unknown()));
        };
        if corrects_window < WindowId(0) {
            return Ok(Err(testing_apart("nobody settles what was tested")));
        }
        if let Some(id) = self.corrects
            && !is_operation(control, id, [payer, payee]).await?
        {
            let message = "neither party has an operation by the id that is to be corrected";
            return Ok(Err(Refused::new(ErrorReason::OperationUnknown, message)));
        }
        let Amount { micros, currency } = self.amount;
        Ok(Ok(Correction {
            request_id: self.request_id,
            corrects_window,
            corrects: self.corrects,
            payer,
            payee,
            currency,
            micros,
            reason: self.reason.clone(),
        }))
    }
}

fn party(catalogue: &Catalogue, code: Option<&PartnerCode>) -> Option<PartnerId> {
    match code {
        Some(code) => catalogue.by_code(code.as_str()).map(|partner| partner.id),
        None => Some(PartnerId::HUB),
    }
}

async fn is_operation(
    control: &mut Control,
    id: RequestId,
    parties: [PartnerId; 2],
) -> Result<bool, StoreError> {
    for partner in parties {
        let outcome = control.outcome(partner, id).await?;
        if outcome.is_some_and(|outcome| outcome.place.is_some() && !outcome.refused) {
            return Ok(true);
        }
    }
    Ok(false)
}
