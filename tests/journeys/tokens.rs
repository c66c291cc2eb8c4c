//! Tokens and assertions that must be refused, over the wire: each attack that we know, and one answer
//! for all of them.

use entente_client::{
    Refusal,
    api::{
        error::ErrorReason,
        identity::GetJwksRequest,
        ledger::{GetLedgerRequest, GetLedgerResponse},
    },
};
use entente_identity::{
    Identity, Thumbprint,
    jwt::{AccessToken, ClientAssertion, Consent, MemberAssertion, PublicKey, SigningKey},
    pki::Overwrite,
};
use entente_testkit::{
    OPERATOR, TestHub,
    cast::{HARBOR, ROVER, real_now},
};
use jiff::SignedDuration;
use prost::Message as _;

use crate::{
    credentials::{ISSUER, assertions, bare, bearing, hub_key, issue, said, token},
    wire::{Wire, partner},
};

const GET_LEDGER: &str = "/entente.ledger.v1.LedgerService/GetLedger";

async fn read(wire: &Wire, token: Option<&str>) -> Result<GetLedgerResponse, Refusal> {
    let message = GetLedgerRequest {}.encode_to_vec();
    let answer = wire.send(GET_LEDGER, bearing(token, &message)).await;
    let answer = answer.map_err(|status| Refusal::from_status(&status))?;
    Ok(GetLedgerResponse::decode(answer.as_slice()).unwrap())
}

