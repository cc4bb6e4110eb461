//! Intrinsic functions: from a value in a template to plain JSON.

use std::collections::{BTreeMap, BTreeSet};

use runway_core::provider::Place;
use serde_json::{Map, Value};

use crate::catalogue;
use crate::state::Resource;
use crate::template::{Checked, attribute_of, placeholders, single, substitution};

/// Why a value could not be computed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Failure {
    /// The template is wrong whatever exists: CloudFormation refuses the request.
    Template(String),
    /// Something does not exist: the stack rolls back.
    Missing(String),
}

type Result<T> = std::result::Result<T, Failure>;

fn template_error<T>(message: impl Into<String>) -> Result<T> {
    Err(Failure::Template(format!("Template error: {}", message.into())))
}

/// Everything a function may look at.
pub(crate) struct Scope<'a> {
    pub template: &'a Checked,
    pub parameters: &'a BTreeMap<String, String>,
    pub resources: &'a BTreeMap<String, Resource>,
    /// What the conditions judged so far came to.
    pub conditions: &'a BTreeMap<String, bool>,
    pub exports: &'a BTreeMap<String, String>,
    pub place: &'a Place,
    pub stack_name: &'a str,
    pub stack_id: &'a str,
}

impl Scope<'_> {
    /// Resolves a value; `None` is `AWS::NoValue`, which takes its place out of the surrounding list or map.
    pub(crate) fn resolve(&self, value: &Value) -> Result<Option<Value>> {
        match value {
            Value::Array(values) => {
                let values: Result<Vec<_>> =
                    values.iter().filter_map(|value| self.resolve(value).transpose()).collect();
                Ok(Some(Value::Array(values?)))
            }
            Value::Object(map) => {
                if let Some((function, argument)) = single(map)
                    && (function == "Ref" || function.starts_with("Fn::"))
                {
                    return self.call(function, argument);
                }
                let mut resolved = Map::new();
                for (key, value) in map {
                    if let Some(value) = self.resolve(value)? {
                        resolved.insert(key.clone(), value);
                    }
                }
                Ok(Some(Value::Object(resolved)))
            }
            scalar => Ok(Some(scalar.clone())),
        }
    }

    /// Resolves a value that has to be text in the end.
    pub(crate) fn text(&self, value: &Value, function: &str) -> Result<String> {
        match self.resolve(value)? {
            Some(Value::String(text)) => Ok(text),
            Some(Value::Number(number)) => Ok(number.to_string()),
            Some(Value::Bool(flag)) => Ok(flag.to_string()),
            _ => template_error(format!("every {function} object must have a String value.")),
        }
    }

    /// Export names the template asks for in what is really used.
    pub(crate) fn imports(&self, value: &Value, names: &mut BTreeSet<String>) -> Result<()> {
        match value {
            Value::Array(values) => values.iter().try_for_each(|value| self.imports(value, names)),
            Value::Object(map) => {
                match single(map) {
                    Some(("Fn::ImportValue", argument)) => {
                        names.insert(self.text(argument, "Fn::ImportValue")?);
                    }
                    Some(("Fn::If", Value::Array(arguments))) if arguments.len() == 3 => {
                        let branch = usize::from(!self.condition_named(&arguments[0])?) + 1;
                        return self.imports(&arguments[branch], names);
                    }
                    _ => {}
                }
                map.values().try_for_each(|value| self.imports(value, names))
            }
            _ => Ok(()),
        }
    }

    /// Whether an entry with a `Condition` of its own is wanted.
    pub(crate) fn is_wanted(&self, entry: &Value) -> Result<bool> {
        entry.get("Condition").map_or(Ok(true), |name| self.condition_named(name))
    }

    fn call(&self, function: &str, argument: &Value) -> Result<Option<Value>> {
        let value = match function {
            "Ref" => return self.reference(argument.as_str().unwrap_or_default()),
            "Fn::GetAtt" => self.attribute(argument)?,
            "Fn::Sub" => Value::String(self.substitute(argument)?),
            "Fn::Join" => {
                let (delimiter, values) = self.pair(JOIN, argument)?;
                let values = self.list(JOIN, values)?;
                let texts: Result<Vec<_>> = values.iter().map(|value| self.text(value, function)).collect();
                Value::String(texts?.join(&self.text(delimiter, function)?))
            }
            "Fn::Split" => {
                let (delimiter, text) = self.pair(SPLIT, argument)?;
                let (delimiter, text) = (self.text(delimiter, function)?, self.text(text, function)?);
                if delimiter.is_empty() {
                    return template_error("every Fn::Split object requires a non-empty delimiter.");
                }
                text.split(&delimiter).map(Value::from).collect()
            }
            "Fn::Select" => {
                let (index, values) = self.pair(SELECT, argument)?;
                let index = self.text(index, function)?;
                let values = self.list(SELECT, values)?;
                let found = index.parse::<usize>().ok().and_then(|index| values.get(index).cloned());
                match found {
                    Some(value) => value,
                    None => {
                        return template_error(format!(
                            "Fn::Select cannot select nonexistent value at index {index}"
                        ));
                    }
                }
            }
            "Fn::If" => {
                let Some([condition, yes, no]) = argument.as_array().map(Vec::as_slice) else {
                    return template_error("Fn::If requires a list argument with three elements");
                };
                return self.resolve(if self.condition_named(condition)? { yes } else { no });
            }
            "Fn::FindInMap" => self.find_in_map(argument)?,
            "Fn::ImportValue" => {
                let name = self.text(argument, function)?;
                match self.exports.get(&name) {
                    Some(value) => Value::String(value.clone()),
                    None => return Err(Failure::Missing(format!("No export named {name} found. "))),
                }
            }
            "Fn::Base64" => Value::String(base64(self.text(argument, function)?.as_bytes())),
            "Fn::GetAZs" => {
                let region = self.text(argument, function)?;
                let region = if region.is_empty() { self.place.region.clone() } else { region };
                ["a", "b", "c"].iter().map(|zone| Value::from(format!("{region}{zone}"))).collect()
            }
            "Fn::Cidr" => self.cidr(argument)?,
            "Fn::Length" => Value::from(self.list(LENGTH, argument)?.len()),
            "Fn::ToJsonString" => Value::String(self.resolve(argument)?.unwrap_or_default().to_string()),
            "Fn::Equals" | "Fn::And" | "Fn::Or" | "Fn::Not" => {
                return Err(Failure::Template(format!(
                    "Template validation error: {function} can only be used in the Conditions section"
                )));
            }
            other => {
                return template_error(format!(
                    "the function {other} is not simulated by the local provider."
                ));
            }
        };
        Ok(Some(value))
    }

    fn reference(&self, name: &str) -> Result<Option<Value>> {
        let text = match name {
            "AWS::NoValue" => return Ok(None),
            "AWS::NotificationARNs" => return Ok(Some(Value::Array(Vec::new()))),
            "AWS::AccountId" => self.place.account.clone(),
            "AWS::Region" => self.place.region.clone(),
            "AWS::Partition" => partition(&self.place.region).to_owned(),
            "AWS::URLSuffix" => url_suffix(&self.place.region).to_owned(),
            "AWS::StackId" => self.stack_id.to_owned(),
            "AWS::StackName" => self.stack_name.to_owned(),
            _ => {
                if let Some(value) = self.parameters.get(name) {
                    let kind = self
                        .template
                        .template
                        .parameters
                        .get(name)
                        .map_or("String", |definition| &definition.kind);
                    return Ok(Some(parameter_value(kind, value)));
                }
                self.resource(name)?.physical_id.clone()
            }
        };
        Ok(Some(Value::String(text)))
    }

    fn resource(&self, id: &str) -> Result<&Resource> {
        self.resources.get(id).ok_or_else(|| {
            Failure::Template(format!(
                "Template format error: Unresolved resource dependencies [{id}] in the Resources block of the template"
            ))
        })
    }

    fn attribute(&self, argument: &Value) -> Result<Value> {
        let Some((id, attribute)) = attribute_of(argument) else {
            return template_error(
                "every Fn::GetAtt object requires two non-empty parameters, the resource name and the attribute name",
            );
        };
        let attribute = self.text(&attribute, "Fn::GetAtt")?;
        if self.template.entry("Resources", &id).is_none() {
            return template_error(format!("instance of Fn::GetAtt references undefined resource {id}"));
        }
        Ok(catalogue::attribute(self.resource(&id)?, &attribute, self.place))
    }

    fn substitute(&self, argument: &Value) -> Result<String> {
        let (text, own) = substitution(argument);
        let mut values = BTreeMap::new();
        for name in placeholders(text) {
            let value = match own.and_then(|own| own.get(name)) {
                Some(value) => self.text(value, "Fn::Sub")?,
                None if name.contains('.') => {
                    let value = self.attribute(&Value::String(name.to_owned()))?;
                    self.text(&value, "Fn::Sub")?
                }
                None => match self.reference(name)? {
                    Some(Value::String(text)) => text,
                    Some(Value::Array(values)) => {
                        values.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(",")
                    }
                    _ => return template_error("Fn::Sub expression does not resolve to a string"),
                },
            };
            values.insert(name, value);
        }
        let mut parts = text.split("${");
        let mut result = parts.next().unwrap_or_default().to_owned();
        for part in parts {
            match part.split_once('}') {
                Some((name, rest)) if name.starts_with('!') => {
                    result.push_str(&format!("${{{}}}{rest}", &name[1..]));
                }
                Some((name, rest)) => {
                    result.push_str(values.get(name).map_or("", String::as_str));
                    result.push_str(rest);
                }
                None => return template_error("every Fn::Sub placeholder needs a closing brace"),
            }
        }
        Ok(result)
    }

    fn find_in_map(&self, argument: &Value) -> Result<Value> {
        let parts = argument.as_array().map(Vec::as_slice).unwrap_or_default();
        let [map, first, second, rest @ ..] = parts else {
            return template_error(
                "every Fn::FindInMap object requires three parameters, the map name, map key and the attribute for return value",
            );
        };
        let [map, first, second] = [map, first, second].map(|part| self.text(part, "Fn::FindInMap"));
        let (map, first, second) = (map?, first?, second?);
        let found =
            self.template.entry("Mappings", &map).and_then(|map| map.get(&first)?.get(&second)).cloned();
        match (found, rest.first().and_then(|options| options.get("DefaultValue"))) {
            (Some(value), _) => Ok(value),
            (None, Some(default)) => Ok(self.resolve(default)?.unwrap_or_default()),
            (None, None) => template_error(format!("Unable to get mapping for {map}::{first}::{second}")),
        }
    }

    fn cidr(&self, argument: &Value) -> Result<Value> {
        let parts = argument.as_array().map(Vec::as_slice).unwrap_or_default();
        let number = |index: usize| -> Result<Option<u32>> {
            let Some(part) = parts.get(index) else { return Ok(None) };
            Ok(self.text(part, "Fn::Cidr")?.parse().ok())
        };
        let block = parts.first().map_or(Ok(String::new()), |block| self.text(block, "Fn::Cidr"))?;
        let count = number(1)?.unwrap_or(0);
        let bits = if parts.len() > 2 { number(2)? } else { Some(8) };
        let blocks = bits.and_then(|bits| subnets(&block, count, bits));
        match blocks {
            Some(blocks) => Ok(blocks.into_iter().map(Value::from).collect()),
            None => template_error(format!("Fn::Cidr cannot divide {block} into {count} blocks")),
        }
    }

    fn pair<'v>(&self, words: &str, argument: &'v Value) -> Result<(&'v Value, &'v Value)> {
        match argument.as_array().map(Vec::as_slice) {
            Some([first, second]) => Ok((first, second)),
            _ => template_error(words),
        }
    }

    fn list(&self, words: &str, value: &Value) -> Result<Vec<Value>> {
        match self.resolve(value)? {
            Some(Value::Array(values)) => Ok(values),
            _ => template_error(words),
        }
    }

    fn condition_named(&self, name: &Value) -> Result<bool> {
        let name = name.as_str().unwrap_or_default();
        match self.conditions.get(name) {
            Some(value) => Ok(*value),
            None => template_error(format!("Unresolved condition dependency {name}")),
        }
    }

    /// Judges a condition; those it refers to must have been judged.
    pub(crate) fn condition(&self, value: &Value) -> Result<bool> {
        let parts = |value: &Value| -> Result<Vec<bool>> {
            value.as_array().into_iter().flatten().map(|part| self.condition(part)).collect()
        };
        match value.as_object().and_then(single) {
            Some(("Condition", name)) => self.condition_named(name),
            Some(("Fn::Equals", argument)) => {
                let (first, second) = self.pair(EQUALS, argument)?;
                Ok(self.comparable(first)? == self.comparable(second)?)
            }
            Some(("Fn::Not", argument)) => Ok(!parts(argument)?.first().copied().unwrap_or_default()),
            Some(("Fn::And", argument)) => Ok(parts(argument)?.iter().all(|value| *value)),
            Some(("Fn::Or", argument)) => Ok(parts(argument)?.contains(&true)),
            _ => template_error("every Condition member must be a boolean function."),
        }
    }

    /// Conditions compare texts: `true` equals `"true"`.
    fn comparable(&self, value: &Value) -> Result<Value> {
        Ok(match self.resolve(value)?.unwrap_or_default() {
            Value::Number(number) => Value::String(number.to_string()),
            Value::Bool(flag) => Value::String(flag.to_string()),
            other => other,
        })
    }
}

