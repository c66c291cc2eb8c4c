//! Floats of prepaid partners: blocks of points bought ahead, each at its own price.
//!
//! Points issued are drawn from the blocks, the earliest first, and from the reserve block where the
//! others are empty. An earn that exceeds all of them is refused whole; a reversed earn returns to its
//! blocks, the last drawn first. The price paid for a block is what the pool receives for its points: it
//! was owed when the block was bought, so what is drawn and returned moves no money.

use entente_ledger::{Currency, Micros, Overflow, PartnerId, Points};

/// A block's number; blocks are drawn from in order of their numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct BlockId(pub i32);

/// The shares of what was there after the last purchase, in percent, that a partner is told of when no
/// more than that is left. The reserve is counted in neither.
pub const FLOAT_THRESHOLDS: [u8; 4] = [50, 20, 5, 0];

/// What has been told of a float that was just bought for: nothing.
const UNTOLD: u8 = 100;

/// Points bought ahead.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Block {
    /// Which it is.
    pub id: BlockId,
    /// Whether it is the one that is used when the others are empty.
    pub is_reserve: bool,
    /// What was paid for a point of it.
    pub price: Micros,
    /// How many points were bought.
    pub bought: Points,
    /// How many of them are not issued yet.
    pub left: Points,
}

/// Points drawn from one block, or returned to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Drawn {
    /// The block.
    pub block: BlockId,
    /// The points, more than 0.
    pub points: Points,
    /// What the pool receives for them, or gives back: the points at the block's price.
    pub amount: Micros,
}

/// Blocks that are no float.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidFloat {
    /// Two blocks have one number.
    #[error("two blocks have the number {}", .0.0)]
    Twice(BlockId),
    /// More is left than was bought, or less than nothing, or the price is negative.
    #[error("block {} has a price or a remainder that cannot be", .0.0)]
    Amounts(BlockId),
}

/// Why nothing was drawn or returned. The float is as it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotDrawn {
    /// The blocks do not have so many points, the reserve counted.
    #[error("{asked} points were asked for, and {left} are left")]
    Exhausted {
        /// What was asked for.
        asked: Points,
        /// What is left in all blocks.
        left: Points,
    },
    /// Nothing or less was asked for.
    #[error("more than nothing is drawn, or returned")]
    NotPositive,
    /// More was to be returned than was drawn, or to a block that has no room for it.
    #[error("more points were to be returned than were drawn")]
    Unfounded,
    /// An amount is beyond the ledger's range.
    #[error(transparent)]
    Overflow(#[from] Overflow),
}

/// How far a float's partner was told that it is used up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mark {
    /// What was left right after the last purchase, the reserve not counted.
    pub level: Points,
    /// The least threshold that was told since, in percent; 100 for none.
    pub told: u8,
}

/// A share of a float that is left, and no more, for the first time since the last purchase.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FloatCrossing {
    /// Whose float,
    pub partner: PartnerId,
    /// in which currency.
    pub currency: Currency,
    /// The share.
    pub percent: u8,
    /// What is left, the reserve not counted.
    pub left: Points,
    /// What was left right after the last purchase.
    pub level: Points,
    /// What is left of the reserve.
    pub reserve_left: Points,
}

/// The blocks of one partner in one currency: those that have points left, at least.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Float {
    /// In the order in which they are drawn from: the reserve is last.
    blocks: Vec<Block>,
    mark: Mark,
}

impl Default for Mark {
    /// That of a float of nothing, of which there is nothing to tell.
    fn default() -> Self {
        Self { level: Points::ZERO, told: 0 }
    }
}

impl Mark {
    /// That of a float to which something was added: what is left now is what the thresholds are of.
    #[must_use]
    pub const fn bought(level: Points) -> Self {
        Self { level, told: if level.0 > 0 { UNTOLD } else { 0 } }
    }
}

impl Float {
    /// A float of these blocks.
    pub fn new(blocks: impl IntoIterator<Item = Block>, mark: Mark) -> Result<Self, InvalidFloat> {
        let mut blocks: Vec<_> = blocks.into_iter().collect();
        blocks.sort_by_key(|block| block.id);
        for pair in blocks.windows(2) {
            if let [one, other] = pair
                && one.id == other.id
            {
                return Err(InvalidFloat::Twice(one.id));
            }
        }
        let wrong =
            |block: &&Block| block.left.0 < 0 || block.left > block.bought || block.price.0 < 0;
        if let Some(block) = blocks.iter().find(wrong) {
            return Err(InvalidFloat::Amounts(block.id));
        }
        blocks.sort_by_key(|block| block.is_reserve);
        Ok(Self { blocks, mark })
    }

