//! Time passing: applies the steps that are due. Pure, and the same however often it is asked on the way.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::time::Duration;

use jiff::Timestamp;
use runway_core::provider::StackStatus;

use crate::state::{BUCKET_TYPE, Change, Chore, Effect, Operation, Resource, State, Step};
use crate::timeline::{self, Removal};

/// How long a phase without any resource lasts.
const IDLE: Duration = Duration::from_millis(1);

/// Brings the state to `now`. Steps of different stacks happen in order of time, then of creation.
pub(crate) fn advance(state: &mut State, now: Timestamp) {
    let due = |state: &State, index: usize| {
        let step = state.stacks.get(index)?.operation.as_ref()?.steps.front()?;
        (step.at <= now).then_some(Reverse((step.at, index)))
    };
    let mut heap: BinaryHeap<_> = (0..state.stacks.len()).filter_map(|index| due(state, index)).collect();
    while let Some(Reverse((_, index))) = heap.pop() {
        let operation = state.stacks.get_mut(index).and_then(|stack| stack.operation.as_mut());
        if let Some(step) = operation.and_then(|operation| operation.steps.pop_front()) {
            apply(state, index, step);
        }
        heap.extend(due(state, index));
    }
}

fn apply(state: &mut State, index: usize, step: Step) {
    let at = step.at;
    match step.effect {
        Effect::Resource { logical_id, physical_id, kind, status, reason } => {
            resource(state, index, &logical_id, physical_id.as_deref(), &kind, &status);
            if let Some(stack) = state.stacks.get_mut(index) {
                stack.resource_event(at, &logical_id, physical_id.as_deref(), &kind, &status, reason);
            }
        }
        Effect::Finish => match export_conflict(state, index) {
            Some(reason) => fail(state, index, at, &reason),
            None => finish(state, index, at),
        },
        Effect::Fail { reason } => fail(state, index, at, &reason),
        Effect::Revert => revert_cleanup(state, index, at),
        Effect::Settle { status, reason } => settle(state, index, at, status, reason),
    }
}

/// Follows which resources exist, and which the operation has begun to change.
fn resource(
    state: &mut State,
    index: usize,
    logical_id: &str,
    physical_id: Option<&str>,
    kind: &str,
    status: &str,
) {
    let Some(stack) = state.stacks.get_mut(index) else { return };
    let Some(operation) = &mut stack.operation else { return };
    operation.touched.insert(logical_id.to_owned());
    let is_current = |live: &BTreeMap<String, Resource>| {
        live.get(logical_id).is_some_and(|resource| Some(resource.physical_id.as_str()) == physical_id)
    };
    match status {
        "CREATE_IN_PROGRESS" if physical_id.is_some() => {
            if let Some(target) = operation.target.resources.get(logical_id) {
                stack.resources.insert(logical_id.to_owned(), target.clone());
            }
        }
        "DELETE_COMPLETE" | "DELETE_SKIPPED" if is_current(&stack.resources) => {
            stack.resources.remove(logical_id);
        }
        _ => {}
    }
    let Some(bucket) = physical_id.filter(|_| kind == BUCKET_TYPE) else { return };
    match status {
        "CREATE_COMPLETE" => state.chores.push(Chore::CreateBucket(bucket.to_owned())),
        "DELETE_COMPLETE" => state.chores.push(Chore::RemoveBucket(bucket.to_owned())),
        _ => {}
    }
}

/// Exports are unique in a region, and one that is imported can neither vanish nor change.
fn export_conflict(state: &State, index: usize) -> Option<String> {
    let stack = state.stacks.get(index)?;
    let target = &stack.operation.as_ref()?.target;
    for export in target.exports.values() {
        if let Some(other) = state.exporter(export, index) {
            return Some(format!("Export with name {export} is already exported by stack {other}. "));
        }
    }
    for (output, export) in &stack.content.exports {
        let Some(importers) = state.importers(export, index) else { continue };
        let kept = target
            .exports
            .iter()
            .find(|(_, name)| *name == export)
            .map(|(output, _)| target.outputs.get(output));
        match kept {
            None => {
                return Some(format!("Export {export} cannot be deleted as it is in use by {importers}. "));
            }
            Some(value) if value != stack.content.outputs.get(output) => {
                return Some(format!("Export {export} cannot be updated as it is in use by {importers}. "));
            }
            Some(_) => {}
        }
    }
    None
}

