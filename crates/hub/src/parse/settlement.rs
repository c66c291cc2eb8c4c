//! Requests about settlement.

use entente_api::settlement::{
    CloseWindowRequest, GetPositionRequest, GetStatementRequest, RecordPaymentRequest,
};
use entente_ledger::RequestId;
use entente_loyalty::PartnerCode;
use entente_settlement::iso20022::PaymentId;
use entente_store::settlement::WindowChoice;

use super::{Expected, Violations, partner_code, request_id, window_name};
use crate::{
    control::{PaidFor, RecordPayment},
    error::Refused,
};

/// A line has some hundred bytes, at most some 600: so many of them are far from what a client takes at once.
const MAX_LINES_PER_MESSAGE: u16 = 1_000;

/// The name of a window to be.
pub fn close(request: &CloseWindowRequest) -> Result<String, Refused> {
    let mut violations = Violations::default();
    let name = violations.field("name", window_name(&request.name));
    name.ok_or_else(|| violations.refused())
}

/// A payment, and who says so.
pub fn payment(
    request: &RecordPaymentRequest,
    actor: String,
) -> Result<(RequestId, RecordPayment), Refused> {
    let mut violations = Violations::default();
    let id = violations.field("request_id", request_id(&request.request_id));
    let of = match request.obligation.as_str() {
        "" => violations.field("partner", partner_code(&request.partner)).map(PaidFor::Oldest),
        _ if !request.partner.is_empty() => {
            violations.add("partner", "empty, where an obligation is named");
            None
        }
        named => violations.field("obligation", end_to_end_id(named)).map(PaidFor::Obligation),
    };
    let amount = violations.money("amount", request.amount.as_ref());
    match (id, of, amount) {
        (Some(request_id), Some(of), Some(amount)) => {
            Ok((request_id, RecordPayment { request_id, of, amount, actor }))
        }
        _ => Err(violations.refused()),
    }
}

/// The end-to-end id of an obligation.
pub(super) fn end_to_end_id(text: &str) -> Result<String, Expected> {
    let parsed = PaymentId::new(text).map(|id| id.to_string());
    parsed.map_err(|error| Expected::Owned(error.to_string()))
}

/// A window, and whom the read is about if anybody.
pub fn position(
    request: &GetPositionRequest,
) -> Result<(WindowChoice, Option<PartnerCode>), Refused> {
    window_and_partner(&request.window, &request.partner)
}

/// A statement, as it is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AskedStatement {
    /// Of which window.
    pub window: WindowChoice,
    /// Whose, if anybody is named.
    pub partner: Option<PartnerCode>,
    /// How many lines may come in one message; 0 where each is a part of its own.
    pub lines_per_message: u16,
}

/// A statement of a window.
pub fn statement(request: &GetStatementRequest) -> Result<AskedStatement, Refused> {
    let mut violations = Violations::default();
    let together = u16::try_from(request.lines_per_message).ok();
    let together = together.filter(|lines| *lines <= MAX_LINES_PER_MESSAGE);
    let together = together.ok_or(Expected::Borrowed("0 to 1000"));
    let lines_per_message = violations.field("lines_per_message", together);
    let named = window_and_partner(&request.window, &request.partner);
    match (named, lines_per_message) {
        (Ok((window, partner)), Some(lines_per_message)) => {
            Ok(AskedStatement { window, partner, lines_per_message })
        }
        (Err(refused), _) => Err(violations.and(refused)),
        (Ok(_), None) => Err(violations.refused()),
    }
}

/// The partner that a read is about, if it is about one.
pub fn partner(code: &str) -> Result<Option<PartnerCode>, Refused> {
    let mut violations = Violations::default();
    let partner = violations.optional("partner", code, partner_code);
    partner.ok_or_else(|| violations.refused())
}

/// Of which closed window a report is, if of one, and about whom, if about somebody.
pub fn report(
    window: &str,
    partner: &str,
) -> Result<(Option<String>, Option<PartnerCode>), Refused> {
    let (window, partner) = window_and_partner(window, partner)?;
    match window {
        WindowChoice::Open => Ok((None, partner)),
        WindowChoice::Closed(name) => Ok((Some(name), partner)),
    }
}

/// A window, the open one where no name is given, and a partner where one is.
pub fn window_and_partner(
    window: &str,
    partner: &str,
) -> Result<(WindowChoice, Option<PartnerCode>), Refused> {
    let mut violations = Violations::default();
    let window = match window {
        "" => Some(WindowChoice::Open),
        name => violations.field("window", window_name(name)).map(WindowChoice::Closed),
    };
    let partner = violations.optional("partner", partner, partner_code);
    window.zip(partner).ok_or_else(|| violations.refused())
}
