//! The running database: started or joined, asked for addresses, left or stopped, and its directory removed.

use std::{
    fmt,
    path::{Path, PathBuf},
    process::Child,
    time::Duration,
};

use crate::{
    binaries::Binaries,
    connection::{self, Probe},
    error::Error,
    launch,
    lock::{Turn, User},
    options::{Notice, Options},
    place::Place,
    postmaster::Postmaster,
    state::{self, State},
    watchdog,
};

const TURN_LIMIT: Duration = Duration::from_secs(45);

/// A private PostgreSQL that answers. Dropping it leaves it, and the last to leave stops it, unless it was asked to
/// [keep running](Options::keep_running); a drop waits for that at most half a minute, [`Embedded::stop`] says how it went.
pub struct Embedded {
    place: Place,
    binaries: Binaries,
    owner: String,
    password: String,
    port: u16,
    reused: bool,
    /// None once it is left.
    user: Option<User>,
    /// Ends throwaway servers; acts when its input is closed.
    watchdog: Option<Child>,
}

/// What a directory holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Status {
    /// Nothing, or nothing of ours.
    Absent,
    /// A cluster whose server is down.
    Stopped,
    /// A cluster whose server is up.
    Running {
        /// Its port on loopback.
        port: u16,
        /// The process id of its postmaster.
        pid: i32,
    },
}

impl Embedded {
    /// Starts or joins the database in `options.directory` and waits until it answers.
    ///
    /// # Errors
    /// `NotInstalled`, `Foreign`, `Damaged`, `NotReady` and what the system refuses; each says what to do.
    pub async fn start(options: Options) -> Result<Self, Error> {
        let directory = state::claim(&options.directory)?;
        // Whoever holds the turn may be making a cluster and starting it.
        let turn = Turn::take(&directory, options.start_timeout + TURN_LIMIT).await?;
        let mut state = State::read(&directory)?.unwrap_or_default();
        if state.initialized && options.throwaway {
            // Its watchdog would remove what somebody meant to keep.
            return Err(Error::Foreign { directory });
        }
        if !state.initialized {
            connection::plain(&options.owner)?;
            state.owner.clone_from(&options.owner);
        }
        state.write(&directory)?;
        let user = User::join(&directory)?;
        let place = Place::find(&directory);
        if place.is_elsewhere() {
            options.tell(&Notice::Elsewhere {
                wanted: directory.clone(),
                home: place.home.clone(),
                user: place.user.name.clone(),
            });
        }
        let password = password(&place, &state)?;
        let watchdog = options.throwaway.then(|| watchdog::set(&place)).transpose()?;
        let major = state.initialized.then(|| launch::major(&place)).flatten();
        let binaries = Binaries::find_or_fetch(&place, &options, major).await?;
        if !state.initialized {
            launch::create(&place, &binaries, &options, &password).await?;
            state.initialized = true;
            state.write(&directory)?;
        }
        let up = launch::up(&place, &binaries, &options, &password, &mut state).await?;
        state.kept = options.keep_running || (state.kept && up.reused);
        state.port = Some(up.port);
        state.write(&directory)?;
        drop(turn);
        options.tell(&Notice::Ready { port: up.port, reused: up.reused });
        Ok(Self {
            place,
            binaries,
            owner: state.owner,
            password,
            port: up.port,
            reused: up.reused,
            user: Some(user),
            watchdog,
        })
    }

    /// The address of `database` as its owner, a superuser.
    pub fn url(&self, database: &str) -> String {
        self.url_as(&self.owner, &self.password, database)
    }

    /// The address of `database` as another role.
    pub fn url_as(&self, role: &str, password: &str, database: &str) -> String {
        connection::url(role, password, self.port, database)
    }

    /// Makes the database `name` unless it exists.
    ///
    /// # Errors
    /// `Name` where it is not a plain identifier, else what the server refuses.
    pub async fn ensure_database(&self, name: &str) -> Result<(), Error> {
        connection::ensure_database(&self.url("postgres"), name).await
    }

    /// Makes the role `name`, which may log in with `password` and nothing else, or gives it that password.
    ///
    /// # Errors
    /// `Name` where it is not a plain identifier, else what the server refuses.
    pub async fn ensure_login(&self, name: &str, password: &str) -> Result<(), Error> {
        connection::ensure_login(&self.url("postgres"), name, password).await
    }

    /// The port on loopback.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The random password of the owner, kept in a file that only we can read.
    pub fn password(&self) -> &str {
        &self.password
    }

    /// The role that owns everything, a superuser.
    pub fn owner(&self) -> &str {
        &self.owner
    }

