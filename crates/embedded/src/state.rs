//! What the directory remembers: that it is ours, and how far the cluster has come.

use std::{
    fs::{self, File, OpenOptions},
    io::{ErrorKind, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

use rand::{
    SeedableRng,
    distr::{Alphanumeric, SampleString},
    rngs::{StdRng, SysRng},
};
use serde::{Deserialize, Serialize};

use crate::error::{At, Error};

const FILE: &str = "entente-embedded.json";
/// Everything that we ever make in the directory, in the reverse of the order in which it is removed: the mark late, so
/// that a crash leaves a directory that is known as ours; the lock last, so that nobody starts in between.
const OURS: [&str; 5] = ["lock", FILE, "users", "password", "cluster"];

/// Kept as JSON in the directory; its presence says that the directory is ours.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct State {
    /// Whether initdb came to its end.
    pub(crate) initialized: bool,
    /// The port of the last start, tried first at the next.
    pub(crate) port: Option<u16>,
    /// The role that owns everything, chosen when the cluster was made.
    pub(crate) owner: String,
    /// Whether the server was asked to outlive its users.
    pub(crate) kept: bool,
}

impl State {
    /// None where the directory is not (yet) ours.
    pub(crate) fn read(directory: &Path) -> Result<Option<Self>, Error> {
        let path = directory.join(FILE);
        let text = match fs::read(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error).at("read", path),
        };
        serde_json::from_slice(&text).map(Some).map_err(std::io::Error::from).at("understand", path)
    }

    /// Replaces what was kept, whole or not at all.
    pub(crate) fn write(&self, directory: &Path) -> Result<(), Error> {
        let text = serde_json::to_vec(self).map_err(std::io::Error::from);
        let path = directory.join(FILE);
        replace(&path, &text.at("write", &path)?, 0o600)
    }
}

/// Makes the directory, or refuses one that holds something else; returns its absolute path.
pub(crate) fn claim(directory: &Path) -> Result<PathBuf, Error> {
    fs::DirBuilder::new().recursive(true).mode(0o755).create(directory).at("make", directory)?;
    let directory = directory.canonicalize().at("find", directory)?;
    if !is_ours(&directory)? && !is_empty(&directory)? {
        return Err(Error::Foreign { directory });
    }
    Ok(directory)
}

/// Whether the directory carries our mark.
pub(crate) fn is_ours(directory: &Path) -> Result<bool, Error> {
    State::read(directory).map(|state| state.is_some())
}

/// Whether nothing but a lock that a concurrent start is about to use is there.
fn is_empty(directory: &Path) -> Result<bool, Error> {
    for entry in fs::read_dir(directory).at("read", directory)? {
        let name = entry.at("read", directory)?.file_name();
        if name != "lock" && !name.to_string_lossy().starts_with(FILE) {
            return is_ours(directory);
        }
    }
    Ok(true)
}

/// Removes what is ours, and the directory itself when nothing else is in it.
pub(crate) fn remove(directory: &Path) -> Result<(), Error> {
    for name in OURS.iter().rev() {
        let path = directory.join(name);
        let removed = match fs::symlink_metadata(&path) {
            Ok(found) if found.is_dir() => fs::remove_dir_all(&path),
            Ok(_) => fs::remove_file(&path),
            Err(error) => Err(error),
        };
        match removed {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                return Err(error).at("remove", path);
            }
            _ => {}
        }
    }
    match fs::remove_dir(directory) {
        Err(error) if error.kind() != ErrorKind::DirectoryNotEmpty => {
            Err(error).at("remove", directory)
        }
        _ => Ok(()),
    }
}

/// The owner's password: kept in a file that only we can read, made at random where there is none.
pub(crate) fn password(directory: &Path, make: bool) -> Result<Option<String>, Error> {
    let path = directory.join("password");
    match fs::read_to_string(&path) {
        Ok(password) if !password.trim().is_empty() => return Ok(Some(password.trim().to_owned())),
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(error).at("read", path),
        _ if !make => return Ok(None),
        _ => {}
    }
    let mut random = StdRng::try_from_rng(&mut SysRng)
        .map_err(std::io::Error::other)
        .at("draw randomness for", &path)?;
    let password = Alphanumeric.sample_string(&mut random, 40);
    replace(&path, password.as_bytes(), 0o600)?;
    Ok(Some(password))
}

/// Writes a file beside `path`, flushes it and renames it into place.
pub(crate) fn replace(path: &Path, content: &[u8], mode: u32) -> Result<(), Error> {
    let mut beside = path.as_os_str().to_owned();
    beside.push(".new");
    let beside = PathBuf::from(beside);
    // Removed first, so that the mode holds whatever was left by a crash.
    drop(fs::remove_file(&beside));
    let write = || {
        let mut file = OpenOptions::new().create_new(true).write(true).mode(mode).open(&beside)?;
        file.write_all(content)?;
        file.sync_all()?;
        fs::rename(&beside, path)?;
        path.parent().map_or(Ok(()), |parent| File::open(parent)?.sync_all())
    };
    write().at("write", path)
}
