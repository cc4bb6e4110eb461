//! What of a run must not be shown: secrets that were looked up, values of `NoEcho` parameters, and what is made of them
//! on the way through templates, outputs and the parameters of other stacks.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::OnceLock;

use serde_json::Value;

use super::effective::surroundings;
use super::scope::PlanScope;
use super::tasks::{as_far_as_known, secret_texts};
use super::template::{Wanted, wanted_template};
use super::{Desired, Rendered, Settings, World};
use crate::config::{StackDefinition, TaskDefinition, Variable};
use crate::ident::NodeName;
use crate::lookup::Resolved;
use crate::lookup::resolve::{Scope, resolve};
use crate::provider::StackState;
use crate::secrets::{HIDDEN, Secrets, texts, without_open};
use crate::task::Gives;
use crate::template::Template;
use crate::template::symbolic::{Argument, Doubt, Symbols, Term};

/// What must not be shown.
#[derive(Debug, Default)]
pub struct Hidden {
    /// Outputs by stack and task; those of tasks are to be asked by [`Gives::is_among`].
    outputs: BTreeMap<NodeName, BTreeSet<String>>,
    /// Keys of hooks that have yet to run and will be given secrets.
    hooks: BTreeSet<String>,
    /// Texts of secrets, in whatever they are found; made of `texts` when they are looked for.
    secrets: OnceLock<Secrets>,
    texts: Vec<String>,
}

impl Hidden {
    /// What of these stacks must not be shown, as far as it is known now.
    pub fn of(desired: &Desired, world: &World, settings: &Settings) -> Self {
        let mut found = Self { texts: world.answers.secret_texts(), ..Self::default() };
        // What needs others comes after them: what they give may be a secret.
        for name in desired.graph.order() {
            if let Some(definition) = desired.config.stacks.get(&name) {
                found.stack(desired, world, settings, definition);
            } else if let Some(definition) = desired.config.tasks.get(&name) {
                found.task(desired, world, settings, definition);
            }
        }
        found.sealed(desired, world)
    }

    /// What of one stack must not be shown, now that everything it needs is there; `outputs` are those that must not be.
    pub fn of_stack(
        desired: &Desired,
        world: &World,
        settings: &Settings,
        definition: &StackDefinition,
        outputs: BTreeMap<NodeName, BTreeSet<String>>,
    ) -> Self {
        let mut found = Self { outputs, ..Self::default() };
        found.stack(desired, world, settings, definition);
        found.sealed(desired, world)
    }

    /// The same of one task.
    pub fn of_task(
        desired: &Desired,
        world: &World,
        settings: &Settings,
        definition: &TaskDefinition,
        outputs: BTreeMap<NodeName, BTreeSet<String>>,
    ) -> Self {
        let mut found = Self { outputs, ..Self::default() };
        found.task(desired, world, settings, definition);
        found.sealed(desired, world)
    }

    /// What a task is given that must not be shown; what it gives back may be made of it.
    pub(crate) fn task(
        &mut self,
        desired: &Desired,
        world: &World,
        settings: &Settings,
        definition: &TaskDefinition,
    ) {
        let Some(gives) = desired.kinds.get(&definition.kind).map(|kind| kind.gives()) else { return };
        let (mut secrets, mut found) = (BTreeSet::new(), Vec::new());
        {
            let scope = PlanScope { hidden: self, ..PlanScope::now(desired, world, settings) };
            let scope = scope.of_task(definition);
            let (arguments, _) = as_far_as_known(&scope, definition);
            found.extend(secret_texts(&arguments));
            secrets.extend(arguments.secret_names());
            for (name, after) in &arguments.unknown {
                let asks = definition.args.get(name).is_some_and(Variable::asks_services);
                secrets.extend((asks || scope.may_hide(after)).then(|| name.clone()));
            }
        }
        let outputs = world.outputs.get(&definition.node).into_iter().flatten();
        for (_, value) in outputs.filter(|(name, _)| gives.hides(name, &secrets)) {
            texts(&Value::from(value.as_str()), &mut found);
        }
        let hidden = gives.hidden(&secrets);
        // What was only feared before is known now.
        if !hidden.is_empty() || self.outputs.contains_key(&definition.node) {
            self.outputs.insert(definition.node.clone(), hidden);
        }
        self.texts.extend(found);
    }

    fn sealed(mut self, desired: &Desired, world: &World) -> Self {
        if !self.texts.is_empty() {
            self.texts = without_open(self.texts, &open(desired, world));
        }
        self
    }

