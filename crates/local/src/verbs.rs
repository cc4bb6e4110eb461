//! Creating, updating and deleting a stack: what these requests do to the state.

use jiff::Timestamp;
use runway_core::ident::StackId;
use runway_core::provider::{ErrorKind, ProviderError, StackRef, StackRequest, StackStatus, UpdateOutcome};

use crate::advance::fail;
use crate::call::Call;
use crate::catalogue::{digest, uuid};
use crate::evaluate::partition;
use crate::prepare::{self, Prepared};
use crate::script::Script;
use crate::state::{Content, Operation, Previous, Stack, State, Target};
use crate::template::Checked;
use crate::timeline::{self, Removal};
use crate::{Local, parameters, ssm};

const USER_INITIATED: &str = "User Initiated";

/// One request that begins an operation.
pub(crate) struct Verb<'a> {
    local: &'a Local,
    call: &'a Call,
    scripts: [Script; 2],
}

/// What a create or update is about.
struct Subject<'a> {
    request: &'a StackRequest,
    template: &'a Checked,
    name: &'a str,
    id: &'a str,
    existing: Option<usize>,
}

impl<'a> Verb<'a> {
    /// Reads the scripts that apply to operations that begin now.
    ///
    /// # Errors
    /// If the script file is not what it should be.
    pub(crate) fn new(local: &'a Local, call: &'a Call) -> Result<Self, ProviderError> {
        let file = local.file_script().map_err(|error| call.local(&error))?;
        Ok(Self { local, call, scripts: [file, local.own_script().clone()] })
    }

    /// CreateStack.
    pub(crate) fn create(
        &self,
        state: &mut State,
        now: Timestamp,
        request: &StackRequest,
        template: &Checked,
    ) -> Result<StackId, ProviderError> {
        let call = self.call;
        let name = request.stack.as_str();
        let digest_of_request = request_digest(call.operation, request);
        if let Some(stack) = self.local.find(state, &request.stack) {
            if call.is_repeated(stack, &request.token, &digest_of_request)? {
                return Ok(StackId::new(&stack.id));
            }
            let message = format!("AlreadyExistsException: Stack [{name}] already exists");
            return Err(call.error(ErrorKind::AlreadyExists, message));
        }
        let id = self.new_id(state, now, name);
        let subject = Subject { request, template, name, id: &id, existing: None };
        let (content, prepared) = self.prepare(state, &subject)?;
        let index = push(state, now, name, &id);
        state.stacks[index].protected = request.termination_protection;
        state.stacks[index].policy.clone_from(&request.stack_policy);
        state.stacks[index].remember(&request.token, digest_of_request);
        self.begin_creation(state, index, now, &subject, content, prepared);
        Ok(StackId::new(id))
    }

    /// The id of a stack that is about to exist.
    pub(crate) fn new_id(&self, state: &State, now: Timestamp, name: &str) -> String {
        let place = self.local.here();
        let unique = uuid(&digest(&[name, &state.serial.to_string(), &now.to_string()]));
        format!(
            "arn:{}:cloudformation:{}:{}:stack/{name}/{unique}",
            partition(&place.region),
            place.region,
            place.account
        )
    }

    /// Lets a stack that was empty so far become what it is to be.
    fn begin_creation(
        &self,
        state: &mut State,
        index: usize,
        now: Timestamp,
        subject: &Subject<'_>,
        content: Content,
        prepared: Prepared,
    ) {
        let request = subject.request;
        let deadline = request
            .timeout_minutes
            .map(|minutes| timeline::after(now, std::time::Duration::from_secs(u64::from(minutes) * 60)));
        let steps = timeline::forward(&prepared.target, now, deadline, self.local.timing().idle);
        let stack = &mut state.stacks[index];
        stack.role_arn.clone_from(&request.role_arn);
        stack.content = content;
        stack.operation = Some(Operation {
            token: request.token.clone(),
            steps: steps.into(),
            target: prepared.target,
            previous: None,
            touched: std::collections::BTreeSet::new(),
        });
        stack.enter(now, StackStatus::CreateInProgress, Some(beginning(subject.template)));
        if let Some(reason) = prepared.failure {
            fail(state, index, now, &reason);
        }
    }

    /// What a stack would become: `existing` is its index, if it is not to be created.
    pub(crate) fn foresee(
        &self,
        state: &State,
        request: &StackRequest,
        template: &Checked,
        (name, id): (&str, &str),
        existing: Option<usize>,
    ) -> Result<(Content, Prepared), ProviderError> {
        self.prepare(state, &Subject { request, template, name, id, existing })
    }

