//! Pushes of this program and of valpop, one after the other: valpop writes no head, so that the last one is not true then.

use std::sync::Arc;
use std::time::Duration;

use runway_store::{Condition, ObjectKey, ObjectStore, Put};

use super::scene::*;
use crate::assets::*;
use crate::names::ManifestId;

const HOUR: Duration = Duration::from_secs(3600);

/// valpop's push: every file in the order of names, and then a manifest of its form.
async fn valpops_push(store: &Arc<dyn ObjectStore>, time: &Arc<Time>, number: u64) -> ManifestId {
    let manifest = ManifestId(u64::try_from(time.now().as_second()).unwrap());
    let source = build(number);
    let walked = prepare(&session(Arc::clone(store), time), &source.request(number)).await.unwrap();
    let mut files: Vec<String> = walked.items.iter().map(|item| item.path.to_string()).collect();
    files.sort();
    let put = async |key: String, body: Vec<u8>| {
        store.put(&ObjectKey::new(key), body.into(), &Put::default()).await.unwrap();
    };
    for file in &files {
        put(format!("data/myapp/{file}"), std::fs::read(source.path().join(file)).unwrap()).await;
    }
    let body = serde_json::json!({"files": files, "image": "x", "valpopImage": "y", "timestamp": manifest.0});
    put(format!("manifests/myapp/{manifest}"), body.to_string().into_bytes()).await;
    time.pass(HOUR);
    manifest
}

async fn ours(store: &Arc<dyn ObjectStore>, time: &Arc<Time>, number: u64) -> PushOutcome {
    let outcome = push_build(&session(Arc::clone(store), time), number).await.unwrap();
    time.pass(HOUR);
    outcome
}

async fn builds(store: &Arc<dyn ObjectStore>) -> Vec<u64> {
    let now = objects(store.as_ref()).await;
    (1..=9).filter(|number| now.contains_key(&format!("data/myapp/js/app.{number:08x}.js"))).collect()
}

#[tokio::test]
async fn a_prune_keeps_what_valpop_pushed_past_the_head() {
    let time = Time::new();
    let store: Arc<dyn ObjectStore> = memory(&time);
    for number in 1..=2 {
        ours(&store, &time, number).await;
    }
    for number in 3..=5 {
        valpops_push(&store, &time, number).await;
    }
    prune(&session(Arc::clone(&store), &time), &rules(Duration::ZERO, 0)).await.unwrap();
    // Live and before: by valpop, and by the head.
    assert_eq!(builds(&store).await, [1, 2, 4, 5]);
    let listing = list(&session(Arc::clone(&store), &time)).await.unwrap();
    assert_eq!(listing.overtaken_by, Some(listing.rows[0].id));
}

#[tokio::test]
async fn a_push_takes_over_what_valpop_pushed_past_the_head() {
    let time = Time::new();
    let store: Arc<dyn ObjectStore> = memory(&time);
    for number in 1..=3 {
        ours(&store, &time, number).await;
    }
    let mut valpops = Vec::new();
    for number in 4..=5 {
        valpops.push(valpops_push(&store, &time, number).await);
    }
    let outcome = ours(&store, &time, 6).await;
    assert_eq!(outcome.previous, Some(valpops[1]));
    assert_eq!(outcome.changed.len(), 2, "what the entry points were is not known");
    prune(&session(Arc::clone(&store), &time), &rules(Duration::ZERO, 3)).await.unwrap();
    assert_eq!(builds(&store).await, [4, 5, 6]);
    check(&objects(store.as_ref()).await);
    let listing = list(&session(Arc::clone(&store), &time)).await.unwrap();
    assert_eq!((listing.overtaken_by, listing.rows[1].is_previous), (None, true));
    verify(&session(Arc::clone(&store), &time), &VerifyRequest::default()).await.unwrap();
}

/// valpop sets other headers, and its entry points are live: the same build again is more than what is live.
#[tokio::test]
async fn the_same_build_is_pushed_again_after_valpop() {
    let time = Time::new();
    let store: Arc<dyn ObjectStore> = memory(&time);
    ours(&store, &time, 1).await;
    let head = async || {
        let key = ObjectKey::new("data/myapp/js/app.00000001.js");
        let found = store.head(&key).await.unwrap().unwrap();
        (found.content_type, found.cache_control)
    };
    let proper = head().await;
    valpops_push(&store, &time, 1).await;
    assert_ne!(head().await, proper);
    let source = build(1);
    let me = || session(Arc::clone(&store), &time);
    let prepared = prepare(&me(), &source.request(1)).await.unwrap();
    assert!(!plan(&me(), &source.request(1), &prepared).await.unwrap().is_live);
    let outcome = ours(&store, &time, 1).await;
    assert_eq!((outcome.status, outcome.sent), (PushStatus::Live, 5));
    assert_eq!(head().await, proper);
    assert_eq!(ours(&store, &time, 1).await.status, PushStatus::AlreadyLive);
}

