//! Reports: what the ledger comes to, told to whom it concerns.

use std::collections::BTreeMap;

use entente_client::{
    Client,
    api::{
        error::ErrorReason,
        partner::{Agreement, Funding},
        points::ReverseRequest,
        settlement::{
            Breakage, GetBreakageRequest, GetFeesRequest, GetOutstandingPointsRequest,
            GetPoolCoverageRequest, GetTrialBalanceRequest,
        },
    },
    new_request_id,
};
use entente_testkit::{
    TestHub,
    cast::{self, GROCER, HARBOR, ROVER, agreement_in, burn, earn},
};

use crate::settling::{WINDOW, close, hub_with, settled_at_issue};

/// Debits and credits of each unit, and how many accounts there are.
async fn trial(operator: &Client, window: &str) -> (BTreeMap<String, (i64, i64)>, usize) {
    let request = GetTrialBalanceRequest { window: window.to_owned() };
    let accounts = operator.get_trial_balance(request).await.unwrap().accounts;
    let mut sums = BTreeMap::<String, (i64, i64)>::new();
    for account in &accounts {
        let (debits, credits) = sums.entry(account.currency.clone()).or_default();
        *debits += account.debits;
        *credits += account.credits;
    }
    (sums, accounts.len())
}

async fn breakage(client: &Client, window: &str, partner: &str) -> Vec<Breakage> {
    let (window, partner) = (window.to_owned(), partner.to_owned());
    client.get_breakage(GetBreakageRequest { window, partner }).await.unwrap().issuers
}

/// What is left of an issuer's points, by what became of them.
const fn left(of: &Breakage) -> i64 {
    of.issued - of.cancelled + of.reinstated - of.redeemed + of.refunded
        - of.repaid
        - of.expired
        - of.donated
}

#[tokio::test(flavor = "multi_thread")]
async fn the_pool_is_compared_with_the_points_that_it_stands_for() {
    let hub = settled_at_issue().await;
    let operator = hub.operator().await;
    let pools = operator.get_pool_coverage(GetPoolCoverageRequest {}).await.unwrap().pools;
    let [pool] = pools.as_slice() else { panic!("one currency, one pool: {pools:?}") };
    assert_eq!((pool.currency.as_str(), pool.points), ("USD", 130_000));
    assert_eq!(pool.balance_micros, 1_872_000_000, "2,710 issued less 838 redeemed");
    let request = GetOutstandingPointsRequest::default();
    let points = operator.get_outstanding_points(request).await.unwrap().points;
    let liability = points.iter().map(|one| one.liability.as_ref().unwrap().micros).sum::<i64>();
    assert_eq!(pool.liability_micros, liability);
    assert_eq!(points.iter().map(|one| one.points).sum::<i64>(), 130_000);
    assert!(points.iter().all(|one| one.at_issue && one.month.len() == 7), "{points:?}");
    hub.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn reports_add_up_and_each_brand_reads_its_own() {
    let rover = agreement_in("USD", Funding::AtRedemption);
    let hub = hub_with([
        agreement_in("EUR", Funding::AtRedemption),
        Agreement { reimbursement_micros: 8_000, hub_fee_basis_points: 200, ..rover },
        agreement_in("USD", Funding::AtIssue),
    ])
    .await;
    let operator = hub.operator().await;
    let earned = earn("guest", 5_000_000_000, "EUR");
    hub.partner(HARBOR).await.earn(earned.clone()).await.unwrap();
    hub.partner(GROCER).await.earn(earn("guest", 2_000_000_000, "USD")).await.unwrap();
    hub.partner(ROVER).await.burn(burn("guest", 4_500)).await.unwrap();
    // More than is left of the earn goes back: a debt, which the next earn repays.
    let reverse = ReverseRequest {
        request_id: new_request_id(),
        original_request_id: earned.request_id.clone(),
        ..ReverseRequest::default()
    };
    hub.partner(HARBOR).await.reverse(reverse).await.unwrap();
    close(&operator).await;
    hub.partner(GROCER).await.earn(earn("guest", 6_000_000_000, "USD")).await.unwrap();

    for window in ["", WINDOW] {
        let (sums, accounts) = trial(&operator, window).await;
        assert!(accounts > 4 && sums.contains_key(""), "{sums:?}");
        assert!(sums.values().all(|(debits, credits)| debits == credits), "{sums:?}");
    }
    let (whole, of_window) = (trial(&operator, "").await.0, trial(&operator, WINDOW).await.0);
    assert!(whole[""].0 > of_window[""].0, "the window is a part of the ledger");

    let all = breakage(&operator, "", "").await;
    assert_eq!(all.iter().map(|one| one.issuer.as_str()).collect::<Vec<_>>(), [HARBOR, GROCER]);
    assert!(all.iter().all(|one| left(one) == one.outstanding), "{all:?}");
    let of_harbor = breakage(&hub.partner(HARBOR).await, "", "").await;
    assert_eq!(of_harbor, all[..1]);
    assert_eq!((of_harbor[0].issued, of_harbor[0].cancelled), (5_000, 5_000));
    let held = cast::balances(&hub.partner(GROCER).await, "guest").await;
    let outstanding = all.iter().map(|one| one.outstanding).sum::<i64>();
    assert_eq!(outstanding, held.available + held.held - held.debt);

    // E3's fee: 2 % of .0080 for each point, paid by the issuer, or by the pool for it.
    let fees = operator.get_fees(GetFeesRequest::default()).await.unwrap().fees;
    let told = fees.iter().map(|one| (one.payer.as_str(), one.charged.as_ref().unwrap().micros));
    let told: BTreeMap<_, _> = told.collect();
    assert_eq!(told.values().sum::<i64>(), 4_500 * 160, "{told:?}");
    let own = hub.partner(HARBOR).await.get_fees(GetFeesRequest::default()).await.unwrap().fees;
    assert_eq!(own.iter().map(|one| one.payer.as_str()).collect::<Vec<_>>(), [HARBOR]);
    hub.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_reads_reports_about_others_or_about_no_window() {
    let hub = TestHub::with_cast().await;
    let (operator, rover) = (hub.operator().await, hub.partner(ROVER).await);
    let reason = |error: entente_client::Error| error.refusal().expect("a refusal").reason;
    let (window, partner) = ("1999".to_owned(), HARBOR.to_owned());
    let unknown =
        operator.get_trial_balance(GetTrialBalanceRequest { window: window.clone() }).await;
    assert_eq!(reason(unknown.unwrap_err()), ErrorReason::WindowUnknown);
    let foreign = GetBreakageRequest { window: String::new(), partner: partner.clone() };
    assert_eq!(reason(rover.get_breakage(foreign).await.unwrap_err()), ErrorReason::NotAllowed);
    let foreign = GetOutstandingPointsRequest { partner };
    let refused = rover.get_outstanding_points(foreign).await.unwrap_err();
    assert_eq!(reason(refused), ErrorReason::NotAllowed);
    let unknown = GetFeesRequest { window, partner: "nobody-here".to_owned() };
    assert_eq!(reason(operator.get_fees(unknown).await.unwrap_err()), ErrorReason::PartnerUnknown);
    let refused = rover.get_pool_coverage(GetPoolCoverageRequest {}).await.unwrap_err();
    assert_eq!(reason(refused), ErrorReason::NotAllowed);
    hub.close().await;
}
