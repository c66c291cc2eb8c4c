//! The edge over real TLS: who gets in, what a call may cost, and how it all ends.

mod admission;
mod bounds;
mod drain;
mod stage;
