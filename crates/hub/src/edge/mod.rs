//! The edge: our own listeners. A connection is known, verified and counted before HTTP/2 begins.
//!
//! tonic's own listener has no handshake timeout, no reload of certificates and no cap, spins when
//! file descriptors run out, and cannot end a drain: so it gets finished connections through a
//! channel, and nothing else.

mod accept;
mod body;
mod connection;
mod events;
mod handshakes;
mod open;
mod places;
mod serve;
mod tls;

pub(crate) use body::{Keeping, answer};
pub use connection::ConnectInfo;
pub use events::{CertificateEvent, CertificateEvents, What};
pub use open::{Connections, Fate};
pub(crate) use serve::Edge;
pub(crate) use tls::{Asked, InForce, Loader, Reloading};
pub use tls::{Certificates, CertificatesError};
