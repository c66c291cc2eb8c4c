//! What is to be paid for a closed window: listed, and written as an order to a bank.

use entente_api::{
    error::ErrorReason,
    settlement::{ExportObligationsResponse, Obligation as ApiObligation},
};
use entente_ledger::PartnerId;
use entente_settlement::{
    Arrangement, Money,
    iso20022::{BankParty, Initiation, Payment, PaymentId},
};
use entente_store::{
    clock,
    settlement::{self, Obligation, arrangement_in_force, window_by_name},
};
use jiff::{Timestamp, civil::Date, tz::TimeZone};

use super::{Names, Settlements, window_unknown};
use crate::error::{Refused, RpcError};

/// How many payments one document has at most.
const MOST_PAYMENTS: usize = 1_000;

/// What the sender of orders is called where the hub has no account.
const INITIATOR: &str = "Entente";

impl Settlements {
    /// The obligations of a window from a place on, for one partner or for all, and where the next page
    /// begins, if there is one.
    pub async fn obligations(
        &self,
        window: &str,
        partner: Option<PartnerId>,
        (from, size): (usize, u16),
    ) -> Result<(Vec<ApiObligation>, Option<usize>), RpcError> {
        let found = self.owed_for(window, partner).await?;
        let names = self.names().await?;
        let (page, next) = page(&found, from, size.into());
        let page = page.iter().map(|obligation| wire(obligation, &names));
        Ok((page.collect::<Result<_, RpcError>>()?, next))
    }

    /// What is left to be paid for a window as a document, from a place on, and where the next document
    /// begins, if there is one.
    pub async fn export(
        &self,
        window: &str,
        on: Option<Date>,
        from: usize,
    ) -> Result<(ExportObligationsResponse, Option<usize>), RpcError> {
        let mut found = self.owed_for(window, None).await?;
        found.retain(|obligation| obligation.left().is_positive());
        let (page, next) = page(&found, from, MOST_PAYMENTS);
        if page.is_empty() {
            return Ok((ExportObligationsResponse::default(), None));
        }
        let mut connection =
            self.windows.totals.acquire().await.map_err(entente_store::StoreError::from)?;
        let arrangement = arrangement_in_force(&mut connection).await?.arrangement;
        let (_, now) = clock::read(&mut *connection).await?;
        let names = self.names().await?;
        let order = Order { window, on: on.unwrap_or_else(|| day(now)), arrangement, names };
        let document = order.document(page, (now, from))?;
        let payment_count = i32::try_from(page.len()).unwrap_or(i32::MAX);
        let next_page_token = String::new();
        Ok((ExportObligationsResponse { document, payment_count, next_page_token }, next))
    }

    async fn owed_for(
        &self,
        window: &str,
        partner: Option<PartnerId>,
    ) -> Result<Vec<Obligation>, RpcError> {
        let window =
            window_by_name(&self.windows.totals, window).await?.ok_or_else(window_unknown)?;
        Ok(settlement::obligations(&self.windows.totals, window.id, partner).await?)
    }
}

/// What an order to a bank is made of.
struct Order<'w> {
    window: &'w str,
    on: Date,
    arrangement: Arrangement,
    names: Names,
}

impl Order<'_> {
    fn document(
        &self,
        obligations: &[Obligation],
        (created_at, from): (Timestamp, usize),
    ) -> Result<String, RpcError> {
        let payments = obligations.iter().map(|obligation| self.payment(obligation));
        let payments = payments.collect::<Result<Vec<_>, RpcError>>()?;
        let hub = self.arrangement.accounts.get(&PartnerId::HUB);
        let window = obligations.first().map_or(0, |first| first.window.0);
        let message_id = PaymentId::new(&format!("W{window}-{from}-{}", created_at.as_second()));
        let initiation = Initiation {
            message_id: message_id.map_err(RpcError::internal)?,
            created_at,
            initiator: hub.map_or(INITIATOR, BankParty::name).to_owned(),
            payments,
        };
        initiation.write().map_err(RpcError::internal)
    }

    fn payment(&self, obligation: &Obligation) -> Result<Payment, RpcError> {
        let owed = &obligation.owed;
        let amount = Money { currency: owed.currency, micros: obligation.left() };
        Ok(Payment {
            end_to_end_id: PaymentId::new(&obligation.end_to_end_id).map_err(RpcError::internal)?,
            debtor: self.account(owed.payer)?,
            creditor: self.account(owed.payee)?,
            amount,
            on: self.on,
            remittance: format!("{} window {}", obligation.end_to_end_id, self.window),
        })
    }

    fn account(&self, party: PartnerId) -> Result<BankParty, RpcError> {
        if let Some(account) = self.arrangement.accounts.get(&party) {
            return Ok(account.clone());
        }
        let message = "a party has no bank account in the arrangement";
        let refused = Refused::new(ErrorReason::AccountUnknown, message);
        Err(refused.with("party", self.names.of(party)?).into())
    }
}

fn wire(obligation: &Obligation, names: &Names) -> Result<ApiObligation, RpcError> {
    let owed = &obligation.owed;
    Ok(ApiObligation {
        end_to_end_id: obligation.end_to_end_id.clone(),
        payer: names.of(owed.payer)?,
        payee: names.of(owed.payee)?,
        amount: Some(super::wire::money(owed.currency, owed.amount)),
        left: Some(super::wire::money(owed.currency, obligation.left())),
    })
}

fn page<T>(all: &[T], from: usize, size: usize) -> (&[T], Option<usize>) {
    let rest = all.get(from..).unwrap_or_default();
    match rest.split_at_checked(size) {
        Some((page, after)) if !after.is_empty() => (page, Some(from.saturating_add(size))),
        _ => (rest, None),
    }
}

fn day(now: Timestamp) -> Date {
    now.to_zoned(TimeZone::UTC).date()
}
