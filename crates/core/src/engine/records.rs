//! What a run records: from plan and world to the values that the lock writes before the first change and after the
//! last.

use std::collections::{BTreeMap, BTreeSet};

use crate::config::{Config, OnRemove};
use crate::engine::execute::Executed;
use crate::engine::observe::Observed;
use crate::engine::step;
use crate::graph::GraphState;
use crate::graph::state::{Intent, IntentAction, NodeFacts, TaskFacts};
use crate::ident::{NodeName, StackFqn};
use crate::lock::code::LockCode;
use crate::lock::record::{ended, is_settled, recorded_state};
use crate::lock::{Ending, Premise, Premises, Record, record_for};
use crate::plan::tasks::{on_remove, without_secrets};
use crate::plan::{Action, Desired, Plan, Reason, Step, World, fqn_of_recorded};
use crate::provider::{Place, StackState};

/// How a run ended, for the records.
#[derive(Debug, Default)]
pub(crate) struct Last {
    gone: BTreeSet<NodeName>,
    facts: BTreeMap<NodeName, NodeFacts>,
    decided: BTreeSet<NodeName>,
    tasks: BTreeMap<NodeName, TaskFacts>,
    forgotten: Option<NodeName>,
}

impl Last {
    /// The same, as the lock takes it.
    pub(crate) fn ending(&self) -> Ending<'_> {
        Ending {
            gone: &self.gone,
            facts: &self.facts,
            decided: &self.decided,
            tasks: &self.tasks,
            forgotten: self.forgotten.as_ref(),
        }
    }

    /// The end of a session that does nothing but drop one stack from the records.
    pub(crate) fn without(stack: &NodeName) -> Self {
        let forgotten = Some(stack.clone());
        Self { gone: BTreeSet::from([stack.clone()]), forgotten, ..Self::default() }
    }
}

/// What is recorded before the first change. `session` is the session's UUID.
pub(crate) fn first(
    session: &str,
    desired: &Desired,
    plan: &Plan,
    premises: &Premises,
    world: &World,
) -> Record {
    let place = &world.place;
    let changing = plan.steps.iter().filter(|step| step.action.is_change() && step.task.is_none());
    let steps: BTreeMap<NodeName, Intent> =
        changing.filter_map(|step| Some((step.name.clone(), intent(session, place, step)?))).collect();
    let mut record = record_for(Premise {
        graph: &premises.recorded(),
        state: &premises.state,
        config: &wanted(desired),
        existing: &existing(desired, world),
        steps: &steps,
    });
    for (name, step) in &steps {
        if matches!(step.action, IntentAction::Create | IntentAction::Recreate) {
            let facts = record.facts.entry(name.clone()).or_default();
            // The incarnation that will be made has no id yet, and the old one's must not be held against it.
            *facts = NodeFacts { stack_id: None, ..facts_at(place, &step.fqn, std::mem::take(facts)) };
        }
    }
    record.tasks.extend(due_again(desired, plan, premises));
    for step in plan.steps.iter().filter(|step| step.action.is_change()) {
        let Some(task) = &step.task else { continue };
        record.task_steps.insert(step.name.clone(), task_intent(step.action));
        if let (false, Some(facts)) = (task.leaves, &task.record) {
            let known = premises.state.tasks.get(&step.name);
            // It is not as specified until it was seen to be; what only has effects is due until it had them.
            let digest = None;
            if let (Some(known), true) = (known, facts.is_open()) {
                // With other arguments what it kept until now could not be found any more.
                record.tasks.insert(step.name.clone(), TaskFacts { digest, ..known.clone() });
                continue;
            }
            let outputs = known.map(|known| known.outputs.clone()).unwrap_or_default();
            let mut facts = TaskFacts { digest, outputs, ..facts.clone() };
            // Whose it is, is known once it is made: until then somebody else may make it.
            let definition = desired.config.tasks.get(&step.name).zip(desired.kinds.get(&facts.kind));
            if let (None, Some((definition, kind)), false) = (known, definition, facts.adopted) {
                facts.adopted = !kind.effects();
                facts.on_remove = on_remove(definition, kind.as_ref(), facts.adopted);
            }
            record.tasks.insert(step.name.clone(), facts);
        }
    }
    // Also of tasks that this run leaves alone.
    for facts in record.tasks.values_mut() {
        if let Some(clean) = without_secrets(desired, facts) {
            *facts = clean;
        }
    }
    record
}

/// Records of tasks that only have effects and are left alone in a run that changes what they need: they are due later.
fn due_again<'a>(
    desired: &'a Desired,
    plan: &'a Plan,
    premises: &'a Premises,
) -> impl Iterator<Item = (NodeName, TaskFacts)> + 'a {
    let changing: BTreeSet<&NodeName> =
        plan.steps.iter().filter(|step| step.action.is_change()).map(|step| &step.name).collect();
    let left_alone = plan.steps.iter().filter(|step| step.action == Action::Skip);
    left_alone.filter_map(move |step| {
        let definition = desired.config.tasks.get(&step.name)?;
        let is_due = desired.kinds.get(&definition.kind)?.effects()
            && desired.graph.needs_of(&step.name).iter().any(|need| changing.contains(need));
        let facts = premises.state.tasks.get(&step.name).filter(|_| is_due)?;
        Some((step.name.clone(), TaskFacts { digest: None, ..facts.clone() }))
    })
}

