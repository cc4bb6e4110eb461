//! What may go into a key, and what may be kept: never a secret, and the compiler sees to that.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use crate::registry::Fetched;

/// A SHA-256 digest.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest(pub(super) [u8; 32]);

impl Digest {
    /// The digest of bytes.
    pub fn of(bytes: &[u8]) -> Self {
        Self(Sha256::digest(bytes).into())
    }

    /// A digest as it is written: 64 hexadecimal digits in lower case.
    pub fn parse(text: &str) -> Option<Self> {
        let digits = text.as_bytes();
        if digits.len() != 64 {
            return None;
        }
        let mut bytes = [0; 32];
        for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
            let value = |digit: u8| match digit {
                b'0'..=b'9' => Some(digit - b'0'),
                b'a'..=b'f' => Some(digit - b'a' + 10),
                _ => None,
            };
            *byte = value(*pair.first()?)? << 4 | value(*pair.get(1)?)?;
        }
        Some(Self(bytes))
    }

    /// Its first 16 digits, which tell ingredients apart for people.
    pub fn short(&self) -> String {
        let mut text = self.to_string();
        text.truncate(16);
        text
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for Digest {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Digest {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).ok_or_else(|| serde::de::Error::custom("not a digest of 64 hexadecimal digits"))
    }
}

/// Types of encoded values. Their numbers are part of every key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Tag {
    Null = 0,
    Boolean = 1,
    Integer = 2,
    Float = 3,
    Text = 4,
    Bytes = 5,
    List = 6,
    Map = 7,
    None = 8,
    Some = 9,
    Digest = 10,
    /// A part of a key that is no value: kind, scope, inputs.
    Part = 11,
}

/// Hashes values unambiguously: each is its type, its length and its bytes, so that no two different values give the
/// same bytes.
pub struct Encoder(Sha256);

impl Encoder {
    pub(super) fn new() -> Self {
        Self(Sha256::new())
    }

    pub(super) fn field(&mut self, tag: Tag, bytes: &[u8]) {
        self.start(tag, bytes.len());
        self.0.update(bytes);
    }

    /// Begins something that has `length` bytes or entries.
    pub(super) fn start(&mut self, tag: Tag, length: usize) {
        self.0.update([tag as u8]);
        self.0.update(u64::try_from(length).unwrap_or(u64::MAX).to_be_bytes());
    }

    pub(super) fn finish(self) -> Digest {
        Digest(self.0.finalize().into())
    }
}

/// A value that may be an ingredient. Nothing that can hold a secret implements it: neither JSON of unknown origin nor
/// what a lookup found.
///
/// ```
/// use runway_core::cache::{CacheValue, PlainJson};
/// use runway_core::registry::Fetched;
///
/// let fetched = Fetched { value: serde_json::json!("ami-1"), secret: false };
/// let plain = PlainJson::of(&fetched).expect("this one is no secret");
/// let _ = plain.digest();
/// ```
///
/// ```compile_fail,E0599
/// use runway_core::cache::{CacheValue, PlainJson};
/// use runway_core::registry::Fetched;
///
/// let fetched = Fetched { value: serde_json::json!("ami-1"), secret: false };
/// let _ = fetched.digest();
/// ```
///
/// ```compile_fail,E0599
/// use runway_core::cache::CacheValue;
///
/// let value = serde_json::json!("ami-1");
/// let _ = value.digest();
/// ```
pub trait CacheValue {
    /// Hashes it; values of different types are never the same.
    fn encode(&self, encoder: &mut Encoder);

    /// Its digest.
    fn digest(&self) -> Digest {
        let mut encoder = Encoder::new();
        self.encode(&mut encoder);
        encoder.finish()
    }
}

/// A result that may be kept. Nothing that can hold a secret implements it.
///
/// ```
/// use std::time::Duration;
/// use runway_core::cache::{Cache, CacheOutput, Class, Ingredients, Kind, Scope};
///
/// # #[derive(serde::Serialize, serde::Deserialize)]
/// struct Size(u64);
/// impl CacheOutput for Size {}
///
/// const KIND: Kind = Kind { name: "example", revision: 1, class: Class::Pure };
/// let cache = Cache::default();
/// let ingredients = Ingredients::new(KIND, &Scope::default(), "example");
/// cache.keep(&ingredients, &Size(1), Duration::ZERO);
/// ```
///
/// ```compile_fail,E0277
/// use std::time::Duration;
/// use runway_core::cache::{Cache, CacheOutput, Class, Ingredients, Kind, Scope};
///
/// const KIND: Kind = Kind { name: "example", revision: 1, class: Class::Pure };
/// let cache = Cache::default();
/// let ingredients = Ingredients::new(KIND, &Scope::default(), "example");
/// cache.keep(&ingredients, &serde_json::json!({"password": "secret"}), Duration::ZERO);
/// ```
///
/// ```compile_fail,E0277
/// use std::time::Duration;
/// use runway_core::cache::{Cache, CacheOutput, Class, Ingredients, Kind, Scope};
///
/// const KIND: Kind = Kind { name: "example", revision: 1, class: Class::Pure };
/// let cache = Cache::default();
/// let ingredients = Ingredients::new(KIND, &Scope::default(), "example");
/// cache.keep(&ingredients, &String::from("secret"), Duration::ZERO);
/// ```
pub trait CacheOutput: Serialize + DeserializeOwned {}

/// JSON that is known to hold no secret.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct PlainJson(Value);

