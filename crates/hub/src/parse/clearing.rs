//! Requests about arrangements and statements.

use entente_api::settlement::{
    AdjustRequest, AgreeStatementRequest, ArrangeSettlementRequest, AssignPaymentRequest,
    BankAccount as ApiAccount, BuyBlockRequest, Calendar, Cycle as ApiCycle,
    ExportObligationsRequest, Netting as ApiNetting,
};
use entente_ledger::{Micros, Points, RequestId};
use entente_loyalty::PartnerCode;
use entente_settlement::{
    Cycle, Netting, Schedule,
    iso20022::{BankAccount, BankParty, Bic},
};
use jiff::civil::{Date, Time, Weekday};

use super::{
    Expected, Violations, partner_code, printable, reconciliation::break_id, request_id,
    settlement::end_to_end_id, window_name,
};
use crate::{
    control::{Adjust, ArrangeSettlement, AssignPayment, BuyBlock, zone},
    error::Refused,
};

/// How many accounts an arrangement has at most.
const MAX_ACCOUNTS: usize = 1_000;
const MAX_OBJECTION_DAYS: u16 = 90;
const MAX_REASON_CHARS: usize = 256;
/// The most points of a block, and the most that it costs, in micros.
const MAX_BLOCK_POINTS: i64 = 1_000_000_000_000;
const MAX_BLOCK_COST: i64 = 10_000_000_000_000_000;

/// A new arrangement.
pub fn arrange(
    request: &ArrangeSettlementRequest,
) -> Result<(RequestId, ArrangeSettlement), Refused> {
    let mut violations = Violations::default();
    let id = violations.field("request_id", request_id(&request.request_id));
    let Some(wire) = violations.required("arrangement", request.arrangement.as_ref()) else {
        return Err(violations.refused());
    };
    let netting = violations.field("arrangement.netting", netting(wire.netting()));
    let schedule = wire.calendar.as_ref().map(|calendar| schedule(calendar, &mut violations));
    let days = u16::try_from(wire.objection_days).ok().filter(|days| *days <= MAX_OBJECTION_DAYS);
    let days = days.ok_or(Expected::Borrowed("0 to 90 days"));
    let objection_days = violations.field("arrangement.objection_days", days);
    let accounts = accounts(&wire.accounts, &mut violations);
    match (id, netting, schedule, objection_days) {
        (Some(request_id), Some(netting), schedule, Some(objection_days))
            if violations.is_empty() =>
        {
            let schedule = schedule.flatten();
            let arrange =
                ArrangeSettlement { request_id, netting, schedule, objection_days, accounts };
            Ok((request_id, arrange))
        }
        _ => Err(violations.refused()),
    }
}

/// A decision about a bank entry, and who decides.
pub fn assign(
    request: &AssignPaymentRequest,
    actor: String,
) -> Result<(RequestId, AssignPayment), Refused> {
    let mut violations = Violations::default();
    let id = violations.field("request_id", request_id(&request.request_id));
    let entry = violations.field("entry", entry_id(&request.entry));
    let obligation = violations.optional("obligation", &request.obligation, end_to_end_id);
    let reason = violations.field("reason", printable(&request.reason, MAX_REASON_CHARS));
    match (id, entry, obligation, reason) {
        (Some(request_id), Some(entry), Some(obligation), Some(reason)) => {
            Ok((request_id, AssignPayment { request_id, entry, obligation, reason, actor }))
        }
        _ => Err(violations.refused()),
    }
}

/// `12/3`: a statement's number, and a place in it.
fn entry_id(text: &str) -> Result<(i64, i32), Expected> {
    let parts = text.split_once('/').filter(|_| text.len() <= 32);
    let id =
        parts.and_then(|(statement, place)| Some((statement.parse().ok()?, place.parse().ok()?)));
    id.ok_or(Expected::Borrowed("the id of an entry, as ListBankEntries has it"))
}

