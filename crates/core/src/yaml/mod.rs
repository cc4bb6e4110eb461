//! YAML with exact places: the one module that knows the YAML crate.
//!
//! A text becomes a [`Node`] tree: scalars keep their spelling (an account id `012345678901` stays what it is), tags
//! stay, aliases are resolved, merge keys are applied, duplicate keys are errors. What a plain scalar *means* is
//! decided by [`resolve`], which follows YAML 1.1 as PyYAML implements it, because that is what CFNgin reads.

use std::collections::HashMap;
use std::sync::Arc;

use granit_parser::{Event, Parser, ScalarStyle, ScanError};
use miette::{Diagnostic, SourceSpan};
use thiserror::Error;

use crate::error::Problem;
use crate::exit::ExitCode;
use crate::text::{Document, Span};

pub mod resolve;

/// Nodes a document may have after its aliases are resolved: a config of 5,000 stacks has a tenth of it, an
/// exponential expansion ("billion laughs") passes it at once.
const NODE_LIMIT: usize = 1_000_000;
/// Levels a document may be nested.
const DEPTH_LIMIT: usize = 200;

/// A node and its place.
#[derive(Debug, Clone, PartialEq)]
pub struct Node {
    /// What it is.
    pub value: NodeValue,
    /// Its tag as written, for example `!Ref`; `None` if it has none.
    pub tag: Option<String>,
    /// Its place: for an alias the place where it is used is not kept, but that of what it names.
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

/// Why a text is not usable YAML.
#[derive(Debug, Error, Diagnostic)]
pub enum YamlError {
    /// The text breaks the rules of YAML.
    #[error("not YAML: {message}")]
    #[diagnostic(code(yaml::syntax), help("{help}"))]
    Syntax {
        /// The parser's words.
        message: String,
        /// What to do.
        help: &'static str,
        /// Where the parser stopped.
        #[label("here")]
        span: SourceSpan,
    },
    /// A key stands twice in one map.
    #[error("the key `{key}` stands twice in the same map")]
    #[diagnostic(
        code(yaml::duplicate_key),
        help("remove one of the two; with other tools the last one silently wins")
    )]
    DuplicateKey {
        /// The key.
        key: String,
        /// The first one.
        #[label("first here")]
        first: SourceSpan,
        /// The second one.
        #[label("and again here")]
        second: SourceSpan,
    },
    /// The document is too large or too deep once its aliases are resolved.
    #[error("the document has more than {limit} {what}")]
    #[diagnostic(code(yaml::too_large), help("aliases that contain aliases multiply; use fewer of them"))]
    TooLarge {
        /// What there is too much of.
        what: &'static str,
        /// How much there may be.
        limit: usize,
        /// Where the limit was passed.
        #[label("the limit is passed here")]
        span: SourceSpan,
    },
    /// More than one document.
    #[error("the file has more than one YAML document")]
    #[diagnostic(code(yaml::several_documents), help("keep one document per file; remove the second `---`"))]
    SeveralDocuments {
        /// Start of the second one.
        #[label("the second one starts here")]
        span: SourceSpan,
    },
    /// A merge key whose value cannot be merged.
    #[error("`<<` can merge a map or a list of maps, nothing else")]
    #[diagnostic(code(yaml::merge), help("use an alias of a map, for example `<<: *defaults`"))]
    Merge {
        /// The value.
        #[label("neither a map nor a list of maps")]
        span: SourceSpan,
    },
}

impl Problem for YamlError {
    fn exit_code(&self) -> ExitCode {
        ExitCode::Config
    }
}

