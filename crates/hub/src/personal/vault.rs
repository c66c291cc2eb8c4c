//! The key outside the database, and what is derived of it: how references are looked up, how the
//! members' own keys are wrapped, and what stands in a kept request for what is personal in it.

use std::{fmt, path::Path, sync::Arc};

use aws_lc_rs::{
    hkdf::{HKDF_SHA256, KeyType, Prk, Salt},
    hmac::{self, HMAC_SHA256},
    rand,
};
use entente_ledger::{MemberId, PartnerId, RequestId};
use entente_store::personal::{Lookup, SealedConsent, SealedReference};
use quick_cache::sync::Cache;

use super::{Consent, DataKey, Unreadable, sealed::Seal};
use crate::{
    key_file::{self, KEY_BYTES, KeyError},
    parse::MemberReference,
};

const KEY_FILE: &str = "personal-data.key";

/// What the derived keys are for.
const SALT: &[u8] = b"entente personal data 1";
const LOOKUP: &[u8] = b"lookup";
const WRAPPING: &[u8] = b"wrapping";
const ACTS: &[u8] = b"acts";
const DISPUTES: &[u8] = b"disputes";
const MARK: &[u8] = b"mark";
const FINGERPRINT: &[u8] = b"fingerprint";

const MEMBER_KEY: &[u8] = b"entente member key 1";
const PROPOSAL: &[u8] = b"entente proposal 1";
const DISPUTE: &[u8] = b"entente dispute 1";

/// How many partners' keys are remembered.
const PARTNERS: usize = 1_024;

/// How many bytes stand for a field.
pub(crate) const VEIL_BYTES: usize = 16;

/// Everything that it takes to find and to read personal data. Hubs that share a database need the
/// same one.
pub struct Vault {
    root: Prk,
    lookups: Cache<PartnerId, Arc<hmac::Key>>,
    wrapping: Seal,
    acts: Seal,
    disputes: Seal,
    marks: hmac::Key,
    fingerprints: hmac::Key,
}

/// 32 bytes of key.
#[derive(Clone, Copy)]
struct Bytes32;

impl KeyType for Bytes32 {
    fn len(&self) -> usize {
        KEY_BYTES
    }
}

impl Vault {
    /// Opens the key in a folder; at the first start, makes both.
    pub fn open(folder: &Path) -> Result<Self, KeyError> {
        Ok(Self::new(&key_file::open(folder, KEY_FILE)?))
    }

    /// With a key that is given.
    #[must_use]
    pub fn new(key: &[u8; KEY_BYTES]) -> Self {
        let root = Salt::new(HKDF_SHA256, SALT).extract(key);
        let mac = |what| hmac::Key::new(HMAC_SHA256, &derived(&root, &[what]));
        Self {
            lookups: Cache::new(PARTNERS),
            wrapping: Seal::new(&derived(&root, &[WRAPPING])),
            acts: Seal::new(&derived(&root, &[ACTS])),
            disputes: Seal::new(&derived(&root, &[DISPUTES])),
            marks: mac(MARK),
            fingerprints: mac(FINGERPRINT),
            root,
        }
    }

    /// What a partner's reference is looked up by.
    #[must_use]
    pub fn lookup(&self, partner: PartnerId, reference: &MemberReference) -> Lookup {
        let key = self.lookups.get(&partner).unwrap_or_else(|| {
            let of = derived(&self.root, &[LOOKUP, &partner.0.to_be_bytes()]);
            let key = Arc::new(hmac::Key::new(HMAC_SHA256, &of));
            self.lookups.insert(partner, Arc::clone(&key));
            key
        });
        Lookup(bytes(&hmac::sign(&key, reference.as_str().as_bytes())))
    }

    /// A key for a new member.
    #[must_use]
    pub fn new_key(&self) -> DataKey {
        let mut key = [0; KEY_BYTES];
        rand::fill(&mut key).expect("there is randomness");
        DataKey::new(key)
    }

    /// A member's key, as the database keeps it.
    #[must_use]
    pub fn wrap(&self, member: MemberId, key: &DataKey) -> Vec<u8> {
        self.wrapping.seal(&of_member(member), key.bytes())
    }