/// A closed window, and whom the read is about if anybody.
pub fn window(window: &str, partner: &str) -> Result<(String, Option<PartnerCode>), Refused> {
    let mut violations = Violations::default();
    let window = violations.field("window", window_name(window));
    let partner = violations.optional("partner", partner, partner_code);
    window.zip(partner).ok_or_else(|| violations.refused())
}

/// An adjustment.
pub fn adjust(request: &AdjustRequest) -> Result<(RequestId, Adjust), Refused> {
    let mut violations = Violations::default();
    let id = violations.field("request_id", request_id(&request.request_id));
    let window = violations.field("window", window_name(&request.window));
    let corrects = violations.optional("corrects", &request.corrects, request_id);
    let payer = violations.field("payer", party(&request.payer));
    let payee = violations.field("payee", party(&request.payee));
    if payer.is_some() && payer == payee {
        violations.add("payee", "another party than the payer");
    }
    let amount = violations.money("amount", request.amount.as_ref());
    let reason = violations.field("reason", printable(&request.reason, MAX_REASON_CHARS));
    let break_id = violations.optional("break_id", &request.break_id, break_id);
    match (id, window, (payer, payee), corrects.zip(break_id), amount.zip(reason)) {
        (
            Some(request_id),
            Some(window),
            (Some(payer), Some(payee)),
            Some((corrects, break_id)),
            Some(rest),
        ) if violations.is_empty() => {
            let (amount, reason) = rest;
            // Whoever approves it is known then.
            let by = String::new();
            Ok((
                request_id,
                Adjust { request_id, window, corrects, payer, payee, amount, reason, break_id, by },
            ))
        }
        _ => Err(violations.refused()),
    }
}

/// A block of points to be bought.
pub fn buy_block(request: &BuyBlockRequest) -> Result<(RequestId, BuyBlock), Refused> {
    let mut violations = Violations::default();
    let id = violations.field("request_id", request_id(&request.request_id));
    let partner = violations.field("partner", partner_code(&request.partner));
    let currency = violations.currency("currency", &request.currency);
    violations.number("points", request.points, 1..=MAX_BLOCK_POINTS);
    violations.number("price_micros", request.price_micros, 1..=MAX_BLOCK_COST);
    let cost = request.points.checked_mul(request.price_micros);
    let cost = cost.filter(|cost| *cost <= MAX_BLOCK_COST);
    if cost.is_none() && violations.is_empty() {
        violations.add("points", "as many as cost at most 10,000,000,000 of the currency's unit");
    }
    match (id, partner, currency, cost) {
        (Some(request_id), Some(partner), Some(currency), Some(cost)) if violations.is_empty() => {
            let (points, price) = (Points(request.points), Micros(request.price_micros));
            let (cost, is_reserve) = (Micros(cost), request.is_reserve);
            let block = BuyBlock { request_id, partner, currency, points, price, cost, is_reserve };
            Ok((request_id, block))
        }
        _ => Err(violations.refused()),
    }
}

/// A partner's code, or `hub` for none.
fn party(text: &str) -> Result<Option<PartnerCode>, Expected> {
    match text {
        "hub" => Ok(None),
        code => partner_code(code).map(Some),
    }
}

/// The closed window whose obligations are exported, and the day on which to pay.
pub fn export(request: &ExportObligationsRequest) -> Result<(String, Option<Date>), Refused> {
    let mut violations = Violations::default();
    let window = violations.field("window", window_name(&request.window));
    let on = violations.optional("on", &request.on, day);
    window.zip(on).ok_or_else(|| violations.refused())
}

/// A day, as it is written in one way alone.
pub(super) fn day(text: &str) -> Result<Date, Expected> {
    let date = text.parse().ok().filter(|date: &Date| date.to_string() == text);
    date.ok_or(Expected::Borrowed("a day: 2026-04-03"))
}

