//! Whatever is wrong with the bucket or the files: the run goes on, and says so once.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use jiff::Timestamp;
use miette::Diagnostic as _;
use runway_store::{
    BucketName, Condition, Fault, Faulty, Memory, ObjectKey, ObjectStore, Operation, Put, ReadOnly,
    StoreErrorKind, Verb, When,
};

use super::super::*;
use super::run::{World, deploying, planning};
use crate::clock::Clock as _;

fn memory() -> Arc<Memory> {
    Arc::new(Memory::new(BucketName::new("bucket"), Arc::new(|| Timestamp::UNIX_EPOCH)))
}

fn index_key() -> ObjectKey {
    ObjectKey::new("cache/prod/v1/index.jsonl.gz")
}

fn codes(cache: &Cache) -> Vec<String> {
    cache.warnings().iter().map(|warning| warning.code().unwrap().to_string()).collect()
}

/// Runs twice on a store, and checks that the second run has what the first one found out, from this machine.
async fn goes_on(store: Arc<dyn ObjectStore>, settings: &Settings, code: &str) {
    let world = World::on(store);
    let (cache, found) = world.run(settings.clone(), &["a", "b"]).await;
    assert_eq!((found, codes(&cache)), (vec![false, false], vec![code.to_owned()]));
    let (cache, found) = world.run(settings.clone(), &["a", "b"]).await;
    assert_eq!((found, codes(&cache)), (vec![true, true], vec![code.to_owned()]));
}