impl Node {
    /// Parses a text with exactly one document; `None` if it is empty. Also returns duplicate keys beyond those that
    /// would make parsing stop: every one of them, so that all are reported at once.
    ///
    /// # Errors
    /// The first error that ends the parsing, or all duplicate keys.
    pub fn parse(text: &str) -> Result<Option<Self>, Vec<YamlError>> {
        let mut builder = Builder::new(text);
        let root = builder.document().map_err(|error| vec![*error])?;
        if builder.duplicates.is_empty() { Ok(root) } else { Err(builder.duplicates) }
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

impl YamlError {
    /// Moves the error's places, for texts that were derived from another.
    #[must_use]
    pub fn map_spans(self, map: &dyn Fn(Span) -> Span) -> Self {
        let moved = |span: SourceSpan| SourceSpan::from(map(Span::new(span.offset(), span.len())));
        match self {
            Self::Syntax { message, help, span } => Self::Syntax { message, help, span: moved(span) },
            Self::DuplicateKey { key, first, second } => {
                Self::DuplicateKey { key, first: moved(first), second: moved(second) }
            }
            Self::TooLarge { what, limit, span } => Self::TooLarge { what, limit, span: moved(span) },
            Self::SeveralDocuments { span } => Self::SeveralDocuments { span: moved(span) },
            Self::Merge { span } => Self::Merge { span: moved(span) },
        }
    }
}

type Fail = Box<YamlError>;

struct Builder<'t> {
    text: &'t str,
    events: Parser<'t, granit_parser::StrInput<'t>>,
    /// Anchored nodes and how many nodes each has.
    anchors: HashMap<usize, (Arc<Node>, usize)>,
    nodes: usize,
    duplicates: Vec<YamlError>,
}

impl<'t> Builder<'t> {
    fn new(text: &'t str) -> Self {
        let text = text.strip_prefix('\u{feff}').map_or(text, |_| text);
        Self {
            text,
            events: Parser::new_from_str(text),
            anchors: HashMap::new(),
            nodes: 0,
            duplicates: Vec::new(),
        }
    }

    fn next(&mut self) -> Result<Option<(Event<'t>, Span)>, Fail> {
        match self.events.next_event() {
            None => Ok(None),
            Some(Ok((event, span))) => {
                let range = span.byte_range().unwrap_or(0..0);
                Ok(Some((event, Span::new(range.start, range.len()))))
            }
            Some(Err(error)) => Err(Box::new(self.syntax(&error))),
        }
    }

    fn syntax(&self, error: &ScanError) -> YamlError {
        let offset = error.marker().byte_offset().unwrap_or(0).min(self.text.len());
        let line_start = self.text[..offset].rfind('\n').map_or(0, |at| at + 1);
        let indented_by_tab = self.text[line_start..].starts_with([' ', '\t'])
            && self.text[line_start..].chars().take_while(|c| c.is_whitespace()).any(|c| c == '\t');
        let help = if indented_by_tab {
            "YAML allows no tabs for indentation; use spaces"
        } else {
            "check indentation, quotes and colons at and just before this place"
        };
        YamlError::Syntax { message: error.kind().to_string(), help, span: Span::new(offset, 1).into() }
    }

    fn document(&mut self) -> Result<Option<Node>, Fail> {
        let mut root = None;
        let mut documents = 0;
        while let Some((event, span)) = self.next()? {
            match event {
                Event::StreamStart | Event::StreamEnd | Event::DocumentEnd => {}
                Event::DocumentStart(..) => {
                    documents += 1;
                    if documents > 1 {
                        return Err(Box::new(YamlError::SeveralDocuments { span: span.into() }));
                    }
                }
                event => root = self.node(event, span, 0)?,
            }
        }
        // `---` with nothing behind it is a null without a place.
        Ok(root.filter(|node| node.span.length > 0 || node.as_text().is_none()))
    }

