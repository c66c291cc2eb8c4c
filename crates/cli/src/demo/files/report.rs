//! The report: what was in the files, what it came to, who owes whom, and whether everything holds.

use std::fmt::Write as _;
use std::time::Duration;

use entente_api::settlement::{Direction, Net};
use entente_hub::hub::Addresses;
use serde_json::{Value, json};

use super::File;
use super::aside::Aside;
use super::plan::{BRANDS, Day, Plan};
use super::play::Window;
use super::purse::{ByBrand, Totals};
use super::seen::Seen;
use super::sums::Sums;
use crate::commands::check::Verdicts;
use crate::commands::settle::{Statement, nets_json, nets_table};
use crate::demo::cast::Brand;
use crate::demo::report::section;
use crate::output::{Table, count, dim, good, money, points};

/// Everything that is told in the end.
#[derive(Debug)]
pub(crate) struct Report {
    /// The files, and what could not be played of each.
    pub(crate) files: [(File, Aside); 2],
    /// What was played.
    pub(crate) plan: Plan,
    /// From when to when there are rides, in the file and as they were played.
    pub(crate) moved: Option<Moved>,
    /// What was seen.
    pub(crate) seen: Seen,
    /// The months.
    pub(crate) windows: Vec<Window>,
    /// What the hub's statements come to.
    pub(crate) sums: Sums,
    /// Which members have other balances than they should.
    pub(crate) differing: Vec<String>,
    /// The invariants.
    pub(crate) verdicts: Verdicts,
    /// How long it all took.
    pub(crate) took: Duration,
}

/// Where rides were moved from and to: days, first and last.
#[derive(Clone, Debug)]
pub(crate) struct Moved {
    /// In the file, on New York's clocks.
    pub(crate) from: [String; 2],
    /// As played, on New York's clocks.
    pub(crate) to: [String; 2],
}

impl Report {
    /// Whether everything is as it should be.
    pub(crate) fn is_good(&self) -> bool {
        self.seen.surprise_count == 0
            && self.differing.is_empty()
            && self.verdicts.broken() == 0
            && self.plan.totals == self.sums.totals
    }

    /// A window and a guest to look at.
    pub(crate) fn sights(&self) -> (&str, &str) {
        let window = self.windows.last().map_or("", |window| &window.name);
        let mut guests = self.plan.enrolments.iter().filter(|(brand, _)| *brand == Brand::Harbor);
        (window, guests.next().map_or("", |(_, enrolment)| &enrolment.member_reference))
    }

    /// For people.
    pub(crate) fn text(&self) -> String {
        let parts = [
            self.files_text(),
            self.aside(),
            self.story(),
            self.totals(),
            self.months(),
            self.statement_texts(),
            section("All windows, netted", &nets_table(&self.sums.nets)),
            section("Invariants, as checked on the database", &self.verdicts.text()),
            self.expectations(),
        ];
        parts.join("\n\n")
    }

    /// For programs; the endpoints last as long as the demo serves.
    pub(crate) fn json(&self, addresses: Addresses) -> Value {
        let by_brand = |totals: &ByBrand| {
            let json =
                |(brand, totals): (&Brand, &Totals)| (brand.code().to_owned(), totals_json(totals));
            totals.iter().map(json).collect::<serde_json::Map<_, _>>()
        };
        let month =
            |window: &Window| json!({ "window": window.name, "nets": nets_json(&window.nets) });
        json!({
            "partner_endpoint": format!("https://{}", addresses.partners),
            "operator_endpoint": format!("https://{}", addresses.operators),
            "good": self.is_good(),
            "files": self.files.iter().map(|(file, aside)| file_json(file, aside)).collect::<Vec<_>>(),
            "no_shows": self.plan.no_shows,
            "weeks_moved": self.plan.weeks.0,
            "rides": self.moved.as_ref().map(|moved| json!({ "from": moved.from, "to": moved.to })),
            "members": self.plan.enrolments.len(),
            "linked": self.plan.links.len(),
            "booked": self.sum(|day| day.booked.len()),
            "cancelled": self.sum(|day| day.cancelled.len()),
            "ridden": self.sum(|day| day.ridden.len()),
            "paid": self.sum(|day| day.paid.len()),
            "totals": by_brand(&self.sums.totals),
            "expected_totals": by_brand(&self.plan.totals),
            "windows": self.windows.iter().map(month).collect::<Vec<_>>(),
            "statements": self.sums.statements.iter().map(Statement::json).collect::<Vec<_>>(),
            "nets": nets_json(&self.sums.nets),
            "balances": { "read": self.plan.predictions.len(), "differing": self.differing },
            "writes": self.seen.writes,
            "replayed": self.seen.replays,
            "surprise_count": self.seen.surprise_count,
            "surprises": self.seen.surprises,
            "invariants": self.verdicts.json(),
            "took_ms": u64::try_from(self.took.as_millis()).unwrap_or(u64::MAX),
        })
    }

