//! E6: a purchase that earned is refunded, and what the member no longer has becomes a debt.

use entente_client::{
    Client,
    api::{
        partner::{Agreement, Funding},
        settlement::AmountKind,
        types::Operation,
    },
};
use entente_testkit::{
    TestHub,
    cast::{self, GROCER, HARBOR, ROVER, agreement_in, burn, category, earn},
};

use crate::steps::{
    at, cents, everywhere, expiries, gross, gross_rows, has, position, refund_spend, reverse,
};

const FUNDINGS: [Funding; 2] = [Funding::AtIssue, Funding::AtRedemption];

/// Harbor: 1 point per 1.00, and 2 for the whole from 100.00 on; .0100 a point until 10 March, then
/// .0130. Its reimbursement is .0080 and its fee 2 %. Rover settles in USD, Grocer in EUR; both pay
/// when their points are burned.
async fn with_the_terms_of_e6(funding: Funding) -> TestHub {
    let hub = TestHub::start().await;
    let operator = hub.operator().await;
    let tiers = category("*", &[(0, 1, 1_000_000), (cents(10_000), 2, 1_000_000)]);
    let before = Agreement {
        categories: vec![tiers],
        reimbursement_micros: 8_000,
        hub_fee_basis_points: 200,
        ..agreement_in("EUR", funding)
    };
    let after = Agreement { issue_price_micros: 13_000, ..before.clone() };
    cast::onboard(&operator, HARBOR, before).await;
    cast::publish(&operator, HARBOR, at("2026-03-10T00:00:00Z"), after).await;
    for (partner, currency) in [(ROVER, "USD"), (GROCER, "EUR")] {
        cast::onboard(&operator, partner, agreement_in(currency, Funding::AtRedemption)).await;
    }
    everywhere(&hub, "guest").await;
    hub
}

/// A purchase of 120.00 at Harbor, and then the new price.
async fn purchase(hub: &TestHub, harbor: &Client) -> Operation {
    let earned = harbor.earn(earn("guest", cents(12_000), "EUR")).await.unwrap();
    let earned = earned.operation.unwrap();
    assert_eq!((earned.points, earned.terms_version), (240, 1));
    hub.advance_to(at("2026-03-11T08:00:00Z")).await;
    earned
}

/// What moved in EUR so far.
async fn assert_money(hub: &TestHub, expected: &[(&str, &str, AmountKind, i64, i64)]) {
    let operator = hub.operator().await;
    let position = position(&operator, "").await;
    assert_eq!(gross(&position, "EUR"), gross_rows(expected));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_rest_of_a_purchase_earns_what_it_would_have_earned() {
    for funding in FUNDINGS {
        let hub = with_the_terms_of_e6(funding).await;
        let harbor = hub.partner(HARBOR).await;
        let earned = purchase(&hub, &harbor).await;
        let id = &earned.request_id;
        let back = harbor.reverse(refund_spend(id, cents(4_000), "EUR")).await.unwrap();
        let back = back.operation.unwrap();
        assert_eq!((back.points, back.debt_created, back.terms_version), (160, 0, 1));
        assert_eq!(has(&harbor, "guest").await, (80, 0, 0));
        let rest = harbor.reverse(reverse(id)).await.unwrap().operation.unwrap();
        assert_eq!((rest.points, rest.spend), (80, Some(cast::money(cents(8_000), "EUR"))));
        assert_eq!(has(&harbor, "guest").await, (0, 0, 0));
        hub.close().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn issue_money_comes_back_at_the_price_of_the_original() {
    for (funding, paid, returned) in
        [(Funding::AtIssue, cents(240), cents(160)), (Funding::AtRedemption, 0, 0)]
    {
        let hub = with_the_terms_of_e6(funding).await;
        let harbor = hub.partner(HARBOR).await;
        let earned = purchase(&hub, &harbor).await;
        let refund = refund_spend(&earned.request_id, cents(4_000), "EUR");
        harbor.reverse(refund).await.unwrap();
        let mut money = vec![
            (HARBOR, "hub", AmountKind::Issue, 240, paid),
            ("hub", HARBOR, AmountKind::IssueCancelled, 160, returned),
        ];
        money.retain(|row| row.4 > 0);
        assert_money(&hub, &money).await;
        hub.close().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_longer_there_is_a_debt_that_the_next_earn_repays() {
    for funding in FUNDINGS {
        let hub = with_the_terms_of_e6(funding).await;
        let (harbor, grocer) = (hub.partner(HARBOR).await, hub.partner(GROCER).await);
        let earned = purchase(&hub, &harbor).await;
        hub.partner(ROVER).await.burn(burn("guest", 190)).await.unwrap();
        assert_eq!(has(&harbor, "guest").await, (50, 0, 0));
        let refund = refund_spend(&earned.request_id, cents(4_000), "EUR");
        let back = harbor.reverse(refund).await.unwrap().operation.unwrap();
        assert_eq!((back.points, back.debt_created, back.debt_repaid), (160, 110, 0));
        assert_eq!(has(&harbor, "guest").await, (0, 0, 110));
        let next = grocer.earn(earn("guest", cents(20_000), "EUR")).await.unwrap();
        let next = next.operation.unwrap();
        assert_eq!((next.points, next.debt_repaid), (200, 110));
        assert_eq!(has(&harbor, "guest").await, (90, 0, 0));
        let march = ("2027-03".to_owned(), GROCER.to_owned(), 90);
        assert_eq!(expiries(&grocer, "guest").await, [march]);
        hub.close().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn repaying_points_are_redeemed_at_the_first_issuer_for_its_creditor_without_a_fee() {
    for (funding, creditor) in [(Funding::AtIssue, "hub"), (Funding::AtRedemption, HARBOR)] {
        let hub = with_the_terms_of_e6(funding).await;
        let (harbor, grocer) = (hub.partner(HARBOR).await, hub.partner(GROCER).await);
        let earned = purchase(&hub, &harbor).await;
        hub.partner(ROVER).await.burn(burn("guest", 190)).await.unwrap();
        let refund = refund_spend(&earned.request_id, cents(4_000), "EUR");
        harbor.reverse(refund).await.unwrap();
        grocer.earn(earn("guest", cents(20_000), "EUR")).await.unwrap();
        let mut money = vec![(GROCER, creditor, AmountKind::DebtRepaid, 110, cents(88))];
        if funding == Funding::AtIssue {
            money.push((HARBOR, "hub", AmountKind::Issue, 240, cents(240)));
            money.push(("hub", HARBOR, AmountKind::IssueCancelled, 160, cents(160)));
        }
        assert_money(&hub, &money).await;
        hub.close().await;
    }
}
