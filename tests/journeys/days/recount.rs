//! A second bookkeeper, who shares no rule with the hub: it keeps lots, holds and debts of its own by what
//! was asked for, and money as whole numbers of any size. What it owes nobody, nobody owes it.

use std::collections::BTreeMap;

use entente_ledger::Funding;
use entente_loyalty::{Agreement, EarnRounding};
use jiff::{SignedDuration, Timestamp};

use super::{coalition::Coalition, plan::Step};

/// The hub, among parties; brands count from 1.
pub(super) const HUB: usize = 0;

/// What is asked of the hub, resolved to amounts. What is completed or undone is named by its place
/// among all that was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum What {
    Earn { spend: i64 },
    Burn { points: i64 },
    Authorize { points: i64 },
    Capture { of: usize, points: Option<i64> },
    Void { of: usize },
    RefundEarn { of: usize, spend: Option<i64> },
    RefundBurn { of: usize, points: Option<i64> },
    Give { to: usize, points: i64 },
}

#[derive(Debug, Clone, Copy)]
pub(super) struct Asked {
    pub(super) brand: usize,
    pub(super) member: usize,
    pub(super) what: What,
}

impl Asked {
    /// Whose points it is about: the giver before the receiver.
    pub(super) fn members(&self) -> impl Iterator<Item = usize> + use<> {
        let to = match self.what {
            What::Give { to, .. } => Some(to),
            _ => None,
        };
        [self.member].into_iter().chain(to)
    }
}

/// Money that one operation moved between two parties.
#[derive(Debug, Clone)]
pub(super) struct Moved {
    pub(super) window: usize,
    /// The operation's place; `None` for what ends by itself.
    pub(super) done: Option<usize>,
    pub(super) currency: String,
    pub(super) payer: usize,
    pub(super) payee: usize,
    pub(super) micros: i128,
}

#[derive(Debug, Clone)]
struct Lot {
    member: usize,
    terms: (usize, usize),
    expires_at: Timestamp,
    free: i128,
    expired: i128,
}

#[derive(Debug, Clone)]
struct Leg {
    lot: usize,
    points: i128,
    captured: i128,
    refunded: i128,
}

#[derive(Debug, Clone)]
struct Hold {
    member: usize,
    terms: (usize, usize),
    legs: Vec<Leg>,
    open: bool,
    expires_at: Timestamp,
}

#[derive(Debug, Clone)]
struct Debt {
    member: usize,
    creditor: usize,
    currency: String,
    price: i128,
    points: i128,
}

#[derive(Debug, Clone)]
struct Purchase {
    lot: usize,
    spend: i128,
    reversed: i128,
    earned: i128,
    clawed: i128,
}

/// What was done, in order: by whom, and what it left to complete or undo.
#[derive(Debug, Clone)]
struct Done {
    brand: usize,
    member: usize,
    purchase: Option<usize>,
    hold: Option<usize>,
    /// Whether it spent what the hold had.
    spent: bool,
}

/// What a brand pays by each operation of its own, by place and currency.
pub(super) type Own = BTreeMap<(usize, String), i128>;

/// The books.
#[derive(Debug)]
pub(super) struct Recount<'c> {
    coalition: &'c Coalition,
    pub(super) window: usize,
    pub(super) moved: Vec<Moved>,
    lots: Vec<Lot>,
    holds: Vec<Hold>,
    debts: Vec<Debt>,
    purchases: Vec<Purchase>,
    done: Vec<Done>,
    ending: bool,
}

impl<'c> Recount<'c> {
    pub(super) fn new(coalition: &'c Coalition) -> Self {
        Self {
            coalition,
            window: 0,
            moved: Vec::new(),
            lots: Vec::new(),
            holds: Vec::new(),
            debts: Vec::new(),
            purchases: Vec::new(),
            done: Vec::new(),
            ending: false,
        }
    }

    /// Ends what is due for a member, which is so before anything else is done for it.
    pub(super) fn bring_to(&mut self, member: usize, now: Timestamp) {
        self.ending = true;
        let due = |hold: &Hold| hold.member == member && hold.open && hold.expires_at <= now;
        let mut ended: Vec<usize> =
            (0..self.holds.len()).filter(|h| due(&self.holds[*h])).collect();
        ended.sort_by_key(|hold| (self.holds[*hold].expires_at, *hold));
        for hold in ended {
            self.release(hold, now);
        }
        for lot in self.lots.iter_mut().filter(|lot| lot.member == member && lot.expires_at <= now)
        {
            lot.expired += std::mem::take(&mut lot.free);
        }
        self.ending = false;
    }

