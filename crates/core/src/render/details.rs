//! What a step changes, as lines: the same in every format.

use std::collections::BTreeMap;

use super::json::{
    ChangesDocument, OutputDocument, ParameterDocument, PropertyDocument, ResourceDocument, StepDocument,
};
use super::style::{Mark, harmless};
use super::words;
use crate::plan::{Action, Certainty, ResourceAction};
use crate::resources::{Fate, Replacement};

/// How much is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Depth {
    /// Resources with the names of what changes in them.
    Short,
    /// Every property with its value before and after.
    Full,
}

/// A line about a step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Line {
    /// `+`, `-`, `~`, or a blank for what has no sign.
    pub(super) sign: char,
    /// What it says; nothing in it can do harm to a terminal.
    pub(super) text: String,
    /// Levels below the step.
    pub(super) level: usize,
    /// What it is, for its colour.
    pub(super) mark: Option<Mark>,
}

impl Line {
    fn new(sign: char, text: impl AsRef<str>, mark: Option<Mark>) -> Self {
        Self { sign, text: harmless(text.as_ref()), level: 0, mark }
    }

    fn below(self) -> Self {
        Self { level: 1, ..self }
    }
}

/// Everything that a step changes.
pub(super) fn lines(step: &StepDocument, depth: Depth) -> Vec<Line> {
    let changes = &step.changes;
    let mut lines = Vec::new();
    match step.action {
        _ if step.task.is_some() => lines.extend(changes.details.iter().map(property)),
        Action::Create | Action::Recreate => whole_stack(&mut lines, changes, '+', depth),
        Action::Delete => whole_stack(&mut lines, changes, '-', depth),
        Action::Update => updated(&mut lines, changes, depth),
        Action::Run | Action::None | Action::Skip => {}
    }
    if step.action != Action::Delete {
        outputs(&mut lines, changes, depth);
    }
    let is_new = step.action != Action::Update;
    for (name, change) in &changes.parameters {
        lines.push(parameter(name, change, is_new));
    }
    let value = |value: &Option<String>| value.as_deref().unwrap_or("(none)").to_owned();
    for (key, tag) in &changes.tags {
        let text = format!("tag {key}: {} -> {}", value(&tag.before), value(&tag.after));
        lines.push(Line::new(' ', text, None));
    }
    if let Some((before, after)) = changes.termination_protection {
        let word = |on: bool| if on { "on" } else { "off" };
        lines.push(Line::new(
            ' ',
            format!("termination protection: {} -> {}", word(before), word(after)),
            None,
        ));
    }
    if changes.stack_policy {
        lines.push(Line::new(' ', "stack policy: replaced", None));
    }
    lines
}

/// The resources of a stack that comes or goes: their number by type, and those whose data matters one by one.
fn whole_stack(lines: &mut Vec<Line>, changes: &ChangesDocument, sign: char, depth: Depth) {
    let mark = if sign == '+' { Mark::Create } else { Mark::Delete };
    let told = |resource: &ResourceDocument| depth == Depth::Full || resource.data.is_some();
    let mut kinds: BTreeMap<&str, usize> = BTreeMap::new();
    for resource in changes.resources.values().filter(|resource| !told(resource)) {
        *kinds.entry(resource.kind.as_str()).or_default() += 1;
    }
    for (id, resource) in changes.resources.iter().filter(|(_, resource)| told(resource)) {
        lines.push(Line::new(sign, headline(id, resource), Some(mark)));
    }
    if !kinds.is_empty() {
        let count: usize = kinds.values().sum();
        let kinds = kinds.iter().map(|(kind, count)| match count {
            1 => (*kind).to_owned(),
            count => format!("{count} {kind}"),
        });
        let noun = if count == 1 { "resource" } else { "resources" };
        let text = format!("{count} {noun}: {}", kinds.collect::<Vec<_>>().join(", "));
        lines.push(Line::new(sign, text, Some(mark)));
    }
}

fn updated(lines: &mut Vec<Line>, changes: &ChangesDocument, depth: Depth) {
    for (id, resource) in &changes.resources {
        lines.push(Line::new(sign(resource), headline(id, resource), Some(mark(resource))));
        match depth {
            Depth::Full => lines.extend(resource.properties.iter().map(|change| property(change).below())),
            Depth::Short if resource.action == ResourceAction::Modify => {
                lines.push(Line::new(' ', names(resource), None).below());
            }
            Depth::Short => {}
        }
    }
    let Some(template) = &changes.template else { return };
    // Where macros decide, how the text differs is all there is; otherwise only what left no trace in a resource.
    let unseen =
        |id: &String| changes.outputs_open || depth == Depth::Full && !changes.resources.contains_key(id);
    let same = if changes.outputs_open { "" } else { ": written another way, with the same values" };
    for (sign, resources) in [('+', &template.added), ('~', &template.modified), ('-', &template.removed)] {
        for (id, kind) in
            resources.iter().filter(|(id, _)| unseen(id) && !changes.resources.contains_key(*id))
        {
            lines.push(Line::new(sign, format!("{id} ({kind}){same}"), Some(Mark::Faint)));
        }
    }
    let told = |section: &&String| section.as_str() != "Outputs" || changes.outputs.is_empty();
    for section in template.sections.iter().filter(told) {
        lines.push(Line::new('~', format!("section {section}"), Some(Mark::Change)));
    }
}

