//! Tasks beside stacks: what they do, where they are recorded, and what becomes of them.

mod built_in;
mod given;
mod kept;
mod named;
mod needed;
mod owners;
mod secret;

use std::time::Duration;

use runway_core::engine::{EngineError, Interrupt};
use runway_core::event::{Event, Outcome};
use runway_core::exit::ExitCode;
use runway_core::plan::{Action, Certainty, Plan, Purpose, Reason, Selection};
use serde_json::{Value, json};

use crate::cached::Machine;
use crate::support::{Project, Run, World, template};

/// A project with tasks (YAML list items, indented by two) and stacks.
pub(crate) fn project(tasks: &str, stacks: &str) -> Project {
    let tasks = if tasks.is_empty() { "tasks: []\n".to_owned() } else { format!("tasks:\n{tasks}") };
    Project::new(stacks).with(&tasks).file("t.yml", &template(&[]))
}

fn kept(value: &str) -> Option<Value> {
    Some(json!({"value": value, "labels": {}}))
}

fn actions(plan: &Plan) -> Vec<(&str, Action)> {
    plan.steps.iter().map(|step| (step.name.as_str(), step.action)).collect()
}

/// What the first finding tells to do.
fn help(error: &EngineError) -> String {
    error.findings.first().unwrap().problem.help().unwrap().to_string()
}

async fn done(world: &World, project: &Project) -> Run {
    let run = world.deploy(project).await;
    assert_eq!(run.exit(), ExitCode::Ok, "{}", run.explain());
    run
}

async fn destroyed(world: &World, project: &Project) -> Run {
    let run = world.run(project, Purpose::Destroy).await;
    assert_eq!(run.exit(), ExitCode::Ok, "{}", run.explain());
    run
}

/// What is recorded of tasks.
async fn recorded(world: &World) -> Value {
    let state: Value = serde_json::from_str(&world.state_text().await.unwrap_or("{}".to_owned())).unwrap();
    state["tasks"].clone()
}

#[tokio::test(start_paused = true)]
async fn a_task_is_made_kept_and_restored() {
    let world = World::new();
    let project = project("  - {name: one, kind: thing, args: {name: a, value: first}}\n", "");
    let planned = world.plan(&project).await;
    assert_eq!(actions(&planned.plan), [("thing/one", Action::Create)]);
    assert!(world.things.take_changes().is_empty(), "a plan changes nothing");

    done(&world, &project).await;
    assert_eq!(world.things.get("a").await, kept("first"));
    assert_eq!(world.things.take_changes(), ["put a"]);
    assert_eq!(world.graph().await.len(), 0, "CFNgin would take it for a stack that left the config");
    assert_eq!(recorded(&world).await["thing/one"]["arguments"], json!({"name": "a", "value": "first"}));
    world.assert_at_rest().await;

    world.things.take_reads();
    let again = done(&world, &project).await;
    assert!(
        again.events.iter().all(|event| !matches!(event, Event::StepStarted { .. })),
        "{:?}",
        again.events
    );
    assert!(
        again.position(|event| matches!(event, Event::Locked { .. })).is_none(),
        "nothing is to be recorded"
    );
    assert_eq!((world.things.take_changes().len(), world.things.take_reads()), (0, 1));

    world.things.set("a", json!({"value": "by hand", "labels": {}})).await;
    let planned = world.plan(&project).await;
    assert_eq!(actions(&planned.plan), [("thing/one", Action::Update)]);
    done(&world, &project).await;
    assert_eq!(world.things.get("a").await, kept("first"));

    world.things.remove("a").await;
    world.things.take_changes();
    done(&world, &project).await;
    assert_eq!(world.things.take_changes(), ["put a"]);
}

