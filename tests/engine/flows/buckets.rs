//! The bucket of a config is made first, by a stack of its own.

use std::sync::Arc;

use runway_core::engine::{InitOutcome, Interrupt};
use runway_core::event::Event;
use runway_core::exit::ExitCode;
use runway_core::provider::{ErrorKind, StackRef, StackStatus};
use runway_local::faulty::{Faulty, Verdict};

use crate::support::{Project, World, template};

const STACK: &str = "ns-cfngin-bucket";

fn project() -> Project {
    Project::new("  - {name: a, template_path: t.yml, variables: {Note: x}}\n").file("t.yml", &template(&[]))
}

fn with_its_own() -> Project {
    Project::new(concat!(
        "  - {name: cfngin-bucket, template_path: bucket.yml, variables: {Name: templates, Note: \"${output first.Note}\"}}\n",
        "  - {name: first, template_path: t.yml, required_by: [a], variables: {Note: x}}\n",
        "  - {name: a, template_path: t.yml, requires: [cfngin-bucket], variables: {Note: x}}\n",
    ))
    .file("t.yml", &template(&[]))
    .file("bucket.yml", concat!(
        "Parameters: {Name: {Type: String}, Note: {Type: String}}\n",
        "Resources: {B: {Type: AWS::S3::Bucket, Properties: {BucketName: !Ref Name}}}\n",
    ))
}

async fn init(world: &World, project: &Project) -> Result<InitOutcome, runway_core::engine::EngineError> {
    let engine = world.engine(project.files.clone(), |_| ());
    engine.init(&project.config(), &mut |_: &Event| (), &Interrupt::default()).await
}

#[tokio::test(start_paused = true)]
async fn a_deploy_makes_the_bucket_and_then_the_graph() {
    let world = World::without_bucket();
    let planned = world.plan(&project()).await;
    let note = planned.plan.notes.iter().find(|note| note.code == "bucket::missing").unwrap();
    assert!(note.text.contains(STACK), "{}", note.text);
    assert!(world.stacks().await.is_empty());

    let run = world.deploy(&project()).await;
    assert_eq!(run.exit(), ExitCode::Ok, "{}", run.explain());
    let stacks = world.stacks().await;
    assert_eq!(stacks.keys().collect::<Vec<_>>(), ["ns-a", STACK]);
    let name = StackRef::Name(STACK.into());
    let bucket = world.local_cloudformation().describe_stack(&name).await.unwrap().unwrap();
    assert!(bucket.termination_protection);
    assert_eq!(bucket.outputs["BucketName"], "templates");
    assert_eq!(bucket.outputs["BucketArn"], "arn:aws:s3:::templates");
    assert_eq!(bucket.outputs.len(), 4);
    assert_eq!(bucket.tags["cfngin_namespace"], "ns");
    // Neither recorded nor destroyed: it holds what is needed to know what else there is.
    assert_eq!(world.graph().await.keys().collect::<Vec<_>>(), ["a"]);
    let run = world.run(&project(), runway_core::plan::Purpose::Destroy).await;
    assert_eq!(run.exit(), ExitCode::Ok, "{}", run.explain());
    assert_eq!(world.stacks().await.keys().collect::<Vec<_>>(), [STACK]);
}

#[tokio::test(start_paused = true)]
async fn an_init_makes_the_bucket_alone_and_once() {
    let world = World::without_bucket();
    let made = init(&world, &project()).await.unwrap();
    assert_eq!(
        (made.text.as_str(), made.exit),
        ("created bucket templates with stack ns-cfngin-bucket", ExitCode::Ok)
    );
    assert_eq!(world.stacks().await.keys().collect::<Vec<_>>(), [STACK]);
    assert_eq!(init(&world, &project()).await.unwrap().text, "bucket templates exists");
}

