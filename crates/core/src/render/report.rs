//! The report of a deploy or destroy: what became of every node, what it took, and what went wrong.

use std::collections::BTreeMap;

use miette::Diagnostic as _;
use serde::Serialize;

use super::cache::UseDocument;
use super::json::pretty;
use crate::error::Finding;
use crate::exit::ExitCode;
use crate::outcome::{NodeOutcome, Tally};
use crate::secrets::Secrets;

/// The file of `deploy --report` and `destroy --report`.
#[derive(Debug, Clone, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ReportDocument {
    /// Version of this format.
    pub version: u32,
    /// Name and version of the program.
    pub program: String,
    /// `deploy` or `destroy`.
    pub command: String,
    /// When it started (RFC 3339, UTC).
    pub started: String,
    /// Seconds it took.
    pub elapsed: f64,
    /// Exit code of the command.
    pub exit: u8,
    /// Nodes of all runs by how they ended.
    pub summary: Tally,
    /// Requests to the cloud.
    pub requests: RequestsDocument,
    /// What the command had of the task cache; `null` if nothing was asked.
    pub cache: Option<UseDocument>,
    /// One for each config that was worked on, in the order in which they ended.
    pub runs: Vec<RunDocument>,
    /// Configs whose turn did not come, because the command ended before.
    pub not_reached: Vec<ConfigDocument>,
    /// What went wrong outside of a run, for example a config with mistakes.
    pub errors: Vec<ReportedError>,
}

/// Requests to the cloud, as far as they are counted.
#[derive(Debug, Clone, Default, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct RequestsDocument {
    /// All of them.
    pub total: u64,
    /// By operation.
    pub by_operation: BTreeMap<String, u64>,
}

impl From<BTreeMap<String, u64>> for RequestsDocument {
    fn from(by_operation: BTreeMap<String, u64>) -> Self {
        Self { total: by_operation.values().sum(), by_operation }
    }
}

/// Which config, and where.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ConfigDocument {
    /// Module and region of a project; left out without one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
    /// The config, as it was named.
    pub config: String,
    /// Namespace, as written in the config.
    pub namespace: String,
    /// Region.
    pub region: String,
    /// Name of the deploy environment.
    pub environment: String,
}

/// What became of one config.
#[derive(Debug, Clone, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct RunDocument {
    /// Which config.
    #[serde(flatten)]
    pub config: ConfigDocument,
    /// Account id; `null` if no plan was made.
    pub account: Option<String>,
    /// When its turn came (RFC 3339, UTC).
    pub started: String,
    /// Seconds it took.
    pub elapsed: f64,
    /// Exit code of this part of the command.
    pub exit: u8,
    /// Nodes by how they ended.
    pub summary: Tally,
    /// How every node of the plan ended, in the order of the plan; empty if no plan was made.
    pub nodes: Vec<NodeOutcome>,
    /// What went wrong beside the nodes.
    pub errors: Vec<ReportedError>,
}

/// An error in a report.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ReportedError {
    /// Stable code, for example `lock::lost`.
    pub code: String,
    /// What is wrong, one sentence.
    pub message: String,
    /// The file, as it was named.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// Line of the first place, from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line: Option<usize>,
    /// What to do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub help: Option<String>,
}

impl ReportedError {
    /// The errors among findings.
    pub fn all(findings: &[Finding]) -> Vec<Self> {
        findings.iter().filter(|finding| !finding.is_warning()).map(Self::of).collect()
    }

    fn of(finding: &Finding) -> Self {
        let offset = finding.offset();
        let place = finding.document.as_ref().filter(|_| offset != usize::MAX);
        Self {
            code: finding.code(),
            message: finding.to_string(),
            file: finding.document.as_ref().map(|document| match place {
                Some(document) => document.name_at(offset).to_owned(),
                None => document.name.clone(),
            }),
            line: place.map(|document| document.line_and_column(offset).0),
            help: finding.help().map(|help| help.to_string()),
        }
    }

    fn hide(&mut self, secrets: &Secrets) {
        self.message = secrets.hide(&self.message);
        if let Some(help) = &mut self.help {
            *help = secrets.hide(help);
        }
    }
}

impl ReportDocument {
    /// Counts what is in the runs.
    pub fn counted(mut self) -> Self {
        let nodes: Vec<NodeOutcome> = self.runs.iter().flat_map(|run| run.nodes.iter().cloned()).collect();
        self.summary = Tally::of(&nodes);
        self
    }

    /// The same without these secrets.
    pub fn without(mut self, secrets: &Secrets) -> Self {
        for run in &mut self.runs {
            run.nodes.iter_mut().for_each(|node| node.hide(secrets));
            run.errors.iter_mut().for_each(|error| error.hide(secrets));
        }
        self.errors.iter_mut().for_each(|error| error.hide(secrets));
        self
    }
}

/// The report as JSON.
pub fn json(report: &ReportDocument) -> String {
    pretty(report)
}

/// What an exit code says, in words.
pub(crate) fn meaning(exit: u8) -> String {
    let known = ExitCode::ALL.into_iter().find(|code| code.number() == exit);
    let meaning = known.map_or("", ExitCode::meaning);
    format!("exit code {exit}: {meaning}")
}
