//! Why a source could not be fetched.

use camino::Utf8PathBuf;
use miette::Diagnostic;
use runway_core::exit::ExitCode;
use runway_core::provider::ErrorKind;
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

    #[error("there is no object s3://{bucket}/{key}")]
    #[diagnostic(
        code(source::no_object),
        help("correct `bucket` and `key`; `aws s3 ls` shows what is there")
    )]
    NoObject { bucket: String, key: String },

    #[error("{message}")]
    #[diagnostic(code(source::s3), help("{}", kind.remedy()))]
    S3 { kind: ErrorKind, message: String },

    #[error("the archive s3://{bucket}/{key} is refused: {reason}")]
    #[diagnostic(code(source::archive), help("make it anew from the directory of the package"))]
    Archive { bucket: String, key: String, reason: String },

    #[error("there is no directory {path}")]
    #[diagnostic(code(source::no_directory), help("`source` is relative to the directory of the config"))]
    NoDirectory { path: Utf8PathBuf },

    #[error("there is no {what} {path} in the package")]
    #[diagnostic(
        code(source::not_in_package),
        help("`paths` and `configs` are relative to the root of the package; {hint}")
    )]
    NotInPackage { what: &'static str, path: String, hint: String },

    #[error("the config {path} cannot be read: {message}")]
    #[diagnostic(code(source::config), help("it must be UTF-8 text"))]
    Config { path: Utf8PathBuf, message: String },

    #[error("{what} is not in the cache and would have to be fetched")]
    #[diagnostic(
        code(source::not_fetched),
        help(
            "`validate --fetch` and every other command fetch it; what is pinned by `commit` or `tag`, or has `use_latest: false`, is in the cache from then on"
        )
    )]
    NotFetched { what: String },

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
        match self {
            // What is not there is named wrongly.
            Self::S3 { kind, .. } if !matches!(kind, ErrorKind::NotFound) => kind.exit_code(),
            _ => ExitCode::Config,
        }
    }

    pub(super) fn cache(path: &camino::Utf8Path, error: &std::io::Error) -> Self {
        Self::Cache { path: path.to_string(), message: error.to_string() }
    }
}
