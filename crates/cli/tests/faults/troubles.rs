//! A database that is down, read-only, without connections or without room: clear answers, readiness
//! off, and a hub that goes on by itself once it is over.

use std::{
    fs::{self, File},
    io::Write as _,
    os::unix::fs::{MetadataExt as _, chown},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Result, ensure};
use entente_client::{
    Client,
    api::{error::ErrorReason, points::EarnRequest},
};
use entente_testkit::cast::{balances, earn, enrol};
use tonic::Code;

use crate::{
    cluster::Kill,
    load::PATIENCE,
    stage::Stage,
    table::{Row, say},
    verify,
    world::World,
};

/// A trouble, in turn: how it begins, how it ends.
#[derive(Debug, Clone, Copy)]
enum Trouble {
    Down,
    ReadOnly,
    NoConnections,
    NoRoom,
}

/// One after another, with an operation tried in each.
pub(crate) async fn databases_in_trouble(world: &World) -> Result<Row> {
    let mut stage = Stage::build(world, "").await?;
    let [harbor, ..] = stage.brands().await?;
    enrol(&harbor, "guest").await;
    let (mut earned, mut back_after, mut seen) = (0, Vec::new(), Vec::new());
    let room = Room::make(world).await?;
    let troubles = [Trouble::Down, Trouble::ReadOnly, Trouble::NoConnections, Trouble::NoRoom];
    for trouble in troubles {
        if matches!(trouble, Trouble::NoRoom) && room.is_none() {
            say("out of disk: left out, a small file system cannot be mounted here\n");
            seen.push("out of disk left out".to_owned());
            continue;
        }
        begin(&stage, trouble, room.as_ref()).await?;
        let told = put_off(&harbor, trouble).await?;
        if !matches!(trouble, Trouble::NoRoom) {
            ready(&mut stage, 503).await?;
        }
        ensure!(stage.hub().plain("/live").await? == 200, "it lives all the same");
        let moment = Instant::now();
        end(&stage, trouble, room.as_ref()).await?;
        told.again(&harbor).await?;
        earned += told.posted + 1;
        back_after.push(moment.elapsed());
        ready(&mut stage, 200).await?;
        seen.push(format!("{trouble:?}: {}", told.text));
        ensure!(balances(&harbor, "guest").await.available == earned, "once each");
    }
    let pool = verify::pool(&stage.ledger.owner_url).await?;
    verify::invariants(&pool).await?;
    pool.close().await;
    stage.end().await?;
    if let Some(room) = room {
        room.end(world).await?;
    }
    let done = "an operation in each trouble, sent again after it".to_owned();
    let operations = u64::try_from(earned)?;
    Ok(Row { done, operations, unknown: operations, back_after, seen: seen.join("; ") })
}

async fn begin(stage: &Stage<'_>, trouble: Trouble, room: Option<&Room>) -> Result<()> {
    let (cluster, database) = (&stage.world.cluster, &stage.ledger.database);
    match trouble {
        Trouble::Down => cluster.kill(Kill::Immediate, database).await,
        Trouble::ReadOnly => {
            cluster.execute("ALTER SYSTEM SET default_transaction_read_only = on").await?;
            cluster.execute("SELECT pg_reload_conf()").await
        }
        Trouble::NoConnections => {
            cluster.execute("ALTER ROLE entente_runtime CONNECTION LIMIT 0").await?;
            let end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'entente_runtime'";
            cluster.execute(end).await
        }
        Trouble::NoRoom => match room {
            Some(room) => room.fill(stage).await,
            None => Ok(()),
        },
    }
}

async fn end(stage: &Stage<'_>, trouble: Trouble, room: Option<&Room>) -> Result<()> {
    let cluster = &stage.world.cluster;
    match trouble {
        Trouble::Down => cluster.up().await,
        Trouble::ReadOnly => {
            cluster.execute("ALTER SYSTEM RESET default_transaction_read_only").await?;
            cluster.execute("SELECT pg_reload_conf()").await
        }
        Trouble::NoConnections => {
            cluster.execute("ALTER ROLE entente_runtime CONNECTION LIMIT -1").await
        }
        Trouble::NoRoom => room.map_or(Ok(()), Room::empty),
    }
}

/// A request that was put off, to be sent again, and how many were posted before it.
struct Told {
    request: EarnRequest,
    posted: i64,
    text: String,
}

