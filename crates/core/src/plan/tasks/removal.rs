//! Recorded tasks that go: those that left the config, and in a destroy all of them.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use super::keepers::{Parts, Subjects, Unsure, held_at, held_by_id, keeper, record_of};
use super::{Arguments, StepTask, TaskKey, as_far_as_known, lost, on_remove, place_in, record, shown};
use crate::config::assets;
use crate::config::{OnRemove, TaskDefinition};
use crate::error::{Finding, Findings};
use crate::graph::state::{IntentAction, SessionIntents, TaskFacts, UNKNOWN};
use crate::ident::{NodeName, StackFqn};
use crate::plan::deploy::{note, step};
use crate::plan::removal::still_intended;
use crate::plan::scope::PlanScope;
use crate::plan::{Action, Desired, Note, PlanProblem, Purpose, Reason, Settings, Step, World};
use crate::secrets::HIDDEN;
use crate::task::{Keeps, TaskAction};

/// What has to be read of recorded tasks before a plan knows whether there is anything to delete.
pub(crate) fn questions(
    desired: &Desired,
    world: &World,
    settings: &Settings,
    purpose: Purpose,
) -> BTreeSet<TaskKey> {
    let ask = |facts: &TaskFacts| {
        let readable = desired.kinds.get(&facts.kind).is_some_and(|kind| !kind.effects());
        (readable && is_findable(desired, facts)).then(|| key(facts))
    };
    match purpose {
        Purpose::Deploy => {
            let left = world.state.tasks.iter().filter(|(node, _)| !desired.config.tasks.contains_key(*node));
            // What was never made as specified may not be there at all.
            let open = world.state.tasks.iter().filter(|(_, facts)| facts.digest.is_none());
            // What a selection needs and leaves alone has to be there, whosever it is.
            let any = settings.selection.is_some();
            left.filter(|(_, facts)| facts.on_remove == OnRemove::Delete)
                .chain(open.filter(|(_, facts)| any || facts.on_remove == OnRemove::Delete))
                .filter_map(|(_, facts)| ask(facts))
                .collect()
        }
        Purpose::Destroy => {
            let all =
                nodes(desired, world).into_iter().filter_map(|node| facts(desired, world, settings, node));
            all.map(|known| known.facts)
                .filter(|facts| facts.on_remove == OnRemove::Delete)
                .filter_map(|facts| ask(&facts))
                .collect()
        }
    }
}

/// Steps of all tasks that are recorded and not in the config.
pub(in crate::plan) fn removed(
    desired: &Desired,
    world: &World,
    subjects: &Subjects,
    unsure: &Unsure,
    findings: &mut Findings,
) -> Vec<Step> {
    let left = world.state.tasks.iter().filter(|(node, _)| !desired.config.tasks.contains_key(*node));
    left.filter_map(|(node, facts)| {
        let (account, region) = place_in(world, &facts.place);
        let subject = subject(desired, facts);
        let held = held_at(desired, &facts.kind, &account, &region);
        let parts = parts(desired, facts);
        let by_name = subject.and_then(|subject| subjects.sharing(&held, &subject, &parts).into_iter().next());
        let by_id = || {
            let (kind, key) = (desired.kinds.get(&facts.kind)?, key(facts));
            let state = world.answers.tasks.get(&key)?.as_ref().ok()?;
            let identity = kind.identity(&values(facts), state)?;
            let held = held_by_id(desired, &facts.kind, &account, &region);
            subjects.sharing(&held, &identity.subject, &identity.parts).into_iter().next()
        };
        if let Some(to) = by_name.or_else(by_id) {
            return Some(leaving(desired, world, node, facts, Action::Skip, Reason::Renamed { to }));
        }
        let deletes = facts.on_remove == OnRemove::Delete;
        if deletes && unsure.contains(&held) {
            let mut planned = leaving(desired, world, node, facts, Action::Skip, Reason::MaybeRenamed);
            let text = "a task of this kind and place has arguments that are known only later, and may be this one under another name: nothing is deleted in this run";
            planned.notes.push(note("plan::maybe_renamed", text));
            return Some(planned);
        }
        going(desired, world, node, facts, Reason::NotInConfig, findings)
    })
    .collect()
}

