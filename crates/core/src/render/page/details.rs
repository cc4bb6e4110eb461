//! What a step changes in detail, as tables.

use serde::Serialize;

use super::super::chart::Kind;
use super::super::json::{BeforeAfter, ChangesDocument, StepDocument, ValueDocument};
use super::super::words;

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
        match self.rows.len() {
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
                Kind::Update | Kind::Skip | Kind::None => "changed",
            },
            name: name.to_owned(),
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

fn resources(changes: &ChangesDocument) -> Vec<Row> {
    let Some(template) = &changes.template else { return Vec::new() };
    let some = |kind: Kind, map: &std::collections::BTreeMap<String, String>| {
        map.iter()
            .map(|(id, type_)| Row { what: Some(type_.clone()), ..Row::of(kind, id) })
            .collect::<Vec<_>>()
    };
    let mut rows = some(Kind::Delete, &template.removed);
    rows.extend(some(Kind::Update, &template.modified));
    rows.extend(some(Kind::Create, &template.added));
    let sections = template.sections.iter();
    rows.extend(sections.map(|section| {
        Row { what: Some("section of the template".to_owned()), ..Row::of(Kind::Update, section) }
    }));
    rows
}

fn parameters(changes: &ChangesDocument) -> Vec<Row> {
    let shown = |value: &Option<ValueDocument>| value.as_ref().map(words::shown_document);
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
