//! Endpoints: what of a URL counts, and which hosts the operators allow.

use std::{fmt, net::IpAddr, str::FromStr};

use http::Uri;

/// The longest URL, in characters.
const MAX_URL_CHARS: usize = 2_048;
/// The longest name of a host, as DNS has it.
const MAX_HOST_CHARS: usize = 253;
/// Where https is when a URL does not say otherwise.
const HTTPS_PORT: u16 = 443;

/// Where to send.
#[derive(Clone, PartialEq, Eq)]
pub struct Endpoint {
    /// A name in lower case, or an address.
    pub host: Host,
    /// The port.
    pub port: u16,
    /// The path and the query.
    pub path: String,
}

/// A host, by its name or by its address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Host {
    /// A name in lower case.
    Name(String),
    /// An address.
    Address(IpAddr),
}

/// What is wrong with a URL.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UrlError {
    /// It is none, or none that the hub takes.
    Malformed,
    /// It is one that nobody may register.
    NotAllowed,
}

/// A host that operators allow: `hooks.example.com` at port 443, `*.example.com` for every name
/// below, `hooks.example.com:8443` or `hooks.example.com:*` for other ports.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AllowedHost {
    host: Host,
    below: bool,
    /// None for any.
    port: Option<u16>,
}

impl Endpoint {
    /// Reads a URL: `https`, a host, no user, no fragment.
    pub fn parse(url: &str) -> Result<Self, UrlError> {
        let written = url.len() <= MAX_URL_CHARS && url.bytes().all(|b| b.is_ascii_graphic());
        if !written || url.contains(['#', '\\']) {
            return Err(UrlError::Malformed);
        }
        let uri: Uri = url.parse().map_err(|_| UrlError::Malformed)?;
        let scheme = uri.scheme_str().ok_or(UrlError::Malformed)?;
        let authority = uri.authority().ok_or(UrlError::Malformed)?;
        if scheme != "https" || authority.as_str().contains('@') {
            return Err(UrlError::NotAllowed);
        }
        let host: Host = authority.host().parse().map_err(|()| UrlError::Malformed)?;
        let port = match authority.as_str().strip_prefix(authority.host()) {
            Some("") => HTTPS_PORT,
            _ => authority.port_u16().filter(|port| *port > 0).ok_or(UrlError::Malformed)?,
        };
        let path = uri.path_and_query().map_or("", |path| path.as_str());
        // A query may follow the host at once; what is asked of it begins with a slash all the same.
        let slash = if path.starts_with('/') { "" } else { "/" };
        Ok(Self { host, port, path: format!("{slash}{path}") })
    }

    /// The `Host` of a request.
    #[must_use]
    pub fn authority(&self) -> String {
        match self.port {
            HTTPS_PORT => self.host.to_string(),
            port => format!("{}:{port}", self.host),
        }
    }

    /// Whether one of the hosts allows it.
    #[must_use]
    pub fn is_allowed_by(&self, hosts: &[AllowedHost]) -> bool {
        hosts.iter().any(|allowed| allowed.allows(self))
    }
}

/// A path may be a secret of the receiver's.
impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Endpoint({})", self.authority())
    }
}

impl FromStr for Host {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        if let Some(inner) = text.strip_prefix('[') {
            let inner = inner.strip_suffix(']').ok_or(())?;
            return inner.parse().map(|address| Self::Address(IpAddr::V6(address))).map_err(drop);
        }
        if let Ok(address) = text.parse() {
            return Ok(Self::Address(IpAddr::V4(address)));
        }
        let name = text.to_ascii_lowercase();
        let good = name.len() <= MAX_HOST_CHARS && name.split('.').all(is_label);
        // A last label of digits alone is an address in some spelling, such as 127.1.
        let last = name.rsplit('.').next().unwrap_or_default();
        let number = last.starts_with("0x") || last.bytes().all(|b| b.is_ascii_digit());
        if good && !number { Ok(Self::Name(name)) } else { Err(()) }
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => f.write_str(name),
            Self::Address(IpAddr::V4(address)) => write!(f, "{address}"),
            Self::Address(IpAddr::V6(address)) => write!(f, "[{address}]"),
        }
    }
}

fn is_label(label: &str) -> bool {
    let good = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'_';
    let edge = label.starts_with('-') || label.ends_with('-');
    (1..=63).contains(&label.len()) && label.bytes().all(good) && !edge
}

impl AllowedHost {
    fn allows(&self, endpoint: &Endpoint) -> bool {
        let port = self.port.is_none_or(|port| port == endpoint.port);
        let host = match (&self.host, &endpoint.host) {
            (Host::Name(allowed), Host::Name(name)) if self.below => {
                name.strip_suffix(allowed.as_str()).is_some_and(|rest| rest.ends_with('.'))
            }
            (allowed, host) => allowed == host,
        };
        port && host
    }
}

