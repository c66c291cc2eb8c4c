//! `entente pki`: certificates, made in a folder. Nothing here talks to a hub.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::{Args, Subcommand};
use entente_identity::pki::{DomainDirectory, LEAF_DAYS, Listed, Overwrite};
use entente_identity::{Identity, Name, TrustDomain};
use serde_json::json;

use crate::clock;
use crate::connect::Who;
use crate::output::{Format, Table, say};

const EXAMPLES: &str = "\
Examples:
  entente pki init --trust-domain entente.example --host hub.example --host localhost
  entente pki partner-ca harbor-hotels
  entente pki issue harbor-hotels
  openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout own.key \\
      -subj /CN=rover -out own.csr
  entente pki sign rover-rides own.csr";

/// What to make.
#[derive(Debug, Subcommand)]
#[command(after_help = EXAMPLES)]
pub(crate) enum PkiCommand {
    /// Make a trust domain: the hub's root and certificate, the operators' CA, one operator.
    Init(InitArgs),
    /// Make a CA for a partner.
    PartnerCa(PartnerCaArgs),
    /// Make a key and certificate for a partner or an operator, or the hub's anew.
    Issue(IssueArgs),
    /// Sign a certificate request, so that its owner keeps the key.
    Sign(SignArgs),
    /// List certificates and how long they are valid.
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
    /// Replace what exists; who uses the old files must be given the new ones.
    #[arg(long)]
    overwrite: bool,
}

impl Folder {
    fn open(&self) -> anyhow::Result<DomainDirectory> {
        Ok(DomainDirectory::open(&self.certificates)?)
    }

    fn overwrite(&self) -> Overwrite {
        if self.overwrite { Overwrite::Replace } else { Overwrite::Refuse }
    }
}

/// A new trust domain.
#[derive(Debug, Args)]
pub(crate) struct InitArgs {
    #[command(flatten)]
    folder: Folder,
    /// The name of the trust domain, part of every identity.
    #[arg(long, default_value = "entente.local")]
    trust_domain: TrustDomain,
    /// A name or address by which the hub is reached; may be repeated.
    #[arg(long = "host", value_name = "NAME", default_values = ["localhost", "127.0.0.1", "::1"])]
    hosts: Vec<String>,
    /// The first operator.
    #[arg(long, default_value = "ops")]
    operator: Name,
}

/// Whose CA.
#[derive(Debug, Args)]
pub(crate) struct PartnerCaArgs {
    #[command(flatten)]
    folder: Folder,
    /// The partner's code.
    partner: Name,
}

/// Whose certificate.
#[derive(Debug, Args)]
pub(crate) struct IssueArgs {
    #[command(flatten)]
    folder: Folder,
    /// A partner's code, `operator/NAME`, or `hub`.
    who: String,
    /// For how many days it is valid.
    #[arg(long, default_value_t = LEAF_DAYS)]
    days: u16,
    /// A name or address of the hub, for `hub`; may be repeated.
    #[arg(long = "host", value_name = "NAME", default_values = ["localhost", "127.0.0.1", "::1"])]
    hosts: Vec<String>,
}

/// A request, and whom it is for.
#[derive(Debug, Args)]
pub(crate) struct SignArgs {
    #[command(flatten)]
    folder: Folder,
    /// A partner's code or `operator/NAME`. What the request asks to be named is ignored.
    who: Who,
    /// The request, in PEM.
    request: PathBuf,
    /// For how many days the certificate is valid.
    #[arg(long, default_value_t = LEAF_DAYS)]
    days: u16,
}

/// What to list.
#[derive(Debug, Args)]
pub(crate) struct ListArgs {
    #[command(flatten)]
    folder: Folder,
    /// How to print.
    #[arg(long, env = "ENTENTE_OUTPUT", default_value = "table", hide_env_values = true)]
    output: Format,
}

/// Runs the command.
pub(crate) fn run(command: PkiCommand) -> anyhow::Result<()> {
    match command {
        PkiCommand::Init(args) => init(&args),
        PkiCommand::PartnerCa(args) => partner_ca(&args),
        PkiCommand::Issue(args) => issue(&args),
        PkiCommand::Sign(args) => sign(&args),
        PkiCommand::List(args) => list(&args),
    }
}

fn init(args: &InitArgs) -> anyhow::Result<()> {
    let (folder, overwrite) = (&args.folder.certificates, args.folder.overwrite());
    let domain = args.trust_domain.clone();
    let made = DomainDirectory::init(folder, domain, &args.hosts, clock::now(), overwrite)?;
    let operator = Identity::Operator(args.operator.clone());
    made.issue(&operator, None, clock::now(), overwrite)?;
    say(&format!("made the trust domain {} in {}", made.trust_domain(), folder.display()))?;
    written("the root that clients pin", &made.ca_certificate(&Identity::Hub))?;
    written("the hub's certificate", &made.certificate(&Identity::Hub))?;
    written(&format!("{operator}'s certificate"), &made.certificate(&operator))
}

fn partner_ca(args: &PartnerCaArgs) -> anyhow::Result<()> {
    let domain = args.folder.open()?;
    let path = domain.make_partner_ca(&args.partner, clock::now(), args.folder.overwrite())?;
    written(&format!("the CA of {}", args.partner), &path)
}

fn issue(args: &IssueArgs) -> anyhow::Result<()> {
    let (domain, now) = (args.folder.open()?, clock::now());
    let overwrite = args.folder.overwrite();
    let path = if args.who == "hub" {
        domain.issue_hub(&args.hosts, Some(args.days), now, overwrite)?
    } else {
        let Who(identity) = args.who.parse()?;
        domain.issue(&identity, Some(args.days), now, overwrite)?
    };
    written(&format!("the certificate of {}, its key beside it", args.who), &path)
}

fn sign(args: &SignArgs) -> anyhow::Result<()> {
    let domain = args.folder.open()?;
    let request = std::fs::read_to_string(&args.request)
        .with_context(|| format!("cannot read {}", args.request.display()))?;
    let Who(identity) = &args.who;
    let (days, now) = (Some(args.days), clock::now());
    let path = domain.sign_request(identity, &request, days, now, args.folder.overwrite())?;
    written(&format!("the certificate of {identity}"), &path)
}

fn list(args: &ListArgs) -> anyhow::Result<()> {
    let listed = args.folder.open()?.list(clock::now())?;
    let json = listed.iter().map(|one| {
        json!({
            "subject": one.subject,
            "path": one.path,
            "sha256": one.thumbprint.to_string(),
            "not_after": one.not_after.to_string(),
            "days_left": one.days_left,
        })
    });
    args.output.show(&json.collect::<Vec<_>>(), |_| table(&listed))
}

fn table(listed: &[Listed]) -> String {
    let mut table = Table::new(&["certificate", ">days left", "valid until", "path"]);
    for one in listed {
        table.row([
            one.subject.clone(),
            one.days_left.to_string(),
            one.not_after.to_string(),
            one.path.display().to_string(),
        ]);
    }
    table.text("no certificates")
}

fn written(what: &str, path: &Path) -> anyhow::Result<()> {
    Ok(say(&format!("  {what}: {}", path.display()))?)
}
