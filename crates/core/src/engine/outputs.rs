//! Outputs of stacks as `outputs` shows them: what is made of a secret is hidden.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::config::{Config, StackDefinition, Variable};
use crate::engine::{Engine, EngineError};
use crate::ident::{NodeName, StackFqn};
use crate::lookup::Resolved;
use crate::lookup::resolve::resolve;
use crate::plan::{
    Answers, Desired, Hidden, Purpose, World, hook_scope, outstanding, secret_outputs, surroundings,
};
use crate::provider::{Place, StackRef, StackState};
use crate::registry::HookStage;
use crate::secrets::HIDDEN;
use crate::template::Template;

impl Engine {
    /// Hides the outputs that are made of NoEcho parameters, and of parameters that are given a secret. Templates are read
    /// only of stacks that have such parameters.
    pub(super) async fn hide_outputs(
        &self,
        config: &Arc<Config>,
        stacks: BTreeMap<StackFqn, StackState>,
        outputs: &mut BTreeMap<NodeName, BTreeMap<String, String>>,
    ) -> Result<(), EngineError> {
        let (desired, _) = self.desired(config, Purpose::Destroy)?;
        let needed: BTreeSet<NodeName> = outputs
            .keys()
            .flat_map(|name| desired.graph.all_needs_of(name).into_iter().chain([name.clone()]))
            .collect();
        let settings = self.options.settings();
        let place = Place { account: String::new(), region: self.provider.region().to_owned() };
        let mut world = World {
            place,
            recorded: None,
            state: Default::default(),
            stacks,
            templates: Default::default(),
            policies: BTreeMap::new(),
            outputs: BTreeMap::new(),
            answers: Answers::default(),
        };
        let mut hidden = Hidden::default();
        if config
            .stacks
            .values()
            .any(|definition| needed.contains(&definition.name) && reads_hooks(definition))
        {
            for key in self.secret_hooks(&desired, &mut world).await {
                hidden.add_hook(key);
            }
        }
        for name in desired.graph.order().into_iter().filter(|name| needed.contains(name)) {
            if let Some(task) = config.tasks.get(&name) {
                self.ask_for_secrets(&desired, &mut world, task.args.values()).await;
                hidden.task(&desired, &world, &settings, task);
                continue;
            }
            let Some(definition) = config.stacks.get(&name) else { continue };
            let has_outputs = |stack: &StackState| !stack.outputs.is_empty();
            if !world.stacks.get(&definition.fqn).is_some_and(has_outputs) {
                continue;
            }
            self.ask_for_secrets(&desired, &mut world, definition.variables.values()).await;
            let parameters = hidden.deployed_parameters(&desired, &world, &settings, definition);
            if parameters.is_empty() {
                continue;
            }
            let stack = StackRef::Name(definition.fqn.clone());
            let Some(text) = self.provider.cloudformation().get_template(&stack).await? else { continue };
            let live = world.stacks.get(&definition.fqn);
            let secret = match Template::parse("deployed template", &text) {
                Ok(template) => {
                    let around = surroundings(&world.place, definition.fqn.as_str(), live);
                    secret_outputs(&template, &parameters, around)
                }
                // What cannot be read may show anything.
                Err(_) => live.into_iter().flat_map(|live| live.outputs.keys().cloned()).collect(),
            };
            hidden.add_outputs(name, secret);
        }
        let (hidden, _) = hidden.into_parts();
        let secrets = self.asked.vault().secrets();
        for (name, values) in outputs {
            let secret = hidden.get(name);
            for (output, value) in values {
                if secret.is_some_and(|secret| secret.contains(output)) {
                    HIDDEN.clone_into(value);
                } else if secrets.are_in(value) {
                    *value = secrets.hide(value);
                }
            }
        }
        Ok(())
    }

    /// Keys of hooks that are given secrets: they may give them back.
    async fn secret_hooks(&self, desired: &Desired, world: &mut World) -> Vec<String> {
        let settings = self.options.settings();
        let mut keys = Vec::new();
        for hook in desired.config.hooks.enabled(HookStage::PreDeploy) {
            let Some(key) = &hook.data_key else { continue };
            self.ask_for_secrets(desired, world, hook.args.values()).await;
            let is_secret = |argument: &Variable| {
                let resolved = hook_scope(desired, world, &settings, |scope| resolve(&argument.value, scope));
                matches!(resolved, Ok(Resolved::Known { secret: true, .. }))
            };
            if hook.args.values().any(is_secret) {
                keys.push(key.clone());
            }
        }
        keys
    }

    /// Asks whether what the parameter store gives is a secret; what comes from anywhere else is none, or shown by its
    /// nature.
    async fn ask_for_secrets<'v>(
        &self,
        desired: &Desired,
        world: &mut World,
        variables: impl Iterator<Item = &'v Variable> + Clone,
    ) {
        let can_be_secret = |variable: &&Variable| {
            let mut names = BTreeSet::new();
            variable.value.visit_lookups(&mut |call| {
                names.insert(call.name.clone());
            });
            let own = |name: &String| {
                desired.config.lookups.contains_key(name)
                    || matches!(name.as_str(), "random.string" | "hook_data")
            };
            ["ssm", "kms"].iter().any(|name| names.contains(*name)) && !names.iter().any(own)
        };
        let settings = self.options.settings();
        loop {
            let variables = variables.clone().filter(can_be_secret);
            let asked = outstanding::of_arguments(desired, world, &settings, variables);
            if asked.is_empty() {
                return;
            }
            let answers = self.answer(desired, asked, &world.place.region).await;
            world.answers.extend(answers);
        }
    }
}

/// Whether any of its values comes from hooks.
fn reads_hooks(definition: &StackDefinition) -> bool {
    let mut reads = false;
    for variable in definition.variables.values() {
        variable.value.visit_lookups(&mut |call| reads |= call.name == "hook_data");
    }
    reads
}
