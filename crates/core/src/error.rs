//! Problems as users meet them: a code, a place, a remedy, and the exit code they lead to.

use std::collections::HashSet;
use std::fmt;
use std::sync::Arc;

use miette::{Diagnostic, LabeledSpan, Severity, SourceCode};

use crate::exit::ExitCode;
use crate::secrets::Secrets;
use crate::text::{Document, Span};

/// Longest source line that is shown in full, in bytes.
const LONGEST_LINE: usize = 400;

/// A diagnostic that knows which exit code it leads to.
pub trait Problem: Diagnostic + Send + Sync + 'static {
    /// The exit code if this problem ends the run.
    fn exit_code(&self) -> ExitCode;
}

/// One problem and the document its labels point into.
#[derive(Clone)]
pub struct Finding {
    /// The file the labels point into; `None` if the problem has no place in a file.
    pub document: Option<Arc<Document>>,
    /// The problem.
    pub problem: Arc<dyn Problem>,
    /// What it concerns, if its message alone would not say so; shown in parentheses behind the message.
    concerning: Option<String>,
    /// What must not be shown of it.
    secrets: Option<Arc<Secrets>>,
}

impl Finding {
    /// A problem at a place in a document.
    pub fn at(document: &Arc<Document>, problem: impl Problem) -> Self {
        Self {
            document: Some(Arc::clone(document)),
            problem: Arc::new(problem),
            concerning: None,
            secrets: None,
        }
    }

    /// A problem without a place.
    pub fn general(problem: impl Problem) -> Self {
        Self { document: None, problem: Arc::new(problem), concerning: None, secrets: None }
    }

    /// Says what the problem concerns.
    #[must_use]
    pub fn concerning(self, what: impl Into<String>) -> Self {
        Self { concerning: Some(what.into()), ..self }
    }

    /// The same without these secrets, also where it quotes a file.
    #[must_use]
    pub fn without(mut self, secrets: &Arc<Secrets>) -> Self {
        if secrets.is_empty() {
            return self;
        }
        if let Some(document) = &self.document {
            let places = secrets.places(&document.text);
            let places: Vec<Span> = places.iter().map(|place| Span::new(place.start, place.len())).collect();
            if !places.is_empty() {
                self.document = Some(document.masked(&places));
            }
        }
        self.secrets = Some(Arc::clone(secrets));
        self
    }

    fn hidden(&self, text: String) -> String {
        match &self.secrets {
            Some(secrets) => secrets.hide(&text),
            None => text,
        }
    }

    /// Whether it is about this very document.
    fn is_in(&self, document: &Arc<Document>) -> bool {
        self.document.as_ref().is_some_and(|own| Arc::ptr_eq(own, document))
    }

    /// Whether any of its labels touches one of these places of a document.
    pub fn touches(&self, document: &Document, places: &[Span]) -> bool {
        let inside = self.document.as_deref().is_some_and(|own| own == document);
        let touch = |label: LabeledSpan| {
            let (start, end) = (label.offset(), label.offset() + label.len().max(1));
            places.iter().any(|place| start < place.end() && place.start < end)
        };
        inside && !places.is_empty() && self.problem.labels().is_some_and(|mut labels| labels.any(touch))
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
        write!(f, "{}: {self}", self.code())
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let message = match &self.concerning {
            Some(what) => format!("{} ({what})", self.problem),
            None => self.problem.to_string(),
        };
        f.write_str(&self.hidden(message))
    }
}

impl std::error::Error for Finding {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        // Messages of causes are not this one's to change.
        self.problem.source().filter(|_| self.secrets.is_none())
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
        let help = self.problem.help()?.to_string();
        Some(Box::new(self.hidden(help)))
    }

    /// The labels, each cut at the end of its line: of a problem with a whole collection its beginning says enough.
    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        let labels = self.problem.labels()?;
        let Some(document) = &self.document else { return Some(labels) };
        Some(Box::new(labels.map(|label| {
            let line_end = document.line(document.line_of(label.offset())).end;
            let length = label.len().min(line_end.saturating_sub(label.offset()).max(1));
            let text = label.label().map(|text| self.hidden(text.to_owned()));
            LabeledSpan::new(text, label.offset(), length)
        })))
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
        // Only the lines around are searched, not the whole text, and nothing is shown across the end of a file.
        let last = span.offset() + span.len().saturating_sub(1);
        let file = self.file_at(span.offset());
        if last > file.end {
            return Err(miette::MietteError::OutOfBounds);
        }
        let start = self.line_start(self.line_of(span.offset()).saturating_sub(context_lines_before + 1));
        let end = self.line_start(self.line_of(last) + context_lines_after + 2).min(file.end);
        let start = start.max(file.start);
        let nearby = self.text.get(start..end).unwrap_or_default();
        let inside = miette::SourceSpan::new(span.offset().saturating_sub(start).into(), span.len());
        let contents = nearby.read_span(&inside, context_lines_before, context_lines_after)?;
        let too_long = |line: &[u8]| line.len() > LONGEST_LINE;
        if contents.data().split(|byte| *byte == b'\n').any(too_long) {
            return Ok(Box::new(self.around(span)));
        }
        let shown = start + contents.span().offset();
        // Columns are characters; miette would count bytes.
        let (line, column) = self.line_and_column(shown);
        Ok(Box::new(miette::MietteSpanContents::new_named(
            self.name_at(shown).to_owned(),
            contents.data(),
            miette::SourceSpan::new(shown.into(), contents.span().len()),
            line - 1,
            column - 1,
            // As miette counts: from the beginning of the file.
            self.line_of(start) - self.line_of(file.start) + contents.line_count(),
        )))
    }
}

