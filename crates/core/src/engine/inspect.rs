//! Commands that look, and the two that mend: status, outputs, graph, unlock, forget.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::config::{Config, OnRemove};
use crate::engine::backing::Backing;
use crate::engine::problem::EngineProblem;
use crate::engine::records::{self, Last};
use crate::engine::run::forward;
use crate::engine::{Engine, EngineError, GraphView, LockView, Status, StatusRow, TaskRow, look};
use crate::error::nearest;
use crate::event::{Event, Reporter};
use crate::graph::GraphState;
use crate::graph::state::{Intent, IntentAction};
use crate::ident::{NodeName, StackFqn};
use crate::lock::record::is_settled;
use crate::lock::{self, LockError, LockEvent, Premises, Session};
use crate::plan::{fqn_of_recorded, other_place};
use crate::provider::{Place, StackRef, StackState};
use crate::task::TaskKinds;

impl Engine {
    pub(crate) async fn status_rows(&self, config: &Arc<Config>) -> Result<Status, EngineError> {
        let backing = Backing::read_only(self, config);
        let cloudformation = self.provider.cloudformation();
        let (listed, premises, place) =
            tokio::join!(look::list(cloudformation.as_ref()), backing.premises(self), self.provider.place());
        let (stacks, _) = listed?;
        let premises = premises?;
        if let Some(premises) = &premises {
            refuse_elsewhere(premises, &place?)?;
        }
        let stacks: BTreeMap<&StackFqn, &StackState> =
            stacks.iter().map(|stack| (&stack.fqn, stack)).collect();
        let recorded = premises.as_ref().map(Premises::recorded).unwrap_or_default();
        let state = premises.map(|premises| premises.state).unwrap_or_default();
        let names: BTreeSet<&NodeName> = config.stacks.keys().chain(recorded.nodes.keys()).collect();
        let rows = names.into_iter().map(|name| {
            let fqn = fqn_of(config, &state, name);
            let stack = stacks.get(&fqn);
            StatusRow {
                name: name.clone(),
                status: stack.map_or("ABSENT", |stack| stack.status.as_str()).to_owned(),
                recorded: recorded.nodes.contains_key(name),
                exists: stack.is_some(),
                configured: config.stacks.contains_key(name),
                fqn,
            }
        });
        Ok(Status { stacks: rows.collect(), tasks: task_rows(config, &state, &self.registry.kinds) })
    }

    pub(crate) async fn stack_outputs(
        &self,
        config: &Arc<Config>,
        wanted: Option<&NodeName>,
    ) -> Result<BTreeMap<NodeName, BTreeMap<String, String>>, EngineError> {
        if let Some(name) = wanted
            && !config.stacks.contains_key(name)
        {
            let known = config.stacks.keys().map(NodeName::as_str);
            let help = match nearest(name.as_str(), known) {
                Some(meant) => format!("did you mean `{meant}`?"),
                None => "`runway-rs status` lists the stacks".to_owned(),
            };
            return Err(EngineError::of(EngineProblem::NotConfigured {
                name: name.as_str().to_owned(),
                help,
            }));
        }
        let (stacks, _) = look::list(self.provider.cloudformation().as_ref()).await?;
        let stacks: BTreeMap<StackFqn, StackState> =
            stacks.into_iter().map(|stack| (stack.fqn.clone(), stack)).collect();
        let mut outputs = BTreeMap::new();
        for definition in
            config.stacks.values().filter(|definition| wanted.is_none_or(|name| *name == definition.name))
        {
            match stacks.get(&definition.fqn) {
                Some(stack) => drop(outputs.insert(definition.name.clone(), stack.outputs.clone())),
                None if wanted.is_some() => {
                    return Err(EngineError::of(EngineProblem::NoSuchStack {
                        name: definition.name.as_str().to_owned(),
                        fqn: definition.fqn.as_str().to_owned(),
                    }));
                }
                None => {}
            }
        }
        self.hide_outputs(config, stacks, &mut outputs).await?;
        Ok(outputs)
    }

