//! Which roots are in force: each owner's set is checked by itself, and one that is bad leaves that
//! owner, and nobody else, with the set it had before.
//!
//! Nothing here reads a file or a clock; what was read, and the time, come in as values.

mod set;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use jiff::Timestamp;

use crate::roots::{IdentityRoots, Roots, RootsError};
use crate::spiffe::{Name, TrustDomain};

pub use set::{Expiry, TrustError, TrustSet};

/// Whose roots.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Owner {
    /// All operators have one CA.
    Operators,
    /// Each partner has its own.
    Partner(Name),
}

/// The sets that are in force.
#[derive(Clone, Debug)]
pub struct Trust {
    trust_domain: TrustDomain,
    sets: BTreeMap<Owner, Arc<TrustSet>>,
}

/// What was read for each owner: its roots and lists, or why they cannot be read.
pub type Read = BTreeMap<Owner, Result<Roots, String>>;

/// What became of an owner's files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// They are what is in force.
    Same,
    /// They are in force from now on; so many certificates are revoked that were not before.
    Loaded {
        /// How many.
        revoked: usize,
    },
    /// They are bad, and what was in force before stays.
    Kept {
        /// What is wrong.
        problem: String,
    },
    /// They are bad, and nothing was in force before: nobody of this owner is admitted.
    LeftOut {
        /// What is wrong.
        problem: String,
    },
    /// The owner has no files any more, and is not admitted.
    Removed,
}

impl Trust {
    /// Nobody is trusted.
    pub fn nobody(trust_domain: TrustDomain) -> Self {
        Self { trust_domain, sets: BTreeMap::new() }
    }

    /// The trust domain.
    pub fn trust_domain(&self) -> &TrustDomain {
        &self.trust_domain
    }

    /// Each owner's set.
    pub fn sets(&self) -> impl Iterator<Item = &TrustSet> {
        self.sets.values().map(AsRef::as_ref)
    }

    /// Whether an owner has a set.
    pub fn has(&self, owner: &Owner) -> bool {
        self.sets.contains_key(owner)
    }

    /// What is in force after reading the files again: each owner's new set if it is good, else the
    /// one it had.
    pub fn after(&self, read: Read, now: Timestamp) -> (Self, BTreeMap<Owner, Outcome>) {
        let mut outcomes = BTreeMap::new();
        let mut fresh = BTreeMap::new();
        for owner in self.sets.keys().filter(|owner| !read.contains_key(owner)) {
            outcomes.insert(owner.clone(), Outcome::Removed);
        }
        for (owner, roots) in read {
            let before = self.sets.get(&owner).map(AsRef::as_ref);
            let checked = roots.and_then(|roots| {
                let checked = TrustSet::check(owner.clone(), roots, now, before);
                checked.map_err(|error| error.to_string())
            });
            match checked {
                Ok(set) if before.is_some_and(|before| before.is_same(&set)) => {
                    outcomes.insert(owner, Outcome::Same);
                }
                Ok(set) => {
                    let revoked = set.newly_revoked(before);
                    outcomes.insert(owner.clone(), Outcome::Loaded { revoked });
                    fresh.insert(owner, Arc::new(set));
                }
                Err(problem) => {
                    outcomes.insert(owner.clone(), self.bad(&owner, problem));
                }
            }
        }
        for (owner, other) in self.sharing(&mut fresh, &outcomes) {
            let error = RootsError::Shared { owner: owner.to_string(), other: other.to_string() };
            outcomes.insert(owner.clone(), self.bad(&owner, error.to_string()));
        }
        let stays = |owner: &Owner| !matches!(outcomes.get(owner), Some(Outcome::Removed));
        let mut sets: BTreeMap<_, _> =
            self.sets.iter().filter(|(owner, _)| stays(owner)).map(cloned).collect();
        sets.extend(fresh);
        (Self { trust_domain: self.trust_domain.clone(), sets }, outcomes)
    }

    /// The roots to verify callers with: of each set, what has not expired.
    pub fn identity_roots(&self, now: Timestamp) -> Result<IdentityRoots, RootsError> {
        let mut roots = IdentityRoots::new(self.trust_domain.clone());
        for (owner, set) in &self.sets {
            // An owner all of whose roots have expired is trusted no more.
            let Some(valid) = set.roots_at(now) else { continue };
            match owner {
                Owner::Operators => roots.pin_operators(valid)?,
                Owner::Partner(code) => roots.pin_partner(code.clone(), valid)?,
            }
        }
        Ok(roots)
    }

    fn bad(&self, owner: &Owner, problem: String) -> Outcome {
        if self.has(owner) { Outcome::Kept { problem } } else { Outcome::LeftOut { problem } }
    }

    /// Takes those fresh sets out that share a key with another owner's set, and says with whose.
    /// Whoever has a key in force keeps it, also one that is about to give it up; two that bring it
    /// at the same time get it neither.
    fn sharing(
        &self,
        fresh: &mut BTreeMap<Owner, Arc<TrustSet>>,
        outcomes: &BTreeMap<Owner, Outcome>,
    ) -> Vec<(Owner, Owner)> {
        let mut holders: BTreeMap<&[u8], BTreeSet<&Owner>> = BTreeMap::new();
        let stays = |owner: &Owner| outcomes.get(owner) != Some(&Outcome::Removed);
        let in_force = self.sets.iter().filter(|(owner, _)| stays(owner));
        for (owner, set) in in_force.chain(fresh.iter()) {
            for key in set.keys() {
                holders.entry(key).or_default().insert(owner);
            }
        }
        let mut refused = BTreeMap::new();
        for (owner, set) in fresh.iter() {
            // What an owner has had stays its own, whoever else brings it now.
            let had = |key: &&[u8]| {
                let before = self.sets.get(owner);
                before.is_some_and(|before| before.keys().any(|had| had == *key))
            };
            let new = set.keys().filter(|key| !had(key));
            let others = new.filter_map(|key| holders.get(key)).flatten();
            if let Some(other) = others.copied().find(|other| *other != owner) {
                refused.insert(owner.clone(), other.clone());
            }
        }
        fresh.retain(|owner, _| !refused.contains_key(owner));
        refused.into_iter().collect()
    }
}

fn cloned((owner, set): (&Owner, &Arc<TrustSet>)) -> (Owner, Arc<TrustSet>) {
    (owner.clone(), Arc::clone(set))
}

/// As in the errors about roots: `operators`, `partner/harbor-hotels`.
impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Operators => f.write_str("operators"),
            Self::Partner(code) => write!(f, "partner/{code}"),
        }
    }
}
