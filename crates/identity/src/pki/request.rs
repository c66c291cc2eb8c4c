//! Certificate signing requests: the key is taken, the names are not.

use rcgen::SubjectPublicKeyInfo;
use rustls_pki_types::CertificateSigningRequestDer;
use rustls_pki_types::pem::PemObject as _;
use x509_parser::certification_request::X509CertificationRequest;
use x509_parser::oid_registry::OID_PKCS1_SHA1WITHRSA;
use x509_parser::oid_registry::OID_SHA1_WITH_RSA;
use x509_parser::prelude::FromDer as _;

use super::PkiError;

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
    request
        .verify_signature()
        .map_err(|_| PkiError::Request("its signature is not by the key it names"))?;
    SubjectPublicKeyInfo::from_der(request.certification_request_info.subject_pki.raw)
        .map_err(|_| PkiError::Request("use an ECDSA P-256 or P-384, Ed25519 or RSA key"))
}
