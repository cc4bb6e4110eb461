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

pub use attributes::{attribute_is_stable, reference_is_stable};
pub use data::{Data, DataFate, Fate, data, fate_when_removed, fate_when_replaced};
pub use overrides::{Switch, switch};
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
/// whether the inner property differs is not visible from the path, so callers ask for the innermost ones. What an
/// `UpdatePolicy` decides is `May` here; [`switch`] names its key.
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

/// A type of SAM becomes resources of other types: what replaces the main one replaces it, anything else is not known.
fn serverless_replacement(base: &str, path: &[&str]) -> Replacement {
    match types::replacement(base, path) {
        Replacement::Will => Replacement::Will,
        _ if path.first() == Some(&"Tags") => Replacement::Never,
        _ => Replacement::May,
    }
}
