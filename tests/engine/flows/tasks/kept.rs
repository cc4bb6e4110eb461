//! What tasks keep, and what is known of it.

use super::*;

#[tokio::test(start_paused = true)]
async fn two_tasks_do_not_keep_the_same() {
    let world = World::new();
    let project = project(
        concat!(
            "  - {name: one, kind: thing, args: {name: a, value: x}}\n",
            "  - {name: two, kind: thing, args: {name: a, value: y}}\n",
        ),
        "",
    );
    let error = world.no_plan(&project).await;
    assert!(format!("{:?}", error.findings).contains("same_subject"), "{:?}", error.findings);
}

#[tokio::test(start_paused = true)]
async fn what_a_task_kept_is_not_left_behind_unseen() {
    let world = World::new();
    let task = |name: &str, what: &str, on_remove: &str| {
        project(
            &format!(
                "  - {{name: {name}, kind: thing, on_remove: {on_remove}, args: {{name: {what}, value: x}}}}\n"
            ),
            "",
        )
    };
    done(&world, &task("one", "a", "delete")).await;
    let refused = world.no_plan(&task("one", "b", "delete")).await;
    assert_eq!(refused.exit, ExitCode::Refused, "{:?}", refused.findings);
    // With on_remove: retain it stays, and that is said.
    let planned = world.plan(&task("one", "b", "retain")).await;
    assert_eq!(planned.plan.steps[0].notes[0].code, "plan::left_behind");
    // Under another name the old one goes.
    done(&world, &task("two", "b", "delete")).await;
    assert_eq!((world.things.get("a").await, world.things.get("b").await), (None, kept("x")));
    // What never came into being leaves nothing behind.
    let bad = task("three", "c", "delete");
    let bad = Project { head: bad.head.replace("value: x", "value: refused"), ..bad };
    assert_eq!(world.deploy(&bad).await.exit(), ExitCode::StepsFailed);
    done(&world, &task("three", "d", "delete")).await;
    assert_eq!(recorded(&world).await.as_object().unwrap().keys().collect::<Vec<_>>(), ["thing/three"]);
}

#[tokio::test(start_paused = true)]
async fn what_is_trusted_is_not_looked_at_for_a_while() {
    let mut world = World::new();
    let machine = Machine::default();
    let trusting = |value: &str| {
        project(
            &format!(
                "  - {{name: one, kind: thing, on_remove: delete, cache: {{trust_for: 1h}}, args: {{name: a, value: {value}}}}}\n"
            ),
            "",
        )
    };
    world.cache = machine.cache(&world);
    done(&world, &trusting("x")).await;
    world.cache.publish(true).await;
    world.things.take_reads();
    world.cache = machine.cache(&world);
    let planned = world.plan(&trusting("x")).await;
    assert_eq!(world.things.take_reads(), 0);
    assert!(planned.plan.notes.iter().any(|note| note.code == "plan::trusted"), "{:?}", planned.plan.notes);
    let run = done(&world, &trusting("x")).await;
    assert_eq!(world.things.take_reads(), 0, "{:?}", run.events);
    // What is not recorded under its name is looked at: nothing else tells what it gives, and whose it is.
    let renamed = trusting("x");
    let renamed = Project { head: renamed.head.replace("name: one", "name: two"), ..renamed };
    assert_eq!(world.plan(&renamed).await.plan.summary().none, 1);
    assert_eq!(world.things.take_reads(), 1);
    // Other arguments are another matter.
    assert_eq!(world.plan(&trusting("y")).await.plan.summary().update, 1);
    world.things.set("a", json!({"value": "by hand", "labels": {}})).await;
    world.cache = machine.cache(&world);
    assert_eq!(world.plan(&trusting("x")).await.plan.summary().none, 1, "that is what trust means");
    tokio::time::sleep(Duration::from_secs(3601)).await;
    world.cache = machine.cache(&world);
    assert_eq!(world.plan(&trusting("x")).await.plan.summary().update, 1);
    // A destroy looks in any case.
    world.things.take_reads();
    destroyed(&world, &trusting("x")).await;
    assert!(world.things.take_reads() > 0);
    assert_eq!(world.things.get("a").await, None);
}
