//! Kinds of the program itself, in whole runs.

use runway_core::ident::StackFqn;
use runway_core::plan::ShownValue;
use runway_core::provider::StackRef;

use super::*;

#[tokio::test(start_paused = true)]
async fn assertions_keep_nothing_so_that_any_number_may_look_at_the_same() {
    let world = World::new();
    let asserting = |more: &str| {
        project(
            &format!(
                concat!(
                    "  - {{name: one, kind: assert, args: {{value: 1, equals: 1}}}}\n",
                    "  - {{name: two, kind: assert, args: {{value: 2, equals: 2}}}}\n",
                    "  - {{name: three, kind: assert, args: {{value: \"${{output base.Note}}\", equals: x}}}}\n",
                    "  - {{name: four, kind: assert, args: {{value: \"${{output base.Note}}\", exists: true}}}}\n",
                    "  - {{name: idle, kind: assert, enabled: false, args: {{value: 1, equals: 2}}}}\n",
                    "{}",
                ),
                more
            ),
            "  - {name: base, template_path: t.yml, variables: {Note: x}}\n",
        )
    };
    done(&world, &asserting("")).await;
    done(&world, &asserting("")).await;
    // Two that see to it that a stack is gone are two that delete it.
    let absent = |name: &str| format!("  - {{name: {name}, kind: stack_absent, args: {{name: old}}}}\n");
    let error = world.no_plan(&asserting(&(absent("a") + &absent("b")))).await;
    assert!(format!("{:?}", error.findings).contains("same_subject"), "{:?}", error.findings);
}

/// Switches the termination protection of a stack.
async fn protect(world: &World, stack: &str, enabled: bool) {
    let stack = StackRef::Name(StackFqn::new(stack));
    world.local_cloudformation().set_termination_protection(&stack, enabled).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_protected_stack_is_not_offered_for_deletion() {
    let world = World::new();
    let other = project("", "  - {name: old, template_path: t.yml, variables: {Note: x}}\n");
    let other = Project { head: other.head.replace("namespace: ns", "namespace: other"), ..other };
    done(&world, &other.without_graph()).await;
    protect(&world, "other-old", true).await;
    let gone = |before: &str| {
        project(
            &format!(
                "{before}  - {{name: gone, kind: stack_absent, requires: [first], args: {{name: other-old}}}}\n"
            ),
            "",
        )
    };
    let first = "  - {name: first, kind: thing, args: {name: first, value: x}}\n";
    done(&world, &project(first, "")).await;
    let error = world.no_plan(&gone(first)).await;
    assert_eq!(error.exit, ExitCode::Refused, "{:?}", error.findings);
    let told = format!("{:?}", error.findings);
    assert!(told.contains("tasks::undeletable") && told.contains("termination protection"), "{told}");
    // What comes before it may switch that off: then it is a remark.
    let planned = world.plan(&gone(&first.replace("value: x", "value: y"))).await;
    let step = planned.plan.steps.iter().find(|step| step.name.as_str() == "stack_absent/gone").unwrap();
    assert_eq!(step.action, Action::Delete);
    assert!(step.notes.iter().any(|note| note.code == "plan::termination_protected"), "{:?}", step.notes);
    protect(&world, "other-old", false).await;
    assert_eq!(world.plan(&gone(first)).await.plan.summary().delete, 1);
}

#[tokio::test(start_paused = true)]
async fn the_protected_stack_of_a_task_that_goes_is_a_remark() {
    let world = World::new();
    let spoke = "  - {name: spoke, kind: bootstrap_spoke, on_remove: delete, args: {stack_name: hub, template: \"{Resources: {P: {Type: AWS::SSM::Parameter, Properties: {Type: String, Value: x}}}}\"}}\n";
    let other = "  - {name: other, kind: thing, args: {name: other, value: x}}\n";
    done(&world, &project(&format!("{spoke}{other}"), "")).await;
    protect(&world, "hub", true).await;
    let planned = world.plan(&project(other, "")).await;
    let step = planned.plan.steps.iter().find(|step| step.name.as_str() == "bootstrap_spoke/spoke").unwrap();
    let notes: Vec<&str> = step.notes.iter().map(|note| note.code).collect();
    assert_eq!((step.action, notes), (Action::Delete, vec!["plan::termination_protected"]));
}

#[tokio::test(start_paused = true)]
async fn a_text_and_a_number_that_look_alike_are_told_apart() {
    let world = World::new();
    let asserting = |value: &str, equals: &str| {
        let task = "  - {name: one, kind: assert, args: {value: VALUE, equals: EQUALS}}\n";
        project(&task.replace("VALUE", value).replace("EQUALS", equals), "")
    };
    let shown = async |value: &str, equals: &str| {
        let planned = world.plan(&asserting(value, equals)).await;
        let detail = planned.plan.steps[0].changes.details[0].clone();
        let text = |value: Option<ShownValue>| match value {
            Some(ShownValue::Plain(text)) => text,
            other => panic!("{other:?}"),
        };
        (text(detail.before), text(detail.after))
    };
    assert_eq!(shown("'1'", "1").await, ("\"1\"".to_owned(), "1".to_owned()));
    assert_eq!(shown("true", "'true'").await, ("true".to_owned(), "\"true\"".to_owned()));
    assert_eq!(shown("one", "two").await, ("one".to_owned(), "two".to_owned()));
}
