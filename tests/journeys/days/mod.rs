//! Random days: coalitions and operations made up by a seed, and what they come to held against a second
//! bookkeeper's count, with nets that come to zero however they are netted, and statements of the same bytes.
//!
//! `ENTENTE_RANDOM_DAYS` says how many, `ENTENTE_RANDOM_DAYS_OF_HUBS` how many go through a hub, and
//! `ENTENTE_RANDOM_DAY` which one to begin with; a day that fails says its seed.

mod book;
mod coalition;
mod plan;
mod played;
mod recount;
mod told;

use std::{
    collections::{BTreeMap, BTreeSet},
    env,
    io::Write as _,
    ops::Range,
};

use entente_ledger::{AmountKind, PartnerId, PositionAmount, PositionKey};
use entente_loyalty::Catalogue;
use entente_settlement::{Closing, Netting, close, comes_to, owed};
use entente_testkit::morning;
use jiff::SignedDuration;
use rand::{SeedableRng as _, rngs::StdRng};

use book::Book;
use coalition::Coalition;
use plan::Step;
use recount::Recount;
use told::Told;

/// Net amounts by currency and party: 0 is the hub, brands count from 1.
type Nets = BTreeMap<(String, usize), i128>;

/// What happened on all days together.
#[derive(Default)]
struct Seen {
    accepted: u64,
    refused: u64,
    kinds: BTreeSet<AmountKind>,
    windows: u64,
}

/// Says which seed it was, when a test of it fails.
struct Seed(u64);

impl Drop for Seed {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let told = writeln!(std::io::stderr(), "this was ENTENTE_RANDOM_DAY={}", self.0);
            drop(told);
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "how much is tested is not the hub's configuration")]
fn number(name: &str, otherwise: u64) -> u64 {
    env::var(name).map_or(otherwise, |number| number.parse().expect("a number"))
}

/// The seeds of a test: so many, unless told otherwise.
fn seeds(name: &str, usual: u64) -> Range<u64> {
    let first = number("ENTENTE_RANDOM_DAY", 0);
    first..first + number(name, usual)
}

#[test]
fn random_days_come_to_what_a_second_bookkeeper_has() {
    let mut seen = Seen::default();
    let seeds = seeds("ENTENTE_RANDOM_DAYS", 200);
    for seed in seeds.clone() {
        let _told = Seed(seed);
        let mut dice = StdRng::seed_from_u64(seed);
        let coalition = Coalition::any(&mut dice);
        let steps = plan::any(&mut dice, &coalition, 60);
        let catalogue = coalition.catalogue();
        let first = play(&coalition, &catalogue, &steps, &mut seen);
        let again = play(&coalition, &catalogue, &steps, &mut seen);
        assert!(first == again, "the same day has the same statements, to the byte");
        assert!(first.iter().all(|told| told.csv.ends_with('\n')));
    }
    assert!(seen.accepted > 10 * seen.refused, "most of what is asked for is possible");
    if seeds.end - seeds.start >= 100 {
        use AmountKind::{
            DebtRepaid, Expired, Fee, FeeRefunded, Gift, Issue, IssueCancelled, IssueReinstated,
            Redemption, RedemptionRefunded,
        };
        let all = [Issue, IssueCancelled, Redemption, RedemptionRefunded, Fee, FeeRefunded];
        let all = all.into_iter().chain([DebtRepaid, IssueReinstated, Expired, Gift]);
        assert_eq!(seen.kinds, all.collect(), "days in which everything happens");
        assert!(seen.windows > seeds.end - seeds.start, "and some windows that carry over");
    }
}

/// Plays a day, holds every window against the second bookkeeper, and answers its statements.
fn play(
    coalition: &Coalition,
    catalogue: &Catalogue,
    steps: &[Step],
    seen: &mut Seen,
) -> Vec<Told> {
    let (mut book, mut recount) = (Book::new(coalition, catalogue), Recount::new(coalition));
    let (mut now, mut told) = (morning(), Vec::new());
    for step in steps {
        match step {
            Step::Wait(seconds) => now += SignedDuration::from_secs(*seconds),
            Step::Close => {
                told.extend(window(&book, &recount, seen));
                book.close(now);
                recount.window += 1;
            }
            step => {
                let Some(asked) = recount.ask(*step, now) else { continue };
                for member in asked.members() {
                    recount.bring_to(member, now);
                }
                match book.post(&asked, now) {
                    Ok(points) => {
                        seen.accepted += 1;
                        assert_eq!(i128::from(points), recount.apply(asked, now), "{asked:?}");
                    }
                    Err(_) => seen.refused += 1,
                }
            }
        }
    }
    told
}

/// A window that closes: totals, nets in three ways, and what its statements come to.
fn window(book: &Book<'_>, recount: &Recount<'_>, seen: &mut Seen) -> Vec<Told> {
    let (window, coalition) = (recount.window, book.coalition);
    let decisions = book.of(window);
    let transfers = decisions.iter().flat_map(|decision| &decision.transfers);
    seen.kinds.extend(transfers.map(|transfer| transfer.kind));
    seen.windows += 1;
    let closing = close(book.positions(window)).expect("small");
    exact(&closing, &book.positions(window), recount);
    let expected = recount.nets(window);
    assert_eq!(nets(closing.nets.iter().map(|(party, net)| (*party, net.0))), expected);
    for currency in coalition.currencies().keys() {
        let of = expected.iter().filter(|((found, _), _)| found == currency);
        assert_eq!(of.map(|(_, net)| net).sum::<i128>(), 0, "{currency}");
    }
    for netting in [Netting::Gross, Netting::Bilateral, Netting::Multilateral] {
        let owed = owed(&closing.totals, netting).expect("small");
        let sums = comes_to(&owed).expect("small").into_iter();
        assert_eq!(nets(sums.map(|(party, net)| (party, net.0))), expected, "{netting:?}");
    }
    let statements = (1..=coalition.brands.len()).map(|brand| {
        let partner = PartnerId(i32::try_from(brand).expect("few"));
        let told = told::statement(partner, window, &decisions, &closing);
        for currency in coalition.currencies().keys() {
            let gross = recount.gross(window).into_iter().filter(|((of, ..), _)| of == currency);
            let net: i128 = gross
                .map(|((_, payer, payee), micros)| match brand {
                    brand if brand == payer => micros,
                    brand if brand == payee => -micros,
                    _ => 0,
                })
                .sum();
            let comes_to = told.comes_to.get(currency).copied().unwrap_or_default();
            assert_eq!(comes_to, net, "the statement of brand {brand} in {currency}");
        }
        told
    });
    statements.collect()
}

/// Gross totals are those of the second bookkeeper, to the micro.
fn exact(
    closing: &Closing,
    positions: &BTreeMap<PositionKey, PositionAmount>,
    recount: &Recount<'_>,
) {
    let party = |partner: PartnerId| usize::try_from(partner.0).expect("not negative");
    let mut gross = BTreeMap::new();
    for (key, total) in &closing.totals {
        let key = (key.currency.to_string(), party(key.payer), party(key.payee));
        gross.insert(key, i128::from(total.exact.0));
    }
    assert_eq!(gross, recount.gross(recount.window), "of positions {positions:?}");
}

fn nets(parties: impl Iterator<Item = (entente_settlement::Party, i64)>) -> Nets {
    let nets = parties.map(|(party, net)| {
        let number = usize::try_from(party.partner.0).expect("not negative");
        ((party.currency.to_string(), number), i128::from(net))
    });
    nets.filter(|(_, net)| *net != 0).collect()
}
