//! Where the cluster lies: in the caller's directory, or, where the server's user cannot enter that, in a place that
//! follows from its name.

use std::{
    fs,
    os::unix::fs::{DirBuilderExt, MetadataExt},
    path::{Path, PathBuf},
};

use crate::{
    error::{At, Error},
    user::ServerUser,
};

/// Only root needs them: anyone else runs the server as itself.
const ELSEWHERE: [&str; 2] = ["/var/lib/entente", "/var/tmp/entente"];

/// The directories of one cluster. `directory` and `home` are ours, `data` and `log` the server's.
#[derive(Debug, Clone)]
pub(crate) struct Place {
    /// What the caller named: state, locks, password.
    pub(crate) directory: PathBuf,
    /// Configuration, data and log.
    pub(crate) home: PathBuf,
    /// PGDATA.
    pub(crate) data: PathBuf,
    /// The server's log.
    pub(crate) log: PathBuf,
    /// Who runs the server.
    pub(crate) user: ServerUser,
}

impl Place {
    /// An existing cluster where it is; a new one in `directory` if the server's user can enter it.
    pub(crate) fn find(directory: &Path) -> Self {
        let inside = directory.join("cluster");
        if let Some(home) = std::iter::once(inside.clone())
            .chain(elsewhere(directory))
            .find(|home| home.join("data").exists())
        {
            return Self::new(directory, home);
        }
        let user = ServerUser::choose(&inside.join("data"));
        if user.can_enter(directory) {
            return Self::new(directory, inside);
        }
        let home = elsewhere(directory)
            .into_iter()
            .find(|home| home.parent().is_some_and(|base| ours(base, &user)));
        Self::new(directory, home.unwrap_or(inside))
    }

    fn new(directory: &Path, home: PathBuf) -> Self {
        let data = home.join("data");
        Self {
            directory: directory.to_owned(),
            user: ServerUser::choose(&data),
            log: home.join("log"),
            data,
            home,
        }
    }

    /// Whether the cluster lies outside of the caller's directory.
    pub(crate) fn is_elsewhere(&self) -> bool {
        !self.home.starts_with(&self.directory)
    }

    /// Makes the directories, empty of a cluster.
    pub(crate) fn make(&self) -> Result<(), Error> {
        if self.data.exists() {
            fs::remove_dir_all(&self.data).at("remove", &self.data)?;
        }
        directory(&self.home, 0o755)?;
        for path in [&self.data, &self.log] {
            directory(path, 0o700)?;
            self.user.own(path)?;
        }
        if self.user.can_enter(&self.home) {
            return Ok(());
        }
        Err(std::io::Error::other(format!(
            "the user `{}`, who runs the database, cannot enter it",
            self.user.name
        )))
        .at("use", &self.home)
    }

    /// Where a fetched PostgreSQL is kept, such that the server's user can enter it.
    pub(crate) fn binaries(&self, wanted: Option<&Path>) -> PathBuf {
        let reachable = |wanted: &&Path| {
            let made = wanted.ancestors().find(|parent| parent.is_dir());
            made.is_some_and(|parent| self.user.can_enter(parent))
        };
        wanted.filter(reachable).map_or_else(|| self.home.join("binaries"), Path::to_owned)
    }

    /// Removes what lies outside of the caller's directory.
    pub(crate) fn remove_elsewhere(&self) -> Result<(), Error> {
        if self.is_elsewhere() && elsewhere(&self.directory).contains(&self.home) {
            fs::remove_dir_all(&self.home).at("remove", &self.home)?;
        }
        Ok(())
    }
}

/// Makes a directory and its parents; an existing one is left as it is.
pub(crate) fn directory(path: &Path, mode: u32) -> Result<(), Error> {
    fs::DirBuilder::new().recursive(true).mode(mode).create(path).at("make", path)
}

/// The places that follow from a directory's name, in order of preference; none unless we are root.
fn elsewhere(directory: &Path) -> Vec<PathBuf> {
    if !rustix::process::geteuid().is_root() {
        return Vec::new();
    }
    let name =
        directory.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
    let key = fnv(directory.as_os_str().as_encoded_bytes());
    ELSEWHERE.iter().map(|base| Path::new(base).join(format!("{name}-{key:016x}"))).collect()
}

/// Whether `base` can be made, belongs to us and lets the server's user in.
fn ours(base: &Path, user: &ServerUser) -> bool {
    directory(base, 0o755).is_ok()
        && fs::symlink_metadata(base).is_ok_and(|found| found.is_dir() && found.uid() == 0)
        && user.can_enter(base)
}

/// FNV-1a: short, and the same in every version.
fn fnv(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    })
}
