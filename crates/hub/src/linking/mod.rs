//! Linking members by proof: what a partner asserts of its own members, the codes that carry a wish
//! from one brand to another, and the key that keeps the codes out of the database.
//! `docs/linking.md` tells the story and its threats.

mod asserted;
mod code;
mod key;

pub use asserted::{Asserted, Linking};
pub use code::{CODE_CHARS, TypedCode};
pub use key::LinkKey;
