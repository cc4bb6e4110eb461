//! The end of a run: what it made goes to the tiers.

use std::collections::BTreeMap;
use std::time::Duration;

use runway_store::StoreErrorKind;

use super::codec;
use super::index::{Delta, Index};
use super::key::Key;
use super::kinds;
use super::record::{DAY, Record, day};
use super::run::{Cache, Setup};
use super::state::State;
use super::tier::{self, LocalFile, LocalTier, Remote, Trouble};
use super::warning::CacheWarning;

/// How long the end of a run takes at most.
const PUBLISH_LIMIT: Duration = Duration::from_secs(10);

impl State {
    /// Files of this machine could not be read or written.
    pub(super) fn lose_local(&mut self, local: &dyn LocalTier, reason: String) {
        self.warn(CacheWarning::LocalUnavailable { place: local.place(), reason });
    }

    /// The bucket is not asked again in this run.
    pub(super) fn lose_remote(&mut self, reason: String) {
        if let Some(remote) = &self.remote {
            let place = remote.place();
            self.warn(CacheWarning::RemoteUnavailable { place, reason });
        }
        self.is_remote_lost = true;
    }
}

impl Cache {
    /// Writes what this run made: to this machine, and if `may_write_remote` to the bucket with at most one request
    /// unless others write at the same time. Nothing new is no request. Trouble is a warning.
    pub async fn publish(&self, may_write_remote: bool) {
        self.publish_within(may_write_remote, PUBLISH_LIMIT).await;
    }

    /// The same in less time: a run that was interrupted must end.
    pub async fn publish_within(&self, may_write_remote: bool, limit: Duration) {
        let Some(setup) = self.setup.as_ref().filter(|_| !self.is_off()) else { return };
        if may_write_remote && self.settings.remote.writes() {
            self.publish_remote(setup, limit).await;
        }
        if let Some(local) = self.local().filter(|_| self.settings.local.writes()) {
            self.publish_local(local.as_ref());
            self.leave_word(local.as_ref());
        }
    }

    async fn publish_remote(&self, setup: &Setup, limit: Duration) {
        let (remote, seen, delta, texts) = {
            let state = self.state();
            let Some(remote) = state.remote.clone().filter(|_| !state.is_remote_lost) else { return };
            let delta = self.delta(&state);
            if !self.is_news(&state, &delta) {
                return;
            }
            let wanted = delta.made.values().filter(|record| record.blob.is_some());
            let texts: Vec<_> = wanted.map(|record| record.output).collect();
            (remote, state.shared.clone(), delta, texts)
        };
        let start = setup.pace.clock.monotonic();
        for digest in texts {
            let text = self.state().texts.get(&digest).cloned();
            let text = text.or_else(|| Some(tier::local_text(self.local()?.as_ref(), &digest)?.into()));
            let Some(text) = text else { continue };
            let passed = setup.pace.clock.monotonic().saturating_sub(start);
            let written =
                setup.pace.within(limit.saturating_sub(passed), remote.write_text(&digest, text)).await;
            if let Err(trouble) = written.ok_or(Trouble::Late).and_then(|done| done.map_err(Trouble::Store)) {
                return self.not_published(&remote, trouble);
            }
        }
        let passed = setup.pace.clock.monotonic().saturating_sub(start);
        let now = self.now();
        let mut unreadable = None;
        let change = |seen: &tier::Seen| {
            unreadable = unreadable.take().or_else(|| seen.unreadable.clone());
            let mut index = seen.index.after(&delta);
            index.collect(&self.settings.limits, now);
            index.writer.clone_from(&setup.writer);
            Some(index)
        };
        let changed = remote.change(seen, &setup.pace, limit.saturating_sub(passed), change).await;
        if let Some(reason) = unreadable {
            let (place, reason) = (remote.place(), reason.to_string());
            self.state().warn(CacheWarning::Unreadable { place, reason });
        }
        match changed {
            Ok(seen) => {
                let mut state = self.state();
                state.published += delta.made.len() as u64;
                state.shared = seen;
                state.copy_is_old = true;
                for key in delta.made.keys() {
                    state.made.remove(key);
                    state.own.records.remove(key);
                }
                state.gone_from_own.extend(delta.made.into_keys());
            }
            Err(trouble) => self.not_published(&remote, trouble),
        }
    }

    fn not_published(&self, remote: &Remote, trouble: Trouble) {
        let mut state = self.state();
        let place = remote.place();
        match trouble {
            Trouble::GaveUp(tries) => state.warn(CacheWarning::GaveUp { place, tries }),
            // This deployment makes no bucket.
            Trouble::Store(error) if error.kind == StoreErrorKind::NoBucket => {}
            Trouble::Store(error) => {
                state.warn(CacheWarning::RemoteUnavailable { place, reason: error.message });
            }
            Trouble::Late => {
                let reason = "no answer in time".to_owned();
                state.warn(CacheWarning::RemoteUnavailable { place, reason });
            }
        }
    }

