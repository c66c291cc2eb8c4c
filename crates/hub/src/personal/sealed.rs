//! What is sealed: a nonce, the content by AES-256-GCM, and its tag. The content is filled up to whole
//! blocks, so that its length says little; whose it is and what it is for is authenticated with it.

use std::fmt;

use aws_lc_rs::aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};
use entente_ledger::{MemberId, PartnerId};
use entente_store::StoreError;
use jiff::Timestamp;
use prost::Message;

use super::Consent;
use crate::parse::{self, MemberReference};

/// How long what is sealed is, less nonce and tag: a multiple of it.
const BLOCK: usize = 64;
/// What says how much of it is content.
const LENGTH_BYTES: usize = 4;

const REFERENCE: &[u8] = b"entente reference 1";
const CONSENT: &[u8] = b"entente consent 1";

/// Why something sealed cannot be read: another key sealed it, or for something else, or somebody
/// changed it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("it was not sealed by this key, or was changed")]
pub struct Unreadable;

/// A key that seals.
pub(super) struct Seal(RandomizedNonceKey);

/// A member's own key.
pub struct DataKey {
    bytes: [u8; 32],
    seal: Seal,
}

/// A consent, encoded.
#[derive(Clone, PartialEq, Message)]
struct WireConsent {
    #[prost(int64, tag = "1")]
    given_at_micros: i64,
    #[prost(string, tag = "2")]
    wording_version: String,
    #[prost(bytes = "vec", tag = "3")]
    assertion_sha256: Vec<u8>,
}

impl Seal {
    pub(super) fn new(key: &[u8; 32]) -> Self {
        Self(RandomizedNonceKey::new(&AES_256_GCM, key).expect("the key has the right length"))
    }

    /// Seals without filling up.
    pub(super) fn seal(&self, context: &[u8], content: &[u8]) -> Vec<u8> {
        let mut sealed = content.to_vec();
        let nonce = self.0.seal_in_place_append_tag(Aad::from(context), &mut sealed);
        let nonce = nonce.expect("there is randomness, and the content is short");
        [nonce.as_ref().as_slice(), sealed.as_slice()].concat()
    }

    pub(super) fn open(&self, context: &[u8], sealed: &[u8]) -> Result<Vec<u8>, Unreadable> {
        let (nonce, sealed) = sealed.split_at_checked(NONCE_LEN).ok_or(Unreadable)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| Unreadable)?;
        let mut opened = sealed.to_vec();
        let length = self.0.open_in_place(nonce, Aad::from(context), &mut opened);
        let length = length.map_err(|_| Unreadable)?.len();
        opened.truncate(length);
        Ok(opened)
    }

    /// Seals whole blocks.
    pub(super) fn seal_filled(&self, context: &[u8], content: &[u8]) -> Vec<u8> {
        let length = u32::try_from(content.len()).expect("messages are far shorter");
        let mut filled = [&length.to_be_bytes(), content].concat();
        filled.resize(filled.len().next_multiple_of(BLOCK), 0);
        self.seal(context, &filled)
    }

    pub(super) fn open_filled(&self, context: &[u8], sealed: &[u8]) -> Result<Vec<u8>, Unreadable> {
        let opened = self.open(context, sealed)?;
        let (length, content) = opened.split_first_chunk::<LENGTH_BYTES>().ok_or(Unreadable)?;
        let length = usize::try_from(u32::from_be_bytes(*length)).map_err(|_| Unreadable)?;
        content.get(..length).map(<[u8]>::to_vec).ok_or(Unreadable)
    }
}

impl DataKey {
    pub(super) fn new(bytes: [u8; 32]) -> Self {
        Self { seal: Seal::new(&bytes), bytes }
    }

    pub(super) const fn bytes(&self) -> &[u8; 32] {
        &self.bytes
    }

    /// Seals a partner's reference of the member.
    pub(super) fn seal_reference(
        &self,
        (partner, member): (PartnerId, MemberId),
        reference: &MemberReference,
    ) -> Vec<u8> {
        let context = context(REFERENCE, partner, member);
        self.seal.seal_filled(&context, reference.as_str().as_bytes())
    }

    /// A partner's reference, as it was sealed for the member.
    pub fn reference(
        &self,
        (partner, member): (PartnerId, MemberId),
        sealed: &[u8],
    ) -> Result<MemberReference, Unreadable> {
        let opened = self.seal.open_filled(&context(REFERENCE, partner, member), sealed)?;
        let text = String::from_utf8(opened).map_err(|_| Unreadable)?;
        parse::member_reference(&text).map_err(|_| Unreadable)
    }

    /// Seals what the member agreed to at a partner.
    pub(super) fn seal_consent(
        &self,
        (partner, member): (PartnerId, MemberId),
        consent: &Consent,
    ) -> Vec<u8> {
        let encoded = WireConsent {
            given_at_micros: consent.given_at.as_microsecond(),
            wording_version: consent.wording_version.clone(),
            assertion_sha256: consent.assertion_sha256.to_vec(),
        };
        let context = context(CONSENT, partner, member);
        self.seal.seal_filled(&context, &encoded.encode_to_vec())
    }

    /// What the member agreed to at a partner.
    pub fn consent(
        &self,
        (partner, member): (PartnerId, MemberId),
        sealed: &[u8],
    ) -> Result<Consent, Unreadable> {
        let opened = self.seal.open_filled(&context(CONSENT, partner, member), sealed)?;
        let decoded = WireConsent::decode(opened.as_slice()).map_err(|_| Unreadable)?;
        let given_at = Timestamp::from_microsecond(decoded.given_at_micros);
        Ok(Consent {
            given_at: given_at.map_err(|_| Unreadable)?,
            wording_version: decoded.wording_version,
            assertion_sha256: decoded.assertion_sha256.try_into().map_err(|_| Unreadable)?,
        })
    }
}

fn context(what: &[u8], partner: PartnerId, member: MemberId) -> Vec<u8> {
    [what, &partner.0.to_be_bytes(), member.0.as_bytes()].concat()
}

impl Unreadable {
    /// The fault of a row that cannot be read: the key is another than the one that wrote it.
    #[must_use]
    pub fn of(table: &'static str, row: impl ToString) -> StoreError {
        StoreError::inconsistent(table, "sealed", row)
    }
}

impl fmt::Debug for DataKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DataKey(..)")
    }
}
