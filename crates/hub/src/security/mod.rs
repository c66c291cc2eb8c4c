//! Who calls, proven: tokens bound to certificates, what they are checked by, and how they are issued.
//!
//! The [`Guard`] checks each call by what is in force, which it keeps in memory and reads again
//! whenever the security epoch rises; [`Issuer`] gives tokens and signs them by a key of this hub.

mod bootstrap;
mod guard;
mod in_force;
mod issuer;
mod keeper;
mod rate;
mod session;
mod signer;
mod trail;

use jiff::Timestamp;

pub use bootstrap::{BootstrapError, bootstrap};
pub use guard::{Domain, Guard};
pub use in_force::InForce;
pub(crate) use issuer::asked;
pub use issuer::{Issued, Issuer};
pub(crate) use keeper::Keeper;
pub(crate) use rate::Rate;
pub use session::{Session, SessionEnd};
pub use signer::{Signer, SignerError};
pub use trail::Actor;
pub(crate) use trail::record;

/// The time of day. Certificates and tokens are of it, also in a simulation.
#[must_use]
#[expect(clippy::disallowed_methods, reason = "certificates and tokens are of the time of day")]
pub fn time_of_day() -> Timestamp {
    Timestamp::now()
}
