//! What holds for any terms and any commands.

use std::collections::BTreeMap;

use entente_ledger::{Currency, Funding, Micros, PartnerId, Points};
use proptest::{prelude::*, sample::Index};

use super::check::{check, rows_agree};
use crate::{
    Action, Agreement, Bought, BurnAmount, Command, Decision, EarnRounding, ExchangeAmount, Gifts,
    Meter, OperationKind, ReversePart,
    cast::{
        Book, FRIEND, GROCER, GUEST, HARBOR, ROVER, agreement, category, cents, currency, donate,
        earn, give, original, partner, rate, reverse, rule,
    },
};

pub(super) const PARTNERS: [PartnerId; 3] = [HARBOR, ROVER, GROCER];

/// What happens next; amounts are fitted to the book when their time comes.
#[derive(Debug, Clone)]
pub(super) enum Step {
    Earn { partner: usize, spend: i64, days_ago: i64 },
    Burn { partner: usize, points: i64 },
    BurnValue { partner: usize, value: i64 },
    Authorize { partner: usize, points: i64 },
    Exchange { partner: usize, amount: ExchangeAmount },
    Capture { of: Index, points: Option<i64> },
    Void { of: Index },
    ReverseRest { of: Index },
    ReverseSpend { of: Index, spend: i64 },
    ReversePoints { of: Index, points: i64 },
    Give { partner: usize, points: i64, back: bool },
    Donate { partner: usize, charity: usize, points: i64 },
}

pub(super) fn step() -> impl Strategy<Value = Step> {
    let (partner, of) = (0..3_usize, any::<Index>);
    let (points, money) = (1..400_i64, 1..50_000_000_i64);
    prop_oneof![
        4 => (partner.clone(), money.clone(), 0..9_i64)
            .prop_map(|(partner, spend, days_ago)| Step::Earn { partner, spend, days_ago }),
        2 => (partner.clone(), points.clone())
            .prop_map(|(partner, points)| Step::Burn { partner, points }),
        1 => (partner.clone(), 1..2_000_000_i64)
            .prop_map(|(partner, value)| Step::BurnValue { partner, value }),
        1 => (partner.clone(), 1..2_000_i64, any::<bool>()).prop_map(|(partner, points, inward)| {
            let amount = if inward { ExchangeAmount::In } else { ExchangeAmount::Out };
            Step::Exchange { partner, amount: amount(Points(points)) }
        }),
        2 => (partner.clone(), points.clone())
            .prop_map(|(partner, points)| Step::Authorize { partner, points }),
        3 => (partner.clone(), points.clone(), any::<bool>())
            .prop_map(|(partner, points, back)| Step::Give { partner, points, back }),
        1 => (partner.clone(), partner, points.clone())
            .prop_map(|(partner, charity, points)| Step::Donate { partner, charity, points }),
        2 => (of(), proptest::option::of(points.clone()))
            .prop_map(|(of, points)| Step::Capture { of, points }),
        1 => of().prop_map(|of| Step::Void { of }),
        1 => of().prop_map(|of| Step::ReverseRest { of }),
        3 => (of(), money).prop_map(|(of, spend)| Step::ReverseSpend { of, spend }),
        3 => (of(), points).prop_map(|(of, points)| Step::ReversePoints { of, points }),
    ]
}

/// Steps that happen at once, and how long it is until the next ones.
fn batches() -> impl Strategy<Value = Vec<(i64, Vec<Step>)>> {
    let wait = prop_oneof![2 => Just(0), 3 => 0..90_000_i64, 1 => 0..3_000_000_i64];
    prop::collection::vec((wait, prop::collection::vec(step(), 1..6)), 1..16)
}