#[tokio::test]
async fn nothing_is_healed_over_what_valpop_pushed() {
    let time = Time::new();
    let store: Arc<dyn ObjectStore> = memory(&time);
    let first = ours(&store, &time, 1).await;
    let by = valpops_push(&store, &time, 2).await;
    let before = objects(store.as_ref()).await;
    for heal in [false, true] {
        let request = VerifyRequest { heal, ..VerifyRequest::default() };
        let error = verify(&session(Arc::clone(&store), &time), &request).await.unwrap_err();
        let AssetsError::Overtaken { manifest, by: found } = error else { panic!("{error}") };
        assert_eq!((Some(manifest), found), (first.manifest, by));
    }
    assert_eq!(objects(store.as_ref()).await, before);
}

/// A push that died or gave way keeps a head all the same, whatever the form of its manifest.
#[tokio::test]
async fn what_was_never_live_is_not_taken_for_valpops() {
    let time = Time::new();
    let store: Arc<dyn ObjectStore> = memory(&time);
    for number in 2..=3 {
        ours(&store, &time, number).await;
    }
    let older = build(1);
    let mut request = older.request(1);
    request.format = crate::format::ManifestFormat::Valpop;
    let outcome = push_request(&session(Arc::clone(&store), &time), &request).await.unwrap();
    assert!(matches!(outcome.status, PushStatus::Superseded { .. }));
    time.pass(HOUR);
    let third = verify(&session(Arc::clone(&store), &time), &VerifyRequest::default()).await.unwrap();
    let outcome = ours(&store, &time, 4).await;
    assert_eq!(outcome.previous, third.live);
    prune(&session(Arc::clone(&store), &time), &rules(Duration::ZERO, 0)).await.unwrap();
    assert_eq!(builds(&store).await, [3, 4]);
}

#[tokio::test]
async fn a_plan_tells_what_a_prune_after_the_push_deletes() {
    let time = Time::new();
    let store: Arc<dyn ObjectStore> = memory(&time);
    for number in 1..=2 {
        valpops_push(&store, &time, number).await;
    }
    for number in 3..=5 {
        ours(&store, &time, number).await;
    }
    // Back to an old build, and on to a new one, each after its plan.
    for (number, min_keep) in [(3, 1), (6, 0), (7, 2)] {
        let source = build(number);
        let me = || session(Arc::clone(&store), &time);
        let mut request = source.request(10 + number);
        request.mode.allow_older = true;
        let prepared = prepare(&me(), &request).await.unwrap();
        let files = Arc::new(prepared.items.iter().map(|item| item.path.clone()).collect());
        let rules = rules(HOUR, min_keep);
        let dry = PruneRequest { dry_run: true, upcoming: Some(files), ..rules.clone() };
        let told = prune(&me(), &dry).await.unwrap().report.plan.unwrap();
        push(&me(), &request, &prepared).await.unwrap();
        let done = prune(&me(), &rules).await.unwrap().report.plan.unwrap();
        assert_eq!((&told.delete, &told.expire), (&done.delete, &done.expire), "build {number}");
        assert!(!done.expire.is_empty(), "build {number}");
        assert_eq!(told.keep.len() + 1, done.keep.len(), "the new one is not there yet");
        time.pass(2 * HOUR);
    }
}

#[tokio::test]
async fn a_build_of_which_a_file_changed_in_place_cannot_be_held() {
    let time = Time::new();
    let store: Arc<dyn ObjectStore> = memory(&time);
    let first = ours(&store, &time, 1).await.manifest.unwrap();
    let second = build(2);
    second.write(&[("img/logo.svg", "<svg>other</svg>")]);
    push_request(&session(Arc::clone(&store), &time), &second.request(2)).await.unwrap();
    let error = pin(&session(Arc::clone(&store), &time), first).await.unwrap_err();
    let AssetsError::Incomplete { count: 1, first: changed, .. } = &error else { panic!("{error}") };
    assert_eq!(changed, "img/logo.svg");
    assert!(!keys(store.as_ref()).await.iter().any(|key| key.starts_with("pins/")));
}

#[tokio::test]
async fn copies_of_builds_whose_manifests_others_removed_go_with_the_orphans() {
    let time = Time::new();
    let store: Arc<dyn ObjectStore> = memory(&time);
    let mut ids = Vec::new();
    for number in 1..=4 {
        ids.push(ours(&store, &time, number).await.manifest.unwrap());
    }
    let gone = ObjectKey::new(format!("manifests/myapp/{}", ids[0]));
    store.delete(&gone, &Condition::None).await.unwrap();
    let copies = async |id: ManifestId| {
        let prefix = format!("entries/myapp/{id}/");
        keys(store.as_ref()).await.iter().filter(|key| key.starts_with(&prefix)).count()
    };
    let orphans = PruneRequest { orphans: Some(24 * HOUR), ..rules(1000 * HOUR, 3) };
    prune(&session(Arc::clone(&store), &time), &orphans).await.unwrap();
    assert_eq!(copies(ids[0]).await, 2, "they are young");
    time.pass(24 * HOUR);
    let done = prune(&session(Arc::clone(&store), &time), &orphans).await.unwrap();
    assert_eq!(done.report.stray_copies.len(), 2);
    assert_eq!((copies(ids[0]).await, copies(ids[1]).await), (0, 2));
}
