//! What a cache knows during a run.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use runway_store::ETag;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::explain::Asked;
use super::index::Index;
use super::key::Key;
use super::record::Record;
use super::tier::{Remote, Seen};
use super::value::Digest;
use super::warning::CacheWarning;

/// What a run had of the cache.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Counters {
    /// Results that an earlier run had.
    pub hits: u64,
    /// Results that no earlier run had.
    pub misses: u64,
    /// Requests to the bucket.
    pub requests: u64,
    /// What the hits took when they were misses, in milliseconds.
    pub saved_ms: u64,
    /// Records that this run wrote to the bucket.
    pub published: u64,
    /// Records that were computed again to be compared.
    pub checked: u64,
}

/// A record that was computed again and came out differently.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mismatch {
    /// Name of the kind.
    pub kind: String,
    /// What it is about.
    pub subject: String,
    /// Its key.
    pub key: Key,
    /// Digest of the output in the record.
    pub recorded: Digest,
    /// Digest of the output now.
    pub computed: Digest,
}

#[derive(Default)]
pub(super) struct State {
    /// Outputs of this run.
    pub(super) memo: BTreeMap<Key, Value>,
    /// Records of this run that are of use to later ones.
    pub(super) made: BTreeMap<Key, Record>,
    /// Texts of outputs that are objects of their own.
    pub(super) texts: BTreeMap<Digest, Bytes>,
    /// Records of this machine that are not in the bucket.
    pub(super) own: Index,
    /// The bucket's index.
    pub(super) shared: Seen,
    /// The bucket's index is not the copy that this machine has.
    pub(super) copy_is_old: bool,
    /// This run wrote a text to this machine.
    pub(super) wrote_text: bool,
    /// The bucket.
    pub(super) remote: Option<Remote>,
    pub(super) is_remote_lost: bool,
    pub(super) hits: BTreeSet<Key>,
    pub(super) misses: BTreeSet<Key>,
    pub(super) saved_ms: u64,
    pub(super) published: u64,
    /// Records that are in the bucket now.
    pub(super) gone_from_own: BTreeSet<Key>,
    /// Records whose output could not be had, or that turned out to be wrong, by when they were made.
    pub(super) broken: BTreeMap<Key, i64>,
    /// Records that are being computed again.
    pub(super) expected: BTreeMap<Key, Digest>,
    pub(super) checked: u64,
    pub(super) mismatches: Vec<Mismatch>,
    pub(super) unsigned: BTreeSet<Key>,
    pub(super) asked: BTreeMap<Key, Asked>,
    pub(super) warnings: Vec<CacheWarning>,
}

impl State {
    /// Warns, once of each sort.
    pub(super) fn warn(&mut self, warning: CacheWarning) {
        let same = |other: &CacheWarning| std::mem::discriminant(other) == std::mem::discriminant(&warning);
        if !self.warnings.iter().any(same) {
            self.warnings.push(warning);
        }
    }

    /// The entity tag and index to begin a read of the bucket with.
    pub(super) fn known(&self) -> Option<(ETag, Index)> {
        self.shared.etag.clone().map(|etag| (etag, self.shared.index.clone()))
    }
}
