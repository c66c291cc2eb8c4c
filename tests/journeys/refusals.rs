//! Bad input of partners: each has one code and one reason, and changes nothing.

use entente_client::{
    Client,
    api::{
        error::ErrorReason as R,
        member::{GetBalanceRequest, ListOperationsRequest},
        partner::{Funding, ResumePartnerRequest, SuspendPartnerRequest},
        points::{
            AuthorizeRequest, BurnRequest, CaptureRequest, EarnRequest, GetOperationRequest,
            QuoteBurnRequest, QuoteEarnRequest, ReverseRequest, VoidRequest, authorize_request,
            burn_request, get_operation_response::Outcome, quote_burn_request, reverse_request,
        },
        settlement::GetPositionRequest,
    },
    new_request_id,
};
use entente_testkit::{
    TestHub,
    cast::{
        self, GROCER, HARBOR, PARTNERS, ROVER, agreement_in, burn, category, earn, enrol, money,
    },
    morning,
};
use jiff::SignedDuration;
use prost::Message;

use crate::{
    published::{assert_refused, is_kept},
    wire::{Rpc, Wire, request_id},
};

const EUR: i64 = 1_000_000;

/// A hub on which everything that can be named has been done once.
///
/// Harbor has no `*` category and one that overflows; Rover gives points no value at its till and
/// may owe 1.00; Grocer's terms begin next year. The member `guest` is everybody's.
struct Scene {
    hub: TestHub,
    earned: String,
    burned: String,
    reversed: String,
    open: String,
    captured: String,
    capture: String,
    voided: String,
    expired: String,
}

/// One bad request.
struct Case {
    says: &'static str,
    caller: &'static str,
    rpc: Rpc,
    message: Vec<u8>,
    reason: R,
    metadata: &'static [(&'static str, &'static str)],
}

impl Scene {
    async fn set() -> Self {
        let hub = TestHub::start().await;
        agree(&hub).await;
        let harbor = hub.partner(HARBOR).await;
        let earn = earn("guest", 1_000 * EUR, "EUR");
        harbor.earn(earn.clone()).await.unwrap();
        let expired = authorize(&harbor, 50).await;
        hub.advance_to(morning() + SignedDuration::from_hours(4 * 24)).await;
        let captured = authorize(&harbor, 100).await;
        let capture = capture_of(&captured, Some(60));
        harbor.capture(capture.clone()).await.unwrap();
        let voided = authorize(&harbor, 100).await;
        harbor.void(void_of(&voided)).await.unwrap();
        let open = authorize(&harbor, 100).await;
        let burn = burn("guest", 100);
        harbor.burn(burn.clone()).await.unwrap();
        let reversal = reverse_points(&burn.request_id, 40);
        harbor.reverse(reversal.clone()).await.unwrap();
        assert_eq!(cast::balances(&harbor, "guest").await.available, 780);
        Self {
            hub,
            earned: earn.request_id,
            burned: burn.request_id,
            reversed: reversal.request_id,
            open,
            captured,
            capture: capture.request_id,
            voided,
            expired,
        }
    }

    /// Everything that anybody can read, as the bytes that were answered.
    async fn all_that_can_be_read(&self) -> Vec<Vec<u8>> {
        let mut read = Vec::new();
        for code in PARTNERS {
            let wire = Wire::partner(&self.hub, code).await;
            let balance = GetBalanceRequest { member_reference: "guest".to_owned() };
            let list = ListOperationsRequest { page_size: 1_000, ..Default::default() };
            for (rpc, message) in [
                (("member", "GetBalance"), balance.encode_to_vec()),
                (("member", "ListOperations"), list.encode_to_vec()),
            ] {
                read.push(wire.call(rpc, &message).await.unwrap());
            }
        }
        let operator = Wire::operator(&self.hub).await;
        let position = GetPositionRequest::default().encode_to_vec();
        read.push(operator.call(("settlement", "GetPosition"), &position).await.unwrap());
        read
    }

