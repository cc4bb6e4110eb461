//! How tasks end, and how many of them work on one service at once.

use runway_core::engine::{Interrupt, Status};
use runway_core::event::Event;
use runway_core::exit::ExitCode;
use runway_core::outcome::{NodeEnd, Tally};
use runway_core::plan::Purpose;
use runway_core::render::{graph, tables};
use serde_json::json;

use crate::cached::Machine;
use crate::flows::tasks::project;
use crate::support::{Project, Run, World};

fn ends(run: &Run) -> Vec<(&str, NodeEnd)> {
    let nodes = &run.result.as_ref().unwrap_or_else(|_| panic!("{}", run.explain())).nodes;
    nodes.iter().map(|node| (node.name.as_str(), node.end.clone())).collect()
}

/// One task of each sort: it is kept, trusted, is to be absent, only has an effect, or leaves the config.
fn every_sort(value: &str, word: &str, has_all: bool) -> Project {
    let leaving = "  - {name: left, kind: thing, on_remove: delete, args: {name: left, value: x}}\n";
    let tasks = format!(
        concat!(
            "  - {{name: gone, kind: thing, args: {{name: gone, state: absent}}}}\n",
            "  - {{name: kept, kind: thing, args: {{name: kept, value: {value}}}}}\n",
            "  - {{name: trusted, kind: thing, cache: {{trust_for: 1h}}, args: {{name: trusted, value: x}}}}\n",
            "  - {{name: hey, kind: shout, args: {{word: {word}}}}}\n",
            "{leaving}",
        ),
        value = value,
        word = word,
        leaving = if has_all { leaving } else { "" },
    );
    project(&tasks, "")
}

#[tokio::test(start_paused = true)]
async fn every_sort_of_task_ends_with_its_own_word() {
    let (mut world, machine) = (World::new(), Machine::default());
    let run = async |world: &mut World, project: &Project| {
        world.cache = machine.cache(world);
        let run = world.deploy(project).await;
        assert_eq!(run.exit(), ExitCode::Ok, "{}", run.explain());
        world.cache.publish(true).await;
        run
    };
    world.things.set("gone", json!({"value": "x", "labels": {}})).await;
    let first = run(&mut world, &every_sort("x", "ho", true)).await;
    let expected = [
        ("shout/hey", NodeEnd::Ran),
        ("thing/gone", NodeEnd::Deleted),
        ("thing/kept", NodeEnd::Created),
        ("thing/left", NodeEnd::Created),
        ("thing/trusted", NodeEnd::Created),
    ];
    assert_eq!(ends(&first), expected);

    // What was made is trusted from then on, and nothing else is.
    let second = run(&mut world, &every_sort("y", "ho", false)).await;
    let expected = [
        ("shout/hey", NodeEnd::Unchanged),
        ("thing/gone", NodeEnd::Unchanged),
        ("thing/kept", NodeEnd::Updated),
        ("thing/left", NodeEnd::Deleted),
        ("thing/trusted", NodeEnd::Cached),
    ];
    assert_eq!(ends(&second), expected);
    let tally = Tally::of(&second.result.as_ref().unwrap_or_else(|_| panic!()).nodes);
    assert_eq!((tally.cached, tally.unchanged, tally.ran), (1, 2, 0));

    // Also where nothing at all is to be done, and where it has to run again.
    let third = run(&mut world, &every_sort("y", "ho", false)).await;
    assert_eq!(ends(&third)[3], ("thing/trusted", NodeEnd::Cached));
    let fourth = run(&mut world, &every_sort("y", "hu", false)).await;
    assert_eq!(ends(&fourth)[0], ("shout/hey", NodeEnd::Ran));
}

