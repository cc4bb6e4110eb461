//! What a step does to resources and outputs: the deployed template with its parameters beside the wanted one.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::describe::{all_added, all_removed};
use super::effective::{
    Effective, EffectiveOutput, deployed_arguments, effective, given_arguments, surroundings,
};
use super::hidden::{Hidden, secret_outputs};
use super::parameters::Given;
use super::resources::{Impact, because};
use super::scope::PlanScope;
use super::{Changes, OutputChange, ShownValue, World};
use crate::ident::StackFqn;
use crate::lookup::Cause;
use crate::provider::{Place, StackState, StackStatus};
use crate::secrets::{HIDDEN, Secrets};
use crate::task::Contents;
use crate::template::Template;
use crate::template::symbolic::{Doubt, Term, Truth};

/// A stack before and after its step.
pub(super) struct Sides<'a> {
    /// Its name in CloudFormation.
    pub(super) fqn: &'a StackFqn,
    /// The stack, if it exists.
    pub(super) live: Option<&'a StackState>,
    /// Its template, if it could be read.
    pub(super) deployed: Option<&'a Template>,
    /// The template it is to have.
    pub(super) wanted: &'a Template,
    /// The parameters it is to have.
    pub(super) given: &'a [(String, Given)],
}

/// Fills in what an update or a creation does to resources and outputs.
pub(super) fn effects(scope: &PlanScope<'_>, sides: &Sides<'_>, secrets: &Secrets, changes: &mut Changes) {
    let place = &scope.world.place;
    let hidden = hidden_parameters(sides.given);
    let is_secret = |name: &str, text: &str| hidden.contains(name) || secrets.are_in(text);
    let show = |term: &Term| shown(term, secrets);
    let around = surroundings(place, sides.fqn.as_str(), sides.live);
    let arguments = given_arguments(sides.wanted, sides.live, sides.given, is_secret);
    let after = effective(sides.wanted, &arguments, around);
    let (Some(live), Some(deployed)) = (sides.live, sides.deployed) else {
        changes.outputs_open = true;
        match sides.live {
            None => changes.resources = all_added(&after),
            // Whatever the stack holds now may be gone afterwards.
            Some(_) => changes.contents_unknown = scope.planning,
        }
        return;
    };
    let before = effective(deployed, &deployed_arguments(deployed, live, is_secret), around);
    let impact = Impact::of(&before, &after, !changes.tags.is_empty(), &show);
    changes.outputs_open = before.has_macros || after.has_macros;
    let made = made_by_macros(deployed);
    changes.contents_unknown = !made.is_empty() && made != made_by_macros(sides.wanted);
    changes.outputs = outputs(live, (&before, &after), &impact, &show);
    changes.resources = impact.resources;
}

/// The resources of a stack that is deleted, and its outputs.
pub(super) fn removal(world: &World, hidden: &Hidden, live: &StackState) -> Changes {
    let mut changes = Changes::default();
    // What is being deleted is lost already, and an empty shell holds nothing.
    if matches!(live.status, StackStatus::DeleteInProgress | StackStatus::ReviewInProgress) {
        return changes;
    }
    let text = world.templates.get(&live.fqn);
    let Some(deployed) = text.and_then(|text| Template::parse("deployed template", text).ok()) else {
        changes.contents_unknown = true;
        return changes;
    };
    let secrets = hidden.secrets();
    let arguments = deployed_arguments(&deployed, live, |_, text| secrets.are_in(text));
    let around = surroundings(&world.place, live.fqn.as_str(), Some(live));
    let before = effective(&deployed, &arguments, around);
    changes.contents_unknown = has_own_macros(&deployed);
    changes.resources = all_removed(&before);
    let secret = live.parameters.iter().filter(|(name, text)| {
        let no_echo = deployed.parameters.get(*name).is_some_and(|declared| declared.no_echo);
        no_echo || *text == HIDDEN || secrets.are_in(text)
    });
    let secret = secret.map(|(name, _)| name.clone()).collect();
    let secret = secret_outputs(&deployed, &secret, around);
    let gone = |(name, output): (&String, &EffectiveOutput)| {
        let value = Term::plain(live.outputs.get(name)?.as_str());
        let shown = if secret.contains(name) { ShownValue::Secret } else { shown(&value, secrets) };
        let change = OutputChange {
            before: Some(shown),
            after: None,
            export: export(output),
            consumers: BTreeSet::new(),
            because: vec!["the stack is deleted".to_owned()],
        };
        Some((name.clone(), change))
    };
    changes.outputs = before.outputs.iter().filter_map(gone).collect();
    changes
}

/// What goes with what a task keeps.
pub(super) fn removed_with_task(place: &Place, contents: &Contents, changes: &mut Changes) {
    let Contents::Stack(live, text) = contents else {
        changes.contents_unknown = true;
        return;
    };
    let text = text.as_ref().and_then(|text| Template::parse("deployed template", text).ok());
    let Some(deployed) = text else {
        changes.contents_unknown = true;
        return;
    };
    let arguments = deployed_arguments(&deployed, live, |_, _| false);
    let around = surroundings(place, live.fqn.as_str(), Some(live));
    changes.contents_unknown = has_own_macros(&deployed);
    changes.resources = all_removed(&effective(&deployed, &arguments, around));
}

