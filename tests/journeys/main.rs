//! Journeys through a real hub, over real mutual TLS, on a real database.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod earning;
mod once;
mod reading;
mod settling;
mod two_hubs;
