//! A hub in a process of its own, on a test's ledger: what it takes of memory and of processor time is its
//! own, and neither the test's nor the caller's.

use std::{
    fs,
    io::{BufRead as _, BufReader},
    net::SocketAddr,
    process::{Child, Command, Stdio},
};

use entente_hub::hub::Addresses;
use entente_testkit::TestHub;
use sqlx::PgPool;

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
    pub(super) fn partners(&self) -> SocketAddr {
        self.addresses.partners
    }

    /// What `/proc` says of its memory, in MiB: `VmRSS:` now, `VmHWM:` at most.
    pub(super) fn memory(&self, name: &str) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
        line.trim().strip_suffix(" kB").unwrap().trim().parse::<u64>().unwrap() / 1_024
    }

    /// Its processor time, in hundredths of a second.
    pub(super) fn processor_time(&self) -> u64 {
        processor_time(&self.child.id().to_string())
    }
}

/// The processor time of a process, in hundredths of a second.
pub(super) fn processor_time(process: &str) -> u64 {
    let stat = stat(&format!("/proc/{process}/stat")).unwrap();
    stat.times[..2].iter().sum()
}

/// The process of a database's server.
pub(super) async fn server_of(pool: &PgPool) -> u64 {
    let backend: i32 = sqlx::query_scalar("SELECT pg_backend_pid()").fetch_one(pool).await.unwrap();
    stat(&format!("/proc/{backend}/stat")).unwrap().parent
}

/// The processor time of a server and of its connections, in hundredths of a second.
pub(super) fn processor_time_of_server(server: u64) -> u64 {
    let all = fs::read_dir("/proc").unwrap();
    let stats = all.filter_map(|of| stat(of.unwrap().path().join("stat").to_str().unwrap()));
    let parts = stats.filter(|stat| stat.parent == server);
    let ended: u64 = stat(&format!("/proc/{server}/stat")).unwrap().times.iter().sum();
    parts.map(|stat| stat.times[..2].iter().sum::<u64>()).sum::<u64>() + ended
}

/// The processor time of the commands that this process has waited for, in hundredths of a second.
pub(super) fn processor_time_of_commands() -> u64 {
    stat("/proc/self/stat").unwrap().times[2..].iter().sum()
}

/// What `/proc` says of a process.
struct Stat {
    parent: u64,
    /// In user mode and in the kernel's, of the process, and of its children that have ended.
    times: Vec<u64>,
}

/// `None` where it has ended, or is none.
fn stat(path: &str) -> Option<Stat> {
    let stat = fs::read_to_string(path).ok()?;
    let (_, after_name) = stat.rsplit_once(')')?;
    let fields: Vec<_> = after_name.split_whitespace().collect();
    let times = fields[11..15].iter().map(|time| time.parse().unwrap()).collect();
    Some(Stat { parent: fields[1].parse().unwrap(), times })
}

impl Drop for OwnHub {
    fn drop(&mut self) {
        // It drains when its input ends.
        drop(self.child.stdin.take());
        self.child.wait().unwrap();
    }
}
