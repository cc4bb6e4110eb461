//! A store that does not do all that it is asked for, and not at once.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use runway_store::{Condition, ObjectKey, ObjectStore, Put};

use super::scene::Time;
use crate::assets::SessionClock as _;

/// Refuses to delete some keys, knows no request for many, and may take its time.
pub(super) struct Stubborn {
    inner: Arc<dyn ObjectStore>,
    time: Arc<Time>,
    takes: Duration,
    refuses: Option<&'static str>,
    /// When the marker was written, and how long after that a deletion began at most.
    marked: Mutex<(Duration, Duration)>,
}

impl Stubborn {
    pub(super) fn new(
        inner: &Arc<dyn ObjectStore>,
        time: &Arc<Time>,
        takes: Duration,
        refuses: Option<&'static str>,
    ) -> Self {
        let (inner, time) = (Arc::clone(inner), Arc::clone(time));
        Self { inner, time, takes, refuses, marked: Mutex::default() }
    }

    /// How long after its marker was written a prune deleted something at most.
    pub(super) fn longest(&self) -> Duration {
        self.marked.lock().unwrap().1
    }
}

#[async_trait]
impl ObjectStore for Stubborn {
    fn bucket(&self) -> &runway_store::BucketName {
        self.inner.bucket()
    }
    async fn get(&self, key: &ObjectKey) -> Result<Option<runway_store::Object>, runway_store::StoreError> {
        self.inner.get(key).await
    }
    async fn get_changed(
        &self,
        key: &ObjectKey,
        known: &runway_store::ETag,
    ) -> Result<runway_store::Reread, runway_store::StoreError> {
        self.inner.get_changed(key, known).await
    }
    async fn head(
        &self,
        key: &ObjectKey,
    ) -> Result<Option<runway_store::Metadata>, runway_store::StoreError> {
        self.inner.head(key).await
    }
    async fn put(
        &self,
        key: &ObjectKey,
        body: bytes::Bytes,
        how: &Put,
    ) -> Result<runway_store::PutOutcome, runway_store::StoreError> {
        if key.as_str().contains("gc.json") {
            self.marked.lock().unwrap().0 = self.time.monotonic();
        }
        self.inner.put(key, body, how).await
    }
    async fn delete(&self, key: &ObjectKey, condition: &Condition) -> Result<(), runway_store::StoreError> {
        {
            let mut marked = self.marked.lock().unwrap();
            marked.1 = marked.1.max(self.time.monotonic().saturating_sub(marked.0));
        }
        self.time.pass(self.takes);
        tokio::task::yield_now().await;
        if self.refuses.is_some_and(|refused| key.as_str().contains(refused)) {
            let kind = runway_store::StoreErrorKind::Denied;
            return Err(runway_store::StoreError::new(kind, "delete", self.bucket(), key, "no"));
        }
        self.inner.delete(key, condition).await
    }
    async fn list(
        &self,
        prefix: &str,
        after: Option<&ObjectKey>,
    ) -> Result<runway_store::Page, runway_store::StoreError> {
        self.inner.list(prefix, after).await
    }
    async fn tags(&self, key: &ObjectKey) -> Result<Option<runway_store::Tags>, runway_store::StoreError> {
        self.inner.tags(key).await
    }
    async fn set_tags(
        &self,
        key: &ObjectKey,
        tags: &runway_store::Tags,
    ) -> Result<(), runway_store::StoreError> {
        self.inner.set_tags(key, tags).await
    }
    async fn get_version(
        &self,
        key: &ObjectKey,
        version_id: &str,
    ) -> Result<Option<runway_store::Object>, runway_store::StoreError> {
        self.inner.get_version(key, version_id).await
    }
    async fn rules(&self) -> Result<runway_store::Rules, runway_store::StoreError> {
        self.inner.rules().await
    }
    async fn versions(
        &self,
        key: &ObjectKey,
    ) -> Result<Vec<runway_store::Metadata>, runway_store::StoreError> {
        self.inner.versions(key).await
    }
}
