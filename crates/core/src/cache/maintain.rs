//! What commands do with a cache outside a run: look at it, empty it, take it elsewhere.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use miette::Diagnostic;
use runway_store::{Condition, StoreError, StoreErrorKind};
use thiserror::Error;

use super::codec::{self, Bundle};
use super::index::{Filter, Index, Limits};
use super::publish::sweep;
use super::record::{DAY, Record};
use super::tier::{self, LocalFile, LocalTier, Pace, Remote, Seen, Trouble};
use super::trust::TrustKey;
use super::value::Digest;
use crate::error::Problem;
use crate::exit::ExitCode;

/// How long a command tries to write the index.
pub(super) const LIMIT: Duration = Duration::from_secs(30);
/// Texts of the bucket that are younger than this may belong to a run that has not written the index yet.
const YOUNG: i64 = DAY;

/// Why a command about the cache failed. In other commands such trouble is a warning.
#[derive(Debug, Clone, Error, Diagnostic)]
pub enum CacheError {
    /// The bucket refused or did not answer.
    #[error("the task cache in {place} cannot be used: {}", source.message)]
    #[diagnostic(code(cache::remote_unavailable), help("{}", remedy(source)))]
    Store {
        /// Where it is.
        place: String,
        /// What the store said.
        source: Box<StoreError>,
    },
    /// Others wrote all the time, or there was no answer.
    #[error("the task cache in {place} could not be written: {reason}")]
    #[diagnostic(code(cache::gave_up), help("run the command again"))]
    NotWritten {
        /// Where it is.
        place: String,
        /// What happened.
        reason: String,
    },
    /// The files of this machine.
    #[error("the task cache in {place} cannot be used: {reason}")]
    #[diagnostic(
        code(cache::local_unavailable),
        help(
            "the directory must be readable and writable; `cfngin_cache_dir` in the config names another one. Whatever is in it may be deleted: nothing is lost but time"
        )
    )]
    Local {
        /// Where it is.
        place: String,
        /// What is wrong.
        reason: String,
    },
    /// A bundle that is none.
    #[error("the bundle cannot be read: {reason}")]
    #[diagnostic(code(cache::unreadable), help("give a file that `runway-rs cache export` wrote"))]
    Bundle {
        /// What is wrong.
        reason: String,
    },
}

impl CacheError {
    /// Whether it is only that nobody has made the bucket yet.
    pub fn is_missing_bucket(&self) -> bool {
        matches!(self, Self::Store { source, .. } if source.kind == StoreErrorKind::NoBucket)
    }
}

fn remedy(error: &StoreError) -> &'static str {
    match error.kind {
        StoreErrorKind::Denied => {
            "the role needs s3:GetObject, and to change it s3:PutObject and s3:DeleteObject: `runway-rs cache status --iam-policy` prints the policy"
        }
        StoreErrorKind::Credentials => "check the credentials",
        StoreErrorKind::WrongRegion => "set `cfngin_bucket_region`",
        _ => {
            "try again later; `--cache-remote off` leaves the bucket alone, as `--local` of `cache clear` does"
        }
    }
}

impl Problem for CacheError {
    fn exit_code(&self) -> ExitCode {
        match self {
            Self::Store { source, .. } => match source.kind {
                StoreErrorKind::Denied | StoreErrorKind::Credentials => ExitCode::Denied,
                _ => ExitCode::Unavailable,
            },
            Self::NotWritten { .. } => ExitCode::Unavailable,
            Self::Local { .. } | Self::Bundle { .. } => ExitCode::Config,
        }
    }
}

/// What is in one tier.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TierStatus {
    /// Where it is.
    pub place: String,
    /// Records.
    pub records: usize,
    /// Bytes of the index, as it is stored.
    pub index_bytes: u64,
    /// Texts that are files or objects of their own, and their bytes.
    pub texts: usize,
    /// Bytes of the texts.
    pub text_bytes: u64,
    /// The epoch.
    pub epoch: u64,
    /// How often the index was written.
    pub generation: u64,
    /// Who wrote it last.
    pub writer: String,
    /// Why the index is taken for empty.
    pub unreadable: Option<String>,
}

