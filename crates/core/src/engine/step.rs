//! One step as a list of operations, each a call to CloudFormation and often a stack to watch afterwards.

mod change_set;
mod operations;
mod upload;

pub(crate) use operations::{afterwards, operations};

use std::future::Future;
use std::sync::Arc;

use futures_util::future::{BoxFuture, FutureExt};
use runway_store::ObjectKey;
use sha2::{Digest, Sha256};

use crate::clock::Clock;
use crate::config::Config;
use crate::engine::execute::Execution;
use crate::engine::judge::Goal;
use crate::engine::sending::attempts;
use crate::engine::step::upload::Upload;
use crate::event::StepFailure;
use crate::ident::{NodeName, StackFqn};
use crate::lock;
use crate::plan::{Answers, Hidden, Step, World, outstanding};
use crate::provider::{
    ChangeSetKind, CloudFormation, ErrorKind, ProviderError, StackRef, StackRequest, StackState, StackStatus,
    TemplateLocation, UpdateOutcome,
};
use crate::template::Template;

/// What CFNgin always grants; templates that need less are not harmed.
pub(crate) const CAPABILITIES: [&str; 2] = ["CAPABILITY_NAMED_IAM", "CAPABILITY_AUTO_EXPAND"];

/// One part of a step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Operation {
    /// Wait until no other operation is under way on the stack.
    AwaitIdle,
    /// Wait until the stack, which is being deleted already, is gone.
    AwaitDeletion,
    /// UpdateTerminationProtection.
    SetTerminationProtection(bool),
    /// SetStackPolicy, where the request does not carry the policy.
    SetStackPolicy,
    /// DeleteStack.
    Delete,
    /// CreateStack, or a change set.
    Create,
    /// UpdateStack, or a change set.
    Update,
    /// Whatever a task does.
    Task,
}

impl Operation {
    /// Whether it changes anything, as opposed to waiting.
    pub(crate) fn starts_work(&self) -> bool {
        !matches!(self, Self::AwaitIdle | Self::AwaitDeletion)
    }

    /// Whether template and parameters are sent with it.
    pub(crate) fn sends_content(&self) -> bool {
        matches!(self, Self::Create | Self::Update | Self::Task)
    }
}

/// What a submitted operation leads to.
#[derive(Debug)]
pub(crate) enum Submission {
    /// A stack to watch.
    Watch {
        stack: StackRef,
        goal: Goal,
        /// The stack before the operation.
        before: Option<Box<StackState>>,
        /// What a repetition was refused with, after an attempt that had no answer.
        refused: Option<Box<StepFailure>>,
    },
    /// What the operation needs to know is known now; it may begin.
    Answered(Box<Answers>),
    /// It is over; the next operation may follow.
    Done,
    /// Nothing was left to do.
    Unchanged,
}

/// Why an operation was not submitted.
#[derive(Debug)]
pub(crate) enum SubmitError {
    /// The step fails.
    Failed(StepFailure),
    /// The lease is not believed valid any more: nothing may be sent.
    LockLost,
}

/// An operation on its way.
pub(crate) type Submitting<'a> = BoxFuture<'a, (NodeName, Result<Submission, SubmitError>)>;

/// The request token of a stack's create, update or delete: equal for every attempt of one session, so that a
/// repeated request is recognised. At most 128 letters, digits and dashes (CloudFormation, `ClientRequestToken`).
pub(crate) fn token(session: &str, verb: char, fqn: &StackFqn) -> String {
    let digest = Sha256::digest(fqn.as_str());
    let short: String = digest.iter().take(4).map(|byte| format!("{byte:02x}")).collect();
    let name: String =
        fqn.as_str().chars().filter(|c| c.is_ascii_alphanumeric() || *c == '-').take(60).collect();
    format!("rr-{session}-{verb}-{short}-{name}")
}

/// Everything one operation needs, owned, so that it can run beside the others.
struct Call {
    cloudformation: Arc<dyn CloudFormation>,
    clock: Arc<dyn Clock>,
    stack: StackRef,
    before: Option<StackState>,
    fqn: StackFqn,
    /// Somebody else may create it at the same time, to the same end.
    shared: bool,
}

