//! What tasks keep under other names: of the task, of what it keeps, and of its parts.

use super::*;

fn task(name: &str, args: &str) -> String {
    format!("  - {{name: {name}, kind: thing, on_remove: delete, args: {{{args}}}}}\n")
}

fn only(name: &str, args: &str) -> Project {
    project(&task(name, args), "")
}

#[tokio::test(start_paused = true)]
async fn an_absence_that_is_done_leaves_nothing_behind() {
    let world = World::new();
    done(&world, &only("one", "name: a, state: absent")).await;
    // The task gets another name.
    done(&world, &only("two", "name: a, state: absent")).await;
    assert_eq!(recorded(&world).await.as_object().unwrap().keys().collect::<Vec<_>>(), ["thing/two"]);
    // And then it is about something else.
    world.things.set("a", json!({"value": "somebody's", "labels": {}})).await;
    let planned = world.plan(&only("two", "name: b, state: absent")).await;
    assert!(planned.plan.steps[0].notes.is_empty(), "{:?}", planned.plan.steps[0].notes);
    done(&world, &only("two", "name: b, state: absent")).await;
    assert_eq!(world.things.get("a").await, kept("somebody's"));
    // An absence that was not brought about is still the task's.
    world.things.set("b", json!({"value": "x", "labels": {}})).await;
    world.things.broken.store(true, std::sync::atomic::Ordering::Relaxed);
    assert_eq!(world.deploy(&only("two", "name: b, state: absent")).await.exit(), ExitCode::StepsFailed);
    world.things.broken.store(false, std::sync::atomic::Ordering::Relaxed);
    let refused = world.no_plan(&only("two", "name: c, state: absent")).await;
    assert_eq!(refused.exit, ExitCode::Refused, "{:?}", refused.findings);
}

#[tokio::test(start_paused = true)]
async fn one_thing_under_a_name_and_an_id_is_kept_by_one_task() {
    let world = World::new();
    world.things.set("a", json!({"value": "x", "labels": {}})).await;
    let both = |second: &str| project(&(task("one", "name: a, value: x") + &task("two", second)), "");
    let error = world.no_plan(&both("name: id-a, value: y")).await;
    let told = format!("{:?}", error.findings);
    assert!(
        told.contains("same_subject") && told.contains("thing/one") && told.contains("thing/two"),
        "{told}"
    );
    assert!(world.things.take_changes().is_empty());
    // Nor is it to be there and not to be there.
    let error = world.no_plan(&both("name: id-a, state: absent")).await;
    assert!(format!("{:?}", error.findings).contains("same_subject"), "{:?}", error.findings);
    // Different parts are different.
    let parts = |first: &str, second: &str| {
        let task = |name: &str, called: &str, parts: &str| {
            task(name, &format!("name: {called}, value: x, parts: {parts}"))
        };
        project(&(task("one", "a", first) + &task("two", "id-a", second)), "")
    };
    let error = world.no_plan(&parts("[l, m]", "[m]")).await;
    assert!(format!("{:?}", error.findings).contains("same_subject"), "{:?}", error.findings);
    world.plan(&parts("[l]", "[m]")).await;
}

#[tokio::test(start_paused = true)]
async fn what_leaves_the_config_is_not_deleted_if_another_task_has_it_by_its_id() {
    let world = World::new();
    done(&world, &only("one", "name: a, value: x")).await;
    let by_id = only("two", "name: id-a, value: x");
    let planned = world.plan(&by_id).await;
    assert_eq!(actions(&planned.plan), [("thing/one", Action::Skip), ("thing/two", Action::None)]);
    done(&world, &by_id).await;
    assert_eq!(world.things.get("a").await, kept("x"));
}

#[tokio::test(start_paused = true)]
async fn parts_that_are_left_are_told_also_after_another_name() {
    let world = World::new();
    let parts = |name: &str, parts: &str| task(name, &format!("name: a, value: x, parts: {parts}"));
    done(&world, &project(&parts("one", "[l, m, n]"), "")).await;
    let planned = world.plan(&project(&parts("two", "[l]"), "")).await;
    let step = planned.plan.steps.iter().find(|step| step.name.as_str() == "thing/two").unwrap();
    let note = step.notes.first().unwrap_or_else(|| panic!("{step:?}"));
    assert_eq!((note.code, note.warning), ("plan::left_behind", true));
    assert!(note.text.contains("`m`") && note.text.contains("`n`"), "{}", note.text);
    // What a third one names now is left by nobody.
    let split = project(&(parts("two", "[l]") + &parts("three", "[m, n]")), "");
    let planned = world.plan(&split).await;
    let notes: Vec<_> = planned.plan.steps.iter().flat_map(|step| &step.notes).collect();
    assert!(notes.is_empty(), "{notes:?}");
    // What another task kept is not this one's, though it is of the same thing.
    done(&world, &split).await;
    let planned = world.plan(&project(&parts("two", "[l]"), "")).await;
    assert_eq!(actions(&planned.plan)[0], ("thing/three", Action::Delete));
    let notes: Vec<_> = planned.plan.steps.iter().flat_map(|step| &step.notes).collect();
    assert!(notes.is_empty(), "{notes:?}");
}

