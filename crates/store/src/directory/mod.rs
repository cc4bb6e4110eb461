use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use jiff::Timestamp;

use self::files::{Files, Folder};
use self::layout::{Entry, Version};
use crate::digest::ContentDigest;
use crate::error::{StoreError, StoreErrorKind};
use crate::key::{BucketName, ObjectKey};
use crate::object::{Condition, ETag, Metadata, Object, Page, Part, Put, PutOutcome, Reread, Tags, Upload};
use crate::operation::{Operation, Verb};
use crate::record::{self, Record, Refusal};
use crate::rules::Rules;
use crate::{ObjectStore, StoreClock};

mod files;
mod layout;
mod parts;
#[cfg(test)]
mod tests;

/// A bucket in a directory of the file system, kept between processes and shared by them.
///
/// Every write is checked and applied under one exclusive file lock and appears in one step; reads wait for nothing.
/// Like a versioned S3 bucket it keeps earlier versions, but only the last twenty of each key. Entity tags are the
/// MD5 of the body. Any text is a valid key. What a write stores is flushed to the disk before it appears.
///
/// A directory that cannot be read or written is the error kind [`StoreErrorKind::Denied`], one that does not exist
/// [`StoreErrorKind::NoBucket`].
#[derive(Clone)]
pub struct Directory {
    bucket: BucketName,
    shared: Arc<Shared>,
}

struct Shared {
    files: Files,
    clock: StoreClock,
}

impl Directory {
    /// The bucket in the directory `path`, which is created with its parents unless it exists.
    ///
    /// # Errors
    /// [`StoreErrorKind::Denied`] if the directory cannot be created there.
    pub fn create(
        path: impl Into<PathBuf>,
        bucket: BucketName,
        clock: StoreClock,
    ) -> Result<Self, StoreError> {
        let store = Self::open(path, bucket, clock);
        store.shared.files.create().map_err(|(kind, message)| StoreError {
            kind,
            operation: "create",
            bucket: store.bucket.clone(),
            key: String::new(),
            message,
            request_id: None,
        })?;
        Ok(store)
    }

    /// The bucket in the directory `path`. As with S3, whether it exists shows with the first request.
    pub fn open(path: impl Into<PathBuf>, bucket: BucketName, clock: StoreClock) -> Self {
        Self { bucket, shared: Arc::new(Shared { files: Files::new(path.into()), clock }) }
    }

    /// Whether the bucket exists and a key holds an object now. Reads directories, so it may block for a moment; what
    /// cannot be read counts as an object.
    pub fn has_objects(&self) -> bool {
        let holds = |folder: &Folder| {
            folder.entries().map_or(true, |entries| entries.last().is_some_and(|newest| !newest.deleted))
        };
        self.shared.files.folders().map_or(true, |folders| folders.iter().any(holds))
    }

    /// Removes the bucket if no key holds an object now; says whether it did. Blocks while somebody else writes.
    pub fn remove_if_empty(&self) -> bool {
        let Ok(_lock) = self.shared.files.lock() else { return false };
        !self.has_objects() && self.shared.files.remove().is_ok()
    }

    /// Runs file operations on a thread that may block. They are short, but a write waits for the lock, and whoever
    /// holds it may be a stopped process: timers and signals have to be served meanwhile.
    async fn run<T: Send + 'static>(
        &self,
        operation: Operation,
        action: impl FnOnce(&Shared) -> Result<T, Refusal> + Send + 'static,
    ) -> Result<T, StoreError> {
        let shared = Arc::clone(&self.shared);
        let outcome = tokio::task::spawn_blocking(move || {
            shared.files.check()?;
            action(&shared)
        });
        outcome
            .await
            .unwrap_or_else(|error| Err((StoreErrorKind::Unavailable, format!("interrupted: {error}"))))
            .map_err(|(kind, message)| operation.error(kind, &self.bucket, message))
    }
}

impl Shared {
    fn metadata(&self, entry: Entry, record: &Record) -> Metadata {
        record.metadata(Some(entry.number.to_string()), (self.clock)())
    }

    fn object(&self, entry: Entry, (record, body): Version) -> Object {
        Object { body, metadata: self.metadata(entry, &record) }
    }

    fn put(&self, key: &ObjectKey, body: &Bytes, how: &Put) -> Result<PutOutcome, Refusal> {
        record::allow_tags(&how.tags)?;
        record::allow_body(body, how.sha256.as_ref())?;
        self.store(&how.condition, |now| Record::of(key, body, how, now), key, body.as_ref())
    }

    fn store(
        &self,
        condition: &Condition,
        record: impl FnOnce(Timestamp) -> Record,
        key: &ObjectKey,
        body: impl std::io::Read,
    ) -> Result<PutOutcome, Refusal> {
        let lock = self.files.lock()?;
        let folder = self.files.folder(key);
        record::allow_put(condition, stored_etag(&folder, condition)?.as_ref())?;
        let number = folder.entries()?.last().map_or(1, |newest| newest.number + 1);
        let now = (self.clock)();
        let record = record(now);
        folder.write(&lock, Entry { number, deleted: false }, &record, body)?;
        // The object is written, whatever comes of this; the next write prunes again.
        let _housekeeping = folder.prune(&lock);
        Ok(PutOutcome { etag: record.etag, version_id: Some(number.to_string()), date: Some(now) })
    }

