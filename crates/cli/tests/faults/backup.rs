//! `deploy/backup.md`, run as it stands: a base backup under load, a restore to a point in time, and a
//! hub on what was restored.

use std::{
    fs::{self, OpenOptions},
    io::Write as _,
    net::TcpListener,
    os::unix::{
        fs::{MetadataExt as _, chown},
        process::CommandExt as _,
    },
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Instant,
};

use anyhow::{Context as _, Result, ensure};
use entente_testkit::cast::earn;
use sqlx::{Connection as _, PgConnection};

use crate::{
    kills::{crew, ended},
    load::{Load, PATIENCE},
    stage::Stage,
    table::Row,
    world::World,
};

/// The page's steps, by their headings.
const STEPS: [&str; 3] = ["Archive the log", "Take a base backup", "Restore"];

/// Operations after the moment that is restored.
const AFTERWARDS: usize = 20;

/// What the page's commands are run with.
struct Operator {
    page: String,
    /// Programs of the same PostgreSQL.
    path: PathBuf,
    /// Who runs the database.
    user: (u32, u32),
    folder: PathBuf,
    owner_url: String,
    port: u16,
    until: String,
}

/// What was acknowledged until then is there, and nothing else.
pub(crate) async fn a_ledger_restored_to_a_point_in_time(world: &World) -> Result<Row> {
    let mut stage = Stage::build(world, "").await?;
    let mut operator = Operator::arrives(world, &stage)?;
    allow_replication(world).await?;
    operator.does(STEPS[0])?;
    let load = Load::start(&stage, stage.brands().await?, crew(world.settings.seed_of(9))).await?;
    operator.does(STEPS[1])?;
    // Some of it is in the log alone.
    load.back_since(Instant::now()).await?;
    let done = load.finish().await?;
    let mut owner = PgConnection::connect(&stage.ledger.owner_url).await?;
    operator.until =
        sqlx::query_scalar("SELECT clock_timestamp()::text").fetch_one(&mut owner).await?;
    let [harbor, ..] = stage.brands().await?;
    for _ in 0..AFTERWARDS {
        harbor.earn(earn("m-0-0", 1_000_000, "EUR")).await?;
    }
    archived(&mut owner).await?;
    owner.close().await?;
    stage.kill().await?;
    let moment = Instant::now();
    operator.does(STEPS[2])?;
    let back_after = vec![moment.elapsed()];
    let restored = Restored { operator };
    stage.move_to(world.cluster.server().port(), restored.operator.port);
    stage.start().await?;
    is_good(&stage)?;
    let what =
        format!("a base backup under load, {AFTERWARDS} operations after the moment restored");
    let mut row = ended(stage, done, what, back_after).await?;
    row.seen.clear();
    row.seen.push_str("`entente check` is clean, a hub serves it; the time is that of the restore");
    drop(restored);
    world.cluster.execute("ALTER SYSTEM RESET archive_command").await?;
    world.cluster.execute("SELECT pg_reload_conf()").await?;
    Ok(row)
}

impl Operator {
    fn arrives(world: &World, stage: &Stage<'_>) -> Result<Self> {
        let server = world.cluster.server();
        let data = fs::metadata(server.data())?;
        let folder = world.folder().join("backup");
        for made in [folder.clone(), folder.join("archive")] {
            fs::create_dir(&made)?;
            chown(&made, Some(data.uid()), Some(data.gid()))?;
        }
        // A cluster of our own keeps its settings beside its data.
        let beside = server.data().parent().context("the data lies in a folder")?;
        fs::copy(beside.join("server.conf"), folder.join("server.conf"))?;
        let program = server.program("pg_basebackup");
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let page = concat!(env!("CARGO_MANIFEST_DIR"), "/../../deploy/backup.md");
        Ok(Self {
            page: fs::read_to_string(page)?,
            path: program.parent().context("programs lie in a folder")?.to_owned(),
            user: (data.uid(), data.gid()),
            folder,
            owner_url: stage.ledger.owner_url.clone(),
            port,
            until: String::new(),
        })
    }

    /// Runs the commands under a heading of the page.
    fn does(&self, heading: &str) -> Result<()> {
        let section = self.page.split("\n## ").find(|section| section.starts_with(heading));
        let mut fences = section.context("a heading of the page")?.split("```");
        let commands = fences.find_map(|fence| fence.strip_prefix("sh\n")).context("commands")?;
        let output = self.shell(commands).output()?;
        let told = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "{heading}: {told}");
        Ok(())
    }

    fn shell(&self, commands: &str) -> Command {
        let mut shell = Command::new("/bin/sh");
        shell
            .args(["-euc", commands])
            .env_clear()
            .env("PATH", format!("{}:/usr/local/bin:/usr/bin:/bin", self.path.display()))
            .env("OWNER_URL", &self.owner_url)
            .env("BACKUP", self.folder.join("base"))
            .env("ARCHIVE", self.folder.join("archive"))
            .env("RESTORED", self.restored())
            .env("UNTIL", &self.until)
            .env("PORT", self.port.to_string())
            .current_dir("/")
            .stdin(Stdio::null());
        let us = rustix::process::geteuid().as_raw();
        if us != self.user.0 {
            shell.uid(self.user.0).gid(self.user.1);
        }
        shell
    }

    fn restored(&self) -> PathBuf {
        self.folder.join("restored")
    }
}

/// The restored server, until it is dropped.
struct Restored {
    operator: Operator,
}

/// As the page has it: `entente check`.
fn is_good(stage: &Stage<'_>) -> Result<()> {
    let mut check = Command::new(env!("CARGO_BIN_EXE_entente"));
    let check = check.args(["check", &stage.ledger.owner_url]).stdin(Stdio::null()).output()?;
    ensure!(check.status.success(), "{}", String::from_utf8_lossy(&check.stdout));
    Ok(())
}

impl Drop for Restored {
    fn drop(&mut self) {
        let stop = "pg_ctl stop --silent --mode=immediate --pgdata=\"$RESTORED\"";
        drop(self.operator.shell(stop).output());
    }
}

/// A private PostgreSQL lets nobody take a backup; whoever runs one in earnest has a line for it.
async fn allow_replication(world: &World) -> Result<()> {
    let mut owner = PgConnection::connect(&world.cluster.server().url("postgres")).await?;
    let path: String = sqlx::query_scalar("SHOW hba_file").fetch_one(&mut owner).await?;
    owner.close().await?;
    let mut file = OpenOptions::new().append(true).open(Path::new(&path))?;
    writeln!(file, "host replication all 127.0.0.1/32 scram-sha-256")?;
    world.cluster.execute("SELECT pg_reload_conf()").await
}

/// Waits until everything that is written so far is in the archive.
async fn archived(owner: &mut PgConnection) -> Result<()> {
    let segment: String = sqlx::query_scalar("SELECT pg_walfile_name(pg_switch_wal())")
        .fetch_one(&mut *owner)
        .await?;
    let begun = Instant::now();
    loop {
        let done: bool = sqlx::query_scalar(
            "SELECT coalesce(last_archived_wal >= $1, false) FROM pg_stat_archiver",
        )
        .bind(&segment)
        .fetch_one(&mut *owner)
        .await?;
        if done {
            return Ok(());
        }
        ensure!(begun.elapsed() < PATIENCE, "the log is not archived");
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
}
