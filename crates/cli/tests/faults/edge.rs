//! Attacks on the edge: floods of resets, headers without an end, connections that say nothing, a process
//! without descriptors. Whoever is connected is served meanwhile, and whoever comes afterwards.

use std::{io, sync::Arc, time::Instant};

use anyhow::{Context as _, Result, ensure};
use entente_client::Client;
use entente_identity::{
    Identity,
    pem::read_certificates,
    tls::{Credentials, client_config},
};
use entente_testkit::cast::{HARBOR, ROVER, earn, enrol};
#[cfg(target_os = "linux")]
use rustix::process::{Pid, Resource, getrlimit, prlimit};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};
use tokio_rustls::{TlsConnector, client::TlsStream, rustls::pki_types::ServerName};

use crate::{
    stage::{Stage, partner},
    table::Row,
    verify,
    world::World,
};

/// Calls of an honest partner during each attack.
const CALLS: u64 = 20;
/// What is sent at most in one attack.
const RESETS: u32 = 20_000;
const CONTINUATIONS: usize = 1_000;
/// Descriptors that a hub has left.
const LEFT: u64 = 20;
/// What no hub needs for any of this, in KiB.
const MEMORY: u64 = 512 * 1_024;

/// The kinds of frames (RFC 9113), and two flags.
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const CONTINUATION: u8 = 9;
const END_HEADERS: u8 = 4;
const NO_FLAGS: u8 = 0;

/// All in turn.
pub(crate) async fn attacks_on_the_edge(world: &World) -> Result<Row> {
    let mut stage = Stage::build(world, "").await?;
    let [harbor, rover, _] = stage.brands().await?;
    enrol(&rover, "rider").await;
    drop(harbor);
    let mut seen = Vec::new();
    let begun = Instant::now();
    let resets = reset_flood(&stage, &rover).await?;
    seen.push(format!("a flood of resets ended after at most {resets}"));
    let kib = endless_headers(&stage, &rover).await?;
    seen.push(format!("headers without an end ended after at most {kib} KiB"));
    let silent = silent_connections(&stage, &rover, world.settings.attackers).await?;
    seen.push(format!("{silent} connections that say nothing"));
    if let Some(opened) = without_descriptors(&mut stage, &rover).await? {
        seen.push(format!("{opened} connections at a hub with {LEFT} descriptors left"));
    }
    let memory = stage.hub().memory_kib().unwrap_or_default();
    ensure!(memory < MEMORY, "the hub uses {memory} KiB");
    seen.push(format!("{} MiB of memory afterwards", memory / 1_024));
    // Somebody new.
    let options = stage.options(&partner(ROVER)?, &[stage.front.address()])?;
    honest(&Client::connect(options).await?).await?;
    let took = begun.elapsed();
    let pool = verify::pool(&stage.ledger.owner_url).await?;
    verify::invariants(&pool).await?;
    pool.close().await;
    stage.end().await?;
    Ok(Row {
        done: format!("4 attacks in {} s, an honest partner's calls in each", took.as_secs()),
        operations: CALLS * 5,
        seen: seen.join("; "),
        ..Row::default()
    })
}

/// Calls as always.
async fn honest(client: &Client) -> Result<()> {
    for _ in 0..CALLS {
        let earned = client.earn(earn("rider", 1_000_000, "USD")).await;
        earned.context("an honest partner's call")?;
    }
    Ok(())
}

/// Streams that are opened and reset at once: the hub ends the connection.
async fn reset_flood(stage: &Stage<'_>, rover: &Client) -> Result<u32> {
    let mut attacker = attacker(stage).await?;
    let (calls, flood) = tokio::join!(honest(rover), async {
        let block = block();
        for number in 0..RESETS {
            let stream = 2 * number + 1;
            let mut frames = frame(HEADERS, END_HEADERS, stream, &block);
            frames.extend(frame(RST_STREAM, NO_FLAGS, stream, &8_u32.to_be_bytes()));
            if attacker.write_all(&frames).await.is_err() {
                return number;
            }
        }
        drop(attacker.flush().await);
        RESETS
    });
    calls?;
    is_ended(attacker).await.context("a flood of resets")?;
    Ok(flood)
}

