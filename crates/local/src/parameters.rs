//! Parameter values of a request: completed from defaults and earlier values, and checked against the template.

use std::collections::BTreeMap;

use indexmap::IndexMap;
use runway_core::pattern::{self, Match, number};
use runway_core::provider::ParameterValue;
use runway_core::template::ParameterDefinition;

/// Checks a value that was found behind the name of an SSM parameter.
///
/// # Errors
/// CloudFormation's words for the rule that it breaks.
pub(crate) fn check_resolved(
    name: &str,
    definition: &ParameterDefinition,
    value: &str,
) -> Result<(), String> {
    let kind = definition.kind.strip_prefix("AWS::SSM::Parameter::Value<");
    let kind = kind.and_then(|kind| kind.strip_suffix('>')).unwrap_or(&definition.kind);
    check(name, &ParameterDefinition { kind: kind.to_owned(), ..definition.clone() }, value)
}

/// Values of all parameters of a template.
///
/// # Errors
/// CloudFormation's words for what is wrong with the request.
pub(crate) fn resolve(
    definitions: &IndexMap<String, ParameterDefinition>,
    sent: &[(String, ParameterValue)],
    previous: Option<&BTreeMap<String, String>>,
) -> Result<BTreeMap<String, String>, String> {
    let list = |names: Vec<&str>| format!("Parameters: [{}]", names.join(", "));
    let unknown: Vec<_> =
        sent.iter().map(|(name, _)| name.as_str()).filter(|name| !definitions.contains_key(*name)).collect();
    if !unknown.is_empty() {
        return Err(format!("{} do not exist in the template", list(unknown)));
    }
    let mut values = BTreeMap::new();
    for (name, value) in sent {
        let value = match value {
            ParameterValue::Value(text) => text.clone(),
            ParameterValue::Previous => match previous.and_then(|previous| previous.get(name)) {
                Some(value) => value.clone(),
                None => {
                    return Err(format!(
                        "Invalid input for parameter key {name}. Cannot specify usePreviousValue as true for a \
                         parameter key not in the previous template"
                    ));
                }
            },
        };
        if values.insert(name.clone(), value).is_some() {
            return Err(format!("Parameter {name} is specified more than once"));
        }
    }
    let mut missing = Vec::new();
    for (name, definition) in definitions {
        match (values.contains_key(name), &definition.default) {
            (true, _) => {}
            (false, Some(default)) => {
                values.insert(name.clone(), default.clone());
            }
            (false, None) => missing.push(name.as_str()),
        }
    }
    if !missing.is_empty() {
        return Err(format!("{} must have values", list(missing)));
    }
    for (name, definition) in definitions {
        if let Some(value) = values.get(name) {
            check(name, definition, value)?;
        }
    }
    Ok(values)
}

fn check(name: &str, definition: &ParameterDefinition, value: &str) -> Result<(), String> {
    let refuse = |words: String| {
        Err(match &definition.constraint_description {
            Some(description) => format!("Parameter '{name}' failed to satisfy constraint: {description}"),
            None => format!("Parameter '{name}' {words}"),
        })
    };
    if definition.kind.starts_with("AWS::SSM::Parameter::") {
        // The rules are about what is behind the name.
        return Ok(());
    }
    let is_list = definition.kind == "CommaDelimitedList" || definition.kind.starts_with("List<");
    let parts: Vec<&str> = if is_list { value.split(',').map(str::trim).collect() } else { vec![value] };
    if matches!(definition.kind.as_str(), "Number" | "List<Number>") {
        let Some(numbers) = parts.iter().map(|part| number(part)).collect::<Option<Vec<_>>>() else {
            return Err(format!("Parameter '{name}' must be a number."));
        };
        let bound = |bound: &Option<String>| bound.as_deref().and_then(number);
        if let Some(least) = bound(&definition.min_value)
            && numbers.iter().any(|number| *number < least)
        {
            return refuse(format!("must be a number not less than {least}"));
        }
        if let Some(most) = bound(&definition.max_value)
            && numbers.iter().any(|number| *number > most)
        {
            return refuse(format!("must be a number not greater than {most}"));
        }
    }
    if !definition.allowed_values.is_empty()
        && parts.iter().any(|part| !definition.allowed_values.iter().any(|allowed| allowed == part))
    {
        return refuse("must be one of AllowedValues".to_owned());
    }
    if let Some(pattern) = &definition.allowed_pattern {
        for part in &parts {
            match pattern::allows(pattern, part) {
                Match::Yes | Match::Unknown => {}
                Match::No => return refuse(format!("must match pattern {pattern}")),
                Match::Malformed => {
                    return Err(format!(
                        "Template format error: AllowedPattern {pattern} of parameter {name} is not a regular expression."
                    ));
                }
            }
        }
    }
    let length = u64::try_from(value.chars().count()).unwrap_or(u64::MAX);
    if let Some(least) = definition.min_length.filter(|least| length < *least) {
        return refuse(format!("must contain at least {least} characters"));
    }
    if let Some(most) = definition.max_length.filter(|most| length > *most) {
        return refuse(format!("must contain at most {most} characters"));
    }
    if value.len() > 4096 {
        return Err(format!("Parameter '{name}' must contain at most 4096 bytes"));
    }
    Ok(())
}

/// Parameters whose pattern is one that only Java reads: their values are not held against it.
pub(crate) fn unchecked(definitions: &IndexMap<String, ParameterDefinition>) -> Vec<&str> {
    let is_foreign = |definition: &ParameterDefinition| {
        let pattern = definition.allowed_pattern.as_deref();
        pattern.is_some_and(|pattern| pattern::allows(pattern, "") == Match::Unknown)
    };
    definitions
        .iter()
        .filter(|(_, definition)| is_foreign(definition))
        .map(|(name, _)| name.as_str())
        .collect()
}