/// What a command took away from one tier.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Removed {
    /// Records.
    pub records: usize,
    /// Texts that were files or objects of their own.
    pub texts: usize,
    /// The epoch since then, of the bucket.
    pub epoch: u64,
}

/// The tiers of one config, for commands.
#[derive(Clone)]
pub struct Tiers {
    /// Files of this machine.
    pub local: Option<Arc<dyn LocalTier>>,
    /// Objects of the bucket.
    pub remote: Option<Remote>,
    /// Time and chance.
    pub pace: Pace,
    /// Who writes, for people.
    pub writer: String,
    /// What records are signed with.
    pub key: Option<TrustKey>,
}

impl Tiers {
    /// What this machine has: its copy of the bucket's index and its own records are one.
    ///
    /// # Errors
    /// [`CacheError::Local`] if a file cannot be read.
    pub fn local_status(&self) -> Result<Option<TierStatus>, CacheError> {
        let Some(local) = &self.local else { return Ok(None) };
        let (mut status, mut index) =
            (TierStatus { place: local.place(), ..TierStatus::default() }, Index::default());
        for file in [LocalFile::Shared, LocalFile::Own] {
            let Some(bytes) = self.local_file(&file)? else { continue };
            status.index_bytes += bytes.len() as u64;
            match codec::decode(&bytes) {
                Ok(read) => index = index.merge(&read),
                Err(why) => status.unreadable = Some(why.to_string()),
            }
        }
        let blobs = local.blobs();
        status.texts = blobs.len();
        status.text_bytes = blobs.iter().map(|blob| blob.bytes).sum();
        Ok(Some(TierStatus {
            records: index.records.len(),
            epoch: index.epoch,
            generation: index.generation,
            writer: index.writer,
            ..status
        }))
    }

    /// What the bucket has.
    ///
    /// # Errors
    /// [`CacheError::Store`].
    pub async fn remote_status(&self) -> Result<Option<TierStatus>, CacheError> {
        let Some(remote) = &self.remote else { return Ok(None) };
        let seen = self.look(remote).await?;
        let texts = self.remote_texts(remote).await?;
        Ok(Some(TierStatus {
            place: remote.place(),
            records: seen.index.records.len(),
            index_bytes: seen.bytes.map_or(0, |bytes| bytes.len() as u64),
            texts: texts.len(),
            text_bytes: texts.iter().map(|(_, bytes, _)| bytes).sum(),
            epoch: seen.index.epoch,
            generation: seen.index.generation,
            writer: seen.index.writer,
            unreadable: seen.unreadable.map(|why| why.to_string()),
        }))
    }

    fn local_file(&self, file: &LocalFile) -> Result<Option<Vec<u8>>, CacheError> {
        let Some(local) = &self.local else { return Ok(None) };
        local.read(file).map_err(|reason| CacheError::Local { place: local.place(), reason })
    }

    fn own(&self) -> Result<Index, CacheError> {
        let bytes = self.local_file(&LocalFile::Own)?;
        Ok(bytes.and_then(|bytes| codec::decode(&bytes).ok()).unwrap_or_default())
    }

    async fn look(&self, remote: &Remote) -> Result<Seen, CacheError> {
        match self.pace.within(LIMIT, remote.look(None)).await {
            Some(Ok(seen)) => Ok(seen),
            Some(Err(error)) if error.kind == StoreErrorKind::NoBucket => Ok(Seen::default()),
            Some(Err(error)) => Err(store_error(remote, error)),
            None => Err(late(remote)),
        }
    }

