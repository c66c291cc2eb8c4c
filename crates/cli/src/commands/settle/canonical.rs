//! A statement in its canonical form, as CSV or as JSON lines, and the digest of what was printed:
//! `docs/statements.md`.

use std::io::{self, Write};

use anyhow::Context as _;
use aws_lc_rs::digest;
use entente_api::{
    settlement::{
        AmountKind as WireKind, Direction as WireDirection, StatementBalance, StatementClosing,
        StatementHeader as WireHeader, StatementLine as WireLine, get_statement_response::Part,
    },
    types::Money as WireMoney,
};
use entente_ledger::{AmountKind, Micros, Points, RequestId, TermsVersion};
use entente_settlement::{
    Money,
    statement::{
        Direction, Moved, StatementHeader, StatementLine, StatementRecord, write_csv,
        write_csv_head, write_json,
    },
};
use jiff::Timestamp;

use crate::output::stamp;

/// How much is gathered before it is printed, in bytes.
const PRINTED: usize = 64 * 1_024;

/// How records become bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Encoding {
    /// A header line, then a line for each record.
    Csv,
    /// An object for each record.
    JsonLines,
}

/// Prints a statement record by record, and remembers what it printed as a digest.
pub(super) struct Canonical<W> {
    encoding: Encoding,
    digest: digest::Context,
    waiting: String,
    to: W,
}

impl<W: Write> Canonical<W> {
    pub(super) fn new(encoding: Encoding, to: W) -> Self {
        let mut waiting = String::with_capacity(2 * PRINTED);
        if encoding == Encoding::Csv {
            write_csv_head(&mut waiting);
        }
        Self { encoding, digest: digest::Context::new(&digest::SHA256), waiting, to }
    }

    /// Prints a part.
    pub(super) fn print(&mut self, part: &Part) -> anyhow::Result<()> {
        let record = match part {
            Part::Header(header) => header_record(header)?,
            Part::Line(line) => line_record(line)?,
            Part::Lines(together) => {
                let mut lines = together.lines.iter();
                return lines.try_for_each(|line| self.write(&line_record(line)?));
            }
            Part::Elsewhere(sum) => {
                let amount = (sum.direction, sum.amount.as_ref());
                let moved = moved(sum.kind, &sum.counterparty, sum.points, amount)?;
                StatementRecord::Elsewhere { day: sum.day.parse()?, moved }
            }
            Part::Total(total) => {
                let amount = (total.direction, total.amount.as_ref());
                let moved = moved(total.kind, &total.counterparty, total.points, amount)?;
                StatementRecord::Total(moved)
            }
            Part::Opening(unpaid) => {
                let (direction, amount) = unpaid_of(unpaid)?;
                StatementRecord::Opening { direction, amount }
            }
            Part::Balance(unpaid) => {
                let (direction, amount) = unpaid_of(unpaid)?;
                StatementRecord::Balance { direction, amount }
            }
            Part::Closing(closing) => closing_record(closing)?,
        };
        self.write(&record)
    }

    fn write(&mut self, record: &StatementRecord<'_>) -> anyhow::Result<()> {
        match self.encoding {
            Encoding::Csv => write_csv(&mut self.waiting, record),
            Encoding::JsonLines => write_json(&mut self.waiting, record),
        }
        if self.waiting.len() >= PRINTED { Ok(self.flush()?) } else { Ok(()) }
    }

    /// The SHA-256 of all that was printed, in hexadecimal.
    pub(super) fn end(mut self) -> io::Result<String> {
        self.flush()?;
        Ok(hex::encode(self.digest.finish()))
    }

    fn flush(&mut self) -> io::Result<()> {
        self.digest.update(self.waiting.as_bytes());
        self.to.write_all(self.waiting.as_bytes())?;
        self.to.flush()?;
        self.waiting.clear();
        Ok(())
    }
}

