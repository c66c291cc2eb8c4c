//! The hubs that a client may call, and its connections to them: calls take turns, pass over a hub
//! that is away or busy, and change to a renewed certificate without waiting for it.
//!
//! A connection is used only once its hub has answered on it. In TLS 1.3 a client learns that its
//! certificate is not admitted with the first answer; learned by a call, that would be the call's loss.

mod alert;
mod connection;
mod dial;
mod files;
mod hub;
mod line;

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use tokio::task::JoinSet;

use crate::{Error, Options, OptionsError, error::TransportError};
use files::Files;
use hub::Hub;

pub(crate) use dial::Unreachable;
pub(crate) use line::{Failure, Line, Renewed, Unanswered, Unsent};

/// All hubs of one client. Clones share them.
#[derive(Clone)]
pub(crate) struct Hubs(Arc<Inner>);

struct Inner {
    hubs: Vec<Arc<Hub>>,
    files: Arc<Files>,
    /// Whose turn it is.
    turn: AtomicUsize,
}

impl Hubs {
    /// Connects to one of them, so that wrong addresses and files show at once.
    pub(crate) async fn connect(options: &Options) -> Result<Self, Error> {
        if options.endpoints.is_empty() {
            return Err(OptionsError::Endpoint(String::new()).into());
        }
        let files = Arc::new(Files::of(options));
        // Made once here, so that bad files are told apart from a hub that is away.
        dial::tls(&files.paths)?;
        let hubs = options.endpoints.iter().map(|endpoint| {
            Ok(Arc::new(Hub::new(dial::Target::of(endpoint, options)?, Arc::clone(&files))))
        });
        let hubs = hubs.collect::<Result<Vec<_>, OptionsError>>()?;
        // Clients that start together do not begin with the same hub.
        let first = rand::random_range(0..hubs.len());
        let this = Self(Arc::new(Inner { hubs, files, turn: AtomicUsize::new(first) }));
        this.line().await.map_err(|unreachable| TransportError {
            endpoint: options.endpoints.join(", "),
            problem: unreachable.to_string(),
            not_admitted: matches!(unreachable, Unreachable::Shut(_)),
        })?;
        Ok(this)
    }

    /// A connection for the next call: the next hub's that has one, else the first that can be made.
    pub(crate) async fn line(&self) -> Result<Line, Unreachable> {
        self.0.files.look();
        let open = self.in_turn().find_map(|hub| {
            if hub.rests() {
                return None;
            }
            hub.open_and_kept_up().map(|connection| Line::on(hub, connection))
        });
        // Better one that has just said that it is busy than none.
        let open = open.or_else(|| self.in_turn().find_map(|hub| Some(Line::on(hub, hub.open()?))));
        match open {
            Some(line) => Ok(line),
            None => self.first_to_answer().await,
        }
    }

    /// Whether a call that one hub put off may go to another at once.
    pub(crate) fn elsewhere(&self) -> bool {
        self.0.hubs.len() > 1 && self.0.hubs.iter().any(|hub| !hub.rests())
    }

    async fn first_to_answer(&self) -> Result<Line, Unreachable> {
        let mut dialing = JoinSet::new();
        for hub in self.in_turn() {
            let hub = Arc::clone(hub);
            // In tasks of their own: a caller that hangs up leaves the connection to the next.
            let dialed = tokio::spawn(Arc::clone(&hub).dial());
            dialing.spawn(async move { (hub, dialed.await) });
        }
        let mut worst = None;
        while let Some(ended) = dialing.join_next().await {
            let Ok((hub, Ok(dialed))) = ended else { continue };
            match dialed {
                Ok(connection) => return Ok(Line::on(&hub, connection)),
                // One that is away may come back; one that wants none of us will not.
                Err(shut @ Unreachable::Shut(_)) => worst = worst.or(Some(shut)),
                Err(away) => worst = Some(away),
            }
        }
        Err(worst.unwrap_or_else(|| Unreachable::Away("the client is shutting down".to_owned())))
    }

    fn in_turn(&self) -> impl Iterator<Item = &Arc<Hub>> {
        let hubs = &self.0.hubs;
        let first = self.0.turn.fetch_add(1, Ordering::Relaxed);
        (0..hubs.len()).map(move |n| &hubs[first.wrapping_add(n) % hubs.len()])
    }
}

impl fmt::Debug for Hubs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.hubs.iter().map(|hub| hub.authority())).finish()
    }
}