fn finish(state: &mut State, index: usize, at: Timestamp) {
    let Some(stack) = state.stacks.get_mut(index) else { return };
    let Some(operation) = &mut stack.operation else { return };
    stack.content.outputs = std::mem::take(&mut operation.target.outputs);
    stack.content.exports = std::mem::take(&mut operation.target.exports);
    let target = std::mem::take(&mut operation.target.resources);
    let Some(previous) = operation.previous.take() else {
        stack.resources = target;
        stack.enter(at, StackStatus::CreateComplete, None);
        stack.operation = None;
        return;
    };
    let mut leftovers = unless_current(previous.resources, &target);
    for (id, resource) in &mut leftovers {
        // What was replaced goes by the template that replaced it.
        if let Some(target) = target.get(id) {
            resource.deletion = target.replacement;
        }
    }
    operation.steps = timeline::removal(&leftovers, at, Removal::Cleanup, IDLE).into();
    stack.resources = target;
    stack.enter(at, StackStatus::UpdateCompleteCleanupInProgress, None);
}

/// Those of `resources` whose physical resource is not among `current`.
fn unless_current(
    resources: BTreeMap<String, Resource>,
    current: &BTreeMap<String, Resource>,
) -> BTreeMap<String, Resource> {
    let gone = |(id, resource): &(String, Resource)| {
        current.get(id).is_none_or(|current| current.physical_id != resource.physical_id)
    };
    resources.into_iter().filter(gone).collect()
}

/// Turns a create or update round.
pub(crate) fn fail(state: &mut State, index: usize, at: Timestamp, reason: &str) {
    let Some(stack) = state.stacks.get_mut(index) else { return };
    let Some(operation) = &mut stack.operation else { return };
    if operation.previous.is_some() {
        operation.steps = timeline::revert(operation, at, IDLE).into();
        stack.enter(at, StackStatus::UpdateRollbackInProgress, Some(reason.to_owned()));
    } else {
        operation.steps = timeline::removal(&stack.resources, at, Removal::Rollback, IDLE).into();
        let reason = format!("{reason}Rollback requested by user.");
        stack.enter(at, StackStatus::RollbackInProgress, Some(reason));
    }
}

fn revert_cleanup(state: &mut State, index: usize, at: Timestamp) {
    let Some(stack) = state.stacks.get_mut(index) else { return };
    let Some(operation) = &mut stack.operation else { return };
    restore(operation, &mut stack.content, &mut stack.resources);
    let created: BTreeMap<String, Resource> = operation
        .target
        .resources
        .iter()
        .filter(|(id, _)| {
            operation.touched.contains(*id)
                && matches!(operation.target.changes.get(*id), Some(Change::Added | Change::Replaced))
        })
        .map(|(id, resource)| (id.clone(), resource.clone()))
        .collect();
    let created = unless_current(created, &stack.resources);
    operation.steps = timeline::removal(&created, at, Removal::RevertCleanup, IDLE).into();
    stack.enter(at, StackStatus::UpdateRollbackCompleteCleanupInProgress, None);
}

fn restore(
    operation: &mut Operation,
    content: &mut crate::state::Content,
    resources: &mut BTreeMap<String, Resource>,
) {
    if let Some(previous) = operation.previous.take() {
        *content = previous.content;
        *resources = previous.resources;
    }
}

fn settle(state: &mut State, index: usize, at: Timestamp, status: StackStatus, reason: Option<String>) {
    let Some(stack) = state.stacks.get_mut(index) else { return };
    if let Some(operation) = &mut stack.operation {
        restore(operation, &mut stack.content, &mut stack.resources);
    }
    if status == StackStatus::DeleteComplete {
        stack.protected = false;
        stack.content.outputs.clear();
    }
    if matches!(
        status,
        StackStatus::RollbackComplete | StackStatus::RollbackFailed | StackStatus::DeleteComplete
    ) {
        stack.content.exports.clear();
        stack.content.imports.clear();
    }
    stack.enter(at, status, reason);
    stack.operation = None;
}
