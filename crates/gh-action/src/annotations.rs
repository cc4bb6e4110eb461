//! Workflow commands that put problems beside the lines they are about. Pure.

use std::path::{Component, Path, PathBuf};

use runway_core::exit::ExitCode;
use runway_core::render::events;

use crate::inputs::Command;
use crate::report::Report;

/// How the annotation looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Level {
    /// Red.
    Error,
    /// Yellow.
    Warning,
    /// Blue.
    Notice,
}

/// A problem beside a line, or, without a file, beside the run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Annotation {
    /// How it looks.
    pub(crate) level: Level,
    /// File, relative to the root of the repository.
    pub(crate) file: Option<String>,
    /// Line, from 1.
    pub(crate) line: Option<usize>,
    /// Column, from 1.
    pub(crate) column: Option<usize>,
    /// Heading.
    pub(crate) title: String,
    /// Text; may have several lines.
    pub(crate) message: String,
}

impl Annotation {
    /// An error about the run as a whole.
    pub(crate) fn error(title: impl Into<String>, message: impl Into<String>) -> Self {
        Self::general(Level::Error, title, message)
    }

    /// A remark about the run as a whole, as grave as `level` says.
    pub(crate) fn general(level: Level, title: impl Into<String>, message: impl Into<String>) -> Self {
        let (title, message) = (title.into(), message.into());
        Self { level, file: None, line: None, column: None, title, message }
    }

    /// The workflow command, one line without a line feed.
    pub(crate) fn command(&self) -> String {
        let mut properties = Vec::new();
        if let Some(file) = &self.file {
            properties.push(format!("file={}", property(file)));
            properties.extend(self.line.map(|line| format!("line={line}")));
            properties.extend(self.column.map(|column| format!("col={column}")));
        }
        if !self.title.is_empty() {
            properties.push(format!("title={}", property(&self.title)));
        }
        let level = match self.level {
            Level::Error => "error",
            Level::Warning => "warning",
            Level::Notice => "notice",
        };
        let gap = if properties.is_empty() { "" } else { " " };
        format!("::{level}{gap}{}::{}", properties.join(","), data(&self.message))
    }
}

/// Everything that is worth an annotation: findings, failed steps, warnings of plans and runs. A run that failed without
/// any of them has one about the exit code.
pub(crate) fn annotations(report: &Report, exit: u8, places: &Places) -> Vec<Annotation> {
    let mut all = Vec::new();
    for finding in &report.findings {
        let help = finding.help.iter().map(|help| format!("\nhelp: {help}"));
        all.push(Annotation {
            level: if finding.is_error() { Level::Error } else { Level::Warning },
            file: finding.file.as_deref().map(|file| places.in_repository(file)),
            line: finding.line,
            column: finding.column,
            title: finding.code.clone(),
            message: std::iter::once(finding.message.clone()).chain(help).collect(),
        });
    }
    for step in &report.failed {
        let title = format!("stack {} ({}) failed", step.name, step.fqn);
        all.push(Annotation::error(title, events::failure_lines(&step.failure).join("\n")));
    }
    let notes = report.plans.iter().flat_map(|plan| {
        let of_steps = plan.steps.iter().flat_map(|step| {
            step.notes.iter().map(|note| (note, format!("stack {}: {}", step.name, note.text)))
        });
        plan.notes.iter().map(|note| (note, note.text.clone())).chain(of_steps)
    });
    for (note, text) in notes.filter(|(note, _)| note.warning) {
        all.push(Annotation::general(Level::Warning, note.code.clone(), text));
    }
    for (code, text) in &report.warnings {
        all.push(Annotation::general(Level::Warning, code.clone(), text.clone()));
    }
    all.extend(losses(report));
    let is_told = all.iter().any(|annotation| annotation.level == Level::Error);
    if !is_told && exit != 0 && exit != ExitCode::ChangesPending.number() {
        let message = format!("{} (exit code {exit}); the log of this step has the details", meaning(exit));
        all.push(Annotation::error(format!("runway-rs {}", report.command.as_str()), message));
    }
    all
}

/// Names in one annotation: more are in the summary.
const MOST_NAMES: usize = 10;

/// Data that a plan loses without being allowed to.
fn losses(report: &Report) -> Option<Annotation> {
    let losses = report.plans.iter().flat_map(|plan| &plan.losses).filter(|loss| !loss.allowed);
    let names: Vec<&str> = losses.map(|loss| loss.allow.as_str()).collect();
    if names.is_empty() || report.command != Command::Plan {
        // A deploy that is refused says so itself.
        return None;
    }
    let more = names.len().saturating_sub(MOST_NAMES);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    let shown = names.iter().take(MOST_NAMES).copied().collect::<Vec<_>>().join(", ");
    let text = format!(
        "data is, or may be, lost: {shown}{more}\na deploy is refused unless the input `allow` names it, or the config \
         acknowledges it"
    );
    Some(Annotation::general(Level::Warning, "plan::data_loss", text))
}

