//! What makes two requests the same: their method and their fields as sent, the id left out.

use std::{
    collections::{BTreeMap, HashMap},
    sync::LazyLock,
};

use entente_api::DESCRIPTOR_SET;
use prost::{
    Message,
    bytes::Buf,
    encoding::{DecodeContext, WireType, decode_key, skip_field},
};
use prost_types::FileDescriptorSet;

use crate::method::{Method, WriteRequest};

/// The field of every write that holds its request id.
const REQUEST_ID: u32 = 1;

/// A request as it is kept with its outcome.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fingerprint {
    /// Which write.
    pub method: Method,
    /// The request, encoded, less its id.
    pub fields: Vec<u8>,
}

/// The encoding of each top-level field, by its number.
type Fields<'a> = BTreeMap<u32, Vec<&'a [u8]>>;

impl Fingerprint {
    /// The fingerprint of a request.
    #[must_use]
    pub fn of<R: WriteRequest>(request: &R) -> Self {
        let encoded = request.encode_to_vec();
        let mut fields = split(&encoded);
        fields.remove(&REQUEST_ID);
        let fields = fields.into_values().flatten().flatten().copied().collect();
        Self { method: R::METHOD, fields }
    }

    /// The first field that differs from what was sent before, in field-number order; `method` when
    /// another RPC was called, `None` when it is the same request.
    #[must_use]
    pub fn difference(&self, earlier_method: i16, earlier_fields: &[u8]) -> Option<String> {
        if self.method.code() != earlier_method {
            return Some("method".to_owned());
        }
        let (now, earlier) = (split(&self.fields), split(earlier_fields));
        let mut numbers: Vec<_> = now.keys().chain(earlier.keys()).copied().collect();
        numbers.sort_unstable();
        let number = numbers.into_iter().find(|number| now.get(number) != earlier.get(number))?;
        Some(field_name(self.method, number))
    }
}

/// Splits an encoded message into its fields. What is not one ends the walk: the rest is kept as
/// field 0, so that nothing is taken for equal that is not.
fn split(encoded: &[u8]) -> Fields<'_> {
    let mut fields = Fields::new();
    let mut rest = encoded;
    while rest.has_remaining() {
        let start = rest;
        let number = field(&mut rest);
        let length = start.len() - rest.len();
        let Some(number) = number else {
            fields.entry(0).or_default().push(start);
            break;
        };
        fields.entry(number).or_default().push(&start[..length]);
    }
    fields
}

/// Walks past one field.
fn field(rest: &mut &[u8]) -> Option<u32> {
    let (number, wire_type): (u32, WireType) = decode_key(rest).ok()?;
    skip_field(wire_type, number, rest, DecodeContext::default()).ok()?;
    Some(number)
}

fn field_name(method: Method, number: u32) -> String {
    let names = method.request().and_then(|message| FIELD_NAMES.get(message));
    let name = names.and_then(|names| names.get(&number)).cloned();
    name.unwrap_or_else(|| format!("field {number}"))
}

/// The names of the fields of every message of the contract, by the message's full name.
static FIELD_NAMES: LazyLock<HashMap<String, BTreeMap<u32, String>>> = LazyLock::new(|| {
    let files = FileDescriptorSet::decode(DESCRIPTOR_SET).expect("the contract was built in").file;
    let messages = files.into_iter().flat_map(|file| {
        let package = file.package().to_owned();
        file.message_type.into_iter().map(move |message| (package.clone(), message))
    });
    messages
        .map(|(package, message)| {
            let names = message.field.iter().filter_map(|field| {
                let number = u32::try_from(field.number()).ok()?;
                Some((number, field.name().to_owned()))
            });
            (format!("{package}.{}", message.name()), names.collect())
        })
        .collect()
});

#[cfg(test)]
mod tests {
    use entente_api::{
        points::{BurnRequest, EarnRequest, burn_request::Amount},
        types::Money,
    };

    use super::*;

    fn earn() -> EarnRequest {
        EarnRequest {
            request_id: "7d0c1e1c-6f0b-4d1b-9c59-0d3b1f6f7a10".to_owned(),
            member_reference: "guest-1".to_owned(),
            spend: Some(Money { currency: "EUR".to_owned(), micros: 37_800_000 }),
            category: "room".to_owned(),
            activity_at: Some(prost_types::Timestamp { seconds: 1_772_438_400, nanos: 0 }),
            receipt_reference: "R-1".to_owned(),
            ..EarnRequest::default()
        }
    }

    fn difference(earlier: &impl WriteRequest, now: &impl WriteRequest) -> Option<String> {
        let earlier = Fingerprint::of(earlier);
        Fingerprint::of(now).difference(earlier.method.code(), &earlier.fields)
    }

    #[test]
    fn the_same_request_under_another_spelling_of_its_id_is_the_same() {
        let again = EarnRequest { request_id: earn().request_id.to_uppercase(), ..earn() };
        assert_eq!(difference(&earn(), &again), None);
        assert_eq!(difference(&EarnRequest::default(), &EarnRequest::default()), None);
    }

    #[test]
    fn the_first_field_that_differs_is_named() {
        let other = || "other".to_owned();
        for (field, now) in [
            ("member_reference", EarnRequest { member_reference: other(), ..earn() }),
            ("spend", EarnRequest { spend: None, ..earn() }),
            ("category", EarnRequest { category: other(), receipt_reference: other(), ..earn() }),
            ("activity_at", EarnRequest { activity_at: None, ..earn() }),
            ("receipt_reference", EarnRequest { receipt_reference: String::new(), ..earn() }),
            ("retro_claim", EarnRequest { retro_claim: true, ..earn() }),
            ("paid_in_points", EarnRequest { paid_in_points: earn().spend, ..earn() }),
        ] {
            assert_eq!(difference(&earn(), &now).as_deref(), Some(field));
            assert_eq!(difference(&now, &earn()).as_deref(), Some(field));
        }
    }

    #[test]
    fn another_arm_of_a_oneof_differs() {
        let burn = |amount| BurnRequest { amount: Some(amount), ..BurnRequest::default() };
        let points = burn(Amount::Points(5));
        let more = burn(Amount::Points(6));
        let value = burn(Amount::Value(Money::default()));
        assert_eq!(difference(&points, &more).as_deref(), Some("points"));
        assert_eq!(difference(&value, &points).as_deref(), Some("points"));
    }

    #[test]
    fn another_method_differs_before_any_field() {
        assert_eq!(difference(&earn(), &BurnRequest::default()).as_deref(), Some("method"));
    }

    #[test]
    fn what_cannot_be_walked_is_not_taken_for_equal() {
        let now = Fingerprint::of(&earn());
        let mut earlier = now.fields.clone();
        earlier.push(0xff);
        assert!(now.difference(Method::Earn.code(), &earlier).is_some());
        assert_eq!(now.difference(Method::Earn.code(), &now.fields), None);
    }

    #[test]
    fn the_first_field_of_every_write_is_its_request_id() {
        for method in (0..=i16::MAX).filter_map(Method::of_code) {
            let expected = method.request().map(|_| "request_id".to_owned());
            let found = method.request().map(|_| field_name(method, REQUEST_ID));
            assert_eq!(found, expected, "{method:?}");
            assert_eq!(Method::of_code(method.code()), Some(method));
        }
    }
}
