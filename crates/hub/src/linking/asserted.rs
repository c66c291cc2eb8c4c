//! Member assertions: whose key signed them, of which member they speak, and that each is good once.
//! What is wrong with one, nobody is told.

use std::{fmt, sync::Arc};

use aws_lc_rs::digest::{SHA256, digest};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use entente_identity::jwt::{MemberAssertion, PublicKey, Rejected};
use entente_ledger::PartnerId;
use entente_store::{
    StoreError,
    security::{self, SecurityEventKind},
};
use jiff::Timestamp;
use sqlx::{PgConnection, PgPool};

use super::{LinkKey, TypedCode};
use crate::{
    authorization::Permit,
    config::LinkingSettings,
    error::{Refused, RpcError},
    parse::{self, MemberReference},
    personal::{Consent, Vault},
    security::{Actor, Guard, Rate, record, time_of_day},
};

/// What links are made by.
pub struct Linking {
    pool: PgPool,
    guard: Guard,
    key: Arc<LinkKey>,
    vault: Arc<Vault>,
    settings: LinkingSettings,
    refusals: Rate,
}

/// What a partner asserts of one of its members, verified and not used yet.
#[derive(Debug, Clone)]
pub struct Asserted {
    /// The partner.
    pub actor: Actor,
    /// Its own reference of the member.
    pub reference: MemberReference,
    /// What the member agreed to.
    pub consent: Consent,
    /// The assertion's own id,
    pub jti: String,
    /// by which it is known until then.
    pub replayable_until: Timestamp,
}

impl Linking {
    /// Verifies by the keys that are registered, for the hub that a guard keeps.
    #[must_use]
    pub fn new(
        pool: PgPool,
        guard: Guard,
        (key, vault): (LinkKey, Arc<Vault>),
        settings: LinkingSettings,
    ) -> Self {
        Self { pool, guard, key: Arc::new(key), vault, settings, refusals: Rate::default() }
    }

    /// What codes are derived from.
    #[must_use]
    pub fn key(&self) -> Arc<LinkKey> {
        Arc::clone(&self.key)
    }

    /// How long links are watched, and how often codes are tried.
    #[must_use]
    pub const fn settings(&self) -> &LinkingSettings {
        &self.settings
    }

    /// The key to personal data.
    #[must_use]
    pub fn vault(&self) -> Arc<Vault> {
        Arc::clone(&self.vault)
    }

    /// What is kept with a request in place of the code that it brings.
    #[must_use]
    pub fn standing_for_code(&self, target: PartnerId, code: &TypedCode) -> String {
        URL_SAFE_NO_PAD.encode(self.key.hash(target, code))
    }

    /// Verifies an assertion of the caller, made for this code or for none.
    pub async fn read(
        &self,
        permit: &Permit,
        assertion: &str,
        code: Option<&TypedCode>,
    ) -> Result<Asserted, RpcError> {
        match self.verified(permit, assertion, code).await? {
            Ok(asserted) => Ok(asserted),
            Err(why) => Err(self.refuse(&permit.actor(), why).await?.into()),
        }
    }

    /// One refusal, whatever is wrong; the trail says what, once a second for each caller.
    pub async fn refuse(&self, by: &Actor, why: Rejected) -> Result<Refused, StoreError> {
        tracing::info!(caller = by.name, %why, "a member assertion was refused");
        if self.refusals.admits(&by.name) {
            let details = serde_json::json!({ "assertion": "member", "why": why.to_string() });
            let kind = SecurityEventKind::AssertionRefused;
            record(&self.pool, kind, by, &by.name, &details).await?;
        }
        Ok(Asserted::refused())
    }

    async fn verified(
        &self,
        permit: &Permit,
        assertion: &str,
        code: Option<&TypedCode>,
    ) -> Result<Result<Asserted, Rejected>, StoreError> {
        let actor = permit.actor();
        let unverified = match MemberAssertion::read(assertion) {
            Ok(unverified) => unverified,
            Err(rejected) => return Ok(Err(rejected)),
        };
        let jwk = security::find_key(&self.pool, &actor.name, unverified.kid()).await?;
        let key = jwk.and_then(|jwk| PublicKey::from_jwk(&jwk).ok());
        let Some(key) = key else { return Ok(Err(Rejected::UnknownKey)) };
        let (domain, now) = (self.guard.domain(), time_of_day());
        let (partner, audience) = (domain.uri(permit.caller()), &domain.issuer);
        let said = MemberAssertion::verify(&unverified, &key, &partner, audience, now);
        let said = match said {
            Ok(said) => said,
            Err(rejected) => return Ok(Err(rejected)),
        };
        let expected = code.map(|code| MemberAssertion::link_code_hash(code.reveal()));
        if said.link_code_hash != expected {
            return Ok(Err(Rejected::Claim("link_code")));
        }
        let Ok(reference) = parse::member_reference(&said.reference) else {
            return Ok(Err(Rejected::Claim("member_reference")));
        };
        let mut assertion_sha256 = [0; 32];
        assertion_sha256.copy_from_slice(digest(&SHA256, assertion.as_bytes()).as_ref());
        let consent = Consent {
            given_at: said.consent.at,
            wording_version: said.consent.wording_version,
            assertion_sha256,
        };
        let (jti, replayable_until) = (said.jti, said.replayable_until);
        Ok(Ok(Asserted { actor, reference, consent, jti, replayable_until }))
    }
}

impl Asserted {
    /// Notes that the assertion was used; `false` when it was before.
    pub async fn use_up(&self, connection: &mut PgConnection) -> Result<bool, StoreError> {
        security::see_assertion(connection, &self.actor.name, &self.jti, self.replayable_until)
            .await
    }

    /// The one refusal of everything that can be wrong with an assertion.
    #[must_use]
    pub fn refused() -> Refused {
        Refused::assertion()
    }
}

impl fmt::Debug for Linking {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Linking(..)")
    }
}
