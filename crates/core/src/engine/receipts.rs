//! Receipts of tasks: that one was seen as specified, and when.

use crate::cache::kinds::TASK_RECEIPT;
use crate::cache::{Ingredients, Scope};
use crate::config::TaskDefinition;
use crate::engine::Engine;
use crate::plan::tasks::{Arguments, arguments_now};
use crate::plan::{Action, Desired, Hidden, Plan, Reason, TaskKey, World};
use crate::task::AnyTaskKind;

impl Engine {
    /// What the receipt of a task is found by; `None` if none is kept, because nobody would trust it, or because a secret
    /// is among the arguments.
    pub(crate) fn receipt(
        &self,
        world: &World,
        definition: &TaskDefinition,
        kind: &dyn AnyTaskKind,
        found: &Arguments,
    ) -> Option<Ingredients> {
        definition.trust_for?;
        let values = found.known().filter(|_| found.secrets.is_empty())?;
        if kind.effects() || !kind.keeps_receipt(values) {
            return None;
        }
        let place = &definition.place;
        let scope = Scope {
            provider: self.provider.identity(),
            account: place.account.clone().unwrap_or_else(|| world.place.account.clone()),
            region: place.region.clone().unwrap_or_else(|| world.place.region.clone()),
            role: place.role_chain.last().cloned(),
        };
        let digest = found.digest(kind.revision());
        let ingredients = Ingredients::new(TASK_RECEIPT, &scope, definition.node.as_str());
        Some(ingredients.input("kind", kind.name()).input("arguments", digest.as_str()))
    }

    /// Notes the tasks that the config trusts, and that were seen as specified lately.
    pub(crate) fn trust(&self, desired: &Desired, world: &mut World) {
        let now = self.clock.now();
        for definition in desired.config.tasks.values().filter(|task| task.enabled) {
            let Some(trust_for) = definition.trust_for else { continue };
            let Some((kind, found)) = self.known(desired, world, definition) else { continue };
            let receipt = self.receipt(world, definition, kind, &found);
            let Some(seen) = receipt.and_then(|receipt| self.cache.find_dated::<()>(&receipt)) else {
                continue;
            };
            // What this run has seen, it has read, and knows.
            let Some(at) = seen.at else { continue };
            let age = now.duration_since(at).as_secs();
            if u64::try_from(age).is_ok_and(|age| age <= trust_for.as_secs()) {
                world.answers.trusted.insert(TaskKey::new(
                    &definition.kind,
                    &definition.place,
                    &found.values,
                ));
            }
        }
    }

    /// Keeps receipts of the tasks that a plan has found as specified.
    pub(crate) fn keep_receipts(&self, desired: &Desired, world: &World, plan: &Plan) {
        let seen = |node| {
            let step = plan.step(node);
            step.is_some_and(|step| step.action == Action::None && step.reasons == [Reason::Unchanged])
        };
        for definition in desired.config.tasks.values().filter(|definition| seen(&definition.node)) {
            if let Some((kind, found)) = self.known(desired, world, definition)
                && let Some(receipt) = self.receipt(world, definition, kind, &found)
            {
                self.cache.keep(&receipt, &(), std::time::Duration::ZERO);
            }
        }
    }

    /// A task and its arguments, if they are known.
    fn known<'d>(
        &self,
        desired: &'d Desired,
        world: &World,
        definition: &TaskDefinition,
    ) -> Option<(&'d dyn AnyTaskKind, Arguments)> {
        definition.trust_for?;
        let kind = desired.kinds.get(&definition.kind)?;
        let settings = self.options.settings();
        let found = arguments_now(desired, world, &settings, definition, &Hidden::default()).ok()?;
        found.known()?;
        Some((kind.as_ref(), found))
    }
}
