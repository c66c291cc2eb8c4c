//! What members with many lots have, by the month in which it expires and by issuer.
//!
//! A member may have thousands of open lots, and it would be dear to add all of them up for each balance.
//! What they came to is kept here once it is read, and the writers of this hub move it on. It is of one
//! version of the member's wallet and of no other: after another hub's batch, a sweep, a merge, or a commit
//! of which nobody knows the outcome, the wallet has another version, and the lots are added up anew.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use entente_ledger::{LotId, MemberId, Overflow, PartnerId, Points, Wallet};
use entente_loyalty::{Member, month};
use entente_store::batch::{ExpiringLots, Version};
use jiff::civil::Date;
use quick_cache::{Weighter, sync::Cache};

/// Points by the first day of the month in which they expire (UTC), and by issuer; nothing that is zero.
pub(crate) type Expiring = BTreeMap<(Date, PartnerId), Points>;

/// From so many open lots on, what a member has is kept.
const MANY: i64 = 256;

/// About so many members are expected,
const MEMBERS: usize = 1_024;

/// and so many sums are kept at most, of all of them, some dozen bytes each.
const SUMS: u64 = 200_000;

/// What is kept. Clones share it.
#[derive(Debug, Clone)]
pub(crate) struct KeptSums(Arc<Cache<MemberId, Arc<Sums>, Size>>);

#[derive(Debug)]
struct Sums {
    version: Version,
    expiring: Arc<Expiring>,
}

#[derive(Debug, Clone)]
struct Size;

/// What is kept of a member, and what was left in the lots that were loaded, before a batch changed them.
#[derive(Debug)]
pub(crate) struct Before {
    member: MemberId,
    sums: Arc<Sums>,
    remaining: HashMap<LotId, Points>,
}

impl KeptSums {
    /// Nothing yet.
    pub(crate) fn new() -> Self {
        Self(Arc::new(Cache::with_weighter(MEMBERS, SUMS, Size)))
    }

    /// What a member has, if it is kept of this version of its wallet.
    pub(crate) fn get(
        &self,
        member: MemberId,
        (wallet, version): (Wallet, Version),
    ) -> Option<Arc<Expiring>> {
        let sums = self.0.get(&member)?;
        (sums.version == version && sums.comes_to(wallet)).then(|| Arc::clone(&sums.expiring))
    }

    /// What a member has, by its lots as they were read with a version of its wallet. It is kept if they
    /// are many; that a later version may be kept already costs one more read.
    pub(crate) fn read(
        &self,
        member: MemberId,
        version: Version,
        lots: &[ExpiringLots],
    ) -> Result<Arc<Expiring>, Overflow> {
        let mut expiring = Expiring::new();
        for lots in lots {
            add(&mut expiring, (month(lots.month), lots.issuer), lots.points)?;
        }
        let expiring = Arc::new(expiring);
        let count = lots.iter().fold(0_i64, |sum, lots| sum.saturating_add(lots.lot_count));
        if count >= MANY {
            let sums = Sums { version, expiring: Arc::clone(&expiring) };
            self.0.insert(member, Arc::new(sums));
        }
        Ok(expiring)
    }

    /// What is kept of members that a batch loaded under its heads, to be given to
    /// [`KeptSums::moved_on`] after its commit.
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
            // If the wallet was written all the same, its lots are added up anew.
            let member = members.get(&before.member);
            let Some(member) = member.filter(|member| !member.changed_lots.is_empty()) else {
                continue;
            };
            if let Ok(expiring) = before.moved(member) {
                let sums = Sums { version, expiring: Arc::new(expiring) };
                // Only reads keep a member here. What is gone by now stays away.
                let _ = self.0.replace(before.member, Arc::new(sums), true);
            }
        }
    }
}

impl Weighter<MemberId, Arc<Sums>> for Size {
    fn weight(&self, _: &MemberId, sums: &Arc<Sums>) -> u64 {
        1 + sums.expiring.len() as u64
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
        let mut expiring = Expiring::clone(&self.sums.expiring);
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
    use entente_store::batch::Xid;
    use jiff::Timestamp;

    use super::*;

    const GUEST: MemberId = MemberId(uuid::Uuid::from_u128(7));
    const HARBOR: PartnerId = PartnerId(1);
    const ROVER: PartnerId = PartnerId(2);
    const MARCH: &str = "2027-03-01T00:00:00Z";

    fn at(time: &str) -> Timestamp {
        time.parse().expect("a time")
    }

    fn version(transaction: u32) -> Version {
        Version::new(Xid(transaction), at("2026-03-01T00:00:00Z"))
    }

    fn lots(month: &str, issuer: PartnerId, points: i64, lot_count: i64) -> ExpiringLots {
        ExpiringLots { month: at(month), issuer, points: Points(points), lot_count }
    }

    /// A hundred points of Harbor's and as many of Rover's, in many lots.
    fn kept(transaction: u32) -> KeptSums {
        let kept = KeptSums::new();
        let lots = [lots(MARCH, HARBOR, 100, MANY - 1), lots(MARCH, ROVER, 100, 1)];
        kept.read(GUEST, version(transaction), &lots).expect("a sum");
        kept
    }

    fn told(kept: &KeptSums, points: i64, transaction: u32) -> Option<Vec<i64>> {
        let wallet = Wallet { available: Points(points - 1), held: Points(1), debt: Points::ZERO };
        let expiring = kept.get(GUEST, (wallet, version(transaction)))?;
        Some(expiring.values().map(|points| points.0).collect())
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
    fn batch(kept: &KeptSums, (from, to): (u32, u32), loaded: &[Lot], after: &[Lot]) {
        let before = guest(loaded.iter().cloned());
        let before = kept.before(std::iter::once((&before, version(from))));
        let mut member = guest(after.iter().cloned());
        let changed = after.iter().filter(|lot| !loaded.contains(lot));
        member.changed_lots = changed.map(|lot| lot.id).collect();
        kept.moved_on(before, &HashMap::from([(GUEST, member)]), Some(version(to)));
    }

    #[test]
    fn few_lots_are_not_kept() {
        let kept = KeptSums::new();
        let lots = [lots(MARCH, HARBOR, 200, MANY - 1)];
        kept.read(GUEST, version(5), &lots).expect("a sum");
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
    fn another_server_numbers_other_transactions_alike() {
        let kept = kept(5);
        let wallet = Wallet { available: Points(200), ..Wallet::default() };
        let elsewhere = Version::new(Xid(5), at("2026-03-01T00:00:01Z"));
        assert!(kept.get(GUEST, (wallet, version(5))).is_some());
        assert!(kept.get(GUEST, (wallet, elsewhere)).is_none());
    }

    #[test]
    fn whoever_wrote_last_is_kept_however_transactions_are_numbered() {
        let kept = kept(5);
        let first = lot(1, HARBOR, MARCH, 60);
        let taken = Lot { remaining: Points(20), ..first.clone() };
        batch(&kept, (5, 3), &[first], &[taken]);
        assert_eq!(told(&kept, 160, 3), Some(vec![60, 100]));
    }
}
