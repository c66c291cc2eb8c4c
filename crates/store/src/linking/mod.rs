//! Links as they come and go: one partner's own, the codes by which two brands come to share a
//! member, and how many codes were tried.

mod codes;
mod links;
mod merges;
mod tries;

pub use codes::{
    CodeKey, CodeState, LinkCode, Merging, Redeemed, confirm, find, forget_expired, insert, lock,
};
pub use codes::{end, redeem};
pub use links::{
    ConsentKind, FoundLink, find_link, hold_back, hold_back_everywhere, link_by_token, lock_head,
    record_consent, remove,
};
pub use merges::{Merge, MergeBy, end_merge, find_merge, record_merge};
pub use tries::{HUB, count_try, forget_tries, tries};
