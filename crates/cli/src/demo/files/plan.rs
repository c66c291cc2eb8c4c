//! From rows to days: what every row does and when, who it belongs to, and what it comes to. It
//! follows from the two files alone, so that playing them again replays.

use std::collections::BTreeMap;

use entente_api::member::AttachReferenceRequest;
use entente_api::partner::{Agreement, CreatePartnerRequest, PublishTermsRequest};
use entente_api::points::{BurnRequest, EarnRequest, ReverseRequest, burn_request};
use entente_api::types::Money;
use jiff::Timestamp;
use jiff::civil::{Date, date};
use jiff::tz::TimeZone;
use uuid::Uuid;

use super::purse::{ByBrand, Purse};
use super::rides::Ride;
use super::sheet::{Row, Rows};
use super::shift::Weeks;
use super::stays::{self, Outcome, Stay};
use crate::agreement::AgreementFile;
use crate::demo::cast::Brand;
use crate::demo::oracle::{earned, worth};
use crate::demo::plan::{Linked, Prediction};
use crate::output::proto_time;

/// Among how many members the rows are divided.
const MEMBERS: u64 = 3_000;

/// After so many rides that earned, the next whose member has enough points is paid with them.
const RIDES_BETWEEN: u32 = 3;

/// The brands whose files are played.
pub(crate) const BRANDS: [Brand; 2] = [Brand::Harbor, Brand::Rover];

/// Everything that will be sent, and what it comes to.
#[derive(Debug)]
pub(crate) struct Plan {
    /// When the first row happens.
    pub(crate) start: Timestamp,
    /// Brands join.
    pub(crate) partners: Vec<(CreatePartnerRequest, PublishTermsRequest)>,
    /// Members join, each at the brand where it is seen first.
    pub(crate) enrolments: Vec<(Brand, Linked)>,
    /// Those who are seen at both are linked.
    pub(crate) links: Vec<AttachReferenceRequest>,
    /// What happens, a day at a time, in order.
    pub(crate) days: Vec<Day>,
    /// By how many weeks the rides were moved.
    pub(crate) weeks: Weeks,
    /// How many bookings never earned because the guests did not come.
    pub(crate) no_shows: u64,
    /// What each member has in the end.
    pub(crate) predictions: Vec<Prediction>,
    /// What the files come to, by brand.
    pub(crate) totals: ByBrand,
}

/// One day, in the order in which it is played.
#[derive(Debug)]
pub(crate) struct Day {
    /// Which.
    pub(crate) date: Date,
    /// Stays booked.
    pub(crate) booked: Vec<Step<EarnRequest>>,
    /// Stays cancelled.
    pub(crate) cancelled: Vec<Step<ReverseRequest>>,
    /// Rides taken.
    pub(crate) ridden: Vec<Step<EarnRequest>>,
    /// Rides paid with points.
    pub(crate) paid: Vec<Step<BurnRequest>>,
}

/// A command, and how many points it has to move.
#[derive(Clone, Debug)]
pub(crate) struct Step<T> {
    /// What is sent.
    pub(crate) request: T,
    /// How many points its operation moves.
    pub(crate) points: i64,
}

/// The rows of one day.
#[derive(Debug, Default)]
struct Due<'a> {
    booked: Vec<&'a Row<Stay>>,
    cancelled: Vec<&'a Row<Stay>>,
    ridden: Vec<(Timestamp, &'a Row<Ride>)>,
}

impl Plan {
    /// The plan that follows from what was read; `namespace` names the two files.
    pub(crate) fn new(
        namespace: Uuid,
        stays: &Rows<Stay>,
        rides: &Rows<Ride>,
    ) -> anyhow::Result<Self> {
        let weeks = weeks(stays, rides)?;
        let due = due(stays, rides, weeks)?;
        let first = due.keys().next().copied().unwrap_or(date(2_000, 1, 1));
        let start = first.to_zoned(TimeZone::UTC)?.timestamp();
        let mut author = Author::new(namespace)?;
        let days = due.iter().map(|(date, due)| author.day(*date, due)).collect();
        let no_show = |row: &&Row<Stay>| row.value.outcome == Outcome::NoShow;
        let no_shows = stays.good.iter().filter(no_show).count();
        Ok(Self {
            start,
            partners: BRANDS.map(|brand| author.partner(brand, start)).into(),
            enrolments: author.enrolments(),
            links: author.links(),
            days,
            weeks,
            no_shows: u64::try_from(no_shows)?,
            predictions: author.predictions(),
            totals: author.totals,
        })
    }

    /// How many commands there are.
    pub(crate) fn step_count(&self) -> usize {
        let days: usize = self.days.iter().map(Day::step_count).sum();
        self.partners.len() * 2 + self.enrolments.len() + self.links.len() + days
    }
}

