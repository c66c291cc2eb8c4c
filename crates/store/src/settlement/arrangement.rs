//! Arrangements, as rows: the latest is in force.

use std::collections::BTreeMap;

use entente_ledger::{PartnerId, RequestId};
use entente_settlement::{
    Arrangement, Cycle, Netting, Schedule,
    iso20022::{BankAccount, BankParty, Bic},
};
use jiff::{
    Timestamp,
    civil::{Time, Weekday},
};
use jiff_sqlx::ToSqlx;
use sqlx::PgConnection;

use crate::{StoreError, codes::inconsistent, control::Control};

const TABLE: &str = "arrangements";

/// What is in force.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InForce {
    /// How the coalition settles.
    pub arrangement: Arrangement,
    /// Since when; `None` where nobody has arranged anything.
    pub effective_from: Option<Timestamp>,
    /// When the open window closes by the calendar.
    pub closes_at: Option<Timestamp>,
}

/// The arrangement in force: the latest, or what holds where there is none.
pub async fn arrangement_in_force(connection: &mut PgConnection) -> Result<InForce, StoreError> {
    let closes_at = sqlx::query_scalar!(
        r#"SELECT closes_at AS "closes_at: jiff_sqlx::Timestamp" FROM windows
           WHERE closed_at IS NULL AND NOT testing"#
    );
    let closes_at = closes_at.fetch_one(&mut *connection).await?;
    let closes_at = closes_at.map(jiff_sqlx::Timestamp::to_jiff);
    let row = sqlx::query!(
        r#"SELECT arrangement_id, effective_from AS "effective_from: jiff_sqlx::Timestamp", netting,
                  time_zone, cut_off_minute, cycle, cycle_day, objection_days
           FROM arrangements ORDER BY arrangement_id DESC LIMIT 1"#
    );
    let Some(row) = row.fetch_optional(&mut *connection).await? else {
        let arrangement = Arrangement::default();
        return Ok(InForce { arrangement, effective_from: None, closes_at });
    };
    let schedule = match (row.time_zone, row.cut_off_minute, row.cycle) {
        (Some(zone), Some(minute), Some(cycle)) => Some(Schedule {
            zone,
            cut_off: time(minute)?,
            cycle: self::cycle(cycle, row.cycle_day)?,
        }),
        _ => None,
    };
    let objection_days = u16::try_from(row.objection_days)
        .map_err(|_| inconsistent(TABLE, "objection_days", row.objection_days))?;
    let accounts = accounts(connection, row.arrangement_id).await?;
    let netting = netting(row.netting)?;
    let arrangement = Arrangement { netting, schedule, objection_days, accounts };
    Ok(InForce { arrangement, effective_from: Some(row.effective_from.to_jiff()), closes_at })
}

/// Puts an arrangement in force. The open window closes when its calendar says, from now on.
pub async fn arrange(
    control: &mut Control,
    request_id: RequestId,
    arrangement: &Arrangement,
    closes_at: Option<Timestamp>,
) -> Result<(), StoreError> {
    let (now, window) = (control.now(), control.window().id);
    let schedule = arrangement.schedule.as_ref();
    let (cycle, day) = schedule.map(|schedule| cycle_code(schedule.cycle)).unzip();
    let id = sqlx::query_scalar!(
        "INSERT INTO arrangements (request_id, effective_from, netting, time_zone, cut_off_minute,
             cycle, cycle_day, objection_days)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8) RETURNING arrangement_id",
        request_id.0,
        now.to_sqlx() as _,
        netting_code(arrangement.netting),
        schedule.map(|schedule| schedule.zone.as_str()),
        schedule.map(|schedule| minute(schedule.cut_off)),
        cycle,
        day.flatten(),
        i16::try_from(arrangement.objection_days).unwrap_or(i16::MAX)
    );
    let id = id.fetch_one(control.connection()).await?;
    write_accounts(control.connection(), id, &arrangement.accounts).await?;
    sqlx::query!(
        "UPDATE windows SET closes_at = $2 WHERE window_id = $1",
        window.0,
        closes_at.map(ToSqlx::to_sqlx) as _
    )
    .execute(control.connection())
    .await?;
    Ok(())
}

