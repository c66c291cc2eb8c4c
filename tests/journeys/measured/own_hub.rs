//! A hub in a process of its own, on a test's ledger: what it takes of memory and of processor time is its
//! own, and neither the test's nor the caller's.

use std::{
    fs,
    io::{BufRead as _, BufReader},
    process::{Child, Command, Stdio},
};

use entente_hub::hub::Addresses;
use entente_testkit::TestHub;

/// A running hub. Dropping it ends it.
pub(super) struct OwnHub {
    child: Child,
    addresses: Addresses,
}

impl OwnHub {
    /// Starts the binary, and waits until it says what it bound.
    pub(super) fn start(hub: &TestHub) -> Self {
        let (any, folder) = ("127.0.0.1:0", hub.trust_domain().folder().to_owned());
        let mut command = Command::new(super::binary());
        command
            .args(["--log", "warn,sqlx=error", "serve", "--until-input-ends"])
            .args(["--partner-listen", any, "--operator-listen", any, "--plain-listen", any])
            .arg("--certificates")
            .arg(&folder)
            .arg("--keys")
            .arg(folder.join("keys"))
            .env("ENTENTE_DATABASE_URL", hub.database().runtime_url())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let told: Vec<String> = lines.take(Addresses::LINES).map(Result::unwrap).collect();
        Self { child, addresses: Addresses::read(&told.join("\n")).unwrap() }
    }

    /// Where partners reach it.
    pub(super) fn partners(&self) -> String {
        format!("https://{}", self.addresses.partners)
    }

    /// What `/proc` says of its memory, in MiB: `VmRSS:` now, `VmHWM:` at most.
    pub(super) fn memory(&self, name: &str) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
        line.trim().strip_suffix(" kB").unwrap().trim().parse::<u64>().unwrap() / 1_024
    }

    /// Its processor time, in hundredths of a second.
    pub(super) fn processor_time(&self) -> u64 {
        times(&format!("/proc/{}/stat", self.child.id()))[..2].iter().sum()
    }
}

/// The processor time of the commands that this process has waited for, in hundredths of a second.
pub(super) fn processor_time_of_commands() -> u64 {
    times("/proc/self/stat")[2..].iter().sum()
}

/// In user mode and in the kernel's, of a process, and of its children that have ended.
fn times(path: &str) -> Vec<u64> {
    let stat = fs::read_to_string(path).unwrap();
    let (_, after_name) = stat.rsplit_once(')').unwrap();
    after_name.split_whitespace().skip(11).take(4).map(|time| time.parse().unwrap()).collect()
}

impl Drop for OwnHub {
    fn drop(&mut self) {
        // It drains when its input ends.
        drop(self.child.stdin.take());
        self.child.wait().unwrap();
    }
}
