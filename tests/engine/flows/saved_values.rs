//! Saved plans and what lookups and hooks find: what floats, what must be the same, and what is never kept.

use std::sync::Mutex;

use async_trait::async_trait;
use runway_core::engine::{Approval, Bound, Gate, Planned};
use runway_core::exit::ExitCode;
use runway_core::plan::Purpose;
use serde_json::{Value, json};

use super::saved::{assert_refused, carry_out, engine, gated, project, saved, target, text};
use crate::support::{Project, World, template};

const SECRET: &str = "hunter2\"and/more";

#[tokio::test(start_paused = true)]
async fn a_newer_image_does_not_change_what_was_planned() {
    let world = World::new();
    world.fakes.set("images", json!(["image-1", "image-2"]));
    let project = project("\"${ami images}\"");
    let plan = saved(&world, &project).await;
    assert_eq!(plan.lookups.len(), 1);
    assert_eq!(plan.lookups[0].value, "image-2");
    world.fakes.set("images", json!(["image-1", "image-2", "image-3"]));
    let run = carry_out(&world, &project, &plan).await;
    assert_eq!(run.exit(), ExitCode::Ok, "{}", run.explain());
    assert_eq!(world.stacks().await["ns-b"].outputs["Note"], "image-2");
    // Another plan takes the newest.
    assert_eq!(saved(&world, &project).await.lookups[0].value, "image-3");
}

#[tokio::test(start_paused = true)]
async fn a_pinned_image_must_be_one_that_the_config_allows() {
    let world = World::new();
    world.fakes.set("images", json!(["image-1", "image-2"]));
    let project = project("\"${ami images}\"");
    let plan = saved(&world, &project).await;
    let mut forged = plan.clone();
    forged.lookups[0].value = json!("image-of-somebody-else");
    let words = "`${ami images}` finds something else";
    assert_refused(&world, &project, &forged, &[words]).await;
    world.fakes.set("images", json!(["image-1", "image-3"]));
    assert_refused(&world, &project, &plan, &[words]).await;
    // Without any image there is no plan, and what moved is told all the same.
    world.fakes.set("images", json!([]));
    assert_refused(&world, &project, &plan, &[words, "no image fits"]).await;
}

#[tokio::test(start_paused = true)]
async fn other_values_are_asked_again_and_must_be_the_same() {
    let world = World::new();
    world.fakes.set("size", "small");
    let project = project("\"${ssm size}\"");
    let plan = saved(&world, &project).await;
    world.fakes.set("size", "large");
    let words = "stack `a` is not as it was planned: its parameters are not the planned ones; `${ssm size}` finds something else";
    assert_refused(&world, &project, &plan, &[words]).await;
    world.fakes.set("size", "small");
    let run = carry_out(&world, &project, &plan).await;
    assert_eq!(run.exit(), ExitCode::Ok, "{}", run.explain());
}

#[tokio::test(start_paused = true)]
async fn no_secret_is_in_the_file_and_each_is_looked_up_again() {
    let world = World::new();
    world.fakes.set("secret", json!({"secret": SECRET}));
    world.fakes.set("plain", "a-password-that-is-no-secret-to-ssm");
    world.fakes.set(&format!("below/{SECRET}"), "found-by-a-secret");
    let stacks = concat!(
        "  - {name: a, template_path: t.yml, variables: {Note: \"x ${ssm secret} y\"}}\n",
        "  - {name: b, template_path: hidden.yml, variables: {Note: \"${ssm plain}\"}}\n",
        "  - {name: c, template_path: t.yml, variables: {Note: \"${ssm below/${ssm secret}}\"}}\n",
        "  - {name: d, class_path: blueprints.web.Web, variables: {Word: \"${ssm secret}\"}}\n",
        "  - {name: e, template_path: hidden.yml, variables: {Note: a-literal-secret}}\n",
    );
    let hidden = template(&[]).replace("Note: {Type: String}", "Note: {Type: String, NoEcho: true}");
    let project = Project::new(stacks).file("t.yml", &template(&[])).file("hidden.yml", &hidden);
    let plan = saved(&world, &project).await;
    let file = text(plan.clone());
    let quoted = Value::String(SECRET.to_owned()).to_string();
    let base64 = "aHVudGVyMiJhbmQvbW9yZQ";
    for part in [
        SECRET,
        quoted.trim_matches('"'),
        base64,
        "hunter2",
        "hunter2%22and%2Fmore",
        "found-by-a-secret",
        "a-password-that-is-no-secret-to-ssm",
        "a-literal-secret",
    ] {
        assert!(!file.contains(part), "{part} is in {file}");
    }
    assert_eq!(plan.lookups, []);
    assert!(plan.stacks["a"].template.is_some() && plan.stacks["d"].template.is_some());

    // The digest of a template that has secrets in it is the same for any of them.
    world.fakes.set("secret", json!({"secret": "another one"}));
    world.fakes.set("below/another one", "found-by-a-secret");
    assert_eq!(saved(&world, &project).await.stacks, plan.stacks);

    // Another secret is no other plan: what the file does not hold is looked up again.
    let run = carry_out(&world, &project, &plan).await;
    assert_eq!(run.exit(), ExitCode::Ok, "{}", run.explain());
    assert_eq!(world.stacks().await["ns-a"].outputs["Note"], "x another one y");
}

