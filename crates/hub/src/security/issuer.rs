//! Gives tokens for assertions.

use std::{fmt, sync::Arc};

use entente_identity::{
    Thumbprint,
    jwt::{AccessToken, ClientAssertion, PublicKey, Rejected, SigningKey},
};
use entente_store::security::{self, SecurityEventKind, find_key, see_assertion};
use jiff::{SignedDuration, Timestamp};
use sqlx::PgPool;

use super::{Actor, Guard, Keeper, Signer, rate::Rate, time_of_day, trail};
use crate::{
    authorization::{OperatorRole, Scope, Scopes},
    caller::Caller,
    error::{Refused, RpcError},
};

/// Gives tokens.
pub struct Issuer {
    pool: PgPool,
    guard: Guard,
    signer: Arc<Signer>,
    life: SignedDuration,
    refusals: Rate,
}

/// A token as it is given.
#[derive(Clone, PartialEq, Eq)]
pub struct Issued {
    /// The JWT.
    pub token: String,
    /// Until when.
    pub expires_at: Timestamp,
    /// What it is good for.
    pub scopes: Scopes,
}

impl Issuer {
    /// Gives tokens that live so long.
    #[must_use]
    pub fn new(pool: PgPool, guard: Guard, signer: Arc<Signer>, life: SignedDuration) -> Self {
        Self { pool, guard, signer, life, refusals: Rate::default() }
    }

    /// What keeps this informed and its keys published, looking so often.
    pub(crate) fn keeper(&self, every: std::time::Duration) -> Keeper {
        Keeper::new(self.pool.clone(), self.guard.clone(), Arc::clone(&self.signer), every)
    }

    /// The guard that checks what is given here.
    #[must_use]
    pub const fn guard(&self) -> &Guard {
        &self.guard
    }

    /// A token for an assertion of a caller, on the connection of a certificate; `asked` is what it
    /// is to be good for, none for everything.
    pub async fn issue(
        &self,
        caller: &Caller,
        thumbprint: Thumbprint,
        assertion: &str,
        asked: Option<Scopes>,
    ) -> Result<Issued, RpcError> {
        self.guard.agrees()?;
        let now = time_of_day();
        let owner = caller.to_string();
        // Before the key: what is registered by then is known to whoever reads this epoch.
        let epoch = security::epoch(&self.pool).await?;
        let kid = match self.accept(caller, &owner, assertion, now).await? {
            Ok(kid) => kid,
            Err(why) => return Err(self.refuse(&owner, thumbprint, (why, now)).await?.into()),
        };
        let allowed = self.allowed(caller).await?;
        let scopes = asked.unwrap_or(allowed);
        if let Some(missing) = scopes.iter().find(|scope| !allowed.include(*scope)) {
            return Err(Refused::scope_missing(missing).into());
        }
        // A key that was revoked a moment ago signs nothing; the hub is making another.
        let in_force = self.guard.in_force()?;
        let signer = self.signer.key(now);
        let good = |key: &SigningKey| in_force.signing_key(key.public_key().kid(), now).is_some();
        let signer = signer.filter(|key| good(key)).ok_or_else(Refused::overloaded)?;
        let domain = self.guard.domain();
        let (subject, scope) = (domain.uri(caller), scopes.to_string());
        let token = AccessToken::new(subject, thumbprint, scope, (kid, epoch), now, self.life);
        let token = token.map_err(RpcError::internal)?;
        let details = serde_json::json!({
            "kid": token.key,
            "jti": token.jti,
            "expires_at": token.expires_at.to_string(),
        });
        self.record(SecurityEventKind::TokenIssued, &owner, thumbprint, &details).await?;
        metrics::counter!("entente_tokens_issued_total").increment(1);
        Ok(Issued {
            token: token.sign(&signer, &domain.issuer),
            expires_at: token.expires_at,
            scopes,
        })
    }

