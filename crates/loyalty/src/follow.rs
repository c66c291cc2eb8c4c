//! Follow: what happens to a member that was merged into another happens to that one. Earns and spends
//! are simply its own; what undoes an operation of before the merge is decided where that operation
//! is, and takes points from, or gives them to, where they are now.

use std::borrow::Cow;

use entente_ledger::{
    Account, AmountKind, Debt, Lot, LotId, MemberId, Micros, Origin, PartnerId, Points,
};

use crate::{
    Action, Command, Decision, Member, Operation, Refusal, ReversePart, State, burn,
    draft::Draft,
    earn,
    merge::{self, MAX_ABSORBED},
    parcel::{self, Parcel},
    repay,
    reverse_earn::{self, Refund},
};

/// A clawback at a merged member: whence its points come.
pub(crate) struct Claw<'c> {
    refund: Refund<'c>,
    /// Where the purchase is.
    member: (MemberId, entente_ledger::Cell),
    /// Free points of the kept member, lot by lot.
    taken: Vec<(Lot, Points)>,
    /// Points of the earn that expired, wherever they were then.
    counted: Vec<(MemberId, LotId, Points)>,
    /// What nobody has any more.
    debt: Points,
    /// The kept member's lot of the earn, if it has one.
    on: Option<LotId>,
}

impl<'c> State<'c> {
    /// Whether a command's members, and whoever they were merged into, are among those that were loaded
    /// for it: others may be held too, with as much as other commands need.
    #[must_use]
    pub fn holds(&self, command: &Command, loaded: &[MemberId]) -> bool {
        command.members().all(|member| {
            let mut at = member;
            for _ in 0..=MAX_ABSORBED {
                let found = self.members.get(&at).filter(|_| loaded.contains(&at));
                let Some(member) = found else { return false };
                let Some(forward) = member.forward else { return true };
                at = forward.into;
            }
            false
        })
    }

    /// The members that a command is about, where their points are now: they must be brought to now.
    ///
    /// # Panics
    /// When the batch does not hold them, or whom they were merged into.
    #[must_use]
    pub fn concerned(&self, command: &Command) -> Vec<MemberId> {
        let mut members: Vec<_> = command.members().map(|member| self.kept(member)).collect();
        members.dedup();
        members
    }

    /// A member, whom it was merged into, and so on.
    pub(crate) fn chain(&self, member: MemberId) -> Vec<MemberId> {
        let mut chain = vec![member];
        let mut last = member;
        while let Some(forward) = self.member(last).forward
            && chain.len() <= MAX_ABSORBED
        {
            last = forward.into;
            chain.push(last);
        }
        chain
    }

    /// The command as one of where its members' points are now. What names an operation stays where
    /// that is, and merges are of those that they name.
    pub(crate) fn redirected<'r>(&self, command: &'r Command) -> Cow<'r, Command> {
        let is_merged = |member: MemberId| self.member(member).forward.is_some();
        if !command.members().any(is_merged) {
            return Cow::Borrowed(command);
        }
        let mut redirected = command.clone();
        match &mut redirected.action {
            Action::Capture { .. }
            | Action::Void { .. }
            | Action::Reverse { .. }
            | Action::Merge { .. }
            | Action::Unmerge { .. } => return Cow::Borrowed(command),
            Action::Transfer { to, .. } => *to = self.kept(*to),
            Action::Earn(_)
            | Action::Burn(_)
            | Action::Authorize(_)
            | Action::Exchange(_)
            | Action::Donate { .. } => {}
        }
        redirected.member = self.kept(command.member);
        Cow::Owned(redirected)
    }

    /// Plans what refunding a part of a merged member's purchase takes: from the lots that the earn's
    /// own went to, expired ones counted; then from the issuer's other lots of the same funding; the
    /// rest becomes debt.
    pub(crate) fn claw_from(
        &self,
        chain: &[MemberId],
        operation: &Operation,
        lot: LotId,
        part: ReversePart,
    ) -> Result<Claw<'c>, Refusal> {
        let owner = self.member(operation.member);
        let own = owner.lots.get(&lot).ok_or(Refusal::NotReversible)?;
        let refund = reverse_earn::refund(self.catalogue, own, operation.partner, part)?;
        let kept = self.member(self.kept(operation.member));
        let moved = self.moved(chain, lot);
        let mut claw = Claw {
            member: (owner.id, owner.cell),
            taken: Vec::new(),
            counted: Vec::new(),
            debt: refund.points,
            on: newest(&moved, kept.id),
            refund,
        };
        for (_, id) in moved.iter().filter(|(member, _)| *member == kept.id) {
            claw.take(kept, *id)?;
        }
        for (member, id) in [(owner.id, lot)].into_iter().chain(moved) {
            let expired = self.member(member).lots.get(&id).map(|lot| lot.expired);
            claw.count_expired((member, id), expired.unwrap_or_default())?;
        }
        for (id, _) in burn::order(kept, operation.posted_at)? {
            let other = kept.lots.get(&id).ok_or(Refusal::NotReversible)?;
            let is_own = claw.taken.iter().any(|(lot, _)| lot.id == id);
            if other.issuer == own.issuer && other.funding == own.funding && !is_own {
                claw.take(kept, id)?;
            }
        }
        if claw.debt.is_positive() {
            kept.knows_all_lots()?;
        }
        Ok(claw)
    }

    /// Points that came back to a merged member, on their way to the kept one.
    pub(crate) fn forwarded(
        &self,
        chain: &[MemberId],
        refunded: &Decision,
    ) -> Result<Vec<Parcel>, Refusal> {
        let owner = self.member(refunded.operation.member);
        let last = chain.last().copied().unwrap_or(owner.id);
        let parcel = |(lot, points): (Lot, Points)| {
            let moved = self.moved(chain, lot.id);
            let into = newest(&moved, last);
            let (source, origin) = (lot.id, merge::came_from(owner.id, owner.cell, lot.id));
            Parcel { source, into, lot: Lot { origin, expired: Points::ZERO, ..lot }, points }
        };
        Ok(parcel::sent(owner, refunded)?.into_iter().map(parcel).collect())
    }

    /// The lots that points of a lot were moved to, and from there on, along a chain of merges. They
    /// must be loaded, open or not.
    fn moved(&self, chain: &[MemberId], lot: LotId) -> Vec<(MemberId, LotId)> {
        let mut found: Vec<_> = chain.first().map(|first| (*first, lot)).into_iter().collect();
        for member in chain.iter().skip(1) {
            for lot in self.member(*member).lots.values() {
                let Origin::Merged { from, lot: source, .. } = lot.origin else { continue };
                if found.contains(&(from, source)) {
                    found.push((*member, lot.id));
                }
            }
        }
        found.into_iter().skip(1).collect()
    }

    fn kept(&self, member: MemberId) -> MemberId {
        self.chain(member).last().copied().unwrap_or(member)
    }
}

