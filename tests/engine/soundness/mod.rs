//! A plan beside what the deploy really did, over random graphs, templates and edits: what was planned as unchanged did
//! not change, and no resource was replaced or deleted that the plan did not announce.

pub(crate) mod world;

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use runway_core::event::Event;
use runway_core::ident::StackFqn;
use runway_core::plan::{Action, Allowed, Certainty, Plan, Purpose, ResourceAction, Step};
use runway_core::provider::StackRef;
use runway_core::resources::Replacement;

use crate::support::{Run, World};

/// Cases with the tests.
const CASES: u32 = 300;
/// Cases of a long run (`RUNWAY_RS_LONG_TESTS`).
const MANY_CASES: u32 = 10_000;

/// Physical ids by stack and logical id, and outputs by stack.
struct Cloud {
    ids: BTreeMap<String, BTreeMap<String, (String, String)>>,
    outputs: BTreeMap<String, BTreeMap<String, String>>,
}

impl Cloud {
    async fn look(world: &World) -> Self {
        let stacks = world.stacks().await;
        let ids = stacks
            .keys()
            .map(|fqn| (fqn.clone(), world.local.resources(&StackRef::Name(StackFqn::new(fqn)))))
            .collect();
        let outputs = stacks.into_iter().map(|(fqn, stack)| (fqn, stack.outputs)).collect();
        Self { ids, outputs }
    }
}

/// How good the plans were, besides being right.
#[derive(Debug, Default)]
struct Precision {
    cases: usize,
    proved: usize,
    will: usize,
    may: usize,
    may_unchanged: usize,
    replacements: usize,
    may_replace: usize,
    may_replace_kept: usize,
}

#[test]
#[allow(clippy::disallowed_methods, reason = "a test is its own frontend")]
fn what_a_plan_says_is_what_a_deploy_does() {
    let cases = if std::env::var_os("RUNWAY_RS_LONG_TESTS").is_some() { MANY_CASES } else { CASES };
    let mut runner = TestRunner::new(Config { cases, failure_persistence: None, ..Config::default() });
    let precision = std::cell::RefCell::new(Precision::default());
    let result = runner.run(&world::histories(), |(first, edits)| {
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
        runtime.block_on(compare(first, &edits, &precision))
    });
    let precision = precision.into_inner();
    println!("{precision:?}");
    if let Err(error) = result {
        panic!("{error}");
    }
    // A test in which nothing is ever proved, replaced or in doubt would show nothing.
    let seen = [precision.proved, precision.will, precision.may, precision.replacements];
    assert!(seen.iter().all(|count| *count > 0), "{precision:?}");
}

async fn compare(
    first: world::Stacks,
    edits: &[world::Edit],
    precision: &std::cell::RefCell<Precision>,
) -> Result<(), TestCaseError> {
    let world = World::new();
    let second = world::edited(first.clone(), edits);
    prop_assume!(!second.is_empty());
    let before_run = deploy(&world, &world::project(&first)).await;
    // A template that CloudFormation refuses says nothing about plans.
    prop_assume!(
        before_run.result.as_ref().is_ok_and(|outcome| outcome.exit.number() == 0),
        "{}",
        before_run.explain()
    );
    let before = Cloud::look(&world).await;
    let project = world::project(&second);
    let plan = world.plan(&project).await.plan;
    let run = deploy(&world, &project).await;
    let went_well = run.result.as_ref().is_ok_and(|outcome| outcome.exit.number() == 0);
    let after = Cloud::look(&world).await;
    if let Ok(outcome) = &run.result {
        prop_assert_eq!(&outcome.planned.plan.steps.len(), &plan.steps.len());
    }
    let started: BTreeSet<&str> = run
        .events
        .iter()
        .filter_map(|event| match event {
            Event::StepStarted { name, .. } => Some(name.as_str()),
            _ => None,
        })
        .collect();
    {
        let mut precision = precision.borrow_mut();
        precision.cases += 1;
        for step in &plan.steps {
            judge(&plan, step, &before, &after, &started, went_well, &mut precision)?;
        }
    }
    if went_well {
        let again = world.plan(&project).await.plan;
        prop_assert!(!again.has_changes(), "there is something left: {:#?}", again);
    }
    Ok(())
}

async fn deploy(world: &World, project: &crate::support::Project) -> Run {
    let allowed = (0..world::STACKS).filter_map(|index| Allowed::parse(&format!("s{index}"))).collect();
    let interrupt = Default::default();
    world.run_with(project, Purpose::Deploy, &interrupt, |options| options.allowed = allowed).await
}

#[allow(clippy::too_many_arguments, reason = "one case as a whole")]
fn judge(
    plan: &Plan,
    step: &Step,
    before: &Cloud,
    after: &Cloud,
    started: &BTreeSet<&str>,
    went_well: bool,
    precision: &mut Precision,
) -> Result<(), TestCaseError> {
    let fqn = step.fqn.as_str();
    let (old, new) = (before.ids.get(fqn), after.ids.get(fqn));
    let (old_outputs, new_outputs) = (before.outputs.get(fqn), after.outputs.get(fqn));
    let what = || format!("{fqn}\n{step:#?}\nbefore {old:#?}\nafter {new:#?}\nin {:#?}", plan.summary());
    let is_same = old == new && old_outputs == new_outputs;
    match (step.action, step.certainty) {
        (Action::None, _) => {
            precision.proved += 1;
            prop_assert!(is_same && !started.contains(step.name.as_str()), "proved unchanged: {}", what());
        }
        (Action::Delete, _) => {
            prop_assert!(new.is_none() || !went_well, "announced and not deleted: {}", what())
        }
        (Action::Create | Action::Recreate, _) => {
            prop_assert!(new.is_some() || !went_well, "announced and not created: {}", what());
        }
        (Action::Update, Certainty::May) => {
            precision.may += 1;
            precision.may_unchanged += usize::from(is_same && !started.contains(step.name.as_str()));
        }
        (Action::Update, _) => precision.will += 1,
        (Action::Run | Action::Skip, _) => {}
    }
    let (Some(old), Some(new)) = (old, new) else {
        prop_assert!(old.is_none() || step.action == Action::Delete, "a stack vanished: {}", what());
        return Ok(());
    };
    for (id, (_, physical)) in old {
        let change = step.changes.resources.get(id);
        match new.get(id) {
            None => prop_assert!(
                change.is_some_and(|change| change.action == ResourceAction::Remove),
                "{id} was deleted, which the plan does not say: {}",
                what()
            ),
            Some((_, now)) if now != physical => {
                precision.replacements += 1;
                let said = change.is_some_and(|change| {
                    change.replacement != Replacement::Never || change.action == ResourceAction::Remove
                });
                prop_assert!(said, "{id} was replaced, which the plan does not say: {}", what());
            }
            Some(_) => {
                let removed = change.is_some_and(|change| {
                    change.action == ResourceAction::Remove && change.certainty == Certainty::Will
                });
                prop_assert!(!removed || !went_well, "{id} should be gone: {}", what());
                let may = change.is_some_and(|change| change.replacement != Replacement::Never);
                precision.may_replace_kept += usize::from(may);
            }
        }
        precision.may_replace +=
            usize::from(change.is_some_and(|change| change.replacement == Replacement::May));
    }
    if step.changes.outputs_open {
        return Ok(());
    }
    for (name, value) in old_outputs.into_iter().flatten() {
        let now = new_outputs.and_then(|outputs| outputs.get(name));
        let said = step.changes.outputs.contains_key(name);
        prop_assert!(now == Some(value) || said, "output {name} is {now:?} and was {value}: {}", what());
    }
    Ok(())
}
