//! Webhooks: events sent to partners that cannot hold a stream.
//!
//! The courier reads each webhook's feed, makes deliveries of the events, and sends them until the
//! endpoint accepts them or three days have passed. Where a message goes is decided twice: by the
//! operators' list of hosts, and by the address that the host turns out to have.

mod address;
mod courier;
mod endpoint;
mod measure;
mod message;
mod sender;
mod signature;
mod visit;

pub use address::{Network, is_public};
pub(crate) use courier::Courier;
pub use endpoint::{AllowedHost, Endpoint, Host, UrlError};
pub use message::{Message, kind};
pub use sender::{Failure, Lane, RootsError, Sender, Signed};
pub use signature::{Secret, WebhookKey};
pub(crate) use visit::Desk;
