//! A throwaway server dies with its process, even one that is killed. The process is this program, run again.

use std::{
    fs,
    io::{BufRead, BufReader},
    os::unix::fs::PermissionsExt,
    path::PathBuf,
    process::{Command, Stdio},
    time::Duration,
};

use entente_embedded::{Embedded, Options};

const VARIABLE: &str = "ENTENTE_EMBEDDED_TEST_DIRECTORY";

/// Only the test below runs it, with the variable.
#[tokio::test]
#[expect(clippy::disallowed_methods, reason = "how the test below speaks to its child")]
async fn hold_a_server_until_killed() {
    let Some(directory) = std::env::var_os(VARIABLE).map(PathBuf::from) else {
        return;
    };
    let database = Embedded::start(Options::throwaway(&directory)).await;
    let database = database.expect("a start");
    fs::write(directory.with_extension("port"), database.port().to_string()).expect("a file");
    // On standard error, which the test harness does not swallow when written directly.
    std::io::Write::write_all(&mut std::io::stderr(), b"up\n").expect("a line");
    std::future::pending::<()>().await;
}

#[test]
fn a_throwaway_server_dies_with_a_killed_process() {
    let directory = tempfile::tempdir().expect("a directory");
    fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o755)).expect("its mode");
    let inside = directory.path().join("db");
    let mut child = Command::new(std::env::current_exe().expect("this program"))
        .args(["--exact", "hold_a_server_until_killed", "--nocapture"])
        .env(VARIABLE, &inside)
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("a run");
    let lines = BufReader::new(child.stderr.take().expect("its standard error"));
    let up = lines.lines().map_while(Result::ok).any(|line| line == "up");
    assert!(up, "the server starts");
    let port = fs::read_to_string(inside.with_extension("port")).expect("the port");
    let address = format!("127.0.0.1:{port}");
    assert!(std::net::TcpStream::connect(&address).is_ok());

    child.kill().expect("a kill");
    child.wait().expect("an end");
    let mut waits = 0..200;
    while inside.exists() && waits.next().is_some() {
        std::thread::sleep(Duration::from_millis(50));
    }
    assert!(!inside.exists(), "its directory is removed");
    assert!(std::net::TcpStream::connect(&address).is_err(), "its server is gone");
}