#[tokio::test(start_paused = true)]
async fn without_a_graph_a_destroy_says_what_it_does_not_know() {
    let world = World::new();
    let stack = "  - {name: base, template_path: t.yml, variables: {Note: a}}\n";
    let project = |args: &str| project(&task("one", args), stack).without_graph();
    done(&world, &project("name: \"${output base.Note}\", value: x")).await;
    // The stack went, and the task's value with it.
    let only_stack = Selection { stacks: ["base".to_owned()].into(), ..Selection::default() };
    let interrupt = Interrupt::default();
    let gone = world
        .run_with(&project("name: a"), Purpose::Destroy, &interrupt, |options| {
            options.selection = Some(only_stack);
        })
        .await;
    assert_eq!(gone.exit(), ExitCode::Ok, "{}", gone.explain());
    let lost = project("name: \"${output base.Note}\", value: x");
    let planned = world.plan_for(&lost, Purpose::Destroy).await;
    let step = planned.plan.steps.iter().find(|step| step.name.as_str() == "thing/one").unwrap();
    assert_eq!((step.action, step.reasons.as_slice()), (Action::Skip, &[Reason::SubjectUnknown][..]));
    assert!(
        step.notes[0].text.contains("`base`") || step.notes[0].text.contains("ns-base"),
        "{:?}",
        step.notes
    );
    destroyed(&world, &lost).await;
    assert_eq!(world.things.get("a").await, kept("x"));
    // Where it is known what it keeps, other arguments do not matter.
    destroyed(&world, &project("name: a, value: \"${output base.Note}\"")).await;
    assert_eq!(world.things.get("a").await, None);
}

#[tokio::test(start_paused = true)]
async fn a_record_that_a_dead_session_may_still_need_is_not_said_to_be_dropped() {
    let world = World::new();
    let one = only("one", "name: a, value: x");
    done(&world, &one).await;
    world.things.remove("a").await;
    let mut state: Value = serde_json::from_str(&world.state_text().await.unwrap()).unwrap();
    // Without a date nobody knows when that session can act no more.
    state["intents"] = json!({"runway-rs.00000000-0000-4000-8000-00000000dead": {"at": "", "tasks": {"thing/one": "create"}}});
    let key = crate::support::graph_key().with_suffix(".state");
    world.store().put(&key, state.to_string().into(), &runway_store::Put::default()).await.unwrap();
    let planned = world.plan_for(&one, Purpose::Destroy).await;
    let step = &planned.plan.steps[0];
    assert_eq!(step.reasons, [Reason::Gone]);
    assert!(step.notes.iter().any(|note| note.code == "plan::still_intended"), "{:?}", step.notes);
    destroyed(&world, &one).await;
    assert!(recorded(&world).await.get("thing/one").is_some(), "as was said");
}

#[tokio::test(start_paused = true)]
async fn two_tasks_do_not_keep_the_same_though_only_their_turn_shows_it() {
    let world = World::new();
    let late = |first: &str, second: &str| {
        project(
            &(task("one", &format!("name: {first}, value: x"))
                + &task("two", &format!("name: {second}, value: y"))),
            "  - {name: base, template_path: t.yml, variables: {Note: a}}\n",
        )
    };
    // One is known beforehand, and there already; the other one is not.
    done(&world, &project(&task("one", "name: a, value: x"), "")).await;
    world.things.take_changes();
    let run = world.deploy(&late("a", "\"${output base.Note}\"")).await;
    assert_eq!(run.exit(), ExitCode::StepsFailed, "{}", run.explain());
    assert!(run.explain().contains("keeps the same as the task `thing/one`: `a`"), "{}", run.explain());
    assert!(world.things.take_changes().is_empty());
    assert_eq!(world.things.get("a").await, kept("x"));
    // Nor if both are known at their turn only: none of them has it.
    let world = World::new();
    let both = "\"${output base.Note}\"";
    let run = world.deploy(&late(both, both)).await;
    assert_eq!(run.exit(), ExitCode::StepsFailed, "{}", run.explain());
    assert_eq!(world.things.get("a").await, None);
    // Different parts are different.
    let parts = |part: &str| format!("\"${{output base.Note}}\", parts: [{part}]");
    let world = World::new();
    done(&world, &late(&parts("l"), &parts("m").replace("value: y", "value: x"))).await;
}

#[tokio::test(start_paused = true)]
async fn what_would_be_left_behind_is_told_with_its_place_and_who_has_it_now() {
    let world = World::new();
    done(&world, &only("one", "name: a, value: x")).await;
    let elsewhere = task("one", "name: a, value: x").replace("kind: thing", "kind: thing, region: eu-west-9");
    let error = world.no_plan(&project(&elsewhere, "")).await;
    assert_eq!(
        error.findings.first().unwrap().to_string(),
        "task `thing/one` kept `a` in account 123456789012, region us-east-1, and is to keep `a` in account 123456789012, region eu-west-9 now"
    );
    assert!(help(&error).contains("would be left behind without a record"), "{}", help(&error));

    // Two tasks exchange their names.
    let two = |first: &str, second: &str| {
        project(&(task(first, "name: a, value: x") + &task(second, "name: b, value: x")), "")
    };
    done(&world, &two("one", "two")).await;
    let error = world.no_plan(&two("two", "one")).await;
    assert_eq!(
        error.findings.first().unwrap().to_string(),
        "task `thing/two` kept `b`, and is to keep `a` now"
    );
    assert!(help(&error).starts_with("the task `thing/one` is to keep `b` now"), "{}", help(&error));
    // What is advised works: each of them takes over what is its own.
    world.things.take_changes();
    done(&world, &two("new-two", "new-one")).await;
    let names = recorded(&world).await;
    assert_eq!(names["thing/new-two"]["arguments"]["name"], "a");
    assert_eq!(names["thing/new-two"]["on_remove"], "delete");
    assert_eq!((names.as_object().unwrap().len(), world.things.take_changes().len()), (2, 0));
}
