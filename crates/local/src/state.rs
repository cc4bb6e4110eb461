//! What the simulator knows, as plain data: stacks with their resources, events and the steps still ahead of them.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use jiff::Timestamp;
use runway_core::ident::{StackFqn, StackId};
use runway_core::provider::{AnnouncedChange, Place, StackEvent, StackRef, StackState, StackStatus};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Format of the state document.
pub(crate) const VERSION: u32 = 2;

/// Deleted stacks that can still be looked up by id.
const KEPT_DELETED: usize = 20;
/// Events kept of a stack, besides all of its last operation.
const KEPT_EVENTS: usize = 100;
/// Events kept of a deleted stack.
const KEPT_EVENTS_OF_DELETED: usize = 20;
/// Requests of a stack that are recognised when they are repeated.
const KEPT_TOKENS: usize = 5;

/// Resource type of buckets.
pub(crate) const BUCKET_TYPE: &str = "AWS::S3::Bucket";

/// Resource type of a stack's own events.
pub(crate) const STACK_TYPE: &str = "AWS::CloudFormation::Stack";

/// Everything, in the order of creation. Deleted stacks stay for a while for DescribeStacks by id.
///
/// Stacks of all accounts and regions are in one list; a stack's id says where it is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct State {
    /// Format version.
    pub version: u32,
    /// Stacks ever created; makes ids unique.
    pub serial: u64,
    /// The stacks.
    pub stacks: Vec<Stack>,
    /// What is left to do for buckets in templates.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub chores: Vec<Chore>,
}

impl Default for State {
    fn default() -> Self {
        Self { version: VERSION, serial: 0, stacks: Vec::new(), chores: Vec::new() }
    }
}

/// A bucket's directory that has to follow what happened to its resource.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Chore {
    CreateBucket(String),
    RemoveBucket(String),
}

/// One incarnation of a stack.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Stack {
    /// Grows with every stack created.
    pub number: u64,
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
    /// Tokens of the latest requests with digests of the requests, oldest first.
    pub tokens: VecDeque<(String, String)>,
    /// Number of creates and updates so far; makes physical ids unique.
    pub generation: u64,
    /// Oldest first.
    pub events: Vec<StackEvent>,
    /// Number of older events that are no longer kept.
    pub forgotten_events: usize,
    /// What is under way.
    pub operation: Option<Operation>,
    /// Change sets that were not executed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub change_sets: Vec<ChangeSet>,
}

/// A change set that was not executed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct ChangeSet {
    pub name: String,
    pub id: String,
    /// Whether it creates the stack.
    pub creates: bool,
    /// When it is worked out.
    pub ready: Timestamp,
    /// Why it cannot be executed.
    pub failure: Option<String>,
    pub token: String,
    pub template: String,
    /// Parameters as they were given; `None` keeps the value.
    pub parameters: Vec<(String, Option<String>)>,
    pub tags: BTreeMap<String, String>,
    pub role_arn: Option<String>,
    /// When it was made.
    #[serde(default)]
    pub created: Timestamp,
    /// What it would do.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub changes: Vec<AnnouncedChange>,
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
    /// `DeletionPolicy`.
    #[serde(default, skip_serializing_if = "is_default")]
    pub deletion: Policy,
    /// `UpdateReplacePolicy`.
    #[serde(default, skip_serializing_if = "is_default")]
    pub replacement: Policy,
    /// How it behaves in the operation under way.
    #[serde(default, skip_serializing_if = "is_default")]
    pub behaviour: Behaviour,
}

