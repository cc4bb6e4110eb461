use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use jiff::Timestamp;

use super::*;

fn bucket() -> BucketName {
    BucketName::new("bucket")
}

/// A clock that advances by one second whenever it is read.
fn ticking() -> StoreClock {
    let seconds = AtomicI64::new(0);
    Arc::new(move || Timestamp::from_second(seconds.fetch_add(1, Ordering::Relaxed)).unwrap())
}

fn second(second: i64) -> Option<Timestamp> {
    Some(Timestamp::from_second(second).unwrap())
}

#[tokio::test]
async fn a_missing_bucket_answers_no_bucket_to_everything() {
    let store = Memory::missing(bucket(), ticking());
    let key = ObjectKey::new("key");
    let answers = [
        store.get(&key).await.map(drop),
        store.head(&key).await.map(drop),
        store.put(&key, Bytes::new(), &Put::default()).await.map(drop),
        store.delete(&key, &Condition::None).await,
        store.list("", None).await.map(drop),
        store.tags(&key).await.map(drop),
        store.set_tags(&key, &Tags::new()).await,
        store.get_version(&key, "1").await.map(drop),
        store.versions(&key).await.map(drop),
    ];
    for answer in answers {
        assert_eq!(answer.unwrap_err().kind, StoreErrorKind::NoBucket);
    }
}

#[tokio::test]
async fn entity_tags_are_md5_and_times_come_from_the_clock() {
    let store = Memory::new(bucket(), ticking());
    let key = ObjectKey::new("key");
    let written = store.put(&key, Bytes::from("hello"), &Put::default()).await.unwrap();
    assert_eq!(written.etag.as_str(), "5d41402abc4b2a76b9719d911017c592");
    assert_eq!((written.date, written.version_id), (second(0), None));
    let read = store.head(&key).await.unwrap().unwrap();
    assert_eq!((read.last_modified, read.date), (second(0), second(1)));
}

#[tokio::test]
async fn without_versions_nothing_earlier_is_kept() {
    let store = Memory::new(bucket(), ticking());
    let key = ObjectKey::new("key");
    store.put(&key, Bytes::from("body"), &Put::default()).await.unwrap();
    assert_eq!(store.versions(&key).await.unwrap(), []);
    assert_eq!(store.get_version(&key, "1").await.unwrap(), None);
}

#[tokio::test]
async fn version_ids_are_never_used_twice() {
    let store = Memory::versioned(bucket(), ticking());
    let key = ObjectKey::new("key");
    let first = store.put(&key, Bytes::from("first"), &Put::default()).await.unwrap().version_id.unwrap();
    store.delete(&key, &Condition::None).await.unwrap();
    let second = store.put(&key, Bytes::from("second"), &Put::default()).await.unwrap().version_id.unwrap();
    assert_ne!(first, second);
    assert_eq!(store.get_version(&key, &first).await.unwrap().unwrap().body, "first");
    assert_eq!(store.get_version(&key, "unknown").await.unwrap(), None);
    assert_eq!(store.get_version(&ObjectKey::new("other"), &first).await.unwrap(), None);
}

#[tokio::test]
async fn a_deletion_that_depends_on_absence_is_invalid() {
    let store = Memory::new(bucket(), ticking());
    let refused = store.delete(&ObjectKey::new("key"), &Condition::IfAbsent).await.unwrap_err();
    assert_eq!(refused.kind, StoreErrorKind::Invalid);
}

#[tokio::test]
async fn errors_name_the_object_and_both_entity_tags() {
    let store = Memory::new(bucket(), ticking());
    let key = ObjectKey::new("some/key");
    store.put(&key, Bytes::from("hello"), &Put::default()).await.unwrap();
    let how = Put { condition: Condition::IfMatch(ETag::new("\"stale\"")), ..Put::default() };
    let refused = store.put(&key, Bytes::from("other"), &how).await.unwrap_err();
    assert_eq!(
        refused.to_string(),
        "failed to write s3://bucket/some/key: the object has changed: its ETag is \
         5d41402abc4b2a76b9719d911017c592, not stale"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_creators_on_several_threads_one_wins() {
    let store = Arc::new(Memory::new(bucket(), ticking()));
    for round in 0..50 {
        let key = ObjectKey::new(format!("round-{round}"));
        let creators: Vec<_> = (0..8)
            .map(|creator| {
                let (store, key) = (Arc::clone(&store), key.clone());
                tokio::spawn(async move {
                    let how = Put { condition: Condition::IfAbsent, ..Put::default() };
                    store.put(&key, Bytes::from(format!("{creator}")), &how).await.is_ok()
                })
            })
            .collect();
        let mut winners = 0;
        for creator in creators {
            winners += usize::from(creator.await.unwrap());
        }
        assert_eq!(winners, 1);
    }
}
