//! Templates with values in them as far as they are known before a deploy: from a template and its parameters to terms
//! that can be compared.
//!
//! Conditions and mappings are evaluated, `Fn::Sub` and `Fn::Join` come to the same form, and what only a deploy can tell
//! stays in the term: a reference to a resource, or a doubt with its cause. Two terms that are equal and hold no doubt give
//! equal values as long as the resources they refer to keep their ids and attributes.

mod evaluate;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use crate::lookup::Cause;

pub use evaluate::{Surroundings, Symbols, Truth};

/// Why a value is not known before the deploy.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Doubt {
    /// It comes from something that has to happen first.
    After(Cause),
    /// The parameter of this name is NoEcho, and CloudFormation does not tell its deployed value.
    Hidden(String),
    /// CloudFormation reads it anew with every update: `{{resolve:ssm:/image}}`, a macro, ...
    Read(String),
}

/// The value of a parameter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Argument {
    /// This text.
    Text {
        /// As CloudFormation gets it; lists with commas.
        text: String,
        /// It must never be shown.
        secret: bool,
    },
    /// Not known yet.
    Unknown {
        /// Why.
        doubts: BTreeSet<Doubt>,
        /// It must not be shown when it is known.
        secret: bool,
    },
}

/// A value of a template as far as it is known.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Term {
    /// A text, a number or a boolean: CloudFormation reads `1` and `"1"` alike.
    Scalar {
        /// The text.
        text: String,
        /// It must never be shown.
        secret: bool,
    },
    /// A list.
    List(Vec<Self>),
    /// A map.
    Map(BTreeMap<String, Self>),
    /// Pieces of a text, at least two, of which at least one is no scalar.
    Text(Vec<Self>),
    /// The id of a resource (`Ref`).
    Id(String),
    /// An attribute of a resource (`Fn::GetAtt`): logical id and attribute.
    Attribute(String, String),
    /// The value of an export.
    Import(Box<Self>),
    /// A function that only CloudFormation evaluates, with its argument.
    Call(String, Box<Self>),
    /// Not known.
    Unknown {
        /// Why.
        doubts: BTreeSet<Doubt>,
        /// It must not be shown when it is known.
        secret: bool,
    },
}

impl Term {
    /// A text that may be shown.
    pub fn plain(text: impl Into<String>) -> Self {
        Self::Scalar { text: text.into(), secret: false }
    }

    /// Not known, for this reason.
    pub fn doubt(doubt: Doubt) -> Self {
        Self::Unknown { doubts: BTreeSet::from([doubt]), secret: false }
    }

    /// Every term in this one, itself first.
    pub fn visit<'t>(&'t self, visit: &mut dyn FnMut(&'t Self)) {
        visit(self);
        match self {
            Self::List(items) | Self::Text(items) => items.iter().for_each(|item| item.visit(visit)),
            Self::Map(entries) => entries.values().for_each(|item| item.visit(visit)),
            Self::Import(inner) | Self::Call(_, inner) => inner.visit(visit),
            Self::Scalar { .. } | Self::Id(_) | Self::Attribute(..) | Self::Unknown { .. } => {}
        }
    }

    /// Everything that keeps it from being known.
    pub fn doubts(&self) -> BTreeSet<Doubt> {
        let mut found = BTreeSet::new();
        self.visit(&mut |term| {
            if let Self::Unknown { doubts, .. } = term {
                found.extend(doubts.iter().cloned());
            }
        });
        found
    }

    /// Whether anything in it is not known.
    pub fn is_doubtful(&self) -> bool {
        let mut doubtful = false;
        self.visit(&mut |term| doubtful |= matches!(term, Self::Unknown { .. }));
        doubtful
    }

    /// Whether anything in it must not be shown.
    pub fn is_secret(&self) -> bool {
        let mut found = false;
        self.visit(&mut |term| {
            found |= matches!(term, Self::Scalar { secret: true, .. } | Self::Unknown { secret: true, .. });
        });
        found
    }

    /// The text, if it is one.
    pub fn as_text(&self) -> Option<&str> {
        match self {
            Self::Scalar { text, .. } => Some(text),
            _ => None,
        }
    }

    /// In the short form of YAML, on one line.
    pub fn written(&self) -> String {
        match self {
            Self::Scalar { text, .. } => text.clone(),
            Self::Id(id) => format!("!Ref {id}"),
            Self::Attribute(id, attribute) => format!("!GetAtt {id}.{attribute}"),
            Self::Import(name) => format!("!ImportValue {}", name.written()),
            Self::Call(function, argument) => {
                format!("!{} {}", function.strip_prefix("Fn::").unwrap_or(function), argument.written())
            }
            Self::Text(parts) => parts
                .iter()
                .map(|part| match part {
                    Self::Scalar { text, .. } => text.clone(),
                    Self::Id(id) => format!("${{{id}}}"),
                    Self::Attribute(id, attribute) => format!("${{{id}.{attribute}}}"),
                    other => format!("${{{}}}", other.written()),
                })
                .collect(),
            Self::List(items) => {
                format!("[{}]", items.iter().map(Self::quoted).collect::<Vec<_>>().join(", "))
            }
            Self::Map(entries) => {
                let entries = entries.iter().map(|(key, value)| format!("{key}: {}", value.quoted()));
                format!("{{{}}}", entries.collect::<Vec<_>>().join(", "))
            }
            Self::Unknown { .. } => "(not known yet)".to_owned(),
        }
    }

    /// Inside a list or a map texts need quotes where they would be read as something else.
    fn quoted(&self) -> String {
        match self {
            Self::Scalar { text, .. }
                if text.is_empty() || text.contains([',', '[', ']', '{', '}', ':', '"', '#', '\n']) =>
            {
                serde_json::Value::from(text.as_str()).to_string()
            }
            other => other.written(),
        }
    }
}
