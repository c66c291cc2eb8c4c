//! Brings a cluster up: made if it does not exist, joined if it runs already, recovered if it crashed.

use std::{
    fs,
    net::{Ipv4Addr, TcpListener},
    path::Path,
    time::{Duration, Instant},
};

use crate::{
    binaries::Binaries,
    command,
    connection::{self, Probe},
    error::{At, Error},
    options::{Notice, Options},
    place::Place,
    postmaster::Postmaster,
    settings,
    state::{self, State},
};

const STEP: Duration = Duration::from_millis(100);
const INITDB_LIMIT: Duration = Duration::from_mins(5);

/// A server that answers.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Up {
    pub(crate) port: u16,
    pub(crate) reused: bool,
}

/// The major version of an existing cluster.
pub(crate) fn major(place: &Place) -> Option<u32> {
    let text = fs::read_to_string(place.data.join("PG_VERSION")).ok()?;
    text.trim().parse().ok()
}

/// Makes an empty cluster. What an interrupted attempt left is removed first.
pub(crate) async fn create(
    place: &Place,
    binaries: &Binaries,
    options: &Options,
    password: &str,
) -> Result<(), Error> {
    options.tell(&Notice::Creating { data: place.data.clone(), version: binaries.major });
    place.make()?;
    let secret = place.home.join("initial-password");
    state::replace(&secret, password.as_bytes(), 0o600)?;
    let made = initdb(place, binaries, options, &secret).await;
    fs::remove_file(&secret).at("remove", &secret)?;
    made?;
    settings::include(&place.data)
}

async fn initdb(
    place: &Place,
    binaries: &Binaries,
    options: &Options,
    secret: &Path,
) -> Result<(), Error> {
    place.user.own(secret)?;
    let mut initdb = place.user.command(&binaries.program("initdb"));
    // glibc and musl know C.UTF-8, macOS does not; both sort by code point.
    let locale = if cfg!(target_os = "linux") { "C.UTF-8" } else { "C" };
    initdb
        .args(["--encoding=UTF8", "--locale", locale, "--data-checksums"])
        .args(["--auth=scram-sha-256", "--no-instructions"])
        .args(["--username", &options.owner, "--pwfile"])
        .arg(secret)
        .arg("--pgdata")
        .arg(&place.data);
    if !options.durable {
        initdb.arg("--no-sync");
    }
    command::run(initdb, INITDB_LIMIT).await.map(drop)
}

/// Joins the running server or starts one, and waits until it answers, within `options.start_timeout`.
pub(crate) async fn up(
    place: &Place,
    binaries: &Binaries,
    options: &Options,
    password: &str,
    state: &mut State,
) -> Result<Up, Error> {
    let begun = Instant::now();
    let mut started = false;
    loop {
        match look(place, &state.owner, password).await {
            (Probe::Ready, Some(postmaster)) => {
                return Ok(Up { port: postmaster.port, reused: !started });
            }
            (Probe::Stranger, _) => return Err(stranger(place)),
            (Probe::Refused | Probe::Ready, _) => {
                let left = options.start_timeout.saturating_sub(begun.elapsed());
                started |= start(place, binaries, options, state, left).await?;
            }
            (Probe::Busy, _) => {}
        }
        if begun.elapsed() >= options.start_timeout {
            return Err(Error::NotReady {
                waited: options.start_timeout,
                log: settings::log(place),
            });
        }
        tokio::time::sleep(STEP).await;
    }
}

/// Whether the cluster's server runs and is ours.
pub(crate) async fn look(
    place: &Place,
    owner: &str,
    password: &str,
) -> (Probe, Option<Postmaster>) {
    match Postmaster::find(&place.data) {
        None => (Probe::Refused, None),
        Some(found) => {
            let url = connection::url(owner, password, found.port, "postgres");
            (connection::probe(&url).await, Some(found))
        }
    }
}

fn stranger(place: &Place) -> Error {
    Error::Damaged {
        directory: place.directory.clone(),
        detail: "its server does not take the password that is kept here".to_owned(),
    }
}

/// Starts the server; false where it must be tried again: the port was taken, or the last server's backends are still
/// leaving.
async fn start(
    place: &Place,
    binaries: &Binaries,
    options: &Options,
    state: &mut State,
    limit: Duration,
) -> Result<bool, Error> {
    if place.data.join("postmaster.pid").exists() {
        options.tell(&Notice::Recovering { data: place.data.clone() });
    }
    let port = free_port(state.port).at("find a free port for", &place.directory)?;
    state.port = Some(port);
    state.write(&place.directory)?;
    settings::write(place, options, port)?;
    let log = place.log.join("start.log");
    drop(fs::remove_file(&log));
    let seconds = limit.as_secs().max(1);
    let mut command = place.user.command(&binaries.program("pg_ctl"));
    command
        .args(["start", "--silent", "--wait", "--timeout", &seconds.to_string()])
        .arg("--pgdata")
        .arg(&place.data)
        .arg("--log")
        .arg(&log);
    let Err(failed) = command::run(command, Duration::from_secs(seconds + 5)).await else {
        return Ok(true);
    };
    let text = String::from_utf8_lossy(&fs::read(&log).unwrap_or_default()).into_owned()
        + &settings::log(place);
    if text.contains("could not create any TCP/IP sockets") {
        state.port = None;
        return Ok(false);
    }
    let passing =
        ["pre-existing shared memory block", "lock file \"postmaster.pid\" already exists"];
    if passing.iter().any(|reason| text.contains(reason)) {
        return Ok(false);
    }
    if Postmaster::find(&place.data).is_some() {
        // Slow, not dead: the caller's loop waits as long as it may.
        return Ok(true);
    }
    Err(Error::Program {
        program: "postgres".to_owned(),
        detail: format!("{failed} | {}", command::tail(&text)),
    })
}

/// The last port if it is free, so that addresses written down stay good; else one that the kernel chooses.
fn free_port(last: Option<u16>) -> std::io::Result<u16> {
    let bind = |port| TcpListener::bind((Ipv4Addr::LOCALHOST, port));
    let listener = match last.map(bind) {
        Some(Ok(listener)) => listener,
        _ => bind(0)?,
    };
    listener.local_addr().map(|address| address.port())
}
