//! What happens during a run, as one stream that every kind of output consumes.

use std::collections::BTreeSet;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::ident::{NodeName, StackFqn};
use crate::outcome::NodeOutcome;
use crate::plan::{Action, Summary};
use crate::secrets::Secrets;

/// Something that happened. Serialised as one JSON object a line (schema `events.schema.json`).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum Event {
    /// The run waits for somebody else's lock, or watches one that may be dead.
    LockWaiting {
        /// Who holds it, in words.
        holder: String,
        /// How long it has been watched, in seconds.
        waited_seconds: u64,
        /// Seconds after which an unchanged lock counts as dead, or after which waiting ends.
        limit_seconds: u64,
    },
    /// The lock of a dead session was taken over.
    LockTakenOver {
        /// Who held it, in words.
        holder: String,
    },
    /// The lock is held.
    Locked {
        /// Object that is locked, `s3://bucket/key`.
        graph: String,
        /// Lock code of this session.
        code: String,
    },
    /// The lock was given back.
    Unlocked {
        /// Object that was locked.
        graph: String,
    },
    /// The lock was lost: nothing new starts.
    LockLost {
        /// What was seen.
        reason: String,
    },
    /// A hook began.
    HookStarted {
        /// `pre_deploy`, `post_deploy`, `pre_destroy` or `post_destroy`.
        stage: String,
        /// Its path.
        path: String,
    },
    /// A hook printed a line.
    HookOutput {
        /// Its path.
        path: String,
        /// The line.
        line: String,
    },
    /// A hook ended.
    HookFinished {
        /// Its stage.
        stage: String,
        /// Its path.
        path: String,
        /// Why it failed, if it did.
        failure: Option<String>,
        /// Seconds it took.
        #[serde(serialize_with = "seconds", deserialize_with = "from_seconds")]
        #[cfg_attr(feature = "schema", schemars(with = "f64"))]
        elapsed: Duration,
    },
    /// A step began.
    StepStarted {
        /// The stack.
        name: NodeName,
        /// Its name in CloudFormation.
        fqn: StackFqn,
        /// What is being done.
        action: Action,
    },
    /// A resource of a running step changed its status.
    Resource {
        /// The stack.
        name: NodeName,
        /// Logical id.
        logical_id: String,
        /// Resource type.
        resource_type: String,
        /// Status.
        status: String,
        /// CloudFormation's reason.
        reason: Option<String>,
    },
    /// A program that a task runs printed a line.
    TaskOutput {
        /// The task.
        name: NodeName,
        /// The line.
        line: String,
    },
    /// A running step's stack changed its status.
    StackStatus {
        /// The stack.
        name: NodeName,
        /// Status.
        status: String,
    },
    /// A step ended.
    StepFinished {
        /// The stack.
        name: NodeName,
        /// Its name in CloudFormation.
        fqn: StackFqn,
        /// What was done.
        action: Action,
        /// How it ended.
        outcome: Outcome,
        /// Seconds since it started.
        #[serde(serialize_with = "seconds", deserialize_with = "from_seconds")]
        #[cfg_attr(feature = "schema", schemars(with = "f64"))]
        elapsed: Duration,
    },
    /// A step will not run because one it needs failed.
    StepBlocked {
        /// The stack.
        name: NodeName,
        /// Its name in CloudFormation.
        fqn: StackFqn,
        /// What would have been done.
        action: Action,
        /// Failed or blocked steps that it needs.
        by: BTreeSet<NodeName>,
    },
    /// The user interrupted: nothing new starts.
    Interrupted {
        /// Stacks still running.
        running: BTreeSet<NodeName>,
        /// Whether they are watched to their end (first interrupt) or left (second).
        watching: bool,
    },
    /// A remark that is worth a line.
    Warning {
        /// Stable code.
        code: String,
        /// One sentence.
        text: String,
    },
    /// How every node of the plan ended, whether anything was done or not.
    Outcomes {
        /// One for each step of the plan, in its order.
        nodes: Vec<NodeOutcome>,
    },
    /// The run ended.
    RunFinished {
        /// Steps of the plan by action.
        planned: Summary,
        /// Steps that succeeded, by what was really done.
        done: Summary,
        /// Steps that failed.
        failed: BTreeSet<NodeName>,
        /// Steps that did not run.
        not_run: BTreeSet<NodeName>,
        /// Seconds the run took.
        #[serde(serialize_with = "seconds", deserialize_with = "from_seconds")]
        #[cfg_attr(feature = "schema", schemars(with = "f64"))]
        elapsed: Duration,
    },
}

/// How a step ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "result", rename_all = "snake_case")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum Outcome {
    /// Done.
    Done,
    /// Nothing was left to do once the values were known.
    Unchanged,
    /// Failed.
    Failed(StepFailure),
    /// Left running after a second interrupt or a lost lock.
    Abandoned,
}

/// Why a step failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Default)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct StepFailure {
    /// One sentence: what failed.
    pub message: String,
    /// Status of the stack afterwards.
    pub status: Option<String>,
    /// The first resource that failed, if CloudFormation named one.
    pub resource: Option<FailedResource>,
    /// What to do.
    pub help: Option<String>,
}

/// The resource that made a stack fail.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct FailedResource {
    /// Logical id.
    pub logical_id: String,
    /// Type.
    pub resource_type: String,
    /// Status.
    pub status: String,
    /// CloudFormation's reason.
    pub reason: Option<String>,
}

impl Event {
    /// The same without these secrets.
    pub fn without(mut self, secrets: &Secrets) -> Self {
        match &mut self {
            Self::LockLost { reason: text }
            | Self::HookOutput { line: text, .. }
            | Self::TaskOutput { line: text, .. }
            | Self::HookFinished { failure: Some(text), .. }
            | Self::Resource { reason: Some(text), .. }
            | Self::Warning { text, .. } => *text = secrets.hide(text),
            Self::StepFinished { outcome: Outcome::Failed(failure), .. } => failure.hide(secrets),
            Self::Outcomes { nodes } => nodes.iter_mut().for_each(|node| node.hide(secrets)),
            _ => {}
        }
        self
    }
}

impl StepFailure {
    /// Hides these secrets in it.
    pub fn hide(&mut self, secrets: &Secrets) {
        self.message = secrets.hide(&self.message);
        let reason = self.resource.as_mut().and_then(|resource| resource.reason.as_mut());
        for text in self.help.as_mut().into_iter().chain(reason) {
            *text = secrets.hide(text);
        }
    }
}

fn seconds<S: serde::Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64((duration.as_secs_f64() * 10.0).round() / 10.0)
}

fn from_seconds<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    let seconds = f64::deserialize(deserializer)?;
    Duration::try_from_secs_f64(seconds).map_err(serde::de::Error::custom)
}

/// Consumes events.
pub trait Reporter: Send {
    /// Takes one event; must not block for long.
    fn event(&mut self, event: &Event);
}

impl<F: FnMut(&Event) + Send> Reporter for F {
    fn event(&mut self, event: &Event) {
        self(event);
    }
}
