//! Who else has what a task keeps.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use super::removal::{Left, key, left_behind, parts as parts_of, subject as subject_of, values as values_of};
use super::{Arguments, StepTask, arguments, on_remove, place_in};
use crate::config::{OnRemove, TaskDefinition};
use crate::graph::state::TaskFacts;
use crate::ident::NodeName;
use crate::plan::scope::PlanScope;
use crate::plan::{Action, Desired, Plan, Settings, World, fqn_of_recorded};
use crate::task::{self, AnyTaskKind, Keeps, TaskPlace};

/// Kind, account and region by which what tasks keep is told apart.
pub(super) type Holding = (String, String, String);
/// Kinds and places of which it is not known what all tasks keep.
pub(crate) type Unsure = BTreeSet<Holding>;
/// The parts of a subject that a task keeps; `None` is all of it.
pub(super) type Parts = Option<BTreeSet<String>>;

/// What tasks of the config keep.
#[derive(Debug, Default)]
pub(crate) struct Subjects(BTreeMap<(Holding, String), Vec<(NodeName, Parts)>>);

impl Subjects {
    pub(super) fn insert(&mut self, holding: Holding, subject: String, node: &NodeName, parts: Parts) {
        self.0.entry((holding, subject)).or_default().push((node.clone(), parts));
    }

    /// Those that keep the same, or a part of it.
    pub(super) fn sharing(&self, holding: &Holding, subject: &str, parts: &Parts) -> Vec<NodeName> {
        let holders = self.0.get(&(holding.clone(), subject.to_owned())).map(Vec::as_slice);
        let shares = |theirs: &Parts| task::overlap(parts.as_ref(), theirs.as_ref());
        let sharing = holders.unwrap_or_default().iter().filter(|(_, theirs)| shares(theirs));
        sharing.map(|(node, _)| node.clone()).collect()
    }
}

/// Somebody who has a stack, and is not to lose it to a task.
pub(super) struct Keeper {
    /// The node of the config, if it is one.
    pub(super) node: Option<NodeName>,
    /// Who it is.
    pub(super) words: String,
}

/// Where what tasks of a kind keep is told apart: kinds that keep stacks are one kind here, and what is global is in no
/// region.
pub(super) fn held_at(desired: &Desired, kind: &str, account: &str, region: &str) -> Holding {
    let (kind, region) = match desired.kinds.get(kind).map(|kind| kind.keeps()) {
        Some(Keeps::Stack | Keeps::NoStack) => ("a stack", region),
        Some(Keeps::Global) => (kind, ""),
        Some(Keeps::Regional | Keeps::Nothing) | None => (kind, region),
    };
    (kind.to_owned(), account.to_owned(), region.to_owned())
}

/// Who else has the stack that a task is about: the config, the persistent graph, or the bucket in which graph and lock are.
pub(super) fn keeper(
    desired: &Desired,
    world: &World,
    kind: &str,
    task: &StepTask,
    stack: &str,
) -> Option<Keeper> {
    let here = (&task.account, &task.region) == (&world.place.account, &world.place.region);
    let is_stack =
        desired.kinds.get(kind).is_some_and(|kind| matches!(kind.keeps(), Keeps::Stack | Keeps::NoStack));
    if !here || !is_stack {
        return None;
    }
    let config = &desired.config;
    let configured = config.stacks.values().find(|definition| definition.fqn.as_str() == stack);
    if let Some(definition) = configured {
        let (node, words) =
            (Some(definition.name.clone()), format!("the stack `{}` of the config", definition.name));
        return Some(Keeper { node, words });
    }
    let is_it = |name: &&NodeName| fqn_of_recorded(config, &world.state, name).as_str() == stack;
    // What the graph has lost is recorded again.
    let created = world.state.intents.values().flat_map(|session| session.steps.keys());
    let mut recorded = world.nodes().chain(world.state.nodes.keys()).chain(created);
    if let Some(name) = recorded.find(is_it) {
        return Some(Keeper { node: None, words: format!("the stack `{name}` of the persistent graph") });
    }
    let is_bucket =
        config.bucket_name(&task.region).is_some() && config.fqn("cfngin-bucket").as_str() == stack;
    is_bucket.then(|| Keeper { node: None, words: "that of the bucket with graph and lock".to_owned() })
}

/// Why a task is not carried out at its turn, and what to do.
#[derive(Debug)]
pub(crate) struct Refusal {
    pub(crate) message: String,
    pub(crate) help: String,
}

