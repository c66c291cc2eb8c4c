//! A trust domain in a folder: where each certificate and key lies, and how they are made.
//!
//! `certs/README.md` shows the layout to people.

use std::path::{Path, PathBuf};

use jiff::Timestamp;
use rustls_pki_types::ServerName;

use super::authority::{Authority, Leaf, Minted};
use super::files::{Overwrite, check_absent, make_folder, write_key, write_public};
use super::{LEAF_DAYS, PkiError, request};
use crate::jwt::SigningKey;
use crate::pem::{FileError, read, read_certificates, read_crls};
use crate::roots::{IdentityRoots, Roots};
use crate::spiffe::{Identity, Name, TrustDomain};
use crate::trust::{Owner, Read, Trust};

/// A folder with the authorities, certificates and keys of one trust domain.
#[derive(Clone, Debug)]
pub struct DomainDirectory {
    folder: PathBuf,
    trust_domain: TrustDomain,
}

impl DomainDirectory {
    /// Makes a trust domain: the hub's root and certificate, for the DNS names and addresses at
    /// which it will be reached, and the operators' CA.
    pub fn init(
        folder: &Path,
        trust_domain: TrustDomain,
        hosts: &[impl AsRef<str>],
        now: Timestamp,
        overwrite: Overwrite,
    ) -> Result<Self, PkiError> {
        let directory = Self { folder: folder.to_owned(), trust_domain };
        let leaf = directory.hub_leaf(hosts, None)?;
        let marker = directory.path("trust-domain");
        let operators = directory.path("operators-ca");
        check_absent(&[&marker], overwrite)?;
        for stem in [&directory.path("hub-ca"), &directory.path("hub"), &operators] {
            check_pair_absent(stem, overwrite)?;
        }
        make_folder(folder)?;
        let root = Authority::create("hub", now)?;
        write_authority(&directory.path("hub-ca"), &root, overwrite)?;
        write_authority(&operators, &Authority::create("operators", now)?, overwrite)?;
        write_minted(&directory.path("hub"), &root.mint(&leaf, now)?, overwrite)?;
        // Last: a folder that has this file is complete.
        write_public(&marker, &format!("{}\n", directory.trust_domain), overwrite)?;
        Ok(directory)
    }

    /// Opens a trust domain that was made before.
    pub fn open(folder: &Path) -> Result<Self, PkiError> {
        let marker = folder.join("trust-domain");
        let bytes = read(&marker).map_err(|error| FileError {
            cure: "make a trust domain there with `entente pki init`",
            ..error
        })?;
        let trust_domain = String::from_utf8_lossy(&bytes).trim().parse()?;
        Ok(Self { folder: folder.to_owned(), trust_domain })
    }

    /// The trust domain.
    pub fn trust_domain(&self) -> &TrustDomain {
        &self.trust_domain
    }

    /// The folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The certificate of an identity.
    pub fn certificate(&self, identity: &Identity) -> PathBuf {
        self.stem(identity).with_added_extension("pem")
    }

    /// The key of an identity, if it was made here.
    pub fn key(&self, identity: &Identity) -> PathBuf {
        self.stem(identity).with_added_extension("key")
    }

    /// The key by which an identity signs assertions, if it was made here.
    pub fn assertion_key(&self, identity: &Identity) -> PathBuf {
        self.assertion_stem(identity).with_added_extension("key")
    }

    /// The public half of that key, which operators register.
    pub fn assertion_jwk(&self, identity: &Identity) -> PathBuf {
        self.assertion_stem(identity).with_added_extension("jwk")
    }

    /// The certificate of the CA that signs for an identity. The hub's is what clients pin.
    pub fn ca_certificate(&self, identity: &Identity) -> PathBuf {
        self.ca_stem(identity).with_added_extension("pem")
    }

    /// The key of the CA that signs for an identity.
    pub fn ca_key(&self, identity: &Identity) -> PathBuf {
        self.ca_stem(identity).with_added_extension("key")
    }

    /// The revocation lists of the CA that signs for an identity; the file need not exist.
    pub fn crl(&self, identity: &Identity) -> PathBuf {
        self.ca_stem(identity).with_added_extension("crl")
    }

    /// Makes a partner's CA.
    pub fn make_partner_ca(
        &self,
        code: &Name,
        now: Timestamp,
        overwrite: Overwrite,
    ) -> Result<PathBuf, PkiError> {
        let identity = Identity::Partner(code.clone());
        make_folder(&self.path("partners").join(code.as_str()))?;
        let authority = Authority::create(&identity.to_string(), now)?;
        write_authority(&self.ca_stem(&identity), &authority, overwrite)?;
        Ok(self.ca_certificate(&identity))
    }

