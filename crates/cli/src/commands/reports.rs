//! Files about what became of a deploy or destroy: `--report` and `--junit`.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use camino::{Utf8Path, Utf8PathBuf};
use runway_core::clock::Clock as _;
use runway_core::engine::{EngineError, RunOutcome};
use runway_core::error::Finding;
use runway_core::exit::ExitCode;
use runway_core::outcome::Tally;
use runway_core::render::cache::UseDocument;
use runway_core::render::report::{ConfigDocument, ReportDocument, ReportedError, RunDocument};
use runway_core::render::{junit, report};

use super::saved::replace;
use crate::args::Command;
use crate::clock::SystemClock;
use crate::output::Output;
use crate::settings::SettingsProblem;

/// What is gathered for the files, and where they go.
pub(super) struct Reports {
    command: &'static str,
    current: Utf8PathBuf,
    json: Option<Utf8PathBuf>,
    junit: Option<Utf8PathBuf>,
    began: Began,
    gathered: Mutex<Gathered>,
}

/// A moment, on the calendar and on the stopwatch.
pub(super) struct Began {
    at: jiff::Timestamp,
    since: Duration,
}

impl Began {
    fn now() -> Self {
        Self { at: SystemClock.now(), since: SystemClock.monotonic() }
    }

    fn shown(&self) -> String {
        let whole = self.at.round(jiff::Unit::Second);
        whole.unwrap_or(self.at).to_string()
    }

    fn seconds(&self) -> f64 {
        let elapsed = SystemClock.monotonic().saturating_sub(self.since);
        (elapsed.as_secs_f64() * 1000.0).round() / 1000.0
    }
}

#[derive(Default)]
struct Gathered {
    expected: Vec<ConfigDocument>,
    runs: Vec<RunDocument>,
    requests: BTreeMap<String, u64>,
    cache: Option<UseDocument>,
}

impl Reports {
    /// The files that a command is to write. That they can be written is seen before anything is done.
    ///
    /// # Errors
    /// [`SettingsProblem`] if one cannot.
    pub(super) fn begin(command: &Command, current: &Utf8Path) -> Result<Self, SettingsProblem> {
        let (command, given) = match command {
            Command::Deploy(arguments) => ("deploy", Some(arguments)),
            Command::Destroy(arguments) => ("destroy", Some(arguments)),
            _ => ("", None),
        };
        let json = given.and_then(|given| given.report.clone());
        let junit = given.and_then(|given| given.junit.clone());
        if let (Some(json), Some(junit)) = (&json, &junit)
            && current.join(json) == current.join(junit)
        {
            return Err(SettingsProblem::SameFile { path: json.clone() });
        }
        for path in json.iter().chain(&junit) {
            writable(current, path)?;
        }
        let began = Began::now();
        Ok(Self { command, current: current.to_owned(), json, junit, began, gathered: Mutex::default() })
    }

    /// The beginning of a run.
    #[expect(clippy::unused_self, reason = "the clock of the reports")]
    pub(super) fn began(&self) -> Began {
        Began::now()
    }

    /// The configs that will have their turn, if nothing comes between.
    pub(super) fn expected(&self, configs: Vec<ConfigDocument>) {
        self.gathered().expected = configs;
    }

    /// Requests so far, by operation.
    pub(super) fn requests(&self, requests: &BTreeMap<String, u64>) {
        self.gathered().requests.clone_from(requests);
    }

    /// What the command had of the task cache.
    pub(super) fn cache(&self, used: UseDocument) {
        self.gathered().cache = Some(used);
    }

    /// The end of a run.
    pub(super) fn ended(
        &self,
        config: ConfigDocument,
        began: &Began,
        ended: &Result<RunOutcome, EngineError>,
    ) {
        let (plan, nodes, findings, exit) = match ended {
            Ok(outcome) => {
                (Some(&outcome.planned.plan), outcome.nodes.clone(), &outcome.errors, outcome.exit)
            }
            Err(error) => (None, Vec::new(), &error.findings, error.exit),
        };
        self.gathered().runs.push(RunDocument {
            config,
            account: plan.map(|plan| plan.account.clone()),
            started: began.shown(),
            elapsed: began.seconds(),
            exit: exit.number(),
            summary: Tally::of(&nodes),
            nodes,
            errors: ReportedError::all(findings),
        });
    }

    fn gathered(&self) -> std::sync::MutexGuard<'_, Gathered> {
        self.gathered.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes the files, however the command ended. `findings` are what it ended with.
    ///
    /// # Errors
    /// [`SettingsProblem`] if one cannot be written.
    pub(super) fn write(
        &self,
        exit: ExitCode,
        findings: &[Finding],
        output: &Output,
    ) -> Result<(), SettingsProblem> {
        if self.json.is_none() && self.junit.is_none() {
            return Ok(());
        }
        let document = self.document(exit, findings).without(&output.vault.secrets());
        if let Some(path) = &self.json {
            self.put(path, &report::json(&document))?;
        }
        if let Some(path) = &self.junit {
            self.put(path, &junit::xml(&document))?;
        }
        Ok(())
    }

    fn document(&self, exit: ExitCode, findings: &[Finding]) -> ReportDocument {
        let gathered = std::mem::take(&mut *self.gathered());
        let told = |error: &ReportedError| gathered.runs.iter().any(|run| run.errors.contains(error));
        let errors = ReportedError::all(findings).into_iter().filter(|error| !told(error)).collect();
        let reached = |config: &ConfigDocument| gathered.runs.iter().any(|run| run.config == *config);
        let not_reached = gathered.expected.into_iter().filter(|config| !reached(config)).collect();
        let report = ReportDocument {
            version: 1,
            program: format!("runway-rs {}", env!("CARGO_PKG_VERSION")),
            command: self.command.to_owned(),
            started: self.began.shown(),
            elapsed: self.began.seconds(),
            exit: exit.number(),
            summary: Tally::default(),
            requests: gathered.requests.into(),
            cache: gathered.cache,
            not_reached,
            errors,
            runs: gathered.runs,
        };
        report.counted()
    }

    fn put(&self, path: &Utf8Path, text: &str) -> Result<(), SettingsProblem> {
        replace(&self.current.join(path), text.as_bytes(), 0o666).map_err(|error| unwritable(path, &error))
    }
}

fn unwritable(path: &Utf8Path, error: &std::io::Error) -> SettingsProblem {
    SettingsProblem::Unwritable { path: path.to_owned(), message: error.to_string() }
}

/// Whether a file could be written there. Nothing is left behind, and nothing that is there is touched.
pub(crate) fn writable(current: &Utf8Path, path: &Utf8Path) -> Result<(), SettingsProblem> {
    let place = current.join(path);
    let is_other = fs_err::metadata(&place).is_ok_and(|about| !about.is_file());
    let name = place.file_name().filter(|_| !is_other);
    let Some(name) = name else {
        let message = "it is no regular file".to_owned();
        return Err(SettingsProblem::Unwritable { path: path.to_owned(), message });
    };
    let beside = place.with_file_name(format!(".{name}.{}.tmp", uuid::Uuid::new_v4()));
    let tried = fs_err::OpenOptions::new().write(true).create_new(true).open(&beside);
    tried.map_err(|error| {
        // The name of the file beside it would only confuse.
        let message = error.kind().to_string();
        SettingsProblem::Unwritable { path: path.to_owned(), message }
    })?;
    // Whoever may create a file may remove it; if not, nothing is lost.
    let _ = fs_err::remove_file(&beside);
    Ok(())
}
