//! Random graphs and random edits: after every run, nothing that exists is unrecorded, nothing kept was deleted,
//! no deletion came before the update of a former dependant, and there is nothing left to do.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use runway_core::event::Event;
use runway_core::exit::ExitCode;
use runway_core::plan::Action;

use crate::support::{Project, World, template};

/// One version of a config: each stack.
type Shape = BTreeMap<usize, Stack>;

/// One stack of one version.
#[derive(Debug, Clone)]
struct Stack {
    note: u8,
    /// Stacks whose outputs it reads.
    needs: BTreeSet<usize>,
    /// Whether the config calls it by another name; in CloudFormation it has the same one.
    renamed: bool,
}

fn name(index: usize, stack: &Stack) -> String {
    if stack.renamed { format!("r{index}") } else { format!("s{index}") }
}

fn project(shape: &Shape) -> Project {
    let mut project = Project::default();
    for (index, stack) in shape {
        let Stack { note, needs, .. } = stack;
        let parameters: Vec<String> = needs.iter().map(|need| format!("From{need}")).collect();
        let names: Vec<&str> = parameters.iter().map(String::as_str).collect();
        project.stacks.push_str(&format!(
            "  - name: {}\n    stack_name: s{index}\n    template_path: s{index}.yml\n    variables:\n      Note: note-{note}\n",
            name(*index, stack)
        ));
        for need in needs {
            // Odd stacks are read through a nested lookup, which must order them all the same.
            let source = name(*need, &shape[need]);
            let lookup = if need % 2 == 1 {
                format!("${{default nothing::${{output {source}.Note}}}}")
            } else {
                format!("${{output {source}.Note}}")
            };
            project.stacks.push_str(&format!("      From{need}: \"{lookup}\"\n"));
        }
        project.files.insert(format!("s{index}.yml").into(), template(&names));
    }
    project
}

fn shapes() -> impl Strategy<Value = Vec<Shape>> {
    let needs = proptest::collection::btree_set(0_usize..7, 0..3);
    let renamed = proptest::bool::weighted(0.25);
    let stack = (0_u8..3, needs, renamed).prop_map(|(note, needs, renamed)| Stack { note, needs, renamed });
    let shape = proptest::collection::btree_map(0_usize..7, stack, 1..7).prop_map(|mut shape: Shape| {
        // A stack may read only from present stacks with a smaller number, or, in half of the versions, a larger one.
        let present: BTreeSet<usize> = shape.keys().copied().collect();
        let upwards = present.len().is_multiple_of(2);
        for (index, stack) in &mut shape {
            stack
                .needs
                .retain(|need| present.contains(need) && if upwards { need > index } else { need < index });
        }
        shape
    });
    proptest::collection::vec(shape, 2..5)
}

async fn follow(shapes: Vec<Shape>) -> Result<(), TestCaseError> {
    let world = World::new();
    let mut before: Shape = Shape::new();
    for shape in shapes {
        let project = project(&shape);
        let old_stacks = world.stacks().await;
        let run = world.deploy(&project).await;
        prop_assert_eq!(run.exit(), ExitCode::Ok, "{}", run.explain());

        let stacks = world.stacks().await;
        let wanted: BTreeSet<String> = shape.keys().map(|index| format!("ns-s{index}")).collect();
        prop_assert_eq!(&stacks.keys().cloned().collect::<BTreeSet<_>>(), &wanted);
        let graph = world.graph().await;
        for (index, stack) in &shape {
            let recorded = graph.get(&name(*index, stack));
            let mut expected: Vec<String> =
                stack.needs.iter().map(|need| name(*need, &shape[need])).collect();
            expected.sort();
            prop_assert_eq!(recorded, Some(&expected), "edges of s{}", index);
            let fqn = format!("ns-s{index}");
            if let Some(old) = old_stacks.get(&fqn) {
                prop_assert_eq!(&old.id, &stacks[&fqn].id, "a kept stack was replaced");
            }
        }
        prop_assert_eq!(graph.len(), shape.len());
        check_deletions(&before, &shape, &run.events)?;
        let again = world.plan(&project).await;
        prop_assert!(!again.plan.has_changes(), "{:#?}", again.plan);
        before = shape;
    }
    Ok(())
}

/// Deletions come after the updates of kept former dependants and after the deletions of removed ones.
fn check_deletions(before: &Shape, now: &Shape, events: &[Event]) -> Result<(), TestCaseError> {
    let started = |wanted: &str| {
        events.iter().position(|event| match event {
            Event::StepStarted { name, action: Action::Delete, .. } => name.as_str() == wanted,
            _ => false,
        })
    };
    let finished = |wanted: &str| {
        events
            .iter()
            .position(|event| matches!(event, Event::StepFinished { name, .. } if name.as_str() == wanted))
    };
    for (removed, stack) in before.iter().filter(|(index, _)| !now.contains_key(index)) {
        let Some(deletion) = started(&name(*removed, stack)) else {
            return Err(TestCaseError::fail(format!("s{removed} was not deleted by a step")));
        };
        for (dependant, stack) in before.iter().filter(|(_, stack)| stack.needs.contains(removed)) {
            // A kept dependant goes by the name that it has now.
            if let Some(end) = finished(&name(*dependant, now.get(dependant).unwrap_or(stack))) {
                prop_assert!(end < deletion, "s{removed} was deleted before s{dependant} was done");
            }
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, ..ProptestConfig::default() })]
    #[test]
    fn every_run_converges(shapes in shapes()) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        runtime.block_on(follow(shapes))?;
    }
}