/// Why a task is not carried out whose arguments were not known when it was planned: what it keeps has another owner, or
/// what it kept until now would be lost sight of.
pub(crate) fn refused_at_its_turn(
    (desired, world, settings): (&Desired, &World, &Settings),
    plan: &Plan,
    (definition, kind): (&TaskDefinition, &dyn AnyTaskKind),
    values: &Map<String, Value>,
    planned: &StepTask,
) -> Option<Refusal> {
    if !kind.owns() {
        return None;
    }
    let subject = kind.subject(values)?;
    let help = format!(
        "give the task another name, so that what it kept is deleted, or write `on_remove: retain`, or `runway-rs graph forget {}`",
        definition.node
    );
    if let Some(keeper) = keeper(desired, world, &definition.kind, planned, &subject) {
        let message = format!("with the values that are known now it works on {}: `{subject}`", keeper.words);
        return Some(Refusal { message, help });
    }
    let holding = held_at(desired, &definition.kind, &planned.account, &planned.region);
    let works = |other: &&TaskDefinition| {
        other.node != definition.node
            && plan.step(&other.node).is_some_and(|step| step.action != Action::Skip)
    };
    let others = desired.config.tasks.values().filter(works);
    // What was known when the plan was made was compared there.
    let mut others = others.filter(|_| planned.subject.is_none()).filter(|other| {
        let parts = kept_now(desired, world, settings, other, (&holding, &subject));
        parts.is_some_and(|theirs| task::overlap(kind.parts(values).as_ref(), theirs.as_ref()))
    });
    if let Some(other) = others.next() {
        let message = format!(
            "with the values that are known now it keeps the same as the task `{}`: `{subject}`",
            other.node
        );
        let help = "they would undo each other's work: remove one of them, or make them differ".to_owned();
        return Some(Refusal { message, help });
    }
    let recorded = world.state.tasks.get(&definition.node);
    let deletes = |facts: &&TaskFacts| on_remove(definition, kind, facts.adopted) == OnRemove::Delete;
    let recorded = recorded.filter(deletes)?;
    let now = StepTask { subject: Some(subject.clone()), ..planned.clone() };
    let Left { before, now } = left_behind(desired, world, recorded, &now)?;
    let message = format!(
        "it kept {before} until now, and with the values that are known now it would keep {now}: {before} would be left behind without a record"
    );
    Some(Refusal { message, help })
}

/// The parts that a task of the config keeps of a subject, with its arguments as they are now; `None` if it keeps
/// something else, or if that is not known.
pub(super) fn kept_now(
    desired: &Desired,
    world: &World,
    settings: &Settings,
    definition: &TaskDefinition,
    (holding, subject): (&Holding, &str),
) -> Option<Parts> {
    let kind = desired.kinds.get(&definition.kind).filter(|kind| kind.owns())?;
    let (account, region) = place_in(world, &definition.place);
    if held_at(desired, &definition.kind, &account, &region) != *holding {
        return None;
    }
    let scope = PlanScope::now(desired, world, settings).of_task(definition);
    let found = arguments(&scope, definition).ok()?;
    let values = found.known()?;
    (kind.subject(values)? == subject).then(|| kind.parts(values))
}

/// The same for ids that were read, which are told apart from names.
pub(super) fn held_by_id(desired: &Desired, kind: &str, account: &str, region: &str) -> Holding {
    let (_, account, region) = held_at(desired, kind, account, region);
    (format!("ids of {kind}"), account, region)
}

/// What is recorded of a task: under its own name, or under one that left the config and keeps the same.
pub(crate) fn record_of<'w>(
    desired: &Desired,
    world: &'w World,
    definition: &TaskDefinition,
    values: Option<&Map<String, Value>>,
) -> Option<&'w TaskFacts> {
    let own = world.state.tasks.get(&definition.node);
    own.or_else(|| former(desired, world, definition, values?).into_iter().next())
}

/// What is recorded under names that left the config and keep the same as a task, or a part of it.
pub(super) fn former<'w>(
    desired: &Desired,
    world: &'w World,
    definition: &TaskDefinition,
    values: &Map<String, Value>,
) -> Vec<&'w TaskFacts> {
    let kind = desired.kinds.get(&definition.kind).filter(|kind| !kind.effects());
    let Some((kind, subject)) = kind.and_then(|kind| Some((kind, kind.subject(values)?))) else {
        return Vec::new();
    };
    let parts = kind.parts(values);
    let held = |kind: &str, place: &TaskPlace| {
        let (account, region) = place_in(world, place);
        held_at(desired, kind, &account, &region)
    };
    let here = held(&definition.kind, &definition.place);
    let same = |(node, facts): &(&NodeName, &TaskFacts)| {
        let keeps = desired.kinds.get(&facts.kind).map(|kind| kind.keeps());
        !desired.config.tasks.contains_key(*node)
            && facts.keeps_something()
            && !matches!(keeps, Some(Keeps::NoStack | Keeps::Nothing))
            && subject_of(desired, facts).as_ref() == Some(&subject)
            && held(&facts.kind, &facts.place) == here
            && task::overlap(parts.as_ref(), parts_of(desired, facts).as_ref())
    };
    world.state.tasks.iter().filter(same).map(|(_, facts)| facts).collect()
}

/// Why a task that is needed and left alone in this run cannot serve; `None` if it can, or if nothing is recorded of
/// any task.
pub(crate) fn why_not_there(
    desired: &Desired,
    world: &World,
    settings: &Settings,
    definition: &TaskDefinition,
) -> Option<&'static str> {
    world.recorded.as_ref()?;
    let kind = desired.kinds.get(&definition.kind)?;
    let scope = PlanScope::now(desired, world, settings).of_task(definition);
    let found = arguments(&scope, definition).ok();
    let values = found.as_ref().and_then(Arguments::known);
    let Some(facts) = record_of(desired, world, definition, values) else {
        return Some("was not carried out yet");
    };
    let wants_absence =
        values.and_then(|values| values.get("state")).and_then(Value::as_str) == Some("absent");
    if facts.keeps_something() == wants_absence {
        return Some("was last carried out with another `state`");
    }
    // What was begun may be there all the same: a change of it failed.
    let is_there = || match world.answers.tasks.get(&key(facts)) {
        Some(Ok(state)) => facts.keeps_something() && kind.is_there(&values_of(facts), state),
        _ => false,
    };
    (facts.digest.is_none() && !is_there()).then_some("was not carried out to its end")
}
