//! Source texts and places in them.

use std::sync::{Arc, OnceLock};

use miette::SourceSpan;

/// A file as the user sees it in messages.
#[derive(Debug, Clone)]
pub struct Document {
    /// Path as it should be shown, relative where possible.
    pub name: String,
    /// The whole text, exactly as in the file.
    pub text: String,
    /// Offsets at which lines start, found when first asked for.
    line_starts: OnceLock<Vec<usize>>,
}

impl PartialEq for Document {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name && self.text == other.text
    }
}

impl Eq for Document {}

impl Document {
    /// A shared document.
    pub fn new(name: impl Into<String>, text: impl Into<String>) -> Arc<Self> {
        Arc::new(Self { name: name.into(), text: text.into(), line_starts: OnceLock::new() })
    }

    /// The same document with every character of these places shown as `*`. Places of other things stay where they are.
    pub fn masked(&self, places: &[Span]) -> Arc<Self> {
        let mut bytes = self.text.clone().into_bytes();
        for place in places {
            let end = place.end().min(bytes.len());
            for byte in bytes.get_mut(place.start.min(end)..end).into_iter().flatten() {
                // Line ends are kept, so that lines are counted as before.
                if !matches!(*byte, b'\n' | b'\r') {
                    *byte = b'*';
                }
            }
        }
        Self::new(self.name.clone(), String::from_utf8_lossy(&bytes).into_owned())
    }

    /// Line and column (both from 1, columns in characters) of a byte offset.
    pub fn line_and_column(&self, offset: usize) -> (usize, usize) {
        let offset = self.boundary(offset);
        let line = self.line_of(offset);
        let start = self.line_start(line);
        (line + 1, self.text.get(start..offset).unwrap_or_default().chars().count() + 1)
    }

    /// The line (from 0) that an offset is on.
    pub(crate) fn line_of(&self, offset: usize) -> usize {
        self.line_starts().partition_point(|start| *start <= offset).saturating_sub(1)
    }

    /// Where a line (from 0) starts; the end of the text for lines behind the last one.
    pub(crate) fn line_start(&self, line: usize) -> usize {
        self.line_starts().get(line).copied().unwrap_or(self.text.len())
    }

    /// The range of a line (from 0) without its line end.
    pub(crate) fn line(&self, line: usize) -> std::ops::Range<usize> {
        let (start, end) = (self.line_start(line), self.line_start(line + 1));
        let text = self.text.get(start..end).unwrap_or_default();
        start..start + text.trim_end_matches(['\n', '\r']).len()
    }

    /// The last place at or before an offset at which a character starts.
    pub(crate) fn boundary(&self, offset: usize) -> usize {
        let offset = offset.min(self.text.len());
        (0..=offset).rev().find(|at| self.text.is_char_boundary(*at)).unwrap_or(0)
    }

    fn line_starts(&self) -> &[usize] {
        self.line_starts.get_or_init(|| {
            std::iter::once(0).chain(self.text.match_indices('\n').map(|(at, _)| at + 1)).collect()
        })
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

    /// Where it ends.
    pub fn end(self) -> usize {
        self.start + self.length
    }

    /// Whether another span lies within it.
    pub fn contains(self, other: Self) -> bool {
        self.start <= other.start && other.end() <= self.end()
    }
}

impl From<Span> for SourceSpan {
    fn from(span: Span) -> Self {
        Self::new(span.start.into(), span.length)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_characters() {
        let document = Document::new("c.yml", "a\nä: b\n");
        assert_eq!(document.line_and_column(0), (1, 1));
        assert_eq!(document.line_and_column(3), (2, 1));
        assert_eq!(document.line_and_column(6), (2, 4));
        assert_eq!(document.line_and_column(99), (3, 1));
    }
}
