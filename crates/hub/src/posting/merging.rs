//! Merges: two members become one, or are two again, in a transaction that a control write began. It
//! keeps what the two brands agreed, the links and the points together; so it goes through no queue,
//! and shares the phases of `batch.rs` under the heads of the two, alone in its batch.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use entente_api::types;
use entente_ledger::{Cell, MemberId, PartnerId, RequestId, Wallet};
use entente_loyalty::{Action, Catalogue, Command, Decided, Decision, Partner, Refusal};
use entente_store::{
    Place, StoreError,
    batch::{Batch, Heads, MemberNeeds},
};
use uuid::Uuid;

use super::{
    answer,
    batch::{Deciding, lock_exposures, state},
};

/// Two members, each in its cell, and what becomes of them.
#[derive(Debug, Clone)]
pub(crate) struct Pair {
    /// Who asks.
    pub(crate) partner: PartnerId,
    /// The request that the operations are of.
    pub(crate) request_id: RequestId,
    /// Of a merge, who is absorbed; of its end, who was kept.
    pub(crate) first: (Cell, MemberId),
    /// The other one.
    pub(crate) second: (Cell, MemberId),
    /// Whether they are one already.
    pub(crate) is_merged: bool,
}

/// What was posted: a leg for each member, in the order of the pair.
#[derive(Debug)]
pub(crate) struct Legs {
    first: Decision,
    second: Decision,
}

impl Pair {
    /// Their cells, in the order in which heads are locked.
    pub(crate) fn cells(&self) -> Vec<Cell> {
        BTreeSet::from([self.first.0, self.second.0]).into_iter().collect()
    }

    fn command(&self) -> Command {
        let other = self.second.1;
        let action = if self.is_merged {
            Action::Unmerge { from: other }
        } else {
            Action::Merge { into: other }
        };
        Command {
            partner: self.partner,
            request_id: self.request_id,
            member: self.first.1,
            receipt_reference: String::new(),
            action,
        }
    }

    fn needs(&self) -> BTreeMap<(Cell, MemberId), MemberNeeds> {
        let of = |other| MemberNeeds {
            everything_open: true,
            merges_with: Some(other),
            ..MemberNeeds::default()
        };
        BTreeMap::from([(self.first, of(self.second)), (self.second, of(self.first))])
    }
}

/// Decides and writes under the heads of the pair, which are locked. The request ids are the
/// caller's to keep. A refusal writes nothing.
pub(crate) async fn post(
    batch: &mut Batch,
    heads: &Heads,
    catalogue: &Catalogue,
    pair: &Pair,
) -> Result<Result<Legs, Refusal>, StoreError> {
    let mut loaded = batch.load(&pair.needs(), heads.now).await?;
    for (_, member) in [pair.first, pair.second] {
        if !loaded.members.contains_key(&member) {
            return Err(StoreError::inconsistent("wallets", "member_id", member.0));
        }
    }
    let callers = std::iter::once(pair.partner);
    let exposures = lock_exposures(batch, catalogue, &loaded, callers).await?;
    let state = state(catalogue, heads, &mut loaded, exposures);
    let mut deciding = Deciding::new(state, heads, HashMap::new());
    for (cell, member) in [pair.first, pair.second] {
        if deciding.expire_due(cell, member).is_err() {
            return Ok(Err(Refusal::AmountTooLarge));
        }
    }
    let (first, second) = match deciding.post(&pair.command()) {
        Ok(Decided { decision, received: Some(second) }) => (decision, second),
        Ok(Decided { .. }) => return Err(StoreError::inconsistent("operations", "legs", 1)),
        Err(refusal) => return Ok(Err(refusal)),
    };
    deciding.write(batch, loaded).await?;
    Ok(Ok(Legs { first, second }))
}

impl Legs {
    /// Where the outcome of the request is: the first leg.
    pub(crate) fn place(&self) -> Place {
        let operation = &self.first.operation;
        Place {
            cell: operation.cell,
            seq: operation.seq,
            member: Some(operation.member),
            authorized_by: None,
        }
    }

    /// The operation as its partner sees it, by the token of its own member.
    pub(crate) fn operation(&self, caller: &Partner, token: Uuid) -> types::Operation {
        answer::operation(caller, token, &self.first.operation)
    }

    /// What one of the two has afterwards.
    pub(crate) fn balances_of(&self, member: MemberId) -> types::Balances {
        let is_first = self.first.operation.member == member;
        let wallet: Wallet = if is_first { self.first.wallet } else { self.second.wallet };
        answer::balances(wallet)
    }
}
