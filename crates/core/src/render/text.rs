//! A plan for people at a terminal or in a log.

use std::fmt::Write as _;

use super::details::{self, Depth};
use super::json::{PlanDocument, StepDocument};
use super::style::{Mark, Style, harmless, wrapped};
use super::words;
use crate::plan::{Action, Note, Plan, Purpose, Reason, Step};

/// How a plan is written.
#[derive(Debug, Clone, Copy)]
pub struct TextOptions {
    /// Columns.
    pub width: usize,
    /// Colours.
    pub style: Style,
    /// How much is told of each step.
    pub depth: Depth,
}

impl Default for TextOptions {
    fn default() -> Self {
        Self { width: 80, style: Style::default(), depth: Depth::Short }
    }
}

/// Writes a plan; ends with a line feed.
pub fn plan(plan: &Plan, options: &TextOptions) -> String {
    let document = PlanDocument::of(plan);
    let mut out = String::new();
    let style = options.style;
    let place = format!("account {}, region {}", plan.account, plan.region);
    let heading =
        format!("Plan to {} namespace {} ({place})", words::purpose(plan.purpose), harmless(&plan.namespace));
    let _ = writeln!(out, "{}\n", style.paint(Mark::Strong, &heading));
    let steps = plan.steps.iter().zip(&document.steps);
    for (step, document) in steps.filter(|(step, _)| step.action.is_change()) {
        changing(&mut out, step, document, options);
    }
    for (action, title) in [(Action::Skip, "Left alone"), (Action::None, "Unchanged")] {
        let steps: Vec<&Step> =
            plan.steps.iter().filter(|step| step.action == action && !is_unselected(step)).collect();
        quiet(&mut out, &steps, title, options);
    }
    let unselected: Vec<&Step> = plan.steps.iter().filter(|step| is_unselected(step)).collect();
    quiet(&mut out, &unselected, "Not selected", options);
    for hook in &plan.hooks {
        let required = if hook.required { "" } else { " (may fail)" };
        let _ = writeln!(out, "  hook {}: {}{required}", hook.stage, harmless(&hook.path));
    }
    if !plan.hooks.is_empty() {
        out.push('\n');
    }
    for note in &plan.notes {
        write_note(&mut out, note, "", options);
    }
    if !plan.notes.is_empty() {
        out.push('\n');
    }
    deletions(&mut out, plan, options);
    losses(&mut out, &document, options);
    let counts = words::counts(&plan.summary());
    let closing = match (plan.purpose, counts.is_empty()) {
        (_, false) => format!("Plan: {counts}."),
        (Purpose::Deploy, true) if !unselected.is_empty() => {
            "No changes: the selected stacks are as the config says.".to_owned()
        }
        (Purpose::Deploy, true) if plan.steps.iter().any(|step| step.task.is_some()) => {
            "No changes: stacks and tasks are as the config says.".to_owned()
        }
        (Purpose::Deploy, true) => "No changes: the stacks are as the config says.".to_owned(),
        (Purpose::Destroy, true) => "No changes: there is nothing to destroy.".to_owned(),
    };
    let _ = writeln!(out, "{}", style.paint(Mark::Strong, &closing));
    out
}

fn is_unselected(step: &Step) -> bool {
    step.reasons.contains(&Reason::NotSelected)
}

fn changing(out: &mut String, step: &Step, document: &StepDocument, options: &TextOptions) {
    let mark = match step.action {
        Action::Create => Mark::Create,
        Action::Delete | Action::Recreate => Mark::Delete,
        Action::Update | Action::Run | Action::None | Action::Skip => Mark::Change,
    };
    let head = format!(
        "{} {} {}",
        words::sign(step.action),
        words::verb(step.action, step.certainty),
        harmless(step.name.as_str())
    );
    let fqn = if step.task.is_some() {
        document.task.as_ref().map(|task| format!(" ({})", harmless(&task.place()))).unwrap_or_default()
    } else if step.fqn.as_str() == step.name.as_str() {
        String::new()
    } else {
        format!(" ({})", step.fqn)
    };
    let _ = writeln!(out, "  {}{}", options.style.paint(mark, &head), options.style.paint(Mark::Faint, &fqn));
    paragraph(out, &words::reasons(step), "      ", options);
    for link in &document.chain {
        hanging(out, &harmless(link), "        ", options);
    }
    details(out, document, options);
    for note in &step.notes {
        write_note(out, note, "      ", options);
    }
    out.push('\n');
}

