//! Floats as the contract has them: what prepaid partners have left to issue, and of which blocks.

use std::sync::Arc;

use entente_api::settlement as api;
use entente_ledger::{Currency, PartnerId};
use entente_loyalty::BlockId;
use entente_store::{
    clock,
    settlement::floats::{self, ListedBlock, ListedFloat},
};

use super::{
    Names, Settlements,
    wire::{exposures, money},
};
use crate::{
    error::{Refused, RpcError},
    parse::wire_timestamp,
};

/// What is read of floats; the blocks are of one partner.
pub(crate) struct Floats {
    /// The answer, without a token.
    pub(crate) answer: api::GetFloatResponse,
    /// After which block the next page goes on, if there is one.
    pub(crate) next: Option<(Currency, BlockId)>,
}

impl Settlements {
    /// The floats of a partner with a page of its blocks, or of all partners that do not test.
    pub(crate) async fn floats(
        &self,
        partner: Option<PartnerId>,
        after: Option<(String, BlockId)>,
        size: u16,
    ) -> Result<Floats, RpcError> {
        let place = Arc::clone(&self.positions).acquire_owned().await;
        let place = place.map_err(|_| Refused::shutting_down())?;
        let pool = self.windows.totals.clone();
        // The snapshot is a transaction, so it lives in a task that no caller can cancel.
        let task = tokio::spawn(async move {
            let _place = place;
            floats::read(&pool, partner, after, i64::from(size) + 1).await
        });
        let mut read = task.await.map_err(RpcError::internal)??;
        let more = read.blocks.len() > usize::from(size);
        read.blocks.truncate(size.into());
        let next = read.blocks.last().filter(|_| more).map(|last| (last.currency, last.block));
        let names = self.names().await?;
        if partner.is_none() {
            read.floats.retain(|float| !names.is_testing(float.partner));
        }
        let floats = &read.floats;
        read.exposures.retain(|party, _| floats.iter().any(|one| one.partner == party.partner));
        let (_, now) = clock::read(&self.windows.totals).await?;
        let answer = api::GetFloatResponse {
            floats: wire(&read.floats, &names)?,
            exposures: exposures(&read.exposures, &names, now)?,
            blocks: read.blocks.iter().map(wire_block).collect(),
            next_page_token: String::new(),
        };
        Ok(Floats { answer, next })
    }
}

/// Floats by the codes of their partners.
pub(super) fn wire(floats: &[ListedFloat], names: &Names) -> Result<Vec<api::Float>, RpcError> {
    let float = |float: &ListedFloat| {
        Ok(api::Float {
            partner: names.of(float.partner)?,
            points_left: float.left.0,
            reserve_left: float.reserve_left.0,
            level: float.level.0,
            worth: Some(money(float.currency, float.worth)),
        })
    };
    floats.iter().map(float).collect()
}

/// A block.
pub(crate) fn wire_block(block: &ListedBlock) -> api::FloatBlock {
    api::FloatBlock {
        number: block.block.0,
        price: Some(money(block.currency, block.price)),
        is_reserve: block.is_reserve,
        points: block.points.0,
        points_left: block.left.0,
        bought_at: Some(wire_timestamp(block.bought_at)),
        purchase: block.request_id.0.to_string(),
    }
}
