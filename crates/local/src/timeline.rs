//! When everything in an operation happens. Pure: from resources and a beginning to steps in order of time.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use runway_core::provider::StackStatus;

use crate::catalogue::types::{Standing, standing};
use crate::state::{Change, Effect, Operation, Policy, Resource, Step, Target};

type Resources = BTreeMap<String, Resource>;

/// When a resource begins and ends.
#[derive(Debug, Clone, Copy)]
struct Span {
    begin: Timestamp,
    end: Timestamp,
}

/// `time` later by `duration`; the end of time stays where it is.
pub(crate) fn after(time: Timestamp, duration: Duration) -> Timestamp {
    let duration = SignedDuration::try_from(duration).unwrap_or(SignedDuration::MAX);
    time.saturating_add(duration).unwrap_or(Timestamp::MAX)
}

/// The steps of a create or update up to its end or its first failure.
///
/// A resource begins when all that it needs is done; independent ones run side by side. At the first failure, or at
/// `deadline`, everything under way is cancelled and the stack rolls back.
pub(crate) fn forward(
    target: &Target,
    begin: Timestamp,
    deadline: Option<Timestamp>,
    idle: Duration,
) -> Vec<Step> {
    let duration = |id: &str, resource: &Resource| {
        if target.changes.contains_key(id) { resource.behaviour.duration() } else { Duration::ZERO }
    };
    let spans = spans(&target.resources, &needs(&target.resources), begin, duration);
    let changed = || {
        target
            .changes
            .iter()
            .filter_map(|(id, change)| Some((id, *change, target.resources.get(id)?, spans.get(id)?)))
    };
    let first_failure = changed()
        .filter(|(_, change, resource, _)| failure(*change, resource).is_some())
        .map(|(_, _, _, span)| span.end)
        .min();
    let end = changed().map(|(_, _, _, span)| span.end).max().unwrap_or_else(|| after(begin, idle));
    let timed_out = deadline.filter(|deadline| *deadline < first_failure.unwrap_or(end));
    let cut = timed_out.or(first_failure);

    let mut steps = Vec::new();
    let mut failed: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for (id, change, resource, span) in changed() {
        if cut.is_some_and(|cut| span.begin >= cut) {
            continue;
        }
        let (verb, noun) = if change == Change::Added { ("CREATE", "create") } else { ("UPDATE", "update") };
        let mut push = |at, physical: Option<&str>, phase: &str, reason: Option<&str>| {
            steps.push(resource_step(at, id, resource, physical, &format!("{verb}_{phase}"), reason));
        };
        let physical = Some(resource.physical_id.as_str());
        match change {
            Change::Added => push(span.begin, None, "IN_PROGRESS", None),
            Change::Modified => push(span.begin, physical, "IN_PROGRESS", None),
            Change::Replaced => push(span.begin, None, "IN_PROGRESS", Some(REPLACING)),
        }
        let initiated = after(span.begin, resource.behaviour.duration() / 4);
        let reason = failure(change, resource).filter(|_| timed_out.is_none() && Some(span.end) == cut);
        // A resource that fails while it is created has no physical id that would have to be removed.
        let exists =
            change == Change::Modified || (reason.is_none() && cut.is_none_or(|cut| initiated < cut));
        if change != Change::Modified && exists {
            push(initiated, physical, "IN_PROGRESS", Some(initiation(&resource.kind)));
        }
        let physical = physical.filter(|_| exists);
        if let Some(reason) = reason {
            push(span.end, physical, "FAILED", Some(reason));
        } else if let Some(cut) = cut.filter(|cut| *cut < span.end) {
            let reason = if change == Change::Modified {
                "Resource update cancelled"
            } else {
                "Resource creation cancelled"
            };
            push(cut, physical, "FAILED", Some(reason));
        } else {
            push(span.end, physical, "COMPLETE", None);
            continue;
        }
        failed.entry(noun).or_default().insert(id);
    }
    steps.push(match (cut, timed_out) {
        (None, _) => Step { at: end, effect: Effect::Finish },
        (Some(at), Some(_)) => Step { at, effect: Effect::Fail { reason: TIMED_OUT.to_owned() } },
        (Some(at), None) => Step { at, effect: Effect::Fail { reason: failed_resources(&failed) } },
    });
    // The sort is stable: at the same time, what caused something precedes it.
    steps.sort_by_key(|step| step.at);
    steps
}

const REPLACING: &str =
    "Requested update requires the creation of a new physical resource; hence creating one.";
const TIMED_OUT: &str = "Stack creation time exceeded the specified timeout. ";

