//! The author: knows every member's state in the plan so far, writes one command at a time, and
//! notes what its answer has to be.

use std::collections::BTreeMap;

use entente_api::error::ErrorReason;
use entente_api::partner::Agreement;
use entente_api::points::{
    AuthorizeRequest, BurnRequest, CaptureRequest, EarnRequest, ReverseRequest, VoidRequest,
    authorize_request, burn_request, reverse_request,
};
use entente_api::types::Money;
use jiff::{Timestamp, ToSpan as _};
use uuid::Uuid;

use super::dice::Dice;
use super::followup::FollowUp;
use super::step::{Caller, Command, Expected, Step, Story};
use super::{Prediction, Size};
use crate::demo::cast::{Brand, Version, at_hour};
use crate::demo::oracle::{Purchase, Wallet, earned};
use crate::output::proto_time;

/// What is known of a member.
#[derive(Debug)]
pub(super) struct Member {
    pub(super) home: Brand,
    /// Where it is known so far.
    pub(super) linked: Vec<Brand>,
    pub(super) wallet: Wallet,
    /// How many ids were made for it.
    ids: u32,
}

/// An earn that was written.
#[derive(Clone, Debug)]
pub(super) struct Earned {
    pub(super) request_id: String,
    pub(super) purchase: Purchase,
}

/// Writes the plan.
#[derive(Debug)]
pub(super) struct Author {
    pub(super) dice: Dice,
    pub(super) hour: i64,
    pub(super) members: Vec<Member>,
    pub(super) versions: BTreeMap<Brand, Vec<Version>>,
    pub(super) mishaps: usize,
    namespace: Uuid,
    lanes: BTreeMap<usize, Vec<Step>>,
    followups: BTreeMap<i64, Vec<FollowUp>>,
}

impl Author {
    pub(super) fn new(size: Size) -> anyhow::Result<Self> {
        let mut dice = Dice::new(size.seed);
        let member = |_| {
            let home = match dice.between(1, 100) {
                1..=45 => Brand::Grocer,
                46..=72 => Brand::Harbor,
                _ => Brand::Rover,
            };
            Member { home, linked: vec![home], wallet: Wallet::default(), ids: 0 }
        };
        let members = (0..size.members.max(1)).map(member).collect();
        let versions = Brand::ALL.iter().map(|&brand| Ok((brand, brand.versions()?)));
        let name = format!("entente demo {} {} {}", size.seed, size.members, size.visits);
        Ok(Self {
            dice,
            hour: 0,
            members,
            versions: versions.collect::<anyhow::Result<_>>()?,
            mishaps: 0,
            namespace: Uuid::new_v5(&Uuid::NAMESPACE_OID, name.as_bytes()),
            lanes: BTreeMap::new(),
            followups: BTreeMap::new(),
        })
    }

    /// Moves to an hour: holds that are due end.
    pub(super) fn begin(&mut self, hour: i64) {
        self.hour = hour;
        let now = self.now();
        self.members.iter_mut().for_each(|member| member.wallet.bring_to(now));
    }

    pub(super) fn now(&self) -> Timestamp {
        at_hour(self.hour)
    }

    /// What was written since the last call.
    pub(super) fn lanes(&mut self) -> Vec<Vec<Step>> {
        std::mem::take(&mut self.lanes).into_values().collect()
    }

    pub(super) fn predictions(&self) -> Vec<Prediction> {
        let prediction = |(index, member): (usize, &Member)| Prediction {
            brand: member.home,
            reference: member.home.reference(index),
            balances: member.wallet.balances(),
        };
        self.members.iter().enumerate().map(prediction).collect()
    }

    /// An id that follows from the size and a name.
    pub(super) fn id(&self, name: &str) -> String {
        Uuid::new_v5(&self.namespace, name.as_bytes()).to_string()
    }

    /// The member's next id.
    pub(super) fn next_id(&mut self, member: usize) -> String {
        self.members[member].ids += 1;
        self.id(&format!("member {member} {}", self.members[member].ids))
    }

