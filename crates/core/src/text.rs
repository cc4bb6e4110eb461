//! Source texts and places in them.

use std::sync::{Arc, OnceLock};

use miette::SourceSpan;

/// A file as the user sees it in messages, or several files that are read as one.
#[derive(Debug, Clone)]
pub struct Document {
    /// Path of the (first) file as it should be shown, relative where possible. For the file at a place see
    /// [`Self::name_at`].
    pub name: String,
    /// The whole text, exactly as in the file; several files follow one another.
    pub text: String,
    /// The files behind the first one: where each starts, and its name.
    later: Vec<(usize, String)>,
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
        Arc::new(Self {
            name: name.into(),
            text: text.into(),
            later: Vec::new(),
            line_starts: OnceLock::new(),
        })
    }

    /// Several files as one document, and where each of them starts. Places in it lead to the file and line they are in.
    pub fn joined(files: &[Arc<Self>]) -> (Arc<Self>, Vec<usize>) {
        let (mut text, mut later, mut starts) = (String::new(), Vec::new(), Vec::new());
        for (index, file) in files.iter().enumerate() {
            if index > 0 {
                // Belongs to no file: without it, the last line of one could go on in the next.
                text.push('\n');
                later.push((text.len(), file.name.clone()));
            }
            starts.push(text.len());
            later.extend(file.later.iter().map(|(start, name)| (text.len() + start, name.clone())));
            text.push_str(&file.text);
        }
        let name = files.first().map(|file| file.name.clone()).unwrap_or_default();
        (Arc::new(Self { name, text, later, line_starts: OnceLock::new() }), starts)
    }

    /// The name of the file that an offset is in.
    pub fn name_at(&self, offset: usize) -> &str {
        match self.files_before(offset).checked_sub(1).and_then(|index| self.later.get(index)) {
            Some((_, name)) => name,
            None => &self.name,
        }
    }

    /// The range of the file that an offset is in.
    pub(crate) fn file_at(&self, offset: usize) -> std::ops::Range<usize> {
        let before = self.files_before(offset);
        let start =
            before.checked_sub(1).and_then(|index| self.later.get(index)).map_or(0, |(start, _)| *start);
        let end = self.later.get(before).map_or(self.text.len(), |(next, _)| next - 1);
        start..end
    }

    fn files_before(&self, offset: usize) -> usize {
        self.later.partition_point(|(start, _)| *start <= offset)
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
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let (name, later) = (self.name.clone(), self.later.clone());
        Arc::new(Self { name, text, later, line_starts: OnceLock::new() })
    }

    /// Line and column (both from 1, columns in characters) of a byte offset in its file.
    pub fn line_and_column(&self, offset: usize) -> (usize, usize) {
        let offset = self.boundary(offset);
        let line = self.line_of(offset);
        let start = self.line_start(line);
        let first = self.line_of(self.file_at(offset).start);
        (line - first + 1, self.text.get(start..offset).unwrap_or_default().chars().count() + 1)
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

    #[test]
    fn places_in_several_files_lead_to_the_file_and_its_lines() {
        let files = [("a.yml", "x: 1\ny: 2\n"), ("b.yml", ""), ("c.yml", "z: 3\nu: 4")];
        let files = files.map(|(name, text)| Document::new(name, text));
        let (document, starts) = Document::joined(&files);
        assert_eq!(starts, [0, 11, 12]);
        let place = |offset| (document.name_at(offset), document.line_and_column(offset));
        assert_eq!(place(5), ("a.yml", (2, 1)));
        assert_eq!(place(10), ("a.yml", (3, 1)));
        assert_eq!(place(11), ("b.yml", (1, 1)));
        assert_eq!(place(12), ("c.yml", (1, 1)));
        assert_eq!(place(99), ("c.yml", (2, 5)));
        assert_eq!(&document.text[document.file_at(14)], "z: 3\nu: 4");
        let (again, starts) = Document::joined(&[Document::new("d.yml", "a"), document]);
        assert_eq!((starts[1], again.name_at(14), again.line_and_column(14)), (2, "c.yml", (1, 1)));
    }
}
