//! The cast of the tests: Harbor Hotels, Rover Rides, Green Grocer, a guest, and a book that keeps
//! rows as the store does: it loads what a batch needs and writes back only what changed.

mod loading;

use std::collections::{BTreeMap, HashMap};

use entente_ledger::{
    Cell, Currency, DebtId, Funding, HoldState, Lot, LotId, MemberId, Micros, PartnerId, Points,
    RequestId, Seq, TermsVersion, TrialBalance, WindowId,
};
use jiff::{SignedDuration, Timestamp, civil::Date};
use uuid::Uuid;

use crate::{
    Action, Agreement, Block, BlockId, Bought, BurnAmount, Catalogue, Command, Counted, Decided,
    Decision, EarnCategory, EarnRounding, EarnRule, ExchangeBonus, ExchangeRate, Exposure,
    ExposureKey, Float, Floats, Mark, Member, MeterKey, OperationKind, Original, OriginalKind,
    Partner, Refusal, ReversePart, State, Terms, Window, Windows, time::year,
};

pub(crate) const HARBOR: PartnerId = PartnerId(1);
pub(crate) const ROVER: PartnerId = PartnerId(2);
pub(crate) const GROCER: PartnerId = PartnerId(3);
pub(crate) const GUEST: MemberId = MemberId(Uuid::from_u128(0xa1));
pub(crate) const CELL: Cell = Cell(7);
/// Another member, in another cell.
pub(crate) const FRIEND: MemberId = MemberId(Uuid::from_u128(0xa2));
/// One more, in the guest's cell.
pub(crate) const COUSIN: MemberId = MemberId(Uuid::from_u128(0xa3));
/// And one in the friend's.
pub(crate) const ELDER: MemberId = MemberId(Uuid::from_u128(0xa4));

/// So many hundredths, in micros.
pub(crate) fn cents(hundredths: i64) -> Micros {
    Micros(hundredths * 10_000)
}

pub(crate) fn currency(code: &str) -> Currency {
    code.parse().expect("ISO 4217")
}

pub(crate) fn time(at: &str) -> Timestamp {
    at.parse().expect("RFC 3339")
}

pub(crate) fn rule(minimum_spend: Micros, points: i64, per_spend: Micros) -> EarnRule {
    EarnRule { minimum_spend, points, per_spend }
}

pub(crate) fn category(name: &str, rules: Vec<EarnRule>) -> EarnCategory {
    EarnCategory { category: name.to_owned(), rules }
}

/// Receives so many for so many given, in steps of an increment, with 10 more for a threshold.
pub(crate) fn rate(
    (give, receive): (i64, i64),
    (increment, threshold): (i64, i64),
) -> ExchangeRate {
    let bonus = ExchangeBonus { threshold: Points(threshold.max(1)), points: Points(10) };
    ExchangeRate {
        give,
        receive,
        minimum: Points(1),
        increment: Points(increment.max(1)),
        exact_increments: increment % 2 == 0,
        bonus: Some(bonus),
    }
}

/// One point per 1.00 on everything, AT_REDEMPTION, no fee, no cap; tests change what they tell of.
pub(crate) fn agreement(code: &str) -> Agreement {
    Agreement {
        currency: currency(code),
        categories: vec![category("*", vec![rule(Micros::ZERO, 1, cents(100))])],
        rounding: EarnRounding::Down,
        max_points_per_operation: None,
        max_points_per_member_year: None,
        issue_price: Micros(10_000),
        reimbursement: Micros(8_000),
        point_value: Micros(10_000),
        hub_fee_basis_points: 0,
        funding: Funding::AtRedemption,
        prepaid: false,
        lot_life_days: 365,
        hold_life_seconds: 86_400,
        late_limit_days: 7,
        net_debit_caps: BTreeMap::new(),
        exchange_in: None,
        exchange_out: None,
        claim_limit_days: 0,
        gifts: None,
        accepts_donations: false,
        limits: BTreeMap::new(),
    }
}

/// A partner with one version of its agreement, for ever.
pub(crate) fn partner(id: PartnerId, agreement: Agreement) -> Partner {
    partner_with(id, vec![(time("2020-01-01T00:00:00Z"), agreement)])
}

