//! Of all that is wrong with a command, it is refused for what comes first in the published order:
//! for each kind of command, every pair of its refusals.

use std::{collections::BTreeMap, mem::discriminant};

use entente_ledger::{Funding, MemberId, Micros, Points, RequestId};
use jiff::Timestamp;
use uuid::Uuid;

use crate::{
    Action, Agreement, Bought, BurnAmount, Catalogue, Command, ExchangeAmount, ExchangeRate, Gifts,
    Meter, Refusal,
    cast::{
        Book, FRIEND, GROCER, GUEST, HARBOR, ROVER, agreement, authorize, burn, category, cents,
        currency, donate, earn, give, partner, rule, time,
    },
};

/// A command of Harbor about the guest, who has points of Rover: 50 of whatever it is about.
struct Case {
    action: fn(&Case) -> Action,
    harbor: Agreement,
    rover: Agreement,
    charity: Agreement,
    suspended: bool,
    /// Harbor's terms are not in force any more.
    ended: bool,
    /// Another earn credited the receipt.
    credited: bool,
    to: MemberId,
    amount: i64,
    currency: &'static str,
    category: &'static str,
    activity_at: Option<Timestamp>,
    available: i64,
}

/// What is wrong, and why that is refused.
type Flaw = (Refusal, fn(&mut Case));

const NO_POINTS: Points = Points::ZERO;

const SUSPENDED: Flaw = (Refusal::PartnerSuspended, |case| case.suspended = true);
const ENDED: Flaw = (Refusal::NoTermsInForce, |case| case.ended = true);
const TOO_LARGE: Flaw = (Refusal::AmountTooLarge, |case| case.amount = 2_000_000_000);
const INSUFFICIENT: Flaw =
    (Refusal::PointsInsufficient { available: NO_POINTS }, |case| case.available = 20);
const NO_EXCHANGE: Flaw = (Refusal::ExchangeNotAgreed, |case| {
    (case.harbor.exchange_in, case.harbor.exchange_out) = (None, None);
});
const BELOW_MINIMUM: Flaw = (Refusal::ExchangeBelowMinimum { minimum: NO_POINTS }, |case| {
    each_rate(case, |rate| rate.minimum = Points(3_000_000_000));
});
const OFF_INCREMENT: Flaw = (Refusal::ExchangeOffIncrement { increment: NO_POINTS }, |case| {
    each_rate(case, |rate| (rate.increment, rate.exact_increments) = (Points(7), true));
});

fn wrong_currency() -> Flaw {
    let refusal = Refusal::CurrencyNotOfTerms { currency: currency("EUR") };
    (refusal, |case| case.currency = "USD")
}

/// Nobody may owe anything.
fn capped() -> Flaw {
    let (partner, currency, cap) = (ROVER, currency("EUR"), Micros::ZERO);
    (Refusal::NetDebitCapExceeded { partner, currency, cap }, |case| {
        case.rover.net_debit_caps = nothing();
        case.harbor.net_debit_caps = nothing();
    })
}

/// There is nothing to issue.
const EXHAUSTED: Flaw = (Refusal::FloatExhausted { left: NO_POINTS, asked: NO_POINTS }, |case| {
    case.harbor.prepaid = true;
});

/// Nothing may be asked for any more.
fn hurried() -> Flaw {
    let (limit, resets_at) = (Meter::Operations, time("2026-01-15T10:00:00Z"));
    (Refusal::VelocityLimit { limit, rest: 0, resets_at }, |case| {
        case.harbor.limits.insert(Meter::Operations, 0);
    })
}

fn nothing() -> BTreeMap<entente_ledger::Currency, Micros> {
    BTreeMap::from([(currency("EUR"), Micros::ZERO)])
}

fn each_rate(case: &mut Case, change: fn(&mut ExchangeRate)) {
    let Agreement { exchange_in, exchange_out, .. } = &mut case.harbor;
    [exchange_in, exchange_out].into_iter().flatten().for_each(change);
}

