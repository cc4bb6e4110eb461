//! A stack as it is beside the stack as it should be.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde_json::Value;

use super::deploy::note;
use super::effects::{Sides, effects};
use super::losses::{self, Loss};
use super::parameters::{Given, parameters, same_value};
use super::scope::PlanScope;
use super::template::{Wanted, wanted_template};
use super::{
    Changes, Desired, Note, ParameterChange, PlanProblem, PropertyChange, Reason, Rendered, ResourceAction,
    Settings, ShownValue, Step, TemplateChange, World,
};
use crate::config::StackDefinition;
use crate::error::{Finding, Findings};
use crate::event::StepFailure;
use crate::ident::NodeName;
use crate::lookup::Cause;
use crate::provider::{ParameterValue, StackState};
use crate::secrets::{HIDDEN, Secrets};
use crate::template::Template;

/// What differs between a stack and its definition.
#[derive(Debug, Default)]
pub(super) struct Comparison {
    /// The details.
    pub(super) changes: Changes,
    /// Differences that are certain.
    pub(super) certain: Vec<Reason>,
    /// Differences that may turn out to be none.
    pub(super) possible: Vec<Reason>,
    /// Remarks.
    pub(super) notes: Vec<Note>,
}

/// Compares a stack with its definition; `existing` is `None` for one that will be created.
pub(super) fn compare(
    scope: &PlanScope<'_>,
    definition: &StackDefinition,
    (rendered, secrets): (&Rendered, &BTreeSet<String>),
    existing: Option<&StackState>,
    findings: &mut Findings,
) -> Result<Comparison, Findings> {
    let document = &scope.desired.config.document;
    let given = parameters(document, definition, (rendered, secrets), existing, scope)?;
    let template = rendered.template.as_ref();
    let mut comparison = Comparison::default();
    let deployed = existing.and_then(|stack| {
        let text = scope.world.templates.get(&stack.fqn)?;
        if *text == template.body {
            return Some(Cow::Borrowed(template));
        }
        match Template::parse("deployed template", text) {
            Ok(template) => Some(Cow::Owned(template)),
            Err(found) => {
                let reason = found.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ");
                let stack = definition.name.as_str().to_owned();
                findings.push(Finding::general(PlanProblem::DeployedTemplate { stack, reason }));
                None
            }
        }
    });
    let deployed = deployed.as_deref();
    if existing.is_some() {
        comparison.template(deployed, template);
    }
    let secrets = scope.hidden.secrets();
    comparison.parameters(secrets, (template, deployed), existing, given.clone());
    if let Some(stack) = existing {
        comparison.settings(scope, stack, definition);
    } else if template.has_macros() && definition.timeout_minutes.is_some() {
        let text = "`timeout` does not apply: a template with macros is created through a change set, which knows no timeout";
        comparison.notes.push(note("plan::timeout_not_applied", text));
    }
    if existing.is_none() || comparison.touches_resources() {
        let (fqn, given) = (&definition.fqn, given.as_slice());
        let sides = Sides { fqn, live: existing, deployed, wanted: template, given };
        effects(scope, &sides, secrets, &mut comparison.changes);
    }
    if comparison.is_of_policies_alone() {
        let text = "only policies of resources change: CloudFormation may take that for no change, and the policies that are deployed stay; change something beside them, a tag of the stack for example";
        comparison.notes.push(note("plan::policies_alone", text));
    }
    Ok(comparison)
}

/// Compares a stack whose template is known only later.
pub(super) fn compare_unknown(
    scope: &PlanScope<'_>,
    definition: &StackDefinition,
    existing: Option<&StackState>,
    after: BTreeSet<Cause>,
) -> Comparison {
    let mut comparison = Comparison::default();
    comparison.possible.push(Reason::TemplateUnknown { after });
    comparison.changes.outputs_open = true;
    if let Some(stack) = existing {
        comparison.settings(scope, stack, definition);
    }
    comparison
}

