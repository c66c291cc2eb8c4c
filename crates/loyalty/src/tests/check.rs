//! The invariants of a book, each recomputed from rows and transfers alone, in wider numbers.

use std::collections::BTreeMap;

use entente_ledger::{
    Account, AmountKind, HoldState, Lot, LotId, Micros, Origin, PartnerId, Points, Transfer, Unit,
    Wallet, positions,
};

use crate::{
    BlockId, Decision, ExchangeDirection, Exchanged, ExposureKey, IssueKey, Member, cast::Book,
    exposure_change, month, redemption, reservation,
};

/// Panics, naming the invariant, when one does not hold.
pub(crate) fn check(book: &Book) {
    for member in book.members.values() {
        rows_agree(member);
        transfers_explain_the_wallet(book, member);
        gifts_are_counted(book, member);
        merges_are_followed(book, member);
    }
    assert_eq!(book.trial().of(Account::InTransit, None), 0, "what is sent off arrives");
    fees_are_those_of_spent_points(book);
    exposures_are_positions_and_open_holds(book);
    floats_are_what_was_issued(book);
}

/// What is left of a block is what was bought less what was drawn; what is drawn for an operation is
/// what it issued by prepaid terms, less what was taken back.
fn floats_are_what_was_issued(book: &Book) {
    let mut drawn: BTreeMap<(ExposureKey, BlockId), i64> = BTreeMap::new();
    let mut of_issue: BTreeMap<IssueKey, i64> = BTreeMap::new();
    for decision in &book.decisions {
        for one in &decision.float_moves {
            let block = ((one.partner, one.currency), one.block);
            *drawn.entry(block).or_default() += one.points.0;
            *of_issue.entry((decision.operation.cell, one.issue)).or_default() += one.points.0;
        }
    }
    for (key, float) in &book.floats.floats {
        for block in float.blocks() {
            let drawn = drawn.remove(&(*key, block.id)).unwrap_or_default();
            assert_eq!(block.left.0, block.bought.0 - drawn, "left = bought - drawn");
        }
    }
    assert!(drawn.values().all(|points| *points == 0), "drawn from no block");
    for member in book.members.values() {
        for lot in member.lots.values().filter(|lot| is_prepaid(book, lot)) {
            let issued = match &lot.origin {
                Origin::Earned(purchase) => purchase.points_earned.0 - purchase.points_clawed.0,
                Origin::Exchanged => issued_by(book, (member.cell, lot.id.opened_by)),
                Origin::Received { .. } | Origin::Merged { .. } => continue,
            };
            let drawn = of_issue.remove(&(member.cell, lot.id.opened_by)).unwrap_or_default();
            assert_eq!(drawn, issued, "drawn = issued and not taken back");
        }
    }
    assert!(of_issue.is_empty(), "drawn for nothing: {of_issue:?}");
}

fn is_prepaid(book: &Book, lot: &Lot) -> bool {
    let partner = book.catalogue.partner(lot.issuer).expect("in the cast");
    partner.terms_version(lot.terms_version).expect("published").agreement.prepaid
}

fn issued_by(book: &Book, (cell, seq): IssueKey) -> i64 {
    let mut decisions = book.decisions.iter().map(|decision| &decision.operation);
    decisions.find(|o| (o.cell, o.seq) == (cell, seq)).map_or(0, |o| o.points.0)
}

