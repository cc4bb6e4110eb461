//! The lookups of CFNgin: those of the config's own world are answered here, the others by handlers outside core.

mod arguments;
mod hook_data;

use std::collections::BTreeSet;

use serde_json::Value;

use self::arguments::Arguments;
use super::resolve::{OutputValue, Scope, known};
use super::{Cause, Resolved};
use crate::ident::StackFqn;
use crate::provider::ErrorKind;
use crate::registry::LookupRequest;

/// Every lookup of CFNgin, but for those that start with `awslambda.`; and `task` and `place`, which CFNgin does not have.
pub const KNOWN: [&str; 19] = [
    "ami",
    "awslambda",
    "cfn",
    "default",
    "dynamodb",
    "ecr",
    "env",
    "envvar",
    "file",
    "hook_data",
    "kms",
    "output",
    "place",
    "random.string",
    "rxref",
    "split",
    "ssm",
    "task",
    "xref",
];

/// Lookups over the results of CFNgin's awslambda hooks, whose values only Python has.
pub const AWSLAMBDA: [&str; 11] = [
    "awslambda",
    "awslambda.Code",
    "awslambda.CodeSha256",
    "awslambda.CompatibleArchitectures",
    "awslambda.CompatibleRuntimes",
    "awslambda.Content",
    "awslambda.LicenseInfo",
    "awslambda.Runtime",
    "awslambda.S3Bucket",
    "awslambda.S3Key",
    "awslambda.S3ObjectVersion",
];

/// Whether CFNgin has a lookup of this name.
pub fn is_known(name: &str) -> bool {
    KNOWN.contains(&name) || AWSLAMBDA.contains(&name)
}

/// Why a lookup has no value.
#[derive(Debug)]
pub(super) struct Failure {
    pub(super) message: String,
    pub(super) help: Option<String>,
    pub(super) kind: Option<ErrorKind>,
}

impl Failure {
    fn new(message: String, help: impl Into<String>) -> Self {
        Self { message, help: Some(help.into()), kind: None }
    }
}

/// Nothing is known, and nothing that would have to happen first is known either.
fn unknown() -> Resolved {
    Resolved::Unknown { after: BTreeSet::new() }
}

/// Calls a lookup with its resolved query. `place` is where it stands in the config.
pub(super) fn call(name: &str, query: &str, place: usize, scope: &dyn Scope) -> Result<Resolved, Failure> {
    if scope.is_own(name) {
        return external((name, query, None), Arguments::default(), scope);
    }
    // CFNgin: a query may be the content of a file.
    if let Some(path) = query.strip_prefix("file://")
        && !matches!(name, "file" | "split" | "default" | "xref")
    {
        let content = ("file", format!("plain:file://{path}"));
        return match external((content.0, &content.1, None), Arguments::default(), scope)? {
            Resolved::Known { value: Value::String(text), .. } => answer(name, text.trim_end(), place, scope),
            other => Ok(other),
        };
    }
    answer(name, query, place, scope)
}

