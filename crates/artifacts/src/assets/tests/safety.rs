//! What must not happen when a session is stopped, an answer is lost, or somebody damaged what it relies on.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use runway_store::{Counting, Fault, Faulty, ObjectKey, ObjectStore, Put, StoreErrorKind, Verb};

use super::scene::*;
use crate::assets::*;
use crate::format::{Head, ManifestFormat};

const HOUR: Duration = Duration::from_secs(3600);

/// Stops the session when something happens.
struct StopsAt(tokio_util::sync::CancellationToken, fn(&AssetEvent) -> bool);

impl AssetReporter for StopsAt {
    fn event(&self, event: &AssetEvent) {
        if self.1(event) {
            self.0.cancel();
        }
    }
}

async fn put(store: &dyn ObjectStore, key: &str, body: &str) {
    store.put(&ObjectKey::new(key), body.to_owned().into(), &Put::default()).await.unwrap();
}

#[tokio::test]
async fn a_prune_whose_deletion_may_be_under_way_keeps_its_marker() {
    let time = Time::new();
    let store = memory(&time);
    for number in 1..=4 {
        push_build(&session(store.clone(), &time), number).await.unwrap();
        time.pass(HOUR);
    }
    let faulty = Faulty::new(store.clone()).hook(|operation, _| match operation.verb {
        Verb::DeleteMany => Fault::LoseAnswer,
        _ => Fault::None,
    });
    let error = prune(&session(Arc::new(faulty), &time), &rules(Duration::ZERO, 1)).await.unwrap_err();
    assert_eq!(error.class(), ErrorClass::Unavailable, "{error}");
    let marker = &objects(store.as_ref()).await["locks/myapp/gc.json"];
    assert!(String::from_utf8_lossy(marker).contains("held"), "{marker:?}");
    // Whoever is refused before anything is deleted gives it back.
    let refused = PruneRequest { max_share: Some(0), ..rules(Duration::ZERO, 1) };
    time.pass(HOUR);
    let _ = prune(&session(store.clone(), &time), &refused).await;
    let marker = &objects(store.as_ref()).await["locks/myapp/gc.json"];
    assert!(String::from_utf8_lossy(marker).contains("released"), "{marker:?}");
}

#[tokio::test]
async fn a_deletion_is_repeated_only_while_the_marker_is_believed() {
    let time = Time::new();
    let store = memory(&time);
    for number in 1..=4 {
        push_build(&session(store.clone(), &time), number).await.unwrap();
        time.pass(HOUR);
    }
    let (passing, attempts) = (time.clone(), Arc::new(AtomicUsize::new(0)));
    let counting = Arc::new(Counting::new(store.clone()));
    let faulty = Arc::new(Faulty::new(counting.clone()).hook(move |operation, _| {
        let is_early = operation.verb == Verb::DeleteMany && attempts.fetch_add(1, Ordering::Relaxed) < 3;
        if !is_early {
            return Fault::None;
        }
        passing.pass(Duration::from_secs(130));
        Fault::Fail(StoreErrorKind::Throttled)
    }));
    let done = prune(&session(faulty, &time), &rules(Duration::ZERO, 1)).await.unwrap();
    assert_eq!((done.is_complete, done.report.deleted.len()), (true, 2));
    // Before each further attempt the marker was written again. After those whose answers did not come in time it was
    // kept for as long as they may still be carried out.
    let operations = counting.operations();
    let marker = |operation: &&runway_store::Operation| {
        operation.verb == Verb::Put && operation.key.as_str() == "locks/myapp/gc.json"
    };
    assert_eq!(operations.iter().filter(marker).count(), 1 + 3 + 1, "{operations:?}");
    let looks = operations.iter().rev().take_while(|operation| operation.verb != Verb::DeleteMany);
    assert!(looks.filter(|operation| operation.verb == Verb::Get).count() >= 30, "{operations:?}");
}

#[tokio::test]
async fn an_older_build_changes_nothing_of_a_newer_one() {
    let time = Time::new();
    let store = memory(&time);
    let newer = build(2);
    newer.write(&[("vendor.js", "new")]);
    push_request(&session(store.clone(), &time), &newer.request(2)).await.unwrap();
    let older = build(1);
    older.write(&[("vendor.js", "old, and longer")]);
    let outcome = push_request(&session(store.clone(), &time), &older.request(1)).await.unwrap();
    assert!(matches!(outcome.status, PushStatus::Superseded { .. }), "{outcome:?}");
    let now = objects(store.as_ref()).await;
    assert_eq!(now["data/myapp/vendor.js"], "new");
    assert!(!now.keys().any(|key| key.starts_with("intents/")), "{:?}", now.keys());
    check(&now);
    let verified = verify(&session(store, &time), &VerifyRequest::default()).await.unwrap();
    assert_eq!(verified.left(), 0);
}

