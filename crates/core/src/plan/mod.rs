//! The plan: a value that says everything a deploy or destroy will do, made by pure functions.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::ident::{NodeName, StackFqn, StackId};
use crate::lookup::Cause;
use crate::provider::StackStatus;
use crate::registry::HookStage;

mod answer;
mod change;
mod compare;
mod consumers;
mod deploy;
mod describe;
mod destroy;
mod effective;
mod effects;
mod hidden;
mod losses;
pub mod outstanding;
pub mod parameters;
mod problem;
mod remarks;
mod removal;
mod replacing;
mod resources;
pub mod saved;
mod scope;
mod select;
pub(crate) mod tasks;
mod template;
mod veil;
mod world;

pub use answer::{ChangeSetAnswer, Difference, differences};
pub use change::{
    Changes, OutputChange, ParameterChange, PropertyChange, ResourceAction, ResourceChange, ShownValue,
    TemplateChange,
};
pub use compare::{Parameters, current_template, is_settled, request_content, unannounced_losses};
pub(crate) use deploy::LONGEST_BODY;
pub use deploy::{deploy, other_place};
pub use destroy::destroy;
pub(crate) use effective::surroundings;
pub use hidden::Hidden;
pub(crate) use hidden::secret_outputs;
pub use losses::{Allowed, Loss, LossKind};
pub use problem::PlanProblem;
pub use scope::hook_scope;
pub use select::{Selection, selected};
pub use tasks::{StepTask, TaskKey};
pub(crate) use world::meaning;
pub use world::{
    Answers, Desired, HookResults, RenderKey, Rendered, Settings, TemplateFact, Templates, World,
    fqn_of_recorded,
};

/// What a run is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum Purpose {
    /// Make the stacks as the config says.
    Deploy,
    /// Delete every stack of the config and of the persistent graph.
    Destroy,
}

impl Purpose {
    /// The stages of hooks before and after the stacks.
    pub fn stages(self) -> [HookStage; 2] {
        match self {
            Self::Deploy => [HookStage::PreDeploy, HookStage::PostDeploy],
            Self::Destroy => [HookStage::PreDestroy, HookStage::PostDestroy],
        }
    }
}

/// A complete plan. Immutable once made; equal inputs give equal plans.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    /// What it is for.
    pub purpose: Purpose,
    /// Namespace as written in the config.
    pub namespace: String,
    /// Account id.
    pub account: String,
    /// Region.
    pub region: String,
    /// Steps in an order in which they could be carried out one after the other.
    pub steps: Vec<Step>,
    /// Data that would be lost, in the order of the steps.
    pub losses: Vec<Loss>,
    /// Hooks that would run, in order.
    pub hooks: Vec<PlannedHook>,
    /// Remarks on the run as a whole.
    pub notes: Vec<Note>,
}

/// One step: what happens to one stack, or to one task.
#[derive(Debug, Clone, PartialEq)]
pub struct Step {
    /// The stack or task.
    pub name: NodeName,
    /// Its name in CloudFormation; of a task its own name, which no stack can have.
    pub fqn: StackFqn,
    /// What it works on, if it is a task.
    pub task: Option<StepTask>,
    /// Its id, if it exists.
    pub stack_id: Option<StackId>,
    /// What happens.
    pub action: Action,
    /// Why, most important first; never empty.
    pub reasons: Vec<Reason>,
    /// Steps that must have succeeded before.
    pub needs: BTreeSet<NodeName>,
    /// How sure it is.
    pub certainty: Certainty,
    /// The stack exists, but neither graph nor state knew it.
    pub adopted: bool,
    /// What changes in detail; empty where nothing is known in detail.
    pub changes: Changes,
    /// Remarks a reviewer should read: protection that will stop a deletion, a default that is not applied, ...
    pub notes: Vec<Note>,
    /// What CloudFormation itself says, if it was to be asked.
    pub change_set: Option<ChangeSetAnswer>,
}

