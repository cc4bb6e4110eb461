//! A plan as a Mermaid flow chart, and in Graphviz' language: the graph of its stacks, with what happens to each.

use std::fmt::Write as _;

use super::chart::{Chart, Kind, Room};
use super::json::PlanDocument;
use super::picture::Target;
use super::style::{harmless, shortened};

/// What GitHub draws and a reader of a comment can make out. It refuses more than 500 arrows and 50,000 characters, and
/// a comment has only 65,536 for everything.
const IN_MARKDOWN: Room = Room { everything: 60, stacks: 150, arrows: 400 };
/// Characters of a flow chart in Markdown.
const MOST_CHARACTERS: usize = 20_000;
/// What is drawn where nobody sets a limit.
const ALONE: Room = Room { everything: 300, stacks: 2_000, arrows: 6_000 };
/// Letters of a name that are shown.
const LONGEST_NAME: usize = 60;

/// Writes plans as one flow chart; ends with a line feed.
pub fn documents(targets: &[Target<'_>]) -> String {
    let mut out = String::from("flowchart RL\n");
    let mut kinds = Vec::new();
    for (at, target) in targets.iter().enumerate() {
        let chart = Chart::of(target.plan, ALONE);
        let several = targets.len() > 1;
        if several {
            let title = quoted(target.label.unwrap_or(&target.plan.namespace));
            let _ = writeln!(out, "    subgraph p{}[\"{title}\"]", at + 1);
        }
        body(&mut out, &chart, &format!("p{}s", at + 1));
        if several {
            out.push_str("    end\n");
        }
        if let Some(left_out) = chart.left_out() {
            let _ = writeln!(out, "    %% {left_out}");
        }
        kinds.extend(chart.stacks.iter().map(|(_, step)| Kind::of(step)));
    }
    classes(&mut out, kinds);
    out
}

/// The flow chart of a plan as a part of Markdown: folded, with its title. None if it would show nothing that the list
/// of steps does not: if no two stacks have to do with each other, or nothing changes.
pub fn in_markdown(plan: &PlanDocument) -> Option<String> {
    let chart = Chart::of(plan, IN_MARKDOWN);
    if chart.arrows.is_empty() || !chart.stacks.iter().any(|(_, step)| Kind::of(step).is_change()) {
        return None;
    }
    let mut flow = String::from("flowchart RL\n");
    body(&mut flow, &chart, "s");
    classes(&mut flow, chart.stacks.iter().map(|(_, step)| Kind::of(step)).collect());
    let stacks = chart.stacks.len();
    let left_out = chart.left_out().map(|left_out| format!("{left_out} ")).unwrap_or_default();
    if flow.len() > MOST_CHARACTERS {
        return Some(format!(
            "The graph of {stacks} stacks is too large to be drawn here: `plan --format html` shows it.\n\n"
        ));
    }
    Some(format!(
        "<details><summary>Graph: {stacks} stacks</summary>\n\n```mermaid\n{flow}```\n\n{left_out}An arrow points to what a stack needs.\n\n</details>\n\n"
    ))
}

/// Writes plans in Graphviz' language: a cluster for each if there are several.
pub fn dot(targets: &[Target<'_>]) -> String {
    let mut out = String::from(
        "digraph plan {\n    rankdir=RL;\n    node [shape=box, style=filled, fontname=\"monospace\"];\n",
    );
    for (at, target) in targets.iter().enumerate() {
        let chart = Chart::of(target.plan, ALONE);
        let several = targets.len() > 1;
        if several {
            let title = in_dot(target.label.unwrap_or(&target.plan.namespace));
            let _ = writeln!(out, "    subgraph cluster_{} {{\n    label=\"{title}\";", at + 1);
        }
        let id = |place: usize| format!("p{}s{place}", at + 1);
        for (place, (_, step)) in chart.stacks.iter().enumerate() {
            let kind = Kind::of(step);
            let (fill, stroke, ink) = colours(kind);
            let label =
                format!("{}\\n{} {}", in_dot(&shortened(&step.name, LONGEST_NAME)), kind.sign(), kind.verb());
            let dashes = if kind == Kind::May { ", style=\"filled,dashed\"" } else { "" };
            let _ = writeln!(
                out,
                "    {} [label=\"{label}\", fillcolor=\"{fill}\", color=\"{stroke}\", fontcolor=\"{ink}\"{dashes}];",
                id(place)
            );
        }
        for arrow in &chart.arrows {
            let _ = writeln!(out, "    {} -> {};", id(arrow.from), id(arrow.to));
        }
        if several {
            out.push_str("    }\n");
        }
        if let Some(left_out) = chart.left_out() {
            let _ = writeln!(out, "    // {left_out}");
        }
    }
    out.push_str("}\n");
    out
}

fn body(out: &mut String, chart: &Chart<'_>, prefix: &str) {
    for (place, (_, step)) in chart.stacks.iter().enumerate() {
        let kind = Kind::of(step);
        let name = quoted(&shortened(&step.name, LONGEST_NAME));
        let (open, close) = shape(kind);
        let verb = if kind.is_change() { format!("<br>{}", kind.verb()) } else { String::new() };
        let _ = writeln!(out, "    {prefix}{place}{open}\"{name}{verb}\"{close}:::{}", kind.class());
    }
    for arrow in &chart.arrows {
        let _ = writeln!(out, "    {prefix}{} --> {prefix}{}", arrow.from, arrow.to);
    }
}

fn classes(out: &mut String, mut kinds: Vec<Kind>) {
    kinds.sort_unstable();
    kinds.dedup();
    for kind in kinds {
        let (fill, stroke, ink) = colours(kind);
        let more = match kind {
            Kind::May => ",stroke-dasharray:5 3",
            Kind::Delete | Kind::Recreate => ",stroke-width:3px",
            _ => "",
        };
        let _ = writeln!(out, "    classDef {} fill:{fill},stroke:{stroke},color:{ink}{more}", kind.class());
    }
}

/// What a box looks like for those who do not tell its colour.
fn shape(kind: Kind) -> (&'static str, &'static str) {
    match kind {
        Kind::Create => ("([", "])"),
        Kind::May => ("{{", "}}"),
        Kind::Delete => ("[[", "]]"),
        Kind::Recreate => ("[/", "/]"),
        Kind::Run => (">", "]"),
        Kind::Update | Kind::Skip | Kind::None => ("[", "]"),
    }
}

/// Inside, border and text: all three, so that it is readable on any ground.
fn colours(kind: Kind) -> (&'static str, &'static str, &'static str) {
    match kind {
        Kind::Create => ("#dafbe1", "#116329", "#0a3d17"),
        Kind::Update => ("#ddf4ff", "#0550ae", "#032f62"),
        Kind::Run => ("#e6f7f5", "#0b6b5f", "#063d36"),
        Kind::May => ("#fff8c5", "#7d4e00", "#4d2d00"),
        Kind::Delete => ("#ffebe9", "#a40e26", "#67060c"),
        Kind::Recreate => ("#fbefff", "#6639ba", "#3e1f79"),
        Kind::Skip | Kind::None => ("#f6f8fa", "#8c959f", "#59636e"),
    }
}

/// Text in a quoted label of Mermaid. What could end the label, start markup or be read as Markdown is written as a
/// number.
fn quoted(text: &str) -> String {
    let mut out = String::new();
    for c in harmless(text).chars() {
        // A dash in front would be a list.
        if c.is_alphanumeric() || matches!(c, ' ' | '…') || c == '-' && !out.is_empty() {
            out.push(c);
        } else {
            let _ = write!(out, "#{};", u32::from(c));
        }
    }
    out
}

/// Text in a quoted string of Graphviz.
fn in_dot(text: &str) -> String {
    harmless(text).replace('\\', "\\\\").replace('"', "\\\"")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_large_plan_the_changes_are_drawn_and_the_chart_stays_small() {
        let names: Vec<String> =
            (0..400).map(|at| format!("stack-{at:03}-with-a-rather-long-name")).collect();
        let needs: Vec<[&str; 1]> = (0..400_usize).map(|at| [names[at.saturating_sub(1)].as_str()]).collect();
        let with = |changes: usize| {
            let steps: Vec<_> = (0..400)
                .map(|at| match at < changes {
                    true => (names[at].as_str(), "update", "will", needs[at].as_slice()),
                    false => (names[at].as_str(), "none", "proved", needs[at].as_slice()),
                })
                .collect();
            in_markdown(&super::super::chart::tests::plan(&steps))
        };
        assert_eq!(with(0), None);
        let few = with(3).unwrap();
        assert_eq!(few.matches(":::update").count(), 3);
        assert_eq!(few.matches(":::none").count(), 1);
        assert!(few.contains("Not drawn: 396 stacks that do not change."), "{few}");
        for changes in [100, 150, 151, 400] {
            let text = with(changes).unwrap();
            assert!(text.len() < MOST_CHARACTERS + 500 && text.matches("-->").count() <= IN_MARKDOWN.arrows);
        }
    }

    #[test]
    fn no_name_leaves_its_label() {
        let text = quoted("a\"]\n--> b <b>`x`</b> #quot; \u{202e}");
        assert!(!text.contains(['"', '<', '`', ']', '\n', '\u{202e}']), "{text}");
        assert!(text.contains("#34;") && text.contains("#35;quot#59;"), "{text}");
        assert_eq!(in_dot("a\"\\"), "a\\\"\\\\");
    }
}
