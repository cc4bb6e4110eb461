//! Pushes by credentials that must not list files.

use std::sync::Arc;

use runway_store::{Counting, Fault, Faulty, ObjectKey, ObjectStore, StoreErrorKind, Verb};

use super::scene::*;
use crate::assets::*;

/// A store that says of files what S3 says to who must not list them: that looking at a missing one is forbidden.
struct Guarded(Arc<Faulty>);

impl Guarded {
    /// `missing` tells which files are not there.
    fn new(inner: Arc<dyn ObjectStore>, missing: &[&str]) -> Self {
        let missing: Vec<String> = missing.iter().map(|path| format!("data/myapp/{path}")).collect();
        Self(Arc::new(Faulty::new(inner).hook(move |operation, _| {
            let key = operation.key.as_str();
            let is_listed = operation.verb == Verb::List && key.starts_with("data/");
            let is_hidden = operation.verb == Verb::Head && missing.iter().any(|path| path == key);
            if is_listed || is_hidden { Fault::Fail(StoreErrorKind::Denied) } else { Fault::None }
        })))
    }
}

fn by_looking(source: &Source, number: u64) -> PushRequest {
    PushRequest { check: Check::Head, ..source.request(number) }
}

#[tokio::test]
async fn whoever_must_not_list_files_is_told_what_helps() {
    let time = Time::new();
    let store = Guarded::new(memory(&time), &[]);
    let error = push_build(&session(store.0, &time), 1).await.unwrap_err();
    assert_eq!(error.class(), ErrorClass::Denied);
    let help = miette::Diagnostic::help(&error).unwrap().to_string();
    assert!(help.contains("--check head"), "{help}");
}

#[tokio::test]
async fn files_are_looked_at_one_by_one() {
    let time = Time::new();
    let store = memory(&time);
    let first = build(1);
    let all = ["css/main.1f00aa22.css", "img/logo.svg", "js/app.00000001.js", "index.html", "fed-mods.json"];
    let guarded = Guarded::new(store.clone(), &all);
    let outcome = push_request(&session(guarded.0, &time), &by_looking(&first, 1)).await.unwrap();
    assert_eq!((outcome.status, outcome.sent), (PushStatus::Live, 5));

    let second = build(2);
    let guarded = Guarded::new(store.clone(), &["js/app.00000002.js"]);
    let counting = Arc::new(Counting::new(guarded.0));
    let request = by_looking(&second, 2);
    let looking = session(counting.clone(), &time);
    let planned = plan(&looking, &request, &prepare(&looking, &request).await.unwrap()).await.unwrap();
    let actions: Vec<FileAction> = planned.files.iter().map(|(_, action, _)| *action).collect();
    assert_eq!(actions.iter().filter(|action| **action == FileAction::Unchanged).count(), 2);
    let outcome = push_request(&looking, &request).await.unwrap();
    assert_eq!((outcome.status, outcome.sent, outcome.skipped), (PushStatus::Live, 3, 2));
    check(&objects(store.as_ref()).await);
    let listed = counting.operations();
    let mut listed = listed.iter().filter(|operation| operation.verb == Verb::List);
    assert!(listed.all(|operation| !operation.key.as_str().starts_with("data/")));

    // The same build again.
    let guarded = Guarded::new(store.clone(), &[]);
    let again = push_request(&session(guarded.0, &time), &by_looking(&second, 2)).await.unwrap();
    assert_eq!((again.status, again.sent), (PushStatus::AlreadyLive, 0));
}

#[tokio::test]
async fn both_ways_find_the_same() {
    for (name, body) in
        [("img/logo.svg", "<svg>other</svg>"), ("new.txt", "new"), ("css/main.1f00aa22.css", "x {}")]
    {
        let mut found = Vec::new();
        for how in [Check::List, Check::Head] {
            let time = Time::new();
            let store = memory(&time);
            push_build(&session(store.clone(), &time), 1).await.unwrap();
            let source = build(2);
            source.write(&[(name, body)]);
            let request = PushRequest { check: how, ..source.request(2) };
            let one = session(store.clone(), &time);
            let planned = plan(&one, &request, &prepare(&one, &request).await.unwrap()).await.unwrap();
            let outcome = push_request(&one, &request).await.unwrap();
            found.push((
                planned.files,
                outcome.sent,
                outcome.in_place,
                outcome.changed,
                objects(store.as_ref()).await.len(),
            ));
        }
        assert_eq!(found[0], found[1], "{name}");
    }
}

#[tokio::test]
async fn a_file_that_cannot_be_looked_at_is_never_replaced() {
    let time = Time::new();
    let store = memory(&time);
    push_build(&session(store.clone(), &time), 1).await.unwrap();
    let source = build(2);
    source.write(&[("img/logo.svg", "<svg>other</svg>")]);
    let guarded = Guarded::new(store.clone(), &["img/logo.svg"]);
    let error = push_request(&session(guarded.0, &time), &by_looking(&source, 2)).await.unwrap_err();
    assert_eq!(error.class(), ErrorClass::Denied, "{error}");
    assert!(error.to_string().contains("img/logo.svg"), "{error}");
    let logo = store.get(&ObjectKey::new("data/myapp/img/logo.svg")).await.unwrap().unwrap();
    assert_eq!(logo.body.as_ref(), b"<svg/>");
    check(&objects(store.as_ref()).await);
}

#[tokio::test]
async fn what_is_sent_twice_because_an_answer_was_lost_is_no_strangers() {
    let time = Time::new();
    let store = memory(&time);
    let source = build(1);
    let lost = ObjectKey::new("data/myapp/js/app.00000001.js");
    let is_lost = std::sync::atomic::AtomicBool::new(false);
    let faulty = Faulty::new(store.clone()).hook(move |operation, _| {
        let is_it = operation.key == lost;
        match operation.verb {
            Verb::Head if is_it && !is_lost.load(std::sync::atomic::Ordering::Relaxed) => {
                Fault::Fail(StoreErrorKind::Denied)
            }
            Verb::Put if is_it && !is_lost.swap(true, std::sync::atomic::Ordering::Relaxed) => {
                Fault::LoseAnswer
            }
            _ => Fault::None,
        }
    });
    let outcome = push_request(&session(Arc::new(faulty), &time), &by_looking(&source, 1)).await.unwrap();
    assert_eq!(outcome.status, PushStatus::Live);
    check(&objects(store.as_ref()).await);
}
