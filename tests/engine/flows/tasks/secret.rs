//! Arguments that are secrets by the kind of a task, whatever gives them.

use runway_core::provider::Provider as _;
use runway_store::Put;

use crate::flows::saved::{carry_out, saved, text};
use crate::support::graph_key;

use super::*;

const WORD: &str = "correct-horse-battery";

/// A parameter that is encrypted, and who reads of it.
fn secure(value: &str) -> Project {
    project(
        &format!(
            concat!(
                "  - {{name: one, kind: ssm_parameter, args: {{name: /a, type: SecureString, value: \"{}\"}}}}\n",
                "  - {{name: two, kind: thing, args: {{name: two, value: \"${{task one.name}} ${{task one.version}}\"}}}}\n",
            ),
            value
        ),
        "",
    )
}

async fn with_environment(world: &World, project: &Project, value: &str) -> Run {
    let set = |options: &mut runway_core::engine::Options| {
        options.environment.insert("WORD".to_owned(), value.to_owned());
        options.parameters.insert("word".to_owned(), value.into());
    };
    let run = world.run_with(project, Purpose::Deploy, &Interrupt::default(), set).await;
    assert_eq!(run.exit(), ExitCode::Ok, "{}", run.explain());
    run
}

/// Every object of the bucket apart from what the fake service keeps.
async fn everything(world: &World) -> String {
    let texts = [world.state_text().await, world.graph_text().await];
    texts.into_iter().flatten().collect()
}

#[tokio::test(start_paused = true)]
async fn a_parameter_that_is_encrypted_is_in_no_record() {
    for value in ["${env WORD}", "${default word::none}", WORD, "x${env WORD}x"] {
        let world = World::new();
        let run = with_environment(&world, &secure(value), WORD).await;
        let kept = world.things.get("/a").await.unwrap();
        assert!(kept["Value"].as_str().unwrap().contains(WORD), "{kept}");
        let seen = format!("{} {:?}", everything(&world).await, run.events);
        assert!(!seen.contains(WORD), "{value}: {seen}");
        // The name and the version are no secrets: readers have them, now and later.
        assert_eq!(world.things.get("two").await.unwrap()["value"], "/a 1");
        assert_eq!(recorded(&world).await["ssm_parameter/one"]["outputs"]["version"], "1");
        assert!(!with_environment(&world, &secure(value), WORD).await.explain().contains("Locked"));
    }
    // Another value is noticed all the same.
    let world = World::new();
    with_environment(&world, &secure("${env WORD}"), WORD).await;
    with_environment(&world, &secure("${env WORD}"), "another-horse").await;
    assert_eq!(world.things.get("/a").await.unwrap()["Value"], "another-horse");
    assert_eq!(world.things.get("two").await.unwrap()["value"], "/a 2");
    let digest = |state: Value| state["ssm_parameter/one"]["digest"].clone();
    let one = digest(recorded(&world).await);
    with_environment(&world, &secure("${env WORD}"), "third-horse").await;
    assert_eq!(one, digest(recorded(&world).await), "what is hidden is no part of a digest");
}

#[tokio::test(start_paused = true)]
async fn a_saved_plan_does_not_hold_it_either() {
    let world = World::new();
    let plan = saved(&world, &secure(WORD)).await;
    let digest = format!("{:?}", plan.plan.steps.iter().map(|step| &step.task).collect::<Vec<_>>());
    let other = saved(&world, &secure("wrong-horse-battery")).await;
    let same = format!("{:?}", other.plan.steps.iter().map(|step| &step.task).collect::<Vec<_>>());
    assert_eq!(digest, same);
    assert!(!text(plan).contains(WORD));
    let plan = saved(&world, &secure(WORD)).await;
    let run = carry_out(&world, &secure(WORD), &plan).await;
    assert_eq!(run.exit(), ExitCode::Ok, "{}", run.explain());
    assert_eq!(world.things.get("/a").await.unwrap()["Value"], WORD);
}

