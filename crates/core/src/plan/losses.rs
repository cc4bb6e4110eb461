//! Data that a plan would lose, and what other stacks would miss.

use serde::{Deserialize, Serialize};

use super::answer::{ChangeSetAnswer, announced_replacement};
use super::deploy::note;
use super::{Action, Certainty, Note, Purpose, ResourceAction, ResourceChange, Settings, Step};
use crate::config::{Acknowledgement, DataLoss};
use crate::ident::NodeName;
use crate::provider::{AnnouncedAction, AnnouncedChange};
use crate::resources::{self, Fate, Replacement};

/// How data would be lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum LossKind {
    /// The resource is replaced by a new one without the data.
    Replaced,
    /// The resource is taken out of its stack.
    Removed,
    /// The whole stack is deleted.
    StackDeleted,
}

/// A resource whose data would be lost.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Loss {
    /// The stack.
    pub stack: NodeName,
    /// Logical id; `None` if it is not known what the stack holds.
    pub resource: Option<String>,
    /// Its type; empty if it is not known.
    pub kind: String,
    /// What it holds, for example `database`.
    pub holds: String,
    /// How.
    pub how: LossKind,
    /// Whether that is certain.
    pub certainty: Certainty,
    /// It was acknowledged: by the config, or on the command line.
    pub allowed: bool,
}

/// What a run may lose: `STACK` or `STACK/RESOURCE`; for a task, `KIND/NAME` or `KIND/NAME/RESOURCE`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Allowed {
    /// The stack.
    pub stack: String,
    /// One resource of it; `None` for all.
    pub resource: Option<String>,
}

impl Allowed {
    /// Reads `STACK` or `STACK/RESOURCE`; `None` if a part is empty.
    pub fn parse(text: &str) -> Option<Self> {
        let (stack, resource) = match text.split_once('/') {
            Some((stack, resource)) => (stack, Some(resource.to_owned())),
            None => (text, None),
        };
        let empty = stack.is_empty() || resource.as_ref().is_some_and(String::is_empty);
        (!empty).then(|| Self { stack: stack.to_owned(), resource })
    }

    fn covers(&self, loss: &Loss) -> bool {
        // The names of tasks have a slash in them, too.
        let named = match &self.resource {
            Some(resource) => format!("{}/{resource}", self.stack),
            None => self.stack.clone(),
        };
        named == loss.stack.as_str() || named == loss.allow()
    }
}

impl Loss {
    /// What allows it: `STACK/RESOURCE`, or `STACK` where the resource is not known.
    pub fn allow(&self) -> String {
        match &self.resource {
            Some(resource) => format!("{}/{resource}", self.stack),
            None => self.stack.to_string(),
        }
    }
}

/// Everything that these steps would lose. A destroy is meant to lose all of it.
pub(super) fn losses(
    purpose: Purpose,
    steps: &[Step],
    config: &DataLoss,
    settings: &Settings,
) -> (Vec<Loss>, Vec<Note>) {
    if purpose == Purpose::Destroy {
        return (Vec::new(), Vec::new());
    }
    let acting =
        steps.iter().filter(|step| matches!(step.action, Action::Update | Action::Delete | Action::Recreate));
    let mut found: Vec<Loss> = acting.flat_map(of_step).collect();
    let mut notes = acknowledge(&mut found, config, settings);
    for allowed in settings.allowed.iter().filter(|allowed| !found.iter().any(|loss| allowed.covers(loss))) {
        let Allowed { stack, resource } = allowed;
        let resource = resource.as_ref().map(|id| format!("/{id}")).unwrap_or_default();
        let text = format!("--allow {stack}{resource} allows nothing: this plan loses no data of that name");
        notes.push(Note { warning: false, code: "plan::allowed_in_vain", text });
    }
    (found, notes)
}

/// Marks the losses that are allowed, and tells of acknowledgements that have ended.
pub(super) fn acknowledge(losses: &mut [Loss], config: &DataLoss, settings: &Settings) -> Vec<Note> {
    let mut notes = Vec::new();
    for loss in losses {
        let (holds, over): (Vec<&Acknowledgement>, Vec<&Acknowledgement>) = config
            .acknowledged
            .iter()
            .filter(|entry| entry.allowed.covers(loss))
            .partition(|entry| settings.today.is_some_and(|today| today <= entry.until));
        loss.allowed = config.is_allowed
            || !holds.is_empty()
            || settings.allowed.iter().any(|allowed| allowed.covers(loss));
        if let Some(entry) = over.first().filter(|_| !loss.allowed) {
            let text = format!("the acknowledgement of {} ended with {}", loss.allow(), entry.until);
            notes.push(note("plan::acknowledgement_over", text));
        }
    }
    notes
}