impl Day {
    fn step_count(&self) -> usize {
        self.booked.len() + self.cancelled.len() + self.ridden.len() + self.paid.len()
    }
}

/// By how many weeks rides are moved: into the last month in which guests arrive.
fn weeks(stays: &Rows<Stay>, rides: &Rows<Ride>) -> anyhow::Result<Weeks> {
    let last = rides.good.iter().map(|row| &row.value.dropoff).max();
    match (last, stays::month_after(stays)) {
        (Some(last), Some(day)) => Weeks::before(last, day),
        _ => Ok(Weeks::default()),
    }
}

/// What happens on each day. Of no-shows nothing does.
fn due<'a>(
    stays: &'a Rows<Stay>,
    rides: &'a Rows<Ride>,
    weeks: Weeks,
) -> anyhow::Result<BTreeMap<Date, Due<'a>>> {
    let mut days: BTreeMap<Date, Due<'a>> = BTreeMap::new();
    for row in stays.good.iter().filter(|row| row.value.outcome != Outcome::NoShow) {
        days.entry(row.value.booked).or_default().booked.push(row);
        if let Outcome::Cancelled(on) = row.value.outcome {
            days.entry(on).or_default().cancelled.push(row);
        }
    }
    for row in &rides.good {
        let at = weeks.moved(&row.value.dropoff)?;
        days.entry(at.to_zoned(TimeZone::UTC).date()).or_default().ridden.push((at, row));
    }
    for due in days.values_mut() {
        due.ridden.sort_by_key(|(at, row)| (*at, row.number));
    }
    Ok(days)
}

/// Writes the plan, and keeps the books of its members.
struct Author {
    namespace: Uuid,
    terms: BTreeMap<Brand, Agreement>,
    members: BTreeMap<usize, Member>,
    rides_since_paid: u32,
    totals: ByBrand,
}

#[derive(Debug, Default)]
struct Member {
    /// Where it was seen, in that order.
    brands: Vec<Brand>,
    purse: Purse,
}

impl Author {
    fn new(namespace: Uuid) -> anyhow::Result<Self> {
        let terms = BRANDS.map(|brand| anyhow::Ok((brand, terms(brand)?)));
        Ok(Self {
            namespace,
            terms: terms.into_iter().collect::<anyhow::Result<_>>()?,
            members: BTreeMap::new(),
            rides_since_paid: 0,
            totals: BRANDS
                .into_iter()
                .map(|brand| (brand, super::purse::Totals::default()))
                .collect(),
        })
    }

    fn day(&mut self, date: Date, due: &Due<'_>) -> Day {
        let booked = due.booked.iter().map(|row| self.book(row)).collect();
        let cancelled = due.cancelled.iter().map(|row| self.cancel(row)).collect();
        let (mut ridden, mut paid) = (Vec::new(), Vec::new());
        for (at, row) in &due.ridden {
            match self.pay(row) {
                Some(step) => paid.push(step),
                None => ridden.push(self.ride(*at, row)),
            }
        }
        Day { date, booked, cancelled, ridden, paid }
    }

    fn book(&mut self, row: &Row<Stay>) -> Step<EarnRequest> {
        let stay = &row.value;
        // A row has no time of day: it is booked at noon.
        let noon = stay.booked.at(12, 0, 0, 0).to_zoned(TimeZone::UTC);
        let at = noon.map_or(Timestamp::MIN, |noon| noon.timestamp());
        self.earn(Brand::Harbor, row.number, (stay.category, stay.spend), at)
    }

    fn cancel(&mut self, row: &Row<Stay>) -> Step<ReverseRequest> {
        let (stay, brand) = (&row.value, Brand::Harbor);
        let points = earned(&self.terms[&brand], stay.category, stay.spend);
        let member = member_of(brand, row.number);
        self.purse(member, brand).reverse(brand, row.number, points);
        let request = ReverseRequest {
            request_id: self.id("cancel", row.number),
            original_request_id: self.id(brand.code(), row.number),
            part: None,
        };
        Step { request, points }
    }

    fn ride(&mut self, at: Timestamp, row: &Row<Ride>) -> Step<EarnRequest> {
        self.rides_since_paid += 1;
        let ride = &row.value;
        self.earn(Brand::Rover, row.number, (ride.category, ride.fare), at)
    }

    /// Pays a ride with points, if it is time to and the member has enough.
    fn pay(&mut self, row: &Row<Ride>) -> Option<Step<BurnRequest>> {
        let brand = Brand::Rover;
        let member = member_of(brand, row.number);
        let points = worth(&self.terms[&brand], row.value.total);
        let has_enough = self.members.get(&member)?.purse.available() >= points;
        if self.rides_since_paid < RIDES_BETWEEN || !has_enough {
            return None;
        }
        self.rides_since_paid = 0;
        self.purse(member, brand).burn(brand, points);
        let value = Money { currency: "USD".to_owned(), micros: row.value.total };
        let request = BurnRequest {
            request_id: self.id(brand.code(), row.number),
            member_reference: brand.reference(member),
            amount: Some(burn_request::Amount::Value(value)),
            receipt_reference: receipt(brand, row.number),
        };
        Some(Step { request, points })
    }

