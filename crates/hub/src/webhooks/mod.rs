//! Webhooks: events sent to partners that cannot hold a stream.

mod address;
mod endpoint;
mod message;
mod sender;
mod signature;

pub use address::{Network, is_public};
pub use endpoint::{AllowedHost, Endpoint, Host, UrlError};
pub use message::{Message, kind};
pub use sender::{Failure, Lane, RootsError, Sender, Signed};
pub use signature::{Secret, WebhookKey};
