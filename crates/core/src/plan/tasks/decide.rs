//! What a task of the config needs: pure, so that the plan and the step's own turn decide alike.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde_json::{Map, Value};

use super::keepers::{held_at, record_of};
use super::{Arguments, StepTask, TaskKey, TaskOutputs, arguments, lost, on_remove, place_in, record, shown};
use crate::config::{OnRemove, TaskDefinition, When};
use crate::error::Finding;
use crate::graph::state::TaskFacts;
use crate::ident::{NodeName, StackFqn};
use crate::lookup::Cause;
use crate::lookup::resolve::Scope as _;
use crate::plan::deploy::{Planner, step};
use crate::plan::scope::PlanScope;
use crate::plan::{Action, Certainty, Note, PlanProblem, Reason, Step};
use crate::task::{AnyTaskKind, Keeps, TaskAction, TaskChange, TaskFailure};

/// Why a task that only has effects runs now; `None` if it need not.
pub(crate) fn effects_run(
    when: When,
    recorded: Option<&TaskFacts>,
    digest: &str,
    changed: &BTreeSet<NodeName>,
) -> Option<Reason> {
    if when == When::Always {
        return Some(Reason::Always);
    }
    match recorded.and_then(|facts| facts.digest.as_deref()) {
        None if recorded.is_some() => Some(Reason::Due),
        None => Some(Reason::NeverRan),
        Some(last) if last != digest => Some(Reason::ArgumentsChanged),
        Some(_) => (!changed.is_empty()).then(|| Reason::NeedsChange(changed.clone())),
    }
}

/// What is to be done, and why.
fn by_change(kind: &dyn AnyTaskKind, change: &TaskChange) -> (Action, Reason) {
    match change.action {
        TaskAction::None => (Action::None, Reason::Unchanged),
        TaskAction::Create => (Action::Create, Reason::Absent),
        TaskAction::Update => (Action::Update, differs(change)),
        TaskAction::Recreate => (Action::Recreate, differs(change)),
        TaskAction::Delete => (Action::Delete, Reason::Unwanted),
        TaskAction::Run if kind.keeps() == Keeps::Nothing => (Action::Run, Reason::DoesNotHold),
        TaskAction::Run => (Action::Run, differs(change)),
    }
}

/// Whether what a task keeps was there before it. What this program made is its own.
pub(crate) fn is_adopted(recorded: Option<&TaskFacts>, did: Action, is_there: bool) -> bool {
    match did {
        Action::Create | Action::Recreate => false,
        _ => recorded.filter(|facts| facts.keeps_something()).map_or(is_there, |facts| facts.adopted),
    }
}

/// What differs, by the names of what it is in.
fn differs(change: &TaskChange) -> Reason {
    Reason::Differs(change.details.iter().map(|detail| detail.path.clone()).collect())
}

/// A duration as the config may spell it.
fn in_words(duration: Duration) -> String {
    let seconds = duration.as_secs();
    let units = [(24 * 60 * 60, "d"), (60 * 60, "h"), (60, "m")];
    let fits = units.into_iter().find(|(unit, _)| seconds > 0 && seconds.is_multiple_of(*unit));
    let (unit, letter) = fits.unwrap_or((1, "s"));
    format!("{}{letter}", seconds / unit)
}

