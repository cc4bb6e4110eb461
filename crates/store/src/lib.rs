//! Object stores whose writes can be conditional.
//!
//! [`ObjectStore`] is the contract: one bucket, with entity tags, conditions on writes, and tags. Everything that
//! shares an object between sessions (the lock, the persistent graph, caches) relies on these conditions, so every
//! store has to pass the suite in `conformance` (feature `test-support`).
//!
//! | store | what it is |
//! |---|---|
//! | [`Memory`] | a bucket in memory, gone with the process |
//! | [`Directory`] | a bucket in a directory, kept between processes and shared by them |
//! | [`Counting`] | any store, with every request recorded |
//! | [`ReadOnly`] | any store, with every write refused |
//! | `Faulty` | any store, with scripted faults (feature `test-support`) |
//!
//! The S3 store is in `runway-aws`.
//!
//! ```
//! use std::sync::Arc;
//! use runway_store::{BucketName, Condition, Memory, ObjectKey, ObjectStore, Put, StoreErrorKind};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), runway_store::StoreError> {
//! let store = Memory::new(BucketName::new("example"), Arc::new(|| jiff::Timestamp::UNIX_EPOCH));
//! let key = ObjectKey::new("lock");
//! let create = Put { condition: Condition::IfAbsent, ..Put::default() };
//!
//! store.put(&key, "first".into(), &create).await?;
//! let refused = store.put(&key, "second".into(), &create).await;
//! assert_eq!(refused.map_err(|error| error.kind), Err(StoreErrorKind::Precondition));
//! # Ok(())
//! # }
//! ```

#[cfg(test)]
mod agreement;
#[cfg(any(test, feature = "test-support"))]
pub mod conformance;
mod counting;
mod digest;
mod directory;
mod error;
#[cfg(any(test, feature = "test-support"))]
mod faulty;
mod key;
mod memory;
mod object;
mod operation;
mod read_only;
mod record;
mod rules;

pub use counting::Counting;
pub use digest::{ContentDigest, NoDigest};
pub use directory::Directory;
pub use error::{StoreError, StoreErrorKind};
#[cfg(any(test, feature = "test-support"))]
pub use faulty::{Fault, Faulty, When};
pub use key::{BucketName, ObjectKey};
pub use memory::Memory;
pub use object::{
    Condition, ETag, Metadata, Object, Page, Part, Put, PutOutcome, Reread, Tags, Upload, UserMetadata,
};
pub use operation::{Operation, Verb};
pub use read_only::ReadOnly;
pub use rules::{Expiration, Rules};

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use jiff::Timestamp;

/// The clock of a store: where `Date` and `Last-Modified` come from.
pub type StoreClock = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// One bucket: objects by key, with entity tags, conditions on writes, and tags.
///
/// Absence is a value (`None`), not an error. A missing *bucket* is the error kind [`StoreErrorKind::NoBucket`].
/// A condition that does not hold is the error kind [`StoreErrorKind::Precondition`]; an `IfMatch` on an absent key
/// is refused the same way.
#[async_trait]
pub trait ObjectStore: Send + Sync {
    /// Name of the bucket, for messages.
    fn bucket(&self) -> &BucketName;
    /// Reads an object: body and metadata, or `None` if the key is absent.
    async fn get(&self, key: &ObjectKey) -> Result<Option<Object>, StoreError>;
    /// Reads an object unless it still has the entity tag `known` (`If-None-Match`): what is known is not sent again.
    async fn get_changed(&self, key: &ObjectKey, known: &ETag) -> Result<Reread, StoreError>;
    /// Reads the metadata of an object, or `None` if the key is absent.
    async fn head(&self, key: &ObjectKey) -> Result<Option<Metadata>, StoreError>;
    /// Writes an object; the tags in `how` replace all tags of the object (S3 does the same). More than ten tags
    /// are refused with [`StoreErrorKind::Invalid`].
    async fn put(&self, key: &ObjectKey, body: Bytes, how: &Put) -> Result<PutOutcome, StoreError>;
    /// Deletes an object. Without a condition, deleting an absent key succeeds. [`Condition::IfAbsent`] makes no
    /// sense here and is refused with [`StoreErrorKind::Invalid`].
    async fn delete(&self, key: &ObjectKey, condition: &Condition) -> Result<(), StoreError>;
    /// Lists keys below `prefix` in byte order, after the key `after`, one page at a time.
    async fn list(&self, prefix: &str, after: Option<&ObjectKey>) -> Result<Page, StoreError>;
    /// Reads the tags of an object, or `None` if the key is absent.
    async fn tags(&self, key: &ObjectKey) -> Result<Option<Tags>, StoreError>;
    /// Replaces the tags of an existing object; an empty map removes them all, an absent key is an error. More than
    /// ten tags are refused with [`StoreErrorKind::Invalid`]. Takes no condition, so the lock never uses it.
    async fn set_tags(&self, key: &ObjectKey, tags: &Tags) -> Result<(), StoreError>;
    /// Reads one version of an object, also after the object was overwritten or deleted; `None` if the key never
    /// had such a version or the store no longer keeps it.
    async fn get_version(&self, key: &ObjectKey, version_id: &str) -> Result<Option<Object>, StoreError>;
    /// The versions of one object, newest first, without deletions; empty where the store keeps none.
    async fn versions(&self, key: &ObjectKey) -> Result<Vec<Metadata>, StoreError>;
    /// What the bucket does with its objects by itself.
    async fn rules(&self) -> Result<Rules, StoreError>;

