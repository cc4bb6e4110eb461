//! The plan of a deploy: what each stack of the config needs, and which recorded stacks go.

use std::collections::{BTreeMap, BTreeSet};

use super::change::{Pending, PendingStacks};
use super::compare::{Comparison, compare, compare_unknown};
use super::consumers::consumers;
use super::hidden::Hidden;
use super::losses::losses;
use super::remarks::{cannot_update, leaves_resources, left_behind, recreation_notes, renamed};
use super::scope::PlanScope;
use super::select::Selected;
use super::tasks::{self, PlannedOutputs, Subjects, Unsure};
use super::template::{Wanted, wanted_template};
use super::world::renames;
use super::{
    Action, Certainty, Changes, Desired, Note, Plan, PlanProblem, PlannedHook, Purpose, Reason, Settings,
    Step, World, removal as removals,
};
use crate::config::{OnRemove, StackDefinition};
use crate::error::{Finding, Findings};
use crate::graph::state::TaskFacts;
use crate::graph::{GraphState, dependency};
use crate::ident::NodeName;
use crate::provider::{Place, StackState, StackStatus};
use crate::registry::HookStage;
use crate::template::Template;
use crate::text::Span;

/// Longest template that a request may carry, in bytes (CloudFormation quotas).
pub(crate) const LONGEST_BODY: usize = 51_200;
/// Longest template in a bucket, in bytes (CloudFormation quotas).
const LONGEST_TEMPLATE: usize = 1_048_576;

/// Plans a deploy. The findings beside the plan are warnings.
///
/// # Errors
/// [`Findings`] with every lookup that fails, every value that does not fit, and everything that is refused.
pub fn deploy(desired: &Desired, world: &World, settings: &Settings) -> Result<(Plan, Findings), Findings> {
    let mut findings = Findings::default();
    refuse_other_place(world, &mut findings);
    if findings.has_errors() {
        return Err(findings);
    }
    let selected = Selected::find(settings.selection.as_ref(), desired, world)?;
    let deletes_all = desired.config.stacks.is_empty() && !selected.is_part();
    // A config without anything is one that was not read as it was meant: then tasks do not go either.
    let deletable = |facts: &TaskFacts| facts.on_remove == OnRemove::Delete;
    let tasks = world.state.tasks.iter().filter(|(_, facts)| deletable(facts)).map(|(node, _)| node);
    let tasks = tasks.filter(|_| desired.config.tasks.is_empty());
    let names: Vec<&str> = world.nodes().chain(tasks).map(NodeName::as_str).collect();
    if deletes_all && !names.is_empty() && !settings.allow_empty {
        let recorded =
            if names.len() > 10 { format!("{}, ...", names[..10].join(", ")) } else { names.join(", ") };
        let what = if desired.config.tasks.is_empty() { "no stacks and no tasks" } else { "no stacks" };
        let span = desired.config.stacks_span.into();
        let problem = PlanProblem::EmptyConfig { what, count: names.len(), recorded, span };
        findings.push(Finding::at(&desired.config.document, problem));
        return Err(findings);
    }
    let renamed_to = renames(desired, world).into_values().collect();
    let hidden = Hidden::of(desired, world, settings);
    let mut planner = Planner {
        desired,
        world,
        settings,
        selected,
        renamed_to,
        pending: PendingStacks::new(),
        outputs: PlannedOutputs::new(),
        changing: BTreeSet::new(),
        perhaps: BTreeSet::new(),
        subjects: Subjects::default(),
        unsure: Unsure::new(),
        hidden,
        findings,
    };
    let mut steps: BTreeMap<NodeName, Step> = BTreeMap::new();
    for name in desired.graph.order() {
        let stack = desired.config.stacks.get(&name).map(|definition| planner.step(definition));
        let task = || desired.config.tasks.get(&name).map(|definition| planner.task(definition));
        if let Some(Some(step)) = stack.or_else(task) {
            if step.action.is_change() {
                planner.changing.insert(name.clone());
                planner.perhaps.extend((step.certainty == Certainty::May).then(|| name.clone()));
            }
            if let Some(pending) = pending_outputs(&step) {
                planner.pending.insert(name.clone(), pending);
            }
            steps.insert(name, step);
        }
    }
    let Planner { subjects, unsure, findings, .. } = &mut planner;
    let tasks = tasks::removed(desired, world, subjects, unsure, findings);
    for step in removals::removed(desired, world, &planner.hidden, tasks) {
        steps.insert(step.name.clone(), step);
    }
    planner.selected.leave_others(desired, Purpose::Deploy, &mut steps);
    planner.selected.refuse_orphans(desired, world, &steps, &mut planner.findings);
    if planner.findings.has_errors() {
        return Err(planner.findings);
    }
    consumers(desired, world, &mut steps);
    let mut plan = assemble(desired, world, settings, Purpose::Deploy, steps);
    let notes: Vec<Note> = plan.steps.iter().filter_map(trust_note).collect();
    plan.notes.extend(notes);
    plan.hide(planner.hidden.secrets());
    Ok((plan, planner.findings))
}

