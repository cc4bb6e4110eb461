//! The form of a template's sections and their entries.

use serde_json::{Map, Value};

use super::{Checked, single};
use crate::catalogue::types::{Standing, standing};

/// Quotas of a template (AWS: CloudFormation quotas).
const MAX_RESOURCES: usize = 500;
const MAX_PARAMETERS: usize = 200;
const MAX_OUTPUTS: usize = 200;
const MAX_MAPPINGS: usize = 200;
const MAX_DESCRIPTION: usize = 1024;
const MAX_LOGICAL_ID: usize = 255;

const SECTIONS: [&str; 11] = [
    "AWSTemplateFormatVersion",
    "Description",
    "Metadata",
    "Parameters",
    "Rules",
    "Mappings",
    "Conditions",
    "Transform",
    "Resources",
    "Outputs",
    "Hooks",
];

const RESOURCE_KEYS: [&str; 11] = [
    "Type",
    "Properties",
    "DependsOn",
    "Condition",
    "Metadata",
    "DeletionPolicy",
    "UpdateReplacePolicy",
    "CreationPolicy",
    "UpdatePolicy",
    "Description",
    "Version",
];

const PARAMETER_KEYS: [&str; 11] = [
    "Type",
    "Default",
    "NoEcho",
    "AllowedValues",
    "AllowedPattern",
    "MinLength",
    "MaxLength",
    "MinValue",
    "MaxValue",
    "Description",
    "ConstraintDescription",
];

/// Parameter types that name things in an account (AWS: "Supported AWS-specific parameter types").
const ACCOUNT_TYPES: [&str; 10] = [
    "AWS::EC2::AvailabilityZone::Name",
    "AWS::EC2::Image::Id",
    "AWS::EC2::Instance::Id",
    "AWS::EC2::KeyPair::KeyName",
    "AWS::EC2::SecurityGroup::GroupName",
    "AWS::EC2::SecurityGroup::Id",
    "AWS::EC2::Subnet::Id",
    "AWS::EC2::Volume::Id",
    "AWS::EC2::VPC::Id",
    "AWS::Route53::HostedZone::Id",
];

fn malformed<T>(words: impl AsRef<str>) -> Result<T, String> {
    Err(format!("Template format error: {}", words.as_ref()))
}

/// Checks what is at the top of a template.
pub(super) fn sections(template: &Checked) -> Result<(), String> {
    let Some(content) = template.template.content.as_object() else {
        return malformed("unsupported structure.");
    };
    let is_known = |key: &&str| SECTIONS.contains(key) || *key == "Globals" && template.is_serverless();
    let unknown: Vec<_> = content.keys().map(String::as_str).filter(|key| !is_known(key)).collect();
    if !unknown.is_empty() {
        return Err(format!("Invalid template property or properties [{}]", unknown.join(", ")));
    }
    if content.get("AWSTemplateFormatVersion").is_some_and(|version| version != "2010-09-09") {
        return malformed("unsupported value for AWSTemplateFormatVersion.");
    }
    match content.get("Description") {
        Some(Value::String(text)) if text.len() > MAX_DESCRIPTION => {
            return malformed(format!("'Description' length is greater than {MAX_DESCRIPTION}."));
        }
        Some(Value::String(_)) | None => {}
        Some(_) => return malformed("Template Description must be a string."),
    }
    nulls("", &template.template.content)?;
    for section in ["Parameters", "Mappings", "Conditions", "Resources", "Outputs"] {
        if content.get(section).is_some_and(|value| !value.is_object()) {
            return malformed(format!("{section} must be an object."));
        }
    }
    if template.section("Resources").next().is_none() {
        return malformed("At least one Resources member must be defined.");
    }
    let limits = [
        ("Resources", "resources", MAX_RESOURCES),
        ("Parameters", "parameters", MAX_PARAMETERS),
        ("Outputs", "outputs", MAX_OUTPUTS),
        ("Mappings", "mappings", MAX_MAPPINGS),
    ];
    for (section, noun, limit) in limits {
        let count = template.section(section).count();
        if count > limit {
            return malformed(format!("Number of {noun}, {count}, is greater than maximum allowed, {limit}"));
        }
    }
    Ok(())
}