    /// A brand's terms at a time.
    pub(super) fn agreement(&self, brand: Brand, at: Timestamp) -> &Agreement {
        let versions = &self.versions[&brand];
        let in_force = versions.iter().rev().find(|version| version.from <= at);
        &in_force.unwrap_or(&versions[0]).agreement
    }

    /// Remembers what happens later; beyond the month, it does not.
    pub(super) fn later(&mut self, hours: i64, what: FollowUp) {
        self.followups.entry(self.hour + hours.max(1)).or_default().push(what);
    }

    /// What was remembered for this hour.
    pub(super) fn due(&mut self) -> Vec<FollowUp> {
        self.followups.remove(&self.hour).unwrap_or_default()
    }

    /// Writes any step of a member.
    pub(super) fn write(
        &mut self,
        member: usize,
        caller: Caller,
        command: Command,
        expected: Expected,
        story: Story,
    ) {
        self.lanes.entry(member).or_default().push(Step { caller, command, expected, story });
    }

    /// Writes a command of a brand that is done.
    fn done(&mut self, member: usize, brand: Brand, command: Command, story: Story) {
        let expected = Expected::Balances(self.members[member].wallet.balances());
        self.write(member, Caller::Partner(brand), command, expected, story);
    }

    /// Writes a command of a brand that is refused.
    pub(super) fn refused(
        &mut self,
        member: usize,
        brand: Brand,
        command: Command,
        reasons: &'static [ErrorReason],
    ) {
        let expected = Expected::Refused(reasons);
        self.write(member, Caller::Partner(brand), command, expected, Story::Refusal);
    }

    /// An earn's request, for whatever becomes of it.
    pub(super) fn purchase(
        &mut self,
        member: usize,
        brand: Brand,
        category: &str,
        spend: i64,
    ) -> EarnRequest {
        let request_id = self.next_id(member);
        let currency = self.agreement(brand, self.now()).currency.clone();
        EarnRequest {
            receipt_reference: format!("{}/{:03}/{}", brand.code(), self.hour, &request_id[..8]),
            request_id,
            member_reference: brand.reference(member),
            spend: Some(Money { currency, micros: spend }),
            category: category.to_owned(),
            activity_at: None,
            ..EarnRequest::default()
        }
    }

    /// Earns, so many hours late.
    pub(super) fn earn(
        &mut self,
        member: usize,
        brand: Brand,
        (category, spend): (&str, i64),
        hours_late: i64,
    ) -> Earned {
        let mut request = self.purchase(member, brand, category, spend);
        let activity_at = at_hour(self.hour - hours_late);
        let story = if hours_late > 0 {
            request.activity_at = Some(proto_time(activity_at));
            Story::LateEarn
        } else {
            Story::Earn
        };
        let agreement = self.agreement(brand, activity_at).clone();
        let points = earned(&agreement, category, spend);
        self.members[member].wallet.receive(points);
        let purchase = Purchase {
            category: category.to_owned(),
            spend_left: spend,
            points_left: points,
            agreement,
        };
        let request_id = request.request_id.clone();
        self.done(member, brand, Command::Earn(request), story);
        Earned { request_id, purchase }
    }

    /// Refunds a part of an earn's spend, or all that is left.
    pub(super) fn refund(
        &mut self,
        member: usize,
        brand: Brand,
        earn: &mut Earned,
        part: Option<i64>,
    ) {
        let spend = part.unwrap_or(earn.purchase.spend_left);
        let taken = earn.purchase.refund(spend);
        let wallet = &mut self.members[member].wallet;
        let story = if taken > wallet.available { Story::RefundWithDebt } else { Story::Refund };
        wallet.claw(taken);
        let currency = earn.purchase.agreement.currency.clone();
        let money = |micros| reverse_request::Part::Spend(Money { currency, micros });
        let request = ReverseRequest {
            request_id: self.next_id(member),
            original_request_id: earn.request_id.clone(),
            part: part.map(money),
        };
        self.done(member, brand, Command::Reverse(request), story);
    }

