//! Finds an installed PostgreSQL that the server's user can run: on PATH, then where distributions put it.

use std::{
    env, fs,
    path::{Path, PathBuf},
    time::Duration,
};

use crate::{Error, command, fetch, options::Options, place::Place, user::ServerUser};

/// The oldest version that the schema is written for.
const OLDEST: u32 = 15;
const PROGRAMS: [&str; 3] = ["postgres", "initdb", "pg_ctl"];

/// A directory with `postgres`, `initdb` and `pg_ctl` of one version.
#[derive(Debug, Clone)]
pub(crate) struct Binaries {
    bin: PathBuf,
    /// Of PostgreSQL.
    pub(crate) major: u32,
}

impl Binaries {
    /// The path of one of its programs.
    pub(crate) fn program(&self, name: &str) -> PathBuf {
        self.bin.join(name)
    }

    /// An installed or already fetched one, else fetches one. A cluster that exists needs its own `major`.
    pub(crate) async fn find_or_fetch(
        place: &Place,
        options: &Options,
        major: Option<u32>,
    ) -> Result<Self, Error> {
        let kept = place.binaries(options.binaries.as_deref());
        let mut candidates = installed();
        candidates.extend(versions(&kept, "", "bin"));
        let mut seen = match Self::choose(&candidates, &place.user, major).await {
            Ok(found) => return Ok(found),
            Err(seen) => seen,
        };
        let wanted = wanted(major);
        let fetched = fetch::fetch(&kept, major, &wanted, options).await;
        match fetched {
            Ok(home) => match Self::choose(&[home.join("bin")], &place.user, major).await {
                Ok(found) => return Ok(found),
                Err(unusable) => seen.extend(unusable),
            },
            Err(reason) => seen.push(reason),
        }
        Err(Error::NotInstalled { wanted, detail: seen.join("; ") })
    }

    /// The first that works, or why each does not.
    async fn choose(
        candidates: &[PathBuf],
        user: &ServerUser,
        major: Option<u32>,
    ) -> Result<Self, Vec<String>> {
        let mut seen = Vec::new();
        for bin in candidates {
            match Self::try_one(bin, user).await {
                Ok(found) if major.unwrap_or(found.major) != found.major => {
                    seen.push(format!("{} is version {}", bin.display(), found.major));
                }
                Ok(found) if found.major < OLDEST => {
                    seen.push(format!("{} is version {}, too old", bin.display(), found.major));
                }
                Ok(found) => return Ok(found),
                Err(reason) => seen.push(reason),
            }
        }
        Err(seen)
    }

    /// Runs each program as the server's user: a wrapper, a missing library or a closed directory shows here.
    async fn try_one(bin: &Path, user: &ServerUser) -> Result<Self, String> {
        let mut majors = Vec::new();
        for name in PROGRAMS {
            let mut asked = user.command(&bin.join(name));
            asked.arg("--version");
            let output = command::run(asked, Duration::from_secs(10)).await;
            let output = output.map_err(|error| error.to_string())?;
            let text = String::from_utf8_lossy(&output.stdout).into_owned();
            majors.push(major_of(&text).ok_or_else(|| format!("{name} says `{}`", text.trim()))?);
        }
        match majors.as_slice() {
            [first, rest @ ..] if rest.iter().all(|major| major == first) => {
                Ok(Self { bin: bin.to_owned(), major: *first })
            }
            _ => Err(format!("{} mixes versions", bin.display())),
        }
    }
}

fn wanted(major: Option<u32>) -> String {
    major.map_or_else(|| format!("{OLDEST} or newer"), |major| major.to_string())
}

/// Directories that hold all three programs, in order of preference, links followed.
#[expect(clippy::disallowed_methods, reason = "the one place that looks programs up")]
fn installed() -> Vec<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let mut found: Vec<PathBuf> = env::split_paths(&path).collect();
    found.extend(versions(Path::new("/usr/lib/postgresql"), "", "bin"));
    found.extend(versions(Path::new("/usr"), "pgsql-", "bin"));
    found.extend(versions(Path::new("/usr/libexec"), "postgresql", "."));
    for brew in ["/opt/homebrew/opt", "/usr/local/opt", "/home/linuxbrew/.linuxbrew/opt"] {
        found.extend(versions(Path::new(brew), "postgresql@", "bin"));
    }
    let mut unique: Vec<PathBuf> = Vec::new();
    for bin in found {
        let all = PROGRAMS.iter().all(|name| bin.join(name).is_file());
        let real = fs::canonicalize(bin.join("postgres")).ok();
        // A link such as /usr/local/bin/postgres stands for the directory that it leads to.
        let real = real.and_then(|postgres| postgres.parent().map(Path::to_owned));
        for bin in real.into_iter().chain(all.then_some(bin)) {
            let all = PROGRAMS.iter().all(|name| bin.join(name).is_file());
            if all && !unique.contains(&bin) {
                unique.push(bin);
            }
        }
    }
    unique
}

/// `base/<prefix><version>/<rest>`, newest first.
fn versions(base: &Path, prefix: &str, rest: &str) -> Vec<PathBuf> {
    let mut found: Vec<(Vec<u32>, PathBuf)> = fs::read_dir(base)
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| {
            let name = entry.file_name();
            let parts = name.to_str()?.strip_prefix(prefix)?.split('.');
            let version: Option<Vec<u32>> = parts.map(|part| part.parse().ok()).collect();
            Some((version?, entry.path().join(rest)))
        })
        .collect();
    found.sort();
    found.into_iter().rev().map(|(_, path)| path).collect()
}

/// The major version in the likes of `postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)`.
fn major_of(text: &str) -> Option<u32> {
    let (_, rest) = text.split_once("(PostgreSQL) ")?;
    let end = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
    rest[..end].parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_is_read_from_what_a_program_says() {
        let cases = [
            ("postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)\n", Some(15)),
            ("pg_ctl (PostgreSQL) 17beta1\n", Some(17)),
            ("initdb (PostgreSQL) 9.6.24\n", Some(9)),
            ("usage: postgres WORKDIR\n", None),
        ];
        for (text, major) in cases {
            assert_eq!(major_of(text), major, "{text}");
        }
    }

    #[test]
    fn versions_are_tried_newest_first() {
        let base = tempfile::tempdir().expect("a directory");
        for name in ["9.6", "15", "16", "common", "16.2.0"] {
            fs::create_dir(base.path().join(name)).expect("a directory");
        }
        let found = versions(base.path(), "", "bin");
        let names = ["16.2.0", "16", "15", "9.6"].map(|name| base.path().join(name).join("bin"));
        assert_eq!(found, names);
    }
}
