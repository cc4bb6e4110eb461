//! A part of the stacks: which ones `--stack` means, and what keeps such a part from being worked on alone.

use std::collections::{BTreeMap, BTreeSet};

use super::tasks::why_not_there;
use super::{Action, Desired, PlanProblem, Purpose, Reason, Settings, Step, World, fqn_of_recorded};
use crate::config::Called;
use crate::error::{Finding, Findings, nearest};
use crate::ident::{NodeName, StackFqn};

/// Stacks chosen by name; the others are left as they are, whatever the config says of them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Selection {
    /// Names or full names of stacks, as given.
    pub stacks: BTreeSet<String>,
    /// Also everything they need, at any distance.
    pub with_dependencies: bool,
    /// Also everything that needs them, at any distance.
    pub with_dependents: bool,
}

/// Names of the config's stacks and tasks that are worked on.
///
/// # Errors
/// [`Findings`] with every name of the selection that nothing is called.
pub fn selected(
    selection: Option<&Selection>,
    desired: &Desired,
    world: &World,
) -> Result<BTreeSet<NodeName>, Findings> {
    let selected = Selected::find(selection, desired, world)?;
    Ok(desired.graph.needs().keys().filter(|name| selected.has(name)).cloned().collect())
}

/// What a run works on.
#[derive(Debug)]
pub(super) enum Selected {
    /// Everything.
    All,
    /// These stacks.
    Some {
        /// Every selected stack.
        all: BTreeSet<NodeName>,
        /// Those that were named.
        named: BTreeSet<NodeName>,
    },
}

impl Selected {
    /// Finds the stacks that a selection means, in the config and in the records.
    ///
    /// # Errors
    /// [`Findings`] with every name that nothing is called.
    pub(super) fn find(
        selection: Option<&Selection>,
        desired: &Desired,
        world: &World,
    ) -> Result<Self, Findings> {
        let Some(selection) = selection else { return Ok(Self::All) };
        let recorded = world.nodes().chain(world.state.nodes.keys());
        let recorded = recorded.map(|name| (name, fqn_of_recorded(&desired.config, &world.state, name)));
        // What the config says a stack is called wins over what was recorded.
        let mut known: BTreeMap<&NodeName, StackFqn> = recorded.collect();
        known.extend(desired.config.stacks.iter().map(|(name, definition)| (name, definition.fqn.clone())));
        let tasks = desired.config.tasks.keys().chain(world.state.tasks.keys());
        known.extend(tasks.map(|name| (name, StackFqn::new(name.as_str()))));
        let mut findings = Findings::default();
        let mut named = BTreeSet::new();
        for wanted in &selection.stacks {
            let by_fqn = || known.iter().find(|(_, fqn)| fqn.as_str() == wanted).map(|(name, _)| *name);
            match known.keys().copied().find(|name| name.as_str() == wanted).or_else(by_fqn) {
                Some(name) => drop(named.insert(name.clone())),
                None if let Called::Nodes(nodes) = desired.config.tasks_called(wanted) => {
                    named.extend(nodes.into_iter().map(|task| task.node.clone()));
                }
                None => findings.push(Finding::general(PlanProblem::UnknownSelection {
                    name: wanted.clone(),
                    help: match nearest(wanted, known.keys().map(|name| name.as_str())) {
                        Some(meant) => format!("did you mean `{meant}`?"),
                        None => "--stack takes the `name` of a stack or task from the config, a stack's full name, or `kind/name`".to_owned(),
                    },
                })),
            }
        }
        if findings.has_errors() {
            return Err(findings);
        }
        let needs = all_edges(desired, world);
        let mut all = named.clone();
        if selection.with_dependencies {
            all.extend(reachable(&named, &needs));
        }
        if selection.with_dependents {
            all.extend(reachable(&named, &reversed(&needs)));
        }
        Ok(Self::Some { all, named })
    }

    /// Whether a stack is worked on.
    pub(super) fn has(&self, name: &NodeName) -> bool {
        match self {
            Self::All => true,
            Self::Some { all, .. } => all.contains(name),
        }
    }

    /// Whether a stack that left the config may be deleted: in a part of a deploy it must have been named.
    fn may_remove(&self, name: &NodeName, purpose: Purpose) -> bool {
        match self {
            Self::All => true,
            Self::Some { all, named } => match purpose {
                Purpose::Deploy => named.contains(name),
                Purpose::Destroy => all.contains(name),
            },
        }
    }

    /// Whether only a part is worked on.
    pub(super) fn is_part(&self) -> bool {
        matches!(self, Self::Some { .. })
    }

