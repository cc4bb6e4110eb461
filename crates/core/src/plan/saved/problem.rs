//! Why a saved plan is not carried out.

use miette::Diagnostic;
use thiserror::Error;

use crate::error::Problem;
use crate::exit::ExitCode;

/// Problems of saved plans.
#[derive(Debug, Clone, PartialEq, Eq, Error, Diagnostic)]
pub enum SavedProblem {
    /// Some other file.
    #[error("{path} is not a saved plan")]
    #[diagnostic(code(plan::not_saved), help("`runway-rs plan --out FILE` writes one"))]
    NotAPlan {
        /// The file.
        path: String,
    },

    /// The digest is wrong.
    #[error("{path} is not as it was written: its digest does not fit what is in it")]
    #[diagnostic(
        code(plan::file_changed),
        help(
            "nothing was changed; plan again with `runway-rs plan --out FILE`, and keep the file byte for byte"
        )
    )]
    FileChanged {
        /// The file.
        path: String,
    },

    /// Something is not as it was planned.
    #[error("{what}")]
    #[diagnostic(
        code(plan::moved),
        help(
            "nothing was changed; plan again with `runway-rs plan --out FILE`, and look at what comes of it"
        )
    )]
    Moved {
        /// What, and how: one sentence.
        what: String,
    },

    /// Hooks or a stack for the bucket made something necessary that the plan does not have.
    #[error("the plan is no longer the saved one: {what}")]
    #[diagnostic(
        code(plan::grown),
        help("none of the planned steps was carried out; plan again with `runway-rs plan --out FILE`")
    )]
    Grown {
        /// What differs.
        what: String,
    },

    /// A plan for the other command.
    #[error("{path} is the plan of a {planned}, and this is a {command}")]
    #[diagnostic(code(plan::other_purpose), help("run `runway-rs {planned} --plan {path}`"))]
    OtherPurpose {
        /// The file.
        path: String,
        /// `deploy` or `destroy`.
        planned: &'static str,
        /// The other one.
        command: &'static str,
    },

    /// A selection beside the one of the file.
    #[error("{option} cannot be given with --plan")]
    #[diagnostic(code(plan::fixed_option), help("leave it out: the file says what was selected"))]
    FixedOption {
        /// The option.
        option: &'static str,
    },
}

impl Problem for SavedProblem {
    fn exit_code(&self) -> ExitCode {
        match self {
            Self::NotAPlan { .. } => ExitCode::Config,
            Self::FileChanged { .. } | Self::Moved { .. } | Self::Grown { .. } => ExitCode::Stale,
            Self::OtherPurpose { .. } | Self::FixedOption { .. } => ExitCode::Usage,
        }
    }
}
