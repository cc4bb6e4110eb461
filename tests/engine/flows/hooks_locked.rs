//! Hooks beside the lock and interrupts: what a run owes to others while a hook takes its time.

use std::time::Duration;

use runway_core::engine::Interrupt;
use runway_core::event::Event;
use runway_core::exit::ExitCode;
use runway_core::plan::Purpose;
use runway_store::{Condition, Tags};

use super::hooks::hooked;
use crate::support::{Project, Run, World, graph_key};

/// Deploys, with the first interrupt after `first` seconds and the second after `second` more.
async fn interrupted(world: &World, project: &Project, first: u64, second: Option<u64>) -> Run {
    let interrupt = Interrupt::default();
    let signals = interrupt.clone();
    tokio::spawn(async move {
        tokio::time::sleep(Duration::from_secs(first)).await;
        signals.stop.cancel();
        if let Some(second) = second {
            tokio::time::sleep(Duration::from_secs(second)).await;
            signals.abandon.cancel();
        }
    });
    world.run_with(project, Purpose::Deploy, &interrupt, |_| ()).await
}

fn finished(run: &Run) -> usize {
    run.events.iter().filter(|event| matches!(event, Event::HookFinished { failure: None, .. })).count()
}

#[tokio::test(start_paused = true)]
async fn the_first_interrupt_lets_a_hook_end_and_starts_nothing_more() {
    for hooks in [
        "pre_deploy:\n  - {path: h.slow, args: {sleep: 60}}\n  - {path: h.later}\n",
        "pre_deploy:\n  - {path: h.slow, args: {sleep: 60}}\n",
    ] {
        let world = World::new();
        let run = interrupted(&world, &hooked(hooks), 10, None).await;
        assert_eq!(run.exit(), ExitCode::Interrupted, "{}", run.explain());
        assert_eq!(finished(&run), 1, "{}", run.explain());
        assert_eq!(world.fakes.calls.lock().unwrap().len(), 1);
        assert!(world.stacks().await.is_empty());
        world.assert_at_rest().await;
    }
}

#[tokio::test(start_paused = true)]
async fn an_interrupt_is_told_also_where_no_stack_would_have_changed() {
    let world = World::new();
    let hooks = "pre_deploy:\n  - {path: h.slow, args: {sleep: 60}}\n";
    assert_eq!(world.deploy(&hooked("")).await.exit(), ExitCode::Ok);
    let project = hooked(&format!("{hooks}post_deploy:\n  - {{path: h.post}}\n"));
    let run = interrupted(&world, &project, 10, None).await;
    assert_eq!(run.exit(), ExitCode::Interrupted, "{}", run.explain());
    assert_eq!(world.fakes.calls.lock().unwrap().len(), 1, "the hook after the stacks did not run");
    world.assert_at_rest().await;
}

#[tokio::test(start_paused = true)]
async fn the_second_interrupt_leaves_a_hook() {
    let world = World::new();
    let hooks = "pre_deploy:\n  - {path: h.slow, args: {sleep: 6000}}\n  - {path: h.later}\n";
    let run = interrupted(&world, &hooked(hooks), 10, Some(5)).await;
    assert_eq!(run.exit(), ExitCode::Interrupted, "{}", run.explain());
    assert!(run.explain().contains("interrupted while hooks ran"), "{}", run.explain());
    assert_eq!(finished(&run), 0);
    assert!(world.stacks().await.is_empty());
    world.assert_at_rest().await;
    assert_eq!(world.deploy(&hooked("")).await.exit(), ExitCode::Ok);
}

#[tokio::test(start_paused = true)]
async fn an_interrupt_during_hooks_after_the_stacks_keeps_their_records() {
    let world = World::new();
    let hooks = "post_deploy:\n  - {path: h.slow, args: {sleep: 600}}\n  - {path: h.later}\n";
    let run = interrupted(&world, &hooked(hooks), 120, Some(5)).await;
    assert_eq!(run.exit(), ExitCode::Interrupted, "{}", run.explain());
    assert_eq!(world.stacks().await.len(), 1);
    assert!(world.graph().await.contains_key("a"));
    world.assert_at_rest().await;
}