#[tokio::test(start_paused = true)]
async fn a_type_that_is_not_known_yet_counts_as_the_secret_one() {
    let world = World::new();
    let late = project(
        concat!(
            "  - {name: kind, kind: thing, args: {name: kind, value: SecureString}}\n",
            "  - {name: stop, kind: shout, requires: [kind], args: {word: denied}}\n",
            "  - {name: one, kind: ssm_parameter, requires: [stop], args: {name: /a, type: \"${task kind.value}\", value: correct-horse-battery}}\n",
        ),
        "",
    );
    assert_eq!(world.deploy(&late).await.exit(), ExitCode::StepsFailed);
    let state = recorded(&world).await;
    assert_eq!(state["ssm_parameter/one"]["arguments"]["name"], "/a", "{state}");
    assert!(!state.to_string().contains(WORD), "{state}");
}

#[tokio::test(start_paused = true)]
async fn a_stack_of_a_task_hides_what_its_template_does() {
    let world = World::new();
    let template = concat!(
        "{Parameters: {Word: {Type: String, NoEcho: true}, Plain: {Type: String}}, ",
        "Resources: {P: {Type: \"AWS::SSM::Parameter\", Properties: {Type: String, Value: {\"Fn::Join\": [\" \", [{Ref: Plain}, {Ref: Word}]]}}}}, ",
        "Outputs: {Both: {Value: {\"Fn::Join\": [\" \", [{Ref: Plain}, {Ref: Word}]]}}}}"
    );
    let spoke = |word: &str| {
        project(
            &format!(
                "  - {{name: s, kind: bootstrap_spoke, args: {{stack_name: spoke, template: {template}, parameters: {{Word: {word}, Plain: in-the-open}}}}}}\n"
            ),
            "",
        )
    };
    let run = world.deploy(&spoke(WORD)).await;
    assert_eq!(run.exit(), ExitCode::Ok, "{}", run.explain());
    let state = recorded(&world).await;
    let parameters = &state["bootstrap_spoke/s"]["arguments"]["parameters"];
    assert_eq!(*parameters, json!({"Word": "****", "Plain": "in-the-open"}));
    assert!(!state.to_string().contains(WORD) && !format!("{:?}", run.events).contains(WORD), "{state}");
    let outputs = state["bootstrap_spoke/s"]["outputs"].as_object().unwrap();
    assert_eq!(outputs.keys().collect::<Vec<_>>(), ["stack_id", "stack_name"]);
}

/// A config that is written otherwise.
type Changed = fn(Project) -> Project;

/// A record of an earlier version, which kept the value.
async fn as_it_was(world: &World) {
    let text = world.state_text().await.unwrap();
    let mut state: Value = serde_json::from_str(&text).unwrap();
    let facts = &mut state["tasks"]["ssm_parameter/one"];
    facts["arguments"]["value"] = json!(WORD);
    facts["digest"] = json!("0123456789abcdef");
    let state_key = graph_key().with_suffix(".state");
    let store = world.local.object_store(&runway_store::BucketName::new("templates"), None);
    store.put(&state_key, state.to_string().into(), &Put::default()).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn what_an_earlier_version_recorded_goes_with_the_next_deploy() {
    let world = World::new();
    done(&world, &secure(WORD)).await;
    let clean = recorded(&world).await;
    let cases: [(&str, Changed); 4] = [
        ("as it is", |project| project),
        ("disabled", |mut project| {
            project.head =
                project.head.replace("kind: ssm_parameter,", "kind: ssm_parameter, enabled: false,");
            project
        }),
        ("disabled, and told to stay", |mut project| {
            let told = "kind: ssm_parameter, enabled: false, on_remove: retain,";
            project.head = project.head.replace("kind: ssm_parameter,", told);
            project
        }),
        ("with another value", |mut project| {
            project.head = project.head.replace(WORD, "another-horse");
            project
        }),
    ];
    for (case, change) in cases {
        as_it_was(&world).await;
        assert!(everything(&world).await.contains(WORD));
        // It makes nothing look changed.
        world.things.take_changes();
        let project = change(secure(WORD));
        let changes = usize::from(case == "with another value");
        let planned = world.plan(&project).await.plan;
        assert_eq!(planned.steps.iter().filter(|step| step.action == Action::Update).count(), 2 * changes);
        done(&world, &project).await;
        assert_eq!(world.things.take_changes().is_empty(), changes == 0, "{case}");
        let state = recorded(&world).await;
        assert!(!state.to_string().contains(WORD), "{case}: {state}");
        let digest = |state: &Value| state["ssm_parameter/one"]["digest"].clone();
        assert_eq!(digest(&state), digest(&clean), "{case}");
    }
}
