//! A draft: one operation in the making. Rules move points through it, which changes the member in
//! place and remembers what was there before; a refusal undoes all of it.

use entente_ledger::{
    Account, AmountKind, Currency, Debt, DebtId, Hold, Lot, LotId, MemberId, Micros, PartnerId,
    Points, Seq, TermsVersion, Transfer, Wallet,
};
use jiff::{Timestamp, civil::Date};

use std::collections::BTreeSet;

use crate::{
    BurnedElsewhere, Catalogue, Counted, Decision, ExposureKey, Forward, Member, MeterKey,
    Operation, Portion, Refusal, Terms, announce, burn,
    exposure::{self, ExposureChange},
    floats::Ask,
    journal::Journal,
};

/// One operation in the making.
pub(crate) struct Draft<'d> {
    /// Partners and terms.
    pub(crate) catalogue: &'d Catalogue,
    /// What the operation is so far.
    pub(crate) operation: Operation,
    /// What it adds to what partners owe, reservations counted.
    pub(crate) owed: ExposureChange,
    /// What it asks of its partner's float.
    pub(crate) float: Option<Ask>,
    /// Which issuers are told of it.
    pub(crate) burned_elsewhere: Vec<BurnedElsewhere>,
    member: &'d mut Member,
    transfers: Vec<Transfer>,
    journal: Journal,
}

impl<'d> Draft<'d> {
    pub(crate) fn new(
        catalogue: &'d Catalogue,
        member: &'d mut Member,
        operation: Operation,
    ) -> Self {
        let journal = Journal::new(member);
        let owed = ExposureChange::new();
        let (burned_elsewhere, transfers) = (Vec::new(), Vec::new());
        let float = None;
        Self { catalogue, operation, owed, float, burned_elsewhere, member, transfers, journal }
    }

    /// The decision, with what it changed. The member's points must still fit the ledger's range.
    pub(crate) fn decided(self) -> (Decision, Journal) {
        let Self { operation, transfers, member, journal, burned_elsewhere, .. } = self;
        let wallet = member.wallet;
        let decision = Decision {
            operation,
            transfers,
            wallet,
            crossings: Vec::new(),
            float_moves: Vec::new(),
            float_crossings: Vec::new(),
            burned_elsewhere,
        };
        (decision, journal)
    }

    /// The member as it was before.
    pub(crate) fn undo(self) {
        self.journal.undo(self.member);
    }

    /// What has been booked so far.
    pub(crate) fn transfers(&self) -> &[Transfer] {
        &self.transfers
    }

    /// By the ledger's clock.
    pub(crate) fn now(&self) -> Timestamp {
        self.operation.posted_at
    }

    /// The member's account.
    pub(crate) fn wallet_account(&self) -> Account {
        Account::Wallet(self.member.id)
    }

    /// What the member has so far.
    pub(crate) fn wallet(&self) -> Wallet {
        self.member.wallet
    }

