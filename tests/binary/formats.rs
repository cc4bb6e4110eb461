//! What programs read: JSON documents by their schemas, lines of events, shell assignments, exit codes.

use std::path::Path;

use serde_json::Value;

use crate::support::Project;

const TWO: &str = concat!(
    "  - {name: a, template_path: t.yml, variables: {Note: x}}\n",
    "  - {name: b, template_path: t.yml, variables: {Note: \"${output a.Note}\"}}\n",
);

#[track_caller]
pub(crate) fn check(schema: &str, document: &Value) {
    let path =
        Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../../config-schema/{schema}.schema.json"));
    let schema: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    let errors: Vec<String> = validator.iter_errors(document).map(|error| error.to_string()).collect();
    assert!(errors.is_empty(), "{errors:#?}\n{document:#}");
}

#[test]
fn documents_follow_their_schemas() {
    let project = Project::with_stacks(TWO);
    let plan = project.run("plan --format json").ended(0);
    check("plan", &serde_json::from_str(&plan.stdout).unwrap());

    let deploy = project.run("deploy --yes --format json").ended(0);
    let mut lines = deploy.stdout.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let first = lines.next().unwrap();
    check("plan", &first);
    let events: Vec<Value> = lines.collect();
    for event in &events {
        check("events", event);
    }
    assert_eq!(events.last().unwrap()["event"], "run_finished");
    let created = events.iter().filter(|event| event["event"] == "step_finished").count();
    // The bucket's own stack comes first.
    assert_eq!((created, events[0]["name"].as_str()), (3, Some("cfngin-bucket")));

    let status = project.run("status --format json").ended(0);
    let status: Value = serde_json::from_str(&status.stdout).unwrap();
    check("status", &status);
    assert_eq!(status["stacks"][1]["fqn"], "ns-b");
    for (line, document) in [("outputs", "outputs"), ("graph show", "graph")] {
        let printed = project.run(&format!("{line} --format json")).ended(0).stdout;
        let printed: Value = serde_json::from_str(&printed).unwrap();
        check(document, &printed);
        assert_eq!(printed["version"], 1);
    }
    let failed = project.run("outputs nothing --format json").stdout;
    check("error", &serde_json::from_str(&failed).unwrap());
    let config = project.run("schema cfngin").ended(0);
    assert!(jsonschema::validator_for(&serde_json::from_str(&config.stdout).unwrap()).is_ok());
    assert!(project.run("schema cfngin --indent 4 -o c.json").ended(0).stdout.is_empty());
    let written = std::fs::read_to_string(project.path().join("c.json")).unwrap();
    assert!(written.starts_with("{\n    \"$"), "{written}");
    let (written, config): (Value, Value) =
        (serde_json::from_str(&written).unwrap(), serde_json::from_str(&config.stdout).unwrap());
    assert_eq!(written, config);
}

#[test]
fn exit_codes_tell_whether_there_is_something_to_do() {
    let project = Project::with_stacks(TWO);
    project.run("plan").ended(0);
    project.run("plan --detailed-exitcode").ended(2);
    project.run("deploy --yes").ended(0);
    project.run("plan --detailed-exitcode").ended(0);
    project.run("plan --destroy --detailed-exitcode").ended(2);
}

#[test]
fn without_a_terminal_and_without_a_yes_nothing_happens() {
    let project = Project::with_stacks(TWO);
    let ran = project.run("deploy").ended(31);
    assert!(ran.stdout.contains("Plan: 2 to create."), "{}", ran.stdout);
    assert!(ran.stderr.contains("--yes"), "{}", ran.stderr);
    let status = project.run("status").ended(0);
    assert_eq!(status.stdout.matches("ABSENT").count(), 2, "{}", status.stdout);
    let mut in_ci = project.command("deploy");
    assert!(in_ci.env("CI", "1").output().unwrap().status.success());
}

#[test]
fn equal_input_gives_equal_bytes() {
    let project = Project::with_stacks(TWO);
    for line in ["plan", "plan --format json", "plan --format markdown"] {
        assert_eq!(project.run(line).ended(0).stdout, project.run(line).ended(0).stdout);
    }
    project.run("deploy --yes").ended(0);
    for line in ["plan --format json", "graph show --format mermaid", "graph show --format dot", "outputs"] {
        assert_eq!(project.run(line).ended(0).stdout, project.run(line).ended(0).stdout);
    }
}

#[test]
fn outputs_reach_shells() {
    let project = Project::with_stacks(TWO);
    project.run("deploy --yes").ended(0);
    assert_eq!(project.run("outputs --format env").ended(0).stdout, "A_NOTE='x'\nB_NOTE='x'\n");
    let one = project.run("outputs b --format json").ended(0);
    let one: Value = serde_json::from_str(&one.stdout).unwrap();
    assert_eq!(one["stacks"], serde_json::json!({"b": {"Note": "x"}}));
    project.run("outputs nobody").ended(10);
}

#[test]
fn errors_are_documents_too() {
    let project = Project::with_stacks("  - {name: a, template_path: t.yml, variables: {Note: no}}\n");
    let ran = project.run("plan --format json").ended(10);
    let document: Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!(document["error"]["exit"], 10);
    let finding = &document["error"]["findings"][0];
    assert_eq!(finding["line"], 5);
    assert_eq!(finding["labels"][0]["text"], "this value");
}

#[test]
fn colours_only_where_they_are_wanted() {
    let project = Project::with_stacks(TWO);
    assert!(!project.run("plan").ended(0).stdout.contains('\u{1b}'));
    assert!(project.run("plan --color always").ended(0).stdout.contains('\u{1b}'));
    assert!(!project.run("plan --color always --no-color").ended(0).stdout.contains('\u{1b}'));
}

#[test]
fn help_for_shells_and_readers() {
    let project = Project::with_stacks(TWO);
    assert!(project.run("completions bash").ended(0).stdout.contains("runway-rs"));
    assert!(project.run("man").ended(0).stdout.contains(".TH"));
    assert!(project.run("--version").stdout.starts_with("runway-rs "));
}

#[test]
fn a_part_of_the_stacks_is_chosen_by_name() {
    let project = Project::with_stacks(TWO);
    let ran = project.run("deploy --yes --stack b").ended(10);
    assert!(ran.stderr.contains("--with-dependencies"), "{}", ran.stderr);
    let ran = project.run("plan --stack bb").ended(10);
    assert!(ran.stderr.contains("plan::unknown_selection"), "{}", ran.stderr);
    project.run("plan --with-dependents").ended(64);
    project.run("deploy --yes --stack a").ended(0);
    let status = project.run("status").ended(0);
    assert_eq!(status.stdout.matches("ABSENT").count(), 1, "{}", status.stdout);
    let plan = project.run("plan --stack a --format json --detailed-exitcode").ended(0);
    let plan: Value = serde_json::from_str(&plan.stdout).unwrap();
    check("plan", &plan);
    assert_eq!(plan["steps"][1]["reasons"], serde_json::json!(["not_selected"]));
    project.run("deploy --yes --stack b --with-dependencies").ended(0);
    project.run("destroy --yes --stack a").ended(31);
    project.run("destroy --yes --stack a --with-dependents").ended(0);
}
