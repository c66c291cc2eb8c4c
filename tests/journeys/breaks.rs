//! The life of breaks: who looks into them, what both sides agree, and how they end, over the wire.

use entente_client::{
    Client, Error, Operators, Refusal,
    api::{
        error::ErrorReason,
        proposal::act::Act,
        settlement::{
            AdjustRequest, Break, BreakKind, BreakState, BreakStep, GetBreakRequest,
            GetBreakResponse, ListBreaksRequest, ListReconciliationsRequest, RecordHeader,
            StepBreakRequest, StepBreakResponse, WriteOffRequest,
        },
    },
    new_request_id,
};
use entente_testkit::{
    TestHub,
    cast::{HARBOR, ROVER, money},
};

use crate::{
    proposals::{approval, propose, refusal},
    published::assert_refused,
    reconciling::{WINDOW, example, file, header, reconcile},
    steps::{close, reason, tampering_is_found},
};

const STATE: ErrorReason = ErrorReason::BreakState;
const UNLIKE: ErrorReason = ErrorReason::AdjustmentUnlikeBreak;

/// What Rover's file of E8 was found to differ in, and whoever follows it up.
pub(crate) struct Breaks {
    pub(crate) hub: TestHub,
    pub(crate) operators: Operators,
    pub(crate) rover: Client,
    pub(crate) report: String,
}

impl Breaks {
    /// Seven: the fourth has a rate and no points, the fifth has no amount, the last points and money.
    pub(crate) async fn found() -> Self {
        let hub = example().await;
        let (operators, rover) = (hub.operator().await, hub.partner(ROVER).await);
        let (report, breaks) = reconcile(&rover, header(1), file()).await.unwrap();
        assert_eq!(breaks.len(), 7);
        Self { hub, operators, rover, report: report.reconciliation }
    }

    pub(crate) fn id(&self, number: i32) -> String {
        format!("{}/{number}", self.report)
    }

    pub(crate) fn step(&self, number: i32, to: BreakState) -> StepBreakRequest {
        StepBreakRequest {
            request_id: new_request_id(),
            break_id: self.id(number),
            to: to.into(),
            reason: "the receipt says so".to_owned(),
            ..StepBreakRequest::default()
        }
    }

    pub(crate) fn assign(&self, number: i32, assignee: &str) -> StepBreakRequest {
        StepBreakRequest {
            assignee: assignee.to_owned(),
            ..self.step(number, BreakState::Assigned)
        }
    }

    pub(crate) fn adjusted(&self, number: i32, adjustment: &str) -> StepBreakRequest {
        let adjustment = adjustment.to_owned();
        StepBreakRequest { adjustment, ..self.step(number, BreakState::Adjusted) }
    }

    /// Somebody looked into it, and both sides agree.
    pub(crate) async fn agree(&self, number: i32) {
        self.operators.step_break(self.assign(number, "ana")).await.unwrap();
        self.rover.step_break(self.step(number, BreakState::Agreed)).await.unwrap();
    }

    pub(crate) fn adjust(
        &self,
        number: i32,
        (payer, payee): (&str, &str),
        micros: i64,
    ) -> AdjustRequest {
        AdjustRequest {
            request_id: new_request_id(),
            window: WINDOW.to_owned(),
            corrects: String::new(),
            payer: payer.to_owned(),
            payee: payee.to_owned(),
            amount: Some(money(micros, "USD")),
            reason: "priced by old terms".to_owned(),
            break_id: if number == 0 { String::new() } else { self.id(number) },
        }
    }

    pub(crate) fn write_off(&self, number: i32) -> WriteOffRequest {
        let (break_id, reason) = (self.id(number), "two cents".to_owned());
        WriteOffRequest { request_id: String::new(), break_id, reason }
    }

    pub(crate) async fn get(&self, client: &Client, number: i32) -> GetBreakResponse {
        client.get_break(GetBreakRequest { break_id: self.id(number) }).await.unwrap()
    }
}

pub(crate) fn refused<T: std::fmt::Debug>(answer: Result<T, Error>) -> Refusal {
    answer.expect_err("a refusal").refusal().expect("a refusal").clone()
}

fn stands(answer: &StepBreakResponse) -> (BreakState, &str) {
    let found = answer.found.as_ref().unwrap();
    (found.state(), &found.owner)
}