fn terms() -> impl Strategy<Value = Agreement> {
    let rules = (0..4_i64, 1..4_i64, 1..3_000_000_i64, 0..30_000_000_i64);
    let prices = (0..15_000_i64, 0..15_000_i64, 0..12_000_i64, 0..400_i32);
    let lives = (1..60_i32, 0..200_000_i64);
    let caps = (
        proptest::option::weighted(0.2, 1..200_i64),
        proptest::option::weighted(0.3, 1..500_i64),
        proptest::option::weighted(0.3, 0..8_000_000_i64),
    );
    let gifts = proptest::option::weighted(0.8, (1..400_i64, 1..900_i64));
    let limit = (prop::sample::select(Meter::ALL.to_vec()), 1..600_i64);
    let limits = prop::collection::btree_map(limit.0, limit.1, 0..3);
    (rules, prices, lives, caps, (gifts, limits), any::<[bool; 5]>()).prop_map(
        |(
            rules,
            prices,
            lives,
            caps,
            (gifts, limits),
            [at_issue, half_up, in_euro, charity, prepaid],
        )| {
            Agreement {
                categories: vec![category(
                    "*",
                    vec![
                        rule(Micros::ZERO, rules.0, Micros(rules.2)),
                        rule(Micros(rules.3), rules.0 * rules.1, Micros(rules.2)),
                    ],
                )],
                rounding: if half_up { EarnRounding::HalfUp } else { EarnRounding::Down },
                max_points_per_operation: caps.0.map(Points),
                max_points_per_member_year: caps.1.map(Points),
                issue_price: Micros(prices.0),
                reimbursement: Micros(prices.1),
                point_value: Micros(prices.2),
                hub_fee_basis_points: prices.3,
                funding: if at_issue { Funding::AtIssue } else { Funding::AtRedemption },
                prepaid: at_issue && prepaid,
                lot_life_days: lives.0,
                hold_life_seconds: lives.1,
                claim_limit_days: lives.0 % 10,
                exchange_in: (rules.0 > 0).then(|| rate((rules.1 + 1, rules.0), (rules.3 % 9, 50))),
                exchange_out: half_up.then(|| rate((1, rules.1), (1, 70))),
                net_debit_caps: ["EUR", "USD"]
                    .iter()
                    .filter_map(|code| caps.2.map(|cap| (currency(code), Micros(cap))))
                    .collect::<BTreeMap<_, _>>(),
                gifts: gifts.map(|(once, monthly)| Gifts {
                    max_points_per_operation: Points(once),
                    max_points_per_member_month: Points(monthly),
                }),
                accepts_donations: charity,
                limits,
                ..agreement(if in_euro { "EUR" } else { "USD" })
            }
        },
    )
}

pub(super) fn any_book() -> impl Strategy<Value = Book> {
    [terms(), terms(), terms()].prop_map(|[harbor, rover, grocer]| {
        let partners = [(HARBOR, harbor), (ROVER, rover), (GROCER, grocer)];
        let prepaid: Vec<_> = partners.iter().filter(|(_, terms)| terms.prepaid).collect();
        let keys: Vec<_> = prepaid.iter().map(|(id, terms)| (*id, terms.currency)).collect();
        let mut book = Book::new(partners.map(|(id, terms)| partner(id, terms)).to_vec());
        for key in keys {
            let blocks = [(250, 9_000, false), (100, 20_000, true), (400, 8_000, false)];
            book.buy(key, &blocks);
        }
        book
    })
}

/// The settlement currency of a partner of the cast.
fn settles_in(book: &Book, partner: PartnerId) -> Currency {
    let partner = book.catalogue.partner(partner).expect("in the cast");
    partner.terms[0].agreement.currency
}

/// A purchase; some are claimed, and some paid partly in points.
fn bought(book: &Book, partner: PartnerId, (spend, days_ago): (i64, i64)) -> Bought {
    let ago = jiff::SignedDuration::from_secs(days_ago * 86_000);
    Bought {
        spend: Micros(spend),
        currency: settles_in(book, partner),
        paid_in_points: Micros(if days_ago % 2 == 0 { 0 } else { spend % 3_000_000 }),
        category: "ride".to_owned(),
        activity_at: Some(book.now.checked_sub(ago).expect("in range")),
        retro_claim: days_ago % 3 == 2,
    }
}

