//! Chance that is the same each time.

use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};

/// A source of chance that follows from a seed.
#[derive(Debug)]
pub(crate) struct Dice(StdRng);

impl Dice {
    pub(crate) fn new(seed: u64) -> Self {
        Self(StdRng::seed_from_u64(seed))
    }

    /// A number from `least` to `most`, both possible.
    pub(crate) fn between(&mut self, least: i64, most: i64) -> i64 {
        self.0.random_range(least..=most.max(least))
    }

    /// True in so many of a hundred cases.
    pub(crate) fn percent(&mut self, percent: i64) -> bool {
        self.between(1, 100) <= percent
    }

    /// One of several; there is at least one.
    pub(crate) fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.0.random_range(0..from.len())]
    }

    /// An amount of money in micros, in whole cents, from `least` to `most` units.
    pub(crate) fn money(&mut self, least: i64, most: i64) -> i64 {
        self.between(least * 100, most * 100) * 10_000
    }
}
