//! Typed access to the nodes of a config. What does not fit becomes a finding; reading goes on.

use std::sync::Arc;

use indexmap::IndexMap;

use super::error::ConfigProblem;
use crate::config::Variable;
use crate::error::{Finding, Findings, nearest};
use crate::lookup::{Part, VariableValue, handlers, parse};
use crate::text::{Document, Span};
use crate::yaml::{Node, NodeValue, resolve};

/// Reads nodes whose places point into `document`.
pub(crate) struct Reader<'d> {
    pub(crate) document: &'d Arc<Document>,
    pub(crate) findings: Findings,
    /// Lookups that the config defines.
    pub(crate) own_lookups: Vec<String>,
}

/// The fields of one map, by name.
pub(crate) struct Fields<'n> {
    pub(crate) owner: &'static str,
    entries: Vec<(&'n Node, &'n Node)>,
}

impl<'n> Fields<'n> {
    /// Value of a field, unless it is absent or null.
    pub(crate) fn get(&self, name: &str) -> Option<&'n Node> {
        self.raw(name).map(|(_, value)| value).filter(|value| !is_null(value))
    }

    /// Names of the fields as written.
    pub(crate) fn keys(&self) -> impl Iterator<Item = &'n str> {
        self.entries.iter().filter_map(|(key, _)| key.as_text())
    }

    /// Key and value of a field, null or not.
    pub(crate) fn raw(&self, name: &str) -> Option<(&'n Node, &'n Node)> {
        self.entries.iter().find(|(key, _)| key.as_text() == Some(name)).copied()
    }
}

/// Whether a node is null.
pub(crate) fn is_null(node: &Node) -> bool {
    matches!(&node.value, NodeValue::Scalar { text, plain: true } if resolve::plain_scalar(text).is_null())
}

/// What a node is, in words.
pub(crate) fn kind(node: &Node) -> &'static str {
    match &node.value {
        NodeValue::Mapping(_) => "a map",
        NodeValue::Sequence(_) => "a list",
        NodeValue::Scalar { plain: false, .. } => "text",
        NodeValue::Scalar { text, .. } => match resolve::plain_scalar(text) {
            serde_json::Value::Null => "empty",
            serde_json::Value::Bool(_) => "a boolean",
            serde_json::Value::Number(_) => "a number",
            _ => "text",
        },
    }
}

/// What a field that must not be empty holds, in words.
fn expected(field: &str) -> &'static str {
    match field {
        "refuse_data_loss" | "enabled" | "locked" | "protected" | "termination_protection" | "required" => {
            "true or false"
        }
        "requires" | "required_by" | "deployments" | "modules" | "parallel" | "regions"
        | "parallel_regions" => "a list",
        "env_vars" | "environments" | "future" | "module_options" | "options" | "parameters" => "a map",
        "variables" | "tags" | "args" | "lookups" | "mappings" | "package_sources" | "log_formats" => "a map",
        "pre_deploy" | "post_deploy" | "pre_destroy" | "post_destroy" => "a list or a map of hooks",
        "template_indent" => "a number of spaces",
        _ => "text",
    }
}

impl<'d> Reader<'d> {
    pub(crate) fn new(document: &'d Arc<Document>) -> Self {
        Self { document, findings: Findings::default(), own_lookups: Vec::new() }
    }
}

