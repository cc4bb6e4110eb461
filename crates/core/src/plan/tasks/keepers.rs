//! Who else has what a task keeps.

use serde_json::{Map, Value};

use super::removal::left_behind;
use super::{StepTask, on_remove};
use crate::config::{OnRemove, TaskDefinition};
use crate::ident::NodeName;
use crate::plan::{Desired, World, fqn_of_recorded};
use crate::task::AnyTaskKind;

/// Kinds of tasks that keep a stack, or see to it that there is none; their subject is its name in CloudFormation.
const OF_STACKS: [&str; 3] = ["bootstrap_spoke", "launch_role_constraint", "stack_absent"];
/// Kinds of what Organizations keeps, which is the same in every region.
const GLOBAL: [&str; 2] = ["org_policy_attachment", "organizational_unit"];

/// Somebody who has a stack, and is not to lose it to a task.
pub(super) struct Keeper {
    /// The node of the config, if it is one.
    pub(super) node: Option<NodeName>,
    /// Who it is.
    pub(super) words: String,
}

/// Kind, account and region by which what tasks keep is told apart.
pub(super) fn held_at(kind: &str, account: &str, region: &str) -> (String, String, String) {
    let region = if GLOBAL.contains(&kind) { "" } else { region };
    (kind.to_owned(), account.to_owned(), region.to_owned())
}

/// Who else has the stack that a task is about: the config, the persistent graph, or the bucket in which graph and lock are.
pub(super) fn keeper(
    desired: &Desired,
    world: &World,
    kind: &str,
    task: &StepTask,
    stack: &str,
) -> Option<Keeper> {
    let here = (&task.account, &task.region) == (&world.place.account, &world.place.region);
    if !here || !OF_STACKS.contains(&kind) {
        return None;
    }
    let config = &desired.config;
    let configured = config.stacks.values().find(|definition| definition.fqn.as_str() == stack);
    if let Some(definition) = configured {
        let (node, words) =
            (Some(definition.name.clone()), format!("the stack `{}` of the config", definition.name));
        return Some(Keeper { node, words });
    }
    let is_it = |name: &&NodeName| fqn_of_recorded(config, &world.state, name).as_str() == stack;
    if let Some(name) = world.nodes().find(is_it) {
        return Some(Keeper { node: None, words: format!("the stack `{name}` of the persistent graph") });
    }
    let is_bucket =
        config.bucket_name(&task.region).is_some() && config.fqn("cfngin-bucket").as_str() == stack;
    is_bucket.then(|| Keeper { node: None, words: "that of the bucket with graph and lock".to_owned() })
}

/// Why a task is not carried out whose arguments were not known when it was planned: what it keeps has another owner, or
/// what it kept until now would be lost sight of.
pub(crate) fn refused_at_its_turn(
    desired: &Desired,
    world: &World,
    (definition, kind): (&TaskDefinition, &dyn AnyTaskKind),
    values: &Map<String, Value>,
    planned: &StepTask,
) -> Option<String> {
    if kind.effects() {
        return None;
    }
    let subject = kind.subject(values)?;
    if let Some(keeper) = keeper(desired, world, &definition.kind, planned, &subject) {
        return Some(format!("with the values that are known now it works on {}: `{subject}`", keeper.words));
    }
    let recorded = world.state.tasks.get(&definition.node);
    let recorded = recorded.filter(|_| on_remove(definition, kind) == OnRemove::Delete)?;
    let now = StepTask { subject: Some(subject.clone()), ..planned.clone() };
    let left = left_behind(desired, world, recorded, &now)?;
    Some(format!(
        "it kept `{left}` until now, and with the values that are known now it would keep `{subject}`: `{left}` would be left behind without a record"
    ))
}