impl Comparison {
    /// Whether nothing differs but what is to become of resources that are removed or replaced.
    fn is_of_policies_alone(&self) -> bool {
        let is_policy = |change: &PropertyChange| {
            matches!(change.path.as_str(), "DeletionPolicy" | "UpdateReplacePolicy")
        };
        let changes = &self.changes;
        matches!(self.certain.as_slice(), [Reason::TemplateChanged])
            && self.possible.is_empty()
            && !changes.resources.is_empty()
            && changes.outputs.is_empty()
            && changes.resources.values().all(|resource| {
                resource.action == ResourceAction::Modify && resource.properties.iter().all(is_policy)
            })
    }

    /// Whether it may do anything to resources. Protection and policy of a stack leave them alone.
    fn touches_resources(&self) -> bool {
        self.certain.iter().chain(&self.possible).any(Reason::touches_resources)
    }

    /// Everything but template and parameters.
    fn settings(&mut self, scope: &PlanScope<'_>, stack: &StackState, definition: &StackDefinition) {
        self.tags(stack, definition);
        let wanted = definition.termination_protection;
        if stack.termination_protection != wanted {
            self.changes.termination_protection = Some((stack.termination_protection, wanted));
            self.certain.push(Reason::TerminationProtectionChanged { to: wanted });
        }
        if let Some(wanted) = scope.desired.policies.get(&definition.name) {
            let current = scope.world.policies.get(&stack.fqn).cloned().flatten();
            if !same_json(current.as_deref(), wanted) {
                self.changes.stack_policy = true;
                self.certain.push(Reason::StackPolicyChanged);
            }
        }
    }

    fn template(&mut self, deployed: Option<&Template>, wanted: &Template) {
        if deployed.is_some_and(|deployed| deployed.body == wanted.body) {
            return;
        }
        let before = deployed.map(Template::normalized).unwrap_or(Value::Null);
        let after = wanted.normalized();
        if before == after {
            return;
        }
        self.certain.push(Reason::TemplateChanged);
        self.changes.template = Some(template_change(&before, &after));
    }

    fn parameters(
        &mut self,
        secrets: &Secrets,
        (template, deployed): (&Template, Option<&Template>),
        existing: Option<&StackState>,
        given: Vec<(String, Given)>,
    ) {
        let empty = BTreeMap::new();
        let before = existing.map_or(&empty, |stack| &stack.parameters);
        let (mut changed, mut hidden, mut unknown) = (Vec::new(), Vec::new(), Vec::new());
        let mut after_stacks = BTreeSet::new();
        let shown = |name: &str, text: &str, secret: bool| {
            let no_echo =
                |template: &Template| template.parameters.get(name).is_some_and(|declared| declared.no_echo);
            if secret
                || no_echo(template)
                || deployed.is_some_and(no_echo)
                || text == HIDDEN
                || secrets.are_in(text)
            {
                ShownValue::Secret
            } else {
                ShownValue::Plain(text.to_owned())
            }
        };
        for (name, value) in given {
            let old = before.get(&name);
            // The value before is as secret as the one that comes.
            let is_secret = match &value {
                Given::Value { secret, .. } | Given::Unknown { secret, .. } => *secret,
                Given::Previous => false,
            };
            let old_shown = old.map(|text| shown(&name, text, is_secret));
            match value {
                Given::Value { text, secret } => {
                    let kind = template.parameters.get(&name).map_or("", |declared| declared.kind.as_str());
                    match old {
                        Some(old) if old == HIDDEN => hidden.push(name),
                        Some(old) if same_value(kind, old, &text) => {}
                        _ => {
                            let after = Some(shown(&name, &text, secret));
                            self.changes
                                .parameters
                                .insert(name.clone(), ParameterChange { before: old_shown, after });
                            changed.push(name);
                        }
                    }
                }
                Given::Previous => self.note_unused_default(&name, template, deployed, old),
                Given::Unknown { after, .. } => {
                    let change = ParameterChange {
                        before: old_shown,
                        after: Some(ShownValue::KnownAfter(after.clone())),
                    };
                    self.changes.parameters.insert(name.clone(), change);
                    after_stacks.extend(after);
                    unknown.push(name);
                }
            }
        }
        for (name, old) in before.iter().filter(|(name, _)| !template.parameters.contains_key(*name)) {
            let before = Some(shown(name, old, false));
            self.changes.parameters.insert(name.clone(), ParameterChange { before, after: None });
        }
        if existing.is_some() && !changed.is_empty() {
            changed.sort();
            self.certain.push(Reason::ParametersChanged(changed));
        }
        if existing.is_some() && !hidden.is_empty() {
            hidden.sort();
            self.possible.push(Reason::ParametersHidden(hidden));
        }
        if !unknown.is_empty() {
            unknown.sort();
            self.possible.push(Reason::ParametersUnknown { parameters: unknown, after: after_stacks });
        }
    }