/// What was to be updated and is gone when its turn comes is made anew, and ends as created.
#[tokio::test(start_paused = true)]
async fn a_task_ends_with_what_it_really_did() {
    let world = World::new();
    let task = |value: &str| {
        let tasks = format!(
            "  - {{name: one, kind: thing, requires: [base], args: {{name: a, value: {value}, takes: 60}}}}\n"
        );
        project(&tasks, "  - {name: base, template_path: t.yml, variables: {Note: x}}\n")
    };
    assert_eq!(world.deploy(&task("x")).await.exit(), ExitCode::Ok);
    let things = world.things.clone();
    let gate = crate::support::Meanwhile::new(move || {
        let things = things.clone();
        async move { things.remove("a").await }
    });
    let changed = task("y");
    let changed = Project { stacks: changed.stacks.replace("Note: x", "Note: y"), ..changed };
    let run = world.run_gated(&changed, Purpose::Deploy, (&gate, &Interrupt::default()), |_| ()).await;
    assert_eq!(run.exit(), ExitCode::Ok, "{}", run.explain());
    assert_eq!(ends(&run)[1], ("thing/one", NodeEnd::Created));
}

/// The most steps that were under way at once.
fn most_at_once(run: &Run) -> usize {
    let (mut now, mut most) = (0_usize, 0);
    for event in &run.events {
        match event {
            Event::StepStarted { .. } => now += 1,
            Event::StepFinished { .. } => now -= 1,
            _ => {}
        }
        most = most.max(now);
    }
    most
}

#[tokio::test(start_paused = true)]
async fn a_service_of_one_account_and_region_has_ten_tasks_at_once() {
    for (places, most) in [("", 10), ("accounts: [\"111122223333\", \"444455556666\"], ", 20)] {
        let world = World::new();
        let many: String = (0..24)
            .map(|index| {
                format!(
                    "  - {{name: t{index}, kind: thing, {places}on_remove: delete, args: {{name: t{index}, takes: 60}}}}\n"
                )
            })
            .collect();
        let wide = async |project: &Project| {
            let interrupt = Interrupt::default();
            let run = world
                .run_with(project, Purpose::Deploy, &interrupt, |options| {
                    (options.concurrency, options.allow_empty) = (64, true);
                })
                .await;
            assert_eq!(run.exit(), ExitCode::Ok, "{}", run.explain());
            most_at_once(&run)
        };
        assert_eq!(wide(&project(&many, "")).await, most);
        // Those that go are work for the same service.
        assert_eq!(wide(&project("", "")).await, most);
    }
}

#[tokio::test(start_paused = true)]
async fn status_and_graph_list_tasks() {
    let world = World::new();
    let first = project(
        concat!(
            "  - {name: kept, kind: thing, requires: [base], args: {name: kept, value: x}}\n",
            "  - {name: left, kind: thing, on_remove: delete, region: eu-west-1, args: {name: left, value: x}}\n",
        ),
        "  - {name: base, template_path: t.yml, variables: {Note: x}}\n",
    );
    assert_eq!(world.deploy(&first).await.exit(), ExitCode::Ok);
    let next = project(
        concat!(
            "  - {name: kept, kind: thing, requires: [base], args: {name: kept, value: x}}\n",
            "  - {name: new, kind: thing, args: {name: new, value: x}}\n",
        ),
        "  - {name: base, template_path: t.yml, variables: {Note: x}}\n",
    );
    let engine = world.engine(next.files.clone(), |_| ());
    let status = engine.status(&next.config()).await.unwrap_or_else(|error| panic!("{error:?}"));
    insta::assert_snapshot!("status_text", tables::status_text(&status));
    insta::assert_snapshot!("status_json", tables::status_json(&status));
    let view = engine.graph(&next.config()).await.unwrap_or_else(|error| panic!("{error:?}"));
    insta::assert_snapshot!("graph_text", graph::text(&view));
    insta::assert_snapshot!("graph_json", graph::json(&view));
    // Without stacks there is one table, and without anything a sentence.
    let tasks = Status { stacks: Vec::new(), ..status };
    assert!(tables::status_text(&tasks).starts_with("TASK"));
    assert_eq!(tables::status_text(&Status::default()), "no stacks in config or persistent graph\n");
}
