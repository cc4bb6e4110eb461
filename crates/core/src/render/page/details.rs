//! What a step changes in detail, as tables.

use serde::Serialize;

use super::super::chart::Kind;
use super::super::details::headline;
use super::super::json::{
    BeforeAfter, ChangesDocument, OutputDocument, PropertyDocument, ResourceDocument, StepDocument,
    ValueDocument,
};
use super::super::words;
use crate::plan::{Action, Certainty, ResourceAction};
use crate::resources::{Fate, Replacement};

/// A table.
#[derive(Serialize)]
pub(super) struct Group {
    pub(super) title: &'static str,
    /// What one of its rows is, and several are.
    #[serde(skip)]
    counted: (&'static str, &'static str),
    pub(super) rows: Vec<Row>,
}

/// A line of a table.
#[derive(Serialize)]
pub(super) struct Row {
    class: &'static str,
    sign: char,
    verb: &'static str,
    name: String,
    /// It belongs to the row above that does not.
    below: bool,
    /// What it is, for example a type.
    what: Option<String>,
    before: Option<String>,
    after: Option<String>,
    remarks: Vec<Remark>,
}

/// A remark on a line.
#[derive(Serialize)]
pub(super) struct Remark {
    text: String,
    alarm: bool,
}

impl Group {
    /// How much there is in it, in words.
    pub(super) fn count(&self) -> String {
        let (one, many) = self.counted;
        match self.rows.iter().filter(|row| !row.below).count() {
            1 => format!("1 {one}"),
            count => format!("{count} {many}"),
        }
    }
}

/// The tables of a step that have lines.
pub(super) fn groups(step: &StepDocument) -> Vec<Group> {
    let changes = &step.changes;
    let tables = [
        ("Resources", ("resource", "resources"), resources(changes)),
        ("Template", ("other part of the template", "other parts of the template"), template(changes)),
        ("Outputs", ("output", "outputs"), outputs(step)),
        ("Parameters", ("parameter", "parameters"), parameters(changes)),
        ("Tags", ("tag", "tags"), tags(changes)),
        ("Settings", ("setting", "settings"), settings(changes)),
    ];
    tables
        .into_iter()
        .filter(|(_, _, rows)| !rows.is_empty())
        .map(|(title, counted, rows)| Group { title, counted, rows })
        .collect()
}

impl Row {
    fn of(kind: Kind, name: &str) -> Self {
        Self {
            class: kind.class(),
            sign: kind.sign(),
            verb: match kind {
                Kind::Create => "added",
                Kind::Delete => "removed",
                Kind::May => "may change",
                Kind::Recreate => "replaced",
                Kind::Update | Kind::Run | Kind::Skip | Kind::None => "changed",
            },
            name: name.to_owned(),
            below: false,
            what: None,
            before: None,
            after: None,
            remarks: Vec::new(),
        }
    }

    /// A line about something that has a value, or had one.
    fn valued(name: &str, before: Option<String>, after: Option<String>) -> Self {
        let kind = match (&before, &after) {
            (None, _) => Kind::Create,
            (_, None) => Kind::Delete,
            _ => Kind::Update,
        };
        Self { before, after, ..Self::of(kind, name) }
    }
}

/// What happens to a resource, as pages mark it.
pub(super) fn kind(change: &ResourceDocument) -> Kind {
    match (change.action, change.replacement, change.certainty) {
        (_, _, Certainty::May) => Kind::May,
        (ResourceAction::Add, _, _) => Kind::Create,
        (ResourceAction::Remove, _, _) => Kind::Delete,
        (ResourceAction::Modify, Replacement::Will, _) => Kind::Recreate,
        (ResourceAction::Modify, _, _) => Kind::Update,
    }
}

/// What happens to a resource, beside its action: `REPLACED; its data is LOST (database)`.
pub(super) fn phrase(id: &str, change: &ResourceDocument) -> Option<String> {
    let line = headline(id, change);
    let rest = line.strip_prefix(&format!("{id} ({}): ", change.kind))?;
    Some(rest.to_owned())
}

fn resources(changes: &ChangesDocument) -> Vec<Row> {
    let mut rows = Vec::new();
    for (id, change) in &changes.resources {
        let mut row = Row { what: Some(change.kind.clone()), ..Row::of(kind(change), id) };
        if let Some(text) = phrase(id, change) {
            let alarm = change.replacement != Replacement::Never
                || change.data.as_ref().is_some_and(|data| data.fate == Fate::Lost);
            row.remarks.push(Remark { text, alarm });
        }
        rows.push(row);
        rows.extend(change.properties.iter().map(property));
    }
    rows
}

