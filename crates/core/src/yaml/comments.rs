//! Where the comments of a text are.

use std::ops::Range;

use granit_parser::{Scanner, StrInput, TokenType};

/// The comments of a text in order, as ranges of bytes. Behind the place at which the text stops being YAML, a comment
/// is what follows a `#` at the start of a line or after white space, on a line without quotes before it.
pub fn comments(text: &str) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    let mut scanned = 0;
    for token in Scanner::new(StrInput::new(text)) {
        let Ok(token) = token else {
            found.extend(by_line(text, scanned));
            break;
        };
        let (span, kind) = token.into_parts();
        let range = span.byte_range().unwrap_or(0..0);
        scanned = range.end.max(scanned);
        if matches!(kind, TokenType::Comment(_)) {
            found.push(range);
        }
    }
    found
}

fn by_line(text: &str, from: usize) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    let mut start = from;
    for line in text[from..].split_inclusive('\n') {
        let begins = line.match_indices('#').map(|(at, _)| at).find(|at| {
            line[..*at].chars().next_back().is_none_or(char::is_whitespace)
                && !line[..*at].contains(['\'', '"'])
        });
        if let Some(at) = begins {
            found.push(start + at..start + line.trim_end_matches(['\n', '\r']).len());
        }
        start += line.len();
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str) -> Vec<&str> {
        comments(text).into_iter().map(|range| &text[range]).collect()
    }

    #[test]
    fn quotes_and_block_scalars_have_no_comments_in_them() {
        assert_eq!(
            found("a: 'Bob''s # x' # one\nb: rock 'n roll # two\nc: don't # three\n"),
            ["# one", "# two", "# three"]
        );
        assert_eq!(
            found("a: \"x \\\" # y\" # one\n- description: |\n    # text\n  name: a # two\n"),
            ["# one", "# two"]
        );
        assert_eq!(found("é: [a, 'b#c', d#e] # ü\r\n# own\r\n"), ["# ü", "# own"]);
    }

    #[test]
    fn text_that_is_no_yaml_still_has_comments() {
        assert_eq!(found("a: @b # one\n# two\nc: 'x # y'\n"), ["# one", "# two"]);
    }
}
