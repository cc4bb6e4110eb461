//! Why a source could not be fetched.

use miette::Diagnostic;
use runway_core::exit::ExitCode;
use thiserror::Error;

/// Why a source could not be fetched. Names of sources are without credentials.
#[derive(Debug, Clone, PartialEq, Eq, Error, Diagnostic)]
#[allow(missing_docs, reason = "the messages say what the fields are")]
pub enum SourceFailure {
    #[error("git is needed to fetch {uri}, and there is no `git` command")]
    #[diagnostic(code(source::no_git), help("install git, or correct PATH"))]
    NoGit { uri: String },

    #[error("`{uri}` is no address of a git repository: {reason}")]
    #[diagnostic(
        code(source::address),
        help("write for example `https://host/path.git` or `git@host:path.git`")
    )]
    Address { uri: String, reason: &'static str },

    #[error("`{reference}` cannot be the name of a {what}")]
    #[diagnostic(
        code(source::reference),
        help("a commit has 4 to 64 hexadecimal digits; names of branches and tags follow git's rules")
    )]
    Reference { what: &'static str, reference: String },

    #[error("the repository {uri} has no {what}")]
    #[diagnostic(
        code(source::no_such_reference),
        help("correct it; `git ls-remote {uri}` lists what there is")
    )]
    NoSuchReference { uri: String, what: String },

    #[error("cannot fetch {uri}: {message}")]
    #[diagnostic(
        code(source::git),
        help(
            "try `git ls-remote {uri}`; credentials come from git's own helpers or from ssh, nobody is asked for them. A `commit` or `tag` that was fetched before needs no network"
        )
    )]
    Git { uri: String, message: String },

    #[error("fetching {uri} took longer than {minutes} minutes")]
    #[diagnostic(
        code(source::too_slow),
        help("try again, or clone it by hand and name it as a `local` source")
    )]
    TooSlow { uri: String, minutes: u64 },

    #[error("the cache {path} cannot be used: {message}")]
    #[diagnostic(
        code(source::cache),
        help("the directory must be writable; `cfngin_cache_dir` in the config names another one")
    )]
    Cache { path: String, message: String },
}

impl SourceFailure {
    /// The exit code of a run that it ends.
    pub fn exit_code(&self) -> ExitCode {
        ExitCode::Config
    }

    pub(super) fn cache(path: &camino::Utf8Path, error: &std::io::Error) -> Self {
        Self::Cache { path: path.to_string(), message: error.to_string() }
    }
}
