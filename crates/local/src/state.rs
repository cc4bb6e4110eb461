//! What the simulator knows, as plain data: stacks with their resources, events and the steps still ahead of them.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use jiff::Timestamp;
use runway_core::ident::{StackFqn, StackId};
use runway_core::provider::{StackEvent, StackRef, StackState, StackStatus};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Format of the state document.
pub(crate) const VERSION: u32 = 1;

/// Resource type of a stack's own events.
pub(crate) const STACK_TYPE: &str = "AWS::CloudFormation::Stack";

/// Everything, in the order of creation; deleted stacks stay for DescribeStacks by id.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct State {
    /// Format version.
    pub version: u32,
    /// Stacks ever created; makes ids unique.
    pub serial: u64,
    /// The stacks.
    pub stacks: Vec<Stack>,
}

impl Default for State {
    fn default() -> Self {
        Self { version: VERSION, serial: 0, stacks: Vec::new() }
    }
}

/// One incarnation of a stack.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Stack {
    pub name: String,
    pub id: String,
    pub status: StackStatus,
    pub status_reason: Option<String>,
    pub created: Timestamp,
    pub updated: Option<Timestamp>,
    pub protected: bool,
    pub role_arn: Option<String>,
    pub policy: Option<String>,
    /// What DescribeStacks and GetTemplate show.
    pub content: Content,
    /// Resources that exist now.
    pub resources: BTreeMap<String, Resource>,
    /// Digest of each request by its token.
    pub tokens: BTreeMap<String, String>,
    /// Number of creates and updates so far; makes physical ids unique.
    pub generation: u64,
    /// Oldest first.
    pub events: Vec<StackEvent>,
    /// What is under way.
    pub operation: Option<Operation>,
}

/// What a stack was last told to be.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Content {
    pub template: String,
    /// Values in use, defaults filled in.
    pub parameters: BTreeMap<String, String>,
    /// Names of NoEcho parameters.
    pub hidden: BTreeSet<String>,
    pub tags: BTreeMap<String, String>,
    pub outputs: BTreeMap<String, String>,
    /// Export names by output name.
    pub exports: BTreeMap<String, String>,
    /// Export names this stack uses.
    pub imports: BTreeSet<String>,
}

/// One resource with its functions resolved.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Resource {
    pub kind: String,
    pub physical_id: String,
    pub properties: Value,
    /// Attributes besides properties whose change counts as an update (resource `Metadata`).
    pub metadata: Value,
    /// Logical ids it waits for.
    pub needs: BTreeSet<String>,
    /// `DeletionPolicy: Retain`.
    pub retain: bool,
    pub behaviour: Behaviour,
}

/// How long a resource takes and what goes wrong with it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Behaviour {
    pub millis: u64,
    pub fail_create: Option<String>,
    pub fail_update: Option<String>,
    pub fail_delete: Option<String>,
    pub fail_rollback: Option<String>,
}

/// What happens to a resource in an update.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Change {
    Added,
    Modified,
    Replaced,
}

/// A create, update or delete under way.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Operation {
    pub token: String,
    /// Steps ahead, in order of time.
    pub steps: VecDeque<Step>,
    /// Where a create or update is going.
    pub target: Target,
    /// What an update would fall back to.
    pub previous: Option<Box<Previous>>,
    /// Resources this operation has begun to change.
    pub touched: BTreeSet<String>,
}

/// The result a create or update is heading for.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Target {
    pub resources: BTreeMap<String, Resource>,
    pub changes: BTreeMap<String, Change>,
    pub outputs: BTreeMap<String, String>,
    pub exports: BTreeMap<String, String>,
}

/// The state before an update.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Previous {
    pub content: Content,
    pub resources: BTreeMap<String, Resource>,
}

/// Something that will happen at a time already fixed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Step {
    pub at: Timestamp,
    pub effect: Effect,
}

/// What a step does.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) enum Effect {
    /// A resource changes its status.
    Resource {
        logical_id: String,
        physical_id: Option<String>,
        kind: String,
        status: String,
        reason: Option<String>,
    },
    /// All resources are as wanted: publish the exports, then complete (or, after an update, clean up).
    Finish,
    /// Something failed: roll back.
    Fail { reason: String },
    /// A reverted update begins to remove what it had created.
    Revert,
    /// The operation ends in this status.
    Settle { status: StackStatus, reason: Option<String> },
}

