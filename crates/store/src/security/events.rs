//! The trail of security events: appended, read, and never changed. Nothing in it is personal data.

use jiff::Timestamp;
use jiff_sqlx::ToSqlx;
use sqlx::PgExecutor;

use crate::StoreError;

macro_rules! kinds {
    ($($(#[$doc:meta])* $kind:ident = $code:literal;)*) => {
        /// What happened. The numbers are stored, and are those of the contract: none is ever given
        /// another meaning.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum SecurityEventKind {
            $($(#[$doc])* $kind,)*
        }

        impl SecurityEventKind {
            /// The number that is stored.
            pub const fn code(self) -> i16 {
                match self { $(Self::$kind => $code,)* }
            }

            /// The kind of a number.
            pub const fn of_code(code: i16) -> Option<Self> {
                match code {
                    $($code => Some(Self::$kind),)*
                    _ => None,
                }
            }
        }
    };
}

kinds! {
    /// A token was issued.
    TokenIssued = 1;
    /// An assertion was refused.
    AssertionRefused = 2;
    /// A token was revoked.
    TokenRevoked = 3;
    /// A key was registered by operators.
    KeyRegistered = 4;
    /// A key was added by its owner, with proof of another.
    KeyRotated = 5;
    /// A key was revoked.
    KeyRevoked = 6;
    /// An operator's roles were set.
    RolesGranted = 7;
    /// An operator was made by the owner of the database.
    OperatorBootstrapped = 8;
    /// A hub published its own signing key.
    SigningKeyPublished = 9;
    /// A partner was suspended.
    PartnerSuspended = 10;
    /// A suspension ended.
    PartnerResumed = 11;
    /// An act was proposed.
    Proposed = 20;
    /// A proposal was approved.
    Approved = 21;
    /// A proposal was rejected or withdrawn.
    Rejected = 22;
    /// Certificates were loaded.
    CertificatesLoaded = 30;
    /// Certificates could not be loaded.
    CertificatesRefused = 31;
    /// A certificate was revoked.
    CertificateRevoked = 32;
    /// A connection was cut.
    ConnectionCut = 33;
    /// A link code was made.
    LinkCodeCreated = 40;
    /// A link code was tried.
    LinkCodeTried = 41;
    /// A member was linked.
    MemberLinked = 42;
    /// A link ended.
    MemberUnlinked = 43;
    /// Two members were merged.
    MembersMerged = 44;
    /// A merge was undone.
    MembersUnmerged = 45;
    /// A member's data was exported.
    MemberExported = 50;
    /// A member was erased.
    MemberErased = 51;
}

/// An event to be appended.
#[derive(Debug, Clone, Copy)]
pub struct NewSecurityEvent<'a> {
    /// What happened.
    pub kind: SecurityEventKind,
    /// Who did it: `partner/CODE`, `operator/NAME`, `hub` or `owner`.
    pub actor: &'a str,
    /// By which certificate, where one was in use.
    pub certificate: Option<&'a [u8; 32]>,
    /// Whom or what it is about; may be empty.
    pub subject: &'a str,
    /// More, as a JSON object; no personal data, and no secret.
    pub details: &'a str,
}

/// An event as it was appended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecurityEvent {
    /// Its number; later ones are greater, and there may be gaps.
    pub id: i64,
    /// When, by the database's clock.
    pub at: Timestamp,
    /// What happened.
    pub kind: SecurityEventKind,
    /// Who did it.
    pub actor: String,
    /// By which certificate.
    pub certificate: Option<Vec<u8>>,
    /// Whom or what it is about.
    pub subject: String,
    /// More, as a JSON object.
    pub details: String,
}

/// Which events to read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EventFilter {
    /// These kinds alone; none for all.
    pub kinds: Vec<i16>,
    /// This actor alone.
    pub actor: Option<String>,
    /// Not before.
    pub from: Option<Timestamp>,
    /// Before.
    pub to: Option<Timestamp>,
}

/// Appends an event.
pub async fn record_event(
    executor: impl PgExecutor<'_>,
    event: &NewSecurityEvent<'_>,
) -> Result<(), StoreError> {
    sqlx::query!(
        "INSERT INTO security_events (kind, actor, certificate, subject, details)
         VALUES ($1, $2, $3, $4, $5::text::jsonb)",
        event.kind.code(),
        event.actor,
        event.certificate.map(<[u8; 32]>::as_slice),
        event.subject,
        event.details
    )
    .execute(executor)
    .await?;
    Ok(())
}

/// Events, the latest first, before an id (or from the end on), so many at most.
pub async fn list_events(
    executor: impl PgExecutor<'_>,
    filter: &EventFilter,
    before: Option<i64>,
    most: i64,
) -> Result<Vec<SecurityEvent>, StoreError> {
    let from = filter.from.map(ToSqlx::to_sqlx);
    let to = filter.to.map(ToSqlx::to_sqlx);
    let rows = sqlx::query!(
        r#"SELECT id, at AS "at: jiff_sqlx::Timestamp", kind, actor, certificate, subject,
                  details::text AS "details!"
           FROM security_events
           WHERE (cardinality($1::smallint[]) = 0 OR kind = ANY ($1))
             AND ($2::text IS NULL OR actor = $2)
             AND ($3::timestamptz IS NULL OR at >= $3)
             AND ($4::timestamptz IS NULL OR at < $4)
             AND ($5::bigint IS NULL OR id < $5)
           ORDER BY id DESC LIMIT $6"#,
        &filter.kinds,
        filter.actor.as_deref(),
        from as _,
        to as _,
        before,
        most
    );
    let rows = rows.fetch_all(executor).await?;
    rows.into_iter()
        .map(|row| {
            let kind = SecurityEventKind::of_code(row.kind);
            Ok(SecurityEvent {
                id: row.id,
                at: row.at.to_jiff(),
                kind: kind
                    .ok_or_else(|| StoreError::inconsistent("security_events", "kind", row.id))?,
                actor: row.actor,
                certificate: row.certificate,
                subject: row.subject,
                details: row.details,
            })
        })
        .collect()
}
