//! How the coalition settles: proposed from a TOML file, and shown.

use std::collections::BTreeMap;
use std::path::PathBuf;

use anyhow::Context as _;
use clap::Args;
use entente_api::proposal::act::Act;
use entente_api::settlement::{
    ArrangeSettlementRequest, Arrangement, BankAccount, Calendar, Cycle, GetArrangementRequest,
    Netting,
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::commands::proposal::{self, ProposeArgs};
use crate::connect::Connection;
use crate::output::{Table, time_text};

const FILE: &str = "\
The file:
  netting = \"multilateral\"          # or bilateral, or gross
  objection_days = 5

  [calendar]                        # left out: windows are closed by hand
  time_zone = \"Europe/Berlin\"
  cut_off = \"18:00\"
  cycle = \"weekly\"                  # or daily, or monthly
  day = 5                           # 1 Monday to 7 Sunday; monthly: 1 to 31, 31 being the last

  [accounts.hub]
  name = \"Entente Clearing\"
  account = \"DE89370400440532013000\"
  bic = \"COBADEFFXXX\"               # may be left out

  [accounts.rover-rides]
  name = \"Rover Rides Inc\"
  account = \"GB82WEST12345698765432\"";

/// What to propose, and why.
#[derive(Debug, Args)]
#[command(after_help = FILE)]
pub(crate) struct ArrangeArgs {
    /// The arrangement as TOML; it replaces all of the one in force.
    file: PathBuf,
    #[command(flatten)]
    propose: ProposeArgs,
    #[command(flatten)]
    connection: Connection,
}

/// What is in force.
#[derive(Debug, Args)]
pub(crate) struct ArrangementArgs {
    #[command(flatten)]
    connection: Connection,
}

/// An arrangement as people write it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ArrangementFile {
    netting: NettingWord,
    objection_days: i32,
    #[serde(skip_serializing_if = "Option::is_none")]
    calendar: Option<CalendarFile>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    accounts: BTreeMap<String, AccountFile>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct CalendarFile {
    time_zone: String,
    cut_off: String,
    cycle: CycleWord,
    #[serde(default)]
    day: i32,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct AccountFile {
    name: String,
    account: String,
    #[serde(default)]
    bic: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum NettingWord {
    Gross,
    Bilateral,
    Multilateral,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum CycleWord {
    Daily,
    Weekly,
    Monthly,
}

pub(super) async fn propose(args: ArrangeArgs) -> anyhow::Result<()> {
    let path = args.file.display();
    let text =
        std::fs::read_to_string(&args.file).with_context(|| format!("cannot read {path}"))?;
    let file: ArrangementFile =
        toml::from_str(&text).with_context(|| format!("{path} is no arrangement"))?;
    let arrangement = Some(file.into_api());
    let act =
        Act::ArrangeSettlement(ArrangeSettlementRequest { request_id: String::new(), arrangement });
    proposal::propose(&args.connection, args.propose, act).await
}

pub(super) async fn show(args: ArrangementArgs) -> anyhow::Result<()> {
    let client = args.connection.client().await?;
    let answer = client.get_arrangement(GetArrangementRequest {}).await?;
    let arrangement = answer.arrangement.unwrap_or_default();
    let json = json!({
        "arrangement": self::json(&arrangement),
        "effective_from": answer.effective_from.as_ref().map(|at| time_text(Some(at))),
        "closes_at": answer.closes_at.as_ref().map(|at| time_text(Some(at))),
    });
    args.connection.output.show(&json, |_| {
        let closes = match &answer.closes_at {
            Some(at) => format!("the open window closes at {}", time_text(Some(at))),
            None => "windows are closed by hand".to_owned(),
        };
        format!("{}\n\n{closes}", text(&arrangement))
    })
}

/// An arrangement for people.
pub(crate) fn text(arrangement: &Arrangement) -> String {
    let mut table = Table::new(&["settlement", ""]);
    let mut row = |name: &str, value: String| {
        table.row([name.to_owned(), value]);
    };
    row("netting", netting(arrangement.netting()).to_owned());
    let calendar = arrangement.calendar.as_ref().map(calendar_text);
    row("windows close", calendar.unwrap_or_else(|| "by hand".to_owned()));
    row("days to object", arrangement.objection_days.to_string());
    for account in &arrangement.accounts {
        let BankAccount { party, name, account, bic } = account;
        row(&format!("account of {party}"), format!("{account} {bic} ({name})"));
    }
    table.text("")
}

/// An arrangement for programs.
pub(crate) fn json(arrangement: &Arrangement) -> Value {
    json!({
        "netting": netting(arrangement.netting()),
        "objection_days": arrangement.objection_days,
        "calendar": arrangement.calendar.as_ref().map(|calendar| json!({
            "time_zone": calendar.time_zone,
            "cut_off": calendar.cut_off,
            "cycle": cycle(calendar.cycle()),
            "day": calendar.day,
        })),
        "accounts": arrangement.accounts.iter().map(|account| json!({
            "party": account.party,
            "name": account.name,
            "account": account.account,
            "bic": account.bic,
        })).collect::<Vec<_>>(),
    })
}

fn calendar_text(calendar: &Calendar) -> String {
    let Calendar { time_zone, cut_off, day, .. } = calendar;
    let days = match calendar.cycle() {
        Cycle::Weekly => format!(" on day {day}"),
        Cycle::Monthly => format!(" on the {day}."),
        Cycle::Daily | Cycle::Unspecified => String::new(),
    };
    format!("{}{days} at {cut_off} {time_zone}", cycle(calendar.cycle()))
}

const fn netting(netting: Netting) -> &'static str {
    match netting {
        Netting::Gross => "gross",
        Netting::Bilateral => "bilateral",
        Netting::Multilateral => "multilateral",
        Netting::Unspecified => "?",
    }
}

const fn cycle(cycle: Cycle) -> &'static str {
    match cycle {
        Cycle::Daily => "daily",
        Cycle::Weekly => "weekly",
        Cycle::Monthly => "monthly",
        Cycle::Unspecified => "?",
    }
}

impl ArrangementFile {
    fn into_api(self) -> Arrangement {
        let netting = match self.netting {
            NettingWord::Gross => Netting::Gross,
            NettingWord::Bilateral => Netting::Bilateral,
            NettingWord::Multilateral => Netting::Multilateral,
        };
        let accounts = self.accounts.into_iter().map(|(party, found)| {
            let AccountFile { name, account, bic } = found;
            BankAccount { party, name, account, bic }
        });
        Arrangement {
            netting: netting.into(),
            calendar: self.calendar.map(CalendarFile::into_api),
            objection_days: self.objection_days,
            accounts: accounts.collect(),
        }
    }
}

impl CalendarFile {
    fn into_api(self) -> Calendar {
        let cycle = match self.cycle {
            CycleWord::Daily => Cycle::Daily,
            CycleWord::Weekly => Cycle::Weekly,
            CycleWord::Monthly => Cycle::Monthly,
        };
        let Self { time_zone, cut_off, day, .. } = self;
        Calendar { time_zone, cut_off, cycle: cycle.into(), day }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_that_help_shows_is_an_arrangement() {
        let text = FILE.split_once('\n').expect("a title").1;
        let file: ArrangementFile = toml::from_str(text).expect("an arrangement");
        let arrangement = file.into_api();
        assert_eq!(arrangement.netting(), Netting::Multilateral);
        let calendar = arrangement.calendar.expect("a calendar");
        assert_eq!((calendar.cycle(), calendar.day), (Cycle::Weekly, 5));
        assert_eq!(arrangement.accounts.len(), 2);
    }
}
