//! From a file's text to a checked config.

use std::collections::BTreeMap;
use std::sync::Arc;

use camino::Utf8PathBuf;
use indexmap::IndexMap;
use runway_store::BucketName;
use serde_json::{Map, Value};

use super::error::ConfigProblem;
use super::merge::{merge, sort};
use super::names::{invalid_bucket_name, was_valid_bucket_name};
use super::reader::{Fields, Reader, is_null, kind};
use super::stacks::Inherited;
use super::substitute::{Substituted, substitute};
use crate::config::{BucketSetting, Config, CustomLookup, HookDefinition, Hooks, PackageSources};
use crate::error::{Finding, Findings, nearest};
use crate::text::{Document, Span};
use crate::yaml::{self, Node, NodeValue, YamlError};

/// Parameters of a run by name, with their types.
pub type Parameters = BTreeMap<String, Value>;

/// Fields at the top level. Others are allowed, as homes for anchors.
pub(super) const FIELDS: [&str; 25] = [
    "acknowledge",
    "assets",
    "cache",
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
    "refuse_data_loss",
    "service_role",
    "stacks",
    "sys_path",
    "tags",
    "tasks",
    "template_indent",
    "log_formats",
    "description",
];

/// Fields at the top level whose null means that they are absent (CFNgin; `stacks: null` is an empty list).
const NULLABLE: [&str; 13] = [
    "acknowledge",
    "assets",
    "cache",
    "cfngin_bucket",
    "cfngin_bucket_region",
    "cfngin_cache_dir",
    "description",
    "persistent_graph_key",
    "service_role",
    "stacks",
    "sys_path",
    "tags",
    "tasks",
];

/// Fields of a hook.
pub(super) const HOOK_FIELDS: [&str; 5] = ["path", "args", "data_key", "enabled", "required"];

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
    load_merged(document, &[], parameters, environment_file)
}

/// [`load_with`], with the configs of its package sources merged in, in the order in which they are named: what the
/// config says itself wins over what is merged in, earlier ones win over later ones. Parameters are put into all of
/// them. `Config::document` consists of all of them.
pub fn load_merged(
    document: &Arc<Document>,
    merged: &[Arc<Document>],
    parameters: &Parameters,
    environment_file: &str,
) -> (Option<Config>, Findings) {
    let mut files = vec![Arc::clone(document)];
    files.extend(merged.iter().cloned());
    let (joined, starts) =
        if merged.is_empty() { (Arc::clone(document), vec![0]) } else { Document::joined(&files) };
    let texts: Vec<Substituted> =
        files.iter().zip(starts).map(|(file, start)| substitute(&file.text, parameters).at(start)).collect();
    let undefined: Vec<Span> = texts.iter().flat_map(|text| &text.missing).map(|(_, span)| *span).collect();
    let mut reader = Reader::new(&joined);
    let mut tags = Vec::new();
    let root = reader.merged_tree(&texts, &mut tags);
    let config = root.and_then(|root| reader.config(&root, parameters, &undefined));
    // In a template, which is told as such, tags are no mistake.
    if config.is_some() {
        tags.into_iter().for_each(|error| reader.findings.push(Finding::at(&joined, error)));
    }
    reader.findings.retain(|finding| !finding.touches(&joined, &undefined));
    for text in &texts {
        reader.report_missing(text, parameters, environment_file);
    }
    (config, reader.findings)
}

/// What a config wants to be fetched before it is complete.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// The sources.
    pub sources: PackageSources,
    /// `cfngin_cache_dir` as written.
    pub cache_directory: Option<Utf8PathBuf>,
}

/// Reads what a config wants to be fetched, and nothing else. `None` if that is nothing, or if the text is not
/// readable, which [`load_with`] tells.
///
/// # Errors
/// What is wrong with the package sources; as long as there are such problems, no more can be said about the config.
pub fn wanted(
    document: &Arc<Document>,
    parameters: &Parameters,
    environment_file: &str,
) -> Result<Option<Wanted>, Findings> {
    let substituted = substitute(&document.text, parameters);
    let mut reader = Reader::new(document);
    let root = Node::parse(&substituted.text).0;
    let Some(mut root) = root.filter(|root| root.get("package_sources").is_some()) else { return Ok(None) };
    root.map_spans(&|span| substituted.original(span));
    root.apply_tags();
    let section = root.get("package_sources").filter(|node| !is_null(node));
    let Some(section) = section else { return Ok(None) };
    let sources = reader.package_sources(section);
    let undefined: Vec<Span> = substituted.missing.iter().map(|(_, span)| *span).collect();
    reader.findings.retain(|finding| !finding.touches(document, &undefined));
    if reader.findings.has_errors() || undefined.iter().any(|place| section.span.contains(*place)) {
        reader.report_missing(&substituted, parameters, environment_file);
        return Err(reader.findings);
    }
    let cache_directory =
        root.get("cfngin_cache_dir").and_then(Node::as_text).filter(|path| !path.is_empty());
    let cache_directory = cache_directory.map(Utf8PathBuf::from);
    Ok(Some(Wanted { sources, cache_directory }).filter(|wanted| !wanted.sources.is_empty()))
}