/// Headers that go on and on: the hub ends the connection.
async fn endless_headers(stage: &Stage<'_>, rover: &Client) -> Result<usize> {
    let mut attacker = attacker(stage).await?;
    let (calls, sent) = tokio::join!(honest(rover), async {
        let begin = frame(HEADERS, NO_FLAGS, 1, &block());
        // A field of a name and a value of 100 bytes, again and again.
        let mut field = vec![0, 1, b'x', 100];
        field.extend([b'y'; 100]);
        let more = frame(CONTINUATION, NO_FLAGS, 1, &field.repeat(150));
        let mut sent = usize::from(attacker.write_all(&begin).await.is_ok());
        while sent < CONTINUATIONS && attacker.write_all(&more).await.is_ok() {
            sent += 1;
        }
        sent * more.len() / 1_024
    });
    calls?;
    is_ended(attacker).await.context("headers without an end")?;
    Ok(sent)
}

/// Connections that never begin to shake hands.
async fn silent_connections(stage: &Stage<'_>, rover: &Client, count: usize) -> Result<usize> {
    let mut silent = Vec::with_capacity(count);
    for _ in 0..count {
        silent.push(TcpStream::connect(stage.partner_address()?).await?);
    }
    honest(rover).await?;
    Ok(silent.len())
}

/// Where a process's limit cannot be set from outside, it is left out.
#[cfg(not(target_os = "linux"))]
async fn without_descriptors(_: &mut Stage<'_>, _: &Client) -> Result<Option<usize>> {
    Ok(None)
}

/// A hub that cannot open anything more.
#[cfg(target_os = "linux")]
async fn without_descriptors(stage: &mut Stage<'_>, rover: &Client) -> Result<Option<usize>> {
    let id = stage.hub().id().context("it runs")?;
    let open = u64::try_from(std::fs::read_dir(format!("/proc/{id}/fd"))?.count())?;
    let pid = Pid::from_raw(i32::try_from(id)?).context("a process id")?;
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = Some(open + LEFT);
    let before = prlimit(Some(pid), Resource::Nofile, limit)?;
    let mut connections = Vec::new();
    for _ in 0..usize::try_from(LEFT * 3)? {
        // The system takes them, and the hub cannot.
        connections.push(TcpStream::connect(stage.partner_address()?).await?);
    }
    honest(rover).await?;
    let opened = connections.len();
    drop(connections);
    prlimit(Some(pid), Resource::Nofile, before)?;
    Ok(Some(opened))
}

/// A partner of the cast that speaks HTTP/2 by hand.
async fn attacker(stage: &Stage<'_>) -> Result<TlsStream<TcpStream>> {
    let (directory, harbor) = (stage.directory()?, partner(HARBOR)?);
    let roots = read_certificates(&directory.ca_certificate(&Identity::Hub))?;
    let (certificate, key) = (directory.certificate(&harbor), directory.key(&harbor));
    let credentials = Credentials::from_pem_files(&certificate, &key)?;
    let config = client_config(&roots, &credentials)?;
    let tcp = TcpStream::connect(stage.partner_address()?).await?;
    let name = ServerName::try_from("127.0.0.1")?;
    let mut stream = TlsConnector::from(Arc::new(config)).connect(name, tcp).await?;
    stream.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await?;
    stream.write_all(&frame(SETTINGS, NO_FLAGS, 0, &[])).await?;
    Ok(stream)
}

/// Reads until the hub has ended the connection, however it does.
async fn is_ended(mut stream: TlsStream<TcpStream>) -> Result<()> {
    let mut read = Vec::new();
    let ended = stream.read_to_end(&mut read);
    match tokio::time::timeout(crate::load::PATIENCE, ended).await {
        Ok(Ok(_)) => Ok(()),
        Ok(Err(error)) if error.kind() != io::ErrorKind::TimedOut => Ok(()),
        Ok(Err(error)) => Err(error.into()),
        Err(_) => anyhow::bail!("the hub does not end it"),
    }
}

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap_or_default().to_be_bytes();
    let mut frame = length[1..].to_vec();
    frame.extend([kind, flags]);
    frame.extend(stream.to_be_bytes());
    frame.extend(payload);
    frame
}

/// The headers of a call (RFC 7541), without a name or value compressed.
fn block() -> Vec<u8> {
    // POST and https have numbers; so have the names of path, authority and content type.
    let mut block = vec![0x83, 0x87];
    let mut literal = |name: &[u8], value: &str| {
        block.extend(name);
        block.push(u8::try_from(value.len()).unwrap_or_default());
        block.extend(value.bytes());
    };
    literal(&[0x04], "/entente.points.v1.PointsService/Earn");
    literal(&[0x01], "hub");
    literal(&[0x0f, 0x10], "application/grpc");
    literal(&[0x00, 2, b't', b'e'], "trailers");
    block
}