    /// Where a program of the same PostgreSQL is, such as `pgbench`, if it is installed.
    pub fn program(&self, name: &str) -> PathBuf {
        self.binaries.program(name)
    }

    /// Whether the server ran already.
    pub fn reused(&self) -> bool {
        self.reused
    }

    /// The major version of PostgreSQL.
    pub fn version(&self) -> u32 {
        self.binaries.major
    }

    /// Where the data is: usually `cluster/data` in the directory that was asked for.
    pub fn data(&self) -> &Path {
        &self.place.data
    }

    /// Where the server's log is.
    pub fn log(&self) -> &Path {
        &self.place.log
    }

    /// Leaves the database, and stops it if nobody else uses it and it was not asked to keep running. Says whether it
    /// was stopped.
    ///
    /// # Errors
    /// `Locked`, or `Program` where the server does not stop within half a minute.
    pub async fn stop(mut self) -> Result<bool, Error> {
        blocking(move || self.leave()).await
    }

    fn leave(&mut self) -> Result<bool, Error> {
        let Some(user) = self.user.take() else {
            return Ok(false);
        };
        let directory = &self.place.directory;
        let _turn = Turn::take_blocking(directory, TURN_LIMIT)?;
        let kept = State::read(directory)?.is_some_and(|state| state.kept);
        if !user.leave() || kept {
            return Ok(false);
        }
        match Postmaster::find(&self.place.data) {
            Some(found) => found.stop(&self.place.data).map(|()| true),
            None => Ok(true),
        }
    }

    /// What `directory` holds, without touching it.
    ///
    /// # Errors
    /// Where it cannot be read.
    pub async fn status(directory: &Path) -> Result<Status, Error> {
        let Ok(directory) = directory.canonicalize() else {
            return Ok(Status::Absent);
        };
        let Some(state) = State::read(&directory)? else {
            return Ok(Status::Absent);
        };
        Ok(match running(&Place::find(&directory), &state).await? {
            Some(found) => Status::Running { port: found.port, pid: found.pid() },
            None => Status::Stopped,
        })
    }

    /// Stops the server in `directory` and removes all that is ours there; the directory itself too, when nothing else
    /// is in it. Nothing happens where there is nothing.
    ///
    /// # Errors
    /// `Foreign` where the directory holds something that we did not make, `InUse` where somebody uses the database.
    pub async fn clean(directory: &Path) -> Result<(), Error> {
        let Ok(directory) = directory.canonicalize() else {
            return Ok(());
        };
        if !state::is_ours(&directory)? {
            return Err(Error::Foreign { directory });
        }
        let turn = Turn::take(&directory, TURN_LIMIT).await?;
        if !User::none(&directory)? {
            return Err(Error::InUse { directory });
        }
        let place = Place::find(&directory);
        let state = State::read(&directory)?.unwrap_or_default();
        let found = running(&place, &state).await?;
        let clean = move || {
            let _turn = turn;
            if let Some(found) = found {
                found.stop(&place.data)?;
            }
            place.remove_elsewhere()?;
            state::remove(&directory)
        };
        blocking(clean).await
    }
}

/// The cluster's server, if it runs and takes our password, or is still starting.
async fn running(place: &Place, state: &State) -> Result<Option<Postmaster>, Error> {
    let password = state::password(&place.directory, false)?.unwrap_or_default();
    Ok(match launch::look(place, &state.owner, &password).await {
        (Probe::Ready | Probe::Busy, found) => found,
        _ => None,
    })
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Error> + Send + 'static,
) -> Result<T, Error> {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        Err(error) => Err(Error::Program {
            program: "a background task".to_owned(),
            detail: error.to_string(),
        }),
    }
}

/// The password that is kept; a cluster that exists is worth nothing without it.
fn password(place: &Place, state: &State) -> Result<String, Error> {
    let damaged = |detail: &str| Error::Damaged {
        directory: place.directory.clone(),
        detail: detail.to_owned(),
    };
    if state.initialized && launch::major(place).is_none() {
        return Err(damaged(&format!("{} is gone", place.data.display())));
    }
    state::password(&place.directory, !state.initialized)?
        .ok_or_else(|| damaged("the file `password` is gone"))
}

impl Drop for Embedded {
    fn drop(&mut self) {
        if let Err(error) = self.leave() {
            tracing::warn!(%error, "the private PostgreSQL was left as it is");
        }
        if let Some(mut watchdog) = self.watchdog.take() {
            drop(watchdog.stdin.take());
            drop(watchdog.wait());
        }
    }
}

impl fmt::Debug for Embedded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Embedded")
            .field("data", &self.place.data)
            .field("port", &self.port)
            .field("reused", &self.reused)
            .finish_non_exhaustive()
    }
}