/// A partner with versions, each in force until the next.
pub(crate) fn partner_with(id: PartnerId, versions: Vec<(Timestamp, Agreement)>) -> Partner {
    let ends: Vec<_> = versions.iter().skip(1).map(|(from, _)| Some(*from)).chain([None]).collect();
    let numbered = versions.into_iter().zip(ends).zip(1..);
    let terms = numbered.map(|(((effective_from, agreement), effective_to), number)| Terms {
        partner: id,
        version: TermsVersion(number),
        effective_from,
        effective_to,
        agreement,
    });
    Partner {
        id,
        code: format!("partner-{id}").parse().expect("a code"),
        display_name: String::new(),
        suspended: false,
        testing: false,
        created_at: time("2020-01-01T00:00:00Z"),
        terms: terms.collect(),
    }
}

/// The first windows of each kind.
pub(crate) fn windows(opened_at: Timestamp) -> Windows {
    let window = |id| Window { id: WindowId(id), opened_at };
    Windows { live: window(1), testing: window(-1) }
}

/// Everything that was posted, as rows.
#[derive(Debug, Clone)]
pub(crate) struct Book {
    pub(crate) catalogue: Catalogue,
    pub(crate) window: Windows,
    pub(crate) now: Timestamp,
    pub(crate) members: BTreeMap<MemberId, Member>,
    pub(crate) exposures: BTreeMap<ExposureKey, Exposure>,
    pub(crate) floats: Floats,
    pub(crate) counted: BTreeMap<MeterKey, Counted>,
    pub(crate) decisions: Vec<Decision>,
    pub(crate) receipts: HashMap<(PartnerId, String), RequestId>,
    requests: u128,
}

impl Book {
    /// An empty book on a fixed morning.
    pub(crate) fn new(partners: Vec<Partner>) -> Self {
        let mut exposures = BTreeMap::new();
        for terms in partners.iter().flat_map(|partner| &partner.terms) {
            for currency in terms.agreement.net_debit_caps.keys() {
                exposures.insert((terms.partner, *currency), Exposure::default());
            }
        }
        let now = time("2026-01-15T09:00:00Z");
        Self {
            catalogue: Catalogue::new(1, partners),
            window: windows(time("2026-01-01T00:00:00Z")),
            now,
            members: BTreeMap::from([
                (GUEST, Member::new(GUEST, CELL)),
                (FRIEND, Member::new(FRIEND, Cell(3))),
                (COUSIN, Member::new(COUSIN, CELL)),
                (ELDER, Member::new(ELDER, Cell(3))),
            ]),
            exposures,
            floats: Floats::default(),
            counted: BTreeMap::new(),
            decisions: Vec::new(),
            receipts: HashMap::new(),
            requests: 0,
        }
    }

    /// A float of blocks: points, price in micros, whether it is the reserve.
    pub(crate) fn buy(&mut self, key: ExposureKey, blocks: &[(i64, i64, bool)]) {
        let blocks = (1..).zip(blocks).map(|(id, (points, price, is_reserve))| Block {
            id: BlockId(id),
            is_reserve: *is_reserve,
            price: Micros(*price),
            bought: Points(*points),
            left: Points(*points),
        });
        let blocks: Vec<_> = blocks.collect();
        let ordinary = blocks.iter().filter(|block| !block.is_reserve);
        let level = ordinary.map(|block| block.bought.0).sum();
        let float = Float::new(blocks, Mark::bought(Points(level))).expect("a float");
        self.floats.floats.insert(key, float);
    }

    /// What is left in each block, in the order in which they are drawn from.
    pub(crate) fn left(&self, key: ExposureKey) -> Vec<i64> {
        self.floats.floats[&key].blocks().iter().map(|block| block.left.0).collect()
    }

    pub(crate) fn guest(&self) -> &Member {
        &self.members[&GUEST]
    }

    /// What the guest has: available, held and debt.
    pub(crate) fn has(&self) -> (i64, i64, i64) {
        self.member_has(GUEST)
    }

