//! The stacks of a config.

use std::collections::BTreeMap;

use camino::Utf8PathBuf;
use indexmap::IndexMap;

use super::error::ConfigProblem;
use super::reader::{Fields, Reader, is_null};
use crate::config::{StackDefinition, TemplateSource};
use crate::error::nearest;
use crate::ident::{StackFqn, StackName};
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
    ) -> IndexMap<StackName, StackDefinition> {
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
                let span = node.span.into();
                self.report(ConfigProblem::WrongType {
                    field: "stacks".to_owned(),
                    expected: "a list or a map",
                    found: super::reader::kind(node),
                    help: "write `- name: ...` items".to_owned(),
                    span,
                });
            }
        }
        self.check_fqns(&stacks);
        stacks
    }

    fn add(
        &mut self,
        stacks: &mut IndexMap<StackName, StackDefinition>,
        definition: Option<StackDefinition>,
    ) {
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

    fn check_fqns(&mut self, stacks: &IndexMap<StackName, StackDefinition>) {
        let mut places: BTreeMap<&StackFqn, Span> = BTreeMap::new();
        for definition in stacks.values() {
            // A parameter that is missing is reported already.
            let incomplete = definition.fqn.as_str().contains("${");
            if let Some(reason) = invalid_stack_name(definition.fqn.as_str()).filter(|_| !incomplete) {
                let fqn = definition.fqn.as_str().to_owned();
                self.report(ConfigProblem::StackName { fqn, reason, span: definition.span.into() });
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
        let (name, span) = match (key, fields.get("name")) {
            (Some(key), _) => (key.as_text().unwrap_or_default().to_owned(), key.span),
            (None, Some(name)) => (self.literal("name", name)?, name.span),
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
            if tags.len() > 50 {
                let reason = "with the global ones it is the fifty-first or later";
                let key = tags.keys().nth(50).cloned().unwrap_or_default();
                self.report(ConfigProblem::Tag { key, reason, span: node.span.into() });
            }
        }
        let names = |reader: &mut Self, field: &str| -> Vec<(StackName, Span)> {
            let node = fields.get(field);
            let texts = node.map(|node| reader.texts(field, node)).unwrap_or_default();
            texts.into_iter().map(|(text, span)| (StackName::new(text), span)).collect()
        };
        let description = fields.get("description").and_then(|node| {
            if matches!(template, Some(TemplateSource::File { .. })) {
                let (stack, span) = (name.clone(), node.span.into());
                self.report(ConfigProblem::DescriptionIgnored { stack, span });
            }
            self.literal("description", node)
        });
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
            variables: fields
                .get("variables")
                .map(|node| self.variables("variables", node))
                .unwrap_or_default(),
            name: StackName::new(name),
            span,
        })
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
            self.report(ConfigProblem::WrongType {
                field: "in_progress_behavior".to_owned(),
                expected: "`wait` or nothing",
                found: super::reader::kind(node),
                help: "write `wait`, or leave it out to fail when another operation is under way".to_owned(),
                span: node.span.into(),
            });
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
                self.report(ConfigProblem::WrongType {
                    field: "timeout".to_owned(),
                    expected: "a number of minutes",
                    found: super::reader::kind(node),
                    help: "write a whole number, for example `timeout: 30`".to_owned(),
                    span: node.span.into(),
                });
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

/// Why CloudFormation refuses a stack name; `None` if it takes it (API reference, CreateStack, `StackName`).
fn invalid_stack_name(name: &str) -> Option<&'static str> {
    if name.len() > 128 {
        Some("it is longer than 128 characters")
    } else if !name.starts_with(|c: char| c.is_ascii_alphabetic()) {
        Some("it must start with a letter")
    } else if name.contains('_') {
        Some("underscores are not allowed")
    } else if !name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-') {
        Some("only letters, digits and dashes are allowed")
    } else {
        None
    }
}
