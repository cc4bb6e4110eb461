//! Sessions that take long, and what is lost meanwhile.

use std::collections::BTreeMap;
use std::time::Duration;

use super::explore::*;
use super::rules::*;
use super::step::successors;
use super::world::*;
use crate::names::Nonce;
use crate::protocol::*;

const FILES: Files<'_> =
    &[("x", "x", Class::Bulk), ("a.html", "a", Class::Entry), ("b.html", "b", Class::Entry)];

/// Runs the only session to its end. Before every request, `before` may change things; the requests are told.
fn run(mut state: State, mut before: impl FnMut(&mut State, &Ask<()>)) -> (State, Vec<Ask<()>>) {
    let mut asked = Vec::new();
    for _ in 0..200 {
        let Some(ask) = state.sessions[0].ask.clone() else { return (state, asked) };
        before(&mut state, &ask);
        asked.push(ask);
        state = successors(&state, &Rules::default()).pop().expect("something happens").1;
    }
    panic!("it does not end");
}

fn is_head(ask: &Ask<()>) -> bool {
    matches!(ask, Ask::Put { key, .. } if *key == layout().head())
}

#[test]
fn a_slow_change_says_that_its_writer_lives() {
    let slow = |seconds| {
        let push = push("B", 10, FILES, PushMode::default());
        let (state, asked) = run(start(BTreeMap::new(), vec![push]), |state, ask| {
            if matches!(ask, Ask::PutEntry { .. }) {
                state.change(0, |session| session.now += Duration::from_secs(seconds));
            }
        });
        let head = Invariant::head(&state).unwrap();
        assert_eq!(head.state, crate::format::HeadState::Published);
        asked.iter().filter(|ask| is_head(ask)).count()
    };
    // Two entry points: at first and at the end, and before whatever is done after half of the deadline.
    assert_eq!(slow(1), 2);
    assert_eq!(slow(59), 3);
    assert_eq!(slow(61), 4);
}

#[test]
fn a_change_that_was_taken_over_is_given_up() {
    let push = push("B", 10, FILES, PushMode::default());
    let mut entries = 0;
    let (state, _) = run(start(BTreeMap::new(), vec![push]), |state, ask| {
        if matches!(ask, Ask::PutEntry { .. }) {
            entries += 1;
            if entries == 2 {
                state.change(0, |session| session.now += Duration::from_secs(100));
                let objects = std::sync::Arc::make_mut(&mut state.objects);
                let other = Invariant::head_of(&objects[&layout().head()].body).renewed();
                objects.insert(layout().head(), Object::new(other.encode(), None));
            }
        }
    });
    let Some(AnyEnd::Push(end, _)) = &state.sessions[0].end else { panic!("{:?}", state.sessions[0].end) };
    assert_eq!(*end, PushEnd::Flipped(FlipEnd::LostRace));
}

#[test]
fn a_prune_that_lists_before_a_push_and_reads_the_head_after_it_looks_again() {
    let mut objects = BTreeMap::new();
    aged(&mut objects, 1, &[("x", "x")]);
    live(&mut objects, 2, &[]);
    let mut is_pushed = false;
    let (state, _) = run(start(objects, vec![prune(prune_order("P", 100, 0))]), |state, ask| {
        if matches!(ask, Ask::Get(key) if *key == layout().head()) && !is_pushed {
            is_pushed = true;
            live(std::sync::Arc::make_mut(&mut state.objects), 3, &[]);
        }
    });
    assert!(
        is_pushed && matches!(state.sessions[0].end, Some(AnyEnd::Prune(PruneEnd::Done, _))),
        "{:?}",
        state.sessions[0].end
    );
}

#[test]
fn a_push_that_takes_half_of_its_time_gives_up() {
    let push = push("B", 10, FILES, PushMode::default());
    let (state, _) = run(start(BTreeMap::new(), vec![push]), |state, ask| {
        if matches!(ask, Ask::Send(_)) {
            state.change(0, |session| session.now += Duration::from_secs(12 * 3600));
        }
    });
    assert_eq!(state.sessions[0].end, Some(AnyEnd::Error(ProtocolError::TooSlow)));
    assert!(Invariant::head(&state).is_none());
    assert!(state.objects.keys().any(|key| key.as_str().starts_with(&layout().intents())));
}

#[test]
fn a_push_that_takes_long_looks_once_more() {
    let push = push("B", 10, FILES, PushMode::default());
    let (state, _) = run(start(BTreeMap::new(), vec![push]), |state, ask| {
        if matches!(ask, Ask::Put { key, .. } if layout().manifest_of(key).is_some()) {
            state.change(0, |session| session.now += Duration::from_secs(6 * 3600));
            std::sync::Arc::make_mut(&mut state.objects).remove(&layout().file(&path("x")));
        }
    });
    assert!(state.objects.contains_key(&layout().file(&path("x"))), "it is sent again");
    assert!(matches!(
        state.sessions[0].end,
        Some(AnyEnd::Push(PushEnd::Flipped(FlipEnd::Published { .. }), _))
    ));
}

