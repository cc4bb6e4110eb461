//! Processes beside each other on one directory, and signals.

use rustix::process::{Pid, Signal, kill_process};

use crate::support::{HEAD, Project, TEMPLATE, eventually, finished};

fn two(note: &str) -> String {
    format!(
        "  - {{name: a, template_path: t.yml, variables: {{Note: {note}}}}}\n  - {{name: b, template_path: t.yml, variables: {{Note: \"${{output a.Note}}\"}}}}\n"
    )
}

fn signal(child: &std::process::Child, signal: Signal) {
    kill_process(Pid::from_raw(i32::try_from(child.id()).unwrap()).unwrap(), signal).unwrap();
}

#[test]
fn twenty_rounds_of_two_sessions_on_one_directory() {
    let project = Project::with_stacks(&two("x"));
    let mut refused = 0;
    for round in 0..20 {
        let note = ["x", "y", "z"][round % 3];
        project.stacks(&two(note));
        let ended = [project.start("deploy --yes"), project.start("deploy --yes")].map(finished);
        for ran in &ended {
            match ran.status.code() {
                Some(0) => {}
                Some(20) => {
                    refused += 1;
                    assert!(ran.stderr.contains("is locked by tester"), "{}", ran.stderr);
                    assert!(
                        ran.stderr.contains("since 20") && ran.stderr.contains("--lock-wait"),
                        "{}",
                        ran.stderr
                    );
                }
                other => panic!("round {round} ended with {other:?}:\n{}\n{}", ran.stdout, ran.stderr),
            }
        }
        assert!(ended.iter().any(|ran| ran.status.code() == Some(0)), "round {round}: nobody got through");
        let outputs = project.run("outputs --format env").ended(0);
        assert_eq!(outputs.stdout, format!("A_NOTE='{note}'\nB_NOTE='{note}'\n"));
        let view = project.graph();
        assert_eq!(view["stacks"].as_object().map(serde_json::Map::len), Some(2), "{view:#}");
        assert_eq!(view["lock"], serde_json::Value::Null, "{view:#}");
    }
    assert!(refused > 0, "the two never met, so this shows nothing");
}

/// A project whose stack `a` takes a while, and which is being deployed.
fn slow() -> (Project, std::process::Child) {
    let project = Project::with_stacks(&two("x"));
    project.file("t.yml", &TEMPLATE.replace("seconds: 0", "seconds: 3"));
    let child = project.start("deploy --yes --lock-ttl 2s");
    eventually("the first stack is being created", || {
        project.run("status").stdout.contains("CREATE_IN_PROGRESS")
    });
    (project, child)
}

#[test]
fn an_interrupt_lets_what_runs_end_and_starts_nothing() {
    let (project, child) = slow();
    signal(&child, Signal::INT);
    let ran = finished(child).ended(130);
    assert!(ran.stderr.contains("a: created"), "{}", ran.stderr);
    let status = project.run("status").ended(0).stdout;
    assert!(status.contains("CREATE_COMPLETE") && status.contains("ABSENT"), "{status}");
    assert_eq!(project.graph()["lock"], serde_json::Value::Null);
    project.run("deploy --yes").ended(0);
}

#[test]
fn a_second_interrupt_leaves_what_runs_to_the_next_run() {
    let (project, child) = slow();
    signal(&child, Signal::INT);
    // Two of the same at once may be heard as one.
    signal(&child, Signal::TERM);
    let ran = finished(child).ended(130);
    assert!(ran.stderr.contains("leaving a running"), "{}", ran.stderr);
    assert_eq!(project.graph()["lock"], serde_json::Value::Null);
    // What still runs is waited for.
    assert!(project.run("status").stdout.contains("CREATE_IN_PROGRESS"));
    project.run("deploy --yes").ended(0);
    assert_eq!(project.run("status").ended(0).stdout.matches("CREATE_COMPLETE").count(), 2);
}

