//! The hub that is measured: this program again, in a process of its own, with nothing from our
//! environment. It drains when we close its input, which also happens when we are killed.

use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, bail};
use entente_hub::config::DatabaseUrl;
use entente_hub::hub::Addresses;
use tokio::io::{AsyncBufReadExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};

use super::stage::Folder;

/// How long the hub may take to answer.
const START: Duration = Duration::from_secs(30);

/// How long it may take to end.
const END: Duration = Duration::from_secs(40);

/// A running hub.
#[derive(Debug)]
pub(crate) struct HubProcess {
    child: Child,
    addresses: Addresses,
}

impl HubProcess {
    /// Starts a hub at free ports: when this returns, it answers.
    pub(crate) async fn start(
        folder: &Folder,
        database_url: &DatabaseUrl,
        checks: bool,
    ) -> anyhow::Result<Self> {
        let any = "127.0.0.1:0";
        let mut command = Command::new(std::env::current_exe()?);
        command
            .args(["--log", "warn,sqlx=error", "serve", "--until-input-ends"])
            .args(["--partner-listen", any, "--operator-listen", any, "--plain-listen", any])
            .arg("--certificates")
            .arg(folder.certificates())
            .arg("--keys")
            .arg(folder.keys())
            .args((!checks).then_some("--unguarded"))
            .env_clear()
            // Not as an argument: everybody can read those.
            .env("ENTENTE_DATABASE_URL", database_url.reveal())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true);
        let mut child = command.spawn().context("cannot start the hub")?;
        let output = child.stdout.take().context("the hub's output is not ours to read")?;
        let addresses = tokio::time::timeout(START, addresses(BufReader::new(output).lines()));
        let addresses = addresses.await.context("the hub does not come up")??;
        Ok(Self { child, addresses })
    }

    /// Where it listens.
    pub(crate) const fn addresses(&self) -> Addresses {
        self.addresses
    }

    /// Its process.
    pub(crate) fn id(&self) -> Option<u32> {
        self.child.id()
    }

    /// Ends it.
    pub(crate) async fn stop(mut self) -> anyhow::Result<()> {
        drop(self.child.stdin.take());
        let ended = tokio::time::timeout(END, self.child.wait()).await;
        let status = ended.context("the hub does not end")??;
        if !status.success() {
            bail!("the hub ended badly: {status}");
        }
        Ok(())
    }
}

/// Reads what `serve` says that it bound.
async fn addresses(mut lines: Lines<BufReader<ChildStdout>>) -> anyhow::Result<Addresses> {
    let mut told = String::new();
    for _ in 0..Addresses::LINES {
        told += &lines.next_line().await?.context("the hub did not start; see above")?;
        told.push('\n');
    }
    Addresses::read(&told).with_context(|| format!("the hub says {told:?}"))
}
