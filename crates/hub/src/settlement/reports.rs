//! Reports as the contract has them. Each reads much, so few are read at once.

use std::sync::Arc;

use entente_api::settlement as api;
use entente_ledger::{Funding, PartnerId};
use entente_store::{
    StoreError,
    settlement::{
        ListedWindow,
        reports::{self, AccountBalance, Breakage, Fees, Outstanding, PoolBalance},
        window_by_name,
    },
};
use sqlx::PgPool;
use tokio::sync::Semaphore;

use super::{Names, Settlements, statement::window_unknown, wire::money};
use crate::error::{Refused, RpcError};

/// How many reports are read at the same time; the others are told to come again.
const REPORTS_AT_ONCE: usize = 2;

/// Reads of reports. Clones share their bound.
#[derive(Debug, Clone)]
pub struct Reports {
    pool: PgPool,
    settlements: Settlements,
    places: Arc<Semaphore>,
}

impl Reports {
    /// Reads from a database.
    #[must_use]
    pub fn new(pool: PgPool, settlements: Settlements) -> Self {
        Self { pool, settlements, places: Arc::new(Semaphore::new(REPORTS_AT_ONCE)) }
    }

    /// Debits and credits of each account.
    pub async fn trial_balance(
        &self,
        window: Option<String>,
    ) -> Result<api::GetTrialBalanceResponse, RpcError> {
        let (pool, window) = (self.pool.clone(), self.window(window).await?);
        let read = async move { reports::trial_balance(&pool, window.as_ref()).await };
        let (accounts, names) = self.read(read).await?;
        let accounts = accounts.iter().map(|account| balance(account, &names));
        Ok(api::GetTrialBalanceResponse { accounts: accounts.collect::<Result<_, _>>()? })
    }

    /// What members hold.
    pub async fn outstanding(
        &self,
        issuer: Option<PartnerId>,
    ) -> Result<api::GetOutstandingPointsResponse, RpcError> {
        let pool = self.pool.clone();
        let read = async move { reports::outstanding(&pool, issuer).await };
        let (points, names) = self.read(read).await?;
        let points = points.into_iter().map(|points| outstanding(points, &names));
        Ok(api::GetOutstandingPointsResponse { points: points.collect::<Result<_, _>>()? })
    }

    /// What the pool holds, and stands for.
    pub async fn pools(&self) -> Result<api::GetPoolCoverageResponse, RpcError> {
        let pool = self.pool.clone();
        let (pools, _) = self.read(async move { reports::pools(&pool).await }).await?;
        Ok(api::GetPoolCoverageResponse { pools: pools.iter().map(coverage).collect() })
    }

    /// What became of points.
    pub async fn breakage(
        &self,
        window: Option<String>,
        issuer: Option<PartnerId>,
    ) -> Result<api::GetBreakageResponse, RpcError> {
        let (pool, window) = (self.pool.clone(), self.window(window).await?);
        let read = async move { reports::breakage(&pool, window.as_ref(), issuer).await };
        let (issuers, names) = self.read(read).await?;
        let issuers = issuers.iter().map(|issuer| breakage(issuer, &names));
        Ok(api::GetBreakageResponse { issuers: issuers.collect::<Result<_, _>>()? })
    }

    /// What the hub's fees come to.
    pub async fn fees(
        &self,
        window: Option<String>,
        payer: Option<PartnerId>,
    ) -> Result<api::GetFeesResponse, RpcError> {
        let (pool, window) = (self.pool.clone(), self.window(window).await?);
        let read = async move { reports::fees(&pool, window.as_ref(), payer).await };
        let (fees, names) = self.read(read).await?;
        let fees = fees.iter().map(|fees| of_payer(fees, &names));
        Ok(api::GetFeesResponse { fees: fees.collect::<Result<_, _>>()? })
    }

    /// A closed window; what is tested is in no report.
    async fn window(&self, name: Option<String>) -> Result<Option<ListedWindow>, RpcError> {
        let Some(name) = name else { return Ok(None) };
        let found = window_by_name(&self.pool, &name).await?;
        let live = found.filter(|window| !window.is_testing());
        live.map(Some).ok_or_else(|| window_unknown().into())
    }

    /// Reads in a task of its own, which a caller that hangs up does not cut short, and which keeps
    /// its place until it is done.
    async fn read<T: Send + 'static>(
        &self,
        read: impl Future<Output = Result<Vec<T>, StoreError>> + Send + 'static,
    ) -> Result<(Vec<T>, Names), RpcError> {
        let place = Arc::clone(&self.places).try_acquire_owned();
        let place = place.map_err(|_| Refused::overloaded())?;
        let task = tokio::spawn(async move {
            let _place = place;
            read.await
        });
        let rows = task.await.map_err(RpcError::internal)??;
        Ok((rows, self.settlements.names().await?))
    }
}

fn balance(account: &AccountBalance, names: &Names) -> Result<api::AccountBalance, RpcError> {
    let partner = match account.partner {
        PartnerId::HUB => String::new(),
        partner => names.of(partner)?,
    };
    Ok(api::AccountBalance {
        account: account.account.to_owned(),
        partner,
        currency: account.currency.map(|currency| currency.to_string()).unwrap_or_default(),
        debits: account.debits,
        credits: account.credits,
    })
}

fn outstanding(points: Outstanding, names: &Names) -> Result<api::OutstandingPoints, RpcError> {
    Ok(api::OutstandingPoints {
        issuer: names.of(points.issuer)?,
        month: points.month,
        at_issue: points.funding == Funding::AtIssue,
        points: points.points.0,
        held: points.held.0,
        liability: Some(money(points.currency, points.liability)),
    })
}

fn coverage(pool: &PoolBalance) -> api::PoolCoverage {
    api::PoolCoverage {
        currency: pool.currency.to_string(),
        balance_micros: pool.balance.0,
        liability_micros: pool.liability.0,
        points: pool.points.0,
        fx_micros: pool.fx.0,
        fx_difference_micros: pool.fx_difference.0,
    }
}

fn breakage(of: &Breakage, names: &Names) -> Result<api::Breakage, RpcError> {
    Ok(api::Breakage {
        issuer: names.of(of.issuer)?,
        issued: of.issued.0,
        cancelled: of.cancelled.0,
        reinstated: of.reinstated.0,
        redeemed: of.redeemed.0,
        refunded: of.refunded.0,
        repaid: of.repaid.0,
        expired: of.expired.0,
        donated: of.donated.0,
        outstanding: of.outstanding.0,
    })
}

fn of_payer(fees: &Fees, names: &Names) -> Result<api::Fees, RpcError> {
    Ok(api::Fees {
        payer: names.of(fees.payer)?,
        charged: Some(money(fees.currency, fees.charged)),
        refunded: Some(money(fees.currency, fees.refunded)),
    })
}
