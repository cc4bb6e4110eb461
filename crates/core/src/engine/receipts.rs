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
        let values = found.known().filter(|_| found.secret_names().is_empty())?;
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
        let digest = found.digest(kind.revision(), &definition.place);
        let ingredients = Ingredients::new(TASK_RECEIPT, &scope, definition.node.as_str());
        Some(ingredients.input("kind", kind.name()).input("arguments", digest.as_str()))
    }

    /// Notes the tasks that the config trusts, and that were seen as specified lately.
    pub(crate) fn trust(&self, desired: &Desired, world: &mut World) {
        let now = self.clock.now();
        for definition in desired.config.tasks.values().filter(|task| task.enabled) {
            let Some(trust_for) = definition.trust_for else { continue };
            let Some((kind, found)) = self.known(desired, world, definition) else { continue };
            // A receipt spares a look. What the task keeps, and what it gives, is known of its record.
            let recorded = world.state.tasks.get(&definition.node).and_then(|facts| facts.digest.as_deref());
            if recorded != Some(&*found.digest(kind.revision(), &definition.place)) {
                continue;
            }
            let receipt = self.receipt(world, definition, kind, &found);
            let Some(seen) = receipt.and_then(|receipt| self.cache.find_dated::<u64>(&receipt)) else {
                continue;
            };
            // What this run has seen, it has read, and knows.
            if seen.at.is_none() {
                continue;
            }
            // A time to come is that of another clock.
            let age = u64::try_from(now.as_second()).unwrap_or_default().checked_sub(seen.output);
            if age.is_some_and(|age| age <= trust_for.as_secs()) {
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
                self.keep_receipt(&receipt);
            }
        }
    }

    /// Keeps that a task is as specified now.
    pub(crate) fn keep_receipt(&self, receipt: &Ingredients) {
        let now = u64::try_from(self.clock.now().as_second()).unwrap_or_default();
        self.cache.keep(receipt, &now, std::time::Duration::ZERO);
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
