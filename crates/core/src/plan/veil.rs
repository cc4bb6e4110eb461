//! Takes secrets out of a finished plan: whatever a value is made of, its text decides once more.

use super::{ChangeSetAnswer, Changes, Plan, ShownValue};
use crate::secrets::Secrets;

impl Plan {
    /// Hides these secrets wherever the plan has texts of values.
    pub fn hide(&mut self, secrets: &Secrets) {
        if secrets.is_empty() {
            return;
        }
        for step in &mut self.steps {
            step.notes.iter_mut().for_each(|note| text(&mut note.text, secrets));
            changes(&mut step.changes, secrets);
            match &mut step.change_set {
                Some(ChangeSetAnswer::NotAsked { reason } | ChangeSetAnswer::Failed { reason }) => {
                    text(reason, secrets);
                }
                Some(ChangeSetAnswer::Changes(announced)) => {
                    for detail in announced.values_mut().flat_map(|change| &mut change.details) {
                        optional(&mut detail.before, secrets);
                        optional(&mut detail.after, secrets);
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
        value(&mut parameter.before, secrets);
        value(&mut parameter.after, secrets);
    }
    for property in changes.resources.values_mut().flat_map(|resource| &mut resource.properties) {
        value(&mut property.before, secrets);
        value(&mut property.after, secrets);
        optional(&mut property.because, secrets);
        text(&mut property.path, secrets);
    }
    for output in changes.outputs.values_mut() {
        value(&mut output.before, secrets);
        value(&mut output.after, secrets);
        optional(&mut output.export, secrets);
        output.because.iter_mut().for_each(|phrase| text(phrase, secrets));
    }
    for (before, after) in changes.tags.values_mut() {
        optional(before, secrets);
        optional(after, secrets);
    }
}

fn value(value: &mut Option<ShownValue>, secrets: &Secrets) {
    if let Some(ShownValue::Plain(text)) = value
        && secrets.are_in(text)
    {
        *value = Some(ShownValue::Secret);
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