/// The reason of a call by a token, and that it tells nothing more.
async fn refused(wire: &Wire, token: Option<&str>, case: &str) -> ErrorReason {
    let refusal = read(wire, token).await.expect_err(case);
    assert!(refusal.metadata.is_empty() && refusal.violations.is_empty(), "{case}: {refusal:?}");
    refusal.reason
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_is_good_for_its_holder_on_its_certificate_while_it_lives() {
    let hub = TestHub::with_cast().await;
    let (harbor, rover) = (partner(HARBOR), partner(ROVER));
    let wire = Wire::without_token(&hub, &harbor).await;
    let ours = hub_key(&hub);
    let good = said(&hub, &harbor);
    let forged = |change: &dyn Fn(&mut AccessToken)| {
        let mut token = good.clone();
        change(&mut token);
        token.sign(&ours, ISSUER)
    };
    assert!(read(&wire, Some(&forged(&|_| {}))).await.is_ok(), "the forger knows the form");
    let own = SigningKey::from_pem_file(&hub.trust_domain().assertion_key(&harbor)).unwrap();
    let (hour, day) = (SignedDuration::from_hours(1), SignedDuration::from_hours(24));
    let uri = |identity: &Identity| identity.uri(hub.trust_domain().trust_domain());
    let operator = Identity::Operator(OPERATOR.parse().unwrap());
    let genuine = token(&hub, &harbor, &[]).await;
    let (message, _) = genuine.rsplit_once('.').unwrap();
    for (case, bad) in [
        ("none", None),
        ("empty", Some(String::new())),
        ("no JWT", Some("abc".to_owned())),
        ("huge", Some("a".repeat(8_000))),
        ("unsigned", Some(format!("{message}."))),
        ("another partner's", Some(token(&hub, &rover, &[]).await)),
        ("an assertion", Some(assertions(&hub, &harbor).sign().unwrap())),
        ("by its holder's own key", Some(good.sign(&own, ISSUER))),
        ("by a key that nobody knows", Some(good.sign(&SigningKey::generate().unwrap(), ISSUER))),
        ("of another hub", Some(good.sign(&ours, "https://other.example"))),
        ("of another holder", Some(forged(&|it| it.subject = uri(&rover)))),
        ("of an operator", Some(forged(&|it| it.subject = uri(&operator)))),
        (
            "by another certificate",
            Some(forged(&|it| it.thumbprint = Thumbprint::from_bytes([7; 32]))),
        ),
        ("by a key that is not its holder's", Some(forged(&|it| it.key = "x".repeat(43)))),
        (
            "not yet valid",
            Some(forged(&|it| {
                it.issued_at += hour;
                it.expires_at += hour;
            })),
        ),
        ("too long", Some(forged(&|it| it.expires_at += day))),
        ("of an id that is none", Some(forged(&|it| it.jti = "short".to_owned()))),
    ] {
        let reason = refused(&wire, bad.as_deref(), case).await;
        assert_eq!(reason, ErrorReason::TokenRefused, "{case}");
    }
    let expired = forged(&|it| {
        it.issued_at -= hour;
        it.expires_at -= hour;
    });
    assert_eq!(refused(&wire, Some(&expired), "expired").await, ErrorReason::TokenExpired);

    // The same holder with a new certificate: the token stays with the old one.
    let made = hub.trust_domain().issue(&harbor, None, real_now(), Overwrite::Replace);
    made.expect("a new certificate");
    let renewed = Wire::without_token(&hub, &harbor).await;
    assert_eq!(refused(&renewed, Some(&genuine), "stolen").await, ErrorReason::TokenRefused);
    assert!(read(&wire, Some(&genuine)).await.is_ok(), "on its own connection it is good");
    hub.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_assertion_is_by_a_registered_key_for_this_hub_and_shown_once() {
    let hub = TestHub::with_cast().await;
    let (harbor, rover) = (partner(HARBOR), partner(ROVER));
    let client = bare(&hub, &harbor).await;
    let directory = hub.trust_domain();
    let key = |identity| SigningKey::from_pem_file(&directory.assertion_key(identity)).unwrap();
    let (own, rovers) = (key(&harbor), key(&rover));
    let uri = |identity: &Identity| identity.uri(directory.trust_domain());
    let sign = |key: &SigningKey, identity: &Identity, audience: &str, age: i64| {
        let at = real_now() - SignedDuration::from_secs(age);
        ClientAssertion::sign(key, &uri(identity), audience, at).unwrap()
    };
    let shown = sign(&own, &harbor, ISSUER, 0);
    let issued = issue(&client, shown.clone(), &[]).await.expect("a good assertion");
    assert!(issued.scopes.contains(&"points:earn".to_owned()));
    let consent = Consent { wording_version: "1".to_owned(), at: real_now() };
    let member =
        MemberAssertion::sign(&own, &uri(&harbor), "guest", &consent, None, ISSUER, real_now());
    let unknown = SigningKey::generate().unwrap();
    let mut answers = Vec::new();
    for (case, assertion) in [
        ("replayed", shown),
        ("by a key that nobody registered", sign(&unknown, &harbor, ISSUER, 0)),
        ("by another's key", sign(&rovers, &harbor, ISSUER, 0)),
        ("another's", sign(&rovers, &rover, ISSUER, 0)),
        ("of another, by its own key", sign(&own, &rover, ISSUER, 0)),
        ("for another hub", sign(&own, &harbor, "https://other.example", 0)),
        ("too old", sign(&own, &harbor, ISSUER, 71)),
        ("too early", sign(&own, &harbor, ISSUER, -30)),
        ("about a member", member.unwrap()),
        ("a token", issued.access_token),
        ("no JWT", "abc".to_owned()),
    ] {
        let refusal = issue(&client, assertion, &[]).await.expect_err(case);
        assert_eq!(refusal.reason, ErrorReason::AssertionRefused, "{case}");
        // Whoever holds a good key, and is wrong in the time alone, is told what time it is here.
        let untimely = case.starts_with("too ");
        assert_eq!(refusal.metadata.contains_key("hub_time"), untimely, "{case}");
        if !untimely {
            answers.push(refusal);
        }
    }
    assert!(
        answers.windows(2).all(|pair| pair[0] == pair[1]),
        "no answer tells which: {answers:?}"
    );
    let fresh = || assertions(&hub, &harbor).sign().unwrap();
    for (scopes, reason) in [
        (&["settlement:write"][..], ErrorReason::ScopeMissing),
        (&["points:earn", "points:mint"], ErrorReason::Malformed),
        (&["points:earn"; 33], ErrorReason::Malformed),
    ] {
        let refusal = issue(&client, fresh(), scopes).await.expect_err("too much");
        assert_eq!(refusal.reason, reason, "{scopes:?}");
    }
    hub.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_published_keys_verify_what_the_hub_issues() {
    let hub = TestHub::with_cast().await;
    let harbor = partner(HARBOR);
    let jwks = bare(&hub, &harbor).await.get_jwks(GetJwksRequest {}).await.unwrap().jwks;
    let jwks: serde_json::Value = serde_json::from_str(&jwks).unwrap();
    let signed = token(&hub, &harbor, &["points:earn"]).await;
    let unverified = AccessToken::read(&signed).unwrap();
    let keys = jwks["keys"].as_array().unwrap();
    let key = keys.iter().find(|key| key["kid"] == unverified.kid()).expect("the hub's key");
    let key = PublicKey::from_jwk(&key.to_string()).unwrap();
    let read = AccessToken::verify(&unverified, &key, ISSUER, real_now()).unwrap();
    assert_eq!((read.subject, read.scope.as_str()), (said(&hub, &harbor).subject, "points:earn"));
    hub.close().await;
}