    /// How far its partner was told of it.
    #[must_use]
    pub const fn mark(&self) -> Mark {
        self.mark
    }

    /// The blocks, in the order in which they are drawn from.
    #[must_use]
    pub fn blocks(&self) -> &[Block] {
        &self.blocks
    }

    /// The points left in all blocks, the reserve counted.
    pub fn left(&self) -> Result<Points, Overflow> {
        sum(self.blocks.iter().map(|block| block.left))
    }

    /// The points left in the reserve, or in all other blocks.
    pub fn left_of(&self, reserve: bool) -> Result<Points, Overflow> {
        let blocks = self.blocks.iter().filter(|block| block.is_reserve == reserve);
        sum(blocks.map(|block| block.left))
    }

    /// What its partner is to be told of now, the greatest share first; it counts as told. What comes
    /// back takes nothing back: each share is told once between purchases.
    pub fn tell(
        &mut self,
        (partner, currency): (PartnerId, Currency),
    ) -> Result<Vec<FloatCrossing>, Overflow> {
        let Mark { level, told } = self.mark;
        let (left, reserve_left) = (self.left_of(false)?, self.left_of(true)?);
        let reached: Vec<u8> = FLOAT_THRESHOLDS
            .into_iter()
            .filter(|percent| *percent < told && !is_more(left, *percent, level))
            .collect();
        self.mark.told = reached.last().copied().unwrap_or(told);
        let crossing =
            |percent| FloatCrossing { partner, currency, percent, left, level, reserve_left };
        Ok(reached.into_iter().map(crossing).collect())
    }

    /// Draws points for an earn, all or none. What each block gave, in order.
    pub fn draw(&mut self, points: Points) -> Result<Vec<Drawn>, NotDrawn> {
        if !points.is_positive() {
            return Err(NotDrawn::NotPositive);
        }
        let left = self.left()?;
        if points > left {
            return Err(NotDrawn::Exhausted { asked: points, left });
        }
        let (mut blocks, mut rest, mut drawn) = (self.blocks.clone(), points, Vec::new());
        for block in &mut blocks {
            let taken = rest.min(block.left);
            if taken.is_positive() {
                block.left = block.left.minus(taken)?;
                rest = rest.minus(taken)?;
                drawn.push(Drawn {
                    block: block.id,
                    points: taken,
                    amount: taken.at(block.price)?,
                });
            }
        }
        self.blocks = blocks;
        Ok(drawn)
    }

    /// Returns points of an earn to the blocks that they were drawn from, the last drawn first. `drawn`
    /// is what the earn still has of each, in the order in which it was drawn. What each block got back.
    pub fn give_back(&mut self, drawn: &[Drawn], points: Points) -> Result<Vec<Drawn>, NotDrawn> {
        if !points.is_positive() {
            return Err(NotDrawn::NotPositive);
        }
        let (mut blocks, mut rest, mut returned) = (self.blocks.clone(), points, Vec::new());
        for from in drawn.iter().rev() {
            let given = rest.min(from.points);
            if !given.is_positive() {
                continue;
            }
            let block = blocks.iter_mut().find(|block| block.id == from.block);
            let block = block.ok_or(NotDrawn::Unfounded)?;
            block.left = block.left.plus(given)?;
            if block.left > block.bought {
                return Err(NotDrawn::Unfounded);
            }
            rest = rest.minus(given)?;
            returned.push(Drawn { block: block.id, points: given, amount: given.at(block.price)? });
        }
        if !rest.is_zero() {
            return Err(NotDrawn::Unfounded);
        }
        self.blocks = blocks;
        Ok(returned)
    }
}

/// Whether more than so many percent are left.
fn is_more(left: Points, percent: u8, level: Points) -> bool {
    let share = i128::from(level.0).saturating_mul(i128::from(percent));
    i128::from(left.0).saturating_mul(100) > share
}