    fn sum(&self, of: impl Fn(&Day) -> usize) -> u64 {
        let sum: usize = self.plan.days.iter().map(of).sum();
        u64::try_from(sum).unwrap_or(u64::MAX)
    }

    fn files_text(&self) -> String {
        let mut table = Table::new(&["file", ">rows", ">played", ">set aside"]);
        for (file, aside) in &self.files {
            let played = file.rows - aside.rows();
            table.row([file.name.clone(), count(file.rows), count(played), count(aside.rows())]);
        }
        let mut text = table.text("");
        if let Some(Moved { from: [first, last], to: [first_moved, last_moved] }) = &self.moved {
            let weeks = self.plan.weeks.text();
            let note = format!(
                "rides of {first} to {last} are moved {weeks}, to {first_moved} to {last_moved}"
            );
            let _ = write!(text, "\n{}", dim(&note));
        }
        section("The files", &text)
    }

    fn aside(&self) -> String {
        let mut table = Table::new(&["file", "reason", ">rows", "first lines"]);
        for (file, aside) in &self.files {
            for (reason, found) in aside.reasons() {
                let lines: Vec<String> = found.first_lines.iter().map(u64::to_string).collect();
                let more = u64::try_from(lines.len()).unwrap_or(u64::MAX) < found.rows;
                let lines = format!("{}{}", lines.join(", "), if more { ", ..." } else { "" });
                table.row([file.name.clone(), reason.text(), count(found.rows), lines]);
            }
        }
        section("Rows set aside", &table.text("none"))
    }

    fn story(&self) -> String {
        let linked = self.plan.links.len();
        let members = [
            ("members join", self.plan.enrolments.len()),
            ("members who both stay and ride are linked", linked),
        ];
        let mut table = Table::new(&["", ">times"]);
        for (what, times) in members {
            table.row([what.to_owned(), count(u64::try_from(times).unwrap_or(u64::MAX))]);
        }
        for (what, times) in [
            ("stays earn when they are booked", self.sum(|day| day.booked.len())),
            ("stays are reversed when they are cancelled", self.sum(|day| day.cancelled.len())),
            ("stays earn nothing, because the guests do not come", self.plan.no_shows),
            ("rides earn", self.sum(|day| day.ridden.len())),
            ("rides are paid with points", self.sum(|day| day.paid.len())),
        ] {
            table.row([what.to_owned(), count(times)]);
        }
        let days = self.plan.days.iter();
        let span = match (days.clone().next(), days.last()) {
            (Some(first), Some(last)) => format!("{} to {}", first.date, last.date),
            _ => "No day".to_owned(),
        };
        section(&span, &table.text(""))
    }

    fn totals(&self) -> String {
        let totals = &self.sums.totals;
        let debts = totals.values().any(|totals| totals.repaid != 0 || totals.reinstated != 0);
        let titles =
            ["points of", ">earned", ">reversed", ">burned", ">outstanding", ">burned here"];
        let with_debts = [">repaid debts", ">reinstated"];
        let mut titles = titles.to_vec();
        if debts {
            titles.splice(4..4, with_debts);
        }
        let mut table = Table::new(&titles);
        for (brand, totals) in totals {
            let mut cells = vec![totals.earned, totals.reversed, totals.burned];
            if debts {
                cells.extend([totals.repaid, totals.reinstated]);
            }
            cells.extend([totals.outstanding(), totals.accepted]);
            let name = brand.display_name().to_owned();
            table.push(std::iter::once(name).chain(cells.into_iter().map(points)).collect());
        }
        let note =
            dim("burned: points of this brand, anywhere; burned here: anybody's, at this brand");
        section("Points, as the statements add up", &format!("{}\n{note}", table.text("")))
    }

