//! Steps that fail: what still runs, what is said, and how the next run mends it.

use std::sync::Arc;

use runway_core::event::{Event, Outcome, StepFailure};
use runway_core::exit::ExitCode;
use runway_core::plan::Action;
use runway_core::provider::{ErrorKind, StackStatus};
use runway_local::faulty::{Faulty, Verdict};

use crate::support::{Project, Run, World, template};

fn three() -> Project {
    Project::new(concat!(
        "  - {name: base, template_path: broken.yml, variables: {Note: x}}\n",
        "  - {name: above, template_path: t.yml, variables: {Note: \"${output base.Note}\"}}\n",
        "  - {name: top, template_path: t.yml, variables: {Note: \"${output above.Note}\"}}\n",
        "  - {name: other, template_path: t.yml, variables: {Note: x}}\n",
    ))
    .file("t.yml", &template(&[]))
    .file("broken.yml", &broken())
}

/// A template whose resource cannot be created.
fn broken() -> String {
    template(&[]).replace(
        "    Type: AWS::SSM::Parameter\n",
        "    Type: AWS::SSM::Parameter\n    Metadata: {\"runway-rs:local\": {fail: no room left}}\n",
    )
}

fn failure<'a>(run: &'a Run, stack: &str) -> &'a StepFailure {
    let found = run.events.iter().find_map(|event| match event {
        Event::StepFinished { name, outcome: Outcome::Failed(failure), .. } if name.as_str() == stack => {
            Some(failure)
        }
        _ => None,
    });
    found.unwrap_or_else(|| panic!("{stack} did not fail: {}", run.explain()))
}

#[tokio::test(start_paused = true)]
async fn a_failure_stops_its_dependants_only_and_names_the_resource() {
    let world = World::new();
    let run = world.deploy(&three()).await;
    assert_eq!(run.exit(), ExitCode::StepsFailed, "{}", run.explain());
    let failed = failure(&run, "base");
    let resource = failed.resource.as_ref().expect("the resource that failed");
    assert_eq!((resource.logical_id.as_str(), resource.reason.as_deref()), ("P", Some("no room left")));
    assert_eq!(failed.status.as_deref(), Some("ROLLBACK_COMPLETE"));
    let blocked: Vec<(&str, Vec<&str>)> = run
        .events
        .iter()
        .filter_map(|event| match event {
            Event::StepBlocked { name, by, .. } => {
                Some((name.as_str(), by.iter().map(|name| name.as_str()).collect()))
            }
            _ => None,
        })
        .collect();
    assert_eq!(blocked, [("above", vec!["base"]), ("top", vec!["above"])]);
    let stacks = world.stacks().await;
    assert_eq!(stacks.keys().collect::<Vec<_>>(), ["ns-base", "ns-other"]);
    // What may exist stays recorded; the lock is free again.
    assert!(world.graph().await.contains_key("base"));
    assert_eq!(world.lease_text().await, None);

    let mended = three().file("broken.yml", &template(&[]));
    let planned = world.plan(&mended).await;
    let actions: Vec<Action> = planned.plan.steps.iter().map(|step| step.action).collect();
    assert!(actions.contains(&Action::Recreate), "{:#?}", planned.plan);
    let run = world.deploy(&mended).await;
    assert_eq!(run.exit(), ExitCode::Ok, "{}", run.explain());
    assert_eq!(world.stacks().await["ns-base"].status, StackStatus::CreateComplete);
    assert_eq!(world.graph().await.len(), 4);
}

#[tokio::test(start_paused = true)]
async fn a_failed_update_rolls_back_and_keeps_dependants_as_they_were() {
    let project = |note: &str, marker: &str| {
        Project::new(&format!(
            "  - {{name: base, template_path: b.yml, variables: {{Note: {note}}}}}\n  - {{name: above, template_path: t.yml, variables: {{Note: \"${{output base.Note}}\"}}}}\n"
        ))
        .file("t.yml", &template(&[]))
        .file("b.yml", &template(&[]).replace("    Properties:", &format!("{marker}    Properties:")))
    };
    let world = World::new();
    assert_eq!(world.deploy(&project("one", "")).await.exit(), ExitCode::Ok);
    let above = world.stacks().await["ns-above"].clone();
    let broken =
        project("two", "    Metadata: {\"runway-rs:local\": {fail: no room left, fail_on: update}}\n");
    let run = world.deploy(&broken).await;
    assert_eq!(run.exit(), ExitCode::StepsFailed, "{}", run.explain());
    assert!(failure(&run, "base").message.contains("rolled back update"), "{}", run.explain());
    let stacks = world.stacks().await;
    assert_eq!(stacks["ns-base"].status, StackStatus::UpdateRollbackComplete);
    assert_eq!(stacks["ns-above"], above);
}

