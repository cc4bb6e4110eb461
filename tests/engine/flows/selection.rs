//! Runs over a part of the stacks.

use runway_core::engine::{Interrupt, Options};
use runway_core::event::Event;
use runway_core::exit::ExitCode;
use runway_core::plan::{Purpose, Selection};

use crate::support::{Project, Run, World, template};

const BEFORE: &str = concat!(
    "  - {name: base, template_path: t.yml, variables: {Note: one}}\n",
    "  - {name: app, template_path: t.yml, variables: {Note: \"${output base.Note}\"}}\n",
    "  - {name: old, template_path: t.yml, variables: {Note: \"${output base.Note}\"}}\n",
);
const AFTER: &str = concat!(
    "  - {name: base, template_path: t.yml, variables: {Note: two}}\n",
    "  - {name: app, template_path: t.yml, variables: {Note: \"${output base.Note} more\"}}\n",
    "  - {name: new, template_path: t.yml, variables: {Note: x}}\n",
);

fn project(stacks: &str) -> Project {
    Project::new(stacks).file("t.yml", &template(&[]))
}

fn only(stacks: &[&str]) -> impl FnOnce(&mut Options) {
    let stacks = stacks.iter().map(|stack| (*stack).to_owned()).collect();
    |options| options.selection = Some(Selection { stacks, ..Selection::default() })
}

fn touched(run: &Run) -> Vec<&str> {
    let started = run.events.iter().filter_map(|event| match event {
        Event::StepStarted { name, .. } => Some(name.as_str()),
        _ => None,
    });
    started.collect()
}

#[tokio::test(start_paused = true)]
async fn a_part_leaves_the_rest_and_its_records_alone() {
    let world = World::new();
    assert_eq!(world.deploy(&project(BEFORE)).await.exit(), ExitCode::Ok);
    let graph = world.graph().await;
    let interrupt = Interrupt::default();
    let run = world.run_with(&project(AFTER), Purpose::Deploy, &interrupt, only(&["app"])).await;
    assert_eq!(run.exit(), ExitCode::Ok, "{}", run.explain());
    assert_eq!(touched(&run), ["app"]);
    let stacks = world.stacks().await;
    // The output of the stack that was left alone is the deployed one.
    assert_eq!(stacks["ns-app"].parameters["Note"], "one more");
    assert_eq!(stacks["ns-base"].parameters["Note"], "one");
    assert!(stacks.contains_key("ns-old") && !stacks.contains_key("ns-new"));
    assert_eq!(world.graph().await, graph);

    let run = world.deploy(&project(AFTER)).await;
    assert_eq!(run.exit(), ExitCode::Ok, "{}", run.explain());
    let stacks = world.stacks().await;
    assert_eq!(stacks.keys().collect::<Vec<_>>(), ["ns-app", "ns-base", "ns-new"]);
    assert_eq!(stacks["ns-app"].parameters["Note"], "two more");
}

#[tokio::test(start_paused = true)]
async fn a_removed_stack_goes_only_by_its_name() {
    let world = World::new();
    assert_eq!(world.deploy(&project(BEFORE)).await.exit(), ExitCode::Ok);
    let interrupt = Interrupt::default();
    let run = world.run_with(&project(AFTER), Purpose::Deploy, &interrupt, only(&["old"])).await;
    assert_eq!(run.exit(), ExitCode::Ok, "{}", run.explain());
    assert_eq!(touched(&run), ["old"]);
    assert_eq!(world.stacks().await.keys().collect::<Vec<_>>(), ["ns-app", "ns-base"]);
    assert_eq!(world.graph().await.keys().collect::<Vec<_>>(), ["app", "base"]);
}

#[tokio::test(start_paused = true)]
async fn a_destroy_of_a_part_refuses_to_pull_the_floor_away() {
    let world = World::new();
    assert_eq!(world.deploy(&project(BEFORE)).await.exit(), ExitCode::Ok);
    let interrupt = Interrupt::default();
    let run = world.run_with(&project(BEFORE), Purpose::Destroy, &interrupt, only(&["base"])).await;
    assert_eq!(run.exit(), ExitCode::Refused, "{}", run.explain());
    assert_eq!(world.stacks().await.len(), 3);
    let with_dependents = |options: &mut Options| {
        only(&["base"])(options);
        options.selection.as_mut().unwrap().with_dependents = true;
    };
    let run = world.run_with(&project(BEFORE), Purpose::Destroy, &interrupt, with_dependents).await;
    assert_eq!(run.exit(), ExitCode::Ok, "{}", run.explain());
    assert!(world.stacks().await.is_empty());
    assert_eq!(world.graph_text().await, None);
}

#[tokio::test(start_paused = true)]
async fn a_destroy_of_a_part_runs_no_hooks_and_says_so() {
    let world = World::new();
    let project =
        super::hooks::hooked("pre_destroy:\n  - {path: h.bye}\npost_destroy:\n  - {path: h.gone}\n");
    assert_eq!(world.deploy(&project).await.exit(), ExitCode::Ok);
    let interrupt = Interrupt::default();
    let run = world.run_with(&project, Purpose::Destroy, &interrupt, only(&["a"])).await;
    assert_eq!(run.exit(), ExitCode::Ok, "{}", run.explain());
    assert_eq!(touched(&run), ["a"]);
    assert!(world.fakes.calls.lock().unwrap().is_empty());
    let plan = &run.result.as_ref().unwrap().planned.plan;
    assert!(plan.hooks.is_empty());
    assert_eq!(plan.notes[0].code, "plan::hooks_left_out");
}
