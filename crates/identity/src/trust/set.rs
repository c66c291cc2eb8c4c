//! One owner's roots and revocation lists, checked before they are put in force.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use rustls_pki_types::CertificateDer;
use x509_parser::prelude::FromDer as _;
use x509_parser::revocation_list::CertificateRevocationList;
use x509_parser::time::ASN1Time;

use super::Owner;
use crate::certificate::parse;
use crate::roots::{IdentityRoots, Roots, RootsError};
use crate::spiffe::TrustDomain;

/// How far another clock may be ahead of ours.
const AHEAD: SignedDuration = SignedDuration::from_mins(5);

/// Roots and lists that are good together.
#[derive(Clone, Debug)]
pub struct TrustSet {
    owner: Owner,
    roots: Roots,
    /// Of each root, in their order.
    facts: Vec<RootFacts>,
    lists: Vec<ListFacts>,
}

/// When something of an owner ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expiry {
    /// The last of its roots.
    Roots(Timestamp),
    /// The first of its revocation lists, after which nobody of the owner is admitted.
    Lists(Timestamp),
}

/// Why roots and lists are not put in force.
#[derive(Debug, thiserror::Error)]
pub enum TrustError {
    /// Roots that may not be pinned, or lists that cannot be read.
    #[error(transparent)]
    Roots(#[from] RootsError),
    /// No root is valid now.
    #[error("none of the root certificates is valid now; give one that is")]
    RootsNotValid,
    /// A list claims to be a root's and is not signed by it.
    #[error("a revocation list is not signed by the root it names; give the list of that CA")]
    ListSignature,
    /// A list that has expired, or begins in the future.
    #[error("a revocation list is not in date: it is good until {next_update}; make it anew")]
    ListDate {
        /// Until when it was good.
        next_update: Timestamp,
    },
    /// A root has no list though there are lists: whoever it signed for could not be checked.
    #[error("there are revocation lists, and none of them is of a root that is pinned")]
    ListMissing,
    /// A list that is older than the one in force would forget what was revoked.
    #[error("a revocation list is older than the one in force")]
    ListOlder,
    /// There were lists, and there are none.
    #[error("the revocation list is gone; what it revoked would come back")]
    ListGone,
}

#[derive(Clone, Debug)]
struct RootFacts {
    key: Vec<u8>,
    not_before: Timestamp,
    not_after: Timestamp,
}

#[derive(Clone, Debug)]
struct ListFacts {
    /// The key of the root that signed it; of a list of somebody below, the issuer's name.
    signer: Vec<u8>,
    /// The list's number, without leading zeros, if it has one.
    number: Option<Vec<u8>>,
    this_update: Timestamp,
    next_update: Timestamp,
    revoked: BTreeSet<Vec<u8>>,
}

impl TrustSet {
    /// Checks an owner's roots and lists, also against those in force before.
    pub fn check(
        owner: Owner,
        roots: Roots,
        now: Timestamp,
        before: Option<&Self>,
    ) -> Result<Self, TrustError> {
        pinnable(&owner, &roots)?;
        let name = owner.to_string();
        let facts = roots.certificates.iter().map(|root| RootFacts::of(root, &name));
        let facts: Vec<_> = facts.collect::<Result<_, _>>()?;
        if !facts.iter().any(|root| root.is_valid(now)) {
            return Err(TrustError::RootsNotValid);
        }
        let lists = roots.crls.iter().map(|list| ListFacts::of(list, &roots, &name));
        let lists: Vec<_> = lists.collect::<Result<_, _>>()?;
        if let Some(late) = lists.iter().find(|list| !list.is_in_date(now)) {
            return Err(TrustError::ListDate { next_update: late.next_update });
        }
        let covered = |root: &RootFacts| lists.iter().any(|list| list.signer == root.key);
        let mut valid = facts.iter().filter(|root| root.is_valid(now));
        if !lists.is_empty() && !valid.all(covered) {
            return Err(TrustError::ListMissing);
        }
        let set = Self { owner, roots, facts, lists };
        if let Some(before) = before {
            set.follows(before)?;
        }
        Ok(set)
    }

    /// Whose it is.
    pub fn owner(&self) -> &Owner {
        &self.owner
    }

    /// When it ends.
    pub fn expiries(&self) -> impl Iterator<Item = Expiry> {
        let roots = self.facts.iter().map(|root| root.not_after).max().map(Expiry::Roots);
        let lists = self.lists.iter().map(|list| list.next_update).min().map(Expiry::Lists);
        roots.into_iter().chain(lists)
    }

    /// The public keys of its roots.
    pub(super) fn keys(&self) -> impl Iterator<Item = &[u8]> {
        self.facts.iter().map(|root| root.key.as_slice())
    }

