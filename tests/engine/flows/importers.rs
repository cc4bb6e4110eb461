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

fn importing_stack(name: &str) -> StackRequest {
    StackRequest {
        stack: StackRef::Name(name.into()),
        template: TemplateLocation::Previous,
        parameters: Vec::new(),
        tags: Default::default(),
        role_arn: None,
        stack_policy: None,
        capabilities: Vec::new(),
        termination_protection: false,
        timeout_minutes: None,
        token: format!("token-{name}"),
    }
}

/// Stacks of somebody else that import the value; more than fit on a page.
async fn importers(world: &World, count: usize) {
    let template =
        "Resources: {P: {Type: AWS::SSM::Parameter, Properties: {Type: String, Value: !ImportValue shared}}}";
    for number in 0..count {
        let request = StackRequest {
            template: TemplateLocation::Body(template.to_owned()),
            ..importing_stack(&format!("foreign-{number}"))
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

#[tokio::test(start_paused = true)]
async fn a_stack_that_goes_while_others_import_from_it_is_told() {
    let world = World::new();
    let with_b = |text: &str| Project { stacks: project("one", "x").stacks + text, ..project("one", "x") };
    let b = "  - {name: b, template_path: b.yml, variables: {Note: n}}\n";
    let exporting = EXPORTING.replace("Name: shared", "Name: of-b").replace(", Other: {Type: String}", "");
    let exporting = exporting.replace("!Ref Other", "!Ref Note");
    let before = with_b(b).file("b.yml", &exporting);
    assert_eq!(world.deploy(&before).await.exit(), ExitCode::Ok);
    let faulty = Faulty::new(Arc::clone(&world.provider));
    let behind = world.behind(Arc::new(faulty.clone()));
    let planned = behind.plan(&project("one", "x")).await;
    assert_eq!(asked(&faulty), 1);
    assert!(!codes(&planned.plan).contains(&"plan::export_in_use"), "{:?}", planned.plan);

    let importing =
        "Resources: {P: {Type: AWS::SSM::Parameter, Properties: {Type: String, Value: !ImportValue of-b}}}";
    let request =
        StackRequest { template: TemplateLocation::Body(importing.to_owned()), ..importing_stack("foreign") };
    world.local_cloudformation().create_stack(&request).await.unwrap();
    tokio::time::sleep(std::time::Duration::from_secs(60)).await;
    let planned = behind.plan(&project("one", "x")).await;
    let step = planned.plan.step(&"b".into()).unwrap();
    let note = step.notes.iter().find(|note| note.code == "plan::export_in_use").unwrap();
    assert!(note.text.contains("export of-b is imported by foreign"), "{}", note.text);
    assert!(note.text.contains("refuses to delete the stack"), "{}", note.text);
}
