//! `--report` and `--junit`: what CI systems read about a run, whether it went well or not.

use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use crate::formats::check;
use crate::python::python;
use crate::support::{HEAD, Project};

const BROKEN: &str = r#"Resources:
  P:
    Type: AWS::SSM::Parameter
    Metadata: {"runway-rs:local": {seconds: 0, fail: "no <room> & \"space\" left"}}
    Properties: {Type: String, Value: x}
Outputs: {Note: {Value: x}}
"#;

const FIVE: &str = concat!(
    "  - {name: a, template_path: t.yml, variables: {Note: x}}\n",
    "  - {name: b, template_path: broken.yml}\n",
    "  - {name: c, template_path: t.yml, variables: {Note: \"${output b.Note}\"}}\n",
    "  - {name: d, template_path: t.yml, enabled: false, variables: {Note: x}}\n",
    "  - {name: e, template_path: t.yml, variables: {Note: \"${output a.Note}\"}}\n",
);

/// Reads JUnit XML with another parser than the one that wrote it: attributes and texts of suites and cases.
const PARSE: &str = r"
import json, sys, xml.etree.ElementTree as tree
def case(element):
    kinds = [child.tag for child in element]
    child = element[0] if len(element) else None
    message = child.get('message') if child is not None else None
    return [element.get('name'), element.get('classname'), kinds, message, float(element.get('time')) >= 0]
root = tree.parse(sys.argv[1]).getroot()
counts = lambda element: [int(element.get(name)) for name in ('tests', 'failures', 'errors', 'skipped')]
suites = [[suite.get('name'), counts(suite), [case(one) for one in suite.iter('testcase')]] for suite in root]
print(json.dumps({'root': root.tag, 'counts': counts(root), 'suites': suites}))
";

fn parsed(path: &Path) -> Value {
    let ran = Command::new(python("runway")).args(["-c", PARSE]).arg(path).output().unwrap();
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    serde_json::from_slice(&ran.stdout).unwrap()
}

fn report(path: &Path) -> Value {
    let document: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    check("report", &document);
    document
}

/// Names and outcomes of the nodes of a run.
fn outcomes(run: &Value) -> Vec<(String, String)> {
    let text = |node: &Value, name: &str| node[name].as_str().unwrap().to_owned();
    run["nodes"].as_array().unwrap().iter().map(|node| (text(node, "name"), text(node, "outcome"))).collect()
}

fn pairs(expected: &[(&str, &str)]) -> Vec<(String, String)> {
    expected.iter().map(|(name, outcome)| ((*name).to_owned(), (*outcome).to_owned())).collect()
}

#[test]
fn a_run_that_fails_is_reported_node_by_node() {
    let project = Project::with_stacks(FIVE);
    project.file("broken.yml", BROKEN);
    project.run("deploy --yes --report report.json --junit junit.xml").ended(30);
    let document = report(&project.path().join("report.json"));
    assert_eq!((&document["exit"], &document["command"]), (&json!(30), &json!("deploy")));
    let run = &document["runs"][0];
    let expected = [("a", "created"), ("b", "failed"), ("c", "blocked"), ("d", "skipped"), ("e", "created")];
    let mut found = outcomes(run);
    found.sort();
    assert_eq!(found, pairs(&expected));
    let node =
        |name: &str| run["nodes"].as_array().unwrap().iter().find(|node| node["name"] == name).unwrap();
    assert_eq!(node("b")["failure"]["resource"]["reason"], "no <room> & \"space\" left");
    assert_eq!(node("c")["by"], json!(["b"]));
    assert_eq!(node("d")["reason"], "disabled");
    assert!(node("a")["elapsed"].is_f64() && node("c")["elapsed"].is_null());
    assert_eq!(document["summary"]["created"], 2);

    let junit = parsed(&project.path().join("junit.xml"));
    assert_eq!((&junit["root"], &junit["counts"]), (&json!("testsuites"), &json!([5, 1, 0, 2])));
    let suite = &junit["suites"][0];
    assert_eq!(suite[0], "cfngin.yml");
    let mut cases: Vec<&Value> = suite[2].as_array().unwrap().iter().collect();
    cases.sort_by_key(|case| case[0].as_str().unwrap().to_owned());
    let failed = "first failed: P (AWS::SSM::Parameter): no <room> & \"space\" left";
    assert_eq!(cases[0], &json!(["a", "ns.us-east-1", ["system-out"], null, true]));
    assert_eq!(cases[1], &json!(["b", "ns.us-east-1", ["failure"], failed, true]));
    assert_eq!(cases[2], &json!(["c", "ns.us-east-1", ["skipped"], "not started, because of b", true]));
    assert_eq!(cases[3], &json!(["d", "ns.us-east-1", ["skipped"], "disabled", true]));
}