fn header_record(header: &WireHeader) -> anyhow::Result<StatementRecord<'_>> {
    let window = header.window.as_ref().context("a statement names its window")?;
    Ok(StatementRecord::Header(StatementHeader {
        window: &window.name,
        partner: &header.partner,
        opened_at: time(window.opened_at.as_ref())?,
        closed_at: time(window.closed_at.as_ref())?,
        simulation: header.simulation,
    }))
}

fn line_record(line: &WireLine) -> anyhow::Result<StatementRecord<'_>> {
    let amount = (line.direction, line.amount.as_ref());
    Ok(StatementRecord::Line(StatementLine {
        request_id: RequestId(line.request_id.parse()?),
        posted_at: time(line.posted_at.as_ref())?,
        activity_at: stamp(line.activity_at.as_ref()),
        receipt_reference: &line.receipt_reference,
        member_token: &line.member_token,
        terms_version: (line.terms_version > 0).then_some(TermsVersion(line.terms_version)),
        price: line.price.as_ref().map(|price| Micros(price.micros)),
        prior_period: line.prior_period,
        moved: moved(line.kind, &line.counterparty, line.points, amount)?,
    }))
}

fn closing_record(closing: &StatementClosing) -> anyhow::Result<StatementRecord<'static>> {
    Ok(StatementRecord::Closing {
        direction: direction(closing.direction)?,
        amount: money(closing.amount.as_ref())?,
        line_count: closing.line_count.try_into()?,
    })
}

fn unpaid_of(unpaid: &StatementBalance) -> anyhow::Result<(Direction, Money)> {
    Ok((direction(unpaid.direction)?, money(unpaid.amount.as_ref())?))
}

fn moved<'t>(
    number: i32,
    counterparty: &'t str,
    points: i64,
    (pays, amount): (i32, Option<&WireMoney>),
) -> anyhow::Result<Moved<'t>> {
    Ok(Moved {
        kind: kind(number)?,
        counterparty,
        points: Points(points),
        direction: direction(pays)?,
        amount: money(amount)?,
    })
}

fn kind(number: i32) -> anyhow::Result<AmountKind> {
    Ok(match WireKind::try_from(number).unwrap_or_default() {
        WireKind::Issue => AmountKind::Issue,
        WireKind::IssueCancelled => AmountKind::IssueCancelled,
        WireKind::Redemption => AmountKind::Redemption,
        WireKind::RedemptionRefunded => AmountKind::RedemptionRefunded,
        WireKind::Fee => AmountKind::Fee,
        WireKind::FeeRefunded => AmountKind::FeeRefunded,
        WireKind::DebtRepaid => AmountKind::DebtRepaid,
        WireKind::IssueReinstated => AmountKind::IssueReinstated,
        WireKind::Expired => AmountKind::Expired,
        WireKind::Rounding => AmountKind::Rounding,
        WireKind::Gift => AmountKind::Gift,
        WireKind::Adjustment => AmountKind::Adjustment,
        WireKind::Prepaid => AmountKind::Prepaid,
        WireKind::CurrencySold => AmountKind::CurrencySold,
        WireKind::CurrencyBought => AmountKind::CurrencyBought,
        WireKind::ConversionLoss => AmountKind::ConversionLoss,
        WireKind::ConversionGain => AmountKind::ConversionGain,
        WireKind::Unspecified => {
            anyhow::bail!("this entente does not know the kind {number}; use a newer one")
        }
    })
}

fn direction(number: i32) -> anyhow::Result<Direction> {
    match WireDirection::try_from(number) {
        Ok(WireDirection::Pays) => Ok(Direction::Pays),
        Ok(WireDirection::Receives) => Ok(Direction::Receives),
        Ok(WireDirection::Even) => Ok(Direction::Even),
        _ => anyhow::bail!("this entente does not know the direction {number}; use a newer one"),
    }
}

fn money(amount: Option<&WireMoney>) -> anyhow::Result<Money> {
    let amount = amount.context("a statement's amounts are told")?;
    Ok(Money { currency: amount.currency.parse()?, micros: Micros(amount.micros) })
}

fn time(time: Option<&prost_types::Timestamp>) -> anyhow::Result<Timestamp> {
    stamp(time).context("a statement's times are told")
}
