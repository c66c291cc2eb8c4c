//! What is personal of a member: told to it, and removed. Operators do both, the second by two.

use clap::Args;
use entente_api::member::{EraseMemberRequest, ExportMemberRequest};
use entente_api::proposal::act::Act;

use crate::commands::proposal::{self, ProposeArgs};
use crate::connect::Connection;
use crate::output::say;

/// How many records are read at a time.
const PAGE: i32 = 500;

/// Whose data.
#[derive(Debug, Args)]
pub(crate) struct ExportArgs {
    /// The brand's own reference of the member.
    member_reference: String,
    /// The code of the brand.
    #[arg(long, value_name = "CODE")]
    partner: String,
    #[command(flatten)]
    connection: Connection,
}

/// Whom to erase, and why.
#[derive(Debug, Args)]
pub(crate) struct EraseArgs {
    /// The brand's own reference of the member.
    member_reference: String,
    /// The code of the brand.
    #[arg(long, value_name = "CODE")]
    partner: String,
    #[command(flatten)]
    propose: ProposeArgs,
    #[command(flatten)]
    connection: Connection,
}

/// Prints every record of a member, a JSON object a line.
pub(super) async fn export(args: ExportArgs) -> anyhow::Result<()> {
    let client = args.connection.client().await?;
    let mut request = ExportMemberRequest {
        partner: args.partner,
        member_reference: args.member_reference,
        page_size: PAGE,
        page_token: String::new(),
    };
    loop {
        let page = client.export_member(request.clone()).await?;
        for record in &page.records {
            say(record)?;
        }
        request.page_token = page.next_page_token;
        if request.page_token.is_empty() {
            return Ok(());
        }
    }
}

/// Proposes an erasure.
pub(super) async fn erase(args: EraseArgs) -> anyhow::Result<()> {
    let act = EraseMemberRequest {
        request_id: String::new(),
        partner: args.partner,
        member_reference: args.member_reference,
    };
    proposal::propose(&args.connection, args.propose, Act::EraseMember(act)).await
}
