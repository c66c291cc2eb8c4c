//! Access tokens: got by a signed assertion over the same connection, kept until two thirds of their
//! life are over, and got again when the hub does not take one.

use std::{
    fmt,
    path::{Path, PathBuf},
    sync::{Arc, PoisonError, RwLock},
    time::{Duration, SystemTime},
};

use entente_api::identity::{IssueTokenRequest, token_service_client::TokenServiceClient};
use entente_identity::{
    certificate::own_identity,
    jwt::{ClientAssertion, SigningKey},
    pem::read_certificates,
};
use http::HeaderValue;
use jiff::Timestamp;
use tokio::{sync::Mutex, time::Instant};
use tonic::{Code, Request, Status, transport::Channel};

use crate::error::OptionsError;

/// How long getting a token may take.
const WITHIN: Duration = Duration::from_secs(5);

/// How a client proves who it is, beyond its certificate. The files are read whenever a token is got,
/// so that a rotated key or a renewed certificate is used from then on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Assertions {
    /// PEM file of the key that is registered for this identity.
    pub key: PathBuf,
    /// PEM file of our own certificate, leaf first: it says who we are.
    pub certificate: PathBuf,
    /// For whom assertions are: the hub's issuer; `https://` and the trust domain of the certificate,
    /// unless the hub's operators say otherwise.
    pub issuer: Option<String>,
}

impl Assertions {
    /// For a hub whose issuer is named after its trust domain.
    pub fn new(key: impl Into<PathBuf>, certificate: impl Into<PathBuf>) -> Self {
        Self { key: key.into(), certificate: certificate.into(), issuer: None }
    }

    /// Signs an assertion, valid for a minute, now.
    pub fn sign(&self) -> Result<String, OptionsError> {
        let key = SigningKey::from_pem_file(&self.key)?;
        let (identity, issuer) = self.identity()?;
        Ok(ClientAssertion::sign(&key, &identity, &issuer, now())?)
    }

    /// The SPIFFE id in our certificate, and the hub's issuer.
    pub fn identity(&self) -> Result<(String, String), OptionsError> {
        let chain = read_certificates(&self.certificate)?;
        let leaf = chain.first().ok_or_else(|| nobody(&self.certificate))?;
        let (identity, domain) = own_identity(leaf).map_err(|_| nobody(&self.certificate))?;
        let issuer = self.issuer.clone().unwrap_or_else(|| format!("https://{domain}"));
        Ok((identity.uri(&domain), issuer))
    }
}

fn nobody(certificate: &Path) -> OptionsError {
    OptionsError::Certificate(certificate.to_owned())
}

/// The token of one client, shared by its clones.
#[derive(Clone)]
pub(crate) struct Tokens(Arc<Shared>);

struct Shared {
    assertions: Assertions,
    held: RwLock<Option<Held>>,
    /// Taken by whoever gets one, so that one gets it for all.
    getting: Mutex<()>,
}

/// A token as it is sent.
#[derive(Clone)]
struct Held {
    header: HeaderValue,
    renew_at: Instant,
    ends: Instant,
}

impl Tokens {
    pub(crate) fn new(assertions: Assertions) -> Self {
        let (held, getting) = (RwLock::new(None), Mutex::new(()));
        Self(Arc::new(Shared { assertions, held, getting }))
    }

    /// The token to send, if there is one that will do. One that is soon to end is got again by
    /// whoever finds out first, while the others go on with it.
    pub(crate) fn at_hand(&self, channel: &Channel) -> Option<HeaderValue> {
        let now = Instant::now();
        let held = self.held()?;
        if held.ends <= now {
            return None;
        }
        if held.renew_at <= now
            && let Ok(getting) = self.0.getting.try_lock()
        {
            drop(getting);
            let (tokens, channel, stale) = (self.clone(), channel.clone(), held.header.clone());
            tokio::spawn(async move { drop(tokens.replace(channel, Some(stale)).await) });
        }
        Some(held.header)
    }

    /// A token, got now unless somebody else has just got one.
    /// In a task of its own: a caller that hangs up leaves the token to the next.
    pub(crate) async fn get(&self, channel: Channel) -> Result<HeaderValue, Status> {
        let tokens = self.clone();
        let got = tokio::spawn(async move { tokens.replace(channel, None).await }).await;
        got.unwrap_or_else(|error| Err(unusable(&error)))
    }

    /// Forgets a token that the hub did not take, unless it was replaced meanwhile.
    pub(crate) fn forget(&self, refused: &HeaderValue) {
        let mut held = self.0.held.write().unwrap_or_else(PoisonError::into_inner);
        if held.as_ref().is_some_and(|held| held.header == *refused) {
            *held = None;
        }
    }

    async fn replace(
        &self,
        channel: Channel,
        stale: Option<HeaderValue>,
    ) -> Result<HeaderValue, Status> {
        let _getting = self.0.getting.lock().await;
        if let Some(held) = self.held()
            && held.ends > Instant::now()
            && stale != Some(held.header.clone())
        {
            return Ok(held.header);
        }
        let held = self.ask(channel).await?;
        let header = held.header.clone();
        *self.0.held.write().unwrap_or_else(PoisonError::into_inner) = Some(held);
        Ok(header)
    }

    async fn ask(&self, channel: Channel) -> Result<Held, Status> {
        let begun = Instant::now();
        let assertions = self.0.assertions.clone();
        let signed = tokio::task::spawn_blocking(move || assertions.sign()).await;
        let client_assertion = match signed {
            Ok(Ok(signed)) => signed,
            Ok(Err(error)) => return Err(unusable(&error)),
            Err(error) => return Err(unusable(&error)),
        };
        let asked = IssueTokenRequest { client_assertion, scopes: Vec::new() };
        let mut request = Request::new(asked);
        request.set_timeout(WITHIN);
        let asking = TokenServiceClient::new(channel);
        let issued = { asking }.issue_token(request).await?.into_inner();
        let expires_at = issued.expires_at.map_or(0, |at| at.seconds);
        let life = expires_at.saturating_sub(now().as_second());
        let life = Duration::from_secs(u64::try_from(life).unwrap_or_default());
        let mut header = HeaderValue::try_from(format!("Bearer {}", issued.access_token))
            .map_err(|_| Status::internal("the hub's token is no header value"))?;
        header.set_sensitive(true);
        Ok(Held { header, renew_at: begun + life.mul_f64(2.0 / 3.0), ends: begun + life })
    }

    fn held(&self) -> Option<Held> {
        self.0.held.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Something is wrong here, and no attempt cures it.
fn unusable(error: &dyn std::error::Error) -> Status {
    Status::new(Code::FailedPrecondition, format!("no assertion can be signed: {error}"))
}

fn now() -> Timestamp {
    #[expect(clippy::disallowed_methods, reason = "assertions are of the time of day")]
    let now = SystemTime::now();
    Timestamp::try_from(now).unwrap_or(Timestamp::UNIX_EPOCH)
}

/// Shows no token.
impl fmt::Debug for Tokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tokens").field("assertions", &self.0.assertions).finish_non_exhaustive()
    }
}
