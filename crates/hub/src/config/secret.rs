//! A database's URL: it carries a password, so it never prints whole.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The URL of a database. It prints, and is shown, without its password.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct DatabaseUrl(String);

impl DatabaseUrl {
    /// A URL such as `postgres://entente@localhost/entente`.
    pub fn new(url: impl Into<String>) -> Self {
        Self(url.into())
    }

    /// The whole URL, to connect with.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// The URL with its password, wherever it stands, replaced.
    #[must_use]
    pub fn redacted(&self) -> Self {
        let (base, query) =
            self.0.split_once('?').map_or((self.0.as_str(), None), |(b, q)| (b, Some(q)));
        let mut shown = without_password(base);
        if let Some(query) = query {
            let pairs = query.split('&').map(|pair| match pair.split_once('=') {
                Some((key, _)) if key.to_lowercase().contains("password") => format!("{key}=***"),
                _ => pair.to_owned(),
            });
            shown.push('?');
            shown.push_str(&pairs.collect::<Vec<_>>().join("&"));
        }
        Self(shown)
    }
}

/// A password may contain any character that is not `@`, and careless ones contain that too: so
/// all between the first colon and the last `@` is hidden.
fn without_password(base: &str) -> String {
    let Some((scheme, rest)) = base.split_once("://") else { return "***".to_owned() };
    match rest.rsplit_once('@') {
        Some((user, host)) => match user.split_once(':') {
            Some((name, _)) => format!("{scheme}://{name}:***@{host}"),
            None => base.to_owned(),
        },
        None => base.to_owned(),
    }
}

impl fmt::Display for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.redacted().0)
    }
}

impl fmt::Debug for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_never_shown() {
        for (url, shown) in [
            ("postgres://me:s3cret@db:5432/entente", "postgres://me:***@db:5432/entente"),
            ("postgres://me:s3@cr:et@db/entente", "postgres://me:***@db/entente"),
            ("postgres://me@db/entente", "postgres://me@db/entente"),
            (
                "postgres:///entente?host=/run&password=s3cret",
                "postgres:///entente?host=/run&password=***",
            ),
            ("me:s3cret", "***"),
        ] {
            let url = DatabaseUrl::new(url);
            assert_eq!(url.to_string(), shown);
            assert_eq!(format!("{url:?}"), shown);
            assert_eq!(url.redacted().reveal(), shown);
        }
    }
}
