//! Lookups that ask something outside: how often, what failures mean, and that secrets stay secret.

use std::sync::Arc;

use runway_core::exit::ExitCode;
use runway_core::plan::{Action, Purpose};
use runway_core::render::{events, json, markdown, text};
use serde_json::json;

use super::hooks::{hooked, noted};
use crate::support::{Project, Run, World, template};

const SECRET: &str = "hunter2-and-more";

fn crowd(count: usize, hooks: &str) -> Project {
    let stack = |index| {
        format!("  - {{name: s{index:02}, template_path: t.yml, variables: {{Note: \"${{ssm shared}}\"}}}}\n")
    };
    let stacks: String = (0..count).map(stack).collect();
    Project::new(&stacks).with(hooks).file("t.yml", &template(&[]))
}

#[tokio::test(start_paused = true)]
async fn fifty_stacks_ask_one_question_once_and_once_more_after_hooks() {
    let world = World::new();
    world.fakes.set("shared", "x");
    let run = world.deploy(&crowd(50, "")).await;
    assert_eq!(run.exit(), ExitCode::Ok, "{}", run.explain());
    assert_eq!(world.fakes.queries()["shared"], 1);
    assert_eq!(world.stacks().await.len(), 50);

    world.fakes.asked.lock().unwrap().clear();
    let run = world.deploy(&crowd(50, "pre_deploy:\n  - {path: h.one}\n  - {path: h.two}\n")).await;
    assert_eq!(run.exit(), ExitCode::Ok, "{}", run.explain());
    assert_eq!(world.fakes.queries()["shared"], 2);
}

#[tokio::test(start_paused = true)]
async fn a_random_string_is_made_once_for_each_place() {
    let world = World::new();
    let stacks = concat!(
        "  - {name: a, template_path: t.yml, variables: {Note: \"${random.string 12}\"}}\n",
        "  - {name: b, template_path: t.yml, variables: {Note: \"${random.string 12}\"}}\n",
    );
    let project = Project::new(stacks).with("pre_deploy:\n  - {path: h}\n").file("t.yml", &template(&[]));
    let run = world.deploy(&project).await;
    assert_eq!(run.exit(), ExitCode::Ok, "{}", run.explain());
    assert_eq!(world.fakes.queries()["12"], 2, "the same through planning again and hooks");
    let stacks = world.stacks().await;
    assert_ne!(stacks["ns-a"].outputs["Note"], stacks["ns-b"].outputs["Note"]);
}

#[tokio::test(start_paused = true)]
async fn failures_of_lookups_have_the_exit_code_of_their_cause() {
    let world = World::new();
    world.fakes.set("locked-away", json!({"denied": "AccessDenied: not for you"}));
    for (note, exit, words) in [
        ("${ssm nowhere}", ExitCode::Lookup, "there is no SSM parameter `nowhere`"),
        ("${ssm locked-away}", ExitCode::Denied, "not for you"),
        ("${ssm locked-away::default=x}", ExitCode::Denied, "not for you"),
        ("${kms abc}", ExitCode::Lookup, "not available"),
    ] {
        let error = world.no_plan(&noted("", note)).await;
        assert_eq!(error.exit, exit, "{note}: {error:?}");
        let told = format!("{:?}", error.findings);
        assert!(told.contains(words), "{note}: {told}");
        let run = world.deploy(&noted("", note)).await;
        assert_eq!(run.exit(), exit, "{note}: {}", run.explain());
    }
    let run = world.deploy(&noted("", "${ssm nowhere::default=d}")).await;
    assert_eq!(run.exit(), ExitCode::Ok, "{}", run.explain());
    assert_eq!(world.stacks().await["ns-a"].outputs["Note"], "d");
    // A destroy asks nothing.
    world.fakes.asked.lock().unwrap().clear();
    let run = world.run(&noted("", "${ssm nowhere}"), Purpose::Destroy).await;
    assert_eq!(run.exit(), ExitCode::Ok, "{}", run.explain());
    assert!(world.fakes.asked.lock().unwrap().is_empty());
}

#[tokio::test(start_paused = true)]
async fn what_a_hook_has_yet_to_make_is_not_missing() {
    let world = World::new();
    let hooks = "pre_deploy:\n  - {path: h.set, args: {set: {made: by the hook}}}\n";
    let planned = world.plan(&noted(hooks, "${ssm made}")).await;
    let shown = text::plan(&planned.plan, &text::TextOptions::default());
    assert!(shown.contains("known after the hooks"), "{shown}");
    let run = world.deploy(&noted(hooks, "${ssm made}")).await;
    assert_eq!(run.exit(), ExitCode::Ok, "{}", run.explain());
    assert_eq!(world.stacks().await["ns-a"].outputs["Note"], "by the hook");

    let world = World::new();
    let idle = noted("pre_deploy:\n  - {path: h.idle}\n", "${ssm made}");
    let run = world.deploy(&idle).await;
    assert_eq!(run.exit(), ExitCode::Lookup, "{}", run.explain());
    assert!(world.stacks().await.is_empty());
    assert_eq!(world.lease_text().await, None);
}

#[tokio::test(start_paused = true)]
async fn what_only_a_hook_knows_to_keep_is_waited_for() {
    let world = World::new();
    // CFNgin's docker hooks keep `docker`, and a hook of the user whatever it writes into the context.
    for hook in ["runway.cfngin.hooks.docker.login", "hooks.mine.main"] {
        let hooks = format!("pre_deploy:\n  - {{path: {hook}, args: {{keep: {{docker: {{image: i}}}}}}}}\n");
        let run = world.deploy(&noted(&hooks, "${hook_data docker.image}")).await;
        assert_eq!(run.exit(), ExitCode::Ok, "{hook}: {}", run.explain());
        assert_eq!(world.stacks().await["ns-a"].outputs["Note"], "i");
    }
    let error = world.no_plan(&noted("", "${hook_data docker.image}")).await;
    assert_eq!(error.exit, ExitCode::Lookup);
}

