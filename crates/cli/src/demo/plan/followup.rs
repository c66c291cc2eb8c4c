//! What follows, hours or days later, from what happened before.

use entente_api::error::ErrorReason;
use entente_api::member::AttachReferenceRequest;

use super::author::{Author, Earned};
use super::step::{Caller, Command, Expected, Story};
use crate::demo::cast::Brand;

/// Something that will happen.
#[derive(Debug)]
pub(super) enum FollowUp {
    /// The member is linked at another brand.
    Link { member: usize, brand: Brand },
    /// A purchase is refunded, in part at first.
    Refund { member: usize, brand: Brand, earn: Box<Earned>, whole: bool },
    /// The member spends all that it has.
    SpendAll { member: usize },
    /// A hold comes to its end.
    EndHold { member: usize, brand: Brand, authorization: String, points: i64, end: End },
    /// Burned points are given back.
    GiveBack { member: usize, brand: Brand, burn: String, points: i64 },
}

/// How a hold ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    Capture,
    PartCapture,
    Void,
    /// By itself; a capture comes too late.
    Expired,
}

/// Writes what is due in this hour.
pub(super) fn due(author: &mut Author) {
    for followup in author.due() {
        match followup {
            FollowUp::Link { member, brand } => link(author, member, brand),
            FollowUp::Refund { member, brand, earn, whole } => {
                refund(author, (member, brand), earn, whole);
            }
            FollowUp::SpendAll { member } => spend_all(author, member),
            FollowUp::EndHold { member, brand, authorization, points, end } => {
                end_hold(author, (member, brand), (&authorization, points), end);
            }
            FollowUp::GiveBack { member, brand, burn, points } => {
                author.give_back(member, brand, burn, points);
            }
        }
    }
}

fn link(author: &mut Author, member: usize, brand: Brand) {
    let home = author.members[member].home;
    let request = AttachReferenceRequest {
        request_id: author.next_id(member),
        partner: home.code().to_owned(),
        member_reference: home.reference(member),
        target_partner: brand.code().to_owned(),
        target_member_reference: brand.reference(member),
    };
    let command = Command::AttachReference(request);
    author.write(member, Caller::Operator, command, Expected::Done, Story::Linked);
    author.members[member].linked.push(brand);
}

fn refund(
    author: &mut Author,
    (member, brand): (usize, Brand),
    mut earn: Box<Earned>,
    whole: bool,
) {
    if whole {
        return author.refund(member, brand, &mut earn, None);
    }
    // In whole cents, and never all of it.
    let cents = earn.purchase.spend_left / 10_000;
    let part = author.dice.between(1, (cents - 1).max(1)) * 10_000;
    author.refund(member, brand, &mut earn, Some(part));
    if earn.purchase.spend_left > 0 && author.dice.percent(35) {
        let hours = author.dice.between(3, 60);
        author.later(hours, FollowUp::Refund { member, brand, earn, whole: true });
    }
}

fn spend_all(author: &mut Author, member: usize) {
    let points = author.members[member].wallet.available;
    if points > 0 {
        let linked = author.members[member].linked.clone();
        let brand = author.dice.pick(&linked);
        author.burn(member, brand, points, None);
    }
}

fn end_hold(
    author: &mut Author,
    (member, brand): (usize, Brand),
    (authorization, points): (&str, i64),
    end: End,
) {
    match end {
        End::Capture => {
            author.capture(member, brand, (authorization, points), None);
        }
        End::PartCapture => {
            let part = author.dice.between(1, (points - 1).max(1));
            let capture = author.capture(member, brand, (authorization, points), Some(part));
            if author.dice.percent(12) {
                let (hours, points) = (author.dice.between(2, 48), author.dice.between(1, part));
                author.later(hours, FollowUp::GiveBack { member, brand, burn: capture, points });
            }
        }
        End::Void => {
            author.void(member, brand, authorization);
        }
        End::Expired => {
            let request = author.capture_request(member, authorization, None);
            let command = Command::Capture(request);
            author.refused(member, brand, command, &[ErrorReason::HoldExpired]);
        }
    }
}
