//! The comment in the pull request: what is destroyed first and never left out, the rest folded, within the limit. Pure.

use std::fmt::Write as _;

use runway_core::plan::Summary;
use runway_core::render::json::{PlanDocument, StepDocument};
use runway_core::render::markdown::{self, code, escaped};
use runway_core::render::style::shortened;
use runway_core::render::words;

use crate::report::Report;
use crate::sticky::Subject;
use crate::summary;
pub(crate) use hazards::replacements;
use hazards::{hazards, is_hazardous, listed};
use page::{Page, length};

mod hazards;
mod page;

/// What GitHub takes in a comment, in characters.
pub(crate) const LIMIT: usize = 65_536;

/// Longest name, path or number in a heading, in characters.
const LONGEST_WORD: usize = 160;

/// Share of the page that failures and problems may take: an eighth.
const FAILURES: usize = 8;

/// Room for the sentence on what is left out, without the address of the run.
const NOTE: usize = 300;

/// Details that are rendered and turn out too long before no more are tried.
const MOST_MISSES: usize = 8;

/// Room from which on the beginning of details is shown where they do not fit as a whole.
const WORTH_CUTTING: usize = 4_000;

/// Where a comment belongs, and what it links to.
#[derive(Debug, Clone, Copy)]
pub(crate) struct About<'a> {
    /// What it is about.
    pub(crate) subject: Subject<'a>,
    /// The commit.
    pub(crate) commit: Option<&'a str>,
    /// Page of the run.
    pub(crate) run: Option<&'a str>,
}

/// What a comment leaves out.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
struct Left {
    changes: usize,
    details: usize,
    remarks: usize,
}

/// The comment.
pub(crate) fn comment(report: &Report, exit: u8, about: &About<'_>, limit: usize) -> String {
    let marker = about.subject.marker();
    let end = end(about);
    let note = NOTE + about.run.map_or(0, length);
    let page = Page::new(limit.saturating_sub(length(&marker) + 1 + length(&end) + note));
    let (page, left) = composed(page, report, exit, about);
    let body = page.into_text();
    let gap = if body.ends_with("\n\n") { "" } else { "\n" };
    format!("{marker}\n{body}{gap}{}{end}", left_out(left, report, about))
}

fn composed(mut page: Page, report: &Report, exit: u8, about: &About<'_>) -> (Page, Left) {
    let plans = &report.plans;
    let mut left = Left::default();
    page.push(&heading(report, about));
    page.push(&total(report));
    let room = page.room();
    let open = open_losses(plans);
    page.push(&listed(&hazards(plans), room.saturating_sub(length(&open))));
    page.push(&open);

    // Lines of how it went, not more than their share.
    let share = room / FAILURES;
    let before = page.room();
    for line in summary::outcome(report, exit).split_inclusive('\n') {
        if line.trim().is_empty() {
            page.gap();
        } else if before - page.room() + length(line) > share || !page.push(line) {
            left.remarks += 1;
        }
    }
    page.gap();
    let remarks = plans.iter().flat_map(|plan| {
        let hooks =
            plan.hooks.iter().map(|hook| format!("- hook {}: `{}`\n", code(&hook.stage), code(&hook.path)));
        plan.notes.iter().map(|note| format!("- {}\n", escaped(&note.text))).chain(hooks)
    });
    let before = page.room();
    for line in remarks {
        if before - page.room() + length(&line) > share || !page.push(&line) {
            left.remarks += 1;
        }
    }
    page.gap();
    for plan in plans {
        left.changes += table(&mut page, plan);
    }
    left.details = details(&mut page, plans);
    (page, left)
}

/// What was run, for what.
fn heading(report: &Report, about: &About<'_>) -> String {
    let subject = about.subject;
    let word = |text: &str| code(&shortened(text, LONGEST_WORD));
    let mut parts = Vec::new();
    match (subject.directory, subject.config) {
        ("", "") => {}
        (directory, "") => parts.push(format!("directory `{}`", word(directory))),
        ("", config) => parts.push(format!("`{}`", word(config))),
        (directory, config) => parts.push(format!("`{}`", word(&format!("{directory}/{config}")))),
    }
    for (name, value) in [("environment", subject.environment), ("region", subject.region)] {
        if !value.is_empty() {
            parts.push(format!("{name} `{}`", word(value)));
        }
    }
    let parts = if parts.is_empty() { String::new() } else { format!(": {}", parts.join(", ")) };
    format!("### runway-rs {}{parts}\n\n", report.command.as_str())
}

/// What to do about data whose loss is not allowed; empty if there is none.
fn open_losses(plans: &[PlanDocument]) -> String {
    let losses = plans.iter().flat_map(|plan| &plan.losses);
    let (open, all) = losses.fold((0, 0), |(open, all), loss| (open + usize::from(!loss.allowed), all + 1));
    if open == 0 {
        return String::new();
    }
    let which = match (open, all) {
        (1, 1) => "This loss of data is not allowed yet, so a deploy is refused".to_owned(),
        (open, all) if open == all => {
            format!("None of the {all} losses of data is allowed yet, so a deploy is refused")
        }
        (open, all) => format!("{open} of {all} losses of data are not allowed yet, so a deploy is refused"),
    };
    format!(
        "{which} (exit code 31). To allow one, give its name (`STACK/RESOURCE`, as above) to the input `allow`, or add it \
         to `acknowledge` in the config.\n\n"
    )
}

