use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;

use self::parts::Uploads;
use crate::digest::ContentDigest;
use crate::error::{StoreError, StoreErrorKind};
use crate::key::{BucketName, ObjectKey};
use crate::object::{Condition, ETag, Metadata, Object, Page, Part, Put, PutOutcome, Reread, Tags, Upload};
use crate::operation::{Operation, Verb};
use crate::record::{self, Record, Refusal};
use crate::rules::Rules;
use crate::{ObjectStore, StoreClock};

mod parts;
#[cfg(test)]
mod tests;

/// A bucket in memory.
///
/// Conditions are checked and applied under one lock, so of any number of racing writers exactly one wins. The
/// entity tag is the MD5 of the body, as in S3: equal bytes have equal entity tags.
pub struct Memory {
    bucket: BucketName,
    clock: StoreClock,
    keeps_versions: bool,
    /// `None` stands for a bucket that does not exist.
    objects: Option<Mutex<Objects>>,
    uploads: Mutex<Uploads>,
}

type Objects = BTreeMap<ObjectKey, History>;

/// Everything kept of one key.
#[derive(Default)]
struct History {
    current: Option<Version>,
    /// Older versions and deleted ones, oldest first; stays empty unless the bucket keeps versions.
    earlier: Vec<Version>,
    written: usize,
}

struct Version {
    number: usize,
    record: Record,
    body: Bytes,
}

impl Memory {
    /// An empty bucket that keeps no versions.
    pub fn new(bucket: BucketName, clock: StoreClock) -> Self {
        Self {
            bucket,
            clock,
            keeps_versions: false,
            objects: Some(Mutex::default()),
            uploads: Mutex::default(),
        }
    }

    /// An empty bucket that keeps every version.
    pub fn versioned(bucket: BucketName, clock: StoreClock) -> Self {
        Self { keeps_versions: true, ..Self::new(bucket, clock) }
    }

    /// A bucket that does not exist: every operation answers [`StoreErrorKind::NoBucket`].
    pub fn missing(bucket: BucketName, clock: StoreClock) -> Self {
        Self { objects: None, ..Self::new(bucket, clock) }
    }

    /// Whether the bucket exists and a key holds an object now.
    pub fn has_objects(&self) -> bool {
        self.locked().is_ok_and(|objects| objects.values().any(|history| history.current.is_some()))
    }

    /// Runs one operation while nothing else can see or change the bucket.
    fn run<T>(
        &self,
        operation: &Operation,
        action: impl FnOnce(&mut Objects) -> Result<T, Refusal>,
    ) -> Result<T, StoreError> {
        self.locked()
            .and_then(|mut objects| action(&mut objects))
            .map_err(|(kind, message)| operation.error(kind, &self.bucket, message))
    }

    fn locked(&self) -> Result<MutexGuard<'_, Objects>, Refusal> {
        let objects = self
            .objects
            .as_ref()
            .ok_or_else(|| (StoreErrorKind::NoBucket, "the bucket does not exist".to_owned()))?;
        // No action panics half-way through a change, so even a poisoned map is whole.
        Ok(objects.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Works on what is being sent in parts.
    fn uploading<T>(
        &self,
        operation: &Operation,
        action: impl FnOnce(&mut Objects, &mut Uploads) -> Result<T, Refusal>,
    ) -> Result<T, StoreError> {
        self.run(operation, |objects| {
            action(objects, &mut self.uploads.lock().unwrap_or_else(PoisonError::into_inner))
        })
    }

    fn store(
        &self,
        objects: &mut Objects,
        condition: &Condition,
        record: Record,
        body: Bytes,
    ) -> Result<PutOutcome, Refusal> {
        let stored = current(objects, &record.key).map(|version| &version.record.etag);
        record::allow_put(condition, stored)?;
        let now = record.last_modified;
        let history = objects.entry(record.key.clone()).or_default();
        history.retire(self.keeps_versions);
        history.written += 1;
        let version = history.current.insert(Version { number: history.written, record, body });
        Ok(PutOutcome {
            etag: version.record.etag.clone(),
            version_id: self.version_id(version),
            date: Some(now),
        })
    }

    fn metadata(&self, version: &Version) -> Metadata {
        version.record.metadata(self.version_id(version), (self.clock)())
    }

    fn version_id(&self, version: &Version) -> Option<String> {
        self.keeps_versions.then(|| version.number.to_string())
    }

    fn object(&self, version: &Version) -> Object {
        Object { body: version.body.clone(), metadata: self.metadata(version) }
    }
}

impl History {
    /// Takes the current version away, into the earlier ones if they are kept.
    fn retire(&mut self, keep: bool) {
        self.earlier.extend(self.current.take().filter(|_| keep));
    }
}

fn current<'a>(objects: &'a Objects, key: &ObjectKey) -> Option<&'a Version> {
    objects.get(key)?.current.as_ref()
}

#[async_trait]
impl ObjectStore for Memory {
    fn bucket(&self) -> &BucketName {
        &self.bucket
    }

    async fn get(&self, key: &ObjectKey) -> Result<Option<Object>, StoreError> {
        self.run(&Operation::new(Verb::Get, key), |objects| {
            Ok(current(objects, key).map(|version| self.object(version)))
        })
    }

    async fn get_changed(&self, key: &ObjectKey, known: &ETag) -> Result<Reread, StoreError> {
        self.run(&Operation::new(Verb::Get, key), |objects| {
            Ok(Reread::of(current(objects, key).map(|version| self.object(version)), known))
        })
    }

