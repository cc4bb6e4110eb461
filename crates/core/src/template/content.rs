//! From a YAML tree to the JSON that CloudFormation understands.

use indexmap::IndexMap;
use serde_json::{Map, Value, json};

use super::ParameterDefinition;
use crate::yaml::{Node, NodeValue, resolve};

/// The tree as JSON, short-form tags such as `!Ref` as their long forms.
pub(super) fn long_form(node: &Node) -> Value {
    let plain = match &node.value {
        NodeValue::Scalar { text, plain: true } if node.tag.is_none() => scalar(text),
        NodeValue::Scalar { text, .. } => Value::String(text.clone()),
        NodeValue::Sequence(items) => Value::Array(items.iter().map(long_form).collect()),
        NodeValue::Mapping(entries) => Value::Object(
            entries
                .iter()
                .map(|(key, value)| (key.as_text().unwrap_or_default().to_owned(), long_form(value)))
                .collect(),
        ),
    };
    match node.tag_name() {
        None | Some("!") => plain,
        Some(tag) if tag.starts_with("!!") => plain,
        Some("!Ref") => json!({"Ref": plain}),
        Some("!Condition") => json!({"Condition": plain}),
        Some("!GetAtt") => json!({"Fn::GetAtt": attribute(plain)}),
        Some(tag) => json!({(format!("Fn::{}", tag.trim_start_matches('!'))): plain}),
    }
}

/// `!GetAtt Id.Attribute.Path` names the resource before the first dot.
fn attribute(value: Value) -> Value {
    match value {
        Value::String(text) => match text.split_once('.') {
            Some((resource, attribute)) => json!([resource, attribute]),
            None => json!([text]),
        },
        other => other,
    }
}

/// Booleans and numbers as such, but a number whose spelling would change (an account id, a version) stays text.
fn scalar(text: &str) -> Value {
    match resolve::plain_scalar(text) {
        Value::Number(number) if number.to_string() != text => Value::String(text.to_owned()),
        value => value,
    }
}

/// Sorted keys, every scalar as text, one spelling for `Fn::GetAtt` and `DependsOn`.
pub(super) fn comparable(value: &Value) -> Value {
    match value {
        Value::Object(entries) => {
            let mut sorted: Vec<(&String, &Value)> =
                entries.iter().filter(|(_, value)| !value.is_null()).collect();
            sorted.sort_by_key(|(key, _)| *key);
            let entry = |(key, value): (&String, &Value)| {
                let value = match key.as_str() {
                    "Fn::GetAtt" => comparable(&attribute(value.clone())),
                    "DependsOn" if value.is_string() => comparable(&json!([value])),
                    _ => comparable(value),
                };
                (key.clone(), value)
            };
            Value::Object(sorted.into_iter().map(entry).collect::<Map<_, _>>())
        }
        Value::Array(items) => Value::Array(items.iter().map(comparable).collect()),
        Value::Null => Value::Null,
        scalar => Value::String(text(scalar)),
    }
}

/// A scalar as CloudFormation reads it.
fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// The declared parameters.
pub(super) fn parameters(content: &Value) -> IndexMap<String, ParameterDefinition> {
    let declared = content.get("Parameters").and_then(Value::as_object);
    declared.into_iter().flatten().map(|(name, value)| (name.clone(), parameter(value))).collect()
}

fn parameter(value: &Value) -> ParameterDefinition {
    let as_text = |field: &str| value.get(field).filter(|value| !value.is_null()).map(text);
    let as_count = |field: &str| as_text(field).and_then(|text| text.parse().ok());
    ParameterDefinition {
        kind: as_text("Type").unwrap_or_default(),
        default: as_text("Default"),
        no_echo: as_text("NoEcho").is_some_and(|text| text.eq_ignore_ascii_case("true")),
        allowed_values: value
            .get("AllowedValues")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
            .map(text)
            .collect(),
        allowed_pattern: as_text("AllowedPattern"),
        min_length: as_count("MinLength"),
        max_length: as_count("MaxLength"),
        min_value: as_text("MinValue"),
        max_value: as_text("MaxValue"),
        constraint_description: as_text("ConstraintDescription"),
    }
}
