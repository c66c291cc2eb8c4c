//! `entente member link`, `check`, `unlink`, `code`, `redeem`, `confirm` and `unmerge`: how a brand links
//! its members, for trying it out and for helping a member at a desk.

use clap::{ArgGroup, Args};
use entente_api::member::{
    CheckLinkRequest, ConfirmLinkRequest, CreateLinkCodeRequest, LinkMemberRequest,
    RedeemLinkCodeRequest, UnlinkRequest, UnmergeMembersRequest, unlink_request::Link,
    unmerge_members_request::Merge,
};
use entente_client::{Consent, MemberSigner};
use prost_types::Timestamp;
use serde_json::json;

use crate::commands::request_id;
use crate::connect::Connection;
use crate::output::{points, time_text};

/// What the member has agreed to, and how the write is named.
#[derive(Debug, Args)]
struct Asserting {
    /// The version of the wording that the member has read and agreed to.
    #[arg(long, value_name = "VERSION", default_value = "1")]
    wording: String,
    /// The id of this write, to repeat it safely [default: a new one].
    #[arg(long, value_name = "UUID")]
    request_id: Option<String>,
}

/// Whom to link.
#[derive(Debug, Args)]
pub(crate) struct LinkArgs {
    /// The partner's own reference of the member.
    member_reference: String,
    #[command(flatten)]
    asserting: Asserting,
    #[command(flatten)]
    connection: Connection,
}

/// Whose link to look at.
#[derive(Debug, Args)]
pub(crate) struct CheckArgs {
    /// The partner's own reference of the member.
    member_reference: String,
    #[command(flatten)]
    connection: Connection,
}

/// Which link to end.
#[derive(Debug, Args)]
#[command(group(ArgGroup::new("link").required(true)))]
pub(crate) struct UnlinkArgs {
    /// The partner's own reference of the member.
    #[arg(group = "link")]
    member_reference: Option<String>,
    /// The id of a code: the link that it made at the other brand is taken back.
    #[arg(long, value_name = "UUID", group = "link")]
    code_id: Option<String>,
    /// The id of this write, to repeat it safely [default: a new one].
    #[arg(long, value_name = "UUID")]
    request_id: Option<String>,
    #[command(flatten)]
    connection: Connection,
}

/// For whom to make a code, and for which brand.
#[derive(Debug, Args)]
pub(crate) struct CodeArgs {
    /// The partner's own reference of the member.
    member_reference: String,
    /// The code of the brand where the member will type it.
    target: String,
    /// The member agrees that a wallet it has there is merged into this one.
    #[arg(long)]
    allow_merge: bool,
    /// The id of this write, which names the code [default: a new one].
    #[arg(long, value_name = "UUID")]
    request_id: Option<String>,
    #[command(flatten)]
    connection: Connection,
}

/// What a member typed.
#[derive(Debug, Args)]
pub(crate) struct RedeemArgs {
    /// The partner's own reference of the member.
    member_reference: String,
    /// The code that the member was shown at the other brand.
    code: String,
    #[command(flatten)]
    asserting: Asserting,
    #[command(flatten)]
    connection: Connection,
}

/// What to confirm.
#[derive(Debug, Args)]
pub(crate) struct ConfirmArgs {
    /// The partner's own reference of the member.
    member_reference: String,
    /// The id that `entente member code` printed.
    code_id: String,
    /// The number that the member read at the other brand.
    number: i32,
    #[command(flatten)]
    asserting: Asserting,
    #[command(flatten)]
    connection: Connection,
}

/// Which merge to take back.
#[derive(Debug, Args)]
#[command(group(ArgGroup::new("merge").required(true)))]
pub(crate) struct UnmergeArgs {
    /// The id that `entente member code` printed, at the brand that confirmed it.
    #[arg(long, value_name = "UUID", group = "merge")]
    code_id: Option<String>,
    /// The id that `entente member redeem` printed, at the brand where the code was typed.
    #[arg(long, value_name = "UUID", group = "merge")]
    redemption_id: Option<String>,
    /// The id of this write, to repeat it safely [default: a new one].
    #[arg(long, value_name = "UUID")]
    request_id: Option<String>,
    #[command(flatten)]
    connection: Connection,
}

impl Asserting {
    fn consent(&self) -> Consent {
        MemberSigner::consent(&self.wording)
    }
}

pub(super) async fn link(args: LinkArgs) -> anyhow::Result<()> {
    let signer = args.connection.signer()?;
    let consent = args.asserting.consent();
    let request = LinkMemberRequest {
        request_id: request_id(args.asserting.request_id),
        member_assertion: signer.assert_member(&args.member_reference, &consent)?,
    };
    let answer = args.connection.client().await?.link_member(request).await?;
    let json = json!({
        "member_token": answer.member_token,
        "created": answer.created,
        "replayed": answer.replayed,
    });
    args.connection.output.show(&json, |_| {
        let what = if answer.created { "linked" } else { "linked before" };
        format!("{what}: token {}", answer.member_token)
    })
}

