//! What lookups find while a plan is made or carried out.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use super::change::PendingStacks;
use super::hidden::Hidden;
use super::tasks::PlannedOutputs;
use super::{Desired, Settings, World};
use crate::config::{Called, TaskDefinition, When};
use crate::graph::dependency::read_by;
use crate::ident::{NodeName, StackFqn};
use crate::lookup::Cause;
use crate::lookup::resolve::{HookData, OutputValue, Scope};
use crate::provider::StackState;
use crate::registry::{Fetched, LookupFailure, LookupRequest};
use crate::task::TaskPlace;

/// Lookups over what is wanted and what was seen.
#[derive(Clone, Copy)]
pub(super) struct PlanScope<'a> {
    pub(super) desired: &'a Desired,
    pub(super) world: &'a World,
    pub(super) settings: &'a Settings,
    /// Stacks of which some outputs are known only after their step.
    pub(super) pending: &'a PendingStacks,
    /// Outputs of tasks as planned so far; those of the others are as the world has them.
    pub(super) tasks: &'a PlannedOutputs,
    /// The task whose arguments are resolved, if it is one.
    pub(super) task: Option<&'a TaskDefinition>,
    /// Whether steps have yet to run, so that what is absent may still come.
    pub(super) planning: bool,
    /// Those of the pending stacks that the stack in question needs, at any distance.
    pub(super) upstream: &'a BTreeSet<NodeName>,
    /// What must not be shown, beside the answers that are secrets.
    pub(super) hidden: &'a Hidden,
}

/// Why an output is not there that a later run could not know.
const WITHHELD: (&str, &str) = (
    "the task is given a secret, which this output may hold, so it is not recorded, and the next run could not know it",
    "write `when: always` for the task, so that every run has it, or let it write the value to where a lookup finds it, for example Parameter Store",
);
/// Why an output is not there that no record has.
const NOT_RECORDED: (&str, &str) = (
    "the task is given a secret, which this output may hold, so it is not recorded, and this run leaves the task alone",
    "let the run take the task, too, for example with `--with-dependencies`",
);

/// Everything is known.
static NOTHING: PendingStacks = PendingStacks::new();
/// No task is planned.
static NO_TASKS: PlannedOutputs = PlannedOutputs::new();
/// No stack.
static NONE: BTreeSet<NodeName> = BTreeSet::new();
/// Nothing is known to be a secret.
static OPEN: LazyLock<Hidden> = LazyLock::new(Hidden::default);

impl<'a> PlanScope<'a> {
    /// The world as it is now: everything that comes before has been done.
    pub(super) fn now(desired: &'a Desired, world: &'a World, settings: &'a Settings) -> Self {
        let hidden = &OPEN;
        let (pending, tasks, upstream) = (&NOTHING, &NO_TASKS, &NONE);
        Self { desired, world, settings, pending, tasks, task: None, planning: false, upstream, hidden }
    }

    /// The same for the arguments of a task.
    pub(super) fn of_task(self, task: &'a TaskDefinition) -> Self {
        Self { task: Some(task), ..self }
    }

    /// The task whose output is read, or why there is none.
    fn task_called(&self, name: &str) -> Result<&'a TaskDefinition, String> {
        let nodes = match self.desired.config.tasks_called(name) {
            Called::Nothing => return Err("the config has no such task".to_owned()),
            Called::Several(_) => return Err("there are several tasks of this name".to_owned()),
            Called::Nodes(nodes) => nodes,
        };
        let several = || format!("it works in {} places", nodes.len());
        read_by(&nodes, self.task).ok_or_else(several)
    }

    /// Whether an output of a task must not be shown.
    fn hides(&self, definition: &TaskDefinition, output: &str) -> bool {
        let Some(kind) = self.desired.kinds.get(&definition.kind) else { return false };
        match self.tasks.get(&definition.node) {
            Some(planned) => kind.gives().hides(output, &planned.secrets),
            None => self.hidden.has_task_output(&definition.node, output, kind.gives()),
        }
    }
}

