//! What can keep the engine from its work, with code, remedy and exit code.

use miette::{Diagnostic, SourceSpan};
use thiserror::Error;

use crate::engine::EngineError;
use crate::error::{Finding, Findings, Problem};
use crate::exit::ExitCode;
use crate::provider::{ErrorKind, ProviderError};

/// Problems of the engine itself.
#[derive(Debug, Error, Diagnostic)]
pub enum EngineProblem {
    /// A provider call failed.
    #[error("{0}")]
    #[diagnostic(code(provider::failed), help("{}", .0.kind.remedy()))]
    Provider(ProviderError),

    /// The plan no longer stands after the lock was taken.
    #[error("the world changed after the plan was made: {what}")]
    #[diagnostic(code(plan::stale), help("nothing was changed; run the command again to see a new plan"))]
    Stale {
        /// What moved.
        what: String,
    },

    /// A stack that makes a bucket, without the bucket.
    #[error("the config's bucket does not exist, although its stack `{fqn}` does ({status})")]
    #[diagnostic(
        code(bucket::gone),
        help(
            "somebody deleted the bucket: switch off the stack's termination protection, delete the stack, and run the command again"
        )
    )]
    BucketGone {
        /// The stack.
        fqn: String,
        /// Its status.
        status: crate::provider::StackStatus,
    },

    /// The stack that would make the bucket has made another one.
    #[error(
        "the config's bucket does not exist, and `{fqn}`, which would make it, has made the bucket {bucket}"
    )]
    #[diagnostic(
        code(bucket::other),
        help(
            "let the configs of a namespace share one `cfngin_bucket`, or give this one a stack `cfngin-bucket` with a `stack_name` of its own"
        )
    )]
    OtherBucket {
        /// The stack.
        fqn: String,
        /// Its bucket.
        bucket: String,
    },

    /// A stack that was to make a bucket and made another one.
    #[error("stack `{stack}` is complete, and bucket {bucket} still does not exist")]
    #[diagnostic(
        code(bucket::not_made),
        help("the template of `{stack}` must create the bucket that `cfngin_bucket` names")
    )]
    BucketNotMade {
        /// The stack.
        stack: &'static str,
        /// The bucket.
        bucket: String,
    },

    /// A command that needs the persistent graph, without one.
    #[error("this config has no persistent graph")]
    #[diagnostic(
        code(graph::not_configured),
        help("set `persistent_graph_key` (and do not set `cfngin_bucket` to an empty string)")
    )]
    NoPersistentGraph,

    /// A stack or task that is not recorded.
    #[error("no stack and no task `{name}` is recorded in the persistent graph or its state")]
    #[diagnostic(code(graph::not_recorded), help("{help}"))]
    NotRecorded {
        /// The name as given.
        name: String,
        /// What to do.
        help: String,
    },

    /// A stack that another session may still create.
    #[error("`{name}` cannot be forgotten: a session that ended without unlocking was about to create it")]
    #[diagnostic(
        code(graph::still_intended),
        help(
            "run `runway-rs deploy` first: it settles what that session left, at the latest an hour after it began"
        )
    )]
    StillIntended {
        /// The name.
        name: String,
    },

    /// A stack that is not in the config.
    #[error("the config has no stack `{name}`")]
    #[diagnostic(code(config::no_such_stack), help("{help}"))]
    NotConfigured {
        /// The name as given.
        name: String,
        /// What to do.
        help: String,
    },

    /// A stack that does not exist.
    #[error("stack `{name}` ({fqn}) does not exist in CloudFormation")]
    #[diagnostic(
        code(provider::no_such_stack),
        help("deploy it first; `runway-rs status` lists what exists")
    )]
    NoSuchStack {
        /// The name.
        name: String,
        /// The name in CloudFormation.
        fqn: String,
    },

    /// A hook failed.
    #[error("the {stage} hook `{path}` failed: {message}")]
    #[diagnostic(code(hooks::failed))]
    HookFailed {
        /// The stage.
        stage: &'static str,
        /// Its path.
        path: String,
        /// Why, in a sentence.
        message: String,
        /// What to do, behind what there is of details.
        #[help]
        help: Option<String>,
        /// What kind of call failed, if it was one to a service.
        kind: Option<ErrorKind>,
        /// Where it is.
        #[label("this hook")]
        span: SourceSpan,
    },

    /// An argument of a hook has no value.
    #[error("the {stage} hook `{path}`, argument `{argument}`: {message}")]
    #[diagnostic(code(lookup::failed))]
    HookArgument {
        /// The stage.
        stage: &'static str,
        /// Its path.
        path: String,
        /// The argument.
        argument: String,
        /// Why, in a sentence.
        message: String,
        /// What to do.
        #[help]
        help: Option<String>,
        /// What kind of call failed, if it was one to a service.
        kind: Option<ErrorKind>,
        /// Where it is.
        #[label("in this value")]
        span: SourceSpan,
    },

    /// A run without changes could not bring the records up to date.
    #[error("the persistent graph was not brought up to date: {why}")]
    #[diagnostic(severity(Warning), code(graph::records_kept), help("nothing is lost: a later run does it"))]
    RecordsKept {
        /// Why not.
        why: String,
    },

    /// Running stacks could not be looked at any more.
    #[error("running stacks cannot be looked at any more, and were left running: {0}")]
    #[diagnostic(
        code(run::left_running),
        help(
            "they are recorded; run the command again once the provider answers: it waits for what still runs"
        )
    )]
    LeftRunning(ProviderError),

    /// What a plan could not remove again after it had asked.
    #[error("not removed after CloudFormation was asked: {what}")]
    #[diagnostic(
        code(plan::left_behind),
        severity(Warning),
        help(
            "it changes nothing by itself; the next `plan --change-sets` of the stack removes it, at the earliest an hour later, or delete it by hand"
        )
    )]
    LeftBehind {
        /// The change set or stack, and why.
        what: String,
    },

    /// An interrupt between or during hooks.
    #[error("interrupted while hooks ran")]
    #[diagnostic(code(run::interrupted), help("run the command again: all hooks of the stage run again"))]
    HooksInterrupted,

    /// An interrupt before anything was changed.
    #[error("interrupted before anything was changed")]
    #[diagnostic(code(run::interrupted))]
    Interrupted,
}

