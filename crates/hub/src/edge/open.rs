//! The open connections, each with a switch of its own: for certificates that are revoked, or whose
//! roots are trusted no more, while somebody is connected with them.

use std::{
    collections::HashMap,
    future,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use entente_identity::EntenteClientVerifier;
use rustls_pki_types::{CertificateDer, UnixTime};
use tokio::sync::watch;

use super::{
    ConnectInfo,
    events::{CertificateEvent, What},
};
use crate::caller::Role;

/// Every open connection of a hub, at both listeners. Clones share them.
#[derive(Debug, Clone, Default)]
pub struct Connections(Arc<Mutex<Open>>);

#[derive(Debug, Default)]
struct Open {
    next: u64,
    entries: HashMap<u64, Entry>,
}

#[derive(Debug)]
struct Entry {
    info: ConnectInfo,
    chain: Chain,
}

/// What the client sent, leaf first.
type Chain = Arc<[CertificateDer<'static>]>;

/// Whether a connection was cut. Shared by the connection and every request that came over it.
#[derive(Debug, Clone, Default)]
pub struct Fate(Arc<watch::Sender<bool>>);

/// A place in the register, until it is dropped.
#[derive(Debug)]
pub(crate) struct Registered {
    number: u64,
    open: Connections,
}

impl Fate {
    /// Whether the connection was cut: no call is served on it any more.
    #[must_use]
    pub fn is_cut(&self) -> bool {
        *self.0.borrow()
    }

    /// Waits until the connection is cut; for streams, which then end.
    pub async fn cut(&self) {
        if self.0.subscribe().wait_for(|cut| *cut).await.is_err() {
            // The sender lives in self.
            future::pending::<()>().await;
        }
    }

    fn seal(&self) -> bool {
        !self.0.send_replace(true)
    }
}

impl Connections {
    /// Cuts those connections for which `which` is true; answers how many. Calls on them are refused
    /// at once, streams end after what they accepted, and a moment later the connections are gone.
    pub fn cut(&self, mut which: impl FnMut(&ConnectInfo) -> bool, reason: &str) -> usize {
        let open = self.lock();
        let mut count = 0;
        for entry in open.entries.values().filter(|entry| which(&entry.info)) {
            count += usize::from(entry.info.fate.seal());
        }
        drop(open);
        if count > 0 {
            tracing::warn!(count, reason, "cut open connections");
        }
        count
    }

    /// How many there are for which `which` is true.
    #[must_use]
    pub fn count(&self, mut which: impl FnMut(&ConnectInfo) -> bool) -> usize {
        self.lock().entries.values().filter(|entry| which(&entry.info)).count()
    }

    /// Enters a connection. Whoever enters one has to ask the newest verifier afterwards: it may
    /// have come between the handshake and this.
    pub(crate) fn enter(&self, info: ConnectInfo, chain: &[CertificateDer<'_>]) -> Registered {
        let chain = chain.iter().map(|one| one.clone().into_owned()).collect();
        let mut open = self.lock();
        let number = open.next;
        open.next += 1;
        open.entries.insert(number, Entry { info, chain });
        Registered { number, open: self.clone() }
    }

    /// Asks about every open connection again, once for each chain, and cuts those that would not be
    /// admitted now.
    pub(crate) fn verify_again(
        &self,
        verifier: impl Fn(Role) -> Arc<EntenteClientVerifier>,
        now: UnixTime,
    ) -> Vec<CertificateEvent> {
        let mut chains: HashMap<(Role, Chain), Vec<ConnectInfo>> = HashMap::new();
        for entry in self.lock().entries.values().filter(|entry| !entry.info.fate.is_cut()) {
            let key = (entry.info.caller.role(), Arc::clone(&entry.chain));
            chains.entry(key).or_default().push(entry.info.clone());
        }
        let mut events = Vec::new();
        for ((role, chain), connections) in chains {
            // Signatures are verified here: nobody waits for the lock meanwhile.
            let Err(reason) = verifier(role).still_admits(&chain, now) else { continue };
            let count = connections.iter().filter(|info| info.fate.seal()).count();
            if let Some(info) = connections.first() {
                let (owner, thumbprint) = (info.caller.to_string(), info.thumbprint);
                let event =
                    CertificateEvent { owner, what: What::Cut { thumbprint, count, reason } };
                event.tell();
                events.push(event);
            }
        }
        events
    }

    fn lock(&self) -> MutexGuard<'_, Open> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Registered {
    fn drop(&mut self) {
        self.open.lock().entries.remove(&self.number);
    }
}

#[cfg(test)]
mod tests {
    use std::{net::SocketAddr, time::Duration};

    use entente_identity::Thumbprint;
    use tokio::time::Instant;

    use super::*;
    use crate::caller::Caller;

    fn info(code: &str, thumbprint: u8) -> ConnectInfo {
        ConnectInfo {
            caller: Caller::Partner(code.parse().expect("a good code")),
            thumbprint: Thumbprint::from_bytes([thumbprint; 32]),
            valid_until: Instant::now() + Duration::from_hours(1),
            peer: SocketAddr::from(([127, 0, 0, 1], 1)),
            fate: Fate::default(),
        }
    }

    #[tokio::test]
    async fn a_cut_is_of_those_that_are_named_and_of_them_once() {
        let open = Connections::default();
        let (harbor, rover) = (info("harbor-hotels", 1), info("rover-rides", 2));
        let (here, _there) = (open.enter(harbor.clone(), &[]), open.enter(rover.clone(), &[]));
        let denied = |info: &ConnectInfo| info.thumbprint == Thumbprint::from_bytes([1; 32]);
        assert_eq!(open.cut(denied, "denied"), 1);
        assert_eq!(open.cut(denied, "denied"), 0);
        harbor.fate.cut().await;
        assert!(harbor.fate.is_cut() && !rover.fate.is_cut());
        drop(here);
        assert_eq!(open.count(|_| true), 1);
    }
}
