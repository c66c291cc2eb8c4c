//! What transfers come to: those of one operation as its lines, those of others' as sums of a day.

use std::collections::{BTreeMap, HashMap};

use entente_ledger::{Currency, Micros, PartnerId};
use jiff::{Timestamp, civil::Date};

use super::{
    Elsewhere, Movement, elsewhere,
    stretches::{Code, Transfer},
};
use crate::{StoreError, codes};

/// Kind, side (1 pays, 2 receives, 3 neither), counterparty, currency: lines of an operation are in this order.
type Key = (i16, i32, i32, Currency);

/// Of a day, in the order of a statement: counterparty, kind, side, currency.
type OfDay = (Date, i32, i16, i32, Currency);

/// What transfers of one key come to.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) struct Sum {
    points: i64,
    micros: i64,
    /// The least and the highest price of the points; `None` before the first.
    prices: Option<(i64, i64)>,
}

/// What an operation of a page moved of one key.
#[derive(Debug, Clone, Copy)]
pub(super) struct Moved {
    /// Its place in the page.
    pub(super) row: usize,
    key: Key,
    sum: Sum,
}

/// A transfer of an operation of another partner that concerns this one as the issuer alone: with whom it was
/// is to be looked up.
#[derive(Debug, Clone, Copy)]
pub(super) struct OfIssuer {
    pub(super) place: (i16, i64),
    day: Date,
    kind: i16,
    currency: Currency,
    sum: Sum,
}

/// What the operations of others moved for a partner, as far as it was read.
#[derive(Debug, Default)]
pub(super) struct Others {
    sums: BTreeMap<OfDay, Sum>,
    /// The last of them: they come together.
    days: Days,
}

/// The currencies that were met: to parse one again for each row costs more than all else of the row.
#[derive(Debug, Default)]
pub(super) struct Currencies(Vec<Currency>);

/// The day of the time before: transfers come in order of time.
#[derive(Debug, Default)]
struct Days(Option<(Date, Timestamp, Timestamp)>);

impl Currencies {
    fn of(&mut self, Code(code): Code) -> Result<Currency, StoreError> {
        let is_it = |known: &&Currency| known.code().as_bytes() == code;
        if let Some(known) = self.0.iter().find(is_it) {
            return Ok(*known);
        }
        let currency = codes::currency(&String::from_utf8_lossy(&code), "transfers", "currency")?;
        self.0.push(currency);
        Ok(currency)
    }
}

impl Days {
    fn of(&mut self, at: Timestamp) -> Result<Date, StoreError> {
        if let Some((day, start, end)) = self.0
            && start <= at
            && at < end
        {
            return Ok(day);
        }
        let day = elsewhere::day(at);
        let (start, end) = elsewhere::bounds(day)?;
        self.0 = Some((day, start, end));
        Ok(day)
    }
}

impl Moved {
    /// Of an operation of the partner's own: points of its own memos come with what they would have cost.
    pub(super) fn of(
        row: usize,
        transfer: &Transfer,
        partner: PartnerId,
        currencies: &mut Currencies,
    ) -> Result<Self, StoreError> {
        let (side, counterparty) = side(transfer, partner);
        let currency = currencies.of(transfer.currency)?;
        let key = (transfer.kind, side, counterparty.unwrap_or(partner.0), currency);
        Ok(Self { row, key, sum: Sum::of(transfer, partner)? })
    }

    /// What it adds up to, as a statement tells it, and the price of a point, where all of them have one.
    pub(super) fn movement(&self) -> Result<(Movement, Option<Micros>), StoreError> {
        let ((kind, side, counterparty, currency), Sum { points, micros, .. }) =
            (self.key, self.sum);
        let movement = (kind, side, counterparty, currency, points, micros);
        Ok((Movement::try_from(movement)?, self.sum.price()))
    }
}

/// Adds what an operation moved; its transfers come together, so most are added to the one before.
pub(super) fn add(page: &mut Vec<Moved>, moved: Moved) -> Result<(), StoreError> {
    if let Some(last) = page.last_mut().filter(|last| last.is_like(&moved)) {
        return last.sum.add(moved.sum);
    }
    page.push(moved);
    Ok(())
}

/// In the order of a statement, each key of an operation once.
pub(super) fn summed(mut page: Vec<Moved>) -> Result<Vec<Moved>, StoreError> {
    page.sort_unstable_by_key(|moved| (moved.row, moved.key));
    let mut sums: Vec<Moved> = Vec::with_capacity(page.len());
    for moved in page {
        add(&mut sums, moved)?;
    }
    Ok(sums)
}

impl Moved {
    fn is_like(&self, other: &Self) -> bool {
        (self.row, self.key) == (other.row, other.key)
    }
}