/// Null is no value of a template; an empty key in YAML is null.
fn nulls(path: &str, value: &Value) -> Result<(), String> {
    match value {
        Value::Null => malformed(format!("[{path}] 'null' values are not allowed in templates")),
        Value::Array(values) => {
            values.iter().enumerate().try_for_each(|(index, value)| nulls(&format!("{path}/{index}"), value))
        }
        Value::Object(map) => map.iter().try_for_each(|(key, value)| nulls(&format!("{path}/{key}"), value)),
        _ => Ok(()),
    }
}

/// Checks the entries of all sections.
pub(super) fn entries(template: &Checked) -> Result<(), String> {
    for section in ["Resources", "Parameters", "Outputs", "Mappings", "Conditions"] {
        let noun = section.trim_end_matches('s');
        for (id, entry) in template.section(section) {
            if id.is_empty() || !id.chars().all(|letter| letter.is_ascii_alphanumeric()) {
                return malformed(format!("{noun} name {id} is non alphanumeric."));
            }
            if id.len() > MAX_LOGICAL_ID {
                return malformed(format!("{noun} name {id} is longer than {MAX_LOGICAL_ID} characters."));
            }
            let Some(entry) = entry.as_object() else {
                return malformed(format!("Every {section} member must be an object. [{id}]"));
            };
            match section {
                "Parameters" => parameter(id, entry)?,
                "Resources" => resource(template, id, entry)?,
                "Outputs" => output(id, entry)?,
                "Mappings" => mapping(entry)?,
                _ => {}
            }
        }
    }
    types(template)
}

fn odd_key<'a>(entry: &'a Map<String, Value>, known: &[&str]) -> Option<&'a String> {
    entry.keys().find(|key| !known.contains(&key.as_str()))
}

fn parameter(id: &str, entry: &Map<String, Value>) -> Result<(), String> {
    if let Some(key) = odd_key(entry, &PARAMETER_KEYS) {
        return Err(format!("Invalid template parameter property '{key}'"));
    }
    let Some(kind) = entry.get("Type").and_then(Value::as_str).filter(|kind| !kind.is_empty()) else {
        return malformed(format!("Every Parameters object must contain a Type member. [{id}]"));
    };
    if !is_parameter_type(kind) {
        return malformed(format!("Unrecognized parameter type: {kind}"));
    }
    let scalar = |value: &Value| !value.is_array() && !value.is_object();
    if entry.get("Default").is_some_and(|default| !scalar(default)) {
        return malformed("Every Default member must be a string.");
    }
    match entry.get("AllowedValues") {
        Some(Value::Array(values)) if values.iter().all(scalar) => Ok(()),
        None => Ok(()),
        Some(_) => malformed("Every AllowedValues member must be a list of strings."),
    }
}

fn is_parameter_type(kind: &str) -> bool {
    let inner = |outer: &str| kind.strip_prefix(outer)?.strip_suffix('>');
    let is_plain = |kind: &str| {
        matches!(kind, "String" | "Number" | "CommaDelimitedList" | "List<String>" | "List<Number>")
            || ACCOUNT_TYPES.contains(&kind)
            || kind
                .strip_prefix("List<")
                .and_then(|kind| kind.strip_suffix('>'))
                .is_some_and(|kind| ACCOUNT_TYPES.contains(&kind))
    };
    is_plain(kind)
        || kind == "AWS::SSM::Parameter::Name"
        || inner("AWS::SSM::Parameter::Value<").is_some_and(is_plain)
}

