//! Bad input of every kind: one clear answer each, and nothing done.

use std::fmt::Write as _;

use crate::support::{HEAD, Project};

/// Plans with this config and records what is said.
#[track_caller]
fn refused(name: &str, config: &str, code: i32) {
    let project = Project::new(config);
    let ran = project.run("plan").ended(code);
    assert_eq!(ran.stdout, "", "an error is no data");
    insta::with_settings!({omit_expression => true, prepend_module_to_snapshot => false}, {
        insta::assert_snapshot!(name, ran.stderr);
    });
    let done = project.run("deploy --yes").ended(code);
    assert_eq!(done.stderr, ran.stderr);
    assert!(!project.path().join(".runway").exists(), "nothing may be written");
}

#[test]
fn an_empty_file() {
    refused("empty_file", "", 10);
}

#[test]
fn not_yaml() {
    refused("not_yaml", "a: [b\n: : :\n", 10);
}

#[test]
fn tabs() {
    refused("tabs", &format!("{HEAD}stacks:\n\t- name: a\n"), 10);
}

#[test]
fn a_template_in_place_of_a_config() {
    refused("template", crate::support::TEMPLATE, 10);
}

#[test]
fn a_billion_laughs() {
    let mut config = String::from("a: &a [x, x, x, x, x, x, x, x, x]\n");
    for (before, after) in ('a'..='i').zip('b'..='j') {
        let items = vec![format!("*{before}"); 9].join(", ");
        let _ = writeln!(config, "{after}: &{after} [{items}]");
    }
    refused("billion_laughs", &format!("{config}{HEAD}stacks: []\n"), 10);
}

#[test]
fn deeply_nested_lists() {
    let config = format!("{HEAD}stacks: []\ndeep: {}{}\n", "[".repeat(50_000), "]".repeat(50_000));
    let ran = Project::new(&config).run("plan").ended(10);
    assert!(ran.stderr.contains("recursion limit") && ran.stderr.len() < 2_000, "{} bytes", ran.stderr.len());
}

#[test]
fn names_and_keys_that_are_wrong_after_text_that_is_not_ascii() {
    let stacks = "# déjà vu, 漢字 😀\nstacks:\n  - {name: \"Ünï_x\", template_path: t.yml, variables: {Note: x}}\n  - name: b\n    template_path: t.yml\n    wariables: {Note: x}\n";
    refused("not_ascii", &format!("{HEAD}{stacks}"), 10);
}

#[test]
fn windows_line_ends_and_several_problems() {
    let config = format!("{HEAD}stacks:\n  - name: a\n    template_path: nope.yml\n    requires: [b, a]\n");
    refused("windows_line_ends", &config.replace('\n', "\r\n"), 10);
}

#[test]
fn a_cycle() {
    let stack = |name: &str, needs: &str| {
        format!("  - {{name: {name}, template_path: t.yml, requires: [{needs}], variables: {{Note: x}}}}\n")
    };
    let stacks = [stack("a", "b"), stack("b", "c"), stack("c", "a")].concat();
    refused("cycle", &format!("{HEAD}stacks:\n{stacks}"), 12);
}

#[test]
fn a_value_that_the_template_refuses() {
    refused(
        "refused_value",
        &format!("{HEAD}stacks:\n  - {{name: a, template_path: t.yml, variables: {{Note: no}}}}\n"),
        10,
    );
}

#[test]
fn an_output_that_nobody_declares() {
    let stacks = "stacks:\n  - {name: a, template_path: t.yml, variables: {Note: x}}\n  - {name: b, template_path: t.yml, variables: {Note: \"${output a.Nothing}\"}}\n";
    refused("unknown_output", &format!("{HEAD}{stacks}"), 11);
}

#[test]
fn a_missing_file_and_a_directory_in_its_place() {
    let project = Project::new(HEAD);
    let ran = project.run("plan -c nowhere.yml").ended(10);
    assert!(ran.stderr.contains("nowhere.yml"), "{}", ran.stderr);
    project.run("plan -c .").ended(10);
}

#[test]
fn a_directory_without_a_config() {
    let project = Project::new(HEAD);
    std::fs::create_dir(project.path().join("empty")).unwrap();
    let ran = project.run("deploy --yes -c empty").ended(10);
    assert!(ran.stderr.contains("no CFNgin config in empty"), "{}", ran.stderr);
}

#[test]
fn a_mistake_in_a_later_config_stops_the_earlier_one_too() {
    let project = Project::new(HEAD);
    std::fs::create_dir(project.path().join("configs")).unwrap();
    let config = |namespace: &str, head: &str, value: &str| {
        format!(
            "namespace: {namespace}\ncfngin_bucket: my-bucket\n{head}stacks:\n  - {{name: a, template_path: ../t.yml, variables: {{Note: {value}}}}}\n"
        )
    };
    project.file("configs/1.yml", &config("first", "", "x"));
    let mistakes = [(config("second", "", "w"), 10), (config("second", "", "\"${env NOT_SET}\""), 11)];
    for (second, code) in mistakes {
        project.file("configs/2.yml", &second);
        let ran = project.run("deploy --yes -c configs").ended(code);
        assert!(ran.stderr.contains("2.yml:"), "{}", ran.stderr);
        let status = project.run("status -c configs/1.yml").ended(0);
        assert!(!status.stdout.contains("COMPLETE"), "{}", status.stdout);
    }
    project.file("configs/2.yml", &config("second", "", "x"));
    project.run("deploy --yes -c configs").ended(0);
    let status = project.run("status -c configs/1.yml").ended(0);
    assert!(status.stdout.contains("COMPLETE"), "{}", status.stdout);
}

