//! The verbs of CloudFormation over the state.

use async_trait::async_trait;
use jiff::Timestamp;
use runway_core::ident::StackId;
use runway_core::provider::{
    CloudFormation, ErrorKind, EventPage, ParameterValue, Provider, ProviderError, StackPage, StackRef,
    StackRequest, StackState, StackStatus, TemplateLocation, UpdateOutcome,
};
use runway_store::StoreErrorKind;

use crate::advance::fail;
use crate::call::{Call, Refusal};
use crate::catalogue::{digest, uuid};
use crate::evaluate::partition;
use crate::prepare::{self, Prepared};
use crate::state::{Content, Effect, Operation, Previous, Stack, State, Step};
use crate::template::Checked;
use crate::timeline::{self, Removal};
use crate::{Local, parameters, policy, request};

/// Stacks on one page of DescribeStacks.
const STACKS_PER_PAGE: usize = 50;
/// Events on one page of DescribeStackEvents.
const EVENTS_PER_PAGE: usize = 100;

impl Local {
    fn look<T>(&self, call: Call<'_>, look: impl FnOnce(&State) -> T) -> Result<T, ProviderError> {
        self.read(look).map_err(|error| call.local(&error))
    }

    fn change<T>(
        &self,
        call: Call<'_>,
        change: impl FnOnce(&mut State, Timestamp) -> Result<T, ProviderError>,
    ) -> Result<T, ProviderError> {
        self.write(|state, now| change(state, now).map_err(Refusal::from))
            .map_err(|refusal| call.refusal(refusal))
    }

    /// The template's text, wherever it is.
    async fn body(&self, call: Call<'_>, template: &TemplateLocation) -> Result<String, ProviderError> {
        let (bucket, key, region) = match template {
            TemplateLocation::Body(body) if body.is_empty() => {
                return Err(call.validation("Either Template URL or Template Body must be specified."));
            }
            TemplateLocation::Body(body) if body.len() > request::MAX_BODY => {
                return Err(call.validation(format!(
                    "1 validation error detected: Value at 'templateBody' failed to satisfy constraint: Member must \
                     have length less than or equal to {}",
                    request::MAX_BODY
                )));
            }
            TemplateLocation::Body(body) => return Ok(body.clone()),
            TemplateLocation::Object { bucket, key, region } => (bucket, key, region),
        };
        let object = match self.object_store(bucket, region.as_deref()).get(key).await {
            Ok(object) => object,
            Err(error) if error.kind == StoreErrorKind::NoBucket => None,
            Err(error) => return Err(error.into()),
        };
        let object = object.ok_or_else(|| {
            call.validation("TemplateURL must reference a valid S3 object to which you have access.")
        })?;
        if object.body.len() > request::MAX_OBJECT {
            return Err(
                call.validation(format!("Template may not exceed {} bytes in size.", request::MAX_OBJECT))
            );
        }
        String::from_utf8(object.body.to_vec())
            .map_err(|_| call.validation("Template format error: the template is not UTF-8 text"))
    }

    /// Checks a create or update as far as that goes without the stack.
    async fn check(&self, call: Call<'_>, request: &StackRequest) -> Result<Checked, ProviderError> {
        request::check(request).map_err(|message| call.validation(message))?;
        let body = self.body(call, &request.template).await?;
        let template = Checked::parse(&body).map_err(|message| call.validation(message))?;
        let has = |wanted: &str| {
            let named_is_enough = wanted == "CAPABILITY_IAM";
            request.capabilities.iter().any(|capability| {
                capability == wanted || (named_is_enough && capability == "CAPABILITY_NAMED_IAM")
            })
        };
        let missing: Vec<_> =
            template.required_capabilities().into_iter().filter(|wanted| !has(wanted)).collect();
        if !missing.is_empty() {
            let message = format!(
                "InsufficientCapabilitiesException: Requires capabilities : [{}]",
                missing.join(", ")
            );
            return Err(call.error(ErrorKind::Validation, message));
        }
        Ok(template)
    }

