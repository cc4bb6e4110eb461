//! The order of deployments, regions and modules, and where it ends.

use super::scene::{Scene, json, planned};

const TWO: &str = "deployments:
  - name: first
    modules: [a.cfn, b.cfn]
    parameters: {note: x}
    regions: [us-east-1, eu-west-1]
  - name: second
    modules: [c.cfn]
    parameters: {note: y}
    regions: [us-east-1]
";

fn two() -> Scene {
    let scene = Scene::new(TWO);
    scene.module("a.cfn").module("b.cfn").module("c.cfn");
    scene
}

#[test]
fn deployments_regions_and_modules_go_in_order_and_back() {
    let scene = two();
    let order = [
        "first.a.cfn in us-east-1",
        "first.b.cfn in us-east-1",
        "first.a.cfn in eu-west-1",
        "first.b.cfn in eu-west-1",
        "second.c.cfn in us-east-1",
    ];
    let plan = scene.run("plan -e dev --format json").ended(0);
    assert_eq!(planned(&plan.stdout), order);
    assert!(scene.stacks().is_empty());
    let deploy = scene.run("deploy -e dev --yes --format json").ended(0);
    assert_eq!(planned(&deploy.stdout), order);
    assert_eq!(
        scene.stacks(),
        ["eu-west-1 dev-a", "eu-west-1 dev-b", "us-east-1 dev-a", "us-east-1 dev-b", "us-east-1 dev-c"]
    );
    // Nothing is left to do, and `taxi` is `plan`.
    scene.run("taxi -e dev --detailed-exitcode").ended(0);
    let mut reversed = order;
    reversed.reverse();
    let destroy = scene.run("dismantle -e dev --yes --format json").ended(0);
    assert_eq!(planned(&destroy.stdout), reversed);
    assert!(scene.stacks().is_empty());
}

#[test]
fn a_failure_stops_what_comes_after() {
    let scene = two();
    scene.file(
        "b.cfn/templates/t.yml",
        &crate::support::TEMPLATE.replace("seconds: 0", "seconds: 0, fail: create"),
    );
    let ran = scene.run("deploy -e dev --yes").ended(30);
    assert!(scene.stacks().contains(&"us-east-1 dev-a".to_owned()), "{}", ran.stderr);
    let gone_on = |stack: &String| stack.starts_with("eu-west-1") || stack.ends_with("dev-c");
    assert!(!scene.stacks().iter().any(gone_on), "{:?}", scene.stacks());
}

#[test]
fn every_config_of_every_module_is_read_before_the_first_is_deployed() {
    let scene = two();
    scene.file("c.cfn/cfngin.yml", "namespace: n\nstacks: [{name: a, template_pth: t.yml}]\n");
    scene.file("b.cfn/other.yml", "namespac: n\n");
    let ran = scene.run("deploy -e dev --yes").ended(10);
    for told in ["c.cfn/cfngin.yml", "b.cfn/other.yml", "template_pth"] {
        assert!(ran.stderr.contains(told), "no {told} in {}", ran.stderr);
    }
    assert!(scene.stacks().is_empty());
    scene.run("validate -e dev").ended(10);
}

#[test]
fn parallel_regions_and_modules_end_as_sequential_ones_do() {
    let project = "deployments:
  - name: all
    modules:
      - parallel: [a.cfn, b.cfn]
      - c.cfn
    parameters: {note: x}
    parallel_regions: [us-east-1, eu-west-1]
";
    let scene = Scene::new(project);
    scene.module("a.cfn").module("b.cfn").module("c.cfn");
    let ran = scene.run_with("deploy -e dev --format json", &[("CI", "")]).ended(0);
    assert_eq!(scene.stacks().len(), 6);
    // Whole documents, each with its target.
    assert!(json(&ran.stdout).iter().all(|document| document["target"].is_string()), "{}", ran.stdout);
    let position = |target: &str| planned(&ran.stdout).iter().position(|known| known == target).unwrap();
    for region in ["us-east-1", "eu-west-1"] {
        let last = position(&format!("all.c.cfn in {region}"));
        assert!(position(&format!("all.a.cfn in {region}")) < last);
    }
    let ran =
        scene.run_with("destroy -e dev", &[("CI", "1"), ("RUNWAY_MAX_CONCURRENT_REGIONS", "1")]).ended(0);
    assert!(ran.stderr.contains("[all.b.cfn in us-east-1] b: deleted"), "{}", ran.stderr);
    assert!(scene.stacks().is_empty());
    scene.run_with("destroy -e dev", &[("CI", "1"), ("RUNWAY_MAX_CONCURRENT_MODULES", "many")]).ended(64);
}

#[test]
fn configs_of_a_module_go_in_order_and_back() {
    let scene =
        Scene::new("deployments:\n  - {modules: [a.cfn], regions: [us-east-1], parameters: {note: x}}\n");
    scene.module("a.cfn");
    let second = "namespace: ${environment}\ncfngin_bucket: bucket-${region}\npersistent_graph_key: z\nstacks:\n  - {name: z, template_path: templates/t.yml, variables: {Note: \"${xref dev-a::Note}\"}}\n";
    scene.file("a.cfn/z.yml", second);
    scene.run("deploy -e dev --yes").ended(0);
    assert_eq!(scene.stacks(), ["us-east-1 dev-a", "us-east-1 dev-z"]);
    scene.run("destroy -e dev --yes").ended(0);
    assert!(scene.stacks().is_empty());
}

#[test]
fn the_project_is_found_from_a_module_and_by_name() {
    let scene = two();
    let plan = scene.run_in("a.cfn", "plan -e dev --format json").ended(0);
    assert_eq!(planned(&plan.stdout).len(), 5);
    for named in ["-c .", "-c runway.yml"] {
        assert_eq!(
            planned(&scene.run(&format!("plan {named} -e dev --format json")).ended(0).stdout).len(),
            5
        );
    }
    // What is above does not matter.
    scene.file("../runway.yml", "").file("../runway.yaml", "");
    scene.run("plan -e dev").ended(0);
    // A config that is named is worked on by itself.
    let alone = scene.run("plan -c a.cfn/cfngin.yml -e dev --param note=x --format json").ended(0);
    assert_eq!(json(&alone.stdout).len(), 1);
    scene.file("runway.yaml", TWO);
    assert!(scene.run("plan -e dev").ended(10).stderr.contains("two project files"));
}