impl Problem for EngineProblem {
    fn exit_code(&self) -> ExitCode {
        match self {
            Self::Provider(error) | Self::LeftRunning(error) => error.kind.exit_code(),
            Self::Stale { .. } => ExitCode::Stale,
            Self::HookFailed { kind, .. } => match kind.map(ErrorKind::exit_code) {
                None | Some(ExitCode::Unexpected) => ExitCode::StepsFailed,
                Some(exit) => exit,
            },
            Self::HookArgument { kind, .. } => kind.map_or(ExitCode::Lookup, ErrorKind::exit_code_of_lookup),
            Self::NoPersistentGraph | Self::NotConfigured { .. } => ExitCode::Config,
            Self::NotRecorded { .. } => ExitCode::Graph,
            Self::StillIntended { .. } | Self::RecordsKept { .. } => ExitCode::Locked,
            Self::NoSuchStack { .. } => ExitCode::Lookup,
            Self::BucketGone { .. } | Self::OtherBucket { .. } | Self::BucketNotMade { .. } => {
                ExitCode::Config
            }
            Self::Interrupted | Self::HooksInterrupted => ExitCode::Interrupted,
            Self::LeftBehind { .. } => ExitCode::Ok,
        }
    }
}

impl EngineError {
    /// An error of one problem without a place in a file.
    pub fn of(problem: impl Problem) -> Self {
        let exit = problem.exit_code();
        Self { findings: vec![Finding::general(problem)], exit }
    }
}

impl From<ProviderError> for EngineError {
    fn from(error: ProviderError) -> Self {
        Self::of(EngineProblem::Provider(error))
    }
}

impl From<Findings> for EngineError {
    fn from(findings: Findings) -> Self {
        let exit = findings.exit_code();
        let (mut errors, warnings) = findings.split();
        errors.extend(warnings);
        Self { findings: errors, exit }
    }
}
