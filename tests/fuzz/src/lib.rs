//! What has to hold of whatever strangers send. Each function takes any bytes, and panics only where
//! something is wrong with the code that reads them. `tests/tidy/fuzz.rs` includes this file, too.

use std::sync::LazyLock;

use aws_lc_rs::signature::Ed25519KeyPair;
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use entente_hub::{
    caller::{Caller, OperatorName},
    feed::{Cursor, StoredCursor},
    linking::{CODE_CHARS, TypedCode},
    page_token::{Binding, PageTokens},
};
use entente_identity::{
    Identity, Name, TrustDomain,
    certificate::{ClientCertificate, own_identity},
    jwt::{
        AccessToken, ClientAssertion, KeyRotation, MAX_TOKEN_BYTES, MemberAssertion, SigningKey,
        TOKEN_LIFE,
    },
};
use entente_ledger::Seq;
use entente_store::feed::{FeedHead, FeedHeads};
use jiff::{SignedDuration, Timestamp};
use prost::Message as _;
use rustls::pki_types::CertificateDer;

/// The key that signs claims, and the one that seals positions. Nothing else has them.
const SEED: [u8; 32] = [7; 32];

const DOMAIN: &str = "entente.example";
const ISSUER: &str = "https://entente.example";
const HARBOR: &str = "spiffe://entente.example/partner/harbor-hotels";

/// When it is: a second of 2026, as the seeds have it.
const NOW: i64 = 1_772_359_200;

/// How long an assertion could be shown again at most: its life, and what clocks may be apart.
const REPLAYABLE: SignedDuration = SignedDuration::from_secs(120);

static KEY: LazyLock<SigningKey> =
    LazyLock::new(|| SigningKey::from_seed(&SEED).expect("32 bytes are a seed"));

/// The certificates that clients present, as DER; and the ids in them, as text.
pub fn certificates(data: &[u8]) {
    let domain: TrustDomain = DOMAIN.parse().expect("a good trust domain");
    let der = CertificateDer::from(data);
    if let Ok(read) = ClientCertificate::read(&der, &domain) {
        let own = own_identity(&der).expect("whoever is named here is named to itself");
        assert_eq!(own, (read.identity.clone(), domain.clone()));
        assert_eq!(Identity::parse(&read.identity.uri(&domain), &domain), Ok(read.identity));
    } else if let Ok((identity, domain)) = own_identity(&der) {
        assert_eq!(Identity::parse(&identity.uri(&domain), &domain), Ok(identity));
    }
    let Ok(text) = std::str::from_utf8(data) else { return };
    // One identity has one spelling.
    if let Ok(identity) = Identity::parse(text, &domain) {
        assert_eq!(identity.uri(&domain), text);
    }
    if let Ok(name) = text.parse::<Name>() {
        assert_eq!(name.as_str(), text);
    }
    if let Ok(domain) = text.parse::<TrustDomain>() {
        assert_eq!(domain.as_str(), text);
    }
}

/// JWTs of every type. After a `c`, claims that are signed here, so that what is behind the signature
/// is reached; else a whole token, without its first byte.
pub fn jwts(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let Some((mode, rest)) = text.split_at_checked(1) else { return };
    let types = [AccessToken::TYP, ClientAssertion::TYP, MemberAssertion::TYP, KeyRotation::TYP];
    if mode == "c" {
        for typ in types {
            jwt(&signed(typ, rest), true);
        }
    } else {
        jwt(rest, false);
    }
}

fn signed(typ: &str, claims: &str) -> String {
    let kid = KEY.public_key().kid();
    let header = format!(r#"{{"typ":"{typ}","alg":"EdDSA","kid":"{kid}"}}"#);
    let [header, claims] = [&header, claims].map(|part| URL_SAFE_NO_PAD.encode(part));
    let signing = Ed25519KeyPair::from_seed_unchecked(&SEED).expect("32 bytes are a seed");
    let token = format!("{header}.{claims}");
    let signature = URL_SAFE_NO_PAD.encode(signing.sign(token.as_bytes()));
    format!("{token}.{signature}")
}

fn jwt(token: &str, ours: bool) {
    let now = Timestamp::from_second(NOW).expect("a time");
    let key = KEY.public_key();
    let access =
        AccessToken::read(token).and_then(|read| AccessToken::verify(&read, key, ISSUER, now));
    let client = ClientAssertion::read(token)
        .and_then(|read| ClientAssertion::verify(&read, key, HARBOR, ISSUER, now));
    let member = MemberAssertion::read(token)
        .and_then(|read| MemberAssertion::verify(&read, key, HARBOR, ISSUER, now));
    let rotation = KeyRotation::read(token)
        .and_then(|read| KeyRotation::verify(&read, key, HARBOR, ISSUER, now));
    let accepted = [access.is_ok(), client.is_ok(), member.is_ok(), rotation.is_ok()];
    let count = accepted.into_iter().filter(|accepted| *accepted).count();
    assert!(count <= 1, "a JWT is for one thing: {accepted:?}");
    assert!(count == 0 || ours, "nobody else has the key");
    assert!(count == 0 || token.len() <= MAX_TOKEN_BYTES);
    if let Ok(token) = access {
        assert!(now < token.expires_at && token.issued_at < token.expires_at);
        assert!(token.issued_at.duration_until(token.expires_at) <= TOKEN_LIFE);
        assert!(!token.jti.is_empty());
    }
    let until = [client.map(|it| it.replayable_until), member.map(|it| it.replayable_until)];
    for until in until.into_iter().flatten() {
        assert!(now < until && now.duration_until(until) <= REPLAYABLE);
    }
}

/// Page tokens and resume tokens, and what they hold: nobody can make one, and what an older hub has
/// sealed, whatever it was, is a place of this ledger or none.
pub fn positions(data: &[u8]) {
    let tokens = PageTokens::new(&SEED);
    let caller = Caller::Operator(OperatorName::new("amelia"));
    let [binding, other] = ["a", "b"].map(|filter| Binding::new(&caller, "list", &[filter]));
    if let Ok(text) = std::str::from_utf8(data)
        && !text.is_empty()
    {
        assert!(tokens.open_token::<StoredCursor>(&binding, text).is_err(), "it is made up");
    }
    let Ok(stored) = StoredCursor::decode(data) else { return };
    let sealed = tokens.seal(&binding, &stored);
    assert!(tokens.open_token::<StoredCursor>(&other, &sealed).is_err(), "it is for one list");
    if let Ok(opened) = tokens.open_token::<StoredCursor>(&binding, &sealed) {
        assert_eq!(opened.as_ref(), Some(&stored));
    }
    let now = Timestamp::from_second(NOW).expect("a time");
    let cell = FeedHead { seq: Seq(1_000), last_time: now };
    let heads = FeedHeads { cells: vec![cell; 4], now };
    if let Some(cursor) = Cursor::of(&stored, &heads) {
        assert_eq!(cursor.stored(), stored);
        assert!(cursor.floor(&heads) <= now);
        let all_read = stored.seqs.iter().all(|seq| *seq == 1_000);
        assert_eq!(cursor.is_behind(&heads), !all_read);
    }
}

/// Link codes as people type them: however a code is shown, it is the same code.
pub fn codes(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let Some(code) = TypedCode::typed(text) else { return };
    assert!(!code.reveal().is_empty() && !code.reveal().contains(char::is_whitespace));
    assert_eq!(
        MemberAssertion::link_code_hash(text),
        MemberAssertion::link_code_hash(code.reveal()),
    );
    if code.reveal().chars().count() <= CODE_CHARS {
        assert_eq!(TypedCode::typed(&code.shown()), Some(code));
    }
}
