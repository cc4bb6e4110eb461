//! Problems as users meet them: a code, a place, a remedy, and the exit code they lead to.

use std::fmt;
use std::sync::Arc;

use miette::{Diagnostic, LabeledSpan, Severity, SourceCode};

use crate::exit::ExitCode;
use crate::text::Document;

/// Longest source line that is shown in full, in bytes.
const LONGEST_LINE: usize = 400;

/// A diagnostic that knows which exit code it leads to.
pub trait Problem: Diagnostic + Send + Sync + 'static {
    /// The exit code if this problem ends the run.
    fn exit_code(&self) -> ExitCode;
}

/// One problem and the document its labels point into.
pub struct Finding {
    /// The file the labels point into; `None` if the problem has no place in a file.
    pub document: Option<Arc<Document>>,
    /// The problem.
    pub problem: Box<dyn Problem>,
}

impl Finding {
    /// A problem at a place in a document.
    pub fn at(document: &Arc<Document>, problem: impl Problem) -> Self {
        Self { document: Some(Arc::clone(document)), problem: Box::new(problem) }
    }

    /// A problem without a place.
    pub fn general(problem: impl Problem) -> Self {
        Self { document: None, problem: Box::new(problem) }
    }

    /// Whether this only warns.
    pub fn is_warning(&self) -> bool {
        matches!(self.problem.severity(), Some(Severity::Warning | Severity::Advice))
    }

    /// The code, for example `config::unknown_key`.
    pub fn code(&self) -> String {
        self.problem.code().map(|code| code.to_string()).unwrap_or_default()
    }

    /// Offset in bytes of the first label, for ordering findings as they stand in the file.
    pub fn offset(&self) -> usize {
        self.problem.labels().and_then(|mut labels| labels.next()).map_or(usize::MAX, |label| label.offset())
    }
}

impl fmt::Debug for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code(), self.problem)
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.problem.fmt(f)
    }
}

impl std::error::Error for Finding {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.problem.source()
    }
}

impl Diagnostic for Finding {
    fn code<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        self.problem.code()
    }

    fn severity(&self) -> Option<Severity> {
        self.problem.severity()
    }

    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        self.problem.help()
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        self.problem.labels()
    }

    fn source_code(&self) -> Option<&dyn SourceCode> {
        self.document.as_deref().map(|document| document as &dyn SourceCode)
    }

    fn related<'a>(&'a self) -> Option<Box<dyn Iterator<Item = &'a dyn Diagnostic> + 'a>> {
        self.problem.related()
    }
}

impl SourceCode for Document {
    fn read_span<'a>(
        &'a self,
        span: &miette::SourceSpan,
        context_lines_before: usize,
        context_lines_after: usize,
    ) -> Result<Box<dyn miette::SpanContents<'a> + 'a>, miette::MietteError> {
        let contents = self.text.read_span(span, context_lines_before, context_lines_after)?;
        let too_long = |line: &[u8]| line.len() > LONGEST_LINE;
        if contents.data().split(|byte| *byte == b'\n').any(too_long) {
            return Ok(Box::new(self.around(span)));
        }
        Ok(Box::new(miette::MietteSpanContents::new_named(
            self.name.clone(),
            contents.data(),
            *contents.span(),
            contents.line(),
            contents.column(),
            contents.line_count(),
        )))
    }
}

impl Document {
    /// The neighbourhood of a span, for snippets from texts with very long lines.
    fn around(&self, span: &miette::SourceSpan) -> miette::MietteSpanContents<'_> {
        let boundary =
            |at: usize| (0..=at.min(self.text.len())).rev().find(|at| self.text.is_char_boundary(*at));
        let line_start = self.text[..boundary(span.offset()).unwrap_or(0)].rfind('\n').map_or(0, |at| at + 1);
        let start = boundary(span.offset().saturating_sub(LONGEST_LINE / 4)).unwrap_or(0).max(line_start);
        let end = boundary(start + LONGEST_LINE).unwrap_or(start);
        let end = self.text[start..end].find('\n').map_or(end, |at| start + at);
        let (line, column) = self.line_and_column(start);
        let shown = miette::SourceSpan::new(start.into(), end - start);
        let data = &self.text.as_bytes()[start..end];
        miette::MietteSpanContents::new_named(self.name.clone(), data, shown, line - 1, column - 1, 1)
    }
}

/// Everything found wrong in one pass: errors and warnings together.
#[derive(Debug, Default)]
pub struct Findings(Vec<Finding>);

impl Findings {
    /// Adds one.
    pub fn push(&mut self, finding: Finding) {
        self.0.push(finding);
    }

    /// Adds all of another list.
    pub fn extend(&mut self, other: Self) {
        self.0.extend(other.0);
    }

    /// Whether any of them is an error.
    pub fn has_errors(&self) -> bool {
        self.0.iter().any(|finding| !finding.is_warning())
    }

    /// Splits into errors and warnings, each ordered by file and place.
    pub fn split(mut self) -> (Vec<Finding>, Vec<Finding>) {
        self.0.sort_by(|a, b| {
            let name = |finding: &Finding| finding.document.as_ref().map(|document| document.name.clone());
            name(a).cmp(&name(b)).then(a.offset().cmp(&b.offset()))
        });
        self.0.into_iter().partition(|finding| !finding.is_warning())
    }

    /// The findings in the order they were made.
    pub fn iter(&self) -> impl Iterator<Item = &Finding> {
        self.0.iter()
    }

    /// Exit code of the run: the lowest among the errors, or `Ok` if there are none.
    pub fn exit_code(&self) -> ExitCode {
        self.iter()
            .filter(|finding| !finding.is_warning())
            .map(|finding| finding.problem.exit_code())
            .min_by_key(|code| code.number())
            .unwrap_or(ExitCode::Ok)
    }
}

/// The candidate most like `wanted`, if one is close enough to be meant (at most a third of its letters differ).
pub fn nearest<'a>(wanted: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    candidates
        .into_iter()
        .map(|candidate| (edit_distance(wanted, candidate), candidate))
        .filter(|(distance, candidate)| *distance <= (candidate.chars().count().max(3) / 3))
        .min_by_key(|(distance, candidate)| (*distance, *candidate))
        .map(|(_, candidate)| candidate)
}

/// Optimal string alignment distance: insertions, deletions, substitutions and swaps of neighbours count one each.
fn edit_distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut rows = vec![(0..=b.len()).collect::<Vec<_>>()];
    for i in 1..=a.len() {
        let mut row = vec![i];
        for j in 1..=b.len() {
            let substitution = rows[i - 1][j - 1] + usize::from(a[i - 1] != b[j - 1]);
            let mut best = substitution.min(rows[i - 1][j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                best = best.min(rows[i - 2][j - 2] + 1);
            }
            row.push(best);
        }
        rows.push(row);
    }
    rows[a.len()][b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nearest_names_what_was_meant() {
        let known = ["persistent_graph_key", "namespace", "stacks"];
        assert_eq!(nearest("persistent_graph_keys", known), Some("persistent_graph_key"));
        assert_eq!(nearest("stakcs", known), Some("stacks"));
        assert_eq!(nearest("vpc_parameters", known), None);
    }
}
