//! From the parser's events to a tree of nodes.

use std::collections::HashMap;
use std::sync::Arc;

use granit_parser::{Event, Parser, ScalarStyle, ScanError, StrInput};

use super::{Node, NodeValue, Tag, YamlError};
use crate::text::Span;

/// Nodes a document may have after its aliases are resolved: a config of 5,000 stacks has a tenth of it, an
/// exponential expansion ("billion laughs") passes it at once.
const NODE_LIMIT: usize = 1_000_000;
/// Bytes that the texts of a document may have after its aliases are resolved: few nodes with long texts multiply too.
const BYTE_LIMIT: usize = 64 * 1024 * 1024;
/// Levels a document may be nested.
const DEPTH_LIMIT: usize = 200;

type Fail = Box<YamlError>;

/// What a node costs once it is copied.
#[derive(Debug, Clone, Copy, Default)]
struct Size {
    nodes: usize,
    bytes: usize,
}

pub(super) struct Builder<'t> {
    text: &'t str,
    events: Parser<'t, StrInput<'t>>,
    /// Anchored nodes and how large each is.
    anchors: HashMap<usize, (Arc<Node>, Size)>,
    size: Size,
    /// Errors that leave a tree to go on with.
    pub(super) errors: Vec<YamlError>,
}

impl<'t> Builder<'t> {
    pub(super) fn new(text: &'t str) -> Self {
        let options = granit_parser::options! { emit_comments: false };
        Self {
            text,
            events: Parser::new_from_str_with_options(text, options),
            anchors: HashMap::new(),
            size: Size::default(),
            errors: Vec::new(),
        }
    }

    fn next(&mut self) -> Result<Option<(Event<'t>, Place)>, Fail> {
        match self.events.next_event() {
            None => Ok(None),
            Some(Ok((event, span))) => {
                let bytes = |span: granit_parser::Span| {
                    let range = span.byte_range().unwrap_or(0..0);
                    Span::new(range.start, range.len())
                };
                Ok(Some((event, Place { node: bytes(span), tag: span.tag_span().map(bytes) })))
            }
            Some(Err(error)) => Err(Box::new(self.syntax(&error))),
        }
    }

    fn syntax(&self, error: &ScanError) -> YamlError {
        let offset = error.marker().byte_offset().unwrap_or(0).min(self.text.len());
        let message = error.kind().to_string();
        if let Some(tab) = self.tab_near(offset) {
            let help = "YAML allows no tabs for indentation; use spaces".to_owned();
            return YamlError::Syntax { message, help, span: Span::new(tab, 1).into() };
        }
        let help = if self.text[..offset].ends_with('$') || self.text[offset..].starts_with("${") {
            "inside `{...}` and `[...]` a lookup needs quotes: `\"${output stack.Name}\"`"
        } else {
            "check indentation, quotes and colons at and just before this place"
        };
        let help = help.to_owned();
        YamlError::Syntax { message, help, span: Span::new(offset, 1).into() }
    }

    /// A tab in the indentation of the line at an offset or of one of its neighbours: the parser stops at the token
    /// that the tab misplaced, which may be on the line before or after it.
    fn tab_near(&self, offset: usize) -> Option<usize> {
        let start_of = |offset: usize| self.text[..offset].rfind('\n').map_or(0, |at| at + 1);
        let here = start_of(offset);
        let after = self.text[here..].find('\n').map(|at| here + at + 1);
        let before = here.checked_sub(1).map(start_of);
        [Some(here), after, before].into_iter().flatten().find_map(|start| {
            let line = self.text[start..].lines().next().unwrap_or_default();
            let indentation = &line[..line.len() - line.trim_start_matches([' ', '\t']).len()];
            indentation.find('\t').filter(|_| !line.trim().is_empty()).map(|at| start + at)
        })
    }

    pub(super) fn document(&mut self) -> Result<Option<Node>, Fail> {
        let mut root = None;
        let mut documents = 0;
        while let Some((event, place)) = self.next()? {
            match event {
                Event::StreamStart | Event::StreamEnd | Event::DocumentEnd => {}
                Event::DocumentStart(..) => {
                    documents += 1;
                    if documents > 1 {
                        return Err(Box::new(YamlError::SeveralDocuments { span: place.node.into() }));
                    }
                }
                event => root = self.node(event, place, 0)?,
            }
        }
        // `---` with nothing behind it is a null without a place.
        Ok(root.filter(|node| node.span.length > 0 || node.as_text().is_none()))
    }