/// Asks what the values and the template of a stack still need, now that the stacks it needs are done; `None` if
/// everything is known.
pub(crate) fn ask<'a>(execution: &Execution<'a>, world: &World, name: &NodeName) -> Option<Submitting<'a>> {
    let (engine, desired) = (execution.engine, execution.desired);
    let settings = engine.options.settings();
    let outstanding = match (desired.config.stacks.get(name), desired.config.tasks.get(name)) {
        (Some(stack), _) => outstanding::of_stacks(desired, world, &settings, std::iter::once(stack)),
        (None, Some(task)) => outstanding::of_tasks(desired, world, &settings, std::iter::once(task), false),
        (None, None) => return None,
    };
    if outstanding.is_empty() {
        return None;
    }
    let (name, region) = (name.clone(), world.place.region.clone());
    let asking = async move {
        let answers = engine.answer(desired, outstanding, &region).await;
        (name, Ok(Submission::Answered(Box::new(answers))))
    };
    Some(asking.boxed())
}

/// Prepares an operation of a step: resolves values, builds the request. `Ok(None)` means that nothing is left to do.
///
/// # Errors
/// [`StepFailure`] if values cannot be resolved now that everything is known.
pub(crate) fn prepare<'a>(
    execution: &Execution<'a>,
    world: &World,
    name: &NodeName,
    operation: Operation,
) -> Result<Option<Submitting<'a>>, StepFailure> {
    let Some(step) = execution.plan.step(name) else { return Ok(None) };
    let live = world.stacks.get(&step.fqn).cloned();
    let live_status = live.as_ref().map(|stack| stack.status);
    let stack = match (&live, &step.stack_id) {
        (Some(stack), _) => StackRef::Id(stack.id.clone()),
        (None, Some(id)) => StackRef::Id(id.clone()),
        (None, None) => StackRef::Name(step.fqn.clone()),
    };
    let engine = execution.engine;
    let call = Call {
        cloudformation: engine.provider.cloudformation(),
        clock: Arc::clone(&engine.clock),
        stack,
        before: live,
        fqn: step.fqn.clone(),
        shared: execution.backing.shares_stacks,
    };
    let session = execution.session;
    let token_of = |verb| token(&engine.options.session, verb, &step.fqn);
    let config = &execution.desired.config;
    let submission: BoxFuture<'a, Result<Submission, SubmitError>> = match operation {
        Operation::AwaitIdle => {
            let watch =
                Submission::Watch { stack: call.stack, goal: Goal::Idle, before: None, refused: None };
            async move { Ok(watch) }.boxed()
        }
        Operation::AwaitDeletion => {
            let watch =
                Submission::Watch { stack: call.stack, goal: Goal::Deleted, before: None, refused: None };
            async move { Ok(watch) }.boxed()
        }
        Operation::SetTerminationProtection(wanted) => call.protect(session, wanted).boxed(),
        Operation::SetStackPolicy => {
            let policy = execution.desired.policies.get(name).cloned().unwrap_or_default();
            call.set_policy(session, policy).boxed()
        }
        // What tasks do is no call to CloudFormation in the run's own place.
        Operation::Task => return Ok(None),
        Operation::Delete => call.delete(session, config.service_role.clone(), token_of('d')).boxed(),
        Operation::Create | Operation::Update => {
            let creates = operation == Operation::Create;
            if !creates {
                updatable(&step.fqn, live_status)?;
            }
            if !creates
                && crate::plan::is_settled(execution.desired, world, &engine.options.settings(), name)?
            {
                return Ok(None);
            }
            if !creates {
                keeps_data(execution, world, step)?;
            }
            let token = token_of(if creates { 'c' } else { 'u' });
            let Content { request, upload, by_change_set } = content(execution, world, name, &call, token)?;
            if by_change_set {
                let kind = if creates { ChangeSetKind::Create } else { ChangeSetKind::Update };
                call.by_change_set(session, upload, request, kind, token_of('d')).boxed()
            } else if creates {
                call.create(session, upload, request).boxed()
            } else {
                call.update(session, upload, request).boxed()
            }
        }
    };
    let name = name.clone();
    Ok(Some(async move { (name, submission.await) }.boxed()))
}

/// An update that turns out to lose data of which its plan did not know is not begun, whoever approved the plan.
fn keeps_data(execution: &Execution<'_>, world: &World, step: &Step) -> Result<(), StepFailure> {
    let settings = execution.engine.settings_of_today();
    let lost = crate::plan::unannounced_losses(execution.desired, world, &settings, step)?;
    if lost.is_empty() {
        return Ok(());
    }
    let names: Vec<String> = lost.iter().map(|loss| format!("{} ({})", loss.allow(), loss.holds)).collect();
    let allow: Vec<String> = lost.iter().map(|loss| format!("--allow {}", loss.allow())).collect();
    Err(StepFailure {
        message: format!(
            "not updated: with the values that are known now it loses, or may lose, data that the plan did not show: {}",
            names.join(", ")
        ),
        help: Some(format!("run `plan` again and look; if the loss is meant: {}", allow.join(" "))),
        ..StepFailure::default()
    })
}