/// Answers a lookup whose query is not in a file.
fn answer(name: &str, query: &str, place: usize, scope: &dyn Scope) -> Result<Resolved, Failure> {
    match name {
        "output" => output(query, scope),
        "task" => task(query, scope),
        "place" => place_of(query, scope),
        "rxref" => {
            let (stack, output, arguments) = stack_and_output(query, &["region"])?;
            existing(&scope.fqn(stack), output, arguments, scope)
        }
        "cfn" => {
            let (stack, output, arguments) = stack_and_output(query, &["region"])?;
            existing(&StackFqn::new(stack), output, arguments, scope)
        }
        "xref" => match query.split_once("::") {
            Some((stack, output)) => existing(&StackFqn::new(stack), output, Arguments::default(), scope),
            None => Err(malformed(query, "full-stack-name::Output", "${xref prod-vpc::Id}")),
        },
        "default" => match query.split_once("::") {
            Some((parameter, fallback)) => match scope.parameter(parameter.trim()) {
                Some(value) => Ok(known(value)),
                None if !scope.knows_environment() => Ok(unknown()),
                None => Ok(known(Value::String(fallback.to_owned()))),
            },
            None => Err(malformed(query, "parameter::fallback", "${default size::small}")),
        },
        "env" => {
            let (name, arguments) = Arguments::split(query, &[])?;
            if name.trim().is_empty() {
                return Err(malformed(query, "VARIABLE", "${env HOME}"));
            }
            // CFNgin: an empty variable counts as missing.
            match scope.environment(name).filter(|value| !value.is_empty()) {
                Some(value) => arguments.apply(Value::String(value)).map(known),
                None if !scope.knows_environment() => Ok(unknown()),
                None => arguments.default_or(format!("the environment variable `{name}` is not set")),
            }
        }
        "envvar" => match scope.environment(query) {
            Some(value) => Ok(known(Value::String(value))),
            None if scope.knows_environment() => {
                let help = "set it, or use `env` with `::default=value`";
                Err(Failure::new(format!("the environment variable `{query}` is not set"), help))
            }
            None => Ok(unknown()),
        },
        // Of project files only.
        "var" => {
            let (name, arguments) = Arguments::split(query, &[])?;
            match scope.variable(name) {
                Some(value) => arguments.apply(value).map(known),
                None => arguments.default_or(format!("there is no variable `{name}`")),
            }
        }
        "split" => match query.split_once("::") {
            Some((delimiter, text)) if !delimiter.is_empty() => {
                Ok(known(text.split(delimiter).map(|item| Value::String(item.to_owned())).collect()))
            }
            _ => Err(malformed(query, "delimiter::text", "${split ,::a,b}")),
        },
        "hook_data" => hook_data::hook_data(query, scope),
        _ if AWSLAMBDA.contains(&name) => hook_data::awslambda(name, query, scope),
        "kms" | "ssm" | "ecr" => {
            let (query, arguments) = Arguments::split(query, &["region"])?;
            external((name, query.trim(), None), arguments, scope)
        }
        "random.string" => {
            let own = ["digits", "lowercase", "punctuation", "uppercase"];
            let (query, arguments) = Arguments::split(query, &own)?;
            external((name, query.trim(), Some(place)), arguments, scope)
        }
        // These have no common arguments; and what is not CFNgin's is one of the config's own, which reads its own.
        _ => external((name, query, None), Arguments::default(), scope),
    }
}

/// A lookup that is answered outside core.
fn external(
    (name, query, place): (&str, &str, Option<usize>),
    arguments: Arguments<'_>,
    scope: &dyn Scope,
) -> Result<Resolved, Failure> {
    let request = LookupRequest {
        name: name.to_owned(),
        query: query.to_owned(),
        arguments: arguments.own.clone(),
        place,
    };
    let upstream = scope.upstream();
    if request.is_volatile() && !upstream.is_empty() {
        return Ok(Resolved::Unknown { after: upstream });
    }
    match scope.fetched(&request) {
        None => Ok(unknown()),
        Some(Ok(fetched)) => {
            let value = arguments.apply(fetched.value)?;
            Ok(Resolved::Known { value, secret: fetched.secret })
        }
        // A hook may make what is missing now.
        Some(Err(failure)) if failure.missing && scope.awaits_hooks() => {
            Ok(Resolved::Unknown { after: BTreeSet::from([Cause::Hook(None)]) })
        }
        Some(Err(failure)) if failure.missing => arguments.default_or(failure.message),
        Some(Err(failure)) => {
            Err(Failure { message: failure.message, help: failure.help, kind: failure.kind })
        }
    }
}

fn output(query: &str, scope: &dyn Scope) -> Result<Resolved, Failure> {
    let (stack, output, arguments) = stack_and_output(query, &[])?;
    match scope.output(stack, output) {
        OutputValue::Known(value) => {
            let value = arguments.apply(Value::String(value))?;
            Ok(Resolved::Known { value, secret: scope.is_hidden(stack, output) })
        }
        OutputValue::Unknown(after) => Ok(Resolved::Unknown { after }),
        OutputValue::Missing(reason) => {
            arguments.default_or(format!("output `{stack}.{output}` is not available: {reason}"))
        }
        OutputValue::Withheld((why, help)) => {
            Err(Failure::new(format!("output `{stack}.{output}` is not available: {why}"), help))
        }
    }
}

