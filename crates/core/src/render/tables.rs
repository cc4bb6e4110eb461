//! Status and outputs as text, JSON and shell assignments.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde::Serialize;

use super::json::pretty;
use super::style::harmless;
use crate::engine::{Status, StatusRow, TaskRow};
use crate::ident::NodeName;

#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
/// Status rows as a document.
pub(crate) struct StatusDocument<'r> {
    /// Version of this format.
    version: u32,
    /// Configured, recorded and existing stacks, by name.
    stacks: &'r [StatusRow],
    /// Configured and recorded tasks, by name.
    tasks: &'r [TaskRow],
}

/// Outputs as a document.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub(crate) struct OutputsDocument<'o> {
    /// Version of this format.
    version: u32,
    /// Values by stack and output name.
    stacks: &'o BTreeMap<NodeName, BTreeMap<String, String>>,
}

/// The status as JSON.
pub fn status_json(status: &Status) -> String {
    pretty(&StatusDocument { version: 1, stacks: &status.stacks, tasks: &status.tasks })
}

/// The status as tables: stacks, and tasks if there are any.
pub fn status_text(status: &Status) -> String {
    let word = |value: bool| if value { "yes" } else { "no" }.to_owned();
    let mut out = String::new();
    if !status.stacks.is_empty() {
        let mut cells = vec![["NAME", "STACK", "STATUS", "RECORDED", "CONFIG"].map(str::to_owned)];
        cells.extend(status.stacks.iter().map(|row| {
            [
                harmless(row.name.as_str()),
                harmless(row.fqn.as_str()),
                row.status.clone(),
                word(row.recorded),
                word(row.configured),
            ]
        }));
        out.push_str(&aligned(&cells));
    } else if status.tasks.is_empty() {
        return "no stacks in config or persistent graph\n".to_owned();
    }
    if !status.tasks.is_empty() {
        if !out.is_empty() {
            out.push('\n');
        }
        let mut cells = vec![["TASK", "PLACE", "RECORDED", "CONFIG", "ON REMOVAL"].map(str::to_owned)];
        cells.extend(status.tasks.iter().map(|row| {
            let place = [row.account.as_deref(), row.region.as_deref()];
            let place = place.into_iter().flatten().collect::<Vec<_>>().join("/");
            let recorded =
                if row.recorded && !row.settled { "not finished".to_owned() } else { word(row.recorded) };
            [
                harmless(row.name.as_str()),
                if place.is_empty() { "-".to_owned() } else { harmless(&place) },
                recorded,
                word(row.configured),
                format!("{}{}", row.on_remove.as_str(), if row.adopted { " (adopted)" } else { "" }),
            ]
        }));
        out.push_str(&aligned(&cells));
    }
    out
}

/// Cells with columns below each other.
pub(crate) fn aligned<const N: usize>(cells: &[[String; N]]) -> String {
    let width = |column: usize| cells.iter().map(|row| row[column].chars().count()).max().unwrap_or_default();
    let widths: Vec<usize> = (0..N).map(width).collect();
    let mut out = String::new();
    for row in cells {
        let mut line = String::new();
        for (cell, width) in row.iter().zip(&widths) {
            let _ = write!(line, "{cell:<width$}  ");
        }
        let _ = writeln!(out, "{}", line.trim_end());
    }
    out
}

/// Outputs as JSON.
pub fn outputs_json(outputs: &BTreeMap<NodeName, BTreeMap<String, String>>) -> String {
    pretty(&OutputsDocument { version: 1, stacks: outputs })
}

/// Outputs for people.
pub fn outputs_text(outputs: &BTreeMap<NodeName, BTreeMap<String, String>>) -> String {
    let mut out = String::new();
    for (stack, values) in outputs {
        let _ = writeln!(out, "{}", harmless(stack.as_str()));
        for (name, value) in values {
            let _ = writeln!(out, "  {}: {}", harmless(name), harmless(value));
        }
    }
    if out.is_empty() { "no stack of this config exists\n".to_owned() } else { out }
}

/// Outputs as assignments for a POSIX shell: `<STACK>_<OUTPUT>`, upper case, other characters as underscores.
pub fn outputs_env(outputs: &BTreeMap<NodeName, BTreeMap<String, String>>) -> String {
    let mut out = String::new();
    for (stack, values) in outputs {
        for (name, value) in values {
            let name: String = format!("{stack}_{name}")
                .chars()
                .map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' })
                .collect();
            let name = if name.starts_with(|c: char| c.is_ascii_digit()) { format!("_{name}") } else { name };
            let _ = writeln!(out, "{name}='{}'", value.replace('\'', "'\\''"));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shell_assignments_survive_any_value() {
        let values = BTreeMap::from([("Db.Url".to_owned(), "it's $(rm) `x`\nline".to_owned())]);
        let outputs = BTreeMap::from([(NodeName::from("my-db"), values)]);
        assert_eq!(outputs_env(&outputs), "MY_DB_DB_URL='it'\\''s $(rm) `x`\nline'\n");
    }
}
