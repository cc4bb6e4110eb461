//! The turn of a task: it is read once more, compared, and changed if that is what the plan has shown.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use futures_util::future::{BoxFuture, FutureExt};
use serde_json::{Map, Value};
use tokio::sync::mpsc::UnboundedSender;

use crate::cache::Ingredients;
use crate::clock::Clock;
use crate::engine::Engine;
use crate::engine::execute::Execution;
use crate::engine::step::{SubmitError, token};
use crate::error::Findings;
use crate::event::StepFailure;
use crate::graph::state::TaskFacts;
use crate::ident::NodeName;
use crate::lock::Session;
use crate::plan::tasks::{
    Refusal, arguments_now, effects_run, is_adopted, record, record_of, refused_at_its_turn, secret_texts,
    shown,
};
use crate::plan::{Action, Certainty, Desired, Hidden, Step, World};
use crate::registry::HookOutput;
use crate::task::{
    AnyTaskKind, Gives, ReadContext, TaskAction, TaskChange, TaskFailure, TaskPlace, TaskServices,
    WriteContext,
};

/// A line that a program of a task printed.
pub(crate) type Printed = (NodeName, String);
/// A task under way.
pub(crate) type Turn<'a> = BoxFuture<'a, (NodeName, Result<TaskEnd, SubmitError>)>;

/// What a task came to.
#[derive(Debug)]
pub(crate) struct TaskEnd {
    /// What it did; [`Action::None`] if nothing was left to do.
    pub(crate) did: Action,
    /// What its kind gives.
    pub(crate) gives: Gives,
    /// Its outputs now.
    pub(crate) outputs: BTreeMap<String, String>,
    /// What is recorded of it; `None` if what it kept is gone.
    pub(crate) facts: Option<TaskFacts>,
    /// What its receipt is found by, if one is kept.
    pub(crate) receipt: Option<Ingredients>,
}

/// A kind of tasks, and what tasks call.
type Means = (Arc<dyn AnyTaskKind>, Arc<dyn TaskServices>);

/// The kind of a task, and what it calls.
pub(crate) fn means(engine: &Engine, desired: &Desired, kind: &str) -> Result<Means, TaskFailure> {
    let missing =
        |message: String, help: &str| TaskFailure { message, help: Some(help.to_owned()), kind: None };
    let Some(found) = desired.kinds.get(kind) else {
        return Err(missing(format!("there is no kind of tasks `{kind}`"), "use a newer version"));
    };
    let services = engine.registry.services.clone();
    let services = services.ok_or_else(|| {
        missing("tasks cannot be carried out with this provider".to_owned(), "use `--provider aws`")
    })?;
    Ok((Arc::clone(found), services))
}

/// Everything that a turn needs, owned, so that it can run beside the others.
struct Call<'a> {
    kind: Arc<dyn AnyTaskKind>,
    services: Arc<dyn TaskServices>,
    clock: Arc<dyn Clock>,
    session: Option<&'a Session>,
    place: TaskPlace,
    arguments: Map<String, Value>,
    secrets: BTreeSet<String>,
    /// As planned.
    step: &'a Step,
    /// What is recorded of it once it is as specified.
    facts: Option<Facts>,
    /// Names of arguments that are secrets, or hold one.
    hidden: BTreeSet<String>,
    receipt: Option<Ingredients>,
    token: String,
    output: Lines,
}

/// What is recorded of a task, depending on whether it made what it keeps or found it.
struct Facts {
    made: TaskFacts,
    adopted: TaskFacts,
    before: Option<TaskFacts>,
}

/// Passes on what a program prints.
struct Lines {
    name: NodeName,
    to: UnboundedSender<Printed>,
}

impl HookOutput for Lines {
    fn line(&self, text: &str) {
        // Nobody listens any more once the run is over.
        let _ = self.to.send((self.name.clone(), text.to_owned()));
    }
}

