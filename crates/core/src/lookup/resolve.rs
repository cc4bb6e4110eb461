//! Resolution of lookups against what is known: pure, so that plan and deploy share it.

use std::collections::BTreeSet;

use super::{Resolved, VariableValue};
use crate::ident::{StackFqn, StackName};
use crate::provider::StackState;

/// What an `output` lookup finds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OutputValue {
    /// The value.
    Known(String),
    /// Known only after these stacks are deployed.
    Unknown(BTreeSet<StackName>),
    /// There is no such output; the reason completes the sentence "output `x.Y` is not available: ...".
    Missing(String),
}

/// What lookups may ask.
pub trait Scope {
    /// An output of a stack of this config. `stack` is as written: a short name or an fqn.
    fn output(&self, stack: &str, output: &str) -> OutputValue;
    /// Any existing stack of the account and region.
    fn stack(&self, fqn: &StackFqn) -> Option<&StackState>;
    /// The fqn of a short name.
    fn fqn(&self, name: &str) -> StackFqn;
    /// An environment variable of the run.
    fn environment(&self, name: &str) -> Option<String>;
    /// A parameter of the run (environment file or `--param`), with its type.
    fn parameter(&self, name: &str) -> Option<serde_json::Value>;
}

/// Why a lookup has no value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct LookupError {
    /// The innermost lookup that failed, as written.
    pub lookup: String,
    /// One sentence.
    pub message: String,
    /// What to do.
    pub help: Option<String>,
}

/// Resolves a variable's value. Anything unknown in it makes the whole value unknown.
///
/// # Errors
/// [`LookupError`] for the first lookup that has no value and no default.
pub fn resolve(value: &VariableValue, scope: &dyn Scope) -> Result<Resolved, LookupError> {
    let _ = (value, scope);
    unimplemented!("written next")
}
