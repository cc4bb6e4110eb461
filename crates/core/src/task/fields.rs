//! The names of a type's fields, as its `Deserialize` knows them: the names that a config may use.

use serde::de::{DeserializeOwned, Deserializer, Error as _, Visitor};
use serde::forward_to_deserialize_any;

/// The fields of a struct that `serde` derives; empty for anything else.
pub(super) fn of<T: DeserializeOwned>() -> &'static [&'static str] {
    let mut found: &'static [&'static str] = &[];
    // It never succeeds: the fields are all that is wanted.
    let _ = T::deserialize(Probe(&mut found));
    found
}

struct Probe<'f>(&'f mut &'static [&'static str]);

impl<'de> Deserializer<'de> for Probe<'_> {
    type Error = serde::de::value::Error;

    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Self::Error> {
        Err(Self::Error::custom("only names of fields are asked for"))
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Self::Error> {
        *self.0 = fields;
        self.deserialize_any(visitor)
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit unit_struct
        newtype_struct seq tuple tuple_struct map enum identifier ignored_any
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    #[derive(Deserialize)]
    #[allow(dead_code, reason = "only its names are looked at")]
    struct Spec {
        name: String,
        #[serde(rename = "type")]
        kind: Option<String>,
    }

    #[test]
    fn names_are_those_of_the_config() {
        assert_eq!(super::of::<Spec>(), ["name", "type"]);
        assert!(super::of::<String>().is_empty());
    }
}
