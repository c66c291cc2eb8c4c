//! Disputes: a partner objects to lines of its statement within the objection period, and operators
//! answer. While one is open, nobody has agreed; once all are answered, the partner has.

use entente_api::{
    error::ErrorReason,
    settlement::{
        AnswerDisputeRequest, AnswerDisputeResponse, DisputeLinesRequest, DisputeLinesResponse,
    },
};
use entente_ledger::{PartnerId, RequestId};
use entente_loyalty::{Catalogue, PartnerCode};
use entente_store::{
    StoreError,
    control::{Control, NoHeads},
    settlement::{
        agreement::{self, Change, Changed, StatementState},
        disputes::{
            Answered, Dispute, DisputedLine, answer_dispute, dispute, disputes, insert_dispute,
            is_adjustment, is_line,
        },
        window_name,
    },
};

use super::{
    Answer, Write,
    clearing::{stands, statement},
};
use crate::{error::Refused, settlement::wire_dispute};

/// Objects to lines of a statement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DisputeLines {
    /// The request id, which names the dispute from then on.
    pub id: RequestId,
    /// The closed window's name.
    pub window: String,
    /// Whose statement.
    pub partner: PartnerCode,
    /// Which lines.
    pub lines: Vec<DisputedLine>,
    /// What is wrong, by its number in the contract.
    pub code: i16,
    /// The partner's own words.
    pub evidence: String,
    /// Who objects.
    pub actor: String,
}

/// Answers a dispute.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AnswerDispute {
    /// The dispute.
    pub dispute: RequestId,
    /// The adjustment that corrects it: then the partner is right.
    pub adjustment: Option<RequestId>,
    /// Why.
    pub answer: String,
    /// Who answers.
    pub actor: String,
}

impl Write for DisputeLines {
    type Request = DisputeLinesRequest;
    type Locks = NoHeads;

    async fn act(
        &self,
        control: &mut Control<NoHeads>,
        catalogue: &Catalogue,
    ) -> Result<Result<Answer<Self::Request>, Refused>, StoreError> {
        let found = statement(control, catalogue, (&self.window, &self.partner)).await?;
        let (window, partner) = match found {
            Ok(found) => found,
            Err(refused) => return Ok(Err(refused)),
        };
        let at = control.now();
        if !window.is_open_to_objection(at) {
            let message = "the time to object to this window is over";
            return Ok(Err(Refused::new(ErrorReason::ObjectionOver, message)));
        }
        let connection = control.connection();
        let standing = agreement::standings(&mut *connection, window.id).await?.remove(&partner);
        let state = standing.map_or(StatementState::Pending, |standing| standing.state);
        if state == StatementState::Agreed {
            return Ok(Err(stands(state)));
        }
        for line in &self.lines {
            if !is_line(&mut *connection, (window.id, partner), line).await? {
                return Ok(Err(line_unknown(line)));
            }
        }
        let dispute = Dispute {
            id: self.id,
            window: window.id,
            partner,
            lines: self.lines.clone(),
            code: self.code,
            evidence: self.evidence.clone(),
            at,
            actor: self.actor.clone(),
            answered: None,
        };
        insert_dispute(&mut *connection, &dispute).await?;
        if state == StatementState::Pending {
            let change = Change::Statement(partner, StatementState::Disputed);
            let (actor, reason) = (self.actor.clone(), String::new());
            let changed = Changed { change, at, actor, reason };
            agreement::note(connection, window.id, &changed).await?;
        }
        let dispute = Some(wire_dispute(dispute, (&self.window, self.partner.as_str())));
        Ok(Ok(Answer::of(DisputeLinesResponse { dispute, replayed: false })))
    }
}

impl Write for AnswerDispute {
    type Request = AnswerDisputeRequest;
    type Locks = NoHeads;

    async fn act(
        &self,
        control: &mut Control<NoHeads>,
        catalogue: &Catalogue,
    ) -> Result<Result<Answer<Self::Request>, Refused>, StoreError> {
        let at = control.now();
        let connection = control.connection();
        let Some(found) = dispute(&mut *connection, self.dispute).await? else {
            return Ok(Err(dispute_unknown()));
        };
        agreement::lock_window(&mut *connection, found.window).await?;
        // Again, under the lock.
        let found = dispute(&mut *connection, self.dispute).await?;
        let Some(found) = found.filter(|found| found.answered.is_none()) else {
            return Ok(Err(dispute_unknown()));
        };
        if let Some(id) = self.adjustment
            && !is_adjustment(&mut *connection, found.window, id).await?
        {
            let message = "no adjustment of this window has the id";
            return Ok(Err(Refused::new(ErrorReason::OperationUnknown, message)));
        }
        let (by, answer, adjustment) = (self.actor.clone(), self.answer.clone(), self.adjustment);
        let answered = Answered { at, by, answer, adjustment };
        answer_dispute(&mut *connection, self.dispute, &answered).await?;
        let (window, partner) = (found.window, found.partner);
        let all = disputes(&mut *connection, window, Some(partner), i64::MAX).await?;
        if all.iter().all(|dispute| dispute.answered.is_some()) {
            let change = Change::Statement(partner, StatementState::Agreed);
            let (actor, reason) = (self.actor.clone(), "its disputes are answered".to_owned());
            agreement::note(&mut *connection, window, &Changed { change, at, actor, reason })
                .await?;
            agreement::all_agreed(&mut *connection, window, (at, &self.actor)).await?;
        }
        let name = window_name(connection, window).await?;
        let dispute = Dispute { answered: Some(answered), ..found };
        let code = catalogue.partner(partner).ok_or_else(|| unnamed(partner))?.code.clone();
        let dispute = Some(wire_dispute(dispute, (&name, code.as_str())));
        Ok(Ok(Answer::of(AnswerDisputeResponse { dispute, replayed: false })))
    }
}

fn line_unknown(line: &DisputedLine) -> Refused {
    let message = "the partner's statement has no such line";
    Refused::new(ErrorReason::LineUnknown, message).with("line", line.request_id.0)
}

/// The refusal of an id that names no dispute that is open.
fn dispute_unknown() -> Refused {
    let message = "there is no open dispute by this id";
    Refused::new(ErrorReason::DisputeUnknown, message)
}

fn unnamed(partner: PartnerId) -> StoreError {
    StoreError::inconsistent("disputes", "partner_id", partner)
}
