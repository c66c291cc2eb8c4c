//! How the coalition settles, which two operators arrange, and what partners say of their statements.

use std::collections::BTreeMap;

use entente_api::{
    error::ErrorReason,
    settlement::{
        AgreeStatementRequest, AgreeStatementResponse, ArrangeSettlementRequest,
        ArrangeSettlementResponse, StatementState as ApiState,
    },
};
use entente_ledger::{PartnerId, RequestId};
use entente_loyalty::{Catalogue, Partner, PartnerCode};
use entente_settlement::{Arrangement, Netting, Schedule, iso20022::BankParty};
use entente_store::{
    StoreError,
    control::{Control, Heads, NoHeads},
    settlement::{
        ListedWindow,
        agreement::{self, Change, Changed, Standing, StatementState},
        arrange, window_by_name,
    },
};

use super::{Answer, Write, closing, partner_unknown, testing_apart};
use crate::{
    error::Refused,
    parse::wire_timestamp,
    settlement::{window_unknown, wire_standing, wire_window_state},
};

/// Puts an arrangement in force.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ArrangeSettlement {
    /// Of the approval.
    pub request_id: RequestId,
    /// Who pays whom.
    pub netting: Netting,
    /// When windows close by themselves.
    pub schedule: Option<Schedule>,
    /// For how many days partners may object.
    pub objection_days: u16,
    /// The accounts of partners, and of the hub by `None`.
    pub accounts: Vec<(Option<PartnerCode>, BankParty)>,
}

/// Says that a partner agrees to its statement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AgreeStatement {
    /// The closed window's name.
    pub window: String,
    /// Whose statement.
    pub partner: PartnerCode,
    /// Who says so.
    pub actor: String,
}

impl Write for ArrangeSettlement {
    type Request = ArrangeSettlementRequest;
    type Locks = Heads;

    async fn act(
        &self,
        control: &mut Control,
        catalogue: &Catalogue,
    ) -> Result<Result<Answer<Self::Request>, Refused>, StoreError> {
        let Some(accounts) = self.accounts_in(catalogue) else {
            return Ok(Err(partner_unknown()));
        };
        let (netting, objection_days) = (self.netting, self.objection_days);
        let schedule = self.schedule.clone();
        let arrangement = Arrangement { netting, schedule, objection_days, accounts };
        let now = control.now();
        let closes_at = closing::next_cut_off(&arrangement, now)?;
        arrange(control, self.request_id, &arrangement, closes_at).await?;
        Ok(Ok(Answer::of(ArrangeSettlementResponse {
            effective_from: Some(wire_timestamp(now)),
            closes_at: closes_at.map(wire_timestamp),
            replayed: false,
        })))
    }
}

impl ArrangeSettlement {
    /// The accounts by who has them; `None` where a partner is unknown.
    fn accounts_in(&self, catalogue: &Catalogue) -> Option<BTreeMap<PartnerId, BankParty>> {
        let accounts = self.accounts.iter().map(|(code, account)| {
            let partner = match code {
                Some(code) => catalogue.by_code(code.as_str())?.id,
                None => PartnerId::HUB,
            };
            Some((partner, account.clone()))
        });
        accounts.collect()
    }
}

impl Write for AgreeStatement {
    type Request = AgreeStatementRequest;
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
        let (at, actor) = (control.now(), self.actor.as_str());
        let connection = control.connection();
        let standing = agreement::standings(&mut *connection, window.id).await?.remove(&partner);
        if let Some(standing @ Standing { said: Some(_), .. }) = standing {
            return Ok(Err(stands(standing.state)));
        }
        let change = Change::Statement(partner, StatementState::Agreed);
        let (owned, reason) = (actor.to_owned(), String::new());
        let changed = Changed { change, at, actor: owned, reason };
        agreement::note(&mut *connection, window.id, &changed).await?;
        agreement::all_agreed(connection, window.id, (at, actor)).await?;
        let window = window_by_name(connection, &self.window).await?;
        let state = window.map(|window| wire_window_state(window.state)).unwrap_or_default();
        let standing = Standing { state: StatementState::Agreed, said: Some((at, changed.actor)) };
        Ok(Ok(Answer::of(AgreeStatementResponse {
            standing: Some(wire_standing(self.partner.to_string(), standing)),
            window_state: state.into(),
            replayed: false,
        })))
    }
}

/// The closed window and the partner of a statement; the window is locked.
pub(super) async fn statement(
    control: &mut Control<NoHeads>,
    catalogue: &Catalogue,
    (name, code): (&str, &PartnerCode),
) -> Result<Result<(ListedWindow, PartnerId), Refused>, StoreError> {
    let Some(Partner { id, testing, .. }) = catalogue.by_code(code.as_str()) else {
        return Ok(Err(partner_unknown()));
    };
    let Some(window) = window_by_name(control.connection(), name).await? else {
        return Ok(Err(window_unknown()));
    };
    if window.is_testing() || *testing {
        return Ok(Err(testing_apart("nobody settles what was tested")));
    }
    agreement::lock_window(control.connection(), window.id).await?;
    Ok(Ok((window, *id)))
}

/// The refusal of what asks for another standing than there is.
pub(super) fn stands(state: StatementState) -> Refused {
    let name = match state {
        StatementState::Pending => ApiState::Pending,
        StatementState::Agreed => ApiState::Agreed,
        StatementState::Disputed => ApiState::Disputed,
    };
    let name = name.as_str_name().trim_start_matches("STATEMENT_STATE_");
    let message = "the partner stands elsewhere with its statement";
    Refused::new(ErrorReason::StatementState, message).with("state", name)
}