/// The step as a command. What it completes or undoes is of a kind that fits, where there is one.
pub(super) fn command(book: &mut Book, step: &Step) -> Option<Command> {
    let past = |of: &Index, kinds: &[OperationKind]| -> Option<Decision> {
        let fits = |decision: &&Decision| {
            decision.operation.refusal.is_none() && kinds.contains(&decision.operation.kind)
        };
        let mut posted: Vec<_> = book.decisions.iter().filter(fits).collect();
        if posted.is_empty() {
            posted.extend(&book.decisions);
        }
        if posted.is_empty() { None } else { Some((*of.get(&posted)).clone()) }
    };
    let undo = |of: &Index, kinds: &[OperationKind], part: ReversePart| {
        past(of, kinds).map(|decision| (decision.operation.partner, reverse(&decision, part)))
    };
    let spent = [OperationKind::Burn, OperationKind::Capture];
    let authorized = [OperationKind::Authorize];
    let (partner, action) = match step {
        Step::Earn { partner, spend, days_ago } => {
            let partner = PARTNERS[*partner];
            (partner, Action::Earn(bought(book, partner, (*spend, *days_ago))))
        }
        Step::Burn { partner, points } => {
            (PARTNERS[*partner], Action::Burn(BurnAmount::Points(Points(*points))))
        }
        Step::BurnValue { partner, value } => {
            let partner = PARTNERS[*partner];
            let value = BurnAmount::Value(Micros(*value), settles_in(book, partner));
            (partner, Action::Burn(value))
        }
        Step::Exchange { partner, amount } => (PARTNERS[*partner], Action::Exchange(*amount)),
        Step::Authorize { partner, points } => {
            (PARTNERS[*partner], Action::Authorize(BurnAmount::Points(Points(*points))))
        }
        Step::Capture { of, points } => {
            let held = past(of, &authorized)?;
            let action = Action::Capture { original: original(&held), points: points.map(Points) };
            (held.operation.partner, action)
        }
        Step::Void { of } => {
            let held = past(of, &authorized)?;
            (held.operation.partner, Action::Void { original: original(&held) })
        }
        Step::ReverseRest { of } => undo(of, &[], ReversePart::Rest)?,
        Step::ReverseSpend { of, spend } => {
            let earned = [OperationKind::Earn];
            let partner = past(of, &earned)?.operation.partner.max(HARBOR);
            let part = ReversePart::Spend(Micros(*spend), settles_in(book, partner));
            undo(of, &earned, part)?
        }
        Step::ReversePoints { of, points } => {
            undo(of, &spent, ReversePart::Points(Points(*points)))?
        }
        Step::Give { partner, points, back: false } => (PARTNERS[*partner], give(FRIEND, *points)),
        Step::Give { partner, points, back: true } => {
            let back = book.command(PARTNERS[*partner], give(GUEST, *points));
            return Some(Command { member: FRIEND, ..back });
        }
        Step::Donate { partner, charity, points } => {
            (PARTNERS[*partner], donate(PARTNERS[*charity], *points))
        }
    };
    Some(book.command(partner, action))
}

/// Any number at all, and often an extreme one.
fn wild() -> impl Strategy<Value = i64> {
    let edges = prop::sample::select(vec![i64::MIN, -1, 0, 1, 2, i64::MAX - 1, i64::MAX]);
    prop_oneof![edges, any::<i64>(), 1..1_000_000_i64]
}

fn wild_action() -> impl Strategy<Value = Action> {
    let eur = || currency("EUR");
    prop_oneof![
        3 => wild().prop_map(|spend| earn(Micros(spend), "EUR")),
        1 => (wild(), wild(), any::<i32>()).prop_map(move |(spend, paid, at)| Action::Earn(Bought {
            spend: Micros(spend),
            currency: eur(),
            paid_in_points: Micros(paid),
            category: String::new(),
            activity_at: jiff::Timestamp::from_second(i64::from(at)).ok(),
            retro_claim: at % 2 == 0,
        })),
        1 => wild().prop_map(|points| Action::Exchange(ExchangeAmount::In(Points(points)))),
        1 => wild().prop_map(|points| Action::Exchange(ExchangeAmount::Out(Points(points)))),
        2 => wild().prop_map(|points| Action::Burn(BurnAmount::Points(Points(points)))),
        1 => wild().prop_map(move |v| Action::Burn(BurnAmount::Value(Micros(v), eur()))),
        2 => wild().prop_map(|points| Action::Authorize(BurnAmount::Points(Points(points)))),
    ]
}

