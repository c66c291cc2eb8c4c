//! What a record says: its header, and each line in the matcher's terms.

use std::{borrow::Cow, sync::Arc};

use entente_api::{
    error::ErrorReason,
    settlement::{
        self as api, MemberNames as ApiNames, ReconcileRequest, RecordHeader, RecordKind,
        RecordLine, RecordStatus, reconcile_request::Part,
    },
};
use entente_ledger::{Currency, Micros, PartnerId, Points, WindowId};
use entente_loyalty::PartnerCode;
use entente_settlement::{
    Money,
    reconcile::{ControlTotals, Kind, Line, LineStatus, Rules, Texts, When},
};
use entente_store::settlement::{ListedWindow, reconciliation::MemberNames};
use prost::Message;
use tonic::Streaming;
use uuid::Uuid;

use crate::{
    error::{Refused, RpcError},
    parse::{self, Expected, Violations},
    personal::Vault,
};

/// The longest receipt or member of a line, in characters; the hub's own are shorter.
const LONGEST_TEXT: usize = 256;
/// Tolerances unless the header says otherwise, and the greatest ones.
const CLOCK_S: (i32, i32) = (300, 86_400);
const MATCH_S: (i32, i32) = (86_400, 604_800);
/// Currencies of a stated total.
const MOST_CURRENCIES: usize = 64;

/// What a header asks for.
#[derive(Debug, Clone)]
pub(super) struct Asked {
    pub(super) window: String,
    pub(super) partner: Option<PartnerCode>,
    pub(super) file_name: String,
    pub(super) file_sha256: Vec<u8>,
    pub(super) reading: String,
    pub(super) with_money: bool,
    pub(super) names: MemberNames,
    clock_tolerance_s: i64,
    day_tolerance_s: i64,
    pub(super) stated: Option<ControlTotals>,
}

/// The first message, which is the header.
pub(super) async fn first(
    record: &mut Streaming<ReconcileRequest>,
) -> Result<RecordHeader, RpcError> {
    match record.message().await.map_err(|_| unreadable())?.and_then(|first| first.part) {
        Some(Part::Header(header)) => Ok(header),
        Some(Part::Lines(_) | Part::End(_)) | None => {
            let mut violations = Violations::default();
            violations.add("header", "comes first");
            Err(violations.refused().into())
        }
    }
}

/// The refusal of a message that is none; nobody knows where the next one begins.
pub(super) fn unreadable() -> Refused {
    let message = "a message of the stream is unreadable, or too long";
    Refused::new(ErrorReason::Malformed, message)
}

/// The refusal of an operator who names no partner.
pub(super) fn nobody_named() -> Refused {
    let mut violations = Violations::default();
    violations.add("header.partner", "is required of an operator");
    violations.refused()
}

/// Reads a header.
pub(super) fn asked(header: &RecordHeader) -> Result<Asked, Refused> {
    read(header).map_err(|refused| refused.inside("header"))
}

fn read(header: &RecordHeader) -> Result<Asked, Refused> {
    let mut violations = Violations::default();
    let window = violations.field("window", parse::window_name(&header.window));
    let partner = match header.partner.as_str() {
        "" => Some(None),
        code => violations.field("partner", parse::partner_code(code)).map(Some),
    };
    let file_name = violations.field("file_name", parse::printable(&header.file_name, 255));
    if header.file_sha256.len() != 32 {
        violations.add("file_sha256", "32 bytes");
    }
    if !header.reading.is_empty() {
        violations.field("reading", parse::printable(&header.reading, 1_000));
    }
    let names = match ApiNames::try_from(header.member_names) {
        Ok(ApiNames::Unspecified) => Some(MemberNames::None),
        Ok(ApiNames::Reference) => Some(MemberNames::Lookup),
        Ok(ApiNames::Token) => Some(MemberNames::Token),
        Err(_) => violations.field("member_names", Err("one of MemberNames".into())),
    };
    let clock = tolerance(header.clock_tolerance_seconds, CLOCK_S);
    let clock = violations.field("clock_tolerance_seconds", clock);
    let matching = tolerance(header.match_tolerance_seconds, MATCH_S);
    let matching = violations.field("match_tolerance_seconds", matching);
    let stated = header.stated.as_ref().map(stated).transpose();
    let stated = violations.field("stated", stated);
    match (window, partner, file_name, names, clock.zip(matching), stated) {
        (
            Some(window),
            Some(partner),
            Some(file_name),
            Some(names),
            Some((clock_tolerance_s, day_tolerance_s)),
            Some(stated),
        ) if violations.is_empty() => Ok(Asked {
            window,
            partner,
            file_name,
            file_sha256: header.file_sha256.clone(),
            reading: header.reading.clone(),
            with_money: header.with_money,
            names,
            clock_tolerance_s,
            day_tolerance_s,
            stated,
        }),
        _ => Err(violations.refused()),
    }
}

fn tolerance(given: Option<i32>, (usual, most): (i32, i32)) -> Result<i64, Expected> {
    let seconds = given.unwrap_or(usual);
    let good = (0..=most).contains(&seconds).then(|| i64::from(seconds));
    good.ok_or_else(|| format!("0 to {most} seconds").into())
}

fn stated(totals: &api::ControlTotals) -> Result<ControlTotals, Expected> {
    let expected = || Expected::Borrowed("a count, points, and each currency once");
    let mut stated = ControlTotals {
        count: u64::try_from(totals.count).map_err(|_| expected())?,
        points: Points(totals.points),
        ..ControlTotals::default()
    };
    if totals.money.len() > MOST_CURRENCIES {
        return Err(expected());
    }
    for money in &totals.money {
        let currency: Currency = money.currency.parse().map_err(|_| expected())?;
        if stated.money.insert(currency, Micros(money.micros)).is_some() {
            return Err(expected());
        }
    }
    stated.money.retain(|_, micros| !micros.is_zero());
    Ok(stated)
}

