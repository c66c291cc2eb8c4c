//! E8: a partner's own record of a closed window against the hub's, over the wire.

use entente_client::{
    Client, Error,
    api::{
        error::ErrorReason,
        partner::{Agreement, Funding},
        points::ReverseRequest,
        settlement::{
            Break, BreakKind, BreakState, CloseWindowRequest, ControlTotals,
            GetReconciliationRequest, MemberNames, Reconciliation, RecordHeader, RecordKind,
            RecordLine, RecordLines, UnreadableRow, reconcile_response::Part,
        },
        types::Money,
    },
    new_request_id,
};
use entente_hub::config::Limits;
use entente_testkit::{
    TestHub,
    cast::{self, HARBOR, ROVER, agreement_in, earn, enrol, money, wire_time},
};
use jiff::Timestamp;

pub(crate) const WINDOW: &str = "2026-03";
pub(crate) const PRICE: i64 = 12_000;

fn time(text: &str) -> Timestamp {
    text.parse().expect("a time")
}

/// Rover pays .0120 a point when it issues it.
fn rover() -> Agreement {
    Agreement { issue_price_micros: PRICE, ..agreement_in("USD", Funding::AtIssue) }
}

/// The hub's side of E8, in a closed window.
pub(crate) async fn example() -> TestHub {
    example_on(TestHub::start().await).await
}

async fn example_on(hub: TestHub) -> TestHub {
    let operator = hub.operator().await;
    cast::onboard(&operator, ROVER, rover()).await;
    cast::onboard(&operator, HARBOR, cast::agreement(HARBOR)).await;
    let client = hub.partner(ROVER).await;
    enrol(&client, "rider").await;
    hub.advance_to(time("2026-03-20T09:00:00Z")).await;
    let mut last = String::new();
    for (receipt, points) in
        [("A1", 100), ("A2", 250), ("A3", 80), ("A5", 120), ("A6", 40), ("A7", 90), ("A8", 50)]
    {
        let mut request = earn("rider", points * 1_000_000, "USD");
        request.receipt_reference = receipt.to_owned();
        last.clone_from(&request.request_id);
        client.earn(request).await.expect("an earn");
    }
    let reverse = ReverseRequest {
        request_id: new_request_id(),
        original_request_id: last,
        ..ReverseRequest::default()
    };
    client.reverse(reverse).await.expect("a reversal");
    hub.advance_to(time("2026-04-01T00:00:00Z")).await;
    close(&operator, WINDOW).await;
    hub
}

async fn close(operator: &Client, name: &str) {
    let request = CloseWindowRequest { name: name.to_owned(), testing: false };
    operator.close_window(request).await.expect("a close");
}

pub(crate) fn line(row: i64, receipt: &str, points: i64, price: i64) -> RecordLine {
    RecordLine {
        row,
        receipt_reference: receipt.to_owned(),
        member: "rider".to_owned(),
        kind: RecordKind::Earn.into(),
        points,
        amount: Some(money(points * price, "USD")),
        happened_from: Some(wire_time(time("2026-03-20T00:00:00Z"))),
        happened_until: Some(wire_time(time("2026-03-21T00:00:00Z"))),
        ..RecordLine::default()
    }
}

/// Rover's file of E8.
pub(crate) fn file() -> Vec<RecordLine> {
    let next = wire_time(time("2026-04-02T09:00:00Z"));
    let later =
        RecordLine { happened_from: Some(next), happened_until: None, ..line(4, "A5", 120, PRICE) };
    vec![
        line(1, "A1", 100, PRICE),
        line(2, "A2", 205, PRICE),
        line(3, "A4", 60, PRICE),
        later,
        line(5, "A6", 40, PRICE),
        line(6, "A6", 40, PRICE),
        line(7, "A7", 90, 11_000),
        line(8, "A8", 50, PRICE),
    ]
}

pub(crate) fn header(digest: u8) -> RecordHeader {
    RecordHeader {
        window: WINDOW.to_owned(),
        partner: ROVER.to_owned(),
        file_name: "rover-2026-03.csv".to_owned(),
        file_sha256: vec![digest; 32],
        reading: "receipt=ref".to_owned(),
        with_money: true,
        member_names: MemberNames::Reference.into(),
        ..RecordHeader::default()
    }
}