pub(super) async fn check(args: CheckArgs) -> anyhow::Result<()> {
    let request = CheckLinkRequest { member_reference: args.member_reference };
    let answer = args.connection.client().await?.check_link(request).await?;
    let since = answer.linked_at.map(shown);
    let from = answer.burns_others_from.map(shown);
    let json = json!({
        "linked": answer.linked,
        "member_token": answer.member_token,
        "linked_at": since,
        "burns_others_from": from,
    });
    args.connection.output.show(&json, |_| {
        let Some(since) = since else { return "not linked".to_owned() };
        let held_back = from.map(|from| format!("; points of others can be spent from {from} on"));
        let token = &answer.member_token;
        format!("linked since {since}: token {token}{}", held_back.unwrap_or_default())
    })
}

pub(super) async fn unlink(args: UnlinkArgs) -> anyhow::Result<()> {
    let own = args.member_reference.map(Link::MemberReference);
    let link = own.or(args.code_id.map(Link::LinkCodeId));
    let request = UnlinkRequest { request_id: request_id(args.request_id), link };
    let answer = args.connection.client().await?.unlink(request).await?;
    let json = json!({ "replayed": answer.replayed });
    args.connection.output.show(&json, |_| "unlinked".to_owned())
}

pub(super) async fn code(args: CodeArgs) -> anyhow::Result<()> {
    let request = CreateLinkCodeRequest {
        request_id: request_id(args.request_id),
        member_reference: args.member_reference,
        target_partner: args.target,
        allow_merge: args.allow_merge,
    };
    let id = request.request_id.clone();
    let answer = args.connection.client().await?.create_link_code(request).await?;
    let expires_at = answer.expires_at.map(shown).unwrap_or_default();
    let json = json!({
        "code": answer.code,
        "code_id": id,
        "expires_at": expires_at,
        "replayed": answer.replayed,
    });
    let code = &answer.code;
    args.connection.output.show(&json, |_| format!("{code} until {expires_at} (code id {id})"))
}

pub(super) async fn redeem(args: RedeemArgs) -> anyhow::Result<()> {
    let signer = args.connection.signer()?;
    let consent = args.asserting.consent();
    let request = RedeemLinkCodeRequest {
        request_id: request_id(args.asserting.request_id),
        member_assertion: signer.assert_code(&args.member_reference, &consent, &args.code)?,
        code: args.code,
    };
    let id = request.request_id.clone();
    let answer = args.connection.client().await?.redeem_link_code(request).await?;
    let expires_at = answer.expires_at.map(shown).unwrap_or_default();
    let json = json!({
        "number": answer.number,
        "issuing_partner": answer.issuing_partner,
        "redemption_id": id,
        "merges": answer.merges,
        "expires_at": expires_at,
        "replayed": answer.replayed,
    });
    let (number, brand) = (answer.number, &answer.issuing_partner);
    args.connection.output.show(&json, |_| {
        let type_it = format!("type {number} at {brand}, until {expires_at}");
        if !answer.merges {
            return type_it;
        }
        format!("{type_it}\nthat merges the wallet of this reference into {brand}'s (redemption id {id})")
    })
}

pub(super) async fn confirm(args: ConfirmArgs) -> anyhow::Result<()> {
    let signer = args.connection.signer()?;
    let consent = args.asserting.consent();
    let request = ConfirmLinkRequest {
        request_id: request_id(args.asserting.request_id),
        member_assertion: signer.assert_member(&args.member_reference, &consent)?,
        link_code_id: args.code_id,
        number: args.number,
    };
    let answer = args.connection.client().await?.confirm_link(request).await?;
    let until = answer.takes_back_until.map(shown).unwrap_or_default();
    let merged = answer.merge.as_ref().map(|merge| merge.points);
    let available = answer.balances.map(|balances| balances.available);
    let json = json!({
        "takes_back_until": until,
        "merged_points": merged,
        "available": available,
        "replayed": answer.replayed,
    });
    args.connection.output.show(&json, |_| {
        let what = match merged {
            Some(moved) => {
                let has = points(available.unwrap_or_default());
                format!("linked and merged: {} points came, {has} are available", points(moved))
            }
            None => "linked".to_owned(),
        };
        format!("{what}; it can be taken back until {until}")
    })
}

pub(super) async fn unmerge(args: UnmergeArgs) -> anyhow::Result<()> {
    let by_code = args.code_id.map(Merge::LinkCodeId);
    let merge = by_code.or(args.redemption_id.map(Merge::RedemptionId));
    let request = UnmergeMembersRequest { request_id: request_id(args.request_id), merge };
    let answer = args.connection.client().await?.unmerge_members(request).await?;
    let moved = answer.operation.unwrap_or_default().points;
    let available = answer.balances.unwrap_or_default().available;
    let json = json!({
        "points": moved,
        "available": available,
        "replayed": answer.replayed,
    });
    args.connection.output.show(&json, |_| {
        let (moved, has) = (points(moved), points(available));
        format!("two wallets again: {moved} points went back, {has} are available here")
    })
}

fn shown(at: Timestamp) -> String {
    time_text(Some(&at))
}