#[test]
fn a_push_whose_intent_is_lost_begins_again_and_trusts_nothing() {
    let lost = |times| {
        let mut left = times;
        let mut objects = BTreeMap::new();
        aged(&mut objects, 1, &[("x", "x")]);
        let push = push("B", 10, FILES, PushMode::default());
        run(start(objects, vec![push]), |state, ask| {
            let is_intent = |key: &ObjectKey| key.as_str().starts_with(&layout().intents());
            if left > 0 && matches!(ask, Ask::Get(key) if is_intent(key)) {
                left -= 1;
                std::sync::Arc::make_mut(&mut state.objects).retain(|key, _| !is_intent(key));
            }
        })
    };
    let sends = |asked: &[Ask<()>]| asked.iter().filter(|ask| matches!(ask, Ask::Send(_))).count();
    let (_, asked) = lost(0);
    assert_eq!(sends(&asked), 0, "it is proven to be there");
    let (state, asked) = lost(2);
    assert!(sends(&asked) >= 2, "nothing is proven any more");
    assert!(matches!(
        state.sessions[0].end,
        Some(AnyEnd::Push(PushEnd::Flipped(FlipEnd::Published { .. }), _))
    ));
    let (state, _) = lost(3);
    assert_eq!(state.sessions[0].end, Some(AnyEnd::Error(ProtocolError::IntentLost(3))));
}

/// Prunes 2,500 files, each request of which takes so long, and tells the requests. Before every deletion, `before` may
/// change things.
fn slow_prune(seconds: u64, mut before: impl FnMut(&mut State, usize)) -> (State, Vec<Ask<()>>) {
    let mut objects = BTreeMap::new();
    let names: Vec<String> = (0..2500).map(|number| format!("{number:04}")).collect();
    let files: Vec<(&str, &str)> = names.iter().map(|name| (name.as_str(), "old")).collect();
    aged(&mut objects, 1, &files);
    live(&mut objects, 2, &[]);
    let mut state = start(objects, vec![prune(prune_order("P", 100, 0))]);
    let mut asked: Vec<Ask<()>> = Vec::new();
    let mut deletions = 0;
    for _ in 0..200 {
        let Some(ask) = state.sessions[0].ask.clone() else { return (state, asked) };
        if asked.last() != Some(&ask) {
            if matches!(ask, Ask::DeleteMany { .. }) {
                before(&mut state, deletions);
                deletions += 1;
                state.change(0, |session| session.now += Duration::from_secs(seconds));
            }
            asked.push(ask.clone());
        }
        // All at once: that is tried key by key elsewhere.
        if let Ask::DeleteMany { keys, .. } = ask {
            let objects = std::sync::Arc::make_mut(&mut state.objects);
            objects.retain(|key, _| !keys.contains(key));
            let deleted = Reply::DeletedMany { failed: Vec::new(), lingers: false };
            state.change(0, |session| session.step(deleted));
            continue;
        }
        state = successors(&state, &Rules::default()).pop().expect("something happens").1;
    }
    panic!("it does not end");
}

fn writes_marker(ask: &Ask<()>) -> bool {
    matches!(ask, Ask::Put { key, .. } if *key == layout().marker())
}

#[test]
fn a_prune_says_that_it_lives_while_work_is_left() {
    let renewed = |seconds| {
        let (state, asked) = slow_prune(seconds, |_, _| ());
        let Some(AnyEnd::Prune(end, report)) = &state.sessions[0].end else { panic!("it does not end") };
        assert_eq!((end, report.deleted.len(), report.expired.len()), (&PruneEnd::Done, 2500, 1));
        let sizes: Vec<usize> = asked
            .iter()
            .filter_map(|ask| match ask {
                Ask::DeleteMany { keys, .. } => Some(keys.len()),
                _ => None,
            })
            .collect();
        assert_eq!(sizes, [1000, 1000, 500, 1]);
        // It is taken and given back.
        asked.iter().filter(|ask| writes_marker(ask)).count() - 2
    };
    assert_eq!(renewed(1), 0);
    assert_eq!(renewed(30), 1);
    // However long it takes, every deletion but the first comes right after the marker was written.
    assert_eq!(renewed(119), 3);
    assert_eq!(renewed(500), 3);
}

#[test]
fn a_prune_whose_marker_is_another_ones_deletes_nothing_more() {
    let (state, asked) = slow_prune(500, |state, deletions| {
        if deletions == 1 {
            let objects = std::sync::Arc::make_mut(&mut state.objects);
            objects.insert(layout().marker(), Object::new("another one's".into(), None));
        }
    });
    let Some(AnyEnd::Prune(end, report)) = &state.sessions[0].end else { panic!("it does not end") };
    // The deletion before which that happened was on its way.
    assert_eq!((end, report.deleted.len()), (&PruneEnd::TakenOver, 2000));
    assert_eq!(asked.iter().filter(|ask| matches!(ask, Ask::DeleteMany { .. })).count(), 2);
    assert_eq!(state.objects[&layout().marker()].body, "another one's", "it is not given back");
    assert!(state.objects.contains_key(&layout().manifest(ManifestId(1))), "the next prune goes on");
}

