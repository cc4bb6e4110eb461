//! Where the graph object and its siblings are, and what is said when one of them cannot be read.

use miette::Diagnostic;
use runway_store::{BucketName, ObjectKey};

use crate::error::Problem;
use crate::exit::ExitCode;
use crate::ident::NodeName;

/// Key of the graph object: `persistent_graphs/<namespace>/<key>`, with `.json` appended unless it is there. The
/// namespace is taken as written in the config. (CFNgin `persistent_graph_location`.)
pub fn object_key(namespace: &str, key: &str) -> ObjectKey {
    let suffix = if key.ends_with(".json") { "" } else { ".json" };
    ObjectKey::new(format!("persistent_graphs/{namespace}/{key}{suffix}"))
}

/// Key of the lease beside a graph object. CFNgin's keys end in `.json`, so it cannot be one of them.
pub fn lease_key(graph: &ObjectKey) -> ObjectKey {
    graph.with_suffix(".lock")
}

/// Key of the state beside a graph object.
pub fn state_key(graph: &ObjectKey) -> ObjectKey {
    graph.with_suffix(".state")
}

/// One stored version of the graph object or of a sibling, for messages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GraphObject {
    /// The bucket.
    pub bucket: BucketName,
    /// The key.
    pub key: ObjectKey,
    /// Version id of what was read, in a bucket that keeps versions.
    pub version_id: Option<String>,
    /// Version id of what was there before, if it is known.
    pub older_version_id: Option<String>,
}

impl GraphObject {
    /// An object whose versions are not known.
    pub fn new(bucket: &BucketName, key: &ObjectKey) -> Self {
        Self { bucket: bucket.clone(), key: key.clone(), version_id: None, older_version_id: None }
    }

    /// The same object in the version that was read.
    pub fn at_version(mut self, version_id: Option<String>) -> Self {
        self.version_id = version_id;
        self
    }

    /// `s3://bucket/key`.
    pub fn location(&self) -> String {
        format!("s3://{}/{}", self.bucket, self.key)
    }

    /// The AWS CLI commands that list the object's versions and put an older one back. The copy gets no tags: a
    /// version from the middle of a run carries the lock tag of that run.
    pub fn restore_commands(&self) -> String {
        let bucket = quoted(self.bucket.as_str());
        let key = quoted(self.key.as_str());
        let version = self.older_version_id.as_deref().unwrap_or("VERSION_ID");
        // The AWS CLI encodes this by itself.
        let source = quoted(&format!("{}/{}?versionId={version}", self.bucket, self.key));
        format!(
            "aws s3api list-object-versions --bucket {bucket} --prefix {key}\n\
             aws s3api copy-object --bucket {bucket} --key {key} --copy-source {source} \
             --tagging-directive REPLACE --server-side-encryption AES256 --acl bucket-owner-full-control"
        )
    }

    fn version_words(&self) -> String {
        self.version_id.as_ref().map(|id| format!(" (version id {id})")).unwrap_or_default()
    }
}

/// The persistent graph or its state object cannot be used. Nothing was written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, Diagnostic)]
pub enum GraphError {
    /// The graph object is not a JSON object of lists of strings.
    #[error(
        "persistent graph {}{} is unreadable at line {line} column {column}: {problem}",
        .object.location(),
        .object.version_words()
    )]
    #[diagnostic(
        code(graph::unreadable),
        help(
            "nothing was written; repair the JSON, or look for an older version and put it back:\n{}",
            .object.restore_commands()
        )
    )]
    Unreadable {
        /// The object.
        object: Box<GraphObject>,
        /// Line of the problem, from 1.
        line: usize,
        /// Column of the problem in bytes, from 1.
        column: usize,
        /// What is wrong.
        problem: String,
    },
    /// The state object is not what its format says.
    #[error(
        "state of the persistent graph {}{} is unreadable: {problem}",
        .object.location(),
        .object.version_words()
    )]
    #[diagnostic(
        code(graph::unreadable_state),
        help(
            "nothing was written; look for an older version and put it back:\n{}\n\
             without versions, delete the object while no run is under way: recorded stacks stay recorded, and the \
             next deploy finds out again what it knew of them",
            .object.restore_commands()
        )
    )]
    UnreadableState {
        /// The object.
        object: Box<GraphObject>,
        /// What is wrong, with the place.
        problem: String,
    },
    /// The state object was written by a later runway-rs.
    #[error("state of the persistent graph {} has version {found}, this runway-rs knows {known}", .object.location())]
    #[diagnostic(
        code(graph::newer_state),
        help("nothing was written; a newer runway-rs wrote it: use that version, or a later one")
    )]
    NewerState {
        /// The object.
        object: Box<GraphObject>,
        /// The version it has.
        found: u64,
        /// The version that is known here.
        known: u32,
    },
}

impl GraphError {
    /// The object, where an older version of it would help.
    pub fn object(&mut self) -> Option<&mut GraphObject> {
        match self {
            Self::Unreadable { object, .. } | Self::UnreadableState { object, .. } => Some(object),
            Self::NewerState { .. } => None,
        }
    }
}

impl Problem for GraphError {
    fn exit_code(&self) -> ExitCode {
        ExitCode::Graph
    }
}

/// Something in the recorded graph that was left out on reading; the next write repairs it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, Diagnostic)]
pub enum GraphWarning {
    /// A dependency on a stack that is not recorded.
    #[error("persistent graph {location}: `{stack}` depends on `{needs}`, which is not recorded")]
    #[diagnostic(
        severity(Warning),
        code(graph::dangling_edge),
        help("the dependency is left out; the next deploy writes the graph without it")
    )]
    DanglingEdge {
        /// The recorded stack.
        stack: NodeName,
        /// What it depends on.
        needs: NodeName,
        /// `s3://bucket/key`.
        location: String,
    },
    /// A dependency that closes a cycle.
    #[error("persistent graph {location}: the dependency of `{stack}` on `{needs}` closes a cycle")]
    #[diagnostic(
        severity(Warning),
        code(graph::recorded_cycle),
        help("the dependency is left out; the next deploy writes the graph without it")
    )]
    CyclicEdge {
        /// The recorded stack.
        stack: NodeName,
        /// What it depends on.
        needs: NodeName,
        /// `s3://bucket/key`.
        location: String,
    },
}

impl Problem for GraphWarning {
    fn exit_code(&self) -> ExitCode {
        ExitCode::Graph
    }
}

/// A word as a POSIX shell reads it.
fn quoted(word: &str) -> String {
    let plain = |character: char| character.is_ascii_alphanumeric() || "-_./".contains(character);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}
