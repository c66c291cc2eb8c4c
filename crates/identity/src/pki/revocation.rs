//! Revocation lists: read back, added to, and signed anew under the next number.
//!
//! A list names what it revokes by serial number. Nothing ever leaves a list but with its authority,
//! since a serial does not tell when its certificate would have expired.

use std::path::Path;

use jiff::{SignedDuration, Timestamp};
use rcgen::{
    CertificateRevocationListParams, KeyIdMethod, RevocationReason, RevokedCertParams, SerialNumber,
};
use rustls_pki_types::CertificateDer;
use x509_parser::prelude::FromDer as _;
use x509_parser::revocation_list::CertificateRevocationList;
use x509_parser::x509::ReasonCode;

use super::authority::{Authority, BACKDATED, asn1, timestamp};
use super::{LIST_DAYS, PkiError};
use crate::certificate::parse;
use crate::pem::{FileError, read_crls};

/// Why a certificate is revoked. For people and their tools: to the hub, revoked is revoked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Reason {
    /// Nobody says.
    #[default]
    Unspecified,
    /// Somebody else has the key, or may have it.
    KeyCompromise,
    /// Another certificate took its place.
    Superseded,
    /// Its owner has no more use for it.
    CessationOfOperation,
    /// Its owner may not act any more.
    PrivilegeWithdrawn,
}

/// A certificate on a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Revoked {
    /// Its serial number, without leading zeros.
    pub serial: Vec<u8>,
    /// Since when.
    pub at: Timestamp,
    /// Why.
    pub reason: Reason,
}

/// One authority's list, as it was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct List {
    pub(crate) number: u64,
    pub(crate) next_update: Timestamp,
    pub(crate) revoked: Vec<Revoked>,
}

impl List {
    /// The list of an authority in a file of lists; `None` where the file or the list is not there.
    pub(crate) fn read(
        path: &Path,
        authority: &CertificateDer<'_>,
    ) -> Result<Option<Self>, PkiError> {
        if !path.exists() {
            return Ok(None);
        }
        let malformed = || FileError::new(path, "a list in it is malformed", "restore the file");
        let subject = subject_of(authority)?;
        for der in read_crls(path)? {
            let (_, list) = CertificateRevocationList::from_der(&der).map_err(|_| malformed())?;
            if list.issuer().as_raw() == subject {
                return Ok(Some(Self::parsed(&list).ok_or_else(malformed)?));
            }
        }
        Ok(None)
    }

    fn parsed(list: &CertificateRevocationList<'_>) -> Option<Self> {
        let revoked = list.iter_revoked_certificates().map(|one| {
            let reason = one.reason_code().map_or(Reason::Unspecified, |(_, code)| code.into());
            Some(Revoked {
                serial: significant(one.raw_serial()),
                at: timestamp(one.revocation_date).ok()?,
                reason,
            })
        });
        Some(Self {
            number: list_number(list)?,
            next_update: timestamp(list.next_update()?).ok()?,
            revoked: revoked.collect::<Option<_>>()?,
        })
    }

    /// Whether a serial number is on the list.
    pub(crate) fn names(&self, serial: &[u8]) -> bool {
        let serial = significant(serial);
        self.revoked.iter().any(|revoked| revoked.serial == serial)
    }
}

impl Authority {
    /// The authority's revocation list, in PEM, for so many days or for as long as the authority
    /// lives.
    pub fn revocation_list(
        &self,
        number: u64,
        revoked: &[Revoked],
        days: u16,
        now: Timestamp,
    ) -> Result<String, PkiError> {
        let next_update =
            (now + SignedDuration::from_hours(24 * i64::from(days))).min(self.not_after());
        if days == 0 || next_update <= now {
            let left = self.not_after().duration_since(now).as_hours().div_euclid(24);
            return Err(PkiError::Validity { left });
        }
        let entries = revoked.iter().map(|one| {
            Ok(RevokedCertParams {
                serial_number: SerialNumber::from_slice(&one.serial),
                revocation_time: asn1(one.at)?.to_datetime(),
                reason_code: one.reason.code(),
                invalidity_date: None,
            })
        });
        let params = CertificateRevocationListParams {
            this_update: asn1(now - BACKDATED)?.to_datetime(),
            next_update: asn1(next_update)?.to_datetime(),
            crl_number: SerialNumber::from(number),
            issuing_distribution_point: None,
            revoked_certs: entries.collect::<Result<_, PkiError>>()?,
            key_identifier_method: KeyIdMethod::Sha256,
        };
        Ok(params.signed_by(self.issuer())?.pem()?)
    }

    /// The list under the next number, after what it held before and with `added`.
    pub(crate) fn next_list(
        &self,
        before: Option<List>,
        added: &[Revoked],
        now: Timestamp,
    ) -> Result<(u64, String), PkiError> {
        let (number, mut revoked) =
            before.map_or((0, Vec::new()), |list| (list.number, list.revoked));
        for one in added {
            if !revoked.iter().any(|there| there.serial == one.serial) {
                revoked.push(one.clone());
            }
        }
        let number = number.saturating_add(1);
        Ok((number, self.revocation_list(number, &revoked, LIST_DAYS, now)?))
    }
}

impl Reason {
    const fn code(self) -> Option<RevocationReason> {
        match self {
            // RFC 5280, section 5.3.1: left out rather than said.
            Self::Unspecified => None,
            Self::KeyCompromise => Some(RevocationReason::KeyCompromise),
            Self::Superseded => Some(RevocationReason::Superseded),
            Self::CessationOfOperation => Some(RevocationReason::CessationOfOperation),
            Self::PrivilegeWithdrawn => Some(RevocationReason::PrivilegeWithdrawn),
        }
    }
}

impl From<ReasonCode> for Reason {
    fn from(code: ReasonCode) -> Self {
        match code {
            ReasonCode::KeyCompromise => Self::KeyCompromise,
            ReasonCode::Superseded => Self::Superseded,
            ReasonCode::CessationOfOperation => Self::CessationOfOperation,
            ReasonCode::PrivilegeWithdrawn => Self::PrivilegeWithdrawn,
            // Reasons that we do not give.
            _ => Self::Unspecified,
        }
    }
}

/// The number of a list, if it has one of at most eight bytes.
pub(crate) fn list_number(list: &CertificateRevocationList<'_>) -> Option<u64> {
    let bytes = list.crl_number()?.to_bytes_be();
    let fits = bytes.len() <= size_of::<u64>();
    fits.then(|| bytes.iter().fold(0, |number, byte| number << 8 | u64::from(*byte)))
}

/// The bytes of an integer without leading zeros.
pub(crate) fn significant(bytes: &[u8]) -> Vec<u8> {
    bytes.iter().copied().skip_while(|byte| *byte == 0).collect()
}

fn subject_of(authority: &CertificateDer<'_>) -> Result<Vec<u8>, PkiError> {
    let parsed = parse(authority).map_err(|error| PkiError::Minting(error.to_string()))?;
    Ok(parsed.subject().as_raw().to_vec())
}

/// Lists in PEM as one file.
pub(crate) fn joined(lists: &[String]) -> String {
    lists.iter().map(|list| list.trim_end()).collect::<Vec<_>>().join("\n") + "\n"
}
