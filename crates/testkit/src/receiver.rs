//! A partner's endpoint for webhooks: HTTPS on loopback, with a certificate of its own authority,
//! that answers as a test wants and remembers what it was sent.

use std::{
    fs, io,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use rustls::{ServerConfig, crypto::aws_lc_rs};
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::watch,
    task::JoinHandle,
};
use tokio_rustls::{TlsAcceptor, server::TlsStream};

/// How long a test waits for messages at most.
const PATIENCE: Duration = Duration::from_mins(1);
/// The longest request.
const MAX_REQUEST_BYTES: usize = 1_048_576;

/// What was sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Received {
    /// `webhook-id`.
    pub id: String,
    /// `webhook-timestamp`.
    pub timestamp: i64,
    /// `webhook-signature`.
    pub signature: String,
    /// The path, with its query.
    pub path: String,
    /// The body.
    pub body: Vec<u8>,
}

/// How the endpoint answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reply {
    /// By a status.
    Status(u16),
    /// By 302 and a place to go to.
    Redirect(String),
    /// Never.
    Silence,
    /// By a head that comes a byte at a time and never ends.
    Drip,
    /// By 200 and a body that never ends.
    Flood,
    /// By closing the connection.
    Hangup,
}

/// An endpoint, until it is dropped.
#[derive(Debug)]
pub struct Receiver {
    address: SocketAddr,
    folder: TempDir,
    shared: Arc<Shared>,
    accepting: JoinHandle<()>,
}

type Behavior = Box<dyn Fn(&Received) -> Reply + Send + Sync>;

struct Shared {
    behavior: Mutex<Behavior>,
    received: watch::Sender<Vec<Received>>,
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Shared({})", self.received.borrow().len())
    }
}