    /// Sends every case; nothing that can be read may change.
    async fn refuse_all(&self, cases: Vec<Case>) {
        let before = self.all_that_can_be_read().await;
        for case in &cases {
            let wire = Wire::partner(&self.hub, case.caller).await;
            let refusal = wire.call(case.rpc, &case.message).await.expect_err(case.says);
            assert_refused(&refusal, case.reason, case.metadata, case.says);
            let again = wire.call(case.rpc, &case.message).await.expect_err(case.says);
            assert_eq!(again, refusal, "{}, sent again", case.says);
        }
        assert_eq!(self.all_that_can_be_read().await, before, "a refusal changed something");
        for case in cases.iter().filter(|case| is_write(case.rpc)) {
            self.check_outcome(case).await;
        }
    }

    /// A kept refusal is what became of the id; an id whose refusal is not kept is still free.
    async fn check_outcome(&self, case: &Case) {
        let client = self.hub.partner(case.caller).await;
        let request_id = request_id(&case.message);
        let asked = client.get_operation(GetOperationRequest { request_id }).await;
        if !is_kept(case.reason) {
            let error = asked.expect_err(case.says);
            let refusal = error.refusal().expect("a refusal");
            assert_refused(refusal, R::OperationUnknown, &[], case.says);
            return;
        }
        let outcome = asked.unwrap().outcome;
        let Some(Outcome::Refusal(kept)) = outcome else { panic!("{}: {outcome:?}", case.says) };
        let kept = tonic_types::Status::decode(kept.encode_to_vec().as_slice()).unwrap();
        let kept = entente_client::Refusal::from_kept(&kept);
        assert_refused(&kept, case.reason, case.metadata, case.says);
    }
}

async fn agree(hub: &TestHub) {
    let operator = hub.operator().await;
    let mut harbor = agreement_in("EUR", Funding::AtIssue);
    harbor.categories =
        vec![category("stay", &[(0, 1, EUR)]), category("jackpot", &[(0, i64::MAX, 1)])];
    cast::onboard(&operator, HARBOR, harbor).await;
    let mut rover = agreement_in("USD", Funding::AtIssue);
    rover.point_value_micros = 0;
    rover.net_debit_caps = vec![money(1_000_000, "USD")];
    cast::onboard(&operator, ROVER, rover).await;
    let create = entente_client::api::partner::CreatePartnerRequest {
        request_id: new_request_id(),
        code: GROCER.to_owned(),
        display_name: "Green Grocer".to_owned(),
        testing: false,
    };
    operator.create_partner(create).await.unwrap();
    let next_year = "2027-01-01T00:00:00Z".parse().unwrap();
    let grocer = agreement_in("EUR", Funding::AtRedemption);
    cast::publish(&operator, GROCER, next_year, grocer).await;
    enrol(&hub.partner(HARBOR).await, "guest").await;
    for other in [ROVER, GROCER] {
        cast::attach(&operator, HARBOR, "guest", other).await;
    }
}

async fn authorize(client: &Client, points: i64) -> String {
    let request = authorize_of("guest", points);
    client.authorize(request.clone()).await.unwrap();
    request.request_id
}

fn authorize_of(reference: &str, points: i64) -> AuthorizeRequest {
    AuthorizeRequest {
        request_id: new_request_id(),
        member_reference: reference.to_owned(),
        amount: Some(authorize_request::Amount::Points(points)),
        receipt_reference: String::new(),
    }
}

fn capture_of(authorization: &str, points: Option<i64>) -> CaptureRequest {
    let authorization_request_id = authorization.to_owned();
    CaptureRequest { request_id: new_request_id(), authorization_request_id, points }
}

fn void_of(authorization: &str) -> VoidRequest {
    let authorization_request_id = authorization.to_owned();
    VoidRequest { request_id: new_request_id(), authorization_request_id }
}

fn reverse_of(original: &str, part: Option<reverse_request::Part>) -> ReverseRequest {
    let original_request_id = original.to_owned();
    ReverseRequest { request_id: new_request_id(), original_request_id, part }
}

fn reverse_points(original: &str, points: i64) -> ReverseRequest {
    reverse_of(original, Some(reverse_request::Part::Points(points)))
}

fn reverse_spend(original: &str, micros: i64, currency: &str) -> ReverseRequest {
    reverse_of(original, Some(reverse_request::Part::Spend(money(micros, currency))))
}

