//! Every attack on a JWT that we know, as a table: each is refused, and for its own reason.

use aws_lc_rs::{
    hmac,
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair},
};
use jiff::{SignedDuration, Timestamp};
use rustls_pki_types::PrivatePkcs8KeyDer;
use serde_json::{Value, json};

use super::*;
use crate::certificate::Thumbprint;

const HUB: &str = "https://entente.example";
const HARBOR: &str = "spiffe://entente.example/partner/harbor-hotels";
const JTI: &str = "0123456789abcdef";

fn now() -> Timestamp {
    "2026-03-02T08:00:00Z".parse().expect("a time")
}

fn key(seed: u8) -> SigningKey {
    SigningKey::from_seed(&[seed; 32]).expect("a key")
}

fn p256() -> SigningKey {
    let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).expect("a key");
    let der = pair.to_pkcs8v1().expect("a document");
    SigningKey::from_der(&PrivatePkcs8KeyDer::from(der.as_ref()).into()).expect("a key")
}

/// Signs any header and claims, also such as must be refused.
fn sign_raw(key: &SigningKey, header: &str, claims: &str) -> String {
    let signed = format!("{}.{}", base64url(header), base64url(claims));
    let algorithm = key.public_key().jws_algorithm();
    let signature = jsonwebtoken::crypto::sign(signed.as_bytes(), key.encoding(), algorithm);
    format!("{signed}.{}", signature.expect("the key signs"))
}

fn header(key: &SigningKey) -> Value {
    let public = key.public_key();
    json!({ "typ": ClientAssertion::TYP, "alg": public.algorithm(), "kid": public.kid() })
}

fn claims() -> Value {
    let now = now().as_second();
    json!({ "iss": HARBOR, "sub": HARBOR, "aud": HUB, "iat": now, "exp": now + 60, "jti": JTI })
}

/// As the hub does it, which knows Harbor's key of seed 1.
fn open(token: &str) -> Result<ClientAssertion, Rejected> {
    let registered = key(1);
    let unverified = ClientAssertion::read(token)?;
    let known = unverified.kid() == registered.public_key().kid();
    let public = known.then(|| registered.public_key()).ok_or(Rejected::UnknownKey)?;
    ClientAssertion::verify(&unverified, public, HARBOR, HUB, now())
}

fn signed(header: &Value, claims: &Value) -> String {
    sign_raw(&key(1), &header.to_string(), &claims.to_string())
}

#[test]
fn what_is_signed_by_either_kind_of_key_is_read_back() {
    for key in [key(1), p256()] {
        let token = ClientAssertion::sign(&key, HARBOR, HUB, now()).expect("signed");
        let unverified = ClientAssertion::read(&token).expect("a good header");
        assert_eq!(unverified.kid(), key.public_key().kid());
        let verify = |at| ClientAssertion::verify(&unverified, key.public_key(), HARBOR, HUB, at);
        let read = verify(now()).expect("a good assertion");
        assert_eq!(read.replayable_until, now() + SignedDuration::from_secs(70));
        assert_eq!(verify(now() + SignedDuration::from_secs(70)), Err(Rejected::Expired));
        assert_eq!(verify(now() - SignedDuration::from_secs(11)), Err(Rejected::NotYetValid));
        assert!(verify(now() - SignedDuration::from_secs(10)).is_ok());
    }
}

