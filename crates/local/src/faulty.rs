//! A provider that logs every request and can be told to fail, to lose an answer, or to stop for ever.
//!
//! Wraps any provider: the simulator, or the real one. A test that kills a session between any two requests runs it
//! once to count the requests, then once for each of them with a hook that answers [`Verdict::HangForever`] there.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;
use runway_core::ident::StackId;
use runway_core::provider::{
    ChangePage, ChangeSet, ChangeSetIds, ChangeSetPage, ChangeSetRef, ChangeSetRequest, CloudFormation,
    ErrorKind, EventPage, ImportPage, Place, Provider, ProviderError, StackPage, StackRef, StackRequest,
    StackState, UpdateOutcome,
};
use runway_store::{
    BucketName, Condition, ContentDigest, ETag, Metadata, Object, ObjectKey, ObjectStore, Page, Part, Put,
    PutOutcome, Reread, Rules, StoreError, StoreErrorKind, Tags, Upload,
};

/// One request as it is about to be sent.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Call {
    /// CloudFormation's or S3's name of the operation, for example `CreateStack` or `PutObject`.
    pub operation: &'static str,
    /// Stack name or id, `s3://bucket/key`, or `-`.
    pub target: String,
}

impl fmt::Display for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.operation, self.target)
    }
}

/// What becomes of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It is sent and answered.
    Proceed,
    /// It is not sent, and fails like this.
    FailBefore(ErrorKind),
    /// It is sent and takes effect, but fails like this: the answer is lost.
    FailAfter(ErrorKind),
    /// It is not sent, and never ends: what the process would have done next never happens.
    HangForever,
    /// It is sent and takes effect, and never ends.
    HangAfter,
}

/// Decides on a request: its number from 0 among all requests, and what it is.
pub type Hook = Arc<dyn Fn(usize, &Call) -> Verdict + Send + Sync>;

/// A rule: the `nth` request (from 1) of an operation on a target meets a verdict.
#[derive(Debug, Clone)]
pub struct Rule {
    /// Operation, for example `CreateStack`; `*` means any.
    pub operation: String,
    /// Text the target contains; empty means any.
    pub target: String,
    /// Which of the matching requests, from 1; 0 means every one.
    pub nth: usize,
    /// What happens to it.
    pub verdict: Verdict,
}

/// The wrapper. Clones share log, hook and rules.
#[derive(Clone)]
pub struct Faulty {
    inner: Arc<dyn Provider>,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    log: Mutex<Vec<Call>>,
    hook: Mutex<Option<Hook>>,
    rules: Mutex<Vec<(Rule, usize)>>,
}

fn locked<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Faulty {
    /// Wraps a provider; without hook or rules every request proceeds.
    pub fn new(inner: Arc<dyn Provider>) -> Self {
        Self { inner, shared: Arc::default() }
    }

    /// Sets the hook; it decides before the rules do.
    #[must_use]
    pub fn with_hook(self, hook: impl Fn(usize, &Call) -> Verdict + Send + Sync + 'static) -> Self {
        *locked(&self.shared.hook) = Some(Arc::new(hook));
        self
    }

    /// Adds a rule; the first one that applies decides.
    #[must_use]
    pub fn with_rule(self, operation: &str, target: &str, nth: usize, verdict: Verdict) -> Self {
        let rule = Rule { operation: operation.to_owned(), target: target.to_owned(), nth, verdict };
        locked(&self.shared.rules).push((rule, 0));
        self
    }

    /// Every request so far, in order.
    pub fn log(&self) -> Vec<Call> {
        locked(&self.shared.log).clone()
    }

    /// Number of requests so far by operation.
    pub fn counts(&self) -> BTreeMap<&'static str, usize> {
        let mut counts = BTreeMap::new();
        for call in locked(&self.shared.log).iter() {
            *counts.entry(call.operation).or_default() += 1;
        }
        counts
    }

    /// Number of requests so far.
    pub fn total(&self) -> usize {
        locked(&self.shared.log).len()
    }
}

impl fmt::Debug for Faulty {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Faulty").field("requests", &self.total()).finish_non_exhaustive()
    }
}

