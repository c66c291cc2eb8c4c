//! Journeys through a real hub, over real mutual TLS, on a real database.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod caps;
mod clawback;
mod closing;
mod earning;
mod expiry;
mod holds;
mod once;
mod reading;
mod settling;
mod steps;
mod two_hubs;
