//! What sessions write, computed by production's functions and remembered: the inputs are few, the states many.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::hash::Hash;

use runway_core::graph::state::{Intent, IntentAction, NodeFacts, SessionIntents};
use runway_core::graph::{GraphState, PersistentGraph};
use runway_core::ident::{NodeName, StackFqn};
use runway_core::lock::code::LockCode;
use runway_core::lock::record::{ended, recorded_state};
use runway_core::lock::{Ending, Premise, Record, record_for};

use crate::world::{ALL, IDS, Intents, Stacks, State, bit, has};

/// What a session's plan needs recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct ToRecord {
    pub(crate) id: u8,
    pub(crate) graph: Stacks,
    pub(crate) state: State,
    pub(crate) config: Stacks,
    pub(crate) existing: Stacks,
    pub(crate) own: Intents,
}

/// What a session knows at its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct ToForget {
    pub(crate) id: u8,
    pub(crate) graph: Stacks,
    pub(crate) state: State,
    pub(crate) gone: Stacks,
    pub(crate) existing: Stacks,
    /// Sessions that can no longer act, by id.
    pub(crate) settled: [bool; IDS],
}

/// Graph and state.
pub(crate) type Written = (Stacks, State);

/// Graph and state as written before the first change.
pub(crate) fn recorded(input: ToRecord) -> Written {
    thread_local!(static KNOWN: RefCell<HashMap<ToRecord, Written>> = RefCell::default());
    remembered(&KNOWN, input, |input| {
        let record = record_for(Premise {
            graph: &graph(input.graph),
            state: &state(&input.state),
            config: &names(input.config).map(|name| (name, BTreeSet::new())).collect(),
            existing: &names(input.existing).map(|name| (name, NodeFacts::default())).collect(),
            steps: &steps(input.own),
        });
        let written = recorded_state(&state(&input.state), &code(input.id), "", &record);
        (bits(record.graph.nodes.keys()), small(&written))
    })
}

/// Graph and state as written after the last change.
pub(crate) fn forgotten(input: ToForget) -> Written {
    thread_local!(static KNOWN: RefCell<HashMap<ToForget, Written>> = RefCell::default());
    remembered(&KNOWN, input, |input| {
        let record = Record { graph: graph(input.graph), ..Record::default() };
        let ending = Ending {
            forgotten: None,
            gone: &names(input.gone).collect(),
            facts: &names(input.existing & input.graph).map(|name| (name, NodeFacts::default())).collect(),
            decided: &names(3).collect(),
            tasks: &BTreeMap::new(),
        };
        let settled = |other: &str, _: &SessionIntents| {
            (0..IDS).any(|id| input.settled[id] && code(id as u8).as_str() == other)
        };
        let (graph, state) = ended(&record, &state(&input.state), &code(input.id), ending, settled);
        (bits(graph.nodes.keys()), small(&state))
    })
}

fn remembered<I: Copy + Eq + Hash>(
    known: &'static std::thread::LocalKey<RefCell<HashMap<I, Written>>>,
    input: I,
    compute: impl FnOnce(I) -> Written,
) -> Written {
    if let Some(written) = known.with_borrow(|known| known.get(&input).copied()) {
        return written;
    }
    let written = compute(input);
    known.with_borrow_mut(|known| known.insert(input, written));
    written
}

fn name(stack: usize) -> NodeName {
    NodeName::new(["c", "d"][stack])
}

fn names(stacks: Stacks) -> impl Iterator<Item = NodeName> {
    ALL.into_iter().filter(move |stack| has(stacks, *stack)).map(name)
}

fn bits<'a>(names: impl Iterator<Item = &'a NodeName>) -> Stacks {
    names.flat_map(|one| ALL.into_iter().filter(move |stack| name(*stack) == *one)).map(bit).sum()
}

fn code(id: u8) -> LockCode {
    LockCode::of_session(&id.to_string())
}

fn graph(nodes: Stacks) -> PersistentGraph {
    PersistentGraph { nodes: names(nodes).map(|name| (name, BTreeSet::new())).collect() }
}

fn steps(intents: Intents) -> BTreeMap<NodeName, Intent> {
    let intent = |action, name: &NodeName| Intent {
        action,
        fqn: StackFqn::new(name.as_str()),
        account: None,
        region: None,
        stack_id: None,
        token: None,
    };
    let creates = names(intents.creates).map(|name| (IntentAction::Create, name));
    let deletes = names(intents.deletes).map(|name| (IntentAction::Delete, name));
    creates.chain(deletes).map(|(action, name)| (name.clone(), intent(action, &name))).collect()
}

fn state(small: &State) -> GraphState {
    let session = |id: usize| {
        let steps = steps(small.intents[id]);
        let code = code(id as u8).as_str().to_owned();
        (!steps.is_empty())
            .then(|| (code, SessionIntents { at: String::new(), steps, ..SessionIntents::default() }))
    };
    GraphState {
        nodes: names(small.facts).map(|name| (name, NodeFacts::default())).collect(),
        intents: (0..IDS).filter_map(session).collect(),
        ..GraphState::default()
    }
}

fn small(state: &GraphState) -> State {
    let mut intents = [Intents::default(); IDS];
    for (id, own) in intents.iter_mut().enumerate() {
        let steps = state.intents.get(code(id as u8).as_str()).map(|session| &session.steps);
        for (name, step) in steps.into_iter().flatten() {
            match step.action {
                IntentAction::Create => own.creates |= bits(std::iter::once(name)),
                _ => own.deletes |= bits(std::iter::once(name)),
            }
        }
    }
    State { facts: bits(state.nodes.keys()), intents }
}
