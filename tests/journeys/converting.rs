//! Conversions: the only way from one currency's pool to another's, booked by two operators, and no
//! partner's business.

use entente_client::{
    Client, Error, Operators,
    api::{
        error::ErrorReason,
        partner::{Agreement, Funding},
        proposal::act::Act as OneAct,
        settlement::{
            AmountKind, Conversion, ConvertCurrencyRequest, ConvertCurrencyResponse, Direction,
            GetPoolCoverageRequest, GetPositionResponse, GetStatementRequest,
            GetTrialBalanceRequest, ListConversionsRequest, ReferenceRate,
            get_statement_response::Part,
        },
    },
    new_request_id,
};
use entente_testkit::{
    TestHub,
    cast::{self, GROCER, HARBOR, ROVER, agreement_in, burn, earn, money},
};

use crate::{
    proposals::{approval, propose},
    steps::{
        cents, close, everywhere, exposure, gross, gross_rows, net_rows, nets, position, reason,
        tampering_is_found,
    },
};

/// Harbor pays the pool 200.00 EUR for 20,000 points; 10,000 of them are burned at Rover, for which the
/// pool pays 80.00 USD and a fee of 1.60.
async fn advanced_in_dollars() -> TestHub {
    let hub = TestHub::start().await;
    let operator = hub.operator().await;
    let dollars = agreement_in("USD", Funding::AtRedemption);
    let rover = Agreement { reimbursement_micros: 8_000, hub_fee_basis_points: 200, ..dollars };
    cast::onboard(&operator, HARBOR, agreement_in("EUR", Funding::AtIssue)).await;
    cast::onboard(&operator, ROVER, rover).await;
    cast::onboard(&operator, GROCER, agreement_in("JPY", Funding::AtIssue)).await;
    everywhere(&hub, "guest").await;
    hub.partner(HARBOR).await.earn(earn("guest", cents(2_000_000), "EUR")).await.unwrap();
    hub.partner(ROVER).await.burn(burn("guest", 10_000)).await.unwrap();
    hub
}

/// 75.50 EUR for 81.60 USD. By the reference of 1.0825 they are worth 81.72875: 81.73.
fn covering() -> ConvertCurrencyRequest {
    ConvertCurrencyRequest {
        request_id: new_request_id(),
        sold: Some(money(cents(7_550), "EUR")),
        bought: Some(money(cents(8_160), "USD")),
        rate: Some(ReferenceRate { bought: 10_825, sold: 10_000 }),
        bank_reference: "FX 2026/0302-1".to_owned(),
    }
}

async fn convert(
    operator: &Operators,
    request: ConvertCurrencyRequest,
) -> Result<ConvertCurrencyResponse, Error> {
    Box::pin(operator.convert_currency(request)).await
}

/// Of each currency: what the pool holds, what is open on `fx`, what conversions gained.
async fn pools(operator: &Client) -> Vec<(String, i64, i64, i64)> {
    let read = operator.get_pool_coverage(GetPoolCoverageRequest {}).await.unwrap().pools;
    let pool = read.into_iter().map(|pool| {
        (pool.currency, pool.balance_micros, pool.fx_micros, pool.fx_difference_micros)
    });
    pool.collect()
}

/// The money accounts: account, partner, currency, debits, credits.
async fn trial(operator: &Client, window: &str) -> Vec<(String, String, String, i64, i64)> {
    let request = GetTrialBalanceRequest { window: window.to_owned() };
    let accounts = operator.get_trial_balance(request).await.unwrap().accounts;
    let money = accounts.into_iter().filter(|account| !account.currency.is_empty());
    money.map(|one| (one.account, one.partner, one.currency, one.debits, one.credits)).collect()
}

async fn listed(operator: &Client) -> Vec<Conversion> {
    let request = ListConversionsRequest::default();
    operator.list_conversions(request).await.unwrap().conversions
}

/// Everything in a position but what the hub does with itself.
fn of_partners(mut position: GetPositionResponse) -> GetPositionResponse {
    position.gross.retain(|gross| gross.payer != "hub" || gross.payee != "hub");
    position
}

async fn statement(partner: &Client) -> Vec<Part> {
    let request = GetStatementRequest {
        window: "2026-03".to_owned(),
        partner: String::new(),
        ..GetStatementRequest::default()
    };
    let mut stream = partner.get_statement(request).await.unwrap();
    let mut parts = Vec::new();
    while let Some(part) = stream.next().await.unwrap() {
        parts.push(part);
    }
    parts
}

