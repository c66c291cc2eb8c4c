//! Mishaps: commands that the hub has to refuse, each common kind in turn.

use entente_api::error::ErrorReason;
use entente_api::partner::GetPartnerRequest;
use entente_api::points::{
    BurnRequest, EarnRequest, ReverseRequest, burn_request, reverse_request,
};
use entente_api::types::Money;

use super::author::{Author, Earned};
use super::step::Command;
use crate::demo::cast::{Brand, at_hour};
use crate::output::proto_time;

/// Writes one refusal of one kind.
type Write = fn(&mut Author, usize, Brand);

/// The kinds, in turn.
const KINDS: [Write; 17] = [
    too_few_points,
    nobody,
    wrong_currency,
    unknown_category,
    from_the_future,
    too_old,
    capture_above_hold,
    void_after_capture,
    capture_after_void,
    refund_above_rest,
    reused_id,
    anothers_operation,
    nothing_spent,
    above_the_cap,
    reversed_void,
    wrong_unit,
    anothers_record,
];

/// How many points a mishap sets aside.
const HELD: i64 = 100;

/// Writes the next kind for a member, or the first where the member cannot show that kind.
pub(super) fn next(author: &mut Author, member: usize) {
    let kind = KINDS[author.mishaps % KINDS.len()];
    author.mishaps += 1;
    let brand = author.members[member].home;
    kind(author, member, brand);
}

fn too_few_points(author: &mut Author, member: usize, brand: Brand) {
    let points = author.members[member].wallet.available + 1_000_000;
    let request = burn(author, member, brand.reference(member), points);
    author.refused(member, brand, request, &[ErrorReason::PointsInsufficient]);
}

fn nobody(author: &mut Author, member: usize, brand: Brand) {
    let request = burn(author, member, format!("nobody-{member:04}"), 100);
    author.refused(member, brand, request, &[ErrorReason::MemberUnknown]);
}

fn wrong_currency(author: &mut Author, member: usize, brand: Brand) {
    let mut request = small_purchase(author, member, brand);
    request.spend = Some(Money { currency: "JPY".to_owned(), micros: 1_000_000_000 });
    author.refused(member, brand, Command::Earn(request), &[ErrorReason::CurrencyNotOfTerms]);
}

fn unknown_category(author: &mut Author, member: usize, _: Brand) {
    // The grocer prices every category.
    let linked = &author.members[member].linked;
    let Some(brand) = linked.iter().copied().find(|brand| *brand != Brand::Grocer) else {
        return too_few_points(author, member, Brand::Grocer);
    };
    let request = author.purchase(member, brand, "helicopter", 25_000_000);
    author.refused(member, brand, Command::Earn(request), &[ErrorReason::CategoryUnknown]);
}

fn from_the_future(author: &mut Author, member: usize, brand: Brand) {
    let mut request = small_purchase(author, member, brand);
    request.activity_at = Some(proto_time(at_hour(author.hour + 2)));
    author.refused(member, brand, Command::Earn(request), &[ErrorReason::ActivityInFuture]);
}

fn too_old(author: &mut Author, member: usize, brand: Brand) {
    let mut request = small_purchase(author, member, brand);
    request.activity_at = Some(proto_time(at_hour(author.hour - 30 * 24)));
    author.refused(member, brand, Command::Earn(request), &[ErrorReason::ActivityTooOld]);
}

fn capture_above_hold(author: &mut Author, member: usize, brand: Brand) {
    let Some(authorization) = small_hold(author, member, brand) else { return };
    let request = author.capture_request(member, &authorization, Some(HELD + 1));
    let command = Command::Capture(request);
    author.refused(member, brand, command, &[ErrorReason::CaptureExceedsHold]);
    author.capture(member, brand, (&authorization, HELD), None);
}

fn void_after_capture(author: &mut Author, member: usize, brand: Brand) {
    let Some(authorization) = small_hold(author, member, brand) else { return };
    author.capture(member, brand, (&authorization, HELD), None);
    let request = author.void_request(member, &authorization);
    author.refused(member, brand, Command::Void(request), &[ErrorReason::HoldCaptured]);
}

fn capture_after_void(author: &mut Author, member: usize, brand: Brand) {
    let Some(authorization) = small_hold(author, member, brand) else { return };
    author.void(member, brand, &authorization);
    let request = author.capture_request(member, &authorization, None);
    author.refused(member, brand, Command::Capture(request), &[ErrorReason::HoldVoided]);
}