/// Steps of all tasks in a destroy.
pub(in crate::plan) fn destroyed(
    desired: &Desired,
    world: &World,
    settings: &Settings,
    findings: &mut Findings,
) -> Vec<Step> {
    let step_of = |node: &NodeName| {
        let (facts, why) = match facts(desired, world, settings, node) {
            Some(Known { facts, why }) => (Some(facts), why),
            None => (None, None),
        };
        let Some(facts) = facts else {
            let fqn = StackFqn::new(node.as_str());
            return Some(step(node, &fqn, Action::Skip, Reason::NeverExisted));
        };
        let configured = desired.config.tasks.contains_key(node);
        let reason = if configured { Reason::Destroy } else { Reason::NotInConfig };
        let mut planned = going(desired, world, node, &facts, reason, findings)?;
        // Without a record there is nothing to keep or to drop.
        if let (Some(why), [Reason::NotFindable]) = (why, planned.reasons.as_slice()) {
            planned.reasons = vec![Reason::SubjectUnknown];
            let text = format!(
                "it is not known what it keeps, so it is left alone: {why}; delete it by hand, or run this again with values for its arguments"
            );
            planned.notes = vec![note("plan::subject_unknown", text)];
        }
        let disabled = desired.config.tasks.get(node).is_some_and(|definition| !definition.enabled);
        if disabled && planned.action == Action::Delete {
            planned.notes.push(note("plan::flags_ignored", "a destroy does not heed `enabled: false`"));
        }
        Some(planned)
    };
    nodes(desired, world).into_iter().filter_map(step_of).collect()
}

fn nodes<'a>(desired: &'a Desired, world: &'a World) -> BTreeSet<&'a NodeName> {
    desired.config.tasks.keys().chain(world.state.tasks.keys()).collect()
}

/// What is known of a task.
struct Known {
    facts: TaskFacts,
    /// Why some of its arguments have no value, if nothing is recorded of it.
    why: Option<String>,
}

/// What is known of a task: what was recorded, with what the config says now of its removal; without a persistent graph
/// what the config says.
fn facts(desired: &Desired, world: &World, settings: &Settings, node: &NodeName) -> Option<Known> {
    let definition = desired.config.tasks.get(node);
    if let Some(recorded) = world.state.tasks.get(node) {
        let definition = definition.or_else(|| successor(desired, world, settings, recorded));
        let kind = definition.and_then(|definition| desired.kinds.get(&definition.kind));
        let now = definition
            .zip(kind)
            .map(|(definition, kind)| on_remove(definition, kind.as_ref(), recorded.adopted));
        let facts = TaskFacts { on_remove: now.unwrap_or(recorded.on_remove), ..recorded.clone() };
        return Some(Known { facts, why: None });
    }
    let definition: &TaskDefinition = definition.filter(|_| world.recorded.is_none())?;
    let kind = desired.kinds.get(&definition.kind)?;
    let scope = PlanScope::now(desired, world, settings).of_task(definition);
    let (mut arguments, findings) = as_far_as_known(&scope, definition);
    for name in definition.args.keys().filter(|name| !arguments.values.contains_key(*name)) {
        arguments.unknown.entry(name.clone()).or_default();
    }
    let missing: Vec<&str> = arguments.unknown.keys().map(String::as_str).collect();
    let why = match findings.iter().next() {
        Some(finding) => finding.to_string(),
        None if missing.is_empty() => "a secret is among the arguments that would tell it".to_owned(),
        None => format!("these arguments have no value now: {}", missing.join(", ")),
    };
    // Nobody knows who made it.
    let facts = record(desired, world, definition, kind.as_ref(), &arguments, &BTreeMap::new(), true);
    Some(Known { facts, why: Some(why) })
}

/// The task of the config that keeps under another name what a record stands for.
fn successor<'d>(
    desired: &'d Desired,
    world: &World,
    settings: &Settings,
    recorded: &TaskFacts,
) -> Option<&'d TaskDefinition> {
    desired.config.tasks.values().find(|definition| {
        let scope = PlanScope::now(desired, world, settings).of_task(definition);
        let found = super::arguments(&scope, definition).ok();
        let known = record_of(desired, world, definition, found.as_ref().and_then(Arguments::known));
        known.is_some_and(|known| std::ptr::eq(known, recorded))
    })
}

