//! What is to be paid for a window, however it is netted: invariant 7, settled to zero; and what two
//! operators correct afterwards.

use std::collections::BTreeMap;

use entente_client::{
    Client, Operators,
    api::{
        error::ErrorReason,
        partner::{Agreement, Funding},
        proposal::act::Act,
        settlement::{
            AdjustRequest, AmountKind, Arrangement, BankAccount, Direction,
            ExportObligationsRequest, GetWindowRequest, ListObligationsRequest, Netting,
            Obligation, RecordPaymentRequest, WindowState,
        },
    },
    new_request_id,
};
use entente_testkit::{
    TestHub,
    cast::{self, GROCER, HARBOR, ROVER, agreement_in, burn, earn, money},
};

use crate::{
    proposals::{approval, propose, refusal},
    steps::{
        cents, close, everywhere, exposure, gross, gross_rows, net_rows, nets, position, reason,
    },
};

/// What each pays each in E4, in whole dollars.
const OWED: [(&str, &str, i64); 6] = [
    (HARBOR, ROVER, 40_000),
    (ROVER, HARBOR, 25_000),
    (ROVER, GROCER, 18_000),
    (GROCER, ROVER, 6_000),
    (GROCER, HARBOR, 9_000),
    (HARBOR, GROCER, 4_000),
];

/// An arrangement without a calendar, with an account for each.
pub(crate) fn arrangement(netting: Netting) -> Arrangement {
    let account = |party: &str, name: &str, number: &str| BankAccount {
        party: party.to_owned(),
        name: name.to_owned(),
        account: number.to_owned(),
        bic: String::new(),
    };
    Arrangement {
        netting: netting.into(),
        calendar: None,
        objection_days: 5,
        accounts: vec![
            account("hub", "Entente Clearing", "DE89370400440532013000"),
            account(HARBOR, "Harbor Hotels", "GB82WEST12345698765432"),
            account(ROVER, "Rover Rides", "FR1420041010050500013M02606"),
            account(GROCER, "Green Grocer", "000123456789"),
        ],
    }
}

/// Three that pay for their points when they are burned, a dollar a point, and a guest of all; Harbor has
/// a cap, so that its exposure is kept.
async fn dollars() -> TestHub {
    let hub = TestHub::start().await;
    let operator = hub.operator().await;
    for partner in [HARBOR, ROVER, GROCER] {
        let agreement = agreement_in("USD", Funding::AtRedemption);
        let net_debit_caps =
            if partner == HARBOR { vec![money(cents(100_000_000), "USD")] } else { vec![] };
        let agreement = Agreement { reimbursement_micros: 1_000_000, net_debit_caps, ..agreement };
        cast::onboard(&operator, partner, agreement).await;
    }
    everywhere(&hub, "guest").await;
    hub
}

/// The window of E4: whose points are burned where.
pub(crate) async fn with_the_window_of_e4(netting: Netting) -> TestHub {
    let hub = dollars().await;
    let operator = hub.operator().await;
    operator.arrange_settlement(new_request_id(), arrangement(netting)).await.unwrap();
    for (issuer, redeemer, points) in OWED {
        let (issuer, redeemer) = (hub.partner(issuer).await, hub.partner(redeemer).await);
        issuer.earn(earn("guest", cents(points * 100), "USD")).await.unwrap();
        redeemer.burn(burn("guest", points)).await.unwrap();
    }
    close(&operator, "2026-03").await;
    hub
}

pub(crate) async fn obligations(client: &Client, window: &str) -> Vec<Obligation> {
    let window = window.to_owned();
    // Pages of two, to see that they go on.
    let (mut found, mut page_token) = (Vec::new(), String::new());
    loop {
        let request = ListObligationsRequest {
            window: window.clone(),
            partner: String::new(),
            page_size: 2,
            page_token,
        };
        let mut page = client.list_obligations(request).await.unwrap();
        assert!(page.obligations.len() <= 2);
        found.append(&mut page.obligations);
        page_token = page.next_page_token;
        if page_token.is_empty() {
            return found;
        }
    }
}

fn rows(obligations: &[Obligation]) -> Vec<(&str, &str, i64)> {
    let row = |one: &'_ Obligation| one.amount.as_ref().unwrap().micros / 1_000_000;
    let mut rows: Vec<_> =
        obligations.iter().map(|one| (one.payer.as_str(), one.payee.as_str(), row(one))).collect();
    rows.sort_unstable();
    rows
}