fn sum(mut points: impl Iterator<Item = Points>) -> Result<Points, Overflow> {
    points.try_fold(Points::ZERO, Points::plus)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn block(id: i32, price: i64, bought: i64, left: i64) -> Block {
        let (price, bought, left) = (Micros(price), Points(bought), Points(left));
        Block { id: BlockId(id), is_reserve: false, price, bought, left }
    }

    fn reserve(id: i32, price: i64, bought: i64, left: i64) -> Block {
        Block { is_reserve: true, ..block(id, price, bought, left) }
    }

    /// Two blocks of 1,000 at .0100 and .0090, and a reserve of 500 at .0150 that was bought first.
    fn float() -> Float {
        let blocks = [
            reserve(1, 15_000, 500, 500),
            block(3, 9_000, 1_000, 1_000),
            block(2, 10_000, 1_000, 1_000),
        ];
        of(blocks)
    }

    fn of(blocks: impl IntoIterator<Item = Block>) -> Float {
        Float::new(blocks, Mark::bought(Points(2_000))).expect("a float")
    }

    fn told(drawn: &[Drawn]) -> Vec<(i32, i64, i64)> {
        drawn.iter().map(|drawn| (drawn.block.0, drawn.points.0, drawn.amount.0)).collect()
    }

    #[test]
    fn the_earliest_block_is_drawn_first_and_the_reserve_last() {
        let mut float = float();
        for (points, expected) in [
            (400, vec![(2, 400, 4_000_000)]),
            (700, vec![(2, 600, 6_000_000), (3, 100, 900_000)]),
            (900, vec![(3, 900, 8_100_000)]),
            (500, vec![(1, 500, 7_500_000)]),
        ] {
            assert_eq!(told(&float.draw(Points(points)).expect("left")), expected);
        }
        let refused = NotDrawn::Exhausted { asked: Points(1), left: Points(0) };
        assert_eq!(float.draw(Points(1)), Err(refused));
    }

    #[test]
    fn an_earn_that_exceeds_blocks_and_reserve_is_refused_whole() {
        let mut float = float();
        let refused = NotDrawn::Exhausted { asked: Points(2_501), left: Points(2_500) };
        assert_eq!(float.draw(Points(2_501)), Err(refused));
        assert_eq!(float, super::tests::float());
        let all = float.draw(Points(2_500)).expect("left");
        assert_eq!(
            told(&all),
            [(2, 1_000, 10_000_000), (3, 1_000, 9_000_000), (1, 500, 7_500_000)]
        );
    }

    #[test]
    fn a_reversed_earn_returns_to_its_blocks_the_last_drawn_first() {
        let mut float = float();
        let drawn = float.draw(Points(2_300)).expect("left");
        let back = float.give_back(&drawn, Points(1_000)).expect("drawn");
        assert_eq!(told(&back), [(1, 300, 4_500_000), (3, 700, 6_300_000)]);
        let rest = [Drawn { points: Points(300), ..drawn[1] }];
        let rest = [&drawn[..1], &rest].concat();
        let back = float.give_back(&rest, Points(1_300)).expect("drawn");
        assert_eq!(told(&back), [(3, 300, 2_700_000), (2, 1_000, 10_000_000)]);
        assert_eq!(float, super::tests::float());
    }

    #[test]
    fn no_more_is_returned_than_was_drawn() {
        let mut float = float();
        let drawn = float.draw(Points(100)).expect("left");
        let before = float.clone();
        assert_eq!(float.give_back(&drawn, Points(101)), Err(NotDrawn::Unfounded));
        let elsewhere = [Drawn { block: BlockId(9), ..drawn[0] }];
        assert_eq!(float.give_back(&elsewhere, Points(1)), Err(NotDrawn::Unfounded));
        let twice = [drawn[0], drawn[0]];
        assert_eq!(float.give_back(&twice, Points(200)), Err(NotDrawn::Unfounded));
        for points in [0, -1] {
            assert_eq!(float.give_back(&drawn, Points(points)), Err(NotDrawn::NotPositive));
            assert_eq!(float.draw(Points(points)), Err(NotDrawn::NotPositive));
        }
        assert_eq!(float, before);
    }

    #[test]
    fn what_is_no_float_is_refused() {
        for (blocks, invalid) in [
            (vec![block(1, 1, 1, 1), block(1, 1, 1, 1)], InvalidFloat::Twice(BlockId(1))),
            (vec![block(1, 1, 1, 2)], InvalidFloat::Amounts(BlockId(1))),
            (vec![block(1, 1, 1, -1)], InvalidFloat::Amounts(BlockId(1))),
            (vec![block(1, -1, 1, 1)], InvalidFloat::Amounts(BlockId(1))),
        ] {
            assert_eq!(Float::new(blocks, Mark::default()), Err(invalid));
        }
    }

    /// The shares that are told now.
    fn shares(float: &mut Float) -> Vec<u8> {
        let key = (PartnerId(1), "EUR".parse().expect("ISO 4217"));
        let crossings = float.tell(key).expect("small");
        crossings.iter().map(|crossing| crossing.percent).collect()
    }

    #[test]
    fn each_share_of_the_last_purchase_is_told_once_and_the_reserve_is_not_counted() {
        let mut float = float();
        for (points, expected) in [
            (999, vec![]),
            (1, vec![50]),
            (1, vec![]),
            (899, vec![20, 5]),
            (99, vec![]),
            (1, vec![0]),
        ] {
            float.draw(Points(points)).expect("left");
            assert_eq!(shares(&mut float), expected, "{points} more");
        }
        float.draw(Points(500)).expect("the reserve");
        assert_eq!(shares(&mut float), []);
    }

    #[test]
    fn what_comes_back_is_not_told_again_and_another_purchase_is() {
        let mut float = float();
        let drawn = float.draw(Points(1_000)).expect("left");
        assert_eq!(shares(&mut float), [50]);
        float.give_back(&drawn, Points(500)).expect("drawn");
        assert_eq!(shares(&mut float), []);
        float.draw(Points(500)).expect("left");
        assert_eq!(shares(&mut float), []);
        let blocks = float.blocks().iter().copied().chain([block(4, 1, 1_000, 1_000)]);
        let mut more = of(blocks);
        assert_eq!(shares(&mut more), []);
        more.draw(Points(1_000)).expect("left");
        assert_eq!(shares(&mut more), [50]);
    }

    #[test]
    fn of_a_reserve_alone_there_is_nothing_to_tell() {
        let mark = Mark::bought(Points::ZERO);
        let mut float = Float::new([reserve(1, 1, 10, 10)], mark).expect("a float");
        float.draw(Points(10)).expect("left");
        assert_eq!(shares(&mut float), []);
        assert_eq!(shares(&mut Float::default()), []);
    }

    #[test]
    fn a_reserve_that_came_back_stands_beside_the_next() {
        let blocks = [reserve(1, 5, 100, 30), reserve(3, 7, 100, 100), block(4, 1, 10, 10)];
        let mut float = of(blocks);
        let drawn = float.draw(Points(50)).expect("left");
        assert_eq!(told(&drawn), [(4, 10, 10), (1, 30, 150), (3, 10, 70)]);
    }

    proptest! {
        #[test]
        fn what_is_drawn_and_returned_leaves_the_float_as_it_was(
            bought in prop::collection::vec((0..5_000_i64, 0..20_000_i64), 1..8),
            draws in prop::collection::vec(1..4_000_i64, 0..12),
        ) {
            let blocks = (1..).zip(&bought).map(|(id, (points, price))| {
                Block { is_reserve: id == 1, ..block(id, *price, *points, *points) }
            });
            let start = of(blocks);
            let mut float = start.clone();
            let mut earns = Vec::new();
            for points in draws {
                let left = float.left().expect("small");
                match float.draw(Points(points)) {
                    Ok(drawn) => {
                        let sum: i64 = drawn.iter().map(|drawn| drawn.points.0).sum();
                        prop_assert_eq!(sum, points);
                        prop_assert_eq!(left.minus(float.left().expect("small")), Ok(Points(points)));
                        earns.push((points, drawn));
                    }
                    Err(refused) => {
                        let asked = Points(points);
                        prop_assert_eq!(refused, NotDrawn::Exhausted { asked, left });
                        prop_assert!(asked > left);
                    }
                }
            }
            for (points, drawn) in earns.iter().rev() {
                let mut back = float.give_back(drawn, Points(*points)).expect("drawn");
                back.reverse();
                prop_assert_eq!(&back, drawn);
            }
            prop_assert_eq!(float, start);
        }
    }
}