/// Whether macros may have made resources that the text does not show. AWS's own serverless transform makes none that
/// hold data besides those it has types for.
fn has_own_macros(template: &Template) -> bool {
    let known = |name: &Value| name.as_str().is_some_and(|name| name.starts_with("AWS::Serverless"));
    let transform = template.content.get("Transform");
    let others = match transform {
        None => false,
        Some(Value::Array(names)) => !names.iter().all(known),
        Some(name) => !known(name),
    };
    others || template.has_macros() && transform.is_none() || !made_by_macros(template).is_empty()
}

/// Entries of a template that are no resources by themselves: macros make of them what nobody sees.
fn made_by_macros(template: &Template) -> Vec<(&String, &Value)> {
    let resources = template.content.get("Resources").and_then(Value::as_object).into_iter().flatten();
    resources.filter(|(_, entry)| entry.get("Type").is_none()).collect()
}

/// Outputs that change, or may.
fn outputs(
    live: &StackState,
    (before, after): (&Effective, &Effective),
    impact: &Impact,
    show: &dyn Fn(&Term) -> ShownValue,
) -> BTreeMap<String, OutputChange> {
    let mut found = BTreeMap::new();
    let names: BTreeSet<&String> = before.outputs.keys().chain(after.outputs.keys()).collect();
    for name in names {
        let (old, new) = (before.outputs.get(name), after.outputs.get(name));
        let because = match (old, new) {
            (Some(old), Some(new)) => changed(old, new, impact),
            (None, Some(_)) => vec!["it is new".to_owned()],
            (Some(_), None) => vec!["it is taken out of the template".to_owned()],
            (None, None) => Vec::new(),
        };
        // What the deployed template declares and the stack does not have is as unknown as a new one.
        let value = live.outputs.get(name);
        let is_as_before = because.is_empty() && value.is_some();
        if is_as_before || (value.is_none() && new.is_none()) {
            continue;
        }
        let old_value = value.map(|text| match old {
            Some(output) if output.value.is_secret() => ShownValue::Secret,
            _ => show(&Term::plain(text.as_str())),
        });
        let change = OutputChange {
            before: old_value,
            after: new.map(|output| match show(&output.value) {
                ShownValue::Plain(text) if output.value.as_text().is_some() => ShownValue::Plain(text),
                ShownValue::Secret => ShownValue::Secret,
                ShownValue::KnownAfter(causes) => ShownValue::KnownAfter(causes),
                ShownValue::Plain(_) => ShownValue::KnownAfter(BTreeSet::new()),
            }),
            export: old.or(new).and_then(export),
            consumers: BTreeSet::new(),
            because: if because.is_empty() {
                vec!["the stack does not have it yet".to_owned()]
            } else {
                because
            },
        };
        found.insert(name.clone(), change);
    }
    found
}

/// Why an output may be another one after the update; empty if it stays as it is.
fn changed(old: &EffectiveOutput, new: &EffectiveOutput, impact: &Impact) -> Vec<String> {
    let mut found = Vec::new();
    if old.value != new.value {
        found.push(format!("its value is {} now", quoted(&new.value)));
    } else if let Some(why) = because(&new.value.doubts()) {
        found.push(why);
    } else if new.value.is_doubtful() {
        found.push("its value is not known yet".to_owned());
    }
    if old.export != new.export || new.export.as_ref().is_some_and(Term::is_doubtful) {
        found.push("the name of its export changes".to_owned());
    }
    if let Truth::Unknown(doubts) = &new.wanted {
        found.push(because(doubts).unwrap_or_else(|| "its condition is not known yet".to_owned()));
    }
    let terms = [Some(&new.value), new.export.as_ref()];
    found.extend(terms.into_iter().flatten().flat_map(|term| impact.unsettles(term)));
    found
}

/// A value in a phrase: not itself, which may be long or secret, but what it is made of.
fn quoted(term: &Term) -> &'static str {
    match term {
        Term::Scalar { .. } => "another text",
        Term::Unknown { .. } => "not known",
        _ => "made another way",
    }
}

fn export(output: &EffectiveOutput) -> Option<String> {
    let name = output.export.as_ref()?;
    if name.is_secret() { Some(HIDDEN.to_owned()) } else { name.as_text().map(str::to_owned) }
}

/// Parameters whose values must not be shown, neither those before nor those after.
fn hidden_parameters(given: &[(String, Given)]) -> BTreeSet<&str> {
    let secret = |given: &Given| {
        matches!(given, Given::Value { secret: true, .. } | Given::Unknown { secret: true, .. })
    };
    given.iter().filter(|(_, value)| secret(value)).map(|(name, _)| name.as_str()).collect()
}

/// A value as a plan may show it.
pub(super) fn shown(term: &Term, secrets: &Secrets) -> ShownValue {
    if term.is_secret() {
        return ShownValue::Secret;
    }
    if term.is_doubtful() {
        let causes: BTreeSet<Cause> = term
            .doubts()
            .into_iter()
            .filter_map(|doubt| match doubt {
                Doubt::After(cause) => Some(cause),
                Doubt::Hidden(_) | Doubt::Read(_) => None,
            })
            .collect();
        return ShownValue::KnownAfter(causes);
    }
    let text = term.written();
    if secrets.are_in(&text) { ShownValue::Secret } else { ShownValue::Plain(text) }
}
