//! One cell, decided again by the core in memory, in the ledger's order: no store, no SQL.

use std::collections::{BTreeMap, HashMap, hash_map::Entry};

use anyhow::{Context as _, Result, anyhow, bail, ensure};
use entente_client::api::error::ErrorReason;
use entente_ledger::{
    Cell, MemberId, Micros, PartnerId, Points, PositionAmount, PositionKey, RequestId, Seq,
    WindowId, positions,
};
use entente_loyalty::{
    Action, Bought, BurnAmount, Catalogue, Command, Decision, Member, Original, OriginalKind,
    Refusal, ReversePart, State, Window, Windows,
};
use entente_testkit::cast::PARTNERS;
use jiff::Timestamp;
use uuid::Uuid;

use super::rows::{self, OPERATIONS, Rows, TRANSFERS, micros, time};
use crate::{
    member::CATEGORY,
    sent::{Asked, Figures, Sent, Told},
};

/// The number of that kind in rows.
const ANNOUNCE: i16 = 12;

/// What callers know.
#[derive(Debug)]
pub(super) struct Known {
    pub(super) catalogue: Catalogue,
    /// The brands' numbers in the ledger.
    pub(super) numbers: [PartnerId; PARTNERS.len()],
    /// By member, in the order in which its caller sent them.
    pub(super) sent: Vec<Vec<Sent>>,
    /// Whose first command it is.
    pub(super) by_first: HashMap<Uuid, usize>,
}

/// An operation as the ledger has it.
#[derive(Debug, sqlx::FromRow)]
pub(super) struct Found {
    pub(super) seq: i64,
    pub(super) posted_at: i64,
    pub(super) window_id: i32,
    pub(super) kind: i16,
    pub(super) request_id: Uuid,
    pub(super) member_id: Option<Uuid>,
    /// All that is compared of it.
    pub(super) row: String,
    /// The same of its transfers, in their order.
    pub(super) transfers: Vec<String>,
}

impl Found {
    /// Whether it tells partners of terms: it is of no member, and moves nothing.
    const fn is_announcement(&self) -> bool {
        self.kind == ANNOUNCE && self.member_id.is_none() && self.transfers.is_empty()
    }
}

/// A cell so far.
#[derive(Debug)]
pub(super) struct Course<'a> {
    known: &'a Known,
    cell: Cell,
    last: Seq,
    state: State<'a>,
    /// Of each member: what was sent, and under which numbers the first of it were posted.
    members: HashMap<MemberId, (&'a [Sent], Vec<Seq>)>,
    positions: BTreeMap<(WindowId, PositionKey), PositionAmount>,
    /// Operations of callers.
    pub(super) operations: u64,
    pub(super) transfers: u64,
}

impl<'a> Course<'a> {
    pub(super) fn of_cell(known: &'a Known, cell: i16) -> Self {
        // Nobody here buys in another window, or tests.
        let window = |id| Window { id: WindowId(id), opened_at: Timestamp::MIN };
        let windows = Windows { live: window(0), testing: window(-1) };
        let state = State::new(&known.catalogue, windows, HashMap::new());
        let (members, positions) = (HashMap::new(), BTreeMap::new());
        let (cell, last, operations, transfers) = (Cell(cell), Seq(0), 0, 0);
        Self { known, cell, last, state, members, positions, operations, transfers }
    }

    /// The ledger's next operation: the same is decided, and told.
    pub(super) fn play(&mut self, posted: &Found) -> Result<()> {
        let cell = self.cell.0;
        self.decide(posted).with_context(|| format!("operation {} of cell {cell}", posted.seq))
    }

    fn decide(&mut self, posted: &Found) -> Result<()> {
        let seq = self.last.after(1)?;
        ensure!(posted.seq == seq.0, "comes after {}", self.last.0);
        self.last = seq;
        if posted.is_announcement() {
            return Ok(());
        }
        self.state.window.live.id = WindowId(posted.window_id);
        let now = time(posted.posted_at)?;
        let member = MemberId(posted.member_id.context("is of no member")?);
        let sent = self.next(member, posted.request_id)?;
        let command = self.command(member, sent)?;
        let ended = self.state.bring_to(member, seq, now)?;
        ensure!(ended.is_empty(), "in the replay something ended before it: {ended:?}");
        let (told, decision) = match self.state.decide(&command, |_| seq, now) {
            Ok(decided) => {
                let told = Told::Posted(Figures::decided(&decided.decision));
                ensure!(decided.received.is_none(), "has two legs in the replay");
                (told, decided.decision)
            }
            Err(refusal @ Refusal::PointsInsufficient { .. }) => {
                let told = Told::Refused(ErrorReason::PointsInsufficient);
                (told, self.state.refused(&command, seq, now, refusal))
            }
            Err(other) => bail!("{command:?} is refused in the replay: {other}"),
        };
        ensure!(told == sent.told, "answered {:?}, the replay {told:?}", sent.told);
        self.forget_changes(member);
        self.compare(posted, &decision)
    }

