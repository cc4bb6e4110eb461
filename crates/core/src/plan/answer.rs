//! What CloudFormation itself says of the steps of a plan, and where that is not what was predicted.

use std::collections::BTreeMap;

use super::{Note, Plan, Step};
use crate::ident::StackName;
use crate::provider::AnnouncedChange;

/// What CloudFormation says of a step (`plan --change-sets`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ChangeSetAnswer {
    /// It was not asked.
    NotAsked {
        /// Why, as a clause behind "because" or a colon.
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
    /// The word in JSON.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::NotAsked { .. } => "not_asked",
            Self::Failed { .. } => "failed",
            Self::Unchanged => "unchanged",
            Self::Changes(_) => "changes",
        }
    }
}

impl Plan {
    /// Takes in what CloudFormation said of steps.
    pub(crate) fn take_answers(&mut self, answers: BTreeMap<StackName, ChangeSetAnswer>) {
        let mut answers = answers;
        for step in &mut self.steps {
            if let Some(answer) = answers.remove(&step.name) {
                step.take_answer(answer);
            }
        }
    }
}

impl Step {
    fn take_answer(&mut self, answer: ChangeSetAnswer) {
        let note = |warning, code, text| Note { warning, code, text };
        match &answer {
            ChangeSetAnswer::NotAsked { reason } => {
                let text = format!("CloudFormation was not asked: {reason}");
                self.notes.push(note(false, "plan::change_set_not_asked", text));
            }
            ChangeSetAnswer::Failed { reason } => {
                let text = format!("CloudFormation could not say what it would do: {reason}");
                self.notes.push(note(true, "plan::change_set_failed", text));
            }
            ChangeSetAnswer::Unchanged => {
                let text = "CloudFormation sees no change".to_owned();
                self.notes.push(note(false, "plan::change_set_unchanged", text));
            }
            ChangeSetAnswer::Changes(_) => {}
        }
        self.change_set = Some(answer);
    }
}