fn refund_above_rest(author: &mut Author, member: usize, brand: Brand) {
    let earn = small_earn(author, member, brand);
    let money = Money {
        currency: earn.purchase.agreement.currency.clone(),
        micros: earn.purchase.spend_left + 1,
    };
    let request = reverse(author, member, &earn.request_id, reverse_request::Part::Spend(money));
    author.refused(member, brand, request, &[ErrorReason::ReversalExceedsRest]);
}

fn reused_id(author: &mut Author, member: usize, brand: Brand) {
    let earn = small_earn(author, member, brand);
    let mut request = small_purchase(author, member, brand);
    request.request_id = earn.request_id;
    author.refused(member, brand, Command::Earn(request), &[ErrorReason::RequestIdReused]);
}

fn anothers_operation(author: &mut Author, member: usize, brand: Brand) {
    let earn = small_earn(author, member, brand);
    let other = another(brand);
    let part = reverse_request::Part::Points(1);
    let request = reverse(author, member, &earn.request_id, part);
    author.refused(member, other, request, &[ErrorReason::OperationUnknown]);
}

fn nothing_spent(author: &mut Author, member: usize, brand: Brand) {
    let mut request = small_purchase(author, member, brand);
    request.spend.get_or_insert_default().micros = 0;
    author.refused(member, brand, Command::Earn(request), &[ErrorReason::Malformed]);
}

fn above_the_cap(author: &mut Author, member: usize, brand: Brand) {
    // Who pays at issue owes at once.
    if !author.members[member].linked.contains(&Brand::Harbor) {
        return too_few_points(author, member, brand);
    }
    let request = author.purchase(member, Brand::Harbor, "room", 60_000_000_000_000);
    let command = Command::Earn(request);
    author.refused(member, Brand::Harbor, command, &[ErrorReason::NetDebitCapExceeded]);
}

fn reversed_void(author: &mut Author, member: usize, brand: Brand) {
    let Some(authorization) = small_hold(author, member, brand) else { return };
    let void = author.void(member, brand, &authorization);
    let request = reverse(author, member, &void, reverse_request::Part::Points(HELD));
    author.refused(member, brand, request, &[ErrorReason::NotReversible]);
}

fn wrong_unit(author: &mut Author, member: usize, brand: Brand) {
    let earn = small_earn(author, member, brand);
    let part = reverse_request::Part::Points(1);
    let request = reverse(author, member, &earn.request_id, part);
    author.refused(member, brand, request, &[ErrorReason::ReversalUnitWrong]);
}

fn anothers_record(author: &mut Author, member: usize, brand: Brand) {
    let partner = another(brand).code().to_owned();
    let command = Command::GetPartner(GetPartnerRequest { partner });
    author.refused(member, brand, command, &[ErrorReason::NotAllowed]);
}

/// A hold to go wrong with; where there is too little to hold, another mishap happens instead.
fn small_hold(author: &mut Author, member: usize, brand: Brand) -> Option<String> {
    if author.members[member].wallet.available < HELD {
        too_few_points(author, member, brand);
        return None;
    }
    Some(author.authorize(member, brand, HELD))
}

fn small_earn(author: &mut Author, member: usize, brand: Brand) -> Earned {
    let spend = author.dice.money(10, 20);
    author.earn(member, brand, (category(brand), spend), 0)
}

fn small_purchase(author: &mut Author, member: usize, brand: Brand) -> EarnRequest {
    author.purchase(member, brand, category(brand), 25_000_000)
}

const fn category(brand: Brand) -> &'static str {
    match brand {
        Brand::Harbor => "dining",
        Brand::Rover => "ride",
        Brand::Grocer => "groceries",
    }
}

const fn another(brand: Brand) -> Brand {
    match brand {
        Brand::Harbor => Brand::Rover,
        Brand::Rover => Brand::Grocer,
        Brand::Grocer => Brand::Harbor,
    }
}

fn burn(author: &mut Author, member: usize, member_reference: String, points: i64) -> Command {
    Command::Burn(BurnRequest {
        request_id: author.next_id(member),
        member_reference,
        amount: Some(burn_request::Amount::Points(points)),
        receipt_reference: String::new(),
    })
}

fn reverse(
    author: &mut Author,
    member: usize,
    original: &str,
    part: reverse_request::Part,
) -> Command {
    Command::Reverse(ReverseRequest {
        request_id: author.next_id(member),
        original_request_id: original.to_owned(),
        part: Some(part),
    })
}
