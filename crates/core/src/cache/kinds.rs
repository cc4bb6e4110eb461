//! Every kind of records: what it holds, how far it may be trusted, and by which ingredients it is found.
//!
//! A kind is added here, to [`ALL`] and with its ingredients to [`INGREDIENTS`]. They are part of every key, so a change
//! of them is a change of what old records mean: the snapshot beside this file shows it next to the revision.

use super::key::{Class, Kind};

/// The digest of the template of a live stack: by stack id, creation time, time of the last update and status.
pub const STACK_TEMPLATE: Kind = Kind { name: "stack-template", revision: 1, class: Class::Fact };
/// A template or an archive lies in the bucket: by bucket, key and digest.
pub const TEMPLATE_OBJECT: Kind = Kind { name: "template-object", revision: 1, class: Class::Fact };
/// A Python blueprint rendered: by everything it was given and everything it read.
pub const BLUEPRINT: Kind = Kind { name: "blueprint", revision: 1, class: Class::Pure };
/// What the rendering of a Python blueprint read: by everything it was given. It has to be looked at whether all of that
/// is still so.
pub const BLUEPRINT_TRACE: Kind = Kind { name: "blueprint-trace", revision: 1, class: Class::Receipt };
/// A piece of what a Python process read: by its digest. It too has to be looked at.
pub const PYTHON_TRACE: Kind = Kind { name: "python-trace", revision: 1, class: Class::Receipt };
/// What a lookup found, where the config gives it a time to live. Each lookup is a variant: `lookup.ami`.
pub const LOOKUP: Kind = Kind { name: "lookup", revision: 1, class: Class::Observed };
/// When a task was seen as specified: by its kind and its arguments, secrets left out. Only what the config trusts for a
/// while has one.
pub const TASK_RECEIPT: Kind = Kind { name: "task-receipt", revision: 1, class: Class::Receipt };
/// All kinds.
pub const ALL: &[Kind] =
    &[STACK_TEMPLATE, TEMPLATE_OBJECT, BLUEPRINT, BLUEPRINT_TRACE, PYTHON_TRACE, LOOKUP, TASK_RECEIPT];

/// Names of the inputs that each kind has, in order. Another one is a mistake in the code that makes the key.
pub const INGREDIENTS: &[(Kind, &[&str])] = &[
    (STACK_TEMPLATE, &["CreationTime", "LastUpdatedTime", "StackId", "StackStatus"]),
    (TEMPLATE_OBJECT, &["bucket", "key", "sha256"]),
    (
        BLUEPRINT,
        &[
            "bridge",
            "class_path",
            "config",
            "config_path",
            "deploy_environment",
            "description",
            "directory",
            "environment",
            "hook_data",
            "interpreter",
            "parameters",
            "read",
            "region",
            "root_directory",
            "stack",
            "sys_path",
            "variables",
            "work_directory",
        ],
    ),
    (
        BLUEPRINT_TRACE,
        &[
            "bridge",
            "class_path",
            "config",
            "config_path",
            "deploy_environment",
            "description",
            "directory",
            "environment",
            "hook_data",
            "interpreter",
            "parameters",
            "region",
            "root_directory",
            "stack",
            "sys_path",
            "variables",
            "work_directory",
        ],
    ),
    (PYTHON_TRACE, &["digest"]),
    (LOOKUP, &["arguments", "class", "query"]),
    (TASK_RECEIPT, &["arguments", "kind"]),
];

/// Whether records of this kind are neither written to the bucket nor read from there: they tell what files of one machine
/// are like, and hold templates, which whoever may write to the cache must not be able to change.
pub fn stays_here(name: &str) -> bool {
    [BLUEPRINT, BLUEPRINT_TRACE, PYTHON_TRACE].iter().any(|kind| kind.name == name)
}

/// What is never cached, and why: the words of the config's diagnostics and of the documentation.
pub const NEVER: &[(&str, &str)] = &[
    ("caller-identity", "who the caller is decides where everything else holds"),
    ("change-set", "a change set exists once"),
    ("codebuild-run", "a build is an effect, not a result"),
    ("delete", "a deletion must look at what there is"),
    ("destroy", "a deletion must look at what there is"),
    ("hook", "a hook is run for its effects"),
    ("lambda-invoke", "an invocation is an effect, not a result"),
    ("lock", "the lock is what all runs agree on"),
    ("persistent-graph", "the persistent graph is the truth, not a copy of it"),
    ("stack-policy", "a new policy does not show in the time of a stack's last update"),
    ("stack-status", "what a stack is now decides what is done"),
    ("task", "a task must look at what there is"),
];

/// Lookups whose values are never kept, and why.
pub const NEVER_LOOKUPS: &[(&str, &str)] = &[
    ("awslambda", "hooks are run for their effects"),
    ("cfn", "what stacks have is read in every run"),
    ("default", "it reads nothing that could be cached"),
    ("ecr", "it gives a password"),
    ("env", "it reads nothing that could be cached"),
    ("envvar", "it reads nothing that could be cached"),
    ("file", "files are read in every run"),
    ("hook_data", "hooks are run for their effects"),
    ("kms", "it gives a secret"),
    ("output", "what stacks have is read in every run"),
    ("place", "it reads nothing that could be cached"),
    ("random.string", "it gives a password"),
    ("rxref", "what stacks have is read in every run"),
    ("split", "it reads nothing that could be cached"),
    ("task", "what tasks have is read in every run"),
    ("xref", "what stacks have is read in every run"),
];

/// The kind of this name.
pub fn named(name: &str) -> Option<Kind> {
    let first = name.split_once('.').map_or(name, |(first, _)| first);
    let wanted = if first == LOOKUP.name && first != name { first } else { name };
    ALL.iter().copied().find(|kind| kind.name == wanted)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_and_their_ingredients_stay_what_they_are() {
        let kinds: Vec<String> = ALL
            .iter()
            .map(|kind| {
                let inputs = INGREDIENTS.iter().find(|(listed, _)| listed == kind);
                let (_, inputs) =
                    inputs.unwrap_or_else(|| panic!("ingredients of {} are not listed", kind.name));
                assert!(inputs.is_sorted(), "{}", kind.name);
                let place = if stays_here(kind.name) { "this machine" } else { "everywhere" };
                format!("{} {} {} {place}: {}", kind.name, kind.revision, kind.class, inputs.join(" "))
            })
            .collect();
        assert_eq!(INGREDIENTS.len(), ALL.len());
        insta::assert_snapshot!(kinds.join("\n"));
    }
}