    fn prepare(
        &self,
        call: Call<'_>,
        state: &State,
        subject: &Subject<'_>,
    ) -> Result<(Content, Prepared), ProviderError> {
        let refuse = |message: String| call.validation(message);
        let existing = subject.existing.and_then(|index| Some((index, state.stacks.get(index)?)));
        let previous = existing.map(|(_, stack)| &stack.content.parameters);
        let definitions = &subject.template.template.parameters;
        let parameters =
            parameters::resolve(definitions, &subject.request.parameters, previous).map_err(refuse)?;
        let file = self.file_script().map_err(|error| call.local(&error))?;
        let own = self.own_script();
        let prepared = prepare::prepare(&prepare::Input {
            template: subject.template,
            parameters: &parameters,
            state,
            place: self.here(),
            stack_name: subject.name,
            stack_id: subject.id,
            generation: existing.map_or(0, |(_, stack)| stack.generation + 1),
            existing: existing.map(|(index, stack)| (index, &stack.resources)),
            policy: existing.and_then(|(_, stack)| stack.policy.as_deref()),
            scripts: &[&file, &own],
            per_resource: self.timing().per_resource,
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

/// What a create or update is about.
struct Subject<'a> {
    request: &'a StackRequest,
    template: &'a Checked,
    name: &'a str,
    id: &'a str,
    existing: Option<usize>,
}

/// Digest of everything a request says, so that a repeated one is recognised.
fn request_digest(operation: &str, request: &StackRequest) -> String {
    digest(&[operation, &format!("{request:?}")])
}

#[async_trait]
impl CloudFormation for Local {
    async fn describe_stacks(&self, page: Option<&str>) -> Result<StackPage, ProviderError> {
        let call = Call { operation: "DescribeStacks", target: "-" };
        let begin = match page {
            None => 0,
            Some(token) => token
                .parse::<usize>()
                .map_err(|_| call.validation(format!("Invalid pagination token: {token}")))?,
        };
        self.look(call, |state| {
            let live = state.stacks.iter().enumerate().skip(begin).filter(|(_, stack)| stack.is_live());
            let mut page: Vec<_> = live.take(STACKS_PER_PAGE + 1).collect();
            let next = (page.len() > STACKS_PER_PAGE).then(|| page.pop()).flatten();
            StackPage {
                stacks: page.into_iter().map(|(_, stack)| stack.describe()).collect(),
                // An index into all stacks ever: neither new nor deleted ones move it.
                next: next.map(|(index, _)| index.to_string()),
            }
        })
    }

    async fn describe_stack(&self, stack: &StackRef) -> Result<Option<StackState>, ProviderError> {
        let call = Call::new("DescribeStacks", stack);
        self.look(call, |state| {
            state.find(stack).and_then(|index| state.stacks.get(index)).map(Stack::describe)
        })
    }

    async fn get_template(&self, stack: &StackRef) -> Result<Option<String>, ProviderError> {
        let call = Call::new("GetTemplate", stack);
        self.look(call, |state| {
            state
                .find(stack)
                .and_then(|index| state.stacks.get(index))
                .map(|stack| stack.content.template.clone())
        })
    }

    async fn get_stack_policy(&self, stack: &StackRef) -> Result<Option<String>, ProviderError> {
        let call = Call::new("GetStackPolicy", stack);
        self.look(call, |state| {
            let index = call.find(state, stack)?;
            Ok(state.stacks.get(index).and_then(|stack| stack.policy.clone()))
        })?
    }

    async fn set_stack_policy(&self, stack: &StackRef, policy: &str) -> Result<(), ProviderError> {
        let call = Call::new("SetStackPolicy", stack);
        policy::check(policy).map_err(|message| call.validation(message))?;
        self.change(call, |state, _| {
            let index = call.find(state, stack)?;
            state.stacks[index].policy = Some(policy.to_owned());
            Ok(())
        })
    }

    async fn set_termination_protection(&self, stack: &StackRef, enabled: bool) -> Result<(), ProviderError> {
        let call = Call::new("UpdateTerminationProtection", stack);
        self.change(call, |state, _| {
            let index = call.find(state, stack)?;
            let stack = &mut state.stacks[index];
            if stack.status == StackStatus::DeleteInProgress {
                return Err(call.validation(format!(
                    "Stack [{}] cannot be protected while in status {}",
                    stack.name, stack.status
                )));
            }
            stack.protected = enabled;
            Ok(())
        })
    }

    async fn create_stack(&self, request: &StackRequest) -> Result<StackId, ProviderError> {
        let call = Call::new("CreateStack", &request.stack);
        let StackRef::Name(name) = &request.stack else {
            return Err(call.validation("CreateStack takes a name, not an id"));
        };
        let name = name.as_str();
        let template = self.check(call, request).await?;
        if request.parameters.iter().any(|(_, value)| *value == ParameterValue::Previous) {
            return Err(call.validation("Invalid input: usePreviousValue has no meaning for a new stack"));
        }
        let digest_of_request = request_digest(call.operation, request);
        self.change(call, |state, now| {
            if let Some(stack) = state.find(&request.stack).and_then(|index| state.stacks.get(index)) {
                if call.is_repeated(stack, &request.token, &digest_of_request)? {
                    return Ok(StackId::new(&stack.id));
                }
                let message = format!("AlreadyExistsException: Stack [{name}] already exists");
                return Err(call.error(ErrorKind::AlreadyExists, message));
            }
            let place = self.here();
            let unique = uuid(&digest(&[name, &state.serial.to_string(), &now.to_string()]));
            let id = format!(
                "arn:{}:cloudformation:{}:{}:stack/{name}/{unique}",
                partition(&place.region),
                place.region,
                place.account
            );
            let subject = Subject { request, template: &template, name, id: &id, existing: None };
            let (content, prepared) = self.prepare(call, state, &subject)?;
            let deadline = request
                .timeout_minutes
                .map(|minutes| timeline::after(now, std::time::Duration::from_secs(u64::from(minutes) * 60)));
            let failure = prepared.failure;
            let steps = timeline::forward(&prepared.target, now, deadline, self.timing().idle);
            let mut stack = Stack {
                name: name.to_owned(),
                id: id.clone(),
                status: StackStatus::CreateInProgress,
                status_reason: None,
                created: now,
                updated: None,
                protected: request.termination_protection,
                role_arn: request.role_arn.clone(),
                policy: request.stack_policy.clone(),
                content,
                resources: std::collections::BTreeMap::new(),
                tokens: std::collections::BTreeMap::from([(request.token.clone(), digest_of_request)]),
                generation: 0,
                events: Vec::new(),
                operation: Some(Operation {
                    token: request.token.clone(),
                    steps: steps.into(),
                    target: prepared.target,
                    previous: None,
                    touched: std::collections::BTreeSet::new(),
                }),
            };
            stack.enter(now, StackStatus::CreateInProgress, Some(USER_INITIATED.to_owned()));
            state.serial += 1;
            state.stacks.push(stack);
            if let Some(reason) = failure {
                fail(state, state.stacks.len() - 1, now, &reason);
            }
            Ok(StackId::new(id))
        })
    }

    async fn update_stack(&self, request: &StackRequest) -> Result<UpdateOutcome, ProviderError> {
        let call = Call::new("UpdateStack", &request.stack);
        let template = self.check(call, request).await?;
        let digest_of_request = request_digest(call.operation, request);
        self.change(call, |state, now| {
            let index = call.find(state, &request.stack)?;
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
            let subject =
                Subject { request, template: &template, name: &name, id: &id, existing: Some(index) };
            let (mut content, prepared) = self.prepare(call, state, &subject)?;
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
            content.outputs = stack.content.outputs.clone();
            content.exports = stack.content.exports.clone();
            let steps = timeline::forward(&prepared.target, now, None, self.timing().idle);
            let previous = Previous { content: stack.content.clone(), resources: stack.resources.clone() };
            stack.content = content;
            stack.generation += 1;
            stack.updated = Some(now);
            stack.role_arn = request.role_arn.clone().or(stack.role_arn.take());
            stack.policy = request.stack_policy.clone().or(stack.policy.take());
            stack.tokens.insert(request.token.clone(), digest_of_request);
            stack.operation = Some(Operation {
                token: request.token.clone(),
                steps: steps.into(),
                target: prepared.target,
                previous: Some(Box::new(previous)),
                touched: std::collections::BTreeSet::new(),
            });
            stack.enter(now, StackStatus::UpdateInProgress, Some(USER_INITIATED.to_owned()));
            if let Some(reason) = prepared.failure {
                fail(state, index, now, &reason);
            }
            Ok(UpdateOutcome::Started)
        })
    }

    async fn delete_stack(
        &self,
        stack: &StackRef,
        role_arn: Option<&str>,
        token: &str,
    ) -> Result<(), ProviderError> {
        let call = Call::new("DeleteStack", stack);
        request::stack_name(stack)
            .and_then(|()| request::token(token))
            .map_err(|message| call.validation(message))?;
        let digest_of_request = digest(&[call.operation, stack.as_str(), role_arn.unwrap_or_default()]);
        let file = self.file_script().map_err(|error| call.local(&error))?;
        self.change(call, |state, now| {
            let Ok(index) = call.find(state, stack) else { return Ok(()) };
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
                let importer = state.importer(export, index)?;
                Some(format!("Export {export} cannot be deleted as it is in use by {importer}"))
            });
            let mut resources = stack.resources.clone();
            for (id, resource) in &mut resources {
                let scripts = [&file, &*self.own_script()];
                let behaviour = std::mem::take(&mut resource.behaviour);
                resource.behaviour =
                    crate::script::behaviour(behaviour, &resource.metadata, &scripts, &stack.name, id)
                        .map_err(|message| call.validation(message))?;
            }
            let steps = match in_use {
                Some(reason) => {
                    let effect = Effect::Settle { status: StackStatus::DeleteFailed, reason: Some(reason) };
                    vec![Step { at: timeline::after(now, self.timing().idle), effect }]
                }
                None => timeline::removal(&resources, now, Removal::Delete, self.timing().idle),
            };
            let stack = &mut state.stacks[index];
            stack.tokens.insert(token.to_owned(), digest_of_request);
            stack.role_arn = role_arn.map(str::to_owned).or(stack.role_arn.take());
            stack.operation = Some(Operation {
                token: token.to_owned(),
                steps: steps.into(),
                target: crate::state::Target::default(),
                previous: None,
                touched: std::collections::BTreeSet::new(),
            });
            stack.enter(now, StackStatus::DeleteInProgress, Some(USER_INITIATED.to_owned()));
            Ok(())
        })
    }

    async fn stack_events(&self, stack: &StackRef, page: Option<&str>) -> Result<EventPage, ProviderError> {
        let call = Call::new("DescribeStackEvents", stack);
        let end = match page {
            None => usize::MAX,
            Some(token) => token
                .parse::<usize>()
                .map_err(|_| call.validation(format!("Invalid pagination token: {token}")))?,
        };
        self.look(call, |state| {
            let stack =
                state.find(stack).and_then(|index| state.stacks.get(index)).ok_or_else(|| call.missing())?;
            // The token counts from the oldest event, so that new events do not move it.
            let end = end.min(stack.events.len());
            let begin = end.saturating_sub(EVENTS_PER_PAGE);
            let events = stack.events.get(begin..end).unwrap_or_default().iter().rev().cloned().collect();
            Ok(EventPage { events, next: (begin > 0).then(|| begin.to_string()) })
        })?
    }
}

const USER_INITIATED: &str = "User Initiated";

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
