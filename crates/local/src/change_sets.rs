//! Change sets: what these requests do to the state.

use jiff::Timestamp;
use runway_core::ident::StackId;
use runway_core::provider::{
    AnnouncedChange, ChangePage, ChangeSet, ChangeSetIds, ChangeSetKind, ChangeSetPage, ChangeSetRef,
    ChangeSetRequest, ChangeSetStatus, ErrorKind, ListedChangeSet, ParameterValue, ProviderError, StackRef,
    StackRequest, StackStatus, TemplateLocation, UpdateOutcome,
};

use crate::call::Call;
use crate::catalogue::{digest, uuid};
use crate::state::{self, Stack, State};
use crate::template::Checked;
use crate::timeline;
use crate::verbs::{self, Verb};
use crate::{Local, announce};

/// Changes on one page of DescribeChangeSet.
const CHANGES_PER_PAGE: usize = 100;
/// Sets on one page of ListChangeSets.
const SETS_PER_PAGE: usize = 100;

const NO_CHANGES: &str =
    "The submitted information didn't contain changes. Submit different information to create a change set.";

/// Stack and change set that a reference means, by index.
fn find(local: &Local, state: &State, set: &ChangeSetRef) -> Option<(usize, usize)> {
    let in_stack = |index: usize, is_it: &dyn Fn(&state::ChangeSet) -> bool| {
        let stack = state.stacks.get(index).filter(|stack| stack.is_live())?;
        Some((index, stack.change_sets.iter().position(is_it)?))
    };
    match set {
        ChangeSetRef::Id(id) => {
            (0..state.stacks.len()).find_map(|index| in_stack(index, &|set| set.id == *id))
        }
        ChangeSetRef::Name { name, stack } => {
            in_stack(state.find(stack, local.here())?, &|set| set.name == *name)
        }
    }
}

/// DescribeChangeSet.
pub(crate) fn describe(
    local: &Local,
    state: &State,
    set: &ChangeSetRef,
    now: Timestamp,
) -> Option<ChangeSet> {
    let (stack, set) = find(local, state, set)?;
    let set = state.stacks.get(stack)?.change_sets.get(set)?;
    Some(match &set.failure {
        _ if now < set.ready => ChangeSet { status: ChangeSetStatus::InProgress, reason: None },
        None => ChangeSet { status: ChangeSetStatus::Ready, reason: None },
        Some(reason) => ChangeSet { status: ChangeSetStatus::Failed, reason: Some(reason.clone()) },
    })
}

/// DescribeChangeSet with the changes, from the one at `begin`; `None` if there is no such set.
pub(crate) fn changes(
    local: &Local,
    state: &State,
    set: &ChangeSetRef,
    now: Timestamp,
    begin: usize,
) -> Option<ChangePage> {
    let (stack, set) = find(local, state, set)?;
    let set = state.stacks.get(stack)?.change_sets.get(set)?;
    let known: &[AnnouncedChange] = if now < set.ready { &[] } else { &set.changes };
    let (changes, next) = page(known, begin, CHANGES_PER_PAGE);
    Some(ChangePage { changes, next })
}

/// ListChangeSets, from the one at `begin`.
pub(crate) fn list(stack: &Stack, begin: usize) -> ChangeSetPage {
    let listed = |set: &state::ChangeSet| ListedChangeSet {
        id: set.id.clone(),
        name: set.name.clone(),
        created: Some(set.created),
    };
    let all: Vec<ListedChangeSet> = stack.change_sets.iter().map(listed).collect();
    let (sets, next) = page(&all, begin, SETS_PER_PAGE);
    ChangeSetPage { sets, next }
}

/// What is on the page that begins at an index, and the token of the next one.
pub(crate) fn page<T: Clone>(all: &[T], begin: usize, size: usize) -> (Vec<T>, Option<String>) {
    let rest = all.get(begin..).unwrap_or_default();
    let next = (rest.len() > size).then(|| (begin + size).to_string());
    (rest.iter().take(size).cloned().collect(), next)
}

/// DeleteChangeSet. A set that is being worked out cannot be deleted.
pub(crate) fn delete(
    local: &Local,
    call: &Call,
    state: &mut State,
    now: Timestamp,
    set: &ChangeSetRef,
) -> Result<(), ProviderError> {
    let Some((stack, position)) = find(local, state, set) else { return Ok(()) };
    let known = &state.stacks[stack].change_sets[position];
    if now < known.ready {
        let message = format!(
            "InvalidChangeSetStatus: The changeset {} in its current state [CREATE_IN_PROGRESS] cannot be deleted",
            known.id
        );
        return Err(call.error(ErrorKind::Validation, message));
    }
    state.stacks[stack].change_sets.remove(position);
    Ok(())
}