#[test]
fn bytes_that_are_no_text_are_pointed_at() {
    let project = Project::new(HEAD);
    std::fs::write(project.path().join("cfngin.yml"), b"namespace: ns\nx: caf\xe9\n").unwrap();
    let ran = project.run("plan").ended(10);
    assert!(ran.stderr.contains("cfngin.yml:2:7"), "{}", ran.stderr);
    project.file("cfngin.yml", HEAD);
    std::fs::write(project.path().join("test.env"), b"a: \xff\n").unwrap();
    let ran = project.run("plan -e test").ended(10);
    assert!(ran.stderr.contains("test.env:1:4"), "{}", ran.stderr);
}

#[test]
fn a_missing_parameter_is_one_problem_and_names_its_file() {
    let project = Project::with_stacks(
        "  - {name: a, template_path: \"${nope}/t.yml\", variables: {Note: \"${nope}\"}}\n",
    );
    let ran = project.run("plan -e production").ended(10);
    assert!(ran.stderr.contains("in production.env)"), "{}", ran.stderr);
    assert!(ran.stderr.ends_with("error: 2 problems\n"), "{}", ran.stderr);
}

#[test]
fn of_thousands_of_mistakes_fifty_are_shown() {
    let mut stacks = String::new();
    for index in 0..2_000 {
        let _ = writeln!(
            stacks,
            "  - {{name: stack-{index:04}, template_path: t.yml, requires: [stakc-{index:04}]}}"
        );
    }
    let project = Project::with_stacks(&stacks);
    let ran = project.run("validate").ended(12);
    assert_eq!(ran.stderr.matches("graph::unknown_stack").count(), 50);
    assert!(ran.stderr.ends_with("and 1950 more\n\nerror: 2000 problems\n"), "{}", ran.stderr.len());
    let all = project.run("validate --format json").ended(12);
    assert_eq!(all.stdout.matches("graph::unknown_stack").count(), 2_001);
}

#[test]
fn no_stacks_are_no_reason_to_delete_everything() {
    let project = Project::with_stacks("  - {name: a, template_path: t.yml, variables: {Note: x}}\n");
    project.run("deploy --yes").ended(0);
    project.file("cfngin.yml", &format!("{HEAD}stacks: []\n"));
    let ran = project.run("deploy --yes").ended(31);
    assert!(ran.stderr.contains("--allow-empty"), "{}", ran.stderr);
    let plan = project.run("plan --allow-empty").ended(0);
    assert!(plan.stdout.contains("1 stack WILL BE DELETED"), "{}", plan.stdout);
    project.run("deploy --yes --allow-empty").ended(0);
    assert_eq!(project.graph()["stacks"], serde_json::json!({}));
}

#[test]
fn five_thousand_stacks_and_one_named_like_the_namespace() {
    let mut stacks = String::new();
    for index in 0..5_000 {
        let _ = writeln!(stacks, "  - {{name: s{index}, template_path: t.yml, variables: {{Note: x}}}}");
    }
    stacks.push_str("  - {name: ns, template_path: t.yml, variables: {Note: x}}\n");
    let plan = Project::with_stacks(&stacks).run("plan").ended(0);
    assert!(plan.stdout.contains("Plan: 5001 to create."));
    assert!(plan.stdout.contains("create ns (ns-ns)"));
}

#[test]
fn a_place_that_cannot_hold_the_state() {
    let project = Project::with_stacks("  - {name: a, template_path: t.yml, variables: {Note: x}}\n");
    // A file where the directory should be or above it, and a directory that even root cannot write.
    for (place, code) in [("t.yml", 22), ("t.yml/below", 22), ("/proc/nowhere", 30)] {
        let ran = project.run(&format!("deploy --yes --provider local:{place}")).ended(code);
        assert!(ran.stderr.contains(place), "{}", ran.stderr);
        assert!(!ran.stderr.contains("network"), "{}", ran.stderr);
    }
}

#[test]
fn a_damaged_state_of_the_embedded_provider() {
    let project = Project::with_stacks("  - {name: a, template_path: t.yml, variables: {Note: x}}\n");
    std::fs::create_dir(project.path().join("cloud")).unwrap();
    project.file("cloud/state.json", "{");
    let ran = project.run("plan --provider local:cloud").ended(23);
    assert!(ran.stderr.contains("state.json cannot be read"), "{}", ran.stderr);
    assert!(!ran.stderr.contains("network"), "{}", ran.stderr);
}

#[test]
fn variables_that_are_set_to_nothing_are_not_set() {
    let project = Project::with_stacks("  - {name: a, template_path: t.yml, variables: {Note: x}}\n");
    let mut command = project.command("deploy --yes");
    for name in ["CONFIG", "ENV_FILE", "ALLOW_EMPTY", "CONCURRENCY", "LOCK_TTL", "LOCK_WAIT"] {
        command.env(format!("RUNWAY_RS_{name}"), "");
    }
    let ran = command.output().unwrap();
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
}

#[test]
fn wrong_command_lines() {
    let project = Project::new(HEAD);
    for line in ["plan --provider azure", "plan --nonsense", "deploy --lock-ttl 1s", "fly"] {
        project.run(line).ended(64);
    }
}

#[test]
fn hooks_that_speak_to_aws_do_not_run_without_it() {
    let hook = "pre_deploy:\n  - {path: runway.cfngin.hooks.ecs.create_clusters, args: {clusters: [a]}}\n";
    let project = Project::new(&format!("{HEAD}{hook}stacks: []\n"));
    let ran = project.run("deploy --yes");
    assert!(ran.stderr.contains("this hook speaks to AWS; the embedded provider has none"), "{}", ran.stderr);
    assert!(!ran.stderr.contains("Python"), "{}", ran.stderr);
}