    /// The name of the key that signed a good assertion, which can be shown no more; or what is wrong
    /// with it.
    async fn accept(
        &self,
        caller: &Caller,
        owner: &str,
        assertion: &str,
        now: Timestamp,
    ) -> Result<Result<String, Rejected>, RpcError> {
        let unverified = match ClientAssertion::read(assertion) {
            Ok(unverified) => unverified,
            Err(rejected) => return Ok(Err(rejected)),
        };
        let kid = unverified.kid();
        let jwk = if kid.len() == 43 { find_key(&self.pool, owner, kid).await? } else { None };
        let Some(jwk) = jwk else { return Ok(Err(Rejected::UnknownKey)) };
        let key = PublicKey::from_jwk(&jwk).map_err(RpcError::internal)?;
        let domain = self.guard.domain();
        let (uri, audience) = (domain.uri(caller), &domain.issuer);
        let accepted = match ClientAssertion::verify(&unverified, &key, &uri, audience, now) {
            Ok(accepted) => accepted,
            Err(rejected) => return Ok(Err(rejected)),
        };
        let until = accepted.replayable_until;
        let new = see_assertion(&self.pool, owner, &accepted.jti, until).await?;
        Ok(if new { Ok(kid.to_owned()) } else { Err(Rejected::Claim("jti")) })
    }

    /// All that a caller may have, by the database.
    async fn allowed(&self, caller: &Caller) -> Result<Scopes, RpcError> {
        let Caller::Operator(name) = caller else { return Ok(Scopes::of_partners()) };
        let operator = security::operator(&self.pool, name.as_str()).await?;
        let roles = operator.into_iter().flat_map(|operator| operator.roles);
        let roles: Vec<_> = roles.filter_map(OperatorRole::of_code).collect();
        Ok(Scopes::of_roles(&roles))
    }

    /// One refusal, whatever is wrong but the time; the trail says what.
    async fn refuse(
        &self,
        owner: &str,
        thumbprint: Thumbprint,
        (why, now): (Rejected, Timestamp),
    ) -> Result<Refused, RpcError> {
        metrics::counter!("entente_assertions_refused_total").increment(1);
        tracing::info!(owner, %why, "an assertion is refused");
        if self.refusals.admits(owner) {
            let details = serde_json::json!({ "why": why.to_string() });
            self.record(SecurityEventKind::AssertionRefused, owner, thumbprint, &details).await?;
        }
        Ok(match why {
            // These are looked at once the signature has verified.
            Rejected::Expired | Rejected::NotYetValid => Refused::assertion_untimely(now),
            _ => Refused::assertion(),
        })
    }

    async fn record(
        &self,
        kind: SecurityEventKind,
        owner: &str,
        thumbprint: Thumbprint,
        details: &serde_json::Value,
    ) -> Result<(), RpcError> {
        let by = Actor { name: owner.to_owned(), certificate: Some(thumbprint) };
        Ok(trail::record(&self.pool, kind, &by, owner, details).await?)
    }

    /// The public keys by which hubs sign now, as a JWK Set.
    pub fn jwks(&self) -> Result<String, Refused> {
        let in_force = self.guard.in_force()?;
        let mut keys: Vec<_> = in_force
            .signing_keys()
            .map(|key| {
                let mut jwk: serde_json::Value =
                    serde_json::from_str(&key.jwk()).unwrap_or_default();
                jwk["kid"] = key.kid().into();
                jwk["alg"] = key.algorithm().into();
                jwk["use"] = "sig".into();
                jwk
            })
            .collect();
        keys.sort_by_key(|jwk| jwk["kid"].to_string());
        Ok(serde_json::json!({ "keys": keys }).to_string())
    }
}

/// What a request asks a token to be good for; none for everything.
pub(crate) fn asked(names: &[String]) -> Result<Option<Scopes>, Vec<usize>> {
    if names.is_empty() {
        return Ok(None);
    }
    let scopes: Vec<_> = names.iter().map(|name| Scope::of_name(name)).collect();
    let unknown = scopes.iter().enumerate().filter(|(_, scope)| scope.is_none());
    let unknown: Vec<usize> = unknown.map(|(index, _)| index).collect();
    if unknown.is_empty() {
        let known = scopes.into_iter().flatten();
        return Ok(Some(known.fold(Scopes::default(), Scopes::with)));
    }
    Err(unknown)
}

impl fmt::Debug for Issuer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Issuer(..)")
    }
}

/// Shows no token.
impl fmt::Debug for Issued {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Issued({:?} until {})", self.scopes, self.expires_at)
    }
}
