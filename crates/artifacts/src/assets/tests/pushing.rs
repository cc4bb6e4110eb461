use std::sync::Arc;
use std::time::Duration;

use runway_store::{BucketName, Counting, Directory, Fault, Faulty, ObjectKey, ObjectStore, Put, Verb, When};

use super::scene::*;
use crate::assets::*;
use crate::format::{Manifest, ManifestFormat};
use crate::names::ManifestId;
use crate::protocol::PushMode;

/// Begins the keys of each step of a push, in their order.
fn steps(counting: &Counting) -> Vec<String> {
    let writes = counting.operations();
    let writes = writes.iter().filter(|operation| operation.verb == Verb::Put);
    writes.map(|operation| operation.key.as_str().to_owned()).collect()
}

#[tokio::test]
async fn entry_points_come_last() {
    let time = Time::new();
    let counting = Arc::new(Counting::new(memory(&time)));
    let outcome = push_build(&session(counting.clone(), &time), 1).await.unwrap();
    assert_eq!((outcome.status, outcome.sent, outcome.skipped), (PushStatus::Live, 5, 0));
    let mut steps = steps(&counting);
    assert!(steps[0].starts_with("intents/myapp/"), "{steps:?}");
    steps[1..4].sort();
    let id = START;
    let expected = [
        "data/myapp/css/main.1f00aa22.css".to_owned(),
        "data/myapp/img/logo.svg".to_owned(),
        "data/myapp/js/app.00000001.js".to_owned(),
        format!("manifests/myapp/{id}"),
        format!("entries/myapp/{id}/index.html"),
        format!("entries/myapp/{id}/fed-mods.json"),
        "heads/myapp.json".to_owned(),
        "data/myapp/index.html".to_owned(),
        "data/myapp/fed-mods.json".to_owned(),
        "heads/myapp.json".to_owned(),
    ];
    let mut found = steps[1..].to_vec();
    found[4..6].sort_by(|left, right| right.cmp(left));
    assert_eq!(found, expected);
    let objects = objects(counting.as_ref()).await;
    check(&objects);
    assert!(!objects.keys().any(|key| key.starts_with("intents/")), "the intent is forgotten");
}

#[tokio::test]
async fn headers_and_digests_are_written() {
    let time = Time::new();
    let store = memory(&time);
    push_build(&session(store.clone(), &time), 1).await.unwrap();
    let head = async |key: &str| store.head(&ObjectKey::new(key)).await.unwrap().unwrap();
    let css = head("data/myapp/css/main.1f00aa22.css").await;
    assert_eq!(css.content_type.as_deref(), Some("text/css; charset=utf-8"));
    assert_eq!(css.cache_control.as_deref(), Some("public, max-age=31536000, immutable"));
    let expected = runway_store::ContentDigest::of(b"body {}").to_string();
    assert_eq!(css.user.get("sha256"), Some(&expected));
    let html = head("data/myapp/index.html").await;
    assert_eq!(html.cache_control.as_deref(), Some("public, max-age=60, stale-while-revalidate=300"));
}

#[tokio::test]
async fn only_what_changed_is_sent() {
    let time = Time::new();
    let counting = Arc::new(Counting::new(memory(&time)));
    push_build(&session(counting.clone(), &time), 1).await.unwrap();
    time.pass(Duration::from_secs(60));
    counting.reset();
    let outcome = push_build(&session(counting.clone(), &time), 2).await.unwrap();
    assert_eq!((outcome.status, outcome.sent, outcome.skipped), (PushStatus::Live, 3, 2));
    assert_eq!(outcome.previous, Some(ManifestId(START as u64)));
    // One new file, two entry points; one page of the files; and at most twelve further requests.
    assert!(counting.total() <= 3 + 1 + 12, "{:?}", counting.operations());
    let objects = objects(counting.as_ref()).await;
    check(&objects);

    // The same build again: it is live, and nothing is written.
    counting.reset();
    let again = push_build(&session(counting.clone(), &time), 2).await.unwrap();
    assert_eq!((again.status, again.sent, again.manifest), (PushStatus::AlreadyLive, 0, outcome.manifest));
    assert!(counting.total() <= 8 && counting.count(Verb::Put) == 0, "{:?}", counting.operations());
}

