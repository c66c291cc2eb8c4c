//! The server's first process: what it wrote about itself, whether it lives, and how it is told to stop.

use std::{
    fs,
    path::Path,
    time::{Duration, Instant},
};

use rustix::{
    io::Errno,
    process::{Pid, Signal, kill_process, test_kill_process},
};

use crate::error::{At, Error};

const STEP: Duration = Duration::from_millis(20);

/// The lines of postmaster.pid that matter to us.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Postmaster {
    pid: Pid,
    /// On loopback.
    pub(crate) port: u16,
}

impl Postmaster {
    /// The living process that the cluster's last server named. Ids are used again, so only a connection proves that it
    /// is ours.
    pub(crate) fn find(data: &Path) -> Option<Self> {
        let text = fs::read_to_string(data.join("postmaster.pid")).ok()?;
        let found = Self::parse(&text)?;
        (test_kill_process(found.pid) != Err(Errno::SRCH)).then_some(found)
    }

    fn parse(text: &str) -> Option<Self> {
        let lines: Vec<&str> = text.lines().map(str::trim).collect();
        Some(Self {
            pid: Pid::from_raw(lines.first()?.parse().ok()?)?,
            port: lines.get(3)?.parse().ok()?,
        })
    }

    /// Its process id.
    pub(crate) fn pid(self) -> i32 {
        self.pid.as_raw_pid()
    }

    /// Fast shutdown, then immediate shutdown; what is committed stays either way. Waits at most half a minute.
    pub(crate) fn stop(self, data: &Path) -> Result<(), Error> {
        let modes =
            [(Signal::INT, Duration::from_secs(20)), (Signal::QUIT, Duration::from_secs(10))];
        for (signal, limit) in modes {
            match kill_process(self.pid, signal) {
                Err(Errno::SRCH) => return Ok(()),
                told => told.map_err(Into::into).at("stop the server of", data)?,
            }
            if self.is_gone_within(data, limit) {
                return Ok(());
            }
        }
        Err(std::io::Error::from(std::io::ErrorKind::TimedOut)).at("stop the server of", data)
    }

    /// It removes its file last; a process that nobody has waited for may still be listed.
    fn is_gone_within(self, data: &Path, limit: Duration) -> bool {
        let begun = Instant::now();
        while Self::find(data) == Some(self) {
            if begun.elapsed() >= limit {
                return false;
            }
            std::thread::sleep(STEP);
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_port_and_the_process_are_read_once_both_are_written() {
        let text = "4711\n/var/lib/x/data\n1700000000\n6000\n\n127.0.0.1\n  123  4\nready   \n";
        let found = Postmaster::parse(text).expect("a complete file");
        assert_eq!((found.pid(), found.port), (4711, 6000));
        assert_eq!(Postmaster::parse("4711\n/var/lib/x/data\n"), None);
        assert_eq!(Postmaster::parse(""), None);
    }
}
