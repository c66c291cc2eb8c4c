//! Notices as the contract has them: the body of a row is the event's message of that kind, so that
//! what a partner was told once is told the same for ever.

use entente_api::{
    event::{
        BurnedElsewhere, CapThreshold, FloatThreshold, HoldExpired, PointsExpiring, TermsInForce,
        WindowClosed,
    },
    types::Money,
};
use entente_ledger::{Cell, Currency, Micros, PartnerId, Points, RequestId, Seq};
use entente_loyalty::{Crossing, FloatCrossing, Operation, Terms};
use entente_store::{Notice, NoticeKind, Place, settlement::ListedWindow};
use jiff::{Timestamp, civil::Date, tz::Offset};
use prost::Message;

use crate::parse::wire_timestamp;

/// The operation that notices are told of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Anchor {
    cell: Cell,
    seq: Seq,
    posted_at: Timestamp,
}

impl Anchor {
    /// An operation of a batch.
    pub(crate) fn of(operation: &Operation) -> Self {
        let Operation { cell, seq, posted_at, .. } = *operation;
        Self { cell, seq, posted_at }
    }

    /// An operation at a place, posted at a time.
    pub(crate) const fn at(place: Place, posted_at: Timestamp) -> Self {
        Self { cell: place.cell, seq: place.seq, posted_at }
    }

    /// A hold of the partner ended by itself. The member is the operation's.
    pub(crate) fn hold_expired(
        self,
        partner: PartnerId,
        authorization: RequestId,
        points: Points,
    ) -> Notice {
        let body = HoldExpired {
            authorization_request_id: authorization.0.to_string(),
            points: points.0,
            member_token: String::new(),
        };
        self.notice(partner, NoticeKind::HoldExpired, &body)
    }

    /// A share of the partner's cap was crossed.
    pub(crate) fn cap_threshold(self, crossing: &Crossing) -> Notice {
        let money = |Micros(micros): Micros, currency: Currency| Money {
            currency: currency.to_string(),
            micros,
        };
        let body = CapThreshold {
            percent: crossing.percent.into(),
            rising: crossing.rising,
            owed: Some(money(crossing.owed.max(Micros::ZERO), crossing.currency)),
            cap: Some(money(crossing.cap, crossing.currency)),
        };
        self.notice(crossing.partner, NoticeKind::CapThreshold, &body)
    }

    /// A version of the partner's terms came into force.
    pub(crate) fn terms_in_force(self, terms: &Terms) -> Notice {
        let effective_from = Some(wire_timestamp(terms.effective_from));
        let body = TermsInForce { version: terms.version.0, effective_from };
        self.notice(terms.partner, NoticeKind::TermsInForce, &body)
    }

    /// A window closed and the next one opened.
    pub(crate) fn window_closed(self, partner: PartnerId, window: &ListedWindow) -> Notice {
        let body = WindowClosed {
            window: window.name.clone().unwrap_or_default(),
            opened_at: Some(wire_timestamp(window.opened_at)),
            closed_at: window.closed_at.map(wire_timestamp),
        };
        self.notice(partner, NoticeKind::WindowClosed, &body)
    }

    /// Points that the partner issued expire soon. The member is the operation's.
    pub(crate) fn points_expiring(self, issuer: PartnerId, points: Points, day: Date) -> Notice {
        let expires_on = day.to_string();
        let body = PointsExpiring { member_token: String::new(), points: points.0, expires_on };
        self.notice(issuer, NoticeKind::PointsExpiring, &body)
    }

    /// One member burned many points of the issuer at others. The member is the operation's.
    pub(crate) fn burned_elsewhere(self, burned: entente_loyalty::BurnedElsewhere) -> Notice {
        let day = Offset::UTC.to_datetime(burned.since).date().to_string();
        let body = BurnedElsewhere { member_token: String::new(), points: burned.points.0, day };
        self.notice(burned.issuer, NoticeKind::BurnedElsewhere, &body)
    }

    /// A share of the partner's float is left, and no more.
    pub(crate) fn float_threshold(self, crossing: &FloatCrossing) -> Notice {
        let body = FloatThreshold {
            percent: crossing.percent.into(),
            currency: crossing.currency.to_string(),
            points_left: crossing.left.0,
            level: crossing.level.0,
            reserve_left: crossing.reserve_left.0,
        };
        self.notice(crossing.partner, NoticeKind::FloatThreshold, &body)
    }

    fn notice(self, partner: PartnerId, kind: NoticeKind, body: &impl Message) -> Notice {
        let Self { cell, seq, posted_at } = self;
        Notice { cell, seq, posted_at, partner, kind, body: body.encode_to_vec() }
    }
}
