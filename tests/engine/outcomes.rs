//! Every node of a run ends in exactly one outcome, which says what really happened to its stack.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use async_trait::async_trait;
use proptest::prelude::*;
use runway_core::engine::{Approval, Gate, Interrupt, Planned};
use runway_core::event::{Event, Outcome};
use runway_core::exit::ExitCode;
use runway_core::ident::NodeName;
use runway_core::outcome::{NodeEnd, NodeOutcome, Stop, Tally};
use runway_core::plan::{Action, Purpose};
use runway_core::provider::{StackState, StackStatus};

use crate::support::{Project, Run, World, Yes, graph_key, template};

/// One stack of the second version.
#[derive(Debug, Clone)]
struct Stack {
    /// Whether it is there before, and with which note.
    before: Option<u8>,
    /// Whether the config has it, and with which note.
    now: Option<u8>,
    needs: BTreeSet<usize>,
    fails: bool,
    enabled: bool,
    /// Seconds that each operation takes.
    takes: u64,
}

/// What happens on the way, and after how many seconds.
#[derive(Debug, Clone, Copy)]
enum Trouble {
    None,
    Interrupt(u64),
    Leave(u64, u64),
    /// An operator removes the tag of the lock.
    Unlock(u64),
}

const STACKS: usize = 7;

fn stacks() -> impl Strategy<Value = Vec<Stack>> {
    let note = || proptest::option::weighted(0.7, 0_u8..2);
    let needs = proptest::collection::btree_set(0..STACKS, 0..3);
    let stack =
        (note(), note(), needs, proptest::bool::weighted(0.35), proptest::bool::weighted(0.9), 1_u64..40)
            .prop_map(|(before, now, needs, fails, enabled, takes)| Stack {
                before,
                now,
                needs,
                fails,
                enabled,
                takes,
            });
    proptest::collection::vec(stack, 2..=STACKS)
}

fn troubles() -> impl Strategy<Value = Trouble> {
    prop_oneof![
        2 => Just(Trouble::None),
        2 => (0_u64..60).prop_map(Trouble::Interrupt),
        2 => (0_u64..60, 0_u64..30).prop_map(|(first, second)| Trouble::Leave(first, second)),
        1 => (1_u64..60).prop_map(Trouble::Unlock),
    ]
}

fn project(stacks: &[Stack], note: impl Fn(&Stack) -> Option<u8>, is_first: bool) -> Project {
    let mut project = Project::default();
    for (index, stack) in stacks.iter().enumerate() {
        let Some(note) = note(stack) else { continue };
        project.stacks.push_str(&format!("  - name: s{index}\n    template_path: s{index}.yml\n"));
        if !is_first && !stack.enabled {
            project.stacks.push_str("    enabled: false\n");
        }
        project.stacks.push_str(&format!("    variables: {{Note: note-{note}}}\n"));
        // Order only: a disabled stack cannot be read.
        let needs: Vec<String> = stack
            .needs
            .iter()
            .filter(|need| **need < index && !is_first && stacks[**need].now.is_some())
            .map(|need| format!("s{need}"))
            .collect();
        if !needs.is_empty() {
            project.stacks.push_str(&format!("    requires: [{}]\n", needs.join(", ")));
        }
        let failing =
            "    Type: AWS::SSM::Parameter\n    Metadata: {\"runway-rs:local\": {fail: no room left}}\n";
        let text = template(&[]);
        let text = if stack.fails && !is_first {
            text.replace("    Type: AWS::SSM::Parameter\n", failing)
        } else {
            text
        };
        project.files.insert(format!("s{index}.yml").into(), text);
    }
    project
}