impl Shared {
    fn decide(&self, operation: &'static str, target: &str) -> Verdict {
        let call = Call { operation, target: target.to_owned() };
        let number = {
            let mut log = locked(&self.log);
            log.push(call.clone());
            log.len() - 1
        };
        // Taken out of the lock: a hook may look at the log, or make requests of its own.
        let hook = locked(&self.hook).clone();
        if let Some(verdict) =
            hook.map(|hook| hook(number, &call)).filter(|verdict| *verdict != Verdict::Proceed)
        {
            return verdict;
        }
        let mut decided = None;
        for (rule, seen) in locked(&self.rules).iter_mut() {
            if (rule.operation == "*" || rule.operation == operation) && target.contains(&rule.target) {
                *seen += 1;
                if rule.nth == 0 || rule.nth == *seen {
                    decided.get_or_insert(rule.verdict);
                }
            }
        }
        decided.unwrap_or(Verdict::Proceed)
    }

    async fn run<T, E>(
        &self,
        operation: &'static str,
        target: &str,
        request: impl Future<Output = Result<T, E>>,
        error: impl FnOnce(ErrorKind) -> E,
    ) -> Result<T, E> {
        match self.decide(operation, target) {
            Verdict::Proceed => request.await,
            Verdict::FailBefore(kind) => Err(error(kind)),
            Verdict::FailAfter(kind) => {
                // Whatever was answered is lost.
                drop(request.await);
                Err(error(kind))
            }
            Verdict::HangForever => std::future::pending().await,
            Verdict::HangAfter => {
                drop(request.await);
                std::future::pending().await
            }
        }
    }
}

const SCRIPTED: &str = "scripted failure";

#[async_trait]
impl Provider for Faulty {
    fn identity(&self) -> String {
        self.inner.identity()
    }

    fn keeps_conditions(&self) -> bool {
        self.inner.keeps_conditions()
    }

    fn region(&self) -> &str {
        self.inner.region()
    }

    async fn place(&self) -> Result<Place, ProviderError> {
        let error = |kind| ProviderError::new(kind, "GetCallerIdentity", "-", SCRIPTED);
        self.shared.run("GetCallerIdentity", "-", self.inner.place(), error).await
    }

    fn cloudformation(&self) -> Arc<dyn CloudFormation> {
        let (inner, shared) = (self.inner.cloudformation(), Arc::clone(&self.shared));
        Arc::new(FaultyCloudFormation { inner, shared })
    }

    fn object_store(&self, bucket: &BucketName, region: Option<&str>) -> Arc<dyn ObjectStore> {
        let (inner, shared) = (self.inner.object_store(bucket, region), Arc::clone(&self.shared));
        Arc::new(FaultyStore { inner, shared })
    }

    fn in_region(&self, region: &str) -> Arc<dyn Provider> {
        let (inner, shared) = (self.inner.in_region(region), Arc::clone(&self.shared));
        Arc::new(Self { inner, shared })
    }
}

struct FaultyCloudFormation {
    inner: Arc<dyn CloudFormation>,
    shared: Arc<Shared>,
}

impl FaultyCloudFormation {
    async fn run<T>(
        &self,
        operation: &'static str,
        target: &str,
        request: impl Future<Output = Result<T, ProviderError>>,
    ) -> Result<T, ProviderError> {
        let error = |kind| ProviderError::new(kind, operation, target, SCRIPTED);
        self.shared.run(operation, target, request, error).await
    }
}

#[async_trait]
impl CloudFormation for FaultyCloudFormation {
    async fn describe_stacks(&self, page: Option<&str>) -> Result<StackPage, ProviderError> {
        self.run("DescribeStacks", "-", self.inner.describe_stacks(page)).await
    }

    async fn describe_stack(&self, stack: &StackRef) -> Result<Option<StackState>, ProviderError> {
        self.run("DescribeStacks", stack.as_str(), self.inner.describe_stack(stack)).await
    }

    async fn get_template(&self, stack: &StackRef) -> Result<Option<String>, ProviderError> {
        self.run("GetTemplate", stack.as_str(), self.inner.get_template(stack)).await
    }

    async fn get_stack_policy(&self, stack: &StackRef) -> Result<Option<String>, ProviderError> {
        self.run("GetStackPolicy", stack.as_str(), self.inner.get_stack_policy(stack)).await
    }