    fn node(&mut self, event: Event<'t>, span: Span, depth: usize) -> Result<Option<Node>, Fail> {
        if depth > DEPTH_LIMIT {
            return Err(Box::new(YamlError::TooLarge {
                what: "levels",
                limit: DEPTH_LIMIT,
                span: span.into(),
            }));
        }
        let before = self.nodes;
        self.count(1, span)?;
        let (node, anchor) = match event {
            Event::Scalar(text, style, anchor, tag) => {
                let plain = matches!(style, ScalarStyle::Plain);
                let value = NodeValue::Scalar { text: text.into_owned(), plain };
                (Node { value, tag: tag.map(|tag| tag.original()), span }, anchor)
            }
            Event::SequenceStart(_, anchor, tag) => {
                let mut items = Vec::new();
                let mut end = span;
                while let Some((event, at)) = self.next()? {
                    end = at;
                    if matches!(event, Event::SequenceEnd) {
                        break;
                    }
                    items.extend(self.node(event, at, depth + 1)?);
                }
                let span = cover(span, items.last().map(|item| item.span), end);
                (Node { value: NodeValue::Sequence(items), tag: tag.map(|tag| tag.original()), span }, anchor)
            }
            Event::MappingStart(_, anchor, tag) => {
                let (entries, end) = self.entries(span, depth)?;
                let span = cover(span, entries.last().map(|(_, value)| value.span), end);
                let entries = self.merged(entries)?;
                (
                    Node { value: NodeValue::Mapping(entries), tag: tag.map(|tag| tag.original()), span },
                    anchor,
                )
            }
            Event::Alias(anchor) => {
                let Some((node, size)) = self.anchors.get(&anchor).cloned() else {
                    // An anchor that contains itself is not finished yet when its alias comes.
                    return Err(Box::new(YamlError::Syntax {
                        message: "an alias inside the node it names".to_owned(),
                        help: "a node cannot contain itself",
                        span: span.into(),
                    }));
                };
                self.count(size, span)?;
                return Ok(Some((*node).clone()));
            }
            _ => return Ok(None),
        };
        if anchor > 0 {
            self.anchors.insert(anchor, (Arc::new(node.clone()), self.nodes - before));
        }
        Ok(Some(node))
    }

    fn entries(&mut self, span: Span, depth: usize) -> Result<(Vec<(Node, Node)>, Span), Fail> {
        let mut entries: Vec<(Node, Node)> = Vec::new();
        let mut places: HashMap<String, Span> = HashMap::new();
        let mut end = span;
        while let Some((event, at)) = self.next()? {
            end = at;
            if matches!(event, Event::MappingEnd) {
                break;
            }
            let Some(key) = self.node(event, at, depth + 1)? else { continue };
            let Some((event, at)) = self.next()? else { break };
            let Some(value) = self.node(event, at, depth + 1)? else { continue };
            if let Some(text) = key.as_text().filter(|text| *text != "<<")
                && let Some(first) = places.insert(text.to_owned(), key.span)
            {
                let (first, second) = (first.into(), key.span.into());
                self.duplicates.push(YamlError::DuplicateKey { key: text.to_owned(), first, second });
                places.insert(text.to_owned(), key.span);
                continue;
            }
            entries.push((key, value));
        }
        Ok((entries, end))
    }

    /// Applies merge keys: what a map says itself wins over what it merges, earlier merged maps over later ones.
    fn merged(&self, entries: Vec<(Node, Node)>) -> Result<Vec<(Node, Node)>, Fail> {
        let is_merge =
            |key: &Node| matches!(&key.value, NodeValue::Scalar { text, plain: true } if text == "<<");
        if !entries.iter().any(|(key, _)| is_merge(key)) {
            return Ok(entries);
        }
        let (merges, own): (Vec<_>, Vec<_>) = entries.into_iter().partition(|(key, _)| is_merge(key));
        let mut result = own;
        for (_, value) in merges {
            let sources: Vec<&Node> = match &value.value {
                NodeValue::Mapping(_) => vec![&value],
                NodeValue::Sequence(items) => items.iter().collect(),
                NodeValue::Scalar { .. } => Vec::new(),
            };
            if sources.is_empty() || sources.iter().any(|source| source.as_mapping().is_none()) {
                return Err(Box::new(YamlError::Merge { span: value.span.into() }));
            }
            for (key, value) in sources.into_iter().filter_map(Node::as_mapping).flatten() {
                if !result.iter().any(|(known, _)| known.value == key.value) {
                    result.push((key.clone(), value.clone()));
                }
            }
        }
        Ok(result)
    }

    fn count(&mut self, nodes: usize, span: Span) -> Result<(), Fail> {
        self.nodes = self.nodes.saturating_add(nodes);
        if self.nodes > NODE_LIMIT {
            return Err(Box::new(YamlError::TooLarge {
                what: "nodes",
                limit: NODE_LIMIT,
                span: span.into(),
            }));
        }
        Ok(())
    }
}

/// The place of a collection: from its start to its last item (block style) or its closing bracket (flow style).
fn cover(start: Span, last: Option<Span>, end: Span) -> Span {
    let closing = if end.length > 0 { end.start + end.length } else { start.start };
    let last = last.map_or(0, |last| last.start + last.length);
    Span::new(start.start, closing.max(last).max(start.start + start.length).saturating_sub(start.start))
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
