//! `entente proposal`: what one operator proposed, for another to approve or reject.

mod show;

use std::path::Path;

use clap::{Args, Subcommand, ValueEnum};
use entente_api::proposal::{
    Act, ApproveRequest, GetProposalRequest, ListProposalsRequest, Proposal, ProposalState,
    ProposeRequest, RejectRequest, act::Act as OneAct,
};
use serde_json::Value;

use super::request_id;
use crate::connect::Connection;
use crate::output::{Table, act_kind, proposal_state, time_text};

const EXAMPLES: &str = "\
Examples:
  entente proposal list --state open
  entente proposal show 7d0c1e1c-6f0b-4d1b-9c59-0d3b1f6f7a10
  entente proposal approve 7d0c1e1c-6f0b-4d1b-9c59-0d3b1f6f7a10 --as operator/ops-2
  entente proposal reject 7d0c1e1c-6f0b-4d1b-9c59-0d3b1f6f7a10 --reason \"wrong price\"";

/// What to do with proposals.
#[derive(Debug, Subcommand)]
#[command(after_help = EXAMPLES)]
pub(crate) enum ProposalCommand {
    /// List proposals, newest first.
    List(ListArgs),
    /// Show one: what it would do, why, and what became of it.
    Show(ShowArgs),
    /// Apply what another operator proposed.
    Approve(ApproveArgs),
    /// End one without effect; its proposer withdraws it by this.
    Reject(RejectArgs),
}

/// Which proposals.
#[derive(Debug, Args)]
pub(crate) struct ListArgs {
    /// Which of them [default: all].
    #[arg(long)]
    state: Option<State>,
    #[command(flatten)]
    connection: Connection,
}

/// Which proposal.
#[derive(Debug, Args)]
pub(crate) struct ShowArgs {
    /// Its id.
    proposal: String,
    #[command(flatten)]
    connection: Connection,
}

/// What to approve.
#[derive(Debug, Args)]
pub(crate) struct ApproveArgs {
    /// The proposal's id.
    proposal: String,
    /// The id of this write, to repeat it safely.
    #[arg(long, value_name = "UUID")]
    request_id: Option<String>,
    #[command(flatten)]
    connection: Connection,
}

/// What to reject.
#[derive(Debug, Args)]
pub(crate) struct RejectArgs {
    /// The proposal's id.
    proposal: String,
    /// Why, for the record.
    #[arg(long, value_name = "TEXT")]
    reason: String,
    /// The id of this write, to repeat it safely.
    #[arg(long, value_name = "UUID")]
    request_id: Option<String>,
    #[command(flatten)]
    connection: Connection,
}

/// How proposals of a command are made: why, and by which id.
#[derive(Debug, Args)]
pub(crate) struct ProposeArgs {
    /// Why, for whoever approves it and for the record.
    #[arg(long, value_name = "TEXT")]
    pub(crate) reason: String,
    /// The id of the proposal, to repeat it safely.
    #[arg(long, value_name = "UUID")]
    request_id: Option<String>,
}

/// What became of a proposal.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum State {
    /// It waits for another operator.
    Open,
    /// It was approved, and the act is done.
    Applied,
    /// It was approved, and the act was refused.
    Refused,
    /// Another operator ended it.
    Rejected,
    /// Its proposer ended it.
    Withdrawn,
    /// It waited for too long.
    Expired,
}

/// Runs the command.
pub(crate) async fn run(command: ProposalCommand) -> anyhow::Result<()> {
    match command {
        ProposalCommand::List(args) => list(args).await,
        ProposalCommand::Show(args) => {
            let request = GetProposalRequest { proposal: args.proposal };
            let answer = args.connection.client().await?.get_proposal(request).await?;
            show::full(&args.connection, &answer.proposal.unwrap_or_default())
        }
        ProposalCommand::Approve(args) => {
            let request_id = request_id(args.request_id);
            let request = ApproveRequest { request_id, proposal: args.proposal };
            let answer = args.connection.client().await?.approve(request).await?;
            show::full(&args.connection, &answer.proposal.unwrap_or_default())
        }
        ProposalCommand::Reject(args) => {
            let request = RejectRequest {
                request_id: request_id(args.request_id),
                proposal: args.proposal,
                reason: args.reason,
            };
            let answer = args.connection.client().await?.reject(request).await?;
            show::full(&args.connection, &answer.proposal.unwrap_or_default())
        }
    }
}

/// Proposes an act for another command, and says how it is approved.
pub(crate) async fn propose(
    connection: &Connection,
    args: ProposeArgs,
    act: OneAct,
) -> anyhow::Result<()> {
    let request = ProposeRequest {
        request_id: request_id(args.request_id),
        reason: args.reason,
        act: Some(Act { act: Some(act) }),
    };
    let answer = connection.client().await?.propose(request).await?;
    let proposal = answer.proposal.unwrap_or_default();
    connection.output.show(&show::json(&proposal), |_| {
        let until = time_text(proposal.expires_at.as_ref());
        let id = &proposal.proposal;
        format!(
            "proposed as {id}; nothing has changed yet\n\n\
             Until {until} another operator can approve it:\n  \
             entente proposal show {id} {flags}\n  entente proposal approve {id} {flags}",
            flags = flags(connection),
        )
    })
}

async fn list(args: ListArgs) -> anyhow::Result<()> {
    let client = args.connection.client().await?;
    let state = args.state.map(ProposalState::from).unwrap_or_default().into();
    let mut proposals = Vec::new();
    let mut page_token = String::new();
    loop {
        let request = ListProposalsRequest { state, page_size: 1_000, page_token };
        let mut page = client.list_proposals(request).await?;
        proposals.append(&mut page.proposals);
        page_token = page.next_page_token;
        if page_token.is_empty() {
            return table(&args.connection, &proposals);
        }
    }
}

fn table(connection: &Connection, proposals: &[Proposal]) -> anyhow::Result<()> {
    let json: Vec<Value> = proposals.iter().map(show::json).collect();
    connection.output.show(&json, |_| {
        let mut table =
            Table::new(&["proposal", "to", "state", "by", "at", "decided by", "reason"]);
        for proposal in proposals {
            table.row([
                proposal.proposal.clone(),
                act_kind(proposal.kind).to_owned(),
                proposal_state(proposal.state).to_owned(),
                proposal.proposed_by.clone(),
                time_text(proposal.proposed_at.as_ref()),
                proposal.decided_by.clone(),
                proposal.reason.clone(),
            ]);
        }
        table.text("no proposals")
    })
}

/// The flags by which somebody else reaches the same hub.
fn flags(connection: &Connection) -> String {
    let mut flags = vec!["--as operator/ANOTHER".to_owned()];
    for endpoint in &connection.endpoint {
        flags.push(format!("--endpoint {endpoint}"));
    }
    if connection.certificates != Path::new("certs") {
        flags.push(format!("--certificates {}", connection.certificates.display()));
    }
    flags.join(" ")
}

impl From<State> for ProposalState {
    fn from(state: State) -> Self {
        match state {
            State::Open => Self::Open,
            State::Applied => Self::Applied,
            State::Refused => Self::Refused,
            State::Rejected => Self::Rejected,
            State::Withdrawn => Self::Withdrawn,
            State::Expired => Self::Expired,
        }
    }
}
