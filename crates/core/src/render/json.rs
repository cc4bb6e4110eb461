//! Plans for programs: schema `plan.schema.json`. Names stay; more may be added.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::{chain, words};
use crate::config::assets::KIND as ASSETS;
use crate::plan::{
    Action, Certainty, ChangeSetAnswer, Loss, LossKind, Note, OutputChange, Plan, PlannedHook,
    PropertyChange, Purpose, ResourceAction, ResourceChange, ShownValue, Step, StepTask, Summary,
    TemplateChange, differences,
};
use crate::provider::AnnouncedChange;
use crate::resources::{DataFate, Replacement};

/// A plan as a document: what is written as JSON, and read back by programs that show it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct PlanDocument {
    /// Version of this format.
    pub version: u32,
    /// What the plan is for.
    pub purpose: Purpose,
    /// Namespace of the config.
    pub namespace: String,
    /// Account id.
    pub account: String,
    /// Region.
    pub region: String,
    /// Steps by action.
    pub summary: Summary,
    /// Steps in an order in which they could run one by one.
    pub steps: Vec<StepDocument>,
    /// Data that would be lost; a deploy without a person's approval is refused unless all of it is allowed.
    #[serde(default)]
    pub losses: Vec<LossDocument>,
    /// Hooks that would run.
    pub hooks: Vec<PlannedHook>,
    /// Remarks on the run as a whole.
    pub notes: Vec<NoteDocument>,
}

/// A step of a plan.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct StepDocument {
    /// The stack.
    pub name: String,
    /// Its name in CloudFormation.
    pub fqn: String,
    /// What happens.
    pub action: Action,
    /// Why, in words.
    pub reason: String,
    /// Why, as stable codes.
    pub reasons: Vec<String>,
    /// Steps that must have succeeded before.
    pub needs: BTreeSet<String>,
    /// What the step works on: `stack`, `task`, or `assets` for the push of a build.
    pub kind: String,
    /// Which task it is, if it is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub task: Option<TaskDocument>,
    /// How sure it is.
    pub certainty: Certainty,
    /// Why it may happen: from each unknown parameter back to what changes first.
    #[serde(default)]
    pub chain: Vec<String>,
    /// The stack exists, but neither graph nor state knew it.
    pub adopted: bool,
    /// Id of the stack, if it exists.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stack_id: Option<String>,
    /// What differs.
    pub changes: ChangesDocument,
    /// Remarks.
    pub notes: Vec<NoteDocument>,
    /// What CloudFormation itself says, if it was to be asked (`plan --change-sets`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub change_set: Option<ChangeSetDocument>,
}

/// A task.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct TaskDocument {
    /// Its kind.
    pub kind: String,
    /// What it keeps, in words; null as long as its arguments are not known.
    pub subject: Option<String>,
    /// Account id.
    pub account: String,
    /// Region.
    pub region: String,
    /// Digest of its arguments as far as they are known; secrets are left out.
    pub digest: String,
}

impl TaskDocument {
    /// Account and region, as texts show them.
    pub(super) fn place(&self) -> String {
        format!("{}/{}", self.account, self.region)
    }
}

/// What CloudFormation says of a step.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ChangeSetDocument {
    /// `changes`, `unchanged`, `failed` or `not_asked`.
    pub outcome: ChangeSetOutcome,
    /// Why it failed, or why it was not asked.
    pub reason: Option<String>,
    /// What it would do with resources, by logical id.
    pub changes: BTreeMap<String, AnnouncedChange>,
    /// Where that is not what was predicted, in words.
    pub differences: Vec<String>,
}

/// What came of asking CloudFormation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum ChangeSetOutcome {
    /// It announces changes.
    Changes,
    /// It sees no change.
    Unchanged,
    /// It could not work the change set out.
    Failed,
    /// It was not asked.
    NotAsked,
}

/// What a step changes in detail.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ChangesDocument {
    /// The template by logical id, if it differs.
    pub template: Option<TemplateChange>,
    /// Resources that change, or may, by logical id, with conditions, mappings and parameters evaluated.
    #[serde(default)]
    pub resources: BTreeMap<String, ResourceDocument>,
    /// Outputs that change, or may, by name.
    #[serde(default)]
    pub outputs: BTreeMap<String, OutputDocument>,
    /// Nothing is known of the outputs before the step.
    #[serde(default)]
    pub outputs_open: bool,
    /// Parameters by name.
    pub parameters: BTreeMap<String, ParameterDocument>,
    /// Tags by key.
    pub tags: BTreeMap<String, BeforeAfter>,
    /// Termination protection before and after, if it differs.
    pub termination_protection: Option<(bool, bool)>,
    /// Whether the stack policy differs.
    pub stack_policy: bool,
    /// What differs of what a task keeps.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub details: Vec<PropertyDocument>,
}

