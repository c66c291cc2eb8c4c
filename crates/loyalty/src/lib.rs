#![doc = include_str!("../README.md")]
#![deny(
    clippy::arithmetic_side_effects,
    clippy::float_arithmetic,
    clippy::as_conversions,
    clippy::integer_division
)]

mod announce;
mod bound;
mod burn;
mod capture;
#[cfg(test)]
#[expect(clippy::arithmetic_side_effects, reason = "tests count in small, plain numbers")]
mod cast;
mod catalogue;
mod command;
mod decide;
mod decision;
mod donate;
mod draft;
mod earn;
mod exchange;
mod expire;
mod exposure;
mod floats;
mod follow;
mod journal;
mod legs;
mod merge;
mod parcel;
mod prepaid;
mod redemption;
mod refusal;
mod repay;
mod reverse_burn;
mod reverse_earn;
mod state;
mod terms;
#[cfg(test)]
#[expect(clippy::arithmetic_side_effects, reason = "tests count in small, plain numbers")]
mod tests;
mod threshold;
mod time;
mod transfer;
mod velocity;
mod void;

pub use catalogue::{Catalogue, Partner, PartnerCode};
pub use command::{
    Action, Bought, BurnAmount, Command, ExchangeAmount, Original, OriginalKind, ReversePart,
};
pub use decision::{
    Decided, Decision, ExchangeDirection, Exchanged, Operation, OperationKind, Portion,
};
pub use exchange::cycle_gains;
pub use exposure::{ExposureChange, ExposureKey, exposure_change, reservation};
pub use floats::{FloatMove, Floats, IssueKey};
pub use merge::reversible_until;
pub use prepaid::{
    Block, BlockId, Drawn, FLOAT_THRESHOLDS, Float, FloatCrossing, InvalidFloat, Mark,
};
pub use refusal::Refusal;
pub use state::{Exposure, Forward, Member, State, Window, Windows};
pub use terms::{
    Agreement, EarnCategory, EarnRounding, EarnRule, ExchangeBonus, ExchangeRate, Gifts, Terms,
};
pub use threshold::{Crossing, Standing, THRESHOLDS, crossings};
pub use time::month;
pub use velocity::{BurnedElsewhere, Counted, Meter, MeterKey};