fn task_intent(action: Action) -> IntentAction {
    match action {
        Action::Create => IntentAction::Create,
        Action::Delete => IntentAction::Delete,
        _ => IntentAction::Update,
    }
}

/// What is recorded by a session that is about to change nothing.
pub(crate) fn as_recorded(premises: &Premises) -> Record {
    Record {
        graph: premises.recorded(),
        facts: premises.state.nodes.clone(),
        tasks: premises.state.tasks.clone(),
        ..Record::default()
    }
}

/// What is left to record after the last change.
pub(crate) fn last(
    desired: &Desired,
    plan: &Plan,
    premises: &Premises,
    world: &World,
    executed: &Executed,
) -> Last {
    let exists = |step: &Step| executed.stacks.contains_key(&step.fqn);
    let recorded = premises.recorded();
    // The new name of a stack takes over its record, unless it is not recorded itself.
    let has_record = |name: &NodeName| {
        let enabled = desired.config.stacks.get(name).is_some_and(|definition| definition.enabled);
        enabled || recorded.nodes.contains_key(name)
    };
    let unchanged = plan.steps.iter().filter(|step| step.action == Action::None);
    let unchanged =
        unchanged.filter_map(|step| Some((step.name.clone(), step.task.as_ref()?.record.clone()?)));
    let stay = plan.steps.iter().filter(|step| step.action == Action::Skip);
    let stay =
        stay.filter_map(|step| Some((step.name.clone(), told_to_stay(desired, premises, &step.name)?)));
    let tasks: BTreeMap<NodeName, TaskFacts> = unchanged.chain(stay).chain(executed.tasks.clone()).collect();
    let is_known = |to: &NodeName| {
        let changes = plan.step(to).is_some_and(|step| step.action.is_change());
        has_record(to) || changes || tasks.contains_key(to) || premises.state.tasks.contains_key(to)
    };
    let is_gone = |step: &&Step| match step.action {
        _ if step.task.is_some() => is_gone_task(step, executed, &is_known),
        Action::Delete => executed.succeeded.contains(&step.name) && !exists(step),
        Action::Skip => step.reasons.iter().any(|reason| match reason {
            Reason::Gone => true,
            Reason::Renamed { to } => has_record(to),
            _ => false,
        }),
        _ => false,
    };
    let gone = plan.steps.iter().filter(is_gone).map(|step| step.name.clone()).collect();
    let after = World { stacks: executed.stacks.clone(), ..world.clone() };
    let mut facts = existing(desired, &after);
    for (name, facts) in &mut facts {
        let step = plan.step(name);
        let switched = step.filter(|_| executed.succeeded.contains(name));
        if let Some((_, to)) = switched.and_then(|step| step.changes.termination_protection) {
            facts.termination_protection = to;
        }
        let settled =
            step.is_some_and(|step| step.action == Action::None || executed.succeeded.contains(name));
        facts.needs = match wanted_needs(desired, name).filter(|_| settled) {
            Some(needs) => needs,
            None => match premises.state.nodes.get(name) {
                Some(known) => known.needs.clone(),
                None => recorded.nodes.get(name).cloned().unwrap_or_default(),
            },
        };
    }
    let intents = premises.state.intents.values();
    let intended = intents.flat_map(|session| session.steps.keys().chain(session.tasks.keys()));
    let named = plan.steps.iter().map(|step| &step.name).chain(intended);
    // What is not worked on may still be waited for by the run that is.
    let left = |name: &NodeName| {
        plan.step(name).is_some_and(|step| step.reasons.contains(&Reason::NotSelected))
            || executed.abandoned.contains(name)
    };
    let decided = named.filter(|name| !left(name)).cloned().collect();
    Last { gone, facts, decided, tasks, forgotten: None }
}

/// The record of a task that is left alone, and that the config tells to stay: that needs no look, and holds at once.
fn told_to_stay(desired: &Desired, premises: &Premises, name: &NodeName) -> Option<TaskFacts> {
    let definition = desired.config.tasks.get(name)?;
    let known = premises.state.tasks.get(name)?;
    let is_new = definition.on_remove == Some(OnRemove::Retain) && known.on_remove == OnRemove::Delete;
    let facts = is_new.then(|| TaskFacts { on_remove: OnRemove::Retain, ..known.clone() })?;
    Some(without_secrets(desired, &facts).unwrap_or(facts))
}

/// Whether a task keeps nothing any more, or nothing that is to be known. `is_known`: whether a node is recorded after
/// the run.
fn is_gone_task(step: &Step, executed: &Executed, is_known: &dyn Fn(&NodeName) -> bool) -> bool {
    let leaves = step.task.as_ref().is_some_and(|task| task.leaves);
    leaves
        && match step.action {
            Action::Delete => executed.succeeded.contains(&step.name),
            _ => step.reasons.iter().any(|reason| match reason {
                Reason::Renamed { to } => is_known(to),
                Reason::Gone | Reason::KeepsNothing | Reason::Retained => true,
                _ => false,
            }),
        }
}

