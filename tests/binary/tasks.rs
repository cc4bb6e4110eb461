//! Tasks on the embedded provider: programs, stacks of any account, assertions; and what has no service there.

use crate::support::{HEAD, Project};

fn project(tasks: &str) -> Project {
    Project::new(&format!(
        "{HEAD}stacks:\n  - {{name: a, template_path: t.yml, variables: {{Note: x}}}}\ntasks:\n{tasks}"
    ))
}

#[cfg(unix)]
#[test]
fn programs_run_in_the_directory_of_the_config() {
    let project = project(
        "  - name: write
    kind: command
    requires: [a]
    args: {command: 'echo \"$1 $WORD\" > written; echo told; cat >> written', args: [first], env: {WORD: \"${output a.Note}\"}, stdin: more}
  - name: read
    kind: command
    requires: [command/write]
    args: {command: [/bin/cat, written], capture: true}
  - name: check
    kind: assert
    args: {value: \"${task command/read.output}\", equals: \"first x\\nmore\"}
",
    );
    let ran = project.run("deploy --yes").ended(0);
    assert!(ran.stderr.contains("told") || ran.stdout.contains("told"), "{}{}", ran.stdout, ran.stderr);
    assert_eq!(std::fs::read_to_string(project.path().join("written")).unwrap(), "first x\nmore");
    // Nothing changed: nothing runs.
    std::fs::remove_file(project.path().join("written")).unwrap();
    project.run("deploy --yes").ended(0);
    assert!(!project.path().join("written").exists());
}

#[cfg(unix)]
#[test]
fn a_program_that_fails_fails_the_run() {
    let failing = "  - {name: f, kind: command, args: {command: 'echo reason >&2; exit 3', capture: true}}\n";
    let ran = project(failing).run("deploy --yes").ended(30);
    assert!(ran.stderr.contains("ended with status 3: reason"), "{}", ran.stderr);
    let accepted = "  - {name: f, kind: command, args: {command: exit 3, accept: [0, 3]}}\n";
    project(accepted).run("deploy --yes").ended(0);
    let missing = "  - {name: f, kind: command, args: {command: [no-such-program]}}\n";
    let ran = project(missing).run("deploy --yes").ended(30);
    assert!(ran.stderr.contains("`no-such-program` cannot be started"), "{}", ran.stderr);
}

#[cfg(unix)]
#[test]
fn an_output_that_is_too_long_to_be_recorded_fails_its_task() {
    let printing = |bytes: u32, capture: bool| {
        project(&format!(
            "  - {{name: f, kind: command, args: {{command: \"head -c {bytes} /dev/zero | tr '\\\\0' x\", capture: {capture}}}}}\n"
        ))
    };
    let ran = printing(65_537, true).run("deploy --yes").ended(30);
    assert!(ran.stderr.contains("printed 65537 bytes, and a task keeps 65536 at most"), "{}", ran.stderr);
    printing(65_536, true).run("deploy --yes").ended(0);
    printing(65_537, false).run("deploy --yes").ended(0);
}

#[test]
fn stacks_of_other_accounts_are_rehearsed() {
    let project = project(
        "  - name: spoke
    kind: bootstrap_spoke
    accounts: [\"222222222222\", \"333333333333\"]
    role: arn:aws:iam::${place account}:role/first
    args: {hub_account: \"111111111111\", stack_name: spoke}
  - name: there
    kind: assert
    account: \"222222222222\"
    role: arn:aws:iam::222222222222:role/first
    requires: [spoke]
    args: {stack: spoke, query: status, equals: CREATE_COMPLETE}
  - {name: not-here, kind: assert, requires: [spoke], args: {stack: spoke, exists: false}}
",
    );
    project.run("deploy --yes").ended(0);
    let again = project.run("plan --format json").ended(0);
    let plan: serde_json::Value = serde_json::from_str(&again.stdout).unwrap();
    assert!(plan["steps"].as_array().unwrap().iter().all(|step| step["action"] == "none"), "{plan}");
}

#[test]
fn services_that_are_not_there_are_named() {
    let bus = project("  - {name: b, kind: event_bus, args: {name: b}}\n");
    let ran = bus.run("plan").ended(10);
    assert!(ran.stderr.contains("the embedded provider has stacks only"), "{}", ran.stderr);
    let wrong = project("  - {name: b, kind: event_bus, args: {name: a b}}\n");
    let ran = wrong.run("plan").ended(10);
    assert!(ran.stderr.contains("may hold letters, digits"), "{}", ran.stderr);
}

#[test]
fn a_task_is_spoken_of_as_one() {
    let one = project("  - {name: f, kind: command, args: {command: \"true\"}}\n");
    one.run("deploy --yes").ended(0);
    let ran = one.run("graph forget command/f").ended(0);
    assert!(ran.stderr.contains("what it keeps was not touched"), "{}", ran.stderr);
    assert!(ran.stderr.contains("command/f is still in the config"), "{}", ran.stderr);
    let ran = one.run("graph forget command/g").ended(12);
    assert!(ran.stderr.contains("no stack and no task `command/g`"), "{}", ran.stderr);
    let ran = one.run("plan --stack nope").ended(10);
    assert!(ran.stderr.contains("no stack and no task is called `nope`"), "{}", ran.stderr);
}