#[tokio::test(start_paused = true)]
async fn what_left_the_config_is_deleted_only_where_that_was_said() {
    let world = World::new();
    let both = project(
        concat!(
            "  - {name: goes, kind: thing, on_remove: delete, args: {name: goes, value: x}}\n",
            "  - {name: stays, kind: thing, args: {name: stays, value: x}}\n",
            "  - {name: other, kind: thing, args: {name: other, value: x}}\n",
        ),
        "",
    );
    done(&world, &both).await;
    let one = project("  - {name: other, kind: thing, args: {name: other, value: x}}\n", "");
    let planned = world.plan(&one).await;
    assert_eq!(
        actions(&planned.plan),
        [("thing/goes", Action::Delete), ("thing/other", Action::None), ("thing/stays", Action::Skip)]
    );
    world.things.take_changes();
    done(&world, &one).await;
    assert_eq!(world.things.take_changes(), ["delete goes"]);
    assert_eq!((world.things.get("goes").await, world.things.get("stays").await), (None, kept("x")));
    let left = recorded(&world).await;
    assert_eq!(left.as_object().unwrap().keys().collect::<Vec<_>>(), ["thing/other"]);
    // What was retained is reported once.
    assert_eq!(world.plan(&one).await.plan.steps.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_task_under_another_name_loses_nothing() {
    let world = World::new();
    let before = project("  - {name: old, kind: thing, on_remove: delete, args: {name: a, value: x}}\n", "");
    done(&world, &before).await;
    let after = project("  - {name: new, kind: thing, on_remove: delete, args: {name: a, value: x}}\n", "");
    world.things.take_changes();
    done(&world, &after).await;
    assert!(world.things.take_changes().is_empty());
    assert_eq!(recorded(&world).await.as_object().unwrap().keys().collect::<Vec<_>>(), ["thing/new"]);
    // Nor while the new name is disabled.
    let off = project(
        "  - {name: newer, kind: thing, enabled: false, on_remove: delete, args: {name: a, value: x}}\n",
        "",
    );
    done(&world, &off).await;
    assert_eq!(world.things.get("a").await, kept("x"));
}

#[tokio::test(start_paused = true)]
async fn an_empty_config_deletes_no_task_by_mistake() {
    let world = World::new();
    let one = project("  - {name: one, kind: thing, on_remove: delete, args: {name: a, value: x}}\n", "");
    done(&world, &one).await;
    let empty = project("", "");
    let refused = world.no_plan(&empty).await;
    assert_eq!(refused.exit, ExitCode::Refused, "{:?}", refused.findings);
    assert!(format!("{:?}", refused.findings).contains("no stacks and no tasks"), "{:?}", refused.findings);
    let run = world
        .run_with(&empty, Purpose::Deploy, &Interrupt::default(), |options| options.allow_empty = true)
        .await;
    assert_eq!(run.exit(), ExitCode::Ok, "{}", run.explain());
    assert_eq!(world.things.get("a").await, None);
    assert_eq!(recorded(&world).await, Value::Null);
}

#[tokio::test(start_paused = true)]
async fn a_config_with_nothing_but_a_task_has_no_stacks() {
    let world = World::new();
    let task = "  - {name: one, kind: thing, args: {name: a, value: x}}\n";
    done(&world, &project(task, "  - {name: app, template_path: t.yml, variables: {Note: x}}\n")).await;
    let told = format!("{}", world.no_plan(&project(task, "")).await.findings.first().unwrap());
    assert_eq!(told, "the config has no stacks, and 1 is recorded: a deploy would delete it");
}

#[tokio::test(start_paused = true)]
async fn a_task_of_another_place_is_called_a_task() {
    let world = World::new();
    let project = project("  - {name: one, kind: thing, args: {name: a, value: x}}\n", "");
    done(&world, &project).await;
    let state = world.state_text().await.unwrap();
    let mut elsewhere: Value = serde_json::from_str(&state).unwrap();
    elsewhere["tasks"]["thing/one"]["region"] = json!("eu-west-9");
    let key = crate::support::graph_key().with_suffix(".state");
    world.store().put(&key, elsewhere.to_string().into(), &runway_store::Put::default()).await.unwrap();
    let told = help(&world.no_plan(&project).await);
    assert!(told.starts_with("task `thing/one` is recorded there"), "{told}");
}

#[tokio::test(start_paused = true)]
async fn absent_is_a_state_and_disabled_is_left_alone() {
    let world = World::new();
    world.things.set("a", json!({"value": "x", "labels": {}})).await;
    world.things.set("b", json!({"value": "x", "labels": {}})).await;
    let project = project(
        concat!(
            "  - {name: gone, kind: thing, args: {name: a, state: absent}}\n",
            "  - {name: idle, kind: thing, enabled: false, args: {name: b, state: absent}}\n",
        ),
        "",
    );
    let planned = world.plan(&project).await;
    assert_eq!(actions(&planned.plan), [("thing/gone", Action::Delete), ("thing/idle", Action::Skip)]);
    done(&world, &project).await;
    assert_eq!((world.things.get("a").await, world.things.get("b").await), (None, kept("x")));
    assert_eq!(world.plan(&project).await.plan.summary().none, 1);

    // What somebody makes later is not the task's.
    let said =
        Project { head: project.head.replace("kind: thing", "kind: thing, on_remove: delete"), ..project };
    done(&world, &said).await;
    world.things.set("a", json!({"value": "y", "labels": {}})).await;
    let other = self::project("  - {name: other, kind: thing, args: {name: other}}\n", "");
    done(&world, &other).await;
    assert_eq!(world.things.get("a").await, kept("y"));
    assert_eq!(recorded(&world).await.as_object().unwrap().len(), 1);
}

/// Three nodes: a stack, a task that needs it, and a stack that needs the task.
fn between() -> Project {
    project(
        "  - {name: link, kind: thing, on_remove: delete, args: {name: link, value: \"${output base.Note}\"}}\n",
        concat!(
            "  - {name: base, template_path: t.yml, variables: {Note: one}}\n",
            "  - {name: app, template_path: t.yml, variables: {Note: \"${task thing/link.value}\"}}\n",
        ),
    )
}

#[tokio::test(start_paused = true)]
async fn a_task_between_stacks_gets_and_gives_outputs() {
    let world = World::new();
    let planned = world.plan(&between()).await;
    let step = |name: &str| planned.plan.steps.iter().find(|step| step.name.as_str() == name).unwrap();
    assert_eq!((step("thing/link").action, step("thing/link").certainty), (Action::Create, Certainty::May));
    let run = done(&world, &between()).await;
    let began = |wanted: &str| {
        run.position(|event| matches!(event, Event::StepStarted { name, .. } if name.as_str() == wanted))
    };
    assert!(began("base") < began("thing/link") && began("thing/link") < began("app"), "{:?}", run.events);
    assert_eq!(world.stacks().await["ns-app"].outputs["Note"], "one");
    // Where only stacks are known, the way through the task is one edge.
    let graph = world.graph().await;
    assert_eq!(graph.keys().collect::<Vec<_>>(), ["app", "base"]);
    assert_eq!(graph["app"], ["base"]);

    let mut changed = between();
    changed.stacks = changed.stacks.replace("Note: one", "Note: two");
    done(&world, &changed).await;
    assert_eq!(world.stacks().await["ns-app"].outputs["Note"], "two");
    let again = done(&world, &changed).await;
    assert!(again.events.iter().all(|event| !matches!(event, Event::Locked { .. })), "{:?}", again.events);

    world.things.take_changes();
    let run = destroyed(&world, &changed).await;
    let ended = |wanted: &str| {
        run.position(|event| matches!(event, Event::StepFinished { name, .. } if name.as_str() == wanted))
    };
    assert!(ended("app") < ended("thing/link") && ended("thing/link") < ended("base"), "{:?}", run.events);
    assert_eq!(world.things.take_changes(), ["delete link"]);
    assert_eq!((world.stacks().await.len(), recorded(&world).await), (0, Value::Null));
}

#[tokio::test(start_paused = true)]
async fn stacks_and_tasks_that_left_the_config_go_in_order() {
    let world = World::new();
    done(&world, &between()).await;
    let rest = project("", "  - {name: other, template_path: t.yml, variables: {Note: x}}\n");
    let run = done(&world, &rest).await;
    let ended = |wanted: &str| {
        run.position(|event| matches!(event, Event::StepFinished { name, .. } if name.as_str() == wanted))
    };
    assert!(ended("app") < ended("thing/link") && ended("thing/link") < ended("base"), "{:?}", run.events);
    assert!(ended("app").is_some());
}

#[tokio::test(start_paused = true)]
async fn a_failed_task_blocks_what_needs_it_and_nothing_else() {
    let world = World::new();
    let project = project(
        concat!(
            "  - {name: bad, kind: thing, args: {name: bad, value: refused}}\n",
            "  - {name: behind, kind: thing, requires: [bad], args: {name: behind}}\n",
            "  - {name: beside, kind: thing, args: {name: beside}}\n",
        ),
        "  - {name: app, template_path: t.yml, requires: [thing/bad], variables: {Note: x}}\n",
    );
    let run = world.deploy(&project).await;
    assert_eq!(run.exit(), ExitCode::StepsFailed, "{}", run.explain());
    let blocked = |wanted: &str| {
        run.position(|event| matches!(event, Event::StepBlocked { name, .. } if name.as_str() == wanted))
    };
    assert!(
        blocked("app").is_some() && blocked("thing/behind").is_some() && blocked("thing/beside").is_none()
    );
    assert!(world.things.get("beside").await.is_some());
    world.assert_at_rest().await;
}

#[tokio::test(start_paused = true)]
async fn what_only_has_effects_has_them_when_it_should() {
    let world = World::new();
    let shouting = |word: &str, when: &str, note: &str| {
        project(
            &format!(
                "  - {{name: hey, kind: shout, when: {when}, requires: [base], args: {{word: {word}}}}}\n"
            ),
            &format!("  - {{name: base, template_path: t.yml, variables: {{Note: {note}}}}}\n"),
        )
    };
    done(&world, &shouting("ho", "changed", "one")).await;
    assert_eq!(world.things.take_changes(), ["shout ho"]);
    done(&world, &shouting("ho", "changed", "one")).await;
    assert!(world.things.take_changes().is_empty(), "nothing has changed");
    done(&world, &shouting("hu", "changed", "one")).await;
    assert_eq!(world.things.take_changes(), ["shout hu"], "its arguments have");
    done(&world, &shouting("hu", "changed", "two")).await;
    assert_eq!(world.things.take_changes(), ["shout hu"], "what it needs has");
    let always = shouting("hu", "always", "two");
    assert_eq!(world.plan(&always).await.plan.summary().run, 1);
    done(&world, &always).await;
    assert_eq!(world.things.take_changes(), ["shout hu"]);
    // What it answered is known as long as it does not run again.
    let reading = project(
        "  - {name: hey, kind: shout, args: {word: hu}}\n",
        concat!(
            "  - {name: base, template_path: t.yml, variables: {Note: two}}\n",
            "  - {name: app, template_path: t.yml, variables: {Note: \"${task hey.answer}\"}}\n",
        ),
    );
    done(&world, &reading).await;
    assert!(world.things.take_changes().is_empty());
    assert_eq!(world.stacks().await["ns-app"].outputs["Note"], "hu!");
}

#[tokio::test(start_paused = true)]
async fn a_matrix_works_in_every_place() {
    let world = World::new();
    let project = project(
        concat!(
            "  - name: every\n    kind: thing\n    regions: [eu-west-1]\n",
            "    accounts: [\"111122223333\", \"444455556666\"]\n",
            "    args: {name: x, value: \"${place account} ${place region}\"}\n",
            "  - name: after\n    kind: thing\n    regions: [eu-west-1]\n    accounts: [\"444455556666\"]\n",
            "    requires: [{name: every, affinity: account-and-region}]\n",
            "    args: {name: y, value: \"${task every.name}\"}\n",
        ),
        "",
    );
    let planned = world.plan(&project).await;
    let after = planned.plan.steps.iter().find(|step| step.name.as_str().starts_with("thing/after")).unwrap();
    let needs: Vec<&str> = after.needs.iter().map(|need| need.as_str()).collect();
    assert_eq!(needs, ["thing/every@444455556666/eu-west-1"]);
    done(&world, &project).await;
    assert_eq!(world.things.get("111122223333/eu-west-1/x").await, kept("111122223333 eu-west-1"));
    assert_eq!(world.things.get("444455556666/eu-west-1/x").await, kept("444455556666 eu-west-1"));
    assert_eq!(world.things.get("444455556666/eu-west-1/y").await, kept("x"));
}

#[tokio::test(start_paused = true)]
async fn secrets_reach_the_service_and_no_record() {
    let world = World::new();
    world.fakes.set("/password", json!({"secret": "correct-horse"}));
    let project = project(
        concat!(
            "  - {name: one, kind: thing, on_remove: delete, args: {name: a, value: \"${ssm /password}\"}}\n",
            "  - {name: two, kind: thing, args: {name: b, value: \"${task one.value}\"}}\n",
        ),
        "",
    );
    let planned = world.plan(&project).await;
    assert!(!format!("{:?}", planned.plan).contains("correct-horse"), "{:#?}", planned.plan);
    let run = done(&world, &project).await;
    assert_eq!(
        (world.things.get("a").await, world.things.get("b").await),
        (kept("correct-horse"), kept("correct-horse"))
    );
    assert!(!format!("{:?}", run.events).contains("correct-horse"));
    let state = world.state_text().await.unwrap();
    assert!(!state.contains("correct-horse"), "{state}");
    // What is recorded is enough to delete it.
    let rest = project_of_other();
    done(&world, &rest).await;
    assert_eq!(world.things.get("a").await, None);
}

fn project_of_other() -> Project {
    project("  - {name: other, kind: thing, args: {name: other}}\n", "")
}

#[tokio::test(start_paused = true)]
async fn what_changed_since_the_plan_is_not_overrun() {
    let world = World::new();
    done(&world, &project("  - {name: one, kind: thing, args: {name: a, value: x}}\n", "")).await;
    let next = project("  - {name: one, kind: thing, args: {name: a, value: y}}\n", "");
    // Between plan and turn somebody labels it by hand.
    let things = world.things.clone();
    let gate = crate::support::Meanwhile::new(move || {
        let things = things.clone();
        async move { things.set("a", json!({"value": "x", "labels": {"by": "hand"}})).await }
    });
    let run = world.run_gated(&next, Purpose::Deploy, (&gate, &Interrupt::default()), |_| ()).await;
    assert_eq!(run.exit(), ExitCode::StepsFailed, "{}", run.explain());
    assert!(
        run.explain().contains("since the plan was made this has changed, too: labels"),
        "{}",
        run.explain()
    );
    assert_eq!(world.things.get("a").await, Some(json!({"value": "x", "labels": {"by": "hand"}})));
}

#[tokio::test(start_paused = true)]
async fn without_a_persistent_graph_tasks_run_and_are_not_recorded() {
    let world = World::new();
    let project = project("  - {name: one, kind: thing, on_remove: delete, args: {name: a, value: x}}\n", "");
    let project = project.without_graph();
    done(&world, &project).await;
    assert_eq!((world.things.get("a").await, world.state_text().await), (kept("x"), None));
    let notes: Vec<String> =
        world.plan(&project).await.plan.notes.into_iter().map(|note| note.text).collect();
    assert_eq!(notes.iter().filter(|text| text.contains("tasks")).count(), 1, "{notes:?}");
    destroyed(&world, &project).await;
    assert_eq!(world.things.get("a").await, None);
}

#[tokio::test(start_paused = true)]
async fn a_selection_takes_tasks_too() {
    let world = World::new();
    let project = project(
        concat!(
            "  - {name: one, kind: thing, args: {name: a}}\n",
            "  - {name: two, kind: thing, requires: [one], args: {name: b}}\n",
            "  - {name: three, kind: thing, args: {name: c}}\n",
        ),
        "",
    );
    let select = |stack: &str, with_dependencies| Selection {
        stacks: [stack.to_owned()].into(),
        with_dependencies,
        ..Selection::default()
    };
    let run = |selection: Selection| {
        world.run_with(&project, Purpose::Deploy, Box::leak(Box::default()), |options| {
            options.selection = Some(selection);
        })
    };
    assert_eq!(run(select("thing/two", false)).await.exit(), ExitCode::Config, "what it needs is not there");
    let chosen = run(select("two", true)).await;
    assert_eq!(chosen.exit(), ExitCode::Ok, "{}", chosen.explain());
    assert_eq!(world.things.take_changes(), ["put a", "put b"]);
}

#[tokio::test(start_paused = true)]
async fn a_long_task_lets_others_work_and_an_interrupt_lets_it_end() {
    let world = World::new();
    let project = project(
        "  - {name: slow, kind: thing, args: {name: slow, takes: 600}}\n",
        "  - {name: base, template_path: t.yml, variables: {Note: one}}\n",
    );
    let interrupt = Interrupt::default();
    let stop = interrupt.stop.clone();
    let later = async move {
        tokio::time::sleep(Duration::from_secs(300)).await;
        stop.cancel();
    };
    let (run, ()) = tokio::join!(world.run_with(&project, Purpose::Deploy, &interrupt, |_| ()), later);
    assert_eq!(run.exit(), ExitCode::Interrupted, "{}", run.explain());
    let finished = |wanted: &str| {
        run.events.iter().any(|event| {
            matches!(event, Event::StepFinished { name, outcome: Outcome::Done, .. } if name.as_str() == wanted)
        })
    };
    assert!(finished("base") && finished("thing/slow"), "{:?}", run.events);
    assert!(world.things.get("slow").await.is_some());
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_read_stops_the_plan_unless_it_may_come() {
    let world = World::new();
    let alone = project("  - {name: one, kind: thing, args: {name: denied-a}}\n", "");
    let error = world.no_plan(&alone).await;
    assert!(format!("{:?}", error.findings).contains("no permission"), "{:?}", error.findings);
    let behind = project(
        "  - {name: one, kind: thing, requires: [base], args: {name: denied-a}}\n",
        "  - {name: base, template_path: t.yml, variables: {Note: one}}\n",
    );
    let planned = world.plan(&behind).await;
    assert_eq!(planned.plan.steps[1].certainty, Certainty::May);
}
