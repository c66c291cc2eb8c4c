//! The decision on a command: prefill its operation, let the rule move points in a draft, test the
//! caps, and keep the draft or undo it.

use std::collections::BTreeMap;

use entente_ledger::{Cell, LotId, MemberId, Overflow, PartnerId, Points, RequestId, Seq};
use jiff::Timestamp;

use crate::{
    Action, Command, Counted, Decided, Decision, Exposure, Member, MeterKey, Operation,
    OperationKind, Original, OriginalKind, Refusal, ReversePart, Standing, State, Window, announce,
    bound, burn, capture, donate,
    draft::Draft,
    earn, exchange,
    expire::{self, Due},
    exposure::{self, ExposureKey},
    floats,
    journal::{Journal, put_back},
    legs::Legs,
    reverse_burn, reverse_earn, threshold, transfer, velocity, void,
};

/// What a draft changed: a member, exposures, and what is counted of its partner, as they were before.
pub(crate) struct Change {
    member: MemberId,
    journal: Journal,
    exposures: Vec<(ExposureKey, Exposure)>,
    float: Option<floats::Before>,
    counted: BTreeMap<MeterKey, Option<Counted>>,
}

impl State<'_> {
    /// Brings a member to `now`: due holds, then due lots, expire as operations of their own,
    /// numbered from `next`; then what expires soon is announced, in one more. On an overflow the state is as before.
    ///
    /// # Panics
    /// When the batch does not hold the member.
    pub fn bring_to(
        &mut self,
        member: MemberId,
        next: Seq,
        now: Timestamp,
    ) -> Result<Vec<Decision>, Overflow> {
        let mut ended = Vec::new();
        if self.end_due(member, next, now, &mut ended).is_err() {
            self.undo(ended.into_iter().map(|(_, change)| change).collect());
            return Err(Overflow);
        }
        for (_, change) in &ended {
            self.mark(change);
        }
        Ok(ended.into_iter().map(|(decision, _)| decision).collect())
    }

    /// Decides a command on the state that its predecessors left, for members that were brought to
    /// `now`; `next` numbers the operations of a cell. On a refusal the state is as before.
    ///
    /// # Panics
    /// When the batch does not hold the command's members.
    pub fn decide(
        &mut self,
        command: &Command,
        next: impl Fn(Cell) -> Seq,
        now: Timestamp,
    ) -> Result<Decided, Refusal> {
        let command = &*self.redirected(command);
        let mut legs = Legs::default();
        if let Err(refusal) = self.legs(command, &next, now, &mut legs) {
            self.undo(legs.changes);
            return Err(refusal);
        }
        for change in &legs.changes {
            self.mark(change);
        }
        let mut decisions = legs.decisions.into_iter();
        let decision = decisions.next().expect("a command has a leg of its own");
        if let Some(receipt) = decision.operation.credited_receipt() {
            let receipt = (command.partner, receipt.to_owned());
            self.receipts.insert(receipt, command.request_id);
        }
        Ok(Decided { decision, received: decisions.next() })
    }

    /// The earn that credited the receipt of a command.
    pub(crate) fn credited(&self, command: &Command) -> Option<RequestId> {
        if command.receipt_reference.is_empty() {
            return None;
        }
        self.receipts.get(&(command.partner, command.receipt_reference.clone())).copied()
    }

    /// The operation of a finally refused command: it has no effect.
    ///
    /// # Panics
    /// When the batch does not hold the command's member.
    pub fn refused(
        &self,
        command: &Command,
        seq: Seq,
        now: Timestamp,
        refusal: Refusal,
    ) -> Decision {
        let operation = Operation { refusal: Some(refusal), ..self.asked(command, seq, now) };
        let last = self.chain(command.member).last().copied().unwrap_or(command.member);
        let wallet = self.member(last).wallet;
        Decision {
            operation,
            transfers: Vec::new(),
            wallet,
            crossings: Vec::new(),
            float_moves: Vec::new(),
            float_crossings: Vec::new(),
            burned_elsewhere: Vec::new(),
        }
    }

    /// One operation: a rule changes a member and books it, or leaves no trace.
    pub(crate) fn draft(
        &mut self,
        operation: Operation,
        rule: impl FnOnce(&mut Draft<'_>) -> Result<(), Refusal>,
    ) -> Result<(Decision, Change), Refusal> {
        let Self { catalogue, members, exposures, counted, floats, .. } = self;
        let terms = (*catalogue, operation.posted_at);
        let is_capped = operation.kind.is_capped();
        let id = operation.member;
        let member = members.get_mut(&id).expect("the batch holds the member");
        let mut draft = Draft::new(catalogue, member, operation);
        let decided = rule(&mut draft)
            .and_then(|()| if is_capped { bound::within(&draft) } else { Ok(()) })
            .and_then(|()| velocity::count(&mut draft, counted))
            .and_then(|wide| Ok((wide, floats.grant(draft.float)?)))
            .and_then(|(wide, granted)| {
                Ok((wide, granted, exposure::after(exposures, &draft.owed, terms, is_capped)?))
            });
        match decided {
            Ok((wide, granted, after)) => {
                let (mut decision, journal) = draft.decided();
                let before = |(key, now)| (key, counted.insert(key, now));
                let counted = wide.into_iter().map(before).collect();
                let mut moved = Vec::with_capacity(after.len());
                for (key, exposure) in after {
                    let Some(before) = exposures.insert(key, exposure) else { continue };
                    let standing = Standing::at(terms.0, key, exposure.owed, terms.1);
                    decision.crossings.extend(threshold::crossings(key, before.told, standing));
                    moved.push((key, before));
                }
                let float = granted.map(|granted| {
                    decision.float_moves.clone_from(&granted.moves);
                    decision.float_crossings.clone_from(&granted.crossings);
                    floats.keep(granted)
                });
                Ok((decision, Change { member: id, journal, exposures: moved, float, counted }))
            }
            Err(refusal) => {
                draft.undo();
                Err(refusal)
            }
        }
    }

    /// Ends what is due, adding to `ended` until something cannot be ended.
    fn end_due(
        &mut self,
        member: MemberId,
        next: Seq,
        now: Timestamp,
        ended: &mut Vec<(Decision, Change)>,
    ) -> Result<(), Refusal> {
        for list_due in [expire::due_holds, expire::due_lots] {
            for due in list_due(self.member(member), now) {
                let operation = self.expiry(member, due, next.after(ended.len())?, now);
                ended.push(self.draft(operation, |draft| expire::end(draft, due))?);
            }
        }
        let lots = announce::due_lots(self.member(member), now);
        if let [first, ..] = lots.as_slice() {
            let operation = self.announcement(member, *first, next.after(ended.len())?, now);
            ended.push(self.draft(operation, |draft| announce::announce(draft, &lots))?);
        }
        Ok(())
    }

    /// Undoes what was not marked yet, the last first.
    fn undo(&mut self, changes: Vec<Change>) {
        for change in changes.into_iter().rev() {
            self.exposures.extend(change.exposures);
            if let Some(float) = change.float {
                self.floats.undo(float);
            }
            put_back(&mut self.counted, change.counted);
            if let Some(member) = self.members.get_mut(&change.member) {
                change.journal.undo(member);
            }
        }
    }

    /// Remembers what is to be written.
    fn mark(&mut self, change: &Change) {
        self.changed_exposures.extend(change.exposures.iter().map(|(key, _)| *key));
        self.changed_counted.extend(change.counted.keys());
        if let Some(float) = &change.float {
            self.floats.mark(float);
        }
        if let Some(member) = self.members.get_mut(&change.member) {
            change.journal.mark(member);
        }
    }

    pub(crate) fn member(&self, id: MemberId) -> &Member {
        self.members.get(&id).expect("the batch holds the member")
    }

    /// An operation as a command asks for it, before any rule.
    pub(crate) fn asked(&self, command: &Command, seq: Seq, now: Timestamp) -> Operation {
        let mut operation = Operation {
            receipt_reference: command.receipt_reference.clone(),
            ..self.blank((command.partner, command.request_id), command.member, seq, now)
        };
        operation.kind = command.kind();
        match &command.action {
            Action::Earn(bought) => {
                let activity_at = bought.activity_at.unwrap_or(now);
                let paid = Some((bought.paid_in_points, bought.currency));
                operation.spend = Some((bought.spend, bought.currency));
                operation.paid_in_points = paid.filter(|(paid, _)| paid.is_positive());
                operation.retro_claim = bought.retro_claim;
                operation.category.clone_from(&bought.category);
                operation.activity_at = Some(activity_at);
                operation.prior_period =
                    activity_at < self.window_of(command.partner, command.member).opened_at;
            }
            Action::Burn(_) | Action::Authorize(_) | Action::Exchange(_) => {}
            Action::Capture { original, .. }
            | Action::Void { original }
            | Action::Reverse { original, .. } => {
                operation.original = Some((original.seq, original.request_id));
            }
            Action::Transfer { to: other, .. }
            | Action::Merge { into: other }
            | Action::Unmerge { from: other } => operation.counterparty = Some(*other),
            Action::Donate { charity, .. } => operation.charity = Some(charity.clone()),
        }
        operation
    }

    fn expiry(&self, member: MemberId, due: Due, seq: Seq, now: Timestamp) -> Operation {
        let request_id = due.request_id(self.member(member).cell);
        self.blank((PartnerId::HUB, request_id), member, seq, now)
    }

    fn announcement(&self, member: MemberId, first: LotId, seq: Seq, now: Timestamp) -> Operation {
        let request_id = announce::request_id(self.member(member).cell, first);
        let blank = self.blank((PartnerId::HUB, request_id), member, seq, now);
        Operation { kind: OperationKind::Announce, ..blank }
    }

    /// The window that an operation falls into. The hub acts for whoever issued the member's points
    /// or holds them: partners that test share no member with others.
    fn window_of(&self, partner: PartnerId, member: MemberId) -> Window {
        let member = self.member(member);
        let lots = member.lots.values().map(|lot| lot.issuer);
        let concerned = match partner {
            PartnerId::HUB => lots.chain(member.holds.values().map(|hold| hold.partner)).next(),
            caller => Some(caller),
        };
        self.window.of(concerned.is_some_and(|partner| self.catalogue.is_testing(partner)))
    }

    /// An expiry of nothing.
    pub(crate) fn blank(
        &self,
        (partner, request_id): (PartnerId, RequestId),
        member: MemberId,
        seq: Seq,
        now: Timestamp,
    ) -> Operation {
        Operation {
            cell: self.member(member).cell,
            seq,
            partner,
            request_id,
            member,
            kind: OperationKind::Expire,
            posted_at: now,
            window: self.window_of(partner, member).id,
            activity_at: None,
            terms_version: None,
            points: Points::ZERO,
            spend: None,
            value: None,
            category: String::new(),
            paid_in_points: None,
            retro_claim: false,
            exchange: None,
            receipt_reference: String::new(),
            counterparty: None,
            charity: None,
            original: None,
            hold_expires_at: None,
            debt_created: Points::ZERO,
            debt_repaid: Points::ZERO,
            prior_period: false,
            portions: Vec::new(),
            refusal: None,
        }
    }
}