impl Scope for PlanScope<'_> {
    fn output(&self, stack: &str, output: &str) -> OutputValue {
        let Some(definition) = self.desired.definition(stack) else {
            return OutputValue::Missing(format!("the config has no stack `{stack}`"));
        };
        if !definition.enabled {
            return OutputValue::Missing(format!("stack `{}` is disabled", definition.name));
        }
        let template = self.desired.templates.get(&definition.name);
        let undeclared =
            || OutputValue::Missing(format!("the template of `{}` declares no such output", definition.name));
        let after = || BTreeSet::from([Cause::Output(definition.name.clone(), output.to_owned())]);
        if self.pending.get(&definition.name).is_some_and(|pending| pending.has(output)) {
            return match template.and_then(|template| template.output(output)) {
                Some(_) => OutputValue::Unknown(after()),
                // What is not rendered yet may declare it.
                None if template.is_none() => OutputValue::Unknown(after()),
                // Macros add outputs.
                None if template.is_some_and(|template| template.has_macros()) => {
                    OutputValue::Unknown(after())
                }
                None => undeclared(),
            };
        }
        match self.world.stacks.get(&definition.fqn) {
            Some(live) => match live.outputs.get(output) {
                Some(value) => OutputValue::Known(value.clone()),
                None if template
                    .is_some_and(|template| template.output(output).is_none() && !template.has_macros()) =>
                {
                    undeclared()
                }
                None => OutputValue::Missing(format!("stack `{}` has no such output", definition.fqn)),
            },
            None => OutputValue::Missing(format!("stack `{}` does not exist", definition.fqn)),
        }
    }

    fn is_hidden(&self, stack: &str, output: &str) -> bool {
        let definition = self.desired.definition(stack);
        definition.is_some_and(|definition| self.hidden.has_output(&definition.name, output))
    }

    fn task_output(&self, task: &str, output: &str) -> OutputValue {
        let definition = match self.task_called(task) {
            Ok(definition) => definition,
            Err(reason) => return OutputValue::Missing(reason),
        };
        let Some(kind) = self.desired.kinds.get(&definition.kind) else {
            return OutputValue::Missing("its kind is not known".to_owned());
        };
        if let Some(lacks) = kind.gives().lacks(kind.name(), output, |flag| definition.is_off(flag)) {
            return OutputValue::Missing(lacks);
        }
        let is_hidden = self.hides(definition, output);
        // It would be there after the run that makes it, and in no later one.
        if is_hidden && kind.effects() && definition.when != When::Always {
            return OutputValue::Withheld(WITHHELD);
        }
        let missing = || match is_hidden {
            true => OutputValue::Withheld(NOT_RECORDED),
            false => OutputValue::Missing("it has no such output".to_owned()),
        };
        if let Some(planned) = self.tasks.get(&definition.node) {
            return match planned.known.get(output) {
                Some(value) => OutputValue::Known(value.clone()),
                None if planned.open => {
                    let cause = Cause::Output(definition.node.clone(), output.to_owned());
                    OutputValue::Unknown(BTreeSet::from([cause]))
                }
                None => missing(),
            };
        }
        match self.world.outputs.get(&definition.node) {
            Some(known) => known.get(output).map_or_else(missing, |value| OutputValue::Known(value.clone())),
            None if !definition.enabled => OutputValue::Missing("it is disabled".to_owned()),
            None => OutputValue::Missing("it has not been carried out".to_owned()),
        }
    }

    fn is_hidden_task(&self, task: &str, output: &str) -> bool {
        self.task_called(task).is_ok_and(|definition| self.hides(definition, output))
    }

    fn place(&self) -> TaskPlace {
        let own = self.task.map(|task| task.place.clone()).unwrap_or_default();
        let of_run = |text: &String| Some(text.clone()).filter(|text| !text.is_empty());
        TaskPlace {
            account: own.account.or_else(|| of_run(&self.world.place.account)),
            region: own.region.or_else(|| of_run(&self.world.place.region)),
            role_chain: own.role_chain,
        }
    }

    fn may_hide(&self, after: &BTreeSet<Cause>) -> bool {
        after.iter().any(|cause| match cause {
            Cause::Output(task, output) if self.desired.graph.is_task(task) => {
                let definition = self.desired.config.tasks.get(task);
                definition.is_some_and(|definition| self.hides(definition, output))
            }
            Cause::Output(stack, output) => self.hidden.has_output(stack, output),
            Cause::Stack(stack) => self.hidden.has_outputs(stack),
            Cause::Hook(key) => self.hidden.has_hook(key.as_ref()),
        })
    }

    fn changing(&self, fqn: &StackFqn) -> Option<NodeName> {
        let absent = !self.world.stacks.contains_key(fqn);
        let own = self
            .desired
            .config
            .stacks
            .values()
            .find(|definition| definition.fqn == *fqn && definition.enabled)?;
        (self.pending.contains_key(&own.name) || self.planning && absent).then(|| own.name.clone())
    }

    fn stack(&self, fqn: &StackFqn) -> Option<&StackState> {
        self.world.stacks.get(fqn)
    }

    fn fqn(&self, name: &str) -> StackFqn {
        self.desired.config.fqn(name)
    }

    fn environment(&self, name: &str) -> Option<String> {
        self.settings.environment.get(name).cloned()
    }

    fn parameter(&self, name: &str) -> Option<serde_json::Value> {
        self.settings.parameters.get(name).cloned()
    }

    fn is_own(&self, lookup: &str) -> bool {
        self.desired.config.lookups.contains_key(lookup)
    }

    fn region(&self) -> Option<String> {
        Some(self.world.place.region.clone())
    }

    fn fetched(&self, request: &LookupRequest) -> Option<Result<Fetched, LookupFailure>> {
        self.world.answers.lookups.get(request).cloned()
    }

    fn hook_data(&self) -> HookData {
        match &self.world.answers.hooks {
            Some(hooks) => HookData::Known { results: hooks.results.clone(), hidden: hooks.hidden.clone() },
            None => HookData::Expected {
                keys: self.desired.config.hooks.data_keys(),
                more: self.desired.config.hooks.may_keep_more(),
            },
        }
    }

    fn upstream(&self) -> BTreeSet<Cause> {
        self.upstream.iter().cloned().map(Cause::Stack).collect()
    }

    fn awaits_hooks(&self) -> bool {
        self.world.answers.hooks.is_none() && self.desired.config.hooks.before_deploy()
    }
}

/// Resolves something of a hook: outputs are as the world shows them.
pub fn hook_scope<T>(
    desired: &Desired,
    world: &World,
    settings: &Settings,
    resolve: impl FnOnce(&dyn Scope) -> T,
) -> T {
    resolve(&PlanScope::now(desired, world, settings))
}
