//! Floats: what prepaid partners have left to issue, and blocks that are sold to them.

use clap::Args;
use entente_api::proposal::act::Act;
use entente_api::settlement::{
    BuyBlockRequest, BuyBlockResponse, Float, FloatBlock, GetFloatRequest, GetFloatResponse,
};
use entente_api::types::Money;
use serde_json::{Value, json};

use super::money_json;
use super::position::{exposure_json, exposures_table};
use crate::agreement::Decimal;
use crate::commands::proposal::{self, ProposeArgs};
use crate::connect::Connection;
use crate::output::{Table, money, money_exact, points, time_text};

/// The block to sell.
#[derive(Debug, Args)]
pub(crate) struct BuyArgs {
    /// The prepaid partner that buys.
    partner: String,
    /// How many points: 1000000
    points: i64,
    /// What one point costs: 0.0100
    price: String,
    /// In which currency.
    currency: String,
    /// It is used when all other blocks are empty.
    #[arg(long)]
    reserve: bool,
    #[command(flatten)]
    propose: ProposeArgs,
    #[command(flatten)]
    connection: Connection,
}

/// Whose float.
#[derive(Debug, Args)]
pub(crate) struct FloatArgs {
    /// One partner, with its blocks [default: all, without; a partner sees its own].
    partner: Option<String>,
    #[command(flatten)]
    connection: Connection,
}

pub(super) async fn buy(args: BuyArgs) -> anyhow::Result<()> {
    let Decimal(price_micros) = args.price.try_into()?;
    let buy = BuyBlockRequest {
        request_id: String::new(),
        partner: args.partner,
        currency: args.currency,
        points: args.points,
        price_micros,
        is_reserve: args.reserve,
    };
    proposal::propose(&args.connection, args.propose, Act::BuyBlock(buy)).await
}

pub(super) async fn show(args: FloatArgs) -> anyhow::Result<()> {
    let client = args.connection.client().await?;
    let mut answer = GetFloatResponse::default();
    let mut page_token = String::new();
    loop {
        let partner = args.partner.clone().unwrap_or_default();
        let page = client.get_float(GetFloatRequest { partner, page_size: 1_000, page_token });
        let page = page.await?;
        (answer.floats, answer.exposures) = (page.floats, page.exposures);
        answer.blocks.extend(page.blocks);
        page_token = page.next_page_token;
        if page_token.is_empty() {
            break;
        }
    }
    let json = json!({
        "floats": answer.floats.iter().map(float_json).collect::<Vec<_>>(),
        "exposures": answer.exposures.iter().map(exposure_json).collect::<Vec<_>>(),
        "blocks": answer.blocks.iter().map(block_json).collect::<Vec<_>>(),
    });
    args.connection.output.show(&json, |_| {
        let (floats, exposures) =
            (floats_table(&answer.floats), exposures_table(&answer.exposures));
        match answer.blocks.as_slice() {
            [] => format!("{floats}\n\n{exposures}"),
            blocks => format!("{floats}\n\n{}\n\n{exposures}", blocks_table(blocks)),
        }
    })
}

/// What is left, for people.
pub(super) fn floats_table(floats: &[Float]) -> String {
    let mut table = Table::new(&[
        "float of",
        "currency",
        ">points left",
        ">after the last purchase",
        ">in reserve",
        ">paid for what is left",
    ]);
    for float in floats {
        let worth = float.worth.clone().unwrap_or_default();
        table.row([
            float.partner.clone(),
            worth.currency.clone(),
            points(float.points_left),
            points(float.level),
            points(float.reserve_left),
            money(&worth),
        ]);
    }
    table.text("nobody bought points ahead")
}

fn blocks_table(blocks: &[FloatBlock]) -> String {
    let mut table = Table::new(&["block", "", ">price of a point", ">bought", ">left", "at"]);
    for block in blocks {
        table.row([
            block.number.to_string(),
            if block.is_reserve { "reserve" } else { "" }.to_owned(),
            money_exact(&block.price.clone().unwrap_or_default()),
            points(block.points),
            points(block.points_left),
            time_text(block.bought_at.as_ref()),
        ]);
    }
    table.text("no blocks")
}

/// What is left, for programs.
pub(super) fn float_json(float: &Float) -> Value {
    json!({
        "partner": float.partner,
        "points_left": float.points_left,
        "reserve_left": float.reserve_left,
        "level": float.level,
        "worth": float.worth.as_ref().map(money_json),
    })
}

fn block_json(block: &FloatBlock) -> Value {
    json!({
        "block": block.number,
        "price": block.price.as_ref().map(money_json),
        "is_reserve": block.is_reserve,
        "points": block.points,
        "points_left": block.points_left,
        "bought_at": time_text(block.bought_at.as_ref()),
        "purchase": block.purchase,
    })
}

/// A purchase as it is proposed, for people.
pub(crate) fn purchase_text(buy: &BuyBlockRequest) -> String {
    let price = Money { currency: buy.currency.clone(), micros: buy.price_micros };
    let kind = if buy.is_reserve { "a reserve" } else { "a block" };
    let (count, price) = (points(buy.points), money_exact(&price));
    format!("{} buys {kind} of {count} points at {price} each", buy.partner)
}

/// A purchase as it is proposed, for programs.
pub(crate) fn purchase_json(buy: &BuyBlockRequest) -> Value {
    json!({
        "partner": buy.partner,
        "currency": buy.currency,
        "points": buy.points,
        "price_micros": buy.price_micros,
        "is_reserve": buy.is_reserve,
    })
}

/// What was bought, for people.
pub(crate) fn bought_text(bought: &BuyBlockResponse) -> String {
    let number = bought.block.as_ref().map(|block| block.number).unwrap_or_default();
    format!("bought block {number} for {}", money(&bought.cost.clone().unwrap_or_default()))
}

/// What was bought, for programs.
pub(crate) fn bought_json(bought: &BuyBlockResponse) -> Value {
    json!({
        "block": bought.block.as_ref().map(block_json),
        "cost": bought.cost.as_ref().map(money_json),
    })
}
