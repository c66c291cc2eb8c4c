//! Keys and roles. RegisterKey and GrantRoles are acts of two operators; RotateKey and RevokeKey are
//! their owner's. Each raises the security epoch first, so that changes are one after another.

use entente_api::{
    error::ErrorReason,
    identity::{
        GrantRolesRequest, GrantRolesResponse, RegisterKeyRequest, RegisterKeyResponse,
        RevokeKeyRequest, RevokeKeyResponse, RotateKeyRequest, RotateKeyResponse,
    },
};
use entente_identity::jwt::{ClientAssertion, KeyRotation, PublicKey, Rejected};
use entente_loyalty::Catalogue;
use entente_store::{
    StoreError,
    control::{Control, NoHeads},
    security::{self, SecurityEventKind},
};
use jiff::Timestamp;
use sqlx::PgConnection;

use super::{Answer, Write, partners::partner_unknown};
use crate::{
    authorization::OperatorRole,
    error::Refused,
    security::{Actor, record},
    wire,
};

/// How many keys an owner has at most.
const KEYS: i64 = 4;

/// Adds a key of a partner's or an operator's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RegisterKey {
    /// Whose: `partner/CODE` or `operator/NAME`.
    pub owner: String,
    /// The key.
    pub key: PublicKey,
    /// Who approves it.
    pub by: Actor,
}

/// Adds a key by proof of another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RotateKey {
    /// Whose.
    pub owner: String,
    /// The new key.
    pub key: PublicKey,
    /// By a registered key: that this one is to be added.
    pub proof: String,
    /// By the new key: that it is at hand.
    pub possession: String,
    /// The owner's SPIFFE id, and for which hub the proofs have to be.
    pub identity: String,
    /// See above.
    pub audience: String,
    /// The time of day.
    pub now: Timestamp,
    /// Who brings it.
    pub by: Actor,
}

/// Ends a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RevokeKey {
    /// Whose.
    pub owner: String,
    /// Which.
    pub kid: String,
    /// Who does it.
    pub by: Actor,
}

/// Sets an operator's roles.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GrantRoles {
    /// Whose.
    pub operator: String,
    /// All that it has from now on, each once.
    pub roles: Vec<OperatorRole>,
    /// Who approves it.
    pub by: Actor,
}

impl Write for RegisterKey {
    type Request = RegisterKeyRequest;
    type Locks = NoHeads;

    async fn act(
        &self,
        control: &mut Control<NoHeads>,
        catalogue: &Catalogue,
    ) -> Result<Result<Answer<Self::Request>, Refused>, StoreError> {
        let partner = self.owner.strip_prefix("partner/");
        if partner.is_some_and(|code| catalogue.by_code(code).is_none()) {
            return Ok(Err(partner_unknown()));
        }
        let connection = control.connection();
        let kind = SecurityEventKind::KeyRegistered;
        let added = add(connection, &self.owner, &self.key, kind, &self.by).await?;
        Ok(added.map(|key| Answer::of(RegisterKeyResponse { key: Some(key), replayed: false })))
    }
}

impl Write for RotateKey {
    type Request = RotateKeyRequest;
    type Locks = NoHeads;

    async fn act(
        &self,
        control: &mut Control<NoHeads>,
        _: &Catalogue,
    ) -> Result<Result<Answer<Self::Request>, Refused>, StoreError> {
        let connection = control.connection();
        if let Err(rejected) = self.proven(connection).await? {
            tracing::info!(owner = self.owner, %rejected, "a new key is refused");
            return Ok(Err(Refused::assertion()));
        }
        let kind = SecurityEventKind::KeyRotated;
        let added = add(connection, &self.owner, &self.key, kind, &self.by).await?;
        Ok(added.map(|key| Answer::of(RotateKeyResponse { key: Some(key), replayed: false })))
    }
}