    fn earn(
        &mut self,
        brand: Brand,
        row: u64,
        (category, spend): (&str, i64),
        at: Timestamp,
    ) -> Step<EarnRequest> {
        let member = member_of(brand, row);
        let points = earned(&self.terms[&brand], category, spend);
        self.purse(member, brand).earn(brand, row, points);
        let currency = self.terms[&brand].currency.clone();
        let request = EarnRequest {
            request_id: self.id(brand.code(), row),
            member_reference: brand.reference(member),
            spend: Some(Money { currency, micros: spend }),
            category: category.to_owned(),
            activity_at: Some(proto_time(at)),
            receipt_reference: receipt(brand, row),
            ..EarnRequest::default()
        };
        Step { request, points }
    }

    /// A member's purse, and the totals that follow from what happens in it.
    fn purse(&mut self, member: usize, brand: Brand) -> Booked<'_> {
        let member = self.members.entry(member).or_default();
        if !member.brands.contains(&brand) {
            member.brands.push(brand);
        }
        Booked { purse: &mut member.purse, totals: &mut self.totals }
    }

    fn partner(
        &self,
        brand: Brand,
        start: Timestamp,
    ) -> (CreatePartnerRequest, PublishTermsRequest) {
        let create = CreatePartnerRequest {
            request_id: self.id("partner", brand.code()),
            code: brand.code().to_owned(),
            display_name: brand.display_name().to_owned(),
            testing: false,
        };
        let publish = PublishTermsRequest {
            request_id: self.id("terms", brand.code()),
            partner: brand.code().to_owned(),
            effective_from: Some(proto_time(start)),
            agreement: self.terms.get(&brand).cloned(),
        };
        (create, publish)
    }

    fn enrolments(&self) -> Vec<(Brand, Linked)> {
        let enrolment = |(&member, known): (&usize, &Member)| {
            let home = *known.brands.first()?;
            let request = Linked {
                request_id: self.id("member", member),
                member_reference: home.reference(member),
            };
            Some((home, request))
        };
        self.members.iter().filter_map(enrolment).collect()
    }

    fn links(&self) -> Vec<AttachReferenceRequest> {
        let link = |(&member, known): (&usize, &Member)| {
            let [home, other] = known.brands[..] else { return None };
            Some(AttachReferenceRequest {
                request_id: self.id("link", member),
                partner: home.code().to_owned(),
                member_reference: home.reference(member),
                target_partner: other.code().to_owned(),
                target_member_reference: other.reference(member),
            })
        };
        self.members.iter().filter_map(link).collect()
    }

    fn predictions(&self) -> Vec<Prediction> {
        let prediction = |(&member, known): (&usize, &Member)| {
            let brand = *known.brands.first()?;
            let reference = brand.reference(member);
            Some(Prediction { brand, reference, balances: known.purse.balances() })
        };
        self.members.iter().filter_map(prediction).collect()
    }

    fn id(&self, what: &str, of: impl std::fmt::Display) -> String {
        Uuid::new_v5(&self.namespace, format!("{what} {of}").as_bytes()).to_string()
    }
}

/// A purse whose moves are counted.
struct Booked<'a> {
    purse: &'a mut Purse,
    totals: &'a mut ByBrand,
}

impl Booked<'_> {
    fn earn(self, issuer: Brand, row: u64, points: i64) {
        self.purse.earn(issuer, row, points, self.totals);
    }

    fn reverse(self, issuer: Brand, row: u64, points: i64) {
        self.purse.reverse(issuer, row, points, self.totals);
    }

    fn burn(self, at: Brand, points: i64) {
        self.purse.burn(at, points, self.totals);
    }
}

/// Whose row it is: FNV-1a of the file's brand and the row's number, as text. So some members stay,
/// some ride, and most do both.
fn member_of(brand: Brand, row: u64) -> usize {
    let name = receipt(brand, row);
    let hash = name.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    usize::try_from(hash % MEMBERS).unwrap_or_default()
}

fn receipt(brand: Brand, row: u64) -> String {
    format!("{}/{row}", brand.code())
}

/// A brand's terms for its file.
fn terms(brand: Brand) -> anyhow::Result<Agreement> {
    let text = match brand {
        Brand::Rover => include_str!("terms/rover-rides.toml"),
        Brand::Harbor | Brand::Grocer => include_str!("terms/harbor-hotels.toml"),
    };
    Ok(AgreementFile::read(text)?.into_api())
}