/// What becomes of a physical resource that is no longer wanted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Policy {
    /// It is deleted, after a snapshot where `Snapshot` asks for one.
    #[default]
    Delete,
    Retain,
    /// It is deleted if its creation is turned back.
    RetainExceptOnCreate,
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
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
    pub(crate) fn find(&self, stack: &StackRef, place: &Place) -> Option<usize> {
        let known = match stack {
            // CloudFormation takes an id wherever it takes a name.
            StackRef::Name(name) if !name.as_str().starts_with("arn:") => self
                .stacks
                .iter()
                .rposition(|stack| stack.name == name.as_str() && stack.is_live() && stack.is_at(place)),
            other => self.stacks.iter().rposition(|stack| stack.id == other.as_str()),
        };
        known.filter(|index| self.stacks.get(*index).is_some_and(|stack| stack.is_at(place)))
    }

    /// Export values by name, of all stacks at `place`, other than the one at `except`, that are not going away. A
    /// stack does not see its own exports.
    pub(crate) fn exports(&self, place: &Place, except: Option<usize>) -> BTreeMap<String, String> {
        let others = self.stacks.iter().enumerate().filter(|(index, stack)| {
            Some(*index) != except
                && stack.is_live()
                && stack.is_at(place)
                && stack.status != StackStatus::DeleteInProgress
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

    /// Whether a stack holds a bucket of this name. Names of buckets are the same in all regions.
    pub(crate) fn has_bucket(&self, name: &str) -> bool {
        let mut resources = self.stacks.iter().flat_map(|stack| stack.resources.values());
        resources.any(|resource| resource.kind == BUCKET_TYPE && resource.physical_id == name)
    }

    /// Value of an SSM parameter that a stack at `place` holds.
    pub(crate) fn ssm_parameter(&self, name: &str, place: &Place) -> Option<String> {
        let mut resources =
            self.stacks.iter().filter(|stack| stack.is_at(place)).flat_map(|stack| stack.resources.values());
        let found = resources
            .find(|resource| resource.kind == "AWS::SSM::Parameter" && resource.physical_id == name)?;
        Some(match found.properties.get("Value")? {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        })
    }

    /// Live stacks at the place of the stack at `index`, without that one.
    fn neighbours(&self, index: usize) -> impl Iterator<Item = &Stack> {
        let own = self.stacks.get(index);
        self.stacks.iter().enumerate().filter_map(move |(other, stack)| {
            let is_near = own.is_some_and(|own| own.place() == stack.place());
            (other != index && stack.is_live() && is_near).then_some(stack)
        })
    }

    /// Name of the stack, other than the one at `index`, that exports `export`.
    pub(crate) fn exporter(&self, export: &str, index: usize) -> Option<&str> {
        self.neighbours(index)
            .find(|stack| stack.content.exports.values().any(|name| name == export))
            .map(|stack| stack.name.as_str())
    }

    /// Names of the stacks, other than the one at `index`, that import `export`, as CloudFormation lists them: `A and
    /// B`. `None` if there are none.
    pub(crate) fn importers(&self, export: &str, index: usize) -> Option<String> {
        let importing = self.neighbours(index).filter(|stack| stack.imports(export));
        let names: BTreeSet<&str> = importing.map(|stack| stack.name.as_str()).collect();
        let mut names: Vec<&str> = names.into_iter().collect();
        let last = names.pop()?;
        Some(if names.is_empty() { last.to_owned() } else { format!("{} and {last}", names.join(", ")) })
    }

    /// Drops what nobody will ask for any more, so that the state does not grow for ever.
    pub(crate) fn forget(&mut self) {
        let deleted = self.stacks.iter().filter(|stack| !stack.is_live()).count();
        let mut surplus = deleted.saturating_sub(KEPT_DELETED);
        self.stacks.retain(|stack| {
            let is_surplus = surplus > 0 && !stack.is_live();
            surplus -= usize::from(is_surplus);
            !is_surplus
        });
        self.stacks.iter_mut().for_each(Stack::forget);
    }
}

impl Stack {
    /// Whether the stack is found by its name.
    pub(crate) fn is_live(&self) -> bool {
        self.status != StackStatus::DeleteComplete
    }

    /// Whether it uses a value that a stack exports. What an update would fall back to is still in use.
    pub(crate) fn imports(&self, export: &str) -> bool {
        let previous = self.operation.as_ref().and_then(|operation| operation.previous.as_ref());
        self.content.imports.contains(export)
            || previous.is_some_and(|previous| previous.content.imports.contains(export))
    }

    /// Whether the stack is in this account and region.
    pub(crate) fn is_at(&self, place: &Place) -> bool {
        self.place() == Some((place.region.as_str(), place.account.as_str()))
    }

    /// Region and account, from the id: `arn:aws:cloudformation:REGION:ACCOUNT:stack/...`.
    fn place(&self) -> Option<(&str, &str)> {
        let mut parts = self.id.split(':').skip(3);
        Some((parts.next()?, parts.next()?))
    }

    /// Remembers a request, so that it is recognised when it is repeated.
    pub(crate) fn remember(&mut self, token: &str, digest: String) {
        self.tokens.push_back((token.to_owned(), digest));
        if self.tokens.len() > KEPT_TOKENS {
            self.tokens.pop_front();
        }
    }

    /// Drops old events, and of a deleted stack all that its description does not need.
    fn forget(&mut self) {
        let mut begin = self.events.len().saturating_sub(KEPT_EVENTS);
        if self.is_live() {
            let last = self.events.last().map(|event| &event.token);
            let of_last = self.events.iter().position(|event| Some(&event.token) == last);
            begin = begin.min(of_last.unwrap_or_default());
        } else {
            begin = self.events.len().saturating_sub(KEPT_EVENTS_OF_DELETED);
            let Content { template, tags, .. } = std::mem::take(&mut self.content);
            self.content = Content { template, tags, ..Content::default() };
            self.resources.clear();
            self.tokens.clear();
            self.change_sets.clear();
            self.policy = None;
        }
        self.events.drain(..begin);
        self.forgotten_events += begin;
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
            id: format!("{logical_id}-{status}-{:06}", self.forgotten_events + self.events.len()),
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

    /// Records that a request was taken but came to nothing: the status stays, only its reason changes.
    pub(crate) fn refuse(&mut self, time: Timestamp, token: &str, reason: String) {
        self.status_reason = Some(reason.clone());
        let (name, id, status) = (self.name.clone(), self.id.clone(), self.status);
        self.resource_event(time, &name, Some(&id), STACK_TYPE, status.as_str(), Some(reason));
        if let Some(event) = self.events.last_mut() {
            event.token = Some(token.to_owned());
        }
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
            protection_unknown: false,
            role_arn: self.role_arn.clone(),
            created: Some(self.created),
            updated: self.updated,
        }
    }
}
