//! Why a lock could not be taken, kept or given back.

use miette::Diagnostic;
use runway_store::{StoreError, StoreErrorKind};

use super::code::LockCode;
use super::decide::Loss;
use crate::error::Problem;
use crate::exit::ExitCode;
use crate::graph::persistent::GraphError;
use crate::provider::ErrorKind;

/// A problem with the lock of a persistent graph.
#[derive(Debug, thiserror::Error, Diagnostic)]
pub enum LockError {
    /// Another session holds the lock, or is about to.
    #[error("persistent graph {location} is locked by {holder}{since}")]
    #[diagnostic(
        code(lock::held),
        help(
            "wait for that run to end, or start again with `--lock-wait 10m`; a lock whose session died is taken over \
             by itself after its time to live; `runway-rs graph unlock` removes it at once"
        )
    )]
    Held {
        /// `s3://bucket/key`.
        location: String,
        /// Who, in words.
        holder: String,
        /// ` since <time>, last renewed <time>`, or empty.
        since: String,
    },
    /// A CFNgin run holds the lock.
    #[error("persistent graph {location} is locked by a CFNgin (Runway) run, lock code {code}")]
    #[diagnostic(
        code(lock::held_by_cfngin),
        help(
            "wait for that run to end; CFNgin records neither holder nor age, so if you know that the run is dead, \
             remove its tag with `runway-rs graph unlock`"
        )
    )]
    HeldByCfngin {
        /// `s3://bucket/key`.
        location: String,
        /// Value of the tag `cfngin_lock_code`.
        code: LockCode,
    },
    /// A CFNgin run tagged the graph while another session held the lock.
    #[error(
        "persistent graph {location} is locked by a CFNgin (Runway) run, lock code {code}, which cut in on {holder}"
    )]
    #[diagnostic(
        code(lock::cfngin_cut_in),
        help("wait for both to end: the other session stops by itself when it sees CFNgin's tag")
    )]
    CfnginCutIn {
        /// `s3://bucket/key`.
        location: String,
        /// Value of the tag `cfngin_lock_code`.
        code: LockCode,
        /// Who holds the lease, in words.
        holder: String,
    },
    /// Graph or state changed between the plan and the lock.
    #[error("persistent graph {location} changed since the plan was made")]
    #[diagnostic(code(lock::moved), help("nothing was changed; plan again"))]
    Moved {
        /// `s3://bucket/key`.
        location: String,
    },
    /// The lock was lost after it was taken.
    #[error("the lock of persistent graph {location} was lost: {reason}")]
    #[diagnostic(
        code(lock::lost),
        help("nothing new was started and nothing was forgotten; run again to finish the work")
    )]
    Lost {
        /// `s3://bucket/key`.
        location: String,
        /// What was seen, in words.
        reason: String,
    },
    /// The lock that was to be removed by hand is not the one that was shown.
    #[error("the lock of persistent graph {location} changed while it was being removed")]
    #[diagnostic(
        code(lock::changed),
        help("a session may be at work; look at the lock again before removing it")
    )]
    Changed {
        /// `s3://bucket/key`.
        location: String,
    },
    /// The graph object has no room for the lock tag.
    #[error("persistent graph {location} has {count} tags; S3 allows ten, and the lock needs one")]
    #[diagnostic(code(lock::too_many_tags), help("remove a tag from the graph object"))]
    TooManyTags {
        /// `s3://bucket/key`.
        location: String,
        /// Tags that are not the lock's.
        count: usize,
    },
    /// The store does not keep conditions.
    #[error("the store of {location} ignores conditional writes, so sessions cannot exclude each other")]
    #[diagnostic(
        code(lock::no_conditions),
        help("use S3, or a store that refuses `If-Match` with a wrong entity tag")
    )]
    NoConditions {
        /// `s3://bucket/key`.
        location: String,
    },
    /// Graph or state cannot be read.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Graph(#[from] GraphError),
    /// A request failed.
    #[error(transparent)]
    #[diagnostic(code(lock::store), help("{}", store_help(.0.kind)))]
    Store(Box<StoreError>),
}

fn store_help(kind: StoreErrorKind) -> &'static str {
    if kind == StoreErrorKind::Denied {
        return "the graph needs s3:GetObject, PutObject, DeleteObject, GetObjectTagging, PutObjectTagging and PutObjectAcl, its siblings `.lock` and `.state` the first three and PutObjectAcl, and the bucket s3:ListBucket";
    }
    ErrorKind::from(kind).remedy()
}

impl LockError {
    pub(super) fn lost(location: String, loss: &Loss<LockCode>) -> Self {
        let reason = match loss {
            Loss::TagRemoved => "its tag was removed, by an operator or by a CFNgin run".to_owned(),
            Loss::Taken(code) => format!("session {code} took it over"),
            Loss::Cfngin(code) => format!("a CFNgin (Runway) run cut in with lock code {code}"),
            Loss::GraphChanged => "the graph object was changed by somebody else".to_owned(),
            Loss::StateChanged => "the state object was changed by somebody else".to_owned(),
            Loss::LeaseChanged => "its lease expired and was taken over, or was removed".to_owned(),
        };
        Self::Lost { location, reason }
    }
}

impl From<StoreError> for LockError {
    fn from(error: StoreError) -> Self {
        Self::Store(Box::new(error))
    }
}

impl Problem for LockError {
    fn exit_code(&self) -> ExitCode {
        match self {
            Self::Held { .. }
            | Self::HeldByCfngin { .. }
            | Self::CfnginCutIn { .. }
            | Self::Lost { .. }
            | Self::Changed { .. } => ExitCode::Locked,
            Self::Moved { .. } => ExitCode::Stale,
            Self::TooManyTags { .. } => ExitCode::Graph,
            Self::NoConditions { .. } => ExitCode::Unavailable,
            Self::Graph(error) => error.exit_code(),
            Self::Store(error) => ErrorKind::from(error.kind).exit_code(),
        }
    }
}
