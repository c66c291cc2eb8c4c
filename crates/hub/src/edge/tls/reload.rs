//! Loading again: when a file changes, when somebody asks, and every minute, because time passes.
//! After each, every open connection is asked about again.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use jiff::Timestamp;
use rustls_pki_types::UnixTime;
use tokio::{
    sync::{mpsc, oneshot},
    time::Instant,
};

use super::{InForce, Loader, marks::Marks};
use crate::edge::{
    events::{CertificateEvent, CertificateEvents},
    open::Connections,
};

/// How often the files are looked at.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// How often they are loaded though none has changed.
const LOAD_EVERY: Duration = Duration::from_mins(1);

/// A wish to load at once; answered when that is done.
pub(crate) type Asked = oneshot::Sender<()>;

/// Keeps what is in force up to date.
pub(crate) struct Reloading {
    state: Arc<Mutex<State>>,
    asked: mpsc::Receiver<Asked>,
    events: CertificateEvents,
}

struct State {
    loader: Loader,
    in_force: InForce,
    open: Connections,
    /// The files as they were before they were read: what changes meanwhile is read again.
    seen: Option<Marks>,
    loaded_at: Instant,
}

impl Reloading {
    pub(crate) fn new(
        loader: Loader,
        in_force: InForce,
        open: Connections,
        events: CertificateEvents,
        asked: mpsc::Receiver<Asked>,
    ) -> Self {
        // Nothing is known of the files as they were when they were read first.
        let state = State { loader, in_force, open, seen: None, loaded_at: Instant::now() };
        Self { state: Arc::new(Mutex::new(state)), asked, events }
    }

    /// Loads whenever there is a reason, for ever.
    pub(crate) async fn run(mut self) {
        loop {
            let asked = tokio::select! {
                () = tokio::time::sleep(LOOK_EVERY) => None,
                Some(asked) = self.asked.recv() => Some(asked),
            };
            let (state, at_once) = (Arc::clone(&self.state), asked.is_some());
            let look = move || {
                // Whatever a panic left behind is what was in force.
                state.lock().unwrap_or_else(PoisonError::into_inner).look(at_once)
            };
            match tokio::task::spawn_blocking(look).await {
                Ok(events) => self.events.tell(events),
                Err(error) => tracing::error!(%error, "loading certificates failed"),
            }
            if let Some(asked) = asked {
                // Whoever asked may have gone.
                let _ = asked.send(());
            }
        }
    }
}

impl State {
    fn look(&mut self, at_once: bool) -> Vec<CertificateEvent> {
        let marks = Marks::of(self.loader.certificates()).ok();
        let due = self.loaded_at.elapsed() >= LOAD_EVERY;
        if marks == self.seen && !at_once && !due {
            return Vec::new();
        }
        self.seen = marks;
        self.loaded_at = Instant::now();
        #[expect(clippy::disallowed_methods, reason = "certificates are of the time of day")]
        let now = Timestamp::now();
        let (loaded, mut events) = self.loader.load(now);
        if let Some(loaded) = loaded {
            self.in_force.replace(loaded);
        }
        let cut = self.open.verify_again(|role| self.in_force.verifier(role), UnixTime::now());
        events.extend(cut);
        events
    }
}
