//! From a file's text to a checked config.

use std::collections::BTreeMap;
use std::sync::Arc;

use runway_store::BucketName;

use super::error::ConfigProblem;
use super::reader::{Fields, Reader, kind};
use super::stacks::Inherited;
use super::substitute::substitute;
use crate::config::{BucketSetting, Config, HookDefinition, Hooks};
use crate::error::{Finding, Findings, nearest};
use crate::text::Document;
use crate::yaml::{Node, NodeValue};

/// Parameters of a run by name, with their types.
pub type Parameters = BTreeMap<String, serde_json::Value>;

/// Fields at the top level. Others are allowed, as homes for anchors.
pub(super) const FIELDS: [&str; 20] = [
    "namespace",
    "namespace_delimiter",
    "cfngin_bucket",
    "cfngin_bucket_region",
    "cfngin_cache_dir",
    "lookups",
    "mappings",
    "package_sources",
    "persistent_graph_key",
    "pre_deploy",
    "post_deploy",
    "pre_destroy",
    "post_destroy",
    "service_role",
    "stacks",
    "sys_path",
    "tags",
    "template_indent",
    "log_formats",
    "description",
];

/// Substitutes parameters, parses and checks one config. Returns the config as far as it could be read, and
/// everything that was found: a config that came with errors is good for finding more errors, and for nothing else.
/// All places point into `document`, the text before substitution.
pub fn load(document: &Arc<Document>, parameters: &Parameters) -> (Option<Config>, Findings) {
    let mut reader = Reader { document, findings: Findings::default() };
    let substituted = substitute(&document.text, parameters);
    for (name, span) in &substituted.missing {
        let near = nearest(name, parameters.keys().map(String::as_str));
        let meant = near.map(|near| format!("; did you mean `{near}`?")).unwrap_or_default();
        reader.report(ConfigProblem::MissingParameter { name: name.clone(), meant, span: (*span).into() });
    }
    for (name, span) in &substituted.bare {
        reader.report(ConfigProblem::BareParameter { name: name.clone(), span: (*span).into() });
    }
    let original = |span| substituted.original(span);
    let root = match Node::parse(&substituted.text) {
        Ok(Some(mut root)) => {
            root.map_spans(&original);
            root
        }
        Ok(None) => {
            reader.report(ConfigProblem::Empty { span: (0, 0).into() });
            return (None, reader.findings);
        }
        Err(errors) => {
            for error in errors {
                reader.findings.push(Finding::at(document, error.map_spans(&original)));
            }
            return (None, reader.findings);
        }
    };
    let config = reader.config(&root);
    (config, reader.findings)
}