    /// Available, held and debt.
    pub(crate) fn member_has(&self, member: MemberId) -> (i64, i64, i64) {
        let wallet = self.members[&member].wallet;
        (wallet.available.0, wallet.held.0, wallet.debt.0)
    }

    /// What is left in each of the guest's open lots, in burn order.
    pub(crate) fn lots(&self) -> Vec<(PartnerId, i64)> {
        self.lots_of(GUEST)
    }

    /// What is left in each of a member's open lots, in burn order.
    pub(crate) fn lots_of(&self, member: MemberId) -> Vec<(PartnerId, i64)> {
        let lots = self.members[&member].lots.values();
        let mut lots: Vec<_> = lots.filter(|lot| lot.remaining.is_positive()).collect();
        lots.sort_by_key(|lot| (lot.expires_at, lot.id));
        lots.iter().map(|lot| (lot.issuer, lot.remaining.0)).collect()
    }

    pub(crate) fn exposure(&self, partner: PartnerId, code: &str) -> Micros {
        self.exposures[&(partner, currency(code))].owed
    }

    /// The accounts as all transfers left them.
    pub(crate) fn trial(&self) -> TrialBalance {
        let mut trial = TrialBalance::default();
        for transfer in self.decisions.iter().flat_map(|decision| &decision.transfers) {
            trial.post(transfer).expect("amounts of tests are small");
        }
        trial
    }

    pub(crate) fn wait(&mut self, seconds: i64) {
        self.now = self.now.checked_add(SignedDuration::from_secs(seconds)).expect("in range");
    }

    /// A command of a partner about the guest, under an id of its own.
    pub(crate) fn command(&mut self, partner: PartnerId, action: Action) -> Command {
        self.requests += 1;
        Command {
            partner,
            request_id: RequestId(Uuid::from_u128(self.requests)),
            member: GUEST,
            receipt_reference: String::new(),
            action,
        }
    }

    /// The same of another member.
    pub(crate) fn post_as(
        &mut self,
        member: MemberId,
        partner: PartnerId,
        action: Action,
    ) -> Result<Decision, Refusal> {
        let command = Command { member, ..self.command(partner, action) };
        self.post_batch(&[command]).pop().expect("one command, one outcome")
    }

    /// Whether a command is decided where these members were loaded for it, and all others for others.
    pub(crate) fn holds(&self, command: &Command, loaded: &[MemberId]) -> bool {
        self.load(&self.catalogue, std::slice::from_ref(command), None).holds(command, loaded)
    }

    /// Posts one command alone.
    pub(crate) fn post(&mut self, partner: PartnerId, action: Action) -> Result<Decision, Refusal> {
        let command = self.command(partner, action);
        self.post_batch(&[command]).pop().expect("one command, one outcome")
    }

    /// Brings the members to now, with no command.
    pub(crate) fn sweep(&mut self) -> Vec<Decision> {
        let (now, before) = (self.now, self.decisions.len());
        let catalogue = self.catalogue.clone();
        let mut state = self.load(&catalogue, &[], None);
        for member in [GUEST, FRIEND, COUSIN, ELDER] {
            let expired = state.bring_to(member, self.next(), now).expect("in range");
            self.decisions.extend(expired);
        }
        self.write(state);
        self.decisions[before..].to_vec()
    }

    /// Posts commands as one batch: loaded once, decided in order, written once. As the hub does, it first
    /// loads no more than the next lots in burn order, here one, or two for those that take more than it
    /// has, and all where these do not suffice.
    pub(crate) fn post_batch(&mut self, commands: &[Command]) -> Vec<Result<Decision, Refusal>> {
        let before = self.decisions.len();
        let outcomes = self.attempt(commands, Some((1, 2)));
        if !outcomes.contains(&Err(Refusal::LotsNotLoaded)) {
            return outcomes;
        }
        self.decisions.truncate(before);
        self.attempt(commands, None)
    }

