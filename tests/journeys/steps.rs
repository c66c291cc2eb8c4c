//! What journeys do again and again, written shortly.

use std::time::Duration;

use entente_client::{
    Client, Error,
    api::{
        error::ErrorReason,
        member::GetBalanceRequest,
        partner::{Agreement, Funding},
        points::{
            AuthorizeRequest, CaptureRequest, ReverseRequest, VoidRequest, authorize_request,
            reverse_request,
        },
        settlement::{
            AmountKind, CloseWindowRequest, CloseWindowResponse, Direction, GetPositionRequest,
            GetPositionResponse, Net,
        },
        types::Operation,
    },
    new_request_id,
};
use entente_testkit::{
    TestHub,
    cast::{self, GROCER, HARBOR, ROVER, agreement_in, earn, enrol},
};
use jiff::Timestamp;
use sqlx::{AssertSqlSafe, PgPool};

/// Payer, payee, kind, points, micros.
pub(crate) type GrossRow = (String, String, AmountKind, i64, i64);

/// Party, direction, micros.
pub(crate) type NetRow = (String, Direction, i64);

pub(crate) fn at(time: &str) -> Timestamp {
    time.parse().unwrap()
}

/// Hundredths of a currency unit, in micros.
pub(crate) const fn cents(hundredths: i64) -> i64 {
    hundredths * 10_000
}

/// The reason of a refusal.
pub(crate) fn reason(error: &Error) -> ErrorReason {
    error.refusal().unwrap_or_else(|| panic!("not a refusal: {error}")).reason
}

pub(crate) fn authorize(reference: &str, points: i64) -> AuthorizeRequest {
    AuthorizeRequest {
        request_id: new_request_id(),
        member_reference: reference.to_owned(),
        amount: Some(authorize_request::Amount::Points(points)),
        receipt_reference: String::new(),
    }
}

/// A capture of an authorization, in full or of so many points.
pub(crate) fn capture(authorization: &str, points: Option<i64>) -> CaptureRequest {
    let authorization_request_id = authorization.to_owned();
    CaptureRequest { request_id: new_request_id(), authorization_request_id, points }
}

pub(crate) fn void(authorization: &str) -> VoidRequest {
    let authorization_request_id = authorization.to_owned();
    VoidRequest { request_id: new_request_id(), authorization_request_id }
}

/// A reversal of all that is left.
pub(crate) fn reverse(original: &str) -> ReverseRequest {
    let original_request_id = original.to_owned();
    ReverseRequest { request_id: new_request_id(), original_request_id, part: None }
}

/// A refund of so many points of a burn or capture.
pub(crate) fn refund_points(original: &str, points: i64) -> ReverseRequest {
    ReverseRequest { part: Some(reverse_request::Part::Points(points)), ..reverse(original) }
}

/// A refund of so much of a purchase.
pub(crate) fn refund_spend(original: &str, micros: i64, currency: &str) -> ReverseRequest {
    let spend = cast::money(micros, currency);
    ReverseRequest { part: Some(reverse_request::Part::Spend(spend)), ..reverse(original) }
}

/// What a member has: available, held, debt.
pub(crate) async fn has(partner: &Client, reference: &str) -> (i64, i64, i64) {
    let balances = cast::balances(partner, reference).await;
    (balances.available, balances.held, balances.debt)
}

/// What a member's points are, as a partner sees it: month of expiry, issuer, points.
pub(crate) async fn expiries(partner: &Client, reference: &str) -> Vec<(String, String, i64)> {
    let request = GetBalanceRequest { member_reference: reference.to_owned() };
    let response = partner.get_balance(request).await.unwrap();
    response.expiries.into_iter().map(|e| (e.month, e.issuer, e.points)).collect()
}

/// The issuer and the points of each lot that an operation touched.
pub(crate) fn portions(operation: &Operation) -> Vec<(&str, i64)> {
    operation.portions.iter().map(|portion| (portion.issuer.as_str(), portion.points)).collect()
}

/// The position of everybody in a window; the open one has no name.
pub(crate) async fn position(operator: &Client, window: &str) -> GetPositionResponse {
    let request = GetPositionRequest { window: window.to_owned(), partner: String::new() };
    operator.get_position(request).await.unwrap()
}

/// The gross amounts of one currency that are money, sorted.
pub(crate) fn gross(position: &GetPositionResponse, currency: &str) -> Vec<GrossRow> {
    let rows = position.gross.iter().filter_map(|gross| {
        let amount = gross.amount.as_ref().unwrap();
        let counted = amount.currency == currency && amount.micros != 0;
        let row = || {
            let (payer, payee) = (gross.payer.clone(), gross.payee.clone());
            (payer, payee, gross.kind(), gross.points, amount.micros)
        };
        counted.then(row)
    });
    sorted(rows.collect())
}

/// The nets of one currency, sorted.
pub(crate) fn nets(nets: &[Net], currency: &str) -> Vec<NetRow> {
    let rows = nets.iter().filter_map(|net| {
        let amount = net.amount.as_ref().unwrap();
        let row = || (net.party.clone(), net.direction(), amount.micros);
        (amount.currency == currency).then(row)
    });
    sorted(rows.collect())
}

