//! What certificates there are, and how long each is still valid.

use std::path::PathBuf;

use jiff::Timestamp;

use super::authority::timestamp;
use super::{DomainDirectory, PkiError};
use crate::certificate::{Thumbprint, parse};
use crate::pem::{FileError, read_certificates};
use crate::spiffe::{Identity, Name};

/// One certificate of a trust domain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// Whom it names, or whose CA it is: `hub`, `hub CA`, `partner/harbor-hotels`.
    pub subject: String,
    /// Where it lies.
    pub path: PathBuf,
    /// Its SHA-256.
    pub thumbprint: Thumbprint,
    /// The last second in which it is valid.
    pub not_after: Timestamp,
    /// Whole days until then; negative once it has expired.
    pub days_left: i64,
}

impl DomainDirectory {
    /// Every certificate in the folder: the hub's, the operators', then each partner's.
    pub fn list(&self, now: Timestamp) -> Result<Vec<Listed>, PkiError> {
        let mut planned = vec![
            ("hub CA".to_owned(), self.ca_certificate(&Identity::Hub)),
            ("hub".to_owned(), self.certificate(&Identity::Hub)),
            ("operators CA".to_owned(), self.folder().join("operators-ca.pem")),
        ];
        for name in self.operators()? {
            let identity = Identity::Operator(name);
            planned.push((identity.to_string(), self.certificate(&identity)));
        }
        for code in self.partners()? {
            let identity = Identity::Partner(code);
            planned.push((format!("{identity} CA"), self.ca_certificate(&identity)));
            planned.push((identity.to_string(), self.certificate(&identity)));
        }
        let there = planned.into_iter().filter(|(_, path)| path.exists());
        there.map(|(subject, path)| listed(subject, path, now)).collect()
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
}

fn listed(subject: String, path: PathBuf, now: Timestamp) -> Result<Listed, PkiError> {
    let chain = read_certificates(&path)?;
    let malformed = || FileError::new(&path, "it is malformed", "make it anew with `entente pki`");
    let leaf = chain.first().ok_or_else(malformed)?;
    let not_after = timestamp(parse(leaf).map_err(|_| malformed())?.validity().not_after)?;
    let days_left = not_after.duration_since(now).as_hours().div_euclid(24);
    Ok(Listed { subject, thumbprint: Thumbprint::of(leaf), path, not_after, days_left })
}
