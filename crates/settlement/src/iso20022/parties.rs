//! Who pays and who is paid, as a bank knows them.

/// What a bank would not take.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidParty {
    /// The name.
    #[error("a name has 1 to 70 characters and no control characters")]
    Name,
    /// The IBAN, or its check digits.
    #[error("the IBAN is not one: its form or its check digits are wrong")]
    Iban,
    /// The BIC.
    #[error("a BIC has 8 or 11 capital letters and digits")]
    Bic,
    /// The number of an account without an IBAN.
    #[error("an account has 1 to 34 letters, digits or /-?:().,'+")]
    Account,
}

/// An international bank account number (ISO 13616), its check digits verified.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Iban(String);

impl Iban {
    /// Reads an IBAN; spaces between its groups are left out.
    pub fn new(text: &str) -> Result<Self, InvalidParty> {
        let text: String = text.chars().filter(|character| *character != ' ').collect();
        let bytes = text.as_bytes();
        let form = (15..=34).contains(&bytes.len())
            && bytes.iter().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit())
            && bytes[..2].iter().all(u8::is_ascii_uppercase)
            && bytes[2..4].iter().all(u8::is_ascii_digit);
        if !form || remainder(bytes) != Some(1) {
            return Err(InvalidParty::Iban);
        }
        Ok(Self(text))
    }

    /// The IBAN without spaces.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// What the number that an IBAN stands for leaves when divided by 97: 1 where it is right (ISO 7064).
fn remainder(iban: &[u8]) -> Option<u32> {
    let (head, tail) = iban.split_at_checked(4)?;
    tail.iter().chain(head).try_fold(0_u32, |rest, byte| {
        let value = char::from(*byte).to_digit(36)?;
        let shift = if value < 10 { 10 } else { 100 };
        rest.checked_mul(shift)?.checked_add(value)?.checked_rem(97)
    })
}

/// A bank's identifier (ISO 9362).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Bic(String);

impl Bic {
    /// Reads a BIC.
    pub fn new(text: &str) -> Result<Self, InvalidParty> {
        let bytes = text.as_bytes();
        let form = matches!(bytes.len(), 8 | 11)
            && bytes.iter().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit())
            && bytes[4..6].iter().all(u8::is_ascii_uppercase);
        if form { Ok(Self(text.to_owned())) } else { Err(InvalidParty::Bic) }
    }

    /// The BIC.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// An account at a bank.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum BankAccount {
    /// One with an IBAN.
    Iban(Iban),
    /// One with another number, in countries without IBANs.
    Other(String),
}

impl BankAccount {
    /// Reads an account number: an IBAN where it looks like one, that is, begins with two letters and two
    /// digits; else any number of 1 to 34 characters.
    pub fn new(text: &str) -> Result<Self, InvalidParty> {
        let compact: String = text.chars().filter(|character| *character != ' ').collect();
        let bytes = compact.as_bytes();
        let country = bytes.get(..2).is_some_and(|head| head.iter().all(u8::is_ascii_uppercase));
        let check = bytes.get(2..4).is_some_and(|digits| digits.iter().all(u8::is_ascii_digit));
        if country && check {
            return Iban::new(&compact).map(Self::Iban);
        }
        let takes = |byte: u8| byte.is_ascii_alphanumeric() || b"/-?:().,'+".contains(&byte);
        if bytes.is_empty() || bytes.len() > 34 || !compact.bytes().all(takes) {
            return Err(InvalidParty::Account);
        }
        Ok(Self::Other(compact))
    }
}

/// A party of a payment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BankParty {
    name: String,
    /// Its account.
    pub account: BankAccount,
    /// Its bank; a bank finds it by the IBAN where it is not told.
    pub bic: Option<Bic>,
}

impl BankParty {
    /// A party.
    pub fn new(name: &str, account: BankAccount, bic: Option<Bic>) -> Result<Self, InvalidParty> {
        let length = name.chars().count();
        if name.trim().is_empty() || length > 70 || name.chars().any(char::is_control) {
            return Err(InvalidParty::Name);
        }
        Ok(Self { name: name.trim().to_owned(), account, bic })
    }

    /// Its name, as its bank knows it.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_iban_with_one_digit_wrong_is_refused() {
        for (text, right) in [
            ("DE89 3704 0044 0532 0130 00", true),
            ("GB82WEST12345698765432", true),
            ("NO9386011117947", true),
            ("DE89370400440532013001", false),
            ("DE98370400440532013000", false),
            ("de89370400440532013000", false),
            ("89DE370400440532013000", false),
            ("DE89", false),
            ("", false),
            ("DE8937040044053201300ß", false),
        ] {
            assert_eq!(Iban::new(text).is_ok(), right, "{text}");
        }
    }

    #[test]
    fn an_account_that_looks_like_an_iban_must_be_one() {
        let other = |text: &str| BankAccount::Other(text.to_owned());
        for (text, account) in [
            ("12345678-90", Ok(other("12345678-90"))),
            ("1234 5678", Ok(other("12345678"))),
            ("DE89370400440532013001", Err(InvalidParty::Iban)),
            ("", Err(InvalidParty::Account)),
            ("12_34", Err(InvalidParty::Account)),
            (&"1".repeat(35), Err(InvalidParty::Account)),
        ] {
            assert_eq!(BankAccount::new(text), account, "{text}");
        }
    }

    #[test]
    fn names_and_bics_have_their_form() {
        for (text, right) in [
            ("DEUTDEFF", true),
            ("DEUTDEFF500", true),
            ("DEUTDEF", false),
            ("deutdeff", false),
            ("DEUT1EFF", false),
        ] {
            assert_eq!(Bic::new(text).is_ok(), right, "{text}");
        }
        let account = || BankAccount::new("1").expect("an account");
        for (name, right) in
            [("Harbor Hotels", true), (" ", false), ("a\nb", false), (&"x".repeat(71), false)]
        {
            assert_eq!(BankParty::new(name, account(), None).is_ok(), right, "{name}");
        }
    }
}