    fn delete(&self, key: &ObjectKey, condition: &Condition) -> Result<(), Refusal> {
        let lock = self.files.lock()?;
        let folder = self.files.folder(key);
        record::allow_delete(condition, stored_etag(&folder, condition)?.as_ref())?;
        match folder.entries()?.last() {
            Some(newest) if !newest.deleted => folder.write_deletion(&lock, newest.number + 1),
            _ => Ok(()),
        }
    }

    fn set_tags(&self, key: &ObjectKey, tags: Tags) -> Result<(), Refusal> {
        record::allow_tags(&tags)?;
        let lock = self.files.lock()?;
        let folder = self.files.folder(key);
        let (entry, (record, body)) = folder.current_object()?.ok_or_else(record::nothing_to_tag)?;
        folder.write(&lock, entry, &Record { tags, ..record }, body.as_ref())
    }

    /// Keys are not in the order of the folders that hold them: their names are all looked at, and the metadata of one
    /// page is read.
    fn list(&self, prefix: &str, after: Option<&ObjectKey>) -> Result<Page, Refusal> {
        let mut keyed = Vec::new();
        for (key, folder) in self.files.folders_of(prefix, after)? {
            if let Some(key) = key {
                keyed.push((key, folder));
            } else if let Some((_, Record { key, .. })) = folder.current_record()?
                && key.as_str().starts_with(prefix)
                && after.is_none_or(|after| key > *after)
            {
                keyed.push((key, folder));
            }
        }
        keyed.sort_unstable_by(|(left, _), (right, _)| left.cmp(right));
        let mut objects = Vec::new();
        for (key, folder) in keyed {
            if objects.len() > record::PAGE {
                break;
            }
            if let Some((entry, record)) = folder.current_record()? {
                objects.push((key, self.metadata(entry, &record)));
            }
        }
        Ok(record::page(objects.into_iter(), (self.clock)()))
    }

    fn get_range(&self, key: &ObjectKey, first: u64, length: u64) -> Result<Option<Bytes>, Refusal> {
        let folder = self.files.folder(key);
        match folder.current_record()? {
            Some((entry, _)) => folder.range(entry, first, length),
            None => Ok(None),
        }
    }

    fn complete(
        &self,
        upload: &Upload,
        parts: &[Part],
        condition: &Condition,
    ) -> Result<PutOutcome, Refusal> {
        let uploads = self.files.uploads();
        let pending = uploads.assemble(upload, parts)?;
        let (how, length) = (pending.put(), pending.length);
        let etag = record::digest_of_parts(parts);
        let record = |now| Record::stored(&upload.key, etag, length, &how, now);
        let written = self.store(condition, record, &upload.key, pending.body)?;
        // The object is there, whatever comes of this.
        let _housekeeping = uploads.forget(upload);
        Ok(written)
    }

    fn get_version(&self, key: &ObjectKey, version_id: &str) -> Result<Option<Object>, Refusal> {
        let folder = self.files.folder(key);
        let Some(entry) = Entry::parse(&format!("{version_id}.object")) else { return Ok(None) };
        Ok(folder.object(entry)?.map(|found| self.object(entry, found)))
    }

    fn versions(&self, key: &ObjectKey) -> Result<Vec<Metadata>, Refusal> {
        let folder = self.files.folder(key);
        let mut versions = Vec::new();
        for entry in folder.entries()?.into_iter().rev().filter(|entry| !entry.deleted) {
            versions.extend(folder.record(entry)?.map(|record| self.metadata(entry, &record)));
        }
        Ok(versions)
    }
}

/// The entity tag that `condition` is held against. Without a condition nothing is read, so that a damaged file can
/// be overwritten and deleted.
fn stored_etag(folder: &Folder, condition: &Condition) -> Result<Option<ETag>, Refusal> {
    match condition {
        Condition::None => Ok(None),
        _ => Ok(folder.current_record()?.map(|(_, record)| record.etag)),
    }
}

#[async_trait]
impl ObjectStore for Directory {
    fn bucket(&self) -> &BucketName {
        &self.bucket
    }

    async fn get(&self, key: &ObjectKey) -> Result<Option<Object>, StoreError> {
        let wanted = key.clone();
        self.run(Operation::new(Verb::Get, key), move |shared| {
            let current = shared.files.folder(&wanted).current_object()?;
            Ok(current.map(|(entry, found)| shared.object(entry, found)))
        })
        .await
    }

    async fn get_changed(&self, key: &ObjectKey, known: &ETag) -> Result<Reread, StoreError> {
        let (wanted, known) = (key.clone(), known.clone());
        self.run(Operation::new(Verb::Get, key), move |shared| {
            let folder = shared.files.folder(&wanted);
            // The body is read only if it is another one.
            if folder.current_record()?.is_some_and(|(_, record)| record.etag == known) {
                return Ok(Reread::Unchanged);
            }
            let current = folder.current_object()?;
            Ok(Reread::of(current.map(|(entry, found)| shared.object(entry, found)), &known))
        })
        .await
    }

