//! A request id has one final outcome for ever.

use std::time::Duration;

use entente_api::partner::{CreatePartnerRequest, SuspendPartnerRequest};
use entente_store::control::Control;
use futures::future::join_all;

use crate::stage::{HARBOR, ROVER, Stage, create, enrolment, suspension};

#[tokio::test]
async fn one_request_sent_twenty_times_at_once_has_one_effect() {
    let stage = Stage::empty().await;
    let request = create("harbor-hotels");
    let answers = join_all((0..20).map(|_| stage.create(&request))).await;
    let answers: Vec<_> = answers.into_iter().map(|answer| answer.expect("an answer")).collect();
    assert_eq!(answers.iter().filter(|answer| answer.replayed).count(), 19);
    assert!(answers.iter().all(|answer| answer.partner == answers[0].partner));

    let request = enrolment("guest-1");
    let answers = join_all((0..20).map(|_| stage.enrol(HARBOR, &request))).await;
    let answers: Vec<_> = answers.into_iter().map(|answer| answer.expect("an answer")).collect();
    assert_eq!(answers.iter().filter(|answer| answer.replayed).count(), 19);
    assert!(answers.iter().all(|answer| answer.created));
    assert!(answers.iter().all(|answer| answer.member_token == answers[0].member_token));
}

#[tokio::test]
async fn a_reused_id_is_told_the_first_field_that_differs() {
    let stage = Stage::empty().await;
    let request = create("harbor-hotels");
    stage.create(&request).await.expect("a new partner");
    let code = CreatePartnerRequest { code: "other".into(), ..request.clone() };
    let name = CreatePartnerRequest { display_name: "Other".into(), ..request.clone() };
    let both = CreatePartnerRequest { display_name: "Other".into(), ..code.clone() };
    for (reused, field) in [(code, "code"), (name, "display_name"), (both, "code")] {
        let refused = stage.create(&reused).await.expect_err("reused");
        assert_eq!(refused, format!("REQUEST_ID_REUSED {field}"));
    }
    let other_method =
        SuspendPartnerRequest { request_id: request.request_id, partner: "nobody".into() };
    let refused = stage.suspend(&other_method).await.expect_err("reused");
    assert_eq!(refused, "REQUEST_ID_REUSED method");
}

#[tokio::test]
async fn partners_do_not_share_ids_with_each_other_nor_with_operators() {
    let stage = Stage::with_partners().await;
    let request = enrolment("guest-1");
    let at_harbor = stage.enrol(HARBOR, &request).await.expect("enrolled");
    let at_rover = stage.enrol(ROVER, &request).await.expect("enrolled");
    assert!(at_harbor.created && at_rover.created && !at_rover.replayed);
    assert_ne!(at_harbor.member_token, at_rover.member_token);
    let request_id = request.request_id;
    let suspending = SuspendPartnerRequest { request_id, ..suspension("rover-rides") };
    assert!(!stage.suspend(&suspending).await.expect("suspended").replayed);
}

#[tokio::test]
async fn a_kept_refusal_is_the_ids_answer_for_ever() {
    let stage = Stage::with_partners().await;
    let request = create("harbor-hotels");
    for _ in 0..2 {
        assert_eq!(stage.create(&request).await.expect_err("taken"), "PARTNER_EXISTS");
    }
    let reused = CreatePartnerRequest { code: "fresh".into(), ..request };
    assert_eq!(stage.create(&reused).await.expect_err("reused"), "REQUEST_ID_REUSED code");
}

#[tokio::test]
async fn a_refusal_that_is_not_kept_leaves_the_id_free() {
    let stage = Stage::empty().await;
    let request = suspension("harbor-hotels");
    assert_eq!(stage.suspend(&request).await.expect_err("unknown"), "PARTNER_UNKNOWN");
    stage.create(&create("harbor-hotels")).await.expect("a new partner");
    assert!(!stage.suspend(&request).await.expect("suspended").replayed);
}

#[tokio::test]
async fn a_caller_that_cancels_does_not_cut_a_write_short() {
    let stage = Stage::empty().await;
    let held = Control::begin(&stage.pool).await.expect("heads");
    let request = create("harbor-hotels");
    let cancelled = tokio::time::timeout(Duration::from_millis(300), stage.create(&request)).await;
    assert!(cancelled.is_err(), "the heads were not held");
    held.rollback().await.expect("free heads");
    let answer = stage.create(&request).await.expect("an answer");
    assert!(answer.replayed, "the cancelled write was cut short");
}
