//! The verbs of CloudFormation: what they look at and check before they change the state.

use async_trait::async_trait;
use jiff::Timestamp;
use runway_core::ident::StackId;
use runway_core::provider::{
    ChangePage, ChangeSet, ChangeSetIds, ChangeSetKind, ChangeSetPage, ChangeSetRef, ChangeSetRequest,
    CloudFormation, ErrorKind, EventPage, ImportPage, ParameterValue, Provider, ProviderError, StackPage,
    StackRef, StackRequest, StackState, StackStatus, TemplateLocation, UpdateOutcome,
};
use runway_store::StoreErrorKind;

use crate::call::{Call, Refusal};
use crate::error::LocalError;
use crate::state::{Stack, State};
use crate::storage::Storage;
use crate::template::Checked;
use crate::verbs::Verb;
use crate::{Local, change_sets, policy, request};

/// Stacks on one page of DescribeStacks.
const STACKS_PER_PAGE: usize = 50;
/// Events on one page of DescribeStackEvents.
const EVENTS_PER_PAGE: usize = 100;
/// Stacks on one page of ListImports.
const IMPORTS_PER_PAGE: usize = 100;

impl Local {
    /// Runs work on the state where it may block: with a directory, another process may hold the lock for a while,
    /// and signals and timers have to be served meanwhile.
    async fn run<T: Send + 'static, E: From<LocalError> + Send + 'static>(
        &self,
        work: impl FnOnce(&Self) -> Result<T, E> + Send + 'static,
    ) -> Result<T, E> {
        match &self.inner.storage {
            Storage::Memory(_) => work(self),
            Storage::Directory(_) => {
                let local = self.clone();
                let outcome = tokio::task::spawn_blocking(move || work(&local)).await;
                outcome.unwrap_or_else(|error| {
                    Err(LocalError::Interrupted { message: error.to_string() }.into())
                })
            }
        }
    }

