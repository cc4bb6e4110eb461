//! Directories that are not what one expects.

use std::os::unix::fs::symlink;
use std::sync::Arc;

use runway_store::{Counting, Verb};

use super::scene::*;
use crate::assets::*;

async fn refused(source: &Source) -> AssetsError {
    let time = Time::new();
    let store = Arc::new(Counting::new(memory(&time)));
    let error = push_request(&session(store.clone(), &time), &source.request(1)).await.unwrap_err();
    assert_eq!(store.count(Verb::Put), 0, "nothing is written");
    error
}

#[tokio::test]
async fn sources_that_cannot_be_pushed_are_refused() {
    let gone = Source::new(&[]);
    assert!(matches!(refused(&gone).await, AssetsError::SourceEmpty { .. }));
    let mut request = gone.request(1);
    request.source = gone.path().join("missing");
    let time = Time::new();
    let missing = push_request(&session(memory(&time), &time), &request).await.unwrap_err();
    assert!(matches!(missing, AssetsError::SourceMissing { .. }));

    let controls = build(1);
    controls.write(&[("js/a\nb.js", "x")]);
    let error = refused(&controls).await;
    assert!(matches!(&error, AssetsError::InvalidPath { file, .. } if file == "js/a\\nb.js"), "{error}");
    assert_eq!(error.class(), ErrorClass::Config);

    let long = build(1);
    let deep = format!("{}/x.js", vec!["d".repeat(200); 5].join("/"));
    long.write(&[(&deep, "x")]);
    assert!(matches!(refused(&long).await, AssetsError::InvalidPath { .. }));

    let no_entry = Source::new(&[("a.js", "x")]);
    assert!(matches!(refused(&no_entry).await, AssetsError::NoEntry));
}

#[tokio::test]
async fn links_stay_within_the_source() {
    let outside = Source::new(&[("secret", "secret")]);
    for target in [outside.path().join("secret"), outside.path(), "/etc/passwd".into()] {
        let source = build(1);
        symlink(&target, source.path().join("js/link")).unwrap();
        let error = refused(&source).await;
        assert!(matches!(error, AssetsError::SymlinkEscape { .. }), "{target:?}: {error}");
    }
    let looping = build(1);
    symlink("..", looping.path().join("js/up")).unwrap();
    assert!(matches!(refused(&looping).await, AssetsError::SymlinkEscape { .. }));
    let broken = build(1);
    symlink("nowhere", broken.path().join("js/broken")).unwrap();
    assert!(matches!(refused(&broken).await, AssetsError::SourceUnreadable { .. }));

    let inside = build(1);
    symlink("../img", inside.path().join("js/pictures")).unwrap();
    symlink("app.00000001.js", inside.path().join("js/latest.js")).unwrap();
    let time = Time::new();
    let store = memory(&time);
    let outcome = push_request(&session(store.clone(), &time), &inside.request(1)).await.unwrap();
    assert_eq!(outcome.files, 7);
    let now = objects(store.as_ref()).await;
    assert_eq!(now["data/myapp/js/latest.js"], "build 1");
    assert_eq!(now["data/myapp/js/pictures/logo.svg"], "<svg/>");
}

#[tokio::test]
async fn links_that_multiply_are_refused() {
    let source = build(1);
    for number in 0..22 {
        source.write(&[(&format!("d{number}/x"), "x")]);
        for name in ["a", "b"] {
            symlink(format!("../d{}", number + 1), source.path().join(format!("d{number}/{name}"))).unwrap();
        }
    }
    source.write(&[("d22/x", "x")]);
    let error = refused(&source).await;
    assert!(matches!(error, AssetsError::TooManyLinks { .. }), "{error}");
    assert_eq!(error.class(), ErrorClass::Config);
}

#[tokio::test]
async fn names_that_differ_in_case_only_are_told() {
    let source = build(1);
    source.write(&[("img/Logo.svg", "<svg>other</svg>")]);
    let time = Time::new();
    let store = memory(&time);
    let prepared = prepare(&session(store, &time), &source.request(1)).await.unwrap();
    assert_eq!(prepared.same_but_for_case, [[path("img/Logo.svg"), path("img/logo.svg")]]);
}

#[tokio::test]
async fn files_that_change_while_they_are_pushed_are_not_live() {
    for large in [false, true] {
        let source = build(1);
        let body = if large { "x".repeat(PARTS_FROM as usize) } else { "before".to_owned() };
        source.write(&[("js/busy.js", &body)]);
        let time = Time::new();
        let store = memory(&time);
        let session = session(store.clone(), &time);
        let request = source.request(1);
        let prepared = prepare(&session, &request).await.unwrap();
        let changed = body.replacen(|_| true, "y", 1);
        source.write(&[("js/busy.js", &changed)]);
        let error = push(&session, &request, &prepared).await.unwrap_err();
        assert!(matches!(&error, AssetsError::SourceChanged { path } if path == "js/busy.js"), "{error}");
        assert_eq!(error.class(), ErrorClass::Stale);
        let now = objects(store.as_ref()).await;
        assert!(!now.contains_key("data/myapp/js/busy.js") && live(&now).is_none());
        assert_eq!(runway_store::ObjectStore::uploads(store.as_ref(), "").await.unwrap(), []);
    }
}

#[tokio::test]
async fn many_small_files_are_no_trouble() {
    let source = build(1);
    for directory in 0..20 {
        let directory = source.path().join(format!("many/{directory}"));
        std::fs::create_dir_all(&directory).unwrap();
        for file in 0..100 {
            std::fs::write(directory.join(format!("{file}.js")), format!("{file}")).unwrap();
        }
    }
    let time = Time::new();
    let store = Arc::new(Counting::new(memory(&time)));
    let first = push_request(&session(store.clone(), &time), &source.request(1)).await.unwrap();
    assert_eq!(first.sent, 2005);
    store.reset();
    source.write(&[("many/0/0.js", "changed")]);
    let second = push_request(&session(store.clone(), &time), &source.request(2)).await.unwrap();
    assert_eq!((second.sent, second.skipped), (3, 2002));
    // Three pages of files and one of manifests.
    assert_eq!(store.count(Verb::List), 4);
    check(&objects(store.as_ref()).await);
}

#[tokio::test]
async fn what_is_left_out_is_not_looked_at() {
    let source = build(1);
    source.write(&[(".DS_Store", "x"), ("js/.DS_Store", "x")]);
    symlink("/etc", source.path().join("etc")).unwrap();
    let mut request = source.request(1);
    request.rules.exclude = globs(["**/.DS_Store", "etc"]).unwrap();
    let time = Time::new();
    let outcome = push_request(&session(memory(&time), &time), &request).await.unwrap();
    assert_eq!(outcome.files, 5);
}
