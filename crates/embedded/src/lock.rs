//! Two locks in the directory, both released by the kernel when a process dies: `lock` is held while a server is being
//! started or stopped, `users` is shared by everyone who uses it, so that the last to leave can tell.

use std::{
    fs::{self, File, OpenOptions, TryLockError},
    os::unix::fs::{MetadataExt, OpenOptionsExt},
    path::Path,
    time::{Duration, Instant},
};

use crate::error::{At, Error};

const STEP: Duration = Duration::from_millis(50);

/// Held while a server is being started or stopped.
#[derive(Debug)]
pub(crate) struct Turn {
    _file: File,
}

impl Turn {
    /// Waits for its turn, at most `limit`.
    pub(crate) async fn take(directory: &Path, limit: Duration) -> Result<Self, Error> {
        let begun = Instant::now();
        loop {
            if let Some(turn) = Self::try_take(directory)? {
                return Ok(turn);
            }
            past(directory, begun, limit)?;
            tokio::time::sleep(STEP).await;
        }
    }

    /// The same where nothing can be awaited.
    pub(crate) fn take_blocking(directory: &Path, limit: Duration) -> Result<Self, Error> {
        let begun = Instant::now();
        loop {
            if let Some(turn) = Self::try_take(directory)? {
                return Ok(turn);
            }
            past(directory, begun, limit)?;
            std::thread::sleep(STEP);
        }
    }

    /// A lock on a file that was removed meanwhile excludes nobody, so the path is looked at again.
    fn try_take(directory: &Path) -> Result<Option<Self>, Error> {
        let path = directory.join("lock");
        let file = open(&path)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Ok(None),
            Err(TryLockError::Error(error)) => return Err(error).at("lock", path),
        }
        let held = file.metadata().at("read", &path)?;
        let same = fs::metadata(&path)
            .is_ok_and(|found| (found.dev(), found.ino()) == (held.dev(), held.ino()));
        Ok(same.then_some(Self { _file: file }))
    }
}

fn past(directory: &Path, begun: Instant, limit: Duration) -> Result<(), Error> {
    if begun.elapsed() < limit {
        return Ok(());
    }
    Err(Error::Locked { directory: directory.to_owned(), waited: limit })
}

/// Held by everyone who uses the server. Taken and given back only during a [`Turn`].
#[derive(Debug)]
pub(crate) struct User(File);

impl User {
    /// Joins the users.
    pub(crate) fn join(directory: &Path) -> Result<Self, Error> {
        let path = directory.join("users");
        let file = open(&path)?;
        match file.try_lock_shared() {
            Ok(()) => Ok(Self(file)),
            Err(TryLockError::WouldBlock) => Err(Error::InUse { directory: directory.to_owned() }),
            Err(TryLockError::Error(error)) => Err(error).at("lock", path),
        }
    }

    /// Leaves, and says whether this was the last user.
    pub(crate) fn leave(self) -> bool {
        self.0.unlock().is_ok() && self.0.try_lock().is_ok()
    }

    /// Whether nobody uses the server.
    pub(crate) fn none(directory: &Path) -> Result<bool, Error> {
        Ok(Self::join(directory)?.leave())
    }
}

fn open(path: &Path) -> Result<File, Error> {
    OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .mode(0o600)
        .open(path)
        .at("open", path)
}
