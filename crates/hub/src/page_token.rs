//! Page tokens: where a list or a stream goes on, sealed, so that callers can neither read nor make them.
//!
//! A token is bound to the caller, the list and its filter: given by anybody else, or for another
//! filter, it does not open. The key is a file outside the database; hubs that share a database
//! need the same one.

use std::path::Path;

use aws_lc_rs::{
    aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey},
    digest::{Context, SHA256},
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use prost::Message;

use crate::{
    caller::Caller,
    key_file::{self, KEY_BYTES, KeyError},
    parse::Expected,
};

/// The longest token that is looked at, in characters: it may name a number for each cell.
const MAX_TOKEN_CHARS: usize = 16_384;

/// The first byte of every token; another layout gets another.
const LAYOUT: u8 = 1;

const KEY_FILE: &str = "page-token.key";

/// Seals and opens page tokens.
pub struct PageTokens {
    key: RandomizedNonceKey,
}

/// What a token is good for: one caller, one list, one filter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Binding([u8; 32]);

impl Binding {
    /// Binds to a caller, to a list by its name, and to everything that filters it, in order.
    #[must_use]
    pub fn new(caller: &Caller, list: &str, filter: &[&str]) -> Self {
        let mut hash = Context::new(&SHA256);
        let caller = caller.to_string();
        for part in [caller.as_str(), list].iter().chain(filter) {
            // With its length before it, no part can be mistaken for two.
            hash.update(&u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
            hash.update(part.as_bytes());
        }
        let mut binding = [0; 32];
        binding.copy_from_slice(hash.finish().as_ref());
        Self(binding)
    }
}

impl PageTokens {
    /// Opens the key in a folder; at the first start, makes both.
    pub fn open(folder: &Path) -> Result<Self, KeyError> {
        Ok(Self::new(&key_file::open(folder, KEY_FILE)?))
    }

    /// With a key that is given.
    #[must_use]
    pub fn new(key: &[u8; KEY_BYTES]) -> Self {
        let key = RandomizedNonceKey::new(&AES_256_GCM, key);
        Self { key: key.expect("AES-256 has a key of 32 bytes") }
    }

    /// The token for a position in a list.
    #[must_use]
    pub fn seal(&self, binding: &Binding, position: &impl Message) -> String {
        let mut sealed = position.encode_to_vec();
        let nonce = self.key.seal_in_place_append_tag(Aad::from(binding.0), &mut sealed);
        let nonce = nonce.expect("a position is far below the limit of the cipher");
        let token = [&[LAYOUT], nonce.as_ref().as_slice(), &sealed].concat();
        URL_SAFE_NO_PAD.encode(token)
    }

    /// The position in a list, `None` for its beginning; or what is expected of `page_token`.
    pub fn open_token<P: Message + Default>(
        &self,
        binding: &Binding,
        token: &str,
    ) -> Result<Option<P>, Expected> {
        if token.is_empty() {
            return Ok(None);
        }
        let position = self.unseal(binding, token).and_then(|bytes| P::decode(&*bytes).ok());
        position.map(Some).ok_or(Expected::Borrowed(
            "the next_page_token of the same list, with the same filter and caller, unchanged",
        ))
    }

    fn unseal(&self, binding: &Binding, token: &str) -> Option<Vec<u8>> {
        if token.len() > MAX_TOKEN_CHARS {
            return None;
        }
        let token = URL_SAFE_NO_PAD.decode(token).ok()?;
        let (&LAYOUT, rest) = token.split_first()? else { return None };
        let (nonce, sealed) = rest.split_at_checked(NONCE_LEN)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
        let mut sealed = sealed.to_vec();
        let opened = self.key.open_in_place(nonce, Aad::from(binding.0), &mut sealed).ok()?;
        Some(opened.to_vec())
    }
}

impl std::fmt::Debug for PageTokens {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("PageTokens(..)")
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, fs::Permissions, os::unix::fs::PermissionsExt};

    use entente_loyalty::PartnerCode;

