//! Secrets reach nothing that is shown: random projects in which secrets come in by every way and go through lookups,
//! templates, outputs and dependants, and everything that is told of planning and deploying them, in every format.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a panic is how a test fails")]

#[allow(dead_code, reason = "shared with other tests")]
#[path = "../engine/fakes.rs"]
mod fakes;
mod finder;
mod scene;
#[allow(dead_code, reason = "shared with other tests")]
#[path = "../engine/support.rs"]
mod support;
#[allow(dead_code, reason = "shared with the tests of the engine")]
#[path = "../engine/things.rs"]
mod things;
mod told;

use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::{Config, TestRunner};

use finder::Reader;
use scene::{Guards, Scene, scene};

/// What is told of a scene, in a runtime of its own in which time passes at once.
fn told(scene: &Scene, guards: Guards) -> Vec<(String, String)> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    runtime.unwrap().block_on(told::everything(scene, guards))
}

proptest! {
    #![proptest_config(Config { cases: 200, failure_persistence: None, max_shrink_iters: 200, ..Config::default() })]

    #[test]
    fn nothing_that_is_told_has_a_secret_in_it(scene in scene()) {
        for (what, text) in told(&scene, Guards::Up) {
            let reader = Reader::new(&text);
            for secret in scene.secrets() {
                let found = reader.find(&secret);
                prop_assert!(found.is_none(), "{what} has {secret:?} ({}):\n{text}", found.unwrap());
            }
        }
    }
}

/// The same scenes with nothing marked as secret: if these told no secrets, the property above would say nothing.
#[test]
fn without_marks_every_kind_of_text_tells_secrets() {
    let mut runner = TestRunner::deterministic();
    let mut leaks = std::collections::BTreeMap::new();
    let count = 20;
    let mut leaking = 0;
    for _ in 0..count {
        let scene = scene().new_tree(&mut runner).unwrap().current();
        let mut leaked = false;
        for (what, text) in told(&scene, Guards::Down) {
            let reader = Reader::new(&text);
            let found = scene.secrets().iter().any(|secret| reader.find(secret).is_some());
            *leaks.entry(what).or_insert(0) += usize::from(found);
            leaked |= found;
        }
        leaking += usize::from(leaked);
    }
    assert!(leaking * 10 >= count * 9, "only {leaking} of {count} scenes tell a secret");
    for what in [
        "plan in full",
        "plan as JSON",
        "plan in Markdown",
        "plan as a page",
        "saved plan",
        "changed plan in full",
        "changed plan as JSON",
        "events as text",
        "events as JSON",
        "outputs as text",
        "outputs as JSON",
        "failure as text",
        "failure as JSON",
        "records of the cache",
    ] {
        let found = leaks.get(what).copied().unwrap_or_default();
        assert!(found * 10 >= count, "{what} tells a secret in {found} of {count} scenes: {leaks:?}");
    }
}