fn details(out: &mut String, step: &StepDocument, options: &TextOptions) {
    for line in details::lines(step, options.depth) {
        let indent = " ".repeat(6 + 2 * line.level);
        let sign = if line.sign == ' ' { String::new() } else { format!("{} ", line.sign) };
        let width = options.width.saturating_sub(indent.len() + 4);
        for (index, piece) in wrapped(&format!("{sign}{}", line.text), width).iter().enumerate() {
            let further = if index == 0 { "" } else { "    " };
            let piece = line.mark.map_or_else(|| piece.clone(), |mark| options.style.paint(mark, piece));
            let _ = writeln!(out, "{indent}{further}{piece}");
        }
    }
}

/// Data that would be lost, and what to write where that is meant.
fn losses(out: &mut String, plan: &PlanDocument, options: &TextOptions) {
    let Some(text) = words::losses(&plan.losses) else { return };
    let _ = writeln!(out, "{}", options.style.paint(Mark::Delete, &text.title));
    for line in &text.losses {
        hanging(out, &harmless(line), "  ", options);
    }
    for line in &text.remedy {
        // What is to be copied stays in one piece.
        if line.starts_with(' ') {
            let _ = writeln!(out, "{}", harmless(line));
        } else {
            paragraph(out, line, "", options);
        }
    }
    out.push('\n');
}

/// Steps that do nothing: unchanged and unselected ones by name only, other skipped ones with their reason.
fn quiet(out: &mut String, steps: &[&Step], title: &str, options: &TextOptions) {
    if steps.is_empty() {
        return;
    }
    let _ = writeln!(out, "  {}", options.style.paint(Mark::Faint, &format!("{title}:")));
    let by_name = |step: &&Step| step.action == Action::None || is_unselected(step);
    if steps.iter().all(|step| by_name(step) && step.notes.is_empty() && !step.adopted) {
        let names: Vec<String> = steps.iter().map(|step| harmless(step.name.as_str())).collect();
        paragraph(out, &names.join(", "), "      ", options);
    } else {
        for step in steps {
            let fqn = if step.task.is_some() { String::new() } else { format!(" ({})", step.fqn) };
            let line = format!("{}{fqn}: {}", step.name, words::reasons(step));
            hanging(out, &harmless(&line), "      ", options);
            for note in &step.notes {
                write_note(out, note, "        ", options);
            }
        }
    }
    out.push('\n');
}

/// Deletions once more, where nobody can miss them.
fn deletions(out: &mut String, plan: &Plan, options: &TextOptions) {
    let deleted: Vec<&Step> =
        plan.steps.iter().filter(|step| matches!(step.action, Action::Delete | Action::Recreate)).collect();
    if deleted.is_empty() {
        return;
    }
    let counted = |count: usize, what: &str| format!("{count} {what}{}", if count == 1 { "" } else { "s" });
    let tasks = deleted.iter().filter(|step| step.task.is_some()).count();
    let keep = if tasks == 1 { "keeps" } else { "keep" };
    let what = match deleted.len() - tasks {
        stacks if tasks == 0 => counted(stacks, "stack"),
        0 => format!("What {} {keep}", counted(tasks, "task")),
        stacks => format!("{} and what {} {keep}", counted(stacks, "stack"), counted(tasks, "task")),
    };
    let title = format!("{what} WILL BE DELETED:");
    let _ = writeln!(out, "{}", options.style.paint(Mark::Delete, &title));
    for step in deleted {
        let again = if step.action == Action::Recreate { ", then created anew" } else { "" };
        let subject = step.task.as_ref().and_then(|task| task.subject.as_deref());
        let subject = subject.map(|subject| format!(" ({})", harmless(subject))).unwrap_or_default();
        let name = options.style.paint(Mark::Delete, step.fqn.as_str());
        let _ = writeln!(out, "  {name}{subject}{again}");
    }
    out.push('\n');
}

fn write_note(out: &mut String, note: &Note, indent: &str, options: &TextOptions) {
    let (mark, word) = if note.warning { (Mark::Warning, "warning") } else { (Mark::Faint, "note") };
    let text = format!("{word}: {}", harmless(&note.text));
    for line in wrapped(&text, options.width.saturating_sub(indent.len())) {
        let _ = writeln!(out, "{indent}{}", options.style.paint(mark, &line));
    }
}

fn paragraph(out: &mut String, text: &str, indent: &str, options: &TextOptions) {
    for line in wrapped(&harmless(text), options.width.saturating_sub(indent.len())) {
        let _ = writeln!(out, "{indent}{line}");
    }
}

/// A paragraph whose further lines are indented more.
fn hanging(out: &mut String, text: &str, indent: &str, options: &TextOptions) {
    let lines = wrapped(text, options.width.saturating_sub(indent.len() + 4));
    for (index, line) in lines.iter().enumerate() {
        let _ = writeln!(out, "{indent}{}{line}", if index == 0 { "" } else { "    " });
    }
}
