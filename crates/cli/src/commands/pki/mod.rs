//! `entente pki`: certificates, made in a folder. Nothing here talks to a hub, and no key is printed.

mod life;
mod list;

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::{Args, Subcommand};
use entente_identity::pki::{DomainDirectory, LEAF_DAYS, Overwrite};
use entente_identity::{Identity, Name, TrustDomain};

use self::life::{AuthorityArgs, RenewArgs, RevokeArgs};
use self::list::ListArgs;
use crate::clock;
use crate::connect::{FIRST_OPERATOR, SECOND_OPERATOR, Who};
use crate::output::say;

/// How people name the hub.
const HUB: &str = "hub";

const EXAMPLES: &str = "\
Examples:
  entente pki init --trust-domain entente.example --host hub.example --host localhost
  entente pki partner-ca harbor-hotels
  entente pki issue harbor-hotels
  openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout own.key \\
      -subj /CN=rover -out own.csr
  entente pki issue rover-rides --request own.csr
  entente pki renew harbor-hotels             # the next certificate; the one before stays good
  entente pki revoke harbor-hotels --before   # until it is revoked
  entente pki list";

/// What to make.
#[derive(Debug, Subcommand)]
#[command(after_help = EXAMPLES)]
pub(crate) enum PkiCommand {
    /// Make a trust domain: the hub's root and certificate, the operators' CA, two operators.
    Init(InitArgs),
    /// Make a CA for a partner.
    PartnerCa(PartnerCaArgs),
    /// Make a certificate for a partner, an operator or the hub: with a key, or for a request.
    Issue(IssueArgs),
    /// Sign a certificate request, so that its owner keeps the key: as `issue --request`.
    Sign(SignArgs),
    /// Make the next certificate of somebody who has one.
    Renew(RenewArgs),
    /// Put a certificate on its authority's revocation list: hubs refuse it within seconds.
    Revoke(RevokeArgs),
    /// Make the revocation list of an authority anew, before it is too old.
    Crl(AuthorityArgs),
    /// Make the next CA of a partner, of the operators or of the hub; the one before stays good.
    ChangeCa(AuthorityArgs),
    /// Drop the CA before the present one, and with it all that it has signed.
    RetireCa(AuthorityArgs),
    /// List certificates and revocation lists, and how long they are good.
    List(ListArgs),
}

/// Where certificates lie.
#[derive(Debug, Args)]
pub(crate) struct Folder {
    /// The trust domain's folder.
    #[arg(
        long,
        env = "ENTENTE_CERTIFICATES",
        value_name = "DIR",
        default_value = "certs",
        hide_env_values = true
    )]
    certificates: PathBuf,
}

/// Whether what exists is replaced.
#[derive(Debug, Args)]
pub(crate) struct Replace {
    /// Replace what exists; who uses the old files must be given the new ones.
    #[arg(long)]
    overwrite: bool,
}

impl Folder {
    fn open(&self) -> anyhow::Result<DomainDirectory> {
        Ok(DomainDirectory::open(&self.certificates)?)
    }
}

impl Replace {
    fn policy(&self) -> Overwrite {
        if self.overwrite { Overwrite::Replace } else { Overwrite::Refuse }
    }
}

/// A new trust domain.
#[derive(Debug, Args)]
pub(crate) struct InitArgs {
    #[command(flatten)]
    folder: Folder,
    #[command(flatten)]
    replace: Replace,
    /// The name of the trust domain, part of every identity.
    #[arg(long, default_value = "entente.local")]
    trust_domain: TrustDomain,
    /// A name or address by which the hub is reached; may be repeated.
    #[arg(long = "host", value_name = "NAME", default_values = ["localhost", "127.0.0.1", "::1"])]
    hosts: Vec<String>,
    /// An operator; may be repeated. Sensitive acts need two.
    #[arg(
        long = "operator",
        value_name = "NAME",
        default_values = [FIRST_OPERATOR, SECOND_OPERATOR]
    )]
    operators: Vec<Name>,
}

/// Whose CA.
#[derive(Debug, Args)]
pub(crate) struct PartnerCaArgs {
    #[command(flatten)]
    folder: Folder,
    #[command(flatten)]
    replace: Replace,
    /// The partner's code.
    partner: Name,
}

