//! Which lots of a member the store would load.

use std::collections::BTreeSet;

use entente_ledger::{Lot, LotId, MemberId, Origin};
use jiff::Timestamp;

use super::Book;
use crate::{Action, Command, Member};

impl Book {
    /// The last of the open lots that are loaded, in burn order; none where there are no more, and where
    /// the store loads all: for merges, where what a command names was merged into it, where something is
    /// due, for debts.
    pub(super) fn until(
        &self,
        row: &Member,
        commands: &[Command],
        (first, next): (usize, usize),
    ) -> Option<(Timestamp, LotId)> {
        let merges = |command: &Command| {
            matches!(command.action, Action::Merge { .. } | Action::Unmerge { .. })
        };
        let follows = |command: &Command| row.absorbed.contains(&command.member);
        let whole = row.forward.is_some()
            || commands.iter().any(follows)
            || row.wallet.debt.is_positive()
            || row.next_due_at().is_some_and(|due| due <= self.now)
            || commands.iter().any(merges);
        let open = row.lots.values().filter(|lot| lot.remaining.is_positive());
        let mut order: Vec<_> =
            open.map(|lot| (lot.expires_at, lot.id, lot.free().expect("in range").0)).collect();
        order.sort_unstable();
        let of_row = commands.iter().filter(|command| command.member == row.id);
        let taken = of_row.filter_map(|command| command.takes(&self.catalogue, self.now));
        let taken = taken.fold(0_i64, |sum, points| sum.saturating_add(points.0));
        let free: i64 = order.iter().take(first).map(|(_, _, free)| free).sum();
        let last = order.get(if free < taken { next } else { first } - 1)?;
        Some((last.0, last.1)).filter(|_| !whole)
    }

    /// What the store loads of a member for merges, open or not: lots that points of named lots were
    /// moved to, those of debts that are carried, and for what takes a merge back all that came with
    /// it, and where it came from.
    pub(super) fn lots_of_merges(&self, row: &Member, commands: &[Command]) -> Vec<LotId> {
        let mut lots = self.moved(row, commands);
        for command in commands.iter().filter(|command| command.members().any(|id| id == row.id)) {
            match command.action {
                Action::Merge { .. } => lots.extend(row.debts.values().map(|debt| debt.lot)),
                Action::Unmerge { from } if from == row.id => {
                    let kept = self.members[&command.member].lots.values();
                    lots.extend(kept.filter_map(|lot| source(lot, row.id)));
                }
                Action::Unmerge { from } => {
                    let mut brought = self.members[&from].absorbed.clone();
                    brought.insert(from);
                    let came = |lot: &&Lot| brought.iter().any(|of| source(lot, *of).is_some());
                    lots.extend(row.lots.values().filter(came).map(|lot| lot.id));
                }
                _ => {}
            }
        }
        lots
    }

    fn moved(&self, row: &Member, commands: &[Command]) -> Vec<LotId> {
        let mut found: BTreeSet<(MemberId, LotId)> = BTreeSet::new();
        for command in commands {
            let Some(original) = command.original() else { continue };
            let hold =
                original.hold().and_then(|hold| self.members[&command.member].holds.get(&hold));
            let legs = hold.into_iter().flat_map(|hold| hold.legs.iter().map(|leg| leg.lot));
            found.extend(legs.chain(original.lot()).map(|lot| (command.member, lot)));
        }
        loop {
            let before = found.len();
            for (id, member) in &self.members {
                for lot in member.lots.values() {
                    if let Origin::Merged { from, lot: source, .. } = lot.origin
                        && found.contains(&(from, source))
                    {
                        found.insert((*id, lot.id));
                    }
                }
            }
            if found.len() == before {
                break;
            }
        }
        found.into_iter().filter(|(id, _)| *id == row.id).map(|(_, lot)| lot).collect()
    }
}

/// The lot of a member that another one came from by a merge.
fn source(lot: &Lot, of: MemberId) -> Option<LotId> {
    match lot.origin {
        Origin::Merged { from, lot, .. } if from == of => Some(lot),
        _ => None,
    }
}