/// An output of a task of this config.
fn task(query: &str, scope: &dyn Scope) -> Result<Resolved, Failure> {
    let (name, arguments) = Arguments::split(query, &[])?;
    let (task, output) = match name.split_once('.') {
        Some((task, output)) if !task.is_empty() && !output.is_empty() => (task.trim(), output.trim()),
        _ => return Err(malformed(query, "task.output", "${task event_bus/main.arn}")),
    };
    match scope.task_output(task, output) {
        OutputValue::Known(value) => {
            let value = arguments.apply(Value::String(value))?;
            Ok(Resolved::Known { value, secret: scope.is_hidden_task(task, output) })
        }
        OutputValue::Unknown(after) => Ok(Resolved::Unknown { after }),
        OutputValue::Missing(reason) => {
            arguments.default_or(format!("output `{output}` of task `{task}` is not available: {reason}"))
        }
        OutputValue::Withheld((why, help)) => {
            Err(Failure::new(format!("output `{output}` of task `{task}` is not available: {why}"), help))
        }
    }
}

/// The account or the region of what the value is for.
fn place_of(query: &str, scope: &dyn Scope) -> Result<Resolved, Failure> {
    let place = scope.place();
    let value = match query.trim() {
        "account" => place.account,
        "region" => place.region,
        _ => return Err(malformed(query, "account` or `region", "${place region}")),
    };
    Ok(value.map_or_else(unknown, |value| known(Value::String(value))))
}

/// An output of any stack that exists in the account, in the run's region or in the one that is named.
fn existing(
    fqn: &StackFqn,
    output: &str,
    arguments: Arguments<'_>,
    scope: &dyn Scope,
) -> Result<Resolved, Failure> {
    if !scope.knows_stacks() {
        return Ok(unknown());
    }
    let region = arguments.own.get("region");
    if scope.asks_for_stacks() || region.is_some_and(|region| scope.region().as_ref() != Some(region)) {
        let query = format!("{fqn}.{output}");
        return external(("cfn", &query, None), arguments, scope);
    }
    // CFNgin resolves values when the step's turn comes: `requires` says that this stack's comes first.
    if let Some(name) = scope.changing(fqn) {
        return Ok(Resolved::Unknown { after: BTreeSet::from([Cause::Stack(name)]) });
    }
    let missing = match scope.stack(fqn) {
        None => format!("stack `{fqn}` does not exist in this account and region"),
        Some(stack) => match stack.outputs.get(output) {
            Some(value) => {
                let value = arguments.apply(Value::String(value.clone()))?;
                return Ok(Resolved::Known { value, secret: scope.is_hidden(fqn.as_str(), output) });
            }
            None => format!("stack `{fqn}` has no output `{output}`"),
        },
    };
    if scope.awaits_hooks() {
        return Ok(Resolved::Unknown { after: BTreeSet::from([Cause::Hook(None)]) });
    }
    arguments.default_or(missing)
}

/// Splits `stack.Output::arguments`, or the old form `stack::Output`.
fn stack_and_output<'q>(query: &'q str, own: &[&str]) -> Result<(&'q str, &'q str, Arguments<'q>), Failure> {
    if let Some((stack, output)) = query.split_once("::")
        && !stack.contains('.')
        && !output.contains('=')
    {
        return Ok((stack.trim(), output.trim(), Arguments::default()));
    }
    let (name, arguments) = Arguments::split(query, own)?;
    match name.split_once('.') {
        Some((stack, output)) if !stack.is_empty() && !output.is_empty() && !output.contains('.') => {
            Ok((stack.trim(), output.trim(), arguments))
        }
        _ => Err(malformed(query, "stack.Output", "${output vpc.Id}")),
    }
}

/// A query that is not of the lookup's form.
fn malformed(query: &str, form: &str, example: &str) -> Failure {
    Failure::new(format!("`{query}` is not of the form `{form}`"), format!("write for example `{example}`"))
}
