//! What became of a break goes on in the report of a newer record of the window, over the wire.

use entente_client::api::{
    error::ErrorReason,
    settlement::{
        Break, BreakKind, BreakState, BreakStep, ListBreaksRequest, ListReconciliationsRequest,
        Reconciliation, RecordLine,
    },
};
use entente_testkit::cast::ROVER;

use crate::{
    breaks::{Breaks, refused},
    published::assert_refused,
    reconciling::{PRICE, file, header, line, receipt, reconcile},
    steps::tampering_is_found,
};

const STATE: ErrorReason = ErrorReason::BreakState;

/// Rover's file again, with a line before all others that the hub does not know.
fn newer() -> Vec<RecordLine> {
    let rest = file().into_iter().map(|line| RecordLine { row: line.row + 1, ..line });
    std::iter::once(line(1, "A0", 10, PRICE)).chain(rest).collect()
}

/// Where each break stands, whose it is, and the number of the one that it continues.
fn stand(breaks: &[Break]) -> Vec<(BreakKind, &str, BreakState, &str, &str)> {
    fn one(found: &Break) -> (BreakKind, &str, BreakState, &str, &str) {
        let number = found.continues.split_once('/').map_or("", |(_, number)| number);
        (found.kind(), receipt(found), found.state(), &found.owner, number)
    }
    breaks.iter().map(one).collect()
}

/// The first report's breaks at every place of their lives: 1 agreed, 2 rejected, 3 assigned, 4 adjusted,
/// 5 open, 6 written off, 7 assigned again after it was agreed.
async fn lived() -> Breaks {
    let on = Breaks::found().await;
    let operators = &on.operators;
    on.agree(1).await;
    operators.step_break(on.assign(2, "ana")).await.unwrap();
    operators.step_break(on.step(2, BreakState::Rejected)).await.unwrap();
    operators.step_break(on.assign(3, "ben")).await.unwrap();
    on.agree(4).await;
    operators.adjust(on.adjust(4, ("hub", ROVER), 90_000)).await.unwrap();
    on.agree(6).await;
    let mut write_off = on.write_off(6);
    write_off.request_id = entente_client::new_request_id();
    operators.write_off(write_off).await.unwrap();
    on.agree(7).await;
    operators.step_break(on.assign(7, "cy")).await.unwrap();
    on
}

