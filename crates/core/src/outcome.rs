//! What became of every node of a run: one value for each step of the plan, whatever happened.

use std::collections::BTreeSet;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::event::StepFailure;
use crate::ident::{NodeName, StackFqn};
use crate::plan::Action;
use crate::secrets::Secrets;

/// How one node of the plan ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct NodeOutcome {
    /// The node.
    pub name: NodeName,
    /// Its name in CloudFormation.
    pub fqn: StackFqn,
    /// What the plan had for it.
    pub action: Action,
    /// How it ended.
    #[serde(flatten)]
    pub end: NodeEnd,
    /// Seconds from its start to its end; left out if it was not started.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        serialize_with = "seconds",
        deserialize_with = "from_seconds"
    )]
    #[cfg_attr(feature = "schema", schemars(with = "Option<f64>"))]
    pub elapsed: Option<Duration>,
}

/// How a node ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum NodeEnd {
    /// It is as the config says, and nothing was done.
    Unchanged,
    /// It was created.
    Created,
    /// It was updated.
    Updated,
    /// It was deleted.
    Deleted,
    /// It was deleted and created again.
    Recreated,
    /// It is a task that has an effect and leaves nothing to look at, and it ran.
    Ran,
    /// It was not looked at: a receipt that the config trusts says that it is as it should be.
    Cached,
    /// The plan leaves it alone.
    Skipped {
        /// Why, in words.
        reason: String,
    },
    /// It failed.
    Failed {
        /// What failed.
        failure: StepFailure,
    },
    /// It was not started, because what it needs failed.
    Blocked {
        /// Failed or blocked nodes that it needs.
        by: BTreeSet<NodeName>,
    },
    /// It was not started, or not watched to its end, because the run stopped.
    Cancelled {
        /// Why the run stopped.
        cause: Stop,
        /// Whether it had begun: what became of it is not known.
        began: bool,
    },
}

/// Why a run stopped before it came to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum Stop {
    /// The user interrupted it.
    Interrupted,
    /// Its lock was lost.
    LockLost,
    /// What runs could not be looked at any more.
    Unseen,
    /// Its plan was not approved.
    Refused,
    /// What comes before the stacks did not succeed: a hook, or the bucket.
    NotPrepared,
}

impl Stop {
    /// Why, in words.
    pub fn as_words(self) -> &'static str {
        match self {
            Self::Interrupted => "the run was interrupted",
            Self::LockLost => "the lock was lost",
            Self::Unseen => "running stacks could not be looked at any more",
            Self::Refused => "the plan was not approved",
            Self::NotPrepared => "what comes before the stacks did not succeed",
        }
    }
}

impl NodeEnd {
    /// The word in JSON and reports.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Unchanged => "unchanged",
            Self::Created => "created",
            Self::Updated => "updated",
            Self::Deleted => "deleted",
            Self::Recreated => "recreated",
            Self::Ran => "ran",
            Self::Cached => "cached",
            Self::Skipped { .. } => "skipped",
            Self::Failed { .. } => "failed",
            Self::Blocked { .. } => "blocked",
            Self::Cancelled { .. } => "cancelled",
        }
    }
}

impl NodeOutcome {
    /// Hides these secrets in it.
    pub fn hide(&mut self, secrets: &Secrets) {
        match &mut self.end {
            NodeEnd::Skipped { reason } => *reason = secrets.hide(reason),
            NodeEnd::Failed { failure } => failure.hide(secrets),
            _ => {}
        }
    }
}

/// Nodes by how they ended.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs, reason = "each is the number of nodes that ended so")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Tally {
    pub unchanged: usize,
    pub created: usize,
    pub updated: usize,
    pub deleted: usize,
    pub recreated: usize,
    pub ran: usize,
    pub cached: usize,
    pub skipped: usize,
    pub failed: usize,
    pub blocked: usize,
    pub cancelled: usize,
}

impl Tally {
    /// Counts nodes.
    pub fn of(nodes: &[NodeOutcome]) -> Self {
        let mut tally = Self::default();
        for node in nodes {
            let count = match &node.end {
                NodeEnd::Unchanged => &mut tally.unchanged,
                NodeEnd::Created => &mut tally.created,
                NodeEnd::Updated => &mut tally.updated,
                NodeEnd::Deleted => &mut tally.deleted,
                NodeEnd::Recreated => &mut tally.recreated,
                NodeEnd::Ran => &mut tally.ran,
                NodeEnd::Cached => &mut tally.cached,
                NodeEnd::Skipped { .. } => &mut tally.skipped,
                NodeEnd::Failed { .. } => &mut tally.failed,
                NodeEnd::Blocked { .. } => &mut tally.blocked,
                NodeEnd::Cancelled { .. } => &mut tally.cancelled,
            };
            *count += 1;
        }
        tally
    }
}

/// Seconds with the precision of a millisecond.
pub(crate) fn in_seconds(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 1000.0).round() / 1000.0
}

fn seconds<S: serde::Serializer>(duration: &Option<Duration>, serializer: S) -> Result<S::Ok, S::Error> {
    duration.map(in_seconds).serialize(serializer)
}

fn from_seconds<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<Duration>, D::Error> {
    let seconds = Option::<f64>::deserialize(deserializer)?;
    seconds.map(|seconds| Duration::try_from_secs_f64(seconds).map_err(serde::de::Error::custom)).transpose()
}
