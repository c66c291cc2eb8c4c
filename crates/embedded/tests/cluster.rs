//! The life of a private PostgreSQL, played with a real one. As root, the server runs as another user; the last test plays
//! one of the stories as an ordinary user.

use std::{
    fs,
    net::{Ipv4Addr, SocketAddr, TcpStream},
    os::unix::{
        fs::{MetadataExt, PermissionsExt},
        process::CommandExt,
    },
    path::Path,
    process::Command,
    sync::{Arc, Mutex},
    time::Duration,
};

use entente_embedded::{Embedded, Error, Notice, Options, Status};
use rustix::process::{Pid, Signal, geteuid, kill_process, test_kill_process};
use sqlx::{Connection, Executor, PgConnection};
use tempfile::TempDir;

/// A directory that any user can enter, whatever the umask.
fn directory() -> TempDir {
    let made = tempfile::tempdir().expect("a directory");
    fs::set_permissions(made.path(), fs::Permissions::from_mode(0o755)).expect("its mode");
    made
}

async fn start(directory: &Path) -> Embedded {
    let started = Embedded::start(Options::new(directory)).await;
    started.unwrap_or_else(|error| panic!("{error}"))
}

async fn connect(database: &Embedded) -> PgConnection {
    let connected = PgConnection::connect(&database.url("postgres")).await;
    connected.expect("a connection as the owner")
}

async fn ask(database: &Embedded, statement: &'static str) -> String {
    let mut connection = connect(database).await;
    let answer = sqlx::query_scalar(statement).fetch_one(&mut connection).await;
    answer.unwrap_or_else(|error| panic!("{statement}: {error}"))
}

async fn write_a_row(database: &Embedded) {
    let mut connection = connect(database).await;
    for statement in ["CREATE TABLE kept (word text)", "INSERT INTO kept VALUES ('still here')"] {
        connection.execute(statement).await.expect(statement);
    }
}

async fn pid(directory: &Path) -> Pid {
    match Embedded::status(directory).await {
        Ok(Status::Running { pid, .. }) => Pid::from_raw(pid).expect("a process id"),
        other => panic!("not running: {other:?}"),
    }
}

#[tokio::test]
async fn what_was_written_is_there_after_a_restart_on_the_same_port() {
    let directory = directory();
    let inside = directory.path().join("db");
    let first = start(&inside).await;
    let port = first.port();
    write_a_row(&first).await;
    assert!(first.stop().await.expect("a stop"), "the last user stops it");
    assert_eq!(Embedded::status(&inside).await.expect("a status"), Status::Stopped);

    let second = start(&inside).await;
    assert!(!second.reused());
    assert_eq!(second.port(), port);
    assert_eq!(ask(&second, "SELECT word FROM kept").await, "still here");
    second.stop().await.expect("a stop");
    Embedded::clean(&inside).await.expect("a clean");
    assert!(!inside.exists());
}

#[tokio::test]
async fn a_commit_is_durable_and_the_server_is_private() {
    let directory = directory();
    let database = start(directory.path()).await;
    for (setting, value) in [
        ("SHOW fsync", "on"),
        ("SHOW synchronous_commit", "on"),
        ("SHOW full_page_writes", "on"),
        ("SHOW data_checksums", "on"),
        ("SHOW listen_addresses", "127.0.0.1"),
        ("SHOW unix_socket_directories", ""),
        ("SHOW server_encoding", "UTF8"),
        ("SHOW timezone", "UTC"),
        ("SHOW idle_in_transaction_session_timeout", "1min"),
    ] {
        assert_eq!(ask(&database, setting).await, value, "{setting}");
    }
    // 127.0.0.2 is this machine too, on Linux, yet not what is listened on.
    let other = SocketAddr::from((Ipv4Addr::new(127, 0, 0, 2), database.port()));
    assert!(TcpStream::connect_timeout(&other, Duration::from_secs(1)).is_err());

    let wrong = database.url_as("entente", "guess", "postgres");
    assert!(PgConnection::connect(&wrong).await.is_err(), "a wrong password is refused");
    let password = fs::metadata(directory.path().join("password")).expect("the password's file");
    assert_eq!(password.permissions().mode() & 0o777, 0o600);
    assert_eq!(password.uid(), geteuid().as_raw());
    let data = fs::metadata(database.data()).expect("the data");
    assert_eq!(data.permissions().mode() & 0o777, 0o700);
    assert_ne!(data.uid(), 0, "the server never runs as root");
    drop(database);
    Embedded::clean(directory.path()).await.expect("a clean");
}