#[test]
fn a_header_is_exactly_what_the_key_asks_for() {
    let good = header(&key(1));
    assert!(open(&signed(&good, &claims())).is_ok());
    let with = |name: &str, value: Value| {
        let mut header = good.clone();
        header[name] = value;
        header
    };
    let without = |name: &str| {
        let mut header = good.clone();
        header.as_object_mut().expect("an object").remove(name);
        header
    };
    let jwk: Value = serde_json::from_str(&key(1).public_key().jwk()).expect("JSON");
    for (header, expected) in [
        (with("alg", json!("none")), Rejected::Algorithm),
        (with("alg", json!("None")), Rejected::Algorithm),
        (with("alg", json!("HS256")), Rejected::Algorithm),
        (with("alg", json!("ES256")), Rejected::Algorithm),
        (with("alg", json!("RS256")), Rejected::Algorithm),
        (with("alg", json!(["EdDSA"])), Rejected::Header),
        (with("alg", Value::Null), Rejected::Header),
        (without("alg"), Rejected::Header),
        (with("typ", json!("JWT")), Rejected::Type),
        (with("typ", json!("at+jwt")), Rejected::Type),
        (with("typ", json!("member-link+jwt")), Rejected::Type),
        (with("typ", json!("CLIENT-AUTHENTICATION+JWT")), Rejected::Type),
        (with("typ", json!(1)), Rejected::Header),
        (without("typ"), Rejected::Header),
        (with("kid", json!("nobody's")), Rejected::UnknownKey),
        (with("kid", json!(key(2).public_key().kid())), Rejected::UnknownKey),
        (with("kid", json!("")), Rejected::UnknownKey),
        (with("kid", json!(7)), Rejected::Header),
        (without("kid"), Rejected::Header),
        (with("crit", json!(["exp"])), Rejected::Header),
        (with("crit", json!([])), Rejected::Header),
        (with("b64", json!(false)), Rejected::Header),
        (with("jwk", jwk), Rejected::Header),
        (with("jku", json!("https://evil.example/keys")), Rejected::Header),
        (with("x5u", json!("https://evil.example/chain")), Rejected::Header),
        (with("x5c", json!(["MIIB"])), Rejected::Header),
        (with("zip", json!("DEF")), Rejected::Header),
        (json!([ClientAssertion::TYP, "EdDSA", "kid"]), Rejected::Malformed),
        (json!("at+jwt"), Rejected::Malformed),
    ] {
        assert_eq!(open(&signed(&header, &claims())), Err(expected), "{header}");
    }
}

#[test]
fn each_claim_has_one_form() {
    let second = now().as_second();
    let cases = [
        ("iss", json!("spiffe://entente.example/partner/rover-rides"), Rejected::Issuer),
        ("iss", json!([HARBOR]), Rejected::Claim("iss")),
        ("iss", json!(1), Rejected::Claim("iss")),
        ("sub", json!("spiffe://entente.example/partner/rover-rides"), Rejected::Subject),
        // The library does not read on where it finds something else than a string here.
        ("sub", json!([HARBOR]), Rejected::Malformed),
        ("sub", json!({}), Rejected::Malformed),
        ("aud", json!("https://other.example"), Rejected::Audience),
        ("aud", json!("https://entente.example/"), Rejected::Audience),
        ("aud", json!([HUB]), Rejected::Claim("aud")),
        ("aud", json!([HUB, "https://other.example"]), Rejected::Claim("aud")),
        ("iat", json!(second + 11), Rejected::NotYetValid),
        ("iat", json!(second - 1), Rejected::Lifetime),
        ("iat", json!("1772438400"), Rejected::Claim("iat")),
        ("iat", json!(1.5), Rejected::Claim("iat")),
        ("iat", json!(i64::MAX), Rejected::Claim("iat")),
        ("exp", json!(second + 61), Rejected::Lifetime),
        ("exp", json!(second), Rejected::Lifetime),
        ("exp", json!(second - 60), Rejected::Lifetime),
        ("exp", json!(i64::MIN), Rejected::Claim("exp")),
        ("exp", json!(u64::MAX), Rejected::Claim("exp")),
        ("exp", json!(1e300), Rejected::Claim("exp")),
        ("exp", json!([second + 60]), Rejected::Malformed),
        ("exp", Value::Null, Rejected::Claim("exp")),
        ("nbf", json!(second + 11), Rejected::NotYetValid),
        ("nbf", json!(true), Rejected::Claim("nbf")),
        ("jti", json!("short"), Rejected::Claim("jti")),
        ("jti", json!("x".repeat(65)), Rejected::Claim("jti")),
        ("jti", json!("0123456789abcde\n"), Rejected::Claim("jti")),
        ("jti", json!(123_456_789_012_345_678_i64), Rejected::Claim("jti")),
    ];
    for (name, value, expected) in cases {
        let mut wrong = claims();
        wrong[name] = value;
        assert_eq!(open(&signed(&header(&key(1)), &wrong)), Err(expected), "{wrong}");
    }
    for name in ["iss", "sub", "aud", "iat", "exp", "jti"] {
        let mut wrong = claims();
        wrong.as_object_mut().expect("an object").remove(name);
        let expected = Err(Rejected::Claim(name));
        assert_eq!(open(&signed(&header(&key(1)), &wrong)), expected, "{wrong}");
    }
}

