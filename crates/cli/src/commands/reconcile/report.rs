//! A report as people read it, and as programs do.

use entente_api::settlement::{
    Break, BreakKind, BreakTotal, ControlTotals, HubSide, Reconciliation, RecordLine,
};
use entente_api::types::Money;
use serde::ser::{Serialize, SerializeMap as _, Serializer};
use serde_json::{Map, Value, json};

use super::send::Answered;
use crate::commands::settle::money_json;
use crate::output::{
    Format, Table, bold, break_kind, break_state, count, date, dim, good, money, points, say,
    say_json, time_text,
};

/// Shows what was found.
pub(super) fn show(found: &Answered, output: Format, most: usize) -> anyhow::Result<()> {
    match output {
        Format::Table => say(&text(found, most))?,
        Format::Json => say_json(&Document(found))?,
        Format::Csv => say(csv(&found.breaks)?.trim_end())?,
    }
    Ok(())
}

fn text(found: &Answered, most: usize) -> String {
    let report = &found.report;
    let mut parts = vec![heading(report), totals(report), verdict(report)];
    if !report.unreadable.is_empty() {
        parts.push(unreadable(report));
    }
    if !report.breaks.is_empty() {
        parts.push(kinds(&report.breaks));
        parts.push(breaks(&found.breaks, most));
        let (window, partner) = (&report.window, &report.partner);
        let next = format!("next: entente breaks list --window {window} --partner {partner}");
        parts.push(dim(&next));
    }
    parts.join("\n\n")
}

fn heading(report: &Reconciliation) -> String {
    let title = format!("{}, window {}: {}", report.partner, report.window, report.file_name);
    let again = match (report.already, report.superseded) {
        (_, true) => "; a later record superseded it",
        (true, false) => "; answered from what was kept",
        (false, false) => "",
    };
    let made = format!(
        "reconciliation {}, made {} by {}{again}",
        report.reconciliation,
        time_text(report.made_at.as_ref()),
        report.made_by
    );
    format!("{}\n{}", bold(&title), dim(&made))
}

fn totals(report: &Reconciliation) -> String {
    let mut table = Table::new(&["", ">count", ">points", ">money"]);
    let mut row = |name: &str, totals: Option<&ControlTotals>| {
        if let Some(totals) = totals {
            let number = u64::try_from(totals.count).unwrap_or_default();
            let cells = [count(number), points(totals.points), moneys(&totals.money)];
            let [number, points, money] = cells;
            table.row([name.to_owned(), number, points, money]);
        }
    };
    row("hub", report.hub.as_ref());
    row("file", report.file.as_ref());
    row("file, as stated", report.stated.as_ref());
    row("difference (breaks)", report.difference.as_ref());
    table.text("")
}

/// What the totals mean, in words.
fn verdict(report: &Reconciliation) -> String {
    let difference = report.difference.clone().unwrap_or_default();
    let mut said = Vec::new();
    if difference.count == 0 {
        said.push(good(true, "both sides agree"));
    } else if difference.points == 0 && difference.money.is_empty() {
        said.push("the totals agree, and the breaks cancel each other out".to_owned());
    }
    match difference.points {
        0 => {}
        more @ 1.. => said.push(format!("the hub has {} points more than the file", points(more))),
        less => said.push(format!("the hub has {} points less than the file", points(-less))),
    }
    for amount in &difference.money {
        let size = Money { micros: amount.micros.saturating_abs(), ..amount.clone() };
        let more = if amount.micros > 0 { "more" } else { "less" };
        let partner = &report.partner;
        said.push(format!("by the hub {partner} pays {} {more} than by the file", money(&size)));
    }
    if let (Some(stated), Some(file)) = (&report.stated, &report.file) {
        let same = (stated.count, stated.points) == (file.count, file.points)
            && (stated.money == file.money || !report.with_money);
        let word =
            if same { "the file is what was stated" } else { "the file is NOT what was stated" };
        said.push(good(same, word));
    }
    if !report.with_money {
        said.push(dim("money was not compared: the file tells none"));
    }
    if report.carried_count > 0 {
        let carried = count(u64::try_from(report.carried_count).unwrap_or_default());
        said.push(format!(
            "{carried} of {} breaks are those of earlier reports, and stand where they stood",
            count(u64::try_from(difference.count).unwrap_or_default())
        ));
    }
    said.join("\n")
}