/// What names a record: whose it is, of which window, the file, and how it was read. What it is called
/// does not matter.
pub(super) fn id(header: &RecordHeader, (partner, window): (PartnerId, WindowId)) -> Uuid {
    let named = RecordHeader {
        window: String::new(),
        partner: String::new(),
        file_name: String::new(),
        ..header.clone()
    };
    digested([&partner.0.to_be_bytes()[..], &window.0.to_be_bytes(), &named.encode_to_vec()])
}

/// An id made of what it names.
pub(super) fn digested<const N: usize>(parts: [&[u8]; N]) -> Uuid {
    let mut digest = aws_lc_rs::digest::Context::new(&aws_lc_rs::digest::SHA256);
    for part in parts {
        digest.update(part);
    }
    let mut bytes = [0; 16];
    bytes.iter_mut().zip(digest.finish().as_ref()).for_each(|(to, from)| *to = *from);
    uuid::Builder::from_random_bytes(bytes).into_uuid()
}

impl Asked {
    /// The rules by which this record is compared.
    pub(super) fn rules(&self, window: &ListedWindow, most_lines: usize) -> Rules {
        Rules {
            opened_at: window.opened_at,
            closed_at: window.closed_at.unwrap_or(window.opened_at),
            with_money: self.with_money,
            clock_tolerance_s: self.clock_tolerance_s,
            day_tolerance_s: self.day_tolerance_s,
            most_lines,
        }
    }
}

/// How a record names members, in the one vocabulary of both sides: a reference by what it is looked up
/// by, so that none is kept even while the record is compared.
#[derive(Debug, Clone)]
pub(super) struct Naming {
    pub(super) names: MemberNames,
    pub(super) partner: PartnerId,
    pub(super) vault: Arc<Vault>,
}

impl Naming {
    /// What stands for the member of a line; empty for nobody.
    pub(super) fn of<'l>(&self, line: &'l RecordLine) -> Result<Cow<'l, str>, &'static str> {
        if line.member.is_empty() {
            return Ok(Cow::Borrowed(""));
        }
        match self.names {
            MemberNames::None => Ok(Cow::Borrowed("")),
            MemberNames::Token => Ok(Cow::Borrowed(&line.member)),
            MemberNames::Lookup => {
                let reference = parse::member_reference(&line.member);
                let reference = reference.map_err(|_| "the member is no reference")?;
                let lookup = self.vault.lookup(self.partner, &reference);
                let mut first = [0; 16];
                first.copy_from_slice(&lookup.0[..16]);
                // Written as hexadecimal digits, without hyphens.
                Ok(Cow::Owned(Uuid::from_bytes(first).simple().to_string()))
            }
        }
    }
}

/// A line in the matcher's terms, or why it cannot be read.
pub(super) fn line<'l>(
    line: &'l RecordLine,
    row: u32,
    (member, usual): (&'l str, Currency),
) -> Result<(Line, Texts<'l>), &'static str> {
    let request_id = match line.request_id.as_str() {
        "" => None,
        id => Some(parse::request_id(id).map_err(|_| "the request id is no UUID")?),
    };
    let texts = Texts { receipt: &line.receipt_reference, member };
    if !is_text(texts.receipt) || !is_text(member) {
        return Err("a reference is too long, or has characters that cannot be seen");
    }
    let money = match &line.amount {
        None => Money::nothing(usual),
        Some(money) => {
            let currency = money.currency.parse().map_err(|_| "the currency is unknown")?;
            Money { currency, micros: Micros(money.micros) }
        }
    };
    let (kind, status, when) = (kind(line.kind)?, status(line.status)?, when(line)?);
    let points = Points(line.points);
    Ok((Line { row, request_id, kind, status, points, money, when }, texts))
}

fn is_text(text: &str) -> bool {
    text.is_empty() || parse::printable(text, LONGEST_TEXT).is_ok()
}

fn kind(number: i32) -> Result<Option<Kind>, &'static str> {
    Ok(match RecordKind::try_from(number).map_err(|_| "the kind is unknown")? {
        RecordKind::Unspecified => None,
        RecordKind::Earn => Some(Kind::Earn),
        RecordKind::EarnReversed => Some(Kind::EarnReversed),
        RecordKind::Burn => Some(Kind::Burn),
        RecordKind::BurnRefunded => Some(Kind::BurnRefunded),
        RecordKind::Exchange => Some(Kind::Exchange),
        RecordKind::Gift => Some(Kind::Gift),
        RecordKind::Donation => Some(Kind::Donation),
    })
}

fn status(number: i32) -> Result<LineStatus, &'static str> {
    Ok(match RecordStatus::try_from(number).map_err(|_| "the status is unknown")? {
        RecordStatus::Unspecified | RecordStatus::Posted => LineStatus::Posted,
        RecordStatus::Reversed => LineStatus::Reversed,
        RecordStatus::Refused => LineStatus::Refused,
    })
}

fn when(line: &RecordLine) -> Result<When, &'static str> {
    let bad = |_| "the time is out of range";
    let Some(from) = &line.happened_from else { return Ok(When::UNKNOWN) };
    let from = parse::timestamp(from).map_err(bad)?;
    let Some(until) = &line.happened_until else { return Ok(When::at(from)) };
    let until = parse::timestamp(until).map_err(bad)?;
    if until > from {
        Ok(When::between(from, until))
    } else {
        Err("the time ends before it begins")
    }
}