    /// What a step asks for as things are; `None` where there is nothing of the kind.
    pub(super) fn ask(&self, step: Step, now: Timestamp) -> Option<Asked> {
        let asked = |brand, member, what| Some(Asked { brand, member, what });
        let share = |member, percent| {
            let points = self.available(member, now) * i128::from(percent) / 100;
            i64::try_from(points).ok().filter(|points| *points > 0)
        };
        match step {
            Step::Wait(_) | Step::Close => None,
            Step::Earn { brand, member, spend } => asked(brand, member, What::Earn { spend }),
            Step::Burn { brand, member, percent } => {
                asked(brand, member, What::Burn { points: share(member, percent)? })
            }
            Step::Authorize { brand, member, percent } => {
                asked(brand, member, What::Authorize { points: share(member, percent)? })
            }
            Step::Give { brand, member, to, percent } => {
                let points = share(member, percent).filter(|_| to != member)?;
                asked(brand, member, What::Give { to, points })
            }
            Step::Capture { which, percent } => {
                let of = self.pick(which, |done| self.open_hold(done, now))?;
                let held: i128 = self.hold_of(of).legs.iter().map(|leg| leg.points).sum();
                Some(self.about(of, What::Capture { of, points: part(held, percent) }))
            }
            Step::Void { which } => {
                let of = self.pick(which, |done| self.open_hold(done, now))?;
                Some(self.about(of, What::Void { of }))
            }
            Step::RefundEarn { which, percent } => {
                let of = self.pick(which, |done| self.refundable_spend(done) > 0)?;
                let spend = part(self.refundable_spend(&self.done[of]), percent);
                Some(self.about(of, What::RefundEarn { of, spend }))
            }
            Step::RefundBurn { which, percent } => {
                let of = self.pick(which, |done| self.refundable_points(done) > 0)?;
                let points = part(self.refundable_points(&self.done[of]), percent);
                Some(self.about(of, What::RefundBurn { of, points }))
            }
        }
    }

    /// Books what was done, and answers how many points it was of.
    pub(super) fn apply(&mut self, asked: Asked, now: Timestamp) -> i128 {
        let Asked { brand, member, what } = asked;
        let terms = (brand, self.coalition.version_at(brand, now));
        let spent = matches!(what, What::Burn { .. } | What::Capture { .. });
        self.done.push(Done { brand, member, purchase: None, hold: None, spent });
        let points = match what {
            What::Earn { spend } => self.earn(member, terms, i128::from(spend), now),
            What::Burn { points } => self.burn(member, terms, points.into(), now),
            What::Authorize { points } => self.authorize(member, terms, points.into(), now),
            What::Capture { of, points } => self.capture(of, points, now),
            What::Void { of } => {
                let hold = self.done[of].hold.expect("it was picked");
                self.release(hold, now)
            }
            What::RefundEarn { of, spend } => self.refund_earn(of, spend, now),
            What::RefundBurn { of, points } => self.refund_burn(of, points, now),
            What::Give { to, points } => self.give((member, to), points.into(), now),
        };
        assert!(self.lots.iter().all(|lot| lot.free >= 0 && lot.expired >= 0));
        points
    }

    fn earn(&mut self, member: usize, terms: (usize, usize), spend: i128, now: Timestamp) -> i128 {
        let agreement = self.coalition.agreement(terms);
        let points = earned(agreement, spend);
        let expires_at = now + SignedDuration::from_hours(24 * i64::from(agreement.lot_life_days));
        if agreement.funding == Funding::AtIssue {
            let money = points * i128::from(agreement.issue_price.0);
            self.money(terms, (terms.0 + 1, HUB), money);
        }
        self.lots.push(Lot { member, terms, expires_at, free: points, expired: 0 });
        let lot = self.lots.len() - 1;
        self.purchases.push(Purchase { lot, spend, reversed: 0, earned: points, clawed: 0 });
        self.last().purchase = Some(self.purchases.len() - 1);
        self.repay(member, now);
        points
    }

    fn burn(&mut self, member: usize, terms: (usize, usize), points: i128, now: Timestamp) -> i128 {
        let mut legs = self.take(member, points, now);
        for leg in &mut legs {
            leg.captured = leg.points;
            self.redeem(terms, leg.lot, leg.points);
        }
        self.keep(Hold { member, terms, legs, open: false, expires_at: now });
        points
    }