    /// Burns points; by value when one is given. Answers the id.
    pub(super) fn burn(
        &mut self,
        member: usize,
        brand: Brand,
        points: i64,
        value: Option<i64>,
    ) -> String {
        let request_id = self.next_id(member);
        let currency = self.agreement(brand, self.now()).currency.clone();
        let amount = match value {
            Some(micros) => burn_request::Amount::Value(Money { currency, micros }),
            None => burn_request::Amount::Points(points),
        };
        let request = BurnRequest {
            request_id: request_id.clone(),
            member_reference: brand.reference(member),
            amount: Some(amount),
            receipt_reference: format!("{}/{:03}/burn", brand.code(), self.hour),
        };
        let at_home = self.members[member].home == brand;
        let story = if at_home { Story::Burn } else { Story::BurnElsewhere };
        self.members[member].wallet.burn(points);
        self.done(member, brand, Command::Burn(request), story);
        request_id
    }

    /// Gives burned points back.
    pub(super) fn give_back(&mut self, member: usize, brand: Brand, burn: String, points: i64) {
        let request = ReverseRequest {
            request_id: self.next_id(member),
            original_request_id: burn,
            part: Some(reverse_request::Part::Points(points)),
        };
        self.members[member].wallet.receive(points);
        self.done(member, brand, Command::Reverse(request), Story::GiveBack);
    }

    /// Sets points aside. Answers the id.
    pub(super) fn authorize(&mut self, member: usize, brand: Brand, points: i64) -> String {
        let request_id = self.next_id(member);
        let life = self.agreement(brand, self.now()).hold_life_seconds;
        let expires_at = self.now().checked_add(life.seconds()).unwrap_or(Timestamp::MAX);
        let request = AuthorizeRequest {
            request_id: request_id.clone(),
            member_reference: brand.reference(member),
            amount: Some(authorize_request::Amount::Points(points)),
            receipt_reference: format!("{}/{:03}/hold", brand.code(), self.hour),
        };
        self.members[member].wallet.authorize(request_id.clone(), points, expires_at);
        self.done(member, brand, Command::Authorize(request), Story::Authorize);
        request_id
    }

    /// Captures a part of a hold, or all of it. Answers the id.
    pub(super) fn capture(
        &mut self,
        member: usize,
        brand: Brand,
        hold: (&str, i64),
        part: Option<i64>,
    ) -> String {
        let (authorization, held) = hold;
        let request = self.capture_request(member, authorization, part);
        let request_id = request.request_id.clone();
        let story = if part.is_some() { Story::PartCapture } else { Story::Capture };
        self.members[member].wallet.end_hold(authorization, part.unwrap_or(held));
        self.done(member, brand, Command::Capture(request), story);
        request_id
    }

    /// A capture's request, for whatever becomes of it.
    pub(super) fn capture_request(
        &mut self,
        member: usize,
        authorization: &str,
        points: Option<i64>,
    ) -> CaptureRequest {
        CaptureRequest {
            request_id: self.next_id(member),
            authorization_request_id: authorization.to_owned(),
            points,
        }
    }

    /// Voids a hold. Answers the id.
    pub(super) fn void(&mut self, member: usize, brand: Brand, authorization: &str) -> String {
        let request = self.void_request(member, authorization);
        let request_id = request.request_id.clone();
        self.members[member].wallet.end_hold(authorization, 0);
        self.done(member, brand, Command::Void(request), Story::Void);
        request_id
    }

    /// A void's request, for whatever becomes of it.
    pub(super) fn void_request(&mut self, member: usize, authorization: &str) -> VoidRequest {
        VoidRequest {
            request_id: self.next_id(member),
            authorization_request_id: authorization.to_owned(),
        }
    }
}
