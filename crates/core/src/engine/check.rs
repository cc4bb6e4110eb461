//! Checks of a config with its templates, before anything is looked at.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde_json::{Map, Value};

use crate::config::tasks::TaskProblem;
use crate::config::{Called, Config, OnRemove, StackDefinition, TaskDefinition, When};
use crate::error::{Finding, Findings, nearest};
use crate::ident::{NodeName, StackFqn};
use crate::lookup::resolve::{HookData, OutputValue, Scope, resolve};
use crate::lookup::{Cause, Resolved};
use crate::plan::{PlanProblem, Settings, parameters};
use crate::provider::StackState;
use crate::registry::{Fetched, LookupFailure, LookupRequest};
use crate::task::{self, TaskKinds, TaskPlace};
use crate::template::Template;

/// Checks the variables of every enabled stack. Without `settings` the environment is unknown.
pub(super) fn values(
    config: &Arc<Config>,
    templates: &BTreeMap<NodeName, Arc<Template>>,
    kinds: &TaskKinds,
    settings: Option<&Settings>,
) -> Findings {
    let by_fqn = config.stacks.values().map(|definition| (&definition.fqn, definition)).collect();
    let scope = StaticScope { config, by_fqn, templates, kinds, settings, task: None };
    let mut findings = Findings::default();
    for definition in config.stacks.values().filter(|definition| definition.enabled) {
        if let Some(template) = templates.get(&definition.name) {
            findings.extend(parameters::check(&config.document, definition, template, &scope));
        }
    }
    findings
}

/// Checks the tasks: their kinds, and their arguments as far as they are known. Without `settings` the environment is
/// unknown.
pub(super) fn tasks(config: &Config, kinds: &TaskKinds, settings: Option<&Settings>) -> Findings {
    let mut findings = Findings::default();
    // What is known to be kept so far: where, what, which parts, and by which task.
    let mut kept: Vec<Kept<'_>> = Vec::new();
    let by_fqn: BTreeMap<_, _> =
        config.stacks.values().map(|definition| (&definition.fqn, definition)).collect();
    for task in config.tasks.values() {
        let mut report = |problem| findings.push(Finding::at(&config.document, problem));
        let Some(kind) = kinds.get(&task.kind) else {
            let help = match nearest(&task.kind, kinds.names()) {
                Some(meant) => format!("did you mean `{meant}`?"),
                None => format!("known kinds: {}", kinds.names().collect::<Vec<_>>().join(", ")),
            };
            report(TaskProblem::UnknownKind { kind: task.kind.clone(), help, span: task.kind_span.into() });
            continue;
        };
        let known = kind.arguments();
        let named = || known.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
        let mut complete = true;
        for (argument, variable) in task.args.iter().filter(|(name, _)| !known.contains(&name.as_str())) {
            complete = false;
            let help = match nearest(argument, known.iter().copied()) {
                Some(meant) => format!("did you mean `{meant}`?"),
                None => format!("it takes {}", named()),
            };
            let (task, kind, argument) =
                (task.entry.as_str().to_owned(), task.kind.clone(), argument.clone());
            let span = variable.name_span.into();
            report(TaskProblem::UnknownArgument { task, kind, argument, help, span });
        }
        // A place has one finding of a sort, which names all that is wrong there.
        let mut idle: Vec<(&str, &str)> = Vec::new();
        if task.when == When::Always && !kind.effects() {
            idle.push(("`when: always`", "it is compared in every run with what is there"));
        }
        if task.on_remove == Some(OnRemove::Delete) && kind.effects() {
            idle.push(("`on_remove: delete`", "it leaves nothing that could be deleted"));
        }
        let templates = &BTreeMap::new();
        let by_fqn = by_fqn.clone();
        let scope = StaticScope { config, by_fqn, templates, kinds, settings, task: Some(task) };
        let (mut known_values, mut failed) = (Map::new(), Vec::new());
        for (name, variable) in &task.args {
            match resolve(&variable.value, &scope) {
                Ok(Resolved::Known { value, .. }) => drop(known_values.insert(name.clone(), value)),
                Ok(Resolved::Unknown { .. }) => complete = false,
                Err(error) => {
                    complete = false;
                    failed.push(PlanProblem::Lookup {
                        message: format!("task `{}`, argument `{name}`: {}", task.node, error.message),
                        help: error.help,
                        kind: error.kind,
                        span: variable.span.into(),
                    });
                }
            }
        }
        let values = Some(known_values).filter(|_| complete);
        if let Some(values) = &values
            && task.trust_for.is_some()
            && !kind.keeps_receipt(values)
        {
            idle.push(("`trust_for`", "it is looked at in every run"));
        }
        if !idle.is_empty() {
            let (fields, helps): (Vec<&str>, Vec<&str>) = idle.iter().copied().unzip();
            let what = format!("{} {}", fields.join(" and "), if idle.len() == 1 { "has" } else { "have" });
            let (task, kind, span) = (task.entry.as_str().to_owned(), task.kind.clone(), task.span.into());
            report(TaskProblem::WithoutEffect { task, kind, what, help: helps.join("; "), span });
        }
        let wrong = values.as_ref().map(|values| kind.check(values)).unwrap_or_default();
        failed.into_iter().for_each(|problem| findings.push(Finding::at(&config.document, problem)));
        if let Some(values) = values.filter(|_| wrong.is_empty() && task.enabled && kind.owns()) {
            let Some(subject) = kind.subject(&values) else { continue };
            let now = Kept { task, subject, parts: kind.parts(&values) };
            if let Some(first) = kept.iter().find(|first| first.is_shared_with(&now)) {
                findings.push(Finding::at(&config.document, first.problem(&now)));
            }
            kept.push(now);
            continue;
        }
        if !wrong.is_empty() {
            let what = wrong.join("; ");
            let (name, kind, known) = (task.entry.as_str().to_owned(), task.kind.clone(), named());
            let span = task.span.into();
            findings.push(Finding::at(
                &config.document,
                TaskProblem::Arguments { task: name, kind, what, known, span },
            ));
        }
    }
    findings
}

