//! What all long streams share: how many a partner may have open, an outbox that notices when
//! nobody reads, and the moments at which a stream has to end though its client would go on.

mod outbox;
mod places;

use std::time::Duration;

use entente_ledger::PartnerId;
use tokio::{sync::watch, time::Instant};
use tonic::Request;

use crate::{
    authorization::Permit,
    config::Limits,
    edge::{ConnectInfo, Fate},
    error::Refused,
    security::SessionEnd,
};

pub use outbox::{Inbox, Outbox, Stalled};
pub use places::{Place, Places};

/// The streams of one kind.
#[derive(Debug, Clone)]
pub struct Streams {
    places: Places,
    unread: Duration,
    draining: watch::Receiver<bool>,
}

/// When a stream ends whatever its client wants: the hub drains, the certificate or the token ends,
/// or the connection is cut.
#[derive(Debug)]
pub struct Ending {
    draining: watch::Receiver<bool>,
    valid_until: Option<Instant>,
    session: Option<SessionEnd>,
    fate: Fate,
}

impl Streams {
    /// Streams within the limits, which end when `draining` becomes true.
    #[must_use]
    pub fn new(limits: &Limits, draining: watch::Receiver<bool>) -> Self {
        let places = Places::new(limits.streams_per_partner);
        Self { places, unread: limits.stream_unread(), draining }
    }

    /// With so many for each partner.
    #[must_use]
    pub fn with_most(mut self, most: usize) -> Self {
        self.places = Places::new(most);
        self
    }

    /// Opens a stream for a partner, unless it has too many: where to put what is sent, what the
    /// RPC answers, and when it has to end.
    pub fn open<R, T>(
        &self,
        request: &Request<R>,
        partner: PartnerId,
    ) -> Result<(Outbox<T>, Inbox<T>, Ending), Refused> {
        let place = self.places.take(partner)?;
        let (outbox, inbox) = outbox::outbox(self.unread, place);
        let connection = request.extensions().get::<ConnectInfo>();
        let valid_until = connection.map(|connection| connection.valid_until);
        let fate = connection.map(|connection| connection.fate.clone()).unwrap_or_default();
        let session = request.extensions().get::<Permit>().and_then(Permit::session_end);
        let draining = self.draining.clone();
        Ok((outbox, inbox, Ending { draining, valid_until, session, fate }))
    }
}

impl Ending {
    /// Waits until the stream has to end, and says why.
    pub async fn reached(mut self) -> Refused {
        let certificate = async {
            match self.valid_until {
                Some(end) => tokio::time::sleep_until(end).await,
                None => std::future::pending().await,
            }
        };
        let session = async {
            match self.session {
                Some(session) => session.reached().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            // The hub keeps the sender as long as it runs.
            _ = self.draining.wait_for(|draining| *draining) => Refused::shutting_down(),
            () = certificate => Refused::unauthenticated(),
            refused = session => refused,
            () = self.fate.cut() => Refused::unauthenticated(),
        }
    }
}

#[cfg(test)]
mod tests {
    use entente_api::error::ErrorReason;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_stream_ends_with_its_certificate_or_with_the_hub() {
        let (drain, draining) = watch::channel(false);
        let valid_until = Some(Instant::now() + Duration::from_hours(1));
        let (session, fate) = (None, Fate::default());
        let ending = Ending { draining: draining.clone(), valid_until, session, fate };
        assert_eq!(ending.reached().await.reason(), ErrorReason::Unauthenticated);
        let ending = Ending { draining, valid_until: None, session: None, fate: Fate::default() };
        let ending = tokio::spawn(ending.reached());
        drain.send_replace(true);
        assert_eq!(ending.await.expect("no panic").reason(), ErrorReason::ShuttingDown);
    }
}