#[tokio::test(start_paused = true)]
async fn a_stack_of_the_config_makes_it_with_what_it_needs() {
    let world = World::without_bucket();
    let made = init(&world, &with_its_own()).await.unwrap();
    assert_eq!(made.exit, ExitCode::Ok, "{}", made.text);
    assert_eq!(world.stacks().await.keys().collect::<Vec<_>>(), [STACK, "ns-first"]);
    assert_eq!(world.graph_text().await, None);
    let run = world.deploy(&with_its_own()).await;
    assert_eq!(run.exit(), ExitCode::Ok, "{}", run.explain());
    assert_eq!(world.graph().await.keys().collect::<Vec<_>>(), ["a", "cfngin-bucket", "first"]);

    let world = World::without_bucket();
    let run = world.deploy(&with_its_own()).await;
    assert_eq!(run.exit(), ExitCode::Ok, "{}", run.explain());
    assert_eq!(world.graph().await.keys().collect::<Vec<_>>(), ["a", "cfngin-bucket", "first"]);
}

#[tokio::test(start_paused = true)]
async fn a_run_that_was_killed_while_the_bucket_was_made_is_made_up_for() {
    let first = World::without_bucket();
    let faulty = Faulty::new(Arc::clone(&first.provider));
    let run = first.behind(Arc::new(faulty.clone())).deploy(&project()).await;
    assert_eq!(run.exit(), ExitCode::Ok, "{}", run.explain());
    for number in 0..faulty.total() {
        for verdict in [Verdict::HangForever, Verdict::HangAfter] {
            let world = World::without_bucket();
            let faulty = Faulty::new(Arc::clone(&world.provider)).with_hook(move |now, _| {
                if now < number {
                    Verdict::Proceed
                } else if now == number {
                    verdict
                } else {
                    Verdict::HangForever
                }
            });
            let broken = world.behind(Arc::new(faulty));
            let _killed =
                tokio::time::timeout(std::time::Duration::from_secs(120), broken.deploy(&project())).await;
            let run = world.deploy(&project()).await;
            assert_eq!(run.exit(), ExitCode::Ok, "{verdict:?} at {number}: {}", run.explain());
            let stacks = world.stacks().await;
            assert_eq!(stacks.keys().collect::<Vec<_>>(), ["ns-a", STACK], "{verdict:?} at {number}");
            assert!(stacks.values().all(|stack| !stack.status.is_in_progress()), "{verdict:?} at {number}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_bucket_that_could_not_be_made_ends_the_run_and_is_tried_again() {
    let world = World::without_bucket();
    world.local.script(STACK).create_fails("Bucket", "no more buckets");
    let run = world.deploy(&project()).await;
    assert_eq!(run.exit(), ExitCode::StepsFailed, "{}", run.explain());
    assert_eq!(world.stacks().await[STACK].status, StackStatus::RollbackComplete);
    assert!(!world.stacks().await.contains_key("ns-a"));
    world.local.script(STACK).clear();
    let run = world.deploy(&project()).await;
    assert_eq!(run.exit(), ExitCode::Ok, "{}", run.explain());
}

#[tokio::test(start_paused = true)]
async fn a_bucket_that_somebody_deleted_or_forbids_is_told_as_that() {
    let world = World::without_bucket();
    assert_eq!(init(&world, &project()).await.unwrap().exit, ExitCode::Ok);
    let missing = Faulty::new(Arc::clone(&world.provider)).with_rule(
        "GetObject",
        "",
        0,
        Verdict::FailBefore(ErrorKind::NotFound),
    );
    let error = init(&world.behind(Arc::new(missing)), &project()).await.unwrap_err();
    assert_eq!((error.findings[0].code().as_str(), error.exit), ("bucket::gone", ExitCode::Config));
    let denied = Faulty::new(Arc::clone(&world.provider)).with_rule(
        "GetObject",
        "",
        0,
        Verdict::FailBefore(ErrorKind::Denied),
    );
    let behind = world.behind(Arc::new(denied));
    assert_eq!(init(&behind, &project()).await.unwrap_err().exit, ExitCode::Denied);
    assert_eq!(behind.deploy(&project()).await.exit(), ExitCode::Denied);
}