impl OfIssuer {
    /// Adds it to those that are to be looked up; an operation's come together, and are one.
    pub(super) fn keep_in(self, kept: &mut Vec<Self>) -> Result<(), StoreError> {
        let key = |of: &Self| (of.place, of.day, of.kind, of.currency);
        if let Some(last) = kept.last_mut().filter(|last| key(last) == key(&self)) {
            return last.sum.add(self.sum);
        }
        kept.push(self);
        Ok(())
    }
}

impl Others {
    /// Adds a transfer of another's operation; or says that it has to be looked up whose that is. Payments
    /// are left out, since they settle windows that are closed, and so are gifts of others' members: the
    /// points are still the members'. What members donate is told to its issuer alone.
    pub(super) fn add(
        &mut self,
        transfer: &Transfer,
        partner: PartnerId,
        currencies: &mut Currencies,
    ) -> Result<Option<OfIssuer>, StoreError> {
        let parties = [transfer.payer, transfer.payee, transfer.issuer.unwrap_or(transfer.payer)];
        if matches!(transfer.kind, 11 | 12) || !parties.contains(&partner.0) {
            return Ok(None);
        }
        let day = self.days.of(transfer.posted_at.to_jiff())?;
        let (kind, currency) = (transfer.kind, currencies.of(transfer.currency)?);
        let sum = Sum::of(transfer, partner)?;
        let (side, counterparty) = side(transfer, partner);
        let Some(counterparty) = counterparty else {
            let place = (transfer.cell, transfer.seq);
            return Ok(Some(OfIssuer { place, day, kind, currency, sum }));
        };
        self.add_to((day, counterparty, kind, side, currency), sum)?;
        Ok(None)
    }

    /// Adds those of which it was looked up whose operations they are of. One of the partner's own, which was
    /// refused or is of another window, is not elsewhere.
    pub(super) fn add_looked_up(
        &mut self,
        found: &[OfIssuer],
        whose: &HashMap<(i16, i64), i32>,
        partner: PartnerId,
    ) -> Result<(), StoreError> {
        for of in found {
            let missing = || StoreError::inconsistent("operations", "seq", of.place.1);
            let other = *whose.get(&of.place).ok_or_else(missing)?;
            if other != partner.0 {
                self.add_to((of.day, other, of.kind, 3, of.currency), of.sum)?;
            }
        }
        Ok(())
    }

    /// What they came to, in the order of a statement, by the day.
    pub(super) fn into_days(self) -> Result<Vec<Vec<Elsewhere>>, StoreError> {
        let mut days: Vec<Vec<Elsewhere>> = Vec::new();
        for ((day, counterparty, kind, side, currency), sum) in self.sums {
            let movement = (kind, side, counterparty, currency, sum.points, sum.micros);
            let moved = Elsewhere { day, movement: Movement::try_from(movement)? };
            match days.last_mut().filter(|of| of.last().is_some_and(|last| last.day == day)) {
                Some(of) => of.push(moved),
                None => days.push(vec![moved]),
            }
        }
        Ok(days)
    }

    fn add_to(&mut self, key: OfDay, sum: Sum) -> Result<(), StoreError> {
        self.sums.entry(key).or_default().add(sum)
    }
}

/// Who pays, and with whom it is: `None` where the partner is neither payer nor payee.
fn side(transfer: &Transfer, PartnerId(partner): PartnerId) -> (i32, Option<i32>) {
    match (transfer.payer, transfer.payee) {
        (payer, payee) if payer == payee => (3, (payer == partner).then_some(partner)),
        (payer, payee) if payer == partner => (1, Some(payee)),
        (payer, payee) if payee == partner => (2, Some(payer)),
        _ => (3, None),
    }
}

impl Sum {
    fn of(transfer: &Transfer, partner: PartnerId) -> Result<Self, StoreError> {
        let amount = transfer.amount;
        let Some(price) = transfer.price else {
            return Ok(Self { points: 0, micros: amount, prices: None });
        };
        let is_memo = transfer.payer == partner.0 && transfer.payee == partner.0;
        let micros = if is_memo { amount.checked_mul(price).ok_or_else(overflow)? } else { 0 };
        Ok(Self { points: amount, micros, prices: Some((price, price)) })
    }

    fn add(&mut self, other: Self) -> Result<(), StoreError> {
        self.points = self.points.checked_add(other.points).ok_or_else(overflow)?;
        self.micros = self.micros.checked_add(other.micros).ok_or_else(overflow)?;
        self.prices = match (self.prices, other.prices) {
            (Some((least, most)), Some((less, more))) => Some((least.min(less), most.max(more))),
            (one, other) => one.or(other),
        };
        Ok(())
    }

    /// The price of a point, where all of them have one.
    fn price(self) -> Option<Micros> {
        let (least, most) = self.prices?;
        (least == most && least != 0).then_some(Micros(least))
    }
}

fn overflow() -> StoreError {
    StoreError::inconsistent("transfers", "amount", "a sum")
}
