//! Who has what a task keeps: the config, the graph, another task, or somebody who had it before.

use std::sync::atomic::Ordering;

use super::*;

/// A project with one task and perhaps the stack `app`, whose name in CloudFormation is `ns-app`.
fn one(task: &str, with_app: bool) -> Project {
    let other = "  - {name: other, template_path: t.yml, variables: {Note: one}}\n";
    let stacks = if with_app { other.to_owned() + APP } else { other.to_owned() };
    project(&format!("  - {{{task}}}\n"), &stacks)
}

const APP: &str = "  - {name: app, template_path: t.yml, variables: {Note: one}}\n";

async fn refused(world: &World, project: &Project, code: &str) {
    let error = world.no_plan(project).await;
    assert_eq!(error.exit, ExitCode::Refused, "{:?}", error.findings);
    let told = format!("{:?}", error.findings);
    assert!(told.contains(code), "{told}");
}

#[tokio::test(start_paused = true)]
async fn a_stack_has_one_owner() {
    let world = World::new();
    let shell = |on_remove: &str, args: &str| {
        format!("name: one, kind: shell, on_remove: {on_remove}, args: {{name: ns-app, {args}}}")
    };
    // It is the config's, also where it is to be absent.
    refused(&world, &one(&shell("retain", "value: x"), true), "tasks::stack_of_others").await;
    refused(&world, &one(&shell("retain", "state: absent"), true), "tasks::stack_of_others").await;
    // It is in the graph.
    done(&world, &project("", APP)).await;
    refused(&world, &one(&shell("retain", "value: x"), false), "tasks::stack_of_others").await;

    // A task had it first, and the config's stack has it now: what leaves the config deletes nothing.
    let world = World::new();
    done(&world, &one(&shell("delete", "value: x"), false)).await;
    world.things.take_changes();
    let app = project("", APP);
    let planned = world.plan(&app).await;
    let step = planned.plan.steps.iter().find(|step| step.name.as_str() == "shell/one").unwrap();
    assert_eq!(step.action, Action::Skip);
    done(&world, &app).await;
    assert_eq!(world.things.take_changes().len(), 0);
    assert_eq!(recorded(&world).await, Value::Null, "it is the stack's now");
}

#[tokio::test(start_paused = true)]
async fn what_was_there_before_a_task_stays_after_it() {
    let world = World::new();
    let nothing = project("  - {name: other, kind: thing, args: {name: other, value: x}}\n", "");
    let mark = |more: &str| {
        let head = "  - {name: other, kind: thing, args: {name: other, value: x}}\n";
        project(&format!("{head}  - {{name: one, kind: mark, {more}args: {{name: a, value: x}}}}\n"), "")
    };
    let is_adopted = |planned: &runway_core::engine::Planned| {
        planned.plan.steps.iter().find(|step| step.name.as_str() == "mark/one").unwrap().adopted
    };
    for before in ["x", "y"] {
        world.things.set("a", json!({"value": before, "labels": {}})).await;
        assert!(is_adopted(&world.plan(&mark("")).await));
        done(&world, &mark("")).await;
        assert!(!is_adopted(&world.plan(&mark("")).await), "it is told once");
        assert_eq!(recorded(&world).await["mark/one"]["on_remove"], "retain");
        done(&world, &nothing).await;
        assert_eq!(world.things.get("a").await, kept("x"));
    }
    // The config can say otherwise.
    done(&world, &mark("on_remove: delete, ")).await;
    done(&world, &nothing).await;
    assert_eq!(world.things.get("a").await, None);
    // What the task made is its own, also after it was removed by hand and made anew.
    world.things.set("a", json!({"value": "x", "labels": {}})).await;
    done(&world, &mark("")).await;
    world.things.remove("a").await;
    done(&world, &mark("")).await;
    assert_eq!(recorded(&world).await["mark/one"]["on_remove"], "delete");
    done(&world, &nothing).await;
    assert_eq!(world.things.get("a").await, None);
}

#[tokio::test(start_paused = true)]
async fn what_is_found_only_at_its_turn_may_have_been_there_before() {
    let world = World::new();
    let late = |note: &str| {
        project(
            "  - {name: one, kind: mark, args: {name: \"${output base.Note}\", value: x}}\n",
            &format!("  - {{name: base, template_path: t.yml, variables: {{Note: {note}}}}}\n"),
        )
    };
    world.things.set("a", json!({"value": "x", "labels": {}})).await;
    done(&world, &late("a")).await;
    assert_eq!(recorded(&world).await["mark/one"]["on_remove"], "retain");
    let world = World::new();
    done(&world, &late("a")).await;
    assert_eq!(recorded(&world).await["mark/one"]["on_remove"], "delete", "it made it");
    // What it kept is not lost sight of, though only its turn shows the new name.
    let run = world.deploy(&late("b")).await;
    assert_eq!(run.exit(), ExitCode::StepsFailed, "{}", run.explain());
    assert!(run.explain().contains("left behind"), "{}", run.explain());
    assert_eq!(world.things.get("b").await, None);
    assert_eq!(recorded(&world).await["mark/one"]["arguments"]["name"], "a");
    world.assert_at_rest().await;
}