    fn authorize(
        &mut self,
        member: usize,
        terms: (usize, usize),
        points: i128,
        now: Timestamp,
    ) -> i128 {
        let legs = self.take(member, points, now);
        let life = self.coalition.agreement(terms).hold_life_seconds;
        let expires_at = now + SignedDuration::from_secs(life);
        self.keep(Hold { member, terms, legs, open: true, expires_at });
        points
    }

    fn capture(&mut self, of: usize, points: Option<i64>, now: Timestamp) -> i128 {
        let id = self.done[of].hold.expect("it was picked");
        let mut hold = self.holds[id].clone();
        let held: i128 = hold.legs.iter().map(|leg| leg.points).sum();
        let points = points.map_or(held, i128::from);
        let mut rest = points;
        for leg in &mut hold.legs {
            leg.captured = rest.min(leg.points);
            rest -= leg.captured;
            self.redeem(hold.terms, leg.lot, leg.captured);
            self.free(leg.lot, leg.points - leg.captured, now);
        }
        hold.open = false;
        let member = hold.member;
        self.holds[id] = hold;
        self.last().hold = Some(id);
        self.repay(member, now);
        points
    }

    /// Ends a hold, of which nothing is spent.
    fn release(&mut self, id: usize, now: Timestamp) -> i128 {
        self.holds[id].open = false;
        let (member, legs) = (self.holds[id].member, self.holds[id].legs.clone());
        for leg in &legs {
            self.free(leg.lot, leg.points, now);
        }
        self.repay(member, now);
        legs.iter().map(|leg| leg.points).sum()
    }

    fn refund_burn(&mut self, of: usize, points: Option<i64>, now: Timestamp) -> i128 {
        let id = self.done[of].hold.expect("it was picked");
        let points = points.map_or(self.refundable_points(&self.done[of]), i128::from);
        let mut hold = self.holds[id].clone();
        let redeemer = hold.terms.0 + 1;
        let agreement = self.coalition.agreement(hold.terms);
        let mut rest = points;
        for leg in hold.legs.iter_mut().rev() {
            let captured = leg.captured - leg.refunded;
            let back = rest.min(captured);
            rest -= back;
            leg.refunded += back;
            let funder = self.funder(leg.lot);
            self.money(
                hold.terms,
                (redeemer, funder),
                back * i128::from(agreement.reimbursement.0),
            );
            let fee = fee(agreement, captured) - fee(agreement, captured - back);
            self.money(hold.terms, (HUB, funder), fee);
            self.free(leg.lot, back, now);
        }
        let member = hold.member;
        self.holds[id] = hold;
        self.repay(member, now);
        points
    }

    fn refund_earn(&mut self, of: usize, spend: Option<i64>, now: Timestamp) -> i128 {
        let id = self.done[of].purchase.expect("it was picked");
        let spend = spend.map_or(self.refundable_spend(&self.done[of]), i128::from);
        let purchase = self.purchases[id].clone();
        let lot = self.lots[purchase.lot].clone();
        let agreement = self.coalition.agreement(lot.terms);
        let left = purchase.earned - purchase.clawed;
        let remaining = purchase.spend - purchase.reversed - spend;
        let would = if remaining > 0 { earned(agreement, remaining) } else { 0 };
        let points = left - would.min(left);
        self.purchases[id].reversed += spend;
        self.purchases[id].clawed += points;
        let mut rest = points - self.claw(purchase.lot, points);
        let counted = lot.expired.min(rest);
        self.lots[purchase.lot].expired -= counted;
        rest -= counted;
        for other in self.order(lot.member, now) {
            let like = self.lots[other].terms;
            let funding = self.coalition.agreement(like).funding;
            if like.0 == lot.terms.0 && funding == agreement.funding {
                rest -= self.claw(other, rest);
            }
        }
        let issuer = lot.terms.0 + 1;
        let at_issue = agreement.funding == Funding::AtIssue;
        if rest > 0 {
            let (currency, price) =
                (agreement.currency.to_string(), i128::from(agreement.reimbursement.0));
            let creditor = if at_issue { HUB } else { issuer };
            self.debts.push(Debt { member: lot.member, creditor, currency, price, points: rest });
        }
        if at_issue {
            let money = points * i128::from(agreement.issue_price.0);
            self.money(lot.terms, (HUB, issuer), money);
        }
        self.repay(lot.member, now);
        points
    }

