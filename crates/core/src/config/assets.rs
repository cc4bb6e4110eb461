//! The section `assets`: builds that are pushed to a bucket as steps of the plan. CFNgin does not know the section and
//! passes over it.
//!
//! An entry is a task of the kind `assets` whose arguments stand beside its own fields, so that it is planned, ordered,
//! carried out and recorded as every other task.

use indexmap::IndexMap;

use super::reader::Reader;
use super::tasks::places::Places;
use super::tasks::{TaskDefinition, When};
use crate::ident::NodeName;
use crate::yaml::{Node, NodeValue};

/// Kind of the tasks that entries are.
pub const KIND: &str = "assets";

/// Fields of an entry that every task has.
const OWN: [&str; 6] = ["name", "enabled", "requires", "required_by", "role", "role_chain"];
/// Fields of an entry that say what is pushed, and where to.
pub(super) const ARGUMENTS: [&str; 16] = [
    "app",
    "bucket",
    "build",
    "cache_control",
    "concurrency",
    "content_types",
    "deny_in_place",
    "entry",
    "exclude",
    "immutable",
    "late",
    "manifest_format",
    "manifest_time",
    "prune",
    "source",
    "allow_older",
];

/// All fields of an entry.
pub(super) fn fields() -> Vec<&'static str> {
    OWN.into_iter().chain(ARGUMENTS).collect()
}

impl Reader<'_> {
    /// Adds the entries of the section to the tasks.
    pub(super) fn assets(&mut self, node: &Node, tasks: &mut IndexMap<NodeName, TaskDefinition>) {
        let Some(items) = node.as_sequence() else {
            self.wrong_type("assets", "a list", node, "write `- {app: ..., source: ..., bucket: ...}` items");
            return;
        };
        for item in items {
            let nodes = self.asset(item).unwrap_or_default();
            self.add_task(tasks, nodes);
        }
    }

    fn asset(&mut self, node: &Node) -> Option<Vec<TaskDefinition>> {
        let known = fields();
        let fields = self.strict_fields("an entry of `assets`", node, &known, &[])?;
        self.refuse_nulls(&fields, &known, &[]);
        let app = self.demanded(&fields, "app", node)?;
        self.demanded(&fields, "source", node)?;
        self.demanded(&fields, "bucket", node)?;
        let name_node = fields.get("name").unwrap_or(app);
        let name = self.literal("name", name_node)?;
        self.check_task_name(&name, name_node.span);
        let Some(Places::One(place)) = self.places(&fields) else { return None };
        let entries = node.as_mapping()?.iter();
        let is_argument =
            |entry: &&(Node, Node)| entry.0.as_text().is_some_and(|name| ARGUMENTS.contains(&name));
        let arguments = entries.filter(is_argument).cloned().collect();
        let arguments = Node { value: NodeValue::Mapping(arguments), tag: None, span: node.span };
        let entry = NodeName::new(format!("{KIND}/{name}"));
        Some(vec![TaskDefinition {
            node: entry.clone(),
            entry,
            kind: KIND.to_owned(),
            kind_span: name_node.span,
            name,
            enabled: fields.get("enabled").and_then(|node| self.boolean("enabled", node)).unwrap_or(true),
            requires: self.needs("requires", &fields),
            required_by: self.needs("required_by", &fields),
            place,
            on_remove: None,
            when: When::Changed,
            trust_for: None,
            args: self.variables("assets", &arguments, node.span),
            span: name_node.span,
        }])
    }
}