    async fn set_stack_policy(&self, stack: &StackRef, policy: &str) -> Result<(), ProviderError> {
        self.run("SetStackPolicy", stack.as_str(), self.inner.set_stack_policy(stack, policy)).await
    }

    async fn set_termination_protection(&self, stack: &StackRef, enabled: bool) -> Result<(), ProviderError> {
        let request = self.inner.set_termination_protection(stack, enabled);
        self.run("UpdateTerminationProtection", stack.as_str(), request).await
    }

    async fn create_stack(&self, request: &StackRequest) -> Result<StackId, ProviderError> {
        self.run("CreateStack", request.stack.as_str(), self.inner.create_stack(request)).await
    }

    async fn update_stack(&self, request: &StackRequest) -> Result<UpdateOutcome, ProviderError> {
        self.run("UpdateStack", request.stack.as_str(), self.inner.update_stack(request)).await
    }

    async fn create_change_set(&self, request: &ChangeSetRequest) -> Result<ChangeSetIds, ProviderError> {
        let target = request.stack.stack.as_str();
        self.run("CreateChangeSet", target, self.inner.create_change_set(request)).await
    }

    async fn describe_change_set(&self, set: &ChangeSetRef) -> Result<Option<ChangeSet>, ProviderError> {
        self.run("DescribeChangeSet", set.as_str(), self.inner.describe_change_set(set)).await
    }

    async fn change_set_changes(
        &self,
        set: &ChangeSetRef,
        page: Option<&str>,
    ) -> Result<ChangePage, ProviderError> {
        self.run("DescribeChangeSet", set.as_str(), self.inner.change_set_changes(set, page)).await
    }

    async fn list_change_sets(
        &self,
        stack: &StackRef,
        page: Option<&str>,
    ) -> Result<ChangeSetPage, ProviderError> {
        self.run("ListChangeSets", stack.as_str(), self.inner.list_change_sets(stack, page)).await
    }

    async fn execute_change_set(&self, set: &ChangeSetRef, token: &str) -> Result<(), ProviderError> {
        self.run("ExecuteChangeSet", set.as_str(), self.inner.execute_change_set(set, token)).await
    }

    async fn delete_change_set(&self, set: &ChangeSetRef) -> Result<(), ProviderError> {
        self.run("DeleteChangeSet", set.as_str(), self.inner.delete_change_set(set)).await
    }

    async fn delete_stack(
        &self,
        stack: &StackRef,
        role_arn: Option<&str>,
        token: &str,
    ) -> Result<(), ProviderError> {
        self.run("DeleteStack", stack.as_str(), self.inner.delete_stack(stack, role_arn, token)).await
    }

    async fn stack_events(&self, stack: &StackRef, page: Option<&str>) -> Result<EventPage, ProviderError> {
        self.run("DescribeStackEvents", stack.as_str(), self.inner.stack_events(stack, page)).await
    }

    async fn list_imports(&self, export: &str, page: Option<&str>) -> Result<ImportPage, ProviderError> {
        self.run("ListImports", export, self.inner.list_imports(export, page)).await
    }
}

struct FaultyStore {
    inner: Arc<dyn ObjectStore>,
    shared: Arc<Shared>,
}

impl FaultyStore {
    async fn run<T>(
        &self,
        operation: &'static str,
        key: &str,
        request: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        let bucket = self.inner.bucket();
        let error =
            |kind| StoreError::new(store_kind(kind), operation, bucket, &ObjectKey::new(key), SCRIPTED);
        self.shared.run(operation, &format!("s3://{bucket}/{key}"), request, error).await
    }
}

/// The store's counterpart of a provider's kind of error.
fn store_kind(kind: ErrorKind) -> StoreErrorKind {
    match kind {
        ErrorKind::NotFound => StoreErrorKind::NoBucket,
        ErrorKind::AlreadyExists => StoreErrorKind::Conflict,
        ErrorKind::Validation | ErrorKind::Unsupported | ErrorKind::NoRegion | ErrorKind::Misconfigured => {
            StoreErrorKind::Invalid
        }
        ErrorKind::Protected | ErrorKind::Denied | ErrorKind::LocalAccess => StoreErrorKind::Denied,
        ErrorKind::Credentials => StoreErrorKind::Credentials,
        ErrorKind::Throttled => StoreErrorKind::Throttled,
        ErrorKind::Unavailable | ErrorKind::LocalState => StoreErrorKind::Unavailable,
    }
}

