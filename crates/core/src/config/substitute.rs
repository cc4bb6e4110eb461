//! Substitution of `${name}` parameters in the text, before it is YAML, with Python's `string.Template` rules.
//!
//! `$$` gives `$`; `$name` and `${name}` give the parameter; a `${` with white space behind the name is a lookup and
//! stays. Unlike CFNgin, comments are left alone, and whether a missing parameter is an error does not depend on what
//! stands before it: a missing `${name}` always is, a missing bare `$name` stays as it is with a warning.

use serde_json::Value;

use crate::config::load::Parameters;
use crate::text::Span;

/// A text after substitution, and how to find its places in the original.
pub(super) struct Substituted {
    /// The text.
    pub(super) text: String,
    /// Pieces in order: where they start in the new text, where in the original, and whether they were replaced.
    pieces: Vec<Piece>,
    /// `${name}` without a parameter of that name.
    pub(super) missing: Vec<(String, Span)>,
    /// Bare `$name` without a parameter of that name.
    pub(super) bare: Vec<(String, Span)>,
}

#[derive(Debug, Clone, Copy)]
struct Piece {
    new: usize,
    original: Span,
    replaced: bool,
}

impl Substituted {
    /// The place in the original text that a place in the new text came from.
    pub(super) fn original(&self, span: Span) -> Span {
        let start = self.offset(span.start, false);
        let end = if span.length == 0 { start } else { self.offset(span.start + span.length, true) };
        Span::new(start, end.saturating_sub(start))
    }

    /// Maps an offset; inside a replaced piece to its beginning, or to its end for the end of a span.
    fn offset(&self, new: usize, is_end: bool) -> usize {
        let index =
            self.pieces.partition_point(|piece| if is_end { piece.new < new } else { piece.new <= new });
        let Some(piece) = index.checked_sub(1).and_then(|index| self.pieces.get(index)) else { return new };
        match (piece.replaced, is_end) {
            (false, _) => piece.original.start + (new - piece.new),
            (true, true) => piece.original.start + piece.original.length,
            (true, false) => piece.original.start,
        }
    }
}

/// Substitutes every parameter outside comments.
pub(super) fn substitute(text: &str, parameters: &Parameters) -> Substituted {
    let mut result =
        Substituted { text: String::new(), pieces: Vec::new(), missing: Vec::new(), bare: Vec::new() };
    let mut scanner = Scanner::default();
    let mut position = 0;
    let mut copied = 0;
    while position < text.len() {
        let rest = &text[position..];
        let Some(character) = rest.chars().next() else { break };
        let placeholder = if character == '$' && !scanner.in_comment() { placeholder(rest) } else { None };
        let replacement = placeholder.and_then(|(found, length)| {
            let span = Span::new(position, length);
            match found {
                Found::Dollar => Some(("$".to_owned(), length)),
                Found::Name { name, braced } => match parameters.get(name) {
                    Some(value) => Some((spelled(value), length)),
                    None if braced => {
                        result.missing.push((name.to_owned(), span));
                        None
                    }
                    None => {
                        result.bare.push((name.to_owned(), span));
                        None
                    }
                },
            }
        });
        match replacement {
            Some((replacement, length)) => {
                result.keep(text, copied, position);
                let new = result.text.len();
                result.pieces.push(Piece { new, original: Span::new(position, length), replaced: true });
                result.text.push_str(&replacement);
                position += length;
                copied = position;
                scanner.step('$');
            }
            None => {
                scanner.step(character);
                position += character.len_utf8();
            }
        }
    }
    result.keep(text, copied, text.len());
    result
}

impl Substituted {
    fn keep(&mut self, text: &str, from: usize, to: usize) {
        if from < to {
            let original = Span::new(from, to - from);
            self.pieces.push(Piece { new: self.text.len(), original, replaced: false });
            self.text.push_str(&text[from..to]);
        }
    }
}

enum Found<'t> {
    Dollar,
    Name { name: &'t str, braced: bool },
}

/// What a text that starts with `$` starts with, and its length in bytes.
fn placeholder(text: &str) -> Option<(Found<'_>, usize)> {
    let rest = text.strip_prefix('$')?;
    if rest.starts_with('$') {
        return Some((Found::Dollar, 2));
    }
    let identifier = |text: &str| {
        let starts = text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
        let end = text.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).unwrap_or(text.len());
        if starts { end } else { 0 }
    };
    if let Some(inner) = rest.strip_prefix('{') {
        let length = identifier(inner);
        let closed = length > 0 && inner[length..].starts_with('}');
        return closed.then(|| (Found::Name { name: &inner[..length], braced: true }, length + 3));
    }
    let length = identifier(rest);
    (length > 0).then(|| (Found::Name { name: &rest[..length], braced: false }, length + 1))
}