#[tokio::test]
async fn whoever_is_stopped_between_two_entry_points_replaces_the_others_too() {
    let time = Time::new();
    let store = memory(&time);
    push_build(&session(store.clone(), &time), 1).await.unwrap();
    let mut stopped = session(store.clone(), &time);
    stopped.reporter =
        Arc::new(StopsAt(stopped.stop.clone(), |event| matches!(event, AssetEvent::GoingLive { .. })));
    // It is live, and whoever waits for it is told so.
    assert_eq!(push_build(&stopped, 2).await.unwrap().status, PushStatus::Live);
    let now = objects(store.as_ref()).await;
    check(&now);
    assert_eq!(now["data/myapp/fed-mods.json"], r#"{"build":2}"#);
    assert_eq!(now["data/myapp/index.html"], "<script src=js/app.00000002.js>");
}

#[tokio::test]
async fn an_entry_file_that_changes_late_goes_live_as_it_was() {
    struct Changes(Source);
    impl AssetReporter for Changes {
        fn event(&self, event: &AssetEvent) {
            if matches!(event, AssetEvent::GoingLive { .. }) {
                self.0.write(&[("fed-mods.json", "something else")]);
            }
        }
    }
    let time = Time::new();
    let store = memory(&time);
    let source = build(1);
    let request = source.request(1);
    let mut session = session(store.clone(), &time);
    session.reporter = Arc::new(Changes(source));
    let outcome = push_request(&session, &request).await.unwrap();
    assert_eq!(outcome.status, PushStatus::Live);
    assert_eq!(objects(store.as_ref()).await["data/myapp/fed-mods.json"], r#"{"build":1}"#);
}

/// Two builds, the second of which died after it had taken the head.
async fn broken_off(time: &Arc<Time>, format: ManifestFormat) -> Arc<runway_store::Memory> {
    let store = memory(time);
    push_build(&session(store.clone(), time), 1).await.unwrap();
    time.pass(HOUR);
    let source = build(2);
    let request = PushRequest { format, ..source.request(2) };
    let faulty = Arc::new(Faulty::new(store.clone()).hook(|operation, _| {
        let is_head = operation.key.as_str().starts_with("heads/") && operation.verb == Verb::Put;
        if is_head { Fault::CrashAfter } else { Fault::None }
    }));
    let dying = session(faulty.clone(), time);
    tokio::select! {
        ended = push_request(&dying, &request) => panic!("{ended:?}"),
        () = faulty.crashed() => {}
    }
    time.pass(HOUR);
    store
}

#[tokio::test]
async fn what_is_damaged_or_not_known_is_not_made_live() {
    let time = Time::new();
    let store = broken_off(&time, ManifestFormat::V2).await;
    let head = Head::decode(&objects(store.as_ref()).await["heads/myapp.json"]).unwrap();
    let copy = format!("entries/myapp/{}/fed-mods.json", head.manifest);
    let was = objects(store.as_ref()).await[&copy].clone();
    put(store.as_ref(), &copy, "damaged").await;
    let error = resume(&session(store.clone(), &time)).await.unwrap_err();
    assert!(matches!(error, AssetsError::Integrity { .. }), "{error}");
    assert_eq!(objects(store.as_ref()).await["data/myapp/index.html"], "<script src=js/app.00000001.js>");
    store.put(&ObjectKey::new(copy), was, &Put::default()).await.unwrap();
    assert_eq!(resume(&session(store.clone(), &time)).await.unwrap(), Some(head.manifest));
    check(&objects(store.as_ref()).await);

    let store = broken_off(&time, ManifestFormat::List).await;
    let error = resume(&session(store.clone(), &time)).await.unwrap_err();
    assert!(matches!(error, AssetsError::PoorManifest { .. }), "{error}");
    // The next push of the build finishes it.
    push_build(&session(store.clone(), &time), 3).await.unwrap();
    check(&objects(store.as_ref()).await);
}

#[tokio::test]
async fn files_of_an_app_below_this_one_are_no_orphans() {
    let time = Time::new();
    let store = memory(&time);
    put(store.as_ref(), "data/myapp/b/live.js", "x").await;
    put(store.as_ref(), "data/myapp/orphan.js", "x").await;
    put(store.as_ref(), &format!("manifests/myapp/b/{START}"), r#"["live.js"]"#).await;
    push_build(&session(store.clone(), &time), 1).await.unwrap();
    time.pass(HOUR * 400);
    let orphans = PruneRequest { orphans: Some(HOUR * 168), ..rules(HOUR * 48, 3) };
    let done = prune(&session(store, &time), &orphans).await.unwrap();
    assert_eq!(done.report.deleted, [path("orphan.js")]);
}

#[tokio::test]
async fn a_build_of_a_time_to_come_is_refused() {
    let time = Time::new();
    let source = build(1);
    let request = source.request(u64::try_from(START).unwrap() * 1000);
    let error = push_request(&session(memory(&time), &time), &request).await.unwrap_err();
    assert!(matches!(error, AssetsError::BuildTime { .. }), "{error}");
    assert_eq!(error.class(), ErrorClass::Config);
}

#[tokio::test]
async fn the_first_push_into_a_bucket_of_valpop_keeps_its_newest_builds() {
    let time = Time::new();
    let store = memory(&time);
    for (age, own) in [(500, "a.js"), (400, "b.js"), (300, "c.js"), (200, "d.js")] {
        let id = START - age * 3600;
        put(store.as_ref(), &format!("data/myapp/{own}"), own).await;
        put(store.as_ref(), &format!("manifests/myapp/{id}"), &format!(r#"["{own}","index.html"]"#)).await;
    }
    put(store.as_ref(), "data/myapp/index.html", "valpop's").await;
    let valpops = async |time: &Arc<Time>, min_keep| {
        prune(&session(store.clone(), time), &rules(HOUR * 48, min_keep)).await.unwrap().report.deleted
    };
    assert_eq!(valpops(&time, 4).await, []);
    push_build(&session(store.clone(), &time), 1).await.unwrap();
    let head = Head::decode(&objects(store.as_ref()).await["heads/myapp.json"]).unwrap();
    assert_eq!(head.prev.map(|id| id.0), u64::try_from(START - 200 * 3600).ok());
    assert_eq!(head.history.len(), 5);
    // The newest three are the one that is live, and two of valpop's.
    assert_eq!(valpops(&time, 3).await, [path("a.js"), path("b.js")]);
    // What was live before stays whatever the rule.
    assert_eq!(valpops(&time, 0).await, [path("c.js")]);
    check(&objects(store.as_ref()).await);
}

#[tokio::test]
async fn without_its_head_nothing_is_pruned_until_a_push() {
    let time = Time::new();
    for format in [ManifestFormat::V2, ManifestFormat::List, ManifestFormat::Valpop] {
        let store = memory(&time);
        for number in 1..=4 {
            let source = build(number);
            let request = PushRequest { format, ..source.request(number) };
            push_request(&session(store.clone(), &time), &request).await.unwrap();
            time.pass(HOUR);
        }
        // The live build is not the newest.
        let ids = manifest_ids(&session(store.clone(), &time)).await.unwrap();
        let newest = ids.iter().max().copied().unwrap();
        time.pass(HOUR * 1000);
        let head = ObjectKey::new("heads/myapp.json");
        store.delete(&head, &runway_store::Condition::None).await.unwrap();
        let before = objects(store.as_ref()).await;
        let strict = rules(Duration::ZERO, 0);
        for rules in [strict.clone(), PruneRequest { dry_run: true, ..strict.clone() }] {
            let error = prune(&session(store.clone(), &time), &rules).await.unwrap_err();
            let is_told = matches!(&error, AssetsError::HeadLost { manifest, head } if *manifest == newest && head == "heads/myapp.json");
            assert!(is_told && error.class() == ErrorClass::Failed, "{error}");
        }
        let error = verify(&session(store.clone(), &time), &VerifyRequest::default()).await.unwrap_err();
        assert!(matches!(&error, AssetsError::HeadLost { manifest, .. } if *manifest == newest), "{error}");
        // One that nobody can read is no better.
        put(store.as_ref(), head.as_str(), "{").await;
        let error = prune(&session(store.clone(), &time), &strict).await.unwrap_err();
        assert!(matches!(&error, AssetsError::Unreadable { key, .. } if *key == head.as_str()), "{error}");
        assert_eq!(error.class(), ErrorClass::Failed);
        store.delete(&head, &runway_store::Condition::None).await.unwrap();
        let mut after = objects(store.as_ref()).await;
        after.remove("locks/myapp/gc.json");
        assert!(
            after.keys().eq(before.keys().filter(|key| *key != head.as_str() && !key.starts_with("locks/")))
        );

        push_build(&session(store.clone(), &time), 4).await.unwrap();
        prune(&session(store.clone(), &time), &strict).await.unwrap();
        let now = objects(store.as_ref()).await;
        check(&now);
        assert!(
            now.contains_key("data/myapp/js/app.00000004.js")
                && !now.contains_key("data/myapp/js/app.00000001.js")
        );
    }
}

#[tokio::test]
async fn an_intent_that_cannot_be_read_counts_for_a_week_and_is_told() {
    let time = Time::new();
    let store = memory(&time);
    for number in 1..=3 {
        push_build(&session(store.clone(), &time), number).await.unwrap();
        time.pass(HOUR);
    }
    let key = "intents/myapp/7-other.json";
    put(store.as_ref(), key, "{").await;
    for days in [1, 5] {
        time.pass(HOUR * 24 * days + HOUR);
        let error = prune(&session(store.clone(), &time), &rules(Duration::ZERO, 0)).await.unwrap_err();
        assert!(matches!(&error, AssetsError::Unreadable { key: found, .. } if found == key), "{error}");
    }
    time.pass(HOUR * 24);
    let done = prune(&session(store.clone(), &time), &rules(Duration::ZERO, 0)).await.unwrap();
    assert_eq!(done.report.unreadable, [ObjectKey::new(key)]);
    let about = crate::document::About { app: "myapp".to_owned(), bucket: "bucket".to_owned() };
    let document = crate::document::AssetsPruneDocument::of(&about, &done);
    assert_eq!(document.unreadable_intents, [key]);
    assert!(document.text().contains("intents/myapp/7-other.json cannot be read"), "{}", document.text());
    assert!(!objects(store.as_ref()).await.contains_key(key));
}
