#![doc = include_str!("../README.md")]

pub mod archive;
pub mod batch;
pub mod catalogue;
pub mod check;
pub mod clock;
mod codes;
pub mod control;
pub mod erasing;
mod error;
pub mod exporting;
pub mod feed;
pub mod history;
mod ledger;
pub mod linking;
pub mod member;
pub mod notices;
pub mod personal;
pub mod proposals;
mod requests;
pub mod security;
pub mod settlement;
pub mod sweep;
pub mod webhooks;

pub use clock::LedgerKind;
pub use error::{Cure, StoreError, sqlstate_class};
pub use ledger::{
    LedgerOptions, RUNTIME_ROLE, checkpoint, connect, connect_by_key, connect_in_order,
    ensure_months, ledger_kind, migrate,
};
pub use notices::{Notice, NoticeKind};
pub use requests::{
    Earlier, Outcome, Place, RequestRow, ResolvedLink, ResolvedOriginal, outcomes, resolve_links,
    resolve_originals,
};
