//! What a task of the config takes for itself, and what it lets go of.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::keepers::{former, held_at, held_by_id, keeper, kept_now};
use super::removal::{Left, keeps_nothing, left_behind, parts, subject};
use super::{Arguments, StepTask, arguments, on_remove, place_in};
use crate::config::{OnRemove, TaskDefinition};
use crate::graph::state::TaskFacts;
use crate::ident::NodeName;
use crate::plan::deploy::Planner;
use crate::plan::scope::PlanScope;
use crate::plan::{Note, PlanProblem};
use crate::task::{AnyTaskKind, Identity};

impl Planner<'_> {
    /// A task that is left alone still keeps what it keeps: nobody else may delete it.
    pub(super) fn left_alone(
        &mut self,
        definition: &TaskDefinition,
        kind: &dyn AnyTaskKind,
        task: &StepTask,
    ) {
        if !kind.owns() {
            return;
        }
        let scope = PlanScope::now(self.desired, self.world, self.settings).of_task(definition);
        let found = arguments(&scope, definition).ok();
        let values = found.as_ref().and_then(Arguments::known);
        let holding = held_at(self.desired, &definition.kind, &task.account, &task.region);
        match values.and_then(|values| Some((kind.subject(values)?, kind.parts(values)))) {
            Some((subject, parts)) => self.subjects.insert(holding, subject, &definition.node, parts),
            None => drop(self.unsure.insert(holding)),
        }
    }

    /// Whether what a task kept would be left behind, because its arguments name something else now: `None` if that is
    /// refused, which then is a finding; else perhaps a remark.
    pub(super) fn moved(
        &mut self,
        definition: &TaskDefinition,
        kind: &dyn AnyTaskKind,
        values: &Map<String, Value>,
        task: &StepTask,
    ) -> Option<Option<Note>> {
        if kind.effects() {
            return Some(None);
        }
        let own = self.world.state.tasks.get(&definition.node);
        let left = own.and_then(|own| Some((own, left_behind(self.desired, self.world, own, task)?)));
        let Some((own, left)) = left else { return Some(self.parts_left(definition, kind, values, task)) };
        if on_remove(definition, kind, own.adopted) != OnRemove::Delete {
            let text = format!("{}, which it kept until now, stays", left.before);
            return Some(Some(Note { warning: false, code: "plan::left_behind", text }));
        }
        let Left { before, now } = left;
        let help = match self.taken_over(definition, own) {
            Some(other) => format!(
                "the task `{other}` is to keep {before} now, and its own record is about something else: give both tasks names that are new, then each takes over the record of what it keeps"
            ),
            None => format!(
                "{before} would be left behind without a record; give the task another name, so that what it kept is deleted, or write `on_remove: retain`, or `runway-rs graph forget {}`",
                definition.node
            ),
        };
        let problem = PlanProblem::LeftBehind {
            task: definition.node.as_str().to_owned(),
            left: before,
            now,
            help,
            span: definition.span.into(),
        };
        self.report(problem);
        None
    }

    /// The other task of the config that is to keep what is recorded of a task.
    fn taken_over(&self, definition: &TaskDefinition, own: &TaskFacts) -> Option<NodeName> {
        let (account, region) = place_in(self.world, &own.place);
        let (there, subject) =
            (held_at(self.desired, &own.kind, &account, &region), subject(self.desired, own)?);
        let mut others = self.desired.config.tasks.values().filter(|other| other.node != definition.node);
        let keeps = |other: &&TaskDefinition| {
            kept_now(self.desired, self.world, self.settings, other, (&there, &subject)).is_some()
        };
        others.find(keeps).map(|other| other.node.clone())
    }

    /// A remark on parts of what a task kept, under this name or an earlier one, that no task names any more: they are
    /// left as they are.
    fn parts_left(
        &self,
        definition: &TaskDefinition,
        kind: &dyn AnyTaskKind,
        values: &Map<String, Value>,
        task: &StepTask,
    ) -> Option<Note> {
        let own = self.world.state.tasks.get(&definition.node);
        let earlier = former(self.desired, self.world, definition, values);
        let records: Vec<&TaskFacts> =
            own.into_iter().chain(earlier).filter(|facts| !keeps_nothing(self.desired, facts)).collect();
        let mut left: BTreeSet<String> =
            records.iter().filter_map(|facts| parts(self.desired, facts)).flatten().collect();
        let now = kind.parts(values)?;
        left.retain(|part| !now.contains(part));
        if left.is_empty() {
            return None;
        }
        let others = self.named_by_others(definition, task);
        left.retain(|part| !others.contains(part));
        if left.is_empty() {
            return None;
        }
        let warning =
            records.iter().any(|facts| on_remove(definition, kind, facts.adopted) == OnRemove::Delete);
        let left: Vec<String> = left.iter().map(|part| format!("`{part}`")).collect();
        let text = format!(
            "{} stays as it is, though the task does not name it any more: `exclusive: true`, or a task of its own with `state: absent`, removes it",
            left.join(", ")
        );
        Some(Note { warning, code: "plan::left_behind", text })
    }

    /// The parts of what a task works on that other tasks of the config name.
    fn named_by_others(&self, definition: &TaskDefinition, task: &StepTask) -> BTreeSet<String> {
        let here = held_at(self.desired, &definition.kind, &task.account, &task.region);
        let Some(subject) = &task.subject else { return BTreeSet::new() };
        let others = self.desired.config.tasks.values().filter(|other| other.node != definition.node);
        let named = others.filter_map(|other| {
            kept_now(self.desired, self.world, self.settings, other, (&here, subject)).flatten()
        });
        named.flatten().collect()
    }

    /// Takes what a task keeps for it alone; `false` if another one has it, which then is a finding.
    pub(super) fn claim(
        &mut self,
        definition: &TaskDefinition,
        kind: &dyn AnyTaskKind,
        values: &Map<String, Value>,
        task: &mut StepTask,
    ) -> bool {
        task.subject = kind.subject(values);
        let Some(subject) = task.subject.clone().filter(|_| kind.owns()) else { return true };
        if let Some(keeper) = keeper(self.desired, self.world, &definition.kind, task, &subject) {
            let problem = PlanProblem::StackOfOthers {
                task: definition.node.as_str().to_owned(),
                stack: subject,
                keeper: keeper.words,
                span: definition.span.into(),
            };
            self.report(problem);
            return false;
        }
        let holding = held_at(self.desired, &definition.kind, &task.account, &task.region);
        let parts = kind.parts(values);
        let works = |first: &&TaskDefinition| first.enabled && self.selected.has(&first.node);
        let known = self.subjects.sharing(&holding, &subject, &parts);
        if let Some(first) = known.iter().find_map(|node| self.desired.config.tasks.get(node).filter(works)) {
            self.report(same_subject(subject, first, definition));
            return false;
        }
        self.subjects.insert(holding, subject, &definition.node, parts);
        true
    }

    /// The same by the ids that were read: one thing may have a name and an id, and two tasks may call it differently.
    pub(super) fn claim_by_id(
        &mut self,
        definition: &TaskDefinition,
        kind: &dyn AnyTaskKind,
        (values, state): (&Map<String, Value>, &Value),
        task: &StepTask,
    ) -> bool {
        let Some(identity) = kind.identity(values, state).filter(|_| kind.owns()) else { return true };
        let holding = held_by_id(self.desired, &definition.kind, &task.account, &task.region);
        let Identity { subject, parts } = identity;
        let known = self.subjects.sharing(&holding, &subject, &parts);
        if let Some(first) = known.iter().find_map(|node| self.desired.config.tasks.get(node)) {
            let called = task.subject.as_ref().filter(|called| **called != subject);
            let called =
                called.map(|called| format!(", which the latter calls `{called}`")).unwrap_or_default();
            self.report(same_subject(format!("{subject}{called}"), first, definition));
            return false;
        }
        self.subjects.insert(holding, subject, &definition.node, parts);
        true
    }
}

/// Two tasks keep the same.
fn same_subject(subject: String, one: &TaskDefinition, other: &TaskDefinition) -> PlanProblem {
    PlanProblem::SameSubject {
        subject,
        one: one.node.as_str().to_owned(),
        other: other.node.as_str().to_owned(),
        first: one.span.into(),
        second: other.span.into(),
    }
}
