//! What an update does to the resources and outputs of a stack: which change, which are replaced, and which outputs
//! that leaves as they are.
//!
//! A resource changes because its properties do, or because they refer to a resource that gets another id or other
//! attributes. That goes on from resource to resource until nothing more changes.

use std::collections::{BTreeMap, BTreeSet};

use similar::{Algorithm, DiffOp, capture_diff_slices};

use super::describe::{added, causes, modified, removed, removed_or_modified};
use super::effective::{ATTRIBUTES, Effective, EffectiveResource};
use super::replacing::{replaced_by_tags, replacement};
use super::{Certainty, PropertyChange, ResourceAction, ResourceChange, ShownValue};
use crate::lookup::Cause;
use crate::resources::{self, Replacement};
use crate::template::symbolic::{Doubt, Term, Truth};

/// How values are shown.
pub(super) type Show<'a> = &'a dyn Fn(&Term) -> ShownValue;

/// What becomes of the resources of a stack.
#[derive(Debug, Default)]
pub(super) struct Impact {
    /// Resources that change, or may.
    pub(super) resources: BTreeMap<String, ResourceChange>,
    /// The tags of the stack change, which are those of its resources too.
    tags: bool,
    moves: BTreeMap<String, Move>,
    kinds: BTreeMap<String, String>,
}

/// What other resources see of a change.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Move {
    /// Whether it is replaced.
    replaced: Replacement,
    /// Whether anything of it changes.
    changed: Replacement,
}

/// A property, or a place in one.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
struct Path {
    /// As it is shown.
    text: String,
    /// Names without positions in lists.
    names: Vec<String>,
}

impl Path {
    fn name(&self, name: &str) -> Self {
        let dot = if self.text.is_empty() { "" } else { "." };
        let names = self.names.iter().cloned().chain([name.to_owned()]).collect();
        Self { text: format!("{}{dot}{name}", self.text), names }
    }

    /// Whether it is the place `other` or one inside it.
    fn is_in(&self, other: &Self) -> bool {
        let rest = self.text.strip_prefix(&other.text);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
    }

    fn item(&self, index: usize) -> Self {
        Self { text: format!("{}[{index}]", self.text), names: self.names.clone() }
    }
}

/// A place where two values differ.
struct Difference<'t> {
    path: Path,
    /// It is an attribute such as `DeletionPolicy`, not a property.
    is_attribute: bool,
    before: Option<&'t Term>,
    after: Option<&'t Term>,
}

impl Difference<'_> {
    /// Whether the value is another one after the update, or only may be.
    fn certainty(&self) -> Certainty {
        let (Some(before), Some(after)) = (self.before, self.after) else { return Certainty::Will };
        let doubtful = before.is_doubtful() || after.is_doubtful();
        if doubtful || references(before) != references(after) { Certainty::May } else { Certainty::Will }
    }
}

/// A reference to a resource.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Reference<'t> {
    Id(&'t str),
    Attribute(&'t str, &'t str),
}

