//! The form of function calls, wherever they stand: what CloudFormation refuses whatever the values are.

use serde_json::Value;

use super::{Checked, attribute_of, single};
use crate::catalogue::types::has_attribute;

/// What a template may call.
const SUPPORTED: [&str; 14] = [
    "Fn::Base64",
    "Fn::Cidr",
    "Fn::GetAtt",
    "Fn::GetAZs",
    "Fn::ImportValue",
    "Fn::Join",
    "Fn::Split",
    "Fn::FindInMap",
    "Fn::Select",
    "Fn::If",
    "Fn::Equals",
    "Fn::Not",
    "Fn::And",
    "Fn::Or",
];

/// What it may call with the transform `AWS::LanguageExtensions`.
const EXTENSIONS: [&str; 2] = ["Fn::Length", "Fn::ToJsonString"];

const UNSUPPORTED: &str = "Supported functions are: [Fn::Base64, Fn::GetAtt, Fn::GetAZs, Fn::ImportValue, Fn::Join, \
     Fn::Split, Fn::FindInMap, Fn::Select, Ref, Fn::Equals, Fn::If, Fn::Not, Condition, Fn::And, Fn::Or, Fn::Contains, \
     Fn::EachMemberEquals, Fn::EachMemberIn, Fn::ValueOf, Fn::ValueOfAll, Fn::RefAll, Fn::Sub, Fn::Cidr]";

/// Checks every call in `value`.
///
/// # Errors
/// CloudFormation's words for the first one that is wrong.
pub(super) fn check(template: &Checked, value: &Value) -> Result<(), String> {
    match value {
        Value::Array(values) => values.iter().try_for_each(|value| check(template, value)),
        Value::Object(map) => {
            if let Some((function, argument)) = single(map) {
                call(template, function, argument)?;
            }
            map.values().try_for_each(|value| check(template, value))
        }
        _ => Ok(()),
    }
}

fn call(template: &Checked, function: &str, argument: &Value) -> Result<(), String> {
    match function {
        "Ref" => match argument {
            Value::String(name) if !name.is_empty() => Ok(()),
            _ => Err("Template format error: Every Ref object must have a single String value.".to_owned()),
        },
        "Fn::Sub" => substitution(template, argument),
        "Fn::GetAtt" => {
            let (resource, name) = attribute_of(argument)
                .filter(|(resource, name)| !resource.is_empty() && name.as_str() != Some(""))
                .ok_or(
                    "Template error: every Fn::GetAtt object requires two non-empty parameters, the resource name and \
                     the resource attribute",
                )?;
            if template.entry("Resources", &resource).is_none() {
                return Err(format!(
                    "Template error: instance of Fn::GetAtt references undefined resource {resource}"
                ));
            }
            name.as_str().map_or(Ok(()), |name| check_attribute(template, &resource, name))
        }
        "Fn::FindInMap" => match argument.as_array().map(Vec::as_slice) {
            Some([_, _, _]) => Ok(()),
            Some([_, _, _, _]) if template.has_extensions() => Ok(()),
            _ => Err("Template error: every Fn::FindInMap object requires three parameters, the map name, map key \
                      and the attribute for return value"
                .to_owned()),
        },
        "Fn::If" => match argument.as_array().map(Vec::as_slice) {
            Some([Value::String(_), _, _]) => Ok(()),
            _ => Err("Template error: Fn::If requires a list argument with three elements".to_owned()),
        },
        "Fn::Transform" => {
            Err("Template error: the function Fn::Transform is not simulated by the local provider".to_owned())
        }
        other if !other.starts_with("Fn::") || SUPPORTED.contains(&other) => Ok(()),
        other if EXTENSIONS.contains(&other) && template.has_extensions() => Ok(()),
        other => Err(format!("Template error: Encountered unsupported function: {other} {UNSUPPORTED}")),
    }
}

fn substitution(template: &Checked, argument: &Value) -> Result<(), String> {
    let (text, own) = match argument {
        Value::String(text) => (text, None),
        Value::Array(parts) => match parts.as_slice() {
            [Value::String(text)] => (text, None),
            [Value::String(text), Value::Object(own)]
                if !single(own).is_some_and(|(name, _)| name == "Ref" || name.starts_with("Fn::")) =>
            {
                (text, Some(own))
            }
            _ => return Err(SUBSTITUTION.to_owned()),
        },
        _ => return Err(SUBSTITUTION.to_owned()),
    };
    for part in text.split("${").skip(1) {
        let (name, _) =
            part.split_once('}').ok_or("Template error: every Fn::Sub placeholder needs a closing brace")?;
        if name.starts_with('!') {
            continue;
        }
        let is_plain = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '_' | '.' | ':');
        if name.is_empty() || !name.chars().all(is_plain) {
            return Err("Template error: variable names in Fn::Sub syntax must contain only alphanumeric characters, \
                        underscores, periods, and colons"
                .to_owned());
        }
        if let Some((resource, attribute)) = name.split_once('.')
            && !own.is_some_and(|own| own.contains_key(name))
        {
            check_attribute(template, resource, attribute)?;
        }
    }
    Ok(())
}

const SUBSTITUTION: &str = "Template error: One or more Fn::Sub intrinsic functions don't specify expected arguments. \
     Specify a string as first argument, and an optional second argument to specify a mapping of values to replace in \
     the string";

/// Checks that a resource has an attribute. That the resource exists is checked elsewhere.
fn check_attribute(template: &Checked, resource: &str, name: &str) -> Result<(), String> {
    let Some(body) = template.entry("Resources", resource) else { return Ok(()) };
    let kind = body.get("Type").and_then(Value::as_str).unwrap_or_default();
    // What the template itself sets is readable for many types: there the lists are not complete.
    let is_property = body.get("Properties").is_some_and(|properties| properties.get(name).is_some());
    if is_property || has_attribute(kind, name) {
        return Ok(());
    }
    Err(format!("Template error: resource {resource} does not support attribute type {name} in Fn::GetAtt"))
}