impl FromStr for AllowedHost {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let (below, rest) = text.strip_prefix("*.").map_or((false, text), |rest| (true, rest));
        let (host, port) = match rest.rsplit_once(':') {
            Some((host, port)) if !port.ends_with(']') => (host, port),
            _ => (rest, "443"),
        };
        let port = match port {
            "*" => None,
            port => Some(port.parse().ok().filter(|port| *port > 0).ok_or(())?),
        };
        let host: Host = host.parse()?;
        let address_below = below && matches!(host, Host::Address(_));
        if address_below { Err(()) } else { Ok(Self { host, below, port }) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_taken_apart_once() {
        for (url, host, port, path) in [
            ("https://Hooks.Example.com", "hooks.example.com", 443, "/"),
            ("https://hooks.example.com:8443/a?b=c", "hooks.example.com", 8443, "/a?b=c"),
            ("https://hooks.example.com?b=c", "hooks.example.com", 443, "/?b=c"),
            ("https://127.0.0.1:8443/a", "127.0.0.1", 8443, "/a"),
            ("https://[::1]/a", "[::1]", 443, "/a"),
            ("https://xn--bcher-kva.example/", "xn--bcher-kva.example", 443, "/"),
        ] {
            let endpoint = Endpoint::parse(url).unwrap_or_else(|error| panic!("{url}: {error:?}"));
            let found = (endpoint.host.to_string(), endpoint.port, endpoint.path.as_str());
            assert_eq!(found, (host.to_owned(), port, path), "{url}");
            assert!(!format!("{endpoint:?}").contains("b=c"), "a path may be a secret");
        }
    }

    #[test]
    fn what_is_no_url_is_malformed_and_what_nobody_may_use_is_not_allowed() {
        for url in [
            "http://hooks.example.com/",
            "ftp://hooks.example.com/",
            "https://me@hooks.example.com/",
            "https://me:secret@hooks.example.com/",
            "https://hooks.example.com:443@evil.example/",
        ] {
            assert_eq!(Endpoint::parse(url), Err(UrlError::NotAllowed), "{url}");
        }
        let long = format!("https://hooks.example.com/{}", "a".repeat(2_048));
        for url in [
            "",
            "hooks.example.com",
            "/path",
            "https://",
            "https:///path",
            "https://hooks.example.com/#fragment",
            "https://hooks.example.com\\@evil.example/",
            "https://hooks.example.com:0/",
            "https://hooks.example.com:65536/",
            "https://hooks.example.com:/",
            "https://hooks .example.com/",
            "https://hooks.example.com/a b",
            "https://hooks.example.com/\u{e9}",
            "https://hooks.example.com/\r\nX: y",
            "https://hooks..example.com/",
            "https://hooks.example.com./",
            "https://-hooks.example.com/",
            "https://2130706433/",
            "https://127.1/",
            "https://0x7f.1/",
            "https://0x7f000001/",
            "https://[::1/",
            long.as_str(),
        ] {
            assert_eq!(Endpoint::parse(url), Err(UrlError::Malformed), "{url}");
        }
    }

    #[test]
    fn a_host_is_allowed_by_its_name_or_by_what_it_is_below() {
        let allows = |allowed: &str, url: &str| {
            let allowed: AllowedHost = allowed.parse().unwrap_or_else(|()| panic!("{allowed}"));
            Endpoint::parse(url).expect("a URL").is_allowed_by(&[allowed])
        };
        for (allowed, url, good) in [
            ("hooks.example.com", "https://hooks.example.com/a", true),
            ("Hooks.Example.com", "https://HOOKS.example.com/a", true),
            ("hooks.example.com", "https://hooks.example.com:8443/", false),
            ("hooks.example.com:8443", "https://hooks.example.com:8443/", true),
            ("hooks.example.com:8443", "https://hooks.example.com/", false),
            ("hooks.example.com:*", "https://hooks.example.com:8443/", true),
            ("hooks.example.com", "https://a.hooks.example.com/", false),
            ("*.example.com", "https://hooks.example.com/", true),
            ("*.example.com", "https://a.b.example.com/", true),
            ("*.example.com", "https://example.com/", false),
            ("*.example.com", "https://badexample.com/", false),
            ("*.example.com", "https://example.com.evil.example/", false),
            ("127.0.0.1:*", "https://127.0.0.1:1/", true),
            ("[::1]", "https://[::1]/", true),
            ("[::1]:*", "https://[::1]:8443/", true),
            ("127.0.0.1", "https://127.0.0.2/", false),
        ] {
            assert_eq!(allows(allowed, url), good, "{allowed} {url}");
        }
        for bad in
            ["", "*", "*.", "*.*.example.com", "a b", "*.127.0.0.1", "h:0", "h:x", "https://h"]
        {
            assert!(bad.parse::<AllowedHost>().is_err(), "{bad:?}");
        }
    }
}
