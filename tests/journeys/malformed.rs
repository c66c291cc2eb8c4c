//! Requests that are malformed: refused before anything is looked up, each bad field named.

use entente_client::{
    api::{
        error::ErrorReason,
        ledger::AdvanceClockRequest,
        member::{
            CreateLinkCodeRequest, GetBalanceRequest, LinkMemberRequest, UnlinkRequest,
            UnmergeMembersRequest, unlink_request::Link, unmerge_members_request,
        },
        partner::{CreatePartnerRequest, GetPartnerRequest},
        points::{
            BurnRequest, CaptureRequest, DonateRequest, EarnRequest, ExchangeRequest,
            GetOperationRequest, QuoteBurnRequest, QuoteEarnRequest, ReverseRequest,
            TransferRequest, VoidRequest, burn_request, exchange_request, reverse_request,
        },
    },
    new_request_id,
};
use entente_testkit::{
    TestHub,
    cast::{GROCER, HARBOR, balances, burn, donate, earn, enrol, give, money},
};
use prost::Message;

use crate::{
    published::assert_refused,
    wire::{Rpc, Wire},
};

/// What is sent, and the fields that are named for it.
type Case = (Rpc, Vec<u8>, &'static [&'static str]);

fn earning(field: &'static [&'static str], change: impl FnOnce(&mut EarnRequest)) -> Case {
    let mut request = earn("guest", 1_000_000, "EUR");
    change(&mut request);
    (("points", "Earn"), request.encode_to_vec(), field)
}

fn burning(field: &'static [&'static str], change: impl FnOnce(&mut BurnRequest)) -> Vec<Case> {
    let mut request = burn("guest", 1);
    change(&mut request);
    // The two requests have the same fields, under the same numbers.
    let message = request.encode_to_vec();
    vec![(("points", "Burn"), message.clone(), field), (("points", "Authorize"), message, field)]
}

fn time(seconds: i64, nanos: i32) -> prost_types::Timestamp {
    prost_types::Timestamp { seconds, nanos }
}

const NOT_IDS: [&str; 6] = [
    "",
    "guest",
    "00000000-0000-0000-0000-000000000000",
    "7d0c1e1c6f0b4d1b9c590d3b1f6f7a10",
    "7d0c1e1c-6f0b-4d1b-9c59-0d3b1f6f7a1\0",
    "urn:uuid:7d0c1e1c-6f0b-4d1b-9c59-0d3b1f6f7a10",
];

fn bad_ids() -> Vec<Case> {
    let id = new_request_id;
    let mut cases = Vec::new();
    for bad in NOT_IDS {
        let bad = || bad.to_owned();
        let capture =
            CaptureRequest { request_id: id(), authorization_request_id: bad(), points: None };
        let void = VoidRequest { request_id: bad(), authorization_request_id: bad() };
        let reverse = ReverseRequest { request_id: bad(), original_request_id: id(), part: None };
        let asked = GetOperationRequest { request_id: bad() };
        let unlink = UnlinkRequest { request_id: bad(), link: Some(Link::LinkCodeId(bad())) };
        let merge = Some(unmerge_members_request::Merge::RedemptionId(bad()));
        let unmerge = UnmergeMembersRequest { request_id: bad(), merge };
        let link = LinkMemberRequest { request_id: bad(), member_assertion: "signed".to_owned() };
        let code = CreateLinkCodeRequest {
            request_id: bad(),
            member_reference: "guest".to_owned(),
            target_partner: "Nobody".to_owned(),
            allow_merge: false,
        };
        let give = TransferRequest { request_id: bad(), ..give("guest", "friend", 1) };
        let donate = DonateRequest { request_id: bad(), ..donate("guest", GROCER, 1) };
        cases.push((("points", "Transfer"), give.encode_to_vec(), &["request_id"][..]));
        cases.push((("points", "Donate"), donate.encode_to_vec(), &["request_id"][..]));
        cases.push(earning(&["request_id"], |r| r.request_id = bad()));
        cases.extend(burning(&["request_id"], |r| r.request_id = bad()));
        cases.extend([
            (("points", "Capture"), capture.encode_to_vec(), &["authorization_request_id"][..]),
            (
                ("points", "Void"),
                void.encode_to_vec(),
                &["request_id", "authorization_request_id"][..],
            ),
            (("points", "Reverse"), reverse.encode_to_vec(), &["request_id"][..]),
            (("points", "GetOperation"), asked.encode_to_vec(), &["request_id"][..]),
            (("member", "LinkMember"), link.encode_to_vec(), &["request_id"][..]),
            (("member", "Unlink"), unlink.encode_to_vec(), &["request_id", "link_code_id"][..]),
            (
                ("member", "UnmergeMembers"),
                unmerge.encode_to_vec(),
                &["request_id", "redemption_id"][..],
            ),
            (
                ("member", "CreateLinkCode"),
                code.encode_to_vec(),
                &["request_id", "target_partner"][..],
            ),
        ]);
    }
    cases
}

