//! Tasks in plans: their arguments, what is read of what they keep, and what is recorded of them.

mod claims;
mod decide;
mod keepers;
mod removal;

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};
use sha2::{Digest as _, Sha256};

pub(crate) use self::decide::{effects_run, is_adopted};
pub(crate) use self::keepers::{Refusal, record_of, refused_at_its_turn, why_not_there};
pub(crate) use self::keepers::{Subjects, Unsure};
pub(crate) use self::removal::questions;
pub(super) use self::removal::{destroyed, removed};
use super::change::PropertyChange;
use super::deploy::note;
use super::effects::removed_with_task;
use super::scope::PlanScope;
use super::{Action, Desired, Hidden, PlanProblem, Settings, ShownValue, Step, World};
use crate::config::{OnRemove, TaskDefinition};
use crate::error::{Finding, Findings};
use crate::graph::state::{TaskFacts, UNKNOWN};
use crate::ident::NodeName;
use crate::lookup::resolve::resolve;
use crate::lookup::{Cause, Resolved};
use crate::provider::Place;
use crate::resources::Replacement;
use crate::secrets::{HIDDEN, texts};
use crate::task::{AnyTaskKind, SecretPart, TaskDetail, TaskFailure, TaskPlace};

/// A question about what a task keeps. Equal questions have one answer in a run.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct TaskKey {
    /// Kind of the task.
    pub kind: String,
    /// Where.
    pub place: TaskPlace,
    /// Its arguments as JSON with sorted keys.
    arguments: String,
}

impl TaskKey {
    /// The question of a task with these arguments.
    pub fn new(kind: &str, place: &TaskPlace, arguments: &Map<String, Value>) -> Self {
        let arguments = sorted(&Value::Object(arguments.clone())).to_string();
        Self { kind: kind.to_owned(), place: place.clone(), arguments }
    }

    /// The arguments.
    pub fn arguments(&self) -> Map<String, Value> {
        // It was written from a map.
        serde_json::from_str(&self.arguments).unwrap_or_default()
    }
}

/// What the step of a task works on.
#[derive(Debug, Clone, PartialEq)]
pub struct StepTask {
    /// Kind of the task.
    pub kind: String,
    /// What it keeps, in words; `None` as long as its arguments are not known.
    pub subject: Option<String>,
    /// Account id.
    pub account: String,
    /// Region.
    pub region: String,
    /// The services that have work because of it.
    pub services: BTreeSet<String>,
    /// Digest of its arguments as far as they are known; secrets are left out.
    pub digest: String,
    /// What is recorded of it once it is as specified.
    pub record: Option<TaskFacts>,
    /// Nothing that it needs changes before it, so that it finds what the plan found.
    pub settled: bool,
    /// It left the config, or the run destroys: what it keeps goes.
    pub leaves: bool,
}

/// Outputs of a task as planned.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct TaskOutputs {
    /// Those that are known now and stay.
    pub(crate) known: BTreeMap<String, String>,
    /// Others may come.
    pub(crate) open: bool,
    /// Arguments that are secrets, or may turn out to be.
    pub(crate) secrets: BTreeSet<String>,
}

/// Outputs of tasks by node.
pub(crate) type PlannedOutputs = BTreeMap<NodeName, TaskOutputs>;

/// The arguments of a task as far as they are known.
#[derive(Debug, Default)]
pub(crate) struct Arguments {
    pub(crate) values: Map<String, Value>,
    /// Names of those that must not be shown.
    pub(crate) secrets: BTreeSet<String>,
    /// Parts of the others that are secrets by the kind of the task.
    parts: BTreeSet<SecretPart>,
    /// Those that are known only later, with what they wait for.
    pub(crate) unknown: BTreeMap<String, BTreeSet<Cause>>,
}

impl Arguments {
    /// All of them, if all are known.
    pub(crate) fn known(&self) -> Option<&Map<String, Value>> {
        self.unknown.is_empty().then_some(&self.values)
    }

