//! What operators and partners read of clearing: the arrangement, and what became of a window.

use std::collections::BTreeMap;

use entente_api::settlement::{
    Arrangement as ApiArrangement, BankAccount as ApiAccount, Calendar, Cycle as ApiCycle,
    GetArrangementResponse, GetWindowResponse, Netting as ApiNetting, Standing as ApiStanding,
    StatementState as ApiStatementState, WindowChange, WindowState as ApiWindowState,
};
use entente_ledger::PartnerId;
use entente_settlement::{
    Arrangement, Cycle, Netting, Schedule,
    iso20022::{BankAccount, BankParty},
};
use entente_store::settlement::{
    InForce, ListedWindow,
    agreement::{Change, Changed, Standing, StatementState, WindowState},
};

use super::{HUB, Names};
use crate::{caller::Role, error::RpcError, parse::wire_timestamp};

/// What operators' names begin with, where it is said who did something.
const OPERATOR: &str = "operator/";

/// The arrangement as a caller of a role is told it: partners are told no accounts.
pub(crate) fn in_force(
    found: &InForce,
    names: &Names,
    role: Role,
) -> Result<GetArrangementResponse, RpcError> {
    let mut arrangement = arrangement(&found.arrangement, names)?;
    if role == Role::Partner {
        arrangement.accounts.clear();
    }
    Ok(GetArrangementResponse {
        arrangement: Some(arrangement),
        effective_from: found.effective_from.map(wire_timestamp),
        closes_at: found.closes_at.map(wire_timestamp),
    })
}

fn arrangement(arrangement: &Arrangement, names: &Names) -> Result<ApiArrangement, RpcError> {
    let accounts = arrangement.accounts.iter().map(|(party, found)| account(*party, found, names));
    Ok(ApiArrangement {
        netting: netting(arrangement.netting).into(),
        calendar: arrangement.schedule.as_ref().map(calendar),
        objection_days: arrangement.objection_days.into(),
        accounts: accounts.collect::<Result<_, RpcError>>()?,
    })
}

fn calendar(schedule: &Schedule) -> Calendar {
    let (cycle, day) = match schedule.cycle {
        Cycle::Daily => (ApiCycle::Daily, 0),
        Cycle::Weekly(weekday) => (ApiCycle::Weekly, weekday.to_monday_one_offset().into()),
        Cycle::Monthly(day) => (ApiCycle::Monthly, day.into()),
    };
    let (hour, minute) = (schedule.cut_off.hour(), schedule.cut_off.minute());
    Calendar {
        time_zone: schedule.zone.clone(),
        cut_off: format!("{hour:02}:{minute:02}"),
        cycle: cycle.into(),
        day,
    }
}

fn account(party: PartnerId, found: &BankParty, names: &Names) -> Result<ApiAccount, RpcError> {
    let account = match &found.account {
        BankAccount::Iban(iban) => iban.as_str().to_owned(),
        BankAccount::Other(number) => number.clone(),
    };
    let bic = found.bic.as_ref().map(|bic| bic.as_str().to_owned()).unwrap_or_default();
    Ok(ApiAccount { party: names.of(party)?, name: found.name().to_owned(), account, bic })
}

/// What became of a window: to one partner, its own standing and the window's own changes alone.
pub(super) fn became(
    window: &ListedWindow,
    (standings, changes): (BTreeMap<PartnerId, Standing>, Vec<Changed>),
    (partner, role): (Option<PartnerId>, Role),
    names: &Names,
) -> Result<GetWindowResponse, RpcError> {
    let about = |party: PartnerId| partner.is_none_or(|partner| partner == party);
    let mut told = Vec::new();
    for (party, standing) in standings.into_iter().filter(|(party, _)| about(*party)) {
        let mut standing = wire_standing(names.of(party)?, standing);
        standing.actor = named(&standing.actor, role);
        told.push(standing);
    }
    told.sort_by(|one, other| one.partner.cmp(&other.partner));
    let mut steps = Vec::new();
    for changed in changes {
        let (partner, window_state, statement_state) = match changed.change {
            Change::Window(state) => {
                (String::new(), wire_window_state(state), ApiStatementState::Unspecified)
            }
            Change::Statement(party, state) if about(party) => {
                (names.of(party)?, ApiWindowState::Unspecified, wire_statement_state(state))
            }
            Change::Statement(_, _) => continue,
        };
        steps.push(WindowChange {
            partner,
            window_state: window_state.into(),
            statement_state: statement_state.into(),
            at: Some(wire_timestamp(changed.at)),
            actor: named(&changed.actor, role),
            reason: changed.reason,
        });
    }
    let netting = window.netting.map(self::netting).unwrap_or_default();
    let window = Some(super::wire::window(window));
    Ok(GetWindowResponse { window, netting: netting.into(), standings: told, changes: steps })
}

/// Where a partner stands, on the wire.
pub(crate) fn wire_standing(partner: String, standing: Standing) -> ApiStanding {
    let state = wire_statement_state(standing.state).into();
    let (at, actor) = standing.said.unzip();
    let (at, actor) = (at.map(wire_timestamp), actor.unwrap_or_default());
    ApiStanding { partner, state, at, actor }
}

/// How far a window has come, on the wire.
pub(crate) const fn wire_window_state(state: WindowState) -> ApiWindowState {
    match state {
        WindowState::Open => ApiWindowState::Open,
        WindowState::Closed => ApiWindowState::Closed,
        WindowState::Settling => ApiWindowState::Settling,
        WindowState::Settled => ApiWindowState::Settled,
    }
}

const fn wire_statement_state(state: StatementState) -> ApiStatementState {
    match state {
        StatementState::Pending => ApiStatementState::Pending,
        StatementState::Agreed => ApiStatementState::Agreed,
        StatementState::Disputed => ApiStatementState::Disputed,
    }
}

const fn netting(netting: Netting) -> ApiNetting {
    match netting {
        Netting::Gross => ApiNetting::Gross,
        Netting::Bilateral => ApiNetting::Bilateral,
        Netting::Multilateral => ApiNetting::Multilateral,
    }
}

/// To partners, operators have no names, and the hub is one party.
pub(crate) fn named(actor: &str, role: Role) -> String {
    match role {
        Role::Partner if actor.starts_with(OPERATOR) => HUB.to_owned(),
        Role::Partner | Role::Operator => actor.to_owned(),
    }
}