/// How a resource changes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ResourceDocument {
    /// Its type.
    #[serde(rename = "type")]
    pub kind: String,
    /// What happens.
    pub action: ResourceAction,
    /// Whether that is certain.
    pub certainty: Certainty,
    /// Whether CloudFormation makes a new one in its place.
    pub replacement: Replacement,
    /// Properties and attributes that differ, or may, in order of their paths.
    pub properties: Vec<PropertyDocument>,
    /// What becomes of its data if it is removed or replaced; null if it holds none.
    pub data: Option<DataFate>,
    /// What has to happen before it is known.
    pub known_after: BTreeSet<String>,
}

/// How a property changes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct PropertyDocument {
    /// Its path, for example `Tags[0].Value`.
    pub path: String,
    /// Value now.
    pub before: Option<ValueDocument>,
    /// Value after the step.
    pub after: Option<ValueDocument>,
    /// Whether the change replaces the resource.
    pub replacement: Replacement,
    /// Why it may change although it is written the same, or is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub because: Option<String>,
}

/// How an output changes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct OutputDocument {
    /// Value now.
    pub before: Option<ValueDocument>,
    /// Value after the step.
    pub after: Option<ValueDocument>,
    /// The export it has, or had.
    pub export: Option<String>,
    /// Stacks that look it up or import it.
    pub consumers: BTreeSet<String>,
    /// Why it changes, or may.
    pub because: Vec<String>,
}

/// Data that would be lost.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct LossDocument {
    /// The stack.
    pub stack: String,
    /// Logical id of the resource; null if it is not known what the stack holds.
    pub resource: Option<String>,
    /// Its type.
    #[serde(rename = "type")]
    pub kind: String,
    /// What it holds.
    pub holds: String,
    /// How it would be lost.
    pub how: LossKind,
    /// Whether that is certain.
    pub certainty: Certainty,
    /// What `--allow` takes for it.
    pub allow: String,
    /// Whether it is allowed.
    pub allowed: bool,
}

/// How a parameter differs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ParameterDocument {
    /// Value now.
    pub before: Option<ValueDocument>,
    /// Value after the step.
    pub after: Option<ValueDocument>,
}

/// A value: in clear, secret, or known only after other stacks.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum ValueDocument {
    /// The value.
    Value(String),
    /// Not shown; always true.
    Secret(bool),
    /// Known after the deploy of these stacks, or after a hook: `hook KEY`, or `hook *` if it may be any.
    KnownAfter(BTreeSet<String>),
}

/// A text now and after the step.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct BeforeAfter {
    /// Value now.
    pub before: Option<String>,
    /// Value after the step.
    pub after: Option<String>,
}

/// A remark.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct NoteDocument {
    /// Stable code.
    pub code: String,
    /// Whether it is a warning.
    pub warning: bool,
    /// One sentence.
    pub text: String,
}

/// Writes a plan as JSON, two spaces a level, with a final line feed.
pub fn plan(plan: &Plan) -> String {
    pretty(&PlanDocument::of(plan))
}

/// A document as indented JSON with a final line feed.
pub fn pretty(document: &impl Serialize) -> String {
    // Maps have text keys and no value fails to serialise, so the fallback is never written.
    let mut text =
        serde_json::to_string_pretty(document).unwrap_or_else(|error| format!("{{\"error\": \"{error}\"}}"));
    text.push('\n');
    text
}

impl PlanDocument {
    /// The document of a plan.
    pub fn of(plan: &Plan) -> Self {
        Self {
            version: 1,
            purpose: plan.purpose,
            namespace: plan.namespace.clone(),
            account: plan.account.clone(),
            region: plan.region.clone(),
            summary: plan.summary(),
            steps: plan.steps.iter().map(|one| step(plan, one)).collect(),
            losses: plan.losses.iter().map(loss).collect(),
            hooks: plan.hooks.clone(),
            notes: plan.notes.iter().map(note).collect(),
        }
    }
}

