//! Whether a change of a resource replaces it, with what its template says of updates.

use super::PropertyChange;
use super::effective::EffectiveResource;
use crate::resources::{self, Replacement, Switch};
use crate::template::symbolic::Term;

/// What a difference does to a resource: whatever is inside a value that comes or goes counts.
pub(super) fn replacement(
    resource: &EffectiveResource,
    names: &[&str],
    values: &[Option<&Term>],
) -> Replacement {
    let inside = values.iter().flatten().flat_map(|value| match value {
        Term::Map(entries) if !entries.is_empty() => entries
            .iter()
            .map(|(name, value)| {
                let names: Vec<&str> = names.iter().copied().chain([name.as_str()]).collect();
                replacement(resource, &names, &[Some(value)])
            })
            .collect(),
        Term::List(items) if !items.is_empty() => {
            items.iter().map(|item| replacement(resource, names, &[Some(item)])).collect()
        }
        _ => vec![at(resource, names)],
    });
    inside.max().unwrap_or_else(|| at(resource, names))
}

/// What a change at a path does.
fn at(resource: &EffectiveResource, names: &[&str]) -> Replacement {
    match resources::switch(&resource.kind, names) {
        Some(switch) => settled(switch, resource.attributes.get("UpdatePolicy")),
        None => resources::replacement(&resource.kind, names),
    }
}

/// What the `UpdatePolicy` of the new template makes of it.
fn settled(switch: &Switch, policy: Option<&Term>) -> Replacement {
    let mut value = policy;
    for name in switch.key {
        value = match value {
            None => None,
            Some(Term::Map(entries)) => entries.get(*name),
            Some(_) => return Replacement::May,
        };
    }
    match value.map(Term::as_text) {
        Some(Some("true")) => switch.on,
        None | Some(Some("false")) => switch.off,
        Some(_) => Replacement::May,
    }
}

/// What the changed tags of a stack do to a resource whose tags can only be set at creation.
pub(super) fn replaced_by_tags(resource_type: &str) -> Option<PropertyChange> {
    let (property, _) = resources::tags_property(resource_type)?;
    let replaces = resources::replacement(resource_type, &[property]) == Replacement::Will;
    replaces.then(|| PropertyChange {
        path: property.to_owned(),
        before: None,
        after: None,
        replacement: Replacement::May,
        because: Some("the tags of the stack change".to_owned()),
    })
}