    pub(crate) async fn graph_view(&self, config: &Arc<Config>) -> Result<GraphView, EngineError> {
        let backing = Backing::read_only(self, config);
        let premises = self.lock_as_it_is(&backing).await?;
        Ok(GraphView {
            location: backing.location(),
            holder: premises.lock_view(),
            graph: premises.graph.map(|seen| seen.read.graph),
            state: premises.state,
            tags: premises.tags.unwrap_or_default(),
        })
    }

    pub(crate) async fn force_unlock(
        &self,
        config: &Arc<Config>,
        shown: &GraphView,
    ) -> Result<(), EngineError> {
        let backing = Backing::of(self, config);
        let seen = self.lock_as_it_is(&backing).await?;
        let holder = |view: Option<LockView>| view.map(|view| view.code);
        if holder(seen.lock_view()) != holder(shown.holder.clone()) {
            return Err(EngineError::of(LockError::Changed { location: backing.location() }));
        }
        let (store, objects) = backing.graph().ok_or_else(no_graph)?;
        let (store, clock) = (Arc::clone(store), Arc::clone(&self.clock));
        lock::force_unlock(store, objects, clock, &seen).await.map_err(EngineError::of)
    }

    async fn lock_as_it_is(&self, backing: &Backing) -> Result<Premises, EngineError> {
        let (store, objects) = backing.graph().ok_or_else(no_graph)?;
        lock::read_lock(store.as_ref(), objects, self.clock.as_ref()).await.map_err(EngineError::of)
    }

    pub(crate) async fn forget_stack(
        &self,
        config: &Arc<Config>,
        stack: &NodeName,
        reporter: &mut dyn Reporter,
    ) -> Result<Forgotten, EngineError> {
        let backing = Backing::of(self, config);
        let (store, objects) = backing.graph().ok_or_else(no_graph)?;
        let premises = lock::read_premises(store.as_ref(), objects, self.clock.as_ref()).await;
        let premises = premises.map_err(EngineError::of)?;
        let place = self.provider.place().await?;
        refuse_elsewhere(&premises, &place)?;
        let stack = &recorded_name(config, &premises, stack)?;
        self.refuse_undecided(config, &premises, stack).await?;
        let mut session = {
            let (store, clock) = (Arc::clone(store), Arc::clone(&self.clock));
            let mut forward = |event: LockEvent| forward(&event, reporter);
            let acquired =
                Session::acquire(store, clock, objects, &self.options.lock(), &premises, &mut forward).await;
            acquired.map_err(EngineError::of)?
        };
        let locked = async {
            session.record(&premises, &records::as_recorded(&premises)).await?;
            session.confirm().await
        };
        if let Err(error) = locked.await {
            // The first error is the one that tells; the lease expires by itself.
            let _ = session.give_up().await;
            return Err(EngineError::of(error));
        }
        session.release(&Last::without(stack).ending()).await.map_err(EngineError::of)?;
        reporter.event(&Event::Unlocked { graph: backing.location() });
        let is_task = premises.state.tasks.contains_key(stack);
        Ok(Forgotten { name: stack.clone(), is_task })
    }
}

/// What was dropped from the records.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Forgotten {
    /// As it was recorded.
    pub name: NodeName,
    /// Whether it was a task.
    pub is_task: bool,
}

impl Engine {
    /// A stack that a dead session was about to create may still appear, and must not do so unrecorded.
    async fn refuse_undecided(
        &self,
        config: &Config,
        premises: &Premises,
        stack: &NodeName,
    ) -> Result<(), EngineError> {
        let creates =
            |intent: &Intent| matches!(intent.action, IntentAction::Create | IntentAction::Recreate);
        let undecided = premises.state.intents.values().any(|session| {
            session.steps.get(stack).is_some_and(creates) && !is_settled(session, premises.date)
        });
        // Somebody saw the task as specified after the session that was about to make it.
        let is_seen = premises.state.tasks.get(stack).is_some_and(|facts| facts.digest.is_some());
        let undecided_task = premises.state.intents.values().any(|session| {
            session.tasks.get(stack) == Some(&IntentAction::Create) && !is_settled(session, premises.date)
        });
        if undecided_task && !is_seen {
            return Err(EngineError::of(EngineProblem::StillIntended { name: stack.as_str().to_owned() }));
        }
        if !undecided {
            return Ok(());
        }
        let fqn = fqn_of(config, &premises.state, stack);
        let stack_there = self.provider.cloudformation().describe_stack(&StackRef::Name(fqn)).await?;
        match stack_there {
            Some(_) => Ok(()),
            None => Err(EngineError::of(EngineProblem::StillIntended { name: stack.as_str().to_owned() })),
        }
    }
}

