#![doc = include_str!("../README.md")]
#![deny(
    clippy::arithmetic_side_effects,
    clippy::float_arithmetic,
    clippy::as_conversions,
    clippy::integer_division
)]

mod account;
mod amount;
mod currency;
mod debt;
mod hold;
mod id;
mod lot;
mod position;
mod transfer;
mod trial;
mod wallet;

pub use account::{Account, Party};
pub use amount::{Micros, Overflow, Points, ceil_div, floor_div, half_away_div, half_up_div};
pub use currency::{Currency, UnknownCurrency};
pub use debt::{Debt, DebtId};
pub use hold::{Hold, HoldLeg, HoldState};
pub use id::{Cell, LotId, MemberId, PartnerId, RequestId, Seq, TermsVersion, WindowId};
pub use lot::{Funding, Lot, Origin, Purchase};
pub use position::{PositionAmount, PositionKey, Positions, positions};
pub use transfer::{AmountKind, InvalidTransfer, Transfer, Unit};
pub use trial::TrialBalance;
pub use wallet::Wallet;