fn row(pool: (&str, i64, i64, i64)) -> (String, i64, i64, i64) {
    (pool.0.to_owned(), pool.1, pool.2, pool.3)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_conversion_covers_what_the_hub_advanced_and_books_what_the_bank_kept() {
    let hub = advanced_in_dollars().await;
    let operator = hub.operator().await;
    assert_eq!(
        pools(&operator).await,
        [row(("EUR", cents(20_000), 0, 0)), row(("USD", -cents(8_160), 0, 0))],
        "the hub has advanced the dollars"
    );
    let request = covering();
    let booked = convert(&operator, request.clone()).await.unwrap();
    let conversion = booked.conversion.clone().unwrap();
    assert_eq!(conversion.reference, Some(money(cents(8_173), "USD")));
    assert_eq!(conversion.difference_micros, -cents(13));
    assert_eq!((&conversion.sold, &conversion.bought), (&request.sold, &request.bought));
    let again = convert(&operator, request).await.unwrap();
    assert_eq!(again, ConvertCurrencyResponse { replayed: true, ..booked });

    assert_eq!(
        pools(&operator).await,
        [row(("EUR", cents(12_450), cents(7_550), 0)), row(("USD", 0, -cents(8_160), -cents(13))),]
    );
    let of = |account: &str, partner: &str, currency: &str, debits: i64, credits: i64| {
        let [account, partner, currency] = [account, partner, currency].map(str::to_owned);
        (account, partner, currency, cents(debits), cents(credits))
    };
    let expected = [
        of("clearing", HARBOR, "EUR", 20_000, 0),
        of("pool", "", "EUR", 7_550, 20_000),
        of("fx", "", "EUR", 0, 7_550),
        of("clearing", ROVER, "USD", 0, 8_000),
        of("pool", "", "USD", 8_000 + 160 + 13, 8_173),
        of("fee", "", "USD", 0, 160),
        of("fx", "", "USD", 8_173, 13),
    ];
    assert_eq!(trial(&operator, "").await, expected);
    let open = position(&operator, "").await;
    let expected = gross_rows(&[
        ("hub", ROVER, AmountKind::Redemption, 10_000, cents(8_000)),
        ("hub", "hub", AmountKind::Fee, 0, cents(160)),
        ("hub", "hub", AmountKind::CurrencyBought, 0, cents(8_173)),
        ("hub", "hub", AmountKind::ConversionLoss, 0, cents(13)),
    ]);
    assert_eq!(gross(&open, "USD"), expected);
    assert_eq!(listed(&operator).await, [conversion]);
    hub.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_conversion_is_no_partners_business() {
    let hub = advanced_in_dollars().await;
    let operator = hub.operator().await;
    let before = of_partners(position(&operator, "").await);
    let mut owed = Vec::new();
    for (partner, currency) in [(HARBOR, "EUR"), (ROVER, "USD")] {
        owed.push(exposure(&operator, partner, currency).await);
    }
    convert(&operator, covering()).await.unwrap();
    // And with a gain: 20.00 EUR are 3,250 JPY by the reference of 162.5, and the bank pays 3,260.
    let yen = ConvertCurrencyRequest {
        sold: Some(money(cents(2_000), "EUR")),
        bought: Some(money(cents(326_000), "JPY")),
        rate: Some(ReferenceRate { bought: 1_625, sold: 10 }),
        bank_reference: "FX 2026/0302-2".to_owned(),
        ..covering()
    };
    let gained = convert(&operator, yen).await.unwrap().conversion.unwrap();
    assert_eq!(gained.difference_micros, cents(1_000));
    let after = of_partners(position(&operator, "").await);
    assert_eq!((&after.gross, &after.nets), (&before.gross, &before.nets));
    assert_eq!(after.exposures, before.exposures);
    for ((partner, currency), owed) in [(HARBOR, "EUR"), (ROVER, "USD")].into_iter().zip(owed) {
        assert_eq!(exposure(&operator, partner, currency).await, owed, "{partner}");
    }

    let closed = close(&operator, "2026-03").await;
    let expected = [
        net_rows(&[
            (HARBOR, Direction::Pays, cents(20_000)),
            ("hub", Direction::Receives, cents(20_000)),
        ]),
        net_rows(&[
            (ROVER, Direction::Receives, cents(8_000)),
            ("hub", Direction::Pays, cents(8_000)),
        ]),
        net_rows(&[]),
    ];
    assert_eq!(["EUR", "USD", "JPY"].map(|currency| nets(&closed.nets, currency)), expected);
    let conversions = [
        AmountKind::CurrencySold,
        AmountKind::CurrencyBought,
        AmountKind::ConversionLoss,
        AmountKind::ConversionGain,
    ];
    for partner in [HARBOR, ROVER, GROCER] {
        for part in statement(&hub.partner(partner).await).await {
            if let Part::Total(total) = &part {
                assert!(!conversions.contains(&total.kind()), "{partner}: {part:?}");
            }
        }
        let partner = hub.partner(partner).await;
        let refused = partner.list_conversions(ListConversionsRequest::default()).await;
        assert_eq!(reason(&refused.unwrap_err()), ErrorReason::NotAllowed);
    }
    // In each currency debits are credits, in the window as in the whole ledger.
    for window in ["", "2026-03"] {
        for currency in ["EUR", "USD", "JPY"] {
            let of = trial(&operator, window).await.into_iter().filter(|one| one.2 == currency);
            let sums = of.fold((0, 0), |sums, one| (sums.0 + one.3, sums.1 + one.4));
            assert!(sums.0 == sums.1 && sums.0 > 0, "{window:?} {currency}: {sums:?}");
        }
    }
    hub.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_no_pool_holds_or_no_bank_did_is_not_converted() {
    let hub = advanced_in_dollars().await;
    let operator = hub.operator().await;
    let held = pools(&operator).await;
    let with = |change: fn(&mut ConvertCurrencyRequest)| {
        let mut request = covering();
        request.bank_reference = "FX 2026/0302-9".to_owned();
        change(&mut request);
        request
    };
    for malformed in [
        with(|r| r.bought = Some(money(cents(7_550), "EUR"))),
        with(|r| r.bought = Some(money(cents(8_160), "XQQ"))),
        with(|r| r.sold = Some(money(0, "EUR"))),
        with(|r| r.sold = Some(money(75_505_000, "EUR"))),
        with(|r| r.sold = Some(money(i64::MAX, "EUR"))),
        with(|r| r.bought = Some(money(cents(816), "USD"))),
        with(|r| r.rate = Some(ReferenceRate { bought: 10_000, sold: 10_825 })),
        with(|r| r.bank_reference.clear()),
    ] {
        let error = convert(&operator, malformed.clone()).await.unwrap_err();
        assert_eq!(reason(&error), ErrorReason::Malformed, "{malformed:?}");
    }
    // A cent more than the pool has; and dollars, of which it has none.
    let much = |r: &mut ConvertCurrencyRequest| {
        r.sold = Some(money(cents(20_001), "EUR"));
        r.bought = Some(money(cents(21_651), "USD"));
    };
    let dollars = |r: &mut ConvertCurrencyRequest| {
        r.sold = Some(money(cents(1), "USD"));
        r.bought = Some(money(cents(1), "EUR"));
        r.rate = Some(ReferenceRate { bought: 10_000, sold: 10_825 });
    };
    for (short, held) in [(with(much), cents(20_000)), (with(dollars), -cents(8_160))] {
        let error = convert(&operator, short).await.unwrap_err();
        assert_eq!(reason(&error), ErrorReason::PoolTooSmall);
        assert_eq!(error.refusal().unwrap().metadata["held_micros"], held.to_string());
    }
    let act = OneAct::ConvertCurrency(with(|r| r.request_id.clear()));
    let proposal = propose(&operator, act).await;
    let own = operator.approve(approval(&proposal)).await.unwrap_err();
    assert_eq!(reason(&own), ErrorReason::OwnProposal);
    assert_eq!(pools(&operator).await, held, "nothing of it is booked");

    let booked = convert(&operator, covering()).await.unwrap().conversion.unwrap();
    let twice = convert(&operator, covering()).await.unwrap_err();
    assert_eq!(reason(&twice), ErrorReason::ConversionBooked);
    assert_eq!(twice.refusal().unwrap().metadata["conversion"], booked.conversion);
    let rest = with(|r| {
        r.sold = Some(money(cents(12_450), "EUR"));
        r.bought = Some(money(cents(13_477), "USD"));
    });
    convert(&operator, rest).await.unwrap();
    let first = ListConversionsRequest { page_size: 1, page_token: String::new() };
    let page = operator.list_conversions(first).await.unwrap();
    let page_token = page.next_page_token;
    let next = ListConversionsRequest { page_size: 1, page_token: page_token.clone() };
    let next = operator.list_conversions(next).await.unwrap();
    assert_eq!((next.conversions, next.next_page_token), (vec![booked], String::new()));
    let changed = ListConversionsRequest { page_size: 1, page_token: format!("{page_token}A") };
    let changed = operator.list_conversions(changed).await.unwrap_err();
    assert_eq!(reason(&changed), ErrorReason::Malformed);
    the_check_names_what_is_tampered_with(&hub).await;
    hub.close().await;
}

/// What somebody does to conversions in the database is told by the check.
async fn the_check_names_what_is_tampered_with(hub: &TestHub) {
    let pool = hub.database().owner_pool().await;
    for (done, undone, said) in [
        (
            "UPDATE conversions SET sold_micros = sold_micros - 10000 WHERE number = 1",
            "UPDATE conversions SET sold_micros = sold_micros + 10000 WHERE number = 1",
            "micros of EUR for kind 16",
        ),
        (
            "UPDATE conversions SET rate_bought = 10925 WHERE number = 1",
            "UPDATE conversions SET rate_bought = 10825 WHERE number = 1",
            "conversion 1 is measured by",
        ),
        (
            "UPDATE transfers SET credit_kind = 9 WHERE kind = 16",
            "UPDATE transfers SET credit_kind = 12 WHERE kind = 16",
            "is no conversion between pool and fx",
        ),
        (
            "UPDATE transfers SET debit_kind = 9 WHERE kind = 16",
            "UPDATE transfers SET debit_kind = 8 WHERE kind = 16",
            "the pool of EUR holds",
        ),
    ] {
        tampering_is_found(&pool, (done, undone), said).await;
    }
    pool.close().await;
}
