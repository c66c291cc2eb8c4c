//! Clocks that a test sets: a small library, compiled here and preloaded into a hub and into PostgreSQL,
//! shifts the time of day of each by what a file says.

use std::{
    ffi::OsString,
    fs::{self, metadata},
    os::unix::{fs::MetadataExt as _, process::CommandExt as _},
    path::PathBuf,
    process::Command,
};

use anyhow::{Context as _, Result, ensure};
use rustix::process::Signal;

use crate::world::World;

/// The source of the library.
const SOURCE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/faults/shifted_clock.c");

/// Two clocks, both right at first.
#[derive(Debug)]
pub(crate) struct Clocks {
    library: PathBuf,
    hub: PathBuf,
    database: PathBuf,
}

impl Clocks {
    /// Makes them, and starts the database again by its own.
    pub(crate) async fn start(world: &World) -> Result<Self> {
        let folder = world.folder().join("clocks");
        fs::create_dir(&folder)?;
        let clocks = Self {
            library: folder.join("shifted_clock.so"),
            hub: folder.join("hub"),
            database: folder.join("database"),
        };
        // What links Rust programs is there wherever these tests are built.
        let mut compiler = Command::new("cc");
        compiler.args(["-shared", "-fPIC", "-O1", "-o"]).arg(&clocks.library).arg(SOURCE);
        let output = compiler.output().context("a C compiler")?;
        ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        clocks.set(0, 0)?;
        clocks.restart(world).await?;
        Ok(clocks)
    }

    /// Shifts the hub's and the database's clock by so many seconds, from what they really are.
    pub(crate) fn set(&self, hub: i64, database: i64) -> Result<()> {
        for (file, seconds) in [(&self.hub, hub), (&self.database, database)] {
            // In place: it is mapped.
            let micros = seconds * 1_000_000;
            let mut options = fs::OpenOptions::new();
            let mut file = options.write(true).create(true).truncate(false).open(file)?;
            std::io::Write::write_all(&mut file, &micros.to_ne_bytes())?;
        }
        Ok(())
    }

    /// What a hub is started with.
    pub(crate) fn of_hub(&self) -> Vec<(&'static str, OsString)> {
        vec![
            ("LD_PRELOAD", self.library.clone().into()),
            ("SHIFTED_CLOCK", self.hub.clone().into()),
        ]
    }

    /// Starts the database as it is, but by its own clock.
    async fn restart(&self, world: &World) -> Result<()> {
        let server = world.cluster.server();
        world.cluster.end(Signal::INT).await?;
        let owner = metadata(server.data())?;
        let mut command = Command::new(server.program("pg_ctl"));
        command
            .env_clear()
            .env("PATH", "/usr/local/bin:/usr/bin:/bin")
            .env("LC_ALL", "C")
            .env("LD_PRELOAD", &self.library)
            .env("SHIFTED_CLOCK", &self.database)
            .current_dir("/")
            .args(["start", "--silent", "--wait", "--log"])
            .arg("/dev/null")
            .arg("--pgdata")
            .arg(server.data());
        if rustix::process::geteuid().is_root() {
            command.uid(owner.uid()).gid(owner.gid());
        }
        let status = tokio::task::spawn_blocking(move || command.status()).await??;
        ensure!(status.success(), "the database does not start by a shifted clock: {status}");
        Ok(())
    }

    /// Gives the database its real clock back.
    pub(crate) async fn end(self, world: &World) -> Result<()> {
        world.cluster.end(Signal::INT).await?;
        world.cluster.up().await
    }
}