#[tokio::test]
async fn an_entry_point_of_other_bytes_is_found_whatever_its_size() {
    let time = Time::new();
    let counting = Arc::new(Counting::new(memory(&time)));
    push_build(&session(counting.clone(), &time), 1).await.unwrap();
    let key = ObjectKey::new("data/myapp/index.html");
    let object = counting.get(&key).await.unwrap().unwrap();
    let other = String::from_utf8(object.body.to_vec()).unwrap().replace("script", "SCRIPT");
    assert_eq!(other.len(), object.body.len());
    let again = async || push_build(&session(counting.clone(), &time), 1).await.unwrap();
    counting.put(&key, other.into(), &Put::default()).await.unwrap();
    time.pass(Duration::from_secs(60));
    let request = build(1);
    let request = request.request(1);
    let looking = session(counting.clone(), &time);
    let planned = plan(&looking, &request, &prepare(&looking, &request).await.unwrap()).await.unwrap();
    assert!(!planned.is_live);
    let outcome = again().await;
    assert_eq!((outcome.status, outcome.sent), (PushStatus::Live, 2));
    check(&objects(counting.as_ref()).await);
    counting.reset();
    assert_eq!(again().await.status, PushStatus::AlreadyLive);
    // The store makes entity tags of the bytes: nothing more is asked.
    assert_eq!(counting.total(), 4, "{:?}", counting.operations());
}

#[tokio::test]
async fn what_cannot_be_proven_is_sent() {
    let time = Time::new();
    let store = memory(&time);
    let css = ObjectKey::new("data/myapp/css/main.1f00aa22.css");
    push_build(&session(store.clone(), &time), 1).await.unwrap();
    // Somebody changed a file: it is sent again. Somebody removed one: too.
    store.put(&css, "other".into(), &Put::default()).await.unwrap();
    let svg = ObjectKey::new("data/myapp/img/logo.svg");
    store.delete(&svg, &runway_store::Condition::None).await.unwrap();
    let outcome = push_build(&session(store.clone(), &time), 1).await.unwrap();
    assert_eq!((outcome.status.clone(), outcome.sent, outcome.skipped), (PushStatus::Live, 4, 1));
    assert_eq!(outcome.in_place, [path("css/main.1f00aa22.css")]);
    check(&objects(store.as_ref()).await);

    // Other headers: sent again, but no bytes change.
    let source = build(2);
    let mut request = source.request(2);
    request.rules.cache_immutable = "no-cache".to_owned();
    let outcome = push_request(&session(store.clone(), &time), &request).await.unwrap();
    assert_eq!((outcome.sent, outcome.skipped, outcome.in_place.len()), (4, 1, 0));
    assert_eq!(store.head(&css).await.unwrap().unwrap().cache_control.as_deref(), Some("no-cache"));

    // Everything, if that is asked for.
    request.mode.force = true;
    let outcome = push_request(&session(store.clone(), &time), &request).await.unwrap();
    assert_eq!((outcome.sent, outcome.skipped), (5, 0));
}

