//! Whose signature may stand for whom: each identity's own pinned roots.
//!
//! A root pinned for one identity is never consulted for another, and no two identities may pin
//! the same key, so what one partner's CA signs can only ever name that partner.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use rustls::RootCertStore;
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::ClientCertVerifier;
use rustls_pki_types::{CertificateDer, CertificateRevocationListDer};
use x509_parser::extensions::ParsedExtension;
use x509_parser::oid_registry::{OID_X509_EXT_BASIC_CONSTRAINTS, OID_X509_EXT_KEY_USAGE};

use crate::certificate::{extension, parse};
use crate::spiffe::{Identity, Name, TrustDomain};
use crate::tls::crypto_provider;

/// The most roots that one identity may pin: one in use, one to change to, and some to spare.
pub const MAX_ROOTS: usize = 8;

/// The certificates that may sign for one identity, and what they revoked.
#[derive(Clone, Debug, Default)]
pub struct Roots {
    /// CA certificates, 1 to [`MAX_ROOTS`].
    pub certificates: Vec<CertificateDer<'static>>,
    /// Revocation lists. With any at all, every certificate of a path must be covered by one that
    /// has not expired.
    pub crls: Vec<CertificateRevocationListDer<'static>>,
}

/// The pinned roots of every identity of a trust domain, ready to verify with.
#[derive(Clone)]
pub struct IdentityRoots {
    trust_domain: TrustDomain,
    partners: BTreeMap<Name, Arc<dyn ClientCertVerifier>>,
    operators: Option<Arc<dyn ClientCertVerifier>>,
    /// The public key of each pinned root, and who pinned it.
    keys: BTreeMap<Vec<u8>, String>,
}

/// Why roots cannot be pinned.
#[derive(Debug, thiserror::Error)]
pub enum RootsError {
    /// None, or more than [`MAX_ROOTS`].
    #[error("{owner} pins {count} root certificates; 1 to {MAX_ROOTS} are needed")]
    Count {
        /// For whom.
        owner: String,
        /// How many were given.
        count: usize,
    },
    /// A certificate that is no CA's, or cannot be read.
    #[error("a root pinned for {owner} is not a CA certificate")]
    NotAnAuthority {
        /// For whom.
        owner: String,
    },
    /// Two identities pin one key: each could then pass for the other.
    #[error("{owner} pins a root whose key {other} has pinned already; each needs a CA of its own")]
    Shared {
        /// For whom.
        owner: String,
        /// Who has it.
        other: String,
    },
    /// Pinned before.
    #[error("roots are pinned for {owner} already; give all of them at once")]
    Twice {
        /// For whom.
        owner: String,
    },
    /// A revocation list cannot be read.
    #[error("a revocation list of {owner} is malformed")]
    RevocationList {
        /// For whom.
        owner: String,
    },
}

impl IdentityRoots {
    /// A set in which nobody is known yet.
    pub fn new(trust_domain: TrustDomain) -> Self {
        Self { trust_domain, partners: BTreeMap::new(), operators: None, keys: BTreeMap::new() }
    }

    /// The trust domain that all identities belong to.
    pub fn trust_domain(&self) -> &TrustDomain {
        &self.trust_domain
    }

    /// Pins the roots of one partner.
    pub fn pin_partner(&mut self, code: Name, roots: Roots) -> Result<(), RootsError> {
        let owner = Identity::Partner(code.clone()).to_string();
        if self.partners.contains_key(&code) {
            return Err(RootsError::Twice { owner });
        }
        let verifier = self.verifier(&owner, roots)?;
        self.partners.insert(code, verifier);
        Ok(())
    }

    /// Pins the roots of all operators.
    pub fn pin_operators(&mut self, roots: Roots) -> Result<(), RootsError> {
        let owner = "operators".to_owned();
        if self.operators.is_some() {
            return Err(RootsError::Twice { owner });
        }
        self.operators = Some(self.verifier(&owner, roots)?);
        Ok(())
    }

    /// The codes of the partners that have roots, in order.
    pub fn partners(&self) -> impl Iterator<Item = &Name> {
        self.partners.keys()
    }

    /// The verifier of one identity alone. The hub is never a client.
    pub(crate) fn of(&self, identity: &Identity) -> Option<&Arc<dyn ClientCertVerifier>> {
        match identity {
            Identity::Partner(code) => self.partners.get(code),
            Identity::Operator(_) => self.operators.as_ref(),
            Identity::Hub => None,
        }
    }

    fn verifier(
        &mut self,
        owner: &str,
        roots: Roots,
    ) -> Result<Arc<dyn ClientCertVerifier>, RootsError> {
        let count = roots.certificates.len();
        if count == 0 || count > MAX_ROOTS {
            return Err(RootsError::Count { owner: owner.to_owned(), count });
        }
        let mut store = RootCertStore::empty();
        let mut keys = Vec::with_capacity(count);
        for certificate in roots.certificates {
            keys.push(authority_key(&certificate).ok_or_else(|| not_an_authority(owner))?);
            store.add(certificate).map_err(|_| not_an_authority(owner))?;
        }
        if let Some(other) = keys.iter().find_map(|key| self.keys.get(key)) {
            return Err(RootsError::Shared { owner: owner.to_owned(), other: other.clone() });
        }
        let verifier =
            WebPkiClientVerifier::builder_with_provider(Arc::new(store), crypto_provider())
                .clear_root_hint_subjects()
                .with_crls(roots.crls)
                .enforce_revocation_expiration()
                .build()
                .map_err(|_| RootsError::RevocationList { owner: owner.to_owned() })?;
        self.keys.extend(keys.into_iter().map(|key| (key, owner.to_owned())));
        Ok(verifier)
    }
}

/// Says who has roots, not what they are.
impl fmt::Debug for IdentityRoots {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IdentityRoots")
            .field("trust_domain", &self.trust_domain)
            .field("partners", &self.partners.keys())
            .field("operators", &self.operators.is_some())
            .finish_non_exhaustive()
    }
}

/// The public key of a CA certificate; nothing, if it may not sign certificates.
fn authority_key(der: &CertificateDer<'_>) -> Option<Vec<u8>> {
    let certificate = parse(der).ok()?;
    let authority = match extension(&certificate, &OID_X509_EXT_BASIC_CONSTRAINTS) {
        Some(ParsedExtension::BasicConstraints(constraints)) => constraints.ca,
        _ => false,
    };
    let may_sign = match extension(&certificate, &OID_X509_EXT_KEY_USAGE) {
        Some(ParsedExtension::KeyUsage(usage)) => usage.key_cert_sign(),
        Some(_) => false,
        None => true,
    };
    (authority && may_sign).then(|| certificate.public_key().raw.to_vec())
}

fn not_an_authority(owner: &str) -> RootsError {
    RootsError::NotAnAuthority { owner: owner.to_owned() }
}
