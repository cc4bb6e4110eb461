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
    ] {
        assert!(ran.stderr.contains(told), "no {told} in {}", ran.stderr);
    }
    let project = self::project("assets:\n  - {app: web, source: nowhere, bucket: my-bucket}\n");
    let ran = project.run("plan").ended(10);
    assert!(ran.stderr.contains("nowhere"), "{}", ran.stderr);
}
