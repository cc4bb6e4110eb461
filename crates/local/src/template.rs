//! A template as CloudFormation checks it before it does anything: sections, references, cycles, limits.

use std::collections::{BTreeMap, BTreeSet};

use runway_core::template::{ParameterDefinition, Template};
use serde_json::{Map, Value};

mod conditions;

/// Quotas of a template (AWS: CloudFormation quotas).
const MAX_RESOURCES: usize = 500;
const MAX_PARAMETERS: usize = 200;
const MAX_OUTPUTS: usize = 200;
const MAX_MAPPINGS: usize = 200;

const SECTIONS: [&str; 10] = [
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
];

const PSEUDO_PARAMETERS: [&str; 8] = [
    "AWS::AccountId",
    "AWS::NotificationARNs",
    "AWS::NoValue",
    "AWS::Partition",
    "AWS::Region",
    "AWS::StackId",
    "AWS::StackName",
    "AWS::URLSuffix",
];

/// A template that passed the checks.
#[derive(Debug, Clone)]
pub(crate) struct Checked {
    pub template: Template,
    /// Names of the conditions, each after those it refers to.
    pub conditions: Vec<String>,
}

impl Checked {
    /// Parses and checks a template.
    ///
    /// # Errors
    /// CloudFormation's words for the first thing that is wrong.
    pub(crate) fn parse(body: &str) -> Result<Self, String> {
        let template = parse(body)?;
        let mut checked = Self { template, conditions: Vec::new() };
        checked.check_sections()?;
        checked.conditions = conditions::order(checked.section("Conditions"))?;
        checked.check_resources()?;
        checked.check_references()?;
        checked.check_cycles()?;
        Ok(checked)
    }

    /// A top-level section, empty if absent.
    pub(crate) fn section(&self, name: &str) -> impl Iterator<Item = (&String, &Value)> {
        self.template.content.get(name).and_then(Value::as_object).into_iter().flatten()
    }

    /// One entry of a section.
    pub(crate) fn entry(&self, section: &str, name: &str) -> Option<&Value> {
        self.template.content.get(section)?.get(name)
    }

    /// The content without what may change without an update: top-level description and metadata.
    pub(crate) fn essence(&self) -> Value {
        let mut content = self.template.content.clone();
        if let Some(content) = content.as_object_mut() {
            content.shift_remove("Description");
            content.shift_remove("Metadata");
            content.shift_remove("AWSTemplateFormatVersion");
        }
        content
    }

    /// Whether macros would have to be expanded.
    pub(crate) fn has_transform(&self) -> bool {
        self.template.content.get("Transform").is_some()
    }