fn case(action: fn(&Case) -> Action) -> Case {
    let rate = ExchangeRate {
        give: 1,
        receive: 1,
        minimum: Points(1),
        increment: Points(1),
        exact_increments: false,
        bonus: None,
    };
    let gifts =
        Gifts { max_points_per_operation: Points(500), max_points_per_member_month: Points(800) };
    let harbor = Agreement {
        funding: Funding::AtIssue,
        categories: vec![category("stay", vec![rule(Micros::ZERO, 1, cents(100))])],
        claim_limit_days: 10,
        exchange_in: Some(rate),
        exchange_out: Some(rate),
        gifts: Some(gifts),
        ..agreement("EUR")
    };
    Case {
        action,
        harbor,
        rover: agreement("EUR"),
        charity: Agreement { accepts_donations: true, ..agreement("EUR") },
        suspended: false,
        ended: false,
        credited: false,
        to: FRIEND,
        amount: 50,
        currency: "EUR",
        category: "stay",
        activity_at: None,
        available: 100,
    }
}

impl Case {
    fn post(&self) -> Result<(), Refusal> {
        let [harbor, rover, charity] =
            [(HARBOR, &self.harbor), (ROVER, &self.rover), (GROCER, &self.charity)]
                .map(|(id, agreement)| partner(id, agreement.clone()));
        let mut book = Book::new(vec![harbor, rover, charity]);
        book.post(ROVER, earn(cents(100 * self.available), "EUR")).expect("points of Rover");
        let mut partners: Vec<_> = book.catalogue.partners().cloned().collect();
        let harbor = partners.iter_mut().find(|partner| partner.id == HARBOR).expect("in the cast");
        harbor.suspended = self.suspended;
        harbor.terms[0].effective_to = self.ended.then(|| time("2026-01-01T00:00:00Z"));
        book.catalogue = Catalogue::new(2, partners);
        let receipt_reference = "R-1".to_owned();
        if self.credited {
            let credited = (HARBOR, receipt_reference.clone());
            book.receipts.insert(credited, RequestId(Uuid::nil()));
        }
        let command = book.command(HARBOR, (self.action)(self));
        let outcome = book.post_batch(&[Command { receipt_reference, ..command }]).pop();
        outcome.expect("one command, one outcome").map(drop)
    }
}

/// Nothing is wrong with the case but what the flaws, in their order, do to it.
fn each_pair(action: fn(&Case) -> Action, flaws: &[Flaw]) {
    assert!(flaws.is_sorted_by_key(|(refusal, _)| *refusal), "the table is not in order");
    assert_eq!(case(action).post(), Ok(()));
    for (place, (first, spoil)) in flaws.iter().enumerate() {
        for (later, spoil_too) in &flaws[place..] {
            for order in [[spoil, spoil_too], [spoil_too, spoil]] {
                let mut case = case(action);
                for spoil in order {
                    spoil(&mut case);
                }
                let refusal = case.post().expect_err("it is spoiled");
                let expected = discriminant(&refusal) == discriminant(first);
                assert!(expected, "{refusal:?} instead of {first:?}, beside {later:?}");
            }
        }
    }
}

fn purchase(case: &Case) -> Action {
    Action::Earn(Bought {
        spend: cents(case.amount * 100),
        currency: currency(case.currency),
        paid_in_points: Micros::ZERO,
        category: case.category.to_owned(),
        activity_at: case.activity_at,
        retro_claim: false,
    })
}

fn claim(case: &Case) -> Action {
    let Action::Earn(bought) = purchase(case) else { unreachable!("a purchase is an earn") };
    let activity_at = case.activity_at.or(Some(time("2026-01-15T09:00:00Z")));
    Action::Earn(Bought { activity_at, retro_claim: true, ..bought })
}

/// What is wrong with an earn whose activity has a time that is.
fn of_earns(activity: Flaw) -> Vec<Flaw> {
    let credited = Refusal::ReceiptCredited { request_id: RequestId(Uuid::nil()) };
    vec![
        SUSPENDED,
        (credited, |case| case.credited = true),
        activity,
        ENDED,
        wrong_currency(),
        (Refusal::CategoryUnknown, |case| case.category = "spa"),
        TOO_LARGE,
        hurried(),
        EXHAUSTED,
        capped(),
    ]
}

fn too_old(case: &mut Case) {
    case.activity_at = Some(time("2025-12-20T00:00:00Z"));
}

