//! Conversions: what a bank exchanged for the hub's pool, proposed and listed.

use anyhow::{Context, bail};
use clap::Args;
use entente_api::proposal::act::Act;
use entente_api::settlement::{
    Conversion, ConvertCurrencyRequest, ConvertCurrencyResponse, ListConversionsRequest,
    ReferenceRate,
};
use entente_api::types::Money;
use serde_json::{Value, json};

use super::money_json;
use crate::agreement::Decimal;
use crate::commands::proposal::{self, ProposeArgs};
use crate::connect::Connection;
use crate::output::{Table, money, time_text};

/// What the bank exchanged.
#[derive(Debug, Args)]
pub(crate) struct ConvertArgs {
    /// What the pool gave: 100.00
    sold: String,
    /// In which currency.
    sold_currency: String,
    /// What it got: 107.90
    bought: String,
    /// In which currency.
    bought_currency: String,
    /// The reference rate, what is bought for one of what is sold: 1.0825, or exactly 10825/10000
    #[arg(long)]
    rate: String,
    /// By what the bank knows it.
    #[arg(long, value_name = "REFERENCE")]
    bank: String,
    #[command(flatten)]
    propose: ProposeArgs,
    #[command(flatten)]
    connection: Connection,
}

/// The conversions so far.
#[derive(Debug, Args)]
pub(crate) struct ConversionsArgs {
    #[command(flatten)]
    connection: Connection,
}

pub(super) async fn convert(args: ConvertArgs) -> anyhow::Result<()> {
    let (Decimal(sold), Decimal(bought)) = (args.sold.try_into()?, args.bought.try_into()?);
    let convert = ConvertCurrencyRequest {
        request_id: String::new(),
        sold: Some(Money { currency: args.sold_currency, micros: sold }),
        bought: Some(Money { currency: args.bought_currency, micros: bought }),
        rate: Some(rate(&args.rate)?),
        bank_reference: args.bank,
    };
    proposal::propose(&args.connection, args.propose, Act::ConvertCurrency(convert)).await
}

pub(super) async fn list(args: ConversionsArgs) -> anyhow::Result<()> {
    let client = args.connection.client().await?;
    let (mut found, mut page_token) = (Vec::new(), String::new());
    loop {
        let request = ListConversionsRequest { page_size: 1_000, page_token };
        let mut page = client.list_conversions(request).await?;
        found.append(&mut page.conversions);
        page_token = page.next_page_token;
        if page_token.is_empty() {
            break;
        }
    }
    let json: Vec<Value> = found.iter().map(one_json).collect();
    args.connection.output.show(&json, |_| {
        let titles = ["at", ">sold", ">bought", ">by the reference", ">difference", "bank"];
        let mut table = Table::new(&titles);
        for one in &found {
            table.row([
                time_text(one.posted_at.as_ref()),
                money(&one.sold.clone().unwrap_or_default()),
                money(&one.bought.clone().unwrap_or_default()),
                money(&one.reference.clone().unwrap_or_default()),
                money(&difference(one)),
                one.bank_reference.clone(),
            ]);
        }
        table.text("nothing was converted")
    })
}

/// `1.0825`, at most twelve decimals, or `10825/10000`: exact, never a float.
fn rate(text: &str) -> anyhow::Result<ReferenceRate> {
    let number = |digits: &str| {
        let all = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
        if !all {
            bail!("{text:?} is no rate; write a decimal, as 1.0825, or a ratio, as 10825/10000");
        }
        digits.parse::<i64>().with_context(|| format!("the rate {text:?} is too large"))
    };
    if let Some((bought, sold)) = text.split_once('/') {
        return Ok(ReferenceRate { bought: number(bought)?, sold: number(sold)? });
    }
    let (units, decimals) = text.split_once('.').unwrap_or((text, ""));
    let decimals = decimals.trim_end_matches('0');
    let places = u32::try_from(decimals.len())?;
    if units.is_empty() || places > 12 {
        bail!("{text:?} is no rate; write a decimal, as 1.0825, or a ratio, as 10825/10000");
    }
    let bought = number(&format!("{units}{decimals}"))?;
    Ok(ReferenceRate { bought, sold: 10_i64.pow(places) })
}

fn difference(of: &Conversion) -> Money {
    let currency = of.reference.clone().unwrap_or_default().currency;
    Money { currency, micros: of.difference_micros }
}

/// What is proposed, for people.
pub(crate) fn text(convert: &ConvertCurrencyRequest) -> String {
    let ReferenceRate { bought, sold } = convert.rate.unwrap_or_default();
    format!(
        "the pool gave {} and got {}, by the reference of {bought} for {sold}; {}",
        money(&convert.sold.clone().unwrap_or_default()),
        money(&convert.bought.clone().unwrap_or_default()),
        convert.bank_reference,
    )
}

/// What is proposed, for programs.
pub(crate) fn json(convert: &ConvertCurrencyRequest) -> Value {
    json!({
        "sold": convert.sold.as_ref().map(money_json),
        "bought": convert.bought.as_ref().map(money_json),
        "rate": convert.rate.as_ref().map(rate_json),
        "bank_reference": convert.bank_reference,
    })
}

/// What was booked, for people.
pub(crate) fn converted_text(converted: &ConvertCurrencyResponse) -> String {
    let of = converted.conversion.clone().unwrap_or_default();
    let (sold, bought) = (of.sold.clone().unwrap_or_default(), of.bought.clone());
    let (sold, bought) = (money(&sold), money(&bought.unwrap_or_default()));
    format!("converted {sold} to {bought}, {} against the reference", money(&difference(&of)))
}

/// What was booked, for programs.
pub(crate) fn converted_json(converted: &ConvertCurrencyResponse) -> Value {
    converted.conversion.as_ref().map(one_json).unwrap_or_default()
}

fn rate_json(rate: &ReferenceRate) -> Value {
    json!({ "bought": rate.bought, "sold": rate.sold })
}

fn one_json(of: &Conversion) -> Value {
    json!({
        "conversion": of.conversion,
        "sold": of.sold.as_ref().map(money_json),
        "bought": of.bought.as_ref().map(money_json),
        "rate": of.rate.as_ref().map(rate_json),
        "reference": of.reference.as_ref().map(money_json),
        "difference": money_json(&difference(of)),
        "bank_reference": of.bank_reference,
        "posted_at": time_text(of.posted_at.as_ref()),
        "approved_by": of.approved_by,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_is_read_exactly_or_not_at_all() {
        for (text, bought, sold) in [
            ("1.0825", 10_825, 10_000),
            ("149.50", 1_495, 10),
            ("0.0067", 67, 10_000),
            ("2", 2, 1),
            ("1/3", 1, 3),
        ] {
            assert_eq!(rate(text).expect(text), ReferenceRate { bought, sold }, "{text}");
        }
        for text in ["", ".5", "1,08", "-1", "1e3", "1/", "/2", "1/2/3", "0.0000000000001"] {
            assert!(rate(text).is_err(), "{text:?}");
        }
    }
}
