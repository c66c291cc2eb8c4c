//! The numbers that stand for enums in rows. They are stored: none is ever given another meaning.

use entente_ledger::{Account, AmountKind, Currency, Funding, HoldState, MemberId, PartnerId};
use entente_loyalty::{Meter, OperationKind};
use entente_settlement::reconcile::{BreakKind, BreakState};

use crate::StoreError;

macro_rules! codes {
    ($to:ident, $from:ident, $type:ident, $table:literal, $column:literal, $($variant:ident = $code:literal),+) => {
        pub(crate) const fn $to(value: $type) -> i16 {
            match value { $($type::$variant => $code),+ }
        }
        pub(crate) fn $from(code: i16) -> Result<$type, StoreError> {
            match code {
                $($code => Ok($type::$variant),)+
                other => Err(inconsistent($table, $column, other)),
            }
        }
    };
}

codes!(funding_code, funding, Funding, "lots", "funding", AtIssue = 1, AtRedemption = 2);
codes!(
    hold_state_code,
    hold_state,
    HoldState,
    "holds",
    "state",
    Open = 1,
    Captured = 2,
    Voided = 3,
    Expired = 4
);
codes!(
    operation_kind_code,
    operation_kind,
    OperationKind,
    "operations",
    "kind",
    Earn = 1,
    Burn = 2,
    Authorize = 3,
    Capture = 4,
    Void = 5,
    Reverse = 6,
    Expire = 7,
    Adjust = 8,
    Exchange = 9,
    Transfer = 10,
    Donate = 11,
    Announce = 12,
    Merge = 13,
    Unmerge = 14
);
codes!(
    amount_kind_code,
    amount_kind,
    AmountKind,
    "transfers",
    "kind",
    Issue = 1,
    IssueCancelled = 2,
    Redemption = 3,
    RedemptionRefunded = 4,
    Fee = 5,
    FeeRefunded = 6,
    DebtRepaid = 7,
    Expired = 8,
    Rounding = 9,
    IssueReinstated = 10,
    Payment = 11,
    Gift = 12,
    Merge = 13,
    Adjustment = 14,
    Prepaid = 15,
    CurrencySold = 16,
    CurrencyBought = 17,
    ConversionLoss = 18,
    ConversionGain = 19
);
codes!(
    meter_code,
    meter,
    Meter,
    "terms_limits",
    "meter",
    MemberOperations = 1,
    MemberPointsEarned = 2,
    MemberForeignPointsBurned = 3,
    MemberPointsGiven = 4,
    Operations = 5,
    PointsIssued = 6,
    ForeignPointsBurnedHour = 7,
    ForeignPointsBurnedDay = 8,
    MemberPointsBurnedElsewhere = 9
);

codes!(
    break_kind_code,
    break_kind,
    BreakKind,
    "breaks",
    "kind",
    MissingAtHub = 1,
    MissingAtPartner = 2,
    Amount = 3,
    Rate = 4,
    Timing = 5,
    DuplicateInFile = 6,
    Status = 7,
    Member = 8,
    LateRejected = 9,
    Currency = 10
);
codes!(
    break_state_code,
    break_state,
    BreakState,
    "breaks",
    "state",
    Open = 1,
    Assigned = 2,
    Agreed = 3,
    Rejected = 4,
    Adjusted = 5,
    WrittenOff = 6
);

pub(crate) fn inconsistent(
    table: &'static str,
    column: &'static str,
    found: impl ToString,
) -> StoreError {
    StoreError::inconsistent(table, column, found)
}

pub(crate) fn currency(
    code: &str,
    table: &'static str,
    column: &'static str,
) -> Result<Currency, StoreError> {
    code.parse().map_err(|_| inconsistent(table, column, code))
}

/// An account as a row has it: its code, its partner (0 for none), and the member of a wallet.
pub(crate) const fn account_code(account: Account) -> (i16, PartnerId, Option<MemberId>) {
    const HUB: PartnerId = PartnerId::HUB;
    match account {
        Account::Wallet(member) => (1, HUB, Some(member)),
        Account::Issued(partner) => (2, partner, None),
        Account::Redeemed(partner) => (3, partner, None),
        Account::Expired(partner) => (4, partner, None),
        Account::Donated => (5, HUB, None),
        Account::InTransit => (6, HUB, None),
        Account::Clearing(partner) => (7, partner, None),
        Account::Pool => (8, HUB, None),
        Account::Fee => (9, HUB, None),
        Account::Rounding => (10, HUB, None),
        Account::Settlement => (11, HUB, None),
        Account::Fx => (12, HUB, None),
    }
}

/// What an account is called in reports.
pub(crate) fn account_word(code: i16) -> Result<&'static str, StoreError> {
    Ok(match code {
        1 => "wallet",
        2 => "issued",
        3 => "redeemed",
        4 => "expired",
        5 => "donated",
        6 => "in_transit",
        7 => "clearing",
        8 => "pool",
        9 => "fee",
        10 => "rounding",
        11 => "settlement",
        12 => "fx",
        other => return Err(inconsistent("transfers", "debit_kind", other)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_comes_back_as_what_it_stood_for() {
        for code in 1..=14 {
            assert_eq!(operation_kind(code).map(operation_kind_code).ok(), Some(code));
        }
        for code in 1..=19 {
            assert_eq!(amount_kind(code).map(amount_kind_code).ok(), Some(code));
        }
        for code in 1..=4 {
            assert_eq!(hold_state(code).map(hold_state_code).ok(), Some(code));
        }
        for code in 1..=10 {
            assert_eq!(break_kind(code).map(break_kind_code).ok(), Some(code));
        }
        for code in 1..=6 {
            assert_eq!(break_state(code).map(break_state_code).ok(), Some(code));
        }
        assert!(operation_kind(0).is_err() && amount_kind(20).is_err() && funding(3).is_err());
    }
}
