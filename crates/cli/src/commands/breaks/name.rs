//! How people name breaks: the first characters of the report's id, a slash, and the number.

use anyhow::{Context as _, bail};
use entente_api::settlement::{Break, ListReconciliationsRequest, ListedReconciliation};
use entente_client::Client;

/// How many characters of a report's id are shown.
const SHOWN: usize = 8;
/// A whole id.
const WHOLE: usize = 36;

/// A break's name, as short as people type it.
pub(super) fn short(found: &Break) -> String {
    format!("{}/{}", shortened(&found.reconciliation), found.number)
}

/// A report's id, as short as people type it.
pub(super) fn shortened(reconciliation: &str) -> &str {
    reconciliation.get(..SHOWN).unwrap_or(reconciliation)
}

/// The whole id of a break that people named.
pub(crate) async fn full(client: &Client, name: &str) -> anyhow::Result<String> {
    let (report, number) = name
        .split_once('/')
        .with_context(|| format!("{name:?} is no break; it is a report, a slash and a number"))?;
    Ok(format!("{}/{number}", report_id(client, report).await?))
}

/// The whole id of a report whose first characters are given.
pub(super) async fn report_id(client: &Client, given: &str) -> anyhow::Result<String> {
    if given.len() >= WHOLE {
        return Ok(given.to_owned());
    }
    let given = given.to_lowercase();
    let reports = all_reports(client, ListReconciliationsRequest::default()).await?;
    let mut found = reports.iter().filter(|report| report.reconciliation.starts_with(&given));
    match (found.next(), found.next()) {
        (Some(only), None) => Ok(only.reconciliation.clone()),
        (None, _) => bail!("no report begins with {given:?}; `entente breaks reports` lists them"),
        (Some(_), Some(_)) => bail!("several reports begin with {given:?}; give more of it"),
    }
}

/// Every report of a list.
pub(super) async fn all_reports(
    client: &Client,
    mut request: ListReconciliationsRequest,
) -> anyhow::Result<Vec<ListedReconciliation>> {
    let mut reports = Vec::new();
    request.page_size = 1_000;
    loop {
        let mut page = client.list_reconciliations(request.clone()).await?;
        reports.append(&mut page.reconciliations);
        request.page_token = page.next_page_token;
        if request.page_token.is_empty() {
            return Ok(reports);
        }
    }
}