    /// Writes nothing where more lots are to be loaded.
    fn attempt(
        &mut self,
        commands: &[Command],
        next_lots: Option<(usize, usize)>,
    ) -> Vec<Result<Decision, Refusal>> {
        let catalogue = self.catalogue.clone();
        let mut state = self.load(&catalogue, commands, next_lots);
        let mut outcomes = Vec::new();
        for command in commands {
            if state.concerned(command).iter().any(|id| state.members[id].is_short(self.now)) {
                outcomes.push(Err(Refusal::LotsNotLoaded));
                continue;
            }
            for member in state.concerned(command) {
                let expired = state.bring_to(member, self.next(), self.now).expect("in range");
                self.decisions.extend(expired);
            }
            let before = kept(&state);
            let seq = self.next();
            match state.decide(command, |_| seq, self.now) {
                Ok(Decided { decision, received }) => {
                    outcomes.push(Ok(decision.clone()));
                    self.decisions.extend([decision].into_iter().chain(received));
                }
                Err(refusal) => {
                    assert_eq!(
                        before,
                        kept(&state),
                        "a refused command leaves the state as it was"
                    );
                    self.decisions.push(state.refused(command, seq, self.now, refusal));
                    outcomes.push(Err(refusal));
                }
            }
        }
        if !outcomes.contains(&Err(Refusal::LotsNotLoaded)) {
            self.write(state);
        }
        outcomes
    }

    fn next(&self) -> Seq {
        Seq(1).after(self.decisions.len()).expect("few")
    }

    /// Open rows, and those that commands name; of lots, so many of the next ones, or all.
    fn load<'a>(
        &self,
        catalogue: &'a Catalogue,
        commands: &[Command],
        next_lots: Option<(usize, usize)>,
    ) -> State<'a> {
        let mut members = HashMap::new();
        for (id, row) in &self.members {
            let mut member = row.clone();
            let originals: Vec<_> = commands
                .iter()
                .filter(|command| command.member == *id)
                .filter_map(Command::original)
                .collect();
            let holds: Vec<Seq> = originals.iter().filter_map(|original| original.hold()).collect();
            let legs = holds.iter().filter_map(|seq| row.holds.get(seq)).flat_map(|h| &h.legs);
            let lots: Vec<LotId> = originals
                .iter()
                .filter_map(|original| original.lot())
                .chain(legs.map(|leg| leg.lot))
                .chain(self.lots_of_merges(row, commands))
                .collect();
            member.lots_until = next_lots.and_then(|count| self.until(row, commands, count));
            let until = member.lots_until;
            let is_next =
                |id: &LotId, lot: &Lot| until.is_none_or(|until| (lot.expires_at, *id) <= until);
            member.lots.retain(|id, lot| {
                lot.remaining.is_positive() && is_next(id, lot) || lots.contains(id)
            });
            member.holds.retain(|id, hold| hold.state == HoldState::Open || holds.contains(id));
            member.debts.retain(|_, debt| debt.points.is_positive());
            member.earned_in_year = self.earned_in_year(row);
            assert!(!member.knows_next_due() || member.next_due_at() == row.next_due_at());
            members.insert(*id, member);
        }
        State {
            receipts: self.receipts.clone(),
            exposures: self.exposures.clone(),
            floats: self.floats.clone(),
            counted: self.counted.clone(),
            ..State::new(catalogue, self.window, members)
        }
    }

    /// What the store sums up from the lots of a member and of all that were merged into it.
    fn earned_in_year(&self, row: &Member) -> BTreeMap<(PartnerId, i16), Points> {
        let mut earned: BTreeMap<_, Points> = BTreeMap::new();
        let members = row.absorbed.iter().map(|id| &self.members[id]).chain([row]);
        for lot in members.flat_map(|member| member.lots.values()) {
            let Some(purchase) = lot.purchase() else { continue };
            let net = purchase.points_earned.0 - purchase.points_clawed.0;
            let sum = earned.entry((lot.issuer, year(purchase.activity_at))).or_default();
            sum.0 = sum.0.saturating_add(net);
        }
        earned
    }

    fn write(&mut self, state: State<'_>) {
        self.receipts = state.receipts;
        for (id, member) in state.members {
            let row = self.members.get_mut(&id).expect("loaded from it");
            let due = (member.knows_next_due(), member.next_due_at());
            row.wallet = member.wallet;
            row.absorbed = member.absorbed;
            if member.changed_forward {
                row.forward = member.forward;
            }
            row.lots.extend(member.changed_lots.iter().map(|id| (*id, member.lots[id].clone())));
            row.holds.extend(member.changed_holds.iter().map(|id| (*id, member.holds[id].clone())));
            let debt = |id: &DebtId| (*id, member.debts[id]);
            row.debts.extend(member.changed_debts.iter().map(debt));
            let given = |key: &(PartnerId, Date)| (*key, member.given_in_month[key]);
            row.given_in_month.extend(member.changed_gifts.iter().map(given));
            let counted = |key: &MeterKey| (*key, member.counted[key]);
            row.counted.extend(member.changed_counted.iter().map(counted));
            assert!(!due.0 || due.1 == row.next_due_at(), "what is due next is known, or not");
        }
        for key in state.changed_exposures {
            self.exposures.insert(key, state.exposures[&key]);
        }
        self.floats = state.floats;
        for key in state.changed_counted {
            self.counted.insert(key, state.counted[&key]);
        }
    }
}

