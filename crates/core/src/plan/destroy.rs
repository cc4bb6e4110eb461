//! The plan of a destroy: every stack of config and graph, dependants first.

use std::collections::{BTreeMap, BTreeSet};

use super::deploy::{assemble, note, refuse_other_place, step};
use super::remarks::{ignored_flags, protection_note, renamed};
use super::removal::gone;
use super::select::Selected;
use super::tasks;
use super::world::{in_names_of_config, renames};
use super::{Action, Desired, Plan, Purpose, Reason, Settings, Step, World, fqn_of_recorded};
use crate::config::StackDefinition;
use crate::error::{Finding, Findings};
use crate::graph::dependency;
use crate::ident::NodeName;

/// Plans a destroy. The findings beside the plan are warnings.
///
/// # Errors
/// [`Findings`] with what is refused.
pub fn destroy(desired: &Desired, world: &World, settings: &Settings) -> Result<(Plan, Findings), Findings> {
    let mut findings = Findings::default();
    refuse_other_place(world, &mut findings);
    if findings.has_errors() {
        return Err(findings);
    }
    let selected = Selected::find(settings.selection.as_ref(), desired, world)?;
    let chosen = |definition: &&StackDefinition| selected.has(&definition.name);
    for definition in desired.config.stacks.values().filter(chosen) {
        if let Some(problem) = renamed(desired, world, definition) {
            findings.push(Finding::at(&desired.config.document, problem));
        }
    }
    if findings.has_errors() {
        return Err(findings);
    }
    let names: BTreeSet<&NodeName> = desired.config.stacks.keys().chain(world.nodes()).collect();
    let mut steps: BTreeMap<NodeName, Step> =
        names.into_iter().map(|name| (name.clone(), one(desired, world, name))).collect();
    let tasks = tasks::destroyed(desired, world, settings, &mut findings);
    steps.extend(tasks.into_iter().map(|step| (step.name.clone(), step)));
    selected.leave_others(desired, Purpose::Destroy, &mut steps);
    selected.refuse_orphans(desired, world, &steps, &mut findings);
    if findings.has_errors() {
        return Err(findings);
    }
    let deleted: BTreeSet<NodeName> = steps
        .iter()
        .filter(|(_, step)| step.action == Action::Delete)
        .map(|(name, _)| name.clone())
        .collect();
    for (name, needs) in edges(desired, world, &deleted) {
        for need in needs {
            if let Some(step) = steps.get_mut(&need).filter(|step| step.action == Action::Delete) {
                step.needs.insert(name.clone());
            }
        }
    }
    let mut plan = assemble(desired, world, settings, Purpose::Destroy, steps);
    // Hooks of a destroy undo what all of the stacks need.
    if settings.selection.is_some() && !plan.hooks.is_empty() {
        plan.hooks.clear();
        let text = "hooks run only with a destroy of everything, not with one of selected stacks";
        plan.notes.push(note("plan::hooks_left_out", text));
    }
    Ok((plan, findings))
}

fn one(desired: &Desired, world: &World, name: &NodeName) -> Step {
    let configured = desired.config.stacks.get(name);
    let fqn = match configured {
        Some(definition) => definition.fqn.clone(),
        None => fqn_of_recorded(&desired.config, &world.state, name),
    };
    let facts = world.state.nodes.get(name);
    if configured.is_none()
        && let Some(now) = desired.config.stacks.values().find(|definition| definition.fqn == fqn)
    {
        return step(name, &fqn, Action::Skip, Reason::Renamed { to: now.name.clone() });
    }
    let Some(live) = world.stacks.get(&fqn) else {
        let name_known = configured.is_some() || facts.is_some_and(|facts| facts.fqn.is_some());
        return match (world.is_recorded(name), name_known) {
            (true, true) => gone(world, name, &fqn),
            (true, false) => {
                let mut step = step(name, &fqn, Action::Skip, Reason::NameUnknown);
                let text = format!(
                    "no stack `{fqn}` exists, and it is not known whether `{name}` had another name: its record is kept; `runway-rs graph forget {name}` drops it"
                );
                step.notes.push(note("plan::name_unknown", text));
                step
            }
            (false, _) => step(name, &fqn, Action::Skip, Reason::NeverExisted),
        };
    };
    let other = facts.and_then(|facts| facts.stack_id.as_ref()).is_some_and(|id| *id != live.id);
    if configured.is_none() && other {
        let mut step = step(name, &fqn, Action::Skip, Reason::OtherIncarnation);
        let text = format!(
            "`{fqn}` was created anew outside this graph, so it is left alone; delete it by hand, or `runway-rs graph forget {name}`"
        );
        step.notes.push(note("plan::other_incarnation", text));
        return step;
    }
    let reason = if configured.is_some() { Reason::Destroy } else { Reason::NotInConfig };
    let mut step = step(name, &fqn, Action::Delete, reason);
    step.stack_id = Some(live.id.clone());
    step.notes.extend(protection_note(live));
    step.notes.extend(ignored_flags(&desired.config, name));
    step
}

/// Recorded, last deployed and configured dependencies together. Stacks may still depend on each other in the cloud in
/// ways the config has given up; where that makes a cycle, what was recorded decides.
fn edges(
    desired: &Desired,
    world: &World,
    deleted: &BTreeSet<NodeName>,
) -> BTreeMap<NodeName, BTreeSet<NodeName>> {
    let recorded = world.recorded.as_ref().map(|graph| graph.nodes.clone()).unwrap_or_default();
    let stacks = world.state.nodes.iter().map(|(name, facts)| (name, &facts.needs));
    let tasks = world.state.tasks.iter().map(|(name, facts)| (name, &facts.needs));
    let facts = stacks.chain(tasks).map(|(name, needs)| (name.clone(), needs.clone())).collect();
    let configured = desired.graph.needs().clone();
    let mut best = BTreeMap::new();
    let mut union: BTreeMap<NodeName, BTreeSet<NodeName>> = BTreeMap::new();
    let renames = renames(desired, world);
    for source in [recorded, facts, configured] {
        for (name, needs) in in_names_of_config(source, &renames) {
            union.entry(name).or_default().extend(needs);
        }
        union.retain(|name, _| deleted.contains(name));
        for needs in union.values_mut() {
            needs.retain(|need| deleted.contains(need));
        }
        if dependency::order(&union).len() == union.len() {
            best.clone_from(&union);
        } else {
            union.clone_from(&best);
        }
    }
    best
}
