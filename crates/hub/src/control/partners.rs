//! Brands: created, suspended, resumed. Each change raises the catalogue's epoch, so that it bites
//! exactly when it is committed, on every hub.

use entente_api::{
    error::ErrorReason,
    partner::{
        CreatePartnerRequest, CreatePartnerResponse, ResumePartnerRequest, ResumePartnerResponse,
        SuspendPartnerRequest, SuspendPartnerResponse,
    },
};
use entente_loyalty::{Catalogue, Partner, PartnerCode};
use entente_store::{
    StoreError, catalogue,
    control::{Control, Heads},
    security::SecurityEventKind,
};

use super::{Answer, Write};
use crate::{
    caller::Caller,
    error::Refused,
    security::{Actor, record},
    wire,
};

/// Adds a brand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CreatePartner {
    /// What names it.
    pub code: PartnerCode,
    /// For people.
    pub display_name: String,
    /// Whether it tests.
    pub testing: bool,
}

/// Stops a partner's earns, burns, authorizations and enrolments.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SuspendPartner {
    /// Whom.
    pub partner: PartnerCode,
    /// By whom.
    pub by: Actor,
}

/// Ends a suspension.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResumePartner {
    /// Whose.
    pub partner: PartnerCode,
    /// By whom.
    pub by: Actor,
}

impl Write for CreatePartner {
    type Request = CreatePartnerRequest;
    type Locks = Heads;

    async fn act(
        &self,
        control: &mut Control,
        _: &Catalogue,
    ) -> Result<Result<Answer<Self::Request>, Refused>, StoreError> {
        let (code, display_name, created_at) =
            (self.code.clone(), self.display_name.clone(), control.now());
        let testing = self.testing;
        let connection = control.connection();
        let id = catalogue::insert_partner(connection, &code, &display_name, created_at, testing)
            .await?;
        let Some(id) = id else {
            let message = "a partner of this code exists";
            return Ok(Err(Refused::new(ErrorReason::PartnerExists, message)));
        };
        control.raise_epoch().await?;
        let (suspended, terms) = (false, Vec::new());
        let partner = Partner { id, code, display_name, suspended, testing, created_at, terms };
        let partner = Some(wire::partner(&partner));
        Ok(Ok(Answer::of(CreatePartnerResponse { partner, replayed: false })))
    }
}

impl Write for SuspendPartner {
    type Request = SuspendPartnerRequest;
    type Locks = Heads;

    async fn act(
        &self,
        control: &mut Control,
        catalogue: &Catalogue,
    ) -> Result<Result<Answer<Self::Request>, Refused>, StoreError> {
        let changed = set_suspended(control, catalogue, (&self.partner, &self.by), true).await?;
        Ok(changed.map(|partner| {
            let partner = Some(wire::partner(&partner));
            Answer::of(SuspendPartnerResponse { partner, replayed: false })
        }))
    }
}

impl Write for ResumePartner {
    type Request = ResumePartnerRequest;
    type Locks = Heads;

    async fn act(
        &self,
        control: &mut Control,
        catalogue: &Catalogue,
    ) -> Result<Result<Answer<Self::Request>, Refused>, StoreError> {
        let changed = set_suspended(control, catalogue, (&self.partner, &self.by), false).await?;
        Ok(changed.map(|partner| {
            let partner = Some(wire::partner(&partner));
            Answer::of(ResumePartnerResponse { partner, replayed: false })
        }))
    }
}

/// The refusal of a code that no partner has.
#[must_use]
pub(crate) fn partner_unknown() -> Refused {
    Refused::new(ErrorReason::PartnerUnknown, "no partner has this code")
}

async fn set_suspended(
    control: &mut Control,
    catalogue: &Catalogue,
    (code, by): (&PartnerCode, &Actor),
    suspended: bool,
) -> Result<Result<Partner, Refused>, StoreError> {
    let Some(partner) = catalogue.by_code(code.as_str()) else {
        return Ok(Err(partner_unknown()));
    };
    if partner.suspended != suspended {
        catalogue::set_suspended(control.connection(), partner.id, suspended).await?;
        let kind = if suspended {
            SecurityEventKind::PartnerSuspended
        } else {
            SecurityEventKind::PartnerResumed
        };
        let subject = Caller::Partner(code.clone()).to_string();
        record(control.connection(), kind, by, &subject, &serde_json::json!({})).await?;
        control.raise_epoch().await?;
    }
    Ok(Ok(Partner { suspended, ..partner.clone() }))
}