    /// Capabilities the template asks for.
    pub(crate) fn required_capabilities(&self) -> BTreeSet<&'static str> {
        let mut required = BTreeSet::new();
        for (_, resource) in self.section("Resources") {
            let kind = resource.get("Type").and_then(Value::as_str).unwrap_or_default();
            let named = match kind {
                "AWS::IAM::Role" => "RoleName",
                "AWS::IAM::User" => "UserName",
                "AWS::IAM::Group" => "GroupName",
                "AWS::IAM::ManagedPolicy" => "ManagedPolicyName",
                "AWS::IAM::InstanceProfile" => "InstanceProfileName",
                "AWS::IAM::AccessKey" | "AWS::IAM::Policy" | "AWS::IAM::UserToGroupAddition" => "",
                _ => continue,
            };
            let has_name =
                resource.get("Properties").is_some_and(|properties| properties.get(named).is_some());
            required.insert(if has_name { "CAPABILITY_NAMED_IAM" } else { "CAPABILITY_IAM" });
        }
        if self.has_transform() {
            required.insert("CAPABILITY_AUTO_EXPAND");
        }
        required
    }

    /// Logical ids each resource waits for: `DependsOn` and references.
    pub(crate) fn needs(&self) -> BTreeMap<String, BTreeSet<String>> {
        let ids: BTreeSet<&str> = self.section("Resources").map(|(id, _)| id.as_str()).collect();
        self.section("Resources")
            .map(|(id, resource)| {
                let mut names = references(resource);
                names.extend(depends_on(resource));
                names.retain(|name| ids.contains(name.as_str()));
                (id.clone(), names)
            })
            .collect()
    }

    fn check_sections(&self) -> Result<(), String> {
        let content =
            self.template.content.as_object().ok_or("Template format error: unsupported structure.")?;
        let unknown: Vec<_> =
            content.keys().map(String::as_str).filter(|key| !SECTIONS.contains(key)).collect();
        if !unknown.is_empty() {
            return Err(format!("Invalid template property or properties [{}]", unknown.join(", ")));
        }
        for section in ["Parameters", "Mappings", "Conditions", "Resources", "Outputs"] {
            if content.get(section).is_some_and(|value| !value.is_object()) {
                return Err(format!("Template format error: {section} must be an object."));
            }
        }
        let limit = |section: &str, noun: &str, limit: usize| {
            let count = self.section(section).count();
            if count > limit {
                return Err(format!(
                    "Template format error: Number of {noun}, {count}, is greater than maximum allowed, {limit}"
                ));
            }
            Ok(())
        };
        if self.section("Resources").next().is_none() {
            return Err("Template format error: At least one Resources member must be defined.".to_owned());
        }
        limit("Resources", "resources", MAX_RESOURCES)?;
        limit("Parameters", "parameters", MAX_PARAMETERS)?;
        limit("Outputs", "outputs", MAX_OUTPUTS)?;
        limit("Mappings", "mappings", MAX_MAPPINGS)
    }

    fn check_resources(&self) -> Result<(), String> {
        for section in ["Resources", "Parameters", "Outputs"] {
            let odd =
                |id: &&String| id.is_empty() || !id.chars().all(|letter| letter.is_ascii_alphanumeric());
            if let Some(id) = self.section(section).map(|(id, _)| id).find(odd) {
                let noun = section.trim_end_matches('s');
                return Err(format!("Template format error: {noun} name {id} is non alphanumeric."));
            }
        }
        if let Some((name, _)) =
            self.template.parameters.iter().find(|(_, parameter)| parameter.kind.is_empty())
        {
            return Err(format!(
                "Template format error: Every Parameters object must contain a Type member. [{name}]"
            ));
        }
        let mut unknown = Vec::new();
        for (id, resource) in self.section("Resources") {
            let Some(kind) = resource.get("Type").and_then(Value::as_str) else {
                return Err(format!(
                    "Template format error: [/Resources/{id}] Every Resources object must contain a Type member."
                ));
            };
            if resource.get("Properties").is_some_and(|properties| !properties.is_object()) {
                return Err(format!(
                    "Template format error: [/Resources/{id}] Properties must be an object."
                ));
            }
            if !is_known_type(kind) {
                unknown.push(kind);
            }
        }
        if !unknown.is_empty() {
            return Err(format!(
                "Template format error: Unrecognized resource types: [{}]",
                unknown.join(", ")
            ));
        }
        for (name, output) in self.section("Outputs") {
            if output.get("Value").is_none() {
                return Err(format!(
                    "Template format error: Output {name} is malformed. Every Outputs member must contain a Value object"
                ));
            }
        }
        Ok(())
    }

    fn check_references(&self) -> Result<(), String> {
        let names = |section| self.section(section).map(|(id, _)| id.clone()).collect::<BTreeSet<_>>();
        let (resources, parameters, conditions) =
            (names("Resources"), names("Parameters"), names("Conditions"));
        for block in ["Resources", "Outputs", "Conditions"] {
            let mut missing = BTreeSet::new();
            for (_, entry) in self.section(block) {
                let mut used = references(entry);
                used.extend(depends_on(entry));
                used.retain(|name| {
                    !parameters.contains(name)
                        && (block == "Conditions" || !resources.contains(name))
                        && !PSEUDO_PARAMETERS.contains(&name.as_str())
                });
                missing.extend(used);
            }
            if !missing.is_empty() {
                let missing: Vec<_> = missing.into_iter().collect();
                return Err(format!(
                    "Template format error: Unresolved resource dependencies [{}] in the {block} block of the template",
                    missing.join(", ")
                ));
            }
            let mut used = BTreeSet::new();
            for (_, entry) in self.section(block) {
                if let Some(name) = entry.get("Condition").and_then(Value::as_str) {
                    used.insert(name.to_owned());
                }
                condition_references(entry, &mut used);
            }
            if let Some(name) = used.iter().find(|name| !conditions.contains(*name)) {
                return Err(format!(
                    "Template format error: Unresolved condition dependency {name} in the {block} block of the template"
                ));
            }
        }
        Ok(())
    }

    fn check_cycles(&self) -> Result<(), String> {
        let mut waiting = self.needs();
        loop {
            let ready: BTreeSet<String> = waiting
                .iter()
                .filter(|(_, needs)| !needs.iter().any(|need| waiting.contains_key(need)))
                .map(|(id, _)| id.clone())
                .collect();
            if ready.is_empty() {
                break;
            }
            waiting.retain(|id, _| !ready.contains(id));
        }
        if waiting.is_empty() {
            return Ok(());
        }
        let ids: Vec<_> = waiting.into_keys().collect();
        Err(format!("Circular dependency between resources: [{}]", ids.join(", ")))
    }
}

/// `AWS::Service::Type`, a third party's `Company::Service::Type`, or `Custom::Anything`.
fn is_known_type(kind: &str) -> bool {
    let parts: Vec<_> = kind.split("::").collect();
    match parts.as_slice() {
        ["Custom", name] => !name.is_empty(),
        [a, b, c] | [a, b, c, "MODULE"] => [a, b, c].iter().all(|part| !part.is_empty()),
        _ => false,
    }
}

fn depends_on(resource: &Value) -> BTreeSet<String> {
    match resource.get("DependsOn") {
        Some(Value::String(name)) => BTreeSet::from([name.clone()]),
        Some(Value::Array(names)) => names.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
        _ => BTreeSet::new(),
    }
}

/// Names of parameters and resources that `value` uses through `Ref`, `Fn::GetAtt` and `Fn::Sub`.
pub(crate) fn references(value: &Value) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    collect(value, &mut names);
    names
}

