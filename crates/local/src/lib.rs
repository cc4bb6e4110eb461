//! An embedded CloudFormation: the provider behind `--provider local[:DIR]`.
//!
//! It is strict (what CloudFormation refuses, it refuses in the same words), asynchronous (operations take time by the
//! clock it is given, and nothing runs in the background: every call first lets the past happen) and deterministic.
//! How long things take and what fails can be scripted; see [`script`].

mod advance;
mod announce;
mod behaviour;
mod buckets;
mod call;
mod catalogue;
mod change_sets;
mod cloudformation;
mod error;
mod evaluate;
#[cfg(any(test, feature = "test-support"))]
pub mod faulty;
mod parameters;
mod policy;
mod prepare;
mod request;
pub mod script;
mod ssm;
mod state;
mod storage;
mod tasks;
mod template;
mod timeline;
mod verbs;

use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use runway_core::clock::Clock;
use runway_core::provider::{CloudFormation, Place, Provider, ProviderError, StackRef};
use runway_store::{BucketName, ObjectStore};

pub use error::LocalError;
pub use script::{Phase, Scripting};

use crate::buckets::Buckets;
use crate::script::Script;
use crate::state::{Stack, State};
use crate::storage::Storage;

/// How long things take unless scripted otherwise.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timing {
    /// Creating, updating or deleting one resource.
    pub per_resource: Duration,
    /// An operation that touches no resource.
    pub idle: Duration,
}

impl Timing {
    /// Slow enough to be watched, fast enough not to be a wait: the default of [`Local::directory`].
    pub const WATCHABLE: Self =
        Self { per_resource: Duration::from_millis(300), idle: Duration::from_millis(100) };
    /// As CloudFormation feels: the default of [`Local::memory`], where time is simulated.
    pub const CLOUD_LIKE: Self = Self { per_resource: Duration::from_secs(2), idle: Duration::from_secs(1) };
}

/// Where the simulated cloud is and how fast.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// Account id.
    pub account: String,
    /// Region.
    pub region: String,
    /// How long things take; by default it depends on where the state is.
    pub timing: Option<Timing>,
}

impl Default for Options {
    fn default() -> Self {
        Self { account: "123456789012".to_owned(), region: "us-east-1".to_owned(), timing: None }
    }
}

/// The simulated cloud. Clones share their state.
#[derive(Clone)]
pub struct Local {
    inner: Arc<Inner>,
    place: Place,
}

struct Inner {
    timing: Timing,
    clock: Arc<dyn Clock>,
    storage: Storage,
    buckets: Buckets,
    script: Mutex<Script>,
}

impl Local {
    /// A cloud that lives as long as the value.
    pub fn memory(clock: Arc<dyn Clock>, options: Options) -> Self {
        let buckets = Buckets::memory(&clock);
        Self::new(clock, options, Storage::Memory(Mutex::default()), buckets, Timing::CLOUD_LIKE)
    }

    /// A cloud in a directory, which other processes may use at the same time. The directory is created by the first
    /// change.
    ///
    /// # Errors
    /// If what is there cannot be used: see [`LocalError`].
    pub fn directory(
        path: impl Into<PathBuf>,
        clock: Arc<dyn Clock>,
        options: Options,
    ) -> Result<Self, LocalError> {
        let path: PathBuf = path.into();
        let buckets = Buckets::directory(path.join("buckets"), &clock);
        let storage = Storage::directory(path);
        storage.check()?;
        Ok(Self::new(clock, options, storage, buckets, Timing::WATCHABLE))
    }

    fn new(
        clock: Arc<dyn Clock>,
        options: Options,
        storage: Storage,
        buckets: Buckets,
        timing: Timing,
    ) -> Self {
        let place = Place { account: options.account, region: options.region };
        let timing = options.timing.unwrap_or(timing);
        let script = Mutex::default();
        Self { inner: Arc::new(Inner { timing, clock, storage, buckets, script }), place }
    }

