//! What is told of a push before it is made, and of what is there.

use std::sync::Arc;

use runway_store::{Counting, ObjectKey, ObjectStore, Put, Verb};

use super::scene::*;
use crate::assets::*;
use crate::document::{About, AssetsListDocument, AssetsPlanDocument, AssetsPruneDocument};
use crate::format::ManifestFormat;
use crate::names::ManifestId;
use crate::protocol::PushMode;

fn about() -> About {
    About { app: "myapp".to_owned(), bucket: "bucket".to_owned() }
}

async fn planned(store: &Arc<dyn ObjectStore>, time: &Arc<Time>, request: &PushRequest) -> Planned {
    let one = session(Arc::clone(store), time);
    plan(&one, request, &prepare(&one, request).await.unwrap()).await.unwrap()
}

fn count(planned: &Planned, wanted: FileAction) -> usize {
    planned.files.iter().filter(|(_, action, _)| *action == wanted).count()
}

async fn write(store: &Arc<dyn ObjectStore>, key: &str, text: &str) {
    store.put(&ObjectKey::new(key), text.to_owned().into(), &Put::default()).await.unwrap();
}

#[tokio::test]
async fn an_older_build_is_planned_as_it_is_pushed() {
    for (files, uploads) in
        [(vec![("new.txt", "new")], 1), (vec![("new.txt", "new"), ("img/logo.svg", "<svg>other</svg>")], 0)]
    {
        let time = Time::new();
        let store: Arc<dyn ObjectStore> = memory(&time);
        push_build(&session(Arc::clone(&store), &time), 2).await.unwrap();
        // The older build has the files of the newer one, and some more.
        let source = build(2);
        source.write(&files);
        let request = source.request(1);
        let planned = planned(&store, &time, &request).await;
        assert_eq!(planned.superseded_by, Some(ManifestId(START as u64)));
        assert_eq!(count(&planned, FileAction::Upload), uploads, "{planned:?}");
        assert_eq!(
            count(&planned, FileAction::Entry) + count(&planned, FileAction::InPlace),
            0,
            "{planned:?}"
        );
        assert_eq!(count(&planned, FileAction::Left), 2 + if uploads == 0 { 2 } else { 0 });
        let document = AssetsPlanDocument::of(&about(), None, &planned, None);
        assert_eq!((document.summary.upload.files, document.summary.in_place.files), (uploads as u64, 0));
        assert!(document.text().contains("- left") && document.markdown().contains("| left |"));
        let outcome = push_request(&session(Arc::clone(&store), &time), &request).await.unwrap();
        assert!(matches!(outcome.status, PushStatus::Superseded { .. }));
        assert_eq!(outcome.sent, uploads);
    }
}

#[tokio::test]
async fn a_push_that_would_be_refused_is_planned_as_such() {
    let time = Time::new();
    let store: Arc<dyn ObjectStore> = memory(&time);
    push_build(&session(Arc::clone(&store), &time), 1).await.unwrap();
    let source = build(2);
    source.write(&[("img/logo.svg", "<svg>other</svg>"), ("css/main.1f00aa22.css", "x {}")]);
    let mut request = source.request(2);
    assert!(planned(&store, &time, &request).await.refusal().is_none());
    request.mode = PushMode { deny_in_place: true, ..PushMode::default() };
    let planned = planned(&store, &time, &request).await;
    let refused = push_request(&session(Arc::clone(&store), &time), &request).await.unwrap_err();
    assert_eq!(planned.refusal().map(|error| error.to_string()), Some(refused.to_string()));
    let document = AssetsPlanDocument::of(&about(), None, &planned, None);
    assert!(document.refused && document.text().contains("--deny-in-place refuses"), "{}", document.text());
    // A build that is live already is not refused.
    let live = build(1);
    let request = PushRequest { mode: request.mode, ..live.request(1) };
    assert!(super::plans::planned(&store, &time, &request).await.refusal().is_none());
}

#[tokio::test]
async fn names_of_others_do_not_steer_a_terminal() {
    let time = Time::new();
    let store: Arc<dyn ObjectStore> = memory(&time);
    let image = "\u{1b}[2Jfake\nrow 1  live";
    write(&store, "manifests/myapp/5", &serde_json::json!({"files": ["x"], "image": image}).to_string())
        .await;
    write(&store, "manifests/myapp/a\u{1b}[2J", "x").await;
    let one = session(Arc::clone(&store), &time);
    let document = AssetsListDocument::of(&about(), &list(&one).await.unwrap());
    assert_eq!(document.builds[0].image.as_deref(), Some(image), "programs get it as it is");
    for text in [document.text(), document.markdown()] {
        assert!(!text.contains('\u{1b}'), "{text:?}");
        assert!(!text.lines().any(|line| line.starts_with("row 1")), "{text:?}");
    }
    let dry = PruneRequest { dry_run: true, ..rules(std::time::Duration::ZERO, 0) };
    let pruned = AssetsPruneDocument::of(&about(), &prune(&one, &dry).await.unwrap());
    assert!(
        !pruned.text().contains('\u{1b}') && pruned.text().contains("is no manifest"),
        "{:?}",
        pruned.text()
    );
    assert!(
        build_name("quay.io/x/app:1").is_ok() && build_name("a\nb").is_err() && build_name(image).is_err()
    );
}

