//! Rows as text, so that a ledger's and a replay's are compared column by column, whatever they hold.

use std::{collections::HashMap, fmt::Display};

use anyhow::Result;
use entente_ledger::{
    Account, AmountKind, Debt, Funding, Hold, HoldState, Lot, MemberId, Origin, PositionAmount,
    PositionKey, Transfer, Unit, WindowId,
};
use entente_loyalty::{Member, Operation, OperationKind};
use jiff::Timestamp;

/// A table, as far as it is compared; each row is of one cell.
#[derive(Debug)]
pub(super) struct Table {
    pub(super) name: &'static str,
    pub(super) key: &'static [&'static str],
    pub(super) columns: &'static [&'static str],
}

pub(super) const OPERATIONS: Table = Table {
    name: "operations",
    key: &["cell", "seq"],
    columns: &[
        "posted_at",
        "window_id",
        "partner_id",
        "request_id",
        "member_id",
        "kind",
        "activity_at",
        "terms_version",
        "points",
        "receipt_reference",
        "prior_period",
        "refused",
    ],
};
pub(super) const TRANSFERS: Table = Table {
    name: "transfers",
    key: &["cell", "seq", "ordinal", "posted_at"],
    columns: &[
        "window_id",
        "kind",
        "debit_kind",
        "debit_partner",
        "credit_kind",
        "credit_partner",
        "member_id",
        "in_points",
        "amount",
        "lot_opened_by",
        "lot_ordinal",
        "issuer",
        "payer",
        "payee",
        "currency",
        "price_micros",
    ],
};
const WALLETS: Table =
    Table { name: "wallets", key: &["cell", "member_id"], columns: &["available", "held", "debt"] };
const LOTS: Table = Table {
    name: "lots",
    key: &["cell", "member_id", "opened_by", "ordinal"],
    columns: &[
        "issuer",
        "funding",
        "terms_version",
        "currency",
        "expires_at",
        "remaining",
        "held",
        "expired",
        "open",
        "category",
        "spend_micros",
        "spend_reversed_micros",
        "activity_at",
        "points_earned",
        "points_clawed",
        "origin",
        "from_cell",
        "from_opened_by",
        "from_ordinal",
        "announced",
        "merged_from",
    ],
};
const HOLDS: Table = Table {
    name: "holds",
    key: &["cell", "member_id", "authorized_by"],
    columns: &["request_id", "partner_id", "terms_version", "state", "open", "expires_at"],
};
const HOLD_LEGS: Table = Table {
    name: "hold_legs",
    key: &["cell", "member_id", "authorized_by", "leg"],
    columns: &[
        "lot_opened_by",
        "lot_ordinal",
        "issuer",
        "funding",
        "expires_at",
        "points",
        "captured",
        "refunded",
    ],
};
const DEBTS: Table = Table {
    name: "debts",
    key: &["cell", "member_id", "reversed_by", "ordinal"],
    columns: &[
        "lot_opened_by",
        "lot_ordinal",
        "issuer",
        "creditor",
        "terms_version",
        "currency",
        "price_micros",
        "points",
        "open",
    ],
};
const POSITIONS: Table = Table {
    name: "positions",
    key: &["cell", "window_id", "currency", "payer", "payee", "kind"],
    columns: &["points", "micros"],
};

/// What is compared when all is replayed.
pub(super) const STANDING: [&Table; 6] = [&WALLETS, &LOTS, &HOLDS, &HOLD_LEGS, &DEBTS, &POSITIONS];

/// Rows of a replay: of each table that is compared, by their keys.
#[derive(Debug, Default, Clone)]
pub(super) struct Rows {
    cell: i16,
    tables: [HashMap<String, String>; STANDING.len()],
}

/// Fields, as PostgreSQL's concat_ws gives them.
macro_rules! text {
    ($($field:expr),* $(,)?) => {{
        let fields: &[&dyn Display] = &[$(&$field),*];
        joined(fields)
    }};
}

impl Table {
    /// A row's columns, as one text.
    pub(super) fn text(columns: &[&str]) -> String {
        let columns = columns.iter().map(|column| {
            if column.ends_with("_at") {
                format!("coalesce((extract(epoch FROM {column}) * 1000000)::bigint::text, '-')")
            } else {
                format!("coalesce({column}::text, '-')")
            }
        });
        format!("concat_ws(' ', {})", columns.collect::<Vec<_>>().join(", "))
    }

