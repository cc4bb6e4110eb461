//! Stacks whose templates are rendered from their variables by a blueprint.

use std::time::Duration;

use runway_core::engine::{Interrupt, Options};
use runway_core::exit::ExitCode;
use runway_core::plan::{Action, Allowed, Certainty, Purpose};
use runway_core::render::{events, text};
use serde_json::json;

use crate::support::{Project, World, template};

fn blueprint(variables: &str) -> Project {
    Project::new(&format!("  - {{name: web, class_path: blueprints.Web, variables: {{{variables}}}}}\n"))
}

/// `web` reads an output of `base`.
fn pair(note: &str) -> Project {
    let stacks = format!(
        "  - {{name: base, template_path: t.yml, variables: {{Note: {note}}}}}\n  - {{name: web, class_path: blueprints.Web, variables: {{Size: \"${{output base.Note}}\"}}}}\n"
    );
    Project::new(&stacks).file("t.yml", &template(&[]))
}

#[tokio::test(start_paused = true)]
async fn a_blueprint_gives_template_and_parameters() {
    let world = World::new();
    let run = world.deploy(&blueprint("Size: large")).await;
    assert_eq!(run.exit(), ExitCode::Ok, "{}", run.explain());
    let outputs = &world.stacks().await["ns-web"].outputs;
    assert_eq!((outputs["Size"].as_str(), outputs["Made"].as_str()), ("large", "by the blueprint"));
    let request = world.fakes.rendered.lock().unwrap()[0].clone();
    assert_eq!(request.class_path, "blueprints.Web");
    assert_eq!(json!(request.variables), json!({"Size": "large"}));
    assert_eq!(world.fakes.rendered.lock().unwrap().len(), 1, "once in a run");

    let again = world.deploy(&blueprint("Size: large")).await;
    assert_eq!(again.exit(), ExitCode::Ok);
    assert!(!again.result.unwrap().planned.plan.has_changes());
    let changed = world.deploy(&blueprint("Size: small")).await;
    assert_eq!(changed.result.unwrap().done.update, 1);
}

#[tokio::test(start_paused = true)]
async fn a_blueprint_with_unknown_variables_is_rendered_when_its_turn_comes() {
    let world = World::new();
    let step = world.plan(&pair("x")).await.plan.steps.remove(1);
    assert_eq!((step.name.as_str(), step.action), ("web", Action::Create));
    assert!(world.fakes.rendered.lock().unwrap().is_empty());
    let run = world.deploy(&pair("x")).await;
    assert_eq!(run.exit(), ExitCode::Ok, "{}", run.explain());
    assert_eq!(world.stacks().await["ns-web"].outputs["Size"], "x");

    let plan = world.plan(&pair("y")).await.plan;
    let step = &plan.steps[1];
    assert_eq!((step.action, step.certainty), (Action::Update, Certainty::May));
    let shown = text::plan(&plan, &text::TextOptions::default());
    assert!(shown.contains("known after deploy of base"), "{shown}");
    let run = world.deploy(&pair("y")).await;
    assert_eq!(run.exit(), ExitCode::Ok, "{}", run.explain());
    assert_eq!(world.stacks().await["ns-web"].outputs["Size"], "y");
}

#[tokio::test(start_paused = true)]
async fn a_loss_that_shows_only_when_its_turn_comes_is_not_carried_out() {
    let pair = |note: &str| {
        let stacks = format!(
            "  - {{name: base, template_path: t.yml, variables: {{Note: {note}}}}}\n  - {{name: web, class_path: blueprints.Web, variables: {{Table: \"${{output base.Note}}\"}}}}\n"
        );
        Project::new(&stacks).file("t.yml", &template(&[]))
    };
    let world = World::new();
    assert_eq!(world.deploy(&pair("first")).await.exit(), ExitCode::Ok);
    let plan = world.plan(&pair("second")).await.plan;
    assert_eq!((plan.steps[1].certainty, plan.losses.len()), (Certainty::May, 0));
    let run = world.deploy(&pair("second")).await;
    assert_eq!(run.exit(), ExitCode::StepsFailed, "{}", run.explain());
    let lines: Vec<String> = run.events.iter().flat_map(events::lines).collect();
    assert!(lines.iter().any(|line| line.contains("web/T (table)")), "{lines:#?}");
    assert!(lines.iter().any(|line| line.contains("--allow web/T")), "{lines:#?}");
    assert!(world.template("ns-web").await.contains("first"));

    let allow = |options: &mut Options| options.allowed = Allowed::parse("web/T").into_iter().collect();
    let run = world.run_with(&pair("second"), Purpose::Deploy, &Interrupt::default(), allow).await;
    assert_eq!(run.exit(), ExitCode::Ok, "{}", run.explain());
    assert!(world.template("ns-web").await.contains("second"));
}