/// `The following resource(s) failed to create: [A, B]. `
fn failed_resources(failed: &BTreeMap<&str, BTreeSet<&str>>) -> String {
    let parts = failed.iter().map(|(verb, ids)| {
        let ids: Vec<_> = ids.iter().copied().collect();
        format!("The following resource(s) failed to {verb}: [{}]. ", ids.join(", "))
    });
    parts.collect()
}

/// What the creation of a resource says once there is something; the place for a note on its type.
fn initiation(kind: &str) -> &'static str {
    match standing(kind) {
        Standing::Unlisted => {
            "Resource creation Initiated. The local provider does not know this type: check its spelling"
        }
        _ => "Resource creation Initiated",
    }
}

fn failure(change: Change, resource: &Resource) -> Option<&str> {
    match change {
        Change::Added => resource.behaviour.fail_create.as_deref(),
        Change::Modified => resource.behaviour.fail_update.as_deref(),
        Change::Replaced => {
            resource.behaviour.fail_update.as_deref().or(resource.behaviour.fail_create.as_deref())
        }
    }
}

/// Why resources are deleted; decides which failures apply and how the operation ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Removal {
    /// DeleteStack.
    Delete,
    /// What a failed creation left.
    Rollback,
    /// What a successful update no longer needs.
    Cleanup,
    /// What a failed update had created.
    RevertCleanup,
}

impl Removal {
    /// Whether a resource stays although its stack lets go of it.
    fn retains(self, resource: &Resource) -> bool {
        match resource.deletion {
            Policy::Delete => false,
            Policy::Retain => true,
            Policy::RetainExceptOnCreate => matches!(self, Self::Delete | Self::Cleanup),
        }
    }
}

/// The steps that delete `resources`, dependants first. What a resource that cannot be deleted needs is left, too.
pub(crate) fn removal(
    resources: &Resources,
    begin: Timestamp,
    purpose: Removal,
    idle: Duration,
) -> Vec<Step> {
    let dependants = dependants(resources);
    let duration = |_: &str, resource: &Resource| {
        if purpose.retains(resource) { Duration::ZERO } else { resource.behaviour.duration() }
    };
    let spans = spans(resources, &dependants, begin, duration);
    let mut order: Vec<_> = spans.iter().collect();
    order.sort_by_key(|(id, span)| (span.begin, (*id).clone()));
    let mut steps = Vec::new();
    let mut stuck: BTreeSet<&str> = BTreeSet::new();
    let mut failed: BTreeSet<&str> = BTreeSet::new();
    let mut end = after(begin, if resources.is_empty() { idle } else { Duration::ZERO });
    for (id, span) in order {
        let Some(resource) = resources.get(id) else { continue };
        if dependants.get(id.as_str()).is_some_and(|ids| ids.iter().any(|id| stuck.contains(id))) {
            stuck.insert(id);
            continue;
        }
        end = end.max(span.end);
        let physical = Some(resource.physical_id.as_str());
        let mut push = |at, status: &str, reason: Option<&str>| {
            steps.push(resource_step(at, id, resource, physical, status, reason));
        };
        if purpose.retains(resource) {
            push(span.begin, "DELETE_SKIPPED", None);
            continue;
        }
        push(span.begin, "DELETE_IN_PROGRESS", None);
        let reason = match purpose {
            Removal::Rollback | Removal::RevertCleanup => {
                resource.behaviour.fail_rollback.as_deref().or(resource.behaviour.fail_delete.as_deref())
            }
            Removal::Delete | Removal::Cleanup => resource.behaviour.fail_delete.as_deref(),
        };
        if let Some(reason) = reason {
            push(span.end, "DELETE_FAILED", Some(reason));
            stuck.insert(id);
            failed.insert(id);
        } else {
            push(span.end, "DELETE_COMPLETE", None);
        }
    }
    let reason =
        (!failed.is_empty()).then(|| failed_resources(&BTreeMap::from([("delete", failed.clone())])));
    let status = match (purpose, reason.is_some()) {
        (Removal::Delete, false) => StackStatus::DeleteComplete,
        (Removal::Delete, true) => StackStatus::DeleteFailed,
        (Removal::Rollback, false) => StackStatus::RollbackComplete,
        (Removal::Rollback, true) => StackStatus::RollbackFailed,
        // Leftovers of an update do not make it fail.
        (Removal::Cleanup, _) => StackStatus::UpdateComplete,
        (Removal::RevertCleanup, _) => StackStatus::UpdateRollbackComplete,
    };
    steps.push(Step { at: end, effect: Effect::Settle { status, reason } });
    steps.sort_by_key(|step| step.at);
    steps
}