    /// A parameter that keeps its value does not follow a changed default; CFNgin does the same, silently.
    fn note_unused_default(
        &mut self,
        name: &str,
        template: &Template,
        deployed: Option<&Template>,
        old: Option<&String>,
    ) {
        let default =
            |template: &Template| template.parameters.get(name).and_then(|declared| declared.default.clone());
        let new = default(template);
        let moved = deployed.is_some_and(|deployed| default(deployed) != new);
        if moved && new.is_some() && new.as_ref() != old {
            let text = format!(
                "parameter {name} keeps its deployed value: the template's new default does not apply to it"
            );
            self.notes.push(Note { warning: false, code: "parameters::default_not_applied", text });
        }
    }

    fn tags(&mut self, stack: &StackState, definition: &StackDefinition) {
        let current: BTreeMap<&String, &String> =
            stack.tags.iter().filter(|(key, _)| !key.starts_with("aws:")).collect();
        let keys: BTreeSet<&String> = current.keys().copied().chain(definition.tags.keys()).collect();
        let mut changed = Vec::new();
        for key in keys {
            let (before, after) = (current.get(key).copied(), definition.tags.get(key));
            if before != after {
                self.changes.tags.insert(key.clone(), (before.cloned(), after.cloned()));
                changed.push(key.clone());
            }
        }
        if !changed.is_empty() {
            self.certain.push(Reason::TagsChanged(changed));
        }
    }
}

fn same_json(current: Option<&str>, wanted: &str) -> bool {
    let parse = |text: &str| serde_json::from_str::<Value>(text).ok();
    current.is_some_and(|current| {
        current == wanted || (parse(current).is_some() && parse(current) == parse(wanted))
    })
}

/// How two normalised templates differ, by logical id.
fn template_change(before: &Value, after: &Value) -> TemplateChange {
    let resources = |template: &Value| -> BTreeMap<String, Value> {
        let section = template.get("Resources").and_then(Value::as_object);
        section.into_iter().flatten().map(|(id, resource)| (id.clone(), resource.clone())).collect()
    };
    let kind = |resource: &Value| resource.get("Type").and_then(Value::as_str).unwrap_or_default().to_owned();
    let (old, new) = (resources(before), resources(after));
    let mut change = TemplateChange::default();
    for (id, resource) in &new {
        match old.get(id) {
            None => drop(change.added.insert(id.clone(), kind(resource))),
            Some(previous) if previous != resource => {
                drop(change.modified.insert(id.clone(), kind(resource)))
            }
            Some(_) => {}
        }
    }
    for (id, resource) in old.iter().filter(|(id, _)| !new.contains_key(*id)) {
        change.removed.insert(id.clone(), kind(resource));
    }
    let sections: BTreeSet<&String> =
        [before, after].into_iter().filter_map(Value::as_object).flat_map(serde_json::Map::keys).collect();
    change.sections = sections
        .into_iter()
        .filter(|section| {
            section.as_str() != "Resources" && before.get(section.as_str()) != after.get(section.as_str())
        })
        .cloned()
        .collect();
    change
}

/// Whether a stack is as its definition says, now that everything it needs is done: then its step has nothing to do.
///
/// # Errors
/// [`StepFailure`] if its values cannot be resolved.
pub fn is_settled(
    desired: &Desired,
    world: &World,
    settings: &Settings,
    name: &NodeName,
) -> Result<bool, StepFailure> {
    let Some(definition) = desired.config.stacks.get(name) else { return Ok(false) };
    let Some(existing) = world.stacks.get(&definition.fqn) else { return Ok(false) };
    if existing.status.is_failed_creation() || existing.status.is_stuck() {
        return Ok(false);
    }
    let scope = PlanScope::now(desired, world, settings);
    let (rendered, secrets) = ready(&scope, definition)?;
    let comparison =
        compare(&scope, definition, (&rendered, &secrets), Some(existing), &mut Findings::default())
            .map_err(failure)?;
    // Protection has an operation of its own.
    let certain = comparison
        .certain
        .iter()
        .filter(|reason| !matches!(reason, Reason::TerminationProtectionChanged { .. }));
    Ok(certain.count() == 0 && comparison.possible.is_empty())
}

