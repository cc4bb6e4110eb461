//! What tasks can do: while planning only read.

use std::sync::Arc;
use std::time::Duration;

use runway_store::{BucketName, ObjectStore, ReadOnly};
use serde_json::Value;

use super::service::{Change, Read, ServiceFailure, TaskServices};
use super::{Ended, Program, TaskFailure, TaskPlace};
use crate::clock::Clock;
use crate::provider::{CloudFormation, ErrorKind, ProviderError, StackRef, StackState};
use crate::registry::HookOutput;

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

    /// The same in another place.
    pub fn at<'b>(&self, place: &'b TaskPlace) -> ReadContext<'b>
    where
        'a: 'b,
    {
        ReadContext { place, services: self.services }
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

    /// A bucket as it is seen from there; it refuses writes.
    ///
    /// # Errors
    /// [`ProviderError`] if the place cannot be reached.
    pub async fn store(
        &self,
        bucket: &BucketName,
        region: Option<&str>,
    ) -> Result<Arc<dyn ObjectStore>, ProviderError> {
        let region = region.or(self.place.region.as_deref());
        let store = self.services.provider(self.place).await?.object_store(bucket, region);
        Ok(Arc::new(ReadOnly::new(store)))
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
    output: Option<&'a dyn HookOutput>,
}

impl<'a> WriteContext<'a> {
    /// What a run that holds the lock may do; `may_write` tells whether it still does.
    pub(crate) fn new(
        read: ReadContext<'a>,
        token: &'a str,
        clock: &'a Arc<dyn Clock>,
        may_write: &'a (dyn Fn() -> bool + Send + Sync),
    ) -> Self {
        Self { read, token, clock, may_write, output: None }
    }

    /// The same, with what programs print shown.
    #[must_use]
    pub fn with_output(self, output: &'a dyn HookOutput) -> Self {
        Self { output: Some(output), ..self }
    }

    /// What a test may do that stands in for such a run.
    #[cfg(any(test, feature = "test-support"))]
    pub fn of_test(
        read: ReadContext<'a>,
        token: &'a str,
        clock: &'a Arc<dyn Clock>,
        may_write: &'a (dyn Fn() -> bool + Send + Sync),
    ) -> Self {
        Self::new(read, token, clock, may_write)
    }

    /// The same in another place.
    pub fn at<'b>(&self, place: &'b TaskPlace) -> WriteContext<'b>
    where
        'a: 'b,
    {
        WriteContext { read: self.read.at(place), ..*self }
    }

    /// Runs a program of the user's machine to its end, with the credentials of this place. Refused once the lock is
    /// lost.
    ///
    /// # Errors
    /// [`TaskFailure`] if it cannot be started. A status is no failure here.
    pub async fn run(&self, program: &Program) -> Result<Ended, TaskFailure> {
        self.still("the program").map_err(TaskFailure::from)?;
        let Some(programs) = self.read.services.programs() else {
            return Err(TaskFailure {
                message: "programs cannot be run here".to_owned(),
                help: None,
                kind: Some(ErrorKind::Unsupported),
            });
        };
        let mut program = program.clone();
        // In its own place a run has handed out its credentials already.
        if *self.read.place != TaskPlace::default() {
            program.credentials.extend(self.read.services.environment(self.read.place).await?);
        }
        programs.run(&program, self.output.unwrap_or(&Silence)).await
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

    /// A bucket as it is seen from there.
    ///
    /// # Errors
    /// [`TaskFailure`] if the place cannot be reached or the lock is lost.
    pub async fn store(
        &self,
        bucket: &BucketName,
        region: Option<&str>,
    ) -> Result<Arc<dyn ObjectStore>, TaskFailure> {
        self.still("the change").map_err(TaskFailure::from)?;
        let region = region.or(self.read.place.region.as_deref());
        Ok(self.read.services.provider(self.read.place).await?.object_store(bucket, region))
    }

    /// Whether the object stores there are known to keep the conditions of writes.
    ///
    /// # Errors
    /// [`TaskFailure`] if the place cannot be reached.
    pub async fn keeps_conditions(&self) -> Result<bool, TaskFailure> {
        Ok(self.read.services.provider(self.read.place).await?.keeps_conditions())
    }

    /// Shows a line of what is being done.
    pub fn tell(&self, line: &str) {
        self.output.unwrap_or(&Silence).line(line);
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
        let error = ProviderError::new(ErrorKind::Unavailable, operation, "a task", message);
        Err(ServiceFailure { code: String::new(), error })
    }
}

/// Nobody listens.
struct Silence;

impl HookOutput for Silence {
    fn line(&self, _: &str) {}
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
