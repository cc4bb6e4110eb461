//! What can go wrong with files of an app, for people.

use miette::Diagnostic;
use runway_store::{StoreError, StoreErrorKind};
use thiserror::Error;

use crate::names::{ManifestId, NameError};
use crate::protocol::ProtocolError;

/// What a caller's exit code depends on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorClass {
    /// The user named something that cannot be.
    Config,
    /// Somebody else is at it.
    Locked,
    /// Files are not what they were when it was decided what to do.
    Stale,
    /// Not allowed.
    Denied,
    /// No answer.
    Unavailable,
    /// It was tried, and failed.
    Failed,
    /// Refused by a rule.
    Refused,
    /// Stopped by a signal.
    Interrupted,
}

/// Why a command about assets did not do what it was asked for.
#[derive(Debug, Clone, Error, Diagnostic)]
#[allow(missing_docs, reason = "the messages say what the fields are")]
pub enum AssetsError {
    #[error("there is no directory {path}")]
    #[diagnostic(code(assets::source_missing), help("`--source` names the directory with the built files"))]
    SourceMissing { path: String },

    #[error("no files are in {path}")]
    #[diagnostic(
        code(assets::source_empty),
        help("a push of nothing would let everything age out; build first, and look at `--exclude`")
    )]
    SourceEmpty { path: String },

    #[error("cannot read {path}: {message}")]
    #[diagnostic(code(assets::source_unreadable), help("every file of the source has to be readable"))]
    SourceUnreadable { path: String, message: String },

    #[error("the file {file} cannot be pushed: {reason}")]
    #[diagnostic(code(assets::invalid_path), help("rename it, or leave it out with `--exclude`"))]
    InvalidPath { file: String, reason: NameError },

    #[error("the name of the file {file} is not UTF-8")]
    #[diagnostic(code(assets::invalid_path), help("rename it, or leave it out with `--exclude`"))]
    NotText { file: String },

    #[error("the link {file} leads out of the source, to {target}")]
    #[diagnostic(
        code(assets::symlink_escape),
        help("copy what it points to into the source, or leave it out with `--exclude`")
    )]
    SymlinkEscape { file: String, target: String },

    #[error("{file} is neither a file nor a directory")]
    #[diagnostic(code(assets::special_file), help("leave it out with `--exclude`"))]
    SpecialFile { file: String },

    #[error("the entry point {path} is not in the source")]
    #[diagnostic(code(assets::entry_missing), help("build it, or take it out of `--entry`"))]
    EntryMissing { path: String },

    #[error("the entry point {pattern}")]
    #[diagnostic(code(assets::entry_pattern), help("name a path, or a pattern that is one"))]
    EntryPattern { pattern: String },

    #[error("links in the source lead to more than {most} directories, the last one by {file}")]
    #[diagnostic(
        code(assets::too_many_links),
        help(
            "directories multiply if links lead from one to the next: leave the links out with `--exclude`"
        )
    )]
    TooManyLinks { most: usize, file: String },

    #[error("no file is an entry point")]
    #[diagnostic(
        code(assets::no_entry),
        help(
            "without one nobody would see the build; `--entry` names the files that are to be replaced last"
        )
    )]
    NoEntry,

    #[error("{path} changed while it was pushed")]
    #[diagnostic(
        code(assets::source_changed),
        help("nothing of it is live; push again when the build is over")
    )]
    SourceChanged { path: String },

    #[error("{count} files would change under their names, the first of them {first}")]
    #[diagnostic(
        code(assets::in_place_denied),
        help(
            "the build that is live would load new bytes of them before it is replaced: give them names with hashes, or push without `--deny-in-place`"
        )
    )]
    InPlace { count: usize, first: String },

    #[error("another session took over while this build went live")]
    #[diagnostic(code(assets::lost_race), help("look with `assets ls` which build is live, and push again"))]
    LostRace,

    #[error(
        "{count} files of the build {manifest} are not in the bucket as they were, the first of them {first}"
    )]
    #[diagnostic(
        code(assets::incomplete),
        help(
            "only builds of which nothing was pruned or changed in place can be kept or go live again; `assets pin` keeps one from being pruned"
        )
    )]
    Incomplete { manifest: ManifestId, count: usize, first: String },

    #[error("there is no manifest {manifest}")]
    #[diagnostic(code(assets::no_manifest), help("`assets ls` lists them"))]
    NoManifest { manifest: ManifestId },

    #[error("the build's time {timestamp} is not over yet")]
    #[diagnostic(
        code(assets::build_time),
        help(
            "give the seconds since 1970, not milliseconds: a build of a time to come would supersede all others"
        )
    )]
    BuildTime { timestamp: u64 },

    #[error("the manifest {manifest} does not say enough to go live again")]
    #[diagnostic(
        code(assets::poor_manifest),
        help("lists and valpop's manifests do not say which files are entry points; push that build again")
    )]
    PoorManifest { manifest: ManifestId },

    #[error("{key} cannot be read: {message}")]
    #[diagnostic(
        code(assets::unreadable),
        help("nothing was deleted: what it says is not known. {}", unreadable_help(key))
    )]
    Unreadable { key: String, message: String },

    #[error("the live build's manifest {manifest} is missing, so what is live is not known")]
    #[diagnostic(
        code(assets::head_missing),
        help("nothing was deleted; push the live build again, and it is known")
    )]
    HeadMissing { manifest: ManifestId },

    #[error(
        "build {by} was pushed after {manifest}, which the head says is live, by somebody who keeps no head"
    )]
    #[diagnostic(
        code(assets::overtaken),
        help("valpop is one who does. Push the build that is to be live, and it is known again")
    )]
    Overtaken { manifest: ManifestId, by: ManifestId },

    #[error("{head} is missing, though build {manifest} was pushed with one, so what is live is not known")]
    #[diagnostic(
        code(assets::head_lost),
        help(
            "nothing was deleted; restore an earlier version of it, or push the live build again: then prune"
        )
    )]
    HeadLost { head: String, manifest: ManifestId },

    #[error("{writer} prunes this app at the moment")]
    #[diagnostic(
        code(assets::marker_busy),
        help("it takes minutes at most; a prune that died is put aside three minutes after it began")
    )]
    Busy { writer: String },

    #[error("{delete} of {known} known files would be deleted")]
    #[diagnostic(
        code(assets::ratio_guard),
        help("look at it with `assets prune --dry-run`; `--yes` or a larger `--max-delete-ratio` allows it")
    )]
    TooMuch { delete: usize, known: usize },

    #[error("{count} objects could not be deleted, the first of them {first}")]
    #[diagnostic(code(assets::partial_delete), help("what names them stays, so the next prune deletes them"))]
    Partial { count: usize, first: String },

    #[error("another session took this prune for dead before it was over")]
    #[diagnostic(
        code(assets::prune_taken_over),
        help("whatever is gone was due, and the rest is still there: prune again")
    )]
    TakenOver,

    #[error("the store does not keep the condition {condition}")]
    #[diagnostic(
        code(assets::caps_missing),
        help(
            "without it pushes and prunes are not safe beside each other; `--unsafe-exclusive` says that nobody else is at work"
        )
    )]
    CapsMissing { condition: &'static str },

    #[error("{path} arrived damaged: {message}")]
    #[diagnostic(
        code(assets::integrity),
        help("push again; if it stays, the disk, the network or the store is faulty")
    )]
    Integrity { path: String, message: String },

    #[error("{count} files are not as the live build has them, the first of them {first}")]
    #[diagnostic(
        code(assets::damaged),
        help("`assets verify --heal` restores what it can, from `--source` too")
    )]
    Damaged { count: usize, first: String },

    #[error("the change to build {manifest} is not over")]
    #[diagnostic(
        code(assets::unfinished),
        help(
            "a push is at it, or it died: then `assets resume` finishes the change, and `verify --heal` does, too"
        )
    )]
    Unfinished { manifest: ManifestId },

    #[error("no build of {app} is known to be live")]
    #[diagnostic(
        code(assets::nothing_live),
        help(
            "look whether `--app`, `--bucket` and `--prefix` are right; if they are, nothing was pushed yet"
        )
    )]
    NothingLive { app: String },

    #[error("{0}")]
    #[diagnostic(code(assets::protocol), help("run the command again"))]
    Protocol(ProtocolError),

    #[error("{0}")]
    #[diagnostic(code(assets::store), help("{}", store_help(.0)))]
    Store(Box<StoreError>),

    #[error("interrupted")]
    #[diagnostic(
        code(assets::interrupted),
        help("nothing of it is live unless it was said; the same push sends only what is missing")
    )]
    Interrupted,
}