impl Impact {
    /// Everything that an update from `before` to `after` does; `tags` says whether the tags of the stack change.
    pub(super) fn of(before: &Effective, after: &Effective, tags: bool, show: Show<'_>) -> Self {
        let kinds = before.resources.iter().chain(&after.resources);
        let kinds = kinds.map(|(id, resource)| (id.clone(), resource.kind.clone())).collect();
        let mut impact = Self { tags, kinds, ..Self::default() };
        for (id, resource) in &after.resources {
            let is_there = before.resources.get(id).map(|before| &before.wanted);
            if is_there.is_none() {
                impact.resources.insert(id.clone(), added(resource, show));
            }
        }
        for (id, resource) in &before.resources {
            match after.resources.get(id).map(|after| &after.wanted) {
                None => impact.remove(id, resource, Certainty::Will, BTreeSet::new()),
                Some(Truth::Unknown(doubts)) => impact.remove(id, resource, Certainty::May, causes(doubts)),
                Some(_) => {}
            }
        }
        let kept: Vec<(&str, &EffectiveResource, &EffectiveResource)> = before
            .resources
            .iter()
            .filter_map(|(id, old)| Some((id.as_str(), old, after.resources.get(id)?)))
            .collect();
        let differences: BTreeMap<&str, Vec<Difference<'_>>> =
            kept.iter().map(|(id, old, new)| (*id, differences(old, new))).collect();
        let referring: BTreeMap<&str, Vec<(Path, Reference<'_>)>> =
            kept.iter().map(|(id, _, new)| (*id, places(&new.properties))).collect();
        loop {
            let mut settled = true;
            for (id, old, new) in &kept {
                let found = impact.changes(new, &differences[id], &referring[id], show);
                let gone =
                    impact.resources.get(*id).is_some_and(|change| change.action == ResourceAction::Remove);
                let mut moved = moved(&found, new);
                if gone {
                    moved.replaced = moved.replaced.max(Replacement::May);
                    moved.changed = moved.changed.max(Replacement::May);
                }
                if impact.moves.get(*id).copied().unwrap_or_default() != moved {
                    impact.moves.insert((*id).to_owned(), moved);
                    settled = false;
                }
                if !found.is_empty() {
                    let change = modified(old, new, found);
                    let change = match impact.resources.remove(*id).filter(|_| gone) {
                        Some(removed) => removed_or_modified(removed, change),
                        None => change,
                    };
                    impact.resources.insert((*id).to_owned(), change);
                }
            }
            if settled {
                return impact;
            }
        }
    }

    fn remove(
        &mut self,
        id: &str,
        resource: &EffectiveResource,
        certainty: Certainty,
        after: BTreeSet<Cause>,
    ) {
        self.resources.insert(id.to_owned(), removed(resource, certainty, after));
        let level = if certainty == Certainty::Will { Replacement::Will } else { Replacement::May };
        self.moves.insert(id.to_owned(), Move { replaced: level, changed: level });
    }

    /// What changes in a resource as far as is known of the others.
    fn changes(
        &self,
        new: &EffectiveResource,
        differences: &[Difference<'_>],
        referring: &[(Path, Reference<'_>)],
        show: Show<'_>,
    ) -> Vec<(PropertyChange, Certainty, BTreeSet<Cause>)> {
        let mut found: Vec<(PropertyChange, Certainty, BTreeSet<Cause>)> = Vec::new();
        for difference in differences {
            let certainty = difference.certainty();
            let names: Vec<&str> = difference.path.names.iter().map(String::as_str).collect();
            let replacement = match names.as_slice() {
                ["Type"] if difference.is_attribute => Replacement::Will,
                _ if difference.is_attribute => Replacement::Never,
                names => replacement(new, names, &[difference.before, difference.after]),
            };
            let replacement =
                if certainty == Certainty::May { replacement.min(Replacement::May) } else { replacement };
            let doubts: BTreeSet<Doubt> = difference.after.map(Term::doubts).unwrap_or_default();
            let change = PropertyChange {
                path: difference.path.text.clone(),
                before: difference.before.map(show),
                after: difference.after.map(show),
                replacement,
                because: because(&doubts),
            };
            found.push((change, certainty, causes(&doubts)));
        }
        for (path, reference) in referring {
            let inside =
                |difference: &Difference<'_>| !difference.is_attribute && path.is_in(&difference.path);
            let (level, why) = self.level(reference);
            if level == Replacement::Never || differences.iter().any(inside) {
                continue;
            }
            let names: Vec<&str> = path.names.iter().map(String::as_str).collect();
            let term = reference.term();
            let change = PropertyChange {
                path: path.text.clone(),
                before: Some(show(&term)),
                after: Some(show(&term)),
                replacement: replacement(new, &names, &[]).min(level),
                because: Some(why),
            };
            let certainty = if level == Replacement::Will { Certainty::Will } else { Certainty::May };
            // One line for each place is enough.
            if !found.iter().any(|(other, ..)| other.path == change.path) {
                found.push((change, certainty, BTreeSet::new()));
            }
        }
        if let Some(change) = replaced_by_tags(&new.kind).filter(|_| self.tags)
            && !found.iter().any(|(other, ..)| other.path.starts_with(&change.path))
        {
            found.push((change, Certainty::May, BTreeSet::new()));
        }
        found.sort_by(|one, other| one.0.path.cmp(&other.0.path));
        found
    }

    /// Whether what a reference gives is another value after the update, and why.
    fn level(&self, reference: &Reference<'_>) -> (Replacement, String) {
        let (Reference::Id(id) | Reference::Attribute(id, _)) = reference;
        let moved = self.moves.get(*id).copied().unwrap_or_default();
        let replaced = |level| match level {
            Replacement::Will => format!("{id} is replaced"),
            _ => format!("{id} may be replaced"),
        };
        let kind = self.kinds.get(*id).map_or("", String::as_str);
        let stable = match reference {
            Reference::Id(_) => resources::reference_is_stable(kind),
            Reference::Attribute(_, attribute) => resources::attribute_is_stable(kind, attribute),
        };
        if moved.replaced != Replacement::Never {
            return (moved.replaced, replaced(moved.replaced));
        }
        if moved.changed == Replacement::Never || stable {
            return (Replacement::Never, String::new());
        }
        let why = match reference {
            Reference::Id(_) => format!("{id} changes, and may get another id"),
            Reference::Attribute(_, attribute) => format!("{id} changes, and its {attribute} may"),
        };
        (Replacement::May, why)
    }

    /// Why what a value refers to may be another one after the update; empty if it stays.
    pub(super) fn unsettles(&self, term: &Term) -> Vec<String> {
        let mut found = Vec::new();
        for reference in references(term) {
            let (level, why) = self.level(&reference);
            if level != Replacement::Never && !found.contains(&why) {
                found.push(why);
            }
        }
        found
    }
}

impl Reference<'_> {
    fn term(&self) -> Term {
        match self {
            Self::Id(id) => Term::Id((*id).to_owned()),
            Self::Attribute(id, attribute) => Term::Attribute((*id).to_owned(), (*attribute).to_owned()),
        }
    }
}

/// What other resources see of the changes of one. Its policies alone change nothing that they could see.
fn moved(found: &[(PropertyChange, Certainty, BTreeSet<Cause>)], new: &EffectiveResource) -> Move {
    let seen = |change: &PropertyChange| {
        let first = change.path.split(['.', '[']).next().unwrap_or_default();
        !matches!(first, "DeletionPolicy" | "UpdateReplacePolicy" | "DependsOn")
    };
    let mut moved = Move::default();
    for (change, certainty, _) in found.iter().filter(|(change, ..)| seen(change)) {
        let level = if *certainty == Certainty::Will { Replacement::Will } else { Replacement::May };
        moved.replaced = moved.replaced.max(change.replacement);
        moved.changed = moved.changed.max(level);
    }
    // CloudFormation looks at a nested stack with every update: its template may be another one at the same address.
    if new.kind == "AWS::CloudFormation::Stack" {
        moved.changed = moved.changed.max(Replacement::May);
    }
    moved
}

/// Why a value is not known, where its value does not say so itself.
pub(super) fn because(doubts: &BTreeSet<Doubt>) -> Option<String> {
    let phrases: Vec<String> = doubts
        .iter()
        .filter_map(|doubt| match doubt {
            Doubt::After(_) => None,
            Doubt::Hidden(parameter) => Some(format!("NoEcho parameter {parameter} cannot be compared")),
            Doubt::Read(what) => Some(format!("CloudFormation reads {what} anew")),
        })
        .collect();
    (!phrases.is_empty()).then(|| phrases.join("; "))
}

/// All references in a value.
fn references(term: &Term) -> BTreeSet<Reference<'_>> {
    let mut found = BTreeSet::new();
    term.visit(&mut |term| {
        found.extend(reference(term));
    });
    found
}

fn reference(term: &Term) -> Option<Reference<'_>> {
    match term {
        Term::Id(id) => Some(Reference::Id(id)),
        Term::Attribute(id, attribute) => Some(Reference::Attribute(id, attribute)),
        _ => None,
    }
}

/// Every reference in the properties of a resource, with the place of the property it is in.
fn places(term: &Term) -> Vec<(Path, Reference<'_>)> {
    fn walk<'t>(path: &Path, term: &'t Term, found: &mut Vec<(Path, Reference<'t>)>) {
        match term {
            Term::Map(entries) => {
                entries.iter().for_each(|(name, value)| walk(&path.name(name), value, found))
            }
            Term::List(items) => {
                items.iter().enumerate().for_each(|(index, item)| walk(&path.item(index), item, found));
            }
            other => found.extend(references(other).into_iter().map(|reference| (path.clone(), reference))),
        }
    }
    let mut found = Vec::new();
    walk(&Path::default(), term, &mut found);
    found
}

/// Where properties and attributes of a resource differ, or may.
fn differences<'t>(old: &'t EffectiveResource, new: &'t EffectiveResource) -> Vec<Difference<'t>> {
    let mut found = Vec::new();
    differ(&Path::default(), Some(&old.properties), Some(&new.properties), &mut found);
    let properties = found.len();
    for name in ATTRIBUTES {
        let path = Path::default().name(name);
        differ(&path, old.attributes.get(name), new.attributes.get(name), &mut found);
    }
    found.iter_mut().skip(properties).for_each(|difference| difference.is_attribute = true);
    found
}

fn differ<'t>(
    path: &Path,
    before: Option<&'t Term>,
    after: Option<&'t Term>,
    found: &mut Vec<Difference<'t>>,
) {
    match (before, after) {
        (None, None) => {}
        (Some(Term::Map(old)), Some(Term::Map(new))) => {
            let names: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
            for name in names {
                differ(&path.name(name), old.get(name), new.get(name), found);
            }
        }
        (Some(Term::List(old)), Some(Term::List(new))) => lists(path, old, new, found),
        (Some(old), Some(new)) if old == new && !new.is_doubtful() => {}
        (before, after) => found.push(Difference { path: path.clone(), is_attribute: false, before, after }),
    }
}