#[test]
fn no_member_occurs_twice_and_nothing_comes_behind() {
    let header = header(&key(1)).to_string();
    let claims = claims().to_string();
    let twice = |json: &str, more: &str| json.replacen('{', &format!("{{{more},"), 1);
    for (header, claims) in [
        (twice(&header, r#""alg":"none""#), claims.clone()),
        (twice(&header, r#""kid":"other""#), claims.clone()),
        (header.clone(), twice(&claims, r#""aud":"https://other.example""#)),
        (header.clone(), twice(&claims, r#""\u0065xp":9999999999"#)),
        (header.clone(), twice(&claims, r#""x":{"y":1,"y":2}"#)),
        (header.clone(), format!("{claims} {{}}")),
        (header.clone(), "[]".to_owned()),
        (header.clone(), String::new()),
        (header.clone(), format!("{}1{}", "[".repeat(200), "]".repeat(200))),
    ] {
        let token = sign_raw(&key(1), &header, &claims);
        assert_eq!(open(&token), Err(Rejected::Malformed), "{header} {claims}");
    }
}

#[test]
fn a_signature_is_by_the_key_and_over_these_bytes() {
    let good = signed(&header(&key(1)), &claims());
    let (message, signature) = good.rsplit_once('.').expect("three parts");
    let (head, payload) = message.split_once('.').expect("three parts");

    let forged = sign_raw(&key(2), &header(&key(1)).to_string(), &claims().to_string());
    let secret = key(1).public_key().jwk();
    let hmac =
        hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes()), message.as_bytes());
    let mut later = claims();
    later["exp"] = json!(now().as_second() + 59);
    let swapped = format!("{head}.{}.{signature}", base64url(later.to_string()));
    for (token, expected) in [
        (forged, Rejected::Signature),
        (format!("{message}.{}", base64url(hmac)), Rejected::Signature),
        (format!("{message}."), Rejected::Signature),
        (swapped, Rejected::Signature),
        (format!("{message}.{signature}="), Rejected::Malformed),
        (format!("{message}.{signature}.{signature}"), Rejected::Malformed),
        (message.to_owned(), Rejected::Malformed),
        (format!("{head}..{signature}"), Rejected::Signature),
        (format!("{good}\n"), Rejected::Malformed),
        (format!(" {good}"), Rejected::Malformed),
        (format!("{head}.{payload}"), Rejected::Malformed),
        (String::new(), Rejected::Malformed),
        ("..".to_owned(), Rejected::Malformed),
        ("a".repeat(MAX_TOKEN_BYTES + 1), Rejected::TooLong),
    ] {
        assert_eq!(open(&token), Err(expected), "{token}");
    }
}

fn token(seed: u8) -> AccessToken {
    let thumbprint = Thumbprint::from_bytes([seed; 32]);
    let life = SignedDuration::from_mins(15);
    let (subject, scope) = (HARBOR.to_owned(), "points:earn points:burn".to_owned());
    let issued = AccessToken::new(subject, thumbprint, scope, ("kid".to_owned(), 3), now(), life);
    issued.expect("a token")
}

#[test]
fn an_access_token_says_what_was_signed_and_ends_to_the_second() {
    let (hub, token) = (key(9), token(5));
    let signed = token.sign(&hub, HUB);
    let unverified = AccessToken::read(&signed).expect("a good header");
    let verify = |issuer, at| AccessToken::verify(&unverified, hub.public_key(), issuer, at);
    assert_eq!(verify(HUB, now()), Ok(token.clone()));
    assert!(verify(HUB, token.expires_at - SignedDuration::from_nanos(1)).is_ok());
    assert_eq!(verify(HUB, token.expires_at), Err(Rejected::Expired));
    assert_eq!(verify(HUB, now() - SignedDuration::from_secs(11)), Err(Rejected::NotYetValid));
    assert_eq!(verify("https://other.example", now()), Err(Rejected::Issuer));
    // A partner's own key signs no token, whatever it says in it.
    let own = token.sign(&key(1), HUB);
    let own = AccessToken::read(&own).expect("a good header");
    let verified = AccessToken::verify(&own, hub.public_key(), HUB, now());
    assert_eq!(verified, Err(Rejected::UnknownKey));
    assert_eq!(ClientAssertion::read(&signed).map(drop), Err(Rejected::Type));
}

#[test]
fn a_member_assertion_is_of_one_partner_about_one_member() {
    let (harbor, code) = (key(1), "ABCD-2345");
    let consent = Consent { wording_version: "2026-01".to_owned(), at: now() };
    let sign = |reference: &str, consent: &Consent| {
        MemberAssertion::sign(&harbor, HARBOR, reference, consent, Some(code), HUB, now())
            .expect("signed")
    };
    let open = |token: &str, partner: &str| {
        let unverified = MemberAssertion::read(token)?;
        MemberAssertion::verify(&unverified, harbor.public_key(), partner, HUB, now())
    };
    let good = open(&sign("guest-1", &consent), HARBOR).expect("a good assertion");
    assert_eq!((good.reference.as_str(), &good.consent), ("guest-1", &consent));
    assert_eq!(good.link_code_hash, Some(MemberAssertion::link_code_hash(code)));
    let other = "spiffe://entente.example/partner/rover-rides";
    assert_eq!(open(&sign("guest-1", &consent), other), Err(Rejected::Issuer));
    assert_eq!(open(&sign("", &consent), HARBOR), Err(Rejected::Claim("sub")));
    assert_eq!(open(&sign(&"g".repeat(65), &consent), HARBOR), Err(Rejected::Claim("sub")));
    let early = Consent { at: now() + SignedDuration::from_hours(1), ..consent.clone() };
    assert_eq!(open(&sign("guest-1", &early), HARBOR), Err(Rejected::Claim("consent")));
    let unworded = Consent { wording_version: String::new(), ..consent };
    assert_eq!(open(&sign("guest-1", &unworded), HARBOR), Err(Rejected::Claim("consent")));
}

#[test]
fn a_key_is_named_by_its_thumbprint_and_read_from_public_members_alone() {
    // RFC 8037, appendix A: the key, its public half, and its thumbprint.
    let x = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo";
    let jwk = format!(r#"{{"kty":"OKP","crv":"Ed25519","x":"{x}"}}"#);
    let public = PublicKey::from_jwk(&jwk).expect("the RFC's key");
    assert_eq!(public.kid(), "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");
    assert_eq!(PublicKey::from_jwk(&public.jwk()), Ok(public.clone()));
    let ec = p256();
    assert_eq!(PublicKey::from_jwk(&ec.public_key().jwk()).as_ref(), Ok(ec.public_key()));
    for bad in [
        format!(r#"{{"kty":"OKP","crv":"Ed25519","x":"{x}","d":"{x}"}}"#),
        format!(r#"{{"kty":"OKP","crv":"Ed25519","x":"{x}","alg":"HS256"}}"#),
        format!(r#"{{"kty":"OKP","crv":"Ed25519","x":"{x}","kid":"mine"}}"#),
        format!(r#"{{"kty":"OKP","crv":"Ed25519","x":"{x}","use":"enc"}}"#),
        format!(r#"{{"kty":"OKP","crv":"X25519","x":"{x}"}}"#),
        format!(r#"{{"kty":"EC","crv":"P-256","x":"{x}","y":"{x}"}}"#),
        format!(r#"{{"kty":"oct","k":"{x}"}}"#),
        r#"{"kty":"OKP","crv":"Ed25519","x":"AAAA"}"#.to_owned(),
        r#"{"kty":"OKP","crv":"Ed25519"}"#.to_owned(),
        "[]".to_owned(),
        " ".repeat(2_000),
    ] {
        assert_eq!(PublicKey::from_jwk(&bad), Err(KeyError::Jwk), "{bad}");
    }
}

#[test]
fn a_key_is_read_back_from_its_file() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("client-assertion.key");
    for key in [SigningKey::generate().expect("a key"), p256()] {
        std::fs::write(&path, key.to_pem()).expect("written");
        let read = SigningKey::from_pem_file(&path).expect("a key");
        assert_eq!(read.public_key(), key.public_key());
    }
    std::fs::write(&path, "-----BEGIN PRIVATE KEY-----\nc2VjcmV0\n-----END PRIVATE KEY-----\n")
        .expect("written");
    let error = SigningKey::from_pem_file(&path).expect_err("no key").to_string();
    assert!(error.contains("client-assertion.key") && !error.contains("c2Vj"), "{error}");
}