/// Steps by action over all plans; empty without a plan.
fn total(report: &Report) -> String {
    let Some(counts) = report.counts() else { return String::new() };
    let mut text = format!("**{}**", counted(&counts));
    if let [plan] = report.plans.as_slice() {
        let word = |text: &str| escaped(&shortened(text, LONGEST_WORD));
        let (account, region) = (word(&plan.account), word(&plan.region));
        let namespace = code(&shortened(&plan.namespace, LONGEST_WORD));
        let _ = write!(text, " in `{namespace}`, account {account}, region {region}");
    } else {
        let _ = write!(text, " in {} configs", report.plans.len());
    }
    for (count, what) in [(counts.none, "unchanged"), (counts.skip, "left alone")] {
        if count > 0 {
            let _ = write!(text, "; {count} {what}");
        }
    }
    text.push_str("\n\n");
    text
}

fn counted(counts: &Summary) -> String {
    let text = words::counts(counts);
    if text.is_empty() { "No changes".to_owned() } else { text }
}

/// The changes of a plan as a folded table, as many rows as fit; returns how many do not.
fn table(page: &mut Page, plan: &PlanDocument) -> usize {
    let steps: Vec<&StepDocument> = plan.steps.iter().filter(|step| step.action.is_change()).collect();
    if steps.is_empty() {
        return 0;
    }
    let place = format!("{}, account {}, region {}", plan.namespace, plan.account, plan.region);
    let place = escaped(&shortened(&place, LONGEST_WORD));
    let end = "\n</details>\n\n";
    let column = markdown::nodes(steps.iter().copied()).one;
    // The number of rows is known after they are rendered, and has no more digits than that of all of them.
    let start = |shown: usize| {
        let of = if shown == steps.len() { String::new() } else { format!("{shown} of ") };
        let what = if steps.len() == 1 { "change" } else { "changes" };
        format!(
            "<details><summary>{of}{} {what} in {place}</summary>\n\n| | {column} | action | why |\n|---|---|---|---|\n",
            steps.len()
        )
    };
    let frame = length(&start(steps.len())) + length(end) + 24;
    let mut rows = Page::new(page.room().saturating_sub(frame));
    let shown = steps.iter().take_while(|step| rows.push(&row(step))).count();
    if shown > 0 && page.push(&format!("{}{}{end}", start(shown), rows.into_text())) {
        return steps.len() - shown;
    }
    steps.len()
}

fn row(step: &StepDocument) -> String {
    format!(
        "| `{}` | `{}` | {} | {} |\n",
        words::sign(step.action),
        code(&step.name),
        words::verb(step.action, step.certainty),
        escaped(&shortened(&step.reason, 400)),
    )
}

/// The details of stacks, destructive ones first, as many as fit; returns how many do not.
fn details(page: &mut Page, plans: &[PlanDocument]) -> usize {
    let mut steps: Vec<&StepDocument> =
        plans.iter().flat_map(|plan| &plan.steps).filter(|step| step.action.is_change()).collect();
    steps.sort_by_key(|step| !is_hazardous(step));
    let (mut left, mut misses) = (0, 0);
    for step in steps {
        if misses == MOST_MISSES {
            // Nothing is rendered any more just to find that there is no room.
            left += usize::from(has_details(step));
            continue;
        }
        let mut text = String::new();
        markdown::details(&mut text, step);
        if !text.is_empty() && !page.push(&text) {
            left += 1;
            misses += 1;
            // The beginning of one that is long, if there is room for others behind it.
            if page.room() >= WORTH_CUTTING {
                let (beginning, lines) = summary::cut(&text, page.room() / 2);
                let what = if lines == 1 { "line" } else { "lines" };
                let name = code(&step.name);
                page.push(&format!(
                    "{beginning}\nThe details of `{name}` go on for {lines} more {what}.\n\n"
                ));
            }
        }
    }
    left
}

/// Whether there is more to say on a stack than its row does.
fn has_details(step: &StepDocument) -> bool {
    let changes = &step.changes;
    changes.template.is_some()
        || !changes.resources.is_empty()
        || !changes.outputs.is_empty()
        || changes.termination_protection.is_some()
        || changes.stack_policy
        || !step.chain.is_empty()
        || !changes.parameters.is_empty()
        || !changes.tags.is_empty()
        || !step.notes.is_empty()
}

/// What is not there, in a sentence; empty if everything is.
fn left_out(left: Left, report: &Report, about: &About<'_>) -> String {
    let changes: usize = report.plans.iter().map(|plan| changes(&plan.summary)).sum();
    let mut parts = Vec::new();
    if left.changes > 0 {
        parts.push(format!("{} of {changes} changes", left.changes));
    }
    if left.details > 0 {
        let nodes = markdown::nodes(report.plans.iter().flat_map(|plan| &plan.steps));
        let what = if left.details == 1 { nodes.one } else { nodes.several };
        parts.push(format!("details of {} {what}", left.details));
    }
    if left.remarks > 0 {
        let what = if left.remarks == 1 { "remark" } else { "remarks" };
        parts.push(format!("{} {what}", left.remarks));
    }
    if parts.is_empty() {
        return String::new();
    }
    let place = match about.run {
        Some(run) => format!("[The log of this run]({run})"),
        None => "The log of this run".to_owned(),
    };
    format!("**Not shown here:** {}. {place} has everything.\n\n", parts.join(", "))
}

fn changes(summary: &Summary) -> usize {
    summary.create + summary.update + summary.delete + summary.recreate + summary.run
}

/// The last line: commit and run.
fn end(about: &About<'_>) -> String {
    let commit = about.commit.map(|commit| format!("commit {}", escaped(&shortened(commit, 40))));
    let run = about.run.map(|run| format!("[run]({run})"));
    let parts: Vec<String> = commit.into_iter().chain(run).collect();
    if parts.is_empty() { String::new() } else { format!("<sub>{}</sub>\n", parts.join(", ")) }
}

#[cfg(test)]
mod tests;
