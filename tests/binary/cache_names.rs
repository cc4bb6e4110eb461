//! What commands about the cache are about: the bucket's part, kinds, and tasks by their names.

use crate::cache::{TWO, deployed};
use crate::support::{HEAD, Project};

#[test]
fn what_is_left_alone_and_what_is_misspelt_is_told() {
    let project = deployed();
    let off = |line: &str| {
        let mut command = project.command(line);
        command.env("RUNWAY_RS_CACHE", "off");
        crate::support::finished(
            command
                .stdout(std::process::Stdio::piped())
                .stderr(std::process::Stdio::piped())
                .spawn()
                .unwrap(),
        )
    };
    let told = off("cache clear --remote --yes").ended(64);
    assert!(told.stderr.contains("cache::bucket_left_alone"), "{}", told.stderr);
    let told = off("cache clear --yes").ended(0);
    assert!(told.stderr.contains("the bucket's part of the cache is left alone"), "{}", told.stderr);
    assert!(!project.run("cache ls").ended(0).stdout.is_empty(), "the bucket still has its records");

    for kind in ["lookup.nope", "lookup.place", "lookup.awslambda.Code"] {
        let told = project.run(&format!("cache ls --kind {kind}")).ended(64);
        assert!(told.stderr.contains("cache::no_such_kind"), "{}", told.stderr);
    }
    project.run("cache ls --kind lookup.ami").ended(0);
    let told = project.run("cache import nothing.bundle").ended(10);
    assert!(
        told.stderr.contains("cache::no_bundle") && told.stderr.contains("cache export"),
        "{}",
        told.stderr
    );
}

#[test]
fn records_of_tasks_are_found_by_every_name_of_the_task() {
    let spoke = "  - {name: s, kind: bootstrap_spoke, cache: {trust_for: 1h}, args: {stack_name: spoke, hub_account: \"111111111111\"}}\n";
    let project = Project::new(&format!("{HEAD}stacks:\n{TWO}tasks:\n{spoke}"));
    for _ in 0..2 {
        project.run("deploy --yes").ended(0);
    }
    for name in ["s", "bootstrap_spoke/s", "task:bootstrap_spoke/s"] {
        let listed = project.run(&format!("cache ls --stack {name}")).ended(0);
        assert!(listed.stdout.contains("task-receipt"), "{name}: {}", listed.stdout);
        let explained = project.run(&format!("cache explain {name}")).ended(0);
        assert!(explained.stdout.contains("task-receipt"), "{name}: {}", explained.stdout);
    }
}

#[test]
fn what_is_not_signed_is_told_where_it_is_shown_or_passed_on() {
    let project = deployed();
    for line in ["cache ls", "cache export bundle"] {
        let mut command = project.command(line);
        command.env("RUNWAY_RS_CACHE_KEY", "another key").stdout(std::process::Stdio::piped());
        let ran =
            crate::support::finished(command.stderr(std::process::Stdio::piped()).spawn().unwrap()).ended(0);
        assert!(ran.stderr.contains("cache::bad_signature"), "{line}: {}", ran.stderr);
    }
    assert!(!project.run("cache ls").ended(0).stderr.contains("bad_signature"));
}
