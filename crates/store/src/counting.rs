use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;

use crate::ObjectStore;
use crate::digest::ContentDigest;
use crate::error::StoreError;
use crate::key::{BucketName, ObjectKey};
use crate::object::{Condition, ETag, Metadata, Object, Page, Part, Put, PutOutcome, Reread, Tags, Upload};
use crate::operation::{Operation, Verb};
use crate::rules::Rules;

/// A store that records every request on its way to another store: for request budgets and statistics.
///
/// An operation counts when it is asked for, whether or not it succeeds; a page of a listing is one operation.
pub struct Counting {
    inner: Arc<dyn ObjectStore>,
    operations: Mutex<Vec<Operation>>,
}

impl Counting {
    /// Records the requests to `inner` from now on.
    pub fn new(inner: Arc<dyn ObjectStore>) -> Self {
        Self { inner, operations: Mutex::default() }
    }

    /// Every operation so far, in the order in which they were asked for.
    pub fn operations(&self) -> Vec<Operation> {
        self.recorded().clone()
    }

    /// How many operations there were of one kind.
    pub fn count(&self, verb: Verb) -> usize {
        self.recorded().iter().filter(|operation| operation.verb == verb).count()
    }

    /// How many operations there were, by the name of the operation; names that did not occur are left out.
    pub fn counts(&self) -> BTreeMap<&'static str, usize> {
        self.recorded().iter().fold(BTreeMap::new(), |mut counts, operation| {
            *counts.entry(operation.verb.name()).or_default() += 1;
            counts
        })
    }

    /// How many operations there were in all.
    pub fn total(&self) -> usize {
        self.recorded().len()
    }

    /// Forgets everything recorded, for example between two runs.
    pub fn reset(&self) {
        self.recorded().clear();
    }

    fn record(&self, operation: Operation) {
        self.recorded().push(operation);
    }

    fn recorded(&self) -> MutexGuard<'_, Vec<Operation>> {
        self.operations.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl ObjectStore for Counting {
    fn bucket(&self) -> &BucketName {
        self.inner.bucket()
    }

    async fn get(&self, key: &ObjectKey) -> Result<Option<Object>, StoreError> {
        self.record(Operation::new(Verb::Get, key));
        self.inner.get(key).await
    }

    async fn get_changed(&self, key: &ObjectKey, known: &ETag) -> Result<Reread, StoreError> {
        self.record(Operation::new(Verb::Get, key));
        self.inner.get_changed(key, known).await
    }

    async fn head(&self, key: &ObjectKey) -> Result<Option<Metadata>, StoreError> {
        self.record(Operation::new(Verb::Head, key));
        self.inner.head(key).await
    }

    async fn put(&self, key: &ObjectKey, body: Bytes, how: &Put) -> Result<PutOutcome, StoreError> {
        self.record(Operation::new(Verb::Put, key));
        self.inner.put(key, body, how).await
    }

    async fn delete(&self, key: &ObjectKey, condition: &Condition) -> Result<(), StoreError> {
        self.record(Operation::new(Verb::Delete, key));
        self.inner.delete(key, condition).await
    }

    async fn list(&self, prefix: &str, after: Option<&ObjectKey>) -> Result<Page, StoreError> {
        self.record(Operation::list(prefix));
        self.inner.list(prefix, after).await
    }

    async fn tags(&self, key: &ObjectKey) -> Result<Option<Tags>, StoreError> {
        self.record(Operation::new(Verb::Tags, key));
        self.inner.tags(key).await
    }

    async fn set_tags(&self, key: &ObjectKey, tags: &Tags) -> Result<(), StoreError> {
        self.record(Operation::new(Verb::SetTags, key));
        self.inner.set_tags(key, tags).await
    }

    async fn get_version(&self, key: &ObjectKey, version_id: &str) -> Result<Option<Object>, StoreError> {
        self.record(Operation::new(Verb::GetVersion, key));
        self.inner.get_version(key, version_id).await
    }

    async fn versions(&self, key: &ObjectKey) -> Result<Vec<Metadata>, StoreError> {
        self.record(Operation::new(Verb::Versions, key));
        self.inner.versions(key).await
    }

    async fn rules(&self) -> Result<Rules, StoreError> {
        self.record(Operation::rules());
        self.inner.rules().await
    }

    async fn get_range(&self, key: &ObjectKey, first: u64, length: u64) -> Result<Option<Bytes>, StoreError> {
        self.record(Operation::new(Verb::GetRange, key));
        self.inner.get_range(key, first, length).await
    }

    async fn delete_many(&self, keys: &[ObjectKey]) -> Result<Vec<StoreError>, StoreError> {
        self.record(Operation::many(Verb::DeleteMany, keys));
        self.inner.delete_many(keys).await
    }

    async fn begin_upload(&self, key: &ObjectKey, how: &Put) -> Result<Upload, StoreError> {
        self.record(Operation::new(Verb::BeginUpload, key));
        self.inner.begin_upload(key, how).await
    }

    async fn upload_part(
        &self,
        upload: &Upload,
        number: u32,
        body: Bytes,
        sha256: Option<&ContentDigest>,
    ) -> Result<Part, StoreError> {
        self.record(Operation::new(Verb::UploadPart, &upload.key));
        self.inner.upload_part(upload, number, body, sha256).await
    }

    async fn complete_upload(
        &self,
        upload: &Upload,
        parts: &[Part],
        condition: &Condition,
    ) -> Result<PutOutcome, StoreError> {
        self.record(Operation::new(Verb::CompleteUpload, &upload.key));
        self.inner.complete_upload(upload, parts, condition).await
    }

    async fn abort_upload(&self, upload: &Upload) -> Result<(), StoreError> {
        self.record(Operation::new(Verb::AbortUpload, &upload.key));
        self.inner.abort_upload(upload).await
    }

    async fn uploads(&self, prefix: &str) -> Result<Vec<Upload>, StoreError> {
        self.record(Operation::uploads(prefix));
        self.inner.uploads(prefix).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Memory;

    #[tokio::test]
    async fn records_operations_in_order_and_counts_them_by_name() {
        let bucket = BucketName::new("missing");
        let store =
            Counting::new(Arc::new(Memory::missing(bucket, Arc::new(|| jiff::Timestamp::UNIX_EPOCH))));
        let (first, second) = (ObjectKey::new("first"), ObjectKey::new("second"));

        store.get(&first).await.unwrap_err();
        store.put(&second, Bytes::new(), &Put::default()).await.unwrap_err();
        store.get(&second).await.unwrap_err();
        store.list("prefix/", Some(&first)).await.unwrap_err();

        assert_eq!(
            store.operations(),
            [
                Operation::new(Verb::Get, &first),
                Operation::new(Verb::Put, &second),
                Operation::new(Verb::Get, &second),
                Operation::list("prefix/"),
            ]
        );
        assert_eq!(store.counts(), BTreeMap::from([("get", 2), ("list", 1), ("put", 1)]));
        assert_eq!((store.count(Verb::Get), store.count(Verb::Head), store.total()), (2, 0, 4));

        store.reset();
        assert_eq!(store.total(), 0);
    }
}
