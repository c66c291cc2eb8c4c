//! What an operation changed, as it was before: enough to undo it, and to know what to write.

use std::collections::{BTreeMap, BTreeSet};

use entente_ledger::{Debt, DebtId, Hold, Lot, LotId, MemberId, PartnerId, Points, Seq, Wallet};

use jiff::civil::Date;

use crate::{Counted, Forward, Member, MeterKey};

/// What an operation changed of a member, as it was before; `None` for what was not there.
pub(crate) struct Journal {
    pub(crate) wallet: Wallet,
    pub(crate) forward: Option<Forward>,
    pub(crate) absorbed: Option<BTreeSet<MemberId>>,
    pub(crate) lots: BTreeMap<LotId, Option<Lot>>,
    pub(crate) holds: BTreeMap<Seq, Option<Hold>>,
    pub(crate) debts: BTreeMap<DebtId, Option<Debt>>,
    pub(crate) earned_in_year: BTreeMap<(PartnerId, i16), Option<Points>>,
    pub(crate) given_in_month: BTreeMap<(PartnerId, Date), Option<Points>>,
    pub(crate) counted: BTreeMap<MeterKey, Option<Counted>>,
}

impl Journal {
    pub(crate) fn new(member: &Member) -> Self {
        Self {
            wallet: member.wallet,
            forward: member.forward,
            absorbed: None,
            lots: BTreeMap::new(),
            holds: BTreeMap::new(),
            debts: BTreeMap::new(),
            earned_in_year: BTreeMap::new(),
            given_in_month: BTreeMap::new(),
            counted: BTreeMap::new(),
        }
    }

    /// The member as it was before.
    pub(crate) fn undo(self, member: &mut Member) {
        member.wallet = self.wallet;
        member.forward = self.forward;
        if let Some(absorbed) = self.absorbed {
            member.absorbed = absorbed;
        }
        put_back(&mut member.lots, self.lots);
        put_back(&mut member.holds, self.holds);
        put_back(&mut member.debts, self.debts);
        put_back(&mut member.earned_in_year, self.earned_in_year);
        put_back(&mut member.given_in_month, self.given_in_month);
        put_back(&mut member.counted, self.counted);
    }

    /// Remembers what is to be written.
    pub(crate) fn mark(&self, member: &mut Member) {
        member.changed_forward |= member.forward != self.forward;
        member.changed_lots.extend(self.lots.keys());
        member.changed_holds.extend(self.holds.keys());
        member.changed_debts.extend(self.debts.keys());
        member.changed_gifts.extend(self.given_in_month.keys());
        member.changed_counted.extend(self.counted.keys());
    }
}

/// Values as they were before.
pub(crate) fn put_back<K: Ord, V>(values: &mut BTreeMap<K, V>, before: BTreeMap<K, Option<V>>) {
    for (key, value) in before {
        match value {
            Some(value) => values.insert(key, value),
            None => values.remove(&key),
        };
    }
}
