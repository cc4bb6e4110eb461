//! Package sources of configs: fetched before the configs are read.

use std::sync::Arc;

use camino::Utf8Path;
use runway_core::config::load::{Parameters, wanted};
use runway_core::error::Findings;
use runway_core::text::Document;
use runway_host::sources::{Access, Fetched, Fetcher, Known, Progress};

use crate::output::Output;
use crate::settings::shown;

/// How sources are fetched.
#[derive(Clone, Copy)]
pub(crate) struct Sources<'s> {
    /// What the run has resolved so far.
    pub(crate) known: &'s Known,
    /// What may be asked.
    pub(crate) access: Access<'s>,
    /// Whether a config whose sources need a connection can wait for one.
    pub(crate) can_wait: bool,
    /// Directory whose `.runway/cache` is used: that of the project file; `None`: that of the config.
    pub(crate) root: Option<&'s Utf8Path>,
    pub(crate) output: &'s Output,
}

/// What became of the sources of a config.
pub(crate) enum Outcome {
    /// They are there; there may be none.
    Fetched(Fetched),
    /// They wait for a connection.
    Waiting,
    /// Why they cannot be had.
    Failed(Findings),
}

impl Sources<'_> {
    /// Fetches what a config wants.
    pub(crate) async fn of(
        &self,
        document: &Arc<Document>,
        parameters: &Parameters,
        environment_file: &str,
        (directory, current): (&Utf8Path, &Utf8Path),
    ) -> Outcome {
        // Most configs have none, and are not read twice.
        if !document.text.contains("package_sources") {
            return Outcome::Fetched(Fetched::default());
        }
        let wanted = match wanted(document, parameters, environment_file) {
            Ok(Some(wanted)) => wanted,
            Ok(None) => return Outcome::Fetched(Fetched::default()),
            Err(findings) => return Outcome::Failed(findings),
        };
        if self.can_wait && matches!(self.access, Access::Network(None)) && !wanted.sources.s3.is_empty() {
            return Outcome::Waiting;
        }
        let default_cache = self.root.unwrap_or(directory).join(".runway/cache");
        let fetcher = Fetcher {
            known: self.known,
            document,
            directory,
            default_cache: &default_cache,
            access: self.access,
            shown: &|path| shown(path, current),
            progress: &|progress| match progress {
                Progress::Asking(name) => self.output.progress(&format!("package source {name} ...")),
                Progress::Resolved(source) => self.output.message(&source.to_string()),
            },
        };
        match fetcher.fetch(&wanted).await {
            Ok(fetched) => Outcome::Fetched(fetched),
            Err(findings) => Outcome::Failed(findings),
        }
    }
}
