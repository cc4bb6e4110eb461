//! Reads the arguments of a hook, with Runway's rules for their types.

use std::collections::BTreeMap;

use runway_core::registry::HandlerFailure;
use serde_json::{Map, Value};

use super::wrong;

/// The arguments of a hook, or a map in them. Each is taken out as it is read, so that what is left is unknown.
#[derive(Debug)]
pub(super) struct Arguments {
    /// `args`, or for a map in them a name such as `args.docker`.
    place: String,
    rest: Map<String, Value>,
}

impl Arguments {
    pub(super) fn new(args: &Map<String, Value>) -> Self {
        Self { place: "args".to_owned(), rest: args.clone() }
    }

    fn take(&mut self, name: &str) -> Option<Value> {
        self.rest.remove(name).filter(|value| !value.is_null())
    }

    fn mistake(&self, name: &str, expected: &str) -> HandlerFailure {
        // The value itself is not shown: it may be a secret.
        wrong(
            format!("`{}.{name}` must be {expected}", self.place),
            format!("correct `{name}` in the hook's `args`"),
        )
    }

    /// A text; numbers count as such.
    pub(super) fn text(&mut self, name: &str) -> Result<Option<String>, HandlerFailure> {
        match self.take(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(Value::Number(number)) => Ok(Some(number.to_string())),
            Some(_) => Err(self.mistake(name, "a text")),
        }
    }

    /// A text that must be there.
    pub(super) fn required_text(&mut self, name: &str) -> Result<String, HandlerFailure> {
        self.text(name)?.ok_or_else(|| {
            wrong(
                format!("`{}.{name}` is missing", self.place),
                format!("give the hook a `{name}` in its `args`"),
            )
        })
    }

    /// A truth value, also in the words that Runway takes for one.
    pub(super) fn flag(&mut self, name: &str, default: bool) -> Result<bool, HandlerFailure> {
        let words = match self.take(name) {
            None => return Ok(default),
            Some(Value::Bool(flag)) => return Ok(flag),
            Some(Value::String(words)) => words.to_lowercase(),
            Some(Value::Number(number)) => number.to_string(),
            Some(_) => String::new(),
        };
        match words.as_str() {
            "true" | "t" | "yes" | "y" | "on" | "1" => Ok(true),
            "false" | "f" | "no" | "n" | "off" | "0" => Ok(false),
            _ => Err(self.mistake(name, "true or false")),
        }
    }

    /// A list of texts, `None` if it is not there.
    pub(super) fn texts(&mut self, name: &str) -> Result<Option<Vec<String>>, HandlerFailure> {
        let Some(value) = self.take(name) else { return Ok(None) };
        let items = match value {
            Value::Array(items) => items,
            _ => return Err(self.mistake(name, "a list of texts")),
        };
        let texts = items.into_iter().map(|item| match item {
            Value::String(text) => Some(text),
            Value::Number(number) => Some(number.to_string()),
            _ => None,
        });
        texts.collect::<Option<_>>().map(Some).ok_or_else(|| self.mistake(name, "a list of texts"))
    }

    /// A text or a list of texts.
    pub(super) fn text_or_texts(
        &mut self,
        name: &str,
    ) -> Result<Result<String, Vec<String>>, HandlerFailure> {
        match self.rest.get(name) {
            Some(Value::String(_)) => self.required_text(name).map(Ok),
            Some(Value::Array(_)) => Ok(Err(self.texts(name)?.unwrap_or_default())),
            Some(_) => Err(self.mistake(name, "a text or a list of texts")),
            None => self.required_text(name).map(Ok),
        }
    }

    /// A map of texts; empty if it is not there.
    pub(super) fn text_map(&mut self, name: &str) -> Result<BTreeMap<String, String>, HandlerFailure> {
        let map = match self.take(name) {
            None => return Ok(BTreeMap::new()),
            Some(Value::Object(map)) => map,
            Some(_) => return Err(self.mistake(name, "a map of texts")),
        };
        map.into_iter()
            .map(|(key, value)| match value {
                Value::String(text) => Ok((key, text)),
                Value::Number(number) => Ok((key, number.to_string())),
                _ => Err(self.mistake(&format!("{name}.{key}"), "a text: write it in quotes")),
            })
            .collect()
    }

    /// A map with arguments of its own.
    pub(super) fn map(&mut self, name: &str) -> Result<Option<Self>, HandlerFailure> {
        match self.take(name) {
            None => Ok(None),
            Some(Value::Object(rest)) => Ok(Some(Self { place: format!("{}.{name}", self.place), rest })),
            Some(_) => Err(self.mistake(name, "a map")),
        }
    }

    /// Takes an argument out that means nothing here.
    pub(super) fn ignore(&mut self, names: &[&str]) {
        for name in names {
            self.rest.remove(*name);
        }
    }

    /// Refuses arguments that nobody asked for.
    pub(super) fn end(self) -> Result<(), HandlerFailure> {
        match self.rest.keys().next() {
            None => Ok(()),
            Some(name) => Err(wrong(
                format!("`{}.{name}` is unknown or not supported", self.place),
                "remove it, or correct its name",
            )),
        }
    }
}
