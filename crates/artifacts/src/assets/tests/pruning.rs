use std::sync::Arc;
use std::time::Duration;

use runway_store::{Condition, Counting, Fault, Faulty, ObjectKey, ObjectStore, Put, ReadOnly, Verb, When};

use super::scene::*;
use super::stubborn::Stubborn;
use crate::assets::*;
use crate::gc::KeepReason;
use crate::names::ManifestId;

const HOUR: Duration = Duration::from_secs(3600);

/// Pushes builds 1 to `count`, an hour apart.
async fn pushed(store: &Arc<dyn ObjectStore>, time: &Arc<Time>, count: u64) {
    for number in 1..=count {
        push_build(&session(Arc::clone(store), time), number).await.unwrap();
        time.pass(HOUR);
    }
}

fn store(time: &Arc<Time>) -> Arc<dyn ObjectStore> {
    memory(time)
}

#[tokio::test]
async fn what_aged_out_goes_and_what_is_needed_stays() {
    let time = Time::new();
    let store = store(&time);
    pushed(&store, &time, 6).await;
    let rules = rules(HOUR / 2, 3);

    let dry = PruneRequest { dry_run: true, ..rules.clone() };
    let reader = session(Arc::new(ReadOnly::new(Arc::clone(&store))), &time);
    let planned = prune(&reader, &dry).await.unwrap();
    let before = objects(store.as_ref()).await;
    let plan = planned.report.plan.clone().unwrap();
    let reasons: Vec<KeepReason> = plan.keep.values().copied().collect();
    assert_eq!(reasons, [KeepReason::MinKeep(3), KeepReason::PreviousHead, KeepReason::Head]);
    let expected: Vec<String> = (1..=3).map(|number| format!("js/app.{number:08x}.js")).collect();
    let would: Vec<String> = plan.delete.keys().map(ToString::to_string).collect();
    assert_eq!(would, expected);
    assert_eq!(plan.delete[&path(&expected[0])], [ManifestId(START as u64)]);

    let done = prune(&session(Arc::clone(&store), &time), &rules).await.unwrap();
    let after = objects(store.as_ref()).await;
    check(&after);
    assert_eq!(done.report.plan, Some(plan), "the dry run told the truth");
    let mut gone: Vec<&String> = before.keys().filter(|key| !after.contains_key(*key)).collect();
    gone.retain(|key| key.starts_with("data/"));
    assert_eq!(gone.len(), 3, "{gone:?}");
    assert_eq!(after.keys().filter(|key| key.starts_with("manifests/")).count(), 3);
    assert_eq!(after.keys().filter(|key| key.starts_with("entries/")).count(), 6);

    let counting = Arc::new(Counting::new(Arc::clone(&store)));
    let again = prune(&session(counting.clone(), &time), &rules).await.unwrap();
    assert!(again.report.plan.unwrap().is_empty());
    assert_eq!(counting.count(Verb::DeleteMany), 0);
}

#[tokio::test]
async fn pins_and_what_is_live_stay_whatever_their_age() {
    let time = Time::new();
    let store = store(&time);
    pushed(&store, &time, 4).await;
    let first = ManifestId(START as u64);
    pin(&session(Arc::clone(&store), &time), first).await.unwrap();
    time.pass(1000 * HOUR);
    prune(&session(Arc::clone(&store), &time), &rules(Duration::ZERO, 0)).await.unwrap();
    let now = objects(store.as_ref()).await;
    check(&now);
    let builds = |now: &std::collections::BTreeMap<String, bytes::Bytes>| -> Vec<u64> {
        (1..=4).filter(|number| now.contains_key(&format!("data/myapp/js/app.{number:08x}.js"))).collect()
    };
    assert_eq!(builds(&now), [1, 3, 4]);
    let outcome = rollback(&session(Arc::clone(&store), &time), first, StoreConditions::Kept).await.unwrap();
    assert_eq!(outcome.status, PushStatus::Live);
    unpin(&session(Arc::clone(&store), &time), first).await.unwrap();
    time.pass(HOUR);
    prune(&session(Arc::clone(&store), &time), &rules(Duration::ZERO, 0)).await.unwrap();
    assert_eq!(builds(&objects(store.as_ref()).await), [1, 4]);
    let missing = pin(&session(Arc::clone(&store), &time), ManifestId(5)).await;
    assert!(matches!(missing, Err(AssetsError::NoManifest { .. })));
    // A prune that died between the files of a build and its manifest left this.
    let gone = ObjectKey::new("data/myapp/js/app.00000004.js");
    store.delete(&gone, &Condition::None).await.unwrap();
    let broken = pin(&session(Arc::clone(&store), &time), ManifestId(START as u64 + 3 * 3600)).await;
    assert!(matches!(broken, Err(AssetsError::Incomplete { count: 1, .. })), "{broken:?}");
    let left = keys(store.as_ref()).await;
    assert!(!left.iter().any(|key| key.starts_with("intents/") || key.starts_with("pins/")), "{left:?}");
}