fn step(plan: &Plan, step: &Step) -> StepDocument {
    let changes = &step.changes;
    StepDocument {
        name: step.name.to_string(),
        fqn: step.fqn.to_string(),
        action: step.action,
        reason: words::reasons(step),
        reasons: step.reasons.iter().map(|reason| words::reason_code(reason).to_owned()).collect(),
        needs: step.needs.iter().map(ToString::to_string).collect(),
        kind: match &step.task {
            None => "stack",
            Some(task) if task.kind == ASSETS => "assets",
            Some(_) => "task",
        }
        .to_owned(),
        task: step.task.as_ref().map(task),
        certainty: step.certainty,
        chain: chain::of(plan, step),
        adopted: step.adopted,
        stack_id: step.stack_id.as_ref().map(ToString::to_string),
        changes: ChangesDocument {
            template: changes.template.clone(),
            resources: changes.resources.iter().map(|(id, change)| (id.clone(), resource(change))).collect(),
            outputs: changes.outputs.iter().map(|(name, change)| (name.clone(), output(change))).collect(),
            outputs_open: changes.outputs_open,
            parameters: changes
                .parameters
                .iter()
                .map(|(name, change)| {
                    let document = ParameterDocument {
                        before: change.before.as_ref().map(ValueDocument::of),
                        after: change.after.as_ref().map(ValueDocument::of),
                    };
                    (name.clone(), document)
                })
                .collect(),
            tags: changes
                .tags
                .iter()
                .map(|(key, (before, after))| {
                    (key.clone(), BeforeAfter { before: before.clone(), after: after.clone() })
                })
                .collect(),
            termination_protection: changes.termination_protection,
            stack_policy: changes.stack_policy,
            details: changes.details.iter().map(property).collect(),
        },
        notes: step.notes.iter().map(note).collect(),
        change_set: step.change_set.as_ref().map(|answer| change_set(step, answer)),
    }
}

fn change_set(step: &Step, answer: &ChangeSetAnswer) -> ChangeSetDocument {
    let (outcome, reason) = match answer {
        ChangeSetAnswer::Changes(_) => (ChangeSetOutcome::Changes, None),
        ChangeSetAnswer::Unchanged => (ChangeSetOutcome::Unchanged, None),
        ChangeSetAnswer::Failed { reason } => (ChangeSetOutcome::Failed, Some(reason.clone())),
        ChangeSetAnswer::NotAsked { reason } => (ChangeSetOutcome::NotAsked, Some(reason.clone())),
    };
    ChangeSetDocument {
        outcome,
        reason,
        changes: answer.changes().cloned().unwrap_or_default(),
        differences: differences(step).into_iter().map(|difference| difference.text).collect(),
    }
}

fn task(task: &StepTask) -> TaskDocument {
    TaskDocument {
        kind: task.kind.clone(),
        subject: task.subject.clone(),
        account: task.account.clone(),
        region: task.region.clone(),
        digest: task.digest.clone(),
    }
}

fn property(change: &PropertyChange) -> PropertyDocument {
    PropertyDocument {
        path: change.path.clone(),
        before: change.before.as_ref().map(ValueDocument::of),
        after: change.after.as_ref().map(ValueDocument::of),
        replacement: change.replacement,
        because: change.because.clone(),
    }
}

fn resource(change: &ResourceChange) -> ResourceDocument {
    ResourceDocument {
        kind: change.kind.clone(),
        action: change.action,
        certainty: change.certainty,
        replacement: change.replacement,
        properties: change.properties.iter().map(property).collect(),
        data: change.data.clone(),
        known_after: change.known_after.iter().map(words::cause).collect(),
    }
}

fn output(change: &OutputChange) -> OutputDocument {
    OutputDocument {
        before: change.before.as_ref().map(ValueDocument::of),
        after: change.after.as_ref().map(ValueDocument::of),
        export: change.export.clone(),
        consumers: change.consumers.clone(),
        because: change.because.clone(),
    }
}

fn loss(loss: &Loss) -> LossDocument {
    LossDocument {
        stack: loss.stack.to_string(),
        resource: loss.resource.clone(),
        kind: loss.kind.clone(),
        holds: loss.holds.clone(),
        how: loss.how,
        certainty: loss.certainty,
        allow: loss.allow(),
        allowed: loss.allowed,
    }
}

impl ValueDocument {
    /// The document of a value.
    pub fn of(value: &ShownValue) -> Self {
        match value {
            ShownValue::Plain(text) => Self::Value(text.clone()),
            ShownValue::Secret => Self::Secret(true),
            ShownValue::KnownAfter(after) => Self::KnownAfter(after.iter().map(words::cause).collect()),
        }
    }
}

fn note(note: &Note) -> NoteDocument {
    NoteDocument { code: note.code.to_owned(), warning: note.warning, text: note.text.clone() }
}