impl RotateKey {
    /// Whether a registered key vouches for the new one, and the new one is at hand.
    async fn proven(
        &self,
        connection: &mut PgConnection,
    ) -> Result<Result<(), Rejected>, StoreError> {
        let proof = match KeyRotation::read(&self.proof) {
            Ok(proof) => proof,
            Err(rejected) => return Ok(Err(rejected)),
        };
        let jwk = security::find_key(connection, &self.owner, proof.kid()).await?;
        let registered = jwk.map(|jwk| PublicKey::from_jwk(&jwk)).transpose();
        let registered = registered
            .map_err(|_| StoreError::inconsistent("keys", "jwk", proof.kid()))?
            .ok_or(Rejected::UnknownKey);
        Ok(registered.and_then(|registered| {
            let (identity, audience, now) = (&self.identity, &self.audience, self.now);
            let proof = KeyRotation::verify(&proof, &registered, identity, audience, now)?;
            if proof.new_kid != self.key.kid() {
                return Err(Rejected::Claim("new_kid"));
            }
            let held = ClientAssertion::read(&self.possession)?;
            ClientAssertion::verify(&held, &self.key, identity, audience, now).map(drop)
        }))
    }
}

impl Write for RevokeKey {
    type Request = RevokeKeyRequest;
    type Locks = NoHeads;

    async fn act(
        &self,
        control: &mut Control<NoHeads>,
        _: &Catalogue,
    ) -> Result<Result<Answer<Self::Request>, Refused>, StoreError> {
        let connection = control.connection();
        security::raise_epoch(&mut *connection).await?;
        if !security::revoke_key(&mut *connection, &self.owner, &self.kid).await? {
            let message = "the owner has no key by this name";
            return Ok(Err(Refused::new(ErrorReason::KeyUnknown, message)));
        }
        let details = serde_json::json!({ "kid": self.kid });
        let kind = SecurityEventKind::KeyRevoked;
        record(connection, kind, &self.by, &self.owner, &details).await?;
        Ok(Ok(Answer::of(RevokeKeyResponse { replayed: false })))
    }
}

impl Write for GrantRoles {
    type Request = GrantRolesRequest;
    type Locks = NoHeads;

    async fn act(
        &self,
        control: &mut Control<NoHeads>,
        _: &Catalogue,
    ) -> Result<Result<Answer<Self::Request>, Refused>, StoreError> {
        let connection = control.connection();
        let known = security::operator(&mut *connection, &self.operator).await?;
        if self.roles.is_empty() && known.is_none() {
            let message = "no operator has this name, so there are no roles to take away";
            return Ok(Err(Refused::new(ErrorReason::OperatorUnknown, message)));
        }
        security::raise_epoch(&mut *connection).await?;
        let roles: Vec<i32> = self.roles.iter().map(|role| role.code()).collect();
        security::set_roles(&mut *connection, &self.operator, &roles).await?;
        let names: Vec<_> = self.roles.iter().map(|role| role.name()).collect();
        let (details, subject) = (serde_json::json!({ "roles": names }), &self.operator);
        let subject = format!("operator/{subject}");
        let kind = SecurityEventKind::RolesGranted;
        record(&mut *connection, kind, &self.by, &subject, &details).await?;
        let operator = security::operator(connection, &self.operator).await?;
        let operator = operator.as_ref().map(wire::operator);
        Ok(Ok(Answer::of(GrantRolesResponse { operator, replayed: false })))
    }
}

async fn add(
    connection: &mut PgConnection,
    owner: &str,
    key: &PublicKey,
    kind: SecurityEventKind,
    by: &Actor,
) -> Result<Result<entente_api::identity::Key, Refused>, StoreError> {
    security::raise_epoch(&mut *connection).await?;
    if security::live_keys(&mut *connection, owner).await? >= KEYS {
        let message = "the owner has as many keys as it may have";
        return Ok(Err(Refused::new(ErrorReason::TooManyKeys, message).with("limit", KEYS)));
    }
    if !security::insert_key(&mut *connection, owner, key.kid(), &key.jwk()).await? {
        let message = "the key is, or was, somebody's already";
        return Ok(Err(Refused::new(ErrorReason::KeyTaken, message)));
    }
    let details = serde_json::json!({ "kid": key.kid() });
    record(&mut *connection, kind, by, owner, &details).await?;
    let keys = security::keys_of(connection, owner).await?;
    let added = keys.iter().find(|found| found.kid == key.kid());
    let added = added.ok_or_else(|| StoreError::inconsistent("keys", "kid", key.kid()))?;
    Ok(Ok(wire::key(added)))
}
