//! Tasks that a selection needs and leaves alone.

use super::*;

const APP: &str = "  - {name: app, template_path: t.yml, requires: [mark/one], variables: {Note: one}}\n";

fn one(args: &str) -> Project {
    project(&format!("  - {{name: one, kind: mark, args: {{name: a, {args}}}}}\n"), APP)
}

async fn only_app(world: &World, project: &Project) -> Run {
    let selection = Selection { stacks: ["app".to_owned()].into(), ..Selection::default() };
    let interrupt = Interrupt::default();
    world.run_with(project, Purpose::Deploy, &interrupt, |options| options.selection = Some(selection)).await
}

async fn refused(world: &World, project: &Project, why: &str) {
    let run = only_app(world, project).await;
    assert_eq!(run.exit(), ExitCode::Config, "{}", run.explain());
    let told = run.explain();
    assert!(told.contains("`app` needs the task `mark/one`") && told.contains(why), "{told}");
    assert!(!world.stacks().await.contains_key("ns-app"));
}

#[tokio::test(start_paused = true)]
async fn what_was_not_carried_out_to_its_end_does_not_serve() {
    let world = World::new();
    refused(&world, &one("value: x"), "was not carried out yet").await;
    assert_eq!(world.deploy(&one("value: refused")).await.exit(), ExitCode::StepsFailed);
    assert!(recorded(&world).await.get("mark/one").is_some(), "it is recorded before it is made");
    refused(&world, &one("value: x"), "was not carried out to its end").await;

    // What was planned and never begun is recorded as well.
    let world = World::new();
    let behind = |word: &str| {
        project(
            &format!(
                "  - {{name: first, kind: shout, when: always, args: {{word: {word}}}}}\n  - {{name: one, kind: mark, requires: [first], args: {{name: a, value: x}}}}\n"
            ),
            APP,
        )
    };
    assert_eq!(world.deploy(&behind("denied")).await.exit(), ExitCode::StepsFailed);
    refused(&world, &behind("ho"), "was not carried out to its end").await;
    // So is an effect that failed.
    let effect = |word: &str| {
        project(
            &format!("  - {{name: one, kind: shout, args: {{word: {word}}}}}\n"),
            &APP.replace("mark", "shout"),
        )
    };
    let world = World::new();
    assert_eq!(world.deploy(&effect("denied")).await.exit(), ExitCode::StepsFailed);
    let run = only_app(&world, &effect("ho")).await;
    assert_eq!(run.exit(), ExitCode::Config, "{}", run.explain());
}

#[tokio::test(start_paused = true)]
async fn what_is_there_serves_also_if_a_change_of_it_failed_or_it_has_another_name_now() {
    let world = World::new();
    let without_app = Project { stacks: String::new(), ..one("value: x") };
    done(&world, &without_app).await;
    let failed = Project { stacks: String::new(), ..one("value: refused") };
    assert_eq!(world.deploy(&failed).await.exit(), ExitCode::StepsFailed);
    let run = only_app(&world, &one("value: refused")).await;
    assert_eq!(run.exit(), ExitCode::Ok, "{}", run.explain());

    let world = World::new();
    let before = Project { stacks: String::new(), ..one("value: x") };
    let before = Project { head: before.head.replace("name: one", "name: before"), ..before };
    done(&world, &before).await;
    let run = only_app(&world, &one("value: x")).await;
    assert_eq!(run.exit(), ExitCode::Ok, "{}", run.explain());
}

#[tokio::test(start_paused = true)]
async fn what_was_made_absent_does_not_serve_as_present() {
    let world = World::new();
    let absent = Project { stacks: String::new(), ..one("state: absent") };
    done(&world, &absent).await;
    refused(&world, &one("value: x"), "with another `state`").await;
    let run = only_app(&world, &one("state: absent")).await;
    assert_eq!(run.exit(), ExitCode::Ok, "{}", run.explain());
}
