//! The lookups this version knows, and the arguments they share.

use std::collections::BTreeSet;

use serde_json::Value;

use super::Resolved;
use super::parse::split_arguments;
use super::resolve::{OutputValue, Scope, known};
use crate::ident::StackFqn;
use crate::yaml::{Node, resolve as yaml};

/// Lookups this version resolves.
pub const KNOWN: [&str; 8] = ["cfn", "default", "env", "envvar", "output", "rxref", "split", "xref"];

/// Lookups of CFNgin that this version does not resolve; besides them those that start with `awslambda.`.
pub const NOT_YET: [&str; 9] =
    ["ami", "awslambda", "dynamodb", "ecr", "file", "hook_data", "kms", "random.string", "ssm"];

/// Whether a name is one of the lookups of CFNgin that this version does not resolve.
pub fn is_not_yet(name: &str) -> bool {
    NOT_YET.contains(&name) || name.starts_with("awslambda.")
}

/// What to do if `load` fails.
const LOAD: &str = "correct the value where it comes from, or leave `load` out";

/// Message and remedy of a lookup that has no value.
type Failure = (String, Option<String>);

/// Calls a lookup with its resolved query.
pub(super) fn call(name: &str, query: &str, scope: &dyn Scope) -> Result<Resolved, Failure> {
    match name {
        "output" => output(query, scope),
        "rxref" => {
            let (stack, rest) = stack_and_output(query)?;
            existing(&scope.fqn(stack), rest, scope)
        }
        "cfn" => {
            let (stack, rest) = stack_and_output(query)?;
            existing(&StackFqn::new(stack), rest, scope)
        }
        "xref" => match query.split_once("::") {
            Some((stack, output)) => existing(&StackFqn::new(stack), (output, Arguments::default()), scope),
            None => Err(malformed(query, "full-stack-name::Output", "${xref prod-vpc::Id}")),
        },
        "default" => match query.split_once("::") {
            Some((parameter, fallback)) => match scope.parameter(parameter.trim()) {
                Some(value) => Ok(known(value)),
                None if !scope.knows_environment() => Ok(Resolved::Unknown { after: BTreeSet::new() }),
                None => Ok(known(Value::String(fallback.to_owned()))),
            },
            None => Err(malformed(query, "parameter::fallback", "${default size::small}")),
        },
        "env" => {
            let (name, arguments) = arguments(query)?;
            if name.trim().is_empty() {
                return Err(malformed(query, "VARIABLE", "${env HOME}"));
            }
            // CFNgin: an empty variable counts as missing.
            match scope.environment(name).filter(|value| !value.is_empty()) {
                Some(value) => arguments.apply(Value::String(value)).map(known),
                None if !scope.knows_environment() => Ok(Resolved::Unknown { after: BTreeSet::new() }),
                None => arguments.default_or(format!("the environment variable `{name}` is not set")),
            }
        }
        "envvar" => match scope.environment(query) {
            Some(value) => Ok(known(Value::String(value))),
            None if scope.knows_environment() => {
                let help = "set it, or use `env` with `::default=value`".to_owned();
                Err((format!("the environment variable `{query}` is not set"), Some(help)))
            }
            None => Ok(Resolved::Unknown { after: BTreeSet::new() }),
        },
        // Of project files only.
        "var" => {
            let (name, arguments) = arguments(query)?;
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
        _ => Err((format!("there is no lookup `{name}`"), Some(format!("known are {}", KNOWN.join(", "))))),
    }
}

fn output(query: &str, scope: &dyn Scope) -> Result<Resolved, Failure> {
    let (stack, (output, arguments)) = stack_and_output(query)?;
    match scope.output(stack, output) {
        OutputValue::Known(value) => arguments.apply(Value::String(value)).map(known),
        OutputValue::Unknown(after) => Ok(Resolved::Unknown { after }),
        OutputValue::Missing(reason) => {
            arguments.default_or(format!("output `{stack}.{output}` is not available: {reason}"))
        }
    }
}

/// An output of any stack that exists in the account and region.
fn existing(
    fqn: &StackFqn,
    (output, arguments): (&str, Arguments<'_>),
    scope: &dyn Scope,
) -> Result<Resolved, Failure> {
    if !scope.knows_stacks() {
        return Ok(Resolved::Unknown { after: BTreeSet::new() });
    }
    let Some(stack) = scope.stack(fqn) else {
        return arguments.default_or(format!("stack `{fqn}` does not exist in this account and region"));
    };
    match stack.outputs.get(output) {
        Some(value) => arguments.apply(Value::String(value.clone())).map(known),
        None => arguments.default_or(format!("stack `{fqn}` has no output `{output}`")),
    }
}

/// Splits `stack.Output::arguments`, or the old form `stack::Output`.
fn stack_and_output(query: &str) -> Result<(&str, (&str, Arguments<'_>)), Failure> {
    if let Some((stack, output)) = query.split_once("::")
        && !stack.contains('.')
        && !output.contains('=')
    {
        return Ok((stack.trim(), (output.trim(), Arguments::default())));
    }
    let (name, arguments) = arguments(query)?;
    match name.split_once('.') {
        Some((stack, output)) if !stack.is_empty() && !output.is_empty() && !output.contains('.') => {
            Ok((stack.trim(), (output.trim(), arguments)))
        }
        _ => Err(malformed(query, "stack.Output", "${output vpc.Id}")),
    }
}

/// A query that is not of the lookup's form.
fn malformed(query: &str, form: &str, example: &str) -> Failure {
    (format!("`{query}` is not of the form `{form}`"), Some(format!("write for example `{example}`")))
}

/// The arguments that several lookups share.
#[derive(Debug, Default, Clone, Copy)]
struct Arguments<'q> {
    default: Option<&'q str>,
    load: Option<&'q str>,
    get: Option<&'q str>,
    transform: Option<&'q str>,
}

fn arguments(query: &str) -> Result<(&str, Arguments<'_>), Failure> {
    let (name, given) = split_arguments(query).map_err(|argument| {
        let help = "arguments follow `::` and are separated by commas: `::default=x,transform=str`";
        (format!("the argument `{argument}` is not of the form `name=value`"), Some(help.to_owned()))
    })?;
    let mut arguments = Arguments::default();
    for (argument, value) in given {
        match argument {
            "default" => arguments.default = Some(value),
            "load" => arguments.load = Some(value),
            "get" => arguments.get = Some(value),
            "transform" => arguments.transform = Some(value),
            "indent" => {}
            "region" => {
                let help = "this version reads stacks of the run's own region".to_owned();
                return Err((
                    "the argument `region` is not supported by this version".to_owned(),
                    Some(help),
                ));
            }
            other => {
                let help = "known are default, load, get, transform and indent".to_owned();
                return Err((format!("there is no lookup argument `{other}`"), Some(help)));
            }
        }
    }
    Ok((name, arguments))
}

impl Arguments<'_> {
    /// The default, or the failure.
    fn default_or(self, message: String) -> Result<Resolved, Failure> {
        match self.default {
            // CFNgin does not `load` a default.
            Some(default) => Self { load: None, ..self }.apply(Value::String(default.to_owned())).map(known),
            None => Err((message, Some("`::default=value` gives a value for this case".to_owned()))),
        }
    }

    /// Applies load, get and transform in CFNgin's order.
    fn apply(self, value: Value) -> Result<Value, Failure> {
        let value = match self.load {
            None => value,
            Some("json") => serde_json::from_str(value.as_str().unwrap_or_default())
                .map_err(|error| (format!("the value is not JSON: {error}"), Some(LOAD.to_owned())))?,
            Some("yaml") => {
                let (mut node, mut errors) = Node::parse(value.as_str().unwrap_or_default());
                errors.extend(node.as_mut().map(Node::apply_tags).unwrap_or_default());
                match errors.first() {
                    None => node.as_ref().map_or(Value::Null, yaml::value),
                    // The error may quote the value, which may be a secret.
                    Some(_) => return Err(("the value is not YAML".to_owned(), Some(LOAD.to_owned()))),
                }
            }
            Some(other) => {
                let help = "use `load=json` or `load=yaml`".to_owned();
                return Err((format!("`load={other}` is not supported"), Some(help)));
            }
        };
        let value = match self.get {
            None => value,
            Some(path) => path.split('.').try_fold(value, |value, key| match value {
                Value::Object(mut entries) => Ok(entries.swap_remove(key).unwrap_or(Value::Null)),
                _ => {
                    let help = "`load=json` or `load=yaml` makes a map of a text".to_owned();
                    Err((format!("`get={path}` needs a map"), Some(help)))
                }
            })?,
        };
        let value = match value {
            Value::String(text)
                if self.transform != Some("str")
                    && matches!(text.to_lowercase().as_str(), "none" | "null") =>
            {
                Value::Null
            }
            value => value,
        };
        match (self.transform, value) {
            (None, value)
            | (Some("str"), value @ Value::String(_))
            | (Some("bool"), value @ Value::Bool(_)) => Ok(value),
            (Some("bool"), Value::String(text)) => {
                let truth = ["yes", "true", "t", "1", "on", "y"];
                Ok(Value::Bool(truth.contains(&text.to_lowercase().as_str())))
            }
            (Some("str"), Value::Array(items)) => items
                .into_iter()
                .map(|item| match item {
                    Value::String(text) => Ok(text),
                    _ => {
                        let help = "leave `transform` out, or make the items texts".to_owned();
                        Err(("`transform=str` joins lists of text only".to_owned(), Some(help)))
                    }
                })
                .collect::<Result<Vec<_>, _>>()
                .map(|items| Value::String(items.join(","))),
            (Some("str"), Value::Bool(value)) => {
                Ok(Value::String(if value { "\"True\"" } else { "\"False\"" }.to_owned()))
            }
            (Some("str"), Value::Object(entries)) => {
                Ok(Value::String(Value::String(Value::Object(entries).to_string()).to_string()))
            }
            (Some("str"), value) => Ok(Value::String(value.to_string())),
            (Some(other), _) => {
                let help =
                    "`transform=str` makes text of anything, `transform=bool` a boolean of text".to_owned();
                Err((format!("`transform={other}` does not apply to this value"), Some(help)))
            }
        }
    }
}
