//! Tokens and assertions, good and bad: what a caller shows beside its certificate.

use std::{fs, net::SocketAddr};

use entente_client::{
    Assertions, Client, Refusal,
    api::identity::{IssueTokenRequest, IssueTokenResponse},
};
use entente_identity::{
    Identity, Thumbprint,
    jwt::{AccessToken, SigningKey},
    pem::read_certificates,
};
use entente_testkit::{SECOND_OPERATOR, TestHub, cast::real_now};
use jiff::SignedDuration;
use tonic::Request;

/// The issuer of every test's hub.
pub(crate) const ISSUER: &str = "https://entente.test";

pub(crate) fn second_operator() -> Identity {
    Identity::Operator(SECOND_OPERATOR.parse().expect("a good name"))
}

/// How an identity of the cast signs assertions.
pub(crate) fn assertions(hub: &TestHub, identity: &Identity) -> Assertions {
    let directory = hub.trust_domain();
    Assertions::new(directory.assertion_key(identity), directory.certificate(identity))
}

fn address(hub: &TestHub, identity: &Identity) -> SocketAddr {
    match identity {
        Identity::Operator(_) => hub.operator_address(),
        Identity::Partner(_) | Identity::Hub => hub.partner_address(),
    }
}

/// A client whose calls carry no token.
pub(crate) async fn bare(hub: &TestHub, identity: &Identity) -> Client {
    let mut options = hub.options(identity, address(hub, identity));
    options.assertion_key = None;
    Client::connect(options).await.expect("the hub answers")
}

/// Shows an assertion.
pub(crate) async fn issue(
    client: &Client,
    assertion: String,
    scopes: &[&str],
) -> Result<IssueTokenResponse, Refusal> {
    let scopes = scopes.iter().map(ToString::to_string).collect();
    let asked = client.issue_token(IssueTokenRequest { client_assertion: assertion, scopes }).await;
    asked.map_err(|error| error.refusal().expect("a refusal").clone())
}

/// A token of an identity of the cast; no scopes stand for all.
pub(crate) async fn token(hub: &TestHub, identity: &Identity, scopes: &[&str]) -> String {
    let assertion = assertions(hub, identity).sign().expect("it is signed");
    let issued = issue(&bare(hub, identity).await, assertion, scopes).await;
    issued.expect("a token").access_token
}

/// A request that carries a token, or none.
pub(crate) fn bearing(token: Option<&str>, message: &[u8]) -> Request<Vec<u8>> {
    let mut request = Request::new(message.to_vec());
    if let Some(token) = token {
        let value = format!("Bearer {token}").parse().expect("a header value");
        request.metadata_mut().insert("authorization", value);
    }
    request
}

/// The key by which the test's hub signs: its seed lies with the hub's keys.
pub(crate) fn hub_key(hub: &TestHub) -> SigningKey {
    let folder = hub.trust_domain().folder().join("keys");
    let files = fs::read_dir(folder).expect("the keys folder").map(|entry| entry.unwrap().path());
    let seed = files
        .into_iter()
        .find(|path| path.to_string_lossy().contains("token-signing-"))
        .expect("the hub's seed");
    let seed: [u8; 32] = fs::read(seed).expect("it is read").try_into().expect("32 bytes");
    SigningKey::from_seed(&seed).expect("a key")
}

/// What the hub would say in a token of an identity now.
pub(crate) fn said(hub: &TestHub, identity: &Identity) -> AccessToken {
    let directory = hub.trust_domain();
    let chain = read_certificates(&directory.certificate(identity)).expect("a certificate");
    let key = SigningKey::from_pem_file(&directory.assertion_key(identity)).expect("a key");
    let scope = "points:earn points:burn members:read ledger:read".to_owned();
    AccessToken::new(
        identity.uri(directory.trust_domain()),
        Thumbprint::of(&chain[0]),
        scope,
        (key.public_key().kid().to_owned(), 1),
        real_now(),
        SignedDuration::from_mins(15),
    )
    .expect("a token")
}