/// Begins the turn of a task, now that everything before it is done; `None` if nothing is left to do. `changed` are the
/// nodes that this run has really changed.
///
/// # Errors
/// [`StepFailure`] if its arguments cannot be resolved now that everything is known.
pub(crate) fn turn<'a>(
    execution: &Execution<'a>,
    world: &World,
    name: &NodeName,
    changed: &BTreeSet<NodeName>,
    printed: &UnboundedSender<Printed>,
) -> Result<Option<Turn<'a>>, StepFailure> {
    let (engine, desired) = (execution.engine, execution.desired);
    let Some((step, task)) = execution.plan.step(name).and_then(|step| Some((step, step.task.as_ref()?)))
    else {
        return Ok(None);
    };
    let (kind, services) = means(engine, desired, &task.kind).map_err(failed)?;
    let definition = desired.config.tasks.get(name).filter(|_| !task.leaves);
    let mut receipt = None;
    let (place, arguments, secrets, facts, hidden) = match definition {
        Some(definition) => {
            let settings = engine.options.settings();
            let hidden =
                Hidden::of_task(desired, world, &settings, definition, engine.asked.hidden_outputs());
            let found = arguments_now(desired, world, &settings, definition, &hidden).map_err(unresolved)?;
            engine.asked.vault().add(secret_texts(&found));
            engine.asked.learn(hidden);
            let Some(values) = found.known() else {
                let waiting: Vec<&str> = found.unknown.keys().map(String::as_str).collect();
                let message = format!("these arguments are still not known: {}", waiting.join(", "));
                return Err(StepFailure { message, ..StepFailure::default() });
            };
            if let Some(what) = kind.check(values).into_iter().next() {
                return Err(StepFailure { message: what, ..StepFailure::default() });
            }
            let refused = refused_at_its_turn(
                (desired, world, &settings),
                execution.plan,
                (definition, kind.as_ref()),
                values,
                task,
            );
            if let Some(Refusal { message, help }) = refused {
                return Err(StepFailure { message, help: Some(help), ..StepFailure::default() });
            }
            if kind.effects() {
                let needs = desired.graph.needs_of(name);
                let changed = needs.intersection(changed).cloned().collect();
                let recorded = world.state.tasks.get(name);
                let digest = found.digest(kind.revision(), &definition.place);
                if effects_run(definition.when, recorded, &digest, &changed).is_none() {
                    return Ok(None);
                }
            }
            let none = BTreeMap::new();
            let of = |adopted| record(desired, world, definition, kind.as_ref(), &found, &none, adopted);
            let facts = Facts {
                made: of(false),
                adopted: of(true),
                before: record_of(desired, world, definition, found.known()).cloned(),
            };
            let names = found.secret_names();
            receipt = engine.receipt(world, definition, kind.as_ref(), &found);
            (definition.place.clone(), found.values, found.secrets, Some(facts), names)
        }
        None => {
            let Some(facts) = &task.record else { return Ok(None) };
            let arguments = facts.arguments.clone().into_iter().collect();
            (facts.place.clone(), arguments, BTreeSet::new(), None, BTreeSet::new())
        }
    };
    let call = Call {
        kind,
        services,
        clock: Arc::clone(&engine.clock),
        session: execution.session,
        place,
        arguments,
        secrets,
        step,
        facts,
        hidden,
        receipt,
        token: token(&engine.options.session, 't', &step.fqn),
        output: Lines { name: name.clone(), to: printed.clone() },
    };
    let name = name.clone();
    Ok(Some(async move { (name, call.carry_out().await) }.boxed()))
}