/// Whose certificate.
#[derive(Debug, Args)]
pub(crate) struct IssueArgs {
    #[command(flatten)]
    folder: Folder,
    #[command(flatten)]
    replace: Replace,
    /// A partner's code, `operator/NAME`, or `hub`.
    who: String,
    /// For how many days it is valid.
    #[arg(long, default_value_t = LEAF_DAYS)]
    days: u16,
    /// A name or address of the hub, for `hub`; may be repeated.
    #[arg(long = "host", value_name = "NAME", default_values = ["localhost", "127.0.0.1", "::1"])]
    hosts: Vec<String>,
    /// A certificate request in PEM, whose owner keeps the key. What it asks to be named is ignored.
    #[arg(long, value_name = "FILE")]
    request: Option<PathBuf>,
}

/// A request, and whom it is for.
#[derive(Debug, Args)]
pub(crate) struct SignArgs {
    #[command(flatten)]
    folder: Folder,
    #[command(flatten)]
    replace: Replace,
    /// A partner's code or `operator/NAME`. What the request asks to be named is ignored.
    who: Who,
    /// The request, in PEM.
    request: PathBuf,
    /// For how many days the certificate is valid.
    #[arg(long, default_value_t = LEAF_DAYS)]
    days: u16,
}

/// Runs the command.
pub(crate) fn run(command: PkiCommand) -> anyhow::Result<()> {
    match command {
        PkiCommand::Init(args) => init(&args),
        PkiCommand::PartnerCa(args) => partner_ca(&args),
        PkiCommand::Issue(args) => issue(&args),
        PkiCommand::Sign(args) => sign(&args),
        PkiCommand::Renew(args) => life::renew(&args),
        PkiCommand::Revoke(args) => life::revoke(&args),
        PkiCommand::Crl(args) => life::renew_lists(&args),
        PkiCommand::ChangeCa(args) => life::change_authority(&args),
        PkiCommand::RetireCa(args) => life::retire_authority(&args),
        PkiCommand::List(args) => list::list(&args),
    }
}

fn init(args: &InitArgs) -> anyhow::Result<()> {
    let (folder, overwrite) = (&args.folder.certificates, args.replace.policy());
    let domain = args.trust_domain.clone();
    let made = DomainDirectory::init(folder, domain, &args.hosts, clock::now(), overwrite)?;
    let operators = args.operators.iter().cloned().map(Identity::Operator);
    let operators: Vec<_> = operators.collect();
    for operator in &operators {
        made.issue(operator, None, clock::now(), overwrite)?;
    }
    say(&format!("made the trust domain {} in {}", made.trust_domain(), folder.display()))?;
    written("the root that clients pin", &made.ca_certificate(&Identity::Hub))?;
    written("the hub's certificate", &made.certificate(&Identity::Hub))?;
    for operator in &operators {
        written(&format!("{operator}'s certificate"), &made.certificate(operator))?;
    }
    Ok(())
}

fn partner_ca(args: &PartnerCaArgs) -> anyhow::Result<()> {
    let domain = args.folder.open()?;
    let path = domain.make_partner_ca(&args.partner, clock::now(), args.replace.policy())?;
    written(&format!("the CA of {}", args.partner), &path)
}

fn issue(args: &IssueArgs) -> anyhow::Result<()> {
    let (domain, now) = (args.folder.open()?, clock::now());
    let overwrite = args.replace.policy();
    if let Some(request) = &args.request {
        let Who(identity) = args.who.parse()?;
        return sign_for(&args.folder, &identity, request, args.days, overwrite);
    }
    let path = if args.who == HUB {
        domain.issue_hub(&args.hosts, Some(args.days), now, overwrite)?
    } else {
        let Who(identity) = args.who.parse()?;
        domain.issue(&identity, Some(args.days), now, overwrite)?
    };
    written(&format!("the certificate of {}, its key beside it", args.who), &path)
}

fn sign(args: &SignArgs) -> anyhow::Result<()> {
    let Who(identity) = &args.who;
    sign_for(&args.folder, identity, &args.request, args.days, args.replace.policy())
}

fn sign_for(
    folder: &Folder,
    identity: &Identity,
    request: &Path,
    days: u16,
    overwrite: Overwrite,
) -> anyhow::Result<()> {
    let (request, now) = (read_request(request)?, clock::now());
    let domain = folder.open()?;
    let path = domain.sign_request(identity, &request, Some(days), now, overwrite)?;
    written(&format!("the certificate of {identity}"), &path)
}

fn read_request(path: &Path) -> anyhow::Result<String> {
    std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))
}

/// Whose certificate: `hub`, or a caller as elsewhere.
fn identity(who: &str) -> anyhow::Result<Identity> {
    if who == HUB {
        return Ok(Identity::Hub);
    }
    let Who(identity) = who.parse()?;
    Ok(identity)
}

fn written(what: &str, path: &Path) -> anyhow::Result<()> {
    Ok(say(&format!("  {what}: {}", path.display()))?)
}