fn property(change: &PropertyDocument) -> Row {
    let (before, after) = (shown(&change.before), shown(&change.after));
    let mut row = Row { below: true, ..Row::valued(&change.path, before, after) };
    match change.replacement {
        Replacement::Never => {}
        Replacement::May => {
            row.remarks.push(Remark { text: "may replace the resource".to_owned(), alarm: true })
        }
        Replacement::Will => {
            row.remarks.push(Remark { text: "replaces the resource".to_owned(), alarm: true })
        }
    }
    if let Some(why) = &change.because {
        row.remarks.push(Remark { text: format!("because {why}"), alarm: false });
    }
    row
}

/// What differs in the text of the template and is no change of a resource that is listed.
fn template(changes: &ChangesDocument) -> Vec<Row> {
    let Some(template) = &changes.template else { return Vec::new() };
    let parts = [
        (Kind::Delete, &template.removed),
        (Kind::Update, &template.modified),
        (Kind::Create, &template.added),
    ];
    let mut rows = Vec::new();
    for (kind, resources) in parts {
        for (id, type_) in resources.iter().filter(|(id, _)| !changes.resources.contains_key(*id)) {
            let mut row = Row { what: Some(type_.clone()), ..Row::of(kind, id) };
            if !changes.outputs_open {
                row.remarks.push(Remark {
                    text: "written another way, with the same values".to_owned(),
                    alarm: false,
                });
            }
            rows.push(row);
        }
    }
    let told = |section: &&String| section.as_str() != "Outputs" || changes.outputs.is_empty();
    rows.extend(
        template
            .sections
            .iter()
            .filter(told)
            .map(|section| Row { what: Some("section".to_owned()), ..Row::of(Kind::Update, section) }),
    );
    rows
}

fn outputs(step: &StepDocument) -> Vec<Row> {
    if step.action == Action::Delete {
        return Vec::new();
    }
    step.changes.outputs.iter().map(|(name, change)| output(name, change)).collect()
}

fn output(name: &str, change: &OutputDocument) -> Row {
    let mut row = Row::valued(name, shown(&change.before), shown(&change.after));
    row.what = change.export.as_ref().map(|export| format!("export {export}"));
    if matches!(change.after, Some(ValueDocument::KnownAfter(_))) && change.before.is_some() {
        row = Row { before: row.before, after: row.after, what: row.what, ..Row::of(Kind::May, name) };
    }
    row.remarks.extend(change.because.iter().map(|why| Remark { text: why.clone(), alarm: false }));
    if !change.consumers.is_empty() {
        let users: Vec<&str> = change.consumers.iter().map(String::as_str).collect();
        row.remarks
            .push(Remark { text: format!("used by {}", users.join(", ")), alarm: change.after.is_none() });
    }
    row
}

fn shown(value: &Option<ValueDocument>) -> Option<String> {
    value.as_ref().map(words::shown_document)
}

fn parameters(changes: &ChangesDocument) -> Vec<Row> {
    let parameters = changes.parameters.iter();
    parameters
        .map(|(name, change)| {
            let waits = matches!(change.after, Some(ValueDocument::KnownAfter(_)));
            let row = Row::valued(name, shown(&change.before), shown(&change.after));
            if waits && change.before.is_some() {
                Row { before: row.before, after: row.after, ..Row::of(Kind::May, name) }
            } else {
                row
            }
        })
        .collect()
}

fn tags(changes: &ChangesDocument) -> Vec<Row> {
    let tags = changes.tags.iter();
    tags.map(|(key, BeforeAfter { before, after })| {
        let shown = |text: &Option<String>| text.clone().map(or_empty);
        Row::valued(key, shown(before), shown(after))
    })
    .collect()
}

fn or_empty(text: String) -> String {
    if text.is_empty() { "(empty)".to_owned() } else { text }
}

fn settings(changes: &ChangesDocument) -> Vec<Row> {
    let mut rows = Vec::new();
    if let Some((before, after)) = changes.termination_protection {
        let word = |on: bool| Some(if on { "on" } else { "off" }.to_owned());
        rows.push(Row::valued("Termination protection", word(before), word(after)));
    }
    if changes.stack_policy {
        rows.push(Row::of(Kind::Update, "Stack policy"));
    }
    rows
}
