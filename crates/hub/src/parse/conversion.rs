//! Conversions between the pools of two currencies.

use entente_api::settlement::ConvertCurrencyRequest;
use entente_ledger::RequestId;
use entente_settlement::{Conversion, InvalidConversion, Money, Rate};

use super::{Amount, Violations, printable, request_id};
use crate::{control::ConvertCurrency, error::Refused};

const MAX_BANK_REFERENCE_CHARS: usize = 64;

/// What a bank exchanged.
pub fn convert(request: &ConvertCurrencyRequest) -> Result<(RequestId, ConvertCurrency), Refused> {
    let mut violations = Violations::default();
    let id = violations.field("request_id", request_id(&request.request_id));
    let sold = violations.money("sold", request.sold.as_ref());
    let bought = violations.money("bought", request.bought.as_ref());
    let rate = violations.required("rate", request.rate.as_ref()).and_then(|rate| {
        violations
            .field("rate", Rate::new(rate.bought, rate.sold).map_err(|e| e.to_string().into()))
    });
    let reference = printable(&request.bank_reference, MAX_BANK_REFERENCE_CHARS);
    let reference = violations.field("bank_reference", reference);
    let conversion = match (sold, bought, rate) {
        (Some(sold), Some(bought), Some(rate)) => {
            let conversion = Conversion::new(money(sold), money(bought), rate);
            conversion.map_err(|error| violations.add(field(error), error.to_string())).ok()
        }
        _ => None,
    };
    match (id, conversion, reference) {
        (Some(request_id), Some(conversion), Some(bank_reference)) => {
            // Whoever approves it is known then.
            let by = String::new();
            Ok((request_id, ConvertCurrency { request_id, conversion, bank_reference, by }))
        }
        _ => Err(violations.refused()),
    }
}

const fn money(Amount { micros, currency }: Amount) -> Money {
    Money { currency, micros }
}

const fn field(error: InvalidConversion) -> &'static str {
    match error {
        InvalidConversion::Sold => "sold.micros",
        InvalidConversion::SameCurrency => "bought.currency",
        InvalidConversion::Bought | InvalidConversion::OffReference { .. } => "bought.micros",
        InvalidConversion::Rate => "rate",
    }
}

#[cfg(test)]
mod tests {
    use entente_api::{settlement::ReferenceRate, types::Money};

    use super::*;

    const ID: &str = "7d0c1e1c-6f0b-4d1b-9c59-0d3b1f6f7a10";

    type Change = fn(&mut ConvertCurrencyRequest);

    /// 100.00 EUR for 107.90 USD, by 1.0825.
    fn good() -> ConvertCurrencyRequest {
        ConvertCurrencyRequest {
            request_id: ID.to_owned(),
            sold: Some(money("EUR", 100_000_000)),
            bought: Some(money("USD", 107_900_000)),
            rate: Some(ReferenceRate { bought: 10_825, sold: 10_000 }),
            bank_reference: "FX 2026/0402".to_owned(),
        }
    }

    fn money(currency: &str, micros: i64) -> Money {
        Money { currency: currency.to_owned(), micros }
    }

    #[test]
    fn each_thing_that_is_wrong_with_a_conversion_is_named() {
        assert!(convert(&good()).is_ok());
        let cases: [(Change, &str); 14] = [
            (|r| r.request_id.clear(), "request_id"),
            (|r| r.sold = None, "sold"),
            (|r| r.sold = Some(money("EUR", 0)), "sold.micros"),
            (|r| r.sold = Some(money("XQQ", 1_000_000)), "sold.currency"),
            (|r| r.sold = Some(money("EUR", 100_005_000)), "sold.micros"),
            (|r| r.sold = Some(money("EUR", i64::MAX)), "sold.micros"),
            (|r| r.bought = Some(money("EUR", 100_000_000)), "bought.currency"),
            (|r| r.bought = Some(money("USD", 107_900_001)), "bought.micros"),
            (|r| r.bought = Some(money("USD", 10_790_000)), "bought.micros"),
            (|r| r.rate = None, "rate"),
            (|r| r.rate = Some(ReferenceRate { bought: 0, sold: 1 }), "rate"),
            (|r| r.rate = Some(ReferenceRate { bought: i64::MAX, sold: 1 }), "rate"),
            (|r| r.bank_reference.clear(), "bank_reference"),
            (|r| r.bank_reference = "9".repeat(65), "bank_reference"),
        ];
        for (change, field) in cases {
            let mut request = good();
            change(&mut request);
            let refused = convert(&request).expect_err(field);
            assert_eq!(refused.message(), format!("the request is malformed: {field}"));
        }
    }
}