/// The same client and hub, and the breaks of a newer report.
async fn then(
    on: Breaks,
    digest: u8,
    lines: Vec<RecordLine>,
) -> (Breaks, Reconciliation, Vec<Break>) {
    let (report, breaks) = reconcile(&on.operators, header(digest), lines).await.unwrap();
    (Breaks { report: report.reconciliation.clone(), ..on }, report, breaks)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_became_of_a_break_goes_on_in_the_report_of_a_newer_record() {
    use BreakKind::{
        Amount, DuplicateInFile, MissingAtHub, MissingAtPartner, Rate, Status, Timing,
    };
    use BreakState::{Adjusted, Agreed, Assigned, Open, Rejected, WrittenOff};
    let on = lived().await;
    let first = on.report.clone();
    let mut lines = newer();
    lines[2] = line(3, "A2", 206, PRICE);
    let (on, report, breaks) = then(on, 2, lines).await;
    assert_eq!(
        stand(&breaks),
        [
            (MissingAtHub, "A0", Open, "", ""),
            (MissingAtHub, "A4", Agreed, "ana", "1"),
            (MissingAtPartner, "A3", Rejected, "ana", "2"),
            // The difference is another one.
            (Amount, "A2", Open, "", ""),
            (Rate, "A7", Adjusted, "ana", "4"),
            (Timing, "A5", Open, "", "5"),
            (DuplicateInFile, "A6", WrittenOff, "ana", "6"),
            (Status, "A8", Assigned, "cy", "7"),
        ]
    );
    assert!(breaks.iter().all(|b| b.continues.is_empty() || b.continues.starts_with(&first)));
    assert_eq!((report.supersedes.as_str(), report.carried_count), (first.as_str(), 6));
    let resolved: i64 =
        report.breaks.iter().filter(|b| b.state() == Adjusted).map(|total| total.count).sum();
    assert_eq!(resolved, 1, "the totals by state count what was carried");

    only_once(&on, &first).await;
    the_life_goes_on(&on).await;
    listed_as_they_stand(&on).await;
    the_check_names_what_was_carried_wrong(&on).await;
    on.hub.close().await;
}

/// The rate was adjusted in the first report, as number 4; it is number 5 now.
async fn only_once(on: &Breaks, first: &str) {
    let again = refused(on.operators.adjust(on.adjust(5, ("hub", ROVER), 90_000)).await);
    assert_refused(&again, STATE, &[("state", "ADJUSTED")], "by the newer report");
    let mut old = on.adjust(5, ("hub", ROVER), 90_000);
    old.break_id = format!("{first}/4");
    let old = refused(on.operators.adjust(old).await);
    assert_refused(&old, STATE, &[("state", "SUPERSEDED")], "by the first report");
    // Nor by an adjustment that was posted apart.
    let apart = on.operators.adjust(on.adjust(0, ("hub", ROVER), 90_000)).await.unwrap();
    let apart = refused(on.operators.step_break(on.adjusted(5, &apart.adjustment)).await);
    assert_refused(&apart, STATE, &[("state", "ADJUSTED")], "by an adjustment of its own");
    let theirs = on.get(&on.rover, 5).await;
    let told: Vec<_> = theirs.steps.iter().map(BreakStep::to).collect();
    assert_eq!(told, [BreakState::Assigned, BreakState::Agreed, BreakState::Adjusted]);
}

/// What was agreed in the first report is adjusted in the newer one.
async fn the_life_goes_on(on: &Breaks) {
    on.operators.adjust(on.adjust(2, (ROVER, "hub"), 720_000)).await.unwrap();
    let found = on.get(&on.operators, 2).await;
    assert_eq!(found.found.unwrap().state(), BreakState::Adjusted);
    let told: Vec<_> = found.steps.iter().map(BreakStep::to).collect();
    assert_eq!(told, [BreakState::Assigned, BreakState::Agreed, BreakState::Adjusted]);
    on.operators.step_break(on.assign(3, "dee")).await.unwrap();
}

async fn listed_as_they_stand(on: &Breaks) {
    let all = ListBreaksRequest::default;
    for (request, expected) in [
        (ListBreaksRequest { unresolved: true, ..all() }, vec![1, 3, 4, 6, 8]),
        (ListBreaksRequest { state: BreakState::Adjusted.into(), ..all() }, vec![2, 5]),
        (ListBreaksRequest { owner: "ana".to_owned(), ..all() }, vec![2, 5, 7]),
        (ListBreaksRequest { owner: "cy".to_owned(), unresolved: true, ..all() }, vec![8]),
    ] {
        let shown = format!("{request:?}");
        let page = on.operators.list_breaks(request).await.unwrap().breaks;
        let numbers: Vec<_> = page.iter().map(|found| found.number).collect();
        assert_eq!(numbers, expected, "{shown}");
    }
    let all = ListReconciliationsRequest::default();
    let reports = on.rover.list_reconciliations(all).await.unwrap().reconciliations;
    let unresolved: Vec<_> = reports.iter().map(|report| report.unresolved_count).collect();
    assert_eq!(unresolved, [5, 4], "each report as it stands, or stood when it was superseded");
}

/// The newer report's rate is adjusted, its date is open; both continue one.
async fn the_check_names_what_was_carried_wrong(on: &Breaks) {
    let pool = on.hub.database().owner_pool().await;
    let newer = format!("WHERE reconciliation_id = '{}' AND number", on.report);
    for (tampering, undone, said) in [
        (
            format!("UPDATE breaks SET state = 4 {newer} = 5"),
            format!("UPDATE breaks SET state = 5 {newer} = 5"),
            "break 5 of reconciliation",
        ),
        (
            format!("UPDATE breaks SET points = 1 {newer} = 6"),
            format!("UPDATE breaks SET points = 0 {newer} = 6"),
            "break 6 of reconciliation",
        ),
        (
            format!(
                "UPDATE breaks SET continues_report = NULL, continues_number = NULL {newer} = 6"
            ),
            format!(
                "UPDATE breaks b SET continues_report = e.reconciliation_id, continues_number = 5
                 FROM breaks e
                 WHERE b.reconciliation_id = '{}' AND b.number = 6 AND e.likeness = b.likeness
                   AND e.number = 5",
                on.report
            ),
            "begins breaks anew",
        ),
        (
            format!("UPDATE break_steps SET step = step + 1 {newer} = 2"),
            format!("UPDATE break_steps SET step = step - 1 {newer} = 2"),
            "is not counted on",
        ),
    ] {
        tampering_is_found(&pool, (tampering, undone), said).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_break_that_was_gone_for_a_while_comes_back_as_it_was_left() {
    let on = lived().await;
    let first = on.report.clone();
    // Every difference but the last is gone.
    let kept = file().into_iter().filter(|line| line.row == 8).collect();
    let (on, _, breaks) = then(on, 2, kept).await;
    let status = breaks.iter().find(|found| found.kind() == BreakKind::Status).unwrap();
    assert_eq!((status.state(), status.owner.as_str()), (BreakState::Assigned, "cy"));
    let (on, report, breaks) = then(on, 3, newer()).await;
    let states: Vec<_> = breaks.iter().map(Break::state).collect();
    {
        use BreakState::{Adjusted, Agreed, Assigned, Open, Rejected, WrittenOff};
        let expected = [Open, Agreed, Rejected, Assigned, Adjusted, Open, WrittenOff, Assigned];
        assert_eq!(states, expected);
    }
    assert_eq!(breaks[4].continues, format!("{first}/4"), "the report between had none");
    assert_eq!(breaks[7].continues, format!("{}/{}", report.supersedes, status.number));
    assert_eq!(breaks[5].continues, "", "nobody had done anything with it");
    assert_eq!(on.get(&on.operators, 8).await.steps.len(), 3);
    on.hub.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_that_are_alike_the_one_that_was_adjusted_stays() {
    let on = Breaks::found().await;
    let thrice = |more: &[i64]| {
        let more = more.iter().map(|row| line(*row, "A6", 40, PRICE));
        file().into_iter().chain(more).collect::<Vec<_>>()
    };
    let duplicates = |breaks: &[Break]| -> Vec<BreakState> {
        let kind = BreakKind::DuplicateInFile;
        breaks.iter().filter(|b| b.kind() == kind).map(Break::state).collect()
    };
    let (on, _, breaks) = then(on, 2, thrice(&[9])).await;
    assert_eq!(duplicates(&breaks), [BreakState::Open, BreakState::Open]);
    on.agree(7).await;
    on.operators.adjust(on.adjust(7, (ROVER, "hub"), 480_000)).await.unwrap();
    // The partner removed one of the two, and does not know of the adjustment.
    let (on, _, breaks) = then(on, 3, file()).await;
    assert_eq!(duplicates(&breaks), [BreakState::Adjusted]);
    let (on, _, breaks) = then(on, 4, thrice(&[9, 10])).await;
    assert_eq!(duplicates(&breaks), [BreakState::Adjusted, BreakState::Open, BreakState::Open]);
    on.hub.close().await;
}
