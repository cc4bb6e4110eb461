use std::collections::BTreeMap;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use jiff::Timestamp;

use super::*;
use crate::{BucketName, Counting, Directory, Faulty, Memory, Page, Reread, Rules, StoreClock};

fn clock() -> StoreClock {
    Arc::new(|| Timestamp::UNIX_EPOCH)
}

fn name() -> BucketName {
    BucketName::new("bucket")
}

#[tokio::test]
async fn memory_conforms() {
    let options = ConformanceOptions { keeps_versions: false, ..ConformanceOptions::new("suite/") };
    object_store(&Memory::new(name(), clock()), &options).await;
}

#[tokio::test]
async fn memory_with_versions_conforms() {
    object_store(&Memory::versioned(name(), clock()), &ConformanceOptions::new("suite/")).await;
}

#[tokio::test]
async fn a_directory_conforms() {
    let parent = tempfile::tempdir().unwrap();
    let store = Directory::create(parent.path().join("bucket"), name(), clock()).unwrap();
    object_store(&store, &ConformanceOptions::new("suite/")).await;
}

#[tokio::test]
async fn wrappers_conform_when_idle() {
    let memory = Arc::new(Memory::versioned(name(), clock()));
    let store = Faulty::new(Arc::new(Counting::new(memory)));
    object_store(&store, &ConformanceOptions::new("suite/")).await;
}

#[tokio::test]
async fn the_suite_leaves_other_keys_alone() {
    let store = Memory::versioned(name(), clock());
    let beside = ObjectKey::new("suite");
    store.put(&beside, Bytes::from("kept"), &Put::default()).await.unwrap();
    object_store(&store, &ConformanceOptions { pages: false, ..ConformanceOptions::new("suite/") }).await;
    let left: Vec<_> = store.list("", None).await.unwrap().objects.into_iter().map(|(key, _)| key).collect();
    assert_eq!(left, [beside]);
}

/// How a store may break the contract.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Defect {
    IgnoresIfAbsent,
    IgnoresIfMatch,
    IgnoresIfNoneMatch,
    AlwaysUnchanged,
    IgnoresIfMatchOnDelete,
    ChecksBeforeItWrites,
    ChecksBeforeItUpdates,
    ChecksBeforeItDeletes,
    DropsTagsOfConditionalWrites,
    TagsRefusedWrites,
    KeepsFirstDate,
    KeepsTags,
    DropsTags,
    ForgetsContentType,
    FoldsCase,
    EndsAfterOnePage,
    ListsEverything,
}

/// A store with one defect.
struct Broken {
    inner: Memory,
    defect: Defect,
    first_dates: Mutex<BTreeMap<ObjectKey, Timestamp>>,
}

/// A clock on which every look takes a second.
fn ticking() -> StoreClock {
    let seconds = AtomicI64::new(0);
    Arc::new(move || Timestamp::from_second(seconds.fetch_add(1, Ordering::Relaxed)).unwrap())
}

impl Broken {
    fn is(&self, defect: Defect) -> bool {
        self.defect == defect
    }

    fn key(&self, key: &ObjectKey) -> ObjectKey {
        if self.is(Defect::FoldsCase) { ObjectKey::new(key.as_str().to_lowercase()) } else { key.clone() }
    }

    fn dated(&self, key: &ObjectKey, metadata: Metadata) -> Metadata {
        if !self.is(Defect::KeepsFirstDate) {
            return metadata;
        }
        let mut first_dates = self.first_dates.lock().unwrap();
        let first = metadata.last_modified.map(|date| *first_dates.entry(key.clone()).or_insert(date));
        Metadata { last_modified: first, ..metadata }
    }

    /// Whether the condition holds now; a moment later it may not.
    async fn holds(&self, key: &ObjectKey, etag: &ETag) -> bool {
        let holds = self.inner.head(key).await.unwrap().is_some_and(|metadata| metadata.etag == *etag);
        tokio::task::yield_now().await;
        holds
    }
}

#[async_trait]
impl ObjectStore for Broken {
    fn bucket(&self) -> &BucketName {
        self.inner.bucket()
    }

    async fn get(&self, key: &ObjectKey) -> Result<Option<Object>, StoreError> {
        let object = self.inner.get(&self.key(key)).await?;
        Ok(object.map(|object| Object { metadata: self.dated(key, object.metadata), ..object }))
    }

    async fn get_changed(&self, key: &ObjectKey, known: &ETag) -> Result<Reread, StoreError> {
        if self.is(Defect::AlwaysUnchanged) && self.inner.head(key).await?.is_some() {
            return Ok(Reread::Unchanged);
        }
        if self.is(Defect::IgnoresIfNoneMatch) {
            return Ok(self.get(key).await?.map_or(Reread::Absent, Reread::Changed));
        }
        self.inner.get_changed(&self.key(key), known).await
    }

    async fn head(&self, key: &ObjectKey) -> Result<Option<Metadata>, StoreError> {
        Ok(self.inner.head(&self.key(key)).await?.map(|metadata| self.dated(key, metadata)))
    }

