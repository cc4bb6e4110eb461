//! Stacks that leave the config, stacks that are left alone, and configs that ask for too much.

use std::collections::BTreeMap;

use async_trait::async_trait;
use runway_core::engine::{Approval, Gate, Interrupt, Planned};
use runway_core::event::Event;
use runway_core::exit::ExitCode;
use runway_core::ident::NodeName;
use runway_core::plan::{Action, Purpose};

use crate::support::{Project, Run, World, template};

fn project(stacks: &str) -> Project {
    Project::new(stacks).file("t.yml", &template(&[]))
}

fn order_of(run: &Run, wanted: Action) -> Vec<&str> {
    let started = run.events.iter().filter_map(|event| match event {
        Event::StepStarted { name, action, .. } if *action == wanted => Some(name.as_str()),
        _ => None,
    });
    started.collect()
}

const FOUR: &str = concat!(
    "  - {name: a, template_path: t.yml, variables: {Note: x}}\n",
    "  - {name: b, template_path: t.yml, stack_name: my-own, variables: {Note: \"${output a.Note}\"}}\n",
    "  - {name: c, template_path: t.yml, variables: {Note: \"${output b.Note}\"}}\n",
    "  - {name: d, template_path: t.yml, variables: {Note: \"${output c.Note}\"}}\n",
);

#[tokio::test(start_paused = true)]
async fn removed_stacks_go_dependants_first_their_own_names_included() {
    let world = World::new();
    assert_eq!(world.deploy(&project(FOUR)).await.exit(), ExitCode::Ok);
    let run = world.deploy(&project("  - {name: a, template_path: t.yml, variables: {Note: x}}\n")).await;
    assert_eq!(run.exit(), ExitCode::Ok, "{}", run.explain());
    assert_eq!(order_of(&run, Action::Delete), ["d", "c", "b"]);
    assert_eq!(world.stacks().await.keys().collect::<Vec<_>>(), ["ns-a"]);
    assert_eq!(world.graph_text().await.as_deref(), Some("{\n    \"a\": []\n}"));
}

#[tokio::test(start_paused = true)]
async fn a_destroy_leaves_nothing_but_an_empty_state() {
    let world = World::new();
    assert_eq!(world.deploy(&project(FOUR)).await.exit(), ExitCode::Ok);
    let run = world.run(&project(FOUR), Purpose::Destroy).await;
    assert_eq!(run.exit(), ExitCode::Ok, "{}", run.explain());
    assert_eq!(order_of(&run, Action::Delete), ["d", "c", "b", "a"]);
    assert!(world.stacks().await.is_empty());
    assert_eq!(world.graph_text().await, None);
    assert_eq!(world.lease_text().await, None);
    let state: serde_json::Value = serde_json::from_str(&world.state_text().await.unwrap()).unwrap();
    assert_eq!((&state["nodes"], &state["intents"]), (&serde_json::json!({}), &serde_json::json!({})));
    let again = world.run(&project(FOUR), Purpose::Destroy).await;
    assert_eq!(again.exit(), ExitCode::Ok);
    assert!(again.did_nothing());
}

#[tokio::test(start_paused = true)]
async fn an_empty_config_deletes_only_when_that_is_allowed() {
    let world = World::new();
    assert_eq!(world.deploy(&project(FOUR)).await.exit(), ExitCode::Ok);
    let refused = world.deploy(&project("")).await;
    assert_eq!(refused.exit(), ExitCode::Refused, "{}", refused.explain());
    assert_eq!(world.stacks().await.len(), 4);
    let allow = |options: &mut runway_core::engine::Options| options.allow_empty = true;
    let allowed = world.run_with(&project(""), Purpose::Deploy, &Interrupt::default(), allow).await;
    assert_eq!(allowed.exit(), ExitCode::Ok, "{}", allowed.explain());
    assert!(world.stacks().await.is_empty());
}

