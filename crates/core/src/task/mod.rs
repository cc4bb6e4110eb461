//! Tasks: nodes of the graph beside stacks, for what CloudFormation has no resource for, or what has to happen between
//! stacks.
//!
//! Reading, comparing and changing are three things: [`TaskKind::read`] and [`TaskKind::diff`] make the plan, and only a
//! deploy or destroy has the [`WriteContext`] that [`TaskKind::apply`] wants.

mod context;
mod fields;
mod gives;
pub mod kinds;
mod program;
mod service;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

pub use context::{ReadContext, WriteContext};
pub use gives::{Given, Gives, SecretPart};
pub use kinds::TaskKinds;
pub use program::{Ended, Program, Programs};
pub use service::{Change, Read, Service, ServiceFailure, TaskServices};

use crate::provider::{ErrorKind, StackState};

/// Where a task works.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct TaskPlace {
    /// Account id; `None` is that of the run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<String>,
    /// Region; `None` is that of the run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    /// Roles to assume one after the other, ARNs; empty: the credentials of the run.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub role_chain: Vec<String>,
}

/// What a task does next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TaskAction {
    /// Nothing: it is as specified.
    None,
    /// Makes what is not there.
    Create,
    /// Changes what is there.
    Update,
    /// Removes it.
    Delete,
    /// Removes it and makes it anew: it cannot be changed, or its creation failed.
    Recreate,
    /// Has an effect and leaves nothing that could be looked at: a build, an invocation, a program.
    Run,
}

/// What the subjects of a kind name, and so what tells them apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keeps {
    /// Something of one account and region.
    Regional,
    /// Something of an account that is the same in every region.
    Global,
    /// A stack, by its name in CloudFormation: the config, the graph or a task of another kind may have it, too.
    Stack,
    /// A stack that is not to be there: nothing is kept.
    NoStack,
    /// Nothing: it only looks at what other nodes change, so that what it found before they did says nothing.
    Nothing,
}

/// What a task keeps, by ids that were read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// What its subject is called by the service; see [`TaskKind::subject`].
    pub subject: String,
    /// See [`TaskKind::parts`].
    pub parts: Option<BTreeSet<String>>,
}

/// What goes with what a task keeps when that is deleted.
#[derive(Debug, Clone, PartialEq)]
pub enum Contents {
    /// The resources of a stack, and its template, as far as it could be understood.
    Stack(Box<StackState>, Option<String>),
    /// Something, and it is not known what.
    Unknown,
}

/// Whether two tasks of one subject keep anything of it both: `None` is all of it.
pub(crate) fn overlap(one: Option<&BTreeSet<String>>, other: Option<&BTreeSet<String>>) -> bool {
    one.zip(other).is_none_or(|(one, other)| !one.is_disjoint(other))
}

/// What differs between a specification and what was read.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TaskChange {
    /// What is to be done.
    pub action: TaskAction,
    /// What changes, in the order in which it is shown.
    pub details: Vec<TaskDetail>,
    /// Outputs as they are now; what is not among them is known after the change.
    pub outputs: BTreeMap<String, String>,
}

/// One thing that changes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TaskDetail {
    /// What, for example `tags.team` or `accounts`.
    pub path: String,
    /// As it is; `None` if it is not there.
    pub before: Option<Value>,
    /// As it is to be; `None` if it goes.
    pub after: Option<Value>,
}

/// What a task has done.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct TaskDone {
    /// Outputs by name, for `${task name.output}`.
    pub outputs: BTreeMap<String, String>,
}

/// Why a task could not be read or carried out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TaskFailure {
    /// One sentence; never a secret.
    pub message: String,
    /// What to do.
    pub help: Option<String>,
    /// What kind of call failed, if it was a call to a service.
    pub kind: Option<ErrorKind>,
}

impl fmt::Display for TaskFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