/// A parameter as YAML: text as it is (YAML gives it its type again, as with CFNgin), everything else in flow style.
fn spelled(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// Knows whether a position is inside a YAML comment: a `#` at the start of a line or after white space, outside
/// quotes. Quotes count only where a value can begin, so an apostrophe inside a word opens nothing.
#[derive(Default)]
struct Scanner {
    state: State,
    previous: Option<char>,
    escaped: bool,
    /// Indentation of the line that opened a block scalar (`|`, `>`); its lines have no comments.
    block: Option<usize>,
    indent: usize,
    line_started: bool,
    line_ends_in_block_mark: bool,
}

#[derive(Default, PartialEq)]
enum State {
    #[default]
    Plain,
    Comment,
    Single,
    Double,
}

impl Scanner {
    fn in_comment(&self) -> bool {
        self.state == State::Comment
    }

    fn step(&mut self, character: char) {
        if character == '\n' {
            if self.state == State::Comment {
                self.state = State::Plain;
            }
            if self.line_ends_in_block_mark && self.state == State::Plain {
                self.block = Some(self.block.unwrap_or(self.indent));
            }
            (self.indent, self.line_started, self.line_ends_in_block_mark) = (0, false, false);
            self.previous = None;
            return;
        }
        if !self.line_started {
            if character == ' ' {
                self.indent += 1;
                self.previous = Some(character);
                return;
            }
            if character != '\r' {
                self.line_started = true;
                if self.block.is_some_and(|opened| self.indent <= opened) {
                    self.block = None;
                }
            }
        }
        let after_gap = self.previous.is_none_or(|c| c.is_whitespace());
        let value_begins =
            after_gap || self.previous.is_some_and(|c| matches!(c, '[' | '{' | ',' | ':' | '!'));
        match self.state {
            State::Plain if self.block.is_some() => {}
            State::Plain => match character {
                '#' if after_gap => self.state = State::Comment,
                '\'' if value_begins => self.state = State::Single,
                '"' if value_begins => self.state = State::Double,
                '|' | '>' if after_gap => self.line_ends_in_block_mark = true,
                c if !c.is_whitespace() && !matches!(c, '+' | '-' | '0'..='9') => {
                    self.line_ends_in_block_mark = false
                }
                _ => {}
            },
            State::Single if character == '\'' => self.state = State::Plain,
            State::Double if self.escaped => self.escaped = false,
            State::Double if character == '\\' => self.escaped = true,
            State::Double if character == '"' => self.state = State::Plain,
            State::Comment | State::Single | State::Double => {}
        }
        self.previous = Some(character);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn parameters() -> Parameters {
        [
            ("a", json!("1")),
            ("long_name", json!("x")),
            ("list", json!(["b", true, null])),
            ("flag", json!(true)),
            ("nothing", json!(null)),
        ]
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value))
        .collect()
    }

    fn text(source: &str) -> String {
        substitute(source, &parameters()).text
    }

    #[test]
    fn python_template_rules() {
        assert_eq!(text("${a} $a $$a ${output vpc.Id} $5 ${x-y}"), "1 1 $a ${output vpc.Id} $5 ${x-y}");
        assert_eq!(text("${list} ${flag} ${nothing}"), r#"["b",true,null] true null"#);
        assert_eq!(
            text("a: '$long_name' # ${unknown} $a\nb: \"# ${a}\"\n"),
            "a: 'x' # ${unknown} $a\nb: \"# 1\"\n"
        );
        assert_eq!(text("a: don't # ${zzz}\nb: |\n  # ${a}\n"), "a: don't # ${zzz}\nb: |\n  # 1\n");
    }

    #[test]
    fn missing_parameters_are_found_wherever_they_stand() {
        let found = substitute("x: ${output a.B}\ny: ${missing}\nz: $bare\n# ${comment}\n", &parameters());
        assert_eq!(found.missing, [("missing".to_owned(), Span::new(20, 10))]);
        assert_eq!(found.bare, [("bare".to_owned(), Span::new(34, 5))]);
    }

    #[test]
    fn places_lead_back_to_the_original() {
        let source = "name: ${long_name}-tail\nother: ${a}\n";
        let found = substitute(source, &parameters());
        assert_eq!(found.text, "name: x-tail\nother: 1\n");
        let place = |start, length| {
            let span = found.original(Span::new(start, length));
            &source[span.start..span.start + span.length]
        };
        assert_eq!(place(6, 6), "${long_name}-tail");
        assert_eq!(place(8, 4), "tail");
        assert_eq!(place(13, 5), "other");
        assert_eq!(place(20, 1), "${a}");
    }

    proptest! {
        #[test]
        fn places_stay_inside_the_original(source in "[a$ {}#'\"\n:é]{0,40}") {
            let found = substitute(&source, &parameters());
            for start in 0..=found.text.len() {
                let span = found.original(Span::new(start, found.text.len() - start));
                prop_assert!(span.start + span.length <= source.len());
            }
        }
    }
}
