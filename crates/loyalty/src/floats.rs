//! Floats on which a batch decides: what an issue of a prepaid partner takes from its blocks, and what
//! a reversed earn gives back. A rule asks in its draft; it is granted whole, before the caps are tested.

use std::collections::{BTreeMap, BTreeSet};

use entente_ledger::{Cell, Currency, PartnerId, Points, Seq};

use crate::{
    ExposureKey, Refusal,
    prepaid::{BlockId, Drawn, Float, FloatCrossing, NotDrawn},
};

/// An operation that issued points: its cell and its number there.
pub type IssueKey = (Cell, Seq);

/// The floats of a batch's prepaid partners, as its predecessors left them.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Floats {
    /// The blocks of each; one that is not here has none.
    pub floats: BTreeMap<ExposureKey, Float>,
    /// What issues still have of blocks, in the order in which it was drawn: those of the batch, and
    /// those that its commands name.
    pub drawn: BTreeMap<IssueKey, Vec<Drawn>>,
    /// The blocks that changed.
    pub changed_blocks: BTreeSet<(ExposureKey, BlockId)>,
    /// The floats whose partners were told something.
    pub changed_marks: BTreeSet<ExposureKey>,
}

/// Points that an operation drew from a block, or returned to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FloatMove {
    /// Whose float,
    pub partner: PartnerId,
    /// in which currency,
    pub currency: Currency,
    /// which block of it.
    pub block: BlockId,
    /// The operation of the same cell that issued the points.
    pub issue: Seq,
    /// How many were drawn; negative when they were returned.
    pub points: Points,
}

/// What an operation asks of a float.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Ask {
    /// Which float.
    pub(crate) key: ExposureKey,
    /// The issue.
    pub(crate) issue: IssueKey,
    /// How many points, more than 0.
    pub(crate) points: Points,
    /// Whether they come back.
    pub(crate) returns: bool,
}

/// What an ask comes to.
pub(crate) struct Granted {
    key: ExposureKey,
    float: Float,
    issue: IssueKey,
    drawn: Vec<Drawn>,
    pub(crate) moves: Vec<FloatMove>,
    pub(crate) crossings: Vec<FloatCrossing>,
}

/// A float, and what an issue had of it, as they were before.
pub(crate) struct Before {
    key: ExposureKey,
    float: Option<Float>,
    issue: IssueKey,
    drawn: Option<Vec<Drawn>>,
    blocks: Vec<BlockId>,
    told: bool,
}

impl Floats {
    /// What an ask comes to; nothing changes yet.
    pub(crate) fn grant(&self, ask: Option<Ask>) -> Result<Option<Granted>, Refusal> {
        let Some(Ask { key, issue, points, returns }) = ask else { return Ok(None) };
        let mut float = self.floats.get(&key).cloned().unwrap_or_default();
        let mut had = self.drawn.get(&issue).cloned().unwrap_or_default();
        let moved = if returns { float.give_back(&had, points) } else { float.draw(points) };
        let moved = moved.map_err(refusal)?;
        let mut moves = Vec::with_capacity(moved.len());
        for one in moved {
            let points = if returns { one.points.negated()? } else { one.points };
            let (partner, currency) = key;
            moves.push(FloatMove { partner, currency, block: one.block, issue: issue.1, points });
            if returns {
                take_off(&mut had, one)?;
            } else {
                had.push(one);
            }
        }
        let crossings = if returns { Vec::new() } else { float.tell(key)? };
        Ok(Some(Granted { key, float, issue, drawn: had, moves, crossings }))
    }

    /// Keeps what was granted; answers what was there before.
    pub(crate) fn keep(&mut self, granted: Granted) -> Before {
        let Granted { key, float, issue, drawn, moves, crossings } = granted;
        Before {
            key,
            float: self.floats.insert(key, float),
            issue,
            drawn: self.drawn.insert(issue, drawn),
            blocks: moves.iter().map(|one| one.block).collect(),
            told: !crossings.is_empty(),
        }
    }

    /// Everything as it was before.
    pub(crate) fn undo(&mut self, before: Before) {
        match before.float {
            Some(float) => self.floats.insert(before.key, float),
            None => self.floats.remove(&before.key),
        };
        match before.drawn {
            Some(drawn) => self.drawn.insert(before.issue, drawn),
            None => self.drawn.remove(&before.issue),
        };
    }

    /// Remembers what is to be written.
    pub(crate) fn mark(&mut self, before: &Before) {
        self.changed_blocks.extend(before.blocks.iter().map(|block| (before.key, *block)));
        if before.told {
            self.changed_marks.insert(before.key);
        }
    }
}

/// What the issue has of a block is so much less.
fn take_off(had: &mut [Drawn], returned: Drawn) -> Result<(), Refusal> {
    for drawn in had.iter_mut().filter(|drawn| drawn.block == returned.block) {
        drawn.points = drawn.points.minus(returned.points)?;
        drawn.amount = drawn.amount.minus(returned.amount)?;
    }
    Ok(())
}

/// A reversal returns what its earn drew, and asks for nothing that it has not.
fn refusal(not_drawn: NotDrawn) -> Refusal {
    match not_drawn {
        NotDrawn::Exhausted { asked, left } => Refusal::FloatExhausted { asked, left },
        NotDrawn::NotPositive | NotDrawn::Unfounded => Refusal::NotReversible,
        NotDrawn::Overflow(overflow) => overflow.into(),
    }
}
