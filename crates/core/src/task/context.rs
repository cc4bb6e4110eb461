//! What tasks can do: while planning only read.

use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;

use super::service::{Change, Read, ServiceFailure, TaskServices};
use super::{TaskFailure, TaskPlace};
use crate::clock::Clock;
use crate::provider::{CloudFormation, ProviderError, StackRef, StackState};

/// Reads, and nothing else.
#[derive(Clone, Copy)]
pub struct ReadContext<'a> {
    /// Where the task works.
    pub place: &'a TaskPlace,
    services: &'a dyn TaskServices,
}

impl<'a> ReadContext<'a> {
    /// What tasks of a place may read.
    pub fn new(place: &'a TaskPlace, services: &'a dyn TaskServices) -> Self {
        Self { place, services }
    }

    /// Calls an operation that changes nothing.
    ///
    /// # Errors
    /// [`ServiceFailure`].
    pub async fn call(&self, read: Read, input: &Value) -> Result<Value, ServiceFailure> {
        self.services.call(self.place, read.service, read.operation, false, input).await
    }

    /// A stack there; `None` if it does not exist.
    ///
    /// # Errors
    /// [`ProviderError`].
    pub async fn stack(&self, stack: &StackRef) -> Result<Option<StackState>, ProviderError> {
        self.services.provider(self.place).await?.cloudformation().describe_stack(stack).await
    }

    /// The template of a stack there, as it was sent.
    ///
    /// # Errors
    /// [`ProviderError`].
    pub async fn stack_template(&self, stack: &StackRef) -> Result<Option<String>, ProviderError> {
        self.services.provider(self.place).await?.cloudformation().get_template(stack).await
    }
}

/// Reads and changes. Only a run that holds the lock has one.
#[derive(Clone, Copy)]
pub struct WriteContext<'a> {
    /// Reads.
    pub read: ReadContext<'a>,
    /// Tells requests of this task apart from all others, for operations that take such a token: letters, digits, dashes.
    pub token: &'a str,
    clock: &'a Arc<dyn Clock>,
    may_write: &'a (dyn Fn() -> bool + Send + Sync),
}

impl<'a> WriteContext<'a> {
    /// What a run that holds the lock may do; `may_write` tells whether it still does.
    #[allow(dead_code, reason = "the engine is about to use it")]
    pub(crate) fn new(
        read: ReadContext<'a>,
        token: &'a str,
        clock: &'a Arc<dyn Clock>,
        may_write: &'a (dyn Fn() -> bool + Send + Sync),
    ) -> Self {
        Self { read, token, clock, may_write }
    }

    /// Calls an operation that changes something; refused once the lock is lost.
    ///
    /// # Errors
    /// [`ServiceFailure`].
    pub async fn call(&self, change: Change, input: &Value) -> Result<Value, ServiceFailure> {
        self.still(change.operation)?;
        self.read.services.call(self.read.place, change.service, change.operation, true, input).await
    }

    /// CloudFormation there.
    ///
    /// # Errors
    /// [`TaskFailure`] if the place cannot be reached or the lock is lost.
    pub async fn cloudformation(&self) -> Result<Arc<dyn CloudFormation>, TaskFailure> {
        self.still("the change").map_err(TaskFailure::from)?;
        Ok(self.read.services.provider(self.read.place).await.map_err(TaskFailure::from)?.cloudformation())
    }

    /// Waits.
    pub async fn pause(&self, duration: Duration) {
        self.clock.sleep(duration).await;
    }

    fn still(&self, operation: &'static str) -> Result<(), ServiceFailure> {
        if (self.may_write)() {
            return Ok(());
        }
        let message = "the lock is lost, so nothing is changed any more";
        let error = ProviderError::new(crate::provider::ErrorKind::Unavailable, operation, "a task", message);
        Err(ServiceFailure { code: String::new(), error })
    }
}

impl From<ProviderError> for TaskFailure {
    fn from(error: ProviderError) -> Self {
        let help = Some(error.kind.remedy().to_owned());
        Self { message: error.to_string(), help, kind: Some(error.kind) }
    }
}

impl From<ServiceFailure> for TaskFailure {
    fn from(failure: ServiceFailure) -> Self {
        Self::from(failure.error)
    }
}