fn sign(resource: &ResourceDocument) -> char {
    match (resource.action, resource.replacement) {
        (ResourceAction::Add, _) => '+',
        (ResourceAction::Remove, _) => '-',
        (ResourceAction::Modify, Replacement::Will) => '±',
        (ResourceAction::Modify, _) => '~',
    }
}

fn mark(resource: &ResourceDocument) -> Mark {
    match (resource.action, resource.replacement) {
        (ResourceAction::Add, _) => Mark::Create,
        (ResourceAction::Remove, _) | (_, Replacement::Will) => Mark::Delete,
        (ResourceAction::Modify, _) => Mark::Change,
    }
}

/// `Database (AWS::RDS::DBInstance): REPLACED; its data is LOST (database)`.
pub(super) fn headline(id: &str, resource: &ResourceDocument) -> String {
    let mut phrases = Vec::new();
    let may = resource.certainty == Certainty::May;
    match (resource.action, resource.replacement) {
        (ResourceAction::Add, _) if may => phrases.push("may be added".to_owned()),
        (ResourceAction::Remove, _) if may => phrases.push("may be removed".to_owned()),
        (ResourceAction::Modify, Replacement::Will) => phrases.push("REPLACED".to_owned()),
        (ResourceAction::Modify, Replacement::May) => phrases.push("may be REPLACED".to_owned()),
        (ResourceAction::Modify, Replacement::Never) if may => phrases.push("may change in place".to_owned()),
        _ => {}
    }
    let certain =
        !may && (resource.action != ResourceAction::Modify || resource.replacement == Replacement::Will);
    if let Some(data) = &resource.data {
        let is = if certain { "is" } else { "may be" };
        phrases.push(match data.fate {
            Fate::Lost => format!("its data {is} LOST ({})", data.holds),
            Fate::Retained => format!("the {} is retained, outside the stack", data.holds),
            Fate::Snapshot => format!("a snapshot of the {} is kept", data.holds),
        });
    }
    let rest = if phrases.is_empty() { String::new() } else { format!(": {}", phrases.join("; ")) };
    format!("{id} ({}){rest}", resource.kind)
}

/// The properties that change, by name, with the reasons that their names do not tell.
fn names(resource: &ResourceDocument) -> String {
    let mut names: Vec<String> = Vec::new();
    for change in &resource.properties {
        let top = change.path.split(['.', '[']).next().unwrap_or_default();
        let replaces = match change.replacement {
            Replacement::Never => "",
            Replacement::May => " (may replace)",
            Replacement::Will => " (replaces)",
        };
        let because = change.because.as_ref().map(|why| format!(" because {why}")).unwrap_or_default();
        let name = format!("{top}{replaces}{because}");
        if !names.contains(&name) {
            names.push(name);
        }
    }
    names.join(", ")
}

fn property(change: &PropertyDocument) -> Line {
    let shown = words::shown_document;
    let (sign, values) = match (&change.before, &change.after) {
        (Some(before), Some(after)) if before == after => ('~', shown(after)),
        (Some(before), Some(after)) => ('~', format!("{} -> {}", shown(before), shown(after))),
        (None, Some(after)) => ('+', shown(after)),
        (Some(before), None) => ('-', shown(before)),
        (None, None) => ('~', String::new()),
    };
    let replaces = match change.replacement {
        Replacement::Never => "",
        Replacement::May => "  (may replace)",
        Replacement::Will => "  (replaces)",
    };
    let because = change.because.as_ref().map(|why| format!("  because {why}")).unwrap_or_default();
    Line::new(sign, format!("{}: {values}{replaces}{because}", change.path), None)
}

fn outputs(lines: &mut Vec<Line>, changes: &ChangesDocument, depth: Depth) {
    for (name, change) in &changes.outputs {
        let sign = match (&change.before, &change.after) {
            (None, _) => '+',
            (_, None) => '-',
            _ => '~',
        };
        lines.push(Line::new(sign, output(name, change), Some(Mark::Change)));
        if depth == Depth::Full || !change.consumers.is_empty() {
            let why = change.because.join("; ");
            let users = match change.consumers.len() {
                0 => String::new(),
                _ => format!("; used by {}", change.consumers.iter().cloned().collect::<Vec<_>>().join(", ")),
            };
            lines.push(Line::new(' ', format!("{why}{users}"), None).below());
        }
    }
}

fn output(name: &str, change: &OutputDocument) -> String {
    let shown = words::shown_document;
    let export = change.export.as_ref().map(|name| format!(", export {name}")).unwrap_or_default();
    match (&change.before, &change.after) {
        (Some(before), Some(after)) => {
            format!("output {name}{export}: {} -> {}", shown(before), shown(after))
        }
        (None, Some(after)) => format!("output {name}{export}: {}", shown(after)),
        (Some(before), None) => format!("output {name}{export}: {} -> (removed)", shown(before)),
        (None, None) => format!("output {name}{export}"),
    }
}

fn parameter(name: &str, change: &ParameterDocument, is_new: bool) -> Line {
    let after = change.after.as_ref().map_or("(removed)".to_owned(), words::shown_document);
    let text = match &change.before {
        Some(before) if !is_new => format!("{name}: {} -> {after}", words::shown_document(before)),
        _ => format!("{name}: {after}"),
    };
    Line::new(' ', text, None)
}
