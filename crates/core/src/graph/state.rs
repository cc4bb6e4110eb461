//! The state object `<key>.json.state`: what CFNgin's graph has no room for, tasks among it.

mod codec;

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use serde_json::Value;

use crate::config::OnRemove;
use crate::ident::{NodeName, StackFqn, StackId};
use crate::task::TaskPlace;

/// Format version that is read and written.
pub const VERSION: u32 = 1;

/// Facts per stack and intents per session.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct GraphState {
    /// Format version, 1.
    pub version: u32,
    /// Code of the session that wrote it last.
    pub code: String,
    /// That session's write counter.
    pub n: u64,
    /// Stacks known to exist because of this graph.
    #[serde(default)]
    pub nodes: BTreeMap<NodeName, NodeFacts>,
    /// Tasks that keep, or may keep, something because of this graph. CFNgin has no room for them, and takes what it does
    /// not know for a stack that left the config, so that they are here alone.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub tasks: BTreeMap<NodeName, TaskFacts>,
    /// What sessions were about to do, by lock code.
    #[serde(default)]
    pub intents: BTreeMap<String, SessionIntents>,
    /// Members that this version does not know, at their places in the document; kept on rewriting.
    #[serde(skip)]
    pub unknown: serde_json::Map<String, Value>,
}

/// What is known of one recorded stack.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct NodeFacts {
    /// Name in CloudFormation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fqn: Option<StackFqn>,
    /// Account id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<String>,
    /// Region.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    /// Id of the incarnation last seen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stack_id: Option<StackId>,
    /// Dependencies as last deployed; unlike the graph's edges they are not refreshed before the deploy.
    #[serde(default)]
    pub needs: BTreeSet<NodeName>,
    /// Whether termination protection was on when it was last known; lists of stacks leave it out.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub termination_protection: bool,
    /// Digest of what was last deployed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
}

/// What is known of one recorded task: enough to find and to remove what it keeps when the config does not say it any more.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct TaskFacts {
    /// Its kind.
    pub kind: String,
    /// Revision of the kind that recorded it.
    pub revision: u32,
    /// Its arguments; what is secret, or was not known yet, is a placeholder.
    #[serde(default)]
    pub arguments: BTreeMap<String, Value>,
    /// Where it works, as configured.
    #[serde(default)]
    pub place: TaskPlace,
    /// Account id of the run that recorded it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<String>,
    /// Region of the run that recorded it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    /// What becomes of what it keeps when it leaves the config.
    pub on_remove: OnRemove,
    /// What it keeps was there before it, or may have been.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub adopted: bool,
    /// Digest of the arguments with which it was last found, or made, as specified; secrets are left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
    /// Outputs as last seen; none that is made of a secret.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub outputs: BTreeMap<String, String>,
    /// What it needed when it was recorded: stacks and tasks.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub needs: BTreeSet<NodeName>,
}

/// What is recorded in place of an argument that was not known yet.
pub(crate) const UNKNOWN: &str = "(not known yet)";

impl TaskFacts {
    /// Whether it kept something, and did not see to it that there is nothing.
    pub(crate) fn keeps_something(&self) -> bool {
        self.arguments.get("state").and_then(Value::as_str) != Some("absent")
    }

    /// Whether arguments were not known yet when it was recorded.
    pub(crate) fn is_open(&self) -> bool {
        self.arguments.values().any(|value| value == UNKNOWN)
    }
}

/// Intents of one session.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct SessionIntents {
    /// The store's `Date` when the session took the lease (RFC 9110 text); compared only with later dates of that store.
    #[serde(default)]
    pub at: String,
    /// What it was about to do, by stack.
    #[serde(default)]
    pub steps: BTreeMap<NodeName, Intent>,
    /// Tasks that it was about to make, change or delete.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub tasks: BTreeMap<NodeName, IntentAction>,
}

/// What a session was about to do to one stack.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Intent {
    /// The action.
    pub action: IntentAction,
    /// Name in CloudFormation.
    pub fqn: StackFqn,
    /// Account id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<String>,
    /// Region.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    /// The incarnation, for updates and deletions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stack_id: Option<StackId>,
    /// Client request token, for creations.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<String>,
}

/// The kinds of intents.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum IntentAction {
    /// CreateStack.
    Create,
    /// UpdateStack.
    Update,
    /// DeleteStack.
    Delete,
    /// DeleteStack, then CreateStack.
    Recreate,
}