/// What was under way when the plan was made is over by now. If it was a creation that failed, or if the stack is gone,
/// there is nothing to update, and what has to be done instead no plan has shown.
fn updatable(fqn: &StackFqn, status: Option<StackStatus>) -> Result<(), StepFailure> {
    let message = match status {
        None => format!("`{fqn}` does not exist any more"),
        Some(status) if status.is_failed_creation() => {
            format!("the creation of `{fqn}` that was under way ended in {status}")
        }
        Some(_) => return Ok(()),
    };
    let help = Some("run the command again: the next plan creates it anew".to_owned());
    Err(StepFailure { message, help, ..StepFailure::default() })
}

/// What a create or update sends.
struct Content {
    request: StackRequest,
    upload: Option<Upload>,
    by_change_set: bool,
}

/// Builds the request of a create or update from the config and from what upstream stacks gave.
fn content(
    execution: &Execution<'_>,
    world: &World,
    name: &NodeName,
    call: &Call,
    token: String,
) -> Result<Content, StepFailure> {
    let desired = execution.desired;
    let Some(definition) = desired.config.stacks.get(name) else {
        return Err(StepFailure {
            message: format!("the config has no stack `{name}`"),
            ..StepFailure::default()
        });
    };
    let settings = execution.engine.options.settings();
    let asked = &execution.engine.asked;
    asked.learn(Hidden::of_stack(desired, world, &settings, definition, asked.hidden_outputs()));
    let (template, parameters) = crate::plan::request_content(desired, world, &settings, name)?;
    // CloudFormation works such a template out before it is carried out: macros may do anything to it.
    let by_change_set = template.has_macros();
    let upload = Upload::of(execution, &world.place, name, &template);
    let template = match (&execution.backing.bucket, &upload) {
        (Some((bucket, _)), Some(upload)) => TemplateLocation::Object {
            bucket: bucket.clone(),
            key: upload.key.clone(),
            region: desired.config.bucket_region.clone(),
        },
        _ => TemplateLocation::Body(template.body.clone()),
    };
    let creates = call.before.is_none();
    let request = StackRequest {
        stack: if creates { StackRef::Name(call.fqn.clone()) } else { call.stack.clone() },
        template,
        parameters,
        tags: definition.tags.clone(),
        role_arn: desired.config.service_role.clone(),
        stack_policy: desired.policies.get(name).cloned(),
        capabilities: CAPABILITIES.map(str::to_owned).to_vec(),
        termination_protection: definition.termination_protection,
        timeout_minutes: definition.timeout_minutes,
        token,
    };
    Ok(Content { request, upload, by_change_set })
}

/// CFNgin's key, always `.json`, built from the stack's name even where it has a `stack_name`.
pub(crate) fn template_key(config: &Config, name: &NodeName, template: &Template) -> ObjectKey {
    let fqn = config.fqn(name.as_str());
    ObjectKey::new(format!("stack_templates/{fqn}/{name}-{}.json", template.md5_prefix()))
}

impl Call {
    async fn create(
        self,
        session: Option<&lock::Session>,
        upload: Option<Upload>,
        request: StackRequest,
    ) -> Result<Submission, SubmitError> {
        let mut answer_lost = false;
        let create = || self.cloudformation.create_stack(&request);
        let result = self.attempt_with(upload.as_ref(), session, &mut answer_lost, create).await?;
        let stack = match result {
            Ok(id) => StackRef::Id(id),
            // An earlier attempt took effect and its answer was lost.
            Err(error) if error.kind == ErrorKind::AlreadyExists && (answer_lost || self.shared) => {
                StackRef::Name(self.fqn.clone())
            }
            Err(error) => return Err(SubmitError::Failed(refused(&error))),
        };
        Ok(Submission::Watch { stack, goal: Goal::Created, before: None, refused: None })
    }

    async fn update(
        self,
        session: Option<&lock::Session>,
        upload: Option<Upload>,
        request: StackRequest,
    ) -> Result<Submission, SubmitError> {
        let mut answer_lost = false;
        let update = || self.cloudformation.update_stack(&request);
        let result = self.attempt_with(upload.as_ref(), session, &mut answer_lost, update).await?;
        let refused = match result {
            Ok(UpdateOutcome::NothingToUpdate) if !answer_lost => return Ok(Submission::Unchanged),
            Ok(_) => None,
            // Perhaps because an earlier attempt, whose answer was lost, has begun the update.
            Err(error) if answer_lost && error.kind == ErrorKind::Validation => {
                Some(Box::new(refused(&error)))
            }
            Err(error) => return Err(SubmitError::Failed(refused(&error))),
        };
        let before = self.before.clone().map(Box::new);
        Ok(Submission::Watch { stack: self.stack.clone(), goal: Goal::Updated, before, refused })
    }

