//! Why the cache had something, or had not.

use std::fmt::Write as _;

use serde::Serialize;

use super::super::json::pretty;
use super::super::style::harmless;
use super::{IngredientDocument, RecordDocument, ingredients, records as listed, short};
use crate::cache::{Difference, Explanation, Record};

/// `cache explain`.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ExplainDocument {
    version: u32,
    /// What was asked about.
    about: String,
    /// Questions that a plan asks about it, and what the cache says.
    asked: Vec<ExplanationDocument>,
    /// Records about it that a plan does not ask for.
    other_records: Vec<RecordDocument>,
}

/// One question, and what the cache says.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub(super) struct ExplanationDocument {
    /// The kind.
    kind: String,
    /// What it is about.
    subject: String,
    /// The digest of everything the result depends on.
    key: String,
    /// Whether a record was used.
    hit: bool,
    /// What is not as it was since the record was made, if that is why it was not used.
    refuted: Option<String>,
    /// What it depends on now.
    ingredients: Vec<IngredientDocument>,
    /// The record itself, or the closest one of the same kind and subject.
    nearest: Option<RecordDocument>,
    /// What differs from that record; empty if nothing does.
    differences: Vec<DifferenceDocument>,
}

/// Something that differs.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub(super) struct DifferenceDocument {
    /// Name of what differs.
    name: String,
    /// A digest of its value now; `null` if nothing depends on it any more.
    now: Option<String>,
    /// A digest of its value in the record; `null` if nothing depended on it.
    then: Option<String>,
}

/// What a plan asks about something, with records about it that it does not ask for.
pub fn explained(about: &str, asked: &[Explanation], records: &[Record]) -> ExplainDocument {
    let difference = |difference: &Difference| DifferenceDocument {
        name: difference.name.clone(),
        now: difference.now.clone(),
        then: difference.then.clone(),
    };
    let mut questions: Vec<ExplanationDocument> = asked
        .iter()
        .map(|one| ExplanationDocument {
            kind: one.kind.clone(),
            subject: one.subject.clone(),
            key: one.key.to_string(),
            hit: one.is_hit,
            refuted: one.refuted.clone(),
            ingredients: ingredients(&one.ingredients),
            nearest: one.nearest.as_ref().map(|nearest| RecordDocument::of(&nearest.record)),
            differences: one
                .nearest
                .as_ref()
                .map(|nearest| nearest.differences.iter().map(difference).collect())
                .unwrap_or_default(),
        })
        .collect();
    questions.sort_by(|a, b| (&a.kind, &a.subject, &a.key).cmp(&(&b.kind, &b.subject, &b.key)));
    let is_shown = |record: &RecordDocument| {
        questions.iter().any(|question| question.nearest.as_ref().is_some_and(|one| one.key == record.key))
    };
    let mut other_records: Vec<RecordDocument> = listed(records).records;
    other_records.retain(|record| !is_shown(record));
    ExplainDocument { version: 1, about: about.to_owned(), asked: questions, other_records }
}

/// An explanation as JSON.
pub fn explained_json(explained: &ExplainDocument) -> String {
    pretty(explained)
}

/// An explanation for people.
pub fn explained_text(explained: &ExplainDocument) -> String {
    let mut out = String::new();
    if explained.asked.is_empty() && explained.other_records.is_empty() {
        let _ = writeln!(out, "nothing in the cache is about {}", harmless(&explained.about));
    }
    for one in &explained.asked {
        let verdict = if one.hit { "hit" } else { "miss" };
        let _ = writeln!(out, "{verdict}: {} of {}", harmless(&one.kind), harmless(&one.subject));
        let _ = writeln!(out, "  key {}", one.key);
        for IngredientDocument { name, digest } in &one.ingredients {
            let _ = writeln!(out, "    {} {digest}", harmless(name));
        }
        match &one.nearest {
            None if let Some(why) = &one.refuted => {
                let _ = writeln!(out, "  its record does not hold any more: {}", harmless(why));
            }
            None => out.push_str("  no record of this kind is about it\n"),
            Some(record) if record.key == one.key => {
                let _ = writeln!(out, "  made by {} at {}", harmless(&record.by), record.made);
            }
            Some(record) => {
                let _ = writeln!(out, "  closest record {}, made at {}:", short(&record.key), record.made);
            }
        }
        for DifferenceDocument { name, now, then } in &one.differences {
            let name = harmless(name);
            let _ = match (now, then) {
                (Some(_), Some(_)) => writeln!(out, "    input {name} changed"),
                (Some(_), None) => writeln!(out, "    input {name} is new"),
                (None, _) => writeln!(out, "    input {name} is gone"),
            };
        }
    }
    for record in &explained.other_records {
        let _ = writeln!(
            out,
            "record: {} of {}, which a plan does not ask for",
            harmless(&record.kind),
            harmless(&record.subject)
        );
        let _ = writeln!(out, "  key {}", record.key);
        for IngredientDocument { name, digest } in &record.ingredients {
            let _ = writeln!(out, "    {} {digest}", harmless(name));
        }
        let _ = writeln!(out, "  made by {} at {}", harmless(&record.by), record.made);
    }
    out
}
