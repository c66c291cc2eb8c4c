//! Loading again: when a file changes, when somebody asks, and every minute, because time passes.
//! After each, every open connection is asked about again. By a clock that the database's contradicts,
//! none of this is done: it would cut whoever it takes for not valid yet.

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
use crate::{
    authorization::Door,
    edge::{
        events::{CertificateEvent, CertificateEvents},
        open::Connections,
    },
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
    door: Door,
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
        door: Door,
    ) -> Self {
        // Nothing is known of the files as they were when they were read first.
        let state = State { loader, in_force, open, seen: None, loaded_at: Instant::now() };
        Self { state: Arc::new(Mutex::new(state)), asked, events, door }
    }

    /// Loads whenever there is a reason, for ever.
    pub(crate) async fn run(mut self) {
        let mut wished = false;
        loop {
            let asked = tokio::select! {
                () = tokio::time::sleep(LOOK_EVERY) => None,
                Some(asked) = self.asked.recv() => Some(asked),
            };
            wished |= asked.is_some();
            let is_due = wished || self.on_state(|state| state.is_due()).await.unwrap_or(true);
            if !is_due || !self.door.knows_the_time().await {
                continue;
            }
            wished = false;
            if let Some(events) = self.on_state(State::load).await {
                self.events.tell(events);
            }
            if let Some(asked) = asked {
                // Whoever asked may have gone.
                let _ = asked.send(());
            }
        }
    }

    /// Works with files, where this may take time; nothing where it panics.
    async fn on_state<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut State) -> T + Send + 'static,
    ) -> Option<T> {
        let state = Arc::clone(&self.state);
        // Whatever a panic left behind is what was in force.
        let worked = move || work(&mut state.lock().unwrap_or_else(PoisonError::into_inner));
        let worked = tokio::task::spawn_blocking(worked).await;
        worked.inspect_err(|error| tracing::error!(%error, "loading certificates failed")).ok()
    }
}

impl State {
    /// Whether a file has changed, or time has passed.
    fn is_due(&self) -> bool {
        self.loaded_at.elapsed() >= LOAD_EVERY
            || Marks::of(self.loader.certificates()).ok() != self.seen
    }

    fn load(&mut self) -> Vec<CertificateEvent> {
        self.seen = Marks::of(self.loader.certificates()).ok();
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