fn wild_terms() -> impl Strategy<Value = Agreement> {
    let numbers = (wild(), wild(), wild(), wild(), wild(), wild());
    let limits = (any::<[i32; 3]>(), wild(), any::<bool>(), proptest::option::of(wild()));
    (numbers, limits).prop_map(|((points, per, minimum, issue, paid, value), limits)| {
        let ([bp, days, late], seconds, at_issue, cap) = limits;
        Agreement {
            categories: vec![category("*", vec![rule(Micros(minimum), points, Micros(per))])],
            issue_price: Micros(issue.saturating_abs()),
            reimbursement: Micros(paid.saturating_abs()),
            point_value: Micros(value),
            hub_fee_basis_points: bp.saturating_abs(),
            lot_life_days: days,
            late_limit_days: late,
            claim_limit_days: late,
            exchange_in: at_issue.then(|| rate((points.max(1), per.max(1)), (value.max(1), paid))),
            exchange_out: Some(rate((issue.max(1), value.max(1)), (per.max(1), minimum))),
            hold_life_seconds: seconds,
            max_points_per_member_year: cap.map(Points),
            funding: if at_issue { Funding::AtIssue } else { Funding::AtRedemption },
            net_debit_caps: cap.map(|cap| (currency("EUR"), Micros(cap))).into_iter().collect(),
            ..agreement("EUR")
        }
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn a_batch_equals_the_same_commands_one_by_one_and_keeps_every_invariant(
        mut together in any_book(), batches in batches(),
    ) {
        let mut alone = together.clone();
        for (wait, steps) in batches {
            let commands: Vec<_> =
                steps.iter().filter_map(|step| command(&mut together, step)).collect();
            let outcomes = together.post_batch(&commands);
            for (command, outcome) in commands.iter().zip(outcomes) {
                let single = alone.post_batch(std::slice::from_ref(command)).pop();
                prop_assert_eq!(Some(outcome), single);
                check(&alone);
            }
            prop_assert_eq!(&together.members, &alone.members);
            prop_assert_eq!(&together.exposures, &alone.exposures);
            prop_assert_eq!(&together.decisions, &alone.decisions);
            together.wait(wait);
            alone.wait(wait);
        }
        together.sweep();
        check(&together);
        prop_assert!(together.sweep().is_empty(), "what is due is ended once");
    }

    #[test]
    fn an_earn_reversed_in_full_restores_every_balance(
        mut book in any_book(), before in batches(), spend in 1..50_000_000_i64,
        parts in prop::collection::vec(1..20_000_000_i64, 0..4), at in 0..3_usize,
    ) {
        for (wait, steps) in before {
            let commands: Vec<_> =
                steps.iter().filter_map(|step| command(&mut book, step)).collect();
            book.post_batch(&commands);
            book.wait(wait);
        }
        book.sweep();
        prop_assume!(book.guest().wallet.debt.is_zero());
        let before = (book.guest().wallet, book.exposures.clone(), book.lots(), book.trial());
        let code = settles_in(&book, PARTNERS[at]);
        let Ok(earned) = book.post(PARTNERS[at], earn(Micros(spend), code.code())) else {
            return Ok(());
        };
        for part in parts {
            let _ = book.post(PARTNERS[at], reverse(&earned, ReversePart::Spend(Micros(part), code)));
        }
        let _ = book.post(PARTNERS[at], reverse(&earned, ReversePart::Rest));
        prop_assert_eq!((before.0, before.1), (book.guest().wallet, book.exposures.clone()));
        prop_assert_eq!(before.2, book.lots());
        for transfer in &earned.transfers {
            for account in [transfer.debit(), transfer.credit()] {
                for unit in [None, Some(code)] {
                    prop_assert_eq!(before.3.of(account, unit), book.trial().of(account, unit));
                }
            }
        }
    }

    #[test]
    fn a_refund_in_parts_gives_back_what_the_burn_took(
        mut book in any_book(), spends in prop::collection::vec((0..3_usize, 1..50_000_000_i64), 1..5),
        at in 0..3_usize, points in 1..200_i64, parts in prop::collection::vec(1..50_i64, 0..6),
    ) {
        for (at, spend) in spends {
            let code = settles_in(&book, PARTNERS[at]);
            let _ = book.post(PARTNERS[at], earn(Micros(spend), code.code()));
        }
        let before = (book.guest().wallet, book.guest().lots.clone(), book.exposures.clone());
        let action = Action::Burn(BurnAmount::Points(Points(points)));
        let Ok(burned) = book.post(PARTNERS[at], action) else { return Ok(()) };
        for part in parts {
            let part = ReversePart::Points(Points(part));
            let _ = book.post(PARTNERS[at], reverse(&burned, part));
            check(&book);
        }
        let _ = book.post(PARTNERS[at], reverse(&burned, ReversePart::Rest));
        let after = (book.guest().wallet, book.guest().lots.clone(), book.exposures.clone());
        prop_assert_eq!(before, after);
    }

    #[test]
    fn no_spend_gains_by_being_split_where_points_are_rounded_down(
        points in 1..10_i64, per in 1..5_000_000_i64,
        parts in prop::collection::vec(1..20_000_000_i64, 1..6),
    ) {
        let rules = vec![rule(Micros::ZERO, points, Micros(per))];
        let terms = Agreement { categories: vec![category("*", rules)], ..agreement("EUR") };
        let mut book = Book::new(vec![partner(HARBOR, terms)]);
        let mut earned = |spend: i64| {
            let decision = book.post(HARBOR, earn(Micros(spend), "EUR")).expect("an earn");
            decision.operation.points.0
        };
        let split: i64 = parts.iter().map(|spend| earned(*spend)).sum();
        prop_assert!(split <= earned(parts.iter().sum()));
    }

    #[test]
    fn no_value_costs_fewer_points_than_it_is_worth(
        value in 1..1_000_000_i64, price in 1..20_000_i64, cuts in prop::collection::vec(1..1_000_000_i64, 0..4),
    ) {
        let terms = Agreement { point_value: Micros(price), ..agreement("EUR") };
        let mut book = Book::new(vec![partner(HARBOR, terms)]);
        book.post(HARBOR, earn(cents(1_000_000_000), "EUR")).expect("enough");
        let mut cost = |value: i64| {
            let amount = BurnAmount::Value(Micros(value), currency("EUR"));
            book.post(HARBOR, Action::Burn(amount)).expect("enough").operation.points.0
        };
        let parts: Vec<_> = cuts.into_iter().chain([value]).collect();
        let split: i64 = parts.iter().map(|value| cost(*value)).sum();
        let whole = cost(parts.iter().sum());
        prop_assert!(whole <= split);
        prop_assert!(whole * price >= parts.iter().sum());
    }

    #[test]
    fn nothing_panics_whatever_the_terms_and_the_amounts(
        terms in wild_terms(), other in wild_terms(),
        steps in prop::collection::vec((any::<bool>(), wild_action(), any::<Index>(), wild(), wild()), 1..12),
    ) {
        let mut book = Book::new(vec![partner(HARBOR, terms), partner(ROVER, other)]);
        for (at_harbor, action, of, amount, wait) in steps {
            let at = if at_harbor { HARBOR } else { ROVER };
            let _ = book.post(at, action);
            if !book.decisions.is_empty() {
                let past = of.get(&book.decisions).clone();
                let by = past.operation.partner;
                let points = Points(amount);
                let _ = book.post(by, reverse(&past, ReversePart::Points(points)));
                let spend = ReversePart::Spend(Micros(amount), currency("EUR"));
                let _ = book.post(by, reverse(&past, spend));
                let original = original(&past);
                let _ = book.post(by, Action::Capture { original, points: Some(points) });
                let _ = book.post(by, Action::Void { original });
            }
            rows_agree(book.guest());
            book.wait(wait.rem_euclid(10_000_000));
        }
    }
}