impl Call<'_> {
    async fn carry_out(self) -> Result<TaskEnd, SubmitError> {
        let session = self.session;
        let may_write = move || session.is_none_or(Session::believed_valid);
        let ended = self.attempt(&may_write).await;
        // What failed because the lock is lost is no failure of the task.
        ended
            .map_err(|failure| if may_write() { SubmitError::Failed(failure) } else { SubmitError::LockLost })
    }

    async fn attempt(&self, may_write: &(dyn Fn() -> bool + Send + Sync)) -> Result<TaskEnd, StepFailure> {
        let leaves = self.step.task.as_ref().is_some_and(|task| task.leaves);
        let read = ReadContext::new(&self.place, self.services.as_ref());
        let state = self.kind.read(&read, &self.arguments).await.map_err(failed)?;
        let change = self.kind.diff(&self.arguments, &state, leaves).map_err(failed)?;
        let is_there = self.kind.is_there(&self.arguments, &state);
        if change.action == TaskAction::None {
            return Ok(self.end(Action::None, change.outputs, is_there));
        }
        self.refuse_unplanned(&change)?;
        let context = WriteContext::new(read, &self.token, &self.clock, may_write).with_output(&self.output);
        let done = self.kind.apply(&context, &self.arguments, &change).await.map_err(failed)?;
        let outputs = self.kind.gives().lasting(&change).into_iter().chain(done.outputs).collect();
        Ok(self.end(action(change.action), outputs, is_there))
    }

    fn end(&self, did: Action, outputs: BTreeMap<String, String>, is_there: bool) -> TaskEnd {
        let gives = self.kind.gives();
        let recorded = outputs.iter().filter(|(name, _)| !gives.hides(name, &self.hidden));
        let recorded: BTreeMap<_, _> = recorded.map(|(name, value)| (name.clone(), value.clone())).collect();
        let facts = self.facts.as_ref().map(|Facts { made, adopted, before }| {
            let facts = if is_adopted(before.as_ref(), did, is_there) { adopted } else { made };
            TaskFacts { outputs: recorded.clone(), ..facts.clone() }
        });
        TaskEnd { did, gives, outputs, facts, receipt: self.receipt.clone() }
    }

    /// What no plan has shown is not done: nothing is deleted and nothing run that was to be made or changed, and where
    /// nothing comes before the task, nothing is done but what the plan saw.
    fn refuse_unplanned(&self, change: &TaskChange) -> Result<(), StepFailure> {
        let (planned, now) = (self.step.action, action(change.action));
        let makes = |action| matches!(action, Action::Create | Action::Update);
        let may = makes(planned) || planned == Action::Recreate;
        let same = planned == now || may && makes(now);
        let settled = self.step.certainty == Certainty::Will
            && self.step.task.as_ref().is_some_and(|task| task.settled)
            && !self.kind.effects();
        let known = |path: &str| self.step.changes.details.iter().any(|detail| detail.path == path);
        let further: Vec<String> = shown(&change.details, &self.secrets)
            .into_iter()
            .map(|detail| detail.path)
            .filter(|path| !known(path))
            .collect();
        let message = if !same || settled && planned != now {
            format!("the plan was to {}, and now it would have to {}", planned.as_str(), now.as_str())
        } else if settled && !further.is_empty() {
            format!("since the plan was made this has changed, too: {}", further.join(", "))
        } else {
            return Ok(());
        };
        let help = Some("run the command again: the next plan shows it".to_owned());
        Err(StepFailure { message, help, ..StepFailure::default() })
    }
}

fn action(action: TaskAction) -> Action {
    match action {
        TaskAction::None => Action::None,
        TaskAction::Create => Action::Create,
        TaskAction::Update => Action::Update,
        TaskAction::Delete => Action::Delete,
        TaskAction::Recreate => Action::Recreate,
        TaskAction::Run => Action::Run,
    }
}

fn failed(failure: TaskFailure) -> StepFailure {
    let TaskFailure { message, help, .. } = failure;
    StepFailure { message, help, ..StepFailure::default() }
}

fn unresolved(findings: Findings) -> StepFailure {
    let message = findings.iter().next().map(ToString::to_string).unwrap_or_default();
    StepFailure { message, ..StepFailure::default() }
}
