//! What a change set says it would do: the simulator's comparison of resources in CloudFormation's words.

use std::collections::{BTreeMap, BTreeSet};

use runway_core::provider::{AnnouncedAction, AnnouncedChange, AnnouncedDetail, AnnouncedReplacement};
use runway_core::secrets::Secrets;
use serde_json::Value;

use crate::catalogue;
use crate::prepare::Prepared;
use crate::state::{Change, Content, Resource, Stack};
use crate::template::{Checked, references};

/// What is shown of a value that is known only while the change set is carried out (CloudFormation).
const KNOWN_AFTER_APPLY: &str = "{{changeSet:KNOWN_AFTER_APPLY}}";

/// The changes of a set, by logical id. `stack` is the stack as it is; `content` and `prepared` are what it would become.
pub(crate) fn changes(
    stack: &Stack,
    template: &Checked,
    content: &Content,
    prepared: &Prepared,
) -> Vec<AnnouncedChange> {
    if prepared.failure.is_some() {
        // It would roll back before it touches a resource.
        return Vec::new();
    }
    let before = Checked::parse(&stack.content.template).ok();
    let secrets: Vec<String> = [&stack.content, content]
        .into_iter()
        .flat_map(|content| content.hidden.iter().filter_map(|name| content.parameters.get(name)))
        .cloned()
        .collect();
    let target = &prepared.target;
    let comparison = Comparison {
        template,
        before: &stack.resources,
        moving: moving(&target.changes),
        parameters: template.template.parameters.keys().map(String::as_str).collect(),
        secrets: Secrets::new(&secrets),
    };
    let mut changes: BTreeMap<&str, AnnouncedChange> = BTreeMap::new();
    for (id, change) in &target.changes {
        let Some(resource) = target.resources.get(id) else { continue };
        changes.insert(id, comparison.change(id, *change, resource));
    }
    for (id, resource) in stack.resources.iter().filter(|(id, _)| !target.resources.contains_key(*id)) {
        let policy = before.as_ref().and_then(|before| policy(before, id, "DeletionPolicy"));
        let removal = AnnouncedChange {
            policy_action: Some(policy.unwrap_or("Delete").replace("RetainExceptOnCreate", "Retain")),
            ..announced(id, resource, AnnouncedAction::Remove)
        };
        changes.insert(id, removal);
    }
    changes.into_values().collect()
}

fn announced(id: &str, resource: &Resource, action: AnnouncedAction) -> AnnouncedChange {
    AnnouncedChange {
        logical_id: id.to_owned(),
        physical_id: (action != AnnouncedAction::Add).then(|| resource.physical_id.clone()),
        resource_type: resource.kind.clone(),
        action,
        replacement: None,
        policy_action: None,
        scope: Vec::new(),
        details: Vec::new(),
    }
}

/// Resources whose references are known only when they are there.
fn moving(changes: &BTreeMap<String, Change>) -> BTreeSet<&str> {
    let is_new = |change: &Change| matches!(change, Change::Added | Change::Replaced);
    changes.iter().filter(|(_, change)| is_new(change)).map(|(id, _)| id.as_str()).collect()
}

fn policy<'a>(template: &'a Checked, id: &str, attribute: &str) -> Option<&'a str> {
    template.entry("Resources", id)?.get(attribute)?.as_str()
}

struct Comparison<'a> {
    template: &'a Checked,
    before: &'a BTreeMap<String, Resource>,
    moving: BTreeSet<&'a str>,
    parameters: BTreeSet<&'a str>,
    secrets: Secrets,
}

