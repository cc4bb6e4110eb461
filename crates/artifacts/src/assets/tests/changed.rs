//! Which entry points are others than before a push: what whoever keeps copies of them has to be told.

use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use runway_store::{Fault, Faulty, Memory, ObjectKey, ObjectStore, Put, Verb};

use super::scene::*;
use crate::assets::*;
use crate::names::ManifestId;

fn changed(outcome: &PushOutcome) -> Vec<&str> {
    outcome.changed.iter().map(|path| path.as_str()).collect()
}

/// A build whose index is always the same.
fn with_index(number: u64) -> Source {
    let source = build(number);
    source.write(&[("index.html", "<script src=js/app.00000001.js>"), ("js/app.00000001.js", "build 1")]);
    source
}

#[tokio::test]
async fn entry_points_that_stayed_the_same_are_not_told() {
    let time = Time::new();
    let store = memory(&time);
    let one = || session(store.clone(), &time);
    let first = push_request(&one(), &with_index(1).request(1)).await.unwrap();
    assert_eq!(changed(&first), ["index.html", "fed-mods.json"]);
    let second = push_request(&one(), &with_index(2).request(2)).await.unwrap();
    assert_eq!(changed(&second), ["fed-mods.json"]);
    let superseded = push_request(&one(), &with_index(1).request(1)).await.unwrap();
    assert!(matches!(superseded.status, PushStatus::Superseded { .. }) && superseded.changed.is_empty());
    // The same files as another build: all of them are replaced, and none changes.
    let third = push_request(&one(), &with_index(2).request(3)).await.unwrap();
    assert_eq!((third.status, third.entries.len(), third.changed.len()), (PushStatus::Live, 2, 0));
    let id = ManifestId(u64::try_from(START).unwrap());
    let back = rollback(&one(), id, StoreConditions::Kept).await.unwrap();
    assert_eq!(changed(&back), ["fed-mods.json"]);
    // Other headers are a change, too.
    let source = with_index(1);
    let mut request = source.request(4);
    request.rules.cache_entry = "no-cache".to_owned();
    let headers = push_request(&one(), &request).await.unwrap();
    assert_eq!(changed(&headers), ["index.html", "fed-mods.json"]);
}

/// A push that dies when its index is in place, which somebody may have seen.
async fn dies_with_its_index_in_place(store: &Arc<Memory>, time: &Arc<Time>) {
    let faulty = Arc::new(Faulty::new(store.clone()).hook(|operation, _| {
        let is_last = operation.verb == Verb::Put && operation.key.as_str() == "data/myapp/fed-mods.json";
        if is_last { Fault::CrashBefore } else { Fault::None }
    }));
    let dying = session(faulty.clone(), time);
    tokio::select! {
        _ = push_build(&dying, 2) => panic!("it dies"),
        () = faulty.crashed() => {}
    }
}

#[tokio::test]
async fn after_a_change_that_came_between_all_entry_points_are_told() {
    let time = Time::new();
    let (store, twin) = (memory(&time), memory(&time));
    for bucket in [&store, &twin] {
        push_request(&session(bucket.clone(), &time), &with_index(1).request(1)).await.unwrap();
    }
    // In the twin another push dies half way; its head and its index come into the bucket while a third one is under way,
    // which has read the head before.
    dies_with_its_index_in_place(&twin, &time).await;
    let mut between = Vec::new();
    for key in ["heads/myapp.json", "data/myapp/index.html"].map(ObjectKey::new) {
        let object = twin.get(&key).await.unwrap().unwrap();
        between.push((key, object.body, Put { user: object.metadata.user, ..Put::default() }));
    }
    let bucket = store.clone();
    let faulty = Faulty::new(store.clone()).hook(move |operation, _| {
        if operation.verb == Verb::Put && operation.key.as_str().starts_with("manifests/") {
            for (key, body, how) in &between {
                bucket.put(key, body.clone(), how).now_or_never().unwrap().unwrap();
            }
        }
        Fault::None
    });
    let third = push_request(&session(Arc::new(faulty), &time), &with_index(3).request(3)).await.unwrap();
    assert_eq!(
        (third.status.clone(), changed(&third)),
        (PushStatus::Live, vec!["index.html", "fed-mods.json"])
    );
}

#[tokio::test]
async fn after_a_change_that_was_broken_off_all_entry_points_are_told() {
    let time = Time::new();
    let store = memory(&time);
    push_request(&session(store.clone(), &time), &with_index(1).request(1)).await.unwrap();
    dies_with_its_index_in_place(&store, &time).await;
    time.pass(Duration::from_secs(3600));
    // The index is that of the build that was live at last, and not what is there.
    let next = push_request(&session(store.clone(), &time), &with_index(3).request(3)).await.unwrap();
    assert_eq!(
        (next.previous, changed(&next)),
        (Some(ManifestId(u64::try_from(START).unwrap())), vec!["index.html", "fed-mods.json"])
    );
}
