//! One record.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::key::{Class, Ingredients, Key};
use super::value::{Digest, canonical_text};

/// The longest output that is kept in its record, in bytes; longer ones are objects of their own.
pub const LONGEST_INLINE: usize = 64 * 1024;

/// Seconds of a day.
pub(super) const DAY: i64 = 24 * 60 * 60;

/// What is kept under one key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// The digest of all ingredients.
    #[serde(rename = "k")]
    pub key: Key,
    /// Name of the kind.
    pub kind: String,
    /// Revision of the kind.
    #[serde(rename = "rev")]
    pub revision: u32,
    /// What it is about.
    #[serde(rename = "sub")]
    pub subject: String,
    /// How far it may be trusted.
    #[serde(rename = "cls")]
    pub class: Class,
    /// Digest of the output's text.
    #[serde(rename = "out")]
    pub output: Digest,
    /// The output, unless it is an object of its own.
    #[serde(rename = "inl", default, skip_serializing_if = "Option::is_none")]
    pub inline: Option<Value>,
    /// Bytes of an output that is an object of its own.
    #[serde(rename = "blob", default, skip_serializing_if = "Option::is_none")]
    pub blob: Option<u64>,
    /// Ingredients: their names, and digests that tell them apart.
    #[serde(rename = "ing", default)]
    pub ingredients: Vec<(String, String)>,
    /// When it was made, in seconds since 1970.
    pub at: i64,
    /// The day on which it was last of use, counted from 1970.
    pub used: i64,
    /// The command that made it.
    #[serde(default)]
    pub by: String,
    /// What making it took, in milliseconds.
    #[serde(rename = "ms", default)]
    pub cost: u64,
    /// The epoch it belongs to.
    #[serde(rename = "ep")]
    pub epoch: u64,
    /// When it expires, in seconds since 1970.
    #[serde(rename = "exp", default, skip_serializing_if = "Option::is_none")]
    pub expires: Option<i64>,
    /// Signature of whoever has the key.
    #[serde(rename = "sig", default, skip_serializing_if = "Option::is_none")]
    pub signature: Option<String>,
}

/// When and by whom records are made.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Making {
    pub(super) now: i64,
    pub(super) by: String,
    pub(super) epoch: u64,
    pub(super) cost: u64,
    pub(super) expires: Option<i64>,
}

impl Record {
    /// A record of an output, and its text if that is an object of its own. `None` if its JSON does not survive being
    /// written and read.
    pub(super) fn of(
        ingredients: &Ingredients,
        output: Value,
        making: Making,
    ) -> Option<(Self, Option<String>)> {
        let text = canonical_text(&output)?;
        let is_large = text.len() > LONGEST_INLINE;
        let record = Self {
            key: ingredients.key(),
            kind: ingredients.kind_name().into_owned(),
            revision: ingredients.kind().revision,
            subject: ingredients.subject().to_owned(),
            class: ingredients.kind().class,
            output: Digest::of(text.as_bytes()),
            blob: is_large.then_some(text.len() as u64),
            inline: (!is_large).then_some(output),
            ingredients: ingredients.listed(),
            at: making.now,
            used: day(making.now),
            by: making.by,
            cost: making.cost,
            epoch: making.epoch,
            expires: making.expires,
            signature: None,
        };
        Some((record, is_large.then_some(text)))
    }

    /// The output kept in the record itself, if it is what it was.
    pub(super) fn inline_output(&self) -> Option<&Value> {
        self.inline.as_ref().filter(|value| {
            canonical_text(value).is_some_and(|text| Digest::of(text.as_bytes()) == self.output)
        })
    }

    /// The same output again, of use for as long: nothing that others would have to know.
    pub(super) fn says_the_same(&self, other: &Self) -> bool {
        self.output == other.output && self.expires == other.expires
    }

    /// Which of two records of one key stays, whoever of the two is asked: the newer one, and of equally old ones the
    /// one that comes last by its text, with the later of both last uses.
    pub(super) fn merge(&self, other: &Self) -> Self {
        let used = self.used.max(other.used);
        let order = |record: &Self| {
            let record = Self { used, ..record.clone() };
            (record.at, record.output, serde_json::to_string(&record).unwrap_or_default())
        };
        let stays = match self.at.cmp(&other.at) {
            std::cmp::Ordering::Less => other,
            std::cmp::Ordering::Greater => self,
            std::cmp::Ordering::Equal if order(self) < order(other) => other,
            std::cmp::Ordering::Equal => self,
        };
        Self { used, ..stays.clone() }
    }
}

/// The day of a moment.
pub(super) fn day(seconds: i64) -> i64 {
    seconds.div_euclid(DAY)
}
