//! Names, references and ids, and the sizes of pages.

use std::fmt;

use entente_ledger::RequestId;
use entente_loyalty::PartnerCode;
use uuid::Uuid;

use super::Expected;

/// The most characters of a member reference or a receipt reference.
const MAX_REFERENCE_CHARS: usize = 64;

/// The most items of a page, and how many there are when the caller does not say.
const MAX_PAGE_SIZE: u16 = 1_000;
const DEFAULT_PAGE_SIZE: u16 = 100;

/// A partner's own reference of a member. It is personal, so it prints as nothing.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct MemberReference(String);

impl MemberReference {
    /// The reference, for the database.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The reference, for the database.
    #[must_use]
    pub fn into_string(self) -> String {
        self.0
    }
}

impl fmt::Debug for MemberReference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MemberReference(..)")
    }
}

/// A UUID with hyphens, in any case; the nil one means that somebody forgot to set it.
pub fn request_id(text: &str) -> Result<RequestId, Expected> {
    let hyphenated = text.len() == 36;
    let parsed = Uuid::try_parse(text).ok().filter(|id| hyphenated && !id.is_nil());
    parsed.map(RequestId).ok_or(Expected::Borrowed("a UUID with hyphens, and not the nil one"))
}

/// 1 to 64 printable characters.
pub fn member_reference(text: &str) -> Result<MemberReference, Expected> {
    printable(text, MAX_REFERENCE_CHARS).map(MemberReference)
}

/// 1 to `max` printable characters: no control characters, and none that are invisible or change
/// the direction of what stands around them, so that two references that look alike are alike.
pub fn printable(text: &str, max: usize) -> Result<String, Expected> {
    let good = (1..=max).contains(&text.chars().count()) && text.chars().all(is_printable);
    let owned = good.then(|| text.to_owned());
    owned.ok_or_else(|| Expected::Owned(format!("1 to {max} printable characters")))
}

/// At most 64 characters of letters, digits and `-_./:#`; empty for none.
pub fn receipt_reference(text: &str) -> Result<String, Expected> {
    let good = text.len() <= MAX_REFERENCE_CHARS && text.bytes().all(|b| word(b, b"-_./:#"));
    let owned = good.then(|| text.to_owned());
    owned.ok_or(Expected::Borrowed("at most 64 characters of letters, digits and -_./:#"))
}

/// 1 to 32 characters of `a-z`, `0-9` and `-`.
pub fn category(text: &str) -> Result<String, Expected> {
    let lower = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    let good = (1..=32).contains(&text.len()) && text.bytes().all(lower);
    let owned = good.then(|| text.to_owned());
    owned.ok_or(Expected::Borrowed("1 to 32 characters of a-z, 0-9 and -"))
}

/// A partner's code.
pub fn partner_code(text: &str) -> Result<PartnerCode, Expected> {
    text.parse().map_err(Expected::Owned)
}

/// 1 to 32 characters of letters, digits and `-_.:`.
pub fn window_name(text: &str) -> Result<String, Expected> {
    let good = (1..=32).contains(&text.len()) && text.bytes().all(|b| word(b, b"-_.:"));
    let owned = good.then(|| text.to_owned());
    owned.ok_or(Expected::Borrowed("1 to 32 characters of letters, digits and -_.:"))
}

/// How many items a page has: 1 to 1,000, and 100 for 0.
pub fn page_size(asked: i32) -> Result<u16, Expected> {
    match u16::try_from(asked) {
        Ok(0) => Ok(DEFAULT_PAGE_SIZE),
        Ok(size) if size <= MAX_PAGE_SIZE => Ok(size),
        _ => Err(Expected::Borrowed("0 to 1000")),
    }
}

fn word(byte: u8, marks: &[u8]) -> bool {
    byte.is_ascii_alphanumeric() || marks.contains(&byte)
}

fn is_printable(c: char) -> bool {
    let invisible = matches!(c,
        '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{feff}'
        | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
        | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}');
    let nonscalar =
        matches!(u32::from(c) & 0xfffe, 0xfffe) || ('\u{fdd0}'..='\u{fdef}').contains(&c);
    !c.is_control() && !invisible && !nonscalar
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "7d0c1e1c-6f0b-4d1b-9c59-0d3b1f6f7a10";

    #[test]
    fn a_request_id_is_a_hyphenated_uuid_in_any_case() {
        let id = request_id(ID).expect("a UUID");
        assert_eq!(request_id(&ID.to_uppercase()), Ok(id));
        for bad in [
            "",
            "7d0c1e1c6f0b4d1b9c590d3b1f6f7a10",
            "{7d0c1e1c-6f0b-4d1b-9c59-0d3b1f6f7a10}",
            "urn:uuid:7d0c1e1c-6f0b-4d1b-9c59-0d3b1f6f7a10",
            "00000000-0000-0000-0000-000000000000",
            "7d0c1e1c-6f0b-4d1b-9c59-0d3b1f6f7a1g",
            "7d0c1e1c-6f0b-4d1b-9c59-0d3b1f6f7a10 ",
            "7d0c1e1c-6f0b-4d1b-9c59-0d3b1f6f7a1\0",
        ] {
            assert!(request_id(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_member_reference_is_printable_and_short() {
        let (longest, too_long) = ("é".repeat(64), "é".repeat(65));
        for good in ["1", "guest 7", "jürgen@example.com", "会员-42", longest.as_str()] {
            let reference = member_reference(good).expect("a good reference");
            assert_eq!(reference.as_str(), good);
            assert!(!format!("{reference:?}").contains(good), "personal data was printed");
        }
        let bad = ["", "\0", "gu\0est", "a\nb", "a\u{202e}b", "a\u{200b}b", "\u{7f}", "\u{ffff}"];
        for bad in bad.into_iter().chain([too_long.as_str()]) {
            assert!(member_reference(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_receipt_reference_has_a_small_alphabet() {
        let (longest, too_long) = ("9".repeat(64), "9".repeat(65));
        for good in ["", "R-2026_03/02.1:7#9", longest.as_str()] {
            assert_eq!(receipt_reference(good).as_deref(), Ok(good));
        }
        for bad in [" ", "a b", "ä", "a\0", "a'b", too_long.as_str()] {
            assert!(receipt_reference(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn names_are_of_their_alphabets() {
        let (longest, too_long) = ("a".repeat(32), "a".repeat(33));
        for good in ["room", "food-2", "-", longest.as_str()] {
            assert!(category(good).is_ok(), "{good:?}");
        }
        for bad in ["", "Room", "*", "a_b", "room ", "r\0", too_long.as_str()] {
            assert!(category(bad).is_err(), "{bad:?}");
        }
        for good in ["2026-03", "March:1_a.b", longest.as_str()] {
            assert!(window_name(good).is_ok(), "{good:?}");
        }
        for bad in ["", "2026 03", "a/b", "#1", "\0", too_long.as_str()] {
            assert!(window_name(bad).is_err(), "{bad:?}");
        }
        assert!(partner_code("harbor-hotels").is_ok());
        for bad in ["", "h", "Harbor", "hub", "coalition", "1st", "harbor hotels", "a\0"] {
            assert!(partner_code(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_page_is_bounded() {
        for (asked, given) in [(0, Ok(100)), (1, Ok(1)), (1_000, Ok(1_000))] {
            assert_eq!(page_size(asked), given);
        }
        for bad in [-1, 1_001, i32::MIN, i32::MAX] {
            assert!(page_size(bad).is_err(), "{bad}");
        }
    }
}