/// What a test expects of [`gross`].
pub(crate) fn gross_rows(rows: &[(&str, &str, AmountKind, i64, i64)]) -> Vec<GrossRow> {
    let owned = |&(payer, payee, kind, points, micros): &(&str, &str, _, _, _)| {
        (payer.to_owned(), payee.to_owned(), kind, points, micros)
    };
    sorted(rows.iter().map(owned).collect())
}

/// What a test expects of [`nets`].
pub(crate) fn net_rows(rows: &[(&str, Direction, i64)]) -> Vec<NetRow> {
    let owned = |&(party, direction, micros): &(&str, _, _)| (party.to_owned(), direction, micros);
    sorted(rows.iter().map(owned).collect())
}

/// What a partner owes at this moment in a currency; negative when it is owed.
pub(crate) async fn exposure(operator: &Client, partner: &str, currency: &str) -> i64 {
    let exposures = position(operator, "").await.exposures;
    let found = exposures.iter().find(|exposure| {
        exposure.partner == partner && exposure.amount.as_ref().unwrap().currency == currency
    });
    found.map_or(0, |exposure| {
        let micros = exposure.amount.as_ref().unwrap().micros;
        if exposure.direction() == Direction::Receives { -micros } else { micros }
    })
}

/// Closes the open window under a name.
pub(crate) async fn close(operator: &Client, name: &str) -> CloseWindowResponse {
    operator
        .close_window(CloseWindowRequest { name: name.to_owned(), testing: false })
        .await
        .unwrap()
}

/// The member of E3, known to all three as `rider`: 5,000 of Harbor's points, 3,000 of Rover's,
/// 2,000 of Grocer's, all paid for when they are burned. Rover's reimbursement is .0080 and its
/// fee 2 %; Harbor settles in EUR, the others in USD.
pub(crate) async fn with_the_member_of_e3() -> TestHub {
    let hub = TestHub::start().await;
    let operator = hub.operator().await;
    let lasting = |currency, lot_life_days| Agreement {
        lot_life_days,
        ..agreement_in(currency, Funding::AtRedemption)
    };
    let priced = |agreement| Agreement {
        reimbursement_micros: 8_000,
        hub_fee_basis_points: 200,
        ..agreement
    };
    cast::onboard(&operator, HARBOR, lasting("EUR", 29)).await;
    cast::onboard(&operator, ROVER, priced(lasting("USD", 90))).await;
    cast::onboard(&operator, GROCER, lasting("USD", 151)).await;
    everywhere(&hub, "rider").await;
    for (issuer, points, currency) in
        [(HARBOR, 5_000, "EUR"), (ROVER, 3_000, "USD"), (GROCER, 2_000, "USD")]
    {
        let issuer = hub.partner(issuer).await;
        let earned = issuer.earn(earn("rider", cents(points * 100), currency)).await.unwrap();
        assert_eq!(earned.operation.unwrap().points, points);
    }
    hub
}

/// Enrols a member whom all of the cast know by one reference.
pub(crate) async fn everywhere(hub: &TestHub, reference: &str) {
    enrol(&hub.partner(ROVER).await, reference).await;
    let operator = hub.operator().await;
    cast::attach(&operator, ROVER, reference, HARBOR).await;
    cast::attach(&operator, ROVER, reference, GROCER).await;
}

/// Waits until a query of one boolean says yes.
///
/// # Panics
/// When it does not within half a minute.
pub(crate) async fn until(hub: &TestHub, query: &'static str) {
    let pool = hub.database().owner_pool().await;
    for _ in 0..1_000 {
        if sqlx::query_scalar::<_, bool>(query).fetch_one(&pool).await.unwrap() {
            pool.close().await;
            return;
        }
        tokio::time::sleep(Duration::from_millis(30)).await;
    }
    panic!("it never came to be: {query}");
}

/// Waits until the sweeper has ended everything that is due.
pub(crate) async fn swept(hub: &TestHub) {
    until(
        hub,
        "SELECT NOT EXISTS (SELECT FROM wallets WHERE next_due_at <= (SELECT now FROM clock))",
    )
    .await;
}

fn sorted<T: Ord>(mut rows: Vec<T>) -> Vec<T> {
    rows.sort();
    rows
}

/// What somebody does to the database is told by the check. It is undone again.
pub(crate) async fn tampering_is_found(
    pool: &PgPool,
    (done, undone): (impl Into<String>, impl Into<String>),
    said: &str,
) {
    let run = async |statement: String| {
        sqlx::query(AssertSqlSafe(statement)).execute(pool).await.unwrap();
    };
    run(done.into()).await;
    let verdicts = entente_store::check::run(pool).await.unwrap();
    let told: Vec<_> = verdicts.iter().flat_map(|verdict| &verdict.offenders).collect();
    assert!(told.iter().any(|offender| offender.contains(said)), "{said}: {told:?}");
    run(undone.into()).await;
}