/// What a task keeps, as far as the config tells.
struct Kept<'c> {
    task: &'c TaskDefinition,
    subject: String,
    /// The parts of it; `None` is all of it.
    parts: Option<BTreeSet<String>>,
}

impl Kept<'_> {
    fn is_shared_with(&self, other: &Self) -> bool {
        let (one, two) = (self.task, other.task);
        (&one.kind, &one.place, &self.subject) == (&two.kind, &two.place, &other.subject)
            && task::overlap(self.parts.as_ref(), other.parts.as_ref())
    }

    fn problem(&self, other: &Self) -> PlanProblem {
        PlanProblem::SameSubject {
            subject: self.subject.clone(),
            one: self.task.node.as_str().to_owned(),
            other: other.task.node.as_str().to_owned(),
            first: self.task.span.into(),
            second: other.task.span.into(),
        }
    }
}

/// Warns of parameters without a value.
pub(super) fn missing(config: &Config, templates: &BTreeMap<NodeName, Arc<Template>>) -> Findings {
    let mut findings = Findings::default();
    for definition in config.stacks.values().filter(|definition| definition.enabled) {
        let template = templates.get(&definition.name);
        if let Some(problem) = template.and_then(|template| parameters::check_missing(definition, template)) {
            findings.push(Finding::at(&config.document, problem));
        }
    }
    findings
}

/// Lookups over what config and templates say; what only the cloud knows is unknown.
struct StaticScope<'a> {
    config: &'a Config,
    by_fqn: BTreeMap<&'a StackFqn, &'a StackDefinition>,
    templates: &'a BTreeMap<NodeName, Arc<Template>>,
    settings: Option<&'a Settings>,
    kinds: &'a TaskKinds,
    /// The task whose arguments are resolved, if it is one.
    task: Option<&'a TaskDefinition>,
}

impl Scope for StaticScope<'_> {
    fn output(&self, stack: &str, output: &str) -> OutputValue {
        let by_fqn = || self.by_fqn.get(&StackFqn::new(stack)).copied();
        let Some(definition) = self.config.stacks.get(stack).or_else(by_fqn) else {
            // The graph reports it, with a better message.
            return OutputValue::Unknown(BTreeSet::new());
        };
        let name = &definition.name;
        if !definition.enabled {
            return OutputValue::Missing(format!("stack `{name}` is disabled"));
        }
        // What a locked stack was made of need not be its template, and macros add outputs.
        let open = definition.locked || self.templates.get(name).is_none_or(|template| template.has_macros());
        let declared = self.templates.get(name).is_some_and(|template| template.output(output).is_some());
        if open || declared {
            OutputValue::Unknown(BTreeSet::from([Cause::Stack(name.clone())]))
        } else {
            OutputValue::Missing(format!("the template of `{name}` declares no such output"))
        }
    }

    fn task_output(&self, task: &str, output: &str) -> OutputValue {
        // The graph reports names that nothing has; the nodes of one entry give the same.
        let Called::Nodes(nodes) = self.config.tasks_called(task) else {
            return OutputValue::Unknown(BTreeSet::new());
        };
        let lacks = nodes.first().and_then(|definition| {
            let kind = self.kinds.get(&definition.kind)?;
            kind.gives().lacks(kind.name(), output, |flag| definition.is_off(flag))
        });
        lacks.map_or_else(|| OutputValue::Unknown(BTreeSet::new()), OutputValue::Missing)
    }

    fn place(&self) -> TaskPlace {
        self.task.map(|task| task.place.clone()).unwrap_or_default()
    }

    fn stack(&self, _: &StackFqn) -> Option<&StackState> {
        None
    }

    fn fqn(&self, name: &str) -> StackFqn {
        self.config.fqn(name)
    }

    fn environment(&self, name: &str) -> Option<String> {
        self.settings?.environment.get(name).cloned()
    }

    fn parameter(&self, name: &str) -> Option<Value> {
        self.settings?.parameters.get(name).cloned()
    }

    fn knows_stacks(&self) -> bool {
        false
    }

    fn is_own(&self, lookup: &str) -> bool {
        self.config.lookups.contains_key(lookup)
    }

    fn region(&self) -> Option<String> {
        None
    }

    fn fetched(&self, _: &LookupRequest) -> Option<Result<Fetched, LookupFailure>> {
        None
    }

    fn hook_data(&self) -> HookData {
        HookData::Expected { keys: self.config.hooks.data_keys(), more: self.config.hooks.may_keep_more() }
    }

    fn awaits_hooks(&self) -> bool {
        self.config.hooks.before_deploy()
    }

    fn knows_environment(&self) -> bool {
        self.settings.is_some()
    }
}
