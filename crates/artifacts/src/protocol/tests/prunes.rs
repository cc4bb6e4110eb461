//! Pushes beside prunes: nothing that is live is ever deleted, and everything left over is collected later.

use std::collections::{BTreeMap, BTreeSet};

use runway_store::ObjectKey;

use super::explore::*;
use super::rules::*;
use super::world::*;
use crate::format::{Manifest, ManifestFormat};
use crate::protocol::*;

const ENTRY: &str = "index.html";

/// `X` is of an aged build and of both new ones, `O` of the aged one alone.
const B: Files<'_> = &[("X", "x", Class::Bulk), ("b", "b", Class::Bulk), (ENTRY, "entry of b", Class::Entry)];
const C: Files<'_> = &[("X", "x", Class::Bulk), ("c", "c", Class::Bulk), (ENTRY, "entry of c", Class::Entry)];

/// The least that matters: nothing but the file that old and new builds share.
const SHARED: Files<'_> = &[("X", "x", Class::Bulk)];

/// What was there before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Before {
    /// valpop's builds, and no head.
    Valpop,
    /// A live build, which does not name what the aged one does.
    Live,
}

fn scene(before: Before, pushes: usize, prunes: usize) -> (State, Invariant) {
    if pushes + prunes < 4 {
        return scene_of(before, pushes, prunes, &[("O", "o"), ("X", "x")], [B, C]);
    }
    scene_of(before, pushes, prunes, &[("X", "x")], [SHARED, SHARED])
}

fn scene_of(
    before: Before,
    pushes: usize,
    prunes: usize,
    old: &[(&str, &str)],
    [b, c]: [Files<'_>; 2],
) -> (State, Invariant) {
    let mut objects = BTreeMap::new();
    match before {
        Before::Valpop => {
            aged_in(&mut objects, 3, old, ManifestFormat::List);
            // What may be live, and what was before it.
            for id in [4, 5] {
                aged_in(&mut objects, id, &[("V", "v")], ManifestFormat::List);
            }
        }
        Before::Live => {
            aged(&mut objects, 3, old);
            live(&mut objects, 2, &[(ENTRY, "entry of before")][..usize::from(pushes + prunes < 4)]);
        }
    }
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

fn search_from(before: Before, pushes: usize, prunes: usize, rules: Rules) -> Search {
    let (state, invariant) = scene(before, pushes, prunes);
    explore(state, &rules, &invariant)
}

fn search(pushes: usize, prunes: usize, rules: Rules) -> Search {
    search_from(Before::Live, pushes, prunes, rules)
}

const CRASHES: Rules = Rules { crashes: 4, ..Rules::NONE };

/// From every end, a change that was broken off can be finished, and two prunes later nothing is left but what is live.
fn leftovers_are_collected(search: &Search, invariant: &Invariant) {
    for end in &search.ends {
        for session in &end.sessions {
            assert!(!matches!(session.end, Some(AnyEnd::Error(_))), "{:?}", session.end);
        }
        let mut state = alone(end, resume("R"));
        assert_eq!(invariant.violated(&state), None);
        let asked = prune(prune_order("X", 0, 0));
        let pruned = alone(&state, asked);
        if let Some(AnyEnd::Prune(PruneEnd::Refused(refusal), _)) = &pruned.sessions.last().unwrap().end {
            // The first push died before it wrote the head, so that nobody knows what is live until the next one.
            assert!(
                matches!(refusal, crate::gc::GcRefusal::HeadLost(_)) && Invariant::head(&state).is_none()
            );
            let kept = |key: &&ObjectKey| **key != layout().marker();
            assert!(pruned.objects.keys().filter(kept).eq(state.objects.keys().filter(kept)));
            state = alone(&state, push("N", 99, &[(ENTRY, "entry of n", Class::Entry)], PushMode::default()));
            assert_eq!(invariant.violated(&state), None);
        }
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
                Manifest::decode(body).unwrap().files
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

fn is_sound_and_clean(name: &str, before: Before, pushes: usize, prunes: usize, rules: Rules) {
    let found = search_from(before, pushes, prunes, rules);
    leftovers_are_collected(found.is_sound(name), &scene(before, pushes, prunes).1);
}

#[test]
fn one_push_and_one_prune() {
    let expiry = Rules { expiry: true, ..CRASHES };
    is_sound_and_clean("1 push, 1 prune", Before::Live, 1, 1, CRASHES);
    is_sound_and_clean("1 push, 1 prune, expiry", Before::Live, 1, 1, expiry);
    is_sound_and_clean("1 push, 1 prune, expiry, valpop's bucket", Before::Valpop, 1, 1, expiry);
    let found = search(1, 1, Rules { lost: 2, ..expiry });
    found.is_sound("1 push, 1 prune, expiry, lost answers");
}

#[test]
fn one_push_and_two_prunes() {
    let expiry = Rules { expiry: true, ..CRASHES };
    is_sound_and_clean("1 push, 2 prunes, expiry", Before::Live, 1, 2, expiry);
    is_sound_and_clean("1 push, 2 prunes, expiry, valpop's bucket", Before::Valpop, 1, 2, expiry);
}

#[test]
fn two_pushes_and_one_prune() {
    let rules = Rules { expiry: true, coarse: 1, ..CRASHES };
    is_sound_and_clean("2 pushes, 1 prune, expiry", Before::Live, 2, 1, rules);
}

#[test]
fn two_pushes_and_two_prunes() {
    let rules = Rules { expiry: true, coarse: 2, crashes: 2, ..CRASHES };
    is_sound_and_clean("2 pushes, 2 prunes, expiry", Before::Live, 2, 2, rules);
}

#[test]
fn what_is_left_out_is_missed() {
    let faulty = |name, before, crashes, expiry, defects| {
        search_from(before, 1, 1, Rules { crashes, expiry, defects, ..Rules::NONE }).is_faulty(name);
    };
    let none = Defects::NONE;
    for before in [Before::Valpop, Before::Live] {
        let valpop = Defects { no_intent: true, no_marker: true, manifest_last: true, ..none };
        faulty("valpop's order, and skipping", before, 0, false, valpop);
        faulty("no intent", before, 0, false, Defects { no_intent: true, ..none });
        faulty("no marker", before, 0, false, Defects { no_marker: true, ..none });
        let manifest_last = Defects { manifest_last: true, ..none };
        faulty("entry points before the manifest", before, 2, true, manifest_last);
        faulty("a marker taken from a living prune", before, 0, false, Defects { impatient: true, ..none });
    }
    let manifests_first = Defects { manifests_first: true, ..none };
    let no_head = Defects { no_head: true, ..manifests_first };
    faulty("manifests before intents", Before::Valpop, 0, false, no_head);
    // A prune that knows the head, but not its manifest, refuses to go on.
    search(1, 1, Rules { defects: manifests_first, ..Rules::NONE }).is_sound("with the head");
}
