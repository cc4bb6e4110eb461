//! Plans for programs: schema `plan.schema.json`. Names stay; more may be added.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::words;
use crate::plan::{
    Action, Certainty, Note, Plan, PlannedHook, Purpose, ShownValue, Step, Summary, TemplateChange,
};

/// A plan as a document.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct PlanDocument<'p> {
    /// Version of this format.
    version: u32,
    /// What the plan is for.
    purpose: Purpose,
    /// Namespace of the config.
    namespace: &'p str,
    /// Account id.
    account: &'p str,
    /// Region.
    region: &'p str,
    /// Steps by action.
    summary: Summary,
    /// Steps in an order in which they could run one by one.
    steps: Vec<StepDocument<'p>>,
    /// Hooks that would run.
    hooks: &'p [PlannedHook],
    /// Remarks on the run as a whole.
    notes: Vec<NoteDocument<'p>>,
}

#[derive(Debug, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
struct StepDocument<'p> {
    /// The stack.
    name: &'p str,
    /// Its name in CloudFormation.
    fqn: &'p str,
    /// What happens.
    action: Action,
    /// Why, in words.
    reason: String,
    /// Why, as stable codes.
    reasons: Vec<&'static str>,
    /// Steps that must have succeeded before.
    needs: BTreeSet<&'p str>,
    /// What the step works on.
    kind: &'static str,
    /// How sure it is.
    certainty: Certainty,
    /// The stack exists, but neither graph nor state knew it.
    adopted: bool,
    /// Id of the stack, if it exists.
    #[serde(skip_serializing_if = "Option::is_none")]
    stack_id: Option<&'p str>,
    /// What differs.
    changes: ChangesDocument<'p>,
    /// Remarks.
    notes: Vec<NoteDocument<'p>>,
}

#[derive(Debug, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
struct ChangesDocument<'p> {
    /// The template by logical id, if it differs.
    template: Option<&'p TemplateChange>,
    /// Parameters by name.
    parameters: BTreeMap<&'p str, ParameterDocument<'p>>,
    /// Tags by key.
    tags: BTreeMap<&'p str, BeforeAfter<'p>>,
    /// Termination protection before and after, if it differs.
    termination_protection: Option<(bool, bool)>,
    /// Whether the stack policy differs.
    stack_policy: bool,
}

#[derive(Debug, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
struct ParameterDocument<'p> {
    /// Value now.
    before: Option<ValueDocument<'p>>,
    /// Value after the step.
    after: Option<ValueDocument<'p>>,
}

/// A value: in clear, secret, or known only after other stacks.
#[derive(Debug, Serialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
enum ValueDocument<'p> {
    /// The value.
    Value(&'p str),
    /// Not shown; always true.
    Secret(bool),
    /// Known after the deploy of these stacks.
    KnownAfter(BTreeSet<&'p str>),
}

#[derive(Debug, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
struct BeforeAfter<'p> {
    /// Value now.
    before: Option<&'p str>,
    /// Value after the step.
    after: Option<&'p str>,
}

#[derive(Debug, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
struct NoteDocument<'p> {
    /// Stable code.
    code: &'p str,
    /// Whether it is a warning.
    warning: bool,
    /// One sentence.
    text: &'p str,
}

/// Writes a plan as JSON, two spaces a level, with a final line feed.
pub fn plan(plan: &Plan) -> String {
    pretty(&document(plan))
}

/// A document as indented JSON with a final line feed.
pub fn pretty(document: &impl Serialize) -> String {
    // Maps have text keys and no value fails to serialise, so the fallback is never written.
    let mut text =
        serde_json::to_string_pretty(document).unwrap_or_else(|error| format!("{{\"error\": \"{error}\"}}"));
    text.push('\n');
    text
}

fn document(plan: &Plan) -> PlanDocument<'_> {
    PlanDocument {
        version: 1,
        purpose: plan.purpose,
        namespace: &plan.namespace,
        account: &plan.account,
        region: &plan.region,
        summary: plan.summary(),
        steps: plan.steps.iter().map(step).collect(),
        hooks: &plan.hooks,
        notes: plan.notes.iter().map(note).collect(),
    }
}

fn step(step: &Step) -> StepDocument<'_> {
    StepDocument {
        name: step.name.as_str(),
        fqn: step.fqn.as_str(),
        action: step.action,
        reason: words::reasons(step),
        reasons: step.reasons.iter().map(words::reason_code).collect(),
        needs: step.needs.iter().map(|need| need.as_str()).collect(),
        kind: "stack",
        certainty: step.certainty,
        adopted: step.adopted,
        stack_id: step.stack_id.as_ref().map(|id| id.as_str()),
        changes: ChangesDocument {
            template: step.changes.template.as_ref(),
            parameters: step
                .changes
                .parameters
                .iter()
                .map(|(name, change)| {
                    let document = ParameterDocument {
                        before: change.before.as_ref().map(value),
                        after: change.after.as_ref().map(value),
                    };
                    (name.as_str(), document)
                })
                .collect(),
            tags: step
                .changes
                .tags
                .iter()
                .map(|(key, (before, after))| {
                    (key.as_str(), BeforeAfter { before: before.as_deref(), after: after.as_deref() })
                })
                .collect(),
            termination_protection: step.changes.termination_protection,
            stack_policy: step.changes.stack_policy,
        },
        notes: step.notes.iter().map(note).collect(),
    }
}

fn value(value: &ShownValue) -> ValueDocument<'_> {
    match value {
        ShownValue::Plain(text) => ValueDocument::Value(text),
        ShownValue::Secret => ValueDocument::Secret(true),
        ShownValue::KnownAfter(stacks) => {
            ValueDocument::KnownAfter(stacks.iter().map(|name| name.as_str()).collect())
        }
    }
}

fn note(note: &Note) -> NoteDocument<'_> {
    NoteDocument { code: note.code, warning: note.warning, text: &note.text }
}