/// CreateChangeSet.
pub(crate) fn create(
    local: &Local,
    call: &Call,
    state: &mut State,
    now: Timestamp,
    request: &ChangeSetRequest,
    template: &Checked,
) -> Result<ChangeSetIds, ProviderError> {
    let verb = Verb::new(local, call)?;
    let stack = &request.stack;
    let existing = state
        .find(&stack.stack, local.here())
        .filter(|index| state.stacks.get(*index).is_some_and(Stack::is_live));
    if let Some(known) = existing.and_then(|index| state.stacks.get(index))
        && let Some(set) = known.change_sets.iter().find(|set| set.name == request.name)
    {
        if set.token == stack.token {
            return Ok(ChangeSetIds { id: set.id.clone(), stack: StackId::new(&known.id) });
        }
        let message = format!("AlreadyExistsException: ChangeSet {} already exists", set.id);
        return Err(call.error(ErrorKind::AlreadyExists, message));
    }
    let unknown = template.failure_of_transform();
    let mut foreseen = None;
    let (index, failure) = match (request.kind, existing) {
        (ChangeSetKind::Create, Some(index)) => {
            let known = &state.stacks[index];
            if known.status != StackStatus::ReviewInProgress {
                let message = format!(
                    "Stack [{}] already exists and cannot be created again with the changeSet [{}].",
                    known.name, request.name
                );
                return Err(call.validation(message));
            }
            if unknown.is_none() {
                let names = (known.name.as_str(), known.id.as_str());
                foreseen = Some(verb.foresee(state, stack, template, names, None)?);
            }
            (index, unknown)
        }
        (ChangeSetKind::Create, None) => {
            let name = stack.stack.as_str();
            let id = verb.new_id(state, now, name);
            if unknown.is_none() {
                foreseen = Some(verb.foresee(state, stack, template, (name, &id), None)?);
            }
            let index = verbs::push(state, now, name, &id);
            state.stacks[index].enter(now, StackStatus::ReviewInProgress, Some("User Initiated".to_owned()));
            (index, unknown)
        }
        (ChangeSetKind::Update, Some(index)) if unknown.is_some() => (index, unknown),
        (ChangeSetKind::Update, Some(index)) => {
            // What the update would come to is seen by doing it to a copy.
            let outcome = verb.update(&mut state.clone(), now, stack, template)?;
            let known = &state.stacks[index];
            let names = (known.name.as_str(), known.id.as_str());
            foreseen = Some(verb.foresee(state, stack, template, names, Some(index))?);
            (index, (outcome == UpdateOutcome::NothingToUpdate).then(|| NO_CHANGES.to_owned()))
        }
        (ChangeSetKind::Update, None) => return Err(call.missing()),
    };
    let changes = foreseen
        .filter(|_| failure.is_none())
        .map(|(content, prepared)| announce::changes(&state.stacks[index], template, &content, &prepared));
    let owner = &mut state.stacks[index];
    let unique = uuid(&digest(&[&owner.id, &request.name, &now.to_string(), &stack.token]));
    let base = owner.id.split(":stack/").next().unwrap_or_default();
    let id = format!("{base}:changeSet/{}/{unique}", request.name);
    let given = |(name, value): &(String, ParameterValue)| match value {
        ParameterValue::Value(value) => (name.clone(), Some(value.clone())),
        ParameterValue::Previous => (name.clone(), None),
    };
    owner.change_sets.push(state::ChangeSet {
        name: request.name.clone(),
        id: id.clone(),
        creates: request.kind == ChangeSetKind::Create,
        ready: timeline::after(now, local.timing().idle),
        failure,
        token: stack.token.clone(),
        template: template.template.body.clone(),
        parameters: stack.parameters.iter().map(given).collect(),
        tags: stack.tags.clone(),
        role_arn: stack.role_arn.clone(),
        created: now,
        changes: changes.unwrap_or_default(),
    });
    Ok(ChangeSetIds { id, stack: StackId::new(&owner.id) })
}

/// ExecuteChangeSet.
pub(crate) fn execute(
    local: &Local,
    call: &Call,
    state: &mut State,
    now: Timestamp,
    set: &ChangeSetRef,
    token: &str,
) -> Result<(), ProviderError> {
    let Some((index, position)) = find(local, state, set) else {
        // The set is gone because it was executed, perhaps by this very request.
        let is_known =
            |stack: &Stack| stack.is_at(local.here()) && stack.tokens.iter().any(|(known, _)| known == token);
        if state.stacks.iter().any(is_known) {
            return Ok(());
        }
        let message = format!("ChangeSetNotFoundException: ChangeSet [{}] does not exist", set.as_str());
        return Err(call.error(ErrorKind::NotFound, message));
    };
    let set = state.stacks[index].change_sets[position].clone();
    if now < set.ready || set.failure.is_some() {
        let status = if now < set.ready { "CREATE_IN_PROGRESS" } else { "FAILED" };
        return Err(call.error(
            ErrorKind::Validation,
            format!(
                "InvalidChangeSetStatus: ChangeSet [{}] cannot be executed in its current status of [{status}]",
                set.id
            ),
        ));
    }
    let template = Checked::parse(&set.template).map_err(|message| call.validation(message))?;
    let request = request(&state.stacks[index], &set, token);
    let verb = Verb::new(local, call)?;
    if set.creates {
        verb.create_reviewed(state, now, index, &request, &template)?;
    } else {
        verb.update(state, now, &request, &template)?;
    }
    state.stacks[index].change_sets.clear();
    Ok(())
}

/// A change set as the create or update that it stands for.
fn request(stack: &Stack, set: &state::ChangeSet, token: &str) -> StackRequest {
    let value = |value: &Option<String>| match value {
        Some(value) => ParameterValue::Value(value.clone()),
        None => ParameterValue::Previous,
    };
    StackRequest {
        stack: StackRef::Id(StackId::new(&stack.id)),
        template: TemplateLocation::Body(set.template.clone()),
        parameters: set.parameters.iter().map(|(name, given)| (name.clone(), value(given))).collect(),
        tags: set.tags.clone(),
        role_arn: set.role_arn.clone(),
        stack_policy: None,
        capabilities: Vec::new(),
        termination_protection: false,
        timeout_minutes: None,
        token: token.to_owned(),
    }
}