#[test]
fn what_comes_after_is_reported_too() {
    let project = Project::with_stacks("  - {name: a, template_path: t.yml, variables: {Note: x}}\n");
    let last = |line: &str, exit: i32| {
        project.run(&format!("{line} --report r.json --junit r.xml")).ended(exit);
        (report(&project.path().join("r.json")), parsed(&project.path().join("r.xml")))
    };
    let (refused, junit) = last("deploy", 31);
    assert_eq!(outcomes(&refused["runs"][0]), pairs(&[("a", "cancelled")]));
    assert_eq!(refused["runs"][0]["nodes"][0]["cause"], "refused");
    // Nothing failed, and yet it did not do what it was started for.
    assert_eq!(junit["counts"], json!([2, 0, 1, 1]));
    assert_eq!(outcomes(&last("deploy --yes", 0).0["runs"][0]), pairs(&[("a", "created")]));
    assert_eq!(outcomes(&last("deploy --yes", 0).0["runs"][0]), pairs(&[("a", "unchanged")]));
    assert_eq!(outcomes(&last("destroy --yes", 0).0["runs"][0]), pairs(&[("a", "deleted")]));
    let left: Vec<_> =
        std::fs::read_dir(project.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert!(!left.iter().any(|name| name.to_string_lossy().ends_with(".tmp")), "{left:?}");
}

#[test]
fn a_config_with_mistakes_is_reported_as_an_error() {
    let project = Project::with_stacks("  - {name: a, template_path: t.yml, variables: {Note: no}}\n");
    project.run("deploy --yes --report r.json --junit r.xml").ended(10);
    let document = report(&project.path().join("r.json"));
    let errors: Vec<&Value> = [&document["errors"], &document["runs"][0]["errors"]]
        .into_iter()
        .flat_map(|errors| errors.as_array().into_iter().flatten())
        .collect();
    assert_eq!(errors.len(), 1, "{document:#}");
    assert_eq!((&errors[0]["file"], &errors[0]["line"]), (&json!("cfngin.yml"), &json!(5)));
    let junit = parsed(&project.path().join("r.xml"));
    assert_eq!(junit["counts"], json!([1, 0, 1, 0]));
}

#[test]
fn of_several_configs_those_that_did_not_get_their_turn_are_named() {
    let project = Project::with_stacks("  - {name: b, template_path: broken.yml}\n");
    project.file("broken.yml", BROKEN);
    project.file(
        "later.yml",
        &format!("{HEAD}stacks:\n  - {{name: a, template_path: t.yml, variables: {{Note: x}}}}\n")
            .replace("main", "other"),
    );
    for template in ["t.yml", "broken.yml"] {
        std::fs::create_dir_all(project.path().join("templates")).unwrap();
        std::fs::rename(project.path().join(template), project.path().join("templates").join(template))
            .unwrap();
    }
    for config in ["cfngin.yml", "later.yml"] {
        let path = project.path().join(config);
        let text =
            std::fs::read_to_string(&path).unwrap().replace("template_path: ", "template_path: templates/");
        std::fs::write(path, text).unwrap();
    }
    project.run("deploy --yes -c . --report r.json --junit r.xml").ended(30);
    let document = report(&project.path().join("r.json"));
    assert_eq!(document["runs"].as_array().unwrap().len(), 1);
    assert_eq!(document["not_reached"][0]["config"], "later.yml");
    let junit = parsed(&project.path().join("r.xml"));
    assert_eq!(junit["suites"][1][0], "later.yml");
    assert_eq!(junit["suites"][1][2][0][2], json!(["skipped"]));
}

#[test]
fn a_file_that_cannot_be_written_is_told_before_anything_is_done() {
    let project = Project::with_stacks("  - {name: a, template_path: t.yml, variables: {Note: x}}\n");
    let ran = project.run("deploy --yes --report nowhere/r.json").ended(10);
    assert!(ran.stderr.contains("settings::unwritable"), "{}", ran.stderr);
    let ran = project.run("deploy --yes --junit /dev/null").ended(10);
    assert!(ran.stderr.contains("it is no regular file"), "{}", ran.stderr);
    let ran = project.run("deploy --yes --report r --junit r").ended(64);
    assert!(ran.stderr.contains("settings::same_file"), "{}", ran.stderr);
    assert!(project.run("status").ended(0).stdout.contains("ABSENT"));
}
