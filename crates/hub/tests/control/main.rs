//! Control writes and reads of members on a real PostgreSQL, behind the wire.

mod bounds;
mod members;
mod once;
mod partners;
mod signing;
mod stage;
