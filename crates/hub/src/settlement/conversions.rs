//! Conversions between the pools of two currencies, as operators read them.

use entente_api::settlement::{Conversion as ApiConversion, ReferenceRate};
use entente_ledger::Overflow;
use entente_settlement::Money;
use entente_store::settlement::convert::{Exchange, ListedConversion, list_conversions};
use jiff::Timestamp;

use super::{Settlements, wire::money};
use crate::{error::RpcError, parse::wire_timestamp};

impl Settlements {
    /// Conversions, the latest first, and from where the next page goes on, if there is one.
    pub(crate) async fn conversions(
        &self,
        before: Option<i32>,
        size: u16,
    ) -> Result<(Vec<ApiConversion>, Option<i32>), RpcError> {
        let mut found = list_conversions(&self.windows.totals, before, i64::from(size) + 1).await?;
        let more = found.len() > usize::from(size);
        found.truncate(size.into());
        let next = found.last().filter(|_| more).map(|last| last.number);
        let listed = found.into_iter().map(|ListedConversion { exchange, at, .. }| {
            wire_conversion(exchange, at).map_err(RpcError::internal)
        });
        Ok((listed.collect::<Result<_, _>>()?, next))
    }
}

/// A conversion.
pub(crate) fn wire_conversion(
    exchange: Exchange,
    posted_at: Timestamp,
) -> Result<ApiConversion, Overflow> {
    let Exchange { request_id, conversion, bank_reference, approved_by } = exchange;
    let (sold, bought, rate) = (conversion.sold(), conversion.bought(), conversion.rate());
    let amount = |of: Money| Some(money(of.currency, of.micros));
    Ok(ApiConversion {
        conversion: request_id.0.to_string(),
        sold: amount(sold),
        bought: amount(bought),
        rate: Some(ReferenceRate { bought: rate.bought(), sold: rate.sold() }),
        reference: amount(Money { micros: conversion.reference(), ..bought }),
        difference_micros: conversion.difference()?.0,
        bank_reference,
        posted_at: Some(wire_timestamp(posted_at)),
        approved_by,
    })
}
