//! Problems of a graph.

use miette::{Diagnostic, LabeledSpan};
use thiserror::Error;

use crate::error::Problem;
use crate::exit::ExitCode;

/// Problems of a graph.
#[derive(Debug, Error, Diagnostic)]
pub enum GraphProblem {
    /// An edge to a stack or task that the config does not have.
    #[error("{node} {verb} `{name}`, which is not in the config")]
    #[diagnostic(code(graph::unknown_stack), help("{help}"))]
    Unknown {
        /// What names it, for example "stack `app`".
        node: String,
        /// `requires`, `is required by` or `reads an output of`.
        verb: &'static str,
        /// The name.
        name: String,
        /// What to do.
        help: String,
        /// Place of the name.
        #[label("{label}")]
        span: miette::SourceSpan,
        /// `no such stack`, say.
        label: &'static str,
    },
    /// A name that tasks of several kinds have.
    #[error("{node} {verb} `{name}`, and there are several tasks of this name")]
    #[diagnostic(code(graph::ambiguous), help("write one of {known}"))]
    Ambiguous {
        /// What names it.
        node: String,
        /// As above.
        verb: &'static str,
        /// The name.
        name: String,
        /// What it may be.
        known: String,
        /// Place of the name.
        #[label("which of them?")]
        span: miette::SourceSpan,
    },
    /// None or too many of the nodes of a task are meant.
    #[error("{node} {verb} `{name}`: {what}")]
    #[diagnostic(code(graph::places), help("{help}"))]
    Places {
        /// What names it.
        node: String,
        /// As above.
        verb: &'static str,
        /// The name.
        name: String,
        /// What is wrong.
        what: String,
        /// What to do.
        help: String,
        /// Place of the name.
        #[label("these places")]
        span: miette::SourceSpan,
    },
    /// An edge from a stack to itself.
    #[error("{node} {verb} itself")]
    #[diagnostic(code(graph::self_reference), help("{help}"))]
    SelfReference {
        /// The stack or task.
        node: String,
        /// What to do.
        help: &'static str,
        /// `requires`, `is required by` or `reads an output of`.
        verb: &'static str,
        /// Place of the name.
        #[label("this is the same one")]
        span: miette::SourceSpan,
    },
    /// Stacks that need each other.
    #[error("{what} need each other: {path}")]
    #[diagnostic(
        code(graph::cycle),
        help("remove one of these dependencies; none of the {what} could ever start")
    )]
    Cycle {
        /// `stacks`, `tasks`, or `stacks and tasks`.
        what: &'static str,
        /// The cycle, closed: `a -> b -> a`.
        path: String,
        /// Where each edge of it comes from.
        #[label(collection)]
        edges: Vec<LabeledSpan>,
    },
}

impl Problem for GraphProblem {
    fn exit_code(&self) -> ExitCode {
        ExitCode::Graph
    }
}