impl State {
    /// Index of the stack a reference means: by name the live one, by id exactly that one.
    pub(crate) fn find(&self, stack: &StackRef) -> Option<usize> {
        match stack {
            // CloudFormation takes an id wherever it takes a name.
            StackRef::Name(name) if !name.as_str().starts_with("arn:") => {
                self.stacks.iter().rposition(|stack| stack.name == name.as_str() && stack.is_live())
            }
            other => self.stacks.iter().rposition(|stack| stack.id == other.as_str()),
        }
    }

    /// Export values by name, of all stacks other than the one at `except` that are not going away. A stack does not
    /// see its own exports.
    pub(crate) fn exports(&self, except: Option<usize>) -> BTreeMap<String, String> {
        let others = self.stacks.iter().enumerate().filter(|(index, stack)| {
            Some(*index) != except && stack.is_live() && stack.status != StackStatus::DeleteInProgress
        });
        others
            .flat_map(|(_, stack)| {
                let content = &stack.content;
                content.exports.iter().filter_map(|(output, export)| {
                    content.outputs.get(output).map(|value| (export.clone(), value.clone()))
                })
            })
            .collect()
    }

    /// Whether a stack holds a bucket of this name.
    pub(crate) fn has_bucket(&self, name: &str) -> bool {
        let mut resources = self.stacks.iter().flat_map(|stack| stack.resources.values());
        resources.any(|resource| resource.kind == "AWS::S3::Bucket" && resource.physical_id == name)
    }

    /// Name of the stack, other than the one at `except`, that exports `export`.
    pub(crate) fn exporter(&self, export: &str, except: usize) -> Option<&str> {
        let mut others =
            self.stacks.iter().enumerate().filter(|(index, stack)| *index != except && stack.is_live());
        others
            .find(|(_, stack)| stack.content.exports.values().any(|name| name == export))
            .map(|(_, stack)| stack.name.as_str())
    }

    /// Name of a stack, other than the one at `except`, that imports `export`.
    pub(crate) fn importer(&self, export: &str, except: usize) -> Option<&str> {
        let mut others =
            self.stacks.iter().enumerate().filter(|(index, stack)| *index != except && stack.is_live());
        others
            .find(|(_, stack)| {
                // What an update would fall back to is still in use.
                let previous = stack.operation.as_ref().and_then(|operation| operation.previous.as_ref());
                stack.content.imports.contains(export)
                    || previous.is_some_and(|previous| previous.content.imports.contains(export))
            })
            .map(|(_, stack)| stack.name.as_str())
    }
}

impl Stack {
    /// Whether the stack is found by its name.
    pub(crate) fn is_live(&self) -> bool {
        self.status != StackStatus::DeleteComplete
    }

    /// The token of the operation under way.
    fn token(&self) -> Option<String> {
        self.operation.as_ref().map(|operation| operation.token.clone())
    }

    /// Records an event of a resource.
    pub(crate) fn resource_event(
        &mut self,
        time: Timestamp,
        logical_id: &str,
        physical_id: Option<&str>,
        kind: &str,
        status: &str,
        reason: Option<String>,
    ) {
        self.events.push(StackEvent {
            id: format!("{logical_id}-{status}-{:06}", self.events.len()),
            time: Some(time),
            logical_id: logical_id.to_owned(),
            physical_id: physical_id.map(str::to_owned),
            resource_type: kind.to_owned(),
            status: status.to_owned(),
            reason,
            token: self.token(),
        });
    }

    /// Sets the status and records the stack's own event.
    pub(crate) fn enter(&mut self, time: Timestamp, status: StackStatus, reason: Option<String>) {
        self.status = status;
        // Why a stack rolled back stays visible until the next operation.
        if reason.is_some() || !status.as_str().contains("ROLLBACK") {
            self.status_reason.clone_from(&reason);
        }
        let (name, id) = (self.name.clone(), self.id.clone());
        self.resource_event(time, &name, Some(&id), STACK_TYPE, status.as_str(), reason);
    }

    /// The stack as DescribeStacks shows it.
    pub(crate) fn describe(&self) -> StackState {
        let shown = |(name, value): (&String, &String)| {
            let hidden = self.content.hidden.contains(name);
            (name.clone(), if hidden { "****".to_owned() } else { value.clone() })
        };
        StackState {
            fqn: StackFqn::new(&self.name),
            id: StackId::new(&self.id),
            status: self.status,
            status_reason: self.status_reason.clone(),
            parameters: self.content.parameters.iter().map(shown).collect(),
            outputs: self.content.outputs.clone(),
            exports: self.content.exports.clone(),
            tags: self.content.tags.clone(),
            termination_protection: self.protected,
            role_arn: self.role_arn.clone(),
            created: Some(self.created),
            updated: self.updated,
        }
    }
}