/// What each party pays less what it is paid.
fn sums(obligations: &[Obligation]) -> BTreeMap<&str, i64> {
    let mut sums = BTreeMap::new();
    for (payer, payee, amount) in rows(obligations) {
        *sums.entry(payer).or_default() += amount;
        *sums.entry(payee).or_default() -= amount;
    }
    sums.retain(|_, sum| *sum != 0);
    sums
}

pub(crate) fn payment(obligation: &str, dollars: i64) -> RecordPaymentRequest {
    RecordPaymentRequest {
        request_id: new_request_id(),
        partner: String::new(),
        amount: Some(money(cents(dollars * 100), "USD")),
        obligation: obligation.to_owned(),
    }
}

pub(crate) async fn state(client: &Client, window: &str) -> WindowState {
    let request = GetWindowRequest { window: window.to_owned(), partner: String::new() };
    client.get_window(request).await.unwrap().window.unwrap().state()
}

#[tokio::test(flavor = "multi_thread")]
async fn one_window_is_settled_in_three_ways_that_come_to_the_same_for_each() {
    let mut gross: Vec<_> = OWED.to_vec();
    gross.sort_unstable();
    let mut bilateral =
        vec![(HARBOR, ROVER, 15_000), (ROVER, GROCER, 12_000), (GROCER, HARBOR, 5_000)];
    bilateral.sort_unstable();
    let mut multilateral =
        vec![(HARBOR, "hub", 10_000), ("hub", ROVER, 3_000), ("hub", GROCER, 7_000)];
    multilateral.sort_unstable();
    let nets = BTreeMap::from([(HARBOR, 10_000), (ROVER, -3_000), (GROCER, -7_000)]);
    for (netting, expected) in [
        (Netting::Gross, gross),
        (Netting::Bilateral, bilateral),
        (Netting::Multilateral, multilateral),
    ] {
        let hub = with_the_window_of_e4(netting).await;
        let operator = hub.operator().await;
        let found = obligations(&operator, "2026-03").await;
        assert_eq!(rows(&found), expected, "{netting:?}");
        assert_eq!(sums(&found), nets, "{netting:?}");
        let own = obligations(&hub.partner(GROCER).await, "2026-03").await;
        assert!(own.iter().all(|one| [&one.payer, &one.payee].contains(&&GROCER.to_owned())));
        let harbor = exposure(&operator, HARBOR, "USD").await;
        assert_eq!(harbor, cents(1_000_000), "{netting:?}: a cap counts the multilateral net");

        // Each is paid by its end-to-end id; then nothing is left.
        assert_eq!(state(&operator, "2026-03").await, WindowState::Closed);
        for one in &found {
            let amount = one.amount.as_ref().unwrap().micros / 1_000_000;
            let too_much = operator.record_payment(payment(&one.end_to_end_id, amount + 1)).await;
            assert_eq!(reason(&too_much.unwrap_err()), ErrorReason::PaymentExceedsObligation);
            operator.record_payment(payment(&one.end_to_end_id, 1)).await.unwrap();
            assert_eq!(state(&operator, "2026-03").await, WindowState::Settling);
            operator.record_payment(payment(&one.end_to_end_id, amount - 1)).await.unwrap();
        }
        assert_eq!(state(&operator, "2026-03").await, WindowState::Settled);
        assert_eq!(exposure(&operator, HARBOR, "USD").await, 0);
        let unknown = operator.record_payment(payment("W9-9-9-USD", 1)).await.unwrap_err();
        assert_eq!(reason(&unknown), ErrorReason::PaymentUnknown);
        hub.close().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_left_to_be_paid_is_an_order_to_a_bank() {
    let hub = with_the_window_of_e4(Netting::Multilateral).await;
    let operator = hub.operator().await;
    let export = |on: &str| ExportObligationsRequest {
        window: "2026-03".to_owned(),
        on: on.to_owned(),
        page_token: String::new(),
    };
    let order = operator.export_obligations(export("2026-04-03")).await.unwrap();
    assert_eq!(order.payment_count, 3);
    for one in obligations(&operator, "2026-03").await {
        let id = format!("<EndToEndId>{}</EndToEndId>", one.end_to_end_id);
        assert_eq!(order.document.matches(&id).count(), 1, "{id}");
    }
    for part in
        ["pain.001.001.09", "<CtrlSum>20000", "GB82WEST12345698765432", "<Dt>2026-04-03</Dt>"]
    {
        assert!(order.document.contains(part), "{part}: {}", order.document);
    }
    let malformed = operator.export_obligations(export("3.4.2026")).await.unwrap_err();
    assert_eq!(reason(&malformed), ErrorReason::Malformed);
    let harbors = obligations(&hub.partner(HARBOR).await, "2026-03").await;
    operator.record_payment(payment(&harbors[0].end_to_end_id, 10_000)).await.unwrap();
    let order = operator.export_obligations(export("")).await.unwrap();
    assert_eq!(order.payment_count, 2, "what is paid is not paid again");
    assert!(order.document.contains("<Dt>2026-03-02</Dt>"), "the ledger's day");
    let without = Arrangement { accounts: Vec::new(), ..arrangement(Netting::Multilateral) };
    operator.arrange_settlement(new_request_id(), without).await.unwrap();
    let unknown = operator.export_obligations(export("")).await.unwrap_err();
    assert_eq!(reason(&unknown), ErrorReason::AccountUnknown);
    hub.close().await;
}

fn adjustment(window: &str, (payer, payee): (&str, &str), dollars: i64) -> AdjustRequest {
    AdjustRequest {
        request_id: String::new(),
        window: window.to_owned(),
        corrects: String::new(),
        payer: payer.to_owned(),
        payee: payee.to_owned(),
        amount: Some(money(cents(dollars * 100), "USD")),
        reason: "priced by old terms".to_owned(),
        break_id: String::new(),
    }
}

async fn adjusts(operators: &Operators, request: AdjustRequest) -> Result<String, ErrorReason> {
    let request = AdjustRequest { request_id: new_request_id(), ..request };
    let adjusted = operators.adjust(request).await.map_err(|error| reason(&error))?;
    Ok(adjusted.adjustment)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_correction_falls_into_the_open_window_by_two_operators_and_the_closed_one_stays() {
    let hub = dollars().await;
    let operator = hub.operator().await;
    let harbor = hub.partner(HARBOR).await;
    harbor.earn(earn("guest", cents(100_000), "USD")).await.unwrap();
    let burned =
        hub.partner(ROVER).await.burn(burn("guest", 500)).await.unwrap().operation.unwrap();
    close(&operator, "2026-03").await;
    let before = position(&operator, "2026-03").await;
    assert_eq!(exposure(&operator, HARBOR, "USD").await, cents(50_000));

    let request = AdjustRequest {
        corrects: burned.request_id.clone(),
        ..adjustment("2026-03", (ROVER, HARBOR), 120)
    };
    let id = propose(&operator, Act::Adjust(request.clone())).await;
    let own = refusal(operator.approve(approval(&id)).await, "the proposer's own");
    assert_eq!(own.reason, ErrorReason::OwnProposal);
    operator.approver().approve(approval(&id)).await.unwrap();
    let open = position(&operator, "").await;
    let expected = gross_rows(&[(ROVER, HARBOR, AmountKind::Adjustment, 0, cents(12_000))]);
    assert_eq!(gross(&open, "USD"), expected);
    assert_eq!(exposure(&operator, HARBOR, "USD").await, cents(50_000 - 12_000), "at once");
    assert_eq!(position(&operator, "2026-03").await.gross, before.gross, "it never changes");

    assert_eq!(
        adjusts(&operator, adjustment("2026-03", (HARBOR, "hub"), 20)).await.map(|id| id.len()),
        Ok(36)
    );
    for (request, expected) in [
        (adjustment("2027-03", (ROVER, HARBOR), 1), ErrorReason::WindowUnknown),
        (adjustment("2026-03", ("nobody", HARBOR), 1), ErrorReason::PartnerUnknown),
        (adjustment("2026-03", (HARBOR, HARBOR), 1), ErrorReason::Malformed),
        (adjustment("2026-03", (ROVER, HARBOR), 0), ErrorReason::Malformed),
        (
            AdjustRequest { corrects: new_request_id(), ..request.clone() },
            ErrorReason::OperationUnknown,
        ),
    ] {
        assert_eq!(adjusts(&operator, request).await, Err(expected));
    }
    let closed = close(&operator, "2026-04").await;
    let expected = net_rows(&[
        (ROVER, Direction::Pays, cents(12_000)),
        (HARBOR, Direction::Receives, cents(10_000)),
        ("hub", Direction::Receives, cents(2_000)),
    ]);
    assert_eq!(nets(&closed.nets, "USD"), expected);
    hub.close().await;
}