async fn follow(shape: Vec<Stack>, trouble: Trouble) -> Result<(), TestCaseError> {
    let world = World::new();
    let first = world.deploy(&project(&shape, |stack| stack.before, true)).await;
    prop_assert!(matches!(first.exit(), ExitCode::Ok | ExitCode::Refused), "{}", first.explain());
    for (index, stack) in shape.iter().enumerate() {
        world.local.script(&format!("ns-s{index}")).takes(Duration::from_secs(stack.takes));
    }
    let before = world.stacks().await;
    let interrupt = Interrupt::default();
    let wanted = project(&shape, |stack| stack.now, false);
    let troubling = async {
        match trouble {
            Trouble::None => {}
            Trouble::Interrupt(first) => {
                tokio::time::sleep(Duration::from_secs(first)).await;
                interrupt.stop.cancel();
            }
            Trouble::Leave(first, second) => {
                tokio::time::sleep(Duration::from_secs(first)).await;
                interrupt.stop.cancel();
                tokio::time::sleep(Duration::from_secs(second)).await;
                interrupt.abandon.cancel();
            }
            Trouble::Unlock(after) => {
                tokio::time::sleep(Duration::from_secs(after)).await;
                let _ = world.store().set_tags(&graph_key(), &BTreeMap::new()).await;
            }
        }
    };
    let empty = |options: &mut runway_core::engine::Options| options.allow_empty = true;
    let (run, ()) =
        tokio::join!(world.run_gated(&wanted, Purpose::Deploy, (&Yes, &interrupt), empty), troubling);
    check(&run, &before, &world.stacks().await)
}

/// What a run says of its nodes, against its events and against what is there.
fn check(
    run: &Run,
    before: &BTreeMap<String, StackState>,
    after: &BTreeMap<String, StackState>,
) -> Result<(), TestCaseError> {
    let told: Vec<&Vec<NodeOutcome>> = run
        .events
        .iter()
        .filter_map(|event| if let Event::Outcomes { nodes } = event { Some(nodes) } else { None })
        .collect();
    let Ok(outcome) = &run.result else {
        // It ended before it had a plan that may be carried out, and changed nothing.
        prop_assert!(told.is_empty());
        prop_assert_eq!(before, after);
        return Ok(());
    };
    prop_assert_eq!(&told, &[&outcome.nodes], "one event, which says the same");
    let planned: Vec<_> = outcome.planned.plan.steps.iter().map(|step| (&step.name, step.action)).collect();
    let ended: Vec<_> = outcome.nodes.iter().map(|node| (&node.name, node.action)).collect();
    prop_assert_eq!(planned, ended, "one for each step, in order");
    let by_name: BTreeMap<_, _> = outcome.nodes.iter().map(|node| (&node.name, &node.end)).collect();
    for node in &outcome.nodes {
        let events = run.events.iter();
        let finish = events.clone().find_map(|event| match event {
            Event::StepFinished { name, outcome, .. } if *name == node.name => Some(outcome),
            _ => None,
        });
        let blocked = events.clone().find_map(|event| match event {
            Event::StepBlocked { name, by, .. } if *name == node.name => Some(by),
            _ => None,
        });
        prop_assert_eq!(node.elapsed.is_some(), finish.is_some(), "{:?}", node);
        let (old, new) = (before.get(node.fqn.as_str()), after.get(node.fqn.as_str()));
        let same = old == new;
        let fits = match &node.end {
            NodeEnd::Created => {
                old.is_none() && new.is_some_and(|stack| stack.status == StackStatus::CreateComplete)
            }
            NodeEnd::Updated => {
                old.is_some() && !same && new.is_some_and(|stack| stack.status == StackStatus::UpdateComplete)
            }
            NodeEnd::Deleted => old.is_some() && new.is_none(),
            NodeEnd::Recreated => old.map(|stack| &stack.id) != new.map(|stack| &stack.id),
            NodeEnd::Unchanged => {
                same && (node.action == Action::None || finish == Some(&Outcome::Unchanged))
            }
            NodeEnd::Skipped { reason } => same && node.action == Action::Skip && !reason.is_empty(),
            NodeEnd::Failed { failure } => {
                !failure.message.is_empty() && matches!(finish, Some(Outcome::Failed(_)))
            }
            NodeEnd::Blocked { by } => {
                let stand_in_the_way = by.iter().all(|name| {
                    matches!(by_name.get(name), Some(NodeEnd::Failed { .. } | NodeEnd::Blocked { .. }))
                });
                same && blocked.is_some_and(|told| by.is_subset(told)) && !by.is_empty() && stand_in_the_way
            }
            NodeEnd::Cancelled { began: false, .. } => {
                // Whatever is said to stand in its way is cancelled as well.
                let is_cancelled =
                    |name: &NodeName| matches!(by_name.get(name), Some(NodeEnd::Cancelled { .. }));
                same && finish.is_none() && blocked.is_none_or(|by| by.iter().all(is_cancelled))
            }

            NodeEnd::Cancelled { began: true, .. } => finish == Some(&Outcome::Abandoned),
            NodeEnd::Ran | NodeEnd::Cached => false,
        };
        prop_assert!(fits, "{:?}\nbefore {:?}\nafter {:?}\n{}", node, old, new, run.explain());
        if let NodeEnd::Cancelled { cause, .. } = &node.end {
            let expected = match outcome.exit {
                ExitCode::Locked => Stop::LockLost,
                _ => Stop::Interrupted,
            };
            prop_assert_eq!(*cause, expected);
        }
    }
    let tally = Tally::of(&outcome.nodes);
    let is_clean = tally.failed + tally.blocked + tally.cancelled == 0;
    prop_assert!(is_clean || outcome.exit != ExitCode::Ok, "{tally:?}");
    // A lost lock says more than steps that failed.
    let says_failed = outcome.exit == ExitCode::StepsFailed;
    prop_assert!(!says_failed || tally.failed > 0, "{tally:?}");
    prop_assert!(tally.failed == 0 || says_failed || outcome.exit == ExitCode::Locked, "{tally:?}");
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 120, ..ProptestConfig::default() })]
    #[test]
    fn every_node_has_one_outcome_and_it_is_true(shape in stacks(), trouble in troubles()) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        runtime.block_on(follow(shape, trouble))?;
    }
}

