//! What can be wrong with Python itself.

use std::process::ExitStatus;
use std::time::Duration;

use camino::Utf8PathBuf;
use runway_core::registry::HandlerFailure;
use thiserror::Error;

use super::{INTERPRETER_VARIABLE, OLDEST_PYTHON, TIMEOUT_VARIABLE, TRIED_RUNWAY};

/// Why there is no Python to ask.
#[derive(Debug, Clone, Error)]
pub(super) enum PythonProblem {
    #[error("Python was not found: {looked}")]
    NotFound { looked: String },

    #[error("Python {interpreter} cannot be started: {reason}")]
    NotStarted { interpreter: Utf8PathBuf, reason: String },

    #[error("Python {version} of {interpreter} is too old: {OLDEST_PYTHON} or newer is needed")]
    TooOld { interpreter: Utf8PathBuf, version: String },

    #[error("the Python package `{package}` is not installed for {interpreter}")]
    NoPackage { interpreter: String, package: String },

    #[error("Python {interpreter} ended before it was ready ({status})")]
    NotReady { interpreter: Utf8PathBuf, status: String, last: String },

    #[error("Python ended in the middle of {what} ({status})")]
    Ended { what: String, status: String, last: String },

    #[error("{what} took longer than {} and was stopped", seconds(*.limit))]
    TimedOut { what: String, limit: Duration, last: String },

    #[error("{what} was interrupted, and Python was stopped")]
    Interrupted { what: String },

    #[error("Python's answer to {what} cannot be understood: {reason}")]
    NotUnderstood { what: String, reason: String },
}

impl PythonProblem {
    fn help(&self) -> String {
        match self {
            Self::NotFound { .. } | Self::NotStarted { .. } | Self::TooOld { .. } => format!(
                "activate a virtual environment that has Runway installed, or name its interpreter in {INTERPRETER_VARIABLE}"
            ),
            Self::NoPackage { interpreter, package } => {
                let package = if package == "runway" { TRIED_RUNWAY } else { package };
                format!(
                    "run `{interpreter} -m pip install {package}`; or activate the virtual environment that has it, or \
                     name its interpreter in {INTERPRETER_VARIABLE}"
                )
            }
            Self::NotReady { interpreter, .. } => {
                format!("see whether `{interpreter} -c \"import runway.context\"` works")
            }
            Self::Ended { .. } => {
                "it crashed, was killed, or called os._exit(); its last lines are below; nothing else in Python runs in \
                 this run"
                    .to_owned()
            }
            Self::TimedOut { .. } => {
                format!("allow more seconds with {TIMEOUT_VARIABLE}; nothing else in Python runs in this run")
            }
            Self::Interrupted { .. } => "run the command again".to_owned(),
            Self::NotUnderstood { .. } => {
                "has user code closed or written to files it has not opened? Please report it otherwise".to_owned()
            }
        }
    }

    fn detail(&self) -> Option<String> {
        match self {
            Self::NotReady { last, .. } | Self::Ended { last, .. } | Self::TimedOut { last, .. } => {
                (!last.is_empty()).then(|| format!("Last lines from Python:\n{last}"))
            }
            _ => None,
        }
    }
}

impl From<PythonProblem> for HandlerFailure {
    fn from(problem: PythonProblem) -> Self {
        Self {
            message: problem.to_string(),
            help: Some(problem.help()),
            detail: problem.detail(),
            kind: None,
        }
    }
}

/// How a process ended, in words.
pub(super) fn status_words(status: Option<ExitStatus>) -> String {
    status.map_or_else(|| "it closed its output".to_owned(), |status| status.to_string())
}

fn seconds(limit: Duration) -> String {
    match limit.as_secs_f64() {
        whole if whole.fract() == 0.0 => format!("{whole} s"),
        part => format!("{part:.1} s"),
    }
}