/// An earn is refused when another one has `credited` its receipt.
pub(crate) fn rule(
    draft: &mut Draft<'_>,
    action: &Action,
    credited: Option<RequestId>,
) -> Result<(), Refusal> {
    match action {
        Action::Earn(bought) => earn::earn(draft, bought, credited),
        Action::Burn(amount) => burn::burn(draft, *amount),
        Action::Authorize(amount) => burn::authorize(draft, *amount),
        Action::Capture { original, points } => capture::capture(draft, *original, *points),
        Action::Void { original } => void::void(draft, *original),
        Action::Reverse { original, part } => reverse(draft, *original, *part),
        Action::Exchange(amount) => exchange::exchange(draft, *amount),
        Action::Transfer { to, points } => transfer::give(draft, *to, *points),
        Action::Donate { charity, points } => donate::donate(draft, charity, *points),
        // What these do is planned on both members.
        Action::Merge { .. } | Action::Unmerge { .. } => Err(Refusal::MergeNotAllowed),
    }
}

pub(crate) fn reverse(
    draft: &mut Draft<'_>,
    original: Original,
    part: ReversePart,
) -> Result<(), Refusal> {
    match (original.kind, original.lot(), original.hold()) {
        (OriginalKind::Earn, Some(lot), _) => reverse_earn::reverse_earn(draft, lot, part),
        (OriginalKind::Burn | OriginalKind::Capture { .. }, _, Some(hold)) => {
            reverse_burn::reverse_burn(draft, hold, part)
        }
        _ => Err(Refusal::NotReversible),
    }
}
