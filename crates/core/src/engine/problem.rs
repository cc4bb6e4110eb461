//! What can keep the engine from its work, with code, remedy and exit code.

use miette::Diagnostic;
use thiserror::Error;

use crate::engine::EngineError;
use crate::error::{Finding, Findings, Problem};
use crate::exit::ExitCode;
use crate::provider::ProviderError;

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

    /// A stack that is not recorded.
    #[error("the persistent graph has no stack `{name}`")]
    #[diagnostic(code(graph::not_recorded), help("{help}"))]
    NotRecorded {
        /// The name as given.
        name: String,
        /// What to do.
        help: String,
    },

    /// A stack that another session may still create.
    #[error(
        "stack `{name}` cannot be forgotten: a session that ended without unlocking was about to create it"
    )]
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

    /// Hooks are configured, and this version cannot run them.
    #[error("the config has {stage} hooks, which this version does not run: {paths}")]
    #[diagnostic(
        code(hooks::not_supported_yet),
        help(
            "nothing was changed; run them by other means and set `enabled: false` on them, or use Runway for this config"
        )
    )]
    HooksNotSupported {
        /// The stage.
        stage: &'static str,
        /// Import paths, comma separated.
        paths: String,
        /// Where they are.
        #[label(collection)]
        hooks: Vec<miette::LabeledSpan>,
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
            Self::NoPersistentGraph | Self::NotConfigured { .. } | Self::HooksNotSupported { .. } => {
                ExitCode::Config
            }
            Self::NotRecorded { .. } => ExitCode::Graph,
            Self::StillIntended { .. } | Self::RecordsKept { .. } => ExitCode::Locked,
            Self::NoSuchStack { .. } => ExitCode::Lookup,
            Self::BucketGone { .. } | Self::BucketNotMade { .. } => ExitCode::Config,
            Self::Interrupted => ExitCode::Interrupted,
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
