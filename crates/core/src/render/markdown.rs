//! A plan for a pull request.

use std::fmt::Write as _;

use super::details::{self, Depth};
use super::json::{PlanDocument, StepDocument};
use super::mermaid;
use super::style::harmless;
use super::words;
use crate::plan::{Action, Plan};

/// Writes a plan as GitHub-flavoured Markdown; ends with a line feed.
pub fn plan(plan: &Plan) -> String {
    document(&PlanDocument::of(plan))
}

/// Writes a plan that was read as a document (`plan --format json`): the same bytes as [`plan`].
pub fn document(plan: &PlanDocument) -> String {
    let mut out = String::new();
    let _ = writeln!(out, "### Plan to {} `{}`\n", words::purpose(plan.purpose), code(&plan.namespace));
    let counts = words::counts(&plan.summary);
    let counts = if counts.is_empty() { "No changes".to_owned() } else { counts };
    let _ = writeln!(
        out,
        "**{counts}** in account {}, region {}.\n",
        escaped(&plan.account),
        escaped(&plan.region)
    );
    let deleted: Vec<String> = plan
        .steps
        .iter()
        .filter(|step| matches!(step.action, Action::Delete | Action::Recreate))
        .map(|step| format!("`{}`", code(&step.fqn)))
        .collect();
    if !deleted.is_empty() {
        let _ = writeln!(out, "> [!CAUTION]\n> **Will be deleted:** {}\n", deleted.join(", "));
    }
    if let Some(text) = words::losses(&plan.losses) {
        let lines = text.losses.iter().map(|line| format!("> - {}", escaped(line)));
        let _ = writeln!(out, "> [!CAUTION]\n> **{}**\n{}", text.title, lines.collect::<Vec<_>>().join("\n"));
        if !text.remedy.is_empty() {
            let lines: Vec<String> = text.remedy.iter().map(|line| harmless(line)).collect();
            let fence = fence(&lines);
            let lines = lines.iter().map(|line| format!("> {line}"));
            let _ = writeln!(out, ">\n> {fence}text\n{}\n> {fence}", lines.collect::<Vec<_>>().join("\n"));
        }
        out.push('\n');
    }
    let changing: Vec<&StepDocument> = plan.steps.iter().filter(|step| step.action.is_change()).collect();
    if !changing.is_empty() {
        let _ =
            writeln!(out, "| | {} | action | why |\n|---|---|---|---|", nodes(changing.iter().copied()).one);
        for step in &changing {
            let _ = writeln!(
                out,
                "| `{}` | `{}` | {} | {} |",
                words::sign(step.action),
                code(&step.name),
                words::verb(step.action, step.certainty),
                escaped(&step.reason),
            );
        }
        out.push('\n');
    }
    if let Some(graph) = mermaid::in_markdown(plan) {
        out.push_str(&graph);
    }
    for step in changing {
        details(&mut out, step);
    }
    for (action, title) in [(Action::Skip, "Left alone"), (Action::None, "Unchanged")] {
        let steps: Vec<&StepDocument> = plan.steps.iter().filter(|step| step.action == action).collect();
        if steps.is_empty() {
            continue;
        }
        let _ = writeln!(out, "<details><summary>{title}: {}</summary>\n", steps.len());
        for step in steps {
            let _ = writeln!(out, "- `{}`: {}", code(&step.name), escaped(&step.reason));
            for note in &step.notes {
                let _ = writeln!(out, "  - {}", escaped(&note.text));
            }
        }
        out.push_str("\n</details>\n\n");
    }
    for hook in &plan.hooks {
        let _ = writeln!(out, "- hook {}: `{}`", code(&hook.stage), code(&hook.path));
    }
    for note in &plan.notes {
        let _ = writeln!(out, "- {}", escaped(&note.text));
    }
    let trimmed = out.trim_end().len();
    out.truncate(trimmed);
    out.push('\n');
    out
}

