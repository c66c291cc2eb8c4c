//! The client: a channel, and how calls are retried on it.

use tonic::transport::Channel;

use crate::{AuthorizedChannel, Error, Options, Retry, connector};

/// One identity's connection to one hub. Clones share the connection.
#[derive(Clone, Debug)]
pub struct Client {
    pub(crate) channel: AuthorizedChannel,
    pub(crate) endpoint: String,
    pub(crate) retry: Retry,
}

impl Client {
    /// Connects, so that a wrong address or file shows at once. A connection that is lost later is
    /// made again by itself.
    ///
    /// # Errors
    /// `Options` for bad files and addresses, `Transport` where no hub answers.
    pub async fn connect(options: Options) -> Result<Self, Error> {
        let channel = connector::channel(&options).await?;
        let channel = match options.assertions() {
            Some(assertions) => {
                // Signed once here, so that bad files are told apart from a hub that is away.
                assertions.sign()?;
                AuthorizedChannel::new(channel, assertions)
            }
            None => AuthorizedChannel::bare(channel),
        };
        Ok(Self { channel, endpoint: options.endpoint, retry: options.retry })
    }

    /// A client on a channel that the caller made and secured; its calls carry no token.
    #[must_use]
    pub fn over(channel: Channel, endpoint: impl Into<String>, retry: Retry) -> Self {
        let channel = AuthorizedChannel::bare(channel);
        Self { channel, endpoint: endpoint.into(), retry }
    }

    /// The connection itself, for the generated clients of the contract: its calls carry the token,
    /// and nothing is retried there.
    #[must_use]
    pub fn channel(&self) -> AuthorizedChannel {
        self.channel.clone()
    }

    /// The same connection with other deadlines and attempts.
    #[must_use]
    pub fn with_retry(&self, retry: Retry) -> Self {
        Self { retry, ..self.clone() }
    }
}
