//! Renewing, revoking, and changing authorities.

use std::path::PathBuf;

use anyhow::{Context as _, bail};
use clap::{Args, ValueEnum};
use entente_identity::Identity;
use entente_identity::pem::read_certificates;
use entente_identity::pki::{LEAF_DAYS, Reason, Which};

use super::{Folder, identity, read_request, written};
use crate::clock;
use crate::output::say;

/// Whose certificate to make anew.
#[derive(Debug, Args)]
pub(crate) struct RenewArgs {
    #[command(flatten)]
    folder: Folder,
    /// A partner's code, `operator/NAME`, or `hub`, which keeps its hosts.
    who: String,
    /// For how many days it is valid.
    #[arg(long, default_value_t = LEAF_DAYS)]
    days: u16,
    /// A certificate request in PEM, for an owner who keeps the key and has made a new one.
    #[arg(long, value_name = "FILE")]
    request: Option<PathBuf>,
}

/// What to revoke.
#[derive(Debug, Args)]
pub(crate) struct RevokeArgs {
    #[command(flatten)]
    folder: Folder,
    /// A partner's code, `operator/NAME`, or `hub`: its certificate in the folder, unless another is
    /// named.
    who: String,
    /// The one before the last renewal.
    #[arg(long, conflicts_with_all = ["file", "serial"])]
    before: bool,
    /// The certificate in this file, in PEM.
    #[arg(long, value_name = "PEM", conflicts_with = "serial")]
    file: Option<PathBuf>,
    /// Whatever has this serial number, in hexadecimal, as `openssl x509 -serial` prints it.
    #[arg(long, value_name = "HEX")]
    serial: Option<String>,
    /// Why, for whoever reads the list.
    #[arg(long, value_enum, default_value = "unspecified")]
    reason: Why,
}

/// Whose authority.
#[derive(Debug, Args)]
pub(crate) struct AuthorityArgs {
    #[command(flatten)]
    folder: Folder,
    /// A partner's code, `operators`, or `hub`.
    whose: String,
}

/// As `Reason`, for the command line.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Why {
    Unspecified,
    KeyCompromise,
    Superseded,
    CessationOfOperation,
    PrivilegeWithdrawn,
}

pub(super) fn renew(args: &RenewArgs) -> anyhow::Result<()> {
    let (domain, identity) = (args.folder.open()?, identity(&args.who)?);
    let request = args.request.as_deref().map(read_request).transpose()?;
    let renewed = domain.renew(&identity, request.as_deref(), Some(args.days), clock::now())?;
    let what = if renewed.new_key { ", its new key beside it" } else { "" };
    written(&format!("the next certificate of {}{what}", args.who), &renewed.certificate)?;
    written("the one before, good until it expires or is revoked", &renewed.before)
}

pub(super) fn revoke(args: &RevokeArgs) -> anyhow::Result<()> {
    let (domain, identity) = (args.folder.open()?, identity(&args.who)?);
    let given = args.file.as_deref().map(read_certificates).transpose()?;
    let serial = args.serial.as_deref().map(bytes).transpose()?;
    let which = match (&given, &serial) {
        (Some(chain), _) => Which::Given(chain.first().context("the file holds no certificate")?),
        (None, Some(serial)) => Which::Serial(serial),
        (None, None) if args.before => Which::Before,
        (None, None) => Which::Current,
    };
    let revoked = domain.revoke(&identity, which, args.reason.into(), clock::now())?;
    let already = if revoked.already { ", as it was before" } else { "" };
    say(&format!("revoked {} of {}{already}", revoked.serial, args.who))?;
    written("the revocation list, which hubs on this folder load by themselves", &revoked.path)
}

pub(super) fn renew_lists(args: &AuthorityArgs) -> anyhow::Result<()> {
    let path = args.folder.open()?.renew_lists(&authority(&args.whose)?, clock::now())?;
    written(&format!("the revocation list of {}", args.whose), &path)
}

pub(super) fn change_authority(args: &AuthorityArgs) -> anyhow::Result<()> {
    let path = args.folder.open()?.change_authority(&authority(&args.whose)?, clock::now())?;
    written(&format!("the next CA of {}, before the present one", args.whose), &path)?;
    say("  renew what it signs, then drop the one before with `entente pki retire-ca`")?;
    Ok(())
}

pub(super) fn retire_authority(args: &AuthorityArgs) -> anyhow::Result<()> {
    let path = args.folder.open()?.retire_authority(&authority(&args.whose)?, clock::now())?;
    written(&format!("the only CA of {}", args.whose), &path)
}

/// Whoever the authority signs for: any operator stands for all of them.
fn authority(whose: &str) -> anyhow::Result<Identity> {
    match whose {
        "operators" => Ok(Identity::Operator("any-operator".parse()?)),
        other => identity(other),
    }
}

/// Hexadecimal, with or without colons.
fn bytes(hexadecimal: &str) -> anyhow::Result<Vec<u8>> {
    let mut digits: String = hexadecimal.chars().filter(|digit| *digit != ':').collect();
    if digits.len() % 2 == 1 {
        digits.insert(0, '0');
    }
    if !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
        bail!("{hexadecimal:?} is no serial number in hexadecimal");
    }
    let byte = |at: usize| u8::from_str_radix(&digits[at..at + 2], 16);
    Ok((0..digits.len()).step_by(2).map(byte).collect::<Result<_, _>>()?)
}

impl From<Why> for Reason {
    fn from(why: Why) -> Self {
        match why {
            Why::Unspecified => Self::Unspecified,
            Why::KeyCompromise => Self::KeyCompromise,
            Why::Superseded => Self::Superseded,
            Why::CessationOfOperation => Self::CessationOfOperation,
            Why::PrivilegeWithdrawn => Self::PrivilegeWithdrawn,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_serial_number_is_read_as_other_tools_print_it() {
        for (text, expected) in [("0A:ff", vec![10, 255]), ("aff", vec![10, 255]), ("7", vec![7])] {
            assert_eq!(bytes(text).expect("a serial number"), expected, "{text}");
        }
        for text in ["0x12", "serial=12", "é1"] {
            assert!(bytes(text).is_err(), "{text}");
        }
    }
}
