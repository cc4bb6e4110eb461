//! Trouble with the cache. It costs time, and never changes what a run does.

use miette::Diagnostic;
use thiserror::Error;

use crate::error::Problem;
use crate::exit::ExitCode;

/// Something about the cache that the user may want to know.
#[derive(Debug, Clone, PartialEq, Eq, Error, Diagnostic)]
pub enum CacheWarning {
    /// An index is damaged.
    #[error("the task cache in {place} cannot be read: {reason}; it is taken for empty")]
    #[diagnostic(
        code(cache::unreadable),
        severity(Warning),
        help(
            "nothing needs to be done: the next deployment replaces it. `runway-rs cache clear` does so now"
        )
    )]
    Unreadable {
        /// Where it is.
        place: String,
        /// What is wrong.
        reason: String,
    },
    /// The bucket could not be asked.
    #[error("the task cache in {place} cannot be reached: {reason}; this run goes on without it")]
    #[diagnostic(
        code(cache::remote_unavailable),
        severity(Warning),
        help(
            "the run does the same, with more requests. `--cache-remote off` does not try; `runway-rs cache status --iam-policy` shows what the role must be allowed"
        )
    )]
    RemoteUnavailable {
        /// Where it is.
        place: String,
        /// What is wrong.
        reason: String,
    },
    /// Files of this machine cannot be used.
    #[error("the task cache in {place} cannot be used: {reason}; this run goes on without it")]
    #[diagnostic(
        code(cache::local_unavailable),
        severity(Warning),
        help(
            "the directory must be readable and writable; `cfngin_cache_dir` in the config names another one, and `--cache off` uses none"
        )
    )]
    LocalUnavailable {
        /// Where it is.
        place: String,
        /// The operating system's words.
        reason: String,
    },
    /// Others wrote all the time.
    #[error(
        "the task cache in {place} was written by others {tries} times in a row; new records of this run stay on this machine"
    )]
    #[diagnostic(
        code(cache::gave_up),
        severity(Warning),
        help("nothing needs to be done: a later run publishes them")
    )]
    GaveUp {
        /// Where it is.
        place: String,
        /// How often it was tried.
        tries: u32,
    },
    /// The same ingredients gave two outputs.
    #[error("`{kind}` of `{subject}` gave another result than before from the same inputs")]
    #[diagnostic(
        code(cache::nondeterministic),
        severity(Warning),
        help(
            "something it depends on is not among its inputs, such as a time, a random number or a file that was not read through the config: the result of this run is used. `cache: {{kinds: {{{kind}: {{enabled: false}}}}}}` stops caching it"
        )
    )]
    Nondeterministic {
        /// Name of the kind.
        kind: String,
        /// What it is about.
        subject: String,
    },
    /// Records without a signature of `RUNWAY_RS_CACHE_KEY`.
    #[error(
        "records of the task cache that are not signed with RUNWAY_RS_CACHE_KEY were passed over: {count}"
    )]
    #[diagnostic(
        code(cache::bad_signature),
        severity(Warning),
        help("runs with the key replace them; if all runs have it, find out who else writes to the bucket")
    )]
    BadSignature {
        /// How many.
        count: u64,
    },
    /// Every version of the index stays for ever.
    #[error("the bucket keeps every earlier version of the task cache in {place} for ever")]
    #[diagnostic(
        code(cache::no_lifecycle),
        severity(Warning),
        help("add a lifecycle rule for the prefix `cache/` that expires noncurrent versions after 3 days")
    )]
    NoLifecycle {
        /// Where it is.
        place: String,
    },
    /// The store writes although the condition does not hold.
    #[error("the store of the task cache in {place} ignores the conditions of writes")]
    #[diagnostic(
        code(cache::no_conditional_writes),
        severity(Warning),
        help(
            "runs that end at the same time lose records of each other there, and a `clear` may be undone; no run does anything else because of it. `cache: {{remote: read}}` in the config, or `off`, leaves this part alone"
        )
    )]
    NoConditionalWrites {
        /// Where it is.
        place: String,
    },
}

impl Problem for CacheWarning {
    fn exit_code(&self) -> ExitCode {
        ExitCode::Ok
    }
}
