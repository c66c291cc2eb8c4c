//! What the caller chooses, and what it is told while it waits.

use std::{collections::BTreeMap, fmt, path::PathBuf, sync::Arc, time::Duration};

use crate::Error;

type Tell = Arc<dyn Fn(&Notice) + Send + Sync>;

/// Where the database lives and how it runs.
#[derive(Clone)]
pub struct Options {
    pub(crate) directory: PathBuf,
    pub(crate) binaries: Option<PathBuf>,
    pub(crate) owner: String,
    pub(crate) keep_running: bool,
    pub(crate) throwaway: bool,
    pub(crate) durable: bool,
    pub(crate) start_timeout: Duration,
    pub(crate) settings: BTreeMap<String, String>,
    pub(crate) on_notice: Option<Tell>,
}

impl Options {
    /// A durable database in `directory`, which is made if it does not exist, stopped when its last user leaves.
    pub fn new(directory: impl Into<PathBuf>) -> Self {
        Self {
            directory: directory.into(),
            binaries: None,
            owner: "entente".to_owned(),
            keep_running: false,
            throwaway: false,
            durable: true,
            start_timeout: Duration::from_mins(1),
            settings: BTreeMap::new(),
            on_notice: None,
        }
    }

    /// A database for tests: it skips every flush to disk, and it is stopped and `directory` is removed when this
    /// process ends, however it ends.
    pub fn throwaway(directory: impl Into<PathBuf>) -> Self {
        Self { throwaway: true, durable: false, ..Self::new(directory) }
    }

    /// Where a fetched PostgreSQL is kept; by default beside the data.
    #[must_use]
    pub fn binaries(mut self, directory: impl Into<PathBuf>) -> Self {
        self.binaries = Some(directory.into());
        self
    }

    /// Leaves the server up when the last user leaves.
    #[must_use]
    pub fn keep_running(mut self, keep: bool) -> Self {
        self.keep_running = keep;
        self
    }

    /// How long a start may take, crash recovery included; 60 s by default.
    #[must_use]
    pub fn start_timeout(mut self, timeout: Duration) -> Self {
        self.start_timeout = timeout;
        self
    }

    /// One more line of `postgresql.conf`, which wins over ours.
    ///
    /// # Errors
    /// `Name` when it is not the name of a setting, or is one that keeps the server private.
    pub fn setting(mut self, name: &str, value: &str) -> Result<Self, Error> {
        const FIXED: [&str; 4] =
            ["listen_addresses", "port", "hba_file", "unix_socket_directories"];
        let plain = name.bytes().all(|byte| {
            byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"_.".contains(&byte)
        });
        if name.is_empty() || !plain || FIXED.contains(&name) {
            return Err(Error::Name { name: name.to_owned() });
        }
        self.settings.insert(name.to_owned(), value.to_owned());
        Ok(self)
    }

    /// Is told what takes time, so that a person who waits can be told too.
    #[must_use]
    pub fn on_notice(mut self, tell: impl Fn(&Notice) + Send + Sync + 'static) -> Self {
        self.on_notice = Some(Arc::new(tell));
        self
    }

    pub(crate) fn tell(&self, notice: &Notice) {
        tracing::info!("{notice}");
        if let Some(on_notice) = &self.on_notice {
            on_notice(notice);
        }
    }
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options")
            .field("directory", &self.directory)
            .field("keep_running", &self.keep_running)
            .field("throwaway", &self.throwaway)
            .field("durable", &self.durable)
            .finish_non_exhaustive()
    }
}

/// What the start is doing; `Display` is a sentence for people.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Notice {
    /// None is installed: one is being fetched.
    Fetching {
        /// From where.
        url: String,
        /// Which versions will do.
        wanted: String,
        /// Where it is kept.
        into: PathBuf,
    },
    /// The server's user cannot enter the wanted directory, so the cluster lives elsewhere.
    Elsewhere {
        /// Where it was wanted.
        wanted: PathBuf,
        /// Where it is.
        home: PathBuf,
        /// The user that runs the server.
        user: String,
    },
    /// An empty cluster is being made.
    Creating {
        /// Where.
        data: PathBuf,
        /// The major version of PostgreSQL.
        version: u32,
    },
    /// The server was not stopped properly and recovers from its log.
    Recovering {
        /// Where.
        data: PathBuf,
    },
    /// The server answers.
    Ready {
        /// Its port on loopback.
        port: u16,
        /// Whether it ran already.
        reused: bool,
    },
}

impl fmt::Display for Notice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fetching { url, wanted, into } => write!(
                f,
                "no usable PostgreSQL is installed: fetching version {wanted} from {url} into {}",
                into.display()
            ),
            Self::Elsewhere { wanted, home, user } => write!(
                f,
                "the user `{user}`, who runs the database, cannot enter {}; its data is in {}",
                wanted.display(),
                home.display()
            ),
            Self::Creating { data, version } => {
                write!(f, "making a PostgreSQL {version} cluster in {}", data.display())
            }
            Self::Recovering { data } => {
                write!(f, "the database in {} was not stopped properly: recovering", data.display())
            }
            Self::Ready { port, reused: true } => {
                write!(f, "using the PostgreSQL that runs already on 127.0.0.1:{port}")
            }
            Self::Ready { port, reused: false } => {
                write!(f, "PostgreSQL is ready on 127.0.0.1:{port}")
            }
        }
    }
}