async fn accounts(
    connection: &mut PgConnection,
    arrangement: i32,
) -> Result<BTreeMap<PartnerId, BankParty>, StoreError> {
    let rows = sqlx::query!(
        "SELECT partner_id, name, account, bic FROM bank_accounts WHERE arrangement_id = $1",
        arrangement
    );
    let rows = rows.fetch_all(connection).await?.into_iter();
    rows.map(|row| {
        let account = BankAccount::new(&row.account);
        let bic = row.bic.as_deref().map(Bic::new).transpose();
        let party = account.and_then(|account| BankParty::new(&row.name, account, bic?));
        let party = party.map_err(|error| inconsistent("bank_accounts", "account", error))?;
        Ok((PartnerId(row.partner_id), party))
    })
    .collect()
}

async fn write_accounts(
    connection: &mut PgConnection,
    arrangement: i32,
    accounts: &BTreeMap<PartnerId, BankParty>,
) -> Result<(), StoreError> {
    let number = |party: &BankParty| match &party.account {
        BankAccount::Iban(iban) => iban.as_str().to_owned(),
        BankAccount::Other(number) => number.clone(),
    };
    let bics: Vec<Option<String>> = accounts
        .values()
        .map(|party| party.bic.as_ref().map(|bic| bic.as_str().to_owned()))
        .collect();
    sqlx::query!(
        "INSERT INTO bank_accounts (arrangement_id, partner_id, name, account, bic)
         SELECT $1, * FROM UNNEST($2::integer[], $3::text[], $4::text[], $5::text[])",
        arrangement,
        &accounts.keys().map(|partner| partner.0).collect::<Vec<_>>(),
        &accounts.values().map(|party| party.name().to_owned()).collect::<Vec<_>>(),
        &accounts.values().map(number).collect::<Vec<_>>(),
        &bics as &[Option<String>]
    )
    .execute(connection)
    .await?;
    Ok(())
}

pub(super) const fn netting_code(netting: Netting) -> i16 {
    match netting {
        Netting::Gross => 1,
        Netting::Bilateral => 2,
        Netting::Multilateral => 3,
    }
}

pub(crate) fn netting(code: i16) -> Result<Netting, StoreError> {
    match code {
        1 => Ok(Netting::Gross),
        2 => Ok(Netting::Bilateral),
        3 => Ok(Netting::Multilateral),
        other => Err(inconsistent(TABLE, "netting", other)),
    }
}

fn cycle_code(cycle: Cycle) -> (i16, Option<i16>) {
    match cycle {
        Cycle::Daily => (1, None),
        Cycle::Weekly(weekday) => (2, Some(i16::from(weekday.to_monday_one_offset()))),
        Cycle::Monthly(day) => (3, Some(i16::from(day))),
    }
}

fn cycle(code: i16, day: Option<i16>) -> Result<Cycle, StoreError> {
    let wrong = || inconsistent(TABLE, "cycle_day", day.unwrap_or_default());
    let number = || i8::try_from(day.unwrap_or_default()).map_err(|_| wrong());
    match code {
        1 => Ok(Cycle::Daily),
        2 => Ok(Cycle::Weekly(Weekday::from_monday_one_offset(number()?).map_err(|_| wrong())?)),
        3 => Ok(Cycle::Monthly(number()?)),
        other => Err(inconsistent(TABLE, "cycle", other)),
    }
}

fn minute(time: Time) -> i16 {
    i16::from(time.hour()) * 60 + i16::from(time.minute())
}

fn time(minute: i16) -> Result<Time, StoreError> {
    let wrong = || inconsistent(TABLE, "cut_off_minute", minute);
    let part = |part: i16| i8::try_from(part).map_err(|_| wrong());
    Time::new(part(minute / 60)?, part(minute % 60)?, 0, 0).map_err(|_| wrong())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_back() {
        for cycle in [Cycle::Daily, Cycle::Weekly(Weekday::Sunday), Cycle::Monthly(31)] {
            let (code, day) = cycle_code(cycle);
            assert_eq!(super::cycle(code, day).ok(), Some(cycle));
        }
        for netting in [Netting::Gross, Netting::Bilateral, Netting::Multilateral] {
            assert_eq!(super::netting(netting_code(netting)).ok(), Some(netting));
        }
        for (hour, minutes) in [(0, 0), (18, 30), (23, 59)] {
            let at = Time::constant(hour, minutes, 0, 0);
            assert_eq!(time(minute(at)).ok(), Some(at));
        }
        assert!(super::cycle(2, Some(8)).is_err() && super::cycle(4, None).is_err());
        assert!(super::netting(4).is_err() && time(1_440).is_err());
    }
}