pub(crate) type Answer = Result<(Reconciliation, Vec<Break>), Error>;

/// Streams a record, unless its header is answered at once.
pub(crate) async fn reconcile(
    client: &Client,
    header: RecordHeader,
    lines: Vec<RecordLine>,
) -> Answer {
    reconcile_all(client, header, vec![RecordLines { lines, unreadable: Vec::new() }]).await
}

async fn reconcile_all(client: &Client, header: RecordHeader, parts: Vec<RecordLines>) -> Answer {
    let (mut sink, mut answers) = client.reconcile(header).await?;
    let (mut report, mut breaks) = (None, Vec::new());
    if let Some(Part::Report(first)) = answers.next().await? {
        report = Some(first);
    } else {
        for lines in parts {
            // Where the stream has ended, the answers say why.
            let _ = sink.send(lines).await;
        }
        let _ = sink.end().await;
    }
    while let Some(part) = answers.next().await? {
        match part {
            Part::Progress(_) => {}
            Part::Report(found) => report = Some(found),
            Part::Breaks(found) => breaks.extend(found.breaks),
        }
    }
    Ok((report.expect("a report"), breaks))
}

fn reason(answer: Answer) -> ErrorReason {
    answer.expect_err("refused").refusal().expect("a refusal").reason
}

/// Kind, receipt, points and micros of each break.
fn told(breaks: &[Break]) -> Vec<(BreakKind, &str, i64, i64)> {
    let micros = |found: &Break| found.money.iter().map(|money| money.micros).sum();
    breaks.iter().map(|b| (b.kind(), receipt(b), b.points, micros(b))).collect()
}

pub(crate) fn receipt(found: &Break) -> &str {
    let line = found.line.as_ref().map(|line| line.receipt_reference.as_str());
    let hub = found.hub.as_ref().map(|hub| hub.receipt_reference.as_str());
    line.or(hub).unwrap_or_default()
}