    async fn put(&self, key: &ObjectKey, body: Bytes, how: &Put) -> Result<PutOutcome, StoreError> {
        let mut how = how.clone();
        match (self.defect, &how.condition) {
            (Defect::IgnoresIfAbsent, Condition::IfAbsent)
            | (Defect::IgnoresIfMatch, Condition::IfMatch(_)) => {
                how.condition = Condition::None;
            }
            (Defect::ChecksBeforeItWrites, Condition::IfAbsent) if self.head(key).await?.is_none() => {
                tokio::task::yield_now().await;
                how.condition = Condition::None;
            }
            (Defect::ChecksBeforeItUpdates, Condition::IfMatch(etag)) if self.holds(key, etag).await => {
                how.condition = Condition::None;
            }
            (Defect::DropsTagsOfConditionalWrites, Condition::IfAbsent | Condition::IfMatch(_)) => {
                how.tags.clear();
            }
            (Defect::KeepsTags, _) if how.tags.is_empty() => {
                how.tags = self.inner.tags(key).await?.unwrap_or_default();
            }
            (Defect::DropsTags, _) => how.tags.clear(),
            (Defect::ForgetsContentType, _) => how.content_type = None,
            _ => {}
        }
        let outcome = self.inner.put(&self.key(key), body, &how).await;
        let is_refused = outcome.as_ref().is_err_and(|error| error.kind == StoreErrorKind::Precondition);
        if is_refused && self.is(Defect::TagsRefusedWrites) && self.inner.head(key).await?.is_some() {
            self.inner.set_tags(key, &how.tags).await?;
        }
        outcome
    }

    async fn delete(&self, key: &ObjectKey, condition: &Condition) -> Result<(), StoreError> {
        let ignored = match condition {
            Condition::IfMatch(etag) if self.is(Defect::ChecksBeforeItDeletes) => self.holds(key, etag).await,
            _ => self.is(Defect::IgnoresIfMatchOnDelete),
        };
        self.inner.delete(&self.key(key), if ignored { &Condition::None } else { condition }).await
    }

    async fn list(&self, prefix: &str, after: Option<&ObjectKey>) -> Result<Page, StoreError> {
        let prefix = if self.is(Defect::ListsEverything) { "" } else { prefix };
        let page = self.inner.list(prefix, after).await?;
        Ok(Page { more: page.more && !self.is(Defect::EndsAfterOnePage), ..page })
    }

    async fn tags(&self, key: &ObjectKey) -> Result<Option<Tags>, StoreError> {
        self.inner.tags(&self.key(key)).await
    }

    async fn set_tags(&self, key: &ObjectKey, tags: &Tags) -> Result<(), StoreError> {
        self.inner.set_tags(&self.key(key), tags).await
    }

    async fn get_version(&self, key: &ObjectKey, version_id: &str) -> Result<Option<Object>, StoreError> {
        self.inner.get_version(&self.key(key), version_id).await
    }

    async fn versions(&self, key: &ObjectKey) -> Result<Vec<Metadata>, StoreError> {
        self.inner.versions(&self.key(key)).await
    }

    async fn rules(&self) -> Result<Rules, StoreError> {
        self.inner.rules().await
    }
}

#[tokio::test]
async fn broken_stores_are_found_out() {
    let cases = [
        (Defect::IgnoresIfAbsent, "only-the-first-creates"),
        (Defect::IgnoresIfMatch, "a-stale-write-is-refused"),
        (Defect::IgnoresIfNoneMatch, "what-is-known-is-not-sent-again"),
        (Defect::AlwaysUnchanged, "what-is-known-is-not-sent-again"),
        (Defect::IgnoresIfMatchOnDelete, "a-stale-deletion-is-refused"),
        (Defect::ChecksBeforeItWrites, "one-of-many-creates"),
        (Defect::ChecksBeforeItUpdates, "no-update-is-lost"),
        (Defect::ChecksBeforeItDeletes, "deletions-and-updates-exclude-each-other"),
        (Defect::DropsTagsOfConditionalWrites, "a-conditional-write-sets-tags"),
        (Defect::TagsRefusedWrites, "a-refused-write-leaves-tags"),
        (Defect::KeepsFirstDate, "an-overwrite-is-dated"),
        (Defect::KeepsTags, "a-write-replaces-tags"),
        (Defect::DropsTags, "a-write-sets-tags"),
        (Defect::ForgetsContentType, "a-write-can-be-read"),
        (Defect::FoldsCase, "keys-come-in-byte-order"),
        (Defect::EndsAfterOnePage, "long-listings-come-in-pages"),
        (Defect::ListsEverything, "absence-is-a-value"),
    ];
    for (defect, check) in cases {
        let suite = tokio::spawn(async move {
            let store =
                Broken { inner: Memory::versioned(name(), ticking()), defect, first_dates: Mutex::default() };
            let options = ConformanceOptions { parts: false, ..ConformanceOptions::new("suite/") };
            object_store(&store, &options).await;
        });
        let panic = suite.await.expect_err(&format!("{defect:?} passes")).into_panic();
        let message = panic.downcast_ref::<String>().unwrap();
        assert!(message.contains(&format!("fails the check `{check}`")), "{defect:?}: {message}");
    }
}
