//! Who imports the exports that a plan changes: CloudFormation is asked once, and only if there are such.

use std::sync::Arc;

use runway_core::exit::ExitCode;
use runway_core::plan::Plan;
use runway_core::provider::{ErrorKind, StackRef, StackRequest, TemplateLocation};
use runway_local::faulty::{Faulty, Verdict};

use crate::support::{Project, World};

const EXPORTING: &str = "\
Parameters: {Note: {Type: String}, Other: {Type: String}}
Resources: {P: {Type: AWS::SSM::Parameter, Properties: {Type: String, Value: !Ref Other}}}
Outputs: {Shared: {Value: !Ref Note, Export: {Name: shared}}}
";

fn project(note: &str, other: &str) -> Project {
    Project::new(&format!(
        "  - {{name: a, template_path: t.yml, variables: {{Note: {note}, Other: {other}}}}}\n"
    ))
    .file("t.yml", EXPORTING)
}

/// Stacks of somebody else that import the value; more than fit on a page.
async fn importers(world: &World, count: usize) {
    let template =
        "Resources: {P: {Type: AWS::SSM::Parameter, Properties: {Type: String, Value: !ImportValue shared}}}";
    for number in 0..count {
        let request = StackRequest {
            stack: StackRef::Name(format!("foreign-{number}").as_str().into()),
            template: TemplateLocation::Body(template.to_owned()),
            parameters: Vec::new(),
            tags: Default::default(),
            role_arn: None,
            stack_policy: None,
            capabilities: Vec::new(),
            termination_protection: false,
            timeout_minutes: None,
            token: format!("token-{number}"),
        };
        world.local_cloudformation().create_stack(&request).await.unwrap();
    }
    tokio::time::sleep(std::time::Duration::from_secs(60)).await;
}

fn codes(plan: &Plan) -> Vec<&str> {
    let of_steps = plan.steps.iter().flat_map(|step| &step.notes);
    of_steps.chain(&plan.notes).map(|note| note.code).collect()
}

fn asked(faulty: &Faulty) -> usize {
    faulty.counts().get("ListImports").copied().unwrap_or_default()
}

#[tokio::test(start_paused = true)]
async fn importers_are_asked_for_page_by_page_and_named() {
    let world = World::new();
    assert_eq!(world.deploy(&project("one", "x")).await.exit(), ExitCode::Ok);
    importers(&world, 150).await;
    let faulty = Faulty::new(Arc::clone(&world.provider));
    let behind = world.behind(Arc::new(faulty.clone()));
    let planned = behind.plan(&project("two", "x")).await;
    assert_eq!(asked(&faulty), 2, "two pages");
    let step = &planned.plan.steps[0];
    let consumers = &step.changes.outputs["Shared"].consumers;
    assert_eq!(consumers.len(), 150);
    assert!(consumers.contains("foreign-0") && consumers.contains("foreign-149"));
    assert!(codes(&planned.plan).contains(&"plan::export_in_use"), "{:?}", planned.plan);

    // Neither no change nor a change beside the export asks anything.
    behind.plan(&project("one", "x")).await;
    behind.plan(&project("one", "y")).await;
    assert_eq!(asked(&faulty), 2);
}

#[tokio::test(start_paused = true)]
async fn a_run_asks_once_and_goes_on_without_an_answer() {
    let world = World::new();
    assert_eq!(world.deploy(&project("one", "x")).await.exit(), ExitCode::Ok);
    let faulty = Faulty::new(Arc::clone(&world.provider));
    let run = world.behind(Arc::new(faulty.clone())).deploy(&project("two", "x")).await;
    assert_eq!((run.exit(), asked(&faulty)), (ExitCode::Ok, 1), "{}", run.explain());

    for kind in [ErrorKind::Unavailable, ErrorKind::Denied, ErrorKind::Unsupported] {
        let faulty = Faulty::new(Arc::clone(&world.provider)).with_rule(
            "ListImports",
            "",
            0,
            Verdict::FailBefore(kind),
        );
        let behind = world.behind(Arc::new(faulty.clone()));
        let planned = behind.plan(&project("three", "x")).await;
        let note = planned.plan.notes.iter().find(|note| note.code == "plan::importers_unknown").unwrap();
        assert!(
            note.warning && note.text.contains("which stacks import shared (scripted failure)"),
            "{note:?}"
        );
        let run = behind.deploy(&project(&format!("{kind:?}"), "x")).await;
        assert_eq!(run.exit(), ExitCode::Ok, "{}", run.explain());
        assert_eq!(asked(&faulty), 2, "once in the plan, once in the run");
    }
}
