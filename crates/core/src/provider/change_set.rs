//! Change sets: a create or update that CloudFormation works out before it is carried out, macros included.

use super::{StackRef, StackRequest};
use crate::ident::StackId;

/// What a change set is for (`ChangeSetType`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChangeSetKind {
    /// A stack that does not exist yet, or is in review.
    Create,
    /// A stack that exists.
    Update,
}

/// Arguments of CreateChangeSet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChangeSetRequest {
    /// What it is for.
    pub kind: ChangeSetKind,
    /// Its name: a letter, then letters, digits and dashes, at most 128.
    pub name: String,
    /// The stack as it is to be. Stack policy, termination protection and timeout have no place in a change set and are
    /// not sent; the token is its `ClientToken`.
    pub stack: StackRequest,
}

/// Answer to CreateChangeSet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChangeSetIds {
    /// Id of the change set.
    pub id: String,
    /// Id of its stack.
    pub stack: StackId,
}

/// A change set: by its id, or by its name and the stack it belongs to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ChangeSetRef {
    /// Exactly this one.
    Id(String),
    /// The one of this name.
    Name {
        /// The name.
        name: String,
        /// The stack.
        stack: StackRef,
    },
}

impl ChangeSetRef {
    /// The text CloudFormation takes as `ChangeSetName`.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Id(id) => id,
            Self::Name { name, .. } => name,
        }
    }

    /// The text CloudFormation takes as `StackName`; an id needs none.
    pub fn stack(&self) -> Option<&str> {
        match self {
            Self::Id(_) => None,
            Self::Name { stack, .. } => Some(stack.as_str()),
        }
    }
}

/// How far a change set is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChangeSetStatus {
    /// CloudFormation is working it out.
    InProgress,
    /// It can be executed.
    Ready,
    /// It cannot be executed, and never will be; the reason says why.
    Failed,
}

/// A change set as DescribeChangeSet shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChangeSet {
    /// How far it is.
    pub status: ChangeSetStatus,
    /// CloudFormation's reason for the status.
    pub reason: Option<String>,
}

impl ChangeSet {
    /// Whether it failed because the stack is already as it is to be.
    pub fn is_empty(&self) -> bool {
        let words = ["didn't contain changes", "No updates are to be performed"];
        self.status == ChangeSetStatus::Failed
            && self.reason.as_deref().is_some_and(|reason| words.iter().any(|words| reason.contains(words)))
    }
}
