//! Object stores whose writes can be conditional.
//!
//! [`ObjectStore`] is the contract; memory, directory and wrapper stores live here, the S3 store in `runway-aws`.
//! Everything that shares an object between sessions (the lock, the persistent graph, caches) relies on the
//! conditions of this contract, so every store has to pass the suite in `conformance` (feature `test-support`).

mod error;
mod key;
mod object;

pub use error::{StoreError, StoreErrorKind};
pub use key::{BucketName, ObjectKey};
pub use object::{Condition, ETag, Metadata, Object, Page, Put, PutOutcome, Tags};

use async_trait::async_trait;
use bytes::Bytes;

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
    /// Reads the metadata of an object, or `None` if the key is absent.
    async fn head(&self, key: &ObjectKey) -> Result<Option<Metadata>, StoreError>;
    /// Writes an object; the tags in `how` replace all tags of the object (S3 does the same).
    async fn put(&self, key: &ObjectKey, body: Bytes, how: &Put) -> Result<PutOutcome, StoreError>;
    /// Deletes an object. Without a condition, deleting an absent key succeeds.
    async fn delete(&self, key: &ObjectKey, condition: &Condition) -> Result<(), StoreError>;
    /// Lists keys below `prefix` in byte order, after the key `after`, one page at a time.
    async fn list(&self, prefix: &str, after: Option<&ObjectKey>) -> Result<Page, StoreError>;
    /// Reads the tags of an object, or `None` if the key is absent.
    async fn tags(&self, key: &ObjectKey) -> Result<Option<Tags>, StoreError>;
    /// Replaces the tags of an existing object. Takes no condition, so the lock never uses it.
    async fn set_tags(&self, key: &ObjectKey, tags: &Tags) -> Result<(), StoreError>;
}