#[tokio::test(start_paused = true)]
async fn every_mutating_answer_may_be_lost_once() {
    let project = |note: &str, last: &str| {
        Project::new(&format!(
            "  - {{name: a, template_path: t.yml, variables: {{Note: {note}}}}}\n  - {{name: {last}, template_path: t.yml, variables: {{Note: \"${{output a.Note}}\"}}}}\n"
        ))
        .file("t.yml", &template(&[]))
    };
    for operation in ["CreateStack", "UpdateStack", "DeleteStack", "PutObject", "DeleteObject"] {
        let world = World::new();
        assert_eq!(world.deploy(&project("one", "b")).await.exit(), ExitCode::Ok);
        for nth in 1..8 {
            let faulty = Faulty::new(Arc::clone(&world.provider)).with_rule(
                operation,
                "",
                nth,
                Verdict::FailAfter(ErrorKind::Unavailable),
            );
            let (note, last) = (format!("n{nth}"), if nth % 2 == 0 { "b" } else { "c" });
            let run = world.behind(Arc::new(faulty)).deploy(&project(&note, last)).await;
            assert_eq!(run.exit(), ExitCode::Ok, "{operation} {nth}: {}", run.explain());
            let graph = world.graph().await;
            assert_eq!(graph.keys().map(String::as_str).collect::<Vec<_>>(), ["a", last]);
            assert!(!world.plan(&project(&note, last)).await.plan.has_changes());
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_refused_call_fails_its_step_with_the_provider_s_words() {
    let world = World::new();
    let faulty = Faulty::new(Arc::clone(&world.provider)).with_rule(
        "CreateStack",
        "ns-other",
        0,
        Verdict::FailBefore(ErrorKind::Denied),
    );
    let mended = three().file("broken.yml", &template(&[]));
    let run = world.behind(Arc::new(faulty)).deploy(&mended).await;
    assert_eq!(run.exit(), ExitCode::StepsFailed, "{}", run.explain());
    assert!(failure(&run, "other").message.contains("CreateStack: scripted failure"));
    assert_eq!(world.stacks().await.len(), 3);
}

#[tokio::test(start_paused = true)]
async fn termination_protection_stops_a_deletion_and_nothing_else() {
    let world = World::new();
    let with = Project::new(concat!(
        "  - {name: a, template_path: t.yml, variables: {Note: x}}\n",
        "  - {name: b, template_path: t.yml, termination_protection: true, variables: {Note: x}}\n",
    ))
    .file("t.yml", &template(&[]));
    assert_eq!(world.deploy(&with).await.exit(), ExitCode::Ok);
    let without = Project::new("  - {name: a, template_path: t.yml, variables: {Note: y}}\n")
        .file("t.yml", &template(&[]));
    let planned = world.plan(&without).await;
    let notes: Vec<&str> =
        planned.plan.steps.iter().flat_map(|step| &step.notes).map(|note| note.code).collect();
    assert!(notes.contains(&"plan::termination_protected"), "{notes:?}");
    let run = world.deploy(&without).await;
    assert_eq!(run.exit(), ExitCode::StepsFailed, "{}", run.explain());
    assert!(failure(&run, "b").message.contains("TerminationProtection"), "{}", run.explain());
    assert!(world.stacks().await.contains_key("ns-b"));
    assert!(world.graph().await.contains_key("b"), "a stack that exists stays recorded");
}

#[tokio::test(start_paused = true)]
async fn an_update_that_never_began_is_no_success() {
    let project = |note: &str| {
        let stacks = concat!(
            "  - {name: a, template_path: t.yml, variables: {Note: NOTE}}\n",
            "  - {name: b, template_path: t.yml, variables: {Note: \"${output a.Note}\"}}\n",
        );
        Project::new(&stacks.replace("NOTE", note)).file("t.yml", &template(&[]))
    };
    let world = World::new();
    for note in ["one", "two"] {
        assert_eq!(world.deploy(&project(note)).await.exit(), ExitCode::Ok);
    }
    // No answer to the first attempt, which took no effect; the second one is refused.
    let faulty = Faulty::new(Arc::clone(&world.provider))
        .with_rule("UpdateStack", "ns-a", 1, Verdict::FailBefore(ErrorKind::Unavailable))
        .with_rule("UpdateStack", "ns-a", 2, Verdict::FailBefore(ErrorKind::Validation));
    let run = world.behind(Arc::new(faulty)).deploy(&project("three")).await;
    assert_eq!(run.exit(), ExitCode::StepsFailed, "{}", run.explain());
    assert!(failure(&run, "a").message.starts_with("UpdateStack"), "{}", run.explain());
    assert_eq!(world.stacks().await["ns-b"].outputs["Note"], "two", "its dependant did not start");
}
