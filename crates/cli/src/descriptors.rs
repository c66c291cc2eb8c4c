//! How many files and connections this process may have open.

use rustix::process::{Resource, getrlimit, setrlimit};

/// Takes as many descriptors as the system allows. What a process gets unasked is often 1,024, fewer than
/// a hub may have connections; the rest is there for whoever asks.
pub(crate) fn take_all() {
    let mut limit = getrlimit(Resource::Nofile);
    if limit.current == limit.maximum {
        return;
    }
    limit.current = limit.maximum;
    if let Err(error) = setrlimit(Resource::Nofile, limit) {
        tracing::warn!(%error, "no more file descriptors can be had");
    }
}