/// What helps if something cannot be read, by its key.
fn unreadable_help(key: &str) -> &'static str {
    let mut parts = key.rsplit('/');
    let (name, app_or_kind, kind) = (parts.next(), parts.next(), parts.next());
    match (name, app_or_kind, kind) {
        (_, Some("heads"), _) => {
            "Restore an earlier version of it, or remove it and push the live build again: until then nothing is pruned"
        }
        (_, _, Some("manifests")) => {
            "Restore an earlier version of it, or remove it if it is none of ours: files that it alone names go then"
        }
        (Some("gc.json"), _, Some("locks")) => {
            "It only says whether somebody prunes: remove it when no prune is at work"
        }
        (_, _, Some("intents")) => {
            "It protects the files of a push under way: remove it if that push is over. When it is 7 days old, the next prune does"
        }
        (_, _, Some("pins")) => "It holds a build: pin that build again, or remove it",
        _ => "Restore an earlier version of it, or remove it if it is none of ours",
    }
}

fn store_help(error: &StoreError) -> &'static str {
    match error.kind {
        StoreErrorKind::NoBucket => "create the bucket, or name another one with `--bucket`",
        StoreErrorKind::WrongRegion => "name the bucket's region with `--region`",
        StoreErrorKind::Denied if error.operation == "list" => {
            "`assets doctor --iam-policy` prints the permissions that are needed; a push and a plan with `--check head` look at the files of the build one by one, and do not list any"
        }
        StoreErrorKind::Denied => {
            "`assets doctor --iam-policy` prints the permissions that are needed; without s3:ListBucket an object that is missing is forbidden, too"
        }
        StoreErrorKind::Credentials => "check the credentials",
        StoreErrorKind::Integrity => "push again; if it stays, the disk, the network or the store is faulty",
        StoreErrorKind::Throttled | StoreErrorKind::Unavailable | StoreErrorKind::Conflict => {
            "try again later: nothing is lost, and what was sent is not sent again"
        }
        StoreErrorKind::Invalid | StoreErrorKind::Precondition => "look at the message of the store",
    }
}