/// A kind of tasks, for example `event_bus`.
#[async_trait]
pub trait TaskKind: Send + Sync + 'static {
    /// `kind` in the config.
    const KIND: &'static str;
    /// Raised whenever the code changes its meaning: receipts of earlier revisions do not count.
    const REVISION: u32;
    /// Whether what it made stays when it leaves the config, unless `on_remove` says otherwise.
    const RETAINS: bool;
    /// Whether it only has effects and leaves nothing that could be looked at: then [`TaskKind::diff`] always says
    /// [`TaskAction::Run`], and the engine decides by the config's `when` whether it runs.
    const EFFECTS: bool = false;
    /// What its subjects name.
    const KEEPS: Keeps = Keeps::Regional;
    /// The service it mainly works with, by which limits are told apart, for example `events`.
    const SERVICE: &'static str = Self::KIND;
    /// Other services that have work because of it, and limits of their own.
    const ALSO: &'static [&'static str] = &[];
    /// Its outputs.
    const GIVES: Gives;
    /// Its arguments. Unknown ones are refused (`deny_unknown_fields`).
    type Spec: DeserializeOwned + Serialize + Clone + Send + Sync;
    /// What was read.
    type State: DeserializeOwned + Serialize + Send + Sync;

    /// What it keeps, in words that tell it apart from everything else of this kind in one account and region and stay
    /// the same whatever else changes: for example `/app/db/endpoint` of a parameter. It may be shown and is recorded,
    /// so it must be made of arguments that are names. Two tasks of the same subject would undo each other's work, and
    /// a task that got another name is found again by it.
    fn subject(spec: &Self::Spec) -> String;

    /// The parts of what it keeps, if it keeps some parts of its subject and leaves the others alone: for example with
    /// whom it shares a portfolio. Tasks may keep different parts of one subject; `None` keeps all of it.
    fn parts(spec: &Self::Spec) -> Option<BTreeSet<String>> {
        let _ = spec;
        None
    }

    /// What it keeps by the ids that were read, if its arguments may also call it something else, a name for example, so
    /// that their texts do not tell whether two tasks keep the same; `None` if it is not there.
    fn identity(spec: &Self::Spec, state: &Self::State) -> Option<Identity> {
        let _ = (spec, state);
        None
    }

    /// What goes with what it keeps when that is deleted, beyond what it keeps itself: data may be among it, which a deploy
    /// does not lose unless that is allowed. `None` if nothing does.
    fn contents(spec: &Self::Spec, state: &Self::State) -> Option<Contents> {
        let _ = (spec, state);
        None
    }

    /// Why what it keeps cannot be deleted, if what was read tells that it will be refused.
    fn undeletable(spec: &Self::Spec, state: &Self::State) -> Option<TaskFailure> {
        let _ = (spec, state);
        None
    }

    /// What is wrong with arguments beyond their types, one sentence each.
    fn check(spec: &Self::Spec) -> Vec<String> {
        let _ = spec;
        Vec::new()
    }

    /// Parts of the arguments that are secrets whatever gives them, so that they are neither recorded nor shown. `known` are
    /// the arguments that are known so far, and `unknown` names the others: where one of those decides, it counts as if
    /// it made a secret.
    fn secrets(known: &Map<String, Value>, unknown: &BTreeSet<&str>) -> BTreeSet<SecretPart> {
        let _ = (known, unknown);
        BTreeSet::new()
    }

    /// Whether a receipt of it may be trusted for a while; what only has effects, or what removes something, may not.
    fn keeps_receipt(spec: &Self::Spec) -> bool {
        let _ = spec;
        false
    }

    /// Reads what is there.
    async fn read(&self, context: &ReadContext<'_>, spec: &Self::Spec) -> Result<Self::State, TaskFailure>;

    /// Compares what is specified with what was read. Pure: plan and deploy decide by it.
    fn diff(&self, spec: &Self::Spec, state: &Self::State) -> TaskChange;

    /// The same for a task that goes: what has to be removed.
    fn diff_removed(&self, spec: &Self::Spec, state: &Self::State) -> TaskChange;

    /// Carries a change out and waits for its end.
    async fn apply(
        &self,
        context: &WriteContext<'_>,
        spec: &Self::Spec,
        change: &TaskChange,
    ) -> Result<TaskDone, TaskFailure>;
}