    /// Empties this machine's part: everything, or what `filter` is about.
    ///
    /// # Errors
    /// [`CacheError::Local`].
    pub fn clear_local(&self, filter: &Filter) -> Result<Removed, CacheError> {
        let Some(local) = &self.local else { return Ok(Removed::default()) };
        let failed = |reason| CacheError::Local { place: local.place(), reason };
        let mut own = self.own()?;
        let epoch = own.epoch;
        let shared = tier::shared_copy(local.as_ref()).map(|(_, index)| index).unwrap_or_default();
        let of_bucket = shared.records.values().filter(|record| filter.takes(record));
        let of_bucket = of_bucket.filter(|record| !own.records.contains_key(&record.key)).count();
        let mut removed = Removed { records: own.clear(filter) + of_bucket, texts: 0, epoch };
        if removed.records == 0 && !filter.is_everything() {
            return Ok(removed);
        }
        own.epoch = epoch;
        // A run that is under way sees by the number that its records are no longer wanted.
        own.generation += 1;
        local.write(&LocalFile::Own, &codec::encode(&own)).map_err(failed)?;
        for file in [LocalFile::SharedTag, LocalFile::Shared] {
            local.remove(&file).map_err(failed)?;
        }
        if filter.is_everything() {
            for blob in local.blobs() {
                local.remove(&LocalFile::Blob(blob.digest)).map_err(failed)?;
                removed.texts += 1;
            }
        }
        Ok(removed)
    }

    /// Empties the bucket's part. Everything is a new epoch: runs that are under way bring nothing back.
    ///
    /// # Errors
    /// [`CacheError`].
    pub async fn clear_remote(&self, filter: &Filter) -> Result<Removed, CacheError> {
        let Some(remote) = &self.remote else { return Ok(Removed::default()) };
        let mut removed = Removed::default();
        let seen = self.look(remote).await?;
        if seen.etag.is_none() && !filter.is_everything() {
            return Ok(removed);
        }
        let copy = self.local.as_ref().and_then(|local| tier::shared_copy(local.as_ref()));
        // What this machine has is only to be as new: the bucket is emptied also where its files cannot be read.
        let known = copy.map_or(0, |(_, index)| index.epoch).max(self.own().map_or(0, |own| own.epoch));
        let change = |seen: &Seen| {
            let mut index = seen.index.clone();
            // Also if somebody deleted the object: its epochs stay in the past.
            index.epoch = index.epoch.max(known);
            removed.records = index.clear(filter);
            removed.epoch = index.epoch;
            index.writer.clone_from(&self.writer);
            // Nothing to remove is nothing to write.
            (filter.is_everything() || removed.records > 0).then_some(index)
        };
        let written = remote.change(seen, &self.pace, LIMIT, change).await;
        let seen = written.map_err(|trouble| not_written(remote, trouble))?;
        removed.texts = self.sweep_remote(remote, &seen.index, filter.is_everything(), false).await?;
        Ok(removed)
    }

    /// Collects what is due on this machine; `dry_run` only counts.
    ///
    /// # Errors
    /// [`CacheError::Local`].
    pub fn collect_local(&self, limits: &Limits, dry_run: bool) -> Result<Removed, CacheError> {
        let Some(local) = &self.local else { return Ok(Removed::default()) };
        let (mut own, now) = (self.own()?, self.pace.now());
        let (before, oldest) = (own.records.len(), now - limits.max_age_days * DAY);
        own.collect(limits, now);
        let records = before - own.records.len();
        if dry_run {
            let texts = local.blobs().iter().filter(|blob| blob.modified.as_second() < oldest).count();
            return Ok(Removed { records, texts, epoch: own.epoch });
        }
        if records > 0 {
            let written = local.write(&LocalFile::Own, &codec::encode(&own));
            written.map_err(|reason| CacheError::Local { place: local.place(), reason })?;
        }
        Ok(Removed { records, texts: sweep(local.as_ref(), oldest), epoch: own.epoch })
    }

