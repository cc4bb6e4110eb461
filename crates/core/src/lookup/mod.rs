//! Lookups: `${name query::argument=value}` inside variables, parsed to a tree before anything is resolved.

use std::collections::BTreeSet;

use indexmap::IndexMap;

use crate::ident::NodeName;
use crate::text::Span;

pub mod file;
pub mod handlers;
pub mod parse;
pub mod resolve;

/// A variable's value as written: plain data with lookups in its strings.
#[derive(Debug, Clone, PartialEq)]
pub enum VariableValue {
    /// `null`.
    Null,
    /// A boolean.
    Bool(bool),
    /// A number, spelled as the text that is sent.
    Number(serde_json::Number),
    /// A string without lookups.
    Text(String),
    /// A string with lookups.
    Expression(Expression),
    /// A list.
    List(Vec<Self>),
    /// A map in file order.
    Map(IndexMap<String, Self>),
}

/// A string with lookups: literal pieces and lookups in order.
#[derive(Debug, Clone, PartialEq)]
pub struct Expression {
    /// The string as written, for messages.
    pub source: String,
    /// Its pieces.
    pub parts: Vec<Part>,
}

/// A piece of an [`Expression`].
#[derive(Debug, Clone, PartialEq)]
pub enum Part {
    /// Text as it is.
    Literal(String),
    /// A lookup.
    Lookup(LookupCall),
}

/// One `${name query}`.
#[derive(Debug, Clone, PartialEq)]
pub struct LookupCall {
    /// Name of the lookup, for example `output`.
    pub name: String,
    /// Everything after the white space that ends the name, nested lookups included; arguments are split off only
    /// after the nested lookups are resolved.
    pub query: Expression,
    /// Place in the config file.
    pub span: Span,
}

impl VariableValue {
    /// Every stack that an `output` lookup at any depth names, with the place of that lookup. The name is as written
    /// (a short name or an fqn); a name that is itself computed is left out.
    pub fn output_references(&self) -> Vec<(NodeName, Span)> {
        self.references("output")
    }

    /// The same for `task` lookups.
    pub fn task_references(&self) -> Vec<(NodeName, Span)> {
        self.references("task")
    }

    fn references(&self, lookup: &str) -> Vec<(NodeName, Span)> {
        let mut found = Vec::new();
        self.visit_lookups(&mut |call| {
            if call.name == lookup
                && let Some(name) = parse::referenced_stack(&call.query)
            {
                found.push((name, call.span));
            }
        });
        found
    }

    /// Calls `visit` for every lookup at any depth, outer ones first.
    pub fn visit_lookups<'a>(&'a self, visit: &mut dyn FnMut(&'a LookupCall)) {
        match self {
            Self::Expression(expression) => expression.visit_lookups(visit),
            Self::List(items) => items.iter().for_each(|item| item.visit_lookups(visit)),
            Self::Map(entries) => entries.values().for_each(|value| value.visit_lookups(visit)),
            Self::Null | Self::Bool(_) | Self::Number(_) | Self::Text(_) => {}
        }
    }
}

impl Expression {
    /// Calls `visit` for every lookup at any depth, outer ones first.
    pub fn visit_lookups<'a>(&'a self, visit: &mut dyn FnMut(&'a LookupCall)) {
        for part in &self.parts {
            if let Part::Lookup(call) = part {
                visit(call);
                call.query.visit_lookups(visit);
            }
        }
    }
}

/// A resolved value.
#[derive(Debug, Clone, PartialEq)]
pub enum Resolved {
    /// Known now.
    Known {
        /// The value.
        value: serde_json::Value,
        /// Whether it must never be shown.
        secret: bool,
    },
    /// Known only after something else has happened.
    Unknown {
        /// What it waits for; empty where only the cloud can tell, and has not been asked.
        after: BTreeSet<Cause>,
    },
}

/// What has to happen before a value is known.
#[derive(Hash, Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Cause {
    /// This stack is deployed.
    Stack(NodeName),
    /// This stack is deployed, which may change the output of this name.
    Output(NodeName, String),
    /// The hooks before the run have run; with the `data_key` whose result is needed, if there is one.
    Hook(Option<String>),
}