#[tokio::test(start_paused = true)]
async fn a_bucket_that_refuses_is_not_asked_again() {
    for kind in [StoreErrorKind::Denied, StoreErrorKind::Unavailable, StoreErrorKind::Credentials] {
        for settings in [deploying(), planning()] {
            let store = Arc::new(Faulty::new(memory()).fault(When::any(), Fault::Fail(kind)));
            goes_on(Arc::clone(&store) as Arc<dyn ObjectStore>, &settings, "cache::remote_unavailable").await;
            assert_eq!(store.operations(), 2, "one read in each run");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_bucket_that_only_refuses_to_be_written_is_read() {
    let inner = memory();
    World::on(inner.clone()).run(deploying(), &["a"]).await;
    let world = World::on(Arc::new(ReadOnly::new(inner)));
    let (cache, found) = world.run(deploying(), &["a", "b"]).await;
    assert_eq!((found, codes(&cache)), (vec![true, false], vec!["cache::remote_unavailable".to_owned()]));
    let (_, found) = world.run(deploying(), &["a", "b"]).await;
    assert_eq!(found, [true, true]);
}

/// A store that never answers.
struct Silent(BucketName);

#[async_trait]
impl ObjectStore for Silent {
    fn bucket(&self) -> &BucketName {
        &self.0
    }
    async fn get(&self, _: &ObjectKey) -> Result<Option<runway_store::Object>, runway_store::StoreError> {
        std::future::pending().await
    }
    async fn get_changed(
        &self,
        _: &ObjectKey,
        _: &runway_store::ETag,
    ) -> Result<runway_store::Reread, runway_store::StoreError> {
        std::future::pending().await
    }
    async fn head(&self, _: &ObjectKey) -> Result<Option<runway_store::Metadata>, runway_store::StoreError> {
        std::future::pending().await
    }
    async fn put(
        &self,
        _: &ObjectKey,
        _: Bytes,
        _: &Put,
    ) -> Result<runway_store::PutOutcome, runway_store::StoreError> {
        std::future::pending().await
    }
    async fn delete(&self, _: &ObjectKey, _: &Condition) -> Result<(), runway_store::StoreError> {
        std::future::pending().await
    }
    async fn list(
        &self,
        _: &str,
        _: Option<&ObjectKey>,
    ) -> Result<runway_store::Page, runway_store::StoreError> {
        std::future::pending().await
    }
    async fn tags(&self, _: &ObjectKey) -> Result<Option<runway_store::Tags>, runway_store::StoreError> {
        std::future::pending().await
    }
    async fn set_tags(&self, _: &ObjectKey, _: &runway_store::Tags) -> Result<(), runway_store::StoreError> {
        std::future::pending().await
    }
    async fn get_version(
        &self,
        _: &ObjectKey,
        _: &str,
    ) -> Result<Option<runway_store::Object>, runway_store::StoreError> {
        std::future::pending().await
    }
    async fn versions(&self, _: &ObjectKey) -> Result<Vec<runway_store::Metadata>, runway_store::StoreError> {
        std::future::pending().await
    }
    async fn rules(&self) -> Result<runway_store::Rules, runway_store::StoreError> {
        std::future::pending().await
    }
}

#[tokio::test(start_paused = true)]
async fn a_bucket_that_does_not_answer_costs_two_seconds() {
    let world = World::on(Arc::new(Silent(BucketName::new("bucket"))));
    let start = world.clock.monotonic();
    let (cache, found) = world.run(deploying(), &["a"]).await;
    assert_eq!((found, codes(&cache)), (vec![false], vec!["cache::remote_unavailable".to_owned()]));
    assert_eq!(world.clock.monotonic().saturating_sub(start), Duration::from_secs(2));
    assert_eq!(world.run(deploying(), &["a"]).await.1, [true]);
}

#[tokio::test(start_paused = true)]
async fn a_bucket_that_does_not_exist_yet_is_no_trouble() {
    let world =
        World::on(Arc::new(Memory::missing(BucketName::new("bucket"), Arc::new(|| Timestamp::UNIX_EPOCH))));
    for expected in [false, true] {
        let (cache, found) = world.run(deploying(), &["a"]).await;
        assert_eq!((found, codes(&cache)), (vec![expected], vec![]));
    }
}

#[tokio::test(start_paused = true)]
async fn an_index_that_always_changes_is_given_up_in_ten_seconds() {
    let store = Faulty::new(memory()).fault(When::verb(Verb::Put), Fault::Fail(StoreErrorKind::Precondition));
    let world = World::on(Arc::new(store));
    let start = world.clock.monotonic();
    let (cache, _) = world.run(deploying(), &["a"]).await;
    assert_eq!(codes(&cache), ["cache::gave_up"]);
    assert!(
        world.clock.monotonic().saturating_sub(start) <= Duration::from_secs(10),
        "{:?}",
        world.clock.monotonic().saturating_sub(start)
    );
    let puts = world.store.count(Verb::Put);
    assert!((10..=20).contains(&puts), "{puts} tries");
    assert_eq!(world.run(deploying(), &["a"]).await.1, [true], "this machine has it");
}

#[tokio::test(start_paused = true)]
async fn conflicts_slow_downs_and_other_writers_are_waited_for() {
    let inner = memory();
    // Somebody else writes between the read and the write of this run.
    let other = World::on(inner.clone());
    other.run(deploying(), &["other"]).await;
    let refused = AtomicUsize::new(0);
    let store = Faulty::new(inner).hook(move |operation: &Operation, _| {
        if operation.verb != Verb::Put {
            return Fault::None;
        }
        match refused.fetch_add(1, Ordering::Relaxed) {
            0 => Fault::CONFLICT,
            1 => Fault::SLOW_DOWN,
            2 => Fault::Fail(StoreErrorKind::Precondition),
            _ => Fault::None,
        }
    });
    let world = World::on(Arc::new(store));
    let (cache, _) = world.run(deploying(), &["a"]).await;
    assert_eq!(codes(&cache), Vec::<String>::new());
    assert_eq!((world.store.count(Verb::Get), world.store.count(Verb::Put)), (2, 4));
    assert_eq!(other.elsewhere().run(planning(), &["a", "other"]).await.1, [true, true]);
}

#[tokio::test(start_paused = true)]
async fn a_write_whose_answer_is_lost_is_not_sent_again() {
    let inner = memory();
    let store = Faulty::new(inner.clone()).fault(When::verb(Verb::Put), Fault::LoseAnswer);
    let world = World::on(Arc::new(store));
    let (cache, _) = world.run(deploying(), &["a"]).await;
    assert_eq!(codes(&cache), ["cache::remote_unavailable"]);
    assert_eq!(world.store.count(Verb::Put), 1);
    let (_, found) = World::on(inner).run(planning(), &["a"]).await;
    assert_eq!(found, [true], "it arrived");
}

fn damaged() -> Vec<(&'static str, Vec<u8>)> {
    let whole = codec::encode(&Index::default());
    let mut flipped = whole.clone();
    let middle = flipped.len() / 2;
    flipped[middle] ^= 0x55;
    vec![
        ("nothing", Vec::new()),
        ("garbage", b"garbage".to_vec()),
        ("truncated", whole[..whole.len() - 9].to_vec()),
        ("flipped", flipped),
        ("foreign", b"{\"Resources\": {}}".to_vec()),
    ]
}

#[tokio::test(start_paused = true)]
async fn a_damaged_index_is_empty_and_replaced() {
    for (name, bytes) in damaged() {
        let inner = memory();
        inner.put(&index_key(), Bytes::from(bytes), &Put::default()).await.unwrap();
        let world = World::on(inner);
        let (cache, found) = world.run(planning(), &["a"]).await;
        assert_eq!((found, codes(&cache)), (vec![false], vec!["cache::unreadable".to_owned()]), "{name}");
        let (cache, found) = world.run(deploying(), &["a"]).await;
        assert_eq!((found, codes(&cache)), (vec![true], vec!["cache::unreadable".to_owned()]), "{name}");
        let (cache, found) = world.elsewhere().run(planning(), &["a"]).await;
        assert_eq!((found, codes(&cache)), (vec![true], vec![]), "{name}");
    }
}

#[tokio::test(start_paused = true)]
async fn damaged_files_of_this_machine_are_none() {
    for (name, bytes) in damaged() {
        let world = World::new();
        world.run(deploying(), &["published"]).await;
        world.run(planning(), &["a"]).await;
        for file in [LocalFile::Shared, LocalFile::SharedTag, LocalFile::Own] {
            let whole = world.local.files().insert(file, bytes.clone()).unwrap();
            let (cache, found) = world.run(planning(), &["published", "a"]).await;
            let is_own = file == LocalFile::Own;
            assert_eq!(found, [true, !is_own], "{name} {file:?}");
            let warned = if is_own { vec!["cache::unreadable".to_owned()] } else { vec![] };
            assert_eq!(codes(&cache), warned, "{name} {file:?}");
            // It is whole again.
            let (cache, found) = world.run(planning(), &["published", "a"]).await;
            assert_eq!((found, codes(&cache)), (vec![true, true], vec![]), "{name} {file:?}");
            world.local.files().insert(file, whole);
        }
    }
}

/// Deleting any part by hand costs time, and nothing else.
#[tokio::test(start_paused = true)]
async fn any_file_and_any_object_may_be_deleted() {
    for file in [LocalFile::Shared, LocalFile::SharedTag, LocalFile::Own] {
        let world = World::new();
        world.run(deploying(), &["published"]).await;
        world.run(planning(), &["a"]).await;
        world.local.files().remove(&file);
        let (cache, _) = world.run(planning(), &["published", "a"]).await;
        assert_eq!(codes(&cache), Vec::<String>::new());
        assert_eq!(world.run(planning(), &["published", "a"]).await.1, [true, true]);
    }
    let world = World::new();
    world.run(deploying(), &["a"]).await;
    world.store.delete(&index_key(), &Condition::None).await.unwrap();
    let (cache, found) = world.run(deploying(), &["a"]).await;
    assert_eq!((found, codes(&cache)), (vec![false], vec![]));
    assert_eq!(world.elsewhere().run(planning(), &["a"]).await.1, [true]);
}

#[tokio::test(start_paused = true)]
async fn an_interrupted_run_does_not_wait_long() {
    let world = World::on(Arc::new(
        Faulty::new(memory()).fault(When::verb(Verb::Put), Fault::Fail(StoreErrorKind::Precondition)),
    ));
    let cache = world.loaded(deploying()).await;
    super::run::work(&cache, super::run::PURE, "a");
    let start = world.clock.monotonic();
    cache.publish_within(true, Duration::from_secs(1)).await;
    assert!(world.clock.monotonic().saturating_sub(start) <= Duration::from_secs(1));
    assert_eq!(world.run(planning(), &["a"]).await.1, [true]);
}
