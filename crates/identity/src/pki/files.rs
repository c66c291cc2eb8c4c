//! Writing keys and certificates: whole or not at all, private, and never over something by
//! accident.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::Path;

use aws_lc_rs::rand;

use crate::pem::FileError;

/// What happens where a file exists already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Overwrite {
    /// It stays, and nothing is made.
    Refuse,
    /// It is replaced.
    Replace,
}

/// Makes a folder that only its owner may enter, with those above it.
pub(crate) fn make_folder(path: &Path) -> Result<(), FileError> {
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
        .map_err(|error| FileError::new(path, error, "check that this user may write there"))
}

/// Refuses if any of the files exists, before anything is made.
pub(crate) fn check_absent(paths: &[&Path], overwrite: Overwrite) -> Result<(), FileError> {
    match paths.iter().find(|path| overwrite == Overwrite::Refuse && path.exists()) {
        Some(path) => Err(exists(path)),
        None => Ok(()),
    }
}

/// Writes a key, readable by its owner alone.
pub(crate) fn write_key(path: &Path, pem: &str, overwrite: Overwrite) -> Result<(), FileError> {
    write(path, pem.as_bytes(), 0o600, overwrite)
}

/// Writes what everybody may read.
pub(crate) fn write_public(path: &Path, text: &str, overwrite: Overwrite) -> Result<(), FileError> {
    write(path, text.as_bytes(), 0o644, overwrite)
}

/// Held while files that others change are read and written: two commands at the same time would
/// lose one another's revocations. Given back when it is dropped, or when its process dies.
#[derive(Debug)]
pub(crate) struct Lock(#[expect(dead_code, reason = "it is the lock as long as it is open")] File);

impl Lock {
    /// Waits for the lock of a trust domain, whose marker it is on.
    pub(crate) fn of(marker: &Path) -> Result<Self, FileError> {
        let file = File::open(marker).and_then(|file| file.lock().map(|()| file));
        file.map(Self).map_err(|error| FileError::new(marker, error, "try again"))
    }
}

fn write(path: &Path, bytes: &[u8], mode: u32, overwrite: Overwrite) -> Result<(), FileError> {
    let mut tag = [0; 8];
    rand::fill(&mut tag).map_err(|_| FileError::new(path, "no randomness", "try again"))?;
    let draft = path.with_added_extension(format!("{:016x}.new", u64::from_be_bytes(tag)));
    let written = write_draft(&draft, bytes, mode).and_then(|()| match overwrite {
        Overwrite::Replace => fs::rename(&draft, path),
        // Unlike a rename, a link never replaces what another process has just put there.
        Overwrite::Refuse => fs::hard_link(&draft, path),
    });
    // After a rename there is nothing to remove.
    let _ = fs::remove_file(&draft);
    let synced = written.and_then(|()| match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => File::open(folder)?.sync_all(),
        _ => Ok(()),
    });
    synced.map_err(|error| match error.kind() {
        io::ErrorKind::AlreadyExists => exists(path),
        _ => FileError::new(path, error, "check that this user may write there"),
    })
}

fn write_draft(draft: &Path, bytes: &[u8], mode: u32) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(mode).open(draft)?;
    file.write_all(bytes)?;
    file.sync_all()
}

fn exists(path: &Path) -> FileError {
    FileError::new(path, "it exists already", "choose another folder, or ask to replace it")
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn a_key_is_private_and_never_replaced_unasked() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("hub.key");
        write_key(&path, "first", Overwrite::Refuse).expect("written");
        let mode = fs::metadata(&path).expect("there").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);

        let refused = write_key(&path, "second", Overwrite::Refuse).expect_err("it exists");
        assert!(refused.to_string().contains("hub.key: it exists already"), "{refused}");
        assert_eq!(fs::read_to_string(&path).expect("read"), "first");

        write_key(&path, "third", Overwrite::Replace).expect("replaced");
        assert_eq!(fs::read_to_string(&path).expect("read"), "third");
        assert_eq!(fs::read_dir(folder.path()).expect("listed").count(), 1, "no draft is left");
    }
}