/// A kind of tasks with its types erased: arguments and state are JSON.
#[async_trait]
pub trait AnyTaskKind: Send + Sync {
    /// `kind` in the config.
    fn name(&self) -> &'static str;
    /// See [`TaskKind::REVISION`].
    fn revision(&self) -> u32;
    /// See [`TaskKind::RETAINS`].
    fn retains(&self) -> bool;
    /// See [`TaskKind::EFFECTS`].
    fn effects(&self) -> bool;
    /// See [`TaskKind::KEEPS`].
    fn keeps(&self) -> Keeps;
    /// Whether two of them could undo each other's work: not if they keep nothing.
    fn owns(&self) -> bool {
        !self.effects() && self.keeps() != Keeps::Nothing
    }
    /// See [`TaskKind::SERVICE`] and [`TaskKind::ALSO`].
    fn services(&self) -> BTreeSet<String>;
    /// See [`TaskKind::GIVES`].
    fn gives(&self) -> Gives;
    /// See [`TaskKind::secrets`].
    fn secrets(&self, known: &Map<String, Value>, unknown: &BTreeSet<&str>) -> BTreeSet<SecretPart>;
    /// Names of its arguments, as the config spells them.
    fn arguments(&self) -> &'static [&'static str];
    /// See [`TaskKind::subject`]; `None` if the arguments are not of its types.
    fn subject(&self, arguments: &Map<String, Value>) -> Option<String>;
    /// See [`TaskKind::parts`].
    fn parts(&self, arguments: &Map<String, Value>) -> Option<BTreeSet<String>>;
    /// See [`TaskKind::identity`].
    fn identity(&self, arguments: &Map<String, Value>, state: &Value) -> Option<Identity>;
    /// See [`TaskKind::contents`].
    fn contents(&self, arguments: &Map<String, Value>, state: &Value) -> Option<Contents>;
    /// See [`TaskKind::undeletable`].
    fn undeletable(&self, arguments: &Map<String, Value>, state: &Value) -> Option<TaskFailure>;
    /// What is wrong with arguments, one sentence each.
    fn check(&self, arguments: &Map<String, Value>) -> Vec<String>;
    /// See [`TaskKind::keeps_receipt`].
    fn keeps_receipt(&self, arguments: &Map<String, Value>) -> bool;
    /// See [`TaskKind::read`].
    async fn read(
        &self,
        context: &ReadContext<'_>,
        arguments: &Map<String, Value>,
    ) -> Result<Value, TaskFailure>;
    /// See [`TaskKind::diff`] and [`TaskKind::diff_removed`].
    fn diff(
        &self,
        arguments: &Map<String, Value>,
        state: &Value,
        removed: bool,
    ) -> Result<TaskChange, TaskFailure>;
    /// Whether there is anything that could be removed.
    fn is_there(&self, arguments: &Map<String, Value>, state: &Value) -> bool {
        let change = self.diff(arguments, state, true);
        change.is_ok_and(|change| change.action == TaskAction::Delete)
    }
    /// See [`TaskKind::apply`].
    async fn apply(
        &self,
        context: &WriteContext<'_>,
        arguments: &Map<String, Value>,
        change: &TaskChange,
    ) -> Result<TaskDone, TaskFailure>;
}

/// A kind as the registry has it.
struct Erased<T>(T);

/// Erases the types of a kind.
pub fn erased<T: TaskKind>(kind: T) -> Arc<dyn AnyTaskKind> {
    Arc::new(Erased(kind))
}

fn spec<T: TaskKind>(arguments: &Map<String, Value>) -> Result<T::Spec, TaskFailure> {
    let read = |arguments: Map<String, Value>| -> Result<T::Spec, String> {
        serde_json::from_value(Value::Object(arguments)).map_err(|error| error.to_string())
    };
    read(arguments.clone()).map_err(|message| {
        // They are read in their order, and what is missing is missed at the end: the first one with which anything else is
        // wrong is the culprit.
        let is_told = |message: &String| message.contains(" field `");
        let wrong = (1..=arguments.len()).find_map(|count| {
            let first = arguments.iter().take(count).map(|(name, value)| (name.clone(), value.clone()));
            let message = read(first.collect()).err().filter(|message: &String| !is_told(message))?;
            let (name, _) = arguments.iter().nth(count - 1)?;
            (!message.contains(&format!("`{name}`"))).then(|| format!("`{name}`: {message}"))
        });
        TaskFailure { message: wrong.unwrap_or(message), help: None, kind: None }
    })
}

