//! Who takes part: partners with terms, and members whom two of them know.

use entente_api::member::AttachReferenceRequest;
use entente_api::partner::{CreatePartnerRequest, PublishTermsRequest};
use entente_api::points::EarnRequest;
use entente_api::types::Money;
use entente_client::{Client, Error, MemberSigner, Operators, new_request_id};
use futures::{StreamExt as _, TryStreamExt as _, stream};
use jiff::{civil::date, tz::TimeZone};
use rand::{RngExt as _, rngs::StdRng};
use uuid::Builder;

use super::args::Popularity;
use super::seen::{Acknowledged, Told};
use crate::agreement::AgreementFile;
use crate::clock;
use crate::demo::progress::Progress;
use crate::output::proto_time;

/// How many enrolments go side by side: a hub carries out few at once, and on a slow machine the
/// others would wait past their deadlines.
const SIDE_BY_SIDE: usize = 16;

/// The currency of everything.
pub(crate) const CURRENCY: &str = "EUR";

/// What is bought.
pub(crate) const CATEGORY: &str = "room";

/// A partner's code.
pub(crate) fn code(partner: usize) -> String {
    format!("bench-{partner:02}")
}

/// What every partner calls a member.
pub(crate) fn reference(member: usize) -> String {
    format!("member-{member:07}")
}

/// Who has which members: those of a partner are its own and its predecessor's.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Members {
    /// Of all partners together.
    pub(crate) count: usize,
    /// How many partners there are.
    pub(crate) partners: usize,
    /// How often each is met.
    pub(crate) popularity: Popularity,
}

impl Members {
    /// A member that the partner knows.
    pub(crate) fn any_of(self, partner: usize, dice: &mut StdRng) -> String {
        let neighbor = (partner + self.partners - dice.random_range(0..2)) % self.partners;
        let most = (self.count - neighbor).div_ceil(self.partners);
        reference(neighbor + self.rank(most, dice) * self.partners)
    }

    /// One of so many members, the first being the most popular. By Zipf the logarithms of the ranks are
    /// spread evenly.
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a rank is some millions at most, and which it is exactly matters to nobody"
    )]
    fn rank(self, most: usize, dice: &mut StdRng) -> usize {
        match self.popularity {
            Popularity::Uniform => dice.random_range(0..most),
            Popularity::Zipf => {
                let rank = (most as f64 + 1.0).powf(dice.random_range(0.0..1.0)) as usize;
                rank.clamp(1, most) - 1
            }
        }
    }
}

/// A request id, as the client makes them: by the time, and random beyond it.
pub(crate) fn request_id(dice: &mut StdRng) -> String {
    let millis = u64::try_from(clock::now().as_millisecond()).unwrap_or_default();
    Builder::from_unix_timestamp_millis(millis, &dice.random()).into_uuid().to_string()
}

/// A purchase of 1.00 to 200.00.
pub(crate) fn earn(member: String, receipt: String, dice: &mut StdRng) -> EarnRequest {
    let micros = dice.random_range(100..=20_000) * 10_000;
    EarnRequest {
        request_id: request_id(dice),
        member_reference: member,
        spend: Some(Money { currency: CURRENCY.to_owned(), micros }),
        category: CATEGORY.to_owned(),
        receipt_reference: receipt,
        ..EarnRequest::default()
    }
}

/// Creates the partners, each with its terms: every other pays for its points when it issues them,
/// the rest when they are burned.
pub(crate) async fn join(operator: &Operators, partners: usize) -> anyhow::Result<()> {
    let from = date(2020, 1, 1).to_zoned(TimeZone::UTC)?.timestamp();
    let files = [include_str!("terms/at-issue.toml"), include_str!("terms/at-redemption.toml")];
    for partner in 0..partners {
        let create = CreatePartnerRequest {
            request_id: new_request_id(),
            code: code(partner),
            display_name: format!("Partner {partner}"),
            testing: false,
        };
        operator.create_partner(create).await?;
        let agreement = AgreementFile::read(files[partner % files.len()])?.into_api();
        let publish = PublishTermsRequest {
            request_id: new_request_id(),
            partner: code(partner),
            effective_from: Some(proto_time(from)),
            agreement: Some(agreement),
        };
        operator.publish_terms(publish).await?;
    }
    Ok(())
}

/// What the partner that is capped may owe: tested at each earn, and never reached.
const CAP: i64 = 10_000_000 * 1_000_000;

