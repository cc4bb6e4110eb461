//! A template as CloudFormation checks it before it does anything: sections, references, cycles, limits.

use std::collections::{BTreeMap, BTreeSet};

use runway_core::template::{ParameterDefinition, Template};
use serde_json::{Map, Value};

pub(crate) mod checks;
mod conditions;
mod functions;

/// The only transform that is simulated, without its loops.
const EXTENSIONS: &str = "AWS::LanguageExtensions";
/// A transform that is taken as it is: its resources are left as the template has them.
const SAM: &str = "AWS::Serverless-2016-10-31";

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
        checks::sections(&checked)?;
        if checked.not_simulated().is_some() {
            // What the rest means is known only to what is not simulated.
            return Ok(checked);
        }
        checks::entries(&checked)?;
        checked.conditions = conditions::order(checked.section("Conditions"))?;
        for section in ["Conditions", "Resources", "Outputs"] {
            checked.section(section).try_for_each(|(_, entry)| functions::check(&checked, entry))?;
        }
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

    /// Names of the transforms.
    fn transforms(&self) -> Vec<&str> {
        match self.template.content.get("Transform") {
            Some(Value::Array(names)) => names.iter().map(|name| name.as_str().unwrap_or("?")).collect(),
            Some(name) => vec![name.as_str().unwrap_or("?")],
            None => Vec::new(),
        }
    }

    /// Whether the template may have what only SAM knows.
    fn is_serverless(&self) -> bool {
        self.transforms().contains(&SAM)
    }

    /// The first transform that nobody knows.
    fn unknown_transform(&self) -> Option<&str> {
        self.transforms().into_iter().find(|name| ![EXTENSIONS, SAM].contains(name))
    }

    /// Why a change set with this template fails, or `None` if it does not: a macro has to be deployed before it is
    /// used, and here none ever is.
    pub(crate) fn failure_of_transform(&self) -> Option<String> {
        self.unknown_transform().map(|name| format!("No transform named {name} found."))
    }

    /// Whether the functions of `AWS::LanguageExtensions` may be called.
    fn has_extensions(&self) -> bool {
        self.transforms().contains(&EXTENSIONS)
    }

    /// Why the template is beyond a simulation, or `None` if it is not.
    pub(crate) fn not_simulated(&self) -> Option<String> {
        let refuse = |what: &str| Some(format!("{what} is not simulated by the local provider"));
        if let Some(other) = self.unknown_transform() {
            return refuse(&format!("the transform {other}"));
        }
        for section in ["Rules", "Hooks"] {
            if self.template.content.get(section).is_some() {
                return refuse(&format!("the section {section}"));
            }
        }
        has_loop(&self.template.content).then(|| refuse("the function Fn::ForEach")).flatten()
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
        if !self.transforms().is_empty() {
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

    fn check_references(&self) -> Result<(), String> {
        let names = |section| self.section(section).map(|(id, _)| id.clone()).collect::<BTreeSet<_>>();
        let (resources, parameters, conditions) =
            (names("Resources"), names("Parameters"), names("Conditions"));
        for block in ["Resources", "Outputs", "Conditions"] {
            let mut missing = BTreeSet::new();
            for (_, entry) in self.section(block) {
                missing.extend(depends_on(entry).into_iter().filter(|name| !resources.contains(name)));
                let mut used = references(entry);
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

/// Whether a key somewhere is a `Fn::ForEach::Name`.
fn has_loop(value: &Value) -> bool {
    match value {
        Value::Array(values) => values.iter().any(has_loop),
        Value::Object(map) => {
            map.iter().any(|(key, value)| key.starts_with("Fn::ForEach") || has_loop(value))
        }
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
