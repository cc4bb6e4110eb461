//! Values of a project file: texts, maps and lists with lookups in them.

use serde_json::Value;

use super::{ProjectProblem, Setting};
use crate::config::reader::{Fields, Reader, is_null, kind};
use crate::error::{Finding, nearest};
use crate::lookup::VariableValue;
use crate::yaml::{Node, NodeValue, resolve};

/// Lookups of a project file.
pub(super) const LOOKUPS: [&str; 6] = ["cfn", "ecr", "env", "random.string", "ssm", "var"];

/// How long a role's credentials hold; `None` if that is no whole number of seconds from 900 to 43200.
pub(super) fn duration_seconds(value: &Value) -> Option<u32> {
    let seconds = match value {
        Value::String(text) => text.trim().parse().ok()?,
        value => value.as_f64()?,
    };
    let is_allowed = seconds.fract() == 0.0 && (900.0..=43_200.0).contains(&seconds);
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a whole number in these bounds"
    )]
    is_allowed.then_some(seconds as u32)
}

impl Reader<'_> {
    pub(super) fn project(&mut self, problem: ProjectProblem) {
        self.findings.push(Finding::at(self.document, problem));
    }

    /// A map, or a lookup that gives one.
    pub(super) fn map_setting(&mut self, field: &'static str, fields: &Fields<'_>) -> Option<Setting> {
        let node = fields.get(field)?;
        match &node.value {
            NodeValue::Mapping(_) => {}
            NodeValue::Scalar { text, .. } if kind(node) == "text" => {
                self.only_lookup(field, text, node, "write a map, or `${var ...}`");
            }
            _ => self.wrong_type(field, "a map", node, "write `name: value` lines, or `${var ...}`"),
        }
        Some(self.setting(field, node))
    }

    fn only_lookup(&mut self, field: &'static str, text: &str, node: &Node, help: &'static str) {
        if !(text.starts_with("${") && text.ends_with('}') && text.len() > 3) {
            self.project(ProjectProblem::OnlyLookup { field, help, span: node.span.into() });
        }
    }

    /// A text; of a number its spelling, because an account id is none.
    pub(super) fn text_setting(&mut self, field: &'static str, fields: &Fields<'_>) -> Option<Setting> {
        let node = fields.get(field)?;
        let Some(text) = node.as_text().filter(|_| matches!(kind(node), "text" | "a number")) else {
            self.wrong_type(field, "text", node, "write a single value");
            return None;
        };
        Some(Setting { field, value: self.text_with_lookups(text, node.span, &unknown), span: node.span })
    }

    /// A list of texts, or a lookup that gives one.
    pub(super) fn list_setting(&mut self, field: &'static str, node: &Node) -> Option<Setting> {
        match &node.value {
            NodeValue::Sequence(_) => {
                self.texts(field, node);
            }
            NodeValue::Scalar { text, .. } if kind(node) == "text" => {
                self.only_lookup(
                    field,
                    text,
                    node,
                    "write a list, for example `[us-east-1]`, or `${var ...}`",
                );
            }
            _ => {
                self.wrong_type(field, "a list", node, "write for example `[us-east-1]`");
                return None;
            }
        }
        Some(self.setting(field, node))
    }

    /// Environment variables: texts, or lists of path components.
    pub(super) fn environment_variables(&mut self, fields: &Fields<'_>) -> Option<Setting> {
        let node = fields.get("env_vars")?;
        for (key, value) in node.as_mapping().unwrap_or_default() {
            let field = format!("env_vars.{}", key.as_text().unwrap_or_default());
            match &value.value {
                NodeValue::Scalar { .. } => drop(self.text(&field, value)),
                NodeValue::Sequence(_) => drop(self.texts(&field, value)),
                NodeValue::Mapping(_) => {
                    self.wrong_type(&field, "text", value, "write a text, or a list of the parts of a path");
                }
            }
        }
        self.map_setting("env_vars", fields)
    }

    /// `environments`: a boolean, a lookup, or a map from environments to booleans, places and lists of places.
    pub(super) fn environments(&mut self, fields: &Fields<'_>) -> Option<Setting> {
        let node = fields.get("environments")?;
        let help = "write true, false, an account id, a region, or a list of `<account>/<region>`";
        for (key, value) in node.as_mapping().unwrap_or_default() {
            let field = format!("environments.{}", key.as_text().unwrap_or_default());
            let single = |node: &Node| matches!(kind(node), "text" | "a number");
            match &value.value {
                NodeValue::Scalar { .. } if single(value) || kind(value) == "a boolean" => {}
                NodeValue::Sequence(items) if items.iter().all(single) => {}
                _ => self.wrong_type(&field, "true, false or a place", value, help),
            }
        }
        if kind(node) == "a boolean" {
            return Some(self.setting("environments", node));
        }
        self.map_setting("environments", fields)
    }

    /// `assume_role`: an ARN, or a map with one.
    pub(super) fn assume_role(&mut self, fields: &Fields<'_>) -> Option<Setting> {
        let node = fields.get("assume_role")?;
        if node.as_mapping().is_none() {
            return self.text_setting("assume_role", fields);
        }
        let known = ["arn", "duration", "post_deploy_env_revert", "session_name"];
        let inner = self.strict_fields("`assume_role`", node, &known, &[])?;
        for field in ["arn", "session_name"] {
            if let Some(node) = inner.get(field) {
                self.text(field, node);
            }
        }
        if let Some(node) = inner.get("duration") {
            let help = "write seconds from 900 to 43200, or a lookup";
            match &node.value {
                NodeValue::Scalar { .. } if kind(node) == "a number" => {
                    if duration_seconds(&resolve::value(node)).is_none() {
                        let (field, found) = ("duration".to_owned(), "this number".to_owned());
                        let span = node.span.into();
                        self.project(ProjectProblem::WrongValue { field, found, help, span });
                    }
                }
                NodeValue::Scalar { text, .. } if kind(node) == "text" => {
                    self.only_lookup("duration", text, node, help);
                }
                _ => self.wrong_type("duration", "a number of seconds", node, help),
            }
        }
        if let Some(node) = inner.get("post_deploy_env_revert") {
            self.boolean("post_deploy_env_revert", node);
        }
        Some(self.setting("assume_role", node))
    }

    pub(super) fn setting(&mut self, field: &'static str, node: &Node) -> Setting {
        Setting { field, value: self.with_lookups(node), span: node.span }
    }

    /// A value with lookups. Its scalars keep the types that YAML gives them, but for what can only be account ids.
    fn with_lookups(&mut self, node: &Node) -> VariableValue {
        self.value_with(node, plain, &unknown)
    }
}

/// A value without lookups.
pub(super) fn plain(node: &Node) -> Value {
    match &node.value {
        NodeValue::Sequence(items) => items.iter().map(plain).collect(),
        NodeValue::Mapping(entries) => entries
            .iter()
            .map(|(key, value)| (key.as_text().unwrap_or_default().to_owned(), plain(value)))
            .collect(),
        // Twelve digits with a zero in front are an account id, whatever YAML makes of them.
        NodeValue::Scalar { text, .. } if is_account_id(text) => Value::String(text.clone()),
        NodeValue::Scalar { .. } if is_null(node) => Value::Null,
        NodeValue::Scalar { .. } => resolve::value(node),
    }
}

fn is_account_id(text: &str) -> bool {
    text.len() == 12 && text.starts_with('0') && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// What helps against the name of a lookup that a project file does not have.
fn unknown(name: &str) -> Option<String> {
    (!LOOKUPS.contains(&name)).then(|| match nearest(name, LOOKUPS) {
        Some(meant) => format!("did you mean `{meant}`?"),
        None => format!("a project file knows {}", LOOKUPS.join(", ")),
    })
}
