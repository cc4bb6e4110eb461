//! Environment files: `name: value` lines with the parameters of one deploy environment.

use std::sync::Arc;

use indexmap::IndexMap;
use miette::{Diagnostic, SourceSpan};
use thiserror::Error;

use crate::error::{Finding, Findings, Problem};
use crate::exit::ExitCode;
use crate::text::{Document, Span};

/// Problems of environment files.
#[derive(Debug, Error, Diagnostic)]
pub enum EnvironmentProblem {
    /// A line that is no pair.
    #[error("an environment file has lines of the form `name: value`")]
    #[diagnostic(
        code(environment::line),
        help("add the colon, or start the line with `#` to make it a comment")
    )]
    Line {
        /// The line.
        #[label("no colon in this line")]
        span: SourceSpan,
    },
}

impl Problem for EnvironmentProblem {
    fn exit_code(&self) -> ExitCode {
        ExitCode::Config
    }
}

/// The files CFNgin looks for beside a config, in the order in which later ones win.
pub fn file_names(environment: &str, region: &str) -> [String; 2] {
    [format!("{environment}.env"), format!("{environment}-{region}.env")]
}

/// Reads an environment file by CFNgin's rules: blank lines and lines that start with `#` are skipped, a line is split
/// at its first colon, only the value is trimmed on both sides, every value is text.
pub fn parse(document: &Arc<Document>) -> (IndexMap<String, String>, Findings) {
    let mut values = IndexMap::new();
    let mut findings = Findings::default();
    // Editors on Windows put a byte order mark in front; it belongs to no name.
    let text = document.text.trim_start_matches('\u{feff}');
    let mut start = document.text.len() - text.len();
    for line in text.split_inclusive('\n') {
        let trimmed = line.trim();
        if !trimmed.is_empty() && !trimmed.starts_with('#') {
            match trimmed.split_once(':') {
                Some((name, value)) => {
                    values.insert(name.to_owned(), value.trim().to_owned());
                }
                None => {
                    let offset = line.len() - line.trim_start().len();
                    let span = Span::new(start + offset, trimmed.len()).into();
                    findings.push(Finding::at(document, EnvironmentProblem::Line { span }));
                }
            }
        }
        start += line.len();
    }
    (values, findings)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_read_as_cfngin_reads_them() {
        let text =
            "namespace: test.cfngin\n# note\n\n  #: x\nurl: http://a:1/<b>@c\nempty:\nspaced : v # kept\n";
        let (values, findings) = parse(&Document::new("test.env", text));
        let pairs: Vec<(&str, &str)> =
            values.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        assert_eq!(
            pairs,
            [
                ("namespace", "test.cfngin"),
                ("url", "http://a:1/<b>@c"),
                ("empty", ""),
                ("spaced ", "v # kept")
            ]
        );
        assert!(!findings.has_errors());
    }

    #[test]
    fn a_byte_order_mark_is_skipped() {
        let (values, findings) = parse(&Document::new("test.env", "\u{feff}a: 1\nb\n"));
        assert_eq!(values.get("a").map(String::as_str), Some("1"));
        assert_eq!(findings.iter().map(Finding::offset).collect::<Vec<_>>(), [8]);
    }

    #[test]
    fn every_line_without_a_colon_is_reported() {
        let (_, findings) = parse(&Document::new("test.env", "a: 1\n oops\nagain\n"));
        let offsets: Vec<usize> = findings.iter().map(Finding::offset).collect();
        assert_eq!(offsets, [6, 11]);
    }
}
