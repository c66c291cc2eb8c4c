//! Accepts connections and shakes hands, each in a task of its own and within a time.

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use entente_identity::Identity;
use jiff::Timestamp;
use rustls_pki_types::UnixTime;
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, mpsc, watch},
    time::Instant,
};
use tokio_rustls::{TlsAcceptor, server::TlsStream};

use super::{
    connection::{ConnectInfo, Connection},
    handshakes::Handshakes,
    open::{Connections, Fate},
    places::Places,
    tls::ListenerTls,
};
use crate::{
    caller::{Caller, OperatorName, Role},
    observe,
};

/// How long to wait when a connection cannot be accepted: mostly, file descriptors ran out.
const PAUSE: Duration = Duration::from_millis(50);

/// Accepts for one listener.
#[derive(Clone)]
pub(crate) struct Acceptor {
    pub(crate) role: Role,
    pub(crate) tls: watch::Receiver<Arc<ListenerTls>>,
    pub(crate) places: Places,
    pub(crate) handshake_timeout: Duration,
    pub(crate) handshakes: Handshakes,
    pub(crate) open: Connections,
    pub(crate) kill: watch::Receiver<bool>,
    pub(crate) accepted: mpsc::Sender<io::Result<Connection>>,
}

/// Why a connection came to nothing.
#[derive(Debug, thiserror::Error)]
enum Unfit {
    #[error("the handshake took too long")]
    Slow,
    #[error("the handshake took longer than others could wait for a place")]
    Dispensable,
    #[error("the handshake failed: {0}")]
    Handshake(#[from] io::Error),
    #[error("the certificate names nobody that this listener serves")]
    Nobody,
    #[error("the certificate would not be admitted any more: {0}")]
    Outdated(String),
    #[error("the caller has its share of connections already")]
    Share,
}

impl Acceptor {
    /// Accepts until stopped. A listener without free places leaves callers in the system's
    /// backlog, while handshakes that have had their time make room.
    pub(crate) async fn run(self, listener: TcpListener, mut stop: watch::Receiver<bool>) {
        let accepting = async {
            loop {
                match listener.accept().await {
                    Ok((stream, peer)) => {
                        let place = self.place().await;
                        tokio::spawn(self.clone().welcome(stream, peer, place));
                    }
                    Err(error) => {
                        tracing::warn!(%error, role = %self.role, "cannot accept a connection");
                        let room = self.handshakes.end_one();
                        let _ = tokio::time::timeout(PAUSE, room).await;
                    }
                }
            }
        };
        tokio::select! {
            () = accepting => {}
            _ = stop.wait_for(|stop| *stop) => {}
        }
    }

    /// A place for whoever has come: a free one, or that of a handshake which has had its time.
    async fn place(&self) -> OwnedSemaphorePermit {
        loop {
            tokio::select! {
                biased;
                place = self.places.any() => return place,
                () = self.handshakes.end_one() => {}
            }
        }
    }

    async fn welcome(self, stream: TcpStream, peer: SocketAddr, place: OwnedSemaphorePermit) {
        match self.connect(stream, peer, place).await {
            // The server is gone only when it drains.
            Ok(connection) => drop(self.accepted.send(Ok(connection)).await),
            Err(unfit) => {
                observe::connection_refused(self.role, unfit.label());
                tracing::info!(%peer, role = %self.role, reason = %unfit, "turned away a connection");
            }
        }
    }

    async fn connect(
        &self,
        stream: TcpStream,
        peer: SocketAddr,
        place: OwnedSemaphorePermit,
    ) -> Result<Connection, Unfit> {
        stream.set_nodelay(true)?;
        let tls = Arc::clone(&self.tls.borrow());
        let handshake = TlsAcceptor::from(Arc::clone(&tls.config)).accept(stream);
        let mut under_way = self.handshakes.begin(peer.ip());
        let stream = tokio::select! {
            finished = tokio::time::timeout(self.handshake_timeout, handshake) => {
                finished.map_err(|_| Unfit::Slow)??
            }
            () = under_way.given_up() => return Err(Unfit::Dispensable),
        };
        drop(under_way);
        let info = self.identify(&tls, &stream, peer).ok_or(Unfit::Nobody)?;
        let place = self.places.give(place, info.caller.clone()).ok_or(Unfit::Share)?;
        let chain = stream.get_ref().1.peer_certificates().ok_or(Unfit::Nobody)?;
        let registered = self.open.enter(info.clone(), chain);
        // What came into force since the handshake began has asked about the open connections
        // before this one was among them, or will.
        let newest = Arc::clone(&self.tls.borrow());
        if !Arc::ptr_eq(&tls, &newest) {
            let admitted = newest.verifier.still_admits(chain, UnixTime::now());
            admitted.map_err(Unfit::Outdated)?;
        }
        Ok(Connection::new(stream, info, self.kill.clone(), place, registered))
    }

    /// Who is at the other end. The verifier has checked the chain; this reads the leaf.
    fn identify(
        &self,
        tls: &ListenerTls,
        stream: &TlsStream<TcpStream>,
        peer: SocketAddr,
    ) -> Option<ConnectInfo> {
        let (_, session) = stream.get_ref();
        let certificate = tls.verifier.caller(session.peer_certificates()?).ok()?;
        let caller = match &certificate.identity {
            Identity::Partner(code) => Caller::Partner(code.as_str().parse().ok()?),
            Identity::Operator(name) => Caller::Operator(OperatorName::new(name.as_str())),
            Identity::Hub => return None,
        };
        // Both checks repeat the verifier's: this is the only place where a caller is made.
        (caller.role() == self.role).then_some(())?;
        #[expect(clippy::disallowed_methods, reason = "certificates are of the time of day")]
        let now = Timestamp::now();
        let left = certificate.not_after.duration_since(now);
        observe::certificate_ends(&caller.to_string(), "client", left.as_secs());
        let left = Duration::try_from(left).ok()?;
        let valid_until = Instant::now() + left;
        let (thumbprint, fate) = (certificate.thumbprint, Fate::default());
        Some(ConnectInfo { caller, thumbprint, valid_until, peer, fate })
    }
}

impl Unfit {
    const fn label(&self) -> &'static str {
        match self {
            Self::Slow => "timeout",
            Self::Dispensable => "dispensable",
            Self::Handshake(_) => "handshake",
            Self::Nobody => "identity",
            Self::Outdated(_) => "outdated",
            Self::Share => "share",
        }
    }
}
