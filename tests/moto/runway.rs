//! Beside Runway 2.8.4 itself: the same stacks, the same graph, and turns on one graph.

use std::collections::BTreeMap;

use crate::support::{GRAPH, Scene};

fn project(scene: &Scene, stacks: &str) {
    let bucket = &scene.bucket;
    scene.file(
        "runway.yml",
        &format!(
            "deployments:\n  - modules:\n      - path: infra.cfn\n        parameters: {{namespace: example}}\n    regions: [{}]\n",
            scene.region
        ),
    );
    scene.file(
        "infra.cfn/cfngin.yml",
        &format!(
            "namespace: ${{namespace}}\ncfngin_bucket: {bucket}\npersistent_graph_key: my_graph\nstacks:\n{stacks}"
        ),
    );
    scene.file("infra.cfn/templates/t.yml", crate::support::TEMPLATE);
}

fn ours(line: &str) -> String {
    format!("{line} -e test")
}

const CHAIN: &str = concat!(
    "  - {name: a, template_path: templates/t.yml, variables: {Note: x, Up: none}}\n",
    "  - {name: b, template_path: templates/t.yml, tags: {layer: two}, variables: {Note: x, Up: \"${output a.Name}\"}}\n",
    "  - {name: c, template_path: templates/t.yml, variables: {Note: x, Up: \"${output b.Name}\"}}\n",
);

/// What both programs leave behind: stacks without their ids, the graph's bytes, the template keys.
fn left(scene: &Scene) -> (BTreeMap<String, serde_json::Value>, String, Vec<String>) {
    let keys = scene.keys().into_iter().filter(|key| key.starts_with("stack_templates/")).collect();
    (scene.stacks(), scene.object(GRAPH).unwrap().0, keys)
}

#[test]
fn both_leave_the_same_stacks_and_the_same_graph() {
    let scene = Scene::new();
    scene.make_bucket();
    project(&scene, CHAIN);
    scene.runway("deploy").ended(0);
    let by_runway = left(&scene);
    scene.runway("destroy").ended(0);
    assert!(scene.stacks().is_empty());
    scene.run(&ours("deploy --yes")).ended(0);
    assert_eq!(left(&scene), by_runway);
}

#[test]
fn the_two_take_turns_on_one_graph() {
    let scene = Scene::new();
    scene.make_bucket();
    project(&scene, CHAIN);
    scene.runway("deploy").ended(0);

    // What Runway made is known, and needs nothing.
    let plan = scene.run(&ours("plan --detailed-exitcode")).ended(0);
    assert!(plan.stdout.contains("No changes"), "{}", plan.stdout);

    // A stack leaves the config: we delete what Runway recorded.
    let two: String = CHAIN.lines().take(2).map(|line| format!("{line}\n")).collect();
    project(&scene, &two);
    scene.run(&ours("deploy --yes")).ended(0);
    assert_eq!(scene.stack_names(), ["example-a", "example-b"]);

    // Runway reads what we wrote, adds a stack, and unlocks.
    project(&scene, CHAIN);
    scene.runway("deploy").ended(0);
    assert_eq!(scene.stack_names(), ["example-a", "example-b", "example-c"]);
    scene.is_unlocked();
    let plan = scene.run(&ours("plan --detailed-exitcode")).ended(0);
    assert!(plan.stdout.contains("No changes"), "{}", plan.stdout);
    scene.run(&ours("destroy --yes")).ended(0);
    assert!(scene.stacks().is_empty());
    assert_eq!(scene.object(GRAPH), None);
}

#[test]
fn runway_does_not_work_on_a_graph_that_we_have_locked() {
    let scene = Scene::new();
    scene.make_bucket();
    project(&scene, CHAIN);
    scene.run(&ours("deploy --yes")).ended(0);
    let graph = scene.object(GRAPH).unwrap().0;
    scene.write(GRAPH, None, &[("cfngin_lock_code", "runway-rs.00000000-0000-4000-8000-000000000000")]);
    project(&scene, &CHAIN.replace("Note: x", "Note: y"));
    let ran = scene.runway("deploy");
    assert_ne!(ran.status.code(), Some(0), "{}", ran.stdout);
    assert_eq!(scene.stacks()["example-a"]["outputs"]["Note"], "x");
    assert_eq!(scene.object(GRAPH).unwrap().0, graph);
    // The mark says that it was one of ours, and there is no lease: dead, so it is replaced.
    scene.run(&ours("deploy --yes")).ended(0);
    assert_eq!(scene.stacks()["example-a"]["outputs"]["Note"], "y");
    scene.is_unlocked();
}