impl Planner<'_> {
    /// Plans one task of the config; `None` if there was a problem, which then is a finding.
    pub(in crate::plan) fn task(&mut self, definition: &TaskDefinition) -> Option<Step> {
        let kind = self.desired.kinds.get(&definition.kind)?.clone();
        let fqn = StackFqn::new(definition.node.as_str());
        let (account, region) = place_in(self.world, &definition.place);
        let mut task = StepTask {
            kind: definition.kind.clone(),
            subject: None,
            account,
            region,
            services: kind.services(),
            digest: String::new(),
            record: None,
            settled: true,
            leaves: false,
        };
        let mut planned = if !definition.enabled {
            self.left_alone(definition, kind.as_ref(), &task);
            step(&definition.node, &fqn, Action::Skip, Reason::Disabled)
        } else if !self.selected.has(&definition.node) {
            self.left_alone(definition, kind.as_ref(), &task);
            step(&definition.node, &fqn, Action::Skip, Reason::NotSelected)
        } else {
            self.decide_task(definition, kind.as_ref(), &mut task)?
        };
        planned.needs = self.desired.graph.needs_of(&definition.node);
        planned.task = Some(task);
        Some(planned)
    }

    fn decide_task(
        &mut self,
        definition: &TaskDefinition,
        kind: &dyn AnyTaskKind,
        task: &mut StepTask,
    ) -> Option<Step> {
        // What comes of a task that is refused is not known, and nobody who reads it makes a mistake.
        let open = TaskOutputs { open: true, ..TaskOutputs::default() };
        self.outputs.insert(definition.node.clone(), open);
        if !self.needs_are_there(&definition.node, definition.span) {
            return None;
        }
        let needs = self.desired.graph.all_needs_of(&definition.node);
        let changing: BTreeSet<NodeName> = needs.intersection(&self.changing).cloned().collect();
        let upstream = if definition.asks_services() { changing.clone() } else { BTreeSet::new() };
        let scope = PlanScope {
            desired: self.desired,
            world: self.world,
            settings: self.settings,
            pending: &self.pending,
            tasks: &self.outputs,
            task: Some(definition),
            planning: true,
            upstream: &upstream,
            hidden: &self.hidden,
        };
        let awaits_hooks = scope.awaits_hooks();
        let found = match arguments(&scope, definition) {
            Ok(found) => found,
            Err(findings) => {
                self.findings.extend(findings);
                return None;
            }
        };
        let may_hide = found.unknown.iter().filter(|(_, after)| scope.may_hide(after));
        let secrets = may_hide.map(|(name, _)| name.clone()).chain(found.secret_names()).collect();
        self.outputs.entry(definition.node.clone()).or_default().secrets = secrets;
        task.settled = changing.is_empty() && !awaits_hooks;
        task.digest = found.digest(kind.revision(), &definition.place);
        let none = BTreeMap::new();
        // What is not looked at before its turn may be there already.
        let recorded = record_of(self.desired, self.world, definition, found.known());
        let adopted = recorded.map_or(!kind.effects(), |facts| facts.adopted);
        task.record = Some(record(self.desired, self.world, definition, kind, &found, &none, adopted));
        let Some(values) = found.known() else {
            if kind.owns() {
                self.unsure.insert(held_at(self.desired, &definition.kind, &task.account, &task.region));
            }
            return Some(self.unknown_arguments(definition, kind, &found));
        };
        let wrong = kind.check(values);
        if !wrong.is_empty() {
            let (task, what) = (definition.node.as_str().to_owned(), wrong.join("; "));
            self.report(PlanProblem::TaskArguments { task, what, span: definition.span.into() });
        }
        if !wrong.is_empty() || !self.claim(definition, kind, values, task) {
            return None;
        }
        let moved = self.moved(definition, kind, values, task)?;
        let mut planned = self.look(definition, kind, &found, values, task, changing, awaits_hooks)?;
        planned.notes.extend(moved);
        Some(planned)
    }

    /// What a task of which everything is known needs.
    #[allow(clippy::too_many_arguments, reason = "everything that was found out of it")]
    fn look(
        &mut self,
        definition: &TaskDefinition,
        kind: &dyn AnyTaskKind,
        found: &Arguments,
        values: &Map<String, Value>,
        task: &mut StepTask,
        changing: BTreeSet<NodeName>,
        awaits_hooks: bool,
    ) -> Option<Step> {
        if kind.effects() {
            return Some(self.effects(definition, kind, found, values, task));
        }
        let after: BTreeSet<Cause> = changing.into_iter().map(Cause::Stack).collect();
        let hooks = awaits_hooks.then_some(Cause::Hook(None));
        let after: BTreeSet<Cause> = after.into_iter().chain(hooks).collect();
        let key = TaskKey::new(&definition.kind, &definition.place, values);
        if let Some(within) = definition.trust_for.filter(|_| task.settled)
            && self.world.answers.trusted.contains(&key)
        {
            return Some(self.trusted(definition, kind, found, within, task));
        }
        match self.world.answers.tasks.get(&key) {
            // It holds now; whether it does once the others have changed is seen then.
            Some(Ok(_)) if kind.keeps() == Keeps::Nothing && !task.settled => {
                Some(self.open(definition, kind, Reason::StateUnknown { after }))
            }
            Some(Ok(state)) => {
                if !self.claim_by_id(definition, kind, (values, state), task) {
                    return None;
                }
                let is_there = kind.is_there(values, state);
                match kind.diff(values, state, false) {
                    Ok(change) => {
                        if self.refused_deletion(definition, kind, (values, state), (&change, task)) {
                            return None;
                        }
                        let mut planned = self.changed(definition, kind, found, &change, is_there, task);
                        lost(kind, (values, state), task, &mut planned);
                        Some(planned)
                    }
                    Err(failure) => self.not_read(definition, failure),
                }
            }
            // What it looks at, or the way there, may come with what is done before.
            Some(Err(_)) if !task.settled => {
                Some(self.open(definition, kind, Reason::StateUnknown { after }))
            }
            None => Some(self.open(definition, kind, Reason::StateUnknown { after })),
            Some(Err(failure)) => self.not_read(definition, failure.clone()),
        }
    }

    /// Whether a task would delete what is seen to be undeletable, and nothing before it can change that: a finding.
    fn refused_deletion(
        &mut self,
        definition: &TaskDefinition,
        kind: &dyn AnyTaskKind,
        (values, state): (&Map<String, Value>, &Value),
        (change, task): (&TaskChange, &StepTask),
    ) -> bool {
        let deletes = matches!(change.action, TaskAction::Delete | TaskAction::Recreate);
        let why = kind.undeletable(values, state).filter(|_| deletes && task.settled);
        let Some(TaskFailure { message, help, .. }) = why else { return false };
        let (task, span) = (definition.node.as_str().to_owned(), definition.span.into());
        self.report(PlanProblem::Undeletable { task, message, help, span });
        true
    }

    /// A task of which is known what it keeps.
    fn changed(
        &mut self,
        definition: &TaskDefinition,
        kind: &dyn AnyTaskKind,
        found: &Arguments,
        change: &TaskChange,
        is_there: bool,
        task: &mut StepTask,
    ) -> Step {
        let (action, reason) = by_change(kind, change);
        let recorded = record_of(self.desired, self.world, definition, found.known());
        let adopted = is_adopted(recorded, action, is_there);
        let mut planned = step(&definition.node, &StackFqn::new(definition.node.as_str()), action, reason);
        planned.changes.details = shown(&change.details, &found.secrets);
        task.record =
            Some(record(self.desired, self.world, definition, kind, found, &change.outputs, adopted));
        // Without a persistent graph nothing is ever known, so nothing is adopted either.
        let is_new = recorded.is_none_or(|facts| facts.digest.is_none());
        planned.adopted = adopted && is_new && is_there && self.world.recorded.is_some();
        // It would go, were it known to be the task's own.
        let would_go = |adopted| on_remove(definition, kind, adopted) == OnRemove::Delete;
        if planned.adopted
            && recorded.is_some()
            && action != Action::Delete
            && would_go(false)
            && !would_go(true)
        {
            let text = "a run that ended early may have made it, or somebody else: nobody knows, so it stays when the task leaves the config, unless the task says `on_remove: delete`";
            planned.notes.push(Note { warning: false, code: "plan::maybe_made", text: text.to_owned() });
        }
        let open = action.is_change() && action != Action::Delete;
        self.gives(definition, kind.gives().lasting(change), open);
        planned
    }

    /// What others can read of a task.
    fn gives(&mut self, definition: &TaskDefinition, known: BTreeMap<String, String>, open: bool) {
        let outputs = self.outputs.entry(definition.node.clone()).or_default();
        (outputs.known, outputs.open) = (known, open);
    }

    /// A task that is not looked at.
    fn trusted(
        &mut self,
        definition: &TaskDefinition,
        kind: &dyn AnyTaskKind,
        found: &Arguments,
        within: Duration,
        task: &mut StepTask,
    ) -> Step {
        let recorded = self.world.state.tasks.get(&definition.node);
        let known = recorded.map(|facts| facts.outputs.clone()).unwrap_or_default();
        let adopted = recorded.is_none_or(|facts| facts.adopted);
        task.record = Some(record(self.desired, self.world, definition, kind, found, &known, adopted));
        self.gives(definition, known, false);
        let reason = Reason::Trusted { within: in_words(within) };
        step(&definition.node, &StackFqn::new(definition.node.as_str()), Action::None, reason)
    }

    /// A task that only has effects.
    fn effects(
        &mut self,
        definition: &TaskDefinition,
        kind: &dyn AnyTaskKind,
        found: &Arguments,
        values: &Map<String, Value>,
        task: &mut StepTask,
    ) -> Step {
        let recorded = self.world.state.tasks.get(&definition.node);
        let needs = self.desired.graph.needs_of(&definition.node);
        let changed: BTreeSet<NodeName> = needs.intersection(&self.changing).cloned().collect();
        let (node, fqn) = (&definition.node, StackFqn::new(definition.node.as_str()));
        let Some(reason) = effects_run(definition.when, recorded, &task.digest, &changed) else {
            let known = recorded.map(|facts| facts.outputs.clone()).unwrap_or_default();
            task.record = Some(record(self.desired, self.world, definition, kind, found, &known, false));
            self.gives(definition, known, false);
            return step(node, &fqn, Action::None, Reason::Unchanged);
        };
        let only_may = matches!(&reason, Reason::NeedsChange(by) if by.is_subset(&self.perhaps));
        let mut planned = step(node, &fqn, Action::Run, reason);
        if only_may {
            planned.certainty = Certainty::May;
        }
        if let Ok(change) = kind.diff(values, &Value::Null, false) {
            planned.changes.details = shown(&change.details, &found.secrets);
        }
        self.gives(definition, BTreeMap::new(), true);
        planned
    }

    /// A task whose arguments are not all known.
    fn unknown_arguments(
        &mut self,
        definition: &TaskDefinition,
        kind: &dyn AnyTaskKind,
        found: &Arguments,
    ) -> Step {
        let reason = Reason::ArgumentsUnknown {
            arguments: found.unknown.keys().cloned().collect(),
            after: found.unknown.values().flatten().cloned().collect(),
        };
        let mut planned = self.open(definition, kind, reason);
        if kind.effects() {
            planned.action = Action::Run;
            let sure = definition.when == When::Always
                || self.world.state.tasks.get(&definition.node).is_none_or(|facts| facts.digest.is_none());
            planned.certainty = if sure { Certainty::Will } else { Certainty::May };
        }
        planned
    }

    /// A task of which only its turn shows what it does.
    fn open(&mut self, definition: &TaskDefinition, kind: &dyn AnyTaskKind, reason: Reason) -> Step {
        // What was recorded and never made, or is not known to be, is yet to come.
        let is_made = |facts: &TaskFacts| facts.digest.is_some() || !facts.outputs.is_empty();
        let recorded = self.world.state.tasks.get(&definition.node).is_some_and(is_made);
        let action = match kind.keeps() {
            Keeps::Nothing => Action::Run,
            _ if recorded => Action::Update,
            _ => Action::Create,
        };
        let fqn = StackFqn::new(definition.node.as_str());
        let mut planned = step(&definition.node, &fqn, action, reason);
        planned.certainty = Certainty::May;
        self.gives(definition, BTreeMap::new(), true);
        planned
    }

    fn not_read(&mut self, definition: &TaskDefinition, failure: TaskFailure) -> Option<Step> {
        let TaskFailure { message, help, kind } = failure;
        let (task, span) = (definition.node.as_str().to_owned(), definition.span.into());
        let problem = PlanProblem::TaskNotRead { task, message, help, kind, span };
        self.findings.push(Finding::at(&self.desired.config.document, problem));
        None
    }
}