#[tokio::test(start_paused = true)]
async fn an_effect_is_due_until_it_was_had() {
    let world = World::new();
    let shouting = |note: &str, place: &str| {
        project(
            &format!("  - {{name: hey, kind: shout, {place}requires: [base], args: {{word: ho}}}}\n"),
            &format!("  - {{name: base, template_path: t.yml, variables: {{Note: {note}}}}}\n"),
        )
    };
    done(&world, &shouting("one", "")).await;
    // It failed after what it needs had changed.
    world.things.broken.store(true, Ordering::Relaxed);
    assert_eq!(world.deploy(&shouting("two", "")).await.exit(), ExitCode::StepsFailed);
    world.things.broken.store(false, Ordering::Relaxed);
    world.things.take_changes();
    assert_eq!(world.plan(&shouting("two", "")).await.plan.summary().run, 1);
    done(&world, &shouting("two", "")).await;
    assert_eq!(world.things.take_changes(), ["shout ho"]);
    // It was left out when what it needs changed.
    let only = Selection { stacks: ["base".to_owned()].into(), ..Selection::default() };
    let run = world
        .run_with(&shouting("three", ""), Purpose::Deploy, Box::leak(Box::default()), |options| {
            options.selection = Some(only);
        })
        .await;
    assert_eq!(run.exit(), ExitCode::Ok, "{}", run.explain());
    assert!(world.things.take_changes().is_empty());
    done(&world, &shouting("three", "")).await;
    assert_eq!(world.things.take_changes(), ["shout ho"]);
    // It works elsewhere now.
    done(&world, &shouting("three", "region: eu-west-1, ")).await;
    assert_eq!(world.things.take_changes(), ["shout eu-west-1/ho"]);
    done(&world, &shouting("three", "region: eu-west-1, ")).await;
    assert!(world.things.take_changes().is_empty());
}

#[tokio::test(start_paused = true)]
async fn tasks_may_keep_different_parts_of_one_subject() {
    let world = World::new();
    let task = |name: &str, parts: &str| {
        format!(
            "  - {{name: {name}, kind: thing, on_remove: delete, args: {{name: a, value: x, parts: {parts}}}}}\n"
        )
    };
    let both = |first: &str, second: &str| project(&(task("one", first) + &task("two", second)), "");
    done(&world, &both("[l, m]", "[n]")).await;
    let error = world.no_plan(&both("[l, m]", "[m, n]")).await;
    assert!(format!("{:?}", error.findings).contains("same_subject"), "{:?}", error.findings);
    let error = world.no_plan(&both("[l, m]", "[]")).await;
    assert!(format!("{:?}", error.findings).contains("same_subject"), "{:?}", error.findings);
    // A part that is not named any more stays, and that is told.
    let planned = world.plan(&both("[l]", "[n]")).await;
    let note = &planned.plan.steps[0].notes[0];
    assert_eq!((note.code, note.warning), ("plan::left_behind", true));
    assert!(note.text.contains("`m`"), "{}", note.text);
    // A part that another task has now is not deleted with the task that had it.
    let planned = world.plan(&project(&task("two", "[m, n]"), "")).await;
    let step = planned.plan.steps.iter().find(|step| step.name.as_str() == "thing/one").unwrap();
    assert_eq!(step.action, Action::Skip);
    let planned = world.plan(&project(&task("two", "[n]"), "")).await;
    let step = planned.plan.steps.iter().find(|step| step.name.as_str() == "thing/one").unwrap();
    assert_eq!(step.action, Action::Delete);
}

#[tokio::test(start_paused = true)]
async fn a_task_under_another_name_still_owns_what_it_made() {
    let world = World::new();
    let mark =
        |name: &str| project(&format!("  - {{name: {name}, kind: mark, args: {{name: a, value: x}}}}\n"), "");
    done(&world, &mark("one")).await;
    let planned = world.plan(&mark("two")).await;
    let step = planned.plan.steps.iter().find(|step| step.name.as_str() == "mark/two").unwrap();
    assert!(!step.adopted, "it is its own");
    done(&world, &mark("two")).await;
    assert_eq!(recorded(&world).await["mark/two"]["on_remove"], "delete");
    // And what was somebody else's does not become its own by another name.
    let world = World::new();
    world.things.set("a", json!({"value": "x", "labels": {}})).await;
    done(&world, &mark("one")).await;
    done(&world, &mark("two")).await;
    assert_eq!(recorded(&world).await["mark/two"]["on_remove"], "retain");
}

