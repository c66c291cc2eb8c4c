//! Thousands of handshakes that never end, again and again, beside callers who mean it: whoever is
//! connected is served, whoever comes gets in, and afterwards nothing of it is left.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, ensure};
use entente_client::Client;
use entente_testkit::cast::{ROVER, earn, enrol};
use rustix::process::{Resource, getrlimit, setrlimit};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    task::JoinSet,
};

use crate::{
    load::PATIENCE,
    stage::{PATIENT, Stage, partner},
    table::Row,
    verify,
    world::World,
};

/// What a hub takes of connections at each listener, unless told otherwise.
const PLACES: usize = 1_024;
/// Descriptors that this process needs besides.
const BESIDES: u64 = 512;
/// Calls of whoever is connected, and callers who come meanwhile.
const CALLS: u64 = 20;
const NEWCOMERS: u64 = 8;
/// What no hub needs for any of this, in KiB.
const MEMORY: u64 = 512 * 1_024;
/// Between two bytes of a slow one.
const PAUSE: Duration = Duration::from_secs(1);

/// The head of a ClientHello that is never finished: a record of 512 bytes, a handshake message in it.
const HELLO: [u8; 11] = [22, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3];

/// Half of them say nothing; the others say a byte at a time.
pub(crate) async fn thousands_of_slow_handshakes(world: &World) -> Result<Row> {
    let count = allowed(world.settings.handshakes)?;
    let mut stage = Stage::build(world, "").await?;
    let [_, rover, _] = stage.brands().await?;
    enrol(&rover, "rider").await;
    rover.earn(earn("rider", 1_000_000, "USD")).await?;
    let before = stage.hub().descriptors()?;
    let attack = Attack::start(&stage, count)?;
    let begun = Instant::now();
    // All places are taken, or as many as there are attackers.
    while stage.hub().descriptors()? < before + count.min(PLACES) * 9 / 10 {
        ensure!(begun.elapsed() < PATIENCE, "the attack does not begin");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let rover = rover.with_retry(PATIENT);
    for _ in 0..CALLS {
        rover.earn(earn("rider", 1_000_000, "USD")).await.context("whoever is connected")?;
    }
    let mut back_after = Vec::new();
    for _ in 0..NEWCOMERS {
        let moment = Instant::now();
        // Past the network of this house: its own connections would wait in its stead.
        let options = stage.options(&partner(ROVER)?, &[stage.partner_address()?])?;
        let newcomer = Client::connect(options.retry(PATIENT)).await.context("a newcomer")?;
        newcomer.earn(earn("rider", 1_000_000, "USD")).await.context("a newcomer's call")?;
        back_after.push(moment.elapsed());
    }
    let memory = stage.hub().memory_kib().unwrap_or_default();
    ensure!(memory < MEMORY, "the hub uses {memory} KiB");
    let opened = attack.end().await;
    let begun = Instant::now();
    while stage.hub().descriptors()? > before + usize::try_from(NEWCOMERS)? + 8 {
        ensure!(begun.elapsed() < PATIENCE, "connections are left of the attack");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let pool = verify::pool(&stage.ledger.owner_url).await?;
    verify::invariants(&pool).await?;
    pool.close().await;
    stage.end().await?;
    Ok(Row {
        done: format!("{count} handshakes at a time that never end, at a hub of {PLACES} places"),
        operations: CALLS + NEWCOMERS + 1,
        back_after,
        seen: format!(
            "{opened} of them opened in all; the times are those of newcomers, from connecting to \
                       their first answer; {} MiB of memory",
            memory / 1_024
        ),
        ..Row::default()
    })
}

/// As many as are wished, if this process may open them.
fn allowed(wished: usize) -> Result<usize> {
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    setrlimit(Resource::Nofile, limit)?;
    let room = limit.current.unwrap_or(u64::MAX).saturating_sub(BESIDES);
    ensure!(room >= 1_024, "this machine allows {room} connections: too few for this scenario");
    Ok(wished.min(usize::try_from(room).unwrap_or(usize::MAX)))
}

/// Attackers, who come again whenever they are cut.
struct Attack {
    attackers: JoinSet<()>,
    stop: Arc<AtomicBool>,
    opened: Arc<AtomicU64>,
}

impl Attack {
    fn start(stage: &Stage<'_>, count: usize) -> Result<Self> {
        let (stop, opened) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let address = stage.partner_address()?;
        let mut attackers = JoinSet::new();
        for number in 0..count {
            let (stop, opened) = (Arc::clone(&stop), Arc::clone(&opened));
            attackers.spawn(async move {
                while !stop.load(Ordering::Relaxed) {
                    let Ok(stream) = TcpStream::connect(address).await else {
                        tokio::time::sleep(PAUSE).await;
                        continue;
                    };
                    opened.fetch_add(1, Ordering::Relaxed);
                    dawdle(stream, number % 2 == 0).await;
                }
            });
        }
        Ok(Self { attackers, stop, opened })
    }

    /// Ends it; how many connections there were.
    async fn end(mut self) -> u64 {
        self.stop.store(true, Ordering::Relaxed);
        self.attackers.shutdown().await;
        self.opened.load(Ordering::Relaxed)
    }
}

/// Takes as much time as the hub gives.
async fn dawdle(mut stream: TcpStream, silent: bool) {
    let mut heard = [0; 64];
    if silent {
        // It ends when the hub has had enough.
        let _ = stream.read(&mut heard).await;
        return;
    }
    for byte in HELLO.iter().chain(std::iter::repeat(&0)) {
        if stream.write_all(&[*byte]).await.is_err() {
            return;
        }
        if let Ok(Ok(_)) = tokio::time::timeout(PAUSE, stream.read(&mut heard)).await {
            return;
        }
    }
}