fn collect(value: &Value, names: &mut BTreeSet<String>) {
    match value {
        Value::Array(values) => values.iter().for_each(|value| collect(value, names)),
        Value::Object(map) => {
            if let Some((function, argument)) = single(map) {
                match (function, argument) {
                    ("Ref", Value::String(name)) => {
                        names.insert(name.clone());
                    }
                    ("Fn::GetAtt", argument) => names.extend(attribute_of(argument).map(|(name, _)| name)),
                    ("Fn::Sub", argument) => {
                        let (text, own) = substitution(argument);
                        let own = own.map(|own| own.keys().map(String::as_str).collect::<BTreeSet<_>>());
                        let own = own.unwrap_or_default();
                        for name in placeholders(text).filter(|name| !own.contains(name)) {
                            names.insert(name.split('.').next().unwrap_or(name).to_owned());
                        }
                    }
                    _ => {}
                }
            }
            map.values().for_each(|value| collect(value, names));
        }
        _ => {}
    }
}

fn condition_references(value: &Value, names: &mut BTreeSet<String>) {
    match value {
        Value::Array(values) => values.iter().for_each(|value| condition_references(value, names)),
        Value::Object(map) => {
            match single(map) {
                Some(("Condition", Value::String(name))) => {
                    names.insert(name.clone());
                }
                Some(("Fn::If", Value::Array(arguments))) => {
                    names.extend(arguments.first().and_then(Value::as_str).map(str::to_owned));
                }
                _ => {}
            }
            map.values().for_each(|value| condition_references(value, names));
        }
        _ => {}
    }
}

/// The only entry of a map: every function call is one.
pub(crate) fn single(map: &Map<String, Value>) -> Option<(&str, &Value)> {
    let mut entries = map.iter();
    let (key, value) = entries.next()?;
    entries.next().is_none().then_some((key.as_str(), value))
}

/// Resource and attribute of a `Fn::GetAtt`, in either form.
pub(crate) fn attribute_of(argument: &Value) -> Option<(String, Value)> {
    match argument {
        Value::String(text) => {
            let (resource, attribute) = text.split_once('.')?;
            Some((resource.to_owned(), Value::String(attribute.to_owned())))
        }
        Value::Array(parts) => match parts.as_slice() {
            [Value::String(resource), attribute] => Some((resource.clone(), attribute.clone())),
            [Value::String(resource), rest @ ..] if rest.len() > 1 => {
                let rest: Option<Vec<_>> = rest.iter().map(Value::as_str).collect();
                Some((resource.clone(), Value::String(rest?.join("."))))
            }
            _ => None,
        },
        _ => None,
    }
}

/// Text and own variables of a `Fn::Sub`, in either form.
pub(crate) fn substitution(argument: &Value) -> (&str, Option<&Map<String, Value>>) {
    match argument {
        Value::String(text) => (text, None),
        Value::Array(parts) => (
            parts.first().and_then(Value::as_str).unwrap_or_default(),
            parts.get(1).and_then(Value::as_object),
        ),
        _ => ("", None),
    }
}

/// Names between `${` and `}`, literal `${!...}` left out.
pub(crate) fn placeholders(text: &str) -> impl Iterator<Item = &str> {
    text.split("${")
        .skip(1)
        .filter_map(|rest| rest.split_once('}'))
        .map(|(name, _)| name.trim())
        .filter(|name| !name.starts_with('!'))
}

/// Parses a template: JSON as it is, anything else as YAML.
fn parse(body: &str) -> Result<Template, String> {
    let Ok(content) = serde_json::from_str::<Value>(body) else {
        return Template::parse("template", body).map_err(|findings| {
            let first = findings.iter().find(|finding| !finding.is_warning()).map(ToString::to_string);
            format!("Template format error: {}", first.unwrap_or_else(|| "unsupported structure.".to_owned()))
        });
    };
    let parameters = content.get("Parameters").and_then(Value::as_object).into_iter().flatten();
    let parameters = parameters.map(|(name, value)| (name.clone(), definition(value))).collect();
    Ok(Template { path: "template".to_owned(), body: body.to_owned(), content, parameters })
}

/// The definition of a parameter; numbers and booleans count as their text.
fn definition(value: &Value) -> ParameterDefinition {
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let optional = |name: &str| value.get(name).map(text);
    let allowed = value.get("AllowedValues").and_then(Value::as_array).into_iter().flatten();
    ParameterDefinition {
        kind: optional("Type").unwrap_or_default(),
        default: optional("Default"),
        no_echo: optional("NoEcho").is_some_and(|flag| flag.eq_ignore_ascii_case("true")),
        allowed_values: allowed.map(text).collect(),
        allowed_pattern: optional("AllowedPattern"),
        min_length: optional("MinLength").and_then(|text| text.parse().ok()),
        max_length: optional("MaxLength").and_then(|text| text.parse().ok()),
        min_value: optional("MinValue"),
        max_value: optional("MaxValue"),
        constraint_description: optional("ConstraintDescription"),
    }
}
