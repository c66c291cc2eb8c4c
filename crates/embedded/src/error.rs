//! What can go wrong, each with what to do about it.

use std::{io, path::PathBuf, time::Duration};

/// A failure to find, start, reach, stop or remove the private PostgreSQL.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file or directory could not be read or written.
    #[error("cannot {action} {}: {source}", path.display())]
    Io {
        /// What was tried, a verb.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// No PostgreSQL is installed and none could be fetched.
    #[error(
        "no usable PostgreSQL {wanted} is installed, and none could be fetched ({detail}). Install one: \
         Debian or Ubuntu: apt install postgresql; Fedora or RHEL: dnf install postgresql-server; \
         Alpine: apk add postgresql; macOS: brew install postgresql@16. \
         Or give the hub the URL of a database that runs already"
    )]
    NotInstalled {
        /// The version that is needed.
        wanted: String,
        /// What was looked at, and why fetching did not work.
        detail: String,
    },
    /// One of PostgreSQL's programs failed.
    #[error("{program} failed: {detail}")]
    Program {
        /// Which.
        program: String,
        /// What it said.
        detail: String,
    },
    /// The directory holds something else.
    #[error(
        "{} was not made by Entente, so it is neither used nor removed; name an empty or new directory",
        directory.display()
    )]
    Foreign {
        /// The directory.
        directory: PathBuf,
    },
    /// Somebody still uses the database.
    #[error("{} is in use by another process; stop that first", directory.display())]
    InUse {
        /// The directory.
        directory: PathBuf,
    },
    /// Another process starts or stops the same database and does not finish.
    #[error(
        "another process has held the lock of {} for {} s",
        directory.display(),
        waited.as_secs()
    )]
    Locked {
        /// The directory.
        directory: PathBuf,
        /// How long was waited.
        waited: Duration,
    },
    /// The cluster that was here is gone, or its password does not open it.
    #[error(
        "the database in {} cannot be used: {detail}; clean it to begin anew, which loses its data",
        directory.display()
    )]
    Damaged {
        /// The directory.
        directory: PathBuf,
        /// What is wrong.
        detail: String,
    },
    /// The server did not answer in time.
    #[error("PostgreSQL was not ready after {} s; its log says: {log}", waited.as_secs())]
    NotReady {
        /// How long was waited.
        waited: Duration,
        /// The end of its log.
        log: String,
    },
    /// A database, role or setting name is not a plain identifier.
    #[error("`{name}` is not a name of lower case letters, digits and underscores")]
    Name {
        /// The name.
        name: String,
    },
    /// The server refused a statement.
    #[error(transparent)]
    Sql(#[from] sqlx::Error),
}

/// Gives an I/O error its action and path.
pub(crate) trait At<T> {
    /// `cannot {action} {path}: {self}`.
    fn at(self, action: &'static str, path: impl Into<PathBuf>) -> Result<T, Error>;
}

impl<T> At<T> for io::Result<T> {
    fn at(self, action: &'static str, path: impl Into<PathBuf>) -> Result<T, Error> {
        self.map_err(|source| Error::Io { action, path: path.into(), source })
    }
}
