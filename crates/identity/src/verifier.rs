//! Who may connect: rustls's question about a client's certificate, answered per identity.
//!
//! The leaf alone says who the caller claims to be. Only that identity's pinned roots are then
//! asked whether the claim is true, so a chain that contains somebody else's CA helps nobody.

use std::collections::BTreeSet;
use std::io;
use std::sync::Arc;

use rustls::client::danger::HandshakeSignatureValid;
use rustls::crypto::{WebPkiSupportedAlgorithms, verify_tls13_signature};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{
    CertificateError as TlsCertificateError, DigitallySignedStruct, DistinguishedName,
    Error as TlsError, OtherError, PeerIncompatible, SignatureScheme,
};
use rustls_pki_types::{CertificateDer, UnixTime};

use crate::certificate::{CertificateError, ClientCertificate};
use crate::roots::IdentityRoots;
use crate::spiffe::{Identity, Kind};
use crate::tls::crypto_provider;

/// Requires a client certificate of one of the kinds that its listener accepts, and verifies it
/// against the roots of the identity it names. It gives no hints of whose roots it knows.
#[derive(Debug)]
pub struct EntenteClientVerifier {
    roots: IdentityRoots,
    accepts: BTreeSet<Kind>,
    algorithms: WebPkiSupportedAlgorithms,
}

/// Why a caller is refused, beyond what rustls itself says (expired, revoked, bad signature). The
/// caller sees one alert for all of these; the hub's log may say more.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// The certificate names nobody.
    #[error(transparent)]
    Certificate(#[from] CertificateError),
    /// An identity of a kind that this listener does not serve.
    #[error("{0} may not connect to this listener")]
    Kind(Identity),
    /// No roots are pinned for the identity, or it is the hub.
    #[error("no roots are pinned for {0}")]
    NotPinned(Identity),
    /// The chain leads to none of the identity's roots: perhaps to another's.
    #[error("the certificate of {0} is not signed by a root pinned for it")]
    NotItsRoot(Identity),
}

impl EntenteClientVerifier {
    /// A verifier for a listener that accepts `kinds`.
    pub fn new(roots: IdentityRoots, kinds: impl IntoIterator<Item = Kind>) -> Arc<Self> {
        Arc::new(Self {
            roots,
            accepts: kinds.into_iter().collect(),
            algorithms: crypto_provider().signature_verification_algorithms,
        })
    }

    /// Whether a chain that was admitted once would be admitted now; if not, why not.
    pub fn still_admits(&self, chain: &[CertificateDer<'_>], now: UnixTime) -> Result<(), String> {
        let Some((leaf, above)) = chain.split_first() else {
            return Err(CertificateError::Malformed.to_string());
        };
        let verified = self.verify_client_cert(leaf, above, now);
        verified.map(drop).map_err(|error| explain_tls(&error))
    }

    /// Who is at the other end of a connection, from the chain that the finished handshake of this
    /// verifier yields (`ServerConnection::peer_certificates`).
    pub fn caller(&self, chain: &[CertificateDer<'_>]) -> Result<ClientCertificate, Refused> {
        let leaf = chain.first().ok_or(CertificateError::Malformed)?;
        let certificate = ClientCertificate::read(leaf, self.roots.trust_domain())?;
        if !self.accepts.contains(&certificate.identity.kind()) {
            return Err(Refused::Kind(certificate.identity));
        }
        Ok(certificate)
    }
}

impl ClientCertVerifier for EntenteClientVerifier {
    fn offer_client_auth(&self) -> bool {
        true
    }

    fn client_auth_mandatory(&self) -> bool {
        true
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, TlsError> {
        let identity = self.caller(std::slice::from_ref(end_entity)).map_err(refused)?.identity;
        let Some(verifier) = self.roots.of(&identity) else {
            return Err(refused(Refused::NotPinned(identity)));
        };
        verifier.verify_client_cert(end_entity, intermediates, now).map_err(|error| match error {
            // The same alert as for an identity without roots, so that it tells neither apart.
            TlsError::InvalidCertificate(
                TlsCertificateError::UnknownIssuer | TlsCertificateError::BadSignature,
            ) => refused(Refused::NotItsRoot(identity)),
            other => other,
        })
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _cert: &CertificateDer<'_>,
        _dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, TlsError> {
        Err(TlsError::PeerIncompatible(PeerIncompatible::Tls12NotOffered))
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, TlsError> {
        verify_tls13_signature(message, cert, dss, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

/// Why a handshake failed, in words for the hub's log: our own reason, if it is ours.
pub fn explain(error: &io::Error) -> String {
    let tls = error.get_ref().and_then(|inner| inner.downcast_ref::<TlsError>());
    tls.map_or_else(|| error.to_string(), explain_tls)
}

fn explain_tls(error: &TlsError) -> String {
    match error {
        TlsError::InvalidCertificate(TlsCertificateError::Other(OtherError(ours))) => {
            ours.to_string()
        }
        other => other.to_string(),
    }
}

fn refused(reason: Refused) -> TlsError {
    TlsError::InvalidCertificate(TlsCertificateError::Other(OtherError(Arc::new(reason))))
}