/// What happens to a task that goes; `None` if it could not be looked at, which then is a finding.
fn going(
    desired: &Desired,
    world: &World,
    node: &NodeName,
    facts: &TaskFacts,
    reason: Reason,
    findings: &mut Findings,
) -> Option<Step> {
    let skip = |reason| leaving(desired, world, node, facts, Action::Skip, reason);
    let Some(kind) = desired.kinds.get(&facts.kind) else {
        let mut planned = skip(Reason::NotFindable);
        let text = format!(
            "this version knows no tasks of kind `{}`, so its record is kept; `runway-rs graph forget {node}` drops it",
            facts.kind
        );
        planned.notes.push(note("plan::unknown_kind", text));
        return Some(planned);
    };
    // What is there although it was seen to be absent is somebody else's.
    if kind.effects() || keeps_nothing(desired, facts) {
        return Some(skip(Reason::KeepsNothing));
    }
    let mut left = leaving(desired, world, node, facts, Action::Skip, Reason::NotFindable);
    let kept = left.task.as_ref().zip(subject(desired, facts));
    if let Some(keeper) = kept.and_then(|(task, stack)| keeper(desired, world, &facts.kind, task, &stack)) {
        if let Some(to) = keeper.node {
            return Some(skip(Reason::Renamed { to }));
        }
        let text = format!(
            "its stack is {}, and is left alone; `runway-rs graph forget {node}` drops the record",
            keeper.words
        );
        left.notes.push(note("plan::stack_of_others", text));
        return Some(left);
    }
    if facts.on_remove == OnRemove::Retain {
        let mut planned = skip(Reason::Retained);
        let what = subject(desired, facts).unwrap_or_else(|| node.as_str().to_owned());
        let why = if facts.kind == assets::KIND {
            "stays: what was pushed is never deleted with its entry; `runway-rs assets prune` deletes what ages out"
        } else if facts.adopted {
            "was there before the task, or may have been, and stays unless the task says `on_remove: delete`"
        } else {
            "stays, as `on_remove: retain` says"
        };
        let text = format!("`{what}` {why}; it is not known to the graph any more");
        planned.notes.push(Note { warning: false, code: "plan::retained", text });
        return Some(planned);
    }
    if !is_findable(desired, facts) {
        let mut planned = skip(Reason::NotFindable);
        let text = format!(
            "what it keeps cannot be told from its record, which stays; look for it by hand, then `runway-rs graph forget {node}`"
        );
        planned.notes.push(note("plan::not_findable", text));
        return Some(planned);
    }
    let arguments = values(facts);
    let answer = world.answers.tasks.get(&key(facts));
    let decided = match answer {
        None => Ok(None),
        Some(Err(failure)) => Err(failure.clone()),
        Some(Ok(state)) => kind.diff(&arguments, state, true).map(Some),
    };
    match decided {
        // What was not looked at is left alone.
        Ok(None) => Some(skip(Reason::NotFindable)),
        Ok(Some(change)) if change.action == TaskAction::None => Some(skip(Reason::Gone)),
        Ok(Some(change)) => {
            let mut planned = leaving(desired, world, node, facts, Action::Delete, reason);
            planned.changes.details = shown(&change.details, &BTreeSet::new());
            if let (Some(task), Some(Ok(state))) = (planned.task.clone(), answer) {
                lost(kind.as_ref(), (&arguments, state), &task, &mut planned);
            }
            Some(planned)
        }
        Err(failure) => {
            let task = node.as_str().to_owned();
            let (message, kind) = (failure.message, failure.kind);
            let help = failure
                .help
                .into_iter()
                .chain([format!("or `runway-rs graph forget {node}`, which leaves what it keeps as it is")]);
            let help = help.collect::<Vec<_>>().join("; ");
            let problem = PlanProblem::RemovedTaskNotRead { task, message, help, kind };
            findings.push(Finding::general(problem));
            None
        }
    }
}