    fn months(&self) -> String {
        let mut parties: Vec<(String, String)> = Vec::new();
        for net in self.windows.iter().flat_map(|window| &window.nets) {
            parties.push(party(net));
        }
        parties.sort_unstable();
        parties.dedup();
        let titles: Vec<String> =
            parties.iter().map(|(party, currency)| format!(">{party} {currency}")).collect();
        let titles: Vec<&str> =
            std::iter::once("window").chain(titles.iter().map(String::as_str)).collect();
        let mut table = Table::new(&titles);
        for window in &self.windows {
            let amount = |key: &(String, String)| {
                window.nets.iter().find(|net| party(net) == *key).map(signed)
            };
            let amounts = parties.iter().map(|key| amount(key).unwrap_or_else(|| "-".to_owned()));
            table.push(std::iter::once(window.name.clone()).chain(amounts).collect());
        }
        let note = dim("what each receives; below zero it pays");
        section("Windows, netted", &format!("{}\n{note}", table.text("no window was closed")))
    }

    fn statement_texts(&self) -> String {
        let statements = BRANDS.iter().zip(&self.sums.statements).map(|(brand, statement)| {
            let (lines, prior) = (statement.line_count, statement.prior_period_count);
            let title =
                format!("{}, {} statements added up", brand.display_name(), self.windows.len());
            let note =
                dim(&format!("{} lines, {} of an earlier period", count(lines), count(prior)));
            format!("{}\n{}", section(&title, &note), statement.text())
        });
        statements.collect::<Vec<_>>().join("\n\n")
    }

    fn expectations(&self) -> String {
        let mut text = String::new();
        let mut line = |is_good: bool, what: String| {
            let mark = if is_good { "holds " } else { "BROKEN" };
            let _ = writeln!(text, "{}  {what}", good(is_good, mark));
        };
        let surprises = self.seen.surprise_count;
        let writes = count(self.seen.writes);
        line(
            surprises == 0,
            format!("{surprises} of {writes} answers differ from what the rows say"),
        );
        let differing = self.differing.len();
        let read = count(u64::try_from(self.plan.predictions.len()).unwrap_or(u64::MAX));
        line(
            differing == 0,
            format!("{differing} of {read} members have other balances than their rows add up to"),
        );
        for brand in BRANDS {
            let of = |totals: &ByBrand| totals.get(&brand).copied().unwrap_or_default();
            let (hub, files) = (of(&self.sums.totals), of(&self.plan.totals));
            let name = brand.display_name();
            let found = if hub == files {
                format!("the totals of {name} are those of its rows, added up apart")
            } else {
                format!("{name}: the hub says {hub:?}, the rows say {files:?}")
            };
            line(hub == files, found);
        }
        for surprise in self.seen.surprises.iter().chain(&self.differing).take(20) {
            let _ = writeln!(text, "        {surprise}");
        }
        let (replays, seconds) = (count(self.seen.replays), self.took.as_secs_f64());
        let _ = writeln!(text, "{replays} of {writes} writes had been answered by an earlier run");
        let pace =
            format!("{seconds:.1} s in all, {:.1} s of them playing", self.seen.took.as_secs_f64());
        section("Against the files", &format!("{text}{}", dim(&pace)))
    }
}

fn party(net: &Net) -> (String, String) {
    let currency = net.amount.as_ref().map(|amount| amount.currency.clone());
    (net.party.clone(), currency.unwrap_or_default())
}

fn signed(net: &Net) -> String {
    let mut amount = net.amount.clone().unwrap_or_default();
    if net.direction() == Direction::Pays {
        amount.micros = -amount.micros;
    }
    let text = money(&amount);
    text.split(' ').next().unwrap_or(&text).to_owned()
}

fn totals_json(totals: &Totals) -> Value {
    json!({
        "earned": totals.earned,
        "reversed": totals.reversed,
        "burned": totals.burned,
        "repaid": totals.repaid,
        "reinstated": totals.reinstated,
        "outstanding": totals.outstanding(),
        "burned_here": totals.accepted,
    })
}

fn file_json(file: &File, aside: &Aside) -> Value {
    let reason = |(reason, found): (super::aside::Reason, &super::aside::Found)| json!({ "reason": reason.text(), "rows": found.rows, "first_lines": found.first_lines });
    json!({
        "file": file.name,
        "rows": file.rows,
        "set_aside": aside.rows(),
        "reasons": aside.reasons().map(reason).collect::<Vec<_>>(),
    })
}
