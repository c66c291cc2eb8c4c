//! The yardstick: `pgbench`, which comes with PostgreSQL, plays its TPC-B-like transaction on a
//! database of its own, on the same server, with the same durability.

use std::path::Path;
use std::process::Stdio;

use anyhow::{Context as _, bail};
use serde_json::{Value, json};
use tokio::process::Command;

use super::args::BenchArgs;
use super::meter::Meter;
use super::seen::{real, tenth};
use super::stage::Stage;
use crate::demo::progress::Progress;

/// Its database.
const DATABASE: &str = "pgbench";

/// What pgbench found.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Yardstick {
    /// Transactions a second.
    pub(crate) tps: f64,
    /// Processor time of the database and of pgbench for a transaction, in microseconds.
    pub(crate) processor_us: Option<f64>,
    scale: u32,
    clients: u32,
}

impl Yardstick {
    /// For programs.
    pub(crate) fn json(&self) -> Value {
        json!({
            "tps": tenth(self.tps),
            "processor_us_per_transaction": self.processor_us.map(tenth),
            "scale": self.scale,
            "clients": self.clients,
        })
    }
}

/// Runs it; `None` where it is not installed.
pub(crate) async fn run(
    args: &BenchArgs,
    stage: &Stage,
    meter: Meter,
    progress: Progress,
) -> anyhow::Result<Option<Yardstick>> {
    let program = stage.database().program("pgbench");
    if !program.is_file() {
        progress.step(format!("no pgbench: {} is not there", program.display()));
        return Ok(None);
    }
    let (scale, clients) = (args.pgbench_scale, args.pgbench_clients);
    progress.step(format!("pgbench: TPC-B at scale {scale}, {clients} sessions"));
    stage.database().ensure_database(DATABASE).await?;
    let scale_text = scale.to_string();
    pgbench(&program, stage, &["--initialize", "--quiet", "--scale", &scale_text]).await?;
    entente_store::checkpoint(&stage.owner_url()).await?;
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let threads = threads.min(usize::try_from(clients)?).to_string();
    let (clients_text, seconds) = (clients.to_string(), args.seconds.to_string());
    let flags = ["--no-vacuum", "--protocol", "prepared", "--client", &clients_text];
    let more = ["--jobs", &threads, "--time", &seconds];
    let before = meter.yardstick();
    let said = pgbench(&program, stage, &[&flags[..], &more[..]].concat()).await?;
    let tps = tps(&said).with_context(|| format!("pgbench says:\n{said}"))?;
    let took = meter.yardstick().zip(before).map(|(after, before)| after - before);
    let transactions = tps * real(args.seconds);
    let processor_us = took.map(|seconds| seconds * 1e6 / transactions);
    Ok(Some(Yardstick { tps, processor_us, scale, clients }))
}

async fn pgbench(program: &Path, stage: &Stage, flags: &[&str]) -> anyhow::Result<String> {
    let database = stage.database();
    let output = Command::new(program)
        .args(flags)
        .env("PGHOST", "127.0.0.1")
        .env("PGPORT", database.port().to_string())
        .env("PGUSER", database.owner())
        .env("PGPASSWORD", database.password())
        .env("PGDATABASE", DATABASE)
        .env("PGSSLMODE", "disable")
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output()
        .await
        .context("cannot run pgbench")?;
    if !output.status.success() {
        bail!("pgbench failed: {}", String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// As in `tps = 4312.701 (without initial connection time)`.
fn tps(said: &str) -> Option<f64> {
    let rest = said.lines().find_map(|line| line.strip_prefix("tps = "))?;
    rest.split(' ').next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rate_is_read_from_what_pgbench_says() {
        let said = "scaling factor: 10\nlatency average = 3.7 ms\n\
                    tps = 4312.701 (without initial connection time)\n";
        assert!(tps(said).is_some_and(|tps| (tps - 4_312.701).abs() < f64::EPSILON));
        assert_eq!(tps("pgbench: error"), None);
    }
}