    /// ExecuteChangeSet of a set that creates the stack.
    pub(crate) fn create_reviewed(
        &self,
        state: &mut State,
        now: Timestamp,
        index: usize,
        request: &StackRequest,
        template: &Checked,
    ) -> Result<(), ProviderError> {
        let (name, id) = (state.stacks[index].name.clone(), state.stacks[index].id.clone());
        let subject = Subject { request, template, name: &name, id: &id, existing: None };
        let (content, prepared) = self.prepare(state, &subject)?;
        let digest_of_request = request_digest(self.call.operation, request);
        state.stacks[index].remember(&request.token, digest_of_request);
        self.begin_creation(state, index, now, &subject, content, prepared);
        Ok(())
    }

    /// UpdateStack.
    pub(crate) fn update(
        &self,
        state: &mut State,
        now: Timestamp,
        request: &StackRequest,
        template: &Checked,
    ) -> Result<UpdateOutcome, ProviderError> {
        let call = self.call;
        let digest_of_request = request_digest(call.operation, request);
        let index = call.find(state, &request.stack, self.local.here())?;
        let stack = &state.stacks[index];
        if call.is_repeated(stack, &request.token, &digest_of_request)? {
            return Ok(UpdateOutcome::Started);
        }
        if !is_updatable(stack.status) {
            return Err(call.validation(format!(
                "Stack:{} is in {} state and can not be updated.",
                stack.id, stack.status
            )));
        }
        let (name, id) = (stack.name.clone(), stack.id.clone());
        let subject = Subject { request, template, name: &name, id: &id, existing: Some(index) };
        let (mut content, prepared) = self.prepare(state, &subject)?;
        let stack = &mut state.stacks[index];
        let same_template = Checked::parse(&stack.content.template)
            .is_ok_and(|previous| previous.essence() == template.essence());
        let same_policy = request.stack_policy.is_none() || request.stack_policy == stack.policy;
        let same_values =
            stack.content.parameters == content.parameters && stack.content.tags == content.tags;
        // Imported values may have changed although the template did not.
        let same_result = prepared.target.changes.is_empty()
            && prepared.target.resources.len() == stack.resources.len()
            && prepared.target.outputs == stack.content.outputs;
        if same_template && same_values && same_policy && same_result && prepared.failure.is_none() {
            return Ok(UpdateOutcome::NothingToUpdate);
        }
        // What the update replaces or drops behaves as scripted now.
        let resources = prepare::behaving(&stack.resources, &stack.name, &self.conduct())
            .map_err(|message| call.validation(message))?;
        content.outputs = stack.content.outputs.clone();
        content.exports = stack.content.exports.clone();
        let steps = timeline::forward(&prepared.target, now, None, self.local.timing().idle);
        let previous = Previous { content: std::mem::replace(&mut stack.content, content), resources };
        stack.generation += 1;
        stack.updated = Some(now);
        stack.role_arn = request.role_arn.clone().or(stack.role_arn.take());
        stack.policy = request.stack_policy.clone().or(stack.policy.take());
        stack.remember(&request.token, digest_of_request);
        stack.operation = Some(Operation {
            token: request.token.clone(),
            steps: steps.into(),
            target: prepared.target,
            previous: Some(Box::new(previous)),
            touched: std::collections::BTreeSet::new(),
        });
        stack.enter(now, StackStatus::UpdateInProgress, Some(beginning(template)));
        if let Some(reason) = prepared.failure {
            fail(state, index, now, &reason);
        }
        Ok(UpdateOutcome::Started)
    }

