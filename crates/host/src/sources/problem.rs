//! A failure at its place in a config.

use std::fmt;

use miette::{Diagnostic, LabeledSpan};
use runway_core::error::Problem;
use runway_core::exit::ExitCode;
use runway_core::text::Span;

use super::failure::SourceFailure;

/// A source that cannot be had, and where it is named.
#[derive(Debug)]
pub(super) struct SourceProblem {
    failure: SourceFailure,
    span: Span,
}

impl SourceProblem {
    pub(super) fn new(failure: SourceFailure, span: Span) -> Self {
        Self { failure, span }
    }
}

impl fmt::Display for SourceProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.failure.fmt(f)
    }
}

impl std::error::Error for SourceProblem {}

impl Diagnostic for SourceProblem {
    fn code<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        self.failure.code()
    }

    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        self.failure.help()
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        let label = LabeledSpan::new(Some("named here".to_owned()), self.span.start, self.span.length);
        Some(Box::new(std::iter::once(label)))
    }
}

impl Problem for SourceProblem {
    fn exit_code(&self) -> ExitCode {
        self.failure.exit_code()
    }
}