    async fn head(&self, key: &ObjectKey) -> Result<Option<Metadata>, StoreError> {
        self.run(&Operation::new(Verb::Head, key), |objects| {
            Ok(current(objects, key).map(|version| self.metadata(version)))
        })
    }

    async fn put(&self, key: &ObjectKey, body: Bytes, how: &Put) -> Result<PutOutcome, StoreError> {
        self.run(&Operation::new(Verb::Put, key), |objects| {
            record::allow_tags(&how.tags)?;
            record::allow_body(&body, how.sha256.as_ref())?;
            let record = Record::of(key, &body, how, (self.clock)());
            self.store(objects, &how.condition, record, body)
        })
    }

    async fn delete(&self, key: &ObjectKey, condition: &Condition) -> Result<(), StoreError> {
        self.run(&Operation::new(Verb::Delete, key), |objects| {
            record::allow_delete(condition, current(objects, key).map(|version| &version.record.etag))?;
            if let Some(history) = objects.get_mut(key) {
                history.retire(self.keeps_versions);
            }
            Ok(())
        })
    }

    async fn list(&self, prefix: &str, after: Option<&ObjectKey>) -> Result<Page, StoreError> {
        self.run(&Operation::list(prefix), |objects| {
            let first = ObjectKey::new(prefix);
            let start = match after {
                Some(after) if *after >= first => Bound::Excluded(after),
                _ => Bound::Included(&first),
            };
            let found = objects
                .range((start, Bound::Unbounded))
                .take_while(|(key, _)| key.as_str().starts_with(prefix))
                .filter_map(|(key, history)| Some((key.clone(), self.metadata(history.current.as_ref()?))));
            Ok(record::page(found, (self.clock)()))
        })
    }

    async fn tags(&self, key: &ObjectKey) -> Result<Option<Tags>, StoreError> {
        self.run(&Operation::new(Verb::Tags, key), |objects| {
            Ok(current(objects, key).map(|version| version.record.tags.clone()))
        })
    }

    async fn set_tags(&self, key: &ObjectKey, tags: &Tags) -> Result<(), StoreError> {
        self.run(&Operation::new(Verb::SetTags, key), |objects| {
            record::allow_tags(tags)?;
            let version = objects
                .get_mut(key)
                .and_then(|history| history.current.as_mut())
                .ok_or_else(record::nothing_to_tag)?;
            version.record.tags = tags.clone();
            Ok(())
        })
    }

    async fn get_version(&self, key: &ObjectKey, version_id: &str) -> Result<Option<Object>, StoreError> {
        self.run(&Operation::new(Verb::GetVersion, key), |objects| {
            let wanted = |version: &&Version| self.version_id(version).as_deref() == Some(version_id);
            Ok(objects
                .get(key)
                .and_then(|history| history.current.iter().chain(&history.earlier).find(wanted))
                .map(|version| self.object(version)))
        })
    }

    async fn versions(&self, key: &ObjectKey) -> Result<Vec<Metadata>, StoreError> {
        self.run(&Operation::new(Verb::Versions, key), |objects| {
            let history = objects.get(key).filter(|_| self.keeps_versions);
            Ok(history
                .into_iter()
                .flat_map(|history| history.current.iter().chain(history.earlier.iter().rev()))
                .map(|version| self.metadata(version))
                .collect())
        })
    }

    async fn rules(&self) -> Result<Rules, StoreError> {
        let rules = Rules { keeps_versions: self.keeps_versions, ..Rules::default() };
        self.run(&Operation::rules(), |_| Ok(rules))
    }

    async fn get_range(&self, key: &ObjectKey, first: u64, length: u64) -> Result<Option<Bytes>, StoreError> {
        self.run(&Operation::new(Verb::GetRange, key), |objects| {
            Ok(current(objects, key).map(|version| record::range(&version.body, first, length)))
        })
    }

    async fn begin_upload(&self, key: &ObjectKey, how: &Put) -> Result<Upload, StoreError> {
        self.uploading(&Operation::new(Verb::BeginUpload, key), |_, uploads| {
            record::allow_tags(&how.tags)?;
            Ok(uploads.begin(key, how, (self.clock)()))
        })
    }

    async fn upload_part(
        &self,
        upload: &Upload,
        number: u32,
        body: Bytes,
        sha256: Option<&ContentDigest>,
    ) -> Result<Part, StoreError> {
        self.uploading(&Operation::new(Verb::UploadPart, &upload.key), |_, uploads| {
            uploads.keep(upload, number, body, sha256)
        })
    }

    async fn complete_upload(
        &self,
        upload: &Upload,
        parts: &[Part],
        condition: &Condition,
    ) -> Result<PutOutcome, StoreError> {
        self.uploading(&Operation::new(Verb::CompleteUpload, &upload.key), |objects, uploads| {
            let (body, how) = uploads.assemble(upload, parts)?;
            let (etag, length) = (record::digest_of_parts(parts), body.len() as u64);
            let record = Record::stored(&upload.key, etag, length, &how, (self.clock)());
            let written = self.store(objects, condition, record, body)?;
            uploads.forget(upload);
            Ok(written)
        })
    }

    async fn abort_upload(&self, upload: &Upload) -> Result<(), StoreError> {
        self.uploading(&Operation::new(Verb::AbortUpload, &upload.key), |_, uploads| {
            uploads.forget(upload);
            Ok(())
        })
    }

    async fn uploads(&self, prefix: &str) -> Result<Vec<Upload>, StoreError> {
        self.uploading(&Operation::uploads(prefix), |_, uploads| Ok(uploads.below(prefix)))
    }
}
