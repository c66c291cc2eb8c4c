//! JSON read strictly: an object, no member of any object twice, and each claim of one type.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

use super::Rejected;

/// The members of an object.
#[derive(Debug)]
pub(super) struct Fields(Map<String, Value>);

impl Fields {
    /// Reads an object, all of it.
    pub(super) fn read(json: &[u8]) -> Result<Self, Rejected> {
        serde_json::from_slice(json).map_err(|_| Rejected::Malformed)
    }

    /// Whether these are all the members.
    pub(super) fn are_exactly(&self, names: &[&str]) -> bool {
        self.0.len() == names.len() && names.iter().all(|name| self.0.contains_key(*name))
    }

    /// A string.
    pub(super) fn text(&self, name: &'static str) -> Result<&str, Rejected> {
        self.0.get(name).and_then(Value::as_str).ok_or(Rejected::Claim(name))
    }

    /// A string that may be missing.
    pub(super) fn optional_text(&self, name: &'static str) -> Result<Option<&str>, Rejected> {
        self.0.get(name).map(|_| self.text(name)).transpose()
    }

    /// A whole number.
    pub(super) fn integer(&self, name: &'static str) -> Result<i64, Rejected> {
        self.0.get(name).and_then(Value::as_i64).ok_or(Rejected::Claim(name))
    }

    /// A whole number that may be missing.
    pub(super) fn optional_integer(&self, name: &'static str) -> Result<Option<i64>, Rejected> {
        self.0.get(name).map(|_| self.integer(name)).transpose()
    }

    /// An object with exactly these members.
    pub(super) fn object(self, name: &'static str, of: &[&str]) -> Result<Self, Rejected> {
        let Self(mut members) = self;
        match members.remove(name) {
            Some(Value::Object(inner)) if Self(inner.clone()).are_exactly(of) => Ok(Self(inner)),
            Some(_) | None => Err(Rejected::Claim(name)),
        }
    }

    /// A token's own id: 16 to 64 characters of base64url or of a UUID.
    pub(super) fn jti(&self) -> Result<&str, Rejected> {
        let jti = self.text("jti")?;
        let good = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
        if (16..=64).contains(&jti.len()) && jti.bytes().all(good) {
            return Ok(jti);
        }
        Err(Rejected::Claim("jti"))
    }
}

impl<'de> Deserialize<'de> for Fields {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match Once::deserialize(deserializer)? {
            Once(Value::Object(members)) => Ok(Self(members)),
            Once(_) => Err(D::Error::custom("claims are an object")),
        }
    }
}

/// A value in which no object has a member twice.
struct Once(Value);

struct OnceVisitor;

impl<'de> Deserialize<'de> for Once {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(OnceVisitor).map(Once)
    }
}

impl<'de> Visitor<'de> for OnceVisitor {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON in which no member occurs twice")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(Number::from_f64(value).map_or(Value::Null, Value::Number))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::String(value.to_owned()))
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut values = Vec::new();
        while let Some(Once(value)) = items.next_element()? {
            values.push(value);
        }
        Ok(Value::Array(values))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        let mut map = Map::new();
        while let Some((name, Once(value))) = members.next_entry::<String, Once>()? {
            if map.insert(name, value).is_some() {
                return Err(A::Error::custom("a member occurs twice"));
            }
        }
        Ok(Value::Object(map))
    }
}
