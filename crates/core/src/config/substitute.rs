//! Substitution of `${name}` parameters in the text, before it is YAML, with Python's `string.Template` rules.
//!
//! `$$` gives `$`; `$name` and `${name}` give the parameter; a `${` with white space behind the name is a lookup and
//! stays. Unlike CFNgin, comments are left alone, and whether a missing parameter is an error does not depend on what
//! stands before it: a missing `${name}` always is, a missing bare `$name` stays as it is with a warning.

use serde_json::Value;

use crate::config::load::Parameters;
use crate::text::Span;
use crate::yaml;

/// What stands in place of a parameter that is not defined: any text that YAML and the checks of most fields take. What
/// they find there nevertheless is a consequence, which [`Substituted::missing`] tells from other problems.
const NEUTRAL: &str = "x";

/// A text after substitution, and how to find its places in the original.
pub(super) struct Substituted {
    /// The text.
    pub(super) text: String,
    /// Where the original starts in its document.
    start: usize,
    /// Pieces in order: where they start in the new text, where in the original, and whether they were replaced.
    pieces: Vec<Piece>,
    /// Parameters that were put in: name, value and place.
    pub(super) used: Vec<(String, String, Span)>,
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
    /// The same, of an original that starts at `start` in its document: all places are those in the document.
    pub(super) fn at(mut self, start: usize) -> Self {
        let moved = |span: &mut Span| span.start += start;
        self.used.iter_mut().for_each(|(_, _, span)| moved(span));
        self.missing.iter_mut().for_each(|(_, span)| moved(span));
        self.bare.iter_mut().for_each(|(_, span)| moved(span));
        Self { start: self.start + start, ..self }
    }

    /// The place in the document that a place in the new text came from.
    pub(super) fn original(&self, span: Span) -> Span {
        let inside = self.inside(span);
        Span::new(self.start + inside.start, inside.length)
    }

    fn inside(&self, span: Span) -> Span {
        let start = self.offset(span.start, false);
        let end = if span.length == 0 { start } else { self.offset(span.end(), true) };
        Span::new(start, end.saturating_sub(start))
    }

    /// Maps an offset; inside a replaced piece to its beginning, or to its end for the end of a span.
    fn offset(&self, new: usize, is_end: bool) -> usize {
        let index =
            self.pieces.partition_point(|piece| if is_end { piece.new < new } else { piece.new <= new });
        let Some(piece) = index.checked_sub(1).and_then(|index| self.pieces.get(index)) else { return new };
        match (piece.replaced, is_end) {
            (false, _) => piece.original.start + (new - piece.new),
            (true, true) => piece.original.end(),
            (true, false) => piece.original.start,
        }
    }

    fn keep(&mut self, text: &str, from: usize, to: usize) {
        if from < to {
            let original = Span::new(from, to - from);
            self.pieces.push(Piece { new: self.text.len(), original, replaced: false });
            self.text.push_str(&text[from..to]);
        }
    }

    fn put(&mut self, replacement: &str, original: Span) {
        self.pieces.push(Piece { new: self.text.len(), original, replaced: true });
        self.text.push_str(replacement);
    }
}

/// Substitutes every parameter outside comments.
pub(super) fn substitute(text: &str, parameters: &Parameters) -> Substituted {
    let mut result = Substituted {
        text: String::with_capacity(text.len()),
        start: 0,
        pieces: Vec::new(),
        used: Vec::new(),
        missing: Vec::new(),
        bare: Vec::new(),
    };
    let placeholders = placeholders(text);
    let mut comments = comments_around(text, &placeholders).into_iter().peekable();
    let mut copied = 0;
    for (span, found) in placeholders {
        while comments.next_if(|comment| comment.end <= span.start).is_some() {}
        if comments.peek().is_some_and(|comment| comment.start <= span.start) {
            continue;
        }
        let replacement = match found {
            Found::Dollar => "$".to_owned(),
            Found::Name { name, braced } => match parameters.get(name) {
                Some(value) => {
                    let value = spelled(value);
                    result.used.push((name.to_owned(), value.clone(), span));
                    value
                }
                None if braced => {
                    result.missing.push((name.to_owned(), span));
                    NEUTRAL.to_owned()
                }
                None => {
                    result.bare.push((name.to_owned(), span));
                    continue;
                }
            },
        };
        result.keep(text, copied, span.start);
        result.put(&replacement, span);
        copied = span.end();
    }
    result.keep(text, copied, text.len());
    result
}

/// Everything in a text that is spelled like a placeholder, comments included.
fn placeholders(text: &str) -> Vec<(Span, Found<'_>)> {
    let mut found = Vec::new();
    let mut position = 0;
    while let Some(at) = text[position..].find('$').map(|at| position + at) {
        match placeholder(&text[at..]) {
            Some((what, length)) => {
                found.push((Span::new(at, length), what));
                position = at + length;
            }
            None => position = at + 1,
        }
    }
    found
}

/// The comments of a text whose placeholders stand for texts: braces would end or begin something in YAML.
fn comments_around(text: &str, placeholders: &[(Span, Found<'_>)]) -> Vec<std::ops::Range<usize>> {
    let mut neutral = String::with_capacity(text.len());
    let mut copied = 0;
    for (span, _) in placeholders {
        neutral.push_str(&text[copied..span.start]);
        neutral.extend(std::iter::repeat_n('x', span.length));
        copied = span.end();
    }
    neutral.push_str(&text[copied..]);
    yaml::comments(&neutral)
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
        // As Python writes them: it shows where they are part of a longer text.
        Value::Bool(true) => "True".to_owned(),
        Value::Bool(false) => "False".to_owned(),
        other => other.to_string(),
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
        assert_eq!(text("${list} ${flag} ${nothing}"), r#"["b",true,null] True null"#);
        assert_eq!(
            text("a: '$long_name' # ${unknown} $a\nb: \"# ${a}\"\n"),
            "a: 'x' # ${unknown} $a\nb: \"# 1\"\n"
        );
        assert_eq!(text("a: don't # ${zzz}\nb: |\n  # ${a}\n"), "a: don't # ${zzz}\nb: |\n  # 1\n");
    }

    #[test]
    fn quotes_open_only_where_a_scalar_starts_and_block_scalars_end() {
        assert_eq!(
            text("owner: {o: 'Bob''s # ${a}', p: rock 'n roll $a # $a}\n}\n'x # $a': 1\n"),
            "owner: {o: 'Bob''s # 1', p: rock 'n roll 1 # $a}\n}\n'x # 1': 1\n"
        );
        assert_eq!(
            text("- description: |\n    # ${a}\n  name: a # ${undefined}\n"),
            "- description: |\n    # 1\n  name: a # ${undefined}\n"
        );
        assert!(
            substitute("a: it's # ${undefined}\nb: {c: ${output d.E}} # ${f}\n", &parameters())
                .missing
                .is_empty()
        );
    }

    #[test]
    fn missing_parameters_are_found_wherever_they_stand() {
        let found = substitute("x: ${output a.B}\ny: ${missing}\nz: $bare\n# ${comment}\n", &parameters());
        assert_eq!(found.missing, [("missing".to_owned(), Span::new(20, 10))]);
        assert_eq!(found.text, "x: ${output a.B}\ny: x\nz: $bare\n# ${comment}\n");
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
