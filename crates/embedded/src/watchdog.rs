//! A small process that outlives a test run by a moment: when the run ends, however it ends, its end of a pipe closes, and
//! the watchdog stops the throwaway server and removes its directories.

use std::{
    os::unix::process::CommandExt,
    process::{Child, Command, Stdio},
};

use crate::{
    error::{At, Error},
    place::Place,
};

/// `$1` is PGDATA, the rest is removed. SIGQUIT is PostgreSQL's immediate shutdown.
const SCRIPT: &str = r#"
trap '' INT TERM HUP
read -r _
data=$1; shift
pid=$(head -n 1 "$data/postmaster.pid" 2>/dev/null)
if [ -n "$pid" ]; then
  kill -QUIT "$pid" 2>/dev/null
  i=0
  while kill -0 "$pid" 2>/dev/null && [ "$i" -lt 100 ]; do i=$((i + 1)); sleep 0.1; done
fi
rm -rf -- "$@"
"#;

/// Sets a watchdog on a throwaway cluster; it acts when the returned child's input is dropped or this process dies.
pub(crate) fn set(place: &Place) -> Result<Child, Error> {
    Command::new("/bin/sh")
        .args(["-c", SCRIPT, "sh"])
        .args([&place.data, &place.home, &place.directory])
        .current_dir("/")
        // Away from the terminal's signals.
        .process_group(0)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .at("run", "/bin/sh")
}
