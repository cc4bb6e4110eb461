//! The stacks of a config.

use std::collections::BTreeMap;

use camino::Utf8PathBuf;
use indexmap::IndexMap;

use super::error::ConfigProblem;
use super::names::invalid_stack_name;
use super::reader::{Fields, Reader, contains_lookup, is_null};
use crate::config::{StackDefinition, TemplateSource};
use crate::error::nearest;
use crate::ident::{NodeName, StackFqn};
use crate::text::Span;
use crate::yaml::{Node, NodeValue};

pub(super) const FIELDS: [&str; 18] = [
    "name",
    "class_path",
    "template_path",
    "stack_name",
    "description",
    "enabled",
    "locked",
    "protected",
    "in_progress_behavior",
    "requires",
    "required_by",
    "stack_policy_path",
    "tags",
    "termination_protection",
    "timeout",
    "variables",
    "region",
    "profile",
];

/// Fields that Stacker had and CFNgin has not.
const REMOVED: [(&str, &str); 1] = [("parameters", "it is called `variables` since Stacker 1.0")];

/// Fields whose null means that they are absent (CFNgin).
const NULLABLE: [&str; 7] = [
    "class_path",
    "template_path",
    "stack_name",
    "description",
    "in_progress_behavior",
    "stack_policy_path",
    "timeout",
];

/// What stacks inherit from the config.
pub(super) struct Inherited<'c> {
    pub(super) namespace: &'c str,
    pub(super) delimiter: &'c str,
    pub(super) tags: &'c BTreeMap<String, String>,
}