#[async_trait]
impl<T: TaskKind> AnyTaskKind for Erased<T> {
    fn name(&self) -> &'static str {
        T::KIND
    }

    fn revision(&self) -> u32 {
        T::REVISION
    }

    fn retains(&self) -> bool {
        T::RETAINS
    }

    fn effects(&self) -> bool {
        T::EFFECTS
    }

    fn keeps(&self) -> Keeps {
        T::KEEPS
    }

    fn services(&self) -> BTreeSet<String> {
        [T::SERVICE].iter().chain(T::ALSO).map(|service| (*service).to_owned()).collect()
    }

    fn gives(&self) -> Gives {
        T::GIVES
    }

    fn secrets(&self, known: &Map<String, Value>, unknown: &BTreeSet<&str>) -> BTreeSet<SecretPart> {
        T::secrets(known, unknown)
    }

    fn arguments(&self) -> &'static [&'static str] {
        fields::of::<T::Spec>()
    }

    fn subject(&self, arguments: &Map<String, Value>) -> Option<String> {
        spec::<T>(arguments).ok().map(|spec| T::subject(&spec))
    }

    fn parts(&self, arguments: &Map<String, Value>) -> Option<BTreeSet<String>> {
        T::parts(&spec::<T>(arguments).ok()?)
    }

    fn identity(&self, arguments: &Map<String, Value>, state: &Value) -> Option<Identity> {
        let (spec, state) = (spec::<T>(arguments).ok()?, serde_json::from_value(state.clone()).ok()?);
        T::identity(&spec, &state)
    }

    fn contents(&self, arguments: &Map<String, Value>, state: &Value) -> Option<Contents> {
        let (spec, state) = (spec::<T>(arguments).ok()?, serde_json::from_value(state.clone()).ok()?);
        T::contents(&spec, &state)
    }

    fn undeletable(&self, arguments: &Map<String, Value>, state: &Value) -> Option<TaskFailure> {
        let (spec, state) = (spec::<T>(arguments).ok()?, serde_json::from_value(state.clone()).ok()?);
        T::undeletable(&spec, &state)
    }

    fn check(&self, arguments: &Map<String, Value>) -> Vec<String> {
        match spec::<T>(arguments) {
            Ok(spec) => T::check(&spec),
            Err(failure) => vec![failure.message],
        }
    }

    fn keeps_receipt(&self, arguments: &Map<String, Value>) -> bool {
        spec::<T>(arguments).is_ok_and(|spec| T::keeps_receipt(&spec))
    }

    async fn read(
        &self,
        context: &ReadContext<'_>,
        arguments: &Map<String, Value>,
    ) -> Result<Value, TaskFailure> {
        let state = self.0.read(context, &spec::<T>(arguments)?).await?;
        serde_json::to_value(state).map_err(unreadable)
    }

    fn diff(
        &self,
        arguments: &Map<String, Value>,
        state: &Value,
        removed: bool,
    ) -> Result<TaskChange, TaskFailure> {
        let (spec, state) =
            (spec::<T>(arguments)?, serde_json::from_value(state.clone()).map_err(unreadable)?);
        Ok(if removed { self.0.diff_removed(&spec, &state) } else { self.0.diff(&spec, &state) })
    }

    async fn apply(
        &self,
        context: &WriteContext<'_>,
        arguments: &Map<String, Value>,
        change: &TaskChange,
    ) -> Result<TaskDone, TaskFailure> {
        self.0.apply(context, &spec::<T>(arguments)?, change).await
    }
}

fn unreadable(error: serde_json::Error) -> TaskFailure {
    TaskFailure { message: format!("what was read cannot be understood: {error}"), help: None, kind: None }
}
