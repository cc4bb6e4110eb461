//! The one table of exit codes.

use serde::Serialize;

/// Why a command ends, as a program sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum ExitCode {
    /// 0: done; also when changes are pending without `--detailed-exitcode`.
    Ok,
    /// 1: an unexpected failure.
    Unexpected,
    /// 2: changes are pending; only with `plan --detailed-exitcode`.
    ChangesPending,
    /// 10: the config, or what it names, is invalid.
    Config,
    /// 11: a lookup failed.
    Lookup,
    /// 12: the graph is invalid: a cycle, an unknown requirement, an unreadable persistent graph.
    Graph,
    /// 20: the persistent graph is locked by somebody else, or the lock was lost.
    Locked,
    /// 21: the world moved since the plan was made.
    Stale,
    /// 22: no permission, or no usable credentials.
    Denied,
    /// 23: the provider gave no usable answer.
    Unavailable,
    /// 30: one or more steps failed.
    StepsFailed,
    /// 31: refused by policy, for want of an approval or an acknowledgement.
    Refused,
    /// 64: the command line is wrong.
    Usage,
    /// 130: interrupted.
    Interrupted,
}

impl ExitCode {
    /// Every code with its meaning, in numeric order, for the documentation.
    pub const ALL: [Self; 14] = [
        Self::Ok,
        Self::Unexpected,
        Self::ChangesPending,
        Self::Config,
        Self::Lookup,
        Self::Graph,
        Self::Locked,
        Self::Stale,
        Self::Denied,
        Self::Unavailable,
        Self::StepsFailed,
        Self::Refused,
        Self::Usage,
        Self::Interrupted,
    ];

    /// The number handed to the operating system.
    pub fn number(self) -> u8 {
        match self {
            Self::Ok => 0,
            Self::Unexpected => 1,
            Self::ChangesPending => 2,
            Self::Config => 10,
            Self::Lookup => 11,
            Self::Graph => 12,
            Self::Locked => 20,
            Self::Stale => 21,
            Self::Denied => 22,
            Self::Unavailable => 23,
            Self::StepsFailed => 30,
            Self::Refused => 31,
            Self::Usage => 64,
            Self::Interrupted => 130,
        }
    }

    /// One line of documentation.
    pub fn meaning(self) -> &'static str {
        match self {
            Self::Ok => "done; also when changes are pending without `--detailed-exitcode`",
            Self::Unexpected => "an unexpected failure",
            Self::ChangesPending => "changes are pending (`plan --detailed-exitcode` only)",
            Self::Config => "the config, or a file it names, is invalid",
            Self::Lookup => "a lookup failed",
            Self::Graph => {
                "the graph is invalid: a cycle, an unknown requirement, an unreadable persistent graph"
            }
            Self::Locked => "the persistent graph is locked, or its lock was lost",
            Self::Stale => "the world moved since the plan was made",
            Self::Denied => "no permission, or no usable credentials",
            Self::Unavailable => "the provider gave no usable answer",
            Self::StepsFailed => "one or more steps failed",
            Self::Refused => "refused by policy, or not approved",
            Self::Usage => "the command line is wrong",
            Self::Interrupted => "interrupted",
        }
    }
}
