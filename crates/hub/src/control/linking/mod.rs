//! Links by proof: a partner's own, codes for another brand, and their end. None of these locks all
//! heads: until the commit nobody knows a new link, and whoever removes one locks the head of its
//! member's cell, so that no batch which still saw the link commits afterwards. Whoever gives a member
//! one more link locks it too, so that no merge leaves it behind.

mod confirm;
mod create_code;
mod link;
mod merge;
mod redeem;
mod unlink;
mod unmerge;

use entente_api::error::ErrorReason;
use entente_ledger::{Cell, MemberId, PartnerId};
use entente_store::{StoreError, catalogue, control::Control, personal};
use jiff::{SignedDuration, Timestamp};
use sqlx::PgConnection;

pub use confirm::ConfirmLink;
pub use create_code::CreateLinkCode;
pub use link::LinkMember;
pub use redeem::RedeemLinkCode;
pub use unlink::{Unlink, UnlinkBy};
pub use unmerge::UnmergeMembers;

use crate::{
    error::Refused,
    linking::Asserted,
    personal::{DataKey, Unreadable, Vault},
};

/// How long a code can be typed.
const CODE_LIFE: SignedDuration = SignedDuration::from_mins(10);
/// How long a typed code can be confirmed.
const PENDING_LIFE: SignedDuration = SignedDuration::from_mins(10);

/// The one refusal of every code that is not good.
fn code_refused() -> Refused {
    Refused::new(ErrorReason::LinkCodeRefused, "the code or the number is not good")
}

/// The refusal of what this partner has no code for.
fn link_unknown() -> Refused {
    let message = "this partner has no link code by this id for this member";
    Refused::new(ErrorReason::LinkUnknown, message)
}

/// The refusal of what nobody redeemed, or nobody can confirm any more.
fn not_pending() -> Refused {
    Refused::new(ErrorReason::LinkNotPending, "the code does not wait to be confirmed")
}

/// A partner that operators suspended makes no links; it may remove them.
async fn unless_suspended<H>(
    control: &mut Control<H>,
    partner: PartnerId,
) -> Result<Result<(), Refused>, StoreError> {
    if catalogue::is_suspended(control.connection(), partner).await? {
        let message = "the partner is suspended";
        return Ok(Err(Refused::new(ErrorReason::PartnerSuspended, message)));
    }
    Ok(Ok(()))
}

/// An assertion is good for one request.
async fn use_up<H>(
    control: &mut Control<H>,
    asserted: &Asserted,
) -> Result<Result<(), Refused>, StoreError> {
    Ok(if asserted.use_up(control.connection()).await? { Ok(()) } else { Err(Asserted::refused()) })
}

/// The key of a member that is linked.
pub(super) async fn member_key(
    connection: &mut PgConnection,
    vault: &Vault,
    (cell, member): (Cell, MemberId),
) -> Result<DataKey, StoreError> {
    let wrapped = personal::wrapped_key(connection, cell, member).await?;
    let missing = || StoreError::inconsistent("member_keys", "member_id", member.0);
    let key = vault.unwrap(member, &wrapped.ok_or_else(missing)?);
    key.map_err(|_| Unreadable::of("member_keys", member.0))
}

/// So much later.
fn after(now: Timestamp, life: SignedDuration) -> Timestamp {
    now.saturating_add(life).unwrap_or(now)
}