fn resource(template: &Checked, id: &str, entry: &Map<String, Value>) -> Result<(), String> {
    if template.entry("Parameters", id).is_some() {
        return Err(format!(
            "Template error: all resources and parameters must have unique names. Common name(s):[{id}]"
        ));
    }
    if entry.get("Type").and_then(Value::as_str).is_none() {
        return malformed(format!("[/Resources/{id}] Every Resources object must contain a Type member."));
    }
    if let Some(key) = odd_key(entry, &RESOURCE_KEYS) {
        return Err(format!("Invalid template resource property '{key}'"));
    }
    if entry.get("Properties").is_some_and(|properties| !properties.is_object()) {
        return malformed(format!("[/Resources/{id}] Properties must be an object."));
    }
    match entry.get("DependsOn") {
        None | Some(Value::String(_)) => {}
        Some(Value::Array(names)) if names.iter().all(Value::is_string) => {}
        Some(Value::Array(_)) => return malformed("Every DependsOn value must be a string."),
        Some(_) => return malformed("DependsOn must be a string or list of strings."),
    }
    if entry.get("Condition").is_some_and(|condition| !condition.is_string()) {
        return malformed(format!("Resource {id} is malformed. Every Condition member must be a string."));
    }
    let policies = [
        ("DeletionPolicy", ["Delete", "Retain", "Snapshot", "RetainExceptOnCreate"].as_slice()),
        ("UpdateReplacePolicy", &["Delete", "Retain", "Snapshot"]),
    ];
    for (attribute, known) in policies {
        let value = entry.get(attribute);
        if let Some(value) = value.filter(|value| !value.as_str().is_some_and(|text| known.contains(&text))) {
            let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            return malformed(format!("Unrecognized {attribute} {value} for resource {id}"));
        }
    }
    Ok(())
}

fn output(id: &str, entry: &Map<String, Value>) -> Result<(), String> {
    let refuse = |words: &str| malformed(format!("Output {id} is malformed. {words}"));
    if let Some(key) = odd_key(entry, &["Value", "Description", "Export", "Condition"]) {
        return Err(format!("Invalid template output property '{key}'"));
    }
    if entry.get("Value").is_none() {
        return refuse("Every Outputs member must contain a Value object");
    }
    let Some(export) = entry.get("Export") else { return Ok(()) };
    let name = export.as_object().and_then(|export| export.get("Name"));
    match name {
        Some(Value::String(name)) if is_export_name(name) => Ok(()),
        Some(Value::Object(_)) => Ok(()),
        _ => refuse(EXPORT),
    }
}

/// What is wrong with the name of an export.
pub(crate) const EXPORT: &str = "The Name field of every Export member must be specified and consist only of alphanumeric characters, colons, or \
     hyphens.";

/// Whether a text may name an export.
pub(crate) fn is_export_name(name: &str) -> bool {
    !name.is_empty()
        && name.chars().all(|letter| letter.is_ascii_alphanumeric() || matches!(letter, ':' | '-'))
}

fn mapping(entry: &Map<String, Value>) -> Result<(), String> {
    let is_scalar = |value: &Value| value.is_string() || value.is_number() || value.is_boolean();
    let is_value = |value: &Value| match value {
        Value::Array(values) => values.iter().all(is_scalar),
        other => is_scalar(other),
    };
    for (key, attributes) in entry {
        let Some(attributes) = attributes.as_object() else {
            return malformed(format!("Every Mappings member {key} must be a map"));
        };
        if single(attributes).is_some_and(|(name, _)| name == "Ref" || name.starts_with("Fn::"))
            || !attributes.values().all(is_value)
        {
            return malformed("Every Mappings attribute must be a String or a List.");
        }
    }
    Ok(())
}

/// Refuses types that do not exist.
fn types(template: &Checked) -> Result<(), String> {
    let kinds = template.section("Resources").filter_map(|(_, entry)| entry.get("Type")?.as_str());
    let is_sam = |kind: &str| template.is_serverless() && kind.starts_with("AWS::Serverless::");
    let wrong: Vec<_> = kinds.filter(|kind| !is_sam(kind) && standing(kind) == Standing::Wrong).collect();
    if wrong.is_empty() {
        return Ok(());
    }
    malformed(format!("Unrecognized resource types: [{}]", wrong.join(", ")))
}
