//! The tasks of a config: `tasks`. CFNgin does not know the section and passes over it.

pub(super) mod places;
mod problem;
#[cfg(test)]
mod tests;

use std::time::Duration;

use indexmap::IndexMap;
use serde::{Deserialize, Serialize};

#[cfg(all(test, feature = "schema"))]
pub(super) use self::places::ACCOUNT_FIELDS;
use self::places::Places;
pub(crate) use self::problem::TaskProblem;
use super::duration;
use super::error::ConfigProblem;
use super::reader::{Fields, Reader, is_null};
use crate::config::{Config, Variable};
use crate::error::Finding;
use crate::ident::NodeName;
use crate::lookup::VariableValue;
use crate::task::TaskPlace;
use crate::text::Span;
use crate::yaml::{Node, NodeValue};

pub(super) const FIELDS: [&str; 15] = [
    "name",
    "kind",
    "enabled",
    "requires",
    "required_by",
    "account",
    "accounts",
    "region",
    "regions",
    "role",
    "role_chain",
    "on_remove",
    "when",
    "cache",
    "args",
];
/// Fields of an entry of `requires` and `required_by` that is a map.
pub(super) const NEED_FIELDS: [&str; 2] = ["name", "affinity"];
/// Fields of `cache`.
pub(super) const CACHE_FIELDS: [&str; 1] = ["trust_for"];

/// One node of the graph: a task in one place.
#[derive(Debug, Clone)]
pub struct TaskDefinition {
    /// Identity in the graph: `kind/name`, with `@account/region` behind it where the entry has several places.
    pub node: NodeName,
    /// `kind/name`, which all nodes of the entry share.
    pub entry: NodeName,
    /// Kind of the task, as written.
    pub kind: String,
    /// Place of the kind in the config.
    pub kind_span: Span,
    /// Name of the entry.
    pub name: String,
    /// Whether runs work on it.
    pub enabled: bool,
    /// What it needs, as written.
    pub requires: Vec<Need>,
    /// What needs it, as written.
    pub required_by: Vec<Need>,
    /// Where it works.
    pub place: TaskPlace,
    /// What becomes of what it made once it leaves the config; `None` is what its kind does.
    pub on_remove: Option<OnRemove>,
    /// When something that only has effects runs.
    pub when: When,
    /// How old a receipt may be that stands in for a look.
    pub trust_for: Option<Duration>,
    /// Arguments in file order.
    pub args: IndexMap<String, Variable>,
    /// Place of the entry's name in the config.
    pub span: Span,
}

/// A name that a task requires, or is required by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Need {
    /// A stack or task, as written.
    pub name: String,
    /// Which of its nodes are meant; `None` means all.
    pub affinity: Option<Affinity>,
    /// Its place in the config.
    pub span: Span,
}

/// Which nodes of a task that works in several places are meant: those that share this with the node that names them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Affinity {
    /// The account.
    Account,
    /// The region.
    Region,
    /// Both.
    AccountAndRegion,
}

/// What becomes of what a task made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum OnRemove {
    /// It stays.
    Retain,
    /// It is deleted.
    Delete,
}

impl OnRemove {
    /// The word of the config.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Retain => "retain",
            Self::Delete => "delete",
        }
    }
}

/// When a task runs that only has effects.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum When {
    /// If its arguments are others than when it last ran, or something that it needs changes.
    #[default]
    Changed,
    /// In every deploy.
    Always,
}

/// What a name in the config means among the tasks.
#[derive(Debug, Clone)]
pub enum Called<'c> {
    /// No task.
    Nothing,
    /// Tasks of several kinds.
    Several(Vec<&'c NodeName>),
    /// The nodes of one entry, or one of them.
    Nodes(Vec<&'c TaskDefinition>),
}

impl TaskDefinition {
    /// Whether any of its arguments comes from something that other nodes may change, apart from their outputs.
    pub fn asks_services(&self) -> bool {
        self.args.values().any(Variable::asks_services)
    }

    /// Whether a flag among its arguments is surely not set.
    pub(crate) fn is_off(&self, flag: &str) -> bool {
        self.args.get(flag).is_none_or(|argument| argument.value == VariableValue::Bool(false))
    }
}

impl Affinity {
    /// Whether a node in `other` is meant by one in `own`.
    pub fn joins(self, own: &TaskPlace, other: &TaskPlace) -> bool {
        let (account, region) = (own.account == other.account, own.region == other.region);
        match self {
            Self::Account => account,
            Self::Region => region,
            Self::AccountAndRegion => account && region,
        }
    }

    /// The word in the config.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Account => "account",
            Self::Region => "region",
            Self::AccountAndRegion => "account-and-region",
        }
    }
}