    /// The roots that are valid, with all lists; `None` once there are none.
    pub(super) fn roots_at(&self, now: Timestamp) -> Option<Roots> {
        let valid = self.roots.certificates.iter().zip(&self.facts);
        let valid = valid.filter(|(_, facts)| facts.is_valid(now));
        let certificates: Vec<_> = valid.map(|(root, _)| root.clone()).collect();
        let crls = self.roots.crls.clone();
        (!certificates.is_empty()).then_some(Roots { certificates, crls })
    }

    pub(super) fn is_same(&self, other: &Self) -> bool {
        self.roots.certificates == other.roots.certificates && self.roots.crls == other.roots.crls
    }

    /// How many certificates it revokes that the set before did not.
    pub(super) fn newly_revoked(&self, before: Option<&Self>) -> usize {
        let known: BTreeMap<_, _> = before
            .iter()
            .flat_map(|before| &before.lists)
            .map(|list| (list.signer.as_slice(), &list.revoked))
            .collect();
        let new = self.lists.iter().map(|list| match known.get(list.signer.as_slice()) {
            Some(known) => list.revoked.difference(known).count(),
            None => list.revoked.len(),
        });
        new.sum()
    }

    /// Nothing that was revoked may come back: neither by an older list nor by none.
    fn follows(&self, before: &Self) -> Result<(), TrustError> {
        if self.lists.is_empty() && !before.lists.is_empty() {
            let stays = |key: &[u8]| self.keys().any(|ours| ours == key);
            // With all the roots of those lists gone, nothing of theirs could come back.
            if before.lists.iter().any(|list| stays(&list.signer)) {
                return Err(TrustError::ListGone);
            }
        }
        for old in &before.lists {
            let mut ours = self.lists.iter().filter(|new| new.signer == old.signer);
            if ours.any(|new| new.is_older_than(old)) {
                return Err(TrustError::ListOlder);
            }
        }
        Ok(())
    }
}

impl RootFacts {
    fn of(root: &CertificateDer<'_>, owner: &str) -> Result<Self, RootsError> {
        let bad = || RootsError::NotAnAuthority { owner: owner.to_owned() };
        let parsed = parse(root).map_err(|_| bad())?;
        let validity = parsed.validity();
        Ok(Self {
            key: parsed.public_key().raw.to_vec(),
            not_before: time(validity.not_before).ok_or_else(bad)?,
            not_after: time(validity.not_after).ok_or_else(bad)?,
        })
    }

    fn is_valid(&self, now: Timestamp) -> bool {
        self.not_before <= now + AHEAD && now <= self.not_after
    }
}

impl ListFacts {
    fn of(der: &[u8], roots: &Roots, owner: &str) -> Result<Self, TrustError> {
        let bad = || RootsError::RevocationList { owner: owner.to_owned() };
        let (_, list) = CertificateRevocationList::from_der(der).map_err(|_| bad())?;
        let mut signer = None;
        let mut named = false;
        for root in &roots.certificates {
            let root = parse(root).map_err(|_| bad())?;
            if root.subject().as_raw() == list.issuer().as_raw() {
                named = true;
                if list.verify_signature(root.public_key()).is_ok() {
                    signer = Some(root.public_key().raw.to_vec());
                }
            }
        }
        let signer = match signer {
            Some(key) => key,
            None if named => return Err(TrustError::ListSignature),
            None => list.issuer().as_raw().to_vec(),
        };
        let number = list.crl_number().map(x509_parser::num_bigint::BigUint::to_bytes_be);
        let number = number.map(|bytes| bytes.into_iter().skip_while(|byte| *byte == 0).collect());
        let revoked = list.iter_revoked_certificates();
        Ok(Self {
            signer,
            number,
            this_update: time(list.last_update()).ok_or_else(bad)?,
            next_update: list.next_update().and_then(time).ok_or_else(bad)?,
            revoked: revoked.map(|revoked| revoked.raw_serial().to_vec()).collect(),
        })
    }

    fn is_in_date(&self, now: Timestamp) -> bool {
        self.this_update <= now + AHEAD && now < self.next_update
    }

    fn is_older_than(&self, other: &Self) -> bool {
        match (&self.number, &other.number) {
            (Some(ours), Some(theirs)) => (ours.len(), ours) < (theirs.len(), theirs),
            _ => self.this_update < other.this_update,
        }
    }
}

/// Asks what would be asked when it is put in force, for this owner alone.
fn pinnable(owner: &Owner, roots: &Roots) -> Result<(), RootsError> {
    let anywhere: TrustDomain = "entente.local".parse().expect("a good trust domain");
    let mut alone = IdentityRoots::new(anywhere);
    match owner {
        Owner::Operators => alone.pin_operators(roots.clone()),
        Owner::Partner(code) => alone.pin_partner(code.clone(), roots.clone()),
    }
}

fn time(time: ASN1Time) -> Option<Timestamp> {
    Timestamp::from_second(time.timestamp()).ok()
}
