//! From wire types to domain types: each parser answers a value or says what is expected.
//!
//! A [`Violations`] collects what is wrong with a request, so that the caller learns all of it at
//! once. No description repeats what was sent: it came from outside, and may be personal.

mod amount;
pub mod audit;
pub mod clearing;
pub mod conversion;
pub mod dispute;
pub mod event;
pub mod identity;
pub mod member;
mod page;
pub mod partner;
pub mod points;
pub mod proposal;
pub mod reconciliation;
pub mod settlement;
mod terms;
mod text;
mod time;
pub mod webhook;

use std::borrow::Cow;

use crate::error::{Refused, Violation};

pub use amount::{Amount, points as points_number};
pub use page::page;
pub use text::{
    MemberReference, category, member_reference, page_size, partner_code, printable,
    receipt_reference, request_id, window_name,
};
pub use time::{clock_time, timestamp, wire_timestamp};

/// What is expected of a field, for people.
pub type Expected = Cow<'static, str>;

/// What is wrong with one request.
///
/// ```
/// use entente_hub::parse::{self, Violations};
///
/// fn parsed(id: &str, reference: &str) -> Result<(), entente_hub::error::Refused> {
///     let mut violations = Violations::default();
///     let id = violations.field("request_id", parse::request_id(id));
///     let reference = violations.field("member_reference", parse::member_reference(reference));
///     let (Some(_id), Some(_reference)) = (id, reference) else {
///         return Err(violations.refused());
///     };
///     violations.none()
/// }
/// assert!(parsed("7d0c1e1c-6f0b-4d1b-9c59-0d3b1f6f7a10", "guest-1").is_ok());
/// assert!(parsed("guest-1", "7d0c1e1c-6f0b-4d1b-9c59-0d3b1f6f7a10").is_err());
/// ```
#[derive(Debug, Default)]
pub struct Violations(Vec<Violation>);

impl Violations {
    /// Notes a field that is malformed.
    pub fn add(&mut self, field: impl Into<String>, expected: impl Into<Expected>) {
        let (field, description) = (field.into(), expected.into().into_owned());
        self.0.push(Violation { field, description });
    }

    /// The value of a field, or a note of what is expected of it.
    pub fn field<T>(&mut self, field: &str, parsed: Result<T, Expected>) -> Option<T> {
        parsed.map_err(|expected| self.add(field, expected)).ok()
    }

    /// The value of a text field that may be empty: `Some(None)` where it is.
    pub fn optional<T>(
        &mut self,
        field: &str,
        text: &str,
        parse: impl FnOnce(&str) -> Result<T, Expected>,
    ) -> Option<Option<T>> {
        if text.is_empty() {
            return Some(None);
        }
        self.field(field, parse(text)).map(Some)
    }

    /// The value of a message field or of a oneof that has to be there.
    pub fn required<T>(&mut self, field: &str, value: Option<T>) -> Option<T> {
        self.field(field, value.ok_or(Cow::Borrowed("is required")))
    }

    /// Whether nothing is wrong so far.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The refusal.
    #[must_use]
    pub fn refused(self) -> Refused {
        Refused::malformed(self.0)
    }

    /// The refusal, with the violations of another one after these.
    #[must_use]
    pub fn and(mut self, other: Refused) -> Refused {
        self.0.extend(other.into_violations());
        self.refused()
    }

    /// The refusal, if anything is wrong.
    pub fn none(self) -> Result<(), Refused> {
        if self.is_empty() { Ok(()) } else { Err(self.refused()) }
    }
}
