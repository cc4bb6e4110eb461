//! Builds that go live beside each other: mixed builds never are.

use std::collections::BTreeMap;

use super::explore::*;
use super::rules::*;
use super::world::*;
use crate::protocol::*;

const ENTRIES: [&str; 2] = ["app.html", "index.html"];

/// Bytes of the two entry points in each build, 0 for what is there before.
type Pattern = [[u8; 2]; 4];

/// All ways in which the bytes of builds may be the same, for one entry point.
fn equalities(builds: usize) -> Vec<Vec<u8>> {
    let mut found = vec![vec![0]];
    for _ in 1..builds {
        found = found
            .into_iter()
            .flat_map(|known: Vec<u8>| {
                let most = known.iter().max().copied().unwrap_or_default();
                (0..=most + 1).map(move |next| known.iter().copied().chain([next]).collect())
            })
            .collect();
    }
    found
}

fn patterns(builds: usize) -> Vec<Pattern> {
    let one = equalities(builds);
    let mut found = Vec::new();
    for first in &one {
        for second in &one {
            let mut pattern = [[0; 2]; 4];
            for build in 0..builds {
                pattern[build] = [first[build], second[build]];
            }
            found.push(pattern);
        }
    }
    found
}

const DISTINCT: Pattern = [[0, 0], [1, 1], [2, 2], [3, 3]];

fn scene(writers: usize, pattern: &Pattern, resumes: bool) -> (State, Invariant) {
    let bodies: Vec<[String; 2]> =
        pattern.iter().map(|bytes| bytes.map(|byte| format!("bytes {byte}"))).collect();
    let mut objects = BTreeMap::new();
    for (name, body) in ENTRIES.iter().zip(&bodies[0]) {
        objects.insert(layout().file(&path(name)), Object::new(body.clone().into(), None));
    }
    let mut sessions = Vec::new();
    for (number, name) in (1..).zip(["A", "B", "C"]).take(writers) {
        let files = [0, 1].map(|entry| (ENTRIES[entry], bodies[number][entry].as_str(), Class::Entry));
        sessions.push(push(name, 10 * number as u64, &files, PushMode::default()));
    }
    if resumes {
        sessions.push(resume("R"));
    }
    let invariant = Invariant::of(&sessions, &ENTRIES);
    (start(objects, sessions), invariant)
}

fn search(writers: usize, pattern: &Pattern, resumes: bool, rules: Rules) -> Search {
    let (state, invariant) = scene(writers, pattern, resumes);
    explore(state, &rules, &invariant)
}

#[test]
fn two_builds_with_any_bytes() {
    let rules = Rules { crashes: 1, ..Rules::default() };
    let states: usize = patterns(3)
        .iter()
        .map(|pattern| search(2, pattern, false, rules).is_sound(&format!("{pattern:?}")).states)
        .sum();
    println!("{states} states");
}

#[test]
fn a_change_is_finished_beside_a_push() {
    search(2, &DISTINCT, true, Rules { crashes: 1, ..Rules::default() }).is_sound("resume");
}

#[test]
fn lost_answers_change_nothing() {
    search(2, &DISTINCT, false, Rules { lost: 2, ..Rules::default() }).is_sound("lost answers");
}

#[test]
fn what_is_left_out_is_missed() {
    let faulty = |name, defects| {
        search(2, &DISTINCT, false, Rules { defects, ..Rules::default() }).is_faulty(name);
    };
    let impatient = Defects { impatient: true, ..Defects::default() };
    // Entity tags tell bytes apart, not writes: that protects from a writer that lives on until bytes are the same.
    search(2, &DISTINCT, false, Rules { defects: impatient, ..Rules::default() }).is_sound("distinct bytes");
    let mixed = patterns(3).into_iter().filter(|pattern| {
        let rules = Rules { defects: impatient, ..Rules::default() };
        search(2, pattern, false, rules).violation.is_some()
    });
    assert!(mixed.count() > 0, "a head taken from a living writer");
    faulty("and plain entry points", Defects { plain_entries: true, ..impatient });
    faulty("a head without conditions", Defects { plain_head: true, ..Defects::default() });
}
