//! `entente config`: what is in force, after file, environment and flags, with secrets hidden.

use clap::Args;

use super::serve::HubArgs;
use crate::output::{Format, say};

const EXAMPLES: &str = "\
Examples:
  entente config --config hub.toml
  ENTENTE_LIMITS__CONNECTIONS=64 entente config --output json";

/// Which configuration.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct ConfigArgs {
    #[command(flatten)]
    hub: HubArgs,
    /// How to print: as a file that can be used again, or as JSON.
    #[arg(long, env = "ENTENTE_OUTPUT", default_value = "table", hide_env_values = true)]
    output: Format,
}

/// Runs the command.
pub(crate) fn run(args: ConfigArgs) -> anyhow::Result<()> {
    let config = args.hub.load()?.redacted();
    match args.output {
        Format::Table => say(toml::to_string(&config)?.trim_end())?,
        Format::Json | Format::Csv => args.output.show(&config, |_| String::new())?,
    }
    Ok(())
}