/// What an exit code says.
pub(crate) fn meaning(exit: u8) -> &'static str {
    ExitCode::ALL
        .iter()
        .find(|code| code.number() == exit)
        .map_or("it ended unexpectedly", |code| code.meaning())
}

/// Where the program ran and where the repository is; both absolute.
#[derive(Debug, Clone)]
pub(crate) struct Places {
    /// Directory the program ran in.
    pub(crate) directory: PathBuf,
    /// Root of the repository.
    pub(crate) workspace: PathBuf,
}

impl Places {
    /// The directory, relative to the root of the repository; empty for the root itself.
    pub(crate) fn directory_in_repository(&self) -> String {
        self.in_repository("")
    }

    /// The path GitHub wants: relative to the root of the repository, if it is below.
    pub(crate) fn in_repository(&self, file: &str) -> String {
        let path = tidied(&self.directory.join(file));
        path.strip_prefix(tidied(&self.workspace)).unwrap_or(&path).display().to_string()
    }
}

/// The path without `.` and `..`.
fn tidied(path: &Path) -> PathBuf {
    let mut tidy = PathBuf::new();
    for component in path.components() {
        match component {
            Component::CurDir => {}
            Component::ParentDir => {
                tidy.pop();
            }
            other => tidy.push(other),
        }
    }
    tidy
}

/// Text after the second `::`.
fn data(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

/// The value of a property.
fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::samples::{failure, findings, plan, report};

    fn places() -> Places {
        Places { directory: "/checkout/repo/infra/./prod".into(), workspace: "/checkout/repo/".into() }
    }

    fn commands(report: &Report, exit: u8) -> Vec<String> {
        annotations(report, exit, &places()).iter().map(Annotation::command).collect()
    }

    #[test]
    fn findings_stand_beside_their_lines_and_nothing_in_them_ends_the_command() {
        assert_eq!(
            commands(&report(Command::Plan, [findings()]), 10),
            [
                "::error file=infra/prod/cfngin.yml,line=4,col=2,title=config%3A%3Awrong_type::100%25 wrong,%0Areally: `x`%0Ahelp: correct it",
                "::warning title=config%3A%3Aodd::odd",
            ]
        );
        assert_eq!(property("a:b,c%\r\n"), "a%3Ab%2Cc%25%0D%0A");
    }

    #[test]
    fn failed_steps_and_warnings_of_plans_are_told() {
        let documents = [plan(1, 0)].into_iter().chain(failure());
        assert_eq!(
            commands(&report(Command::Deploy, documents), 30),
            [
                "::error title=stack a (ns-a) failed::first failed: P (T): no room%0Athe creation failed%0Ahelp: make room",
                "::warning title=plan%3A%3Aodd::this is odd",
            ]
        );
    }

    #[test]
    fn losses_that_are_not_allowed_are_named() {
        let loss = |resource: usize, allowed: bool| {
            serde_json::json!({
                "stack": "db", "resource": format!("R{resource}"), "type": "T", "holds": "database", "how": "removed",
                "certainty": "will", "allow": format!("db/R{resource}"), "allowed": allowed,
            })
        };
        let of = |command: Command, losses: Vec<serde_json::Value>| {
            let mut plan = plan(1, 0);
            plan["losses"] = losses.into();
            commands(&report(command, [plan]), 0)
        };
        let told = of(Command::Plan, (0..12).map(|index| loss(index, index == 0)).collect());
        let start = "::warning title=plan%3A%3Adata_loss::data is, or may be, lost: db/R1, db/R2, ";
        assert!(told[1].starts_with(start) && told[1].contains("db/R10 and 1 more%0A"), "{told:?}");
        assert_eq!(of(Command::Plan, vec![loss(0, true)]).len(), 1);
        assert_eq!(of(Command::Deploy, vec![loss(0, false)]).len(), 1);
    }

    #[test]
    fn a_failure_is_never_silent_and_pending_changes_are_none() {
        let nothing = report(Command::Plan, []);
        assert_eq!(
            commands(&nothing, 64),
            [
                "::error title=runway-rs plan::the command line is wrong (exit code 64); the log of this step has the details"
            ]
        );
        assert!(commands(&nothing, 0).is_empty() && commands(&nothing, 2).is_empty());
        assert_eq!(meaning(139), "it ended unexpectedly");
    }

    #[test]
    fn files_are_named_from_the_root_of_the_repository() {
        for (file, expected) in [
            ("cfngin.yml", "infra/prod/cfngin.yml"),
            ("../shared.env", "infra/shared.env"),
            ("/checkout/repo/a.yml", "a.yml"),
            ("/elsewhere/a.yml", "/elsewhere/a.yml"),
        ] {
            assert_eq!(places().in_repository(file), expected);
        }
    }
}
