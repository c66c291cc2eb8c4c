//! Whether the ledger holds what was acknowledged: its positions, its operations, its invariants.

use entente_api::settlement::{AmountKind, GetPositionRequest};
use serde_json::{Value, json};

use super::seen::{Acknowledged, Seen};
use super::stage::Stage;
use crate::commands::check::{self, Verdicts};
use crate::output::{bold, good};

/// What was found.
#[derive(Clone, Debug)]
pub(crate) struct Verified {
    /// What callers were told.
    acknowledged: Acknowledged,
    /// What is there.
    found: Acknowledged,
    /// Outcomes that no caller knows: as many operations more may be there.
    unknown: u64,
    /// How many operations the hub may make by itself: it announces each partner's terms once.
    announced: u64,
    verdicts: Verdicts,
}

/// Compares. Refusals that are kept are operations too; of terms that were published after all others
/// the hub tells by operations of its own.
pub(crate) async fn verify(
    stage: &Stage,
    seen: &Seen,
    terms_later: u64,
) -> anyhow::Result<Verified> {
    let verdicts = check::verify(&stage.owner_url()).await?;
    let mut gross = Vec::new();
    // The open one has no name.
    for window in stage.past().windows.iter().cloned().chain([String::new()]) {
        let request = GetPositionRequest { window, ..GetPositionRequest::default() };
        gross.extend(stage.operator().get_position(request).await?.gross);
    }
    let of_kind = |kind: AmountKind| {
        let gross = gross.iter().filter(|gross| gross.kind() == kind);
        gross.map(|gross| gross.points).sum()
    };
    let found = Acknowledged {
        // What the hub does by itself answers nobody.
        operations: verdicts.row_count("operations of partners"),
        issued: of_kind(AmountKind::Issue),
        redeemed: of_kind(AmountKind::Redemption),
    };
    let mut acknowledged = seen.acknowledged;
    acknowledged.operations += seen.refusals.values().sum::<u64>();
    let announced = u64::try_from(stage.members().partners)? + terms_later;
    let unknown = seen.failures.0;
    Ok(Verified { acknowledged, found, unknown, announced, verdicts })
}

impl Verified {
    /// Whether everything acknowledged is there, once, and every invariant holds.
    pub(crate) fn is_good(&self) -> bool {
        let (told, found) = (self.acknowledged, self.found);
        let most = told.operations + self.unknown + self.announced;
        let operations = (told.operations..=most).contains(&found.operations);
        let points = if self.unknown == 0 {
            (told.issued, told.redeemed) == (found.issued, found.redeemed)
        } else {
            found.issued >= told.issued && found.redeemed >= told.redeemed
        };
        operations && points && self.verdicts.broken() == 0
    }

    /// For people.
    pub(crate) fn text(&self) -> String {
        let line = |what: &str, told: &dyn ToString, found: &dyn ToString| {
            format!("{what:<16}{} acknowledged, {} found", told.to_string(), found.to_string())
        };
        let mark = good(self.is_good(), if self.is_good() { "good" } else { "BROKEN" });
        [
            format!("{}  {mark}", bold("What the ledger holds")),
            line("operations", &self.acknowledged.operations, &self.found.operations),
            line("points issued", &self.acknowledged.issued, &self.found.issued),
            line("points redeemed", &self.acknowledged.redeemed, &self.found.redeemed),
            format!("{:<16}{}", "unknown", self.unknown),
            self.verdicts.text(),
        ]
        .join("\n")
    }

    /// For programs.
    pub(crate) fn json(&self) -> Value {
        let amounts = |of: Acknowledged| json!({ "operations": of.operations, "issued": of.issued, "redeemed": of.redeemed });
        json!({
            "acknowledged": amounts(self.acknowledged),
            "found": amounts(self.found),
            "unknown_outcomes": self.unknown,
            "invariants_broken": self.verdicts.broken(),
        })
    }
}