fn burn_value(micros: i64, currency: &str) -> BurnRequest {
    let amount = Some(burn_request::Amount::Value(money(micros, currency)));
    BurnRequest { amount, ..burn("guest", 0) }
}

/// An earn of 10.00 with one thing changed.
fn earn_with(change: impl FnOnce(&mut EarnRequest)) -> EarnRequest {
    let mut request = earn("guest", 10 * EUR, "EUR");
    change(&mut request);
    request
}

/// An activity so many seconds from the scene's now.
fn activity(seconds: i64) -> prost_types::Timestamp {
    let now = morning() + SignedDuration::from_hours(4 * 24);
    cast::wire_time(now + SignedDuration::from_secs(seconds))
}

fn is_write((_, method): Rpc) -> bool {
    !["Get", "Quote", "List"].iter().any(|read| method.starts_with(read))
}

/// A bad request of Harbor's to PointsService, without metadata.
fn case(says: &'static str, method: &'static str, message: &impl Message, reason: R) -> Case {
    let message = message.encode_to_vec();
    Case { says, caller: HARBOR, rpc: ("points", method), message, reason, metadata: &[] }
}

impl Case {
    fn by(self, caller: &'static str) -> Self {
        Self { caller, ..self }
    }

    fn tells(self, metadata: &'static [(&'static str, &'static str)]) -> Self {
        Self { metadata, ..self }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_earn_has_one_reason_and_changes_nothing() {
    let scene = Scene::set().await;
    let day = 86_400;
    let cap = &[("cap_micros", "1000000"), ("currency", "USD"), ("partner", ROVER)];
    let nobody = earn("nobody", EUR, "EUR");
    let spa = earn_with(|r| r.category = "spa".into());
    let dollars = earn_with(|r| r.spend = Some(money(EUR, "USD")));
    let jackpot = earn_with(|r| r.category = "jackpot".into());
    let soon = earn_with(|r| r.activity_at = Some(activity(301)));
    let long_ago = earn_with(|r| r.activity_at = Some(activity(-7 * day - 1)));
    scene
        .refuse_all(vec![
            case("nobody earns", "Earn", &nobody, R::MemberUnknown),
            case("no such category", "Earn", &spa, R::CategoryUnknown),
            case("no such currency", "Earn", &dollars, R::CurrencyNotOfTerms)
                .tells(&[("currency", "EUR")]),
            case("too many points", "Earn", &jackpot, R::AmountTooLarge),
            case("in the future", "Earn", &soon, R::ActivityInFuture),
            case("too late", "Earn", &long_ago, R::ActivityTooOld)
                .tells(&[("late_limit_days", "7")]),
            case("no terms yet", "Earn", &earn_with(|_| ()), R::NoTermsInForce).by(GROCER),
            case(
                "a point above the cap",
                "Earn",
                &earn("guest", 101 * EUR, "USD"),
                R::NetDebitCapExceeded,
            )
            .by(ROVER)
            .tells(cap),
        ])
        .await;
    scene.hub.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_burn_or_authorization_has_one_reason_and_changes_nothing() {
    let scene = Scene::set().await;
    let available: &[_] = &[("available", "780")];
    let eur: &[_] = &[("currency", "EUR")];
    scene
        .refuse_all(vec![
            case("nobody burns", "Burn", &burn("nobody", 1), R::MemberUnknown),
            case("nobody authorizes", "Authorize", &authorize_of("nobody", 1), R::MemberUnknown),
            case("a point too many", "Burn", &burn("guest", 781), R::PointsInsufficient)
                .tells(available),
            case("a cent too many", "Burn", &burn_value(7_810_000, "EUR"), R::PointsInsufficient)
                .tells(available),
            case("beyond any price", "Burn", &burn("guest", i64::MAX), R::AmountTooLarge),
            case("too many held", "Authorize", &authorize_of("guest", 781), R::PointsInsufficient)
                .tells(available),
            case("a foreign value", "Burn", &burn_value(EUR, "USD"), R::CurrencyNotOfTerms)
                .tells(eur),
            case("no value here", "Burn", &burn_value(EUR, "USD"), R::NothingToBurn).by(ROVER),
            case("no terms yet", "Burn", &burn("guest", 1), R::NoTermsInForce).by(GROCER),
            case("no terms yet", "Authorize", &authorize_of("guest", 1), R::NoTermsInForce)
                .by(GROCER),
        ])
        .await;
    scene.hub.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_capture_or_void_has_one_reason_and_changes_nothing() {
    let scene = Scene::set().await;
    let Scene { earned, burned, open, captured, voided, expired, .. } = &scene;
    let more = capture_of(open, Some(101));
    scene
        .refuse_all(vec![
            case("above its hold", "Capture", &more, R::CaptureExceedsHold)
                .tells(&[("held", "100")]),
            case("after a void", "Capture", &capture_of(voided, None), R::HoldVoided),
            case("after a capture", "Capture", &capture_of(captured, None), R::HoldCaptured),
            case("after expiry", "Capture", &capture_of(expired, None), R::HoldExpired),
            case("of an earn", "Capture", &capture_of(earned, None), R::NotAnAuthorization),
            case("void after a void", "Void", &void_of(voided), R::HoldVoided),
            case("void after a capture", "Void", &void_of(captured), R::HoldCaptured),
            case("void after expiry", "Void", &void_of(expired), R::HoldExpired),
            case("void of a burn", "Void", &void_of(burned), R::NotAnAuthorization),
        ])
        .await;
    scene.hub.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_reversal_has_one_reason_and_changes_nothing() {
    let scene = Scene::set().await;
    let Scene { earned, burned, reversed, open, capture, voided, .. } = &scene;
    let by_points = reverse_points(earned, 1);
    let by_spend = reverse_spend(burned, 1, "EUR");
    let too_much = reverse_spend(earned, 1_000 * EUR + 1, "EUR");
    let dollars = reverse_spend(earned, 1, "USD");
    let rest: &[_] = &[("rest", "60")];
    scene
        .refuse_all(vec![
            case("beyond a burn", "Reverse", &reverse_points(burned, 61), R::ReversalExceedsRest)
                .tells(rest),
            case(
                "beyond a capture",
                "Reverse",
                &reverse_points(capture, 61),
                R::ReversalExceedsRest,
            )
            .tells(rest),
            case("beyond an earn", "Reverse", &too_much, R::ReversalExceedsRest)
                .tells(&[("rest", "1000000000")]),
            case("an earn by points", "Reverse", &by_points, R::ReversalUnitWrong),
            case("a burn by spend", "Reverse", &by_spend, R::ReversalUnitWrong),
            case("in another currency", "Reverse", &dollars, R::CurrencyNotOfTerms)
                .tells(&[("currency", "EUR")]),
            case("an authorization", "Reverse", &reverse_of(open, None), R::NotReversible),
            case("a voided one", "Reverse", &reverse_of(voided, None), R::NotReversible),
            case("a reversal", "Reverse", &reverse_of(reversed, None), R::NotReversible),
        ])
        .await;
    scene.hub.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_belongs_to_another_partner_is_unknown() {
    let scene = Scene::set().await;
    let Scene { earned, open, .. } = &scene;
    let unknown = new_request_id();
    let asked = |id: &str| GetOperationRequest { request_id: id.to_owned() };
    let reason = R::OperationUnknown;
    scene
        .refuse_all(vec![
            case("another's hold", "Capture", &capture_of(open, None), reason).by(ROVER),
            case("another's hold", "Void", &void_of(open), reason).by(ROVER),
            case("another's earn", "Reverse", &reverse_of(earned, None), reason).by(ROVER),
            case("another's earn", "GetOperation", &asked(earned), reason).by(ROVER),
            case("nobody's", "Capture", &capture_of(&unknown, None), reason),
            case("nobody's", "Void", &void_of(&unknown), reason),
            case("nobody's", "Reverse", &reverse_of(&unknown, None), reason),
            case("nobody's", "GetOperation", &asked(&unknown), reason),
        ])
        .await;
    scene.hub.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_quote_is_refused_as_what_it_quotes_would_be() {
    let scene = Scene::set().await;
    let quote = |change: fn(&mut QuoteEarnRequest)| {
        let mut request = QuoteEarnRequest {
            member_reference: "guest".to_owned(),
            spend: Some(money(EUR, "EUR")),
            category: "stay".to_owned(),
            activity_at: None,
            ..QuoteEarnRequest::default()
        };
        change(&mut request);
        request
    };
    let quote_burn = |reference: &str, amount| QuoteBurnRequest {
        member_reference: reference.to_owned(),
        amount: Some(amount),
    };
    let points = quote_burn_request::Amount::Points;
    let value = quote_burn_request::Amount::Value(money(EUR, "USD"));
    let cases = vec![
        case("spa", "QuoteEarn", &quote(|r| r.category = "spa".into()), R::CategoryUnknown),
        case("jackpot", "QuoteEarn", &quote(|r| r.category = "jackpot".into()), R::AmountTooLarge),
        case(
            "soon",
            "QuoteEarn",
            &quote(|r| r.activity_at = Some(activity(301))),
            R::ActivityInFuture,
        ),
        case("none", "QuoteBurn", &quote_burn("nobody", points(1)), R::MemberUnknown),
        case("more", "QuoteBurn", &quote_burn("guest", points(781)), R::PointsInsufficient)
            .tells(&[("available", "780")]),
        case("no value", "QuoteBurn", &quote_burn("guest", value), R::NothingToBurn).by(ROVER),
    ];
    scene.refuse_all(cases).await;
    scene.hub.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_suspended_partner_may_finish_but_not_begin_and_its_ids_stay_free() {
    let scene = Scene::set().await;
    let (hub, operator) = (&scene.hub, scene.hub.operator().await);
    let harbor = hub.partner(HARBOR).await;
    let another = authorize(&harbor, 10).await;
    let (request_id, partner) = (new_request_id(), HARBOR.to_owned());
    operator.suspend_partner(SuspendPartnerRequest { request_id, partner }).await.unwrap();

    let (earning, burning) = (earn("guest", EUR, "EUR"), burn("guest", 1));
    let authorizing = authorize_of("guest", 1);
    let suspended = || {
        vec![
            case("earn", "Earn", &earning, R::PartnerSuspended),
            case("burn", "Burn", &burning, R::PartnerSuspended),
            case("authorize", "Authorize", &authorizing, R::PartnerSuspended),
        ]
    };
    scene.refuse_all(suspended()).await;
    harbor.capture(capture_of(&scene.open, Some(10))).await.unwrap();
    harbor.void(void_of(&another)).await.unwrap();
    harbor.reverse(reverse_points(&scene.burned, 1)).await.unwrap();

    let (request_id, partner) = (new_request_id(), HARBOR.to_owned());
    operator.resume_partner(ResumePartnerRequest { request_id, partner }).await.unwrap();
    assert!(!harbor.earn(earning).await.unwrap().replayed);
    assert!(!harbor.burn(burning).await.unwrap().replayed);
    assert!(!harbor.authorize(authorizing).await.unwrap().replayed);
    scene.hub.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_id_is_spent_by_a_kept_refusal_and_by_no_other() {
    let scene = Scene::set().await;
    let harbor = scene.hub.partner(HARBOR).await;
    let (kept, not_kept) = (burn("guest", 781), burn("nobody", 1));
    harbor.burn(kept.clone()).await.unwrap_err();
    harbor.burn(not_kept.clone()).await.unwrap_err();

    // The cause of each goes away, and each is sent again.
    harbor.earn(earn("guest", 1_000 * EUR, "EUR")).await.unwrap();
    enrol(&harbor, "nobody").await;
    harbor.earn(earn("nobody", 10 * EUR, "EUR")).await.unwrap();
    let error = harbor.burn(kept.clone()).await.unwrap_err();
    let refusal = error.refusal().expect("a refusal");
    assert_refused(refusal, R::PointsInsufficient, &[("available", "780")], "replayed");
    assert!(!harbor.burn(not_kept).await.unwrap().replayed);

    let other = BurnRequest { request_id: kept.request_id, ..burn("guest", 1) };
    let error = harbor.burn(other).await.unwrap_err();
    let refusal = error.refusal().expect("a refusal");
    assert_refused(refusal, R::RequestIdReused, &[("field", "points")], "other content");
    scene.hub.close().await;
}
