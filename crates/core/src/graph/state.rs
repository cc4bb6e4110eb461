//! The state object `<key>.json.state`: what CFNgin's graph has no room for.

mod codec;

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::ident::{NodeName, StackFqn, StackId};

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
    /// What sessions were about to do, by lock code.
    #[serde(default)]
    pub intents: BTreeMap<String, SessionIntents>,
    /// Members that this version does not know, at their places in the document; kept on rewriting.
    #[serde(skip)]
    pub unknown: serde_json::Map<String, serde_json::Value>,
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

/// Intents of one session.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct SessionIntents {
    /// The store's `Date` when the session took the lease (RFC 9110 text); compared only with later dates of that store.
    #[serde(default)]
    pub at: String,
    /// What it was about to do, by stack.
    #[serde(default)]
    pub steps: BTreeMap<NodeName, Intent>,
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