    /// Scripts a stack of this name for this process; `*` means every stack. It applies to operations that begin
    /// later.
    pub fn script<'a>(&'a self, stack: &'a str) -> Scripting<'a> {
        Scripting { script: &self.inner.script, stack }
    }

    /// Makes a bucket that no stack knows; succeeds if there is one already.
    ///
    /// # Errors
    /// [`ProviderError`] if the name is not allowed or the directory cannot be written.
    pub async fn create_bucket(&self, bucket: &BucketName) -> Result<(), ProviderError> {
        self.finish_chores(bucket.as_str()).await?;
        self.inner.buckets.create(bucket)
    }

    /// The resources of a stack by logical id: type and physical id; empty if there is no such stack.
    #[cfg(any(test, feature = "test-support"))]
    pub fn resources(&self, stack: &StackRef) -> std::collections::BTreeMap<String, (String, String)> {
        let of = |state: &State| {
            let resources = self.find(state, stack).map(|stack| stack.resources.clone());
            let resources = resources.into_iter().flatten();
            resources.map(|(id, resource)| (id, (resource.kind, resource.physical_id))).collect()
        };
        self.read(of).unwrap_or_default()
    }

    fn here(&self) -> &Place {
        &self.place
    }

    fn buckets(&self) -> &Buckets {
        &self.inner.buckets
    }

    fn find<'s>(&self, state: &'s State, stack: &StackRef) -> Option<&'s Stack> {
        state.find(stack, self.here()).and_then(|index| state.stacks.get(index))
    }

    fn timing(&self) -> Timing {
        self.inner.timing
    }

    fn own_script(&self) -> MutexGuard<'_, Script> {
        self.inner.script.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn file_script(&self) -> Result<Script, LocalError> {
        self.inner.storage.script()
    }

    fn read<T>(&self, look: impl FnOnce(&State) -> T) -> Result<T, LocalError> {
        self.inner.storage.read(|state| advance::advance(state, self.inner.clock.now()), look)
    }

    fn write<T, E: From<LocalError>>(
        &self,
        change: impl FnOnce(&mut State, Timestamp) -> Result<T, E>,
    ) -> Result<T, E> {
        // The time is read under the lock: what is written later happened later.
        let now = std::cell::Cell::new(Timestamp::UNIX_EPOCH);
        let advance = |state: &mut State| {
            now.set(self.inner.clock.now());
            advance::advance(state, now.get());
        };
        self.inner.storage.write(advance, |state| {
            self.inner.buckets.settle(std::mem::take(&mut state.chores));
            change(state, now.get())
        })
    }
}

impl std::fmt::Debug for Local {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let storage = self.inner.storage.name();
        f.debug_struct("Local").field("place", &self.place).field("storage", storage).finish_non_exhaustive()
    }
}

#[async_trait]
impl Provider for Local {
    fn identity(&self) -> String {
        format!("local:{:?}", self.inner.storage.name())
    }

    fn keeps_conditions(&self) -> bool {
        true
    }

    fn region(&self) -> &str {
        &self.place.region
    }

    async fn place(&self) -> Result<Place, ProviderError> {
        Ok(self.place.clone())
    }

    fn cloudformation(&self) -> Arc<dyn CloudFormation> {
        Arc::new(self.clone())
    }

    fn object_store(&self, bucket: &BucketName, _region: Option<&str>) -> Arc<dyn ObjectStore> {
        // A bucket may also come from a template, before or after the handle on it.
        let (local, name) = (self.clone(), bucket.as_str().to_owned());
        let declared = move || local.read(|state| state.has_bucket(&name)).is_ok_and(|declared| declared);
        self.inner.buckets.store(bucket, Box::new(declared))
    }

    fn in_region(&self, region: &str) -> Arc<dyn Provider> {
        let place = Place { region: region.to_owned(), ..self.place.clone() };
        Arc::new(Self { inner: Arc::clone(&self.inner), place })
    }
}

#[cfg(test)]
mod tests;