/// The invariants that hold for any amounts whatever.
pub(crate) fn rows_agree(member: &Member) {
    let wallet = member.wallet;
    let sum = |amounts: &mut dyn Iterator<Item = i64>| amounts.map(i128::from).sum::<i128>();
    let lots = || member.lots.values();
    let has = i128::from(wallet.available.0) + i128::from(wallet.held.0);
    assert_eq!(sum(&mut lots().map(|lot| lot.remaining.0)), has, "lots = available + held");
    assert_eq!(sum(&mut lots().map(|lot| lot.held.0)), i128::from(wallet.held.0), "held");
    let debts = sum(&mut member.debts.values().map(|debt| debt.points.0));
    assert_eq!(debts, i128::from(wallet.debt.0), "debts");
    assert!(wallet.available.0 >= 0, "available is not negative");
    assert!(wallet.debt.0 == 0 || wallet.available.0 == 0, "debt only when nothing is available");
    assert!(member.debts.values().all(|debt| debt.points.0 >= 0), "no negative debt");
    for lot in lots() {
        assert!((0..=lot.remaining.0).contains(&lot.held.0), "held within remaining: {lot:?}");
        assert!(lot.expired.0 >= 0, "expired is not negative: {lot:?}");
        let Some(purchase) = lot.purchase() else { continue };
        assert!((0..=purchase.points_earned.0).contains(&purchase.points_clawed.0), "{lot:?}");
        assert!((0..=purchase.spend.0.max(0)).contains(&purchase.spend_reversed.0), "{lot:?}");
    }
    holds_agree(member);
}

fn holds_agree(member: &Member) {
    let mut held: BTreeMap<LotId, i64> = BTreeMap::new();
    for hold in member.holds.values() {
        for leg in &hold.legs {
            assert!((0..=leg.points.0).contains(&leg.captured.0), "captured: {hold:?}");
            assert!((0..=leg.captured.0).contains(&leg.refunded.0), "refunded: {hold:?}");
            if hold.state == HoldState::Open {
                *held.entry(leg.lot).or_default() += leg.points.0;
            }
        }
    }
    for lot in member.lots.values() {
        assert_eq!(lot.held.0, held.remove(&lot.id).unwrap_or(0), "legs of open holds: {lot:?}");
    }
    assert!(held.is_empty(), "every leg names a lot");
}

fn transfers_explain_the_wallet(book: &Book, member: &Member) {
    let wallet = Account::Wallet(member.id);
    let account = book.trial().of(wallet, None);
    let has = member.wallet.available.0 + member.wallet.held.0 - member.wallet.debt.0;
    assert_eq!(account, has, "wallet account = available + held - debt");
    let mut by_lot: BTreeMap<LotId, i64> = BTreeMap::new();
    let own = book.decisions.iter().filter(|decision| decision.operation.member == member.id);
    for transfer in own.flat_map(|decision| &decision.transfers) {
        if let Unit::Points { lot, issuer } = transfer.unit() {
            assert_eq!(member.lots[&lot].issuer, issuer, "a transfer names its lot's issuer");
            let sum = by_lot.entry(lot).or_default();
            *sum += if transfer.credit() == wallet { transfer.amount() } else { 0 };
            *sum -= if transfer.debit() == wallet { transfer.amount() } else { 0 };
        }
    }
    for lot in member.lots.values() {
        let owed: i64 = member.debts.values().filter(|d| d.lot == lot.id).map(|d| d.points.0).sum();
        let explained = by_lot.get(&lot.id).copied().unwrap_or(0);
        assert_eq!(explained, lot.remaining.0 - owed, "transfers of a lot = remaining - debt");
    }
}

/// What a member gave in each month is what its wallet sent off then, and what those had given that
/// were merged into it in that month.
fn gifts_are_counted(book: &Book, member: &Member) {
    let mut given: BTreeMap<_, i64> = BTreeMap::new();
    let own = book.decisions.iter().filter(|decision| decision.operation.member == member.id);
    for Decision { operation, transfers, .. } in own {
        let is_gift = |transfer: &&Transfer| {
            transfer.kind == AmountKind::Gift && transfer.credit() == Account::InTransit
        };
        let key = (operation.partner, month(operation.posted_at));
        let sent = transfers.iter().filter(is_gift);
        sent.for_each(|transfer| *given.entry(key).or_default() += transfer.amount());
    }
    for other in book.members.values() {
        let Some(forward) = other.forward.filter(|forward| forward.into == member.id) else {
            continue;
        };
        for (key, points) in &other.given_in_month {
            if key.1 == month(forward.merged_at) {
                *given.entry(*key).or_default() += points.0;
            }
        }
    }
    given.retain(|_, points| *points != 0);
    let counted = member.given_in_month.iter().map(|(key, points)| (*key, points.0));
    let counted: BTreeMap<_, _> = counted.filter(|(_, points)| *points != 0).collect();
    assert_eq!(counted, given, "gifts of a month");
}