#[test]
fn a_termination_is_an_interrupt() {
    let (project, child) = slow();
    signal(&child, Signal::TERM);
    finished(child).ended(130);
    assert_eq!(project.graph()["lock"], serde_json::Value::Null);
}

#[test]
fn a_killed_process_is_taken_over() {
    let (project, child) = slow();
    signal(&child, Signal::KILL);
    drop(finished(child));
    assert_ne!(project.graph()["lock"], serde_json::Value::Null);
    std::thread::sleep(std::time::Duration::from_secs(2));
    let ran = project.run("deploy --yes --lock-ttl 2s").ended(0);
    assert!(ran.stderr.contains("took over the lock of a dead run"), "{}", ran.stderr);
    assert_eq!(project.run("status").ended(0).stdout.matches("CREATE_COMPLETE").count(), 2);
    assert_eq!(project.graph()["lock"], serde_json::Value::Null);
}

#[test]
fn a_failed_stack_is_explained_and_made_anew() {
    let project = Project::with_stacks(&two("x"));
    project.file("t.yml", &TEMPLATE.replace("seconds: 0", "seconds: 0, fail: no room left"));
    let ran = project.run("deploy --yes").ended(30);
    for words in
        ["a: FAILED", "first failed: P (AWS::SSM::Parameter): no room left", "b: not started, because of a"]
    {
        assert!(ran.stderr.contains(words), "no {words:?} in\n{}", ran.stderr);
    }
    project.file("t.yml", TEMPLATE);
    let plan = project.run("plan").ended(0);
    assert!(plan.stdout.contains("DELETE and create a"), "{}", plan.stdout);
    project.run("deploy --yes").ended(0);
}

/// A project whose task `first` runs a program that takes a while, and which is being deployed.
fn working(seconds: u32) -> (Project, std::process::Child) {
    let tasks = format!(
        "tasks:\n  - {{name: first, kind: command, args: {{command: \"echo $$$$ > began; sleep {seconds}; touch ended\"}}}}\n  - {{name: second, kind: command, requires: [first], args: {{command: touch second}}}}\n"
    );
    let project = Project::new(&format!("{HEAD}{tasks}stacks: []\n"));
    let child = project.start("deploy --yes");
    eventually("the program has begun", || program(&project).is_some());
    (project, child)
}

/// The process group of the program.
fn program(project: &Project) -> Option<Pid> {
    let text = std::fs::read_to_string(project.path().join("began")).ok()?;
    Pid::from_raw(text.trim().parse().ok()?)
}

#[test]
fn an_interrupt_lets_the_program_of_a_task_end_and_starts_no_other() {
    for which in [Signal::INT, Signal::TERM] {
        let (project, child) = working(2);
        signal(&child, which);
        finished(child).ended(130);
        assert!(project.path().join("ended").exists() && !project.path().join("second").exists());
        assert_eq!(project.graph()["lock"], serde_json::Value::Null);
        // What was left out is due, and what has run is not.
        let ran = project.run("deploy --yes").ended(0);
        assert!(project.path().join("second").exists(), "{}", ran.stderr);
        assert!(!ran.stderr.contains("command/first: "), "{}", ran.stderr);
    }
}

#[test]
fn a_second_interrupt_and_time_after_a_termination_end_the_program_of_a_task() {
    for (which, is_repeated) in [(Signal::INT, true), (Signal::TERM, false)] {
        let (project, child) = working(600);
        let group = program(&project).unwrap();
        signal(&child, which);
        eventually("it has ended with all it had started", || {
            if is_repeated {
                // Two that come at once may be taken for one.
                signal(&child, which);
            }
            rustix::process::test_kill_process_group(group).is_err()
        });
        finished(child).ended(130);
        assert!(!project.path().join("ended").exists() && !project.path().join("second").exists());
        // It did not run to its end, so it is due.
        let plan = project.run("plan").ended(0);
        assert!(plan.stdout.contains("is due"), "{}", plan.stdout);
    }
}