/// That a task is not looked at, which the config allows, is told of the run as a whole.
fn trust_note(step: &Step) -> Option<Note> {
    let within = step.reasons.iter().find_map(|reason| match reason {
        Reason::Trusted { within } => Some(within),
        _ => None,
    })?;
    let text = format!("{} is trusted for {within} and was not looked at", step.name);
    Some(Note { warning: false, code: "plan::trusted", text })
}

/// Outputs that may be others after a step; `None` if it changes no resource.
fn pending_outputs(step: &Step) -> Option<Pending> {
    if step.task.is_some() {
        return None;
    }
    let touches = step.action.is_change() && step.reasons.iter().any(Reason::touches_resources);
    touches.then(|| {
        if step.action == Action::Update && !step.changes.outputs_open {
            Pending::Outputs(step.changes.outputs.keys().cloned().collect())
        } else {
            Pending::All
        }
    })
}

/// Puts steps into an order in which they could run one by one.
pub(super) fn assemble(
    desired: &Desired,
    world: &World,
    settings: &Settings,
    purpose: Purpose,
    mut steps: BTreeMap<NodeName, Step>,
) -> Plan {
    let needs = steps.iter().map(|(name, step)| (name.clone(), step.needs.clone())).collect();
    let steps: Vec<Step> = dependency::order(&needs).iter().filter_map(|name| steps.remove(name)).collect();
    let config = &desired.config;
    let (losses, notes) = losses(purpose, &steps, &config.data_loss, settings);
    let planned = |stage: HookStage| {
        config.hooks.enabled(stage).map(move |hook| PlannedHook {
            stage: stage.as_str().to_owned(),
            path: hook.path.clone(),
            required: hook.required,
        })
    };
    Plan {
        purpose,
        namespace: config.namespace.clone(),
        account: world.place.account.clone(),
        region: world.place.region.clone(),
        losses,
        steps,
        hooks: purpose.stages().into_iter().flat_map(planned).collect(),
        notes,
    }
}

/// A graph that another account or region shares would have its stacks deleted by this run.
pub(super) fn refuse_other_place(world: &World, findings: &mut Findings) {
    if let Some(problem) = other_place(&world.state, &world.place) {
        findings.push(Finding::general(problem));
    }
}

