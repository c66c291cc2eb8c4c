//! Serves HTTP/2 on the connections that the acceptor delivers, and ends in an orderly way.

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use axum::{
    extract::{Request, State},
    middleware::{self, Next},
    response::Response,
};
use tokio::{
    net::{TcpListener, TcpSocket},
    sync::{mpsc, watch},
    task::JoinHandle,
};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{
    service::Routes,
    transport::{Server, server::Router},
};

use super::{
    accept::Acceptor, body, handshakes::Handshakes, open::Connections, places::Places,
    tls::ListenerTls,
};
use crate::{
    authorization::{self, Door},
    caller::Role,
    config::Limits,
    deadline,
    observe::{self, InFlight},
};

/// Connections that wait to be served; the server takes them at once.
const ACCEPTED_QUEUE: usize = 64;

/// Connections that the system keeps until they are accepted.
const BACKLOG: u32 = 4_096;

/// How long nothing has to be in flight before a drain ends though peers keep their connections.
const QUIET: Duration = Duration::from_millis(500);

/// How long the connections get to end once they are cut.
const CUT: Duration = Duration::from_secs(1);

/// One listener, and everything that serves it.
pub(crate) struct Edge {
    address: SocketAddr,
    role: Role,
    in_flight: InFlight,
    stop: watch::Sender<bool>,
    kill: watch::Sender<bool>,
    accepting: JoinHandle<()>,
    serving: JoinHandle<Result<(), tonic::transport::Error>>,
}

impl Edge {
    /// Binds an address and serves the routes to callers of one role.
    pub(crate) fn start(
        address: SocketAddr,
        role: Role,
        routes: Routes,
        (tls, open): (watch::Receiver<Arc<ListenerTls>>, Connections),
        (limits, door): (&Limits, &Door),
    ) -> io::Result<Self> {
        let listener = listen(address)?;
        let address = listener.local_addr()?;
        let ((stop, stopped), (kill, killed)) = (watch::channel(false), watch::channel(false));
        let (accepted, incoming) = mpsc::channel(ACCEPTED_QUEUE);
        let acceptor = Acceptor {
            role,
            tls,
            places: Places::new(limits.connections, limits.connections_per_caller),
            handshake_timeout: limits.handshake_timeout(),
            // A fifth is plenty for whoever is in earnest; much less would cost more than it saves.
            handshakes: Handshakes::new(limits.handshake_timeout() / 5),
            open,
            kill: killed,
            accepted,
        };
        let accepting = tokio::spawn(acceptor.run(listener, stopped.clone()));
        let in_flight = InFlight::default();
        let steps =
            Steps { limits: limits.clone(), door: door.clone(), in_flight: in_flight.clone() };
        let layer = middleware::from_fn_with_state(Arc::new(steps), through);
        let server = server(routes.into_axum_router().layer(layer).into(), limits);
        let stopping = async move {
            let mut stopped = stopped;
            let _ = stopped.wait_for(|stop| *stop).await;
        };
        let incoming = ReceiverStream::new(incoming);
        let serving = tokio::spawn(server.serve_with_incoming_shutdown(incoming, stopping));
        Ok(Self { address, role, in_flight, stop, kill, accepting, serving })
    }

    /// The address that is bound.
    pub(crate) const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Stops accepting, lets calls end, and cuts what is left: at the latest `within`, or as soon
    /// as nothing is in flight. A silent peer, or one that watches the health, delays nothing.
    pub(crate) async fn drain(mut self, within: Duration) {
        self.stop.send_replace(true);
        tokio::select! {
            _ = &mut self.serving => return,
            () = self.in_flight.quiet_for(QUIET) => {}
            () = tokio::time::sleep(within) => {
                let count = self.in_flight.count();
                tracing::warn!(role = %self.role, count, "cut calls that did not end in time");
            }
        }
        self.kill.send_replace(true);
        if tokio::time::timeout(CUT, &mut self.serving).await.is_err() {
            self.serving.abort();
        }
    }
}

impl Drop for Edge {
    fn drop(&mut self) {
        self.kill.send_replace(true);
        self.accepting.abort();
        self.serving.abort();
    }
}

/// Listens with room for many who come at once; a system may allow fewer.
fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    // As any server does: the address is free again at once when the hub has ended.
    #[cfg(unix)]
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// What each call goes through before it comes to its service. One layer: each more would box the
/// call and copy it once again.
struct Steps {
    limits: Limits,
    door: Door,
    in_flight: InFlight,
}

/// From the outside in: count and time, bound and dress, authorize, apply the deadline.
async fn through(State(steps): State<Arc<Steps>>, request: Request, next: Next) -> Response {
    let Steps { limits, door, in_flight } = &*steps;
    observe::call(in_flight, request, async |request| {
        body::dress(limits, request, async |request| {
            authorization::authorize(door, request, async |request| {
                deadline::bound(limits, request, async |request| next.run(request).await).await
            })
            .await
        })
        .await
    })
    .await
}

/// HTTP/2 with its limits. tonic's own defaults switch the cap on locally reset streams off; its grace
/// for connections past their age would cut calls short.
fn server(routes: Routes, limits: &Limits) -> Router {
    Server::builder()
        .max_concurrent_streams(Some(limits.concurrent_streams))
        .http2_max_header_list_size(Some(limits.max_header_bytes))
        .http2_max_local_error_reset_streams(Some(1_024))
        .http2_max_pending_accept_reset_streams(Some(20))
        .max_connection_age(limits.connection_age())
        .http2_keepalive_interval(Some(Duration::from_secs(20)))
        .http2_keepalive_timeout(Some(Duration::from_secs(10)))
        .max_frame_size(Some(16_384))
        .initial_connection_window_size(Some(512 * 1_024))
        .initial_stream_window_size(Some(64 * 1_024))
        .add_routes(routes)
}