#[tokio::test(start_paused = true)]
async fn without_a_graph_a_destroy_deletes_only_what_it_was_told_to() {
    let world = World::new();
    let mark = |more: &str| {
        project(&format!("  - {{name: one, kind: mark, {more}args: {{name: a, value: x}}}}\n"), "")
            .without_graph()
    };
    world.things.set("a", json!({"value": "x", "labels": {}})).await;
    destroyed(&world, &mark("")).await;
    assert_eq!(world.things.get("a").await, kept("x"));
    destroyed(&world, &mark("on_remove: delete, ")).await;
    assert_eq!(world.things.get("a").await, None);
}

#[tokio::test(start_paused = true)]
async fn forgetting_is_done_also_after_a_session_that_died() {
    let world = World::new();
    let project = one("name: one, kind: thing, args: {name: a, value: x}", true);
    done(&world, &project).await;
    let intend = async |what: Value| {
        let mut state: Value = serde_json::from_str(&world.state_text().await.unwrap()).unwrap();
        state["intents"] = json!({"runway-rs.00000000-0000-4000-8000-00000000dead": what});
        let key = crate::support::graph_key().with_suffix(".state");
        world.store().put(&key, state.to_string().into(), &runway_store::Put::default()).await.unwrap();
    };
    intend(json!({
        "at": "Thu, 26 Nov 2026 08:00:00 GMT",
        "steps": {"app": {"action": "create", "fqn": "ns-app"}},
        "tasks": {"thing/one": "create"},
    }))
    .await;
    let forget = async |name: &str| {
        let engine = world.engine(project.files.clone(), |_| ());
        engine.forget(&project.config(), &name.into(), &mut |_: &Event| ()).await
    };
    // Both are there: what the session was about to do is done.
    forget("app").await.unwrap();
    forget("thing/one").await.unwrap();
    assert_eq!(world.graph().await.keys().collect::<Vec<_>>(), ["other"]);
    assert_eq!(recorded(&world).await, Value::Null);
    assert!(world.stacks().await.contains_key("ns-app"));
    assert_eq!(world.things.get("a").await, kept("x"));
    world.assert_at_rest().await;
}

#[tokio::test(start_paused = true)]
async fn what_was_planned_and_never_begun_is_nobodys() {
    let world = World::new();
    let late = |what: &str| {
        project(
            &format!(
                "  - {{name: first, kind: shout, when: always, args: {{word: {what}}}}}\n  - {{name: one, kind: mark, requires: [first], args: {{name: a, value: x}}}}\n"
            ),
            "",
        )
    };
    assert_eq!(world.deploy(&late("denied")).await.exit(), ExitCode::StepsFailed);
    // Somebody makes it by hand.
    world.things.set("a", json!({"value": "x", "labels": {}})).await;
    done(&world, &late("ho")).await;
    let other = project("  - {name: other, kind: thing, args: {name: other, value: x}}\n", "");
    done(&world, &other).await;
    assert_eq!(world.things.get("a").await, kept("x"));
}

#[tokio::test(start_paused = true)]
async fn an_absence_that_was_not_brought_about_is_not_taken_for_done() {
    let world = World::new();
    let mark = |first: &str, more: &str| {
        project(
            &format!(
                "  - {{name: first, kind: shout, when: always, args: {{word: {first}}}}}\n  - {{name: one, kind: mark, requires: [first], args: {{name: a, value: x{more}}}}}\n"
            ),
            "",
        )
    };
    done(&world, &mark("ho", "")).await;
    assert_eq!(world.deploy(&mark("denied", ", state: absent")).await.exit(), ExitCode::StepsFailed);
    let other = project("  - {name: other, kind: thing, args: {name: other, value: x}}\n", "");
    done(&world, &other).await;
    assert_eq!(world.things.get("a").await, None, "it is the task's, and was to go");
}

#[tokio::test(start_paused = true)]
async fn a_record_goes_only_if_another_one_takes_its_place() {
    let world = World::new();
    let mark = |name: &str, more: &str| {
        project(&format!("  - {{name: {name}, kind: mark, {more}args: {{name: a, value: x}}}}\n"), "")
    };
    done(&world, &mark("one", "")).await;
    let idle = mark("two", "enabled: false, ");
    world.deploy(&idle).await;
    assert!(recorded(&world).await.get("mark/one").is_some(), "nothing else is recorded of it");
    done(&world, &mark("two", "")).await;
    assert_eq!(recorded(&world).await["mark/two"]["on_remove"], "delete");
    assert!(recorded(&world).await.get("mark/one").is_none());
    // That it is to stay holds at once, also while it is left alone.
    done(&world, &mark("two", "enabled: false, on_remove: retain, ")).await;
    let other = project("  - {name: other, kind: thing, args: {name: other, value: x}}\n", "");
    done(&world, &other).await;
    assert_eq!(world.things.get("a").await, kept("x"));
}

