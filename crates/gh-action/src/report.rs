//! What the program printed, read back: plans, events, findings. Pure.

use std::collections::BTreeSet;

use runway_core::event::{Event, Outcome, StepFailure};
use runway_core::ident::{NodeName, StackFqn};
use runway_core::plan::Summary;
use runway_core::render::json::PlanDocument;
use runway_core::render::{events, markdown};
use serde::Deserialize;
use serde_json::Value;

use crate::inputs::Command;

/// One document on the program's standard output.
#[derive(Debug)]
pub(crate) enum Document {
    /// A plan.
    Plan(Box<PlanDocument>),
    /// Something that happened.
    Event(Box<Event>),
    /// Errors and warnings.
    Findings(Vec<Finding>),
    /// Something a later version prints.
    Unknown,
}

/// An error or a warning, with its place if it has one.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(crate) struct Finding {
    /// Stable code.
    pub(crate) code: String,
    /// `error` or `warning`.
    pub(crate) severity: String,
    /// What is wrong.
    pub(crate) message: String,
    /// File, relative to where the program ran.
    pub(crate) file: Option<String>,
    /// Line, from 1.
    pub(crate) line: Option<usize>,
    /// Column in characters, from 1.
    pub(crate) column: Option<usize>,
    /// What to do.
    pub(crate) help: Option<String>,
}

impl Finding {
    /// Whether it ends the run.
    pub(crate) fn is_error(&self) -> bool {
        self.severity != "warning"
    }
}

impl Document {
    /// Tells what a JSON value is.
    pub(crate) fn of(value: Value) -> Self {
        let known = if value.get("event").is_some() {
            serde_json::from_value(value).map(|event| Self::Event(Box::new(event)))
        } else if let Some(findings) = value.pointer("/error/findings") {
            Deserialize::deserialize(findings).map(Self::Findings)
        } else {
            serde_json::from_value(value).map(|plan| Self::Plan(Box::new(plan)))
        };
        known.unwrap_or(Self::Unknown)
    }

    /// Lines for the log of the step. Findings are none: the program tells them on standard error.
    pub(crate) fn log(&self) -> Vec<String> {
        match self {
            Self::Plan(plan) => markdown::document(plan).lines().map(str::to_owned).collect(),
            Self::Event(event) => events::lines(event),
            Self::Findings(_) | Self::Unknown => Vec::new(),
        }
    }
}

/// A step that failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FailedStep {
    /// The stack.
    pub(crate) name: NodeName,
    /// Its name in CloudFormation.
    pub(crate) fqn: StackFqn,
    /// Why.
    pub(crate) failure: StepFailure,
}

/// A whole run.
#[derive(Debug)]
pub(crate) struct Report {
    /// What was done.
    pub(crate) command: Command,
    /// The plans, without those that were made anew before anything was done.
    pub(crate) plans: Vec<PlanDocument>,
    /// Errors and warnings.
    pub(crate) findings: Vec<Finding>,
    /// Warnings of a run: code and sentence.
    pub(crate) warnings: Vec<(String, String)>,
    /// Steps that failed.
    pub(crate) failed: Vec<FailedStep>,
    /// Steps that did not start, and the failed ones they need.
    pub(crate) blocked: Vec<(NodeName, BTreeSet<NodeName>)>,
    /// Stacks left running.
    pub(crate) abandoned: Vec<NodeName>,
    /// How runs ended: a line for each config.
    pub(crate) finished: Vec<String>,
    /// Steps by action over all plans.
    counts: Summary,
    /// The last plan was not carried out yet, so another one replaces it.
    is_pending: bool,
    /// The last thing was the end of a run without changes, whose plan is printed after it.
    is_plan_due: bool,
}

impl Report {
    /// Nothing yet.
    pub(crate) fn new(command: Command) -> Self {
        Self {
            command,
            plans: Vec::new(),
            findings: Vec::new(),
            warnings: Vec::new(),
            failed: Vec::new(),
            blocked: Vec::new(),
            abandoned: Vec::new(),
            finished: Vec::new(),
            counts: Summary::default(),
            is_pending: false,
            is_plan_due: false,
        }
    }

