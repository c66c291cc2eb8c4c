//! What members with many lots have, by the month in which it expires and by issuer.
//!
//! A member may have thousands of open lots, and it would be dear to add all of them up for each balance.
//! What they came to is kept here once it is read, and the batches of this hub move it on. It is of one
//! version of the member's wallet and of no other: after a batch of another hub, or one whose outcome nobody
//! knows, the wallet has another version, and the lots are added up anew.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use entente_ledger::{LotId, MemberId, Overflow, PartnerId, Points, Wallet};
use entente_loyalty::{Member, month};
use entente_store::batch::{ExpiringLots, Version};
use jiff::civil::Date;
use quick_cache::sync::Cache;

/// Points by the first day of the month in which they expire (UTC), and by issuer; nothing that is zero.
pub(crate) type Expiring = BTreeMap<(Date, PartnerId), Points>;

/// From so many open lots on, what a member has is kept,
const MANY: i64 = 256;

/// of so many members at most, those whose balances were read last.
const MEMBERS: usize = 1_024;

/// What is kept. Clones share it.
#[derive(Debug, Clone)]
pub(crate) struct Kept(Arc<Cache<MemberId, Arc<Sums>>>);

#[derive(Debug)]
struct Sums {
    version: Version,
    expiring: Expiring,
}

/// What is kept of a member, and what was left in the lots that were loaded, before a batch changed them.
#[derive(Debug)]
pub(crate) struct Before {
    member: MemberId,
    sums: Arc<Sums>,
    remaining: HashMap<LotId, Points>,
}

impl Kept {
    /// Nothing yet.
    pub(crate) fn new() -> Self {
        Self(Arc::new(Cache::new(MEMBERS)))
    }

    /// What a member has, if it is kept of this version of its wallet.
    pub(crate) fn get(
        &self,
        member: MemberId,
        (wallet, version): (Wallet, Version),
    ) -> Option<Expiring> {
        let sums = self.0.get(&member)?;
        (sums.version == version && sums.comes_to(wallet)).then(|| sums.expiring.clone())
    }

    /// What a member has, by its lots as they were read with a version of its wallet. It is kept if they
    /// are many.
    pub(crate) fn read(
        &self,
        member: MemberId,
        version: Version,
        lots: &[ExpiringLots],
    ) -> Result<Expiring, Overflow> {
        let mut expiring = Expiring::new();
        for lots in lots {
            add(&mut expiring, (month(lots.month), lots.issuer), lots.points)?;
        }
        let count = lots.iter().fold(0_i64, |sum, lots| sum.saturating_add(lots.lots));
        if count >= MANY {
            self.insert(member, Sums { version, expiring: expiring.clone() });
        }
        Ok(expiring)
    }

    /// What is kept of members that a batch loaded, to be given to [`Kept::moved_on`] after its commit.
    pub(crate) fn before<'a>(
        &self,
        loaded: impl Iterator<Item = (&'a Member, Version)>,
    ) -> Vec<Before> {
        if self.0.is_empty() {
            return Vec::new();
        }
        let kept = loaded.filter_map(|(member, version)| {
            let sums = self.0.peek(&member.id).filter(|sums| sums.version == version)?;
            let remaining = member.lots.values().map(|lot| (lot.id, lot.remaining)).collect();
            Some(Before { member: member.id, sums, remaining })
        });
        kept.collect()
    }

    /// A batch was committed: `members` are as it left them, and the wallets that it wrote of `version`.
    pub(crate) fn moved_on(
        &self,
        before: Vec<Before>,
        members: &HashMap<MemberId, Member>,
        version: Option<Version>,
    ) {
        let Some(version) = version else { return };
        for before in before {
            // A wallet that was not written has its version still.
            let member = members.get(&before.member);
            let Some(member) = member.filter(|member| !member.changed_lots.is_empty()) else {
                continue;
            };
            if let Ok(expiring) = before.moved(member) {
                self.insert(before.member, Sums { version, expiring });
            }
        }
    }

    /// What is of a later version stays.
    fn insert(&self, member: MemberId, sums: Sums) {
        let known = self.0.peek(&member);
        if known.is_none_or(|known| !known.version.is_after(sums.version)) {
            self.0.insert(member, Arc::new(sums));
        }
    }
}

impl Sums {
    /// Whether it is all that a wallet has: so it is never told beside other balances.
    fn comes_to(&self, wallet: Wallet) -> bool {
        let points = self.expiring.values();
        let sum = points.fold(0_i64, |sum, points| sum.saturating_add(points.0));
        wallet.available.plus(wallet.held).is_ok_and(|points| points.0 == sum)
    }
}

impl Before {
    /// What was kept, and what the changed lots of the member got and gave since.
    fn moved(&self, member: &Member) -> Result<Expiring, Overflow> {
        let mut expiring = self.sums.expiring.clone();
        for lot in member.changed_lots.iter().filter_map(|id| member.lots.get(id)) {
            // One that was not loaded was opened since.
            let was = self.remaining.get(&lot.id).copied().unwrap_or_default();
            let key = (month(lot.expires_at), lot.issuer);
            add(&mut expiring, key, lot.remaining.minus(was)?)?;
        }
        Ok(expiring)
    }
}