    /// Reads `length` bytes of an object from `first` on, fewer where it ends before; `None` if the key is absent.
    async fn get_range(&self, key: &ObjectKey, first: u64, length: u64) -> Result<Option<Bytes>, StoreError> {
        Ok(self.get(key).await?.map(|object| record::range(&object.body, first, length)))
    }
    /// Deletes up to 1,000 objects without conditions, in one request where the store can. The answer names those that
    /// are still there, each with what became of it; the error is that of the request as a whole.
    async fn delete_many(&self, keys: &[ObjectKey]) -> Result<Vec<StoreError>, StoreError> {
        let mut failures = Vec::new();
        for key in keys {
            failures.extend(self.delete(key, &Condition::None).await.err());
        }
        Ok(failures)
    }
    /// Begins to send a body in parts, for an object that is to be written like `how`, whose condition is given only
    /// when the parts are put together. A store that takes no parts refuses this with [`StoreErrorKind::Invalid`].
    async fn begin_upload(&self, key: &ObjectKey, how: &Put) -> Result<Upload, StoreError> {
        let _ = how;
        Err(Operation::new(Verb::BeginUpload, key).error(StoreErrorKind::Invalid, self.bucket(), NO_PARTS))
    }
    /// Sends one part, at most 10,000 of them. S3 wants at least 5 MiB of every part but the last. A part that is sent
    /// again replaces the one before.
    async fn upload_part(
        &self,
        upload: &Upload,
        number: u32,
        body: Bytes,
        sha256: Option<&ContentDigest>,
    ) -> Result<Part, StoreError> {
        let _ = (number, body, sha256);
        let operation = Operation::new(Verb::UploadPart, &upload.key);
        Err(operation.error(StoreErrorKind::Invalid, self.bucket(), NO_PARTS))
    }
    /// Makes an object of the parts, which are in order. If the condition does not hold, the parts are kept.
    async fn complete_upload(
        &self,
        upload: &Upload,
        parts: &[Part],
        condition: &Condition,
    ) -> Result<PutOutcome, StoreError> {
        let _ = (parts, condition);
        let operation = Operation::new(Verb::CompleteUpload, &upload.key);
        Err(operation.error(StoreErrorKind::Invalid, self.bucket(), NO_PARTS))
    }
    /// Throws the parts away; one that is not known (any more) is no error.
    async fn abort_upload(&self, upload: &Upload) -> Result<(), StoreError> {
        let operation = Operation::new(Verb::AbortUpload, &upload.key);
        Err(operation.error(StoreErrorKind::Invalid, self.bucket(), NO_PARTS))
    }
    /// Everything below `prefix` that is being sent in parts, or was left like that; at most 1,000 of them.
    async fn uploads(&self, prefix: &str) -> Result<Vec<Upload>, StoreError> {
        let _ = prefix;
        Ok(Vec::new())
    }
}

/// Said by a store that takes no bodies in parts.
const NO_PARTS: &str = "this store takes no bodies in parts";
