//! A TCP proxy that cuts connections, as networks do.

use std::{
    collections::VecDeque,
    net::SocketAddr,
    sync::{
        Arc, Mutex, PoisonError, Weak,
        atomic::{AtomicUsize, Ordering},
    },
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

/// How many bytes of a connection still pass.
type Left = Mutex<usize>;

/// A proxy in front of one address, until it is dropped.
#[derive(Debug)]
pub struct Proxy {
    address: SocketAddr,
    target: Arc<Mutex<SocketAddr>>,
    cut: watch::Sender<u64>,
    cuts: Arc<AtomicUsize>,
    accepted: Arc<AtomicUsize>,
    open: Arc<Mutex<Vec<Weak<Left>>>>,
    accepting: JoinHandle<()>,
}

impl Proxy {
    /// Forwards to an address. The first connection is cut after the first number of bytes, those
    /// of both directions counted, the second after the second, and those after them not at all.
    pub async fn cutting(target: SocketAddr, after_bytes: Vec<usize>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("it is bound");
        let cut = watch::Sender::new(0);
        let cuts = Arc::new(AtomicUsize::new(0));
        let target = Arc::new(Mutex::new(target));
        let accepted = Arc::new(AtomicUsize::new(0));
        let open = Arc::new(Mutex::new(Vec::new()));
        let opened = Arc::clone(&open);
        let (watched, counted, towards) = (cut.clone(), Arc::clone(&cuts), Arc::clone(&target));
        let arrived = Arc::clone(&accepted);
        let accepting = tokio::spawn(async move {
            let mut after_bytes = VecDeque::from(after_bytes);
            while let Ok((client, _)) = listener.accept().await {
                arrived.fetch_add(1, Ordering::SeqCst);
                let left = Arc::new(Mutex::new(after_bytes.pop_front().unwrap_or(usize::MAX)));
                opened.lock().unwrap_or_else(PoisonError::into_inner).push(Arc::downgrade(&left));
                let cut = watched.subscribe();
                let target = *towards.lock().unwrap_or_else(PoisonError::into_inner);
                tokio::spawn(forward(client, target, left, cut, Arc::clone(&counted)));
            }
        });
        Self { address, target, cut, cuts, accepted, open, accepting }
    }

    /// Forwards to an address, and cuts when it is told to.
    pub async fn to(target: SocketAddr) -> Self {
        Self::cutting(target, Vec::new()).await
    }

    /// Where to connect.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Forwards connections from now on to another address.
    pub fn turn_to(&self, target: SocketAddr) {
        *self.target.lock().unwrap_or_else(PoisonError::into_inner) = target;
    }

    /// Cuts all connections that are open.
    pub fn cut(&self) {
        self.cut.send_modify(|count| *count += 1);
    }

    /// Cuts each connection that is open after so many bytes more, those of both directions counted.
    pub fn cut_after(&self, bytes: usize) {
        for left in self.open.lock().unwrap_or_else(PoisonError::into_inner).drain(..) {
            if let Some(left) = left.upgrade() {
                *left.lock().unwrap_or_else(PoisonError::into_inner) = bytes;
            }
        }
    }

    /// How many connections were made so far.
    #[must_use]
    pub fn accepted(&self) -> usize {
        self.accepted.load(Ordering::SeqCst)
    }

    /// How many connections were cut.
    #[must_use]
    pub fn cuts(&self) -> usize {
        self.cuts.load(Ordering::SeqCst)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.accepting.abort();
        self.cut();
    }
}

async fn forward(
    client: TcpStream,
    target: SocketAddr,
    left: Arc<Left>,
    mut cut: watch::Receiver<u64>,
    cuts: Arc<AtomicUsize>,
) {
    let Ok(server) = TcpStream::connect(target).await else { return };
    let ((from_client, to_client), (from_server, to_server)) =
        (client.into_split(), server.into_split());
    let was_cut = tokio::select! {
        cut = pipe(from_client, to_server, &left) => cut,
        cut = pipe(from_server, to_client, &left) => cut,
        _ = cut.changed() => true,
    };
    cuts.fetch_add(usize::from(was_cut), Ordering::SeqCst);
}

/// Copies until an end, or until no bytes are left, which is a cut.
async fn pipe(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, left: &Left) -> bool {
    let mut buffer = vec![0; 8_192];
    loop {
        let Ok(read @ 1..) = from.read(&mut buffer).await else { return false };
        let (passed, over) = {
            let mut left = left.lock().unwrap_or_else(PoisonError::into_inner);
            let passed = read.min(*left);
            *left -= passed;
            (passed, *left == 0)
        };
        if to.write_all(&buffer[..passed]).await.is_err() {
            return false;
        }
        if over {
            return true;
        }
    }
}