/// A statement that somebody agrees to.
pub fn agree(
    request: &AgreeStatementRequest,
) -> Result<(RequestId, String, Option<PartnerCode>), Refused> {
    let mut violations = Violations::default();
    let id = violations.field("request_id", request_id(&request.request_id));
    let window = violations.field("window", window_name(&request.window));
    let partner = violations.optional("partner", &request.partner, partner_code);
    match (id, window, partner) {
        (Some(id), Some(window), Some(partner)) => Ok((id, window, partner)),
        _ => Err(violations.refused()),
    }
}

fn netting(netting: ApiNetting) -> Result<Netting, Expected> {
    match netting {
        ApiNetting::Gross => Ok(Netting::Gross),
        ApiNetting::Bilateral => Ok(Netting::Bilateral),
        ApiNetting::Multilateral => Ok(Netting::Multilateral),
        ApiNetting::Unspecified => Err(Expected::Borrowed("a Netting")),
    }
}

fn schedule(calendar: &Calendar, violations: &mut Violations) -> Option<Schedule> {
    let known = zone(&calendar.time_zone).map(|_| calendar.time_zone.clone());
    let known = known.ok_or(Expected::Borrowed("a time zone of the IANA database"));
    let zone = violations.field("arrangement.calendar.time_zone", known);
    let cut_off = violations.field("arrangement.calendar.cut_off", time_of_day(&calendar.cut_off));
    let cycle = violations.field("arrangement.calendar.cycle", cycle(calendar));
    match (zone, cut_off, cycle) {
        (Some(zone), Some(cut_off), Some(cycle)) => Some(Schedule { zone, cut_off, cycle }),
        _ => None,
    }
}

/// `18:00`: two digits, a colon, two digits.
fn time_of_day(text: &str) -> Result<Time, Expected> {
    let two = |part: &str| {
        let digits = part.len() == 2 && part.bytes().all(|byte| byte.is_ascii_digit());
        digits.then(|| part.parse().ok()).flatten()
    };
    let parts = text.split_once(':').and_then(|(hour, minute)| two(hour).zip(two(minute)));
    let time = parts.and_then(|(hour, minute)| Time::new(hour, minute, 0, 0).ok());
    time.ok_or(Expected::Borrowed("a time of day: 18:00"))
}

fn cycle(calendar: &Calendar) -> Result<Cycle, Expected> {
    let day = i8::try_from(calendar.day).unwrap_or(-1);
    match calendar.cycle() {
        ApiCycle::Daily if day == 0 => Ok(Cycle::Daily),
        ApiCycle::Daily => Err(Expected::Borrowed("no day when daily")),
        ApiCycle::Weekly => {
            let weekday = Weekday::from_monday_one_offset(day).map(Cycle::Weekly);
            weekday.map_err(|_| Expected::Borrowed("a day of 1 to 7 when weekly"))
        }
        ApiCycle::Monthly if (1..=31).contains(&day) => Ok(Cycle::Monthly(day)),
        ApiCycle::Monthly => Err(Expected::Borrowed("a day of 1 to 31 when monthly")),
        ApiCycle::Unspecified => Err(Expected::Borrowed("a Cycle")),
    }
}

fn accounts(
    accounts: &[ApiAccount],
    violations: &mut Violations,
) -> Vec<(Option<PartnerCode>, BankParty)> {
    if accounts.len() > MAX_ACCOUNTS {
        violations.add("arrangement.accounts", format!("at most {MAX_ACCOUNTS}"));
        return Vec::new();
    }
    let mut parsed: Vec<(Option<PartnerCode>, BankParty)> = Vec::new();
    for (index, account) in accounts.iter().enumerate() {
        let at = |field: &str| format!("arrangement.accounts[{index}].{field}");
        let party = violations.field(&at("party"), party(&account.party));
        let number =
            violations.field(&at("account"), BankAccount::new(&account.account).map_err(told));
        let bic = violations.optional(&at("bic"), &account.bic, |bic| Bic::new(bic).map_err(told));
        let (Some(party), Some(number), Some(bic)) = (party, number, bic) else { continue };
        let named = BankParty::new(&account.name, number, bic).map_err(told);
        let Some(named) = violations.field(&at("name"), named) else { continue };
        if parsed.iter().any(|(other, _)| *other == party) {
            violations.add(at("party"), "each party once");
        }
        parsed.push((party, named));
    }
    parsed
}

