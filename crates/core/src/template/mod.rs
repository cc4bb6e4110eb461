//! CloudFormation templates: the text as it is, and its content with long-form functions.

use indexmap::IndexMap;
use md5::{Digest, Md5};
use miette::{Diagnostic, SourceSpan};
use serde_json::{Map, Value};
use thiserror::Error;

use crate::error::{Finding, Findings, Problem};
use crate::exit::ExitCode;
use crate::text::Document;
use crate::yaml::{self, Node, NodeValue};

mod content;
pub mod jinja;
pub mod symbolic;

/// A parsed template.
#[derive(Debug, Clone, PartialEq)]
pub struct Template {
    /// Path it was read from, for messages.
    pub path: String,
    /// The text exactly as it will be sent.
    pub body: String,
    /// The content as JSON; YAML short forms such as `!Ref` in their long form. Scalars keep their spelling where
    /// CloudFormation would see text.
    pub content: Value,
    /// Parameters in the order of the text.
    pub parameters: IndexMap<String, ParameterDefinition>,
}

/// A parameter a template declares.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ParameterDefinition {
    /// `Type`, for example `String` or `CommaDelimitedList`.
    pub kind: String,
    /// `Default`, as text.
    pub default: Option<String>,
    /// `NoEcho`.
    pub no_echo: bool,
    /// `AllowedValues`, as text.
    pub allowed_values: Vec<String>,
    /// `AllowedPattern`.
    pub allowed_pattern: Option<String>,
    /// `MinLength`.
    pub min_length: Option<u64>,
    /// `MaxLength`.
    pub max_length: Option<u64>,
    /// `MinValue`, as written.
    pub min_value: Option<String>,
    /// `MaxValue`, as written.
    pub max_value: Option<String>,
    /// `ConstraintDescription`.
    pub constraint_description: Option<String>,
}

/// Problems of a template that can be seen without CloudFormation.
#[derive(Debug, Error, Diagnostic)]
pub enum TemplateProblem {
    /// Nothing in it.
    #[error("the template is empty")]
    #[diagnostic(
        code(template::empty),
        help("a template needs at least a `Resources` section with one resource")
    )]
    Empty {
        /// The beginning of the file.
        #[label("nothing here")]
        span: SourceSpan,
    },
    /// The top level is no map.
    #[error("a template is a map with a `Resources` section")]
    #[diagnostic(
        code(template::not_a_map),
        help("write sections such as `Parameters:`, `Resources:` and `Outputs:`")
    )]
    NotAMap {
        /// What stands there.
        #[label("not a map")]
        span: SourceSpan,
    },
    /// A config in place of a template.
    #[error("this is a CFNgin config, not a template: it lists `stacks`")]
    #[diagnostic(code(template::is_a_config), help("`template_path` names a CloudFormation template"))]
    IsAConfig {
        /// The give-away.
        #[label("a config's section")]
        span: SourceSpan,
    },
    /// No resources.
    #[error("the template has no resources")]
    #[diagnostic(
        code(template::no_resources),
        help("CloudFormation wants at least one entry in `Resources`")
    )]
    NoResources {
        /// The section, or the whole template.
        #[label("no resource in here")]
        span: SourceSpan,
    },
    /// A section that must be a map.
    #[error("`{section}` must be a map")]
    #[diagnostic(code(template::section), help("write one entry per logical id: `Name: {{...}}`"))]
    Section {
        /// The section.
        section: String,
        /// Its place.
        #[label("not a map")]
        span: SourceSpan,
    },
    /// An entry without a type.
    #[error("{what} `{name}` has no `Type`")]
    #[diagnostic(code(template::no_type), help("every parameter and every resource needs a `Type`"))]
    NoType {
        /// `parameter` or `resource`.
        what: &'static str,
        /// The logical id.
        name: String,
        /// Its place.
        #[label("no `Type` here")]
        span: SourceSpan,
    },
}

impl Problem for TemplateProblem {
    fn exit_code(&self) -> ExitCode {
        ExitCode::Config
    }
}

