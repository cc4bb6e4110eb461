//! What a step changes in detail.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::Certainty;
use crate::ident::NodeName;
use crate::lookup::Cause;
use crate::resources::{DataFate, Replacement};

/// Details of a step.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Changes {
    /// How the template differs, if it does.
    pub template: Option<TemplateChange>,
    /// Resources that change, or may, by logical id: conditions and mappings evaluated, parameters filled in. Of a stack
    /// that is created or deleted all of them.
    pub resources: BTreeMap<String, ResourceChange>,
    /// Outputs that change, or may, by name.
    pub outputs: BTreeMap<String, OutputChange>,
    /// Nothing is known of its outputs before the step: macros decide, or the template is not known yet.
    pub outputs_open: bool,
    /// A stack is deleted of which it is not known what it holds: its template could not be read, or macros made it.
    pub contents_unknown: bool,
    /// Parameters that differ or are unknown, by name.
    pub parameters: BTreeMap<String, ParameterChange>,
    /// Tags that differ, by key: before and after.
    pub tags: BTreeMap<String, (Option<String>, Option<String>)>,
    /// Termination protection before and after, if it differs.
    pub termination_protection: Option<(bool, bool)>,
    /// Whether the stack policy differs.
    pub stack_policy: bool,
    /// What differs of what a task keeps, in the order in which its kind tells it.
    pub details: Vec<PropertyChange>,
}

/// How a template differs as it is written, as logical ids.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct TemplateChange {
    /// Resources only in the new template, with types.
    pub added: BTreeMap<String, String>,
    /// Resources only in the deployed template, with types.
    pub removed: BTreeMap<String, String>,
    /// Resources in both that differ, with types.
    pub modified: BTreeMap<String, String>,
    /// Other sections that differ, for example `Outputs`.
    pub sections: BTreeSet<String>,
}

/// What happens to a resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum ResourceAction {
    /// It is created.
    Add,
    /// It is taken out of its stack.
    Remove,
    /// It is updated, or replaced.
    Modify,
}

/// How a resource changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResourceChange {
    /// Its type.
    pub kind: String,
    /// What happens.
    pub action: ResourceAction,
    /// Whether that is certain.
    pub certainty: Certainty,
    /// Whether CloudFormation makes a new one in its place.
    pub replacement: Replacement,
    /// Properties and attributes (`DeletionPolicy`, ...) that differ or may, in order of their paths. Of a resource of a
    /// stack that is created or deleted none are listed.
    pub properties: Vec<PropertyChange>,
    /// What becomes of the data of a resource that is, or may be, removed or replaced; `None` if it holds none.
    pub data: Option<DataFate>,
    /// What has to happen before it is known.
    pub known_after: BTreeSet<Cause>,
}

/// How a property changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PropertyChange {
    /// Its path, for example `Tags[0].Value`.
    pub path: String,
    /// Value now; `None` if there is none.
    pub before: Option<ShownValue>,
    /// Value after the step; `None` if it goes away.
    pub after: Option<ShownValue>,
    /// Whether the change replaces the resource.
    pub replacement: Replacement,
    /// Why it may change although it is written the same, or is not known: a phrase.
    pub because: Option<String>,
}

/// How an output changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutputChange {
    /// Value now; `None` if there is none.
    pub before: Option<ShownValue>,
    /// Value after the step; `None` if it goes away.
    pub after: Option<ShownValue>,
    /// The export it has, or had.
    pub export: Option<String>,
    /// Stacks of the config that look it up, and stacks that import it.
    pub consumers: BTreeSet<String>,
    /// Why it changes, or may: phrases.
    pub because: Vec<String>,
}

/// How a parameter differs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParameterChange {
    /// Value now; `None` if the stack has no such parameter.
    pub before: Option<ShownValue>,
    /// Value after the step; `None` if the parameter goes away.
    pub after: Option<ShownValue>,
}

/// A value as a plan may show it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ShownValue {
    /// In clear.
    Plain(String),
    /// Not shown: NoEcho, or from a secret.
    Secret,
    /// Known only after this has happened; where nothing is named, during the deploy.
    KnownAfter(BTreeSet<Cause>),
}

/// What keeps the outputs of a stack from being known before its step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Pending {
    /// Nothing is known of any output.
    All,
    /// These may change, the others stay as they are.
    Outputs(BTreeSet<String>),
}

impl Pending {
    /// Whether an output may change.
    pub(super) fn has(&self, output: &str) -> bool {
        match self {
            Self::All => true,
            Self::Outputs(names) => names.contains(output),
        }
    }
}

/// Stacks whose outputs may change.
pub(super) type PendingStacks = BTreeMap<NodeName, Pending>;