#[tokio::test]
async fn bytes_that_change_under_their_names_are_told_or_refused() {
    let time = Time::new();
    let store = memory(&time);
    let source = build(1);
    source.write(&[("js/runtime.js", "one")]);
    push_request(&session(store.clone(), &time), &source.request(1)).await.unwrap();
    source.write(&[("js/runtime.js", "two")]);
    let before = objects(store.as_ref()).await;

    let plan_request = source.request(2);
    let reader = session(Arc::new(runway_store::ReadOnly::new(store.clone())), &time);
    let prepared = prepare(&reader, &plan_request).await.unwrap();
    let planned = plan(&reader, &plan_request, &prepared).await.unwrap();
    assert!(planned.files.contains(&(path("js/runtime.js"), FileAction::InPlace, 3)), "{planned:?}");
    assert!(planned.files.contains(&(path("img/logo.svg"), FileAction::Unchanged, 6)));
    assert!(planned.files.contains(&(path("fed-mods.json"), FileAction::Entry, 11)));

    let mut refused = source.request(2);
    refused.mode.deny_in_place = true;
    let error = push_request(&session(store.clone(), &time), &refused).await.unwrap_err();
    assert!(
        matches!(&error, AssetsError::InPlace { count: 1, first } if first == "js/runtime.js"),
        "{error}"
    );
    assert_eq!(objects(store.as_ref()).await, before);
    let told = push_request(&session(store.clone(), &time), &source.request(2)).await.unwrap();
    assert_eq!(told.in_place, [path("js/runtime.js")]);
}