    /// Collects what is due in the bucket, and texts that no record speaks of; `dry_run` only counts.
    ///
    /// # Errors
    /// [`CacheError`].
    pub async fn collect_remote(&self, limits: &Limits, dry_run: bool) -> Result<Removed, CacheError> {
        let Some(remote) = &self.remote else { return Ok(Removed::default()) };
        let (mut removed, now) = (Removed::default(), self.pace.now());
        let mut seen = self.look(remote).await?;
        let change = |seen: &Seen| {
            let mut index = seen.index.clone();
            index.collect(limits, now);
            index.writer.clone_from(&self.writer);
            removed.records = seen.index.records.len() - index.records.len();
            removed.epoch = index.epoch;
            (removed.records > 0).then_some(index)
        };
        if dry_run {
            let mut change = change;
            if let Some(index) = change(&seen) {
                seen.index = index;
            }
        } else {
            let written = remote.change(seen, &self.pace, LIMIT, change).await;
            seen = written.map_err(|trouble| not_written(remote, trouble))?;
        }
        removed.texts = self.sweep_remote(remote, &seen.index, false, dry_run).await?;
        Ok(removed)
    }

    /// Removes texts of the bucket that no record speaks of, young ones only if `all`. Returns how many.
    async fn sweep_remote(
        &self,
        remote: &Remote,
        index: &Index,
        all: bool,
        dry_run: bool,
    ) -> Result<usize, CacheError> {
        let wanted: BTreeSet<Digest> = index.records.values().map(|record| record.output).collect();
        let mut removed = 0;
        for (digest, _, modified) in self.remote_texts(remote).await? {
            let is_old = modified.is_some_and(|modified| modified + YOUNG < self.pace.now());
            if wanted.contains(&digest) || !(all || is_old) {
                continue;
            }
            if !dry_run {
                remote.count();
                let deleted = remote.store().delete(&remote.blob_key(&digest), &Condition::None).await;
                deleted.map_err(|error| store_error(remote, error))?;
            }
            removed += 1;
        }
        Ok(removed)
    }

    /// Texts of the bucket: digest, length and time.
    async fn remote_texts(&self, remote: &Remote) -> Result<Vec<(Digest, u64, Option<i64>)>, CacheError> {
        let (prefix, mut texts, mut after) = (remote.blob_prefix(), Vec::new(), None);
        loop {
            remote.count();
            let page = match remote.store().list(&prefix, after.as_ref()).await {
                Ok(page) => page,
                Err(error) if error.kind == StoreErrorKind::NoBucket => return Ok(texts),
                Err(error) => return Err(store_error(remote, error)),
            };
            for (key, metadata) in &page.objects {
                let digest = key.as_str().strip_prefix(&prefix).and_then(Digest::parse);
                let modified = metadata.last_modified.map(|modified| modified.as_second());
                texts.extend(digest.map(|digest| (digest, metadata.length, modified)));
            }
            after = page.objects.last().map(|(key, _)| key.clone());
            if !page.more || after.is_none() {
                return Ok(texts);
            }
        }
    }

    /// The records of both tiers; without the bucket, this machine's copy of its part.
    ///
    /// # Errors
    /// [`CacheError`].
    pub async fn index(&self) -> Result<Index, CacheError> {
        let shared = match &self.remote {
            Some(remote) => self.look(remote).await?.index,
            None => {
                let copy = self.local.as_ref().and_then(|local| tier::shared_copy(local.as_ref()));
                copy.map(|(_, index)| index).unwrap_or_default()
            }
        };
        let (generation, own) = (shared.generation, self.own()?);
        Ok(Index { generation, ..shared.merge(&Index { generation: 0, ..own }) })
    }