impl Reader<'_> {
    pub(crate) fn report(&mut self, problem: ConfigProblem) {
        self.findings.push(Finding::at(self.document, problem));
    }

    pub(crate) fn wrong_type(&mut self, field: &str, expected: &'static str, node: &Node, help: &str) {
        self.wrong_kind(format!("`{field}`"), expected, node, help);
    }

    fn wrong_kind(&mut self, what: String, expected: &'static str, node: &Node, help: &str) {
        let (found, help) = (kind(node), help.to_owned());
        self.report(ConfigProblem::WrongType { field: what, expected, found, help, span: node.span.into() });
    }

    /// Refuses `field:` with nothing behind it, except for fields where CFNgin takes null for absent.
    pub(crate) fn refuse_nulls(&mut self, fields: &Fields<'_>, names: &[&'static str], nullable: &[&str]) {
        for name in names.iter().filter(|name| !nullable.contains(*name)) {
            if let Some((key, value)) = fields.raw(name).filter(|(_, value)| is_null(value)) {
                let (field, expected) = (format!("`{name}`"), expected(name));
                let required = matches!(*name, "namespace" | "name" | "path");
                let help = if required { "write a value" } else { "write a value, or leave the field out" };
                let help = help.to_owned();
                let span = if value.span.length > 0 { value.span } else { key.span }.into();
                self.report(ConfigProblem::WrongType { field, expected, found: "empty", help, span });
            }
        }
    }

    /// The fields of a map of which every key must be known.
    pub(crate) fn strict_fields<'n>(
        &mut self,
        owner: &'static str,
        node: &'n Node,
        known: &[&'static str],
        removed: &[(&'static str, &'static str)],
    ) -> Option<Fields<'n>> {
        let fields = self.fields(owner, node)?;
        for (key, _) in &fields.entries {
            let name = key.as_text().unwrap_or_default();
            if known.contains(&name) {
                continue;
            }
            let was = removed.iter().find(|(old, _)| *old == name).map(|(_, help)| (*help).to_owned());
            let meant = nearest(name, known.iter().copied()).map(|meant| format!("did you mean `{meant}`?"));
            let help = was.or(meant).unwrap_or_else(|| format!("known fields: {}", known.join(", ")));
            let span = key.span.into();
            self.report(ConfigProblem::UnknownKey { owner, key: name.to_owned(), help, span });
        }
        Some(fields)
    }

    /// The fields of a map.
    pub(crate) fn fields<'n>(&mut self, owner: &'static str, node: &'n Node) -> Option<Fields<'n>> {
        match node.as_mapping() {
            Some(entries) => {
                Some(Fields { owner, entries: entries.iter().map(|(key, value)| (key, value)).collect() })
            }
            None => {
                self.wrong_kind(
                    owner.to_owned(),
                    "a map of fields",
                    node,
                    "write `field: value` lines, indented",
                );
                None
            }
        }
    }

    /// The entries of a map with free keys.
    pub(crate) fn entries<'n>(&mut self, field: &str, node: &'n Node) -> Option<&'n [(Node, Node)]> {
        let entries = node.as_mapping();
        if entries.is_none() {
            self.wrong_type(field, "a map", node, "write `name: value` lines, indented");
        }
        entries
    }

    /// A text field. Numbers and booleans are refused, because YAML may have changed their spelling.
    pub(crate) fn text(&mut self, field: &str, node: &Node) -> Option<String> {
        match &node.value {
            NodeValue::Scalar { text, .. } if kind(node) == "text" => Some(text.clone()),
            NodeValue::Scalar { .. } => {
                self.wrong_type(field, "text", node, "put the value in quotes");
                None
            }
            _ => {
                self.wrong_type(field, "text", node, "write a single value");
                None
            }
        }
    }

    /// A text field in which a lookup would stay as it is, which is never meant.
    pub(crate) fn literal(&mut self, field: &str, node: &Node) -> Option<String> {
        let text = self.text(field, node)?;
        if contains_lookup(&text) {
            self.report(ConfigProblem::LookupInField { field: field.to_owned(), span: node.span.into() });
        }
        Some(text)
    }

    /// A text for people, in which a lookup stays as it is.
    pub(crate) fn prose(&mut self, field: &str, node: &Node) -> Option<String> {
        let text = self.text(field, node)?;
        if contains_lookup(&text) {
            self.report(ConfigProblem::LiteralLookup { field: field.to_owned(), span: node.span.into() });
        }
        Some(text)
    }

    /// A boolean with the spellings CFNgin takes.
    pub(crate) fn boolean(&mut self, field: &str, node: &Node) -> Option<bool> {
        let text = node.as_text().map(str::to_lowercase);
        match text.as_deref() {
            Some("true" | "yes" | "on" | "1" | "t" | "y") => Some(true),
            Some("false" | "no" | "off" | "0" | "f" | "n") => Some(false),
            Some(text) if contains_lookup(text) => {
                self.report(ConfigProblem::LookupInField { field: field.to_owned(), span: node.span.into() });
                None
            }
            _ => {
                self.wrong_type(field, "true or false", node, "write `true` or `false`");
                None
            }
        }
    }

    /// A list of texts.
    pub(crate) fn texts(&mut self, field: &str, node: &Node) -> Vec<(String, Span)> {
        let Some(items) = node.as_sequence() else {
            self.wrong_type(field, "a list", node, "write `[name]`, also for a single name");
            return Vec::new();
        };
        items.iter().filter_map(|item| Some((self.text(field, item)?, item.span))).collect()
    }

    /// Tags: scalars as written, checked against CloudFormation's limits.
    pub(crate) fn tags(&mut self, node: &Node) -> Vec<(String, String)> {
        let Some(entries) = node.as_mapping() else {
            self.wrong_type("tags", "a map", node, "write `key: value` lines");
            return Vec::new();
        };
        let mut tags = Vec::new();
        for (key, value) in entries {
            let name = key.as_text().unwrap_or_default();
            let Some(text) = value.as_text() else {
                self.wrong_type(&format!("tags.{name}"), "text", value, "a tag has a single value");
                continue;
            };
            let text = if is_null(value) { "" } else { text };
            let problem = |reason| ConfigProblem::Tag { key: name.to_owned(), reason, span: key.span.into() };
            if name.is_empty() || name.chars().count() > 128 {
                self.report(problem("its key is empty or longer than 128 characters"));
            } else if name.to_lowercase().starts_with("aws:") {
                self.report(problem("keys that start with `aws:` are reserved"));
            } else if text.chars().count() > 256 {
                self.report(problem("its value is longer than 256 characters"));
            } else {
                if contains_lookup(text) {
                    let field = format!("tags.{name}");
                    self.report(ConfigProblem::LiteralLookup { field, span: value.span.into() });
                }
                tags.push((name.to_owned(), text.to_owned()));
            }
        }
        tags
    }

    /// Variables of a stack or arguments of a hook, which is at `owner`.
    pub(crate) fn variables(&mut self, field: &str, node: &Node, owner: Span) -> IndexMap<String, Variable> {
        let Some(entries) = node.as_mapping() else {
            self.wrong_type(field, "a map", node, "write `Name: value` lines");
            return IndexMap::new();
        };
        entries
            .iter()
            .map(|(key, value)| {
                let (span, name_span) = (value.span, key.span);
                let own = owner.contains(name_span);
                let variable = Variable { value: self.value(value), span, name_span, own };
                (key.as_text().unwrap_or_default().to_owned(), variable)
            })
            .collect()
    }

    /// A free value of a config; its lookups are parsed and their names checked.
    pub(crate) fn value(&mut self, node: &Node) -> VariableValue {
        let own = self.own_lookups.clone();
        let unknown = |name: &str| {
            if handlers::is_known(name) || own.iter().any(|known| known == name) {
                return None;
            }
            let candidates = handlers::KNOWN.into_iter().chain(own.iter().map(String::as_str));
            Some(match nearest(name, candidates) {
                Some(meant) => format!("did you mean `{meant}`?"),
                None => format!("known are {}", handlers::KNOWN.join(", ")),
            })
        };
        self.value_with(node, resolve::value, &unknown)
    }

    /// A free value of any file. `scalar` gives scalars their types; `unknown` says what helps against the name of a
    /// lookup that the file does not have.
    pub(crate) fn value_with(
        &mut self,
        node: &Node,
        scalar: fn(&Node) -> serde_json::Value,
        unknown: &dyn Fn(&str) -> Option<String>,
    ) -> VariableValue {
        match &node.value {
            NodeValue::Sequence(items) => {
                VariableValue::List(items.iter().map(|item| self.value_with(item, scalar, unknown)).collect())
            }
            NodeValue::Mapping(entries) => VariableValue::Map(
                entries
                    .iter()
                    .map(|(key, value)| {
                        let value = self.value_with(value, scalar, unknown);
                        (key.as_text().unwrap_or_default().to_owned(), value)
                    })
                    .collect(),
            ),
            NodeValue::Scalar { text, .. } => match scalar(node) {
                serde_json::Value::Null => VariableValue::Null,
                serde_json::Value::Bool(value) => VariableValue::Bool(value),
                serde_json::Value::Number(value) => VariableValue::Number(value),
                _ => self.text_with_lookups(text, node.span, unknown),
            },
        }
    }

    /// A text with lookups, as [`Self::value_with`] reads it.
    pub(crate) fn text_with_lookups(
        &mut self,
        text: &str,
        span: Span,
        unknown: &dyn Fn(&str) -> Option<String>,
    ) -> VariableValue {
        let source =
            self.document.text.get(span.start..span.start + span.length).unwrap_or_default().to_owned();
        let place = |start: usize, length: usize| {
            let piece = &text[start..start + length];
            // Quotes, escapes and parameters shift places; where the lookup stands as written, it is found.
            source.find(piece).map_or(span, |offset| Span::new(span.start + offset, length))
        };
        let expression = match parse::expression(text, &place) {
            Ok(expression) => expression,
            Err(parse::TooDeep { span }) => {
                let limit = parse::DEPTH_LIMIT;
                self.report(ConfigProblem::LookupTooDeep { limit, span: span.into() });
                return VariableValue::Text(text.to_owned());
            }
        };
        if expression.parts.iter().all(|part| matches!(part, Part::Literal(_))) {
            return VariableValue::Text(text.to_owned());
        }
        let mut problems = Vec::new();
        expression.visit_lookups(&mut |call| {
            if let Some(help) = unknown(&call.name) {
                let (name, span) = (call.name.clone(), call.span.into());
                problems.push(ConfigProblem::UnknownLookup { name, help, span });
            }
        });
        problems.into_iter().for_each(|problem| self.report(problem));
        VariableValue::Expression(expression)
    }
}

/// Whether a text has a lookup in it.
pub(crate) fn contains_lookup(text: &str) -> bool {
    let is_lookup = |part: &Part| matches!(part, Part::Lookup(call) if !call.query.parts.is_empty());
    text.contains("${")
        && parse::expression(text, &Span::new).is_ok_and(|parsed| parsed.parts.iter().any(is_lookup))
}