/// Where each step led, who took it and who had it then.
fn told(steps: &[BreakStep]) -> Vec<(BreakState, &str, &str)> {
    steps.iter().map(|step| (step.to(), step.actor.as_str(), step.owner.as_str())).collect()
}

fn numbers(breaks: &[Break]) -> Vec<i32> {
    breaks.iter().map(|found| found.number).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_break_is_assigned_agreed_and_adjusted_and_every_step_is_on_record() {
    use BreakState::{Adjusted, Agreed, Assigned, Open, Rejected};
    let on = Breaks::found().await;
    let (operators, rover) = (&on.operators, &on.rover);
    assert_eq!(on.get(rover, 4).await.steps, []);
    let assign = on.assign(4, "ana");
    let answer = operators.step_break(assign.clone()).await.unwrap();
    assert_eq!(stands(&answer), (Assigned, "ana"));
    let again = operators.step_break(assign).await.unwrap();
    assert_eq!(again, StepBreakResponse { replayed: true, ..answer }, "a repeat takes no step");
    let comment = rover.step_break(on.step(4, Assigned)).await.unwrap();
    assert_eq!(stands(&comment), (Assigned, "hub"), "to partners the owner is the hub");
    rover.step_break(on.step(4, Rejected)).await.unwrap();
    operators.step_break(on.step(4, Assigned)).await.unwrap();
    assert_eq!(stands(&rover.step_break(on.step(4, Agreed)).await.unwrap()), (Agreed, "hub"));

    close(operators, "2026-04").await;
    let fits = on.adjust(4, ("hub", ROVER), 90_000);
    let (payer, payee) = ((ROVER, "hub"), ("hub", HARBOR));
    for (request, field) in [
        (AdjustRequest { window: "2026-04".to_owned(), ..fits.clone() }, "window"),
        (AdjustRequest { amount: Some(money(90_000, "EUR")), ..fits.clone() }, "currency"),
        (on.adjust(4, ("hub", ROVER), 89_999), "amount"),
        (on.adjust(4, payer, 90_000), "payee"),
        (on.adjust(4, payee, 90_000), "payee"),
    ] {
        let request = AdjustRequest { request_id: new_request_id(), ..request };
        assert_refused(
            &refused(operators.adjust(request).await),
            UNLIKE,
            &[("field", field)],
            field,
        );
    }
    let early = on.adjust(3, ("hub", ROVER), 540_000);
    let early = refused(operators.adjust(early).await);
    assert_refused(&early, STATE, &[("state", "OPEN")], "nobody agreed");
    let adjustment = operators.adjust(fits).await.unwrap().adjustment;
    let found = on.get(operators, 4).await;
    let ops = "operator/amelia";
    assert_eq!(
        told(&found.steps),
        [
            (Assigned, ops, "ana"),
            (Assigned, "partner/rover-rides", "ana"),
            (Rejected, "partner/rover-rides", ""),
            (Assigned, ops, "ana"),
            (Agreed, "partner/rover-rides", ""),
            (Adjusted, "operator/benedict", ""),
        ]
    );
    assert_eq!(found.steps[5].adjustment, adjustment);
    let theirs = on.get(rover, 4).await;
    assert_eq!(told(&theirs.steps)[5], (Adjusted, "hub", ""));
    assert_eq!(theirs.found.unwrap().state(), Adjusted);

    ends_no_other(&on, &adjustment).await;
    assert_eq!(on.get(operators, 6).await.found.unwrap().state(), Open);
    on.hub.close().await;
}

/// An adjustment that ended the fourth break.
async fn ends_no_other(on: &Breaks, adjustment: &str) {
    let operators = &on.operators;
    let twice = refused(operators.adjust(on.adjust(4, ("hub", ROVER), 90_000)).await);
    assert_refused(&twice, STATE, &[("state", "ADJUSTED")], "it is at its end");
    on.agree(7).await;
    let another = refused(operators.step_break(on.adjusted(7, adjustment)).await);
    assert_refused(&another, UNLIKE, &[("field", "adjustment")], "it corrects another break");
    let unknown = refused(operators.step_break(on.adjusted(7, &new_request_id())).await);
    assert_eq!(unknown.reason, ErrorReason::OperationUnknown);
    // The points of a break are no part of what its adjustment has to be.
    let before = operators.adjust(on.adjust(0, (ROVER, HARBOR), 600_000)).await.unwrap();
    let closed = operators.step_break(on.adjusted(7, &before.adjustment)).await.unwrap();
    assert_eq!(stands(&closed), (BreakState::Adjusted, "ana"));
    on.agree(5).await;
    let nothing = refused(operators.adjust(on.adjust(5, ("hub", ROVER), 1)).await);
    assert_refused(&nothing, UNLIKE, &[("field", "currency")], "it has no money");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_write_off_takes_two_operators_and_a_break_that_is_agreed() {
    let on = Breaks::found().await;
    let operators = &on.operators;
    let open = refused(
        operators
            .write_off(WriteOffRequest { request_id: new_request_id(), ..on.write_off(1) })
            .await,
    );
    assert_refused(&open, STATE, &[("state", "OPEN")], "nobody agreed");
    on.agree(1).await;
    let id = propose(operators, Act::WriteOff(on.write_off(1))).await;
    let own = refusal(operators.approve(approval(&id)).await, "the proposer's own");
    assert_refused(&own, ErrorReason::OwnProposal, &[], "the proposer's own");
    assert_eq!(on.get(operators, 1).await.found.unwrap().state(), BreakState::Agreed);
    operators.approver().approve(approval(&id)).await.unwrap();
    let found = on.get(operators, 1).await;
    let last = found.steps.last().unwrap();
    assert_eq!(found.found.unwrap().state(), BreakState::WrittenOff);
    assert_eq!(
        (last.proposed_by.as_str(), last.actor.as_str()),
        ("operator/amelia", "operator/benedict")
    );
    assert_eq!(last.reason, "two cents");
    let theirs = on.get(&on.rover, 1).await;
    let last = theirs.steps.last().unwrap();
    assert_eq!((last.proposed_by.as_str(), last.actor.as_str()), ("hub", "hub"));
    let again = StepBreakRequest { assignee: "ana".to_owned(), ..on.step(1, BreakState::Assigned) };
    let again = refused(operators.step_break(again).await);
    assert_refused(&again, STATE, &[("state", "WRITTEN_OFF")], "it is at its end");
    let unknown = WriteOffRequest {
        request_id: new_request_id(),
        break_id: format!("{}/1", new_request_id()),
        ..on.write_off(1)
    };
    let unknown = operators.write_off(unknown).await.unwrap_err();
    assert_eq!(reason(&unknown), ErrorReason::BreakUnknown);
    let adjusted = operators.adjust(on.adjust(0, (ROVER, "hub"), 600_000)).await.unwrap();
    on.agree(7).await;
    operators.step_break(on.adjusted(7, &adjusted.adjustment)).await.unwrap();
    the_check_names_what_is_tampered_with(&on).await;
    on.hub.close().await;
}

/// The first break is written off, the last is adjusted.
async fn the_check_names_what_is_tampered_with(on: &Breaks) {
    let pool = on.hub.database().owner_pool().await;
    for (tampering, undone, said) in [
        (
            "UPDATE break_steps SET owner = 'ben' WHERE number = 7 AND state = 2",
            "UPDATE break_steps SET owner = 'ana' WHERE number = 7 AND state = 2",
            "break 7 of reconciliation",
        ),
        (
            "UPDATE break_steps SET step = step + 1 WHERE number = 1 AND state = 6",
            "UPDATE break_steps SET step = step - 1 WHERE number = 1 AND state = 6",
            "step 4 of break 1",
        ),
        (
            "UPDATE break_steps SET adjustment = reconciliation_id WHERE state = 5",
            "UPDATE break_steps s SET adjustment = a.request_id FROM adjustments a WHERE state = 5",
            "the adjustment of break 7",
        ),
    ] {
        tampering_is_found(&pool, (tampering, undone), said).await;
    }
}

/// A step, and the same with one field changed.
fn stepping(on: Option<&Breaks>) -> (StepBreakRequest, Vec<(&'static str, StepBreakRequest)>) {
    let break_id = on.map(|on| on.id(2)).unwrap_or_default();
    let step = StepBreakRequest {
        request_id: new_request_id(),
        break_id,
        to: BreakState::Assigned.into(),
        assignee: "ana".to_owned(),
        reason: "looks like a void".to_owned(),
        adjustment: String::new(),
    };
    let changed = vec![
        (
            "break_id",
            StepBreakRequest { break_id: format!("{}/1", new_request_id()), ..step.clone() },
        ),
        (
            "to",
            StepBreakRequest {
                to: BreakState::Agreed.into(),
                assignee: String::new(),
                ..step.clone()
            },
        ),
        ("assignee", StepBreakRequest { assignee: "ben".to_owned(), ..step.clone() }),
        ("reason", StepBreakRequest { reason: "is a void".to_owned(), ..step.clone() }),
    ];
    (step, changed)
}

/// The fields by which a reused id of a step is told; an adjustment never differs first, since only
/// ADJUSTED has one.
pub(crate) fn fields_of_steps() -> impl Iterator<Item = (String, String)> {
    let fields = stepping(None).1.into_iter().map(|(field, _)| field).chain(["adjustment"]);
    fields.map(|field| ("StepBreak".to_owned(), field.to_owned()))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_step_that_cannot_be_taken_says_why_and_another_partner_learns_nothing() {
    let on = Breaks::found().await;
    let (operators, rover, harbor) = (&on.operators, &on.rover, on.hub.partner(HARBOR).await);
    for to in [BreakState::Agreed, BreakState::Rejected] {
        let early = refused(operators.step_break(on.step(2, to)).await);
        assert_refused(&early, STATE, &[("state", "OPEN")], "nobody looks into it");
    }
    let comment = refused(rover.step_break(on.step(2, BreakState::Assigned)).await);
    assert_refused(&comment, STATE, &[("state", "OPEN")], "nobody has it");
    for theirs in [on.assign(2, "ana"), on.adjusted(2, &new_request_id())] {
        let refusal = refused(rover.step_break(theirs).await);
        assert_refused(&refusal, ErrorReason::NotAllowed, &[], "operators alone");
    }
    let off = refused(operators.step_break(on.step(2, BreakState::WrittenOff)).await);
    assert_eq!(off.reason, ErrorReason::Malformed, "it takes two");
    // Who names nobody takes it.
    let own = operators.step_break(on.step(2, BreakState::Assigned)).await.unwrap();
    assert_eq!(stands(&own), (BreakState::Assigned, "amelia"));

    let (step, changed) = stepping(Some(&on));
    operators.step_break(step).await.unwrap();
    for (field, request) in changed {
        let reused = refused(operators.step_break(request).await);
        assert_refused(&reused, ErrorReason::RequestIdReused, &[("field", field)], field);
    }

    let unknown = ErrorReason::BreakUnknown;
    for break_id in [on.id(2), on.id(8), format!("{}/2", new_request_id())] {
        let read = harbor.get_break(GetBreakRequest { break_id: break_id.clone() }).await;
        assert_refused(&refused(read), unknown, &[], &break_id);
        let step = StepBreakRequest { break_id, ..on.step(2, BreakState::Rejected) };
        assert_refused(&refused(harbor.step_break(step).await), unknown, &[], "another's");
    }
    let nothing = harbor.list_breaks(ListBreaksRequest::default()).await.unwrap();
    assert_eq!(nothing.breaks, []);
    let all = ListReconciliationsRequest::default();
    assert_eq!(harbor.list_reconciliations(all).await.unwrap().reconciliations, []);
    let partner = ROVER.to_owned();
    let named = ListBreaksRequest { partner: partner.clone(), ..ListBreaksRequest::default() };
    assert_eq!(refused(harbor.list_breaks(named).await).reason, ErrorReason::NotAllowed);
    let named = ListReconciliationsRequest { partner, ..ListReconciliationsRequest::default() };
    assert_eq!(refused(harbor.list_reconciliations(named).await).reason, ErrorReason::NotAllowed);
    let reconciliation = on.report.clone();
    let named = ListBreaksRequest { reconciliation, ..ListBreaksRequest::default() };
    let refusal = refused(harbor.list_breaks(named).await);
    assert_refused(&refusal, ErrorReason::ReconciliationUnknown, &[], "another's");

    let later = RecordHeader { with_money: false, ..header(1) };
    reconcile(rover, later, file()).await.unwrap();
    let superseded = refused(operators.step_break(on.step(2, BreakState::Agreed)).await);
    assert_refused(&superseded, STATE, &[("state", "SUPERSEDED")], "a later record stands");
    assert!(on.get(rover, 2).await.superseded);
    on.hub.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn breaks_and_reports_are_listed_by_what_is_asked_for_page_by_page() {
    let on = Breaks::found().await;
    let operators = &on.operators;
    operators.step_break(on.assign(2, "ana")).await.unwrap();
    operators.step_break(on.assign(3, "ben")).await.unwrap();
    operators.step_break(on.step(3, BreakState::Rejected)).await.unwrap();
    let all = ListBreaksRequest::default;
    let window = WINDOW.to_owned();
    for (request, expected) in [
        (ListBreaksRequest { window: window.clone(), ..all() }, vec![1, 2, 3, 4, 5, 6, 7]),
        (ListBreaksRequest { kind: BreakKind::Amount.into(), ..all() }, vec![3]),
        (ListBreaksRequest { state: BreakState::Open.into(), ..all() }, vec![1, 4, 5, 6, 7]),
        (ListBreaksRequest { unresolved: true, ..all() }, vec![1, 2, 4, 5, 6, 7]),
        (ListBreaksRequest { owner: "ana".to_owned(), ..all() }, vec![2]),
        (ListBreaksRequest { owner: "ben".to_owned(), unresolved: true, ..all() }, vec![]),
        (ListBreaksRequest { partner: HARBOR.to_owned(), ..all() }, vec![]),
        (
            ListBreaksRequest { reconciliation: on.report.clone(), ..all() },
            vec![1, 2, 3, 4, 5, 6, 7],
        ),
    ] {
        let shown = format!("{request:?}");
        let page = operators.list_breaks(request).await.unwrap();
        assert_eq!(
            (numbers(&page.breaks), page.next_page_token),
            (expected, String::new()),
            "{shown}"
        );
        assert!(page.as_of.is_some());
    }
    let owner = ListBreaksRequest { owner: "ana".to_owned(), ..all() };
    assert_eq!(refused(on.rover.list_breaks(owner).await).reason, ErrorReason::NotAllowed);
    for (request, expected) in [
        (ListBreaksRequest { window: "1999".to_owned(), ..all() }, ErrorReason::WindowUnknown),
        (ListBreaksRequest { partner: "nobody".to_owned(), ..all() }, ErrorReason::PartnerUnknown),
        (ListBreaksRequest { kind: 99, ..all() }, ErrorReason::Malformed),
        (ListBreaksRequest { page_token: "x".to_owned(), ..all() }, ErrorReason::Malformed),
    ] {
        assert_eq!(refused(operators.list_breaks(request).await).reason, expected);
    }

    // A second report, of points alone, of which the first one's breaks are no part.
    let later = RecordHeader { with_money: false, ..header(1) };
    let (second, breaks) = reconcile(operators, later, file()).await.unwrap();
    let mut request = ListBreaksRequest { page_size: 4, ..all() };
    let first = on.rover.list_breaks(request.clone()).await.unwrap();
    request.page_token = first.next_page_token;
    let last = on.rover.list_breaks(request).await.unwrap();
    let listed = [numbers(&first.breaks), numbers(&last.breaks)].concat();
    assert_eq!((listed, last.next_page_token), (numbers(&breaks), String::new()));
    assert!(last.breaks.iter().all(|found| found.reconciliation == second.reconciliation));

    let mut request = ListReconciliationsRequest { page_size: 1, ..Default::default() };
    let newest = on.rover.list_reconciliations(request.clone()).await.unwrap();
    assert_eq!(newest.reconciliations[0].made_by, "hub", "to partners operators have no names");
    request.page_token = newest.next_page_token;
    let oldest = on.rover.list_reconciliations(request).await.unwrap();
    assert!(oldest.next_page_token.is_empty());
    let told = [newest.reconciliations, oldest.reconciliations].concat();
    let told: Vec<_> = told
        .iter()
        .map(|one| (one.reconciliation.as_str(), one.superseded, one.unresolved_count))
        .collect();
    let unresolved = i64::try_from(breaks.len()).unwrap();
    let expected =
        [(second.reconciliation.as_str(), false, unresolved), (on.report.as_str(), true, 6)];
    assert_eq!(told, expected);
    on.hub.close().await;
}