impl Reader<'_> {
    /// The tree of all files; the first one is the config itself.
    fn merged_tree(&mut self, texts: &[Substituted], tags: &mut Vec<YamlError>) -> Option<Node> {
        let mut complete = true;
        let mut result: Option<Node> = None;
        for (index, text) in texts.iter().enumerate() {
            let (root, broken) = self.tree(text);
            complete &= root.is_some() || !broken;
            let Some(mut root) = root else {
                // A merged file may be empty.
                if index == 0 && !broken {
                    self.report(ConfigProblem::Empty { span: (0, 0).into() });
                    complete = false;
                }
                continue;
            };
            tags.extend(root.apply_tags());
            if index > 0 {
                if root.as_mapping().is_none() {
                    let found = kind(&root);
                    self.report(ConfigProblem::NotAMap { span: root.span.into(), found });
                    continue;
                }
                let sources = root.as_mapping().unwrap_or_default();
                if let Some((key, _)) =
                    sources.iter().find(|(key, _)| key.as_text() == Some("package_sources"))
                {
                    self.report(ConfigProblem::NestedSources { span: key.span.into() });
                }
            }
            result = Some(match result {
                Some(over) => merge(root, over),
                None => root,
            });
        }
        // Without one of its files, a config seems to lack what is in it.
        let mut result = result.filter(|_| complete || texts.len() == 1)?;
        if texts.len() > 1 {
            sort(&mut result);
        }
        Some(result)
    }

    fn report_missing(&mut self, text: &Substituted, parameters: &Parameters, environment_file: &str) {
        for (name, span) in &text.missing {
            let near = nearest(name, parameters.keys().map(String::as_str));
            let meant = near.map(|near| format!("; did you mean `{near}`?")).unwrap_or_default();
            let (name, file) = (name.clone(), environment_file.to_owned());
            self.report(ConfigProblem::MissingParameter { name, file, meant, span: (*span).into() });
        }
        for (name, span) in &text.bare {
            self.report(ConfigProblem::BareParameter { name: name.clone(), span: (*span).into() });
        }
    }

    /// Parses a text after substitution; places point into the document. Also whether it has errors.
    fn tree(&mut self, substituted: &Substituted) -> (Option<Node>, bool) {
        let original = |span| substituted.original(span);
        let (root, errors) = Node::parse(&substituted.text);
        let broken = !errors.is_empty();
        for error in errors {
            let error = error.map_spans(&original);
            if let Some(error) = self.with_cause(error, substituted) {
                self.findings.push(Finding::at(self.document, error));
            }
        }
        let root = root.map(|mut root| {
            root.map_spans(&original);
            root
        });
        (root, broken)
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
        let inherited = Inherited { namespace: &namespace, delimiter: &namespace_delimiter, tags: &tags };
        let stacks = fields.get("stacks").map(|node| self.stacks(node, &inherited)).unwrap_or_default();
        let mut tasks = fields.get("tasks").map(|node| self.tasks(node)).unwrap_or_default();
        if let Some(node) = fields.get("assets") {
            self.assets(node, &mut tasks);
        }
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
            package_paths: Vec::new(),
            raw: yaml::resolve::value(root),
            lookups,
            stacks_span: fields.raw("stacks").map_or(first_key, |(key, _)| key.span),
            undefined: undefined.to_vec(),
            bucket_region: text(self, "cfngin_bucket_region"),
            cache: self.cache(&fields),
            data_loss: self.data_loss(&fields),
            persistent_graph_key: text(self, "persistent_graph_key").filter(|key| !key.is_empty()),
            service_role: text(self, "service_role"),
            stacks,
            tasks,
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
        let removed = [("tags", "hook tags belong into `args`")];
        let fields = self.strict_fields("a hook", node, &HOOK_FIELDS, &removed)?;
        self.refuse_nulls(&fields, &HOOK_FIELDS, &["data_key"]);
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
        let args = fields.get("args").map(|args| self.variables("args", args, node.span));
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
mod merged_tests;
#[cfg(test)]
mod tests;