fn unreadable(report: &Reconciliation) -> String {
    let all = report.file.as_ref().map_or(0, |file| file.unreadable_count);
    let all = u64::try_from(all).unwrap_or_default();
    let mut table = Table::new(&[">row", "cannot be read"]);
    for bad in report.unreadable.iter().take(20) {
        table.row([bad.row.to_string(), bad.reason.clone()]);
    }
    let said = format!("{} rows cannot be read, and are in no sum:", count(all));
    format!("{}\n{}", good(false, &said), table.text(""))
}

fn kinds(totals: &[BreakTotal]) -> String {
    let columns = ["breaks", "state", "owner", ">count", ">points", ">money", "since"];
    let mut table = Table::new(&columns);
    for total in totals {
        table.row([
            break_kind(total.kind).to_owned(),
            break_state(total.state).to_owned(),
            if total.owner.is_empty() { "-".to_owned() } else { total.owner.clone() },
            count(u64::try_from(total.count).unwrap_or_default()),
            points(total.points),
            moneys(&total.money),
            date(total.oldest_since.as_ref()),
        ]);
    }
    table.text("")
}

fn breaks(breaks: &[Break], most: usize) -> String {
    let mut columns = vec!["#", "break", "receipt", ">row", ">hub", ">file", ">points", ">money"];
    // A first report has none that are carried, and all are open.
    let carried = breaks.iter().any(|found| !found.continues.is_empty());
    columns.extend(if carried { &["state", "continues"][..] } else { &["what"] });
    let mut table = Table::new(&columns);
    for found in breaks.iter().take(most) {
        let side = |points: Option<i64>| points.map_or_else(|| "-".to_owned(), self::points);
        let mut row = vec![
            found.number.to_string(),
            break_kind(found.kind).to_owned(),
            receipt(found).to_owned(),
            found.line.as_ref().map_or_else(|| "-".to_owned(), |line| line.row.to_string()),
            side(found.hub.as_ref().map(|hub| hub.points)),
            side(found.line.as_ref().map(|line| line.points)),
            points(found.points),
            moneys(&found.money),
        ];
        if carried {
            row.extend([break_state(found.state).to_owned(), continued(found)]);
        } else {
            row.push(what(found.kind()).to_owned());
        }
        table.push(row);
    }
    let mut text = table.text("");
    let rest = breaks.len().saturating_sub(most);
    if rest > 0 {
        let rest = count(u64::try_from(rest).unwrap_or_default());
        text.push_str(&dim(&format!("\nand {rest} more; --output csv has all of them")));
    }
    text
}

/// Which break of an earlier report it is, as short as people type it.
fn continued(found: &Break) -> String {
    match found.continues.split_once('/') {
        Some((report, number)) => format!("{}/{number}", report.get(..8).unwrap_or(report)),
        None => "-".to_owned(),
    }
}

/// What a kind means, for whoever sees it for the first time.
pub(crate) const fn what(kind: BreakKind) -> &'static str {
    match kind {
        BreakKind::MissingAtHub => "the hub does not know it",
        BreakKind::MissingAtPartner => "the file does not list it",
        BreakKind::Amount => "other points",
        BreakKind::Rate => "the same points at another price",
        BreakKind::Timing => "dated, or posted, in another window",
        BreakKind::DuplicateInFile => "listed before",
        BreakKind::Status => "reversed or refused on one side",
        BreakKind::Member => "another member",
        BreakKind::LateRejected => "the hub refused it: too late",
        BreakKind::Currency => "another currency",
        BreakKind::Unspecified => "?",
    }
}

/// What people call it.
pub(crate) fn receipt(found: &Break) -> &str {
    let line = found.line.as_ref().map(|line| line.receipt_reference.as_str());
    let hub = found.hub.as_ref().map(|hub| hub.receipt_reference.as_str());
    let named = line.filter(|receipt| !receipt.is_empty()).or(hub);
    named.filter(|receipt| !receipt.is_empty()).unwrap_or("-")
}

/// Money in each currency.
pub(crate) fn moneys(amounts: &[Money]) -> String {
    let shown: Vec<String> = amounts.iter().map(money).collect();
    if shown.is_empty() { "0".to_owned() } else { shown.join(", ") }
}

/// All that was found, as one document whose breaks are made one by one: a hundred thousand of them are
/// half a gigabyte as values.
struct Document<'a>(&'a Answered);

impl Serialize for Document<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self(Answered { report, breaks }) = self;
        let mut document = serializer.serialize_map(None)?;
        for (name, value) in json(report) {
            document.serialize_entry(&name, &value)?;
        }
        document.serialize_entry("breaks", &Breaks(breaks))?;
        document.end()
    }
}

struct Breaks<'a>(&'a [Break]);

impl Serialize for Breaks<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.iter().map(break_json))
    }
}

