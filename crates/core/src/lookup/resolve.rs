//! Resolution of lookups against what is known: pure, so that plan and deploy share it.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::{Cause, Expression, LookupCall, Part, Resolved, VariableValue, handlers};
use crate::ident::{NodeName, StackFqn};
use crate::provider::{ErrorKind, StackState};
use crate::registry::{Fetched, LookupFailure, LookupRequest};
use crate::task::TaskPlace;

/// What an `output` lookup finds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OutputValue {
    /// The value.
    Known(String),
    /// Known only after something else has happened.
    Unknown(BTreeSet<Cause>),
    /// There is no such output; the reason completes the sentence "output `x.Y` is not available: ...".
    Missing(String),
    /// There is one, and it is not given: why, as above, and what to do. A default is no answer to that.
    Withheld((&'static str, &'static str)),
}

/// What is known of the results of hooks.
#[derive(Debug, Clone, PartialEq)]
pub enum HookData {
    /// The hooks have run.
    Known {
        /// Results by `data_key`.
        results: Map<String, Value>,
        /// Keys of results that must not be shown, because the hook was given a secret.
        hidden: BTreeSet<String>,
    },
    /// They have not.
    Expected {
        /// The data keys that the hooks before the run will give.
        keys: BTreeSet<String>,
        /// Whether they may give others, too.
        more: bool,
    },
}

/// What lookups may ask.
pub trait Scope {
    /// An output of a stack of this config. `stack` is as written: a short name or an fqn.
    fn output(&self, stack: &str, output: &str) -> OutputValue;
    /// Whether an output of a stack of this config must not be shown. `stack` is as written.
    fn is_hidden(&self, _stack: &str, _output: &str) -> bool {
        false
    }
    /// An output of a task of this config. `task` is as written.
    fn task_output(&self, _task: &str, _output: &str) -> OutputValue {
        OutputValue::Missing("there are no tasks here".to_owned())
    }
    /// Whether an output of a task of this config must not be shown. `task` is as written.
    fn is_hidden_task(&self, _task: &str, _output: &str) -> bool {
        false
    }
    /// Account and region of what is resolved, as far as they are known.
    fn place(&self) -> TaskPlace {
        TaskPlace::default()
    }
    /// Whether what a value waits for may turn out to be a secret.
    fn may_hide(&self, _after: &BTreeSet<Cause>) -> bool {
        false
    }
    /// The stack of this config that has this name in CloudFormation, if its step has yet to create or change it.
    fn changing(&self, _fqn: &StackFqn) -> Option<NodeName> {
        None
    }
    /// Any existing stack of the account and region.
    fn stack(&self, fqn: &StackFqn) -> Option<&StackState>;
    /// The fqn of a short name.
    fn fqn(&self, name: &str) -> StackFqn;
    /// An environment variable of the run.
    fn environment(&self, name: &str) -> Option<String>;
    /// A parameter of the run (environment file or `--param`), with its type.
    fn parameter(&self, name: &str) -> Option<Value>;
    /// A variable of a project file, by its path.
    fn variable(&self, _query: &str) -> Option<Value> {
        None
    }
    /// Whether outputs of existing stacks are fetched like answers of other services, because stacks are not looked at.
    fn asks_for_stacks(&self) -> bool {
        false
    }
    /// Whether existing stacks are known. If not, one that is absent is unknown, not missing: so a config is checked
    /// before anything is looked at.
    fn knows_stacks(&self) -> bool {
        true
    }
    /// Whether environment variables and parameters are known, in the same sense.
    fn knows_environment(&self) -> bool {
        true
    }
    /// Whether the config defines a lookup of this name itself: then it comes before the one that is built in (CFNgin).
    fn is_own(&self, _lookup: &str) -> bool {
        false
    }
    /// The run's region; `None` if it is not known.
    fn region(&self) -> Option<String>;
    /// The answer to a request, or `None` if it has not been made.
    fn fetched(&self, request: &LookupRequest) -> Option<Result<Fetched, LookupFailure>>;
    /// Results of hooks.
    fn hook_data(&self) -> HookData;
    /// Whether hooks that may make what is missing now have yet to run.
    fn awaits_hooks(&self) -> bool;
    /// Stacks that come before the one whose values are resolved and have yet to change: what a service says may be
    /// another thing after them.
    fn upstream(&self) -> BTreeSet<Cause> {
        BTreeSet::new()
    }
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
    /// What kind of call failed, if it was a call to a service.
    pub kind: Option<ErrorKind>,
}