/// The first recorded stack or task that is in another account or region than `place`, as a refusal.
pub fn other_place(state: &GraphState, place: &Place) -> Option<PlanProblem> {
    let stacks = state.nodes.iter().map(|(name, facts)| ("stack", name, &facts.account, &facts.region));
    let tasks = state.tasks.iter().map(|(name, facts)| ("task", name, &facts.account, &facts.region));
    let (what, name, account, region) = stacks.chain(tasks).find(|(_, _, account, region)| {
        account.as_ref().is_some_and(|account| *account != place.account)
            || region.as_ref().is_some_and(|region| *region != place.region)
    })?;
    let named = |account: Option<&str>, region: Option<&str>| {
        format!("account {}, region {}", account.unwrap_or("unknown"), region.unwrap_or("unknown"))
    };
    Some(PlanProblem::OtherPlace {
        what,
        name: name.as_str().to_owned(),
        theirs: named(account.as_deref(), region.as_deref()),
        ours: named(Some(&place.account), Some(&place.region)),
    })
}

/// A step that does nothing yet; the caller fills in the rest.
pub(super) fn step(
    name: &NodeName,
    definition_or: &crate::ident::StackFqn,
    action: Action,
    reason: Reason,
) -> Step {
    let certainty = if action.is_change() { Certainty::Will } else { Certainty::Proved };
    Step {
        name: name.clone(),
        fqn: definition_or.clone(),
        task: None,
        stack_id: None,
        action,
        reasons: vec![reason],
        needs: BTreeSet::new(),
        certainty,
        adopted: false,
        changes: Changes::default(),
        notes: Vec::new(),
        change_set: None,
    }
}

/// A remark on a step.
pub(super) fn note(code: &'static str, text: impl Into<String>) -> Note {
    Note { warning: true, code, text: text.into() }
}

pub(super) struct Planner<'a> {
    pub(super) desired: &'a Desired,
    pub(super) world: &'a World,
    pub(super) settings: &'a Settings,
    pub(super) selected: Selected,
    /// Stacks of the config that are recorded under another name.
    renamed_to: BTreeSet<NodeName>,
    /// Stacks of which some outputs are known only after their step.
    pub(super) pending: PendingStacks,
    /// Outputs of the tasks that are planned.
    pub(super) outputs: PlannedOutputs,
    /// Steps that change something.
    pub(super) changing: BTreeSet<NodeName>,
    /// Those that only may.
    pub(super) perhaps: BTreeSet<NodeName>,
    /// What the planned tasks keep.
    pub(super) subjects: Subjects,
    /// Where that is not known of all of them.
    pub(super) unsure: Unsure,
    pub(super) hidden: Hidden,
    pub(super) findings: Findings,
}

