//! One hub: the connection to it, and whether it is better left alone for a while.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use http::uri::Authority;
use tokio::time::Instant;

use super::{
    Unreachable,
    connection::Connection,
    dial::{Target, dial},
    files::Files,
};
use crate::{Retry, retry::backoff};

/// How long a hub is passed over that says that it is busy or closing, where another is there.
const BUSY: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(30));

/// How soon a hub is dialed again that could not be reached.
const AGAIN: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(5));

/// One hub of a client's.
pub(crate) struct Hub {
    target: Target,
    files: Arc<Files>,
    state: Mutex<State>,
    /// Held by whoever dials; the others wait for what comes of it.
    dialing: tokio::sync::Mutex<()>,
}

#[derive(Default)]
struct State {
    current: Option<Connection>,
    busy_until: Option<Instant>,
    failures: u32,
    /// When dialing failed last, and why.
    failed: Option<(Instant, Unreachable)>,
    dial_from: Option<Instant>,
}

impl Hub {
    pub(super) fn new(target: Target, files: Arc<Files>) -> Self {
        let dialing = tokio::sync::Mutex::new(());
        Self { target, files, state: Mutex::default(), dialing }
    }

    pub(super) fn authority(&self) -> &Authority {
        &self.target.authority
    }

    /// Whether others are better asked now.
    pub(super) fn rests(&self) -> bool {
        let (now, state) = (Instant::now(), self.state());
        let later = |at: Option<Instant>| at.is_some_and(|at| at > now);
        later(state.busy_until) || state.open().is_none() && later(state.dial_from)
    }

    /// The connection, if it can take requests.
    pub(super) fn open(&self) -> Option<Connection> {
        self.state().open()
    }

    /// The same; and has one made, while nobody waits for it, where there is none or our files have
    /// changed since it was made.
    pub(super) fn open_and_kept_up(self: &Arc<Self>) -> Option<Connection> {
        let (open, dial_from) = {
            let state = self.state();
            (state.open(), state.dial_from)
        };
        let good = open.as_ref().is_some_and(|open| open.edition() >= self.files.edition());
        let may = dial_from.is_none_or(|from| from <= Instant::now());
        if !good && may && self.dialing.try_lock().is_ok() {
            tokio::spawn(Arc::clone(self).dial());
        }
        open
    }

    /// A connection by our files as they are now: the one there is, or one that is made.
    pub(super) async fn dial(self: Arc<Self>) -> Result<Connection, Unreachable> {
        let asked = Instant::now();
        let _dialing = self.dialing.lock().await;
        {
            let state = self.state();
            if let Some(open) = state.open()
                && open.edition() >= self.files.edition()
            {
                return Ok(open);
            }
            // Somebody has just tried, while this waited.
            if let Some((at, why)) = &state.failed
                && *at >= asked
            {
                return Err(why.clone());
            }
        }
        let dialed = dial(&self.target, &self.files).await;
        let mut state = self.state();
        match dialed {
            Ok(connection) => {
                let busy_until = state.busy_until;
                let current = Some(connection.clone());
                *state = State { current, busy_until, ..State::default() };
                Ok(connection)
            }
            Err(why) => {
                // What the hub shows now is what counts, also for a connection that there is.
                if matches!(why, Unreachable::Distrusted(_)) {
                    state.current = None;
                }
                let now = Instant::now();
                state.failures = state.failures.saturating_add(1);
                let (first_wait, longest_wait) = AGAIN;
                let waits = Retry { first_wait, longest_wait, ..Retry::default() };
                state.dial_from = Some(now + backoff(&waits, state.failures));
                state.failed = Some((now, why.clone()));
                let hub = self.authority();
                tracing::debug!(%hub, %why, "a hub cannot be reached");
                Err(why)
            }
        }
    }

    /// It said that it is busy or closing, and perhaps for how long.
    pub(super) fn is_busy(&self, asked: Option<Duration>) {
        let (least, most) = BUSY;
        let wait = asked.unwrap_or_default().clamp(least, most);
        self.state().busy_until = Some(Instant::now() + wait);
    }

    /// It answered, and is not busy.
    pub(super) fn is_well(&self) {
        let mut state = self.state();
        if state.busy_until.is_some() {
            state.busy_until = None;
        }
    }

    /// No more calls on this connection.
    pub(super) fn leave(&self, connection: &Connection) {
        let mut state = self.state();
        if state.current.as_ref().is_some_and(|current| current.is(connection)) {
            state.current = None;
        }
    }

    /// Whether our certificate has changed since it was shown on a connection.
    pub(super) async fn renewed_since(&self, connection: &Connection) -> bool {
        self.files.renewed_since(connection.shown()).await
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn open(&self) -> Option<Connection> {
        self.current.clone().filter(Connection::is_open)
    }
}
