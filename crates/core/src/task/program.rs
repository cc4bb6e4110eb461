//! Programs of the user's machine that tasks run.

use std::collections::BTreeMap;

use async_trait::async_trait;

use super::TaskFailure;
use crate::registry::HookOutput;

/// A program and how it runs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Program {
    /// The program (a path, or a name on the `PATH`) and its arguments.
    pub words: Vec<String>,
    /// Where it runs: relative to the directory of the config, which it is if it is not given.
    pub directory: Option<String>,
    /// Variables beyond those of the run.
    pub environment: BTreeMap<String, String>,
    /// Variables with credentials, which take the place of all that the run has.
    pub credentials: BTreeMap<String, String>,
    /// What it reads.
    pub input: Option<String>,
    /// Whether its output is returned instead of shown.
    pub capture: bool,
}

/// How a program ended.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ended {
    /// Its exit status; the negative number of the signal that ended it.
    pub status: i32,
    /// Its output, if it was to be returned.
    pub output: Option<String>,
    /// The last lines that it wrote.
    pub last: String,
}

/// Runs programs.
#[async_trait]
pub trait Programs: Send + Sync {
    /// Runs a program to its end; a status is no failure here.
    ///
    /// # Errors
    /// [`TaskFailure`] if it cannot be started.
    async fn run(&self, program: &Program, output: &dyn HookOutput) -> Result<Ended, TaskFailure>;
}