    /// Whether an output must not be shown.
    pub(super) fn has_output(&self, stack: &NodeName, output: &str) -> bool {
        self.outputs.get(stack).is_some_and(|outputs| outputs.contains(output))
    }

    /// The same of a task whose kind gives this.
    pub(super) fn has_task_output(&self, task: &NodeName, output: &str, gives: Gives) -> bool {
        self.outputs.get(task).is_some_and(|outputs| gives.is_among(output, outputs))
    }

    /// Whether there are outputs that must not be shown.
    pub(crate) fn has_any_outputs(&self) -> bool {
        self.outputs.values().any(|outputs| !outputs.is_empty())
    }

    /// Whether any output of a stack or task must not be shown.
    pub(super) fn has_outputs(&self, node: &NodeName) -> bool {
        self.outputs.get(node).is_some_and(|outputs| !outputs.is_empty())
    }

    /// Whether a hook that has yet to run may give back a secret; without a key, any of them.
    pub(super) fn has_hook(&self, key: Option<&String>) -> bool {
        key.map_or(!self.hooks.is_empty(), |key| self.hooks.contains(key))
    }

    /// Takes in that the hook of this key is given secrets.
    pub(crate) fn add_hook(&mut self, key: String) {
        self.hooks.insert(key);
    }

    /// Secrets in texts.
    pub fn secrets(&self) -> &Secrets {
        self.secrets.get_or_init(|| Secrets::new(&self.texts))
    }

    /// Outputs that must not be shown, by stack, and texts that must not be.
    pub fn into_parts(self) -> (BTreeMap<NodeName, BTreeSet<String>>, Vec<String>) {
        (self.outputs, self.texts)
    }

    /// Parameters of a deployed stack that must not be shown. What was not asked is taken for no secret.
    pub(crate) fn deployed_parameters(
        &self,
        desired: &Desired,
        world: &World,
        settings: &Settings,
        definition: &StackDefinition,
    ) -> BTreeSet<String> {
        let scope = PlanScope { hidden: self, ..PlanScope::now(desired, world, settings) };
        let mut found = Found { sure: true, ..Found::default() };
        found.values(&scope, definition, None, world.stacks.get(&definition.fqn));
        found.parameters
    }

    /// Takes in that these outputs of a stack must not be shown.
    pub(crate) fn add_outputs(&mut self, stack: NodeName, outputs: BTreeSet<String>) {
        if !outputs.is_empty() {
            self.outputs.insert(stack, outputs);
        }
    }

    fn stack(&mut self, desired: &Desired, world: &World, settings: &Settings, definition: &StackDefinition) {
        let live = world.stacks.get(&definition.fqn);
        let mut found = Found::default();
        {
            let scope = PlanScope { hidden: self, ..PlanScope::now(desired, world, settings) };
            let wanted = match wanted_template(&scope, definition) {
                Ok(Wanted::Ready { rendered, .. }) if definition.enabled => Some(rendered),
                _ => None,
            };
            found.values(&scope, definition, wanted.as_ref(), live);
            found.outputs(world, definition, wanted.as_ref(), live);
        }
        self.texts.extend(found.texts);
        if !found.outputs.is_empty() {
            self.outputs.insert(definition.name.clone(), found.outputs);
        }
    }
}

/// Names that stand in every plan: what is a part of them is no secret.
fn open(desired: &Desired, world: &World) -> String {
    let stacks = desired.config.stacks.values();
    let names = stacks.flat_map(|definition| [definition.name.as_str(), definition.fqn.as_str()]);
    let config = &desired.config;
    let place = [config.namespace.as_str(), &world.place.account, &world.place.region];
    place.into_iter().chain(names).collect::<Vec<_>>().join("\n")
}

/// What must not be shown of one stack.
#[derive(Default)]
struct Found {
    /// Names of parameters.
    parameters: BTreeSet<String>,
    outputs: BTreeSet<String>,
    texts: Vec<String>,
    /// What is not known is taken for no secret.
    sure: bool,
}