/// Caps the first partner's debit from now on.
pub(crate) async fn cap(operator: &Operators) -> anyhow::Result<()> {
    let mut agreement = AgreementFile::read(include_str!("terms/at-issue.toml"))?.into_api();
    agreement.net_debit_caps = vec![Money { currency: CURRENCY.to_owned(), micros: CAP }];
    let publish = PublishTermsRequest {
        request_id: new_request_id(),
        partner: code(0),
        effective_from: None,
        agreement: Some(agreement),
    };
    operator.publish_terms(publish).await?;
    Ok(())
}

/// Enrols every member at its partner, attaches it to the next one, and gives it its first points.
pub(crate) async fn enrol(
    (operator, partners): (&Operators, &[Client]),
    members: Members,
    progress: Progress,
) -> anyhow::Result<Acknowledged> {
    let bar = progress.bar("members", members.count);
    let enrolled = stream::iter(0..members.count).map(async |member| {
        let home = member % members.partners;
        let told = enrol_one((operator, partners), home, member).await;
        bar.inc(1);
        told
    });
    let count = async |mut all: Acknowledged, told| {
        all.count(told);
        Ok(all)
    };
    let enrolled = enrolled.buffer_unordered(SIDE_BY_SIDE);
    let all = enrolled.try_fold(Acknowledged::default(), count).await;
    bar.finish_and_clear();
    Ok(all?)
}

async fn enrol_one(
    (operator, partners): (&Operators, &[Client]),
    home: usize,
    member: usize,
) -> Result<Told, Error> {
    let member_reference = reference(member);
    introduce((operator, partners), home, &member_reference).await?;
    let earn = EarnRequest {
        request_id: new_request_id(),
        member_reference,
        spend: Some(Money { currency: CURRENCY.to_owned(), micros: 100_000_000 }),
        category: CATEGORY.to_owned(),
        ..EarnRequest::default()
    };
    let answer = partners[home].earn(earn).await?;
    Ok(Told::Earned(answer.operation.map_or(0, |operation| operation.points)))
}

/// Links a new member to its partner and to the next one.
pub(crate) async fn introduce(
    (operator, partners): (&Operators, &[Client]),
    home: usize,
    member_reference: &str,
) -> Result<(), Error> {
    let consent = MemberSigner::consent("bench-1");
    partners[home].link(new_request_id(), member_reference, &consent).await?;
    let next = (home + 1) % partners.len();
    if next != home {
        let attach = AttachReferenceRequest {
            request_id: new_request_id(),
            partner: code(home),
            member_reference: member_reference.to_owned(),
            target_partner: code(next),
            target_member_reference: member_reference.to_owned(),
        };
        operator.attach_reference(attach).await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use rand::SeedableRng as _;

    use super::*;

    #[test]
    fn a_partner_names_only_members_that_it_knows() {
        let coalitions = [(10, 3), (3, 3), (7, 1)];
        let both = [Popularity::Uniform, Popularity::Zipf];
        for ((members, partners), popularity) in coalitions
            .into_iter()
            .flat_map(|coalition| both.map(|popularity| (coalition, popularity)))
        {
            let all = Members { count: members, partners, popularity };
            let mut dice = StdRng::seed_from_u64(1);
            for partner in 0..partners {
                let own = (0..members).filter(|member| {
                    let home = member % partners;
                    home == partner || (home + 1) % partners == partner
                });
                let known: BTreeSet<_> = own.map(reference).collect();
                let named: BTreeSet<_> = (0..500).map(|_| all.any_of(partner, &mut dice)).collect();
                assert_eq!(named, known, "{all:?}, partner {partner}");
            }
        }
    }

    #[test]
    fn popularity_falls_as_the_rank_rises() {
        let members = Members { count: 10_000, partners: 1, popularity: Popularity::Zipf };
        let mut dice = StdRng::seed_from_u64(1);
        let mut met = [0_u32; 10];
        for _ in 0..200_000 {
            if let Some(times) = met.get_mut(members.rank(10_000, &mut dice)) {
                *times += 1;
            }
        }
        // P(k) is ln((k + 1) / k) / ln 10,001: ln 2 for the first, ln 1.1 for the tenth.
        let ratio = f64::from(met[0]) / f64::from(met[9]);
        assert!((6.5..8.2).contains(&ratio), "{met:?}");
    }

    #[test]
    fn the_terms_are_well_formed() {
        for text in [include_str!("terms/at-issue.toml"), include_str!("terms/at-redemption.toml")]
        {
            AgreementFile::read(text).expect("terms that are compiled in");
        }
    }
}
