//! What is printed about assets, and written to the report: one document a command, whatever becomes of it.

use std::sync::{Mutex, PoisonError};

use camino::Utf8Path;
use runway_core::engine::EngineError;
use runway_core::exit::ExitCode;
use runway_core::render::json::pretty;
use runway_core::render::problems::{self, ErrorBody};
use serde::Serialize;

use super::AssetsContext;
use crate::args::AssetsFormat;
use crate::commands::reports::writable;
use crate::commands::saved::replace;
use crate::output::Output;
use crate::settings::SettingsProblem;

/// The document that was told, if there was one.
#[derive(Debug, Default)]
pub(crate) struct Told(Mutex<Option<String>>);

impl Told {
    pub(super) fn keep(&self, document: String) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(document);
    }

    fn take(&self) -> Option<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// An error as a part of a document.
pub(super) fn body(error: &EngineError) -> ErrorBody {
    problems::body(&error.findings, error.exit)
}

impl AssetsContext<'_> {
    /// Prints a result in the form that is wanted.
    pub(super) fn tell(
        &self,
        format: AssetsFormat,
        document: &impl Serialize,
        text: String,
        markdown: String,
    ) {
        let json = pretty(document);
        self.output.data(match format {
            AssetsFormat::Text => &text,
            AssetsFormat::Json => &json,
            AssetsFormat::Markdown => &markdown,
        });
        self.told.keep(json);
    }

    /// Tells people of an error that is in the document already.
    pub(super) fn tell_error(&self, error: Option<EngineError>) -> ExitCode {
        let Some(error) = error else { return ExitCode::Ok };
        let output = Output { json_errors: false, ..self.output.clone() };
        output.findings(&error.findings, error.exit);
        error.exit
    }

    /// Fails if the report could not be written: better before than after.
    pub(super) fn can_report(&self, path: &Utf8Path) -> Result<(), EngineError> {
        writable(self.current, path).map_err(EngineError::of)
    }

    /// Writes the report: what was told, or else why nothing was.
    pub(super) fn report(
        &self,
        path: &Utf8Path,
        ended: Result<ExitCode, EngineError>,
    ) -> Result<ExitCode, EngineError> {
        let told = self.told.take();
        let document = match (&ended, told) {
            (_, Some(told)) => told,
            (Err(error), None) => problems::json(&error.findings, error.exit),
            (Ok(_), None) => return ended,
        };
        let document = self.output.data_without_secrets(&document);
        let written = replace(&self.current.join(path), document.as_bytes(), 0o666).map_err(|error| {
            EngineError::of(SettingsProblem::Unwritable { path: path.to_owned(), message: error.to_string() })
        });
        match (ended, written) {
            (Ok(ExitCode::Ok), Err(error)) => {
                let exit = error.exit;
                self.tell_error(Some(error));
                Ok(exit)
            }
            // What the command ended with says more.
            (ended, Err(error)) => {
                self.tell_error(Some(error));
                ended
            }
            (ended, Ok(())) => ended,
        }
    }
}
