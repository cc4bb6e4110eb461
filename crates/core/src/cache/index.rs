//! All records of one namespace, and how those of two runs become one.

use std::collections::{BTreeMap, BTreeSet};

use super::key::Key;
use super::record::{DAY, Record, day};

/// All records of one place.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Index {
    /// Raised when everything is cleared: records of earlier epochs are gone, whoever still has them.
    pub epoch: u64,
    /// How often it was written.
    pub generation: u64,
    /// Who wrote it last.
    pub writer: String,
    /// Records by key.
    pub records: BTreeMap<Key, Record>,
}

/// What a run adds to an index.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Delta {
    /// The epoch that the run saw.
    pub epoch: u64,
    /// What it made.
    pub made: BTreeMap<Key, Record>,
    /// Records it had use for, with the day.
    pub used: BTreeMap<Key, i64>,
    /// Records that turned out to be wrong, by the time at which they were made.
    pub dropped: BTreeMap<Key, i64>,
}

impl Delta {
    /// Whether there is nothing to add.
    pub fn is_empty(&self) -> bool {
        self.made.is_empty() && self.used.is_empty() && self.dropped.is_empty()
    }
}

/// How much is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Days after its last use for which a record is kept.
    pub max_age_days: i64,
    /// Most records.
    pub max_entries: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { max_age_days: 30, max_entries: 20_000 }
    }
}

impl Limits {
    /// A record that was last of use this many days ago is noted to be of use again; until then that is news to nobody.
    pub(super) fn stale_days(&self) -> i64 {
        (self.max_age_days / 4).clamp(1, 7)
    }
}

/// Which records a command is about; everything without a condition.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Filter {
    /// Of this kind: `lookup` is also `lookup.ami`.
    pub kind: Option<String>,
    /// About one of these subjects; about any if there are none.
    pub subjects: BTreeSet<String>,
}

impl Filter {
    /// Whether it is about everything.
    pub fn is_everything(&self) -> bool {
        self.kind.is_none() && self.subjects.is_empty()
    }

    /// Whether it is about this record.
    pub fn takes(&self, record: &Record) -> bool {
        let kind = self.kind.as_ref().is_none_or(|kind| {
            record.kind == *kind
                || record.kind.strip_prefix(kind.as_str()).is_some_and(|rest| rest.starts_with('.'))
        });
        kind && (self.subjects.is_empty() || self.subjects.contains(&record.subject))
    }
}

impl Index {
    /// The records of both, as far as they are of the later epoch. It does not matter in which order indexes are merged,
    /// nor how often.
    #[must_use]
    pub fn merge(&self, other: &Self) -> Self {
        let age = |index: &Self| (index.epoch, index.generation, index.writer.clone());
        let newer = if age(self) < age(other) { other } else { self };
        let mut merged = Self { records: BTreeMap::new(), ..newer.clone() };
        for record in self.records.values().chain(other.records.values()) {
            merged.add(record);
        }
        merged
    }

    /// Adds a record unless it belongs to an epoch that has passed.
    fn add(&mut self, record: &Record) {
        if record.epoch < self.epoch {
            return;
        }
        match self.records.get_mut(&record.key) {
            None => {
                self.records.insert(record.key, record.clone());
            }
            Some(stored) => *stored = stored.merge(record),
        }
    }

    /// The index after a run. What is no longer in it stays gone: a run adds what it made, and notes what it used.
    #[must_use]
    pub fn after(&self, delta: &Delta) -> Self {
        let epoch = self.epoch.max(delta.epoch);
        let mut index = Self { epoch, ..self.clone() };
        index.records.retain(|_, record| record.epoch >= epoch);
        for (key, at) in &delta.dropped {
            if index.records.get(key).is_some_and(|record| record.at <= *at) {
                index.records.remove(key);
            }
        }
        delta.made.values().for_each(|record| index.add(record));
        for (key, day) in &delta.used {
            if let Some(record) = index.records.get_mut(key) {
                record.used = record.used.max(*day);
            }
        }
        index
    }

    /// Records that are due to be collected: not of use for too long, or more than there may be, least recently used
    /// first. Expired ones go along if anything goes or is written anyway.
    pub fn due(&self, limits: &Limits, now: i64) -> BTreeSet<Key> {
        let oldest = day(now) - limits.max_age_days;
        let mut due: BTreeSet<Key> =
            self.records.values().filter(|record| record.used < oldest).map(|record| record.key).collect();
        let left = self.records.len() - due.len();
        if left > limits.max_entries {
            let mut kept: Vec<&Record> =
                self.records.values().filter(|record| !due.contains(&record.key)).collect();
            kept.sort_by_key(|record| (record.used, record.at, record.key));
            due.extend(kept.iter().take(left - limits.max_entries).map(|record| record.key));
        }
        due
    }

    /// Takes away what is due, and what has expired for a day.
    pub fn collect(&mut self, limits: &Limits, now: i64) {
        self.records.retain(|_, record| record.expires.is_none_or(|expires| expires + DAY > now));
        let due = self.due(limits, now);
        self.records.retain(|key, _| !due.contains(key));
    }

    /// Takes away what `filter` is about; everything begins a new epoch. Returns how many records went.
    pub fn clear(&mut self, filter: &Filter) -> usize {
        let before = self.records.len();
        if filter.is_everything() {
            self.epoch += 1;
            self.records.clear();
        } else {
            self.records.retain(|_, record| !filter.takes(record));
        }
        before - self.records.len()
    }
}
