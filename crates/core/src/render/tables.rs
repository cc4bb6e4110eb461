//! Status and outputs as text, JSON and shell assignments.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde::Serialize;

use super::json::pretty;
use super::style::harmless;
use crate::engine::StatusRow;
use crate::ident::NodeName;

#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
/// Status rows as a document.
pub(crate) struct StatusDocument<'r> {
    /// Version of this format.
    version: u32,
    /// Configured, recorded and existing stacks, by name.
    stacks: &'r [StatusRow],
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

/// Status rows as JSON.
pub fn status_json(rows: &[StatusRow]) -> String {
    pretty(&StatusDocument { version: 1, stacks: rows })
}

/// Status rows as a table.
pub fn status_text(rows: &[StatusRow]) -> String {
    if rows.is_empty() {
        return "no stacks in config or persistent graph\n".to_owned();
    }
    let mut cells = vec![["NAME", "STACK", "STATUS", "RECORDED", "CONFIG"].map(str::to_owned)];
    let word = |value: bool| if value { "yes" } else { "no" }.to_owned();
    for row in rows {
        cells.push([
            harmless(row.name.as_str()),
            harmless(row.fqn.as_str()),
            row.status.clone(),
            word(row.recorded),
            word(row.configured),
        ]);
    }
    aligned(&cells)
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
