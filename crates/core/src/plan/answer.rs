//! What CloudFormation itself says of the steps of a plan, and where that is not what was predicted.

use std::collections::{BTreeMap, BTreeSet};

use super::losses::{acknowledge, of_answer};
use super::{Certainty, Note, Plan, ResourceAction, ResourceChange, Settings, Step};
use crate::config::DataLoss;
use crate::ident::NodeName;
use crate::provider::{AnnouncedAction, AnnouncedChange, AnnouncedReplacement};
use crate::resources::Replacement;

/// What CloudFormation says of a step (`plan --change-sets`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ChangeSetAnswer {
    /// It was not asked.
    NotAsked {
        /// Why, as a clause behind a colon.
        reason: String,
    },
    /// It could not work the change set out.
    Failed {
        /// Its reason.
        reason: String,
    },
    /// It sees no change.
    Unchanged,
    /// It would do this, by logical id.
    Changes(BTreeMap<String, AnnouncedChange>),
}

impl ChangeSetAnswer {
    /// What it would do with resources; nothing if it did not say.
    pub fn changes(&self) -> Option<&BTreeMap<String, AnnouncedChange>> {
        match self {
            Self::Changes(changes) => Some(changes),
            Self::NotAsked { .. } | Self::Failed { .. } | Self::Unchanged => None,
        }
    }
}

/// A resource of which CloudFormation says something else than was predicted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// Whether CloudFormation announces more than was predicted, so that a reviewer would be surprised.
    pub worse: bool,
    /// One sentence.
    pub text: String,
}

/// What CloudFormation announces, as strong as predictions are told.
pub(super) fn announced_replacement(change: &AnnouncedChange) -> Replacement {
    match change.replacement {
        Some(AnnouncedReplacement::Always) => Replacement::Will,
        Some(AnnouncedReplacement::Conditional) => Replacement::May,
        Some(AnnouncedReplacement::Never) | None => Replacement::Never,
    }
}

/// Where CloudFormation and the prediction of a step differ, by logical id; nothing if CloudFormation did not say.
pub fn differences(step: &Step) -> Vec<Difference> {
    let Some(announced) = step.change_set.as_ref().and_then(ChangeSetAnswer::changes) else {
        return Vec::new();
    };
    let predicted = &step.changes.resources;
    let ids: BTreeSet<&String> = predicted.keys().chain(announced.keys()).collect();
    ids.into_iter().filter_map(|id| difference(step, id, predicted.get(id), announced.get(id))).collect()
}

fn difference(
    step: &Step,
    id: &str,
    predicted: Option<&ResourceChange>,
    announced: Option<&AnnouncedChange>,
) -> Option<Difference> {
    let told = |worse, text| Some(Difference { worse, text });
    match (predicted, announced) {
        (None, None) => None,
        (None, Some(announced)) => {
            // Tags of a stack reach its resources, and what depends on a change may change with it.
            let by_stack_tags = announced.scope == ["Tags"] && !step.changes.tags.is_empty();
            let harmless = announced.action == AnnouncedAction::Modify
                && announced_replacement(announced) == Replacement::Never
                && (by_stack_tags || announced.is_uncertain());
            if harmless {
                return None;
            }
            told(true, format!("CloudFormation {} {id}, of which no change was predicted", verb(announced)))
        }
        (Some(predicted), None) => match (predicted.certainty, predicted.action) {
            (Certainty::Will, ResourceAction::Add) => {
                told(false, format!("CloudFormation does not name {id}, which was predicted to be created"))
            }
            (Certainty::Will, ResourceAction::Remove) => {
                told(false, format!("CloudFormation does not name {id}, which was predicted to be removed"))
            }
            (_, ResourceAction::Modify) => told(false, format!("CloudFormation does not change {id}")),
            _ => None,
        },
        (Some(predicted), Some(announced)) => {
            let agrees = match (predicted.action, announced.action) {
                (ResourceAction::Add, AnnouncedAction::Add | AnnouncedAction::Import)
                | (ResourceAction::Remove, AnnouncedAction::Remove)
                | (_, AnnouncedAction::Dynamic) => true,
                (ResourceAction::Modify, AnnouncedAction::Modify) => {
                    return replaced(id, predicted, announced);
                }
                _ => false,
            };
            if agrees {
                return None;
            }
            let expected = match predicted.action {
                ResourceAction::Add => "created",
                ResourceAction::Remove => "removed",
                ResourceAction::Modify => "updated",
            };
            told(
                true,
                format!("CloudFormation {} {id}, which was predicted to be {expected}", verb(announced)),
            )
        }
    }
}

