//! The report: what the month was, who owes whom, and whether everything holds.

use std::fmt::Write as _;
use std::time::Duration;

use entente_api::proposal::Proposal;
use entente_api::settlement::Net;
use entente_api::types::Money;
use entente_hub::hub::Addresses;
use serde_json::{Value, json};

use super::cast::{Brand, TRUST_DOMAIN, WINDOW};
use super::plan::Size;
use super::tally::Tally;
use crate::commands::check::Verdicts;
use crate::commands::settle::{Statement, nets_json, nets_table};
use crate::output::{Table, act_kind, bold, count, dim, funding, good, money};

/// Everything that is told in the end.
#[derive(Debug)]
pub(crate) struct Report {
    /// What was played.
    pub(crate) size: Size,
    /// A member's reference at Harbor Hotels.
    pub(crate) guest: String,
    /// What was seen.
    pub(crate) tally: Tally,
    /// How many balances were read, and which differ from the plan.
    pub(crate) balances: (usize, Vec<String>),
    /// A statement for each brand.
    pub(crate) statements: Vec<Statement>,
    /// What each party pays or receives.
    pub(crate) nets: Vec<Net>,
    /// The first terms of all: proposed by one operator, approved by another.
    pub(crate) first_terms: Proposal,
    /// The invariants.
    pub(crate) verdicts: Verdicts,
    /// How long it all took.
    pub(crate) took: Duration,
}

impl Report {
    /// Whether everything is as it should be.
    pub(crate) fn is_good(&self) -> bool {
        self.tally.surprise_count == 0 && self.balances.1.is_empty() && self.verdicts.broken() == 0
    }

    /// For people.
    pub(crate) fn text(&self) -> String {
        let parts = [
            coalition(),
            self.story(),
            self.four_eyes(),
            self.refusals(),
            self.statement_texts(),
            section(&format!("Window {WINDOW}, netted"), &nets_table(&self.nets)),
            section("Invariants, as checked on the database", &self.verdicts.text()),
            self.expectations(),
            self.pace(),
        ];
        parts.join("\n\n")
    }

    /// For programs; the endpoints last as long as the demo serves.
    pub(crate) fn json(&self, addresses: Addresses) -> Value {
        json!({
            "partner_endpoint": format!("https://{}", addresses.partners),
            "operator_endpoint": format!("https://{}", addresses.operators),
            "good": self.is_good(),
            "seed": self.size.seed,
            "members": self.size.members,
            "window": WINDOW,
            "played": self.tally.json(),
            "four_eyes": {
                "proposal": self.first_terms.proposal,
                "proposed_by": self.first_terms.proposed_by,
                "approved_by": self.first_terms.decided_by,
            },
            "balances": { "read": self.balances.0, "differing": self.balances.1 },
            "statements": self.statements.iter().map(Statement::json).collect::<Vec<_>>(),
            "nets": nets_json(&self.nets),
            "invariants": self.verdicts.json(),
            "took_ms": u64::try_from(self.took.as_millis()).unwrap_or(u64::MAX),
        })
    }

    fn story(&self) -> String {
        let mut table = Table::new(&["", ">times"]);
        for (story, times) in &self.tally.stories {
            table.row([story.text().to_owned(), count(*times)]);
        }
        section("March 2026", &table.text("nothing happened"))
    }

    /// One of the acts that took two operators.
    fn four_eyes(&self) -> String {
        let Proposal { proposal, proposed_by, decided_by, kind, .. } = &self.first_terms;
        let text = format!(
            "proposal {proposal}: {}\nproposed by operator/{proposed_by}, approved by \
             operator/{decided_by}; neither could do it alone",
            act_kind(*kind),
        );
        section("What is sensitive takes two operators", &text)
    }

    fn refusals(&self) -> String {
        let mut table = Table::new(&["reason", ">times"]);
        for (reason, times) in &self.tally.reasons {
            table.row([(*reason).to_owned(), count(*times)]);
        }
        section("Refused, as they should be", &table.text("nothing was refused"))
    }

    fn statement_texts(&self) -> String {
        let statements = Brand::ALL.iter().zip(&self.statements).map(|(brand, statement)| {
            let (lines, prior) = (statement.line_count, statement.prior_period_count);
            let title = format!("Statement of {}", brand.display_name());
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
        let (read, differing) = (self.balances.0, &self.balances.1);
        let calls = count(self.tally.calls());
        let surprises = self.tally.surprise_count;
        line(
            surprises == 0,
            format!("{surprises} of {calls} answers differ from what the plan expects"),
        );
        line(
            differing.is_empty(),
            format!("{} of {read} members have other balances than predicted", differing.len()),
        );
        for surprise in self.tally.surprises.iter().chain(differing).take(20) {
            let _ = writeln!(text, "        {surprise}");
        }
        let (writes, replays) = (count(self.tally.writes), count(self.tally.replays));
        let _ = write!(text, "{replays} of {writes} writes had been answered by an earlier run");
        section("Against the plan", &text)
    }

    fn pace(&self) -> String {
        let millis = |percentile| {
            let micros = self.tally.latency_micros(percentile);
            format!("{}.{} ms", micros / 1_000, micros % 1_000 / 100)
        };
        let mut table =
            Table::new(&["operations", ">calls a second", ">p50", ">p90", ">p99", ">max"]);
        table.row([
            count(self.tally.operations()),
            format!("{:.0}", self.tally.calls_per_second()),
            millis(50.0),
            millis(90.0),
            millis(99.0),
            millis(100.0),
        ]);
        let seconds = self.took.as_secs_f64();
        section("Pace", &format!("{}\n{}", table.text(""), dim(&format!("{seconds:.1} s in all"))))
    }
}

/// The brands, each with its own certificate and rates; both terms of one that changed them.
fn coalition() -> String {
    let mut table = Table::new(&[
        "brand",
        "certificate",
        "pays",
        ">issue price",
        ">reimbursement",
        ">point value",
    ]);
    for brand in Brand::ALL {
        for version in brand.versions().unwrap_or_default() {
            let agreement = version.agreement;
            let price = |micros| money(&Money { currency: agreement.currency.clone(), micros });
            table.row([
                brand.display_name().to_owned(),
                format!("spiffe://{TRUST_DOMAIN}/partner/{}", brand.code()),
                funding(agreement.funding).to_owned(),
                price(agreement.issue_price_micros),
                price(agreement.reimbursement_micros),
                price(agreement.point_value_micros),
            ]);
        }
    }
    section("The coalition", &table.text(""))
}

/// A part of a report.
pub(super) fn section(title: &str, body: &str) -> String {
    format!("{}\n{body}", bold(title))
}
