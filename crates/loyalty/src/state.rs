//! The state that a batch decides on: members, exposures, the open window.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use entente_ledger::{
    Cell, Currency, Debt, DebtId, Hold, Lot, LotId, MemberId, Micros, PartnerId, Points, RequestId,
    Seq, Wallet, WindowId,
};
use jiff::{Timestamp, civil::Date};

use crate::{Catalogue, Counted, Floats, MeterKey, Refusal};

/// What a capped partner owes in a currency, and what its open holds reserve, in one number.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Exposure {
    /// Net of the open window, unpaid obligations and reservations; negative when it is owed.
    pub owed: Micros,
    /// The greatest threshold of its cap that it was told it reached, in percent; 0 for none.
    pub told: u8,
}

/// The open window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    /// Its number.
    pub id: WindowId,
    /// When it began.
    pub opened_at: Timestamp,
}

/// The open windows: one of each kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Windows {
    /// Of partners that are settled.
    pub live: Window,
    /// Of partners that test.
    pub testing: Window,
}

impl Windows {
    /// The one of partners that test, or the one of all others.
    #[must_use]
    pub const fn of(&self, testing: bool) -> Window {
        if testing { self.testing } else { self.live }
    }
}

/// Where a merged member's points went, and where what becomes of them later is found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Forward {
    /// The member that it was merged into.
    pub into: MemberId,
    /// By the ledger's clock.
    pub merged_at: Timestamp,
}

/// One member under its cell's head: the wallet, its open lots, and the lots, holds and debts that
/// a command may need. What changed is remembered, so that only that is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// The member.
    pub id: MemberId,
    /// Its cell.
    pub cell: Cell,
    /// What it has.
    pub wallet: Wallet,
    /// The open lots that come first in burn order, and those that commands name, open or not.
    pub lots: BTreeMap<LotId, Lot>,
    /// Up to which lot in burn order, by its expiry and id, every open one is loaded; `None` when all
    /// are, and of a member whose lots no command asks for. Beyond it there may be others than those that
    /// commands name.
    pub lots_until: Option<(Timestamp, LotId)>,
    /// Every open hold, and the ended ones that commands name.
    pub holds: BTreeMap<Seq, Hold>,
    /// Every debt with points left, oldest first.
    pub debts: BTreeMap<DebtId, Debt>,
    /// What the member earned at a partner in a calendar year (UTC) of activity, net of clawbacks;
    /// loaded where terms cap it.
    pub earned_in_year: BTreeMap<(PartnerId, i16), Points>,
    /// What the member gave to others at a partner in a calendar month (UTC), by its first day;
    /// loaded where a command gives.
    pub given_in_month: BTreeMap<(PartnerId, Date), Points>,
    /// Until when a partner may spend only points that it issued: the member was linked there a short
    /// time ago. Read with the link that a command names.
    pub held_back: BTreeMap<PartnerId, Timestamp>,
    /// Where its points went, if it was merged into another: then it has none, and opens none.
    pub forward: Option<Forward>,
    /// Every member that was merged into this one, or into one of these; loaded where a command
    /// merges or takes a merge back.
    pub absorbed: BTreeSet<MemberId>,
    /// The partners that know the member; loaded where a command merges.
    pub linked_at: BTreeSet<PartnerId>,
    /// Whether the forward is to be written.
    pub changed_forward: bool,
    /// What was counted of the member at a partner; loaded where terms limit it.
    pub counted: BTreeMap<MeterKey, Counted>,
    /// Lots to write.
    pub changed_lots: BTreeSet<LotId>,
    /// Holds to write.
    pub changed_holds: BTreeSet<Seq>,
    /// Debts to write.
    pub changed_debts: BTreeSet<DebtId>,
    /// Months of giving to write.
    pub changed_gifts: BTreeSet<(PartnerId, Date)>,
    /// Meters to write.
    pub changed_counted: BTreeSet<MeterKey>,
}

impl Member {
    /// Refuses where the member may have open lots that are not loaded.
    pub(crate) fn knows_all_lots(&self) -> Result<(), Refusal> {
        self.lots_until.map_or(Ok(()), |_| Err(Refusal::LotsNotLoaded))
    }

    /// A member with an empty wallet.
    #[must_use]
    pub fn new(id: MemberId, cell: Cell) -> Self {
        Self {
            id,
            cell,
            wallet: Wallet::default(),
            lots: BTreeMap::new(),
            lots_until: None,
            holds: BTreeMap::new(),
            debts: BTreeMap::new(),
            earned_in_year: BTreeMap::new(),
            given_in_month: BTreeMap::new(),
            held_back: BTreeMap::new(),
            forward: None,
            absorbed: BTreeSet::new(),
            linked_at: BTreeSet::new(),
            changed_forward: false,
            counted: BTreeMap::new(),
            changed_lots: BTreeSet::new(),
            changed_holds: BTreeSet::new(),
            changed_debts: BTreeSet::new(),
            changed_gifts: BTreeSet::new(),
            changed_counted: BTreeSet::new(),
        }
    }
}

/// Everything that a batch decides on. A refused command leaves it as it was.
#[derive(Debug)]
pub struct State<'a> {
    /// Partners and terms.
    pub catalogue: &'a Catalogue,
    /// The open windows.
    pub window: Windows,
    /// The members of the batch.
    pub members: HashMap<MemberId, Member>,
    /// The receipts that earns of the batch name and that earns have credited: by which.
    pub receipts: HashMap<(PartnerId, String), RequestId>,
    /// The exposures of partners that some version of their terms caps; others are not kept.
    pub exposures: BTreeMap<(PartnerId, Currency), Exposure>,
    /// The exposures that changed.
    pub changed_exposures: BTreeSet<(PartnerId, Currency)>,
    /// The floats of prepaid partners; loaded where commands draw from them or return to them.
    pub floats: Floats,
    /// What was counted of partners as a whole; loaded where terms limit it.
    pub counted: BTreeMap<MeterKey, Counted>,
    /// The meters that changed.
    pub changed_counted: BTreeSet<MeterKey>,
}

impl<'a> State<'a> {
    /// These members, and nothing else loaded.
    #[must_use]
    pub fn new(
        catalogue: &'a Catalogue,
        window: Windows,
        members: HashMap<MemberId, Member>,
    ) -> Self {
        Self {
            catalogue,
            window,
            members,
            receipts: HashMap::new(),
            exposures: BTreeMap::new(),
            changed_exposures: BTreeSet::new(),
            floats: Floats::default(),
            counted: BTreeMap::new(),
            changed_counted: BTreeSet::new(),
        }
    }
}
