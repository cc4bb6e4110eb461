//! Graph objects that others wrote or broke.

use crate::support::{GRAPH, Scene};

const ONE: &str = "  - {name: a, template_path: templates/t.yml, variables: {Note: x, Up: none}}\n";

#[test]
fn a_lock_of_cfngin_is_respected() {
    let scene = Scene::new();
    scene.config(ONE);
    scene.run("deploy --yes").ended(0);
    let code = "5f0c8a1b-22ff-4000-8000-000000000000";
    scene.write(GRAPH, None, &[("cfngin_lock_code", code), ("team", "blue")]);
    scene.config(&ONE.replace("Note: x", "Note: y"));
    scene.run("deploy --yes").ended(20).says(code).says("CFNgin");
    assert_eq!(scene.stacks()["example-a"]["outputs"]["Note"], "x");
    let (_, tags) = scene.object(GRAPH).unwrap();
    assert_eq!(tags["cfngin_lock_code"], code);
    assert_eq!(scene.object(&format!("{GRAPH}.lock")), None);

    scene.run("graph unlock").ended(31).says(code);
    scene.run("graph unlock --force").ended(0).says("unlocked");
    scene.run("deploy --yes").ended(0);
    let (_, tags) = scene.object(GRAPH).unwrap();
    assert_eq!(tags.into_iter().collect::<Vec<_>>(), [("team".to_owned(), "blue".to_owned())]);
}

#[test]
fn a_graph_that_is_no_json_is_explained_with_the_command_that_repairs_it() {
    let scene = Scene::new();
    scene.make_bucket();
    scene.config(ONE);
    scene.run("deploy --yes").ended(0);
    let good = scene.versions(GRAPH)[0].clone();
    scene.write(GRAPH, Some("{\"a\": [\n  oops\n]}"), &[]);
    let versions = scene.versions(GRAPH);
    for line in ["plan", "deploy --yes", "destroy --yes", "graph show"] {
        let ran = scene.run(line).ended(12).says("line 2 column 3").says(&versions[0]);
        let command = ran.stderr.split_whitespace().collect::<Vec<_>>().join(" ");
        let restore = format!("versionId={good}");
        assert!(command.contains("aws s3api copy-object") && command.contains(&restore), "{}", ran.stderr);
    }
    assert_eq!(scene.versions(GRAPH), versions, "nothing was written");
    assert_eq!(scene.stack_names(), ["example-a"]);
}

#[test]
fn dangling_edges_are_repaired_with_a_warning() {
    let scene = Scene::new();
    scene.make_bucket();
    scene.config(ONE);
    scene.write(GRAPH, Some("{\"a\": [\"ghost\"]}"), &[]);
    scene.run("deploy --yes").ended(0).says("ghost");
    assert_eq!(scene.object(GRAPH).unwrap().0, "{\n    \"a\": []\n}");
}

#[test]
fn forgetting_a_stack_leaves_it_alone() {
    let scene = Scene::new();
    scene.config(&format!("{ONE}{}", ONE.replace("name: a", "name: b")));
    scene.run("deploy --yes").ended(0);
    scene.run("graph forget b").ended(0);
    scene.config(ONE);
    let plan = scene.run("plan --detailed-exitcode").ended(0);
    assert!(plan.stdout.contains("No changes"), "{}", plan.stdout);
    assert_eq!(scene.stack_names(), ["example-a", "example-b"]);
    let show = scene.run("graph show --format json").ended(0);
    let view: serde_json::Value = serde_json::from_str(&show.stdout).unwrap();
    assert_eq!(view["version"], 1);
    scene.run("graph forget b").ended(12);
}