/// Losses of data by an update whose turn it is that neither its plan showed nor anybody allowed: with values that were
/// not known before, it may do more than could be told.
///
/// # Errors
/// [`StepFailure`] if its values cannot be resolved.
pub fn unannounced_losses(
    desired: &Desired,
    world: &World,
    settings: &Settings,
    planned: &Step,
) -> Result<Vec<Loss>, StepFailure> {
    let Some(definition) = desired.config.stacks.get(&planned.name) else { return Ok(Vec::new()) };
    let Some(existing) = world.stacks.get(&definition.fqn) else { return Ok(Vec::new()) };
    let scope = PlanScope::now(desired, world, settings);
    let (rendered, secrets) = ready(&scope, definition)?;
    let now = compare(&scope, definition, (&rendered, &secrets), Some(existing), &mut Findings::default())
        .map_err(failure)?;
    let step = Step { changes: now.changes, ..planned.clone() };
    Ok(losses::beyond(planned, &step, &desired.config.data_loss, settings))
}

/// Parameters of a request, in order.
pub type Parameters = Vec<(String, ParameterValue)>;

/// Template and parameters of a create or update, now that everything it needs is done.
///
/// # Errors
/// [`StepFailure`] if its values cannot be resolved or its template cannot be rendered.
pub fn request_content(
    desired: &Desired,
    world: &World,
    settings: &Settings,
    name: &NodeName,
) -> Result<(Arc<Template>, Parameters), StepFailure> {
    let Some(definition) = desired.config.stacks.get(name) else { return Err(no_template(name)) };
    let scope = PlanScope::now(desired, world, settings);
    let (rendered, secrets) = ready(&scope, definition)?;
    let existing = world.stacks.get(&definition.fqn);
    let document = &desired.config.document;
    let given = parameters(document, definition, (&rendered, &secrets), existing, &scope).map_err(failure)?;
    let parameters = given.into_iter().map(|(name, value)| match value {
        Given::Value { text, .. } => Ok((name, ParameterValue::Value(text))),
        Given::Previous => Ok((name, ParameterValue::Previous)),
        Given::Unknown { .. } => Err(StepFailure {
            message: format!("the value of parameter {name} is still not known"),
            ..StepFailure::default()
        }),
    });
    Ok((rendered.template, parameters.collect::<Result<_, _>>()?))
}

/// The template of a stack as far as it is known.
pub fn current_template(
    desired: &Desired,
    world: &World,
    settings: &Settings,
    name: &NodeName,
) -> Option<Arc<Template>> {
    let definition = desired.config.stacks.get(name)?;
    let scope = PlanScope::now(desired, world, settings);
    match wanted_template(&scope, definition) {
        Ok(Wanted::Ready { rendered, .. }) => Some(rendered.template),
        Ok(Wanted::Unknown(_) | Wanted::Absent) | Err(_) => None,
    }
}

/// The template of a stack whose turn it is.
fn ready(
    scope: &PlanScope<'_>,
    definition: &StackDefinition,
) -> Result<(Rendered, BTreeSet<String>), StepFailure> {
    match wanted_template(scope, definition).map_err(failure)? {
        Wanted::Ready { rendered, secrets } => Ok((rendered, secrets)),
        Wanted::Unknown(_) | Wanted::Absent => Err(no_template(&definition.name)),
    }
}

fn no_template(name: &NodeName) -> StepFailure {
    StepFailure { message: format!("stack `{name}` has no template"), ..StepFailure::default() }
}

fn failure(findings: Findings) -> StepFailure {
    let message = findings.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ");
    let help = findings.iter().find_map(|finding| Some(finding.problem.help()?.to_string()));
    StepFailure { message, help, ..StepFailure::default() }
}