#[test]
fn an_older_build_looks_once_more_before_it_changes_bytes_under_their_names() {
    let mut objects = BTreeMap::new();
    live(&mut objects, 2, &[("a.html", "before"), ("vendor.js", "before")]);
    let files: Files<'_> =
        &[("new.js", "n", Class::Bulk), ("vendor.js", "older", Class::Bulk), ("a.html", "a", Class::Entry)];
    let newer = ManifestId(20);
    let older = push("A", 10, files, PushMode::default());
    let (state, asked) = run(start(objects, vec![older]), |state, ask| {
        if matches!(ask, Ask::Send(_)) {
            state.change(0, |session| session.now += Duration::from_secs(10));
            let objects = std::sync::Arc::make_mut(&mut state.objects);
            let before = Invariant::head_of(&objects[&layout().head()].body);
            let change = crate::format::Change {
                manifest: newer,
                build_ts: 20,
                nonce: &Nonce::new("newer"),
                deadline: Duration::from_secs(120),
                probed: None,
                others: &[],
                unheaded: &[],
            };
            let head = crate::format::Head::flipping(Some(&before), &change).published();
            objects.insert(layout().head(), Object::new(head.encode(), None));
            objects.insert(layout().file(&path("vendor.js")), Object::new("newer".into(), None));
        }
    });
    let superseded = PushEnd::Flipped(FlipEnd::Superseded { by: newer, is_unfinished: false });
    let Some(AnyEnd::Push(end, report)) = &state.sessions[0].end else {
        panic!("{:?}", state.sessions[0].end)
    };
    assert_eq!((end, &report.sent), (&superseded, &vec![0]));
    assert_eq!(asked.iter().filter(|ask| matches!(ask, Ask::Send(_))).count(), 1);
    assert_eq!(state.objects[&layout().file(&path("vendor.js"))].body, "newer");
    // What it added is found later.
    assert!(state.objects.contains_key(&layout().file(&path("new.js"))));
    assert!(state.objects.keys().any(|key| key.as_str().starts_with(&layout().intents())));
}

#[test]
fn entry_points_of_a_live_build_are_asked_for_where_tags_do_not_tell() {
    let pushed = run(start(BTreeMap::new(), vec![push("A", 10, FILES, PushMode::default())]), |_, _| ()).0;
    let again = |body: Option<&'static str>, etag: Option<&str>| {
        let mut objects = pushed.objects.as_ref().clone();
        let key = layout().file(&path("a.html"));
        if let Some(body) = body {
            objects.insert(key.clone(), Object::new(body.into(), None));
        }
        if let (Some(object), Some(etag)) = (objects.get_mut(&key), etag) {
            object.etag = ETag::new(etag);
        }
        let (state, asked) = run(start(objects, vec![push("B", 10, FILES, PushMode::default())]), |_, _| ());
        let Some(AnyEnd::Push(end, _)) = &state.sessions[0].end else {
            panic!("{:?}", state.sessions[0].end)
        };
        let body = state.objects[&key].body.clone();
        (end.clone(), asked.iter().filter(|ask| matches!(ask, Ask::Prove(_))).count(), asked.len(), body)
    };
    // The head, its manifest, whether there are newer ones, and the files.
    assert_eq!(again(None, None), (PushEnd::AlreadyLive, 0, 4, "a".into()));
    assert_eq!(again(None, Some("of a key")), (PushEnd::AlreadyLive, 1, 5, "a".into()));
    let (end, proofs, _, body) = again(Some("x"), Some("of a key"));
    assert!(matches!(end, PushEnd::Flipped(FlipEnd::Published { .. })), "{end:?}");
    assert_eq!((proofs, body), (1, "a".into()));
}

#[test]
fn copies_of_a_push_under_way_do_not_tell_of_a_head() {
    let pushing = push("B", 10, FILES, PushMode::default());
    let mut state = start(BTreeMap::new(), vec![pushing, prune(prune_order("P", 0, 0))]);
    let step = |state: &State, at: usize| {
        let mut next = successors(state, &Rules::default());
        next.retain(|(words, _)| words.session == at);
        next.pop().expect("something happens").1
    };
    // The push has passed, and the prune found no manifest when the push writes it.
    while !matches!(&state.sessions[0].ask, Some(Ask::Send(_))) {
        state = step(&state, 0);
    }
    let is_head =
        |state: &State| matches!(&state.sessions[1].ask, Some(Ask::Get(key)) if *key == layout().head());
    while !is_head(&state) {
        state = step(&state, 1);
    }
    while !matches!(&state.sessions[0].ask, Some(Ask::Put { key, .. }) if *key == layout().head()) {
        state = step(&state, 0);
    }
    assert!(state.objects.keys().any(|key| key.as_str().starts_with(&layout().all_copies())));
    while state.sessions[1].end.is_none() {
        state = step(&state, 1);
    }
    assert!(
        matches!(&state.sessions[1].end, Some(AnyEnd::Prune(PruneEnd::Done, _))),
        "{:?}",
        state.sessions[1].end
    );
}
