//! What holds of merges, whatever happened before and happens after.

use std::collections::BTreeMap;

use entente_ledger::{AmountKind, MemberId, PartnerId, PositionAmount, PositionKey, positions};
use proptest::prelude::*;

use super::{
    check::check,
    properties::{Step, any_book, command, step},
};
use crate::{
    Action, Command, Decision, Refusal,
    cast::{Book, COUSIN, ELDER, FRIEND, GUEST, HARBOR, original},
};

const MEMBERS: [MemberId; 4] = [GUEST, FRIEND, COUSIN, ELDER];

/// What happens next, to whom, and how long it is until then.
#[derive(Debug, Clone)]
enum Event {
    Step(Step, usize),
    Merge(usize, usize),
    Unmerge(usize, usize),
}

fn events() -> impl Strategy<Value = Vec<(i64, Event)>> {
    let member = || 0..MEMBERS.len();
    let event = prop_oneof![
        12 => (step(), member()).prop_map(|(step, member)| Event::Step(step, member)),
        2 => (member(), member()).prop_map(|(from, into)| Event::Merge(from, into)),
        1 => (member(), member()).prop_map(|(kept, from)| Event::Unmerge(kept, from)),
    ];
    prop::collection::vec((wait(), event), 1..40)
}

fn wait() -> impl Strategy<Value = i64> {
    prop_oneof![2 => Just(0), 4 => 1..90_000_i64, 1 => 0..2_000_000_i64]
}

/// The event as a command. A step that names an operation is about whoever that was of.
fn posted(book: &mut Book, event: &Event) -> Option<Command> {
    match event {
        Event::Step(step, member) => {
            let command = command(book, step)?;
            let whose = |decision: &Decision| decision.operation.member;
            let named = command.original().map(|original| {
                let is_it = |decision: &&Decision| {
                    decision.operation.seq == original.seq
                        && decision.operation.request_id == original.request_id
                };
                book.decisions.iter().find(is_it).map_or(GUEST, whose)
            });
            let member = match command.action {
                Action::Transfer { to, .. } if to == MEMBERS[*member] => command.member,
                _ => named.unwrap_or(MEMBERS[*member]),
            };
            Some(Command { member, ..command })
        }
        Event::Merge(from, into) => {
            let command = book.command(HARBOR, Action::Merge { into: MEMBERS[*into] });
            Some(Command { member: MEMBERS[*from], ..command })
        }
        Event::Unmerge(kept, from) => {
            let command = book.command(HARBOR, Action::Unmerge { from: MEMBERS[*from] });
            Some(Command { member: MEMBERS[*kept], ..command })
        }
    }
}

fn post(book: &mut Book, command: &Command) -> Result<Decision, Refusal> {
    book.post_batch(std::slice::from_ref(command)).pop().expect("one command, one outcome")
}

/// What all members have less what they owe, and their open lots by issuer, less what they owe it.
fn worth(book: &Book) -> (i64, BTreeMap<PartnerId, i64>) {
    let wallets = book.members.values().map(|member| member.wallet);
    let sum = wallets.map(|w| w.available.0 + w.held.0 - w.debt.0).sum();
    let mut lots: BTreeMap<_, i64> = BTreeMap::new();
    for lot in book.members.values().flat_map(|member| member.lots.values()) {
        *lots.entry(lot.issuer).or_default() += lot.remaining.0;
    }
    lots.retain(|_, points| *points != 0);
    (sum, lots)
}

/// Every position but those of merges themselves.
fn owed(book: &Book) -> BTreeMap<PositionKey, PositionAmount> {
    let transfers = book.decisions.iter().flat_map(|decision| &decision.transfers);
    let mut owed = positions(transfers).expect("small");
    owed.retain(|key, _| key.kind != AmountKind::Merge);
    owed
}