    fn give(&mut self, (from, to): (usize, usize), points: i128, now: Timestamp) -> i128 {
        for leg in self.take(from, points, now) {
            let lot =
                Lot { member: to, free: leg.points, expired: 0, ..self.lots[leg.lot].clone() };
            self.lots.push(lot);
        }
        self.repay(to, now);
        points
    }

    /// What is available repays debts, the oldest first, in the order in which it would be spent.
    fn repay(&mut self, member: usize, now: Timestamp) {
        for lot in self.order(member, now) {
            for debt in 0..self.debts.len() {
                let Debt { member: debtor, creditor, price, points, .. } = self.debts[debt];
                let paid = points.min(self.lots[lot].free);
                if debtor == member && paid > 0 {
                    self.debts[debt].points -= paid;
                    self.lots[lot].free -= paid;
                    let currency = self.debts[debt].currency.clone();
                    let funder = self.funder(lot);
                    self.book(currency, (funder, creditor), paid * price);
                }
            }
        }
    }

    /// The redeemer is paid, and the hub its fee.
    fn redeem(&mut self, terms: (usize, usize), lot: usize, points: i128) {
        let agreement = self.coalition.agreement(terms);
        let funder = self.funder(lot);
        self.money(terms, (funder, terms.0 + 1), points * i128::from(agreement.reimbursement.0));
        self.money(terms, (funder, HUB), fee(agreement, points));
    }

    /// Takes free points, by earliest end, then oldest.
    fn take(&mut self, member: usize, points: i128, now: Timestamp) -> Vec<Leg> {
        let mut rest = points;
        let mut legs = Vec::new();
        for lot in self.order(member, now) {
            let points = rest.min(self.lots[lot].free);
            rest -= points;
            self.lots[lot].free -= points;
            if points > 0 {
                legs.push(Leg { lot, points, captured: 0, refunded: 0 });
            }
        }
        assert_eq!(rest, 0, "the hub spent what the member does not have");
        legs
    }

    fn claw(&mut self, lot: usize, most: i128) -> i128 {
        let taken = most.min(self.lots[lot].free);
        self.lots[lot].free -= taken;
        taken
    }

    /// Points come back into a lot, where they expire if its time has come.
    fn free(&mut self, lot: usize, points: i128, now: Timestamp) {
        let lot = &mut self.lots[lot];
        if lot.expires_at <= now { lot.expired += points } else { lot.free += points }
    }

    fn order(&self, member: usize, now: Timestamp) -> Vec<usize> {
        let usable = |lot: &Lot| lot.member == member && lot.expires_at > now && lot.free > 0;
        let mut order: Vec<_> = (0..self.lots.len()).filter(|at| usable(&self.lots[*at])).collect();
        order.sort_by_key(|lot| (self.lots[*lot].expires_at, *lot));
        order
    }

    fn available(&self, member: usize, now: Timestamp) -> i128 {
        self.order(member, now).into_iter().map(|lot| self.lots[lot].free).sum()
    }

    fn funder(&self, lot: usize) -> usize {
        let terms = self.lots[lot].terms;
        match self.coalition.agreement(terms).funding {
            Funding::AtIssue => HUB,
            Funding::AtRedemption => terms.0 + 1,
        }
    }

    fn money(&mut self, terms: (usize, usize), parties: (usize, usize), micros: i128) {
        let currency = self.coalition.agreement(terms).currency.to_string();
        self.book(currency, parties, micros);
    }

    fn book(&mut self, currency: String, (payer, payee): (usize, usize), micros: i128) {
        if payer != payee && micros != 0 {
            let done = if self.ending { None } else { Some(self.done.len() - 1) };
            self.moved.push(Moved { window: self.window, done, currency, payer, payee, micros });
        }
    }

    fn last(&mut self) -> &mut Done {
        self.done.last_mut().expect("it was just pushed")
    }

    fn keep(&mut self, hold: Hold) {
        self.holds.push(hold);
        self.last().hold = Some(self.holds.len() - 1);
    }

    fn pick(&self, which: usize, good: impl Fn(&Done) -> bool) -> Option<usize> {
        let good: Vec<_> = (0..self.done.len()).filter(|done| good(&self.done[*done])).collect();
        good.get(which % good.len().max(1)).copied()
    }