#[tokio::test]
async fn an_older_build_does_not_replace_a_newer_one() {
    let time = Time::new();
    let store = memory(&time);
    let newer = push_build(&session(store.clone(), &time), 2).await.unwrap();
    let older = push_build(&session(store.clone(), &time), 1).await.unwrap();
    let by = newer.manifest.unwrap();
    assert_eq!(older.status, PushStatus::Superseded { by, is_unfinished: false });
    let objects_now = objects(store.as_ref()).await;
    check(&objects_now);
    assert_eq!(objects_now["data/myapp/fed-mods.json"], r#"{"build":2}"#);
    assert!(objects_now.contains_key("data/myapp/js/app.00000001.js"), "its files are there");

    let source = build(1);
    let mut forced = source.request(1);
    forced.mode = PushMode { allow_older: true, ..PushMode::default() };
    let outcome = push_request(&session(store.clone(), &time), &forced).await.unwrap();
    assert_eq!(outcome.status, PushStatus::Live);
    check(&objects(store.as_ref()).await);
}

#[tokio::test]
async fn two_pushes_in_one_second_have_manifests_of_their_own() {
    let time = Time::new();
    let store = memory(&time);
    let (first, second) = (session(store.clone(), &time), session(store.clone(), &time));
    let (first, second) = tokio::join!(push_build(&first, 1), push_build(&second, 2));
    let manifests = [first, second].map(|outcome| outcome.map(|outcome| outcome.manifest));
    let store_now = objects(store.as_ref()).await;
    check(&store_now);
    assert_eq!(store_now["data/myapp/fed-mods.json"], r#"{"build":2}"#, "{manifests:?}");
    assert_eq!(store_now.keys().filter(|key| key.starts_with("manifests/")).count(), 2);
}

#[tokio::test]
async fn simpler_manifests_are_what_the_ticket_asks_for() {
    let time = Time::new();
    let store = memory(&time);
    let source = build(1);
    let request = PushRequest { format: ManifestFormat::List, ..source.request(1) };
    push_request(&session(store.clone(), &time), &request).await.unwrap();
    let body = &objects(store.as_ref()).await[&format!("manifests/myapp/{START}")];
    let mut paths: Vec<String> = serde_json::from_slice(body).unwrap();
    paths.sort();
    assert_eq!(paths[..2], ["css/main.1f00aa22.css", "fed-mods.json"]);
    // Nothing is recorded of the files, but they tell their digests themselves.
    let outcome = push_request(&session(store.clone(), &time), &request).await.unwrap();
    assert_eq!((outcome.skipped, outcome.sent), (3, 2));
    assert!(Manifest::decode(body).is_ok());
}

#[tokio::test]
async fn going_back_needs_no_build() {
    let time = Time::new();
    let store = memory(&time);
    let first = push_build(&session(store.clone(), &time), 1).await.unwrap().manifest.unwrap();
    time.pass(Duration::from_secs(60));
    push_build(&session(store.clone(), &time), 2).await.unwrap();
    time.pass(Duration::from_secs(60));
    let outcome = rollback(&session(store.clone(), &time), first, StoreConditions::Kept).await.unwrap();
    assert_eq!((outcome.status, outcome.skipped), (PushStatus::Live, 3));
    let now = objects(store.as_ref()).await;
    check(&now);
    assert_eq!(now["data/myapp/fed-mods.json"], r#"{"build":1}"#);
    assert_eq!(live(&now), Some(ManifestId(START as u64 + 120)));
    let listing = list(&session(store.clone(), &time)).await.unwrap();
    let states: Vec<_> =
        listing.rows.iter().map(|row| (row.is_live, row.is_previous, row.was_live)).collect();
    assert_eq!(states, [(true, false, true), (false, true, true), (false, false, true)]);

    let missing = rollback(&session(store.clone(), &time), ManifestId(5), StoreConditions::Kept).await;
    assert!(matches!(missing, Err(AssetsError::NoManifest { .. })));
    let gone = ObjectKey::new("data/myapp/js/app.00000001.js");
    store.delete(&gone, &runway_store::Condition::None).await.unwrap();
    let gone = rollback(&session(store.clone(), &time), first, StoreConditions::Kept).await;
    assert!(matches!(gone, Err(AssetsError::Incomplete { count: 1, .. })), "{gone:?}");
    assert!(!keys(store.as_ref()).await.iter().any(|key| key.starts_with("intents/")));
}

#[tokio::test]
async fn large_files_come_in_parts_and_are_known_again() {
    let time = Time::new();
    let counting = Arc::new(Counting::new(memory(&time)));
    let source = build(1);
    let large: String = "0123456789abcdef".repeat((PARTS_FROM as usize >> 4) + 3);
    source.write(&[("video.webm", &large)]);
    push_request(&session(counting.clone(), &time), &source.request(1)).await.unwrap();
    assert_eq!((counting.count(Verb::BeginUpload), counting.count(Verb::UploadPart)), (1, 3));
    let now = objects(counting.as_ref()).await;
    check(&now);
    assert_eq!(now["data/myapp/video.webm"], large.as_bytes());

    // A list records nothing, but the parts make the same entity tag again.
    let request = PushRequest { format: ManifestFormat::List, ..source.request(2) };
    push_request(&session(counting.clone(), &time), &request).await.unwrap();
    counting.reset();
    let again = push_request(&session(counting.clone(), &time), &request).await.unwrap();
    assert_eq!((again.skipped, counting.count(Verb::UploadPart)), (4, 0));
}

#[tokio::test]
async fn a_part_that_fails_leaves_nothing() {
    let time = Time::new();
    let store = memory(&time);
    let faulty = Faulty::new(store.clone())
        .fault(When::verb(Verb::UploadPart).nth(2), Fault::Fail(runway_store::StoreErrorKind::Denied));
    let source = build(1);
    source.write(&[("video.webm", &"x".repeat(PARTS_FROM as usize))]);
    let error = push_request(&session(Arc::new(faulty), &time), &source.request(1)).await.unwrap_err();
    assert_eq!(error.class(), ErrorClass::Denied);
    assert_eq!(store.uploads("").await.unwrap(), []);
    let kept = keys(store.as_ref()).await;
    assert!(kept.iter().any(|key| key.starts_with("intents/")), "what was sent is known: {kept:?}");
    assert!(live(&objects(store.as_ref()).await).is_none());
}

/// Stops when the second part of a large file was sent.
struct StopsAtParts(tokio_util::sync::CancellationToken, std::sync::atomic::AtomicUsize);

impl AssetReporter for StopsAtParts {
    fn event(&self, event: &AssetEvent) {
        let sent = matches!(event, AssetEvent::Sent { bytes } if *bytes > 1 << 20);
        if sent && self.1.fetch_add(1, std::sync::atomic::Ordering::Relaxed) == 1 {
            self.0.cancel();
        }
    }
}

#[tokio::test]
async fn a_push_that_is_stopped_clears_up_and_goes_on_later() {
    let time = Time::new();
    let store = memory(&time);
    let source = build(1);
    source.write(&[("video.webm", &"x".repeat(3 * PARTS_FROM as usize))]);
    let mut session_to_stop = session(store.clone(), &time);
    let stop = session_to_stop.stop.clone();
    session_to_stop.reporter = Arc::new(StopsAtParts(stop, Default::default()));
    session_to_stop.concurrency = 1;
    let stopped = push_request(&session_to_stop, &source.request(1)).await;
    assert!(matches!(stopped, Err(AssetsError::Interrupted)), "{stopped:?}");
    assert_eq!(store.uploads("").await.unwrap(), []);
    let left = keys(store.as_ref()).await;
    assert!(left.iter().any(|key| key.starts_with("intents/")), "{left:?}");
    let again = push_request(&session(store.clone(), &time), &source.request(1)).await.unwrap();
    assert_eq!((again.status, again.skipped), (PushStatus::Live, 3), "what was sent is not sent again");
}

#[tokio::test]
async fn trouble_that_passes_is_waited_for() {
    let time = Time::new();
    let store = memory(&time);
    let heard = Arc::new(Heard::default());
    let mut faulty = Faulty::new(store.clone());
    for nth in [1, 4, 9] {
        faulty = faulty.fault(When::any().nth(nth), Fault::SLOW_DOWN);
    }
    faulty = faulty.fault(When::verb(Verb::Put).nth(5), Fault::LoseAnswer);
    faulty = faulty.fault(When::verb(Verb::Put).nth(8), Fault::LoseAnswer);
    faulty = faulty.fault(When::verb(Verb::Put).nth(11), Fault::CONFLICT);
    let mut session = session(Arc::new(faulty), &time);
    session.reporter = heard.clone();
    let outcome = push_build(&session, 1).await.unwrap();
    assert_eq!(outcome.status, PushStatus::Live);
    check(&objects(store.as_ref()).await);
    let heard = heard.0.lock().unwrap();
    assert!(heard.iter().filter(|event| matches!(event, AssetEvent::Retry { .. })).count() >= 4);
}

#[tokio::test]
async fn a_directory_is_a_bucket_too() {
    let parent = tempfile::tempdir().unwrap();
    let time = Time::new();
    let store = Arc::new(
        Directory::create(
            parent.path().join("bucket"),
            BucketName::new("bucket"),
            Arc::new(jiff::Timestamp::now),
        )
        .unwrap(),
    );
    push_build(&session(store.clone(), &time), 1).await.unwrap();
    let outcome = push_build(&session(store.clone(), &time), 2).await.unwrap();
    assert_eq!((outcome.sent, outcome.skipped), (3, 2));
    check(&objects(store.as_ref()).await);
}

#[tokio::test]
async fn stores_are_tried_out_once_a_day() {
    let time = Time::new();
    let counting = Arc::new(Counting::new(memory(&time)));
    let source = build(1);
    let request = |build| PushRequest { conditions: StoreConditions::Unknown, ..source.request(build) };
    let probes = || {
        let operations = counting.operations();
        operations.iter().filter(|operation| operation.key.as_str().contains("probe")).count()
    };
    push_request(&session(counting.clone(), &time), &request(1)).await.unwrap();
    assert!(probes() > 0);
    counting.reset();
    time.pass(Duration::from_secs(3600));
    push_request(&session(counting.clone(), &time), &request(2)).await.unwrap();
    assert_eq!(probes(), 0);
    time.pass(Duration::from_secs(24 * 3600));
    push_request(&session(counting.clone(), &time), &request(3)).await.unwrap();
    assert!(probes() > 0);
    assert!(!keys(counting.as_ref()).await.iter().any(|key| key.contains("probe")));
    let found = probe(&session(counting.clone(), &time)).await.unwrap();
    assert!(found.if_absent && found.if_match && found.delete_if_match && found.delete_many);
}