impl AssetsError {
    /// What a caller's exit code depends on.
    pub fn class(&self) -> ErrorClass {
        match self {
            Self::SourceMissing { .. }
            | Self::SourceEmpty { .. }
            | Self::SourceUnreadable { .. }
            | Self::InvalidPath { .. }
            | Self::NotText { .. }
            | Self::SymlinkEscape { .. }
            | Self::SpecialFile { .. }
            | Self::EntryMissing { .. }
            | Self::EntryPattern { .. }
            | Self::TooManyLinks { .. }
            | Self::NoEntry
            | Self::BuildTime { .. }
            | Self::NoManifest { .. }
            | Self::PoorManifest { .. } => ErrorClass::Config,
            Self::SourceChanged { .. } => ErrorClass::Stale,
            Self::LostRace | Self::Busy { .. } => ErrorClass::Locked,
            Self::InPlace { .. } | Self::TooMuch { .. } | Self::CapsMissing { .. } => ErrorClass::Refused,
            Self::Incomplete { .. }
            | Self::Unreadable { .. }
            | Self::HeadMissing { .. }
            | Self::HeadLost { .. }
            | Self::Overtaken { .. }
            | Self::Partial { .. }
            | Self::TakenOver
            | Self::Unfinished { .. }
            | Self::NothingLive { .. }
            | Self::Integrity { .. }
            | Self::Damaged { .. }
            | Self::Protocol(_) => ErrorClass::Failed,
            Self::Interrupted => ErrorClass::Interrupted,
            Self::Store(error) => match error.kind {
                StoreErrorKind::NoBucket | StoreErrorKind::WrongRegion => ErrorClass::Config,
                StoreErrorKind::Denied | StoreErrorKind::Credentials => ErrorClass::Denied,
                StoreErrorKind::Throttled | StoreErrorKind::Unavailable | StoreErrorKind::Conflict => {
                    ErrorClass::Unavailable
                }
                StoreErrorKind::Integrity | StoreErrorKind::Invalid | StoreErrorKind::Precondition => {
                    ErrorClass::Failed
                }
            },
        }
    }
}

impl From<StoreError> for AssetsError {
    fn from(error: StoreError) -> Self {
        Self::Store(Box::new(error))
    }
}

impl From<ProtocolError> for AssetsError {
    fn from(error: ProtocolError) -> Self {
        match error {
            ProtocolError::Unreadable { key, message } => Self::Unreadable { key, message },
            other => Self::Protocol(other),
        }
    }
}
