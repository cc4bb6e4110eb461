//! Takes secrets out of a finished plan: whatever a value is made of, its text decides once more.

use super::{ChangeSetAnswer, Changes, Plan, ShownValue};
use crate::secrets::{HIDDEN, Secrets};

impl Plan {
    /// Hides these secrets wherever the plan has texts of values.
    pub fn hide(&mut self, secrets: &Secrets) {
        for step in &mut self.steps {
            if let Some(subject) = step.task.as_mut().and_then(|task| task.subject.as_mut()) {
                text(subject, secrets);
            }
            step.notes.iter_mut().for_each(|note| text(&mut note.text, secrets));
            changes(&mut step.changes, secrets);
            match &mut step.change_set {
                Some(ChangeSetAnswer::NotAsked { reason } | ChangeSetAnswer::Failed { reason }) => {
                    text(reason, secrets);
                }
                Some(ChangeSetAnswer::Changes(announced)) => {
                    for detail in announced.values_mut().flat_map(|change| &mut change.details) {
                        announcement(&mut detail.before, &mut detail.after, secrets);
                    }
                    for change in announced.values_mut() {
                        optional(&mut change.physical_id, secrets);
                    }
                }
                Some(ChangeSetAnswer::Unchanged) | None => {}
            }
        }
        self.notes.iter_mut().for_each(|note| text(&mut note.text, secrets));
    }
}

fn changes(changes: &mut Changes, secrets: &Secrets) {
    for parameter in changes.parameters.values_mut() {
        both(&mut parameter.before, &mut parameter.after, secrets);
    }
    for property in changes.resources.values_mut().flat_map(|resource| &mut resource.properties) {
        both(&mut property.before, &mut property.after, secrets);
        optional(&mut property.because, secrets);
        text(&mut property.path, secrets);
    }
    for detail in &mut changes.details {
        both(&mut detail.before, &mut detail.after, secrets);
        text(&mut detail.path, secrets);
    }
    for output in changes.outputs.values_mut() {
        both(&mut output.before, &mut output.after, secrets);
        optional(&mut output.export, secrets);
        output.because.iter_mut().for_each(|phrase| text(phrase, secrets));
    }
    for (before, after) in changes.tags.values_mut() {
        optional(before, secrets);
        optional(after, secrets);
    }
}

/// A value before and after. Where one of them is a secret the other one is, too: a secret that was changed is known
/// only as it is now.
fn both(before: &mut Option<ShownValue>, after: &mut Option<ShownValue>, secrets: &Secrets) {
    let is_secret = |value: &Option<ShownValue>| match value {
        Some(ShownValue::Secret) => true,
        Some(ShownValue::Plain(text)) => secrets.are_in(text),
        Some(ShownValue::KnownAfter(_)) | None => false,
    };
    if is_secret(before) || is_secret(after) {
        for value in [before, after] {
            if let Some(ShownValue::Plain(_)) = value {
                *value = Some(ShownValue::Secret);
            }
        }
    }
}

/// The same for what CloudFormation announces.
fn announcement(before: &mut Option<String>, after: &mut Option<String>, secrets: &Secrets) {
    optional(before, secrets);
    optional(after, secrets);
    let is_hidden = |value: &Option<String>| value.as_ref().is_some_and(|text| text.contains(HIDDEN));
    if is_hidden(before) || is_hidden(after) {
        for value in [before, after].into_iter().flatten() {
            HIDDEN.clone_into(value);
        }
    }
}

fn optional(value: &mut Option<String>, secrets: &Secrets) {
    if let Some(value) = value {
        text(value, secrets);
    }
}

fn text(text: &mut String, secrets: &Secrets) {
    if secrets.are_in(text) {
        *text = secrets.hide(text);
    }
}
