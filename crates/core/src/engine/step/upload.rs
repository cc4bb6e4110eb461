//! Templates on their way to the bucket.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use runway_store::{Condition, ObjectKey, ObjectStore, Put, StoreErrorKind};
use serde::{Deserialize, Serialize};

use super::template_key;
use crate::cache::kinds::TEMPLATE_OBJECT;
use crate::cache::{Cache, CacheOutput, Digest, Ingredients};
use crate::clock::Clock;
use crate::engine::execute::Execution;
use crate::engine::sending::{ATTEMPTS, backoff};
use crate::event::StepFailure;
use crate::ident::NodeName;
use crate::provider::Place;
use crate::template::Template;

/// A template on its way to the bucket.
pub(super) struct Upload {
    store: Arc<dyn ObjectStore>,
    pub(super) key: ObjectKey,
    body: Bytes,
    cache: Arc<Cache>,
    known_by: Ingredients,
}

/// That a template is in the bucket. Somebody may have emptied the bucket since, which CloudFormation then says.
#[derive(Serialize, Deserialize)]
struct Uploaded {
    bytes: u64,
}

impl CacheOutput for Uploaded {}

impl Upload {
    pub(super) fn of(
        execution: &Execution<'_>,
        place: &Place,
        name: &NodeName,
        template: &Template,
    ) -> Option<Self> {
        let (bucket, store) = execution.backing.bucket.as_ref()?;
        let key = template_key(&execution.desired.config, name, template);
        let digest = Digest::of(template.body.as_bytes()).to_string();
        let known_by = Ingredients::new(TEMPLATE_OBJECT, &execution.engine.cache_scope(place), name.as_str())
            .input("bucket", bucket.as_str())
            .input("key", key.as_str())
            .input("sha256", digest.as_str());
        Some(Self {
            store: Arc::clone(store),
            key,
            body: Bytes::from(template.body.clone()),
            cache: Arc::clone(&execution.engine.cache),
            known_by,
        })
    }

    /// Whether it was uploaded before.
    pub(super) fn is_known(&self) -> bool {
        self.cache.find::<Uploaded>(&self.known_by).is_some()
    }

    /// Uploads unless it is there: the key names the content, so there is no need to look first. Returns whether it was
    /// not there.
    pub(super) async fn send(&self, clock: &dyn Clock) -> Result<bool, StepFailure> {
        let how = Put { condition: Condition::IfAbsent, ..Put::default() };
        let asked = clock.monotonic();
        let uploaded = self.put(clock, &how).await?;
        let bytes = u64::try_from(self.body.len()).unwrap_or(u64::MAX);
        let took: Duration = clock.monotonic().saturating_sub(asked);
        self.cache.keep(&self.known_by, &Uploaded { bytes }, took);
        Ok(uploaded)
    }

    async fn put(&self, clock: &dyn Clock, how: &Put) -> Result<bool, StepFailure> {
        for attempt in 1.. {
            match self.store.put(&self.key, self.body.clone(), how).await {
                Ok(_) => return Ok(true),
                Err(error) if error.kind == StoreErrorKind::Precondition => return Ok(false),
                Err(error)
                    if attempt < ATTEMPTS
                        && matches!(
                            error.kind,
                            StoreErrorKind::Throttled
                                | StoreErrorKind::Unavailable
                                | StoreErrorKind::Conflict
                        ) =>
                {
                    clock.sleep(backoff(attempt)).await;
                }
                Err(error) => {
                    return Err(StepFailure {
                        message: format!("the template could not be uploaded: {error}"),
                        ..StepFailure::default()
                    });
                }
            }
        }
        Ok(true)
    }
}