#[tokio::test(start_paused = true)]
async fn results_of_hooks_reach_blueprints() {
    let world = World::new();
    let hooks = "pre_deploy:\n  - {path: h.build, data_key: build, args: {give: {v: one}}}\n";
    let run = world.deploy(&blueprint("Size: large").with(hooks)).await;
    assert_eq!(run.exit(), ExitCode::Ok, "{}", run.explain());
    assert!(world.template("ns-web").await.contains("one"));
    let changed = blueprint("Size: large").with(&hooks.replace("one", "two"));
    let run = world.deploy(&changed).await;
    assert_eq!(run.exit(), ExitCode::Ok, "{}", run.explain());
    assert!(world.template("ns-web").await.contains("two"));
}

#[tokio::test(start_paused = true)]
async fn what_a_blueprint_raises_is_shown_with_its_detail() {
    let world = World::new();
    let error = world.no_plan(&blueprint("Fail: no such size")).await;
    assert_eq!(error.exit, ExitCode::Config, "{error:?}");
    let finding = &error.findings[0];
    assert!(finding.to_string().contains("ValueError: no such size"), "{finding:?}");
    let help = finding.problem.help().unwrap().to_string();
    assert!(help.contains("blueprints/web.py\", line 7"), "{help}");

    // One that fails only when its turn comes fails its stack, not the others.
    let late = Project::new(concat!(
        "  - {name: base, template_path: t.yml, variables: {Note: x}}\n",
        "  - {name: web, class_path: b.Web, variables: {Fail: \"${output base.Note}\"}}\n",
    ))
    .file("t.yml", &template(&[]));
    let run = world.deploy(&late).await;
    assert_eq!(run.exit(), ExitCode::StepsFailed, "{}", run.explain());
    let lines: Vec<String> = run.events.iter().flat_map(events::lines).collect();
    let place = lines.iter().position(|line| line.contains("help: File \"blueprints/web.py\", line 7"));
    assert!(lines[place.unwrap() + 1].trim().starts_with("raise ValueError"), "{lines:#?}");
    assert_eq!(world.stacks().await.keys().collect::<Vec<_>>(), ["ns-base"]);
    world.assert_at_rest().await;
}

#[tokio::test(start_paused = true)]
async fn without_a_renderer_the_error_names_the_stack() {
    let world = World::new().without_handlers();
    let error = world.no_plan(&blueprint("Size: large")).await;
    assert_eq!(error.exit, ExitCode::Config, "{error:?}");
    let told = error.findings[0].to_string();
    assert!(told.contains("web") && told.contains("cannot be rendered here"), "{told}");
}

#[tokio::test(start_paused = true)]
async fn what_is_not_deployed_is_not_rendered() {
    let world = World::new();
    assert_eq!(world.deploy(&blueprint("Size: large")).await.exit(), ExitCode::Ok);
    let rendered = || world.fakes.rendered.lock().unwrap().len();
    let before = rendered();
    for flag in ["locked: true", "enabled: false"] {
        let project = Project::new(&format!(
            "  - {{name: web, class_path: blueprints.Web, {flag}, variables: {{Fail: x}}}}\n"
        ));
        let run = world.deploy(&project).await;
        assert_eq!(run.exit(), ExitCode::Ok, "{flag}: {}", run.explain());
        assert_eq!(rendered(), before, "{flag}");
    }
    let run = world.run(&blueprint("Fail: x"), Purpose::Destroy).await;
    assert_eq!(run.exit(), ExitCode::Ok, "{}", run.explain());
    assert_eq!(rendered(), before);
    assert!(world.stacks().await.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_locked_stack_that_does_not_exist_is_rendered_and_created() {
    let world = World::new();
    let project = Project::new("  - {name: web, class_path: b.Web, locked: true, variables: {Size: s}}\n");
    let run = world.deploy(&project).await;
    assert_eq!(run.exit(), ExitCode::Ok, "{}", run.explain());
    assert_eq!(world.stacks().await["ns-web"].outputs["Size"], "s");
}

#[tokio::test(start_paused = true)]
async fn a_stack_may_read_outputs_that_a_blueprint_will_declare() {
    let world = World::new();
    let stacks = concat!(
        "  - {name: web, class_path: b.Web, variables: {Size: large}}\n",
        "  - {name: a, template_path: t.yml, variables: {Note: \"${output web.Made}\"}}\n",
    );
    let project = Project::new(stacks).file("t.yml", &template(&[]));
    world.local.script("ns-web").takes(Duration::from_secs(30));
    let run = world.deploy(&project).await;
    assert_eq!(run.exit(), ExitCode::Ok, "{}", run.explain());
    assert_eq!(world.stacks().await["ns-a"].outputs["Note"], "by the blueprint");
    assert_eq!(world.graph().await["a"], ["web"]);
}
