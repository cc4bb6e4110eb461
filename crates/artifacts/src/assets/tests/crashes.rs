//! A session that dies at every one of its requests: what is live is whole, the next push goes on, and nothing is left.

use std::sync::Arc;
use std::time::Duration;

use runway_store::{Fault, Faulty, ObjectStore};

use super::scene::*;
use crate::assets::*;
use crate::names::ManifestId;

const DAY: Duration = Duration::from_secs(24 * 3600);

/// What is done before, and by the session that dies.
#[derive(Debug, Clone, Copy)]
enum Act {
    Push,
    PushLarge,
    Prune,
    Rollback,
    Pin,
}

async fn act(act: Act, session: &Session) -> Result<(), AssetsError> {
    match act {
        Act::Push => push_build(session, 9).await.map(drop),
        Act::PushLarge => {
            let source = build(9);
            source.write(&[("video.webm", &"x".repeat(PARTS_FROM as usize))]);
            push_request(session, &source.request(9)).await.map(drop)
        }
        Act::Prune => prune(session, &rules(Duration::ZERO, 0)).await.map(drop),
        Act::Rollback => rollback(session, ManifestId(START as u64), StoreConditions::Kept).await.map(drop),
        Act::Pin => pin(session, ManifestId(START as u64)).await,
    }
}

/// Lets an act die at its n-th request, before or after it took effect; whether it came that far.
async fn dies(what: Act, nth: usize, fault: Fault) -> bool {
    let time = Time::new();
    let store = memory(&time);
    for number in 1..=4 {
        push_build(&session(store.clone(), &time), number).await.unwrap();
        time.pass(Duration::from_secs(3600));
    }
    let faulty = Arc::new(
        Faulty::new(store.clone()).hook(move |_, index| if index + 1 == nth { fault } else { Fault::None }),
    );
    let mut dying = session(faulty.clone(), &time);
    dying.concurrency = 2;
    let died = tokio::select! {
        ended = act(what, &dying) => {
            ended.unwrap();
            false
        }
        () = faulty.crashed() => true,
    };
    check(&objects(store.as_ref()).await);

    // Others go on, whatever it left; those that have to wait for it do.
    time.pass(Duration::from_secs(60));
    push_build(&session(store.clone(), &time), 10).await.unwrap();
    let now = objects(store.as_ref()).await;
    check(&now);
    assert_eq!(now["data/myapp/fed-mods.json"], r#"{"build":10}"#);
    unpin(&session(store.clone(), &time), ManifestId(START as u64)).await.unwrap();

    // When everything has aged, one prune leaves the live build, its predecessor, and nothing else.
    time.pass(3 * DAY);
    for _ in 0..2 {
        prune(&session(store.clone(), &time), &rules(DAY, 0)).await.unwrap();
        check(&objects(store.as_ref()).await);
    }
    let now = objects(store.as_ref()).await;
    let count = |prefix: &str| now.keys().filter(|key| key.starts_with(prefix)).count();
    assert_eq!((count("intents/"), count("heads/"), count("pins/")), (0, 1, 0));
    assert!(count("manifests/") <= 2 && count("manifests/") * 2 == count("entries/"), "{:?}", now.keys());
    let named: usize = count("data/");
    assert!((5..=7).contains(&named), "{:?}", now.keys());
    assert_eq!(store.uploads("").await.unwrap(), []);
    died
}

async fn dies_everywhere(what: Act) {
    for fault in [Fault::CrashBefore, Fault::CrashAfter] {
        let mut nth = 1;
        while dies(what, nth, fault).await {
            nth += 1;
        }
        assert!(nth > 5, "{what:?} makes more requests than {nth}");
    }
}

#[tokio::test]
async fn a_push_dies_at_every_request() {
    dies_everywhere(Act::Push).await;
}

#[tokio::test]
async fn a_push_of_a_large_file_dies_at_every_request() {
    dies_everywhere(Act::PushLarge).await;
}

#[tokio::test]
async fn a_prune_dies_at_every_request() {
    dies_everywhere(Act::Prune).await;
}

#[tokio::test]
async fn a_rollback_dies_at_every_request() {
    dies_everywhere(Act::Rollback).await;
}

#[tokio::test]
async fn a_pin_dies_at_every_request() {
    dies_everywhere(Act::Pin).await;
}

#[tokio::test]
async fn a_change_that_was_broken_off_is_finished_without_a_build() {
    let mut finished = 0;
    for nth in 1.. {
        let time = Time::new();
        let store = memory(&time);
        push_build(&session(store.clone(), &time), 1).await.unwrap();
        time.pass(Duration::from_secs(3600));
        let faulty = Arc::new(
            Faulty::new(store.clone())
                .hook(move |_, index| if index + 1 == nth { Fault::CrashAfter } else { Fault::None }),
        );
        let number = 100 + nth as u64;
        let dying = session(faulty.clone(), &time);
        let died = tokio::select! {
            _ = push_build(&dying, number) => false,
            () = faulty.crashed() => true,
        };
        let resumed = resume(&session(store.clone(), &time)).await.unwrap();
        let now = objects(store.as_ref()).await;
        check(&now);
        if resumed.is_some() {
            finished += 1;
            assert_eq!(now["data/myapp/fed-mods.json"], format!("{{\"build\":{number}}}"));
        }
        if !died {
            break;
        }
    }
    assert_eq!(finished, 3, "after the head, and after each of the entry points");
}