    fn about(&self, of: usize, what: What) -> Asked {
        let Done { brand, member, .. } = self.done[of];
        Asked { brand, member, what }
    }

    fn hold_of(&self, done: usize) -> &Hold {
        &self.holds[self.done[done].hold.expect("it was picked")]
    }

    fn open_hold(&self, done: &Done, now: Timestamp) -> bool {
        let hold = done.hold.map(|hold| &self.holds[hold]);
        hold.is_some_and(|hold| hold.open && hold.expires_at > now)
    }

    fn refundable_spend(&self, done: &Done) -> i128 {
        let purchase = done.purchase.map(|purchase| &self.purchases[purchase]);
        purchase.map_or(0, |purchase| purchase.spend - purchase.reversed)
    }

    /// An authorization is no burn: its capture is.
    fn refundable_points(&self, done: &Done) -> i128 {
        let hold = done.hold.filter(|_| done.spent).map(|hold| &self.holds[hold]);
        let legs = hold.map(|hold| hold.legs.iter().map(|leg| leg.captured - leg.refunded));
        legs.map_or(0, Iterator::sum)
    }

    /// What one party pays another in a window, exactly.
    pub(super) fn gross(&self, window: usize) -> BTreeMap<(String, usize, usize), i128> {
        let mut gross = BTreeMap::new();
        for moved in self.moved.iter().filter(|moved| moved.window == window) {
            let key = (moved.currency.clone(), moved.payer, moved.payee);
            *gross.entry(key).or_default() += moved.micros;
        }
        gross
    }

    /// What a brand pays in a window, exactly: by each operation of its own, and by those of others.
    pub(super) fn sides(&self, window: usize, brand: usize) -> (Own, BTreeMap<String, i128>) {
        let (mut own, mut others) = (Own::new(), BTreeMap::new());
        for moved in self.moved.iter().filter(|moved| moved.window == window) {
            let signed = match brand {
                brand if brand == moved.payer => moved.micros,
                brand if brand == moved.payee => -moved.micros,
                _ => continue,
            };
            let of = |done: &usize| self.done[*done].brand + 1 == brand;
            if let Some(done) = moved.done.filter(of) {
                *own.entry((done, moved.currency.clone())).or_default() += signed;
            } else {
                *others.entry(moved.currency.clone()).or_default() += signed;
            }
        }
        own.retain(|_, micros| *micros != 0);
        others.retain(|_, micros| *micros != 0);
        (own, others)
    }

    /// What each party pays in a window, each total rounded once to what can be paid.
    pub(super) fn nets(&self, window: usize) -> BTreeMap<(String, usize), i128> {
        let mut nets = BTreeMap::new();
        for ((currency, payer, payee), micros) in self.gross(window) {
            let payable = payable(&currency, micros);
            *nets.entry((currency.clone(), payer)).or_default() += payable;
            *nets.entry((currency, payee)).or_default() -= payable;
        }
        nets.retain(|_, net| *net != 0);
        nets
    }
}

/// The greatest minimum that is met prices the whole spend.
fn earned(agreement: &Agreement, spend: i128) -> i128 {
    let rules = agreement.categories[0].rules.iter();
    let met = rules.filter(|rule| i128::from(rule.minimum_spend.0) <= spend);
    let rule = met.max_by_key(|rule| rule.minimum_spend).expect("one has no minimum");
    let (points, per) = (i128::from(rule.points), i128::from(rule.per_spend.0));
    let half = if agreement.rounding == EarnRounding::HalfUp { per } else { 0 };
    let points = (2 * spend * points + half) / (2 * per);
    agreement.max_points_per_operation.map_or(points, |most| points.min(most.0.into()))
}

/// Basis points of what is reimbursed, rounded up.
fn fee(agreement: &Agreement, points: i128) -> i128 {
    let basis =
        points * i128::from(agreement.reimbursement.0) * i128::from(agreement.hub_fee_basis_points);
    (basis + 9_999) / 10_000
}

/// Half away from zero.
fn payable(currency: &str, micros: i128) -> i128 {
    let unit = match currency {
        "JPY" => 1_000_000,
        "KWD" => 1_000,
        _ => 10_000,
    };
    (2 * micros + unit) / (2 * unit) * unit
}

fn part(whole: i128, percent: Option<i64>) -> Option<i64> {
    let percent = percent?;
    let part = (whole * i128::from(percent) / 100).max(1);
    Some(i64::try_from(part).expect("small"))
}