/// Points come, or go where they are negative.
fn add(expiring: &mut Expiring, key: (Date, PartnerId), points: Points) -> Result<(), Overflow> {
    let sum = expiring.get(&key).copied().unwrap_or_default().plus(points)?;
    if sum == Points::ZERO {
        expiring.remove(&key);
    } else {
        expiring.insert(key, sum);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use entente_ledger::{Cell, Funding, Lot, Origin, Seq, TermsVersion};
    use jiff::Timestamp;

    use super::*;

    const GUEST: MemberId = MemberId(uuid::Uuid::from_u128(7));
    const HARBOR: PartnerId = PartnerId(1);
    const ROVER: PartnerId = PartnerId(2);
    const MARCH: &str = "2027-03-01T00:00:00Z";

    fn at(time: &str) -> Timestamp {
        time.parse().expect("a time")
    }

    fn lots(month: &str, issuer: PartnerId, points: i64, lots: i64) -> ExpiringLots {
        ExpiringLots { month: at(month), issuer, points: Points(points), lots }
    }

    /// A hundred points of Harbor's and as many of Rover's, in many lots.
    fn kept(version: u32) -> Kept {
        let kept = Kept::new();
        let lots = [lots(MARCH, HARBOR, 100, MANY - 1), lots(MARCH, ROVER, 100, 1)];
        kept.read(GUEST, version.into(), &lots).expect("a sum");
        kept
    }

    fn told(kept: &Kept, points: i64, version: u32) -> Option<Vec<i64>> {
        let wallet = Wallet { available: Points(points - 1), held: Points(1), debt: Points::ZERO };
        let expiring = kept.get(GUEST, (wallet, version.into()))?;
        Some(expiring.into_values().map(|points| points.0).collect())
    }

    fn lot(opened_by: i64, issuer: PartnerId, expires_at: &str, remaining: i64) -> Lot {
        Lot {
            id: LotId { opened_by: Seq(opened_by), ordinal: 0 },
            issuer,
            funding: Funding::AtIssue,
            terms_version: TermsVersion(1),
            currency: "EUR".parse().expect("a currency"),
            expires_at: at(expires_at),
            remaining: Points(remaining),
            held: Points::ZERO,
            expired: Points::ZERO,
            announced: true,
            origin: Origin::Exchanged,
        }
    }

    fn guest(lots: impl IntoIterator<Item = Lot>) -> Member {
        let mut member = Member::new(GUEST, Cell(1));
        member.lots = lots.into_iter().map(|lot| (lot.id, lot)).collect();
        member
    }

    /// A batch that loads the guest at one version and leaves `after` at another.
    fn batch(kept: &Kept, (from, to): (u32, u32), loaded: &[Lot], after: &[Lot]) {
        let before = guest(loaded.iter().cloned());
        let before = kept.before(std::iter::once((&before, from.into())));
        let mut member = guest(after.iter().cloned());
        let changed = after.iter().filter(|lot| !loaded.contains(lot));
        member.changed_lots = changed.map(|lot| lot.id).collect();
        kept.moved_on(before, &HashMap::from([(GUEST, member)]), Some(to.into()));
    }

    #[test]
    fn few_lots_are_not_kept() {
        let kept = Kept::new();
        let lots = [lots(MARCH, HARBOR, 200, MANY - 1)];
        kept.read(GUEST, 5.into(), &lots).expect("a sum");
        assert_eq!(told(&kept, 200, 5), None);
    }

    #[test]
    fn what_is_kept_is_of_one_version_and_of_its_balances() {
        let kept = kept(5);
        assert_eq!(told(&kept, 200, 5), Some(vec![100, 100]));
        assert_eq!((told(&kept, 200, 4), told(&kept, 200, 6)), (None, None));
        assert_eq!(told(&kept, 201, 5), None, "never beside other balances");
    }

    #[test]
    fn a_batch_moves_on_what_its_lots_got_and_gave() {
        let kept = kept(5);
        let (first, second) =
            (lot(1, HARBOR, "2027-03-09T00:00:00Z", 60), lot(2, ROVER, MARCH, 100));
        let (taken, used_up) = (
            Lot { remaining: Points(20), ..first.clone() },
            Lot { remaining: Points(0), ..second.clone() },
        );
        let opened = lot(9, ROVER, "2027-04-30T23:59:59Z", 7);
        batch(&kept, (5, 6), &[first, second], &[taken, used_up, opened]);
        assert_eq!(told(&kept, 200, 5), None);
        assert_eq!(told(&kept, 67, 6), Some(vec![60, 7]));
    }

    #[test]
    fn a_batch_on_another_version_moves_nothing() {
        let kept = kept(5);
        let first = lot(1, HARBOR, MARCH, 60);
        let taken = Lot { remaining: Points(20), ..first.clone() };
        batch(&kept, (6, 7), &[first], &[taken]);
        assert_eq!((told(&kept, 160, 7), told(&kept, 200, 5)), (None, Some(vec![100, 100])));
    }

    #[test]
    fn a_batch_that_changed_no_lot_left_the_wallet_as_it_was() {
        let kept = kept(5);
        let first = [lot(1, HARBOR, MARCH, 60)];
        batch(&kept, (5, 6), &first, &first);
        assert_eq!(told(&kept, 200, 5), Some(vec![100, 100]));
    }

    #[test]
    fn a_read_that_comes_late_does_not_undo_a_batch() {
        let kept = kept(5);
        let first = lot(1, HARBOR, MARCH, 60);
        let taken = Lot { remaining: Points(20), ..first.clone() };
        batch(&kept, (5, 6), &[first], &[taken]);
        let late = [lots(MARCH, HARBOR, 200, MANY)];
        kept.read(GUEST, 5.into(), &late).expect("a sum");
        assert_eq!(told(&kept, 160, 6), Some(vec![60, 100]));
    }
}
