//! The files of the repository, as the other rules read them.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// A text file: its path from the root, with `/`, and what it says.
pub(crate) struct Source {
    pub(crate) path: String,
    pub(crate) text: String,
}

impl Source {
    pub(crate) fn is(&self, ending: &str) -> bool {
        self.path.ends_with(ending)
    }
}

/// Where the repository begins.
pub(crate) fn root() -> PathBuf {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR"));
    tests.parent().expect("tests/ lies in the repository").to_owned()
}

pub(crate) fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Every text file that git does not ignore, new ones too; all but build output where there is no git.
pub(crate) fn all() -> Vec<Source> {
    let mut paths = listed_by_git().unwrap_or_else(|| walked(&root(), ""));
    paths.sort();
    let sources: Vec<Source> = paths
        .into_iter()
        .filter_map(|path| {
            let text = fs::read_to_string(root().join(&path)).ok()?;
            Some(Source { path, text })
        })
        .collect();
    assert!(sources.len() > 50, "only {} files were found", sources.len());
    sources
}

pub(crate) fn rust() -> Vec<Source> {
    all().into_iter().filter(|source| source.is(".rs")).collect()
}

/// What a rule found, as one failure that names each place.
pub(crate) fn assert_none(rule: &str, found: &[String]) {
    assert!(found.is_empty(), "{rule}:\n  {}\n", found.join("\n  "));
}

fn listed_by_git() -> Option<Vec<String>> {
    let answer = Command::new("git")
        .args(["-c", "safe.directory=*", "ls-files", "-z"])
        .args(["--cached", "--others", "--exclude-standard"])
        .current_dir(root())
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .output()
        .ok()
        .filter(|answer| answer.status.success())?;
    let names = String::from_utf8(answer.stdout).ok()?;
    let paths: Vec<String> =
        names.split('\0').filter(|name| !name.is_empty()).map(str::to_owned).collect();
    (!paths.is_empty()).then_some(paths)
}

fn walked(folder: &Path, prefix: &str) -> Vec<String> {
    const LEFT_OUT: [&str; 6] =
        [".git", "target", "node_modules", ".entente", "__pycache__", "tools"];
    let entries = fs::read_dir(folder).expect("folders of the repository can be read");
    let mut paths = Vec::new();
    for entry in entries.filter_map(Result::ok) {
        let Ok(name) = entry.file_name().into_string() else { continue };
        let path = format!("{prefix}{name}");
        if LEFT_OUT.contains(&name.as_str()) || path.starts_with("certs/") && entry.path().is_dir()
        {
            continue;
        }
        if entry.path().is_dir() {
            paths.extend(walked(&entry.path(), &format!("{path}/")));
        } else {
            paths.push(path);
        }
    }
    paths
}
