use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;

use crate::ObjectStore;
use crate::digest::ContentDigest;
use crate::error::{StoreError, StoreErrorKind};
use crate::key::{BucketName, ObjectKey};
use crate::object::{Condition, ETag, Metadata, Object, Page, Part, Put, PutOutcome, Reread, Tags, Upload};
use crate::operation::{Operation, Verb};
use crate::rules::Rules;

/// A store that can be read but refuses every write with [`StoreErrorKind::Denied`].
///
/// Commands that must not write, such as `plan`, get their stores in this wrapper: a write would be a defect, and
/// fails instead of taking effect.
pub struct ReadOnly {
    inner: Arc<dyn ObjectStore>,
}

impl ReadOnly {
    /// Lets only reads through to `inner`.
    pub fn new(inner: Arc<dyn ObjectStore>) -> Self {
        Self { inner }
    }

    fn refuse<T>(&self, verb: Verb, key: &ObjectKey) -> Result<T, StoreError> {
        let message = "this command must not write, but attempted to; please report this as a defect";
        Err(Operation::new(verb, key).error(StoreErrorKind::Denied, self.bucket(), message))
    }
}

#[async_trait]
impl ObjectStore for ReadOnly {
    fn bucket(&self) -> &BucketName {
        self.inner.bucket()
    }

    async fn get(&self, key: &ObjectKey) -> Result<Option<Object>, StoreError> {
        self.inner.get(key).await
    }

    async fn get_changed(&self, key: &ObjectKey, known: &ETag) -> Result<Reread, StoreError> {
        self.inner.get_changed(key, known).await
    }

    async fn head(&self, key: &ObjectKey) -> Result<Option<Metadata>, StoreError> {
        self.inner.head(key).await
    }

    async fn put(&self, key: &ObjectKey, _body: Bytes, _how: &Put) -> Result<PutOutcome, StoreError> {
        self.refuse(Verb::Put, key)
    }

    async fn delete(&self, key: &ObjectKey, _condition: &Condition) -> Result<(), StoreError> {
        self.refuse(Verb::Delete, key)
    }

    async fn list(&self, prefix: &str, after: Option<&ObjectKey>) -> Result<Page, StoreError> {
        self.inner.list(prefix, after).await
    }

    async fn tags(&self, key: &ObjectKey) -> Result<Option<Tags>, StoreError> {
        self.inner.tags(key).await
    }

    async fn set_tags(&self, key: &ObjectKey, _tags: &Tags) -> Result<(), StoreError> {
        self.refuse(Verb::SetTags, key)
    }

    async fn get_version(&self, key: &ObjectKey, version_id: &str) -> Result<Option<Object>, StoreError> {
        self.inner.get_version(key, version_id).await
    }

    async fn versions(&self, key: &ObjectKey) -> Result<Vec<Metadata>, StoreError> {
        self.inner.versions(key).await
    }

    async fn rules(&self) -> Result<Rules, StoreError> {
        self.inner.rules().await
    }

    async fn get_range(&self, key: &ObjectKey, first: u64, length: u64) -> Result<Option<Bytes>, StoreError> {
        self.inner.get_range(key, first, length).await
    }

    async fn delete_many(&self, keys: &[ObjectKey]) -> Result<Vec<StoreError>, StoreError> {
        self.refuse(Verb::DeleteMany, &Operation::many(Verb::DeleteMany, keys).key)
    }

    async fn begin_upload(&self, key: &ObjectKey, _how: &Put) -> Result<Upload, StoreError> {
        self.refuse(Verb::BeginUpload, key)
    }

    async fn upload_part(
        &self,
        upload: &Upload,
        _number: u32,
        _body: Bytes,
        _sha256: Option<&ContentDigest>,
    ) -> Result<Part, StoreError> {
        self.refuse(Verb::UploadPart, &upload.key)
    }

    async fn complete_upload(
        &self,
        upload: &Upload,
        _parts: &[Part],
        _condition: &Condition,
    ) -> Result<PutOutcome, StoreError> {
        self.refuse(Verb::CompleteUpload, &upload.key)
    }

    async fn abort_upload(&self, upload: &Upload) -> Result<(), StoreError> {
        self.refuse(Verb::AbortUpload, &upload.key)
    }

    async fn uploads(&self, prefix: &str) -> Result<Vec<Upload>, StoreError> {
        self.inner.uploads(prefix).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Memory;

    #[tokio::test]
    async fn reads_pass_and_writes_are_denied_without_effect() {
        let memory =
            Arc::new(Memory::new(BucketName::new("bucket"), Arc::new(|| jiff::Timestamp::UNIX_EPOCH)));
        let key = ObjectKey::new("key");
        memory.put(&key, Bytes::from("kept"), &Put::default()).await.unwrap();
        let store = ReadOnly::new(memory.clone());

        let tags = Tags::from([("tag".to_owned(), "value".to_owned())]);
        let refusals = [
            store.put(&key, Bytes::from("new"), &Put::default()).await.unwrap_err(),
            store.delete(&key, &Condition::None).await.unwrap_err(),
            store.set_tags(&key, &tags).await.unwrap_err(),
        ];
        for refusal in refusals {
            assert_eq!(refusal.kind, StoreErrorKind::Denied);
            assert!(refusal.to_string().contains("must not write"), "{refusal}");
        }

        let read = store.get(&key).await.unwrap().unwrap();
        assert_eq!(read.body, "kept");
        assert_eq!(store.head(&key).await.unwrap(), Some(read.metadata.clone()));
        assert_eq!(store.tags(&key).await.unwrap(), Some(Tags::new()));
        assert_eq!(store.list("", None).await.unwrap().objects, [(key, read.metadata)]);
    }
}