    /// The command that the member's caller sent next.
    fn next(&mut self, member: MemberId, request_id: Uuid) -> Result<&'a Sent> {
        let (known, cell) = (self.known, self.cell);
        let (sent, places) = match self.members.entry(member) {
            Entry::Occupied(course) => course.into_mut(),
            Entry::Vacant(course) => {
                let first = known.by_first.get(&request_id);
                let number =
                    first.with_context(|| format!("{request_id}: nobody sent it first"))?;
                self.state.members.insert(member, Member::new(member, cell));
                course.insert((&known.sent[*number], Vec::new()))
            }
        };
        let next = sent.get(places.len()).context("its caller sent no more")?;
        ensure!(next.id == request_id, "is {request_id}, its caller sent {} next", next.id);
        places.push(self.last);
        self.operations += 1;
        Ok(next)
    }

    fn command(&self, member: MemberId, sent: &Sent) -> Result<Command> {
        let partner = self.known.numbers[usize::from(sent.brand)];
        let original = |of: u32| self.original(member, of);
        let burned = |points| BurnAmount::Points(Points(points));
        let action = match sent.asked {
            Asked::Earn { micros } => Action::Earn(self.bought(partner, micros)?),
            Asked::Burn { points } => Action::Burn(burned(points)),
            Asked::Authorize { points } => Action::Authorize(burned(points)),
            Asked::Capture { of, points } => {
                Action::Capture { original: original(of)?, points: Some(Points(points)) }
            }
            Asked::Void { of } => Action::Void { original: original(of)? },
            Asked::Reverse { of } => {
                Action::Reverse { original: original(of)?, part: ReversePart::Rest }
            }
        };
        let (request_id, receipt_reference) = (RequestId(sent.id), String::new());
        Ok(Command { partner, request_id, member, receipt_reference, action })
    }

    fn bought(&self, partner: PartnerId, micros: i64) -> Result<Bought> {
        let terms = self.known.catalogue.partner(partner).and_then(|partner| partner.terms.first());
        Ok(Bought {
            spend: Micros(micros),
            currency: terms.context("terms")?.agreement.currency,
            paid_in_points: Micros::ZERO,
            category: CATEGORY.to_owned(),
            activity_at: None,
            retro_claim: false,
        })
    }

    /// An earlier command of the member, by its place.
    fn original(&self, member: MemberId, of: u32) -> Result<Original> {
        let (sent, places) = &self.members[&member];
        let place = |of: u32| {
            let of = usize::try_from(of)?;
            let (seq, sent) = places.get(of).zip(sent.get(of)).context("is of nothing earlier")?;
            anyhow::Ok((*seq, sent))
        };
        let (seq, earlier) = place(of)?;
        let kind = match earlier.asked {
            Asked::Earn { .. } => OriginalKind::Earn,
            Asked::Burn { .. } => OriginalKind::Burn,
            Asked::Authorize { .. } => OriginalKind::Authorize,
            Asked::Capture { of, .. } => OriginalKind::Capture { authorized_by: place(of)?.0 },
            Asked::Void { .. } | Asked::Reverse { .. } => OriginalKind::Other,
        };
        Ok(Original { seq, request_id: RequestId(earlier.id), kind })
    }

    /// Nothing is written here.
    fn forget_changes(&mut self, member: MemberId) {
        if let Some(member) = self.state.members.get_mut(&member) {
            member.changed_lots.clear();
            member.changed_holds.clear();
            member.changed_debts.clear();
        }
    }

    fn compare(&mut self, posted: &Found, decision: &Decision) -> Result<()> {
        let operation = &decision.operation;
        let key = format!("{} {}", self.cell.0, posted.seq);
        let row = rows::operation(operation);
        let mut differences = Vec::from_iter(OPERATIONS.difference(&key, &posted.row, &row));
        let replayed = decision.transfers.iter().map(|one| rows::transfer(operation, one));
        let replayed: Vec<String> = replayed.collect();
        for (ordinal, (ledger, replay)) in posted.transfers.iter().zip(&replayed).enumerate() {
            let key = format!("{key} {ordinal} {}", posted.posted_at);
            differences.extend(TRANSFERS.difference(&key, ledger, replay));
        }
        if posted.transfers.len() != replayed.len() {
            let both = format!("{:?} and in the replay {replayed:?}", posted.transfers);
            differences.push(format!("its transfers are {both}"));
        }
        ensure!(differences.is_empty(), "{}", differences.join("; "));
        self.transfers += u64::try_from(replayed.len())?;
        for (key, amount) in positions(&decision.transfers)? {
            let sum = self.positions.entry((operation.window, key)).or_default();
            *sum = sum.plus(amount)?;
        }
        Ok(())
    }

    /// The number of the last operation.
    pub(super) fn head(&self) -> i64 {
        self.last.0
    }

    /// Every row that the cell ends with, and when something of each member is due next.
    pub(super) fn ended(self) -> Result<(Rows, HashMap<Uuid, i64>)> {
        let mut rows = Rows::of_cell(self.cell.0);
        let mut due = HashMap::new();
        for (id, member) in &self.state.members {
            let (sent, places) = &self.members[id];
            if let Some(lost) = sent.get(places.len()) {
                return Err(anyhow!("{} of {id:?} is not in the ledger", lost.id));
            }
            rows.add_member(member);
            due.extend(member.next_due_at().map(|time| (id.0, micros(time))));
        }
        for ((window, key), amount) in &self.positions {
            rows.add_position(*window, key, *amount);
        }
        Ok((rows, due))
    }
}
