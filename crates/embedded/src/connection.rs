//! Addresses of the databases, and the few statements that make databases and roles.

use std::time::Duration;

use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection, Row};

use crate::Error;

const LIMIT: Duration = Duration::from_secs(5);

/// What a connection attempt shows about the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Probe {
    /// It answers and takes our password.
    Ready,
    /// It is starting, recovering or stopping.
    Busy,
    /// Nobody is there.
    Refused,
    /// Somebody is there who does not know us.
    Stranger,
}

/// The address of `database` as `role`.
pub(crate) fn url(role: &str, password: &str, port: u16, database: &str) -> String {
    format!(
        "postgres://{}:{}@127.0.0.1:{port}/{}?sslmode=disable",
        encoded(role),
        encoded(password),
        encoded(database)
    )
}

/// Connects as the owner and asks for nothing.
pub(crate) async fn probe(url: &str) -> Probe {
    match tokio::time::timeout(LIMIT, PgConnection::connect(url)).await {
        Err(_) => Probe::Busy,
        Ok(Ok(connection)) => {
            drop(tokio::time::timeout(LIMIT, connection.close()).await);
            Probe::Ready
        }
        Ok(Err(sqlx::Error::Database(error))) => match error.code().as_deref() {
            // cannot_connect_now, too_many_connections
            Some("57P03" | "53300") => Probe::Busy,
            _ => Probe::Stranger,
        },
        Ok(Err(sqlx::Error::Io(_))) => Probe::Refused,
        Ok(Err(_)) => Probe::Stranger,
    }
}

/// Makes `name` unless it exists.
pub(crate) async fn ensure_database(url: &str, name: &str) -> Result<(), Error> {
    plain(name)?;
    let make = format!("CREATE DATABASE \"{name}\"");
    ensure(url, "SELECT 1 FROM pg_database WHERE datname = $1", name, make).await
}

/// Makes `name`, a role that can log in and nothing else, unless it exists; its password is set in any case.
pub(crate) async fn ensure_login(url: &str, name: &str, password: &str) -> Result<(), Error> {
    plain(name)?;
    let make = format!("CREATE ROLE \"{name}\" LOGIN");
    ensure(url, "SELECT 1 FROM pg_roles WHERE rolname = $1", name, make).await?;
    let password = password.replace('\'', "''");
    let mut connection = PgConnection::connect(url).await?;
    // standard_conforming_strings is on, so a backslash is itself.
    let set = format!("ALTER ROLE \"{name}\" LOGIN PASSWORD '{password}'");
    connection.execute(AssertSqlSafe(set)).await?;
    Ok(connection.close().await?)
}

async fn ensure(
    url: &str,
    exists: &'static str,
    name: &str,
    statement: String,
) -> Result<(), Error> {
    let mut connection = PgConnection::connect(url).await?;
    let found = sqlx::query(exists).bind(name).fetch_optional(&mut connection).await?;
    if found.is_none_or(|row| row.is_empty()) {
        match connection.execute(AssertSqlSafe(statement)).await {
            // duplicate_database, duplicate_object, unique_violation: somebody else was quicker.
            Err(sqlx::Error::Database(error))
                if matches!(error.code().as_deref(), Some("42P04" | "42710" | "23505")) => {}
            made => {
                made?;
            }
        }
    }
    Ok(connection.close().await?)
}

/// Refuses what would need quoting.
pub(crate) fn plain(name: &str) -> Result<(), Error> {
    let good = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
    if (1..=63).contains(&name.len()) && name.bytes().all(good) {
        return Ok(());
    }
    Err(Error::Name { name: name.to_owned() })
}

/// Percent-encodes all but the unreserved characters of RFC 3986.
fn encoded(text: &str) -> String {
    text.bytes()
        .map(|byte| match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                char::from(byte).to_string()
            }
            _ => format!("%{byte:02X}"),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_survives_any_password() {
        assert_eq!(
            url("hub", "a/b@c:d e", 6000, "entente"),
            "postgres://hub:a%2Fb%40c%3Ad%20e@127.0.0.1:6000/entente?sslmode=disable"
        );
    }

    #[test]
    fn a_name_that_needs_quoting_is_refused() {
        assert!(plain("entente_1").is_ok());
        for name in ["", "A", "a\"b", "a b", &"a".repeat(64)] {
            assert!(plain(name).is_err(), "{name:?}");
        }
    }
}