#[tokio::test(start_paused = true)]
async fn locked_and_disabled_stacks_are_left_alone() {
    let world = World::new();
    assert_eq!(world.deploy(&project(FOUR)).await.exit(), ExitCode::Ok);
    let before = world.stacks().await;
    let changed = project(concat!(
        "  - {name: a, template_path: t.yml, locked: true, variables: {Note: other}}\n",
        "  - {name: b, template_path: t.yml, stack_name: my-own, enabled: false, variables: {Note: other}}\n",
    ));
    let run = world.deploy(&changed).await;
    assert_eq!(run.exit(), ExitCode::Ok, "{}", run.explain());
    let after = world.stacks().await;
    assert_eq!(after["ns-a"], before["ns-a"]);
    assert_eq!(after["ns-my-own"], before["ns-my-own"]);
    assert_eq!(after.len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_stack_deleted_by_hand_is_made_anew_or_forgotten() {
    let world = World::new();
    assert_eq!(world.deploy(&project(FOUR)).await.exit(), ExitCode::Ok);
    let all = world.stacks().await;
    for gone in ["ns-d", "ns-c"] {
        let stack = runway_core::provider::StackRef::Id(all[gone].id.clone());
        world.local_cloudformation().delete_stack(&stack, None, "by-hand").await.unwrap();
        tokio::time::sleep(std::time::Duration::from_secs(60)).await;
    }
    let three: String =
        FOUR.lines().filter(|line| !line.contains("name: d")).map(|line| format!("{line}\n")).collect();
    let run = world.deploy(&project(&three)).await;
    assert_eq!(run.exit(), ExitCode::Ok, "{}", run.explain());
    assert_eq!(order_of(&run, Action::Create), ["c"]);
    assert_eq!(world.graph().await.keys().collect::<Vec<_>>(), ["a", "b", "c"]);
}

#[tokio::test(start_paused = true)]
async fn status_and_outputs_tell_what_is_there() {
    let world = World::new();
    assert_eq!(world.deploy(&project(FOUR)).await.exit(), ExitCode::Ok);
    let small = project(
        "  - {name: a, template_path: t.yml, variables: {Note: x}}\n  - {name: n, template_path: t.yml, variables: {Note: x}}\n",
    );
    let engine = world.engine(BTreeMap::new(), |_| ());
    let rows = engine.status(&small.config()).await.unwrap_or_else(|error| panic!("{error:?}"));
    let seen: Vec<(&str, &str, bool, bool)> = rows
        .stacks
        .iter()
        .map(|row| (row.name.as_str(), row.fqn.as_str(), row.exists, row.configured))
        .collect();
    assert_eq!(
        seen,
        [
            ("a", "ns-a", true, true),
            ("b", "ns-my-own", true, false),
            ("c", "ns-c", true, false),
            ("d", "ns-d", true, false),
            ("n", "ns-n", false, true)
        ]
    );
    let outputs = engine.outputs(&small.config(), Some(&NodeName::new("a"))).await;
    assert_eq!(outputs.unwrap_or_else(|error| panic!("{error:?}"))[&NodeName::new("a")]["Note"], "x");
    let absent = engine.outputs(&small.config(), Some(&NodeName::new("n"))).await;
    assert_eq!(absent.expect_err("not deployed").exit, ExitCode::Lookup);
}

/// Changes the world while a person looks at the plan.
struct SlowPerson<'a>(&'a World);

#[async_trait]
impl Gate for SlowPerson<'_> {
    async fn approve(&self, _planned: &Planned, _again: u32) -> Approval {
        let meanwhile =
            self.0.deploy(&project("  - {name: z, template_path: t.yml, variables: {Note: x}}\n")).await;
        assert_eq!(meanwhile.exit(), ExitCode::Ok, "{}", meanwhile.explain());
        Approval::Person
    }
}

#[tokio::test(start_paused = true)]
async fn a_plan_that_no_longer_stands_is_not_carried_out() {
    let world = World::new();
    assert_eq!(world.deploy(&project(FOUR)).await.exit(), ExitCode::Ok);
    let change = project("  - {name: a, template_path: t.yml, variables: {Note: new}}\n");
    let engine = world.engine(change.files.clone(), |_| ());
    let mut nothing = |_: &Event| ();
    let run = engine
        .run(&change.config(), Purpose::Deploy, &SlowPerson(&world), &mut nothing, &Interrupt::default())
        .await;
    assert_eq!(run.expect_err("a stale plan").exit, ExitCode::Stale);
    assert_eq!(world.stacks().await.keys().collect::<Vec<_>>(), ["ns-z"]);
    assert_eq!(world.lease_text().await, None);
}
