//! Terms: published under all heads, so that they bite exactly when they are committed.

use entente_api::{
    error::ErrorReason,
    partner::{PublishTermsRequest, PublishTermsResponse},
};
use entente_ledger::TermsVersion;
use entente_loyalty::{Agreement, Catalogue, Partner, PartnerCode, Terms, cycle_gains};
use entente_store::{
    StoreError, catalogue,
    control::{Control, Heads},
};
use jiff::Timestamp;

use super::{Answer, Write, partners::partner_unknown};
use crate::{error::Refused, wire};

/// Adds a version of a partner's terms.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublishTerms {
    /// Whose.
    pub partner: PartnerCode,
    /// When the version begins; now when absent.
    pub effective_from: Option<Timestamp>,
    /// What is agreed.
    pub agreement: Agreement,
}

impl Write for PublishTerms {
    type Request = PublishTermsRequest;
    type Locks = Heads;

    async fn act(
        &self,
        control: &mut Control,
        catalogue: &Catalogue,
    ) -> Result<Result<Answer<Self::Request>, Refused>, StoreError> {
        let Some(partner) = catalogue.by_code(self.partner.as_str()) else {
            return Ok(Err(partner_unknown()));
        };
        let (effective_from, version) = match next(partner, self.effective_from, control.now()) {
            Ok(next) => next,
            Err(refused) => return Ok(Err(refused)),
        };
        if cycle_gains(&self.agreement) {
            let message = "points that are exchanged in and out again would become more";
            return Ok(Err(Refused::new(ErrorReason::ExchangeCycleGains, message)));
        }
        let terms = Terms {
            partner: partner.id,
            version,
            effective_from,
            effective_to: None,
            agreement: self.agreement.clone(),
        };
        catalogue::insert_terms(control.connection(), &terms).await?;
        let window = control.window_of(partner.testing).id;
        for currency in terms.agreement.net_debit_caps.keys() {
            let connection = control.connection();
            catalogue::track_exposure(connection, partner.id, *currency, window).await?;
        }
        control.raise_epoch().await?;
        let terms = Some(wire::terms(&partner.code, &terms));
        Ok(Ok(Answer::of(PublishTermsResponse { terms, replayed: false })))
    }
}

/// When a new version begins, and its number.
fn next(
    partner: &Partner,
    asked: Option<Timestamp>,
    now: Timestamp,
) -> Result<(Timestamp, TermsVersion), Refused> {
    let from = asked.unwrap_or(now);
    if !partner.terms.is_empty() && from < now {
        let message = "only a partner's first terms may start in the past";
        return Err(Refused::new(ErrorReason::TermsInPast, message));
    }
    if partner.terms.iter().any(|terms| terms.effective_from >= from) {
        let message = "a version that is already published begins at that time or later";
        return Err(Refused::new(ErrorReason::TermsOverlap, message));
    }
    let last = partner.terms.iter().map(|terms| terms.version.0).max().unwrap_or_default();
    Ok((from, TermsVersion(last + 1)))
}