impl Document {
    /// The neighbourhood of a span, for snippets from texts with very long lines.
    fn around(&self, span: &miette::SourceSpan) -> miette::MietteSpanContents<'_> {
        let line_start = self.line_start(self.line_of(span.offset()));
        let start = self.boundary(span.offset().saturating_sub(LONGEST_LINE / 4)).max(line_start);
        let end = self.boundary(start + LONGEST_LINE);
        let end = self.text[start..end].find('\n').map_or(end, |at| start + at);
        let (line, column) = self.line_and_column(start);
        let shown = miette::SourceSpan::new(start.into(), end - start);
        let data = &self.text.as_bytes()[start..end];
        miette::MietteSpanContents::new_named(
            self.name_at(start).to_owned(),
            data,
            shown,
            line - 1,
            column - 1,
            1,
        )
    }
}

/// Everything found wrong in one pass: errors and warnings together. The same problem at the same place counts once:
/// what is wrong with a node that aliases name is found with every use of it.
#[derive(Debug, Clone, Default)]
pub struct Findings {
    list: Vec<Finding>,
    known: HashSet<Identity>,
}

/// File, code and places of a finding.
type Identity = (Option<String>, String, Vec<(usize, usize)>);

impl From<Finding> for Findings {
    fn from(finding: Finding) -> Self {
        let mut findings = Self::default();
        findings.push(finding);
        findings
    }
}

impl Findings {
    /// Quotes `shown` wherever `document` would be quoted.
    pub fn show(&mut self, document: &Arc<Document>, shown: &Arc<Document>) {
        for finding in self.list.iter_mut().filter(|finding| finding.is_in(document)) {
            finding.document = Some(Arc::clone(shown));
        }
    }

    /// Adds one, unless the same problem at the same place is there already.
    pub fn push(&mut self, finding: Finding) {
        let places: Vec<(usize, usize)> = finding
            .problem
            .labels()
            .map(|labels| labels.map(|label| (label.offset(), label.len())).collect())
            .unwrap_or_default();
        let file = finding.document.as_ref().map(|document| document.name.clone());
        if places.is_empty() || self.known.insert((file, finding.code(), places)) {
            self.list.push(finding);
        }
    }

    /// Adds all of another list.
    pub fn extend(&mut self, other: Self) {
        other.list.into_iter().for_each(|finding| self.push(finding));
    }

    /// The findings in the order they were made, each by itself.
    pub fn into_list(self) -> Vec<Finding> {
        self.list
    }

    /// Keeps those for which `keep` says so.
    pub fn retain(&mut self, keep: impl FnMut(&Finding) -> bool) {
        self.list.retain(keep);
    }

    /// Whether any of them is an error.
    pub fn has_errors(&self) -> bool {
        self.list.iter().any(|finding| !finding.is_warning())
    }

    /// Splits into errors and warnings, each ordered by file and place.
    pub fn split(mut self) -> (Vec<Finding>, Vec<Finding>) {
        self.list.sort_by_cached_key(|finding| {
            (finding.document.as_ref().map(|document| document.name.clone()), finding.offset())
        });
        self.list.into_iter().partition(|finding| !finding.is_warning())
    }

    /// The findings in the order they were made.
    pub fn iter(&self) -> impl Iterator<Item = &Finding> {
        self.list.iter()
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

/// The candidate most like `wanted`, if one is close enough to be meant: at most a third of its letters differ, or only
/// their case. Nothing is like a name of one or two letters.
pub fn nearest<'a>(wanted: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let length = wanted.chars().count();
    candidates
        .into_iter()
        .filter_map(|candidate| {
            if !wanted.is_empty() && wanted.eq_ignore_ascii_case(candidate) {
                return Some((0, candidate));
            }
            let candidate_length = candidate.chars().count();
            let limit = candidate_length / 3;
            // Each letter more or less counts one, so most candidates need no closer look.
            if length < 2 || candidate_length < 3 || length.abs_diff(candidate_length) > limit {
                return None;
            }
            let distance = edit_distance(wanted, candidate);
            (distance <= limit).then_some((distance, candidate))
        })
        .min()
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
        assert_eq!(nearest("VPC", ["vpc", "vpd"]), Some("vpc"));
        assert_eq!(
            (nearest("x", ["a", "xy"]), nearest("", ["a", ""]), nearest("aa", ["ab"])),
            (None, None, None)
        );
    }
}
