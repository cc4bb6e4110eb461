//! The resources and outputs of a stack with conditions, mappings and parameters filled in.

use std::collections::BTreeMap;

use serde_json::Value;

use super::parameters::{Given, deployed_text};
use crate::provider::{Place, StackState};
use crate::secrets::HIDDEN;
use crate::template::Template;
use crate::template::symbolic::{Argument, Doubt, Surroundings, Symbols, Term, Truth};

/// Attributes of a resource beside its properties that a plan compares.
pub(super) const ATTRIBUTES: [&str; 7] = [
    "CreationPolicy",
    "DeletionPolicy",
    "DependsOn",
    "Metadata",
    "Type",
    "UpdatePolicy",
    "UpdateReplacePolicy",
];

/// A template with values in it.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Effective {
    /// Resources that are there, or may be, by logical id.
    pub(super) resources: BTreeMap<String, EffectiveResource>,
    /// Outputs that are there, or may be, by name.
    pub(super) outputs: BTreeMap<String, EffectiveOutput>,
    /// Macros decide what becomes of it.
    pub(super) has_macros: bool,
}

/// A resource with values in it.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct EffectiveResource {
    /// Its type.
    pub(super) kind: String,
    /// Whether it is there.
    pub(super) wanted: Truth,
    /// Its properties.
    pub(super) properties: Term,
    /// Other attributes, by name.
    pub(super) attributes: BTreeMap<&'static str, Term>,
}

/// An output with values in it.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct EffectiveOutput {
    /// Whether it is there.
    pub(super) wanted: Truth,
    /// Its value.
    pub(super) value: Term,
    /// The name of its export.
    pub(super) export: Option<Term>,
}

/// Evaluates a template.
pub(super) fn effective(
    template: &Template,
    arguments: &BTreeMap<String, Argument>,
    surroundings: Surroundings<'_>,
) -> Effective {
    let symbols = Symbols::new(template, arguments, surroundings);
    let section = |name: &str| template.content.get(name).and_then(Value::as_object).into_iter().flatten();
    let empty = || Term::Map(BTreeMap::new());
    let mut found = Effective { has_macros: template.has_macros(), ..Effective::default() };
    for (id, entry) in section("Resources") {
        let Some(kind) = entry.get("Type").and_then(Value::as_str) else {
            // `Fn::Transform`, `Fn::ForEach::...`: a macro makes resources of it.
            found.has_macros = true;
            continue;
        };
        let wanted = symbols.is_wanted(entry);
        if wanted == Truth::False {
            continue;
        }
        let properties = entry.get("Properties").and_then(|value| symbols.value(value)).unwrap_or_else(empty);
        let attributes =
            ATTRIBUTES.iter().filter_map(|name| Some((*name, symbols.value(entry.get(*name)?)?))).collect();
        let resource = EffectiveResource { kind: kind.to_owned(), wanted, properties, attributes };
        found.resources.insert(id.clone(), resource);
    }
    for (name, entry) in section("Outputs") {
        let wanted = symbols.is_wanted(entry);
        if wanted == Truth::False || name.starts_with("Fn::") {
            continue;
        }
        let value = entry.get("Value").and_then(|value| symbols.value(value)).unwrap_or_else(empty);
        let export = entry.get("Export").and_then(|export| symbols.value(export.get("Name")?));
        found.outputs.insert(name.clone(), EffectiveOutput { wanted, value, export });
    }
    found
}

/// What pseudo parameters give in a stack.
pub(crate) fn surroundings<'a>(
    place: &'a Place,
    stack_name: &'a str,
    live: Option<&'a StackState>,
) -> Surroundings<'a> {
    Surroundings {
        account: &place.account,
        region: &place.region,
        stack_name,
        stack_id: live.map(|stack| stack.id.as_str()),
    }
}

/// The parameters of a deployed stack. `secrets` tells which of them a plan must not show.
pub(super) fn deployed_arguments(
    template: &Template,
    live: &StackState,
    secret: impl Fn(&str, &str) -> bool,
) -> BTreeMap<String, Argument> {
    let argument = |(name, text): (&String, &String)| {
        let declared = template.parameters.get(name)?;
        let secret = declared.no_echo || text == HIDDEN || secret(name, text);
        Some((name.clone(), Argument::Text { text: deployed_text(&declared.kind, text), secret }))
    };
    live.parameters.iter().filter_map(argument).collect()
}

/// The parameters that a step gives its stack.
pub(super) fn given_arguments(
    template: &Template,
    live: Option<&StackState>,
    given: &[(String, Given)],
    secret: impl Fn(&str, &str) -> bool,
) -> BTreeMap<String, Argument> {
    let before = |name: &str| live.and_then(|stack| stack.parameters.get(name));
    let argument = |(name, value): &(String, Given)| {
        let declared = template.parameters.get(name)?;
        let argument = match value {
            // Whether a hidden value changes cannot be told.
            Given::Value { .. } if before(name).is_some_and(|text| text == HIDDEN) => {
                Argument::Unknown { doubts: [Doubt::Hidden(name.clone())].into(), secret: true }
            }
            Given::Value { text, secret: hidden } => Argument::Text {
                // The spelling of the deployed value where both mean the same.
                text: match before(name) {
                    Some(old) if super::parameters::same_value(&declared.kind, old, text) => {
                        deployed_text(&declared.kind, old)
                    }
                    _ => text.clone(),
                },
                secret: *hidden || declared.no_echo || secret(name, text),
            },
            Given::Previous => {
                let text = before(name)?;
                let secret = declared.no_echo || text == HIDDEN || secret(name, text);
                Argument::Text { text: deployed_text(&declared.kind, text), secret }
            }
            Given::Unknown { after, secret } => Argument::Unknown {
                doubts: if after.is_empty() {
                    [Doubt::Read(format!("parameter {name}"))].into()
                } else {
                    after.iter().cloned().map(Doubt::After).collect()
                },
                secret: *secret || declared.no_echo,
            },
        };
        Some((name.clone(), argument))
    };
    given.iter().filter_map(argument).collect()
}
