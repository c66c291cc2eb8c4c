//! The life of breaks: a step that one side takes, and a write-off, which takes two operators. What an
//! adjustment does to a break is here too; the adjustment itself is in `adjusting.rs`.

use entente_api::{
    error::ErrorReason,
    settlement::{StepBreakRequest, StepBreakResponse, WriteOffRequest, WriteOffResponse},
};
use entente_ledger::{PartnerId, RequestId, WindowId};
use entente_loyalty::Catalogue;
use entente_settlement::reconcile::{BreakLife, Movement, Remedy, Resolution, Step, StepRefused};
use entente_store::{
    StoreError,
    control::{Control, NoHeads},
    proposals,
    settlement::reconciliation::{BreakId, LivingBreak, adjusted_by, lock_break, take_step},
};
use sqlx::PgConnection;

use super::{Answer, Write};
use crate::{
    caller::Caller,
    error::Refused,
    parse::wire_timestamp,
    reconciliation::{break_unknown, wire_break},
};

/// A break that a later record left behind: no state of its life.
const SUPERSEDED: &str = "SUPERSEDED";

/// Takes a step of a break's life.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StepBreak {
    /// Of which break.
    pub break_id: BreakId,
    /// Where it leads.
    pub to: Toward,
    /// Why.
    pub reason: String,
    /// Who takes it,
    pub caller: Caller,
    /// and whose breaks that may be: `None` for anybody's.
    pub own: Option<PartnerId>,
}

/// Where a step leads that one side takes alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Toward {
    /// To an owner; `None` is the one that it has.
    Assign(Option<String>),
    /// To an agreement.
    Agree,
    /// To the hub's side.
    Reject,
    /// To its end, by an adjustment that was posted.
    Adjust(RequestId),
}

/// Bears a break as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WriteOff {
    /// Which break.
    pub break_id: BreakId,
    /// Why.
    pub reason: String,
    /// Who approves it,
    pub by: String,
    /// and which proposal that is.
    pub proposal: RequestId,
}

impl Toward {
    /// Whether operators alone may take it: whom a break is assigned to and what corrects it is theirs.
    #[must_use]
    pub const fn is_operators(&self) -> bool {
        matches!(self, Self::Assign(Some(_)) | Self::Adjust(_))
    }
}

impl WriteOff {
    /// A write-off that nobody has approved yet.
    #[must_use]
    pub const fn of(break_id: BreakId, reason: String, proposal: RequestId) -> Self {
        Self { break_id, reason, by: String::new(), proposal }
    }
}

impl Write for StepBreak {
    type Request = StepBreakRequest;
    type Locks = NoHeads;

    async fn act(
        &self,
        control: &mut Control<NoHeads>,
        catalogue: &Catalogue,
    ) -> Result<Result<Answer<Self::Request>, Refused>, StoreError> {
        let when = control.now();
        let connection = control.connection();
        let adjustment = match &self.to {
            Toward::Adjust(id) => match adjusted_by(&mut *connection, *id).await? {
                Some(found) => Some(found),
                None => return Ok(Err(adjustment_unknown())),
            },
            Toward::Assign(_) | Toward::Agree | Toward::Reject => None,
        };
        let stands = match standing(connection, self.break_id, self.own).await? {
            Ok(stands) => stands,
            Err(refused) => return Ok(Err(refused)),
        };
        let Some(resolution) = self.resolution(&stands.life) else {
            let message = "nobody looks into the break: operators assign it";
            return Ok(Err(break_state(message, stands.life.state().name())));
        };
        let (who, why) = (self.caller.to_string(), self.reason.clone());
        let stands = match stepped(stands, Step { resolution, who, when, why })? {
            Ok(stands) => stands,
            Err(refused) => return Ok(Err(refused)),
        };
        if let Some((window, moved, corrects_another)) = adjustment {
            if corrects_another {
                return Ok(Err(unlike("adjustment")));
            }
            if let Err(refused) = corrects(&stands, window, &moved) {
                return Ok(Err(refused));
            }
        }
        take_step(connection, self.break_id, &stands.life).await?;
        let found = Some(wire_break(stands.found, catalogue, self.caller.role())?);
        Ok(Ok(Answer::of(StepBreakResponse { found, replayed: false })))
    }
}

