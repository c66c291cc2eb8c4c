//! Settlement in the database: positions and exposures as they stand, closing a window, what
//! partners paid, statements of closed windows, and what partners' own records differ in.

mod adjust;
pub mod agreement;
pub(crate) mod arrangement;
mod balances;
pub mod bank;
mod close;
pub mod convert;
mod correct;
pub mod disputes;
mod exposures;
pub mod floats;
mod names;
mod obligations;
mod payment;
pub(crate) mod position;
pub mod reconciliation;
pub mod reports;
pub mod statement;
mod windows;

pub use adjust::{Announcement, announce};
pub use arrangement::{InForce, arrange, arrangement_in_force};
pub use close::{Close, Closed, Done, close_window};
pub use correct::{Corrected, Correction, correct};
pub use exposures::{
    Exposures, computed as computed_exposures, exposures, keep_told, kept as kept_exposures,
};
pub use obligations::{Obligation, obligations, obligations_by_id};
pub use payment::{ExceedsObligation, Paid, Part, Payment, pay, record_payment};
pub use position::{Position, WindowChoice, position};
pub use windows::{ListedWindow, WindowPools, list_windows, window_by_name, window_name};