fn bad_amounts() -> Vec<Case> {
    let mut cases = vec![
        earning(&["spend"], |r| r.spend = None),
        earning(&["spend.currency"], |r| r.spend = Some(money(1, "eur"))),
        earning(&["spend.currency"], |r| r.spend = Some(money(1, "EU\0"))),
        earning(&["spend.currency", "spend.micros"], |r| r.spend = Some(money(-1, ""))),
    ];
    cases.extend(burning(&["amount"], |r| r.amount = None));
    for bad in [0, -1, i64::MIN] {
        let value = burn_request::Amount::Value(money(bad, "EUR"));
        let quote = QuoteEarnRequest {
            member_reference: "guest".to_owned(),
            spend: Some(money(bad, "EUR")),
            category: "stay".to_owned(),
            activity_at: None,
            ..QuoteEarnRequest::default()
        };
        let capture = CaptureRequest {
            request_id: new_request_id(),
            authorization_request_id: new_request_id(),
            points: Some(bad),
        };
        let reverse = |part| ReverseRequest {
            request_id: new_request_id(),
            original_request_id: new_request_id(),
            part: Some(part),
        };
        let points = reverse(reverse_request::Part::Points(bad));
        let spend = reverse(reverse_request::Part::Spend(money(bad, "EUR")));
        let (given, donated) = (give("guest", "friend", bad), donate("guest", GROCER, bad));
        cases.push((("points", "Transfer"), given.encode_to_vec(), &["points"][..]));
        cases.push((("points", "Donate"), donated.encode_to_vec(), &["points"][..]));
        cases.push(earning(&["spend.micros"], |r| r.spend = Some(money(bad, "EUR"))));
        cases.extend(burning(&["points"], |r| r.amount = Some(burn_request::Amount::Points(bad))));
        cases.extend(burning(&["value.micros"], |r| r.amount = Some(value)));
        cases.extend([
            (("points", "QuoteEarn"), quote.encode_to_vec(), &["spend.micros"][..]),
            (("points", "Capture"), capture.encode_to_vec(), &["points"][..]),
            (("points", "Reverse"), points.encode_to_vec(), &["points"][..]),
            (("points", "Reverse"), spend.encode_to_vec(), &["spend.micros"][..]),
        ]);
    }
    let quote = QuoteBurnRequest { member_reference: "guest".to_owned(), amount: None };
    cases.push((("points", "QuoteBurn"), quote.encode_to_vec(), &["amount"]));
    cases
}

fn bad_purchases() -> Vec<Case> {
    let euros = |micros| Some(money(micros, "EUR"));
    // The spend is 1.00.
    let paid = |field, paid| earning(field, |r| r.paid_in_points = paid);
    vec![
        paid(&["paid_in_points.micros"], euros(1_000_001)),
        paid(&["paid_in_points.micros"], euros(0)),
        paid(&["paid_in_points.micros"], euros(-1)),
        paid(&["paid_in_points.currency"], Some(money(1, "USD"))),
        paid(&["paid_in_points.currency"], Some(money(1, "EU\0"))),
        earning(&["activity_at", "receipt_reference"], |r| r.retro_claim = true),
        earning(&["activity_at"], |r| {
            r.retro_claim = true;
            r.receipt_reference = "R-1".into();
        }),
        earning(&["receipt_reference"], |r| {
            r.retro_claim = true;
            r.activity_at = Some(time(1_700_000_000, 0));
        }),
    ]
}

fn bad_exchanges() -> Vec<Case> {
    use exchange_request::Amount::{OwnPoints, Points};
    let good = || ExchangeRequest {
        request_id: new_request_id(),
        member_reference: "guest".to_owned(),
        amount: Some(OwnPoints(3_000)),
        receipt_reference: String::new(),
    };
    let case =
        |field, request: ExchangeRequest| (("points", "Exchange"), request.encode_to_vec(), field);
    let mut cases = vec![
        case(&["request_id"][..], ExchangeRequest { request_id: String::new(), ..good() }),
        case(&["member_reference"], ExchangeRequest { member_reference: "\0".into(), ..good() }),
        case(&["amount"], ExchangeRequest { amount: None, ..good() }),
        case(&["receipt_reference"], ExchangeRequest { receipt_reference: "R 1".into(), ..good() }),
    ];
    for bad in [0, -1, i64::MIN] {
        cases.push(case(
            &["own_points"],
            ExchangeRequest { amount: Some(OwnPoints(bad)), ..good() },
        ));
        cases.push(case(&["points"], ExchangeRequest { amount: Some(Points(bad)), ..good() }));
    }
    cases
}

