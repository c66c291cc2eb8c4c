//! Commands to try while the demo's hub is up.

use std::fmt::Write as _;
use std::path::Path;

use entente_hub::hub::Addresses;

use super::folder::Folder;
use crate::output::{bold, dim};

/// What there is to see.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sights<'a> {
    /// A closed window.
    pub(crate) window: &'a str,
    /// A member's reference at Harbor Hotels.
    pub(crate) guest: &'a str,
    /// By which flag `entente check` finds the database.
    pub(crate) check: &'a str,
}

/// What to type, ready to be copied.
pub(crate) fn text(folder: &Folder, addresses: Addresses, sights: Sights<'_>) -> String {
    let Sights { window, guest, check } = sights;
    let certificates = shell(&folder.certificates());
    let home = shell(folder.path().parent().unwrap_or(folder.path()));
    let entente =
        std::env::current_exe().map_or_else(|_| "entente".to_owned(), |path| shell(&path));
    let (partners, operators) = (addresses.partners, addresses.operators);
    let mut text = String::new();
    let mut part = |title: &str, body: String| {
        let _ = writeln!(text, "{}\n{body}\n", bold(title));
    };
    part(
        "The hub is up",
        format!(
            "partners   https://{partners}\noperators  https://{operators}\nmetrics    http://{}/metrics",
            addresses.plain,
        ),
    );
    part(
        "entente",
        format!(
            "alias entente={entente}\n\
         export ENTENTE_CERTIFICATES={certificates}\n\
         entente partner list --endpoint https://{operators}\n\
         entente settle position {window} --endpoint https://{operators}\n\
         entente proposal list --as operator/ops-2 --endpoint https://{operators}\n\
         entente check {check} --home {home}\n\
         entente settle statement {window} --totals --as rover-rides --endpoint https://{partners}\n\
         entente member balance {guest} --as harbor-hotels --endpoint https://{partners}",
        ),
    );
    part("grpcurl, from the project's folder", grpcurl(folder, addresses));
    part(
        "Python, from the project's folder",
        format!(
            "pip install grpcio grpcio-tools cryptography\n\
             python3 examples/python/first_earn.py --hub {partners} \\\n  \
             --certificates {certificates} --partner harbor-hotels",
        ),
    );
    text.push_str(&dim(
        "Ctrl-C stops the hub; the data stays. What you change, the demo will notice.",
    ));
    text
}

/// The keys that tokens are verified by: every other call of a partner needs such a token, which a client
/// gets for an assertion.
fn grpcurl(folder: &Folder, addresses: Addresses) -> String {
    let certificates = folder.certificates();
    let harbor = certificates.join("partners/harbor-hotels");
    format!(
        "grpcurl -cacert {root} -cert {cert} -key {key} \\\n  \
         -import-path proto -proto entente/identity/v1/token_service.proto \\\n  \
         {address} entente.identity.v1.TokenService/GetJwks",
        root = shell(&certificates.join("hub-ca.pem")),
        cert = shell(&harbor.join("client.pem")),
        key = shell(&harbor.join("client.key")),
        address = addresses.partners,
    )
}

/// A path as a shell reads it back.
fn shell(path: &Path) -> String {
    let text = path.display().to_string();
    let plain = |c: char| c.is_alphanumeric() || "/._-".contains(c);
    if text.chars().all(plain) { text } else { format!("'{}'", text.replace('\'', "'\\''")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_can_be_pasted_into_a_shell() {
        assert_eq!(shell(Path::new("data/.entente")), "data/.entente");
        assert_eq!(shell(Path::new("/a b/it's")), r"'/a b/it'\''s'");
    }
}