/// The same command in a book where more happened.
fn translated(command: &Command, book: &Book) -> Option<Command> {
    let mut command = command.clone();
    if let Action::Capture { original: named, .. }
    | Action::Void { original: named }
    | Action::Reverse { original: named, .. } = &mut command.action
    {
        let is_it = |decision: &&Decision| {
            let operation = &decision.operation;
            operation.request_id == named.request_id && operation.partner == command.partner
        };
        let found = book.decisions.iter().find(is_it)?;
        *named = original(found);
        command.member = found.operation.member;
    }
    Some(command)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn histories_with_merges_keep_every_invariant_in_batches_and_one_by_one(
        mut together in any_book(), batches in prop::collection::vec(events(), 1..4),
    ) {
        let mut alone = together.clone();
        for events in batches {
            let mut commands = Vec::new();
            for (_, event) in &events {
                commands.extend(posted(&mut together, event));
            }
            let outcomes = together.post_batch(&commands);
            for (command, outcome) in commands.iter().zip(outcomes) {
                prop_assert_eq!(outcome, post(&mut alone, command));
                check(&alone);
            }
            prop_assert_eq!(&together.members, &alone.members);
            prop_assert_eq!(&together.exposures, &alone.exposures);
            prop_assert_eq!(&together.decisions, &alone.decisions);
            let waited = events.iter().map(|(wait, _)| wait).sum();
            together.wait(waited);
            alone.wait(waited);
        }
        together.sweep();
        check(&together);
    }

    #[test]
    fn a_merge_changes_nothing_of_what_both_have_nor_of_what_anybody_owes(
        mut book in any_book(), events in events(), pair in (0..4_usize, 0..4_usize),
    ) {
        for (wait, event) in &events {
            if let Some(command) = posted(&mut book, event) {
                let _ = post(&mut book, &command);
            }
            book.wait(*wait);
        }
        book.sweep();
        let (before, positions) = (worth(&book), owed(&book));
        let debts = |book: &Book| {
            let members = book.members.values();
            members.map(|member| member.wallet.debt.0).sum::<i64>()
        };
        let (owing, exposures) = (debts(&book), book.exposures.clone());
        let merge = posted(&mut book, &Event::Merge(pair.0, pair.1)).expect("a command");
        if post(&mut book, &merge).is_err() {
            return Ok(());
        }
        let after = worth(&book);
        prop_assert_eq!(before.0, after.0);
        if debts(&book) == owing {
            prop_assert_eq!(before.1, after.1);
            prop_assert_eq!(positions, owed(&book));
            prop_assert_eq!(exposures, book.exposures.clone());
        }
        check(&book);
    }

    #[test]
    fn a_merge_taken_back_at_once_leaves_everything_as_it_was(
        mut book in any_book(), events in events(), pair in (0..4_usize, 0..4_usize),
    ) {
        for (wait, event) in &events {
            if let Some(command) = posted(&mut book, event) {
                let _ = post(&mut book, &command);
            }
            book.wait(*wait);
        }
        book.sweep();
        let before = book.clone();
        let merge = posted(&mut book, &Event::Merge(pair.0, pair.1)).expect("a command");
        let either = [MEMBERS[pair.0], MEMBERS[pair.1]];
        let repays = either.iter().any(|id| before.members[id].wallet.debt.is_positive())
            && either.iter().any(|id| before.members[id].wallet.available.is_positive());
        if post(&mut book, &merge).is_err() || repays {
            return Ok(());
        }
        let unmerge = posted(&mut book, &Event::Unmerge(pair.1, pair.0)).expect("a command");
        post(&mut book, &unmerge).expect("at once");
        check(&book);
        for id in MEMBERS {
            prop_assert_eq!(before.members[&id].wallet, book.members[&id].wallet);
            prop_assert_eq!(before.lots_of(id), book.lots_of(id));
            prop_assert_eq!(before.members[&id].forward, book.members[&id].forward);
            prop_assert_eq!(&before.members[&id].absorbed, &book.members[&id].absorbed);
        }
        prop_assert_eq!(owed(&before), owed(&book));
    }

    /// Among them every clawback and every refund: they take and give what they would have.
    #[test]
    fn whoever_is_merged_into_an_empty_wallet_is_as_it_was(
        mut plain in any_book(), steps in prop::collection::vec((1..90_000_i64, step()), 4..40),
        merges in (0..30_usize, 0..12_usize),
    ) {
        let mut merged = plain.clone();
        let (mut kept, mut left) = (GUEST, vec![ELDER, COUSIN]);
        let mut turns = vec![merges.0 + merges.1, merges.0];
        for (turn, (wait, step)) in steps.into_iter().enumerate() {
            if turns.last().is_some_and(|next| *next <= turn)
                && let Some(into) = left.last().copied()
            {
                let merge = merged.command(HARBOR, Action::Merge { into });
                match post(&mut merged, &Command { member: kept, ..merge }) {
                    Ok(_) => {
                        // What was counted goes with the links, which are no business of the core.
                        let counted = merged.members[&kept].counted.clone();
                        merged.members.get_mut(&into).expect("a member").counted.extend(counted);
                        (kept, _) = (into, left.pop());
                        turns.pop();
                    }
                    Err(refusal) => prop_assert_eq!(refusal, Refusal::HoldsOpen),
                }
                // The other book has as many requests, and what is due ends in both.
                plain.command(HARBOR, Action::Merge { into });
                plain.sweep();
                merged.sweep();
            }
            let Some(asked) = posted(&mut plain, &Event::Step(step, 0)) else { continue };
            let Some(same) = translated(&asked, &merged) else { continue };
            let (one, other) = (post(&mut plain, &asked), post(&mut merged, &same));
            let outcome = |outcome: &Result<Decision, Refusal>| match outcome {
                Ok(decision) => {
                    let operation = &decision.operation;
                    let points = (operation.points, operation.debt_created);
                    Ok((points, operation.spend, operation.value, decision.wallet))
                }
                Err(refusal) => Err(*refusal),
            };
            prop_assert_eq!(outcome(&one), outcome(&other), "{:?}", asked);
            prop_assert_eq!(plain.guest().wallet, merged.members[&kept].wallet, "{:?}", asked);
            prop_assert_eq!(&plain.exposures, &merged.exposures);
            prop_assert_eq!(owed(&plain), owed(&merged));
            plain.wait(wait);
            merged.wait(wait);
        }
        check(&merged);
    }
}