impl Receiver {
    /// An endpoint that accepts whatever comes.
    pub async fn start() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let acceptor = TlsAcceptor::from(Arc::new(certified(&folder.path().join("ca.pem"))));
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port of loopback");
        let address = listener.local_addr().expect("it is bound");
        let behavior: Behavior = Box::new(|_| Reply::Status(204));
        let received = watch::Sender::new(Vec::new());
        let shared = Arc::new(Shared { behavior: Mutex::new(behavior), received });
        let accepting = tokio::spawn(accept(listener, acceptor, Arc::clone(&shared)));
        Self { address, folder, shared, accepting }
    }

    /// The URL of a path: its host is `localhost`.
    #[must_use]
    pub fn url(&self, path: &str) -> String {
        format!("https://localhost:{}{path}", self.address.port())
    }

    /// Where it listens.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// The certificate of its authority, in PEM.
    #[must_use]
    pub fn authority(&self) -> PathBuf {
        self.folder.path().join("ca.pem")
    }

    /// Answers in another way from now on.
    pub fn reply(&self, behavior: impl Fn(&Received) -> Reply + Send + Sync + 'static) {
        let mut current = self.shared.behavior.lock().unwrap_or_else(PoisonError::into_inner);
        *current = Box::new(behavior);
    }

    /// What was sent so far, also what was not accepted.
    #[must_use]
    pub fn received(&self) -> Vec<Received> {
        self.shared.received.borrow().clone()
    }

    /// Waits until what was sent is enough.
    ///
    /// # Panics
    /// When it is not within a minute.
    pub async fn until(&self, enough: impl FnMut(&Vec<Received>) -> bool) -> Vec<Received> {
        let mut received = self.shared.received.subscribe();
        let waited = tokio::time::timeout(PATIENCE, received.wait_for(enough)).await;
        let waited = waited.unwrap_or_else(|_| panic!("{} messages came", self.received().len()));
        waited.expect("the sender is here").clone()
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

/// Makes an authority, writes its certificate, and has it vouch for `localhost` and `127.0.0.1`.
fn certified(authority: &Path) -> ServerConfig {
    let key = || KeyPair::generate().expect("a key");
    let named = |hosts: &[&str], name: &str| {
        let hosts: Vec<_> = hosts.iter().map(ToString::to_string).collect();
        let mut params = CertificateParams::new(hosts).expect("good names");
        params.distinguished_name.push(DnType::CommonName, name);
        params
    };
    let mut params = named(&[], "The receiver's authority");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let issuer = CertifiedIssuer::self_signed(params, key()).expect("an authority");
    fs::write(authority, issuer.pem()).expect("the folder can be written");
    let leaf_key = key();
    let leaf = named(&["localhost", "127.0.0.1"], "The receiver");
    let leaf = leaf.signed_by(&leaf_key, &issuer).expect("a certificate");
    let provider = Arc::new(aws_lc_rs::default_provider());
    let config =
        ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let config = config.expect("the provider has them").with_no_client_auth();
    let key = leaf_key.serialize_der().try_into().expect("a key in PKCS 8");
    config.with_single_cert(vec![leaf.der().clone()], key).expect("they belong together")
}

async fn accept(listener: TcpListener, acceptor: TlsAcceptor, shared: Arc<Shared>) {
    while let Ok((stream, _)) = listener.accept().await {
        let (acceptor, shared) = (acceptor.clone(), Arc::clone(&shared));
        tokio::spawn(async move {
            if let Ok(stream) = acceptor.accept(stream).await {
                // Whoever sends may go away at any moment.
                let _: io::Result<()> = serve(stream, &shared).await;
            }
        });
    }
}

async fn serve(mut stream: TlsStream<TcpStream>, shared: &Shared) -> io::Result<()> {
    let mut read = Vec::new();
    loop {
        let Some(received) = request(&mut stream, &mut read).await? else { return Ok(()) };
        let reply = {
            let behavior = shared.behavior.lock().unwrap_or_else(PoisonError::into_inner);
            behavior(&received)
        };
        shared.received.send_modify(|all| all.push(received));
        match reply {
            Reply::Status(status) => {
                let head = format!("HTTP/1.1 {status} Said\r\ncontent-length: 2\r\n\r\nok");
                let none = format!("HTTP/1.1 {status} Said\r\n\r\n");
                let answer = if status == 204 { none } else { head };
                stream.write_all(answer.as_bytes()).await?;
                stream.flush().await?;
            }
            Reply::Redirect(to) => {
                let head = format!("HTTP/1.1 302 Found\r\nlocation: {to}\r\n");
                stream.write_all(format!("{head}content-length: 0\r\n\r\n").as_bytes()).await?;
                stream.flush().await?;
            }
            Reply::Silence => std::future::pending().await,
            Reply::Drip => drip(&mut stream, b"HTTP/1.1 200 OK\r\nx: ", b"y").await?,
            Reply::Flood => {
                let head = b"HTTP/1.1 200 OK\r\ncontent-length: 999999999999\r\n\r\n";
                drip(&mut stream, head, &[b'z'; 16_384]).await?;
            }
            Reply::Hangup => return Ok(()),
        }
    }
}

/// Begins, and goes on with the same for ever.
async fn drip(stream: &mut TlsStream<TcpStream>, head: &[u8], piece: &[u8]) -> io::Result<()> {
    stream.write_all(head).await?;
    loop {
        stream.write_all(piece).await?;
        stream.flush().await?;
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// The next request of a connection; `None` at its end.
async fn request(
    stream: &mut TlsStream<TcpStream>,
    read: &mut Vec<u8>,
) -> io::Result<Option<Received>> {
    loop {
        if let Some((received, length)) = parse(read) {
            read.drain(..length);
            return Ok(Some(received));
        }
        assert!(read.len() < MAX_REQUEST_BYTES, "a request is bounded");
        if stream.read_buf(read).await? == 0 {
            return Ok(None);
        }
    }
}

/// A whole request at the beginning of what was read, and how long it is.
fn parse(read: &[u8]) -> Option<(Received, usize)> {
    let end = read.windows(4).position(|four| four == b"\r\n\r\n")? + 4;
    let head = String::from_utf8_lossy(&read[..end]).into_owned();
    let header = |name: &str| {
        let mut lines = head.lines().filter_map(|line| line.split_once(": "));
        lines.find(|(found, _)| found.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    };
    let length: usize = header("content-length")?.parse().expect("a length");
    let body = read.get(end..end + length)?.to_vec();
    let text = |name: &str| header(name).unwrap_or_default().to_owned();
    let received = Received {
        id: text("webhook-id"),
        timestamp: text("webhook-timestamp").parse().unwrap_or_default(),
        signature: text("webhook-signature"),
        path: head.split(' ').nth(1).unwrap_or_default().to_owned(),
        body,
    };
    Some((received, end + length))
}