    /// Takes the next document.
    pub(crate) fn add(&mut self, document: Document) {
        match document {
            Document::Plan(plan) => self.plan(*plan),
            Document::Event(event) => self.event(*event),
            Document::Findings(findings) => self.findings.extend(findings),
            Document::Unknown => {}
        }
    }

    /// Takes errors and warnings that were told together: they include those that came one by one, and a plan that was made
    /// anew told its own again.
    pub(crate) fn all_findings(&mut self, documents: impl Iterator<Item = Document>) {
        let mut all: Vec<Finding> = Vec::new();
        let told = documents.filter_map(|document| match document {
            Document::Findings(findings) => Some(findings),
            Document::Plan(_) | Document::Event(_) | Document::Unknown => None,
        });
        for finding in told.flatten().chain(self.findings.drain(..)) {
            if !all.contains(&finding) {
                all.push(finding);
            }
        }
        self.findings = all;
    }

    /// Steps by action; `None` if no plan was made.
    pub(crate) fn counts(&self) -> Option<Summary> {
        let mut counts = self.counts;
        if let Some(plan) = self.plans.last().filter(|_| self.is_pending) {
            add(&mut counts, &plan.summary);
        }
        Some(counts).filter(|_| !self.plans.is_empty())
    }

    /// Whether a plan changes something; `None` if no plan was made.
    pub(crate) fn has_changes(&self) -> Option<bool> {
        self.counts().map(|counts| changes(&counts))
    }

    fn plan(&mut self, plan: PlanDocument) {
        let is_change = changes(&plan.summary);
        // While something is carried out, a second plan before its end is the first one made anew.
        if self.is_pending {
            self.plans.pop();
        }
        self.is_pending = is_change && self.command != Command::Plan;
        if !self.is_pending && !self.is_plan_due {
            add(&mut self.counts, &plan.summary);
        }
        self.is_plan_due = false;
        self.plans.push(plan);
    }

    fn event(&mut self, event: Event) {
        let line = events::lines(&event).concat();
        match event {
            Event::StepFinished { name, fqn, outcome, .. } => match outcome {
                Outcome::Failed(failure) => self.failed.push(FailedStep { name, fqn, failure }),
                Outcome::Abandoned => self.abandoned.push(name),
                Outcome::Done | Outcome::Unchanged => {}
            },
            Event::StepBlocked { name, by, .. } => self.blocked.push((name, by)),
            Event::Warning { code, text } => self.warnings.push((code, text)),
            Event::RunFinished { planned, .. } => {
                add(&mut self.counts, &planned);
                self.is_plan_due = !changes(&planned);
                if self.is_pending && self.is_plan_due {
                    self.plans.pop();
                }
                self.is_pending = false;
                self.finished.push(line);
            }
            _ => {}
        }
    }
}

fn changes(summary: &Summary) -> bool {
    summary.create + summary.update + summary.delete + summary.recreate + summary.run > 0
}

fn add(to: &mut Summary, more: &Summary) {
    to.create += more.create;
    to.update += more.update;
    to.delete += more.delete;
    to.recreate += more.recreate;
    to.run += more.run;
    to.none += more.none;
    to.skip += more.skip;
}

/// What the tests of this crate start from.
#[cfg(test)]
pub(crate) mod samples {
    use super::*;
    use serde_json::json;

    /// A plan with one creation, or without changes.
    pub(crate) fn plan(creates: usize, none: usize) -> Value {
        json!({
            "version": 1, "purpose": "deploy", "namespace": "ns", "account": "1", "region": "r",
            "summary": {"create": creates, "update": 0, "delete": 0, "recreate": 0, "none": none, "skip": 0},
            "steps": [], "hooks": [],
            "notes": [{"code": "plan::odd", "warning": true, "text": "this is odd"}],
        })
    }

