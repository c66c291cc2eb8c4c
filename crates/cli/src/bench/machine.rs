//! The machine, and what processes take of it, as Linux tells; elsewhere nothing is known.

use std::fs;

use serde_json::{Value, json};

use super::stage::Stage;

/// The unit of processor times in `/proc`, the same on every Linux.
const TICKS_PER_SECOND: f64 = 100.0;

/// Where it was measured.
#[derive(Clone, Debug)]
pub(crate) struct Machine {
    cores: usize,
    processor: Option<String>,
    postgresql: u32,
}

impl Machine {
    /// This one.
    pub(crate) fn here(stage: &Stage) -> Self {
        Self {
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            processor: processor(),
            postgresql: stage.database().version(),
        }
    }

    /// For people.
    pub(crate) fn text(&self) -> String {
        let processor = self.processor.as_deref().unwrap_or("an unknown processor");
        let build = if cfg!(debug_assertions) { ", A DEBUG BUILD" } else { "" };
        format!("{} cores of {processor}, PostgreSQL {}{build}", self.cores, self.postgresql)
    }

    /// For programs.
    pub(crate) fn json(&self) -> Value {
        json!({
            "cores": self.cores,
            "processor": self.processor,
            "postgresql": self.postgresql,
            "debug_build": cfg!(debug_assertions),
        })
    }
}

fn processor() -> Option<String> {
    let text = fs::read_to_string("/proc/cpuinfo").ok()?;
    let line = text.lines().find(|line| line.starts_with("model name"))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}

/// The processor time that a process has taken, in seconds; with `children`, that of the processes
/// it started, those that have ended included.
pub(crate) fn processor_seconds(process: u32, children: bool) -> Option<f64> {
    let mut ticks = Stat::of(process)?.ticks(children);
    if children {
        for entry in fs::read_dir("/proc").ok()?.flatten() {
            let Some(id) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else {
                continue;
            };
            ticks += Stat::of(id)
                .filter(|child| child.parent == process)
                .map_or(0, |child| child.ticks(false));
        }
    }
    Some(super::seen::real(ticks) / TICKS_PER_SECOND)
}

/// The memory that a process has resident, in MiB.
pub(crate) fn resident_mib(process: u32) -> Option<f64> {
    let status = fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kib: u64 = line.trim().strip_suffix(" kB")?.trim().parse().ok()?;
    Some(super::seen::real(kib) / 1_024.0)
}

/// What `/proc/PID/stat` says of a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stat {
    parent: u32,
    own: u64,
    ended_children: u64,
}

impl Stat {
    fn of(process: u32) -> Option<Self> {
        Self::parse(&fs::read_to_string(format!("/proc/{process}/stat")).ok()?)
    }

    /// The name, in parentheses, may hold anything; what follows is fields of proc(5) from the
    /// third on.
    fn parse(text: &str) -> Option<Self> {
        let fields: Vec<&str> = text.rsplit_once(')')?.1.split_whitespace().collect();
        let ticks = |first: usize| {
            Some(
                fields.get(first)?.parse::<u64>().ok()?
                    + fields.get(first + 1)?.parse::<u64>().ok()?,
            )
        };
        Some(Self {
            parent: fields.get(1)?.parse().ok()?,
            own: ticks(11)?,
            ended_children: ticks(13)?,
        })
    }

    const fn ticks(self, children: bool) -> u64 {
        if children { self.own + self.ended_children } else { self.own }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processor_times_follow_the_name_whatever_it_holds() {
        let text = "42 (a) b (c) S 7 42 42 0 -1 4194560 1 2 3 4 100 20 30 4 20 0 1 0 5 6 7";
        let stat = Stat { parent: 7, own: 120, ended_children: 34 };
        assert_eq!(Stat::parse(text), Some(stat));
        assert_eq!(Stat::parse("42 (a"), None);
    }
}