fn taken(path: Path, before: Option<&Term>) -> Difference<'_> {
    Difference { path, is_attribute: false, before, after: None }
}

fn put(path: Path, after: Option<&Term>) -> Difference<'_> {
    Difference { path, is_attribute: false, before: None, after }
}

/// Items that were put in or taken out do not make all that follow them differ.
fn lists<'t>(path: &Path, old: &'t [Term], new: &'t [Term], found: &mut Vec<Difference<'t>>) {
    let pairs = |old_at: usize, new_at: usize, count: usize, found: &mut Vec<Difference<'t>>| {
        for step in 0..count {
            differ(&path.item(new_at + step), old.get(old_at + step), new.get(new_at + step), found);
        }
    };
    if old.len() == new.len() {
        return pairs(0, 0, old.len(), found);
    }
    for operation in capture_diff_slices(Algorithm::Myers, old, new) {
        match operation {
            DiffOp::Equal { old_index, new_index, len } => pairs(old_index, new_index, len, found),
            DiffOp::Delete { old_index, old_len, .. } => {
                for index in old_index..old_index + old_len {
                    found.push(taken(path.item(index), old.get(index)));
                }
            }
            DiffOp::Insert { new_index, new_len, .. } => {
                for index in new_index..new_index + new_len {
                    found.push(put(path.item(index), new.get(index)));
                }
            }
            DiffOp::Replace { old_index, old_len, new_index, new_len } => {
                let both = old_len.min(new_len);
                pairs(old_index, new_index, both, found);
                for index in old_index + both..old_index + old_len {
                    found.push(taken(path.item(index), old.get(index)));
                }
                for index in new_index + both..new_index + new_len {
                    found.push(put(path.item(index), new.get(index)));
                }
            }
        }
    }
}
