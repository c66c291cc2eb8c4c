//! Listing certificates and revocation lists.

use clap::Args;
use entente_identity::pki::{Listed, State};
use serde_json::json;

use super::Folder;
use crate::clock;
use crate::output::{Format, Table};

/// What to list.
#[derive(Debug, Args)]
pub(crate) struct ListArgs {
    #[command(flatten)]
    folder: Folder,
    /// Only what is revoked, expired, or good for fewer days than this.
    #[arg(long, value_name = "DAYS")]
    within: Option<i64>,
    /// How to print.
    #[arg(long, env = "ENTENTE_OUTPUT", default_value = "table", hide_env_values = true)]
    output: Format,
}

pub(super) fn list(args: &ListArgs) -> anyhow::Result<()> {
    let mut listed = args.folder.open()?.list(clock::now())?;
    if let Some(days) = args.within {
        listed.retain(|one| one.state != State::Valid || one.days_left < days);
    }
    let json = listed.iter().map(|one| {
        json!({
            "subject": one.subject,
            "state": one.state.as_str(),
            "path": one.path,
            "serial": one.serial,
            "sha256": one.thumbprint.map(|thumbprint| thumbprint.to_string()),
            "not_after": one.not_after.to_string(),
            "days_left": one.days_left,
        })
    });
    args.output.show(&json.collect::<Vec<_>>(), |_| table(&listed))
}

fn table(listed: &[Listed]) -> String {
    let headings = ["certificate", "state", ">days left", "valid until", "path"];
    let mut table = Table::new(&headings);
    for one in listed {
        table.row([
            one.subject.clone(),
            one.state.as_str().to_owned(),
            one.days_left.to_string(),
            one.not_after.to_string(),
            one.path.display().to_string(),
        ]);
    }
    table.text("no certificates")
}
