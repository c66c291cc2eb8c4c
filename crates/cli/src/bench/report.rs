//! The report: rates beside the yardstick, latencies, batches, and where the processors' time went.

use std::time::Duration;

use serde_json::{Value, json};

use super::args::Scenario;
use super::history::Past;
use super::machine::Machine;
use super::meter::Readings;
use super::pgbench::Yardstick;
use super::seen::{Seen, tenth};
use super::verify::Verified;
use crate::output::{Table, bold, count, dim};

/// One scenario.
#[derive(Debug)]
pub(crate) struct Measured {
    /// Which.
    pub(crate) scenario: Scenario,
    /// What callers saw.
    pub(crate) seen: Seen,
    /// What the hub and the machine say.
    pub(crate) readings: Readings,
    /// The rates of all rounds, rising; what is told otherwise is of the one in the middle.
    pub(crate) rates: Vec<f64>,
}

impl Measured {
    /// The round in the middle of several, of two the slower.
    pub(crate) fn median(scenario: Scenario, mut rounds: Vec<(Seen, Readings)>) -> Self {
        rounds.sort_by(|(one, _), (other, _)| one.per_second().total_cmp(&other.per_second()));
        let rates = rounds.iter().map(|(seen, _)| seen.per_second()).collect();
        let (seen, readings) = rounds.swap_remove((rounds.len() - 1) / 2);
        Self { scenario, seen, readings, rates }
    }

    /// The latency that 99 of 100 answers did not exceed, in milliseconds.
    fn p99_ms(&self) -> f64 {
        tenth(Duration::from_micros(self.seen.latency_us(99.0)).as_secs_f64() * 1_000.0)
    }
}

/// Everything that was measured.
#[derive(Debug)]
pub(crate) struct Report {
    /// What was chosen.
    pub(crate) settings: Value,
    /// Where.
    pub(crate) machine: Machine,
    /// What was there before.
    pub(crate) past: Past,
    /// The yardstick.
    pub(crate) pgbench: Option<Yardstick>,
    /// What was measured.
    pub(crate) scenarios: Vec<Measured>,
}

impl Report {
    /// For programs, with what the ledger holds where it could be verified.
    pub(crate) fn json(&self, verified: Option<&Verified>) -> Value {
        let per_s = |scenario| self.of(scenario).map(|found| tenth(found.seen.per_second()));
        let all = self.scenarios.iter().fold(Readings::NONE, |all, one| all.and(&one.readings));
        let scenarios = self.scenarios.iter().map(|one| {
            let mut json = one.seen.json();
            let rates: Vec<f64> = one.rates.iter().copied().map(tenth).collect();
            json["rates"] = rates.into();
            let each = one.readings.processor_us(one.seen.answers()).map(tenth);
            json["processor_us_per_answer"] = each.into();
            json["hub_us_per_answer"] = one.readings.hub_us(one.seen.answers()).map(tenth).into();
            if let (Some(json), Value::Object(more)) = (json.as_object_mut(), one.readings.json()) {
                json.extend(more);
            }
            (one.scenario.key().to_owned(), json)
        });
        json!({
            "unary_earn_per_s": per_s(Scenario::Unary),
            "stream_earn_per_s": per_s(Scenario::Stream),
            "mixed_per_s": per_s(Scenario::Mixed),
            "hot_partner_per_s": per_s(Scenario::Hot),
            "hot_capped_partner_per_s": per_s(Scenario::HotCapped),
            "p99_ms_at_50pct": self.of(Scenario::Half).map(Measured::p99_ms),
            "p99_ms_at_80pct": self.of(Scenario::FourFifths).map(Measured::p99_ms),
            "pgbench_tps": self.pgbench.map(|pgbench| tenth(pgbench.tps)),
            "hub_rss_mib": all.hub_rss_mib.map(tenth),
            "roundtrips_per_batch": all.round_trips_per_batch().map(tenth),
            "batch_size_mean": all.batch_size_mean().map(tenth),
            "history": self.past.operations,
            "database_bytes": (self.past.operations > 0).then_some(self.past.database_bytes),
            "good": verified.is_some_and(Verified::is_good),
            "scenarios": scenarios.collect::<serde_json::Map<_, _>>(),
            "pgbench": self.pgbench.map(|pgbench| pgbench.json()),
            "ledger": verified.map(Verified::json),
            "machine": self.machine.json(),
            "settings": self.settings,
        })
    }

