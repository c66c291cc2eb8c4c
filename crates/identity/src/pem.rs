//! Reading certificates, keys and revocation lists from PEM files, with errors that name the file
//! and say what to do, and never show what a key file holds.

use std::fmt;
use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, CertificateRevocationListDer, PrivateKeyDer};

/// The largest file that is read, in bytes.
pub const MAX_FILE_BYTES: u64 = 1 << 20;

/// What is wrong with a file, and its cure.
#[derive(Debug, thiserror::Error)]
#[error("{}: {problem}; {cure}", path.display())]
pub struct FileError {
    /// Which file.
    pub path: PathBuf,
    /// What is wrong with it.
    pub problem: String,
    /// What to do.
    pub cure: &'static str,
}

impl FileError {
    pub(crate) fn new(path: &Path, problem: impl fmt::Display, cure: &'static str) -> Self {
        Self { path: path.to_owned(), problem: problem.to_string(), cure }
    }
}

/// The certificates of a PEM file, in order; at least one.
pub fn read_certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, FileError> {
    let certificates = read_sections(path, "give a PEM file of certificates")?;
    if certificates.is_empty() {
        return Err(FileError::new(
            path,
            "it holds no certificate",
            "give a PEM file with a BEGIN CERTIFICATE section",
        ));
    }
    Ok(certificates)
}

/// The revocation lists of a PEM file, in order.
pub fn read_crls(path: &Path) -> Result<Vec<CertificateRevocationListDer<'static>>, FileError> {
    read_sections(path, "give a PEM file of revocation lists (BEGIN X509 CRL)")
}

/// The first private key of a PEM file.
pub fn read_key(path: &Path) -> Result<PrivateKeyDer<'static>, FileError> {
    let text = read(path)?;
    // The parser's own error is dropped: it may quote a line of the key.
    PrivateKeyDer::from_pem_slice(&text).map_err(|_| {
        FileError::new(
            path,
            "it holds no private key that can be read",
            "give an unencrypted PEM key (BEGIN PRIVATE KEY), or make one with `entente pki`",
        )
    })
}

/// The bytes of a file of bounded size.
pub(crate) fn read(path: &Path) -> Result<Vec<u8>, FileError> {
    let unreadable = |error: std::io::Error| {
        FileError::new(path, error, "check the path and that this user may read it")
    };
    let file = File::open(path).map_err(unreadable)?;
    let mut bytes = Vec::new();
    file.take(MAX_FILE_BYTES + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    if bytes.len() as u64 > MAX_FILE_BYTES {
        return Err(FileError::new(path, "it is larger than 1 MiB", "check the path"));
    }
    Ok(bytes)
}

fn read_sections<T: PemObject>(path: &Path, cure: &'static str) -> Result<Vec<T>, FileError> {
    T::pem_slice_iter(&read(path)?)
        .collect::<Result<_, _>>()
        .map_err(|_| FileError::new(path, "it is not well-formed PEM", cure))
}