/// The steps that turn the touched resources of a failed update back, up to the cleanup.
pub(crate) fn revert(operation: &Operation, begin: Timestamp, idle: Duration) -> Vec<Step> {
    let Some(previous) = &operation.previous else { return Vec::new() };
    let touched = |id: &str| {
        operation.touched.contains(id)
            && matches!(operation.target.changes.get(id), Some(Change::Modified | Change::Replaced))
    };
    let duration = |id: &str, resource: &Resource| {
        if touched(id) { resource.behaviour.duration() } else { Duration::ZERO }
    };
    let spans = spans(&previous.resources, &needs(&previous.resources), begin, duration);
    let mut steps = Vec::new();
    let mut end = after(begin, idle);
    for (id, resource) in previous.resources.iter().filter(|(id, _)| touched(id)) {
        let Some(span) = spans.get(id) else { continue };
        let physical = Some(resource.physical_id.as_str());
        steps.push(resource_step(span.begin, id, resource, physical, "UPDATE_IN_PROGRESS", None));
        let behaviour =
            operation.target.resources.get(id).map_or(&resource.behaviour, |target| &target.behaviour);
        if let Some(reason) = &behaviour.fail_rollback {
            steps.push(resource_step(span.end, id, resource, physical, "UPDATE_FAILED", Some(reason)));
            let reason = Some(format!("The following resource(s) failed to update: [{id}]. "));
            let effect = Effect::Settle { status: StackStatus::UpdateRollbackFailed, reason };
            steps.push(Step { at: span.end, effect });
            steps.sort_by_key(|step| step.at);
            return steps;
        }
        steps.push(resource_step(span.end, id, resource, physical, "UPDATE_COMPLETE", None));
        end = end.max(span.end);
    }
    steps.push(Step { at: end, effect: Effect::Revert });
    steps.sort_by_key(|step| step.at);
    steps
}

fn resource_step(
    at: Timestamp,
    id: &str,
    resource: &Resource,
    physical: Option<&str>,
    status: &str,
    reason: Option<&str>,
) -> Step {
    let effect = Effect::Resource {
        logical_id: id.to_owned(),
        physical_id: physical.map(str::to_owned),
        kind: resource.kind.clone(),
        status: status.to_owned(),
        reason: reason.map(str::to_owned),
    };
    Step { at, effect }
}

type Edges<'a> = BTreeMap<&'a str, BTreeSet<&'a str>>;

/// What each resource needs, among these resources.
fn needs(resources: &Resources) -> Edges<'_> {
    let known = |ids: &'_ BTreeSet<String>| -> BTreeSet<&str> {
        ids.iter().filter_map(|id| resources.get_key_value(id)).map(|(id, _)| id.as_str()).collect()
    };
    resources.iter().map(|(id, resource)| (id.as_str(), known(&resource.needs))).collect()
}

/// What needs each resource, among these resources.
fn dependants(resources: &Resources) -> Edges<'_> {
    let mut edges: Edges<'_> = resources.keys().map(|id| (id.as_str(), BTreeSet::new())).collect();
    for (id, ids) in needs(resources) {
        for need in ids {
            edges.entry(need).or_default().insert(id);
        }
    }
    edges
}

/// When each resource begins and ends if it waits for all of its edges. A cycle (refused earlier) waits for nothing.
fn spans(
    resources: &Resources,
    edges: &Edges<'_>,
    begin: Timestamp,
    duration: impl Fn(&str, &Resource) -> Duration,
) -> BTreeMap<String, Span> {
    let mut spans: BTreeMap<String, Span> = BTreeMap::new();
    let mut waiting: Vec<&str> = resources.keys().map(String::as_str).collect();
    while !waiting.is_empty() {
        let before = waiting.len();
        waiting.retain(|id| {
            let mut ends =
                edges.get(id).into_iter().flatten().map(|need| spans.get(*need).map(|span| span.end));
            let Some(begin) = ends.try_fold(begin, |latest, end| Some(latest.max(end?))) else { return true };
            let end = resources.get(*id).map_or(begin, |resource| after(begin, duration(id, resource)));
            spans.insert((*id).to_owned(), Span { begin, end });
            false
        });
        if waiting.len() == before {
            spans.extend(waiting.drain(..).map(|id| (id.to_owned(), Span { begin, end: begin })));
        }
    }
    spans
}

impl crate::state::Behaviour {
    /// How long the resource takes; never nothing, so that causes stay before effects.
    fn duration(&self) -> Duration {
        Duration::from_millis(self.millis.max(1))
    }
}
