//! The S3 side: buckets with S3's rules for names, in memory or below the provider's directory.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use crate::state::Chore;
use async_trait::async_trait;
use bytes::Bytes;
use runway_core::clock::Clock;
use runway_core::provider::{ErrorKind, ProviderError};
use runway_store::{
    BucketName, Condition, ContentDigest, Directory, ETag, Memory, Metadata, Object, ObjectKey, ObjectStore,
    Page, Part, Put, PutOutcome, Reread, Rules, StoreClock, StoreError, Tags, Upload,
};

type Open = Arc<dyn ObjectStore>;

/// All buckets of a cloud.
#[derive(Clone)]
pub(crate) struct Buckets {
    clock: StoreClock,
    place: Place,
}

#[derive(Clone)]
enum Place {
    Memory(Arc<Mutex<BTreeMap<String, Arc<Memory>>>>),
    /// One directory for each bucket below this one.
    Directory(PathBuf),
}

impl Buckets {
    /// Buckets that live as long as the value.
    pub(crate) fn memory(clock: &Arc<dyn Clock>) -> Self {
        Self { clock: store_clock(clock), place: Place::Memory(Arc::default()) }
    }

    /// One directory for each bucket below `path`.
    pub(crate) fn directory(path: PathBuf, clock: &Arc<dyn Clock>) -> Self {
        Self { clock: store_clock(clock), place: Place::Directory(path) }
    }

    /// Creates a bucket that keeps versions; succeeds if it exists.
    pub(crate) fn create(&self, bucket: &BucketName) -> Result<(), ProviderError> {
        if !is_valid_name(bucket.as_str()) {
            let message = "InvalidBucketName: The specified bucket is not valid.";
            return Err(ProviderError::new(ErrorKind::Validation, "CreateBucket", bucket.as_str(), message));
        }
        match &self.place {
            Place::Memory(open) => {
                let mut open = open.lock().unwrap_or_else(PoisonError::into_inner);
                open.entry(bucket.as_str().to_owned())
                    .or_insert_with(|| Arc::new(Memory::versioned(bucket.clone(), Arc::clone(&self.clock))));
            }
            Place::Directory(path) => {
                let path = path.join(bucket.as_str());
                // Whatever is wrong is wrong with the directory, not with a network.
                let refuse = |error: StoreError| ProviderError {
                    kind: ErrorKind::LocalAccess,
                    ..ProviderError::from(error)
                };
                Directory::create(path, bucket.clone(), Arc::clone(&self.clock)).map_err(refuse)?;
            }
        }
        Ok(())
    }

    /// Does what is left to do for buckets in templates. What fails is tried no more: the state is right, and a
    /// bucket that is needed later is created then.
    pub(crate) fn settle(&self, chores: Vec<Chore>) {
        for chore in chores {
            match chore {
                Chore::CreateBucket(name) => drop(self.create(&BucketName::new(name))),
                Chore::RemoveBucket(name) => self.remove(&BucketName::new(name)),
            }
        }
    }

    /// Removes a bucket that holds nothing; one that does, or cannot be removed, stays.
    fn remove(&self, bucket: &BucketName) {
        if !self.exists(bucket) {
            return;
        }
        match &self.place {
            Place::Memory(open) => {
                let mut open = open.lock().unwrap_or_else(PoisonError::into_inner);
                if open.get(bucket.as_str()).is_some_and(|bucket| !bucket.has_objects()) {
                    open.remove(bucket.as_str());
                }
            }
            Place::Directory(path) => {
                let path = path.join(bucket.as_str());
                Directory::open(path, bucket.clone(), Arc::clone(&self.clock)).remove_if_empty();
            }
        }
    }

    /// Whether a bucket exists and has objects.
    pub(crate) fn holds_objects(&self, bucket: &BucketName) -> bool {
        is_valid_name(bucket.as_str())
            && match &self.place {
                Place::Memory(open) => {
                    let open = open.lock().unwrap_or_else(PoisonError::into_inner);
                    open.get(bucket.as_str()).is_some_and(|bucket| bucket.has_objects())
                }
                Place::Directory(path) => {
                    Directory::open(path.join(bucket.as_str()), bucket.clone(), Arc::clone(&self.clock))
                        .has_objects()
                }
            }
    }

    /// Whether a bucket exists.
    pub(crate) fn exists(&self, bucket: &BucketName) -> bool {
        is_valid_name(bucket.as_str())
            && match &self.place {
                Place::Memory(open) => {
                    open.lock().unwrap_or_else(PoisonError::into_inner).contains_key(bucket.as_str())
                }
                Place::Directory(path) => path.join(bucket.as_str()).is_dir(),
            }
    }