    /// The terms that an earlier operation was priced by.
    pub(crate) fn terms(
        &self,
        partner: PartnerId,
        version: TermsVersion,
    ) -> Result<&'d Terms, Refusal> {
        let partner = self.catalogue.partner(partner).ok_or(Refusal::NoTermsInForce)?;
        partner.terms_version(version).ok_or(Refusal::NoTermsInForce)
    }

    pub(crate) fn lot(&self, id: LotId) -> Result<&Lot, Refusal> {
        self.member.lots.get(&id).ok_or(Refusal::NotReversible)
    }

    /// A lot to change. One that the store should have loaded and did not is not reversible.
    pub(crate) fn lot_mut(&mut self, id: LotId) -> Result<&mut Lot, Refusal> {
        let lot = self.member.lots.get_mut(&id).ok_or(Refusal::NotReversible)?;
        self.journal.lots.entry(id).or_insert_with(|| Some(lot.clone()));
        Ok(lot)
    }

    /// Opens a lot. One that ends too soon to be announced ahead counts as announced.
    pub(crate) fn open_lot(&mut self, mut lot: Lot) {
        lot.announced = announce::is_too_near(lot.expires_at, self.now());
        self.journal.lots.insert(lot.id, None);
        self.member.lots.insert(lot.id, lot);
    }

    pub(crate) fn hold(&self, authorized_by: Seq) -> Option<&Hold> {
        self.member.holds.get(&authorized_by)
    }

    /// Keeps a hold: a new one, or what became of one.
    pub(crate) fn keep_hold(&mut self, hold: Hold) {
        let id = hold.authorized_by;
        let before = self.member.holds.insert(id, hold);
        self.journal.holds.entry(id).or_insert(before);
    }

    /// The debts with points left, oldest first.
    pub(crate) fn debts(&self) -> Vec<Debt> {
        self.member.debts.values().filter(|debt| debt.points.is_positive()).copied().collect()
    }

    /// Keeps a debt: a new one, or what is left of one.
    pub(crate) fn keep_debt(&mut self, debt: Debt) -> Result<(), Refusal> {
        let before = self.member.debts.insert(debt.id, debt);
        self.journal.debts.entry(debt.id).or_insert(before);
        let was = before.map_or(Points::ZERO, |debt| debt.points);
        let wallet = &mut self.member.wallet;
        wallet.debt = wallet.debt.plus(debt.points.minus(was)?)?;
        Ok(())
    }

    /// The debts that this operation makes have these ids.
    pub(crate) fn debt_id(&self, ordinal: i16) -> DebtId {
        DebtId { made_by: self.operation.seq, ordinal }
    }

    /// The member as it is so far.
    pub(crate) fn member(&self) -> &Member {
        self.member
    }

    /// The member's points are elsewhere from now on, or its own again.
    pub(crate) fn set_forward(&mut self, forward: Option<Forward>) {
        self.member.forward = forward;
    }

    /// Whom the member stands for from now on.
    pub(crate) fn set_absorbed(&mut self, absorbed: BTreeSet<MemberId>) {
        let before = std::mem::replace(&mut self.member.absorbed, absorbed);
        self.journal.absorbed.get_or_insert(before);
    }

    /// What the member earned at a partner in a year, net of clawbacks.
    pub(crate) fn earned_in_year(&self, key: (PartnerId, i16)) -> Points {
        self.member.earned_in_year.get(&key).copied().unwrap_or_default()
    }

    pub(crate) fn set_earned_in_year(&mut self, key: (PartnerId, i16), points: Points) {
        let before = self.member.earned_in_year.insert(key, points);
        self.journal.earned_in_year.entry(key).or_insert(before);
    }

    /// What the member gave to others at a partner in a month.
    pub(crate) fn given_in_month(&self, key: (PartnerId, Date)) -> Points {
        self.member.given_in_month.get(&key).copied().unwrap_or_default()
    }

    pub(crate) fn set_given_in_month(&mut self, key: (PartnerId, Date), points: Points) {
        let before = self.member.given_in_month.insert(key, points);
        self.journal.given_in_month.entry(key).or_insert(before);
    }

    /// What was counted of the member.
    pub(crate) fn counted(&self, key: MeterKey) -> Option<Counted> {
        self.member.counted.get(&key).copied()
    }

    pub(crate) fn set_counted(&mut self, key: MeterKey, counted: Counted) {
        let before = self.member.counted.insert(key, counted);
        self.journal.counted.entry(key).or_insert(before);
    }

    /// Until when the partner may spend only what it issued.
    pub(crate) fn held_back(&self) -> Option<Timestamp> {
        let until = self.member.held_back.get(&self.operation.partner).copied();
        until.filter(|until| self.now() < *until)
    }

    /// The lots that can be burned, by earliest expiry, then oldest, with their free points.
    pub(crate) fn burn_order(&self) -> Result<Vec<(LotId, Points)>, Refusal> {
        burn::order(self.member, self.now())
    }

    /// Whether the member has no open lots but those in burn order, where these do not suffice.
    pub(crate) fn knows_all_lots(&self) -> Result<(), Refusal> {
        self.member.knows_all_lots()
    }

    /// Free points come into a lot.
    pub(crate) fn add_free(&mut self, lot: LotId, points: Points) -> Result<(), Refusal> {
        let lot = self.lot_mut(lot)?;
        lot.remaining = lot.remaining.plus(points)?;
        let wallet = &mut self.member.wallet;
        wallet.available = wallet.available.plus(points)?;
        // The sum of all lots must fit too.
        wallet.available.plus(wallet.held)?;
        Ok(())
    }

    /// Free points leave a lot.
    pub(crate) fn take_free(&mut self, lot: LotId, points: Points) -> Result<(), Refusal> {
        let lot = self.lot_mut(lot)?;
        lot.remaining = lot.remaining.minus(points)?;
        let wallet = &mut self.member.wallet;
        wallet.available = wallet.available.minus(points)?;
        Ok(())
    }

    /// Held points leave a lot.
    pub(crate) fn take_held(&mut self, lot: LotId, points: Points) -> Result<(), Refusal> {
        let lot = self.lot_mut(lot)?;
        lot.remaining = lot.remaining.minus(points)?;
        lot.held = lot.held.minus(points)?;
        let wallet = &mut self.member.wallet;
        wallet.held = wallet.held.minus(points)?;
        Ok(())
    }

    /// Free points of a lot are set aside.
    pub(crate) fn set_aside(&mut self, lot: LotId, points: Points) -> Result<(), Refusal> {
        let lot = self.lot_mut(lot)?;
        lot.held = lot.held.plus(points)?;
        let wallet = &mut self.member.wallet;
        wallet.available = wallet.available.minus(points)?;
        wallet.held = wallet.held.plus(points)?;
        Ok(())
    }

    /// Held points of a lot are free again.
    pub(crate) fn set_free(&mut self, lot: LotId, points: Points) -> Result<(), Refusal> {
        let lot = self.lot_mut(lot)?;
        lot.held = lot.held.minus(points)?;
        let wallet = &mut self.member.wallet;
        wallet.held = wallet.held.minus(points)?;
        wallet.available = wallet.available.plus(points)?;
        Ok(())
    }

    /// Books points of one lot; none when there are none.
    pub(crate) fn book_points(
        &mut self,
        kind: AmountKind,
        accounts: (Account, Account),
        points: Points,
        lot: (LotId, PartnerId),
        parties: (PartnerId, PartnerId),
        price: (Currency, Micros),
    ) -> Result<(), Refusal> {
        if !points.is_zero() {
            let transfer = Transfer::points(kind, accounts, points, lot, parties, price)?;
            self.transfers.push(transfer);
        }
        Ok(())
    }

    /// Books money; none when there is none, or when it would stay where it is.
    pub(crate) fn book_money(
        &mut self,
        kind: AmountKind,
        (debit, credit): (Account, Account),
        amount: Micros,
        currency: Currency,
    ) -> Result<(), Refusal> {
        if !amount.is_zero() && debit != credit {
            let transfer = Transfer::money(kind, (debit, credit), amount, currency)?;
            exposure::count(&mut self.owed, &transfer)?;
            self.transfers.push(transfer);
        }
        Ok(())
    }

    /// Asks for points that a prepaid partner issues: they are drawn from its float.
    pub(crate) fn draw(&mut self, key: ExposureKey, points: Points) {
        let issue = (self.operation.cell, self.operation.seq);
        self.ask(Ask { key, issue, points, returns: false });
    }

    /// Returns points of a lot that an earn of this cell opened to the float that they were drawn from.
    pub(crate) fn give_back(&mut self, key: ExposureKey, lot: LotId, points: Points) {
        let issue = (self.operation.cell, lot.opened_by);
        self.ask(Ask { key, issue, points, returns: true });
    }

    fn ask(&mut self, ask: Ask) {
        self.float = Some(ask).filter(|ask| ask.points.is_positive());
    }

    /// Notes that the operation touched points of a lot.
    pub(crate) fn touched(&mut self, issuer: PartnerId, points: Points, expires_at: Timestamp) {
        if points.is_positive() {
            self.operation.portions.push(Portion { issuer, points, expires_at });
        }
    }
}
