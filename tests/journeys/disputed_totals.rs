//! What others' operations moved for a partner is told one by one within a dispute of their total, to whom
//! it concerns, until operators answer.

use std::collections::BTreeMap;

use entente_client::{
    Client, Error,
    api::{
        error::ErrorReason,
        partner::{Agreement, Funding},
        settlement::{
            AmountKind, Direction, DisputeLinesRequest, DisputedOperation, DisputedTotal,
            GetStatementRequest, ListDisputedOperationsRequest, StatementElsewhere, StatementState,
            get_statement_response::Part,
        },
        types::Money,
    },
    new_request_id,
};
use entente_testkit::{
    TestHub,
    cast::{self, GROCER, HARBOR, ROVER, agreement_in, burn, earn, money},
};

use crate::{
    disputes::{answer, disputes, objection, standing},
    steps::{cents, close, everywhere, reason, refund_points, tampering_is_found},
};

/// What Rover's operations on a day came to for another partner.
pub(crate) fn day_total(day: &str) -> DisputedTotal {
    DisputedTotal {
        counterparty: ROVER.to_owned(),
        day: day.to_owned(),
        kind: AmountKind::Redemption.into(),
        currency: "EUR".to_owned(),
    }
}

/// A dispute of totals.
pub(crate) fn objection_to(totals: Vec<DisputedTotal>) -> DisputeLinesRequest {
    let lines = Vec::new();
    DisputeLinesRequest { lines, totals, ..objection("", AmountKind::Redemption, "EUR") }
}

/// What names a total that a statement tells.
pub(crate) fn named(total: &StatementElsewhere) -> DisputedTotal {
    DisputedTotal {
        counterparty: total.counterparty.clone(),
        day: total.day.clone(),
        kind: total.kind,
        currency: total.amount.as_ref().unwrap().currency.clone(),
    }
}

pub(crate) fn behind(dispute: &str, total: i32, page_token: &str) -> ListDisputedOperationsRequest {
    ListDisputedOperationsRequest {
        dispute: dispute.to_owned(),
        total,
        page_size: 1,
        page_token: page_token.to_owned(),
    }
}

/// Points of Harbor, which pays at each burn, and of Grocer, which paid when it issued them, are burned at
/// Rover and at Grocer; a part is refunded; prices have a fraction of a cent; the window is closed.
async fn with_burns() -> TestHub {
    let hub = TestHub::start().await;
    let operator = hub.operator().await;
    for partner in [HARBOR, ROVER, GROCER] {
        let funding = if partner == GROCER { Funding::AtIssue } else { Funding::AtRedemption };
        let agreement = Agreement {
            reimbursement_micros: 7_003,
            hub_fee_basis_points: 50,
            ..agreement_in("EUR", funding)
        };
        cast::onboard(&operator, partner, agreement).await;
    }
    for (guest, issuer) in [("guest", HARBOR), ("other", GROCER)] {
        everywhere(&hub, guest).await;
        hub.partner(issuer).await.earn(earn(guest, cents(100_000), "EUR")).await.unwrap();
    }
    let burns = [(ROVER, "guest", 300), (ROVER, "guest", 200), (GROCER, "guest", 101)];
    for (partner, guest, points) in burns.into_iter().chain([(ROVER, "other", 77)]) {
        let mut burn = burn(guest, points);
        burn.receipt_reference = format!("secret-{points}");
        let partner = hub.partner(partner).await;
        partner.burn(burn.clone()).await.unwrap();
        partner.reverse(refund_points(&burn.request_id, 33)).await.unwrap();
    }
    close(&operator, "2026-03").await;
    hub
}

/// What the statement of a window tells of others' operations.
pub(crate) async fn elsewhere(client: &Client, window: &str) -> Vec<StatementElsewhere> {
    let request = GetStatementRequest {
        window: window.to_owned(),
        partner: String::new(),
        ..GetStatementRequest::default()
    };
    let mut statement = client.get_statement(request).await.unwrap();
    let mut found = Vec::new();
    while let Some(part) = statement.next().await.unwrap() {
        if let Part::Elsewhere(part) = part {
            found.push(part);
        }
    }
    found
}

async fn list(
    client: &Client,
    request: ListDisputedOperationsRequest,
) -> Result<(Vec<DisputedOperation>, String), Error> {
    let page = client.list_disputed_operations(request).await?;
    assert!(page.operations.len() <= 1);
    Ok((page.operations, page.next_page_token))
}

