//! What happens to certificates after they were made: renewed, revoked, and their authorities
//! changed for others. A hub that watches the folder never finds half a file, nor, whatever order
//! it reads them in, a list without its root or a root without its list.

use std::fs;
use std::path::PathBuf;

use jiff::Timestamp;
use rcgen::SubjectPublicKeyInfo;
use rustls_pki_types::{CertificateDer, ServerName};
use x509_parser::extensions::{GeneralName, ParsedExtension};
use x509_parser::oid_registry::OID_X509_EXT_SUBJECT_ALT_NAME;

use super::authority::{Authority, certificate_pem};
use super::files::{Lock, Overwrite, write_key, write_public};
use super::revocation::{List, Reason, Revoked, joined, significant};
use super::{DomainDirectory, Leaf, PkiError, request};
use crate::certificate::{extension, one_uri, parse};
use crate::pem::{FileError, read, read_certificates};
use crate::spiffe::Identity;

/// Which of an identity's certificates.
#[derive(Clone, Copy, Debug)]
pub enum Which<'a> {
    /// The one in use.
    Current,
    /// The one before the last renewal.
    Before,
    /// This one.
    Given(&'a CertificateDer<'a>),
    /// Any that has this serial number.
    Serial(&'a [u8]),
}

/// What a revocation did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Revocation {
    /// The file of lists.
    pub path: PathBuf,
    /// The serial number in hexadecimal.
    pub serial: String,
    /// It was on the list before; the list was made anew all the same.
    pub already: bool,
}

/// What a renewal made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Renewal {
    /// The new certificate.
    pub certificate: PathBuf,
    /// The one before, kept so that it can be revoked.
    pub before: PathBuf,
    /// Whether a key was made, too. Without one the owner's key stays.
    pub new_key: bool,
}

impl DomainDirectory {
    /// Makes the next certificate of an identity that has one: with a new key where its key was
    /// made here, for the key of a signing request, or again for the key that its owner keeps.
    /// The hub's has the hosts of the one before.
    pub fn renew(
        &self,
        identity: &Identity,
        request_pem: Option<&str>,
        days: Option<u16>,
        now: Timestamp,
    ) -> Result<Renewal, PkiError> {
        let _lock = Lock::of(&self.marker())?;
        let (path, key) = (self.certificate(identity), self.key(identity));
        let old = read(&path).map_err(|error| FileError {
            cure: "make the first one with `entente pki issue`",
            ..error
        })?;
        let current = first(&path)?;
        let authority = self.authority(identity)?;
        let leaf = self.renewed_leaf(identity, &current, days)?;
        let before = self.before(identity);
        let signed = match request_pem {
            _ if key.exists() => {
                if request_pem.is_some() {
                    let cure = "move it away: the certificate would not belong to it";
                    return Err(FileError::new(&key, "a key was made here", cure).into());
                }
                None
            }
            Some(pem) => Some(request::public_key(pem)?),
            None => Some(public_key(&current)?),
        };
        let (pem, new_key) = if let Some(public_key) = signed {
            (authority.sign(&leaf, &public_key, now)?, None)
        } else {
            let minted = authority.mint(&leaf, now)?;
            (minted.certificate_pem.clone(), Some(minted.key_pem()))
        };
        write_public(&before, &String::from_utf8_lossy(&old), Overwrite::Replace)?;
        if let Some(pem) = &new_key {
            write_key(&key, pem, Overwrite::Replace)?;
        }
        write_public(&path, &pem, Overwrite::Replace)?;
        Ok(Renewal { certificate: path, before, new_key: new_key.is_some() })
    }

