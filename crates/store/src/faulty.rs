use std::future::{Future, pending};
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;
use tokio::sync::watch;

use crate::ObjectStore;
use crate::digest::ContentDigest;
use crate::error::{StoreError, StoreErrorKind};
use crate::key::{BucketName, ObjectKey};
use crate::object::{Condition, ETag, Metadata, Object, Page, Part, Put, PutOutcome, Reread, Tags, Upload};
use crate::operation::{Operation, Verb};
use crate::rules::Rules;

#[cfg(test)]
mod tests;

/// What happens to one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Nothing: the request takes its course.
    None,
    /// The request fails without any effect.
    Fail(StoreErrorKind),
    /// The request takes effect, but the answer is lost: the caller gets [`StoreErrorKind::Unavailable`].
    LoseAnswer,
    /// The caller dies before the request takes effect: neither this nor any later request is ever answered, and
    /// [`Faulty::crashed`] returns.
    CrashBefore,
    /// The same, but this request takes effect.
    CrashAfter,
}

impl Fault {
    /// Two conditional writes met (HTTP 409), without any effect.
    pub const CONFLICT: Self = Self::Fail(StoreErrorKind::Conflict);
    /// The store asked to slow down (HTTP 503), without any effect.
    pub const SLOW_DOWN: Self = Self::Fail(StoreErrorKind::Throttled);
}

/// Which requests a fault applies to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct When {
    verb: Option<Verb>,
    key: Option<ObjectKey>,
    nth: Option<usize>,
}

impl When {
    /// Every request.
    pub fn any() -> Self {
        Self::default()
    }

    /// Every request of one kind.
    pub fn verb(verb: Verb) -> Self {
        Self { verb: Some(verb), ..Self::default() }
    }

    /// Only requests for this key (for listings: with this prefix).
    #[must_use]
    pub fn key(self, key: &ObjectKey) -> Self {
        Self { key: Some(key.clone()), ..self }
    }

    /// Only the n-th request, counted from 1, of those that match otherwise.
    #[must_use]
    pub fn nth(self, nth: usize) -> Self {
        Self { nth: Some(nth), ..self }
    }

    fn matches(&self, operation: &Operation) -> bool {
        self.verb.is_none_or(|verb| verb == operation.verb)
            && self.key.as_ref().is_none_or(|key| *key == operation.key)
    }
}

type Hook = Box<dyn Fn(&Operation, usize) -> Fault + Send + Sync>;

/// A store that fails on request: wraps any store and lets scripted faults happen to its requests.
///
/// The first fault that applies happens, the hook's last. A store in which [`Faulty::crashed`] has returned stands
/// for a dead process: drop what used it, and go on with another wrapper around the same inner store.
pub struct Faulty {
    inner: Arc<dyn ObjectStore>,
    hook: Option<Hook>,
    script: Mutex<Script>,
    crashed: watch::Sender<bool>,
}

#[derive(Default)]
struct Script {
    rules: Vec<Rule>,
    operations: usize,
}

struct Rule {
    when: When,
    fault: Fault,
    matched: usize,
}

impl Script {
    /// The fault for the next operation, if a rule has one, and the index of the operation.
    fn next(&mut self, operation: &Operation) -> (Option<Fault>, usize) {
        let index = self.operations;
        self.operations += 1;
        let mut fault = None;
        // Every rule counts every request that it matches, also where an earlier rule decides.
        for rule in self.rules.iter_mut().filter(|rule| rule.when.matches(operation)) {
            rule.matched += 1;
            if rule.when.nth.is_none_or(|nth| nth == rule.matched) {
                fault = fault.or(Some(rule.fault));
            }
        }
        (fault, index)
    }
}

impl Faulty {
    /// A store without any fault yet.
    pub fn new(inner: Arc<dyn ObjectStore>) -> Self {
        Self { inner, hook: None, script: Mutex::default(), crashed: watch::Sender::new(false) }
    }

    /// Adds a fault.
    #[must_use]
    pub fn fault(mut self, when: When, fault: Fault) -> Self {
        let script = self.script.get_mut().unwrap_or_else(PoisonError::into_inner);
        script.rules.push(Rule { when, fault, matched: 0 });
        self
    }

    /// Lets `hook` decide about every request that no added fault applies to; it gets the request and the number of
    /// requests before it. "Crash at the n-th request", for every n, is one line with it.
    #[must_use]
    pub fn hook(mut self, hook: impl Fn(&Operation, usize) -> Fault + Send + Sync + 'static) -> Self {
        self.hook = Some(Box::new(hook));
        self
    }

    /// How many requests there were, with and without a fault.
    pub fn operations(&self) -> usize {
        self.script.lock().unwrap_or_else(PoisonError::into_inner).operations
    }

    /// Returns when the caller has to be taken for dead: select between this and the task under test, then drop
    /// the task.
    pub async fn crashed(&self) {
        // The sender lives as long as `self`, so waiting cannot fail.
        let _ = self.crashed.subscribe().wait_for(|crashed| *crashed).await;
    }