    /// Names the columns in which two rows are not one.
    pub(super) fn difference(&self, key: &str, ledger: &str, replay: &str) -> Option<String> {
        if ledger == replay {
            return None;
        }
        let fields = self.columns.iter().zip(ledger.split(' ')).zip(replay.split(' '));
        let apart = fields.filter(|((_, ledger), replay)| ledger != replay);
        let apart = apart.map(|((name, ledger), replay)| {
            format!("{name} is {ledger} in the ledger and {replay} in the replay")
        });
        let apart = apart.collect::<Vec<_>>().join(", ");
        Some(format!("{} ({}) {key}: {apart}", self.name, self.key.join(" ")))
    }

    /// A row that only one of both has.
    pub(super) fn alone(&self, whose: &str, key: &str, row: &str) -> String {
        format!("{} ({}) {key}: only the {whose} has it: {row}", self.name, self.key.join(" "))
    }
}

impl Rows {
    /// None yet.
    pub(super) fn of_cell(cell: i16) -> Self {
        Self { cell, ..Self::default() }
    }

    /// Those of a table of [`STANDING`].
    pub(super) fn table(&mut self, number: usize) -> &mut HashMap<String, String> {
        &mut self.tables[number]
    }

    /// What a member has.
    pub(super) fn add_member(&mut self, member: &Member) {
        let (cell, id, wallet) = (self.cell, member.id.0, member.wallet);
        let row = text!(wallet.available.0, wallet.held.0, wallet.debt.0);
        self.add(0, text!(cell, id), row);
        for lot in member.lots.values() {
            let key = text!(cell, id, lot.id.opened_by.0, lot.id.ordinal);
            self.add(1, key, lot_row(lot));
        }
        for hold in member.holds.values() {
            let authorized_by = hold.authorized_by.0;
            self.add(2, text!(cell, id, authorized_by), hold_row(hold));
            for (leg, part) in hold.legs.iter().enumerate() {
                let row = text!(
                    part.lot.opened_by.0,
                    part.lot.ordinal,
                    part.issuer,
                    funding(part.funding),
                    micros(part.expires_at),
                    part.points.0,
                    part.captured.0,
                    part.refunded.0,
                );
                self.add(3, text!(cell, id, authorized_by, leg), row);
            }
        }
        for debt in member.debts.values() {
            self.add(4, text!(cell, id, debt.id.made_by.0, debt.id.ordinal), debt_row(debt));
        }
    }

    /// What transfers come to.
    pub(super) fn add_position(
        &mut self,
        window: WindowId,
        key: &PositionKey,
        amount: PositionAmount,
    ) {
        let code = key.currency.code();
        let kind = amount_kind(key.kind);
        let key = text!(self.cell, window.0, code, key.payer, key.payee, kind);
        self.add(5, key, text!(amount.points.0, amount.micros.0));
    }

    fn add(&mut self, table: usize, key: String, row: String) {
        self.tables[table].insert(key, row);
    }
}

/// An operation's columns.
pub(super) fn operation(operation: &Operation) -> String {
    text!(
        micros(operation.posted_at),
        operation.window.0,
        operation.partner,
        operation.request_id.0,
        operation.member.0,
        operation_kind(operation.kind),
        known(operation.activity_at.map(micros)),
        known(operation.terms_version.map(|version| version.0)),
        operation.points.0,
        operation.receipt_reference,
        operation.prior_period,
        operation.refusal.is_some(),
    )
}

/// A transfer's columns.
pub(super) fn transfer(operation: &Operation, transfer: &Transfer) -> String {
    let (debit_kind, debit_partner, debited) = account(transfer.debit());
    let (credit_kind, credit_partner, credited) = account(transfer.credit());
    let lot = match transfer.unit() {
        Unit::Points { lot, issuer } => Some((lot, issuer)),
        Unit::Money => None,
    };
    text!(
        operation.window.0,
        amount_kind(transfer.kind),
        debit_kind,
        debit_partner,
        credit_kind,
        credit_partner,
        known(debited.or(credited).map(|member| member.0)),
        lot.is_some(),
        transfer.amount(),
        known(lot.map(|(lot, _)| lot.opened_by.0)),
        known(lot.map(|(lot, _)| lot.ordinal)),
        known(lot.map(|(_, issuer)| issuer)),
        transfer.payer,
        transfer.payee,
        transfer.currency.code(),
        transfer.price.0,
    )
}

