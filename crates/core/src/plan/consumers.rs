//! Who uses the outputs that change: stacks whose variables look them up, and stacks that import what they export.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::deploy::note;
use super::effective::{Effective, deployed_arguments, effective, surroundings};
use super::{Action, Desired, OutputChange, Step, World};
use crate::config::StackDefinition;
use crate::ident::{NodeName, StackFqn};
use crate::lookup::parse;
use crate::template::Template;
use crate::template::symbolic::Term;

type Steps = BTreeMap<NodeName, Step>;

/// Fills in who uses the outputs that steps change, and warns of exports that CloudFormation will not let go.
pub(super) fn consumers(desired: &Desired, world: &World, steps: &mut Steps) {
    let changed = |step: &Step| step.action.is_change() && !step.changes.outputs.is_empty();
    let exports: BTreeSet<String> = exports_at_risk(steps.values(), world).into_iter().collect();
    if exports.is_empty() && !steps.values().any(changed) {
        return;
    }
    let lookups = lookups(desired);
    let importers = if exports.is_empty() { BTreeMap::new() } else { importers(desired, world, &exports) };
    let mut warnings: BTreeMap<NodeName, Vec<String>> = BTreeMap::new();
    for (name, step) in steps.iter() {
        for (export, what) in risks(step, world) {
            let blocking: Vec<&str> = importers
                .get(export)
                .into_iter()
                .flatten()
                .filter(|importer| !lets_go(desired, steps, step, importer, export))
                .map(|importer| importer.name.as_str())
                .collect();
            if !blocking.is_empty() {
                warnings.entry(name.clone()).or_default().push(warning(export, &blocking, what));
            }
        }
    }
    for (name, step) in steps.iter_mut() {
        for (output, change) in &mut step.changes.outputs {
            change
                .consumers
                .extend(lookups.get(&(name.clone(), output.clone())).into_iter().flatten().cloned());
            let importing = change.export.as_ref().and_then(|export| importers.get(export));
            change.consumers.extend(importing.into_iter().flatten().map(|importer| importer.name.clone()));
        }
        for text in warnings.remove(name).unwrap_or_default() {
            step.notes.push(note("plan::export_in_use", text));
        }
    }
}

/// Exports that steps change or remove, or may.
pub(super) fn exports_at_risk<'s>(steps: impl Iterator<Item = &'s Step>, world: &World) -> Vec<String> {
    steps.flat_map(|step| risks(step, world)).map(|(export, _)| export.to_owned()).collect()
}

/// The exports that a step changes or removes, and what that is.
fn risks<'s>(step: &'s Step, world: &'s World) -> Vec<(&'s str, &'static str)> {
    match step.action {
        Action::Delete => {
            let live = world.stacks.get(&step.fqn);
            let exports = live.into_iter().flat_map(|live| live.exports.values());
            exports.map(|export| (export.as_str(), "delete the stack")).collect()
        }
        action if action.is_change() => step.changes.outputs.values().filter_map(at_risk).collect(),
        _ => Vec::new(),
    }
}

/// The export of an output that exists and changes.
fn at_risk(change: &OutputChange) -> Option<(&str, &'static str)> {
    let what = if change.after.is_some() { "change its value" } else { "remove it" };
    change.before.as_ref().and(change.export.as_deref()).map(|export| (export, what))
}

fn warning(export: &str, importers: &[&str], what: &str) -> String {
    let names = importers.join(", ");
    format!(
        "export {export} is imported by {names}, and CloudFormation refuses to {what} as long as that is so; in two steps: first deploy {names} without the import (the value itself, or a second export beside this one), then this change"
    )
}

/// A stack that imports something.
struct Importer {
    /// Its name in the config, or else in CloudFormation.
    name: String,
    fqn: StackFqn,
}