    /// DeleteStack.
    pub(crate) fn delete(
        &self,
        state: &mut State,
        now: Timestamp,
        stack: &StackRef,
        role_arn: Option<String>,
        token: &str,
    ) -> Result<(), ProviderError> {
        let call = self.call;
        let digest_of_request =
            digest(&[call.operation, stack.as_str(), role_arn.as_deref().unwrap_or_default()]);
        let Ok(index) = call.find(state, stack, self.local.here()) else { return Ok(()) };
        let stack = &state.stacks[index];
        if stack.status == StackStatus::DeleteInProgress
            || call.is_repeated(stack, token, &digest_of_request)? && stack.operation.is_some()
        {
            return Ok(());
        }
        if stack.protected {
            let message = format!(
                "ValidationError: Stack [{}] cannot be deleted while TerminationProtection is enabled",
                stack.name
            );
            return Err(call.error(ErrorKind::Protected, message));
        }
        if stack.status.is_in_progress()
            && !matches!(stack.status, StackStatus::CreateInProgress | StackStatus::RollbackInProgress)
        {
            return Err(call.validation(format!(
                "Stack [{}] cannot be deleted while in status {}",
                stack.id, stack.status
            )));
        }
        let in_use = stack.content.exports.values().find_map(|export| {
            let importers = state.importers(export, index)?;
            Some(format!("Delete canceled. Cannot delete export {export} as it is in use by {importers}."))
        });
        let resources = prepare::behaving(&stack.resources, &stack.name, &self.conduct())
            .map_err(|message| call.validation(message))?;
        let stack = &mut state.stacks[index];
        stack.remember(token, digest_of_request);
        if let Some(reason) = in_use {
            // The request is taken, but nothing happens: the status stays, only the reason tells.
            stack.refuse(now, token, reason);
            return Ok(());
        }
        stack.role_arn = role_arn.or(stack.role_arn.take());
        stack.operation = Some(Operation {
            token: token.to_owned(),
            steps: timeline::removal(&resources, now, Removal::Delete, self.local.timing().idle).into(),
            target: Target::default(),
            previous: None,
            touched: std::collections::BTreeSet::new(),
        });
        stack.enter(now, StackStatus::DeleteInProgress, Some(USER_INITIATED.to_owned()));
        Ok(())
    }

    fn conduct(&self) -> prepare::Conduct<'_> {
        prepare::Conduct {
            scripts: &self.scripts,
            per_resource: self.local.timing().per_resource,
            buckets: self.local.buckets(),
        }
    }

    fn prepare(&self, state: &State, subject: &Subject<'_>) -> Result<(Content, Prepared), ProviderError> {
        let refuse = |message: String| self.call.validation(message);
        let existing = subject.existing.and_then(|index| Some((index, state.stacks.get(index)?)));
        let previous = existing.map(|(_, stack)| &stack.content.parameters);
        let definitions = &subject.template.template.parameters;
        let parameters =
            parameters::resolve(definitions, &subject.request.parameters, previous).map_err(refuse)?;
        let values = ssm::resolve(definitions, &parameters, state, self.local.here()).map_err(refuse)?;
        let prepared = prepare::prepare(&prepare::Input {
            template: subject.template,
            parameters: &values,
            state,
            place: self.local.here(),
            stack_name: subject.name,
            stack_id: subject.id,
            generation: existing.map_or(0, |(_, stack)| stack.generation + 1),
            existing: existing.map(|(index, stack)| (index, &stack.resources)),
            policy: existing.and_then(|(_, stack)| stack.policy.as_deref()),
            conduct: self.conduct(),
        })
        .map_err(refuse)?;
        let hidden = definitions.iter().filter(|(_, definition)| definition.no_echo);
        let content = Content {
            template: subject.template.template.body.clone(),
            hidden: hidden.map(|(name, _)| name.clone()).collect(),
            tags: subject.request.tags.clone(),
            imports: prepared.imports.clone(),
            parameters,
            ..Content::default()
        };
        Ok((content, prepared))
    }
}

/// Adds an empty stack, which nobody has told to be anything yet; returns its index.
pub(crate) fn push(state: &mut State, now: Timestamp, name: &str, id: &str) -> usize {
    state.stacks.push(Stack {
        number: state.serial,
        name: name.to_owned(),
        id: id.to_owned(),
        status: StackStatus::ReviewInProgress,
        status_reason: None,
        created: now,
        updated: None,
        protected: false,
        role_arn: None,
        policy: None,
        content: Content::default(),
        resources: std::collections::BTreeMap::new(),
        tokens: std::collections::VecDeque::new(),
        generation: 0,
        events: Vec::new(),
        forgotten_events: 0,
        operation: None,
        change_sets: Vec::new(),
    });
    state.serial += 1;
    state.stacks.len() - 1
}

/// Why an operation begins; the place to say what is not checked here.
fn beginning(template: &Checked) -> String {
    let unchecked = parameters::unchecked(&template.template.parameters);
    if unchecked.is_empty() {
        return USER_INITIATED.to_owned();
    }
    let names = unchecked.join(", ");
    format!("{USER_INITIATED}. The local provider cannot check the AllowedPattern of {names}")
}

/// Digest of everything a request says, so that a repeated one is recognised.
fn request_digest(operation: &str, request: &StackRequest) -> String {
    digest(&[operation, &format!("{request:?}")])
}

fn is_updatable(status: StackStatus) -> bool {
    matches!(
        status,
        StackStatus::CreateComplete
            | StackStatus::UpdateComplete
            | StackStatus::UpdateRollbackComplete
            | StackStatus::ImportComplete
            | StackStatus::ImportRollbackComplete
    )
}
