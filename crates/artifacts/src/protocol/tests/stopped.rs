//! Sessions that end before their time, whose requests may be carried out later; and prunes that sleep, or take long.

use std::collections::BTreeMap;

use super::explore::*;
use super::rules::*;
use super::world::*;
use crate::names::ManifestId;
use crate::protocol::*;

const ENTRY: &str = "index.html";

/// `X` is of an aged build and of the new ones.
const B: Files<'_> = &[("X", "x", Class::Bulk), (ENTRY, "entry of b", Class::Entry)];
const OLD: Files<'_> =
    &[("X", "x", Class::Bulk), ("O", "o", Class::Bulk), (ENTRY, "entry of old", Class::Entry)];

/// An aged build with the copy of its entry point, a live one, and sessions.
fn scene(sessions: Vec<Session>) -> (State, Invariant) {
    let mut objects = BTreeMap::new();
    let names: Vec<(&str, &str)> = OLD.iter().map(|(name, body, _)| (*name, *body)).collect();
    aged(&mut objects, 3, &names);
    let copy = Object::new("entry of old".into(), None);
    objects.insert(layout().copy(ManifestId(3), &path(ENTRY)), copy);
    live(&mut objects, 2, &[(ENTRY, "entry of before")]);
    let invariant = Invariant { monotonic: false, ..Invariant::of(&sessions, &[ENTRY]) };
    (start(objects, sessions), invariant)
}

fn a_push() -> Session {
    push("B", 10, B, PushMode::default())
}

fn a_prune(name: &str) -> Session {
    prune(prune_order(name, 100, 0))
}

fn search(sessions: Vec<Session>, rules: Rules) -> Search {
    let (state, invariant) = scene(sessions);
    explore(state, &rules, &invariant)
}

fn search_held(sessions: Vec<Session>, rules: Rules) -> Search {
    let (state, mut invariant) = scene(sessions);
    invariant.held = Some((ManifestId(3), OLD.iter().map(|(name, _, _)| path(name)).collect()));
    explore(state, &rules, &invariant)
}

const ONE: Rules = Rules { crashes: 1, give_ups: 1, ..Rules::NONE };

#[test]
fn whoever_gives_up_leaves_a_request_under_way() {
    search(vec![a_push(), a_prune("P")], Rules { crashes: 4, give_ups: 2, expiry: true, ..Rules::NONE })
        .is_sound("1 push, 1 prune, 2 give up");
    search(vec![a_push(), a_prune("P"), a_prune("Q")], Rules { coarse: 1, ..ONE })
        .is_sound("1 push, 2 prunes, 1 gives up");
    let other =
        push("C", 20, &[("X", "x", Class::Bulk), (ENTRY, "entry of c", Class::Entry)], PushMode::default());
    search(vec![a_push(), other, a_prune("P")], Rules { coarse: 2, ..ONE })
        .is_sound("2 pushes, 1 prune, 1 gives up");
    let early_release = Defects { early_release: true, ..Defects::NONE };
    search(vec![a_push(), a_prune("P")], Rules { defects: early_release, ..ONE })
        .is_faulty("a marker that is released while a deletion is under way");
}

#[test]
fn a_deletion_whose_answer_is_lost_happens_later() {
    let rules = Rules { crashes: 2, echoes: 2, ..Rules::NONE };
    search(vec![a_push(), a_prune("P")], rules).is_sound("1 push, 1 prune, lost deletions");
    search(vec![a_push(), a_prune("P"), a_prune("Q")], Rules { echoes: 1, crashes: 1, coarse: 1, ..rules })
        .is_sound("1 push, 2 prunes, a lost deletion");
    let no_settling = Defects { no_settling: true, ..Defects::NONE };
    search(vec![a_push(), a_prune("P")], Rules { defects: no_settling, ..rules })
        .is_faulty("a marker that is released while a deletion may still happen");
}

#[test]
fn prunes_that_sleep_or_take_long() {
    let slow = Rules { crashes: 2, slow: true, ..Rules::NONE };
    search(vec![a_push(), a_prune("P")], slow).is_sound("1 push, 1 slow prune");
    search(vec![a_push(), a_prune("P"), a_prune("Q")], Rules { coarse: 1, ..slow })
        .is_sound("1 push, 2 slow prunes");
    let sleeps = Rules { sleeps: 2, slow: true, ..Rules::NONE };
    search(vec![a_push(), a_prune("P")], sleeps).is_sound("1 push, 1 prune that sleeps");
    search(vec![a_push(), a_prune("P"), a_prune("Q")], Rules { coarse: 1, sleeps: 1, ..sleeps })
        .is_sound("1 push, 2 prunes that sleep");
    let plain_marker = Defects { plain_marker: true, ..Defects::NONE };
    search(vec![a_push(), a_prune("P")], Rules { defects: plain_marker, ..sleeps })
        .is_faulty("a marker that is written again whosever it is");
}

#[test]
fn going_back_beside_prunes() {
    let rollback = || rollback("R", 3, OLD);
    let rules = Rules { crashes: 2, expiry: true, give_ups: 1, ..Rules::NONE };
    search(vec![rollback(), a_prune("P")], rules).is_sound("1 rollback, 1 prune");
    search(vec![rollback(), a_prune("P"), a_prune("Q")], Rules { coarse: 1, crashes: 1, ..rules })
        .is_sound("1 rollback, 2 prunes");
    search(vec![rollback(), a_push(), a_prune("P")], Rules { coarse: 2, crashes: 1, give_ups: 0, ..rules })
        .is_sound("1 rollback, 1 push, 1 prune");
    for defects in [
        Defects { no_intent: true, ..Defects::NONE },
        Defects { no_marker: true, ..Defects::NONE },
        Defects { impatient: true, ..Defects::NONE },
    ] {
        search(vec![rollback(), a_prune("P")], Rules { defects, ..Rules::NONE })
            .is_faulty("a rollback without");
    }
}

#[test]
fn holding_a_build_beside_prunes() {
    let pin = || pin("H", 3, OLD);
    let rules = Rules { crashes: 2, expiry: true, give_ups: 1, ..Rules::NONE };
    search_held(vec![pin(), a_prune("P")], rules).is_sound("1 pin, 1 prune");
    search_held(vec![pin(), a_prune("P"), a_prune("Q")], rules).is_sound("1 pin, 2 prunes");
    search_held(vec![pin(), a_push(), a_prune("P")], Rules { coarse: 2, crashes: 1, give_ups: 0, ..rules })
        .is_sound("1 pin, 1 push, 1 prune");
    for defects in [
        Defects { no_intent: true, ..Defects::NONE },
        Defects { no_marker: true, ..Defects::NONE },
        Defects { impatient: true, ..Defects::NONE },
    ] {
        search_held(vec![pin(), a_prune("P")], Rules { defects, ..Rules::NONE }).is_faulty("a pin without");
    }
}
