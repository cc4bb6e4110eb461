//! From a file's text to a checked config.

use std::collections::BTreeMap;
use std::sync::Arc;

use camino::Utf8PathBuf;
use indexmap::IndexMap;
use runway_store::BucketName;
use serde_json::{Map, Value};

use super::error::ConfigProblem;
use super::names::{invalid_bucket_name, was_valid_bucket_name};
use super::reader::{Fields, Reader, kind};
use super::stacks::Inherited;
use super::substitute::{Substituted, substitute};
use crate::config::{BucketSetting, Config, CustomLookup, HookDefinition, Hooks};
use crate::error::{Finding, Findings, nearest};
use crate::text::{Document, Span};
use crate::yaml::{self, Node, NodeValue, YamlError};

/// Parameters of a run by name, with their types.
pub type Parameters = BTreeMap<String, Value>;

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

/// Fields at the top level whose null means that they are absent (CFNgin; `stacks: null` is an empty list).
const NULLABLE: [&str; 9] = [
    "cfngin_bucket",
    "cfngin_bucket_region",
    "cfngin_cache_dir",
    "description",
    "persistent_graph_key",
    "service_role",
    "stacks",
    "sys_path",
    "tags",
];

/// Spaces by which CFNgin indents the JSON of blueprints.
const TEMPLATE_INDENT: u32 = 4;

/// Substitutes parameters, parses and checks one config. Returns the config as far as it could be read, and
/// everything that was found: a config that came with errors is good for finding more errors, and for nothing else.
/// All places point into `document`, the text before substitution.
pub fn load(document: &Arc<Document>, parameters: &Parameters) -> (Option<Config>, Findings) {
    load_with(document, parameters, "<environment>.env")
}

/// [`load`], with the name of the file in which a missing parameter could be defined.
pub fn load_with(
    document: &Arc<Document>,
    parameters: &Parameters,
    environment_file: &str,
) -> (Option<Config>, Findings) {
    let mut reader = Reader::new(document);
    let substituted = substitute(&document.text, parameters);
    let undefined: Vec<Span> = substituted.missing.iter().map(|(_, span)| *span).collect();
    let mut root = reader.tree(&substituted);
    let tags = root.as_mut().map(Node::apply_tags).unwrap_or_default();
    let config = root.and_then(|root| reader.config(&root, parameters, &undefined));
    // In a template, which is told as such, tags are no mistake.
    if config.is_some() {
        tags.into_iter().for_each(|error| reader.findings.push(Finding::at(document, error)));
    }
    reader.findings.retain(|finding| !finding.touches(document, &undefined));
    for (name, span) in &substituted.missing {
        let near = nearest(name, parameters.keys().map(String::as_str));
        let meant = near.map(|near| format!("; did you mean `{near}`?")).unwrap_or_default();
        let (name, file) = (name.clone(), environment_file.to_owned());
        reader.report(ConfigProblem::MissingParameter { name, file, meant, span: (*span).into() });
    }
    for (name, span) in &substituted.bare {
        reader.report(ConfigProblem::BareParameter { name: name.clone(), span: (*span).into() });
    }
    (config, reader.findings)
}

impl Reader<'_> {
    /// Parses the text after substitution; places point into the text before it.
    fn tree(&mut self, substituted: &Substituted) -> Option<Node> {
        let original = |span| substituted.original(span);
        let (root, errors) = Node::parse(&substituted.text);
        if root.is_none() && errors.is_empty() {
            self.report(ConfigProblem::Empty { span: (0, 0).into() });
        }
        for error in errors {
            let error = error.map_spans(&original);
            if let Some(error) = self.with_cause(error, substituted) {
                self.findings.push(Finding::at(self.document, error));
            }
        }
        root.map(|mut root| {
            root.map_spans(&original);
            root
        })
    }

    /// A syntax error beside a parameter may come from its value; beside one that is missing it is no news.
    fn with_cause(&self, error: YamlError, substituted: &Substituted) -> Option<YamlError> {
        let YamlError::Syntax { message, help, span } = error else { return Some(error) };
        let line = self.document.line_of(span.offset());
        let lines = line.saturating_sub(1)..=line;
        let near = |place: &Span| lines.contains(&self.document.line_of(place.start));
        if substituted.missing.iter().any(|(_, place)| near(place)) {
            return None;
        }
        let harmless =
            |value: &str| value.chars().all(|c| c.is_alphanumeric() || matches!(c, '-' | '_' | '.' | '/'));
        let used = substituted.used.iter().find(|(_, value, place)| near(place) && !harmless(value));
        let help = match used {
            Some((name, ..)) => format!(
                "the value of the parameter `{name}` is put in here as it is; write `\"${{{name}}}\"` with quotes if it is text"
            ),
            None => help,
        };
        Some(YamlError::Syntax { message, help, span })
    }
}

