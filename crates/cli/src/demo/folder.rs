//! The demo's folder: what lies where, what it was made for, and how it is removed.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use entente_embedded::Embedded;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::home::Home;

/// A folder that holds a demo, and what another of its kind would differ in.
#[derive(Clone, Debug)]
pub(crate) struct Folder(PathBuf, &'static str);

impl Folder {
    /// The month that follows from a seed.
    pub(crate) fn of_month(home: &Home) -> anyhow::Result<Self> {
        Ok(Self(home.folder("demo")?, "size or seed"))
    }

    /// The play of two files.
    pub(crate) fn of_files(home: &Home) -> anyhow::Result<Self> {
        Ok(Self(home.folder("demo-files")?, "pair of files"))
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    /// Where the private PostgreSQL lies.
    pub(crate) fn database(&self) -> PathBuf {
        self.0.join("database")
    }

    /// Where certificates lie.
    pub(crate) fn certificates(&self) -> PathBuf {
        self.0.join("certs")
    }

    /// Where the hub's keys lie.
    pub(crate) fn keys(&self) -> PathBuf {
        self.0.join("keys")
    }

    /// Says what the demo was made from.
    fn source(&self) -> PathBuf {
        self.0.join("demo.json")
    }

    /// Makes the folder for what is played from `source`. A folder that was made for something else is
    /// refused: its ids are others, so that everything would happen twice.
    pub(crate) fn claim<T>(&self, source: &T) -> anyhow::Result<()>
    where
        T: Serialize + DeserializeOwned + PartialEq,
    {
        let path = self.source();
        match fs::read_to_string(&path) {
            Ok(text) => {
                let found: T = serde_json::from_str(&text)
                    .with_context(|| format!("{} is damaged", path.display()))?;
                if found != *source {
                    bail!(
                        "{} holds a demo of another {} ({text}); remove it with `entente demo \
                         --clean`, or choose another place with --home",
                        self.0.display(),
                        self.1,
                    );
                }
                Ok(())
            }
            Err(error) if error.kind() == ErrorKind::NotFound => {
                let shown = self.0.display();
                fs::create_dir_all(&self.0).with_context(|| format!("cannot make {shown}"))?;
                fs::write(&path, serde_json::to_string(source)?)
                    .with_context(|| format!("cannot write {}", path.display()))
            }
            Err(error) => Err(error).with_context(|| format!("cannot read {}", path.display())),
        }
    }

    /// Removes the demo; what else lies in the folder stays. Says whether there was one.
    pub(crate) async fn clean(&self) -> anyhow::Result<bool> {
        if !self.source().exists() {
            if self.0.exists() {
                bail!("{} holds no demo, so nothing in it is removed", self.0.display());
            }
            return Ok(false);
        }
        Embedded::clean(&self.database()).await?;
        for folder in [self.certificates(), self.keys()] {
            absent(fs::remove_dir_all(&folder))
                .with_context(|| format!("cannot remove {}", folder.display()))?;
        }
        // Last: until then, cleaning can be begun again.
        absent(fs::remove_file(self.source()))?;
        for empty in [Some(self.path()), self.0.parent()].into_iter().flatten() {
            // A folder that holds something else stays.
            drop(fs::remove_dir(empty));
        }
        Ok(true)
    }
}

fn absent(removed: std::io::Result<()>) -> std::io::Result<()> {
    match removed {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::demo::plan::Size;

    const SIZE: Size = Size { seed: 1, members: 2, visits: 3 };

    fn folder(name: &str) -> Folder {
        let name = format!("entente-demo-{name}-{}", std::process::id());
        Folder(std::env::temp_dir().join(name), "size or seed")
    }

    #[test]
    fn a_folder_is_for_one_plan_alone() {
        let folder = folder("size");
        folder.claim(&SIZE).expect("a new folder");
        folder.claim(&SIZE).expect("the same plan");
        assert!(folder.claim(&Size { seed: 2, ..SIZE }).is_err());
        fs::remove_dir_all(folder.path()).expect("it is there");
    }

    #[tokio::test]
    async fn what_is_no_demo_is_never_removed() {
        let folder = folder("other");
        fs::create_dir_all(folder.certificates()).expect("a new folder");
        assert!(folder.clean().await.is_err());
        assert!(folder.certificates().exists());
        fs::remove_dir_all(folder.path()).expect("it is there");
        assert!(!folder.clean().await.expect("nothing is there"));
    }
}