#[tokio::test(start_paused = true)]
async fn a_destroy_heeds_what_is_said_under_the_new_name() {
    let world = World::new();
    let mark = |name: &str, more: &str| {
        project(&format!("  - {{name: {name}, kind: mark, {more}args: {{name: a, value: x}}}}\n"), "")
    };
    done(&world, &mark("one", "")).await;
    destroyed(&world, &mark("two", "on_remove: retain, ")).await;
    assert_eq!(world.things.get("a").await, kept("x"));
    let world = World::new();
    done(&world, &mark("one", "")).await;
    destroyed(&world, &mark("two", "")).await;
    assert_eq!(world.things.get("a").await, None);
}

#[tokio::test(start_paused = true)]
async fn what_a_killed_run_may_have_made_is_nobodys_and_that_is_told() {
    let world = World::new();
    let slow = |mark: &str| {
        project(
            &format!(
                "  - {{name: one, kind: mark, {mark}args: {{name: a, value: x}}}}\n  - {{name: slow, kind: thing, requires: [one], args: {{name: slow, takes: 600}}}}\n"
            ),
            "",
        )
    };
    let killed = tokio::time::timeout(Duration::from_secs(60), world.deploy(&slow(""))).await;
    assert!(killed.is_err(), "killed while the second task is at work");
    assert_eq!(world.things.get("a").await, kept("x"));
    tokio::time::sleep(Duration::from_secs(120)).await;

    let one = async |mark: &str| {
        let planned = world.plan(&slow(mark)).await;
        let step = planned.plan.steps.iter().find(|step| step.name.as_str() == "mark/one").unwrap();
        let notes: Vec<&str> = step.notes.iter().map(|note| note.code).collect();
        (step.action, step.adopted, notes)
    };
    assert_eq!(one("").await, (Action::None, true, vec!["plan::maybe_made"]));
    assert_eq!(one("on_remove: delete, ").await, (Action::None, true, vec![]));
    let row = async || {
        let engine = world.engine(slow("").files.clone(), |_| ());
        let status = engine.status(&slow("").config()).await.unwrap();
        let row = status.tasks.iter().find(|row| row.name.as_str() == "mark/one").unwrap().clone();
        (row.settled, row.adopted, row.on_remove.as_str())
    };
    assert_eq!(row().await, (false, true, "retain"));
    done(&world, &slow("")).await;
    assert_eq!(row().await, (true, true, "retain"));
    assert_eq!(one("").await, (Action::None, false, vec![]));
    // Nobody can tell it from what somebody else made meanwhile, so it stays.
    let slow_alone = "  - {name: slow, kind: thing, args: {name: slow, takes: 600}}\n";
    done(&world, &project(slow_alone, "")).await;
    assert_eq!(world.things.get("a").await, kept("x"));
}

#[tokio::test(start_paused = true)]
async fn a_task_is_forgotten_by_its_name_alone_where_only_one_has_it() {
    let world = World::new();
    let tasks = concat!(
        "  - {name: one, kind: thing, args: {name: a, value: x}}\n",
        "  - {name: twice, kind: thing, args: {name: b, value: x}}\n",
        "  - {name: twice, kind: mark, args: {name: c, value: x}}\n",
        "  - {name: app, kind: mark, args: {name: d, value: x}}\n",
    );
    let without = project(tasks, "  - {name: other, template_path: t.yml, variables: {Note: one}}\n");
    done(&world, &without).await;
    let project = project(tasks, &format!("{}{APP}", without.stacks));
    let forget = async |name: &str| {
        let engine = world.engine(project.files.clone(), |_| ());
        let forgotten = engine.forget(&project.config(), &name.into(), &mut |_: &Event| ()).await;
        forgotten.map(|forgotten| (forgotten.name.as_str().to_owned(), forgotten.is_task))
    };
    assert_eq!(forget("one").await.unwrap(), ("thing/one".to_owned(), true));
    let several = help(&forget("twice").await.unwrap_err());
    assert!(several.starts_with("several tasks are called so"), "{several}");
    assert_eq!(forget("task:mark/twice").await.unwrap(), ("mark/twice".to_owned(), true));
    assert_eq!(forget("twice").await.unwrap(), ("thing/twice".to_owned(), true));
    // A name that is a stack's means the stack, and that is not recorded.
    forget("app").await.unwrap_err();
    assert_eq!(recorded(&world).await.as_object().unwrap().keys().collect::<Vec<_>>(), ["mark/app"]);
    assert_eq!(forget("other").await.unwrap(), ("other".to_owned(), false));
}