#[tokio::test]
async fn a_running_server_is_joined_and_the_last_user_stops_it() {
    let directory = directory();
    let first = start(directory.path()).await;
    let second = start(directory.path()).await;
    assert!(!first.reused() && second.reused());
    assert_eq!(first.port(), second.port());

    let refused = Embedded::clean(directory.path()).await;
    assert!(matches!(refused, Err(Error::InUse { .. })), "{refused:?}");
    assert!(!first.stop().await.expect("a stop"), "the second still uses it");
    assert_eq!(ask(&second, "SELECT 'here'").await, "here");
    assert!(second.stop().await.expect("a stop"));
    Embedded::clean(directory.path()).await.expect("a clean");
}

#[tokio::test]
async fn a_server_asked_to_keep_running_is_joined_and_cleaned() {
    let directory = directory();
    let options = Options::new(directory.path()).keep_running(true);
    drop(Embedded::start(options).await.expect("a start"));
    let joined = start(directory.path()).await;
    assert!(joined.reused());
    drop(joined);
    let postmaster = pid(directory.path()).await;
    Embedded::clean(directory.path()).await.expect("a clean");
    let mut waits = 0..100;
    while test_kill_process(postmaster).is_ok() && waits.next().is_some() {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert!(!waits.is_empty(), "the server ends with its directory");
}

#[tokio::test]
async fn a_commit_survives_the_death_of_the_server() {
    let directory = directory();
    let first = start(directory.path()).await;
    write_a_row(&first).await;
    kill_process(pid(directory.path()).await, Signal::KILL).expect("a kill");

    let notices = Arc::new(Mutex::new(Vec::new()));
    let told = Arc::clone(&notices);
    let options = Options::new(directory.path())
        .on_notice(move |notice| told.lock().expect("the list").push(notice.clone()));
    let second = Embedded::start(options).await.expect("a recovery");
    assert!(!second.reused());
    assert_eq!(ask(&second, "SELECT word FROM kept").await, "still here");
    let recovering = |notice: &Notice| matches!(notice, Notice::Recovering { .. });
    assert!(notices.lock().expect("the list").iter().any(recovering));
    drop((first, second));
    assert_eq!(Embedded::status(directory.path()).await.expect("a status"), Status::Stopped);
}

#[tokio::test]
async fn two_starts_at_once_end_in_one_server() {
    let directory = directory();
    let (one, other) = tokio::join!(start(directory.path()), start(directory.path()));
    assert_eq!(one.port(), other.port());
    assert!(one.reused() != other.reused(), "one of them started it");
    drop(one);
    assert_eq!(ask(&other, "SELECT 'here'").await, "here");
}

#[tokio::test]
async fn an_interrupted_creation_is_begun_again() {
    let directory = directory();
    let half = directory.path().join("cluster/data");
    fs::create_dir_all(&half).expect("a directory");
    fs::write(half.join("PG_VERSION"), "9\n").expect("a file");
    let state = r#"{"initialized":false,"port":null,"owner":"entente","kept":false}"#;
    fs::write(directory.path().join("entente-embedded.json"), state).expect("a file");
    let database = start(directory.path()).await;
    assert_eq!(ask(&database, "SELECT 'here'").await, "here");
}

#[tokio::test]
async fn a_foreign_directory_is_neither_used_nor_removed() {
    let directory = directory();
    let letter = directory.path().join("letter.txt");
    fs::write(&letter, "dear").expect("a file");
    let started = Embedded::start(Options::new(directory.path())).await;
    assert!(matches!(started, Err(Error::Foreign { .. })), "{started:?}");
    let cleaned = Embedded::clean(directory.path()).await;
    assert!(matches!(cleaned, Err(Error::Foreign { .. })), "{cleaned:?}");
    assert_eq!(fs::read_dir(directory.path()).expect("a directory").count(), 1);

    let absent = directory.path().join("absent");
    assert_eq!(Embedded::status(&absent).await.expect("a status"), Status::Absent);
    Embedded::clean(&absent).await.expect("nothing to do");
}

#[tokio::test]
async fn a_clean_leaves_what_others_put_beside() {
    let directory = directory();
    drop(start(directory.path()).await);
    let letter = directory.path().join("letter.txt");
    fs::write(&letter, "dear").expect("a file");
    Embedded::clean(directory.path()).await.expect("a clean");
    let names: Vec<_> = fs::read_dir(directory.path()).expect("a directory").flatten().collect();
    assert_eq!(names.len(), 1, "{names:?}");
    assert!(letter.exists());
}

#[tokio::test]
async fn a_lost_password_is_said_and_nothing_is_replaced() {
    let directory = directory();
    drop(start(directory.path()).await);
    fs::remove_file(directory.path().join("password")).expect("a removal");
    let started = Embedded::start(Options::new(directory.path())).await;
    assert!(matches!(started, Err(Error::Damaged { .. })), "{started:?}");
    assert!(directory.path().join("cluster/data/PG_VERSION").exists());
}

#[tokio::test]
async fn a_directory_that_the_server_cannot_enter_gets_its_cluster_elsewhere() {
    if !geteuid().is_root() {
        return;
    }
    // As a clone under root's home.
    let directory = directory();
    let closed = fs::Permissions::from_mode(0o700);
    fs::set_permissions(directory.path(), closed).expect("its mode");
    let inside = directory.path().join("db");
    let database = start(&inside).await;
    let data = database.data().to_owned();
    assert!(!data.starts_with(directory.path()), "{}", data.display());
    write_a_row(&database).await;
    drop(database);
    let again = start(&inside).await;
    assert_eq!(again.data(), data);
    assert_eq!(ask(&again, "SELECT word FROM kept").await, "still here");
    drop(again);
    Embedded::clean(&inside).await.expect("a clean");
    assert!(!data.exists() && !inside.exists());
}

#[tokio::test]
async fn a_login_reads_nothing_that_it_was_not_given() {
    let directory = directory();
    let database = start(directory.path()).await;
    for _ in 0..2 {
        database.ensure_database("entente").await.expect("a database");
        database.ensure_login("hub", "it's a secret/1").await.expect("a role");
    }
    write_a_row(&database).await;
    let url = database.url_as("hub", "it's a secret/1", "entente");
    let mut hub = PgConnection::connect(&url).await.expect("a connection as hub");
    hub.execute("SELECT 1").await.expect("a query");
    let url = database.url_as("hub", "it's a secret/1", "postgres");
    let mut hub = PgConnection::connect(&url).await.expect("a connection as hub");
    assert!(hub.execute("SELECT word FROM kept").await.is_err());
    assert!(matches!(database.ensure_database("a\"b").await, Err(Error::Name { .. })));
}

#[tokio::test]
async fn a_throwaway_database_leaves_nothing() {
    let directory = directory();
    let inside = directory.path().join("db");
    let database = Embedded::start(Options::throwaway(&inside)).await.expect("a start");
    assert_eq!(ask(&database, "SHOW fsync").await, "off");
    drop(database);
    assert!(!inside.exists());
}

/// A hub starts it from a task of its own, which asks that every future may move between threads.
#[tokio::test]
async fn a_task_may_run_every_call() {
    let directory = directory();
    let path = directory.path().to_owned();
    let played = tokio::spawn(async move {
        let database = start(&path).await;
        database.ensure_database("entente").await?;
        database.ensure_login("hub", "secret").await?;
        database.stop().await?;
        Embedded::status(&path).await?;
        Embedded::clean(&path).await
    });
    played.await.expect("no panic").expect("no error");
}

/// Plays stories again as `nobody`, from a copy of this program that `nobody` can read.
#[test]
fn an_ordinary_user_needs_no_root() {
    if !geteuid().is_root() {
        return;
    }
    let directory = directory();
    let program = directory.path().join("stories");
    let this = std::env::current_exe().expect("this program");
    fs::copy(this, &program).expect("a copy");
    let home = directory.path().join("home");
    fs::create_dir(&home).expect("a directory");
    std::os::unix::fs::chown(&home, Some(65534), Some(65534)).expect("its owner");
    let status = Command::new(&program)
        .args(["--exact", "a_commit_survives_the_death_of_the_server"])
        .args(["a_commit_is_durable_and_the_server_is_private"])
        .env("TMPDIR", &home)
        .current_dir(&home)
        .uid(65534)
        .gid(65534)
        .status();
    assert!(status.expect("a run").success());
}
