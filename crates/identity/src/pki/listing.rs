//! What certificates and revocation lists there are, how long each is still good, and which are
//! revoked.

use std::path::{Path, PathBuf};

use jiff::Timestamp;
use rustls_pki_types::CertificateDer;

use super::authority::timestamp;
use super::revocation::{List, significant};
use super::{DomainDirectory, PkiError};
use crate::certificate::{Thumbprint, parse};
use crate::pem::{FileError, read_certificates};
use crate::spiffe::{Identity, Name};

/// One certificate, or one revocation list, of a trust domain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// Whom it names, or whose CA or list it is: `hub`, `hub CA`, `partner/harbor-hotels`,
    /// `operators CRL`.
    pub subject: String,
    /// Where it lies.
    pub path: PathBuf,
    /// Its SHA-256; a list has none.
    pub thumbprint: Option<Thumbprint>,
    /// Its serial number in hexadecimal; of a list, its number.
    pub serial: String,
    /// The last second in which it is good.
    pub not_after: Timestamp,
    /// Whole days until then; negative once it has expired.
    pub days_left: i64,
    /// Whether it is good.
    pub state: State,
}

/// Whether something listed is good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// It is.
    Valid,
    /// It was.
    Expired,
    /// It is on its authority's list.
    Revoked,
}

impl State {
    /// As people and programs read it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Valid => "valid",
            Self::Expired => "expired",
            Self::Revoked => "REVOKED",
        }
    }
}

impl DomainDirectory {
    /// Every certificate and list in the folder: the hub's, the operators', then each partner's.
    pub fn list(&self, now: Timestamp) -> Result<Vec<Listed>, PkiError> {
        let mut listed = Vec::new();
        self.list_authority("hub", &Identity::Hub, now, &mut listed)?;
        self.list_leaf(&Identity::Hub, now, &mut listed)?;
        let mut operators = self.operators()?.into_iter().map(Identity::Operator).peekable();
        // Whoever it is: all of them have one CA.
        let anybody = operators.peek().cloned().map_or_else(any_operator, Ok)?;
        self.list_authority("operators", &anybody, now, &mut listed)?;
        for operator in operators {
            self.list_leaf(&operator, now, &mut listed)?;
        }
        for code in self.partners()? {
            let partner = Identity::Partner(code);
            self.list_authority(&partner.to_string(), &partner, now, &mut listed)?;
            self.list_leaf(&partner, now, &mut listed)?;
        }
        Ok(listed)
    }

    /// The names of the operators that have a certificate here, in order.
    pub fn operators(&self) -> Result<Vec<Name>, PkiError> {
        let folder = self.folder().join("operators");
        if !folder.exists() {
            return Ok(Vec::new());
        }
        let unreadable = |error| FileError::new(&folder, error, "check that this user may read it");
        let mut names = Vec::new();
        for entry in std::fs::read_dir(&folder).map_err(unreadable)? {
            let file = entry.map_err(unreadable)?.file_name();
            if let Some(Ok(name)) = file.to_string_lossy().strip_suffix(".pem").map(str::parse) {
                names.push(name);
            }
        }
        names.sort();
        Ok(names)
    }

    /// The roots of one authority, the present one first, and its lists.
    fn list_authority(
        &self,
        owner: &str,
        identity: &Identity,
        now: Timestamp,
        listed: &mut Vec<Listed>,
    ) -> Result<(), PkiError> {
        let path = self.ca_certificate(identity);
        if !path.exists() {
            return Ok(());
        }
        let roots = read_certificates(&path)?;
        for (place, root) in roots.iter().enumerate() {
            let name = if place == 0 { "CA" } else { "CA before" };
            listed.push(certificate(format!("{owner} {name}"), &path, root, None, now)?);
        }
        let crl = self.crl(identity);
        for root in &roots {
            if let Some(list) = List::read(&crl, root)? {
                let not_after = list.next_update;
                listed.push(Listed {
                    subject: format!("{owner} CRL, {} revoked", list.revoked.len()),
                    path: crl.clone(),
                    thumbprint: None,
                    serial: list.number.to_string(),
                    not_after,
                    days_left: days(not_after, now),
                    state: if not_after < now { State::Expired } else { State::Valid },
                });
            }
        }
        Ok(())
    }

    /// An identity's certificate, and the one before it until that has expired.
    fn list_leaf(
        &self,
        identity: &Identity,
        now: Timestamp,
        listed: &mut Vec<Listed>,
    ) -> Result<(), PkiError> {
        let roots = self.ca_certificate(identity);
        let roots = if roots.exists() { read_certificates(&roots)? } else { Vec::new() };
        let crl = self.crl(identity);
        let mut lists = Vec::new();
        for root in &roots {
            lists.extend(List::read(&crl, root)?);
        }
        for (name, path) in [("", self.certificate(identity)), (" before", self.before(identity))] {
            if !path.exists() {
                continue;
            }
            let chain = read_certificates(&path)?;
            let leaf = chain.first().ok_or_else(|| malformed(&path))?;
            let one = certificate(format!("{identity}{name}"), &path, leaf, Some(&lists), now)?;
            if name.is_empty() || one.state != State::Expired {
                listed.push(one);
            }
        }
        Ok(())
    }
}

fn certificate(
    subject: String,
    path: &Path,
    der: &CertificateDer<'_>,
    lists: Option<&[List]>,
    now: Timestamp,
) -> Result<Listed, PkiError> {
    let parsed = parse(der).map_err(|_| malformed(path))?;
    let not_after = timestamp(parsed.validity().not_after)?;
    let serial = significant(parsed.raw_serial());
    let revoked = lists.unwrap_or_default().iter().any(|list| list.names(&serial));
    let state = match revoked {
        true => State::Revoked,
        false if not_after < now => State::Expired,
        false => State::Valid,
    };
    Ok(Listed {
        subject,
        path: path.to_owned(),
        thumbprint: Some(Thumbprint::of(der)),
        serial: hex::encode(&serial),
        not_after,
        days_left: days(not_after, now),
        state,
    })
}

fn days(not_after: Timestamp, now: Timestamp) -> i64 {
    not_after.duration_since(now).as_hours().div_euclid(24)
}

fn malformed(path: &Path) -> FileError {
    FileError::new(path, "it is malformed", "make it anew with `entente pki`")
}

fn any_operator() -> Result<Identity, PkiError> {
    Ok(Identity::Operator("any-operator".parse()?))
}
