//! Where data lies: `.entente` in the current folder, or ENTENTE_HOME.

use std::path::PathBuf;

use clap::Args;

/// The folder for data that this program makes.
#[derive(Clone, Debug, Args)]
pub(crate) struct Home {
    /// Where data lies.
    #[arg(
        long,
        env = "ENTENTE_HOME",
        value_name = "DIR",
        default_value = ".entente",
        hide_env_values = true
    )]
    home: PathBuf,
}

impl Home {
    /// A folder of this name in it, as an absolute path.
    pub(crate) fn folder(&self, name: &str) -> anyhow::Result<PathBuf> {
        Ok(std::path::absolute(self.home.join(name))?)
    }
}