    async fn delete(
        self,
        session: Option<&lock::Session>,
        role: Option<String>,
        token: String,
    ) -> Result<Submission, SubmitError> {
        let mut answer_lost = false;
        self.attempt(session, &mut answer_lost, || {
            self.cloudformation.delete_stack(&self.stack, role.as_deref(), &token)
        })
        .await?
        .map_err(|error| SubmitError::Failed(refused(&error)))?;
        let before = self.before.clone().map(Box::new);
        Ok(Submission::Watch { stack: self.stack.clone(), goal: Goal::Deleted, before, refused: None })
    }

    async fn protect(self, session: Option<&lock::Session>, wanted: bool) -> Result<Submission, SubmitError> {
        self.attempt(session, &mut false, || {
            self.cloudformation.set_termination_protection(&self.stack, wanted)
        })
        .await?
        .map_err(|error| SubmitError::Failed(refused(&error)))?;
        Ok(Submission::Done)
    }

    async fn set_policy(
        self,
        session: Option<&lock::Session>,
        policy: String,
    ) -> Result<Submission, SubmitError> {
        self.attempt(session, &mut false, || self.cloudformation.set_stack_policy(&self.stack, &policy))
            .await?
            .map_err(|error| SubmitError::Failed(refused(&error)))?;
        Ok(Submission::Done)
    }

    /// Sends a request that names a template in the bucket, which is uploaded first unless it was before. If it was, and
    /// the request is refused because it is there no more, it is uploaded and the request is sent once more.
    async fn attempt_with<T, F>(
        &self,
        upload: Option<&Upload>,
        session: Option<&lock::Session>,
        answer_lost: &mut bool,
        mut send: impl FnMut() -> F,
    ) -> Result<Result<T, ProviderError>, SubmitError>
    where
        F: Future<Output = Result<T, ProviderError>>,
    {
        let clock = self.clock.as_ref();
        let known = upload.filter(|upload| upload.is_known());
        if let (Some(upload), None) = (upload, known) {
            upload.send(clock).await.map_err(SubmitError::Failed)?;
        }
        let result = self.attempt(session, answer_lost, &mut send).await?;
        let about_template = |error: &ProviderError| {
            matches!(error.kind, ErrorKind::Validation | ErrorKind::NotFound | ErrorKind::Denied)
        };
        match (&result, known) {
            (Err(error), Some(upload)) if about_template(error) => {
                if upload.send(clock).await.map_err(SubmitError::Failed)? {
                    return self.attempt(session, answer_lost, send).await;
                }
                Ok(result)
            }
            _ => Ok(result),
        }
    }

    /// Sends a mutating request until there is an answer that means something. Before every attempt the lease must
    /// be believed valid: a session that slept through its lease sends nothing more.
    async fn attempt<T, F>(
        &self,
        session: Option<&lock::Session>,
        answer_lost: &mut bool,
        send: impl FnMut() -> F,
    ) -> Result<Result<T, ProviderError>, SubmitError>
    where
        F: Future<Output = Result<T, ProviderError>>,
    {
        let may_send = || session.is_none_or(lock::Session::believed_valid);
        let sent = attempts(self.clock.as_ref(), may_send, answer_lost, send).await;
        sent.ok_or(SubmitError::LockLost)
    }
}

/// A call that the provider refused, as the failure of a step.
fn refused(error: &ProviderError) -> StepFailure {
    let request = error.request_id.as_deref().map(|id| format!(" (request {id})")).unwrap_or_default();
    let help = match error.kind {
        ErrorKind::Protected => {
            Some("termination protection is on; switch it off first if the stack is really to be deleted")
        }
        ErrorKind::AlreadyExists => {
            Some("somebody else created it meanwhile; run the command again to plan with it")
        }
        ErrorKind::Denied | ErrorKind::Credentials => {
            Some("check the permissions of the credentials or of the service role")
        }
        ErrorKind::Unavailable => Some(
            "it is unknown whether the call took effect; the records cover both, so run the command again",
        ),
        ErrorKind::LocalAccess | ErrorKind::LocalState | ErrorKind::Misconfigured => {
            Some(error.kind.remedy())
        }
        _ => None,
    };
    StepFailure {
        message: format!("{}: {}{request}", error.operation, error.message),
        help: help.map(str::to_owned),
        ..StepFailure::default()
    }
}