/// Tasks of the config and of the state object, by name.
fn task_rows(config: &Config, state: &GraphState, kinds: &TaskKinds) -> Vec<TaskRow> {
    let names: BTreeSet<&NodeName> = config.tasks.keys().chain(state.tasks.keys()).collect();
    let row = |name: &NodeName| {
        let (definition, facts) = (config.tasks.get(name), state.tasks.get(name));
        let kind = definition.map(|task| &task.kind).or_else(|| Some(&facts?.kind))?;
        let place = definition.map(|task| &task.place).or_else(|| Some(&facts?.place))?;
        // What the config does not say was decided when it was recorded, or is what the kind says.
        let said = definition.and_then(|task| task.on_remove).or_else(|| Some(facts?.on_remove));
        let on_remove = said.unwrap_or_else(|| {
            let stays = kinds.get(kind).is_none_or(|kind| kind.retains() || kind.effects());
            if stays { OnRemove::Retain } else { OnRemove::Delete }
        });
        Some(TaskRow {
            name: name.clone(),
            kind: kind.clone(),
            account: place.account.clone(),
            region: place.region.clone(),
            recorded: facts.is_some(),
            settled: facts.is_some_and(|facts| facts.digest.is_some()),
            configured: definition.is_some(),
            on_remove,
            adopted: facts.is_some_and(|facts| facts.adopted && facts.keeps_something()),
        })
    };
    names.into_iter().filter_map(row).collect()
}

/// A graph of another account or region is not this run's to change.
fn refuse_elsewhere(premises: &Premises, place: &Place) -> Result<(), EngineError> {
    match other_place(&premises.state, place) {
        Some(problem) => Err(EngineError::of(problem)),
        None => Ok(()),
    }
}

fn no_graph() -> EngineError {
    EngineError::of(EngineProblem::NoPersistentGraph)
}

/// The name a stack has in CloudFormation: what the config says, else what was recorded, else what CFNgin would say.
fn fqn_of(config: &Config, state: &GraphState, name: &NodeName) -> StackFqn {
    match config.stacks.get(name) {
        Some(definition) => definition.fqn.clone(),
        None => fqn_of_recorded(config, state, name),
    }
}

/// The recorded stack or task that is called so. Of a task the name alone will do where it means one node, and is no
/// stack's.
fn recorded_name(config: &Config, premises: &Premises, name: &NodeName) -> Result<NodeName, EngineError> {
    let (recorded, state) = (premises.recorded(), &premises.state);
    if recorded.nodes.contains_key(name) || state.nodes.contains_key(name) || state.tasks.contains_key(name) {
        return Ok(name.clone());
    }
    let wanted = name.as_str().strip_prefix("task:").unwrap_or(name.as_str());
    let is_called = |node: &&NodeName| {
        let entry = node.as_str().split_once('@').map_or(node.as_str(), |(entry, _)| entry);
        let alone = entry.split_once('/').map(|(_, name)| name);
        node.as_str() == wanted || entry == wanted || alone == Some(wanted)
    };
    let called: Vec<&NodeName> = match config.stacks.contains_key(name) {
        true => Vec::new(),
        false => state.tasks.keys().filter(is_called).collect(),
    };
    let known = recorded.nodes.keys().chain(state.tasks.keys()).map(NodeName::as_str);
    let help = match (called.as_slice(), nearest(name.as_str(), known)) {
        ([only], _) => return Ok((*only).clone()),
        ([first, ..], _) => format!("several tasks are called so: name one of them, for example `{first}`"),
        ([], Some(meant)) => format!("did you mean `{meant}`?"),
        ([], None) => "`runway-rs graph show` lists what is recorded".to_owned(),
    };
    Err(EngineError::of(EngineProblem::NotRecorded { name: name.as_str().to_owned(), help }))
}
