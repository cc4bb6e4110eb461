//! What has to be asked of handlers outside core before a plan or a step can be made.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde_json::{Map, Value};

use super::scope::PlanScope;
use super::tasks::{self, TaskKey};
use super::template::{Variables, is_rendered, render_key, variables};
use super::{Answers, Desired, HookResults, RenderKey, Settings, World};
use crate::config::{StackDefinition, TaskDefinition, Variable};
use crate::ident::{NodeName, StackFqn};
use crate::lookup::Cause;
use crate::lookup::resolve::{HookData, OutputValue, Scope, resolve};
use crate::provider::StackState;
use crate::registry::{Fetched, LookupFailure, LookupRequest};
use crate::secrets::texts;
use crate::task::{AnyTaskKind, TaskPlace};

/// Questions that have no answer yet.
#[derive(Debug, Default)]
pub struct Outstanding {
    /// Lookups to ask for.
    pub lookups: BTreeSet<LookupRequest>,
    /// Templates to render.
    pub renders: BTreeMap<RenderKey, Unrendered>,
    /// What tasks keep, to be read.
    pub tasks: BTreeSet<TaskKey>,
}

/// A template to render.
#[derive(Debug, Default)]
pub struct Unrendered {
    /// The variables that go in.
    pub variables: Map<String, Value>,
    /// Texts in them that must not be shown.
    pub secrets: Vec<String>,
}

impl Outstanding {
    /// Takes further questions in.
    pub fn extend(&mut self, other: Self) {
        self.lookups.extend(other.lookups);
        self.renders.extend(other.renders);
        self.tasks.extend(other.tasks);
    }

    /// Takes in what has to be read of tasks, unless it has been.
    pub(crate) fn extend_tasks(&mut self, questions: BTreeSet<TaskKey>, world: &World) {
        self.tasks.extend(questions.into_iter().filter(|key| !world.answers.tasks.contains_key(key)));
    }

    /// Whether everything is answered.
    pub fn is_empty(&self) -> bool {
        self.lookups.is_empty() && self.renders.is_empty() && self.tasks.is_empty()
    }
}

impl Answers {
    /// Takes further answers in.
    pub fn extend(&mut self, other: Self) {
        self.lookups.extend(other.lookups);
        self.rendered.extend(other.rendered);
        self.tasks.extend(other.tasks);
        self.trusted.extend(other.trusted);
        self.importers.extend(other.importers);
    }

    /// The results of the hooks before the stacks are there: everything they may have changed has to be asked again.
    pub fn after_hooks(&mut self, results: HookResults) {
        self.lookups.retain(|request, _| request.place.is_some());
        self.rendered.clear();
        self.tasks.clear();
        self.hooks = Some(results);
    }
}

/// What the values and templates of these stacks need. Outputs count as they are now: what depends on those of a stack
/// that is going to change may be asked for in vain, and is asked again with the new ones.
pub fn of_stacks<'a>(
    desired: &Desired,
    world: &World,
    settings: &Settings,
    definitions: impl Iterator<Item = &'a StackDefinition>,
) -> Outstanding {
    let scope = PlanScope::now(desired, world, settings);
    let mut outstanding = Outstanding::default();
    for definition in definitions {
        let rendered = is_rendered(&scope, definition);
        let template = desired.templates.get(&definition.name);
        let needed = |name: &String| {
            rendered || template.is_some_and(|template| template.parameters.contains_key(name))
        };
        for (_, variable) in definition.variables.iter().filter(|(name, _)| needed(name)) {
            ask(variable, &scope, &mut outstanding);
        }
        if !rendered {
            continue;
        }
        if let Ok(Variables::Known(variables, secret)) = variables(&scope, definition) {
            let key = render_key(definition, &variables);
            if !world.answers.rendered.contains_key(&key) {
                let mut secrets = world.answers.secret_texts();
                variables.iter().filter(|(name, _)| secret.contains(*name)).for_each(|(_, value)| {
                    texts(value, &mut secrets);
                });
                outstanding.renders.insert(key, Unrendered { variables, secrets });
            }
        }
    }
    outstanding
}

/// What the arguments of these tasks need, and then what they keep. With `reads` false only the former: the step itself
/// reads.
pub fn of_tasks<'a>(
    desired: &'a Desired,
    world: &World,
    settings: &Settings,
    definitions: impl Iterator<Item = &'a TaskDefinition>,
    reads: bool,
) -> Outstanding {
    let mut outstanding = Outstanding::default();
    for definition in definitions {
        let scope = PlanScope::now(desired, world, settings).of_task(definition);
        definition.args.values().for_each(|variable| ask(variable, &scope, &mut outstanding));
        let is_read = |kind: &&Arc<dyn AnyTaskKind>| reads && !kind.effects();
        let Some(kind) = desired.kinds.get(&definition.kind).filter(is_read) else { continue };
        if let Ok(arguments) = tasks::arguments(&scope, definition)
            && let Some(values) = arguments.known()
            && kind.check(values).is_empty()
        {
            let key = TaskKey::new(&definition.kind, &definition.place, values);
            let trusted = world.answers.trusted.contains(&key);
            outstanding
                .tasks
                .extend(Some(key).filter(|key| !trusted && !world.answers.tasks.contains_key(key)));
        }
    }
    outstanding
}

