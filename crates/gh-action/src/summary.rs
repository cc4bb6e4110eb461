//! The page a step leaves in the run's overview, as Markdown. Pure.

use std::fmt::Write as _;

use runway_core::exit::ExitCode;
use runway_core::render::events;
use runway_core::render::markdown::{self, code, escaped};
use runway_core::render::words;

use crate::annotations::meaning;
use crate::inputs::Command;
use crate::report::{Finding, Report};

/// What GitHub takes from one step, in bytes.
pub(crate) const LIMIT: usize = 1024 * 1024;

/// Ends a summary that was cut.
const CUT: &str =
    "\n\n**This summary was cut: GitHub takes no more than 1 MiB. The log of the step has all of it.**\n";

/// The summary: how it ended, what failed, what to do next, the plans.
pub(crate) fn summary(report: &Report, exit: u8) -> String {
    let mut out = outcome(report, exit);
    for plan in &report.plans {
        let _ = writeln!(out, "{}", markdown::document(plan));
    }
    out
}

/// How it ended, what failed, what to do next.
pub(crate) fn outcome(report: &Report, exit: u8) -> String {
    let mut out = String::new();
    let is_plan = report.command == Command::Plan;
    let went_well = went_well(report, exit);
    if went_well && !is_plan {
        let _ = writeln!(out, "### {}: done\n", title(report.command));
    } else if !went_well {
        let _ = writeln!(out, "### {} failed: {} (exit code {exit})\n", title(report.command), meaning(exit));
    }
    for line in &report.finished {
        let _ = writeln!(out, "{}\n", escaped(line));
    }
    failures(&mut out, report);
    findings(&mut out, &report.findings);
    for (code_, text) in &report.warnings {
        let _ = writeln!(out, "- warning: {} (`{}`)", escaped(text), code(code_));
    }
    if let Some(next) = next(report, exit) {
        let _ = writeln!(out, "\n**Next:** {next}\n");
    }
    out
}

/// The run in one line without markup.
pub(crate) fn one_line(report: &Report, exit: u8) -> String {
    let counts = report.counts().map(|counts| match words::counts(&counts) {
        text if text.is_empty() => "no changes".to_owned(),
        text => text,
    });
    match (went_well(report, exit), counts) {
        (true, Some(counts)) => counts,
        (true, None) => "done".to_owned(),
        (false, Some(counts)) => format!("failed: {} (exit code {exit}); the plan: {counts}", meaning(exit)),
        (false, None) => format!("failed: {} (exit code {exit})", meaning(exit)),
    }
}

/// Whether it did what it should: pending changes are no failure of a plan.
fn went_well(report: &Report, exit: u8) -> bool {
    exit == 0 || (report.command == Command::Plan && exit == ExitCode::ChangesPending.number())
}

fn title(command: Command) -> &'static str {
    match command {
        Command::Plan => "Plan",
        Command::Deploy => "Deploy",
        Command::Destroy => "Destroy",
        Command::Validate => "Validation",
    }
}

fn failures(out: &mut String, report: &Report) {
    for step in &report.failed {
        let _ = writeln!(out, "- `{}` (`{}`) **failed**", code(step.name.as_str()), code(step.fqn.as_str()));
        for line in events::failure_lines(&step.failure) {
            let _ = writeln!(out, "  - {}", escaped(&line));
        }
    }
    for (name, by) in &report.blocked {
        let by: Vec<String> = by.iter().map(|name| format!("`{}`", code(name.as_str()))).collect();
        let _ = writeln!(out, "- `{}` was not started, because of {}", code(name.as_str()), by.join(", "));
    }
    for name in &report.abandoned {
        let _ = writeln!(out, "- `{}` was left running", code(name.as_str()));
    }
}

fn findings(out: &mut String, findings: &[Finding]) {
    for finding in findings {
        let kind = if finding.is_error() { "error" } else { "warning" };
        let _ = write!(out, "- {kind}: {} (`{}`", escaped(&finding.message), code(&finding.code));
        if let Some(file) = &finding.file {
            let _ = write!(out, ", {}", escaped(file));
            if let Some(line) = finding.line {
                let _ = write!(out, " line {line}");
            }
        }
        out.push_str(")\n");
        if let Some(help) = &finding.help {
            let _ = writeln!(out, "  - help: {}", escaped(help));
        }
    }
}