impl Comparison<'_> {
    fn change(&self, id: &str, change: Change, after: &Resource) -> AnnouncedChange {
        let Some(before) = self.before.get(id).filter(|_| change != Change::Added) else {
            return announced(id, after, AnnouncedAction::Add);
        };
        let mut details = Vec::new();
        let empty = serde_json::Map::new();
        let (old, new) =
            (before.properties.as_object().unwrap_or(&empty), after.properties.as_object().unwrap_or(&empty));
        let names: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
        for name in names {
            let origin = self.origin(id, name);
            let mut differences = Vec::new();
            differ(&format!("/Properties/{name}"), old.get(name), new.get(name), &mut differences);
            if differences.is_empty() {
                continue;
            }
            // Everything else as it is to be: would this difference alone make another resource necessary?
            let mut alone = new.clone();
            match old.get(name) {
                Some(value) => drop(alone.insert(name.clone(), value.clone())),
                None => drop(alone.remove(name)),
            }
            let replaces = catalogue::is_replaced(&after.kind, &alone.into(), &after.properties);
            for (path, old, new) in differences {
                details.push(AnnouncedDetail {
                    attribute: if name == "Tags" { "Tags" } else { "Properties" }.to_owned(),
                    name: Some(name.clone()),
                    path: Some(path),
                    before: old.map(|value| self.shown(value)),
                    after: match origin {
                        Origin::Moving(_) => Some(KNOWN_AFTER_APPLY.to_owned()),
                        _ => new.map(|value| self.shown(value)),
                    },
                    requires_recreation: Some(if replaces { "Always" } else { "Never" }.to_owned()),
                    dynamic: matches!(origin, Origin::Moving(_)),
                    causing_entity: match &origin {
                        Origin::Moving(cause) | Origin::Parameter(cause) => Some(cause.clone()),
                        Origin::Template => None,
                    },
                });
            }
        }
        if before.metadata != after.metadata {
            details.push(AnnouncedDetail {
                attribute: "Metadata".to_owned(),
                name: None,
                path: None,
                before: None,
                after: None,
                requires_recreation: Some("Never".to_owned()),
                dynamic: false,
                causing_entity: None,
            });
        }
        let recreating = |detail: &&AnnouncedDetail| detail.requires_recreation.as_deref() == Some("Always");
        let (sure, unsure): (Vec<_>, Vec<_>) =
            details.iter().filter(recreating).partition(|detail| !detail.dynamic);
        let replacement = match change {
            _ if before.kind != after.kind => AnnouncedReplacement::Always,
            _ if !sure.is_empty() => AnnouncedReplacement::Always,
            _ if !unsure.is_empty() => AnnouncedReplacement::Conditional,
            Change::Replaced => AnnouncedReplacement::Always,
            Change::Added | Change::Modified => AnnouncedReplacement::Never,
        };
        let policy = (replacement != AnnouncedReplacement::Never).then(|| {
            let policy = policy(self.template, id, "UpdateReplacePolicy").unwrap_or("Delete");
            format!("ReplaceAnd{policy}")
        });
        let scope: BTreeSet<String> = details.iter().map(|detail| detail.attribute.clone()).collect();
        AnnouncedChange {
            physical_id: Some(before.physical_id.clone()),
            replacement: Some(replacement),
            policy_action: policy,
            scope: scope.into_iter().collect(),
            details,
            ..announced(id, after, AnnouncedAction::Modify)
        }
    }

    fn origin(&self, id: &str, property: &str) -> Origin {
        let body = self.template.entry("Resources", id);
        let value = body.and_then(|body| body.get("Properties")?.get(property));
        let used = value.map(references).unwrap_or_default();
        if let Some(cause) = used.iter().find(|name| self.moving.contains(name.as_str())) {
            return Origin::Moving(cause.clone());
        }
        match used.iter().find(|name| self.parameters.contains(name.as_str())) {
            Some(parameter) => Origin::Parameter(parameter.clone()),
            None => Origin::Template,
        }
    }

    /// A value as it may be shown.
    fn shown(&self, value: &Value) -> String {
        let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        self.secrets.hide(&text)
    }
}

/// Where a difference comes from.
enum Origin {
    /// From a resource that is created or replaced.
    Moving(String),
    /// From a parameter.
    Parameter(String),
    /// From what the template says itself.
    Template,
}

type Difference<'a> = (String, Option<&'a Value>, Option<&'a Value>);

/// The places where two values differ, as deep as both have the same shape.
fn differ<'a>(
    path: &str,
    before: Option<&'a Value>,
    after: Option<&'a Value>,
    differences: &mut Vec<Difference<'a>>,
) {
    match (before, after) {
        (before, after) if before == after => {}
        (Some(Value::Object(before)), Some(Value::Object(after))) => {
            let keys: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
            for key in keys {
                differ(&format!("{path}/{key}"), before.get(key), after.get(key), differences);
            }
        }
        (Some(Value::Array(before)), Some(Value::Array(after))) => {
            for index in 0..before.len().max(after.len()) {
                differ(&format!("{path}/{index}"), before.get(index), after.get(index), differences);
            }
        }
        (before, after) => differences.push((path.to_owned(), before, after)),
    }
}
