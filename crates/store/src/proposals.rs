//! Proposals of operators: an act, why, and what became of it. Times are by the ledger's clock, so
//! that an open one expires by its time alone.

use entente_ledger::{MemberId, RequestId};
use jiff::Timestamp;
use jiff_sqlx::ToSqlx;
use sqlx::{PgConnection, PgExecutor};
use uuid::Uuid;

use crate::StoreError;

/// A proposal as it was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewProposal {
    /// The request id by which it was proposed.
    pub id: RequestId,
    /// What the act is, by its number in the contract.
    pub kind: i16,
    /// The act, encoded, without what is personal.
    pub act: Vec<u8>,
    /// Why; empty of an act about a member.
    pub reason: String,
    /// Of an act about a member: the act in full and why, unless it was erased.
    pub sealed: Option<Vec<u8>>,
    /// And the member, if there was one by its reference.
    pub member: Option<MemberId>,
    /// By whom.
    pub proposed_by: String,
    /// When.
    pub proposed_at: Timestamp,
    /// Until when it can be approved.
    pub expires_at: Timestamp,
}

/// A proposal, and what became of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proposal {
    /// As it was made. In a list its act is empty.
    pub made: NewProposal,
    /// How it ended; `None` of one that is open, or that expired.
    pub decision: Option<Decision>,
}

/// How a proposal ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    /// By whom.
    pub decided_by: String,
    /// When.
    pub decided_at: Timestamp,
    /// How.
    pub end: End,
}

/// The end of a proposal. In a list what is encoded is empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum End {
    /// Approved, and the act answered this, encoded.
    Applied(Vec<u8>),
    /// Approved, and the act was refused for good, with this status, encoded.
    Refused(Vec<u8>),
    /// Ended by another operator, and why.
    Rejected(Words),
    /// Ended by its proposer, and why.
    Withdrawn(Words),
}

/// Why a proposal was ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Words {
    /// As they were written.
    Plain(String),
    /// Of an act about a member; `None` when they were erased.
    Sealed(Option<Vec<u8>>),
}

/// Which proposals a list shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Choice {
    /// All.
    All,
    /// Those that can be approved.
    Open,
    /// Those that nobody approved in time.
    Expired,
    /// Those that ended in one way.
    Ended(EndKind),
}

/// A way to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EndKind {
    /// [`End::Applied`].
    Applied = 2,
    /// [`End::Refused`].
    Refused = 3,
    /// [`End::Rejected`].
    Rejected = 4,
    /// [`End::Withdrawn`].
    Withdrawn = 5,
}

/// A place in a list: before this proposal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BeforeProposal {
    /// When it was proposed,
    pub proposed_at: Timestamp,
    /// and its id.
    pub id: RequestId,
}

/// The code of an open proposal, or of one that expired.
const OPEN: i16 = 1;

impl Proposal {
    /// Whether it can still be approved.
    #[must_use]
    pub fn is_open(&self, now: Timestamp) -> bool {
        self.decision.is_none() && now < self.made.expires_at
    }
}

impl End {
    /// The way.
    #[must_use]
    pub const fn kind(&self) -> EndKind {
        match self {
            Self::Applied(_) => EndKind::Applied,
            Self::Refused(_) => EndKind::Refused,
            Self::Rejected(_) => EndKind::Rejected,
            Self::Withdrawn(_) => EndKind::Withdrawn,
        }
    }

    fn outcome(&self) -> Option<&[u8]> {
        match self {
            Self::Applied(encoded) | Self::Refused(encoded) => Some(encoded),
            Self::Rejected(_) | Self::Withdrawn(_) => None,
        }
    }

    fn reason(&self) -> Option<&str> {
        match self {
            Self::Rejected(Words::Plain(reason)) | Self::Withdrawn(Words::Plain(reason)) => {
                Some(reason)
            }
            Self::Rejected(Words::Sealed(_)) | Self::Withdrawn(Words::Sealed(_)) => Some(""),
            Self::Applied(_) | Self::Refused(_) => None,
        }
    }

    fn sealed_reason(&self) -> Option<&[u8]> {
        match self {
            Self::Rejected(Words::Sealed(sealed)) | Self::Withdrawn(Words::Sealed(sealed)) => {
                sealed.as_deref()
            }
            Self::Rejected(Words::Plain(_))
            | Self::Withdrawn(Words::Plain(_))
            | Self::Applied(_)
            | Self::Refused(_) => None,
        }
    }
}