/// All pages of a total.
async fn all(client: &Client, dispute: &str, total: usize) -> Vec<DisputedOperation> {
    let total = i32::try_from(total).unwrap();
    let (mut found, mut token) = list(client, behind(dispute, total, "")).await.unwrap();
    while !token.is_empty() {
        let (mut page, next) = list(client, behind(dispute, total, &token)).await.unwrap();
        found.append(&mut page);
        token = next;
    }
    found
}

/// Points and micros, by who pays.
type Sums = BTreeMap<i32, (i64, i64)>;

fn add(sums: &mut Sums, direction: i32, points: i64, amount: Option<&Money>) {
    let sum = sums.entry(direction).or_default();
    *sum = (sum.0 + points, sum.1 + amount.unwrap().micros);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_operations_behind_every_total_add_up_to_it() {
    let hub = with_burns().await;
    let mut kinds = Vec::new();
    for partner in [HARBOR, GROCER] {
        let partner = hub.partner(partner).await;
        let told = elsewhere(&partner, "2026-03").await;
        let mut totals: Vec<_> = told.iter().map(named).collect();
        totals.dedup();
        let made = partner.dispute_lines(objection_to(totals)).await.unwrap().dispute.unwrap();
        for (place, total) in made.totals.iter().enumerate() {
            let (mut expected, mut found) = (Sums::new(), Sums::new());
            for part in told.iter().filter(|part| named(part) == *total) {
                add(&mut expected, part.direction, part.points, part.amount.as_ref());
            }
            for one in all(&partner, &made.dispute, place).await {
                add(&mut found, one.direction, one.points, one.amount.as_ref());
            }
            assert!(!expected.is_empty());
            assert_eq!(found, expected, "{total:?}");
            kinds.push((total.kind(), expected.into_keys().next_back()));
        }
    }
    let even = Some(i32::from(Direction::Even));
    assert!(kinds.iter().any(|(kind, _)| *kind == AmountKind::Rounding), "{kinds:?}");
    assert!(kinds.contains(&(AmountKind::RedemptionRefunded, Some(Direction::Receives.into()))));
    assert!(kinds.contains(&(AmountKind::Redemption, even)), "paid by the pool: {kinds:?}");
    let pool = hub.database().owner_pool().await;
    let verdicts = entente_store::check::run(&pool).await.unwrap();
    // The server of the tests keeps nothing for good.
    assert!(verdicts.iter().all(|found| found.number == 5 || found.holds()), "{verdicts:?}");
    // A total that nothing is behind is found.
    sqlx::query("UPDATE dispute_totals SET currency = 'USD'").execute(&pool).await.unwrap();
    let verdicts = entente_store::check::run(&pool).await.unwrap();
    let mut found = verdicts.iter().flat_map(|verdict| &verdict.offenders);
    assert!(
        found.any(|offender| offender.starts_with("nothing is behind total 1")),
        "{verdicts:?}"
    );
    sqlx::query("UPDATE dispute_totals SET currency = 'EUR'").execute(&pool).await.unwrap();
    pool.close().await;
    hub.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disputed_total_shows_the_operations_behind_it_until_it_is_answered() {
    let hub = with_burns().await;
    let (operator, harbor) = (hub.operator().await, hub.partner(HARBOR).await);
    let told = elsewhere(&harbor, "2026-03").await;
    let at_rover = day_total(&told[0].day);
    let total = told.iter().find(|part| named(part) == at_rover).unwrap();
    assert_eq!((total.points, &total.amount), (500, &Some(money(500 * 7_003, "EUR"))));
    refused_totals(&harbor, &at_rover).await;
    let unknown = |found: Result<_, Error>| {
        assert_eq!(reason(&found.unwrap_err()), ErrorReason::DisputeUnknown);
    };
    unknown(list(&harbor, behind(&new_request_id(), 0, "")).await);

    let request = objection_to(vec![at_rover.clone()]);
    let made = harbor.dispute_lines(request.clone()).await.unwrap().dispute.unwrap();
    assert_eq!(made.totals, std::slice::from_ref(&at_rover));
    let again = harbor.dispute_lines(request).await.unwrap();
    assert!(again.replayed && again.dispute.unwrap().totals == made.totals);
    assert_eq!(disputes(&operator).await[0].totals, made.totals);
    assert_eq!(standing(&harbor).await, StatementState::Disputed);
    let (first, token) = list(&harbor, behind(&made.dispute, 0, "")).await.unwrap();
    let both = all(&harbor, &made.dispute, 0).await;
    assert_eq!(first, both[..1]);
    let shown = both.iter().map(|one| (one.points, one.amount.clone().unwrap(), one.terms_version));
    assert_eq!(
        shown.collect::<Vec<_>>(),
        [(300, money(300 * 7_003, "EUR"), 1), (200, money(200 * 7_003, "EUR"), 1)]
    );
    for one in &both {
        assert_eq!(one.direction(), total.direction());
        assert_eq!(one.price, Some(money(7_003, "EUR")));
        assert_eq!(one.posted_at.unwrap().nanos, 0, "to the second");
    }
    assert_eq!(all(&operator, &made.dispute, 0).await, both, "operators see what the partner sees");

    let other = harbor.dispute_lines(objection_to(vec![at_rover])).await.unwrap().dispute.unwrap();
    for another in [ROVER, GROCER] {
        let another = hub.partner(another).await;
        unknown(list(&another, behind(&made.dispute, 0, "")).await);
        let stolen = list(&another, behind(&made.dispute, 0, &token)).await;
        assert_eq!(reason(&stolen.unwrap_err()), ErrorReason::Malformed, "the token is Harbor's");
    }
    for (request, expected) in [
        (behind(&made.dispute, 1, ""), ErrorReason::LineUnknown),
        (behind(&made.dispute, -1, ""), ErrorReason::Malformed),
        (behind(&made.dispute, 100, ""), ErrorReason::Malformed),
        (behind(&made.dispute, 0, "changed"), ErrorReason::Malformed),
        (behind(&made.dispute, 1, &token), ErrorReason::Malformed),
        (behind(&other.dispute, 0, &token), ErrorReason::Malformed),
        (behind("", 0, ""), ErrorReason::Malformed),
    ] {
        let shown = format!("{request:?}");
        let refused = list(&harbor, request).await.unwrap_err();
        assert_eq!(reason(&refused), expected, "{shown}");
    }
    operator.answer_dispute(answer(&made.dispute, "")).await.unwrap();
    unknown(list(&harbor, behind(&made.dispute, 0, "")).await);
    unknown(list(&harbor, behind(&made.dispute, 0, &token)).await);
    unknown(list(&operator, behind(&made.dispute, 0, "")).await);
    assert_eq!(all(&harbor, &other.dispute, 0).await, both, "this one waits for its answer");
    let pool = hub.database().owner_pool().await;
    let tampering =
        ("UPDATE dispute_totals SET day = day + 400", "UPDATE dispute_totals SET day = day - 400");
    tampering_is_found(&pool, tampering, "nothing is behind total").await;
    pool.close().await;
    hub.close().await;
}

async fn refused_totals(harbor: &Client, good: &DisputedTotal) {
    let with = |change: fn(&mut DisputedTotal)| {
        let mut total = good.clone();
        change(&mut total);
        vec![good.clone(), total]
    };
    for (totals, expected) in [
        (with(|total| total.day = "2026-02-28".into()), ErrorReason::LineUnknown),
        (with(|total| total.day = "9999-12-31".into()), ErrorReason::LineUnknown),
        (with(|total| total.counterparty = "hub".into()), ErrorReason::LineUnknown),
        (with(|total| total.counterparty = "nobody".into()), ErrorReason::LineUnknown),
        (with(|total| total.counterparty = HARBOR.into()), ErrorReason::LineUnknown),
        (with(|total| total.kind = AmountKind::Issue.into()), ErrorReason::LineUnknown),
        (with(|total| total.currency = "USD".into()), ErrorReason::LineUnknown),
        (with(|total| total.kind = AmountKind::CurrencySold.into()), ErrorReason::Malformed),
        (with(|total| total.day = "yesterday".into()), ErrorReason::Malformed),
        (with(|total| total.day.push_str("T00:00:00")), ErrorReason::Malformed),
        (with(|total| total.day = total.day.replace('-', "")), ErrorReason::Malformed),
        (with(|total| total.counterparty.clear()), ErrorReason::Malformed),
        (vec![good.clone(); 101], ErrorReason::Malformed),
        (Vec::new(), ErrorReason::Malformed),
    ] {
        let shown = format!("{:?}", totals.last());
        let refused = harbor.dispute_lines(objection_to(totals)).await.unwrap_err();
        assert_eq!(reason(&refused), expected, "{shown}");
    }
    let mut both = objection_to(vec![good.clone(); 100]);
    both.lines = objection(&new_request_id(), AmountKind::Redemption, "EUR").lines;
    let refused = harbor.dispute_lines(both).await.unwrap_err();
    assert_eq!(reason(&refused), ErrorReason::Malformed, "100 lines and totals, not of each");
    assert_eq!(standing(harbor).await, StatementState::Pending, "nothing is left of them");
}