    /// Revokes a certificate: it goes on its authority's list for ever. Whoever has the list refuses
    /// it from then on; a hub reads it within a second.
    pub fn revoke(
        &self,
        identity: &Identity,
        which: Which<'_>,
        reason: Reason,
        now: Timestamp,
    ) -> Result<Revocation, PkiError> {
        let _lock = Lock::of(&self.marker())?;
        let authorities = self.authorities(identity)?;
        let certificate = match which {
            Which::Current => Some(first(&self.certificate(identity))?),
            Which::Before => Some(first(&self.before(identity))?),
            Which::Given(certificate) => Some(certificate.clone().into_owned()),
            Which::Serial(_) => None,
        };
        let serial = match (&certificate, which) {
            (Some(certificate), _) => self.serial(identity, certificate)?,
            (None, Which::Serial(serial)) => significant(serial),
            (None, _) => Vec::new(),
        };
        if serial.is_empty() || serial.len() > 20 {
            return Err(PkiError::Serial);
        }
        let signers = authorities.iter().map(|authority| match &certificate {
            Some(certificate) => signed_by(certificate, authority),
            // A serial does not say whose it is; on another list it does no harm.
            None => true,
        });
        let signers: Vec<_> = signers.collect();
        if !signers.contains(&true) {
            return Err(PkiError::NotSignedHere { identity: identity.to_string() });
        }
        let revoked = Revoked { serial, at: now, reason };
        let mut already = false;
        let path = self.crl(identity);
        let mut lists = Vec::with_capacity(authorities.len());
        for (authority, signed) in authorities.iter().zip(signers) {
            let before = List::read(&path, authority.certificate())?;
            already |= before.as_ref().is_some_and(|list| list.names(&revoked.serial));
            let added = if signed { std::slice::from_ref(&revoked) } else { &[] };
            lists.push(authority.next_list(before, added, now)?.1);
        }
        write_public(&path, &joined(&lists), Overwrite::Replace)?;
        Ok(Revocation { path, serial: hex::encode(&revoked.serial), already })
    }

    /// Makes the revocation lists of an identity's authorities anew, for [`super::LIST_DAYS`] from
    /// now: the first ones, or those there are under the next number.
    pub fn renew_lists(&self, identity: &Identity, now: Timestamp) -> Result<PathBuf, PkiError> {
        let _lock = Lock::of(&self.marker())?;
        self.write_lists(identity, &self.authorities(identity)?, now)
    }

    /// Makes the next CA of an identity. From then on it signs; what the one before has signed stays
    /// good until [`Self::retire_authority`].
    pub fn change_authority(
        &self,
        identity: &Identity,
        now: Timestamp,
    ) -> Result<PathBuf, PkiError> {
        let _lock = Lock::of(&self.marker())?;
        let (path, key) = (self.ca_certificate(identity), self.ca_key(identity));
        let old_key = self.old_ca_key(identity);
        let before = self.authority(identity)?;
        let roots = read_certificates(&path)?;
        // Otherwise a change was cut off before its last step, and begins anew.
        if old_key.exists() && roots.first() == Some(before.certificate()) {
            let cure = "drop the CA before it first, with `entente pki retire-ca`";
            return Err(FileError::new(&old_key, "a change of this CA is under way", cure).into());
        }
        let next = Authority::create(&owner(identity), now)?;
        let key_pem = before.key_pem();
        write_key(&old_key, &key_pem, Overwrite::Replace)?;
        let (both, pem) = (
            certificate_pem(next.certificate()) + &certificate_pem(before.certificate()),
            next.key_pem(),
        );
        if self.crl(identity).exists() {
            // A list without a root harms nobody; a root without a list would, beside one with it.
            self.write_lists(identity, &[next, before], now)?;
        }
        write_public(&path, &both, Overwrite::Replace)?;
        write_key(&key, &pem, Overwrite::Replace)?;
        Ok(path)
    }

    /// Drops the CA before the present one: what it has signed is refused from then on.
    pub fn retire_authority(
        &self,
        identity: &Identity,
        now: Timestamp,
    ) -> Result<PathBuf, PkiError> {
        let _lock = Lock::of(&self.marker())?;
        let (path, old_key) = (self.ca_certificate(identity), self.old_ca_key(identity));
        if !old_key.exists() {
            let cure = "change the CA first, with `entente pki change-ca`";
            return Err(FileError::new(&old_key, "no CA before the present one", cure).into());
        }
        let present = self.authority(identity)?;
        if read_certificates(&path)?.first() != Some(present.certificate()) {
            let cure = "run `entente pki change-ca` again";
            return Err(FileError::new(&path, "a change of this CA was cut off", cure).into());
        }
        write_public(&path, present.certificate_pem(), Overwrite::Replace)?;
        if self.crl(identity).exists() {
            self.write_lists(identity, &[present], now)?;
        }
        fs::remove_file(&old_key)
            .map_err(|error| FileError::new(&old_key, error, "remove it by hand"))?;
        Ok(path)
    }

    /// The certificate that an identity had before the last renewal; the file need not exist.
    pub fn before(&self, identity: &Identity) -> PathBuf {
        self.stem(identity).with_added_extension("old.pem")
    }

