//! The key behind link codes. Everything secret is derived from it and from what names the request,
//! so that a replay derives it again, nothing secret is stored, and whoever reads the database can
//! neither type a code nor recognize one.

use std::{fmt, path::Path};

use aws_lc_rs::hmac::{self, HMAC_SHA256, Key, Tag};
use entente_ledger::{PartnerId, RequestId};

use super::TypedCode;
use crate::key_file::{self, KEY_BYTES, KeyError};

const KEY_FILE: &str = "link-code.key";

/// What is derived; each kind apart from the others.
const CODE: &[u8] = b"entente link code 1";
const HASH: &[u8] = b"entente link code hash 1";
const NUMBER: &[u8] = b"entente link number 1";

/// The numbers that are shown have two digits.
const SMALLEST: i16 = 10;
const NUMBERS: u64 = 90;

/// Where all codes come from. Hubs that share a database need the same one.
pub struct LinkKey(Key);

impl LinkKey {
    /// Opens the key in a folder; at the first start, makes both.
    pub fn open(folder: &Path) -> Result<Self, KeyError> {
        Ok(Self::new(&key_file::open(folder, KEY_FILE)?))
    }

    /// With a key that is given.
    #[must_use]
    pub fn new(key: &[u8; KEY_BYTES]) -> Self {
        Self(Key::new(HMAC_SHA256, key))
    }

    /// The code that a request of a brand makes.
    #[must_use]
    pub fn code(&self, issuer: PartnerId, request_id: RequestId) -> TypedCode {
        let derived = self.derive(CODE, &[&issuer.0.to_be_bytes(), request_id.0.as_bytes()]);
        TypedCode::of_number(number(&derived))
    }

    /// How the database knows a code for a brand. The same code for another is another.
    #[must_use]
    pub fn hash(&self, target: PartnerId, code: &TypedCode) -> [u8; 32] {
        bytes(&self.derive(HASH, &[&target.0.to_be_bytes(), code.reveal().as_bytes()]))
    }

    /// The two digits that are to be matched when a request redeems a code.
    #[must_use]
    pub fn number(&self, hash: &[u8; 32], request_id: RequestId) -> i16 {
        let derived = number(&self.derive(NUMBER, &[hash, request_id.0.as_bytes()]));
        SMALLEST + i16::try_from(derived % NUMBERS).unwrap_or_default()
    }

    /// All parts but the last have a fixed length, so that no two lists of parts are one message.
    fn derive(&self, purpose: &[u8], parts: &[&[u8]]) -> Tag {
        let mut context = hmac::Context::with_key(&self.0);
        context.update(purpose);
        for part in parts {
            context.update(part);
        }
        context.sign()
    }
}

fn bytes(tag: &Tag) -> [u8; 32] {
    let mut bytes = [0; 32];
    bytes.copy_from_slice(tag.as_ref());
    bytes
}

/// 64 bits: reduced by 28 to the eighth, no code is likelier than another by more than 1 in 10^7.
fn number(tag: &Tag) -> u64 {
    let mut bytes = [0; 8];
    bytes.copy_from_slice(&tag.as_ref()[..8]);
    u64::from_be_bytes(bytes)
}

impl fmt::Debug for LinkKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LinkKey(..)")
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    #[test]
    fn a_request_has_one_code_and_each_request_another() {
        let (one, two) = (LinkKey::new(&[7; 32]), LinkKey::new(&[8; 32]));
        let (first, second) = (RequestId(Uuid::from_u128(1)), RequestId(Uuid::from_u128(2)));
        let (harbor, rover) = (PartnerId(1), PartnerId(2));
        let code = one.code(harbor, first);
        assert_eq!(code, one.code(harbor, first));
        for other in [one.code(harbor, second), one.code(rover, first), two.code(harbor, first)] {
            assert_ne!(code, other);
        }
        assert_ne!(one.hash(harbor, &code), one.hash(rover, &code));
        assert_ne!(one.hash(harbor, &code), two.hash(harbor, &code));
    }

    #[test]
    fn a_number_has_two_digits_and_all_of_them_occur() {
        let key = LinkKey::new(&[7; 32]);
        let number = |id| key.number(&[1; 32], RequestId(Uuid::from_u128(id)));
        let numbers: std::collections::BTreeSet<i16> = (0..2_000).map(number).collect();
        assert_eq!(numbers.len(), 90);
        assert_eq!((numbers.first(), numbers.last()), (Some(&10), Some(&99)));
    }
}
