//! Invariant 3, once: an id that was used for other content names the first field that differs, for
//! every write of the contract and for every field of it.

use std::collections::BTreeSet;

use entente_client::{
    api::{
        error::ErrorReason,
        event::{DeleteWebhookRequest, EventKind, RegisterWebhookRequest, ReplayDeliveryRequest},
        identity::{RevokeKeyRequest, RotateKeyRequest},
        member::{
            AttachReferenceRequest, ConfirmLinkRequest, CreateLinkCodeRequest, LinkMemberRequest,
            RedeemLinkCodeRequest, RedeemLinkCodeResponse, UnlinkRequest, UnmergeMembersRequest,
            unlink_request::Link, unmerge_members_request::Merge,
        },
        partner::{
            Agreement, CreatePartnerRequest, ExchangeRate, PublishTermsRequest,
            ResumePartnerRequest, SuspendPartnerRequest,
        },
        points::{
            AuthorizeRequest, BurnRequest, CaptureRequest, DonateRequest, EarnRequest,
            ExchangeRequest, ReverseRequest, VoidRequest, authorize_request, burn_request,
            exchange_request, reverse_request,
        },
        proposal::{Act, ApproveRequest, ProposeRequest, RejectRequest, act},
        settlement::{
            AgreeStatementRequest, AmountKind, AnswerDisputeRequest, AssignPaymentRequest,
            CloseWindowRequest, DisputeCode, DisputeLinesRequest, Netting, RecordPaymentRequest,
        },
    },
    new_request_id,
};
use entente_hub::config::WebhookSettings;
use entente_identity::jwt::SigningKey;
use entente_testkit::{
    TestHub,
    cast::{
        GROCER, HARBOR, ROVER, agreement, burn, donate, earn, enrol, give, link, money, publish,
        redeem, wire_time,
    },
    morning, signer,
};
use prost::Message;
use prost_types::FileDescriptorSet;

use crate::{
    breaks::fields_of_steps,
    disputed_totals::day_total,
    disputes::objection,
    merging::merge,
    obligations::arrangement,
    payments::{HUBS, statement},
    published::assert_refused,
    tokens_end::rotation,
    wire::{Rpc, Wire, partner, request_id},
};

const EUR: i64 = 1_000_000;