#[test]
fn an_earn() {
    let ahead: Flaw = (Refusal::ActivityInFuture, |case| {
        case.activity_at = Some(time("2026-01-15T09:06:00Z"));
    });
    each_pair(purchase, &of_earns(ahead));
    each_pair(purchase, &of_earns((Refusal::ActivityTooOld { late_limit_days: 0 }, too_old)));
}

#[test]
fn a_claim() {
    let mut flaws = of_earns((Refusal::ClaimTooOld { claim_limit_days: 0 }, too_old));
    flaws.sort_by_key(|(refusal, _)| *refusal);
    each_pair(claim, &flaws);
}

#[test]
fn a_burn_and_an_authorization() {
    let flaws = [SUSPENDED, ENDED, TOO_LARGE, INSUFFICIENT, hurried(), capped()];
    each_pair(|case| burn(case.amount), &flaws);
    each_pair(|case| authorize(case.amount), &flaws);
}

#[test]
fn a_burn_by_value() {
    let worthless: Flaw = (Refusal::NothingToBurn, |case| case.harbor.point_value = Micros::ZERO);
    each_pair(
        |case| Action::Burn(BurnAmount::Value(cents(case.amount), currency(case.currency))),
        &[
            SUSPENDED,
            ENDED,
            wrong_currency(),
            TOO_LARGE,
            worthless,
            INSUFFICIENT,
            hurried(),
            capped(),
        ],
    );
}

#[test]
fn an_exchange() {
    let agreed = [SUSPENDED, ENDED, NO_EXCHANGE, BELOW_MINIMUM, OFF_INCREMENT, TOO_LARGE];
    let inward = |case: &Case| Action::Exchange(ExchangeAmount::In(Points(case.amount)));
    each_pair(inward, &[agreed.as_slice(), &[hurried(), EXHAUSTED, capped()]].concat());
    let outward = |case: &Case| Action::Exchange(ExchangeAmount::Out(Points(case.amount)));
    each_pair(outward, &[agreed.as_slice(), &[INSUFFICIENT, hurried(), capped()]].concat());
}

#[test]
fn a_donation() {
    let no_charity: Flaw = (Refusal::NotACharity, |case| case.charity.accepts_donations = false);
    each_pair(
        |case| donate(GROCER, case.amount),
        &[SUSPENDED, ENDED, no_charity, TOO_LARGE, INSUFFICIENT, hurried(), capped()],
    );
}

#[test]
fn a_transfer() {
    let resets_at = time("2026-02-01T00:00:00Z");
    let most_at_once: fn(&mut Case) = |case| {
        case.harbor.gifts =
            case.harbor.gifts.map(|gifts| Gifts { max_points_per_operation: Points(10), ..gifts });
    };
    let most_a_month: fn(&mut Case) = |case| {
        case.harbor.gifts = case
            .harbor
            .gifts
            .map(|gifts| Gifts { max_points_per_member_month: Points(5), ..gifts });
    };
    each_pair(
        |case| give(case.to, case.amount),
        &[
            SUSPENDED,
            ENDED,
            (Refusal::TransferNotAgreed, |case| case.harbor.gifts = None),
            (Refusal::TransferToSelf, |case| case.to = GUEST),
            TOO_LARGE,
            (Refusal::TransferTooLarge { most: NO_POINTS }, most_at_once),
            INSUFFICIENT,
            (Refusal::TransferLimitReached { rest: NO_POINTS, resets_at }, most_a_month),
            hurried(),
        ],
    );
}

#[test]
fn points_in_more_lots_than_one_command_may_touch_are_too_many_though_they_do_not_suffice() {
    let categories = vec![category("*", vec![rule(Micros::ZERO, 1, Micros(1))])];
    let gifts =
        Gifts { max_points_per_operation: Points(10), max_points_per_member_month: Points(10) };
    let terms = Agreement { categories, gifts: Some(gifts), ..agreement("EUR") };
    let mut book = Book::new(vec![partner(HARBOR, terms)]);
    for _ in 0..1_001 {
        book.post(HARBOR, earn(Micros(1), "EUR")).expect("a point");
    }
    for action in [burn(1_002), authorize(1_002), give(FRIEND, 1_002)] {
        assert_eq!(book.post(HARBOR, action), Err(Refusal::AmountTooLarge));
    }
}