#[tokio::test(start_paused = true)]
async fn the_lease_is_renewed_while_a_hook_takes_an_hour() {
    let world = World::new();
    let slow = hooked("pre_deploy:\n  - {path: h.slow, args: {sleep: 3600}}\n");
    let other = hooked("");
    let (run, second) = tokio::join!(world.deploy(&slow), async {
        tokio::time::sleep(Duration::from_secs(1800)).await;
        world.deploy(&other).await
    });
    assert_eq!(run.exit(), ExitCode::Ok, "{}", run.explain());
    assert_eq!(second.exit(), ExitCode::Locked, "{}", second.explain());
    assert_eq!(world.stacks().await.len(), 1);
    world.assert_at_rest().await;
}

#[tokio::test(start_paused = true)]
async fn a_run_that_only_has_hooks_is_refused_while_somebody_else_works() {
    let world = World::new();
    assert_eq!(world.deploy(&hooked("")).await.exit(), ExitCode::Ok);
    let slow = hooked("pre_deploy:\n  - {path: h.slow, args: {sleep: 600}}\n");
    let other = hooked("pre_deploy:\n  - {path: h.other}\n");
    let (first, second) = tokio::join!(world.deploy(&slow), async {
        tokio::time::sleep(Duration::from_secs(100)).await;
        world.deploy(&other).await
    });
    assert_eq!(first.exit(), ExitCode::Ok, "{}", first.explain());
    assert_eq!(second.exit(), ExitCode::Locked, "its hook did not run: {}", second.explain());
    assert_eq!(world.fakes.calls.lock().unwrap().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_lock_lost_during_a_hook_stops_the_run() {
    for (unlocks, hooks) in [
        (true, "pre_deploy:\n  - {path: h.slow, args: {sleep: 60}}\n  - {path: h.later}\n"),
        (true, "pre_deploy:\n  - {path: h.slow, args: {sleep: 60}}\n"),
        (false, "pre_deploy:\n  - {path: h.slow, args: {sleep: 60}}\n  - {path: h.later}\n"),
        (false, "pre_deploy:\n  - {path: h.slow, args: {sleep: 60}}\n"),
    ] {
        let world = World::new();
        let project = hooked(hooks);
        let (run, ()) = tokio::join!(world.deploy(&project), async {
            tokio::time::sleep(Duration::from_secs(20)).await;
            if unlocks {
                // As an operator does.
                world.store().set_tags(&graph_key(), &Tags::new()).await.unwrap();
            } else {
                let lease = graph_key().with_suffix(".lock");
                world.store().delete(&lease, &Condition::default()).await.unwrap();
            }
        });
        assert_eq!(run.exit(), ExitCode::Locked, "{hooks}: {}", run.explain());
        assert_eq!(world.fakes.calls.lock().unwrap().len(), 1, "{hooks}");
        assert!(world.stacks().await.is_empty());
        assert_eq!(world.lease_text().await, None);
    }
}

#[tokio::test(start_paused = true)]
async fn a_lock_lost_during_hooks_after_the_stacks_is_told() {
    let world = World::new();
    let project = hooked("post_deploy:\n  - {path: h.slow, args: {sleep: 600}}\n  - {path: h.later}\n");
    let (run, ()) = tokio::join!(world.deploy(&project), async {
        tokio::time::sleep(Duration::from_secs(300)).await;
        world.store().set_tags(&graph_key(), &Tags::new()).await.unwrap();
    });
    assert_eq!(run.exit(), ExitCode::Locked, "{}", run.explain());
    assert_eq!(world.fakes.calls.lock().unwrap().len(), 1);
    assert!(world.stacks().await.contains_key("ns-a"));
    // The next run sees to the records.
    assert_eq!(world.deploy(&hooked("")).await.exit(), ExitCode::Ok);
    assert!(world.graph().await.contains_key("a"));
    assert_eq!(world.lease_text().await, None);
}
