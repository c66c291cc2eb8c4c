//! `entente key`: the keys by which a partner or an operator signs assertions.

use std::path::PathBuf;

use anyhow::Context as _;
use clap::{Args, Subcommand};
use entente_api::identity::{
    Key, ListKeysRequest, RegisterKeyRequest, RevokeKeyRequest, RotateKeyRequest,
};
use entente_api::proposal::act::Act;
use entente_identity::jwt::{ClientAssertion, KeyRotation, SigningKey};
use serde_json::{Value, json};

use super::proposal::{self, ProposeArgs};
use super::request_id;
use crate::clock;
use crate::connect::Connection;
use crate::output::{Table, say, time_text};

const EXAMPLES: &str = "\
Examples:
  entente key list --as harbor-hotels
  entente key register partner/harbor-hotels client-assertion.jwk --reason \"onboarding\"
  openssl genpkey -algorithm ed25519 -out new.key && entente key rotate new.key --as harbor-hotels
  entente key revoke kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k --as harbor-hotels";

/// What to do with keys.
#[derive(Debug, Subcommand)]
#[command(after_help = EXAMPLES)]
pub(crate) enum KeyCommand {
    /// List the keys of the caller, or, for an operator, of anybody.
    List(ListArgs),
    /// Propose a key for a partner or an operator; another operator approves it.
    Register(RegisterArgs),
    /// Register a new key of the caller's, by proof of the one in use.
    Rotate(RotateArgs),
    /// End a key for ever, and every token that was got by it.
    Revoke(RevokeArgs),
}

/// Whose keys.
#[derive(Debug, Args)]
pub(crate) struct ListArgs {
    /// `partner/CODE` or `operator/NAME` [default: the caller].
    #[arg(long, value_name = "OWNER", default_value = "", hide_default_value = true)]
    owner: String,
    #[command(flatten)]
    connection: Connection,
}

/// A key of somebody.
#[derive(Debug, Args)]
pub(crate) struct RegisterArgs {
    /// `partner/CODE` or `operator/NAME`.
    owner: String,
    /// The public key, a JWK file, as `entente pki issue` makes one.
    jwk: PathBuf,
    #[command(flatten)]
    propose: ProposeArgs,
    #[command(flatten)]
    connection: Connection,
}

/// A new key.
#[derive(Debug, Args)]
pub(crate) struct RotateArgs {
    /// The new key, a PEM file of Ed25519 or P-256; put it in the old one's place afterwards.
    new_key: PathBuf,
    /// The id of this write, to repeat it safely.
    #[arg(long, value_name = "UUID")]
    request_id: Option<String>,
    #[command(flatten)]
    connection: Connection,
}

/// A key to end.
#[derive(Debug, Args)]
pub(crate) struct RevokeArgs {
    /// Its name: its thumbprint.
    kid: String,
    /// `partner/CODE` or `operator/NAME` [default: the caller].
    #[arg(long, value_name = "OWNER", default_value = "", hide_default_value = true)]
    owner: String,
    /// The id of this write, to repeat it safely.
    #[arg(long, value_name = "UUID")]
    request_id: Option<String>,
    #[command(flatten)]
    connection: Connection,
}

/// Runs the command.
pub(crate) async fn run(command: KeyCommand) -> anyhow::Result<()> {
    match command {
        KeyCommand::List(args) => list(args).await,
        KeyCommand::Register(args) => register(args).await,
        KeyCommand::Rotate(args) => rotate(args).await,
        KeyCommand::Revoke(args) => revoke(args).await,
    }
}

async fn list(args: ListArgs) -> anyhow::Result<()> {
    let client = args.connection.client().await?;
    let keys = client.list_keys(ListKeysRequest { owner: args.owner }).await?.keys;
    args.connection.output.show(&keys.iter().map(shown).collect::<Vec<_>>(), |_| {
        let mut table = Table::new(&["key", "owner", "since", "revoked"]);
        for key in &keys {
            let since = time_text(key.registered_at.as_ref());
            let revoked = time_text(key.revoked_at.as_ref());
            table.row([key.kid.clone(), key.owner.clone(), since, revoked]);
        }
        table.text("no keys")
    })
}

async fn register(args: RegisterArgs) -> anyhow::Result<()> {
    let jwk = std::fs::read_to_string(&args.jwk)
        .with_context(|| format!("cannot read {}", args.jwk.display()))?;
    let jwk = jwk.trim().to_owned();
    let act =
        Act::RegisterKey(RegisterKeyRequest { request_id: String::new(), owner: args.owner, jwk });
    proposal::propose(&args.connection, args.propose, act).await
}

async fn rotate(args: RotateArgs) -> anyhow::Result<()> {
    let assertions = args.connection.assertions()?;
    let client = args.connection.client().await?;
    let (new, registered) =
        (SigningKey::from_pem_file(&args.new_key)?, SigningKey::from_pem_file(&assertions.key)?);
    let (identity, issuer) = assertions.identity()?;
    let now = clock::now();
    let request = RotateKeyRequest {
        request_id: request_id(args.request_id),
        jwk: new.public_key().jwk(),
        proof: KeyRotation::sign(&registered, new.public_key(), &identity, &issuer, now)?,
        possession: ClientAssertion::sign(&new, &identity, &issuer, now)?,
    };
    let response = client.rotate_key(request).await?;
    let key = response.key.context("the hub answered no key")?;
    args.connection.output.show(&shown(&key), |_| {
        format!("{} is registered; the key before stays until it is revoked", key.kid)
    })
}

async fn revoke(args: RevokeArgs) -> anyhow::Result<()> {
    let client = args.connection.client().await?;
    let (owner, kid) = (args.owner, args.kid);
    let request = RevokeKeyRequest { request_id: request_id(args.request_id), owner, kid };
    client.revoke_key(request).await?;
    Ok(say("revoked")?)
}

pub(super) fn shown(key: &Key) -> Value {
    json!({
        "kid": key.kid,
        "owner": key.owner,
        "registered_at": time_text(key.registered_at.as_ref()),
        "revoked_at": time_text(key.revoked_at.as_ref()),
    })
}
