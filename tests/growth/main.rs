//! What must not grow with the load. A test binary of its own, because metrics belong to a process.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod round_trips;