impl EndKind {
    #[expect(clippy::as_conversions, reason = "the enum is made of its codes")]
    const fn code(self) -> i16 {
        self as i16
    }
}

/// A row, as every statement here reads it.
struct Row {
    proposal_id: Uuid,
    kind: i16,
    act: Vec<u8>,
    reason: String,
    sealed: Option<Vec<u8>>,
    member_id: Option<Uuid>,
    proposed_by: String,
    proposed_at: jiff_sqlx::Timestamp,
    expires_at: jiff_sqlx::Timestamp,
    state: i16,
    decided_by: Option<String>,
    decided_at: Option<jiff_sqlx::Timestamp>,
    decision_reason: Option<String>,
    sealed_decision: Option<Vec<u8>>,
    outcome: Option<Vec<u8>>,
}

impl TryFrom<Row> for Proposal {
    type Error = StoreError;

    fn try_from(row: Row) -> Result<Self, StoreError> {
        let bad = |column| StoreError::inconsistent("proposals", column, row.proposal_id);
        let outcome = || row.outcome.clone().ok_or_else(|| bad("outcome"));
        let reason = || match row.decision_reason.as_deref() {
            None => Err(bad("decision_reason")),
            Some("") => Ok(Words::Sealed(row.sealed_decision.clone())),
            Some(plain) => Ok(Words::Plain(plain.to_owned())),
        };
        let end = match row.state {
            OPEN => None,
            2 => Some(End::Applied(outcome()?)),
            3 => Some(End::Refused(outcome()?)),
            4 => Some(End::Rejected(reason()?)),
            5 => Some(End::Withdrawn(reason()?)),
            _ => return Err(bad("state")),
        };
        let decision = match end {
            None => None,
            Some(end) => Some(Decision {
                decided_by: row.decided_by.clone().ok_or_else(|| bad("decided_by"))?,
                decided_at: row.decided_at.ok_or_else(|| bad("decided_at"))?.to_jiff(),
                end,
            }),
        };
        let made = NewProposal {
            id: RequestId(row.proposal_id),
            kind: row.kind,
            act: row.act,
            reason: row.reason,
            sealed: row.sealed,
            member: row.member_id.map(MemberId),
            proposed_by: row.proposed_by,
            proposed_at: row.proposed_at.to_jiff(),
            expires_at: row.expires_at.to_jiff(),
        };
        Ok(Self { made, decision })
    }
}

/// Writes a new proposal. Where the same one was written meanwhile, the answer is
/// [`StoreError::Claimed`]: roll back and run again.
pub async fn insert(executor: impl PgExecutor<'_>, new: &NewProposal) -> Result<(), StoreError> {
    let inserted = sqlx::query!(
        "INSERT INTO proposals (proposal_id, kind, act, reason, proposed_by, proposed_at, expires_at,
                                sealed, member_id)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT DO NOTHING",
        new.id.0,
        new.kind,
        new.act,
        new.reason,
        new.proposed_by,
        new.proposed_at.to_sqlx() as _,
        new.expires_at.to_sqlx() as _,
        new.sealed.as_deref(),
        new.member.map(|member| member.0)
    );
    match inserted.execute(executor).await?.rows_affected() {
        1 => Ok(()),
        _ => Err(StoreError::Claimed),
    }
}

/// A proposal, locked until the transaction ends: two who decide at once wait for one another.
pub async fn lock(
    connection: &mut PgConnection,
    id: RequestId,
) -> Result<Option<Proposal>, StoreError> {
    let row = sqlx::query_as!(
        Row,
        r#"SELECT proposal_id, kind, act, reason, sealed, member_id, proposed_by,
                  proposed_at AS "proposed_at: jiff_sqlx::Timestamp",
                  expires_at AS "expires_at: jiff_sqlx::Timestamp", state, decided_by,
                  decided_at AS "decided_at: jiff_sqlx::Timestamp", decision_reason,
                  sealed_decision, outcome
           FROM proposals WHERE proposal_id = $1 ORDER BY proposal_id FOR UPDATE"#,
        id.0
    );
    row.fetch_optional(connection).await?.map(Proposal::try_from).transpose()
}

