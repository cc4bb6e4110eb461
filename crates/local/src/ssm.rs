//! Parameters of the Systems Manager: those that stacks of the simulated cloud hold, and AWS's public ones.

use std::collections::BTreeMap;

use indexmap::IndexMap;
use runway_core::provider::Place;
use runway_core::template::ParameterDefinition;
use serde_json::Value;

use crate::catalogue::digest;
use crate::parameters;
use crate::state::State;

/// Values of a template's parameters as its functions see them: where the type is `AWS::SSM::Parameter::Value<...>`,
/// what is behind the name.
///
/// # Errors
/// CloudFormation's words if a name stands for nothing.
pub(crate) fn resolve(
    definitions: &IndexMap<String, ParameterDefinition>,
    values: &BTreeMap<String, String>,
    state: &State,
    place: &Place,
) -> Result<BTreeMap<String, String>, String> {
    let mut resolved = values.clone();
    let mut missing = Vec::new();
    for (name, definition) in definitions {
        let (kind, Some(value)) = (definition.kind.as_str(), values.get(name)) else { continue };
        if !kind.starts_with("AWS::SSM::Parameter::") {
            continue;
        }
        let found = state.ssm_parameter(value, place).or_else(|| public(value, place));
        match found {
            Some(found) if kind.starts_with("AWS::SSM::Parameter::Value<") => {
                parameters::check_resolved(name, definition, &found)?;
                resolved.insert(name.clone(), found);
            }
            Some(_) => {}
            None => missing.push(value.as_str()),
        }
    }
    if missing.is_empty() {
        return Ok(resolved);
    }
    Err(format!("Unable to fetch parameters [{}] from parameter store for this account.", missing.join(",")))
}

/// Replaces `{{resolve:ssm:NAME}}` and `{{resolve:ssm:NAME:VERSION}}` in all texts of a value. Versions are not
/// simulated: each stands for the present one. Secrets (`ssm-secure`, `secretsmanager`) stay as they are.
///
/// # Errors
/// CloudFormation's words if a name stands for nothing.
pub(crate) fn resolve_references(value: Value, state: &State, place: &Place) -> Result<Value, String> {
    Ok(match value {
        Value::String(text) => Value::String(resolve_text(&text, state, place)?),
        Value::Array(values) => {
            let values: Result<Vec<_>, _> =
                values.into_iter().map(|value| resolve_references(value, state, place)).collect();
            Value::Array(values?)
        }
        Value::Object(map) => {
            let entries: Result<serde_json::Map<_, _>, String> = map
                .into_iter()
                .map(|(key, value)| Ok((key, resolve_references(value, state, place)?)))
                .collect();
            Value::Object(entries?)
        }
        scalar => scalar,
    })
}

fn resolve_text(text: &str, state: &State, place: &Place) -> Result<String, String> {
    let mut parts = text.split("{{resolve:ssm:");
    let mut result = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let Some((reference, rest)) = part.split_once("}}") else {
            result.push_str("{{resolve:ssm:");
            result.push_str(part);
            continue;
        };
        let name = reference.split(':').next().unwrap_or(reference);
        let found = state.ssm_parameter(name, place).or_else(|| public(name, place));
        result.push_str(&found.ok_or_else(|| format!("Parameters: [ssm:{reference}] cannot be found."))?);
        result.push_str(rest);
    }
    Ok(result)
}

/// AWS's public parameters of machine images; there are too many to know, so that each name stands for an image.
fn public(name: &str, place: &Place) -> Option<String> {
    let is_image = name.starts_with("/aws/service/ami-")
        || name.starts_with("/aws/service/canonical/")
        || name.ends_with("/image_id");
    let is_public = name.starts_with("/aws/service/") && is_image;
    is_public.then(|| format!("ami-{}", &digest(&[name, &place.region])[..17]))
}
