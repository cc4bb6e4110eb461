//! The S3 side: buckets with S3's rules for names, in memory or below the provider's directory.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;
use runway_core::clock::Clock;
use runway_core::provider::{ErrorKind, ProviderError};
use runway_store::{
    BucketName, Condition, Metadata, Object, ObjectKey, ObjectStore, Page, Put, PutOutcome, StoreError,
    StoreErrorKind, Tags,
};

type Open = Arc<dyn ObjectStore>;

/// All buckets of a cloud.
#[derive(Clone)]
pub(crate) struct Buckets {
    clock: Arc<dyn Clock>,
    directory: Option<PathBuf>,
    open: Arc<Mutex<BTreeMap<String, Open>>>,
}

impl Buckets {
    /// Buckets that live as long as the value.
    pub(crate) fn memory(clock: &Arc<dyn Clock>) -> Self {
        Self { clock: Arc::clone(clock), directory: None, open: Arc::default() }
    }

    /// One directory for each bucket below `path`.
    pub(crate) fn directory(path: PathBuf, clock: &Arc<dyn Clock>) -> Self {
        Self { clock: Arc::clone(clock), directory: Some(path), open: Arc::default() }
    }

    /// Creates a bucket; succeeds if it exists.
    pub(crate) fn create(&self, bucket: &BucketName) -> Result<(), ProviderError> {
        let error =
            |kind, message: String| Err(ProviderError::new(kind, "CreateBucket", bucket.as_str(), message));
        if !is_valid_name(bucket.as_str()) {
            return error(
                ErrorKind::Validation,
                "InvalidBucketName: The specified bucket is not valid.".to_owned(),
            );
        }
        let _ = (&self.clock, &self.directory);
        error(ErrorKind::Unsupported, "no stores yet".to_owned())
    }

    /// The store of an existing bucket.
    fn find(&self, bucket: &BucketName, operation: &'static str, key: &str) -> Result<Open, StoreError> {
        let open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.get(bucket.as_str()).cloned().ok_or_else(|| StoreError {
            kind: StoreErrorKind::NoBucket,
            operation,
            bucket: bucket.clone(),
            key: key.to_owned(),
            message: "NoSuchBucket: The specified bucket does not exist".to_owned(),
            request_id: None,
        })
    }

    /// A handle on a bucket, whether it exists or not: that is looked up by every request, as S3 does.
    pub(crate) fn store(&self, bucket: &BucketName) -> Open {
        Arc::new(Handle { bucket: bucket.clone(), buckets: self.clone() })
    }
}

/// S3's rules for names of general purpose buckets: 3 to 63 lower-case letters, digits, dots and dashes, beginning
/// and ending with a letter or digit, no two dots in a row, not an IP address.
fn is_valid_name(name: &str) -> bool {
    let plain = |letter: char| letter.is_ascii_lowercase() || letter.is_ascii_digit();
    (3..=63).contains(&name.len())
        && name.chars().all(|letter| plain(letter) || letter == '.' || letter == '-')
        && name.starts_with(plain)
        && name.ends_with(plain)
        && !name.contains("..")
        && name.parse::<std::net::Ipv4Addr>().is_err()
}

struct Handle {
    bucket: BucketName,
    buckets: Buckets,
}

#[async_trait]
impl ObjectStore for Handle {
    fn bucket(&self) -> &BucketName {
        &self.bucket
    }

    async fn get(&self, key: &ObjectKey) -> Result<Option<Object>, StoreError> {
        self.buckets.find(&self.bucket, "read", key.as_str())?.get(key).await
    }

    async fn head(&self, key: &ObjectKey) -> Result<Option<Metadata>, StoreError> {
        self.buckets.find(&self.bucket, "read", key.as_str())?.head(key).await
    }

    async fn put(&self, key: &ObjectKey, body: Bytes, how: &Put) -> Result<PutOutcome, StoreError> {
        self.buckets.find(&self.bucket, "write", key.as_str())?.put(key, body, how).await
    }

    async fn delete(&self, key: &ObjectKey, condition: &Condition) -> Result<(), StoreError> {
        self.buckets.find(&self.bucket, "delete", key.as_str())?.delete(key, condition).await
    }

    async fn list(&self, prefix: &str, after: Option<&ObjectKey>) -> Result<Page, StoreError> {
        self.buckets.find(&self.bucket, "list", prefix)?.list(prefix, after).await
    }

    async fn tags(&self, key: &ObjectKey) -> Result<Option<Tags>, StoreError> {
        self.buckets.find(&self.bucket, "read the tags of", key.as_str())?.tags(key).await
    }

    async fn set_tags(&self, key: &ObjectKey, tags: &Tags) -> Result<(), StoreError> {
        self.buckets.find(&self.bucket, "tag", key.as_str())?.set_tags(key, tags).await
    }
}
