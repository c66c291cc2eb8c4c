//! `entente partner`: the brands of the coalition.

use clap::{Args, Subcommand};
use entente_api::partner::{
    CreatePartnerRequest, GetPartnerRequest, ListPartnersRequest, Partner, ResumePartnerRequest,
    SuspendPartnerRequest,
};
use serde_json::{Value, json};

use super::request_id;
use crate::connect::Connection;
use crate::output::{Table, partner_state, time_text};

const EXAMPLES: &str = "\
Examples:
  entente partner create harbor-hotels \"Harbor Hotels\"
  entente partner list --output json
  entente partner suspend rover-rides";

/// What to do with partners.
#[derive(Debug, Subcommand)]
#[command(after_help = EXAMPLES)]
pub(crate) enum PartnerCommand {
    /// Add a brand.
    Create(CreateArgs),
    /// Show one partner.
    Get(OneArgs),
    /// List all partners.
    List(ListArgs),
    /// Stop a partner's earns, burns and authorizations at once.
    Suspend(OneArgs),
    /// End a suspension.
    Resume(OneArgs),
}

/// A new brand.
#[derive(Debug, Args)]
pub(crate) struct CreateArgs {
    /// Its code, which names it everywhere: `harbor-hotels`.
    code: String,
    /// Its name for people.
    display_name: String,
    /// It tests, for ever: its operations are never settled, and magic references provoke refusals.
    #[arg(long)]
    testing: bool,
    /// The id of this write, to repeat it safely.
    #[arg(long, value_name = "UUID")]
    request_id: Option<String>,
    #[command(flatten)]
    connection: Connection,
}

/// One partner.
#[derive(Debug, Args)]
pub(crate) struct OneArgs {
    /// Its code.
    code: String,
    /// The id of this write, to repeat it safely.
    #[arg(long, value_name = "UUID")]
    request_id: Option<String>,
    #[command(flatten)]
    connection: Connection,
}

/// All partners.
#[derive(Debug, Args)]
pub(crate) struct ListArgs {
    #[command(flatten)]
    connection: Connection,
}

/// Runs the command.
pub(crate) async fn run(command: PartnerCommand) -> anyhow::Result<()> {
    match command {
        PartnerCommand::Create(args) => create(args).await,
        PartnerCommand::Get(args) => {
            let request = GetPartnerRequest { partner: args.code };
            let answer = args.connection.client().await?.get_partner(request).await?;
            show(&args.connection, answer.partner.as_slice())
        }
        PartnerCommand::List(args) => list(args).await,
        PartnerCommand::Suspend(args) => {
            let request_id = request_id(args.request_id);
            let request = SuspendPartnerRequest { request_id, partner: args.code };
            let answer = args.connection.client().await?.suspend_partner(request).await?;
            show(&args.connection, answer.partner.as_slice())
        }
        PartnerCommand::Resume(args) => {
            let request_id = request_id(args.request_id);
            let request = ResumePartnerRequest { request_id, partner: args.code };
            let answer = args.connection.client().await?.resume_partner(request).await?;
            show(&args.connection, answer.partner.as_slice())
        }
    }
}

async fn create(args: CreateArgs) -> anyhow::Result<()> {
    let request = CreatePartnerRequest {
        request_id: request_id(args.request_id),
        code: args.code,
        display_name: args.display_name,
        testing: args.testing,
    };
    let answer = args.connection.client().await?.create_partner(request).await?;
    show(&args.connection, answer.partner.as_slice())
}

async fn list(args: ListArgs) -> anyhow::Result<()> {
    let client = args.connection.client().await?;
    let mut partners = Vec::new();
    let mut page_token = String::new();
    loop {
        let request = ListPartnersRequest { page_size: 1_000, page_token };
        let mut page = client.list_partners(request).await?;
        partners.append(&mut page.partners);
        page_token = page.next_page_token;
        if page_token.is_empty() {
            return show(&args.connection, &partners);
        }
    }
}

fn show(connection: &Connection, partners: &[Partner]) -> anyhow::Result<()> {
    let json: Vec<Value> = partners
        .iter()
        .map(|partner| {
            json!({
                "code": partner.code,
                "display_name": partner.display_name,
                "state": partner_state(partner.state),
                "created_at": time_text(partner.created_at.as_ref()),
                "testing": partner.testing,
            })
        })
        .collect();
    connection.output.show(&json, |_| {
        let mut table = Table::new(&["code", "name", "state", "created"]);
        for partner in partners {
            table.row([
                partner.code.clone(),
                partner.display_name.clone(),
                state(partner),
                time_text(partner.created_at.as_ref()),
            ]);
        }
        table.text("no partners")
    })
}

/// For people.
fn state(partner: &Partner) -> String {
    let state = partner_state(partner.state);
    if partner.testing { format!("{state}, testing") } else { state.to_owned() }
}
