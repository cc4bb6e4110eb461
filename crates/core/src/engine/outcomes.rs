//! From a plan and what happened to one outcome for each of its steps.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::engine::execute::Executed;
use crate::event::Outcome;
use crate::ident::NodeName;
use crate::outcome::{NodeEnd, NodeOutcome, Stop};
use crate::plan::{Action, Plan, Reason, Step};
use crate::render::words;

/// How a step ended that began.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) outcome: Outcome,
    pub(crate) elapsed: Duration,
    /// What it really did, which of a task is known only now.
    pub(crate) did: Action,
}

/// How every step of the plan ended, in the order of the plan. `otherwise` says why steps did not run if nothing that
/// happened to them says it.
pub(crate) fn outcomes(plan: &Plan, executed: &Executed, otherwise: Stop) -> Vec<NodeOutcome> {
    let cause = stopped_by(executed).unwrap_or(otherwise);
    // What failed, and what is blocked by it. Steps come in an order in which they could run one by one.
    let mut broken: BTreeSet<&NodeName> = BTreeSet::new();
    let mut nodes = Vec::new();
    for step in &plan.steps {
        let ended = executed.ends.get(&step.name);
        let end = match ended {
            Some(ended) => end(ended, cause),
            None => untouched(step, executed.blocked.get(&step.name), &broken, cause),
        };
        if matches!(end, NodeEnd::Failed { .. } | NodeEnd::Blocked { .. }) {
            broken.insert(&step.name);
        }
        nodes.push(NodeOutcome {
            name: step.name.clone(),
            fqn: step.fqn.clone(),
            action: step.action,
            end,
            elapsed: ended.map(|ended| ended.elapsed),
        });
    }
    nodes
}

/// Why nothing new started; a lost lock says more than stacks that nobody can see, and those more than an interrupt.
fn stopped_by(executed: &Executed) -> Option<Stop> {
    if executed.lost.is_some() {
        return Some(Stop::LockLost);
    }
    let blind = executed.blind.as_ref().map(|_| Stop::Unseen);
    blind.or_else(|| executed.interrupted.then_some(Stop::Interrupted))
}

fn end(ended: &Ended, cause: Stop) -> NodeEnd {
    match &ended.outcome {
        Outcome::Unchanged => NodeEnd::Unchanged,
        Outcome::Failed(failure) => NodeEnd::Failed { failure: failure.clone() },
        Outcome::Abandoned => NodeEnd::Cancelled { cause, began: true },
        Outcome::Done => match ended.did {
            Action::Create => NodeEnd::Created,
            Action::Update => NodeEnd::Updated,
            Action::Delete => NodeEnd::Deleted,
            Action::Recreate => NodeEnd::Recreated,
            Action::Run => NodeEnd::Ran,
            Action::None | Action::Skip => NodeEnd::Unchanged,
        },
    }
}

/// What is told of a step that did not begin. One that needs a step which was left running is not blocked by a failure: it
/// did not begin for the reason for which that one was left.
fn untouched(
    step: &Step,
    blocked: Option<&BTreeSet<NodeName>>,
    broken: &BTreeSet<&NodeName>,
    cause: Stop,
) -> NodeEnd {
    let by: BTreeSet<NodeName> =
        blocked.into_iter().flatten().filter(|name| broken.contains(name)).cloned().collect();
    match step.action {
        Action::None if step.reasons.iter().any(|reason| matches!(reason, Reason::Trusted { .. })) => {
            NodeEnd::Cached
        }
        Action::None => NodeEnd::Unchanged,
        Action::Skip => NodeEnd::Skipped { reason: words::reasons(step) },
        _ if by.is_empty() => NodeEnd::Cancelled { cause, began: false },
        _ => NodeEnd::Blocked { by },
    }
}
