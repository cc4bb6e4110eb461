//! What a session writes into graph and state: everything it is about to do before the first change, and what is
//! left after the last.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::Timestamp;
use jiff::fmt::rfc2822;

use super::code::LockCode;
use crate::graph::state::{Intent, IntentAction, NodeFacts, SessionIntents, TaskFacts};
use crate::graph::{GraphState, PersistentGraph};
use crate::ident::NodeName;

/// How long an intent to create is believed to be still under way, by the store's clock: a signed request is valid
/// for 15 minutes, and time-outs come on top.
const UNDECIDED_FOR: Duration = Duration::from_secs(60 * 60);

/// What a plan is recorded from.
#[derive(Debug, Clone, Copy)]
pub struct Premise<'a> {
    /// The graph as read.
    pub graph: &'a PersistentGraph,
    /// The state as read.
    pub state: &'a GraphState,
    /// Stacks of the config that are not disabled, and what each one needs.
    pub config: &'a BTreeMap<NodeName, BTreeSet<NodeName>>,
    /// Existing stacks, by name: where and which. Their `needs` and `digest` are not looked at.
    pub existing: &'a BTreeMap<NodeName, NodeFacts>,
    /// Every creation, update, deletion and recreation of the plan.
    pub steps: &'a BTreeMap<NodeName, Intent>,
}

/// What is recorded before the first change.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Record {
    /// The graph.
    pub graph: PersistentGraph,
    /// Facts of the stacks that exist, and those known before.
    pub facts: BTreeMap<NodeName, NodeFacts>,
    /// Own intents.
    pub steps: BTreeMap<NodeName, Intent>,
    /// Tasks that keep something, and those that are about to.
    pub tasks: BTreeMap<NodeName, TaskFacts>,
    /// Own intents about tasks.
    pub task_steps: BTreeMap<NodeName, IntentAction>,
}

/// Computes what has to be recorded before the plan is carried out.
///
/// Nodes are those of the graph, those the plan creates, and every stack that exists and is in the config, in the facts
/// or in anybody's intents; the last repair a graph that CFNgin overwrote. Edges are the config's, and the old ones
/// of, and to, stacks that are to be deleted. An old edge that would close a cycle is left to the facts.
pub fn record_for(premise: Premise<'_>) -> Record {
    let Premise { graph, state, config, existing, steps } = premise;
    let intended = state.intents.values().flat_map(|intents| intents.steps.keys());
    let known = config.keys().chain(state.nodes.keys()).chain(intended);
    let creates = steps.iter().filter(|(_, step)| creates(step)).map(|(name, _)| name);
    let nodes: BTreeSet<_> = graph
        .nodes
        .keys()
        .chain(creates)
        .chain(known.filter(|name| existing.contains_key(*name)))
        .cloned()
        .collect();

    let old_needs = |name: &NodeName| match graph.nodes.get(name) {
        Some(needs) => needs.clone(),
        None => state.nodes.get(name).map(|facts| facts.needs.clone()).unwrap_or_default(),
    };
    let to_be_deleted = |name: &NodeName| {
        !config.contains_key(name) || steps.get(name).is_some_and(|step| step.action == IntentAction::Delete)
    };
    let mut edges: Vec<(&NodeName, NodeName)> = Vec::new();
    let mut recorded = PersistentGraph::default();
    for name in &nodes {
        let wanted = config.get(name).into_iter().flatten().filter(|need| nodes.contains(*need)).cloned();
        recorded.nodes.insert(name.clone(), wanted.collect());
        let old = old_needs(name).into_iter().filter(|need| nodes.contains(need));
        edges.extend(old.filter(|need| to_be_deleted(name) || to_be_deleted(need)).map(|need| (name, need)));
    }
    add_without_cycle(&mut recorded, &edges);

    let mut facts = state.nodes.clone();
    for (name, seen) in existing.iter().filter(|(name, _)| nodes.contains(*name)) {
        let old = state.nodes.get(name);
        let needs = match (old, graph.nodes.get(name)) {
            (Some(old), _) => old.needs.clone(),
            (None, Some(needs)) => needs.clone(),
            (None, None) => config.get(name).cloned().unwrap_or_default(),
        };
        let digest = old.and_then(|old| old.digest.clone());
        facts.insert(name.clone(), NodeFacts { needs, digest, ..seen.clone() });
    }
    let tasks = state.tasks.clone();
    Record { graph: recorded, facts, steps: steps.clone(), tasks, task_steps: BTreeMap::new() }
}

fn creates(step: &Intent) -> bool {
    matches!(step.action, IntentAction::Create | IntentAction::Recreate)
}