    /// A member's key, as the database kept it.
    pub fn unwrap(&self, member: MemberId, wrapped: &[u8]) -> Result<DataKey, Unreadable> {
        let key = self.wrapping.open(&of_member(member), wrapped)?;
        Ok(DataKey::new(key.try_into().map_err(|_| Unreadable)?))
    }

    /// A partner's reference of a member, as a link keeps it.
    #[must_use]
    pub fn seal_reference(
        &self,
        key: &DataKey,
        (partner, member): (PartnerId, MemberId),
        reference: &MemberReference,
    ) -> SealedReference {
        SealedReference {
            lookup: self.lookup(partner, reference),
            sealed: key.seal_reference((partner, member), reference),
            sealed_for: member,
        }
    }

    /// What a member agreed to at a partner, as it is kept. One to the same wording has the same mark.
    #[must_use]
    pub fn seal_consent(
        &self,
        key: &DataKey,
        (partner, member): (PartnerId, MemberId),
        consent: &Consent,
    ) -> SealedConsent {
        let mark = bytes(&hmac::sign(&self.marks, consent.wording_version.as_bytes()));
        SealedConsent {
            mark,
            sealed: key.seal_consent((partner, member), consent),
            sealed_for: member,
        }
    }

    /// Seals what a part of a proposal says about a member.
    #[must_use]
    pub fn seal_act(&self, part: (RequestId, &[u8]), said: &[u8]) -> Vec<u8> {
        self.acts.seal_filled(&of_proposal(part), said)
    }

    /// What a part of a proposal says about a member.
    pub fn open_act(&self, part: (RequestId, &[u8]), sealed: &[u8]) -> Result<Vec<u8>, Unreadable> {
        self.acts.open_filled(&of_proposal(part), sealed)
    }

    /// Seals what a part of a dispute says.
    #[must_use]
    pub fn seal_dispute(&self, part: (RequestId, &[u8]), said: &str) -> Vec<u8> {
        self.disputes.seal_filled(&of_dispute(part), said.as_bytes())
    }

    /// What a part of a dispute says.
    pub fn open_dispute(
        &self,
        part: (RequestId, &[u8]),
        sealed: &[u8],
    ) -> Result<String, Unreadable> {
        let said = self.disputes.open_filled(&of_dispute(part), sealed)?;
        String::from_utf8(said).map_err(|_| Unreadable)
    }

    /// What stands for a field of one request: the same field, if it is sent again by the same id, has
    /// the same, and nothing else has it. All parts but the last have a fixed length.
    #[must_use]
    pub(crate) fn veil(
        &self,
        (partner, request): (PartnerId, RequestId),
        (field, content): (u32, &[u8]),
    ) -> [u8; VEIL_BYTES] {
        let mut message = Vec::with_capacity(24 + content.len());
        message.extend_from_slice(&partner.0.to_be_bytes());
        message.extend_from_slice(request.0.as_bytes());
        message.extend_from_slice(&field.to_be_bytes());
        message.extend_from_slice(content);
        let tag = hmac::sign(&self.fingerprints, &message);
        let mut veil = [0; VEIL_BYTES];
        veil.copy_from_slice(&tag.as_ref()[..VEIL_BYTES]);
        veil
    }
}

fn derived(root: &Prk, info: &[&[u8]]) -> [u8; KEY_BYTES] {
    let mut key = [0; KEY_BYTES];
    let okm = root.expand(info, Bytes32).expect("32 bytes are not too many");
    okm.fill(&mut key).expect("that many were asked for");
    key
}

fn of_member(member: MemberId) -> Vec<u8> {
    [MEMBER_KEY, member.0.as_bytes()].concat()
}

fn of_proposal((proposal, part): (RequestId, &[u8])) -> Vec<u8> {
    [PROPOSAL, proposal.0.as_bytes(), part].concat()
}

fn of_dispute((dispute, part): (RequestId, &[u8])) -> Vec<u8> {
    [DISPUTE, dispute.0.as_bytes(), part].concat()
}

fn bytes(tag: &hmac::Tag) -> [u8; 32] {
    let mut bytes = [0; 32];
    bytes.copy_from_slice(tag.as_ref());
    bytes
}

impl fmt::Debug for Vault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Vault(..)")
    }
}
