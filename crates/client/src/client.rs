//! The client: a channel, and how calls are retried on it.

use tonic::transport::Channel;

use entente_api::member::{LinkMemberRequest, LinkMemberResponse};
use entente_identity::jwt::Consent;

use crate::{AuthorizedChannel, Error, MemberSigner, Options, OptionsError, Retry, hubs::Hubs};

/// One identity's connections to the hubs of one ledger. Clones share them.
#[derive(Clone, Debug)]
pub struct Client {
    pub(crate) channel: AuthorizedChannel,
    pub(crate) endpoint: String,
    pub(crate) retry: Retry,
    pub(crate) signer: Option<MemberSigner>,
}

impl Client {
    /// Connects, so that a wrong address or file shows at once: to one hub, if several are named. A
    /// connection that is lost later is made again by itself, and so is each when the certificate is
    /// renewed.
    ///
    /// # Errors
    /// `Options` for bad files and addresses, `Transport` where no hub answers.
    pub async fn connect(options: Options) -> Result<Self, Error> {
        let hubs = Hubs::connect(&options).await?;
        let assertions = options.assertions();
        // Opened once here, so that bad files are told apart from a hub that is away.
        let signer = assertions.as_ref().map(MemberSigner::open).transpose()?;
        let channel = AuthorizedChannel::over(hubs, assertions);
        Ok(Self { channel, endpoint: options.endpoints.join(", "), retry: options.retry, signer })
    }

    /// A client on a channel that the caller made and secured; its calls carry no token.
    #[must_use]
    pub fn over(channel: Channel, endpoint: impl Into<String>, retry: Retry) -> Self {
        let channel = AuthorizedChannel::bare(channel);
        Self { channel, endpoint: endpoint.into(), retry, signer: None }
    }

    /// The connection itself, for the generated clients of the contract: its calls carry the token,
    /// and nothing is retried there.
    #[must_use]
    pub fn channel(&self) -> AuthorizedChannel {
        self.channel.clone()
    }

    /// The same connection, of a partner that signs what it asserts of its members.
    #[must_use]
    pub fn signing(&self, signer: MemberSigner) -> Self {
        Self { signer: Some(signer), ..self.clone() }
    }

    /// Links a member of our own: signs the assertion and sends it. After an unknown outcome the same
    /// id may be sent again; the assertion will be a fresh one.
    ///
    /// # Errors
    /// `Options` when the client does not sign.
    pub async fn link(
        &self,
        request_id: String,
        reference: &str,
        consent: &Consent,
    ) -> Result<LinkMemberResponse, Error> {
        let signer = self.signer.as_ref().ok_or(OptionsError::NoAssertionKey)?;
        let member_assertion =
            signer.assert_member(reference, consent).map_err(OptionsError::AssertionKey)?;
        self.link_member(LinkMemberRequest { request_id, member_assertion }).await
    }

    /// The same connection with other deadlines and attempts.
    #[must_use]
    pub fn with_retry(&self, retry: Retry) -> Self {
        Self { retry, ..self.clone() }
    }
}
