//! Certificate signing requests: the key is taken, the names are not.

use rcgen::SubjectPublicKeyInfo;
use rustls_pki_types::CertificateSigningRequestDer;
use rustls_pki_types::pem::PemObject as _;
use x509_parser::certification_request::X509CertificationRequest;
use x509_parser::error::X509Error;
use x509_parser::oid_registry::OID_PKCS1_SHA1WITHRSA;
use x509_parser::oid_registry::OID_SHA1_WITH_RSA;
use x509_parser::prelude::FromDer as _;

use super::PkiError;

const KEYS: &str = "its key is none of ECDSA P-256 or P-384, Ed25519, RSA of 2048 bits or more";

/// The key of a PKCS #10 request in PEM, once its signature shows that the sender holds it. Subject
/// and extensions are ignored: who the certificate names is decided by who asks for it.
pub(crate) fn public_key(pem: &str) -> Result<SubjectPublicKeyInfo, PkiError> {
    let der = CertificateSigningRequestDer::from_pem_slice(pem.as_bytes())
        .map_err(|_| PkiError::Request("it holds no BEGIN CERTIFICATE REQUEST section"))?;
    let (rest, request) = X509CertificationRequest::from_der(&der)
        .map_err(|_| PkiError::Request("it is malformed"))?;
    if !rest.is_empty() {
        return Err(PkiError::Request("bytes follow the request"));
    }
    let algorithm = &request.signature_algorithm.algorithm;
    if *algorithm == OID_SHA1_WITH_RSA || *algorithm == OID_PKCS1_SHA1WITHRSA {
        return Err(PkiError::Request("it is signed with SHA-1"));
    }
    let key = SubjectPublicKeyInfo::from_der(request.certification_request_info.subject_pki.raw)
        .map_err(|_| PkiError::Request(KEYS))?;
    request.verify_signature().map_err(|error| match error {
        X509Error::SignatureUnsupportedAlgorithm => PkiError::Request(KEYS),
        _ => PkiError::Request("its signature is not by the key it names, or its key is weak"),
    })?;
    Ok(key)
}
