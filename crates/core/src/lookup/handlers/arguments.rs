//! The arguments that lookups share: `default`, `load`, `get`, `transform`, `delimiter`, `indent`.

use std::collections::BTreeMap;

use serde_json::Value;

use super::Failure;
use crate::lookup::Resolved;
use crate::lookup::parse::split_arguments;
use crate::lookup::resolve::known;
use crate::python;
use crate::registry::PYTHON_VALUE;
use crate::yaml::{Node, resolve as yaml};

/// What to do if `load` fails.
const LOAD: &str = "correct the value where it comes from, or leave `load` out";

/// The arguments of one lookup.
#[derive(Debug, Default, Clone)]
pub(super) struct Arguments<'q> {
    default: Option<&'q str>,
    load: Option<&'q str>,
    get: Option<&'q str>,
    transform: Option<&'q str>,
    delimiter: Option<&'q str>,
    indent: usize,
    /// Those that only some lookups have.
    pub(super) own: BTreeMap<String, String>,
}

impl<'q> Arguments<'q> {
    /// Splits a query from its arguments. `own` are the lookup's own ones.
    pub(super) fn split(query: &'q str, own: &[&str]) -> Result<(&'q str, Self), Failure> {
        let (name, given) = split_arguments(query).map_err(|argument| {
            let help = "arguments follow `::` and are separated by commas: `::default=x,transform=str`";
            Failure::new(format!("the argument `{argument}` is not of the form `name=value`"), help)
        })?;
        let mut arguments = Self::default();
        for (argument, value) in given {
            match argument {
                "default" => arguments.default = Some(value),
                "load" => arguments.load = Some(value),
                "get" => arguments.get = Some(value),
                "transform" => arguments.transform = Some(value),
                "delimiter" => arguments.delimiter = Some(value),
                "indent" => {
                    let wrong = || {
                        let message = format!("`indent={value}` is not a number of spaces");
                        Failure::new(message, "write a whole number, for example `indent=2`")
                    };
                    arguments.indent =
                        value.parse().ok().filter(|spaces| *spaces <= 100).ok_or_else(wrong)?;
                }
                own_name if own.contains(&own_name) => {
                    drop(arguments.own.insert(own_name.to_owned(), value.to_owned()));
                }
                other => {
                    let mut known = vec!["default", "load", "get", "transform", "delimiter", "indent"];
                    known.extend(own);
                    let help = format!("known are {}", known.join(", "));
                    return Err(Failure::new(format!("there is no lookup argument `{other}`"), help));
                }
            }
        }
        Ok((name, arguments))
    }

    /// `get` of an object of Python reads its properties (CFNgin).
    pub(super) fn loading_objects(self) -> Self {
        let load = self.load.or(self.get.map(|_| "troposphere"));
        Self { load, ..self }
    }

    /// The default, or the failure.
    pub(super) fn default_or(self, message: String) -> Result<Resolved, Failure> {
        match self.default {
            // CFNgin does not `load` a default.
            Some(default) => Self { load: None, ..self }.apply(Value::String(default.to_owned())).map(known),
            None => Err(Failure::new(message, "`::default=value` gives a value for this case")),
        }
    }

    /// Applies load, get and transform in CFNgin's order.
    pub(super) fn apply(self, value: Value) -> Result<Value, Failure> {
        let value = self.loaded(value)?;
        let value = match self.get {
            None => value,
            Some(path) => got(value, path)?,
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
        match self.transform {
            None => Ok(value),
            Some("bool") => as_boolean(value),
            Some("str") => self.as_text(value).map(Value::String),
            Some(other) => {
                let help = "`transform=str` makes text of anything, `transform=bool` a boolean of text";
                Err(Failure::new(format!("there is no `transform={other}`"), help))
            }
        }
    }

    fn loaded(&self, value: Value) -> Result<Value, Failure> {
        let Some(format) = self.load else { return Ok(value) };
        let text = value.as_str();
        match (format, text) {
            ("json", Some(text)) => serde_json::from_str(text)
                // The error may quote the value, which may be a secret.
                .map_err(|_| Failure::new("the value is not JSON".to_owned(), LOAD)),
            ("yaml", Some(text)) => {
                let (mut node, mut errors) = Node::parse(text);
                errors.extend(node.as_mut().map(Node::apply_tags).unwrap_or_default());
                match errors.first() {
                    None => Ok(node.as_ref().map_or(Value::Null, yaml::value)),
                    Some(_) => Err(Failure::new("the value is not YAML".to_owned(), LOAD)),
                }
            }
            ("json" | "yaml", None) => {
                let help = format!("leave `load={format}` out: only text can be loaded");
                Err(Failure::new(format!("`load={format}` needs text"), help))
            }
            // Objects of Python come with their properties.
            ("troposphere", _) if value.get(PYTHON_VALUE).is_some() => {
                let properties = value.get("properties").cloned();
                properties.ok_or_else(|| {
                    let help = "`load=troposphere` reads the properties of troposphere objects only";
                    Failure::new("the value has no properties".to_owned(), help)
                })
            }
            ("troposphere", _) => {
                let help = "leave it out; it is for results of hooks that are troposphere objects";
                Err(Failure::new("`load=troposphere` needs a troposphere object".to_owned(), help))
            }
            (other, _) => {
                let help = "use `load=json`, `load=yaml` or `load=troposphere`";
                Err(Failure::new(format!("there is no `load={other}`"), help))
            }
        }
    }

    /// `transform=str`, as Python's `str()` and `json.dumps()` write it.
    fn as_text(&self, value: Value) -> Result<String, Failure> {
        match value {
            Value::String(text) => Ok(text),
            Value::Array(items) => {
                let texts = items.into_iter().map(|item| match item {
                    Value::String(text) => Ok(text),
                    _ => {
                        let help = "leave `transform` out, or make the items texts";
                        Err(Failure::new("`transform=str` joins lists of text only".to_owned(), help))
                    }
                });
                Ok(texts.collect::<Result<Vec<_>, _>>()?.join(self.delimiter.unwrap_or(",")))
            }
            Value::Bool(value) => Ok(if value { "\"True\"" } else { "\"False\"" }.to_owned()),
            // CFNgin dumps a map twice: an escaped text of JSON.
            Value::Object(_) => {
                let once = python::json(&value, Some(self.indent));
                Ok(python::json(&Value::String(once), None))
            }
            Value::Null => Ok("None".to_owned()),
            Value::Number(number) => Ok(number.to_string()),
        }
    }
}

/// The value at a dotted path of maps; null where there is none (CFNgin).
fn got(value: Value, path: &str) -> Result<Value, Failure> {
    path.split('.').try_fold(value, |value, key| match value {
        Value::Object(mut entries) => Ok(entries.swap_remove(key).unwrap_or(Value::Null)),
        _ => {
            let help = "`load=json` or `load=yaml` makes a map of a text";
            Err(Failure::new(format!("`get={path}` needs a map"), help))
        }
    })
}

fn as_boolean(value: Value) -> Result<Value, Failure> {
    match value {
        Value::Bool(_) => Ok(value),
        Value::String(text) => {
            let truth = ["yes", "true", "t", "1", "on", "y"];
            Ok(Value::Bool(truth.contains(&text.to_lowercase().as_str())))
        }
        _ => {
            let help = "only text and booleans can become a boolean";
            Err(Failure::new("`transform=bool` does not apply to this value".to_owned(), help))
        }
    }
}
