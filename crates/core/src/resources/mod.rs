//! What CloudFormation does to a resource when it is changed or removed: replacement, and the data that goes with it.
//!
//! Everything here is a pure look-up. The properties that can only be set at creation come from the resource providers'
//! schemas ([`types`], generated), corrected by hand where AWS's property documentation says otherwise ([`overrides`]);
//! the types that hold data are a catalogue of our own ([`data`]). Where neither knows, the answer is the careful one:
//! [`Replacement::May`], and `false` for what would have to be known to be stable.

mod attributes;
mod data;
mod overrides;
mod types;

#[cfg(test)]
mod tests;

use serde::{Deserialize, Serialize};
use serde_json::Value;

pub use attributes::{attribute_is_stable, reference_is_stable};
pub use data::{Data, DataFate, Fate, data, fate_when_removed, fate_when_replaced};
pub use types::{is_known, source, tags_property};

/// Whether a change makes CloudFormation create another physical resource and delete the old one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum Replacement {
    /// The resource is updated in place.
    #[default]
    Never,
    /// It depends on values, or is not known.
    May,
    /// The resource is replaced.
    Will,
}

/// What a change of one property does to a resource of the type `resource_type`.
///
/// `path` are the names of properties from the outside in, without the indices of lists: `["VpcConfig", "SubnetIds"]`.
/// A change at or below a property that can only be set at creation replaces the resource. A change above one *may*:
/// whether the inner property differs is not visible from the path; [`replacement_between`] looks at the values.
#[must_use]
pub fn replacement(resource_type: &str, path: &[impl AsRef<str>]) -> Replacement {
    let path: Vec<&str> = path.iter().map(AsRef::as_ref).collect();
    if let Some(decided) = overrides::replacement(resource_type, &path) {
        return decided;
    }
    if let Some(base) = overrides::serverless(resource_type) {
        return serverless_replacement(base, &path);
    }
    types::replacement(resource_type, &path)
}

/// What changing a property from one value to another does; `None` is a property that is not there.
///
/// Objects are compared property by property, so that a whole object that is added, removed or exchanged counts for
/// exactly what differs in it. Lists count as one value below the property that holds them. Equal values change nothing.
#[must_use]
pub fn replacement_between(
    resource_type: &str,
    path: &[impl AsRef<str>],
    before: Option<&Value>,
    after: Option<&Value>,
) -> Replacement {
    let mut path: Vec<&str> = path.iter().map(AsRef::as_ref).collect();
    between(resource_type, &mut path, before, after)
}

fn between<'a>(
    resource_type: &str,
    path: &mut Vec<&'a str>,
    before: Option<&'a Value>,
    after: Option<&'a Value>,
) -> Replacement {
    if before == after {
        return Replacement::Never;
    }
    let own = replacement(resource_type, path);
    // Decided whatever is inside: at or below a property of creation, or a type that nobody knows.
    if own == Replacement::Will {
        return own;
    }
    let inner: Vec<(Option<&str>, Option<&Value>, Option<&Value>)> = match (before, after) {
        (Some(Value::Object(before)), Some(Value::Object(after))) => {
            let gone = before.iter().filter(|(name, _)| !after.contains_key(*name));
            let gone = gone.map(|(name, value)| (Some(name.as_str()), Some(value), None));
            let kept = after.iter().map(|(name, value)| (Some(name.as_str()), before.get(name), Some(value)));
            gone.chain(kept).collect()
        }
        (Some(Value::Object(before)), None) => {
            before.iter().map(|(name, value)| (Some(name.as_str()), Some(value), None)).collect()
        }
        (None, Some(Value::Object(after))) => {
            after.iter().map(|(name, value)| (Some(name.as_str()), None, Some(value))).collect()
        }
        (Some(Value::Array(before)), Some(Value::Array(after))) => (0..before.len().max(after.len()))
            .map(|index| (None, before.get(index), after.get(index)))
            .collect(),
        (Some(Value::Array(items)), None) => items.iter().map(|item| (None, Some(item), None)).collect(),
        (None, Some(Value::Array(items))) => items.iter().map(|item| (None, None, Some(item))).collect(),
        _ => return own,
    };
    if inner.is_empty() {
        return own;
    }
    let mut worst = Replacement::Never;
    for (name, before, after) in inner {
        // An intrinsic function is a value that is not known here, not an object with that property.
        if name.is_some_and(is_function) {
            return own;
        }
        path.extend(name);
        worst = worst.max(between(resource_type, path, before, after));
        if name.is_some() {
            path.pop();
        }
    }
    worst
}

fn is_function(name: &str) -> bool {
    name == "Ref" || name == "Condition" || name.starts_with("Fn::")
}

/// A type of SAM becomes resources of other types: what replaces the main one replaces it, anything else is not known.
fn serverless_replacement(base: &str, path: &[&str]) -> Replacement {
    match types::replacement(base, path) {
        Replacement::Will => Replacement::Will,
        _ if path.first() == Some(&"Tags") => Replacement::Never,
        _ => Replacement::May,
    }
}
