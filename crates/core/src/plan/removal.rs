//! Recorded stacks that are not in the config: which of them go, and in which order.

use std::collections::{BTreeMap, BTreeSet};

use super::deploy::{note, step};
use super::effects::removal;
use super::hidden::Hidden;
use super::remarks::protection_note;
use super::world::{in_names_of_config, renames};
use super::{Action, Desired, Note, Reason, Step, World, fqn_of_recorded};
use crate::graph::dependency;
use crate::graph::state::{Intent, IntentAction};
use crate::ident::{NodeName, StackFqn};

/// Steps of all stacks that are recorded, or known to the state object, and not in the config; `tasks` are those of such
/// tasks, and get their places among them.
pub(super) fn removed(desired: &Desired, world: &World, hidden: &Hidden, tasks: Vec<Step>) -> Vec<Step> {
    let mut steps: Vec<Step> = world
        .nodes()
        .filter(|name| !desired.config.stacks.contains_key(*name))
        .map(|name| removed_stack(desired, world, hidden, name))
        .collect();
    steps.extend(recorded_again(desired, world));
    steps.extend(tasks);
    let deleted: BTreeSet<NodeName> =
        steps.iter().filter(|step| step.action == Action::Delete).map(|step| step.name.clone()).collect();
    let edges = known_edges(world, &deleted, &renames(desired, world));
    for step in &mut steps {
        if step.action == Action::Delete {
            step.needs = edges
                .iter()
                .filter(|(_, needs)| needs.contains(&step.name))
                .map(|(name, _)| name.clone())
                // Former dependants that stay are updated first, removed ones are deleted first.
                .filter(|name| desired.graph.needs().contains_key(name) || deleted.contains(name))
                .collect();
        }
    }
    steps
}

/// What happens to a stack that left the config.
fn removed_stack(desired: &Desired, world: &World, hidden: &Hidden, name: &NodeName) -> Step {
    let facts = world.state.nodes.get(name);
    let fqn = fqn_of_recorded(&desired.config, &world.state, name);
    if let Some(now) = desired.config.stacks.values().find(|definition| definition.fqn == fqn) {
        return step(name, &fqn, Action::Skip, Reason::Renamed { to: now.name.clone() });
    }
    let Some(live) = world.stacks.get(&fqn) else {
        let known = facts.is_some_and(|facts| facts.fqn.is_some());
        if known {
            return gone(world, name, &fqn);
        }
        let mut step = step(name, &fqn, Action::Skip, Reason::NameUnknown);
        let text = format!(
            "no stack `{fqn}` exists, and it is not known whether `{name}` had another name: its record is kept; `runway-rs graph forget {name}` drops it"
        );
        step.notes.push(note("plan::name_unknown", text));
        return step;
    };
    let other = facts.and_then(|facts| facts.stack_id.as_ref()).is_some_and(|id| *id != live.id);
    if other {
        let mut step = step(name, &fqn, Action::Skip, Reason::OtherIncarnation);
        let text = format!(
            "`{fqn}` was created anew outside this graph, so it is left alone; delete it by hand, or `runway-rs graph forget {name}`"
        );
        step.notes.push(note("plan::other_incarnation", text));
        return step;
    }
    let mut step = step(name, &fqn, Action::Delete, Reason::NotInConfig);
    step.stack_id = Some(live.id.clone());
    step.changes = removal(world, hidden, live);
    step.notes.extend(protection_note(live));
    step
}

/// A recorded stack that does not exist. Its record is dropped, unless a dead run may still create it.
pub(super) fn gone(world: &World, name: &NodeName, fqn: &StackFqn) -> Step {
    let mut step = step(name, fqn, Action::Skip, Reason::Gone);
    let creates = |intent: &Intent| matches!(intent.action, IntentAction::Create | IntentAction::Recreate);
    let mut intents = world.state.intents.values();
    if intents.any(|session| session.steps.get(name).is_some_and(creates)) {
        step.notes.push(still_intended());
    }
    step
}

/// That a record is not dropped at once.
pub(super) fn still_intended() -> Note {
    let text = "not at once: a run that ended without unlocking was about to create it, so the record stays until an hour after that run began".to_owned();
    Note { warning: false, code: "plan::still_intended", text }
}

/// Stacks that exist and only the state object knows: an overwritten graph gets them back, but a run that has just
/// found them deletes nothing (somebody may have taken the record out on purpose).
fn recorded_again(desired: &Desired, world: &World) -> Vec<Step> {
    if world.recorded.is_none() {
        return Vec::new();
    }
    let from_facts = world.state.nodes.iter().filter_map(|(name, facts)| Some((name, facts.fqn.clone()?)));
    let from_intents = world
        .state
        .intents
        .values()
        .flat_map(|session| &session.steps)
        .map(|(name, intent)| (name, intent.fqn.clone()));
    let known: BTreeMap<&NodeName, _> = from_intents.chain(from_facts).collect();
    known
        .into_iter()
        .filter(|(name, fqn)| {
            !world.is_recorded(name)
                && !desired.config.stacks.contains_key(*name)
                && world.stacks.contains_key(fqn)
                && !desired.config.stacks.values().any(|definition| definition.fqn == *fqn)
        })
        .map(|(name, fqn)| {
            let mut step = step(name, &fqn, Action::Skip, Reason::RecordedAgain);
            step.stack_id = world.stacks.get(&fqn).map(|live| live.id.clone());
            let text = format!("`{fqn}` exists and was dropped from the persistent graph: it is recorded again, and the next deploy deletes it unless `runway-rs graph forget {name}` comes first");
            step.notes.push(note("plan::recorded_again", text));
            step
        })
        .collect()
}

/// Recorded dependencies together with those of the last deploy. If that has a cycle among stacks to be deleted, the
/// recorded ones alone decide.
fn known_edges(
    world: &World,
    deleted: &BTreeSet<NodeName>,
    renames: &BTreeMap<NodeName, NodeName>,
) -> BTreeMap<NodeName, BTreeSet<NodeName>> {
    let recorded = world.recorded.as_ref().map(|graph| graph.nodes.clone()).unwrap_or_default();
    let recorded = in_names_of_config(recorded, renames);
    let stacks = world.state.nodes.iter().map(|(name, facts)| (name, &facts.needs));
    let tasks = world.state.tasks.iter().map(|(name, facts)| (name, &facts.needs));
    let facts = stacks.chain(tasks).map(|(name, needs)| (name.clone(), needs.clone())).collect();
    let mut union = recorded.clone();
    for (name, needs) in in_names_of_config(facts, renames) {
        union.entry(name).or_default().extend(needs);
    }
    let among: BTreeMap<NodeName, BTreeSet<NodeName>> = union
        .iter()
        .filter(|(name, _)| deleted.contains(*name))
        .map(|(name, needs)| (name.clone(), needs.clone()))
        .collect();
    if dependency::order(&among).len() == among.len() { union } else { recorded }
}
