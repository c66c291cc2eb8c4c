//! What comes before the month, and what operators announce in it.

use entente_api::error::ErrorReason;
use entente_api::partner::{
    CreatePartnerRequest, PublishTermsRequest, ResumePartnerRequest, SuspendPartnerRequest,
};
use entente_api::points::{QuoteBurnRequest, quote_burn_request};

use super::Phase;
use super::author::Author;
use super::followup::FollowUp;
use super::step::{Caller, Command, Expected, Linked, Step, Story};
use crate::demo::cast::{Brand, Version, at_hour};
use crate::output::proto_time;

/// The hour in which a brand is suspended and resumed again: a quiet one.
const SUSPENDED_AT: i64 = 19 * 24 + 4;

/// Brands join, then members.
pub(super) fn phases(author: &mut Author) -> Vec<Phase> {
    let mut first = Vec::new();
    for brand in Brand::ALL {
        let request = CreatePartnerRequest {
            request_id: author.id(&format!("create {}", brand.code())),
            code: brand.code().to_owned(),
            display_name: brand.display_name().to_owned(),
            testing: false,
        };
        first.push(by_operator(Command::CreatePartner(request), Story::Partner));
        first.extend(published(author, brand, |version| version.published_at_hour.is_none()));
    }
    for member in 0..author.members.len() {
        enrol(author, member);
        link(author, member);
    }
    vec![Phase { at: at_hour(0), first, lanes: author.lanes() }]
}

/// What operators do in this hour, before anything else.
pub(super) fn announced(author: &Author) -> Vec<Step> {
    let hour = author.hour;
    let mut steps = Vec::new();
    for brand in Brand::ALL {
        steps.extend(published(author, brand, |version| version.published_at_hour == Some(hour)));
    }
    if hour == SUSPENDED_AT {
        steps.extend(suspended(author, Brand::Rover));
    }
    steps
}

fn published(author: &Author, brand: Brand, when: impl Fn(&Version) -> bool) -> Vec<Step> {
    let publish = |(number, version): (usize, &Version)| {
        let request = PublishTermsRequest {
            request_id: author.id(&format!("terms {} {number}", brand.code())),
            partner: brand.code().to_owned(),
            effective_from: Some(proto_time(version.from)),
            agreement: Some(version.agreement.clone()),
        };
        by_operator(Command::PublishTerms(Box::new(request)), Story::Terms)
    };
    let versions = author.versions[&brand].iter().enumerate();
    versions.filter(|(_, version)| when(version)).map(publish).collect()
}

/// A suspended brand cannot burn. It only asks for a quote, of more than anybody has, because a
/// suspension's refusal is not kept: sent again later, a burn would be decided anew.
fn suspended(author: &Author, brand: Brand) -> [Step; 3] {
    let partner = brand.code().to_owned();
    let suspend = SuspendPartnerRequest {
        request_id: author.id(&format!("suspend {partner}")),
        partner: partner.clone(),
    };
    let member = author.members.iter().position(|member| member.home == brand).unwrap_or_default();
    let quote = QuoteBurnRequest {
        member_reference: brand.reference(member),
        amount: Some(quote_burn_request::Amount::Points(1_000_000_000)),
    };
    let resume =
        ResumePartnerRequest { request_id: author.id(&format!("resume {partner}")), partner };
    let reasons = &[
        ErrorReason::PartnerSuspended,
        ErrorReason::PointsInsufficient,
        ErrorReason::MemberUnknown,
    ];
    [
        by_operator(Command::SuspendPartner(suspend), Story::Partner),
        Step {
            caller: Caller::Partner(brand),
            command: Command::QuoteBurn(quote),
            expected: Expected::Refused(reasons),
            story: Story::Refusal,
        },
        by_operator(Command::ResumePartner(resume), Story::Partner),
    ]
}

fn by_operator(command: Command, story: Story) -> Step {
    Step { caller: Caller::Operator, command, expected: Expected::Done, story }
}

fn enrol(author: &mut Author, member: usize) {
    let home = author.members[member].home;
    let linked =
        Linked { request_id: author.next_id(member), member_reference: home.reference(member) };
    let command = Command::LinkMember(linked);
    author.write(member, Caller::Partner(home), command, Expected::Done, Story::Enrolled);
}

/// Most members come to know a second brand, some the third.
fn link(author: &mut Author, member: usize) {
    let home = author.members[member].home;
    for (brand, percent) in Brand::ALL.into_iter().filter(|brand| *brand != home).zip([55, 40]) {
        if author.dice.percent(percent) {
            let hours = author.dice.between(1, 12 * 24);
            author.later(hours, FollowUp::Link { member, brand });
        }
    }
}