type Kept = (
    HashMap<MemberId, Member>,
    BTreeMap<ExposureKey, Exposure>,
    Floats,
    BTreeMap<MeterKey, Counted>,
);

/// What a refused command leaves as it was.
fn kept(state: &State<'_>) -> Kept {
    let State { members, exposures, floats, counted, .. } = state;
    (members.clone(), exposures.clone(), floats.clone(), counted.clone())
}

/// A decision as the original of a later command.
pub(crate) fn original(decision: &Decision) -> Original {
    let operation = &decision.operation;
    let kind = match operation.kind {
        _ if operation.refusal.is_some() => OriginalKind::Other,
        OperationKind::Earn => OriginalKind::Earn,
        OperationKind::Burn => OriginalKind::Burn,
        OperationKind::Authorize => OriginalKind::Authorize,
        OperationKind::Capture => {
            let (authorized_by, _) = operation.original.expect("a capture has an original");
            OriginalKind::Capture { authorized_by }
        }
        _ => OriginalKind::Other,
    };
    Original { seq: operation.seq, request_id: operation.request_id, kind }
}

pub(crate) fn earn(spend: Micros, code: &str) -> Action {
    earn_at(spend, code, "ride", None)
}

pub(crate) fn earn_at(
    spend: Micros,
    code: &str,
    category: &str,
    activity_at: Option<Timestamp>,
) -> Action {
    let category = category.to_owned();
    Action::Earn(Bought {
        spend,
        currency: currency(code),
        paid_in_points: Micros::ZERO,
        category,
        activity_at,
        retro_claim: false,
    })
}

pub(crate) fn burn(points: i64) -> Action {
    Action::Burn(BurnAmount::Points(Points(points)))
}

pub(crate) fn authorize(points: i64) -> Action {
    Action::Authorize(BurnAmount::Points(Points(points)))
}

pub(crate) fn capture(decision: &Decision, points: Option<i64>) -> Action {
    Action::Capture { original: original(decision), points: points.map(Points) }
}

pub(crate) fn void(decision: &Decision) -> Action {
    Action::Void { original: original(decision) }
}

pub(crate) fn reverse(decision: &Decision, part: ReversePart) -> Action {
    Action::Reverse { original: original(decision), part }
}

pub(crate) fn refund_points(decision: &Decision, points: i64) -> Action {
    reverse(decision, ReversePart::Points(Points(points)))
}

pub(crate) fn refund_spend(decision: &Decision, spend: Micros, code: &str) -> Action {
    reverse(decision, ReversePart::Spend(spend, currency(code)))
}

pub(crate) fn give(to: MemberId, points: i64) -> Action {
    Action::Transfer { to, points: Points(points) }
}

pub(crate) fn donate(charity: PartnerId, points: i64) -> Action {
    let charity = format!("partner-{charity}").parse().expect("a code");
    Action::Donate { charity, points: Points(points) }
}