    /// Turns the steps of stacks that are not selected into steps that do nothing.
    pub(super) fn leave_others(
        &self,
        desired: &Desired,
        purpose: Purpose,
        steps: &mut BTreeMap<NodeName, Step>,
    ) {
        for (name, step) in steps.iter_mut() {
            let stays = match purpose {
                Purpose::Deploy if desired.graph.needs().contains_key(name) => self.has(name),
                _ => self.may_remove(name, purpose),
            };
            if !stays && !step.reasons.contains(&Reason::RecordedAgain) {
                *step = Step {
                    needs: std::mem::take(&mut step.needs),
                    stack_id: step.stack_id.take(),
                    task: step.task.take(),
                    ..super::deploy::step(name, &step.fqn, Action::Skip, Reason::NotSelected)
                };
            }
        }
    }

    /// What a selected stack needs and does not get: stacks that neither exist nor are selected.
    pub(super) fn absent_needs(&self, desired: &Desired, world: &World, name: &NodeName) -> Vec<NodeName> {
        let is_absent = |need: &NodeName| {
            let definition = desired.config.stacks.get(need);
            !self.has(need)
                && definition.is_some_and(|definition| {
                    definition.enabled && !world.stacks.contains_key(&definition.fqn)
                })
        };
        desired.graph.needs_of(name).into_iter().filter(is_absent).collect()
    }

    /// The tasks that a selected node needs, that are left alone and cannot serve, and why.
    pub(super) fn unfinished_needs(
        &self,
        desired: &Desired,
        world: &World,
        settings: &Settings,
        name: &NodeName,
    ) -> Vec<(NodeName, &'static str)> {
        let needs = desired.graph.needs_of(name).into_iter().filter(|need| !self.has(need));
        let why = |need: NodeName| {
            let definition = desired.config.tasks.get(&need).filter(|task| task.enabled)?;
            let why = why_not_there(desired, world, settings, definition)?;
            Some((need, why))
        };
        needs.filter_map(why).collect()
    }

    /// Refuses deletions of stacks that others, which exist and are left alone, may still use.
    pub(super) fn refuse_orphans(
        &self,
        desired: &Desired,
        world: &World,
        steps: &BTreeMap<NodeName, Step>,
        findings: &mut Findings,
    ) {
        if !self.is_part() {
            return;
        }
        let dependants = reversed(&all_edges(desired, world));
        let is_left = |name: &&NodeName| {
            steps.get(*name).is_some_and(|step| {
                let exists =
                    world.stacks.contains_key(&step.fqn) || world.state.tasks.contains_key(&step.name);
                step.reasons.contains(&Reason::NotSelected) && exists
            })
        };
        for (name, step) in steps.iter().filter(|(_, step)| step.action == Action::Delete) {
            let users: Vec<&str> =
                dependants.get(name).into_iter().flatten().filter(is_left).map(NodeName::as_str).collect();
            if !users.is_empty() {
                let (stack, fqn) = (name.as_str().to_owned(), step.fqn.as_str().to_owned());
                let users = users.join(", ");
                findings.push(Finding::general(PlanProblem::StillNeeded { stack, fqn, users }));
            }
        }
    }
}

/// Everything that is known to need something: as configured, as recorded and as last deployed.
fn all_edges(desired: &Desired, world: &World) -> BTreeMap<NodeName, BTreeSet<NodeName>> {
    let mut edges = desired.graph.needs().clone();
    let recorded = world.recorded.iter().flat_map(|graph| &graph.nodes);
    let deployed = world.state.nodes.iter().map(|(name, facts)| (name, &facts.needs));
    let tasks = world.state.tasks.iter().map(|(name, facts)| (name, &facts.needs));
    for (name, needs) in recorded.chain(deployed).chain(tasks) {
        edges.entry(name.clone()).or_default().extend(needs.iter().cloned());
    }
    edges
}

fn reversed(edges: &BTreeMap<NodeName, BTreeSet<NodeName>>) -> BTreeMap<NodeName, BTreeSet<NodeName>> {
    let mut reversed: BTreeMap<NodeName, BTreeSet<NodeName>> = BTreeMap::new();
    for (name, needs) in edges {
        for need in needs {
            reversed.entry(need.clone()).or_default().insert(name.clone());
        }
    }
    reversed
}

fn reachable(
    from: &BTreeSet<NodeName>,
    edges: &BTreeMap<NodeName, BTreeSet<NodeName>>,
) -> BTreeSet<NodeName> {
    let mut seen = from.clone();
    let mut open: Vec<NodeName> = from.iter().cloned().collect();
    while let Some(name) = open.pop() {
        for next in edges.get(&name).into_iter().flatten() {
            if seen.insert(next.clone()) {
                open.push(next.clone());
            }
        }
    }
    seen
}
