//! The section `assets` of a config: pushes of builds as steps of the plan.

use serde_json::Value;

use crate::support::{HEAD, Project};

fn project(entry: &str) -> Project {
    let project = Project::new(&config(entry));
    for (path, text) in [("index.html", "<main>"), ("app.12345678.js", "1"), ("fed-mods.json", "{}")] {
        write(&project, path, text);
    }
    project
}

/// A project whose bucket is there.
fn with_bucket() -> Project {
    let project = project("");
    project.run("deploy --yes").ended(0);
    project
}

fn config(entry: &str) -> String {
    format!("{HEAD}stacks:\n  - {{name: a, template_path: t.yml, variables: {{Note: x}}}}\n{entry}")
}

fn write(project: &Project, path: &str, text: &str) {
    let path = project.path().join("dist").join(path);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, text).unwrap();
}

fn steps(project: &Project) -> Vec<Value> {
    let ran = project.run("plan --format json").ended(0);
    let plan: Value = serde_json::from_str(&ran.stdout).unwrap();
    plan["steps"].as_array().unwrap().clone()
}

fn step(project: &Project) -> Value {
    steps(project).into_iter().find(|step| step["name"] == "assets/web").unwrap()
}

const ENTRY: &str = "assets:\n  - {app: web, source: dist, bucket: my-bucket, requires: [a]}\n";

#[test]
fn a_build_is_pushed_after_what_it_requires_and_only_if_it_is_another() {
    let project = project(ENTRY);
    let first = step(&project);
    assert_eq!((&first["kind"], &first["action"]), (&"assets".into(), &"create".into()), "{first}");
    let ran = project.run("deploy --yes").ended(0);
    let at = |text: &str| ran.stderr.find(text).unwrap_or_else(|| panic!("no {text:?} in {}", ran.stderr));
    assert!(at("a: created") < at("assets/web: creating"), "{}", ran.stderr);
    // Progress, and the very last line that it says.
    assert!(at("assets/web | sending 1 file") < at("assets/web | replacing fed-mods.json"), "{}", ran.stderr);
    assert!(at("replacing fed-mods.json") < at("assets/web | 3 of 3 files sent"), "{}", ran.stderr);
    let listed = project.run("assets ls --app web --bucket my-bucket").ended(0);
    assert!(listed.stdout.contains("live"), "{}", listed.stdout);
    project.run("assets verify --app web --bucket my-bucket --deep").ended(0);

    let again = step(&project);
    assert_eq!(again["action"], "none", "{again}");
    project.run("deploy --yes").ended(0);

    write(&project, "app.87654321.js", "2");
    write(&project, "index.html", "<main 2>");
    let changed = step(&project);
    assert_eq!(changed["action"], "update");
    let details = changed["changes"]["details"].to_string();
    assert!(details.contains("1 file,") && details.contains("index.html, fed-mods.json"), "{details}");
    project.run("deploy --yes").ended(0);
    assert_eq!(step(&project)["action"], "none");

    // It left the config: what was pushed stays, and nothing is known of it any more.
    project.file("cfngin.yml", &config(""));
    let left = step(&project);
    assert_eq!(left["action"], "skip", "{left}");
    project.run("deploy --yes").ended(0);
    assert!(steps(&project).iter().all(|step| step["name"] == "a"));
    project.run("assets verify --app web --bucket my-bucket").ended(0);
}

