//! Link codes as people read and type them.

use std::fmt;

use entente_identity::jwt::MemberAssertion;

/// How long a code is.
pub const CODE_CHARS: usize = 8;

/// What a code is made of: 8 digits and 20 letters. No 0, O, 1, I or L, which look alike, and no vowel,
/// so that no code is a word; 28 to the eighth are 38 bits.
const ALPHABET: &[u8; 28] = b"23456789BCDFGHJKMNPQRSTVWXYZ";

/// The longest text that is taken for a typed code.
const MAX_TYPED_CHARS: usize = 32;

/// A code as it was typed or made: capitals and digits, no separators. It is a secret, so it prints
/// as nothing. Whether it has the right length or letters is not asked: a code that is none is a wrong
/// one, and costs a try.
#[derive(Clone, PartialEq, Eq)]
pub struct TypedCode(String);

impl TypedCode {
    /// What somebody typed: case, spaces and hyphens do not matter. `None` for nothing, and for more
    /// than anybody types.
    #[must_use]
    pub fn typed(text: &str) -> Option<Self> {
        if text.chars().count() > MAX_TYPED_CHARS {
            return None;
        }
        let told = MemberAssertion::link_code(text);
        (!told.is_empty()).then_some(Self(told))
    }

    /// The code of a number; numbers that are apart by a multiple of 28 to the eighth share one.
    #[must_use]
    pub(super) fn of_number(mut number: u64) -> Self {
        let mut code = String::with_capacity(CODE_CHARS);
        for _ in 0..CODE_CHARS {
            let letter = usize::try_from(number % 28).unwrap_or_default();
            code.push(char::from(ALPHABET[letter]));
            number /= 28;
        }
        Self(code)
    }

    /// Without separators.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// As it is shown: `BCDF-2345`.
    #[must_use]
    pub fn shown(&self) -> String {
        let half = self.0.len().min(CODE_CHARS / 2);
        let (first, second) = self.0.split_at_checked(half).unwrap_or((&self.0, ""));
        format!("{first}-{second}")
    }
}

impl fmt::Debug for TypedCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TypedCode(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_has_eight_letters_that_nobody_confuses() {
        for number in [0, 1, 27, 28, u64::MAX, 377_801_998_335, 377_801_998_336] {
            let code = TypedCode::of_number(number);
            assert_eq!(code.reveal().len(), CODE_CHARS);
            assert!(code.reveal().bytes().all(|byte| ALPHABET.contains(&byte)));
            assert!(!code.reveal().contains(|c: char| "01ILOAEU".contains(c)));
            assert_eq!(TypedCode::typed(&code.shown()).as_ref(), Some(&code));
        }
        assert_eq!(TypedCode::of_number(0).shown(), "2222-2222");
        let once_around = TypedCode::of_number(28_u64.pow(8));
        assert_eq!(once_around, TypedCode::of_number(0));
        assert_ne!(TypedCode::of_number(1), TypedCode::of_number(0));
    }

    #[test]
    fn it_does_not_matter_how_a_code_is_typed() {
        let code = TypedCode::typed("BCDF2345");
        for typed in ["bcdf-2345", " BCDF 2345 ", "b-c-d-f-2-3-4-5", "bcdf\u{a0}2345"] {
            assert_eq!(TypedCode::typed(typed), code, "{typed}");
        }
        for nothing in ["", "  ", "-", &"2".repeat(33)] {
            assert_eq!(TypedCode::typed(nothing), None, "{nothing}");
        }
        for wrong in ["BCDF234", "BCDF23456", "ÄÖÜß", "\0", "é-é"] {
            let wrong = TypedCode::typed(wrong).expect("it was typed");
            assert!(!wrong.shown().is_empty() && Some(wrong) != code);
        }
    }

    #[test]
    fn a_code_is_not_printed() {
        let code = TypedCode::of_number(12_345);
        assert!(!format!("{code:?}").contains(code.reveal()));
    }
}