    /// The store as it is now. What no bucket may be called is not looked for: it could lead out of the directory.
    fn find(&self, bucket: &BucketName) -> Open {
        let missing = || Arc::new(Memory::missing(bucket.clone(), Arc::clone(&self.clock)));
        if !is_valid_name(bucket.as_str()) {
            return missing();
        }
        match &self.place {
            Place::Memory(open) => {
                let open = open.lock().unwrap_or_else(PoisonError::into_inner);
                open.get(bucket.as_str()).cloned().unwrap_or_else(missing)
            }
            Place::Directory(path) => {
                Arc::new(Directory::open(path.join(bucket.as_str()), bucket.clone(), Arc::clone(&self.clock)))
            }
        }
    }

    /// A handle on a bucket, whether it exists or not: that is looked up by every request, as S3 does.
    /// `declared` says whether a stack has made it.
    pub(crate) fn store(&self, bucket: &BucketName, declared: Box<dyn Fn() -> bool + Send + Sync>) -> Open {
        Arc::new(Handle { bucket: bucket.clone(), buckets: self.clone(), declared })
    }
}

fn store_clock(clock: &Arc<dyn Clock>) -> StoreClock {
    let clock = Arc::clone(clock);
    Arc::new(move || clock.now())
}

/// S3's rules for names of general purpose buckets: 3 to 63 lower-case letters, digits, dots and dashes, beginning
/// and ending with a letter or digit, no two dots in a row, not an IP address.
pub(crate) fn is_valid_name(name: &str) -> bool {
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
    /// Whether a stack has made the bucket.
    declared: Box<dyn Fn() -> bool + Send + Sync>,
}

impl Handle {
    /// The store as it is now; what a stack has made is there from the first request on.
    fn open(&self) -> Open {
        if !self.buckets.exists(&self.bucket) && (self.declared)() {
            // If this fails, so does the request, with the same reason.
            drop(self.buckets.create(&self.bucket));
        }
        self.buckets.find(&self.bucket)
    }
}

#[async_trait]
impl ObjectStore for Handle {
    fn bucket(&self) -> &BucketName {
        &self.bucket
    }

    async fn get(&self, key: &ObjectKey) -> Result<Option<Object>, StoreError> {
        self.open().get(key).await
    }

    async fn get_changed(&self, key: &ObjectKey, known: &ETag) -> Result<Reread, StoreError> {
        self.open().get_changed(key, known).await
    }

    async fn head(&self, key: &ObjectKey) -> Result<Option<Metadata>, StoreError> {
        self.open().head(key).await
    }

    async fn put(&self, key: &ObjectKey, body: Bytes, how: &Put) -> Result<PutOutcome, StoreError> {
        self.open().put(key, body, how).await
    }

    async fn delete(&self, key: &ObjectKey, condition: &Condition) -> Result<(), StoreError> {
        self.open().delete(key, condition).await
    }

    async fn list(&self, prefix: &str, after: Option<&ObjectKey>) -> Result<Page, StoreError> {
        self.open().list(prefix, after).await
    }

    async fn tags(&self, key: &ObjectKey) -> Result<Option<Tags>, StoreError> {
        self.open().tags(key).await
    }

    async fn set_tags(&self, key: &ObjectKey, tags: &Tags) -> Result<(), StoreError> {
        self.open().set_tags(key, tags).await
    }

    async fn versions(&self, key: &ObjectKey) -> Result<Vec<Metadata>, StoreError> {
        self.open().versions(key).await
    }

    async fn get_version(&self, key: &ObjectKey, version: &str) -> Result<Option<Object>, StoreError> {
        self.open().get_version(key, version).await
    }

    async fn rules(&self) -> Result<Rules, StoreError> {
        self.open().rules().await
    }

    async fn get_range(&self, key: &ObjectKey, first: u64, length: u64) -> Result<Option<Bytes>, StoreError> {
        self.open().get_range(key, first, length).await
    }

    async fn delete_many(&self, keys: &[ObjectKey]) -> Result<Vec<StoreError>, StoreError> {
        self.open().delete_many(keys).await
    }

    async fn begin_upload(&self, key: &ObjectKey, how: &Put) -> Result<Upload, StoreError> {
        self.open().begin_upload(key, how).await
    }

    async fn upload_part(
        &self,
        upload: &Upload,
        number: u32,
        body: Bytes,
        sha256: Option<&ContentDigest>,
    ) -> Result<Part, StoreError> {
        self.open().upload_part(upload, number, body, sha256).await
    }

    async fn complete_upload(
        &self,
        upload: &Upload,
        parts: &[Part],
        condition: &Condition,
    ) -> Result<PutOutcome, StoreError> {
        self.open().complete_upload(upload, parts, condition).await
    }

    async fn abort_upload(&self, upload: &Upload) -> Result<(), StoreError> {
        self.open().abort_upload(upload).await
    }

    async fn uploads(&self, prefix: &str) -> Result<Vec<Upload>, StoreError> {
        self.open().uploads(prefix).await
    }
}