/// What a person does after this.
fn next(report: &Report, exit: u8) -> Option<&'static str> {
    let code = ExitCode::ALL.into_iter().find(|code| code.number() == exit);
    Some(match code {
        Some(ExitCode::Ok | ExitCode::ChangesPending) => {
            return match (report.command, report.has_changes()) {
                (Command::Plan, Some(true)) => Some("review this plan; `deploy` carries it out."),
                (Command::Plan | Command::Deploy | Command::Destroy, Some(false)) => {
                    Some("nothing is left to do.")
                }
                _ => None,
            };
        }
        Some(ExitCode::StepsFailed) => {
            "correct the cause and run this again: what is done stays done, and the next run goes on from there."
        }
        Some(ExitCode::Config | ExitCode::Lookup | ExitCode::Graph | ExitCode::Usage) => {
            "correct this and run again."
        }
        Some(ExitCode::Locked) => {
            "run this again when the other run is over; the argument `--lock-wait=10m` waits for it."
        }
        Some(ExitCode::Stale) => {
            "run this again: it plans anew. A saved plan has to be made and reviewed again."
        }
        Some(ExitCode::Denied) => "check the credentials of this job and what its role may do.",
        Some(ExitCode::Unavailable | ExitCode::Interrupted) => {
            "run this again: the next run goes on from what exists."
        }
        Some(ExitCode::Refused) => {
            "decide whether this is wanted; what was refused, and how to allow it, is above or in the log."
        }
        Some(ExitCode::Unexpected) | None => "look into the log of this step.",
    })
}

/// The summary in at most `limit` bytes. One that is longer says that it was cut.
pub(crate) fn fitted(text: &str, limit: usize) -> String {
    if text.len() <= limit {
        return text.to_owned();
    }
    let (mut kept, _) = cut(text, limit.saturating_sub(CUT.len()));
    kept.push_str(CUT);
    // Where not even the sentence has room, nothing is better than half of it.
    if kept.len() <= limit { kept } else { String::new() }
}

/// The first lines of a text, at most `room` bytes, with an open code block and open details closed, and how many lines
/// are left out.
pub(crate) fn cut(text: &str, room: usize) -> (String, usize) {
    // Room for closing what is open: a fence of the usual length and one or two details.
    let room = room.saturating_sub(64);
    let mut kept = String::new();
    let (mut fence, mut details) = (None, 0_usize);
    let mut lines = text.split_inclusive('\n').peekable();
    while let Some(line) = lines.next_if(|line| kept.len() + line.len() <= room) {
        let ticks: String = line.chars().take_while(|c| *c == '`').collect();
        match &fence {
            None if ticks.len() >= 3 => fence = Some(ticks),
            Some(open) if ticks.len() >= open.len() => fence = None,
            None => {
                details += line.matches("<details>").count();
                details = details.saturating_sub(line.matches("</details>").count());
            }
            Some(_) => {}
        }
        kept.push_str(line);
    }
    if let Some(open) = fence.filter(|open| open.len() <= 32) {
        let _ = writeln!(kept, "{open}");
    }
    kept.push_str(&"\n</details>\n".repeat(details.min(2)));
    (kept, lines.count())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::samples::{failure, findings, finished, plan, report};

    #[test]
    fn a_plan_is_shown_with_what_comes_next() {
        let text = summary(&report(Command::Plan, [plan(1, 0)]), 2);
        assert!(text.contains("### Plan to deploy `ns`") && text.contains("**1 to create**"), "{text}");
        assert!(text.contains("**Next:** review this plan") && !text.contains("failed"), "{text}");
        let text = summary(&report(Command::Plan, [plan(0, 1)]), 0);
        assert!(text.contains("nothing is left to do"), "{text}");
    }

    #[test]
    fn a_failed_deploy_names_cause_consequence_and_remedy() {
        let documents = [plan(2, 0)].into_iter().chain(failure()).chain([finished(2, 0)]);
        let text = summary(&report(Command::Deploy, documents), 30);
        for words in [
            "### Deploy failed: one or more steps failed (exit code 30)",
            "- `a` (`ns-a`) **failed**\n  - first failed: P (T): no room\n",
            "help: make room",
            "`b` was not started, because of `a`",
            "**Next:** correct the cause and run this again",
            "### Plan to deploy",
        ] {
            assert!(text.contains(words), "no {words:?} in\n{text}");
        }
    }

    #[test]
    fn problems_are_listed_and_nothing_in_them_becomes_markup() {
        let text = summary(&report(Command::Validate, [findings()]), 10);
        assert!(text.contains("### Validation failed: the config"), "{text}");
        assert!(
            text.contains("100% wrong, really: \\`x\\` (`config::wrong_type`, cfngin.yml line 4)"),
            "{text}"
        );
        assert!(text.contains("  - help: correct it") && text.contains("- warning: odd"), "{text}");
    }

    #[test]
    fn every_exit_code_has_something_to_do_next() {
        let nothing = report(Command::Deploy, []);
        for exit in (1..=255).filter(|exit| *exit != ExitCode::ChangesPending.number()) {
            assert!(summary(&nothing, exit).contains("**Next:**"), "{exit}");
        }
    }

    #[test]
    fn a_long_summary_is_cut_between_lines_with_everything_closed() {
        let long =
            format!("# x\n<details><summary>s</summary>\n\n```diff\n{}", "+ line of a plan é\n".repeat(1000));
        for limit in [400, 401, 402, 1000, 5000] {
            let text = fitted(&long, limit);
            assert!(text.len() <= limit);
            assert!(text.contains("é\n```\n\n</details>\n") && text.ends_with(CUT), "{text}");
        }
        assert_eq!(fitted("short\n", 6), "short\n");
        assert_eq!(fitted(&long, 10), "");
    }
}