impl Claw<'_> {
    /// Whether the kept member has a part in it.
    pub(crate) fn concerns_kept(&self) -> bool {
        !self.taken.is_empty() || self.debt.is_positive()
    }

    /// Where the purchase is: all of it is taken back there, for what comes from the kept member.
    pub(crate) fn claw(&self, draft: &mut Draft<'_>) -> Result<(), Refusal> {
        reverse_earn::record(draft, &self.refund)?;
        self.count_here(draft)?;
        let lot = &self.refund.lot;
        let mut points = self.debt;
        for (from, taken) in &self.taken {
            points = points.plus(*taken)?;
            draft.touched(from.issuer, *taken, from.expires_at);
        }
        reverse_earn::cancel(draft, self.refund.terms, lot.id, points)?;
        draft.book_points(
            AmountKind::Merge,
            (Account::InTransit, draft.wallet_account()),
            points,
            (lot.id, lot.issuer),
            (PartnerId::HUB, PartnerId::HUB),
            (lot.currency, Micros::ZERO),
        )?;
        draft.operation.debt_created = self.debt;
        reverse_earn::give_issue_money_back(draft, &self.refund)
    }

    /// What the clawback changes of a member along the way, beside any leg.
    pub(crate) fn count(&self, draft: &mut Draft<'_>) -> Result<(), Refusal> {
        let back = self.refund.points.negated()?;
        earn::count_in_year(draft, self.refund.lot.issuer, self.refund.activity_at(), back)?;
        self.count_here(draft)
    }

    /// The kept member's leg.
    pub(crate) fn give(&self, draft: &mut Draft<'_>) -> Result<(), Refusal> {
        for (lot, points) in &self.taken {
            parcel::send(draft, lot.id, *points)?;
            draft.touched(lot.issuer, *points, lot.expires_at);
        }
        if self.debt.is_positive() {
            let (from, cell) = self.member;
            let lot = &self.refund.lot;
            let on = self.on.unwrap_or_else(|| {
                let origin = merge::came_from(from, cell, lot.id);
                parcel::open(draft, 0, Lot { origin, expired: Points::ZERO, ..lot.clone() })
            });
            let id = draft.debt_id(0);
            merge::owe(draft, Debt { id, lot: on, ..self.refund.debt(self.debt) })?;
        }
        repay::repay(draft)
    }

    fn take(&mut self, kept: &Member, id: LotId) -> Result<(), Refusal> {
        let lot = kept.lots.get(&id).ok_or(Refusal::NotReversible)?;
        let points = lot.free()?.min(self.debt);
        if points.is_positive() {
            self.debt = self.debt.minus(points)?;
            self.taken.push((lot.clone(), points));
        }
        Ok(())
    }

    fn count_expired(
        &mut self,
        (member, lot): (MemberId, LotId),
        expired: Points,
    ) -> Result<(), Refusal> {
        let points = expired.min(self.debt);
        self.debt = self.debt.minus(points)?;
        self.counted.push((member, lot, points));
        Ok(())
    }

    fn count_here(&self, draft: &mut Draft<'_>) -> Result<(), Refusal> {
        let member = draft.member().id;
        let here =
            self.counted.iter().filter(|(at, _, points)| *at == member && points.is_positive());
        for (_, lot, points) in here {
            let lot = draft.lot_mut(*lot)?;
            lot.expired = lot.expired.minus(*points)?;
        }
        Ok(())
    }
}

/// Of lots that points were moved to: the last one of a member.
fn newest(moved: &[(MemberId, LotId)], member: MemberId) -> Option<LotId> {
    moved.iter().filter(|(at, _)| *at == member).map(|(_, lot)| *lot).max()
}
