//! Ctrl-C, once and twice.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use runway_core::engine::Interrupt;
use runway_core::event::Event;
use runway_core::exit::ExitCode;
use runway_core::plan::Purpose;
use runway_core::provider::{ErrorKind, StackStatus};
use runway_local::faulty::{Faulty, Verdict};

use crate::support::{Project, Run, World, template};

fn chain() -> Project {
    Project::new(concat!(
        "  - {name: a, template_path: t.yml, variables: {Note: x}}\n",
        "  - {name: b, template_path: t.yml, variables: {Note: \"${output a.Note}\"}}\n",
    ))
    .file("t.yml", &template(&[]))
}

/// Deploys, with the first interrupt after `first` and the second after `second`.
async fn interrupted(world: &World, first: Duration, second: Option<Duration>) -> Run {
    let interrupt = Interrupt::default();
    let signals = interrupt.clone();
    tokio::spawn(async move {
        tokio::time::sleep(first).await;
        signals.stop.cancel();
        if let Some(second) = second {
            tokio::time::sleep(second).await;
            signals.abandon.cancel();
        }
    });
    world.run_with(&chain(), Purpose::Deploy, &interrupt, |_| ()).await
}

#[tokio::test(start_paused = true)]
async fn the_first_interrupt_starts_nothing_and_watches_what_runs() {
    let world = World::new();
    world.local.script("ns-a").takes(Duration::from_secs(20));
    let run = interrupted(&world, Duration::from_secs(3), None).await;
    assert_eq!(run.exit(), ExitCode::Interrupted, "{}", run.explain());
    let stacks = world.stacks().await;
    assert_eq!(stacks.keys().collect::<Vec<_>>(), ["ns-a"]);
    assert_eq!(stacks["ns-a"].status, StackStatus::CreateComplete);
    assert_eq!(world.lease_text().await, None);
    let expected = BTreeSet::from(["a".into()]);
    assert!(
        run.position(
            |event| matches!(event, Event::Interrupted { running, watching: true } if *running == expected)
        )
        .is_some()
    );
    assert_eq!(world.deploy(&chain()).await.exit(), ExitCode::Ok);
}

#[tokio::test(start_paused = true)]
async fn the_second_interrupt_leaves_what_runs_and_says_so_in_the_records() {
    let world = World::new();
    world.local.script("ns-a").takes(Duration::from_secs(600));
    let run = interrupted(&world, Duration::from_secs(3), Some(Duration::from_secs(2))).await;
    assert_eq!(run.exit(), ExitCode::Interrupted, "{}", run.explain());
    assert_eq!(world.stacks().await["ns-a"].status, StackStatus::CreateInProgress);
    // Nobody works on the graph any more, so nobody is locked out; what was begun is written down.
    assert_eq!(world.lease_text().await, None);
    assert!(!world.graph_tags().await.contains_key("cfngin_lock_code"));
    let state = world.state_text().await.unwrap();
    assert!(state.contains("\"intents\"") && state.contains("\"create\""), "{state}");
    assert!(world.graph().await.contains_key("a"));
    tokio::time::sleep(Duration::from_secs(700)).await;
    assert_eq!(world.deploy(&chain()).await.exit(), ExitCode::Ok);
    assert_eq!(world.stacks().await.len(), 2);
}

#[tokio::test(start_paused = true)]
async fn an_interrupt_before_the_lock_changes_nothing() {
    let world = World::new();
    let run = interrupted(&world, Duration::ZERO, None).await;
    let interrupt = Interrupt::default();
    interrupt.stop.cancel();
    let early = world.run_with(&chain(), Purpose::Deploy, &interrupt, |_| ()).await;
    assert_eq!(early.exit(), ExitCode::Interrupted, "{}", early.explain());
    assert!(early.did_nothing(), "{:#?}", early.events);
    drop(run);
    assert_eq!(world.lease_text().await, None);
}

#[tokio::test(start_paused = true)]
async fn an_interrupt_stops_a_crowd_as_well() {
    let world = World::new();
    let stacks: String = (0..60)
        .map(|index| format!("  - {{name: s{index}, template_path: t.yml, variables: {{Note: x}}}}\n"))
        .collect();
    let project = Project::new(&stacks).file("t.yml", &template(&[]));
    // No creation is answered before the interrupt.
    let faulty = Faulty::new(Arc::clone(&world.provider)).with_rule(
        "CreateStack",
        "",
        0,
        Verdict::FailBefore(ErrorKind::Throttled),
    );
    let interrupt = Interrupt::default();
    let signals = interrupt.clone();
    tokio::spawn(async move {
        tokio::time::sleep(Duration::from_millis(100)).await;
        signals.stop.cancel();
    });
    let many = |options: &mut runway_core::engine::Options| options.concurrency = 100;
    let run =
        world.behind(Arc::new(faulty.clone())).run_with(&project, Purpose::Deploy, &interrupt, many).await;
    let targets: BTreeSet<String> = faulty
        .log()
        .iter()
        .filter(|call| call.operation == "CreateStack")
        .map(|call| call.target.clone())
        .collect();
    assert!((1..=16).contains(&targets.len()), "{}: {}", targets.len(), run.explain());
}
