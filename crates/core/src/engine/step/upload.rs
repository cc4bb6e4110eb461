//! Templates on their way to the bucket.

use std::sync::Arc;

use bytes::Bytes;
use runway_store::{Condition, ObjectKey, ObjectStore, Put, StoreErrorKind};

use super::template_key;
use crate::clock::Clock;
use crate::engine::execute::Execution;
use crate::engine::sending::{ATTEMPTS, backoff};
use crate::event::StepFailure;
use crate::ident::NodeName;
use crate::template::Template;

/// A template on its way to the bucket.
pub(super) struct Upload {
    store: Arc<dyn ObjectStore>,
    pub(super) key: ObjectKey,
    body: Bytes,
}

impl Upload {
    pub(super) fn of(execution: &Execution<'_>, name: &NodeName, template: &Template) -> Option<Self> {
        let (_, store) = execution.backing.bucket.as_ref()?;
        Some(Self {
            store: Arc::clone(store),
            key: template_key(&execution.desired.config, name, template),
            body: Bytes::from(template.body.clone()),
        })
    }

    /// Uploads unless it is there: the key names the content, so there is no need to look first.
    pub(super) async fn send(self, clock: &dyn Clock) -> Result<(), StepFailure> {
        let how = Put { condition: Condition::IfAbsent, ..Put::default() };
        for attempt in 1.. {
            match self.store.put(&self.key, self.body.clone(), &how).await {
                Ok(_) => return Ok(()),
                Err(error) if error.kind == StoreErrorKind::Precondition => return Ok(()),
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
        Ok(())
    }
}
