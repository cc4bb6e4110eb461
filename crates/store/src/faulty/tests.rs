use super::*;
use crate::Memory;

fn memory() -> Arc<Memory> {
    Arc::new(Memory::new(BucketName::new("bucket"), Arc::new(|| jiff::Timestamp::UNIX_EPOCH)))
}

fn key() -> ObjectKey {
    ObjectKey::new("key")
}

async fn put(store: &Faulty, key: &ObjectKey) -> Result<(), StoreErrorKind> {
    let outcome = store.put(key, Bytes::from("body"), &Put::default()).await;
    outcome.map(drop).map_err(|error| error.kind)
}

#[tokio::test]
async fn a_failed_request_has_no_effect() {
    let inner = memory();
    let store = Faulty::new(inner.clone()).fault(When::verb(Verb::Put).nth(1), Fault::SLOW_DOWN);
    assert_eq!(put(&store, &key()).await, Err(StoreErrorKind::Throttled));
    assert_eq!(inner.get(&key()).await.unwrap(), None);
    assert_eq!(put(&store, &key()).await, Ok(()));
}

#[tokio::test]
async fn a_lost_answer_hides_an_effect() {
    let inner = memory();
    let store = Faulty::new(inner.clone()).fault(When::verb(Verb::Put), Fault::LoseAnswer);
    assert_eq!(put(&store, &key()).await, Err(StoreErrorKind::Unavailable));
    assert_eq!(inner.get(&key()).await.unwrap().unwrap().body, "body");
}

#[tokio::test]
async fn faults_choose_by_verb_key_and_count() {
    let other = ObjectKey::new("other");
    let store = Faulty::new(memory())
        .fault(When::verb(Verb::Put).key(&key()).nth(2), Fault::CONFLICT)
        .fault(When::any().key(&other), Fault::Fail(StoreErrorKind::Denied))
        .fault(When::verb(Verb::Put).nth(5), Fault::SLOW_DOWN);
    assert_eq!(put(&store, &key()).await, Ok(()));
    store.get(&key()).await.unwrap();
    assert_eq!(put(&store, &other).await, Err(StoreErrorKind::Denied));
    assert_eq!(put(&store, &key()).await, Err(StoreErrorKind::Conflict));
    assert_eq!(put(&store, &key()).await, Ok(()));
    assert_eq!(
        put(&store, &key()).await,
        Err(StoreErrorKind::Throttled),
        "every put counts for the last rule"
    );
    assert_eq!(store.operations(), 6);
}

#[tokio::test]
async fn a_hook_sees_every_request_that_no_rule_decides() {
    let hook = |operation: &Operation, index: usize| match (operation.verb, index) {
        (Verb::Get, _) | (_, 1) => Fault::Fail(StoreErrorKind::Unavailable),
        _ => Fault::None,
    };
    let store = Faulty::new(memory()).fault(When::verb(Verb::Put).nth(3), Fault::CONFLICT).hook(hook);
    assert_eq!(put(&store, &key()).await, Ok(()));
    assert_eq!(put(&store, &key()).await, Err(StoreErrorKind::Unavailable));
    assert_eq!(put(&store, &key()).await, Err(StoreErrorKind::Conflict));
    assert_eq!(store.get(&key()).await.unwrap_err().kind, StoreErrorKind::Unavailable);
}

/// Stops a writer of three objects at its n-th request and tells which objects are there afterwards.
async fn crash_at(n: usize, fault: Fault) -> Vec<&'static str> {
    const NAMES: [&str; 3] = ["a", "b", "c"];
    let inner = memory();
    let store = Faulty::new(inner.clone()).hook(move |_, index| if index == n { fault } else { Fault::None });
    let writer = async {
        for name in NAMES {
            put(&store, &ObjectKey::new(name)).await.unwrap();
        }
    };
    let crashed = tokio::select! {
        biased;
        () = writer => false,
        () = store.crashed() => true,
    };
    assert_eq!(crashed, n < NAMES.len());

    let mut present = Vec::new();
    for name in NAMES {
        if inner.get(&ObjectKey::new(name)).await.unwrap().is_some() {
            present.push(name);
        }
    }
    present
}

#[tokio::test]
async fn a_crash_stops_the_caller_before_or_after_the_effect() {
    assert_eq!(crash_at(0, Fault::CrashBefore).await, Vec::<&str>::new());
    assert_eq!(crash_at(0, Fault::CrashAfter).await, ["a"]);
    assert_eq!(crash_at(2, Fault::CrashBefore).await, ["a", "b"]);
    assert_eq!(crash_at(2, Fault::CrashAfter).await, ["a", "b", "c"]);
    assert_eq!(crash_at(3, Fault::CrashBefore).await, ["a", "b", "c"]);
}

#[tokio::test(start_paused = true)]
async fn after_a_crash_nothing_is_answered() {
    let store = Faulty::new(memory()).fault(When::any().nth(1), Fault::CrashBefore);
    let minute = std::time::Duration::from_secs(60);
    for _ in 0..2 {
        assert!(tokio::time::timeout(minute, store.get(&key())).await.is_err());
        store.crashed().await;
    }
}