/// A step of a task that goes.
fn leaving(
    desired: &Desired,
    world: &World,
    node: &NodeName,
    facts: &TaskFacts,
    action: Action,
    reason: Reason,
) -> Step {
    let mut planned = step(node, &StackFqn::new(node.as_str()), action, reason);
    let (account, region) = place_in(world, &facts.place);
    let drops = match &planned.reasons[..] {
        [Reason::Gone | Reason::KeepsNothing | Reason::Retained | Reason::Renamed { .. }] => true,
        _ => action == Action::Delete,
    };
    let awaits = |session: &SessionIntents| session.tasks.get(node) == Some(&IntentAction::Create);
    if drops && world.state.intents.values().any(awaits) {
        planned.notes.push(still_intended());
    }
    let kind = desired.kinds.get(&facts.kind);
    let services = kind.map_or_else(|| BTreeSet::from([facts.kind.clone()]), |kind| kind.services());
    planned.task = Some(StepTask {
        kind: facts.kind.clone(),
        subject: subject(desired, facts).filter(|_| is_findable(desired, facts)),
        account,
        region,
        services,
        digest: facts.digest.clone().unwrap_or_default(),
        record: Some(facts.clone()),
        settled: true,
        leaves: true,
    });
    planned
}

/// Whether a recorded task has nothing that could be left behind: it has seen to it that there is nothing, or its kind
/// keeps nothing.
pub(super) fn keeps_nothing(desired: &Desired, facts: &TaskFacts) -> bool {
    let keeps = desired.kinds.get(&facts.kind).map(|kind| kind.keeps());
    let is_absence_done = !facts.keeps_something() && facts.digest.is_some();
    is_absence_done || matches!(keeps, Some(Keeps::NoStack | Keeps::Nothing))
}

/// What a recorded task kept and will not keep any more, and what it will keep, both in words that differ.
pub(super) struct Left {
    pub(super) before: String,
    pub(super) now: String,
}

/// What a recorded task kept that it will not keep any more with a step that works on something else.
pub(super) fn left_behind(
    desired: &Desired,
    world: &World,
    facts: &TaskFacts,
    now: &StepTask,
) -> Option<Left> {
    if keeps_nothing(desired, facts) {
        return None;
    }
    let before = subject(desired, facts).filter(|_| is_findable(desired, facts))?;
    let (account, region) = place_in(world, &facts.place);
    let same = Some(&before) == now.subject.as_ref()
        && held_at(desired, &facts.kind, &account, &region)
            == held_at(desired, &now.kind, &now.account, &now.region);
    // Where nothing is, nothing is left.
    let nothing = facts.digest.is_none()
        && matches!(world.answers.tasks.get(&key(facts)), Some(Ok(state)) if is_nothing(desired, facts, state));
    if same || nothing {
        return None;
    }
    let words = |subject: &str, account: &str, region: &str| match now.subject.as_deref() == Some(&*before) {
        // Then the place is another one.
        true => format!("`{subject}` in account {account}, region {region}"),
        false => format!("`{subject}`"),
    };
    Some(Left {
        before: words(&before, &account, &region),
        now: words(now.subject.as_deref().unwrap_or_default(), &now.account, &now.region),
    })
}

fn is_nothing(desired: &Desired, facts: &TaskFacts, state: &Value) -> bool {
    let change = desired.kinds.get(&facts.kind).map(|kind| kind.diff(&values(facts), state, true));
    matches!(change, Some(Ok(change)) if change.action == TaskAction::None)
}

pub(super) fn values(facts: &TaskFacts) -> Map<String, Value> {
    facts.arguments.clone().into_iter().collect()
}

pub(super) fn key(facts: &TaskFacts) -> TaskKey {
    TaskKey::new(&facts.kind, &facts.place, &values(facts))
}

pub(super) fn subject(desired: &Desired, facts: &TaskFacts) -> Option<String> {
    desired.kinds.get(&facts.kind)?.subject(&values(facts))
}

pub(super) fn parts(desired: &Desired, facts: &TaskFacts) -> Parts {
    desired.kinds.get(&facts.kind)?.parts(&values(facts))
}

/// Whether what a task keeps can be told by its record: not if a secret, or what was not known yet, is a part of it.
fn is_findable(desired: &Desired, facts: &TaskFacts) -> bool {
    let open = |subject: &String| !subject.contains(UNKNOWN) && !subject.contains(HIDDEN);
    subject(desired, facts).is_some_and(|subject| open(&subject))
}
