//! What makes two requests the same: their method and their fields as sent, the id left out. What is
//! personal in them is veiled: it is found to be the same, and can be found nowhere else.

use std::{
    collections::{BTreeMap, HashMap},
    sync::LazyLock,
};

use entente_api::DESCRIPTOR_SET;
use entente_ledger::{PartnerId, RequestId};
use prost::{
    Message,
    bytes::Buf,
    encoding::{DecodeContext, WireType, decode_key, encode_key, encode_varint, skip_field},
};
use prost_types::FileDescriptorSet;

use crate::{
    method::{Method, WriteRequest},
    personal::Vault,
};

/// The field of every write that holds its request id.
const REQUEST_ID: u32 = 1;

/// A request as it is kept with its outcome.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fingerprint {
    /// Which write.
    pub method: Method,
    /// The request, encoded, less its id, and with what is personal in it veiled.
    pub fields: Vec<u8>,
}

/// A request as it was sent, less its id. It may be personal, so it prints as nothing.
#[derive(Clone, PartialEq, Eq)]
pub struct Said {
    method: Method,
    encoded: Vec<u8>,
}

/// The encoding of each top-level field, by its number.
type Fields<'a> = BTreeMap<u32, Vec<&'a [u8]>>;

impl Said {
    /// What a request says.
    #[must_use]
    pub fn of<R: WriteRequest>(request: &R) -> Self {
        Self { method: R::METHOD, encoded: request.encode_to_vec() }
    }

    /// The fingerprint that it has as this request of this partner.
    #[must_use]
    pub fn fingerprint(&self, vault: &Vault, claimed: (PartnerId, RequestId)) -> Fingerprint {
        let mut split = split(&self.encoded);
        split.remove(&REQUEST_ID);
        let personal = self.method.personal();
        let mut fields = Vec::with_capacity(self.encoded.len());
        for (number, parts) in split {
            if personal.contains(&number) {
                let veil = vault.veil(claimed, (number, &parts.concat()));
                encode_key(number, WireType::LengthDelimited, &mut fields);
                encode_varint(veil.len().try_into().unwrap_or_default(), &mut fields);
                fields.extend_from_slice(&veil);
            } else {
                for part in parts {
                    fields.extend_from_slice(part);
                }
            }
        }
        Fingerprint { method: self.method, fields }
    }
}

impl std::fmt::Debug for Said {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Said({:?}, ..)", self.method)
    }
}

impl Fingerprint {
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

    fn kept(request: &impl WriteRequest, id: u128) -> Fingerprint {
        let claimed = (PartnerId(1), RequestId(uuid::Uuid::from_u128(id)));
        Said::of(request).fingerprint(&Vault::new(&[7; 32]), claimed)
    }

    fn difference(earlier: &impl WriteRequest, now: &impl WriteRequest) -> Option<String> {
        let earlier = kept(earlier, 1);
        kept(now, 1).difference(earlier.method.code(), &earlier.fields)
    }

    #[test]
    fn what_is_personal_is_kept_in_no_request_and_is_another_in_each() {
        let (first, second) = (kept(&earn(), 1), kept(&earn(), 2));
        let differs = second.difference(first.method.code(), &first.fields);
        assert_eq!(differs.as_deref(), Some("member_reference"));
        let holds = |what: &[u8]| first.fields.windows(what.len()).any(|part| part == what);
        assert!(!holds(b"guest-1") && holds(b"R-1"));
    }

    /// Whoever adds a field that names a member has to say that it is personal.
    #[test]
    fn every_field_that_names_a_member_is_veiled() {
        for method in (0..=i16::MAX).filter_map(Method::of_code) {
            let names = method.request().and_then(|message| FIELD_NAMES.get(message));
            for (number, name) in names.into_iter().flatten() {
                let named = name.ends_with("member_reference") || name == "member_assertion";
                let veiled = method.personal().contains(number);
                let free = ["act", "reason", "evidence", "answer"].contains(&name.as_str());
                assert!(veiled == named || (veiled && free), "{method:?} {name}");
            }
        }
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
        let now = kept(&earn(), 1);
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
