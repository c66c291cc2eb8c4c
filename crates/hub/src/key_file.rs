//! Keys that must not be in the database: a file each, in one folder, made at the first start. Hubs
//! that share a database need the same ones.

use std::{
    fs::{self, File, OpenOptions, Permissions},
    io::{self, Read, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
};

/// How long every key is.
pub const KEY_BYTES: usize = 32;

/// Why a key cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("{}: {problem}", path.display())]
pub struct KeyError {
    path: PathBuf,
    problem: KeyProblem,
}

#[derive(Debug, thiserror::Error)]
enum KeyProblem {
    #[error("{0}")]
    Io(#[from] io::Error),
    #[error("the key is not {KEY_BYTES} bytes long; remove the file to get a new one")]
    Length,
    #[error("others may read the key; run chmod 600 on it")]
    Readable,
    #[error("no randomness is to be had")]
    Randomness,
}

/// Reads a key; at the first start, makes it and the folder.
pub fn open(folder: &Path, file: &str) -> Result<[u8; KEY_BYTES], KeyError> {
    let path = folder.join(file);
    read_or_make(folder, &path).map_err(|problem| KeyError { path, problem })
}

fn read_or_make(folder: &Path, path: &Path) -> Result<[u8; KEY_BYTES], KeyProblem> {
    match File::open(path) {
        Ok(file) => read(file),
        Err(error) if error.kind() == io::ErrorKind::NotFound => make(folder, path),
        Err(error) => Err(error.into()),
    }
}

fn read(file: File) -> Result<[u8; KEY_BYTES], KeyProblem> {
    if file.metadata()?.permissions().mode() & 0o077 != 0 {
        return Err(KeyProblem::Readable);
    }
    let mut bytes = Vec::with_capacity(KEY_BYTES + 1);
    file.take(KEY_BYTES as u64 + 1).read_to_end(&mut bytes)?;
    bytes.try_into().map_err(|_| KeyProblem::Length)
}

/// Writes a new key beside its place and links it there, so that of two hubs that start at once
/// one key stays, and a crash leaves no half of one.
fn make(folder: &Path, path: &Path) -> Result<[u8; KEY_BYTES], KeyProblem> {
    fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    let mut key = [0; KEY_BYTES];
    aws_lc_rs::rand::fill(&mut key).map_err(|_| KeyProblem::Randomness)?;
    let beside = path.with_extension(format!("new-{}", std::process::id()));
    let mut options = OpenOptions::new();
    let mut file = options.write(true).create(true).truncate(true).mode(0o600).open(&beside)?;
    file.set_permissions(Permissions::from_mode(0o600))?;
    file.write_all(&key)?;
    file.sync_all()?;
    let linked = fs::hard_link(&beside, path);
    fs::remove_file(&beside)?;
    match linked {
        Ok(()) => File::open(folder)?.sync_all().map(|()| key).map_err(Into::into),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => read(File::open(path)?),
        Err(error) => Err(error.into()),
    }
}
