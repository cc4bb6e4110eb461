//! Persistent graphs that targets have in common.

use super::scene::Scene;

#[test]
fn one_graph_for_two_regions_or_accounts_is_refused() {
    let scene = Scene::new(
        "deployments:\n  - modules: [a.cfn]\n    parameters: {note: x}\n    parallel_regions: [us-east-1, eu-west-1]\n",
    );
    scene.module("a.cfn");
    let config = std::fs::read_to_string(scene.path().join("a.cfn/cfngin.yml")).unwrap();
    scene.file("a.cfn/cfngin.yml", &config.replace("bucket-${region}", "bucket"));
    for command in ["plan", "deploy --yes", "destroy --yes"] {
        let ran = scene.run(&format!("{command} -e dev")).ended(31);
        assert!(ran.stderr.contains("s3://bucket/persistent_graphs/dev/a.json"), "{}", ran.stderr);
    }
    assert!(scene.stacks().is_empty());
    scene.file(
        "runway.yml",
        "deployments:
  - {modules: [a.cfn], parameters: {note: x}, regions: [us-east-1], account_id: 111111111111}
  - {modules: [a.cfn], parameters: {note: x}, regions: [us-east-1], account_id: 222222222222}
",
    );
    assert!(scene.run("deploy --yes -e dev").ended(31).stderr.contains("would share the persistent graph"));
}

#[test]
fn modules_with_one_graph_take_turns() {
    let scene = Scene::new(
        "deployments:\n  - modules:\n      - parallel: [a.cfn, b.cfn]\n    parameters: {note: x}\n    regions: [us-east-1]\n",
    );
    scene.module("a.cfn").module("b.cfn");
    let config = std::fs::read_to_string(scene.path().join("a.cfn/cfngin.yml")).unwrap();
    scene.file("b.cfn/cfngin.yml", &config);
    let ran = scene.run_with("deploy -e dev", &[("CI", "1")]).ended(0);
    assert!(ran.stderr.contains("have the same persistent graph"), "{}", ran.stderr);
    assert_eq!(scene.stacks(), ["us-east-1 dev-a"]);
}

#[test]
fn stacks_of_modules_that_are_not_selected_are_not_deleted() {
    let scene = Scene::new(
        "deployments:\n  - modules: [a.cfn, b.cfn, c.cfn]\n    parameters: {note: x}\n    regions: [us-east-1]\n",
    );
    scene.module("a.cfn").module("b.cfn").module("c.cfn");
    scene.run("deploy -e dev --yes").ended(0);
    for module in ["a.cfn", "b.cfn"] {
        let path = format!("{module}/cfngin.yml");
        let config = std::fs::read_to_string(scene.path().join(&path)).unwrap();
        let stack = &module[..1];
        let shared =
            config.replace(&format!("persistent_graph_key: {stack}"), "persistent_graph_key: shared");
        scene.file(&path, &shared);
    }
    for command in ["plan", "deploy --yes", "destroy --yes"] {
        let ran = scene.run(&format!("{command} -e dev --module a.cfn")).ended(31);
        assert!(
            ran.stderr.contains("deployment_1.b.cfn in us-east-1, which is not selected"),
            "{}",
            ran.stderr
        );
    }
    scene.run("deploy -e dev --yes --module a.cfn --stack a").ended(0);
    scene.run("deploy -e dev --yes --module c.cfn").ended(0);
    assert_eq!(scene.stacks(), ["us-east-1 dev-a", "us-east-1 dev-b", "us-east-1 dev-c"]);
}