    async fn run<T: Send>(
        &self,
        operation: Operation,
        request: impl Future<Output = Result<T, StoreError>> + Send,
    ) -> Result<T, StoreError> {
        if *self.crashed.borrow() {
            return pending().await;
        }
        match self.decide(&operation) {
            Fault::None => request.await,
            Fault::Fail(kind) => Err(self.error(&operation, kind, "scripted fault")),
            Fault::LoseAnswer => {
                let _lost = request.await;
                Err(self.error(
                    &operation,
                    StoreErrorKind::Unavailable,
                    "scripted fault: the answer was lost",
                ))
            }
            Fault::CrashBefore => self.crash().await,
            Fault::CrashAfter => {
                let _lost = request.await;
                self.crash().await
            }
        }
    }

    fn decide(&self, operation: &Operation) -> Fault {
        let (fault, index) = self.script.lock().unwrap_or_else(PoisonError::into_inner).next(operation);
        let asked = || self.hook.as_ref().map(|hook| hook(operation, index));
        fault.or_else(asked).unwrap_or(Fault::None)
    }

    async fn crash<T>(&self) -> T {
        self.crashed.send_replace(true);
        pending().await
    }

    fn error(&self, operation: &Operation, kind: StoreErrorKind, message: &str) -> StoreError {
        operation.error(kind, self.inner.bucket(), message)
    }
}

#[async_trait]
impl ObjectStore for Faulty {
    fn bucket(&self) -> &BucketName {
        self.inner.bucket()
    }

    async fn get(&self, key: &ObjectKey) -> Result<Option<Object>, StoreError> {
        self.run(Operation::new(Verb::Get, key), self.inner.get(key)).await
    }

    async fn get_changed(&self, key: &ObjectKey, known: &ETag) -> Result<Reread, StoreError> {
        self.run(Operation::new(Verb::Get, key), self.inner.get_changed(key, known)).await
    }

    async fn head(&self, key: &ObjectKey) -> Result<Option<Metadata>, StoreError> {
        self.run(Operation::new(Verb::Head, key), self.inner.head(key)).await
    }

    async fn put(&self, key: &ObjectKey, body: Bytes, how: &Put) -> Result<PutOutcome, StoreError> {
        self.run(Operation::new(Verb::Put, key), self.inner.put(key, body, how)).await
    }

    async fn delete(&self, key: &ObjectKey, condition: &Condition) -> Result<(), StoreError> {
        self.run(Operation::new(Verb::Delete, key), self.inner.delete(key, condition)).await
    }

    async fn list(&self, prefix: &str, after: Option<&ObjectKey>) -> Result<Page, StoreError> {
        self.run(Operation::list(prefix), self.inner.list(prefix, after)).await
    }

    async fn tags(&self, key: &ObjectKey) -> Result<Option<Tags>, StoreError> {
        self.run(Operation::new(Verb::Tags, key), self.inner.tags(key)).await
    }

    async fn set_tags(&self, key: &ObjectKey, tags: &Tags) -> Result<(), StoreError> {
        self.run(Operation::new(Verb::SetTags, key), self.inner.set_tags(key, tags)).await
    }

    async fn get_version(&self, key: &ObjectKey, version_id: &str) -> Result<Option<Object>, StoreError> {
        self.run(Operation::new(Verb::GetVersion, key), self.inner.get_version(key, version_id)).await
    }

    async fn versions(&self, key: &ObjectKey) -> Result<Vec<Metadata>, StoreError> {
        self.run(Operation::new(Verb::Versions, key), self.inner.versions(key)).await
    }

    async fn rules(&self) -> Result<Rules, StoreError> {
        self.run(Operation::rules(), self.inner.rules()).await
    }

    async fn get_range(&self, key: &ObjectKey, first: u64, length: u64) -> Result<Option<Bytes>, StoreError> {
        self.run(Operation::new(Verb::GetRange, key), self.inner.get_range(key, first, length)).await
    }

    async fn delete_many(&self, keys: &[ObjectKey]) -> Result<Vec<StoreError>, StoreError> {
        self.run(Operation::many(Verb::DeleteMany, keys), self.inner.delete_many(keys)).await
    }

    async fn begin_upload(&self, key: &ObjectKey, how: &Put) -> Result<Upload, StoreError> {
        self.run(Operation::new(Verb::BeginUpload, key), self.inner.begin_upload(key, how)).await
    }

    async fn upload_part(
        &self,
        upload: &Upload,
        number: u32,
        body: Bytes,
        sha256: Option<&ContentDigest>,
    ) -> Result<Part, StoreError> {
        self.run(
            Operation::new(Verb::UploadPart, &upload.key),
            self.inner.upload_part(upload, number, body, sha256),
        )
        .await
    }

    async fn complete_upload(
        &self,
        upload: &Upload,
        parts: &[Part],
        condition: &Condition,
    ) -> Result<PutOutcome, StoreError> {
        self.run(
            Operation::new(Verb::CompleteUpload, &upload.key),
            self.inner.complete_upload(upload, parts, condition),
        )
        .await
    }

    async fn abort_upload(&self, upload: &Upload) -> Result<(), StoreError> {
        self.run(Operation::new(Verb::AbortUpload, &upload.key), self.inner.abort_upload(upload)).await
    }

    async fn uploads(&self, prefix: &str) -> Result<Vec<Upload>, StoreError> {
        self.run(Operation::uploads(prefix), self.inner.uploads(prefix)).await
    }
}
