#![doc = include_str!("../README.md")]

pub mod batch;
pub mod clock;
mod codes;
pub mod control;
mod error;
mod ledger;
mod requests;

<<<<<<< HEAD
pub use clock::LedgerKind;
pub use error::{Cure, StoreError, sqlstate_class};
pub use ledger::{LedgerOptions, RUNTIME_ROLE, connect, ensure_months, ledger_kind, migrate};
=======
pub use error::{Cure, StoreError};
pub use ledger::{
    LedgerInfo, LedgerOptions, RUNTIME_ROLE, connect, ensure_months, ledger_info, migrate,
};
>>>>>>> dfade36 (Prepare the batch's queries against PostgreSQL)
pub use requests::{
    Outcome, Place, RequestRow, ResolvedLink, ResolvedOriginal, outcomes, resolve_links,
    resolve_originals,
};
