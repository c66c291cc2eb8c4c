//! Signs what a partner asserts of its own members: that it has authenticated one just now, and that
//! the member consents to being linked.

use std::{fmt, sync::Arc};

use entente_identity::jwt::{Consent, KeyError, MemberAssertion, SigningKey};
use jiff::Timestamp;

use crate::{Assertions, OptionsError};

/// Signs member assertions as one partner, for one hub. Clones share the key.
#[derive(Clone)]
pub struct MemberSigner {
    key: Arc<SigningKey>,
    partner: String,
    audience: String,
}

impl MemberSigner {
    /// Signs by a key that operators registered, as a partner (its SPIFFE id), for a hub (its issuer,
    /// `https://` and its trust domain unless configured otherwise).
    #[must_use]
    pub fn new(
        key: Arc<SigningKey>,
        partner: impl Into<String>,
        audience: impl Into<String>,
    ) -> Self {
        Self { key, partner: partner.into(), audience: audience.into() }
    }

    /// The same by files: the partner and the hub are those that its own assertions name.
    ///
    /// # Errors
    /// When a file cannot be used.
    pub fn open(assertions: &Assertions) -> Result<Self, OptionsError> {
        let (partner, audience) = assertions.identity()?;
        let key = Arc::new(SigningKey::from_pem_file(&assertions.key)?);
        Ok(Self::new(key, partner, audience))
    }

    /// A consent that a member gave just now, to a version of the wording that it was shown.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "consents are of the time of day")]
    pub fn consent(wording_version: impl Into<String>) -> Consent {
        Consent { wording_version: wording_version.into(), at: Timestamp::now() }
    }

    /// An assertion for LinkMember or ConfirmLink. It is good once, and for a minute.
    ///
    /// # Errors
    /// When the system gives no random bytes.
    pub fn assert_member(&self, reference: &str, consent: &Consent) -> Result<String, KeyError> {
        self.sign(reference, consent, None)
    }

    /// An assertion for RedeemLinkCode, of the code as the member typed it.
    ///
    /// # Errors
    /// When the system gives no random bytes.
    pub fn assert_code(
        &self,
        reference: &str,
        consent: &Consent,
        code: &str,
    ) -> Result<String, KeyError> {
        self.sign(reference, consent, Some(code))
    }

    #[expect(clippy::disallowed_methods, reason = "assertions are of the time of day")]
    fn sign(
        &self,
        reference: &str,
        consent: &Consent,
        code: Option<&str>,
    ) -> Result<String, KeyError> {
        let now = Timestamp::now();
        let Self { key, partner, audience } = self;
        MemberAssertion::sign(key, partner, reference, consent, code, audience, now)
    }
}

impl fmt::Debug for MemberSigner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemberSigner").field("partner", &self.partner).finish_non_exhaustive()
    }
}
