//! Templates with macros: worked out by CloudFormation in a change set before they are carried out.

use std::collections::BTreeMap;
use std::sync::Arc;

use runway_core::event::{Event, Outcome};
use runway_core::exit::ExitCode;
use runway_core::plan::Action;
use runway_core::provider::{ErrorKind, StackRef, StackStatus};
use runway_local::faulty::{Faulty, Verdict};

use crate::support::{Project, Run, World, template};

/// A template with a transform.
fn transformed(macro_name: &str) -> String {
    format!("Transform: {macro_name}\n{}", template(&[]))
}

fn project(note: &str, more: &str) -> Project {
    Project::new(&format!("  - {{name: a, template_path: t.yml, variables: {{Note: {note}}}{more}}}\n"))
        .file("t.yml", &transformed("AWS::Serverless-2016-10-31"))
        .file("policy.json", POLICY)
}

const POLICY: &str =
    r#"{"Statement": [{"Effect": "Allow", "Principal": "*", "Action": "Update:*", "Resource": "*"}]}"#;
const FLAGS: &str = ", termination_protection: true, stack_policy_path: policy.json, timeout: 5";

fn counts(faulty: &Faulty) -> BTreeMap<&'static str, usize> {
    let verbs = ["CreateStack", "UpdateStack", "CreateChangeSet", "ExecuteChangeSet", "DeleteChangeSet"];
    faulty.counts().into_iter().filter(|(verb, _)| verbs.contains(verb)).collect()
}

fn failure(run: &Run) -> String {
    let failed = run.events.iter().find_map(|event| match event {
        Event::StepFinished { outcome: Outcome::Failed(failure), .. } => Some(failure.message.clone()),
        _ => None,
    });
    failed.unwrap_or_default()
}

#[tokio::test(start_paused = true)]
async fn a_transformed_stack_gets_everything_an_ordinary_one_gets() {
    let world = World::new();
    let faulty = Faulty::new(Arc::clone(&world.provider));
    let behind = world.behind(Arc::new(faulty.clone()));
    let planned = behind.plan(&project("one", FLAGS)).await;
    let notes: Vec<&str> = planned.plan.steps[0].notes.iter().map(|note| note.code).collect();
    assert_eq!(notes, ["plan::timeout_not_applied"]);

    let run = behind.deploy(&project("one", FLAGS)).await;
    assert_eq!(run.exit(), ExitCode::Ok, "{}", run.explain());
    assert_eq!(counts(&faulty), [("CreateChangeSet", 1), ("ExecuteChangeSet", 1)].into());
    let stack = StackRef::Name("ns-a".into());
    let cloud = world.local_cloudformation();
    let state = cloud.describe_stack(&stack).await.unwrap().unwrap();
    assert_eq!((state.status, state.termination_protection), (StackStatus::CreateComplete, true));
    assert_eq!(cloud.get_stack_policy(&stack).await.unwrap().as_deref(), Some(POLICY));

    let run = behind.deploy(&project("two", FLAGS)).await;
    assert_eq!(run.exit(), ExitCode::Ok, "{}", run.explain());
    assert_eq!(counts(&faulty), [("CreateChangeSet", 2), ("ExecuteChangeSet", 2)].into());
    let state = cloud.describe_stack(&stack).await.unwrap().unwrap();
    assert_eq!((state.status, state.outputs["Note"].as_str()), (StackStatus::UpdateComplete, "two"));
    let again = behind.deploy(&project("two", FLAGS)).await;
    assert!(again.exit() == ExitCode::Ok && again.did_nothing(), "{}", again.explain());
}

#[tokio::test(start_paused = true)]
async fn a_change_set_that_fails_says_why_and_leaves_nothing() {
    let world = World::new();
    let unknown = project("one", "").file("t.yml", &transformed("Nobodys"));
    let run = world.deploy(&unknown).await;
    assert_eq!(run.exit(), ExitCode::StepsFailed, "{}", run.explain());
    assert!(failure(&run).contains("No transform named Nobodys found"), "{}", failure(&run));
    assert!(world.stacks().await.values().all(|stack| stack.status == StackStatus::DeleteInProgress));

    assert_eq!(world.deploy(&project("one", "")).await.exit(), ExitCode::Ok);
    let run = world.deploy(&unknown).await;
    assert_eq!(run.exit(), ExitCode::StepsFailed, "{}", run.explain());
    assert_eq!(world.stacks().await["ns-a"].status, StackStatus::CreateComplete);
    let run = world.deploy(&project("two", "")).await;
    assert_eq!(run.exit(), ExitCode::Ok, "{}", run.explain());
}

#[tokio::test(start_paused = true)]
async fn lost_answers_are_made_up_for() {
    for operation in ["CreateChangeSet", "DescribeChangeSet", "ExecuteChangeSet"] {
        for verdict in
            [Verdict::FailAfter(ErrorKind::Unavailable), Verdict::FailBefore(ErrorKind::Unavailable)]
        {
            let world = World::new();
            for note in ["one", "two"] {
                let faulty = Faulty::new(Arc::clone(&world.provider)).with_rule(operation, "", 1, verdict);
                let run = world.behind(Arc::new(faulty)).deploy(&project(note, "")).await;
                assert_eq!(run.exit(), ExitCode::Ok, "{operation} {verdict:?}: {}", run.explain());
                assert_eq!(world.stacks().await["ns-a"].outputs["Note"], note);
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn what_a_killed_run_left_in_review_is_cleared() {
    let world = World::new();
    let faulty = Faulty::new(Arc::clone(&world.provider)).with_rule(
        "ExecuteChangeSet",
        "",
        0,
        Verdict::FailBefore(ErrorKind::Denied),
    );
    let faulty = faulty.with_rule("DeleteChangeSet", "", 0, Verdict::FailBefore(ErrorKind::Denied));
    let faulty = faulty.with_rule("DeleteStack", "", 0, Verdict::FailBefore(ErrorKind::Denied));
    let run = world.behind(Arc::new(faulty)).deploy(&project("one", "")).await;
    assert_eq!(run.exit(), ExitCode::StepsFailed, "{}", run.explain());
    assert_eq!(world.stacks().await["ns-a"].status, StackStatus::ReviewInProgress);
    let planned = world.plan(&project("one", "")).await;
    assert_eq!(planned.plan.steps[0].action, Action::Recreate);
    let run = world.deploy(&project("one", "")).await;
    assert_eq!(run.exit(), ExitCode::Ok, "{}", run.explain());
    assert_eq!(world.stacks().await["ns-a"].status, StackStatus::CreateComplete);
}