    /// Makes a key and a certificate for a partner or an operator, valid for [`LEAF_DAYS`] unless
    /// chosen otherwise, and a key for its assertions where there is none: that one is registered,
    /// and stays. The partner's CA must exist.
    pub fn issue(
        &self,
        identity: &Identity,
        days: Option<u16>,
        now: Timestamp,
        overwrite: Overwrite,
    ) -> Result<PathBuf, PkiError> {
        let leaf = self.client_leaf(identity, days)?;
        let minted = self.authority(identity)?.mint(&leaf, now)?;
        let stem = self.stem(identity);
        make_folder(stem.parent().unwrap_or(&self.folder))?;
        write_minted(&stem, &minted, overwrite)?;
        self.make_assertion_key(identity)?;
        Ok(self.certificate(identity))
    }

    /// Makes a key for an identity's assertions, unless there is one.
    pub fn make_assertion_key(&self, identity: &Identity) -> Result<PathBuf, PkiError> {
        let (private, public) = (self.assertion_key(identity), self.assertion_jwk(identity));
        if !private.exists() {
            make_folder(private.parent().unwrap_or(&self.folder))?;
            write_key(&private, &SigningKey::generate()?.to_pem(), Overwrite::Refuse)?;
        }
        let jwk = SigningKey::from_pem_file(&private)?.public_key().jwk();
        write_public(&public, &format!("{jwk}\n"), Overwrite::Replace)?;
        Ok(private)
    }

    /// Makes the hub's key and certificate anew, under the same root.
    pub fn issue_hub(
        &self,
        hosts: &[impl AsRef<str>],
        days: Option<u16>,
        now: Timestamp,
        overwrite: Overwrite,
    ) -> Result<PathBuf, PkiError> {
        let leaf = self.hub_leaf(hosts, days)?;
        let minted = self.authority(&Identity::Hub)?.mint(&leaf, now)?;
        write_minted(&self.path("hub"), &minted, overwrite)?;
        Ok(self.certificate(&Identity::Hub))
    }

    /// Makes a certificate for a key that its owner keeps, from a signing request in PEM. Whatever
    /// names the request asks for, the certificate names `identity`.
    pub fn sign_request(
        &self,
        identity: &Identity,
        request_pem: &str,
        days: Option<u16>,
        now: Timestamp,
        overwrite: Overwrite,
    ) -> Result<PathBuf, PkiError> {
        let key = self.key(identity);
        if key.exists() {
            let cure = "move it away: the certificate would not belong to it";
            return Err(FileError::new(&key, "a key was made here", cure).into());
        }
        let public_key = request::public_key(request_pem)?;
        let leaf = self.client_leaf(identity, days)?;
        let pem = self.authority(identity)?.sign(&leaf, &public_key, now)?;
        let certificate = self.certificate(identity);
        make_folder(certificate.parent().unwrap_or(&self.folder))?;
        write_public(&certificate, &pem, overwrite)?;
        Ok(certificate)
    }

    /// The authority that signs for an identity, with its key: of several roots, the one whose key
    /// is there.
    pub fn authority(&self, identity: &Identity) -> Result<Authority, PkiError> {
        let first = |error: FileError| FileError {
            cure: "make the authority first, with `entente pki`",
            ..error
        };
        let key = read(&self.ca_key(identity)).map_err(first)?;
        let roots = read_certificates(&self.ca_certificate(identity)).map_err(first)?;
        Authority::among(roots, &String::from_utf8_lossy(&key))
    }

    /// The codes of the partners that have a CA here, in order.
    pub fn partners(&self) -> Result<Vec<Name>, PkiError> {
        let folder = self.path("partners");
        if !folder.exists() {
            return Ok(Vec::new());
        }
        let unreadable = |error| FileError::new(&folder, error, "check that this user may read it");
        let mut codes = Vec::new();
        for entry in std::fs::read_dir(&folder).map_err(unreadable)? {
            let entry = entry.map_err(unreadable)?;
            // Whatever else people keep there is not a partner.
            if let Ok(code) = entry.file_name().to_string_lossy().parse::<Name>()
                && self.ca_certificate(&Identity::Partner(code.clone())).exists()
            {
                codes.push(code);
            }
        }
        codes.sort();
        Ok(codes)
    }

    /// The roots to verify callers with: each partner's CA, the operators' CA, and their
    /// revocation lists.
    pub fn identity_roots(&self) -> Result<IdentityRoots, PkiError> {
        let mut roots = IdentityRoots::new(self.trust_domain.clone());
        for code in self.partners()? {
            let pinned = self.roots(&Identity::Partner(code.clone()))?;
            roots.pin_partner(code, pinned)?;
        }
        roots.pin_operators(roots_at(&self.path("operators-ca"))?)?;
        Ok(roots)
    }