impl Reader<'_> {
    /// Stacks as a list, or as a map from name to stack.
    pub(super) fn stacks(
        &mut self,
        node: &Node,
        inherited: &Inherited<'_>,
    ) -> IndexMap<NodeName, StackDefinition> {
        let mut stacks = IndexMap::new();
        match &node.value {
            _ if is_null(node) => {}
            NodeValue::Sequence(items) => {
                for item in items {
                    let definition = self.stack(item, None, inherited);
                    self.add(&mut stacks, definition);
                }
            }
            NodeValue::Mapping(entries) => {
                for (key, value) in entries {
                    let definition = self.stack(value, Some(key), inherited);
                    self.add(&mut stacks, definition);
                }
            }
            NodeValue::Scalar { .. } => {
                self.wrong_type("stacks", "a list or a map", node, "write `- name: ...` items");
            }
        }
        self.check_fqns(&stacks);
        stacks
    }

    fn add(&mut self, stacks: &mut IndexMap<NodeName, StackDefinition>, definition: Option<StackDefinition>) {
        let Some(definition) = definition else { return };
        match stacks.get(&definition.name) {
            Some(first) => {
                let name = definition.name.as_str().to_owned();
                let (first, second) = (first.span.into(), definition.span.into());
                self.report(ConfigProblem::DuplicateStack { name, first, second });
            }
            None => drop(stacks.insert(definition.name.clone(), definition)),
        }
    }

    fn check_fqns(&mut self, stacks: &IndexMap<NodeName, StackDefinition>) {
        let mut places: BTreeMap<&StackFqn, Span> = BTreeMap::new();
        for definition in stacks.values() {
            // A lookup in a name is reported already.
            if definition.fqn.as_str().contains("${") {
                continue;
            }
            if let Some(reason) = invalid_stack_name(definition.fqn.as_str()) {
                let fqn = definition.fqn.as_str().to_owned();
                self.report(ConfigProblem::NodeName { fqn, reason, span: definition.span.into() });
            }
            if let Some(first) = places.insert(&definition.fqn, definition.span) {
                let fqn = definition.fqn.as_str().to_owned();
                let (first, second) = (first.into(), definition.span.into());
                self.report(ConfigProblem::SameFqn { fqn, first, second });
            }
        }
    }

    fn stack(
        &mut self,
        node: &Node,
        key: Option<&Node>,
        inherited: &Inherited<'_>,
    ) -> Option<StackDefinition> {
        let known: Vec<&'static str> =
            FIELDS.into_iter().filter(|field| !matches!(*field, "region" | "profile")).collect();
        let mut removed = REMOVED.to_vec();
        removed.push(("region", "a run works in one region: choose it with --region or AWS_REGION"));
        removed
            .push(("profile", "a run has one set of credentials: choose it with --profile or AWS_PROFILE"));
        let fields = self.strict_fields("a stack", node, &known, &removed)?;
        self.refuse_nulls(&fields, &known, &NULLABLE);
        let (name, span) = match (key, fields.get("name")) {
            (Some(key), _) => (self.key_as_name(key), key.span),
            (None, Some(name)) => (self.literal("name", name)?, name.span),
            (None, None) if fields.raw("name").is_some() => return None,
            (None, None) => {
                let owner = fields.owner.to_owned();
                self.report(ConfigProblem::MissingField { owner, field: "name", span: first_line(node) });
                return None;
            }
        };
        let text =
            |reader: &mut Self, field: &str| fields.get(field).and_then(|node| reader.literal(field, node));
        let flag = |reader: &mut Self, field: &str, default: bool| match fields.get(field) {
            Some(node) => reader.boolean(field, node).unwrap_or(default),
            None => default,
        };
        let stack_name = text(self, "stack_name").filter(|name| !name.is_empty());
        let (enabled, locked) = (flag(self, "enabled", true), flag(self, "locked", false));
        let template = self.template(&name, span, &fields, enabled && !locked);
        let mut tags = inherited.tags.clone();
        if let Some(node) = fields.get("tags") {
            tags.extend(self.tags(node));
        }
        if tags.len() > 50 {
            let reason = "with the global ones it is the fifty-first or later";
            let key = tags.keys().nth(50).cloned().unwrap_or_default();
            self.report(ConfigProblem::Tag { key, reason, span: span.into() });
        }
        let names = |reader: &mut Self, field: &str| -> Vec<(NodeName, Span)> {
            let node = fields.get(field);
            let texts = node.map(|node| reader.texts(field, node)).unwrap_or_default();
            texts.into_iter().map(|(text, span)| (NodeName::new(text), span)).collect()
        };
        let description = fields.get("description").and_then(|node| {
            if matches!(template, Some(TemplateSource::File { .. })) {
                let (stack, span) = (name.clone(), node.span.into());
                self.report(ConfigProblem::DescriptionIgnored { stack, span });
            }
            self.prose("description", node)
        });
        let variables = fields
            .get("variables")
            .map(|variables| self.variables("variables", variables, node.span))
            .unwrap_or_default();
        Some(StackDefinition {
            fqn: StackFqn::build(
                inherited.namespace,
                inherited.delimiter,
                stack_name.as_deref().unwrap_or(&name),
            ),
            template,
            description,
            enabled,
            locked,
            protected: flag(self, "protected", false),
            wait_if_in_progress: self.in_progress_behavior(&fields),
            requires: names(self, "requires"),
            required_by: names(self, "required_by"),
            stack_policy_path: fields.get("stack_policy_path").and_then(|node| {
                let path = self.literal("stack_policy_path", node)?;
                Some((Utf8PathBuf::from(path), node.span))
            }),
            tags,
            termination_protection: flag(self, "termination_protection", false),
            timeout_minutes: self.timeout(&name, &fields),
            variables,
            name: NodeName::new(name),
            span,
        })
    }

    /// The name of a stack that is the key of an entry.
    fn key_as_name(&mut self, key: &Node) -> String {
        let name = key.as_text().unwrap_or_default();
        if contains_lookup(name) {
            self.report(ConfigProblem::LookupInField { field: "name".to_owned(), span: key.span.into() });
        }
        name.to_owned()
    }

    fn template(
        &mut self,
        name: &str,
        at: Span,
        fields: &Fields<'_>,
        needed: bool,
    ) -> Option<TemplateSource> {
        let (class_path, template_path) = (fields.get("class_path"), fields.get("template_path"));
        match (class_path, template_path) {
            (Some(class_path), Some(template_path)) => {
                self.report(ConfigProblem::TwoTemplates {
                    stack: name.to_owned(),
                    class_path: class_path.span.into(),
                    template_path: template_path.span.into(),
                });
                None
            }
            (Some(node), None) => {
                let class_path = self.literal("class_path", node)?;
                Some(TemplateSource::Blueprint { class_path, span: node.span })
            }
            (None, Some(node)) => {
                let path = self.literal("template_path", node)?;
                Some(TemplateSource::File { path: Utf8PathBuf::from(path), span: node.span })
            }
            (None, None) => {
                // A misspelt field is reported already.
                let misspelt = fields
                    .keys()
                    .filter(|key| !FIELDS.contains(key))
                    .any(|key| matches!(nearest(key, FIELDS), Some("template_path" | "class_path")));
                if needed && !misspelt {
                    self.report(ConfigProblem::NoTemplate { stack: name.to_owned(), span: at.into() });
                }
                None
            }
        }
    }

    fn in_progress_behavior(&mut self, fields: &Fields<'_>) -> bool {
        let Some(node) = fields.get("in_progress_behavior") else { return false };
        let waits = node.as_text() == Some("wait");
        if !waits {
            self.wrong_type(
                "in_progress_behavior",
                "`wait` or nothing",
                node,
                "write `wait`, or leave it out to fail when another operation is under way",
            );
        }
        waits
    }

    fn timeout(&mut self, stack: &str, fields: &Fields<'_>) -> Option<u32> {
        let node = fields.get("timeout")?;
        match node.as_text().and_then(|text| text.parse::<u32>().ok()) {
            Some(0) => {
                self.report(ConfigProblem::Timeout { stack: stack.to_owned(), span: node.span.into() });
                None
            }
            Some(minutes) => Some(minutes),
            None => {
                let help = "write a whole number, for example `timeout: 30`";
                self.wrong_type("timeout", "a number of minutes", node, help);
                None
            }
        }
    }
}

/// The first line of a node, for problems with the whole of it.
fn first_line(node: &Node) -> miette::SourceSpan {
    let first = node.as_mapping().and_then(|entries| entries.first()).map_or(node.span, |(key, _)| key.span);
    Span::new(first.start, first.length.max(1)).into()
}