impl Found {
    /// Looks at what the stack is given and has.
    fn values(
        &mut self,
        scope: &PlanScope<'_>,
        definition: &StackDefinition,
        wanted: Option<&Rendered>,
        live: Option<&StackState>,
    ) {
        let hidden_now =
            live.into_iter().flat_map(|stack| stack.parameters.iter()).filter(|(_, text)| *text == HIDDEN);
        self.parameters.extend(hidden_now.map(|(name, _)| name.clone()));
        if let Some(Rendered { template, parameters, made }) = wanted {
            self.texts.extend(made.iter().cloned());
            for (name, declared) in template.parameters.iter().filter(|(_, declared)| declared.no_echo) {
                self.parameters.insert(name.clone());
                let default = declared.default.as_ref().map(|text| Value::from(text.as_str()));
                default.iter().for_each(|value| texts(value, &mut self.texts));
            }
            let given = parameters.iter().flatten();
            for (_, value) in given.filter(|(name, _)| self.parameters.contains(name)) {
                texts(value, &mut self.texts);
            }
        }
        for (name, variable) in &definition.variables {
            match resolve(&variable.value, scope) {
                Ok(Resolved::Known { value, secret }) if secret || self.parameters.contains(name) => {
                    texts(&value, &mut self.texts);
                    self.parameters.insert(name.clone());
                }
                Ok(Resolved::Unknown { after })
                    if !self.sure && variable.asks_services() || scope.may_hide(&after) =>
                {
                    self.parameters.insert(name.clone());
                }
                _ => {}
            }
        }
    }

    /// Finds the outputs that are made of such parameters, in the template that is to come and in the deployed one.
    fn outputs(
        &mut self,
        world: &World,
        definition: &StackDefinition,
        wanted: Option<&Rendered>,
        live: Option<&StackState>,
    ) {
        if self.parameters.is_empty() {
            return;
        }
        let deployed = world
            .templates
            .get(&definition.fqn)
            .and_then(|text| Template::parse("deployed template", text).ok());
        for template in wanted.map(|rendered| rendered.template.as_ref()).into_iter().chain(&deployed) {
            let around = surroundings(&world.place, definition.fqn.as_str(), live);
            self.outputs.extend(secret_outputs(template, &self.parameters, around));
        }
        let values = live.into_iter().flat_map(|stack| stack.outputs.iter());
        for (_, value) in values.filter(|(name, _)| self.outputs.contains(*name)) {
            texts(&Value::from(value.as_str()), &mut self.texts);
        }
    }
}

/// Outputs of a template that are made of these parameters.
pub(crate) fn secret_outputs(
    template: &Template,
    parameters: &BTreeSet<String>,
    around: crate::template::symbolic::Surroundings<'_>,
) -> BTreeSet<String> {
    // Nothing is known of any value, so that every branch of a condition counts.
    let argument = |name: &String| Argument::Unknown {
        doubts: BTreeSet::from([Doubt::Read(format!("parameter {name}"))]),
        secret: parameters.contains(name),
    };
    let arguments = template.parameters.keys().map(|name| (name.clone(), argument(name))).collect();
    let symbols = Symbols::new(template, &arguments, around);
    let section = |name: &str| template.content.get(name).and_then(Value::as_object).into_iter().flatten();
    let properties = |id: &str| -> Option<(String, Term)> {
        let resource = template.content.get("Resources")?.get(id)?;
        let kind = resource.get("Type")?.as_str()?.to_owned();
        Some((kind, symbols.value(resource.get("Properties")?)?))
    };
    let is_secret = |term: &Term| {
        let mut secret = term.is_secret();
        term.visit(&mut |term| {
            secret |= match term {
                Term::Id(id) => properties(id).is_some_and(|(_, properties)| names_a_secret(&properties)),
                Term::Attribute(id, attribute) => properties(id)
                    .is_some_and(|(kind, properties)| shows_a_secret(&kind, attribute, &properties)),
                _ => false,
            };
        });
        secret
    };
    section("Outputs")
        .filter(|(_, entry)| {
            let parts = [entry.get("Value"), entry.get("Export")];
            parts.into_iter().flatten().filter_map(|part| symbols.value(part)).any(|term| is_secret(&term))
        })
        .map(|(name, _)| name.clone())
        .collect()
}

/// Whether the name of a resource, which may be what a reference to it gives, is made of a secret.
fn names_a_secret(properties: &Term) -> bool {
    let Term::Map(entries) = properties else { return properties.is_secret() };
    let is_name = |name: &str| ["Name", "Id", "Identifier"].iter().any(|end| name.ends_with(end));
    entries.iter().any(|(name, value)| is_name(name) && value.is_secret())
}

/// Whether an attribute gives what a resource was given: the property of the same name, and from a nested stack or a
/// custom resource anything.
fn shows_a_secret(kind: &str, attribute: &str, properties: &Term) -> bool {
    let made_by_others = kind == "AWS::CloudFormation::Stack"
        || kind == "AWS::CloudFormation::CustomResource"
        || kind.starts_with("Custom::");
    if made_by_others {
        return properties.is_secret();
    }
    let Term::Map(entries) = properties else { return properties.is_secret() };
    let first = attribute.split('.').next().unwrap_or_default();
    entries.get(first).is_some_and(Term::is_secret)
}
