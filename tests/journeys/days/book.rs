//! The hub's own rules without a hub: commands are decided on members in memory, in order.

use std::collections::BTreeMap;

use entente_ledger::{
    Cell, MemberId, Micros, PartnerId, Points, PositionAmount, PositionKey, RequestId, Seq,
    WindowId, positions,
};
use entente_loyalty::{
    Action, Bought, BurnAmount, Catalogue, Command, Decision, Member, OperationKind, Original,
    OriginalKind, Refusal, ReversePart, State, Window, Windows,
};
use entente_testkit::morning;
use jiff::Timestamp;
use uuid::Uuid;

use super::{
    coalition::Coalition,
    recount::{Asked, What},
};

/// Cells of the members, who are in different ones.
const CELLS: i16 = 4;

/// Everything that was decided.
pub(super) struct Book<'c> {
    pub(super) coalition: &'c Coalition,
    state: State<'c>,
    seqs: BTreeMap<Cell, Seq>,
    pub(super) decisions: Vec<Decision>,
    /// What was done, as originals of what completes or undoes it.
    done: Vec<Original>,
    requests: u128,
}

pub(super) fn member(number: usize) -> MemberId {
    let number = u128::try_from(number).expect("small");
    MemberId(Uuid::from_u128(0xdeca_0000 + number * 0x0001_0000_0001))
}

impl<'c> Book<'c> {
    pub(super) fn new(coalition: &'c Coalition, catalogue: &'c Catalogue) -> Self {
        let members = (0..coalition.members).map(member);
        let members = members.map(|id| (id, Member::new(id, id.cell(CELLS)))).collect();
        let window = |id| Window { id: WindowId(id), opened_at: morning() };
        let windows = Windows { live: window(0), testing: window(-1) };
        let state = State::new(catalogue, windows, members);
        let (seqs, decisions, done) = (BTreeMap::new(), Vec::new(), Vec::new());
        Self { coalition, state, seqs, decisions, done, requests: 0 }
    }

    /// Decides what is asked; answers of how many points it was.
    pub(super) fn post(&mut self, asked: &Asked, now: Timestamp) -> Result<i64, Refusal> {
        let command = self.command(asked, now);
        for member in self.state.concerned(&command) {
            let next = self.next(member.cell(CELLS));
            let ended = self.state.bring_to(member, next, now).expect("small");
            self.keep(ended);
        }
        let seqs = self.seqs.clone();
        let next = |cell| seqs.get(&cell).copied().unwrap_or(Seq(0)).after(1).expect("few");
        let decided = self.state.decide(&command, next, now)?;
        let operation = &decided.decision.operation;
        let points = operation.points.0;
        let kind = match operation.kind {
            OperationKind::Earn => OriginalKind::Earn,
            OperationKind::Burn => OriginalKind::Burn,
            OperationKind::Authorize => OriginalKind::Authorize,
            OperationKind::Capture => {
                let (authorized_by, _) = operation.original.expect("a capture has one");
                OriginalKind::Capture { authorized_by }
            }
            _ => OriginalKind::Other,
        };
        let original = Original { seq: operation.seq, request_id: operation.request_id, kind };
        self.done.push(original);
        self.keep([decided.decision].into_iter().chain(decided.received));
        Ok(points)
    }

    /// The next window is open from now on.
    pub(super) fn close(&mut self, now: Timestamp) {
        let open = &mut self.state.window.live;
        *open = Window { id: WindowId(open.id.0 + 1), opened_at: now };
    }

    /// What was decided in a window.
    pub(super) fn of(&self, window: usize) -> Vec<&Decision> {
        let in_it =
            |decision: &&Decision| usize::try_from(decision.operation.window.0) == Ok(window);
        self.decisions.iter().filter(in_it).collect()
    }

    /// The window's positions.
    pub(super) fn positions(&self, window: usize) -> BTreeMap<PositionKey, PositionAmount> {
        let transfers: Vec<_> =
            self.of(window).iter().flat_map(|decision| decision.transfers.clone()).collect();
        positions(&transfers).expect("small").into_iter().collect()
    }

    fn keep(&mut self, decisions: impl IntoIterator<Item = Decision>) {
        for decision in decisions {
            self.seqs.insert(decision.operation.cell, decision.operation.seq);
            self.decisions.push(decision);
        }
    }

    fn next(&self, cell: Cell) -> Seq {
        self.seqs.get(&cell).copied().unwrap_or(Seq(0)).after(1).expect("few")
    }

    fn command(&mut self, asked: &Asked, now: Timestamp) -> Command {
        self.requests += 1;
        Command {
            partner: PartnerId(i32::try_from(asked.brand).expect("few") + 1),
            request_id: RequestId(Uuid::from_u128(0x4000_8000 << 64 | self.requests)),
            member: member(asked.member),
            receipt_reference: format!("R-{}", self.requests),
            action: self.action(asked, now),
        }
    }

    fn action(&self, asked: &Asked, now: Timestamp) -> Action {
        let version = self.coalition.version_at(asked.brand, now);
        let currency = self.coalition.agreement((asked.brand, version)).currency;
        let burned = |points| BurnAmount::Points(Points(points));
        match asked.what {
            What::Earn { spend } => Action::Earn(Bought {
                spend: Micros(spend),
                currency,
                paid_in_points: Micros::ZERO,
                category: "room".to_owned(),
                activity_at: None,
                retro_claim: false,
            }),
            What::Burn { points } => Action::Burn(burned(points)),
            What::Authorize { points } => Action::Authorize(burned(points)),
            What::Capture { of, points } => {
                Action::Capture { original: self.done[of], points: points.map(Points) }
            }
            What::Void { of } => Action::Void { original: self.done[of] },
            What::RefundEarn { of, spend } => {
                let original = self.done[of];
                let paid_in = self.paid_in(original);
                let part = spend.map(|spend| ReversePart::Spend(Micros(spend), paid_in));
                Action::Reverse { original, part: part.unwrap_or(ReversePart::Rest) }
            }
            What::RefundBurn { of, points } => {
                let part = points.map(|points| ReversePart::Points(Points(points)));
                let part = part.unwrap_or(ReversePart::Rest);
                Action::Reverse { original: self.done[of], part }
            }
            What::Give { to, points } => {
                Action::Transfer { to: member(to), points: Points(points) }
            }
        }
    }

    fn paid_in(&self, original: Original) -> entente_ledger::Currency {
        let earned = self
            .decisions
            .iter()
            .find(|decision| decision.operation.request_id == original.request_id);
        earned.and_then(|earned| earned.operation.spend).expect("it was an earn").1
    }
}
