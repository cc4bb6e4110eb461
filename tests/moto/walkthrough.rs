//! The example of CFNgin's page on persistent graphs, stage by stage: one stack stays, one left the config, one is new.
//! CloudFormation allows no underscores in stack names, so each stack has a `stack_name`; the graph has the names of
//! the page.

use std::collections::BTreeMap;

use crate::support::{GRAPH, Scene, eventually, finished};

fn before() -> &'static str {
    concat!(
        "  - {name: first_stack, stack_name: first, template_path: templates/t.yml, variables: {Note: one, Up: none}}\n",
        "  - {name: removed_stack, stack_name: removed, template_path: templates/t.yml, variables: {Note: one, Up: \"${output first_stack.Name}\"}}\n",
    )
}

fn after() -> &'static str {
    concat!(
        "  - {name: first_stack, stack_name: first, template_path: templates/t.yml, variables: {Note: two, Up: none}}\n",
        "  - {name: new_stack, stack_name: new, template_path: templates/t.yml, variables: {Note: one, Up: none}}\n",
    )
}

#[test]
fn the_persistent_graph_example_of_cfngin() {
    let scene = Scene::new();
    scene.config(before());
    scene.run("deploy --yes").ended(0);
    let graph = scene.graph().unwrap();
    let expected = BTreeMap::from([
        ("first_stack".to_owned(), vec![]),
        ("removed_stack".to_owned(), vec!["first_stack".to_owned()]),
    ]);
    assert_eq!(graph, expected);
    assert_eq!(scene.stack_names(), ["example-first", "example-removed"]);

    // 1. The lock tag is there while stacks are being worked on, and what will exist is recorded already.
    scene.config(after());
    scene.delay("CreateStack", 2.0);
    let run = scene.start("deploy --yes");
    let (body, tags) = eventually("the graph is locked", || {
        scene.object(GRAPH).filter(|(_, tags)| tags.contains_key("cfngin_lock_code"))
    });
    assert!(tags["cfngin_lock_code"].starts_with("runway-rs."), "{tags:?}");
    let locked: BTreeMap<String, Vec<String>> = serde_json::from_str(&body).unwrap();
    assert_eq!(locked.keys().collect::<Vec<_>>(), ["first_stack", "new_stack", "removed_stack"]);
    let ran = finished(run).ended(0);
    assert!(ran.stdout.contains("1 stack WILL BE DELETED"), "{}", ran.stdout);

    // 2. The removed stack is deleted and gone from the object; 3. the first is updated; 4. the new one is created.
    let stacks = scene.stacks();
    assert_eq!(stacks.keys().collect::<Vec<_>>(), ["example-first", "example-new"]);
    assert_eq!(stacks["example-first"]["outputs"]["Note"], "two");
    let graph = scene.graph().unwrap();
    assert_eq!(graph.keys().collect::<Vec<_>>(), ["first_stack", "new_stack"]);
    // 5. The tag is removed.
    scene.is_unlocked();

    let again = scene.run("deploy --yes").ended(0);
    assert!(again.stdout.contains("No changes"), "{}", again.stdout);
    let graph = scene.object(GRAPH);
    assert_eq!(
        scene.run("plan --format json").ended(0).stdout,
        scene.run("plan --format json").ended(0).stdout
    );
    assert_eq!(scene.object(GRAPH), graph);

    // A destroy leaves nothing but templates and an empty state.
    scene.run("destroy --yes").ended(0);
    assert!(scene.stacks().is_empty());
    assert_eq!(scene.object(GRAPH), None);
    scene.is_unlocked();
    let (state, _) = scene.object(&format!("{GRAPH}.state")).unwrap();
    let state: serde_json::Value = serde_json::from_str(&state).unwrap();
    assert_eq!((&state["nodes"], &state["intents"]), (&serde_json::json!({}), &serde_json::json!({})));
}

#[test]
fn names_that_cloudformation_refuses_are_explained() {
    let scene = Scene::new();
    scene.config(
        "  - {name: first_stack, template_path: templates/t.yml, variables: {Note: one, Up: none}}\n",
    );
    scene.run("plan").ended(10).says("example-first_stack").says("stack_name");
}
