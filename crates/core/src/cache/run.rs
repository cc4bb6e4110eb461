//! The cache of one run.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use jiff::Timestamp;
use runway_store::{ObjectStore, StoreErrorKind};
use serde_json::Value;
use tokio::sync::OnceCell;

use super::explain::{self, Asked, Explanation};
use super::index::Filter;
use super::key::{Class, Ingredients};
use super::record::{DAY, Making, Record};
use super::settings::Settings;
use super::state::{Counters, Mismatch, State};
use super::tier::{self, LocalFile, LocalTier, Pace, Remote};
use super::trust::TrustKey;
use super::value::{CacheOutput, Digest};
use super::warning::CacheWarning;
use super::{codec, kinds, settings};

/// How long the start of a run waits for the bucket's index.
const LOAD_LIMIT: Duration = Duration::from_secs(2);
/// How far clocks of machines may differ, in seconds.
const CLOCKS_DIFFER: i64 = 300;

/// What a cache works with.
#[derive(Clone)]
pub struct Setup {
    /// Namespace of the config.
    pub namespace: String,
    /// Files of this machine.
    pub local: Option<Arc<dyn LocalTier>>,
    /// Time and chance.
    pub pace: Pace,
    /// Who writes, for people.
    pub writer: String,
    /// The command, for people: `deploy`.
    pub command: String,
    /// What records are signed with.
    pub key: Option<TrustKey>,
}

/// A result of an earlier run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found<T> {
    /// The result.
    pub output: T,
    /// When it was made; `None` if in this run.
    pub at: Option<Timestamp>,
}

/// The records of one run.
#[derive(Default)]
pub struct Cache {
    pub(super) settings: Settings,
    pub(super) setup: Option<Setup>,
    pub(super) state: Mutex<State>,
    loaded: OnceCell<()>,
}

impl Cache {
    /// A cache that has nothing and keeps nothing.
    pub fn off() -> Self {
        Self { settings: Settings::off(), ..Self::default() }
    }

    /// The cache of one run. It has nothing before [`Cache::load`].
    pub fn new(settings: Settings, setup: Setup) -> Self {
        Self { settings, setup: Some(setup), ..Self::default() }
    }

    /// Whether it is of no use at all.
    pub fn is_off(&self) -> bool {
        self.settings.local == settings::Mode::Off && self.settings.remote == settings::Mode::Off
    }

