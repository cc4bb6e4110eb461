//! Creating and updating through a change set, which is how a template with macros is worked out before it is carried
//! out (CFNgin does the same).

use std::time::Duration;

use super::{Call, Submission, SubmitError, Upload, refused};
use crate::engine::judge::Goal;
use crate::engine::sending::{delete_change_set, worked_out};
use crate::event::StepFailure;
use crate::lock;
use crate::provider::{
    ChangeSetIds, ChangeSetKind, ChangeSetRef, ChangeSetRequest, ChangeSetStatus, ErrorKind, StackRef,
    StackRequest,
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
        let made = self.make(session, upload.as_ref(), &request).await?;
        let set = ChangeSetRef::Id(made.id.clone());
        let seen = worked_out(self.cloudformation.as_ref(), self.clock.as_ref(), &set, PATIENCE).await;
        let failure = match seen {
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
        upload: Option<&Upload>,
        request: &ChangeSetRequest,
    ) -> Result<ChangeSetIds, SubmitError> {
        let mut cleared = false;
        loop {
            let make = || self.cloudformation.create_change_set(request);
            let made = self.attempt_with(upload, session, &mut false, make).await?;
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

    /// Deletes a change set that is not to be executed, and the empty stack that was made for it. If that fails, the
    /// step's own failure is what has to be told; the next run finds the empty stack and clears it.
    async fn discard(
        &self,
        session: Option<&lock::Session>,
        set: &ChangeSetRef,
        shell: Option<(StackRef, Option<String>)>,
        token: &str,
    ) -> Result<(), SubmitError> {
        let may_send = || session.is_none_or(lock::Session::believed_valid);
        let (cloudformation, clock) = (self.cloudformation.as_ref(), self.clock.as_ref());
        let deleted = delete_change_set(cloudformation, clock, may_send, set, PATIENCE).await;
        drop(deleted.ok_or(SubmitError::LockLost)?);
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