fn json(report: &Reconciliation) -> Map<String, Value> {
    let totals = |totals: &ControlTotals| {
        json!({
            "count": totals.count,
            "points": totals.points,
            "money": totals.money.iter().map(money_json).collect::<Vec<_>>(),
            "unreadable_count": totals.unreadable_count,
        })
    };
    let unreadable = report.unreadable.iter();
    let unreadable = unreadable.map(|bad| json!({ "row": bad.row, "reason": bad.reason }));
    let fields = json!({
        "reconciliation": report.reconciliation,
        "window": report.window,
        "partner": report.partner,
        "file_name": report.file_name,
        "file_sha256": hex::encode(&report.file_sha256),
        "reading": report.reading,
        "made_by": report.made_by,
        "made_at": time_text(report.made_at.as_ref()),
        "with_money": report.with_money,
        "already": report.already,
        "superseded": report.superseded,
        "supersedes": report.supersedes,
        "carried_count": report.carried_count,
        "hub": report.hub.as_ref().map(totals),
        "file": report.file.as_ref().map(totals),
        "stated": report.stated.as_ref().map(totals),
        "difference": report.difference.as_ref().map(totals),
        "unreadable": unreadable.collect::<Vec<_>>(),
    });
    if let Value::Object(fields) = fields { fields } else { Map::new() }
}

/// A break for programs.
pub(crate) fn break_json(found: &Break) -> Value {
    let hub = |hub: &HubSide| {
        json!({
            "request_id": hub.request_id,
            "points": hub.points,
            "amount": hub.amount.as_ref().map(money_json),
            "in_window": hub.in_window,
            "posted_at": time_text(hub.posted_at.as_ref()),
        })
    };
    let line = |line: &RecordLine| {
        json!({
            "row": line.row,
            "request_id": line.request_id,
            "points": line.points,
            "amount": line.amount.as_ref().map(money_json),
        })
    };
    json!({
        "number": found.number,
        "kind": break_kind(found.kind),
        "receipt_reference": receipt(found),
        "points": found.points,
        "money": found.money.iter().map(money_json).collect::<Vec<_>>(),
        "hub": found.hub.as_ref().map(hub),
        "line": found.line.as_ref().map(line),
        "since": time_text(found.since.as_ref()),
        "state": break_state(found.state),
        "owner": found.owner,
        "continues": found.continues,
    })
}

/// Columns of the breaks as CSV, which `docs/reconciliation.md` tells.
const COLUMNS: [&str; 21] = [
    "reconciliation",
    "window",
    "partner",
    "number",
    "kind",
    "receipt_reference",
    "row",
    "request_id",
    "hub_points",
    "hub_micros",
    "hub_currency",
    "file_points",
    "file_micros",
    "file_currency",
    "points",
    "money",
    "since",
    "state",
    "owner",
    "changed_at",
    "continues",
];

/// Breaks, one a line.
pub(crate) fn csv(breaks: &[Break]) -> anyhow::Result<String> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(COLUMNS)?;
    for found in breaks {
        let (hub, line) = (found.hub.as_ref(), found.line.as_ref());
        let amount = |amount: Option<&Money>| {
            amount.map(|amount| (amount.micros.to_string(), amount.currency.clone()))
        };
        let of_hub = amount(hub.and_then(|hub| hub.amount.as_ref())).unwrap_or_default();
        let of_file = amount(line.and_then(|line| line.amount.as_ref())).unwrap_or_default();
        let request = hub.map(|hub| hub.request_id.as_str());
        let request = request.or(line.map(|line| line.request_id.as_str())).unwrap_or_default();
        let deltas: Vec<_> = found
            .money
            .iter()
            .map(|delta| format!("{} {}", delta.micros, delta.currency))
            .collect();
        let text =
            |number: Option<i64>| number.map(|number| number.to_string()).unwrap_or_default();
        writer.write_record([
            found.reconciliation.as_str(),
            &found.window,
            &found.partner,
            &found.number.to_string(),
            break_kind(found.kind),
            receipt(found),
            &text(line.map(|line| line.row)),
            request,
            &text(hub.map(|hub| hub.points)),
            &of_hub.0,
            &of_hub.1,
            &text(line.map(|line| line.points)),
            &of_file.0,
            &of_file.1,
            &found.points.to_string(),
            &deltas.join(" "),
            &time_text(found.since.as_ref()),
            break_state(found.state),
            &found.owner,
            &found.changed_at.as_ref().map(|at| time_text(Some(at))).unwrap_or_default(),
            &found.continues,
        ])?;
    }
    Ok(String::from_utf8(writer.into_inner()?)?)
}