    fn node(&mut self, event: Event<'t>, place: Place, depth: usize) -> Result<Option<Node>, Fail> {
        let span = place.node;
        if depth > DEPTH_LIMIT {
            return Err(Box::new(YamlError::TooLarge {
                what: "levels",
                limit: DEPTH_LIMIT,
                span: span.into(),
            }));
        }
        let before = self.size;
        let text_length = if let Event::Scalar(text, ..) = &event { text.len() } else { 0 };
        self.count(Size { nodes: 1, bytes: text_length }, span)?;
        let tag = event.tag().map(|tag| Tag {
            name: tag.original(),
            span: place.tag.filter(|tag| tag.length > 0).unwrap_or(span),
        });
        let (value, span, anchor) = match event {
            Event::Scalar(text, style, anchor, _) => {
                let plain = matches!(style, ScalarStyle::Plain);
                (NodeValue::Scalar { text: text.into_owned(), plain }, span, anchor)
            }
            Event::SequenceStart(_, anchor, _) => {
                let mut items = Vec::new();
                let mut end = span;
                while let Some((event, at)) = self.next()? {
                    end = at.node;
                    if matches!(event, Event::SequenceEnd) {
                        break;
                    }
                    items.extend(self.node(event, at, depth + 1)?);
                }
                let span = cover(span, items.last().map(|item| item.span), end);
                (NodeValue::Sequence(items), span, anchor)
            }
            Event::MappingStart(_, anchor, _) => {
                let (entries, end) = self.entries(span, depth)?;
                let span = cover(span, entries.last().map(|(_, value)| value.span), end);
                (NodeValue::Mapping(self.merged(entries)?), span, anchor)
            }
            Event::Alias(anchor) => {
                let Some((node, size)) = self.anchors.get(&anchor).cloned() else {
                    // An anchor that contains itself is not finished yet when its alias comes.
                    return Err(Box::new(YamlError::Syntax {
                        message: "an alias inside the node it names".to_owned(),
                        help: "a node cannot contain itself".to_owned(),
                        span: span.into(),
                    }));
                };
                self.count(size, span)?;
                return Ok(Some((*node).clone()));
            }
            _ => return Ok(None),
        };
        let node = Node { value, tag, span };
        if anchor > 0 {
            let size = Size { nodes: self.size.nodes - before.nodes, bytes: self.size.bytes - before.bytes };
            self.anchors.insert(anchor, (Arc::new(node.clone()), size));
        }
        Ok(Some(node))
    }

    fn entries(&mut self, span: Span, depth: usize) -> Result<(Vec<(Node, Node)>, Span), Fail> {
        let mut entries: Vec<(Node, Node)> = Vec::new();
        let mut places: HashMap<String, Span> = HashMap::new();
        let mut end = span;
        while let Some((event, at)) = self.next()? {
            end = at.node;
            if matches!(event, Event::MappingEnd) {
                break;
            }
            let Some(key) = self.node(event, at, depth + 1)? else { continue };
            let Some((event, at)) = self.next()? else { break };
            let Some(value) = self.node(event, at, depth + 1)? else { continue };
            let Some(text) = key.as_text() else {
                self.errors.push(YamlError::Key { span: key.span.into() });
                continue;
            };
            if let Some(first) = places.insert(text.to_owned(), key.span) {
                let (first, second) = (first.into(), key.span.into());
                self.errors.push(YamlError::DuplicateKey { key: text.to_owned(), first, second });
                continue;
            }
            entries.push((key, value));
        }
        Ok((entries, end))
    }

    /// Applies merge keys: what a map says itself wins over what it merges, earlier merged maps over later ones.
    fn merged(&mut self, entries: Vec<(Node, Node)>) -> Result<Vec<(Node, Node)>, Fail> {
        let is_merge =
            |key: &Node| matches!(&key.value, NodeValue::Scalar { text, plain: true } if text == "<<");
        if !entries.iter().any(|(key, _)| is_merge(key)) {
            return Ok(entries);
        }
        let (merges, own): (Vec<_>, Vec<_>) = entries.into_iter().partition(|(key, _)| is_merge(key));
        let mut all = Vec::new();
        for (_, value) in merges {
            let sources = match value.value {
                NodeValue::Mapping(_) => vec![value],
                NodeValue::Sequence(items) if items.iter().all(|item| item.as_mapping().is_some()) => items,
                _ => {
                    self.errors.push(YamlError::Merge { span: value.span.into() });
                    continue;
                }
            };
            for source in sources.into_iter().rev() {
                let NodeValue::Mapping(entries) = source.value else { continue };
                all.extend(entries);
            }
        }
        all.extend(own);
        // A field stands where it stood first and has the value that it had last (PyYAML).
        let mut places: HashMap<String, usize> = HashMap::new();
        let mut result: Vec<(Node, Node)> = Vec::new();
        for (key, value) in all {
            let place = *places.entry(key.as_text().unwrap_or_default().to_owned()).or_insert(result.len());
            match result.get_mut(place) {
                Some(entry) => *entry = (key, value),
                None => result.push((key, value)),
            }
        }
        Ok(result)
    }

    fn count(&mut self, more: Size, span: Span) -> Result<(), Fail> {
        self.size.nodes = self.size.nodes.saturating_add(more.nodes);
        self.size.bytes = self.size.bytes.saturating_add(more.bytes);
        let limits = [(self.size.nodes, NODE_LIMIT, "nodes"), (self.size.bytes, BYTE_LIMIT, "bytes")];
        match limits.into_iter().find(|(count, limit, _)| count > limit) {
            Some((_, limit, what)) => Err(Box::new(YamlError::TooLarge { what, limit, span: span.into() })),
            None => Ok(()),
        }
    }
}

/// Where an event stands in the text.
#[derive(Debug, Clone, Copy)]
struct Place {
    node: Span,
    tag: Option<Span>,
}

/// The place of a collection: from its start to its last item (block style) or its closing bracket (flow style).
fn cover(start: Span, last: Option<Span>, end: Span) -> Span {
    let closing = if end.length > 0 { end.start + end.length } else { start.start };
    let last = last.map_or(0, |last| last.start + last.length);
    Span::new(start.start, closing.max(last).max(start.start + start.length).saturating_sub(start.start))
}