    /// Names of those that are secrets, or hold one.
    pub(crate) fn secret_names(&self) -> BTreeSet<String> {
        let parts = self.parts.iter().map(|part| part.argument.to_owned());
        self.secrets.iter().cloned().chain(parts).collect()
    }

    /// The same for records: sorted, with placeholders for secrets and for what is not known.
    fn recorded(&self) -> BTreeMap<String, Value> {
        let known = self.values.iter().map(|(name, value)| {
            let shown = if self.secrets.contains(name) { masked(value) } else { sorted(value) };
            (name.clone(), without_parts(name, shown, &self.parts))
        });
        known.chain(self.unknown.keys().map(|name| (name.clone(), Value::from(UNKNOWN)))).collect()
    }

    /// Digest of what is known and no secret, of the revision of the kind, and of where the task works.
    pub(crate) fn digest(&self, revision: u32, place: &TaskPlace) -> String {
        digest(revision, place, &self.recorded())
    }
}

fn digest(revision: u32, place: &TaskPlace, recorded: &BTreeMap<String, Value>) -> String {
    let text = serde_json::json!([revision, place, recorded]).to_string();
    Sha256::digest(text.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// What is recorded of a task without what its kind makes a secret; `None` if it holds none. Earlier versions recorded that.
pub(crate) fn without_secrets(desired: &Desired, facts: &TaskFacts) -> Option<TaskFacts> {
    let kind = desired.kinds.get(&facts.kind)?;
    let is_open = |value: &Value| value == UNKNOWN;
    let known = facts.arguments.iter().filter(|(_, value)| !is_open(value));
    let known = known.map(|(name, value)| (name.clone(), value.clone())).collect();
    let unknown = facts.arguments.iter().filter(|(_, value)| is_open(value));
    let parts = kind.secrets(&known, &unknown.map(|(name, _)| name.as_str()).collect());
    let without = |(name, value): (&String, &Value)| {
        let value = if is_open(value) { value.clone() } else { without_parts(name, value.clone(), &parts) };
        (name.clone(), value)
    };
    let arguments: BTreeMap<String, Value> = facts.arguments.iter().map(without).collect();
    let names = parts.iter().map(|part| part.argument.to_owned()).collect();
    let mut outputs = facts.outputs.clone();
    outputs.retain(|output, _| !kind.gives().hides(output, &names));
    let clean = TaskFacts {
        // The digest of a short secret could be guessed.
        digest: facts.digest.as_ref().map(|_| digest(facts.revision, &facts.place, &arguments)),
        arguments,
        outputs,
        ..facts.clone()
    };
    (!parts.is_empty() && clean != *facts).then_some(clean)
}

/// Resolves the arguments of a task.
///
/// # Errors
/// [`Findings`] with every lookup that has no value.
pub(super) fn arguments(scope: &PlanScope<'_>, definition: &TaskDefinition) -> Result<Arguments, Findings> {
    let (found, findings) = as_far_as_known(scope, definition);
    if findings.has_errors() { Err(findings) } else { Ok(found) }
}

/// The arguments of a task as far as they have values, and every lookup that has none.
pub(super) fn as_far_as_known(scope: &PlanScope<'_>, definition: &TaskDefinition) -> (Arguments, Findings) {
    let (mut found, mut findings) = (Arguments::default(), Findings::default());
    for (name, variable) in &definition.args {
        match resolve(&variable.value, scope) {
            Ok(Resolved::Known { value, secret }) => {
                if secret {
                    found.secrets.insert(name.clone());
                }
                found.values.insert(name.clone(), value);
            }
            Ok(Resolved::Unknown { after }) => drop(found.unknown.insert(name.clone(), after)),
            Err(error) => {
                let problem = PlanProblem::Lookup {
                    message: format!("task `{}`, argument `{name}`: {}", definition.node, error.message),
                    help: error.help,
                    kind: error.kind,
                    span: variable.span.into(),
                };
                findings.push(Finding::at(&scope.desired.config.document, problem));
            }
        }
    }
    if let Some(kind) = scope.desired.kinds.get(&definition.kind) {
        found.parts = kind.secrets(&found.values, &found.unknown.keys().map(String::as_str).collect());
    }
    (found, findings)
}

/// The arguments of a task now that everything before it is done.
///
/// # Errors
/// As [`arguments`].
pub(crate) fn arguments_now(
    desired: &Desired,
    world: &World,
    settings: &Settings,
    definition: &TaskDefinition,
    hidden: &Hidden,
) -> Result<Arguments, Findings> {
    let scope = PlanScope { hidden, ..PlanScope::now(desired, world, settings) };
    arguments(&scope.of_task(definition), definition)
}

/// Outputs of the tasks of the config as they are now: what was read tells them, or else what was recorded.
pub(crate) fn outputs_now(
    desired: &Desired,
    world: &World,
    settings: &Settings,
) -> BTreeMap<NodeName, BTreeMap<String, String>> {
    let mut now = World { outputs: BTreeMap::new(), ..world.clone() };
    for name in desired.graph.order() {
        let Some(definition) = desired.config.tasks.get(&name) else { continue };
        let scope = PlanScope::now(desired, &now, settings);
        let arguments = arguments(&scope.of_task(definition), definition).ok();
        let values = arguments.as_ref().and_then(Arguments::known);
        let recorded = || record_of(desired, world, definition, values).map(|facts| facts.outputs.clone());
        let read = || {
            let kind = desired.kinds.get(&definition.kind).filter(|kind| !kind.effects())?;
            let values = values?;
            let key = TaskKey::new(&definition.kind, &definition.place, values);
            let state = world.answers.tasks.get(&key)?.as_ref().ok()?;
            kind.diff(values, state, false).ok().map(|change| change.outputs)
        };
        if let Some(outputs) = read().or_else(recorded) {
            now.outputs.insert(name, outputs);
        }
    }
    now.outputs
}

/// What is recorded of a task once it is as specified. `adopted`: what it keeps was there before it, or may have been.
pub(crate) fn record(
    desired: &Desired,
    world: &World,
    definition: &TaskDefinition,
    kind: &dyn AnyTaskKind,
    arguments: &Arguments,
    outputs: &BTreeMap<String, String>,
    adopted: bool,
) -> TaskFacts {
    let (gives, secrets) = (kind.gives(), arguments.secret_names());
    let shown = outputs.iter().filter(|(name, _)| !gives.hides(name, &secrets));
    TaskFacts {
        kind: definition.kind.clone(),
        revision: kind.revision(),
        arguments: arguments.recorded(),
        place: definition.place.clone(),
        account: Some(world.place.account.clone()),
        region: Some(world.place.region.clone()),
        on_remove: on_remove(definition, kind, adopted),
        adopted,
        digest: Some(arguments.digest(kind.revision(), &definition.place)),
        outputs: shown.map(|(name, value)| (name.clone(), value.clone())).collect(),
        needs: desired.graph.needs_of(&definition.node),
    }
}

/// What becomes of what a task keeps when it leaves the config. What was there before the task stays, unless the config
/// says otherwise: nobody asked for its deletion.
pub(crate) fn on_remove(definition: &TaskDefinition, kind: &dyn AnyTaskKind, adopted: bool) -> OnRemove {
    let stays = adopted || kind.retains() || kind.effects();
    let default = if stays { OnRemove::Retain } else { OnRemove::Delete };
    definition.on_remove.unwrap_or(default)
}

/// Account and region of a place in this run. Who assumes a role works in the role's account.
fn place_in(world: &World, place: &TaskPlace) -> (String, String) {
    let of_role = || place.role_chain.last().and_then(|arn| arn.split(':').nth(4)).map(str::to_owned);
    let account = place.account.clone().or_else(of_role).filter(|account| !account.is_empty());
    let account = account.unwrap_or_else(|| world.place.account.clone());
    (account, place.region.clone().unwrap_or_else(|| world.place.region.clone()))
}

/// What differs, as a plan shows it.
pub(crate) fn shown(details: &[TaskDetail], secrets: &BTreeSet<String>) -> Vec<PropertyChange> {
    let value = |value: &Value, secret: bool| match value {
        _ if secret => ShownValue::Secret,
        Value::String(text) => ShownValue::Plain(text.clone()),
        value => ShownValue::Plain(sorted(value).to_string()),
    };
    let change = |detail: &TaskDetail| {
        let top = detail.path.split(['.', '[']).next().unwrap_or_default();
        let secret = secrets.contains(top);
        PropertyChange {
            path: detail.path.clone(),
            before: detail.before.as_ref().map(|before| value(before, secret)),
            after: detail.after.as_ref().map(|after| value(after, secret)),
            replacement: Replacement::Never,
            because: None,
        }
    };
    details.iter().map(change).collect()
}

/// What goes with what a task keeps, if its step deletes it, and what will keep that from being done.
fn lost(
    kind: &dyn AnyTaskKind,
    (values, state): (&Map<String, Value>, &Value),
    task: &StepTask,
    step: &mut Step,
) {
    if !matches!(step.action, Action::Delete | Action::Recreate) {
        return;
    }
    if let Some(contents) = kind.contents(values, state) {
        let place = Place { account: task.account.clone(), region: task.region.clone() };
        removed_with_task(&place, &contents, &mut step.changes);
    }
    if let Some(TaskFailure { message, help, .. }) = kind.undeletable(values, state) {
        let help = help.map(|help| format!("; {help}")).unwrap_or_default();
        let text = format!("{message}: the deletion will be refused{help}");
        step.notes.push(note("plan::termination_protected", text));
    }
}

/// Texts in the arguments of a task that must not be shown.
pub(crate) fn secret_texts(arguments: &Arguments) -> Vec<String> {
    let mut found = Vec::new();
    let secret = arguments.values.iter().filter(|(name, _)| arguments.secrets.contains(*name));
    secret.for_each(|(_, value)| texts(value, &mut found));
    for part in &arguments.parts {
        let value = arguments.values.get(part.argument);
        let value = match &part.entry {
            Some(entry) => value.and_then(|value| value.get(entry)),
            None => value,
        };
        value.iter().for_each(|value| texts(value, &mut found));
    }
    found
}

/// An argument without what its kind makes a secret.
fn without_parts(name: &str, value: Value, parts: &BTreeSet<SecretPart>) -> Value {
    parts.iter().filter(|part| part.argument == name).fold(value, |mut value, part| match &part.entry {
        None => masked(&value),
        Some(entry) => {
            if let Some(value) = value.get_mut(entry) {
                *value = masked(value);
            }
            value
        }
    })
}

/// The same shape without what is in it.
fn masked(value: &Value) -> Value {
    match value {
        Value::String(_) => Value::from(HIDDEN),
        Value::Number(_) => Value::from(0),
        Value::Bool(_) => Value::from(false),
        Value::Null => Value::Null,
        Value::Array(items) => items.iter().map(masked).collect(),
        Value::Object(entries) => {
            sorted(&entries.iter().map(|(name, value)| (name.clone(), masked(value))).collect())
        }
    }
}

/// The same value with the keys of its maps in order.
fn sorted(value: &Value) -> Value {
    match value {
        Value::Object(entries) => {
            let ordered: BTreeMap<&String, Value> =
                entries.iter().map(|(name, value)| (name, sorted(value))).collect();
            ordered.into_iter().map(|(name, value)| (name.clone(), value)).collect()
        }
        Value::Array(items) => items.iter().map(sorted).collect(),
        other => other.clone(),
    }
}