/// Earns until the trouble shows: from then on every answer is UNAVAILABLE with its reason and a delay.
/// Some are posted before: on pages that still have room, say.
async fn put_off(client: &Client, trouble: Trouble) -> Result<Told> {
    let (begun, mut posted) = (Instant::now(), 0);
    let mut request = earn("guest", 1_000_000, "EUR");
    loop {
        ensure!(begun.elapsed() < PATIENCE, "{trouble:?} does not show");
        match client.earn(request.clone()).await {
            Ok(_) => {
                posted += 1;
                request = earn("guest", 1_000_000, "EUR");
            }
            Err(error) => {
                // One that was under way when it began may be unknown.
                let Some(refusal) = error.refusal() else { continue };
                ensure!(refusal.code == Code::Unavailable, "{trouble:?}: {refusal}");
                ensure!(refusal.reason == ErrorReason::Overloaded, "{trouble:?}: {refusal}");
                ensure!(refusal.retry_after.is_some(), "{trouble:?}: no RetryInfo");
                let after = begun.elapsed().as_secs_f64();
                let text = format!("UNAVAILABLE, {} after {after:.1} s", refusal.reason_name());
                return Ok(Told { request, posted, text });
            }
        }
    }
}

impl Told {
    /// The same request until it is posted.
    async fn again(&self, client: &Client) -> Result<()> {
        let begun = Instant::now();
        loop {
            match client.earn(self.request.clone()).await {
                Ok(_) => return Ok(()),
                Err(error) => ensure!(begun.elapsed() < PATIENCE, "{error}"),
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

/// Waits for what readiness answers.
async fn ready(stage: &mut Stage<'_>, expected: u16) -> Result<()> {
    let begun = Instant::now();
    loop {
        let found = stage.hub().plain("/ready").await?;
        if found == expected {
            return Ok(());
        }
        ensure!(begun.elapsed() < PATIENCE, "/ready answers {found} and not {expected}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// A file system of a few MiB for the ledger's tables.
#[derive(Debug)]
struct Room(PathBuf);

const ROOM: &str = "size=96m";

impl Room {
    /// Only root may, and not everywhere.
    async fn make(world: &World) -> Result<Option<Self>> {
        let folder = world.folder().join("room");
        fs::create_dir(&folder)?;
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", ROOM, "tmpfs"]).arg(&folder).stderr(Stdio::null());
        if !mount.status().is_ok_and(|status| status.success()) {
            return Ok(None);
        }
        let (room, space) = (Self(folder), world.folder().join("room/space"));
        fs::create_dir(&space)?;
        let owner = fs::metadata(world.cluster.server().data())?;
        chown(&space, Some(owner.uid()), Some(owner.gid()))?;
        let create = format!("CREATE TABLESPACE small LOCATION '{}'", space.display());
        world.cluster.execute(&create).await?;
        Ok(Some(room))
    }

    /// Moves the ledger there, which ends its sessions, and takes all that is left of the room.
    async fn fill(&self, stage: &Stage<'_>) -> Result<()> {
        let (cluster, database) = (&stage.world.cluster, &stage.ledger.database);
        let connections = |allowed: bool| {
            cluster.execute_owned(format!("ALTER DATABASE {database} ALLOW_CONNECTIONS {allowed}"))
        };
        connections(false).await?;
        let end = "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE datname =";
        cluster.execute(&format!("{end} '{database}'")).await?;
        cluster.execute(&format!("ALTER DATABASE {database} SET TABLESPACE small")).await?;
        connections(true).await?;
        fill(&self.filler());
        Ok(())
    }

    fn empty(&self) -> Result<()> {
        Ok(fs::remove_file(self.filler())?)
    }

    fn filler(&self) -> PathBuf {
        self.0.join("filler")
    }

    async fn end(self, world: &World) -> Result<()> {
        world.cluster.execute("DROP TABLESPACE small").await?;
        Ok(())
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        // Lazily: what still has a file open there keeps it until then.
        drop(Command::new("umount").arg("-l").arg(&self.0).status());
    }
}

/// Writes until there is no room.
fn fill(path: &Path) {
    let Ok(mut file) = File::create(path) else { return };
    while file.write_all(&[0; 4_096]).is_ok() {}
}