impl Reader<'_> {
    fn config(&mut self, root: &Node, parameters: &Parameters, undefined: &[Span]) -> Option<Config> {
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
        self.refuse_nulls(&fields, &FIELDS, &NULLABLE);
        for (key, _) in entries {
            let name = key.as_text().unwrap_or_default();
            if let Some(meant) = nearest(name, FIELDS).filter(|_| !FIELDS.contains(&name)) {
                self.report(ConfigProblem::NearMiss { key: name.to_owned(), meant, span: key.span.into() });
            }
        }
        let namespace = match fields.get("namespace") {
            Some(node) => self.literal("namespace", node).unwrap_or_default(),
            None if fields.raw("namespace").is_some() => String::new(),
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
        if let Some(node) = fields.get("log_formats") {
            self.entries("log_formats", node);
        }
        let lookups = self.lookups(&fields);
        self.own_lookups = lookups.keys().cloned().collect();
        let package_sources =
            fields.get("package_sources").map(|node| self.package_sources(node)).unwrap_or_default();
        if let Some((key, _)) = fields.raw("package_sources").filter(|_| !package_sources.is_empty()) {
            let help = "fetch the packages by other means and merge their configs into this one";
            let (field, span) = ("package_sources".to_owned(), key.span.into());
            self.report(ConfigProblem::NotSupported { field, help, span });
        }
        let inherited = Inherited { namespace: &namespace, delimiter: &namespace_delimiter, tags: &tags };
        let stacks = fields.get("stacks").map(|node| self.stacks(node, &inherited)).unwrap_or_default();
        let first_key = entries.first().map_or(root.span, |(key, _)| key.span);
        let config = Config {
            document: Arc::clone(self.document),
            bucket: match text(self, "cfngin_bucket") {
                None => BucketSetting::Computed,
                Some(name) if name.is_empty() => BucketSetting::Off,
                Some(name) => BucketSetting::Named(BucketName::new(name)),
            },
            sys_path: text(self, "sys_path").map(Utf8PathBuf::from),
            mappings: self.mappings(&fields),
            template_indent: self.template_indent(&fields),
            cache_directory: text(self, "cfngin_cache_dir")
                .filter(|path| !path.is_empty())
                .map(Utf8PathBuf::from),
            package_sources,
            raw: yaml::resolve::value(root),
            lookups,
            stacks_span: fields.raw("stacks").map_or(first_key, |(key, _)| key.span),
            undefined: undefined.to_vec(),
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
        };
        self.check_bucket(&config, &fields, parameters);
        Some(config)
    }

    /// S3 must take the bucket's name, whether it is given or computed.
    fn check_bucket(&mut self, config: &Config, fields: &Fields<'_>, parameters: &Parameters) {
        let region = parameters.get("region").and_then(Value::as_str).unwrap_or("us-east-1");
        let node = fields.get("cfngin_bucket").or_else(|| fields.get("namespace"));
        let (Some(bucket), Some(node)) = (config.bucket_name(region), node) else { return };
        // A lookup in the name is reported already.
        let excused = bucket.as_str().contains("${")
            || matches!(config.bucket, BucketSetting::Named(_)) && was_valid_bucket_name(bucket.as_str());
        if let Some(reason) = invalid_bucket_name(bucket.as_str()).filter(|_| !excused) {
            let bucket = bucket.as_str().to_owned();
            self.report(ConfigProblem::BucketName { bucket, reason, span: node.span.into() });
        }
    }

    /// `tags`, or the default tag that marks the namespace. An empty map means no tags.
    fn global_tags(&mut self, fields: &Fields<'_>, namespace: &str) -> BTreeMap<String, String> {
        match fields.get("tags") {
            Some(node) => self.tags(node).into_iter().collect(),
            None if namespace.is_empty() => BTreeMap::new(),
            None => BTreeMap::from([("cfngin_namespace".to_owned(), namespace.to_owned())]),
        }
    }

    /// The config's own lookups: importable paths by name.
    fn lookups(&mut self, fields: &Fields<'_>) -> IndexMap<String, CustomLookup> {
        let Some(entries) = fields.get("lookups").and_then(|node| self.entries("lookups", node)) else {
            return IndexMap::new();
        };
        let mut lookups = IndexMap::new();
        for (key, value) in entries {
            let name = key.as_text().unwrap_or_default();
            let field = format!("lookups.{name}");
            let Some(path) = self.literal(&field, value) else { continue };
            if path.contains('.') {
                lookups.insert(name.to_owned(), CustomLookup { path, span: value.span });
            } else {
                let help = "write for example `package.module.Class`";
                self.wrong_type(&field, "the path of a Python class", value, help);
            }
        }
        lookups
    }

    /// Mappings of mappings of mappings, as CloudFormation has them.
    fn mappings(&mut self, fields: &Fields<'_>) -> Map<String, Value> {
        let Some(node) = fields.get("mappings") else { return Map::new() };
        for (name, first) in self.entries("mappings", node).unwrap_or_default() {
            let name = name.as_text().unwrap_or_default();
            let field = format!("mappings.{name}");
            for (key, second) in self.entries(&field, first).unwrap_or_default() {
                self.entries(&format!("{field}.{}", key.as_text().unwrap_or_default()), second);
            }
        }
        match yaml::resolve::value(node) {
            Value::Object(mappings) => mappings,
            _ => Map::new(),
        }
    }

    fn template_indent(&mut self, fields: &Fields<'_>) -> u32 {
        let Some(node) = fields.get("template_indent") else { return TEMPLATE_INDENT };
        node.as_text().and_then(|text| text.parse().ok()).unwrap_or_else(|| {
            let help = "write a whole number, for example 4";
            self.wrong_type("template_indent", "a number of spaces", node, help);
            TEMPLATE_INDENT
        })
    }

    /// Hooks as a list, or as a map whose keys are names for people only.
    fn hooks(&mut self, fields: &Fields<'_>, stage: &str) -> Vec<HookDefinition> {
        let Some(node) = fields.get(stage) else { return Vec::new() };
        let items: Vec<&Node> = match &node.value {
            NodeValue::Sequence(items) => items.iter().collect(),
            NodeValue::Mapping(entries) => entries.iter().map(|(_, value)| value).collect(),
            NodeValue::Scalar { .. } => {
                self.wrong_type(stage, "a list or a map of hooks", node, "write `- path: ...` items");
                Vec::new()
            }
        };
        items.into_iter().filter_map(|item| self.hook(item)).collect()
    }

    fn hook(&mut self, node: &Node) -> Option<HookDefinition> {
        let known = ["path", "args", "data_key", "enabled", "required"];
        let removed = [("tags", "hook tags belong into `args`")];
        let fields = self.strict_fields("a hook", node, &known, &removed)?;
        self.refuse_nulls(&fields, &known, &["data_key"]);
        let Some(path) = fields.get("path") else {
            if fields.raw("path").is_some() {
                return None;
            }
            let owner = fields.owner.to_owned();
            self.report(ConfigProblem::MissingField { owner, field: "path", span: node.span.into() });
            return None;
        };
        let flag = |reader: &mut Self, field: &str| match fields.get(field) {
            Some(node) => reader.boolean(field, node).unwrap_or(true),
            None => true,
        };
        // No hook is carried out by this version, so its lookups are not resolved either.
        self.idle = true;
        let args = fields.get("args").map(|args| self.variables("args", args, node.span));
        self.idle = false;
        Some(HookDefinition {
            path: self.literal("path", path)?,
            args: args.unwrap_or_default(),
            data_key: fields.get("data_key").and_then(|node| self.literal("data_key", node)),
            enabled: flag(self, "enabled"),
            required: flag(self, "required"),
            span: path.span,
        })
    }
}

#[cfg(test)]
mod tests;