    async fn look<T: Send + 'static>(
        &self,
        call: &Call,
        look: impl FnOnce(&Self, &State) -> T + Send + 'static,
    ) -> Result<T, ProviderError> {
        let outcome: Result<T, LocalError> =
            self.run(move |local| local.read(|state| look(local, state))).await;
        outcome.map_err(|error| call.local(&error))
    }

    async fn change<T: Send + 'static>(
        &self,
        call: &Call,
        change: impl FnOnce(&Self, &Call, &mut State, Timestamp) -> Result<T, ProviderError> + Send + 'static,
    ) -> Result<T, ProviderError> {
        let own = call.clone();
        let outcome: Result<T, Refusal> = self
            .run(move |local| {
                local.write(|state, now| change(local, &own, state, now).map_err(Refusal::from))
            })
            .await;
        outcome.map_err(|refusal| call.refusal(refusal))
    }

    /// Lets buckets follow what happened to their resources, so that a deletion of the past does not hit a bucket
    /// that is made now.
    pub(crate) async fn finish_chores(&self, bucket: &str) -> Result<(), ProviderError> {
        let call = Call { operation: "CreateBucket", target: bucket.to_owned() };
        if self.look(&call, |_, state| state.chores.is_empty()).await? {
            return Ok(());
        }
        self.change(&call, |_, _, _, _| Ok(())).await
    }

    /// The template's text, wherever it is.
    async fn body(&self, call: &Call, request: &StackRequest) -> Result<String, ProviderError> {
        let (bucket, key, region) = match &request.template {
            TemplateLocation::Previous => {
                let stack = request.stack.clone();
                let body = self.look(call, move |local, state| {
                    let stack = local.find(state, &stack).filter(|stack| stack.is_live());
                    stack.map(|stack| stack.content.template.clone())
                });
                return match body.await?.filter(|body| !body.is_empty()) {
                    Some(body) => Ok(body),
                    None => Err(call.missing()),
                };
            }
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
    async fn check(&self, call: &Call, request: &StackRequest) -> Result<Checked, ProviderError> {
        let template = self.check_outline(call, request).await?;
        match template.not_simulated() {
            Some(what) => Err(call.validation(format!("Template error: {what}"))),
            None => Ok(template),
        }
    }

    /// The same, but for what no simulation knows.
    async fn check_outline(&self, call: &Call, request: &StackRequest) -> Result<Checked, ProviderError> {
        request::check(request).map_err(|message| call.validation(message))?;
        let body = self.body(call, request).await?;
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
}

#[async_trait]
impl CloudFormation for Local {
    async fn describe_stacks(&self, page: Option<&str>) -> Result<StackPage, ProviderError> {
        let call = Call { operation: "DescribeStacks", target: "-".to_owned() };
        let begin = call.place_of(page)? as u64;
        self.look(&call, move |local, state| {
            let live = state
                .stacks
                .iter()
                .filter(|stack| stack.number >= begin && stack.is_live() && stack.is_at(local.here()));
            let mut page: Vec<_> = live.take(STACKS_PER_PAGE + 1).collect();
            let next = (page.len() > STACKS_PER_PAGE).then(|| page.pop()).flatten();
            StackPage {
                // As CloudFormation does, which tells of protection only who asks for one stack.
                stacks: page
                    .into_iter()
                    .map(|stack| StackState {
                        termination_protection: false,
                        protection_unknown: true,
                        ..stack.describe()
                    })
                    .collect(),
                // Stacks are in the order of their numbers: neither new nor deleted ones move the place.
                next: next.map(|stack| stack.number.to_string()),
            }
        })
        .await
    }

    async fn describe_stack(&self, stack: &StackRef) -> Result<Option<StackState>, ProviderError> {
        let (call, stack) = (Call::new("DescribeStacks", stack), stack.clone());
        self.look(&call, move |local, state| local.find(state, &stack).map(Stack::describe)).await
    }

    async fn get_template(&self, stack: &StackRef) -> Result<Option<String>, ProviderError> {
        let (call, stack) = (Call::new("GetTemplate", stack), stack.clone());
        self.look(&call, move |local, state| {
            local.find(state, &stack).map(|stack| stack.content.template.clone())
        })
        .await
    }

    async fn get_stack_policy(&self, stack: &StackRef) -> Result<Option<String>, ProviderError> {
        let (call, stack) = (Call::new("GetStackPolicy", stack), stack.clone());
        let found = self
            .look(&call, move |local, state| {
                let stack = local.find(state, &stack).filter(|stack| stack.is_live());
                stack.map(|stack| stack.policy.clone())
            })
            .await?;
        found.ok_or_else(|| call.missing())
    }

    async fn set_stack_policy(&self, stack: &StackRef, policy: &str) -> Result<(), ProviderError> {
        let (call, stack) = (Call::new("SetStackPolicy", stack), stack.clone());
        policy::check(policy).map_err(|message| call.validation(message))?;
        let policy = policy.to_owned();
        self.change(&call, move |local, call, state, _| {
            let index = call.find(state, &stack, local.here())?;
            state.stacks[index].policy = Some(policy);
            Ok(())
        })
        .await
    }

    async fn set_termination_protection(&self, stack: &StackRef, enabled: bool) -> Result<(), ProviderError> {
        let (call, stack) = (Call::new("UpdateTerminationProtection", stack), stack.clone());
        self.change(&call, move |local, call, state, _| {
            let index = call.find(state, &stack, local.here())?;
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
        .await
    }

    async fn create_stack(&self, request: &StackRequest) -> Result<StackId, ProviderError> {
        let call = Call::new("CreateStack", &request.stack);
        if !matches!(request.stack, StackRef::Name(_)) {
            return Err(call.validation("CreateStack takes a name, not an id"));
        }
        let template = self.check(&call, request).await?;
        if request.parameters.iter().any(|(_, value)| *value == ParameterValue::Previous) {
            return Err(call.validation("Invalid input: usePreviousValue has no meaning for a new stack"));
        }
        let request = request.clone();
        self.change(&call, move |local, call, state, now| {
            Verb::new(local, call)?.create(state, now, &request, &template)
        })
        .await
    }

    async fn update_stack(&self, request: &StackRequest) -> Result<UpdateOutcome, ProviderError> {
        let call = Call::new("UpdateStack", &request.stack);
        let template = self.check(&call, request).await?;
        let request = request.clone();
        self.change(&call, move |local, call, state, now| {
            Verb::new(local, call)?.update(state, now, &request, &template)
        })
        .await
    }

    async fn create_change_set(&self, request: &ChangeSetRequest) -> Result<ChangeSetIds, ProviderError> {
        let call = Call::new("CreateChangeSet", &request.stack.stack);
        let stack = &request.stack;
        request::change_set_name(&request.name).map_err(|message| call.validation(message))?;
        let template = self.check_outline(&call, stack).await?;
        if let Some(what) = template.not_simulated().filter(|_| template.failure_of_transform().is_none()) {
            return Err(call.validation(format!("Template error: {what}")));
        }
        let keeps = stack.parameters.iter().any(|(_, value)| *value == ParameterValue::Previous);
        if request.kind == ChangeSetKind::Create && keeps {
            return Err(call.validation("Invalid input: usePreviousValue has no meaning for a new stack"));
        }
        let request = request.clone();
        self.change(&call, move |local, call, state, now| {
            change_sets::create(local, call, state, now, &request, &template)
        })
        .await
    }

    async fn describe_change_set(&self, set: &ChangeSetRef) -> Result<Option<ChangeSet>, ProviderError> {
        let call = Call { operation: "DescribeChangeSet", target: set.as_str().to_owned() };
        let set = set.clone();
        self.look(&call, move |local, state| {
            change_sets::describe(local, state, &set, local.inner.clock.now())
        })
        .await
    }

    async fn change_set_changes(
        &self,
        set: &ChangeSetRef,
        page: Option<&str>,
    ) -> Result<ChangePage, ProviderError> {
        let call = Call { operation: "DescribeChangeSet", target: set.as_str().to_owned() };
        let (begin, set) = (call.place_of(page)?, set.clone());
        let found = self
            .look(&call, move |local, state| {
                change_sets::changes(local, state, &set, local.inner.clock.now(), begin)
            })
            .await?;
        found.ok_or_else(|| {
            let message = format!("ChangeSetNotFoundException: ChangeSet [{}] does not exist", call.target);
            call.error(ErrorKind::NotFound, message)
        })
    }

    async fn list_change_sets(
        &self,
        stack: &StackRef,
        page: Option<&str>,
    ) -> Result<ChangeSetPage, ProviderError> {
        let call = Call::new("ListChangeSets", stack);
        let (begin, stack) = (call.place_of(page)?, stack.clone());
        let found = self
            .look(&call, move |local, state| {
                let stack = local.find(state, &stack).filter(|stack| stack.is_live());
                stack.map(|stack| change_sets::list(stack, begin))
            })
            .await?;
        found.ok_or_else(|| call.missing())
    }

    async fn execute_change_set(&self, set: &ChangeSetRef, token: &str) -> Result<(), ProviderError> {
        let call = Call { operation: "ExecuteChangeSet", target: set.as_str().to_owned() };
        request::token(token).map_err(|message| call.validation(message))?;
        let (set, token) = (set.clone(), token.to_owned());
        self.change(&call, move |local, call, state, now| {
            change_sets::execute(local, call, state, now, &set, &token)
        })
        .await
    }

    async fn delete_change_set(&self, set: &ChangeSetRef) -> Result<(), ProviderError> {
        let call = Call { operation: "DeleteChangeSet", target: set.as_str().to_owned() };
        let set = set.clone();
        self.change(&call, move |local, call, state, now| change_sets::delete(local, call, state, now, &set))
            .await
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
        let (stack, role_arn, token) = (stack.clone(), role_arn.map(str::to_owned), token.to_owned());
        self.change(&call, move |local, call, state, now| {
            Verb::new(local, call)?.delete(state, now, &stack, role_arn, &token)
        })
        .await
    }

    async fn stack_events(&self, stack: &StackRef, page: Option<&str>) -> Result<EventPage, ProviderError> {
        let call = Call::new("DescribeStackEvents", stack);
        let end = match page {
            None => usize::MAX,
            Some(token) => token
                .parse::<usize>()
                .map_err(|_| call.validation(format!("Invalid pagination token: {token}")))?,
        };
        let stack = stack.clone();
        let found = self
            .look(&call, move |local, state| {
                let stack = local.find(state, &stack)?;
                // The token counts from the first event of all, so that neither new nor forgotten ones move it.
                let end = end.saturating_sub(stack.forgotten_events).min(stack.events.len());
                let begin = end.saturating_sub(EVENTS_PER_PAGE);
                let events = stack.events.get(begin..end).unwrap_or_default().iter().rev().cloned().collect();
                let next = (begin > 0).then(|| (stack.forgotten_events + begin).to_string());
                Some(EventPage { events, next })
            })
            .await?;
        found.ok_or_else(|| call.missing())
    }

    async fn list_imports(&self, export: &str, page: Option<&str>) -> Result<ImportPage, ProviderError> {
        let call = Call { operation: "ListImports", target: export.to_owned() };
        let (begin, export) = (call.place_of(page)?, export.to_owned());
        self.look(&call, move |local, state| {
            let near = state.stacks.iter().filter(|stack| stack.is_live() && stack.is_at(local.here()));
            let importing = near.filter(|stack| stack.imports(&export));
            let mut names: Vec<String> = importing.map(|stack| stack.name.clone()).collect();
            names.sort();
            let (stacks, next) = change_sets::page(&names, begin, IMPORTS_PER_PAGE);
            ImportPage { stacks, next }
        })
        .await
    }
}
