//! Plans in words: the same sentences in every format.

use std::collections::BTreeSet;

use super::json::{LossDocument, ValueDocument};
use crate::ident::NodeName;
use crate::lookup::Cause;
use crate::plan::{Action, Certainty, LossKind, Purpose, Reason, Step, Summary};

/// A reason as a phrase.
pub fn reason(reason: &Reason) -> String {
    match reason {
        Reason::Absent => "does not exist".to_owned(),
        Reason::EmptyShell => "exists only as an empty shell of a change set (REVIEW_IN_PROGRESS)".to_owned(),
        Reason::CreationFailed(status) => format!("its creation failed ({status})"),
        Reason::BeingDeleted => "is being deleted; will be created once it is gone".to_owned(),
        Reason::TemplateChanged => "template changed".to_owned(),
        Reason::ParametersChanged(names) => format!("parameters changed: {}", names.join(", ")),
        Reason::ParametersUnknown { parameters, after } => {
            format!("parameters known {}: {}", known(after), parameters.join(", "))
        }
        Reason::TemplateUnknown { after } => format!("template known {}", known(after)),
        Reason::ParametersHidden(names) => {
            format!("NoEcho parameters cannot be compared: {}", names.join(", "))
        }
        Reason::OperationInProgress(status) => format!("another operation is waited for ({status})"),
        Reason::Stuck(status) => format!("its last operation failed ({status})"),
        Reason::TagsChanged(keys) => format!("tags changed: {}", keys.join(", ")),
        Reason::TerminationProtectionChanged { to: true } => {
            "termination protection is switched on".to_owned()
        }
        Reason::TerminationProtectionChanged { to: false } => {
            "termination protection is switched off".to_owned()
        }
        Reason::StackPolicyChanged => "stack policy changed".to_owned(),
        Reason::NotInConfig => "not in config".to_owned(),
        Reason::Destroy => "destroy".to_owned(),
        Reason::Unchanged => "no change".to_owned(),
        Reason::Disabled => "disabled".to_owned(),
        Reason::Locked => "locked".to_owned(),
        Reason::NotSelected => "not selected".to_owned(),
        Reason::Gone => "does not exist; its record is dropped".to_owned(),
        Reason::KeepsNothing => "keeps nothing; its record is dropped".to_owned(),
        Reason::Due => "is due: it did not run to its end, or was left out".to_owned(),
        Reason::DoesNotHold => "does not hold now; what is -> what has to be:".to_owned(),
        Reason::NeverExisted => "does not exist".to_owned(),
        Reason::NameUnknown => "its name in CloudFormation is unknown; its record is kept".to_owned(),
        Reason::OtherIncarnation => "was created anew by somebody else; it is left alone".to_owned(),
        Reason::Renamed { to } => format!("is now called {to}"),
        Reason::RecordedAgain => "was missing in the persistent graph; it is recorded again".to_owned(),
        Reason::Differs(paths) if paths.is_empty() => "is not as specified".to_owned(),
        Reason::Differs(paths) => format!("differs: {}", paths.join(", ")),
        Reason::Unwanted => "is to be absent".to_owned(),
        Reason::ArgumentsUnknown { arguments, after } => {
            format!("arguments known {}: {}", known(after), arguments.join(", "))
        }
        Reason::StateUnknown { after } => format!("can be looked at {}", known(after)),
        Reason::NeverRan => "has not run".to_owned(),
        Reason::ArgumentsChanged => "arguments changed since it ran".to_owned(),
        Reason::Always => "runs in every deploy".to_owned(),
        Reason::NeedsChange(names) => {
            let names: Vec<&str> = names.iter().map(NodeName::as_str).collect();
            format!("what it needs changes: {}", names.join(", "))
        }
        Reason::Retained => "what it keeps is retained; its record is dropped".to_owned(),
        Reason::MaybeRenamed => "may have another name now; it is left alone".to_owned(),
        Reason::NotFindable => "what it keeps cannot be told; its record is kept".to_owned(),
        Reason::SubjectUnknown => "it is not known what it keeps".to_owned(),
        Reason::Trusted { within } => format!("was as specified within the last {within}, which is trusted"),
    }
}

