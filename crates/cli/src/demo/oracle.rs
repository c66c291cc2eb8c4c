//! What each member should have: a small second opinion on the hub's arithmetic, in points alone.
//!
//! It knows nothing of lots, money or partners' positions, so that it can be read at a glance.

use entente_api::partner::{Agreement, EarnRounding};
use entente_api::types::Balances;
use jiff::Timestamp;

/// A member's points.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Wallet {
    pub(crate) available: i64,
    pub(crate) held: i64,
    pub(crate) debt: i64,
    holds: Vec<Hold>,
}

/// Points set aside.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Hold {
    request_id: String,
    points: i64,
    expires_at: Timestamp,
}

/// A purchase that may be refunded, in parts.
#[derive(Clone, Debug)]
pub(crate) struct Purchase {
    pub(crate) category: String,
    pub(crate) spend_left: i64,
    pub(crate) points_left: i64,
    pub(crate) agreement: Agreement,
}

impl Wallet {
    /// As the hub answers it.
    pub(crate) fn balances(&self) -> Balances {
        Balances { available: self.available, held: self.held, debt: self.debt }
    }

    /// Ends the holds that are due.
    pub(crate) fn bring_to(&mut self, now: Timestamp) {
        let due: Vec<_> = self.holds.extract_if(.., |hold| hold.expires_at <= now).collect();
        for hold in due {
            self.held -= hold.points;
            self.receive(hold.points);
        }
    }

    /// Points become available, and repay debt first.
    pub(crate) fn receive(&mut self, points: i64) {
        let repaid = points.min(self.debt);
        self.debt -= repaid;
        self.available += points - repaid;
    }

    /// Burns points; the caller knows that they are there.
    pub(crate) fn burn(&mut self, points: i64) {
        self.available -= points;
    }

    /// Sets points aside.
    pub(crate) fn authorize(&mut self, request_id: String, points: i64, expires_at: Timestamp) {
        self.available -= points;
        self.held += points;
        self.holds.push(Hold { request_id, points, expires_at });
    }

    /// Ends a hold, of which `captured` points are spent.
    pub(crate) fn end_hold(&mut self, request_id: &str, captured: i64) {
        let ended = self.holds.extract_if(.., |hold| hold.request_id == request_id).next();
        if let Some(hold) = ended {
            self.held -= hold.points;
            self.receive(hold.points - captured);
        }
    }

    /// Takes points back; what is not there is owed.
    pub(crate) fn claw(&mut self, points: i64) {
        let taken = points.min(self.available);
        self.available -= taken;
        self.debt += points - taken;
    }
}

impl Purchase {
    /// Refunds a part of the spend; says how many points are taken back.
    pub(crate) fn refund(&mut self, spend: i64) -> i64 {
        self.spend_left -= spend;
        let would_earn = earned(&self.agreement, &self.category, self.spend_left);
        let taken = self.points_left - would_earn.min(self.points_left);
        self.points_left -= taken;
        taken
    }
}

/// What a spend earns.
pub(crate) fn earned(agreement: &Agreement, category: &str, spend: i64) -> i64 {
    let named = |name: &str| agreement.categories.iter().find(|one| one.category == name);
    let rules = named(category).or_else(|| named("*")).map_or(&[][..], |one| &one.rules);
    let met = rules.iter().filter(|rule| rule.minimum_spend_micros <= spend);
    let Some(rule) = met.max_by_key(|rule| rule.minimum_spend_micros) else { return 0 };
    let product = i128::from(spend) * i128::from(rule.points);
    let per = i128::from(rule.per_spend_micros);
    let points = match agreement.rounding() {
        EarnRounding::HalfUp => (2 * product + per).div_euclid(2 * per),
        EarnRounding::Down | EarnRounding::Unspecified => product.div_euclid(per),
    };
    let most = agreement.max_points_per_operation.unwrap_or(i64::MAX);
    i64::try_from(points).unwrap_or(i64::MAX).min(most)
}

/// How many points are worth a value at the till, rounded up.
pub(crate) fn worth(agreement: &Agreement, value: i64) -> i64 {
    let price = agreement.point_value_micros;
    value / price + i64::from(value % price != 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::demo::cast::{Brand, at_hour};

    fn grocer() -> Agreement {
        Brand::Grocer.versions().expect("terms").remove(0).agreement
    }

    #[test]
    fn a_refund_that_breaks_a_minimum_takes_more_than_its_share() {
        let agreement = grocer();
        let mut purchase = Purchase {
            category: "groceries".to_owned(),
            spend_left: 120_000_000,
            points_left: earned(&agreement, "groceries", 120_000_000),
            agreement,
        };
        assert_eq!(purchase.points_left, 480);
        assert_eq!(purchase.refund(40_000_000), 320);
        assert_eq!(purchase.refund(80_000_000), 160);
    }

    #[test]
    fn a_debt_is_repaid_by_whatever_comes() {
        let mut wallet = Wallet::default();
        wallet.receive(50);
        wallet.claw(160);
        assert_eq!(wallet.balances(), Balances { available: 0, held: 0, debt: 110 });
        wallet.receive(200);
        assert_eq!(wallet.balances(), Balances { available: 90, held: 0, debt: 0 });
    }

    #[test]
    fn a_hold_ends_by_capture_by_void_or_by_itself() {
        let mut wallet = Wallet::default();
        wallet.receive(1_000);
        for (id, points) in [("a", 100), ("b", 200), ("c", 300)] {
            wallet.authorize(id.to_owned(), points, at_hour(points));
        }
        wallet.end_hold("a", 40);
        wallet.end_hold("b", 0);
        wallet.bring_to(at_hour(299));
        assert_eq!(wallet.balances(), Balances { available: 660, held: 300, debt: 0 });
        wallet.bring_to(at_hour(300));
        assert_eq!(wallet.balances(), Balances { available: 960, held: 0, debt: 0 });
    }

    #[test]
    fn a_value_is_rounded_up_to_points() {
        let agreement = grocer();
        assert_eq!(worth(&agreement, 4_800), 1);
        assert_eq!(worth(&agreement, 4_801), 2);
    }
}