impl Template {
    /// Parses a template and checks its outline.
    ///
    /// # Errors
    /// [`Findings`] with every problem found: not YAML or JSON, no `Resources`, a parameter without `Type`, ...
    pub fn parse(path: &str, body: &str) -> Result<Self, Findings> {
        let document = Document::new(path, body);
        let mut findings = Findings::default();
        let (root, errors) = Node::parse(body);
        findings.extend(yaml::findings(&document, errors));
        let Some(root) = root else {
            if !findings.has_errors() {
                findings.push(Finding::at(&document, TemplateProblem::Empty { span: (0, 0).into() }));
            }
            return Err(findings);
        };
        for problem in outline(&root) {
            findings.push(Finding::at(&document, problem));
        }
        if findings.has_errors() {
            return Err(findings);
        }
        let content = content::long_form(&root);
        let parameters = content::parameters(&content);
        Ok(Self { path: path.to_owned(), body: body.to_owned(), content, parameters })
    }

    /// The content for comparison with another version: what CloudFormation does not update by itself (the top-level
    /// `Description` and `Metadata`) is left out, keys are sorted, and scalars are text, because CloudFormation reads
    /// `1` and `"1"` alike.
    pub fn normalized(&self) -> Value {
        let Value::Object(sections) = &self.content else { return Value::Null };
        let compared: Map<String, Value> = sections
            .iter()
            .filter(|(section, _)| !matches!(section.as_str(), "Description" | "Metadata"))
            .map(|(section, value)| (section.clone(), value.clone()))
            .collect();
        content::comparable(&Value::Object(compared))
    }

    /// The first eight hexadecimal digits of the text's MD5: CFNgin's version in template keys.
    pub fn md5_prefix(&self) -> String {
        Md5::digest(self.body.as_bytes()).iter().take(4).map(|byte| format!("{byte:02x}")).collect()
    }

    /// Names of the declared outputs, in the order of the text.
    pub fn outputs(&self) -> impl Iterator<Item = &str> {
        self.content
            .get("Outputs")
            .and_then(Value::as_object)
            .into_iter()
            .flatten()
            .map(|(name, _)| name.as_str())
    }

    /// Whether macros may add to what the text says.
    pub fn has_macros(&self) -> bool {
        let outputs = self.content.get("Outputs").and_then(Value::as_object);
        self.content.get("Transform").is_some()
            || outputs.is_some_and(|outputs| outputs.keys().any(|name| name.starts_with("Fn::")))
    }

    /// One declared output.
    pub fn output(&self, name: &str) -> Option<&Value> {
        self.content.get("Outputs")?.get(name)
    }
}

/// Checks what every template must have, on the tree with places.
fn outline(root: &Node) -> Vec<TemplateProblem> {
    let mut problems = Vec::new();
    let Some(sections) = root.as_mapping() else {
        return vec![TemplateProblem::NotAMap { span: root.span.into() }];
    };
    let key_span = |name: &str| {
        sections
            .iter()
            .find(|(key, _)| key.as_text() == Some(name))
            .map(|(key, _)| SourceSpan::from(key.span))
    };
    if root.get("Resources").is_none() {
        if let (Some(span), Some(_)) = (key_span("stacks"), key_span("namespace")) {
            return vec![TemplateProblem::IsAConfig { span }];
        }
        let first = sections.first().map_or(root.span, |(key, _)| key.span);
        problems.push(TemplateProblem::NoResources { span: first.into() });
    }
    for (section, what) in [("Parameters", "parameter"), ("Resources", "resource"), ("Outputs", "")] {
        let Some(node) = root.get(section) else { continue };
        let Some(entries) = node.as_mapping() else {
            let absent = matches!(&node.value, NodeValue::Scalar { text, plain: true } if text.is_empty() || text == "~");
            let span = key_span(section).unwrap_or_else(|| node.span.into());
            match (section, absent) {
                ("Resources", true) => problems.push(TemplateProblem::NoResources { span }),
                (_, true) => {}
                _ => problems.push(TemplateProblem::Section { section: section.to_owned(), span }),
            }
            continue;
        };
        if section == "Resources" && entries.is_empty() {
            let span = key_span(section).unwrap_or_else(|| node.span.into());
            problems.push(TemplateProblem::NoResources { span });
        }
        for (name, entry) in entries {
            // `Fn::Transform` and the like stand among resources without a type.
            let text = name.as_text().unwrap_or_default();
            if !what.is_empty() && !text.starts_with("Fn::") && entry.get("Type").is_none() {
                problems.push(TemplateProblem::NoType {
                    what,
                    name: text.to_owned(),
                    span: name.span.into(),
                });
            }
        }
    }
    problems
}

#[cfg(test)]
mod tests;
