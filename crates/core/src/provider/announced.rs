//! What a change set says about resources: CloudFormation's own answer to what an update would do.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// One page of the changes of a change set.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ChangePage {
    /// The changes of this page.
    pub changes: Vec<AnnouncedChange>,
    /// Token of the next page, if there is one.
    pub next: Option<String>,
}

/// What CloudFormation would do with one resource (`ResourceChange`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct AnnouncedChange {
    /// Logical id.
    pub logical_id: String,
    /// Physical id, if the resource exists.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub physical_id: Option<String>,
    /// Resource type.
    #[serde(rename = "type")]
    pub resource_type: String,
    /// What would be done.
    pub action: AnnouncedAction,
    /// Whether another physical resource takes its place; only for `modify`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replacement: Option<AnnouncedReplacement>,
    /// What becomes of the physical resource that is let go of (`PolicyAction`): `Delete`, `Retain`, `Snapshot`,
    /// `ReplaceAndDelete`, `ReplaceAndRetain`, `ReplaceAndSnapshot`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy_action: Option<String>,
    /// Which attributes differ, for example `Properties` or `Tags`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub scope: Vec<String>,
    /// How they differ; only for `modify`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub details: Vec<AnnouncedDetail>,
}

/// What CloudFormation would do with a resource (`Action`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum AnnouncedAction {
    /// It is created.
    Add,
    /// It is updated, perhaps by another physical resource.
    Modify,
    /// It leaves the stack.
    Remove,
    /// It exists and comes into the stack.
    Import,
    /// It cannot be said before it happens (a resource of a nested stack, or an action that came later).
    Dynamic,
}

/// Whether another physical resource takes the place of one (`Replacement`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum AnnouncedReplacement {
    /// No.
    #[serde(rename = "false")]
    Never,
    /// It depends on a value that is known only later, or on the resource.
    Conditional,
    /// Yes.
    #[serde(rename = "true")]
    Always,
}

/// One value that differs (`ResourceChangeDetail`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct AnnouncedDetail {
    /// Attribute, for example `Properties`.
    pub attribute: String,
    /// Property, if the attribute is `Properties`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Where the value is in the resource, for example `/Properties/Tags/0/Value`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// The value before, as text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<String>,
    /// The value after, as text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<String>,
    /// Whether this difference makes another physical resource necessary: `Never`, `Conditionally`, `Always`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requires_recreation: Option<String>,
    /// Whether the value is known only while the change set is carried out, so that the difference may not come.
    #[serde(default)]
    pub dynamic: bool,
    /// The parameter, resource or attribute that the difference comes from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub causing_entity: Option<String>,
}

impl AnnouncedChange {
    /// Whether the difference may not come at all: everything it consists of is known only while it is carried out.
    pub fn is_uncertain(&self) -> bool {
        self.action == AnnouncedAction::Dynamic
            || !self.details.is_empty() && self.details.iter().all(|detail| detail.dynamic)
    }
}

/// One page of the change sets of a stack.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ChangeSetPage {
    /// The sets of this page.
    pub sets: Vec<ListedChangeSet>,
    /// Token of the next page, if there is one.
    pub next: Option<String>,
}

/// A change set as ListChangeSets shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedChangeSet {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// When it was made, by CloudFormation's clock.
    pub created: Option<Timestamp>,
}

/// One page of the stacks that import a value.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ImportPage {
    /// Names of stacks.
    pub stacks: Vec<String>,
    /// Token of the next page, if there is one.
    pub next: Option<String>,
}
