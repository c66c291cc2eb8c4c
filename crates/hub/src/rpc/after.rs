//! Where a list of operations goes on, as page tokens seal it.

use entente_ledger::{Cell, Seq};
use entente_store::member::OperationPlace;
use jiff::Timestamp;
use prost::Message;

use crate::error::RpcError;

/// After this one.
#[derive(Clone, PartialEq, Message)]
pub(super) struct AfterOperation {
    #[prost(int64, tag = "1")]
    posted_at_micros: i64,
    #[prost(int32, tag = "2")]
    cell: i32,
    #[prost(int64, tag = "3")]
    seq: i64,
}

impl AfterOperation {
    pub(super) fn of(place: OperationPlace) -> Self {
        Self {
            posted_at_micros: place.posted_at.as_microsecond(),
            cell: place.cell.0.into(),
            seq: place.seq.0,
        }
    }

    /// The place that a token seals: the hub wrote it, so it is well formed.
    pub(super) fn place(&self) -> Result<OperationPlace, RpcError> {
        let posted_at = Timestamp::from_microsecond(self.posted_at_micros);
        Ok(OperationPlace {
            posted_at: posted_at.map_err(RpcError::internal)?,
            cell: Cell(i16::try_from(self.cell).map_err(RpcError::internal)?),
            seq: Seq(self.seq),
        })
    }
}
