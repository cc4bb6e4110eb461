//! Where a config keeps templates and persistent graph, if it does.

use std::sync::Arc;

use runway_store::{BucketName, ObjectKey, ObjectStore, ReadOnly, StoreErrorKind};

use crate::config::Config;
use crate::engine::{Engine, EngineError};
use crate::error::Finding;
use crate::graph::persistent::GraphObject;
use crate::lock::{self, Objects, Premises};
use crate::provider::ProviderError;

/// The bucket of a config and the keys of its persistent graph.
pub(crate) struct Backing {
    /// The bucket; `None` if templates travel in the requests.
    pub(crate) bucket: Option<(BucketName, Arc<dyn ObjectStore>)>,
    /// Keys of graph, lease and state; `None` without a persistent graph.
    pub(crate) objects: Option<Objects>,
    /// The bucket for the task cache. That is written by [`Cache::publish`](crate::cache::Cache::publish) alone, which whoever
    /// started the command calls, and tells whether it may: a run may look at a saved plan before it writes.
    pub(crate) cache: Option<Arc<dyn ObjectStore>>,
    /// Another run may make the same stacks at the same time, to the same end: what it creates is waited for.
    pub(crate) shares_stacks: bool,
}

impl Backing {
    /// The backing of a config, for a command that writes.
    pub(crate) fn of(engine: &Engine, config: &Config) -> Self {
        let bucket = config.bucket_name(engine.provider.region()).map(|name| {
            let store = engine.provider.object_store(&name, config.bucket_region.as_deref());
            (name, store)
        });
        let key = config.persistent_graph_key.as_deref().filter(|key| !key.is_empty());
        let objects = bucket.as_ref().and(key).map(|key| Objects::new(&config.namespace, key));
        let cache = bucket.as_ref().map(|(_, store)| Arc::clone(store));
        Self { bucket, objects, cache, shares_stacks: false }
    }

    /// The backing of a config, for a command that must not write.
    pub(crate) fn read_only(engine: &Engine, config: &Config) -> Self {
        let Self { bucket, objects, cache, shares_stacks } = Self::of(engine, config);
        let read_only = |store| Arc::new(ReadOnly::new(store)) as Arc<dyn ObjectStore>;
        Self { bucket: bucket.map(|(name, store)| (name, read_only(store))), objects, cache, shares_stacks }
    }

    /// Reads what the cache has in the bucket.
    pub(crate) async fn load_cache(&self, engine: &Engine) {
        engine.cache.load(self.cache.clone()).await;
    }

    /// The store and the keys of the persistent graph.
    pub(crate) fn graph(&self) -> Option<(&Arc<dyn ObjectStore>, &Objects)> {
        Some((&self.bucket.as_ref()?.1, self.objects.as_ref()?))
    }

    /// Where the graph object is, for people.
    pub(crate) fn location(&self) -> String {
        match (&self.bucket, &self.objects) {
            (Some((bucket, _)), Some(objects)) => format!("s3://{bucket}/{}", objects.graph),
            _ => String::new(),
        }
    }

    /// Whether the bucket does not exist, for configs without a persistent graph: with one, the premises tell.
    pub(crate) async fn bucket_missing(&self) -> Result<bool, EngineError> {
        if self.objects.is_some() { Ok(false) } else { self.is_bucket_missing().await }
    }

    /// Whether there is a bucket in the config and not in the cloud.
    pub(crate) async fn is_bucket_missing(&self) -> Result<bool, EngineError> {
        let Some((_, store)) = &self.bucket else { return Ok(false) };
        match store.get(&ObjectKey::new("stack_templates/")).await {
            Ok(_) => Ok(false),
            Err(error) if error.kind == StoreErrorKind::NoBucket => Ok(true),
            Err(error) => Err(ProviderError::from(error).into()),
        }
    }

    /// What was wrong with the recorded graph and was left out on reading.
    pub(crate) fn graph_warnings(&self, premises: Option<&Premises>) -> Vec<Finding> {
        match (self.graph(), premises.and_then(|premises| premises.graph.as_ref())) {
            (Some((store, objects)), Some(seen)) => {
                seen.read.warnings(&GraphObject::new(store.bucket(), &objects.graph))
            }
            _ => Vec::new(),
        }
    }

    pub(crate) async fn premises(&self, engine: &Engine) -> Result<Option<Premises>, EngineError> {
        let Some((store, objects)) = self.graph() else { return Ok(None) };
        match lock::read_premises(store.as_ref(), objects, engine.clock.as_ref()).await {
            Ok(premises) => Ok(Some(premises)),
            Err(error) => Err(EngineError::of(error)),
        }
    }
}