#[tokio::test]
async fn a_bucket_of_valpop_is_pruned_by_its_own_rule() {
    let time = Time::new();
    let store = store(&time);
    let put = async |key: String, body: String| {
        store.put(&ObjectKey::new(key), body.into(), &Put::default()).await.unwrap();
    };
    for (age, files) in [
        (400, r#"["fed-mods.json","a.js","shared.js"]"#),
        (300, r#"{"files":["fed-mods.json","b.js","shared.js"],"image":"x","timestamp":1}"#),
    ] {
        put(format!("manifests/myapp/{}", START - age * 3600), files.to_owned()).await;
    }
    put(format!("manifests/myapp/{}", START - 3600), r#"["fed-mods.json","c.js","shared.js"]"#.to_owned())
        .await;
    for name in ["fed-mods.json", "a.js", "b.js", "c.js", "shared.js", "orphan.js"] {
        put(format!("data/myapp/{name}"), name.to_owned()).await;
    }
    put("manifests/myapp/README".to_owned(), "not ours".to_owned()).await;
    put("data/myapp2/a.js".to_owned(), "another app".to_owned()).await;
    put(format!("manifests/myapp2/{}", START - 500 * 3600), r#"["a.js"]"#.to_owned()).await;

    let kept = prune(&session(Arc::clone(&store), &time), &rules(48 * HOUR, 3)).await.unwrap();
    assert!(kept.report.plan.unwrap().delete.is_empty());
    let done = prune(&session(Arc::clone(&store), &time), &rules(48 * HOUR, 1)).await.unwrap();
    // What may be live stays, and so does what was before it.
    assert_eq!(done.report.deleted, [path("a.js")]);
    assert_eq!(done.report.foreign, [ObjectKey::new("manifests/myapp/README")]);
    let now = keys(store.as_ref()).await;
    for key in
        ["data/myapp/orphan.js", "data/myapp/fed-mods.json", "data/myapp2/a.js", "manifests/myapp/README"]
    {
        assert!(now.iter().any(|found| found == key), "{key} in {now:?}");
    }
    time.pass(200 * HOUR);
    let orphans = PruneRequest { orphans: Some(168 * HOUR), ..rules(480 * HOUR, 1) };
    let done = prune(&session(Arc::clone(&store), &time), &orphans).await.unwrap();
    assert_eq!(done.report.deleted, [path("orphan.js")]);
}

#[tokio::test]
async fn what_cannot_be_read_stops_a_prune() {
    let time = Time::new();
    let store = store(&time);
    pushed(&store, &time, 3).await;
    time.pass(1000 * HOUR);
    let odd = ObjectKey::new(format!("manifests/myapp/{}", START + 1));
    store.put(&odd, "{".into(), &Put::default()).await.unwrap();
    let before = objects(store.as_ref()).await;
    let error = prune(&session(Arc::clone(&store), &time), &rules(HOUR, 0)).await.unwrap_err();
    assert!(matches!(&error, AssetsError::Unreadable { key, .. } if *key == odd.as_str()), "{error}");
    let mut after = objects(store.as_ref()).await;
    after.remove("locks/myapp/gc.json");
    assert_eq!(after, before);
    // The marker was given back: the next prune need not wait.
    store.delete(&odd, &Condition::None).await.unwrap();
    let quick = PruneRequest { may_wait: false, ..rules(HOUR, 0) };
    prune(&session(Arc::clone(&store), &time), &quick).await.unwrap();

    store
        .delete(&ObjectKey::new(format!("manifests/myapp/{}", START + 7200)), &Condition::None)
        .await
        .unwrap();
    let error = prune(&session(Arc::clone(&store), &time), &rules(HOUR, 0)).await.unwrap_err();
    assert!(matches!(error, AssetsError::HeadMissing { .. }));
}

#[tokio::test]
async fn too_much_is_refused() {
    let time = Time::new();
    let store = store(&time);
    pushed(&store, &time, 6).await;
    let before = objects(store.as_ref()).await;
    let careful = PruneRequest { max_share: Some(300_000), ..rules(Duration::ZERO, 0) };
    let error = prune(&session(Arc::clone(&store), &time), &careful).await.unwrap_err();
    assert!(matches!(error, AssetsError::TooMuch { delete: 4, known: 10 }), "{error:?}");
    assert_eq!(error.class(), ErrorClass::Refused);
    let dry = |max_share| PruneRequest { dry_run: true, max_share, ..careful.clone() };
    let told = prune(&session(Arc::clone(&store), &time), &dry(Some(300_000))).await.unwrap();
    assert!(told.report.too_much, "a dry run says what would be refused");
    let told = prune(&session(Arc::clone(&store), &time), &dry(Some(400_000))).await.unwrap();
    assert!(!told.report.too_much);
    let mut after = objects(store.as_ref()).await;
    after.remove("locks/myapp/gc.json");
    assert_eq!(after, before);
}

#[tokio::test]
async fn a_prune_under_way_is_left_alone_and_a_dead_one_is_put_aside() {
    let time = Time::new();
    let store = store(&time);
    pushed(&store, &time, 3).await;
    let rules = rules(Duration::ZERO, 0);
    // It dies right after its marker.
    let faulty =
        Arc::new(Faulty::new(Arc::clone(&store)).fault(When::verb(Verb::Put).nth(1), Fault::CrashAfter));
    let dying = session(faulty.clone(), &time);
    tokio::select! {
        _ = prune(&dying, &rules) => panic!("it died"),
        () = faulty.crashed() => {}
    }
    let impatient = PruneRequest { may_wait: false, ..rules.clone() };
    let busy = prune(&session(Arc::clone(&store), &time), &impatient).await.unwrap_err();
    assert!(matches!(busy, AssetsError::Busy { .. }) && busy.class() == ErrorClass::Locked);

    // A push waits, takes it for dead, and trusts nothing.
    let began = time.monotonic();
    let outcome = push_build(&session(Arc::clone(&store), &time), 4).await.unwrap();
    assert!(time.monotonic() - began >= Duration::from_secs(170));
    assert_eq!((outcome.sent, outcome.skipped), (5, 0));
    prune(&session(Arc::clone(&store), &time), &impatient).await.unwrap();
    check(&objects(store.as_ref()).await);

    // One that died long ago need not be watched: the store tells its age.
    let faulty =
        Arc::new(Faulty::new(Arc::clone(&store)).fault(When::verb(Verb::Put).nth(1), Fault::CrashAfter));
    let dying = session(faulty.clone(), &time);
    tokio::select! {
        _ = prune(&dying, &rules) => panic!("it died"),
        () = faulty.crashed() => {}
    }
    time.pass(HOUR);
    prune(&session(Arc::clone(&store), &time), &impatient).await.unwrap();
}

#[tokio::test]
async fn what_cannot_be_deleted_keeps_its_manifest() {
    let time = Time::new();
    let store = store(&time);
    pushed(&store, &time, 5).await;
    let stubborn: Arc<dyn ObjectStore> =
        Arc::new(Stubborn::new(&store, &time, Duration::ZERO, Some("app.00000002")));
    let rules = rules(Duration::ZERO, 0);
    let partial = prune(&session(stubborn, &time), &rules).await.unwrap();
    let problem = partial.problem().unwrap();
    assert!(matches!(problem, AssetsError::Partial { count: 1, .. }), "{problem}");
    assert_eq!((partial.is_complete, problem.class()), (false, ErrorClass::Failed));
    let about = crate::document::About { app: "myapp".to_owned(), bucket: "bucket".to_owned() };
    let document = crate::document::AssetsPruneDocument::of(&about, &partial);
    assert_eq!(
        (document.complete, document.failed),
        (false, vec!["data/myapp/js/app.00000002.js".to_owned()])
    );
    let now = keys(store.as_ref()).await;
    let second = format!("manifests/myapp/{}", START + 3600);
    assert!(now.contains(&second) && now.contains(&format!("entries/myapp/{}/index.html", START + 3600)));
    assert!(!now.contains(&format!("manifests/myapp/{START}")));
    prune(&session(Arc::clone(&store), &time), &rules).await.unwrap();
    assert!(!keys(store.as_ref()).await.contains(&second));
}

#[tokio::test]
async fn a_store_that_deletes_one_by_one_is_pruned_in_one_go() {
    let time = Time::new();
    let store = store(&time);
    let source = build(1);
    for number in 0..300 {
        source.write(&[(&format!("js/chunk.{number:08x}.js"), "chunk")]);
    }
    push_request(&session(Arc::clone(&store), &time), &source.request(1)).await.unwrap();
    time.pass(HOUR);
    pushed(&store, &time, 3).await;
    let slow = Arc::new(Stubborn::new(&store, &time, Duration::from_secs(1), None));
    let began = time.monotonic();
    let done = prune(&session(slow.clone(), &time), &rules(Duration::ZERO, 0)).await.unwrap();
    assert!(time.monotonic() - began > HOUR / 12, "it takes longer than anybody believes a marker");
    // The first build was pushed twice.
    assert_eq!((done.is_complete, done.report.deleted.len(), done.report.expired.len()), (true, 301, 2));
    assert!(slow.longest() <= Duration::from_secs(122), "{:?}", slow.longest());
    let now = objects(store.as_ref()).await;
    check(&now);
    assert!(!now.keys().any(|key| key.contains("chunk")));
    assert!(String::from_utf8_lossy(&now["locks/myapp/gc.json"]).contains("released"));
}

#[tokio::test]
async fn damage_is_found_and_mended() {
    let time = Time::new();
    let memory = Arc::new(runway_store::Memory::versioned(
        runway_store::BucketName::new("bucket"),
        Arc::new(|| jiff::Timestamp::from_second(START).unwrap()),
    ));
    let source = build(1);
    push_request(&session(memory.clone(), &time), &source.request(1)).await.unwrap();
    let fine =
        verify(&session(memory.clone(), &time), &VerifyRequest { deep: true, ..VerifyRequest::default() })
            .await
            .unwrap();
    assert_eq!((fine.left(), fine.files), (0, 5));

    let key = |name: &str| ObjectKey::new(format!("data/myapp/{name}"));
    memory.delete(&key("img/logo.svg"), &Condition::None).await.unwrap();
    memory.put(&key("index.html"), "<script src=js/app.00000001.js> ".into(), &Put::default()).await.unwrap();
    memory.put(&key("css/main.1f00aa22.css"), "evil {}".into(), &Put::default()).await.unwrap();
    let found = verify(&session(memory.clone(), &time), &VerifyRequest::default()).await.unwrap();
    assert_eq!(found.left(), 3, "{found:?}");
    // From an older version, from the copy of the entry point, and from the source.
    let heal = VerifyRequest { heal: true, deep: true, source: Some(source.path()) };
    let healed = verify(&session(memory.clone(), &time), &heal).await.unwrap();
    assert_eq!((healed.findings.len(), healed.left()), (3, 0));
    assert_eq!(verify(&session(memory.clone(), &time), &heal).await.unwrap().findings, []);
    check(&objects(memory.as_ref()).await);
    // Bytes of another digest are never put.
    source.write(&[("img/logo.svg", "<SVG/>")]);
    memory.put(&key("img/logo.svg"), "broken".into(), &Put::default()).await.unwrap();
    let without_versions =
        VerifyRequest { heal: true, source: Some(source.path()), ..VerifyRequest::default() };
    assert_eq!(verify(&session(memory.clone(), &time), &without_versions).await.unwrap().left(), 0);
    assert_eq!(memory.get(&key("img/logo.svg")).await.unwrap().unwrap().body, "<svg/>");
}

#[tokio::test]
async fn large_files_are_restored_as_they_were_sent() {
    let time = Time::new();
    let memory = Arc::new(runway_store::Memory::versioned(
        runway_store::BucketName::new("bucket"),
        Arc::new(|| jiff::Timestamp::from_second(START).unwrap()),
    ));
    let source = build(1);
    source.write(&[("video.webm", &"0123456789abcdef".repeat((PARTS_FROM as usize >> 4) + 3))]);
    push_request(&session(memory.clone(), &time), &source.request(1)).await.unwrap();
    let key = ObjectKey::new("data/myapp/video.webm");
    let was = memory.head(&key).await.unwrap().unwrap();
    let from_source = VerifyRequest { heal: true, source: Some(source.path()), ..VerifyRequest::default() };
    let from_version = VerifyRequest { heal: true, ..VerifyRequest::default() };
    for heal in [from_source, from_version] {
        memory.delete(&key, &Condition::None).await.unwrap();
        let healed = verify(&session(memory.clone(), &time), &heal).await.unwrap();
        assert_eq!((healed.findings.len(), healed.left()), (1, 0), "{healed:?}");
        let now = memory.head(&key).await.unwrap().unwrap();
        assert_eq!((now.etag, now.length, now.user), (was.etag.clone(), was.length, was.user.clone()));
        let fine = verify(&session(memory.clone(), &time), &VerifyRequest::default()).await.unwrap();
        assert_eq!(fine.findings, [], "it is known again");
    }
    // Sent in one piece it has another entity tag, and still says what it is.
    let object = memory.get(&key).await.unwrap().unwrap();
    let how = Put { user: object.metadata.user, ..Put::default() };
    memory.put(&key, object.body.clone(), &how).await.unwrap();
    assert_ne!(memory.head(&key).await.unwrap().unwrap().etag, was.etag);
    let fine = verify(&session(memory.clone(), &time), &VerifyRequest::default()).await.unwrap();
    assert_eq!(fine.findings, []);
    memory.put(&key, object.body, &Put::default()).await.unwrap();
    assert_eq!(verify(&session(memory, &time), &VerifyRequest::default()).await.unwrap().left(), 1);
}