#[test]
fn mistakes_are_told_without_a_cloud() {
    let project = project(
        "assets:
  - {app: web, source: dist, bucket: my-bucket, sorce: x}
  - {app: Web/1, name: second, source: dist, bucket: {name: b, prefx: x}}
  - {app: third, source: dist, bucket: b, manifest_time: build, concurrency: 0, immutable: '['}
  - {app: fourth, source: dist}
  - {app: fifth, source: dist, bucket: b, content_types: {html: x/y}}
  - {app: sixth, source: dist, bucket: b, content_types: {.js: \"a\\nb\"}, build: {image: \"a\\nb\"}}
  - {app: seventh, source: dist, bucket: b, prune: {enabled: true, threshold: 48}}
  - {app: eighth, source: dist, bucket: b, build: {timestamp: 1.5}}
",
    );
    let ran = project.run("validate").ended(10);
    for told in [
        "`sorce`",
        "prefx",
        "`manifest_time: build` needs `build.timestamp`",
        "`concurrency`",
        "`immutable`",
        "bucket",
        "`content_types` has `html`",
        "`content_types` has `.js`",
        "`build.image`",
        "`prune.threshold` is `48`",
        "`build.timestamp` is `1.5`",
    ] {
        assert!(ran.stderr.contains(told), "no {told} in {}", ran.stderr);
    }
    let project = self::project("assets:\n  - {app: web, source: nowhere, bucket: my-bucket}\n");
    let ran = project.run("plan").ended(10);
    assert!(ran.stderr.contains("nowhere"), "{}", ran.stderr);
}

#[test]
fn an_older_build_changes_nothing_and_one_that_would_be_refused_is_no_plan() {
    let entry = |more: &str| format!("assets:\n  - {{app: web, source: dist, bucket: my-bucket, {more}}}\n");
    let project = with_bucket();
    project.file("cfngin.yml", &config(&entry("build: {timestamp: 2}")));
    project.run("deploy --yes").ended(0);
    write(&project, "new.txt", "new");
    write(&project, "app.12345678.js", "other");
    project.file("cfngin.yml", &config(&entry("build: {timestamp: 1}")));
    let older = step(&project);
    assert_eq!(older["action"], "none", "{older}");
    assert!(older["changes"]["details"].to_string().contains("a newer build stays live"), "{older}");
    project.run("plan --detailed-exitcode").ended(0);

    project.file("cfngin.yml", &config(&entry("build: {timestamp: 3}, deny_in_place: true")));
    let refused = project.run("plan").ended(10);
    assert!(refused.stderr.contains("app.12345678.js"), "{}", refused.stderr);
    assert!(refused.stderr.contains("leave out `deny_in_place`"), "{}", refused.stderr);
}

#[test]
fn a_prune_that_is_refused_leaves_the_build_live_and_what_is_due_is_planned() {
    let entry = |build: u64, more: &str| {
        let prune = format!("prune: {{enabled: true, min_keep: 1{more}}}");
        let build = format!("manifest_time: build, build: {{timestamp: {build}}}");
        format!("assets:\n  - {{app: web, source: dist, bucket: my-bucket, {build}, {prune}}}\n")
    };
    let project = with_bucket();
    project.file("cfngin.yml", &config(&entry(1, "")));
    for number in 0..20 {
        write(&project, &format!("old/{number}.js"), "old");
    }
    project.run("deploy --yes").ended(0);
    std::fs::remove_dir_all(project.path().join("dist/old")).unwrap();
    for build in [2, 3] {
        write(&project, "index.html", &format!("<main {build}>"));
        project.file("cfngin.yml", &config(&entry(build, "")));
        let planned = step(&project);
        assert!(planned["changes"]["details"].to_string().contains("files of older builds"), "{planned}");
        let ran = project.run("deploy --yes").ended(0);
        let is_refused = ran.stderr.contains("nothing was pruned: 20 of 23 known files");
        assert_eq!(is_refused, build == 3, "{}", ran.stderr);
        assert_eq!(ran.stderr.contains("`prune.max_delete_ratio`"), is_refused, "{}", ran.stderr);
    }
    assert_eq!(step(&project)["action"], "none", "nothing would come of it");

    project.file("cfngin.yml", &config(&entry(3, ", max_delete_ratio: 1")));
    let due = step(&project);
    assert_eq!(due["action"], "update", "{due}");
    assert!(due["changes"]["details"].to_string().contains("20 files of 1 builds"), "{due}");
    let ran = project.run("deploy --yes").ended(0);
    assert!(ran.stderr.contains("20 files of older builds deleted"), "{}", ran.stderr);
    assert_eq!(step(&project)["action"], "none");
    project.run("assets verify --app web --bucket my-bucket --deep").ended(0);
}