/// A merged member has nothing, and lots that a merge opened are as those that they came from.
fn merges_are_followed(book: &Book, member: &Member) {
    if let Some(forward) = member.forward {
        assert_eq!(member.wallet, Wallet::default(), "a merged member has nothing");
        let kept = &book.members[&forward.into];
        assert!(kept.absorbed.contains(&member.id), "who is kept knows whom it stands for");
        assert!(kept.absorbed.is_superset(&member.absorbed), "and whom that one stood for");
    }
    for lot in member.lots.values() {
        let Origin::Merged { from, cell, lot: source } = lot.origin else { continue };
        let other = &book.members[&from];
        let as_issued =
            |lot: &Lot| (lot.issuer, lot.funding, lot.terms_version, lot.currency, lot.expires_at);
        assert_eq!(other.cell, cell);
        assert_eq!(as_issued(lot), as_issued(&other.lots[&source]), "as it was issued");
    }
}

fn fees_are_those_of_spent_points(book: &Book) {
    let mut fees = BTreeMap::new();
    let mut add = |partner, version, points| {
        let partner = book.catalogue.partner(partner).expect("in the cast");
        let agreement = &partner.terms_version(version).expect("published").agreement;
        *fees.entry(agreement.currency).or_insert(0) +=
            redemption::fee(points, agreement).expect("small").0;
    };
    for Decision { operation, transfers, .. } in &book.decisions {
        for transfer in transfers.iter().filter(|t| t.credit() == Account::Donated) {
            let version = operation.terms_version.expect("priced by the charity");
            add(transfer.payee, version, Points(transfer.amount()));
        }
    }
    for hold in book.members.values().flat_map(|member| member.holds.values()) {
        for leg in &hold.legs {
            let captured = leg.captured.minus(leg.refunded).expect("small");
            add(hold.partner, hold.terms_version, captured);
        }
    }
    let operations = book.decisions.iter().map(|decision| &decision.operation);
    let out = |exchanged: Exchanged| exchanged.direction == ExchangeDirection::Out;
    for operation in operations.filter(|operation| operation.exchange.is_some_and(out)) {
        for portion in &operation.portions {
            add(operation.partner, operation.terms_version.expect("priced"), portion.points);
        }
    }
    let trial = book.trial();
    for (currency, fee) in fees {
        assert_eq!(trial.of(Account::Fee, Some(currency)), fee, "fees of captured points");
    }
}

fn exposures_are_positions_and_open_holds(book: &Book) {
    let transfers = || book.decisions.iter().flat_map(|decision| &decision.transfers);
    let mut owed: BTreeMap<ExposureKey, i64> = BTreeMap::new();
    for (key, amount) in positions(transfers()).expect("small") {
        assert!(amount.points.0 >= 0 && amount.micros.0 >= 0, "positions are gross");
        if key.payer != key.payee {
            *owed.entry((key.payer, key.currency)).or_default() += amount.micros.0;
            *owed.entry((key.payee, key.currency)).or_default() -= amount.micros.0;
        }
    }
    for (key, amount) in exposure_change(transfers()).expect("small") {
        assert_eq!(owed.get(&key).copied().unwrap_or(0), amount.0, "transfers and positions");
    }
    let nets: i64 = owed.values().sum();
    assert_eq!(nets, 0, "all nets sum to zero");
    let holds = book.members.values().flat_map(|member| member.holds.values());
    for hold in holds.filter(|hold| hold.state == HoldState::Open) {
        let partner = book.catalogue.partner(hold.partner).expect("in the cast");
        let terms = partner.terms_version(hold.terms_version).expect("published");
        for (key, amount) in reservation(hold, terms).expect("small") {
            *owed.entry(key).or_default() += amount.0;
        }
    }
    for (key, exposure) in &book.exposures {
        assert_ne!(key.0, PartnerId::HUB);
        let owed = Micros(owed.get(key).copied().unwrap_or(0));
        assert_eq!(exposure.owed, owed, "exposure of {key:?}");
    }
}