fn add_without_cycle(graph: &mut PersistentGraph, edges: &[(&NodeName, NodeName)]) {
    let mut all = graph.clone();
    for (from, to) in edges {
        all.nodes.entry((*from).clone()).or_default().insert(to.clone());
    }
    if all.is_acyclic() {
        *graph = all;
    } else {
        for (from, to) in edges {
            graph.connect(from, to);
        }
    }
}

/// The state with a session's record in it. `at` is the store's `Date` when the session took the lease.
pub fn recorded_state(before: &GraphState, code: &LockCode, at: &str, record: &Record) -> GraphState {
    let mut state = before.clone();
    state.nodes.clone_from(&record.facts);
    state.tasks.clone_from(&record.tasks);
    let (steps, tasks) = (record.steps.clone(), record.task_steps.clone());
    let own = SessionIntents { at: at.to_owned(), steps, tasks };
    state.intents.insert(code.as_str().to_owned(), own);
    state
}

/// How a run ended, as far as it is recorded.
#[derive(Debug, Clone, Copy)]
pub struct Ending<'a> {
    /// Nodes to forget: their stacks were seen absent after the last change, and the config does not want them.
    pub gone: &'a BTreeSet<NodeName>,
    /// Facts of existing stacks as they are now: id, edges and digest as last deployed. A stack that is missing
    /// here keeps the facts it had.
    pub facts: &'a BTreeMap<NodeName, NodeFacts>,
    /// Stacks and tasks about which it is known now whether what they stand for exists.
    pub decided: &'a BTreeSet<NodeName>,
    /// Facts of tasks that are as specified now.
    pub tasks: &'a BTreeMap<NodeName, TaskFacts>,
    /// The node that somebody wants dropped, whatever other sessions were about to do with it.
    pub forgotten: Option<&'a NodeName>,
}

/// Computes what is left to write at the end: graph and state without what is gone and without own intents.
///
/// A stack that is absent is not forgotten while another session may still create it. `settled` says of another
/// session, by its code, whether it can no longer act; see [`is_settled`].
pub fn ended(
    record: &Record,
    state: &GraphState,
    own: &LockCode,
    ending: Ending<'_>,
    settled: impl Fn(&str, &SessionIntents) -> bool,
) -> (PersistentGraph, GraphState) {
    let mut state = state.clone();
    state.intents.remove(own.as_str());
    state.intents.retain(|code, intents| {
        if let Some(name) = ending.forgotten {
            intents.steps.remove(name);
            intents.tasks.remove(name);
        }
        if settled(code, intents) {
            intents.steps.retain(|name, _| !ending.decided.contains(name));
            intents.tasks.retain(|name, _| !ending.decided.contains(name));
        }
        !intents.steps.is_empty() || !intents.tasks.is_empty()
    });
    let awaited: BTreeSet<&NodeName> = state
        .intents
        .values()
        .flat_map(|intents| &intents.steps)
        .filter(|(_, step)| creates(step))
        .map(|(name, _)| name)
        .collect();
    let making = |action: &IntentAction| *action == IntentAction::Create;
    let awaited_tasks: BTreeSet<&NodeName> = state
        .intents
        .values()
        .flat_map(|intents| &intents.tasks)
        .filter(|(_, action)| making(action))
        .map(|(name, _)| name)
        .collect();
    state.tasks.extend(ending.tasks.clone());
    state.tasks.retain(|name, _| !ending.gone.contains(name) || awaited_tasks.contains(name));
    let mut graph = record.graph.clone();
    for name in ending.gone.iter().filter(|name| !awaited.contains(name)) {
        graph.remove(name);
    }
    state.nodes.extend(ending.facts.clone());
    state.nodes.retain(|name, _| graph.nodes.contains_key(name));
    (graph, state)
}

/// Whether intents are so old that their session can no longer act on them, by the store's clock. Intents without
/// a readable date, or a store without a clock, never are.
pub fn is_settled(intents: &SessionIntents, now: Option<Timestamp>) -> bool {
    let at = rfc2822::DateTimeParser::new().parse_timestamp(&intents.at).ok();
    match (at, now) {
        (Some(at), Some(now)) => {
            now.duration_since(at) > jiff::SignedDuration::try_from(UNDECIDED_FOR).unwrap_or_default()
        }
        _ => false,
    }
}

/// A time as the `Date` header has it (RFC 9110); empty if there is none.
pub fn date_text(date: Option<Timestamp>) -> String {
    date.and_then(|date| rfc2822::DateTimePrinter::new().timestamp_to_rfc9110_string(&date).ok())
        .unwrap_or_default()
}