fn totals(totals: Option<ControlTotals>) -> (i64, i64, Vec<Money>) {
    let totals = totals.expect("totals");
    (totals.count, totals.points, totals.money)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_worked_example_is_explained_to_the_cent_and_answered_again_from_what_is_kept() {
    let hub = example().await;
    let client = hub.partner(ROVER).await;
    let stated = ControlTotals {
        count: 8,
        points: 705,
        money: vec![money(8_370_000, "USD")],
        ..ControlTotals::default()
    };
    let header = RecordHeader { stated: Some(stated.clone()), ..header(1) };
    let (report, breaks) = reconcile(&client, header.clone(), file()).await.expect("a report");
    assert_eq!(
        told(&breaks),
        [
            (BreakKind::MissingAtHub, "A4", -60, -720_000),
            (BreakKind::MissingAtPartner, "A3", 80, 960_000),
            (BreakKind::Amount, "A2", 45, 540_000),
            (BreakKind::Rate, "A7", 0, 90_000),
            (BreakKind::Timing, "A5", 0, 0),
            (BreakKind::DuplicateInFile, "A6", -40, -480_000),
            (BreakKind::Status, "A8", -50, -600_000),
        ]
    );
    let usd = |micros| vec![money(micros, "USD")];
    assert_eq!(totals(report.hub.clone()), (8, 680, usd(8_160_000)), "the reversal is one of them");
    assert_eq!(totals(report.file.clone()), (8, 705, usd(8_370_000)));
    assert_eq!(totals(report.difference.clone()), (7, -25, usd(-210_000)));
    assert_eq!(report.stated, Some(stated));
    assert_eq!((report.partner.as_str(), report.made_by.as_str()), (ROVER, "partner/rover-rides"));
    assert!(!report.already && !report.superseded);
    assert!(breaks.iter().all(|found| found.state() == BreakState::Open));
    assert!(breaks.iter().all(|found| found.line.as_ref().is_none_or(|l| l.member.is_empty())));

    let renamed = RecordHeader { file_name: "again.csv".to_owned(), ..header };
    let (again, same) = reconcile(&client, renamed.clone(), Vec::new()).await.expect("a report");
    assert_eq!((&again, &same), (&Reconciliation { already: true, ..report }, &breaks));
    let operator = hub.operator().await;
    let (again, _) = reconcile(&operator, renamed, Vec::new()).await.expect("a report");
    assert!(again.already, "it is the partner's record, whoever sends it");
    hub.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn another_reading_of_a_file_is_another_record_and_the_later_one_stands() {
    let hub = example().await;
    let client = hub.partner(ROVER).await;
    let (first, _) = reconcile(&client, header(1), file()).await.expect("a report");
    let points = RecordHeader { with_money: false, ..header(1) };
    let (second, breaks) = reconcile(&client, points, file()).await.expect("a report");
    assert!(!second.already && !second.superseded);
    assert_eq!(totals(second.difference), (6, -25, vec![]), "a rate cannot differ");
    assert!(breaks.iter().all(|found| found.kind() != BreakKind::Rate));
    let read = |reconciliation: String| {
        client.get_reconciliation(GetReconciliationRequest { reconciliation })
    };
    let first = read(first.reconciliation).await.expect("kept").report.expect("a report");
    assert!(first.superseded);
    hub.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_partner_reconciles_and_reads_its_own_side_alone() {
    let hub = example().await;
    let (rover, harbor) = (hub.partner(ROVER).await, hub.partner(HARBOR).await);
    let operator = hub.operator().await;
    let own = RecordHeader { partner: String::new(), ..header(1) };
    let (report, _) = reconcile(&rover, own, file()).await.expect("a report");
    assert_eq!(report.partner, ROVER);
    assert_eq!(reason(reconcile(&harbor, header(1), file()).await), ErrorReason::NotAllowed);
    let request = GetReconciliationRequest { reconciliation: report.reconciliation };
    let error = harbor.get_reconciliation(request.clone()).await.expect_err("another's");
    let unknown = ErrorReason::ReconciliationUnknown;
    assert_eq!(error.refusal().expect("a refusal").reason, unknown);
    assert!(rover.get_reconciliation(request.clone()).await.is_ok());
    assert!(operator.get_reconciliation(request).await.is_ok());
    let other = RecordHeader { partner: HARBOR.to_owned(), ..header(1) };
    let (other, breaks) = reconcile(&operator, other, file()).await.expect("a report");
    assert_eq!(totals(other.hub).0, 0, "nothing of Rover's is Harbor's");
    assert!(breaks.iter().all(|found| found.hub.is_none()));
    hub.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_that_is_not_whole_leaves_nothing_and_can_be_sent_anew() {
    let hub = example().await;
    let client = hub.partner(ROVER).await;
    let refused = ErrorReason::RecordRefused;
    {
        let (mut sink, mut answers) = client.reconcile(header(1)).await.expect("a stream");
        answers.next().await.expect("an answer");
        let lines = RecordLines { lines: file(), unreadable: Vec::new() };
        sink.send(lines).await.expect("it is open");
        let busy = client.reconcile(header(2)).await.map(|_| ()).expect_err("one at a time");
        assert_eq!(busy.refusal().expect("a refusal").reason, ErrorReason::TooManyStreams);
        drop(sink);
        let error = answers.next().await.expect_err("cut in the middle");
        assert_eq!(error.refusal().expect("a refusal").reason, refused);
    }
    let twice = [file(), file()].concat();
    assert_eq!(reason(reconcile(&client, header(1), twice).await), refused, "rows go upwards");
    let (report, breaks) = reconcile(&client, header(1), file()).await.expect("a report");
    assert_eq!((totals(report.file).0, breaks.len()), (8, 7), "nothing is counted twice");
    hub.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_compared_has_one_reason() {
    let hub = TestHub::within(Limits { reconciliation_lines: 5, ..Limits::default() }).await;
    let operator = hub.operator().await;
    close(&operator, WINDOW).await;
    let malformed = ErrorReason::Malformed;
    for (changed, expected) in [
        (RecordHeader { window: "1999".to_owned(), ..header(1) }, ErrorReason::WindowUnknown),
        (RecordHeader { window: String::new(), ..header(1) }, malformed),
        (RecordHeader { partner: "nobody".to_owned(), ..header(1) }, ErrorReason::PartnerUnknown),
        (RecordHeader { partner: String::new(), ..header(1) }, malformed),
        (RecordHeader { file_sha256: vec![1; 31], ..header(1) }, malformed),
        (RecordHeader { file_name: String::new(), ..header(1) }, malformed),
        (RecordHeader { reading: "\u{202e}".to_owned(), ..header(1) }, malformed),
        (RecordHeader { member_names: 9, ..header(1) }, malformed),
        (RecordHeader { clock_tolerance_seconds: Some(-1), ..header(1) }, malformed),
        (RecordHeader { match_tolerance_seconds: Some(604_801), ..header(1) }, malformed),
    ] {
        let shown = format!("{changed:?}");
        assert_eq!(reason(reconcile(&operator, changed, Vec::new()).await), expected, "{shown}");
    }
    let refused = ErrorReason::RecordRefused;
    assert_eq!(reason(reconcile(&operator, header(1), file()).await), refused, "too many lines");
    let huge = |row| RecordLine { points: i64::MAX, ..line(row, "A1", 1, PRICE) };
    assert_eq!(reason(reconcile(&operator, header(1), vec![huge(1), huge(2)]).await), refused);
    assert_eq!(reason(reconcile(&operator, header(1), vec![huge(0)]).await), refused, "no row");
    hub.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn lines_that_make_no_sense_are_named_and_counted() {
    let hub = example().await;
    let client = hub.partner(ROVER).await;
    let bad = |row, change: fn(&mut RecordLine)| {
        let mut line = line(row, "A1", 100, PRICE);
        change(&mut line);
        line
    };
    let lines = vec![
        line(1, "A1", 100, PRICE),
        bad(2, |line| line.request_id = "A1".to_owned()),
        bad(3, |line| line.amount = Some(money(1, "DOLLARS"))),
        bad(4, |line| line.kind = 99),
        bad(5, |line| line.status = 99),
        bad(6, |line| line.receipt_reference = "A\0".to_owned()),
        bad(7, |line| line.happened_until = line.happened_from),
    ];
    let reason = "the points are no number".to_owned();
    let unreadable = vec![UnreadableRow { row: 8, reason }];
    let parts = vec![RecordLines { lines, unreadable }];
    let (report, _) = reconcile_all(&client, header(1), parts).await.expect("a report");
    let rows: Vec<_> = report.unreadable.iter().map(|bad| bad.row).collect();
    assert_eq!(rows, [2, 3, 4, 5, 6, 7, 8]);
    assert!(report.unreadable.iter().all(|bad| !bad.reason.is_empty()));
    let file = report.file.expect("totals");
    assert_eq!((file.count, file.unreadable_count, file.points), (1, 7, 100));
    hub.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_in_another_window_or_was_refused_is_known_to_the_hub() {
    let hub = example().await;
    let client = hub.partner(ROVER).await;
    let mut late = earn("rider", 70_000_000, "USD");
    late.receipt_reference = "B1".to_owned();
    late.activity_at = Some(wire_time(time("2026-03-01T08:00:00Z")));
    client.earn(late).await.expect_err("too late");
    let mut next = earn("rider", 30_000_000, "USD");
    next.receipt_reference = "B2".to_owned();
    client.earn(next.clone()).await.expect("an earn");
    let by_id = RecordLine { request_id: next.request_id, ..line(10, "", 30, PRICE) };
    let lines = [file(), vec![line(9, "B1", 70, PRICE), by_id, line(11, "B3", 10, PRICE)]];
    let (_, breaks) = reconcile(&client, header(1), lines.concat()).await.expect("a report");
    let found = told(&breaks);
    assert!(found.contains(&(BreakKind::Timing, "", -30, -360_000)), "{found:?}");
    assert!(found.contains(&(BreakKind::MissingAtHub, "B3", -10, -120_000)), "{found:?}");
    let late = found.iter().filter(|found| found.0 == BreakKind::LateRejected).count();
    assert_eq!((late, breaks.len()), (1, 10), "{found:?}");
    hub.close().await;
}
