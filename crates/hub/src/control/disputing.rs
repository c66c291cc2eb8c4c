//! Disputes: a partner objects to lines of its statement within the objection period, and operators
//! answer. While one is open, nobody has agreed; once all are answered, the partner has.

use std::{
    collections::{BTreeMap, btree_map::Entry},
    fmt,
    sync::Arc,
};

use entente_api::{
    error::ErrorReason,
    settlement::{
        AnswerDisputeRequest, AnswerDisputeResponse, DisputeLinesRequest, DisputeLinesResponse,
    },
};
use entente_ledger::{PartnerId, RequestId};
use entente_loyalty::{Catalogue, PartnerCode};
use entente_store::{
    StoreError, archive,
    control::{Control, NoHeads},
    settlement::{
        ListedWindow,
        agreement::{self, Change, Changed, StatementState},
        disputes::{
            Answered, Dispute, DisputedLine, Said, answer_dispute, any_unanswered, dispute,
            insert_dispute, is_adjustment, is_line,
        },
        statement::{DayTotal, day_totals},
        window_name,
    },
};
use jiff::civil::Date;
use sqlx::PgConnection;

use super::{
    Answer, Controls, Write,
    clearing::{stands, statement},
};
use crate::{
    error::Refused,
    parse::dispute::Total,
    personal::Vault,
    settlement::{ANSWER, EVIDENCE, HUB, dispute_unknown, wire_dispute},
};

/// Objects to lines of a statement.
#[derive(Debug, Clone)]
pub struct DisputeLines {
    /// The request id, which names the dispute from then on.
    pub id: RequestId,
    /// The closed window's name.
    pub window: String,
    /// Whose statement.
    pub partner: PartnerCode,
    /// Which lines.
    pub lines: Vec<DisputedLine>,
    /// Which totals of a day.
    pub totals: Vec<Total>,
    /// What is wrong, by its number in the contract.
    pub code: i16,
    /// The partner's own words.
    pub evidence: String,
    /// Who objects.
    pub actor: String,
    /// How the words are kept.
    pub vault: Option<Arc<Vault>>,
}

/// Answers a dispute.
#[derive(Debug, Clone)]
pub struct AnswerDispute {
    /// The dispute.
    pub dispute: RequestId,
    /// The adjustment that corrects it: then the partner is right.
    pub adjustment: Option<RequestId>,
    /// Why.
    pub answer: String,
    /// Who answers.
    pub actor: String,
    /// How the words are kept.
    pub vault: Option<Arc<Vault>>,
}

impl Write for DisputeLines {
    type Request = DisputeLinesRequest;
    type Locks = NoHeads;

    fn take(&mut self, controls: &Controls) {
        self.vault = Some(Arc::clone(controls.vault()));
    }

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
        archive::whole_window(&mut *connection, window.id).await?;
        for line in &self.lines {
            if !is_line(&mut *connection, (window.id, partner), line).await? {
                return Ok(Err(line_unknown(line.request_id.0)));
            }
        }
        let totals = match self.totals(connection, catalogue, (&window, partner)).await? {
            Ok(totals) => totals,
            Err(refused) => return Ok(Err(refused)),
        };
        let dispute = Dispute {
            id: self.id,
            window: window.id,
            partner,
            lines: self.lines.clone(),
            totals,
            code: self.code,
            evidence: sealed(self.vault.as_ref(), (self.id, EVIDENCE), &self.evidence),
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
        let of = (self.window.as_str(), self.partner.as_str());
        let dispute = Some(wire_dispute(dispute, of, |party| code(catalogue, party))?);
        Ok(Ok(Answer::of(DisputeLinesResponse { dispute, replayed: false })))
    }
}

impl DisputeLines {
    /// The totals, where the statement has all of them.
    async fn totals(
        &self,
        connection: &mut PgConnection,
        catalogue: &Catalogue,
        of: (&ListedWindow, PartnerId),
    ) -> Result<Result<Vec<DayTotal>, Refused>, StoreError> {
        let mut told: BTreeMap<Date, Vec<DayTotal>> = BTreeMap::new();
        let mut found = Vec::with_capacity(self.totals.len());
        for (index, named) in self.totals.iter().enumerate() {
            let day = named.day;
            let told = match told.entry(day) {
                Entry::Occupied(told) => told.into_mut(),
                Entry::Vacant(new) => new.insert(day_totals(&mut *connection, of, day).await?),
            };
            let total = total(catalogue, named).filter(|total| told.contains(total));
            let Some(total) = total else {
                return Ok(Err(line_unknown(format_args!("totals[{index}]"))));
            };
            found.push(total);
        }
        Ok(Ok(found))
    }
}

/// A total by the numbers of its parties; `None` where there is no such partner.
fn total(catalogue: &Catalogue, named: &Total) -> Option<DayTotal> {
    let counterparty = match &named.counterparty {
        Some(code) => catalogue.by_code(code.as_str())?.id,
        None => PartnerId::HUB,
    };
    let &Total { day, kind, currency, .. } = named;
    Some(DayTotal { counterparty, day, kind, currency })
}

impl Write for AnswerDispute {
    type Request = AnswerDisputeRequest;
    type Locks = NoHeads;

    fn take(&mut self, controls: &Controls) {
        self.vault = Some(Arc::clone(controls.vault()));
    }

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
        let answer = sealed(self.vault.as_ref(), (self.dispute, ANSWER), &self.answer);
        let (by, adjustment) = (self.actor.clone(), self.adjustment);
        let answered = Answered { at, by, answer, adjustment };
        answer_dispute(&mut *connection, self.dispute, &answered).await?;
        let (window, partner) = (found.window, found.partner);
        if !any_unanswered(&mut *connection, window, partner).await? {
            let change = Change::Statement(partner, StatementState::Agreed);
            let (actor, reason) = (self.actor.clone(), "its disputes are answered".to_owned());
            agreement::note(&mut *connection, window, &Changed { change, at, actor, reason })
                .await?;
            agreement::all_agreed(&mut *connection, window, (at, &self.actor)).await?;
        }
        let name = window_name(connection, window).await?;
        let dispute = Dispute { answered: Some(answered), ..found };
        let of = (name.as_str(), code(catalogue, partner)?);
        let told = wire_dispute(dispute, (of.0, &of.1), |party| code(catalogue, party))?;
        let dispute = Some(told);
        Ok(Ok(Answer::of(AnswerDisputeResponse { dispute, replayed: false })))
    }
}

/// What is said about lines, as it is kept.
fn sealed(vault: Option<&Arc<Vault>>, part: (RequestId, &[u8]), said: &str) -> Said {
    let vault = vault.expect("whoever runs a write gives it the vault");
    Said::Sealed(Some(vault.seal_dispute(part, said)))
}

fn line_unknown(line: impl fmt::Display) -> Refused {
    let message = "the partner's statement has no such line, or no such total of a day";
    Refused::new(ErrorReason::LineUnknown, message).with("line", line)
}

/// The code of a party.
fn code(catalogue: &Catalogue, party: PartnerId) -> Result<String, StoreError> {
    if party == PartnerId::HUB {
        return Ok(HUB.to_owned());
    }
    let unnamed = || StoreError::inconsistent("disputes", "partner_id", party);
    Ok(catalogue.partner(party).ok_or_else(unnamed)?.code.to_string())
}