    async fn head(&self, key: &ObjectKey) -> Result<Option<Metadata>, StoreError> {
        let wanted = key.clone();
        self.run(Operation::new(Verb::Head, key), move |shared| {
            let current = shared.files.folder(&wanted).current_record()?;
            Ok(current.map(|(entry, record)| shared.metadata(entry, &record)))
        })
        .await
    }

    async fn put(&self, key: &ObjectKey, body: Bytes, how: &Put) -> Result<PutOutcome, StoreError> {
        let (target, how) = (key.clone(), how.clone());
        self.run(Operation::new(Verb::Put, key), move |shared| shared.put(&target, &body, &how)).await
    }

    async fn delete(&self, key: &ObjectKey, condition: &Condition) -> Result<(), StoreError> {
        let (target, condition) = (key.clone(), condition.clone());
        self.run(Operation::new(Verb::Delete, key), move |shared| shared.delete(&target, &condition)).await
    }

    async fn list(&self, prefix: &str, after: Option<&ObjectKey>) -> Result<Page, StoreError> {
        let (below, after) = (prefix.to_owned(), after.cloned());
        self.run(Operation::list(prefix), move |shared| shared.list(&below, after.as_ref())).await
    }

    async fn tags(&self, key: &ObjectKey) -> Result<Option<Tags>, StoreError> {
        let wanted = key.clone();
        self.run(Operation::new(Verb::Tags, key), move |shared| {
            let current = shared.files.folder(&wanted).current_record()?;
            Ok(current.map(|(_, record)| record.tags))
        })
        .await
    }

    async fn set_tags(&self, key: &ObjectKey, tags: &Tags) -> Result<(), StoreError> {
        let (target, tags) = (key.clone(), tags.clone());
        self.run(Operation::new(Verb::SetTags, key), move |shared| shared.set_tags(&target, tags)).await
    }

    async fn get_version(&self, key: &ObjectKey, version_id: &str) -> Result<Option<Object>, StoreError> {
        let (wanted, version_id) = (key.clone(), version_id.to_owned());
        self.run(Operation::new(Verb::GetVersion, key), move |shared| {
            shared.get_version(&wanted, &version_id)
        })
        .await
    }

    async fn versions(&self, key: &ObjectKey) -> Result<Vec<Metadata>, StoreError> {
        let wanted = key.clone();
        self.run(Operation::new(Verb::Versions, key), move |shared| shared.versions(&wanted)).await
    }

    async fn rules(&self) -> Result<Rules, StoreError> {
        // It drops earlier versions by itself, after a number of writes.
        self.run(Operation::rules(), |_| Ok(Rules::default())).await
    }

    async fn get_range(&self, key: &ObjectKey, first: u64, length: u64) -> Result<Option<Bytes>, StoreError> {
        let wanted = key.clone();
        self.run(Operation::new(Verb::GetRange, key), move |shared| shared.get_range(&wanted, first, length))
            .await
    }

    async fn begin_upload(&self, key: &ObjectKey, how: &Put) -> Result<Upload, StoreError> {
        let (target, how) = (key.clone(), how.clone());
        self.run(Operation::new(Verb::BeginUpload, key), move |shared| {
            record::allow_tags(&how.tags)?;
            shared.files.uploads().begin(&target, how, (shared.clock)())
        })
        .await
    }

    async fn upload_part(
        &self,
        upload: &Upload,
        number: u32,
        body: Bytes,
        sha256: Option<&ContentDigest>,
    ) -> Result<Part, StoreError> {
        let (target, sha256) = (upload.clone(), sha256.copied());
        self.run(Operation::new(Verb::UploadPart, &upload.key), move |shared| {
            record::allow_body(&body, sha256.as_ref())?;
            shared.files.uploads().keep(&target, number, &body, sha256)
        })
        .await
    }

    async fn complete_upload(
        &self,
        upload: &Upload,
        parts: &[Part],
        condition: &Condition,
    ) -> Result<PutOutcome, StoreError> {
        let (target, parts, condition) = (upload.clone(), parts.to_vec(), condition.clone());
        self.run(Operation::new(Verb::CompleteUpload, &upload.key), move |shared| {
            shared.complete(&target, &parts, &condition)
        })
        .await
    }

    async fn abort_upload(&self, upload: &Upload) -> Result<(), StoreError> {
        let target = upload.clone();
        self.run(Operation::new(Verb::AbortUpload, &upload.key), move |shared| {
            shared.files.uploads().forget(&target)
        })
        .await
    }

    async fn uploads(&self, prefix: &str) -> Result<Vec<Upload>, StoreError> {
        let below = prefix.to_owned();
        self.run(Operation::uploads(prefix), move |shared| shared.files.uploads().below(&below)).await
    }
}
