//! The flags by which commands find a hub and show who they are.

use std::path::{Path, PathBuf};
use std::str::FromStr;

use anyhow::{Context as _, bail};
use clap::Args;
use entente_client::{Assertions, Client, MemberSigner, Options};
use entente_identity::{Identity, Name, pki::DomainDirectory};

use crate::output::Format;

/// Where partners' and operators' calls arrive, unless configured otherwise.
pub(crate) const PARTNER_ENDPOINT: &str = "https://127.0.0.1:7443";
/// Operators' calls.
pub(crate) const OPERATOR_ENDPOINT: &str = "https://127.0.0.1:7444";

/// The operators that `entente pki init` makes, unless told otherwise.
pub(crate) const FIRST_OPERATOR: &str = "ops";
/// The second one.
pub(crate) const SECOND_OPERATOR: &str = "ops-2";

/// How to reach a hub, and as whom.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Connection")]
pub(crate) struct Connection {
    /// A hub's listener; several, or separated by commas, for hubs of one ledger [default:
    /// https://127.0.0.1:7443 for partners, :7444 for operators].
    #[arg(
        long,
        env = "ENTENTE_ENDPOINT",
        value_name = "URL",
        value_delimiter = ',',
        hide_env_values = true
    )]
    pub(crate) endpoint: Vec<String>,
    /// The name in the hub's certificate, where it is not the endpoint's host.
    #[arg(long, env = "ENTENTE_SERVER_NAME", value_name = "NAME", hide_env_values = true)]
    pub(crate) server_name: Option<String>,
    /// The hub's issuer, where it is not https:// and the trust domain.
    #[arg(long, env = "ENTENTE_ISSUER", value_name = "URL", hide_env_values = true)]
    pub(crate) issuer: Option<String>,
    /// A trust domain made by `entente pki`, or a folder with hub-ca.pem, client.pem, client.key and
    /// client-assertion.key.
    #[arg(
        long,
        env = "ENTENTE_CERTIFICATES",
        value_name = "DIR",
        default_value = "certs",
        hide_env_values = true
    )]
    pub(crate) certificates: PathBuf,
    /// Who calls: a partner's code, or `operator/NAME` [default: the folder's first operator].
    #[arg(long = "as", env = "ENTENTE_AS", value_name = "WHO", hide_env_values = true)]
    pub(crate) who: Option<Who>,
    /// How to print.
    #[arg(
        long,
        env = "ENTENTE_OUTPUT",
        value_name = "FORMAT",
        default_value = "table",
        hide_env_values = true
    )]
    pub(crate) output: Format,
}

/// An identity as people type it: `harbor-hotels`, `partner/harbor-hotels` or `operator/ops`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Who(pub(crate) Identity);

impl FromStr for Who {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> anyhow::Result<Self> {
        let name = |name: &str| {
            Name::from_str(name)
                .with_context(|| format!("{text:?} names neither partner nor operator"))
        };
        Ok(Self(match text.split_once('/') {
            Some(("operator", rest)) => Identity::Operator(name(rest)?),
            Some(("partner", rest)) => Identity::Partner(name(rest)?),
            None => Identity::Partner(name(text)?),
            Some(_) => bail!("{text:?} is neither a partner's code nor operator/NAME"),
        }))
    }
}

impl Connection {
    /// Whether a partner calls, and not an operator.
    pub(crate) fn is_partner(&self) -> bool {
        matches!(&self.who, Some(Who(Identity::Partner(_))))
    }

    /// Connects.
    pub(crate) async fn client(&self) -> anyhow::Result<Client> {
        Ok(Client::connect(self.options()?).await?)
    }

    /// How the caller proves who it is.
    pub(crate) fn assertions(&self) -> anyhow::Result<Assertions> {
        let options = self.options()?;
        let key = options.assertion_key.context("there is no key for assertions")?;
        let (certificate, issuer) = (options.certificate, options.issuer);
        Ok(Assertions { key, certificate, issuer })
    }

    /// Signs what the calling partner asserts of its members, by the same key.
    pub(crate) fn signer(&self) -> anyhow::Result<MemberSigner> {
        Ok(MemberSigner::open(&self.assertions()?)?)
    }

    fn options(&self) -> anyhow::Result<Options> {
        let folder = &self.certificates;
        let flat = folder.join("client.pem");
        if flat.exists() {
            let key = folder.join("client.key");
            let operator = matches!(&self.who, Some(Who(Identity::Operator(_))));
            let options = self.complete(operator, &folder.join("hub-ca.pem"), &flat, &key);
            return Ok(options.assertion_key(folder.join("client-assertion.key")));
        }
        let domain = DomainDirectory::open(folder)?;
        let who = match &self.who {
            Some(Who(who)) => who.clone(),
            None => first_operator(&domain)?,
        };
        let operator = matches!(who, Identity::Operator(_));
        let root = domain.ca_certificate(&Identity::Hub);
        let options = self.complete(operator, &root, &domain.certificate(&who), &domain.key(&who));
        Ok(options.assertion_key(domain.assertion_key(&who)))
    }

    fn complete(&self, operator: bool, root: &Path, certificate: &Path, key: &Path) -> Options {
        let usual = if operator { OPERATOR_ENDPOINT } else { PARTNER_ENDPOINT };
        let mut options = Options::new(usual, root, certificate, key);
        if !self.endpoint.is_empty() {
            options.endpoints.clone_from(&self.endpoint);
        }
        options.server_name.clone_from(&self.server_name);
        options.issuer.clone_from(&self.issuer);
        options
    }
}

fn first_operator(domain: &DomainDirectory) -> anyhow::Result<Identity> {
    match domain.operators()?.into_iter().min() {
        Some(first) => Ok(Identity::Operator(first)),
        None => bail!("{} has no operator; say who calls with --as", domain.folder().display()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_caller_is_a_partner_or_an_operator() {
        let harbor = Identity::Partner("harbor-hotels".parse().expect("a name"));
        assert_eq!("harbor-hotels".parse::<Who>().expect("a partner"), Who(harbor.clone()));
        assert_eq!("partner/harbor-hotels".parse::<Who>().expect("a partner"), Who(harbor));
        let ops = Identity::Operator("ops".parse().expect("a name"));
        assert_eq!("operator/ops".parse::<Who>().expect("an operator"), Who(ops));
        for text in ["", "hub/hub", "operator/", "Harbor Hotels"] {
            assert!(text.parse::<Who>().is_err(), "{text:?}");
        }
    }
}