/// A proposal as it is.
pub async fn get(
    executor: impl PgExecutor<'_>,
    id: RequestId,
) -> Result<Option<Proposal>, StoreError> {
    let row = sqlx::query_as!(
        Row,
        r#"SELECT proposal_id, kind, act, reason, sealed, member_id, proposed_by,
                  proposed_at AS "proposed_at: jiff_sqlx::Timestamp",
                  expires_at AS "expires_at: jiff_sqlx::Timestamp", state, decided_by,
                  decided_at AS "decided_at: jiff_sqlx::Timestamp", decision_reason,
                  sealed_decision, outcome
           FROM proposals WHERE proposal_id = $1"#,
        id.0
    );
    row.fetch_optional(executor).await?.map(Proposal::try_from).transpose()
}

/// Notes whom a proposal is about, once its reference names somebody.
pub async fn note_member(
    executor: impl PgExecutor<'_>,
    id: RequestId,
    member: MemberId,
) -> Result<(), StoreError> {
    let noted = sqlx::query!(
        "UPDATE proposals SET member_id = $2 WHERE proposal_id = $1 AND member_id IS NULL",
        id.0,
        member.0
    );
    noted.execute(executor).await?;
    Ok(())
}

/// Forgets what some of the proposals say that are over, and whose references named nobody: nobody
/// would ever ask for its erasure.
pub async fn forget_ended(executor: impl PgExecutor<'_>, now: Timestamp) -> Result<(), StoreError> {
    let forgotten = sqlx::query!(
        "UPDATE proposals SET sealed = NULL, sealed_decision = NULL WHERE proposal_id IN (
             SELECT proposal_id FROM proposals
             WHERE sealed IS NOT NULL AND member_id IS NULL AND (state <> 1 OR expires_at <= $1)
             ORDER BY expires_at LIMIT 100 FOR UPDATE SKIP LOCKED)",
        now.to_sqlx() as _
    );
    forgotten.execute(executor).await?;
    Ok(())
}

/// Ends a proposal that was locked and found open. Of one whose member was erased meanwhile, what is
/// said of it now is not kept either.
pub async fn decide(
    executor: impl PgExecutor<'_>,
    id: RequestId,
    decision: &Decision,
) -> Result<(), StoreError> {
    let decided = sqlx::query!(
        "UPDATE proposals
         SET state = $2, decided_by = $3, decided_at = $4, decision_reason = $5, outcome = $6,
             sealed_decision = CASE WHEN sealed IS NOT NULL THEN $7::bytea END
         WHERE proposal_id = $1 AND state = 1",
        id.0,
        decision.end.kind().code(),
        decision.decided_by,
        decision.decided_at.to_sqlx() as _,
        decision.end.reason(),
        decision.end.outcome(),
        decision.end.sealed_reason()
    );
    match decided.execute(executor).await?.rows_affected() {
        1 => Ok(()),
        _ => Err(StoreError::inconsistent("proposals", "state", id.0)),
    }
}

/// Proposals of a choice as of `now`, newest first, without what is encoded in them: at most `limit`
/// of those before `before`, or of all.
pub async fn list(
    executor: impl PgExecutor<'_>,
    (choice, now): (Choice, Timestamp),
    before: Option<BeforeProposal>,
    limit: u16,
) -> Result<Vec<Proposal>, StoreError> {
    let (state, expired) = match choice {
        Choice::All => (None, None),
        Choice::Open => (Some(OPEN), Some(false)),
        Choice::Expired => (Some(OPEN), Some(true)),
        Choice::Ended(kind) => (Some(kind.code()), None),
    };
    let rows = sqlx::query_as!(
        Row,
        r#"SELECT proposal_id, kind, ''::bytea AS "act!", reason, sealed, member_id,
                  proposed_by,
                  proposed_at AS "proposed_at: jiff_sqlx::Timestamp",
                  expires_at AS "expires_at: jiff_sqlx::Timestamp", state, decided_by,
                  decided_at AS "decided_at: jiff_sqlx::Timestamp", decision_reason,
                  sealed_decision, CASE WHEN outcome IS NOT NULL THEN ''::bytea END AS outcome
           FROM proposals
           WHERE ($1::timestamptz IS NULL OR (proposed_at, proposal_id) < ($1, $2::uuid))
             AND ($3::smallint IS NULL OR state = $3)
             AND ($4::boolean IS NULL OR (expires_at <= $5) = $4)
           ORDER BY proposed_at DESC, proposal_id DESC LIMIT $6"#,
        before.map(|before| before.proposed_at.to_sqlx()) as _,
        before.map(|before| before.id.0),
        state,
        expired,
        now.to_sqlx() as _,
        i64::from(limit)
    );
    rows.fetch_all(executor).await?.into_iter().map(Proposal::try_from).collect()
}
