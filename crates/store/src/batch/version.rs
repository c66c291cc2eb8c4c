//! Versions of rows: PostgreSQL tells of each row which transaction wrote it.

use sqlx::{
    Decode, Postgres, Type,
    error::BoxDynError,
    postgres::{PgTypeInfo, PgValueFormat, PgValueRef},
};

/// The transaction that wrote a row (`xmin`, `xid` of PostgreSQL). Two reads of a wallet that tell the
/// same saw the same wallet and the same open lots, since whoever changes a lot writes its wallet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Version(u32);

impl Version {
    /// Whether this one began after another: they are numbered in a circle, of which half is before.
    #[must_use]
    pub const fn is_after(self, other: Self) -> bool {
        self.0 != other.0 && self.0.wrapping_sub(other.0) < 1 << 31
    }
}

impl From<u32> for Version {
    fn from(number: u32) -> Self {
        Self(number)
    }
}

impl Type<Postgres> for Version {
    fn type_info() -> PgTypeInfo {
        PgTypeInfo::with_name("xid")
    }
}

impl<'r> Decode<'r, Postgres> for Version {
    fn decode(value: PgValueRef<'r>) -> Result<Self, BoxDynError> {
        Ok(Self(match value.format() {
            PgValueFormat::Binary => u32::from_be_bytes(value.as_bytes()?.try_into()?),
            PgValueFormat::Text => value.as_str()?.parse()?,
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_is_after_another_across_the_end_of_numbers() {
        let after = |one: u32, other: u32| Version(one).is_after(Version(other));
        assert!(after(8, 7) && !after(7, 8) && !after(7, 7));
        assert!(after(3, u32::MAX) && !after(u32::MAX, 3));
    }
}
