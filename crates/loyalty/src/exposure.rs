//! Exposure: what partners owe at this moment, open holds counted, and the cap on it.

use std::collections::BTreeMap;

use entente_ledger::{
    Account, Currency, Funding, Hold, HoldLeg, Micros, Overflow, PartnerId, Transfer, Unit,
};
use jiff::Timestamp;

use crate::{Catalogue, Exposure, Refusal, Standing, Terms, redemption, threshold::cap};

/// A partner's exposure in one currency.
pub type ExposureKey = (PartnerId, Currency);

/// What is added to exposures; negative where they fall.
pub type ExposureChange = BTreeMap<ExposureKey, Micros>;

/// What transfers add to exposures: what partners owe by them, less what they are owed.
pub fn exposure_change<'t>(
    transfers: impl IntoIterator<Item = &'t Transfer>,
) -> Result<ExposureChange, Overflow> {
    let mut change = ExposureChange::new();
    for transfer in transfers {
        count(&mut change, transfer)?;
    }
    Ok(change)
}

/// What an open hold reserves: what its capture in full would debit each lot's issuer.
pub fn reservation(hold: &Hold, terms: &Terms) -> Result<ExposureChange, Overflow> {
    let mut change = ExposureChange::new();
    for leg in &hold.legs {
        let amount = leg_reservation(leg, terms)?;
        add(&mut change, (leg.issuer, terms.agreement.currency), amount)?;
    }
    Ok(change)
}

/// Adds one transfer to a change.
pub(crate) fn count(change: &mut ExposureChange, transfer: &Transfer) -> Result<(), Overflow> {
    if transfer.unit() != Unit::Money {
        return Ok(());
    }
    let amount = Micros(transfer.amount());
    if let Account::Clearing(payer) = transfer.debit() {
        add(change, (payer, transfer.currency), amount)?;
    }
    if let Account::Clearing(payee) = transfer.credit() {
        add(change, (payee, transfer.currency), amount.negated()?)?;
    }
    Ok(())
}

/// Adds a hold's reservation to a change.
pub(crate) fn reserve(
    change: &mut ExposureChange,
    hold: &Hold,
    terms: &Terms,
) -> Result<(), Overflow> {
    reservation(hold, terms)?.into_iter().try_for_each(|(key, amount)| add(change, key, amount))
}

/// Takes a hold's reservation back.
pub(crate) fn release(
    change: &mut ExposureChange,
    hold: &Hold,
    terms: &Terms,
) -> Result<(), Overflow> {
    reservation(hold, terms)?
        .into_iter()
        .try_for_each(|(key, amount)| add(change, key, amount.negated()?))
}

/// The tracked exposures after a change, of whose thresholds their partners are told. When `is_capped`, one that rises above its partner's cap
/// refuses the operation; the cap is that of the terms in force.
pub(crate) fn after(
    exposures: &BTreeMap<ExposureKey, Exposure>,
    change: &ExposureChange,
    (catalogue, now): (&Catalogue, Timestamp),
    is_capped: bool,
) -> Result<Vec<(ExposureKey, Exposure)>, Refusal> {
    let mut changed = Vec::new();
    for (&key, &amount) in change.iter().filter(|(_, amount)| !amount.is_zero()) {
        let Some(exposure) = exposures.get(&key) else { continue };
        let owed = exposure.owed.plus(amount)?;
        let (partner, currency) = key;
        if is_capped
            && amount.is_positive()
            && let Some(cap) = cap(catalogue, key, now)
            && owed > cap
        {
            return Err(Refusal::NetDebitCapExceeded { partner, currency, cap });
        }
        let told = Standing::at(catalogue, key, owed, now).reached();
        changed.push((key, Exposure { owed, told }));
    }
    Ok(changed)
}

fn leg_reservation(leg: &HoldLeg, terms: &Terms) -> Result<Micros, Overflow> {
    match leg.funding {
        Funding::AtIssue => Ok(Micros::ZERO),
        Funding::AtRedemption => {
            let fee = redemption::fee(leg.points, &terms.agreement)?;
            if leg.issuer == terms.partner {
                return Ok(fee);
            }
            leg.points.at(terms.agreement.reimbursement)?.plus(fee)
        }
    }
}

fn add(change: &mut ExposureChange, key: ExposureKey, amount: Micros) -> Result<(), Overflow> {
    let sum = change.entry(key).or_default();
    *sum = sum.plus(amount)?;
    Ok(())
}
