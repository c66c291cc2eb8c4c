//! A hub in a process of its own: the real binary, killed as processes are killed.

use std::{
    ffi::OsString,
    fs::{self, File},
    path::PathBuf,
    process::Stdio,
    time::Duration,
};

use anyhow::{Context as _, Result};
use entente_hub::hub::Addresses;
use rustix::process::{Pid, Signal, kill_process};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader, Lines},
    net::TcpStream,
    process::{Child, ChildStdout, Command},
};

/// How long a hub may take to start.
const PATIENCE: Duration = Duration::from_mins(1);

/// What a hub is started with.
#[derive(Debug, Clone)]
pub(crate) struct Recipe {
    /// The database, as the runtime role, perhaps through a network.
    pub(crate) database_url: String,
    pub(crate) certificates: PathBuf,
    pub(crate) keys: PathBuf,
    /// Configuration besides, in TOML.
    pub(crate) configuration: String,
    /// Of its process, besides.
    pub(crate) environment: Vec<(&'static str, OsString)>,
    /// Where configuration and log lie.
    pub(crate) folder: PathBuf,
}

/// A running hub.
#[derive(Debug)]
pub(crate) struct HubProcess {
    child: Child,
    pub(crate) addresses: Addresses,
}

impl HubProcess {
    /// Starts one at free ports: when this returns, it answers.
    pub(crate) async fn start(recipe: &Recipe) -> Result<Self> {
        fs::create_dir_all(&recipe.folder)?;
        let configuration = recipe.folder.join("hub.toml");
        fs::write(&configuration, &recipe.configuration)?;
        let log = File::options().create(true).append(true).open(recipe.folder.join("hub.log"))?;
        let any = "127.0.0.1:0";
        let mut command = Command::new(env!("CARGO_BIN_EXE_entente"));
        command
            .args(["--log", "warn,sqlx=error", "serve", "--until-input-ends", "--config"])
            .arg(configuration)
            .args(["--partner-listen", any, "--operator-listen", any, "--plain-listen", any])
            .arg("--certificates")
            .arg(&recipe.certificates)
            .arg("--keys")
            .arg(&recipe.keys)
            .env_clear()
            .env("ENTENTE_DATABASE_URL", &recipe.database_url)
            .envs(recipe.environment.iter().cloned())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(log)
            .kill_on_drop(true);
        let mut child = command.spawn().context("the binary runs")?;
        let output = child.stdout.take().context("its output is ours")?;
        let addresses = tokio::time::timeout(PATIENCE, addresses(BufReader::new(output).lines()));
        match addresses.await.context("the hub does not come up") {
            Ok(Ok(addresses)) => Ok(Self { child, addresses }),
            Ok(Err(error)) | Err(error) => Err(error.context(recipe.last_words())),
        }
    }

    /// Kills it, with nothing said before.
    pub(crate) async fn kill(mut self) -> Result<()> {
        self.child.start_kill()?;
        self.child.wait().await?;
        Ok(())
    }

    /// Has it load its certificates again.
    pub(crate) fn reload(&self) -> Result<()> {
        let id = self.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
        Ok(kill_process(id.context("it runs")?, Signal::HUP)?)
    }

    /// Its process.
    pub(crate) fn id(&self) -> Option<u32> {
        self.child.id()
    }

    /// What it uses of memory, in KiB; `None` where the system does not tell.
    pub(crate) fn memory_kib(&self) -> Option<u64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.id()?)).ok()?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
        line.trim().trim_end_matches(" kB").parse().ok()
    }

    /// What it has used of processors, in hundredths of a second; `None` where the system does not tell.
    pub(crate) fn processor_time(&self) -> Option<u64> {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.id()?)).ok()?;
        // After the name, which is in parentheses: utime and stime are the 12th and 13th.
        let fields: Vec<_> = stat.rsplit_once(')')?.1.split_whitespace().collect();
        let ticks = |at: usize| fields.get(at)?.parse::<u64>().ok();
        Some(ticks(11)? + ticks(12)?)
    }

    /// How many files and connections it has open.
    pub(crate) fn descriptors(&self) -> Result<usize> {
        let id = self.id().context("it runs")?;
        Ok(fs::read_dir(format!("/proc/{id}/fd"))?.count())
    }

    /// The status that a path of the plain listener answers.
    pub(crate) async fn plain(&self, path: &str) -> Result<u16> {
        let mut stream = TcpStream::connect(self.addresses.plain).await?;
        let request = format!("GET {path} HTTP/1.1\r\nhost: hub\r\nconnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await?;
        let status = answer.split(' ').nth(1).and_then(|status| status.parse().ok());
        status.with_context(|| format!("no status in {answer:?}"))
    }
}

impl Recipe {
    /// The end of the log, for whoever reads of a failure.
    fn last_words(&self) -> String {
        let log = fs::read_to_string(self.folder.join("hub.log")).unwrap_or_default();
        let lines: Vec<_> = log.lines().collect();
        lines[lines.len().saturating_sub(5)..].join("\n")
    }
}

/// Reads what `serve` says that it bound.
async fn addresses(mut lines: Lines<BufReader<ChildStdout>>) -> Result<Addresses> {
    let mut told = String::new();
    for _ in 0..Addresses::LINES {
        told += &lines.next_line().await?.context("the hub did not start")?;
        told.push('\n');
    }
    Addresses::read(&told).with_context(|| format!("the hub says {told:?}"))
}