impl StepBreak {
    /// What the step does. `None` where there is no owner to stay, and the caller cannot be one.
    fn resolution(&self, life: &BreakLife) -> Option<Resolution> {
        Some(match &self.to {
            Toward::Assign(Some(owner)) => Resolution::Assign { owner: owner.clone() },
            Toward::Assign(None) => {
                let caller = match &self.caller {
                    Caller::Operator(name) => Some(name.as_str()),
                    Caller::Partner(_) => None,
                };
                Resolution::Assign { owner: life.owner().or(caller)?.to_owned() }
            }
            Toward::Agree => Resolution::Agree,
            Toward::Reject => Resolution::Reject,
            Toward::Adjust(operation) => Resolution::Adjust { operation: *operation },
        })
    }
}

impl Write for WriteOff {
    type Request = WriteOffRequest;
    type Locks = NoHeads;

    async fn act(
        &self,
        control: &mut Control<NoHeads>,
        _: &Catalogue,
    ) -> Result<Result<Answer<Self::Request>, Refused>, StoreError> {
        let when = control.now();
        let connection = control.connection();
        let proposal = proposals::get(&mut *connection, self.proposal).await?;
        let proposal =
            proposal.ok_or_else(|| StoreError::inconsistent("proposals", "id", self.proposal.0))?;
        let proposed_by = format!("operator/{}", proposal.made.proposed_by);
        let stands = match standing(connection, self.break_id, None).await? {
            Ok(stands) => stands,
            Err(refused) => return Ok(Err(refused)),
        };
        let (who, why) = (self.by.clone(), self.reason.clone());
        let resolution = Resolution::WriteOff { proposed_by };
        let stands = match stepped(stands, Step { resolution, who, when, why })? {
            Ok(stands) => stands,
            Err(refused) => return Ok(Err(refused)),
        };
        take_step(connection, self.break_id, &stands.life).await?;
        let response = WriteOffResponse {
            break_id: self.break_id.to_string(),
            written_off_at: Some(wire_timestamp(when)),
            replayed: false,
        };
        Ok(Ok(Answer::of(response)))
    }
}

/// A break that may take a step: it is there, the caller's to know of, and of the latest record.
pub(super) async fn standing(
    connection: &mut PgConnection,
    id: BreakId,
    own: Option<PartnerId>,
) -> Result<Result<LivingBreak, Refused>, StoreError> {
    let found = lock_break(connection, id).await?;
    let Some(found) = found.filter(|found| own.is_none_or(|own| own == found.found.partner)) else {
        return Ok(Err(break_unknown()));
    };
    if found.superseded {
        let message = "a later record of the window was reconciled, which has breaks of its own";
        return Ok(Err(break_state(message, SUPERSEDED)));
    }
    Ok(Ok(found))
}

/// The break as a step leaves it, or why the step cannot be taken.
pub(super) fn stepped(
    stands: LivingBreak,
    step: Step,
) -> Result<Result<LivingBreak, Refused>, StoreError> {
    let LivingBreak { mut found, life, .. } = stands;
    let (before, when) = (life.state(), step.when);
    let life = match life.then(step) {
        Ok(life) => life,
        Err(why @ (StepRefused::NotAllowed { .. } | StepRefused::TooManySteps)) => {
            return Ok(Err(break_state(why.to_string(), before.name())));
        }
        Err(why @ StepRefused::SelfApproval(_)) => {
            return Ok(Err(Refused::new(ErrorReason::OwnProposal, why.to_string())));
        }
        Err(why @ (StepRefused::Unexplained | StepRefused::BackInTime)) => {
            return Err(StoreError::inconsistent("break_steps", "taken_at", why));
        }
    };
    found.kept.state = life.state();
    found.kept.owner = life.owner().map(str::to_owned);
    found.kept.changed_at = Some(when);
    Ok(Ok(LivingBreak { found, life, ..stands }))
}

/// Refuses an adjustment that is not what corrects a break.
pub(super) fn corrects(
    stands: &LivingBreak,
    window: WindowId,
    moved: &Movement,
) -> Result<(), Refused> {
    if window != stands.window {
        return Err(unlike("window"));
    }
    let remedy = Remedy::of(&stands.found.kept.money);
    Remedy::check(remedy, stands.found.partner, moved).map_err(|found| unlike(found.field()))
}

fn break_state(message: impl Into<String>, state: &str) -> Refused {
    Refused::new(ErrorReason::BreakState, message).with("state", state)
}

fn unlike(field: &str) -> Refused {
    let message = "the adjustment does not move what the break comes to";
    Refused::new(ErrorReason::AdjustmentUnlikeBreak, message).with("field", field)
}

fn adjustment_unknown() -> Refused {
    let message = "there is no adjustment by this id";
    Refused::new(ErrorReason::OperationUnknown, message)
}