/// CloudFormation's words for arguments of the wrong form.
const JOIN: &str = "every Fn::Join object requires two parameters, (1) a string delimiter and (2) a list of strings to \
     be joined or a function that returns a list of strings (such as Fn::GetAZs) to be joined.";
const SPLIT: &str = "every Fn::Split object requires two parameters, (1) a string delimiter and (2) a string to be \
     split or a function that returns a string to be split.";
const SELECT: &str = "Fn::Select requires a list argument with two elements: an integer index and a list";
const EQUALS: &str = "Fn::Equals requires a list argument with two elements";
const LENGTH: &str = "Fn::Length requires a list or a function that returns a list";

/// What `Ref` of a parameter gives: a list for list types, else the text.
fn parameter_value(kind: &str, value: &str) -> Value {
    if kind == "CommaDelimitedList" || kind.starts_with("List<") || kind.contains("<List<") {
        return value.split(',').map(|part| Value::from(part.trim())).collect();
    }
    Value::String(value.to_owned())
}

/// The partition of a region.
pub(crate) fn partition(region: &str) -> &'static str {
    match region {
        region if region.starts_with("cn-") => "aws-cn",
        region if region.starts_with("us-gov-") => "aws-us-gov",
        _ => "aws",
    }
}

fn url_suffix(region: &str) -> &'static str {
    if region.starts_with("cn-") { "amazonaws.com.cn" } else { "amazonaws.com" }
}

fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let word =
            chunk.iter().fold(0u32, |word, byte| word << 8 | u32::from(*byte)) << (8 * (3 - chunk.len()));
        for at in 0..4 {
            let letter = LETTERS[(word >> (18 - 6 * at) & 63) as usize];
            text.push(if at <= chunk.len() { char::from(letter) } else { '=' });
        }
    }
    text
}

/// The first `count` IPv4 blocks with `bits` host bits inside `block`.
fn subnets(block: &str, count: u32, bits: u32) -> Option<Vec<String>> {
    let (address, length) = block.split_once('/')?;
    let (address, length) = (address.parse::<std::net::Ipv4Addr>().ok()?, length.parse::<u32>().ok()?);
    let prefix = 32u32.checked_sub(bits)?;
    let available = 1u64.checked_shl(prefix.checked_sub(length)?)?;
    if count == 0 || count > 256 || u64::from(count) > available {
        return None;
    }
    let base = u64::from(address.to_bits());
    let blocks = (0..u64::from(count)).map(|index| {
        let address = u32::try_from(base + (index << bits)).ok()?;
        Some(format!("{}/{prefix}", std::net::Ipv4Addr::from_bits(address)))
    });
    blocks.collect()
}