    use super::*;
    use crate::caller::OperatorName;

    #[derive(Clone, PartialEq, Message)]
    struct Position {
        #[prost(int64, tag = "1")]
        seq: i64,
    }

    fn harbor() -> Caller {
        Caller::Partner("harbor-hotels".parse::<PartnerCode>().expect("a good code"))
    }

    fn binding() -> Binding {
        Binding::new(&harbor(), "operations", &["guest-1"])
    }

    #[test]
    fn a_token_opens_for_the_list_it_was_made_for() {
        let tokens = PageTokens::new(&[7; 32]);
        let token = tokens.seal(&binding(), &Position { seq: 42 });
        assert!(token.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b)));
        assert_eq!(tokens.open_token(&binding(), &token), Ok(Some(Position { seq: 42 })));
        assert_eq!(tokens.open_token::<Position>(&binding(), ""), Ok(None));
        assert_ne!(token, tokens.seal(&binding(), &Position { seq: 42 }));
    }

    #[test]
    fn a_token_opens_for_nobody_and_nothing_else() {
        let tokens = PageTokens::new(&[7; 32]);
        let token = tokens.seal(&binding(), &Position { seq: 42 });
        let rover = Caller::Partner("rover-rides".parse().expect("a good code"));
        let namesake = Caller::Operator(OperatorName::new("harbor-hotels"));
        for other in [
            Binding::new(&rover, "operations", &["guest-1"]),
            Binding::new(&namesake, "operations", &["guest-1"]),
            Binding::new(&harbor(), "windows", &["guest-1"]),
            Binding::new(&harbor(), "operations", &["guest-2"]),
            Binding::new(&harbor(), "operations", &[]),
            Binding::new(&harbor(), "operations", &["guest", "-1"]),
        ] {
            assert!(tokens.open_token::<Position>(&other, &token).is_err(), "{other:?}");
        }
        let stranger = PageTokens::new(&[8; 32]);
        assert!(stranger.open_token::<Position>(&binding(), &token).is_err());
    }

    #[test]
    fn a_token_that_was_changed_anywhere_does_not_open() {
        let tokens = PageTokens::new(&[7; 32]);
        let token = tokens.seal(&binding(), &Position { seq: 42 });
        let bytes = URL_SAFE_NO_PAD.decode(&token).expect("base64");
        for place in 0..bytes.len() {
            let mut changed = bytes.clone();
            changed[place] ^= 1;
            let changed = URL_SAFE_NO_PAD.encode(changed);
            assert!(tokens.open_token::<Position>(&binding(), &changed).is_err(), "{place}");
        }
        for bad in ["A", "====", "\0", "page 2", &token[..20], &"A".repeat(100_000)] {
            assert!(tokens.open_token::<Position>(&binding(), bad).is_err(), "{bad:.20}");
        }
    }

    #[test]
    fn the_key_is_made_once_and_is_nobody_elses() {
        let home = tempfile::tempdir().expect("a temporary folder");
        let folder = home.path().join("keys");
        let tokens = PageTokens::open(&folder).expect("a new key");
        let token = tokens.seal(&binding(), &Position { seq: 1 });
        let again = PageTokens::open(&folder).expect("the same key");
        assert!(again.open_token::<Position>(&binding(), &token).is_ok());
        let path = folder.join(KEY_FILE);
        let mode =
            |path: &Path| fs::metadata(path).expect("it exists").permissions().mode() & 0o777;
        assert_eq!((mode(&folder), mode(&path)), (0o700, 0o600));
        assert_eq!(fs::read_dir(&folder).expect("a folder").count(), 1);

        fs::set_permissions(&path, Permissions::from_mode(0o644)).expect("chmod");
        let error = PageTokens::open(&folder).expect_err("others may read it").to_string();
        assert!(error.contains("chmod 600"), "{error}");
        fs::set_permissions(&path, Permissions::from_mode(0o600)).expect("chmod");
        fs::write(&path, b"short").expect("a write");
        assert!(PageTokens::open(&folder).is_err());
    }
}
