//! The whole program where the bucket's part of the task cache is in trouble: one warning, and nothing else differs.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use serde_json::{Value, json};

use crate::proxy::{Answer, Proxy, Request};
use crate::refusing::refusal;
use crate::support::{Ran, Scene};

/// The key of the index.
const INDEX: &str = "cache/example/v1/index.jsonl.gz";

fn is_about_cache(request: &Request) -> bool {
    request.target().contains("/cache/")
}

/// Stacks, and another value of the second.
fn stacks(note: &str) -> String {
    format!(
        "  - {{name: a, template_path: templates/t.yml, variables: {{Note: x, Up: y}}}}\n  - {{name: b, template_path: templates/t.yml, variables: {{Note: {note}, Up: y}}}}\n"
    )
}

/// A project whose first version is deployed and known to the cache.
fn deployed() -> Scene {
    let scene = Scene::new();
    scene.make_bucket();
    scene.config(&stacks("x"));
    scene.run("deploy --yes").ended(0);
    scene.run("deploy --yes").ended(0);
    assert!(scene.keys().contains(&INDEX.to_owned()), "{:?}", scene.keys());
    scene
}

/// Warnings about the cache.
fn warnings(ran: &Ran) -> usize {
    ran.stderr.matches("cache::").count()
}

/// A plan and a deploy of the next version in trouble, beside a plan without trouble.
fn in_trouble(scene: &Scene, code: &str, run: impl Fn(&str) -> Ran) {
    scene.config(&stacks("y"));
    let plan = scene.run("plan --detailed-exitcode --no-cache").ended(2);
    let troubled = run("plan --detailed-exitcode").ended(2);
    assert_eq!(troubled.stdout, plan.stdout);
    assert!(warnings(&troubled) <= 1, "{}", troubled.stderr);
    let deployed = run("deploy --yes --report report.json").ended(0).says(code);
    assert_eq!(warnings(&deployed), 1, "{}", deployed.stderr);
    let report = std::fs::read_to_string(scene.path().join("report.json")).unwrap();
    let report: Value = serde_json::from_str(&report).unwrap();
    assert_eq!((&report["summary"]["updated"], &report["summary"]["unchanged"]), (&json!(1), &json!(1)));
    assert_eq!(scene.stacks()["example-b"]["parameters"]["Note"], "y");
    scene.is_unlocked();
    // A mistake of the user ends as it would otherwise.
    scene.config("  - {name: a, template_path: templates/none.yml}\n");
    let expected = scene.run("plan --no-cache").status.code().unwrap();
    assert_ne!(expected, 0);
    run("plan").ended(expected);
    // And when the trouble is over, nothing of it is left.
    scene.config(&stacks("y"));
    scene.run("deploy --yes").ended(0);
    let after = scene.run("plan --detailed-exitcode").ended(0);
    assert_eq!(warnings(&after), 0, "{}", after.stderr);
}

#[test]
fn a_bucket_that_refuses_the_cache() {
    let scene = deployed();
    let proxy = Proxy::before(&scene, |request| match is_about_cache(request) {
        true => refusal("s3:GetObject"),
        false => Answer::Pass,
    });
    in_trouble(&scene, "cache::remote_unavailable", |line| proxy.run(&scene, line));
}

#[test]
fn a_bucket_that_only_refuses_writes_of_the_cache() {
    let scene = deployed();
    let proxy = Proxy::before(&scene, |request| match is_about_cache(request) && request.method() != "GET" {
        true => refusal("s3:PutObject"),
        false => Answer::Pass,
    });
    in_trouble(&scene, "cache::remote_unavailable", |line| proxy.run(&scene, line));
}

#[test]
fn a_bucket_that_does_not_answer_about_the_cache() {
    let scene = deployed();
    let proxy = Proxy::before(&scene, |request| match is_about_cache(request) {
        true => Answer::Closed,
        false => Answer::Pass,
    });
    in_trouble(&scene, "cache::remote_unavailable", |line| proxy.run(&scene, line));
}

/// Every write comes too late: somebody else has written meanwhile.
#[test]
fn an_index_that_others_write_all_the_time() {
    let scene = deployed();
    let tries = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&tries);
    let proxy = Proxy::before(&scene, move |request| {
        if !is_about_cache(request) || request.method() != "PUT" {
            return Answer::Pass;
        }
        counted.fetch_add(1, Ordering::Relaxed);
        let text = "<Error><Code>PreconditionFailed</Code><Message>At least one of the pre-conditions you specified did not hold</Message></Error>";
        Answer::Text("412 Precondition Failed", text.to_owned())
    });
    in_trouble(&scene, "cache::gave_up", |line| proxy.run(&scene, line));
    let tries = tries.load(Ordering::Relaxed);
    assert!((2..=20).contains(&tries), "{tries}");
}

/// Somebody else writes between the reading and the writing of a run, once: the write is merged.
#[test]
fn an_index_that_somebody_else_has_written() {
    let scene = deployed();
    let first = Arc::new(AtomicBool::new(true));
    let proxy = Proxy::before(&scene, move |request| {
        if is_about_cache(request) && request.method() == "PUT" && first.swap(false, Ordering::Relaxed) {
            return Answer::Text(
                "412 Precondition Failed",
                "<Error><Code>PreconditionFailed</Code></Error>".to_owned(),
            );
        }
        Answer::Pass
    });
    scene.config(&stacks("y"));
    let ran = proxy.run(&scene, "deploy --yes").ended(0);
    assert_eq!(warnings(&ran), 0, "{}", ran.stderr);
    let records = |scene: &Scene| {
        let listed: Value =
            serde_json::from_str(&scene.run("cache ls --format json").ended(0).stdout).unwrap();
        listed["records"].as_array().unwrap().len()
    };
    assert!(records(&scene) >= 3, "the templates of both versions and what was known before");
}

/// A writer was cut off half-way: its index is no index, for whoever comes next.
#[test]
fn an_index_that_is_cut_off() {
    let scene = deployed();
    let proxy = Proxy::before(&scene, |request| match is_about_cache(request) && request.method() == "PUT" {
        true => Answer::Cut,
        false => Answer::Pass,
    });
    scene.config(&stacks("z"));
    proxy.run(&scene, "deploy --yes").ended(0);
    scene.config(&stacks("y"));
    let plan = scene.run("plan --detailed-exitcode --no-cache").ended(2);
    let troubled = scene.run("plan --detailed-exitcode").ended(2).says("cache::unreadable");
    assert_eq!((&troubled.stdout, warnings(&troubled)), (&plan.stdout, 1));
    in_trouble(&scene, "cache::unreadable", |line| scene.run(line));
}