    /// The end of a run of that plan.
    pub(crate) fn finished(creates: usize, none: usize) -> Value {
        let summary =
            json!({"create": creates, "update": 0, "delete": 0, "recreate": 0, "none": none, "skip": 0});
        json!({
            "version": 1, "event": "run_finished", "planned": summary, "done": summary,
            "failed": [], "not_run": [], "elapsed": 1.5,
        })
    }

    /// A stack that failed, and one that waits for it.
    pub(crate) fn failure() -> [Value; 2] {
        [
            json!({
                "version": 1, "event": "step_finished", "name": "a", "fqn": "ns-a", "action": "create", "elapsed": 2.0,
                "outcome": {"result": "failed", "message": "the creation failed", "status": "ROLLBACK_COMPLETE",
                    "resource": {"logical_id": "P", "resource_type": "T", "status": "CREATE_FAILED", "reason": "no room"},
                    "help": "make room"},
            }),
            json!({"version": 1, "event": "step_blocked", "name": "b", "fqn": "ns-b", "action": "create", "by": ["a"]}),
        ]
    }

    /// An error with a place and a warning without.
    pub(crate) fn findings() -> Value {
        json!({"version": 1, "error": {"code": "config::wrong_type", "exit": 10, "findings": [
            {"code": "config::wrong_type", "severity": "error", "message": "100% wrong,\nreally: `x`",
                "file": "cfngin.yml", "line": 4, "column": 2, "help": "correct it"},
            {"code": "config::odd", "severity": "warning", "message": "odd", "file": null, "line": null, "column": null,
                "help": null},
        ]}})
    }

    /// The report on these documents.
    pub(crate) fn report(command: Command, documents: impl IntoIterator<Item = Value>) -> Report {
        let mut report = Report::new(command);
        documents.into_iter().for_each(|value| report.add(Document::of(value)));
        report
    }
}

#[cfg(test)]
mod tests {
    use super::samples::{failure, findings, finished, plan, report};
    use super::*;

    fn counts(report: &Report) -> (usize, usize) {
        report.counts().map(|counts| (counts.create, counts.none)).unwrap()
    }

    #[test]
    fn plans_of_several_configs_add_up() {
        let report = report(Command::Plan, [plan(2, 1), plan(1, 0), plan(0, 3)]);
        assert_eq!((counts(&report), report.plans.len(), report.has_changes()), ((3, 4), 3, Some(true)));
    }

    #[test]
    fn a_plan_made_anew_replaces_the_one_before() {
        let anew = report(Command::Deploy, [plan(2, 0), plan(1, 1), finished(1, 1), plan(3, 0)]);
        assert_eq!((counts(&anew), anew.plans.len()), ((4, 1), 2));
        let nothing_left = report(Command::Deploy, [plan(2, 0), finished(0, 2), plan(0, 2)]);
        assert_eq!((counts(&nothing_left), nothing_left.plans.len()), ((0, 2), 1));
        let nothing_to_do = report(Command::Deploy, [plan(0, 2), plan(0, 1)]);
        assert_eq!((counts(&nothing_to_do), nothing_to_do.has_changes()), ((0, 3), Some(false)));
    }

    #[test]
    fn what_is_told_twice_is_one_finding() {
        let mut report = report(Command::Plan, [findings()]);
        let told = [findings(), findings(), plan(1, 0)];
        report.all_findings(told.into_iter().map(Document::of));
        assert_eq!(report.findings.len(), 2);
    }

    #[test]
    fn failures_findings_and_the_unknown_are_told_apart() {
        let [failed, blocked] = failure();
        let later = serde_json::json!({"version": 1, "event": "of_a_later_version"});
        let report = report(Command::Deploy, [failed, blocked, findings(), later]);
        assert_eq!(report.failed[0].failure.resource.as_ref().unwrap().reason.as_deref(), Some("no room"));
        assert_eq!(report.blocked.len(), 1);
        assert_eq!(report.findings.iter().filter(|finding| finding.is_error()).count(), 1);
        assert_eq!((report.counts(), report.has_changes()), (None, None));
    }
}
