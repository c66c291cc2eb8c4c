//! Requests about tokens, keys and operators.

use entente_api::identity::{
    GrantRolesRequest, IssueTokenRequest, RegisterKeyRequest, RevokeKeyRequest, RotateKeyRequest,
};
use entente_identity::{
    Name,
    jwt::{MAX_TOKEN_BYTES, PublicKey},
};
use entente_ledger::RequestId;

use super::{Expected, Violations, request_id};
use crate::{
    authorization::{OperatorRole, Scopes},
    control::{GrantRoles, RegisterKey},
    error::Refused,
    security::{Actor, asked},
};

/// How many scopes a request names at most.
const MAX_SCOPES: usize = 32;

/// What a token is to be good for; `None` for everything.
pub fn issue(request: &IssueTokenRequest) -> Result<Option<Scopes>, Refused> {
    let mut violations = Violations::default();
    violations.field("client_assertion", jwt(&request.client_assertion));
    if request.scopes.len() > MAX_SCOPES {
        violations.add("scopes", format!("at most {MAX_SCOPES}"));
        return Err(violations.refused());
    }
    let scopes = asked(&request.scopes).unwrap_or_else(|unknown| {
        for index in unknown {
            violations.add(format!("scopes[{index}]"), "a scope, such as points:earn");
        }
        None
    });
    violations.none().map(|()| scopes)
}

/// A key for an owner.
pub fn register(request: &RegisterKeyRequest) -> Result<(RequestId, RegisterKey), Refused> {
    let mut violations = Violations::default();
    let id = violations.field("request_id", request_id(&request.request_id));
    let owner = violations.field("owner", owner(&request.owner));
    let key = violations.field("jwk", jwk(&request.jwk));
    match (id, owner, key) {
        (Some(id), Some(owner), Some(key)) => Ok((id, RegisterKey { owner, key, by: nobody() })),
        _ => Err(violations.refused()),
    }
}

/// A key that its owner brings.
pub fn rotate(request: &RotateKeyRequest) -> Result<(RequestId, PublicKey), Refused> {
    let mut violations = Violations::default();
    let id = violations.field("request_id", request_id(&request.request_id));
    let key = violations.field("jwk", jwk(&request.jwk));
    violations.field("proof", jwt(&request.proof));
    violations.field("possession", jwt(&request.possession));
    match (id, key) {
        (Some(id), Some(key)) if violations.is_empty() => Ok((id, key)),
        _ => Err(violations.refused()),
    }
}

/// The end of a key, of an owner that may be named.
pub fn revoke(request: &RevokeKeyRequest) -> Result<(RequestId, Option<String>), Refused> {
    let mut violations = Violations::default();
    let id = violations.field("request_id", request_id(&request.request_id));
    let named = violations.field("owner", named(&request.owner));
    let good = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    if request.kid.len() != 43 || !request.kid.bytes().all(good) {
        violations.add("kid", "an RFC 7638 thumbprint in base64url");
    }
    match (id, named) {
        (Some(id), Some(named)) if violations.is_empty() => Ok((id, named)),
        _ => Err(violations.refused()),
    }
}

/// The roles of an operator.
pub fn grant(request: &GrantRolesRequest) -> Result<(RequestId, GrantRoles), Refused> {
    let mut violations = Violations::default();
    let id = violations.field("request_id", request_id(&request.request_id));
    let operator = violations.field("operator", name(&request.operator));
    let mut roles = Vec::new();
    for (index, code) in request.roles.iter().enumerate().take(MAX_SCOPES) {
        match OperatorRole::of_code(*code) {
            Some(role) if !roles.contains(&role) => roles.push(role),
            Some(_) | None => violations.add(format!("roles[{index}]"), "a role, once"),
        }
    }
    roles.sort_unstable();
    match (id, operator) {
        (Some(id), Some(operator)) if violations.is_empty() => {
            Ok((id, GrantRoles { operator, roles, by: nobody() }))
        }
        _ => Err(violations.refused()),
    }
}

/// Who approves an act, as long as nobody does.
fn nobody() -> Actor {
    Actor { name: "hub".to_owned(), certificate: None }
}

/// An owner of keys that may be named; empty for the caller.
pub fn optional_owner(text: &str) -> Result<Option<String>, Refused> {
    let mut violations = Violations::default();
    violations.field("owner", named(text)).ok_or_else(|| violations.refused())
}

fn named(text: &str) -> Result<Option<String>, Expected> {
    if text.is_empty() { Ok(None) } else { owner(text).map(Some) }
}

fn owner(text: &str) -> Result<String, Expected> {
    let good = text
        .split_once('/')
        .is_some_and(|(kind, of)| matches!(kind, "partner" | "operator") && name(of).is_ok());
    let owned = good.then(|| text.to_owned());
    owned.ok_or(Expected::Borrowed("partner/CODE or operator/NAME"))
}

fn name(text: &str) -> Result<String, Expected> {
    let parsed: Result<Name, _> = text.parse();
    let expected = "2 to 31 of a-z, 0-9 and -, beginning with a letter";
    parsed.map(|name| name.as_str().to_owned()).map_err(|_| Expected::Borrowed(expected))
}

fn jwk(text: &str) -> Result<PublicKey, Expected> {
    let expected = "a public JWK of Ed25519 (OKP) or P-256 (EC), as JSON of at most 1,024 bytes";
    PublicKey::from_jwk(text).map_err(|_| Expected::Borrowed(expected))
}

/// Its content is looked at where it is verified.
fn jwt(text: &str) -> Result<(), Expected> {
    let good = (1..=MAX_TOKEN_BYTES).contains(&text.len());
    good.then_some(()).ok_or(Expected::Borrowed("a JWT of at most 4,096 bytes"))
}