/// What CloudFormation does with a resource, as a verb.
fn verb(change: &AnnouncedChange) -> &'static str {
    match (change.action, announced_replacement(change)) {
        (AnnouncedAction::Add, _) => "creates",
        (AnnouncedAction::Remove, _) => "removes",
        (AnnouncedAction::Import, _) => "imports",
        (AnnouncedAction::Dynamic, _) => "may change",
        (AnnouncedAction::Modify, Replacement::Will) => "replaces",
        (AnnouncedAction::Modify, Replacement::May) => "may replace",
        (AnnouncedAction::Modify, Replacement::Never) if change.is_uncertain() => "may update",
        (AnnouncedAction::Modify, Replacement::Never) => "updates",
    }
}

/// Where both update a resource, and one of them replaces it.
fn replaced(id: &str, predicted: &ResourceChange, announced: &AnnouncedChange) -> Option<Difference> {
    let told = |worse, text| Some(Difference { worse, text });
    match (predicted.replacement, announced_replacement(announced)) {
        (Replacement::Never, Replacement::Will) => {
            told(true, format!("predicted in place, CloudFormation replaces {id}"))
        }
        (Replacement::Never, Replacement::May) => {
            told(true, format!("predicted in place, CloudFormation may replace {id}"))
        }
        (Replacement::May, Replacement::Will) => {
            told(true, format!("predicted that {id} may be replaced, CloudFormation replaces it"))
        }
        (Replacement::May, Replacement::Never) => {
            told(false, format!("predicted that {id} may be replaced, CloudFormation updates it in place"))
        }
        (Replacement::Will, Replacement::Never) => {
            told(false, format!("predicted to be replaced, CloudFormation updates {id} in place"))
        }
        // What follows from another replacement CloudFormation knows only while it happens.
        (Replacement::Will, Replacement::May)
        | (Replacement::Never, Replacement::Never)
        | (Replacement::May, Replacement::May)
        | (Replacement::Will, Replacement::Will) => None,
    }
}

impl Plan {
    /// Takes in what CloudFormation said of steps. What it announces to remove or to replace counts for the losses of
    /// data, too; what it does not announce stays counted, for the careful of both verdicts holds.
    pub(crate) fn take_answers(
        &mut self,
        answers: BTreeMap<NodeName, ChangeSetAnswer>,
        config: &DataLoss,
        settings: &Settings,
    ) {
        let mut answers = answers;
        let mut announced = Vec::new();
        for step in &mut self.steps {
            if let Some(answer) = answers.remove(&step.name) {
                step.take_answer(answer);
                announced.extend(of_answer(step));
            }
        }
        for loss in announced {
            let same =
                |known: &&mut super::Loss| known.stack == loss.stack && known.resource == loss.resource;
            match self.losses.iter_mut().find(same) {
                Some(known) if loss.certainty == Certainty::Will => known.certainty = Certainty::Will,
                Some(_) => {}
                None => {
                    let mut added = [loss];
                    self.notes.extend(acknowledge(&mut added, config, settings));
                    self.losses.extend(added);
                }
            }
        }
    }
}

impl Step {
    fn take_answer(&mut self, answer: ChangeSetAnswer) {
        let note = |warning, code, text| Note { warning, code, text };
        let told = match &answer {
            ChangeSetAnswer::NotAsked { reason } => {
                let text = format!("CloudFormation was not asked: {reason}");
                Some(note(false, "plan::change_set_not_asked", text))
            }
            ChangeSetAnswer::Failed { reason } => {
                let text = format!("CloudFormation could not say what it would do: {reason}");
                Some(note(true, "plan::change_set_failed", text))
            }
            ChangeSetAnswer::Unchanged => {
                let text = "CloudFormation sees no change".to_owned();
                Some(note(false, "plan::change_set_unchanged", text))
            }
            ChangeSetAnswer::Changes(_) => None,
        };
        self.notes.extend(told);
        self.change_set = Some(answer);
        let differences = differences(self);
        if differences.is_empty() && self.change_set.as_ref().is_some_and(|answer| answer.changes().is_some())
        {
            let text = "CloudFormation announces what was predicted".to_owned();
            self.notes.push(note(false, "plan::change_set_agrees", text));
        }
        self.notes.extend(
            differences
                .into_iter()
                .map(|difference| note(difference.worse, "plan::change_set_differs", difference.text)),
        );
    }
}

#[cfg(test)]
mod tests;
