//! Closing and listing windows.

use clap::Args;
use entente_api::settlement::{CloseWindowRequest, ListWindowsRequest, Window};
use serde_json::{Value, json};

use super::{agree, nets_json, nets_table};
use crate::connect::Connection;
use crate::output::{Table, bold, time_text, window_state};

/// The window to be.
#[derive(Debug, Args)]
pub(crate) struct CloseArgs {
    /// Its name for ever: letters, digits and `-_.:`.
    name: String,
    /// The window of partners that test.
    #[arg(long)]
    testing: bool,
    #[command(flatten)]
    connection: Connection,
}

/// All windows, or one.
#[derive(Debug, Args)]
pub(crate) struct WindowsArgs {
    /// A closed window's name: what became of it, step by step.
    window: Option<String>,
    /// Those of partners that test.
    #[arg(long)]
    testing: bool,
    #[command(flatten)]
    connection: Connection,
}

pub(super) async fn close(args: CloseArgs) -> anyhow::Result<()> {
    let client = args.connection.client().await?;
    let answer =
        client.close_window(CloseWindowRequest { name: args.name, testing: args.testing }).await?;
    let window = answer.window.unwrap_or_default();
    let json = json!({
        "window": window_json(&window),
        "nets": nets_json(&answer.nets),
        "already_closed": answer.already_closed,
    });
    args.connection.output.show(&json, |_| {
        let how = if answer.already_closed { "was closed at" } else { "is closed, at" };
        let when = time_text(window.closed_at.as_ref());
        format!("{}\n{}", bold(&format!("{} {how} {when}", window.name)), nets_table(&answer.nets))
    })
}

pub(super) async fn list(args: WindowsArgs) -> anyhow::Result<()> {
    if let Some(window) = args.window {
        return agree::show(&args.connection, window).await;
    }
    let client = args.connection.client().await?;
    let mut windows = Vec::new();
    let mut page_token = String::new();
    loop {
        let request = ListWindowsRequest { page_size: 1_000, page_token, testing: args.testing };
        let mut page = client.list_windows(request).await?;
        windows.append(&mut page.windows);
        page_token = page.next_page_token;
        if page_token.is_empty() {
            break;
        }
    }
    let json: Vec<Value> = windows.iter().map(window_json).collect();
    args.connection.output.show(&json, |_| {
        let mut table = Table::new(&["window", "state", "opened", "closed"]);
        for window in &windows {
            let name = if window.name.is_empty() { "-" } else { &window.name };
            table.row([
                name.to_owned(),
                window_state(window.state).to_owned(),
                time_text(window.opened_at.as_ref()),
                time_text(window.closed_at.as_ref()),
            ]);
        }
        table.text("no windows")
    })
}

/// A window for programs.
pub(super) fn window_json(window: &Window) -> Value {
    json!({
        "name": window.name,
        "state": window_state(window.state),
        "opened_at": time_text(window.opened_at.as_ref()),
        "closed_at": window.closed_at.as_ref().map(|time| time_text(Some(time))),
        "cut_off_at": window.cut_off_at.as_ref().map(|time| time_text(Some(time))),
        "objection_until": window.objection_until.as_ref().map(|time| time_text(Some(time))),
    })
}