/// What steps work on, as nouns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Nodes {
    /// For one of them.
    pub one: &'static str,
    /// For several.
    pub several: &'static str,
}

/// What steps work on: stacks, tasks, or both.
pub fn nodes<'a>(steps: impl IntoIterator<Item = &'a StepDocument>) -> Nodes {
    let (mut stacks, mut tasks) = (false, false);
    for step in steps {
        *(if step.task.is_some() { &mut tasks } else { &mut stacks }) = true;
    }
    let (one, several) = match (stacks, tasks) {
        (true, true) => ("stack or task", "stacks and tasks"),
        (false, true) => ("task", "tasks"),
        (_, false) => ("stack", "stacks"),
    };
    Nodes { one, several }
}

/// What a step changes in detail, folded; nothing if there is nothing to tell.
pub fn details(out: &mut String, step: &StepDocument) {
    let mut lines: Vec<String> = step.chain.iter().map(|link| format!("# {link}")).collect();
    lines.extend(details::lines(step, Depth::Full).into_iter().map(|line| {
        // In a diff only the first character gives a line its colour, and replacing is no word of its language.
        let sign = if line.sign == '±' { '!' } else { line.sign };
        format!("{sign} {}{}", "  ".repeat(line.level), line.text)
    }));
    if lines.is_empty() && step.notes.is_empty() {
        return;
    }
    let _ = writeln!(out, "<details><summary><code>{}</code></summary>\n", html(&step.name));
    if !lines.is_empty() {
        let lines: Vec<String> = lines.iter().map(|line| harmless(line)).collect();
        let fence = fence(&lines);
        let _ = writeln!(out, "{fence}diff\n{}\n{fence}\n", lines.join("\n"));
    }
    for note in &step.notes {
        let _ = writeln!(out, "- {}", escaped(&note.text));
    }
    out.push_str("\n</details>\n\n");
}

/// A fence longer than any run of backticks in the lines.
fn fence(lines: &[String]) -> String {
    let longest =
        lines.iter().flat_map(|line| line.split(|c| c != '`')).map(str::len).max().unwrap_or_default();
    "`".repeat((longest + 1).max(3))
}

/// Text that stands inside backticks.
pub fn code(text: &str) -> String {
    harmless(text).replace('`', "'").replace('|', "\\|")
}

/// Text as HTML content.
fn html(text: &str) -> String {
    harmless(text).replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

/// Running text: nothing in it may become markup, a mention or a table cell.
pub fn escaped(text: &str) -> String {
    let mut out = String::new();
    for c in html(text).chars() {
        if matches!(c, '\\' | '`' | '*' | '_' | '[' | ']' | '|' | '#' | '~' | '!') {
            out.push('\\');
        }
        if c == '@' {
            // A zero-width joint keeps a mention from notifying somebody.
            out.push_str("@\u{200b}");
        } else {
            out.push(c);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_that_was_read_gives_the_same_text() {
        let text = include_str!("../../../../tests/plan/snapshots/parameter-changed.json.snap");
        let json = text.split_once("---\n").and_then(|(_, rest)| rest.split_once("---\n")).unwrap().1;
        let read: PlanDocument = serde_json::from_str(json).unwrap();
        assert_eq!(super::super::json::pretty(&read).trim(), json.trim());
        let markdown = include_str!("../../../../tests/plan/snapshots/parameter-changed.markdown.snap");
        assert!(markdown.trim_end().ends_with(document(&read).trim()), "{}", document(&read));
    }

    #[test]
    fn nothing_in_a_value_becomes_markup() {
        let text = escaped("a|b <img src=x> `c` [x](y) @team\n# h");
        assert!(!text.contains('<') && !text.contains('\n'));
        assert!(text.contains("\\|") && text.contains("\\`") && text.contains("\\[") && text.contains("\\#"));
        assert!(!text.contains("@team"));
        assert_eq!(fence(&["a ```` b".to_owned()]), "`````");
    }
}