/// What CloudFormation announces to lose, beyond what was predicted of the same resources.
pub(super) fn of_answer(step: &Step) -> Vec<Loss> {
    let announced = step.change_set.as_ref().and_then(ChangeSetAnswer::changes);
    if step.action != Action::Update {
        return Vec::new();
    }
    let loss = |(id, change): (&String, &AnnouncedChange)| {
        let predicted = step.changes.resources.get(id);
        let replacement = announced_replacement(change);
        let (how, certainty) = match change.action {
            AnnouncedAction::Remove
                if predicted.is_none_or(|known| known.action != ResourceAction::Remove) =>
            {
                (LossKind::Removed, Certainty::Will)
            }
            AnnouncedAction::Modify
                if replacement > predicted.map(|known| known.replacement).unwrap_or_default() =>
            {
                let sure = replacement == Replacement::Will;
                (LossKind::Replaced, if sure { Certainty::Will } else { Certainty::May })
            }
            _ => return None,
        };
        let policy = change.policy_action.as_deref();
        let policy = policy.map(|policy| policy.strip_prefix("ReplaceAnd").unwrap_or(policy));
        let properties = serde_json::Value::Null;
        let data = match how {
            LossKind::Removed => resources::fate_when_removed(&change.resource_type, policy, &properties),
            _ => resources::fate_when_replaced(&change.resource_type, policy, &properties),
        };
        let data = data.filter(|data| data.fate == Fate::Lost)?;
        Some(Loss {
            stack: step.name.clone(),
            resource: Some(id.clone()),
            kind: change.resource_type.clone(),
            holds: data.holds,
            how,
            certainty,
            allowed: false,
        })
    };
    announced.into_iter().flatten().filter_map(loss).collect()
}

/// What a step loses that an earlier form of it did not announce, and that nobody has allowed.
pub(super) fn beyond(earlier: &Step, now: &Step, config: &DataLoss, settings: &Settings) -> Vec<Loss> {
    let announced: Vec<Loss> = of_step(earlier).into_iter().chain(of_answer(earlier)).collect();
    let mut found = of_step(now);
    found.retain(|loss| !announced.iter().any(|known| known.resource == loss.resource));
    acknowledge(&mut found, config, settings);
    found.retain(|loss| !loss.allowed);
    found
}

fn of_step(step: &Step) -> Vec<Loss> {
    let is_deleted = matches!(step.action, Action::Delete | Action::Recreate);
    let loss = |(id, change): (&String, &ResourceChange)| {
        let data = change.data.as_ref().filter(|data| data.fate == Fate::Lost)?;
        Some(Loss {
            stack: step.name.clone(),
            resource: Some(id.clone()),
            kind: change.kind.clone(),
            holds: data.holds.clone(),
            how: match change.action {
                _ if is_deleted => LossKind::StackDeleted,
                ResourceAction::Remove => LossKind::Removed,
                ResourceAction::Add | ResourceAction::Modify => LossKind::Replaced,
            },
            certainty: certainty(step, change),
            allowed: false,
        })
    };
    let mut found: Vec<Loss> = step.changes.resources.iter().filter_map(loss).collect();
    if step.changes.contents_unknown {
        found.push(Loss {
            stack: step.name.clone(),
            resource: None,
            kind: String::new(),
            holds: "unknown contents".to_owned(),
            how: if is_deleted { LossKind::StackDeleted } else { LossKind::Removed },
            certainty: Certainty::May,
            allowed: false,
        });
    }
    found
}

fn certainty(step: &Step, change: &ResourceChange) -> Certainty {
    let sure = step.certainty == Certainty::Will
        && change.certainty == Certainty::Will
        && (change.action != ResourceAction::Modify || change.replacement == Replacement::Will);
    if sure { Certainty::Will } else { Certainty::May }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_allowed_is_a_stack_or_one_resource_of_it() {
        let loss = |resource: &str| Loss {
            stack: "db".into(),
            resource: Some(resource.to_owned()),
            kind: "AWS::RDS::DBInstance".to_owned(),
            holds: "database".to_owned(),
            how: LossKind::Replaced,
            certainty: Certainty::Will,
            allowed: false,
        };
        let allows =
            |text: &str, resource: &str| Allowed::parse(text).is_some_and(|it| it.covers(&loss(resource)));
        assert!(allows("db", "Main") && allows("db/Main", "Main"));
        assert!(!allows("db/Main", "Other") && !allows("other", "Main") && !allows("other/Main", "Main"));
        for text in ["", "/", "db/", "/Main"] {
            assert_eq!(Allowed::parse(text), None, "{text}");
        }
        assert_eq!(loss("Main").allow(), "db/Main");
        let of_task = |resource: Option<&str>| Loss {
            stack: "stack_absent/old".into(),
            resource: resource.map(str::to_owned),
            ..loss("Main")
        };
        let allows = |text: &str, loss: &Loss| Allowed::parse(text).is_some_and(|it| it.covers(loss));
        for lost in [of_task(Some("Main")), of_task(None)] {
            assert!(allows("stack_absent/old", &lost) && allows(&lost.allow(), &lost));
            assert!(
                !allows("stack_absent", &lost)
                    && !allows("old", &lost)
                    && !allows("stack_absent/older", &lost)
            );
        }
        assert!(!allows("stack_absent/old/Other", &of_task(Some("Main"))));
    }
}
