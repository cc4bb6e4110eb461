//! What is no longer as it was when a plan was saved.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::{SavedLookup, SavedPlan, SavedProblem, SavedStack};
use crate::render::json::StepDocument;

/// How much of the present could be found out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Extent {
    /// The plan was made anew.
    Plan,
    /// No plan could be made: only what it would be made from is compared.
    World,
}

/// Everything by which two recordings of a plan differ, `now` being the later one: one sentence for the account, the
/// region, the config, the graph and each stack. Empty if the plan stands.
pub fn moved(saved: &SavedPlan, now: &SavedPlan, extent: Extent) -> Vec<SavedProblem> {
    let mut found = place(saved, now);
    if found.is_empty() {
        found.extend(whole(saved, now, extent));
        found.extend(stacks(saved, now, extent));
    }
    found.into_iter().map(|what| SavedProblem::Moved { what }).collect()
}

/// In another account or region nothing else is worth telling.
fn place(saved: &SavedPlan, now: &SavedPlan) -> Vec<String> {
    let all = [
        ("account", &saved.plan.account, &now.plan.account),
        ("region", &saved.plan.region, &now.plan.region),
    ];
    let config = &saved.target.config;
    all.into_iter()
        .filter(|(_, before, now)| before != now)
        .map(|(what, before, now)| format!("{config}: planned for {what} {before}, and this is {what} {now}"))
        .collect()
}

/// What concerns no stack alone.
fn whole(saved: &SavedPlan, now: &SavedPlan, extent: Extent) -> Vec<String> {
    let mut found = Vec::new();
    let config = &saved.target.config;
    if saved.plan.namespace != now.plan.namespace {
        let (before, now) = (&saved.plan.namespace, &now.plan.namespace);
        found.push(format!("{config}: planned for namespace {before}, and this is namespace {now}"));
    }
    if saved.plan.purpose != now.plan.purpose {
        found.push(format!("{config}: the plan is one for another command"));
    }
    if saved.config != now.config {
        found.push(format!("{config}: the text of the config is not the planned one"));
    }
    match (&saved.graph, &now.graph) {
        (before, now) if before == now => {}
        (Some(before), Some(now)) if before.location == now.location => {
            found.push(format!("the persistent graph {} is not as it was planned with", before.location));
        }
        (before, now) => {
            let name = |graph: &Option<super::SavedGraph>| {
                graph.as_ref().map_or_else(|| "none".to_owned(), |graph| graph.location.clone())
            };
            let (before, now) = (name(before), name(now));
            found.push(format!("{config}: planned with the persistent graph {before}, and this is {now}"));
        }
    }
    if extent == Extent::Plan && saved.plan.hooks != now.plan.hooks {
        found.push(format!("{config}: the hooks are not the planned ones"));
    }
    found
}

/// One sentence for each stack.
fn stacks(saved: &SavedPlan, now: &SavedPlan, extent: Extent) -> Vec<String> {
    let lookups = lookups(saved, now);
    let steps = |plan: &SavedPlan| -> BTreeMap<String, StepDocument> {
        plan.plan.steps.iter().map(|step| (step.name.clone(), step.clone())).collect()
    };
    let (planned, planned_now) = (steps(saved), steps(now));
    let names: BTreeSet<&String> = saved
        .stacks
        .keys()
        .chain(now.stacks.keys())
        .chain(planned.keys())
        .chain(planned_now.keys())
        .collect();
    let mut found = Vec::new();
    for name in names {
        let mut how = match (saved.stacks.get(name), now.stacks.get(name)) {
            (Some(before), Some(now)) => stack(before, now),
            (None, Some(_)) => vec!["the saved plan does not have it".to_owned()],
            // Without a plan, what is to be deleted is not known.
            (Some(_), None) if extent == Extent::World => Vec::new(),
            (Some(_), None) => vec!["it is no longer planned".to_owned()],
            (None, None) => Vec::new(),
        };
        how.extend(lookups.get(name).into_iter().flatten().cloned());
        if extent == Extent::Plan {
            how.extend(step(planned.get(name), planned_now.get(name), how.is_empty()));
        }
        if !how.is_empty() {
            // No stack's name has a slash.
            let what = if name.contains('/') { "task" } else { "stack" };
            found.push(format!("{what} `{name}` is not as it was planned: {}", how.join("; ")));
        }
    }
    let order =
        |plan: &SavedPlan| -> Vec<String> { plan.plan.steps.iter().map(|step| step.name.clone()).collect() };
    if extent == Extent::Plan && found.is_empty() && order(saved) != order(now) {
        found.push(format!("{}: the order of the steps is not the planned one", saved.target.config));
    }
    found
}