    /// For people.
    pub(crate) fn text(&self) -> String {
        let mut parts = vec![dim(&self.machine.text())];
        if self.past.operations > 0 {
            let (operations, bytes) = (self.past.operations, self.past.database_bytes);
            let each = bytes / operations;
            let text = format!(
                "{} operations of history, {} MiB, {each} bytes each",
                count(operations),
                bytes >> 20
            );
            parts.push(dim(&text));
        }
        parts.extend([self.rates(), self.insides()]);
        parts.extend(self.troubles());
        parts.join("\n\n") + "\n"
    }

    fn of(&self, scenario: Scenario) -> Option<&Measured> {
        self.scenarios.iter().find(|one| one.scenario == scenario)
    }

    fn rates(&self) -> String {
        let titles = ["", ">a second", ">times pgbench", ">p50 ms", ">p99 ms", ">max ms"];
        let mut table = Table::new(&titles);
        let times = |rate: f64| match self.pgbench {
            Some(Yardstick { tps, .. }) if tps > 0.0 => format!("{:.2}", rate / tps),
            _ => String::new(),
        };
        for Measured { scenario, seen, .. } in &self.scenarios {
            let rate = seen.per_second();
            let millis = |percentile| {
                let micros = seen.latency_us(percentile);
                format!("{}.{:02}", micros / 1_000, micros % 1_000 / 10)
            };
            table.row([
                scenario.text().to_owned(),
                format!("{rate:.0}"),
                times(rate),
                millis(50.0),
                millis(99.0),
                millis(100.0),
            ]);
        }
        if let Some(Yardstick { tps, .. }) = self.pgbench {
            let none = String::new;
            let rate = format!("{tps:.0}");
            table.row(["pgbench TPC-B".to_owned(), rate, times(tps), none(), none(), none()]);
        }
        format!("{}\n{}", bold("Answers"), table.text(""))
    }

    fn insides(&self) -> String {
        let titles = [
            "",
            ">batch size",
            ">round trips",
            ">hub MiB",
            ">hub s",
            ">database s",
            ">callers s",
            ">us each",
        ];
        let mut table = Table::new(&titles);
        let shown = |number: Option<f64>| number.map_or_else(String::new, |n| format!("{n:.1}"));
        for Measured { scenario, readings, seen, .. } in &self.scenarios {
            let [hub, database, callers] = readings.processor.map(shown);
            table.row([
                scenario.text().to_owned(),
                shown(readings.batch_size_mean()),
                shown(readings.round_trips_per_batch()),
                shown(readings.hub_rss_mib),
                hub,
                database,
                callers,
                shown(readings.processor_us(seen.answers())),
            ]);
        }
        if let Some(yardstick) = self.pgbench {
            let [name, us] = ["pgbench TPC-B".to_owned(), shown(yardstick.processor_us)];
            let none = String::new;
            table.row([name, none(), none(), none(), none(), none(), none(), us]);
        }
        format!("{}\n{}", bold("Batches, memory, processor time"), table.text(""))
    }

    /// Refusals and unknown outcomes, where there are any.
    fn troubles(&self) -> Option<String> {
        let mut table = Table::new(&["", "told", ">times"]);
        for Measured { scenario, seen, .. } in &self.scenarios {
            for (reason, times) in &seen.refusals {
                table.row([scenario.text().to_owned(), (*reason).to_owned(), count(*times)]);
            }
            if let (times, Some(first)) = &seen.failures {
                table.row([scenario.text().to_owned(), first.clone(), count(*times)]);
            }
        }
        (!table.is_empty()).then(|| format!("{}\n{}", bold("Not done"), table.text("")))
    }
}