impl Config {
    /// The tasks that a name means: `kind/name`, a name alone where only one kind has it, or the whole name of a node;
    /// with `task:` in front or without.
    pub fn tasks_called(&self, name: &str) -> Called<'_> {
        let name = name.strip_prefix("task:").unwrap_or(name);
        let whole = |task: &&TaskDefinition| task.node.as_str() == name || task.entry.as_str() == name;
        let short = |task: &&TaskDefinition| task.name == name;
        let nodes: Vec<&TaskDefinition> = match name.contains('/') {
            true => self.tasks.values().filter(whole).collect(),
            false => self.tasks.values().filter(short).collect(),
        };
        let Some(first) = nodes.first() else { return Called::Nothing };
        if nodes.iter().all(|task| task.entry == first.entry) {
            return Called::Nodes(nodes);
        }
        let mut entries: Vec<&NodeName> = nodes.iter().map(|task| &task.entry).collect();
        entries.sort();
        entries.dedup();
        Called::Several(entries)
    }
}

impl Reader<'_> {
    /// Tasks as a list, or as a map from name to task; one node for each of their places.
    pub(super) fn tasks(&mut self, node: &Node) -> IndexMap<NodeName, TaskDefinition> {
        let mut tasks = IndexMap::new();
        match &node.value {
            _ if is_null(node) => {}
            NodeValue::Sequence(items) => {
                for item in items {
                    let nodes = self.task(item, None);
                    self.add_task(&mut tasks, nodes);
                }
            }
            NodeValue::Mapping(entries) => {
                for (key, value) in entries {
                    let nodes = self.task(value, Some(key));
                    self.add_task(&mut tasks, nodes);
                }
            }
            NodeValue::Scalar { .. } => {
                self.wrong_type("tasks", "a list or a map", node, "write `- {name: ..., kind: ...}` items");
            }
        }
        tasks
    }

    pub(super) fn report_task(&mut self, problem: TaskProblem) {
        self.findings.push(Finding::at(self.document, problem));
    }

    pub(super) fn add_task(
        &mut self,
        tasks: &mut IndexMap<NodeName, TaskDefinition>,
        nodes: Vec<TaskDefinition>,
    ) {
        let Some(first) = nodes.first() else { return };
        if let Some(known) = tasks.values().find(|task| task.entry == first.entry) {
            let (first, second) = (known.span.into(), first.span.into());
            let name = known.entry.as_str().to_owned();
            self.report_task(TaskProblem::Duplicate { name, first, second });
            return;
        }
        tasks.extend(nodes.into_iter().map(|task| (task.node.clone(), task)));
    }

    fn task(&mut self, node: &Node, key: Option<&Node>) -> Vec<TaskDefinition> {
        self.read_task(node, key).unwrap_or_default()
    }

    fn read_task(&mut self, node: &Node, key: Option<&Node>) -> Option<Vec<TaskDefinition>> {
        let fields = self.strict_fields("a task", node, &FIELDS, &[])?;
        self.refuse_nulls(&fields, &FIELDS, &["args", "cache"]);
        let (name, span) = match key {
            Some(key) => {
                let name = key.as_text().unwrap_or_default().to_owned();
                if let Some(other) = fields.get("name").filter(|node| node.as_text() != Some(&name)) {
                    let (key, span) = (name.clone(), other.span.into());
                    self.report_task(TaskProblem::TwoNames { key, span });
                }
                (name, key.span)
            }
            None => {
                let name = self.demanded(&fields, "name", node)?;
                (self.literal("name", name)?, name.span)
            }
        };
        self.check_task_name(&name, span);
        let kind_node = self.demanded(&fields, "kind", node)?;
        let kind = self.literal("kind", kind_node)?;
        let places = self.places(&fields)?;
        let flag = |reader: &mut Self, field: &str| match fields.get(field) {
            Some(node) => reader.boolean(field, node).unwrap_or(true),
            None => true,
        };
        let enabled = flag(self, "enabled");
        let requires = self.needs("requires", &fields);
        let required_by = self.needs("required_by", &fields);
        let on_remove =
            self.word(&fields, "on_remove", &[("retain", OnRemove::Retain), ("delete", OnRemove::Delete)]);
        let when = self.word(&fields, "when", &[("changed", When::Changed), ("always", When::Always)]);
        let trust_for = self.trust_for(&fields);
        let args = fields.get("args").map(|args| self.variables("args", args, node.span)).unwrap_or_default();
        let entry = NodeName::new(format!("{kind}/{name}"));
        let task = |place: TaskPlace, suffix: Option<String>| TaskDefinition {
            node: suffix.map_or_else(|| entry.clone(), |at| NodeName::new(format!("{entry}@{at}"))),
            entry: entry.clone(),
            kind: kind.clone(),
            kind_span: kind_node.span,
            name: name.clone(),
            enabled,
            requires: requires.clone(),
            required_by: required_by.clone(),
            place,
            on_remove,
            when: when.unwrap_or_default(),
            trust_for,
            args: args.clone(),
            span,
        };
        Some(match places {
            Places::One(place) => vec![task(place, None)],
            Places::Many(places) => places.into_iter().map(|(place, at)| task(place, Some(at))).collect(),
        })
    }

    pub(super) fn check_task_name(&mut self, name: &str, span: Span) {
        let valid = name.starts_with(|c: char| c.is_ascii_alphanumeric())
            && name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_'));
        if !valid {
            self.report_task(TaskProblem::Name { name: name.to_owned(), span: span.into() });
        }
    }

    /// A field that must be there.
    pub(super) fn demanded<'n>(
        &mut self,
        fields: &Fields<'n>,
        field: &'static str,
        node: &Node,
    ) -> Option<&'n Node> {
        let found = fields.get(field);
        // Null is reported already.
        if found.is_none() && fields.raw(field).is_none() {
            let first = node.as_mapping().and_then(|entries| entries.first());
            let span = first.map_or(node.span, |(key, _)| key.span).into();
            let owner = fields.owner.to_owned();
            self.report(ConfigProblem::MissingField { owner, field, span });
        }
        found
    }

    /// One of a few words.
    fn word<T: Copy>(&mut self, fields: &Fields<'_>, field: &str, words: &[(&'static str, T)]) -> Option<T> {
        let node = fields.get(field)?;
        let found = words.iter().find(|(word, _)| node.as_text() == Some(word));
        if found.is_none() {
            let words: Vec<String> = words.iter().map(|(word, _)| format!("`{word}`")).collect();
            let (field, words, span) = (field.to_owned(), words.join(" or "), node.span.into());
            self.report_task(TaskProblem::Word { field, words, span });
        }
        found.map(|(_, value)| *value)
    }

    pub(super) fn needs(&mut self, field: &'static str, fields: &Fields<'_>) -> Vec<Need> {
        let Some(node) = fields.get(field) else { return Vec::new() };
        let Some(items) = node.as_sequence() else {
            self.wrong_type(field, "a list", node, "write `[name]`, also for a single name");
            return Vec::new();
        };
        items.iter().filter_map(|item| self.need(field, item)).collect()
    }

    fn need(&mut self, field: &'static str, node: &Node) -> Option<Need> {
        if !matches!(node.value, NodeValue::Mapping(_)) {
            let name = self.literal(field, node)?;
            return Some(Need { name, affinity: None, span: node.span });
        }
        let fields = self.strict_fields("an entry of `requires`", node, &NEED_FIELDS, &[])?;
        self.refuse_nulls(&fields, &NEED_FIELDS, &[]);
        let words = [Affinity::Account, Affinity::Region, Affinity::AccountAndRegion];
        let affinity = self.word(&fields, "affinity", &words.map(|word| (word.as_str(), word)));
        let name = self.demanded(&fields, "name", node)?;
        Some(Need { name: self.literal("name", name)?, affinity, span: name.span })
    }

    fn trust_for(&mut self, fields: &Fields<'_>) -> Option<Duration> {
        let cache = self.strict_fields("`cache` of a task", fields.get("cache")?, &CACHE_FIELDS, &[])?;
        let node = cache.get("trust_for")?;
        let parsed = node.as_text().and_then(duration);
        if parsed.is_none() {
            self.wrong_type("trust_for", "a duration", node, "write for example `30m`, `1h` or `0s`");
        }
        parsed.filter(|duration| !duration.is_zero())
    }
}