/// A write that is accepted, and the same with one field changed, under its name.
struct Write {
    rpc: Rpc,
    accepted: Vec<u8>,
    changed: Vec<(&'static str, Vec<u8>)>,
}

type Change<M> = (&'static str, fn(&mut M));

fn write<M: Message + Clone>(rpc: Rpc, accepted: &M, changes: &[Change<M>]) -> Write {
    let changed = changes.iter().map(|(field, change)| {
        let mut message = accepted.clone();
        change(&mut message);
        (*field, message.encode_to_vec())
    });
    Write { rpc, accepted: accepted.encode_to_vec(), changed: changed.collect() }
}

// What a field is changed to is well formed, and often unknown: that the id was used comes first.
fn nobody() -> String {
    "nobody".to_owned()
}

fn no_partner() -> String {
    "nobody-at-all".to_owned()
}

fn earning() -> EarnRequest {
    let mut request = earn("guest", 100 * EUR, "EUR");
    request.activity_at = Some(wire_time(morning()));
    request.receipt_reference = "R-1".into();
    request
}

fn burning(amount: burn_request::Amount) -> BurnRequest {
    let receipt_reference = "R-2".to_owned();
    BurnRequest { amount: Some(amount), receipt_reference, ..burn("guest", 0) }
}

fn holding(amount: authorize_request::Amount) -> AuthorizeRequest {
    AuthorizeRequest {
        request_id: new_request_id(),
        member_reference: "guest".to_owned(),
        amount: Some(amount),
        receipt_reference: "R-3".to_owned(),
    }
}

fn reversing(original: &str, part: reverse_request::Part) -> ReverseRequest {
    let original_request_id = original.to_owned();
    ReverseRequest { request_id: new_request_id(), original_request_id, part: Some(part) }
}

fn writes_of_burns() -> Vec<Write> {
    use burn_request::Amount::{Points, Value};
    let (burn, hold) = (("points", "Burn"), ("points", "Authorize"));
    let held = |amount| match amount {
        Points(points) => authorize_request::Amount::Points(points),
        Value(value) => authorize_request::Amount::Value(value),
    };
    vec![
        write(
            burn,
            &burning(Points(10)),
            &[
                ("member_reference", |r| r.member_reference = nobody()),
                ("points", |r| r.amount = Some(Points(11))),
                ("points", |r| r.amount = Some(Value(money(100_000, "EUR")))),
                ("receipt_reference", |r| r.receipt_reference.clear()),
            ],
        ),
        write(
            burn,
            &burning(Value(money(100_000, "EUR"))),
            &[
                ("value", |r| r.amount = Some(Value(money(100_001, "EUR")))),
                ("value", |r| r.amount = Some(Value(money(100_000, "USD")))),
            ],
        ),
        write(
            hold,
            &holding(held(Points(10))),
            &[
                ("member_reference", |r| r.member_reference = nobody()),
                ("points", |r| r.amount = Some(authorize_request::Amount::Points(11))),
                ("receipt_reference", |r| r.receipt_reference = "R-4".into()),
            ],
        ),
        write(
            hold,
            &holding(held(Value(money(100_000, "EUR")))),
            &[("value", |r| {
                r.amount = Some(authorize_request::Amount::Value(money(100_001, "EUR")));
            })],
        ),
    ]
}

fn writes_of_holds() -> Vec<Write> {
    let hold = || holding(authorize_request::Amount::Points(10));
    let (captured, voided) = (hold(), hold());
    let capture = CaptureRequest {
        request_id: new_request_id(),
        authorization_request_id: captured.request_id.clone(),
        points: Some(9),
    };
    let void = VoidRequest {
        request_id: new_request_id(),
        authorization_request_id: voided.request_id.clone(),
    };
    vec![
        write(("points", "Authorize"), &captured, &[]),
        write(("points", "Authorize"), &voided, &[]),
        write(
            ("points", "Capture"),
            &capture,
            &[
                ("authorization_request_id", |r| r.authorization_request_id = new_request_id()),
                ("points", |r| r.points = Some(10)),
                ("points", |r| r.points = None),
            ],
        ),
        write(
            ("points", "Void"),
            &void,
            &[("authorization_request_id", |r| {
                r.authorization_request_id = new_request_id();
            })],
        ),
    ]
}

fn writes_of_reversals() -> Vec<Write> {
    use reverse_request::Part::{Points, Spend};
    let earned = earning();
    let burned = burning(burn_request::Amount::Points(10));
    let unearned = reversing(&earned.request_id, Spend(money(EUR, "EUR")));
    let unburned = reversing(&burned.request_id, Points(5));
    vec![
        write(
            ("points", "Earn"),
            &earned,
            &[
                ("member_reference", |r| r.member_reference = nobody()),
                ("spend", |r| r.spend = Some(money(100 * EUR + 1, "EUR"))),
                ("spend", |r| r.spend = Some(money(100 * EUR, "USD"))),
                ("category", |r| r.category = "spa".into()),
                ("activity_at", |r| r.activity_at = None),
                ("receipt_reference", |r| r.receipt_reference.clear()),
                ("retro_claim", |r| r.retro_claim = true),
                ("paid_in_points", |r| r.paid_in_points = Some(money(1, "EUR"))),
            ],
        ),
        write(("points", "Burn"), &burned, &[]),
        write(
            ("points", "Reverse"),
            &unearned,
            &[
                ("original_request_id", |r| r.original_request_id = new_request_id()),
                ("spend", |r| r.part = Some(Spend(money(2 * EUR, "EUR")))),
                ("spend", |r| r.part = None),
            ],
        ),
        write(("points", "Reverse"), &unburned, &[("points", |r| r.part = Some(Points(6)))]),
    ]
}

fn writes_of_exchanges() -> Vec<Write> {
    use exchange_request::Amount::{OwnPoints, Points};
    let exchange = |amount| ExchangeRequest {
        request_id: new_request_id(),
        member_reference: "guest".to_owned(),
        amount: Some(amount),
        receipt_reference: "R-5".to_owned(),
    };
    vec![
        write(
            ("points", "Exchange"),
            &exchange(OwnPoints(30)),
            &[
                ("member_reference", |r| r.member_reference = nobody()),
                ("own_points", |r| r.amount = Some(OwnPoints(31))),
                ("own_points", |r| r.amount = Some(Points(30))),
                ("receipt_reference", |r| r.receipt_reference.clear()),
            ],
        ),
        write(
            ("points", "Exchange"),
            &exchange(Points(30)),
            &[("points", |r| r.amount = Some(Points(31)))],
        ),
    ]
}

/// Every write of a partner, in an order in which all are accepted.
fn writes_of_partners() -> Vec<Write> {
    let mut writes = writes_of_links();
    writes.extend(writes_of_reversals());
    writes.extend(writes_of_holds());
    writes.extend(writes_of_burns());
    writes.extend(writes_of_exchanges());
    writes.extend(writes_of_gifts());
    writes
}

/// After the member `linked` was linked.
fn writes_of_gifts() -> Vec<Write> {
    let donation =
        DonateRequest { receipt_reference: "R-5".to_owned(), ..donate("guest", GROCER, 10) };
    vec![
        write(
            ("points", "Transfer"),
            &give("guest", "linked", 10),
            &[
                ("from_member_reference", |r| r.from_member_reference = nobody()),
                ("to_member_reference", |r| r.to_member_reference = nobody()),
                ("points", |r| r.points = 11),
            ],
        ),
        write(
            ("points", "Donate"),
            &donation,
            &[
                ("member_reference", |r| r.member_reference = nobody()),
                ("charity", |r| r.charity = no_partner()),
                ("points", |r| r.points = 11),
                ("receipt_reference", |r| r.receipt_reference.clear()),
            ],
        ),
    ]
}

/// A code that Harbor made for Rover, and the number to match.
struct Code {
    id: String,
    code: String,
}

/// A write whose changes need more than its message.
fn with_changes<M: Message>(rpc: Rpc, accepted: &M, changed: &[(&'static str, M)]) -> Write {
    let changed = changed.iter().map(|(field, message)| (*field, message.encode_to_vec()));
    Write { rpc, accepted: accepted.encode_to_vec(), changed: changed.collect() }
}

/// The member `linked` is linked, and a code is made for it.
fn writes_of_links() -> Vec<Write> {
    let harbor = signer(HARBOR);
    let link = link(&harbor, "linked");
    let other = LinkMemberRequest { request_id: link.request_id.clone(), ..cast_link("other") };
    let create = CreateLinkCodeRequest {
        request_id: new_request_id(),
        member_reference: "linked".to_owned(),
        target_partner: GROCER.to_owned(),
        allow_merge: false,
    };
    vec![
        with_changes(("member", "LinkMember"), &link, &[("member_assertion", other)]),
        write(
            ("member", "CreateLinkCode"),
            &create,
            &[
                ("member_reference", |r| r.member_reference = nobody()),
                ("target_partner", |r| r.target_partner = no_partner()),
                ("allow_merge", |r| r.allow_merge = true),
            ],
        ),
    ]
}

fn cast_link(reference: &str) -> LinkMemberRequest {
    link(&signer(HARBOR), reference)
}

/// At Rover, what takes the code.
fn write_of_redeeming(code: &Code) -> Write {
    let rover = signer(ROVER);
    let accepted = redeem(&rover, "rider", &code.code);
    let with_id = |changed: RedeemLinkCodeRequest| RedeemLinkCodeRequest {
        request_id: accepted.request_id.clone(),
        ..changed
    };
    let changed = [
        ("member_assertion", with_id(redeem(&rover, "racer", &code.code))),
        ("code", with_id(redeem(&rover, "rider", "2222-2222"))),
    ];
    with_changes(("member", "RedeemLinkCode"), &accepted, &changed)
}

/// At Harbor again: what confirms the code, takes the link back, and removes Harbor's own.
fn writes_of_confirming(code: &Code, number: i32) -> Vec<Write> {
    let confirming = |reference: &str| ConfirmLinkRequest {
        request_id: String::new(),
        member_assertion: cast_link(reference).member_assertion,
        link_code_id: code.id.clone(),
        number,
    };
    let request_id = new_request_id();
    let accepted = ConfirmLinkRequest { request_id, ..confirming("guest") };
    let with_id = |changed: ConfirmLinkRequest| ConfirmLinkRequest {
        request_id: accepted.request_id.clone(),
        ..changed
    };
    let other = new_request_id();
    let changed = [
        ("member_assertion", with_id(confirming("other"))),
        (
            "link_code_id",
            with_id(ConfirmLinkRequest { link_code_id: other, ..confirming("guest") }),
        ),
        ("number", with_id(ConfirmLinkRequest { number: 109 - number, ..confirming("guest") })),
    ];
    let unlink = |link| UnlinkRequest { request_id: new_request_id(), link: Some(link) };
    vec![
        with_changes(("member", "ConfirmLink"), &accepted, &changed),
        write(
            ("member", "Unlink"),
            &unlink(Link::LinkCodeId(code.id.clone())),
            &[("link_code_id", |r| r.link = Some(Link::LinkCodeId(new_request_id())))],
        ),
        write(
            ("member", "Unlink"),
            &unlink(Link::MemberReference("linked".to_owned())),
            &[("member_reference", |r| r.link = Some(Link::MemberReference(nobody())))],
        ),
    ]
}

/// What takes two merges back: one by its code, one by its redemption.
fn writes_of_unmerging(code: &str, redemption: &str) -> [Write; 2] {
    let unmerge =
        |merge| UnmergeMembersRequest { request_id: new_request_id(), merge: Some(merge) };
    [
        write(
            ("member", "UnmergeMembers"),
            &unmerge(Merge::LinkCodeId(code.to_owned())),
            &[("link_code_id", |r| r.merge = Some(Merge::LinkCodeId(new_request_id())))],
        ),
        write(
            ("member", "UnmergeMembers"),
            &unmerge(Merge::RedemptionId(redemption.to_owned())),
            &[("redemption_id", |r| r.merge = Some(Merge::RedemptionId(new_request_id())))],
        ),
    ]
}

fn registering() -> RegisterWebhookRequest {
    let url = "https://hooks.example.com/".to_owned();
    RegisterWebhookRequest { request_id: new_request_id(), url, kinds: Vec::new() }
}

/// Every write of webhooks, the last two of one that is registered.
fn writes_of_webhooks(webhook_id: &str) -> Vec<Write> {
    let (id, webhook_id) = (new_request_id, webhook_id.to_owned());
    let replay = ReplayDeliveryRequest {
        request_id: id(),
        webhook_id: webhook_id.clone(),
        event_id: String::new(),
    };
    let delete = DeleteWebhookRequest { request_id: id(), webhook_id };
    vec![
        write(
            ("event/webhook", "RegisterWebhook"),
            &registering(),
            &[
                ("url", |r| r.url = "https://other.example.com/".into()),
                ("kinds", |r| r.kinds = vec![EventKind::Operation.into()]),
            ],
        ),
        write(
            ("event/webhook", "ReplayDelivery"),
            &replay,
            &[
                ("webhook_id", |r| r.webhook_id = new_request_id()),
                ("event_id", |r| r.event_id = new_request_id()),
            ],
        ),
        write(
            ("event/webhook", "DeleteWebhook"),
            &delete,
            &[("webhook_id", |r| {
                r.webhook_id = new_request_id();
            })],
        ),
    ]
}

fn writes_of_brands() -> Vec<Write> {
    let id = new_request_id;
    let create = CreatePartnerRequest {
        request_id: id(),
        code: "blue-fuel".to_owned(),
        display_name: "Blue Fuel".to_owned(),
        testing: false,
    };
    let suspend = SuspendPartnerRequest { request_id: id(), partner: GROCER.to_owned() };
    let resume = ResumePartnerRequest { request_id: id(), partner: GROCER.to_owned() };
    vec![
        write(
            ("partner", "CreatePartner"),
            &create,
            &[
                ("code", |r| r.code = HARBOR.into()),
                ("display_name", |r| r.display_name = "Blue".into()),
                ("testing", |r| r.testing = true),
            ],
        ),
        write(
            ("partner", "SuspendPartner"),
            &suspend,
            &[("partner", |r| {
                r.partner = no_partner();
            })],
        ),
        write(
            ("partner", "ResumePartner"),
            &resume,
            &[("partner", |r| {
                r.partner = no_partner();
            })],
        ),
    ]
}

/// Every write of an operator, in an order in which all are accepted.
fn writes_of_operators() -> Vec<Write> {
    let payment = RecordPaymentRequest {
        request_id: new_request_id(),
        partner: HARBOR.to_owned(),
        amount: Some(money(10_000, "EUR")),
        obligation: String::new(),
    };
    let mut writes = vec![write(
        ("settlement", "RecordPayment"),
        &payment,
        &[
            ("partner", |r| r.partner = no_partner()),
            ("amount", |r| r.amount = Some(money(10_001, "EUR"))),
        ],
    )];
    writes.extend(writes_of_brands());
    writes
}

/// Every write about the closed window, in which this was earned, and about the first bank entry.
fn writes_of_clearing(earned: &str) -> Vec<Write> {
    let (id, window) = (new_request_id, || "paid".to_owned());
    let agree =
        AgreeStatementRequest { request_id: id(), window: window(), partner: GROCER.to_owned() };
    let dispute = DisputeLinesRequest {
        window: window(),
        partner: HARBOR.to_owned(),
        ..objection(earned, AmountKind::Issue, "EUR")
    };
    let answer = AnswerDisputeRequest {
        request_id: id(),
        dispute: dispute.request_id.clone(),
        adjustment: String::new(),
        answer: "looked into".to_owned(),
    };
    let assign = AssignPaymentRequest {
        request_id: id(),
        entry: "1/1".to_owned(),
        obligation: String::new(),
        reason: "sent back".to_owned(),
    };
    vec![
        write(
            ("settlement/clearing", "AgreeStatement"),
            &agree,
            &[("window", |r| r.window = "open".into()), ("partner", |r| r.partner = no_partner())],
        ),
        write(
            ("settlement/clearing", "DisputeLines"),
            &dispute,
            &[
                ("window", |r| r.window = "open".into()),
                ("partner", |r| r.partner = GROCER.into()),
                ("lines", |r| r.lines[0].currency = "USD".into()),
                ("code", |r| r.code = DisputeCode::Points.into()),
                ("evidence", |r| r.evidence = "not listed".into()),
                ("totals", |r| r.totals.push(day_total("2026-03-01"))),
            ],
        ),
        write(
            ("settlement/clearing", "AnswerDispute"),
            &answer,
            &[
                ("dispute", |r| r.dispute = new_request_id()),
                ("adjustment", |r| r.adjustment = new_request_id()),
                ("answer", |r| r.answer = "not looked into".into()),
            ],
        ),
        write(
            ("settlement/clearing", "AssignPayment"),
            &assign,
            &[
                ("entry", |r| r.entry = "1/2".into()),
                ("obligation", |r| r.obligation = "W1-1-0-EUR".into()),
                ("reason", |r| r.reason = "kept".into()),
            ],
        ),
    ]
}

/// Two proposals, the second of which is withdrawn, by one operator; the approval of the first, by
/// another.
fn writes_about_proposals() -> (Vec<Write>, Write) {
    let attach = |target: &str| {
        let request = AttachReferenceRequest {
            partner: HARBOR.to_owned(),
            member_reference: "guest".to_owned(),
            target_partner: target.to_owned(),
            target_member_reference: "guest".to_owned(),
            ..AttachReferenceRequest::default()
        };
        Some(Act { act: Some(act::Act::AttachReference(request)) })
    };
    let propose = |target: &str| ProposeRequest {
        request_id: new_request_id(),
        reason: "agreed in March".to_owned(),
        act: attach(target),
    };
    let (first, second) = (propose(ROVER), propose(GROCER));
    let reject = RejectRequest {
        request_id: new_request_id(),
        proposal: second.request_id.clone(),
        reason: "too early".to_owned(),
    };
    let approve =
        ApproveRequest { request_id: new_request_id(), proposal: first.request_id.clone() };
    let proposed = |request: &ProposeRequest| {
        write(
            ("proposal", "Propose"),
            request,
            &[
                ("reason", |r| r.reason = "agreed in April".into()),
                ("act", |r| {
                    let other = PublishTermsRequest {
                        partner: HARBOR.to_owned(),
                        agreement: Some(agreement(HARBOR)),
                        ..PublishTermsRequest::default()
                    };
                    r.act = Some(Act { act: Some(act::Act::PublishTerms(other)) });
                }),
            ],
        )
    };
    let rejected = write(
        ("proposal", "Reject"),
        &reject,
        &[
            ("proposal", |r| r.proposal = new_request_id()),
            ("reason", |r| r.reason = "too late".into()),
        ],
    );
    let approved = write(
        ("proposal", "Approve"),
        &approve,
        &[("proposal", |r| {
            r.proposal = new_request_id();
        })],
    );
    (vec![proposed(&first), proposed(&second), rejected], approved)
}

fn writes_of_keys(rotate: &RotateKeyRequest, kid: &str) -> Vec<Write> {
    let revoke = RevokeKeyRequest {
        request_id: new_request_id(),
        owner: "partner/green-grocer".to_owned(),
        kid: kid.to_owned(),
    };
    vec![
        write(
            ("identity/key", "RotateKey"),
            rotate,
            &[
                ("jwk", |r| r.jwk = SigningKey::generate().unwrap().public_key().jwk()),
                ("proof", |r| r.proof = "a.b.c".into()),
                ("possession", |r| r.possession = "a.b.c".into()),
            ],
        ),
        write(
            ("identity/key", "RevokeKey"),
            &revoke,
            &[("owner", |r| r.owner.clear()), ("kid", |r| r.kid = "k".repeat(43))],
        ),
    ]
}

/// Sends each write, then each of its changes, then another method, then itself.
async fn assert_once(wire: &Wire, writes: &[Write], other: (Rpc, fn(String) -> Vec<u8>)) {
    for Write { rpc, accepted, changed } in writes {
        let first = wire.call(*rpc, accepted).await.unwrap_or_else(|r| panic!("{}: {r}", rpc.1));
        for (field, message) in changed {
            let case = format!("{} with another {field}", rpc.1);
            let refusal = wire.call(*rpc, message).await.expect_err(&case);
            assert_refused(&refusal, ErrorReason::RequestIdReused, &[("field", field)], &case);
        }
        if *rpc != other.0 {
            let message = other.1(request_id(accepted));
            let refusal = wire.call(other.0, &message).await.expect_err(rpc.1);
            let reused = ErrorReason::RequestIdReused;
            assert_refused(&refusal, reused, &[("field", "method")], rpc.1);
        }
        let again = wire.call(*rpc, accepted).await.unwrap_or_else(|r| panic!("{}: {r}", rpc.1));
        // `replayed = true` is the one thing that differs: two bytes, a tag and a 1.
        assert_eq!(again.len(), first.len() + 2, "{} was replayed", rpc.1);
        assert_eq!(again[..first.len()], first[..], "{} was replayed", rpc.1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reused_id_names_the_field_that_differs_whatever_the_write() {
    let allowed_hosts = vec!["hooks.example.com".to_owned()];
    let hub = TestHub::telling(WebhookSettings { allowed_hosts, ..Default::default() }).await;
    let harbor = hub.partner(HARBOR).await;
    enrol(&harbor, "guest").await;
    let earned = harbor.earn(earn("guest", 1_000 * EUR, "EUR")).await.unwrap();
    let earned = earned.operation.unwrap().request_id;
    let operator = hub.operator().await;
    let arranged = arrangement(Netting::Multilateral);
    operator.arrange_settlement(new_request_id(), arranged).await.unwrap();
    let told = statement("S1", HUBS, &[("B1", "CRDT", "1.00", "unknown")]);
    operator.import_bank_statement(told).await.unwrap();
    let rate = ExchangeRate { give: 1, receive: 1, ..ExchangeRate::default() };
    let (exchange_in, exchange_out) = (Some(rate), Some(rate));
    let exchanging = Agreement { exchange_in, exchange_out, ..agreement(HARBOR) };
    publish(&operator, HARBOR, morning(), exchanging).await;
    operator
        .close_window(CloseWindowRequest { name: "paid".to_owned(), testing: false })
        .await
        .unwrap();

    let unlink = |request_id: String| {
        let link = Some(Link::MemberReference(nobody()));
        UnlinkRequest { request_id, link }.encode_to_vec()
    };
    let suspend = |request_id: String| {
        SuspendPartnerRequest { request_id, partner: no_partner() }.encode_to_vec()
    };
    let wire = Wire::partner(&hub, HARBOR).await;
    assert_once(&wire, &writes_of_partners(), (("member", "Unlink"), unlink)).await;
    let webhook_id = harbor.register_webhook(registering()).await.unwrap().webhook_id;
    let writes = writes_of_webhooks(&webhook_id);
    assert_once(&wire, &writes, (("member", "Unlink"), unlink)).await;
    links_once(&hub, (("member", "Unlink"), unlink)).await;
    let grocer = partner(GROCER);
    let wire = Wire::partner(&hub, GROCER).await;
    let key = SigningKey::generate().unwrap();
    let own = SigningKey::from_pem_file(&hub.trust_domain().assertion_key(&grocer)).unwrap();
    let writes = writes_of_keys(&rotation(&hub, &grocer, &own, &key), key.public_key().kid());
    assert_once(&wire, &writes, (("member", "Unlink"), unlink)).await;
    let wire = Wire::operator(&hub).await;
    let other: (Rpc, fn(String) -> Vec<u8>) = (("partner", "SuspendPartner"), suspend);
    assert_once(&wire, &writes_of_operators(), other).await;
    assert_once(&wire, &writes_of_clearing(&earned), other).await;
    let (proposed, approved) = writes_about_proposals();
    assert_once(&wire, &proposed, other).await;
    assert_once(&Wire::second_operator(&hub).await, &[approved], other).await;
    hub.close().await;
}

/// A code from its making to its end.
async fn links_once(hub: &TestHub, other: (Rpc, fn(String) -> Vec<u8>)) {
    let create = CreateLinkCodeRequest {
        request_id: new_request_id(),
        member_reference: "guest".to_owned(),
        target_partner: ROVER.to_owned(),
        allow_merge: false,
    };
    let id = create.request_id.clone();
    let code = hub.partner(HARBOR).await.create_link_code(create).await.unwrap().code;
    let code = Code { id, code };
    let redeem = write_of_redeeming(&code);
    let (at_harbor, at_rover) = (Wire::partner(hub, HARBOR).await, Wire::partner(hub, ROVER).await);
    let answer = at_rover.call(redeem.rpc, &redeem.accepted).await.unwrap();
    let number = RedeemLinkCodeResponse::decode(answer.as_slice()).unwrap().number;
    // The same request again was answered before, and so are those that differ from it.
    for (field, message) in &redeem.changed {
        let refusal = at_rover.call(redeem.rpc, message).await.expect_err(field);
        assert_refused(&refusal, ErrorReason::RequestIdReused, &[("field", field)], field);
    }
    assert_once(&at_harbor, &writes_of_confirming(&code, number), other).await;
    let (harbor, rover) = (hub.partner(HARBOR).await, hub.partner(ROVER).await);
    enrol(&harbor, "joined").await;
    enrol(&rover, "racer").await;
    let first = merge(&harbor, &rover, ("joined", "racer")).await;
    let [by_code, _] = writes_of_unmerging(&first.code_id, "");
    assert_once(&at_harbor, &[by_code], other).await;
    let second = merge(&harbor, &rover, ("joined", "racer")).await;
    let [_, by_redemption] = writes_of_unmerging("", &second.redemption_id);
    assert_once(&at_rover, &[by_redemption], other).await;
}

/// (method, field) of every field beside `request_id` of every write of the contract: a write's
/// answer says whether it was `replayed`.
fn described() -> BTreeSet<(String, String)> {
    let files = FileDescriptorSet::decode(entente_api::DESCRIPTOR_SET).unwrap().file;
    let mut found = BTreeSet::new();
    for file in &files {
        let fields = |name: &str| {
            let short = name.rsplit('.').next().unwrap_or(name);
            let message = file.message_type.iter().find(|message| message.name() == short);
            message.expect(name).field.iter().map(|field| field.name().to_owned())
        };
        for method in file.service.iter().flat_map(|service| &service.method) {
            if fields(method.output_type()).any(|field| field == "replayed") {
                let others = fields(method.input_type()).filter(|field| field != "request_id");
                found.extend(others.map(|field| (method.name().to_owned(), field)));
            }
        }
    }
    found
}

#[test]
fn every_field_of_every_write_is_changed_by_some_case() {
    let writes = writes_of_partners().into_iter().chain(writes_of_operators());
    let writes = writes.chain(writes_of_webhooks(&new_request_id()));
    let clearing = writes_of_clearing(&new_request_id());
    let writes = writes.chain(clearing).chain(writes_of_keys(&RotateKeyRequest::default(), ""));
    let (proposed, approved) = writes_about_proposals();
    let writes = writes.chain(proposed).chain([approved]);
    let code = Code { id: new_request_id(), code: "BCDF-2345".to_owned() };
    let writes = writes.chain([write_of_redeeming(&code)]).chain(writes_of_confirming(&code, 42));
    let writes = writes.chain(writes_of_unmerging(&new_request_id(), &new_request_id()));
    let changed = writes.flat_map(|write| {
        let method = write.rpc.1.to_owned();
        write.changed.into_iter().map(move |(field, _)| (method.clone(), field.to_owned()))
    });
    // Beside a partner it is malformed, whichever id it has; without one, the partner differs first.
    let never_first = ("RecordPayment".to_owned(), "obligation".to_owned());
    let changed: BTreeSet<_> = changed.chain([never_first]).chain(fields_of_steps()).collect();
    let described = described();
    assert!(described.len() > 25, "the contract has lost its writes: {described:?}");
    assert_eq!(changed, described);
}