/// What the arguments of a hook need.
pub fn of_arguments<'a>(
    desired: &Desired,
    world: &World,
    settings: &Settings,
    arguments: impl Iterator<Item = &'a Variable>,
) -> Outstanding {
    let scope = PlanScope::now(desired, world, settings);
    let mut outstanding = Outstanding::default();
    for variable in arguments {
        ask(variable, &scope, &mut outstanding);
    }
    outstanding
}

fn ask(variable: &Variable, scope: &PlanScope<'_>, outstanding: &mut Outstanding) {
    outstanding.lookups.extend(noted(variable, scope, false));
}

/// Every question that the value of a variable asks, answered or not, as the world now is.
pub(super) fn asked_by(
    variable: &Variable,
    desired: &Desired,
    world: &World,
    settings: &Settings,
) -> BTreeSet<LookupRequest> {
    noted(variable, &PlanScope::now(desired, world, settings), true)
}

/// The same for each argument of a task; and the names of those that must not be shown.
pub(super) fn asked_by_task(
    definition: &TaskDefinition,
    desired: &Desired,
    world: &World,
    settings: &Settings,
) -> (BTreeMap<String, BTreeSet<LookupRequest>>, BTreeSet<String>) {
    let scope = PlanScope::now(desired, world, settings).of_task(definition);
    let asked = definition.args.iter();
    let asked = asked.map(|(name, variable)| (name.clone(), noted(variable, &scope, true))).collect();
    // What cannot be resolved yet may turn out to be a secret.
    let all = || definition.args.keys().cloned().collect();
    let secrets = tasks::arguments(&scope, definition).map_or_else(|_| all(), |found| found.secret_names());
    (asked, secrets)
}

fn noted(variable: &Variable, scope: &PlanScope<'_>, answered_too: bool) -> BTreeSet<LookupRequest> {
    let recorder = Recorder { scope, answered_too, noted: RefCell::default() };
    // Whether it resolves is not the question here.
    let _ = resolve(&variable.value, &recorder);
    recorder.noted.into_inner()
}

/// A scope that notes what it is asked: everything, or only what it cannot answer.
struct Recorder<'a> {
    scope: &'a dyn Scope,
    answered_too: bool,
    noted: RefCell<BTreeSet<LookupRequest>>,
}

impl Scope for Recorder<'_> {
    fn output(&self, stack: &str, output: &str) -> OutputValue {
        self.scope.output(stack, output)
    }

    fn is_hidden(&self, stack: &str, output: &str) -> bool {
        self.scope.is_hidden(stack, output)
    }

    fn task_output(&self, task: &str, output: &str) -> OutputValue {
        self.scope.task_output(task, output)
    }

    fn is_hidden_task(&self, task: &str, output: &str) -> bool {
        self.scope.is_hidden_task(task, output)
    }

    fn place(&self) -> TaskPlace {
        self.scope.place()
    }

    fn may_hide(&self, after: &BTreeSet<Cause>) -> bool {
        self.scope.may_hide(after)
    }

    fn changing(&self, fqn: &StackFqn) -> Option<NodeName> {
        self.scope.changing(fqn)
    }

    fn stack(&self, fqn: &StackFqn) -> Option<&StackState> {
        self.scope.stack(fqn)
    }

    fn fqn(&self, name: &str) -> StackFqn {
        self.scope.fqn(name)
    }

    fn environment(&self, name: &str) -> Option<String> {
        self.scope.environment(name)
    }

    fn parameter(&self, name: &str) -> Option<Value> {
        self.scope.parameter(name)
    }

    fn variable(&self, query: &str) -> Option<Value> {
        self.scope.variable(query)
    }

    fn knows_stacks(&self) -> bool {
        self.scope.knows_stacks()
    }

    fn knows_environment(&self) -> bool {
        self.scope.knows_environment()
    }

    fn is_own(&self, lookup: &str) -> bool {
        self.scope.is_own(lookup)
    }

    fn region(&self) -> Option<String> {
        self.scope.region()
    }

    fn fetched(&self, request: &LookupRequest) -> Option<Result<Fetched, LookupFailure>> {
        let answer = self.scope.fetched(request);
        if answer.is_none() || self.answered_too {
            self.noted.borrow_mut().insert(request.clone());
        }
        answer
    }

    fn hook_data(&self) -> HookData {
        self.scope.hook_data()
    }

    fn awaits_hooks(&self) -> bool {
        self.scope.awaits_hooks()
    }

    fn upstream(&self) -> BTreeSet<Cause> {
        self.scope.upstream()
    }
}