impl PlainJson {
    /// Says that `value` holds no secret: it was written in a file that is no secret, or was computed from such values
    /// alone.
    pub fn known(value: Value) -> Self {
        Self(value)
    }

    /// What a lookup found, unless it is a secret.
    pub fn of(fetched: &Fetched) -> Option<Self> {
        (!fetched.secret).then(|| Self(fetched.value.clone()))
    }

    /// The JSON.
    pub fn value(&self) -> &Value {
        &self.0
    }

    /// The JSON.
    pub fn into_value(self) -> Value {
        self.0
    }
}

impl CacheOutput for PlainJson {}
impl CacheOutput for Digest {}
impl CacheOutput for bool {}
impl CacheOutput for u64 {}
impl CacheOutput for () {}
impl<T: CacheOutput> CacheOutput for Option<T> {}
impl<T: CacheOutput> CacheOutput for Vec<T> {}

/// Bytes as an ingredient, of a file for example.
#[derive(Debug, Clone, Copy)]
pub struct Raw<'a>(pub &'a [u8]);

impl CacheValue for Raw<'_> {
    fn encode(&self, encoder: &mut Encoder) {
        encoder.field(Tag::Bytes, self.0);
    }
}

impl CacheValue for str {
    fn encode(&self, encoder: &mut Encoder) {
        encoder.field(Tag::Text, self.as_bytes());
    }
}

impl CacheValue for String {
    fn encode(&self, encoder: &mut Encoder) {
        self.as_str().encode(encoder);
    }
}

impl CacheValue for bool {
    fn encode(&self, encoder: &mut Encoder) {
        encoder.field(Tag::Boolean, &[u8::from(*self)]);
    }
}

impl CacheValue for Digest {
    fn encode(&self, encoder: &mut Encoder) {
        encoder.field(Tag::Digest, &self.0);
    }
}

macro_rules! integers {
    ($($type:ty),*) => {$(
        impl CacheValue for $type {
            fn encode(&self, encoder: &mut Encoder) {
                encoder.field(Tag::Integer, &i128::from(*self).to_be_bytes());
            }
        }
    )*};
}

integers!(u16, u32, u64, i32, i64);

impl CacheValue for f64 {
    fn encode(&self, encoder: &mut Encoder) {
        encoder.field(Tag::Float, &self.to_bits().to_be_bytes());
    }
}

impl<T: CacheValue> CacheValue for Option<T> {
    fn encode(&self, encoder: &mut Encoder) {
        match self {
            None => encoder.start(Tag::None, 0),
            Some(value) => {
                encoder.start(Tag::Some, 1);
                value.encode(encoder);
            }
        }
    }
}

impl<T: CacheValue> CacheValue for [T] {
    fn encode(&self, encoder: &mut Encoder) {
        encoder.start(Tag::List, self.len());
        self.iter().for_each(|item| item.encode(encoder));
    }
}

impl<T: CacheValue> CacheValue for Vec<T> {
    fn encode(&self, encoder: &mut Encoder) {
        self.as_slice().encode(encoder);
    }
}

impl<K: CacheValue + Ord, V: CacheValue> CacheValue for BTreeMap<K, V> {
    fn encode(&self, encoder: &mut Encoder) {
        encoder.start(Tag::Map, self.len());
        for (key, value) in self {
            key.encode(encoder);
            value.encode(encoder);
        }
    }
}

impl<T: CacheValue + ?Sized> CacheValue for &T {
    fn encode(&self, encoder: &mut Encoder) {
        (**self).encode(encoder);
    }
}

impl CacheValue for PlainJson {
    fn encode(&self, encoder: &mut Encoder) {
        encode_json(&self.0, encoder);
    }
}

/// A JSON document by its values: the order of entries does not count, the type of a scalar does.
fn encode_json(value: &Value, encoder: &mut Encoder) {
    match value {
        Value::Null => encoder.start(Tag::Null, 0),
        Value::Bool(value) => value.encode(encoder),
        Value::Number(number) => match (number.as_i64(), number.as_u64(), number.as_f64()) {
            (Some(number), ..) => number.encode(encoder),
            (None, Some(number), _) => number.encode(encoder),
            (None, None, number) => number.unwrap_or(f64::NAN).encode(encoder),
        },
        Value::String(text) => text.as_str().encode(encoder),
        Value::Array(items) => {
            encoder.start(Tag::List, items.len());
            items.iter().for_each(|item| encode_json(item, encoder));
        }
        Value::Object(entries) => {
            let sorted: BTreeMap<&String, &Value> = entries.iter().collect();
            encoder.start(Tag::Map, sorted.len());
            for (key, value) in sorted {
                key.encode(encoder);
                encode_json(value, encoder);
            }
        }
    }
}

/// The one text of a JSON document: sorted entries, no white space. `None` if there is a number in it that is not whole:
/// such numbers do not always survive being written and read.
pub(super) fn canonical_text(value: &Value) -> Option<String> {
    fn sorted(value: &Value) -> Option<Value> {
        Some(match value {
            Value::Number(number) if number.is_f64() => return None,
            Value::Array(items) => Value::Array(items.iter().map(sorted).collect::<Option<_>>()?),
            Value::Object(entries) => {
                let entries: BTreeMap<&String, &Value> = entries.iter().collect();
                let entries = entries.into_iter().map(|(key, value)| Some((key.clone(), sorted(value)?)));
                Value::Object(entries.collect::<Option<_>>()?)
            }
            scalar => scalar.clone(),
        })
    }
    serde_json::to_string(&sorted(value)?).ok()
}
