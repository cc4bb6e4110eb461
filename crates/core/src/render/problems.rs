//! Errors and warnings as a document for programs.

use miette::{Diagnostic as _, LabeledSpan};
use serde::Serialize;

use super::json::pretty;
use crate::error::Finding;
use crate::exit::ExitCode;
use crate::text::Document;

/// Errors and warnings of a command.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub(crate) struct ErrorDocument {
    /// Version of this format.
    version: u32,
    /// What is wrong.
    error: ErrorBody,
}

/// What is wrong, in short and in full.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ErrorBody {
    /// Code of the first error; empty if there are only warnings.
    code: String,
    /// Exit code of the command.
    exit: u8,
    /// Every error and warning.
    findings: Vec<FindingDocument>,
}

impl ErrorBody {
    /// What is wrong, a sentence each.
    pub fn messages(&self) -> impl Iterator<Item = &str> {
        self.findings.iter().map(|finding| finding.message.as_str())
    }
}

/// One error or warning.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub(crate) struct FindingDocument {
    /// Stable code, for example `config::unknown_key`.
    code: String,
    /// `error` or `warning`.
    severity: &'static str,
    /// What is wrong, one sentence.
    message: String,
    /// The file, as it was named.
    file: Option<String>,
    /// Line of the first place, from 1.
    line: Option<usize>,
    /// Column of the first place in characters, from 1.
    column: Option<usize>,
    /// Every place.
    labels: Vec<LabelDocument>,
    /// What to do.
    help: Option<String>,
}

/// A place and what is there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub(crate) struct LabelDocument {
    /// The file, if it is not that of the first place: a config can be put together from several.
    #[serde(skip_serializing_if = "Option::is_none")]
    file: Option<String>,
    /// Line, from 1.
    line: usize,
    /// Column in characters, from 1.
    column: usize,
    /// What is there.
    text: Option<String>,
}

/// Findings as JSON, with the exit code of the command that they ended.
pub fn json(findings: &[Finding], exit: ExitCode) -> String {
    pretty(&ErrorDocument { version: 1, error: body(findings, exit) })
}

/// Findings as a part of a document that tells more.
pub fn body(findings: &[Finding], exit: ExitCode) -> ErrorBody {
    let first = findings.iter().find(|finding| !finding.is_warning()).map(Finding::code).unwrap_or_default();
    ErrorBody { code: first, exit: exit.number(), findings: findings.iter().map(document).collect() }
}

fn document(finding: &Finding) -> FindingDocument {
    let place = finding.document.as_ref().zip(Some(finding.offset()).filter(|offset| *offset != usize::MAX));
    let (line, column) = place.map(|(document, offset)| document.line_and_column(offset)).unzip();
    let labels = finding.document.as_deref().zip(finding.labels());
    let file = finding.document.as_ref().map(|document| match place {
        Some((document, offset)) => document.name_at(offset).to_owned(),
        None => document.name.clone(),
    });
    FindingDocument {
        code: finding.code(),
        severity: if finding.is_warning() { "warning" } else { "error" },
        message: finding.to_string(),
        line,
        column,
        labels: labels
            .into_iter()
            .flat_map(|(document, labels)| labels.map(|found| label(document, &found, file.as_deref())))
            .collect(),
        help: finding.help().map(|help| help.to_string()),
        file,
    }
}

fn label(document: &Document, label: &LabeledSpan, first: Option<&str>) -> LabelDocument {
    let (line, column) = document.line_and_column(label.offset());
    let file = Some(document.name_at(label.offset())).filter(|file| Some(*file) != first).map(str::to_owned);
    LabelDocument { file, line, column, text: label.label().map(str::to_owned) }
}
