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
    Thumbprint,
    certificate::own_identity,
    jwt::{ClientAssertion, SigningKey},
    pem::read_certificates,
};
use http::HeaderValue;
use jiff::Timestamp;
use tokio::{
    sync::Mutex,
    time::{Instant, timeout},
};
use tonic::{Code, Request, Status};

use crate::{error::OptionsError, hubs::Line};

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

/// How many tokens are kept: while a certificate is being renewed, connections show two.
const HELD: usize = 4;

/// The tokens of one client, shared by its clones: one for each certificate that its connections
/// show, since a token is bound to one.
#[derive(Clone)]
pub(crate) struct Tokens(Arc<Shared>);

struct Shared {
    assertions: Assertions,
    held: RwLock<Vec<Held>>,
    /// Taken by whoever gets one, so that one gets it for all.
    getting: Mutex<()>,
}

/// A token as it is sent.
#[derive(Clone)]
struct Held {
    /// The certificate that is shown where it is good.
    shown: Option<Thumbprint>,
    header: HeaderValue,
    renew_at: Instant,
    ends: Instant,
}

impl Tokens {
    pub(crate) fn new(assertions: Assertions) -> Self {
        let (held, getting) = (RwLock::new(Vec::new()), Mutex::new(()));
        Self(Arc::new(Shared { assertions, held, getting }))
    }

    /// The token to send, if there is one that will do. One that is soon to end is got again by
    /// whoever finds out first, while the others go on with it.
    pub(crate) fn at_hand(&self, line: &Line) -> Option<HeaderValue> {
        let now = Instant::now();
        let held = self.held(line)?;
        if held.ends <= now {
            return None;
        }
        if held.renew_at <= now
            && let Ok(getting) = self.0.getting.try_lock()
        {
            drop(getting);
            let (tokens, line, stale) = (self.clone(), line.clone(), held.header.clone());
            tokio::spawn(async move { drop(tokens.replace(line, Some(stale)).await) });
        }
        Some(held.header)
    }

    /// A token, got now unless somebody else has just got one.
    /// In a task of its own: a caller that hangs up leaves the token to the next.
    pub(crate) async fn get(&self, line: Line) -> Result<HeaderValue, Status> {
        let tokens = self.clone();
        let got = tokio::spawn(async move { tokens.replace(line, None).await }).await;
        got.unwrap_or_else(|error| Err(unusable(&error)))
    }

    /// Forgets a token that the hub did not take, unless it was replaced meanwhile.
    pub(crate) fn forget(&self, refused: &HeaderValue) {
        let mut held = self.0.held.write().unwrap_or_else(PoisonError::into_inner);
        held.retain(|held| held.header != *refused);
    }

    async fn replace(&self, line: Line, stale: Option<HeaderValue>) -> Result<HeaderValue, Status> {
        let _getting = self.0.getting.lock().await;
        if let Some(held) = self.held(&line)
            && held.ends > Instant::now()
            && stale != Some(held.header.clone())
        {
            return Ok(held.header);
        }
        let new = self.ask(line).await?;
        let header = new.header.clone();
        let mut held = self.0.held.write().unwrap_or_else(PoisonError::into_inner);
        held.retain(|held| held.shown != new.shown);
        held.insert(0, new);
        held.truncate(HELD);
        Ok(header)
    }

    async fn ask(&self, line: Line) -> Result<Held, Status> {
        let (begun, shown) = (Instant::now(), line.shown());
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
        let mut asking = TokenServiceClient::new(line);
        let late = |_| Err(Status::deadline_exceeded("no token within the time allowed"));
        let issued = timeout(WITHIN, asking.issue_token(request)).await.unwrap_or_else(late);
        let issued = issued?.into_inner();
        let expires_at = issued.expires_at.map_or(0, |at| at.seconds);
        let life = expires_at.saturating_sub(now().as_second());
        let life = Duration::from_secs(u64::try_from(life).unwrap_or_default());
        let mut header = HeaderValue::try_from(format!("Bearer {}", issued.access_token))
            .map_err(|_| Status::internal("the hub's token is no header value"))?;
        header.set_sensitive(true);
        Ok(Held { shown, header, renew_at: begun + life.mul_f64(2.0 / 3.0), ends: begun + life })
    }

    fn held(&self, line: &Line) -> Option<Held> {
        let (shown, held) = (line.shown(), &self.0.held);
        let held = held.read().unwrap_or_else(PoisonError::into_inner);
        held.iter().find(|held| held.shown == shown).cloned()
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
