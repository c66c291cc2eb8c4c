//! Rows of a table as one array of its own row type: PostgreSQL takes a composite array apart for a
//! small part of what it costs to do so with an array for each column. The fields of each type here are
//! the table's columns, in their order; the database refuses rows that are not.

use jiff_sqlx::Timestamp;
use sqlx::{
    Encode, Postgres, Type,
    postgres::{PgHasArrayType, PgTypeInfo},
};
use uuid::Uuid;

/// Names the table whose rows a type has.
macro_rules! row_of {
    ($table:literal, $row:ident) => {
        impl Type<Postgres> for $row<'_> {
            fn type_info() -> PgTypeInfo {
                PgTypeInfo::with_name($table)
            }
        }

        impl PgHasArrayType for $row<'_> {
            fn array_type_info() -> PgTypeInfo {
                PgTypeInfo::array_of($table)
            }
        }
    };
}

row_of!("requests", RequestRecord);
row_of!("operations", OperationRecord);
row_of!("transfers", TransferRecord);
row_of!("lots", LotRecord);

#[derive(Debug, Encode)]
pub(crate) struct RequestRecord<'a> {
    pub(crate) partner_id: i32,
    pub(crate) request_id: Uuid,
    pub(crate) method: i16,
    pub(crate) fields: &'a [u8],
    pub(crate) refused: bool,
    pub(crate) answer: &'a [u8],
    pub(crate) cell: Option<i16>,
    pub(crate) seq: Option<i64>,
    pub(crate) member_id: Option<Uuid>,
    pub(crate) authorized_by: Option<i64>,
    pub(crate) receipt: Option<&'a str>,
}

#[derive(Debug, Encode)]
pub(super) struct OperationRecord<'a> {
    pub(super) cell: i16,
    pub(super) seq: i64,
    pub(super) posted_at: Timestamp,
    pub(super) window_id: i32,
    pub(super) partner_id: i32,
    pub(super) request_id: Uuid,
    pub(super) member_id: Uuid,
    pub(super) kind: i16,
    pub(super) activity_at: Option<Timestamp>,
    pub(super) terms_version: Option<i32>,
    pub(super) points: i64,
    pub(super) receipt_reference: &'a str,
    pub(super) prior_period: bool,
    pub(super) refused: bool,
}

#[derive(Debug, Encode)]
pub(super) struct TransferRecord<'a> {
    pub(super) cell: i16,
    pub(super) seq: i64,
    pub(super) ordinal: i16,
    pub(super) posted_at: Timestamp,
    pub(super) window_id: i32,
    pub(super) kind: i16,
    pub(super) debit_kind: i16,
    pub(super) debit_partner: i32,
    pub(super) credit_kind: i16,
    pub(super) credit_partner: i32,
    pub(super) member_id: Option<Uuid>,
    pub(super) in_points: bool,
    pub(super) amount: i64,
    pub(super) lot_opened_by: Option<i64>,
    pub(super) lot_ordinal: Option<i16>,
    pub(super) issuer: Option<i32>,
    pub(super) payer: i32,
    pub(super) payee: i32,
    pub(super) currency: &'a str,
    pub(super) price_micros: i64,
}

#[derive(Debug, Encode)]
pub(super) struct LotRecord<'a> {
    pub(super) cell: i16,
    pub(super) member_id: Uuid,
    pub(super) opened_by: i64,
    pub(super) ordinal: i16,
    pub(super) issuer: i32,
    pub(super) funding: i16,
    pub(super) terms_version: i32,
    pub(super) currency: &'a str,
    pub(super) expires_at: Timestamp,
    pub(super) remaining: i64,
    pub(super) held: i64,
    pub(super) expired: i64,
    pub(super) open: bool,
    pub(super) category: Option<&'a str>,
    pub(super) spend_micros: Option<i64>,
    pub(super) spend_reversed_micros: Option<i64>,
    pub(super) activity_at: Option<Timestamp>,
    pub(super) points_earned: Option<i64>,
    pub(super) points_clawed: Option<i64>,
    pub(super) origin: i16,
    pub(super) from_cell: Option<i16>,
    pub(super) from_opened_by: Option<i64>,
    pub(super) from_ordinal: Option<i16>,
    pub(super) announced: bool,
    pub(super) merged_from: Option<Uuid>,
}