    /// The authority that signs, and the one before it where a change is under way.
    pub(super) fn authorities(&self, identity: &Identity) -> Result<Vec<Authority>, PkiError> {
        let mut authorities = vec![self.authority(identity)?];
        let old_key = self.old_ca_key(identity);
        if old_key.exists() {
            let roots = read_certificates(&self.ca_certificate(identity))?;
            let old = Authority::among(roots, &String::from_utf8_lossy(&read(&old_key)?))?;
            if old.certificate() != authorities[0].certificate() {
                authorities.push(old);
            }
        }
        Ok(authorities)
    }

    fn write_lists(
        &self,
        identity: &Identity,
        authorities: &[Authority],
        now: Timestamp,
    ) -> Result<PathBuf, PkiError> {
        let path = self.crl(identity);
        let lists = authorities.iter().map(|authority| {
            let before = List::read(&path, authority.certificate())?;
            Ok(authority.next_list(before, &[], now)?.1)
        });
        let lists: Vec<_> = lists.collect::<Result<_, PkiError>>()?;
        write_public(&path, &joined(&lists), Overwrite::Replace)?;
        Ok(path)
    }

    fn renewed_leaf(
        &self,
        identity: &Identity,
        current: &CertificateDer<'_>,
        days: Option<u16>,
    ) -> Result<Leaf, PkiError> {
        match identity {
            Identity::Hub => self.hub_leaf(&hosts(current)?, days),
            Identity::Operator(_) | Identity::Partner(_) => self.client_leaf(identity, days),
        }
    }

    /// The serial number of a certificate that names the identity.
    fn serial(
        &self,
        identity: &Identity,
        certificate: &CertificateDer<'_>,
    ) -> Result<Vec<u8>, PkiError> {
        let another = || PkiError::NotSignedHere { identity: identity.to_string() };
        let parsed = parse(certificate).map_err(|_| another())?;
        let named = one_uri(&parsed).map_err(|_| another())?;
        if named != identity.uri(self.trust_domain()) {
            return Err(another());
        }
        Ok(significant(parsed.raw_serial()))
    }

    fn old_ca_key(&self, identity: &Identity) -> PathBuf {
        self.ca_stem(identity).with_added_extension("old.key")
    }

    fn marker(&self) -> PathBuf {
        self.path("trust-domain")
    }
}

/// Whose an authority is, for its name.
fn owner(identity: &Identity) -> String {
    match identity {
        Identity::Operator(_) => "operators".to_owned(),
        Identity::Hub | Identity::Partner(_) => identity.to_string(),
    }
}

/// The leaf of a certificate file.
fn first(path: &std::path::Path) -> Result<CertificateDer<'static>, PkiError> {
    let mut chain = read_certificates(path)?;
    // A file without a certificate is an error already.
    Ok(chain.swap_remove(0))
}

fn signed_by(certificate: &CertificateDer<'_>, authority: &Authority) -> bool {
    let (Ok(leaf), Ok(signer)) = (parse(certificate), parse(authority.certificate())) else {
        return false;
    };
    leaf.verify_signature(Some(signer.public_key())).is_ok()
}

fn public_key(certificate: &CertificateDer<'_>) -> Result<SubjectPublicKeyInfo, PkiError> {
    let malformed = |_| PkiError::Minting("the certificate is malformed".to_owned());
    let parsed = parse(certificate).map_err(malformed)?;
    Ok(SubjectPublicKeyInfo::from_der(parsed.public_key().raw)?)
}

/// The DNS names and addresses of a certificate.
fn hosts(certificate: &CertificateDer<'_>) -> Result<Vec<String>, PkiError> {
    let malformed = |_| PkiError::Minting("the hub's certificate is malformed".to_owned());
    let parsed = parse(certificate).map_err(malformed)?;
    let Some(ParsedExtension::SubjectAlternativeName(names)) =
        extension(&parsed, &OID_X509_EXT_SUBJECT_ALT_NAME)
    else {
        return Ok(Vec::new());
    };
    let hosts = names.general_names.iter().filter_map(|name| match name {
        GeneralName::DNSName(name) => Some((*name).to_owned()),
        GeneralName::IPAddress(octets) => {
            let four = <[u8; 4]>::try_from(*octets).map(std::net::IpAddr::from);
            let address = four.or_else(|_| <[u8; 16]>::try_from(*octets).map(Into::into));
            address.ok().map(|address| address.to_string())
        }
        _ => None,
    });
    // Only what can be written into a certificate again.
    Ok(hosts.filter(|host| ServerName::try_from(host.as_str()).is_ok()).collect())
}