/// What happens to a stack.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum Action {
    /// CreateStack.
    Create,
    /// UpdateStack, if values known only after deploy do not turn out equal.
    Update,
    /// DeleteStack.
    Delete,
    /// DeleteStack of a failed or empty stack, then CreateStack.
    Recreate,
    /// A task that only has effects has them.
    Run,
    /// Nothing: it is as the config says.
    None,
    /// Nothing: the config says to leave it alone, or it does not exist.
    Skip,
}

impl Action {
    /// Whether it changes anything.
    pub fn is_change(self) -> bool {
        matches!(self, Self::Create | Self::Update | Self::Delete | Self::Recreate | Self::Run)
    }

    /// The word in JSON and text.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Update => "update",
            Self::Delete => "delete",
            Self::Recreate => "recreate",
            Self::Run => "run",
            Self::None => "none",
            Self::Skip => "skip",
        }
    }
}

/// How sure a step is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum Certainty {
    /// Nothing changes, and that is certain.
    Proved,
    /// It will happen.
    Will,
    /// It happens if values known only after other steps turn out different.
    May,
}

/// Why a step is in the plan as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reason {
    /// The stack does not exist.
    Absent,
    /// It exists only as an empty shell that a change set left behind (`REVIEW_IN_PROGRESS`).
    EmptyShell,
    /// Its last creation failed; CloudFormation allows nothing but deletion.
    CreationFailed(StackStatus),
    /// It was being deleted when it was looked at.
    BeingDeleted,
    /// The template differs.
    TemplateChanged,
    /// These parameters differ.
    ParametersChanged(Vec<String>),
    /// These parameters depend on values that are known only later.
    ParametersUnknown {
        /// Parameter names.
        parameters: Vec<String>,
        /// What they wait for.
        after: BTreeSet<Cause>,
    },
    /// The template is rendered with values that are known only later.
    TemplateUnknown {
        /// What they wait for.
        after: BTreeSet<Cause>,
    },
    /// These tags differ.
    TagsChanged(Vec<String>),
    /// Termination protection differs.
    TerminationProtectionChanged {
        /// As wanted.
        to: bool,
    },
    /// The stack policy differs.
    StackPolicyChanged,
    /// These NoEcho parameters are given, and CloudFormation does not tell their values.
    ParametersHidden(Vec<String>),
    /// Another operation is under way; it is waited for, and then looked at again.
    OperationInProgress(StackStatus),
    /// Its last operation failed in a way that CloudFormation lets nobody update.
    Stuck(StackStatus),
    /// It is in the persistent graph but not in the config.
    NotInConfig,
    /// The command is destroy.
    Destroy,
    /// Nothing differs.
    Unchanged,
    /// `enabled: false`.
    Disabled,
    /// `locked: true`, and it exists.
    Locked,
    /// The run works on other stacks only.
    NotSelected,
    /// It is recorded but does not exist; the record will be dropped.
    Gone,
    /// It is a recorded task that keeps nothing; the record will be dropped.
    KeepsNothing,
    /// It is an assertion that does not hold; what is, and what has to be, is in the details.
    DoesNotHold,
    /// A task that only has effects did not have them to the end, or was left out when they were due.
    Due,
    /// It does not exist and nothing is recorded.
    NeverExisted,
    /// It is recorded under a name that does not exist; the record is kept because the real name is unknown.
    NameUnknown,
    /// The stack of that name is not the one that was recorded; it is left alone and its record is kept.
    OtherIncarnation,
    /// The same stack is in the config under another name.
    Renamed {
        /// Its name in the config.
        to: NodeName,
    },
    /// Only the state object knows it; it is recorded again, and left alone in this run.
    RecordedAgain,
    /// This of what a task keeps is not as specified.
    Differs(Vec<String>),
    /// A task is to have nothing there, and there is something.
    Unwanted,
    /// These arguments of a task depend on values that are known only later.
    ArgumentsUnknown {
        /// Their names.
        arguments: Vec<String>,
        /// What they wait for.
        after: BTreeSet<Cause>,
    },
    /// What a task keeps could not be looked at yet, and something that it needs changes before.
    StateUnknown {
        /// What changes before.
        after: BTreeSet<Cause>,
    },
    /// A task that only has effects is not known to have run.
    NeverRan,
    /// A task that only has effects last ran with other arguments.
    ArgumentsChanged,
    /// A task that only has effects runs in every deploy.
    Always,
    /// A task that only has effects runs because these, which it needs, change.
    NeedsChange(BTreeSet<NodeName>),
    /// What a task keeps stays, and is not known any more.
    Retained,
    /// What a task keeps may be what another one of the config keeps; its record stays.
    MaybeRenamed,
    /// What a task keeps cannot be found by what is recorded of it; its record stays.
    NotFindable,
    /// Nothing is recorded of a task, and its arguments do not tell what it keeps; it is left alone.
    SubjectUnknown,
    /// A task was seen as specified within this time, for which the config trusts it.
    Trusted {
        /// The time, in words.
        within: String,
    },
}