impl Planner<'_> {
    /// Plans one stack of the config; `None` if there was a problem, which then is a finding.
    fn step(&mut self, definition: &StackDefinition) -> Option<Step> {
        let live = self
            .world
            .stacks
            .get(&definition.fqn)
            .filter(|stack| stack.status != StackStatus::DeleteComplete);
        let mut step = if self.selected.has(&definition.name) {
            if let Some(problem) = renamed(self.desired, self.world, definition) {
                self.report(problem);
            }
            self.decide(definition, live)?
        } else {
            step(&definition.name, &definition.fqn, Action::Skip, Reason::NotSelected)
        };
        step.needs = self.desired.graph.needs_of(&definition.name);
        step.stack_id = live.map(|stack| stack.id.clone());
        // Without a persistent graph nothing is ever known, so nothing is adopted either.
        step.adopted = live.is_some()
            && self.world.recorded.is_some()
            && definition.enabled
            && self.selected.has(&definition.name)
            && !self.world.is_recorded(&definition.name)
            && !self.renamed_to.contains(&definition.name)
            && !self.world.state.nodes.contains_key(&definition.name);
        Some(step)
    }

    fn decide(&mut self, definition: &StackDefinition, live: Option<&StackState>) -> Option<Step> {
        let plain = |action, reason| step(&definition.name, &definition.fqn, action, reason);
        if !definition.enabled {
            return Some(plain(Action::Skip, Reason::Disabled));
        }
        if !self.needs_are_there(&definition.name, definition.span) {
            return None;
        }
        let Some(live) = live else {
            return self.creation(definition, plain(Action::Create, Reason::Absent));
        };
        let status = live.status;
        match status {
            StackStatus::DeleteInProgress => {
                self.creation(definition, plain(Action::Create, Reason::BeingDeleted))
            }
            StackStatus::ReviewInProgress => {
                self.creation(definition, plain(Action::Recreate, Reason::EmptyShell))
            }
            _ if definition.locked => Some(plain(Action::Skip, Reason::Locked)),
            status if status.is_failed_creation() => {
                // CFNgin: only a stack that has all tags the config gives it is taken for its own.
                let ours = definition.tags.iter().all(|(key, value)| live.tags.get(key) == Some(value));
                if !ours {
                    self.report(PlanProblem::NotOurs {
                        stack: definition.name.as_str().to_owned(),
                        fqn: definition.fqn.as_str().to_owned(),
                        status: status.as_str(),
                        span: definition.span.into(),
                    });
                    return None;
                }
                let mut step =
                    self.creation(definition, plain(Action::Recreate, Reason::CreationFailed(status)))?;
                step.notes.extend(recreation_notes(live));
                if leaves_resources(status) {
                    left_behind(self.world, live, &self.hidden, &mut step.changes);
                }
                Some(step)
            }
            status => self.update(definition, live, status),
        }
    }

    /// Whether everything that a node needs exists or is selected; otherwise that is a finding.
    pub(super) fn needs_are_there(&mut self, name: &NodeName, span: Span) -> bool {
        let absent = self.selected.absent_needs(self.desired, self.world, name);
        if !absent.is_empty() {
            let missing: Vec<String> = absent.iter().map(|name| format!("`{name}`")).collect();
            let (stack, missing) = (name.as_str().to_owned(), missing.join(", "));
            self.report(PlanProblem::NeedsUnselected { stack, missing, span: span.into() });
        }
        let unfinished = self.selected.unfinished_needs(self.desired, self.world, self.settings, name);
        let is_complete = absent.is_empty() && unfinished.is_empty();
        for (task, why) in unfinished {
            let (node, task) = (name.as_str().to_owned(), task.as_str().to_owned());
            self.report(PlanProblem::NeedsTask { node, task, why, span: span.into() });
        }
        is_complete
    }

    /// A stack that will be created, now or after a deletion.
    fn creation(&mut self, definition: &StackDefinition, mut step: Step) -> Option<Step> {
        let comparison = self.compare(definition, None)?;
        if let [Reason::TemplateUnknown { .. }] = comparison.possible.as_slice() {
            step.reasons.extend(comparison.possible);
        }
        step.changes = comparison.changes;
        step.notes.extend(comparison.notes);
        Some(step)
    }

    /// Compares a stack with what it is to be; `None` if there was a problem, which then is a finding.
    fn compare(&mut self, definition: &StackDefinition, live: Option<&StackState>) -> Option<Comparison> {
        let mut upstream = BTreeSet::new();
        if definition.asks_services() {
            let needs = self.desired.graph.all_needs_of(&definition.name);
            let changes = |name: &NodeName| {
                self.pending.contains_key(name)
                    || self.desired.graph.is_task(name) && self.changing.contains(name)
            };
            upstream.extend(needs.into_iter().filter(changes));
        }
        let scope = PlanScope {
            desired: self.desired,
            world: self.world,
            settings: self.settings,
            pending: &self.pending,
            tasks: &self.outputs,
            task: None,
            planning: true,
            upstream: &upstream,
            hidden: &self.hidden,
        };
        let compared = match wanted_template(&scope, definition) {
            Ok(Wanted::Ready { rendered, secrets }) => self
                .sendable(definition, &rendered.template)
                .map_err(Findings::from)
                .and_then(|()| compare(&scope, definition, (&rendered, &secrets), live, &mut self.findings)),
            Ok(Wanted::Unknown(after)) => Ok(compare_unknown(&scope, definition, live, after)),
            Ok(Wanted::Absent) => {
                let stack = definition.name.as_str().to_owned();
                let problem = PlanProblem::NoTemplate { stack, span: definition.span.into() };
                Err(Finding::at(&self.desired.config.document, problem).into())
            }
            Err(findings) => Err(findings),
        };
        match compared {
            Ok(comparison) => Some(comparison),
            Err(found) => {
                self.findings.extend(found);
                None
            }
        }
    }

    /// Whether CloudFormation takes a template of this length.
    fn sendable(&self, definition: &StackDefinition, template: &Template) -> Result<(), Finding> {
        let (size, span) = (template.body.len(), definition.span.into());
        let stack = definition.name.as_str().to_owned();
        let has_bucket = self.desired.config.bucket_name(&self.world.place.region).is_some();
        let problem = if !has_bucket && size > LONGEST_BODY {
            PlanProblem::NeedsBucket { stack, size, span }
        } else if size > LONGEST_TEMPLATE {
            PlanProblem::TemplateTooLong { stack, size, span }
        } else {
            return Ok(());
        };
        Err(Finding::at(&self.desired.config.document, problem))
    }

    fn update(
        &mut self,
        definition: &StackDefinition,
        live: &StackState,
        status: StackStatus,
    ) -> Option<Step> {
        let comparison = self.compare(definition, Some(live))?;
        let certain = !comparison.certain.is_empty();
        let mut reasons = comparison.certain;
        reasons.extend(comparison.possible);
        let mut notes = comparison.notes;
        let mut certainty = if certain { Certainty::Will } else { Certainty::May };
        if status.is_in_progress() && self.waits_for(definition, status) {
            reasons.push(Reason::OperationInProgress(status));
        } else if status.is_in_progress() {
            let text = if reasons.is_empty() {
                format!(
                    "another operation is under way ({status}), and how it ends is not known: `in_progress_behavior: wait` waits for it"
                )
            } else {
                format!(
                    "another operation is under way ({status}): the update will be refused unless it is over by then; `in_progress_behavior: wait` waits for it"
                )
            };
            notes.push(note("plan::operation_in_progress", text));
        }
        let stuck = cannot_update(status);
        let is_stuck = stuck.is_some();
        if let Some(text) = stuck {
            // Whatever the config says, such a stack is not as it should be.
            reasons.push(Reason::Stuck(status));
            certainty = Certainty::Will;
            notes.push(note("plan::stack_state", text));
        }
        let action = if reasons.is_empty() { Action::None } else { Action::Update };
        if definition.protected && action == Action::Update {
            notes.push(note(super::PROTECTED, "the config protects this stack: without a person at a terminal it is updated only with --approve-protected"));
        }
        let mut step = step(&definition.name, &definition.fqn, action, Reason::Unchanged);
        if action == Action::Update {
            step.reasons = reasons;
            step.certainty = certainty;
        } else if status.is_in_progress() {
            step.certainty = Certainty::May;
        }
        step.changes = comparison.changes;
        // What an operation that is not over, or failed half way, leaves of the outputs is not known.
        step.changes.outputs_open |= status.is_in_progress() || is_stuck;
        step.notes = notes;
        Some(step)
    }

    /// Whether an operation under way is waited for: the config says so, a session of this program began it and did not
    /// live to see its end, or it is a creation, before whose end there are no outputs to read.
    fn waits_for(&self, definition: &StackDefinition, status: StackStatus) -> bool {
        let begun_by_us =
            self.world.state.intents.values().any(|session| session.steps.contains_key(&definition.name));
        let created = matches!(status, StackStatus::CreateInProgress | StackStatus::RollbackInProgress);
        definition.wait_if_in_progress || begun_by_us || created
    }

    pub(super) fn report(&mut self, problem: PlanProblem) {
        let document = &self.desired.config.document;
        let finding = match problem {
            PlanProblem::EmptyConfig { .. } | PlanProblem::OtherPlace { .. } => Finding::general(problem),
            problem => Finding::at(document, problem),
        };
        self.findings.push(finding);
    }
}
