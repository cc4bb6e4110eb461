//! Two sessions, CFNgin's tag, broken graph objects, and the commands that mend them.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use runway_core::engine::Interrupt;
use runway_core::event::Event;
use runway_core::exit::ExitCode;
use runway_core::ident::NodeName;
use runway_core::plan::Purpose;
use runway_store::{Put, Tags};

use crate::support::{Project, World, graph_key, template};

fn one(note: &str) -> Project {
    Project::new(&format!("  - {{name: a, template_path: t.yml, variables: {{Note: {note}}}}}\n"))
        .file("t.yml", &template(&[]))
}

#[tokio::test(start_paused = true)]
async fn of_two_sessions_one_works_and_the_other_is_told_who() {
    let world = World::new();
    world.local.script("*").takes(Duration::from_secs(120));
    let (project, other) = (one("x"), one("y"));
    let (first, second) = tokio::join!(world.deploy(&project), async {
        tokio::time::sleep(Duration::from_secs(30)).await;
        world.deploy(&other).await
    });
    assert_eq!(first.exit(), ExitCode::Ok, "{}", first.explain());
    assert_eq!(second.exit(), ExitCode::Locked, "{}", second.explain());
    let words = second.explain();
    assert!(words.contains("tester@here") && words.contains("since 2030-01-01T00:00"), "{words}");
}

#[tokio::test(start_paused = true)]
async fn a_session_that_waits_gets_its_turn() {
    let world = World::new();
    world.local.script("*").takes(Duration::from_secs(120));
    let (project, other) = (one("x"), one("y"));
    let interrupt = Interrupt::default();
    let (first, second) = tokio::join!(world.deploy(&project), async {
        tokio::time::sleep(Duration::from_secs(30)).await;
        let wait =
            |options: &mut runway_core::engine::Options| options.lock_wait = Some(Duration::from_secs(600));
        world.run_with(&other, Purpose::Deploy, &interrupt, wait).await
    });
    assert_eq!(first.exit(), ExitCode::Ok, "{}", first.explain());
    assert_eq!(second.exit(), ExitCode::Ok, "{}", second.explain());
    assert!(second.position(|event| matches!(event, Event::LockWaiting { .. })).is_some());
    assert_eq!(world.stacks().await["ns-a"].outputs["Note"], "y");
}

#[tokio::test(start_paused = true)]
async fn a_tag_of_cfngin_is_respected_and_left_alone() {
    let world = World::new();
    assert_eq!(world.deploy(&one("x")).await.exit(), ExitCode::Ok);
    let code = "5f0c8a1b-22ff-4000-8000-000000000000";
    let tags = Tags::from([("cfngin_lock_code".to_owned(), code.to_owned())]);
    world.store().set_tags(&graph_key(), &tags).await.unwrap();
    let run = world.deploy(&one("y")).await;
    assert_eq!(run.exit(), ExitCode::Locked, "{}", run.explain());
    assert!(run.explain().contains(code));
    assert_eq!(world.graph_tags().await, tags);
    assert_eq!(world.lease_text().await, None);

    let engine = world.engine(BTreeMap::new(), |_| ());
    let config = one("y").config();
    let seen = engine.graph(&config).await.unwrap_or_else(|error| panic!("{error:?}"));
    assert!(seen.holder.as_ref().is_some_and(|holder| holder.cfngin && holder.code == code));
    engine.unlock(&config, &seen).await.unwrap_or_else(|error| panic!("{error:?}"));
    assert_eq!(world.deploy(&one("y")).await.exit(), ExitCode::Ok);
}

#[tokio::test(start_paused = true)]
async fn a_lock_that_changed_hands_is_not_removed() {
    let world = World::new();
    assert_eq!(world.deploy(&one("x")).await.exit(), ExitCode::Ok);
    let engine = world.engine(BTreeMap::new(), |_| ());
    let config = one("x").config();
    let shown = engine.graph(&config).await.unwrap_or_else(|error| panic!("{error:?}"));
    let tags = Tags::from([("cfngin_lock_code".to_owned(), "somebody".to_owned())]);
    world.store().set_tags(&graph_key(), &tags).await.unwrap();
    let refused = engine.unlock(&config, &shown).await.expect_err("another lock than the one shown");
    assert_eq!(refused.exit, ExitCode::Locked);
    assert_eq!(world.graph_tags().await, tags);
}

