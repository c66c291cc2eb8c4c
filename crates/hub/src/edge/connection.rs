//! One accepted connection, and who is at its other end.

use std::{
    future::Future,
    io,
    net::SocketAddr,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use entente_identity::Thumbprint;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
    sync::watch,
    time::{Instant, Sleep},
};
use tokio_rustls::server::TlsStream;
use tonic::transport::server::Connected;

use super::{
    open::{Fate, Registered},
    places::Place,
};
use crate::{caller::Caller, observe};

/// How long a connection that was cut may still carry answers to what it had accepted.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// How long a peer may go on sending after everything was written to it, before it is closed on it.
const LINGER: Duration = Duration::from_secs(2);

/// What is read at once of what nobody needs any more.
const DISCARDED_AT_ONCE: usize = 4_096;

/// What is known of a connection. It is an extension of every request that comes over it.
#[derive(Debug, Clone)]
pub struct ConnectInfo {
    /// Whom the verified certificate names.
    pub caller: Caller,
    /// The certificate, to which tokens are bound and by which it is revoked.
    pub thumbprint: Thumbprint,
    /// When the certificate ends; no call is served after it.
    pub valid_until: Instant,
    /// From where.
    pub peer: SocketAddr,
    /// Whether it was cut.
    pub fate: Fate,
}

/// A connection whose handshake is done. It holds its place under the cap until it is dropped, and
/// reads fail as soon as the kill switch is thrown.
pub(crate) struct Connection {
    stream: Box<TlsStream<TcpStream>>,
    info: ConnectInfo,
    /// `None` once the kill switch was thrown.
    alive: Option<Killed>,
    /// How long it still lasts, once everything is written.
    lingering: Option<Pin<Box<Sleep>>>,
    _place: Place,
    _registered: Registered,
}

type Killed = Pin<Box<dyn Future<Output = ()> + Send>>;

impl Connection {
    pub(crate) fn new(
        stream: TlsStream<TcpStream>,
        info: ConnectInfo,
        mut kill: watch::Receiver<bool>,
        place: Place,
        registered: Registered,
    ) -> Self {
        let fate = info.fate.clone();
        let cut = async move {
            fate.cut().await;
            tokio::time::sleep(LAST_WORDS).await;
        };
        let killed: Killed = Box::pin(async move {
            tokio::select! {
                // The edge keeps the sender as long as it runs; when it is gone, so is the
                // connection.
                _ = kill.wait_for(|killed| *killed) => {}
                () = cut => {}
            }
        });
        observe::connections(info.caller.role(), 1.0);
        Self {
            stream: Box::new(stream),
            info,
            alive: Some(killed),
            lingering: None,
            _place: place,
            _registered: registered,
        }
    }

    /// The stream, unless the switch was thrown. Asked before every read and write, since a peer
    /// that reads nothing would otherwise keep its connection.
    fn stream(&mut self, context: &mut Context<'_>) -> io::Result<Pin<&mut TlsStream<TcpStream>>> {
        let killed =
            self.alive.as_mut().is_none_or(|alive| alive.as_mut().poll(context).is_ready());
        if killed {
            self.alive = None;
            return Err(io::ErrorKind::ConnectionAborted.into());
        }
        Ok(Pin::new(&mut self.stream))
    }

    /// Reads and drops what the peer still sends, until it ends too or has had its time. If we closed
    /// first, the system would answer its bytes by a reset, and of that a peer may lose what it had
    /// not read yet: why its stream has ended.
    fn poll_linger(&mut self, context: &mut Context<'_>) -> Poll<()> {
        // Asked first: what is read below may use up this poll's budget, and then no timer is looked at.
        let over =
            self.lingering.as_mut().is_none_or(|time| time.as_mut().poll(context).is_ready());
        if over {
            return Poll::Ready(());
        }
        let Ok(stream) = self.stream(context) else { return Poll::Ready(()) };
        let (socket, _) = stream.get_mut().get_mut();
        let mut discarded = [0; DISCARDED_AT_ONCE];
        loop {
            let mut buffer = ReadBuf::new(&mut discarded);
            match Pin::new(&mut *socket).poll_read(context, &mut buffer) {
                Poll::Ready(Ok(())) if !buffer.filled().is_empty() => {}
                Poll::Ready(_) => return Poll::Ready(()),
                Poll::Pending => return Poll::Pending,
            }
        }
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        observe::connections(self.info.caller.role(), -1.0);
    }
}

impl Connected for Connection {
    type ConnectInfo = ConnectInfo;

    fn connect_info(&self) -> ConnectInfo {
        self.info.clone()
    }
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.stream(context)?.poll_read(context, buffer)
    }
}

impl AsyncWrite for Connection {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.stream(context)?.poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.stream(context)?.poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.lingering.is_none() {
            ready!(self.stream(context)?.poll_shutdown(context))?;
            self.lingering = Some(Box::pin(tokio::time::sleep(LINGER)));
        }
        self.poll_linger(context).map(Ok)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.stream(context)?.poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}