    /// How it is used.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn local(&self) -> Option<&Arc<dyn LocalTier>> {
        let local = self.setup.as_ref()?.local.as_ref();
        local.filter(|_| self.settings.local != settings::Mode::Off)
    }

    pub(super) fn now(&self) -> i64 {
        self.setup.as_ref().map_or(0, |setup| setup.pace.now())
    }

    /// Reads what earlier runs left: files of this machine, and with one request the index of the bucket. Only the first
    /// call reads; others wait for it. Trouble is a warning.
    pub async fn load(&self, remote: Option<Arc<dyn ObjectStore>>) {
        self.loaded.get_or_init(|| self.read_tiers(remote)).await;
    }

    async fn read_tiers(&self, remote: Option<Arc<dyn ObjectStore>>) {
        let Some(setup) = self.setup.as_ref().filter(|_| !self.is_off()) else { return };
        let remote = remote.filter(|_| self.settings.remote != settings::Mode::Off);
        let remote = remote.map(|store| Remote::new(store, &setup.namespace));
        if let Some(local) = self.local() {
            let mut state = self.state();
            read_own(local.as_ref(), &mut state);
            if let Some((etag, index)) = remote.as_ref().and_then(|_| tier::shared_copy(local.as_ref())) {
                state.shared.etag = Some(etag);
                state.shared.index = index;
            }
        }
        let Some(remote) = remote else { return };
        let known = self.state().known();
        let answer = setup.pace.within(LOAD_LIMIT, remote.look(known)).await;
        let mut state = self.state();
        let trouble = match answer {
            Some(Ok(seen)) => {
                if let Some(reason) = &seen.unreadable {
                    let (place, reason) = (remote.place(), reason.to_string());
                    state.warn(CacheWarning::Unreadable { place, reason });
                }
                state.copy_is_old = seen.bytes.is_some();
                let mut seen = seen;
                if seen.etag.is_none() || seen.unreadable.is_some() {
                    // Somebody deleted or damaged the object: what was cleared before stays cleared.
                    seen.index.epoch = state.shared.index.epoch.max(state.own.epoch);
                }
                let epoch = seen.index.epoch;
                state.own.records.retain(|_, record| record.epoch >= epoch);
                state.shared = seen;
                None
            }
            // A bucket that will be made by this deployment has no index yet.
            Some(Err(error)) if error.kind == StoreErrorKind::NoBucket => {
                state.shared = tier::Seen::default();
                None
            }
            Some(Err(error)) => Some(error.message),
            None => Some(format!("no answer within {} seconds", LOAD_LIMIT.as_secs())),
        };
        state.remote = Some(remote);
        if let Some(reason) = trouble {
            state.lose_remote(reason);
        }
    }

    /// What was kept under exactly these ingredients. A record that cannot be read is none; nor is one whose output is
    /// an object of its own that only the bucket has: [`Cache::fetch`] reads that.
    pub fn find<T: CacheOutput>(&self, ingredients: &Ingredients) -> Option<T> {
        self.find_dated(ingredients).map(|found| found.output)
    }

    /// The same, with its age.
    pub fn find_dated<T: CacheOutput>(&self, ingredients: &Ingredients) -> Option<Found<T>> {
        match self.look_up(ingredients) {
            LookedUp::Here(value, at) => parsed(value, at),
            LookedUp::InBucket(_) => {
                self.note_miss(ingredients);
                None
            }
            LookedUp::Nothing => None,
        }
    }

    /// What was kept under exactly these ingredients, also if the bucket has to be asked for it.
    pub async fn fetch<T: CacheOutput>(&self, ingredients: &Ingredients) -> Option<T> {
        let record = match self.look_up(ingredients) {
            LookedUp::Here(value, at) => return parsed(value, at).map(|found| found.output),
            LookedUp::Nothing => return None,
            LookedUp::InBucket(record) => record,
        };
        let (setup, remote) = (self.setup.as_ref()?, self.state().remote.clone());
        let text = match remote {
            Some(remote) => setup.pace.within(LOAD_LIMIT, remote.text(&record.output)).await,
            None => None,
        };
        if let Some(Ok(None)) = &text {
            // Whoever has the text writes it again.
            self.state().broken.insert(record.key, record.at);
        }
        let text = text.and_then(Result::ok).flatten();
        let value = text.as_ref().and_then(|text| serde_json::from_slice::<Value>(text).ok());
        let Some((text, value)) = text.zip(value) else {
            self.note_miss(ingredients);
            return None;
        };
        self.state().texts.insert(record.output, text);
        self.note_hit(ingredients, &record);
        parsed(value, None).map(|found| found.output)
    }

    fn look_up(&self, ingredients: &Ingredients) -> LookedUp {
        if self.is_off() || self.settings.of_kind(&ingredients.kind(), &ingredients.kind_name()).is_disabled {
            return LookedUp::Nothing;
        }
        let key = ingredients.key();
        if let Some(value) = self.state().memo.get(&key) {
            return LookedUp::Here(value.clone(), None);
        }
        let Some(record) = self.usable(ingredients) else {
            self.note_miss(ingredients);
            return LookedUp::Nothing;
        };
        if self.is_checked(&record) {
            let mut state = self.state();
            state.expected.insert(key, record.output);
            state.asked.entry(key).or_insert_with(|| Asked::of(ingredients, true));
            return LookedUp::Nothing;
        }
        if record.blob.is_some() {
            let text = self.state().texts.get(&record.output).cloned();
            let text =
                text.or_else(|| Some(tier::local_text(self.local()?.as_ref(), &record.output)?.into()));
            let value = text.and_then(|text| serde_json::from_slice(&text).ok());
            let Some(value) = value else { return LookedUp::InBucket(Box::new(record)) };
            self.note_hit(ingredients, &record);
            return LookedUp::Here(value, Some(record.at));
        }
        let Some(value) = record.inline_output().cloned() else {
            self.state().broken.insert(key, record.at);
            self.note_miss(ingredients);
            return LookedUp::Nothing;
        };
        self.note_hit(ingredients, &record);
        LookedUp::Here(value, Some(record.at))
    }

    /// The record of an earlier run that may be used.
    fn usable(&self, ingredients: &Ingredients) -> Option<Record> {
        let key = ingredients.key();
        let found = {
            let state = self.state();
            let own = state.own.records.get(&key).filter(|_| self.settings.local.reads());
            let reads_shared = self.settings.remote.reads() && !kinds::stays_here(&ingredients.kind_name());
            let shared = state.shared.index.records.get(&key).filter(|_| reads_shared);
            let of_same_kind = |record: &&Record| {
                let kind = ingredients.kind();
                record.kind == ingredients.kind_name()
                    && (record.revision, record.class) == (kind.revision, kind.class)
                    && state.broken.get(&key).is_none_or(|at| *at != record.at)
            };
            let usable = own.into_iter().chain(shared).filter(of_same_kind);
            usable
                .filter(|record| self.is_fresh(ingredients, record))
                .max_by_key(|record| record.at)
                .cloned()?
        };
        let trusted = self.setup.as_ref().and_then(|setup| setup.key.as_ref());
        if trusted.is_some_and(|trusted| !trusted.accepts(&found)) {
            self.state().unsigned.insert(key);
            return None;
        }
        Some(found)
    }

    /// Notes all records that are not signed as they have to be, also those that nobody asks for: for commands that show
    /// or pass on what there is. [`Cache::warnings`] then tells of them.
    pub fn note_unsigned(&self) {
        let Some(trusted) = self.setup.as_ref().and_then(|setup| setup.key.as_ref()) else { return };
        let mut state = self.state();
        let records = state.own.records.values().chain(state.shared.index.records.values());
        let unsigned: Vec<_> =
            records.filter(|record| !trusted.accepts(record)).map(|record| record.key).collect();
        state.unsigned.extend(unsigned);
    }

    fn is_fresh(&self, ingredients: &Ingredients, record: &Record) -> bool {
        if record.class != Class::Observed {
            return true;
        }
        let settings = self.settings.of_kind(&ingredients.kind(), &ingredients.kind_name());
        // The config may have become stricter since.
        let age = self.now() - record.at;
        settings.ttl.is_some_and(|ttl| age < seconds(ttl) && age >= -CLOCKS_DIFFER)
            && record.expires.is_some_and(|expires| self.now() < expires)
    }

    fn is_checked(&self, record: &Record) -> bool {
        let part = record.key.0.0.first_chunk().map_or(0, |bytes| u16::from_be_bytes(*bytes));
        let checked = self.settings.check.is_some_and(|check| part % 100 < u16::from(check.percent));
        checked && matches!(record.class, Class::Pure | Class::Fact)
    }

    fn note_hit(&self, ingredients: &Ingredients, record: &Record) {
        let mut state = self.state();
        if state.hits.insert(record.key) {
            state.saved_ms += record.cost;
            state.asked.entry(record.key).or_insert_with(|| Asked::of(ingredients, true));
        }
    }

    fn note_miss(&self, ingredients: &Ingredients) {
        let (key, mut state) = (ingredients.key(), self.state());
        if state.misses.insert(key) {
            state.asked.entry(key).or_insert_with(|| Asked::of(ingredients, false));
        }
    }

    /// Keeps a result, and what making it took. Only of successes: what failed, is incomplete or was refused is
    /// no result.
    pub fn keep<T: CacheOutput>(&self, ingredients: &Ingredients, output: &T, cost: Duration) {
        let (kind, name) = (ingredients.kind(), ingredients.kind_name());
        let of_kind = self.settings.of_kind(&kind, &name);
        if self.is_off() || of_kind.is_disabled {
            return;
        }
        let Ok(value) = serde_json::to_value(output) else { return };
        let now = self.now();
        let making = Making {
            now,
            by: self.setup.as_ref().map(|setup| setup.command.clone()).unwrap_or_default(),
            epoch: self.state().shared.index.epoch,
            cost: u64::try_from(cost.as_millis()).unwrap_or(u64::MAX),
            expires: of_kind.ttl.filter(|_| kind.class == Class::Observed).map(|ttl| now + seconds(ttl)),
        };
        let Some((mut record, text)) = Record::of(ingredients, value.clone(), making) else { return };
        if let Some(trusted) = self.setup.as_ref().and_then(|setup| setup.key.as_ref()) {
            record.signature = trusted.sign(&record);
        }
        let stored = self.usable(ingredients);
        let mut state = self.state();
        state.memo.insert(record.key, value);
        if let Some(text) = text {
            state.texts.insert(record.output, Bytes::from(text));
        }
        if let Some(expected) = state.expected.remove(&record.key) {
            state.checked += 1;
            if expected != record.output {
                let (kind, subject) = (record.kind.clone(), record.subject.clone());
                let (key, computed) = (record.key, record.output);
                state.mismatches.push(Mismatch { kind, subject, key, recorded: expected, computed });
            }
        }
        if !self.settings.lasts(&kind, &name) {
            return;
        }
        if let Some(stored) = stored {
            let still_news = record.class == Class::Receipt && record.at - stored.at >= DAY;
            if stored.says_the_same(&record) && !still_news {
                state.hits.insert(record.key);
                return;
            }
            if matches!(record.class, Class::Pure | Class::Fact) && stored.output != record.output {
                let (kind, subject) = (record.kind.clone(), record.subject.clone());
                state.warn(CacheWarning::Nondeterministic { kind, subject });
            }
        }
        state.made.insert(record.key, record);
    }

    /// Forgets a record that turned out to be wrong: the world is not as it says.
    pub fn forget(&self, ingredients: &Ingredients) {
        let key = ingredients.key();
        let mut state = self.state();
        state.memo.remove(&key);
        state.made.remove(&key);
        state.hits.remove(&key);
        let stored = [state.own.records.get(&key), state.shared.index.records.get(&key)];
        if let Some(at) = stored.into_iter().flatten().map(|record| record.at).max() {
            state.broken.insert(key, at);
        }
        state.own.records.remove(&key);
    }

    /// A text of this machine, by its digest.
    pub fn find_blob(&self, digest: &Digest) -> Option<Vec<u8>> {
        let local = self.local().filter(|_| self.settings.local.reads())?;
        tier::local_text(local.as_ref(), digest)
    }

    /// Keeps a text that is only of use on this machine. Returns its digest, whether or not it could be kept.
    pub fn keep_blob(&self, bytes: &[u8]) -> Digest {
        let digest = Digest::of(bytes);
        if let Some(local) = self.local().filter(|_| self.settings.local.writes())
            && tier::local_text(local.as_ref(), &digest).is_none()
        {
            // Without it, it is made again.
            if let Err(reason) = local.write(&LocalFile::Blob(digest), bytes) {
                self.state().lose_local(local.as_ref(), reason);
                return digest;
            }
            self.state().wrote_text = true;
        }
        digest
    }

    /// What the run had of the cache so far.
    pub fn counters(&self) -> Counters {
        let state = self.state();
        Counters {
            hits: state.hits.difference(&state.misses).count() as u64,
            misses: state.misses.len() as u64,
            requests: state.remote.as_ref().map_or(0, Remote::requests),
            saved_ms: state.saved_ms,
            published: state.published,
            checked: state.checked,
        }
    }

    /// Trouble, each sort once.
    pub fn warnings(&self) -> Vec<CacheWarning> {
        let state = self.state();
        let unsigned = u64::try_from(state.unsigned.len()).unwrap_or(u64::MAX);
        let unsigned = (unsigned > 0).then_some(CacheWarning::BadSignature { count: unsigned });
        state.warnings.iter().cloned().chain(unsigned).collect()
    }

    /// Records that were computed again ([`Settings::check`]) and came out differently.
    pub fn mismatches(&self) -> Vec<Mismatch> {
        self.state().mismatches.clone()
    }

    /// Records of earlier runs, by key, those of this machine included.
    pub fn records(&self, filter: &Filter) -> Vec<Record> {
        let state = self.state();
        let mut records = state.shared.index.records.clone();
        records.extend(state.own.records.iter().map(|(key, record)| (*key, record.clone())));
        records.into_values().filter(|record| filter.takes(record)).collect()
    }

    /// Why the questions of this run about `subject` were answered, or were not.
    pub fn explain(&self, subject: &str) -> Vec<Explanation> {
        let state = self.state();
        let asked = state.asked.iter().filter(|(_, asked)| asked.subject == subject);
        asked
            .map(|(key, asked)| {
                let records = state.own.records.values().chain(state.shared.index.records.values());
                explain::explain(*key, asked, records)
            })
            .collect()
    }

    /// What the questions of this run were about.
    pub fn subjects(&self) -> std::collections::BTreeSet<String> {
        self.state().asked.values().map(|asked| asked.subject.clone()).collect()
    }
}

enum LookedUp {
    Here(Value, Option<i64>),
    InBucket(Box<Record>),
    Nothing,
}

fn parsed<T: CacheOutput>(value: Value, at: Option<i64>) -> Option<Found<T>> {
    let output = serde_json::from_value(value).ok()?;
    Some(Found { output, at: at.and_then(|seconds| Timestamp::from_second(seconds).ok()) })
}

fn seconds(duration: Duration) -> i64 {
    i64::try_from(duration.as_secs()).unwrap_or(i64::MAX / 4)
}

fn read_own(local: &dyn LocalTier, state: &mut State) {
    match local.read(&LocalFile::Own) {
        Ok(None) => {}
        Ok(Some(bytes)) => match codec::decode(&bytes) {
            Ok(own) => state.own = own,
            Err(why) => {
                let (place, reason) = (local.place(), why.to_string());
                state.warn(CacheWarning::Unreadable { place, reason });
            }
        },
        Err(reason) => state.lose_local(local, reason),
    }
}
