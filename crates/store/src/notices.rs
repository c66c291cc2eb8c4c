//! Notices: what partners are told beside their own operations, each with the operation that it is
//! told of.

use std::collections::HashMap;

use entente_ledger::{Cell, PartnerId, Seq};
use jiff::Timestamp;
use jiff_sqlx::ToSqlx;
use sqlx::PgConnection;

use crate::{StoreError, codes::inconsistent};

/// What a notice tells of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum NoticeKind {
    /// A hold ended by itself.
    HoldExpired,
    /// A share of a net debit cap was crossed.
    CapThreshold,
    /// A version of terms came into force.
    TermsInForce,
    /// A window closed.
    WindowClosed,
    /// Points expire soon.
    PointsExpiring,
    /// One member burned many points of the partner at others.
    BurnedElsewhere,
    /// A share of a float is left, and no more.
    FloatThreshold,
}

/// A notice to be written. Its body is the event's message, encoded by the hub.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    /// The cell of the operation,
    pub cell: Cell,
    /// and its number there.
    pub seq: Seq,
    /// When it was posted.
    pub posted_at: Timestamp,
    /// Who is told.
    pub partner: PartnerId,
    /// Of what.
    pub kind: NoticeKind,
    /// The message of that kind.
    pub body: Vec<u8>,
}

/// Writes the notices of operations that the same transaction writes: all of one operation at once.
pub async fn insert(connection: &mut PgConnection, notices: &[Notice]) -> Result<(), StoreError> {
    if notices.is_empty() {
        return Ok(());
    }
    let mut counts: HashMap<(Cell, Seq), i16> = HashMap::new();
    let mut ordinals = Vec::with_capacity(notices.len());
    for notice in notices {
        let count = counts.entry((notice.cell, notice.seq)).or_default();
        ordinals.push(*count);
        *count =
            count.checked_add(1).ok_or_else(|| inconsistent("notices", "ordinal", notice.seq.0))?;
    }
    sqlx::query!(
        "INSERT INTO notices (cell, seq, ordinal, partner_id, posted_at, kind, body)
         SELECT * FROM UNNEST($1::smallint[], $2::bigint[], $3::smallint[], $4::integer[],
             $5::timestamptz[], $6::smallint[], $7::bytea[])",
        &notices.iter().map(|notice| notice.cell.0).collect::<Vec<_>>(),
        &notices.iter().map(|notice| notice.seq.0).collect::<Vec<_>>(),
        &ordinals,
        &notices.iter().map(|notice| notice.partner.0).collect::<Vec<_>>(),
        &notices.iter().map(|notice| notice.posted_at.to_sqlx()).collect::<Vec<_>>() as _,
        &notices.iter().map(|notice| notice.kind.code()).collect::<Vec<_>>(),
        &notices.iter().map(|notice| notice.body.clone()).collect::<Vec<_>>()
    )
    .execute(connection)
    .await?;
    Ok(())
}

impl NoticeKind {
    /// Every kind.
    pub const ALL: [Self; 7] = [
        Self::HoldExpired,
        Self::CapThreshold,
        Self::TermsInForce,
        Self::WindowClosed,
        Self::PointsExpiring,
        Self::BurnedElsewhere,
        Self::FloatThreshold,
    ];

    /// The number that is stored.
    #[must_use]
    pub const fn code(self) -> i16 {
        match self {
            Self::HoldExpired => 1,
            Self::CapThreshold => 2,
            Self::TermsInForce => 3,
            Self::WindowClosed => 4,
            Self::PointsExpiring => 5,
            Self::BurnedElsewhere => 6,
            Self::FloatThreshold => 7,
        }
    }

    pub(crate) fn of_code(code: i16) -> Result<Self, StoreError> {
        let kind = Self::ALL.into_iter().find(|kind| kind.code() == code);
        kind.ok_or_else(|| inconsistent("notices", "kind", code))
    }
}
