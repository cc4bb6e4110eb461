//! The arguments of a hook, taken one by one. Values are never shown: they may be secrets.

use runway_core::registry::{HandlerFailure, HookCall};
use serde_json::{Map, Value};

use super::failed;

/// What is left of the arguments, and what was asked for.
pub(super) struct Arguments<'a> {
    path: &'a str,
    rest: Map<String, Value>,
    known: Vec<&'static str>,
}

impl<'a> Arguments<'a> {
    pub(super) fn new(call: &'a HookCall) -> Self {
        Self { path: &call.path, rest: call.args.clone(), known: Vec::new() }
    }

    /// An argument; null counts as left out.
    pub(super) fn value(&mut self, name: &'static str) -> Option<Value> {
        self.known.push(name);
        self.rest.remove(name).filter(|value| !value.is_null())
    }

    /// An argument that has a second spelling, that of the API.
    pub(super) fn either(&mut self, name: &'static str, alias: &'static str) -> Option<Value> {
        let first = self.value(name);
        let second = self.rest.remove(alias).filter(|value| !value.is_null());
        first.or(second)
    }

    /// A text; numbers count as text.
    pub(super) fn text(&mut self, name: &'static str) -> Result<Option<String>, HandlerFailure> {
        self.value(name).map(|value| self.as_text(name, value)).transpose()
    }

    /// A text that must be there.
    pub(super) fn required(&mut self, name: &'static str) -> Result<String, HandlerFailure> {
        let text = self.text(name)?.filter(|text| !text.is_empty());
        text.ok_or_else(|| self.missing(name))
    }

    /// A text of an argument with a second spelling.
    pub(super) fn either_text(
        &mut self,
        name: &'static str,
        alias: &'static str,
    ) -> Result<Option<String>, HandlerFailure> {
        self.either(name, alias).map(|value| self.as_text(name, value)).transpose()
    }

    /// A list of texts; one text counts as a list of it.
    pub(super) fn texts(&mut self, name: &'static str) -> Result<Option<Vec<String>>, HandlerFailure> {
        match self.value(name) {
            None => Ok(None),
            Some(Value::Array(items)) => {
                items.into_iter().map(|item| self.as_text(name, item)).collect::<Result<_, _>>().map(Some)
            }
            Some(one) => Ok(Some(vec![self.as_text(name, one)?])),
        }
    }

    /// A map of texts.
    pub(super) fn text_map(&mut self, name: &'static str) -> Result<Vec<(String, String)>, HandlerFailure> {
        match self.value(name) {
            None => Ok(Vec::new()),
            Some(Value::Object(entries)) => {
                entries.into_iter().map(|(key, value)| Ok((key, self.as_text(name, value)?))).collect()
            }
            Some(_) => Err(self.wrong(name, "a map of texts")),
        }
    }

    /// Yes or no, with the words that Runway takes for them.
    pub(super) fn flag(
        &self,
        name: &str,
        value: Option<Value>,
        default: bool,
    ) -> Result<bool, HandlerFailure> {
        let word = match value {
            None => return Ok(default),
            Some(Value::Bool(flag)) => return Ok(flag),
            Some(Value::String(word)) => word.to_lowercase(),
            Some(Value::Number(number)) => number.to_string(),
            Some(_) => String::new(),
        };
        match word.as_str() {
            "true" | "t" | "yes" | "y" | "on" | "1" => Ok(true),
            "false" | "f" | "no" | "n" | "off" | "0" => Ok(false),
            _ => Err(self.wrong(name, "true or false")),
        }
    }

    /// A whole number that is not negative.
    pub(super) fn number(&mut self, name: &'static str, default: u64) -> Result<u64, HandlerFailure> {
        let number = match self.value(name) {
            None => return Ok(default),
            Some(Value::String(text)) => text.trim().parse().ok(),
            Some(other) => other.as_u64(),
        };
        number.ok_or_else(|| self.wrong(name, "a whole number"))
    }

    /// Refuses what nobody asked for.
    pub(super) fn finish(mut self) -> Result<(), HandlerFailure> {
        let Some(unknown) = self.rest.keys().next() else { return Ok(()) };
        self.known.sort_unstable();
        Err(failed(
            format!("the hook `{}` has no argument `{unknown}`", self.path),
            format!("its arguments are {}", self.known.join(", ")),
        ))
    }

    pub(super) fn missing(&self, name: &str) -> HandlerFailure {
        failed(
            format!("the hook `{}` needs the argument `{name}`", self.path),
            format!("add `{name}` to its `args`"),
        )
    }

    pub(super) fn wrong(&self, name: &str, wanted: &str) -> HandlerFailure {
        failed(
            format!("the argument `{name}` of the hook `{}` is not {wanted}", self.path),
            format!("make it {wanted}"),
        )
    }

    pub(super) fn as_text(&self, name: &str, value: Value) -> Result<String, HandlerFailure> {
        match value {
            Value::String(text) => Ok(text),
            Value::Number(number) => Ok(number.to_string()),
            _ => Err(self.wrong(name, "a text")),
        }
    }
}
