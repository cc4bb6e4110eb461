//! Source texts and places in them.

use std::sync::Arc;

use miette::{NamedSource, SourceSpan};

/// A file as the user sees it in messages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Document {
    /// Path as it should be shown, relative where possible.
    pub name: String,
    /// The whole text, exactly as in the file.
    pub text: String,
}

impl Document {
    /// A shared document.
    pub fn new(name: impl Into<String>, text: impl Into<String>) -> Arc<Self> {
        Arc::new(Self { name: name.into(), text: text.into() })
    }

    /// The form miette renders snippets from.
    pub fn source(&self) -> NamedSource<String> {
        NamedSource::new(&self.name, self.text.clone())
    }

    /// Line and column (both from 1, columns in characters) of a byte offset.
    pub fn line_and_column(&self, offset: usize) -> (usize, usize) {
        let offset =
            (0..=offset.min(self.text.len())).rev().find(|at| self.text.is_char_boundary(*at)).unwrap_or(0);
        let before = &self.text[..offset];
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        (before.matches('\n').count() + 1, before[line_start..].chars().count() + 1)
    }
}

/// A range of bytes in a document.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Span {
    /// Offset of the first byte.
    pub start: usize,
    /// Length in bytes.
    pub length: usize,
}

impl Span {
    /// A span from its offset and length in bytes.
    pub fn new(start: usize, length: usize) -> Self {
        Self { start, length }
    }
}

impl From<Span> for SourceSpan {
    fn from(span: Span) -> Self {
        Self::new(span.start.into(), span.length)
    }
}
