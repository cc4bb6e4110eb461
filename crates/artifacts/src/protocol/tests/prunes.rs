//! Pushes beside prunes: nothing that is live is ever deleted, and everything left over is collected later.

use std::collections::{BTreeMap, BTreeSet};

use super::explore::*;
use super::world::*;
use crate::protocol::*;

const ENTRY: &str = "index.html";

/// `X` is of an aged build and of both new ones, `O` of the aged one alone.
const B: Files<'_> = &[("X", "x", Class::Bulk), ("b", "b", Class::Bulk), (ENTRY, "entry of b", Class::Entry)];
const C: Files<'_> = &[("X", "x", Class::Bulk), ("c", "c", Class::Bulk), (ENTRY, "entry of c", Class::Entry)];

/// The least that matters: nothing but the file that old and new builds share.
const SHARED: Files<'_> = &[("X", "x", Class::Bulk)];

fn scene(pushes: usize, prunes: usize) -> (State, Invariant) {
    if pushes + prunes < 4 {
        return scene_of(pushes, prunes, &[("O", "o"), ("X", "x")], [B, C]);
    }
    scene_of(pushes, prunes, &[("X", "x")], [SHARED, SHARED])
}

fn scene_of(
    pushes: usize,
    prunes: usize,
    old: &[(&str, &str)],
    [b, c]: [Files<'_>; 2],
) -> (State, Invariant) {
    let mut objects = BTreeMap::new();
    aged(&mut objects, 1, old);
    let mut sessions = Vec::new();
    for (name, build, files) in [("B", 10, b), ("C", 20, c)].into_iter().take(pushes) {
        sessions.push(push(name, build, files, PushMode::default()));
    }
    for name in ["P", "Q"].into_iter().take(prunes) {
        sessions.push(prune(prune_order(name, 100, 0)));
    }
    let invariant = Invariant::of(&sessions, &[ENTRY]);
    (start(objects, sessions), invariant)
}

fn search(pushes: usize, prunes: usize, rules: Rules) -> Search {
    let (state, invariant) = scene(pushes, prunes);
    explore(state, &rules, &invariant)
}

const CRASHES: Rules = Rules { crashes: 4, expiry: false, lost: 0, coarse: 0, defects: NONE };
const NONE: Defects = Defects {
    no_intent: false,
    no_marker: false,
    manifests_first: false,
    manifest_last: false,
    impatient: false,
    plain_entries: false,
    plain_head: false,
    no_head: false,
};

/// From every end, a change that was broken off can be finished, and two prunes later nothing is left but what is live.
fn leftovers_are_collected(search: &Search, invariant: &Invariant) {
    for end in &search.ends {
        for session in &end.sessions {
            assert!(!matches!(session.end, Some(AnyEnd::Error(_))), "{:?}", session.end);
        }
        let mut state = alone(end, resume("R"));
        assert_eq!(invariant.violated(&state), None);
        for name in ["Y", "Z"] {
            state = alone(
                &state,
                prune(PruneOrder { threshold: Default::default(), now: 2000, ..prune_order(name, 0, 0) }),
            );
            assert_eq!(invariant.violated(&state), None);
        }
        let head = Invariant::head(&state);
        let live: BTreeSet<String> = state
            .objects
            .keys()
            .filter_map(|key| layout().manifest_of(key))
            .inspect(|id| {
                assert!(
                    head.as_ref()
                        .is_none_or(|head| head.manifest == *id || head.prev == Some(*id) || id.0 >= NOW)
                )
            })
            .flat_map(|id| {
                let body = &state.objects[&layout().manifest(id)].body;
                crate::format::Manifest::decode(body).unwrap().files
            })
            .map(|path| path.to_string())
            .collect();
        let prefix = layout().data();
        let left: BTreeSet<String> = state
            .objects
            .keys()
            .filter_map(|key| key.as_str().strip_prefix(&prefix))
            .map(str::to_owned)
            .collect();
        assert!(left.is_subset(&live), "{left:?} is left, {live:?} is named");
        assert!(!state.objects.keys().any(|key| key.as_str().starts_with(&layout().intents())));
    }
}

#[test]
fn one_push_and_one_prune() {
    let found = search(1, 1, CRASHES);
    leftovers_are_collected(found.is_sound("1 push, 1 prune"), &scene(1, 1).1);
    let found = search(1, 1, Rules { expiry: true, ..CRASHES });
    leftovers_are_collected(found.is_sound("1 push, 1 prune, expiry"), &scene(1, 1).1);
    let found = search(1, 1, Rules { expiry: true, lost: 2, ..CRASHES });
    found.is_sound("1 push, 1 prune, expiry, lost answers");
}

#[test]
fn one_push_and_two_prunes() {
    let found = search(1, 2, Rules { expiry: true, ..CRASHES });
    leftovers_are_collected(found.is_sound("1 push, 2 prunes, expiry"), &scene(1, 2).1);
}

#[test]
fn two_pushes_and_one_prune() {
    let found = search(2, 1, Rules { expiry: true, coarse: 1, ..CRASHES });
    leftovers_are_collected(found.is_sound("2 pushes, 1 prune, expiry"), &scene(2, 1).1);
}

#[test]
fn two_pushes_and_two_prunes() {
    let found = search(2, 2, Rules { expiry: true, coarse: 2, crashes: 2, ..CRASHES });
    leftovers_are_collected(found.is_sound("2 pushes, 2 prunes, expiry"), &scene(2, 2).1);
}

#[test]
fn what_is_left_out_is_missed() {
    let faulty = |name, pushes, prunes, crashes, expiry, defects| {
        search(pushes, prunes, Rules { crashes, expiry, lost: 0, coarse: 0, defects }).is_faulty(name);
    };
    let valpop = Defects { no_intent: true, no_marker: true, manifest_last: true, ..NONE };
    faulty("valpop's order, and skipping", 1, 1, 0, false, valpop);
    faulty("no intent", 1, 1, 0, false, Defects { no_intent: true, ..NONE });
    faulty("no marker", 1, 1, 0, false, Defects { no_marker: true, ..NONE });
    let manifests_first = Defects { manifests_first: true, ..NONE };
    faulty("manifests before intents", 1, 1, 0, false, Defects { no_head: true, ..manifests_first });
    // A prune that knows the head, but not its manifest, refuses to go on.
    search(1, 1, Rules { defects: manifests_first, ..Rules::default() }).is_sound("with the head");
    faulty("entry points before the manifest", 1, 1, 2, true, Defects { manifest_last: true, ..NONE });
    faulty("a marker taken from a living prune", 1, 1, 0, false, Defects { impatient: true, ..NONE });
}
