//! What a reader of a plan should know of a stack beside what happens to it.

use super::deploy::note;
use super::effects::removal;
use super::{Changes, Desired, Hidden, Note, PlanProblem, World};
use crate::config::{Config, StackDefinition};
use crate::ident::NodeName;
use crate::provider::{StackState, StackStatus};

/// A stack that was deployed under another name, and would be left behind without a record.
pub(super) fn renamed(desired: &Desired, world: &World, definition: &StackDefinition) -> Option<PlanProblem> {
    let known = world.state.nodes.get(&definition.name).and_then(|facts| facts.fqn.clone());
    let before = match known {
        Some(fqn) => fqn,
        // A graph that CFNgin wrote does not say what a stack is called. It is the usual name if only that exists.
        None if world.is_recorded(&definition.name) && !world.stacks.contains_key(&definition.fqn) => {
            desired.config.fqn(definition.name.as_str())
        }
        None => return None,
    };
    let taken_over = desired.config.stacks.values().any(|other| other.fqn == before);
    (before != definition.fqn && world.stacks.contains_key(&before) && !taken_over).then(|| {
        PlanProblem::Renamed {
            stack: definition.name.as_str().to_owned(),
            before: before.as_str().to_owned(),
            now: definition.fqn.as_str().to_owned(),
            span: definition.span.into(),
        }
    })
}

/// Why CloudFormation will refuse an update in this status, and what helps.
pub(super) fn cannot_update(status: StackStatus) -> Option<String> {
    match status {
        StackStatus::DeleteFailed => Some(format!(
            "its last deletion failed ({status}): CloudFormation will refuse the update; finish the deletion first"
        )),
        StackStatus::UpdateRollbackFailed | StackStatus::UpdateFailed => Some(format!(
            "its last update failed ({status}): CloudFormation will refuse the update until `aws cloudformation continue-update-rollback` or `rollback-stack` has succeeded"
        )),
        StackStatus::ImportRollbackFailed => {
            Some(format!("its last import failed ({status}): CloudFormation will refuse the update"))
        }
        _ => None,
    }
}

/// Whether a failed creation left resources, which may have been in use since.
pub(super) fn leaves_resources(status: StackStatus) -> bool {
    matches!(status, StackStatus::CreateFailed | StackStatus::RollbackFailed)
}

/// Data in what a failed creation left is lost when the stack is made anew.
pub(super) fn left_behind(world: &World, live: &StackState, hidden: &Hidden, changes: &mut Changes) {
    let left = removal(world, hidden, live);
    changes.contents_unknown |= left.contents_unknown;
    for (id, change) in left.resources.into_iter().filter(|(_, change)| change.data.is_some()) {
        let data = change.data.clone();
        changes.resources.entry(id).or_insert(change).data = data;
    }
}

/// What a reviewer should know of a failed stack that is deleted and created anew.
pub(super) fn recreation_notes(live: &StackState) -> Vec<Note> {
    let left = leaves_resources(live.status).then(|| {
        note(
            "plan::resources_left",
            "resources that its creation left behind are deleted with it, and the data in them",
        )
    });
    let protected = live.termination_protection.then(|| {
        note("plan::protection_lifted", "termination protection is on: it is switched off for the deletion")
    });
    left.into_iter().chain(protected).collect()
}

/// A warning that a deletion will fail.
pub(super) fn protection_note(live: &StackState) -> Option<Note> {
    live.termination_protection.then(|| {
        note(
            "plan::termination_protected",
            "termination protection is on: the deletion will be refused until it is switched off",
        )
    })
}

/// What the config says about a stack that a destroy does not heed.
pub(super) fn ignored_flags(config: &Config, name: &NodeName) -> Option<Note> {
    let definition = config.stacks.get(name)?;
    let flags: Vec<&str> = [
        (!definition.enabled, "enabled: false"),
        (definition.locked, "locked: true"),
        (definition.protected, "protected: true"),
    ]
    .into_iter()
    .filter_map(|(set, text)| set.then_some(text))
    .collect();
    (!flags.is_empty())
        .then(|| note("plan::flags_ignored", format!("a destroy does not heed `{}`", flags.join("`, `"))))
}