struct No;

#[async_trait]
impl Gate for No {
    async fn approve(&self, _planned: &Planned, _again: u32) -> Approval {
        Approval::Refused(ExitCode::Refused)
    }
}

fn two() -> Project {
    Project::new(concat!(
        "  - {name: a, template_path: t.yml, variables: {Note: x}}\n",
        "  - {name: b, template_path: t.yml, enabled: false, variables: {Note: x}}\n",
    ))
    .file("t.yml", &template(&[]))
}

fn ends(run: &Run) -> Vec<(&str, NodeEnd)> {
    let nodes = &run.result.as_ref().unwrap_or_else(|_| panic!("{}", run.explain())).nodes;
    nodes.iter().map(|node| (node.name.as_str(), node.end.clone())).collect()
}

fn skipped() -> NodeEnd {
    NodeEnd::Skipped { reason: "disabled".to_owned() }
}

#[tokio::test(start_paused = true)]
async fn a_plan_that_is_refused_is_cancelled_and_one_without_changes_is_unchanged() {
    let world = World::new();
    let interrupt = Interrupt::default();
    let refused = world.run_gated(&two(), Purpose::Deploy, (&No, &interrupt), |_| ()).await;
    let cancelled = NodeEnd::Cancelled { cause: Stop::Refused, began: false };
    assert_eq!(ends(&refused), [("a", cancelled), ("b", skipped())]);
    assert!(matches!(refused.events.as_slice(), [Event::Outcomes { .. }]), "{:?}", refused.events);

    assert_eq!(ends(&world.deploy(&two()).await), [("a", NodeEnd::Created), ("b", skipped())]);
    let again = world.deploy(&two()).await;
    assert_eq!(ends(&again), [("a", NodeEnd::Unchanged), ("b", skipped())]);
    assert!(matches!(again.events.as_slice(), [Event::Outcomes { .. }]), "{:?}", again.events);
}

#[tokio::test(start_paused = true)]
async fn what_follows_a_failed_hook_or_bucket_is_not_prepared() {
    let cancelled = NodeEnd::Cancelled { cause: Stop::NotPrepared, began: false };
    let world = World::new();
    let hooked = two().with("pre_deploy:\n  - {path: hooks.first, args: {fail: broken}}\n");
    assert_eq!(ends(&world.deploy(&hooked).await), [("a", cancelled.clone()), ("b", skipped())]);

    let world = World::without_bucket();
    world.local.script("ns-cfngin-bucket").create_fails("Bucket", "taken");
    let run = world.deploy(&two()).await;
    assert_eq!(run.exit(), ExitCode::StepsFailed, "{}", run.explain());
    assert_eq!(ends(&run), [("a", cancelled), ("b", skipped())]);
}