    /// What is read for each owner that has files here, and for those `known` that still have a
    /// folder: one whose CA is missing is damaged, one without a folder is gone.
    pub fn read_roots(&self, known: &Trust) -> Result<Read, PkiError> {
        let mut read = Read::new();
        let roots = |stem: &Path| roots_at(stem).map_err(|error| error.to_string());
        read.insert(Owner::Operators, roots(&self.path("operators-ca")));
        for code in self.partners()? {
            let stem = self.ca_stem(&Identity::Partner(code.clone()));
            read.insert(Owner::Partner(code), roots(&stem));
        }
        for set in known.sets() {
            if let Owner::Partner(code) = set.owner()
                && self.path("partners").join(code.as_str()).exists()
            {
                let stem = self.ca_stem(&Identity::Partner(code.clone()));
                read.entry(set.owner().clone()).or_insert_with(|| roots(&stem));
            }
        }
        Ok(read)
    }

    /// The roots of one identity alone.
    pub fn roots(&self, identity: &Identity) -> Result<Roots, PkiError> {
        roots_at(&self.ca_stem(identity))
    }

    pub(super) fn hub_leaf(
        &self,
        hosts: &[impl AsRef<str>],
        days: Option<u16>,
    ) -> Result<Leaf, PkiError> {
        let hosts = hosts
            .iter()
            .map(|host| {
                ServerName::try_from(host.as_ref().to_owned())
                    .map_err(|_| PkiError::HostName(host.as_ref().to_owned()))
            })
            .collect::<Result<Vec<_>, _>>()?;
        if hosts.is_empty() {
            return Err(PkiError::NoHostName);
        }
        let (trust_domain, days) = (self.trust_domain.clone(), days.unwrap_or(LEAF_DAYS));
        Ok(Leaf { identity: Identity::Hub, trust_domain, hosts, days })
    }

    pub(super) fn client_leaf(
        &self,
        identity: &Identity,
        days: Option<u16>,
    ) -> Result<Leaf, PkiError> {
        if *identity == Identity::Hub {
            return Err(PkiError::NoHostName);
        }
        Ok(Leaf {
            identity: identity.clone(),
            trust_domain: self.trust_domain.clone(),
            hosts: Vec::new(),
            days: days.unwrap_or(LEAF_DAYS),
        })
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    pub(super) fn stem(&self, identity: &Identity) -> PathBuf {
        match identity {
            Identity::Hub => self.path("hub"),
            Identity::Operator(name) => self.path("operators").join(name.as_str()),
            Identity::Partner(code) => self.path("partners").join(code.as_str()).join("client"),
        }
    }

    fn assertion_stem(&self, identity: &Identity) -> PathBuf {
        self.stem(identity).with_file_name(match identity {
            Identity::Hub => "hub-assertion".to_owned(),
            Identity::Operator(name) => format!("{}-assertion", name.as_str()),
            Identity::Partner(_) => "client-assertion".to_owned(),
        })
    }

    pub(super) fn ca_stem(&self, identity: &Identity) -> PathBuf {
        match identity {
            Identity::Hub => self.path("hub-ca"),
            Identity::Operator(_) => self.path("operators-ca"),
            Identity::Partner(code) => self.path("partners").join(code.as_str()).join("ca"),
        }
    }
}

fn roots_at(stem: &Path) -> Result<Roots, PkiError> {
    let certificates = read_certificates(&stem.with_added_extension("pem"))?;
    let crl = stem.with_added_extension("crl");
    let crls = if crl.exists() { read_crls(&crl)? } else { Vec::new() };
    Ok(Roots { certificates, crls })
}

fn write_authority(stem: &Path, made: &Authority, overwrite: Overwrite) -> Result<(), FileError> {
    write_pair(stem, made.certificate_pem(), &made.key_pem(), overwrite)
}

fn write_minted(stem: &Path, made: &Minted, overwrite: Overwrite) -> Result<(), FileError> {
    write_pair(stem, &made.certificate_pem, &made.key_pem(), overwrite)
}

/// Writes a certificate and its key; both or, where either exists, neither.
fn write_pair(
    stem: &Path,
    certificate_pem: &str,
    key_pem: &str,
    overwrite: Overwrite,
) -> Result<(), FileError> {
    check_pair_absent(stem, overwrite)?;
    write_key(&stem.with_added_extension("key"), key_pem, overwrite)?;
    write_public(&stem.with_added_extension("pem"), certificate_pem, overwrite)
}

fn check_pair_absent(stem: &Path, overwrite: Overwrite) -> Result<(), FileError> {
    let (certificate, key) = (stem.with_added_extension("pem"), stem.with_added_extension("key"));
    check_absent(&[&certificate, &key], overwrite)
}