impl Reason {
    /// Whether what it stands for may do anything to the resources of the stack.
    pub fn touches_resources(&self) -> bool {
        !matches!(self, Self::TerminationProtectionChanged { .. } | Self::StackPolicyChanged)
    }
}

/// Code of the remark that the config protects a stack from being updated without a person's approval.
const PROTECTED: &str = "plan::protected";

/// A remark with a severity.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    /// Whether it is a warning.
    pub warning: bool,
    /// Stable code, for example `plan::termination_protected`.
    pub code: &'static str,
    /// The remark, one sentence.
    pub text: String,
}

/// A hook as the plan lists it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct PlannedHook {
    /// `pre_deploy`, `post_deploy`, `pre_destroy` or `post_destroy`.
    pub stage: String,
    /// Import path.
    pub path: String,
    /// Whether its failure ends the run.
    pub required: bool,
}

/// How many steps there are of each kind.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs, reason = "each is the number of steps with that action")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Summary {
    pub create: usize,
    pub update: usize,
    pub delete: usize,
    pub recreate: usize,
    #[serde(default)]
    pub run: usize,
    pub none: usize,
    pub skip: usize,
}

impl Step {
    /// Whether it updates a stack that the config protects.
    pub fn is_protected(&self) -> bool {
        self.action == Action::Update && self.notes.iter().any(|note| note.code == PROTECTED)
    }
}

impl Summary {
    /// Counts one step more.
    pub(crate) fn count(&mut self, action: Action) {
        match action {
            Action::Create => self.create += 1,
            Action::Update => self.update += 1,
            Action::Delete => self.delete += 1,
            Action::Recreate => self.recreate += 1,
            Action::Run => self.run += 1,
            Action::None => self.none += 1,
            Action::Skip => self.skip += 1,
        }
    }
}

impl Plan {
    /// Counts the steps by action.
    pub fn summary(&self) -> Summary {
        let mut summary = Summary::default();
        self.steps.iter().for_each(|step| summary.count(step.action));
        summary
    }

    /// Whether any step changes anything.
    pub fn has_changes(&self) -> bool {
        self.steps.iter().any(|step| step.action.is_change())
    }

    /// Exports that the plan changes or removes, or may.
    pub fn exports_at_risk(&self, world: &World) -> Vec<String> {
        consumers::exports_at_risk(self.steps.iter(), world)
    }

    /// Losses of data that nobody has allowed: a run without a person's approval refuses them.
    pub fn refused_losses(&self) -> impl Iterator<Item = &Loss> {
        self.losses.iter().filter(|loss| !loss.allowed)
    }

    /// The step of a stack.
    pub fn step(&self, name: &NodeName) -> Option<&Step> {
        self.steps.iter().find(|step| &step.name == name)
    }
}