/// A stable code of a reason, for programs.
pub fn reason_code(reason: &Reason) -> &'static str {
    match reason {
        Reason::Absent => "absent",
        Reason::EmptyShell => "empty_shell",
        Reason::CreationFailed(_) => "creation_failed",
        Reason::BeingDeleted => "being_deleted",
        Reason::TemplateChanged => "template_changed",
        Reason::ParametersChanged(_) => "parameters_changed",
        Reason::ParametersUnknown { .. } => "parameters_unknown",
        Reason::TemplateUnknown { .. } => "template_unknown",
        Reason::ParametersHidden(_) => "parameters_hidden",
        Reason::OperationInProgress(_) => "operation_in_progress",
        Reason::Stuck(_) => "stuck",
        Reason::TagsChanged(_) => "tags_changed",
        Reason::TerminationProtectionChanged { .. } => "termination_protection_changed",
        Reason::StackPolicyChanged => "stack_policy_changed",
        Reason::NotInConfig => "not_in_config",
        Reason::Destroy => "destroy",
        Reason::Unchanged => "unchanged",
        Reason::Disabled => "disabled",
        Reason::Locked => "locked",
        Reason::NotSelected => "not_selected",
        Reason::Gone => "gone",
        Reason::KeepsNothing => "keeps_nothing",
        Reason::Due => "due",
        Reason::DoesNotHold => "does_not_hold",
        Reason::NeverExisted => "never_existed",
        Reason::NameUnknown => "name_unknown",
        Reason::OtherIncarnation => "other_incarnation",
        Reason::Renamed { .. } => "renamed",
        Reason::RecordedAgain => "recorded_again",
        Reason::Differs(_) => "differs",
        Reason::Unwanted => "unwanted",
        Reason::ArgumentsUnknown { .. } => "arguments_unknown",
        Reason::StateUnknown { .. } => "state_unknown",
        Reason::NeverRan => "never_ran",
        Reason::ArgumentsChanged => "arguments_changed",
        Reason::Always => "always",
        Reason::NeedsChange(_) => "needs_change",
        Reason::Retained => "retained",
        Reason::MaybeRenamed => "maybe_renamed",
        Reason::NotFindable => "not_findable",
        Reason::SubjectUnknown => "subject_unknown",
        Reason::Trusted { .. } => "trusted",
    }
}

/// All reasons of a step in one line.
pub fn reasons(step: &Step) -> String {
    let mut phrases: Vec<String> = step.reasons.iter().map(reason).collect();
    if step.adopted {
        phrases.push("exists already and is adopted".to_owned());
    }
    phrases.join("; ")
}

/// The verb of a step, as a plan says it.
pub fn verb(action: Action, certainty: Certainty) -> &'static str {
    match (action, certainty) {
        (Action::Create, Certainty::May) => "may create",
        (Action::Create, _) => "create",
        (Action::Update, Certainty::May) => "may update",
        (Action::Update, _) => "update",
        (Action::Delete, _) => "DELETE",
        (Action::Recreate, _) => "DELETE and create",
        (Action::Run, Certainty::May) => "may run",
        (Action::Run, _) => "run",
        (Action::None, _) => "unchanged",
        (Action::Skip, _) => "skip",
    }
}

/// The sign in front of a step.
pub fn sign(action: Action) -> char {
    match action {
        Action::Create => '+',
        Action::Update => '~',
        Action::Delete => '-',
        Action::Recreate => '±',
        Action::Run => '>',
        Action::None => ' ',
        Action::Skip => '.',
    }
}

/// `1 to create, 2 to update`; empty if nothing changes.
pub fn counts(summary: &Summary) -> String {
    let parts = [
        (summary.create, "to create"),
        (summary.update, "to update"),
        (summary.run, "to run"),
        (summary.recreate, "to DELETE and create"),
        (summary.delete, "to DELETE"),
    ];
    let parts: Vec<String> =
        parts.iter().filter(|(count, _)| *count > 0).map(|(count, what)| format!("{count} {what}")).collect();
    parts.join(", ")
}

/// What a run was for, as a noun.
pub fn purpose(purpose: Purpose) -> &'static str {
    match purpose {
        Purpose::Deploy => "deploy",
        Purpose::Destroy => "destroy",
    }
}