/// Resolves a variable's value. Anything unknown in it makes the whole value unknown.
///
/// # Errors
/// [`LookupError`] for the first lookup that has no value and no default.
pub fn resolve(value: &VariableValue, scope: &dyn Scope) -> Result<Resolved, LookupError> {
    match value {
        VariableValue::Null => Ok(known(Value::Null)),
        VariableValue::Bool(value) => Ok(known(Value::Bool(*value))),
        VariableValue::Number(value) => Ok(known(Value::Number(value.clone()))),
        VariableValue::Text(text) => Ok(known(Value::String(text.clone()))),
        VariableValue::Expression(expression) => resolve_expression(expression, scope),
        VariableValue::List(items) => {
            let items = items.iter().map(|item| resolve(item, scope)).collect::<Result<Vec<_>, _>>()?;
            Ok(combine(items, Value::Array))
        }
        VariableValue::Map(entries) => {
            let values =
                entries.values().map(|value| resolve(value, scope)).collect::<Result<Vec<_>, _>>()?;
            let names = entries.keys().cloned();
            Ok(combine(values, |values| Value::Object(names.zip(values).collect())))
        }
    }
}

/// A value that is known and may be shown.
pub(super) fn known(value: Value) -> Resolved {
    Resolved::Known { value, secret: false }
}

/// Combines parts: unknown if any is, secret if any is.
fn combine(parts: Vec<Resolved>, build: impl FnOnce(Vec<Value>) -> Value) -> Resolved {
    let mut after = BTreeSet::new();
    let mut values = Vec::with_capacity(parts.len());
    let (mut any_secret, mut all_known) = (false, true);
    for part in parts {
        match part {
            Resolved::Known { value, secret } => {
                values.push(value);
                any_secret |= secret;
            }
            Resolved::Unknown { after: stacks } => {
                after.extend(stacks);
                all_known = false;
            }
        }
    }
    if all_known {
        Resolved::Known { value: build(values), secret: any_secret }
    } else {
        Resolved::Unknown { after }
    }
}

/// A string that is exactly one lookup has that lookup's type; otherwise every part must be text or an integer.
pub(super) fn resolve_expression(
    expression: &Expression,
    scope: &dyn Scope,
) -> Result<Resolved, LookupError> {
    if let [Part::Lookup(call)] = expression.parts.as_slice() {
        return resolve_call(call, scope);
    }
    let mut parts = Vec::with_capacity(expression.parts.len());
    for part in &expression.parts {
        parts.push(match part {
            Part::Literal(text) => known(Value::String(text.clone())),
            Part::Lookup(call) => match resolve_call(call, scope)? {
                Resolved::Known { value, secret } => {
                    Resolved::Known { value: concatenable(call, value, expression)?, secret }
                }
                unknown => unknown,
            },
        });
    }
    Ok(combine(parts, |values| {
        Value::String(values.iter().map(|value| value.as_str().unwrap_or_default()).collect())
    }))
}

fn concatenable(call: &LookupCall, value: Value, whole: &Expression) -> Result<Value, LookupError> {
    let kind = match value {
        Value::String(_) => return Ok(value),
        Value::Number(number) if !number.is_f64() => return Ok(Value::String(number.to_string())),
        Value::Number(_) => "a fraction",
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Array(_) => "a list",
        Value::Object(_) => "a map",
    };
    Err(LookupError {
        lookup: written(call),
        message: format!(
            "`{}` gives {kind}, which cannot be part of the text \"{}\"",
            written(call),
            whole.source
        ),
        help: Some(
            "text can be put together from text and whole numbers; `transform=str` turns others into text"
                .into(),
        ),
        kind: None,
    })
}

fn resolve_call(call: &LookupCall, scope: &dyn Scope) -> Result<Resolved, LookupError> {
    let query = match resolve_expression(&call.query, scope)? {
        Resolved::Known { value: Value::String(query), secret } => (query, secret),
        Resolved::Known { value: Value::Number(number), secret } => (number.to_string(), secret),
        Resolved::Known { value, secret } if call.query.parts.is_empty() => {
            (value.as_str().unwrap_or_default().into(), secret)
        }
        Resolved::Known { .. } => {
            return Err(LookupError {
                lookup: written(call),
                message: format!("the query of `{}` is neither text nor a number", written(call)),
                help: Some(
                    "lookups inside a query must give text; `transform=str` turns others into text".into(),
                ),
                kind: None,
            });
        }
        unknown @ Resolved::Unknown { .. } => return Ok(unknown),
    };
    let (query, query_is_secret) = query;
    let fail = |failure: handlers::Failure| match query_is_secret {
        false => LookupError {
            lookup: written(call),
            message: failure.message,
            help: failure.help,
            kind: failure.kind,
        },
        // What went wrong may quote the query.
        true => LookupError {
            lookup: written(call),
            message: format!("`{}` has no value", written(call)),
            help: None,
            kind: failure.kind,
        },
    };
    match handlers::call(&call.name, &query, call.span.start, scope).map_err(fail)? {
        Resolved::Known { value, secret } => Ok(Resolved::Known { value, secret: secret || query_is_secret }),
        unknown => Ok(unknown),
    }
}

/// The lookup as it stands in the config.
pub(super) fn written(call: &LookupCall) -> String {
    format!("${{{} {}}}", call.name, call.query.source)
}

#[cfg(test)]
mod tests;
