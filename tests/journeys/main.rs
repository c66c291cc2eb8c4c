//! Journeys through a real hub, over real mutual TLS, on a real database.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod authorization;
mod caps;
mod certificates;
mod clawback;
mod closing;
mod control_refusals;
mod credentials;
mod earning;
mod events;
mod exchanging;
mod expiry;
mod gift_refusals;
mod gifts;
mod holds;
mod limits;
mod malformed;
mod once;
mod proposals;
mod proposals_refused;
mod published;
mod purchases;
mod python;
mod reading;
mod refusals;
mod reused_ids;
mod revocation;
mod roles;
mod rotation;
mod sandbox;
mod settling;
mod steps;
mod streaming;
mod streaming_ends;
mod streaming_resumes;
mod sweeps;
mod tokens;
mod tokens_end;
mod two_hubs;
mod visibility;
mod watching;
mod webhooks;
mod wire;
