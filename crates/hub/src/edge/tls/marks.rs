//! What tells that a file changed, without reading it.

use std::{
    io,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
};

use super::Certificates;

/// The state of every file that matters, in a fixed order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Marks(Vec<Mark>);

/// A file is another once its number, its length or one of its times is another: who replaces it by
/// renaming gives it another number, whatever the clock's grain.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Mark {
    path: PathBuf,
    inode: u64,
    length: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

/// How deep the folder is: `partners/<code>/ca.pem`.
const DEPTH: u8 = 3;

impl Marks {
    pub(super) fn of(certificates: &Certificates) -> io::Result<Self> {
        let mut marks = Vec::new();
        look(&certificates.folder, DEPTH, &mut marks)?;
        let elsewhere = [&certificates.hub_certificate, &certificates.hub_key];
        for path in elsewhere.into_iter().flatten() {
            marks.extend(mark(path)?);
        }
        marks.sort();
        Ok(Self(marks))
    }
}

fn look(folder: &Path, depth: u8, marks: &mut Vec<Mark>) -> io::Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if !path.is_dir() {
            marks.extend(mark(&path)?);
        } else if let Some(depth) = depth.checked_sub(1) {
            look(&path, depth, marks)?;
        }
    }
    Ok(())
}

/// `None` for a file that is gone by now.
fn mark(path: &Path) -> io::Result<Option<Mark>> {
    match std::fs::metadata(path) {
        Ok(found) => Ok(Some(Mark {
            path: path.to_owned(),
            inode: found.ino(),
            length: found.len(),
            modified: (found.mtime(), found.mtime_nsec()),
            changed: (found.ctime(), found.ctime_nsec()),
        })),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}
