//! `plan --change-sets` as a process: what it prints, and what is left when it is stopped.

use std::os::unix::process::ExitStatusExt as _;
use std::process::Child;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::formats::check;
use crate::support::{Project, finished};

const BEGINNING: &str = "runway-rs-plan-";

fn stacks(note: &str, more: &str) -> String {
    format!("  - {{name: a, template_path: t.yml, variables: {{Note: {note}}}}}\n{more}")
}

const NEW: &str = "  - {name: b, template_path: t.yml, variables: {Note: z}}\n  - {name: c, template_path: t.yml, variables: {Note: \"${output a.Note}\"}}\n";

/// A project whose stack `a` is deployed and differs now, with two new stacks.
fn project() -> Project {
    let project = Project::with_stacks(&stacks("x", ""));
    project.run("deploy --yes").ended(0);
    project.stacks(&stacks("y", NEW));
    project
}

fn state(project: &Project) -> Value {
    let text = std::fs::read_to_string(project.path().join(".runway/local/state.json")).unwrap();
    serde_json::from_str(&text).unwrap()
}

/// Names of the change sets and of the live stacks.
fn left(project: &Project) -> (Vec<String>, Vec<String>) {
    let (mut sets, mut live) = (Vec::new(), Vec::new());
    for stack in state(project)["stacks"].as_array().unwrap() {
        if stack["status"] == "DELETE_COMPLETE" {
            continue;
        }
        live.push(stack["name"].as_str().unwrap().to_owned());
        let listed = stack["change_sets"].as_array().into_iter().flatten();
        sets.extend(listed.map(|set| set["name"].as_str().unwrap().to_owned()));
    }
    live.sort();
    (sets, live)
}

fn at_rest() -> (Vec<String>, Vec<String>) {
    (Vec::new(), vec!["ns-a".to_owned(), "ns-cfngin-bucket".to_owned()])
}

#[test]
fn answers_are_in_every_form_and_nothing_stays() {
    let project = project();
    let ran = project.run("plan --change-sets --format json --detailed-exitcode").ended(2);
    assert!(ran.stderr.contains("asking CloudFormation by change sets"), "{}", ran.stderr);
    let plan: Value = serde_json::from_str(&ran.stdout).unwrap();
    check("plan", &plan);
    let step = |name: &str| {
        let steps = plan["steps"].as_array().unwrap();
        steps.iter().find(|step| step["name"] == name).unwrap()["change_set"].clone()
    };
    let changed = step("a");
    assert_eq!((&changed["outcome"], &changed["reason"]), (&"changes".into(), &Value::Null));
    let detail = &changed["changes"]["P"]["details"][0];
    assert_eq!((&detail["before"], &detail["after"]), (&"x".into(), &"y".into()), "{changed:#}");
    assert_eq!(step("b")["changes"]["P"]["action"], "add");
    let waiting = step("c");
    assert_eq!(waiting["outcome"], "not_asked");
    assert_eq!(waiting["reason"], "parameter Note is known after deploy of a");
    assert_eq!(left(&project), at_rest());

    let text = project.run("plan --change-sets").ended(0);
    assert!(text.stdout.contains("CloudFormation announces what was predicted"), "{}", text.stdout);
    let markdown = project.run("plan --change-sets --format markdown").ended(0).stdout;
    assert!(
        markdown.contains("CloudFormation was not asked: parameter Note is known after deploy of a"),
        "{markdown}"
    );
    assert_eq!(left(&project), at_rest());
    let without = project.run("plan --format json").ended(0);
    assert!(!without.stdout.contains("change_set") && without.stderr.is_empty(), "{}", without.stderr);
    project.run("plan --change-sets --destroy").ended(64);
    project.run("deploy --yes").ended(0);
}

/// A plan that has made its change sets and waits for them; `None` if it was too quick to be seen.
fn waiting(project: &Project) -> Option<Child> {
    let mut child = project.start("plan --change-sets");
    loop {
        let text = std::fs::read_to_string(project.path().join(".runway/local/state.json")).unwrap();
        // One for the stack that is there, one for the one that is not.
        if text.matches(&format!("\"{BEGINNING}")).count() >= 2 {
            return Some(child);
        }
        if child.try_wait().unwrap().is_some() {
            finished(child).ended(0);
            return None;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn signal(child: &Child, signal: Signal) {
    kill_process(Pid::from_raw(i32::try_from(child.id()).unwrap()).unwrap(), signal).unwrap();
}

#[test]
fn an_interrupted_plan_cleans_up() {
    let project = project();
    let mut met = false;
    for _ in 0..50 {
        let Some(child) = waiting(&project) else { continue };
        signal(&child, Signal::INT);
        let ran = finished(child);
        // It may have come to its end just before the signal.
        met |= ran.status.code() == Some(130);
        assert!(matches!(ran.status.code(), Some(0 | 130)), "{:?}\n{}", ran.status, ran.stderr);
        assert_eq!(left(&project), at_rest(), "{}", ran.stderr);
        if met {
            assert!(ran.stdout.is_empty() && ran.stderr.contains("interrupted"), "{}", ran.stderr);
            break;
        }
    }
    assert!(met, "the signal never came in time");
}

#[test]
fn what_a_killed_plan_left_is_removed_after_an_hour() {
    let project = project();
    let mut killed = false;
    for _ in 0..50 {
        let Some(child) = waiting(&project) else { continue };
        signal(&child, Signal::KILL);
        killed = finished(child).status.signal() == Some(9) && left(&project).0.len() == 2;
        if killed {
            break;
        }
    }
    assert!(killed, "the signal never came in time");
    let (sets, live) = left(&project);
    assert!(live.contains(&"ns-b".to_owned()), "{live:?}");
    // Another plan may be at its work: what is young is left alone.
    project.run("plan --change-sets").ended(0);
    assert_eq!(left(&project), (sets, live));

    let mut old = state(&project);
    for stack in old["stacks"].as_array_mut().unwrap() {
        let sets = stack.get_mut("change_sets").and_then(Value::as_array_mut);
        for set in sets.into_iter().flatten() {
            set["created"] = "2026-01-01T00:00:00Z".into();
        }
    }
    let path = project.path().join(".runway/local/state.json");
    std::fs::write(path, serde_json::to_string(&old).unwrap()).unwrap();
    project.run("plan --change-sets").ended(0);
    assert_eq!(left(&project), at_rest());
    project.run("deploy --yes").ended(0);
}