/// Whether a stack no longer imports an export when its turn comes before that of the exporting step.
fn lets_go(desired: &Desired, steps: &Steps, exporting: &Step, importer: &Importer, export: &str) -> bool {
    let Some(step) = steps.values().find(|step| step.fqn == importer.fqn) else { return false };
    let mut before = BTreeSet::new();
    let mut next: Vec<&NodeName> = exporting.needs.iter().collect();
    while let Some(name) = next.pop() {
        if before.insert(name) {
            next.extend(steps.get(name).into_iter().flat_map(|step| &step.needs));
        }
    }
    if !before.contains(&step.name) {
        return false;
    }
    match step.action {
        Action::Delete => true,
        // An import with a name that is computed counts as one of this export.
        Action::Update => {
            desired.templates.get(&step.name).is_some_and(|template| !may_import(&template.content, export))
        }
        _ => false,
    }
}

/// Whether a part of a template may import an export.
fn may_import(value: &Value, export: &str) -> bool {
    match value {
        Value::Array(items) => items.iter().any(|item| may_import(item, export)),
        Value::Object(entries) => entries.iter().any(|(name, value)| match (name.as_str(), value) {
            ("Fn::ImportValue", Value::String(name)) => name == export,
            ("Fn::ImportValue", _) => true,
            _ => may_import(value, export),
        }),
        _ => false,
    }
}

/// Stacks of the config by the outputs that their variables look up.
fn lookups(desired: &Desired) -> BTreeMap<(NodeName, String), BTreeSet<String>> {
    let mut found: BTreeMap<(NodeName, String), BTreeSet<String>> = BTreeMap::new();
    for definition in desired.config.stacks.values().filter(|definition| definition.enabled) {
        for variable in definition.variables.values() {
            variable.value.visit_lookups(&mut |call| {
                if call.name != "output" {
                    return;
                }
                let Some(stack) = parse::referenced_stack(&call.query) else { return };
                let output = call.query.source.trim().get(stack.as_str().len()..).unwrap_or_default();
                let output = output.trim_start_matches([':', '.', ' ']);
                let output = output.split("::").next().unwrap_or_default().trim().to_owned();
                if let Some(meant) = desired.definition(stack.as_str()) {
                    let users = found.entry((meant.name.clone(), output)).or_default();
                    users.insert(definition.name.to_string());
                }
            });
        }
    }
    found
}

/// Stacks by the exports that they import: those whose deployed templates were read, and what CloudFormation said.
fn importers(
    desired: &Desired,
    world: &World,
    exports: &BTreeSet<String>,
) -> BTreeMap<String, Vec<Importer>> {
    let mut found: BTreeMap<String, Vec<Importer>> = BTreeMap::new();
    let names: BTreeMap<&StackFqn, &StackDefinition> =
        desired.config.stacks.values().map(|definition| (&definition.fqn, definition)).collect();
    let named = |fqn: &StackFqn| {
        names.get(fqn).map_or(fqn.as_str(), |definition| definition.name.as_str()).to_owned()
    };
    for (fqn, text) in world.templates.texts.iter().filter(|(_, text)| text.contains("ImportValue")) {
        let Some(live) = world.stacks.get(fqn) else { continue };
        let Ok(template) = Template::parse("deployed template", text) else { continue };
        let arguments = deployed_arguments(&template, live, |_, _| false);
        let deployed = effective(&template, &arguments, surroundings(&world.place, fqn.as_str(), Some(live)));
        for export in imports(&deployed).intersection(exports) {
            found.entry(export.clone()).or_default().push(Importer { name: named(fqn), fqn: fqn.clone() });
        }
    }
    for (export, stacks) in world.answers.importers.iter().filter(|(export, _)| exports.contains(*export)) {
        let known = found.entry(export.clone()).or_default();
        for fqn in stacks {
            if !known.iter().any(|importer| importer.fqn == *fqn) {
                known.push(Importer { name: named(fqn), fqn: fqn.clone() });
            }
        }
    }
    found
}

/// The names of exports that a template imports where it is in use.
fn imports(effective: &Effective) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    let values = effective.resources.values().map(|resource| &resource.properties);
    for value in values.chain(effective.outputs.values().map(|output| &output.value)) {
        value.visit(&mut |term| {
            if let Term::Import(name) = term {
                names.extend(name.as_text().map(str::to_owned));
            }
        });
    }
    names
}
