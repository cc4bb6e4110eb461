//! Two processes on one graph, and processes that are killed.

use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use crate::support::{GRAPH, Scene, eventually, finished};

const ROUNDS: usize = 20;

fn config(note: &str) -> String {
    format!(
        "  - {{name: a, template_path: templates/t.yml, variables: {{Note: {note}, Up: none}}}}\n  - {{name: b, template_path: templates/t.yml, variables: {{Note: {note}, Up: \"${{output a.Name}}\"}}}}\n"
    )
}

#[test]
fn two_sessions_never_hold_the_lock_together() {
    let scene = Scene::new();
    scene.make_bucket();
    let mut refused = 0;
    for round in 0..ROUNDS {
        scene.config(&config(&format!("n{round}")));
        let both = [scene.start("deploy --yes"), scene.start("deploy --yes")];
        let ended = both.map(finished);
        for ran in &ended {
            match ran.status.code() {
                Some(0) => {}
                Some(20) => {
                    refused += 1;
                    assert!(ran.stderr.contains("is locked by"), "{}", ran.stderr);
                    assert!(ran.stderr.contains("since 20"), "who, and since when: {}", ran.stderr);
                    assert!(ran.stderr.contains("--lock-wait"), "what to do: {}", ran.stderr);
                }
                other => panic!("round {round} ended with {other:?}:\n{}\n{}", ran.stdout, ran.stderr),
            }
        }
        assert!(ended.iter().any(|ran| ran.status.code() == Some(0)), "round {round}: nobody got through");
        assert_eq!(scene.stack_names(), ["example-a", "example-b"]);
        assert_eq!(scene.graph().unwrap().into_keys().collect::<Vec<_>>(), ["a", "b"]);
        assert_eq!(scene.stacks()["example-b"]["outputs"]["Note"], format!("n{round}"));
        scene.is_unlocked();
    }
    assert!(refused > 0, "the two never met, so this shows nothing");
    // Between the lock of one session and that of another lies an unlocking.
    let mut holder: Option<String> = None;
    for code in scene.graph_writes() {
        match (&holder, code) {
            (None, code) => holder = code,
            (Some(held), Some(code)) => assert_eq!(*held, code, "{code} locked while {held} held the lock"),
            (Some(_), None) => holder = None,
        }
    }
    assert_eq!(holder, None);
}

#[test]
fn sessions_that_wait_all_get_their_turn() {
    let scene = Scene::new();
    scene.make_bucket();
    scene.config(&config("x"));
    let all = [(); 3].map(|()| scene.start("deploy --yes --lock-wait 2m"));
    for ran in all.map(finished) {
        ran.ended(0);
    }
    scene.is_unlocked();
}

#[test]
fn a_killed_session_is_taken_over_without_a_person() {
    let scene = Scene::new();
    scene.make_bucket();
    scene.config(&config("x"));
    scene.delay("CreateStack", 30.0);
    let mut killed = scene.start("deploy --yes --lock-ttl 2s");
    eventually("the graph is locked", || {
        scene.object(GRAPH).filter(|(_, tags)| tags.contains_key("cfngin_lock_code"))
    });
    let pid = Pid::from_raw(i32::try_from(killed.id()).unwrap()).unwrap();
    kill_process(pid, Signal::KILL).unwrap();
    killed.wait().unwrap();
    assert!(scene.object(&format!("{GRAPH}.lock")).is_some());
    scene.delay("CreateStack", 0.0);
    // A lease that was renewed a moment ago may be somebody's; this is its time to live.
    std::thread::sleep(Duration::from_secs(2));

    let ran = scene.run("deploy --yes --lock-ttl 2s").ended(0);
    assert!(ran.stderr.contains("took over the lock of a dead run"), "{}", ran.stderr);
    assert_eq!(scene.stack_names(), ["example-a", "example-b"]);
    assert_eq!(scene.graph().unwrap().into_keys().collect::<Vec<_>>(), ["a", "b"]);
    scene.is_unlocked();
}

#[test]
fn a_run_with_nothing_to_do_clears_a_dead_lock() {
    let scene = Scene::new();
    scene.make_bucket();
    scene.config(&config("x"));
    scene.run("deploy --yes").ended(0);
    scene.config(&config("y"));
    scene.delay("UpdateStack", 30.0);
    let mut killed = scene.start("deploy --yes --lock-ttl 2s");
    eventually("the graph is locked", || {
        scene.object(GRAPH).filter(|(_, tags)| tags.contains_key("cfngin_lock_code"))
    });
    killed.kill().unwrap();
    killed.wait().unwrap();
    scene.delay("UpdateStack", 0.0);
    scene.config(&config("x"));
    // Half of the time to live has to pass before a run takes a lock for dead that it need not take over.
    std::thread::sleep(Duration::from_secs(2));
    let ran = scene.run("deploy --yes --lock-ttl 2s").ended(0);
    assert!(ran.stdout.contains("No changes") || scene.stacks()["example-a"]["outputs"]["Note"] == "x");
    scene.is_unlocked();
}