#[tokio::test]
async fn a_listing_says_what_is_odd() {
    let time = Time::new();
    let store: Arc<dyn ObjectStore> = memory(&time);
    push_build(&session(Arc::clone(&store), &time), 1).await.unwrap();
    let later = START as u64 + 1_000_000;
    let of_valpop = serde_json::json!({"files": ["x"], "image": "i"}).to_string();
    write(&store, "manifests/myapp/notes.txt", "x").await;
    write(&store, "manifests/myapp/7", "x").await;
    write(&store, &format!("manifests/myapp/{later}"), &of_valpop).await;
    let listed = async || {
        let listing = list(&session(Arc::clone(&store), &time)).await.unwrap();
        AssetsListDocument::of(&about(), &listing)
    };
    let document = listed().await;
    assert_eq!(document.foreign, ["manifests/myapp/notes.txt"]);
    let odd: Vec<(u64, bool, bool)> =
        document.builds.iter().map(|build| (build.manifest, build.future, build.unreadable)).collect();
    assert_eq!(odd, [(later, true, false), (START as u64, false, false), (7, false, true)]);
    assert!(!document.head_lost);
    store.delete(&ObjectKey::new("heads/myapp.json"), &runway_store::Condition::None).await.unwrap();
    let document = listed().await;
    assert!(document.head_lost && document.text().contains("head is missing"), "{}", document.text());
}

#[tokio::test]
async fn a_change_that_is_not_over_is_told() {
    let time = Time::new();
    let store: Arc<dyn ObjectStore> = memory(&time);
    push_build(&session(Arc::clone(&store), &time), 1).await.unwrap();
    let key = ObjectKey::new("heads/myapp.json");
    let head = store.get(&key).await.unwrap().unwrap().body;
    let head = String::from_utf8(head.to_vec()).unwrap().replace("published", "flipping");
    write(&store, key.as_str(), &head).await;
    let source = build(2);
    let found = planned(&store, &time, &source.request(2)).await;
    assert_eq!(found.unfinished, Some(ManifestId(START as u64)));
    let text = AssetsPlanDocument::of(&about(), None, &found, None).text();
    assert!(text.contains("is not over"), "{text}");
    let listing = list(&session(Arc::clone(&store), &time)).await.unwrap();
    let text = AssetsListDocument::of(&about(), &listing).text();
    assert!(text.lines().next().unwrap().contains("not over"), "{text}");
}

#[tokio::test]
async fn a_size_that_nobody_knows_is_not_nothing() {
    let time = Time::new();
    let store: Arc<dyn ObjectStore> = memory(&time);
    for number in 1..=3 {
        let source = build(number);
        let request = PushRequest { format: ManifestFormat::List, ..source.request(number) };
        push_request(&session(Arc::clone(&store), &time), &request).await.unwrap();
        time.pass(std::time::Duration::from_secs(3600));
    }
    let counting = Arc::new(Counting::new(Arc::clone(&store)));
    let dry = PruneRequest { dry_run: true, ..rules(std::time::Duration::ZERO, 0) };
    let pruned = prune(&session(counting.clone(), &time), &dry).await.unwrap();
    assert_eq!(counting.count(Verb::Put), 0);
    let document = AssetsPruneDocument::of(&about(), &pruned);
    assert_eq!((document.files.len(), document.bytes, document.unknown_size), (1, 0, 1));
    for text in [document.text(), document.markdown()] {
        assert!(text.contains("(of unknown size)"), "{text}");
    }
}

#[test]
fn remedies_fit_what_cannot_be_read() {
    let help = |key: &str| {
        let error = AssetsError::Unreadable { key: key.to_owned(), message: "x".to_owned() };
        miette::Diagnostic::help(&error).unwrap().to_string()
    };
    for (key, words) in [
        ("team/heads/myapp.json", "push the live build again"),
        ("manifests/intents/5", "Restore an earlier version"),
        ("team/locks/myapp/gc.json", "remove it when no prune is at work"),
        ("intents/myapp/5-a.json", "7 days old"),
        ("pins/myapp/5", "pin that build again"),
    ] {
        assert!(help(key).contains(words), "{key}: {}", help(key));
    }
}