impl Reader<'_> {
    fn config(&mut self, root: &Node) -> Option<Config> {
        let Some(entries) = root.as_mapping() else {
            let found = kind(root);
            self.report(ConfigProblem::NotAMap { span: root.span.into(), found });
            return None;
        };
        let key_of = |names: &[&str]| {
            entries
                .iter()
                .find(|(key, _)| names.contains(&key.as_text().unwrap_or_default()))
                .map(|(key, _)| key)
        };
        if let (Some(key), None) = (key_of(&["AWSTemplateFormatVersion", "Resources"]), root.get("namespace"))
        {
            self.report(ConfigProblem::IsATemplate { span: key.span.into() });
            return None;
        }
        let fields = self.fields("the config", root)?;
        for (key, _) in entries {
            let name = key.as_text().unwrap_or_default();
            if let Some(meant) = nearest(name, FIELDS).filter(|_| !FIELDS.contains(&name)) {
                self.report(ConfigProblem::NearMiss { key: name.to_owned(), meant, span: key.span.into() });
            }
        }
        let namespace = match fields.get("namespace") {
            Some(node) => self.literal("namespace", node).unwrap_or_default(),
            None => {
                let span = entries.first().map_or(root.span, |(key, _)| key.span).into();
                let owner = fields.owner.to_owned();
                self.report(ConfigProblem::MissingField { owner, field: "namespace", span });
                String::new()
            }
        };
        let text =
            |reader: &mut Self, field: &str| fields.get(field).and_then(|node| reader.literal(field, node));
        let namespace_delimiter = text(self, "namespace_delimiter").unwrap_or_else(|| "-".to_owned());
        let tags = self.global_tags(&fields, &namespace);
        self.refuse_later_work(&fields);
        self.check_accepted(&fields);
        let inherited = Inherited { namespace: &namespace, delimiter: &namespace_delimiter, tags: &tags };
        let stacks = fields.get("stacks").map(|node| self.stacks(node, &inherited)).unwrap_or_default();
        Some(Config {
            document: Arc::clone(self.document),
            bucket: match text(self, "cfngin_bucket") {
                None => BucketSetting::Computed,
                Some(name) if name.is_empty() => BucketSetting::Off,
                Some(name) => BucketSetting::Named(BucketName::new(name)),
            },
            bucket_region: text(self, "cfngin_bucket_region"),
            persistent_graph_key: text(self, "persistent_graph_key").filter(|key| !key.is_empty()),
            service_role: text(self, "service_role"),
            stacks,
            hooks: Hooks {
                pre_deploy: self.hooks(&fields, "pre_deploy"),
                post_deploy: self.hooks(&fields, "post_deploy"),
                pre_destroy: self.hooks(&fields, "pre_destroy"),
                post_destroy: self.hooks(&fields, "post_destroy"),
            },
            namespace,
            namespace_delimiter,
            tags,
        })
    }

    /// `tags`, or the default tag that marks the namespace. An empty map means no tags.
    fn global_tags(&mut self, fields: &Fields<'_>, namespace: &str) -> BTreeMap<String, String> {
        match fields.get("tags") {
            Some(node) => self.tags(node).into_iter().collect(),
            None if namespace.is_empty() => BTreeMap::new(),
            None => BTreeMap::from([("cfngin_namespace".to_owned(), namespace.to_owned())]),
        }
    }

    /// Fields whose behaviour this version lacks: leaving them out silently would change what is deployed.
    fn refuse_later_work(&mut self, fields: &Fields<'_>) {
        let later = [
            ("package_sources", "fetch the packages by other means and merge their configs into this one"),
            ("lookups", "replace custom lookups by parameters from an environment file or --param"),
        ];
        for (field, help) in later {
            let Some((key, value)) = fields.raw(field) else { continue };
            let empty = match &value.value {
                NodeValue::Mapping(entries) => {
                    entries.iter().all(|(_, value)| value.as_sequence().is_some_and(<[Node]>::is_empty))
                }
                NodeValue::Sequence(items) => items.is_empty(),
                NodeValue::Scalar { .. } => super::reader::is_null(value),
            };
            if !empty {
                self.report(ConfigProblem::NotSupported {
                    field: field.to_owned(),
                    help,
                    span: key.span.into(),
                });
            }
        }
    }

    /// Fields that are read by blueprints only: their form is checked, nothing else.
    fn check_accepted(&mut self, fields: &Fields<'_>) {
        for field in ["mappings", "log_formats"] {
            if let Some(node) = fields.get(field) {
                self.fields(if field == "mappings" { "`mappings`" } else { "`log_formats`" }, node);
            }
        }
        for field in ["sys_path", "cfngin_cache_dir"] {
            if let Some(node) = fields.get(field) {
                self.text(field, node);
            }
        }
        if let Some(node) = fields.get("template_indent")
            && node.as_text().and_then(|text| text.parse::<u32>().ok()).is_none()
        {
            self.report(ConfigProblem::WrongType {
                field: "template_indent".to_owned(),
                expected: "a number of spaces",
                found: kind(node),
                help: "write a whole number, for example 4".to_owned(),
                span: node.span.into(),
            });
        }
    }

    /// Hooks as a list, or as a map whose keys are names for people only.
    fn hooks(&mut self, fields: &Fields<'_>, stage: &str) -> Vec<HookDefinition> {
        let Some(node) = fields.get(stage) else { return Vec::new() };
        let items: Vec<&Node> = match &node.value {
            NodeValue::Sequence(items) => items.iter().collect(),
            NodeValue::Mapping(entries) => entries.iter().map(|(_, value)| value).collect(),
            NodeValue::Scalar { .. } => {
                self.report(ConfigProblem::WrongType {
                    field: stage.to_owned(),
                    expected: "a list or a map of hooks",
                    found: kind(node),
                    help: "write `- path: ...` items".to_owned(),
                    span: node.span.into(),
                });
                Vec::new()
            }
        };
        items.into_iter().filter_map(|item| self.hook(item)).collect()
    }

    fn hook(&mut self, node: &Node) -> Option<HookDefinition> {
        let known = ["path", "args", "data_key", "enabled", "required"];
        let removed = [("tags", "hook tags belong into `args`")];
        let fields = self.strict_fields("a hook", node, &known, &removed)?;
        let Some(path) = fields.get("path") else {
            let owner = fields.owner.to_owned();
            self.report(ConfigProblem::MissingField { owner, field: "path", span: node.span.into() });
            return None;
        };
        let flag = |reader: &mut Self, field: &str| match fields.get(field) {
            Some(node) => reader.boolean(field, node).unwrap_or(true),
            None => true,
        };
        Some(HookDefinition {
            path: self.literal("path", path)?,
            args: fields.get("args").map(|node| self.variables("args", node)).unwrap_or_default(),
            data_key: fields.get("data_key").and_then(|node| self.literal("data_key", node)),
            enabled: flag(self, "enabled"),
            required: flag(self, "required"),
            span: path.span,
        })
    }
}

#[cfg(test)]
mod tests;