#[tokio::test(start_paused = true)]
async fn without_hooks_there_is_nothing_to_run_them() {
    let world = World::new().without_handlers();
    let run = world.deploy(&hooked("pre_deploy:\n  - {path: hooks.mine}\n")).await;
    assert_eq!(run.exit(), ExitCode::StepsFailed, "{}", run.explain());
    assert!(run.explain().contains("nothing that could run it"), "{}", run.explain());
}

/// Everything a frontend could show of a run.
fn shown(run: &Run) -> String {
    let lines =
        run.events.iter().map(|event| format!("{}\n{:?}\n", events::json_line(event), events::lines(event)));
    let mut all: String = lines.collect();
    match &run.result {
        Ok(outcome) => {
            let plan = &outcome.planned.plan;
            all.push_str(&json::plan(plan));
            all.push_str(&markdown::plan(plan));
            all.push_str(&text::plan(plan, &text::TextOptions::default()));
            all.push_str(&format!("{:?} {:?}", outcome.errors, outcome.planned.warnings));
        }
        Err(error) => all.push_str(&format!("{:?}", error.findings)),
    }
    all
}

#[tokio::test(start_paused = true)]
async fn a_secret_is_used_and_never_shown() {
    let parameters = "  - {name: a, template_path: t.yml, variables: {Note: \"x-${ssm password}\"}}\n";
    let blueprint = "  - {name: b, class_path: b.Stack, variables: {Note: \"${ssm password}\"}}\n";
    let broken = "  - {name: b, class_path: b.Stack, variables: {Fail: \"bad ${ssm password}\"}}\n";
    let jinja = "  - {name: a, template_path: t.yml.j2, variables: {Note: \"${ssm password}\"}}\n";
    let hooks = |rest: &str| {
        format!(
            "pre_deploy:\n  - {{path: h, args: {{name: \"${{ssm password}}\", print: \"it is ${{ssm password}}\"{rest}}}}}\n"
        )
    };
    let cases = [
        (parameters, hooks(""), ExitCode::Ok),
        (blueprint, hooks(""), ExitCode::Ok),
        (broken, String::new(), ExitCode::Config),
        (jinja, String::new(), ExitCode::Ok),
        (parameters, hooks(", fail: \"wrong password ${ssm password}\""), ExitCode::StepsFailed),
        (
            parameters,
            hooks(", fail: \"wrong password ${ssm password}\"")
                .replace("path: h", "path: h, required: false"),
            ExitCode::Ok,
        ),
    ];
    for (stacks, hooks, exit) in cases {
        let world = World::new();
        world.fakes.set("password", json!({"secret": SECRET}));
        let project = Project::new(stacks)
            .with(&hooks)
            .file("t.yml", &template(&[]))
            .file("t.yml.j2", &template(&[]).replace("${Note}", "{{ Note }}"));
        let run = world.deploy(&project).await;
        assert_eq!(run.exit(), exit, "{stacks}{hooks}: {}", run.explain());
        let all = shown(&run);
        assert!(!all.contains(SECRET), "{stacks}{hooks}: {all}");
        if exit == ExitCode::Ok {
            assert_eq!(world.stacks().await.len(), 1, "{stacks}");
        }
        if !hooks.is_empty() {
            assert_eq!(world.fakes.hooks("name"), [json!(SECRET)]);
            assert!(all.contains("it is ****"), "{all}");
        }
        // The secret changes: the plan says so without saying to what.
        world.fakes.set("password", json!({"secret": "another-secret"}));
        if stacks == parameters && exit == ExitCode::Ok {
            let plan = world.plan(&project).await.plan;
            assert_eq!(plan.steps[0].action, Action::Update);
            let all = format!("{}{}{:?}", json::plan(&plan), markdown::plan(&plan), plan);
            assert!(!all.contains(SECRET) && !all.contains("another-secret"), "{all}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_part_of_a_secret_document_is_a_secret() {
    let world = World::new();
    world
        .fakes
        .set("document", json!({"secret": format!("{{\"user\": \"admin\", \"password\": \"{SECRET}\"}}")}));
    let lookup = "${ssm document::load=json, get=password}";
    let project = noted(
        &format!("pre_deploy:\n  - {{path: h, args: {{print: \"first\\nlogin -p {lookup} now\"}}}}\n"),
        lookup,
    );
    let run = world.deploy(&project).await;
    assert_eq!(run.exit(), ExitCode::Ok, "{}", run.explain());
    let all = shown(&run);
    assert!(!all.contains(SECRET) && all.contains("login -p **** now"), "{all}");
    assert_eq!(world.stacks().await["ns-a"].outputs["Note"], SECRET);
}

#[tokio::test(start_paused = true)]
async fn the_same_engine_gives_every_stack_the_same_answer() {
    // The value changes with every question; that there is one question makes the stacks agree.
    let world = World::new();
    world.fakes.set("shared", "x");
    let fakes = Arc::clone(&world.fakes);
    let project = crowd(3, "");
    let (run, ()) = tokio::join!(world.deploy(&project), async {
        tokio::time::sleep(std::time::Duration::from_millis(150)).await;
        fakes.set("shared", "y");
    });
    assert_eq!(run.exit(), ExitCode::Ok, "{}", run.explain());
    let notes: Vec<String> =
        world.stacks().await.into_values().map(|stack| stack.outputs["Note"].clone()).collect();
    assert_eq!(notes, ["x", "x", "x"]);
}