    /// What this run adds to the bucket: what it made, what it had use for of this machine's own records, and which of
    /// the bucket's it had use for.
    fn delta(&self, state: &State) -> Delta {
        let epoch = state.shared.index.epoch;
        let own = state.own.records.iter().filter(|(key, record)| {
            state.hits.contains(key)
                && !kinds::stays_here(&record.kind)
                && record.epoch >= epoch
                && state.shared.index.records.get(key).is_none_or(|shared| shared.at < record.at)
        });
        let mut made: BTreeMap<Key, Record> = own.map(|(key, record)| (*key, record.clone())).collect();
        let news = state.made.iter().filter(|(_, record)| !kinds::stays_here(&record.kind));
        made.extend(news.map(|(key, record)| (*key, record.clone())));
        let today = day(self.now());
        let used = state.hits.iter().filter(|key| state.shared.index.records.contains_key(key));
        let used = used.map(|key| (*key, today)).collect();
        let shared = |key: &Key| state.shared.index.records.get(key);
        let broken = state.broken.iter().filter(|(key, _)| shared(key).is_some());
        let mut dropped: BTreeMap<Key, i64> = broken.map(|(key, at)| (*key, *at)).collect();
        // What nobody signed gives way to what this run signed, however new it says that it is.
        let replaced = state.unsigned.iter().filter(|key| made.contains_key(key));
        dropped.extend(replaced.filter_map(|key| Some((*key, shared(key)?.at))));
        Delta { epoch, made, used, dropped }
    }

    /// Whether a request is worth it. A record in use is noted once in some days.
    fn is_news(&self, state: &State, delta: &Delta) -> bool {
        let stale = self.settings.limits.stale_days();
        let records = &state.shared.index.records;
        let is_stale =
            |(key, today): (&Key, &i64)| records.get(key).is_some_and(|record| record.used + stale <= *today);
        !delta.made.is_empty()
            || !delta.dropped.is_empty()
            || delta.used.iter().any(is_stale)
            || !state.shared.index.due(&self.settings.limits, self.now()).is_empty()
    }

    /// Files are read, merged and written without a lock: of two runs that end at the same moment the first may lose what it
    /// noted for this machine alone, which costs it a read the next time.
    fn publish_local(&self, local: &dyn LocalTier) {
        let mut state = self.state();
        let texts: Vec<_> = state.texts.iter().map(|(digest, text)| (*digest, text.clone())).collect();
        for (digest, text) in texts {
            if tier::local_text(local, &digest).is_none() {
                match local.write(&LocalFile::Blob(digest), &text) {
                    Ok(()) => state.wrote_text = true,
                    Err(reason) => state.lose_local(local, reason),
                }
            }
        }
        if std::mem::take(&mut state.wrote_text) {
            sweep(local, self.now() - self.settings.limits.max_age_days * DAY);
        }
        if state.copy_is_old
            && let (Some(etag), Some(bytes)) = (&state.shared.etag, &state.shared.bytes)
        {
            match tier::keep_shared_copy(local, etag, bytes) {
                Ok(()) => state.copy_is_old = false,
                Err(reason) => state.lose_local(local, reason),
            }
        }
        let today = day(self.now());
        let stale = self.settings.limits.stale_days();
        let is_stale =
            |key: &&Key| state.own.records.get(key).is_some_and(|record| record.used + stale <= today);
        let used = state.hits.iter().filter(is_stale).map(|key| (*key, today)).collect();
        let mut gone: BTreeMap<Key, i64> = state.broken.clone();
        let replaced = state.unsigned.iter().filter(|key| state.made.contains_key(key));
        gone.extend(state.gone_from_own.iter().chain(replaced).map(|key| (*key, i64::MAX)));
        let delta = Delta { epoch: state.shared.index.epoch, made: state.made.clone(), used, dropped: gone };
        if delta.made.is_empty() && delta.used.is_empty() && delta.dropped.is_empty() {
            return;
        }
        // Other runs may have written since.
        let bytes = local.read(&LocalFile::Own).ok().flatten();
        let stored = bytes.and_then(|bytes| codec::decode(&bytes).ok());
        let stored = stored.unwrap_or(Index { generation: state.own.generation, ..Index::default() });
        // A clear in the meantime is a new generation: what this run had is not brought back.
        if stored.generation != state.own.generation {
            return;
        }
        let mut own = stored.after(&delta);
        own.collect(&self.settings.limits, self.now());
        if own != stored
            && let Err(reason) = local.write(&LocalFile::Own, &codec::encode(&own))
        {
            // Without it, the next run makes it again.
            state.lose_local(local, reason);
        }
        own.generation = state.own.generation;
        state.own = own;
    }
}

/// Removes texts of this machine that were written before `oldest`. One that is still of use is made again.
pub(super) fn sweep(local: &dyn LocalTier, oldest: i64) -> usize {
    let old = local.blobs().into_iter().filter(|blob| blob.modified.as_second() < oldest);
    old.filter(|blob| local.remove(&LocalFile::Blob(blob.digest)).is_ok()).count()
}
