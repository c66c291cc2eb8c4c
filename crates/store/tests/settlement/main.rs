//! Settlement and the check of the invariants, against a real PostgreSQL.

mod breaks;
mod cast;
mod check;
mod close;
mod crash;
mod lots;
mod merge;
mod payment;
mod recomputed;
mod statement;
