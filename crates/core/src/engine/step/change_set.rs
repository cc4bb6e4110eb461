//! Creating and updating through a change set, which is how a template with macros is worked out before it is carried
//! out (CFNgin does the same).

use std::time::Duration;

use super::{Call, Submission, SubmitError, Upload, backoff, refused};
use crate::engine::judge::Goal;
use crate::event::StepFailure;
use crate::lock;
use crate::provider::{
    ChangeSet, ChangeSetIds, ChangeSetKind, ChangeSetRef, ChangeSetRequest, ChangeSetStatus, ErrorKind,
    ProviderError, StackRef, StackRequest,
};

/// Name of every change set: a run that was killed leaves at most one behind, and the next one knows it by its name.
const NAME: &str = "runway-rs";
/// How long CloudFormation may work on a change set.
const PATIENCE: Duration = Duration::from_secs(15 * 60);

impl Call {
    /// Creates or updates a stack through a change set; `cleanup` is the token of the deletion of a stack that came to
    /// nothing.
    pub(super) async fn by_change_set(
        self,
        session: Option<&lock::Session>,
        upload: Option<Upload>,
        stack: StackRequest,
        kind: ChangeSetKind,
        cleanup: String,
    ) -> Result<Submission, SubmitError> {
        if let Some(upload) = upload {
            upload.send(self.clock.as_ref()).await.map_err(SubmitError::Failed)?;
        }
        let token = stack.token.clone();
        let role = stack.role_arn.clone();
        // What a change set cannot say is said beside it.
        let policy = stack.stack_policy.clone().filter(|_| kind == ChangeSetKind::Update);
        let stack = StackRequest {
            stack_policy: None,
            termination_protection: false,
            timeout_minutes: None,
            ..stack
        };
        let request = ChangeSetRequest { kind, name: NAME.to_owned(), stack };
        let made = self.make(session, &request).await?;
        let set = ChangeSetRef::Id(made.id.clone());
        let failure = match self.worked_out(&set).await {
            Ok(Some(seen)) if seen.status == ChangeSetStatus::Ready => None,
            Ok(Some(seen)) if seen.is_empty() && kind == ChangeSetKind::Update => {
                self.discard(session, &set, None, &cleanup).await?;
                return Ok(Submission::Unchanged);
            }
            Ok(Some(seen)) if seen.status == ChangeSetStatus::Failed => {
                Some(failed(seen.reason.as_deref().unwrap_or("CloudFormation gives no reason")))
            }
            Ok(Some(_)) => Some(failed("it was not worked out in 15 minutes")),
            Ok(None) => Some(failed("somebody deleted it")),
            Err(error) => Some(refused(&error)),
        };
        let shell = (kind == ChangeSetKind::Create).then(|| StackRef::Id(made.stack.clone()));
        if let Some(failure) = failure {
            self.discard(session, &set, shell.map(|shell| (shell, role)), &cleanup).await?;
            return Err(SubmitError::Failed(failure));
        }
        if let Some(policy) = policy {
            // CFNgin: just before the update, which the new policy then rules.
            self.attempt(session, &mut false, || self.cloudformation.set_stack_policy(&self.stack, &policy))
                .await?
                .map_err(|error| SubmitError::Failed(refused(&error)))?;
        }
        let mut answer_lost = false;
        let executed = self
            .attempt(session, &mut answer_lost, || self.cloudformation.execute_change_set(&set, &token))
            .await?;
        let refusal = match executed {
            Ok(()) => None,
            // Perhaps because an earlier attempt, whose answer was lost, has begun it.
            Err(error) if answer_lost => Some(Box::new(refused(&error))),
            Err(error) => {
                self.discard(session, &set, shell.map(|shell| (shell, role)), &cleanup).await?;
                return Err(SubmitError::Failed(refused(&error)));
            }
        };
        Ok(match shell {
            Some(stack) => Submission::Watch { stack, goal: Goal::Created, before: None, refused: refusal },
            None => Submission::Watch {
                stack: self.stack.clone(),
                goal: Goal::Updated,
                before: self.before.clone().map(Box::new),
                refused: refusal,
            },
        })
    }

    /// Makes the change set. One of the same name was left by a run that was killed, and gives way.
    async fn make(
        &self,
        session: Option<&lock::Session>,
        request: &ChangeSetRequest,
    ) -> Result<ChangeSetIds, SubmitError> {
        let mut cleared = false;
        loop {
            let made =
                self.attempt(session, &mut false, || self.cloudformation.create_change_set(request)).await?;
            match made {
                Ok(made) => return Ok(made),
                Err(error) if error.kind == ErrorKind::AlreadyExists && !cleared => {
                    let leftover =
                        ChangeSetRef::Name { name: NAME.to_owned(), stack: request.stack.stack.clone() };
                    self.discard(session, &leftover, None, "").await?;
                    cleared = true;
                }
                Err(error) => return Err(SubmitError::Failed(refused(&error))),
            }
        }
    }

    /// Looks at the change set until CloudFormation has worked it out, or for as long as anybody waits.
    async fn worked_out(&self, set: &ChangeSetRef) -> Result<Option<ChangeSet>, ProviderError> {
        let deadline = self.clock.monotonic() + PATIENCE;
        for attempt in 1.. {
            let is_late = self.clock.monotonic() >= deadline;
            match self.cloudformation.describe_change_set(set).await {
                Ok(Some(seen)) if seen.status == ChangeSetStatus::InProgress && !is_late => {}
                Err(error)
                    if matches!(error.kind, ErrorKind::Throttled | ErrorKind::Unavailable) && !is_late => {}
                answer => return answer,
            }
            self.clock.sleep(backoff(attempt).min(Duration::from_secs(4))).await;
        }
        Ok(None)
    }

    /// Deletes a change set that is not to be executed, and the empty stack that was made for it. If that fails, the
    /// step's own failure is what has to be told; the next run finds the empty stack and clears it.
    async fn discard(
        &self,
        session: Option<&lock::Session>,
        set: &ChangeSetRef,
        shell: Option<(StackRef, Option<String>)>,
        token: &str,
    ) -> Result<(), SubmitError> {
        drop(self.attempt(session, &mut false, || self.cloudformation.delete_change_set(set)).await?);
        if let Some((shell, role)) = shell {
            let delete = || self.cloudformation.delete_stack(&shell, role.as_deref(), token);
            drop(self.attempt(session, &mut false, delete).await?);
        }
        Ok(())
    }
}

fn failed(reason: &str) -> StepFailure {
    StepFailure {
        message: format!("its change set failed: {reason}"),
        help: Some(
            "nothing was changed; the template's macros decide what CloudFormation gets to see".to_owned(),
        ),
        ..StepFailure::default()
    }
}