/// A time as microseconds.
pub(super) fn micros(time: Timestamp) -> i64 {
    time.as_microsecond()
}

/// The time of so many microseconds.
pub(super) fn time(micros: i64) -> Result<Timestamp> {
    Ok(Timestamp::from_microsecond(micros)?)
}

fn lot_row(lot: &Lot) -> String {
    let bought = lot.purchase();
    let origin = match lot.origin {
        Origin::Earned(_) => 1,
        Origin::Exchanged => 2,
        Origin::Received { .. } => 3,
        Origin::Merged { .. } => 4,
    };
    text!(
        lot.issuer,
        funding(lot.funding),
        lot.terms_version.0,
        lot.currency.code(),
        micros(lot.expires_at),
        lot.remaining.0,
        lot.held.0,
        lot.expired.0,
        lot.remaining.is_positive(),
        known(bought.map(|bought| bought.category.as_str())),
        known(bought.map(|bought| bought.spend.0)),
        known(bought.map(|bought| bought.spend_reversed.0)),
        known(bought.map(|bought| micros(bought.activity_at))),
        known(bought.map(|bought| bought.points_earned.0)),
        known(bought.map(|bought| bought.points_clawed.0)),
        origin,
        // Nobody gives here, and no members are merged.
        "- - -",
        lot.announced,
        "-",
    )
}

fn hold_row(hold: &Hold) -> String {
    let state = match hold.state {
        HoldState::Open => 1,
        HoldState::Captured => 2,
        HoldState::Voided => 3,
        HoldState::Expired => 4,
    };
    text!(
        hold.request_id.0,
        hold.partner,
        hold.terms_version.0,
        state,
        hold.state == HoldState::Open,
        micros(hold.expires_at),
    )
}

fn debt_row(debt: &Debt) -> String {
    text!(
        debt.lot.opened_by.0,
        debt.lot.ordinal,
        debt.issuer,
        debt.creditor,
        debt.terms_version.0,
        debt.currency.code(),
        debt.price.0,
        debt.points.0,
        debt.points.is_positive(),
    )
}

fn joined(fields: &[&dyn Display]) -> String {
    use std::fmt::Write as _;
    let mut text = String::with_capacity(16 * fields.len());
    for (number, field) in fields.iter().enumerate() {
        let space = if number == 0 { "" } else { " " };
        // Writing to a string cannot fail.
        let _ = write!(text, "{space}{field}");
    }
    text
}

fn known<T: Display>(field: Option<T>) -> String {
    field.map_or_else(|| "-".to_owned(), |field| field.to_string())
}

/// The numbers that stand for these in rows, as the migrations say; 0 for what no row here has.
const fn operation_kind(kind: OperationKind) -> i16 {
    match kind {
        OperationKind::Earn => 1,
        OperationKind::Burn => 2,
        OperationKind::Authorize => 3,
        OperationKind::Capture => 4,
        OperationKind::Void => 5,
        OperationKind::Reverse => 6,
        _ => 0,
    }
}

const fn amount_kind(kind: AmountKind) -> i16 {
    match kind {
        AmountKind::Issue => 1,
        AmountKind::IssueCancelled => 2,
        AmountKind::Redemption => 3,
        AmountKind::RedemptionRefunded => 4,
        AmountKind::Fee => 5,
        AmountKind::FeeRefunded => 6,
        AmountKind::DebtRepaid => 7,
        AmountKind::IssueReinstated => 10,
        _ => 0,
    }
}

const fn account(account: Account) -> (i16, i32, Option<MemberId>) {
    match account {
        Account::Wallet(member) => (1, 0, Some(member)),
        Account::Issued(partner) => (2, partner.0, None),
        Account::Redeemed(partner) => (3, partner.0, None),
        Account::Clearing(partner) => (7, partner.0, None),
        Account::Pool => (8, 0, None),
        Account::Fee => (9, 0, None),
        _ => (0, 0, None),
    }
}

const fn funding(funding: Funding) -> i16 {
    match funding {
        Funding::AtIssue => 1,
        Funding::AtRedemption => 2,
    }
}
