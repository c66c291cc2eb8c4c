//! A network between two parties that does what networks do: delays, cuts, resets, goes silent, and
//! loses a commit on the way to a database, or its answer.

use std::{
    net::SocketAddr,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{
        TcpListener, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::watch,
    task::JoinHandle,
};

/// What PostgreSQL is told at the end of a transaction.
const COMMIT: &[u8] = b"COMMIT\0";

/// What happens to all connections that are open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Blow {
    /// Both ends are told that it is over.
    Cut,
    /// Both ends are told that it never was.
    Reset,
    /// Neither end is told anything, and nothing arrives any more, until the next blow.
    Silence,
}

/// Where a commit is lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lost {
    /// Before the database has read it: nothing was done.
    Before,
    /// After: it is done, and nobody is told.
    After,
}

/// A network in front of one address, until it is dropped.
#[derive(Debug)]
pub struct Network {
    address: SocketAddr,
    state: Arc<State>,
    accepting: JoinHandle<()>,
}

#[derive(Debug)]
struct State {
    target: Mutex<SocketAddr>,
    blows: watch::Sender<(u64, Option<Blow>)>,
    delay_ms: AtomicU64,
    /// Commits that are still to be lost, by where.
    before: AtomicUsize,
    after: AtomicUsize,
    lost: AtomicUsize,
}

/// A connection whose commit was passed on, so that what comes back is not.
#[derive(Debug, Clone, Default)]
struct Swallowing(Arc<AtomicBool>);

impl Network {
    /// Forwards to an address.
    pub async fn to(target: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("it is bound");
        let state = Arc::new(State {
            target: Mutex::new(target),
            blows: watch::Sender::new((0, None)),
            delay_ms: AtomicU64::new(0),
            before: AtomicUsize::new(0),
            after: AtomicUsize::new(0),
            lost: AtomicUsize::new(0),
        });
        let shared = Arc::clone(&state);
        let accepting = tokio::spawn(async move {
            loop {
                // Where descriptors ran out, there will be some again.
                if let Ok((client, _)) = listener.accept().await {
                    tokio::spawn(forward(client, Arc::clone(&shared)));
                } else {
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
            }
        });
        Self { address, state, accepting }
    }

    /// Where to connect.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Forwards connections from now on to another address.
    pub fn turn_to(&self, target: SocketAddr) {
        *self.state.target.lock().unwrap_or_else(PoisonError::into_inner) = target;
    }

    /// Does something to all connections that are open.
    pub fn strike(&self, blow: Blow) {
        self.state.blows.send_modify(|(count, last)| {
            *count += 1;
            *last = Some(blow);
        });
    }

    /// Forwards whatever comes only after this long.
    pub fn delay(&self, by: Duration) {
        let by = u64::try_from(by.as_millis()).unwrap_or(u64::MAX);
        self.state.delay_ms.store(by, Ordering::Relaxed);
    }

    /// Loses the next so many commits, each with its connection.
    pub fn lose_commits(&self, lost: Lost, count: usize) {
        self.state.of(lost).fetch_add(count, Ordering::SeqCst);
    }

    /// How many commits were lost so far.
    #[must_use]
    pub fn lost(&self) -> usize {
        self.state.lost.load(Ordering::SeqCst)
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        self.accepting.abort();
        self.strike(Blow::Cut);
    }
}

impl State {
    const fn of(&self, lost: Lost) -> &AtomicUsize {
        match lost {
            Lost::Before => &self.before,
            Lost::After => &self.after,
        }
    }

    /// Whether this commit is to be lost, and where.
    fn loses(&self) -> Option<Lost> {
        [Lost::Before, Lost::After].into_iter().find(|lost| {
            let less = |left: usize| left.checked_sub(1);
            let taken = self.of(*lost).fetch_update(Ordering::SeqCst, Ordering::SeqCst, less);
            self.lost.fetch_add(usize::from(taken.is_ok()), Ordering::SeqCst);
            taken.is_ok()
        })
    }
}

async fn forward(client: TcpStream, state: Arc<State>) {
    let target = *state.target.lock().unwrap_or_else(PoisonError::into_inner);
    let mut blows = state.blows.subscribe();
    let Ok(server) = TcpStream::connect(target).await else { return };
    // Each chunk is one of the network's own packets.
    if client.set_nodelay(true).is_err() || server.set_nodelay(true).is_err() {
        return;
    }
    let ((mut from_client, mut to_client), (mut from_server, mut to_server)) =
        (client.into_split(), server.into_split());
    let swallowing = Swallowing::default();
    let blow = tokio::select! {
        () = requests(&mut from_client, &mut to_server, &state, &swallowing) => None,
        () = answers(&mut from_server, &mut to_client, &state, &swallowing) => None,
        struck = blows.changed() => struck.ok().and_then(|()| blows.borrow_and_update().1),
    };
    let blow = match blow {
        // Open at both ends, and nobody reads.
        Some(Blow::Silence) => blows.changed().await.ok().and_then(|()| blows.borrow().1),
        other => other,
    };
    if blow == Some(Blow::Reset) {
        for end in [from_client.as_ref(), from_server.as_ref()] {
            // An end that is gone needs no reset.
            let _ = end.set_zero_linger();
        }
    }
}

/// Passes on what the caller sends, until an end.
async fn requests(
    from: &mut OwnedReadHalf,
    to: &mut OwnedWriteHalf,
    state: &State,
    swallowing: &Swallowing,
) {
    let mut buffer = vec![0; 16_384];
    while let Ok(read @ 1..) = from.read(&mut buffer).await {
        let chunk = &buffer[..read];
        if chunk.windows(COMMIT.len()).any(|found| found == COMMIT) {
            match state.loses() {
                Some(Lost::Before) => return,
                Some(Lost::After) => swallowing.0.store(true, Ordering::SeqCst),
                None => {}
            }
        }
        pause(state).await;
        if to.write_all(chunk).await.is_err() {
            return;
        }
    }
}

/// Passes on what is answered, until an end.
async fn answers(
    from: &mut OwnedReadHalf,
    to: &mut OwnedWriteHalf,
    state: &State,
    swallowing: &Swallowing,
) {
    let mut buffer = vec![0; 16_384];
    while let Ok(read @ 1..) = from.read(&mut buffer).await {
        pause(state).await;
        if swallowing.0.load(Ordering::SeqCst) || to.write_all(&buffer[..read]).await.is_err() {
            return;
        }
    }
}

async fn pause(state: &State) {
    let delay = state.delay_ms.load(Ordering::Relaxed);
    if delay > 0 {
        tokio::time::sleep(Duration::from_millis(delay)).await;
    }
}