fn bad_texts() -> Vec<Case> {
    let mut cases = Vec::new();
    let long = "x".repeat(65);
    for bad in ["", "\0", "gu\0est", "line\nbreak", "right\u{202e}left", long.as_str()] {
        let field = &["member_reference"];
        let read = GetBalanceRequest { member_reference: bad.to_owned() };
        cases.push(earning(field, |r| r.member_reference = bad.into()));
        cases.extend(burning(field, |r| r.member_reference = bad.into()));
        cases.push((("member", "GetBalance"), read.encode_to_vec(), field));
        let (given, donated) = (give(bad, bad, 1), donate(bad, GROCER, 1));
        let both = &["from_member_reference", "to_member_reference"];
        cases.push((("points", "Transfer"), given.encode_to_vec(), both));
        cases.push((("points", "Donate"), donated.encode_to_vec(), field));
    }
    for bad in ["", "h", "Harbor", "hub", "coalition", "a\0b", long.as_str()] {
        let donated = donate("guest", bad, 1);
        cases.push((("points", "Donate"), donated.encode_to_vec(), &["charity"]));
    }
    for bad in ["", "Stay", "*", "st\0ay", long.as_str()] {
        cases.push(earning(&["category"], |r| r.category = bad.into()));
    }
    for bad in ["R\0", "R 1", "ü", long.as_str()] {
        cases.push(earning(&["receipt_reference"], |r| r.receipt_reference = bad.into()));
        cases.extend(burning(&["receipt_reference"], |r| r.receipt_reference = bad.into()));
    }
    for bad in [time(0, -1), time(0, 1_000_000_000), time(i64::MAX, 0), time(i64::MIN, 0)] {
        cases.push(earning(&["activity_at"], |r| r.activity_at = Some(bad)));
    }
    cases
}

/// What no request of the contract encodes to.
fn bad_bytes() -> Vec<Case> {
    let not_utf8 = [0x12, 2, 0xff, 0xfe];
    let beyond_its_end = [0x12, 100, b'x'];
    let wrong_wire_type = [0x08, 1];
    [&not_utf8[..], &beyond_its_end, &wrong_wire_type, &[0xff; 16]]
        .into_iter()
        .map(|bytes| (("points", "Earn"), bytes.to_vec(), &[] as &[_]))
        .collect()
}

async fn assert_malformed(wire: &Wire, cases: Vec<Case>) {
    for (rpc, message, fields) in cases {
        let refusal = wire.call(rpc, &message).await.expect_err(rpc.1);
        let case = format!("{} {fields:?}", rpc.1);
        if fields.is_empty() {
            assert_eq!(refusal.reason, ErrorReason::Malformed, "{case}: {refusal:?}");
            continue;
        }
        assert_refused(&refusal, ErrorReason::Malformed, &[], &case);
        let named: Vec<_> = refusal.violations.iter().map(|bad| bad.field.as_str()).collect();
        assert_eq!(named, fields, "{case}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_malformed_field_of_a_partners_request_is_named_and_nothing_happens() {
    let hub = TestHub::with_cast().await;
    let harbor = hub.partner(HARBOR).await;
    enrol(&harbor, "guest").await;
    harbor.earn(earn("guest", 10_000_000, "EUR")).await.unwrap();
    let wire = Wire::partner(&hub, HARBOR).await;
    for cases in
        [bad_ids(), bad_amounts(), bad_purchases(), bad_exchanges(), bad_texts(), bad_bytes()]
    {
        assert_malformed(&wire, cases).await;
    }
    assert_eq!(balances(&harbor, "guest").await.available, 10);
    hub.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn each_malformed_field_of_an_operators_request_is_named() {
    let hub = TestHub::start().await;
    let wire = Wire::operator(&hub).await;
    let create = |code: &str, name: &str| CreatePartnerRequest {
        request_id: new_request_id(),
        code: code.to_owned(),
        display_name: name.to_owned(),
        testing: false,
    };
    let mut cases: Vec<Case> = Vec::new();
    for bad in ["", "h", "Harbor", "hub", "coalition", "a\0b", "1st"] {
        let read = GetPartnerRequest { partner: bad.to_owned() };
        let message = create(bad, "Harbor").encode_to_vec();
        cases.push((("partner", "CreatePartner"), message, &["code"]));
        // An operator who names nobody names nobody in particular, which is malformed too.
        cases.push((("partner", "GetPartner"), read.encode_to_vec(), &["partner"]));
    }
    for bad in ["", "H\0", &"h".repeat(65)] {
        let message = create(HARBOR, bad).encode_to_vec();
        cases.push((("partner", "CreatePartner"), message, &["display_name"]));
    }
    for to in [None, Some(time(-1, 0)), Some(time(i64::MAX, 0))] {
        let message = AdvanceClockRequest { to }.encode_to_vec();
        cases.push((("ledger", "AdvanceClock"), message, &["to"]));
    }
    assert_malformed(&wire, cases).await;
    hub.close().await;
}
