//! Why there was a record, or none.

use std::collections::{BTreeMap, BTreeSet};

use super::key::{Ingredients, Key};
use super::record::Record;
use super::run::Cache;

/// A question of this run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Asked {
    pub(super) kind: String,
    pub(super) subject: String,
    pub(super) ingredients: Vec<(String, String)>,
    pub(super) is_hit: bool,
    pub(super) refuted: Option<String>,
}

impl Asked {
    pub(super) fn of(ingredients: &Ingredients, is_hit: bool) -> Self {
        Self {
            kind: ingredients.kind_name().into_owned(),
            subject: ingredients.subject().to_owned(),
            ingredients: ingredients.listed(),
            is_hit,
            refuted: None,
        }
    }
}

impl Cache {
    /// Forgets a record that was found, and of which a look at the world showed that it does not hold any more: it is no
    /// hit of this run. `why` says what has changed.
    pub fn refute(&self, ingredients: &Ingredients, why: String) {
        let key = ingredients.key();
        let mut state = self.state();
        let known = [state.own.records.get(&key), state.shared.index.records.get(&key)];
        let cost = known.into_iter().flatten().max_by_key(|record| record.at).map_or(0, |record| record.cost);
        if state.hits.contains(&key) {
            state.saved_ms = state.saved_ms.saturating_sub(cost);
        }
        state.misses.insert(key);
        state.asked.insert(key, Asked { refuted: Some(why), ..Asked::of(ingredients, false) });
        drop(state);
        self.forget(ingredients);
    }
}

/// An ingredient that differs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// Its name.
    pub name: String,
    /// Its digest now; `None` if it is no ingredient any more.
    pub now: Option<String>,
    /// Its digest in the record; `None` if it was no ingredient then.
    pub then: Option<String>,
}

/// The record that a question came closest to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Nearest {
    /// The record.
    pub record: Record,
    /// Which ingredients differ. None: it has the same ones, but expired, is of another revision or was not accepted.
    pub differences: Vec<Difference>,
}

/// Why a question of this run was answered, or was not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Explanation {
    /// Name of the kind.
    pub kind: String,
    /// What it is about.
    pub subject: String,
    /// The digest of all ingredients.
    pub key: Key,
    /// Whether there was a record.
    pub is_hit: bool,
    /// What is not as it was since its record was made, if that is why it is no hit.
    pub refuted: Option<String>,
    /// The ingredients now.
    pub ingredients: Vec<(String, String)>,
    /// The record itself, or the closest one of the same kind and subject.
    pub nearest: Option<Nearest>,
}

/// Explains a question with the records there are.
pub(super) fn explain<'r>(key: Key, asked: &Asked, records: impl Iterator<Item = &'r Record>) -> Explanation {
    let same = records.filter(|record| record.kind == asked.kind && record.subject == asked.subject);
    let nearest = same
        .map(|record| Nearest {
            record: record.clone(),
            differences: differences(&asked.ingredients, &record.ingredients),
        })
        // Of equally close ones the newest.
        .min_by_key(|nearest| {
            (nearest.record.key != key, nearest.differences.len(), -nearest.record.at, nearest.record.key)
        });
    Explanation {
        kind: asked.kind.clone(),
        subject: asked.subject.clone(),
        key,
        is_hit: asked.is_hit,
        refuted: asked.refuted.clone(),
        ingredients: asked.ingredients.clone(),
        // Its own record was the closest one, and it is told why that does not count.
        nearest: nearest.filter(|_| asked.refuted.is_none()),
    }
}

/// Ingredients that differ, in order of their names.
fn differences(now: &[(String, String)], then: &[(String, String)]) -> Vec<Difference> {
    let (now, then): (BTreeMap<_, _>, BTreeMap<_, _>) = (
        now.iter().map(|(name, digest)| (name, digest)).collect(),
        then.iter().map(|(name, digest)| (name, digest)).collect(),
    );
    let names: BTreeSet<&String> = now.keys().chain(then.keys()).copied().collect();
    let differ = names.into_iter().filter(|name| now.get(name) != then.get(name));
    differ
        .map(|name| Difference {
            name: name.clone(),
            now: now.get(name).map(|digest| (*digest).clone()),
            then: then.get(name).map(|digest| (*digest).clone()),
        })
        .collect()
}
