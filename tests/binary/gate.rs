//! Data is lost only where somebody said so: `--allow`, `acknowledge`, a person, or `refuse_data_loss: false`.

use crate::support::{HEAD, Project};

const STACKS: &str = "  - {name: db, template_path: db.yml}\n";

fn template(name: &str, more: &str) -> String {
    format!(
        "Resources:\n  Topic: {{Type: AWS::SNS::Topic}}\n  Table:\n    Type: AWS::DynamoDB::Table\n{more}    Properties: {{TableName: {name}}}\n"
    )
}

/// A deployed table, and the template by which it would be replaced.
fn replaced(more: &str) -> Project {
    let project = Project::with_stacks(STACKS);
    project.file("db.yml", &template("first", more));
    project.run("deploy --yes").ended(0);
    project.file("db.yml", &template("second", more));
    project
}

fn acknowledged(project: &Project, entry: &str) {
    project.file("cfngin.yml", &format!("{HEAD}acknowledge:\n  - {entry}\nstacks:\n{STACKS}"));
}

#[test]
fn a_replacement_is_refused_with_the_words_that_allow_it() {
    let project = replaced("");
    for command in ["deploy --yes", "deploy --ci"] {
        let ran = project.run(command).ended(31);
        assert!(ran.stderr.contains("the plan loses, or may lose, data of db/Table"), "{}", ran.stderr);
        for words in
            ["DATA WILL BE LOST", "--allow db/Table", "- {stack: db, resource: Table, until: YYYY-MM-DD}"]
        {
            assert!(ran.stdout.contains(words), "{words}: {}", ran.stdout);
        }
    }
    project.run("plan --detailed-exitcode").ended(2);
    for wrong in ["other", "db/Topic", "DB", "db/table"] {
        project.run(&format!("deploy --yes --allow {wrong}")).ended(31);
    }
    project.run("deploy --yes --allow db/").ended(64);
    let plan: serde_json::Value =
        serde_json::from_str(&project.run("plan --format json").ended(0).stdout).unwrap();
    assert_eq!(plan["losses"][0]["allow"], "db/Table");
    assert_eq!(
        (&plan["losses"][0]["how"], &plan["losses"][0]["allowed"]),
        (&"replaced".into(), &false.into())
    );
    // Nothing was changed up to here.
    project.run("deploy --yes --allow db/Table").ended(0);
    project.run("plan --detailed-exitcode").ended(0);
}

#[test]
fn a_whole_stack_may_be_allowed() {
    replaced("").run("deploy --yes --allow db").ended(0);
}

#[test]
fn an_acknowledgement_holds_up_to_its_day() {
    let project = replaced("");
    acknowledged(&project, "{stack: db, resource: Table, until: 2020-01-31}");
    let ran = project.run("deploy --yes").ended(31);
    assert!(ran.stdout.contains("the acknowledgement of db/Table ended with 2020-01-31"), "{}", ran.stdout);
    acknowledged(&project, "{stack: other, until: 2999-12-31}");
    project.run("deploy --yes").ended(31);
    acknowledged(&project, "{stack: db, until: soon}");
    let ran = project.run("deploy --yes").ended(10);
    assert!(
        ran.stderr.contains("`until` must be a date") && ran.stderr.contains("cfngin.yml:"),
        "{}",
        ran.stderr
    );
    acknowledged(&project, "{stack: db}");
    let ran = project.run("validate").ended(10);
    assert!(ran.stderr.contains("has no `until`"), "{}", ran.stderr);
    acknowledged(&project, "{stack: db, resource: Table, until: 2999-12-31, reason: moved}");
    project.run("deploy --yes").ended(0);
}

#[test]
fn a_config_may_switch_the_refusal_off() {
    let project = replaced("");
    project.file("cfngin.yml", &format!("{HEAD}refuse_data_loss: false\nstacks:\n{STACKS}"));
    let ran = project.run("deploy --yes").ended(0);
    assert!(ran.stdout.contains("DATA WILL BE LOST"), "it is told all the same: {}", ran.stdout);
}

#[test]
fn what_is_retained_is_no_loss() {
    replaced("    UpdateReplacePolicy: Retain\n").run("deploy --yes").ended(0);
}

#[test]
fn a_removed_resource_and_a_removed_stack_are_refused_and_a_destroy_is_not() {
    let project = Project::with_stacks(STACKS);
    project.file("db.yml", &template("first", ""));
    project.run("deploy --yes").ended(0);
    project.file("db.yml", "Resources:\n  Topic: {Type: AWS::SNS::Topic}\n");
    let ran = project.run("deploy --yes").ended(31);
    assert!(
        ran.stdout.contains("db/Table (AWS::DynamoDB::Table, table): removed from its stack"),
        "{}",
        ran.stdout
    );

    project.file("t2.yml", "Resources:\n  Topic: {Type: AWS::SNS::Topic}\n");
    project.stacks("  - {name: other, template_path: t2.yml}\n");
    let ran = project.run("deploy --yes").ended(31);
    assert!(
        ran.stdout.contains("db/Table (AWS::DynamoDB::Table, table): deleted with its stack"),
        "{}",
        ran.stdout
    );
    assert!(project.run("status").ended(0).stdout.contains("ns-db"));
    // What is deployed decides, and not what is in the files now.
    project.run("destroy --yes").ended(0);
}

#[test]
fn a_stack_that_keeps_its_data_goes_without_asking() {
    let project = Project::with_stacks(STACKS);
    project.file("db.yml", &template("first", "    DeletionPolicy: Retain\n"));
    project.run("deploy --yes").ended(0);
    project.file("t2.yml", "Resources:\n  Topic: {Type: AWS::SNS::Topic}\n");
    project.stacks("  - {name: other, template_path: t2.yml}\n");
    let ran = project.run("deploy --yes").ended(0);
    assert!(ran.stdout.contains("the table is retained"), "{}", ran.stdout);
}

#[test]
fn a_task_that_deletes_a_stack_loses_its_data_only_where_that_is_allowed() {
    let project = Project::with_stacks(STACKS);
    project.file("db.yml", &template("first", ""));
    project.run("deploy --yes").ended(0);
    // A config that does not know the stack wants it gone.
    let other = "namespace: other\ncfngin_bucket: my-bucket\ntasks:\n  - {name: old, kind: stack_absent, args: {name: ns-db}}\nstacks: []\n";
    project.file("cfngin.yml", other);
    let ran = project.run("deploy --yes").ended(31);
    assert!(ran.stderr.contains("data of stack_absent/old/Table"), "{}", ran.stderr);
    assert!(ran.stdout.contains("--allow stack_absent/old/Table"), "{}", ran.stdout);
    project.run("deploy --yes --allow stack_absent/old/Topic").ended(31);
    project.run("deploy --yes --allow stack_absent/old").ended(0);
    assert!(project.run("plan").ended(0).stdout.contains("No changes"));
}