#[tokio::test(start_paused = true)]
async fn tags_of_users_stay_through_lock_and_unlock() {
    let world = World::new();
    assert_eq!(world.deploy(&one("x")).await.exit(), ExitCode::Ok);
    let tags = Tags::from([("team".to_owned(), "plattform & co".to_owned())]);
    world.store().set_tags(&graph_key(), &tags).await.unwrap();
    assert_eq!(world.deploy(&one("y")).await.exit(), ExitCode::Ok);
    assert_eq!(world.graph_tags().await, tags);
}

#[tokio::test(start_paused = true)]
async fn a_graph_that_is_no_json_is_explained_and_left_alone() {
    let world = World::new();
    assert_eq!(world.deploy(&one("x")).await.exit(), ExitCode::Ok);
    let broken = "{\"a\": [\"b\"";
    world.store().put(&graph_key(), Bytes::from(broken), &Put::default()).await.unwrap();
    for purpose in [Purpose::Deploy, Purpose::Destroy] {
        let run = world.run(&one("y"), purpose).await;
        assert_eq!(run.exit(), ExitCode::Graph, "{}", run.explain());
    }
    assert_eq!(world.graph_text().await.as_deref(), Some(broken));
    assert_eq!(world.lease_text().await, None);
    assert!(world.stacks().await.contains_key("ns-a"));
}

#[tokio::test(start_paused = true)]
async fn a_forgotten_stack_stays_where_it_is() {
    let world = World::new();
    let two = Project::new(concat!(
        "  - {name: a, template_path: t.yml, variables: {Note: x}}\n",
        "  - {name: b, template_path: t.yml, variables: {Note: \"${output a.Note}\"}}\n",
    ))
    .file("t.yml", &template(&[]));
    assert_eq!(world.deploy(&two).await.exit(), ExitCode::Ok);
    let engine = world.engine(BTreeMap::new(), |_| ());
    let mut nothing = |_: &Event| ();
    let forgotten = engine.forget(&one("x").config(), &NodeName::new("b"), &mut nothing).await;
    forgotten.unwrap_or_else(|error| panic!("{error:?}"));
    assert_eq!(world.graph().await.keys().collect::<Vec<_>>(), ["a"]);
    let run = world.deploy(&one("x")).await;
    assert_eq!(run.exit(), ExitCode::Ok, "{}", run.explain());
    assert!(world.stacks().await.contains_key("ns-b"), "no longer managed, so not deleted");
    let unknown = engine.forget(&one("x").config(), &NodeName::new("zzz"), &mut nothing).await;
    assert_eq!(unknown.expect_err("not recorded").exit, ExitCode::Graph);
}

#[tokio::test(start_paused = true)]
async fn a_dead_lock_is_cleared_by_a_run_that_has_nothing_else_to_do() {
    let world = World::new();
    assert_eq!(world.deploy(&one("x")).await.exit(), ExitCode::Ok);
    world.local.script("*").takes(Duration::from_secs(600));
    let change = one("y");
    let killed = tokio::time::timeout(Duration::from_secs(30), world.deploy(&change)).await;
    assert!(killed.is_err(), "killed while the stack was being updated");
    assert!(world.lease_text().await.is_some());
    tokio::time::sleep(Duration::from_secs(700)).await;
    let run = world.deploy(&change).await;
    assert_eq!(run.exit(), ExitCode::Ok, "{}", run.explain());
    assert!(run.position(|event| matches!(event, Event::LockTakenOver { .. })).is_some());
    assert_eq!(world.lease_text().await, None);
    assert!(!world.graph_tags().await.contains_key("cfngin_lock_code"));
}