#[async_trait]
impl ObjectStore for FaultyStore {
    fn bucket(&self) -> &BucketName {
        self.inner.bucket()
    }

    async fn get(&self, key: &ObjectKey) -> Result<Option<Object>, StoreError> {
        self.run("GetObject", key.as_str(), self.inner.get(key)).await
    }

    async fn get_changed(&self, key: &ObjectKey, known: &ETag) -> Result<Reread, StoreError> {
        self.run("GetObject", key.as_str(), self.inner.get_changed(key, known)).await
    }

    async fn head(&self, key: &ObjectKey) -> Result<Option<Metadata>, StoreError> {
        self.run("HeadObject", key.as_str(), self.inner.head(key)).await
    }

    async fn put(&self, key: &ObjectKey, body: Bytes, how: &Put) -> Result<PutOutcome, StoreError> {
        self.run("PutObject", key.as_str(), self.inner.put(key, body, how)).await
    }

    async fn delete(&self, key: &ObjectKey, condition: &Condition) -> Result<(), StoreError> {
        self.run("DeleteObject", key.as_str(), self.inner.delete(key, condition)).await
    }

    async fn list(&self, prefix: &str, after: Option<&ObjectKey>) -> Result<Page, StoreError> {
        self.run("ListObjectsV2", prefix, self.inner.list(prefix, after)).await
    }

    async fn tags(&self, key: &ObjectKey) -> Result<Option<Tags>, StoreError> {
        self.run("GetObjectTagging", key.as_str(), self.inner.tags(key)).await
    }

    async fn set_tags(&self, key: &ObjectKey, tags: &Tags) -> Result<(), StoreError> {
        self.run("PutObjectTagging", key.as_str(), self.inner.set_tags(key, tags)).await
    }

    async fn versions(&self, key: &ObjectKey) -> Result<Vec<Metadata>, StoreError> {
        self.run("ListObjectVersions", key.as_str(), self.inner.versions(key)).await
    }

    async fn get_version(&self, key: &ObjectKey, version: &str) -> Result<Option<Object>, StoreError> {
        self.run("GetObject", key.as_str(), self.inner.get_version(key, version)).await
    }

    async fn rules(&self) -> Result<Rules, StoreError> {
        self.run("GetBucketLifecycleConfiguration", "", self.inner.rules()).await
    }

    async fn get_range(&self, key: &ObjectKey, first: u64, length: u64) -> Result<Option<Bytes>, StoreError> {
        self.run("GetObject", key.as_str(), self.inner.get_range(key, first, length)).await
    }

    async fn delete_many(&self, keys: &[ObjectKey]) -> Result<Vec<StoreError>, StoreError> {
        self.run("DeleteObjects", keys.first().map_or("", ObjectKey::as_str), self.inner.delete_many(keys))
            .await
    }

    async fn begin_upload(&self, key: &ObjectKey, how: &Put) -> Result<Upload, StoreError> {
        self.run("CreateMultipartUpload", key.as_str(), self.inner.begin_upload(key, how)).await
    }

    async fn upload_part(
        &self,
        upload: &Upload,
        number: u32,
        body: Bytes,
        sha256: Option<&ContentDigest>,
    ) -> Result<Part, StoreError> {
        self.run("UploadPart", upload.key.as_str(), self.inner.upload_part(upload, number, body, sha256))
            .await
    }

    async fn complete_upload(
        &self,
        upload: &Upload,
        parts: &[Part],
        condition: &Condition,
    ) -> Result<PutOutcome, StoreError> {
        self.run(
            "CompleteMultipartUpload",
            upload.key.as_str(),
            self.inner.complete_upload(upload, parts, condition),
        )
        .await
    }

    async fn abort_upload(&self, upload: &Upload) -> Result<(), StoreError> {
        self.run("AbortMultipartUpload", upload.key.as_str(), self.inner.abort_upload(upload)).await
    }

    async fn uploads(&self, prefix: &str) -> Result<Vec<Upload>, StoreError> {
        self.run("ListMultipartUploads", prefix, self.inner.uploads(prefix)).await
    }
}