    /// Everything that both tiers have, in one file.
    ///
    /// # Errors
    /// [`CacheError`].
    pub async fn export(&self) -> Result<Vec<u8>, CacheError> {
        let index = Index { writer: self.writer.clone(), ..self.index().await? };
        let mut bundle = Bundle { index, place: self.place(), ..Bundle::default() };
        let texts: Vec<Digest> = bundle
            .index
            .records
            .values()
            .filter(|record| record.blob.is_some())
            .map(|record| record.output)
            .collect();
        for digest in texts {
            let local = self.local.as_ref().and_then(|local| tier::local_text(local.as_ref(), &digest));
            let text = match (local, &self.remote) {
                (Some(text), _) => Some(text),
                (None, Some(remote)) => {
                    let text = remote.text(&digest).await.map_err(|error| store_error(remote, error))?;
                    text.map(|text| text.to_vec())
                }
                (None, None) => None,
            };
            // A record without its text is none, here as there.
            if let Some(text) = text.and_then(|text| String::from_utf8(text).ok()) {
                bundle.texts.insert(digest, text);
            }
        }
        bundle
            .index
            .records
            .retain(|_, record| record.blob.is_none() || bundle.texts.contains_key(&record.output));
        Ok(codec::encode_bundle(&bundle))
    }

    /// Where the bucket's index is; empty without a bucket.
    fn place(&self) -> String {
        self.remote.as_ref().map(Remote::place).unwrap_or_default()
    }

    /// Takes a bundle into this machine's part, of the same place records of the present epoch only; signed ones only if
    /// there is a key. A deployment that has use for them publishes them. Returns the numbers of records that were taken and that were not.
    ///
    /// # Errors
    /// [`CacheError`].
    pub async fn import(&self, bytes: &[u8]) -> Result<(usize, usize), CacheError> {
        let bundle = codec::decode_bundle(bytes);
        let bundle = bundle.map_err(|why| CacheError::Bundle { reason: why.to_string() })?;
        let Some(local) = &self.local else {
            let reason = "there is no directory for it".to_owned();
            return Err(CacheError::Local { place: "this machine".to_owned(), reason });
        };
        let epoch = match &self.remote {
            Some(remote) => self.look(remote).await?.index.epoch,
            None => tier::shared_copy(local.as_ref()).map_or(0, |(_, index)| index.epoch),
        };
        let mut own = self.own()?;
        let epoch = epoch.max(own.epoch);
        // Elsewhere everything may have been cleared any number of times: such records begin anew here.
        let is_foreign = bundle.place != self.place();
        let usable = |record: &&Record| {
            (is_foreign || record.epoch >= epoch) && self.key.as_ref().is_none_or(|key| key.accepts(record))
        };
        let mut taken: Vec<Record> = bundle.index.records.values().filter(usable).cloned().collect();
        for record in taken.iter_mut().filter(|_| is_foreign) {
            record.epoch = epoch;
            record.signature = self.key.as_ref().and_then(|key| key.sign(record));
        }
        let failed = |reason| CacheError::Local { place: local.place(), reason };
        for record in taken.iter().filter(|record| record.blob.is_some()) {
            if let Some(text) = bundle.texts.get(&record.output) {
                local.write(&LocalFile::Blob(record.output), text.as_bytes()).map_err(failed)?;
            }
        }
        let (all, generation) = (bundle.index.records.len(), own.generation);
        let records = taken.into_iter().map(|record| (record.key, record)).collect();
        let imported = Index { epoch, records, ..Index::default() };
        let count = imported.records.len();
        own = Index { generation, ..own.merge(&imported) };
        local.write(&LocalFile::Own, &codec::encode(&own)).map_err(failed)?;
        Ok((count, all - count))
    }
}

pub(super) fn store_error(remote: &Remote, error: StoreError) -> CacheError {
    CacheError::Store { place: remote.place(), source: Box::new(error) }
}

pub(super) fn late(remote: &Remote) -> CacheError {
    let reason = format!("no answer within {} seconds", LIMIT.as_secs());
    CacheError::NotWritten { place: remote.place(), reason }
}

fn not_written(remote: &Remote, trouble: Trouble) -> CacheError {
    match trouble {
        Trouble::Store(error) => store_error(remote, error),
        Trouble::Late => late(remote),
        Trouble::GaveUp(tries) => {
            let reason = format!("others wrote it {tries} times in a row");
            CacheError::NotWritten { place: remote.place(), reason }
        }
    }
}