/// A value of a document as it may be shown.
pub fn shown_document(value: &ValueDocument) -> String {
    match value {
        ValueDocument::Value(text) if text.is_empty() => "(empty)".to_owned(),
        ValueDocument::Value(text) => super::style::harmless(text),
        ValueDocument::Secret(_) => "(secret)".to_owned(),
        ValueDocument::KnownAfter(after) => format!("(known {})", known_after(after)),
    }
}

/// Data that would be lost, in words.
#[derive(serde::Serialize)]
pub(super) struct Losses {
    /// A heading.
    pub(super) title: String,
    /// A line for each.
    pub(super) losses: Vec<String>,
    /// What to write where the loss is meant; empty if all of it is allowed.
    pub(super) remedy: Vec<String>,
}

/// Data that would be lost, in words; `None` if there is none.
pub(super) fn losses(losses: &[LossDocument]) -> Option<Losses> {
    let certain = losses.iter().any(|loss| loss.certainty == Certainty::Will);
    let title = match losses {
        [] => return None,
        _ if certain => "DATA WILL BE LOST:",
        _ => "DATA MAY BE LOST:",
    };
    let line = |loss: &LossDocument| {
        let may = if loss.certainty == Certainty::May { "may be " } else { "" };
        let how = match loss.how {
            LossKind::Replaced => "replaced",
            LossKind::Removed => "removed from its stack",
            LossKind::StackDeleted => "deleted with its stack",
        };
        let kind = if loss.kind.is_empty() { String::new() } else { format!("{}, ", loss.kind) };
        let allowed = if loss.allowed { " (allowed)" } else { "" };
        format!("{} ({kind}{}): {may}{how}{allowed}", loss.allow, loss.holds)
    };
    let open: Vec<&LossDocument> = losses.iter().filter(|loss| !loss.allowed).collect();
    let mut remedy = Vec::new();
    if !open.is_empty() {
        remedy.push(
            "Without a person's approval this is refused, unless the loss is allowed in the command"
                .to_owned(),
        );
        remedy.extend(open.iter().map(|loss| format!("  --allow {}", loss.allow)));
        remedy.push("or in the config, up to a day of your choice:".to_owned());
        remedy.push("  acknowledge:".to_owned());
        remedy.extend(open.iter().map(|loss| {
            let resource = loss.resource.as_ref().map(|id| format!("resource: {id}, ")).unwrap_or_default();
            format!("    - {{stack: {}, {resource}until: YYYY-MM-DD}}", loss.stack)
        }));
    }
    Some(Losses { title: title.to_owned(), losses: losses.iter().map(line).collect(), remedy })
}

/// What a value waits for, for programs: the name of a stack, `hook KEY`, or `hook *` if it may be any.
pub(super) fn cause(cause: &Cause) -> String {
    match cause {
        Cause::Stack(name) | Cause::Output(name, _) => name.to_string(),
        Cause::Hook(data_key) => format!("{HOOK}{}", data_key.as_deref().unwrap_or("*")),
    }
}

/// How [`cause`] marks hooks; names of stacks have no blanks.
const HOOK: &str = "hook ";

/// When a value is known that waits for these: a phrase that goes on after "known".
pub(crate) fn known(after: &BTreeSet<Cause>) -> String {
    known_after(&after.iter().map(cause).collect())
}

fn known_after(after: &BTreeSet<String>) -> String {
    let hooks: Vec<&str> = after.iter().filter_map(|cause| cause.strip_prefix(HOOK)).collect();
    let stacks: Vec<&str> =
        after.iter().map(String::as_str).filter(|cause| !cause.starts_with(HOOK)).collect();
    let mut phrases = Vec::new();
    match hooks.as_slice() {
        [] => {}
        hooks if hooks.contains(&"*") => phrases.push("the hooks".to_owned()),
        [hook] => phrases.push(format!("the hook {hook}")),
        hooks => phrases.push(format!("the hooks {}", hooks.join(", "))),
    }
    if !stacks.is_empty() {
        phrases.push(format!("deploy of {}", stacks.join(", ")));
    }
    if phrases.is_empty() {
        "during the deploy".to_owned()
    } else {
        format!("after {}", phrases.join(" and "))
    }
}

/// Names, comma separated.
pub fn list(names: &BTreeSet<NodeName>) -> String {
    names.iter().map(NodeName::as_str).collect::<Vec<_>>().join(", ")
}
