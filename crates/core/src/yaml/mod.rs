//! YAML with exact places: the one module that knows the YAML crate.
//!
//! A text becomes a [`Node`] tree: scalars keep their spelling (an account id `012345678901` stays what it is), tags
//! stay, aliases are resolved, merge keys are applied, duplicate keys are errors. What a plain scalar *means* is
//! decided by [`resolve`], which follows YAML 1.1 as PyYAML implements it, because that is what CFNgin reads.

use std::sync::Arc;

use crate::text::{Document, Span};

mod build;
mod comments;
mod error;
pub mod resolve;
mod tags;

pub use comments::comments;
pub use error::YamlError;

/// A node and its place.
#[derive(Debug, Clone, PartialEq)]
pub struct Node {
    /// What it is.
    pub value: NodeValue,
    /// Its tag; `None` if it has none.
    pub tag: Option<Tag>,
    /// Its place: for an alias the place where it is used is not kept, but that of what it names.
    pub span: Span,
}

/// A tag and its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tag {
    /// As written, for example `!Ref`.
    pub name: String,
    /// Its place.
    pub span: Span,
}

/// The kinds of nodes.
#[derive(Debug, Clone, PartialEq)]
pub enum NodeValue {
    /// A scalar: its text, and whether it stood there without quotes.
    Scalar {
        /// The text, escapes and folding resolved.
        text: String,
        /// Written plain, so its meaning depends on its spelling.
        plain: bool,
    },
    /// A list.
    Sequence(Vec<Node>),
    /// A map in file order.
    Mapping(Vec<(Node, Node)>),
}

impl Node {
    /// Parses a text with exactly one document. Returns its tree and every error: no tree and no error if the text is
    /// empty, no tree and one error if it cannot be read, and a tree with errors (duplicate keys and the like) that is
    /// good for finding more errors, and for nothing else.
    pub fn parse(text: &str) -> (Option<Self>, Vec<YamlError>) {
        let mut builder = build::Builder::new(text);
        match builder.document() {
            Ok(root) => (root, builder.errors),
            Err(error) => (None, vec![*error]),
        }
    }

    /// The name of its tag.
    pub fn tag_name(&self) -> Option<&str> {
        self.tag.as_ref().map(|tag| tag.name.as_str())
    }

    /// The text of a scalar.
    pub fn as_text(&self) -> Option<&str> {
        match &self.value {
            NodeValue::Scalar { text, .. } => Some(text),
            _ => None,
        }
    }

    /// The entries of a map.
    pub fn as_mapping(&self) -> Option<&[(Self, Self)]> {
        match &self.value {
            NodeValue::Mapping(entries) => Some(entries),
            _ => None,
        }
    }

    /// The items of a list.
    pub fn as_sequence(&self) -> Option<&[Self]> {
        match &self.value {
            NodeValue::Sequence(items) => Some(items),
            _ => None,
        }
    }

    /// The value of a key of a map.
    pub fn get(&self, key: &str) -> Option<&Self> {
        self.as_mapping()?.iter().find(|(name, _)| name.as_text() == Some(key)).map(|(_, value)| value)
    }

    /// Moves every place in the tree, for texts that were derived from another.
    pub fn map_spans(&mut self, map: &dyn Fn(Span) -> Span) {
        self.span = map(self.span);
        if let Some(tag) = &mut self.tag {
            tag.span = map(tag.span);
        }
        match &mut self.value {
            NodeValue::Scalar { .. } => {}
            NodeValue::Sequence(items) => items.iter_mut().for_each(|item| item.map_spans(map)),
            NodeValue::Mapping(entries) => {
                for (key, value) in entries {
                    key.map_spans(map);
                    value.map_spans(map);
                }
            }
        }
    }
}

/// Places in a document that was parsed as it is.
pub fn findings(document: &Arc<Document>, errors: Vec<YamlError>) -> crate::error::Findings {
    let mut findings = crate::error::Findings::default();
    for error in errors {
        findings.push(crate::error::Finding::at(document, error));
    }
    findings
}

#[cfg(test)]
mod tests;
