//! Which operations a step is made of.

use std::collections::VecDeque;

use super::Operation;
use crate::engine::execute::Execution;
use crate::ident::NodeName;
use crate::plan::{Action, Reason, Step, World, current_template};
use crate::provider::StackStatus;

/// The operations of a step, in order.
pub(crate) fn operations(step: &Step, world: &World) -> VecDeque<Operation> {
    if step.task.is_some() {
        return VecDeque::from([Operation::Task]);
    }
    let status = world.stacks.get(&step.fqn).map(|stack| stack.status);
    let busy = status.is_some_and(StackStatus::is_in_progress);
    let mut operations = VecDeque::new();
    match step.action {
        Action::Create => {
            if step.reasons.contains(&Reason::BeingDeleted) {
                operations.push_back(Operation::AwaitDeletion);
            }
            operations.push_back(Operation::Create);
        }
        Action::Recreate => {
            // CFNgin: nobody wants to keep what never came into being.
            if world.stacks.get(&step.fqn).is_some_and(|stack| stack.termination_protection) {
                operations.push_back(Operation::SetTerminationProtection(false));
            }
            operations.extend([Operation::Delete, Operation::Create]);
        }
        Action::Delete => {
            if status == Some(StackStatus::DeleteInProgress) {
                operations.push_back(Operation::AwaitDeletion);
            } else {
                if busy {
                    operations.push_back(Operation::AwaitIdle);
                }
                operations.push_back(Operation::Delete);
            }
        }
        Action::Update => {
            // What was under way when the plan was made may be over by now, and something else may have begun.
            let waits = step.reasons.iter().any(|reason| matches!(reason, Reason::OperationInProgress(_)));
            if busy && waits {
                operations.push_back(Operation::AwaitIdle);
            }
            // CFNgin sets the protection before the update and leaves it if the update fails.
            if let Some((_, wanted)) = step.changes.termination_protection {
                operations.push_back(Operation::SetTerminationProtection(wanted));
            }
            let updates_stack = step.reasons.iter().any(|reason| {
                !matches!(reason, Reason::TerminationProtectionChanged { .. } | Reason::StackPolicyChanged)
            });
            if updates_stack {
                operations.push_back(Operation::Update);
            } else if step.changes.stack_policy {
                operations.push_back(Operation::SetStackPolicy);
            }
        }
        Action::Run | Action::None | Action::Skip => {}
    }
    operations
}

/// What follows an operation because its request cannot say it: a change set that creates a stack knows neither
/// protection nor policy.
pub(crate) fn afterwards(
    execution: &Execution<'_>,
    world: &World,
    name: &NodeName,
    operation: &Operation,
) -> Vec<Operation> {
    let (desired, settings) = (execution.desired, execution.engine.options.settings());
    if *operation != Operation::Create
        || !current_template(desired, world, &settings, name).is_some_and(|template| template.has_macros())
    {
        return Vec::new();
    }
    let protected =
        desired.config.stacks.get(name).is_some_and(|definition| definition.termination_protection);
    let protection = protected.then_some(Operation::SetTerminationProtection(true));
    let policy = desired.policies.contains_key(name).then_some(Operation::SetStackPolicy);
    protection.into_iter().chain(policy).collect()
}