#[expect(clippy::needless_pass_by_value, reason = "it maps errors")]
fn told(error: impl ToString) -> Expected {
    Expected::Owned(error.to_string())
}

#[cfg(test)]
mod tests {
    use entente_api::settlement::Arrangement;

    use super::*;

    const ID: &str = "7d0c1e1c-6f0b-4d1b-9c59-0d3b1f6f7a10";

    fn malformed(arrangement: Arrangement) -> String {
        let request =
            ArrangeSettlementRequest { request_id: ID.to_owned(), arrangement: Some(arrangement) };
        let refused = arrange(&request).expect_err("a refusal");
        refused.message().trim_start_matches("the request is malformed: ").to_owned()
    }

    fn calendar(time_zone: &str, cut_off: &str, cycle: ApiCycle, day: i32) -> Arrangement {
        let (time_zone, cut_off) = (time_zone.to_owned(), cut_off.to_owned());
        let calendar = Some(Calendar { time_zone, cut_off, cycle: cycle.into(), day });
        Arrangement { netting: ApiNetting::Gross.into(), calendar, ..Arrangement::default() }
    }

    fn account(party: &str, name: &str, account: &str, bic: &str) -> ApiAccount {
        let [party, name, account, bic] = [party, name, account, bic].map(str::to_owned);
        ApiAccount { party, name, account, bic }
    }

    #[test]
    fn everything_that_is_wrong_with_an_arrangement_is_named() {
        let zone = "Europe/Berlin";
        let prefix = "arrangement.calendar.";
        for (arrangement, field) in [
            (calendar("Europe/Bonn", "18:00", ApiCycle::Daily, 0), "time_zone"),
            (calendar(zone, "24:00", ApiCycle::Daily, 0), "cut_off"),
            (calendar(zone, "6:00", ApiCycle::Daily, 0), "cut_off"),
            (calendar(zone, "18:60", ApiCycle::Daily, 0), "cut_off"),
            (calendar(zone, "+1:00", ApiCycle::Daily, 0), "cut_off"),
            (calendar(zone, "18:00", ApiCycle::Daily, 1), "cycle"),
            (calendar(zone, "18:00", ApiCycle::Weekly, 0), "cycle"),
            (calendar(zone, "18:00", ApiCycle::Weekly, 8), "cycle"),
            (calendar(zone, "18:00", ApiCycle::Monthly, 32), "cycle"),
            (calendar(zone, "18:00", ApiCycle::Monthly, 257), "cycle"),
            (calendar(zone, "18:00", ApiCycle::Unspecified, 0), "cycle"),
        ] {
            assert_eq!(
                malformed(arrangement.clone()),
                format!("{prefix}{field}"),
                "{arrangement:?}"
            );
        }
        let nothing = Arrangement { objection_days: 91, ..Arrangement::default() };
        assert_eq!(malformed(nothing), "arrangement.netting, arrangement.objection_days");
    }

    #[test]
    fn an_account_that_no_bank_has_is_refused_with_its_place() {
        let good = || account("hub", "Entente", "DE89370400440532013000", "COBADEFFXXX");
        for (bad, field) in [
            (account("Hub", "Entente", "DE89370400440532013000", ""), "party"),
            (account("rover-rides", "", "DE89370400440532013000", ""), "name"),
            (account("rover-rides", "Rover", "DE89370400440532013001", ""), "account"),
            (account("rover-rides", "Rover", "12345678", "COBA"), "bic"),
            (good(), "party"),
        ] {
            let arrangement = Arrangement {
                netting: ApiNetting::Multilateral.into(),
                accounts: vec![good(), bad.clone()],
                ..Arrangement::default()
            };
            assert_eq!(
                malformed(arrangement),
                format!("arrangement.accounts[1].{field}"),
                "{bad:?}"
            );
        }
    }
}