fn stack(before: &SavedStack, now: &SavedStack) -> Vec<String> {
    let mut how = Vec::new();
    if before.fqn != now.fqn {
        how.push(format!("it was {} and is {}", before.fqn, now.fqn));
    }
    match (&before.stack_id, &now.stack_id) {
        (None, Some(_)) => how.push("it exists now".to_owned()),
        (Some(_), None) => how.push("it does not exist any more".to_owned()),
        (Some(before), Some(now)) if before != now => {
            how.push("another stack has its name now".to_owned());
        }
        _ => {}
    }
    if let (Some(before), Some(now)) = (&before.status, &now.status)
        && before != now
    {
        how.push(format!("its status was {before} and is {now}"));
    }
    if let (Some(_), Some(time)) = (&now.stack_id, &now.updated)
        && before.updated != now.updated
    {
        how.push(format!("it was updated at {time}"));
    }
    if before.template != now.template {
        how.push("its template is not the planned one".to_owned());
    }
    if before.parameters != now.parameters {
        how.push("its parameters are not the planned ones".to_owned());
    }
    if before.policy != now.policy {
        how.push("its stack policy is not the planned one".to_owned());
    }
    if before.settings != now.settings {
        how.push(
            "its settings (tags, role, timeout, protection or bucket) are not the planned ones".to_owned(),
        );
    }
    how
}

/// How the steps of a stack differ. If that has been told by what it comes from, it need not be told again.
fn step(before: Option<&StepDocument>, now: Option<&StepDocument>, untold: bool) -> Option<String> {
    match (before, now) {
        _ if !untold || same(before, now) => None,
        (Some(before), Some(now)) if before.action != now.action => {
            let (before, now) = (before.action.as_str(), now.action.as_str());
            Some(format!("its step was {before} and is {now}"))
        }
        (Some(_), Some(_)) => Some("its step is not the planned one".to_owned()),
        (None, _) => Some("the saved plan has no step for it".to_owned()),
        (_, None) => Some("it has no step any more".to_owned()),
    }
}

/// Whether two steps are written the same way.
fn same(before: Option<&StepDocument>, now: Option<&StepDocument>) -> bool {
    let written = |step: Option<&StepDocument>| serde_json::to_value(step).unwrap_or(Value::Null);
    written(before) == written(now)
}

/// By stack, the lookups that found something else.
fn lookups(saved: &SavedPlan, now: &SavedPlan) -> BTreeMap<String, Vec<String>> {
    let mut found: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for before in &saved.lookups {
        let request = before.request();
        // What is not asked any more is told by what asked it.
        let Some(now) = now.lookups.iter().find(|now| now.request() == request) else { continue };
        if (before.missing, &before.value) == (now.missing, &now.value) {
            continue;
        }
        for stack in &now.stacks {
            found.entry(stack.clone()).or_default().push(format!("{} finds something else", shown(before)));
        }
    }
    found
}

/// A lookup as it is written in a config.
fn shown(lookup: &SavedLookup) -> String {
    let arguments: Vec<String> =
        lookup.arguments.iter().map(|(name, value)| format!("{name}={value}")).collect();
    let arguments = if arguments.is_empty() { String::new() } else { format!("::{}", arguments.join(",")) };
    format!("`${{{} {}{arguments}}}`", lookup.name, lookup.query)
}
