//! Arguments that several kinds have.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::{self, Deserializer, Visitor};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// `state`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Wanted {
    /// It is to be there.
    #[default]
    Present,
    /// It is not to be there.
    Absent,
}

/// An account id. YAML reads one without quotes as a number.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(transparent)]
pub(super) struct AccountId(pub(super) String);

impl<'de> Deserialize<'de> for AccountId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Text::deserialize(deserializer).map(|text| Self(text.0))
    }
}

impl AccountId {
    /// What is wrong with it, if anything.
    pub(super) fn problem(&self) -> Option<String> {
        let is_id = self.0.len() == 12 && self.0.bytes().all(|byte| byte.is_ascii_digit());
        (!is_id).then(|| {
            format!("`{}` is no account id: write its 12 digits, in quotes if they begin with 0", self.0)
        })
    }
}

/// A text that may be written as a number or a truth value.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(transparent)]
pub(super) struct Text(pub(super) String);

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(AnyScalar)
    }
}

struct AnyScalar;

impl Visitor<'_> for AnyScalar {
    type Value = Text;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text or a number")
    }

    fn visit_str<E: de::Error>(self, value: &str) -> Result<Text, E> {
        Ok(Text(value.to_owned()))
    }

    fn visit_bool<E: de::Error>(self, value: bool) -> Result<Text, E> {
        Ok(Text(value.to_string()))
    }

    fn visit_i64<E: de::Error>(self, value: i64) -> Result<Text, E> {
        Ok(Text(value.to_string()))
    }

    fn visit_u64<E: de::Error>(self, value: u64) -> Result<Text, E> {
        Ok(Text(value.to_string()))
    }

    fn visit_f64<E: de::Error>(self, value: f64) -> Result<Text, E> {
        Ok(Text(value.to_string()))
    }
}

/// Texts by name.
pub(super) type Texts = BTreeMap<String, Text>;

/// The same as plain texts.
pub(super) fn plain(texts: &Texts) -> BTreeMap<String, String> {
    texts.iter().map(|(name, text)| (name.clone(), text.0.clone())).collect()
}

/// Tags as the services have them.
pub(super) fn tag_list(tags: &BTreeMap<String, String>) -> Value {
    let tag = |(key, value): (&String, &String)| serde_json::json!({"Key": key, "Value": value});
    Value::Array(tags.iter().map(tag).collect())
}

/// Tags from how the services have them; those of AWS itself are not the user's.
pub(super) fn tags_of(list: &Value) -> BTreeMap<String, String> {
    let text = |tag: &Value, name: &str| tag.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    let tags = list.as_array().into_iter().flatten().map(|tag| (text(tag, "Key"), text(tag, "Value")));
    tags.filter(|(key, _)| !key.starts_with("aws:")).collect()
}

/// Collects what is wrong with arguments.
#[derive(Debug, Default)]
pub(super) struct Problems(Vec<String>);

impl Problems {
    /// Notes a problem if there is one.
    pub(super) fn when(&mut self, wrong: bool, problem: impl Into<String>) -> &mut Self {
        if wrong {
            self.0.push(problem.into());
        }
        self
    }

    /// A text of at most so many characters that must not be empty.
    pub(super) fn length(&mut self, name: &str, text: &str, longest: usize) -> &mut Self {
        self.when(text.trim().is_empty(), format!("`{name}` is empty"));
        let length = text.chars().count();
        self.when(length > longest, format!("`{name}` has {length} characters, {longest} are allowed"))
    }

    /// A text of letters, digits and these signs only.
    pub(super) fn signs(&mut self, name: &str, text: &str, signs: &str) -> &mut Self {
        let strange = text.chars().find(|sign| !sign.is_ascii_alphanumeric() && !signs.contains(*sign));
        if let Some(sign) = strange {
            self.0.push(format!(
                "`{name}` may hold letters, digits and `{signs}` only, not `{}`",
                sign.escape_default()
            ));
        }
        self
    }

    /// Tags that every service takes.
    pub(super) fn tags(&mut self, tags: Option<&Texts>) -> &mut Self {
        for (key, value) in tags.into_iter().flatten() {
            self.length("tags", key, 128);
            self.when(
                key.starts_with("aws:"),
                format!("the tag `{key}` begins with `aws:`, which AWS keeps to itself"),
            );
            let length = value.0.chars().count();
            self.when(
                length > 256,
                format!("the value of the tag `{key}` has {length} characters, 256 are allowed"),
            );
        }
        self
    }

    /// Account ids.
    pub(super) fn accounts<'a>(&mut self, accounts: impl IntoIterator<Item = &'a AccountId>) -> &mut Self {
        self.0.extend(accounts.into_iter().filter_map(AccountId::problem));
        self
    }

    /// All of them.
    pub(super) fn take(&mut self) -> Vec<String> {
        std::mem::take(&mut self.0)
    }
}