#[tokio::test(start_paused = true)]
async fn texts_of_the_frontend_that_must_not_be_shown_are_not_kept_either() {
    let world = World::new();
    let project = project("from-the-project-file");
    let engine = engine(&world, &project);
    let hidden = ["from-the-project-file".to_owned()];
    let config = project.config();
    let making = engine.plan_to_save(&config, Purpose::Deploy, target(), &hidden);
    let (_, plan) = making.await.unwrap();
    assert!(!text(plan.clone()).contains("from-the-project-file"));
    // They are left out of digests, too.
    let (_, open) = engine.plan_to_save(&project.config(), Purpose::Deploy, target(), &[]).await.unwrap();
    assert_ne!(open.stacks["a"].parameters, plan.stacks["a"].parameters);
    let bound = Bound { saved: &plan, hidden: &hidden };
    engine.check_saved(&project.config(), Purpose::Deploy, bound).await.unwrap();
}

/// Counts how often it is asked.
#[derive(Default)]
struct Counting(Mutex<u32>);

#[async_trait]
impl Gate for Counting {
    async fn approve(&self, _planned: &Planned, _again: u32) -> Approval {
        *self.0.lock().unwrap() += 1;
        Approval::Standing
    }
}

#[tokio::test(start_paused = true)]
async fn what_hooks_make_necessary_is_done_only_if_the_plan_left_it_open() {
    let world = World::new();
    world.fakes.set("size", "small");
    let hooks =
        "pre_deploy:\n  - {path: h.one, args: {set: {size: large}, give: {id: made}}, data_key: one}\n";
    let open =
        Project::new("  - {name: a, template_path: t.yml, variables: {Note: \"${hook_data one.id}\"}}\n")
            .with(hooks)
            .file("t.yml", &template(&[]));
    let plan = saved(&world, &open).await;
    let run = carry_out(&world, &open, &plan).await;
    assert_eq!(run.exit(), ExitCode::Ok, "{}", run.explain());
    assert_eq!(world.stacks().await["ns-a"].outputs["Note"], "made");

    // The value that a hook changes was not said to wait for one.
    world.fakes.set("size", "small");
    let quiet = Project::new("  - {name: a, template_path: t.yml, variables: {Note: \"${ssm size}\"}}\n")
        .file("t.yml", &template(&[]));
    assert_eq!(world.deploy(&quiet).await.exit(), ExitCode::Ok);
    let quiet = quiet.with(hooks);
    let plan = saved(&world, &quiet).await;
    let gate = Counting::default();
    let run = gated(&world, &quiet, &plan, &gate).await;
    assert_eq!(run.exit(), ExitCode::Stale, "{}", run.explain());
    assert!(run.explain().contains("plan is no longer the saved one: stack a"), "{}", run.explain());
    assert!(*gate.0.lock().unwrap() <= 1, "nobody is asked again");
    assert_eq!(world.stacks().await["ns-a"].outputs["Note"], "small");
    world.assert_at_rest().await;
}