/// Whether a run without a change would still have something to record: a stack that vanished, an edge that is new or
/// that CFNgin could not read, a stack that CFNgin recorded and whose id is not known yet, what a dead session intended.
pub(crate) fn differ(desired: &Desired, plan: &Plan, observed: &Observed) -> bool {
    let Some(premises) = &observed.premises else { return false };
    let executed = Executed { stacks: observed.world.stacks.clone(), ..Executed::default() };
    let record = first("", desired, plan, premises, &observed.world);
    let last = last(desired, plan, premises, &observed.world, &executed);
    let nobody = LockCode::new("");
    let state = recorded_state(&premises.state, &nobody, "", &record);
    let settled = |_: &str, intents: &_| is_settled(intents, premises.date);
    let (graph, state): (_, GraphState) = ended(&record, &state, &nobody, last.ending(), settled);
    let repaired = premises.graph.as_ref().is_some_and(|seen| seen.read.is_repaired());
    repaired
        || graph != premises.recorded()
        || state.nodes != premises.state.nodes
        || state.tasks != premises.state.tasks
        || state.intents != premises.state.intents
}

/// The intent of a changing step.
fn intent(session: &str, place: &Place, step: &Step) -> Option<Intent> {
    let action = match step.action {
        Action::Create => IntentAction::Create,
        Action::Update => IntentAction::Update,
        Action::Delete => IntentAction::Delete,
        Action::Recreate => IntentAction::Recreate,
        Action::Run | Action::None | Action::Skip => return None,
    };
    let creates = matches!(action, IntentAction::Create | IntentAction::Recreate);
    Some(Intent {
        action,
        fqn: step.fqn.clone(),
        account: Some(place.account.clone()),
        region: Some(place.region.clone()),
        stack_id: step.stack_id.clone(),
        token: creates.then(|| step::token(session, 'c', &step.fqn)),
    })
}

/// Stacks of the config that are not disabled, with what each one needs.
fn wanted(desired: &Desired) -> BTreeMap<NodeName, BTreeSet<NodeName>> {
    let names = desired.config.stacks.keys();
    names.filter_map(|name| Some((name.clone(), wanted_needs(desired, name)?))).collect()
}

fn wanted_needs(desired: &Desired, name: &NodeName) -> Option<BTreeSet<NodeName>> {
    let definition = desired.config.stacks.get(name)?;
    // Only stacks are recorded in the graph; a way there through tasks is kept as a need of the stack behind them.
    let needs =
        || desired.graph.needs_of(name).into_iter().chain(desired.graph.stacks_behind(name)).collect();
    definition.enabled.then(needs)
}

/// Stacks that exist and belong to a name of the config or of the records: where they are, and which they are.
fn existing(desired: &Desired, world: &World) -> BTreeMap<NodeName, NodeFacts> {
    let config = &desired.config;
    let mut names: BTreeMap<&NodeName, StackFqn> = BTreeMap::new();
    let intents = world.state.intents.values().flat_map(|session| &session.steps);
    names.extend(intents.map(|(name, intent)| (name, intent.fqn.clone())));
    let recorded = world.nodes().chain(world.state.nodes.keys());
    names.extend(recorded.map(|name| (name, fqn_of_recorded(config, &world.state, name))));
    names.extend(config.stacks.iter().map(|(name, definition)| (name, definition.fqn.clone())));
    let configured: BTreeSet<&StackFqn> = config.stacks.values().map(|definition| &definition.fqn).collect();
    let ours = |name: &NodeName, fqn: &StackFqn, live: &StackState| {
        let other = |id: &_| *id != live.id;
        let known = world.state.nodes.get(name).and_then(|facts| facts.stack_id.as_ref());
        config.stacks.contains_key(name) || !configured.contains(fqn) && !known.is_some_and(other)
    };
    names
        .into_iter()
        .filter_map(|(name, fqn)| {
            let live = world.stacks.get(&fqn).filter(|live| ours(name, &fqn, live))?;
            let facts = NodeFacts {
                stack_id: Some(live.id.clone()),
                termination_protection: protected(config, world, name, live),
                ..NodeFacts::default()
            };
            Some((name.clone(), facts_at(&world.place, &fqn, facts)))
        })
        .collect()
}

/// Whether a stack has termination protection, as far as is known: seen, or else as wanted or as recorded.
fn protected(config: &Config, world: &World, name: &NodeName, live: &StackState) -> bool {
    let wanted = config.stacks.get(name).is_some_and(|definition| definition.termination_protection);
    let recorded = world.state.nodes.get(name).is_some_and(|facts| facts.termination_protection);
    live.termination_protection || live.protection_unknown && (wanted || recorded)
}

fn facts_at(place: &Place, fqn: &StackFqn, facts: NodeFacts) -> NodeFacts {
    NodeFacts {
        fqn: Some(fqn.clone()),
        account: Some(place.account.clone()),
        region: Some(place.region.clone()),
        ..facts
    }
}
