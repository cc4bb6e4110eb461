//! Resources that come, go or change, as a plan lists them.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::effective::{Effective, EffectiveResource};
use super::resources::Show;
use super::{Certainty, PropertyChange, ResourceAction, ResourceChange, ShownValue};
use crate::lookup::Cause;
use crate::resources::{self, DataFate, Fate, Replacement};
use crate::template::symbolic::{Doubt, Term, Truth};

/// Every resource of a stack that goes.
pub(super) fn all_removed(before: &Effective) -> BTreeMap<String, ResourceChange> {
    let removed = |(id, resource): (&String, &EffectiveResource)| {
        let (certainty, after) = match &resource.wanted {
            Truth::Unknown(doubts) => (Certainty::May, causes(doubts)),
            Truth::True | Truth::False => (Certainty::Will, BTreeSet::new()),
        };
        (id.clone(), removed(resource, certainty, after))
    };
    before.resources.iter().map(removed).collect()
}

/// Every resource of a stack that is created.
pub(super) fn all_added(after: &Effective) -> BTreeMap<String, ResourceChange> {
    let hidden: Show<'_> = &|_| ShownValue::Secret;
    let added = |(id, resource): (&String, &EffectiveResource)| {
        (id.clone(), ResourceChange { properties: Vec::new(), ..added(resource, hidden) })
    };
    after.resources.iter().map(added).collect()
}

/// A resource that is removed, or else changes: the worse of both counts.
pub(super) fn removed_or_modified(removed: ResourceChange, modified: ResourceChange) -> ResourceChange {
    let is_lost = |data: &Option<DataFate>| data.as_ref().is_some_and(|data| data.fate == Fate::Lost);
    let data = if is_lost(&modified.data) { modified.data } else { removed.data };
    let known_after = removed.known_after.union(&modified.known_after).cloned().collect();
    let ResourceChange { properties, replacement, .. } = modified;
    ResourceChange { properties, replacement, data, known_after, ..removed }
}

/// A resource that is created.
pub(super) fn added(resource: &EffectiveResource, show: Show<'_>) -> ResourceChange {
    let properties = match &resource.properties {
        Term::Map(entries) => entries
            .iter()
            .map(|(name, value)| PropertyChange {
                path: name.clone(),
                before: None,
                after: Some(show(value)),
                replacement: Replacement::Never,
                because: None,
            })
            .collect(),
        _ => Vec::new(),
    };
    let (certainty, known_after) = match &resource.wanted {
        Truth::Unknown(doubts) => (Certainty::May, causes(doubts)),
        Truth::True | Truth::False => (Certainty::Will, BTreeSet::new()),
    };
    ResourceChange {
        kind: resource.kind.clone(),
        action: ResourceAction::Add,
        certainty,
        replacement: Replacement::Never,
        properties,
        data: None,
        known_after,
    }
}

/// A resource that is taken out.
pub(super) fn removed(
    resource: &EffectiveResource,
    certainty: Certainty,
    known_after: BTreeSet<Cause>,
) -> ResourceChange {
    ResourceChange {
        kind: resource.kind.clone(),
        action: ResourceAction::Remove,
        certainty,
        replacement: Replacement::Never,
        properties: Vec::new(),
        data: resources::fate_when_removed(
            &resource.kind,
            policy(resource, "DeletionPolicy"),
            &json(&resource.properties),
        ),
        known_after,
    }
}

/// A resource that is updated or replaced.
pub(super) fn modified(
    old: &EffectiveResource,
    new: &EffectiveResource,
    found: Vec<(PropertyChange, Certainty, BTreeSet<Cause>)>,
) -> ResourceChange {
    let will = found.iter().any(|(_, certainty, _)| *certainty == Certainty::Will);
    let known_after = found.iter().flat_map(|(_, _, after)| after.clone()).collect();
    let properties: Vec<PropertyChange> = found.into_iter().map(|(change, ..)| change).collect();
    let replacement = properties.iter().map(|change| change.replacement).max().unwrap_or_default();
    let data = (replacement != Replacement::Never)
        .then(|| {
            let policy = policy(new, "UpdateReplacePolicy");
            resources::fate_when_replaced(&old.kind, policy, &json(&old.properties))
        })
        .flatten();
    ResourceChange {
        kind: new.kind.clone(),
        action: ResourceAction::Modify,
        certainty: if will { Certainty::Will } else { Certainty::May },
        replacement,
        properties,
        data,
        known_after,
    }
}

/// A policy of a resource. One that is not known keeps nothing.
fn policy<'r>(resource: &'r EffectiveResource, name: &str) -> Option<&'r str> {
    resource.attributes.get(name).map(|term| term.as_text().unwrap_or("Delete"))
}

/// A value as plain data; what is not known stands there as it is written.
fn json(term: &Term) -> Value {
    match term {
        Term::Map(entries) => entries.iter().map(|(name, value)| (name.clone(), json(value))).collect(),
        Term::List(items) => items.iter().map(json).collect(),
        other => Value::from(other.written()),
    }
}

/// What has to happen before what is doubted is known.
pub(super) fn causes(doubts: &BTreeSet<Doubt>) -> BTreeSet<Cause> {
    let cause = |doubt: &Doubt| match doubt {
        Doubt::After(cause) => Some(cause.clone()),
        Doubt::Hidden(_) | Doubt::Read(_) => None,
    };
    doubts.iter().filter_map(cause).collect()
}
