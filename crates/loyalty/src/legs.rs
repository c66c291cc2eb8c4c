//! Commands with two legs: each is an operation in its own member's cell, and both are decided or
//! neither. What one sends off is in transit, and empty again once the other has received it.

use entente_ledger::{Cell, MemberId, PartnerId, Seq};
use jiff::Timestamp;

use crate::{
    Action, Command, Decision, Forward, Member, Operation, OperationKind, Original, Partner,
    Refusal, ReversePart, State,
    decide::{Change, reverse, rule},
    draft::Draft,
    merge::{self, MAX_ABSORBED},
    transfer,
};

/// What a command has become so far: the operations, the command's own first, and what they changed.
#[derive(Default)]
pub(crate) struct Legs {
    pub(crate) decisions: Vec<Decision>,
    pub(crate) changes: Vec<Change>,
}

impl Legs {
    /// The command's own operation.
    fn own(&self) -> Result<&Decision, Refusal> {
        self.decisions.first().ok_or(Refusal::NotReversible)
    }

    fn add(&mut self, (decision, change): (Decision, Change)) {
        self.decisions.push(decision);
        self.changes.push(change);
    }
}

impl State<'_> {
    /// Decides a command's legs; on a refusal, those that are there are to be undone.
    pub(crate) fn legs(
        &mut self,
        command: &Command,
        next: &impl Fn(Cell) -> Seq,
        now: Timestamp,
        legs: &mut Legs,
    ) -> Result<(), Refusal> {
        let credited = self.credited(command);
        let seq = next(self.member(command.member).cell);
        let operation = self.asked(command, seq, now);
        let is_merged = self.member(command.member).forward.is_some();
        match command.action {
            Action::Reverse { original, part } if is_merged => {
                self.reverse_merged(operation, (original, part), next, legs)
            }
            Action::Merge { into } => {
                self.mergeable(&operation, into)?;
                self.merge(operation, into, next, legs)
            }
            Action::Unmerge { from } => {
                let merged_at = self.unmergeable(&operation, from)?;
                self.unmerge(operation, (from, merged_at), next, legs)
            }
            Action::Transfer { to, .. } => {
                self.first(operation, |draft| rule(draft, &command.action, credited), legs)?;
                let given = legs.own()?;
                let parcels = transfer::parcels(self.member(command.member), given)?;
                let second = self.second(&given.operation, to, next)?;
                legs.add(self.draft(second, |draft| transfer::receive(draft, parcels))?);
                Ok(())
            }
            _ => self.first(operation, |draft| rule(draft, &command.action, credited), legs),
        }
    }

    fn first(
        &mut self,
        operation: Operation,
        rule: impl FnOnce(&mut Draft<'_>) -> Result<(), Refusal>,
        legs: &mut Legs,
    ) -> Result<(), Refusal> {
        legs.add(self.draft(operation, rule)?);
        Ok(())
    }

    /// The operation of the other member's leg.
    fn second(
        &self,
        first: &Operation,
        member: MemberId,
        next: &impl Fn(Cell) -> Seq,
    ) -> Result<Operation, Refusal> {
        let cell = self.member(member).cell;
        let seq = if cell == first.cell { first.seq.after(1)? } else { next(cell) };
        Ok(Operation {
            kind: match first.kind {
                // Undone is an operation of the other member.
                OperationKind::Reverse => OperationKind::Merge,
                kind => kind,
            },
            terms_version: first.terms_version,
            points: first.points,
            counterparty: Some(first.member),
            ..self.blank((first.partner, first.request_id), member, seq, first.posted_at)
        })
    }

    fn active(&self, partner: PartnerId) -> Result<&Partner, Refusal> {
        let partner = self.catalogue.partner(partner).ok_or(Refusal::NoTermsInForce)?;
        if partner.suspended { Err(Refusal::PartnerSuspended) } else { Ok(partner) }
    }

    /// Whether the wallets may be merged. A member is of partners that test, or of others.
    fn mergeable(&self, operation: &Operation, into: MemberId) -> Result<(), Refusal> {
        let partner = self.active(operation.partner)?;
        let (absorbed, kept) = (self.member(operation.member), self.member(into));
        let count = absorbed.absorbed.len().saturating_add(kept.absorbed.len());
        let tests = |member: &Member| {
            let issuers = member.lots.values().map(|lot| lot.issuer);
            let mut others = issuers.map(|issuer| self.catalogue.is_testing(issuer));
            others.all(|testing| testing == partner.testing)
        };
        let is_allowed = absorbed.id != kept.id
            && absorbed.linked_at.is_disjoint(&kept.linked_at)
            && absorbed.forward.is_none()
            && kept.forward.is_none()
            && count < MAX_ABSORBED
            && tests(absorbed)
            && tests(kept);
        if !is_allowed {
            return Err(Refusal::MergeNotAllowed);
        }
        if merge::any_open_hold(absorbed) || merge::any_open_hold(kept) {
            return Err(Refusal::HoldsOpen);
        }
        Ok(())
    }

    /// Everything that the absorbed member has, and owes, goes to the kept one.
    fn merge(
        &mut self,
        operation: Operation,
        into: MemberId,
        next: &impl Fn(Cell) -> Seq,
        legs: &mut Legs,
    ) -> Result<(), Refusal> {
        let estate = merge::all(self.member(operation.member), operation.posted_at)?;
        self.first(operation, |draft| merge::give_up(draft, &estate, into), legs)?;
        let second = self.second(&legs.own()?.operation, into, next)?;
        legs.add(self.draft(second, |draft| merge::take_over(draft, estate))?);
        Ok(())
    }

    /// When the merge was that is to be taken back.
    fn unmergeable(&self, operation: &Operation, from: MemberId) -> Result<Timestamp, Refusal> {
        self.active(operation.partner)?;
        let kept = self.member(operation.member);
        let forward = self.member(from).forward.filter(|forward| forward.into == kept.id);
        let forward = forward.filter(|merge| merge::is_reversible(merge, operation.posted_at));
        let forward = forward.filter(|_| kept.forward.is_none());
        let Forward { merged_at, .. } = forward.ok_or(Refusal::MergeNotReversible)?;
        if merge::any_open_hold(kept) { Err(Refusal::HoldsOpen) } else { Ok(merged_at) }
    }

    /// What is left of what a merge brought goes back.
    fn unmerge(
        &mut self,
        operation: Operation,
        (from, merged_at): (MemberId, Timestamp),
        next: &impl Fn(Cell) -> Seq,
        legs: &mut Legs,
    ) -> Result<(), Refusal> {
        let kept = self.member(operation.member);
        let estate = merge::rest(kept, self.member(from), merged_at)?;
        self.first(operation, |draft| merge::give_back(draft, &estate), legs)?;
        let second = self.second(&legs.own()?.operation, from, next)?;
        legs.add(self.draft(second, |draft| merge::take_back(draft, estate))?);
        Ok(())
    }

    /// Undoes an operation of a member that was merged into another, where its points are now.
    fn reverse_merged(
        &mut self,
        operation: Operation,
        (original, part): (Original, ReversePart),
        next: &impl Fn(Cell) -> Seq,
        legs: &mut Legs,
    ) -> Result<(), Refusal> {
        let chain = self.chain(operation.member);
        let last = *chain.last().ok_or(Refusal::NotReversible)?;
        if let Some(lot) = original.lot() {
            let claw = self.claw_from(&chain, &operation, lot, part)?;
            self.first(operation, |draft| claw.claw(draft), legs)?;
            let second = self.second(&legs.own()?.operation, last, next)?;
            for member in chain.into_iter().skip(1) {
                let beside = Operation { member, ..second.clone() };
                legs.changes.push(self.draft(beside, |draft| claw.count(draft))?.1);
            }
            if claw.concerns_kept() {
                legs.add(self.draft(second, |draft| claw.give(draft))?);
            }
        } else {
            let refund = |draft: &mut Draft<'_>| {
                reverse(draft, original, part)?;
                merge::send_off(draft)
            };
            self.first(operation, refund, legs)?;
            let second = self.second(&legs.own()?.operation, last, next)?;
            let parcels = self.forwarded(&chain, legs.own()?)?;
            if !parcels.is_empty() {
                legs.add(self.draft(second, |draft| merge::receive(draft, parcels))?);
            }
        }
        let wallet = self.member(last).wallet;
        if let Some(decision) = legs.decisions.first_mut() {
            decision.wallet = wallet;
        }
        Ok(())
    }
}
